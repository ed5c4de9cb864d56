/*
 * BERT's forward pass on panels. Dimensions, each filled up to whole panels with zeros: T rows (tokens of the batch), W width, F width of the
 * feed-forward part, H heads of D dims. The residual stream, norms, softmax and sums are float32; what enters a product is in units. Where these are
 * bytes, only products with weights are: attention has too few numbers in a sum for the rounding of its rows.
 *
 * A layer, for all rows of the batch:
 *   each head: queries, keys, values (T, D) = x W^T   -> attention by sequence -> its columns of context
 *   x += context W_mix^T; norm
 *   each part of F: hidden = gelu(x W_up^T) ; x += hidden W_down^T
 *   norm
 * Batches of about 256 rows keep x, context and hidden (1 MB at W 384) in a core's second-level cache, while weights stream from the third.
 *
 * Threads: the packed weights are immutable, a scratch belongs to one thread at a time. Cost: about 2 * (4 W^2 + 2 W F) * layers operations a token;
 * no allocation after ql__packed_scratch_new.
 */
#include "embed/packed.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "embed/encoder_ends.h"
#include "embed/encoder_weights.h"
#include "embed/packed_file.h"

#define HIDDEN_WIDTH 512 /* of a part of F at most: its units stay in the cache between the two products */

typedef struct packed_layer {
    /* Weights, in the order in which they are read. */
    uint32_t *heads; /* for each head: panels (D, W) of its query, of its key, of its value */
    uint32_t *mix;   /* panels (W, H D) */
    uint32_t *feed;  /* for each part of F: panels (part, W) up, panels (W, part) down */
    float *query_bias, *key_bias, *value_bias; /* (H D) */
    float *mix_bias, *up_bias, *down_bias;     /* (W), (F), (W) */
    float *mix_gamma, *mix_beta, *down_gamma, *down_beta; /* (W) */
} packed_layer;

typedef struct shape {
    size_t width, inner, heads, dims; /* W, F, H, D */
    size_t part;                      /* of F, a multiple of columns; the last may be smaller */
} shape;

struct ql__packed {
    const ql__encoder *encoder;
    const ql__panels *panels; /* of the products with weights */
    const ql__panels *soft;   /* of what is between them; the same unless panels are bytes */
    shape shape;
    void *memory;         /* NULL: the weights lie in the file */
    ql__packed_file file;
    uint32_t *weights;
    float *vectors;       /* biases, gammas and betas of all layers */
    float *gamma, *beta;  /* (W) of the embeddings */
    size_t layer_count;
    packed_layer layers[];
};

struct ql__packed_scratch {
    size_t rows;        /* T at most */
    float *x;           /* (T, W) the residual stream */
    uint32_t *stream;   /* (T, W) it as units, as it was at the last norm */
    uint32_t *context;  /* (T, H D) soft units */
    uint32_t *hidden;   /* (T, part) soft units */
    uint32_t *queries;  /* (T, D) soft units */
    uint32_t *bytes;    /* (T, H D) or (T, part) context or hidden as bytes, if panels are */
    ql__panel_factor *stream_factors, *factors; /* (T) of the stream and of the bytes */
    float *keys, *values; /* (T, D) */
    float *columns;     /* (T, columns) of the product that is being made */
    uint32_t *attention; /* ql__panel_attention_scratch */
    void *memory;
};

#define CACHE_LINE 64

/* The first line of the cache in it: a vector that lies on two lines is read twice. */
static void *on_line(void *memory)
{
    return (char *)memory + (CACHE_LINE - (uintptr_t)memory % CACHE_LINE) % CACHE_LINE;
}

/* ---- packing ---- */

static shape shape_of(const ql__bert_config *config, const ql__panels *panels)
{
    size_t dims = config->width / config->heads, part = HIDDEN_WIDTH / panels->columns * panels->columns;
    shape made = {.width = ql__panel_round_up(panels, config->width), .inner = ql__panel_round_up(panels, config->intermediate), .heads = config->heads,
                  .dims = ql__panel_round_up(panels, dims)};
    size_t parts = (made.inner + part - 1) / part;
    made.part = ql__panel_round_up(panels, (made.inner + parts - 1) / parts);
    return made;
}

