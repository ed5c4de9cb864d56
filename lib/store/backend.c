/*
 * See backend.h. Invariants: an application's function gets an error of its own, and what it answers is passed on only as a status of the
 * library; what it found is within what was asked for; a callback that said stop is not called again, and is not forgotten. Threads: as the
 * connection. Cost: an indirect call, and for a checked store a look at each thing it gives.
 */
#include "store/backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/abi.h"
#include "base/arena.h"
#include "base/status.h"
#include "dep/json.h"
#include "model/identity.h"
#include "text/utf8.h"

#define COSINE_ERROR 1e-3f /* of a sum of float32 products */

static ql_status pass_on(const ql__backend *self, ql_status status, ql_error *told, ql_error *err)
{
    if (!self->checked) {
        if (status < 0 && err != NULL) *err = *told;
        return status;
    }
    ql_status kept = ql__callback_status(status, told, err);
    if (kept < 0) ql__error_prefix(err, "store '%s'", self->ops->name);
    return kept;
}

static ql_status fail_answer(const ql__backend *self, const char *what, ql_error *err)
{
    return ql__fail(err, QL_E_INVALID, "the store '%s' gave %s", self->ops->name, what);
}

/* --- opening */

static ql_status each_word(void *user, ql_str text, int (*fn)(void *user, ql_str word), void *fn_user, ql_error *err)
{
    return ql__analyzer_run(user, text, fn, fn_user, err);
}

static ql_status check_model(const ql__backend *self, const ql_store_settings *settings, ql_error *err)
{
    ql_store_facts facts;
    if (settings->dims == 0) return QL_OK;
    QL_TRY(ql__backend_facts(self, &facts, err));
    if (facts.dims == 0 || (facts.dims == settings->dims && ql__model_same(ql_str_of(facts.model), settings->model))) return QL_OK;
    return ql__fail(err, QL_E_MISMATCH, "the index was made with model '%s' (%u dimensions), not with '%.*s' (%u): use that model, or empty the index (ql_workspace_init() with force)", facts.model,
                    facts.dims, (int)settings->model.len, settings->model.ptr, settings->dims);
}

static ql_status open_checked(ql__backend *self, const ql__backend_choice *choice, const ql_store_settings *settings, ql_error *err)
{
    ql_store_settings own = *settings;
    ql_error told = {0};
    QL_TRY(ql__analyzer_new(&self->analyzer, err));
    self->words = (ql_store_words){.struct_size = sizeof self->words, .user = self->analyzer, .each_fn = each_word};
    own.words = &self->words;
    ql_status status = ql__callback_status(choice->ops->open_fn(choice->user, &own, &self->store, &told), &told, err);
    if (status < 0) ql__error_prefix(err, "store '%s'", choice->ops->name);
    QL_TRY(status);
    if (self->store == NULL) return ql__fail(err, QL_E_INVALID, "the store '%s' opened, and gave no connection", choice->ops->name);
    self->ops = choice->ops;
    return check_model(self, settings, err);
}

ql_status ql__backend_open(ql__backend *self, const ql__backend_choice *choice, const ql_store_settings *settings, ql_error *err)
{
    *self = (ql__backend){.checked = choice->checked};
    ql_status status = choice->checked ? open_checked(self, choice, settings, err) : choice->ops->open_fn(choice->user, settings, &self->store, err);
    if (status >= 0) self->ops = choice->ops;
    else ql__backend_close(self);
    return status;
}

void ql__backend_close(ql__backend *self)
{
    if (self->ops != NULL) self->ops->close_fn(self->store);
    ql__analyzer_free(self->analyzer);
    *self = (ql__backend){.ops = NULL};
}

/* --- calls */

ql_status ql__backend_check(const ql__backend *self, ql_error *err)
{
    ql_error told = {0};
    if (self->ops->check_fn == NULL) return QL_OK;
    return pass_on(self, self->ops->check_fn(self->store, &told), &told, err);
}

ql_status ql__backend_begin(const ql__backend *self, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->begin_fn(self->store, &told), &told, err);
}

ql_status ql__backend_replace(const ql__backend *self, const ql_store_document *document, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->replace_fn(self->store, document, &told), &told, err);
}

ql_status ql__backend_touch(const ql__backend *self, ql_str id, const ql_store_document *facts, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->touch_fn(self->store, id, facts, &told), &told, err);
}

