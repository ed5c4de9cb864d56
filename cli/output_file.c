/* See output_file.h. */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Behind links; of a file that is not there the path itself. NULL: errno says why. */
static char *place_of(const char *path)
{
    char *place = realpath(path, NULL);
    return place == NULL && errno == ENOENT ? strdup(path) : place;
}

static int open_part(output_file *self)
{
    ql_buf_printf(&self->part, "%s.part-%ld", self->place, (long)getpid());
    if (self->part.status < 0) {
        errno = ENOMEM;
        return -1;
    }
    return open(ql_buf_cstr(&self->part), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void forget(output_file *self)
{
    free(self->place);
    ql_buf_dispose(&self->part);
    *self = (output_file){.part = QL_BUF_INIT};
}

int output_file_open(output_file *self, const char *path)
{
    struct stat facts;
    *self = (output_file){.part = QL_BUF_INIT};
    bool there = stat(path, &facts) == 0, dangling = !there && lstat(path, &facts) == 0;
    int fd = -1;
    if (there && S_ISDIR(facts.st_mode)) errno = EISDIR;
    else if (dangling || (there && !S_ISREG(facts.st_mode))) fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    else if ((self->place = place_of(path)) != NULL) fd = open_part(self);
    self->stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
    int code = self->stream == NULL ? errno : 0;
    if (self->stream == NULL && fd >= 0) close(fd);
    if (code != 0) forget(self);
    return code;
}

int output_file_close(output_file *self, bool whole)
{
    int code = fflush(self->stream) != 0 ? errno : 0;
    if (self->place != NULL && whole && code == 0 && fsync(fileno(self->stream)) != 0 && errno != EINVAL) code = errno;
    if (fclose(self->stream) != 0 && code == 0) code = errno;
    if (self->place != NULL && whole && code == 0 && rename(ql_buf_cstr(&self->part), self->place) != 0) code = errno;
    if (self->place != NULL && (!whole || code != 0)) (void)unlink(ql_buf_cstr(&self->part));
    forget(self);
    return code;
}
