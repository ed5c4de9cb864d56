/*
 * Flame graphs: one SVG that needs nothing from elsewhere. Roots are at the bottom, siblings in order of their names, so that two graphs of the same program
 * look alike. Frames below a tenth of a pixel are left out. With `before`, colours tell the change of a frame's own part, widths are of `after`.
 * Threads: any. Cost: the tree of calls in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/write.h"

#define PAGE_WIDTH 1200
#define MARGIN 10
#define HEAD_HEIGHT 52
#define FOOT_HEIGHT 28
#define ROW_HEIGHT 17
#define WIDTH_CENTS ((int64_t)(PAGE_WIDTH - 2 * MARGIN) * 100) /* of the root, in hundredths of a pixel */
#define NARROW_CENTS 10
#define CHARACTER_CENTS 670 /* width of a character of 11 px */

typedef struct flame_node {
    int64_t start;       /* values left of it */
    uint32_t depth;
    uint32_t before;     /* its node in the other tree, 0: none (of the root: itself) */
} flame_node;

typedef struct flame_writer {
    const ql__profile *profile;
    const ql__profile_view *view;
    const ql__grouping *groups;
    const uint32_t *group_names; /* group of the tree -> any group of this profile; NULL: the same */
    const ql__tree *tree, *before; /* before NULL: no comparison */
    flame_node *nodes;   /* (tree->count) */
    int64_t change_max;  /* largest change of an own part */
    ql__sink *sink;
} flame_writer;

static uint32_t group_of_node(const flame_writer *self, uint32_t node)
{
    uint32_t group = self->tree->nodes[node].group;
    return self->group_names != NULL ? self->group_names[group] : group;
}

static ql_str name_of(const flame_writer *self, uint32_t node)
{
    return node == 0 ? QL_STR("all") : ql__grouping_name(self->profile, self->groups, group_of_node(self, node));
}

/* --- layout ------------------------------------------------------------------------------------------------------------------------ */

static int compare_children(const void *left, const void *right, void *user)
{
    const flame_writer *self = user;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = ql_str_compare(name_of(self, a), name_of(self, b));
    return order != 0 ? order : a < b ? -1 : 1;
}

static uint32_t child_of_group(const ql__tree *tree, uint32_t node, uint32_t group)
{
    for (uint32_t child = tree->nodes[node].first_child; child != 0; child = tree->nodes[child].next_sibling)
        if (tree->nodes[child].group == group) return child;
    return 0;
}

static int64_t change_of(const flame_writer *self, uint32_t node)
{
    uint32_t other = self->nodes[node].before;
    int64_t before = other != 0 || node == 0 ? self->before->nodes[other].self : 0;
    return self->tree->nodes[node].self - before; /* both are 0 or more */
}

/* A node's children come behind it, so one pass from the front places all. children: room for every node. */
static void lay_out(flame_writer *self, uint32_t *children)
{
    const ql__tree *tree = self->tree;
    for (uint32_t i = 0; i < tree->count; i++) {
        size_t count = 0;
        for (uint32_t child = tree->nodes[i].first_child; child != 0; child = tree->nodes[child].next_sibling) children[count++] = child;
        qsort_r(children, count, sizeof *children, compare_children, self);
        int64_t start = self->nodes[i].start;
        bool has_before = self->before != NULL && (i == 0 || self->nodes[i].before != 0);
        for (size_t c = 0; c < count; c++) {
            self->nodes[children[c]] = (flame_node){start, self->nodes[i].depth + 1, has_before ? child_of_group(self->before, self->nodes[i].before, tree->nodes[children[c]].group) : 0};
            start += tree->nodes[children[c]].total;
        }
        int64_t change = self->before != NULL ? llabs(change_of(self, i)) : 0;
        if (change > self->change_max) self->change_max = change;
    }
}

static int64_t cents_of(const flame_writer *self, int64_t value)
{
    return (int64_t)((double)value / (double)self->tree->nodes[0].total * (double)WIDTH_CENTS);
}

static uint32_t rows_of(const flame_writer *self)
{
    uint32_t deepest = 0;
    for (uint32_t i = 0; i < self->tree->count; i++)
        if (self->nodes[i].depth > deepest && cents_of(self, self->tree->nodes[i].total) >= NARROW_CENTS) deepest = self->nodes[i].depth;
    return deepest + 1;
}

/* --- text -------------------------------------------------------------------------------------------------------------------------- */

