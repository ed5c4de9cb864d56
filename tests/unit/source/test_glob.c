/* Path patterns: the reference's reading, what ours adds to it, the strict reading, and odd bytes. */
#include <string.h>

#include "base/alloc.h"
#include "source/glob.h"
#include "support/testing.h"

static bool matches(const char *pattern, const char *path, bool strict)
{
    ql__glob *glob = NULL;
    assert_int_equal(ql__glob_new(ql_str_of(pattern), strict, &glob, NULL), QL_OK);
    bool result = ql__glob_matches(glob, ql_str_of(path));
    ql__glob_free(glob);
    return result;
}

static bool above(const char *pattern, const char *path)
{
    ql__glob *glob = NULL;
    assert_int_equal(ql__glob_new(ql_str_of(pattern), false, &glob, NULL), QL_OK);
    bool result = ql__glob_matches_above(glob, ql_str_of(path));
    ql__glob_free(glob);
    return result;
}

static void test_glob__reads_loose_patterns_as_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool expected;
    } cases[] = {
        {"docs/*", "docs/a.md", true},     {"docs/*", "docs/a/b.md", true},   {"docs/*", "docs", false},
        {"docs/*", "xdocs/a", false},      {"*.md", "a/b/c.md", true},        {"*.md", "a.MD", false},
        {"a?c", "a/c", true},              {"a?c", "ac", false},              {"[abc].md", "b.md", true},
        {"[a-c].md", "d.md", false},       {"[!a-c].md", "d.md", true},       {"[!a-c].md", "b.md", false},
        {"[]a].md", "].md", true},         {"[^a]", "^", true},               {"[^a]", "b", false},
        {"[c-a]", "b", false},             {"a[b", "a[b", true},              {"a[b", "ab", false},
        {"\\*", "\\x", true},              {"", "", true},                    {"", "a", false},
        {"*", "", true},                   {"***", "a/b", true},              {"a**b", "a/x/b", true},
        {"?", "\xc3\xa9", true},           {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true},
        {"*a*b*c*", "xxaxxbxxcxx", true},  {"*a*b*c*", "xxaxxcxxbxx", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (matches(cases[i].pattern, cases[i].path, false) != cases[i].expected)
            fail_msg("'%s' on '%s' is not %d", cases[i].pattern, cases[i].path, cases[i].expected);
}

static void test_glob__two_stars_stand_for_no_folder_too(void **state)
{
    (void)state;
    assert_true(matches("**/*.md", "a.md", false));
    assert_true(matches("**/*.md", "x/y/a.md", false));
    assert_true(matches("docs/**/a.md", "docs/a.md", false));
    assert_true(matches("docs/**/a.md", "docs/x/y/a.md", false));
    assert_false(matches("docs/**/a.md", "docs/xa.md", false));
    assert_false(matches("**/a.md", "ba.md", false));
    assert_true(matches("**/x/**/y", "x/y", false));
    assert_true(matches("**", "a/b", false));
}

static void test_glob__strict_stars_stay_in_their_part(void **state)
{
    (void)state;
    assert_true(matches("docs/*.md", "docs/a.md", true));
    assert_false(matches("docs/*.md", "docs/a/b.md", true));
    assert_false(matches("a?c", "a/c", true));
    assert_false(matches("a[!x]c", "a/c", true));
    assert_true(matches("docs/**", "docs/a/b.md", true));
    assert_true(matches("**/b.md", "b.md", true));
    assert_true(matches("**/b.md", "a/c/b.md", true));
    assert_false(matches("a**b", "a/b", true));
}

static void test_glob__finds_a_folder_above(void **state)
{
    (void)state;
    assert_true(above("node_modules", "node_modules/x/y.js"));
    assert_true(above("**/node_modules", "node_modules/y.js"));
    assert_true(above("**/node_modules", "a/b/node_modules/y.js"));
    assert_false(above("**/node_modules", "a/node_modules"));
    assert_false(above("**/node_modules", "a/node_modules2/x"));
    assert_true(above("a/b", "a/b/c"));
    assert_false(above("a/b", "a/bc/d"));
}

static void test_glob__keeps_bytes_that_are_not_utf8_apart(void **state)
{
    (void)state;
    assert_true(matches("a\xff.md", "a\xff.md", false));
    assert_false(matches("a\xff.md", "a\xfe.md", false));
    assert_true(matches("a?.md", "a\xfe.md", false));
    assert_true(matches("*.md", "\xc3.md", false));
    assert_false(matches("\xef\xbf\xbd", "\xff", false));
    assert_true(matches("a\nb*", "a\nb c", false));
}

static void test_glob__refuses_a_pattern_beyond_the_limit(void **state)
{
    (void)state;
    char text[2000];
    memset(text, '*', sizeof text);
    ql__glob *glob = NULL;
    ql_error err = {0};
    assert_int_equal(ql__glob_new((ql_str){text, sizeof text}, false, &glob, &err), QL_E_LIMIT);
    assert_null(glob);
    assert_true(err.message[0] != '\0');
}

/* A pattern that sends backtracking matchers through 2^n ways must end. */
static void test_glob__runs_hostile_patterns_in_one_pass(void **state)
{
    (void)state;
    char pattern[1001], path[20001];
    for (size_t i = 0; i < 1000; i += 2) memcpy(pattern + i, "*a", 2);
    pattern[1000] = '\0';
    memset(path, 'a', 20000);
    path[20000] = '\0';
    assert_true(matches(pattern, path, false));
    path[19999] = 'b';
    assert_false(matches(pattern, path, false));
}

static ql_status make_one(void *user, ql_error *err)
{
    (void)user;
    ql__glob *glob = NULL;
    ql_status status = ql__glob_new(QL_STR("**/[a-z]*.md"), false, &glob, err);
    ql__glob_free(glob);
    return status;
}

static void test_glob__survives_lack_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, make_one, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob__reads_loose_patterns_as_the_reference),
        cmocka_unit_test(test_glob__two_stars_stand_for_no_folder_too),
        cmocka_unit_test(test_glob__strict_stars_stay_in_their_part),
        cmocka_unit_test(test_glob__finds_a_folder_above),
        cmocka_unit_test(test_glob__keeps_bytes_that_are_not_utf8_apart),
        cmocka_unit_test(test_glob__refuses_a_pattern_beyond_the_limit),
        cmocka_unit_test(test_glob__runs_hostile_patterns_in_one_pass),
        cmocka_unit_test(test_glob__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
