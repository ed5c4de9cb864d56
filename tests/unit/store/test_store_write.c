/*
 * Goal: the writer refuses what cannot be right before it changes anything, and its state calls tell the truth.
 * Method: wrong arguments, taken ids, steps out of order; the index is the same before and after.
 */
#include "base/limits.h"
#include "store/store_internal.h"
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

static const char *many(char c, size_t count)
{
    static char text[QL_LIMIT_URL_BYTES + 2];
    assert_true(count < sizeof text);
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

static ql_status long_url(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)chunk;
    document->url = ql_str_of(many('u', QL_LIMIT_URL_BYTES + 1));
    return QL_E_INVALID;
}

static ql_status long_id(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)chunk;
    document->id = ql_str_of(many('i', 256));
    return QL_E_INVALID;
}

static ql_status no_chunk_id(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)document;
    chunk->id = QL_STR("");
    return QL_E_INVALID;
}

static ql_status long_chunk_id(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)document;
    chunk->id = ql_str_of(many('c', 256));
    return QL_E_INVALID;
}

static ql_status many_chunks(ql_store_document *document, ql_store_chunk *chunk)
{
    (void)chunk;
    document->chunk_count = STORE_DOCUMENT_CHUNKS_MAX + 1;
    return QL_E_LIMIT;
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

/* A document that is not there yet, with the id of one that is. */
static ql_status taken_id_of_new(ql_store_document *document, ql_store_chunk *chunk)
{
    document->url = ql_str_of(many('n', 300));
    return taken_id(document, chunk);
}

static void test_store_write__refuses_before_it_changes(void **state)
{
    (void)state;
    static const spoil_fn spoil[] = {no_url, long_url, no_id, long_id, no_chunk_id, long_chunk_id, many_chunks, no_vector, long_vector, nan_vector, taken_id, taken_id_of_new};
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
    assert_int_equal(ql__store_touch(store, document.document.id, &document.document, &err), QL_E_INVALID);
    assert_int_equal(ql__store_remove(store, document.document.id, &err), QL_E_INVALID);
    assert_int_equal(ql__store_commit(store, &err), QL_E_INVALID);
    ql__store_rollback(store); /* of nothing */
    expect_ok(ql__store_begin(store, &err));
    assert_int_equal(ql__store_begin(store, &err), QL_E_INVALID);
    assert_int_equal(ql__store_compact_now(store, &err), QL_E_INVALID);
    assert_int_equal(ql__store_clear(store, &err), QL_E_INVALID);
    assert_int_equal(ql__store_touch(store, QL_STR("nobody"), &document.document, &err), QL_E_NOTFOUND);
    assert_int_equal(ql__store_remove(store, ql_str_of(many('x', 100)), &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, many('x', 64)));
    assert_null(strstr(err.message, many('x', 65)));
    ql__store_rollback(store);
    ql__store *reader = store_open(dir, false, &shape);
    assert_int_equal(ql__store_begin(reader, &err), QL_E_INVALID);
    ql__store_free(reader);
    test_document_dispose(&document);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

/* What a step left half done is not committed, whatever is called next. */
static void test_store_write__commits_nothing_after_a_failed_step(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf before = QL_BUF_INIT, after = QL_BUF_INIT;
    test_document document;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 10, 10, 1, &shape);
    store_dump_of(store, true, &before);
    test_document_make(&document, 5, 2, &shape);
    expect_ok(ql__store_begin(store, &err));
    store_put(store, 3, 2, &shape);
    ql_test_fault_ops(QL_TEST_WRITE);
    ql_test_fault_at(QL_FAULT_FILE, 0); /* the vectors */
    assert_int_equal(ql__store_replace(store, &document.document, &err), QL_E_IO);
    assert_true(ql_test_fault_clear());
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    assert_int_equal(ql__store_replace(store, &document.document, &err), QL_E_IO);
    assert_string_equal(err.message, "store: an earlier step of this transaction failed, roll back");
    assert_int_equal(ql__store_commit(store, &err), QL_E_IO);
    assert_int_equal(ql__store_commit(store, &err), QL_E_INVALID); /* it was rolled back */
    store_dump_of(store, true, &after);
    assert_true(ql_str_equal(ql_buf_str(&before), ql_buf_str(&after)));
    test_document_dispose(&document);
    ql__store_free(store);
    ql_buf_dispose(&before);
    ql_buf_dispose(&after);
    ql_test_dir_remove(dir);
}

/* A commit that failed at its sync may lie in the log all the same: the next transaction begins with the fence, which may fail too. */
static void test_store_write__fences_off_a_failed_commit(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__db *other = NULL;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 10, 10, 1, &shape);
    uint64_t generation = store->meta.generation;
    store->fence_needed = true; /* as the commit leaves it */
    ql_test_fault_ops(QL_TEST_STAT);
    ql_test_fault_at(QL_FAULT_FILE, 0); /* how long the vectors are */
    assert_int_equal(ql__store_begin(store, &err), QL_E_IO);
    assert_true(ql_test_fault_clear());
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    assert_int_equal(store->meta.generation, generation + 1);
    assert_true(store->fence_needed);
    const ql__db_options options = {.path = ql_test_path(dir, "qloader.db"), .write = true, .application_id = STORE_APPLICATION_ID, .page_bytes = STORE_PAGE_BYTES};
    expect_ok(ql__db_open(&options, &other, &err));
    expect_ok(ql__db_exec(store->db, "PRAGMA busy_timeout=0", &err));
    expect_ok(ql__db_exec(other, "BEGIN IMMEDIATE", &err));
    assert_int_equal(ql__store_begin(store, &err), QL_E_BUSY);
    assert_true(store->fence_needed);
    expect_ok(ql__db_exec(other, "ROLLBACK", &err));
    expect_ok(ql__store_begin(store, &err));
    assert_int_equal(store->meta.generation, generation + 2);
    ql__store_rollback(store);
    expect_ok(ql__db_exec(other, "BEGIN IMMEDIATE", &err));
    assert_int_equal(ql__store_begin(store, &err), QL_E_BUSY); /* without a fence */
    expect_ok(ql__db_exec(other, "ROLLBACK", &err));
    ql__db_close(other);
    ql__store_free(store);
    expect_range(dir, 0, 10, 1, &shape);
    ql_test_dir_remove(dir);
}

