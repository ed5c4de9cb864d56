/*
 * The leaf that is being read: a paragraph, a heading, a row or a code block.
 *
 * Blanks of the page are joined, and a blank is put when text follows it. A flushed leaf is written: a paragraph line by line, each behind
 * the prefix of the containers, code at the left margin, byte for byte. Invariants: pieces lie inside the leaf's text and ascend in it.
 * Threads: the state belongs to one thread. Cost: linear.
 */
#include "html_leaf.h"

#include "base/array.h"
#include "html_block.h"

#include <string.h>

static void add_piece(ql__html_writer *self, size_t len, size_t source_begin, size_t source_end)
{
    ql__html_piece *last = self->piece_count > 0 ? &self->pieces[self->piece_count - 1] : NULL;
    size_t begin = self->leaf.len - len;
    bool exact = last && last->len == last->source_end - last->source_begin && len == source_end - source_begin;
    if (exact && last->begin + last->len == begin && last->source_end == source_begin) {
        last->len += len;
        last->source_end = source_end;
        return;
    }
    bool near = last && last->len < QL__HTML_MAP_MERGE_BYTES && begin - (last->begin + last->len) <= 4;
    if (near && source_begin >= last->source_end && source_begin - last->source_end <= 256) {
        last->len = begin + len - last->begin;
        last->source_end = source_end;
        return;
    }
    ql__html_piece p = {begin, len, source_begin, source_end};
    if (!ql__array_push(self->pieces, self->piece_count, self->piece_capacity, p)) self->failed = true;
}

void ql__html_reset_leaf(ql__html_writer *self)
{
    ql_buf_clear(&self->leaf);
    self->piece_count = 0;
    self->leaf_serial++;
    self->pending_space = false;
    self->line_start = true;
    self->tick_open = false;
    self->cell_open = false;
}

void ql__html_truncate_leaf(ql__html_writer *self, size_t len)
{
    self->leaf.len = len;
    if (self->leaf.ptr) self->leaf.ptr[len] = '\0';
    while (self->piece_count > 0 && self->pieces[self->piece_count - 1].begin >= len) self->piece_count--;
    if (self->piece_count > 0) {
        ql__html_piece *p = &self->pieces[self->piece_count - 1];
        if (p->begin + p->len > len) {
            size_t cut = p->begin + p->len - len;
            p->len -= cut;
            if (p->source_end - p->source_begin > cut) p->source_end -= cut;
        }
    }
}

void ql__html_put_raw(ql__html_writer *self, const char *text, size_t len)
{
    if (ql_buf_append(&self->leaf, (ql_str){text, len}) < 0) self->failed = true;
}

void ql__html_put_pending_space(ql__html_writer *self)
{
    if (!self->pending_space) return;
    self->pending_space = false;
    if (self->line_start) return;
    ql__html_put_raw(self, " ", 1);
    if (self->space_end > self->space_begin) add_piece(self, 1, self->space_begin, self->space_end);
}

bool ql__html_in_one_line(const ql__html_writer *self)
{
    return self->row_table != QL__HTML_NO_REGION || self->heading_level > 0;
}

void ql__html_put_synthetic(ql__html_writer *self, const char *text)
{
    ql__html_put_pending_space(self);
    ql__html_put_raw(self, text, strlen(text));
    self->line_start = false;
}

