/* See bench_collection.h. */
#include "bench_collection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSTITUTIONS_MAX 8 /* of variables in the values of variables */
#define TEXT_BYTES_MAX ((size_t)16 << 20)
/* Written while variables are replaced, over the whole collection: a few lines of variables in variables could ask for any amount of work. */
#define WORK_BYTES_MAX ((size_t)64 << 20)

typedef struct reader {
    bench_collection *out;
    const json_t *own; /* "variable" of the collection */
    const bench_variable *given;
    size_t given_count;
    const char *token; /* of the innermost "auth": a bearer token, NULL for none */
    size_t *work;      /* bytes written so far, see WORK_BYTES_MAX */
    ql_error *err;
} reader;

static ql_status fail(ql_error *err, ql_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
static ql_status fail(ql_error *err, ql_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *err = (ql_error){.status = status};
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

static ql_status fail_nomem(ql_error *err)
{
    return fail(err, QL_E_NOMEM, "out of memory");
}

/* --- variables ------------------------------------------------------------------------------------------------------------------- */

static const char *value_of(const reader *self, const char *name, size_t len)
{
    const json_t *variable = NULL;
    size_t i = 0;
    for (size_t v = self->given_count; v-- > 0;)
        if (strlen(self->given[v].name) == len && strncmp(self->given[v].name, name, len) == 0) return self->given[v].value;
    json_array_foreach(self->own, i, variable)
    {
        const char *key = json_string_value(json_object_get(variable, "key"));
        if (key != NULL && strlen(key) == len && strncmp(key, name, len) == 0) return json_string_value(json_object_get(variable, "value"));
    }
    return NULL;
}

/* The first two of `brace` side by side, NULL without. Not strstr: the sanitizers' one measures the whole text at each call. */
static const char *find_pair(const char *text, char brace)
{
    const char *at = strchr(text, brace);
    while (at != NULL && at[1] != brace) at = strchr(at + 1, brace);
    return at;
}

/* One pass: {{name}} becomes its value. *changed: there was one. */
static ql_status substitute_once(const reader *self, const char *text, ql_buf *out, bool *changed)
{
    *changed = false;
    for (const char *open = find_pair(text, '{'); open != NULL; open = find_pair(text, '{')) {
        const char *close = find_pair(open, '}');
        if (close == NULL) break;
        const char *value = value_of(self, open + 2, (size_t)(close - open) - 2);
        if (value == NULL)
            return fail(self->err, QL_E_NOTFOUND, "the collection's variable '%.*s' has no value: give it by --variable NAME=VALUE", (int)(close - open - 2 < 100 ? close - open - 2 : 100), open + 2);
        ql_buf_append(out, (ql_str){text, (size_t)(open - text)});
        ql_buf_append(out, ql_str_of(value));
        text = close + 2;
        *changed = true;
    }
    ql_buf_append(out, ql_str_of(text));
    if (out->status == QL_E_LIMIT) return fail(self->err, QL_E_LIMIT, "a text of the collection is larger than 16 MB");
    if (out->status < 0) return fail_nomem(self->err);
    *self->work += out->len;
    return *self->work > WORK_BYTES_MAX ? fail(self->err, QL_E_LIMIT, "the collection's variables would make texts of more than 64 MB together") : QL_OK;
}

static ql_status substitute(const reader *self, const char *text, char **out)
{
    ql_buf made = QL_BUF_INIT, next = QL_BUF_INIT;
    bool changed = true;
    ql_buf_init(&made, TEXT_BYTES_MAX);
    ql_status status = ql_buf_append(&made, ql_str_of(text)) < 0 ? fail_nomem(self->err) : QL_OK;
    for (int i = 0; i < SUBSTITUTIONS_MAX && changed && status >= 0; i++) {
        ql_buf_init(&next, TEXT_BYTES_MAX);
        status = substitute_once(self, ql_buf_cstr(&made), &next, &changed);
        ql_buf_dispose(&made);
        made = next;
    }
    if (status >= 0 && changed) status = fail(self->err, QL_E_LIMIT, "variables of the collection lead to each other");
    if (status >= 0 && (*out = strdup(ql_buf_cstr(&made))) == NULL) status = fail_nomem(self->err);
    ql_buf_dispose(&made);
    return status;
}

/* --- requests -------------------------------------------------------------------------------------------------------------------- */

static void request_dispose(bench_request *self)
{
    for (size_t i = 0; i < self->header_count; i++) free(self->headers[i]);
    free(self->headers);
    free(self->name);
    free(self->method);
    free(self->url);
    free(self->body);
}

/* A line break would begin another header, or end them. */
static bool is_one_line(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

static ql_status add_header(const reader *self, bench_request *request, const char *name, const char *value)
{
    ql_buf line = QL_BUF_INIT;
    char *made = NULL;
    ql_buf_printf(&line, "%s: %s", name, value);
    ql_status status = line.status < 0 ? fail_nomem(self->err) : substitute(self, ql_buf_cstr(&line), &made);
    ql_buf_dispose(&line);
    if (status < 0) return status;
    char **grown = reallocarray(request->headers, request->header_count + 1, sizeof *grown);
    if (grown != NULL) request->headers = grown;
    if (grown == NULL || !is_one_line(made)) {
        free(made);
        return grown == NULL ? fail_nomem(self->err) : fail(self->err, QL_E_FORMAT, "a header of '%.100s' has a line break", request->name);
    }
    request->headers[request->header_count++] = made;
    return QL_OK;
}

static ql_status read_headers(const reader *self, const json_t *list, bench_request *request)
{
    const json_t *header = NULL;
    size_t i = 0;
    json_array_foreach(list, i, header)
    {
        const char *key = json_string_value(json_object_get(header, "key")), *value = json_string_value(json_object_get(header, "value"));
        if (json_is_true(json_object_get(header, "disabled"))) continue;
        if (key == NULL || value == NULL) return fail(self->err, QL_E_FORMAT, "a header of '%.100s' lacks key or value", request->name);
        ql_status status = add_header(self, request, key, value);
        if (status < 0) return status;
    }
    if (self->token == NULL) return QL_OK;
    ql_buf value = QL_BUF_INIT;
    ql_buf_printf(&value, "Bearer %s", self->token);
    ql_status status = value.status < 0 ? fail_nomem(self->err) : add_header(self, request, "Authorization", ql_buf_cstr(&value));
    ql_buf_dispose(&value);
    return status;
}

static ql_status read_body(const reader *self, const json_t *body, bench_request *request)
{
    const char *mode = json_string_value(json_object_get(body, "mode")), *raw = json_string_value(json_object_get(body, "raw"));
    if (!json_is_object(body) || json_is_true(json_object_get(body, "disabled"))) return QL_OK;
    if (mode == NULL || strcmp(mode, "raw") != 0) return fail(self->err, QL_E_UNSUPPORTED, "'%.100s' has a body of the kind '%.40s'; only raw ones can be sent", request->name, mode != NULL ? mode : "none");
    if (raw == NULL) return fail(self->err, QL_E_FORMAT, "the body of '%.100s' is empty", request->name);
    return substitute(self, raw, &request->body);
}

/* Sets the token for what is inside; "auth" may say that there is none. */
static ql_status read_auth(reader *self, const json_t *auth)
{
    const char *type = json_string_value(json_object_get(auth, "type"));
    const json_t *parameter = NULL;
    size_t i = 0;
    if (!json_is_object(auth)) return QL_OK;
    self->token = NULL;
    if (type != NULL && strcmp(type, "noauth") == 0) return QL_OK;
    if (type == NULL || strcmp(type, "bearer") != 0) return fail(self->err, QL_E_UNSUPPORTED, "the collection asks for authorisation of the kind '%.40s'; only bearer can be sent", type != NULL ? type : "none");
    json_array_foreach(json_object_get(auth, "bearer"), i, parameter)
    {
        const char *key = json_string_value(json_object_get(parameter, "key"));
        if (key != NULL && strcmp(key, "token") == 0) self->token = json_string_value(json_object_get(parameter, "value"));
    }
    return self->token != NULL ? QL_OK : fail(self->err, QL_E_FORMAT, "the collection's bearer authorisation has no token");
}

static ql_status read_parts(reader *self, const json_t *request, bench_request *made)
{
    const json_t *url = json_is_string(request) ? request : json_object_get(request, "url");
    const char *address = json_string_value(json_is_object(url) ? json_object_get(url, "raw") : url), *method = json_string_value(json_object_get(request, "method"));
    if (address == NULL) return fail(self->err, QL_E_FORMAT, "'%.100s' has no address", made->name);
    ql_status status = substitute(self, address, &made->url);
    if (status >= 0 && (made->method = strdup(method != NULL ? method : "GET")) == NULL) status = fail_nomem(self->err);
    if (status >= 0 && (made->method[0] == '\0' || strspn(made->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(made->method))) status = fail(self->err, QL_E_FORMAT, "'%.100s' has the method '%.40s'", made->name, made->method);
    if (status >= 0) status = read_auth(self, json_object_get(request, "auth"));
    if (status >= 0) status = read_headers(self, json_object_get(request, "header"), made);
    return status < 0 ? status : read_body(self, json_object_get(request, "body"), made);
}

static ql_status read_request(reader *self, const char *name, const json_t *request)
{
    bench_collection *out = self->out;
    if (out->count == COLLECTION_REQUESTS_MAX) return fail(self->err, QL_E_LIMIT, "the collection has more than %d requests", COLLECTION_REQUESTS_MAX);
    bench_request *grown = reallocarray(out->requests, out->count + 1, sizeof *grown);
    if (grown == NULL) return fail_nomem(self->err);
    out->requests = grown;
    bench_request *made = &out->requests[out->count];
    *made = (bench_request){.name = strdup(name)};
    out->count++; /* disposed of with the rest, whatever comes of it */
    return made->name == NULL ? fail_nomem(self->err) : read_parts(self, request, made);
}

/* A token set inside a folder ends with it. */
static ql_status read_items(const reader *outer, const json_t *items, const char *prefix, int depth)
{
    const json_t *item = NULL;
    size_t i = 0;
    ql_status status = QL_OK;
    if (!json_is_array(items)) return fail(outer->err, QL_E_FORMAT, "the collection, or a folder of it, has no list of items");
    if (depth > COLLECTION_DEPTH_MAX) return fail(outer->err, QL_E_LIMIT, "the collection has folders more than %d deep", COLLECTION_DEPTH_MAX);
    json_array_foreach(items, i, item)
    {
        reader self = *outer;
        ql_buf name = QL_BUF_INIT;
        const char *own = json_string_value(json_object_get(item, "name"));
        ql_buf_printf(&name, "%s%s%s", prefix, prefix[0] != '\0' ? " / " : "", own != NULL ? own : "(no name)");
        self.out->scripts += json_array_size(json_object_get(item, "event"));
        status = name.status < 0 ? fail_nomem(self.err) : read_auth(&self, json_object_get(item, "auth"));
        const json_t *request = json_object_get(item, "request");
        if (status >= 0) status = request != NULL ? read_request(&self, ql_buf_cstr(&name), request) : read_items(&self, json_object_get(item, "item"), ql_buf_cstr(&name), depth + 1);
        ql_buf_dispose(&name);
        if (status < 0) break;
    }
    return status;
}

static ql_status read_root(reader *self, const json_t *root)
{
    const json_t *info = json_object_get(root, "info");
    const char *schema = json_string_value(json_object_get(info, "schema")), *name = json_string_value(json_object_get(info, "name"));
    if (schema == NULL || name == NULL) return fail(self->err, QL_E_FORMAT, "this is no collection: it lacks info.name or info.schema");
    if (strstr(schema, "/v2.1.0/") == NULL) return fail(self->err, QL_E_UNSUPPORTED, "the collection follows '%.150s'; only 2.1 is read", schema);
    self->own = json_object_get(root, "variable");
    self->out->scripts += json_array_size(json_object_get(root, "event"));
    if ((self->out->name = strdup(name)) == NULL) return fail_nomem(self->err);
    ql_status status = read_auth(self, json_object_get(root, "auth"));
    if (status >= 0) status = read_items(self, json_object_get(root, "item"), "", 1);
    if (status >= 0 && self->out->count == 0) status = fail(self->err, QL_E_FORMAT, "the collection has no requests");
    return status;
}

ql_status collection_parse(ql_str text, const bench_variable *variables, size_t variable_count, bench_collection *out, ql_error *err)
{
    json_error_t error;
    *out = (bench_collection){0};
    json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) return fail(err, QL_E_FORMAT, "line %d: %.200s", error.line, error.text);
    size_t work = 0;
    reader self = {.out = out, .given = variables, .given_count = variable_count, .work = &work, .err = err};
    ql_status status = read_root(&self, root);
    json_decref(root);
    if (status < 0) collection_dispose(out);
    return status;
}

static bool is_in(const char *name, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(name, folder, len) == 0 && (name[len] == '\0' || strncmp(name + len, " / ", 3) == 0);
}

void collection_keep(bench_collection *self, const char *const *names, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        bool wanted = false;
        for (size_t n = 0; n < count && !wanted; n++) wanted = is_in(self->requests[i].name, names[n]);
        if (wanted) self->requests[kept++] = self->requests[i];
        else request_dispose(&self->requests[i]);
    }
    self->count = kept;
}

ql_status collection_of_urls(char *const *urls, size_t count, bench_collection *out)
{
    *out = (bench_collection){.name = strdup(count == 1 ? urls[0] : "addresses"), .requests = calloc(count > 0 ? count : 1, sizeof *out->requests)};
    bool whole = out->name != NULL && out->requests != NULL;
    for (size_t i = 0; i < count && whole; i++) {
        out->requests[i] = (bench_request){.name = strdup(urls[i]), .method = strdup("GET"), .url = strdup(urls[i])};
        out->count++;
        whole = out->requests[i].name != NULL && out->requests[i].method != NULL && out->requests[i].url != NULL;
    }
    if (whole) return QL_OK;
    collection_dispose(out);
    return QL_E_NOMEM;
}

void collection_dispose(bench_collection *self)
{
    for (size_t i = 0; i < self->count; i++) request_dispose(&self->requests[i]);
    free(self->requests);
    free(self->name);
    *self = (bench_collection){0};
}
