/*
 * Captures as a handle: the profile in memory, which is immutable once read. Threads: any. Cost: see lib/capture.
 */
#include <stddef.h>
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/status.h"
#include "capture/read.h"
#include "capture/report.h"
#include "capture/write_table.h"
#include <qloader/capture.h>

struct ql_capture {
    ql__profile *profile;
};

ql_status ql_capture_open(const char *path, uint32_t flags, ql_capture **out, ql_error *err)
{
    if (path == NULL || *path == '\0' || out == NULL) return ql__fail(err, QL_E_INVALID, "path or out is missing");
    if ((flags & ~QL_CAPTURE_NO_SYMBOLS) != 0) return ql__fail(err, QL_E_INVALID, "flags has bits that have no meaning");
    const ql__read_options options = {.symbols = (flags & QL_CAPTURE_NO_SYMBOLS) == 0};
    ql_capture *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    ql_status status = ql__capture_read(ql__sys_default(), path, &options, &self->profile, err);
    if (status < 0) ql__free(self);
    else *out = self;
    return status;
}

void ql_capture_free(ql_capture *self)
{
    if (self == NULL) return;
    ql__profile_free(self->profile);
    ql__free(self);
}

/* --- options ---------------------------------------------------------------------------------------------------------------------------- */

static ql_status in_range(int32_t value, int32_t last, const char *name, ql_error *err)
{
    return value >= 0 && value <= last ? QL_OK : ql__fail(err, QL_E_INVALID, "view.%s is %d: it is 0 to %d", name, value, last);
}

static ql_status read_view(const ql_capture_view *from, ql_capture_view *out, ql_error *err)
{
    const ql_capture_view defaults = QL_CAPTURE_VIEW_INIT;
    *out = defaults;
    if (from == NULL) return QL_OK;
    QL_TRY(ql__struct_read(out, sizeof *out, sizeof *out, from, "view", err));
    QL_TRY(ql__reserved_check(out->reserved, sizeof out->reserved / sizeof *out->reserved, "view", err));
    QL_TRY(in_range(out->kind, QL_CAPTURE_HEAP, "kind", err));
    QL_TRY(in_range(out->sort, QL_CAPTURE_BY_CALLS, "sort", err));
    QL_TRY(in_range(out->group, QL_CAPTURE_GROUP_STACK, "group", err));
    return in_range(out->memory, QL_CAPTURE_LEAK, "memory", err);
}

static ql__sample_kind kind_of(int32_t kind, const ql__profile *profile)
{
    switch (kind) {
    case QL_CAPTURE_CPU: return QL__SAMPLE_CPU;
    case QL_CAPTURE_WALL: return QL__SAMPLE_WALL;
    case QL_CAPTURE_CONTENTION: return QL__SAMPLE_LOCK;
    case QL_CAPTURE_HEAP: return QL__SAMPLE_HEAP;
    default: break;
    }
    for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++)
        if (profile->sets[k].count > 0) return (ql__sample_kind)k;
    return QL__SAMPLE_CPU;
}

/* What the view says in the words of lib/capture. */
static ql_status options_of(const ql_capture_view *view, const ql__profile *profile, bool heap_table, ql__table_options *out, ql_error *err)
{
    static const size_t memory[] = {[QL_CAPTURE_INUSE] = QL__HEAP_INUSE_BYTES, [QL_CAPTURE_ALLOC] = QL__HEAP_ALLOC_BYTES, [QL_CAPTURE_PEAK] = QL__HEAP_PEAK_BYTES, [QL_CAPTURE_LEAK] = QL__HEAP_LEAK_BYTES};
    static const ql__totals_order orders[] = {QL__ORDER_CUMULATIVE, QL__ORDER_SELF, QL__ORDER_SAMPLES};
    static const ql__profile_group groups[] = {QL__GROUP_FUNCTION, QL__GROUP_LINE, QL__GROUP_FILE, QL__GROUP_MODULE, QL__GROUP_FUNCTION};
    static const ql__heap_group heap_groups[] = {QL__HEAP_GROUP_LINE, QL__HEAP_GROUP_LINE, QL__HEAP_GROUP_FILE, QL__HEAP_GROUP_FILE, QL__HEAP_GROUP_STACK};
    if (heap_table && view->group == QL_CAPTURE_GROUP_MODULE) return ql__fail(err, QL_E_INVALID, "places that allocate are grouped by line, file or stack");
    if (!heap_table && view->group == QL_CAPTURE_GROUP_STACK) return ql__fail(err, QL_E_INVALID, "only places that allocate are grouped by stack");
    ql__sample_kind kind = kind_of(view->kind, profile);
    *out = (ql__table_options){.view = {.kind = kind, .value = kind == QL__SAMPLE_HEAP ? memory[view->memory] : QL__VALUE_NS}, .group = groups[view->group],
                               .order = orders[view->sort], .limit = view->limit, .heap_view = (ql__heap_view)view->memory, .heap_group = heap_groups[view->group]};
    return QL_OK;
}

