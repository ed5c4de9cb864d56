/* See setup_plan.h. Texts in the plan are UTF-8; a path that is not is written as a file: URL, which can say any byte. */
#include "setup_plan.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

#define DOCS "docs"
#define NAME_BYTES_MAX 64

void plan_init(setup_plan *self)
{
    *self = (setup_plan){.dir = QL_BUF_INIT, .absolute = QL_BUF_INIT, .projects = json_array()};
}

void plan_dispose(setup_plan *self)
{
    ql_buf_dispose(&self->dir);
    ql_buf_dispose(&self->absolute);
    json_decref(self->projects);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_string(text));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* --- where things are ------------------------------------------------------------------------------------------------------------ */

/* The longest part of a path that is there, resolved, and the rest behind it. False: it cannot be resolved. */
static bool resolve(const char *path, ql_buf *out)
{
    char part[PATH_MAX], real[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) return false;
    memcpy(part, path, len + 1);
    while (realpath(len > 0 ? part : path[0] == '/' ? "/" : ".", real) == NULL) {
        if (errno != ENOENT || len == 0) return false;
        while (len > 0 && part[len - 1] == '/') len--;
        while (len > 0 && part[len - 1] != '/') len--;
        while (len > 1 && part[len - 1] == '/') len--;
        part[len] = '\0';
    }
    const char *rest = path + len;
    while (*rest == '/') rest++;
    ql_buf_clear(out);
    ql_buf_append(out, ql_str_of(real));
    if (*rest != '\0' && strcmp(real, "/") != 0) ql_buf_append_char(out, '/');
    ql_buf_append(out, ql_str_of(rest));
    while (out->len > 1 && out->ptr[out->len - 1] == '/') out->ptr[--out->len] = '\0';
    return out->status >= 0;
}

bool plan_place(setup_plan *self, const char *dir, ql_buf *why)
{
    struct stat info;
    ql_buf_clear(why);
    ql_buf_clear(&self->dir);
    ql_buf_append(&self->dir, ql_str_of(dir));
    while (self->dir.len > 1 && self->dir.ptr[self->dir.len - 1] == '/') self->dir.ptr[--self->dir.len] = '\0';
    bool home = dir[0] == '~' && (dir[1] == '/' || dir[1] == '\0'); /* as in --workspace=~/kb, which no shell replaces */
    if (home) ql_buf_printf(why, "'%s' begins with ~, which nobody replaced by the home folder; write that out (or ./~ for a folder of this name)", dir);
    else if (stat(dir, &info) == 0 && !S_ISDIR(info.st_mode)) ql_buf_printf(why, "'%s' is not a folder", dir);
    else if (!resolve(dir, &self->absolute)) ql_buf_printf(why, "'%s': %s", dir, errno != 0 ? strerror(errno) : "the name cannot be used");
    return why->len == 0;
}

static bool is_plain_text(ql_str text)
{
    for (size_t i = 0, n = 0; i < text.len; i += n)
        if (text_is_control(text, i, &n)) return false;
    return memchr(text.ptr, '$', text.len) == NULL; /* the file replaces $HOME and ${...} */
}

static void put_file_url(ql_buf *out, ql_str path)
{
    ql_buf_append(out, ql_str_of("file://"));
    for (size_t i = 0, n = 0; i < path.len; i += n) {
        bool escaped = text_is_control(path, i, &n) || strchr("%$", path.ptr[i]) != NULL;
        for (size_t b = 0; escaped && b < n; b++) ql_buf_printf(out, "%%%02X", (unsigned char)path.ptr[i + b]);
        if (!escaped) ql_buf_append(out, (ql_str){path.ptr + i, n});
    }
}

/* A path within the workspace is written from there, so that the whole can be moved. */
static void put_place(const setup_plan *self, ql_str path, ql_buf *out)
{
    size_t root = self->absolute.len;
    bool inside = root > 1 && path.len >= root && memcmp(path.ptr, self->absolute.ptr, root) == 0 && (path.len == root || path.ptr[root] == '/');
    ql_str rest = inside && path.len > root ? (ql_str){path.ptr + root + 1, path.len - root - 1} : (ql_str){".", 1};
    if (inside && is_plain_text(rest) && rest.ptr[0] != '~' && memmem(rest.ptr, rest.len, "://", 3) == NULL) ql_buf_append(out, rest);
    else put_file_url(out, path);
}

/* --- names ----------------------------------------------------------------------------------------------------------------------- */

