/* What is said of repeated measurements: a summary, percentiles, and the interval of a ratio of two. No allocation; nothing of the program is used. */
#ifndef CLI_STATISTICS_H
#define CLI_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct stat_summary {
    size_t count;
    double min, median, mean, max;
    double stddev; /* of the sample, n - 1; 0 for one value */
} stat_summary;

/* Sorts ascending. Not-a-number goes nowhere: values must be finite. */
void stat_sort(double *values, size_t count);
/* sorted: ascending, count >= 1. q in [0, 1]: the smallest value that at least a share q of them does not exceed (nearest rank, as load tests report it). */
double stat_quantile(const double *sorted, size_t count, double q);
/* sorted: ascending, count >= 1. */
stat_summary stat_summarize(const double *sorted, size_t count);

/* Distribution function of Student's t with `df` > 0 degrees of freedom, which need not be whole. */
double stat_student_cdf(double t, double df);
/* Its quantile, p in (0, 1). */
double stat_student_quantile(double p, double df);

typedef enum stat_verdict {
    STAT_NOISE,   /* the interval holds 1: no difference was shown */
    STAT_LESS,    /* it lies below 1 */
    STAT_MORE,    /* above */
    STAT_UNKNOWN  /* there is none: too few values, or a mean too near 0 for its spread */
} stat_verdict;

typedef struct stat_ratio {
    bool defined;     /* the mean of a is not 0; else ratio, low and high mean nothing, and the verdict is of counts that are the same in every run */
    double ratio;     /* mean of b by mean of a */
    double low, high; /* interval at the level asked for; meaningless where the verdict is STAT_UNKNOWN */
    stat_verdict verdict;
} stat_ratio;

/*
 * Interval of mean(b) / mean(a) by Fieller's theorem (E. C. Fieller, "Some problems in interval estimation", J. R. Stat. Soc. B 16, 1954), for two
 * independent samples of unlike variance, with the degrees of freedom of Welch and Satterthwaite (B. L. Welch, Biometrika 34, 1947). Exact for normal
 * values and near enough for means of a handful of run times; it says nothing of how the two were made: runs on a busy machine, or all of one before all
 * of the other, differ for reasons that no interval knows. level in (0, 1), such as 0.95; means are of values above 0.
 */
stat_ratio stat_ratio_of(stat_summary a, stat_summary b, double level);

#endif
