/* Steps that every test of the store needs: open, put, commit, dump; each asserts that it worked. */
#ifndef QL_TEST_STORE_USE_H
#define QL_TEST_STORE_USE_H

#include "support/store_docs.h"
#include "support/testing.h"

static inline void expect_ok_at(ql_status st, const ql_error *err, const char *file, int line)
{
    if (st != QL_OK) {
        print_error("%s:%d: %s: %s\n", file, line, ql_status_name(st), err->message);
        fail();
    }
}
#define expect_ok(call) expect_ok_at((call), &err, __FILE__, __LINE__)

static inline ql__store *store_open(const char *dir, bool write, const test_shape *shape)
{
    ql_error err = {0};
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir, .collection = "docs", .write = write, .dims = shape->dims, .model = "test-model", .sys = ql_test_sys()};
    expect_ok(ql__store_open(&options, &store, &err));
    return store;
}

static inline void store_put(ql__store *store, uint64_t number, uint64_t version, const test_shape *shape)
{
    ql_error err = {0};
    test_document document;
    test_document_make(&document, number, version, shape);
    expect_ok(ql__store_replace(store, &document.document, &err));
    test_document_dispose(&document);
}

static inline void store_drop(ql__store *store, uint64_t number)
{
    ql_error err = {0};
    char id[37];
    test_uuid(number, 0, id);
    expect_ok(ql__store_remove(store, ql_str_of(id), &err));
}

/* Documents first..first + count - 1 in commits of `batch`. */
static inline void store_fill(ql__store *store, uint64_t first, uint64_t count, uint64_t batch, uint64_t version, const test_shape *shape)
{
    ql_error err = {0};
    for (uint64_t i = first; i < first + count;) {
        expect_ok(ql__store_begin(store, &err));
        for (uint64_t j = 0; j < batch && i < first + count; j++) store_put(store, i++, version, shape);
        expect_ok(ql__store_commit(store, &err));
    }
}

static inline int store_dump_line(void *user, ql_str line)
{
    ql_buf_append(user, line);
    ql_buf_append_char(user, '\n');
    return 0;
}

/* Replaces out's content. */
static inline void store_dump_of(ql__store *store, bool vectors, ql_buf *out)
{
    ql_error err = {0};
    ql_buf_clear(out);
    expect_ok(ql__store_dump(store, vectors, store_dump_line, out, &err));
    assert_int_equal(out->status, QL_OK);
}

static inline ql__snapshot *snapshot_open(ql__store *store)
{
    ql_error err = {0};
    ql__snapshot *snapshot = NULL;
    expect_ok(ql__snapshot_open(store, &snapshot, &err));
    return snapshot;
}

static inline uint64_t chunks_of(uint64_t number, uint64_t version, const test_shape *shape)
{
    test_document document;
    test_document_make(&document, number, version, shape);
    uint64_t count = document.document.chunk_count;
    test_document_dispose(&document);
    return count;
}

/* Every chunk of (number, version) is the nearest to its own vector and has its text. */
static inline void expect_document(ql__snapshot *snapshot, uint64_t number, uint64_t version, const test_shape *shape)
{
    ql_error err = {0};
    test_document document;
    struct ql_arena arena;
    ql__arena_init(&arena.arena, 0);
    test_document_make(&document, number, version, shape);
    for (size_t i = 0; i < document.document.chunk_count; i++) {
        const ql_store_chunk *want = &document.document.chunks[i];
        ql_stored_chunk have;
        ql__score score;
        size_t count = 0;
        expect_ok(ql__snapshot_dense(snapshot, want->vector, NULL, 1, &score, &count, &err));
        assert_int_equal(count, 1);
        assert_true(score.score > 0.9999f);
        expect_ok(ql__snapshot_chunk(snapshot, score.slot, &arena, &have, &err));
        assert_true(ql_str_equal(have.id, want->id));
        assert_true(ql_str_equal(have.text, want->chunk.text));
        assert_true(ql_str_equal(have.url, document.document.url));
        assert_true(ql_str_equal(have.document_metadata_json, document.document.metadata_json));
        assert_int_equal(have.chunk_index, i);
        assert_int_equal(have.chunk_count, document.document.chunk_count);
        assert_true(have.created_at_ms == QL_TIME_UNKNOWN);
        assert_true(have.updated_at_ms == document.document.updated_at_ms);
        assert_int_equal(have.source_end, want->chunk.source_end);
    }
    test_document_dispose(&document);
    ql__arena_dispose(&arena.arena);
}

/* The index in dir holds documents first..first + count - 1 in this version, and nothing else. */
static inline void expect_range(const char *dir, uint64_t first, uint64_t count, uint64_t version, const test_shape *shape)
{
    ql__store *store = store_open(dir, false, shape);
    ql__snapshot *snapshot = snapshot_open(store);
    uint64_t chunks = 0;
    for (uint64_t i = first; i < first + count; i++) {
        expect_document(snapshot, i, version, shape);
        chunks += chunks_of(i, version, shape);
    }
    assert_int_equal(ql__snapshot_chunk_count(snapshot), chunks);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
}

#endif
