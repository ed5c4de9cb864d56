/* A few files in memory behind the table of file calls, so that nothing touches the disk. Header only, for fuzz targets. */
#ifndef QL_FUZZ_FILES_H
#define QL_FUZZ_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sys/file.h"

#define FUZZ_FILES_MAX 8
#define FUZZ_FILES_FD 100 /* descriptor of the first */

typedef struct fuzz_files {
    struct {
        const char *path; /* as it is asked for */
        ql_str bytes;
    } files[FUZZ_FILES_MAX];
    size_t count;
    ql__file_ops ops;
    ql__sys sys;
} fuzz_files;

static int fuzz_files_open(void *user, int dir_fd, const char *path, int flags, mode_t mode)
{
    const fuzz_files *self = user;
    (void)dir_fd, (void)flags, (void)mode;
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->files[i].path, path) == 0) return FUZZ_FILES_FD + (int)i;
    errno = ENOENT;
    return -1;
}

static int fuzz_files_close(void *user, int fd)
{
    (void)user, (void)fd;
    return 0;
}

static ssize_t fuzz_files_read(void *user, int fd, void *buf, size_t size, off_t offset)
{
    const fuzz_files *self = user;
    ql_str bytes = self->files[fd - FUZZ_FILES_FD].bytes;
    size_t at = (size_t)offset;
    if (at >= bytes.len) return 0;
    size_t count = size < bytes.len - at ? size : bytes.len - at;
    memcpy(buf, bytes.ptr + at, count);
    return (ssize_t)count;
}

static int fuzz_files_stat(void *user, int fd, struct stat *out)
{
    const fuzz_files *self = user;
    memset(out, 0, sizeof *out);
    out->st_mode = S_IFREG | 0644;
    out->st_size = (off_t)self->files[fd - FUZZ_FILES_FD].bytes.len;
    return 0;
}

static inline void fuzz_files_init(fuzz_files *self)
{
    memset(self, 0, sizeof *self);
    self->ops = *ql__sys_default()->file;
    self->ops.openat_fn = fuzz_files_open;
    self->ops.close_fn = fuzz_files_close;
    self->ops.pread_fn = fuzz_files_read;
    self->ops.fstat_fn = fuzz_files_stat;
    self->ops.user = self;
    self->sys = (ql__sys){.file = &self->ops, .clock = ql__sys_default()->clock};
}

static inline void fuzz_files_add(fuzz_files *self, const char *path, ql_str bytes)
{
    if (self->count == FUZZ_FILES_MAX) return;
    self->files[self->count].path = path;
    self->files[self->count++].bytes = bytes;
}

#endif
