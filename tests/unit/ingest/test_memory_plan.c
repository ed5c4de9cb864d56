/*
 * Goal: what a limit on memory means for an ingest: the parts it is divided into, and which documents fit.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest/memory_plan.h"
#include "support/testing.h"

#define MEGABYTE ((uint64_t)1 << 20)

static ql_item item_of(const char *url, uint64_t bytes)
{
    return (ql_item){.struct_size = sizeof(ql_item), .url = ql_str_of(url), .size_bytes = bytes};
}

static void test_memory_plan__without_a_limit_everything_fits(void **state)
{
    (void)state;
    ql__memory_plan plan;
    ql_item item = item_of("a.py", UINT64_MAX);
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 0, 2, &plan, NULL), QL_OK);
    assert_int_equal(ql__memory_of(&plan, &item), 0);
    assert_int_equal(ql__memory_plan_check(&plan, &item, NULL), QL_OK);
    assert_int_equal(plan.queue_bytes, 16 << 20);
}

static void test_memory_plan__divides_what_is_left(void **state)
{
    (void)state;
    ql__memory_plan plan;
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 256 * MEGABYTE, 2, &plan, NULL), QL_OK);
    assert_true(plan.share > 128 * MEGABYTE && plan.share < 208 * MEGABYTE); /* the test itself is small */
    assert_true(plan.beside == plan.share / 4 && plan.queue_bytes <= 16 * MEGABYTE && plan.commit_bytes <= 8 * MEGABYTE);
    assert_true(plan.beside + 2 * plan.queue_bytes + plan.commit_bytes < plan.share);
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 80 * MEGABYTE, 2, &plan, NULL), QL_OK);
    assert_true(plan.queue_bytes == plan.share / 8 && plan.commit_bytes == plan.share / 16);
}

static void test_memory_plan__names_the_least(void **state)
{
    (void)state;
    ql__memory_plan plan;
    ql_error err = {0};
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 40 * MEGABYTE, 2, &plan, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "40 MB"));
    const char *figure = strstr(err.message, "at least ");
    assert_non_null(figure);
    uint64_t least = strtoull(figure + strlen("at least "), NULL, 10);
    assert_in_range(least, 64, 90);
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), (least + 20) * MEGABYTE, 16, &plan, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "with 16 threads"));
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), (least + 2) * MEGABYTE, 2, &plan, &err), QL_OK);
}

static void test_memory_plan__knows_kinds_by_their_names(void **state)
{
    (void)state;
    const struct {
        const char *url;
        uint64_t factor;
    } rows[] = {{"file:///d/a.txt", 10}, {"a.md", 12}, {"A.MD", 12}, {"x/y.json", 20}, {"p.html", 12}, {"A.PY", 48}, {"x.geojson", 20}, {"x.mkd", 12}, {"P.XHTML", 12}, {"a.0123456789012345678901234567890123456789", 10}, {"b.py", 48}, {"c.rs", 48}, {"noextension", 10}, {"folder.py/readme", 10}, {"a.", 10}, {"", 10}};
    ql__memory_plan plan;
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 256 * MEGABYTE, 2, &plan, NULL), QL_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ql_item item = item_of(rows[i].url, 1000), unknown = item_of(rows[i].url, 0);
        if (ql__memory_of(&plan, &item) != rows[i].factor * 1000) fail_msg("%s: %llu", rows[i].url, (unsigned long long)ql__memory_of(&plan, &item));
        assert_true(ql__memory_of(&plan, &unknown) > 0);
    }
}

