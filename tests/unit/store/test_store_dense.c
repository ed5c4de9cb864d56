/*
 * Goal: dense search is exact, with any filter, and independent of the order of slots.
 * Method: brute force over vectors made again from chunk ids; filters applied afterwards by hand.
 */
#include "support/store_use.h"

static const test_shape shape = {.dims = 50, .chunks_min = 0, .chunks_max = 6, .words = 20, .vocabulary = 300, .sources = 3};
#define DOCUMENTS 120

typedef struct candidate {
    double score;
    char id[37];
} candidate;

static int by_rank(const void *a, const void *b)
{
    const candidate *left = a, *right = b;
    if (left->score != right->score) return left->score > right->score ? -1 : 1;
    return strcmp(left->id, right->id);
}

static bool passes(const ql_store_document *document, const ql_filter *filter)
{
    if (!filter) return true;
    if (filter->project.len && !ql_str_equal(filter->project, document->project)) return false;
    if (filter->source_type.len && !ql_str_equal(filter->source_type, document->source_type)) return false;
    if (filter->source.len && !ql_str_equal(filter->source, document->source)) return false;
    if (filter->since_ms != QL_TIME_UNKNOWN && (document->updated_at_ms == QL_TIME_UNKNOWN || document->updated_at_ms < filter->since_ms)) return false;
    if (filter->until_ms != QL_TIME_UNKNOWN && (document->updated_at_ms == QL_TIME_UNKNOWN || document->updated_at_ms > filter->until_ms)) return false;
    ql_str prefix = filter->path_prefix, path = {document->url.ptr + strlen("file:///data/"), document->url.len - strlen("file:///data/")};
    if (prefix.len == 0) return true;
    bool in_path = path.len >= prefix.len && memcmp(path.ptr, prefix.ptr, prefix.len) == 0;
    bool in_url = document->url.len >= prefix.len && memcmp(document->url.ptr, prefix.ptr, prefix.len) == 0;
    return in_path || in_url;
}

static size_t brute_force(const float *query, const ql_filter *filter, candidate *out)
{
    size_t count = 0;
    for (uint64_t number = 0; number < DOCUMENTS; number++) {
        test_document document;
        test_document_make(&document, number, 1, &shape);
        for (size_t i = 0; passes(&document.document, filter) && i < document.document.chunk_count; i++) {
            const ql_store_chunk *chunk = &document.document.chunks[i];
            double sum = 0;
            for (uint32_t j = 0; j < shape.dims; j++) sum += (double)query[j] * (double)chunk->vector[j];
            out[count].score = sum;
            memcpy(out[count++].id, chunk->id.ptr, 37);
        }
        test_document_dispose(&document);
    }
    qsort(out, count, sizeof *out, by_rank);
    return count;
}

static void check_filter(ql__snapshot *snapshot, const ql_filter *filter, uint64_t seed)
{
    enum { K = 12 };
    static candidate expected[DOCUMENTS * 6];
    ql_error err = {0};
    float query[50];
    ql__mask *mask = NULL;
    ql__score hits[K], again[K];
    size_t hit_count = 0;
    struct ql_arena arena;
    ql__arena_init(&arena.arena, 0);
    test_vector(QL_STR("a query"), seed, shape.dims, query);
    size_t count = brute_force(query, filter, expected);
    expect_ok(ql__snapshot_mask(snapshot, filter, &mask, &err));
    if (mask) assert_int_equal(ql__mask_count(mask), count);
    expect_ok(ql__snapshot_dense(snapshot, query, mask, K, hits, &hit_count, &err));
    assert_int_equal(hit_count, count < K ? count : K);
    for (size_t i = 0; i < hit_count; i++) {
        ql_stored_chunk chunk;
        expect_ok(ql__snapshot_chunk(snapshot, hits[i].slot, &arena, &chunk, &err));
        assert_true(strncmp(chunk.id.ptr, expected[i].id, 36) == 0);
        assert_true(fabs((double)hits[i].score - expected[i].score) < 1e-5);
        again[i] = (ql__score){.slot = hits[i].slot};
    }
    expect_ok(ql__snapshot_dense_of(snapshot, query, again, hit_count, &err));
    for (size_t i = 0; i < hit_count; i++) assert_true(again[i].score == hits[i].score);
    ql__mask_free(mask);
    ql__arena_dispose(&arena.arena);
}

#define NO_FILTER {.struct_size = sizeof(ql_filter), .since_ms = QL_TIME_UNKNOWN, .until_ms = QL_TIME_UNKNOWN}

static void test_store_dense__finds_what_brute_force_finds(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, DOCUMENTS, 13, 7, &shape); /* older versions leave dead slots */
    store_fill(store, 0, DOCUMENTS, 17, 1, &shape);
    ql__snapshot *snapshot = snapshot_open(store);
    for (uint64_t seed = 0; seed < 10; seed++) check_filter(snapshot, NULL, seed);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_dense__filters_inside_like_brute_force_after(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, DOCUMENTS, 13, 7, &shape);
    store_fill(store, 0, DOCUMENTS, 17, 1, &shape);
    ql__snapshot *snapshot = snapshot_open(store);
    ql_filter filters[] = {NO_FILTER, NO_FILTER, NO_FILTER, NO_FILTER, NO_FILTER, NO_FILTER, NO_FILTER, NO_FILTER};
    filters[0].project = QL_STR("project1");
    filters[1].source_type = QL_STR("git");
    filters[2].source = QL_STR("source2");
    filters[3].path_prefix = QL_STR("folder3/");
    filters[4].path_prefix = QL_STR("file:///data/folder1/document-1");
    filters[5].since_ms = 1700000000000 + 40 * 1000;
    filters[6].until_ms = 1700000000000 + 40 * 1000;
    filters[6].since_ms = 1700000000000 + 10 * 1000;
    filters[7].project = QL_STR("project0");
    filters[7].source_type = QL_STR("localfile");
    filters[7].path_prefix = QL_STR("folder2");
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        for (uint64_t seed = 0; seed < 3; seed++) check_filter(snapshot, &filters[i], seed);
    ql_filter nothing = NO_FILTER;
    nothing.project = QL_STR("project");
    check_filter(snapshot, &nothing, 1);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_dense__refuses_a_zero_query(void **state)
{
    (void)state;
    ql_error err = {0};
    float query[50] = {0};
    ql__score hit;
    size_t count = 0;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 5, 5, 1, &shape);
    ql__snapshot *snapshot = snapshot_open(store);
    assert_int_equal(ql__snapshot_dense(snapshot, query, NULL, 1, &hit, &count, &err), QL_E_INVALID);
    query[3] = NAN;
    assert_int_equal(ql__snapshot_dense(snapshot, query, NULL, 1, &hit, &count, &err), QL_E_INVALID);
    ql__score beyond = {.slot = 1000000};
    query[3] = 1;
    assert_int_equal(ql__snapshot_dense_of(snapshot, query, &beyond, 1, &err), QL_E_INVALID);
    assert_null(ql__snapshot_vector(snapshot, 1000000));
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_dense__finds_what_brute_force_finds),
        cmocka_unit_test(test_store_dense__filters_inside_like_brute_force_after),
        cmocka_unit_test(test_store_dense__refuses_a_zero_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
