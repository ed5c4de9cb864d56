/*
 * One search.
 *
 * The store gives the best CANDIDATES_MIN or more passages of both sides, each with both scores, so that the order does not depend on
 * where the lists were cut. Scores closer than SCORE_GRADES tells are
 * equal: the same text embedded in another batch must not change places from one index to the next. Equals go in the order of
 * a reader, by url and place in the document. Texts are fetched for what is shown only, plus what ties with the last of it. No
 * state survives a call. Cost: one query embedding, one
 * pass over the vectors, the postings of the terms, and one row for each hit.
 */
#include "search/search.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "model/identity.h"
#include "prof/span.h"
#include "search/query.h"
#include "text/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 10
#define CANDIDATES_MIN 200    /* of each side; on the labelled sets more changes nothing in the first ten */
#define CANDIDATES_FACTOR 4   /* with a large limit, so many for each hit wanted */
#define SCORE_GRADES 1e5      /* steps in 0..1: float32 vectors of one text differ by less than a tenth of one */

typedef struct search {
    const ql__search_engine *engine;
    ql__search_options options;
    ql__arena scratch; /* dropped at the end of the call */
    ql__query query;
    float *vector;     /* (dims) of the query; NULL in sparse mode */
    ql_store_found found; /* candidates of both sides */
    ql__search_hit *hits; /* the same */
    size_t hit_count;
} search;

/* --- checks */

static const char *model_of(const ql__search_engine *engine)
{
    const char *name = engine->embedder->model_fn(engine->embedder_self);
    return name != NULL ? name : "";
}

static ql_status check_model(const ql__search_engine *engine, ql_error *err)
{
    if (engine->embedder == NULL) return ql__fail(err, QL_E_INVALID, "this search needs an embedder");
    ql_str stored = engine->view->view.model;
    const char *model = model_of(engine);
    uint32_t dims = engine->embedder->dims_fn(engine->embedder_self), stored_dims = engine->view->view.dims;
    if (ql__model_same(stored, ql_str_of(model)) && dims == stored_dims) return QL_OK;
    return ql__fail(err, QL_E_MISMATCH, "the index was made with model '%.*s' (%u dimensions), the query would be embedded with '%s' (%u): use that model, or ingest anew",
                    (int)(stored.len < 128 ? stored.len : 128), stored.ptr != NULL ? stored.ptr : "", stored_dims, model, dims);
}

static void name_condition(ql_buf *out, const char *name, ql_str value)
{
    if (value.len == 0) return;
    ql_buf_printf(out, "%s%s '%.*s'", out->len > 0 ? ", " : "", name, (int)(value.len < 80 ? value.len : 80), value.ptr);
}

static void name_time(ql_buf *out, const char *name, int64_t unix_ms)
{
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql__json_writer writer;
    if (unix_ms == QL_TIME_UNKNOWN) return;
    ql__json_begin(&writer, &json);
    ql__json_time(&writer, unix_ms);
    ql_str text = ql_buf_str(&json);
    if (text.len > 2 && text.ptr[0] == '"') name_condition(out, name, (ql_str){text.ptr + 1, text.len - 2});
    else ql_buf_printf(out, "%s%s %lld ms", out->len > 0 ? ", " : "", name, (long long)unix_ms); /* beyond the years that a date has */
}

static ql_status fail_filtered(const ql_filter *filter, uint64_t stored, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) conditions = QL_BUF_INIT;
    if (filter == NULL) return ql__fail(err, QL_E_NOTFOUND, "the store lets none of its %llu passages be found", (unsigned long long)stored);
    name_condition(&conditions, "project", filter->project);
    name_condition(&conditions, "source type", filter->source_type);
    name_condition(&conditions, "source", filter->source);
    name_condition(&conditions, "path", filter->path_prefix);
    name_time(&conditions, "updated since", filter->since_ms);
    name_time(&conditions, "updated until", filter->until_ms);
    return ql__fail(err, QL_E_NOTFOUND, "none of the %llu passages passes the filter (%s)", (unsigned long long)stored, ql_buf_cstr(&conditions));
}

static ql_status check_store(const search *self, ql_error *err)
{
    if (self->engine->view->view.chunks == 0) return ql__fail(err, QL_E_NOTFOUND, "the index is empty: nothing has been ingested yet");
    if (self->options.mode != QL_SEARCH_SPARSE) QL_TRY(check_model(self->engine, err));
    uint64_t passing = 0;
    if (self->options.filter == NULL) return QL_OK;
    QL_TRY(ql__backend_passing(self->engine->view, self->options.filter, &passing, err));
    return passing > 0 ? QL_OK : fail_filtered(self->options.filter, self->engine->view->view.chunks, err);
}

/* --- candidates */

