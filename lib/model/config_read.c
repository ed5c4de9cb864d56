/*
 * From the YAML tree to typed values, driven by the table: every key is looked up, converted by the rules of its type, checked against its
 * range, and defaults fill what is not written. Whatever is wrong is noted with its place and left out, so that one run finds
 * everything. Recursion is bounded by the depth cap of the YAML reader. One loader, one thread.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "model/config_loader.h"

static ql__value *read_value(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node);
static ql__value *default_value(ql__config_loader *self, const ql__config_key *row);

/* ---- Look-ups ---- */

ql__value *ql__value_get(const ql__value *map, const char *key)
{
    if (map == NULL || map->kind != QL__YAML_MAP) return NULL;
    for (size_t i = 0; i < map->map.count; i++)
        if (ql_str_equal(map->map.members[i].key, ql_str_of(key))) return map->map.members[i].value;
    return NULL;
}

ql__value *ql__value_at(const ql__value *root, const char *path)
{
    char part[64];
    const ql__value *at = root;
    while (at != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        if (length >= sizeof part) return NULL;
        memcpy(part, path, length);
        part[length] = '\0';
        at = ql__value_get(at, part);
        path += length + (path[length] == '.');
    }
    return (ql__value *)(uintptr_t)at; /* the tree of the caller, const only on the way */
}

ql_str ql__value_text(const ql__value *value)
{
    return value != NULL && value->kind == QL__YAML_STRING ? value->text : QL_STR("");
}

int64_t ql__value_int(const ql__value *value, int64_t fallback)
{
    return value != NULL && value->kind == QL__YAML_INT ? value->integer : fallback;
}

bool ql__value_bool(const ql__value *value)
{
    return value != NULL && value->kind == QL__YAML_BOOL && value->boolean;
}

static ql_str trim(ql_str text)
{
    while (text.len != 0 && strchr(" \t\r\n", *text.ptr) != NULL && *text.ptr != '\0') text.ptr++, text.len--;
    while (text.len != 0 && text.ptr[text.len - 1] != '\0' && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL) text.len--;
    return text;
}

bool ql__value_is_filled(const ql__value *value)
{
    if (value == NULL || !value->written || value->kind == QL__YAML_NULL) return false;
    if (value->kind == QL__YAML_STRING) return trim(value->text).len != 0;
    return value->kind != QL__YAML_MAP || value->map.count != 0;
}

/* ---- Small helpers ---- */

static ql__value *new_value(ql__config_loader *self, const ql__config_key *row, ql__yaml_kind kind, const ql__yaml_node *node)
{
    ql__value *value = ql__loader_alloc(self, 1, sizeof *value);
    if (value == NULL) return NULL;
    value->row = row;
    value->kind = kind;
    value->written = node != NULL;
    if (node != NULL) {
        value->line = node->line;
        value->column = node->column;
        value->replaced = node->replaced;
    }
    return value;
}

/* ", not 'x'" for a message: never a secret, never what came from the environment. */
static const char *not_this(const ql__config_key *row, const ql__yaml_node *node, char out[80])
{
    out[0] = '\0';
    if (node->kind == QL__YAML_LIST || node->kind == QL__YAML_MAP) (void)snprintf(out, 80, ", not a %s", node->kind == QL__YAML_LIST ? "list" : "map");
    else if (node->kind == QL__YAML_NULL) (void)snprintf(out, 80, ", not nothing");
    else if ((row == NULL || !(row->flags & QL__KEY_SECRET)) && !node->replaced)
        (void)snprintf(out, 80, ", not '%.*s%s'", (int)(node->text.len < 40 ? node->text.len : 40), node->text.ptr, node->text.len > 40 ? "..." : "");
    return out;
}

/* A missing variable is a problem already; what follows from it would only repeat that. */
static bool is_reported(const ql__config_loader *self, const ql__yaml_node *node)
{
    return node->unresolved && !self->options->lenient;
}

static ql__value *wrong(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node, const char *wanted)
{
    char tail[80];
    if (is_reported(self, node)) return NULL;
    ql__problem(self, node->line, node->column, "%s must be %s%s", shown, wanted, not_this(row, node, tail));
    return NULL;
}

/* The value is not shown: a token whose source has no name stands where a map is wanted. */
static ql__value *wrong_map(ql__config_loader *self, const char *shown, const ql__yaml_node *node, const char *wanted)
{
    const char *found = node->kind == QL__YAML_LIST ? "a list" : node->kind == QL__YAML_MAP ? "a map" : node->kind == QL__YAML_NULL ? "nothing" : "a single value";
    if (!is_reported(self, node)) ql__problem(self, node->line, node->column, "%s must be %s, not %s", shown, wanted, found);
    return NULL;
}

