/*
 * What the kernels compute, said plainly: scalar loops, sums in double. Tests hold every other table against this one; it also runs
 * on machines for which no vector table is built. Threads: no state. Cost: as bad as it looks.
 */
#include "embed/kernels.h"

#include <math.h>

#include "embed/bf16.h"
#include "embed/panel_reference.h"

static void matmul(const ql__matmul *args)
{
    for (size_t i = 0; i < args->rows; i++) {
        for (size_t j = 0; j < args->n; j++) {
            double sum = args->bias[j];
            for (size_t p = 0; p < args->k; p++) sum += (double)args->a[i * args->k + p] * (double)args->w[j * args->k + p];
            float *c = &args->c[i * args->c_stride + j];
            *c = args->accumulate ? *c + (float)sum : (float)sum;
        }
    }
}

static void gelu(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] = (float)(0.5 * (double)x[i] * (1.0 + erf((double)x[i] * M_SQRT1_2)));
}

static void to_bf16(const float *x, uint16_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = ql__bf16_of(x[i]);
}

static void norm(const ql__norm *args)
{
    for (size_t row = 0; row < args->rows; row++) {
        float *x = args->x + row * args->width;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < args->width; i++) mean += (double)x[i];
        mean /= (double)args->width;
        for (size_t i = 0; i < args->width; i++) variance += ((double)x[i] - mean) * ((double)x[i] - mean);
        double scale = 1.0 / sqrt(variance / (double)args->width + (double)args->epsilon);
        for (size_t i = 0; i < args->width; i++) x[i] = (float)(((double)x[i] - mean) * scale) * args->gamma[i] + args->beta[i];
        if (args->out_bf16) to_bf16(x, args->out_bf16 + row * args->width, args->width);
    }
}

/* One query row of one head: scores (L) in scratch, then their softmax-weighted sum of the value rows. */
static void attend(const ql__attention *args, size_t head, size_t row)
{
    size_t width = args->heads * args->head_dims, dims = args->head_dims, stride = 3 * width;
    const float *query = args->qkv + row * stride + head * dims;
    float *scores = args->scratch, highest = -INFINITY;
    double total = 0;
    for (size_t j = 0; j < args->length; j++) {
        const float *key = args->qkv + j * stride + width + head * dims;
        double dot = 0;
        for (size_t d = 0; d < dims; d++) dot += (double)query[d] * (double)key[d];
        scores[j] = (float)(dot / sqrt((double)dims));
        if (scores[j] > highest) highest = scores[j];
    }
    for (size_t j = 0; j < args->length; j++) {
        scores[j] = expf(scores[j] - highest);
        total += (double)scores[j];
    }
    for (size_t d = 0; d < dims; d++) {
        double sum = 0;
        for (size_t j = 0; j < args->length; j++) sum += (double)scores[j] * (double)args->qkv[j * stride + 2 * width + head * dims + d];
        float value = (float)(sum / total);
        if (args->out) args->out[row * width + head * dims + d] = value;
        if (args->out_bf16) args->out_bf16[row * width + head * dims + d] = ql__bf16_of(value);
    }
}

static void attention(const ql__attention *args)
{
    for (size_t head = 0; head < args->heads; head++)
        for (size_t row = 0; row < args->length; row++) attend(args, head, row);
}

static void sum_rows(const float *x, size_t stride, size_t rows, size_t width, float *out)
{
    for (size_t i = 0; i < width; i++) {
        double sum = 0;
        for (size_t row = 0; row < rows; row++) sum += (double)x[row * stride + i];
        out[i] = (float)sum;
    }
}

const ql__kernels *ql__kernels_reference(void)
{
    static const ql__kernels table = {"reference", matmul, gelu, norm, attention, sum_rows, to_bf16, &ql__panels_float32_reference, &ql__panels_bfloat16_reference,
                                      &ql__panels_bytes_bfloat16_reference};
    return &table;
}

void ql__unit_length(float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)x[i] * (double)x[i];
    if (!(sum > 0)) return;
    double scale = 1.0 / sqrt(sum);
    for (size_t i = 0; i < count; i++) x[i] = (float)((double)x[i] * scale);
}
