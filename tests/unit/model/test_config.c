/*
 * Goal: a configuration means what the compatibility notes say, and everything wrong in it is reported at once with its place. Method: files
 * are written into a temporary folder, the environment is a table of the test, results are compared with structs, problems or output.
 */
#include "support/testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dep/json.h"
#include "model/config.h"

/* ---- Running one configuration ---- */

typedef struct run {
    char *dir;
    const char *const *env; /* "NAME=value", NULL at the end */
    bool lenient;
    const ql__sys *sys;
    ql__config_set *set;
    ql_buf problems, log;
    ql_error err;
    ql_status status;
} run;

static const char *find_env(void *user, const char *name)
{
    const run *self = user;
    for (size_t i = 0; self->env != NULL && self->env[i] != NULL; i++) {
        size_t length = strlen(name);
        if (strncmp(self->env[i], name, length) == 0 && self->env[i][length] == '=') return self->env[i] + length + 1;
    }
    return NULL;
}

static void keep_log(void *user, ql_log_level level, const char *subsystem, const char *message)
{
    run *self = user;
    (void)level, (void)subsystem;
    ql_buf_printf(&self->log, "%s\n", message);
}

static void load(run *self)
{
    ql__log log;
    ql__log_init(&log, keep_log, self, QL_LOG_WARNING);
    ql__config_options options = {.config_path = ql_test_path(self->dir, "config.yaml"), .lenient = self->lenient, .sys = self->sys, .log = &log, .getenv_fn = find_env, .getenv_user = self};
    self->status = ql__config_load(&options, &self->set, &self->problems, &self->err);
    ql__log_dispose(&log);
}

static void start(run *self, const char *yaml, const char *const *env)
{
    *self = (run){.env = env, .problems = QL_BUF_INIT, .log = QL_BUF_INIT};
    self->dir = ql_test_dir_new();
    ql_test_file_write(ql_test_path(self->dir, "config.yaml"), ql_str_of(yaml));
}

static void finish(run *self)
{
    ql__config_free(self->set);
    ql_buf_dispose(&self->problems);
    ql_buf_dispose(&self->log);
    ql_test_dir_remove(self->dir);
}

static const ql__config *expect_loaded(run *self)
{
    if (self->status != QL_OK) fail_msg("%s\n%s", self->err.message, ql_buf_cstr(&self->problems));
    return ql__config_get(self->set);
}

static void assert_text(ql_str actual, const char *expected)
{
    assert_string_equal(actual.ptr != NULL ? actual.ptr : "", expected);
    assert_int_equal(actual.len, strlen(expected));
}

/* ---- The usual ---- */

static void test_config__reads_the_short_form(void **state)
{
    (void)state;
    run self;
    start(&self, "sources:\n  localfile:\n    docs:\n      base_url: file:///srv/A%20B/\n      file_types: ['*.md', txt]\n      max_file_size: 5\n"
                 "  git:\n    code:\n      base_url: https://GitHub.com/Org/Repo.git\n      branch: dev\n      depth: 3\n      token: t\n", NULL);
    load(&self);
    const ql__config *config = expect_loaded(&self);
    assert_int_equal(config->project_count, 1);
    assert_text(config->projects[0].id, "default");
    assert_text(config->projects[0].display_name, "Default Project");
    assert_int_equal(config->projects[0].source_count, 2);
    const ql__config_source *git = &config->projects[0].sources[0], *files = &config->projects[0].sources[1];
    assert_int_equal(git->type, QL__SOURCE_GIT);
    assert_text(git->base_url, "https://github.com/Org/Repo.git");
    assert_text(git->branch, "dev");
    assert_text(git->token, "t");
    assert_true(git->depth_set);
    assert_int_equal(git->depth, 3);
    assert_int_equal(git->max_file_size, 1048576);
    assert_text(git->local_path, "");
    assert_int_equal(files->type, QL__SOURCE_LOCALFILE);
    assert_text(files->type_name, "localfile");
    assert_text(files->name, "docs");
    assert_text(files->base_url, "file:///srv/A%20B");
    assert_text(files->local_path, "/srv/A B");
    assert_int_equal(files->file_types.count, 2);
    assert_text(files->file_types.items[1], "txt");
    assert_int_equal(files->max_file_size, 5);
    assert_int_equal(files->line, 3);
    assert_text(config->collection_name, "documents");
    assert_true(config->store_embedded && config->embedder_local);
    assert_false(config->chunk_size_set || config->chunk_overlap_set);
    assert_int_equal(config->max_chunks_per_document, 0);
    finish(&self);
}

static void test_config__reports_an_unknown_key_with_its_place(void **state)
{
    (void)state;
    run self;
    start(&self, "global:\n  chunking:\n    chunk_sise: 5\nsources: {localfile: {d: {base_url: d}}}\n", NULL);
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    assert_non_null(strstr(ql_buf_cstr(&self.problems), "config.yaml:3:5: unknown key 'chunk_sise' in global.chunking (did you mean 'chunk_size'?)\n"));
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__reads_the_short_form),
        cmocka_unit_test(test_config__reports_an_unknown_key_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
