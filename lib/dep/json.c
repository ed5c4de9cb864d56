/*
 * JSON: a streaming writer and a reader over jansson's tree.
 *
 * Writer: the only state is a comma bit per depth, so writing costs one pass over the bytes; a failed append sticks in the ql_buf and is
 * checked once by the caller. Number text never depends on the locale. Reader: jansson stops at its own depth (2048), which is more
 * stack than a worker thread should give away, so a linear scan refuses deeper texts first.
 * Threads: one writer per thread; a parsed tree may be read by many threads as long as nobody frees it.
 */
#include "dep/json.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include <qloader/document.h>

#define ROOM_BYTES ((size_t)64 << 10)

/* ---- Writer ---- */

#define WRITER_DEPTH_MAX 63 /* one bit each; what we write is a few levels deep */

void ql__json_begin(ql__json_writer *self, ql_buf *out)
{
    *self = (ql__json_writer){.out = out};
}

/* What must stand before a value or a key. */
static void separate(ql__json_writer *self)
{
    if (self->after_key) {
        self->after_key = false;
        return;
    }
    uint64_t bit = (uint64_t)1 << self->depth;
    if (self->needs_comma & bit) (void)ql_buf_append_char(self->out, ',');
    self->needs_comma |= bit;
}

static void open_level(ql__json_writer *self, char bracket)
{
    separate(self);
    (void)ql_buf_append_char(self->out, bracket);
    assert(self->depth < WRITER_DEPTH_MAX);
    self->depth++;
    self->needs_comma &= ~((uint64_t)1 << self->depth);
}

static void close_level(ql__json_writer *self, char bracket)
{
    assert(self->depth > 0 && !self->after_key);
    self->depth--;
    (void)ql_buf_append_char(self->out, bracket);
}

void ql__json_object(ql__json_writer *self)
{
    open_level(self, '{');
}

void ql__json_object_end(ql__json_writer *self)
{
    close_level(self, '}');
}

void ql__json_array(ql__json_writer *self)
{
    open_level(self, '[');
}

void ql__json_array_end(ql__json_writer *self)
{
    close_level(self, ']');
}

/* Writes one byte that may not stand in a JSON string as it is. */
static void write_escape(ql_buf *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    size_t length = 2;
    switch (byte) {
    case '"': text[1] = '"'; break;
    case '\\': text[1] = '\\'; break;
    case '\n': text[1] = 'n'; break;
    case '\r': text[1] = 'r'; break;
    case '\t': text[1] = 't'; break;
    case '\b': text[1] = 'b'; break;
    case '\f': text[1] = 'f'; break;
    default: length = sizeof text;
    }
    (void)ql_buf_append(out, (ql_str){text, length});
}

/* Bytes of the well-formed multi-byte sequence at p (RFC 3629: no surrogates, no overlong forms), 0 if there is none. The writer needs no code points. */
static size_t sequence_length(const unsigned char *p, size_t left)
{
    size_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < length) return 0;
    unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80, high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return length;
}

static void write_quoted(ql_buf *out, ql_str text)
{
    (void)ql_buf_append_char(out, '"');
    size_t start = 0, at = 0; /* [start, at) is fit to be copied in one piece */
    while (at < text.len) {
        unsigned char byte = (unsigned char)text.ptr[at];
        size_t taken = byte < 0x80 ? 1 : sequence_length((const unsigned char *)text.ptr + at, text.len - at);
        if (taken != 0 && byte >= 0x20 && byte != '"' && byte != '\\') {
            at += taken;
            continue;
        }
        (void)ql_buf_append(out, (ql_str){text.ptr + start, at - start});
        if (taken == 0) (void)ql_buf_append(out, QL_STR("\xEF\xBF\xBD"));
        else write_escape(out, byte);
        start = ++at;
    }
    if (at > start) (void)ql_buf_append(out, (ql_str){text.ptr + start, at - start});
    (void)ql_buf_append_char(out, '"');
}

void ql__json_key_str(ql__json_writer *self, ql_str key)
{
    assert(!self->after_key);
    separate(self);
    write_quoted(self->out, key);
    (void)ql_buf_append_char(self->out, ':');
    self->after_key = true;
}

