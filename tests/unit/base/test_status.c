/* Goal: statuses have names; errors carry status, errno and one clean line, also when it is too long or has hostile bytes. */
#include "support/testing.h"

#include <errno.h>
#include <string.h>

#include "base/status.h"

static void test_status__every_kind_has_its_sentence(void **state)
{
    (void)state;
#define EXPECT_NAME(name, number, text) assert_string_equal(ql_status_name(QL_E_##name), text);
    QL_STATUS_KINDS(EXPECT_NAME)
#undef EXPECT_NAME
    assert_string_equal(ql_status_name(QL_OK), "ok");
    assert_string_equal(ql_status_name(QL_DONE), "done");
    assert_string_equal(ql_status_name(-255), "unknown status");
}

static void test_status__detail_does_not_change_the_kind(void **state)
{
    (void)state;
    ql_status detailed = -(3 | 7 << 8);
    assert_int_equal(ql_status_kind(detailed), QL_E_IO);
    assert_string_equal(ql_status_name(detailed), "input/output error");
    assert_int_equal(ql_status_kind(QL_DONE), QL_DONE);
}

static void test_status__fail_fills_and_returns(void **state)
{
    (void)state;
    ql_error err;
    memset(&err, 0x7f, sizeof err);
    assert_int_equal(ql__fail(&err, QL_E_FORMAT, "line %d: '%s'", 3, "x"), QL_E_FORMAT);
    assert_int_equal(err.status, QL_E_FORMAT);
    assert_string_equal(err.message, "line 3: 'x'");
    assert_int_equal(err.os_code, 0);
    assert_int_equal(err.http_code, 0);
    assert_int_equal(err.retry_after_ms, 0);
    assert_int_equal(err.reserved[2], 0);
    assert_int_equal(ql__fail(NULL, QL_E_FORMAT, "%d", 1), QL_E_FORMAT);
    assert_int_equal(ql__fail_nomem(&err), QL_E_NOMEM);
    assert_string_equal(err.message, "out of memory");
}

static void test_status__errno_becomes_a_kind(void **state)
{
    (void)state;
    static const struct {
        int os_code;
        ql_status status;
    } cases[] = {{ENOSPC, QL_E_NOSPACE}, {EDQUOT, QL_E_NOSPACE}, {ENOENT, QL_E_NOTFOUND}, {EEXIST, QL_E_EXISTS},
                 {ENOMEM, QL_E_NOMEM}, {EIO, QL_E_IO}, {EACCES, QL_E_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ql_error err = {0};
        assert_int_equal(ql__fail_errno(&err, cases[i].os_code, "cannot open 'a'"), cases[i].status);
        assert_int_equal(err.status, cases[i].status);
        assert_int_equal(err.os_code, cases[i].os_code);
        assert_int_equal(strncmp(err.message, "cannot open 'a': ", 17), 0);
        assert_true(strlen(err.message) > 20);
        assert_int_equal(ql__fail_errno(NULL, cases[i].os_code, "x"), cases[i].status);
    }
    ql_error err = {0};
    ql__fail_errno(&err, 99999, "x");
    assert_string_equal(err.message, "x: unknown error");
}

static void test_status__prefix_keeps_status_and_message(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__fail_errno(&err, EIO, "cannot read");
    ql__error_prefix(&err, "'%s'", "a.md");
    assert_int_equal(strncmp(err.message, "'a.md': cannot read: ", 21), 0);
    assert_int_equal(err.status, QL_E_IO);
    assert_int_equal(err.os_code, EIO);
    ql__error_prefix(NULL, "x");
}

static void test_status__message_may_quote_itself(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__fail(&err, QL_E_IO, "inner");
    ql__fail(&err, QL_E_CORRUPT, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
}

static void test_status__message_is_one_line(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__fail(&err, QL_E_IO, "a\nb\x1b[31mc\x7f");
    assert_string_equal(err.message, "a b [31mc ");
}

static void test_status__long_message_ends_at_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t c = 0; c < 3; c++) {
        for (size_t pad = 0; pad < 5; pad++) {
            char text[1000] = "";
            memset(text, 'a', pad);
            while (strlen(text) < 600) strcat(text, characters[c]);
            ql_error err = {0};
            ql__fail(&err, QL_E_IO, "%s", text);
            size_t len = strlen(err.message);
            size_t width = strlen(characters[c]);
            assert_true(len >= sizeof err.message - 1 - width && len < sizeof err.message);
            assert_int_equal((len - pad) % width, 0);
            ql__error_prefix(&err, "context");
            assert_int_equal((strlen(err.message) - pad - strlen("context: ")) % width, 0);
        }
    }
}

static ql_status first_failure(int *steps)
{
    *steps = 1;
    QL_TRY(QL_DONE);
    *steps = 2;
    QL_TRY(QL_E_BUSY);
    *steps = 3;
    return QL_OK;
}

static void test_status__try_returns_failures_only(void **state)
{
    (void)state;
    int steps = 0;
    assert_int_equal(first_failure(&steps), QL_E_BUSY);
    assert_int_equal(steps, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status__every_kind_has_its_sentence),
        cmocka_unit_test(test_status__detail_does_not_change_the_kind),
        cmocka_unit_test(test_status__fail_fills_and_returns),
        cmocka_unit_test(test_status__errno_becomes_a_kind),
        cmocka_unit_test(test_status__prefix_keeps_status_and_message),
        cmocka_unit_test(test_status__message_may_quote_itself),
        cmocka_unit_test(test_status__message_is_one_line),
        cmocka_unit_test(test_status__long_message_ends_at_a_character),
        cmocka_unit_test(test_status__try_returns_failures_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
