/*
 * Whole operations on top of the table of POSIX calls: EINTR is retried, short reads and writes go on, errno becomes a
 * ql_status with the path in the message.
 *
 * Invariants: every descriptor opened here is closed on every way out; write_atomic never leaves its temporary file behind
 * unless removing it fails too. Threads: safe, except that writers of one path exclude each other.
 */
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"

#define READ_CHUNK_BYTES ((size_t)64 << 10)
#define IO_CALL_BYTES_MAX ((size_t)1 << 30) /* the kernel moves less than 2 GiB a call */

/* Repeats a call that a signal interrupted. */
#define RETRY(result, call) \
    do { \
        (result) = (call); \
    } while ((result) < 0 && errno == EINTR)

ql_status ql__file_open(const ql__sys *sys, const char *path, int flags, mode_t mode, int *out_fd, ql_error *err)
{
    int fd;
    RETRY(fd, sys->file->openat_fn(sys->file->user, AT_FDCWD, path, flags | O_CLOEXEC, mode));
    if (fd < 0) return ql__fail_errno(err, errno, "cannot open '%s'", path);
    *out_fd = fd;
    return QL_OK;
}

ql_status ql__file_expect_regular(const ql__sys *sys, const char *path, ql_error *err)
{
    struct stat info;
    if (sys->file->fstatat_fn(sys->file->user, AT_FDCWD, path, &info, 0) != 0)
        return errno == ENOENT ? QL_OK : ql__fail_errno(err, errno, "cannot look at '%s'", path);
    if (S_ISREG(info.st_mode)) return QL_OK;
    const char *kind = S_ISDIR(info.st_mode) ? "a folder" : S_ISFIFO(info.st_mode) ? "a pipe" : S_ISSOCK(info.st_mode) ? "a socket" : "a device";
    return ql__fail(err, QL_E_IO, "'%s' is %s, a file is wanted there: move it away", path, kind);
}

void ql__file_close(const ql__sys *sys, int fd)
{
    /* Linux frees the descriptor even when close says EINTR, so it is never called twice. */
    if (fd >= 0) (void)sys->file->close_fn(sys->file->user, fd);
}

static bool range_is_valid(size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && size <= (uint64_t)INT64_MAX - offset;
}

