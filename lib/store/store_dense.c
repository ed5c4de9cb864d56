/*
 * Purpose: the chunks nearest to a query vector: every live row is looked at, so the answer is exact.
 *
 * Invariants: a row's score depends on the row and the query alone, never on its place, so that equal indexes answer equally.
 * A group is verified before its first row is scored.
 *
 * Threads: one at a time per store. Cost: dims * 4 bytes per live row, at memory speed; groups without passing rows are skipped.
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
    ql_status st = scan(self->store, padded, mask ? mask->bits : NULL, &top, err);
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
