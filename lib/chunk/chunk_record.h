/* One emitted chunk: section path, range of the original, metadata. */
#ifndef QL_CHUNK_RECORD_H
#define QL_CHUNK_RECORD_H

#include "chunk/chunk_metadata.h"
#include <qloader/chunk.h>

typedef struct ql__chunk_out {
    const ql_canonical *canonical;
    const ql_chunk_options *options;
    ql_chunk_fn emit;
    void *user;
    uint32_t count;     /* chunks emitted */
    bool capped;        /* chunks_max reached: nothing more is emitted */
    ql_buf path;        /* section path of path_block */
    ql__chunk_metadata metadata;
    uint32_t path_block; /* QL_BLOCK_NONE: none yet */
    size_t map_index;   /* entry of the map where the last chunk began */
} ql__chunk_out;

void ql__chunk_out_init(ql__chunk_out *self, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *user);
void ql__chunk_out_dispose(ql__chunk_out *self);
typedef struct ql__chunk_range {
    uint64_t begin, end;    /* of the canonical text, not empty */
    uint64_t overlap_bytes; /* at the front */
    uint32_t tokens;
    uint32_t block;         /* the lowest block that holds the range, overlap aside */
} ql__chunk_range;

ql_status ql__chunk_out_emit(ql__chunk_out *self, const ql__chunk_range *range, ql_error *err);

#endif
