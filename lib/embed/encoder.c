/*
 * BERT's forward pass (Devlin et al. 2018, post-norm): embeddings, then per layer attention and feed-forward, each followed by a
 * residual sum and LayerNorm, then pooling.
 *
 * Dimensions: T rows (tokens of the batch), W width, F width of the feed-forward part, H heads. Shapes at each buffer below.
 * Weights are used where they lie in the mapped file; only tensors that are not aligned float32 are converted, once, on opening.
 * Linear layers run over all rows at once, attention and pooling per sequence.
 *
 * Threads: the encoder is immutable, a scratch belongs to one thread at a time. Cost: about 2 * (4 W^2 + 2 W F) * layers operations a
 * token; no allocation after ql__encoder_scratch_new.
 */
#include "embed/encoder.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

typedef struct linear {
    const float *weight; /* (outputs, inputs) */
    const float *bias;   /* (outputs) */
} linear;

typedef struct layer {
    linear query, key, value; /* (W, W) */
    linear mix;               /* (W, W) attention's output */
    linear up;                /* (F, W) */
    linear down;              /* (W, F) */
    const float *mix_gamma, *mix_beta;   /* (W) */
    const float *down_gamma, *down_beta; /* (W) */
} layer;

struct ql__encoder {
    const ql__bert_config *config;
    const ql__kernels *kernels;
    const ql__safetensors *file;
    const ql__tensor *words;  /* (vocab, W) */
    const float *positions;   /* (positions, W) */
    const float *types;       /* (types, W); only row 0 is used */
    const float *gamma, *beta; /* (W) norm of the embeddings */
    layer *layers;
    float **converted; /* tensors that could not be used in place */
    size_t converted_count;
    size_t converted_capacity;
};

struct ql__encoder_scratch {
    size_t rows;      /* T at most */
    float *x;         /* (T, W) the residual stream */
    float *qkv;       /* (T, 3 W) */
    float *context;   /* (T, W) */
    float *hidden;    /* (T, F) */
    float *attention; /* ql__attention_scratch */
};

/* ---- weights ---- */

static const ql__tensor *find_tensor(const ql__encoder *self, const char *name)
{
    char prefixed[256];
    const ql__tensor *tensor = ql__safetensors_find(self->file, name);
    if (tensor) return tensor;
    (void)snprintf(prefixed, sizeof prefixed, "bert.%s", name); /* how checkpoints with a head name it */
    return ql__safetensors_find(self->file, prefixed);
}

static ql_status take_tensor(const ql__encoder *self, const char *name, size_t rows, size_t columns, const ql__tensor **out, ql_error *err)
{
    const ql__tensor *tensor = find_tensor(self, name);
    if (!tensor) return ql__fail(err, QL_E_FORMAT, "the model has no tensor '%s'", name);
    bool fits = rows == 0 ? tensor->dim_count == 1 && tensor->dims[0] == columns
                          : tensor->dim_count == 2 && tensor->dims[0] == rows && tensor->dims[1] == columns;
    if (!fits) return ql__fail(err, QL_E_FORMAT, "tensor '%s' has another shape than config.json says", name);
    if (tensor->dtype == QL__DTYPE_OTHER) return ql__fail(err, QL_E_UNSUPPORTED, "tensor '%s' is neither F32, F16 nor BF16", name);
    *out = tensor;
    return QL_OK;
}

/* rows 0: a vector of `columns`. */
static ql_status take_floats(ql__encoder *self, const char *name, size_t rows, size_t columns, const float **out, ql_error *err)
{
    const ql__tensor *tensor = NULL;
    QL_TRY(take_tensor(self, name, rows, columns, &tensor, err));
    if (tensor->dtype == QL__DTYPE_F32 && (uintptr_t)tensor->data % sizeof(float) == 0) {
        *out = (const float *)(const void *)tensor->data;
        return QL_OK;
    }
    if (self->converted_count == self->converted_capacity) return ql__fail(err, QL_E_INTERNAL, "more tensors than counted");
    float *copy = ql__alloc_zero(tensor->elements, sizeof *copy);
    if (!copy) return ql__fail_nomem(err);
    self->converted[self->converted_count++] = copy;
    *out = copy;
    return ql__tensor_to_f32(tensor, 0, tensor->elements, copy, err);
}

static ql_status take_linear(ql__encoder *self, size_t index, const char *part, size_t outputs, size_t inputs, linear *out, ql_error *err)
{
    char name[128];
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.weight", index, part);
    QL_TRY(take_floats(self, name, outputs, inputs, &out->weight, err));
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.bias", index, part);
    return take_floats(self, name, 0, outputs, &out->bias, err);
}

static ql_status take_norm(ql__encoder *self, size_t index, const char *part, const float **gamma, const float **beta, ql_error *err)
{
    char name[128];
    size_t width = self->config->width;
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.LayerNorm.weight", index, part);
    QL_TRY(take_floats(self, name, 0, width, gamma, err));
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.LayerNorm.bias", index, part);
    return take_floats(self, name, 0, width, beta, err);
}

