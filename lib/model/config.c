/*
 * Loading a configuration: find the files, read .env, parse, insert variables, read by the table, check, build. Every stage goes on after
 * a problem as far as it can, so that one run reports all of them, sorted by place.
 *
 * Invariants: the process environment is only read; a set is immutable once built, so threads share it freely; secrets are wiped when
 * it is freed. Cost: well under a millisecond for a file of a few kB.
 */
#include "model/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "model/config_loader.h"

/* ---- Where things are ---- */

static ql_status absolute_dir(ql__config_loader *self, const char *dir, ql_str *out, ql_error *err)
{
    if (*dir == '/') {
        *out = ql__loader_copy(self, ql_str_of(dir));
        return QL_OK;
    }
    char current[4096];
    if (getcwd(current, sizeof current) == NULL) return ql__fail(err, QL_E_IO, "the current folder has no name");
    bool is_current = strcmp(dir, ".") == 0 || *dir == '\0';
    *out = is_current ? ql__loader_copy(self, ql_str_of(current)) : ql__loader_printf(self, "%s/%s", current, dir);
    return QL_OK;
}

static ql_status find_workspace(ql__config_loader *self, ql__config *out, ql_error *err)
{
    const char *dir = self->options->workspace_dir;
    struct stat info;
    if (self->sys->file->fstatat_fn(self->sys->file->user, AT_FDCWD, dir, &info, 0) != 0)
        return errno == ENOENT ? ql__fail(err, QL_E_NOTFOUND, "there is no workspace folder '%s'", dir) : ql__fail_errno(err, errno, "the workspace folder '%s'", dir);
    if (!S_ISDIR(info.st_mode)) return ql__fail(err, QL_E_INVALID, "the workspace '%s' is not a folder", dir);
    bool is_current = strcmp(dir, ".") == 0;
    self->config_path = is_current ? QL_STR("config.yaml") : ql__loader_printf(self, "%s/config.yaml", dir);
    QL_TRY(absolute_dir(self, dir, &self->config_dir, err));
    out->workspace_dir = ql__loader_copy(self, ql_str_of(dir));
    out->data_dir = ql__loader_printf(self, "%s/data", dir);
    return QL_OK;
}

static ql_status find_config(ql__config_loader *self, ql__config *out, ql_error *err)
{
    const ql__config_options *options = self->options;
    if (options->workspace_dir != NULL) return find_workspace(self, out, err);
    const char *path = options->config_path != NULL ? options->config_path : "config.yaml", *slash = strrchr(path, '/');
    self->config_path = ql__loader_copy(self, ql_str_of(path));
    ql_str dir = slash == NULL ? QL_STR(".") : slash == path ? QL_STR("/") : (ql_str){path, (size_t)(slash - path)};
    dir = ql__loader_copy(self, dir);
    QL_TRY(absolute_dir(self, dir.ptr, &self->config_dir, err));
    out->workspace_dir = QL_STR("");
    out->data_dir = ql_str_equal(dir, QL_STR("/")) ? QL_STR("/data") : ql__loader_printf(self, "%s/data", dir.ptr);
    return QL_OK;
}

/* ---- Reading ---- */

static void yaml_problem(void *user, uint32_t line, uint32_t column, const char *sentence)
{
    ql__problem_add(user, QL__FILE_CONFIG, line, column, false, "%s", sentence);
}

static ql_status read_tree(ql__config_loader *self, ql__yaml_node **out, ql_error *err)
{
    ql_buf text;
    ql_buf_init(&text, QL_LIMIT_CONFIG_BYTES);
    ql_status status = ql__file_read_all(self->sys, self->config_path.ptr, &text, err);
    if (status == QL_E_NOTFOUND) ql__fail(err, status, "there is no configuration '%s'", self->config_path.ptr);
    if (status == QL_OK) status = ql__yaml_parse(ql_buf_str(&text), self->arena, yaml_problem, self, out, err);
    if (text.ptr != NULL) explicit_bzero(text.ptr, text.capacity);
    ql_buf_dispose(&text);
    return status;
}

/* A file that is no YAML is a problem of the configuration like any other. */
static ql_status read_config(ql__config_loader *self, ql__config_set *set, ql_error *err)
{
    ql__yaml_node *tree = NULL;
    ql_status status = read_tree(self, &tree, err);
    if ((status == QL_E_FORMAT || status == QL_E_LIMIT) && self->error_count != 0) return QL_OK;
    QL_TRY(status);
    ql__config_substitute(self, tree);
    set->root = ql__config_read(self, tree);
    if (set->root != NULL) ql__config_check(self, set->root, tree, &set->config);
    if (self->error_count == 0 && !self->nomem && set->root != NULL) ql__config_build(self, set->root, &set->config);
    return self->nomem ? ql__fail_nomem(err) : QL_OK;
}

/* ---- Telling ---- */

