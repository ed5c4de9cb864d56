/*
 * The parser's memory. tree-sitter ends the program when an allocation fails; here it is left instead, and everything it had taken is
 * given back. Its copy is private to this library, so no other user of tree-sitter in the process is affected.
 */
#ifndef QL_CODE_MEMORY_H
#define QL_CODE_MEMORY_H

#include <stdbool.h>

#include "grammar_memory.h"

/*
 * Runs work(user), which uses the parser; false when memory ran out half-way. Then work was left where it was: it must own nothing but
 * what the parser gave it (and arenas). Whatever it did not give back is freed in any case.
 */
bool ql__code_memory_run(void (*work)(void *user), void *user);
/* The same memory for the scanners that work uses. */
const ql__grammar_memory *ql__code_memory(void);

#endif
