/*
 * From libyaml's events to a tree. The loader of libyaml is not used: it copies aliases and knows no caps. Recursion is bounded by
 * QL_LIMIT_CONFIG_DEPTH. Which plain text is a boolean, number or time follows the rules of YAML 1.1 as PyYAML reads them, because that is
 * how existing files were read so far. One thread per call. Cost: linear in the text.
 */
#include "dep/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/status.h"

typedef struct reader {
    yaml_parser_t parser;
    ql_str text;
    ql__arena *arena;
    ql__yaml_problem_fn problem_fn;
    void *user;
    ql_error *err;
    ql__map anchors; /* name -> node, the latest of a name */
} reader;

/* ---- Problems ---- */

static void report(reader *self, size_t line, size_t column, const char *sentence)
{
    if (self->problem_fn != NULL) self->problem_fn(self->user, (uint32_t)line, (uint32_t)column, sentence);
}

static ql_status stop(reader *self, ql_status status, size_t line, size_t column, const char *sentence)
{
    report(self, line, column, sentence);
    return ql__fail(self->err, status, "%zu:%zu: %s", line, column, sentence);
}

static ql_status stop_at_mark(reader *self, ql_status status, const yaml_mark_t *mark, const char *sentence)
{
    return stop(self, status, mark->line + 1, mark->column + 1, sentence);
}

/* What "found character that cannot start any token" means to somebody who wrote a configuration; NULL: nothing better is known. */
static const char *plainer_words(const reader *self)
{
    const yaml_mark_t *mark = &self->parser.problem_mark;
    const char *line = self->text.ptr, *end = line + self->text.len;
    static const struct {
        const char *theirs, *ours;
    } words[] = {
        {"did not find expected alphabetic or numeric character", "'*' and '&' begin an alias or an anchor: a value like '*.md' needs quotes (or a quote before it was never closed)"},
        {"mapping values are not allowed", "a ':' in the middle of a value: put the value in quotes, or check the indentation of this line and the one above"},
        {"hexdecimal number", "in double quotes a backslash begins an escape: write the value in single quotes"},
        {"unknown escape character", "in double quotes a backslash begins an escape: write the value in single quotes"},
        {"tab character", "a line is indented by a tab: YAML takes spaces only"},
    };
    if (self->parser.error != YAML_SCANNER_ERROR || self->parser.problem == NULL) return NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(self->parser.problem, words[i].theirs) != NULL) return words[i].ours;
    if (strstr(self->parser.problem, "cannot start any token") == NULL) return NULL;
    for (size_t i = 0; i < mark->line && line != NULL; i++) {
        line = memchr(line, '\n', (size_t)(end - line));
        if (line != NULL) line++;
    }
    if (line == NULL) return NULL;
    while (line < end && *line == ' ') line++;
    if (line < end && *line == '\t') return "a line is indented by a tab: YAML takes spaces only";
    return "a value that begins with '@', '`' or '%' needs quotes";
}

/* libyaml's own complaint. Bytes that are no text have an offset instead of a mark. */
static ql_status stop_at_syntax(reader *self)
{
    yaml_parser_t *parser = &self->parser;
    if (parser->error == YAML_MEMORY_ERROR) return ql__fail_nomem(self->err);
    char sentence[256];
    if (parser->error == YAML_READER_ERROR) {
        size_t line = 1, column = 1;
        for (size_t i = 0; i < parser->problem_offset && i < self->text.len; i++) {
            if (self->text.ptr[i] == '\n') line++, column = 1;
            else if (((unsigned char)self->text.ptr[i] & 0xC0) != 0x80) column++;
        }
        (void)snprintf(sentence, sizeof sentence, "not readable as text: %s", parser->problem != NULL ? parser->problem : "bad encoding");
        return stop(self, QL_E_FORMAT, line, column, sentence);
    }
    const char *plainer = plainer_words(self);
    if (plainer != NULL) return stop_at_mark(self, QL_E_FORMAT, &parser->problem_mark, plainer);
    int used = snprintf(sentence, sizeof sentence, "%s%s%s", parser->problem != NULL ? parser->problem : "not YAML", parser->context != NULL ? " " : "",
                        parser->context != NULL ? parser->context : "");
    if (parser->context != NULL && parser->context_mark.line != parser->problem_mark.line && used > 0 && (size_t)used < sizeof sentence)
        (void)snprintf(sentence + used, sizeof sentence - (size_t)used, " that begins on line %zu", parser->context_mark.line + 1);
    return stop_at_mark(self, QL_E_FORMAT, &parser->problem_mark, sentence);
}

