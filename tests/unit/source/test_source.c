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

/* A network that answers as told. */
static ql_status answer;
static int32_t answer_code;

static ql_status get_scripted(void *user, const ql__net_get *get, ql_error *err)
{
    (void)user;
    assert_string_equal(get->url, "https://docs.example.com/");
    if (answer >= 0) return get->body_fn(get->user, QL_STR("page"), 4, err);
    *err = (ql_error){.status = answer, .http_code = answer_code, .message = "as told"};
    return answer;
}

static void test_source__any_answer_of_a_web_server_is_one(void **state)
{
    (void)state;
    static const struct {
        ql_status answer;
        int32_t code;
        bool reached;
    } cases[] = {{QL_OK, 200, true}, {QL_E_AUTH, 401, true}, {QL_E_NOTFOUND, 404, true}, {QL_E_NET, 503, true}, {QL_E_LIMIT, 0, true},
                 {QL_E_NET, 0, false}, {QL_E_TIMEOUT, 0, false}};
    ql__net_ops net = {.get_fn = get_scripted};
    ql__sys sys = *ql__sys_default();
    sys.net = &net;
    ql__config_source config = {.type = QL__SOURCE_PUBLICDOCS, .type_name = QL_STR("publicdocs"), .base_url = QL_STR("https://docs.example.com/")};
    ql__source_options options = {.config = &config, .sys = &sys};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_error err = {0};
        answer = cases[i].answer;
        answer_code = cases[i].code;
        ql_status status = ql__source_reach(&options, &err);
        assert_int_equal(status, cases[i].reached ? QL_OK : cases[i].answer);
        assert_string_equal(err.message, cases[i].reached ? "" : "as told");
    }
}

static void test_source__asks_nobody_for_what_is_here(void **state)
{
    (void)state;
    ql__config_source folder = {.type = QL__SOURCE_LOCALFILE, .base_url = QL_STR("file:///nowhere")};
    ql__config_source repository = {.type = QL__SOURCE_GIT, .base_url = QL_STR("file:///nowhere")};
    ql__source_options options = {.config = &folder, .sys = ql__sys_default()};
    assert_int_equal(ql__source_reach(&options, NULL), QL_DONE);
    options.config = &repository;
    assert_int_equal(ql__source_reach(&options, NULL), QL_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source__names_a_type_that_is_not_in_this_build),
        cmocka_unit_test(test_source__opens_localfile_and_git),
        cmocka_unit_test(test_source__any_answer_of_a_web_server_is_one),
        cmocka_unit_test(test_source__asks_nobody_for_what_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
