/* See statistics.h. */
#include "statistics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

void stat_sort(double *values, size_t count)
{
    if (count > 1) qsort(values, count, sizeof *values, compare);
}

double stat_quantile(const double *sorted, size_t count, double q)
{
    double rank = ceil(q * (double)count - 1e-9); /* 0.9 * 10 is a little more than 9 */
    size_t index = rank < 1 ? 0 : (size_t)rank - 1;
    return sorted[index < count ? index : count - 1];
}

stat_summary stat_summarize(const double *sorted, size_t count)
{
    stat_summary self = {.count = count, .min = sorted[0], .max = sorted[count - 1]};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) sum += sorted[i];
    self.mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) squares += (sorted[i] - self.mean) * (sorted[i] - self.mean); /* in a second pass: no difference of large numbers */
    self.stddev = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
    self.median = count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
    return self;
}

/* --- Student's t ----------------------------------------------------------------------------------------------------------------- */

static double not_zero(double value)
{
    return fabs(value) < DBL_MIN / DBL_EPSILON ? DBL_MIN / DBL_EPSILON : value;
}

/*
 * The continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8), evaluated from the front by Lentz's method as Thompson and Barnett
 * changed it (J. Comput. Phys. 64, 1986). Converges fast for x < (a + 1) / (a + b + 2).
 */
static double beta_fraction(double a, double b, double x)
{
    double front = 1, numerator = 1, denominator = 1 / not_zero(1 - (a + b) * x / (a + 1));
    front = denominator;
    for (int m = 1; m <= 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        denominator = 1 / not_zero(1 + even * denominator);
        numerator = not_zero(1 + even / numerator);
        front *= denominator * numerator;
        denominator = 1 / not_zero(1 + odd * denominator);
        numerator = not_zero(1 + odd / numerator);
        double step = denominator * numerator;
        front *= step;
        if (fabs(step - 1) < 1e-15) break;
    }
    return front;
}

static double log_gamma(double x)
{
    int sign = 0; /* lgamma() keeps it in a variable of the process */
    return lgamma_r(x, &sign);
}

/* I_x(a, b), x in [0, 1]. */
static double beta_regularized(double a, double b, double x)
{
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    double factor = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return factor * beta_fraction(a, b, x) / a;
    return 1 - factor * beta_fraction(b, a, 1 - x) / b;
}

double stat_student_cdf(double t, double df)
{
    double tail = beta_regularized(df / 2, 0.5, df / (df + t * t)) / 2; /* A&S 26.7.1 */
    return t > 0 ? 1 - tail : tail;
}

double stat_student_quantile(double p, double df)
{
    double high = 1;
    if (p == 0.5) return 0;
    if (p < 0.5) return -stat_student_quantile(1 - p, df);
    while (high < 1e12 && stat_student_cdf(high, df) < p) high *= 2;
    double low = high == 1 ? 0 : high / 2;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; i++) {
        double middle = low + (high - low) / 2;
        if (stat_student_cdf(middle, df) < p) low = middle;
        else high = middle;
    }
    return low + (high - low) / 2;
}

/* --- ratio ----------------------------------------------------------------------------------------------------------------------- */

static stat_verdict verdict_of(double low, double high)
{
    if (low > 1) return STAT_MORE;
    return high < 1 ? STAT_LESS : STAT_NOISE;
}

static double independent(stat_summary self)
{
    return self.independent > 0 ? self.independent : (double)self.count;
}

/* Degrees of freedom of the difference of b and ratio * a. */
static double welch(double variance_a, double variance_b, stat_summary a, stat_summary b)
{
    double both = variance_a + variance_b;
    double parts = variance_a * variance_a / (independent(a) - 1) + variance_b * variance_b / (independent(b) - 1);
    return both * both / parts;
}

/* A count that was 0 in every run of a has no ratio; where it is one and the same in every run of b too, it is told whether it is still 0. */
static stat_verdict verdict_of_zero(stat_summary a, stat_summary b)
{
    if (a.count < 2 || b.count < 2 || a.stddev != 0 || b.stddev != 0) return STAT_UNKNOWN;
    return b.mean > 0 ? STAT_MORE : STAT_NOISE;
}

