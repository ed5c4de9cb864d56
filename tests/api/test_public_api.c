/*
 * The shared library through its public headers alone: refusals of wrong arguments, a source of the application's own, two workspaces
 * in one process, and many threads that search while one ingests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <qloader.h>

typedef struct bench {
    char dir[64];
    ql_runtime *runtime;
} bench;

static int setup(void **state)
{
    static bench self;
    ql_error err = {0};
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    options.threads = 2;
    options.profile = 1;
    strcpy(self.dir, "/tmp/qloader-api-XXXXXX");
    assert_non_null(mkdtemp(self.dir));
    assert_int_equal(ql_runtime_new(&options, &self.runtime, &err), QL_OK);
    *state = &self;
    return 0;
}

static int teardown(void **state)
{
    bench *self = *state;
    char command[128];
    ql_runtime_free(self->runtime);
    snprintf(command, sizeof command, "rm -rf '%s'", self->dir);
    return system(command);
}

static ql_workspace *open_data(const bench *self, const char *name)
{
    char path[128];
    ql_error err = {0};
    ql_workspace *workspace = NULL;
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    snprintf(path, sizeof path, "%s/%s", self->dir, name);
    options.data_dir = path;
    assert_int_equal(ql_workspace_open(self->runtime, &options, &workspace, NULL, &err), QL_OK);
    return workspace;
}

/* --- a source of the application's own ------------------------------------------------------------------------------------------- */

typedef struct texts {
    const char *const *items;
    size_t count;
} texts;

static ql_status list(void *self, const ql_source_sink *sink, ql_error *err)
{
    const texts *all = self;
    char url[32];
    (void)err;
    for (size_t i = 0; i < all->count; i++) {
        int n = snprintf(url, sizeof url, "text:%zu", i);
        ql_item item = {.struct_size = sizeof item, .url = {url, (size_t)n}, .version = {"1", 1}};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

static ql_status fetch(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    const texts *all = self;
    char number[16] = "";
    (void)err;
    memcpy(number, item->url.ptr + 5, item->url.len - 5);
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = item->url, .content_type = {"txt", 3},
                         .content = ql_str_of(all->items[atoi(number)]), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    *token = NULL;
    return QL_OK;
}

static void release(void *self, void *token)
{
    (void)self;
    (void)token;
}

static const ql_source_ops text_ops = {.struct_size = sizeof(ql_source_ops), .type = "text", .list_fn = list, .fetch_fn = fetch, .release_fn = release};
static const char *const animals[] = {"The lion sleeps under an acacia.", "A penguin swims in cold water.", "The parrot repeats every word."};
static const char *const tools[] = {"A hammer drives nails.", "The saw cuts oak planks."};

static void ingest(ql_workspace *workspace, const char *const *items, size_t count)
{
    texts all = {items, count};
    ql_error err = {0};
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_status status = ql_ingest_source(workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, NULL, &report, &err);
    if (status != QL_OK) print_error("%s\n", err.message);
    assert_int_equal(status, QL_OK);
}

static void assert_first(ql_workspace *workspace, const char *question, const char *url)
{
    ql_results *results = NULL;
    ql_error err = {0};
    ql_status status = ql_search(workspace, ql_str_of(question), NULL, &results, &err);
    if (status != QL_OK) print_error("%s\n", err.message);
    assert_int_equal(status, QL_OK);
    assert_true(ql_results_count(results) > 0);
    assert_true(ql_str_equal(ql_results_hit(results, 0)->url, ql_str_of(url)));
    assert_null(ql_results_hit(results, ql_results_count(results)));
    ql_results_free(results);
}

static void test_public__two_workspaces_do_not_see_each_other(void **state)
{
    ql_workspace *one = open_data(*state, "one"), *two = open_data(*state, "two");
    ingest(one, animals, 3);
    ingest(two, tools, 2);
    assert_first(one, "bird that lives on ice", "text:1");
    assert_first(two, "bird that lives on ice", "text:0");
    ql_workspace_free(one);
    ql_workspace_free(two);
}

static void test_public__search_without_index_says_what_to_do(void **state)
{
    ql_workspace *workspace = open_data(*state, "empty");
    ql_results *results = NULL;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql_search(workspace, QL_STR("x"), NULL, &results, &err)), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "ingest"));
    assert_null(results);
    ql_workspace_free(workspace);
}

