/*
 * Goal: the next whole chunk is found behind any damage, nothing else is taken for one, and a file made to look like chunks everywhere ends the search.
 * Method: files of chunks with garbage of every kind between them; a file of heads that fit whose payloads fit and whose sums are wrong, with the bytes read for it
 * counted.
 */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "capture/chunk_find.h"

typedef struct file {
    unsigned char *bytes;
    size_t size, capacity;
    uint64_t read_bytes;
    bool fails;
} file;

static ql_status read_file(void *user, uint64_t offset, void *buf, size_t size, ql_error *err)
{
    file *self = user;
    if (self->fails || offset > self->size || size > self->size - offset) return ql__fail(err, QL_E_IO, "short read");
    memcpy(buf, self->bytes + offset, size);
    self->read_bytes += size;
    return QL_OK;
}

static void put(file *self, const void *bytes, size_t size)
{
    if (self->size + size > self->capacity) {
        self->capacity = 2 * (self->size + size);
        self->bytes = realloc(self->bytes, self->capacity);
        assert_non_null(self->bytes);
    }
    memcpy(self->bytes + self->size, bytes, size);
    self->size += size;
}

/* A chunk of one record with `tail` bytes behind its id. */
static void put_chunk(file *self, uint32_t kind, uint32_t id, size_t tail)
{
    const ql__qprof_record record = {(uint32_t)(4 + tail), 4, 0};
    size_t size = sizeof record + 4 + tail;
    unsigned char *payload = calloc(1, size);
    assert_non_null(payload);
    memcpy(payload, &record, sizeof record);
    memcpy(payload + sizeof record, &id, sizeof id);
    const ql__qprof_chunk chunk = {kind, (uint32_t)size, ql__qprof_crc32(0, payload, size)};
    put(self, &chunk, sizeof chunk);
    put(self, payload, size);
    free(payload);
}

static ql__chunk_source source_of(file *self)
{
    return (ql__chunk_source){.read_fn = read_file, .user = self, .size = self->size, .window = malloc(QL__CHUNK_WINDOW_BYTES)};
}

static uint32_t id_of(const ql__chunk_found *found)
{
    uint32_t id;
    memcpy(&id, found->payload + sizeof(ql__qprof_record), sizeof id);
    return id;
}

static void test_chunk_find__walks_over_garbage(void **state)
{
    (void)state;
    unsigned char garbage[300];
    for (int fill = 0; fill < 5; fill++) {
        file bytes = {0};
        for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = fill == 0 ? 0 : fill == 1 ? 0xff : fill == 2 ? (unsigned char)(i % 4 == 0) : fill == 3 ? (unsigned char)(i * 77) : 4;
        for (uint32_t i = 0; i < 40; i++) {
            put_chunk(&bytes, 1 + i % 20, i, i == 20 ? 3u << 20 : i * 7); /* one of them is longer than what is left of the window */
            put(&bytes, garbage, i * 7);
        }
        ql__chunk_source source = source_of(&bytes);
        uint64_t at = 0;
        for (uint32_t i = 0; i < 40; i++) {
            ql__chunk_found found;
            assert_int_equal(ql__chunk_find(&source, at, &found, NULL), QL_OK);
            assert_non_null(found.payload);
            assert_int_equal(id_of(&found), i);
            assert_int_equal(found.kind, 1 + i % 20);
            assert_int_equal(found.at, at + (i > 0 ? (i - 1) * 7 : 0));
            at = found.end;
        }
        ql__chunk_found none;
        assert_int_equal(ql__chunk_find(&source, at, &none, NULL), QL_OK);
        assert_null(none.payload);
        assert_int_equal(none.at, bytes.size);
        free(source.window);
        free(bytes.bytes);
    }
}

static void test_chunk_find__tells_a_cut_from_damage(void **state)
{
    (void)state;
    file bytes = {0};
    put_chunk(&bytes, QL__QPROF_STRING, 1, 100);
    ql__chunk_found found;
    ql__chunk_source source = source_of(&bytes);
    source.size = bytes.size - 1;
    assert_int_equal(ql__chunk_find(&source, 0, &found, NULL), QL_OK);
    assert_true(found.payload == NULL && found.cut);
    source.size = 5;
    assert_int_equal(ql__chunk_find(&source, 0, &found, NULL), QL_OK);
    assert_true(found.payload == NULL && found.cut);
    source.size = bytes.size;
    source.window_bytes = 0;
    bytes.bytes[50] ^= 1;
    assert_int_equal(ql__chunk_find(&source, 0, &found, NULL), QL_OK);
    assert_true(found.payload == NULL && !found.cut);
    bytes.fails = true;
    source.window_bytes = 0;
    assert_int_equal(ql_status_kind(ql__chunk_find(&source, 0, &found, NULL)), QL_E_IO);
    free(source.window);
    free(bytes.bytes);
}

/* Chunks in chunks, each with a wrong sum: every one of their heads leads to the end of the file and costs a sum over all that follows. */
static void test_chunk_find__a_file_of_heads_ends_the_search(void **state)
{
    (void)state;
    enum { HEAD = sizeof(ql__qprof_chunk) + sizeof(ql__qprof_record), COUNT = (1 << 20) / HEAD - 2 };
    file bytes = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t rest = (COUNT - i - 1) * HEAD + 4;
        const ql__qprof_chunk chunk = {QL__QPROF_STRING, rest + (uint32_t)sizeof(ql__qprof_record), 1};
        const ql__qprof_record record = {rest, 4, 0};
        put(&bytes, &chunk, sizeof chunk);
        put(&bytes, &record, sizeof record);
    }
    put(&bytes, "abcd", 4);
    ql__chunk_source source = source_of(&bytes);
    ql__chunk_found found;
    assert_int_equal(ql__chunk_find(&source, 0, &found, NULL), QL_OK);
    assert_null(found.payload);
    assert_true(source.search_bytes > 16u << 20 && source.search_bytes < 24u << 20);
    free(source.window);
    free(bytes.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_find__walks_over_garbage),
        cmocka_unit_test(test_chunk_find__tells_a_cut_from_damage),
        cmocka_unit_test(test_chunk_find__a_file_of_heads_ends_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