/* ---- What plain text means ---- */

static bool is_word(ql_str text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ql_str_equal(text, ql_str_of(words[i]))) return true;
    return false;
}

#define IS_WORD(text, ...) is_word((text), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

/* Digits of a base with '_' between them; false: something else, or nothing. Values beyond 64 bits go on in *approximate. */
static bool read_digits(ql_str text, unsigned base, uint64_t *exact, double *approximate, bool *fits)
{
    bool any = false;
    *exact = 0, *approximate = 0, *fits = true;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '_') continue;
        unsigned digit = (unsigned)digit_value(text.ptr[i]);
        if (digit >= base) return false;
        any = true;
        *approximate = *approximate * base + digit;
        if (__builtin_mul_overflow(*exact, base, exact) || __builtin_add_overflow(*exact, digit, exact)) *fits = false;
    }
    if (*fits) *approximate = (double)*exact;
    return any;
}

static void set_whole(ql__yaml_node *out, bool negative, uint64_t exact, double approximate, bool fits)
{
    if (fits && exact <= (uint64_t)INT64_MAX) {
        out->kind = QL__YAML_INT;
        out->integer = negative ? -(int64_t)exact : (int64_t)exact;
    } else {
        out->kind = QL__YAML_FLOAT;
        out->number = negative ? -approximate : approximate;
    }
}

static ql_str after(ql_str text, size_t count)
{
    return (ql_str){text.ptr + count, text.len - count};
}

static size_t find(ql_str text, char wanted)
{
    const char *hit = text.len != 0 ? memchr(text.ptr, wanted, text.len) : NULL;
    return hit != NULL ? (size_t)(hit - text.ptr) : text.len;
}

/* "1:30:00" counts in sixties, a leftover of YAML 1.1. */
static bool resolve_sixties(ql_str digits, bool negative, ql__yaml_node *out)
{
    double total = 0;
    for (size_t part = 0;; part++) {
        size_t colon = find(digits, ':');
        uint64_t exact;
        double approximate;
        bool fits;
        ql_str one = {digits.ptr, colon};
        if (!read_digits(one, 10, &exact, &approximate, &fits) || !fits || total > 1e12) return false;
        if (part == 0 ? *one.ptr == '0' || *one.ptr == '_' : one.len > 2 || exact > 59) return false;
        total = total * 60 + approximate;
        if (colon == digits.len) break;
        digits = after(digits, colon + 1);
    }
    set_whole(out, negative, (uint64_t)total, total, true);
    return true;
}

static bool resolve_whole(ql_str text, ql__yaml_node *out)
{
    bool negative = text.len != 0 && *text.ptr == '-';
    ql_str digits = text.len != 0 && (*text.ptr == '-' || *text.ptr == '+') ? after(text, 1) : text;
    if (digits.len == 0 || *digits.ptr < '0' || *digits.ptr > '9') return false;
    unsigned base = 10;
    if (*digits.ptr == '0' && digits.len > 1) {
        base = digits.ptr[1] == 'b' ? 2 : digits.ptr[1] == 'x' ? 16 : 8;
        digits = after(digits, base == 8 ? 1 : 2);
    }
    if (base == 10 && find(digits, ':') < digits.len) return resolve_sixties(digits, negative, out);
    uint64_t exact;
    double approximate;
    bool fits;
    if (!read_digits(digits, base, &exact, &approximate, &fits)) return false;
    set_whole(out, negative, exact, approximate, fits);
    return true;
}

