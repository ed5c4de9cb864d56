/*
 * Canonical text of a page, in the form of Markdown that a person would write.
 *
 * Text collects in one leaf (a paragraph, a heading, a row, a code block); an element that begins or ends a line flushes it. Containers
 * (list, item, quote, table, section) open when their first leaf is written, so an empty one leaves no trace. Code blocks are
 * written at the left margin, byte for byte. Invariants: blocks are in pre-order, inside their parents, in text order; map and
 * removed ranges ascend. Cost: linear; an indentation is at most PREFIX_LEVELS levels, so output is bounded by the input too.
 */
#include "html_write.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

#define PREFIX_LEVELS 8                        /* deeper lists are not indented further */
#define CONTAINERS_MAX (QL_LIMIT_TREE_DEPTH - 4)
#define MAP_MERGE_BYTES 64                     /* shorter entries of the map are joined, so it stays smaller than the text */
#define LANGUAGE_BYTES_MAX 32
#define BLOCKS_FREE 4096                       /* so many blocks whatever their size, */
#define BLOCK_TEXT_BYTES 16                    /* then one for so much text: a block costs 64 bytes */
#define BLOCK_SKIPPED (QL_BLOCK_NONE - 1)      /* a container whose text stays with its parent */
#define ALT_BYTES_MAX 1024

typedef struct container {
    uint16_t kind;   /* ql_block_kind */
    uint16_t level;  /* of a section */
    uint32_t block;  /* or QL_BLOCK_NONE while nothing is written in it */
    uintptr_t tag;   /* UL, OL, DL of a list */
    uint64_t number; /* of the next item of an ordered list */
    bool has_definition; /* of an item of <dl>: a <dd> was seen */
} container;

typedef enum marker { MARKER_NONE, MARKER_BULLET, MARKER_NUMBER, MARKER_TERM, MARKER_DEFINITION } marker;

typedef struct piece {
    size_t begin, len; /* of the leaf's text */
    size_t source_begin, source_end;
} piece;

typedef struct writer {
    ql__html_output *out;
    const ql__html_regions *regions;
    ql_buf leaf;
    piece *pieces;
    size_t piece_count, piece_capacity;
    uint32_t leaf_serial;
    bool pending_space, line_start;
    size_t space_begin, space_end; /* source of the pending blank */

    container *containers;
    size_t container_count;
    marker pending_marker;
    uint64_t marker_number;

    uint32_t heading_level; /* 0: none open */
    uint32_t pre_depth;
    bool pre_first;         /* a line feed right after <pre> does not count */
    char language[LANGUAGE_BYTES_MAX + 1], outer_language[LANGUAGE_BYTES_MAX + 1];
    uint32_t code_depth;
    bool tick_open;
    size_t tick_at;

    uint32_t row_table;     /* table whose row is being written, or QL__HTML_NO_REGION */
    uint32_t cells, header_cells;
    bool cell_open, row_in_head;
    bool after_code;        /* the last leaf was a code block */
    bool superscript; /* <sup> was opened and has no text yet */

    uint32_t suppressed;    /* open elements that leave their text out */
    uint32_t hard_suppressed; /* those whose headings are not rescued */
    uint32_t main_depth, rescue_depth, foreign_label_depth, foreign_depth;
    uint8_t reason;
    bool removed_open;      /* nothing was kept since the last removed range */
    bool failed;
} writer;

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

void ql__html_output_init(ql__html_output *self)
{
    memset(self, 0, sizeof *self);
    ql_buf_init(&self->text, 0);
    ql_buf_init(&self->labels, 0);
    self->first_heading = QL_BLOCK_NONE;
}

void ql__html_output_dispose(ql__html_output *self)
{
    ql_buf_dispose(&self->text);
    ql_buf_dispose(&self->labels);
    ql__free(self->blocks);
    ql__free(self->map);
    ql__free(self->removed);
}

/* Blocks */

/* BLOCK_SKIPPED when there are too many for so little text. */
static uint32_t push_block(writer *self, int kind, unsigned level, uint32_t parent)
{
    ql__html_output *o = self->out;
    ql_block block = {.begin = o->text.len, .end = o->text.len, .parent = parent, .kind = (uint16_t)kind, .level = (uint16_t)level};
    if (o->block_count >= BLOCKS_FREE + o->text.len / BLOCK_TEXT_BYTES || o->block_count >= BLOCK_SKIPPED - 1) return BLOCK_SKIPPED;
    if (!ql__array_push(o->blocks, o->block_count, o->block_capacity, block)) {
        self->failed = true;
        return BLOCK_SKIPPED;
    }
    return (uint32_t)(o->block_count - 1);
}

static void end_block(writer *self, uint32_t block)
{
    if (self->failed || block == BLOCK_SKIPPED) return;
    self->out->blocks[block].end = self->out->text.len;
    self->out->blocks[block].next = (uint32_t)self->out->block_count;
}

