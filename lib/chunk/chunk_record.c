/*
 * From a range to a ql_chunk. The metadata keys are those of the reference where they mean something (chunk_index, chunking_strategy,
 * section_*, content_type_analysis, element_*, start_line, language, json_path, ...), never with text of the chunk repeated. Keys of
 * flags that are false and counts that are zero are written too, so that filters can rely on them. Invariants: chunks come in order;
 * lines are counted once. Threads: one document, one thread. Cost: linear in the chunk.
 */
#include "chunk/chunk_record.h"

#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "text/utf8.h"

#define WORDS_PER_MINUTE 200

void ql__chunk_out_init(ql__chunk_out *self, const ql_canonical *canonical, ql__meter *meter, const ql_chunk_options *options, ql_chunk_fn emit, void *user)
{
    memset(self, 0, sizeof *self);
    self->canonical = canonical;
    self->meter = meter;
    self->options = options;
    self->emit = emit;
    self->user = user;
    self->path_block = QL_BLOCK_NONE;
    ql_buf_init(&self->path, 0);
    ql_buf_init(&self->metadata, 0);
}

void ql__chunk_out_dispose(ql__chunk_out *self)
{
    ql_buf_dispose(&self->path);
    ql_buf_dispose(&self->metadata);
}

static bool is_named(const ql_block *block)
{
    return (block->kind == QL_BLOCK_SECTION || block->kind == QL_BLOCK_ELEMENT || block->kind == QL_BLOCK_VALUE) && block->label.len > 0;
}

/* The nearest block of a kind around `index`, itself included; QL_BLOCK_NONE when there is none. */
static uint32_t around(const ql_canonical *canonical, uint32_t index, ql_block_kind kind)
{
    while (index != QL_BLOCK_NONE && canonical->blocks[index].kind != kind) index = canonical->blocks[index].parent;
    return index;
}

static ql_str capped_label(ql_str label)
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
    for (uint32_t at = block; at != QL_BLOCK_NONE && count < QL_LIMIT_TREE_DEPTH; at = self->canonical->blocks[at].parent) {
        const ql_block *named = &self->canonical->blocks[at];
        if (!is_named(named) || (named->kind == QL_BLOCK_VALUE && value_seen)) continue;
        value_seen |= named->kind == QL_BLOCK_VALUE;
        labels[count] = capped_label(named->label);
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
    uint64_t key = is_end && at > 0 ? at - 1 : at;
    while (*index + 1 < canonical->map_count && canonical->map[*index + 1].begin <= key) ++*index;
    while (*index > 0 && canonical->map[*index].begin > key) --*index;
    const ql_range_map *entry = &canonical->map[*index];
    if (at <= entry->begin) return entry->source_begin;
    if (at >= entry->begin + entry->len) return entry->source_end;
    if (entry->len == entry->source_end - entry->source_begin) return entry->source_begin + (at - entry->begin);
    return is_end ? entry->source_end : entry->source_begin;
}

/* 1-based line of canonical byte `at`. Mostly forward; back only over an overlap. */
static uint64_t line_of(ql__chunk_out *self, uint64_t at)
{
    const char *text = self->canonical->text.ptr;
    while (self->line_at < at) {
        const char *newline = memchr(text + self->line_at, '\n', (size_t)(at - self->line_at));
        self->line_at = newline ? (uint64_t)(newline - text) + 1 : at;
        if (newline) self->line++;
    }
    while (self->line_at > at) {
        self->line_at--;
        if (text[self->line_at] == '\n') self->line--;
    }
    return self->line + 1;
}

static uint64_t count_words(ql_str text)
{
    uint64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        bool blank = text.ptr[i] == ' ' || (text.ptr[i] >= '\t' && text.ptr[i] <= '\r');
        words += !blank && !inside;
        inside = !blank;
    }
    return words;
}

static uint64_t count_characters(ql_str text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.len; i++) count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

typedef struct kinds_seen {
    bool code, table;
    uint64_t paragraphs;
    ql_str language;
} kinds_seen;

static void see_block(const ql_block *block, kinds_seen *seen)
{
    seen->paragraphs += block->kind == QL_BLOCK_PARAGRAPH;
    seen->table |= block->kind == QL_BLOCK_TABLE;
    if (block->kind == QL_BLOCK_CODE) {
        seen->code = true;
        if (seen->language.len == 0) seen->language = block->label;
    }
}

/* Which blocks touch [begin, end). begin only grows from call to call, so that the cursor passes every block once. */
static kinds_seen see_blocks(ql__chunk_out *self, uint64_t begin, uint64_t end)
{
    const ql_block *blocks = self->canonical->blocks;
    const uint32_t count = self->canonical->block_count;
    kinds_seen seen = {0};
    while (self->block_cursor < count && blocks[self->block_cursor].begin < begin) self->block_cursor++;
    /* What began earlier and reaches into the range is the last of those blocks or around it. */
    for (uint32_t at = self->block_cursor - (self->block_cursor > 0); at != QL_BLOCK_NONE; at = blocks[at].parent) {
        if (blocks[at].end > begin) see_block(&blocks[at], &seen);
    }
    for (uint32_t i = self->block_cursor; i < count && blocks[i].begin < end; i++) see_block(&blocks[i], &seen);
    return seen;
}

static bool contains(ql_str text, const char *needle)
{
    return memmem(text.ptr, text.len, needle, strlen(needle)) != NULL;
}