ql_status ql__backend_remove(const ql__backend *self, ql_str id, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->remove_fn(self->store, id, &told), &told, err);
}

ql_status ql__backend_commit(const ql__backend *self, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->commit_fn(self->store, &told), &told, err);
}

void ql__backend_rollback(const ql__backend *self)
{
    self->ops->rollback_fn(self->store);
}

ql_status ql__backend_clear(const ql__backend *self, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->clear_fn(self->store, &told), &told, err);
}

ql_status ql__backend_compact(const ql__backend *self, ql_error *err)
{
    ql_error told = {0};
    if (self->ops->compact_fn == NULL) return QL_OK;
    return pass_on(self, self->ops->compact_fn(self->store, &told), &told, err);
}

ql_status ql__backend_facts(const ql__backend *self, ql_store_facts *out, ql_error *err)
{
    ql_error told = {0};
    *out = (ql_store_facts){.struct_size = sizeof *out};
    QL_TRY(pass_on(self, self->ops->facts_fn(self->store, out, &told), &told, err));
    out->model[sizeof out->model - 1] = '\0';
    return QL_OK;
}

ql_status ql__backend_source_done(const ql__backend *self, const ql_store_source *source, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->source_done_fn(self->store, source, &told), &told, err);
}

ql_status ql__backend_source_forget(const ql__backend *self, ql_str project, ql_str source_type, ql_str source, ql_error *err)
{
    ql_error told = {0};
    return pass_on(self, self->ops->source_forget_fn(self->store, project, source_type, source, &told), &told, err);
}

bool ql__backend_can_verify(const ql__backend *self)
{
    return self->ops->verify_fn != NULL;
}

ql_status ql__backend_verify(const ql__backend *self, ql_error *err)
{
    ql_error told = {0};
    if (self->ops->verify_fn == NULL) return QL_OK;
    return pass_on(self, self->ops->verify_fn(self->store, &told), &told, err);
}

/* --- lists: what a checked store calls back with */

typedef struct relay {
    ql_store_known_fn known_fn;
    ql_store_owner_fn owner_fn;
    ql_store_source_fn source_fn;
    void *user;
    ql_buf last;      /* url of the known document before */
    ql_status status; /* what ended the list, whatever the store makes of it */
    const char *wrong; /* with QL_E_INVALID */
    int value;        /* of a callback that said stop */
} relay;

static int stop(relay *self, ql_status status, int value)
{
    self->status = status;
    self->value = value;
    return 1;
}

static int refuse(relay *self, const char *wrong)
{
    self->wrong = wrong;
    return stop(self, QL_E_INVALID, 0);
}

/* An ingest compares this list with the source's own by walking along both: out of order it would take stored documents for vanished ones. */
static int relay_known(void *user, const ql_store_known *given)
{
    relay *self = user;
    ql_store_known known;
    if (self->status < 0) return 1; /* told to stop, it goes on */
    if (given == NULL || ql__struct_read(&known, sizeof known, sizeof known, given, "ql_store_known", NULL) < 0) return refuse(self, "a known document without its struct_size");
    if (QL__STRS_CHECK("", NULL, {"id", known.id}, {"url", known.url}, {"version", known.version}, {"content_hash", known.content_hash}, {"pipeline", known.pipeline}) < 0)
        return refuse(self, "a known document with a text that has bytes, but whose ptr is NULL");
    if (known.url.len == 0 || ql_str_compare(known.url, ql_buf_str(&self->last)) <= 0) return refuse(self, "known documents without an url, twice, or not ordered by it");
    ql_buf_clear(&self->last);
    if (ql_buf_append(&self->last, known.url) < 0) return stop(self, QL_E_NOMEM, 0);
    int value = self->known_fn(self->user, &known);
    return value == 0 ? 0 : stop(self, QL_E_CALLBACK, value);
}

static int relay_owner(void *user, ql_str id, ql_str project, ql_str source_type, ql_str source, ql_str url)
{
    relay *self = user;
    if (self->status < 0) return 1;
    if (QL__STRS_CHECK("", NULL, {"id", id}, {"project", project}, {"source_type", source_type}, {"source", source}, {"url", url}) < 0)
        return refuse(self, "an owner with a text that has bytes, but whose ptr is NULL");
    int value = self->owner_fn(self->user, id, project, source_type, source, url);
    return value == 0 ? 0 : stop(self, QL_E_CALLBACK, value);
}

