/*
 * A scanner over the file and one pass of expansion per value; what was put in by an expansion is not looked at again, so nothing is
 * endless. Values and their sum are capped because each line can double the one before. One thread per call.
 * One step away from python-dotenv, whose grammar this is: in `KEY= # words` the words are a comment, not the value.
 */
#include "dep/dotenv.h"

#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/status.h"

typedef struct scanner {
    const char *at, *end;
    uint32_t line;
    const char *line_start;
    ql__arena *arena;
    const ql__dotenv_scope *scope;
    ql__dotenv_entry *entries;
    size_t count, capacity;
    ql__map places; /* name -> index of its entry */
    size_t total_bytes;
    ql_error *err;
} scanner;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static bool at_line_end(const scanner *self)
{
    return self->at == self->end || *self->at == '\n' || *self->at == '\r';
}

static void skip_blanks(scanner *self)
{
    while (self->at < self->end && is_blank(*self->at)) self->at++;
}

static void step(scanner *self)
{
    if (*self->at++ != '\n') return;
    self->line++;
    self->line_start = self->at;
}

static void skip_line(scanner *self)
{
    while (!at_line_end(self)) self->at++;
}

static void complain(scanner *self, const char *sentence)
{
    if (self->scope->problem_fn != NULL) self->scope->problem_fn(self->scope->user, self->line, (uint32_t)(self->at - self->line_start + 1), sentence);
    skip_line(self);
}

/* ---- Expansion ---- */

static bool find_entry(const scanner *self, ql_str name, ql_str *value)
{
    const uint64_t *place = ql__map_find(&self->places, name);
    if (place != NULL) *value = self->entries[*place].value;
    return place != NULL;
}

static bool find_outside(const scanner *self, ql_str name, ql_str *value)
{
    return self->scope->find_fn != NULL && self->scope->find_fn(self->scope->user, name, value);
}

static bool find_variable(const scanner *self, ql_str name, ql_str *value)
{
    if (self->scope->file_wins) return find_entry(self, name, value) || find_outside(self, name, value);
    return find_outside(self, name, value) || find_entry(self, name, value);
}

/* ${NAME} or ${NAME:-default}; an unknown variable without a default is empty. */
static void expand_one(const scanner *self, ql_str inside, ql_buf *out)
{
    const char *colon = inside.len != 0 ? memchr(inside.ptr, ':', inside.len) : NULL;
    bool has_default = colon != NULL && colon + 1 < inside.ptr + inside.len && colon[1] == '-';
    if (colon != NULL && !has_default) { /* not a reference at all */
        (void)ql_buf_append(out, QL_STR("${"));
        (void)ql_buf_append(out, inside);
        (void)ql_buf_append_char(out, '}');
        return;
    }
    ql_str name = {inside.ptr, colon != NULL ? (size_t)(colon - inside.ptr) : inside.len}, value;
    if (find_variable(self, name, &value)) (void)ql_buf_append(out, value);
    else if (has_default) (void)ql_buf_append(out, (ql_str){colon + 2, (size_t)(inside.ptr + inside.len - colon - 2)});
}

static void expand(const scanner *self, ql_str raw, ql_buf *out)
{
    while (raw.len != 0) {
        const char *open = memmem(raw.ptr, raw.len, "${", 2);
        const char *close = open != NULL ? memchr(open, '}', (size_t)(raw.ptr + raw.len - open)) : NULL;
        size_t plain = close != NULL ? (size_t)(open - raw.ptr) : raw.len;
        (void)ql_buf_append(out, (ql_str){raw.ptr, plain});
        if (close == NULL) return;
        expand_one(self, (ql_str){open + 2, (size_t)(close - open - 2)}, out);
        raw = (ql_str){close + 1, (size_t)(raw.ptr + raw.len - close - 1)};
    }
}

static ql_status add_entry(scanner *self, ql_str name, uint32_t line, ql_str raw)
{
    ql_buf value;
    ql_buf_init(&value, QL_LIMIT_ENV_BYTES);
    expand(self, raw, &value);
    ql__dotenv_entry entry = {.line = line};
    ql_status status = value.status;
    if (status == QL_E_LIMIT) ql__fail(self->err, status, "line %u of the environment file: the value is longer than %d bytes", line, QL_LIMIT_ENV_BYTES);
    else if (status < 0 || !ql__arena_copy(self->arena, name, &entry.name) || !ql__arena_copy(self->arena, ql_buf_str(&value), &entry.value)) status = ql__fail_nomem(self->err);
    ql_buf_dispose(&value);
    QL_TRY(status);
    self->total_bytes += entry.value.len;
    if (self->total_bytes > QL_LIMIT_CONFIG_BYTES) return ql__fail(self->err, QL_E_LIMIT, "the values of the environment file are larger than 16 MiB together");
    bool inserted;
    uint64_t *place = ql__map_insert(&self->places, entry.name, &inserted);
    if (place == NULL) return ql__fail_nomem(self->err);
    if (!inserted) {
        self->entries[*place].value = entry.value;
        self->entries[*place].line = line;
        return QL_OK;
    }
    *place = self->count;
    return ql__array_push(self->entries, self->count, self->capacity, entry) ? QL_OK : ql__fail_nomem(self->err);
}

/* ---- Grammar ---- */

