/*
 * The server of http_server.h around libmicrohttpd's external event loop: this thread waits for its epoll descriptor and for ours that says stop,
 * lets it run, and cuts what took too long. So there are no threads but this one and http_late.h's, and no signal is ever delivered to them.
 *
 * Invariants: slots belong to the server's thread; the handler is called for requests that passed check() only; a body of a request is never read.
 * Threads: start and stop from any one thread at a time. Cost: a connection takes 16 KiB, and what its answer is long.
 */
#include "dep/http_late.h"

#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/dynlib.h"
#include "dep/http_listen.h"
#include "sys/thread.h"
#include "sys/wake.h"

#define MHD_SONAME "libmicrohttpd.so.12"
#define CONNECTIONS_DEFAULT 32
#define CONNECTIONS_MAX 1024
#define IDLE_MS 5000
#define REQUEST_MS 10000
#define CONNECTION_BYTES ((size_t)24 << 10) /* libmicrohttpd keeps header and answer's header in it */
#define HEADER_BYTES_MAX ((size_t)16 << 10)
#define TARGET_BYTES_MAX 2048
#define ACCEPT_BYTES_MAX 4096
#define QUERY_BYTES_MAX TARGET_BYTES_MAX
#define SWEEP_MS 250
#define HURRY_ROUNDS 3
#define LAST_MS 2000     /* for a reader at the end */
#define LATE_PLACES 2    /* beside those of others: one that waits, and the one that make_room() keeps free */

#define MHD_FUNCTIONS(X) \
    X(MHD_stop_daemon) X(MHD_run) X(MHD_get_timeout) X(MHD_get_connection_values_n) X(MHD_create_response_from_buffer) X(MHD_destroy_response) \
    X(MHD_add_response_header) X(MHD_queue_response) X(MHD_suspend_connection) X(MHD_resume_connection)

/* The variadic ones spelt out. */
typedef struct mhd_functions {
#define MHD_MEMBER(name) __typeof__(&name) name;
    MHD_FUNCTIONS(MHD_MEMBER)
#undef MHD_MEMBER
    struct MHD_Daemon *(*start)(unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback accept, void *accept_user, MHD_AccessHandlerCallback answer, void *user, ...);
    const union MHD_DaemonInfo *(*daemon_info)(struct MHD_Daemon *daemon, enum MHD_DaemonInfoType type, ...);
    const union MHD_ConnectionInfo *(*connection_info)(struct MHD_Connection *connection, enum MHD_ConnectionInfoType type, ...);
} mhd_functions;

static pthread_once_t mhd_once = PTHREAD_ONCE_INIT;
static mhd_functions mhd;
static ql_status mhd_status;
static ql_error mhd_error;

static void mhd_load(void)
{
#define MHD_NAME(name) #name,
    static const char *const names[] = {MHD_FUNCTIONS(MHD_NAME) "MHD_start_daemon", "MHD_get_daemon_info", "MHD_get_connection_info"};
#undef MHD_NAME
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof(mhd_functions) == sizeof found, "one pointer per name");
    mhd_status = ql__dynlib_load(MHD_SONAME, names, sizeof names / sizeof *names, found, &mhd_error);
    if (mhd_status >= 0) memcpy(&mhd, found, sizeof found);
}

ql_status ql__http_server_check(ql_error *err)
{
    (void)pthread_once(&mhd_once, mhd_load);
    if (mhd_status < 0 && err != NULL) *err = mhd_error;
    return mhd_status;
}

typedef struct slot {
    int fd;            /* -1: free */
    uint64_t since_ns; /* when it came or was last answered */
    bool cut;          /* shut already; the daemon has yet to close it */
} slot;

struct ql__http_server {
    ql__http_handler_fn handler_fn;
    void *user;
    char *token; /* NULL: none */
    ql__http_hosts hosts;
    uint32_t connections_max, idle_ms, request_ms;
    int listen_fd, wake_fd;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool thread_started;
    atomic_bool stopping;
    slot *slots;
    ql__http_late late;
    struct MHD_Connection *waiting; /* suspended: for the late answer. NULL: none */
    int waiting_fd;                 /* its; -1 */
    bool hung_up;                   /* whoever waited, which was told to late_fn */
    unsigned hurry; /* rounds that wait for nothing: the daemon closes what was cut in one and takes up accepting in the next, with no event for either */
};

