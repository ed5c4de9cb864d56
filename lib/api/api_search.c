/*
 * ql_search: a connection and a snapshot for the length of one search, the shared query embedder behind a lock, and results
 * that own what they show.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/handles.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "search/search.h"

#define LIMIT_DEFAULT 10
#define RERANK_DEFAULT 50

struct ql_results {
    ql__search_results found; /* owns what the hits show */
    ql_hit *hits;
    size_t count;             /* a reranker leaves the best of those found */
    ql_str query;
    uint64_t elapsed_us;
};

static ql_status check_filter(const ql_filter *filter, ql_error *err)
{
    if (filter->struct_size != sizeof *filter)
        return ql__fail(err, QL_E_INVALID, "ql_search_options.filter.struct_size is %u, not %zu: start from QL_FILTER_INIT, which QL_SEARCH_OPTIONS_INIT holds", filter->struct_size, sizeof *filter);
    if (filter->since_ms != QL_TIME_UNKNOWN && filter->until_ms != QL_TIME_UNKNOWN && filter->since_ms > filter->until_ms)
        return ql__fail(err, QL_E_INVALID, "the filter's since is later than its until: no document can pass");
    return QL__STRS_CHECK("filter", err, {"project", filter->project}, {"source_type", filter->source_type}, {"source", filter->source}, {"path_prefix", filter->path_prefix});
}

ql_status ql__query_check(ql_str query, ql_error *err)
{
    return QL__STRS_CHECK("", err, {"query", query});
}

