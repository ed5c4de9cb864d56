/* Goal: sites keep their names when their code is gone, sets of labels are found again whatever way they came about, bounds hold. */
#include "support/testing.h"

#include <stdio.h>
#include <string.h>

#include "prof/place_table.h"

static void test_place_table__a_site_outlives_its_code(void **state)
{
    (void)state;
    char name[] = "short lived";
    ql_site site = {.name = name, .category = "test", .function = __func__, .file = __FILE__, .line = 7};
    uint32_t id = ql__site_id(&site, NULL);
    assert_true(id != 0);
    assert_int_equal(ql__site_id(&site, NULL), id);
    memset(name, 'x', sizeof name - 1);
    assert_string_equal(ql__site_get(id)->name, "short lived");
    assert_int_equal(ql__site_get(id)->line, 7);
    ql_site nameless = {0};
    assert_string_equal(ql__site_get(ql__site_id(&nameless, "given"))->name, "given");
    assert_null(ql__site_get(0));
    assert_null(ql__site_get(UINT32_MAX));
}

static void test_place_table__the_same_labels_are_one_set(void **state)
{
    (void)state;
    ql__labels_reset();
    uint32_t a = ql__labels_with(0, "stage", QL_STR("chunk")), b = ql__labels_with(a, "document", QL_STR("a.md"));
    assert_int_equal(ql__labels_with(ql__labels_with(0, "stage", QL_STR("chunk")), "document", QL_STR("a.md")), b);
    assert_true(a != b);
    assert_int_equal(ql__labels_get(b)->base, a);
    assert_int_equal(ql__labels_with(b, "document", QL_STR("")), a);
    assert_int_equal(ql__labels_with(a, "stage", QL_STR("")), 0);
    assert_int_equal(ql__labels_with(a, "nothing", QL_STR("")), a);
    uint32_t other = ql__labels_with(b, "stage", QL_STR("embed")); /* replaced below another label */
    size_t stages = 0, count = 0;
    for (uint32_t at = other; at != 0; at = ql__labels_get(at)->base, count++)
        stages += ql__labels_get(at)->key_size == 5 && memcmp(ql__labels_get(at)->key, "stage", 5) == 0;
    assert_int_equal(stages, 1);
    assert_int_equal(count, 2);
    assert_null(ql__labels_get(0));
    assert_null(ql__labels_get(UINT32_MAX));
}

static void test_place_table__bounds_are_counted(void **state)
{
    (void)state;
    char key[32];
    uint32_t set = 0;
    ql__labels_reset();
    for (int i = 0; i < QL__LABELS_THREAD_MAX; i++) {
        snprintf(key, sizeof key, "key %d", i);
        set = ql__labels_with(set, key, QL_STR("v"));
    }
    assert_int_equal(ql__labels_dropped(), 0);
    assert_int_equal(ql__labels_with(set, "one more", QL_STR("v")), set);
    assert_int_equal(ql__labels_dropped(), 1);
    assert_true(ql__labels_with(set, "key 3", QL_STR("other")) != set); /* replacing needs no room */
    ql__labels_reset();
    for (uint32_t i = 0; i < QL__LABELS_MAX + 10; i++) {
        snprintf(key, sizeof key, "%u", i);
        uint32_t id = ql__labels_with(0, "document", ql_str_of(key));
        assert_int_equal(id, i < QL__LABELS_MAX ? i + 1 : 0);
    }
    assert_int_equal(ql__labels_dropped(), 10);
    ql__labels_reset();
    assert_null(ql__labels_get(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_table__a_site_outlives_its_code),
        cmocka_unit_test(test_place_table__the_same_labels_are_one_set),
        cmocka_unit_test(test_place_table__bounds_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