/* Letters, digits, '_' and '-', beginning with a letter: what projects must be called, and variables can be made of. */
static void make_name(const char *text, const char *fallback, char out[NAME_BYTES_MAX])
{
    size_t len = 0;
    for (; *text != '\0' && len < NAME_BYTES_MAX - 8; text++) {
        bool fits = isalnum((unsigned char)*text) || *text == '_' || *text == '-';
        bool blank = len > 0 && out[len - 1] == '-';
        if (fits && (len > 0 || isalpha((unsigned char)*text))) out[len++] = *text;
        else if (!blank && len > 0) out[len++] = '-';
    }
    while (len > 0 && out[len - 1] == '-') len--;
    out[len] = '\0';
    if (len == 0) snprintf(out, NAME_BYTES_MAX, "%s", fallback);
}

/* "GIT_TOKEN_HANDBOOK" */
static void make_variable(const char *name, char out[NAME_BYTES_MAX + 16])
{
    size_t len = (size_t)snprintf(out, NAME_BYTES_MAX + 16, "GIT_TOKEN_");
    for (; *name != '\0' && len < NAME_BYTES_MAX + 15; name++) out[len++] = isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_';
    out[len] = '\0';
}

/* Two names that make one variable count as one, whatever their project. */
static bool is_taken(const setup_plan *self, const json_t *but, const char *name)
{
    size_t p = 0, s = 0;
    json_t *project = NULL, *source = NULL;
    char mine[NAME_BYTES_MAX + 16], other[NAME_BYTES_MAX + 16];
    make_variable(name, mine);
    json_array_foreach(self->projects, p, project)
        json_array_foreach(json_object_get(project, "sources"), s, source)
        {
            make_variable(text_of(source, "source"), other);
            if (source != but && strcmp(mine, other) == 0) return true;
        }
    return false;
}

void plan_rename(setup_plan *self, json_t *source, const char *name)
{
    char base[NAME_BYTES_MAX], unique[NAME_BYTES_MAX + 16], variable[NAME_BYTES_MAX + 16];
    make_name(name, strcmp(text_of(source, "source_type"), "git") == 0 ? "repository" : "folder", base);
    snprintf(unique, sizeof unique, "%s", base);
    for (int i = 2; is_taken(self, source, unique) && i < 1000; i++) snprintf(unique, sizeof unique, "%s-%d", base, i);
    set_text(source, "source", unique);
    if (json_object_get(source, "token_name") == NULL) return;
    make_variable(unique, variable);
    set_text(source, "token_name", variable);
}

bool plan_text_fits(const char *text, ql_buf *why)
{
    ql_buf_clear(why);
    json_t *json = json_string(text);
    if (json == NULL) ql_buf_append(why, ql_str_of("it is not UTF-8"));
    else if (strstr(text, "${") != NULL || strstr(text, "$HOME") != NULL) ql_buf_append(why, ql_str_of("${...} and $HOME would be replaced where it stands in config.yaml"));
    json_decref(json);
    return why->len == 0;
}

/* --- adding -------------------------------------------------------------------------------------------------------------------------- */

json_t *plan_add_project(setup_plan *self, const char *name, const char *description, ql_buf *why)
{
    char id[NAME_BYTES_MAX];
    size_t i = 0;
    json_t *other = NULL;
    if (!plan_text_fits(name, why) || !plan_text_fits(description, why)) return NULL;
    make_name(name, "", id);
    if (name[0] != '\0' && id[0] == '\0') {
        ql_buf_printf(why, "a project's name needs a letter");
        return NULL;
    }
    json_array_foreach(self->projects, i, other)
        if (strcmp(text_of(other, "id"), id) == 0) ql_buf_printf(why, "there is a project '%s' already", id);
    if (why->len > 0) return NULL;
    json_t *project = json_pack("{s:o, s:s, s:s, s:[]}", "id", id[0] != '\0' ? json_string(id) : json_null(), "display_name", name, "description", description, "sources");
    json_array_append_new(self->projects, project);
    return project;
}

