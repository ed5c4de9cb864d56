/*
 * JSON and JSON Lines to blocks. Canonical text is the decoded source, every byte of it; values of at least `step` bytes become VALUE blocks labelled with
 * their JSON path, and runs of smaller members are grouped into unlabelled VALUE blocks of about that size, so that even a minified file can be cut
 * between members while blocks stay few: at most one per `step` bytes, 48 in small files and 256 in large ones.
 *
 * The scanner is lenient (control characters in strings, any spelling of numbers) since nothing is evaluated. What is no JSON becomes lines of text. Containers
 * below QL_LIMIT_JSON_DEPTH are skipped over as one opaque value. Invariants: a block begins at a key or value and ends behind its comma.
 * Threads: no state. Cost: linear, one pass; no recursion.
 */
#include "convert/convert.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "convert/block_build.h"
#include "convert/text_blocks.h"
#include "text/utf8.h"

#define STEP_MIN 48
#define STEP_MAX 256
#define DEPTH_MAX (QL_LIMIT_JSON_DEPTH - 8) /* the tree itself, the document and the sequence need some levels */
#define NOWHERE UINT64_MAX

typedef struct frame {
    ql_str key;          /* raw text of the member that is being read, in an object */
    uint64_t index;      /* its position, in an array */
    uint64_t member_begin;
    uint64_t run_begin;  /* first of the small members not yet in a block, NOWHERE when there is none */
    uint32_t block;      /* of this container, QL_BLOCK_NONE when it has none */
    uint32_t last;       /* block that ended last in it, to be stretched over its comma */
    bool object;
} frame;

typedef struct scanner {
    ql_str text;
    uint64_t at, step;
    ql__blocks *blocks;
    ql_arena *arena;
    bool sequence;            /* frames[0] counts the values of JSON Lines */
    unsigned depth;           /* open containers: frames[1..depth] */
    frame frames[DEPTH_MAX + 1];
} scanner;

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_blanks(scanner *self)
{
    while (self->at < self->text.len && is_blank(self->text.ptr[self->at])) self->at++;
}

/* ---- labels ---- */

static bool is_plain_key(ql_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '-' || (c & 0x80))) return false;
    }
    return key.len > 0;
}

/* The path of the member being read in frames[depth], as far as QL_LIMIT_LABEL_BYTES. */
static ql_str path_label(const scanner *self, unsigned depth)
{
    char path[2 * QL_LIMIT_LABEL_BYTES + 32] = "$";
    size_t len = 1;
    for (unsigned i = self->sequence ? 0 : 1; i <= depth && len <= QL_LIMIT_LABEL_BYTES; i++) {
        const frame *at = &self->frames[i];
        int key_len = at->key.len < QL_LIMIT_LABEL_BYTES ? (int)at->key.len : QL_LIMIT_LABEL_BYTES;
        int wrote;
        if (!at->object) wrote = snprintf(path + len, sizeof path - len, "[%llu]", (unsigned long long)at->index);
        else if (is_plain_key(at->key)) wrote = snprintf(path + len, sizeof path - len, ".%.*s", key_len, at->key.ptr);
        else wrote = snprintf(path + len, sizeof path - len, "[\"%.*s\"]", key_len, at->key.ptr);
        if (wrote > 0) len += (size_t)wrote;
        if (len >= sizeof path) len = sizeof path - 1;
    }
    return ql__blocks_label(self->blocks, self->arena, (ql_str){path, ql__utf8_valid_prefix((ql_str){path, len})});
}

/* ---- members ---- */

/* A member of frames[depth] over [begin, end) that has no block of its own joins the run of small ones. */
static void add_to_run(scanner *self, unsigned depth, uint64_t begin, uint64_t end)
{
    frame *in = &self->frames[depth];
    if (in->run_begin == NOWHERE) in->run_begin = begin;
    in->last = QL_BLOCK_NONE;
    if (end - in->run_begin < self->step) return;
    uint32_t index = (uint32_t)self->blocks->count;
    if (ql__blocks_leaf(self->blocks, QL_BLOCK_VALUE, depth + 1, in->run_begin, end, (ql_str){0}, QL_STR("members"))) in->last = index;
    in->run_begin = NOWHERE;
}

/* A scalar, or a container that is not looked into. */
static void add_scalar(scanner *self, uint64_t end, const char *type)
{
    frame *in = &self->frames[self->depth];
    uint64_t begin = in->member_begin;
    if (end - begin < self->step) {
        add_to_run(self, self->depth, begin, end);
        return;
    }
    uint32_t index = (uint32_t)self->blocks->count;
    in->run_begin = NOWHERE;
    in->last = QL_BLOCK_NONE;
    if (ql__blocks_leaf(self->blocks, QL_BLOCK_VALUE, self->depth + 1, begin, end, path_label(self, self->depth), ql_str_of(type))) in->last = index;
}