static ql_status take_layer(ql__encoder *self, size_t index, layer *out, ql_error *err)
{
    size_t width = self->config->width, inner = self->config->intermediate;
    QL_TRY(take_linear(self, index, "attention.self.query", width, width, &out->query, err));
    QL_TRY(take_linear(self, index, "attention.self.key", width, width, &out->key, err));
    QL_TRY(take_linear(self, index, "attention.self.value", width, width, &out->value, err));
    QL_TRY(take_linear(self, index, "attention.output.dense", width, width, &out->mix, err));
    QL_TRY(take_linear(self, index, "intermediate.dense", inner, width, &out->up, err));
    QL_TRY(take_linear(self, index, "output.dense", width, inner, &out->down, err));
    QL_TRY(take_norm(self, index, "attention.output", &out->mix_gamma, &out->mix_beta, err));
    return take_norm(self, index, "output", &out->down_gamma, &out->down_beta, err);
}

static ql_status take_all(ql__encoder *self, ql_error *err)
{
    const ql__bert_config *config = self->config;
    self->converted_capacity = 4 + 16 * (size_t)config->layers;
    self->converted = ql__alloc_zero(self->converted_capacity, sizeof *self->converted);
    self->layers = ql__alloc_zero(config->layers, sizeof *self->layers);
    if (!self->converted || !self->layers) return ql__fail_nomem(err);
    QL_TRY(take_tensor(self, "embeddings.word_embeddings.weight", config->vocab, config->width, &self->words, err));
    QL_TRY(take_floats(self, "embeddings.position_embeddings.weight", config->positions, config->width, &self->positions, err));
    QL_TRY(take_floats(self, "embeddings.token_type_embeddings.weight", config->types, config->width, &self->types, err));
    QL_TRY(take_floats(self, "embeddings.LayerNorm.weight", 0, config->width, &self->gamma, err));
    QL_TRY(take_floats(self, "embeddings.LayerNorm.bias", 0, config->width, &self->beta, err));
    for (size_t i = 0; i < config->layers; i++) QL_TRY(take_layer(self, i, &self->layers[i], err));
    return QL_OK;
}

ql_status ql__encoder_new(const ql__bert_config *config, const ql__safetensors *file, const ql__kernels *kernels, ql__encoder **out, ql_error *err)
{
    ql__encoder *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    self->config = config;
    self->kernels = kernels;
    self->file = file;
    ql_status status = take_all(self, err);
    if (status < 0) {
        ql__encoder_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__encoder_free(ql__encoder *self)
{
    if (!self) return;
    for (size_t i = 0; i < self->converted_count; i++) ql__free(self->converted[i]);
    ql__free(self->converted);
    ql__free(self->layers);
    ql__free(self);
}

/* ---- scratch ---- */

ql_status ql__encoder_scratch_new(const ql__encoder *self, size_t rows, ql__encoder_scratch **out, ql_error *err)
{
    const ql__bert_config *config = self->config;
    if (rows == 0 || rows > QL__ENCODER_ROWS_MAX) return ql__fail(err, QL_E_INVALID, "a batch of %zu tokens is not within 1..%d", rows, QL__ENCODER_ROWS_MAX);
    ql__encoder_scratch *scratch = ql__alloc_zero(1, sizeof *scratch);
    if (!scratch) return ql__fail_nomem(err);
    size_t width = config->width, longest = rows < config->sequence_max ? rows : config->sequence_max;
    scratch->rows = rows;
    scratch->x = ql__alloc_zero(rows * width, sizeof(float));
    scratch->qkv = ql__alloc_zero(rows * 3 * width, sizeof(float));
    scratch->context = ql__alloc_zero(rows * width, sizeof(float));
    scratch->hidden = ql__alloc_zero(rows * config->intermediate, sizeof(float));
    scratch->attention = ql__alloc_zero(ql__attention_scratch(longest, width / config->heads), sizeof(float));
    if (!scratch->x || !scratch->qkv || !scratch->context || !scratch->hidden || !scratch->attention) {
        ql__encoder_scratch_free(scratch);
        return ql__fail_nomem(err);
    }
    *out = scratch;
    return QL_OK;
}

void ql__encoder_scratch_free(ql__encoder_scratch *self)
{
    if (!self) return;
    ql__free(self->x);
    ql__free(self->qkv);
    ql__free(self->context);
    ql__free(self->hidden);
    ql__free(self->attention);
    ql__free(self);
}

size_t ql__encoder_scratch_rows(const ql__encoder_scratch *self)
{
    return self->rows;
}

/* ---- forward ---- */

typedef struct forward {
    const ql__encoder *encoder;
    ql__encoder_scratch *scratch;
    const ql__encoder_batch *batch;
    size_t rows; /* T */
} forward;

static ql_status check_batch(const ql__encoder *self, const ql__encoder_scratch *scratch, const ql__encoder_batch *batch, size_t *rows, ql_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->lengths[i] == 0 || batch->lengths[i] > self->config->sequence_max)
            return ql__fail(err, QL_E_INVALID, "a sequence of %u tokens, the model takes 1..%u", batch->lengths[i], self->config->sequence_max);
        total += batch->lengths[i];
    }
    if (total > scratch->rows) return ql__fail(err, QL_E_INVALID, "a batch of %zu tokens in scratch for %zu", total, scratch->rows);
    for (size_t i = 0; i < total; i++)
        if (batch->ids[i] >= self->config->vocab) return ql__fail(err, QL_E_INVALID, "token %u, the model has %u", batch->ids[i], self->config->vocab);
    *rows = total;
    return QL_OK;
}

