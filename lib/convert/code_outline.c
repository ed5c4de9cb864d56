/*
 * From a syntax tree to blocks. The walk goes down only into what may hold declarations, by a table per language (code_language.c), and
 * visits every child of such a node once. Invariants: every line that is not blank lies in exactly one CODE block; an ELEMENT begins with the
 * comments and attributes that stand right before it and ends with its last line. Errors of the parser only mean fewer elements.
 *
 * Threads: no state. Cost: linear; the parser's steps and requests for memory are counted, not timed, so the same file gives the same outline everywhere.
 * Memory of the tree: up to twenty times the text, while it is made up to a hundred; hostile text takes any amount, so it is bounded. What happens
 * where it runs out: code_memory.c.
 */
#include "code_outline.h"

#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"
#include "code_guard.h"
#include "code_memory.h"

#define DEPTH_MAX 64              /* of nodes gone down into: bounds the recursion */
#define WRAP_DEPTH_MAX 4
#define DECLARATOR_DEPTH_MAX 16
#define LINES_BLOCK_BYTES 512     /* without a syntax tree, smaller groups of lines are joined */
#define PARSE_CALLS_FREE 300      /* the parser reports every 100 steps; */
#define PARSE_BYTES_PER_CALL 16   /* sound files of all languages give 50 to 1000 bytes per report */
#define PARSE_REQUESTS_FREE 200000 /* a step may go over all that was read before: 20 kB of "= ~/" as C took 26 s. But then it asks for memory */
#define PARSE_REQUESTS_PER_BYTE 8  /* hundreds of times a byte; sound files at most 2 */
#define TOKEN_READS_FREE 50000000  /* 0.4 s. Python's scanner reads to the end of a block of comments at each of its lines: 60 kB of "\\" and line ends took 7 s */
#define TOKEN_READS_PER_BYTE 256   /* sound files at most 12 */
#define NOTHING UINT64_MAX

typedef struct outline {
    ql__blocks *blocks;
    ql_str text;
    const ql__code_language *language;
    const ql__code_grammar *grammar;
    ql_arena *arena;
    TSTreeCursor cursor;
    unsigned element_depth;
} outline;

/* Where an element's or the file's children are being laid out. */
typedef struct scope {
    uint64_t gap;      /* begin of what is in no block yet */
    uint64_t lead;     /* begin of the comments that wait for an element, or NOTHING */
    uint64_t lead_end;
    bool is_type;      /* functions in it are methods */
} scope;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static uint64_t line_begin(ql_str text, uint64_t at, uint64_t min)
{
    uint64_t begin = at;
    while (begin > min && is_blank(text.ptr[begin - 1])) begin--;
    return begin == 0 || begin == min || text.ptr[begin - 1] == '\n' ? begin : at;
}

static uint64_t next_line(ql_str text, uint64_t at)
{
    const char *feed = at < text.len ? memchr(text.ptr + at, '\n', text.len - at) : NULL;
    return feed ? (uint64_t)(feed - text.ptr) + 1 : text.len;
}

static bool starts_with(ql_str text, uint64_t at, const char *word)
{
    size_t len = strlen(word);
    return text.len - at >= len && memcmp(text.ptr + at, word, len) == 0;
}

/* End of an element that ends at `end`: with its semicolon, a comment on the same line, and the line feed. */
static uint64_t line_end(const outline *self, uint64_t end)
{
    ql_str text = self->text;
    uint64_t at = end;
    while (at < text.len && (is_blank(text.ptr[at]) || text.ptr[at] == ';' || text.ptr[at] == ',')) at++;
    if (at >= text.len) return text.len;
    if (text.ptr[at] == '\n') return at + 1;
    if (self->language->line_comment && starts_with(text, at, self->language->line_comment)) return next_line(text, at);
    if (starts_with(text, at, "/*")) {
        uint64_t line = next_line(text, at);
        uint64_t last = line;
        while (last > at && (is_blank(text.ptr[last - 1]) || text.ptr[last - 1] == '\n')) last--;
        if (last >= at + 4 && text.ptr[last - 1] == '/' && text.ptr[last - 2] == '*') return line;
    }
    return end < at && (text.ptr[at - 1] == ';' || text.ptr[at - 1] == ',') ? at : end;
}

