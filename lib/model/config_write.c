/*
 * The effective configuration as text. Secrets are masked by the table's flag and, where anything may be written, by names that
 * speak of secrets; the user part of any URL is masked wherever it stands. Any thread: the tree is not changed.
 */
#include <string.h>

#include "base/status.h"
#include "dep/json.h"
#include "model/config_loader.h"
#include "text/utf8.h"

#define MASK "****"

static bool is_secret_name(ql_str name)
{
    static const char *const names[] = {"api_key", "apikey", "token", "access_token", "password", "passwd", "secret", "client_secret", "secret_key", "access_key",
                                        "aws_secret_access_key", "aws_session_token", "authorization", "credentials", "private_key", "webhook_secret", "certificate_password"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool equal = name.len == strlen(names[i]);
        for (size_t j = 0; equal && j < name.len; j++) {
            char c = name.ptr[j] >= 'A' && name.ptr[j] <= 'Z' ? (char)(name.ptr[j] + 32) : name.ptr[j];
            equal = (c == '-' ? '_' : c) == names[i][j];
        }
        if (equal) return true;
    }
    return false;
}

/* Any of marks (ended by NULL) somewhere in name, whatever the case. */
static bool name_holds(ql_str name, const char *const *marks)
{
    char lower[64];
    size_t len = name.len < sizeof lower - 1 ? name.len : sizeof lower - 1;
    for (size_t i = 0; i < len; i++) lower[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] + 32 : name.ptr[i]);
    lower[len] = '\0';
    for (; *marks != NULL; marks++)
        if (strstr(lower, *marks) != NULL) return true;
    return false;
}

static bool is_secret_parameter(ql_str name)
{
    static const char *const marks[] = {"key", "token", "secret", "pass", "auth", "sig", "credential", NULL};
    return name_holds(name, marks);
}

/* A key that the table does not know, beside the exact names. */
static bool speaks_of_secret(ql_str name)
{
    static const char *const marks[] = {"secret", "passw", "credential", "api_key", "apikey", "access_key", "private_key", "_token", NULL};
    return name_holds(name, marks);
}

static bool is_secret(const ql__value *value, ql_str key)
{
    return value->row != NULL ? (value->row->flags & QL__KEY_SECRET) != 0 : is_secret_name(key) || speaks_of_secret(key);
}

/* "git" in ssh://git@host is no secret; a password is one, and so is a lone user of http, which is how tokens are written. */
static bool is_secret_user(const char *scheme_end, const char *text, ql_str user)
{
    bool is_ssh = scheme_end - text >= 3 && memcmp(scheme_end - 3, "ssh", 3) == 0;
    return !is_ssh || (user.len != 0 && memchr(user.ptr, ':', user.len) != NULL);
}

/* "?a=1&api_key=x" with the values of parameters that name a secret masked; text begins with '?'. Returns the bytes taken, up to a blank. */
static size_t mask_query(ql_str text, ql_buf *out)
{
    size_t at = 0;
    while (at < text.len && strchr(" \t\n", text.ptr[at]) == NULL) {
        size_t name = at + 1, end = name;
        while (end < text.len && strchr("=& \t\n", text.ptr[end]) == NULL) end++;
        bool secret = end < text.len && text.ptr[end] == '=' && is_secret_parameter((ql_str){text.ptr + name, end - name});
        size_t shown = secret ? end + 1 : end;
        while (end < text.len && strchr("& \t\n", text.ptr[end]) == NULL) end++;
        (void)ql_buf_append(out, (ql_str){text.ptr + at, (secret ? shown : end) - at});
        if (secret) (void)ql_buf_append(out, QL_STR(MASK));
        at = end;
    }
    return at;
}

void ql__mask_user(ql_str text, ql_buf *out)
{
    while (text.len != 0) {
        const char *mark = memmem(text.ptr, text.len, "://", 3);
        if (mark == NULL) break;
        size_t head = (size_t)(mark - text.ptr) + 3, end = head, at = 0;
        while (end < text.len && strchr("/?# \t\n", text.ptr[end]) == NULL) {
            if (text.ptr[end] == '@') at = end;
            end++;
        }
        (void)ql_buf_append(out, (ql_str){text.ptr, head});
        if (at != 0 && !is_secret_user(mark, text.ptr, (ql_str){text.ptr + head, at - head})) at = 0;
        if (at != 0) (void)ql_buf_append(out, QL_STR(MASK));
        size_t rest = at != 0 ? at : head;
        size_t query = end;
        while (query < text.len && strchr("? \t\n", text.ptr[query]) == NULL) query++;
        bool has_query = query < text.len && text.ptr[query] == '?';
        (void)ql_buf_append(out, (ql_str){text.ptr + rest, query - rest});
        if (has_query) query += mask_query((ql_str){text.ptr + query, text.len - query}, out);
        text = (ql_str){text.ptr + query, text.len - query};
    }
    (void)ql_buf_append(out, text);
}

