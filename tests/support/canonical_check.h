/*
 * Helpers for tests of converters: what must hold for any ql_canonical, and golden files. A golden file holds the canonical text, a
 * line of dashes, and the outline of the blocks; QL_UPDATE_GOLDEN=1 in the environment rewrites them. Header only.
 */
#ifndef QL_CANONICAL_CHECK_H
#define QL_CANONICAL_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "convert/convert.h"
#include "support/testing.h"
#include "text/utf8.h"

typedef struct canonical_run {
    struct ql_arena arena;
    ql_canonical canonical;
} canonical_run;

static inline void canonical_check_blocks(const ql_canonical *c)
{
    assert_true(c->block_count >= 1);
    assert_int_equal(c->blocks[0].parent, QL_BLOCK_NONE);
    assert_int_equal(c->blocks[0].begin, 0);
    assert_int_equal(c->blocks[0].end, c->text.len);
    assert_int_equal(c->blocks[0].next, c->block_count);
    for (uint32_t i = 1; i < c->block_count; i++) {
        const ql_block *b = &c->blocks[i];
        assert_true(b->parent < i);
        const ql_block *parent = &c->blocks[b->parent];
        assert_true(b->next > i && b->next <= parent->next);
        assert_true(parent->begin <= b->begin && b->begin <= b->end && b->end <= parent->end);
        uint32_t sibling = b->next;
        if (sibling < c->block_count && c->blocks[sibling].parent == b->parent) assert_true(c->blocks[sibling].begin >= b->end);
        assert_true(ql__utf8_valid(b->label) && ql__utf8_valid(b->detail));
        if (b->begin < c->text.len) assert_true(((unsigned char)c->text.ptr[b->begin] & 0xC0) != 0x80);
        if (b->end < c->text.len) assert_true(((unsigned char)c->text.ptr[b->end] & 0xC0) != 0x80);
    }
}

static inline void canonical_check(const ql_canonical *c, size_t source_len)
{
    assert_true(ql__utf8_valid(c->text));
    assert_true(ql__utf8_valid(c->title));
    canonical_check_blocks(c);
    uint64_t at = 0, source = 0;
    for (size_t i = 0; c->map && i < c->map_count; i++) {
        const ql_range_map *m = &c->map[i];
        assert_true(m->begin >= at && m->begin + m->len <= c->text.len);
        assert_true(m->source_begin >= source && m->source_end >= m->source_begin && m->source_end <= source_len);
        at = m->begin + m->len;
        source = m->source_end;
    }
    source = 0;
    for (size_t i = 0; i < c->removed_count; i++) {
        assert_true(c->removed[i].source_begin >= source && c->removed[i].source_end >= c->removed[i].source_begin);
        assert_true(c->removed[i].source_end <= source_len);
        source = c->removed[i].source_end;
    }
}

/* Converts and checks; dispose with canonical_dispose. */
static inline void canonical_convert(canonical_run *self, const ql_converter_ops *ops, const char *type, ql_str content)
{
    memset(self, 0, sizeof *self);
    ql__arena_init(&self->arena.arena, 0);
    ql_document document = {.struct_size = sizeof document, .url = QL_STR("test"), .content_type = ql_str_of(type), .content = content};
    ql_error err = {0};
    assert_true(ops->accepts_fn(NULL, &document));
    ql_status status = ops->convert_fn(NULL, &document, &self->arena, &self->canonical, &err);
    if (status < 0) fail_msg("%s", err.message);
    canonical_check(&self->canonical, content.len);
}

static inline void canonical_dispose(canonical_run *self)
{
    ql__arena_dispose(&self->arena.arena);
}

static inline void canonical_outline(const ql_canonical *c, ql_buf *out)
{
    for (uint32_t i = 1; i < c->block_count; i++) {
        const ql_block *b = &c->blocks[i];
        for (uint32_t p = b->parent; p != QL_BLOCK_NONE && p != 0; p = c->blocks[p].parent) ql_buf_append(out, QL_STR("  "));
        ql_buf_append(out, ql_str_of(ql_block_kind_name(b->kind)));
        if (b->level) ql_buf_printf(out, " %u", b->level);
        if (b->detail.len > 0) ql_buf_printf(out, " %.*s", (int)b->detail.len, b->detail.ptr);
        if (b->label.len > 0) ql_buf_printf(out, " \"%.*s\"", (int)b->label.len, b->label.ptr);
        /* The first bytes, so that a wrong range shows. */
        size_t len = (size_t)(b->end - b->begin) < 32 ? (size_t)(b->end - b->begin) : 32;
        while (len > 0 && b->begin + len < c->text.len && ((unsigned char)c->text.ptr[b->begin + len] & 0xC0) == 0x80) len--;
        ql_buf_append(out, QL_STR(" | "));
        for (size_t k = 0; k < len; k++) {
            char byte = c->text.ptr[b->begin + k];
            ql_buf_append_char(out, byte == '\n' ? '~' : byte);
        }
        ql_buf_printf(out, " (%u)\n", (unsigned)(b->end - b->begin));
    }
}

static inline void canonical_golden(const char *path, const ql_buf *actual)
{
    assert_true(actual->status >= 0);
    if (getenv("QL_UPDATE_GOLDEN")) {
        ql_test_file_write(path, ql_buf_str(actual));
        return;
    }
    if (!ql_test_file_exists(path)) fail_msg("%s is missing: run with QL_UPDATE_GOLDEN=1", path);
    ql_buf expected = QL_BUF_INIT;
    ql_test_file_read(path, &expected);
    if (!ql_str_equal(ql_buf_str(&expected), ql_buf_str(actual))) {
        print_message("%s differs; got:\n%s", path, ql_buf_cstr(actual));
        fail();
    }
    ql_buf_dispose(&expected);
}

#endif
