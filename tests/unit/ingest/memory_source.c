#include "memory_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

uint64_t memory_item_bytes;

static ql_status list(void *self, const ql_source_sink *sink, ql_error *err)
{
    const memory_source *source = self;
    for (size_t i = 0; i < source->count; i++) {
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(source->documents[i].url), .version = ql_str_of(source->documents[i].version),
                        .size_bytes = memory_item_bytes};
        if (sink->item_fn(sink->user, &item) != 0) return ql__fail(err, QL_E_CALLBACK, "stopped");
    }
    return source->list_status < 0 ? ql__fail(err, source->list_status, "the listing broke off") : QL_OK;
}

static ql_status fetch(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    memory_source *source = self;
    source->fetched++;
    *token = NULL;
    for (size_t i = 0; i < source->count; i++) {
        const memory_document *document = &source->documents[i];
        if (!ql_str_equal(item->url, ql_str_of(document->url))) continue;
        if (document->fetch_status < 0) return ql__fail(err, document->fetch_status, "cannot read it");
        *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = item->url, .content_type = QL_STR("md"),
                             .content = ql_str_of(document->content), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
        return QL_OK;
    }
    return ql__fail(err, QL_E_NOTFOUND, "gone");
}

static void release(void *self, void *token)
{
    (void)self;
    (void)token;
}

static void close_source(void *self)
{
    (void)self;
}

const ql_source_ops memory_source_ops = {.struct_size = sizeof(ql_source_ops), .type = "memory", .list_fn = list, .fetch_fn = fetch,
                                         .release_fn = release, .close_fn = close_source};

static const char *model(void *self)
{
    (void)self;
    return "hash-16";
}

static uint32_t dims(void *self)
{
    (void)self;
    return MEMORY_DIMS;
}

static ql_status embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)role;
    (void)err;
    if (self != NULL) *(size_t *)self += count;
    for (size_t t = 0; t < count; t++) {
        float *row = out + t * MEMORY_DIMS, sum = 0;
        for (size_t d = 0; d < MEMORY_DIMS; d++) row[d] = 0.01f;
        for (size_t i = 0; i < texts[t].len; i++) row[(unsigned char)texts[t].ptr[i] % MEMORY_DIMS] += 1;
        for (size_t d = 0; d < MEMORY_DIMS; d++) sum += row[d] * row[d];
        for (size_t d = 0; d < MEMORY_DIMS; d++) row[d] /= sqrtf(sum);
    }
    return QL_OK;
}

static const ql_measure *measure(void *self)
{
    (void)self;
    return NULL;
}

static uint32_t window(void *self)
{
    (void)self;
    return 0;
}

const ql_embedder_ops hash_embedder_ops = {.struct_size = sizeof(ql_embedder_ops), .name = "hash", .model_fn = model, .dims_fn = dims,
                                           .embed_fn = embed, .measure_fn = measure, .window_fn = window, .close_fn = close_source};
