/*
 * The keys are those of the reference where they mean something (chunk_index, chunking_strategy, section_*, content_type_analysis,
 * element_*, start_line, language, json_path, cross_references, ...), never with text of the chunk repeated. Keys of flags that are
 * false and counts that are zero are written too, so that filters can rely on them. What is the same for all chunks of a document
 * (its id, title, url, number of chunks) is kept once with the document and joined when a chunk is read.
 * Invariants: chunks come in order; lines and blocks are passed once. Threads: one document, one thread. Cost: linear in the chunk.
 */
#include "chunk/chunk_metadata.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "text/lower.h"
#include "text/utf8.h"
#include "text/word_class.h"

#define WORDS_PER_MINUTE 200
#define LINKS_MAX 32         /* of one chunk; a page of links is a list, not prose that refers to something */
#define LINK_BYTES_MAX 2048

void ql__chunk_metadata_init(ql__chunk_metadata *self, const ql_canonical *canonical)
{
    *self = (ql__chunk_metadata){.canonical = canonical, .section = QL_BLOCK_NONE, .sub_index = UINT32_MAX};
    ql_buf_init(&self->json, 0);
}

void ql__chunk_metadata_dispose(ql__chunk_metadata *self)
{
    ql_buf_dispose(&self->json);
    ql__free(self->subsections);
}

/* The nearest block of a kind around `index`, itself included; QL_BLOCK_NONE when there is none. */
static uint32_t around(const ql_canonical *canonical, uint32_t index, ql_block_kind kind)
{
    while (index != QL_BLOCK_NONE && canonical->blocks[index].kind != kind) index = canonical->blocks[index].parent;
    return index;
}

/* 1-based line of canonical byte `at`. Mostly forward; back only over an overlap. */
static uint64_t line_of(ql__chunk_metadata *self, uint64_t at)
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
static kinds_seen see_blocks(ql__chunk_metadata *self, uint64_t begin, uint64_t end)
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

/* GitHub's rule for the anchor of a heading: lower case, blanks to hyphens, everything but letters, digits, '-' and '_' dropped. */
static void write_anchor(ql__chunk_metadata *self, ql__json_writer *json, ql_str title)
{
    QL_AUTO(ql_buf, ql_buf_dispose) lower = QL_BUF_INIT;
    QL_AUTO(ql_buf, ql_buf_dispose) anchor = QL_BUF_INIT;
    if (ql__utf8_lower(title, &lower, NULL) < 0) self->json.status = QL_E_NOMEM;
    ql_str text = ql_buf_str(&lower);
    for (size_t at = 0; at < text.len;) {
        uint32_t c = 0;
        size_t bytes = ql__utf8_next(text, at, &c);
        ql__word_class class = ql__word_class_of((int32_t)c);
        if (c == ' ' || c == '-') ql_buf_append_char(&anchor, '-');
        else if (class != QL__WORD_BREAK && class != QL__WORD_SKIP) ql_buf_append(&anchor, (ql_str){text.ptr + at, bytes});
        at += bytes;
    }
    if (anchor.status < 0) self->json.status = anchor.status;
    ql__json_member(json, "section_anchor", ql_buf_str(&anchor));
}

/* All counts in one pass, so that no section is walked for each of its chunks. */
static uint32_t count_subsections(ql__chunk_metadata *self, uint32_t section)
{
    const ql_canonical *canonical = self->canonical;
    if (self->subsections == NULL) {
        self->subsections = ql__alloc_zero(canonical->block_count, sizeof *self->subsections);
        if (self->subsections == NULL) {
            self->json.status = QL_E_NOMEM;
            return 0;
        }
        for (uint32_t i = 0; i < canonical->block_count; i++) {
            if (canonical->blocks[i].kind != QL_BLOCK_SECTION) continue;
            uint32_t outer = around(canonical, canonical->blocks[i].parent, QL_BLOCK_SECTION);
            if (outer != QL_BLOCK_NONE) self->subsections[outer]++;
        }
    }
    return self->subsections[section];
}

static void write_named_section(ql__chunk_metadata *self, ql__json_writer *json, uint32_t section)
{
    const ql_canonical *canonical = self->canonical;
    const ql_block *block = &canonical->blocks[section];
    char type[16] = "h0";
    type[1] = (char)('0' + (block->level > 9 ? 9 : block->level));
    ql__json_member(json, "section_title", ql__label_capped(block->label));
    ql__json_key(json, "section_type");
    ql__json_cstring(json, type);
    ql__json_key(json, "section_level");
    ql__json_uint(json, block->level);
    write_anchor(self, json, ql__label_capped(block->label));
    uint32_t outer = around(canonical, block->parent, QL_BLOCK_SECTION);
    if (outer != QL_BLOCK_NONE) {
        ql__json_member(json, "parent_section", ql__label_capped(canonical->blocks[outer].label));
    }
    uint32_t inner = count_subsections(self, section);
    ql__json_key(json, "has_subsections");
    ql__json_bool(json, inner > 0);
    ql__json_key(json, "total_subsections");
    ql__json_uint(json, inner);
}

