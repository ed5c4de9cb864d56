/*
 * A blocking GET on libcurl's easy interface, and the retries around any table's GET.
 *
 * Invariants: only http and https, also after redirects, and never from https back to http; the body never exceeds the caller's limit,
 * whatever length the server claims; no signals; proxies and certificates as curl's environment variables say.
 * Threads: any; libcurl is started once (curl_api.h). Cost: one connection per call.
 */
#include "dep/http.h"

#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "dep/curl_api.h"
#include "prof/metrics.h"
#include <qloader/prof.h>

#define TRIES 3
#define EXPLANATION_BYTES_MAX (1 << 20)
#define PAUSE_MS 500 /* before the second try, doubled for the third */
#define RETRY_AFTER_MAX_MS 30000

ql_status ql__http_check(ql_error *err)
{
    return ql__curl_open(err);
}

typedef struct transfer {
    const ql__net_get *get;
    CURL *handle;
    uint64_t received;
    uint64_t explained; /* bytes of an error's page */
    ql_status status; /* of the body function */
    ql_error error;
    char curl_message[CURL_ERROR_SIZE];
} transfer;

static long answer_code(const transfer *self)
{
    long code = 0;
    (void)ql__curl.get(self->handle, CURLINFO_RESPONSE_CODE, &code);
    return code;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    transfer *self = user;
    size_t bytes = size * count;
    curl_off_t total = 0;
    if (answer_code(self) / 100 != 2) { /* the page that explains an error is not the file */
        self->explained += bytes;
        return self->explained <= EXPLANATION_BYTES_MAX ? bytes : 0;
    }
    (void)ql__curl.get(self->handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
    if (bytes > self->get->limit_bytes - self->received) {
        self->status = ql__fail(&self->error, QL_E_LIMIT, "more than %llu bytes", (unsigned long long)self->get->limit_bytes);
        return 0;
    }
    self->received += bytes;
    self->status = self->get->body_fn(self->get->user, (ql_str){data, bytes}, total > 0 ? (uint64_t)total : 0, &self->error);
    return self->status < 0 ? 0 : bytes;
}

/* curl calls this about once a second, also while nothing arrives. */
static int on_tick(void *user, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t upload_now)
{
    const transfer *self = user;
    (void)total, (void)now, (void)upload_total, (void)upload_now;
    return self->get->cancelled_fn != NULL ? self->get->cancelled_fn(self->get->user) != 0 : 0; /* curl gives other numbers a meaning */
}

static CURLcode set_up(transfer *self)
{
    const ql__net_get *get = self->get;
    const char *after = strncasecmp(get->url, "https:", 6) == 0 ? "https" : "http,https";
    long stall_s = get->stall_ms ? (long)(get->stall_ms + 999) / 1000 : 30;
    CURLcode code = CURLE_OK;
#define SET(option, value) do { if (code == CURLE_OK) code = ql__curl.set(self->handle, (option), (value)); } while (0)
    SET(CURLOPT_URL, get->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, after);
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, get->redirects_max ? (long)get->redirects_max : 5L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, get->connect_ms ? (long)get->connect_ms : 15000L);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, stall_s);
    SET(CURLOPT_USERAGENT, "qloader/" QLOADER_VERSION);
    SET(CURLOPT_ERRORBUFFER, self->curl_message);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, self);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_tick);
    SET(CURLOPT_XFERINFODATA, self);
#undef SET
    return code;
}

static ql_status status_of_answer(long code)
{
    if (code == 404 || code == 410) return QL_E_NOTFOUND;
    return code == 401 || code == 403 ? QL_E_AUTH : QL_E_NET;
}

static ql_status fail_answered(const transfer *self, long answer, ql_error *err)
{
    ql_status status = ql__fail(err, status_of_answer(answer), "the server answers %ld", answer);
    curl_off_t wait_s = 0;
    (void)ql__curl.get(self->handle, CURLINFO_RETRY_AFTER, &wait_s);
    if (err) {
        err->http_code = (int32_t)answer;
        err->retry_after_ms = wait_s > 0 ? (uint32_t)(wait_s < 86400 ? wait_s : 86400) * 1000 : 0;
    }
    return status;
}

static ql_status conclude(transfer *self, CURLcode code, ql_error *err)
{
    if (self->status < 0) {
        if (err) *err = self->error;
        return self->status;
    }
    const char *text = self->curl_message[0] ? self->curl_message : ql__curl.curl_easy_strerror(code);
    long answer = answer_code(self);
    if (code == CURLE_ABORTED_BY_CALLBACK) return ql__fail(err, QL_E_CANCELLED, "stopped");
    if (code == CURLE_OUT_OF_MEMORY) return ql__fail_nomem(err);
    if (answer >= 400) return fail_answered(self, answer, err); /* it said so, however its page ended */
    if (code == CURLE_OPERATION_TIMEDOUT) return ql__fail(err, QL_E_TIMEOUT, "%s", text);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) return ql__fail(err, QL_E_INVALID, "%s", text);
    if (code != CURLE_OK) return ql__fail(err, QL_E_NET, "%s", text);
    if (answer / 100 == 2) return QL_OK;
    return fail_answered(self, answer, err);
}

