/*
 * Goal: whole-file operations with every system call failing in turn, interrupted, or moving a byte at a time.
 * The promise that matters most: after a failed atomic write the file is the old or the new one, and nothing else is left.
 */
#include "support/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = ql_test_dir_new();
    ql_test_fault_errno(EIO);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    ql_test_io_short(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ql_test_fault_clear();
    ql_test_dir_remove(dir);
    return 0;
}

static void assert_file(const char *path, const char *text)
{
    ql_buf content = QL_BUF_INIT;
    ql_test_file_read(path, &content);
    assert_string_equal(ql_buf_cstr(&content), text);
    ql_buf_dispose(&content);
}

/* ---- reading ---- */

static void test_file__reads_files_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65535, 65536, 65537, 300001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *bytes = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++) bytes[k] = (char)(k * 31 + k / 251);
        ql_test_file_write(ql_test_path(dir, "a"), (ql_str){bytes, sizes[i]});
        ql_buf out = QL_BUF_INIT;
        ql_buf_append(&out, QL_STR("old content"));
        assert_int_equal(ql__file_read_all(ql_test_sys(), ql_test_path(dir, "a"), &out, NULL), QL_OK);
        assert_int_equal(out.len, sizes[i]);
        if (out.len) assert_memory_equal(out.ptr, bytes, sizes[i]);
        assert_int_equal(ql_buf_cstr(&out)[out.len], 0);
        ql_buf_dispose(&out);
        free(bytes);
    }
}

static void test_file__reads_files_that_do_not_tell_their_size(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    assert_int_equal(ql__file_read_all(ql_test_sys(), "/proc/self/maps", &out, NULL), QL_OK);
    assert_true(out.len > 100);
    assert_non_null(strstr(ql_buf_cstr(&out), "[stack]"));
    ql_buf_dispose(&out);
}

static void test_file__holds_the_cap_of_the_buffer(void **state)
{
    (void)state;
    ql_error err;
    ql_buf out;
    ql_buf_init(&out, 10);
    ql_test_file_write(ql_test_path(dir, "fits"), QL_STR("0123456789"));
    ql_test_file_write(ql_test_path(dir, "large"), QL_STR("0123456789x"));
    assert_int_equal(ql__file_read_all(ql_test_sys(), ql_test_path(dir, "fits"), &out, &err), QL_OK);
    assert_string_equal(ql_buf_cstr(&out), "0123456789");
    assert_int_equal(ql__file_read_all(ql_test_sys(), ql_test_path(dir, "large"), &out, &err), QL_E_LIMIT);
    assert_int_equal(err.status, QL_E_LIMIT);
    assert_int_equal(out.len, 0);
    assert_int_equal(ql__file_read_all(ql_test_sys(), "/proc/self/maps", &out, &err), QL_E_LIMIT);
    assert_int_equal(ql__file_read_all(ql_test_sys(), ql_test_path(dir, "fits"), &out, &err), QL_OK);
    ql_buf_dispose(&out);
}

static void test_file__says_what_is_missing(void **state)
{
    (void)state;
    ql_error err;
    ql_buf out = QL_BUF_INIT;
    assert_int_equal(ql__file_read_all(ql_test_sys(), ql_test_path(dir, "none"), &out, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "none"));
    assert_int_equal(err.os_code, ENOENT);
    assert_int_equal(ql__file_read_all(ql_test_sys(), dir, &out, &err), QL_E_IO);
    assert_int_equal(err.os_code, EISDIR);
    assert_int_equal(mkfifo(ql_test_path(dir, "pipe"), 0600), 0);
    assert_int_equal(ql__file_read_all(ql_test_sys(), ql_test_path(dir, "pipe"), &out, &err), QL_E_IO); /* and does not wait */
    assert_int_equal(ql_test_fds_open(), 0);
    ql_buf_dispose(&out);
}

static ql_status read_scenario(void *user, ql_error *err)
{
    (void)user;
    ql_buf out = QL_BUF_INIT;
    ql_status status = ql__file_read_all(ql_test_sys(), ql_test_path(dir, "a"), &out, err);
    if (status == QL_OK) assert_string_equal(ql_buf_cstr(&out), "some content");
    else assert_int_equal(out.len, 0);
    ql_buf_dispose(&out);
    return status;
}

static void test_file__read_passes_every_failure_on(void **state)
{
    (void)state;
    ql_test_file_write(ql_test_path(dir, "a"), QL_STR("some content"));
    ql_test_fault_loop(QL_FAULT_ALLOC, read_scenario, NULL);
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~QL_TEST_CLOSE); /* closing a file that was only read cannot lose anything */
    ql_test_fault_loop(QL_FAULT_FILE, read_scenario, NULL);
    ql_test_io_short(1);
    ql_test_fault_loop(QL_FAULT_FILE, read_scenario, NULL);
}

