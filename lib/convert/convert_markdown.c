/*
 * Markdown to blocks. Canonical text is the decoded source itself; cmark-gfm finds the blocks, of whose positions only the line
 * numbers are used (its columns are wrong for tabs and tables), and every range is clamped to its neighbours.
 *
 * cmark is used with care. It sees a copy of the text in which the marks of inline syntax behind the first letter of a line are blanked out: block
 * structure does not depend on them, and its inline parser (several times the cost of the block parser, and quadratic on some inputs in the
 * distribution's version) finds nothing to do. Its allocations come from an arena with a cap, and when that fails control leaves by longjmp, since
 * cmark knows no failing allocator. Texts over CMARK_BYTES_MAX, lines with very many list or quote marks, and what exceeds the cap are read line by line
 * (markdown_lines.c). Threads: any; the arena in use is thread-local for the length of a parse. Cost: linear.
 */
#include "convert/convert.h"

#include <pthread.h>
#include <setjmp.h>
#include <string.h>

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "convert/block_build.h"
#include "convert/markdown_parts.h"
#include "convert/text_blocks.h"

#define CMARK_BYTES_MAX ((size_t)4 << 20)
#define CMARK_MEMORY_PER_BYTE 32 /* real documents need 5 to 20 */
#define CMARK_MEMORY_MIN ((size_t)4 << 20)
#define CONTAINER_MARKS_MAX 64 /* list and quote marks in front of one line */

/* ---- cmark's memory ---- */

typedef struct parse_memory {
    ql__arena arena;
    jmp_buf out_of_memory;
} parse_memory;

static _Thread_local parse_memory *memory_in_use;

/* A size in front of each piece, since realloc has to know it. */
#define PIECE_HEAD 16

static void *memory_take(size_t size)
{
    char *piece = size < SIZE_MAX - PIECE_HEAD ? ql__arena_alloc(&memory_in_use->arena, size + PIECE_HEAD) : NULL;
    if (!piece) longjmp(memory_in_use->out_of_memory, 1);
    memcpy(piece, &size, sizeof size);
    return piece + PIECE_HEAD;
}

static void *memory_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!ql__size_mul(count, size, &bytes)) bytes = SIZE_MAX;
    void *piece = memory_take(bytes);
    memset(piece, 0, bytes);
    return piece;
}

static void *memory_realloc(void *old, size_t size)
{
    size_t old_size = 0;
    if (old) memcpy(&old_size, (char *)old - PIECE_HEAD, sizeof old_size);
    if (old && size <= old_size) return old;
    void *piece = memory_take(size);
    if (old) memcpy(piece, old, old_size);
    return piece;
}

static void memory_free(void *piece)
{
    (void)piece; /* all at once, with the arena */
}

static cmark_mem memory_hooks = {memory_calloc, memory_realloc, memory_free};
static pthread_once_t extensions_once = PTHREAD_ONCE_INIT;

/* ---- what cmark gets to see ---- */

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* A list number "12." or "12)" and a blank at `at`: its length, else 0. */
static size_t list_number(ql_str text, size_t at)
{
    size_t p = at;
    while (p < text.len && p - at < 9 && text.ptr[p] >= '0' && text.ptr[p] <= '9') p++;
    if (p == at || p >= text.len || (text.ptr[p] != '.' && text.ptr[p] != ')')) return 0;
    p++;
    return p == text.len || text.ptr[p] == ' ' || text.ptr[p] == '\t' || is_line_end(text.ptr[p]) ? p - at : 0;
}

/* End of the part of a line that decides its block: marks of containers, rulers, fences and the first sign of anything else. */
static size_t lead_of_line(ql_str text, size_t at, unsigned *marks)
{
    char ruler = 0;
    while (at < text.len && !is_line_end(text.ptr[at])) {
        char c = text.ptr[at], after = at + 1 < text.len ? text.ptr[at + 1] : '\n';
        if (c == '<') return at + 9 < text.len ? at + 9 : text.len; /* as far as "<![CDATA[" */
        if (c == '[') return at + 1;
        if (c >= '0' && c <= '9') {
            size_t number = list_number(text, at);
            if (number == 0) return at;
            at += number;
            ++*marks;
            continue;
        }
        if (!memchr(" \t>-+*_#=~`|:\\", c, 14)) return at;
        if ((c == '*' || c == '_') && ruler != 0 && ruler != c) return at;
        if (c == '*' || c == '_') ruler = c;
        if (c == '>' || ((c == '-' || c == '+' || c == '*') && (after == ' ' || after == '\t' || is_line_end(after)))) ++*marks;
        at++;
    }
    return at;
}

