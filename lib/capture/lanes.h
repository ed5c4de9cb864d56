/* What belongs to each thread, in order: one pass over a table instead of one for each thread. */
#ifndef QL_LANES_H
#define QL_LANES_H

#include "capture/profile.h"

/* Lane 0 is of no known thread, lane i of thread index i - 1. Rows of lane i: order[first[i]] to order[first[i + 1] - 1], in the order of the table. */
typedef struct ql__lanes {
    uint32_t *order;
    size_t *first;       /* (count + 1) */
    size_t count;        /* threads + 1 */
} ql__lanes;

ql_status ql__lanes_of_samples(const ql__profile *profile, ql__sample_kind kind, ql__lanes *out, ql_error *err);
/* By begin, the longer first where two begin together: a span comes before those inside it. */
ql_status ql__lanes_of_spans(const ql__profile *profile, ql__lanes *out, ql_error *err);
void ql__lanes_free(ql__lanes *self);
/* The name of a lane's thread, "thread 123" where it has none. */
void ql__lane_name(const ql__profile *profile, size_t lane, ql_buf *out);
/* Name of a span's site. */
ql_str ql__span_title(const ql__profile *profile, const ql__profile_span *span);

#endif
