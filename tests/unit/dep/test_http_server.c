/*
 * Goal: the server answers what it serves and refuses the rest; clients that are slow, silent, greedy, broken or a thousand neither stop it nor keep
 * others out for longer than its limits; it starts with a clear error or not at all, and stops at once. Method: raw sockets on the loopback.
 */
#include "support/testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dep/http_server.h"

#define PATIENCE_MS 30000 /* a wait that ends only where the server does not */

static atomic_int handled;
static ql_str lasting; /* set before a server of this test starts */

static void answer(void *user, const ql__http_request *request, ql__http_answer *out)
{
    (void)user;
    atomic_fetch_add(&handled, 1);
    if (ql_str_equal(request->path, QL_STR("/hello"))) ql_buf_printf(&out->body, "hello %.*s", (int)request->accept.len, request->accept.ptr);
    else if (ql_str_equal(request->path, QL_STR("/large"))) {
        for (int i = 0; i < 1000000; i++) ql_buf_append(&out->body, QL_STR("0123456789"));
    } else if (ql_str_equal(request->path, QL_STR("/lasting"))) {
        out->content_type = "text/html";
        out->lasting = lasting;
    } else if (ql_str_equal(request->path, QL_STR("/late"))) {
        out->late = true;
    } else if (ql_str_equal(request->path, QL_STR("/query"))) {
        ql_buf_printf(&out->body, "[%.*s]", (int)request->query.len, request->query.ptr);
    } else if (ql_str_equal(request->path, QL_STR("/nomem"))) {
        out->body.status = QL_E_NOMEM;
    } else {
        out->code = 404;
    }
}

static atomic_int late_begun, late_ended;
static atomic_bool late_gone;    /* nobody was there any more when it ended */
static atomic_bool late_goes_on; /* until this is false, or nobody waits any more */

static void answer_late(void *user, const ql__http_request *request, const ql__http_watch *watch, ql__http_answer *out)
{
    struct pollfd enough = {.fd = watch->enough_fd, .events = POLLIN};
    (void)user;
    atomic_fetch_add(&late_begun, 1);
    while (atomic_load(&late_goes_on) && poll(&enough, 1, 1) == 0) continue;
    ql_buf_printf(&out->body, "late %.*s %.*s %.*s", (int)request->path.len, request->path.ptr, (int)request->query.len, request->query.ptr, (int)request->accept.len, request->accept.ptr);
    if (ql_str_equal(request->query, QL_STR("large=1")))
        for (int i = 0; i < 1000000; i++) ql_buf_append(&out->body, QL_STR("0123456789"));
    atomic_store(&late_gone, atomic_load(watch->gone));
    atomic_fetch_add(&late_ended, 1);
}

static void late_begins(void)
{
    atomic_store(&late_begun, 0);
    atomic_store(&late_ended, 0);
    atomic_store(&late_goes_on, true);
}

static void wait_for(atomic_int *count)
{
    for (int waited = 0; atomic_load(count) == 0; waited++) {
        if (waited == PATIENCE_MS) fail_msg("the late answer neither begins nor ends");
        (void)poll(NULL, 0, 1);
    }
}

static ql__http_server *started_with(const char *token, uint32_t connections, uint32_t idle_ms, uint32_t request_ms)
{
    ql__http_server *self = NULL;
    ql_error err = {0};
    const ql__http_server_options options = {.address = "127.0.0.1", .token = token, .connections_max = connections, .idle_ms = idle_ms, .request_ms = request_ms, .handler_fn = answer, .late_fn = answer_late};
    if (ql__http_server_start(&options, &self, &err) < 0) fail_msg("%s", err.message);
    assert_true(ql__http_server_port(self) > 0);
    return self;
}

static ql__http_server *started(const char *token, uint32_t connections)
{
    return started_with(token, connections, 1000, 1500);
}

static int connected(uint16_t port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&where, sizeof where) == 0) return fd;
    close(fd);
    return -1;
}

