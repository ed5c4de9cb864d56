/*
 * Goal: looks tell a connection that is kept from one that is made again and again, count nothing that is no TCP connection, and are in a capture
 * with HTTP spans, and only there. Method: real sockets on the loopback; captures read back.
 */
#include "support/qprof_read.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "prof/connection_count.h"

/* --- a server and its client ------------------------------------------------------------------------------------------------------------------ */

static int listener(int family, struct sockaddr_storage *at, socklen_t *size)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const void *from = family == AF_INET ? (const void *)&v4 : &v6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *size = family == AF_INET ? sizeof v4 : sizeof v6;
    if (fd < 0 || bind(fd, from, *size) != 0 || listen(fd, 16) != 0) {
        if (fd >= 0) close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, size), 0);
    return fd;
}

typedef struct pair {
    int client, server;
} pair;

static pair connect_to(int listening, const struct sockaddr_storage *at, socklen_t size)
{
    pair made = {socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), -1};
    assert_true(made.client >= 0);
    assert_int_equal(connect(made.client, (const struct sockaddr *)at, size), 0);
    made.server = accept(listening, NULL, NULL);
    assert_true(made.server >= 0);
    return made;
}

static void hang_up(pair ended)
{
    close(ended.client);
    close(ended.server);
}

static ql__connection_count *count_new(void)
{
    ql__connection_count *self = calloc(1, sizeof *self);
    assert_non_null(self);
    return self;
}

static void expect(ql__connection_count *self, uint64_t looks, uint64_t new_looks, uint64_t seen, uint64_t seen_new)
{
    assert_int_equal(self->looks, looks);
    assert_int_equal(self->new_looks, new_looks);
    assert_int_equal(self->seen, seen);
    assert_int_equal(self->seen_new, seen_new);
    free(self);
}

/* --- looks ------------------------------------------------------------------------------------------------------------------------------------ */

static void test_connection_count__tells_kept_ones_from_new_ones(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_storage at;
        socklen_t size;
        int listening = listener(families[i], &at, &size);
        if (listening < 0 && families[i] == AF_INET6) continue; /* the machine has none */
        assert_true(listening >= 0);
        ql__connection_count *kept = count_new(), *made = count_new();
        pair one = connect_to(listening, &at, size), two = connect_to(listening, &at, size);
        for (int look = 0; look < 20; look++) ql__connection_look(kept);
        hang_up(two);
        for (int look = 0; look < 20; look++) {
            pair other = connect_to(listening, &at, size);
            ql__connection_look(made);
            hang_up(other);
        }
        hang_up(one);
        close(listening);
        expect(kept, 20, 1, 20 * 3, 3);      /* two clients, and the server's ends as one */
        expect(made, 20, 20, 20 * 3, 2 + 20); /* `one` and the server's end are old but at first */
    }
}

static void test_connection_count__counts_connections_only(void **state)
{
    (void)state;
    struct sockaddr_storage at;
    socklen_t size;
    int listening = listener(AF_INET, &at, &size), pipes[2], local[2], datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listening >= 0 && datagram >= 0 && idle >= 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, local), 0);
    assert_int_equal(connect(datagram, (const struct sockaddr *)&at, size), 0); /* as who asks for a name does */
    ql__connection_count *nothing = count_new();
    ql__connection_look(nothing);
    expect(nothing, 0, 0, 0, 0);
    const int all[] = {listening, datagram, idle, pipes[0], pipes[1], local[0], local[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) close(all[i]);
}

static void test_connection_count__forgets_ports_in_the_end(void **state)
{
    (void)state;
    struct sockaddr_storage at;
    socklen_t size;
    int listening = listener(AF_INET, &at, &size);
    assert_true(listening >= 0);
    ql__connection_count *self = count_new(), *kept = count_new();
    pair one = connect_to(listening, &at, size);
    int client = one.client;
    ql__connection_look(self);
    one.client = fcntl(client, F_DUPFD_CLOEXEC, 1500); /* beyond what is looked at: as if it were closed */
    assert_true(one.client >= 1500);
    close(client);
    for (int look = 0; look < 5000; look++) {
        ql__connection_look(self);
        ql__connection_look(kept);
    }
    assert_int_equal(dup2(one.client, client), client);
    ql__connection_look(self);
    hang_up(one);
    close(client);
    close(listening);
    expect(self, 5002, 2, 5000 + 4, 3); /* the client's port counts as another by now; the server's was there all the time */
    expect(kept, 5000, 1, 5000, 1);
}

/* --- in a capture ----------------------------------------------------------------------------------------------------------------------------- */

static void pass_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static uint64_t number(ql_str file, const char *key)
{
    ql_str text = qprof_meta(file, key);
    char copy[24];
    snprintf(copy, sizeof copy, "%.*s", (int)text.len, text.len > 0 ? text.ptr : "");
    return strtoull(copy, NULL, 10);
}

/* A connection a request, and one that is kept beyond the end, when there is a look for sure. */
static ql_buf capture_of(ql_site *site, int requests)
{
    ql_prof *prof = NULL;
    ql_buf file = QL_BUF_INIT;
    struct sockaddr_storage at;
    socklen_t size;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_SPANS;
    int listening = listener(AF_INET, &at, &size);
    assert_true(listening >= 0);
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    for (int i = 0; i < requests; i++) {
        ql_span span = ql_span_start(site);
        pair made = connect_to(listening, &at, size);
        pass_ms(20);
        hang_up(made);
        ql_span_end(&span);
    }
    pair kept = connect_to(listening, &at, size);
    assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
    hang_up(kept);
    assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &file, NULL), QL_OK);
    ql_prof_free(prof);
    close(listening);
    return file;
}

static void test_connection_count__is_in_captures_with_requests(void **state)
{
    (void)state;
    static ql_site http = {.name = "GET", .category = "HTTP client"}, other = {.name = "read", .category = "file"};
    ql_buf file = capture_of(&http, 10);
    ql_str bytes = ql_buf_str(&file);
    uint64_t looks = number(bytes, "connection_looks"), looks_new = number(bytes, "connection_looks_new"), seen = number(bytes, "connections_seen"),
             seen_new = number(bytes, "connections_seen_new");
    assert_true(looks > 0 && looks_new > 0 && looks_new <= looks && seen_new <= seen);
    assert_true(seen >= looks && seen <= looks * 2 && seen_new <= 12); /* a client and the server's end; eleven clients in all */
    assert_true(number(bytes, "machine_connections") >= 11);
    ql_buf_dispose(&file);
    file = capture_of(&other, 3);
    assert_int_equal(qprof_meta(ql_buf_str(&file), "connection_looks").len, 0);
    ql_buf_dispose(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_count__tells_kept_ones_from_new_ones),
        cmocka_unit_test(test_connection_count__counts_connections_only),
        cmocka_unit_test(test_connection_count__forgets_ports_in_the_end),
        cmocka_unit_test(test_connection_count__is_in_captures_with_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