/* The copy for cmark, of the same length; NULL when memory is out, or, with *too_much, a line has too many container marks. */
static char *copy_masked(ql_str text, size_t begin, ql__arena *arena, bool *too_much)
{
    char *copy = ql__arena_alloc(arena, text.len - begin);
    if (!copy) return NULL;
    if (text.len > begin) memcpy(copy, text.ptr + begin, text.len - begin);
    for (size_t at = begin; at < text.len;) {
        unsigned marks = 0;
        size_t end = ql__md_line_end(text, at), p = lead_of_line(text, at, &marks);
        *too_much = marks > CONTAINER_MARKS_MAX;
        if (*too_much) return NULL;
        for (; p < end; p++) {
            char c = text.ptr[p], after = p + 1 < text.len ? text.ptr[p + 1] : ' ';
            if (c == '*' || c == '_' || c == '[' || c == '&' || c == '\0' || (c == '!' && after == '[') || (c == '<' && after != '/')) copy[p - begin] = 'x';
        }
        at = end;
    }
    return copy;
}

/* ---- lines ---- */

typedef struct line_index {
    ql_str text;
    uint32_t *starts; /* (count + 1), the last one is text.len */
    size_t count;
} line_index;

static bool index_lines(ql_str text, size_t begin, ql__arena *arena, line_index *out)
{
    size_t count = 0;
    for (size_t at = begin; at < text.len; at = ql__md_line_end(text, at)) count++;
    uint32_t *starts = ql__arena_alloc(arena, (count + 1) * sizeof *starts);
    if (!starts) return false;
    count = 0;
    for (size_t at = begin; at < text.len; at = ql__md_line_end(text, at)) starts[count++] = (uint32_t)at;
    starts[count] = (uint32_t)text.len;
    *out = (line_index){text, starts, count};
    return true;
}

/* Start of line `number` (from 1); numbers beyond give the end of text. */
static uint64_t line_start(const line_index *self, int number)
{
    if (number < 1) number = 1;
    size_t index = (size_t)number - 1;
    return self->starts[index < self->count ? index : self->count];
}

static ql_str line_text(const line_index *self, uint64_t begin)
{
    return (ql_str){self->text.ptr + begin, ql__md_line_end(self->text, (size_t)begin) - (size_t)begin};
}

/* ---- from nodes to blocks ---- */

typedef struct reader {
    line_index lines;
    ql__md_outline outline;
    ql__blocks *blocks;
    uint64_t trimmed_end, trimmed; /* what without_empty_lines found last */
} reader;

static int kind_of(cmark_node *node)
{
    switch (cmark_node_get_type(node)) {
    case CMARK_NODE_BLOCK_QUOTE: return QL_BLOCK_QUOTE;
    case CMARK_NODE_LIST: return QL_BLOCK_LIST;
    case CMARK_NODE_ITEM: return QL_BLOCK_ITEM;
    case CMARK_NODE_CODE_BLOCK: return QL_BLOCK_CODE;
    case CMARK_NODE_HTML_BLOCK: return QL_BLOCK_MARKUP;
    case CMARK_NODE_PARAGRAPH: return QL_BLOCK_PARAGRAPH;
    case CMARK_NODE_HEADING: return QL_BLOCK_HEADING;
    default: return strcmp(cmark_node_get_type_string(node), "table") == 0 ? QL_BLOCK_TABLE : QL_BLOCK_OTHER;
    }
}

static bool is_container(int kind)
{
    return kind == QL_BLOCK_QUOTE || kind == QL_BLOCK_LIST || kind == QL_BLOCK_ITEM;
}

/* Start of what follows the node in its tree: no block of it reaches further. */
static uint64_t bound_of(const reader *self, cmark_node *node)
{
    while (node && !cmark_node_next(node)) node = cmark_node_parent(node);
    return node ? line_start(&self->lines, cmark_node_get_start_line(cmark_node_next(node))) : self->lines.text.len;
}

static bool has_text(ql_str line)
{
    size_t i = 0;
    while (i < line.len && (line.ptr[i] == ' ' || (line.ptr[i] >= '\t' && line.ptr[i] <= '\r'))) i++;
    return i < line.len;
}

