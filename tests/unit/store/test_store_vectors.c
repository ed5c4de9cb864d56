/*
 * Goal: the vector file is used only if it is the one the database means, and whole.
 * Method: files made, reopened, cut, renamed over each other.
 */
#include <string.h>

#include "store/store_vectors.h"
#include "support/testing.h"

#define DIMS 20

static void fill(ql__vectors *file, uint64_t slots)
{
    ql_error err = {0};
    for (uint64_t slot = 0; slot < slots; slot++) {
        float row[32] = {0};
        row[0] = (float)slot;
        assert_int_equal(ql__vectors_write(file, slot, row, 1, &err), QL_OK);
    }
    assert_int_equal(ql__vectors_sync(file, &err), QL_OK);
}

static void test_store_vectors__reads_rows_in_place(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__vectors file;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "v.qlv");
    assert_int_equal(ql__vectors_stride(DIMS), 128);
    assert_int_equal(ql__vectors_create(&file, ql_test_sys(), path, DIMS, 77, &err), QL_OK);
    fill(&file, 100);
    assert_int_equal(ql__vectors_map(&file, 100, &err), QL_OK);
    for (uint64_t slot = 0; slot < 100; slot++) assert_true(ql__vectors_row(&file, slot)[0] == (float)slot);
    ql__vectors_dispose(&file);
    assert_int_equal(ql__vectors_open(&file, ql_test_sys(), path, false, DIMS, 77, &err), QL_OK);
    assert_int_equal(ql__vectors_map(&file, 100, &err), QL_OK);
    assert_true(ql__vectors_row(&file, 99)[0] == 99.0f);
    assert_int_equal(ql__vectors_map(&file, 101, &err), QL_E_CORRUPT);
    assert_non_null(strstr(err.message, "v.qlv"));
    ql__vectors_dispose(&file);
    ql_test_dir_remove(dir);
}

static void test_store_vectors__refuses_another_file(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__vectors file;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "v.qlv");
    assert_int_equal(ql__vectors_create(&file, ql_test_sys(), path, DIMS, 77, &err), QL_OK);
    ql__vectors_dispose(&file);
    assert_int_equal(ql__vectors_open(&file, ql_test_sys(), path, false, DIMS, 78, &err), QL_E_CORRUPT);
    assert_int_equal(ql__vectors_open(&file, ql_test_sys(), path, false, DIMS + 1, 77, &err), QL_E_CORRUPT);
    assert_int_equal(ql__vectors_open(&file, ql_test_sys(), ql_test_path(dir, "none"), false, DIMS, 77, &err), QL_E_NOTFOUND);
    ql_test_file_write(path, QL_STR("short"));
    assert_int_equal(ql__vectors_open(&file, ql_test_sys(), path, false, DIMS, 77, &err), QL_E_CORRUPT);
    assert_int_equal(ql_test_fds_open(), 0);
    ql_test_dir_remove(dir);
}

static void test_store_vectors__cuts_off_what_nobody_points_to(void **state)
{
    (void)state;
    ql_error err = {0};
    uint64_t cut = 0;
    ql__vectors file;
    char *dir = ql_test_dir_new();
    assert_int_equal(ql__vectors_create(&file, ql_test_sys(), ql_test_path(dir, "v.qlv"), DIMS, 1, &err), QL_OK);
    fill(&file, 10);
    assert_int_equal(ql__vectors_truncate(&file, 7, &cut, &err), QL_OK);
    assert_int_equal(cut, 3 * 128);
    assert_int_equal(ql__vectors_truncate(&file, 8, &cut, &err), QL_OK);
    assert_int_equal(cut, 0);
    assert_int_equal(ql__vectors_check_size(&file, 7, &err), QL_OK);
    assert_int_equal(ql__vectors_check_size(&file, 8, &err), QL_E_CORRUPT);
    ql__vectors_dispose(&file);
    ql_test_dir_remove(dir);
}

/* A map reaches 64 MiB beyond what it was asked for; behind that there has to be a new one. */
static void test_store_vectors__maps_anew_what_outgrew_its_map(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__vectors file;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "v.qlv");
    const uint64_t far = ((uint64_t)200 << 20) / 128;
    assert_int_equal(ql__vectors_create(&file, ql_test_sys(), path, DIMS, 77, &err), QL_OK);
    fill(&file, 10);
    assert_int_equal(ql__vectors_map(&file, 10, &err), QL_OK);
    const void *first = file.map;
    assert_int_equal(ql__vectors_map(&file, 9, &err), QL_OK);
    assert_ptr_equal(file.map, first);
    float row[32] = {[0] = 7};
    assert_int_equal(ql__vectors_write(&file, far, row, 1, &err), QL_OK); /* a hole before it */
    assert_int_equal(ql__vectors_map(&file, far + 1, &err), QL_OK);
    assert_true(file.map_bytes > (size_t)200 << 20);
    assert_true(ql__vectors_row(&file, far)[0] == 7.0f && ql__vectors_row(&file, 9)[0] == 9.0f);
    ql__vectors_dispose(&file);
    ql_test_dir_remove(dir);
}

static void test_store_vectors__says_when_nothing_can_be_cut_off(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__vectors file;
    uint64_t cut_bytes = 0;
    char *dir = ql_test_dir_new();
    assert_int_equal(ql__vectors_create(&file, ql_test_sys(), ql_test_path(dir, "v.qlv"), DIMS, 77, &err), QL_OK);
    fill(&file, 10);
    ql_test_fault_ops(QL_TEST_TRUNCATE);
    ql_test_fault_at(QL_FAULT_FILE, 0);
    assert_int_equal(ql__vectors_truncate(&file, 4, &cut_bytes, &err), QL_E_IO);
    assert_true(ql_test_fault_clear());
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    assert_non_null(strstr(err.message, "v.qlv': cannot cut off 768 unused bytes"));
    ql__vectors_dispose(&file);
    ql_test_dir_remove(dir);
}

static void test_store_vectors__hash_depends_on_rows_and_order(void **state)
{
    (void)state;
    ql__vectors file = {.stride = 128};
    float a[32] = {1}, b[32] = {2};
    uint64_t ab = ql__vectors_hash(&file, b, ql__vectors_hash(&file, a, 0)), ba = ql__vectors_hash(&file, a, ql__vectors_hash(&file, b, 0));
    assert_true(ab != ba);
    assert_true(ql__vectors_hash(&file, a, 0) != ql__vectors_hash(&file, a, 64)); /* another group */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_vectors__reads_rows_in_place),
        cmocka_unit_test(test_store_vectors__refuses_another_file),
        cmocka_unit_test(test_store_vectors__cuts_off_what_nobody_points_to),
        cmocka_unit_test(test_store_vectors__maps_anew_what_outgrew_its_map),
        cmocka_unit_test(test_store_vectors__says_when_nothing_can_be_cut_off),
        cmocka_unit_test(test_store_vectors__hash_depends_on_rows_and_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
