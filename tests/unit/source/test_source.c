/* From a type to its source; what is not in this build says so by name. */
#include <string.h>

#include "source/source.h"
#include "support/testing.h"

static void test_source__names_a_type_that_is_not_in_this_build(void **state)
{
    (void)state;
    static const ql__source_type types[] = {QL__SOURCE_CONFLUENCE, QL__SOURCE_JIRA, QL__SOURCE_PUBLICDOCS, QL__SOURCE_SHAREPOINT};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ql__config_source config = {.type = types[i], .type_name = QL_STR("thattype")};
        ql__source_options options = {.config = &config, .sys = ql__sys_default()};
        const ql_source_ops *ops = NULL;
        void *self = NULL;
        ql_error err = {0};
        assert_int_equal(ql__source_open(&options, &ops, &self, &err), QL_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "thattype"));
        assert_true(ops == NULL && self == NULL);
    }
}

static void test_source__opens_localfile_and_git(void **state)
{
    (void)state;
    static const struct {
        ql__source_type type;
        const char *name;
    } cases[] = {{QL__SOURCE_LOCALFILE, "localfile"}, {QL__SOURCE_GIT, "git"}};
    char *dir = ql_test_dir_new();
    for (size_t i = 0; i < 2; i++) {
        ql__config_source config = {.type = cases[i].type, .base_url = ql_str_of(dir), .max_file_size = 1};
        ql__source_options options = {.config = &config, .sys = ql__sys_default()};
        const ql_source_ops *ops;
        void *self;
        assert_int_equal(ql__source_open(&options, &ops, &self, NULL), QL_OK);
        assert_string_equal(ops->type, cases[i].name);
        assert_true(ops->struct_size == sizeof *ops);
        ops->close_fn(self);
    }
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source__names_a_type_that_is_not_in_this_build),
        cmocka_unit_test(test_source__opens_localfile_and_git),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
