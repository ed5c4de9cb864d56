/*
 * Goal: counts are exact over many threads; series are bounded; what the formats do not allow is refused; every allocation
 * may fail.
 */
#include "support/testing.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "prof/metric_cells.h"
#include "prof/metrics.h"

static ql__metrics *registry(void)
{
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), NULL, &self, NULL), QL_OK);
    return self;
}

static ql_metric_options options_of(int type, const char *name)
{
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    options.type = type;
    options.name = name;
    options.help = "a test";
    return options;
}

static ql_metric *added(ql__metrics *self, const ql_metric_options *options)
{
    ql_metric *metric = NULL;
    ql_error err = {0};
    ql_status status = ql__metric_register(self, options, &metric, &err);
    if (status < 0) fail_msg("%s", err.message);
    return metric;
}

static ql_series *series_of(ql_metric *metric, const char *value)
{
    ql_series *series = NULL;
    ql_str text = ql_str_of(value);
    assert_int_equal(ql__metric_series(metric, &text, value != NULL ? 1 : 0, &series, NULL), QL_OK);
    return series;
}

static uint64_t sum_of(const ql_series *series)
{
    uint64_t cells[QL__METRIC_BOUNDS_MAX + 2];
    ql__series_sum(series, cells);
    return cells[0];
}

/* --- counting ------------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 40, ROUNDS = 5000 }; /* more threads than shards */

typedef struct shared {
    ql_series *counter, *gauge, *histogram;
} shared;

static void *count(void *user)
{
    const shared *self = user;
    for (int i = 0; i < ROUNDS; i++) {
        ql_series_add(self->counter, 3);
        ql_series_change(self->gauge, i % 2 == 0 ? 2 : -1);
        ql_series_observe(self->histogram, i % 4);
    }
    return NULL;
}

static void test_metrics__count_exactly_over_threads(void **state)
{
    (void)state;
    static const double bounds[] = {0, 1, 2};
    ql__metrics *self = registry();
    ql_metric_options counter = options_of(QL_METRIC_COUNTER, "c"), gauge = options_of(QL_METRIC_GAUGE, "g"), histogram = options_of(QL_METRIC_HISTOGRAM, "h");
    histogram.bounds = bounds;
    histogram.bound_count = 3;
    shared all = {series_of(added(self, &counter), NULL), series_of(added(self, &gauge), NULL), series_of(added(self, &histogram), NULL)};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, count, &all), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(sum_of(all.counter), (uint64_t)THREADS * ROUNDS * 3);
    assert_true(ql__series_value(all.gauge) == THREADS * ROUNDS / 2.0);
    uint64_t cells[5];
    ql__series_sum(all.histogram, cells);
    for (int i = 0; i < 4; i++) assert_int_equal(cells[i], (uint64_t)THREADS * ROUNDS / 4);
    assert_true(ql__double_of_bits(cells[4]) == THREADS * (ROUNDS / 4.0) * 6);
    ql__metrics_free(self);
}

static void test_metrics__cells_of_threads_share_no_cache_line(void **state)
{
    (void)state;
    ql__metrics *self = registry();
    ql_metric_options options = options_of(QL_METRIC_COUNTER, "c");
    ql_series *a = series_of(added(self, &options), NULL);
    assert_int_equal((uintptr_t)a->cells % 64, 0);
    ql__metrics_free(self);
}

static void test_metrics__buckets_hold_their_upper_bound(void **state)
{
    (void)state;
    static const double bounds[] = {-1, 0, 0.5, 7};
    static const struct { double value; size_t bucket; } cases[] = {{-INFINITY, 0}, {-1, 0}, {-0.9, 1}, {0, 1}, {-0.0, 1}, {0.1, 2}, {0.5, 2}, {0.6, 3}, {7, 3}, {7.1, 4}, {INFINITY, 4}};
    ql__metrics *self = registry();
    ql_metric_options options = options_of(QL_METRIC_HISTOGRAM, "h");
    options.bounds = bounds;
    options.bound_count = 4;
    options.label_names = (const char *[]){"k"};
    options.label_count = 1;
    ql_metric *metric = added(self, &options);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[8];
        uint64_t cells[6];
        snprintf(name, sizeof name, "%zu", i);
        ql_series *series = series_of(metric, name);
        ql_series_observe(series, cases[i].value);
        ql_series_observe(series, NAN);
        ql__series_sum(series, cells);
        for (size_t b = 0; b < 5; b++) assert_int_equal(cells[b], b == cases[i].bucket);
    }
    ql__metrics_free(self);
}