static void set_label(writer *self, uint32_t block, ql_str label)
{
    if (self->failed || block == BLOCK_SKIPPED || label.len == 0) return;
    size_t len = label.len < QL_LIMIT_LABEL_BYTES ? label.len : QL_LIMIT_LABEL_BYTES;
    while (len < label.len && len > 0 && ((unsigned char)label.ptr[len] & 0xC0) == 0x80) len--;
    ql_buf *labels = &self->out->labels;
    self->out->blocks[block].label = (ql_str){(const char *)(uintptr_t)labels->len, len};
    if (ql_buf_append(labels, (ql_str){label.ptr, len}) < 0) self->failed = true;
}

static container *top_container(writer *self)
{
    return &self->containers[self->container_count - 1];
}

/* Answers the depth to close it with, or 0 when the tree is deep enough already. */
static uint32_t push_container(writer *self, int kind, uintptr_t tag)
{
    if (self->container_count >= CONTAINERS_MAX) return 0;
    self->containers[self->container_count] = (container){.kind = (uint16_t)kind, .block = QL_BLOCK_NONE, .tag = tag, .number = 1};
    self->container_count++;
    return (uint32_t)self->container_count;
}

static void pop_containers(writer *self, size_t keep)
{
    while (self->container_count > keep) {
        container *c = top_container(self);
        if (c->block != QL_BLOCK_NONE) end_block(self, c->block);
        self->container_count--;
    }
}

static uint32_t open_containers(writer *self)
{
    uint32_t parent = 0;
    for (size_t i = 0; i < self->container_count; i++) {
        container *c = &self->containers[i];
        if (c->block == QL_BLOCK_NONE) c->block = push_block(self, c->kind, c->level, parent);
        if (c->block != BLOCK_SKIPPED) parent = c->block;
    }
    return parent;
}

/* The map */

static void add_map(writer *self, ql_range_map entry)
{
    ql__html_output *o = self->out;
    ql_range_map *last = o->map_count > 0 ? &o->map[o->map_count - 1] : NULL;
    if (last && entry.source_begin < last->source_end) entry.source_begin = last->source_end;
    if (entry.source_end < entry.source_begin) entry.source_end = entry.source_begin;
    bool exact = last && last->len == last->source_end - last->source_begin && entry.len == entry.source_end - entry.source_begin;
    /* Entries of neighbouring leaves are joined only where there are very many. */
    size_t gap_max = o->map_count < BLOCKS_FREE + o->text.len / MAP_MERGE_BYTES ? 1 : 64;
    if (exact && last->begin + last->len == entry.begin && last->source_end == entry.source_begin) {
        last->len += entry.len;
        last->source_end = entry.source_end;
    } else if (last && last->len < MAP_MERGE_BYTES && entry.begin - (last->begin + last->len) <= gap_max && entry.source_begin - last->source_end <= 256) {
        last->len = entry.begin + entry.len - last->begin;
        last->source_end = entry.source_end;
    } else if (!ql__array_push(o->map, o->map_count, o->map_capacity, entry)) {
        self->failed = true;
    }
}

static void add_piece(writer *self, size_t len, size_t source_begin, size_t source_end)
{
    piece *last = self->piece_count > 0 ? &self->pieces[self->piece_count - 1] : NULL;
    size_t begin = self->leaf.len - len;
    bool exact = last && last->len == last->source_end - last->source_begin && len == source_end - source_begin;
    if (exact && last->begin + last->len == begin && last->source_end == source_begin) {
        last->len += len;
        last->source_end = source_end;
        return;
    }
    bool near = last && last->len < MAP_MERGE_BYTES && begin - (last->begin + last->len) <= 4;
    if (near && source_begin >= last->source_end && source_begin - last->source_end <= 256) {
        last->len = begin + len - last->begin;
        last->source_end = source_end;
        return;
    }
    piece p = {begin, len, source_begin, source_end};
    if (!ql__array_push(self->pieces, self->piece_count, self->piece_capacity, p)) self->failed = true;
}

/* The leaf */

static void reset_leaf(writer *self)
{
    ql_buf_clear(&self->leaf);
    self->piece_count = 0;
    self->leaf_serial++;
    self->pending_space = false;
    self->line_start = true;
    self->tick_open = false;
    self->cell_open = false;
}

static void truncate_leaf(writer *self, size_t len)
{
    self->leaf.len = len;
    if (self->leaf.ptr) self->leaf.ptr[len] = '\0';
    while (self->piece_count > 0 && self->pieces[self->piece_count - 1].begin >= len) self->piece_count--;
    if (self->piece_count > 0) {
        piece *p = &self->pieces[self->piece_count - 1];
        if (p->begin + p->len > len) {
            size_t cut = p->begin + p->len - len;
            p->len -= cut;
            if (p->source_end - p->source_begin > cut) p->source_end -= cut;
        }
    }
}

