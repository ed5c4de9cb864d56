/*
 * Metrics through the public headers alone: off until they are asked for, options refused by name, an ingest and searches counted, served over HTTP.
 * The registry itself is tested in tests/unit/prof, the server in tests/unit/dep.
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
#include <qloader.h>

static ql_runtime *runtime_new(bool metrics)
{
    ql_runtime *self = NULL;
    ql_error err = {0};
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    options.threads = 2;
    assert_int_equal(ql_runtime_new(&options, &self, &err), QL_OK);
    if (metrics) assert_int_equal(ql_metrics_enable(self, &err), QL_OK);
    return self;
}

/* The number behind a line that begins so; -1: there is none. */
static double value_of(ql_runtime *runtime, const char *series)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    double value = -1;
    char line[200];
    assert_int_equal(ql_metrics_write(runtime, QL_METRICS_TEXT, &text, &err), QL_OK);
    snprintf(line, sizeof line, "\n%s ", series);
    const char *at = strstr(ql_buf_cstr(&text), line);
    if (at != NULL) value = strtod(at + strlen(line), NULL);
    ql_buf_dispose(&text);
    return value;
}

static void test_metrics__are_off_until_asked_for(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf text = QL_BUF_INIT;
    ql_metric *metric = NULL;
    ql_metrics_server *server = NULL;
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    ql_runtime *runtime = runtime_new(false);
    assert_int_equal(ql_metrics_write(runtime, QL_METRICS_TEXT, &text, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "ql_metrics_enable() comes first"));
    assert_int_equal(ql_metric_register(runtime, &options, &metric, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_server_start(runtime, NULL, &server, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_enable(runtime, &err), QL_OK);
    assert_int_equal(ql_metrics_enable(runtime, &err), QL_OK);
    assert_true(value_of(runtime, "qloader_chunks_total") == 0);
    ql_runtime_free(runtime);
}

static void test_metrics__wrong_calls_are_named(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf text = QL_BUF_INIT;
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    ql_metrics_server *server = NULL;
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    ql_metrics_server_options where = QL_METRICS_SERVER_OPTIONS_INIT;
    ql_runtime *runtime = runtime_new(true);
    options.type = QL_METRIC_COUNTER;
    options.name = "desk_letters";
    assert_int_equal(ql_metrics_enable(NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_write(NULL, QL_METRICS_TEXT, &text, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_write(runtime, QL_METRICS_TEXT, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_write(runtime, 0, &text, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_describe_json(NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_metric_register(runtime, NULL, &metric, &err), QL_E_INVALID);
    assert_int_equal(ql_metric_register(runtime, &options, NULL, &err), QL_E_INVALID);
    options.reserved[1] = 1;
    assert_int_equal(ql_metric_register(runtime, &options, &metric, &err), QL_E_INVALID);
    options.reserved[1] = 0;
    options.reserved32 = 1;
    assert_int_equal(ql_metric_register(runtime, &options, &metric, &err), QL_E_INVALID);
    options.reserved32 = 0;
    options.struct_size = 8;
    assert_int_equal(ql_metric_register(runtime, &options, &metric, &err), QL_E_INVALID);
    options.struct_size = sizeof options;
    assert_int_equal(ql_metric_register(runtime, &options, &metric, &err), QL_OK);
    assert_int_equal(ql_metric_series(NULL, NULL, 0, &series, &err), QL_E_INVALID);
    assert_int_equal(ql_metric_series(metric, NULL, 0, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_server_start(runtime, NULL, NULL, &err), QL_E_INVALID);
    where.port = 65536;
    assert_int_equal(ql_metrics_server_start(runtime, &where, &server, &err), QL_E_INVALID);
    where.port = 0;
    where.flags = 2;
    assert_int_equal(ql_metrics_server_start(runtime, &where, &server, &err), QL_E_UNSUPPORTED);
    where.flags = QL_METRICS_SERVER_PROFILES; /* no token */
    assert_int_equal(ql_metrics_server_start(runtime, &where, &server, &err), QL_E_INVALID);
    where.token = "t";
    where.address = "0.0.0.0";
    assert_int_equal(ql_metrics_server_start(runtime, &where, &server, &err), QL_E_INVALID);
    where.address = "::1%lo";
    assert_int_equal(ql_metrics_server_start(runtime, &where, &server, &err), QL_E_INVALID);
    assert_int_equal(ql_metrics_server_port(NULL), 0);
    ql_metrics_server_stop(NULL);
    ql_runtime_free(runtime);
    ql_buf_dispose(&text);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void ingest(ql_workspace *workspace, ql_status status)
{
    ql_error err = {0};
    ql_status got = ql_ingest(workspace, NULL, NULL, &err);
    if (got != status) fail_msg("%d: %s", got, err.message);
}

static void test_metrics__ingests_and_searches_are_counted(void **state)
{
    (void)state;
    char dir[] = "/tmp/qloader-api-XXXXXX", text[300], command[64];
    ql_error err = {0};
    ql_workspace *workspace = NULL;
    ql_results *results = NULL;
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    ql_runtime *runtime = runtime_new(true);
    assert_non_null(mkdtemp(dir));
    snprintf(text, sizeof text, "sources: {localfile: {docs: {base_url: 'file://%s', file_types: ['*.md', '*.json']}}}\n", dir);
    write_file(dir, "config.yaml", text);
    write_file(dir, "a.md", "# Okapi\n\nThe okapi eats leaves.\n");
    write_file(dir, "b.md", "# Tapir\n\nThe tapir swims.\n");
    options.dir = dir;
    assert_int_equal(ql_workspace_open(runtime, &options, &workspace, NULL, &err), QL_OK);
    assert_int_equal(ql_search(workspace, QL_STR("okapi"), NULL, &results, &err), QL_E_NOTFOUND);
    assert_true(value_of(runtime, "qloader_errors_total{class=\"notfound\"}") == 1);
    ingest(workspace, QL_OK);
    assert_true(value_of(runtime, "qloader_documents_total{result=\"added\"}") == 2);
    assert_true(value_of(runtime, "qloader_chunks_total") >= 2);
    assert_true(value_of(runtime, "qdrant_ingested_documents_total") == value_of(runtime, "qloader_chunks_total"));
    assert_true(value_of(runtime, "qloader_ingest_runs_total{result=\"ok\"}") == 1);
    assert_true(value_of(runtime, "qloader_ingest_active") == 0);
    assert_true(value_of(runtime, "qloader_ingest_last_success_timestamp_seconds") > 1.5e9);
    assert_true(value_of(runtime, "qdrant_chunking_duration_seconds_count") == 2);
    assert_true(value_of(runtime, "qdrant_embedding_duration_seconds_count") >= 1);
    assert_true(value_of(runtime, "qdrant_upsert_duration_seconds_count") >= 1);
    assert_true(value_of(runtime, "qdrant_chunk_queue_size") == 0);
    assert_true(value_of(runtime, "qdrant_embed_queue_size") == 0);
    assert_true(value_of(runtime, "qloader_queue_bytes{queue=\"embed\"}") == 0);
    assert_true(value_of(runtime, "qloader_queue_bytes{queue=\"write\"}") == 0);
    assert_true(value_of(runtime, "qloader_commits_total") >= 1);
    write_file(dir, "a.md", "# Okapi\n\nThe okapi eats leaves and buds.\n");
    snprintf(text, sizeof text, "%s/b.md", dir);
    assert_int_equal(unlink(text), 0);
    ingest(workspace, QL_OK);
    ingest(workspace, QL_OK);
    assert_true(value_of(runtime, "qloader_documents_total{result=\"changed\"}") == 1);
    assert_true(value_of(runtime, "qloader_documents_total{result=\"deleted\"}") == 1);
    assert_true(value_of(runtime, "qloader_documents_total{result=\"unchanged\"}") == 1);
    double embedded = value_of(runtime, "qdrant_embedding_duration_seconds_count");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ql_search(workspace, QL_STR("okapi"), NULL, &results, &err), QL_OK);
        ql_results_free(results);
    }
    assert_true(value_of(runtime, "qloader_search_duration_seconds_count") >= 3);
    assert_true(value_of(runtime, "qloader_search_hits_count") == 3);
    assert_true(value_of(runtime, "qloader_search_stage_duration_seconds_count{stage=\"fuse\"}") >= 3);
    assert_true(value_of(runtime, "qdrant_embedding_duration_seconds_count") == embedded); /* questions are no batches of chunks */
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void test_metrics__two_runtimes_do_not_see_each_other(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    ql_runtime *a = runtime_new(true), *b = runtime_new(true);
    options.type = QL_METRIC_COUNTER;
    options.name = "desk_letters";
    assert_int_equal(ql_metric_register(a, &options, &metric, &err), QL_OK);
    assert_int_equal(ql_metric_series(metric, NULL, 0, &series, &err), QL_OK);
    ql_series_add(series, 2);
    assert_true(value_of(a, "desk_letters_total") == 2);
    assert_true(value_of(b, "desk_letters_total") == -1);
    ql_runtime_free(a);
    ql_runtime_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__are_off_until_asked_for),
        cmocka_unit_test(test_metrics__wrong_calls_are_named),
        cmocka_unit_test(test_metrics__ingests_and_searches_are_counted),
        cmocka_unit_test(test_metrics__two_runtimes_do_not_see_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
