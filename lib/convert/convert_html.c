/*
 * HTML pages: decoded, read twice by lexbor's tokenizer (html_scan.c), once to measure what is content (html_region.c), once to write
 * it as Markdown-like text (html_write.c). Threads: no state. Cost: linear in the page; memory is the decoded page, lexbor's text
 * buffer, the canonical text twice and a bounded number of blocks, never a document tree.
 */
#include "convert/convert.h"
#include "convert/text_blocks.h"

#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "html_charset.h"
#include "html_region.h"
#include "html_write.h"

static bool accepts(void *self, const ql_document *document)
{
    (void)self;
    static const char *const types[] = {"html", "htm", "xhtml", NULL};
    return ql__type_is_one_of(document->content_type, types);
}

/* A cursor over the decoding's map: canonical order is page order, so each entry is passed once. */
typedef struct page_map {
    const ql_range_map *entries;
    size_t count, at;
} page_map;

static uint64_t original_offset(page_map *self, uint64_t decoded)
{
    if (self->count == 0) return decoded;
    while (self->at + 1 < self->count && self->entries[self->at + 1].begin <= decoded) self->at++;
    const ql_range_map *e = &self->entries[self->at];
    if (decoded <= e->begin) return e->source_begin;
    uint64_t inside = decoded - e->begin, size = e->source_end - e->source_begin;
    if (inside >= e->len) return e->source_end;
    return e->source_begin + (size == e->len ? inside : inside * size / e->len);
}

static void *copy_array(ql_arena *arena, const void *items, size_t count, size_t size)
{
    void *copy = ql_arena_alloc(arena, count * size);
    if (copy && count > 0) memcpy(copy, items, count * size);
    return copy;
}

static bool copy_ranges(const ql__html_output *from, const ql_canonical *decoded, ql_arena *arena, ql_canonical *out)
{
    ql_range_map *map = copy_array(arena, from->map, from->map_count, sizeof *map);
    ql_removed *removed = copy_array(arena, from->removed, from->removed_count, sizeof *removed);
    if (!map || !removed) return false;
    page_map cursor = {decoded->map, decoded->map ? decoded->map_count : 0, 0};
    for (size_t i = 0; i < from->map_count; i++) {
        map[i].source_begin = original_offset(&cursor, map[i].source_begin);
        map[i].source_end = original_offset(&cursor, map[i].source_end);
    }
    cursor.at = 0;
    for (size_t i = 0; i < from->removed_count; i++) {
        removed[i].source_begin = original_offset(&cursor, removed[i].source_begin);
        removed[i].source_end = original_offset(&cursor, removed[i].source_end);
    }
    out->map = map;
    out->map_count = from->map_count;
    out->removed = removed;
    out->removed_count = from->removed_count;
    return true;
}

static bool copy_blocks(const ql__html_output *from, ql_arena *arena, ql_canonical *out)
{
    ql_str labels;
    ql_block *blocks = copy_array(arena, from->blocks, from->block_count, sizeof *blocks);
    if (!blocks || !ql__arena_copy(&arena->arena, ql_buf_str(&from->labels), &labels)) return false;
    for (size_t i = 0; i < from->block_count; i++) {
        if (blocks[i].label.len > 0) blocks[i].label.ptr = labels.ptr + (uintptr_t)blocks[i].label.ptr;
    }
    out->blocks = blocks;
    out->block_count = (uint32_t)from->block_count;
    return true;
}

static bool write_metadata(const ql__html_regions *regions, ql_arena *arena, ql_canonical *out)
{
    ql_buf text = QL_BUF_INIT;
    ql__json_writer json;
    ql__json_begin(&json, &text);
    ql__json_object(&json);
    ql__json_key(&json, "parsing_method");
    ql__json_cstring(&json, "html");
    if (regions->language.len > 0) {
        ql__json_member(&json, "html_language", ql_buf_str(&regions->language));
    }
    if (regions->description.len > 0) {
        ql__json_member(&json, "description", ql_buf_str(&regions->description));
    }
    ql__json_object_end(&json);
    bool ok = text.status >= 0 && ql__arena_copy(&arena->arena, ql_buf_str(&text), &out->metadata_json);
    ql_buf_dispose(&text);
    return ok;
}

static bool fill(const ql__html_output *from, const ql__html_regions *regions, const ql_canonical *decoded, ql_arena *arena, ql_canonical *out)
{
    *out = (ql_canonical){.struct_size = sizeof *out, .encoding = decoded->encoding, .strategy = QL_STR("html_modular")};
    if (!ql__arena_copy(&arena->arena, ql_buf_str(&from->text), &out->text)) return false;
    if (!copy_blocks(from, arena, out) || !copy_ranges(from, decoded, arena, out)) return false;
    if (!write_metadata(regions, arena, out)) return false;
    if (regions->title.len > 0) return ql__arena_copy(&arena->arena, ql_buf_str(&regions->title), &out->title);
    if (from->first_heading != QL_BLOCK_NONE) out->title = out->blocks[from->first_heading].label;
    return true;
}

/* A page that shows nothing still has its title. */
static ql_status add_title(ql__html_output *output, const ql__html_regions *regions, ql_error *err)
{
    if (output->text.len > 0 || regions->title.len == 0) return QL_OK;
    ql_buf_append(&output->text, QL_STR("# "));
    ql_buf_append(&output->text, ql_buf_str(&regions->title));
    ql_status status = ql_buf_append_char(&output->text, '\n');
    if (status < 0) return ql__fail_nomem(err);
    output->blocks[0].end = output->text.len;
    return QL_OK;
}

static ql_status convert_page(ql_str html, const ql__html_options *options, const ql_canonical *decoded, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    ql__html_regions regions;
    ql__html_output output;
    ql__html_regions_init(&regions);
    ql__html_output_init(&output);
    ql_status status = ql__html_regions_measure(&regions, html, options, err);
    if (status >= 0) status = ql__html_write(&output, html, &regions, options, err);
    if (status >= 0) status = add_title(&output, &regions, err);
    if (status >= 0 && !fill(&output, &regions, decoded, arena, out)) status = ql__fail_nomem(err);
    ql__html_output_dispose(&output);
    ql__html_regions_dispose(&regions);
    return status;
}

static bool is_xml(const ql_document *document, ql_str text)
{
    return ql_str_equal(document->content_type, QL_STR("xhtml")) || (text.len >= 5 && memcmp(text.ptr, "<?xml", 5) == 0);
}

static ql_status convert(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    (void)self;
    ql_canonical decoded = {.struct_size = sizeof decoded}, result;
    bool binary = false;
    if (document->content.len > QL_LIMIT_DOCUMENT_BYTES)
        return ql__fail(err, QL_E_LIMIT, "document of %zu bytes, limit %zu", document->content.len, QL_LIMIT_DOCUMENT_BYTES);
    QL_TRY(ql__html_decode(document->content, arena, &decoded, &binary, err));
    if (binary) return ql__fail(err, QL_E_FORMAT, "not a text");
    ql__html_options options = {.xml = is_xml(document, decoded.text)};
    QL_TRY(convert_page(decoded.text, &options, &decoded, arena, &result, err));
    *out = result;
    return QL_OK;
}

const ql_converter_ops *ql__convert_html(void)
{
    static const ql_converter_ops ops = {.struct_size = sizeof ops, .name = "html", .accepts_fn = accepts, .convert_fn = convert};
    return &ops;
}
