/*
 * Goal: BM25 is what its formula says, over exactly the live chunks, however the index came about.
 * Method: a plain reference that counts words of all live texts and scores every chunk, against the index after commits of several
 * sizes, replacements, removals and compaction.
 */
#include <math.h>

#include "support/store_use.h"
#include "text/analyze.h"

static const test_shape shape = {.dims = 24, .chunks_min = 0, .chunks_max = 6, .words = 40, .vocabulary = 400, .sources = 3};

typedef struct reference_chunk {
    char id[37];
    char *terms; /* "\nterm\nterm\n" */
    double length;
} reference_chunk;

typedef struct reference {
    reference_chunk *chunks;
    size_t count;
    double length;
} reference;

typedef struct term_list {
    ql_buf text;
    double length;
} term_list;

static int keep_term(void *user, ql_str term)
{
    term_list *list = user;
    ql_buf_append(&list->text, term);
    ql_buf_append_char(&list->text, '\n');
    list->length++;
    return 0;
}

static void reference_add(reference *self, uint64_t number, uint64_t version)
{
    ql_error err = {0};
    ql__analyzer *analyzer = NULL;
    test_document document;
    expect_ok(ql__analyzer_new(&analyzer, &err));
    test_document_make(&document, number, version, &shape);
    for (size_t i = 0; i < document.document.chunk_count; i++) {
        const ql_store_chunk *chunk = &document.document.chunks[i];
        term_list list = {.text = QL_BUF_INIT};
        ql_buf_append_char(&list.text, '\n');
        expect_ok(ql__analyzer_run(analyzer, chunk->terms_text, keep_term, &list, &err));
        self->chunks = realloc(self->chunks, (self->count + 1) * sizeof *self->chunks);
        reference_chunk *to = &self->chunks[self->count++];
        memcpy(to->id, chunk->id.ptr, 37);
        to->terms = strdup(ql_buf_cstr(&list.text));
        to->length = list.length;
        self->length += list.length;
        ql_buf_dispose(&list.text);
    }
    test_document_dispose(&document);
    ql__analyzer_free(analyzer);
}

static void reference_free(reference *self)
{
    for (size_t i = 0; i < self->count; i++) free(self->chunks[i].terms);
    free(self->chunks);
}

static double count_of(const reference_chunk *chunk, const char *term)
{
    char pattern[64];
    double count = 0;
    snprintf(pattern, sizeof pattern, "\n%s\n", term);
    for (const char *at = chunk->terms; (at = strstr(at, pattern)) != NULL; at++) count++;
    return count;
}

static double reference_df(const reference *self, const char *term)
{
    double df = 0;
    for (size_t i = 0; i < self->count; i++) df += count_of(&self->chunks[i], term) > 0;
    return df;
}

static double reference_score(const reference *self, const reference_chunk *chunk, const char (*terms)[16], const float *weights, const double *dfs, size_t count)
{
    double score = 0, average = self->length / (double)self->count, live = (double)self->count;
    for (size_t i = 0; i < count; i++) {
        double tf = count_of(chunk, terms[i]), idf = log(1 + (live - dfs[i] + 0.5) / (dfs[i] + 0.5));
        score += idf * (double)weights[i] * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * chunk->length / average));
    }
    return score;
}

static int by_score(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left > right ? -1 : left < right;
}

static void check_query(ql__snapshot *snapshot, const reference *expected, const char (*words)[16], const float *weights, size_t count)
{
    enum { K = 15 };
    ql_error err = {0};
    ql_str terms[8];
    double dfs[8];
    ql__score hits[K];
    size_t hit_count = 0, matching = 0;
    struct ql_arena arena;
    double *scores = calloc(expected->count + 1, sizeof *scores);
    ql__arena_init(&arena.arena, 0);
    for (size_t i = 0; i < count; i++) {
        terms[i] = ql_str_of(words[i]);
        dfs[i] = reference_df(expected, words[i]);
    }
    uint64_t found_dfs[8] = {0};
    expect_ok(ql__snapshot_dfs(snapshot, terms, weights, count, found_dfs, &err));
    for (size_t i = 0; i < count; i++) assert_int_equal(found_dfs[i], (uint64_t)dfs[i]);
    for (size_t i = 0; i < expected->count; i++) {
        scores[i] = reference_score(expected, &expected->chunks[i], words, weights, dfs, count);
        matching += scores[i] > 0;
    }
    expect_ok(ql__snapshot_sparse(snapshot, terms, weights, count, NULL, K, hits, &hit_count, &err));
    assert_int_equal(hit_count, matching < K ? matching : K);
    for (size_t i = 0; i < hit_count; i++) { /* each hit has its chunk's score */
        ql_stored_chunk chunk;
        expect_ok(ql__snapshot_chunk(snapshot, hits[i].slot, &arena, &chunk, &err));
        size_t at = 0;
        while (at < expected->count && strncmp(expected->chunks[at].id, chunk.id.ptr, 36) != 0) at++;
        assert_true(at < expected->count);
        assert_true(fabs((double)hits[i].score - scores[at]) < 1e-4);
        if (i > 0) assert_true(hits[i - 1].score >= hits[i].score);
    }
    qsort(scores, expected->count, sizeof *scores, by_score);
    for (size_t i = 0; i < hit_count; i++) assert_true(fabs((double)hits[i].score - scores[i]) < 1e-4); /* and no better one is missing */
    ql__score again[K];
    for (size_t i = 0; i < hit_count; i++) again[i] = (ql__score){.slot = hits[hit_count - 1 - i].slot};
    expect_ok(ql__snapshot_sparse_of(snapshot, terms, weights, count, again, hit_count, &err));
    for (size_t i = 0; i < hit_count; i++) assert_true(again[i].score == hits[hit_count - 1 - i].score);
    ql__arena_dispose(&arena.arena);
    free(scores);
}

