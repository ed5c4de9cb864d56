/*
 * Matrix products by oneDNN (C API of version 2).
 *
 * Layers of one shape and kind share a form: the packed layout of their weights and one primitive per row bucket. The layout is
 * asked for once, with the full block of rows; every bucket's primitive is made for that layout. Primitives cost up to some
 * milliseconds to make, so they are made when first needed, under a lock, and never again.
 *
 * A worker owns what an execution changes: a stream, memory objects whose handles are set before each run, and the scratchpad, so that
 * one primitive serves many threads.
 *
 * OpenMP: the packaged library uses it; its thread count is a setting of the calling thread, set to 1 around our runs and put back. Signals wait
 * as long (see ql__linear_enter): a batch, some tenths of a second.
 * Threads: engine shared, worker not. Cost: packing reads all weights once.
 */
#include "embed/linear_dnnl.h"

#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/dynlib.h"
#include "prof/anchor.h"

#define DNNL_SONAME "libdnnl.so.2"
#define OPENMP_SONAME "libgomp.so.1"
#define BUCKETS (QL__LINEAR_ROWS / QL__LINEAR_STEP)
#define FORMS_MAX 8
#define PACKED_ALIGN ((size_t)64)
#define ROOM_BYTES ((size_t)8 << 20) /* more than one call of oneDNN takes */

#define DNNL_FUNCTIONS(X) \
    X(dnnl_engine_create) X(dnnl_engine_destroy) X(dnnl_stream_create) X(dnnl_stream_destroy) X(dnnl_stream_wait) \
    X(dnnl_memory_desc_init_by_tag) X(dnnl_memory_desc_get_size) X(dnnl_memory_create) X(dnnl_memory_destroy) \
    X(dnnl_memory_set_data_handle) X(dnnl_matmul_desc_init) X(dnnl_primitive_attr_create) X(dnnl_primitive_attr_destroy) \
    X(dnnl_primitive_attr_set_scratchpad_mode) X(dnnl_primitive_attr_set_post_ops) X(dnnl_post_ops_create) \
    X(dnnl_post_ops_destroy) X(dnnl_post_ops_append_eltwise) X(dnnl_post_ops_append_sum) X(dnnl_primitive_desc_create) \
    X(dnnl_primitive_desc_destroy) X(dnnl_primitive_desc_query_md) X(dnnl_primitive_create) X(dnnl_primitive_execute) \
    X(dnnl_primitive_destroy) X(dnnl_reorder_primitive_desc_create) X(dnnl_version)

typedef struct dnnl_functions {
#define DNNL_MEMBER(name) __typeof__(&name) name;
    DNNL_FUNCTIONS(DNNL_MEMBER)
#undef DNNL_MEMBER
} dnnl_functions;

typedef struct openmp_functions {
    int (*get)(void);
    void (*set)(int);
} openmp_functions;

typedef struct form {
    ql__linear_kind kind;
    size_t inputs, outputs; /* outputs of all parts */
    dnnl_memory_desc_t packed;
    _Atomic(dnnl_primitive_t) primitives[BUCKETS];
    size_t scratchpad_bytes[BUCKETS]; /* written before the primitive is published */
} form;

typedef struct packed_layer {
    size_t form;
    void *weights; /* in form.packed, aligned; allocated */
    void *weights_allocation;
    float *bias;
    dnnl_memory_t weights_memory, bias_memory;
} packed_layer;

struct ql__linear_engine {
    dnnl_functions fn;
    openmp_functions openmp;
    dnnl_engine_t engine;
    bool bf16;
    pthread_mutex_t lock; /* making primitives */
    form forms[FORMS_MAX];
    size_t form_count;
    packed_layer *layers;
    size_t layer_count;
};

struct ql__linear_worker {
    ql__linear_engine *engine;
    dnnl_stream_t stream;
    struct {
        dnnl_memory_t source, target;
    } memory[FORMS_MAX][BUCKETS];
    dnnl_memory_t scratchpad[FORMS_MAX][BUCKETS];
    unsigned char *scratch; /* shared by all: one primitive runs at a time */
    unsigned char *scratch_aligned;
    size_t scratch_bytes;
};

/* ---- the library ---- */

