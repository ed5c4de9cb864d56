/*
 * Stages and hand-over.
 *
 * prepare: takes the next entries of the plan, a batch at a time through the pool, and hands documents on in plan order.
 * embed:   collects documents until there are enough tokens to fill the machine, embeds their texts in one call, hands them on.
 * write:   replaces documents in the store; commits when enough is pending or nothing comes for a moment (group commit).
 *
 * A document is freed by the stage that drops it. The writer keeps what it wrote until the commit: only then is it counted and told,
 * so that an application that was told of a document finds it after any crash. A fatal error is kept once (the first), stops the
 * producer, and the other stages drain what is under way without storing it. On cancel the writer still commits whole documents
 * that reached it.
 *
 * With a limit on memory a document that takes more than its part of it is alone: what is under way is embedded, stored and freed before it is
 * read, and so is it before the next one. Where the limit is met all the same by what is embedded, that is tried again while nothing is prepared; then the
 * documents fail that lack vectors, not the run.
 */
#include "ingest/pipeline.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"
#include "ingest/prepare.h"
#include "prof/counter_table.h"
#include "prof/live_tasks.h"
#include "prof/metrics.h"
#include "prof/prof_place.h"
#include "sys/queue.h"
#include "sys/thread.h"

#define PREPARE_BATCH_COUNT 32
#define PREPARE_BATCH_BYTES ((uint64_t)4 << 20)
#define EMBED_BATCH_TOKENS 8192       /* about 40 passages: enough to fill a few cores, little enough that work is stored soon */
#define EMBED_CALL_TEXTS 64         /* texts a call: small enough that progress and stop stay lively on a slow machine */
#define COMMIT_IDLE_MS 50
#define PROGRESS_NS ((uint64_t)100 * 1000 * 1000)

typedef struct pipeline {
    ql__ingest *ingest;
    const ql__ingest_source *source;
    const ql__plan *plan;
    uint32_t dims;
    bool threaded;
    pthread_mutex_t room; /* held while documents are prepared */

    ql__queue *to_embed, *to_write;
    pthread_t prepare_thread, write_thread;

    /* embed stage, calling thread */
    ql__prepared **batch;
    size_t batch_count, batch_capacity;
    uint64_t batch_tokens;

    /* write stage, one thread */
    bool in_transaction;
    ql__prepared **written; /* not committed yet */
    size_t written_count, written_capacity;
    size_t pending_bytes;
    uint64_t pending_since_ns;
    uint64_t pending_write_ns; /* spent writing since the last commit, where metrics are on */

    pthread_mutex_t lock; /* guards fatal, fatal_error, totals and under_way */
    pthread_cond_t drained; /* nothing is under way */
    size_t under_way; /* documents from prepare's end until they are freed */
    ql_status fatal;
    ql_error fatal_error;
    struct {
        uint64_t done, chunks, tokens, bytes;
    } totals;
    uint64_t begin_ns, progress_ns;
    uintptr_t place[QL__PLACE_WORDS]; /* of the caller in a capture: what its threads do is done for it */
} pipeline;

static bool running(const pipeline *self)
{
    return !atomic_load(&self->ingest->stop);
}

static bool has_failed(pipeline *self)
{
    pthread_mutex_lock(&self->lock);
    bool failed = self->fatal < 0;
    pthread_mutex_unlock(&self->lock);
    return failed;
}

static void fail_for_good(pipeline *self, ql_status status, const ql_error *err)
{
    pthread_mutex_lock(&self->lock);
    if (self->fatal >= 0) {
        self->fatal = status;
        self->fatal_error = *err;
        self->fatal_error.status = status;
    }
    pthread_mutex_unlock(&self->lock);
    atomic_store(&self->ingest->stop, true);
}

static void fail_nomem(pipeline *self)
{
    ql_error err = {0};
    fail_for_good(self, ql__fail_nomem(&err), &err);
}

/* --- telling the application -------------------------------------------------------------------------------------------------- */

