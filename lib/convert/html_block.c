/*
 * Text, blocks and map of a page, and the containers (list, item, quote, table, section) that are open.
 *
 * A container gets its block when its first leaf is written, so an empty one leaves no trace. Invariants: blocks are in pre-order, inside
 * their parents, in text order; the map ascends. Threads: the state belongs to one thread. Cost: linear; blocks and map are bounded by the
 * text, an indentation is at most QL__HTML_PREFIX_LEVELS levels, so output is bounded by the input too.
 */
#include "html_block.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>

#define BLOCKS_FREE 4096    /* so many blocks whatever their size, */
#define BLOCK_TEXT_BYTES 16 /* then one for so much text: a block costs 64 bytes */

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

uint32_t ql__html_push_block(ql__html_writer *self, int kind, unsigned level, uint32_t parent)
{
    ql__html_output *o = self->out;
    ql_block block = {.begin = o->text.len, .end = o->text.len, .parent = parent, .kind = (uint16_t)kind, .level = (uint16_t)level};
    if (o->block_count >= BLOCKS_FREE + o->text.len / BLOCK_TEXT_BYTES || o->block_count >= QL__HTML_BLOCK_SKIPPED - 1) return QL__HTML_BLOCK_SKIPPED;
    if (!ql__array_push(o->blocks, o->block_count, o->block_capacity, block)) {
        self->failed = true;
        return QL__HTML_BLOCK_SKIPPED;
    }
    return (uint32_t)(o->block_count - 1);
}

void ql__html_end_block(ql__html_writer *self, uint32_t block)
{
    if (self->failed || block == QL__HTML_BLOCK_SKIPPED) return;
    self->out->blocks[block].end = self->out->text.len;
    self->out->blocks[block].next = (uint32_t)self->out->block_count;
}

void ql__html_set_label(ql__html_writer *self, uint32_t block, ql_str label)
{
    if (self->failed || block == QL__HTML_BLOCK_SKIPPED || label.len == 0) return;
    size_t len = label.len < QL_LIMIT_LABEL_BYTES ? label.len : QL_LIMIT_LABEL_BYTES;
    while (len < label.len && len > 0 && ((unsigned char)label.ptr[len] & 0xC0) == 0x80) len--;
    ql_buf *labels = &self->out->labels;
    self->out->blocks[block].label = (ql_str){(const char *)(uintptr_t)labels->len, len};
    if (ql_buf_append(labels, (ql_str){label.ptr, len}) < 0) self->failed = true;
}

/* Containers */

ql__html_container *ql__html_top_container(ql__html_writer *self)
{
    return &self->containers[self->container_count - 1];
}

uint32_t ql__html_push_container(ql__html_writer *self, int kind, uintptr_t tag)
{
    if (self->container_count >= QL__HTML_CONTAINERS_MAX) return 0;
    self->containers[self->container_count] = (ql__html_container){.kind = (uint16_t)kind, .block = QL_BLOCK_NONE, .tag = tag, .number = 1};
    self->container_count++;
    return (uint32_t)self->container_count;
}

void ql__html_pop_containers(ql__html_writer *self, size_t keep)
{
    while (self->container_count > keep) {
        ql__html_container *c = ql__html_top_container(self);
        if (c->block != QL_BLOCK_NONE) ql__html_end_block(self, c->block);
        self->container_count--;
    }
}

uint32_t ql__html_open_containers(ql__html_writer *self)
{
    uint32_t parent = 0;
    for (size_t i = 0; i < self->container_count; i++) {
        ql__html_container *c = &self->containers[i];
        if (c->block == QL_BLOCK_NONE) c->block = ql__html_push_block(self, c->kind, c->level, parent);
        if (c->block != QL__HTML_BLOCK_SKIPPED) parent = c->block;
    }
    return parent;
}

bool ql__html_in_open_list(const ql__html_writer *self)
{
    for (size_t i = 0; i < self->container_count; i++) {
        if (self->containers[i].kind == QL_BLOCK_LIST) return self->containers[i].block != QL_BLOCK_NONE;
    }
    return false;
}

/* Lists */

void ql__html_open_list(ql__html_writer *self, ql__html_element *element, const lxb_html_token_t *token)
{
    element->container = ql__html_push_container(self, QL_BLOCK_LIST, element->tag);
    ql_str start = ql__html_attribute(token, "start");
    uint64_t number = 0;
    for (size_t i = 0; i < start.len && i < 9 && start.ptr[i] >= '0' && start.ptr[i] <= '9'; i++) number = number * 10 + (uint64_t)(start.ptr[i] - '0');
    if (element->container && number > 0) ql__html_top_container(self)->number = number;
}

