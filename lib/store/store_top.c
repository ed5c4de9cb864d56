/*
 * Purpose: the best k of many scored slots, the same ones whatever the order they come in.
 *
 * Invariants: order is score descending, then public chunk id ascending. The id's first 8 bytes are at hand per slot; only when
 * they are equal too is the whole id read. items[0] is the worst kept one.
 *
 * Threads: one at a time. Cost: one comparison for a slot that does not enter, log k for one that does.
 */
#include "base/alloc.h"
#include "base/status.h"
#include "store/store_internal.h"

void ql__top_init(ql__top *self, ql__store *store, ql__score *items, size_t limit, ql_error *err)
{
    *self = (ql__top){.store = store, .keys = store->view.keys, .items = items, .limit = limit, .err = err};
}

static bool id_before(ql__top *self, uint64_t a, uint64_t b)
{
    QL_AUTO(ql_buf, ql_buf_dispose) id_a = QL_BUF_INIT;
    QL_AUTO(ql_buf, ql_buf_dispose) id_b = QL_BUF_INIT;
    ql_status st = ql__store_chunk_id(self->store, a, &id_a, self->err);
    if (st == QL_OK) st = ql__store_chunk_id(self->store, b, &id_b, self->err);
    if (st != QL_OK) {
        if (self->status == QL_OK) self->status = st;
        return a < b;
    }
    int order = ql_str_compare(ql_buf_str(&id_a), ql_buf_str(&id_b));
    return order ? order < 0 : a < b;
}

static bool better(ql__top *self, const ql__score *a, const ql__score *b)
{
    if (a->score != b->score) return a->score > b->score;
    if (a->slot == b->slot) return false;
    uint64_t key_a = self->keys[a->slot], key_b = self->keys[b->slot];
    return key_a != key_b ? key_a < key_b : id_before(self, a->slot, b->slot);
}

static void sink(ql__top *self, size_t at, size_t count)
{
    ql__score item = self->items[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && better(self, &self->items[child], &self->items[child + 1])) child++;
        if (!better(self, &item, &self->items[child])) break;
        self->items[at] = self->items[child];
    }
    self->items[at] = item;
}

void ql__top_offer(ql__top *self, uint64_t slot, float score)
{
    ql__score item = {.slot = slot, .score = score};
    if (self->count < self->limit) {
        size_t at = self->count++;
        while (at && better(self, &self->items[(at - 1) / 2], &item)) {
            self->items[at] = self->items[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        self->items[at] = item;
    } else if (self->limit && better(self, &item, &self->items[0])) {
        self->items[0] = item;
        sink(self, 0, self->count);
    }
}

ql_status ql__top_finish(ql__top *self, size_t *out_count)
{
    for (size_t left = self->count; left > 1; left--) {
        ql__score worst = self->items[0];
        self->items[0] = self->items[left - 1];
        self->items[left - 1] = worst;
        sink(self, 0, left - 1);
    }
    if (self->status != QL_OK) return self->status;
    *out_count = self->count;
    return QL_OK;
}
