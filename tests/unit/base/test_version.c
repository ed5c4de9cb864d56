/* Goal: the number and the text of the version agree with the header. */
#include "support/testing.h"

#include <stdio.h>

static void test_version__number_and_text_agree(void **state)
{
    (void)state;
    unsigned number = ql_version_number();
    char text[32];
    snprintf(text, sizeof text, "%u.%u.%u", number / 1000000, number / 1000 % 1000, number % 1000);
    assert_string_equal(ql_version(), text);
    assert_string_equal(ql_version(), QLOADER_VERSION);
    assert_int_equal(number, QLOADER_VERSION_NUMBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_version__number_and_text_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