/* True when an empty line lies between. */
static bool is_apart(ql_str text, uint64_t from, uint64_t to)
{
    unsigned feeds = 0;
    while (from > 0 && (is_blank(text.ptr[from - 1]) || text.ptr[from - 1] == '\n')) from--;
    for (uint64_t i = from; i < to && feeds < 2; i++) feeds += text.ptr[i] == '\n';
    return feeds >= 2;
}

/* Lines between elements, as one CODE block. */
static void add_group(outline *self, uint64_t begin, uint64_t end)
{
    ql_str text = self->text;
    uint64_t at = begin;
    while (at < end && (is_blank(text.ptr[at]) || text.ptr[at] == '\n')) {
        if (text.ptr[at++] == '\n') begin = at;
    }
    if (at >= end) return;
    uint64_t last = end;
    while (last > begin && (is_blank(text.ptr[last - 1]) || text.ptr[last - 1] == '\n')) last--;
    if (last < end && text.ptr[last] == '\r') last++;
    if (last < end && text.ptr[last] == '\n') last++;
    (void)ql__blocks_leaf(self->blocks, QL_BLOCK_CODE, 0, begin, last, ql_str_of(self->language->name), (ql_str){0});
}

/* Names */

static TSNode field(TSNode node, const char *name)
{
    return ts_node_child_by_field_name(node, name, (uint32_t)strlen(name));
}

static ql_str text_of(const outline *self, TSNode node)
{
    if (ts_node_is_null(node)) return (ql_str){0};
    uint32_t begin = ts_node_start_byte(node), end = ts_node_end_byte(node);
    if (end > self->text.len) end = (uint32_t)self->text.len;
    if (begin > end) return (ql_str){0};
    return (ql_str){self->text.ptr + begin, end - begin};
}

static bool is_type(TSNode node, const char *type)
{
    return !ts_node_is_null(node) && strcmp(ts_node_type(node), type) == 0;
}

/* First named child of one of two types. */
static TSNode child_of_type(TSNode node, const char *a, const char *b)
{
    TSNode none = {0};
    uint32_t count = ts_node_named_child_count(node);
    for (uint32_t i = 0; i < count && i < 32; i++) {
        TSNode child = ts_node_named_child(node, i);
        if (is_type(child, a) || (b && is_type(child, b))) return child;
    }
    return none;
}

/* The innermost declarator; *is_function tells whether a parameter list was passed on the way. */
static TSNode declared(TSNode node, bool *is_function)
{
    TSNode found = field(node, "declarator");
    for (int i = 0; i < DECLARATOR_DEPTH_MAX && !ts_node_is_null(found); i++) {
        if (is_type(found, "function_declarator")) *is_function = true;
        if (is_type(found, "init_declarator")) *is_function = false;
        TSNode inner = field(found, "declarator");
        if (ts_node_is_null(inner)) inner = child_of_type(found, "function_declarator", "parenthesized_declarator");
        if (ts_node_is_null(inner) && ts_node_named_child_count(found) > 0 && (is_type(found, "reference_declarator") || is_type(found, "parenthesized_declarator")))
            inner = ts_node_named_child(found, 0);
        if (ts_node_is_null(inner)) break;
        found = inner;
    }
    return found;
}

static ql_str join(outline *self, ql_str a, const char *between, ql_str b)
{
    size_t middle = strlen(between), len = a.len + middle + b.len;
    if (len > QL_LIMIT_LABEL_BYTES) return b;
    char *out = ql_arena_alloc(self->arena, len + 1);
    if (!out) {
        self->blocks->failed = true;
        return b;
    }
    memcpy(out, a.ptr, a.len);
    memcpy(out + a.len, between, middle);
    memcpy(out + a.len + middle, b.ptr, b.len);
    out[len] = '\0';
    return (ql_str){out, len};
}