static void open_container(scanner *self, bool object)
{
    uint64_t begin = self->frames[self->depth].member_begin;
    uint32_t block = ql__blocks_open(self->blocks, QL_BLOCK_VALUE, self->depth + 1, begin);
    self->frames[++self->depth] = (frame){.run_begin = NOWHERE, .block = block, .last = QL_BLOCK_NONE, .object = object};
}

static void close_container(scanner *self, uint64_t end)
{
    const frame *closed = &self->frames[self->depth--];
    frame *in = &self->frames[self->depth];
    if (closed->block == QL_BLOCK_NONE || end - in->member_begin < self->step) {
        if (closed->block != QL_BLOCK_NONE) ql__blocks_cancel(self->blocks, closed->block);
        add_to_run(self, self->depth, in->member_begin, end);
        return;
    }
    self->blocks->items[closed->block].label = path_label(self, self->depth);
    self->blocks->items[closed->block].detail = closed->object ? QL_STR("object") : QL_STR("array");
    ql__blocks_close(self->blocks, end);
    in->run_begin = NOWHERE;
    in->last = closed->block;
}

/* The comma behind a member belongs to it. */
static void take_comma(scanner *self)
{
    frame *in = &self->frames[self->depth];
    self->at++;
    in->index++;
    if (in->last == QL_BLOCK_NONE || self->blocks->failed) return;
    self->blocks->items[in->last].end = self->at;
    self->blocks->cursor = self->at;
}

/* ---- tokens ---- */

/* From the opening quote to behind the closing one; false when it is missing. */
static bool skip_string(scanner *self)
{
    uint64_t p = self->at + 1;
    while (p < self->text.len) {
        const char *quote = memchr(self->text.ptr + p, '"', self->text.len - p);
        if (!quote) break;
        uint64_t end = (uint64_t)(quote - self->text.ptr), slashes = 0;
        while (slashes < end - self->at - 1 && self->text.ptr[end - slashes - 1] == '\\') slashes++;
        p = end + 1;
        if (slashes % 2 == 0) {
            self->at = p;
            return true;
        }
    }
    return false;
}

/* Numbers and literals: returns the JSON type, NULL when there is none. */
static const char *skip_word(scanner *self)
{
    uint64_t begin = self->at;
    while (self->at < self->text.len) {
        char c = self->text.ptr[self->at];
        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '+' || c == '-' || c == '.')) break;
        self->at++;
    }
    const ql_str word = {self->text.ptr + begin, (size_t)(self->at - begin)};
    if (ql_str_equal(word, QL_STR("true")) || ql_str_equal(word, QL_STR("false"))) return "boolean";
    if (ql_str_equal(word, QL_STR("null"))) return "null";
    if (ql_str_equal(word, QL_STR("NaN")) || ql_str_equal(word, QL_STR("Infinity")) || ql_str_equal(word, QL_STR("-Infinity"))) return "number";
    bool digit = false;
    for (size_t i = 0; i < word.len; i++) {
        digit |= word.ptr[i] >= '0' && word.ptr[i] <= '9';
        if ((word.ptr[i] | 32) >= 'a' && (word.ptr[i] | 32) != 'e') return NULL;
    }
    return digit ? "number" : NULL;
}

/* A container too deep to follow: to behind its closing bracket, strings respected, kinds of brackets not. */
static bool skip_opaque(scanner *self)
{
    uint64_t open = 0;
    while (self->at < self->text.len) {
        char c = self->text.ptr[self->at];
        if (c == '"') {
            if (!skip_string(self)) return false;
            continue;
        }
        self->at++;
        if (c == '{' || c == '[') open++;
        if ((c == '}' || c == ']') && --open == 0) return true;
    }
    return false;
}

/* ---- the grammar ---- */

/* At a member: reads its key, in an object, and leaves `at` at the value. */
static bool read_key(scanner *self)
{
    frame *in = &self->frames[self->depth];
    in->member_begin = self->at;
    if (!in->object) return true;
    if (self->at >= self->text.len || self->text.ptr[self->at] != '"' || !skip_string(self)) return false;
    in->key = (ql_str){self->text.ptr + in->member_begin + 1, (size_t)(self->at - in->member_begin - 2)};
    skip_blanks(self);
    if (self->at >= self->text.len || self->text.ptr[self->at] != ':') return false;
    self->at++;
    skip_blanks(self);
    return true;
}

/* At a value: scans a scalar, or opens a container. *opened: its first member, or its end, comes next. */
static bool read_value(scanner *self, bool *opened)
{
    *opened = false;
    if (self->at >= self->text.len) return false;
    char c = self->text.ptr[self->at];
    const char *type = c == '{' ? "object" : c == '[' ? "array" : "string";
    if (c == '{' || c == '[') {
        if (self->depth < DEPTH_MAX) {
            self->at++;
            open_container(self, c == '{');
            *opened = true;
            return true;
        }
        if (!skip_opaque(self)) return false;
    } else if (c == '"') {
        if (!skip_string(self)) return false;
    } else {
        type = skip_word(self);
        if (!type) return false;
    }
    add_scalar(self, self->at, type);
    return true;
}

