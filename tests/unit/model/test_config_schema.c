/*
 * Goal: the table of keys is sound, hints are near, and docs/configuration.md says what the table says. Method: invariants over all rows; the
 * generated part of the document is written here and compared. QLOADER_UPDATE_DOCS=1 in the environment rewrites it.
 */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config_schema.h"

/* ---- The table ---- */

static const ql__config_key *find_row(const char *path)
{
    size_t count;
    const ql__config_key *keys = ql__config_schema(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].path, path) == 0) return &keys[i];
    return NULL;
}

static void test_config_schema__rows_are_sound(void **state)
{
    (void)state;
    size_t count;
    const ql__config_key *keys = ql__config_schema(&count);
    for (size_t i = 0; i < count; i++) {
        const ql__config_key *key = &keys[i];
        char parent[256];
        (void)snprintf(parent, sizeof parent, "%s", key->path);
        char *dot = strrchr(parent, '.');
        if (dot != NULL) *dot = '\0';
        if (dot != NULL && find_row(parent) == NULL) fail_msg("%s has no row above it", key->path);
        if (find_row(key->path) != key) fail_msg("%s stands twice", key->path);
        bool words = key->type == QL__TYPE_CHOICE || key->type == QL__TYPE_CHOICES;
        if (words != (key->choices != NULL)) fail_msg("%s: choices go with their type", key->path);
        if (key->min > key->max) fail_msg("%s: the range is empty", key->path);
        if (key->fate == QL__FATE_REFUSED && (key->standard == NULL || key->note == NULL)) fail_msg("%s: a refusal needs a default and a sentence", key->path);
        bool is_value = key->type != QL__TYPE_MAP && key->type != QL__TYPE_NAMED;
        if (key->fate == QL__FATE_NONE && is_value && key->note == NULL) fail_msg("%s has no effect and no sentence that says so", key->path);
        if (key->fate == QL__FATE_NONE && key->standard != NULL) fail_msg("%s has no effect and yet a default", key->path);
        if ((key->flags & QL__KEY_DROPS) && (key->standard == NULL || strcmp(key->standard, "null") != 0)) fail_msg("%s drops data although it is not written", key->path);
        if (key->standard != NULL && strcmp(key->standard, "null") == 0 && !(key->flags & QL__KEY_NULLABLE)) fail_msg("%s: null is its default but not allowed", key->path);
    }
}

static void test_config_schema__secrets_are_known_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"token", "api_key", "password", "client_secret", "llm_api_key", "headers", "database_url"};
    size_t count, found = 0;
    const ql__config_key *keys = ql__config_schema(&count);
    for (size_t i = 0; i < count; i++) {
        bool named = false;
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) named |= ql_str_equal(ql__config_key_name(&keys[i]), ql_str_of(names[j]));
        bool secret = (keys[i].flags & QL__KEY_SECRET) != 0;
        if (named != secret) fail_msg("%s: is it a secret?", keys[i].path);
        found += secret;
    }
    assert_true(found >= 10);
}

static void test_config_schema__children_and_wildcards(void **state)
{
    (void)state;
    assert_string_equal(ql__config_schema_child("", QL_STR("global"))->path, "global");
    assert_null(ql__config_schema_child("", QL_STR("chunking")));
    assert_string_equal(ql__config_schema_child("projects", QL_STR("any"))->path, "projects.*");
    assert_string_equal(ql__config_schema_child("projects.*.sources.git.*", QL_STR("token"))->path, "projects.*.sources.git.*.token");
    assert_null(ql__config_schema_child("projects.*.sources.git.*", QL_STR("*")));
    assert_true(ql_str_equal(ql__config_key_name(find_row("search.hnsw_ef")), QL_STR("hnsw_ef")));
}

/* ---- Hints ---- */

static void test_config_schema__distances(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "xabc", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}, {"chunk_sise", "chunk_size", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ql__edit_distance(ql_str_of(cases[i].a), ql_str_of(cases[i].b), 9), cases[i].distance);
        assert_int_equal(ql__edit_distance(ql_str_of(cases[i].b), ql_str_of(cases[i].a), 9), cases[i].distance);
    }
    char far[200];
    memset(far, 'x', sizeof far);
    assert_int_equal(ql__edit_distance((ql_str){far, sizeof far}, QL_STR("a"), 5), 5);
}

