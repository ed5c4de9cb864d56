/*
 * What the functions of panel.h compute, in scalar loops with sums in double; tests hold the vector tables against these. Threads: no state. Cost: as
 * bad as it looks.
 */
#include "embed/panel_reference.h"

#include <math.h>
#include <string.h>

#include "embed/bf16.h"

#define COLUMNS 8

static void put(uint32_t *row, size_t index, float value, size_t halves)
{
    uint16_t half = ql__bf16_of(value);
    if (halves == 2) memcpy((uint16_t *)(void *)row + index, &half, sizeof half);
    else memcpy(row + index, &value, sizeof value);
}

static double get(const uint32_t *row, size_t index, size_t halves)
{
    uint16_t half;
    float value;
    if (halves == 2) {
        memcpy(&half, (const uint16_t *)(const void *)row + index, sizeof half);
        return (double)ql__bf16_float(half);
    }
    memcpy(&value, row + index, sizeof value);
    return (double)value;
}

static void pack(const ql__panel_source *source, size_t outputs, size_t inputs, uint32_t *to, size_t halves)
{
    for (size_t output = 0; output < outputs; output++) {
        for (size_t input = 0; input < inputs; input++) {
            bool inside = output < source->outputs && input < source->inputs;
            uint32_t *unit = to + output / COLUMNS * COLUMNS * (inputs / halves) + input / halves * COLUMNS + output % COLUMNS;
            put(unit, input % halves, inside ? source->w[output * source->stride + input] : 0, halves);
        }
    }
}

static void multiply(const ql__panel_product *args, size_t halves)
{
    for (size_t row = 0; row < args->rows; row++) {
        for (size_t output = 0; output < args->outputs; output++) {
            const uint32_t *w = args->w + output / COLUMNS * COLUMNS * args->units + output % COLUMNS;
            float *c = args->c + row * args->c_stride + output;
            double sum = args->bias ? (double)args->bias[output] : 0;
            for (size_t i = 0; i < args->units * halves; i++) sum += get(args->a + row * args->a_stride, i, halves) * get(w + i / halves * COLUMNS, i % halves, halves);
            *c = (float)(args->accumulate ? (double)*c + sum : sum);
        }
    }
}

static void round_rows(const ql__panel_rows *args, size_t halves)
{
    for (size_t row = 0; row < args->rows; row++)
        for (size_t i = 0; i < args->width; i++) put(args->to + row * args->to_stride, i, args->from[row * args->from_stride + i], halves);
}

static void gelu(const ql__panel_rows *args, size_t halves)
{
    for (size_t row = 0; row < args->rows; row++) {
        for (size_t i = 0; i < args->width; i++) {
            double x = (double)args->from[row * args->from_stride + i];
            put(args->to + row * args->to_stride, i, (float)(0.5 * x * (1.0 + erf(x * M_SQRT1_2))), halves);
        }
    }
}

static void normalize(const ql__panel_norm *args)
{
    for (size_t row = 0; row < args->rows; row++) {
        float *x = args->x + row * args->stride;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < args->width; i++) mean += (double)x[i];
        mean /= (double)args->width;
        for (size_t i = 0; i < args->width; i++) variance += ((double)x[i] - mean) * ((double)x[i] - mean);
        double scale = 1.0 / sqrt(variance / (double)args->width + (double)args->epsilon);
        for (size_t i = 0; i < args->stride; i++) x[i] = i < args->width ? (float)(((double)x[i] - mean) * scale) * args->gamma[i] + args->beta[i] : 0;
    }
}

static void norm(const ql__panel_norm *args, size_t halves)
{
    normalize(args);
    for (size_t row = 0; row < args->rows; row++)
        for (size_t i = 0; i < args->stride; i++) put(args->out + row * args->stride / halves, i, args->x[row * args->stride + i], halves);
}

/* One query: scores (L) in scratch, then their softmax-weighted sum of the values. */
static void attend_row(const ql__panel_attention *args, size_t row, size_t halves)
{
    const uint32_t *query = args->queries + row * args->query_stride;
    float *scores = (float *)(void *)args->scratch, highest = -INFINITY;
    double total = 0;
    for (size_t j = 0; j < args->length; j++) {
        double dot = 0;
        for (size_t d = 0; d < args->dims; d++) dot += get(query, d, halves) * (double)args->keys[j * args->stride + d];
        scores[j] = (float)(dot * (double)args->scale);
        if (scores[j] > highest) highest = scores[j];
    }
    for (size_t j = 0; j < args->length; j++) {
        scores[j] = exp2f(scores[j] - highest);
        total += (double)scores[j];
    }
    for (size_t d = 0; d < args->dims; d++) {
        double sum = 0;
        for (size_t j = 0; j < args->length; j++) sum += (double)scores[j] * (double)args->values[j * args->stride + d];
        put(args->out + row * args->out_stride, d, (float)(sum / total), halves);
    }
}

/* ---- bytes ---- */

#define BYTES 4
#define BYTE_MAX 127

/* Where byte `index` of a row is, or of an output's weights, whose units are `stride` apart. */
static uint8_t *byte_at(uint32_t *units, size_t index, size_t stride)
{
    return (uint8_t *)(units + index / BYTES * stride) + index % BYTES;
}

typedef struct scale {
    float of_byte, bytes; /* what a byte is worth; bytes for 1 */
} scale;

