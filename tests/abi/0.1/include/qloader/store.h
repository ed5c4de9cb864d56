/*
 * qloader/store.h - where the index lives.
 *
 * A store keeps documents with their chunks, vectors and terms. A document is replaced or removed as a whole, in one
 * atomic step; what a writer has acknowledged survives a crash. Many readers, one writer, across processes. The built-in store is a
 * folder of files; an application puts another in its place with ql_store_register(), and ingest and search go through the same table.
 *
 *     #include <qloader/search.h>
 *     #include <stdio.h>
 *     int main(void) {
 *         ql_search_options options;
 *         ql_search_options_init(&options); // its filter passes everything
 *         options.filter.path_prefix = QL_STR("docs/");
 *         options.filter.since_ms = 1767225600000; // 2026-01-01
 *         printf("%d\n", options.filter.until_ms == QL_TIME_UNKNOWN);
 *         return 0;
 *     }
 */
#ifndef QLOADER_STORE_H
#define QLOADER_STORE_H

#include <qloader/convert.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A chunk on its way into the store. Views and arrays are borrowed for the call. */
typedef struct ql_store_chunk {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str id;            /**< public id, a UUID in text; the chunks of a document are in order, chunk.index is the place */
    ql_chunk chunk;
    ql_str title;         /**< chunk title shown to readers */
    const float *vector;  /**< (dims) unit length */
    ql_str terms_text;    /**< what the sparse index is to analyse (title, path and text) */
    uint64_t spare[4];    /**< zero; the size is frozen */
} ql_store_chunk;

/** A document on its way into the store. */
typedef struct ql_store_document {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str project, source_type, source, url; /**< the exact identity */
    ql_str id;                /**< public id */
    ql_str title, content_type;
    ql_str version;           /**< as listed */
    ql_str content_hash;      /**< hex */
    ql_str pipeline;          /**< fingerprint of everything that shapes chunks and vectors */
    ql_str metadata_json;     /**< a JSON object */
    ql_str path;              /**< within the source, of file sources ("docs/a.md"); else empty */
    int64_t created_at_ms, updated_at_ms;
    const ql_store_chunk *chunks;
    size_t chunk_count;
} ql_store_document;

/** What to keep of a search; empty views and QL_TIME_UNKNOWN do not filter. All conditions must hold. */
typedef struct ql_filter {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str project, source_type, source;
    ql_str path_prefix;      /**< of path, or of url */
    int64_t since_ms, until_ms; /**< on updated_at, both inclusive */
} ql_filter;

/** What a store is opened with. Texts are borrowed for the call and end with a NUL; the rest lives until the connection is closed. */
typedef struct ql_store_settings {
    uint32_t struct_size;
    uint32_t write;       /**< 1: for an ingest, what is missing is made; 0: for reading */
    ql_str collection;    /**< name of the collection; each is an index of its own */
    ql_str data_dir;      /**< the workspace's folder for data; perhaps not there yet */
    uint32_t dims;        /**< width of the vectors that will come; 0: whatever is there */
    uint32_t reserved;
    ql_str model;         /**< what made them, at most 127 bytes; empty: whatever is there */
    const struct ql_store_words *words;
    int (*cancelled_fn)(void *user); /**< may be asked by a call that waits for long, from its thread; non-zero: answer QL_E_CANCELLED. NULL: nobody cancels */
    void *cancelled_user;
} ql_store_settings;

/** The words of a text as queries have them: lower-cased, split, stemmed, stop words left out. Used by one thread at a time. */
typedef struct ql_store_words {
    uint32_t struct_size;
    uint32_t reserved;
    void *user;
    /** Calls fn with each word in order, repeated ones too; `word` is borrowed for the call. Non-zero from fn stops: QL_E_CALLBACK. */
    ql_status (*each_fn)(void *user, ql_str text, int (*fn)(void *fn_user, ql_str word), void *fn_user, ql_error *err);
} ql_store_words;

/** The whole of what is stored in a collection. A store writes no more of it than struct_size says. */
typedef struct ql_store_facts {
    uint32_t struct_size;
    uint32_t dims;             /**< as first told when something was written; 0: nothing yet */
    uint64_t documents, chunks;
    uint64_t vector_bytes, database_bytes; /**< on disk or elsewhere; 0: not known */
    char model[128];           /**< as dims; a NUL ends it */
} ql_store_facts;

