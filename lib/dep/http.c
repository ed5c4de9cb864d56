/*
 * A blocking GET on libcurl's easy interface.
 *
 * Invariants: only http and https, also after redirects, and never from https back to http; the body never exceeds the caller's limit,
 * whatever length the server claims; no signals; proxies and certificates as curl's environment variables say.
 * Threads: any; libcurl's global start happens once. Cost: one connection per call.
 */
#include "dep/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "dep/dynlib.h"

#define CURL_SONAME "libcurl.so.4"

#define CURL_FUNCTIONS(X) \
    X(curl_global_init) X(curl_easy_init) X(curl_easy_cleanup) X(curl_easy_perform) X(curl_easy_strerror)

/* The variadic ones are macros in curl's header, so their types are spelt out. */
typedef struct curl_functions {
#define CURL_MEMBER(name) __typeof__(&name) name;
    CURL_FUNCTIONS(CURL_MEMBER)
#undef CURL_MEMBER
    CURLcode (*set)(CURL *handle, CURLoption option, ...);
    CURLcode (*get)(CURL *handle, CURLINFO info, ...);
} curl_functions;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static curl_functions curl_fn;
static ql_status curl_status;
static ql_error curl_error;

static void curl_load(void)
{
#define CURL_NAME(name) #name,
    static const char *const names[] = {CURL_FUNCTIONS(CURL_NAME) "curl_easy_setopt", "curl_easy_getinfo"};
#undef CURL_NAME
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof(curl_functions) == sizeof found, "one pointer per name");
    curl_status = ql__dynlib_load(CURL_SONAME, names, sizeof names / sizeof *names, found, &curl_error);
    if (curl_status < 0) return;
    memcpy(&curl_fn, found, sizeof found);
    if (curl_fn.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) curl_status = ql__fail(&curl_error, QL_E_INTERNAL, "libcurl does not start");
}

typedef struct transfer {
    const ql__http_get *get;
    CURL *handle;
    uint64_t received;
    ql_status status; /* of the body function */
    ql_error error;
    char curl_message[CURL_ERROR_SIZE];
} transfer;

static long answer_code(const transfer *self)
{
    long code = 0;
    (void)curl_fn.get(self->handle, CURLINFO_RESPONSE_CODE, &code);
    return code;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    transfer *self = user;
    size_t bytes = size * count;
    curl_off_t total = 0;
    if (answer_code(self) / 100 != 2) return bytes; /* the page that explains an error is not the file */
    (void)curl_fn.get(self->handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
    if (bytes > self->get->limit_bytes - self->received) {
        self->status = ql__fail(&self->error, QL_E_LIMIT, "more than %llu bytes", (unsigned long long)self->get->limit_bytes);
        return 0;
    }
    self->received += bytes;
    self->status = self->get->body_fn(self->get->user, (ql_str){data, bytes}, total > 0 ? (uint64_t)total : 0, &self->error);
    return self->status < 0 ? 0 : bytes;
}

static CURLcode set_up(transfer *self)
{
    const ql__http_get *get = self->get;
    const char *after = strncasecmp(get->url, "https:", 6) == 0 ? "https" : "http,https";
    long stall_s = get->stall_ms ? (long)(get->stall_ms + 999) / 1000 : 30;
    CURLcode code = CURLE_OK;
#define SET(option, value) do { if (code == CURLE_OK) code = curl_fn.set(self->handle, (option), (value)); } while (0)
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
#undef SET
    return code;
}

static ql_status status_of_answer(long code)
{
    if (code == 404 || code == 410) return QL_E_NOTFOUND;
    return code == 401 || code == 403 ? QL_E_AUTH : QL_E_NET;
}

static ql_status conclude(transfer *self, CURLcode code, ql_error *err)
{
    if (self->status < 0) {
        if (err) *err = self->error;
        return self->status;
    }
    const char *text = self->curl_message[0] ? self->curl_message : curl_fn.curl_easy_strerror(code);
    long answer = answer_code(self);
    if (code == CURLE_OPERATION_TIMEDOUT) return ql__fail(err, QL_E_TIMEOUT, "%s", text);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) return ql__fail(err, QL_E_INVALID, "%s", text);
    if (code == CURLE_OUT_OF_MEMORY) return ql__fail_nomem(err);
    if (code != CURLE_OK) return ql__fail(err, QL_E_NET, "%s", text);
    if (answer / 100 == 2) return QL_OK;
    ql_status status = ql__fail(err, status_of_answer(answer), "the server answers %ld", answer);
    if (err) err->http_code = (int32_t)answer;
    return status;
}

ql_status ql__http_download(const ql__http_get *get, ql_error *err)
{
    transfer self = {.get = get, .status = QL_OK};
    if (strncasecmp(get->url, "http://", 7) != 0 && strncasecmp(get->url, "https://", 8) != 0)
        return ql__fail(err, QL_E_INVALID, "'%.100s' is neither an http nor an https address", get->url);
    pthread_once(&curl_once, curl_load);
    if (curl_status < 0) {
        if (err) *err = curl_error;
        return curl_status;
    }
    self.handle = curl_fn.curl_easy_init();
    if (!self.handle) return ql__fail_nomem(err);
    CURLcode code = set_up(&self);
    if (code == CURLE_OK) code = curl_fn.curl_easy_perform(self.handle);
    ql_status status = conclude(&self, code, err);
    curl_fn.curl_easy_cleanup(self.handle);
    return status;
}
