/* Goal: the list is sorted (each of its words is found) and nothing near it is in it. */
#include "support/testing.h"

#include "text/word_stop.h"

#include <string.h>

static void test_word_stop__finds_first_last_and_contractions(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "aint", "am", "an", "the", "their", "then", "there", "these", "what", "whats", "your", "dont", "i", "couldnt", "shouldnt"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) assert_true(ql__word_is_stop(words[i], strlen(words[i])));
}

static void test_word_stop__leaves_other_words(void **state)
{
    (void)state;
    static const char *const words[] = {"", "b", "th", "thei", "thesis", "us", "may", "zebra", "aa", "yours", "before", "THE"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) assert_false(ql__word_is_stop(words[i], strlen(words[i])));
    assert_false(ql__word_is_stop("th\0", 3));
}

static void test_word_stop__reads_only_its_length(void **state)
{
    (void)state;
    assert_true(ql__word_is_stop("theory", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word_stop__finds_first_last_and_contractions),
        cmocka_unit_test(test_word_stop__leaves_other_words),
        cmocka_unit_test(test_word_stop__reads_only_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
