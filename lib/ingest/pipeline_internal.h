/*
 * The pipeline of one source, shared by its files: pipeline.c prepares and puts the stages together, pipeline_embed.c and pipeline_write.c are the other two stages,
 * pipeline_state.c is what all of them do: fail, count, tell, hand over. How they work together is told in pipeline.c.
 */
#ifndef QL_PIPELINE_INTERNAL_H
#define QL_PIPELINE_INTERNAL_H

#include "ingest/pipeline.h"
#include "ingest/prepare.h"
#include "prof/counter_table.h"
#include "prof/prof_place.h"
#include "sys/queue.h"

typedef struct ql__pipeline {
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
} ql__pipeline;

/* --- what all stages do (pipeline_state.c) --- */

bool ql__pipeline_running(const ql__pipeline *self); /* nothing asks it to stop */
bool ql__pipeline_failed(ql__pipeline *self);
/* The first failure is kept, and stops the producer. */
void ql__pipeline_fail(ql__pipeline *self, ql_status status, const ql_error *err);
void ql__pipeline_fail_nomem(ql__pipeline *self);
void ql__pipeline_progress(ql__pipeline *self, int phase);
void ql__pipeline_count_done(ql__pipeline *self, const ql__prepared *document);
void ql__pipeline_release(ql__pipeline *self, ql__prepared *document); /* frees it; it is under way no more */
void ql__pipeline_tell(ql__pipeline *self, const ql__prepared *document, ql_ingest_action action, ql_str message);

/* A queue between two stages as a capture shows it. */
typedef struct ql__hop {
    size_t queue; /* of the metrics */
    ql__gauge_id items, bytes;
    const char *task_waits, *full, *empty;
} ql__hop;

extern const ql__hop ql__hop_embed, ql__hop_write;

void ql__pipeline_push(ql__queue *to, const ql__hop *hop, ql__prepared *document);
/* An item that is no document: all before it is to be done now. */
void ql__pipeline_hurry(ql__queue *to);
bool ql__pipeline_pop(ql__queue *from, const ql__hop *hop, uint32_t timeout_ms, void **item, bool *timed_out);
/* What is done for several documents at once belongs to no task of theirs: whoever looks sees it as one of its own. 0: nobody looks. */
uint64_t ql__pipeline_work_begin(const char *stage, size_t texts, size_t documents);
void ql__pipeline_work_end(uint64_t work);

/* --- embed (pipeline_embed.c), in the calling thread --- */

void ql__embed_hand(ql__pipeline *self, ql__prepared *document); /* from prepare */
void ql__embed_flush(ql__pipeline *self);                        /* embeds what has been gathered */
void ql__embed_main(ql__pipeline *self);                         /* until the queue is closed */

/* --- write (pipeline_write.c), in a thread of its own where there are several --- */

void ql__write_hand(ql__pipeline *self, ql__prepared *document); /* from embed */
void ql__write_commit(ql__pipeline *self);
void ql__write_commit_due(ql__pipeline *self); /* if enough is pending, or for long enough */
void *ql__write_main(void *self);              /* until the queue is closed */

#endif