static bool equals_ignoring_case(ql_str a, const char *b)
{
    if (a.len != strlen(b)) return false;
    for (size_t i = 0; i < a.len; i++) {
        char c = a.ptr[i] >= 'A' && a.ptr[i] <= 'Z' ? (char)(a.ptr[i] + 32) : a.ptr[i];
        if (c != b[i]) return false;
    }
    return true;
}

/* ---- Numbers ---- */

/* "12", "-3", "7.0" as text: what environment variables bring. */
static bool whole_of_text(ql_str text, int64_t *out)
{
    text = trim(text);
    bool negative = text.len != 0 && *text.ptr == '-';
    if (text.len != 0 && (*text.ptr == '-' || *text.ptr == '+')) text.ptr++, text.len--;
    uint64_t value = 0;
    size_t at = 0;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, (unsigned)(text.ptr[at] - '0'), &value) || value > INT64_MAX) return false;
    if (at == 0) return false;
    if (at < text.len && text.ptr[at] == '.') {
        if (++at == text.len) return false;
        while (at < text.len && text.ptr[at] == '0') at++;
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    return at == text.len;
}

static bool whole_of(const ql__yaml_node *node, int64_t *out)
{
    switch (node->kind) {
    case QL__YAML_INT: *out = node->integer; return true;
    case QL__YAML_BOOL: *out = node->boolean; return true;
    case QL__YAML_STRING: return whole_of_text(node->text, out);
    case QL__YAML_FLOAT:
        if (!(node->number >= -0x1p62 && node->number <= 0x1p62) || node->number != trunc(node->number)) return false;
        *out = (int64_t)node->number;
        return true;
    default: return false;
    }
}

static bool number_of(const ql__yaml_node *node, double *out)
{
    int64_t whole;
    if (node->kind != QL__YAML_FLOAT && whole_of(node, &whole)) {
        *out = (double)whole;
        return true;
    }
    ql__yaml_node read = *node;
    if (node->kind == QL__YAML_STRING) ql__yaml_resolve(trim(node->text), &read);
    if (read.kind != QL__YAML_FLOAT || !isfinite(read.number)) return false;
    *out = read.number;
    return true;
}

static ql__value *check_range(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node, double number, ql__value *value)
{
    bool ranged = row->min != 0 || row->max != 0;
    if (!ranged || (number >= row->min && number <= row->max)) return value;
    char wanted[80];
    if (row->max >= 4294967295.0 || row->max == 2147483647.0) (void)snprintf(wanted, sizeof wanted, "at least %.0f", row->min);
    else if (row->min > 0 && row->min < 1) (void)snprintf(wanted, sizeof wanted, "more than 0 and at most %.0f", row->max);
    else (void)snprintf(wanted, sizeof wanted, "between %.0f and %.0f", row->min, row->max);
    return wrong(self, row, shown, node, wanted);
}

static ql__value *read_int(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    int64_t whole;
    if (!whole_of(node, &whole)) return wrong(self, row, shown, node, "a whole number");
    ql__value *value = new_value(self, row, QL__YAML_INT, node);
    if (value != NULL) value->integer = whole;
    return check_range(self, row, shown, node, (double)whole, value);
}

static ql__value *read_number(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    double number;
    if (!number_of(node, &number)) return wrong(self, row, shown, node, "a number");
    ql__value *value = new_value(self, row, QL__YAML_FLOAT, node);
    if (value != NULL) value->number = number;
    return check_range(self, row, shown, node, number, value);
}

/* [Nh][Nm][Ns] in any case; upper ISO form PT[nH][nM][nS] the same behind its prefix. No days. */
static bool duration_of_text(ql_str text, int64_t *out)
{
    static const char units[] = "hms";
    static const int64_t seconds[] = {3600, 60, 1};
    text = trim(text);
    if (whole_of_text(text, out)) return true;
    if (text.len > 2 && text.ptr[0] == 'P' && text.ptr[1] == 'T') text.ptr += 2, text.len -= 2;
    *out = 0;
    size_t next_unit = 0;
    for (size_t at = 0; at < text.len; at++) {
        int64_t count = 0;
        size_t first = at;
        for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && count < 1000000000; at++) count = count * 10 + (text.ptr[at] - '0');
        if (at == first || at == text.len) return false;
        char unit = text.ptr[at] >= 'A' && text.ptr[at] <= 'Z' ? (char)(text.ptr[at] + 32) : text.ptr[at];
        while (next_unit < 3 && units[next_unit] != unit) next_unit++;
        if (next_unit == 3) return false;
        *out += count * seconds[next_unit++];
    }
    return next_unit > 0;
}

