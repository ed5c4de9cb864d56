/*
 * Outputs written from a profile, each what its tool opens. A writer puts its pieces into a sink; its status is of its own failures (memory, a capture
 * without what the output shows), those of the sink are told by ql__sink_finish. The profile is only read: any number of threads.
 */
#ifndef QL_WRITE_H
#define QL_WRITE_H

#include "capture/profile_query.h"
#include "capture/sink.h"

/* profile.proto of pprof, gzip: samples of one kind with all its values and the labels thread, stage, task and so on. */
ql_status ql__write_pprof(const ql__profile *profile, ql__sample_kind kind, ql__sink *sink, ql_error *err);
/* What Python's marshal reads: {(file, line, name): (calls, calls, self, cumulative, callers)}, calls being samples, times in seconds. */
ql_status ql__write_pstats(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err);
/* Speedscope's file format: a sampled profile a thread, and one with opening and closing events for each thread that has spans. */
ql_status ql__write_speedscope(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err);
/* "root;caller;callee value" a line, as flamegraph.pl and others take it. */
ql_status ql__write_collapsed(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err);
/* A flame graph as one SVG with zoom and search. */
ql_status ql__write_flame(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err);
/* The same of two captures: widths are of `after`, colours the change of each function's own part against `before`. */
ql_status ql__write_flame_diff(const ql__profile *before, const ql__profile *after, const ql__profile_view *view, ql__sink *sink, ql_error *err);
/*
 * Everything as one page for a browser, which needs nothing else; with `before` (or NULL) also what changed since. QL_E_UNSUPPORTED without zlib.
 */
ql_status ql__write_html(const ql__profile *before, const ql__profile *profile, ql__sink *sink, ql_error *err);
/* Chrome's trace events (JSON object format): spans, tasks, counters, memory, links. */
ql_status ql__write_trace(const ql__profile *profile, ql__sink *sink, ql_error *err);
/* Lines "MEM <MiB> <unix seconds>" that mprof plot reads. */
ql_status ql__write_mprof(const ql__profile *profile, ql__sink *sink, ql_error *err);
/* Memory over time with stages and the peak. QL_E_UNSUPPORTED without cairo, QL_E_NOTFOUND when memory was not measured. */
ql_status ql__write_memory_png(const ql__profile *profile, ql__sink *sink, ql_error *err);
ql_status ql__write_memory_svg(const ql__profile *profile, ql__sink *sink, ql_error *err);
/* QL_E_NOTFOUND when the capture has no samples of that kind. */
ql_status ql__expect_samples(const ql__profile *profile, ql__sample_kind kind, ql_error *err);

#endif
