/* JSON: paths and types of values, member-wise blocks, JSON Lines, broken and deep input. */
#include "support/outline.h"

static void expect(const char *type, ql_str content, const char *expected)
{
    outline_expect(ql__convert_json(), type, content, expected);
}

static void test_convert_json__labels_values_with_their_paths(void **state)
{
    (void)state;
    expect("json", QL_STR("{\"a\": [\"a string that is long enough for a block of its own\", 1], \"b c\": {\"d\": \"another string, also long enough for a block\"}, \"e\": 2}"),
           "value '$' object: {\"a\": [\"a string that is\n"
           "  value '$.a' array: \"a\": [\"a string that is \n"
           "    value '$.a[0]' string: \"a string that is long e\n"
           "  value '$[\"b c\"]' object: \"b c\": {\"d\": \"another st\n"
           "    value '$[\"b c\"].d' string: \"d\": \"another string, al\n");
}

static void test_convert_json__groups_small_members(void **state)
{
    (void)state;
    check_chunks converted;
    ql_buf text = QL_BUF_INIT;
    ql_buf_append_char(&text, '[');
    for (int i = 0; i < 1000; i++) ql_buf_printf(&text, "%s{\"id\":%d}", i ? "," : "", i);
    ql_buf_append_char(&text, ']');
    check_convert(ql__convert_json(), QL_STR("json"), ql_buf_str(&text), &converted);
    const ql_canonical *canonical = &converted.canonical;
    assert_true(canonical->block_count > 100 && canonical->block_count < text.len / 48 + 2);
    for (uint32_t i = 2; i < canonical->block_count; i++) {
        /* Each begins at a member and ends behind a comma, or with the last member. */
        assert_int_equal(canonical->text.ptr[canonical->blocks[i].begin], '{');
        assert_true(canonical->text.ptr[canonical->blocks[i].end - 1] == ',' || canonical->text.ptr[canonical->blocks[i].end] == ']');
    }
    check_chunks_free(&converted);
    ql_buf_dispose(&text);
}

static void test_convert_json__cuts_minified_json_between_members(void **state)
{
    (void)state;
    check_chunks chunks;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 200};
    ql_buf text = QL_BUF_INIT;
    ql_buf_append(&text, QL_STR("{\"rows\":["));
    for (int i = 0; i < 500; i++) ql_buf_printf(&text, "%s{\"id\":%d,\"name\":\"some words in a row %d\"}", i ? "," : "", i, i);
    ql_buf_append(&text, QL_STR("]}"));
    check_run(ql__convert_json(), "json", ql_buf_str(&text), &options, &chunks);
    assert_true(chunks.count > 50);
    for (size_t i = 1; i < chunks.count; i++) {
        assert_int_equal(chunks.items[i].text.ptr[0], '{');
        assert_int_equal(chunks.items[i - 1].text.ptr[chunks.items[i - 1].text.len - 1], ',');
    }
    check_chunks_free(&chunks);
    ql_buf_dispose(&text);
}

static void test_convert_json__reads_a_value_per_line(void **state)
{
    (void)state;
    expect("jsonl", QL_STR("{\"text\": \"the first record is long enough for a block\"}\nnot json, but a line that is kept as it is, in a block\n"
                           "{\"text\": [\"the third, broken inside of a container}\n{\"text\": \"the fourth record is long enough for one too\"}"),
           "value '$[0]' object: {\"text\": \"the first reco\n"
           "  value '$[0].text' string: \"text\": \"the first recor\n"
           "value '$[1]' invalid: not json, but a line tha\n"
           "value '$[2]' invalid: {\"text\": [\"the third, br\n"
           "value '$[3]' object: {\"text\": \"the fourth rec\n"
           "  value '$[3].text' string: \"text\": \"the fourth reco\n");
    /* The same in a file that calls itself JSON. */
    expect("json", QL_STR("{\"text\": \"the first record is long enough for a block\"}\n{\"text\": \"the second record is long enough for one\"}\n"),
           "value '$[0]' object: {\"text\": \"the first reco\n"
           "  value '$[0].text' string: \"text\": \"the first recor\n"
           "value '$[1]' object: {\"text\": \"the second rec\n"
           "  value '$[1].text' string: \"text\": \"the second reco\n");
}

