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
    uint16_t *hidden_half; /* (QL__LINEAR_ROWS, F) for kernels that take bfloat16 */
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
    scratch->hidden_half = ql__alloc_zero(block * config->intermediate, sizeof(uint16_t));
    scratch->attention = ql__alloc_zero(ql__attention_scratch(longest, width / config->heads), sizeof(float));
    if (!scratch->x || !scratch->qkv || !scratch->context || !scratch->half || !scratch->hidden || !scratch->hidden_half || !scratch->attention) {
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
    ql__free(self->hidden_half);
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

/* ---- weights as bfloat16 ---- */

enum { HALF_QUERY, HALF_KEY, HALF_VALUE, HALF_MIX, HALF_UP, HALF_DOWN, HALF_COUNT };

struct ql__encoder_half {
    const ql__encoder *encoder;
    size_t layers;
    uint16_t *weights[][HALF_COUNT]; /* (layers) each as the linear layer's, (outputs, inputs) */
};

static void half_source(const ql__encoder *self, size_t index, const float **weight, size_t *count)
{
    const layer *from = &self->layers[index / HALF_COUNT];
    const linear *parts[HALF_COUNT] = {&from->query, &from->key, &from->value, &from->mix, &from->up, &from->down};
    size_t width = self->config->width, part = index % HALF_COUNT;
    *weight = parts[part]->weight;
    *count = part < HALF_UP ? width * width : width * self->config->intermediate;
}

static void halve_one(void *user, size_t index, size_t worker)
{
    ql__encoder_half *self = user;
    const float *weight;
    size_t count;
    (void)worker;
    half_source(self->encoder, index, &weight, &count);
    self->encoder->kernels->to_bf16(weight, self->weights[index / HALF_COUNT][index % HALF_COUNT], count);
}

ql_status ql__encoder_half_new(const ql__encoder *self, ql__pool *pool, ql__encoder_half **out, ql_error *err)
{
    size_t layers = self->config->layers;
    if (self->kernels->matmul_bf16 == NULL) return ql__fail(err, QL_E_UNSUPPORTED, "the kernels '%s' have no products of bfloat16", self->kernels->name);
    ql__encoder_half *half = ql__alloc_zero(1, sizeof *half + layers * sizeof *half->weights);
    if (!half) return ql__fail_nomem(err);
    half->encoder = self;
    half->layers = layers;
    for (size_t i = 0; i < layers * HALF_COUNT; i++) {
        const float *weight;
        size_t count;
        half_source(self, i, &weight, &count);
        half->weights[i / HALF_COUNT][i % HALF_COUNT] = ql__realloc_array(NULL, count, sizeof(uint16_t));
        if (half->weights[i / HALF_COUNT][i % HALF_COUNT]) continue;
        ql__encoder_half_free(half);
        return ql__fail_nomem(err);
    }
    ql__pool_run(pool, layers * HALF_COUNT, halve_one, half);
    *out = half;
    return QL_OK;
}

void ql__encoder_half_free(ql__encoder_half *self)
{
    for (size_t i = 0; self && i < self->layers * HALF_COUNT; i++) ql__free(self->weights[i / HALF_COUNT][i % HALF_COUNT]);
    ql__free(self);
}

/* ---- forward ---- */

typedef struct forward {
    const ql__encoder *encoder;
    ql__encoder_scratch *scratch;
    ql__linear_engine *engine; /* NULL: the kernels */
    const ql__encoder_half *half; /* NULL: in float32 */
    ql__pool *pool;            /* for the kernels in bfloat16; NULL: this thread alone */
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
    const linear *weights;
    const uint16_t *half; /* the same as bfloat16; NULL: in float32 */
    const void *source;
    size_t inputs;
    float *target;
    size_t outputs, stride, rows;
    bool add;
} product;

#define PRODUCTS_MAX 3
#define COLUMNS_STEP 16 /* where a product may be cut: columns of the kernels go in groups of 4 */

typedef struct products {
    const ql__kernels *kernels;
    product items[PRODUCTS_MAX];
    size_t parts; /* of each product */
} products;

/* Part of a product, by columns. */
static void multiply_part(void *user, size_t index, size_t worker)
{
    const products *self = user;
    const product *p = &self->items[index / self->parts];
    size_t steps = (p->outputs + COLUMNS_STEP - 1) / COLUMNS_STEP, part = index % self->parts;
    size_t begin = part * steps / self->parts * COLUMNS_STEP, end = (part + 1) * steps / self->parts * COLUMNS_STEP;
    (void)worker;
    if (end > p->outputs) end = p->outputs;
    if (p->half)
        self->kernels->matmul_bf16(&(ql__matmul_bf16){.a = p->source, .w = p->half + begin * p->inputs, .bias = p->weights->bias + begin, .c = p->target + begin,
                                                      .c_stride = p->stride, .rows = p->rows, .n = end - begin, .k = p->inputs, .accumulate = p->add});
    else
        self->kernels->matmul(&(ql__matmul){.a = p->source, .w = p->weights->weight + begin * p->inputs, .bias = p->weights->bias + begin, .c = p->target + begin,
                                            .c_stride = p->stride, .rows = p->rows, .n = end - begin, .k = p->inputs, .accumulate = p->add});
}

static void multiply(const forward *run, const product *items, size_t count)
{
    products all = {.kernels = run->encoder->kernels, .parts = run->pool ? ql__pool_size(run->pool) : 1};
    memcpy(all.items, items, count * sizeof *items);
    if (run->pool) ql__pool_run(run->pool, count * all.parts, multiply_part, &all);
    else
        for (size_t i = 0; i < count; i++) multiply_part(&all, i, 0);
}

static const uint16_t *half_of(const forward *run, size_t index, size_t which)
{
    return run->half ? run->half->weights[index][which] : NULL;
}

static ql_status project(const forward *run, size_t index, size_t row, size_t rows, ql_error *err)
{
    const layer *weights = &run->encoder->layers[index];
    size_t width = run->encoder->config->width;
    float *target = run->scratch->qkv + row * 3 * width;
    const void *source = stream_at(run, row);
    if (run->engine) return ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_QKV, rows, source, target, err);
    const linear *parts[] = {&weights->query, &weights->key, &weights->value};
    product items[3];
    for (size_t i = 0; i < 3; i++)
        items[i] = (product){.weights = parts[i], .half = half_of(run, index, HALF_QUERY + i), .source = source, .inputs = width, .target = target + i * width, .outputs = width,
                             .stride = 3 * width, .rows = rows};
    multiply(run, items, 3);
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
    multiply(run, &(product){.weights = &run->encoder->layers[index].mix, .half = half_of(run, index, HALF_MIX), .source = context_at(run, row), .inputs = width,
                             .target = target, .outputs = width, .stride = width, .rows = rows, .add = true}, 1);
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
    multiply(run, &(product){.weights = &weights->up, .half = half_of(run, index, HALF_UP), .source = stream_at(run, row), .inputs = width, .target = hidden, .outputs = inner,
                             .stride = inner, .rows = rows}, 1);
    run->encoder->kernels->gelu(hidden, rows * inner);
    if (run->half) run->encoder->kernels->to_bf16(hidden, run->scratch->hidden_half, rows * inner);
    const void *source = run->half ? (const void *)run->scratch->hidden_half : hidden;
    multiply(run, &(product){.weights = &weights->down, .half = half_of(run, index, HALF_DOWN), .source = source, .inputs = inner, .target = target, .outputs = width,
                             .stride = width, .rows = rows, .add = true}, 1);
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

static ql_status run_forward(forward *run, ql_error *err)
{
    const ql__encoder *self = run->encoder;
    ql__linear_guard guard;
    QL_TRY(check_batch(self, run->scratch, run->batch, &run->rows, err));
    if (run->engine && !run->scratch->worker) QL_TRY(ql__linear_worker_new(run->engine, &run->scratch->worker, err));
    QL_TRY(embed_tokens(run, err));
    if (run->engine) guard = ql__linear_enter(run->engine);
    ql_status status = QL_OK;
    for (size_t i = 0; i < self->config->layers && status >= 0; i++) status = run_layer(run, i, err);
    if (run->engine) ql__linear_leave(run->engine, &guard);
    if (status >= 0) pool_sequences(run);
    return status;
}

ql_status ql__encoder_run(const ql__encoder *self, ql__encoder_scratch *scratch, ql__linear_engine *engine, const ql__encoder_batch *batch, ql_error *err)
{
    forward run = {.encoder = self, .scratch = scratch, .engine = engine, .bf16 = engine && ql__linear_engine_bf16(engine), .batch = batch};
    return run_forward(&run, err);
}

ql_status ql__encoder_run_half(const ql__encoder *self, ql__encoder_scratch *scratch, const ql__encoder_half *half, ql__pool *pool, const ql__encoder_batch *batch, ql_error *err)
{
    forward run = {.encoder = self, .scratch = scratch, .half = half, .pool = pool, .bf16 = true, .batch = batch};
    return run_forward(&run, err);
}
