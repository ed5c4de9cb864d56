/*
 * qloader/embed.h - from text to vectors.
 *
 * An embedder turns texts into unit vectors of a fixed width. Texts longer than the model's window are embedded in
 * overlapping windows and pooled, never cut silently.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static const char *model(void *self) { (void)self; return "first-byte"; }
 *     static uint32_t dims(void *self) { (void)self; return 256; }
 *     static ql_status embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err) {
 *         (void)self, (void)role, (void)err;
 *         for (size_t i = 0; i < count * 256; i++) out[i] = 0;
 *         for (size_t i = 0; i < count; i++) out[i * 256 + (texts[i].len > 0 ? (unsigned char)texts[i].ptr[0] : 0)] = 1;
 *         return QL_OK;
 *     }
 *     int main(void) {
 *         static const ql_embedder_ops ops = {sizeof ops, 0, "first-byte", model, dims, embed, NULL, NULL, NULL};
 *         ql_runtime *runtime = NULL;
 *         ql_error err = {0};
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_embedder_register(runtime, &ops, NULL, &err) < 0) fprintf(stderr, "%s\n", err.message);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
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
    const char *name; /**< 1 to 64 of a-z, 0-9, '-', '_', '.'; what ql_workspace_options.embedder asks for */
    /**
     * What tells this model's vectors from another's, at most 127 bytes: "name", or "name@fingerprint" where the fingerprint, 16 digits of
     * 0-9a-f, comes from the weights (of the local one: samples of every tensor). The store remembers it and refuses vectors of another (names are not compared where both sides have fingerprints). Borrowed, constant.
     */
    const char *(*model_fn)(void *self);
    /** Width of a vector, 1..65536; constant. */
    uint32_t (*dims_fn)(void *self);
    /**
     * Writes (count, dims) float32 row-major unit vectors. One call at a time. A vector that is not of unit length, or not finite, fails the call.
     * err is never NULL. It must not call functions on the workspace that asks; a question waits while an ingest embeds with the same object. */
    ql_status (*embed_fn)(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err);
    /** Counts in the model's tokens; optional: chunks are then measured in characters. Borrowed, constant, thread-safe; all members set. */
    const ql_measure *(*measure_fn)(void *self);
    /** Tokens of text the model sees at once, special tokens excluded; 0: not known. Optional. */
    uint32_t (*window_fn)(void *self);
    void (*close_fn)(void *self); /**< optional */
} ql_embedder_ops;

/**
 * Adds an embedder, which a workspace uses when ql_workspace_options.embedder names it, for passages and for questions, whatever its
 * configuration says. Parameters, errors and threads as ql_converter_register(); "local" and "remote" are taken, and "local" asks for the built-in one. Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_embedder_register(ql_runtime *runtime, const ql_embedder_ops *ops, void *self, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
