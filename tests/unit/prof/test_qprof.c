/* Goal: the CRC of chunks is zlib's, in one go and in pieces: the check value of the polynomial's catalogue and known texts. */
#include "support/testing.h"

#include <string.h>

#include "prof/qprof.h"

static void test_qprof__crc_is_the_known_one(void **state)
{
    (void)state;
    assert_int_equal(ql__qprof_crc32(0, "", 0), 0);
    assert_int_equal(ql__qprof_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(ql__qprof_crc32(0, "The quick brown fox jumps over the lazy dog", 43), 0x414fa339);
}

static void test_qprof__crc_goes_on_from_a_piece(void **state)
{
    (void)state;
    const char *text = "123456789";
    for (size_t cut = 0; cut <= 9; cut++) {
        assert_int_equal(ql__qprof_crc32(ql__qprof_crc32(0, text, cut), text + cut, 9 - cut), 0xcbf43926);
    }
}

static void test_qprof__magic_survives_no_text_conversion(void **state)
{
    (void)state;
    assert_int_equal(sizeof QL__QPROF_MAGIC, 8 + 1);
    assert_int_equal(strlen(QL__QPROF_MAGIC), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qprof__crc_is_the_known_one),
        cmocka_unit_test(test_qprof__crc_goes_on_from_a_piece),
        cmocka_unit_test(test_qprof__magic_survives_no_text_conversion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
