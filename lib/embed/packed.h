/*
 * The forward pass on panels (panel.h): weights are packed once, then everything between two products happens in the caches of one core. The rows of a
 * batch take, layer by layer, head by head, only what a head needs: its queries, keys and values are never stored for all heads, nor the whole of the
 * feed-forward part.
 * A vector depends on its own sequence only: not on what else is in the batch, nor on the number of threads.
 */
#ifndef QL_PACKED_H
#define QL_PACKED_H

#include "embed/encoder.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/pool.h"

typedef struct ql__packed ql__packed;                 /* immutable, thread-safe */
typedef struct ql__packed_scratch ql__packed_scratch; /* one thread at a time */

/* A file for the packed weights, see packed_file.h. */
typedef struct ql__packed_place {
    const ql__sys *sys; /* outlives the packed model */
    ql__log *log;
    const char *path;
    uint64_t model; /* ql__safetensors_fingerprint of its weights */
    bool keep; /* write it where it is missing; one that is damaged or of another model is replaced in any case */
} ql__packed_place;

/*
 * encoder is borrowed and outlives it; panels: one of its kernels'. Packing is shared among the threads of the pool. at: where the packed weights may lie
 * ready; NULL: nowhere. What is wrong with that file, or hinders its making, is no failure.
 */
ql_status ql__packed_new(const ql__encoder *encoder, const ql__panels *panels, ql__pool *pool, const ql__packed_place *at, ql__packed **out, ql_error *err);
void ql__packed_free(ql__packed *self);
const ql__panels *ql__packed_panels(const ql__packed *self);
/* Memory for batches of up to `rows` tokens in all; about 7 * width * rows bytes and 100 to 300 kB. */
ql_status ql__packed_scratch_new(const ql__packed *self, size_t rows, ql__packed_scratch **out, ql_error *err);
void ql__packed_scratch_free(ql__packed_scratch *self);
size_t ql__packed_scratch_rows(const ql__packed_scratch *self);
/* As ql__encoder_run. */
ql_status ql__packed_run(const ql__packed *self, ql__packed_scratch *scratch, const ql__encoder_batch *batch, ql_error *err);

#endif
