/*
 * The library's memory: one table of functions, malloc unless the program set another before first use.
 *
 * Invariant: once memory was handed out the table never changes, so it is read without a lock (tests excepted).
 * Threads: all functions are safe anywhere; ql_allocator_set is called before other threads use the library.
 * Cost: one relaxed load on top of the allocator.
 */
#include "base/alloc.h"

#include "base/abi.h"
#include "base/status.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static void *libc_realloc(void *user, void *ptr, size_t size)
{
    (void)user;
    return realloc(ptr, size);
}

static void libc_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

#define LIBC_ALLOCATOR {sizeof(ql_allocator), 0, libc_realloc, libc_free, NULL}

static ql_allocator active = LIBC_ALLOCATOR;
static atomic_bool handed_out;
static _Atomic(const ql__alloc_watch *) watch;

ql_status ql_allocator_set(const ql_allocator *allocator)
{
    ql_allocator known;
    if (!allocator) return QL_E_INVALID;
    QL_TRY(ql__struct_read(&known, sizeof known, sizeof known, allocator, "ql_allocator", NULL));
    if (known.reserved != 0 || !known.realloc_fn || !known.free_fn) return QL_E_INVALID;
    if (atomic_load(&handed_out)) return QL_E_BUSY;
    active = known;
    return QL_OK;
}

void ql__allocator_reset_for_tests(const ql_allocator *allocator)
{
    static const ql_allocator libc_allocator = LIBC_ALLOCATOR;
    active = allocator ? *allocator : libc_allocator;
    atomic_store(&handed_out, false);
}

/* Released first: once the allocator has moved it, its address may be another thread's. Where that fails the old piece is no longer watched. */
static void *realloc_watched(const ql__alloc_watch *watching, void *ptr, size_t size)
{
    if (ptr) watching->free_fn(ptr);
    void *moved = active.realloc_fn(active.user, ptr, size);
    if (moved) watching->alloc_fn(moved, size);
    return moved;
}

void *ql__realloc(void *ptr, size_t size)
{
    /* Loading first keeps the cache line shared between threads. */
    if (!atomic_load_explicit(&handed_out, memory_order_relaxed)) {
        atomic_store_explicit(&handed_out, true, memory_order_relaxed);
    }
    if (!size) size = 1;
    const ql__alloc_watch *watching = atomic_load_explicit(&watch, memory_order_acquire);
    if (!watching) return active.realloc_fn(active.user, ptr, size);
    return realloc_watched(watching, ptr, size);
}

void ql__alloc_watch_set(const ql__alloc_watch *wanted)
{
    atomic_store_explicit(&watch, wanted, memory_order_release);
}

void *ql__alloc(size_t size)
{
    return ql__realloc(NULL, size);
}

void *ql__alloc_zero(size_t count, size_t size)
{
    size_t bytes;
    if (!ql__size_mul(count, size, &bytes)) return NULL;
    void *ptr = ql__alloc(bytes);
    if (ptr) memset(ptr, 0, bytes ? bytes : 1);
    return ptr;
}

void *ql__realloc_array(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    return ql__size_mul(count, size, &bytes) ? ql__realloc(ptr, bytes) : NULL;
}

void ql__free(void *ptr)
{
    if (!ptr) return;
    const ql__alloc_watch *watching = atomic_load_explicit(&watch, memory_order_acquire);
    if (watching) watching->free_fn(ptr);
    active.free_fn(active.user, ptr);
}

void ql__alloc_give_back(void)
{
#if defined(__GLIBC__)
    if (active.realloc_fn == libc_realloc) malloc_trim(0);
#endif
}

char *ql__strdup(ql_str text)
{
    size_t bytes;
    if (!ql__size_add(text.len, 1, &bytes)) return NULL;
    char *copy = ql__alloc(bytes);
    if (!copy) return NULL;
    if (text.len) memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

void ql__free_cleanup(void *pointer_to_pointer)
{
    void *ptr;
    memcpy(&ptr, pointer_to_pointer, sizeof ptr); /* any pointer type may stand there */
    ql__free(ptr);
}
