/*
 * qloader/embed.h - from text to vectors.
 *
 * An embedder turns texts into unit vectors of a fixed width. Texts longer than the model's window are embedded in
 * overlapping windows and pooled, never cut silently.
 */
#ifndef QLOADER_EMBED_H
#define QLOADER_EMBED_H

#include <qloader/chunk.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_embed_role {
    QL_EMBED_PASSAGE = 0, /**< text to be found */
    QL_EMBED_QUERY = 1    /**< text to search with; models with prefixes differ */
} ql_embed_role;

typedef struct ql_embedder_ops {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name;
    /**
     * What tells this model's vectors from another's, at most 127 bytes: "name", or "name@fingerprint" where the fingerprint, 16 digits of
     * 0-9a-f, comes from the weights (of the local one: samples of every tensor). The store remembers it and refuses vectors of another (names are not compared where both sides have fingerprints). Borrowed, constant.
     */
    const char *(*model_fn)(void *self);
    uint32_t (*dims_fn)(void *self);
    /** Writes (count, dims) float32 row-major unit vectors. One call at a time unless the embedder says otherwise. */
    ql_status (*embed_fn)(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err);
    /** Counts in the model's tokens; NULL members when the embedder does not know its tokenizer. Borrowed, constant, thread-safe. */
    const ql_measure *(*measure_fn)(void *self);
    /** Tokens of text the model sees at once, special tokens excluded; 0: not known. */
    uint32_t (*window_fn)(void *self);
    void (*close_fn)(void *self);
} ql_embedder_ops;

#ifdef __cplusplus
}
#endif

#endif
