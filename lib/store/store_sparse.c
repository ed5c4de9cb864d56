/*
 * Purpose: BM25 over the inverted index.
 *
 * Invariants: N, document frequency and average length count live chunks only, whatever filter is set, so that scores do not
 * depend on the filter or on what was deleted. A chunk's score is summed in the order of the query's terms: the same bits
 * wherever its slot is. Scores are idf * w * tf * (k1 + 1) / (tf + norm), with norm = k1 * (1 - b + b * length / average).
 *
 * Threads: one at a time per store. Cost: every posting of the query's terms is decoded and scored once; one pass over the
 * accumulators finds the best. The accumulators stay for ql__snapshot_sparse_of with the same terms.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"
#include "store/store_internal.h"

static ql_status fail_posting(const ql__store *self, ql_error *err)
{
    return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: postings of a term are not in the format of their version", self->dir);
}

/* Appends decoded postings and drops those of dead slots; they must come after what is there. */
static ql_status add_block(ql__store *self, ql_str data, uint64_t first, uint64_t last, uint64_t count, ql_error *err)
{
    ql__view *view = &self->view;
    ql__posting_list *list = &view->list;
    bool nomem = false;
    size_t kept = list->count;
    if (last >= view->slots || (kept && list->slots[kept - 1] >= first)) return fail_posting(self, err);
    if (!ql__posting_list_decode(list, data, first, last, count, &nomem)) return nomem ? ql__fail_nomem(err) : fail_posting(self, err);
    for (size_t i = kept; i < list->count; i++) {
        uint32_t slot = list->slots[i];
        list->slots[kept] = slot;
        list->tfs[kept] = list->tfs[i];
        kept += ql__bit(view->live, slot);
    }
    list->count = kept;
    return QL_OK;
}

ql_status ql__view_postings(ql__store *self, ql_str term, ql_error *err)
{
    ql__view *view = &self->view;
    ql__stmt *stmt = NULL;
    ql_status st;
    view->list.count = 0;
    QL_TRY(ql__store_stmt(self, STMT_POSTING_READ, &stmt, err));
    ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
    ql__stmt_bind_bytes(stmt, 2, term);
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        st = add_block(self, ql__stmt_bytes(stmt, 3), (uint64_t)ql__stmt_int(stmt, 0), (uint64_t)ql__stmt_int(stmt, 1), (uint64_t)ql__stmt_int(stmt, 2), err);
        if (st == QL_OK) continue;
        ql__stmt_reset(stmt);
        return st;
    }
    if (st < 0) return st;
    for (size_t i = 0; i < view->log_count; i++) {
        ql__log_entry entry;
        if (ql__terms_log_find(&view->logs[i], term, &entry)) QL_TRY(add_block(self, entry.data, entry.first_slot, entry.last_slot, entry.count, err));
    }
    return QL_OK;
}

static void score_list(ql__view *view, float weight)
{
    double live = (double)view->meta.live_chunks, df = (double)view->list.count;
    float idf = (float)log(1.0 + (live - df + 0.5) / (df + 0.5));
    float factor = idf * weight * (BM25_K1 + 1.0f);
    const uint32_t *slots = view->list.slots, *tfs = view->list.tfs;
    for (size_t i = 0; i < view->list.count; i++) {
        float tf = (float)tfs[i];
        view->scores[slots[i]] += factor * tf / (tf + view->norms[slots[i]]);
    }
}

/* What the accumulators were made for: lengths, bytes and weights of the terms. */
static ql_status query_key(const ql_str *terms, const float *weights, size_t count, ql_buf *out, ql_error *err)
{
    for (size_t i = 0; i < count; i++) {
        ql_buf_append(out, (ql_str){(const char *)&terms[i].len, sizeof terms[i].len});
        ql_buf_append(out, (ql_str){(const char *)&weights[i], sizeof weights[i]});
        ql_buf_append(out, terms[i]);
    }
    return out->status == QL_OK ? QL_OK : ql__fail_nomem(err);
}

static ql_status accumulate(ql__store *self, const ql_str *terms, const float *weights, size_t count, ql_error *err)
{
    ql__view *view = &self->view;
    QL_AUTO(ql_buf, ql_buf_dispose) key = QL_BUF_INIT;
    for (size_t i = 0; i < count; i++)
        if (!(weights[i] >= 0) || isinf(weights[i])) return ql__fail(err, QL_E_INVALID, "store: the weight of a term is negative or not finite");
    QL_TRY(query_key(terms, weights, count, &key, err));
    if (key.len && ql_str_equal(ql_buf_str(&key), ql_buf_str(&view->scored))) return QL_OK;
    ql_buf_clear(&view->scored);
    if (!ql__array_reserve(&view->dfs, &view->dfs_capacity, count, sizeof *view->dfs)) return ql__fail_nomem(err);
    memset(view->scores, 0, view->capacity * sizeof *view->scores);
    for (size_t i = 0; i < count; i++) {
        QL_TRY(ql__view_postings(self, terms[i], err));
        view->dfs[i] = view->list.count;
        if (weights[i] != 0) score_list(view, weights[i]);
    }
    return ql_buf_append(&view->scored, ql_buf_str(&key)) == QL_OK ? QL_OK : ql__fail_nomem(err);
}

ql_status ql__snapshot_sparse(ql__snapshot *self, const ql_str *terms, const float *weights, size_t count, const ql__mask *mask, size_t k,
                              ql__score *out, size_t *out_count, ql_error *err)
{
    ql__view *view = self->view;
    ql__top top;
    if (view->slots == 0 || k == 0 || count == 0) {
        *out_count = 0;
        return QL_OK;
    }
    QL_TRY(accumulate(self->store, terms, weights, count, err));
    ql__top_init(&top, self->store, out, k, err);
    float floor = 0;
    for (size_t slot = 0; slot < view->slots; slot++) {
        float score = view->scores[slot];
        if (score <= 0 || score < floor || (mask && !ql__bit(mask->bits, slot))) continue;
        ql__top_offer(&top, slot, score);
        floor = ql__top_floor(&top);
    }
    return ql__top_finish(&top, out_count);
}

ql_status ql__snapshot_sparse_of(ql__snapshot *self, const ql_str *terms, const float *weights, size_t term_count, ql__score *slots, size_t count, ql_error *err)
{
    ql__view *view = self->view;
    if (count == 0) return QL_OK;
    for (size_t i = 0; i < count; i++)
        if (slots[i].slot >= view->slots) return ql__fail(err, QL_E_INVALID, "store: no chunk %llu in this snapshot", (unsigned long long)slots[i].slot);
    QL_TRY(accumulate(self->store, terms, weights, term_count, err));
    for (size_t i = 0; i < count; i++) slots[i].score = view->scores[slots[i].slot];
    return QL_OK;
}

ql_status ql__snapshot_dfs(ql__snapshot *self, const ql_str *terms, const float *weights, size_t count, uint64_t *out, ql_error *err)
{
    if (count == 0) return QL_OK;
    QL_TRY(accumulate(self->store, terms, weights, count, err));
    memcpy(out, self->view->dfs, count * sizeof *out);
    return QL_OK;
}
