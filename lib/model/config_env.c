/*
 * The variables that a configuration may refer to: those of a .env file and those of the process, one over the other, without ever
 * changing the process; and their insertion into the text values of the file. Inserted text is not looked at again (except for $HOME,
 * as in the reference), so nothing is endless. One loader, one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "model/config_loader.h"

/* ---- Variables ---- */

static bool find_in_process(const ql__config_loader *self, ql_str name, ql_str *value)
{
    char text[256];
    if (name.len == 0 || name.len >= sizeof text || memchr(name.ptr, '\0', name.len) != NULL) return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    const char *found = self->options->getenv_fn != NULL ? self->options->getenv_fn(self->options->getenv_user, text) : getenv(text);
    if (found != NULL) *value = ql_str_of(found);
    return found != NULL;
}

static bool find_in_file(const ql__config_loader *self, ql_str name, ql_str *value)
{
    const uint64_t *place = ql__map_find(&self->env_places, name);
    if (place != NULL) *value = self->env[*place].value;
    return place != NULL;
}

static bool find_variable(const ql__config_loader *self, ql_str name, ql_str *value)
{
    if (self->env_wins) return find_in_file(self, name, value) || find_in_process(self, name, value);
    return find_in_process(self, name, value) || find_in_file(self, name, value);
}

bool ql__config_env_filled(const ql__config_loader *self, const char *name, ql_str *value)
{
    return find_variable(self, ql_str_of(name), value) && value->len != 0;
}

/* ---- The file ---- */

static bool scope_find(void *user, ql_str name, ql_str *value)
{
    return find_in_process(user, name, value);
}

/* A line that says nothing is skipped, as everywhere such files are read; a variable it should have set is missed where it is used. */
static void scope_problem(void *user, uint32_t line, uint32_t column, const char *sentence)
{
    ql__problem_add(user, QL__FILE_ENV, line, column, true, "%s", sentence);
}

/* Reads path if it is there. The text is wiped afterwards, as it is mostly secrets. */
static ql_status read_file(ql__config_loader *self, ql_str path, bool *found, ql_error *err)
{
    ql_buf text;
    ql_buf_init(&text, QL_LIMIT_CONFIG_BYTES);
    ql_error missing = {0}; /* most often there is none, and that is no failure */
    ql_status status = ql__file_read_all(self->sys, path.ptr, &text, &missing);
    *found = status != QL_E_NOTFOUND;
    if (status != QL_OK && *found && err != NULL) *err = missing;
    ql__dotenv_scope scope = {.find_fn = scope_find, .file_wins = self->env_wins, .problem_fn = scope_problem, .user = self};
    if (status == QL_OK) {
        self->env_path = path;
        status = ql__dotenv_parse(ql_buf_str(&text), self->arena, &scope, &self->env, &self->env_count, err);
    }
    if (text.ptr != NULL) explicit_bzero(text.ptr, text.capacity);
    ql_buf_dispose(&text);
    return status == QL_E_NOTFOUND ? QL_OK : status;
}

static ql_status index_entries(ql__config_loader *self, ql_error *err)
{
    for (size_t i = 0; i < self->env_count; i++) {
        uint64_t *place = ql__map_insert(&self->env_places, self->env[i].name, NULL);
        if (place == NULL) return ql__fail_nomem(err);
        *place = i;
    }
    return QL_OK;
}

static ql_status read_default_files(ql__config_loader *self, ql_error *err)
{
    const ql__config_options *options = self->options;
    bool found = false;
    if (options->workspace_dir != NULL) {
        self->env_wins = true;
        return read_file(self, ql__loader_printf(self, "%s/.env", options->workspace_dir), &found, err);
    }
    QL_TRY(read_file(self, QL_STR(".env"), &found, err));
    if (found) return QL_OK;
    return read_file(self, ql__loader_printf(self, "%.*s/.env", (int)self->config_dir.len, self->config_dir.ptr), &found, err);
}

ql_status ql__config_env_load(ql__config_loader *self, ql_error *err)
{
    ql__map_init(&self->env_places, 0);
    if (self->options->env_path == NULL) {
        QL_TRY(read_default_files(self, err));
    } else {
        bool found = false;
        self->env_wins = true;
        QL_TRY(read_file(self, ql_str_of(self->options->env_path), &found, err));
        if (!found) return ql__fail(err, QL_E_NOTFOUND, "there is no environment file '%s'", self->options->env_path);
    }
    return index_entries(self, err);
}

void ql__config_env_dispose(ql__config_loader *self)
{
    ql__map_dispose(&self->env_places);
    for (size_t i = 0; i < self->env_count; i++) explicit_bzero((char *)(uintptr_t)self->env[i].value.ptr, self->env[i].value.len); /* our arena's own copy */
    self->env_count = 0;
}