static void put_raw(writer *self, const char *text, size_t len)
{
    if (ql_buf_append(&self->leaf, (ql_str){text, len}) < 0) self->failed = true;
}

static void put_pending_space(writer *self)
{
    if (!self->pending_space) return;
    self->pending_space = false;
    if (self->line_start) return;
    put_raw(self, " ", 1);
    if (self->space_end > self->space_begin) add_piece(self, 1, self->space_begin, self->space_end);
}

static bool in_one_line(const writer *self)
{
    return self->row_table != QL__HTML_NO_REGION || self->heading_level > 0;
}

/* Text that is not in the page. */
static void put_synthetic(writer *self, const char *text)
{
    put_pending_space(self);
    put_raw(self, text, strlen(text));
    self->line_start = false;
}

static void put_line_break(writer *self)
{
    if (self->pre_depth > 0) {
        put_raw(self, "\n", 1);
    } else if (in_one_line(self)) {
        self->pending_space = true;
        self->space_begin = self->space_end = 0;
    } else if (!self->line_start) {
        put_raw(self, "\n", 1);
        self->pending_space = false;
        self->line_start = true;
    }
}

/* Line by line, with what stands before a line inside lists and quotes. */
static size_t make_prefix(const writer *self, char out[4 * PREFIX_LEVELS + 1], bool first)
{
    size_t len = 0, levels = 0, lists = 0;
    for (size_t i = 0; i < self->container_count && levels < PREFIX_LEVELS; i++) {
        const container *c = &self->containers[i];
        if (c->kind == QL_BLOCK_QUOTE) {
            memcpy(out + len, "> ", 2);
            len += 2;
            levels++;
        } else if (c->kind == QL_BLOCK_LIST && c->tag != LXB_TAG_DL) {
            if (lists++ > 0) {
                memcpy(out + len, "  ", 2);
                len += 2;
                levels++;
            }
        }
    }
    /* What follows in an item is set under its text. */
    const container *c = self->container_count > 0 ? &self->containers[self->container_count - 1] : NULL;
    if (!first && c && c->kind == QL_BLOCK_ITEM && lists > 0) {
        memcpy(out + len, "  ", 2);
        len += 2;
    }
    return len;
}

static size_t make_marker(writer *self, char *out, size_t size)
{
    int len = 0;
    switch (self->pending_marker) {
    case MARKER_BULLET: len = snprintf(out, size, "- "); break;
    case MARKER_NUMBER: len = snprintf(out, size, "%llu. ", (unsigned long long)self->marker_number); break;
    case MARKER_DEFINITION: len = snprintf(out, size, ": "); break;
    default: break;
    }
    return len > 0 ? (size_t)len : 0;
}

static void emit(writer *self, const char *text, size_t len)
{
    if (ql_buf_append(&self->out->text, (ql_str){text, len}) < 0) self->failed = true;
}

/* Copies the leaf's text, with `prefix` after each line feed, and its part of the map. */
static void emit_leaf(writer *self, size_t from, size_t to, const char *prefix, size_t prefix_len)
{
    const char *text = self->leaf.ptr;
    size_t p = 0;
    for (size_t at = from; at < to && !self->failed;) {
        const char *feed = prefix_len > 0 ? memchr(text + at, '\n', to - at) : NULL;
        size_t end = feed ? (size_t)(feed - text) + 1 : to;
        size_t shift = self->out->text.len - at;
        emit(self, text + at, end - at);
        for (; p < self->piece_count && self->pieces[p].begin < end; p++) {
            piece *e = &self->pieces[p];
            size_t piece_end = e->begin + e->len;
            if (piece_end <= at) continue;
            size_t begin = e->begin > at ? e->begin : at, stop = piece_end < end ? piece_end : end;
            bool exact = e->len == e->source_end - e->source_begin;
            ql_range_map m = {begin + shift, stop - begin, e->source_begin, e->source_end};
            if (exact) {
                m.source_begin = e->source_begin + (begin - e->begin);
                m.source_end = m.source_begin + (stop - begin);
            }
            add_map(self, m);
            if (piece_end > end) break;
        }
        if (feed && end < to) emit(self, prefix, prefix_len);
        at = end;
    }
}

static bool in_open_list(const writer *self)
{
    for (size_t i = 0; i < self->container_count; i++) {
        if (self->containers[i].kind == QL_BLOCK_LIST) return self->containers[i].block != QL_BLOCK_NONE;
    }
    return false;
}

static void emit_gap(writer *self, bool tight)
{
    if (self->out->text.len == 0) return;
    emit(self, "\n\n", tight && !self->after_code ? 1 : 2);
    self->after_code = false;
}

