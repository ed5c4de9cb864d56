/*
 * Spans and counters of the library. A ql__prof belongs to a runtime; a thread takes part between ql__prof_enter and ql__prof_leave
 * (public calls and pool threads do that). Where no profiler runs, a hook costs one thread-local load and a branch.
 * The names are in one table below, from which docs and outputs are made.
 */
#ifndef QL_SPAN_H
#define QL_SPAN_H

#include "prof/prof_event.h"
#include "sys/pool.h"
#include <qloader/prof.h>

#define QL__SPANS(X) \
    X(LIST, "list", "reading the listing of a source") \
    X(FETCH, "fetch", "reading one document from its source") \
    X(CONVERT, "convert", "bytes to canonical text and structure") \
    X(CHUNK, "chunk", "canonical text to chunks") \
    X(TOKENIZE, "tokenize", "text to model tokens") \
    X(EMBED, "embed", "one batch of texts through the encoder") \
    X(STORE, "store", "one group commit") \
    X(STATE, "state", "looking up what was seen before") \
    X(SEARCH, "search", "one query, everything included") \
    X(QUERY_EMBED, "query_embed", "embedding of the query") \
    X(DENSE, "dense", "dense candidates") \
    X(SPARSE, "sparse", "BM25 candidates") \
    X(FUSE, "fuse", "fusion of candidates") \
    X(RERANK, "rerank", "a registered reranker reading the hits") \
    X(FORMAT, "format", "texts and sources of the hits")

#define QL__COUNTERS(X) \
    X(DOCUMENTS, "documents", "documents stored") \
    X(CHUNKS, "chunks", "chunks stored") \
    X(TOKENS, "tokens", "model tokens embedded") \
    X(BYTES_READ, "bytes_read", "bytes read from sources") \
    X(COMMITS, "commits", "group commits")

#define QL__SPAN_ENUM(name, text, help) QL__SPAN_##name,
typedef enum ql__span_id { QL__SPANS(QL__SPAN_ENUM) QL__SPAN_COUNT } ql__span_id;
#undef QL__SPAN_ENUM
#define QL__COUNTER_ENUM(name, text, help) QL__COUNTER_##name,
typedef enum ql__counter_id { QL__COUNTERS(QL__COUNTER_ENUM) QL__COUNTER_COUNT } ql__counter_id;
#undef QL__COUNTER_ENUM

typedef struct ql__prof ql__prof;

typedef struct ql__span_total {
    uint64_t count;
    uint64_t wall_ns; /* sum over threads, so it can exceed the run's length */
    uint64_t max_ns;
} ql__span_total;

typedef struct ql__prof_totals {
    ql__span_total spans[QL__SPAN_COUNT];
    uint64_t counters[QL__COUNTER_COUNT];
} ql__prof_totals;

ql__prof *ql__prof_new(void); /* NULL: out of memory */
void ql__prof_free(ql__prof *self);
void ql__prof_totals_read(const ql__prof *self, ql__prof_totals *out);
/* Durations of spans also go into the histograms of this registry (prof/metrics.h); before anybody enters. NULL: none. */
struct ql__metrics;
void ql__prof_metrics_set(ql__prof *self, struct ql__metrics *metrics);
const char *ql__span_name(ql__span_id id);
const char *ql__counter_name(ql__counter_id id);

/* self NULL: hooks of this thread are off. Returns what was set before, to be handed to ql__prof_leave. */
ql__prof *ql__prof_enter(ql__prof *self);
void ql__prof_leave(ql__prof *previous);

/* Lets the threads of a pool take part in the profiler of whoever starts a loop: ql__pool_hooks_set(pool, ql__prof_pool_hooks()). */
const ql__pool_hooks *ql__prof_pool_hooks(void);

/*
 * One running span: counted in the thread's profiler, and told to the capture that runs, where it has the site's place in the source and makes the
 * thread's label "stage" its name. Ends in its thread, the last begun first.
 */
typedef struct ql__span {
    uint64_t begin_ns; /* 0: off */
    ql__span_id id;
    bool captured;
    uint64_t outer_labels;
    ql_span traced;
} ql__span;

/* Where this thread counts; NULL: off. initial-exec: found without a call, in the shared library too. Only the functions below use it. */
struct ql__prof_shard;
extern _Thread_local struct ql__prof_shard *ql__prof_current __attribute__((tls_model("initial-exec"), visibility("hidden")));
uint64_t ql__span_now(void);
void ql__span_open(ql__span *span, ql__span_id id, ql_site *site);
void ql__span_close(ql__span *span);
void ql__counter_record(ql__counter_id id, uint64_t amount);

static inline bool ql__span_wanted(void)
{
    return ql__prof_current != NULL || __atomic_load_n(&ql__prof_spans_on, __ATOMIC_RELAXED) != 0;
}
static inline ql__span ql__span_begin(ql__span_id id, ql_site *site)
{
    ql__span span;
    span.begin_ns = 0;
    if (ql__span_wanted()) ql__span_open(&span, id, site);
    return span;
}
/* Ending twice counts once. */
static inline void ql__span_end(ql__span *span)
{
    if (span->begin_ns) ql__span_close(span);
}
/* Something to know of a running span. */
static inline void ql__span_note(const ql__span *span, const char *key, int64_t value)
{
    if (span->begin_ns && span->captured) ql_span_int(&span->traced, key, value);
}
static inline void ql__span_note_text(const ql__span *span, const char *key, ql_str value)
{
    if (span->begin_ns && span->captured) ql_span_text(&span->traced, key, value);
}
static inline void ql__counter_add(ql__counter_id id, uint64_t amount)
{
    if (ql__span_wanted()) ql__counter_record(id, amount);
}

/* The rest of the enclosing block is the span. */
#define QL_SPAN(id) \
    static ql_site ql_site_##id = QL_SITE_INIT(NULL, "stage"); \
    __attribute__((cleanup(ql__span_end), unused)) ql__span ql_span_##id = ql__span_begin(QL__SPAN_##id, &ql_site_##id)

#endif
