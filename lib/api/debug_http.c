/*
 * See debug_http.h. A request is read twice: when it comes, so that what is wrong is refused at once, and on the thread that records.
 * Cost: the capture in memory (a few MB; at most CAPTURE_BYTES_MAX), what is read from it, and the answer.
 */
#include "api/debug_http.h"

#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/live_read.h"
#include "capture/read.h"
#include "capture/write.h"
#include "prof/live.h"
#include "prof/live_tasks.h"
#include <qloader/prof.h>

#define SECONDS_DEFAULT 30
#define SECONDS_MAX 300
#define HZ_DEFAULT 99
#define HZ_MAX 1000
#define TASK_ROWS 64
#define YIELD_TRIES 20
#define CAPTURE_BYTES_MAX ((size_t)64 << 20)

static const char index_text[] =
    "profile   CPU time, for go tool pprof\n"
    "wall      all threads, waiting ones too, for go tool pprof\n"
    "heap      what is allocated meanwhile, as far as the program reports it, for go tool pprof\n"
    "trace     spans, tasks and memory, for Chrome's trace viewer and Perfetto\n"
    "tasks     what is under way now, as JSON, at once\n\n"
    "The first four record: ?seconds=30 (1 to 300), profile and wall also &hz=99 (1 to 1000). One at a time.\n";

typedef struct recording {
    uint32_t seconds, hz;
} recording;

typedef struct endpoint {
    const char *path;
    uint32_t sources;
    int32_t engine;
    ql__sample_kind kind;
    const char *content_type;
} endpoint;

static const endpoint endpoints[] = {
    {"/debug/pprof/profile", QL_PROF_CPU | QL_PROF_SPANS, QL_PROF_AUTO, QL__SAMPLE_CPU, "application/gzip"},
    {"/debug/pprof/wall", QL_PROF_WALL | QL_PROF_SPANS, QL_PROF_WALLCLOCK, QL__SAMPLE_WALL, "application/gzip"},
    {"/debug/pprof/heap", QL_PROF_HEAP, QL_PROF_AUTO, QL__SAMPLE_HEAP, "application/gzip"},
    {"/debug/pprof/trace", QL_PROF_SPANS | QL_PROF_MEMORY, QL_PROF_AUTO, QL__SAMPLE_KIND_COUNT, "application/json"},
};

static const endpoint *endpoint_of(ql_str path)
{
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        if (ql_str_equal(path, ql_str_of(endpoints[i].path))) return &endpoints[i];
    return NULL;
}

/* --- what is asked for ----------------------------------------------------------------------------------------------------------- */

static bool number_of(ql_str text, uint32_t max, uint32_t *out)
{
    *out = 0;
    if (text.len == 0 || text.len > 4) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        *out = *out * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    return *out > 0 && *out <= max;
}

/* The next "key=value" of *rest, which moves behind it. */
static bool next_pair(ql_str *rest, ql_str *key, ql_str *value)
{
    if (rest->len == 0) return false;
    const char *end = memchr(rest->ptr, '&', rest->len), *equals = memchr(rest->ptr, '=', rest->len);
    size_t len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
    *key = (ql_str){rest->ptr, (size_t)(equals - rest->ptr)};
    *value = (ql_str){equals + 1, len - key->len - 1};
    size_t taken = len < rest->len ? len + 1 : len;
    *rest = (ql_str){rest->ptr + taken, rest->len - taken};
    return true;
}

/* NULL, or what is wrong. What is not known is left alone, as other servers of such profiles do: tools add keys of theirs. */
static const char *read_query(ql_str query, recording *out)
{
    ql_str key, value;
    *out = (recording){SECONDS_DEFAULT, HZ_DEFAULT};
    while (next_pair(&query, &key, &value)) {
        if (ql_str_equal(key, QL_STR("seconds")) && !number_of(value, SECONDS_MAX, &out->seconds)) return "seconds is a whole number, 1 to 300";
        if (ql_str_equal(key, QL_STR("hz")) && !number_of(value, HZ_MAX, &out->hz)) return "hz is a whole number, 1 to 1000";
    }
    return NULL;
}

/* --- tasks ----------------------------------------------------------------------------------------------------------------------- */

static ql_status write_tasks(ql_buf *out, ql_error *err)
{
    ql__live_task rows[TASK_ROWS];
    QL_AUTO(ql_buf, ql_buf_dispose) all = QL_BUF_INIT;
    uint32_t at = 0;
    if (!ql__live_tasks_on()) return ql__fail(err, QL_E_UNSUPPORTED, "this process does not show itself, so no tasks are kept (qloader/live.h)");
    for (size_t count; (count = ql__live_tasks_read(&at, rows, TASK_ROWS)) > 0;)
        if (ql_buf_append(&all, (ql_str){(const char *)rows, count * sizeof *rows}) < 0) return ql__fail_nomem(err);
    return ql__live_tasks_json(ql_buf_str(&all), ql__monotonic_ns(ql__sys_default()), out, err);
}

/* --- recording ------------------------------------------------------------------------------------------------------------------- */

