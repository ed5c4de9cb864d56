/*
 * Purpose: which slots pass a filter.
 *
 * Invariants: filters are conditions on documents, whose chunks have neighbouring slots, so a mask is a union of ranges, cut to
 * live slots. Equality conditions run on the index document_filter, which
 * begins with project and type: for a source alone its values there are jumped along first (a few, where reading all of the index would be one row a document).
 *
 * Threads: one at a time per store. Cost: one row per document that passes; a copy of the bits when the filter is one of the last eight.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "store/store_internal.h"

static void add_range(ql__mask *self, uint64_t first, uint64_t count)
{
    for (uint64_t slot = first; slot < first + count; slot++) self->bits[slot / 64] |= 1ull << (slot % 64);
}

/* p: every project; t: every project with every type that it has. Each step is one search of the index. */
static const char kinds_sql[] =
    "WITH RECURSIVE p(x) AS (SELECT min(project) FROM document UNION ALL SELECT (SELECT min(project) FROM document WHERE project>p.x) FROM p WHERE p.x IS NOT NULL),"
    "t(x,y) AS (SELECT p.x,(SELECT min(source_type) FROM document WHERE project=p.x) FROM p WHERE p.x IS NOT NULL"
    " UNION ALL SELECT t.x,(SELECT min(source_type) FROM document WHERE project=t.x AND source_type>t.y) FROM t WHERE t.y IS NOT NULL) ";

/* Columns first, bindings later: ?1.. in the order of the conditions below. */
static ql_status filter_sql(const ql_filter *filter, ql_buf *out, ql_error *err)
{
    bool source_alone = filter->source.len && !filter->project.len;
    if (source_alone) ql_buf_append(out, ql_str_of(kinds_sql));
    ql_buf_append(out, QL_STR("SELECT first_slot,chunk_count FROM "));
    ql_buf_append(out, source_alone ? QL_STR("t CROSS JOIN document ON project=t.x AND source_type=t.y") : QL_STR("document"));
    ql_buf_append(out, QL_STR(" WHERE first_slot IS NOT NULL"));
    if (filter->project.len) ql_buf_append(out, QL_STR(" AND project=?1"));
    if (filter->source_type.len) ql_buf_append(out, QL_STR(" AND source_type=?2"));
    if (filter->source.len) ql_buf_append(out, QL_STR(" AND source=?3"));
    if (filter->path_prefix.len) ql_buf_append(out, QL_STR(" AND (substr(path,1,?5)=?4 OR substr(url,1,?5)=?4)"));
    if (filter->since_ms != QL_TIME_UNKNOWN) ql_buf_append(out, QL_STR(" AND updated_at>=?6"));
    if (filter->until_ms != QL_TIME_UNKNOWN) ql_buf_append(out, QL_STR(" AND updated_at<=?7"));
    return out->status == QL_OK ? QL_OK : ql__fail_nomem(err);
}

static void bind_filter(ql__stmt *stmt, const ql_filter *filter)
{
    if (filter->project.len) ql__stmt_bind_bytes(stmt, 1, filter->project);
    if (filter->source_type.len) ql__stmt_bind_bytes(stmt, 2, filter->source_type);
    if (filter->source.len) ql__stmt_bind_bytes(stmt, 3, filter->source);
    if (filter->path_prefix.len) {
        ql__stmt_bind_bytes(stmt, 4, filter->path_prefix);
        ql__stmt_bind_int(stmt, 5, (int64_t)filter->path_prefix.len);
    }
    if (filter->since_ms != QL_TIME_UNKNOWN) ql__stmt_bind_int(stmt, 6, filter->since_ms);
    if (filter->until_ms != QL_TIME_UNKNOWN) ql__stmt_bind_int(stmt, 7, filter->until_ms);
}

static ql_status fill(ql__snapshot *self, const ql_filter *filter, ql__mask *mask, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) sql = QL_BUF_INIT;
    ql__stmt *stmt = NULL;
    ql_status st;
    QL_TRY(filter_sql(filter, &sql, err));
    QL_TRY(ql__db_prepare(self->store->db, ql_buf_cstr(&sql), &stmt, err));
    bind_filter(stmt, filter);
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        uint64_t first = (uint64_t)ql__stmt_int(stmt, 0), count = (uint64_t)ql__stmt_int(stmt, 1);
        if (first >= mask->slots || count > mask->slots - first) {
            st = ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: a document points beyond the last chunk", self->store->dir);
            break;
        }
        add_range(mask, first, count);
    }
    ql__stmt_free(stmt);
    if (st < 0) return st;
    for (size_t i = 0; i * 64 < mask->slots; i++) {
        mask->bits[i] &= self->view->live[i];
        mask->count += (uint64_t)__builtin_popcountll(mask->bits[i]);
    }
    return QL_OK;
}

