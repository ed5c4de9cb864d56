/* Goal: arrays grow without losing elements, refuse overflow and stay as they were when memory runs out. */
#include "support/testing.h"

#include "base/array.h"
#include "base/status.h"

typedef struct numbers {
    uint32_t *items;
    size_t count, capacity;
} numbers;

static void test_array__keeps_elements_while_growing(void **state)
{
    (void)state;
    numbers vec = {0};
    for (uint32_t i = 0; i < 10000; i++) assert_true(ql__array_push(vec.items, vec.count, vec.capacity, i * 3));
    assert_int_equal(vec.count, 10000);
    assert_true(vec.capacity >= 10000 && vec.capacity < 20001);
    for (uint32_t i = 0; i < 10000; i++) assert_int_equal(vec.items[i], i * 3);
    ql__free(vec.items);
}

static void test_array__grows_by_doubling(void **state)
{
    (void)state;
    ql_test_alloc_install();
    numbers vec = {0};
    long calls = ql_test_alloc_calls();
    for (uint32_t i = 0; i < 1 << 16; i++) assert_true(ql__array_push(vec.items, vec.count, vec.capacity, i));
    assert_true(ql_test_alloc_calls() - calls <= 16);
    ql__free(vec.items);
}

static void test_array__refuses_sizes_that_overflow(void **state)
{
    (void)state;
    numbers vec = {0};
    assert_false(ql__array_reserve(&vec.items, &vec.capacity, SIZE_MAX, sizeof *vec.items));
    assert_false(ql__array_reserve(&vec.items, &vec.capacity, SIZE_MAX / 2 + 2, sizeof *vec.items));
    assert_null(vec.items);
    assert_int_equal(vec.capacity, 0);
}

static ql_status push_many(void *user, ql_error *err)
{
    (void)user;
    numbers vec = {0};
    ql_status status = QL_OK;
    for (uint32_t i = 0; i < 100 && status == QL_OK; i++) {
        size_t count = vec.count, capacity = vec.capacity;
        if (ql__array_push(vec.items, vec.count, vec.capacity, i)) continue;
        assert_true(vec.count == count && vec.capacity == capacity);
        for (uint32_t k = 0; k < vec.count; k++) assert_int_equal(vec.items[k], k);
        status = ql__fail_nomem(err);
    }
    ql__free(vec.items);
    return status;
}

static void test_array__is_unchanged_when_memory_runs_out(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, push_many, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array__keeps_elements_while_growing),
        cmocka_unit_test(test_array__grows_by_doubling),
        cmocka_unit_test(test_array__refuses_sizes_that_overflow),
        cmocka_unit_test(test_array__is_unchanged_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
