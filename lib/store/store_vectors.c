/*
 * Purpose: the vector file: create, open, append, map.
 *
 * Invariants: a row's place follows from its slot alone, so the file has no directory that could disagree with the database. Rows
 * at and beyond the database's next_slot are nobody's. The header is written once and carries its own checksum. The map reaches
 * beyond the end of the file, so that growth rarely needs a new one; only slots of the snapshot are ever touched.
 *
 * Threads: one at a time per ql__vectors. Cost: rows are read in place; a new map when the file outgrows the old one.
 */
#include "store/store_vectors.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/digest.h"

#define FILE_VERSION 1u
#define MAP_SPARE_BYTES ((size_t)64 << 20)

typedef struct file_header { /* little-endian, the only byte order we build for */
    char magic[8];
    uint32_t version, dims, stride, reserved;
    uint64_t file_id;
    uint64_t checksum; /* of all before */
} file_header;

_Static_assert(sizeof(file_header) == 40, "the header is a file format");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows and headers are mapped as they are");

static const char file_magic[8] = {'Q', 'L', 'V', 'E', 'C', 'T', '\r', '\n'};

uint32_t ql__vectors_stride(uint32_t dims)
{
    return (dims * 4 + 63) / 64 * 64;
}

uint64_t ql__vectors_hash(const ql__vectors *self, const void *row, uint64_t before)
{
    return ql__xxh3((ql_str){row, self->stride}, before);
}

ql_status ql__vectors_verify(const ql__vectors *self, uint64_t first, size_t count, uint64_t expected, ql_error *err)
{
    uint64_t hash = first;
    for (size_t i = 0; i < count; i++) hash = ql__vectors_hash(self, ql__vectors_row(self, first + i), hash);
    if (hash == expected) return QL_OK;
    return ql__fail(err, QL_E_CORRUPT, "'%s' is damaged: the %zu vectors at offset %llu do not match their checksum", self->path, count,
                    (unsigned long long)(QL__VECTORS_HEADER_BYTES + first * self->stride));
}

static uint64_t header_checksum(const file_header *header)
{
    return ql__xxh3((ql_str){(const char *)header, offsetof(file_header, checksum)}, 0);
}

void ql__vectors_init(ql__vectors *self)
{
    memset(self, 0, sizeof *self);
    self->fd = -1;
}

void ql__vectors_dispose(ql__vectors *self)
{
    if (self->map) self->sys->file->munmap_fn(self->sys->file->user, (void *)(uintptr_t)self->map, self->map_bytes);
    if (self->fd >= 0) ql__file_close(self->sys, self->fd);
    ql__free(self->path);
    ql__vectors_init(self);
}

static ql_status open_file(ql__vectors *self, const ql__sys *sys, const char *path, int flags, uint32_t dims, ql_error *err)
{
    ql__vectors_init(self);
    self->sys = sys;
    self->dims = dims;
    self->stride = ql__vectors_stride(dims);
    self->path = ql__strdup(ql_str_of(path));
    if (!self->path) return ql__fail_nomem(err);
    QL_TRY(ql__file_expect_regular(sys, path, err));
    return ql__file_open(sys, path, flags, 0644, &self->fd, err);
}

ql_status ql__vectors_create(ql__vectors *self, const ql__sys *sys, const char *path, uint32_t dims, uint64_t file_id, ql_error *err)
{
    unsigned char page[QL__VECTORS_HEADER_BYTES] = {0};
    file_header header = {.version = FILE_VERSION, .dims = dims, .stride = ql__vectors_stride(dims), .file_id = file_id};
    memcpy(header.magic, file_magic, sizeof file_magic);
    header.checksum = header_checksum(&header);
    memcpy(page, &header, sizeof header);
    ql_status st = open_file(self, sys, path, O_RDWR | O_CREAT | O_TRUNC, dims, err);
    if (st == QL_OK) st = ql__file_write_at(sys, self->fd, page, sizeof page, 0, err);
    if (st == QL_OK) st = ql__file_sync(sys, self->fd, err);
    if (st != QL_OK) ql__vectors_dispose(self);
    return st;
}

