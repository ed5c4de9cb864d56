/* Breaks from strong to weak, and that a cut is always possible and never inside a grapheme. */
#include "support/chunk_check.h"

#include "chunk/cut.h"

static void test_cut__prefers_the_strongest_break_behind_the_wanted_place(void **state)
{
    (void)state;
    const ql_str code = QL_STR("aa bb\ncc\n\ndd ee\nff gg\nhh");
    assert_int_equal(ql__cut_find(code, QL_BLOCK_CODE, 0, 20, 5), 10);  /* behind the empty line */
    assert_int_equal(ql__cut_find(code, QL_BLOCK_CODE, 0, 20, 12), 16); /* a line */
    assert_int_equal(ql__cut_find(code, QL_BLOCK_CODE, 0, 20, 18), 19); /* a word */
    const ql_str prose = QL_STR("One two. Three four five six");
    assert_int_equal(ql__cut_find(prose, QL_BLOCK_PARAGRAPH, 0, 20, 4), 9);
    assert_int_equal(ql__cut_find(prose, QL_BLOCK_PARAGRAPH, 0, 20, 12), 20);
    assert_int_equal(ql__cut_find(prose, QL_BLOCK_PARAGRAPH, 0, 18, 12), 15);
}

static void test_cut__falls_back_to_graphemes(void **state)
{
    (void)state;
    const ql_str text = QL_STR("abc" "e\xcc\x81\xcc\x81" "def");
    assert_int_equal(ql__cut_find(text, QL_BLOCK_PARAGRAPH, 0, 6, 3), 3);
    assert_int_equal(ql__cut_find(text, QL_BLOCK_PARAGRAPH, 3, 6, 3), 3); /* no room for the first grapheme */
    assert_int_equal(ql__cut_find(text, QL_BLOCK_PARAGRAPH, 3, 8, 3), 8);
    /* A blank that carries a mark is no place to cut behind. */
    const ql_str marked = QL_STR("abcd \xcc\x81" "ef");
    assert_int_equal(ql__cut_find(marked, QL_BLOCK_PARAGRAPH, 0, 6, 1), 4);
}

static void test_cut__takes_the_end_of_the_text_and_its_beginning(void **state)
{
    (void)state;
    const ql_str prose = QL_STR("One two. Three four ");
    assert_int_equal(ql__cut_find(prose, QL_BLOCK_PARAGRAPH, 0, prose.len, 4), 9);            /* a sentence goes before the end */
    assert_int_equal(ql__cut_find(prose, QL_BLOCK_PARAGRAPH, 0, prose.len, 12), prose.len);   /* behind the last blank there is nothing */
    const ql_str lines = QL_STR("\nab\r\n\r\ncd");
    assert_int_equal(ql__cut_find(lines, QL_BLOCK_CODE, 0, 2, 1), 1);  /* the first line is empty, but nothing is before it */
    assert_int_equal(ql__cut_find(lines, QL_BLOCK_CODE, 0, 8, 2), 7);  /* an empty line of CR LF */
    assert_int_equal(ql__cut_find(QL_STR("\r\nab"), QL_BLOCK_CODE, 0, 4, 1), 2); /* a CR that begins the text ends no line before it */
    assert_int_equal(ql__cut_find(QL_STR("x\n\nb\r\ncd"), QL_BLOCK_CODE, 0, 7, 1), 3); /* nor does one behind a letter make an empty line */
}

static void test_cut__takes_a_grapheme_when_nothing_is_behind_the_wanted_place(void **state)
{
    (void)state;
    assert_int_equal(ql__cut_find(QL_STR("ab cd ef"), QL_BLOCK_PARAGRAPH, 0, 4, 6), 4); /* wanted lies behind the limit */
}

static void test_cut__tells_words_from_white_space(void **state)
{
    (void)state;
    const ql_str text = QL_STR("ab cd");
    assert_true(ql__cut_is_inside_word(text, 1));
    assert_false(ql__cut_is_inside_word(text, 2));
    assert_false(ql__cut_is_inside_word(text, 3));
    assert_false(ql__cut_is_inside_word(text, 0));
    assert_false(ql__cut_is_inside_word(text, 5));
    assert_true(ql__cut_is_blank(text, 2, 3));
    assert_false(ql__cut_is_blank(text, 2, 4));
    assert_true(ql__cut_is_blank(text, 2, 2));
    assert_true(ql__cut_is_bare(QL_STR("]}, \n"), 0, 5));
    assert_false(ql__cut_is_bare(QL_STR("]}, 1"), 0, 5));
    assert_false(ql__cut_is_bare(QL_STR("\xc3\xa9"), 0, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut__prefers_the_strongest_break_behind_the_wanted_place),
        cmocka_unit_test(test_cut__falls_back_to_graphemes),
        cmocka_unit_test(test_cut__takes_the_end_of_the_text_and_its_beginning),
        cmocka_unit_test(test_cut__takes_a_grapheme_when_nothing_is_behind_the_wanted_place),
        cmocka_unit_test(test_cut__tells_words_from_white_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