static void test_config_schema__hints_are_near_or_absent(void **state)
{
    (void)state;
    static const struct {
        const char *parent, *name, *hint;
    } cases[] = {{"", "projetcs", "projects"}, {"", "source", "sources"}, {"global", "embeddings", "embedding"}, {"global.chunking", "overlap", NULL}, {"global.chunking", "chunkoverlap", "chunk_overlap"},
                 {"projects.*.sources.git.*", "url", NULL}, {"projects.*.sources.git.*", "file-types", "file_types"}, {"projects.*.sources", "confluance", "confluence"}, {"projects", "x", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ql__config_key *near = ql__config_schema_nearest(cases[i].parent, ql_str_of(cases[i].name));
        if (cases[i].hint == NULL ? near != NULL : near == NULL || !ql_str_equal(ql__config_key_name(near), ql_str_of(cases[i].hint)))
            fail_msg("%s in '%s': %s", cases[i].name, cases[i].parent, near != NULL ? near->path : "no hint");
    }
}

/* ---- The document ---- */

static const char *type_words(const ql__config_key *key)
{
    static const char *const words[] = {
        [QL__TYPE_MAP] = "section", [QL__TYPE_NAMED] = "names", [QL__TYPE_LIST] = "list", [QL__TYPE_FREE] = "map", [QL__TYPE_STRING] = "text", [QL__TYPE_NAME] = "name",
        [QL__TYPE_INT] = "whole number", [QL__TYPE_NUMBER] = "number", [QL__TYPE_BOOL] = "true/false", [QL__TYPE_BOOL_STRICT] = "true/false (no other spelling)", [QL__TYPE_CHOICE] = "",
        [QL__TYPE_CHOICES] = "list of ", [QL__TYPE_STRINGS] = "list of text", [QL__TYPE_STRING_MAP] = "map of text", [QL__TYPE_DURATION] = "duration", [QL__TYPE_TIME] = "time",
        [QL__TYPE_URL] = "URL", [QL__TYPE_HTTP_URL] = "http(s) URL", [QL__TYPE_GIT_URL] = "git URL", [QL__TYPE_FOLDER] = "folder",
    };
    return words[key->type];
}

static void write_type(const ql__config_key *key, ql_buf *out)
{
    ql_buf_append(out, ql_str_of(type_words(key)));
    for (const char *at = key->choices; at != NULL && *at != '\0'; at++) {
        if (*at == '|') ql_buf_append(out, QL_STR(", "));
        else ql_buf_append_char(out, *at);
    }
    bool ranged = key->type == QL__TYPE_INT || key->type == QL__TYPE_NUMBER || key->type == QL__TYPE_DURATION;
    if (!ranged || key->min < -1e299) return;
    bool open = key->max >= 4294967295.0 || key->max == 2147483647.0;
    char range[64];
    if (key->min > 0 && key->min < 1) (void)snprintf(range, sizeof range, " > 0, up to %.0f", key->max);
    else if (open) (void)snprintf(range, sizeof range, " >= %.0f", key->min);
    else (void)snprintf(range, sizeof range, " %.0f to %.0f", key->min, key->max);
    ql_buf_append(out, ql_str_of(range));
}

static const char *fate_words(const ql__config_key *key)
{
    if (key->fate == QL__FATE_HONOURED) return "yes";
    if (key->fate == QL__FATE_LATER) return "later";
    return key->fate == QL__FATE_NONE ? "no" : "refused";
}

static void write_row(const ql__config_key *key, ql_buf *out)
{
    ql_str name = ql__config_key_name(key);
    ql_buf_printf(out, "| `%.*s` | ", (int)name.len, name.ptr);
    write_type(key, out);
    if (key->flags & QL__KEY_SECRET) ql_buf_append(out, QL_STR(", secret"));
    ql_buf_append(out, QL_STR(" | "));
    if (key->flags & QL__KEY_REQUIRED) ql_buf_append(out, QL_STR("required"));
    else if (key->standard != NULL && strcmp(key->standard, "null") != 0) ql_buf_printf(out, "`%s`", key->standard);
    ql_buf_printf(out, " | %s | %s |\n", fate_words(key), key->note != NULL ? key->note : "");
}

static void write_section(const ql__config_key *section, ql_buf *out)
{
    size_t count, rows = 0;
    const ql__config_key *keys = ql__config_schema(&count);
    for (size_t i = 0; i < count; i++) rows += ql__config_key_is_child(&keys[i], section->path) && keys[i].type != QL__TYPE_MAP && keys[i].type != QL__TYPE_NAMED;
    if (rows == 0) return;
    ql_buf_printf(out, "\n### `%s`\n\n", section->path);
    if (section->note != NULL) ql_buf_printf(out, "%s\n\n", section->note);
    ql_buf_append(out, QL_STR("| key | value | default | used | |\n| --- | --- | --- | --- | --- |\n"));
    for (size_t i = 0; i < count; i++)
        if (ql__config_key_is_child(&keys[i], section->path) && keys[i].type != QL__TYPE_MAP && keys[i].type != QL__TYPE_NAMED) write_row(&keys[i], out);
}

#define BEGIN_MARK "<!-- keys: written by the test unit.model.config_schema with QLOADER_UPDATE_DOCS=1 -->\n"
#define END_MARK "<!-- end of keys -->\n"

static void test_config_schema__document_is_up_to_date(void **state)
{
    (void)state;
    const char *path = QL_TEST_SOURCE_DIR "/docs/configuration.md";
    ql_buf file = QL_BUF_INIT, expected = QL_BUF_INIT;
    ql_test_file_read(path, &file);
    const char *begin = strstr(ql_buf_cstr(&file), BEGIN_MARK), *end = strstr(ql_buf_cstr(&file), END_MARK);
    assert_true(begin != NULL && end != NULL && begin < end);
    ql_buf_append(&expected, (ql_str){file.ptr, (size_t)(begin - file.ptr) + strlen(BEGIN_MARK)});
    size_t count;
    const ql__config_key *keys = ql__config_schema(&count);
    for (size_t i = 0; i < count; i++)
        if (keys[i].type == QL__TYPE_MAP) write_section(&keys[i], &expected);
    ql_buf_append_char(&expected, '\n');
    ql_buf_append(&expected, ql_str_of(end));
    const char *update = getenv("QLOADER_UPDATE_DOCS");
    if (update != NULL && *update == '1') ql_test_file_write(path, ql_buf_str(&expected));
    else if (!ql_str_equal(ql_buf_str(&file), ql_buf_str(&expected))) fail_msg("docs/configuration.md does not say what the table says: run this test with QLOADER_UPDATE_DOCS=1");
    ql_buf_dispose(&file);
    ql_buf_dispose(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_schema__rows_are_sound),
        cmocka_unit_test(test_config_schema__secrets_are_known_by_name),
        cmocka_unit_test(test_config_schema__children_and_wildcards),
        cmocka_unit_test(test_config_schema__distances),
        cmocka_unit_test(test_config_schema__hints_are_near_or_absent),
        cmocka_unit_test(test_config_schema__document_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
