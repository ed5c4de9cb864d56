/*
 * Goal: searching by codes finds what looking at every vector finds, and the fast scan agrees with the plain one.
 * Method: estimates against true dot products (bias, spread, share beyond the stated bound); a store with more chunks than the limit for
 * exact search, of clustered and of unrelated vectors, against brute force, with filters, after growth, changes and compaction.
 */
#include "store/store_codes.h"
#include "support/store_use.h"

static void block_of(uint32_t dims, uint64_t seed, unsigned char *block, float *vectors)
{
    float *scratch = malloc(ql__code_bytes(dims) * 8 * sizeof *scratch);
    memset(block, 0, ql__code_block_bytes(dims));
    for (size_t i = 0; i < QL__CODE_GROUP; i++) {
        test_vector(QL_STR("row"), seed * 64 + i, dims, vectors + i * dims);
        ql__code_put(block, i, vectors + i * dims, dims, scratch);
    }
    free(scratch);
}

static void test_store_codes__fast_scan_agrees_with_the_reference(void **state)
{
    (void)state;
    static const uint32_t widths[] = {3, 24, 64, 100, 384, 768, 1536, 3072};
    ql_error err = {0};
    ql__code_scan_fn scans[3];
    size_t scan_count = ql__code_scan_all(scans);
    print_message("%zu ways to scan\n", scan_count);
    assert_ptr_equal(scans[scan_count - 1], ql__code_scan_ref);
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        uint32_t dims = widths[w];
        unsigned char *block = malloc(ql__code_block_bytes(dims));
        float *vectors = malloc(64 * dims * sizeof *vectors), *vector = malloc(dims * sizeof *vector), fast[64], plain[64];
        for (uint64_t seed = 0; seed < 5; seed++) {
            ql__code_query query;
            block_of(dims, seed, block, vectors);
            test_vector(QL_STR("query"), seed, dims, vector);
            expect_ok(ql__code_query_new(&query, vector, dims, &err));
            ql__code_scan_ref(&query, block, 0.1f, plain);
            for (size_t way = 0; way < scan_count; way++) {
                uint64_t above = scans[way](&query, block, 0.1f, fast);
                assert_true(ql__code_reaching(fast, 0.1f) == above);
                for (size_t i = 0; i < 64; i++) assert_true(fabsf(fast[i] - plain[i]) < 1e-5f);
            }
            ql__code_query_dispose(&query);
        }
        free(block);
        free(vectors);
        free(vector);
    }
}

static void test_store_codes__estimates_are_unbiased_and_bounded(void **state)
{
    (void)state;
    enum { WIDTH = 384, BLOCKS = 40 };
    ql_error err = {0};
    unsigned char *block = malloc(ql__code_block_bytes(WIDTH));
    float *vectors = malloc(64 * WIDTH * sizeof *vectors), vector[WIDTH], upper[64];
    size_t beyond = 0, total = 0;
    double excess = 0;
    for (uint64_t seed = 0; seed < BLOCKS; seed++) {
        ql__code_query query;
        block_of(WIDTH, seed, block, vectors);
        test_vector(QL_STR("query"), seed, WIDTH, vector);
        expect_ok(ql__code_query_new(&query, vector, WIDTH, &err));
        ql__code_scan_ref(&query, block, 0, upper);
        for (size_t i = 0; i < 64; i++) {
            double truth = 0;
            for (size_t j = 0; j < WIDTH; j++) truth += (double)vector[j] * (double)vectors[i * WIDTH + j];
            beyond += truth > (double)upper[i];
            excess += (double)upper[i] - truth;
            total++;
        }
        ql__code_query_dispose(&query);
    }
    /* Spread of an estimate at 384 dimensions: sqrt(pi / 2 - 1) / sqrt(383) = 0.0386; the bound lies 3 of it above. */
    assert_true(fabs(excess / (double)total - 3 * 0.0386) < 0.004);
    assert_true(beyond * 200 < total); /* 0.13 % expected */
    free(block);
    free(vectors);
}

/* --- in a store */

#define DIMS 100
#define CHUNKS_EACH 60

/* Unit vectors round one of 40 directions, or unrelated ones. */
static void make_vector(uint64_t seed, bool clustered, float *out)
{
    float centre[DIMS];
    double sum = 0;
    test_vector(QL_STR("own"), seed, DIMS, out);
    test_vector(QL_STR("centre"), seed % 40, DIMS, centre);
    for (size_t i = 0; i < DIMS; i++) {
        if (clustered) out[i] = out[i] * 0.7f + centre[i];
        sum += (double)out[i] * (double)out[i];
    }
    for (size_t i = 0; i < DIMS; i++) out[i] = (float)((double)out[i] / sqrt(sum));
}

