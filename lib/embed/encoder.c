/*
 * BERT's forward pass (Devlin et al. 2018, post-norm): embeddings, then per layer attention and feed-forward, each followed by a
 * residual sum and LayerNorm, then pooling.
 *
 * Dimensions: T rows (tokens of the batch), W width, F width of the feed-forward part, H heads. Shapes at each buffer below.
 * Linear layers run over blocks of rows, so that what one writes is still in the cache when the next reads it; attention and pooling
 * run per sequence. With an engine in bfloat16 the residual stream, norms, softmax and sums stay float32; only what enters a matrix
 * product is rounded.
 *
 * Threads: the encoder is immutable, a scratch belongs to one thread at a time. Cost: about 2 * (4 W^2 + 2 W F) * layers operations a
 * token; no allocation after ql__encoder_scratch_new.
 */
#include "embed/encoder.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "embed/encoder_ends.h"
#include "embed/encoder_weights.h"

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

static ql__linear_source linear_source(ql__linear_kind kind, const ql__linear *weights, size_t outputs, size_t inputs)
{
    return (ql__linear_source){.kind = kind, .inputs = inputs, .outputs = outputs, .parts = 1, .weight = {weights->weight}, .bias = {weights->bias}};
}

static void layer_sources(const ql__bert_config *config, const ql__layer *from, ql__linear_source out[LINEAR_COUNT])
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

static void norm_rows(const forward *run, size_t row, size_t rows, const float *gamma, const float *beta)
{
    const ql__bert_config *config = run->encoder->config;
    size_t at = row * config->width;
    run->encoder->kernels->norm(&(ql__norm){.x = run->scratch->x + at, .out_bf16 = run->bf16 ? run->scratch->half + at : NULL, .gamma = gamma,
                                            .beta = beta, .rows = rows, .width = config->width, .epsilon = config->norm_epsilon});
}

/* x = LayerNorm(embeddings) */
static ql_status embed_tokens(const forward *run, ql_error *err)
{
    const ql__encoder *self = run->encoder;
    size_t width = self->config->width;
    QL_TRY(ql__encoder_embed(self, run->batch, run->scratch->x, width, err));
    norm_rows(run, 0, run->rows, self->gamma, self->beta);
    memset(run->scratch->x + run->rows * width, 0, (ql__linear_bucket(run->rows) - run->rows) * width * sizeof(float)); /* rows that fill the last bucket */
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

/* By the kernels, in float32: target (rows, outputs) in rows of `stride`. */
typedef struct product {
    const ql__linear *weights;
    const float *source;
    size_t inputs;
    float *target;
    size_t outputs, stride, rows;
    bool add;
} product;

static void multiply(const forward *run, const product *p)
{
    run->encoder->kernels->matmul(&(ql__matmul){.a = p->source, .w = p->weights->weight, .bias = p->weights->bias, .c = p->target, .c_stride = p->stride, .rows = p->rows,
                                                .n = p->outputs, .k = p->inputs, .accumulate = p->add});
}

static ql_status project(const forward *run, size_t index, size_t row, size_t rows, ql_error *err)
{
    const ql__layer *weights = &run->encoder->layers[index];
    size_t width = run->encoder->config->width;
    float *target = run->scratch->qkv + row * 3 * width;
    const void *source = stream_at(run, row);
    if (run->engine) return ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_QKV, rows, source, target, err);
    const ql__linear *parts[] = {&weights->query, &weights->key, &weights->value};
    for (size_t i = 0; i < 3; i++)
        multiply(run, &(product){.weights = parts[i], .source = source, .inputs = width, .target = target + i * width, .outputs = width, .stride = 3 * width, .rows = rows});
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
    multiply(run, &(product){.weights = &run->encoder->layers[index].mix, .source = context_at(run, row), .inputs = width, .target = target, .outputs = width,
                             .stride = width, .rows = rows, .add = true});
    return QL_OK;
}

/* x += down(gelu(up(x))) */
static ql_status feed_forward(const forward *run, size_t index, size_t row, size_t rows, ql_error *err)
{
    const ql__layer *weights = &run->encoder->layers[index];
    size_t width = run->encoder->config->width, inner = run->encoder->config->intermediate;
    float *target = run->scratch->x + row * width;
    void *hidden = run->scratch->hidden;
    if (run->engine) {
        QL_TRY(ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_UP, rows, stream_at(run, row), hidden, err));
        return ql__linear_run(run->scratch->worker, index * LINEAR_COUNT + LINEAR_DOWN, rows, hidden, target, err);
    }
    multiply(run, &(product){.weights = &weights->up, .source = stream_at(run, row), .inputs = width, .target = hidden, .outputs = inner, .stride = inner, .rows = rows});
    run->encoder->kernels->gelu(hidden, rows * inner);
    multiply(run, &(product){.weights = &weights->down, .source = hidden, .inputs = inner, .target = target, .outputs = width, .stride = width, .rows = rows, .add = true});
    return QL_OK;
}

static size_t block_rows(const forward *run, size_t row)
{
    return run->rows - row < QL__LINEAR_ROWS ? run->rows - row : QL__LINEAR_ROWS;
}

static ql_status run_layer(const forward *run, size_t index, ql_error *err)
{
    const ql__layer *weights = &run->encoder->layers[index];
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

static ql_status run_forward(forward *run, ql_error *err)
{
    const ql__encoder *self = run->encoder;
    ql__linear_guard guard;
    QL_TRY(ql__encoder_check(self, run->scratch->rows, run->batch, &run->rows, err));
    if (run->engine && !run->scratch->worker) QL_TRY(ql__linear_worker_new(run->engine, &run->scratch->worker, err));
    QL_TRY(embed_tokens(run, err));
    if (run->engine) guard = ql__linear_enter(run->engine);
    ql_status status = QL_OK;
    for (size_t i = 0; i < self->config->layers && status >= 0; i++) status = run_layer(run, i, err);
    if (run->engine) ql__linear_leave(run->engine, &guard);
    if (status >= 0) ql__encoder_pool(self, run->batch, run->scratch->x, self->config->width);
    return status;
}

ql_status ql__encoder_run(const ql__encoder *self, ql__encoder_scratch *scratch, ql__linear_engine *engine, const ql__encoder_batch *batch, ql_error *err)
{
    forward run = {.encoder = self, .scratch = scratch, .engine = engine, .bf16 = engine && ql__linear_engine_bf16(engine), .batch = batch};
    return run_forward(&run, err);
}