static void write_analysis(ql__json_writer *json, ql_str text, const kinds_seen *seen)
{
    uint64_t words = count_words(text);
    ql__json_key(json, "content_type_analysis");
    ql__json_object(json);
    ql__json_key(json, "has_code_blocks");
    ql__json_bool(json, seen->code);
    ql__json_key(json, "has_tables");
    ql__json_bool(json, seen->table);
    ql__json_key(json, "has_images");
    ql__json_bool(json, contains(text, "!["));
    ql__json_key(json, "has_links");
    ql__json_bool(json, contains(text, "](") || contains(text, "://"));
    ql__json_key(json, "word_count");
    ql__json_uint(json, words);
    ql__json_key(json, "char_count");
    ql__json_uint(json, count_characters(text));
    ql__json_key(json, "estimated_read_time");
    ql__json_uint(json, words < WORDS_PER_MINUTE ? words > 0 : words / WORDS_PER_MINUTE);
    ql__json_key(json, "paragraph_count");
    ql__json_uint(json, seen->paragraphs);
    ql__json_object_end(json);
}

static void write_section(ql__chunk_out *self, ql__json_writer *json, uint32_t block)
{
    const ql_canonical *canonical = self->canonical;
    uint32_t section = around(canonical, block, QL_BLOCK_SECTION);
    uint32_t depth = 0;
    for (uint32_t at = section; at != QL_BLOCK_NONE; at = canonical->blocks[at].parent) depth += canonical->blocks[at].kind == QL_BLOCK_SECTION;
    if (section != QL_BLOCK_NONE) {
        char type[16] = "h0";
        unsigned level = canonical->blocks[section].level;
        type[1] = (char)('0' + (level > 9 ? 9 : level));
        ql__json_key(json, "section_title");
        ql__json_string(json, capped_label(canonical->blocks[section].label));
        ql__json_key(json, "section_type");
        ql__json_cstring(json, type);
        ql__json_key(json, "section_level");
        ql__json_uint(json, level);
    } else {
        ql__json_key(json, "section_type");
        ql__json_cstring(json, "content");
    }
    ql__json_key(json, "section_depth");
    ql__json_uint(json, depth);
    ql__json_key(json, "section_breadcrumb");
    ql__json_string(json, ql_buf_str(&self->path));
}

static void write_element(ql__json_writer *json, const ql_canonical *canonical, uint32_t block)
{
    uint32_t element = around(canonical, block, QL_BLOCK_ELEMENT);
    if (element != QL_BLOCK_NONE) {
        ql__json_key(json, "element_type");
        ql__json_string(json, canonical->blocks[element].detail);
        ql__json_key(json, "element_name");
        ql__json_string(json, capped_label(canonical->blocks[element].label));
    }
    uint32_t value = around(canonical, block, QL_BLOCK_VALUE), depth = 0;
    if (value != QL_BLOCK_NONE) {
        for (uint32_t at = canonical->blocks[value].parent; at != QL_BLOCK_NONE; at = canonical->blocks[at].parent) depth += canonical->blocks[at].kind == QL_BLOCK_VALUE;
        ql__json_key(json, "json_path");
        ql__json_string(json, capped_label(canonical->blocks[value].label));
        ql__json_key(json, "json_type");
        ql__json_string(json, canonical->blocks[value].detail);
        ql__json_key(json, "nesting_level");
        ql__json_uint(json, depth);
    }
}

static ql_status write_metadata(ql__chunk_out *self, const ql_chunk *chunk, uint32_t block)
{
    const ql_canonical *canonical = self->canonical;
    const kinds_seen seen = see_blocks(self, chunk->begin + chunk->overlap_bytes, chunk->end);
    ql__json_writer json;
    ql_buf_clear(&self->metadata);
    ql__json_begin(&json, &self->metadata);
    ql__json_object(&json);
    ql__json_key(&json, "chunk_index");
    ql__json_uint(&json, chunk->index);
    ql__json_key(&json, "chunking_strategy");
    ql__json_string(&json, canonical->strategy);
    write_section(self, &json, block);
    write_element(&json, canonical, block);
    if (seen.language.len > 0) {
        ql__json_key(&json, "language");
        ql__json_string(&json, capped_label(seen.language));
    }
    if (!ql_str_equal(canonical->strategy, QL_STR("html_modular"))) { /* canonical lines are the original's */
        uint64_t start_line = line_of(self, chunk->begin);
        ql__json_key(&json, "start_line");
        ql__json_uint(&json, start_line);
        ql__json_key(&json, "end_line");
        ql__json_uint(&json, line_of(self, chunk->end - 1));
    }
    if (!ql_str_equal(canonical->strategy, QL_STR("json"))) write_analysis(&json, chunk->text, &seen);
    ql__json_key(&json, "source_begin");
    ql__json_uint(&json, chunk->source_begin);
    ql__json_key(&json, "source_end");
    ql__json_uint(&json, chunk->source_end);
    ql__json_object_end(&json);
    return self->metadata.status;
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
    if (write_metadata(self, &chunk, range->block) < 0) return ql__fail_nomem(err);
    chunk.metadata_json = ql_buf_str(&self->metadata);
    int stop = self->emit(self->user, &chunk);
    if (stop != 0) {
        ql_status status = ql__fail(err, QL_E_CALLBACK, "stopped at chunk %u", (unsigned)chunk.index);
        if (err) err->callback_value = stop;
        return status;
    }
    self->count++;
    return QL_OK;
}
