/*
 * The local embedder: texts to tokens to windows to batches to vectors.
 *
 * Tokens of a text that do not fit one window are spread over overlapping windows of full length; the unit vectors of the windows
 * are summed with their token counts as weights and scaled to unit length. Windows are sorted by length and packed into batches
 * of about BATCH_ROWS tokens, which the pool's threads take one after the other; a vector does not depend on the batch it is in.
 * Texts are handled in waves, so that memory is bounded by a wave and the largest single text.
 *
 * Invariants: arrays grow and are kept, so a warm embedder allocates nothing. Threads: calls are serialised by a lock; the pool must
 * not be the one whose job calls. Cost: see encoder.c.
 */
#include "embed/embed.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/digest.h"
#include "embed/bert_config.h"
#include "embed/encoder.h"
#include "embed/packed.h"
#include "embed/wordpiece.h"
#include "prof/span.h"

#define BATCH_ROWS 256          /* tokens of a batch on panels: its buffers stay in a core's cache */
#define ENGINE_ROWS 1024        /* and of one for oneDNN, whose primitives want more rows */
#define WAVE_TOKENS (64 * 1024) /* tokens collected before they are embedded */
#define TAIL_PARTS 8            /* a batch is at most this part of what is left of its wave: twice the usual number of threads */
#define OVERLAP_PART 8          /* neighbouring windows share at least 1/8 of their tokens */

typedef struct window {
    uint32_t text;   /* index in the wave's texts */
    uint32_t length; /* tokens, [CLS], prefix and [SEP] included */
    size_t first;    /* offset of its tokens in ids */
} window;

typedef struct batch {
    size_t first; /* window */
    size_t count;
} batch;

/* How a batch goes through the model. */
typedef enum way { WAY_KERNELS, WAY_PACKED, WAY_ENGINE } way;

typedef struct worker_scratch {
    ql__encoder_scratch *kernels, *engine; /* an encoder's scratch is for one or the other */
    ql__packed_scratch *packed;
} worker_scratch;

typedef struct local_embedder {
    ql__embed_local_options options;
    char name[128];    /* folder and fingerprint, see identify() */
    uint64_t vocab_hash, weights_hash;
    ql_buf cache_dir; /* empty: none */
    ql__bert_config config;
    ql__safetensors *file;
    ql__wordpiece *words;
    ql__encoder *encoder;
    ql_measure measure;
    pthread_mutex_t lock; /* all below */
    ql__packed *packed;        /* made on first use */
    ql__linear_engine *engine; /* made on first use */
    bool engine_refused;       /* there is none */
    worker_scratch *scratch;   /* (workers) */
    size_t workers;
    uint32_t *tokens; /* of one text */
    size_t token_capacity;
    uint32_t *ids; /* of all windows of a wave */
    size_t id_count, id_capacity;
    window *windows;
    size_t window_count, window_capacity;
    uint32_t *batch_ids; /* ids in the order of the sorted windows */
    size_t batch_id_capacity;
    uint32_t *lengths;
    size_t length_capacity;
    batch *batches;
    size_t batch_count, batch_capacity;
    float *vectors; /* (windows, width) */
    size_t vector_capacity;
} local_embedder;

/* ---- opening ---- */

static ql_status read_vocab(local_embedder *self, const char *dir, ql_error *err)
{
    ql_buf path = QL_BUF_INIT, text = QL_BUF_INIT;
    text.limit_bytes = QL_LIMIT_VOCAB_BYTES;
    ql_status status = ql_buf_printf(&path, "%s/vocab.txt", dir);
    if (status < 0) status = ql__fail_nomem(err);
    else status = ql__file_read_all(self->options.sys, ql_buf_cstr(&path), &text, err);
    if (status >= 0) {
        self->vocab_hash = ql__xxh3(ql_buf_str(&text), 0);
        status = ql__wordpiece_new(ql_buf_str(&text), self->config.tokenizer_flags, &self->words, err);
        if (status < 0) ql__error_prefix(err, "'%s'", ql_buf_cstr(&path));
    }
    ql_buf_dispose(&path);
    ql_buf_dispose(&text);
    return status;
}

