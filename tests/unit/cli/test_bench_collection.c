/* Goal: what a collection says is what is sent; what cannot be sent, or has no end, is refused by name; nothing of a foreign file gets into headers. */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "bench_collection.h"

#define HEAD "{\"info\": {\"name\": \"c\", \"schema\": \"https://schema.getpostman.com/json/collection/v2.1.0/collection.json\"}, "

static ql_status parse(const char *text, bench_collection *out, ql_error *err)
{
    static const bench_variable variables[] = {{"base", "http://first"}, {"base", "http://h:1"}, {"inner", "{{deep}}"}, {"deep", "x"}, {"a", "{{b}}"}, {"b", "{{a}}"}, {"broken", "a\r\nX: 1"}};
    *err = (ql_error){0};
    return collection_parse(ql_str_of(text), variables, sizeof variables / sizeof *variables, out, err);
}

static void test_bench_collection__requests_in_order_with_all_their_parts(void **state)
{
    (void)state;
    bench_collection c;
    ql_error err;
    assert_int_equal(parse(HEAD "\"variable\": [{\"key\": \"own\", \"value\": \"o\"}, {\"key\": \"base\", \"value\": \"http://lost\"}], \"event\": [{}], \"auth\": {\"type\": \"bearer\", \"bearer\": "
                           "[{\"key\": \"token\", \"value\": \"t{{own}}\"}]}, \"item\": ["
                           "{\"name\": \"plain\", \"request\": \"{{base}}/a\"},"
                           "{\"name\": \"F\", \"auth\": {\"type\": \"noauth\"}, \"item\": [{\"name\": \"G\", \"event\": [{}, {}], \"item\": [{\"name\": \"deep\", \"request\": {\"method\": \"POST\", \"url\": {\"raw\": \"{{base}}/{{inner}}\"}, "
                           "\"header\": [{\"key\": \"A\", \"value\": \"{{own}}\"}, {\"key\": \"B\", \"value\": \"\", \"disabled\": true}], \"body\": {\"mode\": \"raw\", \"raw\": \"[{{own}}]\"}}}]}]},"
                           "{\"name\": \"last\", \"request\": {\"method\": \"GET\", \"url\": \"{{base}}\"}}]}", &c, &err), QL_OK);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.scripts, 3);
    assert_string_equal(c.name, "c");
    assert_string_equal(c.requests[0].url, "http://h:1/a");
    assert_string_equal(c.requests[0].method, "GET");
    assert_int_equal(c.requests[0].header_count, 1);
    assert_string_equal(c.requests[0].headers[0], "Authorization: Bearer to");
    assert_null(c.requests[0].body);
    assert_string_equal(c.requests[1].name, "F / G / deep");
    assert_string_equal(c.requests[1].url, "http://h:1/x");
    assert_string_equal(c.requests[1].method, "POST");
    assert_int_equal(c.requests[1].header_count, 1); /* the folder has no token, and B is off */
    assert_string_equal(c.requests[1].headers[0], "A: o");
    assert_string_equal(c.requests[1].body, "[o]");
    assert_int_equal(c.requests[2].header_count, 1); /* the folder's "noauth" ended with it */
    collection_keep(&c, (const char *const[]){"F / G", "las"}, 2);
    assert_int_equal(c.count, 1);
    assert_string_equal(c.requests[0].name, "F / G / deep");
    collection_dispose(&c);
}

#define ITEM(request) HEAD "\"item\": [{\"name\": \"r\", \"request\": " request "}]}"

