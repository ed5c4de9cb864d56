/*
 * Cutting inside a block. Breaks from strong to weak: empty line (code), line end (code) or sentence (prose), word, grapheme.
 * A stronger break is taken only where it leaves a piece that reaches `wanted`. Invariants: results lie in [begin, limit] and never inside a
 * grapheme of up to 256 bytes. Threads: no state. Cost: linear in limit - begin.
 */
#include "chunk/cut.h"

#include <string.h>

#include "text/utf8.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool ql__cut_is_blank(ql_str text, uint64_t begin, uint64_t end)
{
    while (begin < end && is_blank(text.ptr[begin])) begin++;
    return begin >= end;
}

bool ql__cut_is_bare(ql_str text, uint64_t begin, uint64_t end)
{
    for (; begin < end; begin++) {
        unsigned char c = (unsigned char)text.ptr[begin];
        if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')) return false;
    }
    return true;
}

bool ql__cut_is_inside_word(ql_str text, uint64_t at)
{
    return at > 0 && at < text.len && !is_blank(text.ptr[at - 1]) && !is_blank(text.ptr[at]);
}

bool ql__cut_by_lines(int block_kind)
{
    switch (block_kind) {
    case QL_BLOCK_TABLE: case QL_BLOCK_ROW: case QL_BLOCK_CODE: case QL_BLOCK_MARKUP: case QL_BLOCK_FRONT_MATTER: case QL_BLOCK_ELEMENT:
    case QL_BLOCK_VALUE: case QL_BLOCK_OTHER: return true;
    default: return false;
    }
}

/* The last line start in [wanted, limit]; one behind an empty line, if there is any. 0 when there is none. */
static uint64_t last_line(ql_str text, uint64_t wanted, uint64_t limit)
{
    uint64_t found = 0;
    while (limit > wanted) {
        const char *newline = memrchr(text.ptr + wanted, '\n', (size_t)(limit - wanted));
        if (!newline) break;
        uint64_t at = (uint64_t)(newline - text.ptr) + 1;
        if (found == 0) found = at;
        if (at >= 2 && (text.ptr[at - 2] == '\n' || (text.ptr[at - 2] == '\r' && at >= 3 && text.ptr[at - 3] == '\n'))) return at;
        limit = at - 1;
    }
    return found;
}

static uint64_t last_sentence(ql_str text, uint64_t begin, uint64_t wanted, uint64_t limit)
{
    /* A little text behind the limit decides whether a sentence ends there. */
    uint64_t end = text.len - limit > 64 ? ql__utf8_floor(text, limit + 64) : text.len, found = 0;
    const ql_str window = {text.ptr + begin, (size_t)(end - begin)};
    for (size_t at = ql__sentence_next(window, 0, true); begin + at <= limit && at < window.len; at = ql__sentence_next(window, at, true)) {
        if (begin + at >= wanted) found = begin + at;
    }
    return found;
}

/* The last place behind white space in (begin, limit], 0 when there is none at or after wanted. */
static uint64_t last_word(ql_str text, uint64_t begin, uint64_t wanted, uint64_t limit)
{
    for (uint64_t at = limit; at > begin && at >= wanted; at--) {
        if (is_blank(text.ptr[at - 1]) && (at == text.len || !is_blank(text.ptr[at]))) return at;
    }
    return 0;
}

uint64_t ql__cut_find(ql_str text, int block_kind, uint64_t begin, uint64_t limit, uint64_t wanted)
{
    if (limit <= begin) return begin;
    if (wanted <= begin) wanted = begin + 1;
    uint64_t at = ql__cut_by_lines(block_kind) ? last_line(text, wanted - 1, limit) : last_sentence(text, begin, wanted, limit);
    if (at < wanted) at = last_word(text, begin, wanted, limit);
    /* White space may carry a combining mark, so every candidate is moved to a grapheme's start. */
    const ql_str tail = {text.ptr + begin, text.len - (size_t)begin};
    if (at > begin) at = begin + ql__grapheme_floor(tail, (size_t)(at - begin));
    if (at <= begin) at = begin + ql__grapheme_floor(tail, (size_t)(limit - begin));
    return at;
}