stat_ratio stat_ratio_of(stat_summary a, stat_summary b, double level)
{
    if (a.mean == 0) return (stat_ratio){.verdict = verdict_of_zero(a, b)};
    stat_ratio self = {.ratio = b.mean / a.mean, .defined = true, .verdict = STAT_UNKNOWN};
    if (independent(a) < 2 || independent(b) < 2 || a.mean <= 0 || b.mean <= 0) return self;
    double variance_a = a.stddev * a.stddev / independent(a), variance_b = b.stddev * b.stddev / independent(b); /* of the means */
    if (variance_a == 0 && variance_b == 0) { /* such as a count that is the same in every run */
        self.low = self.high = self.ratio;
        self.verdict = verdict_of(self.low, self.high);
        return self;
    }
    double df = welch(self.ratio * self.ratio * variance_a, variance_b, a, b);
    double t = stat_student_quantile(0.5 + level / 2, df);
    double g = t * t * variance_a / (a.mean * a.mean); /* from 1 on the mean of a cannot be told from 0 */
    if (!(g < 1)) return self;
    double half = t / a.mean * sqrt(variance_b * (1 - g) + self.ratio * self.ratio * variance_a);
    self.low = (self.ratio - half) / (1 - g);
    self.high = (self.ratio + half) / (1 - g);
    self.verdict = verdict_of(self.low, self.high);
    return self;
}

/* --- order ----------------------------------------------------------------------------------------------------------------------- */

double stat_independent(const double *values, size_t count)
{
    double mean = 0, squares = 0, products = 0;
    for (size_t i = 0; i < count; i++) mean += values[i] / (double)count;
    for (size_t i = 0; i < count; i++) squares += (values[i] - mean) * (values[i] - mean);
    for (size_t i = 1; i < count; i++) products += (values[i - 1] - mean) * (values[i] - mean);
    bool same = squares <= (double)count * pow(1e-12 * mean, 2); /* what is left of rounding */
    double r = !same ? products / squares : 0;                   /* |r| < 1 by Cauchy and Schwarz */
    return r > 0 ? (double)count * (1 - r) / (1 + r) : (double)count;
}

stat_drift stat_drift_of(const double *values, size_t count, double level)
{
    double n = (double)count, middle = (n - 1) / 2, mean = 0, products = 0, squares = n * (n * n - 1) / 12, rest = 0; /* squares: of i - middle */
    if (count < 4) return (stat_drift){.verdict = STAT_UNKNOWN};
    for (size_t i = 0; i < count; i++) mean += values[i] / n;
    for (size_t i = 0; i < count; i++) products += ((double)i - middle) * (values[i] - mean);
    double slope = products / squares, half = slope * middle;
    for (size_t i = 0; i < count; i++) rest += pow(values[i] - mean - slope * ((double)i - middle), 2);
    if (fabs(half) <= 1e-12 * mean) slope = half = 0; /* rounding */
    if (!(mean - fabs(half) > 0)) return (stat_drift){.verdict = STAT_UNKNOWN};
    double room = stat_student_quantile(0.5 + level / 2, n - 2) * sqrt(rest / (n - 2) / squares);
    return (stat_drift){.defined = true, .ratio = (mean + half) / (mean - half), .verdict = slope > room ? STAT_MORE : slope < -room ? STAT_LESS : STAT_NOISE};
}

/* 0 for none, whichever way it goes. */
static double size_of(bool defined, double ratio)
{
    return defined && ratio > 0 ? fabs(log(ratio)) : 0;
}

bool stat_drifts(stat_drift drift, double least)
{
    double size = size_of(drift.defined, drift.ratio);
    return (drift.verdict == STAT_LESS || drift.verdict == STAT_MORE) && size >= log1p(least) && size > 0;
}

stat_judgement stat_judge(stat_ratio ratio, stat_drift drift_a, stat_drift drift_b, double least)
{
    double a = stat_drifts(drift_a, least) ? size_of(true, drift_a.ratio) : 0, b = stat_drifts(drift_b, least) ? size_of(true, drift_b.ratio) : 0, drift = a > b ? a : b;
    double size = size_of(ratio.defined, ratio.ratio);
    if (ratio.verdict == STAT_UNKNOWN) return ratio.defined && drift > 0 ? STAT_IS_DRIFT : STAT_IS_UNKNOWN; /* a series that only goes up is worth no two values */
    if (ratio.verdict == STAT_NOISE) return STAT_IS_NOISE;
    if (ratio.defined && size < log1p(least)) return STAT_IS_SMALL;
    if (ratio.defined && size <= STAT_DRIFTS * drift) return STAT_IS_DRIFT;
    return ratio.verdict == STAT_LESS ? STAT_IS_LESS : STAT_IS_MORE;
}