void ql__html_put_line_break(ql__html_writer *self)
{
    if (self->pre_depth > 0) {
        ql__html_put_raw(self, "\n", 1);
    } else if (ql__html_in_one_line(self)) {
        self->pending_space = true;
        self->space_begin = self->space_end = 0;
    } else if (!self->line_start) {
        ql__html_put_raw(self, "\n", 1);
        self->pending_space = false;
        self->line_start = true;
    }
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

static void put_run(ql__html_writer *self, const char *text, size_t from, size_t to, size_t len, size_t begin, size_t end)
{
    ql__html_put_pending_space(self);
    size_t source_begin = source_at(from, len, begin, end), source_end = source_at(to, len, begin, end);
    bool row = self->row_table != QL__HTML_NO_REGION;
    for (size_t i = from; i < to;) {
        const char *bar = row ? memchr(text + i, '|', to - i) : NULL;
        size_t stop = bar ? (size_t)(bar - text) : to;
        ql__html_put_raw(self, text + i, stop - i);
        if (bar) ql__html_put_raw(self, "\\|", 2);
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

void ql__html_put_text(ql__html_writer *self, const char *text, size_t len, size_t begin, size_t end)
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

void ql__html_put_code(ql__html_writer *self, const char *text, size_t len, size_t begin, size_t end)
{
    size_t i = 0;
    if (self->pre_first && text[0] == '\n') i = 1;
    self->pre_first = false;
    while (i < len && !self->failed) {
        const char *nul = memchr(text + i, '\0', len - i);
        size_t stop = nul ? (size_t)(nul - text) : len;
        if (stop > i) {
            ql__html_put_raw(self, text + i, stop - i);
            if (!self->failed) add_piece(self, stop - i, source_at(i, len, begin, end), source_at(stop, len, begin, end));
        }
        i = nul ? stop + 1 : len;
    }
    self->line_start = false;
}

/* Flushing */

void ql__html_emit_leaf(ql__html_writer *self, size_t from, size_t to, const char *prefix, size_t prefix_len)
{
    const char *text = self->leaf.ptr;
    size_t p = 0;
    for (size_t at = from; at < to && !self->failed;) {
        const char *feed = prefix_len > 0 ? memchr(text + at, '\n', to - at) : NULL;
        size_t end = feed ? (size_t)(feed - text) + 1 : to;
        size_t shift = self->out->text.len - at;
        ql__html_emit(self, text + at, end - at);
        for (; p < self->piece_count && self->pieces[p].begin < end; p++) {
            ql__html_piece *e = &self->pieces[p];
            size_t piece_end = e->begin + e->len;
            if (piece_end <= at) continue;
            size_t begin = e->begin > at ? e->begin : at, stop = piece_end < end ? piece_end : end;
            bool exact = e->len == e->source_end - e->source_begin;
            ql_range_map m = {begin + shift, stop - begin, e->source_begin, e->source_end};
            if (exact) {
                m.source_begin = e->source_begin + (begin - e->begin);
                m.source_end = m.source_begin + (stop - begin);
            }
            ql__html_add_map(self, m);
            if (piece_end > end) break;
        }
        if (feed && end < to) ql__html_emit(self, prefix, prefix_len);
        at = end;
    }
}

static void flush_text(ql__html_writer *self, size_t from, size_t to)
{
    char prefix[4 * QL__HTML_PREFIX_LEVELS + 4], mark[32];
    bool item = self->pending_marker == QL__HTML_MARKER_BULLET || self->pending_marker == QL__HTML_MARKER_NUMBER;
    ql__html_emit_gap(self, (item && ql__html_in_open_list(self)) || self->pending_marker == QL__HTML_MARKER_DEFINITION);
    uint32_t parent = ql__html_open_containers(self);
    size_t prefix_len = ql__html_make_prefix(self, prefix, self->pending_marker != QL__HTML_MARKER_NONE);
    ql__html_emit(self, prefix, prefix_len);
    size_t mark_len = ql__html_make_marker(self, mark, sizeof mark);
    ql__html_emit(self, mark, mark_len);
    self->pending_marker = QL__HTML_MARKER_NONE;
    uint32_t block = ql__html_push_block(self, QL_BLOCK_PARAGRAPH, 0, parent);
    prefix_len = ql__html_make_prefix(self, prefix, false);
    ql__html_emit_leaf(self, from, to, prefix, prefix_len);
    ql__html_end_block(self, block);
}

static void flush_heading(ql__html_writer *self, size_t from, size_t to)
{
    unsigned level = self->heading_level;
    while (self->container_count > 0 && ql__html_top_container(self)->kind == QL_BLOCK_SECTION && ql__html_top_container(self)->level >= level)
        ql__html_pop_containers(self, self->container_count - 1);
    ql__html_emit_gap(self, false);
    if (ql__html_push_container(self, QL_BLOCK_SECTION, 0)) ql__html_top_container(self)->level = (uint16_t)level;
    uint32_t parent = ql__html_open_containers(self);
    ql_str label = {self->leaf.ptr + from, to - from};
    if (self->container_count > 0 && ql__html_top_container(self)->kind == QL_BLOCK_SECTION)
        ql__html_set_label(self, ql__html_top_container(self)->block, label);
    uint32_t block = ql__html_push_block(self, QL_BLOCK_HEADING, level, parent);
    ql__html_set_label(self, block, label);
    ql__html_output *o = self->out;
    if (!self->failed && block != QL__HTML_BLOCK_SKIPPED &&
        (o->first_heading == QL_BLOCK_NONE || (level == 1 && o->blocks[o->first_heading].level > 1)))
        o->first_heading = block;
    ql__html_emit(self, "###### ", level);
    ql__html_emit(self, " ", 1);
    self->pending_marker = QL__HTML_MARKER_NONE;
    ql__html_emit_leaf(self, from, to, "", 0);
    ql__html_end_block(self, block);
}

void ql__html_flush_code(ql__html_writer *self)
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
    ql__html_emit_gap(self, false);
    uint32_t parent = ql__html_open_containers(self);
    uint32_t block = ql__html_push_block(self, QL_BLOCK_CODE, 0, parent);
    const char *language = self->language[0] ? self->language : self->outer_language;
    ql__html_set_label(self, block, ql_str_of(language));
    for (size_t i = 0; i <= longest; i++) ql__html_emit(self, "`", 1);
    ql__html_emit(self, language, strlen(language));
    ql__html_emit(self, "\n", 1);
    ql__html_emit_leaf(self, from, to, "", 0);
    ql__html_emit(self, "\n", 1);
    for (size_t i = 0; i <= longest; i++) ql__html_emit(self, "`", 1);
    ql__html_end_block(self, block);
    self->pending_marker = QL__HTML_MARKER_NONE;
    self->after_code = true;
}

void ql__html_close_tick(ql__html_writer *self)
{
    if (!self->tick_open) return;
    self->tick_open = false;
    if (self->leaf.len > self->tick_at + 1) ql__html_put_raw(self, "`", 1);
    else ql__html_truncate_leaf(self, self->tick_at);
}

void ql__html_flush_leaf(ql__html_writer *self)
{
    ql__html_close_tick(self);
    size_t to = self->leaf.len, from = 0;
    while (to > 0 && (self->leaf.ptr[to - 1] == '\n' || self->leaf.ptr[to - 1] == ' ')) to--;
    while (from < to && self->leaf.ptr[from] == ' ') from++;
    if (from < to && self->heading_level > 0) flush_heading(self, from, to);
    else if (from < to) flush_text(self, from, to);
    ql__html_reset_leaf(self);
}

void ql__html_flush(ql__html_writer *self)
{
    if (self->pre_depth > 0) {
        if (self->leaf.len > 0 && self->leaf.ptr[self->leaf.len - 1] != '\n') ql__html_put_raw(self, "\n", 1);
    } else if (ql__html_in_one_line(self)) {
        self->pending_space = true;
        self->space_begin = self->space_end = 0;
    } else {
        ql__html_flush_leaf(self);
    }
}
