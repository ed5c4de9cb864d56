/* Goal: variables of .env and of the process reach the values, the right one first, and nothing else. Method: tables of files; .env files beside them. */
#include "config_run.h"

static const wrong_case wrong[] = {
    {LOCALFILE("      include_paths: ['${NONE}']\n"), "5:23: the environment variable 'NONE' is not set; export it or write it into .env\n"},
    {LOCALFILE("      include_paths: ['${NONE:-x}']\n"), "5:23: '${NONE...}' is not the name of an environment variable; defaults and other forms of the shell are not known here\n"},
    {"sources: {git: {r: {base_url: '${NONE}/x'}}}\n", "1:31: the environment variable 'NONE' is not set; export it or write it into .env\n"},
    {GLOBAL("  chunking: {chunk_size: '${WORD}'}\n"), "3:26: global.chunking.chunk_size must be a whole number\n"}, /* values of the environment are not shown */
};

static void test_config_env__a_missing_variable_is_named_and_values_are_not_shown(void **state)
{
    (void)state;
    EXPECT_WRONG(wrong);
}

static const right_case right[] = {
    {GLOBAL("  chunking:\n    chunk_size: ${NUMBER}\n"), "global_config.chunking.chunk_size", "1024"},
    {GLOBAL("  llm:\n    provider: x\n    thing:\n      a: ${NUMBER}\n      b: '${NUMBER}'\n      c: [1, no, 2.5, ~]\n"), "global_config.llm.thing", "{\"a\":1024,\"b\":\"1024\",\"c\":[1,false,2.5,null]}"},
    {GLOBAL("  llm:\n    embeddings:\n      vector_size: ${NUMBER}\n"), "global_config.llm.embeddings.vector_size", "1024"},
    {GLOBAL("  state_management: {database_path: '${STATE_DB_PATH}'}\n"), "store", "\"embedded\""},
    {LOCALFILE("      include_paths: ['${WORD}-${WORD}', '$HOMEX', '${LIKE}', '${HOMED}', '$WORD', '${', 'a$']\n"), "projects_config.projects.default.sources.localfile.d.include_paths",
     "[\"hush-hush\",\"/home/meX\",\"${WORD}\",\"/home/me/y\",\"$WORD\",\"${\",\"a$\"]"},
    {"sources: {localfile: {'${WORD}': {base_url: /x}}}\n", "projects_config.projects.default.sources.localfile.${WORD}.base_url", "\"file:///x\""}, /* keys stay */
    {GIT("      token: ${NUMBER}\n"), "projects_config.projects.default.sources.git.r.token", "\"****\""},
    {GIT("      branch: ${NUMBER}\n"), "projects_config.projects.default.sources.git.r.branch", "\"1024\""},
};

static void test_config_env__variables_are_inserted_into_values(void **state)
{
    (void)state;
    EXPECT_RIGHT(right);
}

#define SHOWN "sources: {localfile: {d: {base_url: d, include_paths: ['${WHO}']}}}\n"
#define SHOWN_PATH "projects_config.projects.default.sources.localfile.d.include_paths"

static void test_config_env__env_file_beside_the_configuration_gives_way_to_the_process(void **state)
{
    (void)state;
    static const char *const env[] = {"WHO=process", NULL};
    run self;
    start(&self, SHOWN, NULL);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("WHO=file\n"));
    load(&self);
    (void)expect_loaded(&self);
    expect_effective(&self, SHOWN_PATH, "[\"file\"]");
    finish(&self);
    start(&self, SHOWN, env);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("WHO=file\n"));
    load(&self);
    (void)expect_loaded(&self);
    expect_effective(&self, SHOWN_PATH, "[\"process\"]");
    finish(&self);
}

static void test_config_env__a_named_env_file_wins_and_must_exist(void **state)
{
    (void)state;
    static const char *const env[] = {"WHO=process", NULL};
    run self;
    start(&self, SHOWN, env);
    ql_test_file_write(ql_test_path(self.dir, "my.env"), QL_STR("WHO=file\n"));
    ql__config_options options = {.config_path = ql_test_path(self.dir, "config.yaml"), .env_path = ql_test_path(self.dir, "my.env"), .getenv_fn = find_env, .getenv_user = &self};
    assert_int_equal(ql__config_load(&options, &self.set, NULL, NULL), QL_OK);
    expect_effective(&self, SHOWN_PATH, "[\"file\"]");
    ql__config_set *none = NULL;
    options.env_path = ql_test_path(self.dir, "missing.env");
    assert_int_equal(ql__config_load(&options, &none, NULL, &self.err), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "missing.env"));
    assert_null(none);
    finish(&self);
}

static void test_config_env__a_broken_env_file_is_reported_before_what_it_causes(void **state)
{
    (void)state;
    run self;
    start(&self, SHOWN, NULL);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("# c\nWHO file\n"));
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    const char *first = strstr(ql_buf_cstr(&self.problems), ".env:2:5: not of the form KEY=VALUE"), *second = strstr(ql_buf_cstr(&self.problems), "'WHO' is not set");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    finish(&self);
}

/* As everywhere such files are read: a line that says nothing costs that line. */
static void test_config_env__a_broken_line_that_nothing_needs_is_a_warning(void **state)
{
    (void)state;
    run self;
    start(&self, SHOWN, NULL);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("what is this\nWHO=file\nLAST='open\n"));
    load(&self);
    assert_int_equal(self.status, QL_OK);
    assert_int_equal(ql__config_get(self.set)->warnings.count, 2);
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_env__a_missing_variable_is_named_and_values_are_not_shown),
        cmocka_unit_test(test_config_env__variables_are_inserted_into_values),
        cmocka_unit_test(test_config_env__env_file_beside_the_configuration_gives_way_to_the_process),
        cmocka_unit_test(test_config_env__a_named_env_file_wins_and_must_exist),
        cmocka_unit_test(test_config_env__a_broken_line_that_nothing_needs_is_a_warning),
        cmocka_unit_test(test_config_env__a_broken_env_file_is_reported_before_what_it_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
