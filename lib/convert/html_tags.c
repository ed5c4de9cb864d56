/*
 * What each HTML element is to a reader of text: one table, indexed by lexbor's tag number. Constant data.
 */
#include "html_scan.h"

#define B QL__HTML_BLOCK
#define V QL__HTML_VOID
#define F QL__HTML_FORMAT
#define D QL__HTML_DROP
#define R QL__HTML_RAW
#define S QL__HTML_SCOPE
#define T (QL__HTML_TABLE_PART | QL__HTML_BLOCK)
#define C (QL__HTML_CODE | QL__HTML_FORMAT)

static const uint16_t tag_flags[LXB_TAG__LAST_ENTRY] = {
    [LXB_TAG_ADDRESS] = B, [LXB_TAG_ARTICLE] = B, [LXB_TAG_ASIDE] = B, [LXB_TAG_BLOCKQUOTE] = B, [LXB_TAG_CENTER] = B,
    [LXB_TAG_DETAILS] = B, [LXB_TAG_DIALOG] = B, [LXB_TAG_DIV] = B, [LXB_TAG_FIELDSET] = B, [LXB_TAG_FIGCAPTION] = B,
    [LXB_TAG_FIGURE] = B, [LXB_TAG_FOOTER] = B, [LXB_TAG_FORM] = B, [LXB_TAG_HEADER] = B, [LXB_TAG_HGROUP] = B,
    [LXB_TAG_LEGEND] = B, [LXB_TAG_LISTING] = B, [LXB_TAG_MAIN] = B, [LXB_TAG_NAV] = B, [LXB_TAG_P] = B, [LXB_TAG_PRE] = B,
    [LXB_TAG_SEARCH] = B, [LXB_TAG_SECTION] = B, [LXB_TAG_SUMMARY] = B,
    [LXB_TAG_UL] = B | QL__HTML_LIST, [LXB_TAG_OL] = B | QL__HTML_LIST, [LXB_TAG_MENU] = B | QL__HTML_LIST,
    [LXB_TAG_DIR] = B | QL__HTML_LIST, [LXB_TAG_DL] = B | QL__HTML_LIST,
    [LXB_TAG_LI] = B, [LXB_TAG_DT] = B, [LXB_TAG_DD] = B,
    [LXB_TAG_H1] = B | QL__HTML_HEADING, [LXB_TAG_H2] = B | QL__HTML_HEADING, [LXB_TAG_H3] = B | QL__HTML_HEADING,
    [LXB_TAG_H4] = B | QL__HTML_HEADING, [LXB_TAG_H5] = B | QL__HTML_HEADING, [LXB_TAG_H6] = B | QL__HTML_HEADING,
    [LXB_TAG_HR] = B | V,
    [LXB_TAG_TABLE] = B | S, [LXB_TAG_CAPTION] = T | S, [LXB_TAG_TBODY] = T, [LXB_TAG_THEAD] = T, [LXB_TAG_TFOOT] = T,
    [LXB_TAG_TR] = T, [LXB_TAG_TD] = T | S, [LXB_TAG_TH] = T | S, [LXB_TAG_COLGROUP] = T, [LXB_TAG_COL] = T | V,
    [LXB_TAG_AREA] = V, [LXB_TAG_BASE] = V, [LXB_TAG_BASEFONT] = V, [LXB_TAG_BGSOUND] = V, [LXB_TAG_BR] = V, [LXB_TAG_EMBED] = V,
    [LXB_TAG_FRAME] = V, [LXB_TAG_IMG] = V, [LXB_TAG_INPUT] = V, [LXB_TAG_KEYGEN] = V, [LXB_TAG_LINK] = V, [LXB_TAG_META] = V,
    [LXB_TAG_PARAM] = V, [LXB_TAG_SOURCE] = V, [LXB_TAG_TRACK] = V, [LXB_TAG_WBR] = V,
    [LXB_TAG_A] = F, [LXB_TAG_B] = F, [LXB_TAG_BIG] = F, [LXB_TAG_EM] = F, [LXB_TAG_FONT] = F, [LXB_TAG_I] = F, [LXB_TAG_NOBR] = F,
    [LXB_TAG_S] = F, [LXB_TAG_SMALL] = F, [LXB_TAG_STRIKE] = F, [LXB_TAG_STRONG] = F, [LXB_TAG_U] = F,
    [LXB_TAG_CODE] = C, [LXB_TAG_TT] = C, [LXB_TAG_KBD] = C, [LXB_TAG_SAMP] = C,
    [LXB_TAG_SCRIPT] = D | R, [LXB_TAG_STYLE] = D | R, [LXB_TAG_IFRAME] = D | R, [LXB_TAG_NOEMBED] = D | R, [LXB_TAG_XMP] = B | R,
    [LXB_TAG_TITLE] = D | R, [LXB_TAG_TEXTAREA] = B | R, [LXB_TAG_PLAINTEXT] = B | R,
    [LXB_TAG_TEMPLATE] = D | S, [LXB_TAG_NOSCRIPT] = D, [LXB_TAG_CANVAS] = D, [LXB_TAG_VIDEO] = D, [LXB_TAG_AUDIO] = D,
    [LXB_TAG_DATALIST] = D, [LXB_TAG_PROGRESS] = D, [LXB_TAG_METER] = D, [LXB_TAG_SELECT] = D | S,
    [LXB_TAG_BUTTON] = S, [LXB_TAG_OBJECT] = S, [LXB_TAG_APPLET] = S, [LXB_TAG_MARQUEE] = S,
};

unsigned ql__html_tag_flags(uintptr_t tag)
{
    return tag < LXB_TAG__LAST_ENTRY ? tag_flags[tag] : 0;
}
