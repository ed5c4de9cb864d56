/*
 * Goal: the writer refuses what cannot be right before it changes anything, and its state calls tell the truth.
 * Method: wrong arguments, taken ids, steps out of order; the index is the same before and after.
 */
#include "support/store_use.h"

static const test_shape shape = {.dims = 24, .chunks_min = 1, .chunks_max = 4, .words = 20, .vocabulary = 200, .sources = 3};

typedef ql_status (*spoil_fn)(ql_store_document *document, ql_store_chunk *chunk);

static ql_status no_url(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)chunk;
    document->url = QL_STR("");
    return QL_E_INVALID;
}

static ql_status no_id(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)chunk;
    document->id = QL_STR("");
    return QL_E_INVALID;
}

static ql_status no_vector(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)document;
    chunk->vector = NULL;
    return QL_E_INVALID;
}

static ql_status long_vector(ql_store_document *document, ql_store_chunk *chunk)
{
    static const float vector[24] = {1, 1};
    (void)document;
    chunk->vector = vector;
    return QL_E_INVALID;
}

static ql_status nan_vector(ql_store_document *document, ql_store_chunk *chunk)
{
    static const float vector[24] = {NAN};
    (void)document;
    chunk->vector = vector;
    return QL_E_INVALID;
}

static ql_status taken_id(ql_store_document *document, ql_store_chunk *chunk)
{
    static char id[37];
    (void)chunk;
    test_uuid(3, 0, id);
    document->id = ql_str_of(id);
    return QL_E_EXISTS;
}

static void test_store_write__refuses_before_it_changes(void **state)
{
    (void)state;
    static const spoil_fn spoil[] = {no_url, no_id, no_vector, long_vector, nan_vector, taken_id};
    ql_error err = {0};
    ql_buf before = QL_BUF_INIT, after = QL_BUF_INIT;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 10, 10, 1, &shape);
    store_dump_of(store, true, &before);
    for (size_t i = 0; i < sizeof spoil / sizeof spoil[0]; i++) {
        test_document document;
        test_document_make(&document, 5, 2, &shape);
        ql_status want = spoil[i](&document.document, (ql_store_chunk *)(uintptr_t)&document.document.chunks[0]);
        expect_ok(ql__store_begin(store, &err));
        assert_int_equal(ql__store_replace(store, &document.document, &err), want);
        expect_ok(ql__store_commit(store, &err)); /* nothing happened: nothing is committed */
        test_document_dispose(&document);
    }
    store_dump_of(store, true, &after);
    assert_true(ql_str_equal(ql_buf_str(&before), ql_buf_str(&after)));
    ql_buf_dispose(&before);
    ql_buf_dispose(&after);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_write__needs_its_steps_in_order(void **state)
{
    (void)state;
    ql_error err = {0};
    test_document document;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    test_document_make(&document, 5, 2, &shape);
    assert_int_equal(ql__store_replace(store, &document.document, &err), QL_E_INVALID);
    assert_int_equal(ql__store_commit(store, &err), QL_E_INVALID);
    expect_ok(ql__store_begin(store, &err));
    assert_int_equal(ql__store_begin(store, &err), QL_E_INVALID);
    assert_int_equal(ql__store_compact_now(store, &err), QL_E_INVALID);
    assert_int_equal(ql__store_clear(store, &err), QL_E_INVALID);
    assert_int_equal(ql__store_touch(store, QL_STR("nobody"), &document.document, &err), QL_E_NOTFOUND);
    ql__store_rollback(store);
    ql__store *reader = store_open(dir, false, &shape);
    assert_int_equal(ql__store_begin(reader, &err), QL_E_INVALID);
    ql__store_free(reader);
    test_document_dispose(&document);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_write__replaces_twice_in_one_transaction(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    expect_ok(ql__store_begin(store, &err));
    for (uint64_t version = 1; version <= 5; version++)
        for (uint64_t i = 0; i < 8; i++) store_put(store, i, version, &shape);
    store_drop(store, 7);
    expect_ok(ql__store_commit(store, &err));
    ql__store_free(store);
    expect_range(dir, 0, 7, 5, &shape);
    ql_test_dir_remove(dir);
}

static void test_store_write__keeps_documents_without_chunks(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__store_stats stats;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    ql_store_document empty = {.struct_size = sizeof empty, .project = QL_STR("p"), .source_type = QL_STR("git"), .source = QL_STR("s"), .url = QL_STR("u"), .id = QL_STR("i")};
    store_fill(store, 0, 3, 3, 1, &shape);
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_replace(store, &empty, &err));
    expect_ok(ql__store_commit(store, &err));
    expect_ok(ql__store_stats_read(store, &stats, &err));
    assert_int_equal(stats.documents, 4);
    ql__store_free(store);
    expect_range(dir, 0, 3, 1, &shape);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_write__refuses_before_it_changes),
        cmocka_unit_test(test_store_write__needs_its_steps_in_order),
        cmocka_unit_test(test_store_write__replaces_twice_in_one_transaction),
        cmocka_unit_test(test_store_write__keeps_documents_without_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