static ql_status open_weights(local_embedder *self, const char *dir, ql_error *err)
{
    ql_buf path = QL_BUF_INIT;
    ql_status status = ql_buf_printf(&path, "%s/model.safetensors", dir);
    if (status < 0) status = ql__fail_nomem(err);
    else status = ql__safetensors_open(self->options.sys, ql_buf_cstr(&path), &self->file, err);
    ql_buf_dispose(&path);
    if (status >= 0) {
        self->weights_hash = ql__safetensors_fingerprint(self->file);
        status = ql__encoder_new(&self->config, self->file, ql__kernels_best(), &self->encoder, err);
        if (status < 0) ql__error_prefix(err, "'%s/model.safetensors'", dir);
    }
    return status;
}

static ql_str folder_name(const char *dir)
{
    size_t end = strlen(dir);
    while (end > 1 && dir[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && dir[begin - 1] != '/') begin--;
    return (ql_str){dir + begin, end - begin};
}

/*
 * "all-MiniLM-L6-v2@0123456789abcdef": an index remembers it and refuses vectors of another model, also of one that was put into a folder
 * of the same name. The digits cover weights, vocabulary and every setting that shapes a vector.
 */
static ql_status identify(local_embedder *self, const char *dir, ql_error *err)
{
    const ql__bert_config *config = &self->config;
    ql_str folder = folder_name(dir);
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    ql_buf_printf(&text, "%u %u %u %u %u %u %u %u %d %u %lld ", config->layers, config->width, config->heads, config->intermediate, config->vocab, config->positions,
                  config->types, config->sequence_max, (int)config->pooling, config->tokenizer_flags, (long long)((double)config->norm_epsilon * 1e18));
    ql_buf_append(&text, ql_buf_str(&config->query_prefix));
    ql_buf_append_char(&text, '\n');
    if (ql_buf_append(&text, ql_buf_str(&config->passage_prefix)) < 0) return ql__fail_nomem(err);
    uint64_t hash = ql__xxh3(ql_buf_str(&text), self->vocab_hash ^ self->weights_hash);
    snprintf(self->name, sizeof self->name, "%.*s@%016llx", folder.len > 96 ? 96 : (int)folder.len, folder.ptr, (unsigned long long)hash);
    return QL_OK;
}

static size_t count_units(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    return ql__wordpiece_run(user, text, NULL, starts, capacity);
}

static ql_status open_parts(local_embedder *self, const char *dir, ql_error *err)
{
    QL_TRY(ql__bert_config_read(self->options.sys, dir, &self->config, err));
    QL_TRY(read_vocab(self, dir, err));
    if (ql__wordpiece_count(self->words) > self->config.vocab)
        return ql__fail(err, QL_E_FORMAT, "'%s': vocab.txt has %u tokens, the model %u", dir, ql__wordpiece_count(self->words), self->config.vocab);
    QL_TRY(open_weights(self, dir, err));
    self->workers = ql__pool_size(self->options.pool);
    self->scratch = ql__alloc_zero(self->workers, sizeof *self->scratch);
    if (!self->scratch) return ql__fail_nomem(err);
    QL_TRY(identify(self, dir, err));
    self->measure = (ql_measure){.struct_size = sizeof(ql_measure), .unit = "tokens", .units_fn = count_units, .user = self->words};
    return QL_OK;
}

static void close_local(void *user)
{
    local_embedder *self = user;
    if (!self) return;
    for (size_t i = 0; self->scratch && i < self->workers; i++) {
        ql__encoder_scratch_free(self->scratch[i].kernels);
        ql__encoder_scratch_free(self->scratch[i].engine);
        ql__packed_scratch_free(self->scratch[i].packed);
    }
    ql__free(self->scratch);
    ql__linear_engine_free(self->engine);
    ql__packed_free(self->packed);
    ql_buf_dispose(&self->cache_dir);
    ql__encoder_free(self->encoder);
    ql__safetensors_close(self->file);
    ql__wordpiece_free(self->words);
    ql__bert_config_dispose(&self->config);
    ql__free(self->tokens);
    ql__free(self->ids);
    ql__free(self->windows);
    ql__free(self->batch_ids);
    ql__free(self->lengths);
    ql__free(self->batches);
    ql__free(self->vectors);
    pthread_mutex_destroy(&self->lock);
    ql__free(self);
}

/* ---- precision ---- */

bool ql__embed_auto_bf16(void)
{
    return ql__kernels_best()->half != NULL; /* every CPU with AMX has AVX-512's products too */
}

static bool wants_bf16(const local_embedder *self)
{
    return self->options.precision == QL__PRECISION_BF16 || (self->options.precision == QL__PRECISION_AUTO && ql__embed_auto_bf16());
}

/* "CACHE/avx512bf16-bfloat16.panels": the files of several machines on one folder do not overwrite each other. */
static ql_status panels_path(const local_embedder *self, const ql__panels *panels, ql_buf *out)
{
    ql_status status = ql_buf_printf(out, "%s/%s.panels", ql_buf_cstr(&self->cache_dir), panels->name);
    if (status >= 0) *strrchr(out->ptr, '/') = '-';
    return status;
}

/* keep: for passages. Who asks makes no file, but replaces one that cannot be used. */
static ql_status make_packed(local_embedder *self, const ql__panels *panels, bool keep, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    if (self->packed) return QL_OK;
    if (self->cache_dir.len > 0 && panels_path(self, panels, &path) < 0) return ql__fail_nomem(err);
    ql__packed_place at = {.sys = self->options.sys, .log = self->options.log, .path = ql_buf_cstr(&path), .model = self->weights_hash, .keep = keep};
    return ql__packed_new(self->encoder, panels, self->options.pool, path.len > 0 ? &at : NULL, &self->packed, err);
}

/*
 * oneDNN, where it has what we have not: products on AMX's tiles, which are several times as fast as AVX-512's, and bfloat16 that was asked for on a
 * CPU without instructions for it. QL_E_UNSUPPORTED: there is no oneDNN.
 */
static ql_status make_engine(local_embedder *self, ql_error *err)
{
    if (self->engine) return QL_OK;
    ql_status status = self->engine_refused ? QL_E_UNSUPPORTED : ql__encoder_engine_new(self->encoder, true, &self->engine, err);
    self->engine_refused = ql_status_kind(status) == QL_E_UNSUPPORTED;
    return status;
}

static ql_status check_precision(const ql__embed_local_options *options, ql_error *err)
{
    if (options->precision != QL__PRECISION_INT8 || ql__kernels_best()->bytes) return QL_OK;
    return ql__fail(err, QL_E_UNSUPPORTED, "precision int8 needs a processor with AVX-512 VNNI; here it is %s", ql__embed_auto_bf16() ? "bf16 or fp32" : "fp32");
}

/* Passages: on panels, or by oneDNN; what is packed serves all that follow. */
static ql_status choose_for_passages(local_embedder *self, way *out, ql_error *err)
{
    const ql__kernels *kernels = ql__kernels_best();
    bool bf16 = wants_bf16(self);
    ql_error inner = {0};
    *out = WAY_PACKED;
    if (self->options.precision == QL__PRECISION_INT8) return make_packed(self, kernels->bytes, true, err);
    if (!bf16 || (kernels->half && !ql__kernels_tiles())) return make_packed(self, bf16 ? kernels->half : kernels->single, true, err);
    bool told = self->engine_refused;
    ql_status status = make_engine(self, &inner);
    if (status >= 0) *out = WAY_ENGINE;
    else if (ql_status_kind(status) == QL_E_UNSUPPORTED && kernels->half) {
        if (!told) ql__log_write(self->options.log, QL_LOG_WARNING, "embed", "embedding without oneDNN, which is slower: %s", inner.message);
        return make_packed(self, kernels->half, true, err);
    } else if (err) *err = inner;
    return status;
}

/* Queries: in bfloat16 and in bytes on panels; in float32 on the mapped weights as they are, which need no preparation. */
static ql_status choose_for_queries(local_embedder *self, way *out, ql_error *err)
{
    const ql__kernels *kernels = ql__kernels_best();
    const ql__panels *panels = self->options.precision == QL__PRECISION_INT8 ? kernels->bytes : wants_bf16(self) ? kernels->half : NULL;
    *out = panels ? WAY_PACKED : WAY_KERNELS;
    return panels ? make_packed(self, panels, false, err) : QL_OK;
}

/* ---- texts to windows ---- */

static ql_status tokenize(local_embedder *self, ql_str text, size_t *count, ql_error *err)
{
    QL_SPAN(TOKENIZE);
    if (text.len > QL_LIMIT_DOCUMENT_BYTES) return ql__fail(err, QL_E_LIMIT, "a text of %zu bytes to embed, limit %zu", text.len, QL_LIMIT_DOCUMENT_BYTES);
    if (!ql__array_reserve(&self->tokens, &self->token_capacity, text.len / 3 + 64, sizeof *self->tokens)) return ql__fail_nomem(err);
    *count = ql__wordpiece_run(self->words, text, self->tokens, NULL, self->token_capacity);
    if (*count <= self->token_capacity) return QL_OK;
    if (!ql__array_reserve(&self->tokens, &self->token_capacity, *count, sizeof *self->tokens)) return ql__fail_nomem(err);
    *count = ql__wordpiece_run(self->words, text, self->tokens, NULL, self->token_capacity);
    return QL_OK;
}

/* The role's prefix as tokens, cut to a quarter of the window (a longer one would leave no room for text). */
static size_t prefix_tokens(const local_embedder *self, ql_embed_role role, uint32_t *out, size_t capacity)
{
    const ql_buf *prefix = role == QL_EMBED_QUERY ? &self->config.query_prefix : &self->config.passage_prefix;
    size_t limit = self->config.sequence_max / 4;
    if (limit > capacity) limit = capacity;
    size_t count = ql__wordpiece_run(self->words, ql_buf_str(prefix), out, NULL, limit);
    return count < limit ? count : limit;
}

typedef struct prefix {
    uint32_t ids[256];
    size_t count;
} prefix;

static ql_status add_window(local_embedder *self, const prefix *before, uint32_t text, const uint32_t *tokens, size_t count, ql_error *err)
{
    size_t length = count + before->count + 2;
    if (!ql__array_reserve(&self->ids, &self->id_capacity, self->id_count + length, sizeof *self->ids)) return ql__fail_nomem(err);
    uint32_t *ids = self->ids + self->id_count;
    ids[0] = ql__wordpiece_cls(self->words);
    memcpy(ids + 1, before->ids, before->count * sizeof *ids);
    if (count > 0) memcpy(ids + 1 + before->count, tokens, count * sizeof *ids);
    ids[length - 1] = ql__wordpiece_sep(self->words);
    window added = {text, (uint32_t)length, self->id_count};
    if (!ql__array_push(self->windows, self->window_count, self->window_capacity, added)) return ql__fail_nomem(err);
    self->id_count += length;
    return QL_OK;
}

/* Windows of equal length, evenly spread, at least `overlap` tokens shared. */
static ql_status add_text(local_embedder *self, const prefix *before, uint32_t text, size_t count, ql_error *err)
{
    size_t room = self->config.sequence_max - 2 - before->count;
    if (count <= room) return add_window(self, before, text, self->tokens, count, err);
    size_t overlap = room / OVERLAP_PART;
    size_t windows = (count - overlap + room - overlap - 1) / (room - overlap);
    for (size_t i = 0; i < windows; i++) {
        size_t first = i * (count - room) / (windows - 1);
        QL_TRY(add_window(self, before, text, self->tokens + first, room, err));
    }
    return QL_OK;
}

/* ---- windows to vectors ---- */

static int longer_first(const void *a, const void *b)
{
    const window *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/*
 * Batches in the order of the sorted windows. The rows of a batch shrink towards the end of the wave, so that threads finish close
 * together. Not by the number of threads: the products of some CPUs round by the shape of a batch, and the same texts must give the
 * same bits with any number.
 */
static ql_status make_batches(local_embedder *self, size_t most, ql_error *err)
{
    size_t left = self->id_count, at = 0;
    self->batch_count = 0;
    while (at < self->window_count) {
        size_t share = left / TAIL_PARTS, goal = share > most ? most : share, rows = 0;
        batch made = {at, 0};
        if (goal < self->config.sequence_max) goal = self->config.sequence_max;
        while (at < self->window_count && (made.count == 0 || rows + self->windows[at].length <= goal)) {
            rows += self->windows[at++].length;
            made.count++;
        }
        left -= rows;
        if (!ql__array_push(self->batches, self->batch_count, self->batch_capacity, made)) return ql__fail_nomem(err);
    }
    return QL_OK;
}

static ql_status make_scratch(local_embedder *self, way chosen, size_t rows, worker_scratch *scratch, ql_error *err)
{
    if (chosen == WAY_PACKED) {
        if (scratch->packed && ql__packed_scratch_rows(scratch->packed) >= rows) return QL_OK;
        ql__packed_scratch_free(scratch->packed);
        scratch->packed = NULL;
        return ql__packed_scratch_new(self->packed, rows, &scratch->packed, err);
    }
    ql__encoder_scratch **plain = chosen == WAY_ENGINE ? &scratch->engine : &scratch->kernels;
    if (*plain && ql__encoder_scratch_rows(*plain) >= rows) return QL_OK;
    ql__encoder_scratch_free(*plain);
    *plain = NULL;
    return ql__encoder_scratch_new(self->encoder, rows, plain, err);
}

static ql_status prepare_wave(local_embedder *self, way chosen, size_t *out_rows, ql_error *err)
{
    size_t width = self->config.width, most = chosen == WAY_PACKED ? BATCH_ROWS : ENGINE_ROWS;
    size_t rows = most > self->config.sequence_max ? most : self->config.sequence_max;
    qsort(self->windows, self->window_count, sizeof *self->windows, longer_first);
    QL_TRY(make_batches(self, most, err));
    if (!ql__array_reserve(&self->batch_ids, &self->batch_id_capacity, self->id_count, sizeof *self->batch_ids) ||
        !ql__array_reserve(&self->lengths, &self->length_capacity, self->window_count, sizeof *self->lengths) ||
        !ql__array_reserve(&self->vectors, &self->vector_capacity, self->window_count * width, sizeof *self->vectors))
        return ql__fail_nomem(err);
    size_t at = 0;
    for (size_t i = 0; i < self->window_count; i++) {
        window *w = &self->windows[i];
        memcpy(self->batch_ids + at, self->ids + w->first, w->length * sizeof *self->ids);
        self->lengths[i] = w->length;
        w->first = at;
        at += w->length;
    }
    *out_rows = self->id_count < rows ? self->id_count : rows; /* a query needs little; memory grows with the first large wave */
    return QL_OK;
}

typedef struct wave_run {
    local_embedder *self;
    way chosen;
    size_t rows; /* of a worker's memory */
    pthread_mutex_t lock;
    ql_status status;
    ql_error error;
} wave_run;

static void run_batch(void *user, size_t index, size_t worker)
{
    wave_run *run = user;
    local_embedder *self = run->self;
    const batch *b = &self->batches[index];
    ql__encoder_batch args = {.ids = self->batch_ids + self->windows[b->first].first, .lengths = self->lengths + b->first,
                              .count = b->count, .out = self->vectors + b->first * self->config.width};
    ql_error error = {0};
    worker_scratch *scratch = &self->scratch[worker];
    ql_status status = make_scratch(self, run->chosen, run->rows, scratch, &error); /* here: which workers come is known now alone */
    if (status >= 0)
        status = run->chosen == WAY_PACKED ? ql__packed_run(self->packed, scratch->packed, &args, &error)
                 : run->chosen == WAY_ENGINE ? ql__encoder_run(self->encoder, scratch->engine, self->engine, &args, &error)
                                             : ql__encoder_run(self->encoder, scratch->kernels, NULL, &args, &error);
    if (status >= 0) return;
    pthread_mutex_lock(&run->lock);
    if (run->status >= 0) {
        run->status = status;
        run->error = error;
    }
    pthread_mutex_unlock(&run->lock);
}

/* out (texts, width) += window vectors by their weight; then unit length. A damaged model can give NaN, which must not reach a store. */
static ql_status pool_windows(local_embedder *self, size_t texts, float *out, ql_error *err)
{
    size_t width = self->config.width;
    memset(out, 0, texts * width * sizeof *out);
    for (size_t i = 0; i < self->window_count; i++) {
        const float *vector = self->vectors + i * width;
        float *target = out + self->windows[i].text * width, weight = (float)self->windows[i].length;
        for (size_t d = 0; d < width; d++) target[d] += weight * vector[d];
    }
    for (size_t i = 0; i < texts; i++) {
        double squares = 0;
        for (size_t d = 0; d < width; d++) squares += (double)out[i * width + d] * (double)out[i * width + d];
        if (!(squares > 0 && squares < HUGE_VAL)) return ql__fail(err, QL_E_CORRUPT, "model '%s' gives a vector without a length", self->name);
        ql__unit_length(out + i * width, width);
    }
    return QL_OK;
}

static ql_status run_wave(local_embedder *self, ql_embed_role role, size_t texts, float *out, ql_error *err)
{
    QL_SPAN(EMBED);
    wave_run run = {.self = self, .status = QL_OK};
    QL_TRY(role == QL_EMBED_QUERY ? choose_for_queries(self, &run.chosen, err) : choose_for_passages(self, &run.chosen, err));
    QL_TRY(prepare_wave(self, run.chosen, &run.rows, err));
    ql__counter_add(QL__COUNTER_TOKENS, self->id_count);
    ql__span_note(&ql_span_EMBED, "texts", (int64_t)texts);
    ql__span_note(&ql_span_EMBED, "tokens", (int64_t)self->id_count);
    ql__span_note(&ql_span_EMBED, "batches", (int64_t)self->batch_count);
    pthread_mutex_init(&run.lock, NULL);
    if (self->batch_count == 1) run_batch(&run, 0, 0);
    else ql__pool_run(self->options.pool, self->batch_count, run_batch, &run);
    pthread_mutex_destroy(&run.lock);
    if (run.status < 0) {
        if (err) *err = run.error;
        return run.status;
    }
    return pool_windows(self, texts, out, err);
}

static ql_status embed_all(local_embedder *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    prefix before;
    before.count = prefix_tokens(self, role, before.ids, sizeof before.ids / sizeof *before.ids);
    for (size_t begin = 0; begin < count;) {
        size_t end = begin;
        self->id_count = self->window_count = 0;
        while (end < count && end - begin < UINT32_MAX && self->id_count < WAVE_TOKENS) {
            size_t tokens = 0;
            QL_TRY(tokenize(self, texts[end], &tokens, err));
            QL_TRY(add_text(self, &before, (uint32_t)(end - begin), tokens, err));
            end++;
        }
        QL_TRY(run_wave(self, role, end - begin, out + begin * self->config.width, err));
        begin = end;
    }
    return QL_OK;
}

/* ---- the interface ---- */

static ql_status embed_local(void *user, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    local_embedder *self = user;
    if (count > 0 && (!texts || !out)) return ql__fail(err, QL_E_INVALID, "texts or out is NULL");
    if (role != QL_EMBED_PASSAGE && role != QL_EMBED_QUERY) return ql__fail(err, QL_E_INVALID, "role is %d", (int)role);
    pthread_mutex_lock(&self->lock);
    ql_status status = embed_all(self, role, texts, count, out, err);
    pthread_mutex_unlock(&self->lock);
    return status;
}

static const char *model_of(void *user) { return ((local_embedder *)user)->name; }
static uint32_t dims_of(void *user) { return ((local_embedder *)user)->config.width; }
static const ql_measure *measure_of(void *user) { return &((local_embedder *)user)->measure; }

static uint32_t window_of(void *user)
{
    local_embedder *self = user;
    prefix before;
    return self->config.sequence_max - 2 - (uint32_t)prefix_tokens(self, QL_EMBED_PASSAGE, before.ids, sizeof before.ids / sizeof *before.ids);
}

static const ql_embedder_ops local_ops = {
    .struct_size = sizeof(ql_embedder_ops),
    .name = "local",
    .model_fn = model_of,
    .dims_fn = dims_of,
    .embed_fn = embed_local,
    .measure_fn = measure_of,
    .window_fn = window_of,
    .close_fn = close_local,
};

/* A model whose files cannot be read as what they are. */
static ql_status fail_damaged(const char *dir, ql_error *err)
{
    ql_error detail = err != NULL ? *err : (ql_error){0};
    return ql__fail(err, QL_E_CORRUPT, "the embedding model in '%s' is damaged ('qloader model pull' brings it again): %s", dir, detail.message);
}

ql_status ql__embedder_local_open(const ql__embed_local_options *options, const ql_embedder_ops **ops, void **self, ql_error *err)
{
    if (!options->model_dir || !options->pool || !options->sys) return ql__fail(err, QL_E_INVALID, "model_dir, pool or sys is NULL");
    QL_TRY(ql__kernels_check(err));
    QL_TRY(check_precision(options, err));
    local_embedder *made = ql__alloc_zero(1, sizeof *made);
    if (!made) return ql__fail_nomem(err);
    made->options = *options;
    made->options.model_dir = made->options.cache_dir = NULL; /* the caller's texts need not live on */
    made->cache_dir = (ql_buf)QL_BUF_INIT;
    pthread_mutex_init(&made->lock, NULL);
    ql_status status = options->cache_dir && ql_buf_append(&made->cache_dir, ql_str_of(options->cache_dir)) < 0 ? ql__fail_nomem(err) : QL_OK;
    if (status >= 0) status = open_parts(made, options->model_dir, err);
    if (status < 0) {
        if (ql_status_kind(status) == QL_E_FORMAT) status = fail_damaged(options->model_dir, err);
        if (ql_status_kind(status) == QL_E_NOTFOUND) ql__error_prefix(err, "no embedding model in '%s' ('qloader model pull' brings it)", options->model_dir);
        close_local(made);
        return status;
    }
    *ops = &local_ops;
    *self = made;
    return QL_OK;
}
