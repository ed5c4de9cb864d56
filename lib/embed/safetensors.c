/*
 * Reader of safetensors: 8 bytes little-endian length, a JSON object of that length, then the data that "data_offsets" point into.
 *
 * Everything is foreign: the length is held against the file and a cap, each entry's shape against the bytes it claims, with checked
 * arithmetic. Names are kept in one buffer behind a map.
 * Threads: immutable after opening. Cost: opening reads the header only; pages of data come in when touched.
 */
#include "embed/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/status.h"
#include "dep/digest.h"
#include "dep/json.h"

#define FINGERPRINT_BYTES 1024

struct ql__safetensors {
    const ql__sys *sys; /* NULL: the bytes are the caller's */
    void *mapping;
    size_t mapping_bytes;
    ql_str head; /* the header */
    ql_str data; /* behind it */
    ql__json *header; /* owns the names */
    ql__tensor *tensors;
    size_t count;
    ql__map names; /* name -> index */
};

static const struct {
    const char *name;
    ql__dtype dtype;
    size_t bits;
} dtypes[] = {
    {"F32", QL__DTYPE_F32, 32}, {"F16", QL__DTYPE_F16, 16}, {"BF16", QL__DTYPE_BF16, 16}, {"F64", QL__DTYPE_OTHER, 64},
    {"I64", QL__DTYPE_OTHER, 64}, {"U64", QL__DTYPE_OTHER, 64}, {"I32", QL__DTYPE_OTHER, 32}, {"U32", QL__DTYPE_OTHER, 32},
    {"I16", QL__DTYPE_OTHER, 16}, {"U16", QL__DTYPE_OTHER, 16}, {"I8", QL__DTYPE_OTHER, 8}, {"U8", QL__DTYPE_OTHER, 8},
    {"BOOL", QL__DTYPE_OTHER, 8},
};

static bool read_dtype(const ql__json *entry, ql__tensor *tensor, size_t *element_bytes)
{
    ql_str name = ql__json_str(ql__json_get(entry, "dtype"), QL_STR(""));
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (!ql_str_equal(name, ql_str_of(dtypes[i].name))) continue;
        tensor->dtype = dtypes[i].dtype;
        *element_bytes = dtypes[i].bits / 8;
        return true;
    }
    return false;
}

static bool read_shape(const ql__json *entry, ql__tensor *tensor)
{
    const ql__json *shape = ql__json_get(entry, "shape");
    size_t count = ql__json_count(shape);
    if (!ql__json_is_array(shape) || count > QL__TENSOR_DIMS_MAX) return false;
    tensor->dim_count = (uint32_t)count;
    tensor->elements = 1;
    for (size_t i = 0; i < count; i++) {
        int64_t dim = ql__json_int_of(ql__json_at(shape, i), -1);
        if (dim < 0 || !ql__size_mul(tensor->elements, (size_t)dim, &tensor->elements)) return false;
        tensor->dims[i] = (size_t)dim;
    }
    return true;
}

static bool read_place(const ql__json *entry, ql_str data, ql__tensor *tensor)
{
    const ql__json *offsets = ql__json_get(entry, "data_offsets");
    int64_t begin = ql__json_int_of(ql__json_at(offsets, 0), -1), end = ql__json_int_of(ql__json_at(offsets, 1), -1);
    if (ql__json_count(offsets) != 2 || begin < 0 || end < begin || (uint64_t)end > data.len) return false;
    tensor->data = (const unsigned char *)data.ptr + begin;
    tensor->bytes = (size_t)(end - begin);
    return true;
}

static ql_status read_entry(ql__safetensors *self, ql_str name, const ql__json *entry, ql_error *err)
{
    int shown = name.len > 100 ? 100 : (int)name.len;
    ql__tensor *tensor = &self->tensors[self->count];
    size_t element_bytes, bytes;
    bool inserted;
    if (!ql__json_is_object(entry)) return ql__fail(err, QL_E_FORMAT, "tensor '%.*s' is not an object", shown, name.ptr);
    if (!read_dtype(entry, tensor, &element_bytes)) return ql__fail(err, QL_E_FORMAT, "tensor '%.*s' has an unknown type", shown, name.ptr);
    if (!read_shape(entry, tensor)) return ql__fail(err, QL_E_FORMAT, "tensor '%.*s' has an unusable shape", shown, name.ptr);
    if (!read_place(entry, self->data, tensor)) return ql__fail(err, QL_E_FORMAT, "tensor '%.*s' lies outside the file", shown, name.ptr);
    if (!ql__size_mul(tensor->elements, element_bytes, &bytes) || bytes != tensor->bytes)
        return ql__fail(err, QL_E_FORMAT, "tensor '%.*s' has %zu bytes where its shape needs another number", shown, name.ptr, tensor->bytes);
    uint64_t *slot = ql__map_insert(&self->names, name, &inserted);
    if (!slot) return ql__fail_nomem(err);
    *slot = self->count++;
    return QL_OK;
}