/* Behind a member of an open container: closes what ends here; *more tells that another member follows. */
static bool read_end(scanner *self, bool first, bool *more)
{
    *more = false;
    for (; self->depth > 0; first = false) {
        const frame *in = &self->frames[self->depth];
        skip_blanks(self);
        char c = self->at < self->text.len ? self->text.ptr[self->at] : '\0';
        if (c == (in->object ? '}' : ']')) {
            self->at++;
            close_container(self, self->at);
            continue;
        }
        if (!first) {
            if (c != ',') return false;
            take_comma(self);
            skip_blanks(self);
        }
        *more = true;
        return true;
    }
    return true;
}

/* One whole value at `at`. On failure `at` is where it failed and containers may be open. */
static bool read_whole(scanner *self)
{
    bool opened, more;
    self->frames[0].member_begin = self->at;
    if (!read_value(self, &opened)) return false;
    if (!read_end(self, opened, &more)) return false;
    while (more) {
        if (!read_key(self) || !read_value(self, &opened) || !read_end(self, opened, &more)) return false;
    }
    return true;
}

/* ---- documents ---- */

static void begin_scan(scanner *self, ql_str text, ql__blocks *blocks, ql_arena *arena, bool sequence)
{
    uint64_t step = text.len >> 16;
    self->text = text;
    self->at = 0;
    self->step = step < STEP_MIN ? STEP_MIN : step > STEP_MAX ? STEP_MAX : step;
    self->blocks = blocks;
    self->arena = arena;
    self->sequence = sequence;
    self->depth = 0;
    self->frames[0] = (frame){.run_begin = NOWHERE, .block = QL_BLOCK_NONE, .last = QL_BLOCK_NONE};
}

/* The text is one value and nothing else. */
static bool read_document(scanner *self)
{
    skip_blanks(self);
    if (!read_whole(self)) return false;
    skip_blanks(self);
    return self->at == self->text.len;
}

/* Drops the open blocks that a failed value left behind. */
static void roll_back(scanner *self)
{
    for (; self->depth > 0; self->depth--) {
        if (self->frames[self->depth].block != QL_BLOCK_NONE) ql__blocks_cancel(self->blocks, self->frames[self->depth].block);
    }
}

/* A value per line; what is none is kept as it is. Returns how many values there were. */
static uint64_t read_lines(scanner *self)
{
    const ql_str whole = self->text;
    uint64_t values = 0;
    for (skip_blanks(self); self->at < whole.len; skip_blanks(self)) {
        uint64_t begin = self->at;
        const char *newline = memchr(whole.ptr + begin, '\n', whole.len - begin);
        uint64_t line_end = newline ? (uint64_t)(newline - whole.ptr) + 1 : whole.len;
        self->text.len = line_end;
        bool valid = read_whole(self);
        if (valid) skip_blanks(self);
        valid = valid && self->at == line_end;
        self->text.len = whole.len;
        if (!valid) {
            roll_back(self);
            self->frames[0].member_begin = begin;
            add_scalar(self, line_end, "invalid");
        }
        values += valid;
        self->at = line_end;
        self->frames[0].index++;
    }
    return values;
}

static ql_status build(ql_str type, ql_arena *arena, ql_canonical *out, scanner *self, ql_error *err)
{
    ql__blocks blocks;
    bool lines = ql_str_equal(type, QL_STR("jsonl")) || ql_str_equal(type, QL_STR("ndjson"));
    ql__blocks_init(&blocks, out->text.len);
    begin_scan(self, out->text, &blocks, arena, lines);
    bool valid = lines ? read_lines(self) > 0 : read_document(self);
    if (!valid && !lines && self->depth == 0 && self->at > 0) {
        ql__blocks_dispose(&blocks);
        ql__blocks_init(&blocks, out->text.len);
        begin_scan(self, out->text, &blocks, arena, true);
        valid = read_lines(self) > 1;
    }
    ql_status status = valid ? ql__blocks_finish(&blocks, arena, out, err) : ql__text_canonical(QL_STR("json"), arena, out, err);
    ql__blocks_dispose(&blocks);
    out->strategy = QL_STR("json");
    return status;
}

static bool accepts(void *self, const ql_document *document)
{
    (void)self;
    static const char *const types[] = {"json", "jsonl", "ndjson", "geojson", "ipynb", "webmanifest", NULL};
    return ql__type_is_one_of(document->content_type, types);
}

static ql_status convert(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    (void)self;
    ql_canonical canonical;
    QL_TRY(ql__convert_begin(document, arena, &canonical, err));
    scanner *scan = ql_arena_alloc(arena, sizeof *scan);
    if (!scan) return ql__fail_nomem(err);
    QL_TRY(build(document->content_type, arena, &canonical, scan, err));
    *out = canonical;
    return QL_OK;
}

const ql_converter_ops *ql__convert_json(void)
{
    static const ql_converter_ops ops = {.struct_size = sizeof ops, .name = "json", .accepts_fn = accepts, .convert_fn = convert};
    return &ops;
}