static json_t *add_source(setup_plan *self, json_t *project, const char *type, const char *name, const ql_buf *base_url)
{
    json_t *source = json_pack("{s:s, s:s, s:s}", "source_type", type, "source", "", "base_url", ql_buf_cstr(base_url));
    json_array_append_new(json_object_get(project, "sources"), source);
    if (source != NULL) plan_rename(self, source, name);
    return source;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

json_t *plan_add_docs(setup_plan *self, json_t *project)
{
    ql_buf place = QL_BUF_INIT;
    struct stat info;
    ql_buf_printf(&place, "%s/" DOCS, ql_buf_cstr(&self->dir));
    self->makes_docs = stat(ql_buf_cstr(&place), &info) != 0;
    ql_buf_clear(&place);
    ql_buf_append(&place, ql_str_of(DOCS));
    json_t *source = add_source(self, project, "localfile", DOCS, &place);
    ql_buf_dispose(&place);
    return source;
}

static bool is_own_docs(const setup_plan *self, const ql_buf *real)
{
    size_t root = self->absolute.len;
    return real->len == root + sizeof "/" DOCS - 1 && memcmp(real->ptr, self->absolute.ptr, root) == 0 && strcmp(real->ptr + root, "/" DOCS) == 0;
}

json_t *plan_add_folder(setup_plan *self, json_t *project, const char *path, ql_buf *why)
{
    ql_buf real = QL_BUF_INIT, place = QL_BUF_INIT;
    struct stat info;
    json_t *source = NULL;
    ql_buf_clear(why);
    bool resolved = resolve(path, &real), there = stat(path, &info) == 0;
    if (there && !S_ISDIR(info.st_mode)) ql_buf_printf(why, "'%s' is not a folder", path);
    else if (there && access(path, R_OK | X_OK) != 0) ql_buf_printf(why, "'%s' cannot be read: %s", path, strerror(errno));
    else if (!there && !(resolved && is_own_docs(self, &real))) ql_buf_printf(why, "there is no folder '%s'", path);
    else if (!there) source = plan_add_docs(self, project);
    else {
        put_place(self, ql_buf_str(&real), &place);
        source = add_source(self, project, "localfile", last_part(ql_buf_cstr(&real)), &place);
    }
    ql_buf_dispose(&real);
    ql_buf_dispose(&place);
    return source;
}

static bool is_scp_form(const char *text)
{
    size_t at = strcspn(text, "@:/");
    if (at == 0 || text[at] != '@') return false;
    size_t colon = at + 1 + strcspn(text + at + 1, ":/");
    return colon > at + 1 && text[colon] == ':' && text[colon + 1] != '\0';
}

bool plan_is_git(const char *text)
{
    size_t len = strlen(text);
    if (strncasecmp(text, "file:", 5) == 0) return len > 4 && strcmp(text + len - 4, ".git") == 0;
    if (strstr(text, "://") != NULL || is_scp_form(text)) return true;
    return len > 4 && strcmp(text + len - 4, ".git") == 0;
}

/* Whether an http(s) address carries a user name or a password: they belong into .env, and are not repeated. */
static bool has_login(const char *address)
{
    const char *mark = strstr(address, "://");
    if (mark == NULL || strncasecmp(address, "http", 4) != 0) return false;
    size_t authority = strcspn(mark + 3, "/?#");
    return memchr(mark + 3, '@', authority) != NULL;
}

/* "handbook" of https://host/org/handbook.git/, user@host:handbook and /srv/handbook/.git */
static void name_of_repository(const char *address, char out[NAME_BYTES_MAX])
{
    size_t len = strlen(address);
    while (len > 0 && address[len - 1] == '/') len--;
    if (len > 4 && memcmp(address + len - 4, ".git", 4) == 0) len -= 4;
    while (len > 0 && address[len - 1] == '/') len--;
    size_t begin = len;
    while (begin > 0 && strchr("/:", address[begin - 1]) == NULL) begin--;
    snprintf(out, NAME_BYTES_MAX, "%.*s", (int)(len - begin), address + begin);
}

json_t *plan_add_git(setup_plan *self, json_t *project, const char *address, ql_buf *why)
{
    ql_buf place = QL_BUF_INIT, real = QL_BUF_INIT;
    char name[NAME_BYTES_MAX];
    struct stat info;
    json_t *source = NULL;
    bool elsewhere = strstr(address, "://") != NULL || is_scp_form(address);
    ql_buf_clear(why);
    if (elsewhere && has_login(address)) ql_buf_printf(why, "the address holds a user name or a token; leave it out: setup makes a place for the token in .env");
    else if (elsewhere && plan_text_fits(address, why)) ql_buf_append(&place, ql_str_of(address));
    else if (!elsewhere && (stat(address, &info) != 0 || !S_ISDIR(info.st_mode) || !resolve(address, &real))) ql_buf_printf(why, "there is no repository '%s'", address);
    else if (!elsewhere) put_place(self, ql_buf_str(&real), &place);
    if (why->len == 0) {
        name_of_repository(elsewhere ? address : ql_buf_cstr(&real), name);
        source = add_source(self, project, "git", name, &place);
    }
    if (source != NULL && elsewhere && strncasecmp(address, "http", 4) == 0) {
        set_text(source, "token_name", "");
        plan_rename(self, source, name);
    }
    ql_buf_dispose(&place);
    ql_buf_dispose(&real);
    return source;
}

/* --- config.yaml --------------------------------------------------------------------------------------------------------------------- */

static void put_quoted(ql_buf *out, const char *text)
{
    ql_str all = ql_str_of(text);
    ql_buf_append_char(out, '"');
    for (size_t i = 0, n = 0; i < all.len; i += n) {
        const unsigned char *c = (const unsigned char *)all.ptr + i;
        if (text_is_control(all, i, &n)) {
            unsigned code = n == 1 ? c[0] : n == 2 ? (c[0] & 0x1fu) << 6 | (c[1] & 0x3fu) : (c[0] & 0x0fu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
            ql_buf_printf(out, "\\u%04x", code);
            continue;
        }
        if (n == 1 && (c[0] == '"' || c[0] == '\\')) ql_buf_append_char(out, '\\');
        ql_buf_append(out, (ql_str){all.ptr + i, n});
    }
    ql_buf_append_char(out, '"');
}

/* Plain where a name cannot be taken for a truth value or nothing. */
static void put_key(ql_buf *out, const char *name)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
    bool special = false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) special |= strcasecmp(name, words[i]) == 0;
    if (special) put_quoted(out, name);
    else ql_buf_append(out, ql_str_of(name));
}

