/* Goal: frames of the allocator are known from the leaf on, and nothing of an application is taken for one. Method: stacks by their names. */
#include "support/testing.h"

#include "capture/allocators.h"

/* How many names from the leaf on are of the allocator. */
static size_t leading(const char *const *names)
{
    ql__allocator_walk walk = {0};
    size_t count = 0;
    while (names[count] != NULL && ql__allocator_has(&walk, ql_str_of(names[count]))) count++;
    return count;
}

static void test_allocators__end_at_who_calls_them(void **state)
{
    (void)state;
    assert_int_equal(leading((const char *const[]){"on_alloc", "tell", "malloc", "parse", "main", NULL}), 3);
    assert_int_equal(leading((const char *const[]){"malloc", "operator new(unsigned long)", "std::string::reserve", NULL}), 2);
    assert_int_equal(leading((const char *const[]){"tell", "realloc", "libc_realloc", "ql__realloc", "ql_buf_append", "write_row", NULL}), 5);
    assert_int_equal(leading((const char *const[]){"parse", "malloc", NULL}), 0);
    assert_int_equal(leading((const char *const[]){"malloc", NULL}), 1);
}

/* A function of an application may be called as a hook of the profiler is. */
static void test_allocators__hooks_are_below_malloc_only(void **state)
{
    (void)state;
    assert_int_equal(leading((const char *const[]){"malloc", "tell", "main", NULL}), 1);
    assert_int_equal(leading((const char *const[]){"on_alloc", "ql__alloc", "on_alloc", NULL}), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocators__end_at_who_calls_them),
        cmocka_unit_test(test_allocators__hooks_are_below_malloc_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
