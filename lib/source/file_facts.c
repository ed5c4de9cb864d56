/*
 * Facts about a file from its path and bytes. Nothing here knows a source. Cost: one pass over the content. Threads: any.
 */
#include "source/file_facts.h"

#include <string.h>

#include "base/status.h"
#include "text/utf8.h"

ql_str ql__path_name(ql_str path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.ptr[i - 1] == '/') return (ql_str){path.ptr + i, path.len - i};
    return path;
}

ql_str ql__path_folder(ql_str path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.ptr[i - 1] == '/') return (ql_str){path.ptr, i - 1};
    return (ql_str){path.ptr, 0};
}

ql_str ql__name_extension(ql_str name)
{
    for (size_t i = name.len; i > 1; i--)
        if (name.ptr[i - 1] == '.') return (ql_str){name.ptr + i, name.len - i};
    return (ql_str){name.ptr, 0};
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

ql_status ql__content_type_of(ql_str path, ql_buf *out)
{
    ql_str extension = ql__name_extension(ql__path_name(path));
    ql_buf_clear(out);
    QL_TRY(ql__show(out, extension));
    for (size_t i = 0; i < out->len; i++) out->ptr[i] = lower(out->ptr[i]);
    return QL_OK;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

bool ql__path_is_plain(ql_str path)
{
    if (!ql__utf8_valid(path)) return false;
    for (size_t at = 0; at < path.len;) {
        uint32_t point;
        at += ql__utf8_next(path, at, &point);
        if (is_control(point)) return false;
    }
    return true;
}

ql_status ql__percent_encode(ql_buf *out, ql_str bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~/", (int)c) != NULL;
        if (plain && c != '\0') {
            (void)ql_buf_append_char(out, (char)c);
        } else {
            (void)ql_buf_append(out, (ql_str){(char[]){'%', digits[c >> 4], digits[c & 15]}, 3});
        }
    }
    return out->status;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ql_status ql__percent_decode(ql_buf *out, ql_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        int high = -1, low = -1;
        if (text.ptr[i] == '%' && text.len - i > 2) {
            high = hex_value(text.ptr[i + 1]);
            low = hex_value(text.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            (void)ql_buf_append_char(out, (char)(high * 16 + low));
            i += 2;
        } else {
            (void)ql_buf_append_char(out, text.ptr[i]);
        }
    }
    return out->status;
}

ql_status ql__show(ql_buf *out, ql_str bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        uint32_t point;
        char encoded[4];
        at += ql__utf8_next(bytes, at, &point);
        if (is_control(point)) point = 0xfffd;
        (void)ql_buf_append(out, (ql_str){encoded, ql__utf8_put(point, encoded)});
    }
    return out->status;
}

int64_t ql__time_ms(int64_t seconds, int64_t nanoseconds)
{
    if (seconds >= INT64_MAX / 1000 || seconds <= INT64_MIN / 1000) return QL_TIME_UNKNOWN;
    return seconds * 1000 + nanoseconds / 1000000;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Lines end in a newline or with the text; words are what blanks separate. */
static void count_text(ql_str content, uint64_t *lines, uint64_t *words)
{
    *lines = *words = 0;
    bool in_word = false;
    for (size_t i = 0; i < content.len; i++) {
        char c = content.ptr[i];
        *lines += c == '\n';
        bool blank = is_blank(c);
        *words += !blank && !in_word;
        in_word = !blank;
    }
    *lines += content.len > 0 && content.ptr[content.len - 1] != '\n';
}

static const char *encoding_of(ql_str content)
{
    const unsigned char *bytes = (const unsigned char *)content.ptr;
    if (content.len >= 2 && bytes[0] == 0xff && bytes[1] == 0xfe) return "utf-16le";
    if (content.len >= 2 && bytes[0] == 0xfe && bytes[1] == 0xff) return "utf-16be";
    if (content.len > 0 && memchr(content.ptr, '\0', content.len) != NULL) return "binary";
    return ql__utf8_valid(content) ? "utf-8" : "unknown-8bit";
}

void ql__shown_member(ql__json_writer *json, const char *key, const char *before, ql_str bytes)
{
    ql_buf shown = QL_BUF_INIT;
    (void)ql_buf_append(&shown, ql_str_of(before));
    (void)ql__show(&shown, bytes);
    ql__json_member(json, key, ql_buf_str(&shown));
    if (shown.status < 0) json->out->status = shown.status; /* never a wrong name: the whole object fails */
    ql_buf_dispose(&shown);
}

void ql__file_facts_write(ql__json_writer *json, ql_str path, ql_str content)
{
    ql_str name = ql__path_name(path), extension = ql__name_extension(name);
    const char *encoding = encoding_of(content);
    ql__shown_member(json, "file_type", extension.len > 0 ? "." : "", extension);
    ql__shown_member(json, "file_name", "", name);
    ql__shown_member(json, "file_directory", "/", ql__path_folder(path));
    ql__json_key(json, "file_encoding");
    ql__json_cstring(json, encoding);
    ql__json_key(json, "file_size");
    ql__json_uint(json, content.len);
    if (strcmp(encoding, "utf-8") != 0 && strcmp(encoding, "unknown-8bit") != 0) return;
    uint64_t lines, words;
    count_text(content, &lines, &words);
    ql__json_key(json, "line_count");
    ql__json_uint(json, lines);
    ql__json_key(json, "word_count");
    ql__json_uint(json, words);
}
