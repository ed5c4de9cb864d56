/*
 * Lists of path patterns. Each pattern becomes one or two globs with a rule for what they are held against: the path itself or the
 * folders above it. Includes admit at least what the reference's reading admits, so that nobody who switches loses a document;
 * excludes also mean what their author plainly meant ("**" + "/node_modules/" + "**" keeps node_modules out at any depth).
 * Order as in the reference: hidden name, exclude, type, size, include. Immutable after _new; threads: any.
 */
#include "source/path_filter.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "source/file_facts.h"
#include "source/glob.h"

typedef struct path_rule {
    ql_str written;  /* as in the file, for the reason */
    ql_str text;     /* without leading "/" or "./" and without what marks a folder */
    ql__glob *glob;
    bool root_only;  /* the empty pattern */
    bool folder;     /* everything below text */
    bool everything; /* below the root itself */
    bool names_hidden;
} path_rule;

typedef struct type_rule {
    ql_str extension; /* last extension, any case */
    ql__glob *name;   /* also the file's name; NULL: only the extension */
} type_rule;

struct ql__path_filter {
    const ql__config_source *config;
    path_rule *includes, *excludes;
    type_rule *types;
};

/* What the reference converts to text when file conversion is on, whatever file_types says. */
static const char *const convertible[] = {"pdf", "docx", "xlsx", "pptx", "xls", "jpg", "jpeg", "png", "gif", "bmp", "tiff", "webp", "mp3",
                                          "wav", "epub", "zip", "txt", "csv", "xml"};

