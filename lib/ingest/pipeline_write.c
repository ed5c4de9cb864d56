/*
 * The last stage: documents go into the store, many to a commit. What was written is kept until then: only a document that survives a crash is counted and told.
 * Threads: the writer's alone, or the calling one where there is no other.
 */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/status.h"
#include "ingest/pipeline_internal.h"
#include "prof/metrics.h"
#include "sys/thread.h"

#define COMMIT_IDLE_MS 50

static ql_status write_one(ql__pipeline *self, ql__prepared *document, ql_error *err)
{
    QL_SPAN(STORE); /* while the document's task runs: it is the document's time */
    const ql__backend *store = self->ingest->store;
    if (!self->in_transaction) {
        QL_TRY(ql__backend_begin(store, err));
        self->in_transaction = true;
        self->pending_since_ns = ql__monotonic_ns(self->ingest->sys);
    }
    const ql_store_document *stored = &document->document;
    if (document->kind != QL__PREPARED_UNCHANGED) return ql__backend_replace(store, stored, err);
    return ql__backend_touch(store, document->entry->id, stored, err);
}

/* Once a language and run. */
static void warn_of_grammar(ql__pipeline *self, const ql__prepared *document)
{
    char word[40], message[200];
    char *told = self->ingest->told_grammars;
    snprintf(word, sizeof word, "%s ", document->missing_grammar);
    pthread_mutex_lock(&self->ingest->event_lock);
    size_t used = strlen(told);
    bool known = strstr(told, word) != NULL;
    if (!known) snprintf(told + used, sizeof self->ingest->told_grammars - used, "%s", word);
    pthread_mutex_unlock(&self->ingest->event_lock);
    if (known) return;
    snprintf(message, sizeof message, "the grammar for %s is not installed: such files are cut by lines, and made again once it is", document->missing_grammar);
    ql__pipeline_tell(self, document, QL_INGEST_WARN, ql_str_of(message));
}

static void count_written(ql__pipeline *self, const ql__prepared *document)
{
    ql_ingest_report *report = self->ingest->report;
    pthread_mutex_lock(&self->ingest->event_lock);
    report->chunks += document->chunk_count;
    report->tokens += document->tokens;
    report->bytes += document->content_bytes;
    pthread_mutex_unlock(&self->ingest->event_lock);
    ql__counter_add(QL__COUNTER_DOCUMENTS, 1);
    ql__counter_add(QL__COUNTER_CHUNKS, document->chunk_count);
}

static void announce_written(ql__pipeline *self, const ql__prepared *document)
{
    if (document->kind == QL__PREPARED_UNCHANGED) {
        pthread_mutex_lock(&self->ingest->event_lock);
        self->ingest->report->unchanged++;
        pthread_mutex_unlock(&self->ingest->event_lock);
        ql__metric_add(QL__METRIC_DOCUMENTS, QL__RESULT_UNCHANGED, 1);
        return;
    }
    count_written(self, document);
    if (document->kind == QL__PREPARED_SKIPPED) {
        ql__pipeline_tell(self, document, QL_INGEST_SKIP, document->message);
        return;
    }
    ql__pipeline_tell(self, document, document->entry->is_new ? QL_INGEST_ADD : QL_INGEST_CHANGE, QL_STR(""));
    if (document->missing_grammar != NULL) warn_of_grammar(self, document);
    if (document->chunks_dropped)
        ql__pipeline_tell(self, document, QL_INGEST_WARN, QL_STR("max_chunks_per_document reached: the rest of this document is not indexed"));
}

static void drop_written(ql__pipeline *self, bool committed)
{
    for (size_t i = 0; i < self->written_count; i++) {
        if (committed) announce_written(self, self->written[i]);
        ql__pipeline_count_done(self, self->written[i]);
        ql__pipeline_release(self, self->written[i]);
    }
    self->written_count = 0;
    self->pending_bytes = 0;
}

void ql__write_commit(ql__pipeline *self)
{
    if (!self->in_transaction) return;
    QL_SPAN(STORE);
    ql_error err = {0};
    uint64_t begin_ns = ql__metric_begin(), work = ql__pipeline_work_begin("commit", 0, self->written_count);
    self->in_transaction = false;
    ql_status status = ql__backend_commit(self->ingest->store, &err);
    ql__pipeline_work_end(work);
    if (status >= 0 && begin_ns != 0) ql__metric_end(QL__METRIC_REF_UPSERT, 0, begin_ns - self->pending_write_ns);
    self->pending_write_ns = 0;
    if (status < 0) ql__pipeline_fail(self, status, &err);
    drop_written(self, status >= 0);
}

static void write_rollback(ql__pipeline *self)
{
    if (self->in_transaction) ql__backend_rollback(self->ingest->store);
    self->in_transaction = false;
    drop_written(self, false);
}

/* Takes the document; the store decides nothing per document: what fails here fails for the next one too. */
static void write_store(ql__pipeline *self, ql__prepared *document)
{
    ql_error err = {0};
    ql_status status = ql__array_push(self->written, self->written_count, self->written_capacity, document) ? QL_OK : ql__fail_nomem(&err);
    if (status < 0) {
        ql__pipeline_fail(self, status, &err);
        ql__pipeline_release(self, document);
        return;
    }
    self->pending_bytes += document->memory_bytes;
    uint64_t begin_ns = ql__metric_begin();
    ql_task_run(&document->task);
    status = write_one(self, document, &err);
    ql_task_wait(&document->task, QL_TASK_WAIT_OTHER, "commit");
    if (begin_ns != 0) self->pending_write_ns += ql__span_now() - begin_ns;
    if (status >= 0) return;
    ql_str url = document->entry->item.url;
    ql__error_prefix(&err, "storing '%.*s'", (int)(url.len > 200 ? 200 : url.len), url.ptr);
    ql__pipeline_fail(self, status, &err);
    write_rollback(self);
}

void ql__write_commit_due(ql__pipeline *self)
{
    uint64_t age_ns = self->in_transaction ? ql__monotonic_ns(self->ingest->sys) - self->pending_since_ns : 0;
    if (self->pending_bytes >= self->ingest->memory.commit_bytes || age_ns > (uint64_t)COMMIT_IDLE_MS * 1000000) ql__write_commit(self);
}

static void write_accept(ql__pipeline *self, ql__prepared *document)
{
    bool stores = document->kind == QL__PREPARED_CHUNKS || document->kind == QL__PREPARED_SKIPPED || document->kind == QL__PREPARED_UNCHANGED;
    if (stores && !ql__pipeline_failed(self)) {
        write_store(self, document);
    } else {
        ql__pipeline_count_done(self, document);
        ql__pipeline_release(self, document);
    }
    ql__write_commit_due(self);
}

void *ql__write_main(void *user)
{
    ql__pipeline *self = user;
    ql__thread_name("qloader-write");
    ql__place_put(self->place);
    ql__place_wait_mark(ql__hop_write.empty);
    ql__prof *previous = ql__prof_enter(self->ingest->prof);
    for (;;) {
        void *item = NULL;
        bool timed_out = false;
        bool found = ql__pipeline_pop(self->to_write, &ql__hop_write, COMMIT_IDLE_MS, &item, &timed_out);
        if (item != NULL) write_accept(self, item);
        else if (found || timed_out) ql__write_commit(self);
        else break;
    }
    ql__write_commit(self);
    ql__prof_leave(previous);
    return NULL;
}

void ql__write_hand(ql__pipeline *self, ql__prepared *document)
{
    if (!self->threaded) write_accept(self, document);
    else ql__pipeline_push(self->to_write, &ql__hop_write, document);
}