/* A value as people read it: 1.24 s, 3.50 MiB, 12 samples. */
static void put_value(ql__sink *sink, int64_t value, const char *unit)
{
    bool bytes = strcmp(unit, "bytes") == 0;
    if (strcmp(unit, "nanoseconds") == 0) {
        ql__sink_fixed(sink, value / 10000, 2);
        ql__sink_put(sink, QL_STR(" ms"));
    } else if (bytes && value >= 1 << 20) {
        ql__sink_fixed(sink, (int64_t)((double)value / 1048576 * 100), 2);
        ql__sink_put(sink, QL_STR(" MiB"));
    } else ql__sink_printf(sink, "%lld%s", (long long)value, bytes ? " B" : "");
}

static void put_share(ql__sink *sink, int64_t value, int64_t of)
{
    ql__sink_fixed(sink, of > 0 ? (int64_t)((double)value / (double)of * 10000) : 0, 2);
    ql__sink_put(sink, QL_STR(" %"));
}

static void put_title(const flame_writer *self, uint32_t node)
{
    const ql__tree_node *at = &self->tree->nodes[node];
    const char *unit = ql__sample_value_type(self->view->kind, self->view->value)->unit;
    ql__sink_cstring(self->sink, "<title>");
    ql__sink_xml(self->sink, name_of(self, node));
    const ql__profile_function *function = node != 0 ? &self->profile->functions[self->groups->keys[group_of_node(self, node)].function] : NULL;
    if (function != NULL && (function->file != 0 || function->module != 0)) {
        ql__sink_put(self->sink, QL_STR(" ("));
        ql__sink_xml(self->sink, ql__path_base(ql__profile_text(self->profile, function->file != 0 ? function->file : function->module)));
        if (function->file != 0 && function->start_line != 0) ql__sink_printf(self->sink, ":%u", function->start_line);
        ql__sink_put(self->sink, QL_STR(")"));
    }
    ql__sink_put(self->sink, QL_STR("\n"));
    put_value(self->sink, at->total, unit);
    ql__sink_put(self->sink, QL_STR(", "));
    put_share(self->sink, at->total, self->tree->nodes[0].total);
    ql__sink_put(self->sink, QL_STR("; own "));
    put_value(self->sink, at->self, unit);
    if (self->before != NULL) {
        uint32_t other = self->nodes[node].before;
        bool there = node == 0 || other != 0;
        ql__sink_put(self->sink, QL_STR("\nbefore "));
        put_value(self->sink, there ? self->before->nodes[other].total : 0, unit);
        ql__sink_put(self->sink, QL_STR("; own "));
        put_value(self->sink, there ? self->before->nodes[other].self : 0, unit);
    }
    ql__sink_cstring(self->sink, "</title>");
}

/* Warm colours, of a module the same hue; in a comparison white, red for more and blue for less. */
static void put_color(const flame_writer *self, uint32_t node)
{
    if (self->before != NULL) {
        int64_t change = change_of(self, node);
        int strength = self->change_max > 0 ? (int)((double)llabs(change) / (double)self->change_max * 190) : 0;
        if (change > 0) ql__sink_printf(self->sink, "#ff%02x%02x", 245 - strength, 240 - strength);
        else if (change < 0) ql__sink_printf(self->sink, "#%02x%02xff", 240 - strength, 245 - strength);
        else ql__sink_cstring(self->sink, "#f2f0ee");
        return;
    }
    const ql__profile_function *function = node != 0 ? &self->profile->functions[self->groups->keys[group_of_node(self, node)].function] : &self->profile->functions[0];
    uint64_t module = ql__hash_bytes(ql__path_base(ql__profile_text(self->profile, function->module)), 7), name = ql__hash_bytes(name_of(self, node), 7);
    static const unsigned char hues[][3] = {{238, 138, 84}, {240, 172, 70}, {226, 120, 104}, {214, 184, 80}, {178, 196, 104}, {120, 190, 150}, {128, 176, 214}, {186, 156, 214}};
    const unsigned char *hue = hues[node == 0 ? 3 : module % (sizeof hues / sizeof *hues)];
    int shade = (int)(name % 28) - 14;
    ql__sink_printf(self->sink, "#%02x%02x%02x", (unsigned)(hue[0] + shade), (unsigned)(hue[1] + shade), (unsigned)(hue[2] + shade));
}

/* As much of the name as fits; the script does the same after a zoom. */
static void put_label(const flame_writer *self, ql_str name, int64_t width)
{
    int64_t room = (width - 600) / CHARACTER_CENTS;
    if (room < 3) return;
    size_t at = 0, characters = 0, cut = 0;
    while (at < name.len && characters < (size_t)room) {
        if (++characters == (size_t)room) cut = at;
        do at++;
        while (at < name.len && ((unsigned char)name.ptr[at] & 0xc0) == 0x80);
    }
    bool whole = at >= name.len;
    ql__sink_xml(self->sink, whole ? name : (ql_str){name.ptr, cut});
    if (!whole) ql__sink_cstring(self->sink, "&#8230;");
}