static void put(int fd, const char *text)
{
    for (size_t at = 0, len = strlen(text); at < len;) {
        ssize_t sent = send(fd, text + at, len - at, MSG_NOSIGNAL);
        if (sent <= 0) return; /* the server had enough of it */
        at += (size_t)sent;
    }
}

/* Reads until the server closes; length of what came, cut to the buffer. */
static size_t take_all(int fd, char *out, size_t size)
{
    size_t len = 0;
    for (;;) {
        char byte[4096];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, PATIENCE_MS) != 1) fail_msg("the server neither answers nor closes");
        ssize_t got = recv(fd, byte, sizeof byte, 0);
        if (got <= 0) break;
        size_t room = size - 1 - len, kept = (size_t)got < room ? (size_t)got : room;
        memcpy(out + len, byte, kept);
        len += kept;
    }
    out[len] = '\0';
    return len;
}

static int code_of(const char *answer_text)
{
    return strncmp(answer_text, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer_text + 9, NULL, 10) : 0;
}

/* One request on a connection of its own, to its end. */
static int ask(uint16_t port, const char *request, char *out, size_t size)
{
    int fd = connected(port);
    assert_true(fd >= 0);
    put(fd, request);
    take_all(fd, out, size);
    close(fd);
    return code_of(out);
}

#define END "Connection: close\r\n\r\n"

