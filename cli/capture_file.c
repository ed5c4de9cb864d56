/* See capture_file.h. */
#include "capture_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART CAPTURE_FILE_NAME ".part-"
#define TRIES 8 /* a place that is replaced so often while it is being locked is no place */

/* Whatever the cause: a file or folder could not be used. */
static ql_status fail(ql_error *err, int os_code, const char *what, const char *path)
{
    err->status = os_code == ENOSPC || os_code == EDQUOT ? QL_E_NOSPACE : os_code == ENOMEM ? QL_E_NOMEM : QL_E_IO;
    err->os_code = os_code;
    (void)snprintf(err->message, sizeof err->message, "cannot %s '%.300s': %s", what, path, strerror(os_code));
    return err->status;
}

static ql_status make_one(capture_file *self, const char *path, ql_error *err)
{
    struct stat facts;
    if (mkdir(path, 0700) == 0) {
        if (self->made_from == 0) self->made_from = strlen(path);
        return QL_OK;
    }
    int code = errno;
    if (stat(path, &facts) == 0) {
        if (S_ISDIR(facts.st_mode)) return QL_OK;
        code = ENOTDIR;
    }
    return fail(err, code, "make the folder", path);
}

static ql_status make_folder(capture_file *self, ql_error *err)
{
    ql_buf part = QL_BUF_INIT;
    ql_status status = ql_buf_append(&part, ql_str_of(self->folder)) < 0 ? fail(err, ENOMEM, "make the folder", self->folder) : QL_OK;
    for (size_t i = 1; status >= 0 && i < part.len; i++) {
        if (part.ptr[i] != '/' || part.ptr[i - 1] == '/') continue;
        part.ptr[i] = '\0';
        status = make_one(self, part.ptr, err);
        part.ptr[i] = '/';
    }
    if (status >= 0) status = make_one(self, part.ptr, err);
    ql_buf_dispose(&part);
    return status;
}

/* Innermost first; one that is not empty stays, and what is above it. */
static void unmake_folder(const capture_file *self)
{
    ql_buf part = QL_BUF_INIT;
    size_t length = strlen(self->folder);
    bool gone = self->made_from > 0 && ql_buf_append(&part, ql_str_of(self->folder)) >= 0;
    for (; gone && length >= self->made_from; length--) {
        if (length < part.len && part.ptr[length] != '/') continue;
        if (length > 0 && part.ptr[length - 1] == '/') continue; /* the same folder again, as "a/b/" and "a//b" have it */
        part.ptr[length] = '\0';
        gone = rmdir(part.ptr) == 0;
    }
    ql_buf_dispose(&part);
}

static ql_status expect_file(const char *path, ql_error *err)
{
    struct stat facts;
    if (lstat(path, &facts) != 0) return errno == ENOENT ? QL_OK : fail(err, errno, "look at", path);
    if (S_ISREG(facts.st_mode)) return QL_OK;
    const char *kind = S_ISDIR(facts.st_mode) ? "a folder" : S_ISLNK(facts.st_mode) ? "a link" : S_ISFIFO(facts.st_mode) ? "a pipe" : S_ISSOCK(facts.st_mode) ? "a socket" : "a device";
    (void)snprintf(err->message, sizeof err->message, "'%.300s' is %s, a file is wanted there: move it away", path, kind);
    return err->status = QL_E_IO;
}

/* The lock is the descriptor's, so it ends with it however the process does. */
static ql_status lock_place(const capture_file *self, ql_error *err)
{
    const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const char *path = ql_buf_cstr(&self->path);
    if (fcntl(self->lock_fd, F_OFD_SETLK, &whole) == 0) return QL_OK;
    if (errno != EAGAIN && errno != EACCES) return fail(err, errno, "lock", path);
    (void)snprintf(err->message, sizeof err->message, "another capture is being written to '%.200s': wait for its end, or name another folder", path);
    return err->status = QL_E_BUSY;
}

