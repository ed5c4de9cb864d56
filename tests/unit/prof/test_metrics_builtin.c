/* Goal: built-in metrics are counted where a thread takes part and nowhere else; every span has its histogram. */
#include "support/testing.h"

#include "prof/metric_cells.h"
#include "prof/metrics.h"

static uint64_t sum_of(const ql_series *series)
{
    uint64_t cells[QL__METRIC_BOUNDS_MAX + 2];
    ql__series_sum(series, cells);
    return cells[0];
}

static void test_metrics_builtin__are_counted_between_enter_and_leave_only(void **state)
{
    (void)state;
    ql__prof *prof = ql__prof_new();
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), prof, &self, NULL), QL_OK);
    ql__prof_metrics_set(prof, self);
    for (int round = 0; round < 2; round++) {
        ql__prof *previous = ql__prof_enter(round == 0 ? NULL : prof);
        assert_int_equal(ql__metrics_current() != NULL, round);
        ql__metric_add(QL__METRIC_HTTP_RETRIES, 0, 2);
        ql__metric_change(QL__METRIC_ACTIVE, 0, 1);
        ql__metric_set(QL__METRIC_LAST_SUCCESS, 0, 12);
        ql__metric_observe(QL__METRIC_SEARCH_HITS, 0, 3);
        ql__metric_error(QL_E_NET);
        ql__metric_error(QL_OK);
        ql__metric_error(QL_DONE);
        uint64_t begin_ns = ql__metric_begin();
        assert_int_equal(begin_ns != 0, round);
        ql__metric_end(QL__METRIC_HTTP_TIME, 0, begin_ns);
        ql__metric_end_document(QL__METRIC_REF_CHUNKING, 0, begin_ns, QL_STR("0af3"));
        ql__prof_leave(previous);
    }
    assert_int_equal(sum_of(ql__metrics_builtin(self, QL__METRIC_HTTP_RETRIES, 0)), 2);
    assert_true(ql__series_value(ql__metrics_builtin(self, QL__METRIC_ACTIVE, 0)) == 1);
    assert_true(ql__series_value(ql__metrics_builtin(self, QL__METRIC_LAST_SUCCESS, 0)) == 12);
    assert_string_equal(ql__metrics_builtin(self, QL__METRIC_ERRORS, QL__ERROR_NET)->labels, "class=\"net\"");
    for (size_t i = 0; i < ql__metric_fact_of(QL__METRIC_ERRORS)->value_count; i++) assert_int_equal(sum_of(ql__metrics_builtin(self, QL__METRIC_ERRORS, i)), i == QL__ERROR_NET);
    ql__metrics_free(self);
    ql__prof_free(prof);
}

static uint64_t count_of(ql__metrics *self, ql__metric_id id, size_t value)
{
    uint64_t cells[QL__METRIC_BOUNDS_MAX + 2], count = 0;
    ql__series_sum(ql__metrics_builtin(self, id, value), cells);
    for (size_t i = 0; i <= ql__metric_fact_of(id)->bound_count; i++) count += cells[i];
    return count;
}

static void test_metrics_builtin__every_span_has_its_histogram(void **state)
{
    (void)state;
    ql__prof *prof = ql__prof_new();
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), prof, &self, NULL), QL_OK);
    ql__prof_metrics_set(prof, self);
    ql__prof *previous = ql__prof_enter(prof);
    for (int id = 0; id < QL__SPAN_COUNT; id++) {
        static ql_site site = QL_SITE_INIT(NULL, "stage");
        ql__span span = ql__span_begin((ql__span_id)id, &site);
        ql__span_end(&span);
    }
    ql__prof_leave(previous);
    static const ql__metric_id staged[] = {QL__METRIC_STAGE, QL__METRIC_SEARCH_STAGE};
    for (size_t m = 0; m < 2; m++)
        for (size_t v = 0; v < ql__metric_fact_of(staged[m])->value_count; v++) assert_int_equal(count_of(self, staged[m], v), 1);
    assert_int_equal(count_of(self, QL__METRIC_SEARCH, 0), 1);
    ql__metrics_free(self);
    ql__prof_free(prof);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_builtin__are_counted_between_enter_and_leave_only),
        cmocka_unit_test(test_metrics_builtin__every_span_has_its_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
