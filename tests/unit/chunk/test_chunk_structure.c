/* The chunker's guarantees on random documents of every format and any limits, and its rules on small documents written for them. */
#include "support/chunk_check.h"

static void random_options(ql_chunk_options *options)
{
    *options = (ql_chunk_options){.struct_size = sizeof *options};
    options->size_max = 1 + check_random(check_random(3) == 0 ? 20 : 300);
    if (check_random(2)) options->overlap = check_random(options->size_max);
    if (check_random(2)) options->size_min = 1 + check_random(options->size_max);
    if (check_random(2)) options->measure = &check_measure_tokens;
}

static void run_random(const ql_converter_ops *converter, const char *type, void (*make_fn)(ql_buf *out), unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        ql_buf text = QL_BUF_INIT;
        ql_chunk_options options;
        check_chunks chunks;
        check_seed = 0x9e3779b97f4a7c15u * (i + 1);
        make_fn(&text);
        random_options(&options);
        check_run(converter, type, ql_buf_str(&text), &options, &chunks);
        check_chunks_free(&chunks);
        ql_buf_dispose(&text);
    }
}

static void make_prose(ql_buf *out)
{
    check_random_prose(out, check_random(60), check_random(2) ? "\n" : "\r\n");
}

static void test_chunk_structure__holds_its_guarantees_on_prose(void **state)
{
    (void)state;
    run_random(ql__convert_text(), "txt", make_prose, 150);
}

static void test_chunk_structure__holds_its_guarantees_on_lines(void **state)
{
    (void)state;
    run_random(ql__convert_text(), "yaml", make_prose, 150);
}

static void make_markdown(ql_buf *out)
{
    check_random_markdown(out, check_random(80), check_random(3) ? "\n" : "\r\n");
}

static void test_chunk_structure__holds_its_guarantees_on_markdown(void **state)
{
    (void)state;
    run_random(ql__convert_markdown(), "md", make_markdown, 250);
}

static void make_json(ql_buf *out)
{
    check_random_json(out, 6, check_random(2));
    if (check_random(4) == 0) check_random_words(out, 3); /* no JSON any more */
}

static void make_json_lines(ql_buf *out)
{
    for (unsigned n = check_random(30); n > 0; n--) {
        if (check_random(6) == 0) check_random_words(out, check_random(40));
        else check_random_json(out, 3, false);
        ql_buf_append_char(out, '\n');
    }
}

static void test_chunk_structure__holds_its_guarantees_on_json(void **state)
{
    (void)state;
    run_random(ql__convert_json(), "json", make_json, 250);
    run_random(ql__convert_json(), "jsonl", make_json_lines, 100);
}

/* ---- rules, in characters ---- */

typedef struct rule {
    check_chunks chunks;
    ql_chunk_options options;
} rule;

static void run_rule(rule *self, const char *type, ql_str content, uint32_t size_max, uint32_t size_min, uint32_t overlap)
{
    self->options = (ql_chunk_options){.struct_size = sizeof self->options, .size_max = size_max, .size_min = size_min, .overlap = overlap};
    const ql_converter_ops *converter = strcmp(type, "md") == 0 ? ql__convert_markdown() : ql__convert_text();
    check_run(converter, type, content, &self->options, &self->chunks);
}

static void expect_chunk(const rule *self, size_t index, const char *path, const char *text)
{
    assert_true(index < self->chunks.count);
    const ql_chunk *chunk = &self->chunks.items[index];
    char got[2048];
    assert_true(chunk->text.len < sizeof got);
    memcpy(got, chunk->text.ptr, chunk->text.len);
    got[chunk->text.len] = '\0';
    assert_string_equal(got, text);
    assert_string_equal(chunk->section_path.ptr, path);
}