static ql_status read_header(ql__safetensors *self, ql_str bytes, ql_error *err)
{
    uint64_t length = 0;
    if (bytes.len < 8) return ql__fail(err, QL_E_FORMAT, "%zu bytes are too short for a safetensors file", bytes.len);
    for (int i = 7; i >= 0; i--) length = length << 8 | (unsigned char)bytes.ptr[i];
    if (length > bytes.len - 8 || length > QL_LIMIT_TENSOR_HEADER_BYTES)
        return ql__fail(err, QL_E_FORMAT, "a header of %llu bytes in a file of %zu bytes", (unsigned long long)length, bytes.len);
    self->head = (ql_str){bytes.ptr + 8, (size_t)length};
    self->data = (ql_str){bytes.ptr + 8 + length, bytes.len - 8 - (size_t)length};
    QL_TRY(ql__json_parse(self->head, &self->header, err));
    if (!ql__json_is_object(self->header)) return ql__fail(err, QL_E_FORMAT, "the header is not an object");
    size_t count = ql__json_count(self->header);
    self->tensors = ql__alloc_zero(count + 1, sizeof *self->tensors);
    if (!self->tensors) return ql__fail_nomem(err);
    void *iter = NULL;
    ql_str name;
    const ql__json *entry;
    while (ql__json_next(self->header, &iter, &name, &entry)) {
        if (ql_str_equal(name, QL_STR("__metadata__"))) continue;
        QL_TRY(read_entry(self, name, entry, err));
    }
    return QL_OK;
}

static ql_status safetensors_new(ql__safetensors **out, ql_error *err)
{
    *out = ql__alloc_zero(1, sizeof **out);
    if (!*out) return ql__fail_nomem(err);
    ql__map_init(&(*out)->names, (uint64_t)(uintptr_t)*out);
    return QL_OK;
}

ql_status ql__safetensors_read(ql_str bytes, ql__safetensors **out, ql_error *err)
{
    ql__safetensors *self;
    QL_TRY(safetensors_new(&self, err));
    ql_status status = read_header(self, bytes, err);
    if (status < 0) {
        ql__safetensors_close(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

static ql_status map_file(ql__safetensors *self, const ql__sys *sys, const char *path, ql_error *err)
{
    int fd;
    uint64_t size;
    QL_TRY(ql__file_open(sys, path, O_RDONLY, 0, &fd, err));
    ql_status status = ql__file_size(sys, fd, &size, err);
    if (status >= 0 && (size < 8 || size > SIZE_MAX / 2)) status = ql__fail(err, QL_E_FORMAT, "%llu bytes are no safetensors file", (unsigned long long)size);
    if (status >= 0) {
        void *mapping = sys->file->mmap_fn(sys->file->user, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapping == MAP_FAILED) {
            status = ql__fail_errno(err, errno, "cannot map '%s'", path);
        } else {
            self->sys = sys;
            self->mapping = mapping;
            self->mapping_bytes = (size_t)size;
        }
    }
    ql__file_close(sys, fd);
    return status;
}

ql_status ql__safetensors_open(const ql__sys *sys, const char *path, ql__safetensors **out, ql_error *err)
{
    ql__safetensors *self;
    QL_TRY(safetensors_new(&self, err));
    ql_status status = map_file(self, sys, path, err);
    if (status >= 0) {
        status = read_header(self, (ql_str){self->mapping, self->mapping_bytes}, err);
        if (status < 0) ql__error_prefix(err, "'%s'", path);
    }
    if (status < 0) {
        ql__safetensors_close(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__safetensors_close(ql__safetensors *self)
{
    if (!self) return;
    if (self->mapping) self->sys->file->munmap_fn(self->sys->file->user, self->mapping, self->mapping_bytes);
    ql__map_dispose(&self->names);
    ql__free(self->tensors);
    ql__json_free(self->header);
    ql__free(self);
}

const ql__tensor *ql__safetensors_find(const ql__safetensors *self, const char *name)
{
    uint64_t *slot = ql__map_find(&self->names, ql_str_of(name));
    return slot ? &self->tensors[*slot] : NULL;
}

size_t ql__safetensors_count(const ql__safetensors *self)
{
    return self->count;
}

uint64_t ql__safetensors_fingerprint(const ql__safetensors *self)
{
    uint64_t hash = ql__xxh3(self->head, self->data.len);
    for (size_t i = 0; i < self->count; i++) {
        const ql__tensor *tensor = &self->tensors[i];
        size_t middle = tensor->bytes / 2, sample = tensor->bytes - middle < FINGERPRINT_BYTES ? tensor->bytes - middle : FINGERPRINT_BYTES;
        hash = ql__xxh3((ql_str){(const char *)tensor->data, sample}, hash);
        hash = ql__xxh3((ql_str){(const char *)tensor->data + middle, sample}, hash);
    }
    return hash;
}

static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff, bits;
    float value;
    if (exponent == 31) bits = sign | 0x7f800000u | fraction << 13;
    else if (exponent > 0) bits = sign | (exponent + 112) << 23 | fraction << 13;
    else { /* zero and subnormal: fraction * 2^-24 */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}

ql_status ql__tensor_to_f32(const ql__tensor *tensor, size_t first, size_t count, float *out, ql_error *err)
{
    if (first > tensor->elements || count > tensor->elements - first) return ql__fail(err, QL_E_INVALID, "elements beyond the tensor's end");
    if (tensor->dtype == QL__DTYPE_F32) {
        memcpy(out, tensor->data + first * 4, count * 4);
        return QL_OK;
    }
    if (tensor->dtype == QL__DTYPE_OTHER) return ql__fail(err, QL_E_UNSUPPORTED, "a tensor of integers or float64 where F32, F16 or BF16 is needed");
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, tensor->data + (first + i) * 2, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        if (tensor->dtype == QL__DTYPE_F16) out[i] = float_of_half(half);
        else memcpy(&out[i], &bits, sizeof bits);
    }
    return QL_OK;
}
