/* ql_bench_http(): what can be asked for, checked. */
#include <string.h>
#include <strings.h>

#include "base/abi.h"
#include "base/status.h"
#include "dep/http_load.h"
#include <qloader/bench.h>

static bool is_one_line(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

static ql_status check_request(const ql_bench_request *request, size_t index, ql_error *err)
{
    const char *method = request->method != NULL ? request->method : "GET";
    if (request->struct_size != sizeof *request || request->reserved32 != 0) return ql__fail(err, QL_E_INVALID, "request %zu: struct_size is %u, not %zu, or reserved32 is set", index, request->struct_size, sizeof *request);
    QL_TRY(ql__reserved_check(request->reserved, sizeof request->reserved / sizeof *request->reserved, "ql_bench_request", err));
    QL_TRY(QL__STRS_CHECK("ql_bench_request", err, {"body", request->body}));
    if (request->url == NULL || (strncasecmp(request->url, "http://", 7) != 0 && strncasecmp(request->url, "https://", 8) != 0))
        return ql__fail(err, QL_E_INVALID, "'%.200s' is neither an http nor an https address", request->url != NULL ? request->url : "");
    if (method[0] == '\0' || strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method)) return ql__fail(err, QL_E_INVALID, "request %zu: '%.40s' is no method", index, method);
    if (request->header_count > 0 && request->headers == NULL) return ql__fail(err, QL_E_INVALID, "request %zu: headers is NULL", index);
    for (size_t i = 0; i < request->header_count; i++)
        if (request->headers[i] == NULL || !is_one_line(request->headers[i])) return ql__fail(err, QL_E_INVALID, "request %zu: header %zu is NULL or has a line break", index, i);
    return QL_OK;
}

static ql_status read_options(const ql_bench_http_options *given, ql_bench_http_options *options, ql_error *err)
{
    if (given == NULL) return ql__fail(err, QL_E_INVALID, "options is NULL");
    QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_bench_http_options", err));
    QL_TRY(ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_bench_http_options", err));
    if (options->sample_fn == NULL) return ql__fail(err, QL_E_INVALID, "options.sample_fn is NULL");
    if (options->rounds == 0) options->rounds = 100;
    if (options->concurrency == 0) options->concurrency = 1;
    if (options->timeout_ms == 0) options->timeout_ms = 30000;
    if (options->rounds > QL__LOAD_ROUNDS_MAX || options->warmup > QL__LOAD_ROUNDS_MAX) return ql__fail(err, QL_E_LIMIT, "more than %d rounds", QL__LOAD_ROUNDS_MAX);
    return options->concurrency > QL__LOAD_CONCURRENCY_MAX ? ql__fail(err, QL_E_LIMIT, "more than %d requests at a time", QL__LOAD_CONCURRENCY_MAX) : QL_OK;
}

ql_status ql_bench_http(const ql_bench_request *requests, size_t count, const ql_bench_http_options *given, ql_bench_http_report *report, ql_error *err)
{
    ql_bench_http_options options;
    ql_bench_http_report own = QL_BENCH_HTTP_REPORT_INIT;
    if (requests == NULL || count == 0) return ql__fail(err, QL_E_INVALID, "there is no request");
    if (count > QL__LOAD_REQUESTS_MAX) return ql__fail(err, QL_E_LIMIT, "%zu requests, more than %d", count, QL__LOAD_REQUESTS_MAX);
    QL_TRY(read_options(given, &options, err));
    for (size_t i = 0; i < count; i++) QL_TRY(check_request(&requests[i], i, err));
    if (report != NULL) QL_TRY(ql__struct_write(report, &own, sizeof own, sizeof own, "ql_bench_http_report", err));
    QL_TRY(ql__http_load(requests, count, &options, &own, err));
    return report != NULL ? ql__struct_write(report, &own, sizeof own, sizeof own, "ql_bench_http_report", err) : QL_OK;
}