static ql_status dnnl_fail(dnnl_status_t code, const char *what, ql_error *err)
{
    if (code == dnnl_out_of_memory) return ql__fail_nomem(err);
    if (code == dnnl_unimplemented) return ql__fail(err, QL_E_UNSUPPORTED, "oneDNN has no %s for this CPU", what);
    return ql__fail(err, QL_E_INTERNAL, "oneDNN answers %d to %s", (int)code, what);
}

#define DNNL_TRY(call, what) \
    do { \
        dnnl_status_t code_ = (call); \
        if (code_ != dnnl_success) return dnnl_fail(code_, (what), err); \
    } while (0)

/*
 * oneDNN does not survive want of memory: its exceptions find no handler in C, and some results of malloc it does not look at. So before it makes
 * something, memory of that order must be there to be had. That is no promise where other threads take it in between.
 */
static ql_status check_room(ql_error *err)
{
    void *room = ql__alloc(ROOM_BYTES);
    if (!room) return ql__fail_nomem(err);
    ql__free(room);
    return QL_OK;
}

static ql_status load_functions(dnnl_functions *fn, openmp_functions *openmp, ql_error *err)
{
#define DNNL_NAME(name) #name,
    static const char *const names[] = {DNNL_FUNCTIONS(DNNL_NAME)};
#undef DNNL_NAME
    static const char *const openmp_names[] = {"omp_get_max_threads", "omp_set_num_threads"};
    void *found[sizeof names / sizeof *names], *openmp_found[2];
    _Static_assert(sizeof(dnnl_functions) == sizeof found && sizeof(openmp_functions) == sizeof openmp_found, "one pointer per name");
    QL_TRY(ql__dynlib_load(DNNL_SONAME, names, sizeof names / sizeof *names, found, err));
    QL_TRY(ql__dynlib_load(OPENMP_SONAME, openmp_names, 2, openmp_found, err));
    memcpy(fn, found, sizeof found);
    memcpy(openmp, openmp_found, sizeof openmp_found);
    return QL_OK;
}

ql_status ql__linear_check(char version[24], ql_error *err)
{
    dnnl_functions fn;
    openmp_functions openmp;
    QL_TRY(load_functions(&fn, &openmp, err));
    const dnnl_version_t *found = fn.dnnl_version();
    snprintf(version, 24, "%d.%d.%d", found->major, found->minor, found->patch);
    return QL_OK;
}

static ql_status load_libraries(ql__linear_engine *self, ql_error *err)
{
    QL_TRY(load_functions(&self->fn, &self->openmp, err));
    DNNL_TRY(self->fn.dnnl_engine_create(&self->engine, dnnl_cpu, 0), "an engine");
    return QL_OK;
}

ql__linear_guard ql__linear_enter(const ql__linear_engine *self)
{
    ql__linear_guard guard = {.threads = self->openmp.get()};
    sigset_t all;
    sigfillset(&all);
    ql__prof_keep_signal(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &guard.signals);
    if (guard.threads != 1) self->openmp.set(1);
    return guard;
}

void ql__linear_leave(const ql__linear_engine *self, const ql__linear_guard *guard)
{
    if (guard->threads != 1) self->openmp.set(guard->threads);
    (void)pthread_sigmask(SIG_SETMASK, &guard->signals, NULL);
    ql__prof_let_signal();
}

/* ---- primitives ---- */

static dnnl_data_type_t source_type(const ql__linear_engine *self)
{
    return self->bf16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_data_type_t target_type(const ql__linear_engine *self, const form *f)
{
    return f->kind == QL__LINEAR_GELU ? source_type(self) : dnnl_f32;
}

static ql_status describe(const ql__linear_engine *self, size_t rows, size_t columns, dnnl_data_type_t type, dnnl_format_tag_t tag, dnnl_memory_desc_t *out, ql_error *err)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    DNNL_TRY(self->fn.dnnl_memory_desc_init_by_tag(out, 2, dims, type, tag), "a memory descriptor");
    return QL_OK;
}

