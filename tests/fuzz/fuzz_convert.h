/* Converter, tree check, chunker, verification: aborts when a promise is broken. Header only, for fuzz targets. */
#ifndef QL_FUZZ_CONVERT_H
#define QL_FUZZ_CONVERT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/array.h"
#include "chunk/chunk.h"
#include "convert/convert.h"
#include "text/utf8.h"

#define FUZZ_CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

typedef struct fuzz_chunks {
    ql_chunk *items;
    size_t count, capacity;
} fuzz_chunks;

static int fuzz_collect(void *user, const ql_chunk *chunk)
{
    fuzz_chunks *self = user;
    FUZZ_CHECK(ql__utf8_valid(chunk->section_path));
    return ql__array_push(self->items, self->count, self->capacity, *chunk) ? 0 : 1;
}

/* Letters and digits in runs of up to three are units, so that counts change when a word is cut. */
static size_t fuzz_units(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    (void)user;
    size_t count = 0, run = 0;
    for (size_t at = 0; at < text.len; at++) {
        unsigned char c = (unsigned char)text.ptr[at];
        bool blank = c == ' ' || (c >= '\t' && c <= '\r'), starts_here = !blank && run % 3 == 0 && (c & 0xc0) != 0x80;
        run = blank ? 0 : run + 1;
        if (!starts_here) continue;
        if (count < capacity) starts[count] = (uint32_t)at;
        count++;
    }
    return count;
}

static inline void fuzz_convert(const ql_converter_ops *converter, const char *type, ql_str content, uint32_t size_max, uint32_t overlap)
{
    static const ql_measure measure = {.struct_size = sizeof(ql_measure), .unit = "tokens", .units_fn = fuzz_units};
    const ql_document document = {.struct_size = sizeof document, .content_type = ql_str_of(type), .content = content};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = size_max, .overlap = overlap, .measure = size_max % 2 ? &measure : NULL};
    struct ql_arena arena;
    ql_canonical canonical;
    ql_error err = {0};
    fuzz_chunks chunks = {0};
    ql__arena_init(&arena.arena, 0);
    ql_status status = converter->convert_fn(NULL, &document, &arena, &canonical, &err);
    FUZZ_CHECK(status == QL_OK || status == QL_E_FORMAT);
    if (status == QL_OK) {
        /* The chunker refuses trees that are not well-formed and text that is not UTF-8. */
        status = ql__chunker_structure()->chunk_fn(NULL, &document, &canonical, &options, fuzz_collect, &chunks, &err);
        if (status == QL_OK) status = ql__chunks_verify(&canonical, &options, chunks.items, chunks.count, false, &err);
        if (status < 0) fprintf(stderr, "%s\n", err.message);
        FUZZ_CHECK(status == QL_OK);
    }
    ql__free(chunks.items);
    ql__arena_dispose(&arena.arena);
}

#endif
