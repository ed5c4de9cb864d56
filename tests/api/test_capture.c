/*
 * Captures through the public headers alone: every format of a capture is written, wrong calls are named, and the page is served at its secret address
 * and nowhere else. argv[1]: a capture. What the formats hold is tested in tests/unit/capture and tests/program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <qloader.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *path;

static ql_capture *opened(void)
{
    ql_capture *self = NULL;
    ql_error err = {0};
    if (ql_capture_open(path, QL_CAPTURE_NO_SYMBOLS, &self, &err) < 0) fail_msg("%s", err.message);
    return self;
}

static int keep(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

static int stop(void *user, const void *data, size_t size)
{
    (void)data, (void)size;
    (*(int *)user)++;
    return 7;
}

static void test_capture__is_written_in_every_format(void **state)
{
    (void)state;
    ql_capture *capture = opened();
    for (int32_t format = QL_CAPTURE_PPROF; format <= QL_CAPTURE_HTML; format++) {
        ql_buf out = QL_BUF_INIT;
        ql_error err = {0};
        int calls = 0;
        if (ql_capture_write(capture, format, NULL, keep, &out, &err) < 0) fail_msg("format %d: %s", format, err.message);
        assert_true(out.len > 0);
        assert_int_equal(ql_capture_write(capture, format, NULL, stop, &calls, &err), QL_E_CALLBACK);
        assert_int_equal(calls, 1);
        ql_buf_dispose(&out);
    }
    ql_capture_free(capture);
}

static void test_capture__what_changed_is_a_graph_a_table_or_a_page(void **state)
{
    (void)state;
    ql_capture *capture = opened();
    for (int32_t format = QL_CAPTURE_PPROF; format <= QL_CAPTURE_HTML; format++) {
        ql_buf out = QL_BUF_INIT;
        ql_error err = {0};
        bool can = format == QL_CAPTURE_FLAME_SVG || format == QL_CAPTURE_TOP_JSON || format == QL_CAPTURE_HTML;
        assert_int_equal(ql_capture_diff(capture, capture, format, NULL, keep, &out, &err), can ? QL_OK : QL_E_INVALID);
        assert_int_equal(out.len > 0, can);
        ql_buf_dispose(&out);
    }
    ql_capture_free(capture);
}

static void test_capture__wrong_calls_are_named(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf out = QL_BUF_INIT;
    ql_capture *capture = opened(), *other = NULL;
    ql_capture_server *server = NULL;
    ql_capture_view view = QL_CAPTURE_VIEW_INIT;
    assert_int_equal(ql_capture_open(NULL, 0, &other, &err), QL_E_INVALID);
    assert_int_equal(ql_capture_open(path, 0, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_capture_open(path, 2, &other, &err), QL_E_INVALID);
    assert_int_equal(ql_capture_open("/nowhere/capture.qprof", 0, &other, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "/nowhere/capture.qprof"));
    assert_int_equal(ql_capture_write(capture, 0, NULL, keep, &out, &err), QL_E_INVALID);
    assert_int_equal(ql_capture_write(capture, QL_CAPTURE_HTML + 1, NULL, keep, &out, &err), QL_E_INVALID);
    assert_int_equal(ql_capture_write(NULL, QL_CAPTURE_HTML, NULL, keep, &out, &err), QL_E_INVALID);
    assert_int_equal(ql_capture_write(capture, QL_CAPTURE_HTML, NULL, NULL, &out, &err), QL_E_INVALID);
    view.reserved[2] = 1;
    assert_int_equal(ql_capture_write(capture, QL_CAPTURE_HTML, &view, keep, &out, &err), QL_E_INVALID);
    assert_int_equal(ql_capture_server_start(NULL, NULL, 0, &server, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "capture is NULL"));
    assert_int_equal(ql_capture_server_start(capture, NULL, 0, NULL, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "out is NULL"));
    assert_int_equal(ql_capture_server_start(capture, NULL, 65536, &server, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "65536"));
    assert_null(server);
    assert_null(other);
    assert_int_equal(out.len, 0);
    assert_string_equal(ql_capture_server_url(NULL), "");
    ql_capture_server_stop(NULL);
    ql_capture_free(NULL);
    ql_capture_free(capture);
    ql_buf_dispose(&out);
}

/* All that a request is answered with. */
static void ask(unsigned port, const char *target, ql_buf *out)
{
    char text[4096];
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n", target, port);
    assert_int_equal(send(fd, text, (size_t)length, MSG_NOSIGNAL), length);
    for (ssize_t got; (got = recv(fd, text, sizeof text, 0)) > 0;) assert_int_equal(ql_buf_append(out, (ql_str){text, (size_t)got}), QL_OK);
    close(fd);
}

