/*
 * Sums over samples. Samples are first added up by stack, as there are far fewer stacks than samples; everything else walks stacks.
 * "Counts once" is kept by a stamp: the number of the stack (+ 1) that a group was last counted for.
 * Threads: any, the profile is only read. Cost: O(samples + frames of all stacks); edges and tree a look-up of a hash each frame.
 */
#include "capture/profile_query.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"

/* --- groups ------------------------------------------------------------------------------------------------------------------------ */

static uint64_t group_key(const ql__profile *profile, ql__profile_group by, const ql__profile_line *line)
{
    const ql__profile_function *function = &profile->functions[line->function];
    switch (by) {
    case QL__GROUP_LINE: return (uint64_t)line->function << 32 | line->line;
    case QL__GROUP_FILE: return function->file != 0 ? function->file : (uint64_t)function->module << 32;
    case QL__GROUP_MODULE: return function->module;
    case QL__GROUP_FUNCTION:
    case QL__GROUP_COUNT: break;
    }
    return line->function;
}

static ql_status group_lines(const ql__profile *profile, ql__grouping *self, uint64_t *kept, ql__map *ids, ql_error *err)
{
    for (size_t i = 0; i < profile->lines_count; i++) {
        const ql__profile_line *line = &profile->lines[i];
        kept[self->count] = group_key(profile, self->by, line);
        bool fresh;
        uint64_t *id = ql__map_insert(ids, (ql_str){(const char *)&kept[self->count], sizeof *kept}, &fresh);
        if (id == NULL) return ql__fail_nomem(err);
        if (fresh) {
            *id = self->count;
            self->keys[self->count++] = (ql__group_key){line->function, self->by == QL__GROUP_LINE ? line->line : profile->functions[line->function].start_line};
        }
        self->of_line[i] = (uint32_t)*id;
    }
    return QL_OK;
}

ql_status ql__grouping_new(const ql__profile *profile, ql__profile_group by, ql__grouping *out, ql_error *err)
{
    ql__grouping self = {.by = by};
    ql__map ids;
    ql__map_init(&ids, 0x5eed);
    self.of_line = ql__alloc_zero(profile->lines_count, sizeof *self.of_line);
    self.keys = ql__alloc_zero(profile->lines_count, sizeof *self.keys);
    uint64_t *kept = ql__alloc_zero(profile->lines_count, sizeof *kept); /* keys of the map, which borrows them */
    ql_status status = self.of_line != NULL && self.keys != NULL && kept != NULL ? group_lines(profile, &self, kept, &ids, err) : ql__fail_nomem(err);
    ql__map_dispose(&ids);
    ql__free(kept);
    if (status < 0) ql__grouping_free(&self);
    else *out = self;
    return status;
}

void ql__grouping_free(ql__grouping *self)
{
    ql__free(self->of_line);
    ql__free(self->keys);
    *self = (ql__grouping){0};
}

ql_str ql__grouping_name(const ql__profile *profile, const ql__grouping *self, size_t group)
{
    const ql__profile_function *function = &profile->functions[self->keys[group].function];
    uint32_t string = function->name;
    if (self->by == QL__GROUP_MODULE || (self->by == QL__GROUP_FILE && function->file == 0)) string = function->module;
    else if (self->by == QL__GROUP_FILE) string = function->file;
    ql_str name = ql__profile_text(profile, string);
    return name.len > 0 ? name : QL_STR("[unknown]");
}

typedef struct matcher {
    ql__map ids;
    ql__arena keys;
    ql_buf key;
    size_t count;
} matcher;

static ql_status match_side(matcher *self, const ql__profile *profile, const ql__grouping *groups, uint32_t *out, ql_error *err)
{
    for (size_t i = 0; i < groups->count; i++) {
        const ql__profile_function *function = &profile->functions[groups->keys[i].function];
        ql_buf_clear(&self->key);
        (void)ql_buf_append(&self->key, groups->by == QL__GROUP_FUNCTION || groups->by == QL__GROUP_LINE ? ql__grouping_name(profile, groups, i) : ql__path_base(ql__grouping_name(profile, groups, i)));
        (void)ql_buf_append_char(&self->key, '\0');
        (void)ql_buf_append(&self->key, ql__path_base(ql__profile_text(profile, function->module)));
        if (groups->by == QL__GROUP_LINE) (void)ql_buf_append(&self->key, (ql_str){(const char *)&groups->keys[i].line, sizeof groups->keys[i].line});
        if (self->key.status < 0) return ql__fail_status(err, self->key.status);
        ql_str kept;
        bool fresh;
        if (!ql__arena_copy(&self->keys, ql_buf_str(&self->key), &kept)) return ql__fail_nomem(err);
        uint64_t *id = ql__map_insert(&self->ids, kept, &fresh);
        if (id == NULL) return ql__fail_nomem(err);
        if (fresh) *id = self->count++;
        out[i] = (uint32_t)*id;
    }
    return QL_OK;
}

