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

static void norm(const ql__panel_norm *args, size_t halves)
{
    for (size_t row = 0; row < args->rows; row++) {
        float *x = args->x + row * args->stride;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < args->width; i++) mean += (double)x[i];
        mean /= (double)args->width;
        for (size_t i = 0; i < args->width; i++) variance += ((double)x[i] - mean) * ((double)x[i] - mean);
        double scale = 1.0 / sqrt(variance / (double)args->width + (double)args->epsilon);
        for (size_t i = 0; i < args->stride; i++) x[i] = i < args->width ? (float)(((double)x[i] - mean) * scale) * args->gamma[i] + args->beta[i] : 0;
        for (size_t i = 0; i < args->stride; i++) put(args->out + row * args->stride / halves, i, x[i], halves);
    }
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

#define TABLE(name, count) \
    static void pack_##name(const ql__panel_source *source, size_t outputs, size_t inputs, uint32_t *to) { pack(source, outputs, inputs, to, count); } \
    static void multiply_##name(const ql__panel_product *args) { multiply(args, count); } \
    static void round_##name(const ql__panel_rows *args) { round_rows(args, count); } \
    static void gelu_##name(const ql__panel_rows *args) { gelu(args, count); } \
    static void norm_##name(const ql__panel_norm *args) { norm(args, count); } \
    static void attend_##name(const ql__panel_attention *args) \
    { \
        for (size_t row = 0; row < args->length; row++) attend_row(args, row, count); \
    } \
    const ql__panels ql__panels_##name##_reference = {"reference/" #name, COLUMNS, count, pack_##name, multiply_##name, round_##name, gelu_##name, norm_##name, attend_##name};

TABLE(float32, 1)
TABLE(bfloat16, 2)
