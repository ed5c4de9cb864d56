/*
 * Purpose: the chunks nearest to a query vector.
 *
 * Invariants: a row's score depends on the row and the query alone, never on its place, so that equal indexes answer equally. A
 * group is verified before its first row is scored. Few rows are all looked at. Of many, the codes give an upper estimate for each
 * (3 standard deviations above the estimate); the rows with the highest ones are scored, which gives a floor under the k-th best
 * score, and then every row whose upper estimate reaches it. A true hit is missed only if its estimate is off by more than that,
 * which one in 740 is, and which only matters for hits near the floor; scores themselves are always exact.
 *
 * Threads: one at a time per store. Cost: dims * 4 bytes per live row at memory speed, or dims / 8 bytes and some hundred rows.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "store/store_dot.h"
#include "store/store_internal.h"

/* The query padded to a row and divided by its length: (stride / 4). */
static ql_status prepare(const ql__view *view, const float *query, float **out, ql_error *err)
{
    double sum = 0;
    size_t floats = view->vectors.stride / sizeof(float);
    for (uint32_t i = 0; i < view->meta.dims; i++) sum += (double)query[i] * (double)query[i];
    if (!(sum > 0) || isinf(sum)) return ql__fail(err, QL_E_INVALID, "store: the query vector is zero or not finite");
    float *padded = ql__alloc_zero(floats, sizeof *padded);
    if (!padded) return ql__fail_nomem(err);
    float scale = (float)(1.0 / sqrt(sum));
    for (uint32_t i = 0; i < view->meta.dims; i++) padded[i] = query[i] * scale;
    *out = padded;
    return QL_OK;
}

static ql_status scan(ql__store *store, const float *query, const uint64_t *bits, ql__top *top, ql_error *err)
{
    ql__view *view = &store->view;
    ql__dot_fn dot = ql__dot_best();
    size_t floats = view->vectors.stride / sizeof(float);
    for (size_t group = 0; group * STORE_GROUP_SLOTS < view->slots; group++) {
        uint64_t left = view->live[group] & (bits ? bits[group] : UINT64_MAX);
        if (left && !ql__bit(view->verified, group)) QL_TRY(ql__view_verify(store, group * STORE_GROUP_SLOTS, 1, err));
        for (; left; left &= left - 1) {
            size_t slot = group * STORE_GROUP_SLOTS + (size_t)__builtin_ctzll(left);
            float score = dot(query, ql__vectors_row(&view->vectors, slot), floats);
            if (score >= ql__top_floor(top)) ql__top_offer(top, slot, score);
        }
    }
    return QL_OK;
}

/* The highest upper estimates so far: a heap with the lowest on top. */
typedef struct best_uppers {
    float *values;
    uint32_t *slots;
    size_t count, limit;
} best_uppers;

static void uppers_sink(best_uppers *self, size_t at)
{
    float value = self->values[at];
    uint32_t slot = self->slots[at];
    for (size_t child; (child = 2 * at + 1) < self->count; at = child) {
        if (child + 1 < self->count && self->values[child + 1] < self->values[child]) child++;
        if (self->values[child] >= value) break;
        self->values[at] = self->values[child];
        self->slots[at] = self->slots[child];
    }
    self->values[at] = value;
    self->slots[at] = slot;
}

static void uppers_offer(best_uppers *self, float value, uint32_t slot)
{
    if (self->count < self->limit) {
        self->values[self->count] = value;
        self->slots[self->count++] = slot;
        if (self->count == self->limit)
            for (size_t i = self->limit / 2; i-- > 0;) uppers_sink(self, i);
        return;
    }
    if (value <= self->values[0]) return;
    self->values[0] = value;
    self->slots[0] = slot;
    uppers_sink(self, 0);
}

static void scan_codes(ql__view *view, const ql__code_query *query, const uint64_t *bits, best_uppers *best)
{
    ql__code_scan_fn scans[3], scan_block;
    ql__code_scan_all(scans);
    scan_block = scans[0];
    size_t size = ql__code_block_bytes(view->meta.dims);
    for (size_t group = 0; group * STORE_GROUP_SLOTS < view->slots; group++) {
        uint64_t left = view->live[group] & (bits ? bits[group] : UINT64_MAX);
        if (!left) continue;
        float floor = best->count < best->limit ? -INFINITY : best->values[0], *uppers = view->uppers + group * STORE_GROUP_SLOTS;
        for (left &= scan_block(query, view->codes + group * size, floor, uppers); left; left &= left - 1) {
            size_t i = (size_t)__builtin_ctzll(left);
            uppers_offer(best, uppers[i], (uint32_t)(group * STORE_GROUP_SLOTS + i));
        }
    }
}

