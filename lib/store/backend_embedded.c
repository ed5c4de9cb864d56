/*
 * The built-in store behind the public table. Invariants: every member is the function of store.h of the same name; what a search needs at once
 * (candidates of both sides, both scores of each, the filter, the frequencies) is asked in one call, as a store elsewhere needs it.
 * Threads: as the connection. Cost: a sort of the candidates.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "prof/span.h"
#include "store/backend.h"
#include "store/store.h"

static ql_status open_store(void *user, const ql_store_settings *settings, void **store, ql_error *err)
{
    const ql__store_host *host = user;
    const ql__store_options options = {.dir = settings->data_dir.ptr, .collection = settings->collection.ptr, .write = settings->write != 0, .dims = settings->dims,
                                       .model = settings->model.ptr, .sys = host->sys, .log = host->log};
    ql__store *self = NULL;
    QL_TRY(ql__store_open(&options, &self, err));
    *store = self;
    return QL_OK;
}

static void close_store(void *store)
{
    ql__store_free(store);
}

static ql_status check_place(void *store, ql_error *err)
{
    return ql__store_check_place(store, err);
}

static ql_status begin(void *store, ql_error *err)
{
    return ql__store_begin(store, err);
}

static ql_status replace(void *store, const ql_store_document *document, ql_error *err)
{
    return ql__store_replace(store, document, err);
}

static ql_status touch(void *store, ql_str id, const ql_store_document *facts, ql_error *err)
{
    return ql__store_touch(store, id, facts, err);
}

static ql_status remove_document(void *store, ql_str id, ql_error *err)
{
    return ql__store_remove(store, id, err);
}

static ql_status commit(void *store, ql_error *err)
{
    return ql__store_commit(store, err);
}

static void rollback(void *store)
{
    ql__store_rollback(store);
}

static ql_status clear(void *store, ql_error *err)
{
    return ql__store_clear(store, err);
}

static ql_status compact(void *store, ql_error *err)
{
    return ql__store_compact(store, err);
}

static ql_status facts(void *store, ql_store_facts *out, ql_error *err)
{
    ql__store_stats stats;
    QL_TRY(ql__store_stats_read(store, &stats, err));
    *out = (ql_store_facts){.struct_size = sizeof *out, .dims = stats.dims, .documents = stats.documents, .chunks = stats.chunks, .vector_bytes = stats.vector_bytes,
                            .database_bytes = stats.database_bytes};
    _Static_assert(sizeof out->model == sizeof stats.model, "the same name");
    memcpy(out->model, stats.model, sizeof out->model);
    return QL_OK;
}

static ql_status known(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    return ql__store_known_each(store, project, source_type, source, fn, user, err);
}

/* The store tells an exact key, its four parts with a NUL between them. */
static int tell_owner(ql_str id, ql_str key, ql_store_owner_fn fn, void *user)
{
    ql_str parts[4] = {0};
    for (size_t part = 0, begin = 0, at = 0; part < 4 && at <= key.len; at++) {
        if (at < key.len && (part == 3 || key.ptr[at] != '\0')) continue;
        parts[part++] = (ql_str){key.ptr + begin, at - begin};
        begin = at + 1;
    }
    return fn(user, id, parts[0], parts[1], parts[2], parts[3]);
}

static ql_status owners(void *store, const ql_str *ids, size_t count, ql_store_owner_fn fn, void *user, ql_error *err)
{
    ql_buf key = QL_BUF_INIT;
    ql_status status = QL_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
        status = ql__store_id_owner(store, ids[i], &key, err);
        if (status >= 0 && key.len > 0 && tell_owner(ids[i], ql_buf_str(&key), fn, user) != 0) status = ql__fail(err, QL_E_CALLBACK, "the caller stopped the list of owners");
    }
    ql_buf_dispose(&key);
    return status;
}

static ql_status source_done(void *store, const ql_store_source *source, ql_error *err)
{
    return ql__store_source_done(store, source->project, source->source_type, source->source, source->last_complete_ms, source->report_json, err);
}

static ql_status source_forget(void *store, ql_str project, ql_str source_type, ql_str source, ql_error *err)
{
    return ql__store_source_forget(store, project, source_type, source, err);
}

static ql_status sources(void *store, ql_store_source_fn fn, void *user, ql_error *err)
{
    return ql__store_sources_each(store, fn, user, err);
}

static ql_status verify(void *store, ql_error *err)
{
    return ql__store_verify(store, err);
}

/* --- searching */

static ql_status view_open(void *store, ql_store_view *out, ql_error *err)
{
    ql__snapshot *snapshot = NULL;
    QL_TRY(ql__snapshot_open(store, &snapshot, err));
    *out = (ql_store_view){.struct_size = sizeof *out, .self = snapshot, .chunks = ql__snapshot_chunk_count(snapshot), .dims = ql__snapshot_dims(snapshot),
                           .model = ql__snapshot_model(snapshot)};
    return QL_OK;
}

static void view_close(void *view)
{
    ql__snapshot_free(view);
}