static ql_status curl_get(void *user, const ql__net_get *get, ql_error *err)
{
    (void)user;
    transfer self = {.get = get, .status = QL_OK};
    if (strncasecmp(get->url, "http://", 7) != 0 && strncasecmp(get->url, "https://", 8) != 0)
        return ql__fail(err, QL_E_INVALID, "'%.100s' is neither an http nor an https address", get->url);
    QL_TRY(ql__curl_open(err));
    self.handle = ql__curl.curl_easy_init();
    if (!self.handle) return ql__fail_nomem(err);
    CURLcode code = set_up(&self);
    if (code == CURLE_OK) code = ql__curl.curl_easy_perform(self.handle);
    ql_status status = conclude(&self, code, err);
    ql__curl.curl_easy_cleanup(self.handle);
    return status;
}

const ql__net_ops ql__http_net = {curl_get, NULL};

/* --- retries --- */

typedef struct attempt {
    const ql__net_get *get;
    bool body_begun; /* what was handed over cannot be taken back */
} attempt;

static ql_status pass_body(void *user, ql_str piece, uint64_t total_bytes, ql_error *err)
{
    attempt *self = user;
    self->body_begun = true;
    return self->get->body_fn(self->get->user, piece, total_bytes, err);
}

static int pass_cancelled(void *user)
{
    const attempt *self = user;
    return self->get->cancelled_fn != NULL ? self->get->cancelled_fn(self->get->user) : 0;
}

static size_t class_of(ql_status status, const ql_error *err)
{
    if (status >= 0) return QL__HTTP_2XX;
    switch (err->http_code / 100) {
    case 3: return QL__HTTP_3XX;
    case 4: return err->http_code == 429 ? QL__HTTP_429 : QL__HTTP_4XX;
    case 5: return QL__HTTP_5XX;
    default: return QL__HTTP_NONE;
    }
}

static bool may_pass(ql_status status, const ql_error *err)
{
    ql_status kind = ql_status_kind(status);
    if (kind == QL_E_TIMEOUT) return true;
    return kind == QL_E_NET && (err->http_code == 0 || err->http_code == 408 || err->http_code == 429 || err->http_code >= 500);
}

/* Who was asked, not for what: addresses may hold secrets. */
static ql_str host_of(const char *url)
{
    const char *at = strstr(url, "://");
    if (at == NULL) return QL_STR("");
    at += 3;
    size_t length = strcspn(at, "/?#");
    for (size_t i = length; i > 0; i--)
        if (at[i - 1] == '@') return (ql_str){at + i, length - i};
    return (ql_str){at, length};
}

/* One try, as a span. */
static ql_status try_once(const ql__net_ops *net, const ql__net_get *get, uint32_t number, ql_error *failure)
{
    QL_PROF_SPAN(span, "http", "http");
    ql_status status = net->get_fn(net->user, get, failure);
    ql_span_text(&span, "method", QL_STR("GET"));
    ql_span_text(&span, "host", host_of(get->url));
    ql_span_int(&span, "try", number);
    ql_span_int(&span, "status", status >= 0 ? 200 : failure->http_code);
    ql_span_end(&span);
    return status;
}

ql_status ql__http_download(const ql__sys *sys, const ql__net_get *get, ql_error *err)
{
    const ql__net_ops *net = sys->net != NULL ? sys->net : &ql__http_net;
    attempt self = {.get = get};
    ql__net_get passed = *get;
    passed.body_fn = pass_body;
    passed.cancelled_fn = pass_cancelled;
    passed.user = &self;
    for (uint32_t tries = 1, pause_ms = PAUSE_MS;; tries++, pause_ms *= 2) {
        ql_error failure = {0};
        uint64_t begin_ns = ql__metric_begin();
        ql_status status = try_once(net, &passed, tries, &failure);
        ql__metric_end(QL__METRIC_HTTP_TIME, 0, begin_ns);
        ql__metric_add(QL__METRIC_HTTP, class_of(status, &failure), 1);
        uint32_t wait_ms = failure.retry_after_ms > pause_ms ? failure.retry_after_ms : pause_ms;
        if (status >= 0) return status;
        if (tries < TRIES && !self.body_begun && may_pass(status, &failure) && wait_ms <= RETRY_AFTER_MAX_MS) {
            if (ql__sleep_ms(sys, wait_ms, get->cancelled_fn, get->user)) {
                ql__metric_add(QL__METRIC_HTTP_RETRIES, 0, 1);
                continue;
            }
            return ql__fail(err, QL_E_CANCELLED, "stopped");
        }
        if (err) *err = failure;
        if (err && failure.retry_after_ms > 0) {
            (void)ql__fail(err, status, "%.300s and asks to come back in %u s", failure.message, failure.retry_after_ms / 1000);
            err->http_code = failure.http_code;
            err->retry_after_ms = failure.retry_after_ms;
        }
        return status;
    }
}
