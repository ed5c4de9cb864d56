/* Goal: only who may be named is: hosts, origins and tokens, written in every way that a client or an attacker writes them. */
#include "support/testing.h"

#include <string.h>

#include "dep/http_server.h"

static const ql__http_hosts loopback = {.loopback = true, .own_name = "box.example", .port = 8001};
static const ql__http_hosts elsewhere = {.own_name = "box.example", .port = 8001};
static const ql__http_hosts nameless = {.port = 8001};
static const ql__http_hosts guarded = {.any = true, .own_name = "box.example", .port = 8001};

static void test_http_guard__hosts(void **state)
{
    (void)state;
    static const struct { const char *host; bool loopback, elsewhere, guarded; } cases[] = {
        {"localhost", true, true, true}, {"LOCALHOST:8001", true, true, true}, {"127.0.0.1", true, true, true}, {"127.0.0.1:9", true, true, true}, {"127.9.8.7", true, true, true},
        {"[::1]", true, true, true}, {"[::1]:8001", true, true, true}, {"10.0.0.1:8001", false, true, true}, {"[2001:db8::1]:8001", false, true, true},
        {"box.example", false, true, true}, {"BOX.example:80", false, true, true}, {"evil.example", false, false, true}, {"localhost.evil.example", false, false, true},
        {"127.0.0.1.evil.example", false, false, true}, {"0.0.0.0", false, true, true},
        /* what is no host at all */
        {"", false, false, false}, {"localhost:", false, false, false}, {"localhost:x", false, false, false}, {"localhost:0", false, false, false}, {"localhost:65536", false, false, false},
        {"localhost:123456", false, false, false}, {"[::1", false, false, false}, {"[::1]x", false, false, false}, {"[::1]:", false, false, false}, {"::1", false, false, false},
        {"127.1", false, false, true}, {"0x7f000001", false, false, true}, {"user@localhost", false, false, true}, {"localhost/", false, false, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_str host = ql_str_of(cases[i].host);
        if (ql__http_host_allowed(&loopback, host) != cases[i].loopback || ql__http_host_allowed(&elsewhere, host) != cases[i].elsewhere || ql__http_host_allowed(&guarded, host) != cases[i].guarded)
            fail_msg("'%s'", cases[i].host);
    }
    assert_false(ql__http_host_allowed(&loopback, (ql_str){"localhost\0x", 11}));
    assert_false(ql__http_host_allowed(&nameless, QL_STR("")));
    assert_true(ql__http_host_allowed(&nameless, QL_STR("10.1.1.1")));
    static char long_name[400];
    memset(long_name, 'a', sizeof long_name);
    assert_true(ql__http_host_allowed(&guarded, (ql_str){long_name, 300}));
    assert_false(ql__http_host_allowed(&guarded, (ql_str){long_name, 301}));
}

static void test_http_guard__origins(void **state)
{
    (void)state;
    static const struct { const char *origin; bool loopback, elsewhere; } cases[] = {
        {"http://127.0.0.1:8001", true, true}, {"http://localhost:8001", true, false}, {"HTTP://[::1]:8001", true, true}, {"http://box.example:8001", false, true},
        {"http://127.0.0.1:8002", false, false}, {"http://127.0.0.1", false, false}, {"https://127.0.0.1:8001", false, false}, {"null", false, false}, {"", false, false}, {"http://", false, false},
        {"http://evil.example:8001", false, false}, {"http://evil.example", false, false}, {"file://", false, false}, {"http://127.0.0.1:8001/", false, false}, {"http://127.0.0.1:8001.evil.example", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_str origin = ql_str_of(cases[i].origin);
        if (ql__http_origin_allowed(&loopback, origin) != cases[i].loopback || ql__http_origin_allowed(&elsewhere, origin) != cases[i].elsewhere) fail_msg("'%s'", cases[i].origin);
    }
    const ql__http_hosts web = {.loopback = true, .port = 80};
    assert_true(ql__http_origin_allowed(&web, QL_STR("http://localhost")));
    static char long_origin[400] = "http://";
    memset(long_origin + 7, 'a', sizeof long_origin - 7);
    assert_false(ql__http_origin_allowed(&loopback, (ql_str){long_origin, sizeof long_origin}));
}

static void test_http_guard__tokens(void **state)
{
    (void)state;
    static const struct { const char *authorization; bool matches; } cases[] = {{"Bearer s3cret", true}, {"bearer   s3cret", true}, {"Bearer s3crex", false}, {"Bearer s3cre", false}, {"Bearer s3cret ", false},
                                                                                 {"Basic s3cret", false}, {"s3cret", false}, {"Bearer ", false}, {"Bearer", false}, {"", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ql__http_token_matches(ql_str_of(cases[i].authorization), QL_STR("s3cret")) != cases[i].matches) fail_msg("'%s'", cases[i].authorization);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_guard__hosts),
        cmocka_unit_test(test_http_guard__origins),
        cmocka_unit_test(test_http_guard__tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
