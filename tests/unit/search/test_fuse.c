/* Goal: the rule of fusion holds what its header says: trust by how a text is cut, weights that sum to 1, weak word matches that stay weak. */
#include "support/testing.h"

#include "search/fuse.h"

#include <math.h>

static double trust(size_t words, size_t letters, size_t units)
{
    ql__fuse_reading reading = {.words = words, .letters = letters, .letters_latin = letters, .units = units};
    return ql__fuse_trust(&reading);
}

static double score(ql__fuse_plan plan, double cosine, double bm25)
{
    double dense, sparse, sum = ql__fuse_score(&plan, cosine, bm25, &dense, &sparse);
    assert_true(dense >= 0 && sparse >= 0 && fabs(dense + sparse - sum) < 1e-12);
    assert_true(sum >= 0 && sum <= 1);
    return sum;
}

static void test_fuse__trusts_words_that_survive_whole(void **state)
{
    (void)state;
    assert_true(trust(10, 45, 11) > 0.99);  /* English */
    assert_true(trust(8, 20, 8) > 0.99);    /* short words, none cut */
    assert_true(trust(3, 36, 6) > 0.99);    /* long terms in large pieces */
}

static void test_fuse__distrusts_fragments_and_unknown_pieces(void **state)
{
    (void)state;
    assert_true(trust(8, 48, 46) < 0.25);   /* Greek letter by letter */
    assert_true(trust(1, 17, 17) < 0.25);   /* Chinese */
    assert_true(trust(1, 39, 1) < 0.25);    /* Thai: one unknown piece */
    double german = trust(10, 58, 22);
    assert_true(german > 0.25 && german < 0.75);
}

static void test_fuse__trust_changes_smoothly(void **state)
{
    (void)state;
    double before = trust(100, 450, 100);
    for (size_t units = 101; units <= 450; units++) {
        double now = trust(100, 450, units);
        assert_true(now <= before + 1e-12 && before - now < 0.08);
        before = now;
    }
}

static void test_fuse__knows_only_scripts_without_a_tokenizer(void **state)
{
    (void)state;
    ql__fuse_reading latin = {.words = 2, .letters = 10, .letters_latin = 10}, other = {.words = 2, .letters = 10};
    assert_true(ql__fuse_trust(&latin) == 1);
    assert_true(ql__fuse_trust(&other) > 0.5 && ql__fuse_trust(&other) < 1);
    assert_true(ql__fuse_trust(&(ql__fuse_reading){0}) == 1);
}

static void test_fuse__weighs_words_more_in_longer_questions(void **state)
{
    (void)state;
    double few = ql__fuse_plan_hybrid(1, 5).weight_dense, many = ql__fuse_plan_hybrid(1, 50).weight_dense;
    assert_true(0 < many && many < few && few < 1);
    assert_true(ql__fuse_plan_hybrid(0.2, 17).weight_dense < ql__fuse_plan_hybrid(1, 17).weight_dense);
    assert_true(ql__fuse_plan_hybrid(1, 0).weight_dense == 1);
    assert_true(ql__fuse_plan_hybrid(0.2, 0).weight_dense == 1);
}

static void test_fuse__keeps_scores_within_bounds_and_modes_pure(void **state)
{
    (void)state;
    ql__fuse_plan hybrid = ql__fuse_plan_hybrid(1, 17);
    assert_true(score(hybrid, 1, 17 * QL__FUSE_BM25_CEILING) > 0.999);
    assert_true(score(hybrid, -1, 0) == 0);
    assert_true(score(hybrid, 2, 1000) <= 1);
    assert_true(score(ql__fuse_plan_dense(), 0.7, 30) == 0.7);
    assert_true(fabs(score(ql__fuse_plan_sparse(10), 0.9, 11) - 0.5) < 1e-12);
    assert_true(score(ql__fuse_plan_sparse(0), 0.9, 0) == 0);
}

static void test_fuse__one_shared_word_does_not_beat_meaning(void **state)
{
    (void)state;
    ql__fuse_plan plan = ql__fuse_plan_hybrid(1, 30);
    double word = score(plan, 0.1, 3), meaning = score(plan, 0.6, 0), answer = score(plan, 0.5, 30);
    assert_true(word < meaning && meaning < answer);
}

static void test_fuse__idf_is_lucenes(void **state)
{
    (void)state;
    assert_true(fabs(ql__fuse_idf(100, 0) - log(1 + 100.5 / 0.5)) < 1e-12);
    assert_true(ql__fuse_idf(100, 100) > 0);
    assert_true(ql__fuse_idf(100, 200) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fuse__trusts_words_that_survive_whole),
        cmocka_unit_test(test_fuse__distrusts_fragments_and_unknown_pieces),
        cmocka_unit_test(test_fuse__trust_changes_smoothly),
        cmocka_unit_test(test_fuse__knows_only_scripts_without_a_tokenizer),
        cmocka_unit_test(test_fuse__weighs_words_more_in_longer_questions),
        cmocka_unit_test(test_fuse__keeps_scores_within_bounds_and_modes_pure),
        cmocka_unit_test(test_fuse__one_shared_word_does_not_beat_meaning),
        cmocka_unit_test(test_fuse__idf_is_lucenes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
