/* qloader bench http: how long a server takes. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_collection.h"
#include "bench_result.h"
#include "exit_code.h"
#include "output.h"
#include "session.h"
#include "statistics.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)

typedef struct request_facts {
    uint64_t sent, failed;    /* failed: no answer, or 400 and more */
    uint64_t body_bytes;
    json_t *codes;            /* {"200": 10, "none": 1} */
    char first_failure[200];
} request_facts;

typedef struct view {
    const bench_collection *collection;
    bench_result *result;
    request_facts *facts; /* one a request */
    uint64_t sent, failed;
} view;

static void count_code(request_facts *facts, int32_t code)
{
    char key[24] = "none";
    if (code != 0) snprintf(key, sizeof key, "%d", (int)code);
    json_int_t before = json_integer_value(json_object_get(facts->codes, key));
    json_object_set_new(facts->codes, key, json_integer(before + 1));
}

static void on_sample(void *user, const ql_bench_sample *sample)
{
    view *self = user;
    request_facts *facts = &self->facts[sample->request_index];
    bool failed = sample->code == 0 || sample->code >= 400;
    facts->sent++;
    self->sent++;
    facts->body_bytes += sample->body_bytes;
    count_code(facts, sample->code);
    if (failed) {
        facts->failed++;
        self->failed++;
        if (facts->first_failure[0] != '\0') return;
        if (sample->reason != NULL) snprintf(facts->first_failure, sizeof facts->first_failure, "%s", sample->reason);
        else snprintf(facts->first_failure, sizeof facts->first_failure, "answered %d", (int)sample->code);
        return; /* an answer that says no may be quick: it would make the server look better than it is */
    }
    bench_add(self->result, self->collection->requests[sample->request_index].name, "s", (double)sample->total_ns / 1e9);
    bench_add(self->result, "first byte", "s", (double)sample->first_byte_ns / 1e9);
    if (sample->connect_ns > 0) bench_add(self->result, "connect", "s", (double)sample->connect_ns / 1e9);
}

static int on_tick(void *user)
{
    (void)user;
    return stop_asked();
}

/* --- what is sent ------------------------------------------------------------------------------------------------------------------ */

static int read_file(const cli *self, const char *path, ql_buf *out)
{
    char piece[65536];
    ql_error err = {0};
    ql_buf_init(out, FILE_BYTES_MAX);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        err.status = errno == ENOENT ? QL_E_NOTFOUND : QL_E_IO;
        snprintf(err.message, sizeof err.message, "cannot read '%.200s': %s", path, strerror(errno));
        return cli_fail(self, err.status, &err);
    }
    for (size_t got; out->status >= 0 && (got = fread(piece, 1, sizeof piece, file)) > 0;) ql_buf_append(out, (ql_str){piece, got});
    bool broken = ferror(file) != 0;
    fclose(file);
    if (!broken && out->status >= 0) return -1;
    err.status = broken ? QL_E_IO : out->status;
    snprintf(err.message, sizeof err.message, "cannot read '%.200s'%s", path, out->status == QL_E_LIMIT ? ": it is larger than 64 MB" : "");
    return cli_fail(self, err.status, &err);
}

/* Splits copies of NAME=VALUE. -1, or the exit code. */
static int read_variables(const cli *self, bench_variable **out, size_t *count)
{
    int at = 0;
    *count = 0;
    *out = calloc((size_t)self->given_count + 1, sizeof **out);
    if (*out == NULL) return cli_fail(self, QL_E_NOMEM, NULL);
    for (const char *given = cli_next(self, OPT_VARIABLE, &at); given != NULL; given = cli_next(self, OPT_VARIABLE, &at)) {
        const char *equals = strchr(given, '=');
        if (equals == NULL || equals == given) return cli_usage_error(self, "--variable '%.*s' is not NAME=VALUE", 100, given);
        char *name = strndup(given, (size_t)(equals - given));
        if (name == NULL) return cli_fail(self, QL_E_NOMEM, NULL);
        (*out)[(*count)++] = (bench_variable){name, equals + 1};
    }
    return -1;
}

static int read_collection(const cli *self, const char *path, bench_collection *out)
{
    bench_variable *variables = NULL;
    size_t count = 0;
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    int code = read_variables(self, &variables, &count);
    if (code < 0) code = read_file(self, path, &text);
    if (code < 0 && collection_parse(ql_buf_str(&text), variables, count, out, &err) < 0) {
        ql_error told = {.status = err.status};
        snprintf(told.message, sizeof told.message, "'%.100s': %.300s", path, err.message);
        code = cli_fail(self, err.status, &told);
    }
    if (code < 0 && out->scripts > 0 && !cli_has(self, OPT_QUIET)) fprintf(stderr, "warning: scripts of the collection are not run\n");
    for (size_t i = 0; i < count; i++) free((char *)(uintptr_t)variables[i].name);
    free(variables);
    ql_buf_dispose(&text);
    return code;
}

