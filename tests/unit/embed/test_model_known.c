/* Goal: the table of known models is sound. Method: its own rules, over every entry. */
#include <string.h>

#include "embed/model_file.h"
#include "embed/model_known.h"
#include "support/testing.h"

static void expect_part(const ql__model_part *part)
{
    assert_true(part->size > 0);
    assert_int_equal(strlen(part->sha256), 64);
    assert_int_equal(strspn(part->sha256, "0123456789abcdef"), 64);
    assert_true(part->path[0] != '/' && !strstr(part->path, ".."));
}

static bool requires(const ql__model_part *parts, const char *path)
{
    for (; parts->path; parts++)
        if (strcmp(parts->path, path) == 0) return parts->required;
    return false;
}

static void test_model_known__entries_are_pinned(void **state)
{
    (void)state;
    const ql__model_known *model;
    for (size_t i = 0; (model = ql__model_known_at(i)) != NULL; i++) {
        assert_true(ql__model_name_valid(ql_str_of(model->name)));
        assert_ptr_equal(ql__model_known_find(ql_str_of(model->name)), model);
        assert_int_equal(strncmp(model->address, "https://", 8), 0);
        assert_int_equal(model->address[strlen(model->address) - 1], '/');
        assert_true(model->dims > 0 && model->licence[0]);
        for (const ql__model_part *part = model->parts; part->path; part++) expect_part(part);
        assert_true(requires(model->parts, "config.json") && requires(model->parts, "vocab.txt") && requires(model->parts, "model.safetensors"));
        assert_non_null(ql__model_known_sha256(model));
        assert_true(ql__model_known_bytes(model) > 1000000);
    }
    assert_non_null(ql__model_known_find(QL_STR(QL__MODEL_DEFAULT)));
}

static void test_model_known__other_names_have_files_without_hashes(void **state)
{
    (void)state;
    const ql__model_part *parts = ql__model_parts(QL_STR("some-other-model"));
    assert_null(ql__model_known_find(QL_STR("some-other-model")));
    assert_true(requires(parts, "config.json") && requires(parts, "vocab.txt") && requires(parts, "model.safetensors"));
    assert_null(parts->sha256);
}

static void test_model_known__names_are_safe_folders(void **state)
{
    (void)state;
    char longest[130];
    memset(longest, 'a', sizeof longest);
    assert_true(ql__model_name_valid(QL_STR("all-MiniLM-L6-v2")));
    assert_true(ql__model_name_valid((ql_str){longest, 128}));
    assert_false(ql__model_name_valid((ql_str){longest, 129}));
    assert_false(ql__model_name_valid(QL_STR("")));
    assert_false(ql__model_name_valid(QL_STR("..")));
    assert_false(ql__model_name_valid(QL_STR("a/b")));
    assert_false(ql__model_name_valid(QL_STR("a b")));
    assert_false(ql__model_name_valid(QL_STR("a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_known__entries_are_pinned),
        cmocka_unit_test(test_model_known__other_names_have_files_without_hashes),
        cmocka_unit_test(test_model_known__names_are_safe_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
