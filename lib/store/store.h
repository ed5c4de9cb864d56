/*
 * The embedded store: documents, chunks, vectors and terms in one directory. See docs/internals/store.md for the file
 * layout and the promises. A ql__store is one connection: used by one thread at a time; open another for each thread or
 * process. One writer at a time across processes (QL_E_BUSY with the other's pid), any number of readers.
 */
#ifndef QL_STORE_INTERNAL_H
#define QL_STORE_INTERNAL_H

#include "dep/db.h"
#include "sys/file.h"
#include "sys/log.h"
#include <qloader/store.h>

typedef struct ql__store ql__store;

typedef struct ql__store_options {
    const char *dir;      /* <workspace>/data */
    const char *collection;
    bool write;           /* take the writer's lock; creates the store if there is none */
    uint32_t dims;        /* writer: width and model the index is made with; QL_E_MISMATCH when the store holds another. Reader: 0/NULL: accept what is there */
    const char *model;
    const ql__sys *sys;
    ql__log *log;         /* what was recovered on opening */
    bool any_analyzer;    /* words made by another analyzer are fine: for dumps and exports, never for searches */
    ql__db_fault_fn db_fault_fn; /* tests: asked before each call of SQLite to the kernel; NULL in programs */
    void *db_fault_user;
} ql__store_options;

ql_status ql__store_open(const ql__store_options *options, ql__store **out, ql_error *err);
/* QL_E_IO: the files were deleted, moved or replaced since they were opened; what this connection sees is not what others see. */
ql_status ql__store_check_place(const ql__store *self, ql_error *err);
void ql__store_free(ql__store *self); /* an open transaction is rolled back */

/* --- writing: begin, replace and remove, commit. After QL_OK from commit everything since begin is acknowledged: it survives kill -9 and power loss. */
ql_status ql__store_begin(ql__store *self, ql_error *err);
ql_status ql__store_replace(ql__store *self, const ql_store_document *document, ql_error *err); /* whole document, old chunks go */
/* Content unchanged; version, dates and the whole metadata of facts are new, its other fields are not looked at. Chunks and vectors stay. Without
   metadata the old one stays. */
ql_status ql__store_touch(ql__store *self, ql_str id, const ql_store_document *facts, ql_error *err);
ql_status ql__store_remove(ql__store *self, ql_str id, ql_error *err);
ql_status ql__store_commit(ql__store *self, ql_error *err);
void ql__store_rollback(ql__store *self);
/* Merges postings segments and rewrites vector segments where too much is dead; its own transactions. */
ql_status ql__store_compact(ql__store *self, ql_error *err);
ql_status ql__store_compact_now(ql__store *self, ql_error *err); /* however little is dead */
/* Drops everything in the collection (init --force). */
ql_status ql__store_clear(ql__store *self, ql_error *err);
/* Removes the files of an index that may be too damaged to open; QL_E_BUSY while another process writes. No index is fine. */
ql_status ql__store_destroy(const char *dir, const ql__sys *sys, ql_error *err);

/* --- state: what an ingest needs to know of what is stored. */
/* Every document of (project, source_type, source), ordered by url bytes. */
ql_status ql__store_known_each(ql__store *self, ql_str project, ql_str source_type, ql_str source,
                               ql_store_known_fn fn, void *user, ql_error *err);
/* Who holds a public id: writes the exact key "project\0type\0source\0url" into out, or leaves it empty. */
ql_status ql__store_id_owner(ql__store *self, ql_str id, ql_buf *out, ql_error *err);
/* When a source was last listed completely, and the counts of that run; for project status. */
ql_status ql__store_source_done(ql__store *self, ql_str project, ql_str source_type, ql_str source, int64_t now_ms, ql_str report_json, ql_error *err);
ql_status ql__store_source_forget(ql__store *self, ql_str project, ql_str source_type, ql_str source, ql_error *err); /* that it was; its documents stay */

