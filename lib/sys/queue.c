/*
 * Bounded queue: a ring under one mutex, two conditions.
 *
 * Invariants: bytes is the sum of the sizes in the ring; the ring holds at least RING_MIN places, so that a push never fails
 * for want of memory: when the ring cannot grow, it waits for a pop as if the queue were full.
 * Threads: all functions are safe concurrently, except free. Cost: one lock per call; a wake-up per item only where someone waits.
 */
#include "sys/queue.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "base/status.h"

#define RING_MIN 64

typedef struct queue_entry {
    void *item;
    size_t size_bytes;
} queue_entry;

struct ql__queue {
    pthread_mutex_t lock;
    pthread_cond_t changed_room;
    pthread_cond_t changed_items;
    queue_entry *ring;
    size_t capacity; /* power of two */
    size_t first, count;
    size_t bytes, limit_bytes;
    bool closed;
};

ql_status ql__queue_new(size_t limit_bytes, ql__queue **out, ql_error *err)
{
    ql__queue *self = ql__alloc_zero(1, sizeof *self);
    queue_entry *ring = ql__alloc_zero(RING_MIN, sizeof *ring);
    if (!self || !ring) {
        ql__free(self);
        ql__free(ring);
        return ql__fail_nomem(err);
    }
    self->ring = ring;
    self->capacity = RING_MIN;
    self->limit_bytes = limit_bytes ? limit_bytes : 1;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* a change of the wall clock must not stretch a timeout */
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed_room, &attributes);
    pthread_cond_init(&self->changed_items, &attributes);
    pthread_condattr_destroy(&attributes);
    *out = self;
    return QL_OK;
}

void ql__queue_free(ql__queue *self)
{
    if (!self) return;
    pthread_cond_destroy(&self->changed_items);
    pthread_cond_destroy(&self->changed_room);
    pthread_mutex_destroy(&self->lock);
    ql__free(self->ring);
    ql__free(self);
}

static bool ring_grow(ql__queue *self)
{
    if (self->capacity > SIZE_MAX / 2) return false;
    queue_entry *ring = ql__alloc_zero(self->capacity * 2, sizeof *ring);
    if (!ring) return false;
    for (size_t i = 0; i < self->count; i++) ring[i] = self->ring[(self->first + i) & (self->capacity - 1)];
    ql__free(self->ring);
    self->ring = ring;
    self->first = 0;
    self->capacity *= 2;
    return true;
}

static bool has_room(ql__queue *self)
{
    if (self->count > 0 && self->bytes >= self->limit_bytes) return false;
    return self->count < self->capacity || ring_grow(self);
}

bool ql__queue_push(ql__queue *self, void *item, size_t size_bytes)
{
    pthread_mutex_lock(&self->lock);
    while (!self->closed && !has_room(self)) pthread_cond_wait(&self->changed_room, &self->lock);
    bool open = !self->closed;
    if (open) {
        self->ring[(self->first + self->count) & (self->capacity - 1)] = (queue_entry){item, size_bytes};
        self->count++;
        self->bytes += size_bytes;
        pthread_cond_signal(&self->changed_items);
    }
    pthread_mutex_unlock(&self->lock);
    return open;
}

/* The lock is held and the queue is not empty. */
static void *take_first(ql__queue *self)
{
    queue_entry entry = self->ring[self->first];
    self->first = (self->first + 1) & (self->capacity - 1);
    self->count--;
    self->bytes -= entry.size_bytes;
    /* One large item may make room for many waiting pushes. */
    pthread_cond_broadcast(&self->changed_room);
    return entry.item;
}

bool ql__queue_pop(ql__queue *self, void **item)
{
    pthread_mutex_lock(&self->lock);
    while (self->count == 0 && !self->closed) pthread_cond_wait(&self->changed_items, &self->lock);
    bool found = self->count > 0;
    if (found) *item = take_first(self);
    pthread_mutex_unlock(&self->lock);
    return found;
}

static struct timespec deadline_after(uint64_t timeout_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    if (timeout_ms > (uint64_t)INT32_MAX * 1000) timeout_ms = (uint64_t)INT32_MAX * 1000;
    at.tv_sec += (time_t)(timeout_ms / 1000);
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

bool ql__queue_pop_until(ql__queue *self, void **item, uint64_t timeout_ms, bool *timed_out)
{
    struct timespec deadline = deadline_after(timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&self->lock);
    while (self->count == 0 && !self->closed && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&self->changed_items, &self->lock, &deadline);
    }
    bool found = self->count > 0;
    *timed_out = !found && !self->closed;
    if (found) *item = take_first(self);
    pthread_mutex_unlock(&self->lock);
    return found;
}

void ql__queue_close(ql__queue *self)
{
    pthread_mutex_lock(&self->lock);
    self->closed = true;
    pthread_cond_broadcast(&self->changed_items);
    pthread_cond_broadcast(&self->changed_room);
    pthread_mutex_unlock(&self->lock);
}

size_t ql__queue_bytes(ql__queue *self)
{
    pthread_mutex_lock(&self->lock);
    size_t bytes = self->bytes;
    pthread_mutex_unlock(&self->lock);
    return bytes;
}