static ql_str receiver_name(outline *self, TSNode node)
{
    ql_str name = text_of(self, field(node, "name")), receiver = text_of(self, field(node, "receiver"));
    /* "(s *Server[T])": the type is the last word before a bracket. */
    size_t end = 0;
    while (end < receiver.len && receiver.ptr[end] != '[' && receiver.ptr[end] != ')') end++;
    while (end > 0 && is_blank(receiver.ptr[end - 1])) end--;
    size_t begin = end;
    while (begin > 0 && receiver.ptr[begin - 1] != ' ' && receiver.ptr[begin - 1] != '*' && receiver.ptr[begin - 1] != '(') begin--;
    if (begin == end) return name;
    return join(self, (ql_str){receiver.ptr + begin, end - begin}, ".", name);
}

static ql_str type_spec_name(outline *self, TSNode node, const char **detail)
{
    TSNode spec = child_of_type(node, "type_spec", "type_alias");
    TSNode type = ts_node_is_null(spec) ? spec : field(spec, "type");
    if (is_type(type, "struct_type")) *detail = "struct";
    if (is_type(type, "interface_type")) *detail = "interface";
    return ts_node_is_null(spec) ? (ql_str){0} : text_of(self, field(spec, "name"));
}

/* "enum class", "interface": the word that says what kind of type it is. */
static const char *keyword_detail(const outline *self, TSNode node, const char *detail)
{
    static const char *const words[] = {"interface", "struct", "enum", "extension", "actor"};
    ql_str kind = text_of(self, field(node, "declaration_kind"));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (ql_str_equal(kind, ql_str_of(words[i]))) return words[i];
    }
    if (!ts_node_is_null(child_of_type(node, "enum_class_body", NULL))) return "enum";
    uint32_t count = ts_node_child_count(node);
    for (uint32_t i = 0; i < count && i < 8; i++) {
        if (is_type(ts_node_child(node, i), "interface")) return "interface";
    }
    return detail;
}

/* The declarator or assignment that binds a name to a function or class, or a null node. */
static TSNode function_binding(TSNode node)
{
    TSNode none = {0}, binding = node, value = field(node, "value");
    if (ts_node_is_null(value)) {
        binding = child_of_type(node, "variable_declarator", "assignment_expression");
        if (ts_node_is_null(binding)) return none;
        value = field(binding, is_type(binding, "variable_declarator") ? "value" : "right");
    }
    static const char *const values[] = {"arrow_function", "function_expression", "generator_function", "class"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (is_type(value, values[i])) return binding;
    }
    return none;
}

static ql_str binding_name(const outline *self, TSNode node)
{
    static const char *const fields[] = {"name", "left", "property"};
    TSNode binding = function_binding(node);
    for (size_t i = 0; i < sizeof fields / sizeof *fields && !ts_node_is_null(binding); i++) {
        TSNode name = field(binding, fields[i]);
        if (!ts_node_is_null(name)) return text_of(self, name);
    }
    return (ql_str){0};
}

static ql_str name_of(outline *self, TSNode node, const ql__code_rule *rule, const char **detail)
{
    bool is_function = false;
    if (rule->act == QL__CODE_VARIABLE) return binding_name(self, node);
    switch (rule->name) {
    case QL__CODE_BY_LABEL: return ql_str_of(rule->label);
    case QL__CODE_BY_DECLARATOR: return text_of(self, declared(node, &is_function));
    case QL__CODE_BY_RECEIVER: return receiver_name(self, node);
    case QL__CODE_BY_TYPE_SPEC: return type_spec_name(self, node, detail);
    case QL__CODE_BY_REFERENCE: return text_of(self, child_of_type(node, "object_reference", "identifier"));
    case QL__CODE_BY_IMPL: {
        ql_str type = text_of(self, field(node, "type")), trait = text_of(self, field(node, "trait"));
        return trait.len > 0 ? join(self, trait, " for ", type) : type;
    }
    case QL__CODE_BY_KEYWORD: *detail = keyword_detail(self, node, *detail); break;
    default: break;
    }
    ql_str name = text_of(self, field(node, "name"));
    if (name.len == 0 && !rule->label) name = text_of(self, child_of_type(node, "identifier", "simple_identifier"));
    return name.len > 0 ? name : ql_str_of(rule->label);
}

