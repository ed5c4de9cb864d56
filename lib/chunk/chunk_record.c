/*
 * From a range to a ql_chunk: its section path and where it came from. Invariant: chunks come in order. Threads: one document, one
 * thread. Cost: linear in the chunk.
 */
#include "chunk/chunk_record.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "text/utf8.h"

void ql__chunk_out_init(ql__chunk_out *self, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *user)
{
    memset(self, 0, sizeof *self);
    self->canonical = canonical;
    self->options = options;
    self->emit = emit;
    self->user = user;
    self->path_block = QL_BLOCK_NONE;
    ql_buf_init(&self->path, 0);
    ql__chunk_metadata_init(&self->metadata, canonical);
}

void ql__chunk_out_dispose(ql__chunk_out *self)
{
    ql_buf_dispose(&self->path);
    ql__chunk_metadata_dispose(&self->metadata);
}

static bool is_named(const ql_block *block)
{
    return (block->kind == QL_BLOCK_SECTION || block->kind == QL_BLOCK_ELEMENT || block->kind == QL_BLOCK_VALUE) && block->label.len > 0;
}

ql_str ql__label_capped(ql_str label)
{
    if (label.len > QL_LIMIT_LABEL_BYTES) label.len = ql__grapheme_floor(label, QL_LIMIT_LABEL_BYTES);
    return label;
}

/* Labels from the outside in. A VALUE's label is a whole JSON path already, so only the innermost one counts. */
static ql_status write_path(ql__chunk_out *self, uint32_t block)
{
    ql_str labels[QL_LIMIT_TREE_DEPTH];
    size_t count = 0, bytes = 0;
    bool value_seen = false;
    for (uint32_t at = block; at != QL_BLOCK_NONE; at = self->canonical->blocks[at].parent) {
        const ql_block *named = &self->canonical->blocks[at];
        if (!is_named(named) || (named->kind == QL_BLOCK_VALUE && value_seen)) continue;
        value_seen |= named->kind == QL_BLOCK_VALUE;
        assert(count < QL_LIMIT_TREE_DEPTH); /* a sound tree is no deeper */
        labels[count] = ql__label_capped(named->label);
        bytes += labels[count].len + 3;
        if (bytes > QL_LIMIT_SECTION_PATH_BYTES) break;
        count++;
    }
    ql_buf_clear(&self->path);
    while (count-- > 0) {
        ql_buf_append(&self->path, labels[count]);
        if (count > 0) ql_buf_append(&self->path, QL_STR(" > "));
    }
    self->path_block = block;
    return self->path.status;
}

/* Where canonical byte `at` came from. Inside an entry of equal lengths exact, else its begin or, for an end, its end. */
static uint64_t source_of(const ql__chunk_out *self, size_t *index, uint64_t at, bool is_end)
{
    const ql_canonical *canonical = self->canonical;
    if (!canonical->map) return at;
    if (canonical->map_count == 0) return 0;
    /* An end belongs to the entry that holds the byte before it. */
    assert(!is_end || at > 0);
    uint64_t key = is_end ? at - 1 : at;
    while (*index + 1 < canonical->map_count && canonical->map[*index + 1].begin <= key) ++*index;
    while (*index > 0 && canonical->map[*index].begin > key) --*index;
    const ql_range_map *entry = &canonical->map[*index];
    if (at <= entry->begin) return entry->source_begin;
    if (at >= entry->begin + entry->len) return entry->source_end;
    if (entry->len == entry->source_end - entry->source_begin) return entry->source_begin + (at - entry->begin);
    return is_end ? entry->source_end : entry->source_begin;
}

ql_status ql__chunk_out_emit(ql__chunk_out *self, const ql__chunk_range *range, ql_error *err)
{
    if (self->options->chunks_max > 0 && self->count >= self->options->chunks_max) self->capped = true;
    if (self->capped) return QL_OK;
    if (range->block != self->path_block && write_path(self, range->block) < 0) return ql__fail_nomem(err);
    ql_chunk chunk = {
        .struct_size = sizeof chunk, .index = self->count, .text = {self->canonical->text.ptr + range->begin, (size_t)(range->end - range->begin)},
        .begin = range->begin, .end = range->end, .overlap_bytes = range->overlap_bytes, .tokens = range->tokens, .section_path = ql_buf_str(&self->path),
    };
    chunk.source_begin = source_of(self, &self->map_index, range->begin, false);
    size_t end_index = self->map_index;
    chunk.source_end = source_of(self, &end_index, range->end, true);
    if (ql__chunk_metadata_write(&self->metadata, &chunk, range->block, &chunk.metadata_json) < 0) return ql__fail_nomem(err);
    int stop = self->emit(self->user, &chunk);
    if (stop != 0) {
        ql_status status = ql__fail(err, QL_E_CALLBACK, "stopped at chunk %u", (unsigned)chunk.index);
        if (err) err->callback_value = stop;
        return status;
    }
    self->count++;
    return QL_OK;
}