static void report_progress(pipeline *self, int phase)
{
    const ql__ingest *ingest = self->ingest;
    uint64_t now = ql__monotonic_ns(ingest->sys);
    if (ingest->options->progress_fn == NULL || (phase == QL_INGEST_WORKING && now - self->progress_ns < PROGRESS_NS)) return;
    self->progress_ns = now;
    ql_ingest_progress progress = {.struct_size = sizeof progress, .phase = phase, .project = self->source->project,
                                   .source_type = self->source->source_type, .source = self->source->source,
                                   .listed = self->plan->listed, .documents_total = self->plan->work_count};
    pthread_mutex_lock(&self->lock);
    progress.documents_done = self->totals.done;
    progress.chunks_done = self->totals.chunks;
    progress.tokens_done = self->totals.tokens;
    progress.bytes_done = self->totals.bytes;
    pthread_mutex_unlock(&self->lock);
    progress.work_elapsed_ms = progress.elapsed_ms = (now - self->begin_ns) / 1000000;
    if (ingest->options->progress_fn(ingest->options->user, &progress) != 0) {
        atomic_store(&self->ingest->cancelled, true);
        atomic_store(&self->ingest->stop, true);
    }
}

static void count_done(pipeline *self, const ql__prepared *document)
{
    pthread_mutex_lock(&self->lock);
    self->totals.done++;
    self->totals.bytes += document->content_bytes;
    pthread_mutex_unlock(&self->lock);
}

static void release(pipeline *self, ql__prepared *document)
{
    ql__prepared_free(document);
    pthread_mutex_lock(&self->lock);
    if (--self->under_way == 0) pthread_cond_broadcast(&self->drained);
    pthread_mutex_unlock(&self->lock);
}

static void tell(pipeline *self, const ql__prepared *document, ql_ingest_action action, ql_str message)
{
    (void)ql__ingest_event(self->ingest, self->source, action, document->status, document->entry->item.url, message);
}

static void count_written(pipeline *self, const ql__prepared *document)
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

/* --- queues -------------------------------------------------------------------------------------------------------------------- */

/* A queue between two stages as a capture shows it. */
typedef struct hand_over {
    size_t queue; /* of the metrics */
    ql__gauge_id items, bytes;
    const char *task_waits, *full, *empty;
} hand_over;

static const hand_over hop_embed = {QL__QUEUE_EMBED, QL__GAUGE_EMBED_ITEMS, QL__GAUGE_EMBED_BYTES, "queue embed", "queue embed full", "queue embed empty"};
static const hand_over hop_write = {QL__QUEUE_WRITE, QL__GAUGE_WRITE_ITEMS, QL__GAUGE_WRITE_BYTES, "queue write", "queue write full", "queue write empty"};

/* What waits before a stage, for the metrics: count +1 as it is put in, -1 as it is taken out. */
static void count_waiting(size_t queue, const ql__prepared *document, int count)
{
    ql__metric_change(QL__METRIC_QUEUE_BYTES, queue, count * (double)document->memory_bytes);
    ql__metric_change(queue == QL__QUEUE_EMBED ? QL__METRIC_REF_CHUNK_QUEUE : QL__METRIC_REF_EMBED_QUEUE, 0, count * (double)document->chunk_count);
}

static void push(ql__queue *to, const hand_over *hop, ql__prepared *document)
{
    size_t bytes = document->memory_bytes; /* once it is pushed it is another thread's */
    ql_task_wait(&document->task, QL_TASK_WAIT_QUEUE, hop->task_waits);
    count_waiting(hop->queue, document, 1); /* it may be taken out before push returns */
    ql__gauge_add(hop->items, 1);
    ql__gauge_add(hop->bytes, bytes);
    uint64_t begin_ns = ql__place_wait_begin();
    bool open = ql__queue_push(to, document, bytes);
    ql__place_wait_end(begin_ns, hop->full);
    assert(open); /* a queue is closed when the stage before it has ended */
    (void)open;
}

/* An item that is no document: all before it is to be done now. */
static void hurry(ql__queue *to)
{
    bool open = ql__queue_push(to, NULL, 0);
    assert(open);
    (void)open;
}