static void norm_rows(const forward *run, const float *gamma, const float *beta)
{
    const ql__bert_config *config = run->encoder->config;
    run->encoder->kernels->norm(&(ql__norm){.x = run->scratch->x, .gamma = gamma, .beta = beta, .rows = run->rows,
                                            .width = config->width, .epsilon = config->norm_epsilon});
}

/* x = LayerNorm(word + position + type 0) */
static ql_status embed_tokens(const forward *run, ql_error *err)
{
    const ql__encoder *self = run->encoder;
    size_t width = self->config->width, row = 0;
    for (size_t s = 0; s < run->batch->count; s++) {
        for (size_t position = 0; position < run->batch->lengths[s]; position++, row++) {
            float *x = run->scratch->x + row * width;
            const float *place = self->positions + position * width;
            QL_TRY(ql__tensor_to_f32(self->words, (size_t)run->batch->ids[row] * width, width, x, err));
            for (size_t i = 0; i < width; i++) x[i] = x[i] + self->types[i] + place[i];
        }
    }
    norm_rows(run, self->gamma, self->beta);
    return QL_OK;
}

static void apply(const forward *run, const linear *weights, const float *source, size_t inputs, float *target, size_t outputs, size_t stride, bool accumulate)
{
    run->encoder->kernels->matmul(&(ql__matmul){.a = source, .w = weights->weight, .bias = weights->bias, .c = target, .c_stride = stride,
                                                .rows = run->rows, .n = outputs, .k = inputs, .accumulate = accumulate});
}

static void attend(const forward *run)
{
    const ql__bert_config *config = run->encoder->config;
    size_t width = config->width, row = 0;
    for (size_t s = 0; s < run->batch->count; s++) {
        run->encoder->kernels->attention(&(ql__attention){
            .qkv = run->scratch->qkv + row * 3 * width, .out = run->scratch->context + row * width, .scratch = run->scratch->attention,
            .length = run->batch->lengths[s], .heads = config->heads, .head_dims = width / config->heads});
        row += run->batch->lengths[s];
    }
}

static void run_layer(const forward *run, const layer *weights)
{
    const ql__bert_config *config = run->encoder->config;
    ql__encoder_scratch *s = run->scratch;
    size_t width = config->width, inner = config->intermediate;
    apply(run, &weights->query, s->x, width, s->qkv, width, 3 * width, false);
    apply(run, &weights->key, s->x, width, s->qkv + width, width, 3 * width, false);
    apply(run, &weights->value, s->x, width, s->qkv + 2 * width, width, 3 * width, false);
    attend(run);
    apply(run, &weights->mix, s->context, width, s->x, width, width, true);
    norm_rows(run, weights->mix_gamma, weights->mix_beta);
    apply(run, &weights->up, s->x, width, s->hidden, inner, inner, false);
    run->encoder->kernels->gelu(s->hidden, run->rows * inner);
    apply(run, &weights->down, s->hidden, inner, s->x, width, width, true);
    norm_rows(run, weights->down_gamma, weights->down_beta);
}

/* The mean needs no division: the vector is scaled to unit length anyway. */
static void pool_sequences(const forward *run)
{
    const ql__bert_config *config = run->encoder->config;
    size_t width = config->width, row = 0;
    for (size_t s = 0; s < run->batch->count; s++) {
        float *out = run->batch->out + s * width;
        const float *x = run->scratch->x + row * width;
        if (config->pooling == QL__POOLING_CLS) memcpy(out, x, width * sizeof *out);
        else run->encoder->kernels->sum_rows(x, run->batch->lengths[s], width, out);
        ql__unit_length(out, width);
        row += run->batch->lengths[s];
    }
}

ql_status ql__encoder_run(const ql__encoder *self, ql__encoder_scratch *scratch, const ql__encoder_batch *batch, ql_error *err)
{
    forward run = {self, scratch, batch, 0};
    QL_TRY(check_batch(self, scratch, batch, &run.rows, err));
    QL_TRY(embed_tokens(&run, err));
    for (size_t i = 0; i < self->config->layers; i++) run_layer(&run, &self->layers[i]);
    pool_sequences(&run);
    return QL_OK;
}
