/* Goal: YAML 1.1 is read as PyYAML reads it, everything has its place, and hostile texts end early. Method: tables; the bombs are built here. */
#include "support/testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dep/yaml.h"

static ql_buf problems;

static void note(void *user, uint32_t line, uint32_t column, const char *sentence)
{
    (void)user;
    ql_buf_printf(&problems, "%u:%u: %s\n", line, column, sentence);
}

static ql_status parse(ql__arena *arena, ql_str text, ql__yaml_node **root, ql_error *err)
{
    ql_buf_clear(&problems);
    ql__arena_init(arena, 0);
    return ql__yaml_parse(text, arena, note, NULL, root, err);
}

static int teardown(void **state)
{
    (void)state;
    ql_buf_dispose(&problems);
    return 0;
}

static const struct {
    const char *text;
    ql__yaml_kind kind;
    double value;
} scalars[] = {
    {"~", QL__YAML_NULL, 0}, {"null", QL__YAML_NULL, 0}, {"", QL__YAML_NULL, 0}, {"Null", QL__YAML_NULL, 0},
    {"yes", QL__YAML_BOOL, 1}, {"On", QL__YAML_BOOL, 1}, {"TRUE", QL__YAML_BOOL, 1}, {"no", QL__YAML_BOOL, 0}, {"off", QL__YAML_BOOL, 0}, {"False", QL__YAML_BOOL, 0},
    {"y", QL__YAML_STRING, 0}, {"n", QL__YAML_STRING, 0}, {"yEs", QL__YAML_STRING, 0},
    {"0", QL__YAML_INT, 0}, {"-12", QL__YAML_INT, -12}, {"+7", QL__YAML_INT, 7}, {"1_000", QL__YAML_INT, 1000}, {"0x1F", QL__YAML_INT, 31}, {"0b101", QL__YAML_INT, 5}, {"010", QL__YAML_INT, 8},
    {"08", QL__YAML_STRING, 0}, {"1:30", QL__YAML_INT, 90}, {"190:20:30", QL__YAML_INT, 685230}, {"1:60", QL__YAML_STRING, 0}, {"12a", QL__YAML_STRING, 0}, {"-", QL__YAML_STRING, 0}, {"0x", QL__YAML_STRING, 0},
    {"9223372036854775807", QL__YAML_INT, 9223372036854775807.0}, {"9223372036854775808", QL__YAML_FLOAT, 9223372036854775808.0},
    {"1.5", QL__YAML_FLOAT, 1.5}, {"-.25", QL__YAML_FLOAT, -0.25}, {"1.", QL__YAML_FLOAT, 1}, {"6.8523015e+5", QL__YAML_FLOAT, 685230.15}, {"0.1", QL__YAML_FLOAT, 0.1}, {"0.0e+999", QL__YAML_FLOAT, 0},
    {"1e3", QL__YAML_STRING, 0}, {"1.0e3", QL__YAML_STRING, 0}, {".", QL__YAML_STRING, 0}, {"1.2.3", QL__YAML_STRING, 0}, {"._1", QL__YAML_STRING, 0},
    {".inf", QL__YAML_FLOAT, HUGE_VAL}, {"-.Inf", QL__YAML_FLOAT, -HUGE_VAL},
    {"2024-05-01", QL__YAML_TIME, 0}, {"2024-05-01T10:20:30Z", QL__YAML_TIME, 0}, {"2024-5-1 1:02:03.5 +02:00", QL__YAML_TIME, 0}, {"2024-05", QL__YAML_STRING, 0}, {"2024-05-01x", QL__YAML_STRING, 0},
    {"word", QL__YAML_STRING, 0}, {"1.0.3", QL__YAML_STRING, 0}, {"=", QL__YAML_STRING, 0},
};

static void test_yaml__plain_words_mean_what_they_mean_to_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        ql__yaml_node node = {0};
        ql__yaml_resolve(ql_str_of(scalars[i].text), &node);
        double value = node.kind == QL__YAML_BOOL ? node.boolean : node.kind == QL__YAML_INT ? (double)node.integer : node.kind == QL__YAML_FLOAT ? node.number : 0;
        if (node.kind != scalars[i].kind || value != scalars[i].value) fail_msg("'%s': kind %d, value %g", scalars[i].text, (int)node.kind, value);
    }
    ql__yaml_node node = {0};
    ql__yaml_resolve(QL_STR(".nan"), &node);
    assert_true(node.kind == QL__YAML_FLOAT && isnan(node.number));
}