static bool pop(ql__queue *from, const hand_over *hop, uint32_t timeout_ms, void **item, bool *timed_out)
{
    uint64_t begin_ns = ql__place_wait_begin();
    bool found = ql__queue_pop_until(from, item, timeout_ms, timed_out);
    ql__place_wait_end(begin_ns, hop->empty);
    if (!found || *item == NULL) return found;
    count_waiting(hop->queue, *item, -1);
    ql__gauge_add(hop->items, (uint64_t)-1);
    ql__gauge_add(hop->bytes, (uint64_t)0 - ((const ql__prepared *)*item)->memory_bytes);
    return true;
}

/* What is done for several documents at once belongs to no task of theirs: whoever looks sees it as one of its own. */
static uint64_t work_begin(const char *stage, size_t texts, size_t documents)
{
    char name[80];
    if (!ql__live_tasks_on()) return 0;
    int length = texts > 0 ? snprintf(name, sizeof name, "%zu text%s of ", texts, texts == 1 ? "" : "s") : 0;
    (void)snprintf(name + length, sizeof name - (size_t)length, "%zu document%s", documents, documents == 1 ? "" : "s");
    return ql__live_work_begin(stage, ql_str_of(name), ql__span_now());
}

static void work_end(uint64_t work)
{
    if (work != 0) ql__live_work_end(work, ql__span_now());
}

/* --- write --------------------------------------------------------------------------------------------------------------------- */

static ql_status write_one(pipeline *self, ql__prepared *document, ql_error *err)
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
static void warn_of_grammar(pipeline *self, const ql__prepared *document)
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
    tell(self, document, QL_INGEST_WARN, ql_str_of(message));
}

static void announce_written(pipeline *self, const ql__prepared *document)
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
        tell(self, document, QL_INGEST_SKIP, document->message);
        return;
    }
    tell(self, document, document->entry->is_new ? QL_INGEST_ADD : QL_INGEST_CHANGE, QL_STR(""));
    if (document->missing_grammar != NULL) warn_of_grammar(self, document);
    if (document->chunks_dropped)
        tell(self, document, QL_INGEST_WARN, QL_STR("max_chunks_per_document reached: the rest of this document is not indexed"));
}

static void drop_written(pipeline *self, bool committed)
{
    for (size_t i = 0; i < self->written_count; i++) {
        if (committed) announce_written(self, self->written[i]);
        count_done(self, self->written[i]);
        release(self, self->written[i]);
    }
    self->written_count = 0;
    self->pending_bytes = 0;
}

static void write_commit(pipeline *self)
{
    if (!self->in_transaction) return;
    QL_SPAN(STORE);
    ql_error err = {0};
    uint64_t begin_ns = ql__metric_begin(), work = work_begin("commit", 0, self->written_count);
    self->in_transaction = false;
    ql_status status = ql__backend_commit(self->ingest->store, &err);
    work_end(work);
    if (status >= 0 && begin_ns != 0) ql__metric_end(QL__METRIC_REF_UPSERT, 0, begin_ns - self->pending_write_ns);
    self->pending_write_ns = 0;
    if (status < 0) fail_for_good(self, status, &err);
    drop_written(self, status >= 0);
}

static void write_rollback(pipeline *self)
{
    if (self->in_transaction) ql__backend_rollback(self->ingest->store);
    self->in_transaction = false;
    drop_written(self, false);
}

