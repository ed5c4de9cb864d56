/*
 * The kernels on the compiler's vector types, compiled once per instruction set (kernels_avx512.c, kernels_avx2.c, kernels_generic.c
 * define the parameters below before including this file; those files are compiled with contraction of a * b + c allowed).
 *
 *   VECTOR_BYTES    width of a vector                    TILE_ROWS x TILE_COLUMNS  accumulators of the matrix product
 *   ATTENTION_ROWS  query rows handled together          PANEL_ROWS                see panel_vector.h
 *   TABLE_NAME, TABLE_FN  what the table is called
 *
 * Accuracy against kernels_reference.c (checked by the tests): erf 3e-7 absolute, exp 2e-7 relative, sums as float32 in LANES parts.
 */
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "embed/kernels_table.h"

#define LANES (VECTOR_BYTES / 4)

typedef float vec __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t ivec __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t uvec __attribute__((vector_size(VECTOR_BYTES)));
typedef uint16_t hvec __attribute__((vector_size(VECTOR_BYTES / 2)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

INLINE vec splat(float value)
{
    return value - (vec){0};
}

/* The first `count` of a vector; the rest is `fill`. */
INLINE vec load_part(const float *p, size_t count, float fill)
{
    float lanes[LANES];
    for (size_t i = 0; i < LANES; i++) lanes[i] = i < count ? p[i] : fill;
    return load(lanes);
}

INLINE void store_part(float *p, vec v, size_t count)
{
    memcpy(p, &v, count * sizeof(float));
}

typedef float quad __attribute__((vector_size(16)));

/* Lane i of the result has the sum of v's lanes i, i + 4, i + 8, ... */
INLINE quad fold(vec v)
{
    quad parts[LANES / 4];
    memcpy(parts, &v, sizeof v);
#pragma GCC unroll 2
    for (size_t half = LANES / 8; half > 0; half /= 2)
#pragma GCC unroll 2
        for (size_t i = 0; i < half; i++) parts[i] += parts[i + half];
    return parts[0];
}

INLINE float sum_lanes(vec v)
{
    quad q = fold(v);
    q += __builtin_shufflevector(q, q, 2, 3, 0, 1);
    return q[0] + q[1];
}

/* Sums of the lanes of four vectors: a transposition instead of four reductions. */
INLINE void sum_four(const vec v[4], float out[4])
{
    quad a = fold(v[0]), b = fold(v[1]), c = fold(v[2]), d = fold(v[3]);
    quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    quad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    quad sums = __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    memcpy(out, &sums, sizeof sums);
}

#if VECTOR_BYTES == 64 && defined(__AVX512F__)
#define vec_max(a, b) ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define vec_min(a, b) ((vec)_mm512_min_ps((__m512)(a), (__m512)(b)))
#elif VECTOR_BYTES == 32 && defined(__AVX2__)
#define vec_max(a, b) ((vec)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define vec_min(a, b) ((vec)_mm256_min_ps((__m256)(a), (__m256)(b)))
#else
INLINE vec vec_max(vec a, vec b)
{
    ivec first = a > b;
    return (vec)((first & (ivec)a) | (~first & (ivec)b));
}

INLINE vec vec_min(vec a, vec b)
{
    ivec first = a < b;
    return (vec)((first & (ivec)a) | (~first & (ivec)b));
}
#endif

INLINE quad quad_max(quad a, quad b)
{
    typedef int32_t iquad __attribute__((vector_size(16)));
    iquad first = a > b;
    return (quad)((first & (iquad)a) | (~first & (iquad)b));
}

INLINE float max_lanes(vec v)
{
    quad parts[LANES / 4];
    memcpy(parts, &v, sizeof v);
#pragma GCC unroll 2
    for (size_t half = LANES / 8; half > 0; half /= 2)
#pragma GCC unroll 2
        for (size_t i = 0; i < half; i++) parts[i] = quad_max(parts[i], parts[i + half]);
    quad q = quad_max(parts[0], __builtin_shufflevector(parts[0], parts[0], 2, 3, 0, 1));
    return q[0] > q[1] ? q[0] : q[1];
}

/* 2^x for x <= 0; below -126 the result is about 1e-38. A Chebyshev fit on [-0.5, 0.5], relative error 2.6e-9 before rounding. */
INLINE vec exp2_negative(vec x)
{
    const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = vec_max(x, splat(-126.0f));
    vec rounded = x + splat(shifter);
    vec whole = rounded - splat(shifter), part = x - whole;
    vec p = splat(0.00015469731978f);
    p = p * part + splat(0.00134004321657f);
    p = p * part + splat(0.00961802560296f);
    p = p * part + splat(0.05550327214209f);
    p = p * part + splat(0.24022651213595f);
    p = p * part + splat(0.69314720671062f);
    p = p * part + splat(1.0f);
    return (vec)((ivec)p + ((ivec)rounded << 23)); /* the shifter's own bits are shifted out */
}

/*
 * erf(x) = x * P(x^2) on |x| <= 3.92, where erf is 1 to within 3e-8, and constant beyond. P is a Chebyshev fit of degree 14 in
 * t = 2 x^2 / 3.92^2 - 1, which keeps the terms small: no cancellation in float32.
 */
static const float erf_terms[15] = {
    0.360736847f, -0.180109128f, 0.1340819f, -0.109159067f, 0.0906435326f,
    -0.0742548257f, 0.0580927543f, -0.0422387533f, 0.0306294188f, -0.0231088884f,
    0.0127510829f, -0.00335162063f, 0.00304535683f, -0.00441608019f, 0.00175953109f,
};

INLINE vec erf_of(vec x)
{
    const float limit = 3.92f;
    x = vec_min(vec_max(x, splat(-limit)), splat(limit));
    vec t = x * x * splat(2.0f / (limit * limit)) - splat(1.0f), p = splat(erf_terms[14]);
#pragma GCC unroll 16
    for (int i = 13; i >= 0; i--) p = p * t + splat(erf_terms[i]);
    return x * p;
}

INLINE vec gelu_of(vec x)
{
    return x * splat(0.5f) * (splat(1.0f) + erf_of(x * splat(0.70710678118655f)));
}

INLINE hvec bf16_of(vec x)
{
    uvec bits = (uvec)x;
    uvec rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    uvec is_nan = (uvec)((bits & 0x7fffffffu) > 0x7f800000u);
    rounded = (is_nan & (bits >> 16 | 0x40)) | (~is_nan & rounded);
    return __builtin_convertvector(rounded, hvec);
}

/* Exchange of the lanes whose number has bit `step` with those of the vector `step` further on. */
#if LANES == 16
#define LOW_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define LOW_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#elif LANES == 8
#define LOW_1 0, 8, 2, 10, 4, 12, 6, 14
#define HIGH_1 1, 9, 3, 11, 5, 13, 7, 15
#define LOW_2 0, 1, 8, 9, 4, 5, 12, 13
#define HIGH_2 2, 3, 10, 11, 6, 7, 14, 15
#define LOW_4 0, 1, 2, 3, 8, 9, 10, 11
#define HIGH_4 4, 5, 6, 7, 12, 13, 14, 15
#else
#define LOW_1 0, 4, 2, 6
#define HIGH_1 1, 5, 3, 7
#define LOW_2 0, 1, 4, 5
#define HIGH_2 2, 3, 6, 7
#endif
#define EXCHANGE(step) \
    for (size_t i = 0; i < LANES; i++) { \
        if (i & step) continue; \
        uvec low = __builtin_shufflevector(rows[i], rows[i + step], LOW_##step); \
        rows[i + step] = __builtin_shufflevector(rows[i], rows[i + step], HIGH_##step); \
        rows[i] = low; \
    }

/* A square of LANES rows is turned: row i becomes column i. */
INLINE void transpose(uvec rows[LANES])
{
    EXCHANGE(1)
    EXCHANGE(2)
#if LANES >= 8
    EXCHANGE(4)
#endif
#if LANES >= 16
    EXCHANGE(8)
#endif
}

static void to_bf16(const float *x, uint16_t *out, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        hvec h = bf16_of(load(x + i));
        memcpy(out + i, &h, sizeof h);
    }
    if (i < count) {
        hvec h = bf16_of(load_part(x + i, count - i, 0));
        memcpy(out + i, &h, (count - i) * sizeof *out);
    }
}

static void gelu(float *x, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(x + i, gelu_of(load(x + i)));
    if (i < count) store_part(x + i, gelu_of(load_part(x + i, count - i, 0)), count - i);
}

/* ---- matrix product: tiles of dot products, weights read once in the order they lie ---- */

/* fetch: the tile of columns to the right is asked for while this one is computed. The weights of a query come straight from memory. */
INLINE void dot_tile(const ql__matmul *args, size_t row, size_t column, const size_t rows, const size_t columns, const bool fetch)
{
    const float *a = args->a + row * args->k, *w = args->w + column * args->k;
    size_t k = args->k, p = 0;
    vec sums[TILE_ROWS][TILE_COLUMNS];
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < columns; j++) sums[i][j] = (vec){0};
    for (; p + LANES <= k; p += LANES) {
        vec left[TILE_ROWS];
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++) left[i] = load(a + i * k + p);
#pragma GCC unroll 8
        for (size_t j = 0; j < columns; j++) {
            vec right = load(w + j * k + p);
            if (fetch) __builtin_prefetch(w + (columns + j) * k + p);
#pragma GCC unroll 8
            for (size_t i = 0; i < rows; i++) sums[i][j] += left[i] * right;
        }
    }
    for (size_t i = 0; i < rows; i++) {
        float totals[4] = {0};
        if (columns == 4) sum_four(sums[i], totals);
        else totals[0] = sum_lanes(sums[i][0]);
        for (size_t j = 0; j < columns; j++) {
            float sum = totals[j];
            for (size_t q = p; q < k; q++) sum += a[i * k + q] * w[j * k + q];
            float *c = &args->c[(row + i) * args->c_stride + column + j];
            sum += args->bias[column + j];
            *c = args->accumulate ? *c + sum : sum;
        }
    }
}

static void matmul(const ql__matmul *args)
{
    size_t column = 0;
    for (; column + TILE_COLUMNS <= args->n; column += TILE_COLUMNS) {
        size_t row = 0;
        if (args->rows >= TILE_ROWS) {
            dot_tile(args, 0, column, TILE_ROWS, TILE_COLUMNS, true);
            row = TILE_ROWS;
        }
        for (; row + TILE_ROWS <= args->rows; row += TILE_ROWS) dot_tile(args, row, column, TILE_ROWS, TILE_COLUMNS, false);
        for (; row < args->rows; row++) dot_tile(args, row, column, 1, TILE_COLUMNS, row == 0);
    }
    for (; column < args->n; column++)
        for (size_t row = 0; row < args->rows; row++) dot_tile(args, row, column, 1, 1, false);
}

/* ---- LayerNorm ---- */

INLINE vec row_part(const float *x, size_t i, size_t width, float fill)
{
    return i + LANES <= width ? load(x + i) : load_part(x + i, width - i, fill);
}

/* Four sums side by side, each of every fourth vector: one would wait for itself. */
static void norm_row(const ql__norm *args, float *x, uint16_t *out_bf16)
{
    size_t width = args->width, blocks = width / (4 * LANES) * (4 * LANES);
    vec totals[4] = {{0}}, squares[4] = {{0}};
    for (size_t i = 0; i < blocks; i += 4 * LANES)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) totals[j] += load(x + i + j * LANES);
    for (size_t i = blocks; i < width; i += LANES) totals[0] += row_part(x, i, width, 0);
    float mean = sum_lanes((totals[0] + totals[1]) + (totals[2] + totals[3])) / (float)width;
    for (size_t i = 0; i < blocks; i += 4 * LANES)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            vec d = load(x + i + j * LANES) - splat(mean);
            squares[j] += d * d;
        }
    for (size_t i = blocks; i < width; i += LANES) {
        vec d = row_part(x, i, width, mean) - splat(mean);
        squares[0] += d * d;
    }
    float scale = 1.0f / sqrtf(sum_lanes((squares[0] + squares[1]) + (squares[2] + squares[3])) / (float)width + args->epsilon);
    for (size_t i = 0; i < width; i += LANES) {
        size_t part = width - i < LANES ? width - i : LANES;
        vec y = (row_part(x, i, width, 0) - splat(mean)) * splat(scale) * row_part(args->gamma, i, width, 0) + row_part(args->beta, i, width, 0);
        if (part == LANES) store(x + i, y);
        else store_part(x + i, y, part);
        if (out_bf16) {
            hvec h = bf16_of(y);
            memcpy(out_bf16 + i, &h, part * sizeof *out_bf16);
        }
    }
}