/* --- one request --------------------------------------------------------------------------------------------------------------- */

typedef struct headers {
    size_t bytes, hosts, origins, authorizations;
    bool too_large, has_body;
    ql_str host, origin, authorization;
    char accept[ACCEPT_BYTES_MAX];
    size_t accept_len;
} headers;

static bool named(ql_str name, const char *word)
{
    return name.len == strlen(word) && strncasecmp(name.ptr, word, name.len) == 0;
}

static void keep_accept(headers *self, ql_str value)
{
    size_t comma = self->accept_len > 0 ? 1 : 0;
    if (value.len + comma > sizeof self->accept - self->accept_len) return; /* what does not fit is not asked for */
    if (comma > 0) self->accept[self->accept_len++] = ',';
    if (value.len > 0) memcpy(self->accept + self->accept_len, value.ptr, value.len);
    self->accept_len += value.len;
}

static enum MHD_Result on_header(void *user, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t value_len)
{
    headers *self = user;
    ql_str name = {key, key_len}, text = {value, value != NULL ? value_len : 0};
    (void)kind;
    self->bytes += key_len + value_len + 4;
    if (named(name, "host")) self->host = text, self->hosts++;
    else if (named(name, "origin")) self->origin = text, self->origins++;
    else if (named(name, "authorization")) self->authorization = text, self->authorizations++;
    else if (named(name, "accept")) keep_accept(self, text);
    else if (named(name, "transfer-encoding") || (named(name, "content-length") && !(text.len == 1 && text.ptr[0] == '0'))) self->has_body = true;
    return MHD_YES;
}

typedef struct query_text {
    char text[QUERY_BYTES_MAX];
    size_t len;
    bool cut;
} query_text;

static enum MHD_Result on_argument(void *user, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t value_len)
{
    query_text *self = user;
    (void)kind;
    bool plain = value != NULL && memchr(key, '&', key_len) == NULL && memchr(key, '=', key_len) == NULL && memchr(value, '&', value_len) == NULL && memchr(value, '=', value_len) == NULL;
    if (!plain || key_len + value_len + 2 > sizeof self->text - self->len) {
        self->cut = true;
        return MHD_YES;
    }
    if (self->len > 0) self->text[self->len++] = '&';
    memcpy(self->text + self->len, key, key_len);
    self->text[self->len + key_len] = '=';
    memcpy(self->text + self->len + key_len + 1, value, value_len);
    self->len += key_len + 1 + value_len;
    return MHD_YES;
}

/* old: HTTP/1.0, which has no Host header. No browser speaks it, so none is tricked into it. */
static unsigned check(const ql__http_server *self, const headers *sent, ql_str method, ql_str path, bool old)
{
    bool nameless = old && sent->hosts == 0;
    if (sent->bytes > HEADER_BYTES_MAX) return 431;
    if (path.len == 0 || path.ptr[0] != '/' || path.len > TARGET_BYTES_MAX || (sent->hosts != 1 && !nameless) || sent->origins > 1 || sent->authorizations > 1) return 400;
    if (!nameless && !ql__http_host_allowed(&self->hosts, sent->host)) return 421;
    if (sent->origins == 1 && !ql__http_origin_allowed(&self->hosts, sent->origin)) return 403;
    if (!ql_str_equal(method, QL_STR("GET")) && !ql_str_equal(method, QL_STR("HEAD"))) return 405;
    if (sent->has_body) return 413;
    if (self->token != NULL && !ql__http_token_matches(sent->authorization, ql_str_of(self->token))) return 401;
    return 200;
}

static const char *reason_of(unsigned code)
{
    switch (code) {
    case 400: return "bad request\n";
    case 401: return "a token is needed\n";
    case 403: return "not for pages of another origin\n";
    case 404: return "not found\n";
    case 405: return "only GET and HEAD\n";
    case 413: return "no body is taken\n";
    case 421: return "this host is not served here\n";
    case 431: return "too many headers\n";
    case 503: return "cannot answer now\n";
    default: return "cannot answer\n";
    }
}

