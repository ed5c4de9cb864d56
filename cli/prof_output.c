#include "prof_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "output_file.h"
#include "session.h"

typedef struct file_target {
    FILE *stream;
    unsigned long long bytes;
    int os_code; /* of the write that failed */
} file_target;

static int to_file(void *user, const void *data, size_t size)
{
    file_target *target = user;
    if (stop_asked()) return -1;
    errno = 0;
    if (fwrite(data, 1, size, target->stream) != size) {
        target->os_code = errno != 0 ? errno : EIO;
        return -1;
    }
    target->bytes += size;
    return 0;
}

static int to_buffer(void *user, const void *data, size_t size)
{
    return stop_asked() || ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

/* What stopped the writer: the file, or itself. */
static ql_status outcome(ql_status status, const char *path, int os_code, ql_error *err)
{
    if (os_code == 0) return status;
    err->status = os_code == ENOSPC || os_code == EDQUOT ? QL_E_NOSPACE : QL_E_IO;
    (void)snprintf(err->message, sizeof err->message, "cannot write '%s': %s", path, strerror(os_code));
    return err->status;
}

int prof_fail(const cli *self, ql_status status, const ql_error *err)
{
    return stop_asked() ? session_fail(self, QL_E_CANCELLED, err) : cli_fail(self, status, err);
}

static ql_status write_stream(FILE *stream, prof_write_fn write, void *user, file_target *target, ql_error *err)
{
    target->stream = stream;
    ql_status status = write(user, to_file, target, err);
    if (fflush(stream) != 0 && target->os_code == 0) target->os_code = errno;
    return status;
}

static int write_stdout(const cli *self, prof_write_fn write, void *user, unsigned long long *bytes)
{
    file_target target = {0};
    ql_error err = {0};
    ql_status status = write_stream(stdout, write, user, &target, &err);
    *bytes = target.bytes;
    if (target.os_code == EPIPE) return EXIT_OK; /* whoever reads has enough */
    status = outcome(status, "standard output", target.os_code, &err);
    return status < 0 ? prof_fail(self, status, &err) : -1;
}

ql_status prof_write_path(const char *path, prof_write_fn write, void *user, unsigned long long *bytes, ql_error *err)
{
    output_file file;
    file_target target = {.os_code = output_file_open(&file, path)};
    ql_status status = QL_OK;
    if (target.os_code == 0) {
        status = write_stream(file.stream, write, user, &target, err);
        bool whole = status >= 0 && target.os_code == 0 && !stop_asked();
        int code = output_file_close(&file, whole);
        if (whole) target.os_code = code;
        if (!whole && status >= 0 && target.os_code == 0) status = err->status = QL_E_CANCELLED;
    }
    *bytes = target.bytes;
    return outcome(status, path, target.os_code, err);
}

int prof_write_file(const cli *self, const char *path, prof_write_fn write, void *user, unsigned long long *bytes)
{
    ql_error err = {0};
    if (path == NULL || strcmp(path, "-") == 0) return write_stdout(self, write, user, bytes);
    ql_status status = prof_write_path(path, write, user, bytes, &err);
    return status < 0 ? prof_fail(self, status, &err) : -1;
}

ql_status prof_read_json(prof_write_fn write, void *user, json_t **out, ql_error *err)
{
    ql_buf text = QL_BUF_INIT;
    json_error_t problem;
    ql_status status = write(user, to_buffer, &text, err);
    if (status < 0 && text.status < 0) status = text.status;
    if (status >= 0 && (*out = json_loadb(text.ptr, text.len, 0, &problem)) == NULL) {
        (void)snprintf(err->message, sizeof err->message, "out of memory");
        status = err->status = QL_E_NOMEM;
    }
    ql_buf_dispose(&text);
    return status;
}

json_t *prof_write_json(const cli *self, prof_write_fn write, void *user, int *code)
{
    ql_error err = {0};
    json_t *json = NULL;
    ql_status status = prof_read_json(write, user, &json, &err);
    if (status < 0) *code = prof_fail(self, status, &err);
    return json;
}
