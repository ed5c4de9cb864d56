/* Goal: spellings of one word fold to one; the longest expansion fits; encoding cuts at code points. */
#include "support/testing.h"

#include "text/word_fold.h"

#include <string.h>

static void expect(const int32_t *word, size_t count, const char *folded)
{
    int32_t out[QL__WORD_FOLDED_MAX];
    char utf8[256];
    size_t bytes = ql__word_encode(out, ql__word_fold(word, count, out), utf8, sizeof utf8 - 1);
    utf8[bytes] = '\0';
    assert_string_equal(utf8, folded);
}

static void test_word_fold__makes_one_of_many_spellings(void **state)
{
    (void)state;
    expect((const int32_t[]){'A', 'b', '_', '9'}, 4, "ab_9");
    expect((const int32_t[]){0x1E9E}, 1, "ss");            /* capital sharp s */
    expect((const int32_t[]){'I', 0x0307}, 2, "i");
    expect((const int32_t[]){0x0130}, 1, "i");
    expect((const int32_t[]){0x0131}, 1, "i");
    expect((const int32_t[]){0x03A3, 0x03C2}, 2, "σσ");
    expect((const int32_t[]){0x0219}, 1, "\xC5\x9F");
    expect((const int32_t[]){0x0665, 0x096B}, 2, "55");
    expect((const int32_t[]){0x00BD}, 1, "12");            /* one half: the slash is no part of words */
    expect((const int32_t[]){'e', '\'', 0x0301}, 3, "e\xCC\x81");
    expect((const int32_t[]){0x0438, 0x0306}, 2, "й");
}

static void test_word_fold__holds_the_longest_expansion(void **state)
{
    (void)state;
    int32_t word[QL__WORD_CODE_POINTS_MAX], out[QL__WORD_FOLDED_MAX];
    for (size_t i = 0; i < QL__WORD_CODE_POINTS_MAX; i++) word[i] = 0xFDFA;
    size_t length = ql__word_fold(word, QL__WORD_CODE_POINTS_MAX, out);
    assert_true(length > QL__WORD_CODE_POINTS_MAX && length <= QL__WORD_FOLDED_MAX);
}

static void test_word_fold__sorts_marks_of_any_length(void **state)
{
    (void)state;
    int32_t word[QL__WORD_CODE_POINTS_MAX] = {'a'}, out[QL__WORD_FOLDED_MAX];
    for (size_t i = 1; i < QL__WORD_CODE_POINTS_MAX; i++) word[i] = i % 2 ? 0x0301 : 0x0323;
    assert_in_range(ql__word_fold(word, QL__WORD_CODE_POINTS_MAX, out), 1, QL__WORD_CODE_POINTS_MAX);
}

static void test_word_fold__encodes_whole_code_points_only(void **state)
{
    (void)state;
    char out[5];
    assert_int_equal(ql__word_encode((const int32_t[]){0x4E00, 0x4E01}, 2, out, sizeof out), 3);
    assert_memory_equal(out, "\xE4\xB8\x80", 3);
    assert_int_equal(ql__word_encode((const int32_t[]){'a'}, 1, out, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word_fold__makes_one_of_many_spellings),
        cmocka_unit_test(test_word_fold__holds_the_longest_expansion),
        cmocka_unit_test(test_word_fold__sorts_marks_of_any_length),
        cmocka_unit_test(test_word_fold__encodes_whole_code_points_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
