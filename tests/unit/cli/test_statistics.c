/*
 * Goal: summaries, quantiles of Student's t and intervals of ratios are what tables, closed forms and simulation say.
 * The simulation draws from a generator with a fixed seed, so it cannot fail now and then; its bounds are four standard errors wide.
 */
#include "support/testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "statistics.h"

static void expect_near(double got, double wanted, double error)
{
    if (!(fabs(got - wanted) <= error)) fail_msg("%.12g instead of %.12g", got, wanted);
}

static void test_statistics__summary(void **state)
{
    (void)state;
    double values[] = {4, 1, 3, 2, 10};
    stat_sort(values, 5);
    stat_summary five = stat_summarize(values, 5);
    assert_true(five.min == 1 && five.max == 10 && five.median == 3 && five.mean == 4 && five.count == 5);
    expect_near(five.stddev, sqrt(50.0 / 4), 1e-12);
    stat_summary four = stat_summarize(values, 4);
    assert_true(four.median == 2.5);
    stat_summary one = stat_summarize(values, 1);
    assert_true(one.median == 1 && one.stddev == 0);
    double large[] = {1e9, 1e9 + 1, 1e9 + 2}; /* a single pass would lose this */
    expect_near(stat_summarize(large, 3).stddev, 1, 1e-9);
}

static void test_statistics__nearest_rank(void **state)
{
    (void)state;
    double values[100];
    for (int i = 0; i < 100; i++) values[i] = i + 1;
    assert_true(stat_quantile(values, 100, 0.5) == 50);
    assert_true(stat_quantile(values, 100, 0.9) == 90);
    assert_true(stat_quantile(values, 100, 0.99) == 99);
    assert_true(stat_quantile(values, 100, 0.999) == 100);
    assert_true(stat_quantile(values, 100, 1) == 100);
    assert_true(stat_quantile(values, 100, 0) == 1);
    assert_true(stat_quantile(values, 10, 0.9) == 9);
    assert_true(stat_quantile(values, 1, 0.99) == 1);
}

static void test_statistics__student_as_in_tables(void **state)
{
    (void)state;
    /* Two-sided 95 % and 99 % points, to the digits that are printed. */
    static const struct { double df, p975, p995; } table[] = {{1, 12.7062, 63.6567}, {2, 4.3027, 9.9248}, {3, 3.1824, 5.8409}, {4, 2.7764, 4.6041}, {5, 2.5706, 4.0321}, {9, 2.2622, 3.2498},
                                                               {10, 2.2281, 3.1693}, {30, 2.0423, 2.7500}, {60, 2.0003, 2.6603}, {120, 1.9799, 2.6174}, {1e6, 1.9600, 2.5758}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        expect_near(stat_student_quantile(0.975, table[i].df), table[i].p975, 6e-5);
        expect_near(stat_student_quantile(0.995, table[i].df), table[i].p995, 6e-5);
        expect_near(stat_student_quantile(0.025, table[i].df), -table[i].p975, 6e-5);
    }
    assert_true(stat_student_quantile(0.5, 7) == 0);
}

static void test_statistics__student_as_in_closed_forms(void **state)
{
    (void)state;
    const double pi = acos(-1);
    for (double t = -30; t <= 30; t += 0.37) {
        expect_near(stat_student_cdf(t, 1), 0.5 + atan(t) / pi, 1e-12);
        expect_near(stat_student_cdf(t, 2), 0.5 + t / (2 * sqrt(2 + t * t)), 1e-12);
        expect_near(stat_student_cdf(stat_student_quantile(0.9, 3.7 + fabs(t)), 3.7 + fabs(t)), 0.9, 1e-10);
    }
}

static stat_summary summary(size_t count, double mean, double stddev)
{
    return (stat_summary){.count = count, .mean = mean, .stddev = stddev};
}