static ql_status set_post_ops(const ql__linear_engine *self, const form *f, dnnl_primitive_attr_t attr, ql_error *err)
{
    dnnl_post_ops_t ops;
    DNNL_TRY(self->fn.dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user), "a scratchpad of ours");
    if (f->kind == QL__LINEAR_PROJECT) return QL_OK;
    DNNL_TRY(self->fn.dnnl_post_ops_create(&ops), "post-operations");
    dnnl_status_t code = f->kind == QL__LINEAR_ADD ? self->fn.dnnl_post_ops_append_sum(ops, 1.0f)
                                                   : self->fn.dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_gelu_erf, 0.0f, 0.0f);
    if (code == dnnl_success) code = self->fn.dnnl_primitive_attr_set_post_ops(attr, ops);
    self->fn.dnnl_post_ops_destroy(ops);
    return code == dnnl_success ? QL_OK : dnnl_fail(code, "post-operations", err);
}

/* Descriptor of the product of `rows` rows; weights in `layout`, or in whatever the library likes best when layout is NULL. */
static ql_status describe_product(const ql__linear_engine *self, const form *f, size_t rows, const dnnl_memory_desc_t *layout, dnnl_primitive_desc_t *out, ql_error *err)
{
    dnnl_memory_desc_t source, weights, bias, target;
    dnnl_matmul_desc_t product;
    dnnl_primitive_attr_t attr;
    QL_TRY(describe(self, rows, f->inputs, source_type(self), dnnl_ab, &source, err));
    QL_TRY(describe(self, f->inputs, f->outputs, source_type(self), dnnl_format_tag_any, &weights, err));
    QL_TRY(describe(self, 1, f->outputs, dnnl_f32, dnnl_ab, &bias, err));
    QL_TRY(describe(self, rows, f->outputs, target_type(self, f), dnnl_ab, &target, err));
    if (layout) weights = *layout;
    DNNL_TRY(self->fn.dnnl_matmul_desc_init(&product, &source, &weights, &bias, &target), "a matrix product");
    DNNL_TRY(self->fn.dnnl_primitive_attr_create(&attr), "attributes");
    ql_status status = set_post_ops(self, f, attr, err);
    if (status >= 0) {
        dnnl_status_t code = self->fn.dnnl_primitive_desc_create(out, &product, attr, self->engine, NULL);
        if (code != dnnl_success) status = dnnl_fail(code, self->bf16 ? "bfloat16 matrix product" : "float32 matrix product", err);
    }
    self->fn.dnnl_primitive_attr_destroy(attr);
    return status;
}

static ql_status make_primitive(ql__linear_engine *self, form *f, size_t bucket, dnnl_primitive_t *out, ql_error *err)
{
    QL_TRY(check_room(err));
    dnnl_primitive_desc_t desc;
    QL_TRY(describe_product(self, f, (bucket + 1) * QL__LINEAR_STEP, &f->packed, &desc, err));
    const dnnl_memory_desc_t *scratchpad = self->fn.dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    f->scratchpad_bytes[bucket] = scratchpad ? self->fn.dnnl_memory_desc_get_size(scratchpad) : 0;
    dnnl_status_t code = self->fn.dnnl_primitive_create(out, desc);
    self->fn.dnnl_primitive_desc_destroy(desc);
    return code == dnnl_success ? QL_OK : dnnl_fail(code, "a primitive", err);
}

static ql_status get_primitive(ql__linear_engine *self, form *f, size_t bucket, dnnl_primitive_t *out, ql_error *err)
{
    *out = atomic_load_explicit(&f->primitives[bucket], memory_order_acquire);
    if (*out) return QL_OK;
    pthread_mutex_lock(&self->lock);
    ql_status status = QL_OK;
    *out = atomic_load_explicit(&f->primitives[bucket], memory_order_relaxed);
    if (!*out) status = make_primitive(self, f, bucket, out, err);
    if (status >= 0) atomic_store_explicit(&f->primitives[bucket], *out, memory_order_release);
    pthread_mutex_unlock(&self->lock);
    return status;
}

/* ---- packing ---- */