static void put_node(const flame_writer *self, uint32_t node, uint32_t rows)
{
    ql__sink *sink = self->sink;
    int64_t x = cents_of(self, self->nodes[node].start), width = cents_of(self, self->nodes[node].start + self->tree->nodes[node].total) - x;
    uint32_t y = HEAD_HEIGHT + (rows - 1 - self->nodes[node].depth) * ROW_HEIGHT;
    if (width < NARROW_CENTS) return;
    ql__sink_cstring(sink, "<g class=\"f\" tabindex=\"0\" data-x=\"");
    ql__sink_fixed(sink, x, 2);
    ql__sink_cstring(sink, "\" data-w=\"");
    ql__sink_fixed(sink, width, 2);
    ql__sink_cstring(sink, "\" data-n=\"");
    ql__sink_xml(sink, name_of(self, node));
    ql__sink_cstring(sink, "\">");
    put_title(self, node);
    ql__sink_cstring(sink, "<rect x=\"");
    ql__sink_fixed(sink, x + MARGIN * 100, 2);
    ql__sink_printf(sink, "\" y=\"%u\" width=\"", y);
    ql__sink_fixed(sink, width, 2);
    ql__sink_printf(sink, "\" height=\"%d\" fill=\"", ROW_HEIGHT - 1);
    put_color(self, node);
    ql__sink_cstring(sink, "\"/><text x=\"");
    ql__sink_fixed(sink, x + MARGIN * 100 + 300, 2);
    ql__sink_printf(sink, "\" y=\"%u\">", y + 12);
    put_label(self, name_of(self, node), width);
    ql__sink_cstring(sink, "</text></g>\n");
}

static void put_head(const flame_writer *self, uint32_t rows)
{
    unsigned height = HEAD_HEIGHT + rows * ROW_HEIGHT + FOOT_HEIGHT;
    ql_str program = ql__path_base(ql__profile_meta(self->profile, "program"));
    ql__sink_cstring(self->sink, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" role=\"img\"");
    ql__sink_printf(self->sink, " width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\">\n<title>", PAGE_WIDTH, height, PAGE_WIDTH, height);
    ql__sink_xml(self->sink, program.len > 0 ? program : QL_STR("qloader"));
    ql__sink_printf(self->sink, ": %s</title>\n", self->before != NULL ? "change of its flame graph" : "flame graph");
    ql__sink_cstring(self->sink,
                     "<style>\n"
                     ":root { color-scheme: light dark; }\n"
                     "#page { fill: #fffdf8; } text { font: 11px ui-monospace, Menlo, Consolas, monospace; fill: #1c1c1c; pointer-events: none; }\n"
                     "text.head { font: 15px system-ui, sans-serif; } text.side { font: 12px system-ui, sans-serif; } text.act { pointer-events: auto; cursor: pointer; fill: #0a58a8; }\n"
                     "g.f { cursor: pointer; outline: none; } g.f:hover rect, g.f:focus rect { stroke: #111; stroke-width: 1; } g.hit rect { fill: #e02fd0; }\n"
                     "@media (prefers-color-scheme: dark) { #page { fill: #1b1c1f; } text.head, text.side { fill: #e6e6e6; } text.act { fill: #7db7f5; } g.f:hover rect, g.f:focus rect { stroke: #fff; } }\n"
                     "</style>\n<rect id=\"page\" width=\"100%\" height=\"100%\"/>\n");
    ql__sink_printf(self->sink, "<text class=\"head\" x=\"%d\" y=\"24\">", MARGIN);
    ql__sink_xml(self->sink, program.len > 0 ? program : QL_STR("qloader"));
    ql__sink_printf(self->sink, ": %s, ", ql__sample_kind_help(self->view->kind));
    put_value(self->sink, self->tree->nodes[0].total, ql__sample_value_type(self->view->kind, self->view->value)->unit);
    if (self->before != NULL) {
        ql__sink_cstring(self->sink, " (before: ");
        put_value(self->sink, self->before->nodes[0].total, ql__sample_value_type(self->view->kind, self->view->value)->unit);
        ql__sink_cstring(self->sink, "; red: more of its own, blue: less)");
    }
    ql__sink_printf(self->sink, "</text>\n<text class=\"side act\" id=\"reset\" x=\"%d\" y=\"42\" style=\"display: none\">reset zoom</text>\n", MARGIN);
    ql__sink_printf(self->sink, "<text class=\"side act\" id=\"search\" x=\"%d\" y=\"24\" text-anchor=\"end\">search</text>\n", PAGE_WIDTH - MARGIN);
    ql__sink_printf(self->sink, "<text class=\"side\" id=\"found\" x=\"%d\" y=\"42\" text-anchor=\"end\"></text>\n", PAGE_WIDTH - MARGIN);
    ql__sink_printf(self->sink, "<text class=\"side\" id=\"note\" x=\"%d\" y=\"%u\"></text>\n", MARGIN, height - 10);
}

