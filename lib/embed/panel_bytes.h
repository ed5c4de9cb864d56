/*
 * The functions of panel.h on bytes, for AVX-512 VNNI; included after panel_vector.h, whose functions on the processor's best floating-point units are
 * what happens between products. The instruction multiplies signed bytes, ours of the left side, with unsigned ones, weights + 128:
 *
 *   sum a (w - 128) = sum a w - 128 sum a
 *
 * Four products of 127 * 255 at most and sums of 2^16 of them stay below 2^31.
 */
#if defined(__AVX512BF16__)
#define SOFT(name) half_##name
#define SOFT_HALVES 2
#else
#define SOFT(name) single_##name
#define SOFT_HALVES 1
#endif
#define PANEL(name) bytes_##name
#define PANEL_SUM ivec
#define PANEL_SPARE 1
#define BYTES 4 /* of a unit */
#define BYTE_MAX 127

#define bytes_load_units single_load_units
#define bytes_store_units single_store_units

/* ---- numbers to bytes ---- */

/* The largest of some numbers, and whether all are finite: `odd` is 0 or NaN. */
typedef struct extent {
    vec high, odd;
} extent;

INLINE void extend(extent *of, vec x)
{
    of->high = vec_max(of->high, (vec)((ivec)x & 0x7fffffff));
    of->odd += x * splat(0);
}

/* How much one byte is worth, and how many bytes one number. Where all are 0: 0. */
INLINE float scale_of(const extent *of, float *bytes)
{
    float high = max_lanes(of->high);
    *bytes = high > 0 ? BYTE_MAX / high : 0;
    return high / BYTE_MAX + sum_lanes(of->odd);
}

/* What is not finite becomes -127; that there was some, `odd` knows. */
INLINE ivec to_bytes(vec x, vec bytes)
{
    return (ivec)_mm512_max_epi32(_mm512_cvtps_epi32((__m512)(x * bytes)), _mm512_set1_epi32(-BYTE_MAX));
}

INLINE void store_bytes(uint32_t *to, ivec bytes)
{
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8((__m512i)bytes));
}

/* LANES numbers from `soft` units, or from float32. */
INLINE vec soft_numbers(const uint32_t *from, size_t i)
{
#if SOFT_HALVES == 2
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(from + i / 2))), 16);
#else
    return (vec)single_load_units(from + i);
#endif
}

INLINE vec single_numbers(const uint32_t *from, size_t i)
{
    return (vec)single_load_units(from + i);
}

/* width: a multiple of PANEL_COLUMNS. Two extents and two sums: one would wait for itself. */
INLINE ql__panel_factor narrow_row(vec (*numbers)(const uint32_t *, size_t), const uint32_t *from, size_t width, uint32_t *to)
{
    extent all = {0}, other = {0};
    ivec sum = {0};
    ql__panel_factor factor;
    float bytes;
    for (size_t i = 0; i < width; i += 2 * LANES) {
        extend(&all, numbers(from, i));
        extend(&other, numbers(from, i + LANES));
    }
    all.high = vec_max(all.high, other.high);
    all.odd += other.odd;
    factor.scale = scale_of(&all, &bytes);
    for (size_t i = 0; i < width; i += LANES) {
        ivec part = to_bytes(numbers(from, i), splat(bytes));
        sum += part;
        store_bytes(to + i / BYTES, part);
    }
    factor.sum = _mm512_reduce_add_epi32((__m512i)sum);
    return factor;
}

static void PANEL(narrow)(const ql__panel_narrowing *args)
{
    for (size_t row = 0; row < args->rows; row++)
        args->factors[row] = narrow_row(soft_numbers, args->from + row * args->from_stride, args->width, args->to + row * args->width / BYTES);
}

static void PANEL(norm)(const ql__panel_norm *args)
{
    for (size_t row = 0; row < args->rows; row++) {
        float *x = args->x + row * args->stride;
        norm_row(&(ql__norm){.gamma = args->gamma, .beta = args->beta, .width = args->width, .epsilon = args->epsilon}, x, NULL);
        memset(x + args->width, 0, (args->stride - args->width) * sizeof *x);
        args->factors[row] = narrow_row(single_numbers, (const uint32_t *)(const void *)x, args->stride, args->out + row * args->stride / BYTES);
    }
}

/* ---- packing ---- */

