/*
 * Canonical text of a page, in the form of Markdown that a person would write.
 *
 * What the scanner's events mean: which text is kept, what an element begins and ends. Text collects in one leaf (html_leaf.c), an element
 * that begins or ends a line flushes it into the containers that are open (html_block.c); rows are in html_table.c. Invariants: a depth
 * that an element's effect raised is lowered at its end; removed ranges ascend. Threads: the state belongs to one thread. Cost: linear.
 */
#include "html_write.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"
#include "html_block.h"
#include "html_leaf.h"
#include "html_table.h"

#include <string.h>

#define ALT_BYTES_MAX 1024

enum {
    EFFECT_SUPPRESS = 1,
    EFFECT_HARD = 2,
    EFFECT_MAIN = 4,
    EFFECT_RESCUE = 8,
    EFFECT_CODE = 16,
    EFFECT_LABEL = 32,
    EFFECT_QUOTE = 64,
    EFFECT_LANGUAGE = 128
};

enum { LINK_NONE, LINK_ANCHOR };

/* Left-out parts */

static void note_removed(ql__html_writer *self, size_t begin, size_t end, int reason)
{
    ql__html_output *o = self->out;
    const char *name = ql__html_reason_name(reason);
    ql_removed *last = o->removed_count > 0 ? &o->removed[o->removed_count - 1] : NULL;
    if (last && self->removed_open && last->reason == name) {
        last->source_end = end;
        return;
    }
    if (last && begin < last->source_end) begin = last->source_end;
    if (end < begin) end = begin;
    ql_removed entry = {begin, end, name};
    if (!ql__array_push(o->removed, o->removed_count, o->removed_capacity, entry)) self->failed = true;
    self->removed_open = true;
}

static bool is_kept(const ql__html_writer *self)
{
    if (self->foreign_depth > 0 && self->foreign_label_depth == 0) return false;
    if (self->rescue_depth > 0) return self->hard_suppressed == 0;
    return self->suppressed == 0 && (self->regions->main == QL__HTML_NO_REGION || self->main_depth > 0);
}

static int reason_now(const ql__html_writer *self)
{
    if (self->suppressed > 0) return self->reason;
    return self->foreign_depth > 0 ? QL__HTML_INVISIBLE : QL__HTML_OUTSIDE;
}

/* Elements */

static void copy_language(char out[QL__HTML_LANGUAGE_BYTES_MAX + 1], const char *name, size_t len)
{
    static const char *const no_language[] = {"default", "none", "text", "plain", "plaintext", "txt", "notranslate", "source", "output"};
    if (len == 0 || len > QL__HTML_LANGUAGE_BYTES_MAX) return;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c >= 0x7F || c == '`') return;
    }
    for (size_t i = 0; i < sizeof no_language / sizeof *no_language; i++) {
        if (strlen(no_language[i]) == len && memcmp(no_language[i], name, len) == 0) return;
    }
    memcpy(out, name, len);
    out[len] = '\0';
}

/* class="language-x", "lang-x", "highlight-x", "highlight-source-x", "brush: x"; data-lang, data-language. */
static bool find_language(const lxb_html_token_t *token, char out[QL__HTML_LANGUAGE_BYTES_MAX + 1])
{
    out[0] = '\0';
    static const char *const prefixes[] = {"highlight-source-", "language-", "highlight-", "lang-", "brush:"};
    ql_str data = ql__html_attribute(token, "data-lang");
    if (data.len == 0) data = ql__html_attribute(token, "data-language");
    if (data.len > 0) {
        copy_language(out, data.ptr, data.len);
        return out[0] != '\0';
    }
    ql_str list = ql__html_attribute(token, "class");
    for (size_t i = 0; i < list.len;) {
        while (i < list.len && (unsigned char)list.ptr[i] <= ' ') i++;
        size_t begin = i;
        while (i < list.len && (unsigned char)list.ptr[i] > ' ' && list.ptr[i] != ';') i++;
        bool brush = i - begin == 6 && memcmp(list.ptr + begin, "brush:", 6) == 0;
        if (brush) { /* "brush: x": the name is the next word */
            while (i < list.len && (unsigned char)list.ptr[i] <= ' ') i++;
            size_t name = i;
            while (i < list.len && (unsigned char)list.ptr[i] > ' ' && list.ptr[i] != ';') i++;
            copy_language(out, list.ptr + name, i - name);
            return out[0] != '\0';
        }
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            size_t len = strlen(prefixes[p]);
            if (i - begin <= len || memcmp(list.ptr + begin, prefixes[p], len) != 0) continue;
            copy_language(out, list.ptr + begin + len, i - begin - len);
            return out[0] != '\0';
        }
        if (i < list.len) i++;
    }
    return false;
}

