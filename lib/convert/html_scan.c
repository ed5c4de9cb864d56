/*
 * The stack of open elements over lexbor's tokenizer.
 *
 * Invariants: every open event has its close event; the stack never holds more than QL_LIMIT_HTML_DEPTH elements (one more start tag
 * closes the innermost, so deeper elements become siblings). Threads: one scan belongs to one thread. Cost: linear in the text
 * times at most the depth cap for end tags that match nothing; memory: lexbor's text buffer, which is as large as the longest run of text.
 * What lexbor would pile up over a page (attributes, parse errors) is dropped after each token.
 *
 * Rules are those of the HTML standard, 13.2.6, as far as they change which text belongs where; text in a table outside its cells is
 * not moved before the table.
 */
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "html_region.h"
#include "html_scan.h"

#include <lexbor/html/tree.h>
#include <string.h>

#define ERRORS_KEPT 64 /* lexbor's list of parse errors, which nobody reads */
#define NAMES_KEPT 1024 /* unknown tag and attribute names; lexbor's tables have chains, so more would be slow */
#define NAME_BUCKETS 65536 /* enough for the attributes of one hostile tag */
#define ATTRIBUTES_READ 256 /* of one tag; each look-up walks them */
#define NOT_FOUND SIZE_MAX

struct ql__html_scan {
    ql__html_options options;
    const ql__html_events *events;
    const lxb_char_t *base;
    size_t size;
    size_t at;            /* end of the last token */
    ql__html_element *stack;
    size_t depth;
    uint32_t open_count[LXB_TAG__LAST_ENTRY];
    uint32_t foreign_depth;
    uint32_t region_count;
    uint32_t table_count;
    bool heading_has_text; /* the innermost heading, summary or dt */
    bool failed;
    lxb_html_tokenizer_t *tokenizer;
    /* The tokenizer asks a tree for the name space of the current node, to know CDATA sections. */
    lxb_html_tree_t tree;
    lexbor_array_t tree_stack;
    void *tree_list[1];
    lxb_dom_node_t tree_node;
};

static uint32_t open_count(const ql__html_scan *self, uintptr_t tag)
{
    return tag < LXB_TAG__LAST_ENTRY ? self->open_count[tag] : 0;
}

static ql__html_element *top(ql__html_scan *self)
{
    return self->depth > 0 ? &self->stack[self->depth - 1] : NULL;
}

static void show_name_space(ql__html_scan *self)
{
    bool foreign = self->options.xml || self->foreign_depth > 0;
    self->tree_node.ns = foreign ? LXB_NS_SVG : LXB_NS_HTML;
}

/* Takes element `at` off the stack; what is above it stays open. */
static void close_at(ql__html_scan *self, size_t at, size_t end)
{
    ql__html_element element = self->stack[at];
    memmove(&self->stack[at], &self->stack[at + 1], (self->depth - at - 1) * sizeof *self->stack);
    self->depth--;
    if (element.tag < LXB_TAG__LAST_ENTRY) self->open_count[element.tag]--;
    if (element.foreign) self->foreign_depth--;
    show_name_space(self);
    if (!self->failed && !self->events->close_fn(self->events->user, &element, end)) self->failed = true;
}

static void pop_to(ql__html_scan *self, size_t depth, size_t end)
{
    while (self->depth > depth) close_at(self, self->depth - 1, end);
}

/* Innermost open `tag`; the search ends at an element with one of the flags in `barrier` (that is not `tag` itself). */
static size_t find_open(const ql__html_scan *self, uintptr_t tag, unsigned barrier)
{
    if (tag < LXB_TAG__LAST_ENTRY && self->open_count[tag] == 0) return NOT_FOUND;
    for (size_t i = self->depth; i-- > 0;) {
        if (self->stack[i].tag == tag) return i;
        if (self->stack[i].flags & barrier) return NOT_FOUND;
    }
    return NOT_FOUND;
}

