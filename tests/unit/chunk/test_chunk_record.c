/* What a chunk says about itself: path, metadata, lines, and the range of the original. */
#include "support/chunk_check.h"

#include "base/limits.h"
#include "chunk/chunk_record.h"

static void run(const ql_converter_ops *converter, const char *type, ql_str content, uint32_t size_max, check_chunks *out)
{
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = size_max, .size_min = 1};
    check_run(converter, type, content, &options, out);
}

static bool says(const ql_chunk *chunk, const char *part)
{
    return strstr(chunk->metadata_json.ptr, part) != NULL;
}

static void test_chunk_record__writes_the_metadata_of_a_chunk(void **state)
{
    (void)state;
    check_chunks chunks;
    run(ql__convert_markdown(), "md", QL_STR("# A \"q\"\n\n## B\n\nSome [text](http://x).\n\n```py\nx\n```\n\n| a |\n|---|\n"), 400, &chunks);
    assert_int_equal(chunks.count, 1);
    assert_string_equal(chunks.items[0].metadata_json.ptr,
        "{\"chunk_index\":0,\"chunking_strategy\":\"markdown\",\"section_title\":\"A \\\"q\\\"\",\"section_type\":\"h1\",\"section_level\":1,"
        "\"section_anchor\":\"a-q\",\"has_subsections\":true,\"total_subsections\":1,\"section_depth\":1,"
        "\"section_breadcrumb\":\"A \\\"q\\\"\",\"sub_chunk_index\":0,\"language\":\"py\",\"start_line\":1,\"end_line\":12,\"content_type_analysis\":{\"has_code_blocks\":true,\"has_tables\":true,"
        "\"has_images\":false,\"has_links\":true,\"word_count\":14,\"char_count\":64,\"estimated_read_time\":1,\"paragraph_count\":1},"
        "\"cross_references\":[{\"text\":\"text\",\"url\":\"http://x\"}],\"source_begin\":0,\"source_end\":64}");
    check_chunks_free(&chunks);
}

static void test_chunk_record__tells_where_the_original_was(void **state)
{
    (void)state;
    check_chunks chunks;
    /* UTF-16 behind a mark: two bytes a character. */
    run(ql__convert_text(), "txt", QL_STR("\xff\xfe" "a\0b\0 \0c\0d\0"), 100, &chunks);
    assert_int_equal(chunks.items[0].source_begin, 2);
    assert_int_equal(chunks.items[0].source_end, 12);
    check_chunks_free(&chunks);
    run(ql__convert_text(), "txt", QL_STR("\xef\xbb\xbf" "one two three four"), 8, &chunks);
    assert_int_equal(chunks.items[1].begin, 8);
    assert_int_equal(chunks.items[1].source_begin, 11);
    check_chunks_free(&chunks);
}

/* Chunks with an overlap over entries of four bytes: where one begins, the entry is one that the end of the chunk before had passed. */
static void test_chunk_record__finds_the_original_of_an_overlap(void **state)
{
    (void)state;
    const ql_block whole = {.end = 24, .parent = QL_BLOCK_NONE, .next = 1, .kind = QL_BLOCK_DOCUMENT};
    const ql_range_map map[] = {{2, 4, 100, 104}, {6, 4, 200, 204}, {10, 4, 300, 310}, {14, 4, 400, 404}, {18, 4, 500, 504}};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 12, .size_min = 1, .overlap = 6};
    check_chunks chunks = {.canonical = {.struct_size = sizeof(ql_canonical), .text = QL_STR("aa bb cc dd ee ff gg hh."), .blocks = &whole, .block_count = 1, .map = map, .map_count = 5}};
    ql__arena_init(&chunks.arena.arena, 0);
    check_chunk(&options, &chunks);
    assert_true(chunks.count >= 3);
    assert_int_equal(chunks.items[0].source_begin, 100); /* nothing before it came from anywhere */
    for (size_t i = 0; i < chunks.count; i++) {
        uint64_t begin = 0, end = 504;
        for (size_t entry = 0; entry < 5; entry++) { /* the plain way */
            const ql_range_map *m = &map[entry];
            bool exact = m->len == m->source_end - m->source_begin;
            if (chunks.items[i].begin >= m->begin) begin = chunks.items[i].begin >= m->begin + m->len ? m->source_end : exact ? m->source_begin + (chunks.items[i].begin - m->begin) : m->source_begin;
            if (chunks.items[i].end > m->begin && chunks.items[i].end < m->begin + m->len) end = exact ? m->source_begin + (chunks.items[i].end - m->begin) : m->source_end;
            else if (chunks.items[i].end >= m->begin + m->len) end = m->source_end;
        }
        if (i > 0) assert_true(chunks.items[i].overlap_bytes > 0);
        if (i > 0) assert_int_equal(chunks.items[i].source_begin, begin);
        assert_int_equal(chunks.items[i].source_end, end);
    }
    check_chunks_free(&chunks);
}

static int keep_source(void *user, const ql_chunk *chunk)
{
    uint64_t *source = user;
    source[2 * chunk->index] = chunk->source_begin;
    source[2 * chunk->index + 1] = chunk->source_end;
    return 0;
}