/* [begin, end) without empty lines at its end. Nested blocks that end together ask again for the same end. */
static uint64_t without_empty_lines(reader *self, uint64_t begin, uint64_t end)
{
    const ql_str text = self->lines.text;
    if (self->trimmed_end != end || self->trimmed <= begin) {
        uint64_t at = end;
        while (at > begin && (text.ptr[at - 1] == ' ' || (text.ptr[at - 1] >= '\t' && text.ptr[at - 1] <= '\r'))) at--;
        if (at == begin) return end;
        self->trimmed_end = end;
        self->trimmed = at;
    }
    uint64_t line_end = ql__md_line_end(text, (size_t)self->trimmed);
    return line_end < end ? line_end : end;
}

/* End of the node's last line that is not empty, as far as cmark can be trusted with it (setext headings, lists). */
static uint64_t end_of(reader *self, cmark_node *node, uint64_t begin)
{
    uint64_t bound = bound_of(self, node), end;
    int first = cmark_node_get_start_line(node), last = cmark_node_get_end_line(node);
    end = line_start(&self->lines, (last < first ? first : last) + 1);
    if (end > bound) end = bound;
    return end < begin ? begin : without_empty_lines(self, begin, end);
}

/* cmark leaves out the line that ends a markup block, such as "-->". */
static uint64_t end_of_markup(reader *self, cmark_node *node, uint64_t begin)
{
    uint64_t end = end_of(self, node, begin), bound = bound_of(self, node);
    if (end >= bound) return end;
    uint64_t next = end + line_text(&self->lines, end).len;
    return next <= bound && has_text(line_text(&self->lines, end)) ? next : end;
}

static void close_node(reader *self, cmark_node *node)
{
    ql__blocks_close(self->blocks, end_of(self, node, self->blocks->items[self->blocks->open].begin));
}

/* The language of a fenced block: its info string, read from the source behind the marks of containers around it. */
static ql_str language_of(const reader *self, uint64_t begin)
{
    ql_str line = line_text(&self->lines, begin), info = {0};
    char mark;
    size_t at = 0;
    while (at < line.len && line.ptr[at] != '`' && line.ptr[at] != '~') at++;
    if (ql__md_fence((ql_str){line.ptr + at, line.len - at}, &mark, &info) == 0) return (ql_str){0};
    return ql__blocks_label(self->blocks, self->outline.arena, info);
}

static void read_rows(const reader *self, uint64_t begin, uint64_t end)
{
    while (begin < end) {
        uint64_t line_end = begin + line_text(&self->lines, begin).len;
        (void)ql__blocks_leaf(self->blocks, QL_BLOCK_ROW, 0, begin, line_end < end ? line_end : end, (ql_str){0}, (ql_str){0});
        begin = line_end;
    }
}

/* A heading on the top level opens a section; in a list or quote it is only a heading. */
static void read_heading(reader *self, cmark_node *node, uint64_t begin, uint64_t end)
{
    unsigned level = (unsigned)cmark_node_get_heading_level(node);
    ql_str raw;
    if (level < 1 || level > 6) level = 6;
    if (cmark_node_get_type(cmark_node_parent(node)) != CMARK_NODE_DOCUMENT) {
        (void)ql__blocks_leaf(self->blocks, QL_BLOCK_HEADING, level, begin, end, (ql_str){0}, (ql_str){0});
        return;
    }
    if (ql__md_atx(line_text(&self->lines, begin), &raw) == 0) {
        /* Setext: all lines but the last, which is the ruler. */
        uint64_t last = begin;
        for (uint64_t at = begin; at < end; at += line_text(&self->lines, at).len) last = at;
        raw = (ql_str){self->lines.text.ptr + begin, (size_t)(last - begin)};
    }
    ql__md_heading(&self->outline, level, begin, end, raw);
}

/* Handles one node; true when its block is open now and its children come next. */
static bool read_node(reader *self, cmark_node *node)
{
    int kind = kind_of(node);
    uint64_t begin = line_start(&self->lines, cmark_node_get_start_line(node)), end = end_of(self, node, begin);
    if (kind == QL_BLOCK_MARKUP) end = end_of_markup(self, node, begin);
    if (kind == QL_BLOCK_HEADING) {
        read_heading(self, node, begin, end);
    } else if (is_container(kind)) {
        return ql__blocks_open(self->blocks, (ql_block_kind)kind, self->blocks->depth, begin) != QL_BLOCK_NONE;
    } else if (kind == QL_BLOCK_TABLE) {
        if (ql__blocks_open(self->blocks, QL_BLOCK_TABLE, 0, begin) == QL_BLOCK_NONE) return false;
        read_rows(self, begin, end);
        ql__blocks_close(self->blocks, end);
    } else {
        ql_str label = kind == QL_BLOCK_CODE ? language_of(self, begin) : (ql_str){0};
        (void)ql__blocks_leaf(self->blocks, (ql_block_kind)kind, 0, begin, end, label, (ql_str){0});
    }
    return false;
}

