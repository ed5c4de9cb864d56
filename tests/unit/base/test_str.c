/* Goal: views compare as bytes, the empty one included. */
#include "support/testing.h"

static void test_str__null_is_the_empty_view(void **state)
{
    (void)state;
    assert_int_equal(ql_str_of(NULL).len, 0);
    assert_int_equal(ql_str_of("abc").len, 3);
    assert_true(ql_str_equal(ql_str_of(NULL), QL_STR("")));
    assert_int_equal(ql_str_compare(ql_str_of(NULL), QL_STR("")), 0);
}

static void test_str__order_is_that_of_bytes(void **state)
{
    (void)state;
    static const ql_str sorted[] = {{"", 0}, {"\0", 1}, {"A", 1}, {"a", 1}, {"a\0b", 3}, {"ab", 2}, {"abc", 3}, {"b", 1}, {"\xc3\xa9", 2}, {"\xff", 1}};
    int count = (int)(sizeof sorted / sizeof sorted[0]);
    for (int a = 0; a < count; a++) {
        for (int b = 0; b < count; b++) {
            int order = ql_str_compare(sorted[a], sorted[b]);
            assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
            assert_int_equal(ql_str_equal(sorted[a], sorted[b]), a == b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str__null_is_the_empty_view),
        cmocka_unit_test(test_str__order_is_that_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