void ql__json_key(ql__json_writer *self, const char *key)
{
    ql__json_key_str(self, ql_str_of(key));
}

void ql__json_string(ql__json_writer *self, ql_str value)
{
    separate(self);
    write_quoted(self->out, value);
}

void ql__json_member(ql__json_writer *self, const char *key, ql_str value)
{
    ql__json_key(self, key);
    ql__json_string(self, value);
}

void ql__json_cstring(ql__json_writer *self, const char *value)
{
    if (value == NULL) ql__json_null(self);
    else ql__json_string(self, ql_str_of(value));
}

void ql__json_int(ql__json_writer *self, int64_t value)
{
    separate(self);
    (void)ql_buf_printf(self->out, "%lld", (long long)value);
}

void ql__json_uint(ql__json_writer *self, uint64_t value)
{
    separate(self);
    (void)ql_buf_printf(self->out, "%llu", (unsigned long long)value);
}

void ql__json_bool(ql__json_writer *self, bool value)
{
    ql__json_raw(self, value ? QL_STR("true") : QL_STR("false"));
}

void ql__json_null(ql__json_writer *self)
{
    ql__json_raw(self, QL_STR("null"));
}

void ql__json_raw(ql__json_writer *self, ql_str json)
{
    separate(self);
    (void)ql_buf_append(self->out, json);
}

void ql__json_members(ql__json_writer *self, ql_str object_json)
{
    while (object_json.len != 0 && strchr(" \t\r\n", *object_json.ptr) != NULL) object_json.ptr++, object_json.len--;
    while (object_json.len != 0 && strchr(" \t\r\n", object_json.ptr[object_json.len - 1]) != NULL) object_json.len--;
    if (object_json.len < 2 || object_json.ptr[0] != '{' || object_json.ptr[object_json.len - 1] != '}') return;
    ql_str inner = {object_json.ptr + 1, object_json.len - 2};
    while (inner.len != 0 && strchr(" \t\r\n", *inner.ptr) != NULL) inner.ptr++, inner.len--;
    if (inner.len == 0) return;
    assert(!self->after_key);
    ql__json_raw(self, inner);
}

/* ---- Numbers with a fraction ---- */

typedef struct decimal {
    char digits[18]; /* significant digits, no trailing zeros, at least one */
    int count;
    int exponent; /* value = 0.d1d2d3... * 10^exponent */
} decimal;

/* Reads "d.ddde+xx" as printf wrote it in the C locale. */
static void decimal_read(const char *text, decimal *out)
{
    out->count = 0;
    for (; *text != 'e'; text++)
        if (*text != '.' && out->count < (int)sizeof out->digits) out->digits[out->count++] = *text;
    while (out->count > 1 && out->digits[out->count - 1] == '0') out->count--;
    out->exponent = (int)strtol(text + 1, NULL, 10) + 1;
}

/* The fewest digits that read back as the same value. 15 always survive a trip through a normal double, 17 always suffice; subnormals may need fewer. */
static void decimal_of(double magnitude, decimal *out)
{
    char text[32];
    for (int digits = fpclassify(magnitude) == FP_NORMAL ? 15 : 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, magnitude);
        if (digits == 17 || strtod(text, NULL) == magnitude) break;
    }
    decimal_read(text, out);
}

