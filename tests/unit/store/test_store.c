/*
 * Goal: a store keeps what was committed, as a whole, and nothing else.
 * Method: made-up documents whose vectors follow from their ids; open, write, read and reopen real directories.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/store_use.h"

static const test_shape shape = {.dims = 24, .chunks_min = 1, .chunks_max = 6, .words = 30, .vocabulary = 300, .sources = 3};

static void test_store__keeps_documents_over_reopening(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 40, 40, 1, &shape);
    ql__store_free(store);
    expect_range(dir, 0, 40, 1, &shape);
    store = store_open(dir, true, &shape);
    store_fill(store, 40, 30, 30, 1, &shape);
    ql__store_free(store);
    expect_range(dir, 0, 70, 1, &shape);
    ql_test_dir_remove(dir);
}

static void test_store__replaces_a_document_as_a_whole(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 20, 20, 1, &shape);
    store_fill(store, 0, 20, 20, 2, &shape);
    ql__store_free(store);
    expect_range(dir, 0, 20, 2, &shape);
    ql_test_dir_remove(dir);
}

static void test_store__removes_by_public_id(void **state)
{
    (void)state;
    ql_error err = {0};
    char id[37];
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 12, 12, 1, &shape);
    expect_ok(ql__store_begin(store, &err));
    for (uint64_t i = 10; i < 12; i++) {
        test_uuid(i, 0, id);
        expect_ok(ql__store_remove(store, ql_str_of(id), &err));
    }
    assert_int_equal(ql__store_remove(store, ql_str_of(id), &err), QL_E_NOTFOUND);
    expect_ok(ql__store_commit(store, &err));
    ql__store_free(store);
    expect_range(dir, 0, 10, 1, &shape);
    ql_test_dir_remove(dir);
}

static void test_store__rollback_leaves_nothing(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 10, 10, 1, &shape);
    expect_ok(ql__store_begin(store, &err));
    for (uint64_t i = 0; i < 20; i++) store_put(store, i, 7, &shape);
    ql__store_rollback(store);
    store_fill(store, 10, 10, 10, 1, &shape);
    ql__store_free(store);
    expect_range(dir, 0, 20, 1, &shape);
    ql_test_dir_remove(dir);
}

static void test_store__second_writer_is_told_who_writes(void **state)
{
    (void)state;
    ql_error err = {0};
    char pid[32];
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape), *other = NULL;
    ql__store_options options = {.dir = dir, .collection = "docs", .write = true, .dims = shape.dims, .model = "test-model"};
    assert_int_equal(ql__store_open(&options, &other, &err), QL_E_BUSY);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    ql__store_free(store);
    expect_ok(ql__store_open(&options, &other, &err));
    ql__store_free(other);
    ql_test_dir_remove(dir);
}

static void test_store__refuses_another_model_or_width(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape), *other = NULL;
    store_fill(store, 0, 3, 3, 1, &shape);
    ql__store_free(store);
    ql__store_options options = {.dir = dir, .collection = "docs", .write = true, .dims = 32, .model = "test-model"};
    assert_int_equal(ql__store_open(&options, &other, &err), QL_E_MISMATCH);
    assert_non_null(strstr(err.message, "24"));
    options.dims = shape.dims;
    options.model = "other-model";
    assert_int_equal(ql__store_open(&options, &other, &err), QL_E_MISMATCH);
    assert_non_null(strstr(err.message, "test-model"));
    options.model = NULL;
    options.collection = "others";
    assert_int_equal(ql__store_open(&options, &other, &err), QL_E_MISMATCH);
    ql_test_dir_remove(dir);
}

static void test_store__knows_models_by_their_fingerprints(void **state)
{
    (void)state;
#define ONE "@0123456789abcdef"
#define TWO "@0123456789abcde0"
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape); /* "test-model", as before there were fingerprints */
    store_fill(store, 0, 3, 3, 1, &shape);
    ql__store_free(store);
    ql__store_options options = {.dir = dir, .collection = "docs", .write = true, .dims = shape.dims, .model = "test-model" ONE};
    expect_ok(ql__store_open(&options, &store, &err));
    ql__store_free(store);
    options.model = "test-model" TWO;
    assert_int_equal(ql__store_open(&options, &store, &err), QL_E_MISMATCH);
    assert_non_null(strstr(err.message, "test-model" ONE));
    ql_test_dir_remove(dir);
}

