/*
 * An application's chunker says where to cut; everything else about a chunk is found here, so that its chunks are described as the built-in
 * one's. All ranges are taken before the first chunk goes on: the guarantees are about their whole. A cut inside a grapheme cluster moves to its
 * beginning, since an application has no means to know of it.
 *
 * Threads: one document, one thread. Cost: each chunk is measured twice; a search over the blocks for each.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "chunk/chunk.h"
#include "chunk/chunk_record.h"
#include "dep/json.h"
#include "model/canonical.h"
#include "text/utf8.h"

typedef struct foreign_run {
    const ql_canonical *canonical;
    const ql_measure *measure;
    ql__arena arena;   /* metadata that came with chunks */
    ql_chunk *items;
    size_t count, capacity, said_count;
    uint64_t said_end; /* where the last chunk ends as the chunker said it; covered: as it is */
    uint64_t covered;
    ql_chunk_fn emit;  /* of the caller */
    void *user;
    ql_error *err;
    ql_status status;  /* why the chunker was told to stop */
} foreign_run;

static ql_status add_chunk(foreign_run *self, uint64_t begin, uint64_t end, ql_str metadata_json)
{
    ql_str text = self->canonical->text;
    ql_chunk own = {.struct_size = sizeof own, .index = (uint32_t)self->count, .text = {text.ptr + begin, (size_t)(end - begin)}, .begin = begin, .end = end,
                    .overlap_bytes = self->covered - begin};
    own.tokens = (uint32_t)self->measure->units_fn(self->measure->user, own.text, NULL, 0);
    if (!ql__arena_copy(&self->arena, metadata_json, &own.metadata_json) || !ql__array_push(self->items, self->count, self->capacity, own)) return ql__fail_nomem(self->err);
    self->covered = end;
    return QL_OK;
}

/* The way back from a place may be as long as the text (flags in a row), so it ends where the chunk before begins. */
static uint64_t grapheme_floor(const foreign_run *self, uint64_t at)
{
    ql_str text = self->canonical->text;
    uint64_t base = self->count > 0 && self->items[self->count - 1].begin <= at ? self->items[self->count - 1].begin : 0;
    return base + ql__grapheme_floor((ql_str){text.ptr + base, text.len - (size_t)base}, (size_t)(at - base));
}

static ql_status take_range(foreign_run *self, const ql_chunk *given)
{
    ql_str text = self->canonical->text;
    size_t said = self->said_count++;
    if (said == QL_LIMIT_FOREIGN_CHUNKS) return ql__fail(self->err, QL_E_LIMIT, "more than %d chunks of one document", QL_LIMIT_FOREIGN_CHUNKS);
    if (given->begin >= given->end || given->end > text.len || given->begin > self->said_end)
        return ql__fail(self->err, QL_E_INVALID, "chunk %zu is [%llu, %llu) of %zu bytes, after %llu", said, (unsigned long long)given->begin, (unsigned long long)given->end,
                        text.len, (unsigned long long)self->said_end);
    if (given->metadata_json.ptr == NULL && given->metadata_json.len > 0) return ql__fail(self->err, QL_E_INVALID, "the metadata of chunk %zu has bytes, but its ptr is NULL", said);
    if (given->metadata_json.len > QL_LIMIT_FOREIGN_METADATA_BYTES)
        return ql__fail(self->err, QL_E_LIMIT, "the metadata of chunk %zu has more than %zu bytes", said, QL_LIMIT_FOREIGN_METADATA_BYTES);
    ql_status status = given->metadata_json.len > 0 ? ql__json_check_object(given->metadata_json, self->err) : QL_OK;
    if (status < 0) {
        ql__error_prefix(self->err, "the metadata of chunk %zu", said);
        return status;
    }
    uint64_t begin = given->begin == self->said_end ? self->covered : grapheme_floor(self, given->begin);
    uint64_t end = given->end == text.len ? text.len : grapheme_floor(self, given->end);
    self->said_end = given->end;
    assert(begin <= self->covered); /* a cut that lies before another does not move behind it */
    return end > self->covered ? add_chunk(self, begin, end, given->metadata_json) : QL_OK; /* all of it moved on to the next one */
}