static void put_member(ql_buf *out, int indent, const char *key, const char *text)
{
    ql_buf_printf(out, "%*s%s: ", indent, "", key);
    put_quoted(out, text);
    ql_buf_append_char(out, '\n');
}

static void put_file_types(ql_buf *out, int indent, const json_t *types)
{
    size_t i = 0;
    json_t *type = NULL;
    ql_buf_printf(out, "%*sfile_types: [", indent, "");
    json_array_foreach(types, i, type)
    {
        if (i > 0) ql_buf_append(out, ql_str_of(", "));
        put_quoted(out, json_string_value(type));
    }
    ql_buf_append(out, ql_str_of("]\n"));
}

static void put_source(const setup_plan *self, ql_buf *out, int indent, const json_t *source)
{
    const char *branch = text_of(source, "branch"), *token = text_of(source, "token_name");
    const json_t *types = json_object_get(source, "file_types");
    bool git = strcmp(text_of(source, "source_type"), "git") == 0, explains = self->mode != SETUP_DEFAULT;
    ql_buf_printf(out, "%*s", indent, "");
    put_key(out, text_of(source, "source"));
    ql_buf_append(out, ql_str_of(":\n"));
    indent += 2;
    put_member(out, indent, "base_url", text_of(source, "base_url"));
    if (branch[0] != '\0') put_member(out, indent, "branch", branch);
    else if (git) ql_buf_printf(out, "%*s# branch: main                  # not written: the repository's default branch\n", indent, "");
    if (token[0] != '\0') ql_buf_printf(out, "%*stoken: \"${%s}\"  # in .env; empty for a public repository\n", indent, "", token);
    if (json_array_size(types) > 0) put_file_types(out, indent, types);
    else ql_buf_printf(out, "%*s# file_types: [\"*.md\", \"*.txt\"] # not written: every file that can be read\n", indent, "");
    if (!explains) return;
    ql_buf_printf(out, "%*s# include_paths: [\"guide/**\"]   # only these\n", indent, "");
    ql_buf_printf(out, "%*s# exclude_paths: [\"drafts/**\"]  # all but these\n", indent, "");
    ql_buf_printf(out, "%*s# max_file_size: 1048576        # bytes; larger files are left out\n", indent, "");
    if (git) ql_buf_printf(out, "%*s# depth: 0                      # commits of history; 0: all, so that every file has its own dates\n", indent, "");
}

static void put_sources(const setup_plan *self, ql_buf *out, int indent, const json_t *sources)
{
    static const char *const types[] = {"localfile", "git"};
    ql_buf_printf(out, "%*ssources:\n", indent, "");
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        size_t i = 0;
        json_t *source = NULL;
        bool begun = false;
        json_array_foreach(sources, i, source)
        {
            if (strcmp(text_of(source, "source_type"), types[t]) != 0) continue;
            if (!begun) ql_buf_printf(out, "%*s%s:\n", indent + 2, "", types[t]);
            put_source(self, out, indent + 4, source);
            begun = true;
        }
    }
}