/* Nearest list (and no quote, table or item between), or NULL. */
static ql__html_container *own_list(ql__html_writer *self, size_t *depth)
{
    for (size_t i = self->container_count; i-- > 0;) {
        ql__html_container *c = &self->containers[i];
        if (c->kind == QL_BLOCK_LIST) {
            *depth = i + 1;
            return c;
        }
        if (c->kind == QL_BLOCK_QUOTE || c->kind == QL_BLOCK_TABLE) return NULL;
    }
    return NULL;
}

void ql__html_open_item(ql__html_writer *self, ql__html_element *element)
{
    size_t depth = 0;
    ql__html_container *list = own_list(self, &depth);
    bool numbered = list && list->tag == LXB_TAG_OL;
    uint64_t number = numbered ? list->number++ : 0;
    if (list) ql__html_pop_containers(self, depth);
    element->container = ql__html_push_container(self, QL_BLOCK_ITEM, 0);
    self->pending_marker = numbered ? QL__HTML_MARKER_NUMBER : QL__HTML_MARKER_BULLET;
    self->marker_number = number;
}

void ql__html_open_definition(ql__html_writer *self, ql__html_element *element)
{
    bool definition = element->tag == LXB_TAG_DD;
    size_t depth = 0;
    ql__html_container *list = own_list(self, &depth);
    if (!list || list->tag != LXB_TAG_DL) return;
    bool has_item = self->container_count > depth && self->containers[depth].kind == QL_BLOCK_ITEM;
    if (has_item && !(self->containers[depth].has_definition && !definition)) {
        ql__html_pop_containers(self, depth + 1);
    } else {
        ql__html_pop_containers(self, depth);
        if (ql__html_push_container(self, QL_BLOCK_ITEM, LXB_TAG_DL)) ql__html_top_container(self)->tag = LXB_TAG_DL;
    }
    if (self->container_count > depth) self->containers[depth].has_definition = definition;
    self->pending_marker = definition ? QL__HTML_MARKER_DEFINITION : QL__HTML_MARKER_TERM;
}

/* Text and the map */

void ql__html_add_map(ql__html_writer *self, ql_range_map entry)
{
    ql__html_output *o = self->out;
    ql_range_map *last = o->map_count > 0 ? &o->map[o->map_count - 1] : NULL;
    if (last && entry.source_begin < last->source_end) entry.source_begin = last->source_end;
    if (entry.source_end < entry.source_begin) entry.source_end = entry.source_begin;
    bool exact = last && last->len == last->source_end - last->source_begin && entry.len == entry.source_end - entry.source_begin;
    /* Entries of neighbouring leaves are joined only where there are very many. */
    size_t gap_max = o->map_count < BLOCKS_FREE + o->text.len / QL__HTML_MAP_MERGE_BYTES ? 1 : 64;
    if (exact && last->begin + last->len == entry.begin && last->source_end == entry.source_begin) {
        last->len += entry.len;
        last->source_end = entry.source_end;
    } else if (last && last->len < QL__HTML_MAP_MERGE_BYTES && entry.begin - (last->begin + last->len) <= gap_max &&
               entry.source_begin - last->source_end <= 256) {
        last->len = entry.begin + entry.len - last->begin;
        last->source_end = entry.source_end;
    } else if (!ql__array_push(o->map, o->map_count, o->map_capacity, entry)) {
        self->failed = true;
    }
}

size_t ql__html_make_prefix(const ql__html_writer *self, char out[4 * QL__HTML_PREFIX_LEVELS + 1], bool first)
{
    size_t len = 0, levels = 0, lists = 0;
    for (size_t i = 0; i < self->container_count && levels < QL__HTML_PREFIX_LEVELS; i++) {
        const ql__html_container *c = &self->containers[i];
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
    const ql__html_container *c = self->container_count > 0 ? &self->containers[self->container_count - 1] : NULL;
    if (!first && c && c->kind == QL_BLOCK_ITEM && lists > 0) {
        memcpy(out + len, "  ", 2);
        len += 2;
    }
    return len;
}

size_t ql__html_make_marker(ql__html_writer *self, char *out, size_t size)
{
    int len = 0;
    switch (self->pending_marker) {
    case QL__HTML_MARKER_BULLET: len = snprintf(out, size, "- "); break;
    case QL__HTML_MARKER_NUMBER: len = snprintf(out, size, "%llu. ", (unsigned long long)self->marker_number); break;
    case QL__HTML_MARKER_DEFINITION: len = snprintf(out, size, ": "); break;
    default: break;
    }
    return len > 0 ? (size_t)len : 0;
}

void ql__html_emit(ql__html_writer *self, const char *text, size_t len)
{
    if (ql_buf_append(&self->out->text, (ql_str){text, len}) < 0) self->failed = true;
}

void ql__html_emit_gap(ql__html_writer *self, bool tight)
{
    if (self->out->text.len == 0) return;
    ql__html_emit(self, "\n\n", tight && !self->after_code ? 1 : 2);
    self->after_code = false;
}