/* digits '.' digits [e sign digits]: YAML 1.1 wants the point, and a sign in the exponent. */
static bool is_fraction(ql_str text)
{
    size_t at = text.len != 0 && (*text.ptr == '-' || *text.ptr == '+'), digits = 0, point = text.len;
    for (; at < text.len && ((text.ptr[at] >= '0' && text.ptr[at] <= '9') || text.ptr[at] == '_' || (text.ptr[at] == '.' && point == text.len)); at++) {
        if (text.ptr[at] == '.') point = at;
        else if (text.ptr[at] != '_') digits++;
        else if (digits == 0) return false;
    }
    if (point == text.len || digits == 0) return false;
    if (at == text.len) return true;
    if (text.ptr[at] != 'e' && text.ptr[at] != 'E') return false;
    if (++at == text.len || (text.ptr[at] != '-' && text.ptr[at] != '+') || ++at == text.len) return false;
    for (; at < text.len; at++)
        if (text.ptr[at] < '0' || text.ptr[at] > '9') return false;
    return true;
}

/* strtod follows the locale, so the number is put together here: digits as a whole number, then one scaling by a power of ten. */
static double fraction_value(ql_str text)
{
    bool negative = *text.ptr == '-';
    long double value = 0;
    long scale = 0, exponent = 0;
    bool past_point = false;
    size_t at = *text.ptr == '-' || *text.ptr == '+';
    for (; at < text.len && text.ptr[at] != 'e' && text.ptr[at] != 'E'; at++) {
        if (text.ptr[at] == '.') past_point = true;
        if (text.ptr[at] < '0' || text.ptr[at] > '9') continue;
        value = value * 10 + (text.ptr[at] - '0');
        scale -= past_point;
    }
    if (at < text.len) {
        bool down = text.ptr[at + 1] == '-';
        for (at += 2; at < text.len && exponent < 100000; at++) exponent = exponent * 10 + (text.ptr[at] - '0');
        if (down) exponent = -exponent;
    }
    if (value == 0) return negative ? -0.0 : 0.0;
    scale += exponent;
    value = scale < 0 ? value / powl(10, (long double)-scale) : value * powl(10, (long double)scale);
    return (double)(negative ? -value : value);
}