/* Walks the block nodes in order, without recursion. */
static void read_tree(reader *self, cmark_node *root)
{
    cmark_node *node = cmark_node_first_child(root);
    while (node) {
        if (read_node(self, node)) {
            if (cmark_node_first_child(node)) {
                node = cmark_node_first_child(node);
                continue;
            }
            close_node(self, node);
        }
        while (node && !cmark_node_next(node)) {
            node = cmark_node_parent(node);
            if (node == root) node = NULL;
            else if (node) close_node(self, node);
        }
        if (node) node = cmark_node_next(node);
    }
}

/* ---- the parse ---- */

/* The tree of the masked text, in `memory`; NULL when memory is out. */
static cmark_node *parse(parse_memory *memory, ql_str masked)
{
    pthread_once(&extensions_once, cmark_gfm_core_extensions_ensure_registered);
    cmark_syntax_extension *tables = cmark_find_syntax_extension("table");
    parse_memory *outer = memory_in_use;
    cmark_node *volatile root = NULL;
    memory_in_use = memory;
    if (setjmp(memory->out_of_memory) == 0) {
        cmark_parser *parser = cmark_parser_new_with_mem(CMARK_OPT_DEFAULT, &memory_hooks);
        if (tables) cmark_parser_attach_syntax_extension(parser, tables);
        cmark_parser_feed(parser, masked.ptr, masked.len);
        root = cmark_parser_finish(parser);
    }
    memory_in_use = outer;
    return root;
}

/* Blocks through cmark; QL_DONE when the text is too much for it, and nothing was built. */
static ql_status read_with_cmark(ql_str text, size_t begin, ql__blocks *blocks, ql__md_outline *outline, ql_error *err)
{
    if (text.len > CMARK_BYTES_MAX) return QL_DONE;
    parse_memory memory;
    ql__arena_init(&memory.arena, CMARK_MEMORY_MIN + text.len * CMARK_MEMORY_PER_BYTE);
    bool too_much = false;
    const char *masked = copy_masked(text, begin, &memory.arena, &too_much);
    cmark_node *root = masked ? parse(&memory, (ql_str){masked, text.len - begin}) : NULL;
    reader self = {.outline = *outline, .blocks = blocks};
    bool done = root && index_lines(text, begin, &memory.arena, &self.lines);
    if (done) {
        read_tree(&self, root);
        *outline = self.outline;
    }
    too_much = too_much || memory.arena.limit_met;
    ql__arena_dispose(&memory.arena);
    if (done) return QL_OK;
    return too_much ? QL_DONE : ql__fail_nomem(err); /* what lines alone tell of it would stay in the index */
}

static ql_status build(ql_arena *arena, ql_canonical *out, ql_error *err)
{
    ql__blocks blocks;
    ql_str title;
    ql__blocks_init(&blocks, out->text.len);
    ql__md_outline outline = {.blocks = &blocks, .arena = arena};
    size_t begin = ql__md_front_matter(out->text, &title);
    if (begin > 0) (void)ql__blocks_leaf(&blocks, QL_BLOCK_FRONT_MATTER, 0, 0, begin, (ql_str){0}, (ql_str){0});
    ql_status status = read_with_cmark(out->text, begin, &blocks, &outline, err);
    if (status == QL_DONE) ql__md_read_lines(&outline, out->text, begin);
    if (status >= 0) ql__md_outline_close(&outline, out->text.len);
    out->title = title.len > 0 ? ql__blocks_label(&blocks, arena, title) : outline.first_h1.len > 0 ? outline.first_h1 : outline.first_heading;
    if (status >= 0) status = ql__blocks_finish(&blocks, arena, out, err);
    ql__blocks_dispose(&blocks);
    out->strategy = QL_STR("markdown");
    return status;
}

static bool accepts(void *self, const ql_document *document)
{
    (void)self;
    static const char *const types[] = {"md", "markdown", "mdown", "mkdn", "mkd", "mdx", "rmd", "qmd", NULL};
    return ql__type_is_one_of(document->content_type, types);
}

static ql_status convert(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    (void)self;
    ql_canonical canonical;
    QL_TRY(ql__convert_begin(document, arena, &canonical, err));
    QL_TRY(build(arena, &canonical, err));
    *out = canonical;
    return QL_OK;
}

const ql_converter_ops *ql__convert_markdown(void)
{
    static const ql_converter_ops ops = {.struct_size = sizeof ops, .name = "markdown", .accepts_fn = accepts, .convert_fn = convert};
    return &ops;
}