static int relay_source(void *user, const ql_store_source *given)
{
    relay *self = user;
    ql_store_source source;
    if (self->status < 0) return 1;
    if (given == NULL || ql__struct_read(&source, sizeof source, sizeof source, given, "ql_store_source", NULL) < 0) return refuse(self, "a source without its struct_size");
    if (QL__STRS_CHECK("", NULL, {"project", source.project}, {"source_type", source.source_type}, {"source", source.source}, {"report_json", source.report_json}) < 0)
        return refuse(self, "a source with a text that has bytes, but whose ptr is NULL");
    int value = self->source_fn(self->user, &source);
    return value == 0 ? 0 : stop(self, QL_E_CALLBACK, value);
}

/* The status of the list: what the relay saw goes before what the store answers. */
static ql_status relay_end(const ql__backend *self, relay *list, ql_status status, ql_error *err)
{
    ql_buf_dispose(&list->last);
    if (list->status == QL_E_INVALID) return fail_answer(self, list->wrong, err);
    if (list->status == QL_E_NOMEM) return ql__fail_nomem(err);
    if (list->status >= 0 && ql_status_kind(status) == QL_E_CALLBACK) return fail_answer(self, "up a list as if it were stopped, but nobody stopped it", err);
    if (list->status >= 0) return status;
    (void)ql__fail(err, QL_E_CALLBACK, "the caller stopped the list");
    if (err != NULL) err->callback_value = list->value;
    return QL_E_CALLBACK;
}

ql_status ql__backend_known(const ql__backend *self, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    ql_error told = {0};
    relay list = {.known_fn = fn, .user = user, .last = QL_BUF_INIT};
    if (!self->checked) return pass_on(self, self->ops->known_fn(self->store, project, source_type, source, fn, user, &told), &told, err);
    ql_status status = pass_on(self, self->ops->known_fn(self->store, project, source_type, source, relay_known, &list, &told), &told, err);
    return relay_end(self, &list, status, err);
}

ql_status ql__backend_owners(const ql__backend *self, const ql_str *ids, size_t count, ql_store_owner_fn fn, void *user, ql_error *err)
{
    ql_error told = {0};
    relay list = {.owner_fn = fn, .user = user, .last = QL_BUF_INIT};
    if (!self->checked) return pass_on(self, self->ops->owners_fn(self->store, ids, count, fn, user, &told), &told, err);
    ql_status status = pass_on(self, self->ops->owners_fn(self->store, ids, count, relay_owner, &list, &told), &told, err);
    return relay_end(self, &list, status, err);
}

ql_status ql__backend_sources(const ql__backend *self, ql_store_source_fn fn, void *user, ql_error *err)
{
    ql_error told = {0};
    relay list = {.source_fn = fn, .user = user, .last = QL_BUF_INIT};
    if (!self->checked) return pass_on(self, self->ops->sources_fn(self->store, fn, user, &told), &told, err);
    ql_status status = pass_on(self, self->ops->sources_fn(self->store, relay_source, &list, &told), &told, err);
    return relay_end(self, &list, status, err);
}

/* --- views */

ql_status ql__backend_view_open(const ql__backend *self, ql__backend_view *out, ql_error *err)
{
    ql_error told = {0};
    *out = (ql__backend_view){.view = {.struct_size = sizeof out->view}};
    QL_TRY(pass_on(self, self->ops->view_open_fn(self->store, &out->view, &told), &told, err));
    out->backend = self;
    if (out->view.model.ptr != NULL || out->view.model.len == 0) return QL_OK;
    ql__backend_view_close(out);
    return fail_answer(self, "a view whose model has bytes, but its ptr is NULL", err);
}

void ql__backend_view_close(ql__backend_view *self)
{
    if (self->backend != NULL) self->backend->ops->view_close_fn(self->view.self);
    self->backend = NULL;
}