static void put_graph(flame_writer *self)
{
    uint32_t rows = rows_of(self);
    put_head(self, rows);
    for (uint32_t i = 0; i < self->tree->count && !ql__sink_failed(self->sink); i++) put_node(self, i, rows);
    static const char script[] =
#include "flame_script.inc"
        ;
    ql__sink_cstring(self->sink, "<script><![CDATA[\n");
    ql__sink_cstring(self->sink, script);
    ql__sink_cstring(self->sink, "]]></script>\n</svg>\n");
}

static ql_status write_tree(flame_writer *self, ql_error *err)
{
    if (self->tree->nodes[0].total <= 0) return ql__fail(err, QL_E_NOTFOUND, "no sample of %s is left to show", ql__sample_kind_help(self->view->kind));
    uint32_t *children = ql__alloc_zero(self->tree->count, sizeof *children);
    self->nodes = ql__alloc_zero(self->tree->count, sizeof *self->nodes);
    ql_status status = children != NULL && self->nodes != NULL ? QL_OK : ql__fail_nomem(err);
    if (status >= 0) {
        lay_out(self, children);
        put_graph(self);
    }
    ql__free(children);
    ql__free(self->nodes);
    return status;
}

ql_status ql__write_flame(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err)
{
    ql__grouping groups = {0};
    ql__stack_sums sums = {0};
    ql__tree tree = {0};
    QL_TRY(ql__expect_samples(profile, view->kind, err));
    ql_status status = ql__grouping_new(profile, QL__GROUP_FUNCTION, &groups, err);
    if (status >= 0) status = ql__stack_sums_of(profile, view, &sums, err);
    if (status >= 0) status = ql__tree_add(&tree, profile, &sums, &groups, NULL, err);
    if (status >= 0) {
        flame_writer self = {.profile = profile, .view = view, .groups = &groups, .tree = &tree, .sink = sink};
        status = write_tree(&self, err);
    }
    ql__tree_free(&tree);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
    return status;
}

/* --- comparison -------------------------------------------------------------------------------------------------------------------- */

/* One side of a comparison, in groups that both sides share. */
typedef struct flame_side {
    const ql__profile *profile;
    ql__grouping groups;
    ql__stack_sums sums;
    ql__tree tree;
    uint32_t *shared;  /* (groups.count) */
    uint32_t *names;   /* (shared groups) a group of this side; those that it has not: 0 */
} flame_side;

static ql_status side_open(flame_side *self, const ql__profile_view *view, ql_error *err)
{
    QL_TRY(ql__expect_samples(self->profile, view->kind, err));
    QL_TRY(ql__grouping_new(self->profile, QL__GROUP_FUNCTION, &self->groups, err));
    return ql__stack_sums_of(self->profile, view, &self->sums, err);
}

static void side_close(flame_side *self)
{
    ql__tree_free(&self->tree);
    ql__stack_sums_free(&self->sums);
    ql__grouping_free(&self->groups);
    ql__free(self->shared);
    ql__free(self->names);
}

ql_status ql__write_flame_diff(const ql__profile *before, const ql__profile *after, const ql__profile_view *view, ql__sink *sink, ql_error *err)
{
    flame_side sides[2] = {{.profile = before}, {.profile = after}};
    size_t count = 0;
    ql_status status = side_open(&sides[0], view, err);
    if (status >= 0) status = side_open(&sides[1], view, err);
    if (status >= 0)
        status = ql__groups_match(before, &sides[0].groups, after, &sides[1].groups, &sides[0].shared, &sides[1].shared, &count, err);
    for (size_t i = 0; status >= 0 && i < 2; i++) {
        sides[i].names = ql__alloc_zero(count, sizeof *sides[i].names);
        if (sides[i].names == NULL) status = ql__fail_nomem(err);
        for (size_t g = 0; status >= 0 && g < sides[i].groups.count; g++) sides[i].names[sides[i].shared[g]] = (uint32_t)g;
        if (status >= 0) status = ql__tree_add(&sides[i].tree, sides[i].profile, &sides[i].sums, &sides[i].groups, sides[i].shared, err);
    }
    if (status >= 0) {
        flame_writer self = {.profile = after, .view = view, .groups = &sides[1].groups, .group_names = sides[1].names, .tree = &sides[1].tree,
                             .before = &sides[0].tree, .sink = sink};
        status = write_tree(&self, err);
    }
    side_close(&sides[0]);
    side_close(&sides[1]);
    return status;
}