typedef struct ql__store_stats {
    uint64_t documents, chunks, vector_bytes, database_bytes;
    uint32_t dims;
    char model[128];
} ql__store_stats;
ql_status ql__store_stats_read(ql__store *self, ql__store_stats *out, ql_error *err);
/* Every source that has documents or was listed to the end, by project, type and name. Non-zero from fn stops: QL_E_CALLBACK. */
ql_status ql__store_sources_each(ql__store *self, ql_store_source_fn fn, void *user, ql_error *err);

/*
 * The whole content in canonical order, one JSON object a line without newline: documents with their chunks (and vectors as hex of
 * fp32), then terms with postings. Equal indexes give equal lines, times of ingestion aside. Non-zero from fn stops: QL_E_CALLBACK.
 */
typedef int (*ql__store_dump_fn)(void *user, ql_str line);
ql_status ql__store_dump(ql__store *self, bool vectors, ql__store_dump_fn fn, void *user, ql_error *err);

/* Reads everything and compares it with its checksums. QL_E_CORRUPT names the file; a store for reading is enough. */
ql_status ql__store_verify(ql__store *self, ql_error *err);

/* --- reading: a snapshot is one consistent view; everything borrowed from it lives until it is freed. */
typedef struct ql__snapshot ql__snapshot;
typedef struct ql__score {
    uint64_t slot; /* a chunk within this snapshot */
    float score;
} ql__score;
typedef struct ql__mask ql__mask; /* which slots pass a filter; NULL passes all live ones */

ql_status ql__snapshot_open(ql__store *self, ql__snapshot **out, ql_error *err);
void ql__snapshot_free(ql__snapshot *self);
uint64_t ql__snapshot_chunk_count(const ql__snapshot *self);
uint32_t ql__snapshot_dims(const ql__snapshot *self);
ql_str ql__snapshot_model(const ql__snapshot *self);
ql_status ql__snapshot_mask(ql__snapshot *self, const ql_filter *filter, ql__mask **out, ql_error *err); /* *out NULL: no filter */
void ql__mask_free(ql__mask *self);
uint64_t ql__mask_count(const ql__mask *self);
bool ql__snapshot_passes(const ql__snapshot *self, const ql__mask *mask, uint64_t slot); /* live and in the mask (NULL: any) */

/*
 * Best k live slots by cosine with query (dims), best first; ties by public chunk id. Scores are exact. Up to 8,192 passing slots (or
 * large k) the set is exact too; beyond, candidates come from 1-bit codes with an estimated bound: recall@10 >= 0.99, the same
 * set for equal indexes.
 */
ql_status ql__snapshot_dense(ql__snapshot *self, const float *query, const ql__mask *mask, size_t k,
                             ql__score *out, size_t *out_count, ql_error *err);
/*
 * Best k live slots by BM25 (Lucene idf ln(1 + (N - df + 0.5) / (df + 0.5)), k1 1.2, b 0.75; N, df and average length over live
 * chunks of the collection). terms are analysed, distinct; weights (count) multiply each term's score.
 */
ql_status ql__snapshot_sparse(ql__snapshot *self, const ql_str *terms, const float *weights, size_t count, const ql__mask *mask,
                              size_t k, ql__score *out, size_t *out_count, ql_error *err);
/* Cosine, or BM25 for the same terms, of given slots: what fusion needs for candidates that only one side found. */
ql_status ql__snapshot_dense_of(ql__snapshot *self, const float *query, ql__score *slots, size_t count, ql_error *err);
ql_status ql__snapshot_sparse_of(ql__snapshot *self, const ql_str *terms, const float *weights, size_t term_count,
                                 ql__score *slots, size_t count, ql_error *err);
/* Live chunks that hold each of the terms, out (count); costs nothing beyond a sparse search for the same terms and weights. */
ql_status ql__snapshot_dfs(ql__snapshot *self, const ql_str *terms, const float *weights, size_t count, uint64_t *out, ql_error *err);
const float *ql__snapshot_vector(ql__snapshot *self, uint64_t slot); /* (dims) */

ql_status ql__snapshot_chunk(ql__snapshot *self, uint64_t slot, struct ql_arena *arena, ql_stored_chunk *out, ql_error *err);

#endif
