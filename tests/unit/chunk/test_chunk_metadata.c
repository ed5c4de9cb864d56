/* What a chunk says of its section, its place in it, and its links. Method: real Markdown through converter and chunker. */
#include "support/chunk_check.h"

static void run(const char *text, uint32_t size_max, check_chunks *out)
{
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = size_max, .size_min = 1};
    check_run(ql__convert_markdown(), "md", ql_str_of(text), &options, out);
}

static void expect(const check_chunks *chunks, size_t index, const char *part)
{
    if (strstr(chunks->items[index].metadata_json.ptr, part) == NULL) fail_msg("chunk %zu lacks %s: %s", index, part, chunks->items[index].metadata_json.ptr);
}

static void test_chunk_metadata__counts_chunks_of_a_section(void **state)
{
    (void)state;
    check_chunks chunks;
    run("# Set-up & first_run, Größe\n\nOne sentence is here. Another one follows it.\n\n## Inner\n\nShort.\n\n## Other\n\nAlso short, but different.\n", 40, &chunks);
    assert_true(chunks.count >= 4);
    expect(&chunks, 0, "\"section_anchor\":\"set-up--first_run-größe\"");
    expect(&chunks, 0, "\"has_subsections\":true,\"total_subsections\":2");
    expect(&chunks, 0, "\"sub_chunk_index\":0");
    expect(&chunks, 1, "\"sub_chunk_index\":1");
    expect(&chunks, chunks.count - 1, "\"section_title\":\"Other\"");
    expect(&chunks, chunks.count - 1, "\"parent_section\":\"Set-up & first_run, Größe\"");
    expect(&chunks, chunks.count - 1, "\"has_subsections\":false,\"total_subsections\":0");
    expect(&chunks, chunks.count - 1, "\"sub_chunk_index\":0");
    check_chunks_free(&chunks);
}

static void test_chunk_metadata__keeps_links_and_only_links(void **state)
{
    (void)state;
    check_chunks chunks;
    run("See [the [nested] guide](docs/a.md \"title\"), ![logo](img.png) and f[i](j) but not [this]( ) nor ](x) nor [that](]a) or [open](end", 400, &chunks);
    assert_int_equal(chunks.count, 1);
    expect(&chunks, 0, "\"cross_references\":[{\"text\":\"the [nested] guide\",\"url\":\"docs/a.md\"},{\"text\":\"logo\",\"url\":\"img.png\"},{\"text\":\"i\",\"url\":\"j\"}]");
    check_chunks_free(&chunks);
    run("No link at all.", 400, &chunks);
    assert_null(strstr(chunks.items[0].metadata_json.ptr, "cross_references"));
    check_chunks_free(&chunks);
}

static void test_chunk_metadata__bounds_the_links_of_a_chunk(void **state)
{
    (void)state;
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    check_chunks chunks;
    for (int i = 0; i < 3000; i++) ql_buf_append(&text, i < 1000 ? QL_STR("](") : QL_STR("[a](b) "));
    run(ql_buf_cstr(&text), 100000, &chunks);
    size_t links = 0;
    for (const char *at = chunks.items[0].metadata_json.ptr; (at = strstr(at, "\"url\"")) != NULL; at++) links++;
    assert_int_equal(links, 32);
    check_chunks_free(&chunks);
}

/* An address that is too long to be kept, and a level that no heading of ours has. */
static void test_chunk_metadata__bounds_addresses_and_levels(void **state)
{
    (void)state;
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    check_chunks chunks;
    ql_buf_append(&text, QL_STR("[short](s) [long]("));
    while (text.len < 4096) ql_buf_append_char(&text, 'x');
    ql_buf_append(&text, QL_STR(") [last](l)"));
    run(ql_buf_cstr(&text), 100000, &chunks);
    assert_int_equal(chunks.count, 1);
    expect(&chunks, 0, "\"cross_references\":[{\"text\":\"short\",\"url\":\"s\"},{\"text\":\"last\",\"url\":\"l\"}]");
    check_chunks_free(&chunks);
    const ql_block blocks[] = {{.end = 5, .parent = QL_BLOCK_NONE, .next = 2}, {.end = 5, .parent = 0, .next = 2, .kind = QL_BLOCK_SECTION, .level = 12, .label = QL_STR("deep")}};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 100};
    chunks = (check_chunks){.canonical = {.struct_size = sizeof(ql_canonical), .text = QL_STR("text\n"), .blocks = blocks, .block_count = 2}};
    ql__arena_init(&chunks.arena.arena, 0);
    check_chunk(&options, &chunks);
    expect(&chunks, 0, "\"section_type\":\"h9\",\"section_level\":12");
    check_chunks_free(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_metadata__counts_chunks_of_a_section),
        cmocka_unit_test(test_chunk_metadata__keeps_links_and_only_links),
        cmocka_unit_test(test_chunk_metadata__bounds_the_links_of_a_chunk),
        cmocka_unit_test(test_chunk_metadata__bounds_addresses_and_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