static void test_yaml__everything_has_its_place(void **state)
{
    (void)state;
    ql__arena arena;
    ql__yaml_node *root = NULL;
    assert_int_equal(parse(&arena, QL_STR("# c\na: 1\n\xC3\xA4: [x, 'yes', {k: v}]\nb:\n  - |\n    two\n    lines\n"), &root, NULL), QL_OK);
    const ql__yaml_node *a = ql__yaml_get(root, QL_STR("a")), *list = ql__yaml_get(root, QL_STR("\xC3\xA4")), *b = ql__yaml_get(root, QL_STR("b"));
    assert_int_equal(root->map.count, 3);
    assert_int_equal(a->line, 2);
    assert_int_equal(a->column, 4);
    assert_int_equal(list->list.count, 3);
    assert_int_equal(list->list.items[0]->column, 5); /* characters, not bytes */
    assert_int_equal(list->list.items[1]->kind, QL__YAML_STRING);
    assert_false(list->list.items[1]->plain);
    assert_int_equal(list->list.items[2]->kind, QL__YAML_MAP);
    assert_string_equal(b->list.items[0]->text.ptr, "two\nlines\n");
    assert_int_equal(root->map.pairs[2].key->line, 4);
    assert_null(ql__yaml_get(a, QL_STR("x")));
    ql__arena_dispose(&arena);
}

static void test_yaml__tags_decide_and_unknown_ones_are_reported(void **state)
{
    (void)state;
    ql__arena arena;
    ql__yaml_node *root = NULL;
    assert_int_equal(parse(&arena, QL_STR("[!!str 1, !!float 2, !!int x, !thing y, ! 5, !!python/object:os.system z]"), &root, NULL), QL_OK);
    assert_int_equal(root->list.items[0]->kind, QL__YAML_STRING);
    assert_int_equal(root->list.items[1]->kind, QL__YAML_FLOAT);
    assert_int_equal(root->list.items[4]->kind, QL__YAML_STRING);
    assert_non_null(strstr(ql_buf_cstr(&problems), "1:22: this is tagged !!int but does not read as one"));
    assert_non_null(strstr(ql_buf_cstr(&problems), "1:31: this tag has no meaning here; a value that begins with '!' needs quotes"));
    assert_non_null(strstr(ql_buf_cstr(&problems), "1:46: this tag has no meaning here"));
    assert_null(strstr(ql_buf_cstr(&problems), "thing")); /* it may be a secret that wants quotes */
    ql__arena_dispose(&arena);
}

static void test_yaml__anchors_and_merges(void **state)
{
    (void)state;
    ql__arena arena;
    ql__yaml_node *root = NULL;
    ql_str text = QL_STR("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nown:\n  y: 9\n  <<: [*b, *m]\nquoted: {'<<': *b}\nsame: *b\n");
    assert_int_equal(parse(&arena, text, &root, NULL), QL_OK);
    const ql__yaml_node *own = ql__yaml_get(root, QL_STR("own"));
    assert_int_equal(own->map.count, 3);
    assert_int_equal(ql__yaml_get(own, QL_STR("y"))->integer, 9); /* its own wins */
    assert_int_equal(ql__yaml_get(own, QL_STR("x"))->integer, 1);
    assert_int_equal(ql__yaml_get(own, QL_STR("z"))->integer, 4);
    assert_non_null(ql__yaml_get(ql__yaml_get(root, QL_STR("quoted")), QL_STR("<<")));
    assert_ptr_equal(ql__yaml_get(root, QL_STR("same")), ql__yaml_get(root, QL_STR("base")));
    assert_int_equal(problems.len, 0);
    ql__arena_dispose(&arena);
    assert_int_equal(parse(&arena, QL_STR("<<: 5\n"), &root, NULL), QL_OK);
    assert_string_equal(ql_buf_cstr(&problems), "1:1: '<<' merges maps only\n");
    ql__arena_dispose(&arena);
}

static void test_yaml__doubled_keys_are_problems_and_the_last_counts(void **state)
{
    (void)state;
    ql__arena arena;
    ql__yaml_node *root = NULL;
    assert_int_equal(parse(&arena, QL_STR("a: 1\nb: 2\na: 3\n"), &root, NULL), QL_OK);
    assert_string_equal(ql_buf_cstr(&problems), "3:1: the key 'a' is written twice; it is already on line 1\n");
    assert_int_equal(ql__yaml_get(root, QL_STR("a"))->integer, 3);
    ql__arena_dispose(&arena);
    assert_int_equal(parse(&arena, QL_STR("? [1]\n: 2\n"), &root, NULL), QL_OK);
    assert_string_equal(ql_buf_cstr(&problems), "1:3: a key must be a word, not a list or a map\n");
    ql__arena_dispose(&arena);
}

#define TEXT(literal) {(literal), sizeof(literal) - 1}

static const struct {
    ql_str text;
    const char *place;
} broken[] = {
    {TEXT("a: [1"), "2:1: did not find expected ',' or ']' while parsing a flow sequence that begins on line 1"},
    {TEXT("a: b: c"), "1:5: a ':' in the middle of a value: put the value in quotes, or check the indentation of this line and the one above"},
    {TEXT("a:\n\t- x"), "2:1: a line is indented by a tab: YAML takes spaces only"},
    {TEXT("'open"), "1:6: found unexpected end of stream while scanning a quoted scalar"},
    {TEXT("a: *x"), "1:4: this alias has no anchor before it; a value that begins with '*' needs quotes"},
    {TEXT("a: &x [*x]"), "1:8: the alias '*x' stands inside what it stands for"},
    {TEXT("a: 1\n---\nb: 2\n"), "2:1: a second document begins here; only one is allowed"},
    {TEXT("ok: 1\nb: \xFF"), "2:4: not readable as text: invalid leading UTF-8 octet"},
    {TEXT("a: \0"), "1:4: not readable as text: control characters are not allowed"},
    {TEXT("%YAML 9\n---\n"), "1:8: did not find expected digit or '.' character"},
    {TEXT("}"), "1:1: did not find expected node content"},
};

