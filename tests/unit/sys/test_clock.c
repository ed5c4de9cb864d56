/* Goal: time comes from the table that was handed in; the kernel's never runs backwards. */
#include "support/testing.h"

static void test_clock__follows_the_table(void **state)
{
    (void)state;
    const ql__sys *sys = ql_test_sys();
    ql_test_clock_set(1000);
    uint64_t before = ql__monotonic_ns(sys);
    ql_test_clock_advance(25);
    assert_int_equal(ql__wall_ms(sys), 1025);
    assert_int_equal(ql__monotonic_ns(sys) - before, 25000000);
}

static void test_clock__of_the_kernel_moves_forward(void **state)
{
    (void)state;
    const ql__sys *sys = ql__sys_default();
    uint64_t last = ql__monotonic_ns(sys);
    assert_true(last > 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = ql__monotonic_ns(sys);
        assert_true(now >= last);
        last = now;
    }
    assert_true(ql__wall_ms(sys) > 1577836800000); /* 2020: the unit is milliseconds */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__follows_the_table),
        cmocka_unit_test(test_clock__of_the_kernel_moves_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