/* The walk */

static const ql__code_rule *rule_of(const outline *self, TSNode node)
{
    TSSymbol symbol = ts_node_symbol(node);
    return symbol < self->grammar->symbol_count && ts_node_is_named(node) ? self->grammar->rule_of[symbol] : NULL;
}

static bool has_body(TSNode node)
{
    return !ts_node_is_null(field(node, "body"));
}

/* It may hold an element further down. */
static bool may_wrap(const ql__code_rule *rule)
{
    return rule->act == QL__CODE_WRAP || rule->act == QL__CODE_DECLARATION || rule->act == QL__CODE_VARIABLE;
}

static bool is_element(TSNode node, const ql__code_rule *rule)
{
    bool is_function = false;
    switch (rule->act) {
    case QL__CODE_ELEMENT: return !(rule->flags & QL__CODE_NEEDS_BODY) || has_body(node);
    case QL__CODE_VARIABLE: return !ts_node_is_null(function_binding(node));
    case QL__CODE_DECLARATION: (void)declared(node, &is_function); return is_function;
    default: return false;
    }
}

/* Moves the cursor down to the element inside a wrapping node; false leaves it where it was. */
static bool enter_wrapped(outline *self, unsigned depth, unsigned *levels, const ql__code_rule **found)
{
    if (depth >= WRAP_DEPTH_MAX || !ts_tree_cursor_goto_first_child(&self->cursor)) return false;
    (*levels)++;
    do {
        TSNode node = ts_tree_cursor_current_node(&self->cursor);
        const ql__code_rule *rule = rule_of(self, node);
        if (!rule) continue;
        *found = rule;
        if (is_element(node, rule)) return true;
        if (may_wrap(rule) && enter_wrapped(self, depth + 1, levels, found)) return true;
    } while (ts_tree_cursor_goto_next_sibling(&self->cursor));
    ts_tree_cursor_goto_parent(&self->cursor);
    (*levels)--;
    return false;
}

static void walk_children(outline *self, scope *in, unsigned depth);

/* The cursor is on the node that carries name and body; [start, end) is the whole element. */
static void add_element(outline *self, scope *in, const ql__code_rule *rule, uint64_t start, uint64_t end, unsigned depth)
{
    TSNode node = ts_tree_cursor_current_node(&self->cursor);
    const char *detail = rule->detail;
    ql_str name = name_of(self, node, rule, &detail);
    if (in->is_type && strcmp(detail, "function") == 0) detail = "method";
    add_group(self, in->gap, start);
    uint32_t block = ql__blocks_open(self->blocks, QL_BLOCK_ELEMENT, self->element_depth + 1, start);
    in->gap = start;
    in->lead = NOTHING;
    if (block == QL_BLOCK_NONE) return; /* too many for so little text: its lines join the next group */
    ql_str label = ql__blocks_label(self->blocks, self->arena, name);
    self->blocks->items[block].label = label;
    self->blocks->items[block].detail = ql_str_of(detail);
    scope inner = {.gap = start, .lead = NOTHING, .is_type = strcmp(detail, "namespace") != 0 && strcmp(detail, "module") != 0};
    self->element_depth++;
    if (rule->flags & QL__CODE_CONTAINER) walk_children(self, &inner, depth + 1);
    self->element_depth--;
    add_group(self, inner.gap, end);
    ql__blocks_close(self->blocks, end);
    in->gap = end;
}

