/* Sentence boundaries against ICU on random strings, and the reading of hard-wrapped prose. */
#include "support/icu_breaks.h"

#include "text/utf8.h"

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void test_segment__finds_the_sentences_that_icu_finds(void **state)
{
    (void)state;
    static const uint32_t pool[] = {'a', 'b', 'C', 'D', ' ', ' ', '.', '.', '?', '!', ',', '-', '(', ')', '"', '1', '2', '\n', '\r', 0x301, 0xad, 0x3002, 0x4e00, 0x2019,
                                    0x2029, 0xa0, 0x5d0, 0x2024, 0x1f600, ';', ':', 0x37e};
    static char bytes[400];
    static bool marks[401];
    uint64_t seed = 11;
    for (int round = 0; round < 20000; round++) {
        size_t len = 0;
        for (size_t i = 0, n = 1 + next_random(&seed) % 40; i < n; i++) len += ql__utf8_put(pool[next_random(&seed) % (sizeof pool / sizeof pool[0])], bytes + len);
        const ql_str text = {bytes, len};
        icu_breaks(UBRK_SENTENCE, text, marks);
        for (size_t at = 0; at < len;) {
            size_t next = at + 1;
            while (!marks[next]) next++;
            assert_int_equal(ql__sentence_next(text, at, false), next);
            at = next;
        }
    }
}

static void test_segment__lists_the_starts_of_sentences(void **state)
{
    (void)state;
    static const size_t starts[] = {12, 30, 37, 42};
    ql_str text = QL_STR("It is 3.14. Dr. smith agrees! \"Why?\" Done.");
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) assert_int_equal(at = ql__sentence_next(text, at, false), starts[i]);
    assert_int_equal(at, text.len);
}

static void test_segment__reads_over_line_ends_in_wrapped_prose(void **state)
{
    (void)state;
    const ql_str text = QL_STR("A line\nthat goes on. Next\n\nNew paragraph");
    assert_int_equal(ql__sentence_next(text, 0, false), 7);
    assert_int_equal(ql__sentence_next(text, 0, true), 21);
    assert_int_equal(ql__sentence_next(text, 21, true), 26);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment__finds_the_sentences_that_icu_finds),
        cmocka_unit_test(test_segment__lists_the_starts_of_sentences),
        cmocka_unit_test(test_segment__reads_over_line_ends_in_wrapped_prose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
