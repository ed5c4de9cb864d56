/*
 * One source from listing to the note that it is done. Deletions come first, after a complete listing, in one transaction:
 * a document that moved frees its id before the new place asks for it.
 */
#include "ingest/ingest.h"

#include <stdio.h>

#include "base/status.h"
#include "dep/json.h"
#include "ingest/pipeline.h"
#include "ingest/plan.h"
#include "prof/metrics.h"

#define LISTING_PROGRESS_NS ((uint64_t)100 * 1000 * 1000)

ql_status ql__ingest_init(ql__ingest *self)
{
    atomic_init(&self->stop, false);
    atomic_init(&self->cancelled, false);
    (void)ql__memory_plan_make(NULL, 0, 1, &self->memory, NULL); /* no limit: cannot fail */
    return pthread_mutex_init(&self->event_lock, NULL) == 0 ? QL_OK : QL_E_NOMEM;
}

void ql__ingest_dispose(ql__ingest *self)
{
    pthread_mutex_destroy(&self->event_lock);
}

ql_status ql__ingest_store_status(ql__ingest *self, ql_status status)
{
    if (status < 0) atomic_store(&self->stop, true);
    return status;
}

static void count_action(ql_ingest_report *report, ql_ingest_action action)
{
    switch (action) {
    case QL_INGEST_ADD: report->added++; break;
    case QL_INGEST_CHANGE: report->changed++; break;
    case QL_INGEST_DELETE: report->deleted++; break;
    case QL_INGEST_SKIP: report->skipped++; break;
    case QL_INGEST_FAIL: report->failed++; break;
    case QL_INGEST_WARN: report->warnings++; break;
    case QL_INGEST_SOURCE_FAIL: report->sources_failed++; break;
    }
}

/* The registry counts what happened to the index; a dry run changes nothing. */
static void count_metrics(ql_ingest_action action, ql_status status)
{
    switch (action) {
    case QL_INGEST_ADD: ql__metric_add(QL__METRIC_DOCUMENTS, QL__RESULT_ADDED, 1); break;
    case QL_INGEST_CHANGE: ql__metric_add(QL__METRIC_DOCUMENTS, QL__RESULT_CHANGED, 1); break;
    case QL_INGEST_DELETE: ql__metric_add(QL__METRIC_DOCUMENTS, QL__RESULT_DELETED, 1); break;
    case QL_INGEST_SKIP: ql__metric_add(QL__METRIC_DOCUMENTS, QL__RESULT_SKIPPED, 1); break;
    case QL_INGEST_FAIL: ql__metric_add(QL__METRIC_DOCUMENTS, QL__RESULT_FAILED, 1); break;
    case QL_INGEST_SOURCE_FAIL: ql__metric_add(QL__METRIC_SOURCES_FAILED, 0, 1); break;
    case QL_INGEST_WARN: return;
    }
    if (action == QL_INGEST_FAIL || action == QL_INGEST_SOURCE_FAIL) ql__metric_error(status);
}

static void keep_first_failure(ql__ingest *self, const ql__ingest_source *source, ql_str url, ql_str message)
{
    ql_error text = {0};
    ql_str what = url.len > 0 ? url : source->source;
    (void)ql__fail(&text, QL_E_PARTIAL, "%.*s: %.*s", (int)(what.len < 120 ? what.len : 120), what.ptr, (int)(message.len < 160 ? message.len : 160), message.ptr);
    snprintf(self->first_failure, sizeof self->first_failure, "%.319s", text.message);
}

bool ql__ingest_event(ql__ingest *self, const ql__ingest_source *source, ql_ingest_action action, ql_status status, ql_str url, ql_str message)
{
    ql_ingest_event event = {.struct_size = sizeof event, .action = (int32_t)action, .status = status, .project = source->project,
                             .source_type = source->source_type, .source = source->source, .url = url, .message = message};
    if (!self->options->dry_run) count_metrics(action, status);
    pthread_mutex_lock(&self->event_lock);
    count_action(self->report, action);
    if ((action == QL_INGEST_FAIL || action == QL_INGEST_SOURCE_FAIL) && self->first_failure[0] == '\0') keep_first_failure(self, source, url, message);
    if (self->options->event_fn != NULL && self->options->event_fn(self->options->user, &event) != 0) {
        atomic_store(&self->cancelled, true);
        atomic_store(&self->stop, true);
    }
    pthread_mutex_unlock(&self->event_lock);
    return !atomic_load(&self->stop);
}

ql_status ql__ingest_source_status(ql_status status, ql_error *err)
{
    if (ql_status_kind(status) != QL_E_CORRUPT && ql_status_kind(status) != QL_E_BUSY) return status;
    if (err != NULL) err->status = QL_E_IO;
    return QL_E_IO;
}