static void open_block(ql__html_writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    if (element->flags & QL__HTML_BLOCK) ql__html_flush(self);
    if ((element->flags & QL__HTML_HEADING) && self->pre_depth == 0 && self->row_table == QL__HTML_NO_REGION) {
        ql__html_flush_leaf(self);
        self->heading_level = (uint32_t)(element->tag == LXB_TAG_H1 ? 1 : element->tag == LXB_TAG_H2 ? 2 : element->tag == LXB_TAG_H3 ? 3 : element->tag == LXB_TAG_H4 ? 4 : element->tag == LXB_TAG_H5 ? 5 : 6);
        return;
    }
    if (self->pre_depth > 0 || ql__html_in_one_line(self)) {
        bool item = element->tag == LXB_TAG_LI && self->row_table != QL__HTML_NO_REGION && self->cell_open && !self->line_start;
        if (item && self->leaf.len > 0 && self->leaf.ptr[self->leaf.len - 1] != ';') ql__html_put_raw(self, ";", 1);
        return;
    }
    if (element->flags & QL__HTML_LIST) ql__html_open_list(self, element, token);
    else if (element->tag == LXB_TAG_LI) ql__html_open_item(self, element);
    else if (element->tag == LXB_TAG_DT || element->tag == LXB_TAG_DD) ql__html_open_definition(self, element);
    else if (element->tag == LXB_TAG_BLOCKQUOTE) element->container = ql__html_push_container(self, QL_BLOCK_QUOTE, 0);
    else if (element->tag == LXB_TAG_TABLE && !ql__html_is_layout_table(self, element->table))
        element->container = ql__html_push_container(self, QL_BLOCK_TABLE, element->table);
}

static bool is_pre(uintptr_t tag)
{
    return tag == LXB_TAG_PRE || tag == LXB_TAG_LISTING || tag == LXB_TAG_XMP || tag == LXB_TAG_PLAINTEXT;
}

static void open_pre(ql__html_writer *self, const lxb_html_token_t *token)
{
    if (self->pre_depth == 0 && ql__html_in_one_line(self)) return;
    if (self->pre_depth++ > 0) return;
    self->pre_first = true;
    find_language(token, self->language);
}

static void close_pre(ql__html_writer *self)
{
    if (self->pre_depth == 0 || --self->pre_depth > 0) return;
    ql__html_flush_code(self);
    ql__html_reset_leaf(self);
}

static void open_image(ql__html_writer *self, const ql__html_element *element, const lxb_html_token_t *token)
{
    ql_str alt = ql__html_attribute(token, "alt");
    if (alt.len == 0 || alt.len > ALT_BYTES_MAX) return;
    ql__html_put_text(self, alt.ptr, alt.len, element->begin, element->begin + 1);
}

static bool is_superscript_number(const ql__html_writer *self, const char *text, size_t len)
{
    if (self->line_start || self->pending_space || len == 0 || self->leaf.len == 0) return false;
    unsigned char before = (unsigned char)self->leaf.ptr[self->leaf.len - 1];
    bool word = (before >= '0' && before <= '9') || (before >= 'A' && before <= 'Z') || (before >= 'a' && before <= 'z') || before == ')';
    return word && ((text[0] >= '0' && text[0] <= '9') || text[0] == '-' || text[0] == '+');
}

static void open_inline(ql__html_writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    uintptr_t tag = element->tag;
    if (tag == LXB_TAG_BR) ql__html_put_line_break(self);
    if (tag == LXB_TAG_IMG) open_image(self, element, token);
    if (tag == LXB_TAG_INPUT && self->pending_marker == QL__HTML_MARKER_BULLET && self->leaf.len == 0 &&
        ql__html_equal(ql__html_attribute(token, "type"), "checkbox")) {
        ql__html_put_synthetic(self, ql__html_attribute(token, "checked").ptr ? "[x] " : "[ ] ");
        self->line_start = true; /* it ends in a blank */
    }
    if (tag == LXB_TAG_Q) {
        ql__html_put_synthetic(self, "\xE2\x80\x9C");
        self->line_start = true; /* no blank after the opening quote */
        element->effect |= EFFECT_QUOTE;
    }
    if ((element->flags & QL__HTML_CODE) && self->pre_depth == 0 && self->heading_level == 0) {
        element->effect |= EFFECT_CODE;
        if (self->code_depth++ == 0) {
            ql__html_put_pending_space(self);
            self->tick_at = self->leaf.len;
            self->tick_open = true;
            ql__html_put_raw(self, "`", 1);
        }
    }
    if (tag == LXB_TAG_CODE && self->pre_depth > 0 && !self->language[0]) find_language(token, self->language);
    if (tag == LXB_TAG_SUP) self->superscript = true;
    if (tag == LXB_TAG_A) {
        static const char *const words[] = {"headerlink", "anchor", "header-anchor", "heading-anchor", "anchorjs-link", "permalink", "direct-link", "hash-link", "self-link", "anchor-link"};
        ql_str list = ql__html_attribute(token, "class");
        bool anchor = self->heading_level > 0;
        for (size_t i = 0; list.len > 0 && i < sizeof words / sizeof *words && !anchor; i++) anchor = ql__html_has_word(list, words[i]);
        element->link = anchor ? LINK_ANCHOR : LINK_NONE;
    }
    element->leaf = self->leaf_serial;
    element->mark = self->leaf.len;
}

