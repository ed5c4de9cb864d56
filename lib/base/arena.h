/*
 * Memory for the life of one document: allocate often, drop at once. One thread at a time.
 * Blocks double up to 1 MiB; larger requests get a block of their own. ql__arena_reset keeps one block.
 */
#ifndef QL_ARENA_H
#define QL_ARENA_H

#include <qloader/base.h>

typedef struct ql__arena_block ql__arena_block;
typedef struct ql__arena {
    ql__arena_block *head;
    size_t used_bytes;  /* handed out since the last reset */
    size_t limit_bytes; /* 0: no cap; beyond it allocations return NULL */
    bool limit_met;     /* an allocation since the last reset failed by it, not for want of memory */
} ql__arena;

void ql__arena_init(ql__arena *self, size_t limit_bytes);
void ql__arena_dispose(ql__arena *self);
void ql__arena_reset(ql__arena *self);
void *ql__arena_alloc(ql__arena *self, size_t size);                /* 16-byte aligned, not zeroed; NULL: out of memory */
void *ql__arena_alloc_zero(ql__arena *self, size_t count, size_t size);
bool ql__arena_copy(ql__arena *self, ql_str text, ql_str *out);      /* NUL-terminated copy; false: out of memory */

/* What the public headers call ql_arena. */
struct ql_arena {
    ql__arena arena;
};

#endif
