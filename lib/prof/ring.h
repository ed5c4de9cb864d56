/*
 * Records from one writer (a thread, or its signal handler) to one reader (the control thread). Fixed size; a record that finds no room is dropped and
 * counted. The writer never waits and takes no lock. Records are contiguous and aligned to 8 bytes; what is left at the end of the ring is skipped.
 */
#ifndef QL_RING_H
#define QL_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ql__ring {
    unsigned char *bytes; /* NULL: no ring, everything is dropped */
    uint32_t size;        /* power of two */
    uint32_t reserved_end; /* writer's: what commit publishes, relative to head */
    _Alignas(64) atomic_uint_least64_t head; /* written so far */
    atomic_uint_least64_t dropped;
    _Alignas(64) atomic_uint_least64_t tail; /* read so far */
} ql__ring;

enum { QL__RING_HEADER = 8, QL__RING_SKIP = 0 };

/* Room for `size` bytes, to be written before ql__ring_commit; NULL: none. */
static inline void *ql__ring_reserve(ql__ring *self, uint32_t size)
{
    uint64_t head = atomic_load_explicit(&self->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&self->tail, memory_order_acquire);
    uint32_t need = (size + QL__RING_HEADER + 7) & ~7u;
    if (self->bytes == NULL || size == 0 || need > self->size / 2) goto dropped;
    uint32_t at = (uint32_t)head & (self->size - 1), left = self->size - at;
    uint32_t skip = left < need ? left : 0;
    if (self->size - (uint32_t)(head - tail) < skip + need) goto dropped;
    if (skip) {
        *(uint32_t *)(void *)(self->bytes + at) = QL__RING_SKIP;
        at = 0;
    }
    *(uint32_t *)(void *)(self->bytes + at) = size;
    self->reserved_end = skip + need;
    return self->bytes + at + QL__RING_HEADER;
dropped:
    atomic_fetch_add_explicit(&self->dropped, 1, memory_order_relaxed);
    return NULL;
}

static inline void ql__ring_commit(ql__ring *self)
{
    uint64_t head = atomic_load_explicit(&self->head, memory_order_relaxed);
    atomic_store_explicit(&self->head, head + self->reserved_end, memory_order_release);
}

/* The next record before `head` (a value of ql__ring_written), or NULL; ql__ring_pop gives its room back. */
static inline const void *ql__ring_next(ql__ring *self, uint64_t head, uint32_t *size)
{
    uint64_t tail = atomic_load_explicit(&self->tail, memory_order_relaxed);
    if (tail >= head) return NULL;
    uint32_t at = (uint32_t)tail & (self->size - 1);
    *size = *(const uint32_t *)(const void *)(self->bytes + at);
    if (*size == QL__RING_SKIP) {
        tail += self->size - at;
        atomic_store_explicit(&self->tail, tail, memory_order_release);
        if (tail >= head) return NULL;
        at = 0;
        *size = *(const uint32_t *)(const void *)self->bytes;
    }
    return self->bytes + at + QL__RING_HEADER;
}

static inline void ql__ring_pop(ql__ring *self, uint32_t size)
{
    uint64_t tail = atomic_load_explicit(&self->tail, memory_order_relaxed);
    atomic_store_explicit(&self->tail, tail + ((size + QL__RING_HEADER + 7) & ~7u), memory_order_release);
}

static inline uint64_t ql__ring_written(const ql__ring *self)
{
    return atomic_load_explicit(&((ql__ring *)self)->head, memory_order_acquire);
}

#endif
