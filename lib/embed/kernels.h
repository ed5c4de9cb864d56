/*
 * The arithmetic of a BERT encoder besides the big matrix products: activations, norms, attention, pooling, and a matrix product
 * that reads weights where they lie. One table per instruction set, all compiled from kernels_vector.h; kernels_reference.c says
 * plainly what each function means and is what tests compare with.
 *
 * Dimensions: T rows (tokens), W width, H heads, D = W / H, L tokens of one sequence. Matrices are row-major float32 unless said
 * otherwise. No alignment is asked for. Thread-safe: no state.
 */
#ifndef QL_KERNELS_H
#define QL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "embed/panel.h"
#include <qloader/base.h>

typedef struct ql__matmul {
    const float *a;    /* (rows, k) */
    const float *w;    /* (n, k): weights as models store them */
    const float *bias; /* (n) */
    float *c;          /* (rows, n) in rows of c_stride */
    size_t c_stride;
    size_t rows, n, k;
    bool accumulate;   /* c += a * w^T + bias instead of c = */
} ql__matmul;

typedef struct ql__attention {
    const float *qkv; /* (L, 3 * W): query, key, value side by side */
    float *out;       /* (L, W), or NULL */
    uint16_t *out_bf16; /* the same as bfloat16, or NULL */
    float *scratch;   /* ql__attention_scratch(length, head_dims) floats */
    size_t length;    /* L */
    size_t heads;
    size_t head_dims; /* D */
} ql__attention;

typedef struct ql__norm {
    float *x;             /* (rows, width), in place */
    const float *gamma;   /* (width) */
    const float *beta;    /* (width) */
    uint16_t *out_bf16;   /* (rows, width) copy as bfloat16, or NULL */
    size_t rows, width;
    float epsilon;
} ql__norm;

typedef struct ql__kernels {
    const char *name;
    void (*matmul)(const ql__matmul *args);
    void (*gelu)(float *x, size_t count); /* x * Phi(x), by erf */
    void (*norm)(const ql__norm *args);
    void (*attention)(const ql__attention *args);
    void (*sum_rows)(const float *x, size_t stride, size_t rows, size_t width, float *out); /* out (width) = sum over rows, which are stride apart */
    void (*to_bf16)(const float *x, uint16_t *out, size_t count);             /* round to nearest, ties to even */
    const ql__panels *single; /* panels of float32 */
    const ql__panels *half;   /* panels of bfloat16; NULL: this CPU has no instruction for their products, and float32 is faster */
    const ql__panels *bytes;  /* panels of bytes; NULL: as with half */
} ql__kernels;

/*
 * The fastest table this CPU can run; not faster than the one that the environment's QLOADER_ISA names ("generic", "avx2", "avx512", "avx512vnni",
 * "avx512bf16"), which is for comparing them.
 */
const ql__kernels *ql__kernels_best(void);
const ql__kernels *ql__kernels_reference(void);
/* Tables of this build that this CPU can run, the reference not counted; index 0 is the best. NULL beyond. */
const ql__kernels *ql__kernels_at(size_t index);

/* QL_E_INVALID: QLOADER_ISA names no table that this CPU can run. */
ql_status ql__kernels_check(ql_error *err);
/* Whether this CPU multiplies tiles of bfloat16 (AMX), and QLOADER_ISA names no table. */
bool ql__kernels_tiles(void);

/* Floats of scratch for one call; a bound for every table. */
static inline size_t ql__attention_scratch(size_t length, size_t head_dims)
{
    size_t columns = (length + 63) / 64 * 64, dims = (head_dims + 15) / 16 * 16;
    return head_dims * columns + columns * dims + 16 * columns;
}

/* x scaled to unit length; a zero vector stays. */
void ql__unit_length(float *x, size_t count);

#endif
