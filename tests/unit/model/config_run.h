/* What the tests of the configuration share: a run is one config.yaml in a folder of its own, read with an environment that is a table. */
#ifndef QL_TEST_CONFIG_RUN_H
#define QL_TEST_CONFIG_RUN_H

#include "support/testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dep/json.h"
#include "model/config.h"

/* Each test program uses some of these. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-const-variable"

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


/* ---- Pieces of files ---- */

#define DOCS "sources: {localfile: {d: {base_url: d}}}\n"
#define GLOBAL(text) DOCS "global:\n" text
#define LOCALFILE(text) "sources:\n  localfile:\n    d:\n      base_url: d\n" text
#define GIT(text) "sources:\n  git:\n    r:\n      base_url: https://h/r\n" text
#define CONFLUENCE(text) "sources:\n  confluence:\n    w:\n      base_url: https://h\n      space_key: K\n" text
#define JIRA(text) "sources:\n  jira:\n    j:\n      base_url: https://h\n      project_key: K\n      token: t\n      email: e\n" text
#define PUBLICDOCS(text) "sources:\n  publicdocs:\n    p:\n      base_url: https://h\n      version: '1'\n" text

static const char *const usual_env[] = {"HOME=/home/me", "WORD=hush", "NUMBER=1024", "PLACE=https://h/x", "LIKE=${WORD}", "HOMED=$HOME/y", NULL};

#define SECRETS \
    "global:\n  qdrant: {url: 'https://u:hidden1@q', api_key: hidden2}\n" \
    "  llm: {api_key: hidden3, headers: {Authorization: Bearer hidden4, X: hidden5}, extra: {Password: hidden6, token: [hidden7], list: ['http://u:hidden8@h/x http://hidden9@h'], tokens: shown1}}\n" \
    "  embedding: {api_key: hidden10, tokenizer: shown2}\n" \
    "sources:\n" \
    "  git: {r: {base_url: 'https://hidden11@h/r', token: hidden12}}\n" \
    "  confluence: {w: {base_url: https://h, space_key: shown3, token: hidden13, email: shown4}}\n" \
    "  jira: {j: {base_url: https://h, project_key: shown5, token: '${WORD}', email: e}}\n" \
    "  sharepoint: {s: {base_url: https://h, tenant_id: t, client_id: c, client_secret: hidden14}}\n"

/* ---- Comparing ---- */

/* Problems without the path of the temporary folder. */
static void strip_paths(const run *self, ql_buf *out)
{
    const char *path = ql_test_path(self->dir, "config.yaml"), *at = ql_buf_cstr(&self->problems);
    size_t length = strlen(path);
    while (*at != '\0') {
        if (strncmp(at, path, length) == 0) at += length + 1;
        const char *end = strchr(at, '\n');
        ql_buf_append(out, (ql_str){at, (size_t)(end - at) + 1});
        at = end + 1;
    }
}

static const ql__json *find_path(const ql__json *at, const char *path)
{
    char part[64];
    while (*path != '\0') {
        size_t length = strcspn(path, ".");
        memcpy(part, path, length);
        part[length] = '\0';
        at = ql__json_get(at, part);
        path += length + (path[length] == '.');
    }
    return at;
}

static void print_json(const ql__json *value, ql__json_writer *out)
{
    if (ql__json_is_object(value)) {
        void *iter = NULL;
        ql_str key;
        const ql__json *member;
        ql__json_object(out);
        while (ql__json_next(value, &iter, &key, &member)) {
            ql__json_key_str(out, key);
            print_json(member, out);
        }
        ql__json_object_end(out);
    } else if (ql__json_is_array(value)) {
        ql__json_array(out);
        for (size_t i = 0; i < ql__json_count(value); i++) print_json(ql__json_at(value, i), out);
        ql__json_array_end(out);
    } else if (ql__json_is_string(value)) {
        ql__json_string(out, ql__json_str(value, QL_STR("")));
    } else if (ql__json_int_of(value, -77) != -77) {
        ql__json_int(out, ql__json_int_of(value, 0));
    } else if (ql__json_double_of(value, -77) != -77) {
        ql__json_double(out, ql__json_double_of(value, 0));
    } else if (ql__json_bool_of(value, true) == ql__json_bool_of(value, false)) {
        ql__json_bool(out, ql__json_bool_of(value, false));
    } else {
        ql__json_null(out);
    }
}

static void expect_effective(run *self, const char *path, const char *json)
{
    ql_buf text = QL_BUF_INIT, found = QL_BUF_INIT;
    ql__json *root = NULL;
    assert_int_equal(ql__config_write_json(self->set, &text, NULL), QL_OK);
    assert_int_equal(ql__json_parse(ql_buf_str(&text), &root, NULL), QL_OK);
    const ql__json *value = find_path(root, path);
    ql__json_writer writer;
    ql__json_begin(&writer, &found);
    if (value != NULL) print_json(value, &writer);
    if (strcmp(ql_buf_cstr(&found), json) != 0) fail_msg("%s is %s, expected %s", path, ql_buf_cstr(&found), json);
    ql__json_free(root);
    ql_buf_dispose(&text);
    ql_buf_dispose(&found);
}

/* Files and everything that is wrong in them, each as "line:column: sentence\n". */
typedef struct wrong_case {
    const char *yaml, *problems;
} wrong_case;

static void expect_wrong(const wrong_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run self;
        start(&self, cases[i].yaml, usual_env);
        load(&self);
        ql_buf found = QL_BUF_INIT;
        strip_paths(&self, &found);
        if (self.status != QL_E_CONFIG || strcmp(ql_buf_cstr(&found), cases[i].problems) != 0)
            fail_msg("case %zu, status %d %s\n%s\nfound:\n%sexpected:\n%s", i, (int)self.status, self.err.message, cases[i].yaml, ql_buf_cstr(&found), cases[i].problems);
        assert_null(self.set);
        assert_null(strstr(ql_buf_cstr(&found), "hush"));
        assert_null(strstr(ql_buf_cstr(&found), "secret"));
        ql_buf_dispose(&found);
        finish(&self);
    }
}

/* Files and one value of their effective configuration. */
typedef struct right_case {
    const char *yaml, *path, *json;
} right_case;

static void expect_right(const right_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run self;
        start(&self, cases[i].yaml, usual_env);
        load(&self);
        if (self.status != QL_OK) fail_msg("case %zu: %s\n%s", i, cases[i].yaml, ql_buf_cstr(&self.problems));
        expect_effective(&self, cases[i].path, cases[i].json);
        finish(&self);
    }
}

#define EXPECT_WRONG(cases) expect_wrong((cases), sizeof(cases) / sizeof *(cases))
#define EXPECT_RIGHT(cases) expect_right((cases), sizeof(cases) / sizeof *(cases))

#endif
