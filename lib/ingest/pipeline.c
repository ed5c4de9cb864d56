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
#include "base/alloc.h"
#include "base/status.h"
#include "ingest/pipeline_internal.h"
#include "prof/metrics.h"
#include "sys/thread.h"

#define PREPARE_BATCH_COUNT 32
#define PREPARE_BATCH_BYTES ((uint64_t)4 << 20)

/* --- prepare ------------------------------------------------------------------------------------------------------------------- */

typedef struct prepare_batch {
    ql__pipeline *pipeline;
    size_t first;
    ql__prepared *documents[PREPARE_BATCH_COUNT];
} prepare_batch;

static void prepare_one(void *user, size_t index, size_t worker)
{
    prepare_batch *batch = user;
    ql__pipeline *self = batch->pipeline;
    (void)worker;
    if (!ql__pipeline_running(self)) return;
    ql__prof *previous = ql__prof_enter(self->ingest->prof);
    batch->documents[index] = ql__prepare(self->ingest, self->source, &self->plan->work[batch->first + index]);
    if (batch->documents[index] == NULL) ql__pipeline_fail_nomem(self);
    ql__prof_leave(previous);
}

/* At least one; more only where all of them fit side by side. */
static size_t batch_size(const ql__pipeline *self, size_t first)
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

static bool is_alone(const ql__pipeline *self, size_t index)
{
    return ql__memory_of(&self->ingest->memory, &self->plan->work[index].item) > self->ingest->memory.beside;
}

/* Until all that was handed on is stored and freed, and given back to the system: pieces of it would stay between the large document's. */
static void drain(ql__pipeline *self)
{
    if (self->threaded) ql__pipeline_hurry(self->to_embed);
    else {
        ql__embed_flush(self);
        ql__write_commit(self);
    }
    pthread_mutex_lock(&self->lock);
    while (self->under_way > 0) pthread_cond_wait(&self->drained, &self->lock);
    pthread_mutex_unlock(&self->lock);
    ql__alloc_give_back();
}

static void announce_prepared(ql__pipeline *self, const ql__prepared *document)
{
    if (document->kind == QL__PREPARED_FAILED) ql__pipeline_tell(self, document, QL_INGEST_FAIL, document->message);
    if (document->kind == QL__PREPARED_GONE) ql__pipeline_tell(self, document, QL_INGEST_WARN, document->message);
}

static void prepare_all(ql__pipeline *self)
{
    bool was_alone = false;
    for (size_t first = 0; first < self->plan->work_count && ql__pipeline_running(self);) {
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
            ql__embed_hand(self, batch.documents[i]);
        }
        first += count;
        if (!self->threaded) ql__pipeline_progress(self, QL_INGEST_WORKING);
    }
}

static void *prepare_main(void *user)
{
    ql__pipeline *self = user;
    ql__thread_name("qloader-prepare");
    ql__place_put(self->place);
    ql__prof *previous = ql__prof_enter(self->ingest->prof);
    prepare_all(self);
    ql__queue_close(self->to_embed);
    ql__prof_leave(previous);
    return NULL;
}

/* --- together ------------------------------------------------------------------------------------------------------------------ */

static void run_in_turn(ql__pipeline *self)
{
    prepare_all(self);
    ql__embed_flush(self);
    ql__write_commit(self);
}

static ql_status run_threaded(ql__pipeline *self, ql_error *err)
{
    QL_TRY(ql__queue_new(self->ingest->memory.queue_bytes, &self->to_embed, err));
    QL_TRY(ql__queue_new(self->ingest->memory.queue_bytes, &self->to_write, err));
    QL_TRY(ql__thread_start(&self->write_thread, ql__write_main, self, err));
    ql_status status = ql__thread_start(&self->prepare_thread, prepare_main, self, err);
    if (status >= 0) {
        ql__embed_main(self);
        pthread_join(self->prepare_thread, NULL);
    }
    ql__queue_close(self->to_write);
    pthread_join(self->write_thread, NULL);
    return status;
}

static ql_status outcome(ql__pipeline *self, ql_status status, ql_error *err)
{
    ql__ingest *ingest = self->ingest;
    if (status < 0) return status;
    if (self->fatal < 0) {
        if (err != NULL) *err = self->fatal_error;
        return self->fatal;
    }
    if (!atomic_load(&ingest->stop)) ql__pipeline_progress(self, QL_INGEST_SOURCE_DONE);
    return atomic_load(&ingest->cancelled) ? ql__fail(err, QL_E_CANCELLED, "stopped; everything stored so far stays, the next run goes on from there") : QL_OK;
}

ql_status ql__pipeline_run(ql__ingest *ingest, const ql__ingest_source *source, const ql__plan *plan, ql_error *err)
{
    ql__pipeline self = {.ingest = ingest, .source = source, .plan = plan, .fatal = QL_OK};
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
