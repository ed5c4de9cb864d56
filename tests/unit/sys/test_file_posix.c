/* Goal: every entry of the kernel's table does what its POSIX name says (a swapped argument would show). */
#include "support/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

static void test_file_posix__every_call_reaches_the_kernel(void **state)
{
    (void)state;
    const ql__file_ops *ops = ql__sys_default()->file;
    char *dir = ql_test_dir_new();
    const char *sub = ql_test_path(dir, "sub"), *a = ql_test_path(dir, "sub/a"), *b = ql_test_path(dir, "sub/b");
    struct stat info;
    char bytes[4];

    assert_int_equal(ops->mkdirat_fn(ops->user, AT_FDCWD, sub, 0700), 0);
    int fd = ops->openat_fn(ops->user, AT_FDCWD, a, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ops->pwrite_fn(ops->user, fd, "xyz", 3, 2), 3);
    assert_int_equal(ops->fsync_fn(ops->user, fd), 0);
    assert_int_equal(ops->pread_fn(ops->user, fd, bytes, 4, 1), 4);
    assert_memory_equal(bytes, "\0xyz", 4);
    assert_int_equal(ops->ftruncate_fn(ops->user, fd, 3), 0);
    assert_int_equal(ops->fstat_fn(ops->user, fd, &info), 0);
    assert_int_equal(info.st_size, 3);
    assert_int_equal(info.st_mode & 0777, 0600);
    char *mapped = ops->mmap_fn(ops->user, 3, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    assert_memory_equal(mapped, "\0\0x", 3);
    assert_int_equal(ops->munmap_fn(ops->user, mapped, 3), 0);
    assert_int_equal(ops->close_fn(ops->user, fd), 0);
    assert_int_equal(ops->renameat_fn(ops->user, AT_FDCWD, a, AT_FDCWD, b), 0);
    assert_int_equal(ops->fstatat_fn(ops->user, AT_FDCWD, a, &info, 0), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(ops->fstatat_fn(ops->user, AT_FDCWD, b, &info, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(ops->unlinkat_fn(ops->user, AT_FDCWD, b, 0), 0);
    assert_int_equal(ops->unlinkat_fn(ops->user, AT_FDCWD, sub, AT_REMOVEDIR), 0);
    assert_int_equal(ql_test_dir_count(dir), 0);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_file_posix__every_call_reaches_the_kernel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