/** What an ingest asks of a stored document, to see what has changed. */
typedef struct ql_store_known {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str id, url, version, content_hash, pipeline; /**< as they were written */
} ql_store_known;
/** Non-zero stops: call it no more and answer QL_E_CALLBACK. Views are borrowed for the call. */
typedef int (*ql_store_known_fn)(void *user, const ql_store_known *known);
/** Whose an id is: what was written with it. As ql_store_known_fn. */
typedef int (*ql_store_owner_fn)(void *user, ql_str id, ql_str project, ql_str source_type, ql_str source, ql_str url);

/** A source, with what is stored of it. */
typedef struct ql_store_source {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str project, source_type, source;
    uint64_t documents, chunks;
    int64_t last_complete_ms; /**< when it was last listed to the end, or QL_TIME_UNKNOWN */
    ql_str report_json;       /**< what that run did, an object, or empty */
} ql_store_source;
/** As ql_store_known_fn. */
typedef int (*ql_store_source_fn)(void *user, const ql_store_source *source);

/** A state of a collection, in which a search finds what it shows. Opened and closed by one thread. A store writes no more of it than struct_size says. */
typedef struct ql_store_view {
    uint32_t struct_size;
    uint32_t dims;    /**< 0: nothing stored */
    void *self;       /**< what the functions on views get */
    uint64_t chunks;
    ql_str model;     /**< borrowed from the view */
} ql_store_view;

enum {
    QL_STORE_DENSE = 1, /**< candidates by the vector */
    QL_STORE_SPARSE = 2 /**< candidates by the words */
};

/** What a search looks for. */
typedef struct ql_store_query {
    uint32_t struct_size;
    uint32_t sides;         /**< bits of QL_STORE_: whose best are wanted */
    uint32_t limit;         /**< that many of each side; 1..4000 */
    uint32_t reserved;
    const float *vector;    /**< (dims), unit length; NULL: score_dense of a match is 0 */
    const ql_str *words;    /**< (word_count), distinct */
    const float *weights;   /**< (word_count), by which the score of each word is multiplied */
    size_t word_count;      /**< 0: score_sparse of a match is 0 */
    const ql_filter *filter; /**< of what may be found; NULL: everything */
} ql_store_query;

/** A chunk that was found. */
typedef struct ql_store_match {
    uint64_t slot;          /**< which, in this view */
    float score_dense;      /**< cosine of the vectors, whichever side found the chunk */
    float score_sparse;     /**< BM25 of the words, whichever side found the chunk: k1 1.2, b 0.75, idf ln(1 + (N - df + 0.5) / (df + 0.5)), N and df over
                                 the whole view, the average length too, or as it was when the chunk was written (Robertson and Zaragoza 2009; idf as Lucene
                                 has it) */
    uint32_t rank_dense, rank_sparse; /**< place among the best of each side, from 1, ties by id; 0: not among them, or of the words none is there */
    uint64_t spare;         /**< zero; the size is frozen */
} ql_store_match;

/** What was found. The arrays are the library's. */
typedef struct ql_store_found {
    uint32_t struct_size;
    uint32_t reserved;
    ql_store_match *matches; /**< (2 * limit); each chunk once, in any order */
    size_t match_count;      /**< to be written */
    uint64_t *dfs;           /**< (word_count), zeroed: chunks of the whole view that hold each word; wanted where sides has QL_STORE_SPARSE */
    uint64_t passing;        /**< to be written: chunks that pass the filter, at least match_count */
} ql_store_found;

/** A chunk as a hit shows it. Its size is frozen. */
typedef struct ql_stored_chunk {
    uint32_t struct_size;
    uint32_t chunk_index, chunk_count;
    uint32_t reserved;
    ql_str id, title, text, section_path, metadata_json; /**< of the chunk */
    ql_str document_id, project, source_type, source, url, document_title, content_type, document_metadata_json; /**< of its document */
    uint64_t source_begin, source_end;
    int64_t created_at_ms, updated_at_ms, ingested_at_ms; /**< the last: when it was written; each may be QL_TIME_UNKNOWN */
    uint64_t spare[4];
} ql_stored_chunk;

/**
 * A store. A connection that open_fn made is used by one call at a time, not always from the same thread, and kept for later ones; several are
 * open at once, one of them for writing. On it the lists (known_fn, owners_fn, sources_fn) end before begin_fn, their callbacks call nothing of the
 * store, and a connection has at most one view, none while it writes. Functions answer QL_OK or a negative status with a message in err, which is
 * never NULL; what they are to write is zeroed, with struct_size set. All members are required where nothing else is said.
 */