static void close_inline(ql__html_writer *self, const ql__html_element *element)
{
    static const char *const signs[] = {"\xC2\xB6", "#", "\xC2\xA7", "\xF0\x9F\x94\x97", "\xE2\x88\x9E", "\xEF\x83\x81"};
    if ((element->effect & EFFECT_CODE) && self->code_depth == 1) ql__html_close_tick(self);
    if (element->tag == LXB_TAG_SUP) self->superscript = false;
    if (element->effect & EFFECT_QUOTE) {
        self->line_start = false;
        ql__html_put_raw(self, "\xE2\x80\x9D", 3);
    }
    if (element->link != LINK_ANCHOR || element->leaf != self->leaf_serial || self->leaf.len <= element->mark) return;
    const char *text = self->leaf.ptr + element->mark;
    size_t len = self->leaf.len - element->mark;
    while (len > 0 && *text == ' ') text++, len--;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strlen(signs[i]) == len && memcmp(text, signs[i], len) == 0) ql__html_truncate_leaf(self, element->mark);
    }
}

/* A box around code names its language; the outermost one that does holds until its end. */
static void enter_language(ql__html_writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    if (self->outer_language[0] || !find_language(token, self->outer_language)) return;
    element->effect |= EFFECT_LANGUAGE;
}

static bool leaves_out(const ql__html_writer *self, const ql__html_element *element)
{
    if (element->always) return true;
    if (element->region == QL__HTML_NO_REGION || self->regions->keep_all) return false;
    return self->regions->items[element->region + 1].removed;
}

static void enter_left_out(ql__html_writer *self, ql__html_element *element)
{
    /* What surrounds it is one text only if it is inline. */
    if (element->flags & QL__HTML_BLOCK) ql__html_flush(self);
    element->effect |= EFFECT_SUPPRESS;
    if (self->suppressed++ == 0) self->reason = element->reason;
    if (element->reason != QL__HTML_HEADER) {
        element->effect |= EFFECT_HARD;
        self->hard_suppressed++;
    }
}

static bool write_open(void *user, ql__html_element *element, const lxb_html_token_t *token)
{
    ql__html_writer *self = user;
    if (element->tag == LXB_TAG_SVG || element->tag == LXB_TAG_MATH) {
        if (element->tag == LXB_TAG_SVG) self->foreign_depth++;
    } else if (element->foreign && self->foreign_depth > 0) {
        size_t len = 0;
        const lxb_char_t *name = lxb_tag_name_by_id(element->tag, &len);
        if ((name && len == 4 && memcmp(name, "text", 4) == 0) || element->tag == LXB_TAG_FOREIGNOBJECT) {
            element->effect |= EFFECT_LABEL;
            self->foreign_label_depth++;
            self->pending_space = true; /* between two labels of a drawing */
            self->space_begin = self->space_end = 0;
        }
    }
    if (element->region != QL__HTML_NO_REGION && element->region == self->regions->main) {
        ql__html_flush(self);
        element->effect |= EFFECT_MAIN;
        self->main_depth++;
    }
    if (leaves_out(self, element)) enter_left_out(self, element);
    if (element->tag == LXB_TAG_H1 && self->regions->rescue_headings && !is_kept(self)) {
        element->effect |= EFFECT_RESCUE;
        self->rescue_depth++;
    }
    if (!is_kept(self)) return !self->failed;
    if (element->flags & QL__HTML_BLOCK) open_block(self, element, token);
    if (element->flags & QL__HTML_TABLE_PART) ql__html_open_table_part(self, element);
    if (is_pre(element->tag)) open_pre(self, token);
    else if (element->tag == LXB_TAG_DIV || element->tag == LXB_TAG_FIGURE) enter_language(self, element, token);
    open_inline(self, element, token);
    return !self->failed;
}

