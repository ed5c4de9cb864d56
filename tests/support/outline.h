/* A block tree as text, one block a line, for tests of converters. Header only. */
#ifndef QL_OUTLINE_H
#define QL_OUTLINE_H

#include "support/chunk_check.h"

/* "  kind[level] 'label' detail: text", indented by depth; line ends shown as '/'; text shortened to 24 bytes. */
static inline void outline_write(const ql_canonical *canonical, ql_buf *out)
{
    for (uint32_t i = 1; i < canonical->block_count; i++) {
        const ql_block *block = &canonical->blocks[i];
        for (uint32_t at = block->parent; at != 0; at = canonical->blocks[at].parent) ql_buf_append(out, QL_STR("  "));
        ql_buf_append(out, ql_str_of(ql_block_kind_name(block->kind)));
        if (block->kind == QL_BLOCK_SECTION || block->kind == QL_BLOCK_HEADING) ql_buf_printf(out, "%u", (unsigned)block->level);
        if (block->label.len > 0) ql_buf_printf(out, " '%.*s'", (int)block->label.len, block->label.ptr);
        if (block->detail.len > 0) ql_buf_printf(out, " %.*s", (int)block->detail.len, block->detail.ptr);
        ql_buf_append(out, QL_STR(": "));
        for (uint64_t p = block->begin; p < block->end && p < block->begin + 24; p++) {
            char c = canonical->text.ptr[p];
            ql_buf_append_char(out, c == '\n' ? '/' : c == '\r' ? '\\' : c == '\t' ? '>' : c);
        }
        ql_buf_append_char(out, '\n');
    }
}

/* Converts and compares the outline. */
static inline void outline_expect(const ql_converter_ops *converter, const char *type, ql_str content, const char *expected)
{
    check_chunks converted;
    ql_buf got = QL_BUF_INIT;
    check_convert(converter, ql_str_of(type), content, &converted);
    outline_write(&converted.canonical, &got);
    assert_string_equal(ql_buf_cstr(&got), expected);
    ql_buf_dispose(&got);
    check_chunks_free(&converted);
}

#endif