static size_t units_of(const ql__packed *self, size_t outputs, size_t inputs)
{
    return ql__panel_units(self->panels, outputs, inputs);
}

/* Of a part of F, both ways. */
static size_t part_units(const ql__packed *self, size_t part)
{
    return units_of(self, part, self->shape.width) + units_of(self, self->shape.width, part);
}

/* Of all parts of F before the one that begins with `first`, or of all if that is F. */
static size_t feed_units(const ql__packed *self, size_t first)
{
    const shape *s = &self->shape;
    return first / s->part * part_units(self, s->part) + (first % s->part > 0 ? part_units(self, first % s->part) : 0);
}

static size_t layer_units(const ql__packed *self)
{
    const shape *s = &self->shape;
    return units_of(self, s->heads * s->dims, s->width) * 3 + units_of(self, s->width, s->heads * s->dims) + feed_units(self, s->inner);
}

/* Vectors of a layer: three biases of H D, one of F, two biases and four of the norms of W. */
static size_t layer_floats(const shape *s)
{
    return 3 * s->heads * s->dims + s->inner + 6 * s->width;
}

static float *take_vector(float **at, size_t room)
{
    float *vector = *at;
    *at += room;
    return vector;
}

static void place_layer(ql__packed *self, size_t index)
{
    const shape *s = &self->shape;
    packed_layer *layer = &self->layers[index];
    float *vectors = self->vectors + 2 * s->width + index * layer_floats(s);
    layer->heads = self->weights + index * layer_units(self);
    layer->mix = layer->heads + 3 * units_of(self, s->heads * s->dims, s->width);
    layer->feed = layer->mix + units_of(self, s->width, s->heads * s->dims);
    float **heads[] = {&layer->query_bias, &layer->key_bias, &layer->value_bias};
    for (size_t i = 0; i < 3; i++) *heads[i] = take_vector(&vectors, s->heads * s->dims);
    layer->up_bias = take_vector(&vectors, s->inner);
    float **rows[] = {&layer->mix_bias, &layer->down_bias, &layer->mix_gamma, &layer->mix_beta, &layer->down_gamma, &layer->down_beta};
    for (size_t i = 0; i < 6; i++) *rows[i] = take_vector(&vectors, s->width);
}

/* Where the weights of a head lie; which: 0 query, 1 key, 2 value. */
static uint32_t *head_weights(const ql__packed *self, const packed_layer *layer, size_t head, size_t which)
{
    return layer->heads + (3 * head + which) * units_of(self, self->shape.dims, self->shape.width);
}

/* Where a part of F lies; its second half is for the way down. */
static uint32_t *feed_weights(const ql__packed *self, const packed_layer *layer, size_t first)
{
    return layer->feed + feed_units(self, first);
}

/* Rows D h .. D h + D - 1 of the weights belong to head h. */
static void pack_heads(const ql__packed *self, const ql__linear *from, const packed_layer *layer, size_t which)
{
    const shape *s = &self->shape;
    size_t width = self->encoder->config->width, dims = width / s->heads;
    for (size_t head = 0; head < s->heads; head++) {
        ql__panel_source source = {.w = from->weight + head * dims * width, .stride = width, .outputs = dims, .inputs = width};
        self->panels->pack(&source, s->dims, s->width, head_weights(self, layer, head, which));
    }
}

/* Columns D h .. of the weights are read with head h's context: with every head's columns filled up, the matrix is spread out first. */
static ql_status pack_mix(const ql__packed *self, const ql__layer *from, const packed_layer *to, ql_error *err)
{
    const shape *s = &self->shape;
    size_t width = self->encoder->config->width, dims = width / s->heads, inputs = s->heads * s->dims;
    if (inputs == width) {
        self->panels->pack(&(ql__panel_source){.w = from->mix.weight, .stride = width, .outputs = width, .inputs = width}, s->width, inputs, to->mix);
        return QL_OK;
    }
    QL_AUTO(float *, ql__free_cleanup) spread = ql__alloc_zero(width * inputs, sizeof *spread);
    if (!spread) return ql__fail_nomem(err);
    for (size_t output = 0; output < width; output++)
        for (size_t head = 0; head < s->heads; head++)
            memcpy(spread + output * inputs + head * s->dims, from->mix.weight + output * width + head * dims, dims * sizeof *spread);
    self->panels->pack(&(ql__panel_source){.w = spread, .stride = inputs, .outputs = width, .inputs = inputs}, s->width, inputs, to->mix);
    return QL_OK;
}

