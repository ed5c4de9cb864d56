/*
 * BERT's forward pass (Devlin et al. 2018, post-norm): embeddings, then per layer attention and feed-forward, each followed by a
 * residual sum and LayerNorm, then pooling.
 *
 * Dimensions: T rows (tokens of the batch), W width, F width of the feed-forward part, H heads. Shapes at each buffer below.
 * Weights are used where they lie in the mapped file; only tensors that are not aligned float32 are converted, once, on opening.
 * Linear layers run over blocks of rows, so that what one writes is still in the cache when the next reads it; attention and pooling
 * run per sequence. With an engine in bfloat16 the residual stream, norms, softmax and sums stay float32; only what enters a matrix
 * product is rounded.
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
    size_t rows;      /* T at most; the buffers have room for T rounded up to a bucket of the engine */
    float *x;         /* (T, W) the residual stream */
    float *qkv;       /* (T, 3 W) */
    void *context;    /* (T, W) of attention, in the engine's type */
    uint16_t *half;   /* (T, W) x as bfloat16, for engines that take it */
    void *hidden;     /* (QL__LINEAR_ROWS, F) in the engine's type */
    float *attention; /* ql__attention_scratch */
    ql__linear_worker *worker; /* made on the first run with an engine */
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
    size_t room = ql__linear_bucket(rows), block = room < QL__LINEAR_ROWS ? room : QL__LINEAR_ROWS;
    scratch->rows = rows;
    scratch->x = ql__alloc_zero(room * width, sizeof(float));
    scratch->qkv = ql__alloc_zero(room * 3 * width, sizeof(float));
    scratch->context = ql__alloc_zero(room * width, sizeof(float));
    scratch->half = ql__alloc_zero(room * width, sizeof(uint16_t));
    scratch->hidden = ql__alloc_zero(block * config->intermediate, sizeof(float));
    scratch->attention = ql__alloc_zero(ql__attention_scratch(longest, width / config->heads), sizeof(float));
    if (!scratch->x || !scratch->qkv || !scratch->context || !scratch->half || !scratch->hidden || !scratch->attention) {
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
    ql__free(self->half);
    ql__free(self->hidden);
    ql__free(self->attention);
    ql__linear_worker_free(self->worker);
    ql__free(self);
}

size_t ql__encoder_scratch_rows(const ql__encoder_scratch *self)
{
    return self->rows;
}

/* ---- the engine ---- */

enum { LINEAR_QKV, LINEAR_MIX, LINEAR_UP, LINEAR_DOWN, LINEAR_COUNT };

static ql__linear_source linear_source(ql__linear_kind kind, const linear *weights, size_t outputs, size_t inputs)
{
    return (ql__linear_source){.kind = kind, .inputs = inputs, .outputs = outputs, .parts = 1, .weight = {weights->weight}, .bias = {weights->bias}};
}

static void layer_sources(const ql__bert_config *config, const layer *from, ql__linear_source out[LINEAR_COUNT])
{
    size_t width = config->width, inner = config->intermediate;
    out[LINEAR_QKV] = (ql__linear_source){.kind = QL__LINEAR_PROJECT, .inputs = width, .outputs = width, .parts = 3,
                                          .weight = {from->query.weight, from->key.weight, from->value.weight},
                                          .bias = {from->query.bias, from->key.bias, from->value.bias}};
    out[LINEAR_MIX] = linear_source(QL__LINEAR_ADD, &from->mix, width, width);
    out[LINEAR_UP] = linear_source(QL__LINEAR_GELU, &from->up, inner, width);
    out[LINEAR_DOWN] = linear_source(QL__LINEAR_ADD, &from->down, width, inner);
}

ql_status ql__encoder_engine_new(const ql__encoder *self, bool bf16, ql__linear_engine **out, ql_error *err)
{
    size_t count = (size_t)self->config->layers * LINEAR_COUNT;
    QL_AUTO(ql__linear_source *, ql__free_cleanup) sources = ql__alloc_zero(count, sizeof *sources);
    if (!sources) return ql__fail_nomem(err);
    for (size_t i = 0; i < self->config->layers; i++) layer_sources(self->config, &self->layers[i], sources + i * LINEAR_COUNT);
    return ql__linear_engine_new(sources, count, bf16, out, err);
}

/* ---- forward ---- */

