/*
 * One search: understand the query, find candidates by meaning and by words, fuse, and fetch what is shown.
 * Sees one view of the store and nothing else: the same query on the same view gives the same hits.
 */
#ifndef QL_SEARCH_INTERNAL_H
#define QL_SEARCH_INTERNAL_H

#include "base/arena.h"
#include "search/fuse.h"
#include "store/backend.h"
#include "text/analyze.h"
#include <qloader/embed.h>
#include <qloader/search.h>

/* All borrowed; used by one thread during the call. */
typedef struct ql__search_engine {
    const ql__backend_view *view;
    ql__analyzer *analyzer;
    const ql_embedder_ops *embedder; /* not needed (may be NULL) for QL_SEARCH_SPARSE */
    void *embedder_self;
} ql__search_engine;

typedef struct ql__search_options {
    uint32_t limit;          /* 1..QL_LIMIT_SEARCH_RESULTS; 0: 10 */
    ql_search_mode mode;
    const ql_filter *filter; /* NULL: everything */
    uint32_t per_document;   /* at most so many passages of one document; 0: no bound */
} ql__search_options;

typedef struct ql__search_hit {
    uint64_t slot;
    double score;                      /* fused, 0..1 */
    uint32_t grade;                    /* score in steps; what hits are ordered by */
    double cosine, bm25;
    double part_dense, part_sparse;    /* the two summands of score */
    uint32_t rank_dense, rank_sparse;  /* 1 is best; 0: not among that side's candidates */
    ql_stored_chunk chunk;
} ql__search_hit;

typedef struct ql__search_results {
    struct ql_arena arena; /* owns hits and all they show */
    ql__search_hit *hits;  /* best first */
    size_t count;
    ql__fuse_plan plan;    /* why: trust, information and weights of this query */
    size_t candidates;     /* passages that were compared */
} ql__search_results;

/*
 * Errors: QL_E_INVALID (query empty, too long or no UTF-8; limit out of range), QL_E_NOTFOUND (nothing stored, or nothing
 * passes the filter: err says which), QL_E_MISMATCH (the index was made with another model). out is written on success
 * only; dispose it.
 */
ql_status ql__search_run(const ql__search_engine *engine, ql_str query, const ql__search_options *options,
                         ql__search_results *out, ql_error *err);
void ql__search_results_dispose(ql__search_results *self);

#endif