static void check_all(const char *dir, const reference *expected)
{
    static const uint32_t ranks[] = {0, 1, 3, 10, 33, 100, 399, 5000};
    ql__store *store = store_open(dir, false, &shape);
    ql__snapshot *snapshot = snapshot_open(store);
    assert_int_equal(ql__snapshot_chunk_count(snapshot), expected->count);
    for (size_t round = 0; round < 12; round++) {
        char words[4][16];
        float weights[4];
        size_t count = 1 + round % 4;
        for (size_t i = 0; i < count; i++) {
            test_word(ranks[(round * 3 + i) % 8] + (uint32_t)round, words[i]);
            weights[i] = i == 1 ? 0.5f : 1.0f;
        }
        check_query(snapshot, expected, (const char(*)[16])words, weights, count);
    }
    ql__snapshot_free(snapshot);
    ql__store_free(store);
}

static void fill_and_check(uint64_t batch, bool change, bool compact)
{
    ql_error err = {0};
    reference expected = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 150, batch, 1, &shape);
    if (change) {
        store_fill(store, 50, 50, batch, 2, &shape);
        expect_ok(ql__store_begin(store, &err));
        for (uint64_t i = 0; i < 30; i++) store_drop(store, i);
        expect_ok(ql__store_commit(store, &err));
    }
    if (compact) expect_ok(ql__store_compact_now(store, &err));
    ql__store_free(store);
    for (uint64_t i = change ? 30 : 0; i < 150; i++) reference_add(&expected, i, change && i >= 50 && i < 100 ? 2 : 1);
    check_all(dir, &expected);
    reference_free(&expected);
    ql_test_dir_remove(dir);
}

static void test_store_sparse__scores_like_the_reference(void **state)
{
    (void)state;
    fill_and_check(150, false, false);
    fill_and_check(1, false, false); /* the log is merged twice */
    fill_and_check(40, false, false);
}

static void test_store_sparse__counts_live_chunks_only(void **state)
{
    (void)state;
    fill_and_check(150, true, false);
    fill_and_check(7, true, false);
}

static void test_store_sparse__scores_the_same_after_compaction(void **state)
{
    (void)state;
    fill_and_check(13, true, true);
}

static void test_store_sparse__refuses_bad_weights_and_skips_zero(void **state)
{
    (void)state;
    ql_error err = {0};
    char word[16];
    char *dir = ql_test_dir_new();
    ql__score hits[4];
    size_t count = 9;
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 20, 20, 1, &shape);
    ql__snapshot *snapshot = snapshot_open(store);
    test_word(0, word);
    ql_str term = ql_str_of(word);
    float weight = -1;
    assert_int_equal(ql__snapshot_sparse(snapshot, &term, &weight, 1, NULL, 4, hits, &count, &err), QL_E_INVALID);
    weight = NAN;
    assert_int_equal(ql__snapshot_sparse(snapshot, &term, &weight, 1, NULL, 4, hits, &count, &err), QL_E_INVALID);
    weight = 0;
    expect_ok(ql__snapshot_sparse(snapshot, &term, &weight, 1, NULL, 4, hits, &count, &err));
    assert_int_equal(count, 0);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_sparse__scores_like_the_reference),
        cmocka_unit_test(test_store_sparse__counts_live_chunks_only),
        cmocka_unit_test(test_store_sparse__scores_the_same_after_compaction),
        cmocka_unit_test(test_store_sparse__refuses_bad_weights_and_skips_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
