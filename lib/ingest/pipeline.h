/*
 * The three stages behind a plan: prepare, embed, write. With a pool of one they run in turn in the calling thread; otherwise
 * prepare and write have a thread each, connected by queues counted in bytes, and embed stays with the caller. Documents keep
 * the order of the plan through every stage, so what is committed is always a prefix of it (failed documents aside).
 */
#ifndef QL_PIPELINE_H
#define QL_PIPELINE_H

#include "ingest/plan.h"

/* QL_OK: every entry was dealt with. QL_E_CANCELLED: a callback asked to stop. Others: the store or the embedder failed for good. */
ql_status ql__pipeline_run(ql__ingest *ingest, const ql__ingest_source *source, const ql__plan *plan, ql_error *err);

#endif
