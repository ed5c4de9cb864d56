/* The runtime: threads, log, counters. */
#include "api/handles.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"

static ql_status read_options(const ql_runtime_options *given, ql_runtime_options *options, ql_error *err)
{
    ql_runtime_options_init(options);
    if (given != NULL) QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_runtime_options", err));
    QL_TRY(ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_runtime_options", err));
    if (options->threads > QL_LIMIT_THREADS) return ql__fail(err, QL_E_LIMIT, "%u threads, more than %d", options->threads, QL_LIMIT_THREADS);
    if (options->log_level != 0 && options->log_level != QL_LOG_DEBUG && options->log_level != QL_LOG_INFO && options->log_level != QL_LOG_WARNING && options->log_level != QL_LOG_ERROR)
        return ql__fail(err, QL_E_INVALID, "log_level %d is none of ql_log_level", (int)options->log_level);
    return QL_OK;
}

ql_status ql_runtime_new(const ql_runtime_options *given, ql_runtime **out, ql_error *err)
{
    ql_runtime_options options;
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    QL_TRY(read_options(given, &options, err));
    ql_runtime *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->sys = ql__sys_default();
    ql__extensions_init(&self->extensions);
    ql__log_init(&self->log, options.log_fn, options.log_user, options.log_level != 0 ? (ql_log_level)options.log_level : QL_LOG_INFO);
    ql_status status = QL_OK;
    if (options.profile && (self->prof = ql__prof_new()) == NULL) status = ql__fail_nomem(err);
    if (status >= 0) status = ql__pool_new(options.threads, &self->pool, err);
    if (status >= 0) ql__pool_hooks_set(self->pool, ql__prof_pool_hooks());
    if (status < 0) {
        ql_runtime_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql_runtime_free(ql_runtime *self)
{
    if (self == NULL) return;
    ql__extensions_dispose(&self->extensions);
    ql__pool_free(self->pool);
    ql__metrics_free(self->metrics);
    ql__prof_free(self->prof);
    ql__log_dispose(&self->log);
    ql__free(self);
}

ql_status ql_runtime_stats_json(const ql_runtime *self, ql_buf *out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    if (self->prof == NULL) return ql__fail(err, QL_E_INVALID, "the runtime was made without options.profile");
    ql__prof_totals totals;
    ql__prof_totals_read(self->prof, &totals);
    ql__json_writer writer;
    ql__json_begin(&writer, out);
    ql__json_object(&writer);
    ql__json_key(&writer, "spans");
    ql__json_object(&writer);
    for (int i = 0; i < QL__SPAN_COUNT; i++) {
        if (totals.spans[i].count == 0) continue;
        ql__json_key(&writer, ql__span_name((ql__span_id)i));
        ql__json_object(&writer);
        ql__json_key(&writer, "count");
        ql__json_uint(&writer, totals.spans[i].count);
        ql__json_key(&writer, "wall_ns");
        ql__json_uint(&writer, totals.spans[i].wall_ns);
        ql__json_key(&writer, "max_ns");
        ql__json_uint(&writer, totals.spans[i].max_ns);
        ql__json_object_end(&writer);
    }
    ql__json_object_end(&writer);
    ql__json_key(&writer, "counters");
    ql__json_object(&writer);
    for (int i = 0; i < QL__COUNTER_COUNT; i++) {
        ql__json_key(&writer, ql__counter_name((ql__counter_id)i));
        ql__json_uint(&writer, totals.counters[i]);
    }
    ql__json_object_end(&writer);
    ql__json_object_end(&writer);
    return out->status < 0 ? ql__fail(err, out->status, "cannot write the statistics") : QL_OK;
}