static void write_exponent_form(ql_buf *out, const decimal *number)
{
    (void)ql_buf_append_char(out, number->digits[0]);
    if (number->count > 1) {
        (void)ql_buf_append_char(out, '.');
        (void)ql_buf_append(out, (ql_str){number->digits + 1, (size_t)number->count - 1});
    }
    int exponent = number->exponent - 1;
    (void)ql_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

static void write_plain_form(ql_buf *out, const decimal *number)
{
    if (number->exponent <= 0) {
        (void)ql_buf_append(out, QL_STR("0."));
        for (int i = number->exponent; i < 0; i++) (void)ql_buf_append_char(out, '0');
        (void)ql_buf_append(out, (ql_str){number->digits, (size_t)number->count});
        return;
    }
    for (int i = 0; i < number->exponent || i < number->count; i++) {
        if (i == number->exponent) (void)ql_buf_append_char(out, '.');
        (void)ql_buf_append_char(out, i < number->count ? number->digits[i] : '0');
    }
    if (number->count <= number->exponent) (void)ql_buf_append(out, QL_STR(".0"));
}

void ql__json_double(ql__json_writer *self, double value)
{
    if (!isfinite(value)) {
        ql__json_null(self);
        return;
    }
    separate(self);
    if (signbit(value)) (void)ql_buf_append_char(self->out, '-');
    if (value == 0) {
        (void)ql_buf_append(self->out, QL_STR("0.0"));
        return;
    }
    /* printf and strtod follow the thread's locale; the C locale is a static object of libc, so this neither allocates nor fails. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = plain != (locale_t)0 ? uselocale(plain) : (locale_t)0;
    decimal number;
    decimal_of(fabs(value), &number);
    if (plain != (locale_t)0) {
        (void)uselocale(before);
        freelocale(plain);
    }
    if (number.exponent <= -4 || number.exponent > 16) write_exponent_form(self->out, &number);
    else write_plain_form(self->out, &number);
}

/* ---- Time ---- */

typedef struct civil {
    int64_t year;
    int month, day;
} civil;

/* Days since 1970-01-01 to the proleptic Gregorian calendar: years begin in March, so that leap days come last; 400-year eras repeat. */
static civil civil_of_days(int64_t days)
{
    days += 719468; /* 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    civil out = {.year = year_of_era + era * 400, .day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1)};
    out.month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    if (out.month <= 2) out.year++;
    return out;
}

void ql__json_time(ql__json_writer *self, int64_t unix_ms)
{
    const int64_t day_ms = 86400000;
    int64_t days = unix_ms / day_ms, rest = unix_ms % day_ms;
    if (rest < 0) rest += day_ms, days--;
    civil date = civil_of_days(days);
    /* ISO 8601 has four digits for the year; file systems and commits can hold anything. */
    if (unix_ms == QL_TIME_UNKNOWN || date.year < 0 || date.year > 9999) {
        ql__json_null(self);
        return;
    }
    separate(self);
    int second = (int)(rest / 1000);
    (void)ql_buf_printf(self->out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03d+00:00\"", (int)date.year, date.month, date.day, second / 3600,
                        second / 60 % 60, second % 60, (int)(rest % 1000));
}

/* ---- Reader ---- */

/* The tree is jansson's own; our type exists so that no other folder sees jansson's. */
static const json_t *tree(const ql__json *self)
{
    return (const json_t *)(const void *)self;
}

static const ql__json *ours(const json_t *value)
{
    return (const ql__json *)(const void *)value;
}

/* Refuses texts nested deeper than our cap. Brackets inside strings do not count; malformed texts are left to jansson. */
static ql_status check_depth(ql_str text, ql_error *err)
{
    size_t depth = 0, line = 1, line_start = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == '\n') line++, line_start = i + 1;
        if (in_string) {
            if (byte == '\\') i++;
            else if (byte == '"' || byte == '\n') in_string = false;
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '[' || byte == '{') {
            if (++depth > QL_LIMIT_JSON_DEPTH)
                return ql__fail(err, QL_E_LIMIT, "%zu:%zu: nested deeper than %d levels", line, i - line_start + 1, QL_LIMIT_JSON_DEPTH);
        } else if ((byte == ']' || byte == '}') && depth > 0) {
            depth--;
        }
    }
    return QL_OK;
}

/*
 * jansson's reader (2.14) does not look whether the buffer of its token could grow: it then drops characters, and copies beyond the end of what is
 * left. Every other allocation it checks. So the memory that the longest possible token takes must be there to be had before it starts.
 */
static ql_status check_room(ql_str text, ql_error *err)
{
    size_t bytes;
    void *room = ql__size_mul(text.len, 4, &bytes) && ql__size_add(bytes, ROOM_BYTES, &bytes) ? ql__alloc(bytes) : NULL;
    if (room == NULL) return ql__fail_nomem(err);
    ql__free(room);
    return QL_OK;
}