static void test_file__read_at_wants_every_byte(void **state)
{
    (void)state;
    ql_error err;
    char bytes[8];
    int fd = -1;
    ql_test_file_write(ql_test_path(dir, "a"), QL_STR("0123456789"));
    assert_int_equal(ql__file_open(ql_test_sys(), ql_test_path(dir, "a"), O_RDONLY, 0, &fd, &err), QL_OK);
    ql_test_io_short(3);
    assert_int_equal(ql__file_read_at(ql_test_sys(), fd, bytes, 8, 2, &err), QL_OK);
    assert_memory_equal(bytes, "23456789", 8);
    assert_int_equal(ql__file_read_at(ql_test_sys(), fd, bytes, 8, 3, &err), QL_E_IO);
    assert_non_null(strstr(err.message, "short read"));
    assert_int_equal(ql__file_read_at(ql_test_sys(), fd, bytes, 0, 100, &err), QL_OK);
    assert_int_equal(ql__file_read_at(ql_test_sys(), fd, bytes, 8, UINT64_MAX - 3, &err), QL_E_INVALID);
    assert_int_equal(ql__file_write_at(ql_test_sys(), fd, bytes, 8, INT64_MAX, &err), QL_E_INVALID);
    uint64_t size = 0;
    assert_int_equal(ql__file_size(ql_test_sys(), fd, &size, &err), QL_OK);
    assert_int_equal(size, 10);
    ql__file_close(ql_test_sys(), fd);
    ql__file_close(ql_test_sys(), -1);
    assert_int_equal(ql_test_fds_open(), 0);
}

static void test_file__goes_on_after_an_interruption(void **state)
{
    (void)state;
    ql_test_file_write(ql_test_path(dir, "a"), QL_STR("some content"));
    ql_test_fault_errno(EINTR);
    ql_test_fault_ops(QL_TEST_OPEN | QL_TEST_READ | QL_TEST_WRITE | QL_TEST_SYNC | QL_TEST_CLOSE);
    ql_error err;
    bool fired = true;
    for (long n = 0; fired; n++) {
        ql_buf out = QL_BUF_INIT;
        ql_test_fault_at(QL_FAULT_FILE, n);
        assert_int_equal(ql__file_write_atomic(ql_test_sys(), ql_test_path(dir, "a"), QL_STR("fresh"), 0600, &err), QL_OK);
        assert_int_equal(ql__file_read_all(ql_test_sys(), ql_test_path(dir, "a"), &out, &err), QL_OK);
        assert_string_equal(ql_buf_cstr(&out), "fresh");
        fired = ql_test_fault_clear();
        ql_buf_dispose(&out);
        assert_int_equal(ql_test_fds_open(), 0);
    }
}

/* ---- writing ---- */

static ql_status write_scenario(void *user, ql_error *err)
{
    bool *once = user;
    const char *path = ql_test_path(dir, "a");
    ql_test_file_write(path, QL_STR("old"));
    ql_status status = ql__file_write_atomic(ql_test_sys(), path, QL_STR("the new content"), 0600, err);
    ql_buf content = {0};
    ql_test_file_read(path, &content);
    bool is_new = strcmp(ql_buf_cstr(&content), "the new content") == 0;
    assert_true(is_new || strcmp(ql_buf_cstr(&content), "old") == 0);
    if (status == QL_OK) assert_true(is_new);
    ql_buf_dispose(&content);
    if (*once) assert_int_equal(ql_test_dir_count(dir), 1);
    (void)unlink(ql_test_path(dir, "a.tmp"));
    return status;
}

static void run_write_loops(void)
{
    bool once = false;
    ql_test_fault_loop(QL_FAULT_FILE, write_scenario, &once);
    once = true; /* a single failure leaves no temporary file */
    bool fired = true;
    for (long n = 0; fired; n++) {
        ql_error err;
        ql_test_fault_at(QL_FAULT_FILE, n);
        (void)write_scenario(&once, &err);
        fired = ql_test_fault_clear();
    }
}

static void test_file__atomic_write_leaves_old_or_new(void **state)
{
    (void)state;
    /* The last close is that of the folder, after everything is on disk; the file's own close counts. */
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~QL_TEST_CLOSE);
    run_write_loops();
    ql_test_fault_errno(ENOSPC);
    run_write_loops();
    ql_test_io_short(1);
    run_write_loops();
    ql_test_io_short(0);
    ql_test_fault_ops(QL_TEST_CLOSE);
    ql_error err;
    bool once = true;
    ql_test_fault_at(QL_FAULT_FILE, 0);
    assert_int_equal(write_scenario(&once, &err), QL_E_NOSPACE);
    assert_non_null(strstr(err.message, "close"));
}

static ql_status write_memory_scenario(void *user, ql_error *err)
{
    (void)user;
    return ql__file_write_atomic(ql_test_sys(), ql_test_path(dir, "b"), QL_STR("x"), 0600, err);
}