static void visit_lead(const outline *self, scope *in, uint64_t begin, uint64_t end)
{
    if (begin < in->gap) return; /* it stood on the last line of an element */
    bool trails = memchr(self->text.ptr + in->gap, '\n', begin - in->gap) == NULL && in->lead == NOTHING && line_begin(self->text, begin, in->gap) == begin &&
                  begin > in->gap && !is_blank(self->text.ptr[begin - 1]);
    if (trails) return;
    if (in->lead == NOTHING || is_apart(self->text, in->lead_end, begin)) in->lead = line_begin(self->text, begin, in->gap);
    in->lead_end = end;
}

static void visit(outline *self, scope *in, unsigned depth)
{
    TSNode node = ts_tree_cursor_current_node(&self->cursor);
    uint64_t begin = ts_node_start_byte(node), end = ts_node_end_byte(node);
    if (begin >= self->text.len) return;
    if (end > self->text.len) end = self->text.len;
    const ql__code_rule *rule = rule_of(self, node);
    bool error = is_type(node, "ERROR");
    if (rule && rule->act == QL__CODE_LEAD) {
        visit_lead(self, in, begin, end);
        return;
    }
    unsigned levels = 0;
    bool element = rule && is_element(node, rule);
    if (!element && rule && may_wrap(rule)) element = enter_wrapped(self, 0, &levels, &rule);
    if (element && begin >= in->gap) {
        bool has_lead = in->lead != NOTHING && !is_apart(self->text, in->lead_end, begin);
        uint64_t start = has_lead ? in->lead : line_begin(self->text, begin, in->gap);
        add_element(self, in, rule, start, line_end(self, end), depth);
    } else if (error || (rule && rule->act == QL__CODE_DESCEND)) {
        in->lead = NOTHING;
        walk_children(self, in, depth + 1);
    }
    if (ts_node_is_named(node)) in->lead = NOTHING;
    while (levels-- > 0) ts_tree_cursor_goto_parent(&self->cursor);
}

static void walk_children(outline *self, scope *in, unsigned depth)
{
    if (depth >= DEPTH_MAX || !ts_tree_cursor_goto_first_child(&self->cursor)) return;
    do {
        visit(self, in, depth);
    } while (!self->blocks->failed && ts_tree_cursor_goto_next_sibling(&self->cursor));
    ts_tree_cursor_goto_parent(&self->cursor);
}

/* Parsing */

typedef struct budget {
    uint64_t calls_left;
} budget;

static bool count_step(TSParseState *state)
{
    budget *self = state->payload;
    if (self->calls_left == 0) return true;
    self->calls_left--;
    return false;
}

typedef struct source {
    ql_str text;
} source;

/* The text and a line feed: some grammars look for white space without expecting the end of the file, and would look for ever. */
static const char *read_source(void *payload, uint32_t at, TSPoint position, uint32_t *len)
{
    (void)position;
    const source *self = payload;
    if (at >= self->text.len) {
        *len = at == self->text.len ? 1 : 0;
        return "\n";
    }
    *len = (uint32_t)(self->text.len - at);
    return self->text.ptr + at;
}

/* NULL when the parser gave up. */
static TSTree *parse(ql_str text, const ql__code_grammar *grammar)
{
    const ql__code_original *before = ql__code_guard_begin(grammar->original, TOKEN_READS_FREE + TOKEN_READS_PER_BYTE * text.len);
    ql__code_memory_bound(QL_LIMIT_CODE_PARSE_BYTES + QL_LIMIT_CODE_PARSE_FACTOR * text.len, PARSE_REQUESTS_FREE + PARSE_REQUESTS_PER_BYTE * text.len);
    TSParser *parser = ts_parser_new();
    TSTree *tree = NULL;
    if (ts_parser_set_language(parser, grammar->language)) {
        budget steps = {.calls_left = PARSE_CALLS_FREE + text.len / PARSE_BYTES_PER_CALL};
        source from = {.text = text};
        TSInput input = {.payload = &from, .read = read_source, .encoding = TSInputEncodingUTF8};
        TSParseOptions options = {.payload = &steps, .progress_callback = count_step};
        tree = ts_parser_parse_with_options(parser, NULL, input, options);
    }
    ts_parser_delete(parser);
    ql__code_guard_end(before);
    ql__code_memory_bound(SIZE_MAX, UINT64_MAX);
    return tree;
}