ql_status ql__json_parse(ql_str text, ql__json **out, ql_error *err)
{
    QL_TRY(check_depth(text, err));
    QL_TRY(check_room(text, err));
    json_error_t failure = {.text = ""};
    errno = 0;
    json_t *root = json_loadb(text.len != 0 ? text.ptr : "", text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &failure);
    /* Its code tells a want of memory here and there only; elsewhere it says nothing, or calls the token invalid that it had no room for. */
    bool short_of_memory = errno == ENOMEM || (root == NULL && (json_error_code(&failure) == json_error_out_of_memory || failure.text[0] == '\0'));
    if (short_of_memory) {
        json_decref(root);
        return ql__fail_nomem(err);
    }
    if (root == NULL) return ql__fail(err, QL_E_FORMAT, "%d:%d: %s", failure.line < 1 ? 1 : failure.line, failure.column < 1 ? 1 : failure.column, failure.text);
    *out = (ql__json *)(void *)root;
    return QL_OK;
}

ql_status ql__json_check_object(ql_str text, ql_error *err)
{
    ql__json *json = NULL;
    QL_TRY(ql__json_parse(text, &json, err));
    bool object = ql__json_is_object(json);
    ql__json_free(json);
    return object ? QL_OK : ql__fail(err, QL_E_FORMAT, "it is JSON, but no object");
}

void ql__json_free(ql__json *self)
{
    json_decref((json_t *)(void *)self);
}

const ql__json *ql__json_get(const ql__json *self, const char *key)
{
    return ours(json_object_get(tree(self), key));
}

const ql__json *ql__json_at(const ql__json *self, size_t index)
{
    return ours(json_array_get(tree(self), index));
}

size_t ql__json_count(const ql__json *self)
{
    return json_is_object(tree(self)) ? json_object_size(tree(self)) : json_array_size(tree(self));
}

bool ql__json_is_object(const ql__json *self)
{
    return json_is_object(tree(self));
}

bool ql__json_is_array(const ql__json *self)
{
    return json_is_array(tree(self));
}

bool ql__json_is_string(const ql__json *self)
{
    return json_is_string(tree(self));
}

ql_str ql__json_str(const ql__json *self, ql_str fallback)
{
    return json_is_string(tree(self)) ? (ql_str){json_string_value(tree(self)), json_string_length(tree(self))} : fallback;
}

int64_t ql__json_int_of(const ql__json *self, int64_t fallback)
{
    if (json_is_integer(tree(self))) return json_integer_value(tree(self));
    if (!json_is_real(tree(self))) return fallback;
    double value = json_real_value(tree(self));
    bool fits = value >= -0x1p63 && value < 0x1p63 && value == trunc(value);
    return fits ? (int64_t)value : fallback;
}

double ql__json_double_of(const ql__json *self, double fallback)
{
    return json_is_number(tree(self)) ? json_number_value(tree(self)) : fallback;
}

bool ql__json_bool_of(const ql__json *self, bool fallback)
{
    return json_is_boolean(tree(self)) ? json_is_true(tree(self)) : fallback;
}

static int append_dumped(const char *bytes, size_t size, void *user)
{
    return ql_buf_append(user, (ql_str){bytes, size}) < 0 ? -1 : 0;
}

ql_status ql__json_put(ql__json_writer *self, const ql__json *value, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    if (json_dump_callback(tree(value), append_dumped, &text, JSON_ENCODE_ANY | JSON_COMPACT) != 0) return ql__fail_nomem(err);
    ql__json_raw(self, ql_buf_str(&text));
    return QL_OK;
}

bool ql__json_next(const ql__json *self, void **iter, ql_str *key, const ql__json **value)
{
    if (!json_is_object(tree(self))) return false;
    json_t *object = (json_t *)(void *)(uintptr_t)(const void *)self; /* jansson's iteration takes a mutable object and leaves it alone */
    *iter = *iter == NULL ? json_object_iter(object) : json_object_iter_next(object, *iter);
    if (*iter == NULL) return false;
    *key = (ql_str){json_object_iter_key(*iter), json_object_iter_key_len(*iter)};
    *value = ours(json_object_iter_value(*iter));
    return true;
}
