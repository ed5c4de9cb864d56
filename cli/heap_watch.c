/*
 * The program's malloc: glibc's, told to the profiler of the library, so that a capture sees what every library of the process allocates. Off, it is a
 * load and a branch a call. Not compiled in with sanitizers, which have a malloc of their own.
 *
 * Threads: any, from before main() on; until then, and where no capture takes allocations, nothing is told.
 */
#include "heap_watch.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <qloader.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* Exported for programs that define malloc (The GNU C Library Reference Manual, "Replacing malloc", names what must be replaced together). */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *ptr);

static const ql_prof_heap_hooks *hooks;

void heap_watch_begin(void)
{
    __atomic_store_n(&hooks, ql_prof_heap_hooks_use(), __ATOMIC_RELEASE);
}

static const ql_prof_heap_hooks *watching(void)
{
    const ql_prof_heap_hooks *there = __atomic_load_n(&hooks, __ATOMIC_ACQUIRE);
    return there != NULL && __atomic_load_n(there->on, __ATOMIC_RELAXED) != 0 ? there : NULL;
}

static inline void *tell(void *ptr, size_t size)
{
    const ql_prof_heap_hooks *there = watching();
    if (there != NULL) there->alloc_fn(ptr, size);
    return ptr;
}

/* Seen by the libraries: the dynamic linker looks here first. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    return tell(__libc_malloc(size), size);
}

void *calloc(size_t count, size_t size)
{
    return tell(__libc_calloc(count, size), count * size); /* an overflow gives NULL */
}

void free(void *ptr)
{
    const ql_prof_heap_hooks *there = ptr != NULL ? watching() : NULL;
    if (there != NULL) there->free_fn(ptr);
    __libc_free(ptr);
}

/* Told before: once it has moved, its address may be another thread's. */
void *realloc(void *ptr, size_t size)
{
    const ql_prof_heap_hooks *there = watching();
    if (there != NULL && ptr != NULL) there->free_fn(ptr);
    void *moved = __libc_realloc(ptr, size);
    if (there != NULL && moved != NULL) there->alloc_fn(moved, size);
    else if (there != NULL && ptr != NULL && size != 0) there->alloc_fn(ptr, malloc_usable_size(ptr)); /* it stayed */
    return moved;
}

void *memalign(size_t alignment, size_t size)
{
    return tell(__libc_memalign(alignment, size), size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return tell(__libc_memalign(alignment, size), size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    int before = errno;
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *ptr = tell(__libc_memalign(alignment, size), size);
    errno = before;
    if (ptr == NULL) return ENOMEM;
    *out = ptr;
    return 0;
}

void *valloc(size_t size)
{
    return tell(__libc_memalign((size_t)sysconf(_SC_PAGESIZE), size), size);
}

void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded = (size + page - 1) & ~(page - 1);
    return rounded >= size ? tell(__libc_memalign(page, rounded), rounded) : NULL;
}

#pragma GCC visibility pop

#else

void heap_watch_begin(void)
{
    /* The library's own allocations are seen all the same. */
}

#endif
