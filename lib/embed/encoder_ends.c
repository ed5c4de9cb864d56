/* See encoder_ends.h. Threads: no state. Cost: one pass over the rows each; of no weight beside the layers. */
#include "embed/encoder_ends.h"

#include <string.h>

#include "base/status.h"
#include "embed/encoder_weights.h"

ql_status ql__encoder_check(const ql__encoder *self, size_t rows_max, const ql__encoder_batch *batch, size_t *rows, ql_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->lengths[i] == 0 || batch->lengths[i] > self->config->sequence_max)
            return ql__fail(err, QL_E_INVALID, "a sequence of %u tokens, the model takes 1..%u", batch->lengths[i], self->config->sequence_max);
        total += batch->lengths[i];
    }
    if (total > rows_max) return ql__fail(err, QL_E_INVALID, "a batch of %zu tokens in scratch for %zu", total, rows_max);
    for (size_t i = 0; i < total; i++)
        if (batch->ids[i] >= self->config->vocab) return ql__fail(err, QL_E_INVALID, "token %u, the model has %u", batch->ids[i], self->config->vocab);
    *rows = total;
    return QL_OK;
}

ql_status ql__encoder_embed(const ql__encoder *self, const ql__encoder_batch *batch, float *x, size_t stride, ql_error *err)
{
    size_t width = self->config->width, row = 0;
    for (size_t s = 0; s < batch->count; s++) {
        for (size_t position = 0; position < batch->lengths[s]; position++, row++, x += stride) {
            const float *place = self->positions + position * width;
            QL_TRY(ql__tensor_to_f32(self->words, (size_t)batch->ids[row] * width, width, x, err));
            for (size_t i = 0; i < width; i++) x[i] = x[i] + self->types[i] + place[i];
        }
    }
    return QL_OK;
}

/* The mean needs no division: the vector is scaled to unit length anyway. */
void ql__encoder_pool(const ql__encoder *self, const ql__encoder_batch *batch, const float *x, size_t stride)
{
    size_t width = self->config->width;
    for (size_t s = 0; s < batch->count; s++) {
        float *out = batch->out + s * width;
        if (self->config->pooling == QL__POOLING_CLS) memcpy(out, x, width * sizeof *out);
        else self->kernels->sum_rows(x, stride, batch->lengths[s], width, out);
        ql__unit_length(out, width);
        x += batch->lengths[s] * stride;
    }
}
