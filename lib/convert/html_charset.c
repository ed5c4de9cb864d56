/*
 * Declared encodings of pages. Only labels of the table below are honoured, so that a page cannot name a converter of its own choice.
 * Following the web (encoding.spec.whatwg.org), some labels mean the larger code page that browsers use for them. Threads: no state. Cost: linear.
 */
#include "html_charset.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"
#include "convert/convert.h"
#include "text/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#define PRESCAN_BYTES 1024
#define STEP_BYTES 256 /* of output per entry of the map */

static const struct {
    const char *label, *name;
} encodings[] = {
    {"iso-8859-1", "CP1252"}, {"latin1", "CP1252"}, {"latin-1", "CP1252"}, {"us-ascii", "CP1252"}, {"ascii", "CP1252"}, {"windows-1252", "CP1252"},
    {"cp1252", "CP1252"}, {"iso-8859-2", "ISO-8859-2"}, {"latin2", "ISO-8859-2"}, {"iso-8859-3", "ISO-8859-3"}, {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"}, {"iso-8859-6", "ISO-8859-6"}, {"iso-8859-7", "ISO-8859-7"}, {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-9", "CP1254"}, {"latin5", "CP1254"}, {"windows-1254", "CP1254"}, {"iso-8859-10", "ISO-8859-10"}, {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"}, {"iso-8859-15", "ISO-8859-15"}, {"iso-8859-16", "ISO-8859-16"}, {"windows-1250", "CP1250"}, {"cp1250", "CP1250"},
    {"windows-1251", "CP1251"}, {"cp1251", "CP1251"}, {"windows-1253", "CP1253"}, {"windows-1255", "CP1255"}, {"windows-1256", "CP1256"},
    {"windows-1257", "CP1257"}, {"windows-1258", "CP1258"}, {"windows-874", "CP874"}, {"tis-620", "CP874"}, {"ibm866", "CP866"}, {"cp866", "CP866"},
    {"koi8-r", "KOI8-R"}, {"koi8-u", "KOI8-U"}, {"macintosh", "MACINTOSH"}, {"gb2312", "GB18030"}, {"gbk", "GB18030"}, {"gb18030", "GB18030"},
    {"big5", "BIG5-HKSCS"}, {"big5-hkscs", "BIG5-HKSCS"}, {"euc-jp", "EUC-JP"}, {"shift_jis", "CP932"}, {"shift-jis", "CP932"}, {"sjis", "CP932"},
    {"x-sjis", "CP932"}, {"windows-31j", "CP932"}, {"iso-2022-jp", "ISO-2022-JP"}, {"euc-kr", "CP949"}, {"ks_c_5601-1987", "CP949"}, {"windows-949", "CP949"},
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool starts_with(const char *at, const char *end, const char *word)
{
    for (; *word; at++, word++) {
        if (at >= end || lower(*at) != *word) return false;
    }
    return true;
}

static bool is_label_char(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The value after `key` and "=" in [at, end), quotes left off; empty when there is none. */
static ql_str value_after(const char *at, const char *end, const char *key)
{
    for (; at < end; at++) {
        if (!starts_with(at, end, key)) continue;
        const char *p = at + strlen(key);
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
        if (p >= end || *p != '=') continue;
        p++;
        while (p < end && (*p == ' ' || *p == '"' || *p == '\'')) p++;
        const char *begin = p;
        while (p < end && is_label_char(*p)) p++;
        return (ql_str){begin, (size_t)(p - begin)};
    }
    return (ql_str){NULL, 0};
}

static const char *name_of(ql_str label)
{
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        const char *known = encodings[i].label;
        if (strlen(known) == label.len && starts_with(label.ptr, label.ptr + label.len, known)) return encodings[i].name;
    }
    return NULL;
}

const char *ql__html_declared_encoding(ql_str bytes)
{
    const char *end = bytes.ptr + (bytes.len < PRESCAN_BYTES ? bytes.len : PRESCAN_BYTES);
    for (const char *at = bytes.ptr; at < end; at++) {
        at = memchr(at, '<', (size_t)(end - at));
        if (!at) break;
        bool meta = starts_with(at, end, "<meta"), xml = starts_with(at, end, "<?xml");
        if (starts_with(at, end, "<!--")) {
            const char *close = memmem(at, (size_t)(end - at), "-->", 3);
            if (!close) break;
            at = close;
            continue;
        }
        if (!meta && !xml) continue;
        const char *close = memchr(at, '>', (size_t)(end - at));
        ql_str label = value_after(at, close ? close : end, meta ? "charset" : "encoding");
        if (label.len > 0) return name_of(label);
    }
    return NULL;
}

typedef struct decoder {
    iconv_t handle;
    ql_buf text;
    ql_range_map *map;
    size_t map_count, map_capacity;
} decoder;

/* One step of at most STEP_BYTES of output; false when memory is out. */
static bool decode_step(decoder *self, ql_str bytes, size_t *at)
{
    char out[STEP_BYTES];
    char *from = (char *)bytes.ptr + *at, *to = out;
    size_t from_left = bytes.len - *at, to_left = sizeof out, begin = *at;
    size_t rc = iconv(self->handle, &from, &from_left, &to, &to_left);
    if (rc == (size_t)-1 && errno != E2BIG) {
        /* A byte that means nothing here. */
        if (from_left > 0) from++;
        if (to_left < 3) return false;
        memcpy(to, "\xEF\xBF\xBD", 3);
        to += 3;
    }
    *at = (size_t)(from - bytes.ptr);
    if (*at == begin) (*at)++;
    size_t len = (size_t)(to - out);
    ql_range_map entry = {self->text.len, len, begin, *at};
    if (len == 0) return true;
    return ql_buf_append(&self->text, (ql_str){out, len}) >= 0 && ql__array_push(self->map, self->map_count, self->map_capacity, entry);
}

static ql_status decode_as(const char *name, ql_str bytes, ql_arena *arena, ql_canonical *out, bool *done, ql_error *err)
{
    decoder d = {.handle = iconv_open("UTF-8", name)};
    *done = false;
    if (d.handle == (iconv_t)-1) return QL_OK; /* not installed here: the guess has to do */
    ql_buf_init(&d.text, 0);
    size_t at = 0;
    bool ok = true;
    while (ok && at < bytes.len) ok = decode_step(&d, bytes, &at);
    iconv_close(d.handle);
    ql_range_map *map = ok ? ql_arena_alloc(arena, d.map_count * sizeof *map) : NULL;
    char *text = map ? ql_arena_alloc(arena, d.text.len) : NULL;
    if (text) {
        if (d.map_count > 0) memcpy(map, d.map, d.map_count * sizeof *map);
        memcpy(text, ql_buf_cstr(&d.text), d.text.len);
        *done = ql__utf8_valid((ql_str){text, d.text.len});
    }
    if (*done) {
        out->text = (ql_str){text, d.text.len};
        out->map = map;
        out->map_count = d.map_count;
        out->encoding = ql_str_of(name);
    }
    ql_buf_dispose(&d.text);
    ql__free(d.map);
    return text ? QL_OK : ql__fail_nomem(err);
}

static bool has_mark(ql_str bytes)
{
    const unsigned char *b = (const unsigned char *)bytes.ptr;
    if (bytes.len >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF) return true;
    return bytes.len >= 2 && ((b[0] == 0xFE && b[1] == 0xFF) || (b[0] == 0xFF && b[1] == 0xFE));
}

ql_status ql__html_decode(ql_str bytes, ql_arena *arena, ql_canonical *out, bool *binary, ql_error *err)
{
    const char *name = bytes.len > 0 && !has_mark(bytes) ? ql__html_declared_encoding(bytes) : NULL;
    /* ISO-2022-JP looks like ASCII, so being valid UTF-8 does not speak against it. */
    bool seven_bit = name && strcmp(name, "ISO-2022-JP") == 0 && memchr(bytes.ptr, 0x1B, bytes.len);
    if (name && (seven_bit || !ql__utf8_valid(bytes))) {
        bool done = false;
        *binary = false;
        QL_TRY(decode_as(name, bytes, arena, out, &done, err));
        if (done) return QL_OK;
    }
    return ql__convert_decode(bytes, arena, out, binary, err);
}