/* stays: the body lives until on_completed(), and need not be copied. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, const ql__http_answer *answer, bool stays)
{
    ql_str body = answer->body.len > 0 ? ql_buf_str(&answer->body) : answer->code == 200 ? QL_STR("") : ql_str_of(reason_of(answer->code));
    bool lasting = answer->code == 200 && answer->lasting.len > 0;
    if (lasting) body = answer->lasting;
    enum MHD_ResponseMemoryMode memory = lasting || (stays && answer->body.len > 0) ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY;
    struct MHD_Response *response = mhd.MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.ptr, memory);
    if (response == NULL) return MHD_NO;
    enum MHD_Result done = mhd.MHD_add_response_header(response, "Content-Type", answer->content_type);
    if (done == MHD_YES) done = mhd.MHD_add_response_header(response, "Cache-Control", "no-store");
    if (done == MHD_YES) done = mhd.MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (done == MHD_YES && answer->code == 405) done = mhd.MHD_add_response_header(response, "Allow", "GET, HEAD");
    if (done == MHD_YES && answer->code == 401) done = mhd.MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (done == MHD_YES && answer->code >= 400 && answer->code != 404 && answer->code != 401) done = mhd.MHD_add_response_header(response, "Connection", "close");
    if (done == MHD_YES) done = mhd.MHD_queue_response(connection, answer->code, response);
    mhd.MHD_destroy_response(response);
    return done;
}

static int fd_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = mhd.connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

/* The connection rests until there is an answer; MHD then calls on_request again. */
static void answer_later(ql__http_server *self, struct MHD_Connection *connection, const ql__http_request *request, void **state, ql__http_answer *answer)
{
    ql_error err = {0};
    ql_status status = ql__http_late_begin(&self->late, request, &err);
    answer->late = status >= 0;
    if (status < 0) {
        answer->code = 503;
        (void)ql_buf_printf(&answer->body, "%s\n", err.message);
        return;
    }
    *state = &self->late;
    self->waiting = connection;
    self->waiting_fd = fd_of(connection);
    self->hung_up = false;
    mhd.MHD_suspend_connection(connection);
}

static void make_answer(ql__http_server *self, struct MHD_Connection *connection, ql__http_request *request, void **state, ql__http_answer *answer)
{
    query_text query = {.len = 0, .cut = false};
    (void)mhd.MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, on_argument, &query);
    request->query = (ql_str){query.text, query.len};
    request->query_cut = query.cut;
    self->handler_fn(self->user, request, answer);
    if (answer->late) answer_later(self, connection, request, state, answer);
}

/* A body that could not be made says so. */
static enum MHD_Result send_whole(struct MHD_Connection *connection, ql__http_answer *answer, bool stays)
{
    if (answer->body.status < 0) {
        answer->code = answer->body.status == QL_E_NOMEM ? 503 : 500;
        ql_buf_clear(&answer->body);
    }
    return send_answer(connection, answer, stays);
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *upload, size_t *upload_size,
                                  void **state)
{
    ql__http_server *self = user;
    headers found = {0};
    ql__http_answer answer = {.content_type = QL__HTTP_TEXT};
    (void)upload, (void)upload_size;
    if (*state == &self->late) return send_whole(connection, ql__http_late_join(&self->late), true); /* on_completed lets it go */
    (void)mhd.MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &found);
    ql__http_request request = {.method = ql_str_of(method), .path = ql_str_of(url), .accept = {found.accept, found.accept_len}};
    answer.code = check(self, &found, request.method, request.path, strcmp(version, "HTTP/1.0") == 0);
    bool first = *state == NULL; /* an answer at the first call ends the connection, which is right for what is refused */
    *state = self;
    if (answer.code == 200 && first) return MHD_YES;
    ql_buf_init(&answer.body, QL__HTTP_BODY_BYTES_MAX);
    if (answer.code == 200) make_answer(self, connection, &request, state, &answer);
    enum MHD_Result done = answer.late ? MHD_YES : send_whole(connection, &answer, false);
    ql_buf_dispose(&answer.body);
    return done;
}

/* --- connections --------------------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    return ql__monotonic_ns(ql__sys_default());
}

/*
 * Keeps a place free: whoever has had nothing to say for longest goes. Requests are answered as soon as they are there, so it is one that is silent or slow, and many
 * of those keep nobody else waiting.
 */