/* The first step after a rollback reads the last page of slots again. */
static void test_store_write__begins_again_after_a_failed_begin(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 10, 10, 1, &shape);
    expect_ok(ql__store_begin(store, &err));
    store_put(store, 3, 2, &shape);
    ql__store_rollback(store);
    ql_test_fault_ops(QL_TEST_STAT);
    ql_test_fault_at(QL_FAULT_FILE, 0);
    assert_int_equal(ql__store_begin(store, &err), QL_E_IO);
    assert_true(ql_test_fault_clear());
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    store_fill(store, 0, 10, 10, 2, &shape);
    ql__store_free(store);
    expect_range(dir, 0, 10, 2, &shape);
    ql_test_dir_remove(dir);
}

/* Whatever keeps the fence from being written: it is tried again, and nothing is left open. */
static void test_store_write__a_fence_that_fails_leaves_no_transaction(void **state)
{
    (void)state;
    static const char *const refuse[] = {"ABORT", "ROLLBACK"}; /* the statement alone; the transaction with it */
    ql_error err = {0};
    char *dir = ql_test_dir_new(), sql[160];
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 10, 10, 1, &shape);
    for (size_t i = 0; i < 2; i++) {
        uint64_t generation = store->meta.generation;
        snprintf(sql, sizeof sql, "CREATE TEMP TRIGGER refuse BEFORE UPDATE ON meta BEGIN SELECT RAISE(%s, 'no'); END", refuse[i]);
        expect_ok(ql__db_exec(store->db, sql, &err));
        assert_true(ql__store_fence(store, &err) < 0);
        assert_false(ql__db_in_transaction(store->db));
        assert_int_equal(store->meta.generation, generation);
        expect_ok(ql__db_exec(store->db, "DROP TRIGGER refuse", &err));
        expect_ok(ql__store_fence(store, &err));
        assert_int_equal(store->meta.generation, generation + 1);
    }
    ql__store_free(store);
    expect_range(dir, 0, 10, 1, &shape);
    ql_test_dir_remove(dir);
}

/* A table that is not where it was when the connection first wants it. */
static void test_store_write__a_statement_that_cannot_be_made_fails_its_step(void **state)
{
    (void)state;
    static const test_shape full = {.dims = 8, .chunks_min = 4, .chunks_max = 4, .words = 4, .vocabulary = 50, .sources = 3}; /* 256 of them fill a page of slots */
    ql_error err = {0};
    test_document document;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &full);
    store_fill(store, 0, 256, 128, 1, &full);
    test_document_make(&document, 5, 2, &full);
    for (int step = 0; step < 2; step++) {
        ql__store_free(store);
        store = store_open(dir, true, &full);
        expect_ok(ql__store_begin(store, &err));
        expect_ok(ql__db_exec(store->db, step == 0 ? "ALTER TABLE document RENAME TO elsewhere" : "ALTER TABLE slot_page RENAME TO elsewhere", &err));
        ql_status st = step == 0 ? ql__store_touch(store, document.document.id, &document.document, &err) : ql__store_replace(store, &document.document, &err);
        assert_true(st < 0 && strstr(err.message, "no such table") != NULL);
        assert_int_equal(ql__store_commit(store, &err), st);
    }
    test_document_dispose(&document);
    ql__store_free(store);
    expect_range(dir, 0, 256, 1, &full);
    ql_test_dir_remove(dir);
}