/* --- wrong arguments ---------------------------------------------------------------------------------------------------------------- */

static void test_public__refuses_wrong_arguments(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_runtime *runtime = NULL;
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    assert_int_equal(ql_runtime_new(&options, NULL, &err), QL_E_INVALID);
    options.struct_size = 3;
    assert_int_equal(ql_runtime_new(&options, &runtime, &err), QL_E_INVALID);
    ql_runtime_options_init(&options);
    options.reserved[2] = 1;
    assert_int_equal(ql_runtime_new(&options, &runtime, &err), QL_E_INVALID);
    ql_runtime_options_init(&options);
    options.threads = 100000;
    assert_int_equal(ql_status_kind(ql_runtime_new(&options, &runtime, &err)), QL_E_LIMIT);
    ql_workspace *workspace = open_data(self, "args");
    ingest(workspace, tools, 2);
    ql_results *results = NULL;
    ql_search_options search;
    ql_search_options_init(&search);
    search.limit = 1001;
    assert_int_equal(ql_search(workspace, QL_STR("x"), &search, &results, &err), QL_E_INVALID);
    assert_int_equal(ql_search(workspace, QL_STR("  "), NULL, &results, &err), QL_E_INVALID);
    assert_int_equal(ql_search(workspace, QL_STR("\xff\xfe"), NULL, &results, &err), QL_E_INVALID);
    assert_int_equal(ql_search(workspace, QL_STR("x"), NULL, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_ingest(workspace, NULL, NULL, &err), QL_E_INVALID); /* opened without a configuration */
    assert_int_equal(ql_ingest(NULL, NULL, NULL, NULL), QL_E_INVALID);
    ql_buf json = QL_BUF_INIT;
    assert_int_equal(ql_runtime_describe_json(NULL, &json, &err), QL_E_INVALID);
    assert_int_equal(ql_runtime_describe_json(self->runtime, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_workspace_check_json(NULL, QL_CHECK_MODEL, &json, &err), QL_E_INVALID);
    assert_int_equal(ql_workspace_check_json(workspace, QL_CHECK_MODEL, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_workspace_check_json(workspace, 8, &json, &err), QL_E_INVALID);
    assert_int_equal(json.len, 0);
    ql_workspace_free(workspace);
    ql_workspace_free(NULL);
    ql_results_free(NULL);
    assert_int_equal(ql_results_count(NULL), 0);
}

static const ql_str nowhere = {NULL, 9};

static void assert_search_refused(ql_workspace *workspace, ql_str query, const ql_search_options *options, const char *part)
{
    ql_error err = {0};
    ql_results *results = NULL;
    ql_op *op = NULL;
    assert_int_equal(ql_search(workspace, query, options, &results, &err), QL_E_INVALID);
    if (strstr(err.message, part) == NULL) fail_msg("'%s' is not in '%s'", part, err.message);
    assert_int_equal(ql_op_search(workspace, query, options, &op, &err), QL_E_INVALID);
    assert_null(op);
}

static void test_public__a_text_without_a_pointer_is_refused(void **state)
{
    bench *self = *state;
    ql_workspace *workspace = open_data(self, "views");
    ingest(workspace, tools, 2);
    assert_search_refused(workspace, nowhere, NULL, "query has 9 bytes, but its ptr is NULL");
    for (int member = 0; member < 4; member++) {
        static const char *const names[] = {"filter.project", "filter.source_type", "filter.source", "filter.path_prefix"};
        ql_search_options options = QL_SEARCH_OPTIONS_INIT;
        ql_str *views[] = {&options.filter.project, &options.filter.source_type, &options.filter.source, &options.filter.path_prefix};
        *views[member] = nowhere;
        assert_search_refused(workspace, QL_STR("x"), &options, names[member]);
    }
    for (int member = 0; member < 3; member++) {
        ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
        ql_str *views[] = {&options.project, &options.source_type, &options.source};
        ql_error err = {0};
        ql_op *op = NULL;
        texts all = {tools, 2};
        *views[member] = nowhere;
        assert_int_equal(ql_ingest(workspace, &options, NULL, &err), QL_E_INVALID);
        assert_non_null(strstr(err.message, "its ptr is NULL"));
        assert_int_equal(ql_op_ingest(workspace, &options, &op, &err), QL_E_INVALID);
        assert_int_equal(ql_ingest_source(workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, &options, NULL, &err), QL_E_INVALID);
    }
    ql_error err = {0};
    ql_buf out = QL_BUF_INIT;
    assert_int_equal(ql_workspace_projects_json(workspace, nowhere, 0, &out, &err), QL_E_INVALID);
    assert_int_equal(ql_model_info_json(NULL, nowhere, &out, &err), QL_E_INVALID);
    assert_int_equal(ql_model_verify(NULL, nowhere, &err), QL_E_INVALID);
    assert_int_equal(ql_model_pull(nowhere, NULL, self->dir, NULL, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_buf_append(&out, nowhere), QL_E_INVALID);
    assert_int_equal(ql_buf_append(&out, QL_STR("x")), QL_E_INVALID); /* as any failed append */
    ql_buf_dispose(&out);
    ql_workspace_free(workspace);
}

static void test_public__a_filter_that_nothing_can_pass_is_told(void **state)
{
    bench *self = *state;
    ql_workspace *workspace = open_data(self, "filter");
    ql_error err = {0};
    ql_results *results = NULL;
    ql_search_options options = QL_SEARCH_OPTIONS_INIT;
    ingest(workspace, tools, 2);
    memset(&options.filter, 0, sizeof options.filter);
    assert_search_refused(workspace, QL_STR("x"), &options, "QL_FILTER_INIT");
    ql_search_options_init(&options);
    options.filter.since_ms = 2;
    options.filter.until_ms = 1;
    assert_search_refused(workspace, QL_STR("x"), &options, "since is later than its until");
    options.filter.since_ms = options.filter.until_ms = 0;
    assert_int_equal(ql_search(workspace, QL_STR("x"), &options, &results, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "updated since '1970-01-01T00:00:00.000+00:00', updated until '1970-01-01"));
    options.filter.since_ms = options.filter.until_ms = INT64_MAX;
    assert_int_equal(ql_search(workspace, QL_STR("x"), &options, &results, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "updated since 9223372036854775807 ms"));
    ql_workspace_free(workspace);
}

static void test_public__names_of_a_source_have_rules(void **state)
{
    bench *self = *state;
    ql_workspace *workspace = open_data(self, "names");
    ql_error err = {0};
    texts all = {tools, 2};
    static char long_name[257];
    memset(long_name, 'n', sizeof long_name);
    const ql_str bad[] = {{NULL, 0}, nowhere, QL_STR(""), QL_STR("\xff"), {"a\0b", 3}, QL_STR("a\nb"), {long_name, 257}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ql_ingest_source(workspace, bad[i], QL_STR("s"), &text_ops, &all, NULL, NULL, &err), QL_E_INVALID);
        assert_ptr_equal(strstr(err.message, "project"), err.message);
        assert_int_equal(ql_ingest_source(workspace, QL_STR("p"), bad[i], &text_ops, &all, NULL, NULL, &err), QL_E_INVALID);
        assert_ptr_equal(strstr(err.message, "source"), err.message);
    }
    for (const char *const *type = (const char *const[]){"", "My Type/\n", "Wiki", "git", NULL}; *type != NULL; type++) {
        ql_source_ops ops = text_ops;
        ops.type = *type;
        assert_int_equal(ql_ingest_source(workspace, QL_STR("p"), QL_STR("s"), &ops, &all, NULL, NULL, &err), QL_E_INVALID);
    }
    assert_int_equal(ql_ingest_source(workspace, (ql_str){long_name, 256}, QL_STR("\xc3\xa4 b"), &text_ops, &all, NULL, NULL, &err), QL_OK);
    ql_workspace_free(workspace);
}

static void test_public__options_out_of_range_are_refused(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options where = QL_WORKSPACE_OPTIONS_INIT;
    options.log_level = 99;
    assert_int_equal(ql_runtime_new(&options, &runtime, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "99"));
    where.data_dir = "";
    assert_int_equal(ql_workspace_open(self->runtime, &where, &workspace, NULL, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "data_dir"));
}

/* --- threads -------------------------------------------------------------------------------------------------------------------------- */

static void *search_often(void *user)
{
    ql_workspace *workspace = user;
    for (int i = 0; i < 20; i++) {
        ql_results *results = NULL;
        ql_error err = {0};
        if (ql_search(workspace, QL_STR("lion under a tree"), NULL, &results, &err) != QL_OK || ql_results_count(results) < 3) return "failed";
        ql_results_free(results);
    }
    return NULL;
}

static void test_public__threads_search_while_one_ingests(void **state)
{
    ql_workspace *workspace = open_data(*state, "threads");
    pthread_t threads[4];
    ingest(workspace, animals, 3);
    for (size_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, search_often, workspace), 0);
    const char *const more[] = {animals[0], animals[1], animals[2], tools[0], tools[1]};
    ingest(workspace, more, 5);
    ingest(workspace, animals, 3);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    ql_workspace_free(workspace);
}

static void test_public__stats_count_what_was_done(void **state)
{
    bench *self = *state;
    ql_workspace *workspace = open_data(self, "stats");
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    ingest(workspace, animals, 3);
    assert_int_equal(ql_runtime_stats_json(self->runtime, &json, &err), QL_OK);
    assert_non_null(strstr(ql_buf_cstr(&json), "\"embed\""));
    assert_non_null(strstr(ql_buf_cstr(&json), "\"chunks\":"));
    ql_buf_dispose(&json);
    ql_workspace_free(workspace);
}

/* --- what is there, and whether it works ------------------------------------------------------------------------------------------------ */

static void assert_holds(const ql_buf *json, const char *part)
{
    if (strstr(ql_buf_cstr(json), part) == NULL) fail_msg("no %s in %s", part, ql_buf_cstr(json));
}

static void test_public__describe_tells_the_machine(void **state)
{
    bench *self = *state;
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    char cores[48];
    assert_int_equal(ql_runtime_describe_json(self->runtime, &json, &err), QL_OK);
    snprintf(cores, sizeof cores, "\"cores\":%ld,", sysconf(_SC_NPROCESSORS_ONLN));
    assert_holds(&json, cores);
    assert_holds(&json, "{\"name\":\"oneDNN\",");
    assert_holds(&json, "{\"name\":\"python\",\"use\":\"grammar\",\"needed\":true,\"found\":true,");
    assert_holds(&json, "\"version\":\"" QLOADER_VERSION "\"");
    ql_buf_dispose(&json);
}

static void test_public__check_sees_index_and_model(void **state)
{
    bench *self = *state;
    ql_workspace *workspace = open_data(self, "check");
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    char path[160];
    assert_int_equal(ql_workspace_check_json(workspace, QL_CHECK_INDEX, &json, &err), QL_OK);
    assert_holds(&json, "\"index\":{\"there\":false,\"ready\":false,\"kind\":\"not found\"");
    ingest(workspace, animals, 3);
    ql_buf_clear(&json);
    assert_int_equal(ql_workspace_check_json(workspace, QL_CHECK_MODEL | QL_CHECK_INDEX_WHOLE, &json, &err), QL_OK);
    assert_holds(&json, "\"model\":{\"ready\":true,\"name\":\"");
    assert_holds(&json, "\"index\":{\"there\":true,\"ready\":true,\"whole\":true,\"documents\":3,");
    snprintf(path, sizeof path, "%s/check/vectors-000001.qlv", self->dir);
    FILE *vectors = fopen(path, "r+b");
    assert_non_null(vectors);
    assert_int_equal(fseek(vectors, 4096 + 100, SEEK_SET), 0);
    assert_true(fputc(0x55, vectors) >= 0);
    fclose(vectors);
    ql_buf_clear(&json);
    assert_int_equal(ql_workspace_check_json(workspace, QL_CHECK_INDEX, &json, &err), QL_OK);
    assert_holds(&json, "\"ready\":true,\"whole\":null,"); /* not read */
    ql_buf_clear(&json);
    assert_int_equal(ql_workspace_check_json(workspace, QL_CHECK_INDEX_WHOLE, &json, &err), QL_OK);
    assert_holds(&json, "\"ready\":false,\"kind\":\"damaged data\"");
    assert_holds(&json, "vectors-000001.qlv");
    ql_buf_dispose(&json);
    ql_workspace_free(workspace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_public__two_workspaces_do_not_see_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__search_without_index_says_what_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__refuses_wrong_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__a_text_without_a_pointer_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__a_filter_that_nothing_can_pass_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__names_of_a_source_have_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__options_out_of_range_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__threads_search_while_one_ingests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__stats_count_what_was_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__describe_tells_the_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public__check_sees_index_and_model, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
