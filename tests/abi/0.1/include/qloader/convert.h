/*
 * qloader/convert.h - from bytes to canonical text and structure.
 *
 * A converter reads the bytes of one document and yields a ql_canonical (see document.h): valid UTF-8, a tree of
 * blocks, and a map back to the bytes. It must hold for any input: what cannot be parsed is kept as plain text. The
 * built-in ones know Markdown, HTML, JSON, source code and text; an application adds its own formats, or its own reading of
 * these, with ql_converter_register(). What a converter yields is checked before it is used.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static bool accepts(void *self, const ql_document *d) { (void)self; return ql_str_equal(d->content_type, QL_STR("log")); }
 *     static ql_status convert(void *self, const ql_document *d, ql_arena *arena, ql_canonical *out, ql_error *err) {
 *         (void)self, (void)err;
 *         ql_block *whole = ql_arena_alloc(arena, sizeof *whole);
 *         if (whole == NULL) return QL_E_NOMEM;
 *         *whole = (ql_block){.end = d->content.len, .parent = QL_BLOCK_NONE, .next = 1, .kind = QL_BLOCK_DOCUMENT};
 *         *out = (ql_canonical){.struct_size = sizeof *out, .block_count = 1, .text = d->content, .blocks = whole};
 *         return QL_OK;
 *     }
 *     int main(void) {
 *         static const ql_converter_ops logs = {sizeof logs, 1, "log", accepts, convert, NULL};
 *         ql_runtime *runtime = NULL;
 *         ql_error err = {0};
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_converter_register(runtime, &logs, NULL, &err) < 0)
 *             fprintf(stderr, "%s\n", err.message);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
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

/** A converter. Its functions are called on any thread of the runtime, several at once. */
typedef struct ql_converter_ops {
    uint32_t struct_size;
    uint32_t version; /**< raise it when the same bytes yield something else: documents are then made again */
    const char *name; /**< 1 to 64 of a-z, 0-9, '-', '_', '.' */
    /** True when this converter wants the document; asked in order of registration, the built-in ones after all of them. */
    bool (*accepts_fn)(void *self, const ql_document *document);
    /**
     * Everything in *out is allocated from arena or borrowed from document->content. QL_E_FORMAT or QL_E_UNSUPPORTED: the document holds no
     * text (a picture); it is told as skipped. Other failures are told as such and the index keeps what it had. The result may depend on the
     * content, title and content type alone: a document in which only other facts change is not converted again. err is never NULL.
     */
    ql_status (*convert_fn)(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err);
    void (*close_fn)(void *self); /**< optional */
} ql_converter_ops;

typedef struct ql_runtime ql_runtime;
/**
 * Adds a converter to every workspace that will be opened on the runtime. Its name and version are part of what an index is made with:
 * registering one more, one less or another version reads and embeds every document again. "markdown", "json", "html", "code" and "text" are taken.
 *
 * @param ops   copied; what it points to is borrowed until ql_runtime_free().
 * @param self  handed to its functions; ops->close_fn gets it in ql_runtime_free(), not after a failure of this call.
 * Errors:  QL_E_INVALID (a member is missing, the name is not one), QL_E_EXISTS (the name is taken), QL_E_BUSY (a workspace was opened
 *          already), QL_E_LIMIT (64 of a kind), QL_E_NOMEM.
 * Threads: one at a time on a runtime.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_converter_register(ql_runtime *runtime, const ql_converter_ops *ops, void *self, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