static void flush_text(writer *self, size_t from, size_t to)
{
    char prefix[4 * PREFIX_LEVELS + 4], mark[32];
    bool item = self->pending_marker == MARKER_BULLET || self->pending_marker == MARKER_NUMBER;
    emit_gap(self, (item && in_open_list(self)) || self->pending_marker == MARKER_DEFINITION);
    uint32_t parent = open_containers(self);
    size_t prefix_len = make_prefix(self, prefix, self->pending_marker != MARKER_NONE);
    emit(self, prefix, prefix_len);
    size_t mark_len = make_marker(self, mark, sizeof mark);
    emit(self, mark, mark_len);
    self->pending_marker = MARKER_NONE;
    uint32_t block = push_block(self, QL_BLOCK_PARAGRAPH, 0, parent);
    prefix_len = make_prefix(self, prefix, false);
    emit_leaf(self, from, to, prefix, prefix_len);
    end_block(self, block);
}

static void flush_heading(writer *self, size_t from, size_t to)
{
    unsigned level = self->heading_level;
    while (self->container_count > 0 && top_container(self)->kind == QL_BLOCK_SECTION && top_container(self)->level >= level)
        pop_containers(self, self->container_count - 1);
    emit_gap(self, false);
    if (push_container(self, QL_BLOCK_SECTION, 0)) top_container(self)->level = (uint16_t)level;
    uint32_t parent = open_containers(self);
    ql_str label = {self->leaf.ptr + from, to - from};
    if (self->container_count > 0 && top_container(self)->kind == QL_BLOCK_SECTION) set_label(self, top_container(self)->block, label);
    uint32_t block = push_block(self, QL_BLOCK_HEADING, level, parent);
    set_label(self, block, label);
    ql__html_output *o = self->out;
    if (!self->failed && block != BLOCK_SKIPPED && (o->first_heading == QL_BLOCK_NONE || (level == 1 && o->blocks[o->first_heading].level > 1))) o->first_heading = block;
    emit(self, "###### ", level);
    emit(self, " ", 1);
    self->pending_marker = MARKER_NONE;
    emit_leaf(self, from, to, "", 0);
    end_block(self, block);
}

