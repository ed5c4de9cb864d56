/* Goal: the one way to memory - overflow, zero sizes, replacement of malloc and its refusal once memory was handed out. */
#include "support/testing.h"

#include <stdlib.h>

#include "base/alloc.h"

typedef struct meter {
    long reallocs, frees;
} meter;

static void *meter_realloc(void *user, void *ptr, size_t size)
{
    ((meter *)user)->reallocs++;
    assert_true(size > 0);
    return realloc(ptr, size);
}

static void meter_free(void *user, void *ptr)
{
    ((meter *)user)->frees++;
    assert_non_null(ptr);
    free(ptr);
}

static void test_alloc__uses_the_allocator_that_was_set(void **state)
{
    (void)state;
    meter counts = {0, 0};
    ql_allocator allocator = {sizeof allocator, 0, meter_realloc, meter_free, &counts};
    ql__allocator_reset_for_tests(NULL);
    assert_int_equal(ql_allocator_set(&allocator), QL_OK);
    char *text = ql__strdup(QL_STR("abc"));
    assert_string_equal(text, "abc");
    text = ql__realloc(text, 100);
    assert_memory_equal(text, "abc", 4);
    ql__free(text);
    assert_int_equal(counts.reallocs, 2);
    assert_int_equal(counts.frees, 1);
    ql__allocator_reset_for_tests(NULL);
}

static void test_alloc__refuses_a_new_allocator_after_first_use(void **state)
{
    (void)state;
    meter counts = {0, 0};
    ql_allocator allocator = {sizeof allocator, 0, meter_realloc, meter_free, &counts};
    ql__allocator_reset_for_tests(NULL);
    ql__free(ql__alloc(1));
    assert_int_equal(ql_allocator_set(&allocator), QL_E_BUSY);
    ql__free(ql__alloc(1));
    assert_int_equal(counts.reallocs, 0);
}

static void test_alloc__refuses_incomplete_allocators(void **state)
{
    (void)state;
    ql__allocator_reset_for_tests(NULL);
    ql_allocator allocator = {sizeof allocator, 0, meter_realloc, NULL, NULL};
    assert_int_equal(ql_allocator_set(NULL), QL_E_INVALID);
    assert_int_equal(ql_allocator_set(&allocator), QL_E_INVALID);
    allocator = (ql_allocator){sizeof allocator, 1, meter_realloc, meter_free, NULL};
    assert_int_equal(ql_allocator_set(&allocator), QL_E_INVALID);
    allocator = (ql_allocator){sizeof allocator - 1, 0, meter_realloc, meter_free, NULL};
    assert_int_equal(ql_allocator_set(&allocator), QL_E_INVALID);
}

static void test_alloc__answers_null_when_a_product_overflows(void **state)
{
    (void)state;
    assert_null(ql__alloc_zero(SIZE_MAX / 2, 3));
    assert_null(ql__realloc_array(NULL, SIZE_MAX, 2));
    assert_null(ql__strdup((ql_str){"x", SIZE_MAX}));
    size_t out = 7;
    assert_false(ql__size_mul(SIZE_MAX, 2, &out));
    assert_false(ql__size_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, 7);
    assert_true(ql__size_mul(6, 7, &out));
    assert_int_equal(out, 42);
}

static void test_alloc__zeroes_and_takes_size_zero(void **state)
{
    (void)state;
    ql_test_alloc_install();
    ql_test_leaks_mark();
    unsigned char *bytes = ql__alloc_zero(10, 10);
    for (int i = 0; i < 100; i++) assert_int_equal(bytes[i], 0);
    void *empty = ql__alloc_zero(0, 8);
    assert_non_null(empty);
    void *none = ql__alloc(0);
    assert_non_null(none);
    ql__free(bytes);
    ql__free(empty);
    ql__free(none);
    ql__free(NULL);
    ql_test_expect_no_leaks();
}

static void test_alloc__cleans_up_at_the_end_of_a_scope(void **state)
{
    (void)state;
    ql_test_alloc_install();
    ql_test_leaks_mark();
    char *kept = NULL;
    {
        QL_AUTO(char *, ql__free_cleanup) dropped = ql__strdup(QL_STR("dropped"));
        QL_AUTO(char *, ql__free_cleanup) moved = ql__strdup(QL_STR("moved"));
        assert_non_null(dropped);
        kept = QL_STEAL(moved);
        assert_null(moved);
    }
    assert_string_equal(kept, "moved");
    ql__free(kept);
    ql_test_expect_no_leaks();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc__uses_the_allocator_that_was_set),
        cmocka_unit_test(test_alloc__refuses_a_new_allocator_after_first_use),
        cmocka_unit_test(test_alloc__refuses_incomplete_allocators),
        cmocka_unit_test(test_alloc__answers_null_when_a_product_overflows),
        cmocka_unit_test(test_alloc__zeroes_and_takes_size_zero),
        cmocka_unit_test(test_alloc__cleans_up_at_the_end_of_a_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
