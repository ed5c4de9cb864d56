/* Goal: models are found in their places in order, listed and described. Method: small random models in folders of the test. */
#include <unistd.h>

#include "dep/json.h"
#include "embed/model_file.h"
#include "small_model.h"

static const small_shape shape = {.layers = 1, .width = 12, .heads = 2, .inner = 24, .vocab = 20, .positions = 16, .window = 16};

static char *root;

static void put_model(const char *below)
{
    small_model model;
    char dir[512];
    snprintf(dir, sizeof dir, "%s/%s", root, below);
    small_model_make(&model, &shape, dir);
    small_model_free(&model);
}

static int set_up(void **state)
{
    (void)state;
    root = ql_test_dir_new();
    setenv("HOME", root, 1);
    setenv("XDG_DATA_DIRS", ql_test_path(root, "system"), 1);
    unsetenv("XDG_DATA_HOME");
    unsetenv("QLOADER_MODEL_DIR");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ql_test_dir_remove(root);
    return 0;
}

static void expect_found(const char *name, const char *below)
{
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    char workspace[512];
    snprintf(workspace, sizeof workspace, "%s/work", root);
    if (ql__model_find(ql__sys_default(), workspace, ql_str_of(name), &out, &err) != QL_OK) fail_msg("%s", err.message);
    assert_string_equal(ql_buf_cstr(&out), ql_test_path(root, below));
    ql_buf_dispose(&out);
}

static void test_model_file__finds_in_order(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    assert_int_equal(ql__model_find(ql__sys_default(), NULL, QL_STR(""), &out, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, ".local/share/qloader/models")); /* where to put it */
    assert_non_null(strstr(err.message, "qloader model pull"));
    ql_buf_dispose(&out);
    put_model("system/qloader/models/tiny");
    expect_found("tiny", "system/qloader/models/tiny");
    put_model(".local/share/qloader/models/tiny");
    expect_found("tiny", ".local/share/qloader/models/tiny");
    put_model("work/models/tiny");
    expect_found("tiny", "work/models/tiny");
    put_model("named/tiny");
    setenv("QLOADER_MODEL_DIR", ql_test_path(root, "named"), 1);
    expect_found("tiny", "named/tiny");
    setenv("QLOADER_MODEL_DIR", ql_test_path(root, "named/tiny"), 1);
    expect_found("tiny", "named/tiny");
    expect_found(QL__MODEL_DEFAULT, "named/tiny"); /* named outright */
    expect_found("", "named/tiny");
}

static void test_model_file__refuses_names_with_paths(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    assert_int_equal(ql__model_find(ql__sys_default(), NULL, QL_STR("../tiny"), &out, &err), QL_E_INVALID);
    assert_int_equal(ql__model_find(ql__sys_default(), NULL, QL_STR("a/b"), &out, &err), QL_E_INVALID);
    assert_int_equal(ql__model_find(ql__sys_default(), NULL, QL_STR(".hidden"), &out, &err), QL_E_INVALID);
    ql_buf_dispose(&out);
}

static void test_model_file__lists_known_and_found(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    ql__json *list = NULL;
    put_model(".local/share/qloader/models/tiny");
    assert_int_equal(ql__model_list_json(ql__sys_default(), NULL, &out, &err), QL_OK);
    assert_int_equal(ql__json_parse(ql_buf_str(&out), &list, &err), QL_OK);
    assert_int_equal(ql__json_count(list), 2);
    const ql__json *known = ql__json_at(list, 0), *found = ql__json_at(list, 1);
    assert_true(ql_str_equal(ql__json_str(ql__json_get(known, "name"), QL_STR("")), QL_STR(QL__MODEL_DEFAULT)));
    assert_false(ql__json_is_string(ql__json_get(known, "path")));
    assert_int_equal(ql__json_int_of(ql__json_get(known, "dims"), 0), 384);
    assert_true(ql__json_int_of(ql__json_get(known, "size_bytes"), 0) > 90000000);
    assert_true(ql__json_is_string(ql__json_get(known, "address")));
    assert_false(ql__json_is_string(ql__json_get(found, "address")));
    assert_true(ql_str_equal(ql__json_str(ql__json_get(found, "name"), QL_STR("")), QL_STR("tiny")));
    assert_true(ql__json_is_string(ql__json_get(found, "path")));
    assert_int_equal(ql__json_int_of(ql__json_get(found, "dims"), 0), 12);
    assert_false(ql__json_bool_of(ql__json_get(found, "pinned"), true));
    ql__json_free(list);
    ql_buf_dispose(&out);
}

static void test_model_file__tells_facts(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    ql__json *info = NULL;
    put_model(".local/share/qloader/models/tiny");
    assert_int_equal(ql__model_info_json(ql__sys_default(), NULL, QL_STR("tiny"), &out, &err), QL_OK);
    assert_int_equal(ql__json_parse(ql_buf_str(&out), &info, &err), QL_OK);
    assert_int_equal(ql__json_int_of(ql__json_get(info, "layers"), 0), 1);
    assert_int_equal(ql__json_int_of(ql__json_get(info, "window_tokens"), 0), 16);
    assert_true(ql__json_count(ql__json_get(info, "files")) >= 5);
    ql__json_free(info);
    ql_buf_clear(&out);
    assert_int_equal(ql__model_info_json(ql__sys_default(), NULL, QL_STR("absent"), &out, &err), QL_E_NOTFOUND);
    assert_int_equal(ql_status_kind(ql__model_verify(ql__sys_default(), root, QL_STR("tiny"), &err)), QL_E_UNSUPPORTED);
    assert_int_equal(ql__model_verify(ql__sys_default(), root, QL_STR(QL__MODEL_DEFAULT), &err), QL_E_CORRUPT);
    ql_buf_dispose(&out);
}

static ql_status list_once(void *user, ql_error *err)
{
    ql_buf out = QL_BUF_INIT;
    (void)user;
    ql_status status = ql__model_list_json(ql_test_sys(), NULL, &out, err);
    ql_buf_dispose(&out);
    return status;
}

static void test_model_file__survives_failing_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, list_once, NULL);
}

int main(void)
{
    ql_test_alloc_install();
#define ENTRY(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ENTRY(test_model_file__finds_in_order),
        ENTRY(test_model_file__refuses_names_with_paths),
        ENTRY(test_model_file__lists_known_and_found),
        ENTRY(test_model_file__tells_facts),
        ENTRY(test_model_file__survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
