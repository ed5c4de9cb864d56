/* Goal: lower-casing equals the Unicode default algorithm. Method: a table whose right side was worked out from UnicodeData.txt and SpecialCasing.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/lower.h"

static const struct {
    const char *text, *lower;
} cases[] = {
    {"", ""},
    {"ABC xyz 123 [\\]^_`{|}~@", "abc xyz 123 [\\]^_`{|}~@"},
    {"ÄÖÜ ÉÈ Ñ ß ẞ", "äöü éè ñ ß ß"},
    {"ПРИВЕТ Ԁ Ა Ⰰ", "привет ԁ ა ⰰ"},
    {"İstanbul", "i̇stanbul"},
    {"K Å Ω", "k å ω"}, /* Kelvin, Angstrom, Ohm signs */
    {"ΟΔΟΣ", "οδος"},
    {"ΣΑΣ ΣΑ", "σας σα"},
    {"Σ", "σ"},
    {"ΑΣ.", "ας."},
    {"ΑΣ'Α", "ασ'α"},
    {"Α'Σ", "α'ς"},
    {"1Σ", "1σ"},
    {"ΣΣ", "σς"},
    {"Α\xCC\x81Σ\xCC\x81", "α\xCC\x81ς\xCC\x81"},
    {"𐐀 Ⅷ Ⓐ", "𐐨 ⅷ ⓐ"},
    {"日本語 ไทย עברית", "日本語 ไทย עברית"},
    {"A\xFF\xC3Z", "a\xFF\xC3z"},
    {"ǅ Ǳ", "ǆ ǳ"},
};

static void test_lower__matches_the_unicode_algorithm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_buf out = QL_BUF_INIT;
        assert_int_equal(ql__utf8_lower(ql_str_of(cases[i].text), &out, NULL), QL_OK);
        assert_string_equal(ql_buf_cstr(&out), cases[i].lower);
        ql_buf_dispose(&out);
    }
}

static void test_lower__appends_and_respects_the_cap(void **state)
{
    (void)state;
    ql_buf out;
    ql_buf_init(&out, 4);
    assert_int_equal(ql__utf8_lower(QL_STR("AB"), &out, NULL), QL_OK);
    assert_int_equal(ql__utf8_lower(QL_STR("Ä"), &out, NULL), QL_OK);
    assert_string_equal(ql_buf_cstr(&out), "abä");
    ql_error err = {0};
    assert_int_equal(ql__utf8_lower(QL_STR("C"), &out, &err), QL_E_LIMIT);
    ql_buf_dispose(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lower__matches_the_unicode_algorithm),
        cmocka_unit_test(test_lower__appends_and_respects_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