/* Up to size bytes, fewer only at the end of the file; -1 with errno. */
static ssize_t read_fully(const ql__sys *sys, int fd, char *buf, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        size_t part = size - done < IO_CALL_BYTES_MAX ? size - done : IO_CALL_BYTES_MAX;
        ssize_t got;
        RETRY(got, sys->file->pread_fn(sys->file->user, fd, buf + done, part, (off_t)(offset + done)));
        if (got < 0) return -1;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ql_status ql__file_read_at(const ql__sys *sys, int fd, void *buf, size_t size, uint64_t offset, ql_error *err)
{
    if (!range_is_valid(size, offset)) return ql__fail(err, QL_E_INVALID, "read beyond the largest file offset");
    ssize_t got = read_fully(sys, fd, buf, size, offset);
    if (got < 0) return ql__fail_errno(err, errno, "cannot read %zu bytes at %llu", size, (unsigned long long)offset);
    if ((size_t)got < size) {
        return ql__fail(err, QL_E_IO, "short read: %zd of %zu bytes at %llu", got, size, (unsigned long long)offset);
    }
    return QL_OK;
}

ql_status ql__file_write_at(const ql__sys *sys, int fd, const void *buf, size_t size, uint64_t offset, ql_error *err)
{
    if (!range_is_valid(size, offset)) return ql__fail(err, QL_E_INVALID, "write beyond the largest file offset");
    size_t done = 0;
    while (done < size) {
        size_t part = size - done < IO_CALL_BYTES_MAX ? size - done : IO_CALL_BYTES_MAX;
        ssize_t put;
        RETRY(put, sys->file->pwrite_fn(sys->file->user, fd, (const char *)buf + done, part, (off_t)(offset + done)));
        if (put < 0) return ql__fail_errno(err, errno, "cannot write %zu bytes at %llu", size, (unsigned long long)offset);
        if (put == 0) return ql__fail(err, QL_E_IO, "short write: %zu of %zu bytes", done, size);
        done += (size_t)put;
    }
    return QL_OK;
}

ql_status ql__file_sync(const ql__sys *sys, int fd, ql_error *err)
{
    int result;
    RETRY(result, sys->file->fsync_fn(sys->file->user, fd));
    return result < 0 ? ql__fail_errno(err, errno, "cannot sync a file") : QL_OK;
}

ql_status ql__file_size(const ql__sys *sys, int fd, uint64_t *out, ql_error *err)
{
    struct stat info;
    if (sys->file->fstat_fn(sys->file->user, fd, &info) < 0) return ql__fail_errno(err, errno, "cannot stat a file");
    *out = info.st_size > 0 ? (uint64_t)info.st_size : 0;
    return QL_OK;
}

static ql_status fail_too_large(const char *path, size_t limit_bytes, ql_error *err)
{
    return ql__fail(err, QL_E_LIMIT, "'%s' is larger than %zu bytes", path, limit_bytes);
}

/* Reads until the end of the file; size_hint may be wrong in both directions. */
static ql_status read_to_end(const ql__sys *sys, int fd, const char *path, uint64_t size_hint, ql_buf *out, ql_error *err)
{
    size_t limit_bytes = out->limit_bytes ? out->limit_bytes : QL_LIMIT_BUF_BYTES;
    if (size_hint > limit_bytes) return fail_too_large(path, limit_bytes, err);
    for (size_t want = (size_t)size_hint + 1;; want = READ_CHUNK_BYTES) {
        size_t room = limit_bytes - out->len;
        if (room == 0) { /* full: only the end of the file may follow */
            char probe;
            ssize_t more = read_fully(sys, fd, &probe, 1, out->len);
            if (more < 0) return ql__fail_errno(err, errno, "cannot read '%s'", path);
            return more == 0 ? QL_OK : fail_too_large(path, limit_bytes, err);
        }
        if (want > room) want = room;
        if (ql_buf_reserve(out, want) < 0) return ql__fail_nomem(err);
        ssize_t got = read_fully(sys, fd, out->ptr + out->len, want, out->len);
        if (got < 0) return ql__fail_errno(err, errno, "cannot read '%s'", path);
        out->len += (size_t)got;
        out->ptr[out->len] = '\0';
        if ((size_t)got < want) return QL_OK;
    }
}

ql_status ql__file_read_all(const ql__sys *sys, const char *path, ql_buf *out, ql_error *err)
{
    ql_buf_clear(out);
    int fd = -1;
    /* O_NONBLOCK: opening a pipe that nobody writes to fails at the first read instead of waiting for ever. */
    QL_TRY(ql__file_open(sys, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &fd, err));
    struct stat info;
    ql_status status = QL_OK;
    if (sys->file->fstat_fn(sys->file->user, fd, &info) < 0) status = ql__fail_errno(err, errno, "cannot stat '%s'", path);
    else if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)) status = ql__fail(err, QL_E_IO, "'%s' is a pipe, a file is wanted: write its content to one first", path);
    else status = read_to_end(sys, fd, path, info.st_size > 0 ? (uint64_t)info.st_size : 0, out, err);
    ql__file_close(sys, fd);
    if (status < 0) ql_buf_clear(out);
    return status;
}

/* Length of the folder part of a path: 0 when it has none, 1 for "/x". */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return 0;
    return slash == path ? 1 : (size_t)(slash - path);
}

static ql_status sync_folder_of(const ql__sys *sys, const char *path, ql_error *err)
{
    size_t len = folder_length(path);
    if (len == 0) return ql__dir_sync(sys, ".", err);
    QL_AUTO(char *, ql__free_cleanup) folder = ql__strdup((ql_str){path, len});
    return folder ? ql__dir_sync(sys, folder, err) : ql__fail_nomem(err);
}

