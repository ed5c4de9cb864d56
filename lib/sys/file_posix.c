/*
 * The kernel's calls behind the table of sys/file.h, one line each, and the default ql__sys. Threads: as the kernel.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/file.h"

static int posix_openat(void *user, int dir_fd, const char *path, int flags, mode_t mode)
{
    (void)user;
    return openat(dir_fd, path, flags, mode);
}

static int posix_close(void *user, int fd)
{
    (void)user;
    return close(fd);
}

static ssize_t posix_pread(void *user, int fd, void *buf, size_t size, off_t offset)
{
    (void)user;
    return pread(fd, buf, size, offset);
}

static ssize_t posix_pwrite(void *user, int fd, const void *buf, size_t size, off_t offset)
{
    (void)user;
    return pwrite(fd, buf, size, offset);
}

static int posix_fstat(void *user, int fd, struct stat *out)
{
    (void)user;
    return fstat(fd, out);
}

static int posix_fstatat(void *user, int dir_fd, const char *path, struct stat *out, int flags)
{
    (void)user;
    return fstatat(dir_fd, path, out, flags);
}

static int posix_fsync(void *user, int fd)
{
    (void)user;
    return fsync(fd);
}

static int posix_ftruncate(void *user, int fd, off_t size)
{
    (void)user;
    return ftruncate(fd, size);
}

static int posix_renameat(void *user, int dir_fd, const char *from, int to_dir_fd, const char *to)
{
    (void)user;
    return renameat(dir_fd, from, to_dir_fd, to);
}

static int posix_unlinkat(void *user, int dir_fd, const char *path, int flags)
{
    (void)user;
    return unlinkat(dir_fd, path, flags);
}

static int posix_mkdirat(void *user, int dir_fd, const char *path, mode_t mode)
{
    (void)user;
    return mkdirat(dir_fd, path, mode);
}

static void *posix_mmap(void *user, size_t size, int prot, int flags, int fd, off_t offset)
{
    (void)user;
    return mmap(NULL, size, prot, flags, fd, offset);
}

static int posix_munmap(void *user, void *ptr, size_t size)
{
    (void)user;
    return munmap(ptr, size);
}

const ql__file_ops ql__file_kernel = {
    .openat_fn = posix_openat,
    .close_fn = posix_close,
    .pread_fn = posix_pread,
    .pwrite_fn = posix_pwrite,
    .fstat_fn = posix_fstat,
    .fstatat_fn = posix_fstatat,
    .fsync_fn = posix_fsync,
    .ftruncate_fn = posix_ftruncate,
    .renameat_fn = posix_renameat,
    .unlinkat_fn = posix_unlinkat,
    .mkdirat_fn = posix_mkdirat,
    .mmap_fn = posix_mmap,
    .munmap_fn = posix_munmap,
};

const ql__sys *ql__sys_default(void)
{
    static const ql__sys sys = {&ql__file_kernel, &ql__clock_kernel, NULL};
    return &sys;
}
