/* The next whole chunk of a capture.qprof. */
#ifndef QL_CHUNK_FIND_H
#define QL_CHUNK_FIND_H

#include "capture/read.h"
#include "prof/qprof.h"

#define QL__CHUNK_WINDOW_BYTES (sizeof(ql__qprof_chunk) + QL__QPROF_CHUNK_BYTES_MAX)

typedef struct ql__chunk_source {
    ql__read_at_fn read_fn;
    void *user;
    uint64_t size;
    unsigned char *window; /* (QL__CHUNK_WINDOW_BYTES): what of the file was read last */
    uint64_t window_at;
    size_t window_bytes;
    uint64_t search_bytes; /* spent on looking behind damage */
} ql__chunk_source;

typedef struct ql__chunk_found {
    uint64_t at, end;             /* of the chunk in the file, its head included */
    uint32_t kind;
    const unsigned char *payload; /* (size) in the window: until the next call; NULL: no whole chunk follows, `at` is the end of the file */
    size_t size;
    bool cut;                     /* what is at the place that was asked for looks like a chunk that the end of the file cut off */
} ql__chunk_found;

/* The first whole chunk at `at` or behind it. Errors are those of read_fn. */
ql_status ql__chunk_find(ql__chunk_source *self, uint64_t at, ql__chunk_found *out, ql_error *err);

#endif