static void test_convert_json__keeps_broken_json_as_lines(void **state)
{
    (void)state;
    static const ql_str broken[] = {QL_STR("{\"a\": 1"), QL_STR("{\"a\" 1}"), QL_STR("[1 2]"), QL_STR("{a: 1}"), QL_STR("[\"x]"), QL_STR("[1,]"), QL_STR("]"), QL_STR("[}"), QL_STR("tru"), QL_STR("\"\\\""),
                                    QL_STR("{\"a\":}"), QL_STR("-"), QL_STR("// c\n{}"), QL_STR("[1],")};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        check_chunks converted;
        check_convert(ql__convert_json(), QL_STR("json"), broken[i], &converted);
        assert_int_equal(converted.canonical.block_count, 2);
        assert_int_equal(converted.canonical.blocks[1].kind, QL_BLOCK_OTHER);
        assert_int_equal(converted.canonical.blocks[1].end, broken[i].len);
        check_chunks_free(&converted);
    }
}

static void test_convert_json__follows_deep_nesting_to_a_limit(void **state)
{
    (void)state;
    static const struct { const char *open, *close; size_t depth; } cases[] = {{"[", "]", 100000}, {"{\"a\":", "}", 100000}, {"[", "", 1000000}, {"[[],", "]", 3000}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        ql_buf text = QL_BUF_INIT;
        check_chunks chunks;
        const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 100, .measure = &check_measure_tokens};
        for (size_t i = 0; i < cases[c].depth; i++) ql_buf_append(&text, ql_str_of(cases[c].open));
        ql_buf_append_char(&text, '1');
        for (size_t i = 0; i < cases[c].depth; i++) ql_buf_append(&text, ql_str_of(cases[c].close));
        check_run(ql__convert_json(), "json", ql_buf_str(&text), &options, &chunks);
        check_chunks_free(&chunks);
        ql_buf_dispose(&text);
    }
}

static void test_convert_json__reads_escapes_at_the_ends_of_strings(void **state)
{
    (void)state;
    expect("json", QL_STR("[\"a long string that ends in an escaped backslash \\\\\", \"and one that ends in an escaped quote, this time \\\"\"]"),
           "value '$' array: [\"a long string that end\n"
           "  value '$[0]' string: \"a long string that ends\n"
           "  value '$[1]' string: \"and one that ends in an\n");
}

static ql_status scenario(void *user, ql_error *err)
{
    (void)user;
    struct ql_arena arena;
    ql_canonical canonical;
    const ql_document document = {.struct_size = sizeof document, .content_type = QL_STR("json"), .content = QL_STR("{\"a\": [\"a string that is long enough for a block of its own\", 1]}")};
    ql__arena_init(&arena.arena, 0);
    ql_status status = ql__convert_json()->convert_fn(NULL, &document, &arena, &canonical, err);
    ql__arena_dispose(&arena.arena);
    return status;
}

static void test_convert_json__survives_every_failing_allocation(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_json__labels_values_with_their_paths),
        cmocka_unit_test(test_convert_json__groups_small_members),
        cmocka_unit_test(test_convert_json__cuts_minified_json_between_members),
        cmocka_unit_test(test_convert_json__reads_a_value_per_line),
        cmocka_unit_test(test_convert_json__keeps_broken_json_as_lines),
        cmocka_unit_test(test_convert_json__follows_deep_nesting_to_a_limit),
        cmocka_unit_test(test_convert_json__reads_escapes_at_the_ends_of_strings),
        cmocka_unit_test(test_convert_json__survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