static bool is_open(const ql_filter *filter)
{
    return !filter->project.len && !filter->source_type.len && !filter->source.len && !filter->path_prefix.len && filter->since_ms == QL_TIME_UNKNOWN &&
           filter->until_ms == QL_TIME_UNKNOWN;
}

static void put_part(ql_buf *out, ql_str part)
{
    ql_buf_append(out, (ql_str){(const char *)&part.len, sizeof part.len});
    ql_buf_append(out, part);
}

/* The filter as bytes: equal when the filters are. */
static ql_status filter_key(const ql_filter *filter, ql_buf *out, ql_error *err)
{
    put_part(out, filter->project);
    put_part(out, filter->source_type);
    put_part(out, filter->source);
    put_part(out, filter->path_prefix);
    put_part(out, (ql_str){(const char *)&filter->since_ms, sizeof filter->since_ms});
    put_part(out, (ql_str){(const char *)&filter->until_ms, sizeof filter->until_ms});
    return out->status == QL_OK ? QL_OK : ql__fail_nomem(err);
}

static const ql__kept_mask *kept_of(const ql__view *view, ql_str key)
{
    for (size_t i = 0; i < STORE_MASKS_KEPT; i++)
        if (ql_str_equal(ql_buf_str(&view->masks[i].key), key)) return &view->masks[i];
    return NULL;
}

static void forget(ql__kept_mask *self)
{
    ql_buf_dispose(&self->key);
    ql__free(self->bits);
    *self = (ql__kept_mask){.key = QL_BUF_INIT};
}

void ql__kept_masks_clear(ql__view *view)
{
    for (size_t i = 0; i < STORE_MASKS_KEPT; i++) forget(&view->masks[i]);
}

/* The mask takes the place of the one that was kept longest. */
static ql_status keep(ql__view *view, ql_str key, const ql__mask *mask, size_t size, ql_error *err)
{
    ql__kept_mask *place = &view->masks[view->mask_next];
    forget(place);
    place->bits = ql__alloc(size);
    if (!place->bits || ql_buf_append(&place->key, key) < 0) {
        forget(place);
        return ql__fail_nomem(err);
    }
    memcpy(place->bits, mask->bits, size);
    place->count = mask->count;
    view->mask_next = (view->mask_next + 1) % STORE_MASKS_KEPT;
    return QL_OK;
}

static ql_status fill_or_copy(ql__snapshot *self, const ql_filter *filter, ql__mask *mask, ql_error *err)
{
    size_t size = (mask->slots / 64 + 1) * sizeof *mask->bits;
    QL_AUTO(ql_buf, ql_buf_dispose) key = QL_BUF_INIT;
    QL_TRY(filter_key(filter, &key, err));
    const ql__kept_mask *kept = kept_of(self->view, ql_buf_str(&key));
    if (kept) {
        memcpy(mask->bits, kept->bits, size);
        mask->count = kept->count;
        return QL_OK;
    }
    QL_TRY(fill(self, filter, mask, err));
    return keep(self->view, ql_buf_str(&key), mask, size, err);
}

ql_status ql__snapshot_mask(ql__snapshot *self, const ql_filter *filter, ql__mask **out, ql_error *err)
{
    if (!filter || is_open(filter)) {
        *out = NULL;
        return QL_OK;
    }
    ql__mask *mask = ql__alloc_zero(1, sizeof *mask);
    if (!mask) return ql__fail_nomem(err);
    mask->slots = self->view->slots;
    mask->bits = ql__alloc_zero(mask->slots / 64 + 1, sizeof *mask->bits);
    ql_status st = mask->bits ? fill_or_copy(self, filter, mask, err) : ql__fail_nomem(err);
    if (st != QL_OK) {
        ql__mask_free(mask);
        return st;
    }
    *out = mask;
    return QL_OK;
}

void ql__mask_free(ql__mask *self)
{
    if (!self) return;
    ql__free(self->bits);
    ql__free(self);
}

bool ql__snapshot_passes(const ql__snapshot *self, const ql__mask *mask, uint64_t slot)
{
    return slot < self->view->slots && ql__bit(self->view->live, slot) && (!mask || ql__bit(mask->bits, slot));
}

uint64_t ql__mask_count(const ql__mask *self)
{
    return self->count;
}
