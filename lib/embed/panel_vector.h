/*
 * The functions of panel.h on vectors, after kernels_vector.h and for the same instruction set; included once for float32 (PANEL_HALF 0) and, where
 * there is an instruction for products of bfloat16, once for those (PANEL_HALF 1).
 *
 * Products are in panel_product.h.
 */
#if PANEL_HALF
#define PANEL(name) half_##name
#define PANEL_HALVES 2
#else
#define PANEL(name) single_##name
#define PANEL_HALVES 1
#endif

#if PANEL_HALF
typedef uint16_t hvec2 __attribute__((vector_size(VECTOR_BYTES)));
#endif

/* ---- units ---- */

INLINE uvec PANEL(load_units)(const uint32_t *p)
{
    uvec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void PANEL(store_units)(uint32_t *p, uvec v)
{
    memcpy(p, &v, sizeof v);
}

/* sum + a * w, lane by lane; a unit of two counts both. */
INLINE vec PANEL(add)(vec sum, const uint32_t *a, uvec w)
{
    uint32_t unit;
    memcpy(&unit, a, sizeof unit);
#if PANEL_HALF
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)unit), (__m512bh)w);
#else
    float value;
    memcpy(&value, &unit, sizeof value);
    return sum + splat(value) * (vec)w;
#endif
}

/* LANES units of the numbers at `from`, of which there are PANEL_HALVES * LANES. */
INLINE uvec PANEL(units_of)(const float *from)
{
#if PANEL_HALF
    return (uvec)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + LANES), _mm512_loadu_ps(from));
#else
    return (uvec)load(from);
#endif
}

/* 2 * LANES numbers to units. */
INLINE void PANEL(put)(uint32_t *to, vec first, vec second)
{
#if PANEL_HALF
    PANEL(store_units)(to, (uvec)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
#else
    PANEL(store_units)(to, (uvec)first);
    PANEL(store_units)(to + LANES, (uvec)second);
#endif
}

/* ---- functions, as exact as the units that take the results ---- */

#if PANEL_HALF
/* As exp2_negative, with the best polynomial of degree 3: relative error 8e-5, a fiftieth of a bfloat16's last place. */
INLINE vec PANEL(exp2_negative)(vec x)
{
    const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = vec_max(x, splat(-126.0f));
    vec rounded = x + splat(shifter);
    vec part = x - (rounded - splat(shifter));
    vec p = splat(0.0550886838f) * part + splat(0.242604051f);
    p = p * part + splat(0.693276242f);
    p = p * part + splat(0.99992894f);
    return (vec)((ivec)p + ((ivec)rounded << 23));
}

/* As gelu_of, with x Phi(x) = x (1/2 + x P(x^2)), P of degree 7 on |x| <= 2.9 * sqrt(2), constant beyond: absolute error 4e-4 there, 1e-4 at |x| <= 2. */
INLINE vec PANEL(gelu_of)(vec x)
{
    static const float terms[8] = {0.171762834f, -0.082946707f, 0.0562219658f, -0.0375388671f, 0.022145641f, -0.0140544744f, 0.0102220575f, -0.00390796383f};
    const float limit = 4.10121933f;
    vec inside = vec_min(vec_max(x, splat(-limit)), splat(limit));
    vec t = inside * inside * splat(2.0f / (limit * limit)) - splat(1.0f), p = splat(terms[7]);
#pragma GCC unroll 8
    for (int i = 6; i >= 0; i--) p = p * t + splat(terms[i]);
    return x * (inside * p + splat(0.5f));
}
#else
#define single_exp2_negative exp2_negative
#define single_gelu_of gelu_of
#endif

/* ---- packing ---- */

/* LANES units of one output's weights. */
INLINE uvec PANEL(source_units)(const ql__panel_source *source, size_t output, size_t input)
{
    float part[PANEL_HALVES * LANES] = {0};
    if (output >= source->outputs || input >= source->inputs) return (uvec){0};
    const float *at = source->w + output * source->stride + input;
    if (input + PANEL_HALVES * LANES <= source->inputs) return PANEL(units_of)(at);
    memcpy(part, at, (source->inputs - input) * sizeof *at);
    return PANEL(units_of)(part);
}

/* Squares of LANES outputs and LANES units, turned. */
static void PANEL(pack)(const ql__panel_source *source, size_t outputs, size_t inputs, uint32_t *to)
{
    size_t units = inputs / PANEL_HALVES;
    for (size_t output = 0; output < outputs; output += LANES) {
        uint32_t *panel = to + output / PANEL_COLUMNS * PANEL_COLUMNS * units + output % PANEL_COLUMNS;
        for (size_t unit = 0; unit < units; unit += LANES) {
            uvec block[LANES];
            for (size_t i = 0; i < LANES; i++) block[i] = PANEL(source_units)(source, output + i, unit * PANEL_HALVES);
            transpose(block);
            for (size_t i = 0; i < LANES; i++) PANEL(store_units)(panel + (unit + i) * PANEL_COLUMNS, block[i]);
        }
    }
}

/* ---- the product ---- */

#define PANEL_SUM vec
#define PANEL_SPARE 0

INLINE void PANEL(begin)(const ql__panel_product *args, size_t column, const float *c, vec sums[PANEL_ROWS][2], const size_t rows)
{
    vec start0 = {0}, start1 = {0};
    if (args->bias) start0 = load(args->bias + column), start1 = load(args->bias + column + LANES);
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        sums[i][0] = args->accumulate ? start0 + load(c + i * args->c_stride) : start0;
        sums[i][1] = args->accumulate ? start1 + load(c + i * args->c_stride + LANES) : start1;
    }
}

