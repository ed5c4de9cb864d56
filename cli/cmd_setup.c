/*
 * qloader setup: from questions or options to a workspace. Order: everything is asked, then everything is written beside its place and opened as a
 * workspace by the library, then it is put in place; until then breaking off leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "session.h"
#include "setup_ask.h"
#include "setup_files.h"
#include "setup_plan.h"

#define PLACE_DEFAULT "workspace"
#define ENV_BYTES_MAX (1 << 20)
#define CHUNK_SIZE_MAX 1000000

typedef struct setup {
    cli *cli;
    bool asks;
    setup_plan plan;
    setup_files files;
    bool config_there, env_there, env_is_file;
    ql_buf env_old, env_new; /* what .env holds, and what is added to it */
    json_t *secrets;         /* variables that are added */
    ql_buf why;              /* of the last refusal of the plan */
} setup;

static int refuse(const setup *self)
{
    return cli_usage_error(self->cli, "%s", ql_buf_cstr(&self->why));
}

static int fail_exists(const setup *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail_exists(const setup *self, const char *format, ...)
{
    ql_error err = {.status = QL_E_EXISTS};
    va_list args;
    va_start(args, format);
    vsnprintf(err.message, sizeof err.message, format, args);
    va_end(args);
    return cli_fail(self->cli, QL_E_EXISTS, &err);
}

static int broken_off(const setup *self)
{
    ql_error err = {.status = QL_E_CANCELLED, .message = "the input has ended; nothing was written"};
    (void)cli_fail(self->cli, QL_E_CANCELLED, &err);
    return EXIT_FAILED;
}

/* --- where ----------------------------------------------------------------------------------------------------------------------- */

static const char *given_place(const cli *program)
{
    return cli_has(program, OPT_PLACE) ? program->values[OPT_PLACE] : program->values[OPT_OUTPUT_DIR];
}

/* What is there already. -1: go on. */
static int look_at_place(setup *self)
{
    ql_buf path = QL_BUF_INIT;
    struct stat info;
    ql_buf_printf(&path, "%s/config.yaml", ql_buf_cstr(&self->plan.dir));
    self->config_there = lstat(ql_buf_cstr(&path), &info) == 0;
    bool config_is_file = self->config_there && S_ISREG(info.st_mode);
    ql_buf_clear(&path);
    ql_buf_printf(&path, "%s/.env", ql_buf_cstr(&self->plan.dir));
    self->env_there = lstat(ql_buf_cstr(&path), &info) == 0;
    self->env_is_file = self->env_there && S_ISREG(info.st_mode);
    ql_buf_dispose(&path);
    const char *dir = ql_buf_cstr(&self->plan.dir);
    if (self->config_there && !cli_has(self->cli, OPT_OVERWRITE)) return fail_exists(self, "'%s/config.yaml' is there already; --force writes over it, another --workspace leaves it alone", dir);
    if (self->config_there && !config_is_file) return fail_exists(self, "'%s/config.yaml' is there and is no file (a link, a folder); it is not written over", dir);
    return -1;
}

/* "~/notes" is spelt out here, as a shell would have done. */
static void expand_home(ql_buf *answer)
{
    const char *home = getenv("HOME"), *text = ql_buf_cstr(answer);
    if (home == NULL || home[0] == '\0' || text[0] != '~' || (text[1] != '/' && text[1] != '\0')) return;
    ql_buf whole = QL_BUF_INIT;
    ql_buf_printf(&whole, "%s%s", home, text + 1);
    ql_buf_dispose(answer);
    *answer = whole;
}

static int choose_place(setup *self)
{
    ql_buf answer = QL_BUF_INIT;
    const char *given = given_place(self->cli);
    bool answered = true, fits = false;
    if (given == NULL && self->asks) {
        while (!fits && (answered = ask_text("Folder of the workspace", PLACE_DEFAULT, PLACE_DEFAULT, &answer))) {
            expand_home(&answer);
            fits = plan_place(&self->plan, ql_buf_cstr(&answer), &self->why);
            if (!fits) ask_complain("%s", ql_buf_cstr(&self->why));
        }
    } else {
        fits = plan_place(&self->plan, given != NULL ? given : PLACE_DEFAULT, &self->why);
    }
    ql_buf_dispose(&answer);
    return !answered ? broken_off(self) : fits ? look_at_place(self) : refuse(self);
}

/* --- what, by options -------------------------------------------------------------------------------------------------------------- */

static bool add_given(setup *self, json_t *project, bool *any)
{
    const char *value = NULL;
    for (int at = 0; (value = cli_next(self->cli, OPT_LOCALFILE, &at)) != NULL; *any = true)
        if (plan_add_folder(&self->plan, project, value, &self->why) == NULL) return false;
    for (int at = 0; (value = cli_next(self->cli, OPT_GIT, &at)) != NULL; *any = true)
        if (plan_add_git(&self->plan, project, value, &self->why) == NULL) return false;
    return true;
}

static int take_options(setup *self)
{
    bool any = false;
    const char *name = cli_has(self->cli, OPT_SETUP_PROJECT) ? self->cli->values[OPT_SETUP_PROJECT] : "";
    json_t *project = plan_add_project(&self->plan, name, "", &self->why);
    if (project == NULL || !add_given(self, project, &any)) return refuse(self);
    if (!any) plan_add_docs(&self->plan, project);
    return -1;
}

/* --- what, by questions ------------------------------------------------------------------------------------------------------------ */

/* All of these: false when the input has ended. */

static json_t *add_answer(setup *self, json_t *project, ql_buf *answer)
{
    expand_home(answer);
    if (plan_is_git(ql_buf_cstr(answer))) return plan_add_git(&self->plan, project, ql_buf_cstr(answer), &self->why);
    return plan_add_folder(&self->plan, project, ql_buf_cstr(answer), &self->why);
}

static void put_types(json_t *source, const char *text)
{
    json_t *types = json_array();
    for (size_t len; *text != '\0'; text += len) {
        text += strspn(text, " ,;");
        len = strcspn(text, " ,;");
        if (len > 0) json_array_append_new(types, json_stringn(text, len));
    }
    json_object_set_new(source, "file_types", types);
}

static bool ask_details(setup *self, json_t *source)
{
    ql_buf answer = QL_BUF_INIT;
    bool git = strcmp(json_string_value(json_object_get(source, "source_type")), "git") == 0;
    const char *name = json_string_value(json_object_get(source, "source"));
    bool answered = ask_text("  Name of this source", name, name, &answer);
    if (answered) plan_rename(&self->plan, source, ql_buf_cstr(&answer));
    while (git && answered && (answered = ask_text("  Branch", "the repository's default", "", &answer))) {
        if (plan_text_fits(ql_buf_cstr(&answer), &self->why)) break;
        ask_complain("%s", ql_buf_cstr(&self->why));
    }
    if (git && answered && answer.len > 0) json_object_set_new(source, "branch", json_string(ql_buf_cstr(&answer)));
    while (answered && (answered = ask_text("  File types, such as *.md *.txt", "all", "", &answer))) {
        if (plan_text_fits(ql_buf_cstr(&answer), &self->why)) break;
        ask_complain("%s", ql_buf_cstr(&self->why));
    }
    if (answered && answer.len > 0) put_types(source, ql_buf_cstr(&answer));
    ql_buf_dispose(&answer);
    return answered;
}

/* The first source, with docs/ of the workspace for an empty answer; further ones until an empty answer. */
static bool ask_sources(setup *self, json_t *project)
{
    ql_buf answer = QL_BUF_INIT, docs = QL_BUF_INIT;
    bool answered = true, first = true;
    ql_buf_printf(&docs, "%s/docs", ql_buf_cstr(&self->plan.dir));
    while (answered) {
        answered = first ? ask_text("Folder to index, or address of a git repository", ql_buf_cstr(&docs), ql_buf_cstr(&docs), &answer)
                         : ask_text("Another folder or repository", "no more", "", &answer);
        if (!answered || answer.len == 0) break;
        json_t *source = add_answer(self, project, &answer);
        if (source == NULL) {
            ask_complain("%s", ql_buf_cstr(&self->why));
            continue;
        }
        if (self->plan.mode == SETUP_DEFAULT) break;
        answered = ask_details(self, source);
        first = false;
    }
    ql_buf_dispose(&answer);
    ql_buf_dispose(&docs);
    return answered;
}

/* must_name: there are several projects, so that this one needs an id. */
static bool ask_project(setup *self, bool must_name, json_t **out)
{
    ql_buf name = QL_BUF_INIT, description = QL_BUF_INIT;
    bool answered = true;
    *out = NULL;
    if (cli_has(self->cli, OPT_SETUP_PROJECT) && !must_name) ql_buf_append(&name, cli_str(self->cli, OPT_SETUP_PROJECT));
    for (bool again = name.len == 0; *out == NULL && answered; again = true) {
        if (again) answered = ask_text("Name of the project", must_name ? "" : "none: one workspace, one project", "", &name);
        if (answered && self->plan.mode == SETUP_ADVANCED && name.len > 0) answered = ask_text("  Description", "none", "", &description);
        if (!answered) break;
        ql_buf_clear(&self->why);
        if (must_name && name.len == 0) ql_buf_printf(&self->why, "it needs a name: there are several projects");
        else *out = plan_add_project(&self->plan, ql_buf_cstr(&name), ql_buf_cstr(&description), &self->why);
        if (*out == NULL) ask_complain("%s", ql_buf_cstr(&self->why));
    }
    ql_buf_dispose(&name);
    ql_buf_dispose(&description);
    return answered;
}

static bool ask_number(const char *question, const char *shown, unsigned long max, unsigned long *out)
{
    ql_buf answer = QL_BUF_INIT;
    bool answered = true;
    for (bool good = false; !good && (answered = ask_text(question, shown, "", &answer));) {
        char *end = NULL;
        *out = answer.len > 0 ? strtoul(ql_buf_cstr(&answer), &end, 10) : 0;
        good = answer.len == 0 || (answer.ptr[0] >= '0' && answer.ptr[0] <= '9' && *end == '\0' && *out >= 1 && *out <= max);
        if (!good) ask_complain("a number from 1 to %lu, or nothing", max);
    }
    ql_buf_dispose(&answer);
    return answered;
}

static bool ask_chunks(setup *self)
{
    if (!ask_number("Characters of a passage", "as suits the model", CHUNK_SIZE_MAX, &self->plan.chunk_size)) return false;
    if (self->plan.chunk_size < 2) return true;
    return ask_number("Characters repeated from the passage before", "as suits the size", self->plan.chunk_size - 1, &self->plan.chunk_overlap);
}

static int ask_all(setup *self)
{
    json_t *project = NULL;
    bool any = false, more = true, answered = true;
    for (bool first = true; more; first = false) {
        if (!ask_project(self, !first, &project)) return broken_off(self);
        if (first && !add_given(self, project, &any)) return refuse(self);
        if (!(first && any) && !ask_sources(self, project)) return broken_off(self);
        more = false;
        bool named = json_is_string(json_object_get(project, "id"));
        if (self->plan.mode == SETUP_ADVANCED && named) answered = ask_yes("Another project", false, &more);
        if (!answered) return broken_off(self);
    }
    return self->plan.mode == SETUP_ADVANCED && !ask_chunks(self) ? broken_off(self) : -1;
}

/* --- writing ----------------------------------------------------------------------------------------------------------------------- */

static int read_env(setup *self)
{
    ql_buf path = QL_BUF_INIT;
    char piece[4096];
    ql_buf_printf(&path, "%s/.env", ql_buf_cstr(&self->plan.dir));
    struct stat info;
    int fd = open(ql_buf_cstr(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = -1;
    bool file = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= ENV_BYTES_MAX;
    if (fd >= 0 && !file) errno = EINVAL;
    while (file && self->env_old.len <= ENV_BYTES_MAX && (got = read(fd, piece, sizeof piece)) > 0) ql_buf_append(&self->env_old, (ql_str){piece, (size_t)got});
    ql_error err = {.status = QL_E_IO, .os_code = errno};
    snprintf(err.message, sizeof err.message, "'%.400s' cannot be read: %s", ql_buf_cstr(&path), strerror(errno));
    if (fd >= 0) close(fd);
    ql_buf_dispose(&path);
    return got == 0 && self->env_old.status >= 0 ? -1 : cli_fail(self->cli, QL_E_IO, &err);
}

/* What .env lacks; without --force one that is there is left as it is, so it must lack nothing. */
static int plan_secrets(setup *self)
{
    plan_env(&self->plan, (ql_str){0}, &self->env_new, self->secrets);
    if (self->env_new.len == 0 || !self->env_there) return -1;
    ql_buf_clear(&self->env_new);
    json_array_clear(self->secrets);
    int code = read_env(self);
    if (code >= 0) return code;
    plan_env(&self->plan, ql_buf_str(&self->env_old), &self->env_new, self->secrets);
    const char *dir = ql_buf_cstr(&self->plan.dir), *lacks = json_string_value(json_array_get(self->secrets, 0));
    if (self->env_new.len == 0) return -1;
    if (!self->env_is_file) return fail_exists(self, "'%s/.env' is a link, and has no place for %s; add a line to it for that", dir, lacks);
    return cli_has(self->cli, OPT_OVERWRITE) ? -1 : fail_exists(self, "'%s/.env' is there and has no place for %s; --force adds one (what is in it stays)", dir, lacks);
}

static ql_status stage(setup *self, ql_error *err)
{
    const char *dir = ql_buf_cstr(&self->plan.dir);
    ql_buf config = QL_BUF_INIT, docs = QL_BUF_INIT;
    mode_t mask = umask(0);
    (void)umask(mask);
    plan_config(&self->plan, &config);
    ql_buf_printf(&docs, "%s/docs", dir);
    ql_status status = files_folder(&self->files, dir, err);
    if (status >= 0 && self->plan.makes_docs) status = files_folder(&self->files, ql_buf_cstr(&docs), err);
    if (status >= 0 && self->env_new.len > 0) {
        if (ql_buf_append(&self->env_old, ql_buf_str(&self->env_new)) < 0) status = err->status = QL_E_NOMEM;
        else status = files_stage(&self->files, dir, ".env", ql_buf_str(&self->env_old), 0600, self->env_there, err);
    }
    if (status >= 0) status = files_stage(&self->files, dir, "config.yaml", ql_buf_str(&config), 0666 & ~(unsigned)mask, self->config_there, err);
    ql_buf_dispose(&config);
    ql_buf_dispose(&docs);
    return status;
}

/* A variable of the environment may choose a store or an embedder that this build lacks: no fault of what is written, so a warning. */
static ql_status ask_sources_ready(ql_workspace *workspace, bool tells, ql_buf *out, ql_error *err)
{
    ql_status status = ql_workspace_projects_json(workspace, (ql_str){0}, QL_PROJECTS_CHECK, out, err);
    if (ql_status_kind(status) != QL_E_UNSUPPORTED) return status;
    if (!tells) return QL_OK;
    fprintf(stderr, "warning: ");
    text_put(stderr, ql_str_of(err->message));
    fprintf(stderr, "\n");
    return QL_OK;
}

/* Opens a workspace as a program would, and looks whether its sources can be opened; what cannot is told as a warning. */
static ql_status try_open(const ql_workspace_options *options, bool tells, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_runtime_options quiet = QL_RUNTIME_OPTIONS_INIT;
    ql_buf text = QL_BUF_INIT, problems = QL_BUF_INIT;
    quiet.threads = 1;
    ql_status status = ql_runtime_new(&quiet, &runtime, err);
    if (status >= 0) status = ql_workspace_open(runtime, options, &workspace, &problems, err);
    if (status >= 0) status = ask_sources_ready(workspace, tells, &text, err);
    json_t *projects = text.len > 0 ? json_loads(ql_buf_cstr(&text), 0, NULL) : NULL, *project = NULL, *source = NULL;
    size_t p = 0, s = 0;
    json_array_foreach(projects, p, project)
        json_array_foreach(json_object_get(project, "sources"), s, source)
        {
            if (!tells || json_is_true(json_object_get(source, "ready"))) continue;
            fprintf(stderr, "warning: ");
            text_put(stderr, ql_str_of(json_string_value(json_object_get(source, "source"))));
            fprintf(stderr, ": ");
            text_put(stderr, ql_str_of(json_string_value(json_object_get(source, "reason"))));
            fprintf(stderr, "\n");
        }
    json_decref(projects);
    ql_buf_dispose(&text);
    ql_buf_dispose(&problems);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return status;
}

static ql_status try_staged(setup *self, ql_error *err)
{
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    ql_buf env = QL_BUF_INIT;
    ql_buf_printf(&env, "%s/.env", ql_buf_cstr(&self->plan.dir));
    options.config_path = files_staged(&self->files, "config.yaml");
    options.env_path = files_staged(&self->files, ".env");
    if (options.env_path == NULL && self->env_there) options.env_path = ql_buf_cstr(&env);
    ql_status status = try_open(&options, true, err);
    ql_buf_dispose(&env);
    return status;
}

static ql_status try_placed(const setup *self, ql_error *err)
{
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.dir = ql_buf_cstr(&self->plan.dir);
    return try_open(&options, false, err);
}

/* A message about the file that is tried is about the file it would become. */
static void name_place(const setup *self, ql_error *err)
{
    static const char *const names[] = {"config.yaml", ".env"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *staged = files_staged(&self->files, names[i]);
        char *at = staged != NULL ? strstr(err->message, strrchr(staged, '/') + 1) : NULL;
        size_t temporary = staged != NULL ? strlen(strrchr(staged, '/') + 1) : 0, name = strlen(names[i]); /* no shorter than any of the names */
        if (at == NULL) continue;
        memcpy(at, names[i], name);
        memmove(at + name, at + temporary, strlen(at + temporary) + 1);
    }
}

/* What is wrong with config.yaml is wrong with an address that was given: the rest of it is ours. NULL: it is something else. */
static const char *refused_address(const setup *self, const ql_error *err, const char **what)
{
    size_t p = 0, s = 0;
    json_t *project = NULL, *source = NULL;
    const char *found = NULL;
    ql_buf key = QL_BUF_INIT;
    json_array_foreach(self->plan.projects, p, project)
        json_array_foreach(json_object_get(project, "sources"), s, source)
        {
            if (strcmp(json_string_value(json_object_get(source, "source_type")), "git") != 0) continue;
            ql_buf_clear(&key);
            ql_buf_printf(&key, "sources.git.%s.base_url ", json_string_value(json_object_get(source, "source")));
            const char *at = strstr(err->message, ql_buf_cstr(&key));
            if (at == NULL || found != NULL) continue;
            *what = at + key.len;
            found = json_string_value(json_object_get(source, "base_url"));
        }
    ql_buf_dispose(&key);
    return found;
}

static int fail_writing(const setup *self, ql_status status, const ql_error *err)
{
    const char *what = NULL, *address = ql_status_kind(status) == QL_E_CONFIG ? refused_address(self, err, &what) : NULL;
    if (address == NULL) return cli_fail(self->cli, status, err);
    return cli_usage_error(self->cli, "%s '%s' %s", cli_has(self->cli, OPT_GIT) ? "--git" : "the repository", address, what);
}

static int write_all(setup *self)
{
    ql_error err = {0};
    ask_hold();
    ql_status status = stage(self, &err);
    if (status >= 0) status = try_staged(self, &err);
    bool broken = status >= 0 && ask_was_broken_off();
    if (status >= 0 && !broken) status = files_place(&self->files, &err);
    if (status >= 0 && !broken) status = try_placed(self, &err);
    if (status < 0) name_place(self, &err);
    if (status < 0 || broken) files_take_back(&self->files);
    ask_release(status >= 0 && !broken); /* what broke it off ends the program here */
    if (status < 0) return fail_writing(self, status, &err);
    return broken ? broken_off(self) : EXIT_OK;
}

/* --- telling ----------------------------------------------------------------------------------------------------------------------- */

static bool model_is_here(const setup *self)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    bool here = ql_model_info_json(ql_buf_cstr(&self->plan.dir), ql_str_of(ql_model_default()), &text, &err) >= 0;
    ql_buf_dispose(&text);
    return here;
}

static void add_next(const setup *self, json_t *next, const char *words, const char *behind)
{
    ql_buf line = QL_BUF_INIT;
    ql_buf_printf(&line, "%s %s", self->cli->program, words);
    if (strcmp(ql_buf_cstr(&self->plan.dir), ".") != 0) {
        ql_buf_printf(&line, " --workspace ");
        text_shell_quote(&line, ql_buf_str(&self->plan.dir));
    }
    ql_buf_printf(&line, "%s", behind);
    json_array_append_new(next, text_json(ql_buf_str(&line)));
    ql_buf_dispose(&line);
}

static json_t *next_commands(const setup *self)
{
    json_t *next = json_array();
    if (!model_is_here(self)) json_array_append_new(next, json_string("qloader model pull"));
    add_next(self, next, "init", "");
    add_next(self, next, "ingest", "");
    add_next(self, next, "search", " \"your question\"");
    return next;
}

static json_t *written_files(const setup *self)
{
    json_t *files = json_array();
    if (self->plan.makes_docs) json_array_append_new(files, json_pack("{s:s, s:s}", "path", "docs", "written", "made"));
    if (self->env_new.len > 0) json_array_append_new(files, json_pack("{s:s, s:s}", "path", ".env", "written", self->env_there ? "extended" : "made"));
    json_array_append_new(files, json_pack("{s:s, s:s}", "path", "config.yaml", "written", self->config_there ? "replaced" : "made"));
    return files;
}

static void print_json(const setup *self, bool ready)
{
    size_t p = 0, s = 0;
    json_t *project = NULL, *source = NULL, *sources = json_array();
    json_array_foreach(self->plan.projects, p, project)
        json_array_foreach(json_object_get(project, "sources"), s, source)
            json_array_append_new(sources, json_pack("{s:O, s:O, s:O, s:O}", "project", json_object_get(project, "id"), "source_type", json_object_get(source, "source_type"),
                                                     "source", json_object_get(source, "source"), "base_url", json_object_get(source, "base_url")));
    json_t *object = json_pack("{s:o, s:b, s:o, s:O, s:o, s:o}", "workspace", text_json(ql_buf_str(&self->plan.dir)), "ready", ready, "files",
                               ready ? written_files(self) : json_array(), "secrets", self->secrets, "sources", sources, "next", ready ? next_commands(self) : json_array());
    json_dumpf(object, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(object);
}

static void print_text(const setup *self)
{
    size_t i = 0;
    json_t *files = written_files(self), *next = next_commands(self), *entry = NULL;
    json_array_foreach(files, i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        printf("%s ", json_string_value(json_object_get(entry, "written")));
        text_put(stdout, ql_buf_str(&self->plan.dir));
        printf("/%s%s\n", path, strcmp(path, "docs") == 0 ? "/: put your documents there" : strcmp(path, ".env") == 0 ? ": put tokens of private repositories there" : "");
    }
    printf("\nnext:\n");
    json_array_foreach(next, i, entry)
    {
        printf("  ");
        text_put(stdout, ql_str_of(json_string_value(entry)));
        printf("\n");
    }
    json_decref(files);
    json_decref(next);
}

/* Shows what will be written, and asks whether to. */
static bool confirm(const setup *self, bool *go_on)
{
    size_t i = 0;
    json_t *files = written_files(self), *entry = NULL;
    fprintf(stderr, "\nTo be written in ");
    text_put(stderr, ql_buf_str(&self->plan.dir));
    fprintf(stderr, ":");
    json_array_foreach(files, i, entry)
    {
        const char *how = json_string_value(json_object_get(entry, "written"));
        fprintf(stderr, " %s%s", json_string_value(json_object_get(entry, "path")), strcmp(how, "replaced") == 0 ? " (instead of the one that is there)" : strcmp(how, "extended") == 0 ? " (lines are added)" : "");
    }
    fprintf(stderr, "\n");
    json_decref(files);
    return ask_yes("Write", !self->config_there, go_on);
}

/* --- the command ------------------------------------------------------------------------------------------------------------------- */

static int check_options(const cli *program)
{
    if (cli_has(program, OPT_PLACE) && cli_has(program, OPT_OUTPUT_DIR) && strcmp(program->values[OPT_PLACE], program->values[OPT_OUTPUT_DIR]) != 0)
        return cli_usage_error(program, "--workspace and --output-dir name two folders");
    return -1;
}

static int run(setup *self)
{
    bool go_on = true;
    int code = check_options(self->cli);
    self->plan.mode = (setup_mode)cli_chosen(self->cli, OPT_SETUP_MODE)->value;
    if (code < 0 && self->asks) ask_begin();
    if (code < 0) code = choose_place(self);
    if (code < 0) code = self->asks ? ask_all(self) : take_options(self);
    if (code < 0) code = plan_secrets(self);
    if (code < 0 && self->asks && !confirm(self, &go_on)) code = broken_off(self);
    if (code < 0 && go_on) code = write_all(self);
    if (code > EXIT_OK) return code;
    if (self->cli->json) print_json(self, go_on);
    else if (!go_on) fprintf(stderr, "nothing was written\n");
    else if (!cli_has(self->cli, OPT_QUIET)) print_text(self);
    return EXIT_OK;
}

int cmd_setup(cli *program)
{
    setup self = {.cli = program, .asks = !cli_has(program, OPT_NON_INTERACTIVE) && ask_possible(), .env_old = QL_BUF_INIT, .env_new = QL_BUF_INIT,
                  .secrets = json_array(), .why = QL_BUF_INIT};
    plan_init(&self.plan);
    files_init(&self.files);
    int code = run(&self);
    files_dispose(&self.files);
    plan_dispose(&self.plan);
    ql_buf_dispose(&self.env_old);
    ql_buf_dispose(&self.env_new);
    ql_buf_dispose(&self.why);
    json_decref(self.secrets);
    return code;
}
