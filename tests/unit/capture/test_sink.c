/* Goal: what is put arrives whole and in order, compressed or not; the first failure is kept; numbers and XML are as promised; no memory: told, nothing left. */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "capture/sink.h"

static int take(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

static int refuse(void *user, const void *data, size_t size)
{
    (void)data;
    (void)size;
    ++*(int *)user;
    return 77;
}

static void test_sink__hands_over_everything_in_order(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql__sink sink;
    ql__sink_init(&sink, take, &out);
    for (int i = 0; i < 50000; i++) ql__sink_printf(&sink, "%d,", i);
    assert_int_equal(ql__sink_finish(&sink, NULL), QL_OK);
    assert_int_equal(out.len, sink.written);
    const char *at = out.ptr;
    for (int i = 0; i < 50000; i++) {
        char *end;
        assert_int_equal(strtol(at, &end, 10), i);
        assert_int_equal(*end, ',');
        at = end + 1;
    }
    ql_buf_dispose(&out);
}

static void check_text(void (*put)(ql__sink *sink), const char *expected)
{
    ql_buf out = QL_BUF_INIT;
    ql__sink sink;
    ql__sink_init(&sink, take, &out);
    put(&sink);
    assert_int_equal(ql__sink_finish(&sink, NULL), QL_OK);
    assert_string_equal(ql_buf_cstr(&out), expected);
    ql_buf_dispose(&out);
}

static void put_numbers(ql__sink *sink)
{
    ql__sink_fixed(sink, 1234, 2);
    ql__sink_put(sink, QL_STR(" "));
    ql__sink_fixed(sink, -5, 3);
    ql__sink_put(sink, QL_STR(" "));
    ql__sink_fixed(sink, INT64_MIN, 0);
}

static void put_xml(ql__sink *sink)
{
    ql__sink_xml(sink, QL_STR("<a href='x'>&\"\x01\n\xff\xc3\xa9"));
}

static void test_sink__writes_numbers_and_xml(void **state)
{
    (void)state;
    check_text(put_numbers, "12.34 -0.005 -9223372036854775808");
    check_text(put_xml, "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9");
}

static void test_sink__keeps_the_first_failure(void **state)
{
    (void)state;
    for (int gzip = 0; gzip < 2; gzip++) {
        int calls = 0;
        ql_error err = {0};
        ql__sink sink;
        ql__sink_init(&sink, refuse, &calls);
        if (gzip) ql__sink_gzip(&sink);
        for (int i = 0; i < 100000; i++) ql__sink_cstring(&sink, "something to hand over ");
        ql__sink_fail(&sink, QL_E_NOMEM, NULL);
        assert_int_equal(ql_status_kind(ql__sink_finish(&sink, &err)), QL_E_CALLBACK);
        assert_int_equal(err.callback_value, 77);
        assert_int_equal(calls, 1);
    }
}

static ql_status fill(void *user, ql_error *err)
{
    ql_buf out = QL_BUF_INIT;
    ql__sink sink;
    ql__sink_init(&sink, take, &out);
    if (user != NULL) ql__sink_gzip(&sink);
    for (int i = 0; i < 20000; i++) ql__sink_printf(&sink, "%d-%d ", i, i * 7);
    ql_status status = ql__sink_finish(&sink, err);
    /* The caller's own end of memory is its callback's failure. */
    if (ql_status_kind(status) == QL_E_CALLBACK) status = ql__fail_nomem(err);
    ql_buf_dispose(&out);
    return status;
}

static void test_sink__survives_running_out_of_memory(void **state)
{
    (void)state;
    static char gzip;
    ql_test_fault_loop(QL_FAULT_ALLOC, fill, NULL);
    ql_test_fault_loop(QL_FAULT_ALLOC, fill, &gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sink__hands_over_everything_in_order),
        cmocka_unit_test(test_sink__writes_numbers_and_xml),
        cmocka_unit_test(test_sink__keeps_the_first_failure),
        cmocka_unit_test(test_sink__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