INLINE void PANEL(end)(const ql__panel_product *args, size_t row, size_t column, const uint32_t *spare, float *c, vec sums[PANEL_ROWS][2], const size_t rows)
{
    (void)row, (void)column, (void)spare;
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        store(c + i * args->c_stride, sums[i][0]);
        store(c + i * args->c_stride + LANES, sums[i][1]);
    }
}

#include "embed/panel_product.h"

/* ---- between products ---- */

static void PANEL(round)(const ql__panel_rows *args)
{
    for (size_t row = 0; row < args->rows; row++)
        for (size_t i = 0; i < args->width; i += PANEL_COLUMNS) {
            const float *from = args->from + row * args->from_stride + i;
            PANEL(put)(args->to + row * args->to_stride + i / PANEL_HALVES, load(from), load(from + LANES));
        }
}

static void PANEL(gelu)(const ql__panel_rows *args)
{
    for (size_t row = 0; row < args->rows; row++) {
        for (size_t i = 0; i < args->width; i += PANEL_COLUMNS) {
            const float *from = args->from + row * args->from_stride + i;
            uint32_t *to = args->to + row * args->to_stride + i / PANEL_HALVES;
            PANEL(put)(to, PANEL(gelu_of)(load(from)), PANEL(gelu_of)(load(from + LANES)));
        }
    }
}

static void PANEL(norm)(const ql__panel_norm *args)
{
    for (size_t row = 0; row < args->rows; row++) {
        float *x = args->x + row * args->stride;
        norm_row(&(ql__norm){.gamma = args->gamma, .beta = args->beta, .width = args->width, .epsilon = args->epsilon}, x, NULL);
        memset(x + args->width, 0, (args->stride - args->width) * sizeof *x);
        for (size_t i = 0; i < args->stride; i += PANEL_COLUMNS) PANEL(put)(args->out + (row * args->stride + i) / PANEL_HALVES, load(x + i), load(x + i + LANES));
    }
}

/* ---- attention ---- */

typedef struct PANEL(head) {
    size_t columns;    /* L rounded up to panels */
    size_t positions;  /* L rounded up to whole chunks of units */
    uint32_t *keys;    /* panels of (L) outputs and D inputs */
    uint32_t *values;  /* panels of (D) outputs and (positions) inputs */
    float *scores;     /* (PANEL_ROWS, columns) */
    uint32_t *weights; /* (PANEL_ROWS, columns / PANEL_HALVES) */
    float *sums;       /* (PANEL_ROWS, D) */
    ivec inside[2];    /* all bits where a column of the last panel is one of L */
} PANEL(head);