static void test_memory_plan__a_list_is_part_of_it(void **state)
{
    (void)state;
    ql__memory_plan plan, rest;
    ql_error err = {0};
    uint64_t used = 1;
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 0, 2, &plan, NULL), QL_OK);
    assert_int_equal(ql__memory_plan_look(&plan, ql__sys_default(), &used, NULL), QL_OK);
    assert_int_equal(used, 0);
    assert_int_equal(ql__memory_plan_with_list(&plan, 1000 * MEGABYTE, &rest, NULL), QL_OK);
    assert_int_equal(rest.share, plan.share);
    assert_int_equal(ql__memory_plan_explain(&plan, QL_E_NOMEM, &err), QL_E_NOMEM);
    assert_string_equal(err.message, "");
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 256 * MEGABYTE, 2, &plan, NULL), QL_OK);
    assert_int_equal(ql__memory_plan_look(&plan, ql__sys_default(), &used, NULL), QL_OK);
    assert_true(used > 0);
    assert_int_equal(ql__memory_plan_with_list(&plan, 32 * MEGABYTE, &rest, NULL), QL_OK);
    assert_true(rest.share == plan.share - 32 * MEGABYTE && rest.beside == rest.share / 4 && rest.max == plan.max);
    uint64_t too_much = plan.share - 15 * MEGABYTE;
    assert_int_equal(ql__memory_plan_with_list(&plan, too_much, &rest, &err), QL_E_LIMIT);
    const char *figure = strstr(err.message, "give at least ");
    assert_non_null(figure);
    plan.share += (strtoull(figure + strlen("give at least "), NULL, 10) - 256) * MEGABYTE;
    assert_int_equal(ql__memory_plan_with_list(&plan, too_much, &rest, NULL), QL_OK);
    assert_int_equal(ql__memory_plan_explain(&plan, QL_E_IO, &err), QL_E_IO);
    assert_int_equal(ql__memory_plan_explain(&plan, QL_E_NOMEM, &err), QL_E_NOMEM);
    assert_non_null(strstr(err.message, "the limit of 256 MB"));
}

static void test_memory_plan__refuses_what_does_not_fit_and_says_what_would_do(void **state)
{
    (void)state;
    ql__memory_plan plan, larger;
    ql_error err = {0};
    ql_item item = item_of("a.py", 4 * MEGABYTE);
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), 128 * MEGABYTE, 2, &plan, NULL), QL_OK);
    assert_int_equal(ql__memory_plan_check(&plan, &item, &err), QL_E_LIMIT);
    const char *figure = strstr(err.message, "give at least ");
    assert_non_null(figure);
    uint64_t wanted = strtoull(figure + strlen("give at least "), NULL, 10);
    assert_int_equal(ql__memory_plan_make(ql__sys_default(), (wanted + 2) * MEGABYTE, 2, &larger, NULL), QL_OK);
    assert_int_equal(ql__memory_plan_check(&larger, &item, &err), QL_OK);
    item.size_bytes = UINT64_MAX; /* as a source may say */
    assert_int_equal(ql__memory_plan_check(&plan, &item, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "up to 17592186044416 MB"));
    assert_non_null(strstr(err.message, "at least 17592186044416 MB"));
}

static ql_status make(void *user, ql_error *err)
{
    ql__memory_plan plan;
    (void)user;
    return ql__memory_plan_make(ql_test_sys(), 256 * MEGABYTE, 2, &plan, err);
}

/* A file that was read and cannot be closed is no failure. */
static ql_status make_right(void *user, ql_error *err)
{
    ql__memory_plan plan;
    (void)user;
    ql_status status = ql__memory_plan_make(ql_test_sys(), 256 * MEGABYTE, 2, &plan, err);
    if (status < 0) return status;
    assert_true(plan.share > 128 * MEGABYTE && plan.share < 208 * MEGABYTE);
    ql_test_fault_benign();
    return status;
}

static void test_memory_plan__survives_failing_calls(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, make, NULL);
    ql_test_fault_loop(QL_FAULT_FILE, make_right, NULL);
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_plan__without_a_limit_everything_fits),
        cmocka_unit_test(test_memory_plan__divides_what_is_left),
        cmocka_unit_test(test_memory_plan__names_the_least),
        cmocka_unit_test(test_memory_plan__knows_kinds_by_their_names),
        cmocka_unit_test(test_memory_plan__a_list_is_part_of_it),
        cmocka_unit_test(test_memory_plan__refuses_what_does_not_fit_and_says_what_would_do),
        cmocka_unit_test(test_memory_plan__survives_failing_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
