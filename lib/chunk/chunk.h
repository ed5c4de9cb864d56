/* The built-in chunker: packs blocks of the structure tree. */
#ifndef QL_CHUNK_INTERNAL_H
#define QL_CHUNK_INTERNAL_H

#include <qloader/chunk.h>

/* Raise it when the built-in chunker cuts or describes any text otherwise than before: stored documents are then made again. */
#define QL__CHUNK_VERSION 3u

const ql_chunker_ops *ql__chunker_structure(void);
/* Code points. */
const ql_measure *ql__measure_characters(void);

/*
 * Runs a chunker of the application: checks what it cuts against the guarantees (QL_E_INVALID says what does not hold, and nothing was emitted
 * then) and emits chunks that are described as the built-in chunker's, with the metadata it gave behind.
 */
ql_status ql__chunker_foreign_run(const ql_chunker_ops *ops, void *object, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options,
                                  ql_chunk_fn emit, void *user, ql_error *err);

/*
 * Checks what a chunker emitted (chunks[0..count), in order) against the guarantees: text equals its range, the text is covered without
 * gap, overlap is as declared and no more than asked, sizes as measured and within the limit (a single grapheme may exceed it), no
 * boundary inside a grapheme of up to QL_LIMIT_GRAPHEME_BYTES. capped: the last chunk may end early (chunks_max).
 * QL_E_INVALID names the first chunk that fails. Measures every chunk again: for tests and debugging.
 */
ql_status ql__chunks_verify(const ql_canonical *canonical, const ql_chunk_options *options, const ql_chunk *chunks, size_t count, bool capped, ql_error *err);

#endif