static ql_status find_form(ql__linear_engine *self, const ql__linear_source *source, size_t *out, ql_error *err)
{
    size_t outputs = source->outputs * source->parts;
    for (*out = 0; *out < self->form_count; (*out)++) {
        const form *f = &self->forms[*out];
        if (f->kind == source->kind && f->inputs == source->inputs && f->outputs == outputs) return QL_OK;
    }
    if (self->form_count == FORMS_MAX) return ql__fail(err, QL_E_UNSUPPORTED, "more than %d shapes of layers", FORMS_MAX);
    form *f = &self->forms[self->form_count];
    dnnl_primitive_desc_t desc;
    f->kind = source->kind;
    f->inputs = source->inputs;
    f->outputs = outputs;
    QL_TRY(describe_product(self, f, QL__LINEAR_ROWS, NULL, &desc, err));
    f->packed = *self->fn.dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    self->fn.dnnl_primitive_desc_destroy(desc);
    self->form_count++;
    return QL_OK;
}

static ql_status make_memory(const ql__linear_engine *self, const dnnl_memory_desc_t *desc, void *data, dnnl_memory_t *out, ql_error *err)
{
    DNNL_TRY(self->fn.dnnl_memory_create(out, desc, self->engine, data), "a memory object");
    return QL_OK;
}

static ql_status execute_reorder(const ql__linear_engine *self, const dnnl_memory_desc_t *from, dnnl_memory_t source, const dnnl_memory_desc_t *to, dnnl_memory_t target, ql_error *err)
{
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    DNNL_TRY(self->fn.dnnl_reorder_primitive_desc_create(&desc, from, self->engine, to, self->engine, NULL), "reordering of weights");
    dnnl_status_t code = self->fn.dnnl_primitive_create(&primitive, desc);
    self->fn.dnnl_primitive_desc_destroy(desc);
    if (code != dnnl_success) return dnnl_fail(code, "reordering of weights", err);
    code = self->fn.dnnl_stream_create(&stream, self->engine, dnnl_stream_default_flags);
    if (code == dnnl_success) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}};
        ql__anchor anchor = ql__anchor_set("oneDNN reorder");
        code = self->fn.dnnl_primitive_execute(primitive, stream, 2, args);
        ql__anchor_clear(&anchor);
        if (code == dnnl_success) code = self->fn.dnnl_stream_wait(stream);
        self->fn.dnnl_stream_destroy(stream);
    }
    self->fn.dnnl_primitive_destroy(primitive);
    return code == dnnl_success ? QL_OK : dnnl_fail(code, "reordering of weights", err);
}

/* Weights (outputs, inputs) row-major are (inputs, outputs) with tag "ba". */
static ql_status pack_weights(ql__linear_engine *self, const form *f, const float *weights, packed_layer *layer, ql_error *err)
{
    dnnl_memory_desc_t plain;
    dnnl_memory_t source;
    size_t bytes = self->fn.dnnl_memory_desc_get_size(&f->packed);
    layer->weights_allocation = ql__alloc_zero(bytes + PACKED_ALIGN, 1);
    if (!layer->weights_allocation) return ql__fail_nomem(err);
    layer->weights = (void *)(((uintptr_t)layer->weights_allocation + PACKED_ALIGN - 1) / PACKED_ALIGN * PACKED_ALIGN);
    QL_TRY(make_memory(self, &f->packed, layer->weights, &layer->weights_memory, err));
    QL_TRY(describe(self, f->inputs, f->outputs, dnnl_f32, dnnl_ba, &plain, err));
    QL_TRY(make_memory(self, &plain, (void *)(uintptr_t)weights, &source, err));
    ql_status status = execute_reorder(self, &plain, source, &f->packed, layer->weights_memory, err);
    self->fn.dnnl_memory_destroy(source);
    return status;
}

static ql_status pack_bias(ql__linear_engine *self, const form *f, const ql__linear_source *source, packed_layer *layer, ql_error *err)
{
    dnnl_memory_desc_t desc;
    layer->bias = ql__alloc_zero(f->outputs, sizeof(float));
    if (!layer->bias) return ql__fail_nomem(err);
    for (size_t i = 0; i < source->parts; i++) memcpy(layer->bias + i * source->outputs, source->bias[i], source->outputs * sizeof(float));
    QL_TRY(describe(self, 1, f->outputs, dnnl_f32, dnnl_ab, &desc, err));
    return make_memory(self, &desc, layer->bias, &layer->bias_memory, err);
}