static void write_section(ql__chunk_metadata *self, ql__json_writer *json, uint32_t block, ql_str path)
{
    const ql_canonical *canonical = self->canonical;
    uint32_t section = around(canonical, block, QL_BLOCK_SECTION);
    uint32_t depth = 0;
    for (uint32_t at = section; at != QL_BLOCK_NONE; at = canonical->blocks[at].parent) depth += canonical->blocks[at].kind == QL_BLOCK_SECTION;
    if (section != QL_BLOCK_NONE) {
        write_named_section(self, json, section);
    } else {
        ql__json_key(json, "section_type");
        ql__json_cstring(json, "content");
    }
    ql__json_key(json, "section_depth");
    ql__json_uint(json, depth);
    ql__json_member(json, "section_breadcrumb", path);
    self->sub_index = section == self->section ? self->sub_index + 1 : 0;
    self->section = section;
    ql__json_key(json, "sub_chunk_index");
    ql__json_uint(json, self->sub_index);
}

/* The inline link "[text](address" whose "](" is at `middle`; false when it is none or too long to be kept. */
static bool link_at(ql_str text, size_t middle, ql_str *label, ql_str *address)
{
    size_t begin = middle, end = middle + 2, depth = 1;
    while (begin > 0 && middle - begin < QL_LIMIT_LABEL_BYTES && depth > 0) {
        begin--;
        if (text.ptr[begin] == ']') depth++;
        if (text.ptr[begin] == '[') depth--;
    }
    while (end < text.len && end - middle <= LINK_BYTES_MAX && (unsigned char)text.ptr[end] > ' ' && text.ptr[end] != ')' && text.ptr[end] != ']') end++;
    if (depth > 0 || end == text.len || text.ptr[end] == ']' || end - middle > LINK_BYTES_MAX || end == middle + 2) return false;
    *label = (ql_str){text.ptr + begin + 1, middle - begin - 1};
    *address = (ql_str){text.ptr + middle + 2, end - middle - 2};
    return true;
}

static void write_links(ql__json_writer *json, ql_str text)
{
    size_t count = 0;
    for (size_t at = 0; at + 1 < text.len && count < LINKS_MAX; at++) {
        ql_str label, address;
        const char *found = memmem(text.ptr + at, text.len - at, "](", 2);
        if (found == NULL) break;
        at = (size_t)(found - text.ptr);
        if (!link_at(text, at, &label, &address)) continue;
        if (count++ == 0) {
            ql__json_key(json, "cross_references");
            ql__json_array(json);
        }
        ql__json_object(json);
        ql__json_member(json, "text", label);
        ql__json_member(json, "url", address);
        ql__json_object_end(json);
    }
    if (count > 0) ql__json_array_end(json);
}

static void write_element(ql__json_writer *json, const ql_canonical *canonical, uint32_t block)
{
    uint32_t element = around(canonical, block, QL_BLOCK_ELEMENT);
    if (element != QL_BLOCK_NONE) {
        ql__json_member(json, "element_type", canonical->blocks[element].detail);
        ql__json_member(json, "element_name", ql__label_capped(canonical->blocks[element].label));
    }
    uint32_t value = around(canonical, block, QL_BLOCK_VALUE), depth = 0;
    if (value != QL_BLOCK_NONE) {
        for (uint32_t at = canonical->blocks[value].parent; at != QL_BLOCK_NONE; at = canonical->blocks[at].parent) depth += canonical->blocks[at].kind == QL_BLOCK_VALUE;
        ql__json_member(json, "json_path", ql__label_capped(canonical->blocks[value].label));
        ql__json_member(json, "json_type", canonical->blocks[value].detail);
        ql__json_key(json, "nesting_level");
        ql__json_uint(json, depth);
    }
}

ql_status ql__chunk_metadata_write(ql__chunk_metadata *self, const ql_chunk *chunk, uint32_t block, ql_str *out)
{
    const ql_canonical *canonical = self->canonical;
    const kinds_seen seen = see_blocks(self, chunk->begin + chunk->overlap_bytes, chunk->end);
    bool is_markdown = ql_str_equal(canonical->strategy, QL_STR("markdown"));
    ql__json_writer json;
    ql_buf_clear(&self->json);
    ql__json_begin(&json, &self->json);
    ql__json_object(&json);
    ql__json_key(&json, "chunk_index");
    ql__json_uint(&json, chunk->index);
    ql__json_member(&json, "chunking_strategy", canonical->strategy);
    write_section(self, &json, block, chunk->section_path);
    write_element(&json, canonical, block);
    if (seen.language.len > 0) {
        ql__json_member(&json, "language", ql__label_capped(seen.language));
    }
    if (!ql_str_equal(canonical->strategy, QL_STR("html_modular"))) { /* canonical lines are the original's */
        uint64_t start_line = line_of(self, chunk->begin);
        ql__json_key(&json, "start_line");
        ql__json_uint(&json, start_line);
        ql__json_key(&json, "end_line");
        ql__json_uint(&json, line_of(self, chunk->end - 1));
    }
    if (!ql_str_equal(canonical->strategy, QL_STR("json"))) write_analysis(&json, chunk->text, &seen);
    if (is_markdown) write_links(&json, chunk->text);
    ql__json_key(&json, "source_begin");
    ql__json_uint(&json, chunk->source_begin);
    ql__json_key(&json, "source_end");
    ql__json_uint(&json, chunk->source_end);
    ql__json_object_end(&json);
    *out = ql_buf_str(&self->json);
    return self->json.status;
}