static bool ends_with(ql_str text, ql_str tail)
{
    return text.len >= tail.len && memcmp(text.ptr + text.len - tail.len, tail.ptr, tail.len) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool equal_any_case(ql_str a, ql_str b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
    return true;
}

/* Cuts the endings that mean "everything below"; true if there was one. */
static bool cut_folder_mark(ql_str *text)
{
    static const char *const marks[] = {"/**/*", "/**", "/"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        ql_str mark = ql_str_of(marks[i]);
        if (!ends_with(*text, mark)) continue;
        text->len -= mark.len;
        while (text->len > 0 && text->ptr[text->len - 1] == '/') text->len--;
        return true;
    }
    return false;
}

static ql_status compile_path(path_rule *rule, ql_str written, ql_error *err)
{
    ql_str text = written;
    bool strict = text.len >= 2 && text.ptr[0] == '.' && text.ptr[1] == '/';
    if (strict) text = (ql_str){text.ptr + 2, text.len - 2};
    while (text.len > 0 && text.ptr[0] == '/') text = (ql_str){text.ptr + 1, text.len - 1};
    *rule = (path_rule){.written = written, .root_only = text.len == 0};
    rule->everything = ql_str_equal(text, QL_STR("**")) || ql_str_equal(text, QL_STR("**/*"));
    if (rule->root_only || rule->everything) return QL_OK;
    rule->folder = cut_folder_mark(&text);
    rule->text = text;
    rule->names_hidden = !rule->folder && ql__path_name(text).len > 0 && ql__path_name(text).ptr[0] == '.';
    return ql__glob_new(text, strict, &rule->glob, err);
}

static ql_status compile_type(type_rule *rule, ql_str written, ql_error *err)
{
    ql_str extension = ql__name_extension(written);
    if (extension.len == 0 && written.len > 0 && written.ptr[0] == '.') extension = (ql_str){written.ptr + 1, written.len - 1}; /* ".md" */
    *rule = (type_rule){.extension = extension};
    if (extension.len > 0) return QL_OK;
    rule->extension = written; /* "html" is an extension or a name ("Makefile"); with signs of a glob no extension is like it */
    return ql__glob_new(written, true, &rule->name, err);
}

static ql_status compile_paths(const ql__strs *list, path_rule **out, ql_error *err)
{
    if (list->count == 0) return QL_OK;
    *out = ql__alloc_zero(list->count, sizeof **out);
    if (*out == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < list->count; i++) QL_TRY(compile_path(&(*out)[i], list->items[i], err));
    return QL_OK;
}

static ql_status compile_all(ql__path_filter *self, ql_error *err)
{
    const ql__config_source *config = self->config;
    QL_TRY(compile_paths(&config->include_paths, &self->includes, err));
    QL_TRY(compile_paths(&config->exclude_paths, &self->excludes, err));
    if (config->file_types.count == 0) return QL_OK;
    self->types = ql__alloc_zero(config->file_types.count, sizeof *self->types);
    if (self->types == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < config->file_types.count; i++) QL_TRY(compile_type(&self->types[i], config->file_types.items[i], err));
    return QL_OK;
}

ql_status ql__path_filter_new(const ql__config_source *config, ql__path_filter **out, ql_error *err)
{
    ql__path_filter *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->config = config;
    ql_status status = compile_all(self, err);
    if (status < 0) {
        ql__path_filter_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

static void free_paths(path_rule *rules, size_t count)
{
    for (size_t i = 0; rules != NULL && i < count; i++) ql__glob_free(rules[i].glob);
    ql__free(rules);
}

void ql__path_filter_free(ql__path_filter *self)
{
    if (self == NULL) return;
    free_paths(self->includes, self->config->include_paths.count);
    free_paths(self->excludes, self->config->exclude_paths.count);
    for (size_t i = 0; self->types != NULL && i < self->config->file_types.count; i++) ql__glob_free(self->types[i].name);
    ql__free(self->types);
    ql__free(self);
}

/* Is path below the folder that is called exactly text? The reference compares such folders letter by letter. */
static bool below_literally(ql_str path, ql_str text)
{
    return text.len > 0 && path.len > text.len && path.ptr[text.len] == '/' && memcmp(path.ptr, text.ptr, text.len) == 0;
}

static bool rule_matches(const path_rule *rule, ql_str path, bool including)
{
    if (rule->everything) return true;
    if (rule->root_only) return including && memchr(path.ptr, '/', path.len) == NULL;
    if (rule->folder) return below_literally(path, rule->text) || ql__glob_matches_above(rule->glob, path);
    /* Who excludes "build" means the folder too. */
    return ql__glob_matches(rule->glob, path) || (!including && below_literally(path, rule->text));
}

static bool no(ql_buf *reason, const char *sentence)
{
    (void)ql_buf_append(reason, ql_str_of(sentence));
    return false;
}

static bool no_excluded(ql_buf *reason, const path_rule *rule)
{
    (void)ql_buf_printf(reason, "excluded by '%.*s'", (int)rule->written.len, rule->written.ptr);
    return false;
}

static bool type_admits(const ql__path_filter *self, ql_str name)
{
    const ql__strs *types = &self->config->file_types;
    if (types->count == 0) return true;
    ql_str extension = ql__name_extension(name);
    for (size_t i = 0; i < types->count; i++) {
        const type_rule *rule = &self->types[i];
        if (equal_any_case(rule->extension, extension) || (rule->name != NULL && ql__glob_matches(rule->name, name))) return true;
    }
    if (!self->config->enable_file_conversion) return false;
    for (size_t i = 0; i < sizeof convertible / sizeof *convertible; i++)
        if (equal_any_case(ql_str_of(convertible[i]), extension)) return true;
    return false;
}

static bool hidden_admitted(const ql__path_filter *self, ql_str path)
{
    for (size_t i = 0; i < self->config->include_paths.count; i++)
        if (self->includes[i].names_hidden && rule_matches(&self->includes[i], path, true)) return true;
    return false;
}

static bool admits_name(const ql__path_filter *self, ql_str path, ql_buf *reason)
{
    ql_buf_clear(reason);
    ql_str name = ql__path_name(path);
    if (name.len == 0) return no(reason, "no name");
    if (name.ptr[0] == '.' && !hidden_admitted(self, path)) return no(reason, "hidden file");
    for (size_t i = 0; i < self->config->exclude_paths.count; i++)
        if (rule_matches(&self->excludes[i], path, false)) return no_excluded(reason, &self->excludes[i]);
    if (!type_admits(self, name)) return no(reason, "not one of file_types");
    if (self->config->include_paths.count == 0) return true;
    for (size_t i = 0; i < self->config->include_paths.count; i++)
        if (rule_matches(&self->includes[i], path, true)) return true;
    return no(reason, "matches nothing in include_paths");
}

static bool admits_size(const ql__path_filter *self, uint64_t size_bytes, ql_buf *reason)
{
    ql_buf_clear(reason);
    if (size_bytes <= self->config->max_file_size) return true;
    (void)ql_buf_printf(reason, "larger than max_file_size: %llu bytes, limit %llu", (unsigned long long)size_bytes,
                        (unsigned long long)self->config->max_file_size);
    return false;
}

bool ql__path_filter_admits(const ql__path_filter *self, ql_str path, uint64_t size_bytes, ql_buf *reason)
{
    return admits_name(self, path, reason) && admits_size(self, size_bytes, reason);
}

bool ql__path_filter_enters(const ql__path_filter *self, ql_str folder, ql_buf *reason)
{
    ql_buf_clear(reason);
    for (size_t i = 0; i < self->config->exclude_paths.count; i++) {
        const path_rule *rule = &self->excludes[i];
        bool out = rule->everything || (rule->folder && (ql_str_equal(folder, rule->text) || ql__glob_matches(rule->glob, folder) ||
                                                         rule_matches(rule, folder, false)));
        if (out) return no_excluded(reason, rule);
    }
    return true;
}