static void put_global(const setup_plan *self, ql_buf *out)
{
    bool sized = self->chunk_size > 0;
    if (self->mode != SETUP_ADVANCED) return;
    ql_buf_printf(out, "%sglobal:\n%s  chunking:\n", sized ? "" : "# ", sized ? "" : "# ");
    if (sized) ql_buf_printf(out, "    chunk_size: %lu    # characters of a passage\n", self->chunk_size);
    else ql_buf_printf(out, "#     chunk_size: 1500   # characters of a passage; not written: as many tokens as suit the model\n");
    if (sized && self->chunk_overlap > 0) ql_buf_printf(out, "    chunk_overlap: %lu  # characters repeated from the passage before\n", self->chunk_overlap);
    else ql_buf_printf(out, "%s    # chunk_overlap: 200  # characters repeated from the passage before\n", sized ? "" : "# ");
    ql_buf_printf(out, "# The index lies in data/ and the model runs on this machine. A Qdrant server or a remote model would be configured here too\n"
                       "# (global.qdrant, global.llm), where a build has them.\n\n");
}

void plan_config(const setup_plan *self, ql_buf *out)
{
    size_t i = 0;
    json_t *project = NULL;
    ql_buf_printf(out, "# What is read, and how. Made by 'qloader setup'; change it as you like: 'qloader doctor' checks it, 'qloader config' shows it\n"
                       "# with every default, configuration.md among the documents explains every key. Relative folders are relative to this file.\n\n");
    put_global(self, out);
    json_array_foreach(self->projects, i, project)
    {
        const char *id = text_of(project, "id"), *description = text_of(project, "description");
        if (id[0] == '\0') {
            put_sources(self, out, 0, json_object_get(project, "sources"));
            continue;
        }
        if (i == 0) ql_buf_append(out, ql_str_of("projects:\n"));
        ql_buf_append(out, ql_str_of("  "));
        put_key(out, id);
        ql_buf_append(out, ql_str_of(":\n"));
        put_member(out, 4, "display_name", text_of(project, "display_name"));
        if (description[0] != '\0') put_member(out, 4, "description", description);
        put_sources(self, out, 4, json_object_get(project, "sources"));
    }
}

/* --- .env ------------------------------------------------------------------------------------------------------------------------------ */

static bool sets_variable(ql_str text, const char *name)
{
    size_t name_len = strlen(name);
    for (size_t at = 0; at < text.len;) {
        const char *line = text.ptr + at, *end = memchr(line, '\n', text.len - at);
        size_t len = end != NULL ? (size_t)(end - line) : text.len - at, skip = 0;
        while (skip < len && isblank((unsigned char)line[skip])) skip++;
        if (len - skip > 7 && memcmp(line + skip, "export ", 7) == 0) skip += 7;
        while (skip < len && isblank((unsigned char)line[skip])) skip++;
        bool same = len - skip > name_len && memcmp(line + skip, name, name_len) == 0;
        size_t after = skip + name_len;
        while (same && after < len && isblank((unsigned char)line[after])) after++;
        if (same && after < len && line[after] == '=') return true;
        at += len + 1;
    }
    return false;
}

void plan_env(const setup_plan *self, ql_str existing, ql_buf *out, json_t *names)
{
    size_t p = 0, s = 0;
    json_t *project = NULL, *source = NULL;
    json_array_foreach(self->projects, p, project)
        json_array_foreach(json_object_get(project, "sources"), s, source)
        {
            const char *name = text_of(source, "token_name");
            if (name[0] == '\0' || sets_variable(existing, name)) continue;
            if (out->len == 0 && existing.len == 0) ql_buf_printf(out, "# Secrets of this workspace, for its owner's eyes only. A value written here is used instead of the environment's.\n");
            if (out->len == 0 && existing.len > 0 && existing.ptr[existing.len - 1] != '\n') ql_buf_append_char(out, '\n');
            ql_buf_printf(out, "\n# The token for ");
            for (const char *c = text_of(source, "base_url"); *c != '\0'; c++) ql_buf_append_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
            ql_buf_printf(out, ": put it behind the '='. As it is here, it comes from the\n# environment, or is empty, which is right for a public repository.\n%s=${%s:-}\n", name, name);
            json_array_append_new(names, json_string(name));
        }
}