/* ---- Insertion ---- */

/* Appends text with the home folder for each "$HOME". */
static void append_with_home(const ql__config_loader *self, ql_str text, ql_buf *out)
{
    ql_str home;
    bool known = ql__config_env_filled(self, "HOME", &home);
    while (text.len != 0) {
        const char *hit = known ? memmem(text.ptr, text.len, "$HOME", 5) : NULL;
        size_t plain = hit != NULL ? (size_t)(hit - text.ptr) : text.len;
        (void)ql_buf_append(out, (ql_str){text.ptr, plain});
        if (hit == NULL) return;
        (void)ql_buf_append(out, home);
        text = (ql_str){hit + 5, text.len - plain - 5};
    }
}

/* The templates of the reference refer to STATE_DB_PATH whether it is needed or not; it never is here. */
static bool may_be_missing(ql_str name)
{
    return ql_str_equal(name, QL_STR("STATE_DB_PATH"));
}

#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static void insert_variable(ql__config_loader *self, ql__yaml_node *node, ql_str reference, ql_buf *out)
{
    ql_str name = {reference.ptr + 2, reference.len - 3}, value;
    if (find_variable(self, name, &value)) {
        append_with_home(self, value, out);
        return;
    }
    (void)ql_buf_append(out, reference);
    if (may_be_missing(name)) return;
    node->unresolved = true;
    size_t letters = 0; /* what follows a name ("${TOKEN:-default}") may be a secret and is not repeated */
    while (letters < name.len && strchr(NAME_BYTES, name.ptr[letters]) != NULL && name.ptr[letters] != '\0') letters++;
    if (letters < name.len) {
        ql__problem_add(self, QL__FILE_CONFIG, node->line, node->column, self->options->lenient,
                        "'${%.*s...}' is not the name of an environment variable; defaults and other forms of the shell are not known here",
                        (int)(letters < 100 ? letters : 100), name.ptr);
        return;
    }
    ql__problem_add(self, QL__FILE_CONFIG, node->line, node->column, self->options->lenient, "the environment variable '%.*s' is not set; export it or write it into %s",
                    (int)(name.len < 100 ? name.len : 100), name.ptr, self->env_path.len != 0 ? self->env_path.ptr : ".env");
}

/* One pass: plain text with $HOME, then a ${NAME}, and so on. */
static void insert_all(ql__config_loader *self, ql__yaml_node *node, ql_buf *out)
{
    ql_str text = node->text;
    while (text.len != 0) {
        const char *open = memmem(text.ptr, text.len, "${", 2);
        const char *close = open != NULL ? memchr(open, '}', (size_t)(text.ptr + text.len - open)) : NULL;
        size_t plain = close != NULL ? (size_t)(open - text.ptr) : text.len;
        append_with_home(self, (ql_str){text.ptr, plain}, out);
        if (close == NULL) return;
        insert_variable(self, node, (ql_str){open, (size_t)(close + 1 - open)}, out);
        text = (ql_str){close + 1, (size_t)(text.ptr + text.len - close - 1)};
    }
}

static void substitute_text(ql__config_loader *self, ql__yaml_node *node)
{
    if (node->text.len == 0 || memchr(node->text.ptr, '$', node->text.len) == NULL) return;
    ql_buf out;
    ql_buf_init(&out, QL_LIMIT_ENV_BYTES);
    insert_all(self, node, &out);
    if (out.status == QL_E_LIMIT) {
        ql__problem(self, node->line, node->column, "with its environment variables this value is longer than %d bytes", QL_LIMIT_ENV_BYTES);
    } else if (out.status < 0) {
        self->nomem = true;
    } else if (!ql_str_equal(ql_buf_str(&out), node->text)) {
        node->text = ql__loader_copy(self, ql_buf_str(&out));
        node->replaced = true;
    }
    if (out.ptr != NULL) explicit_bzero(out.ptr, out.capacity);
    ql_buf_dispose(&out);
}

void ql__config_substitute(ql__config_loader *self, ql__yaml_node *node)
{
    if (node->seen) return; /* an alias: done already */
    node->seen = true;
    if (node->kind == QL__YAML_STRING) substitute_text(self, node);
    for (size_t i = 0; node->kind == QL__YAML_LIST && i < node->list.count; i++) ql__config_substitute(self, node->list.items[i]);
    for (size_t i = 0; node->kind == QL__YAML_MAP && i < node->map.count; i++) ql__config_substitute(self, node->map.pairs[i].value);
}
