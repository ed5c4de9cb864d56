/*
 * Goal: an index written by an older program still opens and shows what it held.
 * Method: tests/fixtures/store/v<n> holds a small index of format n with its dump; each is copied, opened by a reader and by a writer,
 * dumped and compared, and written to. `test_store_format make DIR` makes the fixture of the present format.
 */
#include "support/store_use.h"

static const test_shape shape = {.dims = 8, .chunks_min = 1, .chunks_max = 2, .words = 8, .vocabulary = 40, .sources = 2};

static const char *const files[] = {"qloader.db", "qloader.ack", "vectors-000001.qlv"};

static ql__store *open_any(const char *dir, bool write)
{
    ql_error err = {0};
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir, .collection = "docs", .write = write, .dims = shape.dims, .model = "test-model", .any_analyzer = true};
    expect_ok(ql__store_open(&options, &store, &err));
    return store;
}

static int make(const char *dir)
{
    ql_buf dump = QL_BUF_INIT;
    ql__store *store = open_any(dir, true);
    store_fill(store, 0, 4, 2, 1, &shape);
    store_fill(store, 1, 1, 1, 2, &shape);
    store_dump_of(store, true, &dump);
    ql__store_free(store);
    ql_test_file_write(ql_test_path(dir, "dump.jsonl"), ql_buf_str(&dump));
    ql_buf_dispose(&dump);
    return 0;
}

static void test_store_format__version_1_opens(void **state)
{
    (void)state;
    const char *fixture = QL_TEST_FIXTURES "/store/v1";
    ql_buf content = QL_BUF_INIT, expected = QL_BUF_INIT, found = QL_BUF_INIT;
    char *dir = ql_test_dir_new();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        ql_test_file_read(ql_test_path(fixture, files[i]), &content);
        ql_test_file_write(ql_test_path(dir, files[i]), ql_buf_str(&content));
    }
    ql_test_file_read(ql_test_path(fixture, "dump.jsonl"), &expected);
    assert_true(expected.len > 1000);
    for (int write = 0; write < 2; write++) {
        ql__store *store = open_any(dir, write != 0);
        store_dump_of(store, true, &found);
        assert_string_equal(ql_buf_cstr(&found), ql_buf_cstr(&expected));
        if (write) store_fill(store, 10, 3, 1, 1, &shape);
        ql__store_free(store);
    }
    ql__store *store = open_any(dir, false);
    ql__store_stats stats;
    ql_error err = {0};
    expect_ok(ql__store_stats_read(store, &stats, &err));
    assert_int_equal(stats.documents, 7);
    ql__store_free(store);
    ql_buf_dispose(&content);
    ql_buf_dispose(&expected);
    ql_buf_dispose(&found);
    ql_test_dir_remove(dir);
}

static void test_store_format__newer_formats_are_refused(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__db *db = NULL;
    ql__store *store = NULL;
    char *dir = ql_test_dir_new();
    ql__store_free(open_any(dir, true));
    ql__db_options raw = {.path = ql_test_path(dir, "qloader.db"), .write = true, .application_id = 0x514c4f44u, .page_bytes = 8192};
    expect_ok(ql__db_open(&raw, &db, &err));
    expect_ok(ql__db_exec(db, "PRAGMA user_version=99", &err));
    ql__db_close(db);
    ql__store_options options = {.dir = dir};
    for (int write = 0; write < 2; write++) {
        options.write = write != 0;
        assert_int_equal(ql__store_open(&options, &store, &err), QL_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "99"));
    }
    ql_test_dir_remove(dir);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0) return make(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_format__version_1_opens),
        cmocka_unit_test(test_store_format__newer_formats_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
