/*
 * Goal: merging and compaction change nothing that can be seen, and give space back.
 * Method: dumps before and after; the same documents in other orders and batches must give the same dump and the same search results.
 */
#include <sys/stat.h>

#include "store/store_internal.h"
#include "support/store_use.h"

static const test_shape shape = {.dims = 24, .chunks_min = 0, .chunks_max = 6, .words = 60, .vocabulary = 2000, .sources = 3};
#define DOCUMENTS 150

static void expect_same(ql_buf *a, ql_buf *b)
{
    assert_true(a->len > 10000);
    assert_true(ql_str_equal(ql_buf_str(a), ql_buf_str(b)));
}

static void test_store_merge__compaction_keeps_content_and_gives_space_back(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf before = QL_BUF_INIT, after = QL_BUF_INIT;
    ql__store_stats full, small;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    for (uint64_t version = 1; version <= 4; version++) store_fill(store, 0, DOCUMENTS, 11, version, &shape);
    expect_ok(ql__store_begin(store, &err));
    for (uint64_t i = 0; i < 50; i++) store_drop(store, i * 3);
    expect_ok(ql__store_commit(store, &err));
    store_dump_of(store, true, &before);
    expect_ok(ql__store_stats_read(store, &full, &err));
    expect_ok(ql__store_compact_now(store, &err));
    store_dump_of(store, true, &after);
    expect_same(&before, &after);
    expect_ok(ql__store_stats_read(store, &small, &err));
    assert_true(small.vector_bytes * 3 < full.vector_bytes);
    assert_false(ql_test_file_exists(ql_test_path(dir, "vectors-000001.qlv")));
    store_fill(store, 200, 20, 7, 1, &shape); /* goes on from there */
    expect_ok(ql__store_compact_now(store, &err));
    store_dump_of(store, true, &before);
    ql__store_free(store);
    store = store_open(dir, true, &shape);
    store_dump_of(store, true, &after);
    expect_same(&before, &after);
    ql__store_free(store);
    ql_buf_dispose(&before);
    ql_buf_dispose(&after);
    ql_test_dir_remove(dir);
}

static void test_store_merge__compacts_only_when_it_pays(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 40, 10, 1, &shape);
    store_fill(store, 0, 40, 10, 2, &shape);
    expect_ok(ql__store_compact(store, &err));
    assert_true(ql_test_file_exists(ql_test_path(dir, "vectors-000001.qlv")));
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

/* Rank lists of some queries as text: chunk ids and exact scores. */
static void search_all(ql__store *store, ql_buf *out)
{
    enum { K = 10 };
    ql_error err = {0};
    struct ql_arena arena;
    ql__snapshot *snapshot = snapshot_open(store);
    ql__arena_init(&arena.arena, 0);
    for (uint32_t query = 0; query < 20; query++) {
        ql__score hits[2 * K];
        size_t dense = 0, sparse = 0;
        float vector[24], weights[3] = {1, 1, 0.5f};
        char words[3][16];
        ql_str terms[3];
        for (uint32_t i = 0; i < 3; i++) {
            test_word(query * (i + 1) * 3 + i, words[i]);
            terms[i] = ql_str_of(words[i]);
        }
        test_vector(QL_STR("query"), query, shape.dims, vector);
        expect_ok(ql__snapshot_dense(snapshot, vector, NULL, K, hits, &dense, &err));
        expect_ok(ql__snapshot_sparse(snapshot, terms, weights, 3, NULL, K, hits + dense, &sparse, &err));
        for (size_t i = 0; i < dense + sparse; i++) {
            ql_stored_chunk chunk;
            uint32_t bits;
            expect_ok(ql__snapshot_chunk(snapshot, hits[i].slot, &arena, &chunk, &err));
            memcpy(&bits, &hits[i].score, sizeof bits);
            ql_buf_printf(out, "%.*s %08x\n", (int)chunk.id.len, chunk.id.ptr, bits);
        }
    }
    ql__arena_dispose(&arena.arena);
    ql__snapshot_free(snapshot);
}

