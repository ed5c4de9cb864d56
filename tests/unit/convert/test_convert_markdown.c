/* Blocks of Markdown where cmark's positions are known to be weak, titles, labels, and inputs meant to hurt. */
#include "support/outline.h"

#include <pthread.h>

static void expect(ql_str content, const char *expected)
{
    outline_expect(ql__convert_markdown(), "md", content, expected);
}

static void test_convert_markdown__builds_sections_from_both_kinds_of_headings(void **state)
{
    (void)state;
    expect(QL_STR("intro\n\n# One #\ntext\n\nTwo\nlines\n---\ntext\n### Deep\n# Last"),
           "paragraph: intro/\n"
           "section1 'One': # One #/text//Two/lines/\n"
           "  heading1: # One #/\n"
           "  paragraph: text/\n"
           "  section2 'Two lines': Two/lines/---/text/### D\n"
           "    heading2: Two/lines/---/\n"
           "    paragraph: text/\n"
           "    section3 'Deep': ### Deep/\n"
           "      heading3: ### Deep/\n"
           "section1 'Last': # Last\n"
           "  heading1: # Last\n");
}

static void test_convert_markdown__sees_no_headings_in_code_and_markup(void **state)
{
    (void)state;
    expect(QL_STR("```sh\n# a comment\n~~~\n```\n\n~~~\n# b\n```\n~~~\n\n    # c\n\n<!--\n# d\n-->\n\n- # e\n"),
           "code 'sh': ```sh/# a comment/~~~/``\n"
           "code: ~~~/# b/```/~~~/\n"
           "code:     # c/\n"
           "markup: <!--/# d/-->/\n"
           "list: - # e/\n"
           "  item: - # e/\n"
           "    heading1: - # e/\n");
}

static void test_convert_markdown__finds_tables_and_their_rows(void **state)
{
    (void)state;
    expect(QL_STR("text\n\n| a | b |\n|---|--:|\n| 1 | 2 |\nlazy\n\nno | table\n"),
           "paragraph: text/\n"
           "table: | a | b |/|---|--:|/| 1 \n"
           "  row: | a | b |/\n"
           "  row: |---|--:|/\n"
           "  row: | 1 | 2 |/\n"
           "  row: lazy/\n"
           "paragraph: no | table/\n");
    expect(QL_STR("> a | b\n> --|--\n> 1 | 2\n"), "quote: > a | b/> --|--/> 1 | 2/\n"
                                              "  table: > a | b/> --|--/> 1 | 2/\n"
                                              "    row: > a | b/\n"
                                              "    row: > --|--/\n"
                                              "    row: > 1 | 2/\n");
}

static void test_convert_markdown__nests_lists_quotes_and_code(void **state)
{
    (void)state;
    expect(QL_STR("1. one\n\n   ```py\n   x\n   ```\n2. two\n\t- tab\n\n> quote\nlazy\n"),
           "list: 1. one//   ```py/   x/  \n"
           "  item: 1. one//   ```py/   x/  \n"
           "    paragraph: 1. one/\n"
           "    code 'py':    ```py/   x/   ```/\n"
           "  item: 2. two/>- tab/\n"
           "    paragraph: 2. two/\n"
           "    list: >- tab/\n"
           "      item: >- tab/\n"
           "        paragraph: >- tab/\n"
           "quote: > quote/lazy/\n"
           "  paragraph: > quote/lazy/\n");
}

static void test_convert_markdown__reads_all_line_ends_alike(void **state)
{
    (void)state;
    expect(QL_STR("# A\r\n\r\ntext\r\n"), "section1 'A': # A\\/\\/text\\/\n  heading1: # A\\/\n  paragraph: text\\/\n");
    expect(QL_STR("# A\r\rtext\r# B"), "section1 'A': # A\\\\text\\\n  heading1: # A\\\n  paragraph: text\\\nsection1 'B': # B\n  heading1: # B\n");
}

static void test_convert_markdown__keeps_front_matter_apart(void **state)
{
    (void)state;
    expect(QL_STR("---\ntitle: x\n---\n# A\n"), "front_matter: ---/title: x/---/\nsection1 'A': # A/\n  heading1: # A/\n");
    expect(QL_STR("---\n\nprose, no keys\n\n---\n"), "other: ---/\nparagraph: prose, no keys/\nother: ---/\n");
}

static void expect_title(ql_str content, const char *title)
{
    check_chunks converted;
    check_convert(ql__convert_markdown(), QL_STR("md"), content, &converted);
    assert_int_equal(converted.canonical.title.len, strlen(title));
    assert_memory_equal(converted.canonical.title.ptr, title, strlen(title));
    check_chunks_free(&converted);
}

static void test_convert_markdown__takes_the_title_from_front_matter_or_headings(void **state)
{
    (void)state;
    expect_title(QL_STR("---\ntitle: \"From *here*\"\n---\n# A\n"), "From *here*");
    expect_title(QL_STR("## Second\n# The `first` [one](http://x/y(z)) *of* snake_case \\*\n"), "The first one of snake_case *");
    expect_title(QL_STR("# `get(options[, callback])` [`x`][y]\n"), "get(options[, callback]) xy");
    expect_title(QL_STR("## Only\n"), "Only");
    expect_title(QL_STR("text\n"), "");
}

/* Structure is not fooled by inputs that are slow or deep for a parser, and the guarantees hold on them. */
static void expect_survived(const char *unit, size_t count, const char *end)
{
    ql_buf text = QL_BUF_INIT;
    check_chunks chunks;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 200};
    for (size_t i = 0; i < count; i++) ql_buf_append(&text, ql_str_of(unit));
    ql_buf_append(&text, ql_str_of(end));
    assert_int_equal(text.status, QL_OK);
    check_run(ql__convert_markdown(), "md", ql_buf_str(&text), &options, &chunks);
    check_chunks_free(&chunks);
    ql_buf_dispose(&text);
}