static int on_chunk(void *user, const ql_chunk *chunk)
{
    foreign_run *self = user;
    if (chunk == NULL) self->status = ql__fail(self->err, QL_E_INVALID, "chunk %zu is NULL", self->said_count);
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

/* What the chunker said of the chunk goes behind what the library says, which comes first where both name a key. */
static ql_status join_metadata(ql_str own_json, ql_str added_json, ql_buf *out, ql_error *err)
{
    ql__json *own = NULL, *added = NULL;
    ql__json_writer writer;
    void *iter = NULL;
    ql_str key;
    const ql__json *value;
    ql_status status = ql__json_parse(own_json, &own, err);
    if (status >= 0) status = ql__json_parse(added_json, &added, err);
    ql__json_begin(&writer, out);
    ql__json_object(&writer);
    ql__json_members(&writer, own_json);
    while (status >= 0 && ql__json_next(added, &iter, &key, &value)) {
        assert(memchr(key.ptr, '\0', key.len) == NULL); /* the reader refuses such keys */
        if (ql__json_get(own, key.ptr) != NULL) continue;
        ql__json_key(&writer, key.ptr);
        status = ql__json_put(&writer, value, err);
    }
    ql__json_free(own);
    ql__json_free(added);
    if (status < 0) return status;
    ql__json_object_end(&writer);
    return out->status < 0 ? ql__fail_nomem(err) : QL_OK;
}

static int pass_on(void *user, const ql_chunk *chunk)
{
    foreign_run *self = user;
    ql_str added = self->items[chunk->index].metadata_json;
    if (added.len == 0) return self->emit(self->user, chunk);
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql_chunk whole = *chunk;
    self->status = join_metadata(chunk->metadata_json, added, &json, self->err);
    whole.metadata_json = ql_buf_str(&json);
    return self->status < 0 ? 1 : self->emit(self->user, &whole);
}

static ql_status describe_all(foreign_run *self, const ql_chunk_options *options, ql_error *err)
{
    ql__chunk_out out;
    ql_status status = QL_OK;
    ql__chunk_out_init(&out, self->canonical, options, pass_on, self);
    for (size_t i = 0; i < self->count && status >= 0; i++) {
        const ql_chunk *item = &self->items[i];
        const ql__chunk_range range = {item->begin, item->end, item->overlap_bytes, item->tokens, find_block(self->canonical, item->begin + item->overlap_bytes, item->end)};
        status = ql__chunk_out_emit(&out, &range, err);
    }
    ql__chunk_out_dispose(&out);
    return status;
}

/* The failure of a step that ran inside a callback comes before what the callback's stop looks like from outside. */
static ql_status settle(foreign_run *self, ql_status status, const ql_error *inner, ql_error *outer)
{
    if (self->status >= 0) return status;
    *outer = *inner;
    return self->status;
}

static ql_status cut(foreign_run *self, const ql_chunker_ops *ops, void *object, const ql_document *document, const ql_chunk_options *options, ql_error *err)
{
    ql_error inner = {0}, answer = {0};
    self->err = &inner;
    ql_status status = ql__callback_status(ops->chunk_fn(object, document, self->canonical, options, on_chunk, self, &answer), &answer, err);
    status = settle(self, status, &inner, err);
    if (status == QL_E_CALLBACK) status = ql__fail(err, QL_E_INVALID, "says that it was stopped, but nobody stopped it");
    if (status >= 0) status = ql__chunks_verify(self->canonical, options, self->items, self->count, false, err);
    if (status < 0) ql__error_prefix(err, "the chunker '%s'", ops->name);
    return status;
}

static ql_status run(foreign_run *self, const ql_chunker_ops *ops, void *object, const ql_document *document, const ql_chunk_options *options, ql_error *err)
{
    ql_error inner = {0};
    QL_TRY(cut(self, ops, object, document, options, err));
    self->err = &inner;
    return settle(self, describe_all(self, options, err), &inner, err);
}

ql_status ql__chunker_foreign_run(const ql_chunker_ops *ops, void *object, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options,
                                  ql_chunk_fn emit, void *user, ql_error *err)
{
    ql_error detail = {0};
    if (canonical->text.len == 0) return QL_OK;
    if (!ql__tree_is_sound(canonical)) return ql__fail(err, QL_E_INVALID, "block tree is not well-formed");
    foreign_run self = {.canonical = canonical, .measure = options->measure != NULL ? options->measure : ql__measure_characters(), .emit = emit, .user = user, .status = QL_OK};
    ql__arena_init(&self.arena, 0);
    ql_status status = run(&self, ops, object, document, options, &detail);
    if (status < 0 && err != NULL) *err = detail;
    ql__free(self.items);
    ql__arena_dispose(&self.arena);
    return ql__fail_status(err, status);
}
