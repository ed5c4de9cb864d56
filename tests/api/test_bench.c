/* ql_bench_http() through the public headers alone: what cannot be asked for is refused by name before anything is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <qloader.h>

static void count(void *user, const ql_bench_sample *sample)
{
    size_t *samples = user;
    (void)sample;
    (*samples)++;
}

static void expect(ql_bench_request request, ql_bench_http_options options, ql_status status, const char *message)
{
    size_t samples = 0;
    ql_error err = {0};
    if (options.sample_fn != NULL) options.user = &samples;
    ql_status got = ql_bench_http(&request, 1, &options, NULL, &err);
    if (got != status || strstr(err.message, message) == NULL || samples != 0) fail_msg("%d '%s' instead of %d '%s'", got, err.message, status, message);
}

static ql_bench_request request_of(const char *url)
{
    return (ql_bench_request){.struct_size = sizeof(ql_bench_request), .url = url};
}

static ql_bench_http_options usual(void)
{
    ql_bench_http_options options = QL_BENCH_HTTP_OPTIONS_INIT;
    options.sample_fn = count;
    options.rounds = 1;
    return options;
}

static void test_bench__requests_that_cannot_be_sent(void **state)
{
    (void)state;
    static const char *const broken[] = {"X: 1\r\nY: 2"}, *const missing[] = {NULL};
    ql_bench_request request = request_of("http://127.0.0.1:1/");
    expect(request_of(NULL), usual(), QL_E_INVALID, "neither an http");
    expect(request_of("file:///etc/passwd"), usual(), QL_E_INVALID, "'file:///etc/passwd' is neither an http nor an https address");
    request.method = "get";
    expect(request, usual(), QL_E_INVALID, "request 0: 'get' is no method");
    request.method = "GET / HTTP/1.1\r\nX:";
    expect(request, usual(), QL_E_INVALID, "is no method");
    request.method = NULL;
    request.header_count = 1;
    expect(request, usual(), QL_E_INVALID, "headers is NULL");
    request.headers = broken;
    expect(request, usual(), QL_E_INVALID, "header 0 is NULL or has a line break");
    request.headers = missing;
    expect(request, usual(), QL_E_INVALID, "header 0 is NULL");
    request.header_count = 0;
    request.struct_size = 8;
    expect(request, usual(), QL_E_INVALID, "struct_size is 8");
    request.struct_size = sizeof request;
    request.reserved[1] = 1;
    expect(request, usual(), QL_E_INVALID, "ql_bench_request");
}

static void test_bench__options_that_do_not_fit(void **state)
{
    (void)state;
    size_t samples = 0;
    ql_error err = {0};
    const ql_bench_request request = request_of("http://127.0.0.1:1/");
    ql_bench_http_options options = usual();
    ql_bench_http_report report = {.struct_size = 4};
    options.user = &samples;
    assert_int_equal(ql_bench_http(NULL, 1, &options, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_bench_http(&request, 0, &options, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_bench_http(&request, 1001, &options, NULL, &err), QL_E_LIMIT);
    assert_int_equal(ql_bench_http(&request, 1, NULL, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_bench_http(&request, 1, &options, &report, &err), QL_E_INVALID);
    assert_int_equal(samples, 0);
    options.sample_fn = NULL;
    expect(request, options, QL_E_INVALID, "sample_fn is NULL");
    options = usual();
    options.rounds = 1000001;
    expect(request, options, QL_E_LIMIT, "1000000 rounds");
    options = usual();
    options.concurrency = 1001;
    expect(request, options, QL_E_LIMIT, "1000 requests at a time");
    options = usual();
    options.reserved[0] = 1;
    expect(request, options, QL_E_INVALID, "ql_bench_http_options");
}

static void test_bench__no_answer_is_a_sample(void **state)
{
    (void)state;
    size_t samples = 0;
    ql_error err = {0};
    const ql_bench_request request = request_of("http://127.0.0.1:1/");
    ql_bench_http_options options = usual();
    ql_bench_http_report report = QL_BENCH_HTTP_REPORT_INIT;
    setenv("no_proxy", "127.0.0.1", 1);
    options.rounds = 4;
    options.user = &samples;
    assert_int_equal(ql_bench_http(&request, 1, &options, &report, &err), QL_OK);
    assert_int_equal(samples, 4);
    assert_true(report.elapsed_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bench__requests_that_cannot_be_sent),
        cmocka_unit_test(test_bench__options_that_do_not_fit),
        cmocka_unit_test(test_bench__no_answer_is_a_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
