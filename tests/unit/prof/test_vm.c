/* Goal: interned bytes get one id each, dense and for good, through growth; what the kernel refuses is an answer, not a loss of what was there. */
#include "support/testing.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "prof/vm.h"

static void test_vm__ids_are_dense_and_stay(void **state)
{
    (void)state;
    ql__intern table;
    ql__intern_init(&table, ql__sys_default(), 100000);
    char text[32];
    bool fresh;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 1; i <= 20000; i++) {
            int size = snprintf(text, sizeof text, "text %u", i * 7);
            assert_int_equal(ql__intern_put(&table, text, (size_t)size, &fresh), i);
            assert_int_equal(fresh, round == 0);
        }
    }
    char back[8];
    assert_int_equal(ql__intern_entry_read(&table.entries, &table.bytes, 1, back, sizeof back), 6);
    assert_memory_equal(back, "text 7", 6);
    ql__intern_dispose(&table);
    ql__intern_dispose(&table);
}

static void test_vm__a_full_table_knows_what_it_has(void **state)
{
    (void)state;
    ql__intern table;
    bool fresh;
    ql__intern_init(&table, ql__sys_default(), 2);
    assert_int_equal(ql__intern_put(&table, "", 0, &fresh), 1);
    assert_int_equal(ql__intern_put(&table, "b", 1, &fresh), 2);
    assert_int_equal(ql__intern_put(&table, "c", 1, &fresh), 0);
    assert_false(fresh);
    assert_int_equal(ql__intern_put(&table, "", 0, &fresh), 1);
    ql__intern_dispose(&table);
}

static ql_status intern_many(void *user, ql_error *err)
{
    (void)user;
    ql__intern table;
    ql_status status = QL_OK;
    bool fresh;
    ql__intern_init(&table, ql_test_sys(), 100000);
    for (uint32_t i = 0, wanted = 1; i < 9000 && status >= 0; i++, wanted++) {
        uint32_t id = ql__intern_put(&table, &i, sizeof i, &fresh);
        if (id == 0) status = ql__fail(err, QL_E_IO, "no memory");
        else assert_int_equal(id, wanted);
    }
    if (status >= 0) ql_test_fault_benign(); /* a table that cannot grow fills up a little more */
    uint32_t first = 0;
    if (status < 0 && table.count != 0) assert_int_equal(ql__intern_put(&table, &first, sizeof first, &fresh), 1);
    ql__intern_dispose(&table);
    return status;
}

static void test_vm__a_kernel_without_memory_is_survived(void **state)
{
    (void)state;
    ql_test_fault_ops(QL_TEST_MMAP);
    ql_test_fault_loop(QL_FAULT_FILE, intern_many, NULL);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vm__ids_are_dense_and_stay),
        cmocka_unit_test(test_vm__a_full_table_knows_what_it_has),
        cmocka_unit_test(test_vm__a_kernel_without_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
