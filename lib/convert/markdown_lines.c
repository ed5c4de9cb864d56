/*
 * Markdown without a parser: parts both readers need, and the reader for texts that are too large or too deeply nested for cmark.
 * It knows ATX headings, fences and empty lines. Invariants: works on any bytes. Threads: no state. Cost: linear.
 */
#include "convert/markdown_parts.h"

#include <string.h>

#include "base/limits.h"
#include "convert/text_blocks.h"

#define FRONT_MATTER_BYTES_MAX ((size_t)64 << 10)

size_t ql__md_line_end(ql_str text, size_t at)
{
    while (at < text.len && text.ptr[at] != '\n' && text.ptr[at] != '\r') at++;
    if (at < text.len && text.ptr[at] == '\r') at++;
    else return at < text.len ? at + 1 : at;
    return at < text.len && text.ptr[at] == '\n' ? at + 1 : at;
}

static ql_str trim(ql_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || (text.ptr[0] >= '\t' && text.ptr[0] <= '\r'))) text = (ql_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || (text.ptr[text.len - 1] >= '\t' && text.ptr[text.len - 1] <= '\r'))) text.len--;
    return text;
}

static bool starts_with(ql_str text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

/* A line without up to three blanks in front. */
static ql_str unindent(ql_str line)
{
    for (int i = 0; i < 3 && line.len > 0 && line.ptr[0] == ' '; i++) line = (ql_str){line.ptr + 1, line.len - 1};
    return line;
}

unsigned ql__md_atx(ql_str line, ql_str *raw)
{
    line = unindent(line);
    unsigned level = 0;
    while (level < line.len && level < 7 && line.ptr[level] == '#') level++;
    if (level == 0 || level > 6) return 0;
    if (level < line.len && line.ptr[level] != ' ' && line.ptr[level] != '\t' && line.ptr[level] != '\n' && line.ptr[level] != '\r') return 0;
    ql_str text = trim((ql_str){line.ptr + level, line.len - level});
    size_t len = text.len;
    while (len > 0 && text.ptr[len - 1] == '#') len--;
    if (len == 0 || text.ptr[len - 1] == ' ' || text.ptr[len - 1] == '\t') text = trim((ql_str){text.ptr, len});
    *raw = text;
    return level;
}

size_t ql__md_fence(ql_str line, char *mark, ql_str *info)
{
    line = unindent(line);
    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) return 0;
    line = trim(line);
    if (line.len < 3 || (line.ptr[0] != '`' && line.ptr[0] != '~')) return 0;
    size_t len = 1;
    while (len < line.len && line.ptr[len] == line.ptr[0]) len++;
    ql_str rest = trim((ql_str){line.ptr + len, line.len - len});
    if (len < 3 || (line.ptr[0] == '`' && rest.len > 0 && memchr(rest.ptr, '`', rest.len))) return 0;
    size_t word = 0;
    while (word < rest.len && rest.ptr[word] != ' ' && rest.ptr[word] != '\t' && rest.ptr[word] != ',' && rest.ptr[word] != '}') word++;
    if (word > 0 && rest.ptr[0] == '{') rest = (ql_str){rest.ptr + 1, rest.len - 1}, word--;
    *mark = line.ptr[0];
    *info = (ql_str){rest.ptr, word};
    return len;
}

/* The value of a "title: ..." or "title = ..." line, without quotes; empty when the line is another. */
static ql_str title_of_line(ql_str line)
{
    if (!starts_with(line, "title")) return (ql_str){0};
    ql_str value = trim((ql_str){line.ptr + 5, line.len - 5});
    if (value.len == 0 || (value.ptr[0] != ':' && value.ptr[0] != '=')) return (ql_str){0};
    value = trim((ql_str){value.ptr + 1, value.len - 1});
    if (value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') && value.ptr[value.len - 1] == value.ptr[0]) value = (ql_str){value.ptr + 1, value.len - 2};
    return value;
}

size_t ql__md_front_matter(ql_str text, ql_str *title)
{
    *title = (ql_str){0};
    size_t at = ql__md_line_end(text, 0);
    const ql_str first = trim((ql_str){text.ptr, at});
    bool yaml = ql_str_equal(first, QL_STR("---")), toml = ql_str_equal(first, QL_STR("+++")), keys = false;
    if ((!yaml && !toml) || text.len == 0 || text.ptr[0] != (yaml ? '-' : '+')) return 0;
    ql_str found = {0};
    while (at < text.len && at < FRONT_MATTER_BYTES_MAX) {
        size_t end = ql__md_line_end(text, at);
        const ql_str raw = {text.ptr + at, end - at}, line = trim(raw);
        if (yaml ? ql_str_equal(line, QL_STR("---")) || ql_str_equal(line, QL_STR("...")) : ql_str_equal(line, QL_STR("+++"))) {
            if (!keys) return 0; /* two rulers with prose between them */
            *title = found;
            return end;
        }
        if (raw.len > 0 && line.len > 0 && memchr(line.ptr, yaml ? ':' : '=', line.len)) keys = true;
        else if (!keys && line.len > 0 && line.ptr[0] != '#') return 0;
        if (found.len == 0) found = title_of_line(raw);
        at = end;
    }
    return 0;
}

/* End of a link's destination "(...)" that begins at `at`, or `at` when there is none. */
static size_t skip_destination(ql_str raw, size_t at)
{
    if (at >= raw.len || raw.ptr[at] != '(') return at;
    int depth = 0;
    for (size_t p = at; p < raw.len; p++) {
        if (raw.ptr[p] == '(') depth++;
        if (raw.ptr[p] == ')' && --depth == 0) return p + 1;
    }
    return at;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c & 0x80);
}