static void pack_feed(const ql__packed *self, const ql__layer *from, const packed_layer *to)
{
    const shape *s = &self->shape;
    size_t width = self->encoder->config->width, inner = self->encoder->config->intermediate;
    for (size_t first = 0; first < s->inner; first += s->part) {
        size_t part = s->inner - first < s->part ? s->inner - first : s->part, there = inner - first < part ? inner - first : part;
        uint32_t *weights = feed_weights(self, to, first);
        self->panels->pack(&(ql__panel_source){.w = from->up.weight + first * width, .stride = width, .outputs = there, .inputs = width}, part, s->width, weights);
        self->panels->pack(&(ql__panel_source){.w = from->down.weight + first, .stride = inner, .outputs = width, .inputs = there}, s->width, part,
                           weights + units_of(self, part, s->width));
    }
}

typedef struct packing {
    ql__packed *packed;
    ql_status status[]; /* a job */
} packing;

enum { PACK_QUERY, PACK_KEY, PACK_VALUE, PACK_MIX, PACK_FEED, PACK_JOBS };

static void pack_job(void *user, size_t index, size_t worker)
{
    packing *run = user;
    ql__packed *self = run->packed;
    const ql__layer *from = &self->encoder->layers[index / PACK_JOBS];
    const packed_layer *to = &self->layers[index / PACK_JOBS];
    (void)worker;
    switch (index % PACK_JOBS) {
    case PACK_QUERY: pack_heads(self, &from->query, to, 0); return;
    case PACK_KEY: pack_heads(self, &from->key, to, 1); return;
    case PACK_VALUE: pack_heads(self, &from->value, to, 2); return;
    case PACK_MIX: run->status[index] = pack_mix(self, from, to, NULL); return;
    default: pack_feed(self, from, to); return;
    }
}

static void copy_head_bias(const ql__packed *self, const float *from, float *to)
{
    size_t dims = self->encoder->config->width / self->shape.heads;
    for (size_t head = 0; head < self->shape.heads; head++) memcpy(to + head * self->shape.dims, from + head * dims, dims * sizeof *to);
}

static void copy_vectors(ql__packed *self)
{
    size_t bytes = self->encoder->config->width * sizeof(float);
    memcpy(self->gamma, self->encoder->gamma, bytes);
    memcpy(self->beta, self->encoder->beta, bytes);
    for (size_t i = 0; i < self->layer_count; i++) {
        const ql__layer *from = &self->encoder->layers[i];
        const packed_layer *to = &self->layers[i];
        copy_head_bias(self, from->query.bias, to->query_bias);
        copy_head_bias(self, from->key.bias, to->key_bias);
        copy_head_bias(self, from->value.bias, to->value_bias);
        memcpy(to->up_bias, from->up.bias, self->encoder->config->intermediate * sizeof(float));
        memcpy(to->mix_bias, from->mix.bias, bytes);
        memcpy(to->down_bias, from->down.bias, bytes);
        memcpy(to->mix_gamma, from->mix_gamma, bytes);
        memcpy(to->mix_beta, from->mix_beta, bytes);
        memcpy(to->down_gamma, from->down_gamma, bytes);
        memcpy(to->down_beta, from->down_beta, bytes);
    }
}

static void place(ql__packed *self, char *memory)
{
    self->weights = (uint32_t *)(void *)(memory + QL__PACKED_HEADER_BYTES);
    for (size_t i = 0; i < self->layer_count; i++) place_layer(self, i);
}

