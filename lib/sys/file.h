/*
 * Files behind a table of functions, so that tests can fail each call in turn. The table mirrors POSIX: a function
 * returns what its POSIX name returns and sets errno. ql__file_* helpers on top turn that into ql_status, retry EINTR
 * and continue short reads and writes; code outside lib/sys uses the helpers.
 */
#ifndef QL_FILE_H
#define QL_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "sys/net.h"
#include <qloader/base.h>

typedef struct ql__file_ops {
    int (*openat_fn)(void *user, int dir_fd, const char *path, int flags, mode_t mode);
    int (*close_fn)(void *user, int fd);
    ssize_t (*pread_fn)(void *user, int fd, void *buf, size_t size, off_t offset);
    ssize_t (*pwrite_fn)(void *user, int fd, const void *buf, size_t size, off_t offset);
    int (*fstat_fn)(void *user, int fd, struct stat *out);
    int (*fstatat_fn)(void *user, int dir_fd, const char *path, struct stat *out, int flags);
    int (*fsync_fn)(void *user, int fd);
    int (*ftruncate_fn)(void *user, int fd, off_t size);
    int (*renameat_fn)(void *user, int dir_fd, const char *from, int to_dir_fd, const char *to);
    int (*unlinkat_fn)(void *user, int dir_fd, const char *path, int flags);
    int (*mkdirat_fn)(void *user, int dir_fd, const char *path, mode_t mode);
    void *(*mmap_fn)(void *user, size_t size, int prot, int flags, int fd, off_t offset);
    int (*munmap_fn)(void *user, void *ptr, size_t size);
    void *user;
} ql__file_ops;

typedef struct ql__clock_ops {
    int64_t (*wall_ms_fn)(void *user);       /* Unix time in milliseconds */
    uint64_t (*monotonic_ns_fn)(void *user);
    void (*sleep_ms_fn)(void *user, uint32_t ms);
    void *user;
} ql__clock_ops;

/* What a runtime hands to everything below it. Immutable once built. */
typedef struct ql__sys {
    const ql__file_ops *file;
    const ql__clock_ops *clock;
    const ql__net_ops *net; /* NULL: libcurl */
} ql__sys;

const ql__sys *ql__sys_default(void); /* the real kernel */
extern const ql__file_ops ql__file_kernel;
extern const ql__clock_ops ql__clock_kernel;

int64_t ql__wall_ms(const ql__sys *sys);
uint64_t ql__monotonic_ns(const ql__sys *sys);
/* Waits in short steps, as long as cancelled_fn (may be NULL) answers 0; true when the time is over, false when cancelled. */
bool ql__sleep_ms(const ql__sys *sys, uint32_t ms, int (*cancelled_fn)(void *user), void *user);

/* path is NUL-terminated and appears in err. flags as open(2); O_CLOEXEC is added. */
ql_status ql__file_open(const ql__sys *sys, const char *path, int flags, mode_t mode, int *out_fd, ql_error *err);
/* Refuses a path that is neither absent nor a regular file: a pipe would be waited for, a folder gives an error that names no cause. */
ql_status ql__file_expect_regular(const ql__sys *sys, const char *path, ql_error *err);
void ql__file_close(const ql__sys *sys, int fd); /* negative is fine */
/* Reads exactly size bytes; QL_E_IO with "short read" when the file ends before. */
ql_status ql__file_read_at(const ql__sys *sys, int fd, void *buf, size_t size, uint64_t offset, ql_error *err);
ql_status ql__file_write_at(const ql__sys *sys, int fd, const void *buf, size_t size, uint64_t offset, ql_error *err);
ql_status ql__file_sync(const ql__sys *sys, int fd, ql_error *err);
ql_status ql__file_size(const ql__sys *sys, int fd, uint64_t *out, ql_error *err);
/* Replaces out's content by the whole file (its limit_bytes holds; QL_E_LIMIT beyond; empty on failure). Works for files whose size is not known beforehand. */
ql_status ql__file_read_all(const ql__sys *sys, const char *path, ql_buf *out, ql_error *err);
/* Write to path.tmp, fsync, rename over path, fsync the folder: readers see the old or the new content, never a mix.
   Writers of one path exclude each other. After a failure of the last step (folder fsync) the new content is in place. */
ql_status ql__file_write_atomic(const ql__sys *sys, const char *path, ql_str content, mode_t mode, ql_error *err);
/* With parents; existing is fine. What is made is synced into the folder it is in, so that a power cut cannot take it (and all it holds) away. */
ql_status ql__dir_make(const ql__sys *sys, const char *path, mode_t mode, ql_error *err);
ql_status ql__dir_sync(const ql__sys *sys, const char *path, ql_error *err);

#endif
