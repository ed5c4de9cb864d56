/*
 * libarchive behind four functions. Only formats we hand to it on purpose are switched on: fewer parsers meet foreign bytes.
 *
 * Invariants: an entry is a regular file with a name in UTF-8; links, folders and devices are skipped, so nothing read here can point
 * elsewhere. Threads: one at a time per archive. Cost: streaming; one block in memory.
 */
#include "dep/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/dynlib.h"

#define ARCHIVE_SONAME "libarchive.so.13"
#define ARCHIVE_BLOCK_BYTES ((size_t)64 << 10)

#define ARCHIVE_FUNCTIONS(X) \
    X(archive_read_new) X(archive_read_free) X(archive_read_support_filter_gzip) X(archive_read_support_filter_bzip2) \
    X(archive_read_support_filter_xz) X(archive_read_support_filter_zstd) X(archive_read_support_format_zip) \
    X(archive_read_support_format_tar) X(archive_read_open_filename) X(archive_read_next_header) X(archive_read_data) \
    X(archive_error_string) X(archive_errno) X(archive_entry_pathname_utf8) X(archive_entry_pathname) X(archive_entry_size) \
    X(archive_entry_filetype)

typedef struct archive_functions {
#define ARCHIVE_MEMBER(name) __typeof__(&name) name;
    ARCHIVE_FUNCTIONS(ARCHIVE_MEMBER)
#undef ARCHIVE_MEMBER
} archive_functions;

struct ql__archive {
    archive_functions fn;
    struct archive *handle;
};

static ql_status load_functions(archive_functions *out, ql_error *err)
{
#define ARCHIVE_NAME(name) #name,
    static const char *const names[] = {ARCHIVE_FUNCTIONS(ARCHIVE_NAME)};
#undef ARCHIVE_NAME
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof(archive_functions) == sizeof found, "one pointer per name");
    QL_TRY(ql__dynlib_load(ARCHIVE_SONAME, names, sizeof names / sizeof *names, found, err));
    memcpy(out, found, sizeof found);
    return QL_OK;
}

ql_status ql__archive_check(ql_error *err)
{
    archive_functions fn;
    return load_functions(&fn, err);
}

static ql_status archive_fail(const ql__archive *self, ql_error *err)
{
    const char *text = self->fn.archive_error_string(self->handle);
    int code = self->fn.archive_errno(self->handle);
    if (code == ENOENT || code == EACCES || code == ENOSPC || code == EIO) return ql__fail_errno(err, code, "cannot read the archive");
    return ql__fail(err, code == ENOMEM ? QL_E_NOMEM : QL_E_FORMAT, "not a readable archive: %s", text ? text : "unknown");
}

static ql_status open_handle(ql__archive *self, const char *path, ql_error *err)
{
    QL_TRY(load_functions(&self->fn, err));
    self->handle = self->fn.archive_read_new();
    if (!self->handle) return ql__fail_nomem(err);
    self->fn.archive_read_support_filter_gzip(self->handle);
    self->fn.archive_read_support_filter_bzip2(self->handle);
    self->fn.archive_read_support_filter_xz(self->handle);
    self->fn.archive_read_support_filter_zstd(self->handle);
    self->fn.archive_read_support_format_zip(self->handle);
    self->fn.archive_read_support_format_tar(self->handle);
    if (self->fn.archive_read_open_filename(self->handle, path, ARCHIVE_BLOCK_BYTES) != ARCHIVE_OK) return archive_fail(self, err);
    return QL_OK;
}

ql_status ql__archive_open(const char *path, ql__archive **out, ql_error *err)
{
    ql__archive *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    ql_status status = open_handle(self, path, err);
    if (status < 0) {
        ql__error_prefix(err, "'%s'", path);
        ql__archive_close(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__archive_close(ql__archive *self)
{
    if (!self) return;
    if (self->handle) self->fn.archive_read_free(self->handle);
    ql__free(self);
}

ql_status ql__archive_next(ql__archive *self, ql_str *name, uint64_t *size, ql_error *err)
{
    struct archive_entry *entry;
    for (;;) {
        int result = self->fn.archive_read_next_header(self->handle, &entry);
        if (result == ARCHIVE_EOF) return QL_DONE;
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return archive_fail(self, err);
        const char *path = self->fn.archive_entry_pathname_utf8(entry);
        if (!path) path = self->fn.archive_entry_pathname(entry);
        if (!path || (self->fn.archive_entry_filetype(entry) & AE_IFMT) != AE_IFREG) continue;
        int64_t claimed = self->fn.archive_entry_size(entry);
        *name = ql_str_of(path);
        *size = claimed > 0 ? (uint64_t)claimed : 0;
        return QL_OK;
    }
}

ql_status ql__archive_read(ql__archive *self, void *buf, size_t capacity, size_t *got, ql_error *err)
{
    la_ssize_t result = self->fn.archive_read_data(self->handle, buf, capacity);
    if (result < 0) return archive_fail(self, err);
    *got = (size_t)result;
    return QL_OK;
}
