/*
 * A closed loop of requests on libcurl's multi interface: a handle for each that may be under way, which takes the next request when its own has ended.
 * The warm-up ends before what is told begins, so that neither disturbs the other.
 *
 * Threads: the caller's alone. Cost: a handle and a connection for each of `concurrency`.
 */
#include "dep/http_load.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/curl_api.h"
#include "sys/file.h"

#define POLL_MS 100

typedef struct transfer {
    CURL *handle;
    struct curl_slist *headers;
    size_t request;
    bool told, busy;
    uint64_t body_bytes;
    char why[CURL_ERROR_SIZE];
} transfer;

typedef struct load {
    const ql_bench_request *requests;
    size_t request_count;
    const ql_bench_http_options *options;
    ql_error *err;
    CURLM *multi;
    transfer *transfers;
    size_t transfer_count;
    uint64_t begun, wanted, warm; /* requests: begun, of all, of them not told */
    size_t running;
    uint64_t told_since_ns, connections;
} load;

static uint64_t now_ns(void)
{
    return ql__monotonic_ns(ql__sys_default());
}

static size_t drop_body(char *data, size_t size, size_t count, void *user)
{
    transfer *self = user;
    (void)data;
    self->body_bytes += size * count;
    return size * count;
}

static bool add_line(transfer *self, const char *line)
{
    struct curl_slist *grown = ql__curl.curl_slist_append(self->headers, line);
    if (grown != NULL) self->headers = grown;
    return grown != NULL;
}

static bool add_headers(transfer *self, const ql_bench_request *request)
{
    bool done = true;
    ql__curl.curl_slist_free_all(self->headers);
    self->headers = NULL;
    for (size_t i = 0; i < request->header_count && done; i++) done = add_line(self, request->headers[i]);
    return done && add_line(self, "Expect:"); /* libcurl would ask first whether a large body is welcome, and wait a second for an answer */
}

static bool set_up(const load *all, transfer *self, const ql_bench_request *request)
{
    const char *method = request->method != NULL ? request->method : "GET";
    bool done = add_headers(self, request);
    ql__curl.curl_easy_reset(self->handle); /* keeps its connection */
#define SET(option, value) done = done && ql__curl.set(self->handle, (option), (value)) == CURLE_OK
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)all->options->timeout_ms);
    SET(CURLOPT_USERAGENT, "qloader-bench/" QLOADER_VERSION);
    SET(CURLOPT_WRITEFUNCTION, drop_body);
    SET(CURLOPT_WRITEDATA, self);
    SET(CURLOPT_ERRORBUFFER, self->why);
    SET(CURLOPT_PRIVATE, self);
    SET(CURLOPT_HTTPHEADER, self->headers);
    if (all->options->close_connections) SET(CURLOPT_FORBID_REUSE, 1L);
    if (request->body.len > 0) SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    if (request->body.len > 0) SET(CURLOPT_POSTFIELDS, request->body.ptr);
    if (strcmp(method, "HEAD") == 0) SET(CURLOPT_NOBODY, 1L);
    else SET(CURLOPT_CUSTOMREQUEST, method);
#undef SET
    return done;
}

static ql_status begin_next(load *self, transfer *slot)
{
    slot->request = (size_t)(self->begun % self->request_count);
    slot->told = self->begun >= self->warm;
    slot->body_bytes = 0;
    slot->why[0] = '\0';
    if (self->begun == self->warm) self->told_since_ns = now_ns();
    if (!set_up(self, slot, &self->requests[slot->request])) return ql__fail(self->err, QL_E_NOMEM, "libcurl does not take request %zu", slot->request);
    if (ql__curl.curl_multi_add_handle(self->multi, slot->handle) != CURLM_OK) return ql__fail_nomem(self->err);
    self->begun++;
    self->running++;
    slot->busy = true;
    return QL_OK;
}

static uint64_t info_ns(CURL *handle, CURLINFO info)
{
    curl_off_t micros = 0;
    (void)ql__curl.get(handle, info, &micros);
    return micros > 0 ? (uint64_t)micros * 1000 : 0;
}

