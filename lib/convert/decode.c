/*
 * Bytes in any encoding to valid UTF-8. Order of decisions: byte order mark, valid UTF-8, UTF-16 by its zero bytes, then
 * UTF-8 with stray bytes or windows-1252. Invariants: nothing is dropped but a byte order mark; the map is sorted, gapless and
 * exact at entry borders (one entry per MAP_STEP source bytes). Threads: no state. Cost: linear; text plus 1/8 for the map.
 */
#include "convert/convert.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "text/utf8.h"

#define SNIFF_BYTES ((size_t)64 << 10)
#define MAP_STEP 256

/* Code points of the bytes 0x80..0x9f; those that windows-1252 leaves undefined stand for themselves. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
    0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

typedef enum encoding { ENCODING_UTF8, ENCODING_UTF16LE, ENCODING_UTF16BE, ENCODING_UTF32LE, ENCODING_UTF32BE, ENCODING_1252, ENCODING_NONE } encoding;

static const char *const encoding_names[] = {"utf-8", "utf-16le", "utf-16be", "utf-32le", "utf-32be", "windows-1252", ""};

static bool has_prefix(ql_str bytes, const char *prefix, size_t len)
{
    return bytes.len >= len && memcmp(bytes.ptr, prefix, len) == 0;
}

/* First bytes of formats that are no text although much of them may look like it. */
static bool has_binary_signature(ql_str bytes)
{
    static const ql_str signatures[] = {
        {"%PDF-", 5}, {"PK\003\004", 4}, {"PK\005\006", 4}, {"\x7f" "ELF", 4}, {"\x89PNG\r\n\x1a\n", 8}, {"\xff\xd8\xff", 3}, {"GIF8", 4},
        {"\x1f\x8b\x08", 3}, {"BZh", 3}, {"\xfd" "7zXZ", 5}, {"7z\xbc\xaf\x27\x1c", 6}, {"\x28\xb5\x2f\xfd", 4}, {"\xd0\xcf\x11\xe0", 4},
        {"MZ\x90", 3}, {"\xca\xfe\xba\xbe", 4}, {"SQLite format 3", 16}, {"OggS", 4}, {"RIFF", 4}, {"wOFF", 4}, {"wOF2", 4}, {"\0asm", 4},
    };
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        if (has_prefix(bytes, signatures[i].ptr, signatures[i].len)) {
            /* Signatures of letters only also begin honest texts: those count with a zero byte near. */
            bool letters = (unsigned char)signatures[i].ptr[0] >= 'A' && (unsigned char)signatures[i].ptr[0] <= 'z' && signatures[i].ptr[2] >= ' ';
            return !letters || memchr(bytes.ptr, 0, bytes.len < 512 ? bytes.len : 512) != NULL;
        }
    }
    return false;
}

typedef struct byte_counts {
    size_t total, zero_even, zero_odd, control;
} byte_counts;

static byte_counts count_bytes(ql_str bytes)
{
    byte_counts counts = {.total = bytes.len < SNIFF_BYTES ? bytes.len : SNIFF_BYTES};
    for (size_t i = 0; i < counts.total; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c == 0) {
            if (i & 1) counts.zero_odd++;
            else counts.zero_even++;
        }
        /* Form feed, backspace and escape are found in listings and terminal logs. */
        if (c < 0x20 && !(c >= '\b' && c <= '\r') && c != 0x1b) counts.control++;
    }
    return counts;
}

static encoding guess_encoding(ql_str bytes, bool *valid_utf8)
{
    *valid_utf8 = false;
    if (has_binary_signature(bytes)) return ENCODING_NONE;
    byte_counts counts = count_bytes(bytes);
    *valid_utf8 = ql__utf8_valid(bytes);
    size_t zeros = counts.zero_even + counts.zero_odd;
    if (zeros > counts.total / 4) {
        if (counts.zero_odd > 8 * counts.zero_even) return ENCODING_UTF16LE;
        if (counts.zero_even > 8 * counts.zero_odd) return ENCODING_UTF16BE;
    }
    /* Valid UTF-8 may hold some control bytes (they are kept); bytes that are neither need to look like Latin text. */
    size_t control_max = *valid_utf8 ? counts.total / 10 : counts.total / 50;
    if (counts.control > control_max && counts.control > 4) return ENCODING_NONE;
    if (*valid_utf8) return ENCODING_UTF8;
    return zeros > 0 ? ENCODING_NONE : ENCODING_1252;
}

/* UTF-8 with stray bytes has more good multi-byte sequences than bad bytes; Latin text has next to none. */
static bool mostly_utf8(ql_str bytes)
{
    size_t good = 0, bad = 0;
    for (size_t at = 0; at < bytes.len && at < SNIFF_BYTES * 16;) {
        uint32_t code_point;
        size_t taken = ql__utf8_next(bytes, at, &code_point);
        if (taken > 1) good++;
        else if (code_point == 0xfffd) bad++;
        at += taken;
    }
    return good > bad;
}

static size_t next_utf16(ql_str bytes, size_t at, bool big, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr + at;
    if (bytes.len - at < 2) {
        *out = 0xfffd;
        return 1;
    }
    uint32_t unit = big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
    *out = unit;
    if (unit < 0xd800 || unit > 0xdfff) return 2;
    *out = 0xfffd;
    if (unit >= 0xdc00 || bytes.len - at < 4) return 2;
    uint32_t low = big ? (uint32_t)p[2] << 8 | p[3] : (uint32_t)p[3] << 8 | p[2];
    if (low < 0xdc00 || low > 0xdfff) return 2;
    *out = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    return 4;
}