typedef struct ql_store_ops {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /**< 1 to 64 of a-z, 0-9, '-', '_', '.'; what ql_workspace_options.store asks for */

    /** QL_E_NOTFOUND: opened for reading, and nothing was ever written. QL_E_BUSY: opened for writing, and another connection writes. */
    ql_status (*open_fn)(void *user, const ql_store_settings *settings, void **store, ql_error *err);
    void (*close_fn)(void *store); /**< what was begun and not committed is dropped */
    /** Optional: a failure means that this connection sees no more what a new one would see: it is closed and another opened. */
    ql_status (*check_fn)(void *store, ql_error *err);

    /* Writing. After commit_fn's QL_OK what was begun is found by views opened later and survives a crash; until then each document is as it was or as it should be, never half. */
    ql_status (*begin_fn)(void *store, ql_error *err);
    /** The document and its chunks take the place of what has its id, which is of the same project, source type, source and url. Pointers are borrowed for the call. A document may have no chunks. */
    ql_status (*replace_fn)(void *store, const ql_store_document *document, ql_error *err);
    /** version, dates and (where metadata_json is not empty) metadata_json and path of facts take the place of the document's; the rest and its chunks stay. QL_E_NOTFOUND, here or from commit_fn. */
    ql_status (*touch_fn)(void *store, ql_str id, const ql_store_document *facts, ql_error *err);
    ql_status (*remove_fn)(void *store, ql_str id, ql_error *err); /**< as touch_fn */
    ql_status (*commit_fn)(void *store, ql_error *err); /**< whatever it answers, nothing is begun any more; what the store then has is asked again by known_fn */
    void (*rollback_fn)(void *store);
    ql_status (*clear_fn)(void *store, ql_error *err); /**< removes everything, model and dims too; outside of begin and commit */
    ql_status (*compact_fn)(void *store, ql_error *err); /**< optional: after an ingest; frees what replaced documents left */

    /* What is stored. */
    ql_status (*facts_fn)(void *store, ql_store_facts *out, ql_error *err);
    /** The documents of a source, ordered by the bytes of their url. */
    ql_status (*known_fn)(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *fn_user, ql_error *err);
    /** Calls fn for each of the ids that a document has, in any order. */
    ql_status (*owners_fn)(void *store, const ql_str *ids, size_t count, ql_store_owner_fn fn, void *fn_user, ql_error *err);
    /** Keeps last_complete_ms and report_json of a source; its counts are not looked at. Takes effect at once, outside of begin and commit. */
    ql_status (*source_done_fn)(void *store, const ql_store_source *source, ql_error *err);
    ql_status (*source_forget_fn)(void *store, ql_str project, ql_str source_type, ql_str source, ql_error *err); /**< the reverse */
    /** Every source of which there are documents or that was listed to the end, each once, in any order. */
    ql_status (*sources_fn)(void *store, ql_store_source_fn fn, void *fn_user, ql_error *err);
    ql_status (*verify_fn)(void *store, ql_error *err); /**< optional: reads everything and compares it with its checksums; QL_E_CORRUPT */

    /* Searching. A view is closed before its connection. */
    ql_status (*view_open_fn)(void *store, ql_store_view *out, ql_error *err);
    void (*view_close_fn)(void *view);
    ql_status (*find_fn)(void *view, const ql_store_query *query, ql_store_found *out, ql_error *err);
    /** Optional: how many chunks pass, asked before a question is embedded for nothing; find_fn says it too. */
    ql_status (*passing_fn)(void *view, const ql_filter *filter, uint64_t *out, ql_error *err);
    /**
     * Chunks that find_fn named, out (count) in the order of slots. Texts are allocated from arena or live as long as the view; the library copies them. One that is not there
     * any more is left as it is, without id, and is no hit.
     */
    ql_status (*chunks_fn)(void *view, const uint64_t *slots, size_t count, ql_arena *arena, ql_stored_chunk *out, ql_error *err);
} ql_store_ops;

/**
 * Adds a store, which a workspace uses when ql_workspace_options.store names it, whatever its configuration says. `user` is handed to open_fn
 * and not closed. Other parameters, errors and threads as ql_converter_register(); "embedded" and "qdrant" are taken, and "embedded" asks for the
 * built-in one. That the model of an index and the one at hand are the same is checked by the library. Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_store_register(ql_runtime *runtime, const ql_store_ops *ops, void *user, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