static void test_statistics__ratio_by_hand(void **state)
{
    (void)state;
    /* a: 10 values, mean 100, sd 5; b: 10 values, mean 110, sd 5.5. variances of the means 2.5 and 3.025; ratio 1.1; df = (3.025 + 3.025)^2 / (2 * 3.025^2 / 9) = 18,
       t = 2.10092; g = t^2 * 2.5 / 10000 = 0.00110347; half = t / 100 * sqrt(3.025 * (1 - g) + 3.025) = 0.0516630. */
    stat_ratio ratio = stat_ratio_of(summary(10, 100, 5), summary(10, 110, 5.5), 0.95);
    expect_near(ratio.ratio, 1.1, 1e-12);
    expect_near(ratio.low, (1.1 - 0.0516630) / (1 - 0.00110347), 2e-6);
    expect_near(ratio.high, (1.1 + 0.0516630) / (1 - 0.00110347), 2e-6);
    assert_int_equal(ratio.verdict, STAT_MORE);
    assert_int_equal(stat_ratio_of(summary(10, 110, 5.5), summary(10, 100, 5), 0.95).verdict, STAT_LESS);
    assert_int_equal(stat_ratio_of(summary(10, 100, 5), summary(10, 101, 5), 0.95).verdict, STAT_NOISE);
    assert_int_equal(stat_ratio_of(summary(10, 100, 5), summary(10, 105, 5), 0.99).verdict, STAT_NOISE); /* what 95 % would call more */
    assert_int_equal(stat_ratio_of(summary(10, 100, 5), summary(10, 105, 5), 0.9).verdict, STAT_MORE);
}

static void test_statistics__ratio_that_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(stat_ratio_of(summary(1, 100, 0), summary(10, 110, 5), 0.95).verdict, STAT_UNKNOWN);
    assert_int_equal(stat_ratio_of(summary(10, 100, 5), summary(1, 110, 0), 0.95).verdict, STAT_UNKNOWN);
    assert_int_equal(stat_ratio_of(summary(10, 0, 0), summary(10, 1, 1), 0.95).verdict, STAT_UNKNOWN);
    assert_false(stat_ratio_of(summary(10, 0, 0), summary(10, 1, 1), 0.95).defined);
    assert_int_equal(stat_ratio_of(summary(10, 0, 0), summary(10, 1, 0), 0.95).verdict, STAT_MORE); /* a count that was never there, and now always is */
    assert_int_equal(stat_ratio_of(summary(10, 0, 0), summary(10, 0, 0), 0.95).verdict, STAT_NOISE);
    assert_int_equal(stat_ratio_of(summary(1, 0, 0), summary(10, 0, 0), 0.95).verdict, STAT_UNKNOWN);
    assert_int_equal(stat_ratio_of(summary(2, 1, 10), summary(2, 1, 10), 0.95).verdict, STAT_UNKNOWN); /* a could be 0 */
    stat_ratio same = stat_ratio_of(summary(3, 7, 0), summary(3, 7, 0), 0.95);
    assert_true(same.verdict == STAT_NOISE && same.low == 1 && same.high == 1);
    assert_int_equal(stat_ratio_of(summary(3, 7, 0), summary(3, 8, 0), 0.95).verdict, STAT_MORE);
    stat_ratio one_still = stat_ratio_of(summary(5, 7, 0), summary(5, 14, 1), 0.95);
    assert_true(one_still.verdict == STAT_MORE && one_still.low < 2 && one_still.high > 2);
}