ql_status ql__groups_match(const ql__profile *left, const ql__grouping *left_groups, const ql__profile *right, const ql__grouping *right_groups,
                           uint32_t **left_out, uint32_t **right_out, size_t *count, ql_error *err)
{
    matcher self = {0};
    ql__map_init(&self.ids, 0x5eed);
    ql__arena_init(&self.keys, 0);
    ql_buf_init(&self.key, QL_LIMIT_BUF_BYTES);
    *left_out = ql__alloc_zero(left_groups->count, sizeof **left_out);
    *right_out = ql__alloc_zero(right_groups->count, sizeof **right_out);
    ql_status status = *left_out != NULL && *right_out != NULL ? match_side(&self, left, left_groups, *left_out, err) : ql__fail_nomem(err);
    if (status >= 0) status = match_side(&self, right, right_groups, *right_out, err);
    *count = self.count;
    ql__map_dispose(&self.ids);
    ql__arena_dispose(&self.keys);
    ql_buf_dispose(&self.key);
    return status;
}

/* --- frames and stacks ------------------------------------------------------------------------------------------------------------- */

ql__frame_iter ql__frames_of(const ql__profile *profile, uint32_t stack)
{
    return (ql__frame_iter){.profile = profile, .stack = &profile->stacks[stack]};
}

bool ql__frame_next(ql__frame_iter *self, uint32_t *line)
{
    if (self->location >= self->stack->count) return false;
    const ql__profile_location *location = &self->profile->locations[self->profile->stack_locations[self->stack->first + self->location]];
    *line = location->line_first + self->line;
    if (++self->line >= location->line_count) {
        self->line = 0;
        self->location++;
    }
    return true;
}

int64_t ql__sample_value(const ql__profile *profile, ql__sample_kind kind, size_t sample, size_t value)
{
    return profile->sets[kind].values[sample * ql__sample_kind_width(kind) + value];
}

bool ql__view_has(const ql__profile *profile, const ql__profile_view *view, const ql__profile_sample *sample)
{
    if (view->thread != 0 && sample->thread != view->thread) return false;
    if (view->label_key.len == 0) return true;
    return ql_str_equal(ql__profile_text(profile, ql__profile_label_of(profile, sample->labels, view->label_key)), view->label_value);
}

/* Values of a capture are anybody's: sums stop at the ends of the type. */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

ql_status ql__stack_sums_of(const ql__profile *profile, const ql__profile_view *view, ql__stack_sums *out, ql_error *err)
{
    assert(view->value < ql__sample_kind_width(view->kind));
    const ql__profile_set *set = &profile->sets[view->kind];
    ql__stack_sums self = {.items = ql__alloc_zero(profile->stacks_count, sizeof *self.items)};
    if (self.items == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < set->count; i++) {
        const ql__profile_sample *sample = &set->samples[i];
        int64_t value = ql__sample_value(profile, view->kind, i, view->value);
        if (value == 0 || !ql__view_has(profile, view, sample)) continue;
        ql__stack_sum *sum = &self.items[sample->stack];
        sum->value = add(sum->value, value);
        sum->samples++;
        self.value = add(self.value, value);
        self.samples++;
    }
    *out = self;
    return QL_OK;
}

void ql__stack_sums_free(ql__stack_sums *self)
{
    ql__free(self->items);
    *self = (ql__stack_sums){0};
}

/* --- totals ------------------------------------------------------------------------------------------------------------------------ */

static void add_stack(const ql__profile *profile, uint32_t stack, const ql__stack_sum *sum, const ql__grouping *groups, uint32_t *stamps, ql__total *items)
{
    ql__frame_iter frames = ql__frames_of(profile, stack);
    uint32_t line;
    for (bool leaf = true; ql__frame_next(&frames, &line); leaf = false) {
        uint32_t group = groups->of_line[line];
        if (leaf) {
            items[group].self = add(items[group].self, sum->value);
            items[group].samples_self += sum->samples;
        }
        if (stamps[group] == stack + 1) continue;
        stamps[group] = stack + 1;
        items[group].cumulative = add(items[group].cumulative, sum->value);
        items[group].samples += sum->samples;
    }
}

