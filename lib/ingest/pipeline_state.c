/* See pipeline_internal.h: failing, counting, telling the application, and the queues between the stages. Threads: each stage's. */
#include <assert.h>
#include <stdio.h>

#include "base/status.h"
#include "ingest/pipeline_internal.h"
#include "prof/live_tasks.h"
#include "prof/metrics.h"

#define PROGRESS_NS ((uint64_t)100 * 1000 * 1000)

bool ql__pipeline_running(const ql__pipeline *self)
{
    return !atomic_load(&self->ingest->stop);
}

bool ql__pipeline_failed(ql__pipeline *self)
{
    pthread_mutex_lock(&self->lock);
    bool failed = self->fatal < 0;
    pthread_mutex_unlock(&self->lock);
    return failed;
}

void ql__pipeline_fail(ql__pipeline *self, ql_status status, const ql_error *err)
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

void ql__pipeline_fail_nomem(ql__pipeline *self)
{
    ql_error err = {0};
    ql__pipeline_fail(self, ql__fail_nomem(&err), &err);
}

/* --- telling the application -------------------------------------------------------------------------------------------------- */

void ql__pipeline_progress(ql__pipeline *self, int phase)
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

void ql__pipeline_count_done(ql__pipeline *self, const ql__prepared *document)
{
    pthread_mutex_lock(&self->lock);
    self->totals.done++;
    self->totals.bytes += document->content_bytes;
    pthread_mutex_unlock(&self->lock);
}

void ql__pipeline_release(ql__pipeline *self, ql__prepared *document)
{
    ql__prepared_free(document);
    pthread_mutex_lock(&self->lock);
    if (--self->under_way == 0) pthread_cond_broadcast(&self->drained);
    pthread_mutex_unlock(&self->lock);
}

void ql__pipeline_tell(ql__pipeline *self, const ql__prepared *document, ql_ingest_action action, ql_str message)
{
    (void)ql__ingest_event(self->ingest, self->source, action, document->status, document->entry->item.url, message);
}

/* --- queues -------------------------------------------------------------------------------------------------------------------- */

const ql__hop ql__hop_embed = {QL__QUEUE_EMBED, QL__GAUGE_EMBED_ITEMS, QL__GAUGE_EMBED_BYTES, "queue embed", "queue embed full", "queue embed empty"};
const ql__hop ql__hop_write = {QL__QUEUE_WRITE, QL__GAUGE_WRITE_ITEMS, QL__GAUGE_WRITE_BYTES, "queue write", "queue write full", "queue write empty"};

/* What waits before a stage, for the metrics: count +1 as it is put in, -1 as it is taken out. */
static void count_waiting(size_t queue, const ql__prepared *document, int count)
{
    ql__metric_change(QL__METRIC_QUEUE_BYTES, queue, count * (double)document->memory_bytes);
    ql__metric_change(queue == QL__QUEUE_EMBED ? QL__METRIC_REF_CHUNK_QUEUE : QL__METRIC_REF_EMBED_QUEUE, 0, count * (double)document->chunk_count);
}

void ql__pipeline_push(ql__queue *to, const ql__hop *hop, ql__prepared *document)
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

void ql__pipeline_hurry(ql__queue *to)
{
    bool open = ql__queue_push(to, NULL, 0);
    assert(open);
    (void)open;
}

bool ql__pipeline_pop(ql__queue *from, const ql__hop *hop, uint32_t timeout_ms, void **item, bool *timed_out)
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

uint64_t ql__pipeline_work_begin(const char *stage, size_t texts, size_t documents)
{
    char name[80];
    if (!ql__live_tasks_on()) return 0;
    int length = texts > 0 ? snprintf(name, sizeof name, "%zu text%s of ", texts, texts == 1 ? "" : "s") : 0;
    (void)snprintf(name + length, sizeof name - (size_t)length, "%zu document%s", documents, documents == 1 ? "" : "s");
    return ql__live_work_begin(stage, ql_str_of(name), ql__span_now());
}

void ql__pipeline_work_end(uint64_t work)
{
    if (work != 0) ql__live_work_end(work, ql__span_now());
}