static void close_element(ql__html_writer *self, const ql__html_element *element)
{
    close_inline(self, element);
    uintptr_t tag = element->tag;
    if (is_pre(tag)) close_pre(self);
    if ((tag == LXB_TAG_TD || tag == LXB_TAG_TH) && self->row_table != QL__HTML_NO_REGION) ql__html_end_cell(self);
    bool row_ends = tag == LXB_TAG_TR || tag == LXB_TAG_TABLE || tag == LXB_TAG_TBODY || tag == LXB_TAG_THEAD || tag == LXB_TAG_TFOOT;
    if (row_ends && self->row_table != QL__HTML_NO_REGION) ql__html_end_row(self);
    if (tag == LXB_TAG_THEAD || tag == LXB_TAG_TABLE) self->row_in_head = false;
    if ((element->flags & QL__HTML_HEADING) && self->heading_level > 0) {
        ql__html_flush_leaf(self);
        self->heading_level = 0;
    } else if (element->flags & QL__HTML_BLOCK) {
        ql__html_flush(self);
    }
    if (element->container && self->container_count >= element->container) ql__html_pop_containers(self, element->container - 1);
    if (tag == LXB_TAG_LI || tag == LXB_TAG_DT || tag == LXB_TAG_DD) self->pending_marker = QL__HTML_MARKER_NONE;
}

static bool write_close(void *user, ql__html_element *element, size_t end)
{
    (void)end;
    ql__html_writer *self = user;
    if (is_kept(self)) close_element(self, element);
    if (element->effect & EFFECT_CODE) self->code_depth--;
    if (element->effect & EFFECT_LANGUAGE) self->outer_language[0] = '\0';
    if (element->effect & EFFECT_RESCUE) self->rescue_depth--;
    if (element->effect & EFFECT_SUPPRESS) self->suppressed--;
    if (element->effect & EFFECT_HARD) self->hard_suppressed--;
    if (element->effect & EFFECT_MAIN) self->main_depth--;
    if (element->effect & EFFECT_LABEL) self->foreign_label_depth--;
    if (element->tag == LXB_TAG_SVG) self->foreign_depth--;
    return !self->failed;
}

/* Text */

static bool is_all_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] > ' ') return false;
    }
    return true;
}

static bool write_text(void *user, const char *text, size_t len, size_t begin, size_t end)
{
    ql__html_writer *self = user;
    if (!is_kept(self)) {
        if (!is_all_blank(text, len)) note_removed(self, begin, end, reason_now(self));
        return !self->failed;
    }
    if (self->superscript && is_superscript_number(self, text, len)) ql__html_put_raw(self, "^", 1);
    self->superscript = false;
    if (self->pre_depth > 0) {
        ql__html_put_code(self, text, len, begin, end);
    } else if (self->row_table != QL__HTML_NO_REGION && !self->cell_open) {
        if (!is_all_blank(text, len)) { /* text between the cells of a row: a cell of its own, so that it is not lost */
            ql__html_begin_cell(self, false);
            ql__html_put_text(self, text, len, begin, end);
            ql__html_end_cell(self);
        }
    } else {
        ql__html_put_text(self, text, len, begin, end);
    }
    if (!is_all_blank(text, len)) self->removed_open = false;
    return !self->failed;
}

static bool run(ql__html_writer *self, ql_str html, const ql__html_options *options, ql_error *err, ql_status *status)
{
    self->containers = ql__alloc_zero(QL__HTML_CONTAINERS_MAX, sizeof *self->containers);
    if (!self->containers) return false;
    ql__html_push_block(self, QL_BLOCK_DOCUMENT, 0, QL_BLOCK_NONE);
    ql__html_reset_leaf(self);
    ql__html_events events = {.open_fn = write_open, .close_fn = write_close, .text_fn = write_text, .user = self};
    *status = ql__html_scan_run(html, options, &events, err);
    if (*status < 0 || self->failed) return false;
    ql__html_flush(self);
    ql__html_pop_containers(self, 0);
    if (self->out->text.len > 0) ql__html_emit(self, "\n", 1);
    ql__html_end_block(self, 0);
    return !self->failed;
}

ql_status ql__html_write(ql__html_output *self, ql_str html, const ql__html_regions *regions, const ql__html_options *options, ql_error *err)
{
    ql__html_writer w = {.out = self, .regions = regions, .row_table = QL__HTML_NO_REGION};
    ql_buf_init(&w.leaf, 0);
    ql_status status = QL_OK;
    bool ok = run(&w, html, options, err, &status);
    ql_status limit = self->text.status < 0 ? self->text.status : w.leaf.status;
    ql_buf_dispose(&w.leaf);
    ql__free(w.pieces);
    ql__free(w.containers);
    if (ok) return QL_OK;
    if (ql_status_kind(limit) == QL_E_LIMIT) return ql__fail(err, QL_E_LIMIT, "text of the page exceeds the cap of a buffer");
    return status < 0 ? status : ql__fail_nomem(err);
}