ql_status ql__totals_of(const ql__profile *profile, const ql__stack_sums *sums, const ql__grouping *groups, ql__totals *out, ql_error *err)
{
    ql__totals self = {.items = ql__alloc_zero(groups->count, sizeof *self.items), .value = sums->value, .samples = sums->samples};
    uint32_t *stamps = ql__alloc_zero(groups->count, sizeof *stamps);
    if (self.items == NULL || stamps == NULL) {
        ql__free(stamps);
        ql__totals_free(&self);
        return ql__fail_nomem(err);
    }
    for (size_t i = 0; i < profile->stacks_count; i++)
        if (sums->items[i].samples > 0) add_stack(profile, (uint32_t)i, &sums->items[i], groups, stamps, self.items);
    ql__free(stamps);
    *out = self;
    return QL_OK;
}

void ql__totals_free(ql__totals *self)
{
    ql__free(self->items);
    *self = (ql__totals){0};
}

typedef struct ranked {
    int64_t first, second;
    uint32_t group;
} ranked;

static int compare_ranked(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->first != b->first) return a->first < b->first ? 1 : -1;
    if (a->second != b->second) return a->second < b->second ? 1 : -1;
    return a->group < b->group ? -1 : 1;
}

ql_status ql__totals_sort(const ql__totals *self, size_t groups, ql__totals_order order, uint32_t **out, size_t *count, ql_error *err)
{
    ranked *rows = ql__alloc_zero(groups, sizeof *rows);
    uint32_t *sorted = ql__alloc_zero(groups, sizeof *sorted);
    if (rows == NULL || sorted == NULL) {
        ql__free(rows);
        ql__free(sorted);
        return ql__fail_nomem(err);
    }
    size_t used = 0;
    for (size_t i = 0; i < groups; i++) {
        const ql__total *total = &self->items[i];
        if (total->samples == 0) continue;
        rows[used++] = (ranked){order == QL__ORDER_SELF ? total->self : order == QL__ORDER_SAMPLES ? (int64_t)total->samples : total->cumulative,
                                order == QL__ORDER_SELF ? total->cumulative : total->self, (uint32_t)i};
    }
    qsort(rows, used, sizeof *rows, compare_ranked);
    for (size_t i = 0; i < used; i++) sorted[i] = rows[i].group;
    ql__free(rows);
    *out = sorted;
    *count = used;
    return QL_OK;
}

/* --- edges ------------------------------------------------------------------------------------------------------------------------- */

typedef struct edge_builder {
    ql__edges edges;
    ql__map ids;
    ql__arena keys;
    uint32_t *stamps;
    size_t stamps_capacity;
} edge_builder;

/* The edge of a pair; its place in the array. */
static ql_status edge_of(edge_builder *self, uint32_t caller, uint32_t callee, size_t *out, ql_error *err)
{
    const uint32_t key[2] = {callee, caller};
    ql_str text = {(const char *)key, sizeof key}, kept;
    const uint64_t *known = ql__map_find(&self->ids, text);
    if (known != NULL) {
        *out = (size_t)*known;
        return QL_OK;
    }
    ql__edges *edges = &self->edges;
    if (edges->count >= 4 * QL_LIMIT_PROFILE_ROWS) return ql__fail(err, QL_E_LIMIT, "the capture has more than %zu pairs of functions", 4 * QL_LIMIT_PROFILE_ROWS);
    if (!ql__array_reserve(&edges->items, &edges->capacity, edges->count + 1, sizeof *edges->items) ||
        !ql__array_reserve(&self->stamps, &self->stamps_capacity, edges->count + 1, sizeof *self->stamps) || !ql__arena_copy(&self->keys, text, &kept))
        return ql__fail_nomem(err);
    uint64_t *place = ql__map_insert(&self->ids, kept, NULL);
    if (place == NULL) return ql__fail_nomem(err);
    *place = *out = edges->count;
    self->stamps[edges->count] = 0;
    edges->items[edges->count++] = (ql__edge){.caller = caller, .callee = callee};
    return QL_OK;
}

static ql_status add_stack_edges(edge_builder *self, const ql__profile *profile, uint32_t stack, const ql__stack_sum *sum, const ql__grouping *groups, ql_error *err)
{
    ql__frame_iter frames = ql__frames_of(profile, stack);
    uint32_t line;
    if (!ql__frame_next(&frames, &line)) return QL_OK;
    uint32_t callee = groups->of_line[line];
    for (bool leaf = true; ql__frame_next(&frames, &line); leaf = false) {
        uint32_t caller = groups->of_line[line];
        size_t at = 0;
        QL_TRY(edge_of(self, caller, callee, &at, err));
        ql__edge *edge = &self->edges.items[at];
        if (leaf) {
            edge->self = add(edge->self, sum->value);
            edge->samples_self += sum->samples;
        }
        if (self->stamps[at] != stack + 1) {
            self->stamps[at] = stack + 1;
            edge->cumulative = add(edge->cumulative, sum->value);
            edge->samples += sum->samples;
        }
        callee = caller;
    }
    return QL_OK;
}