static void test_bench_collection__what_is_refused(void **state)
{
    (void)state;
    static const struct { const char *text; ql_status status; const char *message; } cases[] = {
        {"", QL_E_FORMAT, "line"}, {"[]", QL_E_FORMAT, "lacks info.name"}, {"{\"info\": {\"name\": \"c\", \"schema\": \"x/v2.0.0/y\"}}", QL_E_UNSUPPORTED, "only 2.1 is read"},
        {HEAD "\"item\": 3}", QL_E_FORMAT, "no list of items"}, {HEAD "\"item\": []}", QL_E_FORMAT, "has no requests"}, {ITEM("{}"), QL_E_FORMAT, "'r' has no address"}, {ITEM("3"), QL_E_FORMAT, "no address"},
        {ITEM("{\"url\": \"http://a\", \"method\": \"GET /\"}"), QL_E_FORMAT, "has the method"}, {ITEM("{\"url\": \"http://{{none}}\"}"), QL_E_NOTFOUND, "variable 'none' has no value"},
        {ITEM("{\"url\": \"http://{{a}}\"}"), QL_E_LIMIT, "lead to each other"}, {ITEM("{\"url\": \"http://a\", \"header\": [{\"key\": \"X\", \"value\": \"{{broken}}\"}]}"), QL_E_FORMAT, "line break"},
        {ITEM("{\"url\": \"http://a\", \"header\": [{\"key\": \"X\"}]}"), QL_E_FORMAT, "lacks key or value"}, {ITEM("{\"url\": \"http://a\", \"body\": {\"mode\": \"formdata\"}}"), QL_E_UNSUPPORTED, "kind 'formdata'"},
        {ITEM("{\"url\": \"http://a\", \"body\": {\"mode\": \"raw\"}}"), QL_E_FORMAT, "is empty"}, {ITEM("{\"url\": \"http://a\", \"auth\": {\"type\": \"oauth2\"}}"), QL_E_UNSUPPORTED, "'oauth2'"},
        {ITEM("{\"url\": \"http://a\", \"auth\": {\"type\": \"bearer\"}}"), QL_E_FORMAT, "has no token"}, {HEAD "\"info\": {}, \"item\": []}", QL_E_FORMAT, "duplicate"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_collection c;
        ql_error err;
        ql_status got = parse(cases[i].text, &c, &err);
        if (got != cases[i].status || strstr(err.message, cases[i].message) == NULL) fail_msg("%d '%s' for %s", got, err.message, cases[i].text);
        assert_int_equal(c.count, 0);
    }
}

static void test_bench_collection__depth_and_number_are_bounded(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    bench_collection c;
    ql_error err;
    ql_buf_append(&text, ql_str_of(HEAD));
    for (int i = 0; i < 40; i++) ql_buf_append(&text, QL_STR("\"item\": [{"));
    ql_buf_append(&text, QL_STR("\"request\": \"http://a\""));
    for (int i = 0; i < 40; i++) ql_buf_append(&text, QL_STR("}]"));
    ql_buf_append(&text, QL_STR("}"));
    assert_int_equal(parse(ql_buf_cstr(&text), &c, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "folders more than 32 deep"));
    ql_buf_clear(&text);
    ql_buf_append(&text, ql_str_of(HEAD "\"item\": ["));
    for (int i = 0; i <= COLLECTION_REQUESTS_MAX; i++) ql_buf_printf(&text, "%s{\"request\": \"http://a\"}", i > 0 ? "," : "");
    ql_buf_append(&text, QL_STR("]}"));
    assert_int_equal(parse(ql_buf_cstr(&text), &c, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "more than 1000 requests"));
    ql_buf_dispose(&text);
}

/* One variable of 8 kB, used 1,000 times by each of 100 small requests, would be 800 MB. */
static void test_bench_collection__the_work_of_variables_is_bounded(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    bench_collection c;
    ql_error err;
    ql_buf_append(&text, ql_str_of(HEAD "\"variable\": [{\"key\": \"eight\", \"value\": \""));
    for (int i = 0; i < 1000; i++) ql_buf_append(&text, QL_STR("12345678"));
    ql_buf_append(&text, QL_STR("\"}, {\"key\": \"many\", \"value\": \""));
    for (int i = 0; i < 1000; i++) ql_buf_append(&text, QL_STR("{{eight}}"));
    ql_buf_append(&text, QL_STR("\"}], \"item\": ["));
    for (int i = 0; i < 100; i++) ql_buf_printf(&text, "%s{\"request\": \"{{many}}\"}", i > 0 ? "," : "");
    ql_buf_append(&text, QL_STR("]}"));
    assert_int_equal(parse(ql_buf_cstr(&text), &c, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "64 MB together"));
    ql_buf_dispose(&text);
}

static void test_bench_collection__addresses(void **state)
{
    (void)state;
    char *urls[] = {(char[]){"http://a"}, (char[]){"http://b"}};
    bench_collection c;
    assert_int_equal(collection_of_urls(urls, 2, &c), QL_OK);
    assert_int_equal(c.count, 2);
    assert_string_equal(c.requests[1].url, "http://b");
    assert_string_equal(c.name, "addresses");
    collection_dispose(&c);
    assert_int_equal(collection_of_urls(urls, 1, &c), QL_OK);
    assert_string_equal(c.name, "http://a");
    collection_dispose(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bench_collection__requests_in_order_with_all_their_parts),
        cmocka_unit_test(test_bench_collection__what_is_refused),
        cmocka_unit_test(test_bench_collection__depth_and_number_are_bounded),
        cmocka_unit_test(test_bench_collection__the_work_of_variables_is_bounded),
        cmocka_unit_test(test_bench_collection__addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
