/*
 * Spans of what happens thousands of times in a row, such as runs of one SQL statement: those with the same parent that follow each other become one span
 * with the attributes "count", "busy_ns" (their own time) and "text". One thread at a time.
 */
#ifndef QL_BATCH_SPAN_H
#define QL_BATCH_SPAN_H

#include "prof/prof_event.h"

#define QL__BATCH_NS UINT64_C(50000000) /* a longer row is cut, so that a time line shows where in it something was */

typedef struct ql__batch_span {
    uint64_t parent, begin_ns, end_ns, busy_ns, count; /* count 0: empty */
} ql__batch_span;

uint64_t ql__batch_clock(void);
/* The clock when spans are taken, else 0. */
static inline uint64_t ql__batch_now(void)
{
    return __atomic_load_n(&ql__prof_spans_on, __ATOMIC_RELAXED) != 0 ? ql__batch_clock() : 0;
}
/* One run that began at begin_ns is over; busy_ns of it is its own. text: at most 255 bytes are kept. */
void ql__batch_add(ql__batch_span *self, uint64_t begin_ns, uint64_t busy_ns, ql_site *site, const char *text);
/* Writes what is gathered: before self goes away. */
void ql__batch_flush(ql__batch_span *self, ql_site *site, const char *text);

#endif
