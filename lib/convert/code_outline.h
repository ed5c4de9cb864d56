/* The outline of a source file: its declarations as ELEMENT blocks, all other lines as CODE blocks. */
#ifndef QL_CODE_OUTLINE_H
#define QL_CODE_OUTLINE_H

#include "code_language.h"
#include "convert/block_build.h"

typedef enum ql__code_method {
    QL__CODE_PARSED,
    QL__CODE_TOO_LARGE,  /* over QL_LIMIT_CODE_BYTES */
    QL__CODE_NO_GRAMMAR, /* the module is not installed */
    QL__CODE_GAVE_UP     /* the parser needed too many steps or too much memory */
} ql__code_method;

/* Fills blocks (already initialised for text) from the syntax tree. QL_DONE: it gave up and added nothing. QL_E_NOMEM. */
ql_status ql__code_outline(ql__blocks *blocks, ql_str text, const ql__code_language *language, const ql__code_grammar *grammar, ql_arena *arena,
                           ql_error *err);
/* Fills blocks by lines: a block ends at an empty line before an unindented one. */
void ql__code_lines(ql__blocks *blocks, ql_str text, const ql__code_language *language);
/* How many places of the text the grammar could not read; UINT64_MAX when it gave up. QL_E_NOMEM. */
ql_status ql__code_error_count(ql_str text, const ql__code_grammar *grammar, uint64_t *out, ql_error *err);

#endif