static void test_metrics__the_wrong_update_changes_nothing(void **state)
{
    (void)state;
    ql__metrics *self = registry();
    ql_metric_options counter = options_of(QL_METRIC_COUNTER, "c"), gauge = options_of(QL_METRIC_GAUGE, "g"), histogram = options_of(QL_METRIC_HISTOGRAM, "h");
    ql_series *c = series_of(added(self, &counter), NULL), *g = series_of(added(self, &gauge), NULL), *h = series_of(added(self, &histogram), NULL);
    ql_series_set(c, 5), ql_series_change(c, 5), ql_series_observe(c, 5);
    ql_series_add(g, 5), ql_series_observe(g, 5);
    ql_series_add(h, 5), ql_series_set(h, 5), ql_series_change(h, 5);
    ql_series_add(NULL, 1), ql_series_set(NULL, 1), ql_series_change(NULL, 1), ql_series_observe(NULL, 1), ql_series_observe_with(NULL, 1, QL_STR("a"), QL_STR("b"));
    ql_series_observe_with(c, 1, QL_STR("a"), QL_STR("b"));
    assert_int_equal(sum_of(c), 0);
    assert_true(ql__series_value(g) == 0);
    assert_int_equal(sum_of(h), 0);
    ql_series_add(ql__metrics_builtin(self, QL__METRIC_CHUNKS, 0), 7); /* one that is kept elsewhere */
    ql__metrics_free(self);
}

/* --- series --------------------------------------------------------------------------------------------------------------------- */

static void test_metrics__series_are_found_again_and_bounded(void **state)
{
    (void)state;
    ql__metrics *self = registry();
    ql_metric_options options = options_of(QL_METRIC_COUNTER, "c");
    options.label_names = (const char *[]){"k"};
    options.label_count = 1;
    options.series_max = 3;
    ql_metric *metric = added(self, &options);
    ql_series *a = series_of(metric, "a"), *b = series_of(metric, "b"), *c = series_of(metric, "c");
    assert_ptr_not_equal(a, b);
    ql_series *beyond = series_of(metric, "d");
    assert_ptr_equal(beyond, series_of(metric, "e"));
    assert_ptr_not_equal(beyond, c);
    assert_string_equal(beyond->labels, "overflow=\"true\"");
    assert_ptr_equal(a, series_of(metric, "a"));
    assert_ptr_equal(c, series_of(metric, "c"));
    ql__metrics_free(self);
}

static void test_metrics__a_thousand_series_unless_said_otherwise(void **state)
{
    (void)state;
    ql__metrics *self = registry();
    ql_metric_options options = options_of(QL_METRIC_GAUGE, "g");
    options.label_names = (const char *[]){"k"};
    options.label_count = 1;
    ql_metric *metric = added(self, &options);
    char name[16];
    for (int i = 0; i < 1005; i++) {
        snprintf(name, sizeof name, "v%d", i);
        ql_series *series = series_of(metric, name);
        assert_int_equal(strcmp(series->labels, "overflow=\"true\"") == 0, i >= 1000);
    }
    ql__metrics_free(self);
}

static void test_metrics__labels_are_escaped_and_mended(void **state)
{
    (void)state;
    static const struct { ql_str value; const char *labels; } cases[] = {
        {QL_STR("plain"), "k=\"plain\""}, {QL_STR("a\"b\\c\nd"), "k=\"a\\\"b\\\\c\\nd\""}, {QL_STR("\xc3\xa4\xff\xc3"), "k=\"\xc3\xa4??\""}, {QL_STR("a\0b"), "k=\"a?b\""}, {QL_STR(""), "k=\"\""}};
    ql__metrics *self = registry();
    ql_metric_options options = options_of(QL_METRIC_COUNTER, "c");
    options.label_names = (const char *[]){"k"};
    options.label_count = 1;
    ql_metric *metric = added(self, &options);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_series *series = NULL;
        assert_int_equal(ql__metric_series(metric, &cases[i].value, 1, &series, NULL), QL_OK);
        assert_string_equal(series->labels, cases[i].labels);
    }
    /* One label's value cannot pose as two. */
    options = options_of(QL_METRIC_COUNTER, "d");
    options.label_names = (const char *[]){"a", "b"};
    options.label_count = 2;
    metric = added(self, &options);
    ql_series *one = NULL, *two = NULL;
    assert_int_equal(ql__metric_series(metric, (ql_str[]){QL_STR("x\",b=\"y"), QL_STR("")}, 2, &one, NULL), QL_OK);
    assert_int_equal(ql__metric_series(metric, (ql_str[]){QL_STR("x"), QL_STR("y")}, 2, &two, NULL), QL_OK);
    assert_ptr_not_equal(one, two);
    ql__metrics_free(self);
}

