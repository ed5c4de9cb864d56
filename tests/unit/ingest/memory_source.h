/* A source whose documents are in memory, and an embedder whose vector is a hash of the text: what the ingest tests feed the real stages with. */
#ifndef QL_MEMORY_SOURCE_H
#define QL_MEMORY_SOURCE_H

#include <qloader/embed.h>
#include <qloader/source.h>

#define MEMORY_DIMS 16

typedef struct memory_document {
    const char *url, *version, *content;
    ql_status fetch_status; /* negative: fetching fails so */
} memory_document;

typedef struct memory_source {
    const memory_document *documents;
    size_t count;
    ql_status list_status; /* negative: the listing ends with this error after all items */
    _Atomic size_t fetched; /* calls, from any thread */
} memory_source;

extern const ql_source_ops memory_source_ops;
extern uint64_t memory_item_bytes; /* how large a listing says that each document is */
extern const ql_embedder_ops hash_embedder_ops; /* self: size_t * that counts texts, or NULL */

#endif
