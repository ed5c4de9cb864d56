/* Reading a capture in tests: every chunk's CRC and every record's bounds are asserted, so a test that walks a capture also checks its form. */
#ifndef QL_QPROF_READ_H
#define QL_QPROF_READ_H

#include "support/testing.h"

#include <string.h>

#include "prof/qprof.h"
#include <qloader/prof.h>

/* A ql_prof_write_fn: user is a ql_buf. */
static inline int qprof_keep(void *user, const void *bytes, size_t size)
{
    return ql_buf_append(user, (ql_str){bytes, size}) < 0;
}

typedef struct qprof_row {
    uint32_t kind;
    const unsigned char *fixed, *tail;
    uint32_t fixed_size, tail_size, count;
} qprof_row;

typedef struct qprof_cursor {
    const unsigned char *at, *end, *chunk_end;
    uint32_t kind;
} qprof_cursor;

static inline qprof_cursor qprof_begin(ql_str file)
{
    ql__qprof_file head;
    assert_true(file.len >= sizeof head);
    memcpy(&head, file.ptr, sizeof head);
    assert_memory_equal(head.magic, QL__QPROF_MAGIC, 8);
    assert_int_equal(head.version, QL__QPROF_VERSION);
    const unsigned char *begin = (const unsigned char *)file.ptr + head.header_bytes;
    return (qprof_cursor){begin, (const unsigned char *)file.ptr + file.len, begin, 0};
}

static inline bool qprof_next(qprof_cursor *self, qprof_row *out)
{
    while (self->at == self->chunk_end) {
        ql__qprof_chunk chunk;
        if (self->at == self->end) return false;
        assert_true((size_t)(self->end - self->at) >= sizeof chunk);
        memcpy(&chunk, self->at, sizeof chunk);
        self->at += sizeof chunk;
        assert_true(chunk.size <= (size_t)(self->end - self->at) && chunk.size <= QL__QPROF_CHUNK_BYTES_MAX);
        assert_int_equal(chunk.crc, ql__qprof_crc32(0, self->at, chunk.size));
        self->chunk_end = self->at + chunk.size;
        self->kind = chunk.kind;
    }
    ql__qprof_record record;
    assert_true((size_t)(self->chunk_end - self->at) >= sizeof record);
    memcpy(&record, self->at, sizeof record);
    self->at += sizeof record;
    assert_true(record.size <= (size_t)(self->chunk_end - self->at) && record.fixed <= record.size);
    *out = (qprof_row){self->kind, self->at, self->at + record.fixed, record.fixed, record.size - record.fixed, record.count};
    self->at += record.size;
    return true;
}

#define qprof_get(row, to) memcpy((to), (row)->fixed, (row)->fixed_size < sizeof *(to) ? (row)->fixed_size : sizeof *(to))

/* The text of a string's id; empty where there is none. */
static inline ql_str qprof_string(ql_str file, uint32_t id)
{
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    while (qprof_next(&cursor, &row)) {
        uint32_t found = 0;
        if (row.kind != QL__QPROF_STRING) continue;
        memcpy(&found, row.fixed, sizeof found);
        if (found == id) return (ql_str){(const char *)row.tail, row.tail_size};
    }
    return QL_STR("");
}

/* Frames of a stack; 0: not there. */
static inline uint32_t qprof_stack(ql_str file, uint32_t id, ql__qprof_stack *out, ql__qprof_frame frames[QL__QPROF_FRAMES_MAX])
{
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    while (qprof_next(&cursor, &row)) {
        if (row.kind != QL__QPROF_STACK) continue;
        qprof_get(&row, out);
        if (out->id != id) continue;
        memcpy(frames, row.tail, row.count * sizeof *frames);
        return row.count;
    }
    return 0;
}

static inline size_t qprof_count(ql_str file, uint32_t kind)
{
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    size_t count = 0;
    while (qprof_next(&cursor, &row)) count += row.kind == kind;
    return count;
}

/* The last END. */
static inline ql__qprof_end qprof_end(ql_str file)
{
    ql__qprof_end end = {0};
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    while (qprof_next(&cursor, &row))
        if (row.kind == QL__QPROF_END) qprof_get(&row, &end);
    return end;
}

/* The value of a META key; empty: none. */
static inline ql_str qprof_meta(ql_str file, const char *key)
{
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    ql_str value = QL_STR("");
    while (qprof_next(&cursor, &row)) {
        ql__qprof_meta meta;
        if (row.kind != QL__QPROF_META) continue;
        qprof_get(&row, &meta);
        if (ql_str_equal(qprof_string(file, meta.key), ql_str_of(key))) value = qprof_string(file, meta.value);
    }
    return value;
}

#endif