static void test_chunk_structure__begins_a_chunk_at_a_section(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("# A\n\nSome text of A.\n\n## B\n\nSome text of B.\n\n# C\n\nSome text of C.\n"), 100, 10, 0);
    assert_int_equal(r.chunks.count, 3);
    expect_chunk(&r, 0, "A", "# A\n\nSome text of A.\n\n");
    expect_chunk(&r, 1, "A > B", "## B\n\nSome text of B.\n\n");
    expect_chunk(&r, 2, "C", "# C\n\nSome text of C.\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__joins_small_sections_of_one_parent(void **state)
{
    (void)state;
    rule r;
    /* B, C and E are small and share A; D would be welcome but does not fit any more. */
    run_rule(&r, "md", QL_STR("# A\n\n## B\n\nOne.\n\n## C\n\nTwo.\n\n### E\n\nThree.\n\n# D\n\nFour.\n"), 50, 30, 0);
    assert_int_equal(r.chunks.count, 2);
    expect_chunk(&r, 0, "A", "# A\n\n## B\n\nOne.\n\n## C\n\nTwo.\n\n### E\n\nThree.\n\n");
    expect_chunk(&r, 1, "D", "# D\n\nFour.\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__never_leaves_a_heading_without_its_text(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("# A\n\n## B\n\nText of B that is so long that it does not fit with both of the headings. Really not.\n"), 80, 5, 0);
    expect_chunk(&r, 0, "A", "# A\n\n## B\n\nText of B that is so long that it does not fit with both of the ");
    expect_chunk(&r, 1, "A > B", "headings. Really not.\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__keeps_code_and_tables_whole(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("Some words in front.\n\n```c\nint a;\n\nint b;\n\nint c;\n```\n\nMore words behind.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n"), 45, 5, 0);
    assert_int_equal(r.chunks.count, 4);
    expect_chunk(&r, 0, "", "Some words in front.\n\n");
    expect_chunk(&r, 1, "", "```c\nint a;\n\nint b;\n\nint c;\n```\n\n");
    expect_chunk(&r, 2, "", "More words behind.\n\n");
    expect_chunk(&r, 3, "", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__cuts_long_blocks_at_their_parts(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n"), 25, 1, 0);
    expect_chunk(&r, 0, "", "| a | b |\n|---|---|\n");
    expect_chunk(&r, 1, "", "| 1 | 2 |\n| 3 | 4 |\n");
    check_chunks_free(&r.chunks);
    run_rule(&r, "md", QL_STR("- item one\n- item two\n- item three\n"), 24, 1, 0);
    expect_chunk(&r, 0, "", "- item one\n- item two\n");
    check_chunks_free(&r.chunks);
    run_rule(&r, "txt", QL_STR("This is one sentence\nin two lines. This is another. And a third.\n"), 52, 1, 0);
    expect_chunk(&r, 0, "", "This is one sentence\nin two lines. This is another. ");
    check_chunks_free(&r.chunks);
    run_rule(&r, "txt", QL_STR("words without any end of a sentence in sight"), 20, 1, 0);
    expect_chunk(&r, 0, "", "words without any ");
    check_chunks_free(&r.chunks);
    run_rule(&r, "txt", QL_STR("one\xcc\x81\xcc\x81\xcc\x81word"), 5, 1, 0);
    expect_chunk(&r, 0, "", "on");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__repeats_the_overlap_but_not_across_headings(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("# A\n\nOne two three four five. Six seven eight nine ten. Eleven twelve.\n\n# B\n\nText of B.\n"), 40, 1, 12);
    assert_true(r.chunks.count >= 3);
    expect_chunk(&r, 0, "A", "# A\n\nOne two three four five. ");
    expect_chunk(&r, 1, "A", "four five. Six seven eight nine ten. ");
    assert_int_equal(r.chunks.items[1].overlap_bytes, 11);
    const ql_chunk *last = &r.chunks.items[r.chunks.count - 1];
    assert_int_equal(last->overlap_bytes, 0);
    assert_memory_equal(last->text.ptr, "# B", 3);
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__stops_at_the_asked_number_of_chunks(void **state)
{
    (void)state;
    check_chunks chunks;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 5, .chunks_max = 2};
    check_run(ql__convert_text(), "txt", QL_STR("one two three four five six"), &options, &chunks);
    assert_int_equal(chunks.count, 2);
    check_chunks_free(&chunks);
}

static int stop_at_second(void *user, const ql_chunk *chunk)
{
    (void)user;
    return chunk->index == 1 ? 77 : 0;
}

static void test_chunk_structure__stops_when_the_callback_says_so(void **state)
{
    (void)state;
    ql_error err = {0};
    check_chunks converted;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 5};
    check_convert(ql__convert_text(), QL_STR("txt"), QL_STR("one two three four five six"), &converted);
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &converted.canonical, &options, stop_at_second, NULL, &err), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 77);
    check_chunks_free(&converted);
}

static void test_chunk_structure__refuses_bad_arguments_and_trees(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_chunk_options options = {.struct_size = sizeof options, .size_max = 5, .overlap = 5};
    ql_block blocks[3] = {{.end = 10, .parent = QL_BLOCK_NONE, .next = 3}, {.begin = 0, .end = 6, .parent = 0, .next = 2}, {.begin = 5, .end = 10, .parent = 0, .next = 3}};
    ql_canonical canonical = {.struct_size = sizeof canonical, .text = QL_STR("0123456789"), .blocks = blocks, .block_count = 3};
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, check_collect, NULL, &err), QL_E_INVALID);
    options.overlap = 0;
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, check_collect, NULL, &err), QL_E_INVALID);
    assert_string_equal(err.message, "block tree is not well-formed");
    canonical.block_count = 1;
    blocks[0].next = 1;
    canonical.text = QL_STR("012345678\xff");
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, check_collect, NULL, &err), QL_E_INVALID);
}