static void test_metrics__series_that_cannot_be(void **state)
{
    (void)state;
    static char long_value[QL__METRIC_VALUE_BYTES_MAX + 1];
    ql__metrics *self = registry();
    ql_metric_options options = options_of(QL_METRIC_COUNTER, "c");
    options.label_names = (const char *[]){"k"};
    options.label_count = 1;
    ql_metric *metric = added(self, &options);
    ql_series *series = NULL;
    ql_error err = {0};
    assert_int_equal(ql__metric_series(metric, NULL, 0, &series, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "has 1 labels, not 0"));
    assert_int_equal(ql__metric_series(metric, NULL, 1, &series, &err), QL_E_INVALID);
    memset(long_value, 'x', sizeof long_value);
    assert_int_equal(ql__metric_series(metric, &(ql_str){long_value, sizeof long_value}, 1, &series, &err), QL_E_LIMIT);
    assert_int_equal(ql__metric_series(metric, &(ql_str){long_value, sizeof long_value - 1}, 1, &series, &err), QL_OK);
    ql__metrics_free(self);
}

/* --- metrics -------------------------------------------------------------------------------------------------------------------- */

static double read_seven(void *user)
{
    (void)user;
    return 7;
}

static void expect_refused(ql__metrics *self, ql_metric_options options, ql_status status, const char *message)
{
    ql_metric *metric = NULL;
    ql_error err = {0};
    ql_status got = ql__metric_register(self, &options, &metric, &err);
    if (got != status || strstr(err.message, message) == NULL || metric != NULL) fail_msg("'%s': %d '%s' instead of %d '%s'", options.name != NULL ? options.name : "(NULL)", got, err.message, status, message);
}

static void test_metrics__names_that_the_formats_refuse(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "", "1a", "a-b", "a b", "\xc3\xa4", "a:b"};
    static const char *const ends[] = {"a_total", "a_created", "a_bucket", "a_count", "a_sum"};
    char name[140];
    ql__metrics *self = registry();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) expect_refused(self, options_of(QL_METRIC_GAUGE, names[i]), QL_E_INVALID, "is no name of a metric");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) expect_refused(self, options_of(QL_METRIC_GAUGE, ends[i]), QL_E_INVALID, "what the formats add");
    memset(name, 'a', sizeof name);
    name[129] = '\0';
    expect_refused(self, options_of(QL_METRIC_GAUGE, name), QL_E_INVALID, "at most 128");
    name[128] = '\0';
    ql_metric_options longest = options_of(QL_METRIC_GAUGE, name);
    (void)added(self, &longest);
    ql_metric_options unit = options_of(QL_METRIC_GAUGE, "a_second");
    unit.unit = "seconds";
    expect_refused(self, unit, QL_E_INVALID, "does not end with '_seconds'");
    unit.name = "seconds";
    expect_refused(self, unit, QL_E_INVALID, "does not end with");
    unit.name = "a_seconds";
    (void)added(self, &unit);
    expect_refused(self, unit, QL_E_EXISTS, "there is a metric 'a_seconds' already");
    expect_refused(self, options_of(QL_METRIC_COUNTER, "qloader_chunks"), QL_E_EXISTS, "already");
    ql__metrics_free(self);
}

