/*
 * Made-up documents for tests of the store. Everything follows from (number, version): text of common and rare words, ids, and
 * vectors that are a function of chunk id and version, so that a test can tell whether a vector belongs to its chunk.
 */
#ifndef QL_TEST_STORE_DOCS_H
#define QL_TEST_STORE_DOCS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "dep/digest.h"
#include "store/store.h"

typedef struct test_document {
    ql__arena arena;
    ql_store_document document;
} test_document;

static inline uint64_t test_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline uint64_t test_hash(ql_str text, uint64_t seed)
{
    return ql__xxh3(text, seed);
}

/* A UUID in text from two numbers. */
static inline void test_uuid(uint64_t a, uint64_t b, char out[37])
{
    uint8_t bytes[16];
    uint64_t words[2] = {ql__xxh3((ql_str){(const char *)&a, 8}, b), ql__xxh3((ql_str){(const char *)&b, 8}, ~a)};
    memcpy(bytes, words, sizeof bytes);
    ql__uuid_text(bytes, out);
}

/* (dims) unit length, from the chunk's id and the document's version. */
static inline void test_vector(ql_str chunk_id, uint64_t version, uint32_t dims, float *out)
{
    uint64_t state = test_hash(chunk_id, version);
    double sum = 0;
    for (uint32_t i = 0; i < dims; i++) {
        double u = (double)(test_random(&state) >> 11) / 9007199254740992.0 + (double)(test_random(&state) >> 11) / 9007199254740992.0 - 1.0;
        out[i] = (float)u;
        sum += u * u;
    }
    for (uint32_t i = 0; i < dims; i++) out[i] = (float)((double)out[i] / sqrt(sum));
}

/* The rank-th word: letters only, so that analysis neither splits nor stems it ("x" keeps it off stop words and suffixes). */
static inline void test_word(uint32_t rank, char out[16])
{
    size_t at = 0;
    out[at++] = 'q';
    do out[at++] = (char)("bcdfgjkmpqtvwxz"[rank % 15]);
    while ((rank /= 15) != 0);
    out[at++] = 'x';
    out[at] = '\0';
}

/* Words with a frequency that falls like 1/rank, out of `vocabulary`. */
static inline void test_text(uint64_t *state, size_t words, uint32_t vocabulary, ql_buf *out)
{
    for (size_t i = 0; i < words; i++) {
        double u = (double)(test_random(state) >> 11) / 9007199254740992.0;
        uint32_t rank = (uint32_t)(exp(u * log((double)vocabulary + 1.0)) - 1.0);
        char word[16];
        test_word(rank < vocabulary ? rank : vocabulary - 1, word);
        ql_buf_printf(out, "%s%s", i ? " " : "", word);
    }
}

typedef struct test_shape {
    uint32_t dims, chunks_min, chunks_max, words, vocabulary, sources;
} test_shape;

#define TEST_SHAPE_SMALL ((test_shape){.dims = 24, .chunks_min = 0, .chunks_max = 6, .words = 30, .vocabulary = 300, .sources = 3})

static inline ql_str test_keep(test_document *self, const char *text)
{
    ql_str out = {0};
    ql__arena_copy(&self->arena, ql_str_of(text), &out);
    return out;
}

static inline void test_document_make(test_document *self, uint64_t number, uint64_t version, const test_shape *shape)
{
    char text[160], id[37];
    uint64_t state = number * 1000003 + version;
    ql__arena_init(&self->arena, 0);
    ql_store_document *document = &self->document;
    memset(document, 0, sizeof *document);
    document->struct_size = sizeof *document;
    snprintf(text, sizeof text, "project%u", (unsigned)(number % 2));
    document->project = test_keep(self, text);
    document->source_type = number % 3 == 0 ? QL_STR("git") : QL_STR("localfile");
    snprintf(text, sizeof text, "source%u", (unsigned)(number % shape->sources));
    document->source = test_keep(self, text);
    snprintf(text, sizeof text, "file:///data/folder%u/document-%llu.md", (unsigned)(number % 5), (unsigned long long)number);
    document->url = test_keep(self, text);
    test_uuid(number, 0, id);
    document->id = test_keep(self, id);
    snprintf(text, sizeof text, "Document %llu", (unsigned long long)number);
    document->title = test_keep(self, text);
    document->content_type = QL_STR("md");
    snprintf(text, sizeof text, "v%llu", (unsigned long long)version);
    document->version = test_keep(self, text);
    document->content_hash = document->version;
    document->pipeline = QL_STR("test");
    snprintf(text, sizeof text, "{\"file_directory\": \"folder%u\", \"file_name\": \"document-%llu.md\"}", (unsigned)(number % 5), (unsigned long long)number);
    document->metadata_json = test_keep(self, text);
    snprintf(text, sizeof text, "folder%u/document-%llu.md", (unsigned)(number % 5), (unsigned long long)number);
    document->path = test_keep(self, text);
    document->created_at_ms = QL_TIME_UNKNOWN;
    document->updated_at_ms = number % 7 == 0 ? QL_TIME_UNKNOWN : 1700000000000 + (int64_t)number * 1000;
    document->chunk_count = shape->chunks_min + (size_t)(test_random(&state) % (shape->chunks_max - shape->chunks_min + 1));
    ql_store_chunk *chunks = ql__arena_alloc_zero(&self->arena, document->chunk_count + 1, sizeof *chunks);
    document->chunks = chunks;
    for (size_t i = 0; i < document->chunk_count; i++) {
        ql_buf words = QL_BUF_INIT;
        float *vector = ql__arena_alloc(&self->arena, shape->dims * sizeof *vector);
        test_text(&state, shape->words / 2 + (size_t)(test_random(&state) % (shape->words + 1)), shape->vocabulary, &words);
        test_uuid(number, i + 1, id);
        chunks[i].struct_size = sizeof chunks[i];
        chunks[i].id = test_keep(self, id);
        test_vector(chunks[i].id, version, shape->dims, vector);
        chunks[i].vector = vector;
        chunks[i].chunk = (ql_chunk){.struct_size = sizeof(ql_chunk), .index = (uint32_t)i, .text = test_keep(self, ql_buf_cstr(&words)), .begin = i * 100, .end = i * 100 + words.len,
                                     .source_begin = i * 100, .source_end = i * 100 + words.len, .tokens = 42, .section_path = QL_STR("A > B"), .metadata_json = QL_STR("{\"k\": 1}")};
        snprintf(text, sizeof text, "Document %llu - Chunk %zu", (unsigned long long)number, i + 1);
        chunks[i].title = test_keep(self, text);
        chunks[i].terms_text = chunks[i].chunk.text;
        ql_buf_dispose(&words);
    }
}

static inline void test_document_dispose(test_document *self)
{
    ql__arena_dispose(&self->arena);
}

#endif
