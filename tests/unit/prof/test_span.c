/* Goal: totals are exact over many threads, hooks outside a profiler record nothing, profilers nest and do not mix. */
#include "support/testing.h"

#include <string.h>

#include "base/status.h"
#include "prof/span.h"

static ql__prof_totals totals_of(const ql__prof *prof)
{
    ql__prof_totals totals;
    ql__prof_totals_read(prof, &totals);
    return totals;
}

static void one_span(void)
{
    QL_SPAN(FETCH);
    ql__counter_add(QL__COUNTER_DOCUMENTS, 2);
}

static void test_span__records_between_enter_and_leave_only(void **state)
{
    (void)state;
    ql__prof *prof = ql__prof_new();
    one_span();
    ql__prof *previous = ql__prof_enter(prof);
    assert_null(previous);
    one_span();
    one_span();
    ql__prof_leave(previous);
    one_span();
    ql__prof_totals totals = totals_of(prof);
    assert_int_equal(totals.spans[QL__SPAN_FETCH].count, 2);
    assert_true(totals.spans[QL__SPAN_FETCH].max_ns <= totals.spans[QL__SPAN_FETCH].wall_ns);
    assert_int_equal(totals.counters[QL__COUNTER_DOCUMENTS], 4);
    assert_int_equal(totals.spans[QL__SPAN_CHUNK].count, 0);
    ql__prof_free(prof);
    ql__prof_free(NULL);
}

static void test_span__an_ended_span_counts_once(void **state)
{
    (void)state;
    ql__prof *prof = ql__prof_new();
    ql__prof *previous = ql__prof_enter(prof);
    static ql_site site = QL_SITE_INIT(NULL, "stage");
    ql__span span = ql__span_begin(QL__SPAN_EMBED, &site);
    ql__span_end(&span);
    ql__span_end(&span);
    ql__prof_leave(previous);
    span = ql__span_begin(QL__SPAN_EMBED, &site); /* began while off */
    previous = ql__prof_enter(prof);
    ql__span_end(&span);
    ql__prof_leave(previous);
    assert_int_equal(totals_of(prof).spans[QL__SPAN_EMBED].count, 1);
    ql__prof_free(prof);
}

static void test_span__profilers_nest_and_do_not_mix(void **state)
{
    (void)state;
    ql__prof *outer = ql__prof_new(), *inner = ql__prof_new();
    ql__prof *before_outer = ql__prof_enter(outer);
    one_span();
    ql__prof *before_inner = ql__prof_enter(inner);
    assert_ptr_equal(before_inner, outer);
    one_span();
    one_span();
    ql__prof *before_off = ql__prof_enter(NULL);
    one_span();
    ql__prof_leave(before_off);
    ql__prof_leave(before_inner);
    one_span();
    ql__prof_leave(before_outer);
    assert_int_equal(totals_of(outer).spans[QL__SPAN_FETCH].count, 2);
    assert_int_equal(totals_of(inner).spans[QL__SPAN_FETCH].count, 2);
    ql__prof_free(outer);
    ql__prof_free(inner);
}

static void work(void *user, size_t index, size_t worker)
{
    (void)user;
    (void)worker;
    QL_SPAN(CHUNK);
    ql__counter_add(QL__COUNTER_CHUNKS, index);
}

static void test_span__threads_of_a_pool_take_part(void **state)
{
    (void)state;
    ql__pool *pool = NULL;
    ql__prof *prof = ql__prof_new();
    assert_int_equal(ql__pool_new(4, &pool, NULL), QL_OK);
    ql__pool_hooks_set(pool, ql__prof_pool_hooks());
    ql__pool_run(pool, 1000, work, NULL);
    ql__prof *previous = ql__prof_enter(prof);
    for (int i = 0; i < 20; i++) ql__pool_run(pool, 1000, work, NULL);
    ql__prof_leave(previous);
    ql__pool_run(pool, 1000, work, NULL);
    ql__prof_totals totals = totals_of(prof);
    assert_int_equal(totals.spans[QL__SPAN_CHUNK].count, 20000);
    assert_int_equal(totals.counters[QL__COUNTER_CHUNKS], 20 * 499500);
    ql__pool_free(pool);
    ql__prof_free(prof);
}

static void test_span__names_are_distinct(void **state)
{
    (void)state;
    for (int a = 0; a < QL__SPAN_COUNT; a++) {
        for (int b = 0; b < a; b++) assert_string_not_equal(ql__span_name((ql__span_id)a), ql__span_name((ql__span_id)b));
    }
    for (int a = 0; a < QL__COUNTER_COUNT; a++) {
        for (int b = 0; b < a; b++) assert_string_not_equal(ql__counter_name((ql__counter_id)a), ql__counter_name((ql__counter_id)b));
    }
    assert_string_equal(ql__span_name(QL__SPAN_QUERY_EMBED), "query_embed");
    assert_string_equal(ql__counter_name(QL__COUNTER_BYTES_READ), "bytes_read");
    assert_string_equal(ql__span_name(QL__SPAN_COUNT), "unknown");
    assert_string_equal(ql__counter_name(QL__COUNTER_COUNT), "unknown");
}

static ql_status make_prof(void *user, ql_error *err)
{
    (void)user;
    ql__prof *prof = ql__prof_new();
    if (!prof) return ql__fail_nomem(err);
    ql__prof_free(prof);
    return QL_OK;
}

static void test_span__new_survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, make_prof, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span__records_between_enter_and_leave_only),
        cmocka_unit_test(test_span__an_ended_span_counts_once),
        cmocka_unit_test(test_span__profilers_nest_and_do_not_mix),
        cmocka_unit_test(test_span__threads_of_a_pool_take_part),
        cmocka_unit_test(test_span__names_are_distinct),
        cmocka_unit_test(test_span__new_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