/* "named 'a' or 'b': there are 'F / x', 'F / y'", as much of it as a message holds. */
static int fail_only(const cli *self, const char *const *asked, size_t count, const ql_buf *there)
{
    ql_error err = {.status = QL_E_NOTFOUND};
    int used = snprintf(err.message, sizeof err.message, "no request of the collection is named ");
    for (size_t i = 0; i < count && used < 200; i++) used += snprintf(err.message + used, sizeof err.message - (size_t)used, "%s'%.60s'", i > 0 ? " or " : "", asked[i]);
    bool whole = (int)there->len < (int)sizeof err.message - used - 20;
    snprintf(err.message + used, sizeof err.message - (size_t)used, ": there are %.*s%s", whole ? (int)there->len : (int)sizeof err.message - used - 20, ql_buf_cstr(there), whole ? "" : " ...");
    return cli_fail(self, QL_E_NOTFOUND, &err);
}

/* Drops what --only does not name. */
static int keep_only(const cli *self, bench_collection *collection)
{
    int at = 0;
    size_t count = 0;
    const char **names = calloc((size_t)self->given_count + 1, sizeof *names);
    if (names == NULL) return cli_fail(self, QL_E_NOMEM, NULL);
    for (const char *name = cli_next(self, OPT_ONLY, &at); name != NULL; name = cli_next(self, OPT_ONLY, &at)) names[count++] = name;
    ql_buf there = QL_BUF_INIT;
    for (size_t i = 0; i < collection->count; i++) ql_buf_printf(&there, "%s'%.100s'", i > 0 ? ", " : "", collection->requests[i].name);
    if (count > 0) collection_keep(collection, names, count);
    int code = collection->count > 0 ? -1 : fail_only(self, names, count, &there);
    ql_buf_dispose(&there);
    free(names);
    return code;
}

static int read_requests(const cli *self, bench_collection *out)
{
    const char *path = self->values[OPT_COLLECTION];
    *out = (bench_collection){0};
    if (path != NULL && self->positional_count > 0) return cli_usage_error(self, "addresses and --collection exclude each other");
    if (path == NULL && self->positional_count == 0) return cli_usage_error(self, "'%s bench http' needs addresses, or --collection", self->program);
    if (path == NULL && (cli_has(self, OPT_VARIABLE) || cli_has(self, OPT_ONLY))) return cli_usage_error(self, "--variable and --only go with --collection");
    if (path != NULL) {
        int code = read_collection(self, path, out);
        return code < 0 ? keep_only(self, out) : code;
    }
    return collection_of_urls(self->positional, (size_t)self->positional_count, out) < 0 ? cli_fail(self, QL_E_NOMEM, NULL) : -1;
}

/* --- what is told ------------------------------------------------------------------------------------------------------------------ */

static json_t *requests_json(const view *self)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < self->collection->count; i++) {
        const bench_request *request = &self->collection->requests[i];
        const request_facts *facts = &self->facts[i];
        json_t *failure = facts->first_failure[0] != '\0' ? text_json(ql_str_of(facts->first_failure)) : json_null();
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:O, s:o}", "name", request->name, "method", request->method, "sent", (json_int_t)facts->sent, "failed", (json_int_t)facts->failed,
                                              "body_bytes", (json_int_t)facts->body_bytes, "codes", facts->codes, "first_failure", failure));
    }
    return list;
}

static void add_conditions(const cli *self, const view *shown, const ql_bench_http_report *report)
{
    bench_result *result = shown->result;
    double elapsed_s = (double)report->elapsed_ns / 1e9, rate = elapsed_s > 0 ? (double)(shown->sent - shown->failed) / elapsed_s : 0;
    bench_condition(result, "warmup", json_integer((json_int_t)cli_number(self, OPT_WARMUP)));
    bench_condition(result, "concurrency", json_integer((json_int_t)cli_number(self, OPT_CONCURRENCY)));
    bench_condition(result, "keep_alive", json_boolean(!cli_has(self, OPT_NO_KEEP_ALIVE)));
    bench_condition(result, "elapsed_s", json_real(elapsed_s));
    bench_condition(result, "sent", json_integer((json_int_t)shown->sent));
    bench_condition(result, "failed", json_integer((json_int_t)shown->failed));
    bench_condition(result, "connections", json_integer((json_int_t)report->connections));
    bench_condition(result, "rate_per_s", json_real(rate));
    bench_condition(result, "requests", requests_json(shown));
}