/* Takes the document; the store decides nothing per document: what fails here fails for the next one too. */
static void write_store(pipeline *self, ql__prepared *document)
{
    ql_error err = {0};
    ql_status status = ql__array_push(self->written, self->written_count, self->written_capacity, document) ? QL_OK : ql__fail_nomem(&err);
    if (status < 0) {
        fail_for_good(self, status, &err);
        release(self, document);
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
    fail_for_good(self, status, &err);
    write_rollback(self);
}

static void write_commit_due(pipeline *self)
{
    uint64_t age_ns = self->in_transaction ? ql__monotonic_ns(self->ingest->sys) - self->pending_since_ns : 0;
    if (self->pending_bytes >= self->ingest->memory.commit_bytes || age_ns > (uint64_t)COMMIT_IDLE_MS * 1000000) write_commit(self);
}

static void write_accept(pipeline *self, ql__prepared *document)
{
    bool stores = document->kind == QL__PREPARED_CHUNKS || document->kind == QL__PREPARED_SKIPPED || document->kind == QL__PREPARED_UNCHANGED;
    if (stores && !has_failed(self)) {
        write_store(self, document);
    } else {
        count_done(self, document);
        release(self, document);
    }
    write_commit_due(self);
}

static void *write_main(void *user)
{
    pipeline *self = user;
    ql__thread_name("qloader-write");
    ql__place_put(self->place);
    ql__place_wait_mark(hop_write.empty);
    ql__prof *previous = ql__prof_enter(self->ingest->prof);
    for (;;) {
        void *item = NULL;
        bool timed_out = false;
        bool found = pop(self->to_write, &hop_write, COMMIT_IDLE_MS, &item, &timed_out);
        if (item != NULL) write_accept(self, item);
        else if (found || timed_out) write_commit(self);
        else break;
    }
    write_commit(self);
    ql__prof_leave(previous);
    return NULL;
}

static void hand_to_write(pipeline *self, ql__prepared *document)
{
    if (!self->threaded) write_accept(self, document);
    else push(self->to_write, &hop_write, document);
}

/* --- embed --------------------------------------------------------------------------------------------------------------------- */

static ql_status embed_slice(pipeline *self, const ql_str *texts, float **rows, size_t count, float *scratch, ql_error *err)
{
    const ql__ingest *ingest = self->ingest;
    uint64_t begin_ns = ql__metric_begin();
    QL_TRY(ingest->embedder->embed_fn(ingest->embedder_self, QL_EMBED_PASSAGE, texts, count, scratch, err));
    ql__metric_end(QL__METRIC_REF_EMBEDDING, 0, begin_ns);
    for (size_t i = 0; i < count; i++) memcpy(rows[i], scratch + i * self->dims, self->dims * sizeof(float));
    return QL_OK;
}

/* Where a long document stands shows before it is done. */
static void count_embedded(pipeline *self, const uint32_t *tokens, size_t count)
{
    pthread_mutex_lock(&self->lock);
    self->totals.chunks += count;
    for (size_t i = 0; i < count; i++) self->totals.tokens += tokens[i];
    pthread_mutex_unlock(&self->lock);
}

/*
 * The embedder works on the texts of several documents at once, so no document runs meanwhile: for a capture its time is divided among them by their tokens, which
 * is what it costs. Nothing else tells what a document took.
 */
static void tell_shares(pipeline *self, uint64_t spent_ns)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < self->batch_count; i++) tokens += self->batch[i]->tokens;
    double each_ns = (double)spent_ns / fmax((double)tokens, 1); /* documents without text have none, and take none */
    for (size_t i = 0; i < self->batch_count; i++) {
        ql__prepared *document = self->batch[i];
        ql_task_run(&document->task);
        QL_PROF_SPAN(share, "embed", "share");
        ql_span_int(&share, "tokens", (int64_t)document->tokens);
        ql_span_int(&share, "share_ns", (int64_t)(each_ns * (double)document->tokens));
        ql_span_end(&share);
        ql_task_wait(&document->task, QL_TASK_WAIT_OTHER, "vectors of its batch");
    }
}

