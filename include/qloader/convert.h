/*
 * qloader/convert.h - from bytes to canonical text and structure.
 *
 * A converter reads the bytes of one document and yields a ql_canonical (see document.h): valid UTF-8, a tree of
 * blocks, and a map back to the bytes. It must hold for any input: what cannot be parsed is kept as plain text.
 */
#ifndef QLOADER_CONVERT_H
#define QLOADER_CONVERT_H

#include <qloader/document.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Memory that lives as long as the conversion's result; ql_arena_alloc answers NULL when memory or the cap runs out. */
typedef struct ql_arena ql_arena;
QL_API void *ql_arena_alloc(ql_arena *arena, size_t size);

typedef struct ql_converter_ops {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name;
    /** True when this converter wants the document; asked in order of registration, the built-in text converter last. */
    bool (*accepts_fn)(void *self, const ql_document *document);
    /** Everything in *out is allocated from arena or borrowed from document->content. Thread-safe. */
    ql_status (*convert_fn)(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err);
    void (*close_fn)(void *self); /**< optional */
} ql_converter_ops;

#ifdef __cplusplus
}
#endif

#endif
