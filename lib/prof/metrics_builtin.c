/* The hooks that count the library's own metrics, in the registry of the profiler that the thread is in. Threads: any. */
#include <stdint.h>

#include "prof/metric_cells.h"

ql_series *ql__metrics_builtin(ql__metrics *self, ql__metric_id id, size_t value)
{
    return self->builtin[id][value];
}

void ql__metric_add(ql__metric_id id, size_t value, uint64_t amount)
{
    ql__metrics *self = ql__metrics_current();
    if (self != NULL) ql_series_add(self->builtin[id][value], amount);
}

void ql__metric_change(ql__metric_id id, size_t value, double amount)
{
    ql__metrics *self = ql__metrics_current();
    if (self != NULL) ql_series_change(self->builtin[id][value], amount);
}

void ql__metric_set(ql__metric_id id, size_t value, double to)
{
    ql__metrics *self = ql__metrics_current();
    if (self != NULL) ql_series_set(self->builtin[id][value], to);
}

void ql__metric_observe(ql__metric_id id, size_t value, double number)
{
    ql__metrics *self = ql__metrics_current();
    if (self != NULL) ql_series_observe(self->builtin[id][value], number);
}

void ql__metric_error(ql_status status)
{
    size_t class_index = status < 0 ? (size_t)-ql_status_kind(status) - 1 : SIZE_MAX;
    if (class_index < ql__metric_fact_of(QL__METRIC_ERRORS)->value_count) ql__metric_add(QL__METRIC_ERRORS, class_index, 1);
}

uint64_t ql__metric_begin(void)
{
    return ql__metrics_current() != NULL ? ql__span_now() : 0;
}

void ql__metric_end(ql__metric_id id, size_t value, uint64_t begin_ns)
{
    if (begin_ns != 0) ql__metric_observe(id, value, (double)(ql__span_now() - begin_ns) / 1e9);
}

void ql__metric_end_document(ql__metric_id id, size_t value, uint64_t begin_ns, ql_str document_id)
{
    ql__metrics *self = ql__metrics_current();
    if (begin_ns != 0 && self != NULL) ql_series_observe_with(self->builtin[id][value], (double)(ql__span_now() - begin_ns) / 1e9, QL_STR("document_id"), document_id);
}

void ql__metrics_span(ql__metrics *self, ql__span_id id, uint64_t wall_ns)
{
    double seconds = (double)wall_ns / 1e9;
    switch (id) {
#define STAGE(name) case QL__SPAN_##name: ql_series_observe(self->builtin[QL__METRIC_STAGE][QL__STAGE_##name], seconds); break;
    STAGE(LIST) STAGE(STATE) STAGE(FETCH) STAGE(CONVERT) STAGE(CHUNK) STAGE(TOKENIZE) STAGE(EMBED) STAGE(STORE)
#undef STAGE
#define STAGE(name) case QL__SPAN_##name: ql_series_observe(self->builtin[QL__METRIC_SEARCH_STAGE][QL__SEARCH_STAGE_##name], seconds); break;
    STAGE(QUERY_EMBED) STAGE(DENSE) STAGE(SPARSE) STAGE(FUSE) STAGE(RERANK) STAGE(FORMAT)
#undef STAGE
    case QL__SPAN_SEARCH: ql_series_observe(self->builtin[QL__METRIC_SEARCH][0], seconds); break;
    default: break; /* a span of the collector's that is no stage */
    }
}
