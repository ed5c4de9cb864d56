/*
 * Large and hostile documents: every guarantee holds, the work is linear (bytes measured per byte of text) and memory stays a small
 * multiple of the text. Chunks are verified as they come, so that the test itself holds nothing.
 */
#include "support/chunk_check.h"

#include "base/limits.h"

typedef struct streamed {
    const ql_canonical *canonical;
    const ql_chunk_options *options;
    uint64_t covered;
    size_t count;
} streamed;

static uint64_t measured_bytes;

static size_t counted_tokens(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    measured_bytes += text.len;
    return check_tokens(user, text, starts, capacity);
}

static const ql_measure counted_measure = {.struct_size = sizeof(ql_measure), .unit = "tokens", .units_fn = counted_tokens};

static int verify_streamed(void *user, const ql_chunk *chunk)
{
    streamed *self = user;
    assert_int_equal(chunk->index, self->count);
    assert_int_equal(chunk->begin + chunk->overlap_bytes, self->covered);
    assert_true(chunk->end > self->covered && chunk->end <= self->canonical->text.len);
    assert_true(chunk->tokens <= self->options->size_max);
    if (self->count % 16 == 0) assert_int_equal(check_tokens(NULL, chunk->text, NULL, 0), chunk->tokens);
    assert_int_equal(ql__grapheme_floor(self->canonical->text, chunk->end), chunk->end);
    assert_true(chunk->metadata_json.len < 8192 && chunk->section_path.len <= QL_LIMIT_SECTION_PATH_BYTES);
    self->covered = chunk->end;
    self->count++;
    return 0;
}

/* Converts and chunks; arena_per_byte bounds what the converter may keep. */
static size_t run_large(const ql_converter_ops *converter, const char *type, ql_str content, double arena_per_byte)
{
    check_chunks converted;
    ql_error err = {0};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 256, .measure = &counted_measure};
    check_convert(converter, ql_str_of(type), content, &converted);
    assert_true((double)converted.arena.arena.used_bytes <= arena_per_byte * (double)content.len + (1 << 20));
    streamed stream = {.canonical = &converted.canonical, .options = &options};
    measured_bytes = 0;
    ql_status status = ql__chunker_structure()->chunk_fn(NULL, NULL, &converted.canonical, &options, verify_streamed, &stream, &err);
    if (status < 0) fail_msg("%s", err.message);
    assert_int_equal(stream.covered, content.len);
    assert_true(measured_bytes <= 4 * (uint64_t)content.len + (1 << 20));
    check_chunks_free(&converted);
    return stream.count;
}

static void test_chunk_large__a_json_file_of_100_megabytes(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    check_seed = 5;
    ql_buf_append(&text, QL_STR("{\"rows\":["));
    for (unsigned i = 0; text.len < 100u << 20; i++) {
        ql_buf_printf(&text, "{\"id\":%u,\"tags\":[\"a\",\"b\"],\"text\":\"", i);
        for (unsigned n = check_random(60); n > 0; n--) ql_buf_append(&text, check_random(2) ? QL_STR("words ") : QL_STR("in between "));
        ql_buf_append(&text, QL_STR("\"},"));
    }
    ql_buf_append(&text, QL_STR("null]}"));
    assert_true(run_large(ql__convert_json(), "json", ql_buf_str(&text), 0.75) > 50000);
    ql_buf_dispose(&text);
}

static void test_chunk_large__small_values_by_the_million(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    ql_buf_append_char(&text, '[');
    while (text.len < 10u << 20) ql_buf_append(&text, QL_STR("1,[],{\"a\":0},"));
    ql_buf_append(&text, QL_STR("2]"));
    assert_true(run_large(ql__convert_json(), "json", ql_buf_str(&text), 0.75) > 1000);
    ql_buf_dispose(&text);
}

static void test_chunk_large__one_line_of_5_megabytes(void **state)
{
    (void)state;
    static const char *const units[] = {"x", "word ", "\xe6\x97\xa5", "a\xcc\x81", "\xf0\x9f\x87\xa9", "=", "Ab. "};
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        ql_buf text = QL_BUF_INIT;
        while (text.len < 5u << 20) ql_buf_append(&text, ql_str_of(units[u]));
        assert_true(run_large(ql__convert_text(), "txt", ql_buf_str(&text), 1) > 100);
        if (u < 2) assert_true(run_large(ql__convert_markdown(), "md", ql_buf_str(&text), 1) > 100);
        ql_buf_dispose(&text);
    }
}

static void test_chunk_large__a_million_headings(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    for (unsigned i = 0; i < 1000000; i++) ql_buf_printf(&text, "%.*s H %u\n", (int)(1 + i % 6), "######", i);
    (void)run_large(ql__convert_markdown(), "md", ql_buf_str(&text), 6);
    ql_buf_dispose(&text);
}

static void test_chunk_large__blank_lines_and_tiny_paragraphs(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    while (text.len < 5u << 20) ql_buf_append(&text, QL_STR("\n\n \t\n"));
    (void)run_large(ql__convert_text(), "txt", ql_buf_str(&text), 1);
    (void)run_large(ql__convert_markdown(), "md", ql_buf_str(&text), 1);
    ql_buf_clear(&text);
    while (text.len < 5u << 20) ql_buf_append(&text, QL_STR("a\n\n"));
    (void)run_large(ql__convert_text(), "txt", ql_buf_str(&text), 1);
    (void)run_large(ql__convert_markdown(), "md", ql_buf_str(&text), 6);
    ql_buf_dispose(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_large__a_json_file_of_100_megabytes),
        cmocka_unit_test(test_chunk_large__small_values_by_the_million),
        cmocka_unit_test(test_chunk_large__one_line_of_5_megabytes),
        cmocka_unit_test(test_chunk_large__a_million_headings),
        cmocka_unit_test(test_chunk_large__blank_lines_and_tiny_paragraphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
