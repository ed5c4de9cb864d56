/* What a chunk says of itself as a JSON object: place, section, element, links, kinds of content. */
#ifndef QL_CHUNK_METADATA_H
#define QL_CHUNK_METADATA_H

#include <qloader/chunk.h>

typedef struct ql__chunk_metadata {
    const ql_canonical *canonical;
    ql_buf json;
    uint64_t line_at, line; /* lines before line_at */
    uint32_t block_cursor;  /* first block that begins at or after the last chunk */
    uint32_t *subsections;  /* (block_count) sections directly inside a section; NULL until the first is asked for */
    uint32_t section;       /* of the last chunk */
    uint32_t sub_index;     /* chunks of that section in a row before this one */
} ql__chunk_metadata;

void ql__chunk_metadata_init(ql__chunk_metadata *self, const ql_canonical *canonical);
void ql__chunk_metadata_dispose(ql__chunk_metadata *self);
/* Chunks in order. *out is borrowed until the next call. block is the lowest that holds the chunk. QL_E_NOMEM. */
ql_status ql__chunk_metadata_write(ql__chunk_metadata *self, const ql_chunk *chunk, uint32_t block, ql_str *out);

/* A label as paths and metadata show it. */
ql_str ql__label_capped(ql_str label);

#endif
