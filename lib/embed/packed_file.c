/* See packed_file.h. Threads: no state; writers of one path exclude each other. Cost: of mapping, one pass over the weights for the checksum. */
#include "embed/packed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/digest.h"

#define MAGIC "qloader panels 1"

typedef struct header {
    char magic[16];
    char panels[32];
    uint64_t model, units;
    uint64_t order;    /* 1, as this machine writes it */
    uint64_t checksum; /* XXH3 of the weights */
} header;

static size_t weight_bytes(const ql__packed_key *key)
{
    return key->units * sizeof(uint32_t);
}

static header header_of(const ql__packed_key *key, const char *memory)
{
    header made = {.model = key->model, .units = key->units, .order = 1};
    memcpy(made.magic, MAGIC, sizeof made.magic);
    snprintf(made.panels, sizeof made.panels, "%s", key->panels);
    made.checksum = ql__xxh3((ql_str){memory + QL__PACKED_HEADER_BYTES, weight_bytes(key)}, 0);
    return made;
}

static ql_status map_whole(const ql__sys *sys, const char *path, size_t wanted, ql__packed_file *out, ql_error *err)
{
    int fd;
    uint64_t size;
    QL_TRY(ql__file_open(sys, path, O_RDONLY | O_NONBLOCK, 0, &fd, err));
    ql_status status = ql__file_size(sys, fd, &size, err);
    if (status >= 0 && size != wanted) status = ql__fail(err, QL_E_FORMAT, "'%s' has %llu bytes, not %zu", path, (unsigned long long)size, wanted);
    if (status >= 0) {
        void *mapping = sys->file->mmap_fn(sys->file->user, wanted, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapping == MAP_FAILED) status = ql__fail_errno(err, errno, "cannot map '%s'", path);
        else *out = (ql__packed_file){.sys = sys, .mapping = mapping, .bytes = wanted};
    }
    ql__file_close(sys, fd);
    return status;
}

ql_status ql__packed_file_map(const ql__sys *sys, const char *path, const ql__packed_key *key, ql__packed_file *out, ql_error *err)
{
    *out = (ql__packed_file){0};
    QL_TRY(map_whole(sys, path, QL__PACKED_HEADER_BYTES + weight_bytes(key), out, err));
    header wanted = header_of(key, out->mapping);
    if (memcmp(out->mapping, &wanted, sizeof wanted) == 0) return QL_OK;
    ql__packed_file_unmap(out);
    return ql__fail(err, QL_E_FORMAT, "'%s' is of another model, or damaged", path);
}

void ql__packed_file_unmap(ql__packed_file *self)
{
    if (self->mapping) self->sys->file->munmap_fn(self->sys->file->user, self->mapping, self->bytes);
    *self = (ql__packed_file){0};
}

static ql_status make_folder_of(const ql__sys *sys, const char *path, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) folder = QL_BUF_INIT;
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) return QL_OK;
    if (ql_buf_append(&folder, (ql_str){path, (size_t)(slash - path)}) < 0) return ql__fail_nomem(err);
    return ql__dir_make(sys, ql_buf_cstr(&folder), 0755, err);
}

ql_status ql__packed_file_write(const ql__sys *sys, const char *path, const ql__packed_key *key, char *memory, ql_error *err)
{
    header made = header_of(key, memory);
    memset(memory, 0, QL__PACKED_HEADER_BYTES);
    memcpy(memory, &made, sizeof made);
    QL_TRY(make_folder_of(sys, path, err));
    return ql__file_write_atomic(sys, path, (ql_str){memory, QL__PACKED_HEADER_BYTES + weight_bytes(key)}, 0644, err);
}
