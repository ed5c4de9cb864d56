/*
 * Every built-in metric: identifier, name (without _total), type, unit, label, how the label's values are listed, buckets, help.
 * docs/metrics.md is written from here (ql_metrics_describe_json); tests hold the dashboard and the alert rules in docs/monitoring to it.
 *
 * The names that begin with qdrant_ are those of the reference, with what it counts under them (see docs/metrics.md where ours says it better).
 */
#ifndef QL_METRIC_TABLE_H
#define QL_METRIC_TABLE_H

#include <qloader/base.h>

/* --- values of labels ---------------------------------------------------------------------------------------------------------- */

#define QL__METRIC_NO_VALUES(X)
#define QL__METRIC_DOCUMENT_RESULTS(X) X(ADDED, "added") X(CHANGED, "changed") X(DELETED, "deleted") X(UNCHANGED, "unchanged") X(SKIPPED, "skipped") X(FAILED, "failed")
#define QL__METRIC_RUN_RESULTS(X) X(OK, "ok") X(PARTIAL, "partial") X(CANCELLED, "cancelled") X(ERROR, "error")
#define QL__METRIC_INGEST_STAGES(X) \
    X(LIST, "list") X(STATE, "state") X(FETCH, "fetch") X(CONVERT, "convert") X(CHUNK, "chunk") X(TOKENIZE, "tokenize") X(EMBED, "embed") X(STORE, "store")
#define QL__METRIC_SEARCH_STAGES(X) \
    X(QUERY_EMBED, "query_embed") X(DENSE, "dense") X(SPARSE, "sparse") X(FUSE, "fuse") X(RERANK, "rerank") X(FORMAT, "format")
#define QL__METRIC_QUEUES(X) X(EMBED, "embed") X(WRITE, "write")
#define QL__METRIC_HTTP_RESULTS(X) X(2XX, "2xx") X(3XX, "3xx") X(4XX, "4xx") X(429, "429") X(5XX, "5xx") X(NONE, "none")
#define QL__METRIC_VERSIONS(X) X(THIS, QLOADER_VERSION)

/* The kinds of ql_status, in order of their numbers. */
#define QL__METRIC_ERRORS(X) \
    X(INVALID, "invalid") X(NOMEM, "nomem") X(IO, "io") X(NOTFOUND, "notfound") X(EXISTS, "exists") X(CORRUPT, "corrupt") X(CONFIG, "config") \
    X(UNSUPPORTED, "unsupported") X(BUSY, "busy") X(CANCELLED, "cancelled") X(CALLBACK, "callback") X(LIMIT, "limit") X(NET, "net") X(AUTH, "auth") \
    X(FORMAT, "format") X(MISMATCH, "mismatch") X(NOSPACE, "nospace") X(TIMEOUT, "timeout") X(PARTIAL, "partial") X(INTERNAL, "internal")

#define QL__METRIC_LABELS(X) \
    X(NO_VALUES) X(DOCUMENT_RESULTS) X(RUN_RESULTS) X(INGEST_STAGES) X(SEARCH_STAGES) X(QUEUES) X(HTTP_RESULTS) X(VERSIONS) X(ERRORS)

/* --- metrics ------------------------------------------------------------------------------------------------------------------- */

