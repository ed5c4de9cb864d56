/* Facts about files from their path and bytes. */
#include <string.h>

#include "source/file_facts.h"
#include "support/testing.h"

static void assert_facts(const char *path, ql_str content, const char *expected)
{
    ql_buf out = QL_BUF_INIT;
    ql__json_writer json;
    ql__json_begin(&json, &out);
    ql__json_object(&json);
    ql__file_facts_write(&json, ql_str_of(path), content);
    ql__json_object_end(&json);
    assert_string_equal(ql_buf_cstr(&out), expected);
    ql_buf_dispose(&out);
}

static void test_file_facts__counts_like_the_reference(void **state)
{
    (void)state;
    assert_facts("guide/notes.TXT", QL_STR("one two\n  three\tfour\r\n\nfive"),
                 "{\"file_type\":\".TXT\",\"file_name\":\"notes.TXT\",\"file_directory\":\"/guide\",\"file_encoding\":\"utf-8\",\"file_size\":27,"
                 "\"line_count\":4,\"word_count\":5}");
    assert_facts("README", QL_STR(""),
                 "{\"file_type\":\"\",\"file_name\":\"README\",\"file_directory\":\"/\",\"file_encoding\":\"utf-8\",\"file_size\":0,"
                 "\"line_count\":0,\"word_count\":0}");
}

static void test_file_facts__counts_nothing_in_binary_files(void **state)
{
    (void)state;
    assert_facts("a/b/x.bin", (ql_str){"a\0b c", 5},
                 "{\"file_type\":\".bin\",\"file_name\":\"x.bin\",\"file_directory\":\"/a/b\",\"file_encoding\":\"binary\",\"file_size\":5}");
}

static void test_file_facts__shows_odd_names_as_valid_text(void **state)
{
    (void)state;
    assert_facts("d\n/\xff.md", QL_STR("caf\xe9"),
                 "{\"file_type\":\".md\",\"file_name\":\"\xef\xbf\xbd.md\",\"file_directory\":\"/d\xef\xbf\xbd\",\"file_encoding\":\"unknown-8bit\","
                 "\"file_size\":4,\"line_count\":1,\"word_count\":1}");
}

static void test_file_facts__knows_plain_paths(void **state)
{
    (void)state;
    assert_true(ql__path_is_plain(QL_STR("A B/Read#Me?.md")));
    assert_true(ql__path_is_plain(QL_STR("\xe6\x97\xa5.md")));
    assert_false(ql__path_is_plain(QL_STR("a\nb")));
    assert_false(ql__path_is_plain(QL_STR("a\x7f")));
    assert_false(ql__path_is_plain(QL_STR("\xc2\x80")));
    assert_false(ql__path_is_plain(QL_STR("\xff")));
}

static void test_file_facts__percent_coding_goes_there_and_back(void **state)
{
    (void)state;
    char all[256];
    for (size_t i = 0; i < 256; i++) all[i] = (char)i;
    ql_buf encoded = QL_BUF_INIT, decoded = QL_BUF_INIT;
    assert_int_equal(ql__percent_encode(&encoded, (ql_str){all, 256}), QL_OK);
    assert_true(ql__path_is_plain(ql_buf_str(&encoded)));
    assert_int_equal(ql__percent_decode(&decoded, ql_buf_str(&encoded)), QL_OK);
    assert_int_equal(decoded.len, 256);
    assert_memory_equal(decoded.ptr, all, 256);
    ql_buf_clear(&decoded);
    assert_int_equal(ql__percent_decode(&decoded, QL_STR("100%/a%2/%zz%41%")), QL_OK);
    assert_string_equal(ql_buf_cstr(&decoded), "100%/a%2/%zzA%");
    ql_buf_dispose(&encoded);
    ql_buf_dispose(&decoded);
}

static void test_file_facts__takes_the_type_from_the_last_extension(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    assert_int_equal(ql__content_type_of(QL_STR("a.b/Read.Me.MD"), &out), QL_OK);
    assert_string_equal(ql_buf_cstr(&out), "md");
    assert_int_equal(ql__content_type_of(QL_STR("a.b/Makefile"), &out), QL_OK);
    assert_string_equal(ql_buf_cstr(&out), "");
    assert_int_equal(ql__content_type_of(QL_STR(".profile"), &out), QL_OK);
    assert_string_equal(ql_buf_cstr(&out), "");
    ql_buf_dispose(&out);
}

static void test_file_facts__times_that_do_not_fit_are_unknown(void **state)
{
    (void)state;
    assert_int_equal(ql__time_ms(1, 999999999), 1999);
    assert_int_equal(ql__time_ms(-1, 500000000), -500);
    assert_int_equal(ql__time_ms(INT64_MAX / 1000 - 1, 999999999), (INT64_MAX / 1000 - 1) * 1000 + 999);
    assert_true(ql__time_ms(INT64_MAX / 1000, 0) == QL_TIME_UNKNOWN && ql__time_ms(INT64_MIN / 1000, 0) == QL_TIME_UNKNOWN);
    assert_true(ql__time_ms(QL_TIME_UNKNOWN, 0) == QL_TIME_UNKNOWN && ql__time_ms(INT64_MAX, 999999999) == QL_TIME_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_facts__counts_like_the_reference),
        cmocka_unit_test(test_file_facts__counts_nothing_in_binary_files),
        cmocka_unit_test(test_file_facts__shows_odd_names_as_valid_text),
        cmocka_unit_test(test_file_facts__knows_plain_paths),
        cmocka_unit_test(test_file_facts__percent_coding_goes_there_and_back),
        cmocka_unit_test(test_file_facts__takes_the_type_from_the_last_extension),
        cmocka_unit_test(test_file_facts__times_that_do_not_fit_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