static int keep(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

/* A callback that found no room stopped what it was for: that is the reason, not the stop. */
static ql_status reason_of(ql_status status, const ql_buf *out, ql_error *err)
{
    if (out->status == QL_E_NOMEM) return ql__fail_nomem(err);
    return out->status < 0 ? ql__fail(err, out->status, "the recording has more than %zu MiB: ask for fewer seconds, or a lower hz", CAPTURE_BYTES_MAX >> 20) : status;
}

/* Whoever else is woken on this thread: only the time and the watch end a recording. */
static void wait_for(uint32_t seconds, const ql__http_watch *watch)
{
    uint64_t end_ns = ql__monotonic_ns(ql__sys_default()) + (uint64_t)seconds * 1000000000u, now;
    while ((now = ql__monotonic_ns(ql__sys_default())) < end_ns) {
        struct pollfd wait = {.fd = watch->enough_fd, .events = POLLIN};
        if (poll(&wait, 1, (int)((end_ns - now) / 1000000u) + 1) > 0) return;
    }
}

/* 'top' and 'monitor rate' sample for whoever looks: that gives way, as it does to 'record'. */
static ql_status start(const ql_prof_options *options, ql_prof **out, ql_error *err)
{
    bool sampled = ql__live_yield();
    ql_status status = ql_prof_start(options, out, err);
    for (int tries = 0; sampled && ql_status_kind(status) == QL_E_BUSY && tries < YIELD_TRIES; tries++) {
        (void)poll(NULL, 0, QL__LIVE_ROUND_MS);
        status = ql_prof_start(options, out, err);
    }
    if (status < 0) ql__live_yield_end();
    return status;
}

static ql_status record(const endpoint *what, const recording *asked, const ql__http_watch *watch, ql_buf *out, ql_error *err)
{
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    ql_prof *prof = NULL;
    options.sources = what->sources;
    options.engine = what->engine;
    options.rate_hz = asked->hz;
    options.write_fn = keep; /* on a thread of the capture, until the stop */
    options.write_user = out;
    options.limit_bytes = UINT64_MAX; /* the buffer has one, and tells */
    QL_TRY(start(&options, &prof, err));
    wait_for(asked->seconds, watch);
    ql_status status = ql_prof_stop(prof, err);
    ql_prof_free(prof);
    ql__live_yield_end();
    return reason_of(status, out, err);
}

static ql_status read_memory(void *user, uint64_t offset, void *buf, size_t size, ql_error *err)
{
    const ql_buf *bytes = user;
    if (offset > bytes->len || size > bytes->len - offset) return ql__fail(err, QL_E_IO, "behind the end of the capture");
    memcpy(buf, bytes->ptr + offset, size);
    return QL_OK;
}

static ql_status convert(const endpoint *what, ql_buf *capture, ql_buf *out, ql_error *err)
{
    const ql__read_options options = {.symbols = true, .names_alone = true}; /* this process has other work, which must not end with a profile */
    ql__profile *profile = NULL;
    ql__sink sink;
    QL_TRY(ql__capture_read_from(ql__sys_default(), read_memory, capture, capture->len, &options, &profile, err));
    ql__sink_init(&sink, keep, out);
    ql_status status = what->kind == QL__SAMPLE_KIND_COUNT ? ql__write_trace(profile, &sink, err) : ql__write_pprof(profile, what->kind, &sink, err);
    if (status < 0) ql__sink_fail(&sink, status, NULL);
    ql_status end = ql__sink_finish(&sink, status < 0 ? NULL : err);
    ql__profile_free(profile);
    return reason_of(status < 0 ? status : end, out, err);
}

/* --- answers --------------------------------------------------------------------------------------------------------------------- */

static void refuse(ql__http_answer *answer, uint32_t code, const char *why)
{
    answer->code = code;
    answer->content_type = QL__HTTP_TEXT;
    ql_buf_clear(&answer->body);
    (void)ql_buf_printf(&answer->body, "%s\n", why);
}

/* Whoever reads a page of an idle process is told so, and is not handed an empty profile. */
static void refuse_failed(ql__http_answer *answer, ql_status status, const ql_error *err)
{
    ql_status kind = ql_status_kind(status);
    if (kind == QL_E_NOTFOUND) {
        refuse(answer, 503, "no samples: nothing happened meanwhile that this profile shows (heap: the program has to report its allocations); ask for more seconds");
        return;
    }
    refuse(answer, kind == QL_E_UNSUPPORTED ? 501 : kind == QL_E_BUSY || kind == QL_E_NOMEM ? 503 : 500, err->message);
}

void ql__debug_http_record(void *user, const ql__http_request *request, const ql__http_watch *watch, ql__http_answer *answer)
{
    (void)user;
    const endpoint *what = endpoint_of(request->path);
    QL_AUTO(ql_buf, ql_buf_dispose) capture;
    recording asked;
    ql_error err = {0};
    (void)read_query(request->query, &asked); /* was looked at when it came */
    ql_buf_init(&capture, CAPTURE_BYTES_MAX);
    answer->content_type = what->content_type;
    ql_status status = record(what, &asked, watch, &capture, &err);
    if (atomic_load(watch->gone)) return; /* what it would take to read it is spared */
    if (status >= 0) status = convert(what, &capture, &answer->body, &err);
    if (status < 0) refuse_failed(answer, status, &err);
}

bool ql__debug_http_answer(const ql__http_request *request, ql__http_answer *answer)
{
    recording asked;
    ql_error err = {0};
    if (ql_str_equal(request->path, QL_STR("/debug/pprof/"))) {
        (void)ql_buf_append(&answer->body, ql_str_of(index_text));
        return true;
    }
    if (ql_str_equal(request->path, QL_STR("/debug/pprof/tasks"))) {
        answer->content_type = "application/json";
        ql_status status = write_tasks(&answer->body, &err);
        if (status < 0) refuse_failed(answer, status, &err);
        return true;
    }
    if (endpoint_of(request->path) == NULL) return false;
    const char *wrong = request->query_cut ? "the query is not understood: seconds=N&hz=N" : read_query(request->query, &asked);
    if (wrong != NULL) refuse(answer, 400, wrong);
    else if (!ql_str_equal(request->method, QL_STR("GET"))) refuse(answer, 400, "only GET: there is no profile before it was recorded");
    else answer->late = true;
    return true;
}