static bool is_any(uintptr_t tag, uintptr_t a, uintptr_t b, uintptr_t c)
{
    return tag == a || tag == b || tag == c;
}

static void close_paragraph(ql__html_scan *self, size_t end)
{
    size_t at = find_open(self, LXB_TAG_P, QL__HTML_SCOPE);
    if (at != NOT_FOUND) pop_to(self, at, end);
}

/* <li> ends an open <li> of the same list, <dt> and <dd> likewise. */
static void close_item(ql__html_scan *self, uintptr_t tag, size_t end)
{
    bool in_dl = tag != LXB_TAG_LI;
    for (size_t i = self->depth; i-- > 0;) {
        const ql__html_element *e = &self->stack[i];
        bool same = in_dl ? e->tag == LXB_TAG_DT || e->tag == LXB_TAG_DD : e->tag == LXB_TAG_LI;
        if (same) {
            pop_to(self, i, end);
            return;
        }
        bool passes = is_any(e->tag, LXB_TAG_ADDRESS, LXB_TAG_DIV, LXB_TAG_P) || !(e->flags & (QL__HTML_BLOCK | QL__HTML_SCOPE));
        if (!passes) return;
    }
}

/* Makes room for a part of a table; false when no table is open, then the tag means nothing. */
static bool enter_table_part(ql__html_scan *self, uintptr_t tag, size_t end)
{
    size_t table = find_open(self, LXB_TAG_TABLE, 0);
    if (table == NOT_FOUND) return false;
    size_t keep = table + 1;
    bool cell = tag == LXB_TAG_TD || tag == LXB_TAG_TH, row = tag == LXB_TAG_TR;
    if (row || cell) {
        for (size_t i = table + 1; i < self->depth; i++) {
            uintptr_t t = self->stack[i].tag;
            if (is_any(t, LXB_TAG_TBODY, LXB_TAG_THEAD, LXB_TAG_TFOOT) || (cell && t == LXB_TAG_TR)) keep = i + 1;
        }
    }
    pop_to(self, keep, end);
    return true;
}

static void close_implied(ql__html_scan *self, uintptr_t tag, unsigned flags, size_t end)
{
    if (flags & QL__HTML_BLOCK) {
        if (self->foreign_depth > 0) {
            size_t i = 0;
            while (i < self->depth && !self->stack[i].foreign) i++;
            pop_to(self, i, end);
        }
        size_t select = find_open(self, LXB_TAG_SELECT, 0);
        if (select != NOT_FOUND) pop_to(self, select, end);
        close_paragraph(self, end);
    }
    if ((flags & QL__HTML_HEADING) && top(self) && (top(self)->flags & QL__HTML_HEADING)) pop_to(self, self->depth - 1, end);
    if (is_any(tag, LXB_TAG_LI, LXB_TAG_DT, LXB_TAG_DD)) close_item(self, tag, end);
    if (tag == LXB_TAG_A) {
        size_t at = find_open(self, LXB_TAG_A, QL__HTML_SCOPE);
        if (at != NOT_FOUND) close_at(self, at, end);
    }
}

static bool in_heading(const ql__html_scan *self)
{
    static const uintptr_t tags[] = {LXB_TAG_H1, LXB_TAG_H2, LXB_TAG_H3, LXB_TAG_H4, LXB_TAG_H5, LXB_TAG_H6, LXB_TAG_SUMMARY, LXB_TAG_DT};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (self->open_count[tags[i]] > 0) return true;
    }
    return false;
}