static void make_room(ql__http_server *self)
{
    slot *oldest = NULL;
    for (uint32_t i = 0; i < self->connections_max; i++) {
        slot *one = &self->slots[i];
        if (one->fd < 0 || one->cut) return; /* a place is free, or will be */
        if (one->fd == self->waiting_fd) continue;
        if (oldest == NULL || one->since_ns < oldest->since_ns) oldest = one;
    }
    if (oldest == NULL || self->connections_max == 1) return;
    oldest->cut = true;
    self->hurry = HURRY_ROUNDS;
    (void)shutdown(oldest->fd, SHUT_RDWR);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
    ql__http_server *self = user;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        slot *mine = *context;
        if (mine != NULL) mine->fd = -1;
        self->hurry = HURRY_ROUNDS;
        return;
    }
    for (uint32_t i = 0; i < self->connections_max; i++)
        if (self->slots[i].fd < 0) {
            self->slots[i] = (slot){fd_of(connection), now_ns(), false};
            *context = &self->slots[i];
            make_room(self);
            return;
        }
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    ql__http_server *self = user;
    int fd = fd_of(connection);
    (void)how;
    if (*state == &self->late) ql__http_late_let_go(&self->late);
    for (uint32_t i = 0; i < self->connections_max; i++)
        if (self->slots[i].fd == fd) self->slots[i].since_ns = now_ns();
}

/* The library closes what we shut; its own time limit is about silence only, which one byte a second avoids. */
static void cut_slow(ql__http_server *self)
{
    uint64_t now = now_ns(), limit_ns = (uint64_t)self->request_ms * 1000000;
    for (uint32_t i = 0; i < self->connections_max; i++)
        if (self->slots[i].fd >= 0 && self->slots[i].fd != self->waiting_fd && now - self->slots[i].since_ns > limit_ns) (void)shutdown(self->slots[i].fd, SHUT_RDWR);
}

/* The connection goes on: on_request() sends what is there, or the library finds that nobody is there to take it. */
static void wake_waiting(ql__http_server *self)
{
    for (uint32_t i = 0; i < self->connections_max; i++)
        if (self->slots[i].fd == self->waiting_fd) self->slots[i].since_ns = now_ns(); /* from here on its time is as short as others' */
    mhd.MHD_resume_connection(self->waiting);
    self->waiting = NULL;
    self->waiting_fd = -1;
    self->hurry = HURRY_ROUNDS;
}

/* What was made until now is sent before the end: it would be lost with the process. The daemon must not be stopped while a connection is suspended, either. */
static void send_last(ql__http_server *self)
{
    const union MHD_DaemonInfo *info = mhd.daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ql__http_late_enough(&self->late, false);
    (void)ql__http_late_join(&self->late);
    wake_waiting(self);
    uint64_t end_ns = now_ns() + (uint64_t)LAST_MS * 1000000;
    while (ql__http_late_under_way(&self->late) && now_ns() < end_ns) {
        (void)mhd.MHD_run(self->daemon);
        struct pollfd wait = {.fd = info->epoll_fd, .events = POLLIN};
        (void)poll(&wait, 1, LAST_MS / 100);
    }
}

static void *server_main(void *user)
{
    ql__http_server *self = user;
    const union MHD_DaemonInfo *info = mhd.daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ql__thread_name("qloader-http");
    while (!atomic_load(&self->stopping)) {
        MHD_UNSIGNED_LONG_LONG asked_ms = 0;
        bool asked = mhd.MHD_get_timeout(self->daemon, &asked_ms) == MHD_YES;
        struct pollfd wait[3] = {{.fd = info->epoll_fd, .events = POLLIN}, {.fd = self->wake_fd, .events = POLLIN}, {.fd = self->hung_up ? -1 : self->waiting_fd, .events = POLLRDHUP}};
        (void)poll(wait, 3, self->hurry > 0 ? 0 : asked && asked_ms < SWEEP_MS ? (int)asked_ms : SWEEP_MS);
        ql__wake_clear(self->wake_fd);
        if (self->hurry > 0) self->hurry--;
        if (wait[2].revents != 0) {
            self->hung_up = true;
            ql__http_late_enough(&self->late, true);
        }
        if (self->waiting != NULL && ql__http_late_ready(&self->late)) wake_waiting(self);
        (void)mhd.MHD_run(self->daemon);
        cut_slow(self);
    }
    if (self->waiting != NULL) send_last(self);
    return NULL;
}

