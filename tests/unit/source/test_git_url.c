/* Addresses of repositories: what is reached, how documents are called, where secrets do not go. */
#include <string.h>

#include "source/git_url.h"
#include "support/testing.h"

static void assert_parsed(const char *text, ql__git_reach reach, const char *remote, const char *base, const char *owner, const char *name)
{
    ql__git_url url;
    ql_error err = {0};
    if (ql__git_url_parse(ql_str_of(text), &url, &err) != QL_OK) fail_msg("%s: %s", text, err.message);
    assert_int_equal(url.reach, reach);
    assert_string_equal(ql_buf_cstr(reach == QL__GIT_LOCAL ? &url.path : &url.remote), remote);
    assert_string_equal(ql_buf_cstr(&url.base), base);
    assert_true(ql_str_equal(url.owner, ql_str_of(owner)));
    assert_true(ql_str_equal(url.name, ql_str_of(name)));
    ql__git_url_dispose(&url);
}

static void test_git_url__understands_the_usual_forms(void **state)
{
    (void)state;
    assert_parsed("https://github.com/Org/Repo.git", QL__GIT_HTTP, "https://github.com/Org/Repo.git", "https://github.com/Org/Repo", "Org", "Repo");
    assert_parsed("https://www.github.com/a/b", QL__GIT_HTTP, "https://www.github.com/a/b", "https://www.github.com/a/b", "a", "b");
    assert_parsed("https://dev.azure.com/org/proj/_git/repo", QL__GIT_HTTP, "https://dev.azure.com/org/proj/_git/repo",
                  "https://dev.azure.com/org/proj/_git/repo", "proj", "repo");
    assert_parsed("https://host/repo.git", QL__GIT_HTTP, "https://host/repo.git", "https://host/repo", "", "repo");
    assert_parsed("ssh://git@host:2222/a/b.git", QL__GIT_SSH, "ssh://git@host:2222/a/b.git", "ssh://git@host:2222/a/b", "a", "b");
    assert_parsed("git@github.com:a/b.git", QL__GIT_SSH, "git@github.com:a/b.git", "ssh://git@github.com/a/b", "a", "b");
    assert_parsed("file:///srv/my%20repos/x.git", QL__GIT_LOCAL, "/srv/my repos/x.git", "file:///srv/my%20repos/x", "my%20repos", "x");
    assert_parsed("/no/such/repo", QL__GIT_LOCAL, "/no/such/repo", "file:///no/such/repo", "such", "repo");
}

static void test_git_url__keeps_passwords_out_of_addresses(void **state)
{
    (void)state;
    ql__git_url url;
    assert_int_equal(ql__git_url_parse(QL_STR("https://bob:s3cr%40t@Host.Example:8443/a/b.git"), &url, NULL), QL_OK);
    assert_string_equal(ql_buf_cstr(&url.remote), "https://Host.Example:8443/a/b.git");
    assert_string_equal(ql_buf_cstr(&url.base), "https://Host.Example:8443/a/b");
    assert_string_equal(ql_buf_cstr(&url.host), "host.example:8443");
    assert_string_equal(ql_buf_cstr(&url.user), "bob");
    assert_string_equal(ql_buf_cstr(&url.password), "s3cr@t");
    ql__git_url_dispose(&url);
    assert_int_equal(ql__git_url_parse(QL_STR("ssh://git:s3cret@host/a/b"), &url, NULL), QL_OK);
    assert_null(strstr(ql_buf_cstr(&url.base), "s3cret"));
    assert_null(strstr(ql_buf_cstr(&url.remote), "s3cret"));
    ql__git_url_dispose(&url);
}

static void test_git_url__says_what_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "ftp://host/a/b", "https://", "https://host", "https://host/", "file://server/x", "host:", "ext::sh -c x",
                                        "file:///a%00b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ql__git_url url;
        ql_error err = {0};
        ql_status status = ql__git_url_parse(ql_str_of(wrong[i]), &url, &err);
        if (strcmp(wrong[i], "ext::sh -c x") == 0) assert_true(status == QL_OK && url.reach == QL__GIT_SSH); /* a host named "ext": never a command */
        else assert_int_equal(status, QL_E_CONFIG);
        ql__git_url_dispose(&url);
    }
}

static void assert_document(const char *branch, ql_str path, const char *expected)
{
    ql__git_url url;
    ql_buf out = QL_BUF_INIT;
    assert_int_equal(ql__git_url_parse(QL_STR("https://h/o/r.git"), &url, NULL), QL_OK);
    assert_int_equal(ql__git_document_url(&url, ql_str_of(branch), path, &out), QL_OK);
    assert_string_equal(ql_buf_cstr(&out), expected);
    ql_buf_dispose(&out);
    ql__git_url_dispose(&url);
}

static void test_git_url__calls_documents_as_the_reference_does(void **state)
{
    (void)state;
    assert_document("main", QL_STR("docs/a b#c.md"), "https://h/o/r/blob/main/docs/a b#c.md");
    assert_document("feature/x", QL_STR("\xc3\xa9.md"), "https://h/o/r/blob/feature/x/\xc3\xa9.md");
    assert_document("main", QL_STR("a\nb\xff%.md"), "https://h/o/r/blob/main//a%0Ab%FF%25.md");
    assert_document("main", QL_STR("a%0Ab%FF%25.md"), "https://h/o/r/blob/main/a%0Ab%FF%25.md");
}

static void test_git_url__knows_user_names_for_tokens(void **state)
{
    (void)state;
    bool is_user;
    assert_string_equal(ql__git_token_user(QL_STR("gitlab.example.org"), 0, &is_user), "oauth2");
    assert_string_equal(ql__git_token_user(QL_STR("bitbucket.org"), 0, &is_user), "x-token-auth");
    assert_string_equal(ql__git_token_user(QL_STR("github.com"), 0, &is_user), "x-access-token");
    assert_false(is_user);
    assert_non_null(ql__git_token_user(QL_STR("github.com"), 1, &is_user));
    assert_true(is_user);
    assert_null(ql__git_token_user(QL_STR("github.com"), 2, &is_user));
}

static ql_status parse_one(void *user, ql_error *err)
{
    ql__git_url url;
    ql_status status = ql__git_url_parse(ql_str_of(user), &url, err);
    ql__git_url_dispose(&url);
    return status;
}

static void test_git_url__survives_lack_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, parse_one, (void *)(uintptr_t) "https://user:pass@host/a/b.git");
    ql_test_fault_loop(QL_FAULT_ALLOC, parse_one, (void *)(uintptr_t) "git@host:a/b.git");
    ql_test_fault_loop(QL_FAULT_ALLOC, parse_one, (void *)(uintptr_t) "file:///a/b.git");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_git_url__understands_the_usual_forms),
        cmocka_unit_test(test_git_url__keeps_passwords_out_of_addresses),
        cmocka_unit_test(test_git_url__says_what_is_wrong),
        cmocka_unit_test(test_git_url__calls_documents_as_the_reference_does),
        cmocka_unit_test(test_git_url__knows_user_names_for_tokens),
        cmocka_unit_test(test_git_url__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