typedef struct forward {
    const ql__encoder *encoder;
    ql__encoder_scratch *scratch;
    ql__linear_engine *engine; /* NULL: the kernels */
    bool bf16;                 /* matrix products take bfloat16 */
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

static void norm_rows(const forward *run, size_t row, size_t rows, const float *gamma, const float *beta)
{
    const ql__bert_config *config = run->encoder->config;
    size_t at = row * config->width;
    run->encoder->kernels->norm(&(ql__norm){.x = run->scratch->x + at, .out_bf16 = run->bf16 ? run->scratch->half + at : NULL, .gamma = gamma,
                                            .beta = beta, .rows = rows, .width = config->width, .epsilon = config->norm_epsilon});
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
    norm_rows(run, 0, run->rows, self->gamma, self->beta);
    memset(run->scratch->x + row * width, 0, (ql__linear_bucket(row) - row) * width * sizeof(float)); /* rows that fill the last bucket */
    return QL_OK;
}

/* What a matrix product reads of the residual stream. */
static const void *stream_at(const forward *run, size_t row)
{
    size_t at = row * run->encoder->config->width;
    return run->bf16 ? (const void *)(run->scratch->half + at) : (const void *)(run->scratch->x + at);
}

static void *context_at(const forward *run, size_t row)
{
    return (char *)run->scratch->context + row * run->encoder->config->width * (run->bf16 ? sizeof(uint16_t) : sizeof(float));
}

/* By the kernels: target (rows, outputs) in rows of `stride`; `add` adds to it. */
typedef struct product {
    const void *source;
    size_t inputs;
    float *target;
    size_t outputs, stride, rows;
    bool add;
} product;

static void multiply(const forward *run, const linear *weights, const product *p)
{
    run->encoder->kernels->matmul(&(ql__matmul){.a = p->source, .w = weights->weight, .bias = weights->bias, .c = p->target, .c_stride = p->stride,
                                                .rows = p->rows, .n = p->outputs, .k = p->inputs, .accumulate = p->add});
}

static ql_status project(const forward *run, size_t index, size_t row, size_t rows, ql_error *err)
{
    const layer *weights = &run->encoder->layers[index];
    size_t width = run->encoder->config->width;
    float *target = run->scratch->qkv + row * 3 * width;
    const void *source = stream_at(run, row);
    if (run->engine) return ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_QKV, rows, source, target, err);
    product p = {.source = source, .inputs = width, .target = target, .outputs = width, .stride = 3 * width, .rows = rows};
    multiply(run, &weights->query, &p);
    p.target = target + width;
    multiply(run, &weights->key, &p);
    p.target = target + 2 * width;
    multiply(run, &weights->value, &p);
    return QL_OK;
}

static void attend(const forward *run)
{
    const ql__bert_config *config = run->encoder->config;
    size_t width = config->width, row = 0;
    for (size_t s = 0; s < run->batch->count; s++) {
        void *out = context_at(run, row);
        run->encoder->kernels->attention(&(ql__attention){
            .qkv = run->scratch->qkv + row * 3 * width, .out = run->bf16 ? NULL : out, .out_bf16 = run->bf16 ? out : NULL,
            .scratch = run->scratch->attention, .length = run->batch->lengths[s], .heads = config->heads, .head_dims = width / config->heads});
        row += run->batch->lengths[s];
    }
}

/* x += mix(context) */
static ql_status mix(const forward *run, size_t index, size_t row, size_t rows, ql_error *err)
{
    size_t width = run->encoder->config->width;
    float *target = run->scratch->x + row * width;
    if (run->engine) return ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_MIX, rows, context_at(run, row), target, err);
    multiply(run, &run->encoder->layers[index].mix,
             &(product){.source = context_at(run, row), .inputs = width, .target = target, .outputs = width, .stride = width, .rows = rows, .add = true});
    return QL_OK;
}

/* x += down(gelu(up(x))) */
static ql_status feed_forward(const forward *run, size_t index, size_t row, size_t rows, ql_error *err)
{
    const layer *weights = &run->encoder->layers[index];
    size_t width = run->encoder->config->width, inner = run->encoder->config->intermediate;
    float *target = run->scratch->x + row * width;
    void *hidden = run->scratch->hidden;
    if (run->engine) {
        QL_TRY(ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_UP, rows, stream_at(run, row), hidden, err));
        return ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_DOWN, rows, hidden, target, err);
    }
    multiply(run, &weights->up, &(product){.source = stream_at(run, row), .inputs = width, .target = hidden, .outputs = inner, .stride = inner, .rows = rows});
    run->encoder->kernels->gelu(hidden, rows * inner);
    multiply(run, &weights->down, &(product){.source = hidden, .inputs = inner, .target = target, .outputs = width, .stride = width, .rows = rows, .add = true});
    return QL_OK;
}

static size_t block_rows(const forward *run, size_t row)
{
    return run->rows - row < QL__LINEAR_ROWS ? run->rows - row : QL__LINEAR_ROWS;
}

static ql_status run_layer(const forward *run, size_t index, ql_error *err)
{
    const layer *weights = &run->encoder->layers[index];
    for (size_t row = 0; row < run->rows; row += QL__LINEAR_ROWS) QL_TRY(project(run, index, row, block_rows(run, row), err));
    attend(run);
    for (size_t row = 0; row < run->rows; row += QL__LINEAR_ROWS) {
        size_t rows = block_rows(run, row);
        QL_TRY(mix(run, index, row, rows, err));
        norm_rows(run, row, rows, weights->mix_gamma, weights->mix_beta);
        QL_TRY(feed_forward(run, index, row, rows, err));
        norm_rows(run, row, rows, weights->down_gamma, weights->down_beta);
    }
    return QL_OK;
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

ql_status ql__encoder_run(const ql__encoder *self, ql__encoder_scratch *scratch, ql__linear_engine *engine, const ql__encoder_batch *batch, ql_error *err)
{
    forward run = {.encoder = self, .scratch = scratch, .engine = engine, .bf16 = engine && ql__linear_engine_bf16(engine), .batch = batch};
    QL_TRY(check_batch(self, scratch, batch, &run.rows, err));
    if (engine && !scratch->worker) QL_TRY(ql__linear_worker_new(engine, &scratch->worker, err));
    QL_TRY(embed_tokens(&run, err));
    ql__linear_guard guard;
    if (engine) guard = ql__linear_enter(engine);
    ql_status status = QL_OK;
    for (size_t i = 0; i < self->config->layers && status >= 0; i++) status = run_layer(&run, i, err);
    if (engine) ql__linear_leave(engine, &guard);
    if (status >= 0) pool_sequences(&run);
    return status;
}
