/*
 * A configuration from a stranger: YAML, substitution, the schema, both outputs. The YAML output of what loads must load again. The files are
 * fed through a table of file calls, so nothing touches the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One file called config.yaml. */
typedef struct memory_file {
    const char *bytes;
    size_t size;
} memory_file;

static int open_memory(void *user, int dir_fd, const char *path, int flags, mode_t mode)
{
    (void)user, (void)dir_fd, (void)flags, (void)mode;
    if (strcmp(path, "config.yaml") == 0) return 100;
    errno = ENOENT;
    return -1;
}

static int close_memory(void *user, int fd)
{
    (void)user, (void)fd;
    return 0;
}

static ssize_t read_memory(void *user, int fd, void *buf, size_t size, off_t offset)
{
    (void)fd;
    const memory_file *self = user;
    size_t at = (size_t)offset;
    if (at >= self->size) return 0;
    size_t count = size < self->size - at ? size : self->size - at;
    memcpy(buf, self->bytes + at, count);
    return (ssize_t)count;
}

static int stat_memory(void *user, int fd, struct stat *out)
{
    (void)fd;
    const memory_file *self = user;
    memset(out, 0, sizeof *out);
    out->st_mode = S_IFREG | 0644;
    out->st_size = (off_t)self->size;
    return 0;
}

static const char *few_variables(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "HOME") == 0 ? "/home/me" : strcmp(name, "X") == 0 ? "${X}1" : NULL;
}

static ql__config_set *load(ql_str text, bool lenient, ql_buf *problems)
{
    memory_file file = {text.ptr, text.len};
    ql__file_ops ops = *ql__sys_default()->file;
    ops.openat_fn = open_memory;
    ops.close_fn = close_memory;
    ops.pread_fn = read_memory;
    ops.fstat_fn = stat_memory;
    ops.user = &file;
    ql__sys sys = {.file = &ops, .clock = ql__sys_default()->clock};
    ql__config_options options = {.config_path = "config.yaml", .lenient = lenient, .sys = &sys, .getenv_fn = few_variables};
    ql__config_set *set = NULL;
    ql_error err = {0};
    ql_status status = ql__config_load(&options, &set, problems, &err);
    if ((status == QL_OK) != (set != NULL) || (status == QL_E_CONFIG) != (problems->len != 0)) abort();
    return set;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql_buf problems = QL_BUF_INIT, yaml = QL_BUF_INIT, json = QL_BUF_INIT;
    ql__config_set *set = load((ql_str){(const char *)data, size}, size % 2 == 0, &problems);
    if (set != NULL) {
        if (ql__config_write_json(set, &json, NULL) != QL_OK || ql__config_write_yaml(set, &yaml, NULL) != QL_OK) abort();
        ql__config_free(set);
        ql_buf_clear(&problems);
        ql__config_set *again = load(ql_buf_str(&yaml), true, &problems);
        if (again == NULL && memmem(data, size, "://", 3) == NULL && memmem(data, size, "${", 2) == NULL) abort(); /* masks and inserted text may make URLs unreadable */
        ql__config_free(again);
    }
    ql_buf_dispose(&problems);
    ql_buf_dispose(&yaml);
    ql_buf_dispose(&json);
    return 0;
}
