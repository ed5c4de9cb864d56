/* Goal: what the writer writes is JSON, whatever bytes and locale it gets; the reader bounds and locates what it refuses. Method: tables, and every written text is parsed again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dep/json.h"
#include <qloader/document.h>

static void expect_written(ql_str value, const char *json)
{
    ql_buf out = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &out);
    ql__json_string(&writer, value);
    assert_string_equal(ql_buf_cstr(&out), json);
    ql_buf_dispose(&out);
}

static void test_json__strings_are_escaped(void **state)
{
    (void)state;
    expect_written(QL_STR(""), "\"\"");
    expect_written(QL_STR("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    expect_written(QL_STR("\n\r\t\b\f"), "\"\\n\\r\\t\\b\\f\"");
    expect_written(QL_STR("\x01\x1f\x7f\0"), "\"\\u0001\\u001f\x7f\\u0000\"");
    expect_written(QL_STR("h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"), "\"h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}

static void test_json__a_member_is_a_key_and_its_text(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &out);
    ql__json_object(&writer);
    ql__json_member(&writer, "a", QL_STR("x\"y"));
    ql__json_member(&writer, "b", (ql_str){NULL, 0});
    ql__json_object_end(&writer);
    assert_string_equal(ql_buf_cstr(&out), "{\"a\":\"x\\\"y\",\"b\":\"\"}");
    ql_buf_dispose(&out);
}

#define REPLACEMENT "\xEF\xBF\xBD"

static void test_json__invalid_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
    expect_written(QL_STR("a\xFFz"), "\"a" REPLACEMENT "z\"");
    expect_written(QL_STR("\xC3"), "\"" REPLACEMENT "\"");
    expect_written(QL_STR("\xC0\xAF"), "\"" REPLACEMENT REPLACEMENT "\"");
    expect_written(QL_STR("\xED\xA0\x80"), "\"" REPLACEMENT REPLACEMENT REPLACEMENT "\"");
    expect_written(QL_STR(REPLACEMENT), "\"" REPLACEMENT "\"");
    expect_written(QL_STR("\xE2\x82"), "\"" REPLACEMENT REPLACEMENT "\"");
}

static const struct {
    double value;
    const char *text;
} doubles[] = {
    {0.0, "0.0"}, {-0.0, "-0.0"}, {1.0, "1.0"}, {-2.5, "-2.5"}, {0.1, "0.1"}, {0.3, "0.3"}, {1.0 / 3, "0.3333333333333333"},
    {100.0, "100.0"}, {123456789012345680.0, "1.2345678901234568e+17"}, {1e16, "1e+16"}, {1e15, "1000000000000000.0"}, {1e22, "1e+22"},
    {0.0001, "0.0001"}, {0.00001, "1e-05"}, {2.09861228866811, "2.09861228866811"}, {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
    {2.2250738585072014e-308, "2.2250738585072014e-308"}, {9007199254740993.0, "9007199254740992.0"}, {1.3103448275862069, "1.3103448275862069"},
    {NAN, "null"}, {INFINITY, "null"}, {-INFINITY, "null"},
};

static void expect_doubles(void)
{
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        ql_buf out = QL_BUF_INIT;
        ql__json_writer writer;
        ql__json_begin(&writer, &out);
        ql__json_double(&writer, doubles[i].value);
        assert_string_equal(ql_buf_cstr(&out), doubles[i].text);
        ql_buf_dispose(&out);
    }
}

static void test_json__doubles_are_short(void **state)
{
    (void)state;
    expect_doubles();
}

static void test_json__doubles_do_not_follow_the_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8", "fa_IR.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) found = setlocale(LC_ALL, names[i]) != NULL && *localeconv()->decimal_point != '.';
    if (!found) skip();
    expect_doubles();
    ql__json *root = NULL;
    assert_int_equal(ql__json_parse(QL_STR("[0.5]"), &root, NULL), QL_OK);
    assert_true(ql__json_double_of(ql__json_at(root, 0), 0) == 0.5);
    ql__json_free(root);
    setlocale(LC_ALL, "C");
}

static void test_json__doubles_read_back_as_the_same_bits(void **state)
{
    (void)state;
    uint64_t bits = 88172645463325252u; /* xorshift: any bit pattern */
    ql_buf out = QL_BUF_INIT;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        ql_buf_clear(&out);
        ql__json_writer writer;
        ql__json_begin(&writer, &out);
        ql__json_double(&writer, value);
        double again = strtod(ql_buf_cstr(&out), NULL);
        assert_memory_equal(&again, &value, sizeof value);
    }
    ql_buf_dispose(&out);
}

