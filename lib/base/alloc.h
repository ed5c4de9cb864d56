/* The only way to memory inside the library. Sizes of 0 are rounded up to 1. All are thread-safe. */
#ifndef QL_ALLOC_H
#define QL_ALLOC_H

#include <qloader/base.h>

void *ql__alloc(size_t size);
void *ql__alloc_zero(size_t count, size_t size);       /* NULL also when count * size overflows */
void *ql__realloc(void *ptr, size_t size);
void *ql__realloc_array(void *ptr, size_t count, size_t size);
void ql__free(void *ptr);                              /* NULL is fine */
char *ql__strdup(ql_str text);                         /* NUL-terminated copy */

/* False when the result does not fit; *out is then unchanged. */
static inline bool ql__size_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}
static inline bool ql__size_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

/* What malloc keeps of freed memory goes back to the system, where it can: some milliseconds. Nothing with an allocator of the program's. */
void ql__alloc_give_back(void);

/* Scope-bound cleanup: QL_AUTO(ql_foo *, ql__foo_cleanup) foo = NULL; disarm with QL_STEAL(foo). */
#define QL_AUTO(type, cleanup_fn) __attribute__((cleanup(cleanup_fn))) type
#define QL_STEAL(pointer) ({ __typeof__(pointer) stolen_ = (pointer); (pointer) = NULL; stolen_; })
void ql__free_cleanup(void *pointer_to_pointer);       /* for QL_AUTO(char *, ql__free_cleanup) */

/* Told of every allocation and release that goes through this table, whatever allocator is behind it; NULL: nobody. Static storage. */
typedef struct ql__alloc_watch {
    void (*alloc_fn)(void *ptr, size_t size); /* after it */
    void (*free_fn)(void *ptr);               /* before it */
} ql__alloc_watch;
void ql__alloc_watch_set(const ql__alloc_watch *watch);

/* Test programs only: installs `allocator` (NULL: malloc) at any time. Pointers handed out before must stay valid under it. */
void ql__allocator_reset_for_tests(const ql_allocator *allocator);

#endif