static bool all_digits(ql_str text, size_t first, size_t count)
{
    if (text.len < first + count) return false;
    for (size_t i = first; i < first + count; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
    return true;
}

/* 2024-05-01, or a date and a time of day after 'T' or blanks. The parts are judged by whoever wants a time. */
static bool is_time(ql_str text)
{
    if (!all_digits(text, 0, 4) || text.len < 8 || text.ptr[4] != '-') return false;
    if (text.len == 10) return all_digits(text, 5, 2) && text.ptr[7] == '-' && all_digits(text, 8, 2);
    size_t at = 5;
    for (int part = 0; part < 2; part++) {
        size_t digits = 0;
        while (at < text.len && digits < 2 && text.ptr[at] >= '0' && text.ptr[at] <= '9') at++, digits++;
        if (digits == 0 || at == text.len) return false;
        if (part == 0 && text.ptr[at++] != '-') return false;
    }
    if (text.ptr[at] != 'T' && text.ptr[at] != 't' && text.ptr[at] != ' ' && text.ptr[at] != '\t') return false;
    ql_str rest = after(text, at + 1);
    while (rest.len != 0 && (*rest.ptr == ' ' || *rest.ptr == '\t')) rest = after(rest, 1);
    for (size_t i = 0; i < rest.len; i++)
        if (strchr("0123456789:.+-Zz \t", rest.ptr[i]) == NULL || rest.ptr[i] == '\0') return false;
    size_t colon = find(rest, ':');
    return (colon == 1 || colon == 2) && all_digits(rest, 0, colon) && all_digits(rest, colon + 1, 2) && rest.len > colon + 3 && rest.ptr[colon + 3] == ':' &&
           all_digits(rest, colon + 4, 2);
}

void ql__yaml_resolve(ql_str text, ql__yaml_node *out)
{
    if (text.len == 0 || IS_WORD(text, "~", "null", "Null", "NULL")) {
        out->kind = QL__YAML_NULL;
    } else if (IS_WORD(text, "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")) {
        out->kind = QL__YAML_BOOL;
        out->boolean = true;
    } else if (IS_WORD(text, "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")) {
        out->kind = QL__YAML_BOOL;
        out->boolean = false;
    } else if (resolve_whole(text, out)) {
        return;
    } else if (is_fraction(text)) {
        out->kind = QL__YAML_FLOAT;
        out->number = fraction_value(text);
    } else if (IS_WORD(text, ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF")) {
        out->kind = QL__YAML_FLOAT;
        out->number = HUGE_VAL;
    } else if (IS_WORD(text, "-.inf", "-.Inf", "-.INF")) {
        out->kind = QL__YAML_FLOAT;
        out->number = -HUGE_VAL;
    } else if (IS_WORD(text, ".nan", ".NaN", ".NAN")) {
        out->kind = QL__YAML_FLOAT;
        out->number = NAN;
    } else {
        out->kind = is_time(text) ? QL__YAML_TIME : QL__YAML_STRING;
    }
}

/* ---- Events to nodes ---- */

static ql__yaml_node *new_node(reader *self, ql__yaml_kind kind, const yaml_mark_t *mark)
{
    ql__yaml_node *node = ql__arena_alloc_zero(self->arena, 1, sizeof *node);
    if (node == NULL) return NULL;
    node->kind = kind;
    node->line = (uint32_t)(mark->line + 1);
    node->column = (uint32_t)(mark->column + 1);
    node->height = 1;
    node->weight = 1;
    return node;
}

static ql_status next_event(reader *self, yaml_event_t *event)
{
    if (yaml_parser_parse(&self->parser, event)) return QL_OK;
    return stop_at_syntax(self);
}

static ql_status remember_anchor(reader *self, const yaml_char_t *anchor, ql__yaml_node *node)
{
    if (anchor == NULL) return QL_OK;
    ql_str name;
    if (!ql__arena_copy(self->arena, ql_str_of((const char *)anchor), &name)) return ql__fail_nomem(self->err);
    uint64_t *place = ql__map_insert(&self->anchors, name, NULL);
    if (place == NULL) return ql__fail_nomem(self->err);
    *place = (uint64_t)(uintptr_t)node;
    return QL_OK;
}

#define TAG_PREFIX "tag:yaml.org,2002:"

/* An explicit tag decides the kind; one that nobody here knows is a problem, and the value is then read as if it had none. */
static void apply_tag(reader *self, const char *tag, const yaml_mark_t *mark, ql__yaml_node *node)
{
    static const struct {
        const char *name;
        ql__yaml_kind kind;
    } tags[] = {{"str", QL__YAML_STRING}, {"int", QL__YAML_INT}, {"float", QL__YAML_FLOAT}, {"bool", QL__YAML_BOOL}, {"null", QL__YAML_NULL}, {"timestamp", QL__YAML_TIME}};
    char sentence[200];
    const char *name = strncmp(tag, TAG_PREFIX, sizeof TAG_PREFIX - 1) == 0 ? tag + sizeof TAG_PREFIX - 1 : "";
    ql__yaml_resolve(node->text, node);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (strcmp(name, tags[i].name) != 0) continue;
        if (tags[i].kind == QL__YAML_FLOAT && node->kind == QL__YAML_INT) {
            node->number = (double)node->integer;
            node->kind = QL__YAML_FLOAT;
        }
        if (tags[i].kind == QL__YAML_STRING) node->kind = QL__YAML_STRING;
        if (node->kind == tags[i].kind) return;
        (void)snprintf(sentence, sizeof sentence, "this is tagged !!%s but does not read as one", name);
        report(self, mark->line + 1, mark->column + 1, sentence);
        return;
    }
    report(self, mark->line + 1, mark->column + 1, "this tag has no meaning here; a value that begins with '!' needs quotes");
}

static ql_status read_scalar(reader *self, const yaml_event_t *event, ql__yaml_node **out)
{
    ql__yaml_node *node = new_node(self, QL__YAML_STRING, &event->start_mark);
    ql_str value = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (node == NULL || !ql__arena_copy(self->arena, value, &node->text)) return ql__fail_nomem(self->err);
    const char *tag = (const char *)event->data.scalar.tag;
    node->plain = tag == NULL && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (event->data.scalar.anchor != NULL && node->plain && value.len == 0) /* not repeated: it may be a secret that wants quotes */
        report(self, event->start_mark.line + 1, event->start_mark.column + 1, "an anchor without a value; a value that begins with '&' needs quotes");
    if (tag != NULL && strcmp(tag, "!") != 0) apply_tag(self, tag, &event->start_mark, node);
    else if (node->plain) ql__yaml_resolve(node->text, node);
    *out = node;
    return remember_anchor(self, event->data.scalar.anchor, node);
}

static ql_status read_alias(reader *self, const yaml_event_t *event, ql__yaml_node **out)
{
    const char *name = (const char *)event->data.alias.anchor;
    const uint64_t *place = ql__map_find(&self->anchors, ql_str_of(name));
    char sentence[160];
    if (place == NULL) {
        /* not repeated: it may be a secret that wants quotes */
        (void)snprintf(sentence, sizeof sentence, "this alias has no anchor before it; a value that begins with '*' needs quotes");
        return stop_at_mark(self, QL_E_FORMAT, &event->start_mark, sentence);
    }
    *out = (ql__yaml_node *)(uintptr_t)*place;
    if (!(*out)->open) return QL_OK;
    (void)snprintf(sentence, sizeof sentence, "the alias '*%.100s' stands inside what it stands for", name);
    return stop_at_mark(self, QL_E_FORMAT, &event->start_mark, sentence);
}

/* Notes a child in its parent's size and holds both caps. */
static ql_status add_child(reader *self, ql__yaml_node *parent, const ql__yaml_node *child, unsigned depth, const yaml_mark_t *mark)
{
    char sentence[120];
    parent->weight += child->weight;
    if (child->height + 1 > parent->height) parent->height = child->height + 1;
    if (parent->weight > QL_LIMIT_CONFIG_NODES) {
        (void)snprintf(sentence, sizeof sentence, "aliases make this grow beyond %d values", QL_LIMIT_CONFIG_NODES);
        return stop_at_mark(self, QL_E_LIMIT, mark, sentence);
    }
    if (depth + parent->height > QL_LIMIT_CONFIG_DEPTH) {
        (void)snprintf(sentence, sizeof sentence, "nested deeper than %d levels", QL_LIMIT_CONFIG_DEPTH);
        return stop_at_mark(self, QL_E_LIMIT, mark, sentence);
    }
    return QL_OK;
}

static ql_status read_node(reader *self, const yaml_event_t *event, unsigned depth, ql__yaml_node **out);

/* What a map or list is read into before its final size is known. */
typedef struct children {
    ql__yaml_node **items;
    size_t count, capacity;
} children;

static ql_status read_children(reader *self, ql__yaml_node *parent, yaml_event_type_t end, unsigned depth, children *out)
{
    for (;;) {
        yaml_event_t event;
        QL_TRY(next_event(self, &event));
        if (event.type == end) {
            yaml_event_delete(&event);
            return QL_OK;
        }
        ql__yaml_node *child = NULL;
        ql_status status = read_node(self, &event, depth + 1, &child);
        if (status == QL_OK) status = add_child(self, parent, child, depth, &event.start_mark);
        if (status == QL_OK && !ql__array_push(out->items, out->count, out->capacity, child)) status = ql__fail_nomem(self->err);
        yaml_event_delete(&event);
        QL_TRY(status);
    }
}

static ql_status read_list(reader *self, const yaml_event_t *event, unsigned depth, ql__yaml_node *list)
{
    const char *tag = (const char *)event->data.sequence_start.tag;
    if (tag != NULL && strcmp(tag, "!") != 0 && strcmp(tag, TAG_PREFIX "seq") != 0) report(self, list->line, list->column, "a list cannot have this tag");
    QL_TRY(remember_anchor(self, event->data.sequence_start.anchor, list));
    children found = {0};
    ql_status status = read_children(self, list, YAML_SEQUENCE_END_EVENT, depth, &found);
    if (status == QL_OK) {
        list->list.items = ql__arena_alloc_zero(self->arena, found.count, sizeof *list->list.items);
        if (list->list.items == NULL) status = ql__fail_nomem(self->err);
        else if (found.count != 0) memcpy(list->list.items, found.items, found.count * sizeof *found.items);
        list->list.count = found.count;
    }
    ql__free(found.items);
    return status;
}

/* Pairs of one map while they are collected, with the place of each key. */
typedef struct pairs {
    ql__yaml_pair *items;
    size_t count, capacity;
    ql__map places;
} pairs;

static ql_status add_own_pair(reader *self, pairs *into, ql__yaml_node *key, ql__yaml_node *value)
{
    bool inserted;
    uint64_t *place = ql__map_insert(&into->places, key->text, &inserted);
    if (place == NULL) return ql__fail_nomem(self->err);
    if (inserted) {
        *place = into->count;
        return ql__array_push(into->items, into->count, into->capacity, ((ql__yaml_pair){key, value})) ? QL_OK : ql__fail_nomem(self->err);
    }
    char sentence[200];
    (void)snprintf(sentence, sizeof sentence, "the key '%.100s' is written twice; it is already on line %u", key->text.ptr, into->items[*place].key->line);
    report(self, key->line, key->column, sentence);
    into->items[*place] = (ql__yaml_pair){key, value};
    return QL_OK;
}

/* A merged map fills in what is not there yet. */
static ql_status merge_map(reader *self, pairs *into, const ql__yaml_node *key, const ql__yaml_node *from)
{
    if (from->kind != QL__YAML_MAP) {
        report(self, key->line, key->column, "'<<' merges maps only");
        return QL_OK;
    }
    for (size_t i = 0; i < from->map.count; i++) {
        bool inserted;
        uint64_t *place = ql__map_insert(&into->places, from->map.pairs[i].key->text, &inserted);
        if (place == NULL) return ql__fail_nomem(self->err);
        if (!inserted) continue;
        *place = into->count;
        if (!ql__array_push(into->items, into->count, into->capacity, from->map.pairs[i])) return ql__fail_nomem(self->err);
    }
    return QL_OK;
}

static bool is_merge(const ql__yaml_node *key)
{
    return key->plain && ql_str_equal(key->text, QL_STR("<<"));
}

static ql_status merge(reader *self, pairs *into, const ql__yaml_node *key, const ql__yaml_node *value)
{
    if (value->kind != QL__YAML_LIST) return merge_map(self, into, key, value);
    for (size_t i = 0; i < value->list.count; i++) QL_TRY(merge_map(self, into, key, value->list.items[i]));
    return QL_OK;
}

static ql_status collect_pairs(reader *self, const children *found, pairs *out)
{
    for (size_t i = 0; i + 1 < found->count; i += 2) {
        ql__yaml_node *key = found->items[i];
        if (key->kind == QL__YAML_LIST || key->kind == QL__YAML_MAP) report(self, key->line, key->column, "a key must be a word, not a list or a map");
        else if (!is_merge(key)) QL_TRY(add_own_pair(self, out, key, found->items[i + 1]));
    }
    for (size_t i = 0; i + 1 < found->count; i += 2)
        if (is_merge(found->items[i])) QL_TRY(merge(self, out, found->items[i], found->items[i + 1]));
    return QL_OK;
}

static ql_status read_map(reader *self, const yaml_event_t *event, unsigned depth, ql__yaml_node *map)
{
    const char *tag = (const char *)event->data.mapping_start.tag;
    if (tag != NULL && strcmp(tag, "!") != 0 && strcmp(tag, TAG_PREFIX "map") != 0) report(self, map->line, map->column, "a map cannot have this tag");
    QL_TRY(remember_anchor(self, event->data.mapping_start.anchor, map));
    children found = {0};
    pairs collected = {0};
    ql__map_init(&collected.places, 0);
    ql_status status = read_children(self, map, YAML_MAPPING_END_EVENT, depth, &found);
    if (status == QL_OK) status = collect_pairs(self, &found, &collected);
    if (status == QL_OK) {
        map->map.pairs = ql__arena_alloc_zero(self->arena, collected.count, sizeof *map->map.pairs);
        if (map->map.pairs == NULL) status = ql__fail_nomem(self->err);
        else if (collected.count != 0) memcpy(map->map.pairs, collected.items, collected.count * sizeof *collected.items);
        map->map.count = collected.count;
    }
    ql__map_dispose(&collected.places);
    ql__free(collected.items);
    ql__free(found.items);
    return status;
}

static ql_status read_node(reader *self, const yaml_event_t *event, unsigned depth, ql__yaml_node **out)
{
    if (event->type == YAML_ALIAS_EVENT) return read_alias(self, event, out);
    if (event->type == YAML_SCALAR_EVENT) return read_scalar(self, event, out);
    if (depth >= QL_LIMIT_CONFIG_DEPTH) {
        char sentence[80];
        (void)snprintf(sentence, sizeof sentence, "nested deeper than %d levels", QL_LIMIT_CONFIG_DEPTH);
        return stop_at_mark(self, QL_E_LIMIT, &event->start_mark, sentence);
    }
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    ql__yaml_node *node = new_node(self, is_list ? QL__YAML_LIST : QL__YAML_MAP, &event->start_mark);
    if (node == NULL) return ql__fail_nomem(self->err);
    node->open = true;
    QL_TRY(is_list ? read_list(self, event, depth, node) : read_map(self, event, depth, node));
    node->open = false;
    *out = node;
    return QL_OK;
}

/* Stream start, the one document, stream end. */
static ql_status read_stream(reader *self, ql__yaml_node **out)
{
    for (;;) {
        yaml_event_t event;
        QL_TRY(next_event(self, &event));
        ql_status status = QL_OK;
        bool is_end = event.type == YAML_STREAM_END_EVENT;
        bool is_value = event.type == YAML_ALIAS_EVENT || event.type == YAML_SCALAR_EVENT || event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && *out != NULL)
            status = stop_at_mark(self, QL_E_FORMAT, &event.start_mark, "a second document begins here; only one is allowed");
        else if (is_value) status = read_node(self, &event, 0, out);
        yaml_event_delete(&event);
        QL_TRY(status);
        if (!is_end) continue;
        static const yaml_mark_t start = {0, 0, 0};
        if (*out == NULL && (*out = new_node(self, QL__YAML_NULL, &start)) == NULL) return ql__fail_nomem(self->err);
        return QL_OK;
    }
}