static void test_metrics__options_that_do_not_fit(void **state)
{
    (void)state;
    static const char *const labels[][2] = {{"le", "a"}, {"overflow", "a"}, {"__a", "b"}, {"", "b"}, {"a", "a"}, {"a-b", "c"}};
    static const char *const nine[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    static const double falling[] = {1, 1}, infinite[] = {INFINITY}, many[QL__METRIC_BOUNDS_MAX + 1] = {0};
    ql__metrics *self = registry();
    expect_refused(self, options_of(0, "a"), QL_E_INVALID, "no such type");
    expect_refused(self, options_of(4, "a"), QL_E_INVALID, "no such type");
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        ql_metric_options options = options_of(QL_METRIC_COUNTER, "a");
        options.label_names = labels[i];
        options.label_count = 2;
        expect_refused(self, options, QL_E_INVALID, "label");
    }
    ql_metric_options options = options_of(QL_METRIC_COUNTER, "a");
    options.label_count = 1;
    expect_refused(self, options, QL_E_INVALID, "label_names is NULL");
    options.label_names = nine;
    options.label_count = 9;
    expect_refused(self, options, QL_E_LIMIT, "9 labels");
    options = options_of(QL_METRIC_HISTOGRAM, "a");
    options.bounds = falling;
    expect_refused(self, options, QL_E_INVALID, "bounds go with bound_count");
    options.bound_count = 2;
    expect_refused(self, options, QL_E_INVALID, "bound 1 is not");
    options.type = QL_METRIC_GAUGE;
    expect_refused(self, options, QL_E_INVALID, "histograms only");
    options.type = QL_METRIC_HISTOGRAM;
    options.bounds = infinite;
    options.bound_count = 1;
    expect_refused(self, options, QL_E_INVALID, "bound 0 is not");
    options.bounds = many;
    options.bound_count = QL__METRIC_BOUNDS_MAX + 1;
    expect_refused(self, options, QL_E_LIMIT, "65 bounds");
    options = options_of(QL_METRIC_COUNTER, "a");
    options.read_fn = read_seven;
    expect_refused(self, options, QL_E_INVALID, "only a gauge");
    options = options_of(QL_METRIC_COUNTER, "a");
    options.series_max = QL__METRIC_SERIES_MAX + 1;
    expect_refused(self, options, QL_E_LIMIT, "100001 series");
    options = options_of(QL_METRIC_GAUGE, "a");
    options.read_fn = read_seven;
    ql_series *series = NULL;
    assert_int_equal(ql__metric_series(added(self, &options), NULL, 0, &series, NULL), QL_E_INVALID);
    ql__metrics_free(self);
}

static void test_metrics__a_registry_is_bounded(void **state)
{
    (void)state;
    ql__metrics *self = registry();
    char name[16];
    for (int i = QL__METRIC_COUNT; i < QL__METRICS_MAX; i++) {
        snprintf(name, sizeof name, "m%d", i);
        ql_metric_options options = options_of(QL_METRIC_GAUGE, name);
        (void)added(self, &options);
    }
    expect_refused(self, options_of(QL_METRIC_GAUGE, "one_more"), QL_E_LIMIT, "more than 500 metrics");
    ql__metrics_free(self);
}

/* --- faults --------------------------------------------------------------------------------------------------------------------- */

static ql_status use_all(void *user, ql_error *err)
{
    (void)user;
    ql__metrics *self = NULL;
    ql_status status = ql__metrics_new(ql__sys_default(), NULL, &self, err);
    if (status < 0) return status;
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    ql_metric_options options = options_of(QL_METRIC_HISTOGRAM, "h_seconds");
    options.unit = "seconds";
    options.label_names = (const char *[]){"a", "b"};
    options.label_count = 2;
    options.series_max = 1;
    status = ql__metric_register(self, &options, &metric, err);
    for (int i = 0; i < 2 && status >= 0; i++) status = ql__metric_series(metric, (ql_str[]){QL_STR("x"), i == 0 ? QL_STR("y") : QL_STR("z")}, 2, &series, err);
    if (status >= 0) {
        ql_test_fault_benign(); /* an exemplar that finds no room is left out */
        ql_series_observe_with(series, 1, QL_STR("id"), QL_STR("x"));
    }
    ql__metrics_free(self);
    return status;
}

static void test_metrics__survive_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, use_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__count_exactly_over_threads),
        cmocka_unit_test(test_metrics__cells_of_threads_share_no_cache_line),
        cmocka_unit_test(test_metrics__buckets_hold_their_upper_bound),
        cmocka_unit_test(test_metrics__the_wrong_update_changes_nothing),
        cmocka_unit_test(test_metrics__series_are_found_again_and_bounded),
        cmocka_unit_test(test_metrics__a_thousand_series_unless_said_otherwise),
        cmocka_unit_test(test_metrics__labels_are_escaped_and_mended),
        cmocka_unit_test(test_metrics__series_that_cannot_be),
        cmocka_unit_test(test_metrics__names_that_the_formats_refuse),
        cmocka_unit_test(test_metrics__options_that_do_not_fit),
        cmocka_unit_test(test_metrics__a_registry_is_bounded),
        cmocka_unit_test(test_metrics__survive_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