static void test_store_write__names_who_holds_an_id_in_short(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    ql_store_document holder = {.struct_size = sizeof holder, .project = QL_STR("p"), .source_type = QL_STR("git"), .source = QL_STR("s"), .url = ql_str_of(many('h', 300)), .id = QL_STR("i")};
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_replace(store, &holder, &err));
    holder.url = QL_STR("another");
    assert_int_equal(ql__store_replace(store, &holder, &err), QL_E_EXISTS);
    assert_non_null(strstr(err.message, "document id i of 'another' is held by 'hhh"));
    assert_non_null(strstr(err.message, many('h', 120)));
    assert_null(strstr(err.message, many('h', 121)));
    ql__store_rollback(store);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_write__needs_a_width_and_numbers_that_are_left(void **state)
{
    (void)state;
    ql_error err = {0};
    test_document document;
    const test_shape none = {.dims = 0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &none);
    test_document_make(&document, 5, 2, &shape);
    expect_ok(ql__store_begin(store, &err));
    assert_int_equal(ql__store_replace(store, &document.document, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "without the width"));
    document.document.chunk_count = 0;
    expect_ok(ql__store_replace(store, &document.document, &err));
    expect_ok(ql__store_commit(store, &err));
    store->fence_needed = true; /* without vectors there are none to cut off */
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_remove(store, document.document.id, &err));
    expect_ok(ql__store_commit(store, &err));
    ql__store_free(store);
    test_document_dispose(&document);
    store = store_open(dir, true, &shape);
    test_document_make(&document, 5, 2, &shape);
    expect_ok(ql__store_begin(store, &err));
    store->work.next_slot = STORE_SLOTS_MAX - document.document.chunk_count + 1;
    assert_int_equal(ql__store_replace(store, &document.document, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "compact it"));
    ql__store_rollback(store);
    test_document_dispose(&document);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

/* More postings than a transaction keeps in memory go to the tables on the way; what is found is the same as after small commits. */
static void test_store_write__large_transactions_equal_small_ones(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf large = QL_BUF_INIT, small = QL_BUF_INIT;
    const test_shape wide = {.dims = 8, .chunks_min = 4, .chunks_max = 8, .words = 100, .vocabulary = 4000, .sources = 3};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &wide);
    expect_ok(ql__store_begin(store, &err));
    bool flushed = false;
    for (uint64_t i = 0; i < 60; i++) {
        size_t before = store->pending.count;
        if (i % 20 == 19) store->pending.bytes += STORE_PENDING_BYTES_MAX; /* as if there were that much */
        store_put(store, i, 1, &wide);
        flushed = flushed || store->pending.count < before;
    }
    assert_true(flushed);
    expect_ok(ql__store_commit(store, &err));
    store_dump_of(store, true, &large);
    ql__store_free(store);
    ql_test_dir_remove(dir);
    dir = ql_test_dir_new();
    store = store_open(dir, true, &wide);
    store_fill(store, 0, 60, 10, 1, &wide);
    store_dump_of(store, true, &small);
    assert_true(large.len > 100000 && ql_str_equal(ql_buf_str(&large), ql_buf_str(&small)));
    ql__store_free(store);
    ql_buf_dispose(&large);
    ql_buf_dispose(&small);
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
        cmocka_unit_test(test_store_write__commits_nothing_after_a_failed_step),
        cmocka_unit_test(test_store_write__fences_off_a_failed_commit),
        cmocka_unit_test(test_store_write__begins_again_after_a_failed_begin),
        cmocka_unit_test(test_store_write__a_fence_that_fails_leaves_no_transaction),
        cmocka_unit_test(test_store_write__a_statement_that_cannot_be_made_fails_its_step),
        cmocka_unit_test(test_store_write__names_who_holds_an_id_in_short),
        cmocka_unit_test(test_store_write__needs_a_width_and_numbers_that_are_left),
        cmocka_unit_test(test_store_write__large_transactions_equal_small_ones),
        cmocka_unit_test(test_store_write__replaces_twice_in_one_transaction),
        cmocka_unit_test(test_store_write__keeps_documents_without_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
