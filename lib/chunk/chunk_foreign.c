/*
 * An application's chunker says where to cut; everything else about a chunk is found here, so that its chunks are described as the built-in
 * one's. All ranges are taken before the first chunk goes on: the guarantees are about their whole.
 *
 * Threads: one document, one thread. Cost: each chunk is measured twice; a search over the blocks for each.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/status.h"
#include "chunk/chunk.h"
#include "chunk/chunk_record.h"
#include "dep/json.h"

typedef struct foreign_run {
    const ql_canonical *canonical;
    const ql_measure *measure;
    ql__arena arena;   /* metadata that came with chunks */
    ql_chunk *items;
    size_t count, capacity;
    uint64_t covered;
    ql_chunk_fn emit;  /* of the caller */
    void *user;
    ql_error *err;
    ql_status status;  /* why the chunker was told to stop */
} foreign_run;

static ql_status take_range(foreign_run *self, const ql_chunk *given)
{
    ql_str text = self->canonical->text;
    size_t index = self->count;
    if (given->begin >= given->end || given->end > text.len || given->begin > self->covered)
        return ql__fail(self->err, QL_E_INVALID, "chunk %zu is [%llu, %llu) of %zu bytes, after %llu", index, (unsigned long long)given->begin, (unsigned long long)given->end,
                        text.len, (unsigned long long)self->covered);
    ql_chunk own = {.struct_size = sizeof own, .index = (uint32_t)index, .text = {text.ptr + given->begin, (size_t)(given->end - given->begin)}, .begin = given->begin,
                    .end = given->end, .overlap_bytes = self->covered - given->begin};
    own.tokens = (uint32_t)self->measure->units_fn(self->measure->user, own.text, NULL, 0);
    ql_status status = given->metadata_json.len > 0 ? ql__json_check_object(given->metadata_json, self->err) : QL_OK;
    if (status < 0) {
        ql__error_prefix(self->err, "the metadata of chunk %zu", index);
        return status;
    }
    if (!ql__arena_copy(&self->arena, given->metadata_json, &own.metadata_json) || !ql__array_push(self->items, self->count, self->capacity, own))
        return ql__fail_nomem(self->err);
    self->covered = own.end;
    return QL_OK;
}

static int on_chunk(void *user, const ql_chunk *chunk)
{
    foreign_run *self = user;
    if (self->status >= 0) self->status = take_range(self, chunk);
    return self->status < 0;
}

/* The lowest block that holds the range. Pre-order sorts blocks by where they begin. */
static uint32_t find_block(const ql_canonical *canonical, uint64_t begin, uint64_t end)
{
    uint32_t low = 0, high = canonical->block_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (canonical->blocks[middle].begin <= begin) low = middle;
        else high = middle;
    }
    while (low != 0 && canonical->blocks[low].end < end) low = canonical->blocks[low].parent;
    return low;
}

/* What the chunker said of the chunk goes behind what the library says. */
static int pass_on(void *user, const ql_chunk *chunk)
{
    foreign_run *self = user;
    ql_str added = self->items[chunk->index].metadata_json;
    if (added.len == 0) return self->emit(self->user, chunk);
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &json);
    ql__json_object(&writer);
    ql__json_members(&writer, chunk->metadata_json);
    ql__json_members(&writer, added);
    ql__json_object_end(&writer);
    ql_chunk whole = *chunk;
    whole.metadata_json = ql_buf_str(&json);
    if (json.status >= 0) return self->emit(self->user, &whole);
    self->status = ql__fail_nomem(self->err);
    return 1;
}

static ql_status describe_all(foreign_run *self, const ql_chunk_options *options)
{
    ql__chunk_out out;
    ql_status status = QL_OK;
    ql__chunk_out_init(&out, self->canonical, options, pass_on, self);
    for (size_t i = 0; i < self->count && status >= 0; i++) {
        const ql_chunk *item = &self->items[i];
        const ql__chunk_range range = {item->begin, item->end, item->overlap_bytes, item->tokens, find_block(self->canonical, item->begin + item->overlap_bytes, item->end)};
        status = ql__chunk_out_emit(&out, &range, self->err);
    }
    ql__chunk_out_dispose(&out);
    return self->status < 0 ? self->status : status;
}

static ql_status cut(foreign_run *self, const ql_chunker_ops *ops, void *object, const ql_document *document, const ql_chunk_options *options, ql_error *err)
{
    ql_status status = ops->chunk_fn(object, document, self->canonical, options, on_chunk, self, err);
    if (self->status < 0) status = self->status;
    if (status >= 0) status = ql__chunks_verify(self->canonical, options, self->items, self->count, false, err);
    if (status < 0) ql__error_prefix(err, "the chunker '%s'", ops->name);
    return ql__fail_status(err, status);
}

ql_status ql__chunker_foreign_run(const ql_chunker_ops *ops, void *object, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options,
                                  ql_chunk_fn emit, void *user, ql_error *err)
{
    ql_error detail = {0};
    if (canonical->text.len == 0) return QL_OK;
    if (!ql__tree_is_sound(canonical)) return ql__fail(err, QL_E_INVALID, "block tree is not well-formed");
    foreign_run self = {.canonical = canonical, .measure = options->measure != NULL ? options->measure : ql__measure_characters(), .emit = emit, .user = user, .err = &detail,
                        .status = QL_OK};
    ql__arena_init(&self.arena, 0);
    ql_status status = cut(&self, ops, object, document, options, &detail);
    if (status >= 0) status = describe_all(&self, options);
    if (status < 0 && err != NULL) *err = detail;
    ql__free(self.items);
    ql__arena_dispose(&self.arena);
    return status;
}
