/*
 * Purpose: the other end of grammar_memory.h, compiled into every grammar's module, not into the library.
 * Invariants: a scanner runs between two calls of use on one thread, as a parser lives between two calls of code_guard.h.
 * Threads: the choice is per thread. Cost: one indirect call more than malloc.
 */
#include "grammar_memory.h"

#define EXPORT __attribute__((visibility("default")))

static _Thread_local const ql__grammar_memory *chosen;

EXPORT ql__grammar_memory_use qloader_grammar_memory_use;

void qloader_grammar_memory_use(const ql__grammar_memory *memory)
{
    chosen = memory;
}

void *ql__grammar_malloc(size_t size);
void *ql__grammar_calloc(size_t count, size_t size);
void *ql__grammar_realloc(void *bytes, size_t size);
void ql__grammar_free(void *bytes);

void *ql__grammar_malloc(size_t size)
{
    return chosen->take(size);
}

void *ql__grammar_calloc(size_t count, size_t size)
{
    return chosen->take_zeros(count, size);
}

void *ql__grammar_realloc(void *bytes, size_t size)
{
    return chosen->resize(bytes, size);
}

void ql__grammar_free(void *bytes)
{
    chosen->give_back(bytes);
}