/* A new file with the content, on disk when this returns. close is checked: network file systems report there. */
static ql_status write_new(const ql__sys *sys, const char *path, ql_str content, mode_t mode, ql_error *err)
{
    int fd = -1;
    QL_TRY(ql__file_open(sys, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode, &fd, err));
    ql_status status = ql__file_write_at(sys, fd, content.ptr, content.len, 0, err);
    if (status == QL_OK) status = ql__file_sync(sys, fd, err);
    if (status < 0) {
        ql__error_prefix(err, "'%s'", path);
        ql__file_close(sys, fd);
        return status;
    }
    if (sys->file->close_fn(sys->file->user, fd) < 0 && errno != EINTR) return ql__fail_errno(err, errno, "cannot close '%s'", path);
    return QL_OK;
}

ql_status ql__file_write_atomic(const ql__sys *sys, const char *path, ql_str content, mode_t mode, ql_error *err)
{
    QL_AUTO(char *, ql__free_cleanup) temporary = NULL;
    size_t len = strlen(path);
    temporary = ql__alloc(len + sizeof ".tmp");
    if (!temporary) return ql__fail_nomem(err);
    memcpy(temporary, path, len);
    memcpy(temporary + len, ".tmp", sizeof ".tmp");
    const ql__file_ops *file = sys->file;
    /* One that a crash left may have another mode or be a link, so it is never reused. */
    if (file->unlinkat_fn(file->user, AT_FDCWD, temporary, 0) < 0 && errno != ENOENT) {
        return ql__fail_errno(err, errno, "cannot remove '%s'", temporary);
    }
    ql_status status = write_new(sys, temporary, content, mode, err);
    if (status == QL_OK && file->renameat_fn(file->user, AT_FDCWD, temporary, AT_FDCWD, path) < 0) {
        status = ql__fail_errno(err, errno, "cannot rename '%s' to '%s'", temporary, path);
    }
    if (status < 0) {
        (void)file->unlinkat_fn(file->user, AT_FDCWD, temporary, 0);
        return status;
    }
    return sync_folder_of(sys, path, err);
}

/* One folder, whose parent exists; its name is on disk when this returns. A parent that may be written but not read stays unsynced, and one on a file system that knows no syncing of folders (EINVAL). */
static ql_status make_one(const ql__sys *sys, const char *path, mode_t mode, ql_error *err)
{
    if (sys->file->mkdirat_fn(sys->file->user, AT_FDCWD, path, mode) == 0) {
        ql_error detail = {0};
        ql_status status = sync_folder_of(sys, path, &detail);
        if (status == QL_OK || detail.os_code == EACCES || detail.os_code == EINVAL) return QL_OK;
        if (err) *err = detail;
        return status;
    }
    if (errno != EEXIST) return ql__fail_errno(err, errno, "cannot make folder '%s'", path);
    struct stat info;
    if (sys->file->fstatat_fn(sys->file->user, AT_FDCWD, path, &info, 0) < 0) return ql__fail_errno(err, errno, "cannot stat '%s'", path);
    if (!S_ISDIR(info.st_mode)) return ql__fail(err, QL_E_EXISTS, "'%s' exists and is no folder", path);
    return QL_OK;
}

ql_status ql__dir_make(const ql__sys *sys, const char *path, mode_t mode, ql_error *err)
{
    QL_AUTO(char *, ql__free_cleanup) part = ql__strdup(ql_str_of(path));
    if (!part) return ql__fail_nomem(err);
    for (char *at = part + 1; *part && *at; at++) {
        if (*at != '/' || at[-1] == '/') continue;
        *at = '\0';
        QL_TRY(make_one(sys, part, mode, err));
        *at = '/';
    }
    return make_one(sys, part, mode, err);
}

ql_status ql__dir_sync(const ql__sys *sys, const char *path, ql_error *err)
{
    int fd = -1;
    QL_TRY(ql__file_open(sys, path, O_RDONLY | O_DIRECTORY, 0, &fd, err));
    ql_status status = ql__file_sync(sys, fd, err);
    if (status < 0) ql__error_prefix(err, "'%s'", path);
    ql__file_close(sys, fd);
    return status;
}