static void test_json__integers_keep_all_digits(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &out);
    ql__json_array(&writer);
    ql__json_int(&writer, INT64_MIN);
    ql__json_int(&writer, -1);
    ql__json_uint(&writer, UINT64_MAX);
    ql__json_array_end(&writer);
    assert_string_equal(ql_buf_cstr(&out), "[-9223372036854775808,-1,18446744073709551615]");
    ql_buf_dispose(&out);
}

static void test_json__commas_stand_where_they_belong(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &out);
    ql__json_object(&writer);
    ql__json_key(&writer, "a");
    ql__json_array(&writer);
    ql__json_array(&writer);
    ql__json_array_end(&writer);
    ql__json_object(&writer);
    ql__json_object_end(&writer);
    ql__json_null(&writer);
    ql__json_bool(&writer, true);
    ql__json_array_end(&writer);
    ql__json_members(&writer, QL_STR("{}"));
    ql__json_members(&writer, QL_STR(" { \"m\":1,\"n\":2}\n"));
    ql__json_key_str(&writer, QL_STR("b"));
    ql__json_cstring(&writer, NULL);
    ql__json_key(&writer, "c");
    ql__json_raw(&writer, QL_STR("[1]"));
    ql__json_object_end(&writer);
    assert_string_equal(ql_buf_cstr(&out), "{\"a\":[[],{},null,true],\"m\":1,\"n\":2,\"b\":null,\"c\":[1]}");
    ql__json *root = NULL;
    assert_int_equal(ql__json_parse(ql_buf_str(&out), &root, NULL), QL_OK);
    assert_int_equal(ql__json_count(root), 5);
    ql__json_free(root);
    ql_buf_dispose(&out);
}

static const struct {
    int64_t unix_ms;
    const char *text;
} times[] = {
    {0, "\"1970-01-01T00:00:00.000+00:00\""}, {-1, "\"1969-12-31T23:59:59.999+00:00\""}, {951782400000, "\"2000-02-29T00:00:00.000+00:00\""},
    {1078012799123, "\"2004-02-28T23:59:59.123+00:00\""}, {4107542400000, "\"2100-03-01T00:00:00.000+00:00\""},
    {1700000000123, "\"2023-11-14T22:13:20.123+00:00\""}, {253402300799999, "\"9999-12-31T23:59:59.999+00:00\""},
    {253402300800000, "null"}, {QL_TIME_UNKNOWN, "null"}, {INT64_MAX, "null"}, {-62167219200000, "\"0000-01-01T00:00:00.000+00:00\""},
};

static void test_json__times_are_iso_8601_in_utc(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        ql_buf out = QL_BUF_INIT;
        ql__json_writer writer;
        ql__json_begin(&writer, &out);
        ql__json_time(&writer, times[i].unix_ms);
        assert_string_equal(ql_buf_cstr(&out), times[i].text);
        ql_buf_dispose(&out);
    }
}