static void fill_element(ql__html_scan *self, const lxb_html_token_t *token, ql__html_element *out, size_t begin)
{
    memset(out, 0, sizeof *out);
    out->tag = token->tag_id;
    out->begin = begin;
    out->flags = ql__html_tag_flags(token->tag_id);
    out->region = out->table = QL__HTML_NO_REGION;
    out->foreign = self->foreign_depth > 0 || token->tag_id == LXB_TAG_SVG || token->tag_id == LXB_TAG_MATH;
    ql__html_context context = {
        .in_content = open_count(self, LXB_TAG_MAIN) + open_count(self, LXB_TAG_ARTICLE) + open_count(self, LXB_TAG_SECTION) > 0,
        .in_bare_heading = in_heading(self) && !self->heading_has_text,
    };
    ql__html_classify(token, &context, out);
    if (out->reason != QL__HTML_KEEP || out->main != QL__HTML_NOT_MAIN) out->region = self->region_count++;
    if (out->tag == LXB_TAG_TABLE) out->table = self->table_count++;
}

static void open_element(ql__html_scan *self, const lxb_html_token_t *token, size_t begin)
{
    uintptr_t tag = token->tag_id;
    unsigned flags = ql__html_tag_flags(tag);
    if (tag == LXB_TAG_IMAGE && self->foreign_depth == 0) flags |= QL__HTML_VOID;
    if ((flags & QL__HTML_TABLE_PART) && !enter_table_part(self, tag, begin)) return;
    close_implied(self, tag, flags, begin);
    if (self->depth >= QL_LIMIT_HTML_DEPTH) pop_to(self, QL_LIMIT_HTML_DEPTH - 1, begin);
    ql__html_element *element = &self->stack[self->depth++];
    fill_element(self, token, element, begin);
    if (tag < LXB_TAG__LAST_ENTRY) self->open_count[tag]++;
    if ((flags & QL__HTML_HEADING) || tag == LXB_TAG_SUMMARY || tag == LXB_TAG_DT) self->heading_has_text = false;
    if (element->foreign) self->foreign_depth++;
    show_name_space(self);
    if (!self->events->open_fn(self->events->user, element, token)) self->failed = true;
    bool empty = (token->type & LXB_HTML_TOKEN_TYPE_CLOSE_SELF) && (self->options.xml || element->foreign);
    if ((flags & QL__HTML_VOID) || empty) {
        close_at(self, self->depth - 1, self->at);
        return;
    }
    bool raw = (flags & QL__HTML_RAW) && !(element->foreign);
    if (raw) lxb_html_tokenizer_set_state_by_tag(self->tokenizer, false, tag, LXB_NS_HTML);
}

static void close_by_tag(ql__html_scan *self, uintptr_t tag, unsigned flags, size_t end)
{
    size_t at = NOT_FOUND;
    if (flags & QL__HTML_HEADING) {
        /* </h2> ends an open <h3> too. */
        for (size_t i = self->depth; i-- > 0 && !(self->stack[i].flags & QL__HTML_SCOPE);) {
            if (self->stack[i].flags & QL__HTML_HEADING) {
                at = i;
                break;
            }
        }
    } else if (flags & QL__HTML_FORMAT) {
        at = find_open(self, tag, QL__HTML_SCOPE);
        if (at != NOT_FOUND) close_at(self, at, end);
        return;
    } else if (flags & QL__HTML_TABLE_PART) {
        size_t table = find_open(self, LXB_TAG_TABLE, 0);
        at = find_open(self, tag, 0);
        if (at != NOT_FOUND && table != NOT_FOUND && at < table) at = NOT_FOUND;
    } else if (tag == LXB_TAG_TABLE) {
        at = find_open(self, tag, 0);
    } else if (tag == LXB_TAG_LI) {
        at = find_open(self, tag, QL__HTML_SCOPE | QL__HTML_LIST);
    } else if (flags & (QL__HTML_BLOCK | QL__HTML_SCOPE | QL__HTML_DROP)) {
        at = find_open(self, tag, QL__HTML_SCOPE);
    } else {
        at = find_open(self, tag, QL__HTML_BLOCK | QL__HTML_SCOPE);
    }
    if (at != NOT_FOUND) pop_to(self, at, end);
}

