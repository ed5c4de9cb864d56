/* The interposer: counts and fails, then hands over to the C library by its own names for the same functions. */
#include "support/memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "support/testing.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

static long calls_before;

void memory_fail(long n, bool from)
{
    ql_test_alloc_install();
    if (n < 0) n = 1L << 40;
    if (from) ql_test_fault_from(QL_FAULT_ALLOC, n);
    else ql_test_fault_at(QL_FAULT_ALLOC, n);
    calls_before = ql_test_alloc_calls();
}

long memory_fail_end(bool *fired)
{
    bool hit = ql_test_fault_clear();
    if (fired) *fired = hit;
    return ql_test_alloc_calls() - calls_before;
}

long memory_live(void)
{
    return ql_test_alloc_live();
}

bool memory_is_everybodys(void)
{
    return false;
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *piece);

static atomic_long left, counted, live;
static atomic_bool armed, sticky, hit;

/*
 * Whoever cannot live without memory, whatever the library does (docs/internals/faults.md lists them): oneDNN with C++ and OpenMP below it, and
 * jansson's reader. They are not struck.
 */
static bool is_spared(void *caller)
{
    static const char *const names[] = {"libdnnl.so", "libstdc++.so", "libgomp.so", "libjansson.so"};
    Dl_info info;
    if (!dladdr(caller, &info) || !info.dli_fname) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(info.dli_fname, names[i])) return true;
    return false;
}

__attribute__((noinline, noipa)) static void strike_here(void)
{
    __asm__ volatile(""); /* a place for a debugger to stop */
}

static bool strikes(void *caller)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed)) return false;
    atomic_fetch_add(&counted, 1);
    long now = atomic_fetch_sub(&left, 1);
    if (now > 0 || (now < 0 && atomic_load(&hit) && !atomic_load(&sticky)) || is_spared(caller)) return false; /* a spared one leaves the blow to the next */
    atomic_store(&hit, true);
    strike_here();
    errno = ENOMEM;
    return true;
}

static void *noted(void *piece)
{
    if (piece) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return piece;
}

#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : noted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : noted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    if (strikes(__builtin_return_address(0))) return NULL;
    void *piece = __libc_realloc(old, size);
    if (!old) return noted(piece);
    if (!piece && size == 0) atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    return piece;
}

void *memalign(size_t alignment, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : noted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : noted(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *piece = strikes(__builtin_return_address(0)) ? NULL : noted(__libc_memalign(alignment, size));
    if (piece) *out = piece;
    return piece ? 0 : ENOMEM;
}

void free(void *piece)
{
    if (!piece) return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    __libc_free(piece);
}

#pragma GCC visibility pop

void memory_fail(long n, bool from)
{
    atomic_store(&left, n < 0 ? 1L << 40 : n);
    atomic_store(&sticky, from);
    atomic_store(&hit, false);
    atomic_store(&counted, 0);
    atomic_store(&armed, true);
}

long memory_fail_end(bool *fired)
{
    atomic_store(&armed, false);
    if (fired) *fired = atomic_load(&hit);
    return atomic_load(&counted);
}

long memory_live(void)
{
    return atomic_load(&live);
}

bool memory_is_everybodys(void)
{
    return true;
}

#endif