static ql_status check_header(ql__vectors *self, uint64_t file_id, ql_error *err)
{
    file_header header;
    uint64_t size = 0;
    QL_TRY(ql__file_size(self->sys, self->fd, &size, err));
    if (size < QL__VECTORS_HEADER_BYTES)
        return ql__fail(err, QL_E_CORRUPT, "'%s' is cut off: %llu bytes, its header alone has %d", self->path, (unsigned long long)size, QL__VECTORS_HEADER_BYTES);
    QL_TRY(ql__file_read_at(self->sys, self->fd, &header, sizeof header, 0, err));
    if (memcmp(header.magic, file_magic, sizeof file_magic) != 0 || header.checksum != header_checksum(&header))
        return ql__fail(err, QL_E_CORRUPT, "'%s' is damaged: its header at offset 0 does not match its checksum", self->path);
    if (header.version != FILE_VERSION)
        return ql__fail(err, QL_E_UNSUPPORTED, "'%s' has format %u, this program reads %u", self->path, header.version, FILE_VERSION);
    if (header.dims != self->dims || header.stride != self->stride || header.file_id != file_id)
        return ql__fail(err, QL_E_CORRUPT, "'%s' is not the file the database was committed with (offset 0)", self->path);
    return QL_OK;
}

ql_status ql__vectors_open(ql__vectors *self, const ql__sys *sys, const char *path, bool write, uint32_t dims, uint64_t file_id, ql_error *err)
{
    ql_status st = open_file(self, sys, path, write ? O_RDWR : O_RDONLY, dims, err);
    if (st == QL_OK) st = check_header(self, file_id, err);
    if (st != QL_OK) ql__vectors_dispose(self);
    return st;
}

ql_status ql__vectors_check_size(ql__vectors *self, uint64_t slots, ql_error *err)
{
    uint64_t size = 0, need = QL__VECTORS_HEADER_BYTES + slots * self->stride;
    QL_TRY(ql__file_size(self->sys, self->fd, &size, err));
    if (size >= need) return QL_OK;
    return ql__fail(err, QL_E_CORRUPT, "'%s' is cut off at offset %llu: the database points to %llu bytes", self->path, (unsigned long long)size,
                    (unsigned long long)need);
}

ql_status ql__vectors_truncate(ql__vectors *self, uint64_t slots, uint64_t *cut_bytes, ql_error *err)
{
    uint64_t size = 0, keep = QL__VECTORS_HEADER_BYTES + slots * self->stride;
    QL_TRY(ql__file_size(self->sys, self->fd, &size, err));
    *cut_bytes = size > keep ? size - keep : 0;
    if (*cut_bytes == 0) return QL_OK;
    const ql__file_ops *ops = self->sys->file;
    if (ops->ftruncate_fn(ops->user, self->fd, (off_t)keep) == 0) return QL_OK;
    return ql__fail(err, QL_E_IO, "'%s': cannot cut off %llu unused bytes", self->path, (unsigned long long)*cut_bytes);
}

ql_status ql__vectors_write(ql__vectors *self, uint64_t slot, const void *rows, size_t count, ql_error *err)
{
    ql_status st = ql__file_write_at(self->sys, self->fd, rows, count * self->stride, QL__VECTORS_HEADER_BYTES + slot * self->stride, err);
    if (st != QL_OK) ql__error_prefix(err, "'%s'", self->path);
    return st;
}

ql_status ql__vectors_sync(ql__vectors *self, ql_error *err)
{
    ql_status st = ql__file_sync(self->sys, self->fd, err);
    if (st != QL_OK) ql__error_prefix(err, "'%s'", self->path);
    return st;
}

ql_status ql__vectors_map(ql__vectors *self, uint64_t slots, ql_error *err)
{
    const ql__file_ops *ops = self->sys->file;
    size_t need = QL__VECTORS_HEADER_BYTES + (size_t)slots * self->stride;
    QL_TRY(ql__vectors_check_size(self, slots, err));
    if (self->map && self->map_bytes >= need) return QL_OK;
    size_t size = (need + need / 2 + MAP_SPARE_BYTES + QL__VECTORS_HEADER_BYTES - 1) / QL__VECTORS_HEADER_BYTES * QL__VECTORS_HEADER_BYTES;
    void *map = ops->mmap_fn(ops->user, size, PROT_READ, MAP_SHARED, self->fd, 0);
    if (map == MAP_FAILED) return ql__fail(err, QL_E_NOMEM, "'%s': cannot map %zu bytes", self->path, size);
    if (self->map) ops->munmap_fn(ops->user, (void *)(uintptr_t)self->map, self->map_bytes);
    self->map = map;
    self->map_bytes = size;
    return QL_OK;
}