static void test_yaml__syntax_errors_have_a_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        ql__arena arena;
        ql__yaml_node *root = NULL;
        ql_error err = {0};
        assert_int_equal(parse(&arena, broken[i].text, &root, &err), QL_E_FORMAT);
        if (strncmp(err.message, broken[i].place, strlen(broken[i].place)) != 0) fail_msg("%s: '%s'", broken[i].text.ptr, err.message);
        assert_null(root);
        assert_true(problems.len > 0);
        ql__arena_dispose(&arena);
    }
}

static void test_yaml__an_empty_text_is_null(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# only\n", "---\n", "~", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ql__arena arena;
        ql__yaml_node *root = NULL;
        assert_int_equal(parse(&arena, ql_str_of(texts[i]), &root, NULL), QL_OK);
        assert_int_equal(root->kind, QL__YAML_NULL);
        ql__arena_dispose(&arena);
    }
}

static void test_yaml__aliases_cannot_grow_without_end(void **state)
{
    (void)state;
    ql_buf bomb = QL_BUF_INIT;
    ql_buf_append(&bomb, QL_STR("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"));
    for (int i = 1; i < 20; i++) {
        ql_buf_printf(&bomb, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++) ql_buf_printf(&bomb, "%s*a%d", j ? ", " : "", i - 1);
        ql_buf_append(&bomb, QL_STR("]\n"));
    }
    ql__arena arena;
    ql__yaml_node *root = NULL;
    ql_error err = {0};
    assert_int_equal(parse(&arena, ql_buf_str(&bomb), &root, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "aliases make this grow"));
    assert_true(arena.used_bytes < 100000);
    ql__arena_dispose(&arena);
    ql_buf_dispose(&bomb);
}

static ql_status parse_nested(size_t depth, const char *open, const char *close)
{
    ql_buf text = QL_BUF_INIT;
    for (size_t i = 0; i < depth; i++) ql_buf_append(&text, ql_str_of(open));
    for (size_t i = 0; i < depth; i++) ql_buf_append(&text, ql_str_of(close));
    ql__arena arena;
    ql__yaml_node *root = NULL;
    ql_status status = parse(&arena, ql_buf_str(&text), &root, NULL);
    ql__arena_dispose(&arena);
    ql_buf_dispose(&text);
    return status;
}

static void test_yaml__depth_is_limited_also_through_aliases(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(QL_LIMIT_CONFIG_DEPTH, "[", "]"), QL_OK);
    assert_int_equal(parse_nested(QL_LIMIT_CONFIG_DEPTH + 1, "[", "]"), QL_E_LIMIT);
    assert_int_equal(parse_nested(100000, "[", "]"), QL_E_LIMIT);
    ql_buf chain = QL_BUF_INIT;
    ql_buf_append(&chain, QL_STR("a0: &a0 [x]\n"));
    for (int i = 1; i < 70; i++) ql_buf_printf(&chain, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    ql__arena arena;
    ql__yaml_node *root = NULL;
    assert_int_equal(parse(&arena, ql_buf_str(&chain), &root, NULL), QL_E_LIMIT);
    ql__arena_dispose(&arena);
    ql_buf_dispose(&chain);
}

static ql_status whole(void *user, ql_error *err)
{
    (void)user;
    ql__arena arena;
    ql__yaml_node *root = NULL;
    ql__arena_init(&arena, 0);
    ql_status status = ql__yaml_parse(QL_STR("a: &x {k: [1, 2, 'three']}\nb: {<<: *x, l: 2}\n"), &arena, NULL, NULL, &root, err);
    ql__arena_dispose(&arena);
    return status;
}

static void test_yaml__every_allocation_may_fail(void **state)
{
    (void)state;
    ql_buf_dispose(&problems);
    ql_test_fault_loop(QL_FAULT_ALLOC, whole, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml__every_allocation_may_fail), /* first: it installs an allocator */
        cmocka_unit_test(test_yaml__plain_words_mean_what_they_mean_to_the_reference),
        cmocka_unit_test(test_yaml__everything_has_its_place),
        cmocka_unit_test(test_yaml__tags_decide_and_unknown_ones_are_reported),
        cmocka_unit_test(test_yaml__anchors_and_merges),
        cmocka_unit_test(test_yaml__doubled_keys_are_problems_and_the_last_counts),
        cmocka_unit_test(test_yaml__syntax_errors_have_a_place),
        cmocka_unit_test(test_yaml__an_empty_text_is_null),
        cmocka_unit_test(test_yaml__aliases_cannot_grow_without_end),
        cmocka_unit_test(test_yaml__depth_is_limited_also_through_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