static int compare_edges(const void *left, const void *right)
{
    const ql__edge *a = left, *b = right;
    if (a->callee != b->callee) return a->callee < b->callee ? -1 : 1;
    return a->caller < b->caller ? -1 : a->caller > b->caller;
}

ql_status ql__edges_of(const ql__profile *profile, const ql__stack_sums *sums, const ql__grouping *groups, ql__edges *out, ql_error *err)
{
    edge_builder self = {0};
    ql_status status = QL_OK;
    ql__map_init(&self.ids, 0x5eed);
    ql__arena_init(&self.keys, 0);
    for (size_t i = 0; i < profile->stacks_count && status >= 0; i++)
        if (sums->items[i].samples > 0) status = add_stack_edges(&self, profile, (uint32_t)i, &sums->items[i], groups, err);
    ql__map_dispose(&self.ids);
    ql__arena_dispose(&self.keys);
    ql__free(self.stamps);
    if (status < 0) {
        ql__edges_free(&self.edges);
        return status;
    }
    if (self.edges.count > 0) qsort(self.edges.items, self.edges.count, sizeof *self.edges.items, compare_edges);
    *out = self.edges;
    return QL_OK;
}

void ql__edges_free(ql__edges *self)
{
    ql__free(self->items);
    *self = (ql__edges){0};
}

/* --- tree -------------------------------------------------------------------------------------------------------------------------- */

static ql_status tree_child(ql__tree *self, uint32_t parent, uint32_t group, uint32_t *out, ql_error *err)
{
    const uint32_t key[2] = {parent, group};
    ql_str text = {(const char *)key, sizeof key}, kept;
    const uint64_t *known = ql__map_find(&self->children, text);
    if (known != NULL) {
        *out = (uint32_t)*known;
        return QL_OK;
    }
    if (self->count >= QL_LIMIT_PROFILE_TREE) return ql__fail(err, QL_E_LIMIT, "the tree of calls has more than %zu nodes", QL_LIMIT_PROFILE_TREE);
    if (!ql__array_reserve(&self->nodes, &self->capacity, self->count + 1, sizeof *self->nodes) || !ql__arena_copy(&self->keys, text, &kept)) return ql__fail_nomem(err);
    uint64_t *place = ql__map_insert(&self->children, kept, NULL);
    if (place == NULL) return ql__fail_nomem(err);
    *place = self->count;
    *out = (uint32_t)self->count;
    ql__tree_node *node = &self->nodes[self->count++];
    *node = (ql__tree_node){.group = group, .parent = parent, .next_sibling = self->nodes[parent].first_child};
    self->nodes[parent].first_child = *out;
    return QL_OK;
}

static ql_status tree_add_stack(ql__tree *self, const ql__profile *profile, uint32_t stack, const ql__stack_sum *sum, const ql__grouping *groups,
                                const uint32_t *group_of, uint32_t *path, ql_error *err)
{
    ql__frame_iter frames = ql__frames_of(profile, stack);
    size_t depth = 0;
    uint32_t line, node = 0;
    while (depth < QL_LIMIT_PROFILE_FRAMES && ql__frame_next(&frames, &line)) path[depth++] = groups->of_line[line];
    self->nodes[0].total = add(self->nodes[0].total, sum->value);
    while (depth-- > 0) {
        QL_TRY(tree_child(self, node, group_of != NULL ? group_of[path[depth]] : path[depth], &node, err));
        self->nodes[node].total = add(self->nodes[node].total, sum->value);
    }
    self->nodes[node].self = add(self->nodes[node].self, sum->value);
    return QL_OK;
}

ql_status ql__tree_add(ql__tree *self, const ql__profile *profile, const ql__stack_sums *sums, const ql__grouping *groups, const uint32_t *group_of, ql_error *err)
{
    if (self->nodes == NULL) {
        ql__map_init(&self->children, 0x5eed);
        ql__arena_init(&self->keys, 0);
        if (!ql__array_reserve(&self->nodes, &self->capacity, 1, sizeof *self->nodes)) return ql__fail_nomem(err);
        self->nodes[self->count++] = (ql__tree_node){0};
    }
    uint32_t *path = ql__alloc_zero(QL_LIMIT_PROFILE_FRAMES, sizeof *path);
    if (path == NULL) return ql__fail_nomem(err);
    ql_status status = QL_OK;
    for (size_t i = 0; i < profile->stacks_count && status >= 0; i++)
        if (sums->items[i].samples > 0) status = tree_add_stack(self, profile, (uint32_t)i, &sums->items[i], groups, group_of, path, err);
    ql__free(path);
    return status;
}

void ql__tree_free(ql__tree *self)
{
    ql__free(self->nodes);
    ql__map_dispose(&self->children);
    ql__arena_dispose(&self->keys);
    *self = (ql__tree){0};
}
