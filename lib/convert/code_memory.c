/*
 * Purpose: memory for tree-sitter and scanners, a list of pieces per run, so that a run can be left by longjmp.
 *
 * Invariants: tree-sitter is called only inside a run; pieces belong to the run of their thread and do not outlive it. A run inside a run
 * has a list of its own. What a run holds and how often it asks is counted and may be bounded: a few kB of source that the grammar cannot make sense of can take gigabytes
 * or hours.
 * Threads: runs are per thread. Cost: 32 bytes in front of each piece.
 */
#include "code_memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tree_sitter/api.h>

#include "base/alloc.h"

typedef struct piece {
    struct piece *before, *after;
    size_t size; /* of all of it */
    _Alignas(max_align_t) unsigned char bytes[];
} piece;

typedef struct run {
    piece ring; /* head of the pieces; never handed out */
    size_t bytes, bytes_max;
    uint64_t requests_left;
    bool over_bound;
    jmp_buf out_of_memory;
} run;

static _Thread_local run *active;

static void ring_add(piece *self)
{
    self->before = &active->ring;
    self->after = active->ring.after;
    self->after->before = self;
    active->ring.after = self;
}

static void ring_remove(piece *self)
{
    self->before->after = self->after;
    self->after->before = self->before;
}

static piece *piece_of(void *bytes)
{
    return (piece *)(void *)((unsigned char *)bytes - offsetof(piece, bytes));
}

void ql__code_memory_give_up(void)
{
    active->over_bound = true;
    longjmp(active->out_of_memory, 1);
}

/* Counts a piece that comes in place of one of `before` bytes; leaves the run where that is too much. */
static void count(size_t before, size_t total)
{
    size_t others = active->bytes - before;
    if (total > active->bytes_max || others > active->bytes_max - total || active->requests_left == 0) ql__code_memory_give_up();
    active->bytes = others + total;
    active->requests_left--;
}

static void *take(size_t size)
{
    size_t total = 0;
    if (!ql__size_add(size, sizeof(piece), &total)) longjmp(active->out_of_memory, 1);
    count(0, total);
    piece *self = ql__alloc(total);
    if (!self) longjmp(active->out_of_memory, 1);
    self->size = total;
    ring_add(self);
    return self->bytes;
}

static void *take_zeros(size_t count, size_t size)
{
    size_t total = 0;
    if (!ql__size_mul(count, size, &total)) longjmp(active->out_of_memory, 1);
    void *bytes = take(total);
    memset(bytes, 0, total);
    return bytes;
}

static void give_back(void *bytes)
{
    if (!bytes) return;
    piece *self = piece_of(bytes);
    ring_remove(self);
    active->bytes -= self->size;
    ql__free(self);
}

static void *resize(void *bytes, size_t size)
{
    size_t total = 0;
    if (!bytes) return take(size);
    piece *old = piece_of(bytes);
    if (!ql__size_add(size, sizeof *old, &total)) longjmp(active->out_of_memory, 1);
    count(old->size, total);
    ring_remove(old);
    piece *self = ql__realloc(old, total);
    if (!self) {
        ring_add(old); /* it is still there, and freed with the rest */
        longjmp(active->out_of_memory, 1);
    }
    self->size = total;
    ring_add(self);
    return self->bytes;
}

static void install(void)
{
    ts_set_allocator(take, take_zeros, resize, give_back);
}

const ql__grammar_memory *ql__code_memory(void)
{
    static const ql__grammar_memory memory = {take, take_zeros, resize, give_back};
    return &memory;
}

void ql__code_memory_bound(size_t bytes, uint64_t requests)
{
    active->bytes_max = bytes;
    active->requests_left = requests;
}

ql__code_run ql__code_memory_run(void (*work)(void *user), void *user)
{
    static pthread_once_t installed = PTHREAD_ONCE_INIT;
    run self = {.ring = {.before = &self.ring, .after = &self.ring}, .bytes_max = SIZE_MAX, .requests_left = UINT64_MAX};
    run *volatile outer = active;
    volatile bool whole = false;
    pthread_once(&installed, install);
    active = &self;
    if (setjmp(self.out_of_memory) == 0) {
        work(user);
        whole = true;
    }
    while (self.ring.after != &self.ring) give_back(self.ring.after->bytes);
    active = outer;
    return whole ? QL__CODE_RUN_WHOLE : self.over_bound ? QL__CODE_RUN_OVER_BOUND : QL__CODE_RUN_NO_MEMORY;
}
