/* Goal: loading as a whole: which files, which folder, and no failure of memory or files is ever fatal. Method: temporary workspaces, fault loops. */
#include "config_run.h"

#define SHOWN "sources: {localfile: {d: {base_url: d, include_paths: ['${WHO}']}}}\n"
#define SHOWN_PATH "projects_config.projects.default.sources.localfile.d.include_paths"

typedef struct fault_case {
    const char *dir;
    bool lenient;
} fault_case;

static const char *no_env(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "WORD") == 0 ? "hush" : NULL;
}

static ql_status whole(void *user, ql_error *err)
{
    const fault_case *self = user;
    ql__config_set *set = NULL;
    ql_buf problems = QL_BUF_INIT, text = QL_BUF_INIT;
    ql__config_options options = {.workspace_dir = self->dir, .sys = ql_test_sys(), .lenient = self->lenient, .getenv_fn = no_env};
    ql_status status = ql__config_load(&options, &set, &problems, err);
    if (status == QL_OK) status = ql__config_write_json(set, &text, err);
    ql_buf_clear(&text);
    if (status == QL_OK) status = ql__config_write_yaml(set, &text, err);
    ql__config_free(set);
    ql_buf_dispose(&problems);
    ql_buf_dispose(&text);
    return status;
}

static void test_config__every_allocation_and_file_call_may_fail(void **state)
{
    (void)state;
    fault_case good = {.dir = ql_test_dir_new()};
    ql_test_file_write(ql_test_path(good.dir, "config.yaml"), QL_STR(SECRETS));
    ql_test_file_write(ql_test_path(good.dir, ".env"), QL_STR("A=1\nB=${A}\n"));
    ql_test_fault_loop(QL_FAULT_ALLOC, whole, &good);
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~(unsigned)QL_TEST_CLOSE); /* closing what was only read cannot lose anything */
    ql_test_fault_loop(QL_FAULT_FILE, whole, &good);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    ql_test_dir_remove((char *)(uintptr_t)good.dir);
}

static void test_config__a_workspace_has_everything_in_one_folder(void **state)
{
    (void)state;
    static const char *const env[] = {"WHO=process", NULL};
    run self;
    start(&self, SHOWN, env);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("WHO=file\n"));
    ql__config_options options = {.workspace_dir = self.dir, .getenv_fn = find_env, .getenv_user = &self};
    assert_int_equal(ql__config_load(&options, &self.set, NULL, &self.err), QL_OK);
    expect_effective(&self, SHOWN_PATH, "[\"file\"]");
    const ql__config *config = ql__config_get(self.set);
    char expected[4096];
    assert_text(config->workspace_dir, self.dir);
    (void)snprintf(expected, sizeof expected, "%s/data", self.dir);
    assert_text(config->data_dir, expected);
    (void)snprintf(expected, sizeof expected, "%s/config.yaml", self.dir);
    assert_text(config->config_path, expected);
    assert_int_equal(ql_test_dir_count(self.dir), 2); /* reading makes nothing */
    finish(&self);
}

static void test_config__a_workspace_excludes_files_and_must_be_one(void **state)
{
    (void)state;
    run self;
    start(&self, DOCS, NULL);
    ql__config_set *set = NULL;
    ql__config_options options = {.workspace_dir = self.dir, .config_path = "x"};
    assert_int_equal(ql__config_load(&options, &set, NULL, NULL), QL_E_INVALID);
    options = (ql__config_options){.workspace_dir = self.dir, .env_path = "x"};
    assert_int_equal(ql__config_load(&options, &set, NULL, NULL), QL_E_INVALID);
    options = (ql__config_options){.workspace_dir = ql_test_path(self.dir, "nowhere")};
    assert_int_equal(ql__config_load(&options, &set, NULL, &self.err), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "there is no workspace folder"));
    options = (ql__config_options){.workspace_dir = ql_test_path(self.dir, "config.yaml")};
    assert_int_equal(ql__config_load(&options, &set, NULL, NULL), QL_E_INVALID);
    assert_int_equal(unlink(ql_test_path(self.dir, "config.yaml")), 0);
    options = (ql__config_options){.workspace_dir = self.dir};
    assert_int_equal(ql__config_load(&options, &set, NULL, &self.err), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "there is no configuration"));
    assert_null(set);
    finish(&self);
}

/* Keys of anchors at the top level belong to nobody, so this needs leniency. */
static void test_config__anchors_and_merges_reach_the_schema(void **state)
{
    (void)state;
    run self;
    start(&self, "x: &x {base_url: /a, file_types: [md]}\nsources: {localfile: {d: {<<: *x, base_url: /b}}}\n", NULL);
    self.lenient = true;
    load(&self);
    (void)expect_loaded(&self);
    expect_effective(&self, "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///b\"");
    expect_effective(&self, "projects_config.projects.default.sources.localfile.d.file_types", "[\"md\"]");
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__every_allocation_and_file_call_may_fail),
        cmocka_unit_test(test_config__a_workspace_has_everything_in_one_folder),
        cmocka_unit_test(test_config__a_workspace_excludes_files_and_must_be_one),
        cmocka_unit_test(test_config__anchors_and_merges_reach_the_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
