/*
 * A fence around the hand-written scanners of grammars. Some look for a character that a damaged file never has and move on for ever
 * at its end, others read all that follows again at each token, as do the tables of some; no call of the parser's interface can stop that. The fence counts what is
 * read. Some forget what they hold when they are put back to an earlier state; behind the fence a state is given back and made anew instead.
 */
#ifndef QL_CODE_GUARD_H
#define QL_CODE_GUARD_H

#include <tree_sitter/api.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grammar_memory.h"

/* Room for a copy of a grammar's table; checked against the real size when code_guard.c is compiled. */
typedef struct ql__code_guarded {
    _Alignas(max_align_t) unsigned char bytes[512];
} ql__code_guarded;

/* A grammar as its module brings it. */
typedef struct ql__code_original {
    const TSLanguage *grammar;
    ql__grammar_memory_use *use_memory;
} ql__code_original;

/* The grammar behind the fence: lives in *room. */
const TSLanguage *ql__code_guard(const TSLanguage *grammar, ql__code_guarded *room);
/*
 * The life of a parser with a guarded grammar lies between these two, on one thread; what begin answers goes to end. reads: how many characters
 * may be read for its tokens, over and over; then the run of code_memory.h is left as over its bound.
 */
const ql__code_original *ql__code_guard_begin(const ql__code_original *original, uint64_t reads);
void ql__code_guard_end(const ql__code_original *before);
/* Instead of end, after the parser was left half-way and its memory was given back. */
void ql__code_guard_abandon(void);

#endif
