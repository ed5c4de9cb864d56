/* See allocators.h. By name, as nothing else tells an allocator from who uses it. Threads: any. Cost: a few dozen comparisons a frame. */
#include "capture/allocators.h"

/* The profiler's hooks, which malloc calls. Their names are anybody's: they count only below it. */
static const char *const hooks[] = {"on_alloc", "tell"};

static const char *const mallocs[] = {"malloc", "calloc", "realloc", "reallocarray", "memalign", "posix_memalign", "aligned_alloc", "valloc", "pvalloc"};

static const char *const allocators[] = {
    "strdup", "strndup", "asprintf", "vasprintf",
    "__libc_malloc", "__libc_calloc", "__libc_realloc", "__libc_memalign", "__strdup", "__strndup",
    "operator new(unsigned long)", "operator new[](unsigned long)", "operator new(unsigned long, std::nothrow_t const&)",
    "operator new(unsigned long, std::align_val_t)", "operator new[](unsigned long, std::align_val_t)",
    "libc_realloc", "realloc_watched", "ql__alloc", "ql__alloc_zero", "ql__realloc", "ql__realloc_array", "ql__strdup", "ql__array_reserve", "ql__arena_alloc", "ql__arena_alloc_zero", "ql__arena_copy",
    "block_new", "block_for", "ql_buf_reserve", "ql_buf_append", "ql_buf_append_char", "sqlite3_malloc", "sqlite3_malloc64", "sqlite3_realloc", "sqlite3_realloc64",
    "json_malloc", "jsonp_malloc"};

static bool is_in(ql_str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ql_str_equal(name, ql_str_of(names[i]))) return true;
    return false;
}

bool ql__allocator_is_malloc(ql_str function)
{
    return is_in(function, mallocs, sizeof mallocs / sizeof *mallocs);
}

bool ql__allocator_has(ql__allocator_walk *self, ql_str function)
{
    if (ql__allocator_is_malloc(function) || is_in(function, allocators, sizeof allocators / sizeof *allocators)) return self->named = true;
    return !self->named && is_in(function, hooks, sizeof hooks / sizeof *hooks);
}
