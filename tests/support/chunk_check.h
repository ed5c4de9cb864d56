/*
 * Helpers for tests of converters and chunkers: seeded documents of every format, a measure that behaves like a
 * sub-word tokenizer, a run through converter and chunker that checks all guarantees. Header only, for single test programs.
 */
#ifndef QL_CHUNK_CHECK_H
#define QL_CHUNK_CHECK_H

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/array.h"
#include "chunk/chunk.h"
#include "convert/convert.h"
#include "support/testing.h"
#include "text/utf8.h"

/* ---- random numbers: the same everywhere ---- */

static uint64_t check_seed = 1;

static inline uint32_t check_random(uint32_t bound)
{
    check_seed ^= check_seed << 13;
    check_seed ^= check_seed >> 7;
    check_seed ^= check_seed << 17;
    return (uint32_t)((check_seed >> 11) % bound);
}

/* ---- a measure like WordPiece: not additive inside words ---- */

/* Words and single punctuation marks; a word of more than six bytes is pieces of four, one of more than 100 bytes is one unit. */
static inline size_t check_tokens(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    (void)user;
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        unsigned char c = (unsigned char)text.ptr[at];
        size_t end = at + 1;
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            at++;
            continue;
        }
        bool word = c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        while (word && end < text.len) {
            unsigned char d = (unsigned char)text.ptr[end];
            if (!(d >= 0x80 || (d >= '0' && d <= '9') || ((d | 32) >= 'a' && (d | 32) <= 'z'))) break;
            end++;
        }
        size_t step = end - at > 100 ? end - at : end - at > 6 ? 4 : end - at;
        for (size_t piece = at; piece < end; piece += step) {
            if (count < capacity) starts[count] = (uint32_t)piece;
            count++;
        }
        at = end;
    }
    return count;
}

static const ql_measure check_measure_tokens = {.struct_size = sizeof(ql_measure), .unit = "tokens", .units_fn = check_tokens};

/* ---- running a converter and the chunker ---- */

typedef struct check_chunks {
    ql_chunk *items; /* path and metadata are copies in `arena` */
    size_t count, capacity;
    struct ql_arena arena;
    ql_canonical canonical;
} check_chunks;

static int check_collect(void *user, const ql_chunk *chunk)
{
    check_chunks *self = user;
    ql_chunk copy = *chunk;
    assert_true(ql__arena_copy(&self->arena.arena, chunk->section_path, &copy.section_path));
    assert_true(ql__arena_copy(&self->arena.arena, chunk->metadata_json, &copy.metadata_json));
    assert_true(ql__array_push(self->items, self->count, self->capacity, copy));
    return 0;
}

static inline void check_chunks_free(check_chunks *self)
{
    ql__free(self->items);
    ql__arena_dispose(&self->arena.arena);
    memset(self, 0, sizeof *self);
}

/* Blocks nest, stay in order and inside their parents. */
static inline void check_tree(const ql_canonical *canonical)
{
    const ql_block *blocks = canonical->blocks;
    assert_true(canonical->block_count >= 1);
    assert_int_equal(blocks[0].begin, 0);
    assert_int_equal(blocks[0].end, canonical->text.len);
    assert_int_equal(blocks[0].next, canonical->block_count);
    for (uint32_t i = 1; i < canonical->block_count; i++) {
        assert_true(blocks[i].parent < i);
        const ql_block *parent = &blocks[blocks[i].parent];
        assert_true(blocks[i].begin >= parent->begin && blocks[i].begin <= blocks[i].end && blocks[i].end <= parent->end);
        assert_true(blocks[i].next > i && blocks[i].next <= parent->next);
        if (blocks[i].next < parent->next) assert_true(blocks[blocks[i].next].begin >= blocks[i].end);
        assert_true(ql__utf8_valid(blocks[i].label));
    }
}