static void write_text(ql__json_writer *writer, const ql__value *value, bool secret, bool masked)
{
    if (masked && secret && value->text.len != 0) {
        ql__json_string(writer, QL_STR(MASK));
    } else if (masked && memmem(value->text.ptr, value->text.len, "://", 3) != NULL) {
        ql_buf text = QL_BUF_INIT;
        ql__mask_user(value->text, &text);
        if (text.status < 0) writer->out->status = text.status;
        ql__json_string(writer, ql_buf_str(&text));
        ql_buf_dispose(&text);
    } else {
        ql__json_string(writer, value->text);
    }
}

static void write_value(ql__json_writer *writer, const ql__value *value, ql_str key, bool masked, bool under_secret)
{
    bool secret = under_secret || is_secret(value, key);
    switch (value->kind) {
    case QL__YAML_NULL: ql__json_null(writer); break;
    case QL__YAML_BOOL: ql__json_bool(writer, value->boolean); break;
    case QL__YAML_INT:
        if (masked && secret) ql__json_string(writer, QL_STR(MASK));
        else ql__json_int(writer, value->integer);
        break;
    case QL__YAML_FLOAT:
        if (masked && secret) ql__json_string(writer, QL_STR(MASK));
        else ql__json_double(writer, value->number);
        break;
    case QL__YAML_STRING:
    case QL__YAML_TIME: write_text(writer, value, secret, masked); break;
    case QL__YAML_LIST:
        ql__json_array(writer);
        for (size_t i = 0; i < value->list.count; i++) write_value(writer, value->list.items[i], QL_STR(""), masked, secret);
        ql__json_array_end(writer);
        break;
    case QL__YAML_MAP:
        ql__json_object(writer);
        for (size_t i = 0; i < value->map.count; i++) {
            ql__json_key_str(writer, value->map.members[i].key);
            write_value(writer, value->map.members[i].value, value->map.members[i].key, masked, secret);
        }
        ql__json_object_end(writer);
        break;
    }
}

void ql__value_write_json(const ql__value *value, bool masked, ql_buf *out)
{
    ql__json_writer writer;
    ql__json_begin(&writer, out);
    write_value(&writer, value, QL_STR(""), masked, false);
}

/* ---- JSON: the reference's layout, and what was chosen ---- */

static void write_key_text(ql__json_writer *writer, const char *key, ql_str value)
{
    ql__json_key(writer, key);
    ql__json_string(writer, value);
}

static void write_projects(ql__json_writer *writer, const ql__value *projects)
{
    ql__json_object(writer);
    ql__json_key(writer, "projects");
    ql__json_object(writer);
    for (size_t i = 0; projects != NULL && i < projects->map.count; i++) {
        const ql__member *project = &projects->map.members[i];
        ql__json_key_str(writer, project->key);
        ql__json_object(writer);
        write_key_text(writer, "project_id", project->key);
        for (size_t j = 0; j < project->value->map.count; j++) {
            const ql__member *member = &project->value->map.members[j];
            if (ql_str_equal(member->key, QL_STR("project_id"))) continue;
            ql__json_key_str(writer, member->key);
            write_value(writer, member->value, member->key, true, false);
        }
        ql__json_object_end(writer);
    }
    ql__json_object_end(writer);
    ql__json_object_end(writer);
}

ql_status ql__config_write_json(const ql__config_set *self, ql_buf *out, ql_error *err)
{
    const ql__config *config = &self->config;
    const ql__value *global = ql__value_get(self->root, "global"), *search = ql__value_get(self->root, "search");
    ql__json_writer writer;
    ql__json_begin(&writer, out);
    ql__json_object(&writer);
    ql__json_key(&writer, "global_config");
    write_value(&writer, global, QL_STR("global"), true, false);
    ql__json_key(&writer, "projects_config");
    write_projects(&writer, ql__value_get(self->root, "projects"));
    if (search != NULL) {
        ql__json_key(&writer, "search");
        write_value(&writer, search, QL_STR("search"), true, false);
    }
    write_key_text(&writer, "store", config->store_embedded ? QL_STR("embedded") : QL_STR("qdrant"));
    write_key_text(&writer, "store_reason", config->store_reason);
    write_key_text(&writer, "embedder", config->embedder_local ? QL_STR("local") : QL_STR("remote"));
    write_key_text(&writer, "embedder_reason", config->embedder_reason);
    write_key_text(&writer, "config_path", config->config_path);
    write_key_text(&writer, "data_dir", config->data_dir);
    ql__json_key(&writer, "warnings");
    ql__json_array(&writer);
    for (size_t i = 0; i < config->warnings.count; i++) ql__json_string(&writer, config->warnings.items[i]);
    ql__json_array_end(&writer);
    ql__json_object_end(&writer);
    return out->status < 0 ? ql__fail(err, out->status, "writing the configuration") : QL_OK;
}

/* ---- YAML: a configuration that can be read again (but for the masks) ---- */

static void indent(ql_buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) (void)ql_buf_append(out, QL_STR("  "));
}