static void log_warnings(ql__config_loader *self, ql__config *out)
{
    size_t count = self->problem_count - (self->error_count < self->problem_count ? self->error_count : self->problem_count);
    ql_str *items = ql__loader_alloc(self, count, sizeof *items);
    size_t used = 0;
    for (size_t i = 0; items != NULL && i < self->problem_count; i++) {
        if (!self->problems[i].is_warning || used == count) continue;
        ql_buf line = QL_BUF_INIT;
        ql__problem_print(self, &self->problems[i], &line);
        if (line.status < 0) self->nomem = true;
        ql__log_write(self->options->log, QL_LOG_WARNING, "config", "%s", ql_buf_cstr(&line));
        items[used++] = ql__loader_copy(self, ql_buf_str(&line));
        ql_buf_dispose(&line);
    }
    out->warnings = (ql__strs){items, used};
}

static ql_status tell_problems(ql__config_loader *self, ql_buf *problems, ql_error *err)
{
    ql_buf first = QL_BUF_INIT;
    size_t shown = 0;
    for (size_t i = 0; i < self->problem_count; i++) {
        bool warning = self->problems[i].is_warning;
        if (warning && self->problems[i].file != QL__FILE_ENV) continue; /* a line of it that was skipped may be why something is missing */
        if (!warning && first.len == 0) ql__problem_print(self, &self->problems[i], &first);
        if (problems == NULL) continue;
        ql__problem_print(self, &self->problems[i], problems);
        (void)ql_buf_append_char(problems, '\n');
        shown += !warning;
    }
    if (problems != NULL && shown < self->error_count) ql_buf_printf(problems, "and %zu more, not shown\n", self->error_count - shown);
    ql_status status;
    if (first.status < 0 || (problems != NULL && problems->status < 0)) status = ql__fail_nomem(err);
    else if (self->error_count == 1) status = ql__fail(err, QL_E_CONFIG, "%s", ql_buf_cstr(&first));
    else status = ql__fail(err, QL_E_CONFIG, "%zu problems in the configuration; the first: %s", self->error_count, ql_buf_cstr(&first));
    ql_buf_dispose(&first);
    return status;
}

/* ---- The whole ---- */

static ql_status load(ql__config_loader *self, ql__config_set *set, ql_buf *problems, ql_error *err)
{
    QL_TRY(find_config(self, &set->config, err));
    if (self->nomem) return ql__fail_nomem(err);
    QL_TRY(ql__config_env_load(self, err));
    QL_TRY(read_config(self, set, err));
    ql__problems_sort(self);
    if (self->error_count == 0) log_warnings(self, &set->config); /* beside problems they are noise, mostly caused by them */
    set->config.config_path = self->config_path;
    if (self->nomem) return ql__fail_nomem(err);
    return self->error_count != 0 ? tell_problems(self, problems, err) : QL_OK;
}

ql_status ql__config_load(const ql__config_options *options, ql__config_set **out, ql_buf *problems, ql_error *err)
{
    if (options->workspace_dir != NULL && (options->config_path != NULL || options->env_path != NULL))
        return ql__fail(err, QL_E_INVALID, "a workspace brings its own configuration and .env: give either the workspace or the files");
    ql__config_set *set = ql__alloc_zero(1, sizeof *set);
    if (set == NULL) return ql__fail_nomem(err);
    ql__arena_init(&set->arena, (size_t)16 * QL_LIMIT_CONFIG_BYTES);
    ql__config_loader self = {.options = options, .sys = options->sys != NULL ? options->sys : ql__sys_default(), .arena = &set->arena};
    self.config_path = self.env_path = QL_STR("");
    ql_status status = load(&self, set, problems, err);
    ql__config_env_dispose(&self);
    ql__free(self.problems);
    if (status == QL_OK) *out = set;
    else ql__config_free(set);
    return ql__fail_status(err, status);
}

const ql__config *ql__config_get(const ql__config_set *self)
{
    return &self->config;
}

static void wipe(ql_str text)
{
    if (text.len != 0) explicit_bzero((char *)(uintptr_t)text.ptr, text.len); /* our arena's own copy */
}

/* Texts of the arena only: defaults stand in the program and are no secrets. */
static void wipe_secrets(const ql__value *value, bool under_secret)
{
    bool secret = under_secret || (value->row != NULL && (value->row->flags & QL__KEY_SECRET));
    if (value->kind == QL__YAML_STRING && (value->replaced || (secret && value->written))) wipe(value->text);
    for (size_t i = 0; value->kind == QL__YAML_LIST && i < value->list.count; i++) wipe_secrets(value->list.items[i], secret);
    for (size_t i = 0; value->kind == QL__YAML_MAP && i < value->map.count; i++) wipe_secrets(value->map.members[i].value, secret);
}

void ql__config_free(ql__config_set *self)
{
    if (self == NULL) return;
    for (size_t p = 0; p < self->config.project_count; p++)
        for (size_t s = 0; s < self->config.projects[p].source_count; s++) wipe(self->config.projects[p].sources[s].json);
    if (self->root != NULL) wipe_secrets(self->root, false);
    ql__arena_dispose(&self->arena);
    ql__free(self);
}
