/*
 * qloader/chunk.h - from canonical text to chunks.
 *
 * Guarantees of every chunker, checked by the library: chunks cover the canonical text, in order; nothing is lost
 * and nothing repeated beyond the declared overlap; each chunk is within the size limit (a single grapheme cluster
 * excepted); no chunk boundary splits a grapheme cluster of up to 256 bytes. The built-in chunker also ends a chunk at 32 bytes
 * per unit of size_max (at least 4 kB, at most 1 MB), since a measure may take a megabyte without white space for one unit.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static bool accepts(void *self, const ql_document *d, const ql_canonical *c) { (void)self, (void)c; return ql_str_equal(d->content_type, QL_STR("txt")); }
 *     static ql_status by_200(void *self, const ql_document *d, const ql_canonical *c, const ql_chunk_options *o, ql_chunk_fn emit, void *user, ql_error *err) {
 *         (void)self, (void)d, (void)o, (void)err;
 *         for (size_t at = 0, end; at < c->text.len; at = end) { // a cut inside a character moves to its beginning
 *             end = at + 200 < c->text.len ? at + 200 : c->text.len;
 *             ql_chunk chunk = {.struct_size = sizeof chunk, .begin = at, .end = end};
 *             if (emit(user, &chunk) != 0) return QL_E_CALLBACK;
 *         }
 *         return QL_OK;
 *     }
 *     int main(void) {
 *         static const ql_chunker_ops ops = {sizeof ops, 1, "by-200", accepts, by_200, NULL};
 *         ql_runtime *runtime = NULL;
 *         ql_error err = {0};
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_chunker_register(runtime, &ops, NULL, &err) < 0) fprintf(stderr, "%s\n", err.message);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_CHUNK_H
#define QLOADER_CHUNK_H

#include <qloader/convert.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What the size of a chunk is counted in. fn gets valid UTF-8 and writes, ascending, the byte offset at which each unit
 * (model token, character) starts; it returns how many units there are, also when that is more than `capacity`
 * (then only the first `capacity` offsets are written). Additive at white space. Thread-safe.
 */
typedef struct ql_measure {
    uint32_t struct_size;
    uint32_t reserved;
    const char *unit; /**< "tokens" or "characters" */
    size_t (*units_fn)(void *user, ql_str text, uint32_t *starts, size_t capacity);
    void *user;
} ql_measure;

typedef struct ql_chunk_options {
    uint32_t struct_size;
    uint32_t size_max;   /**< units in a chunk, overlap included; > 0 */
    uint32_t overlap;    /**< units repeated from the chunk before, < size_max (the built-in chunker uses at most half of it); 0: none. Never across a heading */
    uint32_t size_min;   /**< smaller neighbours are joined up to size_max where they share a section; 0: size_max / 4 */
    const ql_measure *measure; /**< NULL: characters (code points) */
    uint32_t chunks_max; /**< 0: no cap; else later chunks are dropped (and the caller warned) */
    uint32_t reserved[3];
} ql_chunk_options;

/** Receives chunks in order; views are borrowed for the call. Non-zero stops: QL_E_CALLBACK. */
typedef int (*ql_chunk_fn)(void *user, const ql_chunk *chunk);

/** A chunker. Its functions are called on any thread of the runtime, several at once. */
typedef struct ql_chunker_ops {
    uint32_t struct_size;
    uint32_t version; /**< raise it when the same text is cut otherwise: documents are then made again */
    const char *name; /**< 1 to 64 of a-z, 0-9, '-', '_', '.' */
    /** True when this chunker wants the document; asked in order of registration, the built-in one after all of them. */
    bool (*accepts_fn)(void *self, const ql_document *document, const ql_canonical *canonical);
    /**
     * Emits the chunks in order: begin and end of each, from the first byte of the text to the last; one may begin before the end of the chunk
     * before it (overlap). A cut inside a grapheme cluster moves to its beginning. metadata_json, an object of at most 1 MiB, is added to what
     * the library says of the chunk (a key that it uses itself is left out); everything else of a ql_chunk the library finds itself. When emit
     * answers non-zero, return QL_E_CALLBACK. err is never NULL.
     */
    ql_status (*chunk_fn)(void *self, const ql_document *document, const ql_canonical *canonical,
                          const ql_chunk_options *options, ql_chunk_fn emit, void *user, ql_error *err);
    void (*close_fn)(void *self); /**< optional */
} ql_chunker_ops;

/** Adds a chunker; parameters, errors and threads as ql_converter_register(). "structure" is taken. A document whose chunks break a guarantee fails with the reason, as does one of more than a million chunks. Since 0.1. */
QL_API QL_MUST_USE ql_status ql_chunker_register(ql_runtime *runtime, const ql_chunker_ops *ops, void *self, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
