/*
 * See backend.h. Invariants: an application's function gets an error of its own, and what it answers is passed on only as a status of the
 * library; what it found is within what was asked for. Threads: as the connection. Cost: an indirect call, and for a foreign store a look at
 * each match.
 */
#include "store/backend.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "dep/json.h"
#include "store/store.h"
#include "text/utf8.h"

/* Calls a member with its own error and passes the answer on. */
#define CALL(self, member, ...) ({ \
    ql_error told_ = {0}; \
    ql_status answer_ = (self)->ops->member(__VA_ARGS__, &told_); \
    pass_on((self), answer_, &told_, err); \
})

static ql_status pass_on(const ql__backend *self, ql_status status, ql_error *answer, ql_error *err)
{
    if (self->foreign) {
        QL_TRY(ql__callback_status(status, answer, err));
        return status;
    }
    if (status < 0 && err != NULL) *err = *answer;
    return status;
}

/* --- opening */

static ql_status each_word(void *user, ql_str text, int (*fn)(void *user, ql_str word), void *fn_user, ql_error *err)
{
    return ql__analyzer_run(user, text, fn, fn_user, err);
}

ql_status ql__backend_open(ql__backend *self, const ql__store_host *host, const ql_store_settings *settings, ql_error *err)
{
    *self = (ql__backend){.ops = ql__store_embedded()};
    ql_status status = self->ops->open_fn((void *)(uintptr_t)host, settings, &self->store, err);
    if (status < 0) self->ops = NULL;
    return status;
}

static ql_status check_model(const ql__backend *self, const ql_store_settings *settings, ql_error *err)
{
    ql_store_facts facts = {.struct_size = sizeof facts};
    if (settings->dims == 0) return QL_OK;
    QL_TRY(ql__backend_facts(self, &facts, err));
    if (facts.dims == 0 || (facts.dims == settings->dims && ql__store_model_same(ql_str_of(facts.model), settings->model))) return QL_OK;
    return ql__fail(err, QL_E_MISMATCH, "the index was made with model '%s' (%u dimensions), not with '%.*s' (%u): use that model, or make the index anew", facts.model,
                    facts.dims, (int)settings->model.len, settings->model.ptr, settings->dims);
}

ql_status ql__backend_open_foreign(ql__backend *self, const ql_store_ops *ops, void *user, const ql_store_settings *settings, ql_error *err)
{
    *self = (ql__backend){.foreign = true};
    QL_TRY(ql__analyzer_new(&self->analyzer, err));
    self->words = (ql_store_words){.struct_size = sizeof self->words, .user = self->analyzer, .each_fn = each_word};
    ql_store_settings own = *settings;
    own.words = &self->words;
    ql_error answer = {0};
    ql_status status = ql__callback_status(ops->open_fn(user, &own, &self->store, &answer), &answer, err);
    if (status >= 0) {
        self->ops = ops;
        status = check_model(self, settings, err);
    }
    if (status < 0) ql__backend_close(self);
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
    return self->ops->check_fn != NULL ? CALL(self, check_fn, self->store) : QL_OK;
}

ql_status ql__backend_begin(const ql__backend *self, ql_error *err)
{
    return CALL(self, begin_fn, self->store);
}

ql_status ql__backend_replace(const ql__backend *self, const ql_store_document *document, ql_error *err)
{
    return CALL(self, replace_fn, self->store, document);
}

ql_status ql__backend_touch(const ql__backend *self, ql_str id, const ql_store_document *facts, ql_error *err)
{
    return CALL(self, touch_fn, self->store, id, facts);
}

ql_status ql__backend_remove(const ql__backend *self, ql_str id, ql_error *err)
{
    return CALL(self, remove_fn, self->store, id);
}

ql_status ql__backend_commit(const ql__backend *self, ql_error *err)
{
    return CALL(self, commit_fn, self->store);
}

void ql__backend_rollback(const ql__backend *self)
{
    self->ops->rollback_fn(self->store);
}

ql_status ql__backend_clear(const ql__backend *self, ql_error *err)
{
    return CALL(self, clear_fn, self->store);
}

ql_status ql__backend_compact(const ql__backend *self, ql_error *err)
{
    return self->ops->compact_fn != NULL ? CALL(self, compact_fn, self->store) : QL_OK;
}

ql_status ql__backend_facts(const ql__backend *self, ql_store_facts *out, ql_error *err)
{
    *out = (ql_store_facts){.struct_size = sizeof *out};
    QL_TRY(CALL(self, facts_fn, self->store, out));
    out->model[sizeof out->model - 1] = '\0';
    return QL_OK;
}

/* An ingest compares this list with the source's own by walking along both: out of order it would take stored documents for vanished ones. */
typedef struct ordered {
    ql_store_known_fn fn;
    void *user;
    ql_buf last;
    ql_status status; /* other than QL_OK: why it was stopped here */
} ordered;