/* --- writing ---------------------------------------------------------------------------------------------------------------------------- */

static ql_status write_format(const ql__profile *profile, int32_t format, const ql__table_options *options, ql__sink *sink, ql_error *err)
{
    switch (format) {
    case QL_CAPTURE_PPROF: return ql__write_pprof(profile, options->view.kind, sink, err);
    case QL_CAPTURE_PSTATS: return ql__write_pstats(profile, &options->view, sink, err);
    case QL_CAPTURE_SPEEDSCOPE: return ql__write_speedscope(profile, &options->view, sink, err);
    case QL_CAPTURE_COLLAPSED: return ql__write_collapsed(profile, &options->view, sink, err);
    case QL_CAPTURE_FLAME_SVG: return ql__write_flame(profile, &options->view, sink, err);
    case QL_CAPTURE_TRACE: return ql__write_trace(profile, sink, err);
    case QL_CAPTURE_MPROF: return ql__write_mprof(profile, sink, err);
    case QL_CAPTURE_MEMORY_PNG: return ql__write_memory_png(profile, sink, err);
    case QL_CAPTURE_MEMORY_SVG: return ql__write_memory_svg(profile, sink, err);
    case QL_CAPTURE_JSON: return ql__write_json(profile, sink, err);
    case QL_CAPTURE_TOP_JSON: return ql__write_top_json(profile, options, sink, err);
    case QL_CAPTURE_HEAP_JSON: return ql__write_heap_json(profile, options, sink, err);
    case QL_CAPTURE_REPORT_MD: return ql__write_report_md(profile, sink, err);
    case QL_CAPTURE_HTML: return ql__write_html(NULL, profile, sink, err);
    case QL_CAPTURE_REPORT_JSON: return ql__write_report_json(profile, sink, err);
    default: return ql__fail(err, QL_E_INVALID, "%d is no format of a capture", format);
    }
}

/* A failure of the writer goes before one of the sink, which may only be its consequence. */
static ql_status finish(ql__sink *sink, ql_status status, ql_error *err)
{
    if (status < 0) ql__sink_fail(sink, status, NULL);
    ql_status end = ql__sink_finish(sink, status < 0 ? NULL : err);
    return status < 0 ? status : end;
}

ql_status ql_capture_write(const ql_capture *self, int32_t format, const ql_capture_view *view, ql_capture_write_fn write_fn, void *user, ql_error *err)
{
    ql_capture_view wanted;
    ql__table_options options;
    ql__sink sink;
    if (self == NULL || write_fn == NULL) return ql__fail(err, QL_E_INVALID, "capture or write_fn is missing");
    QL_TRY(read_view(view, &wanted, err));
    QL_TRY(options_of(&wanted, self->profile, format == QL_CAPTURE_HEAP_JSON, &options, err));
    ql__sink_init(&sink, write_fn, user);
    return finish(&sink, write_format(self->profile, format, &options, &sink, err), err);
}

ql_status ql_capture_diff(const ql_capture *before, const ql_capture *after, int32_t format, const ql_capture_view *view, ql_capture_write_fn write_fn, void *user,
                          ql_error *err)
{
    ql_capture_view wanted;
    ql__table_options options;
    ql__sink sink;
    if (before == NULL || after == NULL || write_fn == NULL) return ql__fail(err, QL_E_INVALID, "before, after or write_fn is missing");
    if (format != QL_CAPTURE_FLAME_SVG && format != QL_CAPTURE_TOP_JSON && format != QL_CAPTURE_HTML)
        return ql__fail(err, QL_E_INVALID, "what changed is written as a flame graph, a table or a page");
    QL_TRY(read_view(view, &wanted, err));
    QL_TRY(options_of(&wanted, after->profile, false, &options, err));
    ql__sink_init(&sink, write_fn, user);
    ql_status status = format == QL_CAPTURE_FLAME_SVG ? ql__write_flame_diff(before->profile, after->profile, &options.view, &sink, err)
                     : format == QL_CAPTURE_HTML      ? ql__write_html(before->profile, after->profile, &sink, err)
                                                      : ql__write_diff_json(before->profile, after->profile, &options, &sink, err);
    return finish(&sink, status, err);
}
