/* What a search knows of its query before anything is found. */
#ifndef QL_QUERY_H
#define QL_QUERY_H

#include "base/arena.h"
#include "search/fuse.h"
#include "text/analyze.h"
#include <qloader/chunk.h>

typedef struct ql__query {
    ql_str text;         /* trimmed */
    ql_str *terms;       /* distinct, in order of appearance; in the arena */
    float *weights;      /* all 1 */
    size_t term_count;
    ql__fuse_reading reading;
} ql__query;

/* measure may be NULL. text is borrowed for as long as out is used. QL_E_INVALID: empty, over QL_LIMIT_QUERY_BYTES, not UTF-8. */
ql_status ql__query_understand(ql_str text, ql__analyzer *analyzer, const ql_measure *measure, ql__arena *arena, ql__query *out, ql_error *err);

#endif