static void norm(const ql__norm *args)
{
    for (size_t row = 0; row < args->rows; row++)
        norm_row(args, args->x + row * args->width, args->out_bf16 ? args->out_bf16 + row * args->width : NULL);
}

/* ---- attention of one sequence ---- */

typedef struct head_view {
    const float *query; /* (L) rows of `stride` floats */
    size_t stride;
    size_t length;      /* L */
    size_t columns;     /* L rounded up to 2 * LANES */
    size_t dims;        /* D */
    size_t padded;      /* D rounded up to LANES */
    float *keys;        /* (D, columns): transposed, zero beyond L */
    float *values;      /* (columns, padded): zero beyond L and D */
    float *weights;     /* (ATTENTION_ROWS, columns) */
    float scale;        /* log2(e) / sqrt(D) */
} head_view;

/* Copies keys transposed and values padded, so that the loops below have no tails. */
static void pack_head(const head_view *head, const float *keys, const float *values)
{
    memset(head->values, 0, head->columns * head->padded * sizeof(float));
    for (size_t d = 0; d < head->dims; d++) {
        float *row = head->keys + d * head->columns;
        for (size_t j = 0; j < head->length; j++) row[j] = keys[j * head->stride + d];
        for (size_t j = head->length; j < head->columns; j++) row[j] = 0;
    }
    for (size_t j = 0; j < head->length; j++) memcpy(head->values + j * head->padded, values + j * head->stride, head->dims * sizeof(float));
}