static ql_status pack_all(ql__packed *self, ql__pool *pool, ql_error *err)
{
    size_t jobs = self->layer_count * PACK_JOBS, bytes = QL__PACKED_HEADER_BYTES + self->layer_count * layer_units(self) * sizeof(uint32_t) + CACHE_LINE;
    packing *run = ql__alloc_zero(1, sizeof *run + jobs * sizeof run->status[0]);
    self->memory = run ? ql__realloc_array(NULL, bytes, 1) : NULL;
    ql_status status = self->memory ? QL_OK : QL_E_NOMEM;
    if (status >= 0) {
        run->packed = self;
        place(self, on_line(self->memory));
        ql__pool_run(pool, jobs, pack_job, run);
    }
    for (size_t i = 0; i < jobs && status >= 0; i++) status = run->status[i];
    ql__free(run);
    return status < 0 ? ql__fail_nomem(err) : QL_OK; /* nothing else fails there */
}

/* What was packed becomes a file, and the file takes its place. A cache that cannot be kept is no failure. */
static void keep(ql__packed *self, const ql__packed_place *at, const ql__packed_key *key)
{
    ql_error why = {0};
    ql_status status = ql__packed_file_write(at->sys, at->path, key, on_line(self->memory), &why);
    if (status >= 0) status = ql__packed_file_map(at->sys, at->path, key, &self->file, &why);
    if (status < 0) {
        ql__log_write(at->log, QL_LOG_INFO, "embed", "packed weights are not kept: %s", why.message);
        return;
    }
    place(self, self->file.mapping);
    ql__free(self->memory);
    self->memory = NULL;
}

static ql_status load(ql__packed *self, ql__pool *pool, const ql__packed_place *at, ql_error *err)
{
    ql__packed_key key = {.model = at ? at->model : 0, .panels = self->panels->name, .units = self->layer_count * layer_units(self)};
    ql_status found = at ? ql__packed_file_map(at->sys, at->path, &key, &self->file, NULL) : QL_E_NOTFOUND;
    if (found >= 0) place(self, self->file.mapping);
    else QL_TRY(pack_all(self, pool, err));
    bool useless = ql_status_kind(found) == QL_E_FORMAT; /* left as it is it would be read, and packing done, every time */
    if (at && (at->keep || useless) && self->memory) keep(self, at, &key);
    copy_vectors(self);
    return QL_OK;
}

