/*
 * Source code: canonical text is the decoded source, blocks are its declarations (code_outline.c). A file whose grammar is not installed,
 * that is too large or that the parser gives up on is cut by lines, and its metadata says so. Threads: no state. Cost: linear.
 */
#include "convert/convert.h"

#include "base/limits.h"
#include "base/status.h"
#include "code_outline.h"
#include "convert/text_blocks.h"
#include "dep/json.h"

static bool accepts(void *self, const ql_document *document)
{
    (void)self;
    return ql__code_language_of(document->content_type) != NULL;
}

static const char *method_name(ql__code_method method)
{
    switch (method) {
    case QL__CODE_PARSED: return "tree_sitter";
    case QL__CODE_TOO_LARGE: return "lines (file too large to parse)";
    case QL__CODE_NO_GRAMMAR: return "lines (grammar not installed)";
    default: return "lines (parser gave up)";
    }
}

static bool write_metadata(const ql__code_language *language, ql__code_method method, ql_arena *arena, ql_canonical *out)
{
    ql_buf text = QL_BUF_INIT;
    ql__json_writer json;
    ql__json_begin(&json, &text);
    ql__json_object(&json);
    ql__json_key(&json, "language");
    ql__json_cstring(&json, language->name);
    ql__json_key(&json, "parsing_method");
    ql__json_cstring(&json, method_name(method));
    ql__json_object_end(&json);
    bool ok = text.status >= 0 && ql__arena_copy(&arena->arena, ql_buf_str(&text), &out->metadata_json);
    ql_buf_dispose(&text);
    return ok;
}

/* Whether there is a grammar. One that is not installed or not ours is no failure; want of memory is. */
static ql_status find_grammar(const ql__code_language *language, ql__code_grammar *out, bool *found, ql_error *err)
{
    ql_error detail = {0};
    ql_status status = ql__code_grammar_load(language, out, &detail);
    *found = status >= 0;
    if (ql_status_kind(status) != QL_E_NOMEM) return QL_OK;
    if (err) *err = detail;
    return status;
}

/* C and C++ share the extension h: whichever reads it with fewer errors. */
static ql_status settle_header(const ql_document *document, ql_str text, const ql__code_language **language, ql__code_grammar *grammar, ql_error *err)
{
    const ql__code_language *cpp = ql__code_language_of(QL_STR("hpp"));
    ql__code_grammar other;
    uint64_t errors = 0, others = 0;
    bool found = false;
    if (!ql_str_equal(document->content_type, QL_STR("h"))) return QL_OK;
    QL_TRY(ql__code_error_count(text, grammar, &errors, err));
    if (errors > 0) QL_TRY(find_grammar(cpp, &other, &found, err));
    if (!found) return QL_OK;
    QL_TRY(ql__code_error_count(text, &other, &others, err));
    if (others >= errors) return QL_OK;
    *grammar = other;
    *language = cpp;
    return QL_OK;
}

static ql_status add_blocks(const ql_document *document, ql__blocks *blocks, ql_str text, const ql__code_language **language, ql__code_method *method,
                            ql_arena *arena, ql_error *err)
{
    ql__code_grammar grammar;
    bool found = false;
    *method = QL__CODE_TOO_LARGE;
    if (text.len <= QL_LIMIT_CODE_BYTES) {
        QL_TRY(find_grammar(*language, &grammar, &found, err));
        *method = found ? QL__CODE_PARSED : QL__CODE_NO_GRAMMAR;
    }
    if (*method == QL__CODE_PARSED) {
        QL_TRY(settle_header(document, text, language, &grammar, err));
        ql_status status = ql__code_outline(blocks, text, *language, &grammar, arena, err);
        if (status != QL_DONE) return status;
        *method = QL__CODE_GAVE_UP;
    }
    ql__code_lines(blocks, text, *language);
    return QL_OK;
}

static ql_status convert(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    (void)self;
    ql_canonical result;
    QL_TRY(ql__convert_begin(document, arena, &result, err));
    const ql__code_language *language = ql__code_language_of(document->content_type);
    if (!language) return ql__fail(err, QL_E_INVALID, "content_type '%.*s' is no programming language", (int)document->content_type.len, document->content_type.ptr);
    ql__code_method method = QL__CODE_PARSED;
    ql__blocks blocks;
    ql__blocks_init(&blocks, result.text.len);
    ql_status status = add_blocks(document, &blocks, result.text, &language, &method, arena, err);
    if (status >= 0) status = ql__blocks_finish(&blocks, arena, &result, err);
    ql__blocks_dispose(&blocks);
    QL_TRY(status);
    if (!write_metadata(language, method, arena, &result)) return ql__fail_nomem(err);
    result.strategy = QL_STR("code_modular");
    *out = result;
    return QL_OK;
}

const ql_converter_ops *ql__convert_code(void)
{
    static const ql_converter_ops ops = {.struct_size = sizeof ops, .name = "code", .accepts_fn = accepts, .convert_fn = convert};
    return &ops;
}
