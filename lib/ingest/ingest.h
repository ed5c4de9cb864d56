/*
 * Bringing one source's part of the index up to date. ql__ingest_source_run lists, plans, and drives three stages:
 * prepare (fetch, convert, chunk), embed, write. See docs/internals/ingest.md for the picture and the promises.
 */
#ifndef QL_INGEST_INTERNAL_H
#define QL_INGEST_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "ingest/memory_plan.h"
#include "model/extension.h"
#include "prof/span.h"
#include "store/backend.h"
#include "sys/pool.h"
#include <qloader/chunk.h>
#include <qloader/embed.h>
#include <qloader/ingest.h>

/* What every source of one ingest shares. Filled by the caller; outlives the run. */
typedef struct ql__ingest {
    const ql__sys *sys;
    ql__log *log;
    ql__pool *pool;
    ql__prof *prof;
    const ql__backend *store; /* open for writing; NULL in a dry run on an index that does not exist */
    const ql_embedder_ops *embedder;
    void *embedder_self;
    const ql__extensions *extensions; /* converters and chunkers of the application; NULL: none */
    ql_chunk_options chunk;
    ql_str pipeline; /* fingerprint of everything that shapes chunks and vectors */
    const ql_ingest_options *options;
    ql__memory_plan memory;
    ql_ingest_report *report;

    pthread_mutex_t event_lock; /* serialises event_fn and the report's counters it goes with */
    atomic_bool stop;           /* a callback asked to end, or a stage failed for good */
    atomic_bool cancelled;
    char told_grammars[256];    /* languages whose missing grammar was warned of, blank-separated; guarded by event_lock */
    char first_failure[320];    /* what failed first, for the status of the whole; guarded by event_lock */
    uint64_t asked_ns;          /* when the application was last asked during a listing; the thread that lists */
} ql__ingest;

/* One source under one name. */
typedef struct ql__ingest_source {
    ql_str project, source_type, source;
    const ql_source_ops *ops;
    void *self;
    bool foreign; /* the application's: what it gives is checked */
} ql__ingest_source;

ql_status ql__ingest_init(ql__ingest *self); /* lock and flags; the rest is zeroed */
void ql__ingest_dispose(ql__ingest *self);

/*
 * The status of a source's own call as the run sees it. A damaged repository or one that another process is fetching is not the index's
 * damage nor its lock: those kinds end a run, a source's failure must not.
 */
ql_status ql__ingest_source_status(ql_status status, ql_error *err);

/*
 * QL_OK: done, perhaps with failed documents (report and events tell). QL_E_CANCELLED: a callback said stop; what was committed
 * stays. Errors of the listing leave the index untouched; errors of the store end the whole ingest.
 */
ql_status ql__ingest_source_run(ql__ingest *self, const ql__ingest_source *source, ql_error *err);

/* Deletes everything that is stored of a source, and that it was ever listed; in a dry run only tells. ops and self are not looked at. */
ql_status ql__ingest_source_remove(ql__ingest *self, const ql__ingest_source *source, ql_error *err);

/* Passes a status of the store on; a failure of it raises the stop flag, so that it ends the run and is not taken for the source's. */
ql_status ql__ingest_store_status(ql__ingest *self, ql_status status);

/* Tells the application; returns true while the ingest may go on. Thread-safe. */
bool ql__ingest_event(ql__ingest *self, const ql__ingest_source *source, ql_ingest_action action, ql_status status, ql_str url, ql_str message);

#endif