static void tell(load *self, const transfer *slot, CURLcode result)
{
    long opened = 0, code = 0;
    ql_bench_sample sample = {.struct_size = sizeof sample, .request_index = slot->request, .body_bytes = slot->body_bytes};
    (void)ql__curl.get(slot->handle, CURLINFO_NUM_CONNECTS, &opened);
    if (result == CURLE_OK) (void)ql__curl.get(slot->handle, CURLINFO_RESPONSE_CODE, &code);
    else sample.reason = slot->why[0] != '\0' ? slot->why : ql__curl.curl_easy_strerror(result);
    sample.code = (int32_t)code;
    sample.total_ns = info_ns(slot->handle, CURLINFO_TOTAL_TIME_T);
    sample.first_byte_ns = info_ns(slot->handle, CURLINFO_STARTTRANSFER_TIME_T);
    sample.connect_ns = opened > 0 ? info_ns(slot->handle, CURLINFO_CONNECT_TIME_T) : 0;
    self->connections += opened > 0 ? (uint64_t)opened : 0;
    self->options->sample_fn(self->options->user, &sample);
}

static ql_status take_ended(load *self)
{
    int left = 0;
    for (CURLMsg *message = ql__curl.curl_multi_info_read(self->multi, &left); message != NULL; message = ql__curl.curl_multi_info_read(self->multi, &left)) {
        transfer *slot = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE) continue;
        (void)ql__curl.get(message->easy_handle, CURLINFO_PRIVATE, &slot);
        if (slot->told) tell(self, slot, result);
        (void)ql__curl.curl_multi_remove_handle(self->multi, slot->handle);
        slot->busy = false;
        self->running--;
        bool waits = self->begun == self->warm && self->running > 0;
        if (self->begun < self->wanted && !waits) QL_TRY(begin_next(self, slot));
    }
    return QL_OK;
}

/* As many as may run; the end of a warm-up left one running. */
static ql_status fill(load *self)
{
    for (size_t i = 0; i < self->transfer_count; i++) {
        bool waits = self->begun == self->warm && self->running > 0;
        if (!self->transfers[i].busy && self->begun < self->wanted && !waits) QL_TRY(begin_next(self, &self->transfers[i]));
    }
    return QL_OK;
}

static ql_status run(load *self)
{
    const ql_bench_http_options *options = self->options;
    uint64_t asked_ns = now_ns();
    QL_TRY(fill(self));
    while (self->running > 0) {
        int still = 0;
        bool due = now_ns() - asked_ns >= (uint64_t)POLL_MS * 1000000;
        if (due) asked_ns = now_ns();
        if (due && options->cancelled_fn != NULL && options->cancelled_fn(options->user) != 0) return ql__fail(self->err, QL_E_CANCELLED, "stopped");
        if (ql__curl.curl_multi_perform(self->multi, &still) != CURLM_OK) return ql__fail(self->err, QL_E_INTERNAL, "libcurl cannot go on");
        QL_TRY(take_ended(self));
        QL_TRY(fill(self));
        if (self->running > 0) (void)ql__curl.curl_multi_poll(self->multi, NULL, 0, POLL_MS, NULL);
    }
    return QL_OK;
}

static ql_status prepare(load *self)
{
    size_t concurrency = self->options->concurrency;
    self->multi = ql__curl.curl_multi_init();
    self->transfers = ql__alloc_zero(concurrency, sizeof *self->transfers);
    if (self->multi == NULL || self->transfers == NULL) return ql__fail_nomem(self->err);
    (void)ql__curl.multi_set(self->multi, CURLMOPT_MAXCONNECTS, (long)concurrency);
    (void)ql__curl.multi_set(self->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING); /* a connection a request at a time, whatever HTTP/2 would allow */
    for (; self->transfer_count < concurrency; self->transfer_count++)
        if ((self->transfers[self->transfer_count].handle = ql__curl.curl_easy_init()) == NULL) return ql__fail_nomem(self->err);
    return QL_OK;
}

static void end(load *self)
{
    for (size_t i = 0; i < self->transfer_count; i++) {
        if (self->transfers[i].busy) (void)ql__curl.curl_multi_remove_handle(self->multi, self->transfers[i].handle);
        ql__curl.curl_easy_cleanup(self->transfers[i].handle);
        ql__curl.curl_slist_free_all(self->transfers[i].headers);
    }
    ql__free(self->transfers);
    if (self->multi != NULL) (void)ql__curl.curl_multi_cleanup(self->multi);
}

ql_status ql__http_load(const ql_bench_request *requests, size_t count, const ql_bench_http_options *options, ql_bench_http_report *report, ql_error *err)
{
    load self = {.requests = requests, .request_count = count, .options = options, .err = err};
    self.warm = (uint64_t)options->warmup * count;
    self.wanted = self.warm + (uint64_t)options->rounds * count;
    QL_TRY(ql__curl_open(err));
    ql_status status = prepare(&self);
    if (status >= 0) status = run(&self);
    report->elapsed_ns = now_ns() - self.told_since_ns;
    report->connections = self.connections;
    end(&self);
    return status;
}