static void build(int way, ql_buf *dump, ql_buf *found)
{
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    if (way == 0) store_fill(store, 0, DOCUMENTS, DOCUMENTS, 1, &shape);
    if (way == 1) store_fill(store, 0, DOCUMENTS, 1, 1, &shape);
    if (way == 2) /* backwards, in pairs */
        for (uint64_t i = DOCUMENTS; i > 0; i -= 2) store_fill(store, i - 2, 2, 2, 1, &shape);
    if (way == 3) { /* with other versions and documents before, and compaction between */
        store_fill(store, 30, DOCUMENTS, 13, 9, &shape);
        store_fill(store, 50, DOCUMENTS - 50, 17, 1, &shape);
        expect_ok(ql__store_compact_now(store, &err));
        store_fill(store, 0, 50, 5, 1, &shape);
        expect_ok(ql__store_begin(store, &err));
        for (uint64_t i = DOCUMENTS; i < DOCUMENTS + 30; i++) store_drop(store, i);
        expect_ok(ql__store_commit(store, &err));
    }
    store_dump_of(store, true, dump);
    search_all(store, found);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_merge__order_and_batches_do_not_matter(void **state)
{
    (void)state;
    ql_buf dumps[4], found[4];
    for (int way = 0; way < 4; way++) {
        dumps[way] = found[way] = QL_BUF_INIT;
        build(way, &dumps[way], &found[way]);
        expect_same(&dumps[0], &dumps[way]);
        assert_string_equal(ql_buf_cstr(&found[0]), ql_buf_cstr(&found[way])); /* to the last bit of the scores */
    }
    for (int way = 0; way < 4; way++) {
        ql_buf_dispose(&dumps[way]);
        ql_buf_dispose(&found[way]);
    }
}

/* `count` documents of one chunk with one term, twice in each: two bytes of postings a document. */
static void put_walruses(ql__store *store, uint64_t first, uint64_t count)
{
    static const test_shape single = {.dims = 8, .chunks_min = 1, .chunks_max = 1, .words = 4, .vocabulary = 50, .sources = 3};
    ql_error err = {0};
    expect_ok(ql__store_begin(store, &err));
    for (uint64_t i = first; i < first + count; i++) {
        test_document document;
        test_document_make(&document, i, 1, &single);
        ((ql_store_chunk *)(uintptr_t)document.document.chunks)[0].terms_text = QL_STR("walrus walrus");
        expect_ok(ql__store_replace(store, &document.document, &err));
        test_document_dispose(&document);
    }
}

/* A term whose last block is full to the byte, or fills up on the way, gets another one, and keeps what it has. */
static void goes_on_behind_a_full_block(uint64_t before, uint64_t more)
{
    static const test_shape single = {.dims = 8};
    ql_error err = {0};
    ql__stmt *stmt = NULL;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &single);
    const uint64_t full = QL__BLOCK_BYTES / 2;
    for (int part = 0; part < 2; part++) {
        put_walruses(store, part == 0 ? 0 : before, part == 0 ? before : more);
        expect_ok(ql__store_postings_flush(store, &err));
        expect_ok(ql__store_commit(store, &err));
    }
    expect_ok(ql__db_prepare(store->db, "SELECT first_slot,last_slot,count,length(data) FROM posting ORDER BY first_slot", &stmt, &err));
    for (int block = 0; block < 2; block++) {
        assert_int_equal(ql__stmt_step(stmt, &err), QL_OK);
        assert_int_equal(ql__stmt_int(stmt, 0), block == 0 ? 0 : full);
        assert_int_equal(ql__stmt_int(stmt, 1), block == 0 ? full - 1 : before + more - 1);
        assert_int_equal(ql__stmt_int(stmt, 2), block == 0 ? full : before + more - full);
        assert_int_equal(ql__stmt_int(stmt, 3), block == 0 ? QL__BLOCK_BYTES : 2 * (before + more - full));
    }
    assert_int_equal(ql__stmt_step(stmt, &err), QL_DONE);
    ql__stmt_free(stmt);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_merge__goes_on_behind_a_full_block(void **state)
{
    (void)state;
    goes_on_behind_a_full_block(QL__BLOCK_BYTES / 2, 5);
    goes_on_behind_a_full_block(QL__BLOCK_BYTES / 2 - 10, 20);
}

/* The log of small segments is for small commits. */
static void test_store_merge__merges_a_large_commit_at_once(void **state)
{
    (void)state;
    static const test_shape single = {.dims = 8};
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &single);
    for (int large = 0; large < 2; large++) {
        ql__stmt *stmt = NULL;
        put_walruses(store, (uint64_t)large, 1);
        if (large) store->pending.bytes += STORE_LOG_BYTES_MAX; /* as if there were that much */
        expect_ok(ql__store_commit(store, &err));
        expect_ok(ql__db_prepare(store->db, "SELECT (SELECT count(*) FROM posting_log),(SELECT total(count) FROM posting)", &stmt, &err));
        assert_int_equal(ql__stmt_step(stmt, &err), QL_OK);
        assert_int_equal(ql__stmt_int(stmt, 0), large ? 0 : 1);
        assert_int_equal(ql__stmt_int(stmt, 1), large ? 2 : 0);
        ql__stmt_free(stmt);
    }
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_merge__survives_every_failing_allocation(void **state)
{
    (void)state;
    static const test_shape single = {.dims = 8};
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    bool fired = true;
    ql_test_alloc_install();
    ql__store *store = store_open(dir, true, &single);
    for (long n = 0; fired; n++) {
        put_walruses(store, 0, 3);
        ql_test_fault_at(QL_FAULT_ALLOC, n);
        ql_status st = ql__store_postings_flush(store, &err);
        fired = ql_test_fault_clear();
        assert_int_equal(st, fired ? QL_E_NOMEM : QL_OK);
        if (fired) ql__store_rollback(store);
        else expect_ok(ql__store_commit(store, &err));
    }
    assert_int_equal(store->meta.live_chunks, 3);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_merge__compaction_keeps_content_and_gives_space_back),
        cmocka_unit_test(test_store_merge__compacts_only_when_it_pays),
        cmocka_unit_test(test_store_merge__order_and_batches_do_not_matter),
        cmocka_unit_test(test_store_merge__goes_on_behind_a_full_block),
        cmocka_unit_test(test_store_merge__merges_a_large_commit_at_once),
        cmocka_unit_test(test_store_merge__survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
