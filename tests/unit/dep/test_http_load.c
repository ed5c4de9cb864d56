/* Goal: every request is sent as often as asked, by turns, and told once; failures are samples; it stops when asked; memory that runs out is told. */
#include "dep/http_load.h"
#include "support/file_server.h"

typedef struct heard {
    size_t count, of[3], failed, by_turns;
    int32_t codes[3];
    size_t last;
    bool stop;
} heard;

static void hear(void *user, const ql_bench_sample *sample)
{
    heard *self = user;
    assert_true(sample->request_index < 3);
    self->by_turns += self->count == 0 || sample->request_index == (self->last + 1) % 3;
    self->last = sample->request_index;
    self->count++;
    self->of[sample->request_index]++;
    self->codes[sample->request_index] = sample->code;
    self->failed += sample->code == 0;
    assert_int_equal(sample->code == 0, sample->reason != NULL);
    assert_true(sample->first_byte_ns <= sample->total_ns);
    if (sample->code == 200) assert_int_equal(sample->body_bytes, 12);
}

static int stopped(void *user)
{
    return ((heard *)user)->stop;
}

static ql_bench_request get(const char *url)
{
    return (ql_bench_request){.struct_size = sizeof(ql_bench_request), .url = url};
}

static ql_status load(const ql_bench_request *requests, size_t count, uint32_t rounds, uint32_t warmup, uint32_t concurrency, heard *into, ql_bench_http_report *report, ql_error *err)
{
    const ql_bench_http_options options = {.struct_size = sizeof options, .rounds = rounds, .warmup = warmup, .concurrency = concurrency, .timeout_ms = 30000, .sample_fn = hear, .cancelled_fn = stopped, .user = into};
    return ql__http_load(requests, count, &options, report, err);
}

static void test_http_load__by_turns_as_often_as_asked(void **state)
{
    (void)state;
    static char urls[3][100];
    file_server web;
    char *dir = ql_test_dir_new();
    ql_test_file_write(ql_test_path(dir, "hello"), QL_STR("hello, world"));
    file_server_start(&web, dir, 0);
    snprintf(urls[0], 100, "http://127.0.0.1:%d/hello", web.port);
    snprintf(urls[1], 100, "http://127.0.0.1:%d/status/503", web.port);
    snprintf(urls[2], 100, "http://127.0.0.1:%d/loop/x", web.port);
    const ql_bench_request requests[] = {get(urls[0]), get(urls[1]), get(urls[2])};
    static const uint32_t shapes[][3] = {{5, 0, 1}, {4, 2, 1}, {7, 1, 4}, {1, 3, 16}}; /* rounds, warm-up, at a time */
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        heard all = {0};
        ql_bench_http_report report = QL_BENCH_HTTP_REPORT_INIT;
        ql_error err = {0};
        if (load(requests, 3, shapes[i][0], shapes[i][1], shapes[i][2], &all, &report, &err) < 0) fail_msg("%s", err.message);
        assert_int_equal(all.count, 3 * shapes[i][0]);
        for (int r = 0; r < 3; r++) assert_int_equal(all.of[r], shapes[i][0]);
        assert_true(all.codes[0] == 200 && all.codes[1] == 503 && all.codes[2] == 302); /* redirects are not followed */
        if (shapes[i][2] == 1) assert_int_equal(all.by_turns, all.count);
        assert_int_equal(report.connections, all.count); /* this server closes each */
        assert_true(report.elapsed_ns > 0);
    }
    file_server_stop(&web);
    ql_test_dir_remove(dir);
}

static void test_http_load__no_answer_is_a_sample(void **state)
{
    (void)state;
    heard all = {0};
    ql_bench_http_report report = QL_BENCH_HTTP_REPORT_INIT;
    ql_error err = {0};
    setenv("no_proxy", "127.0.0.1", 1);
    const ql_bench_request request = get("http://127.0.0.1:1/");
    assert_int_equal(load(&request, 1, 5, 2, 2, &all, &report, &err), QL_OK);
    assert_int_equal(all.count, 5);
    assert_int_equal(all.failed, 5);
}

static void test_http_load__stops_when_asked(void **state)
{
    (void)state;
    file_server web;
    char url[100], *dir = ql_test_dir_new();
    heard all = {.stop = true};
    ql_bench_http_report report = QL_BENCH_HTTP_REPORT_INIT;
    ql_error err = {0};
    file_server_start(&web, dir, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/silent/", web.port);
    const ql_bench_request request = get(url);
    assert_int_equal(load(&request, 1, 3, 0, 1, &all, &report, &err), QL_E_CANCELLED);
    assert_int_equal(all.count, 0);
    file_server_stop(&web);
    ql_test_dir_remove(dir);
}

static ql_status refused(void *user, ql_error *err)
{
    (void)user;
    heard all = {0};
    ql_bench_http_report report = QL_BENCH_HTTP_REPORT_INIT;
    const ql_bench_request request = get("http://127.0.0.1:1/");
    return load(&request, 1, 2, 0, 2, &all, &report, err);
}

static void test_http_load__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, refused, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_load__by_turns_as_often_as_asked),
        cmocka_unit_test(test_http_load__no_answer_is_a_sample),
        cmocka_unit_test(test_http_load__stops_when_asked),
        cmocka_unit_test(test_http_load__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
