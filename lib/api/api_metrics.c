/* The public side of the metrics: on, written, served. */
#include "api/debug_http.h"
#include "api/handles.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/http_server.h"
#include "dep/json.h"
#include "prof/metrics.h"

ql_status ql_metrics_enable(ql_runtime *self, ql_error *err)
{
    if (self == NULL) return ql__fail(err, QL_E_INVALID, "self is NULL");
    if (self->metrics != NULL) return QL_OK;
    if (self->prof == NULL && (self->prof = ql__prof_new()) == NULL) return ql__fail_nomem(err);
    QL_TRY(ql__metrics_new(self->sys, self->prof, &self->metrics, err));
    ql__prof_metrics_set(self->prof, self->metrics);
    return QL_OK;
}

static ql_status expect_on(const ql_runtime *self, ql_error *err)
{
    if (self == NULL) return ql__fail(err, QL_E_INVALID, "runtime is NULL");
    return self->metrics != NULL ? QL_OK : ql__fail(err, QL_E_INVALID, "metrics are off: ql_metrics_enable() comes first");
}

ql_status ql_metric_register(ql_runtime *runtime, const ql_metric_options *given, ql_metric **out, ql_error *err)
{
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    QL_TRY(expect_on(runtime, err));
    if (given == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", given == NULL ? "options" : "out");
    QL_TRY(ql__struct_read(&options, sizeof options, sizeof options, given, "ql_metric_options", err));
    QL_TRY(ql__reserved_check(options.reserved, sizeof options.reserved / sizeof *options.reserved, "ql_metric_options", err));
    if (options.reserved32 != 0) return ql__fail(err, QL_E_INVALID, "ql_metric_options.reserved32 is set");
    return ql__metric_register(runtime->metrics, &options, out, err);
}

ql_status ql_metric_series(ql_metric *self, const ql_str *values, size_t count, ql_series **out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    return ql__metric_series(self, values, count, out, err);
}

ql_status ql_metrics_write(ql_runtime *self, int32_t format, ql_buf *out, ql_error *err)
{
    QL_TRY(expect_on(self, err));
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    return ql__metrics_write(self->metrics, (ql_metrics_format)format, out, err);
}

static ql_status describe(ql__json_writer *writer, const ql__metric_fact *fact, ql_error *err)
{
    static const char *const types[] = {"", "counter", "gauge", "histogram"};
    QL_AUTO(ql_buf, ql_buf_dispose) name = QL_BUF_INIT;
    if (ql_buf_printf(&name, "%s%s", fact->name, fact->type == QL_METRIC_COUNTER ? "_total" : "") < 0) return ql__fail_nomem(err);
    ql__json_object(writer);
    ql__json_member(writer, "name", ql_buf_str(&name));
    ql__json_member(writer, "type", ql_str_of(types[fact->type]));
    ql__json_key(writer, "unit");
    ql__json_cstring(writer, fact->unit);
    ql__json_member(writer, "help", ql_str_of(fact->help));
    ql__json_key(writer, "label");
    ql__json_cstring(writer, fact->label);
    ql__json_key(writer, "values");
    ql__json_array(writer);
    for (size_t i = 0; i < fact->value_count; i++) ql__json_cstring(writer, fact->values[i]);
    ql__json_array_end(writer);
    ql__json_object_end(writer);
    return QL_OK;
}

ql_status ql_metrics_describe_json(ql_buf *out, ql_error *err)
{
    ql__json_writer writer;
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    ql__json_begin(&writer, out);
    ql__json_array(&writer);
    for (size_t i = 0; ql__metric_fact_of(i) != NULL; i++) QL_TRY(describe(&writer, ql__metric_fact_of(i), err));
    ql__json_array_end(&writer);
    return out->status < 0 ? ql__fail(err, out->status, "cannot write the description") : QL_OK;
}

/* --- server -------------------------------------------------------------------------------------------------------------------- */

struct ql_metrics_server {
    ql_runtime *runtime;
    ql__http_server *http;
    bool debug;
};

static void on_request(void *user, const ql__http_request *request, ql__http_answer *answer)
{
    const ql_metrics_server *self = user;
    if (ql_str_equal(request->path, QL_STR("/metrics"))) {
        ql_metrics_format format = ql__metrics_negotiate(request->accept);
        answer->content_type = ql__metrics_content_type(format);
        (void)ql__metrics_write(self->runtime->metrics, format, &answer->body, NULL); /* the buffer says how it went */
    } else if (ql_str_equal(request->path, QL_STR("/health"))) {
        ql_buf_append(&answer->body, QL_STR("ok\n"));
    } else if (!self->debug || !ql__debug_http_answer(request, answer)) {
        answer->code = 404;
    }
}

/* Whoever profiles a process learns what it works on, and slows it down: of this machine, and known. */
static ql_status check_debug(const ql_metrics_server_options *options, ql_error *err)
{
    if ((options->flags & ~(uint32_t)QL_METRICS_SERVER_PROFILES) != 0) return ql__fail(err, QL_E_UNSUPPORTED, "ql_metrics_server_options.flags has bits that this version does not know");
    if ((options->flags & QL_METRICS_SERVER_PROFILES) == 0) return QL_OK;
    if (options->token == NULL || *options->token == '\0') return ql__fail(err, QL_E_INVALID, "profiles are served to whoever has the token alone, and none is set");
    if (options->address != NULL && !ql__http_loopback(options->address)) return ql__fail(err, QL_E_INVALID, "profiles are served on a loopback address alone, and %.100s is none", options->address);
    return QL_OK;
}

ql_status ql_metrics_server_start(ql_runtime *runtime, const ql_metrics_server_options *given, ql_metrics_server **out, ql_error *err)
{
    ql_metrics_server_options options = QL_METRICS_SERVER_OPTIONS_INIT;
    QL_TRY(expect_on(runtime, err));
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    if (given != NULL) QL_TRY(ql__struct_read(&options, sizeof options, sizeof options, given, "ql_metrics_server_options", err));
    QL_TRY(ql__reserved_check(options.reserved, sizeof options.reserved / sizeof *options.reserved, "ql_metrics_server_options", err));
    if (options.port > UINT16_MAX) return ql__fail(err, QL_E_INVALID, "port %u is above %u", options.port, UINT16_MAX);
    QL_TRY(check_debug(&options, err));
    ql_metrics_server *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->runtime = runtime;
    self->debug = (options.flags & QL_METRICS_SERVER_PROFILES) != 0;
    const ql__http_server_options http = {.address = options.address != NULL ? options.address : "127.0.0.1", .port = (uint16_t)options.port, .token = options.token, .own_host_only = self->debug,
                                          .connections_max = options.connections_max, .handler_fn = on_request, .late_fn = ql__debug_http_record, .user = self};
    ql_status status = ql__http_server_start(&http, &self->http, err);
    if (status < 0) ql__free(self);
    else *out = self;
    return status;
}

uint32_t ql_metrics_server_port(const ql_metrics_server *self)
{
    return self != NULL ? ql__http_server_port(self->http) : 0;
}

void ql_metrics_server_stop(ql_metrics_server *self)
{
    if (self == NULL) return;
    ql__http_server_stop(self->http);
    ql__free(self);
}