static ql_status score_slot(ql__store *store, ql__dot_fn dot, const float *query, size_t slot, ql__top *top, ql_error *err)
{
    ql__view *view = &store->view;
    if (!ql__bit(view->verified, slot / STORE_GROUP_SLOTS)) QL_TRY(ql__view_verify(store, slot, 1, err));
    float score = dot(query, ql__vectors_row(&view->vectors, slot), view->vectors.stride / sizeof(float));
    if (score >= ql__top_floor(top)) ql__top_offer(top, slot, score);
    return QL_OK;
}

/* Scores the rows whose upper estimate reaches what is already certain. */
static ql_status score_candidates(ql__store *store, const float *query, const uint64_t *bits, const best_uppers *best, ql__top *top, ql_error *err)
{
    ql__view *view = &store->view;
    ql__dot_fn dot = ql__dot_best();
    size_t limit = top->limit;
    for (size_t i = 0; i < best->count; i++) QL_TRY(score_slot(store, dot, query, best->slots[i], top, err));
    float floor = ql__top_floor(top);
    ql__top_init(top, store, top->items, limit, err);
    for (size_t group = 0; group * STORE_GROUP_SLOTS < view->slots; group++) {
        uint64_t left = view->live[group] & (bits ? bits[group] : UINT64_MAX);
        const float *uppers = view->uppers + group * STORE_GROUP_SLOTS;
        if (ql__top_floor(top) > floor) floor = ql__top_floor(top);
        for (left &= left ? ql__code_reaching(uppers, floor) : 0; left; left &= left - 1)
            QL_TRY(score_slot(store, dot, query, group * STORE_GROUP_SLOTS + (size_t)__builtin_ctzll(left), top, err));
    }
    return QL_OK;
}

#define FIRST_SCORED 96 /* rows scored first, beyond 4 k: they set the floor */

static ql_status scan_with_codes(ql__store *store, const float *query, const uint64_t *bits, ql__top *top, ql_error *err)
{
    ql__view *view = &store->view;
    ql__code_query prepared;
    best_uppers best = {.limit = 4 * top->limit + FIRST_SCORED};
    QL_TRY(ql__view_codes(store, err));
    QL_TRY(ql__code_query_new(&prepared, query, view->meta.dims, err));
    best.values = ql__alloc(best.limit * sizeof *best.values);
    best.slots = ql__alloc(best.limit * sizeof *best.slots);
    ql_status st = best.values && best.slots ? QL_OK : ql__fail_nomem(err);
    if (st == QL_OK) {
        scan_codes(view, &prepared, bits, &best);
        st = score_candidates(store, query, bits, &best, top, err);
    }
    ql__free(best.values);
    ql__free(best.slots);
    ql__code_query_dispose(&prepared);
    return st;
}

/* Whether so many rows pass that estimating pays, and k is small against them. */
static bool wants_codes(const ql__view *view, const ql__mask *mask, size_t k)
{
    uint64_t passing = mask ? mask->count : view->meta.live_chunks;
    return passing >= STORE_CODES_SLOTS_MIN && k <= passing / 64;
}

ql_status ql__snapshot_dense(ql__snapshot *self, const float *query, const ql__mask *mask, size_t k, ql__score *out, size_t *out_count, ql_error *err)
{
    _Static_assert(STORE_GROUP_SLOTS == 64, "a group is a word of the live bits");
    ql__top top;
    float *padded = NULL;
    if (self->view->slots == 0 || k == 0) {
        *out_count = 0;
        return QL_OK;
    }
    QL_TRY(prepare(self->view, query, &padded, err));
    ql__top_init(&top, self->store, out, k, err);
    const uint64_t *bits = mask ? mask->bits : NULL;
    ql_status st = wants_codes(self->view, mask, k) ? scan_with_codes(self->store, padded, bits, &top, err) : scan(self->store, padded, bits, &top, err);
    ql__free(padded);
    return st == QL_OK ? ql__top_finish(&top, out_count) : st;
}

ql_status ql__snapshot_dense_of(ql__snapshot *self, const float *query, ql__score *slots, size_t count, ql_error *err)
{
    float *padded = NULL;
    ql__view *view = self->view;
    ql__dot_fn dot = ql__dot_best();
    ql_status st = QL_OK;
    if (count == 0) return QL_OK;
    QL_TRY(prepare(view, query, &padded, err));
    for (size_t i = 0; st == QL_OK && i < count; i++) {
        if (slots[i].slot >= view->slots) st = ql__fail(err, QL_E_INVALID, "store: no chunk %llu in this snapshot", (unsigned long long)slots[i].slot);
        else st = ql__view_verify(self->store, slots[i].slot, 1, err);
        if (st == QL_OK) slots[i].score = dot(padded, ql__vectors_row(&view->vectors, slots[i].slot), view->vectors.stride / sizeof(float));
    }
    ql__free(padded);
    return st;
}