static int by_slot(const void *a, const void *b)
{
    const ql_store_match *x = a, *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* Both lists as one, each slot once, with the ranks of both. */
static void unite(ql_store_found *out)
{
    ql_store_match *matches = out->matches;
    size_t kept = 0;
    if (out->match_count > 1) qsort(matches, out->match_count, sizeof *matches, by_slot);
    for (size_t i = 0; i < out->match_count; i++) {
        if (kept > 0 && matches[kept - 1].slot == matches[i].slot) {
            matches[kept - 1].rank_dense += matches[i].rank_dense; /* one of each pair is 0 */
            matches[kept - 1].rank_sparse += matches[i].rank_sparse;
        } else {
            matches[kept++] = matches[i];
        }
    }
    out->match_count = kept;
}

static ql_status find_sides(ql__snapshot *snapshot, const ql_store_query *query, const ql__mask *mask, ql__score *scores, ql_store_found *out, ql_error *err)
{
    size_t count = 0;
    if ((query->sides & QL_STORE_DENSE) && query->vector != NULL) {
        QL_SPAN(DENSE);
        QL_TRY(ql__snapshot_dense(snapshot, query->vector, mask, query->limit, scores, &count, err));
        for (size_t i = 0; i < count; i++) out->matches[out->match_count++] = (ql_store_match){.slot = scores[i].slot, .rank_dense = (uint32_t)i + 1};
    }
    if ((query->sides & QL_STORE_SPARSE) && query->word_count > 0) {
        QL_SPAN(SPARSE);
        QL_TRY(ql__snapshot_sparse(snapshot, query->words, query->weights, query->word_count, mask, query->limit, scores, &count, err));
        for (size_t i = 0; i < count; i++) out->matches[out->match_count++] = (ql_store_match){.slot = scores[i].slot, .rank_sparse = (uint32_t)i + 1};
    }
    return QL_OK;
}

/* What one side did not list is computed, so that the order does not depend on where the lists were cut. */
static ql_status score_sides(ql__snapshot *snapshot, const ql_store_query *query, ql__score *scores, ql_store_found *out, ql_error *err)
{
    for (size_t i = 0; i < out->match_count; i++) scores[i].slot = out->matches[i].slot;
    if (query->vector != NULL) {
        QL_SPAN(DENSE);
        QL_TRY(ql__snapshot_dense_of(snapshot, query->vector, scores, out->match_count, err));
        for (size_t i = 0; i < out->match_count; i++) out->matches[i].score_dense = scores[i].score;
    }
    if (query->word_count == 0) return QL_OK;
    QL_SPAN(SPARSE);
    QL_TRY(ql__snapshot_sparse_of(snapshot, query->words, query->weights, query->word_count, scores, out->match_count, err));
    for (size_t i = 0; i < out->match_count; i++) out->matches[i].score_sparse = scores[i].score;
    return query->sides & QL_STORE_SPARSE ? ql__snapshot_dfs(snapshot, query->words, query->weights, query->word_count, out->dfs, err) : QL_OK;
}

static ql_status find_passing(ql__snapshot *snapshot, const ql_store_query *query, const ql__mask *mask, ql_store_found *out, ql_error *err)
{
    QL_AUTO(ql__score *, ql__free_cleanup) scores = ql__alloc_zero(2 * (size_t)query->limit + 1, sizeof *scores);
    if (scores == NULL) return ql__fail_nomem(err);
    QL_TRY(find_sides(snapshot, query, mask, scores, out, err));
    unite(out);
    return score_sides(snapshot, query, scores, out, err);
}

static ql_status find(void *view, const ql_store_query *query, ql_store_found *out, ql_error *err)
{
    ql__mask *mask = NULL;
    out->match_count = 0;
    out->passing = ql__snapshot_chunk_count(view);
    if (query->filter != NULL) QL_TRY(ql__snapshot_mask(view, query->filter, &mask, err));
    if (mask != NULL) out->passing = ql__mask_count(mask);
    ql_status status = out->passing > 0 ? find_passing(view, query, mask, out, err) : QL_OK;
    ql__mask_free(mask);
    return status;
}

/* The mask of a filter is kept until another is asked for, so that find() pays little for it. */
static ql_status passing(void *view, const ql_filter *filter, uint64_t *out, ql_error *err)
{
    ql__mask *mask = NULL;
    QL_TRY(ql__snapshot_mask(view, filter, &mask, err));
    *out = mask != NULL ? ql__mask_count(mask) : ql__snapshot_chunk_count(view);
    ql__mask_free(mask);
    return QL_OK;
}

static ql_status chunks(void *view, const uint64_t *slots, size_t count, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    for (size_t i = 0; i < count; i++) QL_TRY(ql__snapshot_chunk(view, slots[i], arena, &out[i], err));
    return QL_OK;
}

const ql_store_ops *ql__store_embedded(void)
{
    static const ql_store_ops ops = {
        .struct_size = sizeof ops, .name = "embedded", .open_fn = open_store, .close_fn = close_store, .check_fn = check_place, .begin_fn = begin, .replace_fn = replace,
        .touch_fn = touch, .remove_fn = remove_document, .commit_fn = commit, .rollback_fn = rollback, .clear_fn = clear, .compact_fn = compact, .facts_fn = facts,
        .known_fn = known, .owners_fn = owners, .source_done_fn = source_done, .source_forget_fn = source_forget, .sources_fn = sources, .verify_fn = verify,
        .view_open_fn = view_open, .view_close_fn = view_close, .find_fn = find, .passing_fn = passing, .chunks_fn = chunks};
    return &ops;
}