static ql_status embed_query(search *self, ql_error *err)
{
    QL_SPAN(QUERY_EMBED);
    const ql__search_engine *engine = self->engine;
    uint32_t dims = engine->view->view.dims;
    self->vector = ql__arena_alloc_zero(&self->scratch, dims, sizeof *self->vector);
    if (self->vector == NULL) return ql__fail_nomem(err);
    ql_str text = self->query.text;
    if (text.len > QL_LIMIT_QUERY_MEANING_BYTES) text.len = ql__grapheme_floor(text, QL_LIMIT_QUERY_MEANING_BYTES);
    QL_TRY(engine->embedder->embed_fn(engine->embedder_self, QL_EMBED_QUERY, &text, 1, self->vector, err));
    for (uint32_t i = 0; i < dims; i++) {
        if (!isfinite(self->vector[i])) return ql__fail(err, QL_E_INTERNAL, "the embedder '%s' gave a vector that is no number", engine->embedder->name);
    }
    return QL_OK;
}

static uint32_t candidates_wanted(const search *self)
{
    uint32_t wanted = self->options.limit * CANDIDATES_FACTOR;
    return wanted > CANDIDATES_MIN ? wanted : CANDIDATES_MIN;
}

static ql_status find_candidates(search *self, ql_error *err)
{
    static const uint32_t sides[] = {[QL_SEARCH_HYBRID] = QL_STORE_DENSE | QL_STORE_SPARSE, [QL_SEARCH_DENSE] = QL_STORE_DENSE, [QL_SEARCH_SPARSE] = QL_STORE_SPARSE};
    const ql__query *words = &self->query;
    if (self->options.mode != QL_SEARCH_SPARSE) QL_TRY(embed_query(self, err));
    const ql_store_query query = {.struct_size = sizeof query, .sides = sides[self->options.mode], .limit = candidates_wanted(self), .vector = self->vector,
                                  .words = words->terms, .weights = words->weights, .word_count = words->term_count, .filter = self->options.filter};
    ql_store_found *found = &self->found;
    *found = (ql_store_found){.struct_size = sizeof *found, .matches = ql__arena_alloc_zero(&self->scratch, 2 * (size_t)query.limit, sizeof *found->matches),
                              .dfs = ql__arena_alloc_zero(&self->scratch, words->term_count + 1, sizeof *found->dfs)};
    if (found->matches == NULL || found->dfs == NULL) return ql__fail_nomem(err);
    QL_TRY(ql__backend_find(self->engine->view, &query, found, err));
    return found->passing > 0 ? QL_OK : fail_filtered(query.filter, self->engine->view->view.chunks, err);
}

/* --- fusion */