static const char *body_of(const ql_buf *answer, const char *status)
{
    const char *body = strstr(ql_buf_cstr(answer), "\r\n\r\n");
    assert_non_null(body);
    assert_memory_equal(ql_buf_cstr(answer), status, strlen(status));
    return body + 4;
}

static void serve(bool compared)
{
    ql_error err = {0};
    ql_buf page = QL_BUF_INIT, answer = QL_BUF_INIT;
    ql_capture *capture = opened(), *before = compared ? opened() : NULL;
    ql_capture_server *server = NULL, *second = NULL;
    char target[80], wrong[80];
    unsigned port = 0;
    ql_status status = compared ? ql_capture_diff(before, capture, QL_CAPTURE_HTML, NULL, keep, &page, &err) : ql_capture_write(capture, QL_CAPTURE_HTML, NULL, keep, &page, &err);
    assert_int_equal(status, QL_OK);
    if (ql_capture_server_start(capture, before, 0, &server, &err) < 0) fail_msg("%s", err.message);
    assert_int_equal(sscanf(ql_capture_server_url(server), "http://127.0.0.1:%u%79s", &port, target), 2);
    assert_int_equal(strlen(target), 34);
    assert_int_equal(ql_capture_server_start(capture, before, port, &second, &err), QL_E_BUSY);
    ql_capture_free(before);
    ql_capture_free(capture); /* not needed any more */
    ask(port, target, &answer);
    assert_string_equal(body_of(&answer, "HTTP/1.1 200 "), ql_buf_cstr(&page));
    memcpy(wrong, target, sizeof wrong);
    wrong[32] = target[32] == '0' ? '1' : '0';
    const char *nothing[] = {"/", "/profile.html", wrong};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        ql_buf_clear(&answer);
        ask(port, nothing[i], &answer);
        assert_string_equal(body_of(&answer, "HTTP/1.1 404 "), "not found\n");
    }
    ql_capture_server_stop(server);
    ql_buf_dispose(&answer);
    ql_buf_dispose(&page);
}

static void test_capture__is_served(void **state)
{
    (void)state;
    serve(false);
    serve(true);
}

static void test_capture__two_servers_have_two_secrets(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_capture *capture = opened();
    ql_capture_server *servers[2] = {NULL};
    for (int i = 0; i < 2; i++)
        if (ql_capture_server_start(capture, NULL, 0, &servers[i], &err) < 0) fail_msg("%s", err.message);
    assert_string_not_equal(strchr(ql_capture_server_url(servers[0]) + 7, '/'), strchr(ql_capture_server_url(servers[1]) + 7, '/'));
    for (int i = 0; i < 2; i++) ql_capture_server_stop(servers[i]);
    ql_capture_free(capture);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capture__is_written_in_every_format),
        cmocka_unit_test(test_capture__what_changed_is_a_graph_a_table_or_a_page),
        cmocka_unit_test(test_capture__wrong_calls_are_named),
        cmocka_unit_test(test_capture__is_served),
        cmocka_unit_test(test_capture__two_servers_have_two_secrets),
    };
    path = argc > 1 ? argv[1] : "capture.qprof";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