static ql__value *read_duration(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    int64_t seconds;
    bool good = node->kind == QL__YAML_STRING ? duration_of_text(node->text, &seconds) : node->kind != QL__YAML_BOOL && whole_of(node, &seconds);
    if (!good) return wrong(self, row, shown, node, "a time in seconds, like 300, 1h30m or PT1H30M");
    ql__value *value = new_value(self, row, QL__YAML_INT, node);
    if (value != NULL) value->integer = seconds;
    return check_range(self, row, shown, node, (double)seconds, value);
}

/* ---- Booleans ---- */

static bool boolean_of_text(ql_str text, bool strict, bool *out)
{
    static const char *const yes[] = {"true", "1", "yes", "on", "t", "y"}, *const no[] = {"false", "0", "no", "off", "f", "n"};
    text = trim(text);
    size_t count = strict ? 1 : sizeof yes / sizeof *yes;
    for (size_t i = 0; i < count; i++) {
        if (equals_ignoring_case(text, yes[i])) return *out = true, true;
        if (equals_ignoring_case(text, no[i])) return *out = false, true;
    }
    return false;
}

static ql__value *read_bool(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    bool strict = row->type == QL__TYPE_BOOL_STRICT, truth = false, good = false;
    if (node->kind == QL__YAML_BOOL) {
        truth = node->boolean;
        good = !strict || equals_ignoring_case(node->text, "true") || equals_ignoring_case(node->text, "false");
    } else if (node->kind == QL__YAML_STRING) {
        good = boolean_of_text(node->text, strict, &truth);
    } else if (!strict && (node->kind == QL__YAML_INT || node->kind == QL__YAML_FLOAT)) {
        int64_t whole = -1;
        good = whole_of(node, &whole) && (whole == 0 || whole == 1);
        truth = whole == 1;
    }
    if (!good) return wrong(self, row, shown, node, "true or false");
    ql__value *value = new_value(self, row, QL__YAML_BOOL, node);
    if (value != NULL) value->boolean = truth;
    return value;
}

/* ---- Text ---- */

bool ql__config_is_name(ql_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), other = (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!letter && (i == 0 || !other)) return false;
    }
    return text.len != 0 && text.len <= 255;
}

static ql__value *text_value(ql__config_loader *self, const ql__config_key *row, const ql__yaml_node *node, ql_str text)
{
    ql__value *value = new_value(self, row, QL__YAML_STRING, node);
    if (value != NULL) value->text = text;
    return value;
}

static ql__value *read_string(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    bool is_scalar = node->kind != QL__YAML_LIST && node->kind != QL__YAML_MAP && node->kind != QL__YAML_NULL;
    if (node->kind != QL__YAML_STRING) return wrong(self, row, shown, node, is_scalar ? "text; put it in quotes" : "text");
    if (memchr(node->text.ptr, '\0', node->text.len) != NULL) return wrong(self, row, shown, node, "text without NUL bytes");
    if ((row->flags & QL__KEY_NONE_WORD) && (equals_ignoring_case(node->text, "none") || equals_ignoring_case(node->text, "null")))
        return new_value(self, row, QL__YAML_NULL, node);
    if ((row->flags & QL__KEY_NONBLANK) && trim(node->text).len == 0) {
        ql__problem(self, node->line, node->column, "%s must not be blank", shown);
        return NULL;
    }
    if (row->type == QL__TYPE_NAME && !ql__config_is_name(node->text)) return wrong(self, row, shown, node, "a name of letters, digits, '_' and '-' that begins with a letter");
    return text_value(self, row, node, node->text);
}

/* The word of "a|b|c" that text is, in the table's spelling; NULL: none. */
static bool find_choice(const char *choices, ql_str text, ql_str *out)
{
    char word[64];
    for (const char *at = choices; *at != '\0';) {
        size_t length = strcspn(at, "|");
        if (length < sizeof word) {
            memcpy(word, at, length);
            word[length] = '\0';
            if (equals_ignoring_case(text, word)) return *out = (ql_str){at, length}, true;
        }
        at += length + (at[length] == '|');
    }
    return false;
}

static ql__value *read_choice(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    ql_str found;
    if (node->kind == QL__YAML_STRING && find_choice(row->choices, trim(node->text), &found)) return text_value(self, row, node, ql__loader_copy(self, found));
    char wanted[128] = "one of ";
    size_t used = strlen(wanted);
    for (const char *at = row->choices; *at != '\0' && used + 3 < sizeof wanted; at++) {
        wanted[used++] = *at == '|' ? ',' : *at;
        if (*at == '|') wanted[used++] = ' ';
    }
    wanted[used] = '\0';
    return wrong(self, row, shown, node, wanted);
}