/* Gathers the texts of the batch into one list, so that the embedder sees as many as it can balance. *done: texts that have their vector. */
static ql_status embed_texts(pipeline *self, size_t total, size_t *done, ql_error *err)
{
    ql_str *texts = ql__realloc_array(NULL, total, sizeof *texts);
    uint32_t *tokens = ql__realloc_array(NULL, total, sizeof *tokens);
    float **rows = ql__realloc_array(NULL, total, sizeof *rows);
    size_t slice = total < EMBED_CALL_TEXTS ? total : EMBED_CALL_TEXTS;
    float *scratch = ql__realloc_array(NULL, slice, self->dims * sizeof *scratch);
    ql_status status = texts != NULL && tokens != NULL && rows != NULL && scratch != NULL ? QL_OK : ql__fail_nomem(err);
    for (size_t d = 0, at = 0; status >= 0 && d < self->batch_count; d++)
        for (size_t c = 0; c < self->batch[d]->chunk_count; c++, at++) {
            texts[at] = self->batch[d]->embed_texts[c];
            tokens[at] = self->batch[d]->chunks[c].chunk.tokens;
            rows[at] = self->batch[d]->vectors + c * self->dims;
        }
    while (status >= 0 && *done < total && running(self)) {
        size_t count = total - *done < slice ? total - *done : slice;
        status = embed_slice(self, texts + *done, rows + *done, count, scratch, err);
        if (status >= 0) count_embedded(self, tokens + *done, count);
        if (status >= 0) *done += count;
        if (!self->threaded) write_commit_due(self); /* nobody else looks at the clock meanwhile */
        report_progress(self, QL_INGEST_WORKING);
    }
    ql__free(texts);
    ql__free(tokens);
    ql__free(rows);
    ql__free(scratch);
    return status;
}

static ql_status give_vectors(pipeline *self, ql__prepared *document)
{
    if (document->vectors != NULL) return QL_OK; /* tried again */
    document->vectors = ql__realloc_array(NULL, document->chunk_count, self->dims * sizeof(float));
    if (document->vectors == NULL) return QL_E_NOMEM;
    for (size_t i = 0; i < document->chunk_count; i++) document->chunks[i].vector = document->vectors + i * self->dims;
    document->memory_bytes += document->chunk_count * self->dims * sizeof(float);
    return QL_OK;
}

static void fail_document(pipeline *self, ql__prepared *document)
{
    ql_error err = {0};
    document->kind = QL__PREPARED_FAILED;
    document->status = ql__memory_plan_explain(&self->ingest->memory, QL_E_NOMEM, &err);
    tell(self, document, QL_INGEST_FAIL, ql_str_of(err.message));
    hand_to_write(self, document);
}

/* Hands on what has all its vectors: everything, or what a stop in the middle had finished before the first document that lacks one. */
static void embed_hand_on(pipeline *self, size_t done, bool short_of_memory)
{
    bool whole = true;
    for (size_t i = 0; i < self->batch_count; i++) {
        ql__prepared *document = self->batch[i];
        whole = whole && document->chunk_count <= done;
        if (whole || (short_of_memory && document->chunk_count == 0)) {
            done -= document->chunk_count;
            hand_to_write(self, document);
        } else if (short_of_memory) {
            fail_document(self, document);
        } else {
            release(self, document);
        }
    }
    self->batch_count = 0;
    self->batch_tokens = 0;
}

/* *done: texts that have their vector, and are not embedded again. */
static ql_status embed_batch(pipeline *self, size_t *done, ql_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < self->batch_count; i++) {
        ql__prepared *document = self->batch[i];
        total += document->chunk_count;
        if (document->chunk_count > 0 && give_vectors(self, document) < 0) return ql__fail_nomem(err);
    }
    if (total == 0) return QL_OK;
    uint64_t work = work_begin("embed", total, self->batch_count);
    ql_status status = embed_texts(self, total, done, err);
    work_end(work);
    return status;
}

/* While nothing is prepared, and with what was freed by it. */
static ql_status embed_batch_alone(pipeline *self, size_t *done, ql_error *err)
{
    pthread_mutex_lock(&self->room);
    ql__alloc_give_back();
    ql_status status = embed_batch(self, done, err);
    pthread_mutex_unlock(&self->room);
    return status;
}

static bool meets_limit(const pipeline *self, ql_status status)
{
    return self->ingest->memory.max != 0 && ql_status_kind(status) == QL_E_NOMEM;
}