static void test_store__refuses_what_is_no_file(void **state)
{
    (void)state;
    static const char *const names[] = {"qloader.db", "qloader.db-wal", "qloader.db-shm", "qloader.lock", "qloader.ack", "vectors-000001.qlv"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        const char *name = names[i / 2];
        char path[600];
        ql_error err = {0};
        char *dir = ql_test_dir_new();
        ql__store *store = store_open(dir, true, &shape);
        store_fill(store, 0, 3, 3, 1, &shape);
        ql__store_free(store);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        (void)unlink(path);
        assert_int_equal(i % 2 ? mkdir(path, 0755) : mkfifo(path, 0644), 0);
        for (int write = 0; write < 2; write++) {
            ql__store_options options = {.dir = dir, .collection = "docs", .write = write, .dims = shape.dims, .model = "test-model"};
            ql_status st = ql__store_open(&options, &store, &err);
            ql__snapshot *snapshot = NULL;
            if (st == QL_OK) { /* a reader looks at the vectors with its first snapshot */
                st = ql__snapshot_open(store, &snapshot, &err);
                assert_null(snapshot);
                ql__store_free(store);
            }
            assert_int_equal(ql_status_kind(st), QL_E_IO);
            assert_non_null(strstr(err.message, name));
            assert_non_null(strstr(err.message, i % 2 ? "a folder" : "a pipe"));
        }
        assert_int_equal(i % 2 ? rmdir(path) : unlink(path), 0);
        ql_test_dir_remove(dir);
    }
}

static void test_store__does_not_acknowledge_into_a_deleted_index(void **state)
{
    (void)state;
    ql_error err = {0};
    char from[600], to[600];
    char *dir = ql_test_dir_new(), *aside = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 3, 3, 1, &shape);
    snprintf(from, sizeof from, "%s/qloader.db", dir);
    snprintf(to, sizeof to, "%s/qloader.db", aside);
    for (int replaced = 0; replaced < 2; replaced++) {
        if (!replaced) assert_int_equal(rename(from, to), 0);
        else assert_int_equal(close(open(from, O_CREAT | O_WRONLY, 0644)), 0);
        expect_ok(ql__store_begin(store, &err));
        store_put(store, 5, 1, &shape);
        assert_int_equal(ql_status_kind(ql__store_commit(store, &err)), replaced ? QL_E_IO : QL_E_NOTFOUND);
        assert_non_null(strstr(err.message, "deleted, moved or replaced"));
    }
    assert_int_equal(rename(to, from), 0); /* back in place, it goes on */
    store_fill(store, 5, 1, 1, 1, &shape);
    ql__store_free(store);
    ql_test_dir_remove(dir);
    ql_test_dir_remove(aside);
}

static void test_store__reader_of_nothing_is_told_to_ingest(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir};
    assert_int_equal(ql__store_open(&options, &store, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "ingest"));
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__keeps_documents_over_reopening),
        cmocka_unit_test(test_store__replaces_a_document_as_a_whole),
        cmocka_unit_test(test_store__removes_by_public_id),
        cmocka_unit_test(test_store__rollback_leaves_nothing),
        cmocka_unit_test(test_store__second_writer_is_told_who_writes),
        cmocka_unit_test(test_store__refuses_another_model_or_width),
        cmocka_unit_test(test_store__knows_models_by_their_fingerprints),
        cmocka_unit_test(test_store__refuses_what_is_no_file),
        cmocka_unit_test(test_store__does_not_acknowledge_into_a_deleted_index),
        cmocka_unit_test(test_store__reader_of_nothing_is_told_to_ingest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