/* --- simulation ------------------------------------------------------------------------------------------------------------------ */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double uniform(uint64_t *state)
{
    return ((double)(splitmix(state) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *state)
{
    double first = uniform(state), second = uniform(state); /* in an order that is the same everywhere */
    return sqrt(-2 * log(first)) * cos(2 * acos(-1) * second);
}

/* Share of intervals that hold the true ratio. skewed: run times with a long tail. */
static double coverage(size_t count_a, size_t count_b, double ratio, bool skewed, uint64_t seed)
{
    enum { ROUNDS = 10000 };
    int held = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double a[40], b[40];
        const double tail = 0.3, tail_mean = exp(tail * tail / 2);
        for (size_t i = 0; i < count_a; i++) a[i] = skewed ? exp(tail * normal(&seed)) / tail_mean : 1 + 0.05 * normal(&seed);
        for (size_t i = 0; i < count_b; i++) b[i] = ratio * (skewed ? exp(tail * normal(&seed)) / tail_mean : 1 + 0.15 * normal(&seed));
        stat_sort(a, count_a);
        stat_sort(b, count_b);
        stat_ratio got = stat_ratio_of(stat_summarize(a, count_a), stat_summarize(b, count_b), 0.95);
        held += got.verdict != STAT_UNKNOWN && got.low <= ratio && ratio <= got.high;
    }
    return held / (double)ROUNDS;
}

static void test_statistics__intervals_hold_the_truth_as_often_as_they_say(void **state)
{
    (void)state;
    const double four_errors = 4 * sqrt(0.95 * 0.05 / 10000); /* 0.0087 */
    const double small = 0.003;                                /* what Welch's degrees of freedom, and means of skewed values, are off by */
    expect_near(coverage(5, 5, 1.0, false, 1), 0.95, four_errors + small);
    expect_near(coverage(11, 11, 1.2, false, 2), 0.95, four_errors + small);
    expect_near(coverage(30, 8, 0.8, false, 3), 0.95, four_errors + small);
    expect_near(coverage(11, 11, 1.1, true, 4), 0.95, four_errors + small);
    expect_near(coverage(30, 30, 1.0, true, 5), 0.95, four_errors + small);
}

/* --- order ----------------------------------------------------------------------------------------------------------------------- */

/* How a series of run times goes: as one draw after the other, up all the time, or as a machine whose load comes and goes. */
typedef enum series { STEADY, RISING, WANDERING } series;

/* `from`: how many values were measured before. noise: of each value, 1 for 100 %. */
static void measure(series how, double level, double noise, size_t from, double *state, double values[], size_t count, uint64_t *seed)
{
    const double alike = 0.9;
    for (size_t i = 0; i < count; i++) {
        *state = how == WANDERING ? alike * *state + sqrt(1 - alike * alike) * normal(seed) : normal(seed);
        double trend = how == RISING ? 1 + 0.005 * (double)(from + i) : 1;
        values[i] = level * trend * (1 + noise * *state);
    }
}

/* Share of rounds in which b, measured after a, is said to be more than a. */
static double called_more(series how, double ratio, double noise, size_t count, uint64_t seed)
{
    enum { ROUNDS = 2000 };
    int more = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double a[60], b[60], state = normal(&seed);
        measure(how, 1, noise, 0, &state, a, count, &seed);
        measure(how, ratio, noise, count, &state, b, count, &seed);
        stat_summary of_a = stat_summarize(a, count), of_b = stat_summarize(b, count); /* mean and stddev need no order */
        of_a.independent = stat_independent(a, count);
        of_b.independent = stat_independent(b, count);
        more += stat_judge(stat_ratio_of(of_a, of_b, 0.95), stat_drift_of(a, count, 0.975), stat_drift_of(b, count, 0.975), 0.02) == STAT_IS_MORE;
    }
    return more / (double)ROUNDS;
}

/* What an interval alone says of the same series; it is what makes the bounds below mean something. */
static double shown_more(series how, double noise, size_t count, uint64_t seed)
{
    enum { ROUNDS = 2000 };
    int more = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double a[60], b[60], state = normal(&seed);
        measure(how, 1, noise, 0, &state, a, count, &seed);
        measure(how, 1, noise, count, &state, b, count, &seed);
        more += stat_ratio_of(stat_summarize(a, count), stat_summarize(b, count), 0.95).verdict == STAT_MORE;
    }
    return more / (double)ROUNDS;
}

static void expect_below(double got, double bound)
{
    if (!(got < bound)) fail_msg("%.3f is not below %.3f", got, bound);
}

static void test_statistics__the_same_measured_twice_is_not_worse(void **state)
{
    (void)state;
    expect_below(called_more(STEADY, 1, 0.03, 10, 1), 0.03);
    for (size_t count = 10; count <= 40; count *= 2) {
        expect_below(0.9, shown_more(RISING, 0.01, count, 2)); /* always, by the interval */
        expect_below(called_more(RISING, 1, 0.01, count, 2), 0.02);
        expect_below(0.25, shown_more(WANDERING, 0.05, count, 3));
        expect_below(called_more(WANDERING, 1, 0.05, count, 3), 0.08); /* both sides of 1 together are three times what 95 % promise, of more than half before */
    }
}