static void embed_flush(pipeline *self)
{
    size_t done = 0;
    ql_error err = {0};
    uint64_t begin_ns = ql_prof_running() ? ql__monotonic_ns(self->ingest->sys) : 0;
    ql_status status = embed_batch(self, &done, &err);
    if (meets_limit(self, status)) status = embed_batch_alone(self, &done, &err);
    if (begin_ns != 0) tell_shares(self, ql__monotonic_ns(self->ingest->sys) - begin_ns);
    if (status < 0 && !meets_limit(self, status)) fail_for_good(self, status, &err);
    embed_hand_on(self, done, meets_limit(self, status));
}

static void embed_accept(pipeline *self, ql__prepared *document)
{
    /* What came before a long one is stored first: it must not wait for it, nor be lost with it when the run is stopped. */
    if (document->tokens >= EMBED_BATCH_TOKENS && self->batch_count > 0) embed_flush(self);
    if (!running(self) || !ql__array_push(self->batch, self->batch_count, self->batch_capacity, document)) {
        if (running(self)) fail_nomem(self);
        release(self, document);
        return;
    }
    self->batch_tokens += document->tokens;
    ql_task_wait(&document->task, QL_TASK_WAIT_OTHER, "vectors of its batch");
    if (self->batch_tokens >= EMBED_BATCH_TOKENS) embed_flush(self);
}

static void hand_to_embed(pipeline *self, ql__prepared *document)
{
    pthread_mutex_lock(&self->lock);
    self->under_way++;
    pthread_mutex_unlock(&self->lock);
    if (!self->threaded) embed_accept(self, document);
    else push(self->to_embed, &hop_embed, document);
}

/* What waits for more of its kind goes on as it is, through both stages. */
static void embed_hurry(pipeline *self)
{
    embed_flush(self);
    hurry(self->to_write);
}

static void embed_main(pipeline *self)
{
    ql__place_wait_mark(hop_embed.empty);
    for (;;) {
        void *item = NULL;
        bool timed_out = false;
        bool found = pop(self->to_embed, &hop_embed, 100, &item, &timed_out);
        if (item != NULL) embed_accept(self, item);
        else if (found) embed_hurry(self);
        else if (!timed_out) break;
        report_progress(self, QL_INGEST_WORKING);
    }
    embed_flush(self);
}

/* --- prepare ------------------------------------------------------------------------------------------------------------------- */

typedef struct prepare_batch {
    pipeline *pipeline;
    size_t first;
    ql__prepared *documents[PREPARE_BATCH_COUNT];
} prepare_batch;

static void prepare_one(void *user, size_t index, size_t worker)
{
    prepare_batch *batch = user;
    pipeline *self = batch->pipeline;
    (void)worker;
    if (!running(self)) return;
    ql__prof *previous = ql__prof_enter(self->ingest->prof);
    batch->documents[index] = ql__prepare(self->ingest, self->source, &self->plan->work[batch->first + index]);
    if (batch->documents[index] == NULL) fail_nomem(self);
    ql__prof_leave(previous);
}

/* At least one; more only where all of them fit side by side. */
static size_t batch_size(const pipeline *self, size_t first)
{
    size_t count = 0;
    uint64_t bytes = 0, left = self->ingest->memory.beside;
    while (count < PREPARE_BATCH_COUNT && first + count < self->plan->work_count && bytes < PREPARE_BATCH_BYTES) {
        const ql_item *item = &self->plan->work[first + count].item;
        uint64_t needed = ql__memory_of(&self->ingest->memory, item);
        if (count > 0 && needed > left) break;
        left -= needed < left ? needed : left;
        bytes += item->size_bytes;
        count++;
    }
    return count;
}

static bool is_alone(const pipeline *self, size_t index)
{
    return ql__memory_of(&self->ingest->memory, &self->plan->work[index].item) > self->ingest->memory.beside;
}

/* Until all that was handed on is stored and freed, and given back to the system: pieces of it would stay between the large document's. */
static void drain(pipeline *self)
{
    if (self->threaded) hurry(self->to_embed);
    else {
        embed_flush(self);
        write_commit(self);
    }
    pthread_mutex_lock(&self->lock);
    while (self->under_way > 0) pthread_cond_wait(&self->drained, &self->lock);
    pthread_mutex_unlock(&self->lock);
    ql__alloc_give_back();
}