static size_t next_utf32(ql_str bytes, size_t at, bool big, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr + at;
    *out = 0xfffd;
    if (bytes.len - at < 4) return bytes.len - at;
    uint32_t value = big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
                         : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    if (value <= 0x10ffff && (value < 0xd800 || value > 0xdfff)) *out = value;
    return 4;
}

/* One code point of the original; `keep` reads good UTF-8 sequences as such and other bytes as windows-1252. */
static size_t next_code_point(ql_str bytes, size_t at, encoding from, bool keep, uint32_t *out)
{
    if (from == ENCODING_UTF16LE || from == ENCODING_UTF16BE) return next_utf16(bytes, at, from == ENCODING_UTF16BE, out);
    if (from == ENCODING_UTF32LE || from == ENCODING_UTF32BE) return next_utf32(bytes, at, from == ENCODING_UTF32BE, out);
    if (keep) {
        size_t taken = ql__utf8_next(bytes, at, out);
        if (taken > 1 || *out != 0xfffd) return taken;
    }
    unsigned char c = (unsigned char)bytes.ptr[at];
    *out = c >= 0x80 && c < 0xa0 ? windows_1252[c - 0x80] : c;
    return 1;
}

/* Writes UTF-8 to `to` (NULL: only counts) and, when map is not NULL, an entry per MAP_STEP source bytes. */
static size_t transcode(ql_str bytes, size_t from_at, encoding from, bool keep, char *to, ql_range_map *map, size_t *map_count)
{
    size_t len = 0, entries = 0;
    for (size_t at = from_at; at < bytes.len;) {
        size_t step_end = at + MAP_STEP, begin = len, source_begin = at;
        while (at < bytes.len && at < step_end) {
            uint32_t code_point;
            char encoded[4];
            at += next_code_point(bytes, at, from, keep, &code_point);
            size_t size = ql__utf8_put(code_point, encoded);
            if (to) memcpy(to + len, encoded, size);
            len += size;
        }
        if (map) map[entries] = (ql_range_map){begin, len - begin, source_begin, at};
        entries++;
    }
    *map_count = entries;
    return len;
}

static ql_status transcode_into(ql_str bytes, size_t from_at, encoding from, bool keep, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    size_t map_count, map_bytes;
    size_t len = transcode(bytes, from_at, from, keep, NULL, NULL, &map_count);
    if (!ql__size_mul(map_count, sizeof(ql_range_map), &map_bytes)) return ql__fail_nomem(err);
    char *text = ql_arena_alloc(arena, len);
    ql_range_map *map = ql_arena_alloc(arena, map_bytes);
    if (!text || !map) return ql__fail_nomem(err);
    (void)transcode(bytes, from_at, from, keep, text, map, &map_count);
    out->text = (ql_str){text, len};
    out->map = map;
    out->map_count = map_count;
    return QL_OK;
}

static encoding encoding_of_mark(ql_str bytes, size_t *mark_bytes)
{
    *mark_bytes = 4;
    if (has_prefix(bytes, "\xff\xfe\0\0", 4)) return ENCODING_UTF32LE;
    if (has_prefix(bytes, "\0\0\xfe\xff", 4)) return ENCODING_UTF32BE;
    *mark_bytes = 3;
    if (has_prefix(bytes, "\xef\xbb\xbf", 3)) return ENCODING_UTF8;
    *mark_bytes = 2;
    if (has_prefix(bytes, "\xff\xfe", 2)) return ENCODING_UTF16LE;
    if (has_prefix(bytes, "\xfe\xff", 2)) return ENCODING_UTF16BE;
    *mark_bytes = 0;
    return ENCODING_NONE;
}

/* UTF-8 behind its mark: the text is borrowed, only the map says that three bytes are missing in front. */
static ql_status borrow_behind_mark(ql_str bytes, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    ql_range_map *map = ql_arena_alloc(arena, sizeof *map);
    if (!map) return ql__fail_nomem(err);
    *map = (ql_range_map){0, bytes.len - 3, 3, bytes.len};
    out->text = (ql_str){bytes.ptr + 3, bytes.len - 3};
    out->map = map;
    out->map_count = 1;
    return QL_OK;
}

ql_status ql__convert_decode(ql_str bytes, ql_arena *arena, ql_canonical *out, bool *binary, ql_error *err)
{
    size_t mark_bytes;
    bool valid = false, keep = false;
    *binary = false;
    encoding from = encoding_of_mark(bytes, &mark_bytes);
    if (from == ENCODING_UTF8) {
        valid = ql__utf8_valid((ql_str){bytes.ptr + mark_bytes, bytes.len - mark_bytes});
        keep = true;
    } else if (from == ENCODING_NONE) {
        from = guess_encoding(bytes, &valid);
    }
    if (from == ENCODING_NONE) {
        *binary = true;
        return QL_OK;
    }
    if (from == ENCODING_1252 && mostly_utf8(bytes)) {
        from = ENCODING_UTF8;
        keep = true;
    }
    ql_canonical decoded = *out;
    decoded.map = NULL;
    decoded.map_count = 0;
    decoded.encoding = ql_str_of(encoding_names[from]);
    if (from == ENCODING_UTF8 && valid && mark_bytes == 0) decoded.text = bytes;
    else if (from == ENCODING_UTF8 && valid) QL_TRY(borrow_behind_mark(bytes, arena, &decoded, err));
    else QL_TRY(transcode_into(bytes, mark_bytes, from, keep, arena, &decoded, err));
    *out = decoded;
    return QL_OK;
}