/* Scores of ATTENTION_ROWS queries against 2 * LANES keys. */
INLINE void score_tile(const head_view *head, const float *const queries[ATTENTION_ROWS], size_t column)
{
    vec sums[ATTENTION_ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < ATTENTION_ROWS; i++) sums[i][0] = sums[i][1] = (vec){0};
    for (size_t d = 0; d < head->dims; d++) {
        const float *row = head->keys + d * head->columns + column;
        vec k0 = load(row), k1 = load(row + LANES);
#pragma GCC unroll 16
        for (int i = 0; i < ATTENTION_ROWS; i++) {
            vec q = splat(queries[i][d]);
            sums[i][0] += q * k0;
            sums[i][1] += q * k1;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ATTENTION_ROWS; i++) {
        store(head->weights + (size_t)i * head->columns + column, sums[i][0]);
        store(head->weights + (size_t)i * head->columns + column + LANES, sums[i][1]);
    }
}

/* One row of scores becomes weights before division; returns 1 / their sum. Columns beyond L become about 1e-38. */
INLINE float soften_row(const head_view *head, float *row)
{
    for (size_t j = head->length; j < head->columns; j++) row[j] = -INFINITY;
    vec high0 = load(row), high1 = load(row + LANES), total0 = {0}, total1 = {0};
    for (size_t j = 2 * LANES; j < head->columns; j += 2 * LANES) {
        high0 = vec_max(high0, load(row + j));
        high1 = vec_max(high1, load(row + j + LANES));
    }
    vec offset = splat(max_lanes(vec_max(high0, high1)) * head->scale), scale = splat(head->scale);
    for (size_t j = 0; j < head->columns; j += 2 * LANES) {
        vec e0 = exp2_negative(load(row + j) * scale - offset), e1 = exp2_negative(load(row + j + LANES) * scale - offset);
        store(row + j, e0);
        store(row + j + LANES, e1);
        total0 += e0;
        total1 += e1;
    }
    return 1.0f / sum_lanes(total0 + total1);
}

/* Weighted sums of the values: ATTENTION_ROWS rows times `vectors` (1 or 2) vectors from `first` on. */
INLINE void value_tile(const head_view *head, size_t first, const int vectors, vec sums[ATTENTION_ROWS][2])
{
    vec acc[ATTENTION_ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < ATTENTION_ROWS; i++) acc[i][0] = acc[i][1] = (vec){0};
    for (size_t j = 0; j < head->length; j++) {
        const float *row = head->values + j * head->padded + first;
        vec v0 = load(row), v1 = vectors == 2 ? load(row + LANES) : v0;
#pragma GCC unroll 16
        for (int i = 0; i < ATTENTION_ROWS; i++) {
            vec p = splat(head->weights[(size_t)i * head->columns + j]);
            acc[i][0] += p * v0;
            if (vectors == 2) acc[i][1] += p * v1;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ATTENTION_ROWS; i++) {
        sums[i][0] = acc[i][0];
        sums[i][1] = acc[i][1];
    }
}

static void put_values(const ql__attention *args, const head_view *head, size_t at, size_t first, vec value)
{
    if (first >= head->dims) return;
    size_t part = head->dims - first < LANES ? head->dims - first : LANES;
    if (args->out) store_part(args->out + at + first, value, part);
    if (args->out_bf16) {
        hvec h = bf16_of(value);
        memcpy(args->out_bf16 + at + first, &h, part * sizeof(uint16_t));
    }
}

static void attend_rows(const ql__attention *args, const head_view *head, size_t column, size_t row, size_t rows)
{
    const float *queries[ATTENTION_ROWS];
    float inverse[ATTENTION_ROWS];
    vec sums[ATTENTION_ROWS][2];
    for (size_t i = 0; i < ATTENTION_ROWS; i++) queries[i] = head->query + (row + (i < rows ? i : rows - 1)) * head->stride;
    for (size_t j = 0; j < head->columns; j += 2 * LANES) score_tile(head, queries, j);
    for (size_t i = 0; i < ATTENTION_ROWS; i++) inverse[i] = soften_row(head, head->weights + i * head->columns);
    for (size_t first = 0; first < head->padded; first += 2 * LANES) {
        if (first + 2 * LANES <= head->padded) value_tile(head, first, 2, sums);
        else value_tile(head, first, 1, sums);
        for (size_t i = 0; i < rows; i++) {
            size_t at = (row + i) * args->heads * args->head_dims + column;
            put_values(args, head, at, first, sums[i][0] * splat(inverse[i]));
            if (first + 2 * LANES <= head->padded) put_values(args, head, at, first + LANES, sums[i][1] * splat(inverse[i]));
        }
    }
}

static void attention(const ql__attention *args)
{
    size_t width = args->heads * args->head_dims;
    head_view head = {.stride = 3 * width, .length = args->length, .dims = args->head_dims};
    head.columns = (args->length + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
    head.padded = (args->head_dims + LANES - 1) / LANES * LANES;
    head.keys = args->scratch;
    head.values = head.keys + head.dims * head.columns;
    head.weights = head.values + head.columns * head.padded;
    head.scale = 1.44269504089f / sqrtf((float)args->head_dims);
    for (size_t h = 0; h < args->heads; h++) {
        size_t column = h * args->head_dims;
        head.query = args->qkv + column;
        pack_head(&head, args->qkv + width + column, args->qkv + 2 * width + column);
        for (size_t row = 0; row < args->length; row += ATTENTION_ROWS)
            attend_rows(args, &head, column, row, args->length - row < ATTENTION_ROWS ? args->length - row : ATTENTION_ROWS);
    }
}

static void sum_rows(const float *x, size_t stride, size_t rows, size_t width, float *out)
{
    for (size_t i = 0; i < width; i += LANES) {
        size_t part = width - i < LANES ? width - i : LANES;
        vec total = {0};
        for (size_t row = 0; row < rows; row++) total += part == LANES ? load(x + row * stride + i) : load_part(x + row * stride + i, part, 0);
        store_part(out + i, total, part);
    }
}

/* ---- panels ---- */

#define PANEL_COLUMNS (2 * LANES)
#define CACHE_LINE 64
#define CHUNK 8 /* units; every shape is a multiple of it */
#define CHUNK_LINES (CHUNK * PANEL_COLUMNS * sizeof(uint32_t) / CACHE_LINE)
#define LINE_UNITS (CACHE_LINE / sizeof(uint32_t))

#define PANEL_HALF 0
#include "embed/panel_vector.h"
#undef PANEL_HALF
#if VECTOR_BYTES == 64 && defined(__AVX512BF16__)
#define PANEL_HALF 1
#include "embed/panel_vector.h"
#undef PANEL_HALF
#define HALF_PANELS &half_table
#else
#define HALF_PANELS NULL
#endif
#if VECTOR_BYTES == 64 && defined(__AVX512VNNI__)
#include "embed/panel_bytes.h"
#define BYTE_PANELS &bytes_table
#else
#define BYTE_PANELS NULL
#endif

const ql__kernels *TABLE_FN(void)
{
    static const ql__kernels table = {TABLE_NAME, matmul, gelu, norm, attention, sum_rows, to_bf16, &single_table, HALF_PANELS, BYTE_PANELS};
    return &table;
}
