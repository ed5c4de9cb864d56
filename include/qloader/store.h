/*
 * qloader/store.h - where the index lives.
 *
 * A store keeps documents with their chunks, vectors and terms. A document is replaced or removed as a whole, in one
 * atomic step; what a writer has acknowledged survives a crash. Many readers, one writer, across processes.
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

#include <qloader/document.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A chunk on its way into the store. Views and arrays are borrowed for the call. */
typedef struct ql_store_chunk {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str id;            /**< public id, a UUID in text */
    ql_chunk chunk;
    ql_str title;         /**< chunk title shown to readers */
    const float *vector;  /**< (dims) unit length */
    ql_str terms_text;    /**< what the sparse index is to analyse (title, path and text) */
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
    ql_str metadata_json;
    int64_t created_at_ms, updated_at_ms;
    const ql_store_chunk *chunks;
    size_t chunk_count;
} ql_store_document;

/** What to keep of a search; empty views and QL_TIME_UNKNOWN do not filter. All conditions must hold. */
typedef struct ql_filter {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str project, source_type, source;
    ql_str path_prefix;      /**< matched against the path within the source, and against the url */
    int64_t since_ms, until_ms; /**< on updated_at, both inclusive */
} ql_filter;

#ifdef __cplusplus
}
#endif

#endif