/* id, name, type, unit, label, values, bounds, help */
#define QL__METRICS(X) \
    X(REF_INGESTED, "qdrant_ingested_documents", COUNTER, NULL, NULL, NO_VALUES, NONE, "chunks stored (the reference counts points under this name, and so do we; qloader_documents_total counts documents)") \
    X(REF_CHUNKING, "qdrant_chunking_duration_seconds", HISTOGRAM, "seconds", NULL, NO_VALUES, REFERENCE, "time to chunk one document") \
    X(REF_EMBEDDING, "qdrant_embedding_duration_seconds", HISTOGRAM, "seconds", NULL, NO_VALUES, REFERENCE, "time to embed one batch of chunks") \
    X(REF_UPSERT, "qdrant_upsert_duration_seconds", HISTOGRAM, "seconds", NULL, NO_VALUES, REFERENCE, "time to write one batch of documents, its commit included") \
    X(REF_CHUNK_QUEUE, "qdrant_chunk_queue_size", GAUGE, NULL, NULL, NO_VALUES, NONE, "chunks that wait to be embedded") \
    X(REF_EMBED_QUEUE, "qdrant_embed_queue_size", GAUGE, NULL, NULL, NO_VALUES, NONE, "embedded chunks that wait to be written") \
    X(REF_CPU, "qdrant_cpu_usage_percent", GAUGE, "percent", NULL, NO_VALUES, NONE, "use of the machine's processors since the last reading") \
    X(REF_MEMORY, "qdrant_memory_usage_percent", GAUGE, "percent", NULL, NO_VALUES, NONE, "use of the machine's memory") \
    X(RUNS, "qloader_ingest_runs", COUNTER, NULL, "result", RUN_RESULTS, NONE, "ingests that ended, by result") \
    X(ACTIVE, "qloader_ingest_active", GAUGE, NULL, NULL, NO_VALUES, NONE, "ingests under way") \
    X(LAST_SUCCESS, "qloader_ingest_last_success_timestamp_seconds", GAUGE, "seconds", NULL, NO_VALUES, NONE, "when an ingest last ended well, Unix time; 0: not in this process") \
    X(DOCUMENTS, "qloader_documents", COUNTER, NULL, "result", DOCUMENT_RESULTS, NONE, "documents of ingests, by what came of them") \
    X(SOURCES_FAILED, "qloader_sources_failed", COUNTER, NULL, NULL, NO_VALUES, NONE, "sources that could not be listed or read to their end") \
    X(CHUNKS, "qloader_chunks", COUNTER, NULL, NULL, NO_VALUES, NONE, "chunks stored") \
    X(TOKENS, "qloader_embedded_tokens", COUNTER, NULL, NULL, NO_VALUES, NONE, "model tokens that went through the local encoder, of passages and questions") \
    X(READ_BYTES, "qloader_read_bytes", COUNTER, "bytes", NULL, NO_VALUES, NONE, "bytes read from sources") \
    X(COMMITS, "qloader_commits", COUNTER, NULL, NULL, NO_VALUES, NONE, "group commits of the index") \
    X(STAGE, "qloader_stage_duration_seconds", HISTOGRAM, "seconds", "stage", INGEST_STAGES, WORK, "time of one step of a stage: a listing, a document, a batch, a commit; embed and tokenize also of questions") \
    X(QUEUE_BYTES, "qloader_queue_bytes", GAUGE, "bytes", "queue", QUEUES, NONE, "memory of the documents that wait before a stage") \
    X(SEARCH, "qloader_search_duration_seconds", HISTOGRAM, "seconds", NULL, NO_VALUES, SEARCH, "time of one search, everything included") \
    X(SEARCH_STAGE, "qloader_search_stage_duration_seconds", HISTOGRAM, "seconds", "stage", SEARCH_STAGES, SEARCH, "time of one stage of a search") \
    X(SEARCH_HITS, "qloader_search_hits", HISTOGRAM, NULL, NULL, NO_VALUES, HITS, "hits of one search") \
    X(HTTP, "qloader_http_requests", COUNTER, NULL, "code", HTTP_RESULTS, NONE, "HTTP requests that were sent, by class of the answer; none: no answer") \
    X(HTTP_RETRIES, "qloader_http_retries", COUNTER, NULL, NULL, NO_VALUES, NONE, "HTTP requests that were sent again") \
    X(HTTP_TIME, "qloader_http_request_duration_seconds", HISTOGRAM, "seconds", NULL, NO_VALUES, WORK, "time of one HTTP request that was sent, its body included") \
    X(ERRORS, "qloader_errors", COUNTER, NULL, "class", ERRORS, NONE, "failures of documents, sources, ingests and searches, by class; see docs/errors.md") \
    X(BUILD, "qloader_build_info", GAUGE, NULL, "version", VERSIONS, NONE, "1; the label says which version this is") \
    X(CPU_SECONDS, "process_cpu_seconds", COUNTER, "seconds", NULL, NO_VALUES, NONE, "processor time of this process, user and system") \
    X(RESIDENT, "process_resident_memory_bytes", GAUGE, "bytes", NULL, NO_VALUES, NONE, "memory of this process that is in RAM") \
    X(VIRTUAL, "process_virtual_memory_bytes", GAUGE, "bytes", NULL, NO_VALUES, NONE, "address space of this process") \
    X(START, "process_start_time_seconds", GAUGE, "seconds", NULL, NO_VALUES, NONE, "when this process began, Unix time") \
    X(THREADS, "qloader_process_threads", GAUGE, NULL, NULL, NO_VALUES, NONE, "threads of this process") \
    X(DISK_READ, "qloader_process_disk_read_bytes", COUNTER, "bytes", NULL, NO_VALUES, NONE, "bytes this process had read from disks, not from the page cache") \
    X(DISK_WRITTEN, "qloader_process_disk_written_bytes", COUNTER, "bytes", NULL, NO_VALUES, NONE, "bytes this process caused to be written to disks")

typedef enum ql__metric_id {
#define QL__METRIC_ENUM(id, name, type, unit, label, values, bounds, help) QL__METRIC_##id,
    QL__METRICS(QL__METRIC_ENUM)
#undef QL__METRIC_ENUM
    QL__METRIC_COUNT
} ql__metric_id;

/* QL__RESULT_ADDED and so on: index of a label's value. */
#define QL__VALUE_NAME(name, text) QL__RESULT_##name,
enum { QL__METRIC_DOCUMENT_RESULTS(QL__VALUE_NAME) };
#undef QL__VALUE_NAME
#define QL__VALUE_NAME(name, text) QL__RUN_##name,
enum { QL__METRIC_RUN_RESULTS(QL__VALUE_NAME) };
#undef QL__VALUE_NAME
#define QL__VALUE_NAME(name, text) QL__STAGE_##name,
enum { QL__METRIC_INGEST_STAGES(QL__VALUE_NAME) };
#undef QL__VALUE_NAME
#define QL__VALUE_NAME(name, text) QL__SEARCH_STAGE_##name,
enum { QL__METRIC_SEARCH_STAGES(QL__VALUE_NAME) };
#undef QL__VALUE_NAME
#define QL__VALUE_NAME(name, text) QL__QUEUE_##name,
enum { QL__METRIC_QUEUES(QL__VALUE_NAME) };
#undef QL__VALUE_NAME
#define QL__VALUE_NAME(name, text) QL__HTTP_##name,
enum { QL__METRIC_HTTP_RESULTS(QL__VALUE_NAME) };
#undef QL__VALUE_NAME
#define QL__VALUE_NAME(name, text) QL__ERROR_##name,
enum { QL__METRIC_ERRORS(QL__VALUE_NAME) };
#undef QL__VALUE_NAME

typedef struct ql__metric_fact {
    const char *name, *unit, *label, *help; /* unit, label: NULL for none */
    int type;                               /* ql_metric_type */
    const char *const *values;              /* of the label */
    size_t value_count;                     /* 0 without a label */
    const double *bounds;
    size_t bound_count;
} ql__metric_fact;

/* NULL beyond the last. */
const ql__metric_fact *ql__metric_fact_of(size_t id);

#endif