static bool read_name(scanner *self, ql_str *out)
{
    if ((size_t)(self->end - self->at) > 7 && memcmp(self->at, "export", 6) == 0 && is_blank(self->at[6])) {
        self->at += 6;
        skip_blanks(self);
    }
    if (!at_line_end(self) && *self->at == '\'') {
        const char *start = ++self->at;
        while (!at_line_end(self) && *self->at != '\'') self->at++;
        if (at_line_end(self)) return false;
        *out = (ql_str){start, (size_t)(self->at++ - start)};
        return out->len != 0;
    }
    const char *start = self->at;
    while (!at_line_end(self) && !is_blank(*self->at) && *self->at != '=' && *self->at != '#') self->at++;
    *out = (ql_str){start, (size_t)(self->at - start)};
    return out->len != 0;
}

static char escaped(char c)
{
    switch (c) {
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return c;
    }
}

/* Quoted values may run over lines. In double quotes C's escapes count, in single quotes only \\ and \'. */
static bool read_quoted(scanner *self, ql_buf *out)
{
    char quote = *self->at;
    step(self);
    for (; self->at < self->end && *self->at != quote; step(self)) {
        if (*self->at == '\\' && self->at + 1 < self->end) {
            char next = self->at[1];
            bool known = next == '\\' || next == '\'' || (quote == '"' && next != '\0' && strchr("\"abfnrtv", next) != NULL);
            if (known) {
                step(self);
                (void)ql_buf_append_char(out, quote == '"' ? escaped(next) : next);
                continue;
            }
        }
        (void)ql_buf_append_char(out, *self->at);
    }
    if (self->at == self->end) return false;
    self->at++;
    return true;
}

/* Up to the end of the line or to a comment, which needs a blank before its '#'. */
static void read_bare(scanner *self, bool after_blank, ql_buf *out)
{
    const char *start = self->at, *stop = self->at;
    bool blank = after_blank;
    for (; !at_line_end(self) && !(blank && *self->at == '#'); self->at++) {
        blank = is_blank(*self->at);
        if (!blank) stop = self->at + 1;
    }
    skip_line(self);
    (void)ql_buf_append(out, (ql_str){start, (size_t)(stop - start)});
}

static ql_status read_value(scanner *self, ql_str name, uint32_t line)
{
    const char *sign = ++self->at; /* behind '=' */
    skip_blanks(self);
    ql_buf raw;
    ql_buf_init(&raw, QL_LIMIT_CONFIG_BYTES);
    bool quoted = !at_line_end(self) && (*self->at == '"' || *self->at == '\''), good = true;
    if (quoted) good = read_quoted(self, &raw);
    else read_bare(self, self->at > sign, &raw);
    if (good && quoted) {
        skip_blanks(self);
        good = at_line_end(self) || *self->at == '#';
        if (!good) complain(self, "something stands behind the closing quote; the line is skipped");
        else skip_line(self);
    } else if (!good) {
        complain(self, "a quote is opened but never closed");
    }
    ql_status status = raw.status < 0 ? ql__fail_nomem(self->err) : good ? add_entry(self, name, line, ql_buf_str(&raw)) : QL_OK;
    ql_buf_dispose(&raw);
    return status;
}

static ql_status read_line(scanner *self)
{
    ql_str name;
    uint32_t line = self->line;
    skip_blanks(self);
    if (at_line_end(self)) return QL_OK;
    if (*self->at == '#') {
        skip_line(self);
        return QL_OK;
    }
    bool good = read_name(self, &name);
    skip_blanks(self);
    if (good && !at_line_end(self) && *self->at == '=') return read_value(self, name, line);
    complain(self, "not of the form KEY=VALUE; the line is skipped");
    return QL_OK;
}

ql_status ql__dotenv_parse(ql_str text, ql__arena *arena, const ql__dotenv_scope *scope, const ql__dotenv_entry **out, size_t *count, ql_error *err)
{
    if (text.len > QL_LIMIT_CONFIG_BYTES) return ql__fail(err, QL_E_LIMIT, "the environment file is larger than 16 MiB");
    if (text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0) text = (ql_str){text.ptr + 3, text.len - 3}; /* byte order mark */
    scanner self = {.at = text.ptr, .end = text.len != 0 ? text.ptr + text.len : text.ptr, .line = 1, .line_start = text.ptr, .arena = arena, .scope = scope, .err = err};
    ql__map_init(&self.places, 0);
    ql_status status = QL_OK;
    if (text.len != 0 && memchr(text.ptr, '\0', text.len) != NULL) {
        complain(&self, "the file holds a NUL byte: it is not text");
        self.at = self.end;
    }
    while (status == QL_OK && self.at < self.end) {
        status = read_line(&self);
        if (self.at < self.end) step(&self);
    }
    ql__dotenv_entry *copy = status == QL_OK ? ql__arena_alloc_zero(arena, self.count, sizeof *copy) : NULL;
    if (status == QL_OK && copy == NULL) status = ql__fail_nomem(err);
    if (status == QL_OK) {
        if (self.count != 0) memcpy(copy, self.entries, self.count * sizeof *copy);
        *out = copy;
        *count = self.count;
    }
    ql__map_dispose(&self.places);
    ql__free(self.entries);
    return status;
}