typedef struct listing_view {
    ql__ingest *ingest;
    const ql__ingest_source *source;
    uint64_t begin_ns, told_ns;
} listing_view;

static bool listing_tick(void *user, uint64_t listed)
{
    listing_view *self = user;
    const ql_ingest_options *options = self->ingest->options;
    if (options->progress_fn == NULL) return true;
    uint64_t now = ql__monotonic_ns(self->ingest->sys);
    if (now - self->told_ns < LISTING_PROGRESS_NS) return true;
    self->told_ns = now;
    ql_ingest_progress progress = {.struct_size = sizeof progress, .phase = QL_INGEST_LISTING, .project = self->source->project,
                                   .source_type = self->source->source_type, .source = self->source->source, .listed = listed,
                                   .elapsed_ms = (now - self->begin_ns) / 1000000};
    if (options->progress_fn(options->user, &progress) == 0) return true;
    atomic_store(&self->ingest->cancelled, true);
    atomic_store(&self->ingest->stop, true);
    return false;
}

static void tell_plan(ql__ingest *self, const ql__ingest_source *source, const ql__plan *plan)
{
    for (size_t i = 0; i < plan->vanished_count; i++)
        if (!ql__ingest_event(self, source, QL_INGEST_DELETE, QL_OK, plan->vanished[i].item.url, QL_STR(""))) return;
    for (size_t i = 0; i < plan->work_count; i++) {
        ql_ingest_action action = plan->work[i].is_new ? QL_INGEST_ADD : QL_INGEST_CHANGE;
        if (!ql__ingest_event(self, source, action, QL_OK, plan->work[i].item.url, QL_STR(""))) return;
    }
}

static ql_status delete_vanished(ql__ingest *self, const ql__ingest_source *source, const ql__plan *plan, ql_error *err)
{
    if (plan->vanished_count == 0) return QL_OK;
    QL_SPAN(STORE);
    QL_TRY(ql__backend_begin(self->store, err));
    ql_status status = QL_OK;
    for (size_t i = 0; i < plan->vanished_count && status >= 0; i++) status = ql__backend_remove(self->store, plan->vanished[i].id, err);
    if (status < 0) {
        ql__backend_rollback(self->store);
        return status;
    }
    QL_TRY(ql__backend_commit(self->store, err));
    for (size_t i = 0; i < plan->vanished_count; i++)
        (void)ql__ingest_event(self, source, QL_INGEST_DELETE, QL_OK, plan->vanished[i].item.url, QL_STR(""));
    return QL_OK;
}

static ql_status note_done(ql__ingest *self, const ql__ingest_source *source, const ql__plan *plan, const ql_ingest_report *before, ql_error *err)
{
    ql_buf json = QL_BUF_INIT;
    ql__json_writer writer;
    const ql_ingest_report *now = self->report;
    ql__json_begin(&writer, &json);
    ql__json_object(&writer);
    const struct { const char *key; uint64_t value; } facts[] = {
        {"listed", plan->listed}, {"unchanged", now->unchanged - before->unchanged}, {"added", now->added - before->added},
        {"changed", now->changed - before->changed}, {"deleted", now->deleted - before->deleted},
        {"skipped", now->skipped - before->skipped}, {"failed", now->failed - before->failed}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        ql__json_key(&writer, facts[i].key);
        ql__json_uint(&writer, facts[i].value);
    }
    ql__json_object_end(&writer);
    const ql_store_source done = {.struct_size = sizeof done, .project = source->project, .source_type = source->source_type, .source = source->source,
                                  .last_complete_ms = ql__wall_ms(self->sys), .report_json = ql_buf_str(&json)};
    ql_status status = json.status < 0 ? ql__fail_nomem(err) : ql__backend_source_done(self->store, &done, err);
    ql_buf_dispose(&json);
    return status;
}

/* What was replaced and deleted leaves room to reclaim; the store decides whether it is worth a rewrite. The ingest itself is done by now. */
static void reclaim(ql__ingest *self)
{
    ql_error err = {0};
    if (atomic_load(&self->stop)) return;
    QL_SPAN(STORE);
    if (ql__backend_compact(self->store, &err) < 0)
        ql__log_write(self->log, QL_LOG_WARNING, "ingest", "the index is complete, but its unused space could not be reclaimed: %s", err.message);
}

/*
 * A source that lists nothing where the index holds documents is more often a disk that is not mounted, or a pattern that is wrong, than a source
 * that was emptied: what is held stays until somebody asks for it. A source of the application means what it lists. True when it stays.
 */
