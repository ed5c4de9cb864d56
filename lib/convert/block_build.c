/*
 * The block tree. Invariants: items are in pre-order, every range lies in its parent's and begins at or after the end of
 * the sibling before; at most one block per 32 bytes of text (and 4096), so memory stays a small multiple of the text.
 * Threads: one builder, one thread. Cost: constant per block.
 */
#include "convert/block_build.h"

#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "text/utf8.h"

#define BLOCKS_FREE 4096
#define BYTES_PER_BLOCK 32

void ql__blocks_init(ql__blocks *self, uint64_t text_bytes)
{
    memset(self, 0, sizeof *self);
    self->text_bytes = text_bytes;
    self->open = QL_BLOCK_NONE;
    (void)ql__blocks_open(self, QL_BLOCK_DOCUMENT, 0, 0);
}

void ql__blocks_dispose(ql__blocks *self)
{
    ql__free(self->items);
    memset(self, 0, sizeof *self);
}

uint32_t ql__blocks_open(ql__blocks *self, ql_block_kind kind, unsigned level, uint64_t begin)
{
    if (begin < self->cursor) begin = self->cursor;
    if (begin > self->text_bytes) begin = self->text_bytes;
    if (self->failed || self->depth >= QL_LIMIT_TREE_DEPTH) return QL_BLOCK_NONE;
    if (self->count >= BLOCKS_FREE + begin / BYTES_PER_BLOCK || self->count >= QL_BLOCK_NONE - 1) return QL_BLOCK_NONE;
    /* While a block is open its end holds the cursor to go back to, should it be cancelled. */
    ql_block block = {.begin = begin, .end = self->cursor, .parent = self->open, .kind = (uint16_t)kind, .level = (uint16_t)level};
    if (!ql__array_push(self->items, self->count, self->capacity, block)) {
        self->failed = true;
        return QL_BLOCK_NONE;
    }
    self->open = (uint32_t)(self->count - 1);
    self->depth++;
    self->cursor = begin;
    return self->open;
}

void ql__blocks_close(ql__blocks *self, uint64_t end)
{
    if (self->failed || self->open == QL_BLOCK_NONE) return;
    ql_block *block = &self->items[self->open];
    if (end < self->cursor) end = self->cursor;
    if (end > self->text_bytes) end = self->text_bytes;
    block->end = end;
    block->next = (uint32_t)self->count;
    self->cursor = end;
    self->open = block->parent;
    self->depth--;
}

void ql__blocks_cancel(ql__blocks *self, uint32_t index)
{
    if (self->failed || self->open != index) return;
    self->cursor = self->items[index].end;
    self->open = self->items[index].parent;
    self->count = index;
    self->depth--;
}

bool ql__blocks_leaf(ql__blocks *self, ql_block_kind kind, unsigned level, uint64_t begin, uint64_t end, ql_str label, ql_str detail)
{
    uint32_t index = ql__blocks_open(self, kind, level, begin);
    if (index == QL_BLOCK_NONE) return false;
    self->items[index].label = label;
    self->items[index].detail = detail;
    ql__blocks_close(self, end);
    return true;
}

ql_status ql__blocks_finish(ql__blocks *self, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    while (!self->failed && self->open != QL_BLOCK_NONE) ql__blocks_close(self, self->text_bytes);
    if (self->failed) return ql__fail_nomem(err);
    ql_block *copy = ql_arena_alloc(arena, self->count * sizeof *copy);
    if (!copy) return ql__fail_nomem(err);
    memcpy(copy, self->items, self->count * sizeof *copy);
    out->blocks = copy;
    out->block_count = (uint32_t)self->count;
    return QL_OK;
}

ql_str ql__blocks_label(ql__blocks *self, ql_arena *arena, ql_str label)
{
    char text[QL_LIMIT_LABEL_BYTES + 64]; /* a little more, to see where the last grapheme ends */
    size_t len = 0;
    for (size_t at = 0; at < label.len && len < sizeof text; at++) {
        unsigned char c = (unsigned char)label.ptr[at];
        bool blank = c == ' ' || (c >= '\t' && c <= '\r');
        if (blank && (len == 0 || text[len - 1] == ' ')) continue;
        text[len++] = blank ? ' ' : (char)c;
    }
    len = ql__utf8_valid_prefix((ql_str){text, len});
    if (len > QL_LIMIT_LABEL_BYTES) len = ql__grapheme_floor((ql_str){text, len}, QL_LIMIT_LABEL_BYTES);
    while (len > 0 && text[len - 1] == ' ') len--;
    ql_str copy = {0};
    if (len > 0 && !ql__arena_copy(&arena->arena, (ql_str){text, len}, &copy)) self->failed = true; /* a name left out would stay out of the index */
    return copy;
}