static void flush_code(writer *self)
{
    size_t from = 0, to = self->leaf.len, run = 0, longest = 2;
    const char *text = self->leaf.ptr;
    while (to > from && (text[to - 1] == '\n' || text[to - 1] == ' ' || text[to - 1] == '\t')) to--;
    for (size_t i = 0; i < to; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\n') break;
        if (text[i] == '\n') from = i + 1;
    }
    if (from >= to) return;
    for (size_t i = from; i < to; i++) {
        run = text[i] == '`' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    emit_gap(self, false);
    uint32_t parent = open_containers(self);
    uint32_t block = push_block(self, QL_BLOCK_CODE, 0, parent);
    const char *language = self->language[0] ? self->language : self->outer_language;
    set_label(self, block, ql_str_of(language));
    for (size_t i = 0; i <= longest; i++) emit(self, "`", 1);
    emit(self, language, strlen(language));
    emit(self, "\n", 1);
    emit_leaf(self, from, to, "", 0);
    emit(self, "\n", 1);
    for (size_t i = 0; i <= longest; i++) emit(self, "`", 1);
    end_block(self, block);
    self->pending_marker = MARKER_NONE;
    self->after_code = true;
}

static void close_tick(writer *self)
{
    if (!self->tick_open) return;
    self->tick_open = false;
    if (self->leaf.len > self->tick_at + 1) put_raw(self, "`", 1);
    else truncate_leaf(self, self->tick_at);
}

static void flush_leaf(writer *self)
{
    close_tick(self);
    size_t to = self->leaf.len, from = 0;
    while (to > 0 && (self->leaf.ptr[to - 1] == '\n' || self->leaf.ptr[to - 1] == ' ')) to--;
    while (from < to && self->leaf.ptr[from] == ' ') from++;
    if (from < to && self->heading_level > 0) flush_heading(self, from, to);
    else if (from < to) flush_text(self, from, to);
    reset_leaf(self);
}

/* A line begins or ends here. */
static void flush(writer *self)
{
    if (self->pre_depth > 0) {
        if (self->leaf.len > 0 && self->leaf.ptr[self->leaf.len - 1] != '\n') put_raw(self, "\n", 1);
    } else if (in_one_line(self)) {
        self->pending_space = true;
        self->space_begin = self->space_end = 0;
    } else {
        flush_leaf(self);
    }
}

/* Tables */

static bool is_layout(const writer *self, uint32_t table)
{
    return table >= self->regions->table_count || self->regions->tables[table].layout;
}

static void begin_row(writer *self, uint32_t table)
{
    flush(self);
    self->row_table = table;
    self->cells = self->header_cells = 0;
}

static void end_cell(writer *self)
{
    close_tick(self);
    self->pending_space = false;
    if (self->cell_open) put_raw(self, " ", 1);
    self->cell_open = false;
    self->line_start = true;
}

static void begin_cell(writer *self, bool header)
{
    end_cell(self);
    put_raw(self, "| ", 2);
    self->cell_open = true;
    self->cells++;
    self->header_cells += header;
}

static void emit_rule(writer *self)
{
    emit(self, "\n|", 2);
    for (uint32_t i = 0; i < self->cells && i < 256; i++) emit(self, " --- |", 6);
}

static void end_row(writer *self)
{
    end_cell(self);
    bool empty = true;
    for (size_t i = 0; i < self->leaf.len && empty; i++) empty = self->leaf.ptr[i] == '|' || self->leaf.ptr[i] == ' ';
    self->row_table = QL__HTML_NO_REGION;
    if (!empty && self->cells > 0 && !self->failed) {
        put_raw(self, "|", 1);
        bool first = self->container_count == 0 || top_container(self)->number++ == 1;
        emit_gap(self, !first);
        uint32_t parent = open_containers(self);
        uint32_t block = push_block(self, QL_BLOCK_ROW, 0, parent);
        emit_leaf(self, 0, self->leaf.len, "", 0);
        end_block(self, block);
        if (first && (self->row_in_head || self->header_cells == self->cells)) emit_rule(self);
        self->pending_marker = MARKER_NONE;
    }
    reset_leaf(self);
}

/* Left-out parts */

static void note_removed(writer *self, size_t begin, size_t end, int reason)
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

static bool is_kept(const writer *self)
{
    if (self->foreign_depth > 0 && self->foreign_label_depth == 0) return false;
    if (self->rescue_depth > 0) return self->hard_suppressed == 0;
    return self->suppressed == 0 && (self->regions->main == QL__HTML_NO_REGION || self->main_depth > 0);
}

static int reason_now(const writer *self)
{
    if (self->suppressed > 0) return self->reason;
    return self->foreign_depth > 0 ? QL__HTML_INVISIBLE : QL__HTML_OUTSIDE;
}

/* Elements */

static void copy_language(char out[LANGUAGE_BYTES_MAX + 1], const char *name, size_t len)
{
    static const char *const no_language[] = {"default", "none", "text", "plain", "plaintext", "txt", "notranslate", "source", "output"};
    if (len == 0 || len > LANGUAGE_BYTES_MAX) return;
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
static bool find_language(const lxb_html_token_t *token, char out[LANGUAGE_BYTES_MAX + 1])
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

static void open_list(writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    element->container = push_container(self, QL_BLOCK_LIST, element->tag);
    ql_str start = ql__html_attribute(token, "start");
    uint64_t number = 0;
    for (size_t i = 0; i < start.len && i < 9 && start.ptr[i] >= '0' && start.ptr[i] <= '9'; i++) number = number * 10 + (uint64_t)(start.ptr[i] - '0');
    if (element->container && number > 0) top_container(self)->number = number;
}

/* Nearest list (and no quote, table or item between), or NULL. */
static container *own_list(writer *self, size_t *depth)
{
    for (size_t i = self->container_count; i-- > 0;) {
        container *c = &self->containers[i];
        if (c->kind == QL_BLOCK_LIST) {
            *depth = i + 1;
            return c;
        }
        if (c->kind == QL_BLOCK_QUOTE || c->kind == QL_BLOCK_TABLE) return NULL;
    }
    return NULL;
}

static void open_item(writer *self, ql__html_element *element)
{
    size_t depth = 0;
    container *list = own_list(self, &depth);
    bool numbered = list && list->tag == LXB_TAG_OL;
    uint64_t number = numbered ? list->number++ : 0;
    if (list) pop_containers(self, depth);
    element->container = push_container(self, QL_BLOCK_ITEM, 0);
    self->pending_marker = numbered ? MARKER_NUMBER : MARKER_BULLET;
    self->marker_number = number;
}

/* One item of a <dl> is the terms with the definitions that follow; it has no element of its own. */
static void open_definition(writer *self, ql__html_element *element)
{
    bool definition = element->tag == LXB_TAG_DD;
    size_t depth = 0;
    container *list = own_list(self, &depth);
    if (!list || list->tag != LXB_TAG_DL) return;
    bool has_item = self->container_count > depth && self->containers[depth].kind == QL_BLOCK_ITEM;
    if (has_item && !(self->containers[depth].has_definition && !definition)) {
        pop_containers(self, depth + 1);
    } else {
        pop_containers(self, depth);
        if (push_container(self, QL_BLOCK_ITEM, LXB_TAG_DL)) top_container(self)->tag = LXB_TAG_DL;
    }
    if (self->container_count > depth) self->containers[depth].has_definition = definition;
    self->pending_marker = definition ? MARKER_DEFINITION : MARKER_TERM;
}

static void open_block(writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    if (element->flags & QL__HTML_BLOCK) flush(self);
    if ((element->flags & QL__HTML_HEADING) && self->pre_depth == 0 && self->row_table == QL__HTML_NO_REGION) {
        flush_leaf(self);
        self->heading_level = (uint32_t)(element->tag == LXB_TAG_H1 ? 1 : element->tag == LXB_TAG_H2 ? 2 : element->tag == LXB_TAG_H3 ? 3 : element->tag == LXB_TAG_H4 ? 4 : element->tag == LXB_TAG_H5 ? 5 : 6);
        return;
    }
    if (self->pre_depth > 0 || in_one_line(self)) {
        bool item = element->tag == LXB_TAG_LI && self->row_table != QL__HTML_NO_REGION && self->cell_open && !self->line_start;
        if (item && self->leaf.len > 0 && self->leaf.ptr[self->leaf.len - 1] != ';') put_raw(self, ";", 1);
        return;
    }
    if (element->flags & QL__HTML_LIST) open_list(self, element, token);
    else if (element->tag == LXB_TAG_LI) open_item(self, element);
    else if (element->tag == LXB_TAG_DT || element->tag == LXB_TAG_DD) open_definition(self, element);
    else if (element->tag == LXB_TAG_BLOCKQUOTE) element->container = push_container(self, QL_BLOCK_QUOTE, 0);
    else if (element->tag == LXB_TAG_TABLE && !is_layout(self, element->table)) element->container = push_container(self, QL_BLOCK_TABLE, element->table);
}

static bool is_pre(uintptr_t tag)
{
    return tag == LXB_TAG_PRE || tag == LXB_TAG_LISTING || tag == LXB_TAG_XMP || tag == LXB_TAG_PLAINTEXT;
}

static void open_pre(writer *self, const lxb_html_token_t *token)
{
    if (self->pre_depth == 0 && in_one_line(self)) return;
    if (self->pre_depth++ > 0) return;
    self->pre_first = true;
    find_language(token, self->language);
}

static void close_pre(writer *self)
{
    if (self->pre_depth == 0 || --self->pre_depth > 0) return;
    flush_code(self);
    reset_leaf(self);
}

static void open_table_part(writer *self, const ql__html_element *element)
{
    const container *c = self->container_count > 0 ? top_container(self) : NULL;
    if (self->pre_depth > 0 || self->heading_level > 0) return;
    bool in_table = c && c->kind == QL_BLOCK_TABLE;
    if (element->tag == LXB_TAG_THEAD) self->row_in_head = true;
    if (element->tag == LXB_TAG_TR && in_table && self->row_table == QL__HTML_NO_REGION) begin_row(self, (uint32_t)c->tag);
    bool cell = element->tag == LXB_TAG_TD || element->tag == LXB_TAG_TH;
    if (cell && in_table) {
        if (self->row_table == QL__HTML_NO_REGION) begin_row(self, (uint32_t)c->tag); /* a cell outside a row */
        begin_cell(self, element->tag == LXB_TAG_TH);
    }
}

static void put_text(writer *self, const char *text, size_t len, size_t begin, size_t end);

static void open_image(writer *self, const ql__html_element *element, const lxb_html_token_t *token)
{
    ql_str alt = ql__html_attribute(token, "alt");
    if (alt.len == 0 || alt.len > ALT_BYTES_MAX) return;
    put_text(self, alt.ptr, alt.len, element->begin, element->begin + 1);
}

static bool is_superscript_number(const writer *self, const char *text, size_t len)
{
    if (self->line_start || self->pending_space || len == 0 || self->leaf.len == 0) return false;
    unsigned char before = (unsigned char)self->leaf.ptr[self->leaf.len - 1];
    bool word = (before >= '0' && before <= '9') || (before >= 'A' && before <= 'Z') || (before >= 'a' && before <= 'z') || before == ')';
    return word && ((text[0] >= '0' && text[0] <= '9') || text[0] == '-' || text[0] == '+');
}

static void open_inline(writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    uintptr_t tag = element->tag;
    if (tag == LXB_TAG_BR) put_line_break(self);
    if (tag == LXB_TAG_IMG) open_image(self, element, token);
    if (tag == LXB_TAG_INPUT && self->pending_marker == MARKER_BULLET && self->leaf.len == 0 && ql__html_equal(ql__html_attribute(token, "type"), "checkbox")) {
        put_synthetic(self, ql__html_attribute(token, "checked").ptr ? "[x] " : "[ ] ");
        self->line_start = true; /* it ends in a blank */
    }
    if (tag == LXB_TAG_Q) {
        put_synthetic(self, "\xE2\x80\x9C");
        self->line_start = true; /* no blank after the opening quote */
        element->effect |= EFFECT_QUOTE;
    }
    if ((element->flags & QL__HTML_CODE) && self->pre_depth == 0 && self->heading_level == 0) {
        element->effect |= EFFECT_CODE;
        if (self->code_depth++ == 0) {
            put_pending_space(self);
            self->tick_at = self->leaf.len;
            self->tick_open = true;
            put_raw(self, "`", 1);
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

static void close_inline(writer *self, const ql__html_element *element)
{
    static const char *const signs[] = {"\xC2\xB6", "#", "\xC2\xA7", "\xF0\x9F\x94\x97", "\xE2\x88\x9E", "\xEF\x83\x81"};
    if ((element->effect & EFFECT_CODE) && self->code_depth == 1) close_tick(self);
    if (element->tag == LXB_TAG_SUP) self->superscript = false;
    if (element->effect & EFFECT_QUOTE) {
        self->line_start = false;
        put_raw(self, "\xE2\x80\x9D", 3);
    }
    if (element->link != LINK_ANCHOR || element->leaf != self->leaf_serial || self->leaf.len <= element->mark) return;
    const char *text = self->leaf.ptr + element->mark;
    size_t len = self->leaf.len - element->mark;
    while (len > 0 && *text == ' ') text++, len--;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strlen(signs[i]) == len && memcmp(text, signs[i], len) == 0) truncate_leaf(self, element->mark);
    }
}

/* A box around code names its language; the outermost one that does holds until its end. */
static void enter_language(writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    if (self->outer_language[0] || !find_language(token, self->outer_language)) return;
    element->effect |= EFFECT_LANGUAGE;
}

static bool leaves_out(const writer *self, const ql__html_element *element)
{
    if (element->always) return true;
    if (element->region == QL__HTML_NO_REGION || self->regions->keep_all) return false;
    return self->regions->items[element->region + 1].removed;
}

static void enter_left_out(writer *self, ql__html_element *element)
{
    /* What surrounds it is one text only if it is inline. */
    if (element->flags & QL__HTML_BLOCK) flush(self);
    element->effect |= EFFECT_SUPPRESS;
    if (self->suppressed++ == 0) self->reason = element->reason;
    if (element->reason != QL__HTML_HEADER) {
        element->effect |= EFFECT_HARD;
        self->hard_suppressed++;
    }
}

static bool write_open(void *user, ql__html_element *element, const lxb_html_token_t *token)
{
    writer *self = user;
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
        flush(self);
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
    if (element->flags & QL__HTML_TABLE_PART) open_table_part(self, element);
    if (is_pre(element->tag)) open_pre(self, token);
    else if (element->tag == LXB_TAG_DIV || element->tag == LXB_TAG_FIGURE) enter_language(self, element, token);
    open_inline(self, element, token);
    return !self->failed;
}

static void close_element(writer *self, const ql__html_element *element)
{
    close_inline(self, element);
    uintptr_t tag = element->tag;
    if (is_pre(tag)) close_pre(self);
    if ((tag == LXB_TAG_TD || tag == LXB_TAG_TH) && self->row_table != QL__HTML_NO_REGION) end_cell(self);
    bool row_ends = tag == LXB_TAG_TR || tag == LXB_TAG_TABLE || tag == LXB_TAG_TBODY || tag == LXB_TAG_THEAD || tag == LXB_TAG_TFOOT;
    if (row_ends && self->row_table != QL__HTML_NO_REGION) end_row(self);
    if (tag == LXB_TAG_THEAD || tag == LXB_TAG_TABLE) self->row_in_head = false;
    if ((element->flags & QL__HTML_HEADING) && self->heading_level > 0) {
        flush_leaf(self);
        self->heading_level = 0;
    } else if (element->flags & QL__HTML_BLOCK) {
        flush(self);
    }
    if (element->container && self->container_count >= element->container) pop_containers(self, element->container - 1);
    if (tag == LXB_TAG_LI || tag == LXB_TAG_DT || tag == LXB_TAG_DD) self->pending_marker = MARKER_NONE;
}

static bool write_close(void *user, ql__html_element *element, size_t end)
{
    (void)end;
    writer *self = user;
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

/* Length of the blank, or of the character that is left out (*skip), at text[i]; 0 for anything else. */
static size_t blank_len(const char *text, size_t i, size_t len, bool *skip)
{
    unsigned char c = (unsigned char)text[i];
    *skip = c == 0;
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == 0) return 1;
    if (c == 0xC2 && i + 1 < len) {
        unsigned char d = (unsigned char)text[i + 1];
        *skip = d == 0xAD; /* soft hyphen */
        return d == 0xA0 || d == 0xAD ? 2 : 0;
    }
    if (c == 0xE2 && i + 2 < len && (unsigned char)text[i + 1] == 0x80 && (unsigned char)text[i + 2] == 0x8B) {
        *skip = true; /* zero width space */
        return 3;
    }
    return 0;
}

/* Where in the source a byte of decoded text is: exact when nothing was decoded, else in proportion. */
static size_t source_at(size_t i, size_t len, size_t begin, size_t end)
{
    if (end - begin == len || len == 0) return begin + i;
    return begin + (size_t)((unsigned __int128)(end - begin) * i / len);
}

static void put_run(writer *self, const char *text, size_t from, size_t to, size_t len, size_t begin, size_t end)
{
    put_pending_space(self);
    size_t source_begin = source_at(from, len, begin, end), source_end = source_at(to, len, begin, end);
    bool row = self->row_table != QL__HTML_NO_REGION;
    for (size_t i = from; i < to;) {
        const char *bar = row ? memchr(text + i, '|', to - i) : NULL;
        size_t stop = bar ? (size_t)(bar - text) : to;
        put_raw(self, text + i, stop - i);
        if (bar) put_raw(self, "\\|", 2);
        if (self->failed) return;
        if (row && bar) {
            add_piece(self, stop - i + 2, source_at(i, len, begin, end), source_at(stop + 1, len, begin, end));
        } else {
            add_piece(self, stop - i, i == from ? source_begin : source_at(i, len, begin, end), source_end);
        }
        i = bar ? stop + 1 : to;
    }
    self->line_start = false;
}

static void put_text(writer *self, const char *text, size_t len, size_t begin, size_t end)
{
    for (size_t i = 0; i < len && !self->failed;) {
        bool skip = false;
        size_t blank = blank_len(text, i, len, &skip);
        if (blank > 0) {
            if (!skip && !self->pending_space) {
                self->pending_space = true;
                self->space_begin = source_at(i, len, begin, end);
                self->space_end = source_at(i + blank, len, begin, end);
            }
            i += blank;
            continue;
        }
        size_t from = i;
        while (i < len && blank_len(text, i, len, &skip) == 0) i++;
        put_run(self, text, from, i, len, begin, end);
    }
}

static void put_code(writer *self, const char *text, size_t len, size_t begin, size_t end)
{
    size_t i = 0;
    if (self->pre_first && text[0] == '\n') i = 1;
    self->pre_first = false;
    while (i < len && !self->failed) {
        const char *nul = memchr(text + i, '\0', len - i);
        size_t stop = nul ? (size_t)(nul - text) : len;
        if (stop > i) {
            put_raw(self, text + i, stop - i);
            if (!self->failed) add_piece(self, stop - i, source_at(i, len, begin, end), source_at(stop, len, begin, end));
        }
        i = nul ? stop + 1 : len;
    }
    self->line_start = false;
}

static bool is_all_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] > ' ') return false;
    }
    return true;
}

