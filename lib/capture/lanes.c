/*
 * Rows by thread: a counting sort keeps the order of the table within a lane; spans are then sorted by time. Threads: any. Cost: O(rows + threads),
 * spans O(n log n).
 */
#include "capture/lanes.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"

/* thread: of row i, at `stride` bytes from that of row i - 1. */
static ql_status sort_rows(const uint32_t *thread, size_t stride, size_t rows, size_t threads, ql__lanes *out, ql_error *err)
{
    ql__lanes self = {.count = threads + 1, .order = ql__alloc_zero(rows, sizeof *self.order), .first = ql__alloc_zero(threads + 3, sizeof *self.first)};
    if (self.order == NULL || self.first == NULL) {
        ql__lanes_free(&self);
        return ql__fail_nomem(err);
    }
    /* first[l + 2] counts lane l, then first[l + 1] is where its next row goes, and ends as where it ends. */
#define THREAD_OF(row) (*(const uint32_t *)(const void *)((const char *)thread + (row) * stride))
    for (size_t i = 0; i < rows; i++) self.first[THREAD_OF(i) + 2]++;
    for (size_t l = 2; l < threads + 3; l++) self.first[l] += self.first[l - 1];
    for (size_t i = 0; i < rows; i++) self.order[self.first[THREAD_OF(i) + 1]++] = (uint32_t)i;
#undef THREAD_OF
    *out = self;
    return QL_OK;
}

ql_status ql__lanes_of_samples(const ql__profile *profile, ql__sample_kind kind, ql__lanes *out, ql_error *err)
{
    const ql__profile_set *set = &profile->sets[kind];
    return sort_rows(set->samples != NULL ? &set->samples->thread : NULL, sizeof *set->samples, set->count, profile->threads_count, out, err);
}

static int compare_spans(const void *left, const void *right, void *user)
{
    const ql__profile_span *spans = user, *a = &spans[*(const uint32_t *)left], *b = &spans[*(const uint32_t *)right];
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    if (a->end_ns != b->end_ns) return a->end_ns > b->end_ns ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

ql_status ql__lanes_of_spans(const ql__profile *profile, ql__lanes *out, ql_error *err)
{
    QL_TRY(sort_rows(profile->spans != NULL ? &profile->spans->thread : NULL, sizeof *profile->spans, profile->spans_count, profile->threads_count, out, err));
    for (size_t l = 0; l < out->count; l++)
        qsort_r(out->order + out->first[l], out->first[l + 1] - out->first[l], sizeof *out->order, compare_spans, profile->spans);
    return QL_OK;
}

void ql__lanes_free(ql__lanes *self)
{
    ql__free(self->order);
    ql__free(self->first);
    *self = (ql__lanes){0};
}

void ql__lane_name(const ql__profile *profile, size_t lane, ql_buf *out)
{
    if (lane == 0) {
        (void)ql_buf_append(out, QL_STR("no known thread"));
        return;
    }
    const ql__profile_thread *thread = &profile->threads[lane - 1];
    ql_str name = ql__profile_text(profile, thread->name);
    if (name.len > 0) (void)ql_buf_append(out, name);
    (void)ql_buf_printf(out, name.len > 0 ? " (%llu)" : "thread %llu", (unsigned long long)thread->id);
}

ql_str ql__span_title(const ql__profile *profile, const ql__profile_span *span)
{
    ql_str name = span->site != 0 ? ql__profile_text(profile, profile->sites[span->site - 1].name) : (ql_str){0};
    return name.len > 0 ? name : QL_STR("[unknown]");
}