/* Unsigned bytes of LANES units of one output's weights; beyond them 128, which stands for 0. */
INLINE uvec weight_units(const ql__panel_source *source, size_t output, size_t input, float bytes)
{
    uint8_t part[VECTOR_BYTES];
    uvec units;
    for (size_t i = 0; i < VECTOR_BYTES; i += LANES) {
        size_t there = output < source->outputs && input + i < source->inputs ? source->inputs - input - i : 0;
        const float *at = source->w + output * source->stride + input + i;
        vec x = there >= LANES ? load(at) : there > 0 ? load_part(at, there, 0) : (vec){0};
        _mm_storeu_si128((__m128i *)(void *)(part + i), _mm512_cvtepi32_epi8((__m512i)(to_bytes(x, splat(bytes)) + 128)));
    }
    memcpy(&units, part, sizeof units);
    return units;
}

static float weight_scale(const ql__panel_source *source, size_t output, float *bytes)
{
    extent all = {0};
    const float *w = source->w + output * source->stride;
    *bytes = 0;
    if (output >= source->outputs) return 0;
    for (size_t i = 0; i < source->inputs; i += LANES) extend(&all, i + LANES <= source->inputs ? load(w + i) : load_part(w + i, source->inputs - i, 0));
    return scale_of(&all, bytes);
}

/* As in panel_vector.h. The last square of a panel may be cut. */
static void PANEL(pack)(const ql__panel_source *source, size_t outputs, size_t inputs, uint32_t *to)
{
    size_t units = inputs / BYTES;
    for (size_t output = 0; output < outputs; output += LANES) {
        uint32_t *panel = to + output / PANEL_COLUMNS * PANEL_COLUMNS * (units + PANEL_SPARE) + output % PANEL_COLUMNS;
        float scales[LANES], bytes[LANES];
        for (size_t i = 0; i < LANES; i++) scales[i] = weight_scale(source, output + i, &bytes[i]);
        for (size_t unit = 0; unit < units; unit += LANES) {
            uvec block[LANES];
            for (size_t i = 0; i < LANES; i++) block[i] = weight_units(source, output + i, unit * BYTES, bytes[i]);
            transpose(block);
            for (size_t i = 0; i < LANES && unit + i < units; i++) PANEL(store_units)(panel + (unit + i) * PANEL_COLUMNS, block[i]);
        }
        memcpy(panel + units * PANEL_COLUMNS, scales, sizeof scales);
    }
}

/* ---- the product ---- */

INLINE ivec PANEL(add)(ivec sum, const uint32_t *a, uvec w)
{
    uint32_t unit;
    memcpy(&unit, a, sizeof unit);
    return (ivec)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32((int)unit));
}

INLINE void PANEL(begin)(const ql__panel_product *args, size_t column, const float *c, ivec sums[PANEL_ROWS][2], const size_t rows)
{
    (void)args, (void)column, (void)c;
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = (ivec){0};
}

INLINE void PANEL(end)(const ql__panel_product *args, size_t row, size_t column, const uint32_t *spare, float *c, ivec sums[PANEL_ROWS][2], const size_t rows)
{
    vec scale0 = (vec)PANEL(load_units)(spare), scale1 = (vec)PANEL(load_units)(spare + LANES), start0 = {0}, start1 = {0};
    if (args->bias) start0 = load(args->bias + column), start1 = load(args->bias + column + LANES);
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        ql__panel_factor factor = args->factors[row + i];
        float *to = c + i * args->c_stride;
        vec scale = splat(factor.scale), before0 = start0, before1 = start1;
        ivec shift = factor.sum * 128 - (ivec){0};
        if (args->accumulate) before0 += load(to), before1 += load(to + LANES);
        store(to, __builtin_convertvector(sums[i][0] - shift, vec) * (scale * scale0) + before0);
        store(to + LANES, __builtin_convertvector(sums[i][1] - shift, vec) * (scale * scale1) + before1);
    }
}

#include "embed/panel_product.h"

static const ql__panels PANEL(table) = {
    .name = TABLE_NAME "/int8",
    .columns = PANEL_COLUMNS,
    .halves = BYTES,
    .spare = PANEL_SPARE,
    .pack = PANEL(pack),
    .multiply = PANEL(multiply),
    .norm = PANEL(norm),
    .soft = &SOFT(table),
    .narrow = PANEL(narrow),
};

#undef PANEL_SPARE
#undef PANEL_SUM
#undef PANEL