static void print_end(const view *self, const ql_bench_http_report *report)
{
    double elapsed_s = (double)report->elapsed_ns / 1e9, rate = elapsed_s > 0 ? (double)(self->sent - self->failed) / elapsed_s : 0;
    printf("%llu request%s in %.3f s, %.1f answered a second, %llu failed, %llu connection%s\n", (unsigned long long)self->sent, self->sent == 1 ? "" : "s", elapsed_s, rate, (unsigned long long)self->failed,
           (unsigned long long)report->connections, report->connections == 1 ? "" : "s");
    for (size_t i = 0; i < self->collection->count; i++) {
        if (self->facts[i].failed == 0) continue;
        text_put(stdout, ql_str_of(self->collection->requests[i].name));
        printf(": %llu of %llu failed; the first: ", (unsigned long long)self->facts[i].failed, (unsigned long long)self->facts[i].sent);
        text_put(stdout, ql_str_of(self->facts[i].first_failure));
        printf("\n");
    }
}

static int tell_end(const cli *self, const view *shown, const ql_bench_http_report *report)
{
    add_conditions(self, shown, report);
    int code = bench_finish(self, shown->result);
    if (code != EXIT_OK) return code;
    if (!self->json && !cli_has(self, OPT_QUIET)) print_end(shown, report);
    return shown->failed > 0 ? EXIT_PARTIAL : EXIT_OK;
}

/* Views of the collection as the library takes them. */
static ql_bench_request *library_requests(const bench_collection *collection)
{
    ql_bench_request *requests = calloc(collection->count, sizeof *requests);
    for (size_t i = 0; requests != NULL && i < collection->count; i++) {
        const bench_request *from = &collection->requests[i];
        requests[i] = (ql_bench_request){.struct_size = sizeof requests[i], .method = from->method, .url = from->url, .body = ql_str_of(from->body), .headers = (const char *const *)from->headers,
                                         .header_count = from->header_count};
    }
    return requests;
}

static int run(const cli *self, view *shown)
{
    ql_error err = {0};
    ql_bench_http_report report = QL_BENCH_HTTP_REPORT_INIT;
    ql_bench_http_options options = QL_BENCH_HTTP_OPTIONS_INIT;
    unsigned long rounds = cli_number(self, OPT_REQUESTS);
    options.rounds = (uint32_t)rounds;
    options.warmup = (uint32_t)cli_number(self, OPT_WARMUP);
    options.concurrency = (uint32_t)cli_number(self, OPT_CONCURRENCY);
    options.timeout_ms = (uint32_t)cli_number(self, OPT_TIMEOUT) * 1000;
    options.close_connections = cli_has(self, OPT_NO_KEEP_ALIVE);
    options.sample_fn = on_sample;
    options.cancelled_fn = on_tick;
    options.user = shown;
    if (rounds * shown->collection->count > BENCH_VALUES_MAX) return cli_usage_error(self, "%lu times %zu requests are more than %d", rounds, shown->collection->count, BENCH_VALUES_MAX);
    ql_bench_request *requests = library_requests(shown->collection);
    if (requests == NULL) return cli_fail(self, QL_E_NOMEM, NULL);
    ql_status status = ql_bench_http(requests, shown->collection->count, &options, &report, &err);
    free(requests);
    return status < 0 ? session_fail(self, status, &err) : tell_end(self, shown, &report);
}

int cmd_bench_http(cli *self)
{
    bench_collection collection;
    bench_result result;
    int code = read_requests(self, &collection);
    if (code >= 0) {
        collection_dispose(&collection);
        return code;
    }
    view shown = {.collection = &collection, .result = &result, .facts = calloc(collection.count, sizeof *shown.facts)};
    bench_init(&result, "http", cli_has(self, OPT_NAME) ? self->values[OPT_NAME] : collection.name); /* not bench_start(): the server is another process, so what others use is no other load */
    for (size_t i = 0; shown.facts != NULL && i < collection.count; i++) shown.facts[i].codes = json_object();
    stop_install(self);
    code = shown.facts == NULL ? cli_fail(self, QL_E_NOMEM, NULL) : run(self, &shown);
    for (size_t i = 0; shown.facts != NULL && i < collection.count; i++) json_decref(shown.facts[i].codes);
    free(shown.facts);
    bench_dispose(&result);
    collection_dispose(&collection);
    return code;
}