ql_status ql__packed_new(const ql__encoder *encoder, const ql__panels *panels, ql__pool *pool, const ql__packed_place *at, ql__packed **out, ql_error *err)
{
    size_t layers = encoder->config->layers;
    ql__packed *self = ql__alloc_zero(1, sizeof *self + layers * sizeof self->layers[0]);
    if (!self) return ql__fail_nomem(err);
    self->encoder = encoder;
    self->panels = panels;
    self->soft = panels->soft ? panels->soft : panels;
    self->layer_count = layers;
    self->shape = shape_of(encoder->config, panels);
    self->vectors = ql__alloc_zero(2 * self->shape.width + layers * layer_floats(&self->shape), sizeof *self->vectors);
    self->gamma = self->vectors;
    self->beta = self->vectors + self->shape.width;
    ql_status status = self->vectors ? load(self, pool, at, err) : ql__fail_nomem(err);
    if (status < 0) {
        ql__packed_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__packed_free(ql__packed *self)
{
    if (!self) return;
    ql__packed_file_unmap(&self->file);
    ql__free(self->memory);
    ql__free(self->vectors);
    ql__free(self);
}

const ql__panels *ql__packed_panels(const ql__packed *self)
{
    return self->panels;
}

/* ---- scratch ---- */

/* A part of one block of memory, on a line of its own. memory NULL: only counts. */
static void *take(char *memory, size_t *used, size_t bytes)
{
    void *part = memory ? memory + *used : NULL;
    *used += (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return part;
}

static size_t place_scratch(const ql__packed *self, ql__packed_scratch *scratch, char *memory)
{
    const shape *s = &self->shape;
    size_t rows = scratch->rows, longest = rows < self->encoder->config->sequence_max ? rows : self->encoder->config->sequence_max, used = 0;
    size_t soft = sizeof(uint32_t) / self->soft->halves, mixed = s->heads * s->dims;
    scratch->x = take(memory, &used, rows * s->width * sizeof(float));
    scratch->stream = take(memory, &used, rows * s->width * sizeof(uint32_t) / self->panels->halves);
    scratch->context = take(memory, &used, rows * mixed * soft);
    scratch->hidden = take(memory, &used, rows * s->part * soft);
    scratch->queries = take(memory, &used, rows * s->dims * soft);
    if (self->panels->narrow) {
        scratch->bytes = take(memory, &used, rows * (mixed > s->part ? mixed : s->part));
        scratch->stream_factors = take(memory, &used, rows * sizeof *scratch->stream_factors);
        scratch->factors = take(memory, &used, rows * sizeof *scratch->factors);
    }
    scratch->keys = take(memory, &used, rows * s->dims * sizeof(float));
    scratch->values = take(memory, &used, rows * s->dims * sizeof(float));
    scratch->columns = take(memory, &used, rows * s->dims * sizeof(float)); /* D is at least a panel */
    scratch->attention = take(memory, &used, ql__panel_attention_scratch(longest, s->dims) * sizeof(uint32_t));
    return used;
}

ql_status ql__packed_scratch_new(const ql__packed *self, size_t rows, ql__packed_scratch **out, ql_error *err)
{
    if (rows == 0 || rows > QL__ENCODER_ROWS_MAX) return ql__fail(err, QL_E_INVALID, "a batch of %zu tokens is not within 1..%d", rows, QL__ENCODER_ROWS_MAX);
    ql__packed_scratch *scratch = ql__alloc_zero(1, sizeof *scratch);
    if (!scratch) return ql__fail_nomem(err);
    scratch->rows = rows;
    scratch->memory = ql__alloc_zero(place_scratch(self, scratch, NULL) + CACHE_LINE, 1);
    if (!scratch->memory) {
        ql__free(scratch);
        return ql__fail_nomem(err);
    }
    place_scratch(self, scratch, on_line(scratch->memory));
    *out = scratch;
    return QL_OK;
}

void ql__packed_scratch_free(ql__packed_scratch *self)
{
    if (!self) return;
    ql__free(self->memory);
    ql__free(self);
}

size_t ql__packed_scratch_rows(const ql__packed_scratch *self)
{
    return self->rows;
}

/* ---- forward ---- */

typedef struct forward {
    const ql__packed *packed;
    const ql__panels *panels, *soft;
    const shape *shape;
    ql__packed_scratch *scratch;
    const ql__encoder_batch *batch;
    size_t rows; /* T */
} forward;

static void norm(const forward *run, const float *gamma, const float *beta)
{
    const ql__bert_config *config = run->packed->encoder->config;
    run->panels->norm(&(ql__panel_norm){.x = run->scratch->x, .gamma = gamma, .beta = beta, .out = run->scratch->stream, .factors = run->scratch->stream_factors,
                                        .rows = run->rows, .width = config->width, .stride = run->shape->width, .epsilon = config->norm_epsilon});
}

/* to (T, D) = the stream times the weights of one head. */
static void project(const forward *run, const uint32_t *weights, const float *bias, float *to)
{
    const shape *s = run->shape;
    size_t units = s->width / run->panels->halves;
    run->panels->multiply(&(ql__panel_product){.a = run->scratch->stream, .a_stride = units, .factors = run->scratch->stream_factors, .w = weights, .bias = bias, .c = to,
                                               .c_stride = s->dims, .rows = run->rows, .outputs = s->dims, .units = units});
}

static void attend(const forward *run, size_t head)
{
    const shape *s = run->shape;
    const ql__bert_config *config = run->packed->encoder->config;
    size_t dims = s->dims / run->soft->halves, stride = s->heads * dims, row = 0;
    float scale = (float)(M_LOG2E / sqrt((double)config->width / (double)config->heads));
    for (size_t i = 0; i < run->batch->count; i++) {
        run->soft->attend(&(ql__panel_attention){.queries = run->scratch->queries + row * dims, .query_stride = dims, .keys = run->scratch->keys + row * s->dims,
                                                 .values = run->scratch->values + row * s->dims, .stride = s->dims,
                                                 .out = run->scratch->context + row * stride + head * dims, .out_stride = stride, .scratch = run->scratch->attention,
                                                 .length = run->batch->lengths[i], .dims = s->dims, .scale = scale});
        row += run->batch->lengths[i];
    }
}

static void run_head(const forward *run, const packed_layer *layer, size_t head)
{
    const shape *s = run->shape;
    size_t first = head * s->dims;
    project(run, head_weights(run->packed, layer, head, 0), layer->query_bias + first, run->scratch->columns);
    run->soft->round(&(ql__panel_rows){.from = run->scratch->columns, .from_stride = s->dims, .to = run->scratch->queries, .to_stride = s->dims / run->soft->halves,
                                       .rows = run->rows, .width = s->dims});
    project(run, head_weights(run->packed, layer, head, 1), layer->key_bias + first, run->scratch->keys);
    project(run, head_weights(run->packed, layer, head, 2), layer->value_bias + first, run->scratch->values);
    attend(run, head);
}

/* x += a w^T + bias; a (T, inputs) soft units. */
static void add_product(const forward *run, const uint32_t *a, size_t inputs, const uint32_t *weights, const float *bias)
{
    ql__packed_scratch *scratch = run->scratch;
    size_t width = run->shape->width, units = inputs / run->panels->halves;
    if (run->panels->narrow) {
        run->panels->narrow(&(ql__panel_narrowing){.from = a, .from_stride = inputs / run->soft->halves, .to = scratch->bytes, .factors = scratch->factors, .rows = run->rows,
                                                   .width = inputs});
        a = scratch->bytes;
    }
    run->panels->multiply(&(ql__panel_product){.a = a, .a_stride = units, .factors = scratch->factors, .w = weights, .bias = bias, .c = scratch->x, .c_stride = width,
                                               .rows = run->rows, .outputs = width, .units = units, .accumulate = true});
}

/* hidden (T, part) = gelu(x W_up^T + b), a panel at a time. */
static void expand(const forward *run, const packed_layer *layer, size_t first, size_t part)
{
    const shape *s = run->shape;
    size_t units = s->width / run->panels->halves, halves = run->soft->halves, columns = run->panels->columns;
    const uint32_t *weights = feed_weights(run->packed, layer, first);
    for (size_t column = 0; column < part; column += columns) {
        run->panels->multiply(&(ql__panel_product){.a = run->scratch->stream, .a_stride = units, .factors = run->scratch->stream_factors,
                                                   .w = weights + units_of(run->packed, column, s->width), .bias = layer->up_bias + first + column,
                                                   .c = run->scratch->columns, .c_stride = columns, .rows = run->rows, .outputs = columns, .units = units});
        run->soft->gelu(&(ql__panel_rows){.from = run->scratch->columns, .from_stride = columns, .to = run->scratch->hidden + column / halves, .to_stride = part / halves,
                                          .rows = run->rows, .width = columns});
    }
}

static void run_layer(const forward *run, const packed_layer *layer)
{
    const shape *s = run->shape;
    for (size_t head = 0; head < s->heads; head++) run_head(run, layer, head);
    add_product(run, run->scratch->context, s->heads * s->dims, layer->mix, layer->mix_bias);
    norm(run, layer->mix_gamma, layer->mix_beta);
    for (size_t first = 0; first < s->inner; first += s->part) {
        size_t part = s->inner - first < s->part ? s->inner - first : s->part;
        expand(run, layer, first, part);
        add_product(run, run->scratch->hidden, part, feed_weights(run->packed, layer, first) + units_of(run->packed, part, s->width), first == 0 ? layer->down_bias : NULL);
    }
    norm(run, layer->down_gamma, layer->down_beta);
}

ql_status ql__packed_run(const ql__packed *self, ql__packed_scratch *scratch, const ql__encoder_batch *batch, ql_error *err)
{
    forward run = {.packed = self, .panels = self->panels, .soft = self->soft, .shape = &self->shape, .scratch = scratch, .batch = batch};
    QL_TRY(ql__encoder_check(self->encoder, scratch->rows, batch, &run.rows, err));
    QL_TRY(ql__encoder_embed(self->encoder, batch, scratch->x, self->shape.width, err));
    norm(&run, self->gamma, self->beta);
    for (size_t i = 0; i < self->layer_count; i++) run_layer(&run, &self->layers[i]);
    ql__encoder_pool(self->encoder, batch, scratch->x, self->shape.width);
    return QL_OK;
}
