/*
 * The registry of metrics behind qloader/metrics.h, and what the library itself counts (metric_table.h).
 *
 * A built-in metric is counted by the hooks below, in the registry of the thread's profiler (ql__prof_enter): without one, or with one that has no
 * registry, a hook is one thread-local load and a branch. Durations of spans come by themselves (span.c).
 */
#ifndef QL_METRICS_H
#define QL_METRICS_H

#include "prof/metric_table.h"
#include "prof/span.h"
#include "sys/file.h"
#include <qloader/metrics.h>

#define QL__METRIC_SERIES_DEFAULT 1000
#define QL__METRIC_SERIES_MAX 100000
#define QL__METRIC_LABELS_MAX 8
#define QL__METRIC_BOUNDS_MAX 64
#define QL__METRIC_VALUE_BYTES_MAX 1024
#define QL__METRICS_MAX 500 /* of one registry, the built-in ones included */

typedef struct ql__metrics ql__metrics;

/* With the built-in metrics. prof's counters are shown among them; it outlives the registry. NULL: none (tests). */
ql_status ql__metrics_new(const ql__sys *sys, const ql__prof *prof, ql__metrics **out, ql_error *err);
void ql__metrics_free(ql__metrics *self);

ql_status ql__metric_register(ql__metrics *self, const ql_metric_options *options, ql_metric **out, ql_error *err);
/* See ql_metric_series, ql_metrics_write. */
ql_status ql__metric_series(ql_metric *self, const ql_str *values, size_t count, ql_series **out, ql_error *err);
ql_status ql__metrics_write(ql__metrics *self, ql_metrics_format format, ql_buf *out, ql_error *err);

/* The format that an Accept header asks for: OpenMetrics where it prefers it, else text. Any bytes; empty: there is none. */
ql_metrics_format ql__metrics_negotiate(ql_str accept);
const char *ql__metrics_content_type(ql_metrics_format format);

/* Built-in ones; value: index of the label's value, 0 without a label. */
ql_series *ql__metrics_builtin(ql__metrics *self, ql__metric_id id, size_t value);
/* The registry that this thread counts in; NULL: none. */
ql__metrics *ql__metrics_current(void);
void ql__metric_add(ql__metric_id id, size_t value, uint64_t amount);
void ql__metric_change(ql__metric_id id, size_t value, double amount);
void ql__metric_set(ql__metric_id id, size_t value, double to);
void ql__metric_observe(ql__metric_id id, size_t value, double number);
/* Counts a failure by its class; QL_OK and QL_DONE are none. */
void ql__metric_error(ql_status status);
/* When something that is no span begins: nanoseconds, 0 when nothing is counted; and its end. */
uint64_t ql__metric_begin(void);
void ql__metric_end(ql__metric_id id, size_t value, uint64_t begin_ns);
/* The same; the id of the document that took so long is left as an exemplar. */
void ql__metric_end_document(ql__metric_id id, size_t value, uint64_t begin_ns, ql_str document_id);

/* What a span that ended means for the histograms; called by span.c. */
void ql__metrics_span(ql__metrics *self, ql__span_id id, uint64_t wall_ns);

#endif
