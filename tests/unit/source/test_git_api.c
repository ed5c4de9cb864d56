/* libgit2's table and how its errors become ours: the kind, and no secret in the message. */
#include <string.h>

#include "source/git_api.h"
#include "support/testing.h"

static const ql__git_api *api;

static void assert_failure(int code, int class, const char *text, const char *secret, ql_status expected, const char *message)
{
    ql_error err = {0};
    assert_int_equal(api->git_error_set_str(class, text), 0);
    ql_status status = ql__git_fail(api, code, ql_str_of(secret), "what", &err);
    assert_int_equal(status, expected);
    assert_int_equal(err.status, expected);
    assert_string_equal(err.message, message);
}

static void test_git_api__is_loaded_once(void **state)
{
    (void)state;
    const ql__git_api *again;
    assert_int_equal(ql__git_api_get(&again, NULL), QL_OK);
    assert_ptr_equal(api, again);
    assert_non_null(api->git_repository_open_ext);
}

static void test_git_api__translates_kinds(void **state)
{
    (void)state;
    assert_failure(GIT_ENOTFOUND, GIT_ERROR_REFERENCE, "none", "", QL_E_NOTFOUND, "what: none");
    assert_failure(GIT_EAUTH, GIT_ERROR_HTTP, "no", "", QL_E_AUTH, "what: no");
    assert_failure(GIT_EUSER, GIT_ERROR_CALLBACK, "stop", "", QL_E_CANCELLED, "what: stop");
    assert_failure(GIT_ECERTIFICATE, GIT_ERROR_SSL, "bad", "", QL_E_NET, "what: bad");
    assert_failure(GIT_TIMEOUT, GIT_ERROR_NET, "slow", "", QL_E_TIMEOUT, "what: slow");
    assert_failure(GIT_ERROR, GIT_ERROR_NET, "gone", "", QL_E_NET, "what: gone");
    assert_failure(GIT_ERROR, GIT_ERROR_ODB, "torn", "", QL_E_CORRUPT, "what: torn");
    assert_failure(GIT_ERROR, GIT_ERROR_HTTP, "unexpected http status code: 404", "", QL_E_NOTFOUND, "what: unexpected http status code: 404");
    assert_failure(GIT_ERROR, GIT_ERROR_HTTP, "unexpected http status code: 403", "", QL_E_AUTH, "what: unexpected http status code: 403");
    assert_failure(GIT_ERROR, GIT_ERROR_OS, "disk", "", QL_E_IO, "what: disk");
}

static void test_git_api__shows_no_secret(void **state)
{
    (void)state;
    assert_failure(GIT_ERROR, GIT_ERROR_NET, "token abc123 and abc123", "abc123", QL_E_NET, "what: token *** and ***");
    assert_failure(GIT_ERROR, GIT_ERROR_NET, "at https://bob:pw@host/a and http://x/y@z", "", QL_E_NET,
                   "what: at https://***@host/a and http://x/y@z");
    assert_failure(GIT_ERROR, GIT_ERROR_NET, "two\nlines", "", QL_E_NET, "what: two lines");
    assert_failure(GIT_ERROR, GIT_ERROR_NET, "https://", "", QL_E_NET, "what: https://");
}

static int load_api(void **state)
{
    (void)state;
    return ql__git_api_get(&api, NULL) == QL_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_git_api__is_loaded_once),
        cmocka_unit_test(test_git_api__translates_kinds),
        cmocka_unit_test(test_git_api__shows_no_secret),
    };
    return cmocka_run_group_tests(tests, load_api, NULL);
}
