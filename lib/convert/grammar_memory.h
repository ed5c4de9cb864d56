/*
 * Memory for the hand-written scanners of grammars. Their malloc, calloc, realloc and free are renamed when a module is built
 * (pkgconfig/cmake/QloaderThirdParty.cmake) and end here, in a copy of grammar_memory.c that each module carries.
 */
#ifndef QL_GRAMMAR_MEMORY_H
#define QL_GRAMMAR_MEMORY_H

#include <stddef.h>

/* Functions that never answer NULL: want of memory leaves the parse (code_memory.h). */
typedef struct ql__grammar_memory {
    void *(*take)(size_t size);
    void *(*take_zeros)(size_t count, size_t size);
    void *(*resize)(void *bytes, size_t size);
    void (*give_back)(void *bytes);
} ql__grammar_memory;

#define QL__GRAMMAR_MEMORY_USE "qloader_grammar_memory_use"

/* What a module exports under that name: from now on its scanner's memory on this thread comes from *memory; NULL: its scanner does not run. */
typedef void ql__grammar_memory_use(const ql__grammar_memory *memory);

#endif
