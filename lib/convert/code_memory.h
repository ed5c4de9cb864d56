/*
 * The parser's memory. tree-sitter ends the program when an allocation fails; here it is left instead, and everything it had taken is
 * given back. Its copy is private to this library, so no other user of tree-sitter in the process is affected.
 */
#ifndef QL_CODE_MEMORY_H
#define QL_CODE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "grammar_memory.h"

typedef enum ql__code_run {
    QL__CODE_RUN_WHOLE,
    QL__CODE_RUN_NO_MEMORY, /* the machine has no more */
    QL__CODE_RUN_OVER_BOUND /* of ql__code_memory_bound */
} ql__code_run;

/*
 * Runs work(user), which uses the parser; when memory ran out half-way work was left where it was: it must own nothing but
 * what the parser gave it (and arenas). Whatever it did not give back is freed in any case.
 */
ql__code_run ql__code_memory_run(void (*work)(void *user), void *user);
/* Inside a run: from now on it may hold at most so many bytes and ask for memory so many times; _MAX: any number, as at its start. */
void ql__code_memory_bound(size_t bytes, uint64_t requests);
/* Leaves the run as if over its bound. */
_Noreturn void ql__code_memory_give_up(void);
/* The same memory for the scanners that work uses. */
const ql__grammar_memory *ql__code_memory(void);

#endif