static inline void check_convert(const ql_converter_ops *converter, ql_str content_type, ql_str content, check_chunks *out)
{
    ql_error err = {0};
    const ql_document document = {.struct_size = sizeof document, .url = QL_STR("test"), .content_type = content_type, .content = content,
                                  .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    memset(out, 0, sizeof *out);
    ql__arena_init(&out->arena.arena, 0);
    ql_status status = converter->convert_fn(NULL, &document, &out->arena, &out->canonical, &err);
    if (status < 0) fail_msg("convert: %s", err.message);
    assert_true(ql__utf8_valid(out->canonical.text));
    check_tree(&out->canonical);
}

static inline void check_chunk(const ql_chunk_options *options, check_chunks *out)
{
    ql_error err = {0};
    ql_document document = {.struct_size = sizeof document};
    ql_status status = ql__chunker_structure()->chunk_fn(NULL, &document, &out->canonical, options, check_collect, out, &err);
    if (status < 0) fail_msg("chunk: %s", err.message);
    status = ql__chunks_verify(&out->canonical, options, out->items, out->count, options->chunks_max > 0, &err);
    if (status < 0) fail_msg("verify: %s", err.message);
}

static inline void check_run(const ql_converter_ops *converter, const char *content_type, ql_str content, const ql_chunk_options *options, check_chunks *out)
{
    check_convert(converter, ql_str_of(content_type), content, out);
    check_chunk(options, out);
}

/* ---- nasty text ---- */

static inline void check_random_words(ql_buf *out, unsigned words)
{
    static const char *const pieces[] = {
        "the", "Index", "of", "retrieval", "a", "e.g.", "internationalisation", "x1", "Dr.", "says", "3.14", "end.", "Why?", "(yes)", "na\xc3\xafve", "e\xcc\x81" "clair",
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe6\x96\x87\xe7\xab\xa0\xe3\x80\x82", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa\xf0\x9f\x87\xab\xf0\x9f\x87\xb7",
        "\xe0\xb8\xa0\xe0\xb8\xb2\xe0\xb8\xa9\xe0\xb8\xb2\xe0\xb9\x84\xe0\xb8\x97\xe0\xb8\xa2", "\xed\x95\x9c\xea\xb5\xad", "averyveryverylongidentifierthatgoesonandonwithoutanyblankinitatallforsure", "a\xcc\x80\xcc\x81\xcc\x82\xcc\x83", "**bold**", "`code`",
        "[link](http://example.org/a)", "!", "\t", "  ", "|", "\\", "*", "_", "<b>", "&amp;", "\"", "{", "}", "[", "]", ":", ","};
    for (unsigned i = 0; i < words; i++) {
        ql_buf_append(out, ql_str_of(pieces[check_random(sizeof pieces / sizeof pieces[0])]));
        if (check_random(12) > 0) ql_buf_append_char(out, ' ');
        if (check_random(400) == 0) ql_buf_append_char(out, '\0');
        if (check_random(400) == 0) {
            for (unsigned n = check_random(200); n > 0; n--) ql_buf_append(out, QL_STR("\xcc\x81"));
        }
        if (check_random(300) == 0) {
            for (unsigned n = check_random(900); n > 0; n--) ql_buf_append_char(out, 'q');
        }
    }
}

static inline void check_random_prose(ql_buf *out, unsigned lines, const char *newline)
{
    for (unsigned i = 0; i < lines; i++) {
        check_random_words(out, check_random(30));
        ql_buf_append(out, ql_str_of(newline));
        if (check_random(5) == 0) ql_buf_append(out, ql_str_of(newline));
    }
}

static inline void check_random_markdown(ql_buf *out, unsigned lines, const char *newline)
{
    static const char *const leads[] = {
        "", "", "", "", "# ", "## ", "### ", "#### ", "- ", "* ", "+ ", "1. ", "2) ", "> ", "> > ", "  - ", "    ", "\t", "```", "```c", "~~~", "===", "---", "***", "| a | b |", "|---|:-:|", "| 1 |",
        "<div>", "<!-- ", "-->", "[ref]: http://a.example/", "- - - ", "> - 1. ", "   ", "#hash", "\\", "\xef\xbb\xbf"};
    if (check_random(8) == 0) ql_buf_append(out, QL_STR("---\ntitle: x\n---\n"));
    for (unsigned i = 0; i < lines; i++) {
        ql_buf_append(out, ql_str_of(leads[check_random(sizeof leads / sizeof leads[0])]));
        if (check_random(3) > 0) check_random_words(out, check_random(20));
        ql_buf_append(out, ql_str_of(check_random(40) == 0 ? "\r" : newline));
        if (check_random(4) == 0) ql_buf_append(out, ql_str_of(newline));
    }
}

static inline void check_random_json(ql_buf *out, unsigned depth, bool pretty)
{
    static const char *const scalars[] = {"1", "-2.5e3", "true", "null", "\"\"", "\"text with words\"", "\"\\\"quoted\\\\\"", "\"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\"", "\"\xcc\x81x\"", "{}", "[]"};
    unsigned pick = check_random(10);
    if (depth == 0 || pick < 4) {
        if (check_random(6) > 0) {
            ql_buf_append(out, ql_str_of(scalars[check_random(sizeof scalars / sizeof scalars[0])]));
        } else {
            ql_buf_append_char(out, '"');
            for (unsigned n = check_random(200); n > 0; n--) ql_buf_append(out, check_random(7) ? QL_STR("a") : QL_STR(" \xc3\xa9"));
            ql_buf_append_char(out, '"');
        }
        return;
    }
    ql_buf_append_char(out, pick < 7 ? '{' : '[');
    for (unsigned i = 0, n = check_random(9); i < n; i++) {
        if (i > 0) ql_buf_append_char(out, ',');
        if (pretty) ql_buf_append(out, QL_STR("\n  "));
        if (pick < 7) ql_buf_printf(out, "\"key.%u\":", check_random(100));
        check_random_json(out, depth - 1, pretty);
    }
    ql_buf_append_char(out, pick < 7 ? '}' : ']');
}

#endif
