/*
 * Goal: both formats say what was counted, byte for byte; numbers survive any locale; the format that a client prefers is the one it gets.
 * That foreign parsers read them is tested in tests/program/test_metrics.py.
 */
#include "support/testing.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "prof/metric_cells.h"
#include "prof/metrics.h"

static double read_value(void *user)
{
    return *(double *)user;
}

static ql__metrics *filled(double *callback)
{
    static const double bounds[] = {0.5, 1};
    ql__metrics *self = NULL;
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), NULL, &self, NULL), QL_OK);
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    options.type = QL_METRIC_COUNTER;
    options.name = "t_read_bytes";
    options.unit = "bytes";
    options.help = "a \"help\" with \\ and\na line";
    options.label_names = (const char *[]){"kind"};
    options.label_count = 1;
    assert_int_equal(ql__metric_register(self, &options, &metric, NULL), QL_OK);
    assert_int_equal(ql__metric_series(metric, &QL_STR("a\"b"), 1, &series, NULL), QL_OK);
    ql_series_add(series, UINT64_C(9007199254740993)); /* 2^53 + 1: no double */
    options = (ql_metric_options)QL_METRIC_OPTIONS_INIT;
    options.type = QL_METRIC_HISTOGRAM;
    options.name = "t_wait_seconds";
    options.unit = "seconds";
    options.bounds = bounds;
    options.bound_count = 2;
    assert_int_equal(ql__metric_register(self, &options, &metric, NULL), QL_OK);
    assert_int_equal(ql__metric_series(metric, NULL, 0, &series, NULL), QL_OK);
    ql_series_observe(series, 0.25);
    ql_series_observe_with(series, 3, QL_STR("trace_id"), QL_STR("x\"1"));
    options = (ql_metric_options)QL_METRIC_OPTIONS_INIT;
    options.type = QL_METRIC_GAUGE;
    options.name = "t_level";
    options.read_fn = read_value;
    options.user = callback;
    assert_int_equal(ql__metric_register(self, &options, &metric, NULL), QL_OK);
    return self;
}

/* What is written from the first line about t_ on. */
static void own_part(ql__metrics *self, ql_metrics_format format, ql_buf *all, const char **out)
{
    ql_error err = {0};
    ql_buf_clear(all);
    assert_int_equal(ql__metrics_write(self, format, all, &err), QL_OK);
    *out = strstr(ql_buf_cstr(all), "# HELP t_");
    assert_non_null(*out);
}

static void test_metrics_text__prometheus(void **state)
{
    (void)state;
    double level = -0.1;
    const char *text = NULL;
    ql_buf all = QL_BUF_INIT;
    ql__metrics *self = filled(&level);
    own_part(self, QL_METRICS_TEXT, &all, &text);
    assert_string_equal(text, "# HELP t_read_bytes_total a \"help\" with \\\\ and\\na line\n# TYPE t_read_bytes_total counter\nt_read_bytes_total{kind=\"a\\\"b\"} 9007199254740993\n"
                              "# HELP t_wait_seconds \n# TYPE t_wait_seconds histogram\nt_wait_seconds_bucket{le=\"0.5\"} 1\nt_wait_seconds_bucket{le=\"1.0\"} 1\nt_wait_seconds_bucket{le=\"+Inf\"} 2\n"
                              "t_wait_seconds_count 2\nt_wait_seconds_sum 3.25\n# HELP t_level \n# TYPE t_level gauge\nt_level -0.1\n");
    ql__metrics_free(self);
    ql_buf_dispose(&all);
}

static void test_metrics_text__openmetrics_has_units_exemplars_and_an_end(void **state)
{
    (void)state;
    double level = NAN;
    const char *text = NULL;
    ql_buf all = QL_BUF_INIT;
    ql__metrics *self = filled(&level);
    own_part(self, QL_METRICS_OPENMETRICS, &all, &text);
    const char *begin = "# HELP t_read_bytes a \\\"help\\\" with \\\\ and\\na line\n# TYPE t_read_bytes counter\n# UNIT t_read_bytes bytes\nt_read_bytes_total{kind=\"a\\\"b\"} 9007199254740993\n"
                        "# HELP t_wait_seconds \n# TYPE t_wait_seconds histogram\n# UNIT t_wait_seconds seconds\nt_wait_seconds_bucket{le=\"0.5\"} 1\nt_wait_seconds_bucket{le=\"1.0\"} 1\n"
                        "t_wait_seconds_bucket{le=\"+Inf\"} 2 # {trace_id=\"x\\\"1\"} 3 ";
    assert_memory_equal(text, begin, strlen(begin));
    const char *end = "t_wait_seconds_count 2\nt_wait_seconds_sum 3.25\n# HELP t_level \n# TYPE t_level gauge\nt_level NaN\n# EOF\n";
    assert_string_equal(text + strlen(text) - strlen(end), end);
    ql__metrics_free(self);
    ql_buf_dispose(&all);
}