static void announce_prepared(pipeline *self, const ql__prepared *document)
{
    if (document->kind == QL__PREPARED_FAILED) tell(self, document, QL_INGEST_FAIL, document->message);
    if (document->kind == QL__PREPARED_GONE) tell(self, document, QL_INGEST_WARN, document->message);
}

static void prepare_all(pipeline *self)
{
    bool was_alone = false;
    for (size_t first = 0; first < self->plan->work_count && running(self);) {
        prepare_batch batch = {.pipeline = self, .first = first};
        size_t count = batch_size(self, first);
        bool alone = is_alone(self, first);
        if (alone || was_alone) drain(self);
        was_alone = alone;
        pthread_mutex_lock(&self->room);
        ql__pool_run(self->ingest->pool, count, prepare_one, &batch);
        pthread_mutex_unlock(&self->room);
        for (size_t i = 0; i < count; i++) {
            if (batch.documents[i] == NULL) continue;
            announce_prepared(self, batch.documents[i]);
            hand_to_embed(self, batch.documents[i]);
        }
        first += count;
        if (!self->threaded) report_progress(self, QL_INGEST_WORKING);
    }
}

static void *prepare_main(void *user)
{
    pipeline *self = user;
    ql__thread_name("qloader-prepare");
    ql__place_put(self->place);
    ql__prof *previous = ql__prof_enter(self->ingest->prof);
    prepare_all(self);
    ql__queue_close(self->to_embed);
    ql__prof_leave(previous);
    return NULL;
}

/* --- together ------------------------------------------------------------------------------------------------------------------ */

static void run_in_turn(pipeline *self)
{
    prepare_all(self);
    embed_flush(self);
    write_commit(self);
}

static ql_status run_threaded(pipeline *self, ql_error *err)
{
    QL_TRY(ql__queue_new(self->ingest->memory.queue_bytes, &self->to_embed, err));
    QL_TRY(ql__queue_new(self->ingest->memory.queue_bytes, &self->to_write, err));
    QL_TRY(ql__thread_start(&self->write_thread, write_main, self, err));
    ql_status status = ql__thread_start(&self->prepare_thread, prepare_main, self, err);
    if (status >= 0) {
        embed_main(self);
        pthread_join(self->prepare_thread, NULL);
    }
    ql__queue_close(self->to_write);
    pthread_join(self->write_thread, NULL);
    return status;
}

static ql_status outcome(pipeline *self, ql_status status, ql_error *err)
{
    ql__ingest *ingest = self->ingest;
    if (status < 0) return status;
    if (self->fatal < 0) {
        if (err != NULL) *err = self->fatal_error;
        return self->fatal;
    }
    if (!atomic_load(&ingest->stop)) report_progress(self, QL_INGEST_SOURCE_DONE);
    return atomic_load(&ingest->cancelled) ? ql__fail(err, QL_E_CANCELLED, "stopped; everything stored so far stays, the next run goes on from there") : QL_OK;
}

ql_status ql__pipeline_run(ql__ingest *ingest, const ql__ingest_source *source, const ql__plan *plan, ql_error *err)
{
    pipeline self = {.ingest = ingest, .source = source, .plan = plan, .fatal = QL_OK};
    self.dims = ingest->embedder->dims_fn(ingest->embedder_self);
    self.threaded = ql__pool_size(ingest->pool) > 1;
    self.begin_ns = ql__monotonic_ns(ingest->sys);
    ql__place_take(self.place);
    pthread_mutex_init(&self.lock, NULL);
    pthread_mutex_init(&self.room, NULL);
    pthread_cond_init(&self.drained, NULL);
    ql_status status = QL_OK;
    if (self.threaded) status = run_threaded(&self, err);
    else run_in_turn(&self);
    ql__queue_free(self.to_embed);
    ql__queue_free(self.to_write);
    ql__free(self.batch);
    ql__free(self.written);
    status = outcome(&self, status, err);
    pthread_cond_destroy(&self.drained);
    pthread_mutex_destroy(&self.room);
    pthread_mutex_destroy(&self.lock);
    return status;
}