static ql__value *read_place(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    const char *why = NULL;
    ql_str out = QL_STR("");
    if (node->kind != QL__YAML_STRING) return wrong(self, row, shown, node, "text");
    bool of_source = strncmp(row->path, "projects.", 9) == 0, good;
    if (row->type == QL__TYPE_GIT_URL) good = ql__config_git_url(self, node->text, &out, &why);
    else if (row->type == QL__TYPE_FOLDER) good = ql__config_folder(self, node->text, &out, &why);
    else good = ql__config_url(self, node->text, of_source, &out, &why);
    if (good) return text_value(self, row, node, out);
    if ((row->flags & QL__KEY_NULLABLE) && trim(node->text).len == 0) return new_value(self, row, QL__YAML_NULL, node); /* url: "${MAYBE}" */
    if (!is_reported(self, node)) ql__problem(self, node->line, node->column, "%s %s", shown, why != NULL ? why : "is not a place");
    return NULL;
}

static bool digits(ql_str text, size_t at, size_t count, int *out)
{
    *out = 0;
    if (text.len < at + count) return false;
    for (size_t i = at; i < at + count; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        *out = *out * 10 + (text.ptr[i] - '0');
    }
    return true;
}

/* Date, and optionally a time of day with fraction and zone. */
static bool is_iso_time(ql_str text)
{
    int year, month, day, hour, minute, second = 0;
    if (!digits(text, 0, 4, &year) || text.len < 10 || text.ptr[4] != '-' || !digits(text, 5, 2, &month) || text.ptr[7] != '-' || !digits(text, 8, 2, &day)) return false;
    if (month < 1 || month > 12 || day < 1 || day > 31) return false;
    if (text.len == 10) return true;
    if ((text.ptr[10] != 'T' && text.ptr[10] != 't' && text.ptr[10] != ' ') || !digits(text, 11, 2, &hour) || text.len < 16 || text.ptr[13] != ':' || !digits(text, 14, 2, &minute)) return false;
    size_t at = 16;
    if (at < text.len && text.ptr[at] == ':') {
        if (!digits(text, 17, 2, &second)) return false;
        at = 19;
        if (at < text.len && text.ptr[at] == '.')
            for (at++; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';) at++;
    }
    if (hour > 23 || minute > 59 || second > 60) return false;
    ql_str zone = {text.ptr + at, text.len - at};
    if (zone.len == 0 || ql_str_equal(zone, QL_STR("Z")) || ql_str_equal(zone, QL_STR("z"))) return true;
    return (zone.len == 6 || zone.len == 5 || zone.len == 3) && (*zone.ptr == '+' || *zone.ptr == '-') && digits(zone, 1, 2, &hour) && digits(zone, zone.len == 3 ? 1 : zone.len - 2, 2, &minute);
}

/* "-30 days", "-12h", "-2w" */
static bool is_relative_time(ql_str text)
{
    static const char *const units[] = {"day", "days", "hour", "hours", "h", "d", "w", "week", "weeks"};
    size_t at = 1;
    if (text.len < 3 || *text.ptr != '-') return false;
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9') at++;
    if (at == 1 || at > 7) return false;
    ql_str unit = trim((ql_str){text.ptr + at, text.len - at});
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (ql_str_equal(unit, ql_str_of(units[i]))) return true;
    return false;
}

static ql__value *read_time(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    bool is_text = node->kind == QL__YAML_STRING || node->kind == QL__YAML_TIME;
    if (is_text && (is_iso_time(node->text) || (node->kind == QL__YAML_STRING && is_relative_time(trim(node->text))))) return text_value(self, row, node, node->text);
    return wrong(self, row, shown, node, "a time like 2024-05-01, 2024-05-01T12:00:00Z or -30 days");
}

/* ---- Lists and maps ---- */

/* An item of a list as a value of its own, with the list's row. */
static ql__value *read_item(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    ql__config_key item = *row;
    if (row->type == QL__TYPE_CHOICES) return read_choice(self, row, shown, node);
    if (!(row->flags & QL__KEY_TRIMMED)) item.flags &= (uint16_t)~QL__KEY_NONBLANK;
    ql__value *value = read_string(self, &item, shown, node);
    if (value == NULL) return NULL;
    value->row = row;
    if (row->flags & QL__KEY_TRIMMED) value->text = ql__loader_copy(self, trim(value->text));
    return value;
}

static ql__value *read_list(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    if (node->kind != QL__YAML_LIST) return wrong(self, row, shown, node, "a list");
    const ql__config_key *item_row = row->type == QL__TYPE_LIST ? ql__config_schema_child(row->path, QL_STR("*")) : NULL;
    ql__value *list = new_value(self, row, QL__YAML_LIST, node);
    ql__value **items = ql__loader_alloc(self, node->list.count, sizeof *items);
    if (list == NULL || items == NULL) return NULL;
    for (size_t i = 0; i < node->list.count; i++) {
        ql_str item_shown = ql__loader_printf(self, "%s[%zu]", shown, i);
        ql__value *item = item_row != NULL ? read_value(self, item_row, item_shown.ptr, node->list.items[i]) : read_item(self, row, item_shown.ptr, node->list.items[i]);
        if (item != NULL) items[list->list.count++] = item;
    }
    list->list.items = items;
    if (row->type == QL__TYPE_CHOICES && (row->flags & QL__KEY_NONBLANK) && node->list.count == 0) ql__problem(self, node->line, node->column, "%s must not be empty", shown);
    return list;
}

/* Anything, as it is; what a plain ${NAME} brought is read as if it had been written there. */
static ql__value *read_free(ql__config_loader *self, const ql__yaml_node *node)
{
    ql__yaml_node scalar = *node;
    if (node->kind == QL__YAML_STRING && node->replaced && node->plain) ql__yaml_resolve(node->text, &scalar);
    ql__value *value = new_value(self, NULL, scalar.kind == QL__YAML_TIME ? QL__YAML_STRING : scalar.kind, node);
    if (value == NULL) return NULL;
    size_t count = node->kind == QL__YAML_LIST ? node->list.count : node->kind == QL__YAML_MAP ? node->map.count : 0;
    switch (scalar.kind) {
    case QL__YAML_BOOL: value->boolean = scalar.boolean; break;
    case QL__YAML_INT: value->integer = scalar.integer; break;
    case QL__YAML_FLOAT: value->number = scalar.number; break;
    case QL__YAML_STRING:
    case QL__YAML_TIME: value->text = node->text; break;
    case QL__YAML_LIST:
        value->list.items = ql__loader_alloc(self, count, sizeof *value->list.items);
        for (size_t i = 0; value->list.items != NULL && i < count; i++)
            if ((value->list.items[value->list.count] = read_free(self, node->list.items[i])) != NULL) value->list.count++;
        break;
    case QL__YAML_MAP:
        value->map.members = ql__loader_alloc(self, count, sizeof *value->map.members);
        for (size_t i = 0; value->map.members != NULL && i < count; i++) {
            const ql__yaml_pair *pair = &node->map.pairs[i];
            ql__value *member = read_free(self, pair->value);
            if (member != NULL) value->map.members[value->map.count++] = (ql__member){pair->key->text, member, pair->key->line, pair->key->column};
        }
        break;
    case QL__YAML_NULL: break;
    }
    return value;
}

static ql__value *read_string_map(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    if (node->kind != QL__YAML_MAP) return wrong_map(self, shown, node, "a map");
    ql__value *map = read_free(self, node);
    if (map == NULL) return NULL;
    map->row = row;
    for (size_t i = 0; i < node->map.count; i++)
        if (node->map.pairs[i].value->kind != QL__YAML_STRING) (void)wrong_map(self, shown, node->map.pairs[i].value, "a map of text to text");
    return map;
}

/* The rows under a map; the places where sources may stand share theirs. */
static const char *children_path(const ql__config_key *row)
{
    bool is_sources = strcmp(row->path, "sources") == 0 || strcmp(row->path, "global.sources") == 0;
    return is_sources ? "projects.*.sources" : row->path;
}

static const char *child_shown(ql__config_loader *self, const char *shown, ql_str key)
{
    return *shown == '\0' ? ql__loader_copy(self, key).ptr : ql__loader_printf(self, "%s.%.*s", shown, (int)(key.len < 100 ? key.len : 100), key.ptr).ptr;
}

static void report_unknown(ql__config_loader *self, const char *path, const char *shown, const ql__yaml_node *key)
{
    const ql__config_key *near = ql__config_schema_nearest(path, key->text);
    char hint[128] = "", place[300] = "";
    if (near != NULL) {
        ql_str name = ql__config_key_name(near);
        (void)snprintf(hint, sizeof hint, " (did you mean '%.*s'?)", (int)name.len, name.ptr);
    }
    if (*shown != '\0') (void)snprintf(place, sizeof place, " in %s", shown);
    ql__problem_add(self, QL__FILE_CONFIG, key->line, key->column, self->options->lenient, "unknown key '%.*s'%s%s", (int)(key->text.len < 100 ? key->text.len : 100), key->text.ptr,
                    place, hint);
}

static const ql__yaml_pair *find_pair(const ql__yaml_node *node, ql_str name)
{
    for (size_t i = 0; node != NULL && i < node->map.count; i++)
        if (ql_str_equal(node->map.pairs[i].key->text, name)) return &node->map.pairs[i];
    return NULL;
}

static void add_member(ql__value *map, ql_str key, ql__value *value, const ql__yaml_node *place)
{
    if (value == NULL) return;
    map->map.members[map->map.count++] = (ql__member){key, value, place != NULL ? place->line : 0, place != NULL ? place->column : 0};
}

/* node NULL: a map of defaults. A key written with null where null means nothing counts as not written. */
static void fill_member(ql__config_loader *self, const ql__config_key *child, const char *shown, const ql__yaml_node *node, ql__value *into)
{
    ql_str name = ql__config_key_name(child);
    const ql__yaml_pair *pair = find_pair(node, name);
    if (pair != NULL && !(child->type == QL__TYPE_MAP && pair->value->kind == QL__YAML_NULL)) {
        ql__value *value = read_value(self, child, child_shown(self, shown, name), pair->value);
        add_member(into, name, value, pair->key);
        return;
    }
    if (node != NULL && (child->flags & QL__KEY_REQUIRED)) ql__problem(self, node->line, node->column, "%s lacks the key '%.*s'", shown, (int)name.len, name.ptr);
    add_member(into, name, default_value(self, child), NULL);
}

static bool is_known(const char *path, ql_str name)
{
    const ql__config_key *child = ql__config_schema_child(path, name);
    return child != NULL && ql_str_equal(ql__config_key_name(child), name);
}

static const char *reason_without_effect(const ql__member *member)
{
    const ql__config_key *row = member->value->row;
    return row != NULL && row->fate == QL__FATE_NONE && member->line != 0 ? row->note : NULL;
}

static bool is_before(const ql__member *a, const ql__member *b)
{
    return a->line < b->line || (a->line == b->line && a->column < b->column);
}

/* Keys without effect that were written, one warning for those of a section that share a reason: old files are full of them. */
static void warn_without_effect(ql__config_loader *self, const char *shown, const ql__value *map)
{
    for (size_t i = 0; i < map->map.count; i++) {
        const ql__member *first = &map->map.members[i];
        const char *reason = reason_without_effect(first);
        bool told = reason == NULL;
        for (size_t j = 0; j < i && !told; j++) told = reason_without_effect(&map->map.members[j]) == reason;
        if (told) continue;
        char names[400];
        size_t used = 0, count = 0;
        for (size_t j = i; j < map->map.count; j++) {
            if (reason_without_effect(&map->map.members[j]) != reason) continue;
            ql_str key = map->map.members[j].key;
            if (is_before(&map->map.members[j], first)) first = &map->map.members[j];
            if (used + key.len + 3 < sizeof names) used += (size_t)snprintf(names + used, sizeof names - used, "%s%.*s", count ? ", " : "", (int)key.len, key.ptr);
            count++;
        }
        if (count == 1) ql__warning(self, first->line, first->column, "%s%s%s %s", shown, *shown != '\0' ? "." : "", names, reason);
        else ql__warning(self, first->line, first->column, "%s: %s: each %s", shown, names, reason);
    }
}

bool ql__config_is_added_type(const ql__config_loader *self, ql_str type)
{
    for (size_t i = 0; i < self->options->source_type_count; i++)
        if (ql_str_equal(type, ql_str_of(self->options->source_types[i]))) return true;
    return false;
}

/* Sources of a type that the application registered: names, and under each a map of whatever it wants. */
static ql__value *read_added(ql__config_loader *self, const char *shown, const ql__yaml_node *node)
{
    if (node->kind != QL__YAML_MAP) return wrong_map(self, shown, node, "a map of names");
    for (size_t i = 0; i < node->map.count; i++) {
        const ql__yaml_pair *pair = &node->map.pairs[i];
        if (pair->value->kind != QL__YAML_MAP) (void)wrong_map(self, child_shown(self, shown, pair->key->text), pair->value, "a map of keys");
    }
    return read_free(self, node);
}

static ql__value *read_map(ql__config_loader *self, const char *path, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    size_t rows, room = node != NULL ? node->map.count : 0;
    const ql__config_key *table = ql__config_schema(&rows);
    for (size_t i = 0; i < rows; i++) room += ql__config_key_is_child(&table[i], path);
    ql__value *map = new_value(self, row, QL__YAML_MAP, node);
    ql__member *members = ql__loader_alloc(self, room, sizeof *members);
    if (map == NULL || members == NULL) return NULL;
    map->map.members = members;
    for (size_t i = 0; i < rows; i++)
        if (ql__config_key_is_child(&table[i], path)) fill_member(self, &table[i], shown, node, map);
    for (size_t i = 0; node != NULL && i < node->map.count; i++) {
        const ql__yaml_pair *pair = &node->map.pairs[i];
        if (is_known(path, pair->key->text)) continue;
        if (strcmp(path, "projects.*.sources") == 0 && ql__config_is_added_type(self, pair->key->text)) {
            add_member(map, pair->key->text, read_added(self, child_shown(self, shown, pair->key->text), pair->value), pair->key);
            continue;
        }
        if (row != NULL && (row->flags & QL__KEY_EXTRA)) add_member(map, pair->key->text, read_free(self, pair->value), pair->key);
        else report_unknown(self, path, shown, pair->key);
    }
    warn_without_effect(self, shown, map);
    return map;
}

static void check_id(ql__config_loader *self, const ql__config_key *row, const ql__yaml_node *key)
{
    static const char *const reserved[] = {"global", "admin", "system"};
    if (strcmp(row->path, "projects") != 0) return;
    if (!ql__config_is_name(key->text))
        ql__problem(self, key->line, key->column, "the project id '%.*s' must begin with a letter and hold letters, digits, '_' and '-' only", (int)(key->text.len < 60 ? key->text.len : 60), key->text.ptr);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (equals_ignoring_case(key->text, reserved[i])) ql__warning(self, key->line, key->column, "the project id '%s' is easily mistaken for something of the program", reserved[i]);
}

static ql__value *read_named(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    if (node->kind != QL__YAML_MAP) return wrong_map(self, shown, node, "a map of names");
    if ((row->flags & QL__KEY_NONBLANK) && node->map.count == 0) {
        ql__problem(self, node->line, node->column, "%s must not be empty", shown);
        return NULL;
    }
    const ql__config_key *child = ql__config_schema_child(row->path, QL_STR("*"));
    ql__value *map = new_value(self, row, QL__YAML_MAP, node);
    ql__member *members = ql__loader_alloc(self, node->map.count, sizeof *members);
    if (map == NULL || members == NULL) return NULL;
    map->map.members = members;
    for (size_t i = 0; i < node->map.count; i++) {
        const ql__yaml_pair *pair = &node->map.pairs[i];
        check_id(self, row, pair->key);
        ql__value *value = read_value(self, child, child_shown(self, shown, pair->key->text), pair->value);
        add_member(map, pair->key->text, value, pair->key);
    }
    return map;
}

/* ---- Any value ---- */

static ql__value *convert(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    switch ((ql__config_type)row->type) {
    case QL__TYPE_MAP:
        if (node->kind != QL__YAML_MAP) return wrong_map(self, shown, node, "a map of keys");
        return read_map(self, children_path(row), row, shown, node);
    case QL__TYPE_NAMED: return read_named(self, row, shown, node);
    case QL__TYPE_LIST:
    case QL__TYPE_CHOICES:
    case QL__TYPE_STRINGS: return read_list(self, row, shown, node);
    case QL__TYPE_FREE: {
        if (node->kind != QL__YAML_MAP) return wrong_map(self, shown, node, "a map");
        ql__value *value = read_free(self, node);
        if (value != NULL) value->row = row;
        return value;
    }
    case QL__TYPE_STRING:
    case QL__TYPE_NAME: return read_string(self, row, shown, node);
    case QL__TYPE_INT: return read_int(self, row, shown, node);
    case QL__TYPE_NUMBER: return read_number(self, row, shown, node);
    case QL__TYPE_BOOL:
    case QL__TYPE_BOOL_STRICT: return read_bool(self, row, shown, node);
    case QL__TYPE_CHOICE: return read_choice(self, row, shown, node);
    case QL__TYPE_STRING_MAP: return read_string_map(self, row, shown, node);
    case QL__TYPE_DURATION: return read_duration(self, row, shown, node);
    case QL__TYPE_TIME: return read_time(self, row, shown, node);
    case QL__TYPE_URL:
    case QL__TYPE_HTTP_URL:
    case QL__TYPE_GIT_URL:
    case QL__TYPE_FOLDER: return read_place(self, row, shown, node);
    }
    return NULL;
}

static bool is_standard(const ql__config_key *row, const ql__value *value)
{
    if (value->kind == QL__YAML_NULL) return true;
    if (value->kind == QL__YAML_BOOL) return ql_str_equal(ql_str_of(row->standard), value->boolean ? QL_STR("true") : QL_STR("false"));
    return value->kind == QL__YAML_STRING && ql_str_equal(ql_str_of(row->standard), value->text);
}

static void apply_fate(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__value *value)
{
    if (row->note == NULL) return;
    if (row->fate == QL__FATE_REFUSED && !is_standard(row, value)) ql__problem(self, value->line, value->column, "%s: %s", shown, row->note);
    if ((row->flags & QL__KEY_DROPS) && value->kind != QL__YAML_NULL) ql__warning(self, value->line, value->column, "%s: %s", shown, row->note);
}

static ql__value *read_value(ql__config_loader *self, const ql__config_key *row, const char *shown, const ql__yaml_node *node)
{
    bool null = node->kind == QL__YAML_NULL;
    ql__value *value = null && (row->flags & QL__KEY_NULLABLE) ? new_value(self, row, QL__YAML_NULL, node) : convert(self, row, shown, node);
    if (value != NULL) apply_fate(self, row, shown, value);
    return value;
}

/* ---- Defaults ---- */

static ql__value *default_list(ql__config_loader *self, const ql__config_key *row)
{
    ql_str text = {row->standard + 1, strlen(row->standard) - 2}; /* without the brackets */
    size_t count = text.len != 0;
    for (size_t i = 0; i + 1 < text.len; i++) count += text.ptr[i] == ',' && text.ptr[i + 1] == ' ';
    ql__value *list = new_value(self, row, QL__YAML_LIST, NULL);
    ql__value **items = ql__loader_alloc(self, count, sizeof *items);
    if (list == NULL || items == NULL) return NULL;
    list->list.items = items;
    while (text.len != 0) {
        const char *comma = memmem(text.ptr, text.len, ", ", 2);
        size_t length = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        ql__value *item = text_value(self, row, NULL, ql__loader_copy(self, (ql_str){text.ptr, length}));
        if (item != NULL) items[list->list.count++] = item;
        text = comma != NULL ? (ql_str){comma + 2, text.len - length - 2} : (ql_str){text.ptr, 0};
    }
    return list;
}

static ql__value *default_scalar(ql__config_loader *self, const ql__config_key *row)
{
    ql__yaml_node node = {.text = ql_str_of(row->standard)};
    ql__yaml_resolve(node.text, &node);
    ql__value *value = NULL;
    switch ((ql__config_type)row->type) {
    case QL__TYPE_INT:
    case QL__TYPE_DURATION:
        if ((value = new_value(self, row, node.kind, NULL)) != NULL && node.kind == QL__YAML_INT) value->integer = node.integer;
        return value;
    case QL__TYPE_NUMBER:
        if ((value = new_value(self, row, QL__YAML_FLOAT, NULL)) != NULL) value->number = node.kind == QL__YAML_INT ? (double)node.integer : node.number;
        return value;
    case QL__TYPE_BOOL:
    case QL__TYPE_BOOL_STRICT:
        if ((value = new_value(self, row, node.kind, NULL)) != NULL && node.kind == QL__YAML_BOOL) value->boolean = node.boolean;
        return value;
    default: return node.kind == QL__YAML_NULL ? new_value(self, row, QL__YAML_NULL, NULL) : text_value(self, row, NULL, node.text);
    }
}

/* NULL: the key has no default and stays out of the effective configuration. */
static ql__value *default_value(ql__config_loader *self, const ql__config_key *row)
{
    if (row->type == QL__TYPE_MAP) return (row->flags & QL__KEY_OPTIONAL) || strchr(row->path, '*') == row->path + strlen(row->path) - 1 ? NULL : read_map(self, children_path(row), row, row->path, NULL);
    if (row->type == QL__TYPE_FREE && !(row->flags & QL__KEY_OPTIONAL)) return new_value(self, row, QL__YAML_MAP, NULL);
    if (row->standard == NULL) return NULL;
    return *row->standard == '[' ? default_list(self, row) : default_scalar(self, row);
}

ql__value *ql__config_read(ql__config_loader *self, const ql__yaml_node *root)
{
    if (root->kind == QL__YAML_MAP) return read_map(self, "", NULL, "", root);
    ql__problem(self, root->line, root->column, "%s", root->kind == QL__YAML_NULL ? "the file is empty; it needs 'sources' or 'projects'" : "the file must be a map of keys, like 'sources:'");
    return NULL;
}