/* A chunker of an application may repeat more than all of the chunk before. */
static void test_chunk_record__goes_back_over_the_original(void **state)
{
    (void)state;
    const ql_block whole = {.end = 24, .parent = QL_BLOCK_NONE, .next = 1, .kind = QL_BLOCK_DOCUMENT};
    const ql_range_map map[] = {{0, 4, 100, 104}, {4, 4, 200, 204}, {8, 4, 300, 304}, {12, 12, 400, 412}};
    const ql_canonical canonical = {.struct_size = sizeof canonical, .text = QL_STR("aa bb cc dd ee ff gg hh."), .blocks = &whole, .block_count = 1, .map = map, .map_count = 4};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 24};
    const ql__chunk_range ranges[] = {{0, 10, 0, 10, 0}, {9, 11, 1, 2, 0}, {5, 24, 6, 19, 0}};
    uint64_t source[6] = {0};
    ql__chunk_out out;
    ql__chunk_out_init(&out, &canonical, &options, keep_source, source);
    for (size_t i = 0; i < 3; i++) assert_int_equal(ql__chunk_out_emit(&out, &ranges[i], NULL), QL_OK);
    ql__chunk_out_dispose(&out);
    const uint64_t expected[6] = {100, 302, 301, 303, 201, 412};
    for (size_t i = 0; i < 6; i++) assert_int_equal(source[i], expected[i]);
}

static void test_chunk_record__knows_of_text_that_came_from_nowhere(void **state)
{
    (void)state;
    const ql_block whole = {.end = 4, .parent = QL_BLOCK_NONE, .next = 1, .kind = QL_BLOCK_DOCUMENT};
    const ql_range_map none = {0, 0, 0, 0};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 12};
    check_chunks chunks = {.canonical = {.struct_size = sizeof(ql_canonical), .text = QL_STR("text"), .blocks = &whole, .block_count = 1, .map = &none, .map_count = 0}};
    ql__arena_init(&chunks.arena.arena, 0);
    check_chunk(&options, &chunks);
    assert_int_equal(chunks.items[0].source_begin, 0);
    assert_int_equal(chunks.items[0].source_end, 0);
    check_chunks_free(&chunks);
}

static void test_chunk_record__names_the_element_of_code(void **state)
{
    (void)state;
    const ql_block blocks[] = {
        {.end = 24, .parent = QL_BLOCK_NONE, .next = 4},
        {.end = 24, .parent = 0, .next = 4, .kind = QL_BLOCK_CODE, .label = QL_STR("python")},
        {.begin = 0, .end = 12, .parent = 1, .next = 3, .kind = QL_BLOCK_ELEMENT, .label = QL_STR("A"), .detail = QL_STR("class")},
        {.begin = 12, .end = 24, .parent = 1, .next = 4, .kind = QL_BLOCK_ELEMENT, .label = QL_STR("f"), .detail = QL_STR("function")},
    };
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 16, .size_min = 1};
    check_chunks chunks = {.canonical = {.struct_size = sizeof(ql_canonical), .text = QL_STR("class A: 1\n\ndef f():\n 2\n"), .blocks = blocks, .block_count = 4, .strategy = QL_STR("code_modular")}};
    ql__arena_init(&chunks.arena.arena, 0);
    check_chunk(&options, &chunks);
    assert_int_equal(chunks.count, 2);
    assert_string_equal(chunks.items[1].section_path.ptr, "f");
    assert_true(says(&chunks.items[0], "\"element_type\":\"class\",\"element_name\":\"A\",\"language\":\"python\",\"start_line\":1,\"end_line\":2"));
    assert_true(says(&chunks.items[1], "\"element_type\":\"function\",\"element_name\":\"f\",\"language\":\"python\",\"start_line\":3,\"end_line\":4"));
    check_chunks_free(&chunks);
}

static void test_chunk_record__gives_the_json_path(void **state)
{
    (void)state;
    check_chunks chunks;
    run(ql__convert_json(), "json", QL_STR("{\"a\": {\"b\": \"a string of some length, more than enough to be a block\"}, \"c\": [\"and another one, so that there are two chunks of it\"]}"), 80, &chunks);
    assert_int_equal(chunks.count, 2);
    assert_string_equal(chunks.items[1].section_path.ptr, "$.c");
    assert_true(says(&chunks.items[1], "\"json_path\":\"$.c\",\"json_type\":\"array\",\"nesting_level\":1"));
    assert_false(says(&chunks.items[1], "content_type_analysis"));
    check_chunks_free(&chunks);
}

static void test_chunk_record__bounds_paths_of_deep_documents(void **state)
{
    (void)state;
    enum { DEPTH = 300 };
    static ql_block blocks[DEPTH];
    static char label[1000];
    memset(label, 'x', sizeof label);
    for (uint32_t i = 0; i < DEPTH; i++) {
        blocks[i] = (ql_block){.end = 4, .parent = i ? i - 1 : QL_BLOCK_NONE, .next = DEPTH, .kind = i ? QL_BLOCK_SECTION : QL_BLOCK_DOCUMENT, .level = 6, .label = {label, i ? sizeof label : 0}};
    }
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 10};
    check_chunks chunks = {.canonical = {.struct_size = sizeof(ql_canonical), .text = QL_STR("text"), .blocks = blocks, .block_count = DEPTH, .strategy = QL_STR("markdown")}};
    ql__arena_init(&chunks.arena.arena, 0);
    check_chunk(&options, &chunks);
    assert_true(chunks.items[0].section_path.len > QL_LIMIT_SECTION_PATH_BYTES / 2 && chunks.items[0].section_path.len <= QL_LIMIT_SECTION_PATH_BYTES);
    check_chunks_free(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_record__writes_the_metadata_of_a_chunk),
        cmocka_unit_test(test_chunk_record__tells_where_the_original_was),
        cmocka_unit_test(test_chunk_record__finds_the_original_of_an_overlap),
        cmocka_unit_test(test_chunk_record__goes_back_over_the_original),
        cmocka_unit_test(test_chunk_record__knows_of_text_that_came_from_nowhere),
        cmocka_unit_test(test_chunk_record__names_the_element_of_code),
        cmocka_unit_test(test_chunk_record__gives_the_json_path),
        cmocka_unit_test(test_chunk_record__bounds_paths_of_deep_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
