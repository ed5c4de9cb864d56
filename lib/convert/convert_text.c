/*
 * Plain text of any kind, the converter of last resort. Canonical text is the decoded source. Prose is cut into paragraphs at
 * empty lines; configuration and source formats without a converter of their own are one CODE block, tables of values and
 * logs one OTHER block: the chunker cuts both at lines. Threads: no state. Cost: linear.
 */
#include "convert/convert.h"

#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "convert/block_build.h"
#include "convert/text_blocks.h"

bool ql__type_is_one_of(ql_str type, const char *const *types)
{
    for (; *types; types++) {
        if (ql_str_equal(type, ql_str_of(*types))) return true;
    }
    return false;
}

static bool is_code_like(ql_str type)
{
    static const char *const types[] = {
        "yaml", "yml", "toml", "ini", "cfg", "conf", "properties", "env", "xml", "xsd", "svg", "css", "scss", "less", "h", "hpp", "hh", "lua", "pl", "pm",
        "r", "jl", "m", "mm", "vb", "ps1", "bat", "cmd", "zsh", "fish", "tf", "hcl", "proto", "thrift", "graphql", "cmake", "mk", "make", "gradle",
        "dockerfile", "makefile", "asm", "s", "d", "f90", "pas", "hs", "ml", "clj", "ex", "exs", "erl", "nix", "vue", "diff", "patch", NULL};
    return ql__type_is_one_of(type, types);
}

static bool is_line_like(ql_str type)
{
    static const char *const types[] = {"csv", "tsv", "log", "srt", "vtt", "po", "json", "jsonl", "ndjson", NULL};
    return ql__type_is_one_of(type, types);
}

static bool is_blank(ql_str text, uint64_t begin, uint64_t end)
{
    while (begin < end && (text.ptr[begin] == ' ' || (text.ptr[begin] >= '\t' && text.ptr[begin] <= '\r'))) begin++;
    return begin == end;
}

void ql__text_paragraphs(ql__blocks *blocks, ql_str text, uint64_t begin, uint64_t end)
{
    uint64_t start = begin, at = begin;
    while (at < end) {
        const char *newline = memchr(text.ptr + at, '\n', (size_t)(end - at));
        uint64_t line_begin = at;
        at = newline ? (uint64_t)(newline - text.ptr) + 1 : end;
        /* Short paragraphs share a block: a block costs 64 bytes. */
        if (at - start >= QL__PARAGRAPH_BYTES_MIN && is_blank(text, line_begin, at)) {
            (void)ql__blocks_leaf(blocks, QL_BLOCK_PARAGRAPH, 0, start, at, (ql_str){0}, (ql_str){0});
            start = at;
        }
    }
    if (!is_blank(text, start, end)) (void)ql__blocks_leaf(blocks, QL_BLOCK_PARAGRAPH, 0, start, end, (ql_str){0}, (ql_str){0});
}

ql_status ql__text_canonical(ql_str content_type, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    ql__blocks blocks;
    ql__blocks_init(&blocks, out->text.len);
    if (is_code_like(content_type)) {
        (void)ql__blocks_leaf(&blocks, QL_BLOCK_CODE, 0, 0, out->text.len, ql__blocks_label(&blocks, arena, content_type), (ql_str){0});
    } else if (is_line_like(content_type)) {
        (void)ql__blocks_leaf(&blocks, QL_BLOCK_OTHER, 0, 0, out->text.len, (ql_str){0}, (ql_str){0});
    } else {
        ql__text_paragraphs(&blocks, out->text, 0, out->text.len);
    }
    ql_status status = ql__blocks_finish(&blocks, arena, out, err);
    ql__blocks_dispose(&blocks);
    out->strategy = QL_STR("default_modular");
    return status;
}

ql_status ql__convert_begin(const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    bool binary;
    *out = (ql_canonical){.struct_size = sizeof *out};
    if (document->content.len > QL_LIMIT_DOCUMENT_BYTES) {
        return ql__fail(err, QL_E_LIMIT, "document of %zu bytes, limit %zu", document->content.len, QL_LIMIT_DOCUMENT_BYTES);
    }
    QL_TRY(ql__convert_decode(document->content, arena, out, &binary, err));
    if (binary) return ql__fail(err, QL_E_FORMAT, "not a text");
    return QL_OK;
}

static bool accepts(void *self, const ql_document *document)
{
    (void)self;
    (void)document;
    return true;
}

static ql_status convert(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    (void)self;
    ql_canonical canonical;
    QL_TRY(ql__convert_begin(document, arena, &canonical, err));
    QL_TRY(ql__text_canonical(document->content_type, arena, &canonical, err));
    *out = canonical;
    return QL_OK;
}

const ql_converter_ops *ql__convert_text(void)
{
    static const ql_converter_ops ops = {.struct_size = sizeof ops, .name = "text", .accepts_fn = accepts, .convert_fn = convert};
    return &ops;
}
