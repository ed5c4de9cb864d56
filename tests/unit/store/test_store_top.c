/*
 * Goal: the best k are the same whatever order the slots come in; equal scores are ordered by public id, also where the first eight
 * bytes of the ids are equal.
 * Method: a store whose chunks all have the same text and vector, with ids that differ late, written in two orders.
 */
#include "support/store_use.h"

#define COUNT 40
static const test_shape shape = {.dims = 16, .chunks_min = 1, .chunks_max = 1, .words = 10, .vocabulary = 50, .sources = 1};

static void fill(ql__store *store, bool backwards)
{
    ql_error err = {0};
    float vector[16] = {1};
    expect_ok(ql__store_begin(store, &err));
    for (int i = 0; i < COUNT; i++) {
        int number = backwards ? COUNT - 1 - i : i;
        char id[40], chunk_id[40], url[40];
        snprintf(id, sizeof id, "document-%d", number);
        snprintf(chunk_id, sizeof chunk_id, "same-start-%c-%02d", number % 2 ? 'a' : 'b', number);
        snprintf(url, sizeof url, "file:///%d", number);
        ql_store_chunk chunk = {.struct_size = sizeof chunk, .id = ql_str_of(chunk_id), .vector = vector, .terms_text = QL_STR("zebra zebra quux")};
        ql_store_document document = {.struct_size = sizeof document, .project = QL_STR("p"), .source_type = QL_STR("localfile"), .source = QL_STR("s"), .url = ql_str_of(url),
                                      .id = ql_str_of(id), .chunks = &chunk, .chunk_count = 1};
        expect_ok(ql__store_replace(store, &document, &err));
    }
    expect_ok(ql__store_commit(store, &err));
}

static void ids_of(ql__snapshot *snapshot, const ql__score *hits, size_t count, char out[][24])
{
    ql_error err = {0};
    struct ql_arena arena;
    ql__arena_init(&arena.arena, 0);
    for (size_t i = 0; i < count; i++) {
        ql_stored_chunk chunk;
        expect_ok(ql__snapshot_chunk(snapshot, hits[i].slot, &arena, &chunk, &err));
        snprintf(out[i], 24, "%.*s", (int)chunk.id.len, chunk.id.ptr);
    }
    ql__arena_dispose(&arena.arena);
}

static void test_store_top__orders_ties_by_id(void **state)
{
    (void)state;
    enum { K = 25 };
    ql_error err = {0};
    char found[2][K][24];
    for (int order = 0; order < 2; order++) {
        char *dir = ql_test_dir_new();
        ql__score hits[K];
        size_t count = 0;
        float query[16] = {1}, weight = 1;
        ql_str term = QL_STR("zebra");
        ql__store *store = store_open(dir, true, &shape);
        fill(store, order == 1);
        ql__snapshot *snapshot = snapshot_open(store);
        expect_ok(ql__snapshot_dense(snapshot, query, NULL, K, hits, &count, &err));
        assert_int_equal(count, K);
        ids_of(snapshot, hits, count, found[order]);
        for (size_t i = 1; i < K; i++) assert_true(strcmp(found[order][i - 1], found[order][i]) < 0);
        assert_string_equal(found[order][0], "same-start-a-01");
        expect_ok(ql__snapshot_sparse(snapshot, &term, &weight, 1, NULL, K, hits, &count, &err));
        assert_int_equal(count, K);
        char sparse[K][24];
        ids_of(snapshot, hits, count, sparse);
        assert_memory_equal(sparse[0], found[order][0], 16);
        for (size_t i = 1; i < K; i++) assert_true(strcmp(sparse[i - 1], sparse[i]) < 0);
        ql__snapshot_free(snapshot);
        ql__store_free(store);
        ql_test_dir_remove(dir);
    }
    for (size_t i = 0; i < K; i++) assert_string_equal(found[0][i], found[1][i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_store_top__orders_ties_by_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
