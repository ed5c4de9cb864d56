/*
 * Goal: a sound index is called sound, also while it is written to; damage of any page and of any vector is found, and named.
 * Method: one byte in each page of the database and in each row of the vectors is changed and changed back.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_internal.h"
#include "support/store_use.h"

static const test_shape shape = {.dims = 24, .chunks_min = 1, .chunks_max = 4, .words = 12, .vocabulary = 60, .sources = 3};

static ql_status verify(const char *dir, ql_error *err)
{
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir, .sys = ql_test_sys()};
    ql_status st = ql__store_open(&options, &store, err);
    if (st == QL_OK) st = ql__store_verify(store, err);
    ql__store_free(store);
    return st;
}

static void flip(const char *path, off_t offset)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static size_t flip_each(const char *dir, const char *name, off_t first, off_t step)
{
    struct stat info;
    size_t tried = 0;
    assert_int_equal(stat(ql_test_path(dir, name), &info), 0);
    for (off_t at = first; at < info.st_size; at += step, tried++) {
        ql_error err = {0};
        flip(ql_test_path(dir, name), at);
        ql_status st = verify(dir, &err);
        if (st != QL_E_CORRUPT || !strstr(err.message, name)) fail_msg("byte %lld of %s: %s (%s)", (long long)at, name, ql_status_name(st), err.message);
        flip(ql_test_path(dir, name), at);
    }
    return tried;
}

static void test_store_verify__finds_damage_anywhere(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    expect_ok(ql__store_verify(store, &err)); /* empty */
    store_fill(store, 0, 60, 60, 1, &shape);
    ql__store_free(store);
    expect_ok(verify(dir, &err));
    assert_true(flip_each(dir, "qloader.db", 4000, STORE_PAGE_BYTES) > 10);
    assert_true(flip_each(dir, "vectors-000001.qlv", 4096 + 5, 128) > 60);
    expect_ok(verify(dir, &err));
    ql_test_dir_remove(dir);
}

static void test_store_verify__beside_a_writer(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 20, 5, 1, &shape);
    expect_ok(ql__store_begin(store, &err));
    store_drop(store, 3);
    store_put(store, 30, 1, &shape);
    expect_ok(verify(dir, &err));
    expect_ok(ql__store_commit(store, &err));
    expect_ok(verify(dir, &err));
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_verify__finds_damage_anywhere),
        cmocka_unit_test(test_store_verify__beside_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