static int by_slot(const void *a, const void *b)
{
    const ql_store_match *x = a, *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static ql_status check_found(const ql__backend *self, uint64_t chunks, const ql_store_query *query, ql_store_found *found, ql_error *err)
{
    if (found->match_count > 2 * (size_t)query->limit) return fail_answer(self, "more matches than were asked for", err);
    if (found->passing < found->match_count) return fail_answer(self, "more matches than pass the filter", err);
    for (size_t i = 0; i < query->word_count; i++)
        if (found->dfs[i] > chunks) return fail_answer(self, "a word more chunks than there are", err);
    if (found->match_count > 1) qsort(found->matches, found->match_count, sizeof *found->matches, by_slot);
    for (size_t i = 0; i < found->match_count; i++) {
        const ql_store_match *match = &found->matches[i];
        if (!(fabsf(match->score_dense) <= 1 + COSINE_ERROR) || !(match->score_sparse >= 0 && isfinite(match->score_sparse)))
            return fail_answer(self, "a score that is no cosine or no BM25", err);
        if (match->rank_dense > query->limit || match->rank_sparse > query->limit || match->rank_dense + match->rank_sparse == 0)
            return fail_answer(self, "a match whose ranks are both 0, or one beyond what was asked for", err);
        if (i > 0 && match[-1].slot == match->slot) return fail_answer(self, "a match twice", err);
    }
    return QL_OK;
}

ql_status ql__backend_find(const ql__backend_view *self, const ql_store_query *query, ql_store_found *out, ql_error *err)
{
    const ql__backend *backend = self->backend;
    ql_error told = {0};
    QL_TRY(pass_on(backend, backend->ops->find_fn(self->view.self, query, out, &told), &told, err));
    return backend->checked ? check_found(backend, self->view.chunks, query, out, err) : QL_OK;
}

ql_status ql__backend_passing(const ql__backend_view *self, const ql_filter *filter, uint64_t *out, ql_error *err)
{
    const ql__backend *backend = self->backend;
    ql_error told = {0};
    *out = UINT64_MAX;
    if (backend->ops->passing_fn == NULL) return QL_OK;
    return pass_on(backend, backend->ops->passing_fn(self->view.self, filter, out, &told), &told, err);
}

/* What the library itself once handed over, and a caller may show. */
static ql_status check_chunk(const ql__backend *self, const ql_stored_chunk *chunk, ql_error *err)
{
    const ql_str texts[] = {chunk->id, chunk->title, chunk->text, chunk->section_path, chunk->document_id, chunk->document_title, chunk->content_type,
                            chunk->project, chunk->source_type, chunk->source};
    const ql_str objects[] = {chunk->metadata_json, chunk->document_metadata_json};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if ((texts[i].ptr == NULL && texts[i].len > 0) || !ql__utf8_valid(texts[i])) return fail_answer(self, "a chunk whose text is not UTF-8", err);
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        if (objects[i].ptr == NULL && objects[i].len > 0) return fail_answer(self, "a chunk whose metadata is no JSON object", err);
        ql_status status = objects[i].len > 0 ? ql__json_check_object(objects[i], NULL) : QL_OK;
        if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
        if (status < 0) return fail_answer(self, "a chunk whose metadata is no JSON object", err);
    }
    if (chunk->url.len == 0 || chunk->url.ptr == NULL || chunk->document_id.len == 0) return fail_answer(self, "a chunk without url or document", err);
    if (chunk->chunk_index >= chunk->chunk_count || chunk->source_begin > chunk->source_end) return fail_answer(self, "a chunk whose numbers do not fit each other", err);
    return QL_OK;
}

/* A hit outlives the view that its texts lived in. */
static bool keep_chunk(ql_arena *arena, ql_stored_chunk *chunk)
{
    ql_str *texts[] = {&chunk->id, &chunk->title, &chunk->text, &chunk->section_path, &chunk->metadata_json, &chunk->document_id, &chunk->project, &chunk->source_type,
                       &chunk->source, &chunk->url, &chunk->document_title, &chunk->content_type, &chunk->document_metadata_json};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!ql__arena_copy(&arena->arena, *texts[i], texts[i])) return false;
    return true;
}

ql_status ql__backend_chunks(const ql__backend_view *self, const uint64_t *slots, size_t count, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    const ql__backend *backend = self->backend;
    ql_error told = {0};
    for (size_t i = 0; i < count; i++)
        out[i] = (ql_stored_chunk){.struct_size = sizeof *out, .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN, .ingested_at_ms = QL_TIME_UNKNOWN};
    QL_TRY(pass_on(backend, backend->ops->chunks_fn(self->view.self, slots, count, arena, out, &told), &told, err));
    for (size_t i = 0; backend->checked && i < count; i++) {
        if (out[i].id.len == 0) continue; /* it is gone */
        QL_TRY(check_chunk(backend, &out[i], err));
        if (!keep_chunk(arena, &out[i])) return ql__fail_nomem(err);
    }
    return QL_OK;
}
