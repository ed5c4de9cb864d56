/* Goal: code points become what BERT's tokenizer makes of them. Method: one case per rule; all of Unicode is tests/embed_oracle's. */
#include "support/testing.h"
#include "text/bert_normalize.h"

#define ALL (QL__BERT_LOWER | QL__BERT_STRIP | QL__BERT_IDEOGRAPHS)

static void expect(uint32_t code_point, uint32_t flags, size_t count, const ql__bert_part *wanted)
{
    ql__bert_part parts[QL__BERT_PARTS_MAX];
    assert_int_equal(ql__bert_parts(code_point, flags, parts), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(parts[i].kind, wanted[i].kind);
        assert_int_equal(parts[i].order, wanted[i].order);
        if (parts[i].kind == QL__BERT_LETTER || parts[i].kind == QL__BERT_PUNCTUATION) assert_int_equal(parts[i].code_point, wanted[i].code_point);
    }
}

#define EXPECT(code_point, flags, ...) \
    expect((code_point), (flags), sizeof((ql__bert_part[]){__VA_ARGS__}) / sizeof(ql__bert_part), (ql__bert_part[]){__VA_ARGS__})

static void test_bert_normalize__lower_cases_and_strips(void **state)
{
    (void)state;
    EXPECT('A', ALL, {'a', QL__BERT_LETTER, 0});
    EXPECT(0xC9, ALL, {'e', QL__BERT_LETTER, 0}, {0x301, QL__BERT_MARK, 230});
    EXPECT(0xC9, QL__BERT_LOWER, {0xE9, QL__BERT_LETTER, 0});
    EXPECT(0x130, ALL, {'i', QL__BERT_LETTER, 0}, {0x307, QL__BERT_MARK, 230});
    EXPECT(0xAC01, ALL, {0x1100, QL__BERT_LETTER, 0}, {0x1161, QL__BERT_LETTER, 0}, {0x11A8, QL__BERT_LETTER, 0});
}

static void test_bert_normalize__knows_blanks_controls_and_punctuation(void **state)
{
    (void)state;
    EXPECT('\n', ALL, {0, QL__BERT_SPACE, 0});
    EXPECT(0x3000, ALL, {0, QL__BERT_SPACE, 0});
    EXPECT(0, ALL, {0, QL__BERT_CONTROL, 0});
    EXPECT(0xFFFD, ALL, {0, QL__BERT_CONTROL, 0});
    EXPECT(0x200D, ALL, {0, QL__BERT_CONTROL, 0});
    EXPECT(0x110000, ALL, {0, QL__BERT_CONTROL, 0});
    EXPECT('$', ALL, {'$', QL__BERT_PUNCTUATION, 0});
    EXPECT(0x37E, ALL, {';', QL__BERT_PUNCTUATION, 0}); /* a Greek question mark decomposes to it */
    EXPECT(0x378, ALL, {0x378, QL__BERT_LETTER, 0});    /* unassigned code points stay */
}

static void test_bert_normalize__spaces_ideographs(void **state)
{
    (void)state;
    EXPECT(0x6F22, ALL, {' ', QL__BERT_SPACE, 0}, {0x6F22, QL__BERT_LETTER, 0}, {' ', QL__BERT_SPACE, 0});
    EXPECT(0x6F22, QL__BERT_LOWER, {0x6F22, QL__BERT_LETTER, 0});
    EXPECT(0x3042, ALL, {0x3042, QL__BERT_LETTER, 0});
}

static void test_bert_normalize__keeps_old_unicode(void **state)
{
    (void)state;
    EXPECT(0x8D4, ALL, {0x8D4, QL__BERT_LETTER, 230});  /* a mark by now, unknown to the tokenizer's categories */
    EXPECT(0x11938, ALL, {0x11938, QL__BERT_LETTER, 0}); /* decomposes by now */
    EXPECT(0xA7CB, ALL, {0x264, QL__BERT_LETTER, 0});    /* lower case newer than utf8proc's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bert_normalize__lower_cases_and_strips),
        cmocka_unit_test(test_bert_normalize__knows_blanks_controls_and_punctuation),
        cmocka_unit_test(test_bert_normalize__spaces_ideographs),
        cmocka_unit_test(test_bert_normalize__keeps_old_unicode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