static void handle_text(ql__html_scan *self, const lxb_html_token_t *token, size_t begin, size_t end)
{
    size_t len = token->text_end > token->text_start ? (size_t)(token->text_end - token->text_start) : 0;
    if (len == 0) return;
    for (size_t i = 0; i < len && !self->heading_has_text; i++) self->heading_has_text = token->text_start[i] > ' ';
    if (!self->events->text_fn(self->events->user, (const char *)token->text_start, len, begin, end)) self->failed = true;
}

/* A pointer of the tokenizer as an offset: at the end of the input they point into a constant of its own. */
static size_t offset_of(const ql__html_scan *self, const lxb_char_t *at, size_t fallback)
{
    uintptr_t p = (uintptr_t)at, base = (uintptr_t)self->base;
    return p >= base && p <= base + self->size ? (size_t)(p - base) : fallback;
}

static void forget_token(ql__html_scan *self, const lxb_html_token_t *token)
{
    lxb_html_tokenizer_t *t = self->tokenizer;
    if (token->attr_first) {
        lexbor_dobject_clean(t->dobj_token_attr);
        lexbor_mraw_clean(t->attrs_mraw);
        if (lexbor_dobject_allocated(t->attrs->entries) > NAMES_KEPT) lexbor_hash_clean(t->attrs);
    }
    /* An open element whose name is forgotten here can be taken for one named later; it needs a thousand invented names. */
    if (lexbor_dobject_allocated(t->tags->entries) > NAMES_KEPT) lexbor_hash_clean(t->tags);
    if (lexbor_array_obj_length(t->parse_errors) > ERRORS_KEPT) lexbor_array_obj_clean(t->parse_errors);
}

static lxb_html_token_t *on_token(lxb_html_tokenizer_t *tokenizer, lxb_html_token_t *token, void *user)
{
    ql__html_scan *self = user;
    size_t begin = offset_of(self, token->begin, self->at);
    size_t end = offset_of(self, token->end, self->size);
    if (begin < self->at) begin = self->at;
    if (end < begin) end = begin;
    uintptr_t tag = token->tag_id;
    if (tag != LXB_TAG__END_OF_FILE) self->at = end;
    if (tag == LXB_TAG__TEXT) {
        handle_text(self, token, begin, end);
    } else if (tag == LXB_TAG__EM_COMMENT || tag == LXB_TAG__EM_DOCTYPE || tag == LXB_TAG__PROCESSINGINSTRUCTION || tag == LXB_TAG__END_OF_FILE) {
        /* Nothing to read. */
    } else if (!(token->type & LXB_HTML_TOKEN_TYPE_CLOSE)) {
        open_element(self, token, begin > 0 && self->base[begin] != '<' ? begin - 1 : begin);
    } else if (tag == LXB_TAG_BR) {
        open_element(self, token, begin);
    } else if (!is_any(tag, LXB_TAG_HTML, LXB_TAG_BODY, LXB_TAG_HEAD)) {
        close_by_tag(self, tag, ql__html_tag_flags(tag), end);
    }
    forget_token(self, token);
    if (self->failed) {
        tokenizer->status = LXB_STATUS_ERROR_MEMORY_ALLOCATION;
        return NULL;
    }
    return token;
}

static void lend_tree(ql__html_scan *self)
{
    self->tree_list[0] = &self->tree_node;
    self->tree_stack = (lexbor_array_t){.list = self->tree_list, .size = 1, .length = 1};
    self->tree.open_elements = &self->tree_stack;
    show_name_space(self);
    lxb_html_tokenizer_tree_set(self->tokenizer, &self->tree);
}

/* lexbor grows its text buffer by steps of fixed size; a page with one long run of entities would be copied over and over. */
static bool reserve_text(lxb_html_tokenizer_t *tokenizer, size_t size)
{
    lxb_char_t *start = lexbor_realloc(tokenizer->start, size + ((size_t)16 << 10));
    if (!start) return false;
    tokenizer->start = tokenizer->pos = start;
    tokenizer->end = start + size + ((size_t)16 << 10);
    return true;
}