static bool keep_all(ql__ingest *self, const ql__ingest_source *source, ql__plan *plan)
{
    char message[300];
    if (plan->listed > 0 || plan->vanished_count == 0 || self->options->prune || source->foreign) return false;
    snprintf(message, sizeof message, "the source lists no document, but the index holds %zu of it: they stay. Look at its place and patterns; 'qloader ingest --prune' deletes them",
             plan->vanished_count);
    plan->vanished_count = 0;
    (void)ql__ingest_event(self, source, QL_INGEST_WARN, QL_OK, QL_STR(""), ql_str_of(message));
    return true;
}

/* It can take as long as the first time, and a changed option is easily overlooked. */
static void tell_remade(ql__ingest *self, const ql__ingest_source *source, const ql__plan *plan)
{
    if (plan->remade == 0 || self->options->force) return;
    ql__log_write(self->log, QL_LOG_WARNING, "ingest", "%llu of %llu documents of %.*s/%.*s are made anew: the model, its precision, the size of chunks or the way they are made is another than it was, or a grammar was installed",
                  (unsigned long long)plan->remade, (unsigned long long)plan->listed, (int)source->source_type.len, source->source_type.ptr, (int)source->source.len, source->source.ptr);
}

static ql_status run_plan(ql__ingest *self, const ql__ingest_source *source, ql__plan *plan, const ql_ingest_report *before, ql_error *err)
{
    bool kept = keep_all(self, source, plan);
    tell_remade(self, source, plan);
    self->report->listed += plan->listed;
    self->report->unchanged += plan->unchanged;
    if (!self->options->dry_run) ql__metric_add(QL__METRIC_DOCUMENTS, QL__RESULT_UNCHANGED, plan->unchanged);
    if (self->options->dry_run) {
        tell_plan(self, source, plan);
        return atomic_load(&self->cancelled) ? ql__fail(err, QL_E_CANCELLED, "stopped") : QL_OK;
    }
    if (atomic_load(&self->cancelled)) return ql__fail(err, QL_E_CANCELLED, "stopped");
    QL_TRY(ql__ingest_store_status(self, delete_vanished(self, source, plan, err)));
    QL_TRY(ql__pipeline_run(self, source, plan, err));
    if (plan->incomplete.status >= 0 && !kept) QL_TRY(ql__ingest_store_status(self, note_done(self, source, plan, before, err)));
    reclaim(self);
    return QL_OK;
}

static ql_status charge_list(ql__ingest *self, uint64_t used_before, ql_error *err)
{
    uint64_t used = 0;
    const ql__memory_plan whole = self->memory;
    QL_TRY(ql__memory_plan_look(&whole, self->sys, &used, err));
    return ql__memory_plan_with_list(&whole, used > used_before ? used - used_before : 0, &self->memory, err);
}

ql_status ql__ingest_source_run(ql__ingest *self, const ql__ingest_source *source, ql_error *err)
{
    listing_view listing = {.ingest = self, .source = source, .begin_ns = ql__monotonic_ns(self->sys)};
    ql_ingest_report before = *self->report;
    ql__plan plan;
    uint64_t used_before = 0;
    QL_TRY(ql__memory_plan_look(&self->memory, self->sys, &used_before, err));
    ql_status made = ql__plan_make(self, source, listing_tick, &listing, &plan, err);
    if (made < 0) return ql__fail_status(err, made);
    ql__memory_plan whole = self->memory;
    ql_status status = charge_list(self, used_before, err);
    if (status >= 0) status = run_plan(self, source, &plan, &before, err);
    self->memory = whole;
    if (status >= 0 && plan.incomplete.status < 0) { /* all that could be listed is in; the source still did not succeed */
        status = plan.incomplete.status;
        if (err != NULL) *err = plan.incomplete;
    }
    ql__plan_dispose(&plan);
    return ql__fail_status(err, status);
}

static ql_status remove_planned(ql__ingest *self, const ql__ingest_source *source, const ql__plan *plan, ql_error *err)
{
    if (self->options->dry_run) {
        tell_plan(self, source, plan);
        return atomic_load(&self->cancelled) ? ql__fail(err, QL_E_CANCELLED, "stopped") : QL_OK;
    }
    QL_TRY(delete_vanished(self, source, plan, err));
    if (atomic_load(&self->cancelled)) return ql__fail(err, QL_E_CANCELLED, "stopped");
    return ql__backend_source_forget(self->store, source->project, source->source_type, source->source, err);
}

ql_status ql__ingest_source_remove(ql__ingest *self, const ql__ingest_source *source, ql_error *err)
{
    ql__plan plan;
    QL_TRY(ql__plan_removal(self, source, &plan, err));
    ql_status status = remove_planned(self, source, &plan, err);
    if (ql_status_kind(status) != QL_E_CANCELLED) status = ql__ingest_store_status(self, status);
    ql__plan_dispose(&plan);
    return ql__fail_status(err, status);
}
