/*
 * Goal: what the report says is true and says of what: each share stands beside the time or the memory that it is a share of; a run that had to wait for
 * processors is told; what was lost is told as what it is.
 * Method: profiles with one fact each, written as Markdown and as JSON, and the lines looked for.
 */
#include "support/testing.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/report.h"

#define MS UINT64_C(1000000)

static ql__profile *new_profile(uint64_t duration_ns)
{
    ql__profile *p = NULL;
    assert_int_equal(ql__profile_new(&p, NULL), QL_OK);
    p->numbers.duration_ns = duration_ns;
    for (uint64_t i = 0; i < 4; i++) assert_int_equal(ql__profile_thread_add(p, &(ql__profile_thread){.id = 10 + i}, NULL), QL_OK);
    return p;
}

static uint32_t text(ql__profile *p, const char *value)
{
    uint32_t id;
    assert_int_equal(ql__profile_string(p, ql_str_of(value), &id, NULL), QL_OK);
    return id;
}

static uint32_t stack(ql__profile *p, const char *name, uint32_t line)
{
    uint32_t location, id;
    const ql__profile_function function = {.name = text(p, name), .file = line != 0 ? text(p, "code.c") : 0, .module = text(p, "/bin/x"), .start_line = line};
    ql__profile_line row = {0, line};
    assert_int_equal(ql__profile_function_add(p, &function, &row.function, NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(p, 0, (uint64_t)line + p->functions_count, &row, 1, &location, NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(p, &location, 1, false, &id, NULL), QL_OK);
    return id;
}

static void samples(ql__profile *p, ql__sample_kind kind, uint32_t of_stack, uint32_t labels, uint32_t thread, size_t count, uint64_t each_ns)
{
    const int64_t values[] = {1, (int64_t)each_ns};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ql__profile_sample_add(p, kind, &(ql__profile_sample){.stack = of_stack, .labels = labels, .thread = thread, .at_ns = i}, values, NULL), QL_OK);
}

/* A statement of 10 ms, 100 times a thread, at the same time in each. */
static void statements(ql__profile *p, uint32_t threads)
{
    const ql__profile_site around = {text(p, "load"), text(p, "work"), text(p, "load"), text(p, "load.c"), 7}, sql = {text(p, "SELECT title FROM t"), text(p, "sql"), 0, 0, 0};
    assert_int_equal(ql__profile_site_add(p, &around, NULL), QL_OK);
    assert_int_equal(ql__profile_site_add(p, &sql, NULL), QL_OK);
    for (uint32_t t = 1; t <= threads; t++) {
        const ql__profile_span outer = {.id = 1000 * t, .end_ns = 2000 * MS, .cpu_ns = UINT64_MAX, .site = 1, .thread = t};
        assert_int_equal(ql__profile_span_add(p, &outer, NULL), QL_OK);
        for (uint64_t i = 0; i < 100; i++) {
            const ql__profile_span inner = {.id = 1000 * t + 1 + i, .parent = 1000 * t, .begin_ns = i * 10 * MS, .end_ns = (i + 1) * 10 * MS, .cpu_ns = UINT64_MAX, .site = 2, .thread = t};
            assert_int_equal(ql__profile_span_add(p, &inner, NULL), QL_OK);
        }
    }
}

static int take(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

static void expect_in(const ql_buf *text, const char *wanted)
{
    if (strstr(ql_buf_cstr(text), wanted) == NULL) fail_msg("no \"%s\" in:\n%s", wanted, ql_buf_cstr(text));
}

static void write_to(const ql__profile *p, ql_status (*write)(const ql__profile *, ql__sink *, ql_error *), ql_buf *out)
{
    ql__sink sink;
    ql__sink_init(&sink, take, out);
    assert_int_equal(write(p, &sink, NULL), QL_OK);
    assert_int_equal(ql__sink_finish(&sink, NULL), QL_OK);
}

/* Frees the profile. unwanted NULL: nothing. */
static void expect_report(ql__profile *p, const char *const wanted[], const char *const in_json[], const char *unwanted)
{
    ql_buf md = QL_BUF_INIT, json = QL_BUF_INIT;
    write_to(p, ql__write_report_md, &md);
    write_to(p, ql__write_report_json, &json);
    for (size_t i = 0; wanted[i] != NULL; i++) expect_in(&md, wanted[i]);
    for (size_t i = 0; in_json[i] != NULL; i++) expect_in(&json, in_json[i]);
    if (unwanted != NULL && strstr(ql_buf_cstr(&md), unwanted) != NULL) fail_msg("\"%s\" in:\n%s", unwanted, ql_buf_cstr(&md));
    ql_buf_dispose(&md);
    ql_buf_dispose(&json);
    ql__profile_free(p);
}

static const char *const nothing[] = {NULL};

/* 6 s of processor time in a run of 10 s: 60 % of the time, all of the processor time. */
static void test_report_write__processor_time_of_a_run_that_waits(void **state)
{
    (void)state;
    ql__profile *p = new_profile(10000 * MS);
    samples(p, QL__SAMPLE_CPU, stack(p, "multiply", 14), 0, 1, 450, 10 * MS);
    samples(p, QL__SAMPLE_CPU, stack(p, "other", 3), 0, 1, 150, 10 * MS);
    expect_report(p, (const char *const[]){"1. [MEDIUM] multiply (code.c:14) - 45.0% of total time (± 2.1%): 4.50 s CPU time of 10.00 s wall time, 75.0% of all CPU time\n", NULL},
                  (const char *const[]){"\"base\":\"wall_time\",\"base_nanoseconds\":10000000000,\"share\":0.45,", "\"cpu_share\":0.75,", NULL}, NULL);
}

/* Four threads compute for 10 s each; one of them makes the same query for 1 s, which is a tenth of the run and not a fortieth. */
static void test_report_write__time_is_no_share_of_processor_time(void **state)
{
    (void)state;
    ql__profile *p = new_profile(10000 * MS);
    uint32_t hot = stack(p, "multiply", 14);
    for (uint32_t t = 1; t <= 4; t++) samples(p, QL__SAMPLE_CPU, hot, 0, t, 1000, 10 * MS);
    statements(p, 1);
    expect_report(p, (const char *const[]){"multiply (code.c:14) - 100.0% of total time (CPU time of all threads, as sampled): 40.00 s of 40.00 s\n",
                                           "[MEDIUM] load (load.c:7) - 10.0% of total time: 1.00 s of 10.00 s wall time\n", NULL},
                  (const char *const[]){"\"base\":\"cpu_time\",\"base_nanoseconds\":40000000000,", "\"base\":\"wall_time\",\"base_nanoseconds\":10000000000,", NULL}, NULL);
}

/* What four threads do at the same time takes the run as long as one of them. */
static void test_report_write__time_of_threads_side_by_side_counts_once(void **state)
{
    (void)state;
    ql__profile *p = new_profile(10000 * MS);
    statements(p, 4);
    expect_report(p, (const char *const[]){"load (load.c:7) - 10.0% of total time: 1.00 s of 10.00 s wall time\n", "400 times under 4 spans", NULL}, nothing, NULL);
}

static void test_report_write__a_wait_is_the_mean_of_its_threads(void **state)
{
    (void)state;
    ql__profile *p = new_profile(10000 * MS);
    uint32_t labels, where = stack(p, "take_lock", 52);
    assert_int_equal(ql__profile_labels_add(p, &(ql__profile_label){text(p, "waits_for"), text(p, "table")}, 1, &labels, NULL), QL_OK);
    for (uint32_t thread = 1; thread <= 4; thread++) samples(p, QL__SAMPLE_LOCK, where, labels, thread, 100, 50 * MS);
    expect_report(p, (const char *const[]){"take_lock (code.c:52)", " - 50.0% of total time: 5.00 s a thread of 10.00 s wall time\n", NULL}, nothing, NULL);
}

static void test_report_write__memory_of_which_peak(void **state)
{
    (void)state;
    ql__profile *p = new_profile(10000 * MS);
    p->numbers.memory_peak_bytes = 400 << 20;
    p->heap = (ql__profile_heap){.known = true, .final = true, .peak_bytes = 100 << 20, .peak_ns = 9999 * MS};
    const int64_t values[QL__SAMPLE_VALUES_MAX] = {[QL__HEAP_PEAK_OBJECTS] = 2, [QL__HEAP_PEAK_BYTES] = 40 << 20, [QL__HEAP_SAMPLED] = 2};
    assert_int_equal(ql__profile_sample_add(p, QL__SAMPLE_HEAP, &(ql__profile_sample){.stack = stack(p, "load_all", 9)}, values, NULL), QL_OK);
    expect_report(p, (const char *const[]){" - 40.0% of peak memory: 40.0 MiB of 100.0 MiB that the heap had at its peak\n", NULL},
                  (const char *const[]){"\"base\":\"heap_peak\",\"base_bytes\":104857600,", NULL}, NULL);
}

/* Where debug information is missing, what was inlined cannot be told apart. */
static void test_report_write__a_functions_own_code(void **state)
{
    (void)state;
    for (uint32_t line = 0; line <= 14; line += 14) {
        ql__profile *p = new_profile(10000 * MS);
        samples(p, QL__SAMPLE_CPU, stack(p, "multiply", line), 0, 1, 500, 10 * MS);
        expect_report(p, (const char *const[]){"Issue: 500 of 500 samples of processor time were taken in the code of this function itself with the intrinsics in it, not in what it calls", line == 0 ? "no debug information" : "calls.", NULL},
                      nothing, line == 0 ? NULL : "no debug information");
    }
}

static ql__profile *starved(uint64_t cpu_ns, uint64_t delay_ns, uint64_t cores)
{
    ql__profile *p = new_profile(10000 * MS);
    p->numbers.cpu_ns = cpu_ns;
    p->numbers.run_delay_ns = delay_ns;
    p->numbers.cores_usable = cores;
    return p;
}

static void test_report_write__a_run_that_others_kept_from_the_processors(void **state)
{
    (void)state;
    static const char word[] = "Threads waited for a processor";
    expect_report(starved(4000 * MS, 6000 * MS, 2), (const char *const[]){"\n- Waited for a processor: 6.00 s over all threads, 60.0% of the time in which they could run. **Threads waited for a processor**: other work had it, or a limit held them, or for a while there were more threads than processors.", "measure again on a quiet machine\n", NULL},
                  (const char *const[]){"\"run_delay_ns\":6000000000,\"starved\":true,", NULL}, NULL);
    expect_report(starved(9900 * MS, 100 * MS, 2), (const char *const[]){"Waited for a processor: 100.00 ms over all threads, 1.0% of", NULL}, (const char *const[]){"\"starved\":false", NULL}, word);
    expect_report(starved(19000 * MS, 20000 * MS, 2), (const char *const[]){"Waited for a processor: 20.00 s", NULL}, nothing, word); /* its own threads are too many */
    expect_report(starved(50 * MS, 50 * MS, 2), (const char *const[]){"Waited for a processor: 50.00 ms", NULL}, nothing, word);
    expect_report(new_profile(10000 * MS), nothing, (const char *const[]){"\"run_delay_ns\":null,\"starved\":false,", NULL}, "Waited for a processor"); /* the kernel does not tell */
}

static ql__profile *lossy(const char *what)
{
    ql__profile *p = new_profile(10000 * MS);
    p->numbers.dropped = 3;
    assert_int_equal(ql__profile_drop_add(p, &(ql__profile_drop){text(p, what), 3}, NULL), QL_OK);
    return p;
}

static void test_report_write__what_was_lost(void **state)
{
    (void)state;
    expect_report(lossy("spans"), (const char *const[]){"\n\n**Not all was seen.** 3 events were lost (spans 3)", NULL}, nothing, NULL);
    expect_report(lossy("texts"), (const char *const[]){"\n- Note: 3 texts were lost", "a row of short spans tells its number", NULL}, nothing, "Not all was seen");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_write__processor_time_of_a_run_that_waits),
        cmocka_unit_test(test_report_write__time_is_no_share_of_processor_time),
        cmocka_unit_test(test_report_write__time_of_threads_side_by_side_counts_once),
        cmocka_unit_test(test_report_write__a_wait_is_the_mean_of_its_threads),
        cmocka_unit_test(test_report_write__memory_of_which_peak),
        cmocka_unit_test(test_report_write__a_functions_own_code),
        cmocka_unit_test(test_report_write__a_run_that_others_kept_from_the_processors),
        cmocka_unit_test(test_report_write__what_was_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
