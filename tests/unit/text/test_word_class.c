/* Goal: classes and scripts of code points at the edges of the tables. */
#include "support/testing.h"

#include "text/word_class.h"

static void test_word_class__tells_letters_digits_and_breaks(void **state)
{
    (void)state;
    assert_int_equal(ql__word_class_of('a'), QL__WORD_LOWER);
    assert_int_equal(ql__word_class_of('Z'), QL__WORD_UPPER);
    assert_int_equal(ql__word_class_of('7'), QL__WORD_DIGIT);
    assert_int_equal(ql__word_class_of('_'), QL__WORD_UNDERSCORE);
    assert_int_equal(ql__word_class_of(' '), QL__WORD_BREAK);
    assert_int_equal(ql__word_class_of(0), QL__WORD_BREAK);
    assert_int_equal(ql__word_class_of(0x0663), QL__WORD_DIGIT);  /* Arabic three */
    assert_int_equal(ql__word_class_of(0x0964), QL__WORD_BREAK);  /* danda */
    assert_int_equal(ql__word_class_of(0x093E), QL__WORD_MARK);   /* Devanagari vowel sign */
    assert_int_equal(ql__word_class_of(0x10FFFF), QL__WORD_BREAK);
}

static void test_word_class__knows_scripts_without_blanks(void **state)
{
    (void)state;
    static const int32_t dense[] = {0x0E01, 0x0E31, 0x0EDC, 0x1000, 0x1780, 0x3005, 0x3042, 0x30FC, 0x4E00, 0x9FFF, 0xAC00, 0xFF76, 0x20000};
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++) assert_int_equal(ql__word_class_of(dense[i]), QL__WORD_DENSE);
    assert_int_equal(ql__word_class_of(0x0E50), QL__WORD_DIGIT); /* Thai zero */
    assert_int_equal(ql__word_class_of(0x0E3F), QL__WORD_BREAK); /* baht */
    assert_int_equal(ql__word_class_of(0x3002), QL__WORD_BREAK); /* ideographic full stop */
    assert_int_equal(ql__word_class_of(0x30FB), QL__WORD_BREAK); /* katakana middle dot */
    assert_int_equal(ql__word_class_of(0x0F40), QL__WORD_LETTER); /* Tibetan */
    assert_true(ql__word_is_ideograph(0x4E00) && !ql__word_is_ideograph(0x3042));
}

static void test_word_class__does_not_see_invisible_signs(void **state)
{
    (void)state;
    static const int32_t invisible[] = {0x00AD, 0x200D, 0x200C, 0x0640, 0x064B, 0x05B0, 0xFE0F, 0xFEFF, 0x2069};
    for (size_t i = 0; i < sizeof invisible / sizeof *invisible; i++) assert_int_equal(ql__word_class_of(invisible[i]), QL__WORD_SKIP);
    assert_int_equal(ql__word_class_of(0x200B), QL__WORD_BREAK); /* zero width space separates words */
    assert_int_equal(ql__word_class_of(0x05D0), QL__WORD_LETTER);
}

static void test_word_class__names_scripts(void **state)
{
    (void)state;
    assert_int_equal(ql__word_script_of('a'), QL__SCRIPT_LATIN);
    assert_int_equal(ql__word_script_of(0x1EA1), QL__SCRIPT_LATIN);
    assert_int_equal(ql__word_script_of(0x03B1), QL__SCRIPT_GREEK);
    assert_int_equal(ql__word_script_of(0x0436), QL__SCRIPT_CYRILLIC);
    assert_int_equal(ql__word_script_of(0x0643), QL__SCRIPT_ARABIC);
    assert_int_equal(ql__word_script_of(0x0939), QL__SCRIPT_DEVANAGARI);
    assert_int_equal(ql__word_script_of(0x05D0), QL__SCRIPT_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word_class__tells_letters_digits_and_breaks),
        cmocka_unit_test(test_word_class__knows_scripts_without_blanks),
        cmocka_unit_test(test_word_class__does_not_see_invisible_signs),
        cmocka_unit_test(test_word_class__names_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