static void test_statistics__a_true_difference_is_found(void **state)
{
    (void)state;
    expect_below(0.90, called_more(STEADY, 1.05, 0.03, 20, 4)); /* one of twenty has a drift by chance */
    expect_below(0.90, called_more(STEADY, 1.05, 0.05, 60, 5));
    expect_below(0.90, called_more(STEADY, 1.05, 0.02, 10, 6));
    expect_below(called_more(STEADY, 1.01, 0.01, 40, 7), 0.03); /* true, but less than what matters */
}

static void test_statistics__drifts_and_likeness(void **state)
{
    (void)state;
    const double tenth[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, up[] = {1, 1.01, 0.99, 1, 1.1, 1.11, 1.09, 1.1}, turns[] = {1, 2, 1, 2, 1, 2}, same[] = {3, 3, 3, 3}, three[] = {1, 2, 3};
    stat_drift drift = stat_drift_of(up, 8, 0.95);
    assert_true(drift.verdict == STAT_MORE && stat_drifts(drift, 0.02) && !stat_drifts(drift, 0.2));
    /* slope: (3.5 0.10 + 2.5 0.08 + 1.5 0.12 + 0.5 0.10) / 42; from the first value to the last the line goes 7 of them, around 1.05 */
    expect_near(drift.ratio, (1.05 + 3.5 * 0.78 / 42) / (1.05 - 3.5 * 0.78 / 42), 1e-9);
    assert_int_equal(stat_drift_of(three, 3, 0.95).verdict, STAT_UNKNOWN);
    assert_false(stat_drifts(stat_drift_of(same, 4, 0.95), 0));
    assert_true(stat_independent(tenth, 7) == 7 && !stat_drifts(stat_drift_of(tenth, 7, 0.95), 0)); /* whatever is left of rounding */
    assert_true(stat_independent(turns, 6) == 6 && stat_independent(same, 4) == 4 && stat_independent(up, 8) < 4);
    /* r of 1 2 3 is ((-1)(0) + (0)(1)) / 2 = 0; of 1 2 3 4: (0.75 - 0.25 + 0.75) / 5 = 0.25, so 4 * 0.75 / 1.25 */
    const double four[] = {1, 2, 3, 4};
    expect_near(stat_independent(three, 3), 3, 1e-12);
    expect_near(stat_independent(four, 4), 2.4, 1e-12);
    const stat_drift none = {.verdict = STAT_UNKNOWN};
    stat_ratio more = {.defined = true, .ratio = 1.27, .verdict = STAT_MORE}, less = {.defined = true, .ratio = 1 / 1.27, .verdict = STAT_LESS};
    assert_int_equal(stat_judge(more, none, none, 0.02), STAT_IS_MORE);
    assert_int_equal(stat_judge(less, none, none, 0.02), STAT_IS_LESS);
    assert_int_equal(stat_judge(less, none, none, 0.31), STAT_IS_SMALL);
    assert_int_equal(stat_judge(more, drift, none, 0.02), STAT_IS_DRIFT); /* 1.13 * 1.13 > 1.27 */
    assert_int_equal(stat_judge(less, none, drift, 0.02), STAT_IS_DRIFT);
    assert_int_equal(stat_judge((stat_ratio){.defined = true, .ratio = 1.3, .verdict = STAT_UNKNOWN}, none, drift, 0.02), STAT_IS_DRIFT);
    assert_int_equal(stat_judge((stat_ratio){.defined = true, .ratio = 1.3, .verdict = STAT_UNKNOWN}, none, none, 0.02), STAT_IS_UNKNOWN);
    assert_int_equal(stat_judge((stat_ratio){.verdict = STAT_MORE}, drift, drift, 0.02), STAT_IS_MORE); /* from none to some */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics__summary),
        cmocka_unit_test(test_statistics__nearest_rank),
        cmocka_unit_test(test_statistics__student_as_in_tables),
        cmocka_unit_test(test_statistics__student_as_in_closed_forms),
        cmocka_unit_test(test_statistics__ratio_by_hand),
        cmocka_unit_test(test_statistics__ratio_that_cannot_be),
        cmocka_unit_test(test_statistics__intervals_hold_the_truth_as_often_as_they_say),
        cmocka_unit_test(test_statistics__the_same_measured_twice_is_not_worse),
        cmocka_unit_test(test_statistics__a_true_difference_is_found),
        cmocka_unit_test(test_statistics__drifts_and_likeness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