static int take_ordered(void *user, const ql_store_known *known)
{
    ordered *self = user;
    if (self->status < 0) return 1; /* told to stop, it went on */
    bool wrong = known == NULL || known->struct_size < sizeof *known || known->url.len == 0 || ql_str_compare(known->url, ql_buf_str(&self->last)) <= 0;
    self->status = wrong ? QL_E_INVALID : QL_OK;
    ql_buf_clear(&self->last);
    if (!wrong && ql_buf_append(&self->last, known->url) < 0) self->status = QL_E_NOMEM;
    return self->status < 0 ? 1 : self->fn(self->user, known);
}

static ql_status fail_answer(const ql__backend *self, const char *what, ql_error *err)
{
    return ql__fail(err, QL_E_INVALID, "the store '%s' gave %s", self->ops->name, what);
}

ql_status ql__backend_known(const ql__backend *self, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    if (!self->foreign) return CALL(self, known_fn, self->store, project, source_type, source, fn, user);
    ordered list = {.fn = fn, .user = user, .last = QL_BUF_INIT};
    ql_status status = CALL(self, known_fn, self->store, project, source_type, source, take_ordered, &list);
    ql_buf_dispose(&list.last);
    if (list.status == QL_E_INVALID) return fail_answer(self, "known documents without an url, twice, or not ordered by it", err);
    return list.status < 0 ? ql__fail_nomem(err) : status;
}

ql_status ql__backend_owner(const ql__backend *self, ql_str id, ql_buf *out, ql_error *err)
{
    QL_TRY(CALL(self, owner_fn, self->store, id, out));
    return out->status < 0 ? ql__fail_nomem(err) : QL_OK;
}

ql_status ql__backend_source_done(const ql__backend *self, const ql_store_source *source, ql_error *err)
{
    return CALL(self, source_done_fn, self->store, source);
}

ql_status ql__backend_source_forget(const ql__backend *self, ql_str project, ql_str source_type, ql_str source, ql_error *err)
{
    return CALL(self, source_forget_fn, self->store, project, source_type, source);
}

ql_status ql__backend_sources(const ql__backend *self, ql_store_source_fn fn, void *user, ql_error *err)
{
    return CALL(self, sources_fn, self->store, fn, user);
}

ql_status ql__backend_verify(const ql__backend *self, ql_error *err)
{
    return self->ops->verify_fn != NULL ? CALL(self, verify_fn, self->store) : QL_OK;
}

/* --- views */

ql_status ql__backend_view_open(const ql__backend *self, ql__backend_view *out, ql_error *err)
{
    *out = (ql__backend_view){.view = {.struct_size = sizeof out->view}};
    QL_TRY(CALL(self, view_open_fn, self->store, &out->view));
    out->backend = self;
    return QL_OK;
}

void ql__backend_view_close(ql__backend_view *self)
{
    if (self->backend != NULL) self->backend->ops->view_close_fn(self->view.self);
    self->backend = NULL;
}

static ql_status check_found(const ql__backend *self, const ql_store_query *query, const ql_store_found *found, ql_error *err)
{
    if (found->match_count > 2 * (size_t)query->limit) return fail_answer(self, "more matches than were asked for", err);
    for (size_t i = 0; i < found->match_count; i++) {
        const ql_store_match *match = &found->matches[i];
        if (!isfinite(match->score_dense) || !isfinite(match->score_sparse)) return fail_answer(self, "a score that is no number", err);
    }
    return QL_OK;
}

ql_status ql__backend_find(const ql__backend_view *self, const ql_store_query *query, ql_store_found *out, ql_error *err)
{
    QL_TRY(CALL(self->backend, find_fn, self->view.self, query, out));
    return self->backend->foreign ? check_found(self->backend, query, out, err) : QL_OK;
}

/* What the library itself once handed over; that it came back whole is for its reader to rely on. */
static ql_status check_chunk(const ql__backend *self, const ql_stored_chunk *chunk, ql_error *err)
{
    const ql_str texts[] = {chunk->id, chunk->title, chunk->text, chunk->section_path, chunk->document_id, chunk->document_title, chunk->content_type,
                            chunk->project, chunk->source_type, chunk->source};
    const ql_str objects[] = {chunk->metadata_json, chunk->document_metadata_json};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!ql__utf8_valid(texts[i])) return fail_answer(self, "a chunk whose text is not UTF-8", err);
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        ql_status status = objects[i].len > 0 ? ql__json_check_object(objects[i], NULL) : QL_OK;
        if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
        if (status < 0) return fail_answer(self, "a chunk whose metadata is no JSON object", err);
    }
    return QL_OK;
}

ql_status ql__backend_chunk(const ql__backend_view *self, uint64_t slot, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    *out = (ql_stored_chunk){.struct_size = sizeof *out, .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN, .ingested_at_ms = QL_TIME_UNKNOWN};
    QL_TRY(CALL(self->backend, chunk_fn, self->view.self, slot, arena, out));
    return self->backend->foreign ? check_chunk(self->backend, out, err) : QL_OK;
}