/* The values of one unit of positions, for LANES dims. */
INLINE uvec PANEL(value_units)(const ql__panel_attention *args, size_t position, size_t dim)
{
    const float *at = args->values + position * args->stride + dim;
    if (position >= args->length) return (uvec){0};
#if PANEL_HALF
    vec second = position + 1 < args->length ? load(at + args->stride) : (vec){0};
    hvec2 both = (hvec2)_mm512_cvtne2ps_pbh((__m512)second, (__m512)load(at));
    return (uvec)__builtin_shufflevector(both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else
    return (uvec)load(at);
#endif
}

static void PANEL(pack_values)(const ql__panel_attention *args, const PANEL(head) *head)
{
    uint32_t *to = head->values;
    for (size_t dim = 0; dim < args->dims; dim += PANEL_COLUMNS) {
        for (size_t position = 0; position < head->positions; position += PANEL_HALVES, to += PANEL_COLUMNS) {
            PANEL(store_units)(to, PANEL(value_units)(args, position, dim));
            PANEL(store_units)(to + LANES, PANEL(value_units)(args, position, dim + LANES));
        }
    }
}

/* One row of scores to weights before division; returns 1 / their sum. */
INLINE float PANEL(soften)(const ql__panel_attention *args, const PANEL(head) *head, float *row, uint32_t *weights)
{
    float *last = row + head->columns - PANEL_COLUMNS;
    for (size_t j = 0; j < 2; j++) store(last + j * LANES, (vec)(((ivec)load(last + j * LANES) & head->inside[j]) | ((ivec)splat(-INFINITY) & ~head->inside[j])));
    vec high0 = load(row), high1 = load(row + LANES), total0 = {0}, total1 = {0};
    for (size_t i = PANEL_COLUMNS; i < head->columns; i += PANEL_COLUMNS) {
        high0 = vec_max(high0, load(row + i));
        high1 = vec_max(high1, load(row + i + LANES));
    }
    vec scale = splat(args->scale), offset = splat(max_lanes(vec_max(high0, high1)) * args->scale);
    for (size_t i = 0; i < head->columns; i += PANEL_COLUMNS) {
        vec e0 = PANEL(exp2_negative)(load(row + i) * scale - offset), e1 = PANEL(exp2_negative)(load(row + i + LANES) * scale - offset);
        total0 += e0;
        total1 += e1;
        PANEL(put)(weights + i / PANEL_HALVES, e0, e1);
    }
    return 1.0f / sum_lanes(total0 + total1);
}

static void PANEL(attend_rows)(const ql__panel_attention *args, const PANEL(head) *head, size_t row, size_t rows)
{
    size_t stride = head->columns / PANEL_HALVES;
    float inverse[PANEL_ROWS];
    PANEL(multiply)(&(ql__panel_product){.a = args->queries + row * args->query_stride, .a_stride = args->query_stride, .w = head->keys, .c = head->scores,
                                         .c_stride = head->columns, .rows = rows, .outputs = head->columns, .units = args->dims / PANEL_HALVES});
    for (size_t i = 0; i < rows; i++) inverse[i] = PANEL(soften)(args, head, head->scores + i * head->columns, head->weights + i * stride);
    PANEL(multiply)(&(ql__panel_product){.a = head->weights, .a_stride = stride, .w = head->values, .c = head->sums, .c_stride = args->dims, .rows = rows,
                                         .outputs = args->dims, .units = head->positions / PANEL_HALVES});
    for (size_t i = 0; i < rows; i++) {
        const float *sums = head->sums + i * args->dims;
        uint32_t *out = args->out + (row + i) * args->out_stride;
        vec scale = splat(inverse[i]);
        for (size_t d = 0; d < args->dims; d += PANEL_COLUMNS) PANEL(put)(out + d / PANEL_HALVES, load(sums + d) * scale, load(sums + d + LANES) * scale);
    }
}

static void PANEL(attend)(const ql__panel_attention *args)
{
    PANEL(head) head = {.columns = (args->length + PANEL_COLUMNS - 1) / PANEL_COLUMNS * PANEL_COLUMNS};
    head.positions = (args->length + CHUNK * PANEL_HALVES - 1) / (CHUNK * PANEL_HALVES) * (CHUNK * PANEL_HALVES);
    head.keys = args->scratch;
    head.values = head.keys + head.columns * args->dims;
    head.scores = (float *)(void *)(head.values + head.columns * args->dims);
    head.weights = (uint32_t *)(void *)(head.scores + PANEL_ROWS * head.columns);
    head.sums = (float *)(void *)(head.weights + PANEL_ROWS * head.columns);
    for (size_t i = 0; i < PANEL_COLUMNS; i++) head.inside[i / LANES][i % LANES] = head.columns - PANEL_COLUMNS + i < args->length ? -1 : 0;
    PANEL(pack)(&(ql__panel_source){.w = args->keys, .stride = args->stride, .outputs = args->length, .inputs = args->dims}, head.columns, args->dims, head.keys);
    PANEL(pack_values)(args, &head);
    size_t parts = (args->length + PANEL_ROWS - 1) / PANEL_ROWS;
    for (size_t part = 0, row = 0; part < parts; part++) {
        size_t end = (part + 1) * args->length / parts;
        PANEL(attend_rows)(args, &head, row, end - row);
        row = end;
    }
}

static const ql__panels PANEL(table) = {
#if PANEL_HALF
    .name = TABLE_NAME "/bfloat16",
#else
    .name = TABLE_NAME "/float32",
#endif
    .columns = PANEL_COLUMNS,
    .halves = PANEL_HALVES,
    .pack = PANEL(pack),
    .multiply = PANEL(multiply),
    .round = PANEL(round),
    .gelu = PANEL(gelu),
    .norm = PANEL(norm),
    .attend = PANEL(attend),
};

#undef PANEL_SPARE
#undef PANEL_SUM
#undef PANEL
#undef PANEL_HALVES