ql_status ql__search_options_read(const ql_search_options *given, ql_search_options *options, ql_error *err)
{
    ql_search_options_init(options);
    if (given != NULL) QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_search_options", err));
    QL_TRY(ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_search_options", err));
    if (options->reserved32 != 0 || options->reserved2 != 0 || options->filter.reserved != 0) return ql__fail(err, QL_E_INVALID, "a reserved member of ql_search_options is not zero");
    if (options->limit > QL_LIMIT_SEARCH_RESULTS) return ql__fail(err, QL_E_INVALID, "limit %u is more than %d", options->limit, QL_LIMIT_SEARCH_RESULTS);
    if (options->rerank_count > QL_LIMIT_SEARCH_RESULTS) return ql__fail(err, QL_E_INVALID, "rerank_count %u is more than %d", options->rerank_count, QL_LIMIT_SEARCH_RESULTS);
    if (options->mode < QL_SEARCH_HYBRID || options->mode > QL_SEARCH_SPARSE) return ql__fail(err, QL_E_INVALID, "mode %d is unknown", options->mode);
    QL_TRY(check_filter(&options->filter, err));
    if (options->limit == 0) options->limit = LIMIT_DEFAULT;
    if (options->rerank_count == 0) options->rerank_count = RERANK_DEFAULT;
    return QL_OK;
}

/* --- connections ----------------------------------------------------------------------------------------------------------------- */

static void reader_free(ql__reader *self)
{
    ql__backend_close(&self->store);
    ql__analyzer_free(self->analyzer);
    ql__free(self);
}

static ql_status reader_new(ql_workspace *workspace, ql__reader **out, ql_error *err)
{
    ql__reader *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    ql_status status = ql__workspace_store_open(workspace, false, 0, NULL, &self->store, err);
    if (status >= 0) status = ql__analyzer_new(&self->analyzer, err);
    if (status < 0) {
        reader_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

static ql_status reader_take(ql_workspace *workspace, ql__reader **out, ql_error *err)
{
    pthread_mutex_lock(&workspace->lock);
    ql__reader *idle = workspace->idle;
    if (idle != NULL) workspace->idle = idle->next;
    pthread_mutex_unlock(&workspace->lock);
    if (idle != NULL && ql__backend_check(&idle->store, NULL) < 0) { /* another index is there now, or none */
        reader_free(idle);
        idle = NULL;
    }
    if (idle == NULL) return reader_new(workspace, out, err);
    *out = idle;
    return QL_OK;
}

static void reader_give_back(ql_workspace *workspace, ql__reader *self)
{
    pthread_mutex_lock(&workspace->lock);
    self->next = workspace->idle;
    workspace->idle = self;
    pthread_mutex_unlock(&workspace->lock);
}

/* --- the query embedder, opened once, used by one thread at a time ------------------------------------------------------------------ */

static ql_status embedder_get(ql_workspace *workspace, ql_error *err)
{
    pthread_mutex_lock(&workspace->embed_lock);
    ql_status status = QL_OK;
    if (workspace->embedder == NULL) {
        const ql_embedder_ops *ops = NULL;
        status = ql__workspace_embedder_open(workspace, &ops, &workspace->embedder_self, err);
        if (status >= 0) workspace->embedder = ops;
    }
    pthread_mutex_unlock(&workspace->embed_lock);
    return status;
}

static const char *locked_model(void *self)
{
    ql_workspace *workspace = self;
    return workspace->embedder->model_fn(workspace->embedder_self);
}

static uint32_t locked_dims(void *self)
{
    ql_workspace *workspace = self;
    return workspace->embedder->dims_fn(workspace->embedder_self);
}

static ql_status locked_embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    ql_workspace *workspace = self;
    pthread_mutex_lock(&workspace->embed_lock);
    ql_status status = workspace->embedder->embed_fn(workspace->embedder_self, role, texts, count, out, err);
    pthread_mutex_unlock(&workspace->embed_lock);
    return status;
}

static const ql_measure *locked_measure(void *self)
{
    ql_workspace *workspace = self;
    return workspace->embedder->measure_fn != NULL ? workspace->embedder->measure_fn(workspace->embedder_self) : NULL;
}

static uint32_t locked_window(void *self)
{
    ql_workspace *workspace = self;
    return workspace->embedder->window_fn != NULL ? workspace->embedder->window_fn(workspace->embedder_self) : 0;
}

static const ql_embedder_ops locked_ops = {.struct_size = sizeof(ql_embedder_ops), .name = "locked", .model_fn = locked_model, .dims_fn = locked_dims,
                                           .embed_fn = locked_embed, .measure_fn = locked_measure, .window_fn = locked_window};

/* --- hits ----------------------------------------------------------------------------------------------------------------------- */

/* What every chunk of a document shares is stored once, with the document, and joined here to what the chunk says of itself. */
static ql_status join_metadata(ql__search_results *found, ql_stored_chunk *chunk)
{
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &json);
    ql__json_object(&writer);
    if (chunk->metadata_json.len > 0) ql__json_members(&writer, chunk->metadata_json);
    ql__json_key(&writer, "total_chunks");
    ql__json_uint(&writer, chunk->chunk_count);
    const struct { const char *key; ql_str value; } texts[] = {{"parent_document_id", chunk->document_id}, {"parent_document_title", chunk->document_title},
                                                               {"parent_document_url", chunk->url}, {"project_id", chunk->project}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ql__json_member(&writer, texts[i].key, texts[i].value);
    }
    ql__json_object_end(&writer);
    if (json.status < 0) return json.status;
    return ql__arena_copy(&found->arena.arena, ql_buf_str(&json), &chunk->metadata_json) ? QL_OK : QL_E_NOMEM;
}

static void fill_hit(const ql__search_results *found, size_t index, ql_hit *out)
{
    const ql__search_hit *hit = &found->hits[index];
    const ql_stored_chunk *chunk = &hit->chunk;
    *out = (ql_hit){.struct_size = sizeof *out, .rank = (uint32_t)index + 1, .score = hit->score, .score_dense = hit->cosine, .score_sparse = hit->bm25,
                    .rank_dense = hit->rank_dense, .rank_sparse = hit->rank_sparse, .part_dense = hit->part_dense, .part_sparse = hit->part_sparse,
                    .id = chunk->id, .document_id = chunk->document_id,
                    .project = chunk->project, .source_type = chunk->source_type, .source = chunk->source, .url = chunk->url,
                    .title = chunk->document_title, .section_path = chunk->section_path, .text = chunk->text, .content_type = chunk->content_type,
                    .metadata_json = chunk->metadata_json, .document_metadata_json = chunk->document_metadata_json,
                    .chunk_index = chunk->chunk_index, .chunk_count = chunk->chunk_count, .source_begin = chunk->source_begin,
                    .source_end = chunk->source_end, .created_at_ms = chunk->created_at_ms, .updated_at_ms = chunk->updated_at_ms};
}

static ql_status keep(ql__search_results *found, ql_str query, ql_results **out, ql_error *err)
{
    ql_results *self = ql__alloc_zero(1, sizeof *self);
    ql_hit *hits = ql__alloc_zero(found->count + 1, sizeof *hits);
    ql_str copy;
    bool ok = self != NULL && hits != NULL && ql__arena_copy(&found->arena.arena, query, &copy);
    for (size_t i = 0; ok && i < found->count; i++) ok = join_metadata(found, &found->hits[i].chunk) >= 0;
    if (!ok) {
        ql__free(self);
        ql__free(hits);
        ql__search_results_dispose(found);
        return ql__fail_nomem(err);
    }
    for (size_t i = 0; i < found->count; i++) fill_hit(found, i, &hits[i]);
    *self = (ql_results){.found = *found, .hits = hits, .count = found->count, .query = copy};
    *out = self;
    return QL_OK;
}

/* --- a second look -------------------------------------------------------------------------------------------------------------- */

static ql_status find_reranker(const ql_workspace *workspace, const char *name, const ql__extension **out, ql_error *err)
{
    *out = name != NULL ? ql__extensions_find(&workspace->runtime->extensions, QL__EXTENSION_RERANKER, name) : NULL;
    return name == NULL || *out != NULL ? QL_OK : ql__fail(err, QL_E_NOTFOUND, "no reranker '%s' is registered on this runtime", name);
}

/* Better first; equal ones as the search had them, which is what rank still says. */
static int by_rerank(const void *a, const void *b)
{
    const ql_hit *x = a, *y = b;
    if (x->score_rerank != y->score_rerank) return x->score_rerank > y->score_rerank ? -1 : 1;
    return x->rank < y->rank ? -1 : 1;
}

static ql_status rerank(ql_results *self, const ql__extension *item, uint32_t limit, ql_error *err)
{
    QL_SPAN(RERANK);
    const ql_reranker_ops *ops = item->ops;
    QL_AUTO(double *, ql__free_cleanup) scores = ql__alloc_zero(self->count + 1, sizeof *scores);
    if (scores == NULL) return ql__fail_nomem(err);
    ql_error answer = {0};
    QL_TRY(ql__callback_status(ops->rerank_fn(item->self, self->query, self->hits, self->count, scores, &answer), &answer, err));
    for (size_t i = 0; i < self->count; i++) {
        if (!isfinite(scores[i])) return ql__fail(err, QL_E_INVALID, "the reranker '%s' gave a score that is no number (hit %zu of %zu)", item->name, i, self->count);
        self->hits[i].score_rerank = scores[i];
    }
    if (self->count > 1) qsort(self->hits, self->count, sizeof *self->hits, by_rerank);
    if (self->count > limit) self->count = limit;
    for (size_t i = 0; i < self->count; i++) self->hits[i].rank = (uint32_t)i + 1;
    return QL_OK;
}

/* --- the search ----------------------------------------------------------------------------------------------------------------- */

static ql_status search_with(ql_workspace *workspace, ql__reader *reader, ql_str query, const ql_search_options *options, uint32_t limit, ql_results **out, ql_error *err)
{
    ql__backend_view view;
    QL_TRY(ql__backend_view_open(&reader->store, &view, err));
    ql__search_engine engine = {.view = &view, .analyzer = reader->analyzer};
    ql__search_options internal = {.limit = limit, .mode = (ql_search_mode)options->mode, .filter = &options->filter};
    ql__search_results found;
    ql_status status = QL_OK;
    if (options->mode != QL_SEARCH_SPARSE) {
        status = embedder_get(workspace, err);
        engine.embedder = &locked_ops;
        engine.embedder_self = workspace;
    }
    if (status >= 0) status = ql__workspace_store_failed(workspace, ql__search_run(&engine, query, &internal, &found, err), err);
    ql__backend_view_close(&view);
    return status < 0 ? status : keep(&found, query, out, err);
}

static ql_status search(ql_workspace *workspace, ql_str query, const ql_search_options *options, ql_results **out, ql_error *err)
{
    uint64_t begin_ns = ql__monotonic_ns(workspace->runtime->sys);
    const ql__extension *reranker = NULL;
    ql__reader *reader = NULL;
    ql_results *results = NULL;
    QL_TRY(find_reranker(workspace, options->reranker, &reranker, err));
    QL_TRY(reader_take(workspace, &reader, err));
    uint32_t limit = reranker != NULL && options->rerank_count > options->limit ? options->rerank_count : options->limit;
    ql_status status = search_with(workspace, reader, query, options, limit, &results, err);
    reader_give_back(workspace, reader);
    if (status >= 0 && reranker != NULL) status = rerank(results, reranker, options->limit, err);
    if (status < 0) {
        ql_results_free(results);
        return status;
    }
    results->elapsed_us = (ql__monotonic_ns(workspace->runtime->sys) - begin_ns) / 1000;
    *out = results;
    return QL_OK;
}

ql_status ql_search(ql_workspace *workspace, ql_str query, const ql_search_options *given, ql_results **out, ql_error *err)
{
    ql_search_options options;
    if (workspace == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", workspace == NULL ? "workspace" : "out");
    QL_TRY(ql__query_check(query, err));
    QL_TRY(ql__search_options_read(given, &options, err));
    QL_TRY(ql__workspace_supported(workspace, err));
    ql__prof *previous = ql__prof_enter(workspace->runtime->prof);
    ql_status status = search(workspace, query, &options, out, err);
    if (status >= 0) ql__metric_observe(QL__METRIC_SEARCH_HITS, 0, (double)ql_results_count(*out));
    else ql__metric_error(status);
    ql__prof_leave(previous);
    return status;
}

/* --- results ---------------------------------------------------------------------------------------------------------------------- */

void ql_results_free(ql_results *self)
{
    if (self == NULL) return;
    ql__free(self->hits);
    ql__search_results_dispose(&self->found);
    ql__free(self);
}

size_t ql_results_count(const ql_results *self)
{
    return self != NULL ? self->count : 0;
}

const ql_hit *ql_results_hit(const ql_results *self, size_t index)
{
    return self != NULL && index < self->count ? &self->hits[index] : NULL;
}

static void write_hit(ql__json_writer *writer, const ql_hit *hit)
{
    const struct { const char *key; ql_str value; } texts[] = {
        {"id", hit->id}, {"document_id", hit->document_id}, {"project", hit->project}, {"source_type", hit->source_type}, {"source", hit->source},
        {"url", hit->url}, {"title", hit->title}, {"section_path", hit->section_path}, {"content_type", hit->content_type}, {"text", hit->text}};
    const struct { const char *key; double value; } scores[] = {{"score", hit->score}, {"score_dense", hit->score_dense}, {"score_sparse", hit->score_sparse},
                                                                {"part_dense", hit->part_dense}, {"part_sparse", hit->part_sparse}, {"score_rerank", hit->score_rerank}};
    const struct { const char *key; uint64_t value; } numbers[] = {{"rank", hit->rank}, {"rank_dense", hit->rank_dense}, {"rank_sparse", hit->rank_sparse},
        {"chunk_index", hit->chunk_index}, {"chunk_count", hit->chunk_count}, {"source_begin", hit->source_begin}, {"source_end", hit->source_end}};
    ql__json_object(writer);
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        ql__json_key(writer, scores[i].key);
        ql__json_double(writer, scores[i].value);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ql__json_key(writer, numbers[i].key);
        ql__json_uint(writer, numbers[i].value);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ql__json_member(writer, texts[i].key, texts[i].value);
    }
    ql__json_key(writer, "created_at");
    ql__json_time(writer, hit->created_at_ms);
    ql__json_key(writer, "updated_at");
    ql__json_time(writer, hit->updated_at_ms);
    ql__json_key(writer, "metadata");
    ql__json_raw(writer, hit->metadata_json.len > 0 ? hit->metadata_json : QL_STR("{}"));
    ql__json_key(writer, "document_metadata");
    ql__json_raw(writer, hit->document_metadata_json.len > 0 ? hit->document_metadata_json : QL_STR("{}"));
    ql__json_object_end(writer);
}

ql_status ql_results_json(const ql_results *self, ql_buf *out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    ql__json_writer writer;
    ql__json_begin(&writer, out);
    ql__json_object(&writer);
    ql__json_member(&writer, "query", self->query);
    ql__json_key(&writer, "elapsed_ms");
    ql__json_double(&writer, (double)self->elapsed_us / 1000.0);
    ql__json_key(&writer, "hits");
    ql__json_array(&writer);
    for (size_t i = 0; i < self->count; i++) write_hit(&writer, &self->hits[i]);
    ql__json_array_end(&writer);
    ql__json_object_end(&writer);
    return out->status < 0 ? ql__fail(err, out->status, "cannot write the results") : QL_OK;
}