ql_status ql__yaml_parse(ql_str text, ql__arena *arena, ql__yaml_problem_fn problem_fn, void *user, ql__yaml_node **out, ql_error *err)
{
    reader self = {.text = text, .arena = arena, .problem_fn = problem_fn, .user = user, .err = err};
    ql__yaml_node *root = NULL;
    if (text.len > QL_LIMIT_CONFIG_BYTES) return stop(&self, QL_E_LIMIT, 1, 1, "the file is larger than 16 MiB");
    if (!yaml_parser_initialize(&self.parser)) return ql__fail_nomem(err);
    yaml_parser_set_input_string(&self.parser, (const unsigned char *)(text.len != 0 ? text.ptr : ""), text.len);
    ql__map_init(&self.anchors, 0);
    ql_status status = read_stream(&self, &root);
    ql__map_dispose(&self.anchors);
    yaml_parser_delete(&self.parser);
    if (status == QL_OK) *out = root;
    return status;
}

const ql__yaml_node *ql__yaml_get(const ql__yaml_node *self, ql_str key)
{
    if (self == NULL || self->kind != QL__YAML_MAP) return NULL;
    for (size_t i = 0; i < self->map.count; i++)
        if (ql_str_equal(self->map.pairs[i].key->text, key)) return self->map.pairs[i].value;
    return NULL;
}