static void put(ql__store *store, uint64_t number, uint64_t version, bool clustered)
{
    static float vectors[CHUNKS_EACH][DIMS];
    static char ids[CHUNKS_EACH][37];
    ql_error err = {0};
    ql_store_chunk chunks[CHUNKS_EACH] = {0};
    char id[37], url[40];
    test_uuid(number, 0, id);
    snprintf(url, sizeof url, "file:///%llu", (unsigned long long)number);
    for (size_t i = 0; i < CHUNKS_EACH; i++) {
        make_vector(number * 1000 + i + version * 1000003, clustered, vectors[i]);
        test_uuid(number, i + 1, ids[i]);
        chunks[i] = (ql_store_chunk){.struct_size = sizeof chunks[i], .id = ql_str_of(ids[i]), .vector = vectors[i], .terms_text = QL_STR("text")};
    }
    ql_store_document document = {.struct_size = sizeof document, .project = number % 20 ? QL_STR("most") : QL_STR("few"), .source_type = QL_STR("git"), .source = QL_STR("s"),
                                  .url = ql_str_of(url), .id = ql_str_of(id), .chunks = chunks, .chunk_count = CHUNKS_EACH};
    expect_ok(ql__store_replace(store, &document, &err));
}

static int by_score(const void *a, const void *b)
{
    const ql__score *left = a, *right = b;
    return left->score > right->score ? -1 : left->score < right->score;
}

/* Share of the true best 10 that are found, over some queries; scores must be exact. */
static double recall(ql__store *store, const char *project, bool clustered)
{
    enum { K = 10, QUERIES = 40 };
    ql_error err = {0};
    ql__snapshot *snapshot = snapshot_open(store);
    ql__mask *mask = NULL;
    ql_filter filter = {.struct_size = sizeof filter, .project = ql_str_of(project), .since_ms = QL_TIME_UNKNOWN, .until_ms = QL_TIME_UNKNOWN};
    expect_ok(ql__snapshot_mask(snapshot, &filter, &mask, &err));
    size_t passing = mask ? ql__mask_count(mask) : ql__snapshot_chunk_count(snapshot), found = 0;
    ql__score *all = malloc(100000 * sizeof *all), hits[K];
    for (uint64_t q = 0; q < QUERIES; q++) {
        float query[DIMS];
        size_t count = 0, hit_count = 0;
        make_vector(900000000 + q, clustered, query);
        for (uint64_t slot = 0; slot < 100000; slot++)
            if (ql__snapshot_passes(snapshot, mask, slot)) all[count++].slot = slot;
        assert_int_equal(count, passing);
        expect_ok(ql__snapshot_dense_of(snapshot, query, all, count, &err));
        qsort(all, count, sizeof *all, by_score);
        expect_ok(ql__snapshot_dense(snapshot, query, mask, K, hits, &hit_count, &err));
        assert_int_equal(hit_count, K);
        for (size_t i = 0; i < K; i++)
            for (size_t j = 0; j < K; j++) found += all[i].slot == hits[j].slot && all[i].score == hits[j].score;
    }
    free(all);
    ql__mask_free(mask);
    ql__snapshot_free(snapshot);
    return (double)found / (K * QUERIES);
}

static void check_store(bool clustered)
{
    ql_error err = {0};
    static const test_shape shape = {.dims = DIMS};
    char *dir = ql_test_dir_new();
    ql__store *writer = store_open(dir, true, &shape), *reader = store_open(dir, false, &shape);
    for (uint64_t number = 0; number < 160;) { /* 9,600 chunks, commits of 420 */
        expect_ok(ql__store_begin(writer, &err));
        for (int i = 0; i < 7 && number < 160; i++) put(writer, number++, 1, clustered);
        expect_ok(ql__store_commit(writer, &err));
    }
    assert_true(recall(reader, "", clustered) >= 0.99);
    assert_true(recall(reader, "most", clustered) >= 0.99); /* 9,120 pass: codes */
    assert_true(recall(reader, "few", clustered) == 1.0);   /* 480 pass: every one is looked at */
    expect_ok(ql__store_begin(writer, &err));
    for (uint64_t number = 3; number < 30; number++) put(writer, number, 2, clustered); /* the reader's codes grow, others die */
    expect_ok(ql__store_commit(writer, &err));
    assert_true(recall(reader, "", clustered) >= 0.99);
    expect_ok(ql__store_compact_now(writer, &err));
    assert_true(recall(reader, "", clustered) >= 0.99);
    expect_ok(ql__store_begin(writer, &err));
    put(writer, 500, 1, clustered);
    expect_ok(ql__store_commit(writer, &err));
    assert_true(recall(reader, "", clustered) >= 0.99);
    ql__store_free(reader);
    ql__store_free(writer);
    ql_test_dir_remove(dir);
}

static void test_store_codes__find_clustered_vectors(void **state)
{
    (void)state;
    check_store(true);
}

static void test_store_codes__find_unrelated_vectors(void **state)
{
    (void)state;
    check_store(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_codes__fast_scan_agrees_with_the_reference),
        cmocka_unit_test(test_store_codes__estimates_are_unbiased_and_bounded),
        cmocka_unit_test(test_store_codes__find_clustered_vectors),
        cmocka_unit_test(test_store_codes__find_unrelated_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
