/* Plain text: paragraphs, line-wise formats, the choice among the built-in converters, refusals. */
#include "support/outline.h"

#include "base/limits.h"

static void test_convert_text__cuts_paragraphs_at_empty_lines(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    check_chunks converted;
    for (int p = 0; p < 3; p++) {
        for (int i = 0; i < 30; i++) ql_buf_append(&text, QL_STR("some words "));
        ql_buf_append(&text, QL_STR("\r\n \t\r\n"));
    }
    check_convert(ql__convert_text(), QL_STR("txt"), ql_buf_str(&text), &converted);
    assert_int_equal(converted.canonical.block_count, 4);
    for (uint32_t i = 1; i < 4; i++) {
        assert_int_equal(converted.canonical.blocks[i].kind, QL_BLOCK_PARAGRAPH);
        assert_int_equal(converted.canonical.blocks[i].end - converted.canonical.blocks[i].begin, text.len / 3);
    }
    check_chunks_free(&converted);
    ql_buf_dispose(&text);
}

static void test_convert_text__takes_configuration_as_code_and_tables_as_lines(void **state)
{
    (void)state;
    outline_expect(ql__convert_text(), "yaml", QL_STR("a: 1\n\nb: 2\n"), "code 'yaml': a: 1//b: 2/\n");
    outline_expect(ql__convert_text(), "csv", QL_STR("a,b\n\n1,2\n"), "other: a,b//1,2/\n");
    outline_expect(ql__convert_text(), "", QL_STR("words"), "paragraph: words\n");
    outline_expect(ql__convert_text(), "txt", QL_STR(""), "");
}

static void test_convert_text__refuses_what_is_no_text_or_too_large(void **state)
{
    (void)state;
    ql_error err = {0};
    struct ql_arena arena;
    ql_canonical canonical;
    ql_document document = {.struct_size = sizeof document, .content = QL_STR("%PDF-1.7\n")};
    ql__arena_init(&arena.arena, 0);
    assert_int_equal(ql__convert_text()->convert_fn(NULL, &document, &arena, &canonical, &err), QL_E_FORMAT);
    document.content.len = QL_LIMIT_DOCUMENT_BYTES + 1; /* refused before it is read */
    assert_int_equal(ql__convert_text()->convert_fn(NULL, &document, &arena, &canonical, &err), QL_E_LIMIT);
    ql__arena_dispose(&arena.arena);
}

static ql_status scenario(void *user, ql_error *err)
{
    struct ql_arena arena;
    ql_canonical canonical;
    const ql_document document = {.struct_size = sizeof document, .content_type = ql_str_of(user), .content = QL_STR("some\n\ntext")};
    ql__arena_init(&arena.arena, 0);
    ql_status status = ql__convert_text()->convert_fn(NULL, &document, &arena, &canonical, err);
    ql__arena_dispose(&arena.arena);
    return status;
}

static void test_convert_text__survives_every_failing_allocation(void **state)
{
    (void)state;
    static char prose[] = "txt", code[] = "yaml"; /* code has a label */
    ql_test_fault_loop(QL_FAULT_ALLOC, scenario, prose);
    ql_test_fault_loop(QL_FAULT_ALLOC, scenario, code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_text__cuts_paragraphs_at_empty_lines),
        cmocka_unit_test(test_convert_text__takes_configuration_as_code_and_tables_as_lines),
        cmocka_unit_test(test_convert_text__refuses_what_is_no_text_or_too_large),
        cmocka_unit_test(test_convert_text__survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