typedef struct job {
    outline outline;
    ql_str text;
    const ql__code_grammar *grammar;
    bool parsed;
    uint64_t errors;
} job;

/* False when memory ran out. A parse that takes more than its bound gave up. */
static bool run(void (*work)(void *user), job *self)
{
    ql__code_run end = ql__code_memory_run(work, self);
    if (end != QL__CODE_RUN_WHOLE) ql__code_guard_abandon();
    return end != QL__CODE_RUN_NO_MEMORY;
}

static void outline_tree(void *user)
{
    job *self = user;
    TSTree *tree = parse(self->text, self->grammar);
    if (!tree) return;
    self->parsed = true;
    self->outline.cursor = ts_tree_cursor_new(ts_tree_root_node(tree));
    scope file = {.gap = 0, .lead = NOTHING};
    walk_children(&self->outline, &file, 0);
    add_group(&self->outline, file.gap, self->text.len);
    ts_tree_cursor_delete(&self->outline.cursor);
    ts_tree_delete(tree);
}

ql_status ql__code_outline(ql__blocks *blocks, ql_str text, const ql__code_language *language, const ql__code_grammar *grammar, ql_arena *arena,
                           ql_error *err)
{
    job self = {.outline = {.blocks = blocks, .text = text, .language = language, .grammar = grammar, .arena = arena}, .text = text, .grammar = grammar};
    if (!run(outline_tree, &self) || blocks->failed) return ql__fail_nomem(err);
    return self.parsed ? QL_OK : QL_DONE;
}

/* Moves to the next node in document order, going down only where errors are; false at the end. */
static bool next_suspect(TSTreeCursor *cursor)
{
    if (ts_node_has_error(ts_tree_cursor_current_node(cursor)) && ts_tree_cursor_goto_first_child(cursor)) return true;
    do {
        if (ts_tree_cursor_goto_next_sibling(cursor)) return true;
    } while (ts_tree_cursor_goto_parent(cursor));
    return false;
}

static void count_errors(void *user)
{
    job *self = user;
    TSTree *tree = parse(self->text, self->grammar);
    if (!tree) return;
    self->parsed = true;
    TSTreeCursor cursor = ts_tree_cursor_new(ts_tree_root_node(tree));
    do {
        TSNode node = ts_tree_cursor_current_node(&cursor);
        self->errors += ts_node_is_error(node) || ts_node_is_missing(node);
    } while (next_suspect(&cursor));
    ts_tree_cursor_delete(&cursor);
    ts_tree_delete(tree);
}

ql_status ql__code_error_count(ql_str text, const ql__code_grammar *grammar, uint64_t *out, ql_error *err)
{
    job self = {.text = text, .grammar = grammar};
    if (!run(count_errors, &self)) return ql__fail_nomem(err);
    *out = self.parsed ? self.errors : UINT64_MAX;
    return QL_OK;
}

void ql__code_lines(ql__blocks *blocks, ql_str text, const ql__code_language *language)
{
    outline self = {.blocks = blocks, .text = text, .language = language};
    uint64_t begin = 0;
    bool empty = false;
    for (uint64_t at = 0; at < text.len;) {
        uint64_t end = next_line(text, at), dark = at;
        while (dark < end && (is_blank(text.ptr[dark]) || text.ptr[dark] == '\n')) dark++;
        bool blank = dark == end, unindented = dark == at;
        if (!blank && unindented && empty && at - begin >= LINES_BLOCK_BYTES) {
            add_group(&self, begin, at);
            begin = at;
        }
        empty = blank;
        at = end;
    }
    add_group(&self, begin, text.len);
}
