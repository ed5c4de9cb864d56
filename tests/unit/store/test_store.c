/*
 * Goal: a store keeps what was committed, as a whole, and nothing else.
 * Method: made-up documents whose vectors follow from their ids; open, write, read and reopen real directories.
 */
#include <unistd.h>

#include "support/store_docs.h"
#include "support/testing.h"

static const test_shape shape = {.dims = 24, .chunks_min = 1, .chunks_max = 6, .words = 30, .vocabulary = 300, .sources = 3};

static void expect_ok(ql_status st, const ql_error *err)
{
    if (st != QL_OK) fail_msg("%s: %s", ql_status_name(st), err->message);
}

static ql__store *open_store(const char *dir, bool write)
{
    ql_error err = {0};
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir, .collection = "docs", .write = write, .dims = shape.dims, .model = "test-model", .sys = ql_test_sys()};
    expect_ok(ql__store_open(&options, &store, &err), &err);
    return store;
}

static void put(ql__store *store, uint64_t number, uint64_t version)
{
    ql_error err = {0};
    test_document document;
    test_document_make(&document, number, version, &shape);
    expect_ok(ql__store_replace(store, &document.document, &err), &err);
    test_document_dispose(&document);
}

static void commit_range(ql__store *store, uint64_t first, uint64_t count, uint64_t version)
{
    ql_error err = {0};
    expect_ok(ql__store_begin(store, &err), &err);
    for (uint64_t i = first; i < first + count; i++) put(store, i, version);
    expect_ok(ql__store_commit(store, &err), &err);
}

/* Every chunk of (number, version) is found by its own vector, with its text; none when version is 0. */
static void expect_document(ql__snapshot *snapshot, uint64_t number, uint64_t version)
{
    ql_error err = {0};
    test_document document;
    struct ql_arena arena;
    ql__arena_init(&arena.arena, 0);
    test_document_make(&document, number, version, &shape);
    for (size_t i = 0; i < document.document.chunk_count; i++) {
        const ql_store_chunk *want = &document.document.chunks[i];
        ql__stored_chunk have;
        ql__score score;
        size_t count = 0;
        expect_ok(ql__snapshot_dense(snapshot, want->vector, NULL, 1, &score, &count, &err), &err);
        assert_int_equal(count, 1);
        assert_true(score.score > 0.9999f);
        expect_ok(ql__snapshot_chunk(snapshot, score.slot, &arena, &have, &err), &err);
        assert_true(ql_str_equal(have.id, want->id));
        assert_true(ql_str_equal(have.text, want->chunk.text));
        assert_true(ql_str_equal(have.url, document.document.url));
        assert_true(ql_str_equal(have.document_metadata_json, document.document.metadata_json));
        assert_int_equal(have.chunk_index, i);
        assert_int_equal(have.chunk_count, document.document.chunk_count);
        assert_true(have.created_at_ms == QL_TIME_UNKNOWN);
        assert_true(have.updated_at_ms == document.document.updated_at_ms);
    }
    test_document_dispose(&document);
    ql__arena_dispose(&arena.arena);
}

static uint64_t chunks_of(uint64_t number, uint64_t version)
{
    test_document document;
    test_document_make(&document, number, version, &shape);
    uint64_t count = document.document.chunk_count;
    test_document_dispose(&document);
    return count;
}

static void expect_range(const char *dir, uint64_t first, uint64_t count, uint64_t version)
{
    ql_error err = {0};
    ql__snapshot *snapshot = NULL;
    ql__store *store = open_store(dir, false);
    expect_ok(ql__snapshot_open(store, &snapshot, &err), &err);
    uint64_t chunks = 0;
    for (uint64_t i = first; i < first + count; i++) {
        expect_document(snapshot, i, version);
        chunks += chunks_of(i, version);
    }
    assert_int_equal(ql__snapshot_chunk_count(snapshot), chunks);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
}

static void test_store__keeps_documents_over_reopening(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = open_store(dir, true);
    commit_range(store, 0, 40, 1);
    ql__store_free(store);
    expect_range(dir, 0, 40, 1);
    store = open_store(dir, true);
    commit_range(store, 40, 30, 1);
    ql__store_free(store);
    expect_range(dir, 0, 70, 1);
    ql_test_dir_remove(dir);
}

static void test_store__replaces_a_document_as_a_whole(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = open_store(dir, true);
    commit_range(store, 0, 20, 1);
    commit_range(store, 0, 20, 2);
    ql__store_free(store);
    expect_range(dir, 0, 20, 2);
    ql_test_dir_remove(dir);
}

static void test_store__removes_by_public_id(void **state)
{
    (void)state;
    ql_error err = {0};
    char id[37];
    char *dir = ql_test_dir_new();
    ql__store *store = open_store(dir, true);
    commit_range(store, 0, 12, 1);
    expect_ok(ql__store_begin(store, &err), &err);
    for (uint64_t i = 10; i < 12; i++) {
        test_uuid(i, 0, id);
        expect_ok(ql__store_remove(store, ql_str_of(id), &err), &err);
    }
    assert_int_equal(ql__store_remove(store, ql_str_of(id), &err), QL_E_NOTFOUND);
    expect_ok(ql__store_commit(store, &err), &err);
    ql__store_free(store);
    expect_range(dir, 0, 10, 1);
    ql_test_dir_remove(dir);
}

static void test_store__rollback_leaves_nothing(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = open_store(dir, true);
    commit_range(store, 0, 10, 1);
    expect_ok(ql__store_begin(store, &err), &err);
    for (uint64_t i = 0; i < 20; i++) put(store, i, 7);
    ql__store_rollback(store);
    commit_range(store, 10, 10, 1);
    ql__store_free(store);
    expect_range(dir, 0, 20, 1);
    ql_test_dir_remove(dir);
}

static void test_store__second_writer_is_told_who_writes(void **state)
{
    (void)state;
    ql_error err = {0};
    char pid[32];
    char *dir = ql_test_dir_new();
    ql__store *store = open_store(dir, true), *other = NULL;
    ql__store_options options = {.dir = dir, .collection = "docs", .write = true, .dims = shape.dims, .model = "test-model"};
    assert_int_equal(ql__store_open(&options, &other, &err), QL_E_BUSY);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    ql__store_free(store);
    expect_ok(ql__store_open(&options, &other, &err), &err);
    ql__store_free(other);
    ql_test_dir_remove(dir);
}

static void test_store__refuses_another_model_or_width(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = open_store(dir, true), *other = NULL;
    commit_range(store, 0, 3, 1);
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
        cmocka_unit_test(test_store__reader_of_nothing_is_told_to_ingest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
