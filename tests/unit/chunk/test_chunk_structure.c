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
    run_random(ql__convert_text(), "txt", make_prose, 400);
}

static void test_chunk_structure__holds_its_guarantees_on_lines(void **state)
{
    (void)state;
    run_random(ql__convert_text(), "yaml", make_prose, 400);
}

static void make_markdown(ql_buf *out)
{
    check_random_markdown(out, check_random(80), check_random(3) ? "\n" : "\r\n");
}

static void test_chunk_structure__holds_its_guarantees_on_markdown(void **state)
{
    (void)state;
    run_random(ql__convert_markdown(), "md", make_markdown, 600);
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
    run_random(ql__convert_json(), "json", make_json, 600);
    run_random(ql__convert_json(), "jsonl", make_json_lines, 300);
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
        cmocka_unit_test(test_chunk_structure__gives_no_chunk_for_an_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