static ql_status pack_layer(ql__linear_engine *self, const ql__linear_source *source, packed_layer *layer, ql_error *err)
{
    QL_TRY(check_room(err));
    QL_TRY(find_form(self, source, &layer->form, err));
    const form *f = &self->forms[layer->form];
    QL_TRY(pack_bias(self, f, source, layer, err));
    if (source->parts == 1) return pack_weights(self, f, source->weight[0], layer, err);
    size_t part = source->inputs * source->outputs;
    QL_AUTO(float *, ql__free_cleanup) joined = ql__alloc_zero(part * source->parts, sizeof *joined);
    if (!joined) return ql__fail_nomem(err);
    for (size_t i = 0; i < source->parts; i++) memcpy(joined + i * part, source->weight[i], part * sizeof *joined);
    return pack_weights(self, f, joined, layer, err);
}

static ql_status pack_all(ql__linear_engine *self, const ql__linear_source *sources, size_t count, ql_error *err)
{
    QL_TRY(load_libraries(self, err));
    self->layers = ql__alloc_zero(count, sizeof *self->layers);
    if (!self->layers) return ql__fail_nomem(err);
    self->layer_count = count;
    ql_status status = QL_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
        ql__linear_guard guard = ql__linear_enter(self); /* a layer at a time, so that signals do not wait for all of a large model */
        status = pack_layer(self, &sources[i], &self->layers[i], err);
        ql__linear_leave(self, &guard);
    }
    return status;
}

