/*
 * The forward pass of a BERT encoder over packed sequences: the tokens of a batch are the rows of one matrix, without padding.
 * A vector depends on its own sequence and the chosen engine only, not on what else is in the batch or on the number of threads.
 */
#ifndef QL_ENCODER_H
#define QL_ENCODER_H

#include "embed/bert_config.h"
#include "embed/kernels.h"
#include "embed/linear_dnnl.h"
#include "embed/safetensors.h"

#define QL__ENCODER_ROWS_MAX (1 << 16) /* tokens of one batch: keeps every size below 2^40 */

typedef struct ql__encoder ql__encoder;                 /* immutable, thread-safe */
typedef struct ql__encoder_scratch ql__encoder_scratch; /* one thread at a time */

/* config and file are borrowed and outlive the encoder. QL_E_FORMAT names a tensor that is missing or has another shape. */
ql_status ql__encoder_new(const ql__bert_config *config, const ql__safetensors *file, const ql__kernels *kernels, ql__encoder **out, ql_error *err);
void ql__encoder_free(ql__encoder *self);
/* Memory for batches of up to `rows` tokens in all, each sequence at most config->sequence_max long. */
ql_status ql__encoder_scratch_new(const ql__encoder *self, size_t rows, ql__encoder_scratch **out, ql_error *err);
void ql__encoder_scratch_free(ql__encoder_scratch *self);
size_t ql__encoder_scratch_rows(const ql__encoder_scratch *self);

typedef struct ql__encoder_batch {
    const uint32_t *ids;     /* (sum of lengths), [CLS] and [SEP] included */
    const uint32_t *lengths; /* (count) each 1..sequence_max */
    size_t count;
    float *out;              /* (count, width): pooled, unit length */
} ql__encoder_batch;

/* Packs the linear layers for oneDNN; bf16 or float32. Free it with ql__linear_engine_free after the scratches that used it. */
ql_status ql__encoder_engine_new(const ql__encoder *self, bool bf16, ql__linear_engine **out, ql_error *err);

/*
 * engine NULL: float32 by the kernels, on the weights where they lie (nothing to prepare: for a query). A scratch is used with
 * one engine, or none, for its life. On panels, see packed.h.
 * QL_E_INVALID: an id the model does not have, a sequence too long for it or a batch too large for the scratch.
 */
ql_status ql__encoder_run(const ql__encoder *self, ql__encoder_scratch *scratch, ql__linear_engine *engine, const ql__encoder_batch *batch, ql_error *err);

#endif