/* Bytes of raw[at..] that are markup only, 0 when the byte there is text. */
static size_t skip_markup(ql_str raw, size_t at, bool *keep_next)
{
    char c = raw.ptr[at], before = at > 0 ? raw.ptr[at - 1] : ' ', after = at + 1 < raw.len ? raw.ptr[at + 1] : ' ';
    bool escapes = c == '\\' && after > ' ' && !is_word(after);
    *keep_next = escapes;
    if (escapes || c == '`' || c == '[') return 1;
    if (c == '*') return before == ' ' && after == ' ' ? 0 : 1;
    if (c == '_') return is_word(before) && is_word(after) ? 0 : before == ' ' && after == ' ' ? 0 : 1;
    if (c == '!' && after == '[') return 1;
    if (c == ']') return skip_destination(raw, at + 1) - at > 0 ? skip_destination(raw, at + 1) - at : 1;
    if (c == '<' && (after == '/' || after == '!' || ((after | 32) >= 'a' && (after | 32) <= 'z'))) {
        const char *close = memchr(raw.ptr + at, '>', raw.len - at);
        return close && !memchr(raw.ptr + at, ':', (size_t)(close - raw.ptr) - at) ? (size_t)(close - raw.ptr) - at + 1 : 0;
    }
    return 0;
}

ql_str ql__md_plain(const ql__md_outline *self, ql_str raw)
{
    char text[QL_LIMIT_LABEL_BYTES + 64];
    size_t len = 0;
    bool keep_next = false, in_code = false;
    if (raw.len > 4 * sizeof text) raw.len = 4 * sizeof text; /* a label is short; no need to read a 5 MB heading */
    for (size_t at = 0; at < raw.len && len < sizeof text;) {
        if (raw.ptr[at] == '`' && !keep_next) in_code = !in_code;
        size_t skip = keep_next || (in_code && raw.ptr[at] != '`') ? 0 : skip_markup(raw, at, &keep_next);
        if (skip == 0) {
            text[len++] = raw.ptr[at];
            skip = 1;
            keep_next = false;
        }
        at += skip;
    }
    ql_str plain = ql__blocks_label(self->blocks, self->arena, (ql_str){text, len});
    return plain.len > 0 ? plain : ql__blocks_label(self->blocks, self->arena, raw);
}

void ql__md_heading(ql__md_outline *self, unsigned level, uint64_t begin, uint64_t end, ql_str raw)
{
    while (self->open > 0 && self->levels[self->open - 1] >= level) {
        ql__blocks_close(self->blocks, begin);
        self->open--;
    }
    uint32_t section = ql__blocks_open(self->blocks, QL_BLOCK_SECTION, level, begin);
    bool first = self->first_heading.len == 0 || (level == 1 && self->first_h1.len == 0);
    if (section == QL_BLOCK_NONE && !first) return;
    ql_str label = ql__md_plain(self, raw);
    if (self->first_heading.len == 0) self->first_heading = label;
    if (level == 1 && self->first_h1.len == 0) self->first_h1 = label;
    if (section == QL_BLOCK_NONE) return;
    self->blocks->items[section].label = label;
    self->levels[self->open++] = level;
    (void)ql__blocks_leaf(self->blocks, QL_BLOCK_HEADING, level, begin, end, (ql_str){0}, (ql_str){0});
}

void ql__md_outline_close(ql__md_outline *self, uint64_t end)
{
    for (; self->open > 0; self->open--) ql__blocks_close(self->blocks, end);
}

/* End of the fenced block that begins at `at`: behind its closing fence, or the end of text. */
static size_t fenced_end(ql_str text, size_t at, char mark, size_t len)
{
    at = ql__md_line_end(text, at);
    while (at < text.len) {
        size_t end = ql__md_line_end(text, at);
        const ql_str line = trim((ql_str){text.ptr + at, end - at});
        size_t run = 0;
        while (run < line.len && line.ptr[run] == mark) run++;
        at = end;
        if (run >= len && run == line.len) break;
    }
    return at;
}

void ql__md_read_lines(ql__md_outline *outline, ql_str text, size_t begin)
{
    size_t start = begin; /* of the text not yet in a block */
    for (size_t at = begin; at < text.len;) {
        size_t end = ql__md_line_end(text, at), fence;
        const ql_str line = {text.ptr + at, end - at};
        ql_str raw, info;
        char mark;
        unsigned level = ql__md_atx(line, &raw);
        if (level > 0) {
            ql__text_paragraphs(outline->blocks, text, start, at);
            ql__md_heading(outline, level, at, end, raw);
            start = end;
        } else if ((fence = ql__md_fence(line, &mark, &info)) > 0) {
            ql__text_paragraphs(outline->blocks, text, start, at);
            end = fenced_end(text, at, mark, fence);
            (void)ql__blocks_leaf(outline->blocks, QL_BLOCK_CODE, 0, at, end, ql__blocks_label(outline->blocks, outline->arena, info), (ql_str){0});
            start = end;
        }
        at = end;
    }
    ql__text_paragraphs(outline->blocks, text, start, text.len);
}