/* What is locked stands at the place still: a run that ended meanwhile may have put its own there. */
static bool is_there(const capture_file *self)
{
    struct stat held, there;
    return fstat(self->lock_fd, &held) == 0 && lstat(ql_buf_cstr(&self->path), &there) == 0 && held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

static ql_status take_place(capture_file *self, ql_error *err)
{
    const char *path = ql_buf_cstr(&self->path);
    ql_status status = QL_OK;
    for (int i = 0; i < TRIES; i++) {
        status = expect_file(path, err);
        if (status < 0) return status;
        self->made = true;
        self->lock_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (self->lock_fd < 0 && errno == EEXIST) {
            self->made = false;
            self->lock_fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        }
        if (self->lock_fd < 0 && errno == ENOENT) continue;
        if (self->lock_fd < 0) return fail(err, errno, "write", path);
        status = lock_place(self, err);
        if (status >= 0 && is_there(self)) return QL_OK;
        (void)close(self->lock_fd);
        self->lock_fd = -1;
        if (status < 0) return status;
    }
    return fail(err, EBUSY, "lock", path);
}

/* Of runs that were killed: none is at work here while the place is ours. */
static void sweep_parts(const capture_file *self)
{
    DIR *dir = opendir(self->folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *number = entry->d_name + sizeof PART - 1;
        if (strncmp(entry->d_name, PART, sizeof PART - 1) != 0 || *number == '\0' || number[strspn(number, "0123456789")] != '\0') continue;
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) (void)closedir(dir);
}

static ql_status open_part(capture_file *self, ql_error *err)
{
    const char *part = ql_buf_cstr(&self->part);
    const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    sweep_parts(self);
    self->fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (self->fd < 0) return fail(err, errno, "write", part);
    return fcntl(self->fd, F_OFD_SETLK, &whole) == 0 ? QL_OK : fail(err, errno, "lock", part); /* it is locked too when it has become the place */
}

ql_status capture_file_open(capture_file *self, const char *folder, ql_error *err)
{
    *self = (capture_file){.folder = folder, .path = QL_BUF_INIT, .part = QL_BUF_INIT, .lock_fd = -1, .fd = -1};
    ql_status status = QL_OK;
    if (ql_buf_printf(&self->path, "%s/" CAPTURE_FILE_NAME, folder) < 0 || ql_buf_printf(&self->part, "%s/" PART "%ld", folder, (long)getpid()) < 0) status = fail(err, ENOMEM, "write to", folder);
    if (status >= 0) status = make_folder(self, err);
    if (status >= 0) status = take_place(self, err);
    if (status >= 0) status = open_part(self, err);
    if (status < 0) capture_file_close(self);
    return status;
}

int capture_file_write(void *user, const void *bytes, size_t size)
{
    capture_file *self = user;
    for (size_t done = 0; done < size;) {
        ssize_t count = write(self->fd, (const char *)bytes + done, size - done);
        if (count > 0) done += (size_t)count;
        else if (count == 0 || errno != EINTR) {
            atomic_store(&self->os_code, count == 0 ? EIO : errno);
            return -1;
        }
    }
    return 0;
}

ql_status capture_file_status(const capture_file *self, ql_error *err)
{
    int code = atomic_load(&self->os_code);
    return code == 0 ? QL_OK : fail(err, code, "write", ql_buf_cstr(&self->path));
}

ql_status capture_file_keep(capture_file *self, ql_error *err)
{
    if (self->kept) return QL_OK;
    ql_status status = capture_file_status(self, err);
    if (status < 0) return status;
    if (rename(ql_buf_cstr(&self->part), ql_buf_cstr(&self->path)) != 0) return fail(err, errno, "write", ql_buf_cstr(&self->path));
    self->kept = true;
    return QL_OK;
}

void capture_file_close(capture_file *self)
{
    if (!self->kept && self->fd >= 0) (void)unlink(ql_buf_cstr(&self->part));
    if (!self->kept && self->made && self->lock_fd >= 0) (void)unlink(ql_buf_cstr(&self->path));
    if (!self->kept) unmake_folder(self);
    if (self->fd >= 0) (void)close(self->fd);
    if (self->lock_fd >= 0) (void)close(self->lock_fd);
    ql_buf_dispose(&self->path);
    ql_buf_dispose(&self->part);
}
