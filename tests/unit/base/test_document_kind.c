/* Goal: every block kind has its own name, unknown numbers have one too. */
#include "support/testing.h"

#include <string.h>

#include <qloader/document.h>

static void test_document_kind__names_are_distinct(void **state)
{
    (void)state;
    assert_string_equal(ql_block_kind_name(QL_BLOCK_DOCUMENT), "document");
    assert_string_equal(ql_block_kind_name(QL_BLOCK_FRONT_MATTER), "front_matter");
    for (int a = 0; a <= QL_BLOCK_OTHER; a++) {
        for (int b = 0; b < a; b++) assert_string_not_equal(ql_block_kind_name(a), ql_block_kind_name(b));
    }
}

static void test_document_kind__unknown_is_other(void **state)
{
    (void)state;
    assert_string_equal(ql_block_kind_name(QL_BLOCK_OTHER), "other");
    assert_string_equal(ql_block_kind_name(-1), "other");
    assert_string_equal(ql_block_kind_name(INT32_MAX), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document_kind__names_are_distinct),
        cmocka_unit_test(test_document_kind__unknown_is_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