static bool write_text(void *user, const char *text, size_t len, size_t begin, size_t end)
{
    writer *self = user;
    if (!is_kept(self)) {
        if (!is_all_blank(text, len)) note_removed(self, begin, end, reason_now(self));
        return !self->failed;
    }
    if (self->superscript && is_superscript_number(self, text, len)) put_raw(self, "^", 1);
    self->superscript = false;
    if (self->pre_depth > 0) {
        put_code(self, text, len, begin, end);
    } else if (self->row_table != QL__HTML_NO_REGION && !self->cell_open) {
        if (!is_all_blank(text, len)) { /* text between the cells of a row: a cell of its own, so that it is not lost */
            begin_cell(self, false);
            put_text(self, text, len, begin, end);
            end_cell(self);
        }
    } else {
        put_text(self, text, len, begin, end);
    }
    if (!is_all_blank(text, len)) self->removed_open = false;
    return !self->failed;
}

static bool run(writer *self, ql_str html, const ql__html_options *options, ql_error *err, ql_status *status)
{
    self->containers = ql__alloc_zero(CONTAINERS_MAX, sizeof *self->containers);
    if (!self->containers) return false;
    push_block(self, QL_BLOCK_DOCUMENT, 0, QL_BLOCK_NONE);
    reset_leaf(self);
    ql__html_events events = {.open_fn = write_open, .close_fn = write_close, .text_fn = write_text, .user = self};
    *status = ql__html_scan_run(html, options, &events, err);
    if (*status < 0 || self->failed) return false;
    flush(self);
    pop_containers(self, 0);
    if (self->out->text.len > 0) emit(self, "\n", 1);
    end_block(self, 0);
    return !self->failed;
}

ql_status ql__html_write(ql__html_output *self, ql_str html, const ql__html_regions *regions, const ql__html_options *options, ql_error *err)
{
    writer w = {.out = self, .regions = regions, .row_table = QL__HTML_NO_REGION};
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