static scale scale_of(float high, bool odd)
{
    return (scale){.of_byte = odd ? NAN : high / BYTE_MAX, .bytes = high > 0 ? BYTE_MAX / high : 0};
}

static int byte_of(float value, scale by)
{
    float bytes = value * by.bytes;
    return isfinite(bytes) ? (int)lrintf(bytes) : 0;
}

static float weight_at(const ql__panel_source *source, size_t output, size_t input)
{
    return output < source->outputs && input < source->inputs ? source->w[output * source->stride + input] : 0;
}

static void pack_bytes(const ql__panel_source *source, size_t outputs, size_t inputs, uint32_t *to)
{
    size_t panel_units = inputs / BYTES + 1;
    for (size_t output = 0; output < outputs; output++) {
        uint32_t *panel = to + output / COLUMNS * COLUMNS * panel_units + output % COLUMNS;
        float high = 0;
        bool odd = false;
        for (size_t input = 0; input < inputs; input++) {
            high = fmaxf(high, fabsf(weight_at(source, output, input)));
            odd = odd || !isfinite(weight_at(source, output, input));
        }
        scale by = scale_of(high, odd);
        for (size_t input = 0; input < inputs; input++) *byte_at(panel, input, COLUMNS) = (uint8_t)(byte_of(weight_at(source, output, input), by) + 128);
        memcpy(panel + inputs / BYTES * COLUMNS, &by.of_byte, sizeof by.of_byte);
    }
}

static void multiply_bytes(const ql__panel_product *args)
{
    for (size_t row = 0; row < args->rows; row++) {
        uint32_t *a = (uint32_t *)(uintptr_t)(args->a + row * args->a_stride);
        for (size_t output = 0; output < args->outputs; output++) {
            uint32_t *w = (uint32_t *)(uintptr_t)(args->w + output / COLUMNS * COLUMNS * (args->units + 1) + output % COLUMNS);
            float *c = args->c + row * args->c_stride + output, weight_scale;
            int32_t sum = 0;
            for (size_t i = 0; i < args->units * BYTES; i++) sum += (int8_t)*byte_at(a, i, 1) * (*byte_at(w, i, COLUMNS) - 128);
            memcpy(&weight_scale, w + args->units * COLUMNS, sizeof weight_scale);
            double value = (double)sum * (double)weight_scale * (double)args->factors[row].scale + (args->bias ? (double)args->bias[output] : 0);
            *c = (float)(args->accumulate ? (double)*c + value : value);
        }
    }
}

static void narrow(const ql__panel_narrowing *args, size_t halves)
{
    for (size_t row = 0; row < args->rows; row++) {
        const uint32_t *from = args->from + row * args->from_stride;
        float high = 0;
        bool odd = false;
        for (size_t i = 0; i < args->width; i++) {
            high = fmaxf(high, (float)fabs(get(from, i, halves)));
            odd = odd || !isfinite(get(from, i, halves));
        }
        scale by = scale_of(high, odd);
        args->factors[row] = (ql__panel_factor){.scale = by.of_byte};
        for (size_t i = 0; i < args->width; i++) {
            int byte = byte_of((float)get(from, i, halves), by);
            args->factors[row].sum += byte;
            *byte_at(args->to + row * args->width / BYTES, i, 1) = (uint8_t)byte;
        }
    }
}

static void norm_bytes(const ql__panel_norm *args)
{
    normalize(args);
    narrow(&(ql__panel_narrowing){.from = (const uint32_t *)(const void *)args->x, .from_stride = args->stride, .to = args->out, .factors = args->factors, .rows = args->rows,
                                  .width = args->stride}, 1);
}

#define TABLE(kind, count) \
    static void pack_##kind(const ql__panel_source *source, size_t outputs, size_t inputs, uint32_t *to) { pack(source, outputs, inputs, to, count); } \
    static void multiply_##kind(const ql__panel_product *args) { multiply(args, count); } \
    static void round_##kind(const ql__panel_rows *args) { round_rows(args, count); } \
    static void gelu_##kind(const ql__panel_rows *args) { gelu(args, count); } \
    static void norm_##kind(const ql__panel_norm *args) { norm(args, count); } \
    static void attend_##kind(const ql__panel_attention *args) \
    { \
        for (size_t row = 0; row < args->length; row++) attend_row(args, row, count); \
    } \
    const ql__panels ql__panels_##kind##_reference = {.name = "reference/" #kind, .columns = COLUMNS, .halves = count, .pack = pack_##kind, .multiply = multiply_##kind, \
                                                      .round = round_##kind, .gelu = gelu_##kind, .norm = norm_##kind, .attend = attend_##kind};

TABLE(float32, 1)
TABLE(bfloat16, 2)

#define BYTES_TABLE(soft_name, count) \
    static void narrow_##soft_name(const ql__panel_narrowing *args) { narrow(args, count); } \
    const ql__panels ql__panels_bytes_##soft_name##_reference = {.name = "reference/bytes of " #soft_name, .columns = COLUMNS, .halves = BYTES, .spare = 1, .pack = pack_bytes, \
                                                                 .multiply = multiply_bytes, .norm = norm_bytes, .soft = &ql__panels_##soft_name##_reference, \
                                                                 .narrow = narrow_##soft_name};

BYTES_TABLE(float32, 1)
BYTES_TABLE(bfloat16, 2)
