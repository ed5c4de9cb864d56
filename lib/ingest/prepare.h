/* The first stage: one document from its source to chunks that wait for vectors. */
#ifndef QL_PREPARE_H
#define QL_PREPARE_H

#include "base/arena.h"
#include "ingest/plan.h"
#include <qloader/prof.h>

/* Raise it when what the model and the word index read of a chunk (title, path, text) is composed otherwise: documents are then made again. */
#define QL__PREPARE_VERSION 1u
#define QL__PIPELINE_WITHOUT " without grammar:"

typedef enum ql__prepared_kind {
    QL__PREPARED_CHUNKS,    /* to be embedded and stored */
    QL__PREPARED_UNCHANGED, /* same content under a new version */
    QL__PREPARED_SKIPPED,   /* holds no text: stored without chunks; message says why */
    QL__PREPARED_GONE,      /* vanished between listing and reading: left for the next listing */
    QL__PREPARED_FAILED     /* status and message */
} ql__prepared_kind;

/* A document on its way. Everything lives in its own arena. */
typedef struct ql__prepared {
    struct ql_arena memory;
    const ql__plan_entry *entry;
    ql__prepared_kind kind;
    ql_status status;
    ql_str message;
    ql_store_document document;   /* chunks point into `chunks` */
    ql_store_chunk *chunks;
    ql_str *embed_texts;          /* (chunk_count) what the model reads: context and text */
    float *vectors;               /* (chunk_count, dims), filled by the embed stage */
    size_t chunk_count, chunk_capacity;
    uint64_t tokens, content_bytes;
    size_t memory_bytes;          /* for queues */
    const char *missing_grammar;  /* language that was cut by lines since its grammar is not installed, or NULL */
    bool chunks_dropped;          /* max_chunks_per_document held it back */
    ql_task task;                 /* of a capture, see qloader/prof.h */
} ql__prepared;

/* NULL: out of memory. Every other failure is in the result. Thread-safe. */
ql__prepared *ql__prepare(ql__ingest *ingest, const ql__ingest_source *source, const ql__plan_entry *entry);
void ql__prepared_free(ql__prepared *self);

#endif
