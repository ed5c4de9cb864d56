/*
 * What an application's converter and chunker yield: any tree over any text, any ranges with any metadata. Refused with a reason, or every chunk that
 * goes on keeps the guarantees and its metadata is one JSON object.
 *
 * The input: numbers of blocks and of chunks; 10 bytes a block (begin, end, parent, next, 2 each; kind; length of its label); 6 bytes a chunk (begin,
 * end, length of its metadata, 2 each); then labels and metadata from the front, and the text.
 */
#include "dep/json.h"
#include "fuzz_convert.h"
#include "model/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCK_BYTES = 10, CHUNK_BYTES = 6, CHUNKS_MAX = 255 };

typedef struct cuts {
    ql_chunk items[CHUNKS_MAX];
    size_t count;
} cuts;

static ql_str rest;

static unsigned number(const char *at)
{
    return (unsigned char)at[0] | (unsigned)(unsigned char)at[1] << 8;
}

static ql_str take(size_t len)
{
    ql_str taken = {rest.ptr, len < rest.len ? len : rest.len};
    rest = (ql_str){rest.ptr + taken.len, rest.len - taken.len};
    return taken;
}

static ql_status chunk_as_told(void *self, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *user, ql_error *err)
{
    const cuts *wanted = self;
    (void)document, (void)canonical, (void)options, (void)err;
    for (size_t i = 0; i < wanted->count; i++)
        if (emit(user, &wanted->items[i]) != 0) return QL_E_CALLBACK;
    return QL_OK;
}

static int collect(void *user, const ql_chunk *chunk)
{
    ql_error err = {0};
    FUZZ_CHECK(chunk->metadata_json.len > 0 && ql__json_check_object(chunk->metadata_json, &err) == QL_OK);
    return fuzz_collect(user, chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ql_block blocks[256];
    static cuts wanted;
    if (size < 3 || size < 3u + data[0] * BLOCK_BYTES + data[1] * CHUNK_BYTES) return 0;
    const char *at = (const char *)data + 3;
    uint32_t block_count = data[0];
    wanted.count = data[1];
    rest = (ql_str){at + block_count * BLOCK_BYTES + wanted.count * CHUNK_BYTES, size - 3 - block_count * BLOCK_BYTES - wanted.count * CHUNK_BYTES};
    for (uint32_t i = 0; i < block_count; i++, at += BLOCK_BYTES)
        blocks[i] = (ql_block){.begin = number(at), .end = number(at + 2), .parent = number(at + 4), .next = number(at + 6), .kind = (uint8_t)at[8], .label = take((uint8_t)at[9])};
    for (size_t i = 0; i < wanted.count; i++, at += CHUNK_BYTES)
        wanted.items[i] = (ql_chunk){.struct_size = sizeof(ql_chunk), .begin = number(at), .end = number(at + 2), .metadata_json = take(number(at + 4))};
    ql_canonical canonical = {.struct_size = sizeof canonical, .block_count = block_count, .blocks = blocks, .text = rest};
    if (block_count > 0) { /* of block 0 only the kind is anybody's choice */
        blocks[0].begin = 0;
        blocks[0].end = rest.len;
        blocks[0].parent = QL_BLOCK_NONE;
        blocks[0].next = block_count;
    }
    ql_error err = {0};
    if (ql__canonical_verify(&canonical, rest.len, &err) < 0) {
        FUZZ_CHECK(err.message[0] != '\0');
        return 0;
    }
    const ql_chunker_ops ops = {.struct_size = sizeof ops, .name = "foreign", .chunk_fn = chunk_as_told};
    const ql_document document = {.struct_size = sizeof document, .content_type = QL_STR("txt"), .content = rest};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 1u + data[2], .overlap = data[2] / 2u};
    fuzz_chunks chunks = {0};
    ql_status status = ql__chunker_foreign_run(&ops, &wanted, &document, &canonical, &options, collect, &chunks, &err);
    FUZZ_CHECK(status == QL_OK || err.message[0] != '\0');
    if (status == QL_OK) FUZZ_CHECK(rest.len == 0 || ql__chunks_verify(&canonical, &options, chunks.items, chunks.count, false, &err) == QL_OK);
    chunks.count = 0;
    status = ql__chunker_structure()->chunk_fn(NULL, &document, &canonical, &options, collect, &chunks, &err);
    FUZZ_CHECK(status == QL_OK && ql__chunks_verify(&canonical, &options, chunks.items, chunks.count, false, &err) == QL_OK);
    ql__free(chunks.items);
    return 0;
}
