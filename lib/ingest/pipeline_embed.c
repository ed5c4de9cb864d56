/*
 * The middle stage: gathers documents until their texts fill the machine, embeds them in calls of some dozens, hands the documents on in their order.
 * Threads: the calling one. Cost: the vectors of a batch, and those of one call once more.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"
#include "ingest/pipeline_internal.h"
#include "prof/metrics.h"

#define EMBED_BATCH_TOKENS 8192 /* about 40 passages: enough to fill a few cores, little enough that work is stored soon */
#define EMBED_CALL_TEXTS 64     /* small enough that progress and stop stay lively on a slow machine */

static ql_status embed_slice(ql__pipeline *self, const ql_str *texts, float **rows, size_t count, float *scratch, ql_error *err)
{
    const ql__ingest *ingest = self->ingest;
    uint64_t begin_ns = ql__metric_begin();
    QL_TRY(ingest->embedder->embed_fn(ingest->embedder_self, QL_EMBED_PASSAGE, texts, count, scratch, err));
    ql__metric_end(QL__METRIC_REF_EMBEDDING, 0, begin_ns);
    for (size_t i = 0; i < count; i++) memcpy(rows[i], scratch + i * self->dims, self->dims * sizeof(float));
    return QL_OK;
}

/* Where a long document stands shows before it is done. */
static void count_embedded(ql__pipeline *self, const uint32_t *tokens, size_t count)
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
static void tell_shares(ql__pipeline *self, uint64_t spent_ns)
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
static ql_status embed_texts(ql__pipeline *self, size_t total, size_t *done, ql_error *err)
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
    while (status >= 0 && *done < total && ql__pipeline_running(self)) {
        size_t count = total - *done < slice ? total - *done : slice;
        status = embed_slice(self, texts + *done, rows + *done, count, scratch, err);
        if (status >= 0) count_embedded(self, tokens + *done, count);
        if (status >= 0) *done += count;
        if (!self->threaded) ql__write_commit_due(self); /* nobody else looks at the clock meanwhile */
        ql__pipeline_progress(self, QL_INGEST_WORKING);
    }
    ql__free(texts);
    ql__free(tokens);
    ql__free(rows);
    ql__free(scratch);
    return status;
}

static ql_status give_vectors(ql__pipeline *self, ql__prepared *document)
{
    if (document->vectors != NULL) return QL_OK; /* tried again */
    document->vectors = ql__realloc_array(NULL, document->chunk_count, self->dims * sizeof(float));
    if (document->vectors == NULL) return QL_E_NOMEM;
    for (size_t i = 0; i < document->chunk_count; i++) document->chunks[i].vector = document->vectors + i * self->dims;
    document->memory_bytes += document->chunk_count * self->dims * sizeof(float);
    return QL_OK;
}

static void fail_document(ql__pipeline *self, ql__prepared *document)
{
    ql_error err = {0};
    document->kind = QL__PREPARED_FAILED;
    document->status = ql__memory_plan_explain(&self->ingest->memory, QL_E_NOMEM, &err);
    ql__pipeline_tell(self, document, QL_INGEST_FAIL, ql_str_of(err.message));
    ql__write_hand(self, document);
}

/* Hands on what has all its vectors: everything, or what a stop in the middle had finished before the first document that lacks one. */
static void embed_hand_on(ql__pipeline *self, size_t done, bool short_of_memory)
{
    bool whole = true;
    for (size_t i = 0; i < self->batch_count; i++) {
        ql__prepared *document = self->batch[i];
        whole = whole && document->chunk_count <= done;
        if (whole || (short_of_memory && document->chunk_count == 0)) {
            done -= document->chunk_count;
            ql__write_hand(self, document);
        } else if (short_of_memory) {
            fail_document(self, document);
        } else {
            ql__pipeline_release(self, document);
        }
    }
    self->batch_count = 0;
    self->batch_tokens = 0;
}

/* *done: texts that have their vector, and are not embedded again. */
static ql_status embed_batch(ql__pipeline *self, size_t *done, ql_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < self->batch_count; i++) {
        ql__prepared *document = self->batch[i];
        total += document->chunk_count;
        if (document->chunk_count > 0 && give_vectors(self, document) < 0) return ql__fail_nomem(err);
    }
    if (total == 0) return QL_OK;
    uint64_t work = ql__pipeline_work_begin("embed", total, self->batch_count);
    ql_status status = embed_texts(self, total, done, err);
    ql__pipeline_work_end(work);
    return status;
}

/* While nothing is prepared, and with what was freed by it. */
static ql_status embed_batch_alone(ql__pipeline *self, size_t *done, ql_error *err)
{
    pthread_mutex_lock(&self->room);
    ql__alloc_give_back();
    ql_status status = embed_batch(self, done, err);
    pthread_mutex_unlock(&self->room);
    return status;
}

static bool meets_limit(const ql__pipeline *self, ql_status status)
{
    return self->ingest->memory.max != 0 && ql_status_kind(status) == QL_E_NOMEM;
}

void ql__embed_flush(ql__pipeline *self)
{
    size_t done = 0;
    ql_error err = {0};
    uint64_t begin_ns = ql_prof_running() ? ql__monotonic_ns(self->ingest->sys) : 0;
    ql_status status = embed_batch(self, &done, &err);
    if (meets_limit(self, status)) status = embed_batch_alone(self, &done, &err);
    if (begin_ns != 0) tell_shares(self, ql__monotonic_ns(self->ingest->sys) - begin_ns);
    if (status < 0 && !meets_limit(self, status)) ql__pipeline_fail(self, status, &err);
    embed_hand_on(self, done, meets_limit(self, status));
}

static void embed_accept(ql__pipeline *self, ql__prepared *document)
{
    /* What came before a long one is stored first: it must not wait for it, nor be lost with it when the run is stopped. */
    if (document->tokens >= EMBED_BATCH_TOKENS && self->batch_count > 0) ql__embed_flush(self);
    if (!ql__pipeline_running(self) || !ql__array_push(self->batch, self->batch_count, self->batch_capacity, document)) {
        if (ql__pipeline_running(self)) ql__pipeline_fail_nomem(self);
        ql__pipeline_release(self, document);
        return;
    }
    self->batch_tokens += document->tokens;
    ql_task_wait(&document->task, QL_TASK_WAIT_OTHER, "vectors of its batch");
    if (self->batch_tokens >= EMBED_BATCH_TOKENS) ql__embed_flush(self);
}

void ql__embed_hand(ql__pipeline *self, ql__prepared *document)
{
    pthread_mutex_lock(&self->lock);
    self->under_way++;
    pthread_mutex_unlock(&self->lock);
    if (!self->threaded) embed_accept(self, document);
    else ql__pipeline_push(self->to_embed, &ql__hop_embed, document);
}

/* What waits for more of its kind goes on as it is, through both stages. */
static void embed_hurry(ql__pipeline *self)
{
    ql__embed_flush(self);
    ql__pipeline_hurry(self->to_write);
}

void ql__embed_main(ql__pipeline *self)
{
    ql__place_wait_mark(ql__hop_embed.empty);
    for (;;) {
        void *item = NULL;
        bool timed_out = false;
        bool found = ql__pipeline_pop(self->to_embed, &ql__hop_embed, 100, &item, &timed_out);
        if (item != NULL) embed_accept(self, item);
        else if (found) embed_hurry(self);
        else if (!timed_out) break;
        ql__pipeline_progress(self, QL_INGEST_WORKING);
    }
    ql__embed_flush(self);
}