static void test_metrics_text__numbers_read_back(void **state)
{
    (void)state;
    static const struct { double value; const char *text; } cases[] = {
        {0, "0"}, {-3, "-3"}, {9007199254740991.0, "9007199254740991"}, {1e300, "1e+300"}, {0.1, "0.1"}, {1.0 / 3, "0.33333333333333331"}, {INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {5e-324, "4.94065645841247e-324"}};
    double level = 0;
    const char *text = NULL;
    ql_buf all = QL_BUF_INIT;
    ql__metrics *self = filled(&level);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        level = cases[i].value;
        own_part(self, QL_METRICS_TEXT, &all, &text);
        const char *got = strstr(text, "\nt_level ") + 9;
        assert_memory_equal(got, cases[i].text, strlen(cases[i].text));
        assert_int_equal(got[strlen(cases[i].text)], '\n');
    }
    ql__metrics_free(self);
    ql_buf_dispose(&all);
}

static void test_metrics_text__a_comma_of_the_locale_stays_out(void **state)
{
    (void)state;
    double level = 0.25;
    const char *text = NULL;
    ql_buf all = QL_BUF_INIT;
    char *dir = ql_test_dir_new(), command[300];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", dir);
    bool made = system(command) == 0 && setenv("LOCPATH", dir, 1) == 0;
    bool chosen = made && setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL;
    ql_test_dir_remove(dir);
    if (!chosen) skip(); /* no localedef, or not its sources: the package locales */
    char probe[8];
    snprintf(probe, sizeof probe, "%.1f", 0.5);
    assert_string_equal(probe, "0,5");
    ql__metrics *self = filled(&level);
    own_part(self, QL_METRICS_TEXT, &all, &text);
    assert_non_null(strstr(text, "\nt_level 0.25\n"));
    assert_non_null(strstr(text, "le=\"0.5\""));
    assert_non_null(setlocale(LC_NUMERIC, "C"));
    ql__metrics_free(self);
    ql_buf_dispose(&all);
}

static void test_metrics_text__exemplars_are_left_out_where_they_do_not_fit(void **state)
{
    (void)state;
    static char long_value[140];
    double level = 0;
    const char *text = NULL;
    ql_buf all = QL_BUF_INIT;
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), NULL, &self, NULL), QL_OK);
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    options.type = QL_METRIC_HISTOGRAM;
    options.name = "t_seconds";
    assert_int_equal(ql__metric_register(self, &options, &metric, NULL), QL_OK);
    assert_int_equal(ql__metric_series(metric, NULL, 0, &series, NULL), QL_OK);
    memset(long_value, 'x', sizeof long_value);
    ql_series_observe_with(series, 1, QL_STR("id"), (ql_str){long_value, 127});
    ql_series_observe_with(series, 1, QL_STR("1d"), QL_STR("x"));
    ql_series_observe_with(series, 1, QL_STR(""), QL_STR("x"));
    own_part(self, QL_METRICS_OPENMETRICS, &all, &text);
    assert_null(strstr(text, "# {"));
    ql_series_observe_with(series, 1, QL_STR("id"), (ql_str){long_value, 126});
    own_part(self, QL_METRICS_OPENMETRICS, &all, &text);
    assert_non_null(strstr(text, "# {id=\"xxx"));
    assert_non_null(strstr(text, "t_seconds_count 4\n"));
    ql__metrics_free(self);
    ql_buf_dispose(&all);
    (void)level;
}

static void test_metrics_text__no_sum_where_values_may_be_negative(void **state)
{
    (void)state;
    static const double bounds[] = {-1, 1};
    const char *text = NULL;
    ql_buf all = QL_BUF_INIT;
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), NULL, &self, NULL), QL_OK);
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    options.type = QL_METRIC_HISTOGRAM;
    options.name = "t_offset";
    options.bounds = bounds;
    options.bound_count = 2;
    assert_int_equal(ql__metric_register(self, &options, &metric, NULL), QL_OK);
    assert_int_equal(ql__metric_series(metric, NULL, 0, &series, NULL), QL_OK);
    own_part(self, QL_METRICS_OPENMETRICS, &all, &text);
    assert_null(strstr(text, "t_offset_sum"));
    own_part(self, QL_METRICS_TEXT, &all, &text);
    assert_non_null(strstr(text, "t_offset_sum 0\n"));
    ql__metrics_free(self);
    ql_buf_dispose(&all);
}