static void test_file__atomic_write_survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, write_memory_scenario, NULL);
    assert_file(ql_test_path(dir, "b"), "x");
}

static void test_file__atomic_write_sets_the_mode_and_ignores_leftovers(void **state)
{
    (void)state;
    struct stat info;
    const char *path = ql_test_path(dir, "a");
    ql_test_file_write(ql_test_path(dir, "victim"), QL_STR("untouched"));
    assert_int_equal(symlink(ql_test_path(dir, "victim"), ql_test_path(dir, "a.tmp")), 0);
    assert_int_equal(ql__file_write_atomic(ql_test_sys(), path, QL_STR("x"), 0600, NULL), QL_OK);
    assert_file(ql_test_path(dir, "victim"), "untouched");
    assert_file(path, "x");
    assert_int_equal(lstat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(ql__file_write_atomic(ql_test_sys(), path, QL_STR(""), 0600, NULL), QL_OK);
    assert_file(path, "");
    assert_int_equal(ql_test_dir_count(dir), 2);
}

static void test_file__atomic_write_takes_names_without_a_folder(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(ql__file_write_atomic(ql_test_sys(), "plain", QL_STR("x"), 0600, NULL), QL_OK);
    assert_int_equal(chdir(before), 0);
    assert_file(ql_test_path(dir, "plain"), "x");
    ql_error err;
    assert_int_equal(ql__file_write_atomic(ql_test_sys(), ql_test_path(dir, "no/such"), QL_STR("x"), 0600, &err), QL_E_NOTFOUND);
}

/* ---- folders ---- */

static ql_status folder_scenario(void *user, ql_error *err)
{
    (void)user;
    static int number;
    char name[64];
    snprintf(name, sizeof name, "f%d/b//c/", number++);
    const char *path = ql_test_path(dir, name);
    ql_status status = ql__dir_make(ql_test_sys(), path, 0700, err);
    if (status < 0) return status;
    assert_int_equal(ql_test_dir_count(path), 0);
    status = ql__dir_make(ql_test_sys(), path, 0700, err); /* again: fine */
    return status < 0 ? status : ql__dir_sync(ql_test_sys(), path, err);
}

static void test_file__makes_folders_with_parents(void **state)
{
    (void)state;
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~QL_TEST_CLOSE);
    ql_test_fault_loop(QL_FAULT_FILE, folder_scenario, NULL);
    ql_test_fault_loop(QL_FAULT_ALLOC, folder_scenario, NULL);
}

/* A folder whose name is not on disk takes everything in it with it when the power goes. */
static void test_file__syncs_the_names_of_new_folders(void **state)
{
    (void)state;
    ql_error err = {0};
    const char *path = ql_test_path(dir, "s/b");
    ql_test_fault_ops(QL_TEST_SYNC);
    long before = ql_test_file_calls();
    assert_int_equal(ql__dir_make(ql_test_sys(), path, 0700, &err), QL_OK);
    assert_int_equal(ql_test_file_calls() - before, 2);
    assert_int_equal(ql__dir_make(ql_test_sys(), path, 0700, &err), QL_OK);
    assert_int_equal(ql_test_file_calls() - before, 2);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
}

static void test_file__a_file_in_the_way_is_told(void **state)
{
    (void)state;
    ql_error err;
    ql_test_file_write(ql_test_path(dir, "a"), QL_STR("x"));
    assert_int_equal(ql__dir_make(ql_test_sys(), ql_test_path(dir, "a"), 0700, &err), QL_E_EXISTS);
    assert_true(ql__dir_make(ql_test_sys(), ql_test_path(dir, "a/b"), 0700, &err) < 0);
    assert_true(ql__dir_make(ql_test_sys(), "", 0700, &err) < 0);
    assert_true(ql__dir_sync(ql_test_sys(), ql_test_path(dir, "a"), &err) < 0);
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_file__reads_files_of_any_size),
        FILE_TEST(test_file__reads_files_that_do_not_tell_their_size),
        FILE_TEST(test_file__holds_the_cap_of_the_buffer),
        FILE_TEST(test_file__says_what_is_missing),
        FILE_TEST(test_file__read_passes_every_failure_on),
        FILE_TEST(test_file__read_at_wants_every_byte),
        FILE_TEST(test_file__goes_on_after_an_interruption),
        FILE_TEST(test_file__atomic_write_leaves_old_or_new),
        FILE_TEST(test_file__atomic_write_survives_running_out_of_memory),
        FILE_TEST(test_file__atomic_write_sets_the_mode_and_ignores_leftovers),
        FILE_TEST(test_file__atomic_write_takes_names_without_a_folder),
        FILE_TEST(test_file__makes_folders_with_parents),
        FILE_TEST(test_file__syncs_the_names_of_new_folders),
        FILE_TEST(test_file__a_file_in_the_way_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