/* Characters that YAML does not take raw inside double quotes, or takes for line breaks. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF || c == 0xFFFE || c == 0xFFFF;
}

static void write_yaml_quoted(ql_buf *out, ql_str text)
{
    (void)ql_buf_append_char(out, '"');
    for (size_t at = 0; at < text.len;) {
        uint32_t code_point;
        size_t taken = ql__utf8_next(text, at, &code_point);
        if (needs_escape(code_point)) (void)ql_buf_printf(out, "\\u%04x", code_point);
        else if (taken == 1 && code_point == 0xFFFD) (void)ql_buf_append(out, QL_STR("\xEF\xBF\xBD")); /* a byte that is no UTF-8 */
        else {
            if (code_point == '"' || code_point == '\\') (void)ql_buf_append_char(out, '\\');
            (void)ql_buf_append(out, (ql_str){text.ptr + at, taken});
        }
        at += taken;
    }
    (void)ql_buf_append_char(out, '"');
}

/* Plain only where nothing but text can be meant. */
static void write_yaml_word(ql_buf *out, ql_str text)
{
    ql__yaml_node read;
    ql__yaml_resolve(text, &read);
    bool plain = text.len != 0 && text.len < 200 && read.kind == QL__YAML_STRING;
    for (size_t i = 0; plain && i < text.len; i++) {
        char c = text.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/';
        bool inner = (c >= '0' && c <= '9') || c == '.' || c == '-' || (c == ':' && i + 1 < text.len && text.ptr[i + 1] != ' ');
        plain = word || (i > 0 && inner);
    }
    if (plain && !ql_str_equal(text, QL_STR("y")) && !ql_str_equal(text, QL_STR("n"))) {
        (void)ql_buf_append(out, text);
    } else {
        write_yaml_quoted(out, text);
    }
}

static void write_yaml(ql_buf *out, const ql__value *value, ql_str key, unsigned depth, bool under_secret);

static void write_yaml_map(ql_buf *out, const ql__value *map, unsigned depth, bool secret)
{
    for (size_t i = 0; i < map->map.count; i++) {
        const ql__member *member = &map->map.members[i];
        indent(out, depth);
        write_yaml_word(out, member->key);
        (void)ql_buf_append_char(out, ':');
        write_yaml(out, member->value, member->key, depth + 1, secret);
    }
}

static void write_yaml_list(ql_buf *out, const ql__value *list, unsigned depth, bool secret)
{
    for (size_t i = 0; i < list->list.count; i++) {
        indent(out, depth);
        (void)ql_buf_append_char(out, '-');
        write_yaml(out, list->list.items[i], QL_STR(""), depth + 1, secret);
    }
}

static void write_yaml_text(ql_buf *out, ql_str text, bool secret)
{
    ql_buf masked = QL_BUF_INIT;
    if (secret && text.len != 0) (void)ql_buf_append(&masked, QL_STR(MASK));
    else ql__mask_user(text, &masked);
    if (masked.status < 0) out->status = masked.status;
    write_yaml_word(out, ql_buf_str(&masked));
    ql_buf_dispose(&masked);
}

/* Begins behind "key:" or "-", ends with a line break. */
static void write_yaml(ql_buf *out, const ql__value *value, ql_str key, unsigned depth, bool under_secret)
{
    bool secret = under_secret || is_secret(value, key);
    bool nested = (value->kind == QL__YAML_MAP && value->map.count != 0) || (value->kind == QL__YAML_LIST && value->list.count != 0);
    if (nested) {
        (void)ql_buf_append_char(out, '\n');
        if (value->kind == QL__YAML_MAP) write_yaml_map(out, value, depth, secret);
        else write_yaml_list(out, value, depth, secret);
        return;
    }
    (void)ql_buf_append_char(out, ' ');
    if (value->kind == QL__YAML_STRING || value->kind == QL__YAML_TIME) {
        write_yaml_text(out, value->text, secret);
    } else {
        ql__json_writer writer;
        ql__json_begin(&writer, out);
        write_value(&writer, value, key, true, under_secret);
    }
    (void)ql_buf_append_char(out, '\n');
}

static void write_comment(ql_buf *out, ql_str text)
{
    (void)ql_buf_append(out, QL_STR("# "));
    (void)ql_buf_append(out, text);
    (void)ql_buf_append_char(out, '\n');
}

ql_status ql__config_write_yaml(const ql__config_set *self, ql_buf *out, ql_error *err)
{
    static const char *const sections[] = {"global", "projects", "search"};
    write_comment(out, self->config.store_reason);
    write_comment(out, self->config.embedder_reason);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const ql__value *section = ql__value_get(self->root, sections[i]);
        if (section == NULL) continue;
        (void)ql_buf_printf(out, "%s:", sections[i]);
        write_yaml(out, section, ql_str_of(sections[i]), 1, false);
    }
    return out->status < 0 ? ql__fail(err, out->status, "writing the configuration") : QL_OK;
}