static void test_metrics_text__the_buffers_limit_is_an_error(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf small = QL_BUF_INIT;
    ql__metrics *self = NULL;
    assert_int_equal(ql__metrics_new(ql__sys_default(), NULL, &self, NULL), QL_OK);
    ql_buf_init(&small, 1000);
    assert_int_equal(ql__metrics_write(self, QL_METRICS_TEXT, &small, &err), QL_E_LIMIT);
    ql_buf_clear(&small);
    assert_int_equal(ql__metrics_write(self, (ql_metrics_format)3, &small, &err), QL_E_INVALID);
    ql_buf_dispose(&small);
    ql__metrics_free(self);
}

static ql_status write_both(void *user, ql_error *err)
{
    ql_buf text = QL_BUF_INIT;
    ql_status status = ql__metrics_write(user, QL_METRICS_TEXT, &text, err);
    if (status >= 0) status = ql__metrics_write(user, QL_METRICS_OPENMETRICS, &text, err);
    ql_buf_dispose(&text);
    return status;
}

static void test_metrics_text__survives_running_out_of_memory(void **state)
{
    (void)state;
    double level = 1.5;
    ql__metrics *self = filled(&level);
    for (long n = 0; n < 40; n++) { /* a reading of /proc that fails keeps the last value, so that only some failures show */
        ql_error err = {0};
        ql_test_fault_at(QL_FAULT_ALLOC, n);
        ql_status status = write_both(self, &err);
        (void)ql_test_fault_clear();
        assert_true(status == QL_OK || status == QL_E_NOMEM);
    }
    ql__metrics_free(self);
}

static void test_metrics_text__the_preferred_format_is_chosen(void **state)
{
    (void)state;
    static const struct { const char *accept; int format; } cases[] = {
        {"", QL_METRICS_TEXT}, {"*/*", QL_METRICS_TEXT}, {"text/plain", QL_METRICS_TEXT}, {"application/json", QL_METRICS_TEXT},
        {"application/openmetrics-text", QL_METRICS_OPENMETRICS}, {"Application/OpenMetrics-Text; version=1.0.0", QL_METRICS_OPENMETRICS},
        {"application/openmetrics-text; version=\"1.0.0\"; charset=utf-8", QL_METRICS_OPENMETRICS}, {"application/openmetrics-text;version=2.0.0", QL_METRICS_TEXT},
        {"application/openmetrics-text;version=0.0.1,text/plain;q=0.5", QL_METRICS_TEXT}, {"application/openmetrics-text;q=0", QL_METRICS_TEXT},
        /* what Prometheus 2.42 sends, and one that prefers text */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", QL_METRICS_OPENMETRICS},
        {"text/plain;q=0.9, application/openmetrics-text;version=1.0.0;q=0.8", QL_METRICS_TEXT}, {"text/plain;version=1.0.0, application/openmetrics-text;q=0.1", QL_METRICS_OPENMETRICS},
        {"application/openmetrics-text;q=0.5,text/*;q=0.5", QL_METRICS_OPENMETRICS}, {"application/openmetrics-text;q=7", QL_METRICS_TEXT},
        {"application/openmetrics-text;q=1.000, text/plain;q=0.999", QL_METRICS_OPENMETRICS}, {"application/openmetrics-text;q=", QL_METRICS_TEXT}, {",,;;=,", QL_METRICS_TEXT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if ((int)ql__metrics_negotiate(ql_str_of(cases[i].accept)) != cases[i].format) fail_msg("'%s'", cases[i].accept);
    assert_int_equal(ql__metrics_negotiate((ql_str){NULL, 0}), QL_METRICS_TEXT);
    assert_non_null(strstr(ql__metrics_content_type(QL_METRICS_TEXT), "version=0.0.4"));
    assert_non_null(strstr(ql__metrics_content_type(QL_METRICS_OPENMETRICS), "version=1.0.0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_text__prometheus),
        cmocka_unit_test(test_metrics_text__openmetrics_has_units_exemplars_and_an_end),
        cmocka_unit_test(test_metrics_text__numbers_read_back),
        cmocka_unit_test(test_metrics_text__a_comma_of_the_locale_stays_out),
        cmocka_unit_test(test_metrics_text__exemplars_are_left_out_where_they_do_not_fit),
        cmocka_unit_test(test_metrics_text__no_sum_where_values_may_be_negative),
        cmocka_unit_test(test_metrics_text__the_buffers_limit_is_an_error),
        cmocka_unit_test(test_metrics_text__survives_running_out_of_memory),
        cmocka_unit_test(test_metrics_text__the_preferred_format_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