static void test_http_server__answers_what_it_serves(void **state)
{
    (void)state;
    char out[2048];
    ql__http_server *self = started(NULL, 0);
    uint16_t port = ql__http_server_port(self);
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\nAccept: a\r\nAccept: b\r\n" END, out, sizeof out), 200);
    assert_non_null(strstr(out, "\r\n\r\nhello a,b"));
    assert_non_null(strstr(out, "Cache-Control: no-store"));
    assert_null(strstr(out, "microhttpd"));
    assert_int_equal(ask(port, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
    assert_non_null(strstr(out, "Content-Length: 6"));
    assert_string_equal(strstr(out, "\r\n\r\n"), "\r\n\r\n");
    assert_int_equal(ask(port, "GET /nothing?x=1 HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 404);
    assert_int_equal(ask(port, "GET /nomem HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 503);
    ql__http_server_stop(self);
}

static void test_http_server__hands_on_the_query(void **state)
{
    (void)state;
    char out[4096], request[2400], longest[2000];
    ql__http_server *self = started(NULL, 0);
    uint16_t port = ql__http_server_port(self);
    assert_int_equal(ask(port, "GET /query?seconds=5&b=x%20y&c HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
    assert_non_null(strstr(out, "[seconds=5&b=x y]"));
    assert_int_equal(ask(port, "GET /query?a=1%262&b=%3d&%26=1&x=%00 HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
    assert_null(strstr(out, "1&2"));
    memset(longest, 'q', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)snprintf(request, sizeof request, "GET /query?a=%s HTTP/1.1\r\nHost: localhost\r\n" END, longest);
    assert_int_equal(ask(port, request, out, sizeof out), 200);
    assert_non_null(strstr(out, longest));
    ql__http_server_stop(self);
}

static void test_http_server__answers_late_and_others_meanwhile(void **state)
{
    (void)state;
    char out[2048];
    late_begins();
    ql__http_server *self = started(NULL, 4);
    uint16_t port = ql__http_server_port(self);
    int fd = connected(port), slow, silent[8];
    put(fd, "GET /late?a=1 HTTP/1.1\r\nHost: localhost\r\nAccept: some\r\n" END);
    wait_for(&late_begun);
    assert_int_equal(ask(port, "GET /late HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 503);
    assert_non_null(strstr(out, "another answer is being made"));
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) silent[i] = connected(port); /* more than there are places: the one that waits stays */
    for (int i = 0; i < 50; i++) assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
    slow = connected(port);
    put(slow, "GET /hello HT");
    take_all(slow, out, sizeof out); /* cut, since it took longer than a request may: the late answer takes longer still */
    close(slow);
    assert_int_equal(atomic_load(&late_ended), 0);
    atomic_store(&late_goes_on, false);
    take_all(fd, out, sizeof out);
    assert_int_equal(code_of(out), 200);
    assert_non_null(strstr(out, "\r\n\r\nlate /late a=1 some"));
    close(fd);
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) close(silent[i]);
    for (int i = 0; i < 3; i++) { /* and again, on connections that go on */
        assert_int_equal(ask(port, "GET /late?b=2 HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
        assert_non_null(strstr(out, "late /late b=2 "));
    }
    ql__http_server_stop(self);
}

static void test_http_server__late_answers_end_when_nobody_waits(void **state)
{
    (void)state;
    char out[2048];
    late_begins();
    ql__http_server *self = started(NULL, 0);
    uint16_t port = ql__http_server_port(self);
    int fd = connected(port);
    put(fd, "GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(&late_begun);
    close(fd);
    wait_for(&late_ended);
    assert_true(atomic_load(&late_gone));
    int code = 503;
    for (int tries = 0; code == 503 && tries < PATIENCE_MS; tries++) { /* its place is free again */
        atomic_store(&late_goes_on, false);
        code = ask(port, "GET /late HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out);
    }
    assert_int_equal(code, 200);
    fd = connected(port); /* asks, and then takes nothing of the answer */
    put(fd, "GET /late?large=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    code = 503;
    for (int tries = 0; code == 503 && tries < PATIENCE_MS; tries++) code = ask(port, "GET /late HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out);
    assert_int_equal(code, 200);
    close(fd);
    late_begins();
    fd = connected(port);
    put(fd, "GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(&late_begun);
    ql__http_server_stop(self); /* does not wait for longer than the answer takes to end, and sends what there is of it */
    assert_int_equal(atomic_load(&late_ended), 1);
    assert_false(atomic_load(&late_gone));
    take_all(fd, out, sizeof out);
    assert_int_equal(code_of(out), 200);
    assert_non_null(strstr(out, "late /late"));
    close(fd);
    for (uint32_t places = 1; places < 3; places++) { /* a late answer takes none of the places of others */
        late_begins();
        self = started(NULL, places);
        fd = connected(ql__http_server_port(self));
        put(fd, "GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
        wait_for(&late_begun);
        for (int i = 0; i < 20; i++) assert_int_equal(ask(ql__http_server_port(self), "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
        ql__http_server_stop(self);
        close(fd);
    }
}

static void test_http_server__answers_with_what_lasts(void **state)
{
    (void)state;
    enum { SIZE = 3000000 };
    char *text = malloc(SIZE), *out = malloc(SIZE + 1000);
    assert_non_null(text);
    assert_non_null(out);
    for (size_t i = 0; i < SIZE; i++) text[i] = (char)('a' + i * i % 23);
    lasting = (ql_str){text, SIZE};
    ql__http_server *self = started(NULL, 0);
    uint16_t port = ql__http_server_port(self);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(port, "GET /lasting HTTP/1.1\r\nHost: localhost\r\n" END, out, SIZE + 1000), 200);
        assert_non_null(strstr(out, "Content-Type: text/html\r\n"));
        const char *body = strstr(out, "\r\n\r\n") + 4;
        assert_int_equal(strlen(body), SIZE);
        assert_memory_equal(body, text, SIZE);
    }
    assert_int_equal(ask(port, "HEAD /lasting HTTP/1.1\r\nHost: localhost\r\n" END, out, SIZE + 1000), 200);
    assert_non_null(strstr(out, "Content-Length: 3000000"));
    assert_string_equal(strstr(out, "\r\n\r\n"), "\r\n\r\n");
    ql__http_server_stop(self);
    lasting = QL_STR("");
    free(out);
    free(text);
}

static void test_http_server__keeps_a_connection(void **state)
{
    (void)state;
    char out[4096];
    ql__http_server *self = started(NULL, 0);
    int fd = connected(ql__http_server_port(self));
    put(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n" END);
    take_all(fd, out, sizeof out);
    int answers = 0;
    for (const char *at = out; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++) answers++;
    assert_int_equal(answers, 3);
    close(fd);
    ql__http_server_stop(self);
}

static void test_http_server__refuses_without_asking_the_handler(void **state)
{
    (void)state;
    static const struct { const char *request; int code; } cases[] = {
        {"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n" END "abcd", 405}, {"DELETE /hello HTTP/1.1\r\nHost: localhost\r\n" END, 405},
        {"OPTIONS /hello HTTP/1.1\r\nHost: localhost\r\n" END, 405}, {"GET /hello HTTP/1.1\r\nHost: evil.example\r\n" END, 421}, {"GET /hello HTTP/1.1\r\n" END, 400},
        {"GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n" END, 400}, {"GET /hello HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n" END, 403},
        {"GET /hello HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n" END, 403}, {"GET /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n" END "abc", 413},
        {"GET /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" END "3\r\nabc\r\n0\r\n\r\n", 413}, {"GET hello HTTP/1.1\r\nHost: localhost\r\n" END, 400},
        {"GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n" END, 400}};
    char out[2048];
    ql__http_server *self = started(NULL, 0);
    atomic_store(&handled, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = ask(ql__http_server_port(self), cases[i].request, out, sizeof out);
        if (code != cases[i].code) fail_msg("%d instead of %d for: %s", code, cases[i].code, cases[i].request);
        if (code == 405) assert_non_null(strstr(out, "Allow: GET, HEAD"));
    }
    assert_int_equal(atomic_load(&handled), 0);
    ql__http_server_stop(self);
}

static void test_http_server__asks_for_its_token(void **state)
{
    (void)state;
    char out[2048];
    ql__http_server *self = started("s3cret", 0);
    uint16_t port = ql__http_server_port(self);
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 401);
    assert_non_null(strstr(out, "WWW-Authenticate: Bearer"));
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong1\r\n" END, out, sizeof out), 401);
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: any.example\r\nAuthorization: Bearer s3cret\r\n" END, out, sizeof out), 200);
    ql__http_server_stop(self);
}

static void test_http_server__what_is_no_http_ends(void **state)
{
    (void)state;
    static char huge[200000];
    static const char *const texts[] = {"\r\n\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET\r\n\r\n", "GET /hello\r\n\r\n", "GET /hello HTTP/9.9\r\nHost: localhost\r\n\r\n", ":\r\n:\r\n\r\n", "GET /%00%0d%0a HTTP/1.1\r\nHost: localhost\r\n" END};
    char out[2048];
    ql__http_server *self = started(NULL, 0);
    uint16_t port = ql__http_server_port(self);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (ask(port, texts[i], out, sizeof out) == 200) fail_msg("answered: %s", texts[i]);
    atomic_store(&handled, 0);
    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: ", 41);
    assert_int_not_equal(ask(port, huge, out, sizeof out), 200);
    memcpy(huge, "GET /", 5);
    assert_int_not_equal(ask(port, huge, out, sizeof out), 200);
    assert_int_equal(atomic_load(&handled), 0);
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
    ql__http_server_stop(self);
}

static void test_http_server__cuts_who_sends_a_byte_now_and_then(void **state)
{
    (void)state;
    ql__http_server *self = started(NULL, 0);
    int fd = connected(ql__http_server_port(self));
    bool cut = false;
    put(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: ");
    for (int i = 0; i < 300 && !cut; i++) { /* never silent for as long as the server allows */
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        char byte = 0;
        put(fd, "a");
        if (poll(&wait, 1, 100) == 1) cut = recv(fd, &byte, 1, 0) <= 0;
    }
    assert_true(cut);
    close(fd);
    ql__http_server_stop(self);
}

static void test_http_server__cuts_who_does_not_read(void **state)
{
    (void)state;
    char out[64];
    const int small = 4096;
    ql__http_server *self = started(NULL, 1);
    uint16_t port = ql__http_server_port(self);
    int fd = connected(port);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    put(fd, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /* It is the only connection that may be open, so another is served only once this one was cut. */
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
    close(fd);
    ql__http_server_stop(self);
}

enum { CROWD = 1000 };

static void test_http_server__outlives_a_thousand_connections(void **state)
{
    (void)state;
    static int fds[CROWD];
    char out[2048];
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    rlim_t before = files.rlim_cur;
    if (files.rlim_cur < CROWD + 200 && files.rlim_max >= CROWD + 200) files.rlim_cur = CROWD + 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    int count = files.rlim_cur >= CROWD + 200 ? CROWD : (int)files.rlim_cur - 200;
    ql__http_server *self = started(NULL, 8);
    uint16_t port = ql__http_server_port(self);
    for (int i = 0; i < count; i++) {
        struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fds[i] >= 0);
        (void)connect(fds[i], (struct sockaddr *)&where, sizeof where);
        if (i % 3 == 0) put(fds[i], "GET /hel");
    }
    /* The connections that got in are cut one after the other; those that left leave room at once. */
    for (int i = 0; i < count; i++) close(fds[i]);
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
    ql__http_server_stop(self);
    files.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void test_http_server__silent_connections_make_room(void **state)
{
    (void)state;
    char out[2048];
    ql__http_server *self = started(NULL, 4);
    uint16_t port = ql__http_server_port(self);
    int fds[12];
    for (int i = 0; i < 12; i++) fds[i] = connected(port);
    assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200); /* while all of them are still held open by the client */
    for (int i = 0; i < 12; i++) close(fds[i]);
    ql__http_server_stop(self);
}

/* Nothing but the coming of others ends a silent connection here: its limits are far beyond the test's patience. */
static void test_http_server__silent_connections_keep_nobody_out(void **state)
{
    (void)state;
    char out[2048];
    enum { SILENT = 100 };
    int fds[SILENT];
    ql__http_server *self = started_with(NULL, 8, 3600000, 3600000);
    uint16_t port = ql__http_server_port(self);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < SILENT; i++) {
            fds[i] = connected(port);
            if (i % 3 == 0) put(fds[i], "GET /hel");
        }
        assert_int_equal(ask(port, "GET /hello HTTP/1.1\r\nHost: localhost\r\n" END, out, sizeof out), 200);
        for (int i = 0; i < SILENT; i++) close(fds[i]);
    }
    ql__http_server_stop(self);
}

/* HTTP/1.0 knows no Host; who sends one all the same is held to it. */
static void test_http_server__answers_the_version_without_a_host(void **state)
{
    (void)state;
    char out[2048];
    ql__http_server *self = started(NULL, 0);
    uint16_t port = ql__http_server_port(self);
    assert_int_equal(ask(port, "GET /hello HTTP/1.0\r\n\r\n", out, sizeof out), 200);
    assert_non_null(strstr(out, "\r\n\r\nhello "));
    assert_int_equal(ask(port, "GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n", out, sizeof out), 200);
    assert_int_equal(ask(port, "GET /hello HTTP/1.0\r\nHost: evil.example\r\n\r\n", out, sizeof out), 421);
    assert_int_equal(ask(port, "GET /hello HTTP/1.0\r\nHost: localhost\r\nHost: localhost\r\n\r\n", out, sizeof out), 400);
    assert_int_equal(ask(port, "GET /hello HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n", out, sizeof out), 403);
    ql__http_server_stop(self);
}

static void test_http_server__stops_with_requests_under_way(void **state)
{
    (void)state;
    ql__http_server *self = started(NULL, 0);
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = connected(ql__http_server_port(self));
        put(fds[i], i % 2 == 0 ? "GET /hello HT" : "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    ql__http_server_stop(self);
    for (int i = 0; i < 5; i++) close(fds[i]);
    ql__http_server_stop(NULL);
}

static void expect_no_start(ql__http_server_options options, ql_status status, const char *message)
{
    ql__http_server *self = NULL;
    ql_error err = {0};
    options.handler_fn = answer;
    ql_status got = ql__http_server_start(&options, &self, &err);
    if (got != status || strstr(err.message, message) == NULL || self != NULL) fail_msg("%d '%s' instead of %d '%s'", got, err.message, status, message);
}

static void test_http_server__says_why_it_does_not_start(void **state)
{
    (void)state;
    char busy[100];
    ql__http_server *self = started(NULL, 0);
    snprintf(busy, sizeof busy, "cannot listen on port %u of 127.0.0.1: another program does", ql__http_server_port(self));
    expect_no_start((ql__http_server_options){.address = "127.0.0.1", .port = ql__http_server_port(self)}, QL_E_BUSY, busy);
    expect_no_start((ql__http_server_options){.address = "localhost"}, QL_E_INVALID, "'localhost' is no IPv4 or IPv6 address");
    expect_no_start((ql__http_server_options){.address = "192.0.2.1"}, QL_E_INVALID, "no network interface has this address");
    expect_no_start((ql__http_server_options){.address = "127.0.0.1", .token = ""}, QL_E_INVALID, "the token is empty");
    expect_no_start((ql__http_server_options){.address = "127.0.0.1", .connections_max = 1025}, QL_E_LIMIT, "1025 connections");
    ql__http_server_stop(self);
}

static void test_http_server__listens_on_ipv6(void **state)
{
    (void)state;
    ql__http_server *self = NULL;
    ql_error err = {0};
    const ql__http_server_options options = {.address = "::1", .handler_fn = answer};
    if (ql__http_server_start(&options, &self, &err) < 0) {
        assert_non_null(strstr(err.message, "port 0 of ::1"));
        skip(); /* this machine has no IPv6 */
    }
    struct sockaddr_in6 where = {.sin6_family = AF_INET6, .sin6_port = htons(ql__http_server_port(self)), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    char out[2048];
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    put(fd, "GET /hello HTTP/1.1\r\nHost: [::1]\r\n" END);
    take_all(fd, out, sizeof out);
    assert_int_equal(code_of(out), 200);
    close(fd);
    ql__http_server_stop(self);
}

static ql_status start_and_stop(void *user, ql_error *err)
{
    (void)user;
    ql__http_server *self = NULL;
    const ql__http_server_options options = {.address = "127.0.0.1", .token = "t", .handler_fn = answer};
    ql_status status = ql__http_server_start(&options, &self, err);
    if (status >= 0) ql__http_server_stop(self);
    return status;
}

static void test_http_server__start_survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, start_and_stop, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_server__answers_what_it_serves),
        cmocka_unit_test(test_http_server__hands_on_the_query),
        cmocka_unit_test(test_http_server__answers_late_and_others_meanwhile),
        cmocka_unit_test(test_http_server__late_answers_end_when_nobody_waits),
        cmocka_unit_test(test_http_server__answers_with_what_lasts),
        cmocka_unit_test(test_http_server__keeps_a_connection),
        cmocka_unit_test(test_http_server__refuses_without_asking_the_handler),
        cmocka_unit_test(test_http_server__asks_for_its_token),
        cmocka_unit_test(test_http_server__what_is_no_http_ends),
        cmocka_unit_test(test_http_server__cuts_who_sends_a_byte_now_and_then),
        cmocka_unit_test(test_http_server__cuts_who_does_not_read),
        cmocka_unit_test(test_http_server__outlives_a_thousand_connections),
        cmocka_unit_test(test_http_server__silent_connections_make_room),
        cmocka_unit_test(test_http_server__silent_connections_keep_nobody_out),
        cmocka_unit_test(test_http_server__answers_the_version_without_a_host),
        cmocka_unit_test(test_http_server__stops_with_requests_under_way),
        cmocka_unit_test(test_http_server__says_why_it_does_not_start),
        cmocka_unit_test(test_http_server__listens_on_ipv6),
        cmocka_unit_test(test_http_server__start_survives_running_out_of_memory),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
