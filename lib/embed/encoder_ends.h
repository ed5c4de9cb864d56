/* The two ends of a forward pass: tokens to the first rows, the last rows to vectors. `stride`: floats from row to row, at least the model's width. */
#ifndef QL_ENCODER_ENDS_H
#define QL_ENCODER_ENDS_H

#include "embed/encoder.h"

/* Counts the batch's rows. QL_E_INVALID: an id the model does not have, a sequence too long for it, or more than rows_max rows. */
ql_status ql__encoder_check(const ql__encoder *self, size_t rows_max, const ql__encoder_batch *batch, size_t *rows, ql_error *err);
/* x = word + position + type 0, (rows, width); LayerNorm comes next. */
ql_status ql__encoder_embed(const ql__encoder *self, const ql__encoder_batch *batch, float *x, size_t stride, ql_error *err);
/* batch->out from x, each of unit length. */
void ql__encoder_pool(const ql__encoder *self, const ql__encoder_batch *batch, const float *x, size_t stride);

#endif
