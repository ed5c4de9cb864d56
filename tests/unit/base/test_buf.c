/* Goal: buffers keep what is appended, always end in NUL, hold their cap, and a failure empties them and sticks. */
#include "support/testing.h"

#include <string.h>

#include "base/status.h"

static void assert_content(const ql_buf *buf, const char *text)
{
    assert_int_equal(buf->len, strlen(text));
    assert_string_equal(ql_buf_cstr(buf), text);
    assert_true(ql_str_equal(ql_buf_str(buf), ql_str_of(text)));
}

static void test_buf__is_an_empty_text_from_the_start(void **state)
{
    (void)state;
    ql_buf buf = QL_BUF_INIT;
    assert_content(&buf, "");
    ql_buf_clear(&buf);
    ql_buf_dispose(&buf);
    assert_content(&buf, "");
}

static void test_buf__keeps_what_is_appended(void **state)
{
    (void)state;
    ql_buf buf = QL_BUF_INIT;
    assert_int_equal(ql_buf_append(&buf, QL_STR("ab\0c")), QL_OK);
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.ptr, "ab\0c", 5);
    ql_buf_clear(&buf);
    ql_buf_append(&buf, (ql_str){NULL, 0});
    ql_buf_append_char(&buf, 'x');
    ql_buf_printf(&buf, "%d-%s", 42, "y");
    assert_content(&buf, "x42-y");
    for (int i = 0; i < 10000; i++) assert_int_equal(ql_buf_append_char(&buf, 'z'), QL_OK);
    assert_int_equal(buf.len, 10005);
    assert_int_equal(strlen(ql_buf_cstr(&buf)), 10005);
    ql_buf_dispose(&buf);
}

static void test_buf__appends_a_view_of_itself(void **state)
{
    (void)state;
    ql_test_alloc_install(); /* growth always moves, so a stale view would be seen */
    ql_buf buf = QL_BUF_INIT;
    ql_buf_append(&buf, QL_STR("0123456789"));
    for (int i = 0; i < 8; i++) assert_int_equal(ql_buf_append(&buf, ql_buf_str(&buf)), QL_OK);
    assert_int_equal(buf.len, 2560);
    for (size_t i = 0; i < buf.len; i++) assert_int_equal(buf.ptr[i], '0' + (int)(i % 10));
    ql_buf_dispose(&buf);
}

static void test_buf__takes_exactly_its_cap(void **state)
{
    (void)state;
    ql_buf buf;
    ql_buf_init(&buf, 5);
    assert_int_equal(ql_buf_append(&buf, QL_STR("12345")), QL_OK);
    assert_content(&buf, "12345");
    assert_int_equal(ql_buf_append(&buf, QL_STR("")), QL_OK);
    assert_int_equal(ql_buf_append_char(&buf, '6'), QL_E_LIMIT);
    assert_content(&buf, "");
    assert_int_equal(buf.limit_bytes, 5);
    ql_buf_dispose(&buf);
}

static void test_buf__stays_failed_until_cleared(void **state)
{
    (void)state;
    ql_buf buf;
    ql_buf_init(&buf, 4);
    ql_buf_append(&buf, QL_STR("1234"));
    assert_int_equal(ql_buf_printf(&buf, "%d", 5), QL_E_LIMIT);
    assert_int_equal(ql_buf_append(&buf, QL_STR("a")), QL_E_LIMIT);
    assert_int_equal(ql_buf_append_char(&buf, 'a'), QL_E_LIMIT);
    assert_int_equal(ql_buf_printf(&buf, "a"), QL_E_LIMIT);
    assert_int_equal(ql_buf_reserve(&buf, 0), QL_E_LIMIT);
    assert_content(&buf, "");
    ql_buf_clear(&buf);
    assert_int_equal(ql_buf_append(&buf, QL_STR("a")), QL_OK);
    assert_content(&buf, "a");
    ql_buf_dispose(&buf);
}

static void test_buf__refuses_sizes_beyond_the_default_cap(void **state)
{
    (void)state;
    ql_buf buf = QL_BUF_INIT;
    assert_int_equal(ql_buf_reserve(&buf, SIZE_MAX), QL_E_LIMIT);
    ql_buf_clear(&buf);
    assert_int_equal(ql_buf_reserve(&buf, ((size_t)1 << 30) + 1), QL_E_LIMIT);
    ql_buf_init(&buf, SIZE_MAX);
    assert_int_equal(ql_buf_reserve(&buf, SIZE_MAX), QL_E_LIMIT); /* the NUL does not fit */
}

static void test_buf__reserve_makes_later_appends_safe(void **state)
{
    (void)state;
    ql_test_alloc_install();
    ql_buf buf = QL_BUF_INIT;
    assert_int_equal(ql_buf_reserve(&buf, 1000), QL_OK);
    ql_test_fault_from(QL_FAULT_ALLOC, 0);
    for (int i = 0; i < 1000; i++) assert_int_equal(ql_buf_append_char(&buf, 'a'), QL_OK);
    assert_false(ql_test_fault_clear());
    ql_buf_dispose(&buf);
}

static ql_status build(void *user, ql_error *err)
{
    (void)user;
    ql_buf buf = QL_BUF_INIT;
    for (int i = 0; i < 100; i++) {
        ql_buf_append(&buf, QL_STR("some text, "));
        ql_buf_printf(&buf, "%d", i);
        ql_buf_append_char(&buf, '\n');
    }
    ql_status status = buf.status;
    if (status < 0) {
        assert_content(&buf, "");
        status = ql__fail(err, status, "%s", ql_status_name(status));
    }
    ql_buf_dispose(&buf);
    return status;
}

static void test_buf__needs_one_check_at_the_end(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, build, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf__is_an_empty_text_from_the_start),
        cmocka_unit_test(test_buf__keeps_what_is_appended),
        cmocka_unit_test(test_buf__appends_a_view_of_itself),
        cmocka_unit_test(test_buf__takes_exactly_its_cap),
        cmocka_unit_test(test_buf__stays_failed_until_cleared),
        cmocka_unit_test(test_buf__refuses_sizes_beyond_the_default_cap),
        cmocka_unit_test(test_buf__reserve_makes_later_appends_safe),
        cmocka_unit_test(test_buf__needs_one_check_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
