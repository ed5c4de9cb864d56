/* See setup_files.h. */
#include "setup_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MADE_MAX (sizeof(((setup_files *)0)->made) / sizeof(ql_buf))

void files_init(setup_files *self)
{
    memset(self, 0, sizeof *self); /* an empty ql_buf is all zeros, see QL_BUF_INIT */
}

void files_dispose(setup_files *self)
{
    for (size_t i = 0; i < self->made_count; i++) ql_buf_dispose(&self->made[i]);
    for (size_t i = 0; i < self->count; i++) {
        ql_buf_dispose(&self->files[i].temporary);
        ql_buf_dispose(&self->files[i].place);
    }
}

/* status: what it is when the system says nothing better. */
static ql_status fail(ql_error *err, int os_code, const char *path)
{
    ql_status status = os_code == ENOSPC || os_code == EDQUOT ? QL_E_NOSPACE : os_code == EEXIST ? QL_E_EXISTS : os_code == ENOMEM ? QL_E_NOMEM : os_code == ENOENT ? QL_E_NOTFOUND : QL_E_IO;
    *err = (ql_error){.status = status, .os_code = os_code};
    snprintf(err->message, sizeof err->message, "'%.400s': %s", path, strerror(os_code));
    return status;
}

/* --- folders --------------------------------------------------------------------------------------------------------------------- */

static ql_status make_one(setup_files *self, const char *path, ql_error *err)
{
    struct stat info;
    if (self->made_count == MADE_MAX) return fail(err, ENAMETOOLONG, path);
    if (mkdir(path, 0777) != 0) return errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? QL_OK : fail(err, errno, path);
    ql_buf *made = &self->made[self->made_count++];
    if (ql_buf_append(made, ql_str_of(path)) >= 0) return QL_OK;
    (void)rmdir(path);
    return fail(err, ENOMEM, path);
}

ql_status files_folder(setup_files *self, const char *path, ql_error *err)
{
    ql_buf part = QL_BUF_INIT;
    ql_status status = ql_buf_append(&part, ql_str_of(path)) < 0 ? fail(err, ENOMEM, path) : QL_OK;
    for (size_t i = 1; status >= 0 && i < part.len; i++) {
        if (part.ptr[i] != '/' || part.ptr[i - 1] == '/') continue;
        part.ptr[i] = '\0';
        if (access(part.ptr, F_OK) != 0) status = make_one(self, part.ptr, err);
        part.ptr[i] = '/';
    }
    if (status >= 0) status = make_one(self, path, err);
    ql_buf_dispose(&part);
    return status;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return; /* what cannot be synced is still there unless the power goes */
    (void)fsync(fd);
    close(fd);
}

/* --- files ----------------------------------------------------------------------------------------------------------------------- */

static bool write_all(int fd, ql_str content)
{
    while (content.len > 0) {
        ssize_t written = write(fd, content.ptr, content.len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        content.ptr += written;
        content.len -= (size_t)written;
    }
    return true;
}

ql_status files_stage(setup_files *self, const char *dir, const char *name, ql_str content, unsigned mode, bool replaces, ql_error *err)
{
    ql_buf *temporary = &self->files[self->count].temporary, *place = &self->files[self->count].place;
    ql_buf_printf(temporary, "%s/.setup-XXXXXX", dir);
    ql_buf_printf(place, "%s/%s", dir, name);
    self->files[self->count].replaces = replaces;
    int fd = temporary->status < 0 || place->status < 0 ? -1 : mkostemp(temporary->ptr, O_CLOEXEC);
    if (fd < 0) {
        int os_code = temporary->status < 0 || place->status < 0 ? ENOMEM : errno;
        ql_status status = fail(err, os_code, dir);
        ql_buf_dispose(temporary);
        ql_buf_dispose(place);
        return status;
    }
    self->count++;
    ql_status status = write_all(fd, content) && fchmod(fd, mode) == 0 && fsync(fd) == 0 ? QL_OK : fail(err, errno, ql_buf_cstr(place));
    if (close(fd) != 0 && status >= 0) status = fail(err, errno, ql_buf_cstr(place));
    return status;
}

const char *files_staged(const setup_files *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        const char *slash = strrchr(ql_buf_cstr(&self->files[i].place), '/');
        if (slash != NULL && strcmp(slash + 1, name) == 0) return ql_buf_cstr(&self->files[i].temporary);
    }
    return NULL;
}

/* Takes the name with an empty file of ours before it is replaced, so that a file of somebody else that appears meanwhile survives. */
static ql_status claim(const char *place, ql_error *err)
{
    int fd = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return fail(err, errno, place);
    close(fd);
    return QL_OK;
}

ql_status files_place(setup_files *self, ql_error *err)
{
    for (size_t i = 0; i < self->count; i++) {
        const char *temporary = ql_buf_cstr(&self->files[i].temporary), *place = ql_buf_cstr(&self->files[i].place);
        ql_status status = self->files[i].replaces ? QL_OK : claim(place, err);
        if (status < 0) return status;
        if (rename(temporary, place) != 0) {
            status = fail(err, errno, place);
            if (!self->files[i].replaces) (void)unlink(place); /* the empty one */
            return status;
        }
        self->files[i].placed = true;
        char *slash = strrchr(self->files[i].place.ptr, '/');
        *slash = '\0';
        sync_folder(self->files[i].place.ptr);
        *slash = '/';
    }
    return QL_OK;
}

void files_take_back(setup_files *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (!self->files[i].placed) (void)unlink(ql_buf_cstr(&self->files[i].temporary));
        else if (!self->files[i].replaces) (void)unlink(ql_buf_cstr(&self->files[i].place)); /* what was replaced cannot come back */
    }
    for (size_t i = self->made_count; i > 0; i--) (void)rmdir(ql_buf_cstr(&self->made[i - 1])); /* fails where somebody put something meanwhile */
}