static void test_convert_markdown__survives_inputs_meant_to_hurt(void **state)
{
    (void)state;
    expect_survived(">", 200000, "\n");
    expect_survived("> ", 60, "a\nb\nc\n");
    expect_survived("- ", 100000, "a");
    expect_survived("* ", 50000, "a\n");
    expect_survived("[", 200000, "a](b)");
    expect_survived("![a](", 50000, "");
    expect_survived("**a _b ", 50000, "");
    expect_survived("<!--", 50000, "");
    expect_survived("a <? ", 50000, "");
    expect_survived("`` ` ", 50000, "");
    expect_survived("|x", 20000, "\n");
    expect_survived("&", 100000, "");
    expect_survived("a|b\n-|-|-\n", 5000, "");
    expect_survived("[a]: b\n", 20000, "");
    expect_survived("\t", 100000, "x");
    expect_survived("a\n", 200000, "");
    expect_survived("1. a\n   ", 2000, "b");
    ql_buf table = QL_BUF_INIT; /* rows are padded to the width of the header: 4,000 x 4,000 cells */
    for (int i = 0; i < 4000; i++) ql_buf_append(&table, QL_STR("|x"));
    ql_buf_append(&table, QL_STR("|\n"));
    for (int i = 0; i < 4000; i++) ql_buf_append(&table, QL_STR("|-"));
    ql_buf_append(&table, QL_STR("|\n"));
    for (int i = 0; i < 4000; i++) ql_buf_append(&table, QL_STR("|a|\n"));
    expect_survived(ql_buf_cstr(&table), 1, "");
    ql_buf_dispose(&table);
}

static void test_convert_markdown__reads_what_is_too_large_for_a_parser_line_by_line(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    check_chunks chunks;
    for (int i = 0; i < 100000; i++) ql_buf_printf(&text, "# Heading %d\n\n```c\n# no heading\n```\n\nSome text that follows it, long enough that there is a block for everything. One block per 32 bytes.\n\n", i);
    check_convert(ql__convert_markdown(), QL_STR("md"), ql_buf_str(&text), &chunks);
    uint32_t sections = 0, codes = 0;
    for (uint32_t i = 0; i < chunks.canonical.block_count; i++) {
        sections += chunks.canonical.blocks[i].kind == QL_BLOCK_SECTION;
        codes += chunks.canonical.blocks[i].kind == QL_BLOCK_CODE;
    }
    assert_true(text.len > 4 << 20);
    assert_true(sections == 100000 && codes == 100000);
    check_chunks_free(&chunks);
    ql_buf_dispose(&text);
}

static void *convert_in_thread(void *user)
{
    (void)user;
    for (int i = 0; i < 50; i++) {
        expect(QL_STR("# A\n\n- x\n\n| a |\n|---|\n"), "section1 'A': # A//- x//| a |/|---|/\n"
                                                     "  heading1: # A/\n"
                                                     "  list: - x/\n"
                                                     "    item: - x/\n"
                                                     "      paragraph: - x/\n"
                                                     "  table: | a |/|---|/\n"
                                                     "    row: | a |/\n"
                                                     "    row: |---|/\n");
    }
    return NULL;
}

static void test_convert_markdown__runs_in_many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, convert_in_thread, NULL), 0);
    for (size_t i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static ql_status scenario(void *user, ql_error *err)
{
    struct ql_arena arena;
    ql_canonical canonical;
    const ql_document document = {.struct_size = sizeof document, .content_type = QL_STR("md"), .content = ql_str_of(user)};
    ql__arena_init(&arena.arena, 0);
    ql_status status = ql__convert_markdown()->convert_fn(NULL, &document, &arena, &canonical, err);
    ql__arena_dispose(&arena.arena);
    return status;
}

/* No failure is without consequence: neither is the text read line by line for want of memory, nor is a label or the title left out. The first
 * piece of the document's arena is the label of a heading, of a fence, and the title. */
static void test_convert_markdown__survives_every_failing_allocation(void **state)
{
    (void)state;
    static char documents[][64] = {"# A\n\ntext\n\n| a | b |\n|--|--|\n\n- x\n", "```c\nx\n```\n", "---\ntitle: x\n---\ntext\n"};
    ql_error err = {0};
    assert_int_equal(scenario(documents[0], &err), QL_OK); /* the parser's own tables are made once and stay */
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) ql_test_fault_loop(QL_FAULT_ALLOC, scenario, documents[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_markdown__builds_sections_from_both_kinds_of_headings),
        cmocka_unit_test(test_convert_markdown__sees_no_headings_in_code_and_markup),
        cmocka_unit_test(test_convert_markdown__finds_tables_and_their_rows),
        cmocka_unit_test(test_convert_markdown__nests_lists_quotes_and_code),
        cmocka_unit_test(test_convert_markdown__reads_all_line_ends_alike),
        cmocka_unit_test(test_convert_markdown__keeps_front_matter_apart),
        cmocka_unit_test(test_convert_markdown__takes_the_title_from_front_matter_or_headings),
        cmocka_unit_test(test_convert_markdown__survives_inputs_meant_to_hurt),
        cmocka_unit_test(test_convert_markdown__reads_what_is_too_large_for_a_parser_line_by_line),
        cmocka_unit_test(test_convert_markdown__runs_in_many_threads),
        cmocka_unit_test(test_convert_markdown__survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
