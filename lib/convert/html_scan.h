/*
 * Reading HTML as a stream of balanced open, text and close events, without a document tree.
 *
 * lexbor's tokenizer does what is hard to get right (raw text, entities, comments, broken tags); the stack of open elements here
 * applies the rules of the HTML standard that matter to text: implied end tags, void elements, scopes, foreign content. Memory
 * is bounded by the depth, not by the page, and a page is read as often as a pass is needed. Every pass sees the same events
 * and the same region and table numbers.
 */
#ifndef QL_HTML_SCAN_H
#define QL_HTML_SCAN_H

#include <lexbor/html/tokenizer.h>
#include <qloader/base.h>

#define QL__HTML_NO_REGION UINT32_MAX

/* What an element is to the text: bits of ql__html_tag_flags. */
#define QL__HTML_BLOCK 0x0001u     /* begins and ends a line of its own; closes an open paragraph */
#define QL__HTML_VOID 0x0002u      /* has no content */
#define QL__HTML_FORMAT 0x0004u    /* may be closed out of order */
#define QL__HTML_HEADING 0x0008u
#define QL__HTML_RAW 0x0010u       /* its content is text up to the end tag */
#define QL__HTML_SCOPE 0x0020u     /* implied end tags do not reach through it */
#define QL__HTML_LIST 0x0040u
#define QL__HTML_TABLE_PART 0x0080u /* only inside a table */
#define QL__HTML_DROP 0x0100u      /* never text for a reader */
#define QL__HTML_CODE 0x0200u      /* inline code */

unsigned ql__html_tag_flags(uintptr_t tag);

/* Why an element may be left out. The order is fixed; names are in html_region.c. */
typedef enum ql__html_reason {
    QL__HTML_KEEP = 0,
    QL__HTML_INVISIBLE,   /* script, style, template, form controls: never text */
    QL__HTML_NAVIGATION,  /* nav, role=navigation, role=search, menus */
    QL__HTML_FOOTER,      /* of the site */
    QL__HTML_HEADER,      /* of the site */
    QL__HTML_ASIDE,
    QL__HTML_HIDDEN,      /* hidden, aria-hidden=true, closed dialog */
    QL__HTML_SIDEBAR,     /* by a well-known class or id; left out only if it is mostly links */
    QL__HTML_FURNITURE,   /* by a class of a known generator: line numbers, edit links */
    QL__HTML_OUTSIDE      /* not in the main content */
} ql__html_reason;

/* How likely an element is to hold the main content. */
typedef enum ql__html_main {
    QL__HTML_NOT_MAIN = 0,
    QL__HTML_MAIN,      /* <main>, role=main */
    QL__HTML_ARTICLE,
    QL__HTML_CONTAINER  /* class or id that documentation generators use */
} ql__html_main;

/* An open element. The last group belongs to the pass. */
typedef struct ql__html_element {
    uintptr_t tag;      /* LXB_TAG_..., or larger for a tag lexbor does not know */
    size_t begin;       /* of its start tag */
    uint32_t flags;
    uint32_t region;    /* number of the candidate for removal or for main content, or QL__HTML_NO_REGION */
    uint32_t table;     /* number of the table, or QL__HTML_NO_REGION */
    uint8_t reason;     /* ql__html_reason */
    uint8_t main;       /* ql__html_main */
    bool foreign;       /* inside svg or math */
    bool always;        /* left out whatever the page looks like */

    uint32_t container; /* writer: depth of its container + 1, or 0 */
    uint32_t leaf;      /* writer: serial of the leaf that was open at its start */
    size_t mark;        /* writer: length of the leaf's text at its start */
    uint8_t effect;     /* what the pass has to undo at the end tag */
    uint8_t link;       /* what kind of link it is */
} ql__html_element;

typedef struct ql__html_scan ql__html_scan;

typedef struct ql__html_events {
    /* A false answer stops the scan (QL_E_NOMEM). token is NULL for nothing: attributes are read with ql__html_attribute. */
    bool (*open_fn)(void *user, ql__html_element *element, const lxb_html_token_t *token);
    bool (*close_fn)(void *user, ql__html_element *element, size_t end);
    /* text (len) with entities decoded, read from source [begin, end); not NUL-free. */
    bool (*text_fn)(void *user, const char *text, size_t len, size_t begin, size_t end);
    void *user;
} ql__html_events;

typedef struct ql__html_options {
    bool xml; /* <a/> is empty, <![CDATA[..]]> is text */
} ql__html_options;

/* Reads valid UTF-8. QL_E_NOMEM only: any text is HTML. */
ql_status ql__html_scan_run(ql_str html, const ql__html_options *options, const ql__html_events *events, ql_error *err);

/* Value of an attribute (first of that lower-case name); {NULL, 0} when absent, ptr not NULL when present. */
ql_str ql__html_attribute(const lxb_html_token_t *token, const char *name);
/* True when the blank-separated list holds the word (ASCII case ignored). */
bool ql__html_has_word(ql_str list, const char *word);
bool ql__html_equal(ql_str value, const char *word); /* trimmed, ASCII case ignored */

#endif
