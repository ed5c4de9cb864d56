/*
 * Fusion: one score from a passage's cosine and its BM25.
 *
 *     score = w * cosine + (1 - w) * coverage
 *
 * coverage = BM25 / the most that BM25 can reach for this query, (k1 + 1) * information: the share of what the query asks for,
 * weighed by rarity, that the passage's words answer. w grows with trust (does the model read this text as words?) and falls with information (a long, specific
 * question gives words more to hold on to). Nothing depends on the other candidates, so a passage keeps its score whatever
 * else is found, and scores of one query are comparable across filters.
 */
#ifndef QL_FUSE_H
#define QL_FUSE_H

#include <stddef.h>

#define QL__FUSE_BM25_CEILING 2.2 /* k1 + 1: a store gives a term less than this times its idf */

/* How a query looks to the model's tokenizer. */
typedef struct ql__fuse_reading {
    size_t words;         /* runs of letters and digits */
    size_t letters;       /* code points in them */
    size_t letters_latin; /* of those, Latin letters and ASCII digits */
    size_t units;         /* tokens of the model for these words; 0: the tokenizer is not known */
} ql__fuse_reading;

typedef struct ql__fuse_plan {
    double trust;         /* in the model, for this query: 0..1 */
    double information;   /* sum of the idf of the query's terms, nats; 0: none of them can be searched for */
    double weight_dense;  /* w above, 0..1 */
} ql__fuse_plan;

double ql__fuse_trust(const ql__fuse_reading *reading);
/* idf of a term in the sense of ql_store_match: ln(1 + (count - df + 0.5) / (df + 0.5)). */
double ql__fuse_idf(double count, double df);
ql__fuse_plan ql__fuse_plan_hybrid(double trust, double information);
ql__fuse_plan ql__fuse_plan_dense(void);
ql__fuse_plan ql__fuse_plan_sparse(double information);
/* In [0, 1], the sum of both parts; a cosine below 0 counts as 0. */
double ql__fuse_score(const ql__fuse_plan *plan, double cosine, double bm25, double *part_dense, double *part_sparse);

#endif