static int ignore(void *user, const ql_chunk *chunk)
{
    (void)user;
    (void)chunk;
    return 0;
}

static ql_status scenario(void *user, ql_error *err)
{
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 20, .overlap = 4};
    return ql__chunker_structure()->chunk_fn(NULL, NULL, user, &options, ignore, NULL, err);
}

static void test_chunk_structure__survives_every_failing_allocation(void **state)
{
    (void)state;
    check_chunks converted;
    check_convert(ql__convert_markdown(), QL_STR("md"), QL_STR("# A\n\nSome text of A. More of it.\n\n## B\n\nSome text of B.\n"), &converted);
    ql_test_fault_loop(QL_FAULT_ALLOC, scenario, &converted.canonical);
    check_chunks_free(&converted);
}

static void test_chunk_structure__gives_no_chunk_for_an_empty_text(void **state)
{
    (void)state;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 10};
    check_chunks chunks;
    check_run(ql__convert_text(), "txt", QL_STR(""), &options, &chunks);
    assert_int_equal(chunks.count, 0);
    check_chunks_free(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_prose),
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_lines),
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_markdown),
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_json),
        cmocka_unit_test(test_chunk_structure__begins_a_chunk_at_a_section),
        cmocka_unit_test(test_chunk_structure__joins_small_sections_of_one_parent),
        cmocka_unit_test(test_chunk_structure__never_leaves_a_heading_without_its_text),
        cmocka_unit_test(test_chunk_structure__keeps_code_and_tables_whole),
        cmocka_unit_test(test_chunk_structure__cuts_long_blocks_at_their_parts),
        cmocka_unit_test(test_chunk_structure__repeats_the_overlap_but_not_across_headings),
        cmocka_unit_test(test_chunk_structure__stops_at_the_asked_number_of_chunks),
        cmocka_unit_test(test_chunk_structure__stops_when_the_callback_says_so),
        cmocka_unit_test(test_chunk_structure__refuses_bad_arguments_and_trees),
        cmocka_unit_test(test_chunk_structure__survives_every_failing_allocation),
        cmocka_unit_test(test_chunk_structure__gives_no_chunk_for_an_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
