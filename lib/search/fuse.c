/*
 * The fusion rule. Pure functions, safe from any thread.
 *
 * A convex combination of scores beats rank fusion and needs few examples to set (Bruch, Gai, Ingber, "An Analysis of Fusion
 * Functions for Hybrid Retrieval", 2023). The usual normalisation, BM25 by the best of the list, gives the best word match
 * full marks even when it shares one of ten words with the question; dividing by what a perfect match would get keeps weak
 * evidence weak. Cosines stay as they are: their
 * spread shrinks by itself where a model cannot tell texts apart, while a z-score would blow noise up.
 *
 * Trust: a model with a vocabulary made for other languages cuts a text into fragments (Rust et al., "How Good is Your
 * Tokenizer?", 2021, measure this fertility) or into one unknown piece. Either many words survive whole, or pieces are long.
 *
 * Constants were set on chunkeval, xquad and three further English sets and lie on a plateau; docs/internals/search.md has the table.
 */
#include "search/fuse.h"

#include <math.h>

#define TRUST_MIN 0.1             /* names and numbers are read alike in all languages */
#define FERTILITY_GOOD 1.3        /* pieces a word: English has 1.1 */
#define FERTILITY_BAD 2.0
#define PIECE_LETTERS_BAD 2.0     /* letters a piece: English has 4.5, German 2.6 with an English vocabulary, Greek 1 */
#define PIECE_LETTERS_GOOD 4.0
#define PIECE_LETTERS_LONG 7.0    /* beyond it pieces are unknown words, Thai for instance */
#define PIECE_LETTERS_UNKNOWN 12.0
#define FOREIGN_DISCOUNT 0.4      /* of an unknown tokenizer, for a query without Latin letters */
#define SPARSE_STRENGTH 1.2       /* words against meaning, at trust 1 and INFORMATION_TYPICAL */
#define INFORMATION_TYPICAL 17.0  /* nats: three or four words of a question that matter */

static double ramp(double value, double low, double high)
{
    double t = (value - low) / (high - low);
    if (t <= 0) return 0;
    if (t >= 1) return 1;
    return t * t * (3 - 2 * t);
}

double ql__fuse_trust(const ql__fuse_reading *reading)
{
    if (reading->words == 0) return 1; /* nothing but signs: words cannot help either */
    if (reading->units == 0) return 1 - FOREIGN_DISCOUNT * (1 - (double)reading->letters_latin / (double)reading->letters);
    double fertility = (double)reading->units / (double)reading->words;
    double piece_letters = (double)reading->letters / (double)reading->units;
    double whole = 1 - ramp(fertility, FERTILITY_GOOD, FERTILITY_BAD);
    double large = ramp(piece_letters, PIECE_LETTERS_BAD, PIECE_LETTERS_GOOD);
    double known = 1 - ramp(piece_letters, PIECE_LETTERS_LONG, PIECE_LETTERS_UNKNOWN);
    return TRUST_MIN + (1 - TRUST_MIN) * fmax(whole, large) * known;
}

double ql__fuse_idf(double count, double df)
{
    if (df > count) df = count;
    return log(1 + (count - df + 0.5) / (df + 0.5));
}

/*
 * trust * cosine + strength * sqrt(information / typical) * coverage, scaled so that both weights sum to 1. The square root stands
 * between adding raw BM25, where a long question drowns the cosine, and pure coverage, where it says no more than a short one.
 */
ql__fuse_plan ql__fuse_plan_hybrid(double trust, double information)
{
    double words = SPARSE_STRENGTH * sqrt(information / INFORMATION_TYPICAL);
    return (ql__fuse_plan){trust, information, information > 0 ? trust / (trust + words) : 1};
}

ql__fuse_plan ql__fuse_plan_dense(void)
{
    return (ql__fuse_plan){1, 0, 1};
}

ql__fuse_plan ql__fuse_plan_sparse(double information)
{
    return (ql__fuse_plan){0, information, 0};
}

double ql__fuse_score(const ql__fuse_plan *plan, double cosine, double bm25, double *part_dense, double *part_sparse)
{
    double coverage = plan->information > 0 ? bm25 / (QL__FUSE_BM25_CEILING * plan->information) : 0;
    *part_dense = plan->weight_dense * fmin(fmax(cosine, 0), 1);
    *part_sparse = (1 - plan->weight_dense) * fmin(fmax(coverage, 0), 1);
    return *part_dense + *part_sparse;
}
