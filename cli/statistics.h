/* What is said of repeated measurements: a summary, percentiles, and the interval of a ratio of two. No allocation; nothing of the program is used. */
#ifndef CLI_STATISTICS_H
#define CLI_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct stat_summary {
    size_t count;
    double min, median, mean, max;
    double stddev; /* of the sample, n - 1; 0 for one value */
    double independent; /* how many independent values it is worth, see stat_independent; 0: as many as it has */
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
 * of the other, differ for reasons that no interval knows. Where `independent` of a summary is set it stands for the count. level in (0, 1), such as 0.95; means are of values above 0.
 */
stat_ratio stat_ratio_of(stat_summary a, stat_summary b, double level);

/*
 * How many independent values a series is worth whose neighbours are alike: n (1 - r) / (1 + r), r its autocorrelation at lag 1 where that is above 0
 * (G. V. Bayley and J. M. Hammersley, "The 'effective' number of independent observations in an autocorrelated time series", J. R. Stat. Soc. Suppl. 8,
 * 1946; for comparing two means F. W. Zwiers and H. von Storch, "Taking serial correlation into account in tests of the mean", J. Climate 8, 1995).
 * A short series shows less of r than there is, and so is taken for worth more. values: in the order they were measured. At most count.
 */
double stat_independent(const double *values, size_t count);
/* How a series changed while it was measured. */
typedef struct stat_drift {
    bool defined;         /* else ratio means nothing */
    double ratio;         /* end by begin */
    stat_verdict verdict; /* STAT_UNKNOWN: too few values, or a line that goes through 0 */
} stat_drift;

/*
 * By how much a series changed while it was measured: the least squares line through its values at the last of them by the line at the first, and whether its slope is
 * shown to be other than 0 (Student's t, n - 2 degrees of freedom). STAT_UNKNOWN for fewer than four values.
 */
stat_drift stat_drift_of(const double *values, size_t count, double level);

typedef enum stat_judgement {
    STAT_IS_UNKNOWN,
    STAT_IS_NOISE,  /* no difference was shown */
    STAT_IS_SMALL,  /* one was shown, but it is less than what matters */
    STAT_IS_DRIFT,  /* a series changed while it was measured, by so much that the difference may be of the same cause */
    STAT_IS_LESS,
    STAT_IS_MORE
} stat_judgement;

#define STAT_DRIFTS 2 /* what goes on steadily while a and then b are measured makes as much of a difference as it makes along one; and as much for chance and a pause */

/*
 * What two series say of each other. least: the smallest ratio that matters, such as 0.02 for 1.02 and 1 / 1.02. A difference counts where its interval
 * does not hold 1, and it is of that size, and of more than STAT_DRIFTS times the larger drift (in logarithms) that was shown and is of that size itself.
 */
stat_judgement stat_judge(stat_ratio ratio, stat_drift drift_a, stat_drift drift_b, double least);
/* A drift that was shown and is at least as large as what matters. */
bool stat_drifts(stat_drift drift, double least);

#endif
