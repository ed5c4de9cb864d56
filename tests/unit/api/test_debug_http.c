/*
 * Goal: what is asked for is recorded and nothing else: wrong numbers are refused at once, a capture that runs already is told, a recording that nobody
 * waits for ends, and memory may run out anywhere. Method: the two functions of a server without one; what tools make of the answers and who may ask is
 * in tests/program/test_metrics.py.
 */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "api/debug_http.h"
#include "base/status.h"
#include "sys/wake.h"
#include <qloader/prof.h>

static ql__http_answer fresh(void)
{
    ql__http_answer answer = {.code = 200, .content_type = QL__HTTP_TEXT};
    ql_buf_init(&answer.body, QL__HTTP_BODY_BYTES_MAX);
    return answer;
}

static ql__http_request get(const char *path, const char *query)
{
    return (ql__http_request){.method = QL_STR("GET"), .path = ql_str_of(path), .query = ql_str_of(query)};
}

/* Code of what is answered at once; 0: it is recorded. */
static unsigned at_once(const char *method, const char *path, const char *query)
{
    ql__http_answer answer = fresh();
    ql__http_request request = get(path, query);
    request.method = ql_str_of(method);
    bool known = ql__debug_http_answer(&request, &answer);
    unsigned code = !known ? 404 : answer.late ? 0 : answer.code;
    if (known && code == 0) {
        request.query_cut = true; /* part of it was not understood */
        assert_true(ql__debug_http_answer(&request, &answer));
        assert_int_equal(answer.code, 400);
    }
    if (known && code >= 400) assert_true(answer.body.len > 0);
    ql_buf_dispose(&answer.body);
    return code;
}

static void test_debug_http__reads_what_is_asked_for(void **state)
{
    (void)state;
    static const char *const paths[] = {"/debug/pprof/profile", "/debug/pprof/wall", "/debug/pprof/heap", "/debug/pprof/trace"};
    static const char *const good[] = {"", "seconds=1", "seconds=300", "hz=1&seconds=7", "hz=1000", "other=x&seconds=2", "debug="};
    static const char *const wrong[] = {"seconds=0", "seconds=301", "seconds=", "seconds=-1", "seconds=1x", "seconds= 1", "seconds=00001", "seconds=1&seconds=0", "hz=0", "hz=1001", "hz=99&seconds=x"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (size_t j = 0; j < sizeof good / sizeof *good; j++) assert_int_equal(at_once("GET", paths[i], good[j]), 0);
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) assert_int_equal(at_once("GET", paths[i], wrong[j]), 400);
        assert_int_equal(at_once("HEAD", paths[i], ""), 400);
    }
    assert_int_equal(at_once("GET", "/debug/pprof/", ""), 200);
    assert_int_equal(at_once("HEAD", "/debug/pprof/", ""), 200);
    assert_int_equal(at_once("GET", "/debug/pprof/tasks", ""), 501); /* this process does not show itself */
    assert_int_equal(at_once("GET", "/debug/pprof", ""), 404);
    assert_int_equal(at_once("GET", "/debug/pprof/profile/", ""), 404);
    assert_int_equal(at_once("GET", "/metrics", ""), 404);
}

static atomic_bool nobody, somebody;

static ql__http_answer recorded(const char *path, const atomic_bool *gone)
{
    int enough = -1;
    ql__http_answer answer = fresh();
    ql__http_request request = get(path, "seconds=300");
    assert_int_equal(ql__wake_open(&enough, NULL), QL_OK);
    ql__wake_signal(enough);
    const ql__http_watch watch = {enough, gone};
    ql__debug_http_record(NULL, &request, &watch, &answer);
    ql__wake_close(enough);
    return answer;
}

/* Ended from the beginning, so that it takes no time. */
static ql__http_answer recorded_at_once(const char *path)
{
    return recorded(path, &somebody);
}

static void test_debug_http__makes_nothing_for_nobody(void **state)
{
    (void)state;
    atomic_store(&nobody, true);
    ql__http_answer answer = recorded("/debug/pprof/trace", &nobody);
    assert_int_equal(answer.body.len, 0);
    ql_buf_dispose(&answer.body);
    assert_false(ql_prof_running());
}

static void test_debug_http__records(void **state)
{
    (void)state;
    ql__http_answer answer = recorded_at_once("/debug/pprof/trace");
    assert_int_equal(answer.code, 200);
    assert_string_equal(answer.content_type, "application/json");
    assert_non_null(strstr(ql_buf_cstr(&answer.body), "traceEvents"));
    ql_buf_dispose(&answer.body);
    assert_false(ql_prof_running());
}

static void test_debug_http__tells_of_a_capture_that_runs(void **state)
{
    (void)state;
    ql_prof *prof = NULL;
    assert_int_equal(ql_prof_start(NULL, &prof, NULL), QL_OK);
    ql__http_answer answer = recorded_at_once("/debug/pprof/profile");
    assert_int_equal(answer.code, 503);
    assert_string_equal(answer.content_type, QL__HTTP_TEXT);
    assert_true(answer.body.len > 0);
    assert_true(ql_prof_running()); /* and leaves it alone */
    ql_buf_dispose(&answer.body);
    ql_prof_free(prof);
}

static ql_status record_trace(void *user, ql_error *err)
{
    (void)user;
    ql__http_answer answer = recorded_at_once("/debug/pprof/trace");
    ql_status status = answer.code == 200 ? answer.body.status : QL_E_NOMEM;
    assert_true(answer.code == 200 || answer.code == 503);
    if (status >= 0) { /* what a capture says of the machine may be left out, its end not */
        assert_string_equal(ql_buf_cstr(&answer.body) + answer.body.len - 2, "]}");
        ql_test_fault_benign();
    }
    assert_false(ql_prof_running());
    ql_buf_dispose(&answer.body);
    return status >= 0 ? QL_OK : ql__fail_nomem(err);
}

static void test_debug_http__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, record_trace, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_debug_http__reads_what_is_asked_for),
        cmocka_unit_test(test_debug_http__records),
        cmocka_unit_test(test_debug_http__makes_nothing_for_nobody),
        cmocka_unit_test(test_debug_http__tells_of_a_capture_that_runs),
        cmocka_unit_test(test_debug_http__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
