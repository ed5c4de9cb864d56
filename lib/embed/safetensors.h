/*
 * Tensors of a safetensors file, mapped. The header is bounded and checked in full before anything is handed out: every tensor lies
 * inside the file and has exactly the bytes its shape needs. Immutable once open, thread-safe.
 */
#ifndef QL_SAFETENSORS_H
#define QL_SAFETENSORS_H

#include "sys/file.h"
#include <qloader/base.h>

#define QL__TENSOR_DIMS_MAX 8

typedef enum ql__dtype { QL__DTYPE_OTHER = 0, QL__DTYPE_F32 = 1, QL__DTYPE_F16 = 2, QL__DTYPE_BF16 = 3 } ql__dtype;

typedef struct ql__tensor {
    const unsigned char *data; /* little-endian, in the mapping; no alignment promised */
    size_t bytes;
    size_t elements;
    size_t dims[QL__TENSOR_DIMS_MAX];
    uint32_t dim_count;
    ql__dtype dtype;
} ql__tensor;

typedef struct ql__safetensors ql__safetensors;

/* Maps the file. QL_E_FORMAT names what is wrong with its header. */
ql_status ql__safetensors_open(const ql__sys *sys, const char *path, ql__safetensors **out, ql_error *err);
/* The same over bytes that the caller keeps alive. */
ql_status ql__safetensors_read(ql_str bytes, ql__safetensors **out, ql_error *err);
void ql__safetensors_close(ql__safetensors *self);
/* NULL: there is none of that name. */
const ql__tensor *ql__safetensors_find(const ql__safetensors *self, const char *name);
size_t ql__safetensors_count(const ql__safetensors *self);
/*
 * Tells one set of weights from another without reading all of it: XXH3 over the header and over the first and the middle
 * FINGERPRINT_BYTES of each tensor, so that a change of any trained tensor shows. No protection against forgery.
 */
uint64_t ql__safetensors_fingerprint(const ql__safetensors *self);
/* Writes elements [first, first + count) as float32. QL_E_UNSUPPORTED: a type other than F32, F16, BF16. */
ql_status ql__tensor_to_f32(const ql__tensor *tensor, size_t first, size_t count, float *out, ql_error *err);

#endif