/* --- start and stop ------------------------------------------------------------------------------------------------------------ */

static ql_status daemon_start(ql__http_server *self, ql_error *err)
{
    self->daemon = mhd.start(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, self, MHD_OPTION_LISTEN_SOCKET, self->listen_fd, MHD_OPTION_CONNECTION_LIMIT, self->connections_max,
                             MHD_OPTION_CONNECTION_TIMEOUT, (self->idle_ms + 999) / 1000, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                             MHD_OPTION_NOTIFY_CONNECTION, on_connection, self, MHD_OPTION_NOTIFY_COMPLETED, on_completed, self, MHD_OPTION_END);
    if (self->daemon == NULL) return ql__fail(err, QL_E_IO, "libmicrohttpd does not start on port %u", self->hosts.port);
    self->listen_fd = -1; /* the daemon closes it */
    return QL_OK;
}

static ql_status prepare(ql__http_server *self, const ql__http_server_options *options, ql_error *err)
{
    self->slots = ql__realloc_array(NULL, self->connections_max, sizeof *self->slots);
    if (self->slots == NULL) return ql__fail_nomem(err);
    for (uint32_t i = 0; i < self->connections_max; i++) self->slots[i] = (slot){-1, 0, false};
    if (options->token != NULL && (self->token = ql__strdup(ql_str_of(options->token))) == NULL) return ql__fail_nomem(err);
    self->hosts.any = options->token != NULL && !options->own_host_only;
    if (gethostname(self->hosts.own_name, sizeof self->hosts.own_name - 1) != 0) self->hosts.own_name[0] = '\0';
    QL_TRY(ql__wake_open(&self->wake_fd, err));
    QL_TRY(ql__http_late_init(&self->late, options->late_fn, options->user, self->wake_fd, err));
    const ql__http_place place = {options->address, options->port};
    ql__http_listener listener;
    QL_TRY(ql__http_listen(&place, &listener, err));
    self->listen_fd = listener.fd;
    self->hosts.port = listener.port;
    self->hosts.loopback = listener.loopback;
    QL_TRY(daemon_start(self, err));
    QL_TRY(ql__thread_start(&self->thread, server_main, self, err));
    self->thread_started = true;
    return QL_OK;
}

ql_status ql__http_server_start(const ql__http_server_options *options, ql__http_server **out, ql_error *err)
{
    QL_TRY(ql__http_server_check(err));
    if (options->connections_max > CONNECTIONS_MAX) return ql__fail(err, QL_E_LIMIT, "%u connections, more than %d", options->connections_max, CONNECTIONS_MAX);
    if (options->token != NULL && options->token[0] == '\0') return ql__fail(err, QL_E_INVALID, "the token is empty");
    ql__http_server *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->handler_fn = options->handler_fn;
    self->user = options->user;
    self->connections_max = options->connections_max > 0 ? options->connections_max : CONNECTIONS_DEFAULT;
    if (options->late_fn != NULL) self->connections_max += LATE_PLACES;
    self->idle_ms = options->idle_ms > 0 ? options->idle_ms : IDLE_MS;
    self->request_ms = options->request_ms > 0 ? options->request_ms : REQUEST_MS;
    self->listen_fd = self->wake_fd = self->waiting_fd = self->late.enough_fd = -1;
    ql_status status = prepare(self, options, err);
    if (status < 0) ql__http_server_stop(self);
    else *out = self;
    return status;
}

uint16_t ql__http_server_port(const ql__http_server *self)
{
    return self->hosts.port;
}

void ql__http_server_stop(ql__http_server *self)
{
    if (self == NULL) return;
    atomic_store(&self->stopping, true);
    if (self->wake_fd >= 0) ql__wake_signal(self->wake_fd);
    if (self->thread_started) pthread_join(self->thread, NULL);
    if (self->daemon != NULL) mhd.MHD_stop_daemon(self->daemon); /* calls on_connection for what is open */
    if (self->listen_fd >= 0) (void)close(self->listen_fd);
    ql__http_late_dispose(&self->late);
    ql__wake_close(self->wake_fd);
    if (self->token != NULL) explicit_bzero(self->token, strlen(self->token));
    ql__free(self->token);
    ql__free(self->slots);
    ql__free(self);
}
