/* UTF-8 against its definition; grapheme boundaries against ICU on random strings of the characters that matter for the rules. */
#include "support/icu_breaks.h"

#include <string.h>

#include "base/limits.h"
#include "text/utf8.h"

static void test_utf8__takes_every_code_point_there_and_back(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10ffff; code_point++) {
        if (code_point == 0xd800) code_point = 0xe000;
        char bytes[4];
        uint32_t read;
        const ql_str text = {bytes, ql__utf8_put(code_point, bytes)};
        assert_true(ql__utf8_valid(text));
        assert_int_equal(ql__utf8_next(text, 0, &read), text.len);
        assert_int_equal(read, code_point);
    }
}

static void test_utf8__refuses_what_rfc_3629_refuses(void **state)
{
    (void)state;
    static const ql_str bad[] = {{"\x80", 1}, {"\xc0\x80", 2}, {"\xc1\xbf", 2}, {"\xe0\x9f\xbf", 3}, {"\xed\xa0\x80", 3}, {"\xf0\x8f\xbf\xbf", 4}, {"\xf4\x90\x80\x80", 4},
                                 {"\xf5\x80\x80\x80", 4}, {"\xc3", 1}, {"\xe2\x82", 2}, {"\xf0\x9f\x98", 3}, {"\xff", 1}, {"abcdefgh\xfe", 9}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ql__utf8_valid(bad[i]));
        uint32_t read;
        if (bad[i].len < 9) {
            assert_int_equal(ql__utf8_next(bad[i], 0, &read), 1);
            assert_int_equal(read, 0xfffd);
        }
    }
    assert_int_equal(ql__utf8_valid_prefix(QL_STR("abcdefgh\xc3\xa9\xff.")), 10);
}

static void test_utf8__writes_a_replacement_for_what_is_no_character(void **state)
{
    (void)state;
    char bytes[4];
    assert_int_equal(ql__utf8_put(0xd800, bytes), 3);
    assert_memory_equal(bytes, "\xef\xbf\xbd", 3);
    assert_int_equal(ql__utf8_put(0x110000, bytes), 3);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static ql_str random_text(uint64_t *seed, char *bytes, size_t count)
{
    static const uint32_t pool[] = {'a', ' ', '\r', '\n', 0x301, 0x308, 0x200d, 0x1f468, 0x1f469, 0x1f3fb, 0x1f1e9, 0x1f1ea, 0x1f1eb, 0xac00, 0x1100, 0x1161, 0x11a8,
                                    0xe33, 0x903, 0x4e00, 0xfe0f, 0x2764, 0xad, 0x600, 0x85};
    size_t len = 0;
    for (size_t i = 0; i < count; i++) len += ql__utf8_put(pool[next_random(seed) % (sizeof pool / sizeof pool[0])], bytes + len);
    return (ql_str){bytes, len};
}

static void test_utf8__finds_the_graphemes_that_icu_finds(void **state)
{
    (void)state;
    static char bytes[400];
    static bool marks[401];
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        const ql_str text = random_text(&seed, bytes, 1 + next_random(&seed) % 40);
        icu_breaks(UBRK_CHARACTER, text, marks);
        size_t expected = 0;
        for (size_t at = 0; at <= text.len; at++) {
            if (marks[at]) expected = at;
            assert_int_equal(ql__grapheme_floor(text, at), expected);
            if (marks[at] && at < text.len) {
                size_t next = at + 1;
                while (!marks[next]) next++;
                assert_int_equal(ql__grapheme_next(text, at), next);
            }
        }
    }
}

static void test_utf8__cuts_a_huge_grapheme_at_code_points_only(void **state)
{
    (void)state;
    static char bytes[40001];
    bytes[0] = 'a';
    for (size_t i = 1; i < sizeof bytes; i += 2) memcpy(bytes + i, "\xcc\x81", 2);
    const ql_str text = {bytes, sizeof bytes};
    for (size_t at = 20000; at < 20010; at++) assert_int_equal(ql__grapheme_floor(text, at), at - (at % 2 == 0));
    size_t next = ql__grapheme_next(text, 0);
    assert_true(next > 0 && next <= QL_LIMIT_GRAPHEME_BYTES && next % 2 == 1);
}

static void test_utf8__pairs_flags_from_the_start_of_their_run(void **state)
{
    (void)state;
    static char bytes[8 * 4000];
    for (size_t i = 0; i < sizeof bytes; i += 8) memcpy(bytes + i, "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", 8);
    const ql_str text = {bytes, sizeof bytes};
    for (size_t at = 30000; at < 30040; at++) assert_int_equal(ql__grapheme_floor(text, at), at / 8 * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8__takes_every_code_point_there_and_back),
        cmocka_unit_test(test_utf8__refuses_what_rfc_3629_refuses),
        cmocka_unit_test(test_utf8__writes_a_replacement_for_what_is_no_character),
        cmocka_unit_test(test_utf8__finds_the_graphemes_that_icu_finds),
        cmocka_unit_test(test_utf8__cuts_a_huge_grapheme_at_code_points_only),
        cmocka_unit_test(test_utf8__pairs_flags_from_the_start_of_their_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