ql_status ql__linear_engine_new(const ql__linear_source *sources, size_t count, bool bf16, ql__linear_engine **out, ql_error *err)
{
    QL_TRY(check_room(err));
    ql__linear_engine *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    pthread_mutex_init(&self->lock, NULL);
    self->bf16 = bf16;
    ql_status status = pack_all(self, sources, count, err);
    if (status < 0) {
        ql__linear_engine_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__linear_engine_free(ql__linear_engine *self)
{
    if (!self) return;
    for (size_t i = 0; self->layers && i < self->layer_count; i++) {
        packed_layer *layer = &self->layers[i];
        if (layer->weights_memory) self->fn.dnnl_memory_destroy(layer->weights_memory);
        if (layer->bias_memory) self->fn.dnnl_memory_destroy(layer->bias_memory);
        ql__free(layer->weights_allocation);
        ql__free(layer->bias);
    }
    for (size_t i = 0; i < self->form_count; i++)
        for (size_t b = 0; b < BUCKETS; b++)
            if (self->forms[i].primitives[b]) self->fn.dnnl_primitive_destroy(self->forms[i].primitives[b]);
    if (self->engine) self->fn.dnnl_engine_destroy(self->engine);
    pthread_mutex_destroy(&self->lock);
    ql__free(self->layers);
    ql__free(self);
}

bool ql__linear_engine_bf16(const ql__linear_engine *self)
{
    return self->bf16;
}

/* ---- running ---- */

ql_status ql__linear_worker_new(ql__linear_engine *engine, ql__linear_worker **out, ql_error *err)
{
    QL_TRY(check_room(err));
    ql__linear_worker *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    self->engine = engine;
    dnnl_status_t code = engine->fn.dnnl_stream_create(&self->stream, engine->engine, dnnl_stream_default_flags);
    if (code != dnnl_success) {
        ql__free(self);
        return dnnl_fail(code, "a stream", err);
    }
    *out = self;
    return QL_OK;
}

void ql__linear_worker_free(ql__linear_worker *self)
{
    if (!self) return;
    const dnnl_functions *fn = &self->engine->fn;
    for (size_t i = 0; i < FORMS_MAX; i++) {
        for (size_t b = 0; b < BUCKETS; b++) {
            if (self->memory[i][b].source) fn->dnnl_memory_destroy(self->memory[i][b].source);
            if (self->memory[i][b].target) fn->dnnl_memory_destroy(self->memory[i][b].target);
            if (self->scratchpad[i][b]) fn->dnnl_memory_destroy(self->scratchpad[i][b]);
        }
    }
    fn->dnnl_stream_destroy(self->stream);
    ql__free(self->scratch);
    ql__free(self);
}

static ql_status grow_scratch(ql__linear_worker *self, size_t bytes, ql_error *err)
{
    if (bytes <= self->scratch_bytes) return QL_OK;
    ql__free(self->scratch);
    self->scratch_bytes = 0;
    self->scratch = ql__alloc_zero(bytes + PACKED_ALIGN, 1);
    if (!self->scratch) return ql__fail_nomem(err);
    self->scratch_aligned = (unsigned char *)(((uintptr_t)self->scratch + PACKED_ALIGN - 1) / PACKED_ALIGN * PACKED_ALIGN);
    self->scratch_bytes = bytes;
    return QL_OK;
}

/* Memory objects of one form and bucket, made on first use. */
static ql_status make_memories(ql__linear_worker *self, size_t form_index, size_t bucket, ql_error *err)
{
    const ql__linear_engine *engine = self->engine;
    const form *f = &engine->forms[form_index];
    size_t rows = (bucket + 1) * QL__LINEAR_STEP, bytes = f->scratchpad_bytes[bucket];
    dnnl_memory_desc_t desc;
    QL_TRY(grow_scratch(self, bytes, err));
    if (!self->scratchpad[form_index][bucket]) QL_TRY(check_room(err));
    if (!self->memory[form_index][bucket].source) {
        QL_TRY(describe(engine, rows, f->inputs, source_type(engine), dnnl_ab, &desc, err));
        QL_TRY(make_memory(engine, &desc, DNNL_MEMORY_NONE, &self->memory[form_index][bucket].source, err));
    }
    if (!self->memory[form_index][bucket].target) {
        QL_TRY(describe(engine, rows, f->outputs, target_type(engine, f), dnnl_ab, &desc, err));
        QL_TRY(make_memory(engine, &desc, DNNL_MEMORY_NONE, &self->memory[form_index][bucket].target, err));
    }
    if (!self->scratchpad[form_index][bucket]) {
        dnnl_dims_t dims = {(dnnl_dim_t)bytes};
        DNNL_TRY(engine->fn.dnnl_memory_desc_init_by_tag(&desc, 1, dims, dnnl_u8, dnnl_a), "a scratchpad");
        QL_TRY(make_memory(engine, &desc, DNNL_MEMORY_NONE, &self->scratchpad[form_index][bucket], err));
    }
    return QL_OK;
}

ql_status ql__linear_run(ql__linear_worker *self, size_t index, size_t rows, const void *source, void *target, ql_error *err)
{
    ql__linear_engine *engine = self->engine;
    packed_layer *layer = &engine->layers[index];
    size_t bucket = (rows - 1) / QL__LINEAR_STEP, f = layer->form;
    dnnl_primitive_t primitive;
    QL_TRY(get_primitive(engine, &engine->forms[f], bucket, &primitive, err));
    if (!self->scratchpad[f][bucket]) QL_TRY(make_memories(self, f, bucket, err));
    dnnl_memory_t from = self->memory[f][bucket].source, to = self->memory[f][bucket].target, pad = self->scratchpad[f][bucket];
    DNNL_TRY(engine->fn.dnnl_memory_set_data_handle(from, (void *)(uintptr_t)source), "a source");
    DNNL_TRY(engine->fn.dnnl_memory_set_data_handle(to, target), "a target");
    DNNL_TRY(engine->fn.dnnl_memory_set_data_handle(pad, self->scratch_aligned), "a scratchpad");
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, layer->weights_memory}, {DNNL_ARG_BIAS, layer->bias_memory},
                              {DNNL_ARG_DST, to}, {DNNL_ARG_SCRATCHPAD, pad}};
    static const char *const kernels[QL__LINEAR_KINDS] = {"oneDNN matmul", "oneDNN matmul, sum", "oneDNN matmul, gelu"};
    ql__anchor anchor = ql__anchor_set(kernels[engine->forms[f].kind]);
    dnnl_status_t code = engine->fn.dnnl_primitive_execute(primitive, self->stream, 5, args);
    if (code == dnnl_success) code = engine->fn.dnnl_stream_wait(self->stream);
    ql__anchor_clear(&anchor);
    return code == dnnl_success ? QL_OK : dnnl_fail(code, "a matrix product", err);
}