static bool run_tokenizer(ql__html_scan *self)
{
    lxb_html_tokenizer_t *t = self->tokenizer;
    if (!t || lxb_html_tokenizer_init(t) != LXB_STATUS_OK || !reserve_text(t, self->size)) return false;
    lxb_html_tokenizer_callback_token_done_set(t, on_token, self);
    lxb_html_tokenizer_keep_duplicate_set(t, true); /* looking for duplicates is quadratic in one tag's attributes */
    if (lxb_html_tokenizer_tags_make(t, NAME_BUCKETS / 64) != LXB_STATUS_OK) return false;
    if (lxb_html_tokenizer_attrs_make(t, NAME_BUCKETS) != LXB_STATUS_OK) return false;
    if (lxb_html_tokenizer_begin(t) != LXB_STATUS_OK) return false;
    lend_tree(self);
    if (self->size > 0 && lxb_html_tokenizer_chunk(t, self->base, self->size) != LXB_STATUS_OK) return false;
    if (lxb_html_tokenizer_end(t) != LXB_STATUS_OK) return false;
    pop_to(self, 0, self->size);
    return !self->failed;
}

ql_status ql__html_scan_run(ql_str html, const ql__html_options *options, const ql__html_events *events, ql_error *err)
{
    QL_AUTO(char *, ql__free_cleanup) memory = ql__alloc_zero(1, sizeof(ql__html_scan));
    QL_AUTO(char *, ql__free_cleanup) stack = ql__alloc_zero(QL_LIMIT_HTML_DEPTH, sizeof(ql__html_element));
    if (!memory || !stack) return ql__fail_nomem(err);
    ql__html_scan *self = (ql__html_scan *)(void *)memory;
    self->options = *options;
    self->events = events;
    self->base = (const lxb_char_t *)html.ptr;
    self->size = html.len;
    self->stack = (ql__html_element *)(void *)stack;
    self->tokenizer = lxb_html_tokenizer_create();
    bool ok = run_tokenizer(self);
    if (self->tokenizer) {
        lxb_html_tokenizer_tags_destroy(self->tokenizer);
        lxb_html_tokenizer_attrs_destroy(self->tokenizer);
        lxb_html_tokenizer_destroy(self->tokenizer);
    }
    return ok ? QL_OK : ql__fail_nomem(err);
}

ql_str ql__html_attribute(const lxb_html_token_t *token, const char *name)
{
    size_t len = strlen(name);
    unsigned left = ATTRIBUTES_READ;
    for (const lxb_html_token_attr_t *a = token ? token->attr_first : NULL; a && left-- > 0; a = a->next) {
        size_t name_len = 0;
        const lxb_char_t *found = a->name ? lxb_html_token_attr_name((lxb_html_token_attr_t *)a, &name_len) : NULL;
        if (!found || name_len != len || memcmp(found, name, len) != 0) continue;
        return a->value ? (ql_str){(const char *)a->value, a->value_size} : (ql_str){"", 0};
    }
    return (ql_str){NULL, 0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool equal_ignoring_case(const char *text, size_t len, const char *word)
{
    size_t i = 0;
    while (i < len && word[i] && lower(text[i]) == word[i]) i++;
    return i == len && !word[i];
}

bool ql__html_has_word(ql_str list, const char *word)
{
    for (size_t i = 0; i < list.len;) {
        while (i < list.len && is_blank(list.ptr[i])) i++;
        size_t begin = i;
        while (i < list.len && !is_blank(list.ptr[i])) i++;
        if (i > begin && equal_ignoring_case(list.ptr + begin, i - begin, word)) return true;
    }
    return false;
}

bool ql__html_equal(ql_str value, const char *word)
{
    if (value.len == 0) return word[0] == '\0'; /* nothing may be added to NULL */
    size_t begin = 0, end = value.len;
    while (begin < end && is_blank(value.ptr[begin])) begin++;
    while (end > begin && is_blank(value.ptr[end - 1])) end--;
    return equal_ignoring_case(value.ptr + begin, end - begin, word);
}