static void test_json__reader_finds_what_is_there(void **state)
{
    (void)state;
    ql__json *root = NULL;
    ql_str text = QL_STR("{\"z\": \"a\\u0000b\", \"y\": [1, 2.0, 2.5, true, null], \"x\": {}}");
    assert_int_equal(ql__json_parse(text, &root, NULL), QL_OK);
    assert_true(ql__json_is_object(root));
    assert_true(ql_str_equal(ql__json_str(ql__json_get(root, "z"), QL_STR("")), QL_STR("a\0b")));
    const ql__json *list = ql__json_get(root, "y");
    assert_true(ql__json_is_array(list));
    assert_int_equal(ql__json_count(list), 5);
    assert_int_equal(ql__json_int_of(ql__json_at(list, 1), -1), 2);
    assert_int_equal(ql__json_int_of(ql__json_at(list, 2), -1), -1);
    assert_true(ql__json_double_of(ql__json_at(list, 0), 0) == 1.0);
    assert_true(ql__json_bool_of(ql__json_at(list, 3), false));
    assert_null(ql__json_at(list, 5));
    assert_null(ql__json_get(ql__json_get(root, "nothing"), "below"));
    assert_int_equal(ql__json_int_of(NULL, 7), 7);
    assert_false(ql__json_is_string(list));
    void *iter = NULL;
    ql_str key;
    const ql__json *value;
    char order[8] = "";
    while (ql__json_next(root, &iter, &key, &value)) strncat(order, key.ptr, key.len);
    assert_string_equal(order, "zyx");
    ql__json_free(root);
    ql__json_free(NULL);
}

static void test_json__reader_says_where_it_stopped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } bad[] = {{"", "1:1:"}, {"{\"a\":1,}", "1:8:"}, {"[1,\n 2,\n x]", "3:2:"}, {"[1] 2", "1:5:"}, {"\"\xFF\"", "1:"}, {"[01]", "1:"}, {"{\"a\"", "1:"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ql_error err = {0};
        ql__json *root = NULL;
        assert_int_equal(ql__json_parse(ql_str_of(bad[i].text), &root, &err), QL_E_FORMAT);
        assert_null(root);
        if (strncmp(err.message, bad[i].place, strlen(bad[i].place)) != 0) fail_msg("%s: %s", bad[i].text, err.message);
    }
}

static ql_status parse_nested(size_t depth, ql_error *err)
{
    ql_buf text = QL_BUF_INIT;
    for (size_t i = 0; i < depth; i++) ql_buf_append(&text, QL_STR("["));
    for (size_t i = 0; i < depth; i++) ql_buf_append(&text, QL_STR("]"));
    ql__json *root = NULL;
    ql_status status = ql__json_parse(ql_buf_str(&text), &root, err);
    if (status == QL_OK) ql__json_free(root);
    ql_buf_dispose(&text);
    return status;
}

static void test_json__depth_is_limited(void **state)
{
    (void)state;
    ql_error err = {0};
    assert_int_equal(parse_nested(QL_LIMIT_JSON_DEPTH, NULL), QL_OK);
    assert_int_equal(parse_nested(QL_LIMIT_JSON_DEPTH + 1, &err), QL_E_LIMIT);
    assert_int_equal(strncmp(err.message, "1:513:", 6), 0);
    assert_int_equal(parse_nested(1000000, NULL), QL_E_LIMIT);
    ql__json *root = NULL;
    ql_buf text = QL_BUF_INIT; /* brackets in a string are text */
    ql_buf_append(&text, QL_STR("\"\\\""));
    for (int i = 0; i < 2000; i++) ql_buf_append(&text, QL_STR("["));
    ql_buf_append(&text, QL_STR("\""));
    assert_int_equal(ql__json_parse(ql_buf_str(&text), &root, NULL), QL_OK);
    ql__json_free(root);
    ql_buf_dispose(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__strings_are_escaped),
        cmocka_unit_test(test_json__a_member_is_a_key_and_its_text),
        cmocka_unit_test(test_json__invalid_utf8_becomes_the_replacement_character),
        cmocka_unit_test(test_json__doubles_are_short),
        cmocka_unit_test(test_json__doubles_do_not_follow_the_locale),
        cmocka_unit_test(test_json__doubles_read_back_as_the_same_bits),
        cmocka_unit_test(test_json__integers_keep_all_digits),
        cmocka_unit_test(test_json__commas_stand_where_they_belong),
        cmocka_unit_test(test_json__times_are_iso_8601_in_utc),
        cmocka_unit_test(test_json__reader_finds_what_is_there),
        cmocka_unit_test(test_json__reader_says_where_it_stopped),
        cmocka_unit_test(test_json__depth_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
