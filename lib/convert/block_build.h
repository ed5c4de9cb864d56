/*
 * Building the block tree of a ql_canonical in pre-order: open, close, finish. Ranges are clamped so that the tree is
 * well-formed whatever the caller measured: children inside parents, siblings in order. One thread at a time.
 */
#ifndef QL_BLOCK_BUILD_H
#define QL_BLOCK_BUILD_H

#include "base/arena.h"
#include <qloader/convert.h>

typedef struct ql__blocks {
    ql_block *items;
    size_t count, capacity;
    uint64_t text_bytes;
    uint64_t cursor;  /* end of what the open block already holds: no later block begins before it */
    uint32_t open;    /* innermost open block, QL_BLOCK_NONE before the root */
    uint32_t depth;   /* open blocks */
    bool failed;      /* out of memory; sticky */
} ql__blocks;

/* Starts with the open root block DOCUMENT over [0, text_bytes). */
void ql__blocks_init(ql__blocks *self, uint64_t text_bytes);
void ql__blocks_dispose(ql__blocks *self);
/*
 * Opens a block at `begin`; returns its index, or QL_BLOCK_NONE (no block; text stays with the parent) when the tree is as deep as
 * QL_LIMIT_TREE_DEPTH, denser than one block per 32 bytes of text seen so far, or memory is out. Close only what was opened.
 */
uint32_t ql__blocks_open(ql__blocks *self, ql_block_kind kind, unsigned level, uint64_t begin);
/* Closes the innermost block at `end` (never before what it holds). */
void ql__blocks_close(ql__blocks *self, uint64_t end);
/* Undoes the opening of block `index`, the innermost open one, with all that is in it: text stays with the parent. */
void ql__blocks_cancel(ql__blocks *self, uint32_t index);
/* A block without children; false when it was left out. */
bool ql__blocks_leaf(ql__blocks *self, ql_block_kind kind, unsigned level, uint64_t begin, uint64_t end, ql_str label, ql_str detail);
/* Closes what is open and copies the tree into the arena. */
ql_status ql__blocks_finish(ql__blocks *self, ql_arena *arena, ql_canonical *out, ql_error *err);

/* A copy of `label` in the arena: white space runs become one blank, at most QL_LIMIT_LABEL_BYTES, cut between graphemes. Without memory it is empty, and the tree has failed. */
ql_str ql__blocks_label(ql__blocks *self, ql_arena *arena, ql_str label);

#endif
