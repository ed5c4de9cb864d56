/*
 * Goal: readings of the process and the machine are plausible, held against what the C library says; where /proc cannot be read, values stay.
 */
#include "support/testing.h"

#include <time.h>

#include "prof/metric_cells.h"

static double value_of(ql__metrics *self, ql__metric_id id)
{
    return ql__series_value(ql__metrics_builtin(self, id, 0));
}

static void test_metrics_process__readings_are_plausible(void **state)
{
    (void)state;
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), NULL, &self, NULL), QL_OK);
    ql__metrics_read_process(self);
    double first_cpu = value_of(self, QL__METRIC_CPU_SECONDS), start = value_of(self, QL__METRIC_START);
    for (volatile int i = 0; i < 20000000; i++) {
    }
    ql__metrics_read_process(self);
    assert_true(value_of(self, QL__METRIC_CPU_SECONDS) > first_cpu);
    assert_true(start > 1.5e9 && start <= (double)time(NULL) + 1);
    assert_true(value_of(self, QL__METRIC_START) == start);
    assert_true(value_of(self, QL__METRIC_THREADS) >= 1);
    double resident = value_of(self, QL__METRIC_RESIDENT);
    assert_true(resident > 100000 && resident < value_of(self, QL__METRIC_VIRTUAL));
    assert_true(value_of(self, QL__METRIC_REF_MEMORY) > 0 && value_of(self, QL__METRIC_REF_MEMORY) < 100);
    assert_true(value_of(self, QL__METRIC_REF_CPU) >= 0 && value_of(self, QL__METRIC_REF_CPU) <= 100);
    ql__metrics_free(self);
}

static void test_metrics_process__what_cannot_be_read_stays(void **state)
{
    (void)state;
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql_test_sys(), NULL, &self, NULL), QL_OK);
    ql__metrics_read_process(self);
    double resident = value_of(self, QL__METRIC_RESIDENT), memory = value_of(self, QL__METRIC_REF_MEMORY);
    assert_true(resident > 0 && memory > 0);
    ql_test_fault_from(QL_FAULT_FILE, 0);
    ql__metrics_read_process(self);
    assert_true(ql_test_fault_clear());
    assert_true(value_of(self, QL__METRIC_RESIDENT) == resident);
    assert_true(value_of(self, QL__METRIC_REF_MEMORY) == memory);
    ql__metrics_free(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_process__readings_are_plausible),
        cmocka_unit_test(test_metrics_process__what_cannot_be_read_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
