/*
 * UTF-8 and grapheme clusters. Invariants: nothing here reads outside the view; offsets returned are code point
 * boundaries for valid text. Threads: no state. Cost: linear for validation (eight ASCII bytes a step), constant else.
 */
#include "text/utf8.h"

#include <string.h>

#include <utf8proc.h>

#include "base/limits.h"

/* How far a boundary search looks back for a place where clusters certainly begin. */
#define LOOK_BACK_BYTES 4096

/* Bytes of the well-formed sequence at p (Unicode, table 3-7), 0 when it is none. */
static size_t sequence_len(const unsigned char *p, size_t len)
{
    unsigned char a = p[0];
    if (a < 0x80) return 1;
    if (a < 0xc2 || a > 0xf4) return 0;
    if (len < 2) return 0;
    unsigned char low = 0x80, high = 0xbf;
    if (a == 0xe0) low = 0xa0;
    if (a == 0xed) high = 0x9f;
    if (a == 0xf0) low = 0x90;
    if (a == 0xf4) high = 0x8f;
    if (p[1] < low || p[1] > high) return 0;
    if (a < 0xe0) return 2;
    if (len < 3 || (p[2] & 0xc0) != 0x80) return 0;
    if (a < 0xf0) return 3;
    if (len < 4 || (p[3] & 0xc0) != 0x80) return 0;
    return 4;
}

size_t ql__utf8_valid_prefix(ql_str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t at = 0;
    while (at < text.len) {
        uint64_t word;
        while (at + sizeof word <= text.len) {
            memcpy(&word, p + at, sizeof word);
            if (word & UINT64_C(0x8080808080808080)) break;
            at += sizeof word;
        }
        if (at == text.len) break;
        size_t taken = sequence_len(p + at, text.len - at);
        if (taken == 0) break;
        at += taken;
    }
    return at;
}

bool ql__utf8_valid(ql_str text)
{
    return ql__utf8_valid_prefix(text) == text.len;
}

size_t ql__utf8_next(ql_str text, size_t at, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)text.ptr + at;
    size_t taken = sequence_len(p, text.len - at);
    switch (taken) {
    case 1: *out = p[0]; return 1;
    case 2: *out = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3fu); return 2;
    case 3: *out = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3fu); return 3;
    case 4:
        *out = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3fu);
        return 4;
    default: *out = 0xfffd; return 1;
    }
}

size_t ql__utf8_put(uint32_t code_point, char out[4])
{
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff)) code_point = 0xfffd;
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}

size_t ql__utf8_floor(ql_str text, size_t at)
{
    if (at >= text.len) return text.len;
    size_t back = 0;
    while (back < 3 && at > back && ((unsigned char)text.ptr[at - back] & 0xc0) == 0x80) back++;
    return at - back;
}

static bool is_regional(uint32_t code_point)
{
    return code_point >= 0x1f1e6 && code_point <= 0x1f1ff;
}

/* A place <= at (itself a code point start) from which cluster state can be computed: between two ASCII bytes there is always a boundary, CR LF aside. */
static size_t safe_start(ql_str text, size_t at)
{
    size_t floor = at > LOOK_BACK_BYTES ? at - LOOK_BACK_BYTES : 0;
    for (size_t p = at; p > floor; p--) {
        unsigned char a = (unsigned char)text.ptr[p - 1], b = p < text.len ? (unsigned char)text.ptr[p] : 'x';
        if (a < 0x80 && b < 0x80 && !(a == '\r' && b == '\n')) return p;
    }
    size_t start = ql__utf8_floor(text, floor);
    uint32_t code_point;
    while (start > 0) {
        (void)ql__utf8_next(text, start, &code_point);
        if (!is_regional(code_point)) break;
        start = ql__utf8_floor(text, start - 1);
    }
    return start;
}

size_t ql__grapheme_floor(ql_str text, size_t at)
{
    if (at >= text.len) return text.len;
    at = ql__utf8_floor(text, at);
    size_t p = safe_start(text, at), last = p;
    if (p == at) return at;
    uint32_t before, after;
    utf8proc_int32_t state = 0;
    p += ql__utf8_next(text, p, &before);
    while (p < text.len) {
        size_t taken = ql__utf8_next(text, p, &after);
        bool boundary = utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)after, &state);
        if (boundary && p <= at) last = p;
        /* Behind `at` only the length of its cluster is still of interest. */
        if (last == at || (boundary && p > at) || p - last > QL_LIMIT_GRAPHEME_BYTES) {
            if (p >= at) break;
        }
        before = after;
        p += taken;
    }
    return p - last > QL_LIMIT_GRAPHEME_BYTES ? at : last;
}

size_t ql__grapheme_next(ql_str text, size_t at)
{
    uint32_t before, after;
    utf8proc_int32_t state = 0;
    size_t p = at + ql__utf8_next(text, at, &before);
    while (p < text.len) {
        size_t taken = ql__utf8_next(text, p, &after);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)after, &state)) return p;
        if (p + taken - at > QL_LIMIT_GRAPHEME_BYTES) return p;
        before = after;
        p += taken;
    }
    return text.len;
}