static int by_slot(const void *a, const void *b)
{
    const ql__search_hit *x = a, *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int by_score(const void *a, const void *b)
{
    const ql__search_hit *x = a, *y = b;
    if (x->grade != y->grade) return x->grade > y->grade ? -1 : 1;
    return by_slot(a, b);
}

static int by_place(const void *a, const void *b)
{
    const ql__search_hit *x = a, *y = b;
    int order = ql_str_compare(x->chunk.url, y->chunk.url);
    if (order == 0) order = ql_str_compare(x->chunk.document_id, y->chunk.document_id);
    if (order != 0) return order;
    return x->chunk.chunk_index < y->chunk.chunk_index ? -1 : x->chunk.chunk_index > y->chunk.chunk_index;
}

static ql_status take_matches(search *self, ql_error *err)
{
    const ql_store_found *found = &self->found;
    ql__search_hit *hits = ql__arena_alloc_zero(&self->scratch, found->match_count + 1, sizeof *hits);
    if (hits == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < found->match_count; i++) {
        const ql_store_match *match = &found->matches[i];
        hits[i] = (ql__search_hit){.slot = match->slot, .cosine = (double)match->score_dense, .bm25 = (double)match->score_sparse, .rank_dense = match->rank_dense,
                                   .rank_sparse = match->rank_sparse};
    }
    self->hits = hits;
    self->hit_count = found->match_count;
    return QL_OK;
}

static double find_information(const search *self)
{
    double count = (double)self->engine->view->view.chunks, sum = 0;
    for (size_t i = 0; i < self->query.term_count; i++) sum += ql__fuse_idf(count, (double)self->found.dfs[i]);
    return sum;
}

static ql__fuse_plan plan(const search *self)
{
    if (self->options.mode == QL_SEARCH_DENSE) return ql__fuse_plan_dense();
    double information = find_information(self);
    return self->options.mode == QL_SEARCH_SPARSE ? ql__fuse_plan_sparse(information) : ql__fuse_plan_hybrid(ql__fuse_trust(&self->query.reading), information);
}

static ql_status fuse(search *self, ql__fuse_plan *out, ql_error *err)
{
    QL_SPAN(FUSE);
    QL_TRY(take_matches(self, err));
    *out = plan(self);
    for (size_t i = 0; i < self->hit_count; i++) {
        ql__search_hit *hit = &self->hits[i];
        hit->score = ql__fuse_score(out, hit->cosine, hit->bm25, &hit->part_dense, &hit->part_sparse);
        hit->grade = (uint32_t)lround(hit->score * SCORE_GRADES);
    }
    if (self->hit_count > 1) qsort(self->hits, self->hit_count, sizeof *self->hits, by_score);
    return QL_OK;
}

/* --- what is shown */

/* Texts of hits [begin, end) in one call; passages of equal score go in the order of a reader. */
static ql_status fetch_texts(search *self, size_t begin, size_t end, ql__search_results *out, ql_error *err)
{
    size_t count = end - begin;
    uint64_t *slots = ql__arena_alloc_zero(&self->scratch, count, sizeof *slots);
    ql_stored_chunk *chunks = ql__arena_alloc_zero(&self->scratch, count, sizeof *chunks);
    if (slots == NULL || chunks == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < count; i++) slots[i] = self->hits[begin + i].slot;
    QL_TRY(ql__backend_chunks(self->engine->view, slots, count, &out->arena, chunks, err));
    for (size_t i = 0; i < count; i++) self->hits[begin + i].chunk = chunks[i];
    for (size_t first = begin, next; first < end; first = next) {
        for (next = first + 1; next < end && self->hits[next].grade == self->hits[first].grade;) next++;
        if (next - first > 1) qsort(self->hits + first, next - first, sizeof *self->hits, by_place);
    }
    return QL_OK;
}

static bool is_welcome(const search *self, const ql__search_results *out, const ql__search_hit *hit)
{
    uint32_t same = 0;
    if (hit->chunk.id.len == 0) return false; /* it went between finding and showing */
    if (self->options.per_document == 0) return true;
    for (size_t i = 0; i < out->count; i++) same += ql_str_equal(out->hits[i].chunk.document_id, hit->chunk.document_id);
    return same < self->options.per_document;
}

/* Where the next `wanted` hits end, those that tie with the last included. */
static size_t end_of(const search *self, size_t begin, size_t wanted)
{
    size_t end = self->hit_count - begin < wanted ? self->hit_count : begin + wanted;
    while (end < self->hit_count && self->hits[end].grade == self->hits[end - 1].grade) end++;
    return end;
}

/* From best to worst, as many as are missing at a time, until the limit is reached. */
static ql_status fetch(search *self, ql__search_results *out, ql_error *err)
{
    QL_SPAN(FORMAT);
    size_t limit = self->options.limit;
    out->hits = ql__arena_alloc_zero(&out->arena.arena, limit, sizeof *out->hits);
    if (out->hits == NULL) return ql__fail_nomem(err);
    for (size_t begin = 0, end; begin < self->hit_count && out->count < limit; begin = end) {
        end = end_of(self, begin, limit - out->count);
        QL_TRY(fetch_texts(self, begin, end, out, err));
        for (size_t i = begin; i < end && out->count < limit; i++) {
            if (is_welcome(self, out, &self->hits[i])) out->hits[out->count++] = self->hits[i];
        }
    }
    return QL_OK;
}

/* --- the call */

static ql_status run(search *self, ql_str query, ql__search_results *out, ql_error *err)
{
    const ql__search_engine *engine = self->engine;
    const ql_measure *measure = NULL;
    bool reading_matters = self->options.mode == QL_SEARCH_HYBRID && engine->embedder != NULL; /* words alone need no model, not even its vocabulary */
    if (reading_matters && engine->embedder->measure_fn != NULL) measure = engine->embedder->measure_fn(engine->embedder_self);
    QL_TRY(ql__query_understand(query, engine->analyzer, measure, &self->scratch, &self->query, err));
    QL_TRY(check_store(self, err));
    QL_TRY(find_candidates(self, err));
    QL_TRY(fuse(self, &out->plan, err));
    out->candidates = self->hit_count;
    return fetch(self, out, err);
}

static ql_status settle_options(const ql__search_options *options, ql__search_options *out, ql_error *err)
{
    ql__search_options settled = options != NULL ? *options : (ql__search_options){0};
    if (settled.limit == 0) settled.limit = LIMIT_DEFAULT;
    if (settled.limit > QL_LIMIT_SEARCH_RESULTS) return ql__fail(err, QL_E_INVALID, "limit is %u, at most %d hits are given", settled.limit, QL_LIMIT_SEARCH_RESULTS);
    if (settled.mode != QL_SEARCH_HYBRID && settled.mode != QL_SEARCH_DENSE && settled.mode != QL_SEARCH_SPARSE) return ql__fail(err, QL_E_INVALID, "mode %d is no search mode", (int)settled.mode);
    *out = settled;
    return QL_OK;
}

ql_status ql__search_run(const ql__search_engine *engine, ql_str query, const ql__search_options *options,
                         ql__search_results *out, ql_error *err)
{
    QL_SPAN(SEARCH);
    search self = {.engine = engine};
    ql__search_results found = {.count = 0};
    QL_TRY(settle_options(options, &self.options, err));
    ql__arena_init(&self.scratch, 0);
    ql__arena_init(&found.arena.arena, 0);
    ql_status status = run(&self, query, &found, err);
    ql__arena_dispose(&self.scratch);
    if (status < 0) {
        ql__search_results_dispose(&found);
        return status;
    }
    *out = found;
    return QL_OK;
}

void ql__search_results_dispose(ql__search_results *self)
{
    ql__arena_dispose(&self->arena.arena);
    *self = (ql__search_results){.count = 0};
}
