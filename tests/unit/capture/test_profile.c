/*
 * Goal: what is added twice is kept once, texts are UTF-8, bounds hold, and running out of memory at any point leaves nothing behind.
 */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "capture/profile.h"

static uint32_t string(ql__profile *p, const char *text)
{
    uint32_t id = UINT32_MAX;
    assert_int_equal(ql__profile_string(p, ql_str_of(text), &id, NULL), QL_OK);
    return id;
}

static void test_profile__keeps_equal_things_once(void **state)
{
    (void)state;
    ql__profile *p = NULL;
    assert_int_equal(ql__profile_new(&p, NULL), QL_OK);
    assert_int_equal(string(p, ""), 0);
    uint32_t a = string(p, "a"), b = string(p, "b");
    assert_int_equal(string(p, "a"), a);
    assert_int_not_equal(a, b);
    const ql__profile_function f = {.name = a, .file = b, .start_line = 3}, g = {.name = a, .file = b, .start_line = 4};
    uint32_t one, two, three;
    assert_int_equal(ql__profile_function_add(p, &f, &one, NULL), QL_OK);
    assert_int_equal(ql__profile_function_add(p, &g, &two, NULL), QL_OK);
    assert_int_equal(ql__profile_function_add(p, &f, &three, NULL), QL_OK);
    assert_true(one == three && one != two);
    const ql__profile_line lines[] = {{one, 5}, {two, 6}};
    uint32_t l1, l2, l3;
    assert_int_equal(ql__profile_location_add(p, 0, 0x10, lines, 2, &l1, NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(p, 0, 0x10, lines, 1, &l2, NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(p, 0, 0x10, lines, 2, &l3, NULL), QL_OK);
    assert_true(l1 == l3 && l1 != l2);
    const uint32_t path[] = {l1, l2};
    uint32_t s1, s2, s3, s4;
    assert_int_equal(ql__profile_stack_add(p, path, 2, false, &s1, NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(p, path, 2, true, &s2, NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(p, path, 2, false, &s3, NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(p, NULL, 0, false, &s4, NULL), QL_OK);
    assert_true(s1 == s3 && s1 != s2 && s4 == 0);
    const ql__profile_label labels[] = {{a, b}};
    uint32_t none, set;
    assert_int_equal(ql__profile_labels_add(p, NULL, 0, &none, NULL), QL_OK);
    assert_int_equal(ql__profile_labels_add(p, labels, 1, &set, NULL), QL_OK);
    assert_int_equal(none, 0);
    assert_int_equal(ql__profile_label_of(p, set, QL_STR("a")), b);
    assert_int_equal(ql__profile_label_of(p, set, QL_STR("z")), 0);
    assert_int_equal(ql__profile_meta_add(p, QL_STR("k"), QL_STR("1"), NULL), QL_OK);
    assert_int_equal(ql__profile_meta_add(p, QL_STR("k"), QL_STR("2"), NULL), QL_OK);
    assert_int_equal(p->meta_count, 1);
    assert_true(ql_str_equal(ql__profile_meta(p, "k"), QL_STR("2")));
    assert_int_equal(ql__profile_meta(p, "none").len, 0);
    ql__profile_free(p);
    ql__profile_free(NULL);
}

static void test_profile__texts_are_utf8(void **state)
{
    (void)state;
    ql__profile *p = NULL;
    assert_int_equal(ql__profile_new(&p, NULL), QL_OK);
    assert_string_equal(p->strings[string(p, "a\xff\xc3(")].ptr, "a\xef\xbf\xbd\xef\xbf\xbd(");
    assert_string_equal(p->strings[string(p, "\xc3\xa9")].ptr, "\xc3\xa9");
    ql__profile_free(p);
}

static void test_profile__bounds_hold(void **state)
{
    (void)state;
    ql__profile *p = NULL;
    ql_error err = {0};
    uint32_t id, path[QL_LIMIT_PROFILE_DEPTH + 1] = {0};
    assert_int_equal(ql__profile_new(&p, NULL), QL_OK);
    assert_int_equal(ql_status_kind(ql__profile_stack_add(p, path, QL_LIMIT_PROFILE_DEPTH + 1, false, &id, &err)), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "frames"));
    const ql__profile_label labels[QL_LIMIT_PROFILE_LABELS + 1] = {{0, 0}};
    assert_int_equal(ql_status_kind(ql__profile_labels_add(p, labels, QL_LIMIT_PROFILE_LABELS + 1, &id, &err)), QL_E_LIMIT);
    const ql__profile_module module = {.end = 1};
    for (int i = 0; i < QL_LIMIT_PROFILE_MODULES; i++) assert_int_equal(ql__profile_module_add(p, &module, &err), QL_OK);
    assert_int_equal(ql_status_kind(ql__profile_module_add(p, &module, &err)), QL_E_LIMIT);
    for (int i = 0; i < 2 * QL_LIMIT_PROFILE_NOTES; i++) assert_int_equal(ql__profile_note(p, QL_STR("n"), QL_STR("t"), &err), QL_OK);
    assert_int_equal(p->notes_count, QL_LIMIT_PROFILE_NOTES);
    const ql__profile_sample sample = {0};
    const int64_t large[] = {-5, INT64_MAX};
    for (int i = 0; i < 3; i++) assert_int_equal(ql__profile_sample_add(p, QL__SAMPLE_CPU, &sample, large, &err), QL_OK);
    assert_int_equal(p->sets[QL__SAMPLE_CPU].sums[0], 0);
    assert_int_equal(p->sets[QL__SAMPLE_CPU].sums[1], QL__SAMPLE_SUM_MAX);
    ql__profile_free(p);
}

static void test_profile__kinds_have_names(void **state)
{
    (void)state;
    for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++) {
        assert_true(strlen(ql__sample_kind_name((ql__sample_kind)k)) > 2 && strlen(ql__sample_kind_help((ql__sample_kind)k)) > 2);
        for (size_t v = 0; v < ql__sample_kind_width((ql__sample_kind)k); v++) assert_true(strlen(ql__sample_value_type((ql__sample_kind)k, v)->name) > 2);
    }
    assert_string_equal(ql__sample_value_type(QL__SAMPLE_HEAP, QL__HEAP_LEAK_BYTES)->name, "leak_space");
    assert_true(ql_str_equal(ql__path_base(QL_STR("/usr/lib/x.so")), QL_STR("x.so")));
    assert_true(ql_str_equal(ql__path_base(QL_STR("x")), QL_STR("x")));
    assert_int_equal(ql__path_base(QL_STR("x/")).len, 0);
    assert_null(ql__path_base((ql_str){0}).ptr);
}

static ql_status fill(void *user, ql_error *err)
{
    (void)user;
    ql__profile *p = NULL;
    uint32_t id = 0;
    char name[16];
    QL_TRY(ql__profile_new(&p, err));
    ql_status status = QL_OK;
    for (int i = 0; i < 40 && status >= 0; i++) {
        ql__profile_function f = {0};
        snprintf(name, sizeof name, "f%d\xff", i);
        const ql__profile_sample sample = {0};
        const int64_t values[] = {1, 2};
        status = ql__profile_string(p, ql_str_of(name), &f.name, err);
        if (status >= 0) status = ql__profile_function_add(p, &f, &id, err);
        const ql__profile_line line = {id, 1};
        if (status >= 0) status = ql__profile_location_add(p, 0, (uint64_t)i, &line, 1, &id, err);
        if (status >= 0) status = ql__profile_stack_add(p, &id, 1, false, &id, err);
        const ql__profile_label label = {f.name, f.name};
        if (status >= 0) status = ql__profile_labels_add(p, &label, 1, &id, err);
        if (status >= 0) status = ql__profile_sample_add(p, QL__SAMPLE_WALL, &sample, values, err);
    }
    ql__profile_free(p);
    return status;
}

static void test_profile__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, fill, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profile__keeps_equal_things_once),
        cmocka_unit_test(test_profile__texts_are_utf8),
        cmocka_unit_test(test_profile__bounds_hold),
        cmocka_unit_test(test_profile__kinds_have_names),
        cmocka_unit_test(test_profile__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
