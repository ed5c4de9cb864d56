/*
 * Goal: sums, edges and the tree agree with a plain recount of every sample; recursion counts once; a view takes its samples only.
 * Method: random stacks over few functions (so that recursion is common), recounted frame by frame.
 */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/profile_query.h"

#define FUNCTIONS 7
#define STACKS 60
#define SAMPLES 500
#define DEPTH 9

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state % bound);
}

/* Functions f1..f7 of two files; each location has one line, or two (an inlined function). */
typedef struct fixture {
    ql__profile *profile;
    uint32_t function[FUNCTIONS];
} fixture;

static void build(fixture *f)
{
    uint32_t locations[FUNCTIONS * 2], stacks[STACKS], path[DEPTH], stage, values[2], labels[2];
    assert_int_equal(ql__profile_new(&f->profile, NULL), QL_OK);
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        char name[8];
        ql__profile_function function = {.start_line = i};
        snprintf(name, sizeof name, "f%u", i);
        assert_int_equal(ql__profile_string(f->profile, ql_str_of(name), &function.name, NULL), QL_OK);
        assert_int_equal(ql__profile_string(f->profile, ql_str_of(i < 4 ? "/src/a.c" : "/src/b.c"), &function.file, NULL), QL_OK);
        assert_int_equal(ql__profile_string(f->profile, QL_STR("/lib/m.so"), &function.module, NULL), QL_OK);
        assert_int_equal(ql__profile_function_add(f->profile, &function, &f->function[i], NULL), QL_OK);
    }
    for (uint32_t i = 0; i < FUNCTIONS * 2; i++) {
        const ql__profile_line lines[] = {{f->function[i % FUNCTIONS], i}, {f->function[(i + 1) % FUNCTIONS], 99}};
        assert_int_equal(ql__profile_location_add(f->profile, 0, 0x100 + i, lines, i < FUNCTIONS ? 1 : 2, &locations[i], NULL), QL_OK);
    }
    for (uint32_t s = 0; s < STACKS; s++) {
        uint32_t depth = 1 + random_below(DEPTH);
        for (uint32_t d = 0; d < depth; d++) path[d] = locations[random_below(FUNCTIONS * 2)];
        assert_int_equal(ql__profile_stack_add(f->profile, path, depth, false, &stacks[s], NULL), QL_OK);
    }
    assert_int_equal(ql__profile_string(f->profile, QL_STR("stage"), &stage, NULL), QL_OK);
    assert_int_equal(ql__profile_string(f->profile, QL_STR("convert"), &values[0], NULL), QL_OK);
    assert_int_equal(ql__profile_string(f->profile, QL_STR("embed"), &values[1], NULL), QL_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(ql__profile_labels_add(f->profile, &(ql__profile_label){stage, values[i]}, 1, &labels[i], NULL), QL_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(ql__profile_thread_add(f->profile, &(ql__profile_thread){.id = 1}, NULL), QL_OK);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const ql__profile_sample sample = {.stack = stacks[random_below(STACKS)], .labels = labels[random_below(2)], .thread = random_below(3), .at_ns = i};
        const int64_t sampled[] = {1, 1 + random_below(1000)};
        assert_int_equal(ql__profile_sample_add(f->profile, QL__SAMPLE_CPU, &sample, sampled, NULL), QL_OK);
    }
}

/* The groups of a sample's frames, leaf first. */
static size_t frames_of(const ql__profile *p, uint32_t stack, const ql__grouping *groups, uint32_t *out)
{
    ql__frame_iter frames = ql__frames_of(p, stack);
    uint32_t line;
    size_t count = 0;
    while (ql__frame_next(&frames, &line)) out[count++] = groups->of_line[line];
    return count;
}

static bool has_from(const uint32_t *frames, size_t from, size_t count, uint32_t group)
{
    for (size_t i = from; i < count; i++)
        if (frames[i] == group) return true;
    return false;
}

static void recount(const ql__profile *p, const ql__profile_view *view, ql__profile_group by)
{
    ql__grouping groups;
    ql__stack_sums sums;
    ql__totals totals;
    ql__edges edges;
    uint32_t frames[2 * DEPTH];
    assert_int_equal(ql__grouping_new(p, by, &groups, NULL), QL_OK);
    assert_int_equal(ql__stack_sums_of(p, view, &sums, NULL), QL_OK);
    assert_int_equal(ql__totals_of(p, &sums, &groups, &totals, NULL), QL_OK);
    assert_int_equal(ql__edges_of(p, &sums, &groups, &edges, NULL), QL_OK);
    int64_t all = 0;
    for (uint32_t g = 0; g < groups.count; g++) {
        int64_t self = 0, cumulative = 0;
        uint64_t samples = 0;
        for (size_t i = 0; i < p->sets[view->kind].count; i++) {
            const ql__profile_sample *sample = &p->sets[view->kind].samples[i];
            if (!ql__view_has(p, view, sample)) continue;
            size_t count = frames_of(p, sample->stack, &groups, frames);
            int64_t value = ql__sample_value(p, view->kind, i, view->value);
            if (frames[0] == g) self += value;
            if (has_from(frames, 0, count, g)) cumulative += value, samples++;
        }
        assert_int_equal(totals.items[g].self, self);
        assert_int_equal(totals.items[g].cumulative, cumulative);
        assert_int_equal(totals.items[g].samples, samples);
        all += self;
    }
    assert_int_equal(all, sums.value);
    for (size_t e = 0; e < edges.count; e++) {
        const ql__edge *edge = &edges.items[e];
        int64_t self = 0, cumulative = 0;
        for (size_t i = 0; i < p->sets[view->kind].count; i++) {
            const ql__profile_sample *sample = &p->sets[view->kind].samples[i];
            if (!ql__view_has(p, view, sample)) continue;
            size_t count = frames_of(p, sample->stack, &groups, frames);
            int64_t value = ql__sample_value(p, view->kind, i, view->value);
            bool there = false;
            for (size_t d = 0; d + 1 < count; d++) there = there || (frames[d] == edge->callee && frames[d + 1] == edge->caller);
            if (there) cumulative += value;
            if (count > 1 && frames[0] == edge->callee && frames[1] == edge->caller) self += value;
        }
        assert_int_equal(edge->self, self);
        assert_int_equal(edge->cumulative, cumulative);
        if (e > 0) assert_true(edges.items[e - 1].callee <= edge->callee);
    }
    assert_true(edges.count > 0);
    ql__edges_free(&edges);
    ql__totals_free(&totals);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
}

static void test_profile_query__agrees_with_a_recount(void **state)
{
    (void)state;
    fixture f;
    build(&f);
    const ql__profile_view views[] = {{QL__SAMPLE_CPU, QL__VALUE_NS, 0, {0}, {0}}, {QL__SAMPLE_CPU, QL__VALUE_COUNT, 2, {0}, {0}}, {QL__SAMPLE_CPU, QL__VALUE_NS, 0, QL_STR("stage"), QL_STR("embed")}};
    for (size_t v = 0; v < 3; v++)
        for (int by = 0; by < QL__GROUP_COUNT; by++)
            if (by != QL__GROUP_MODULE) recount(f.profile, &views[v], (ql__profile_group)by);
    ql__profile_free(f.profile);
}

static void test_profile_query__tree_adds_up(void **state)
{
    (void)state;
    fixture f;
    build(&f);
    const ql__profile_view view = {QL__SAMPLE_CPU, QL__VALUE_NS, 0, {0}, {0}};
    ql__grouping groups;
    ql__stack_sums sums;
    ql__tree tree = {0};
    assert_int_equal(ql__grouping_new(f.profile, QL__GROUP_FUNCTION, &groups, NULL), QL_OK);
    assert_int_equal(groups.count, FUNCTIONS);
    assert_int_equal(ql__stack_sums_of(f.profile, &view, &sums, NULL), QL_OK);
    assert_int_equal(ql__tree_add(&tree, f.profile, &sums, &groups, NULL, NULL), QL_OK);
    assert_int_equal(tree.nodes[0].total, sums.value);
    for (uint32_t i = 0; i < tree.count; i++) {
        int64_t children = 0;
        for (uint32_t child = tree.nodes[i].first_child; child != 0; child = tree.nodes[child].next_sibling) {
            assert_true(child > i);
            assert_int_equal(tree.nodes[child].parent, i);
            children += tree.nodes[child].total;
        }
        assert_int_equal(children + tree.nodes[i].self, tree.nodes[i].total);
    }
    ql__tree_free(&tree);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
    ql__profile_free(f.profile);
}

static void test_profile_query__sorts_and_names(void **state)
{
    (void)state;
    fixture f;
    build(&f);
    const ql__profile_view view = {QL__SAMPLE_CPU, QL__VALUE_NS, 0, {0}, {0}};
    ql__grouping groups;
    ql__stack_sums sums;
    ql__totals totals;
    uint32_t *order;
    size_t count;
    assert_int_equal(ql__grouping_new(f.profile, QL__GROUP_FILE, &groups, NULL), QL_OK);
    assert_int_equal(groups.count, 2);
    assert_true(ql_str_equal(ql__grouping_name(f.profile, &groups, 0), QL_STR("/src/a.c")));
    ql__grouping_free(&groups);
    assert_int_equal(ql__grouping_new(f.profile, QL__GROUP_MODULE, &groups, NULL), QL_OK);
    assert_int_equal(groups.count, 1);
    assert_true(ql_str_equal(ql__grouping_name(f.profile, &groups, 0), QL_STR("/lib/m.so")));
    ql__grouping_free(&groups);
    assert_int_equal(ql__grouping_new(f.profile, QL__GROUP_FUNCTION, &groups, NULL), QL_OK);
    assert_int_equal(ql__stack_sums_of(f.profile, &view, &sums, NULL), QL_OK);
    assert_int_equal(ql__totals_of(f.profile, &sums, &groups, &totals, NULL), QL_OK);
    for (int by = 0; by < 3; by++) {
        assert_int_equal(ql__totals_sort(&totals, groups.count, (ql__totals_order)by, &order, &count, NULL), QL_OK);
        assert_int_equal(count, FUNCTIONS);
        for (size_t i = 1; i < count; i++) {
            const ql__total *a = &totals.items[order[i - 1]], *b = &totals.items[order[i]];
            assert_true(by == QL__ORDER_SELF ? a->self >= b->self : by == QL__ORDER_SAMPLES ? a->samples >= b->samples : a->cumulative >= b->cumulative);
        }
        ql__free(order);
    }
    uint32_t *left, *right;
    assert_int_equal(ql__groups_match(f.profile, &groups, f.profile, &groups, &left, &right, &count, NULL), QL_OK);
    assert_int_equal(count, FUNCTIONS);
    assert_memory_equal(left, right, FUNCTIONS * sizeof *left);
    ql__free(left);
    ql__free(right);
    ql__totals_free(&totals);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
    ql__profile_free(f.profile);
}

static ql_status query(void *user, ql_error *err)
{
    const ql__profile *p = user;
    const ql__profile_view view = {QL__SAMPLE_CPU, QL__VALUE_NS, 0, {0}, {0}};
    ql__grouping groups = {0};
    ql__stack_sums sums = {0};
    ql__totals totals = {0};
    ql__edges edges = {0};
    ql__tree tree = {0};
    uint32_t *order = NULL, *left = NULL, *right = NULL;
    size_t count;
    ql_status status = ql__grouping_new(p, QL__GROUP_LINE, &groups, err);
    if (status >= 0) status = ql__stack_sums_of(p, &view, &sums, err);
    if (status >= 0) status = ql__totals_of(p, &sums, &groups, &totals, err);
    if (status >= 0) status = ql__totals_sort(&totals, groups.count, QL__ORDER_SELF, &order, &count, err);
    if (status >= 0) status = ql__edges_of(p, &sums, &groups, &edges, err);
    if (status >= 0) status = ql__tree_add(&tree, p, &sums, &groups, NULL, err);
    if (status >= 0) status = ql__groups_match(p, &groups, p, &groups, &left, &right, &count, err);
    ql__free(order);
    ql__free(left);
    ql__free(right);
    ql__tree_free(&tree);
    ql__edges_free(&edges);
    ql__totals_free(&totals);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
    return status;
}

static void test_profile_query__survives_running_out_of_memory(void **state)
{
    (void)state;
    fixture f;
    ql_test_alloc_install(); /* before anything is taken that is freed later */
    build(&f);
    ql_test_fault_loop(QL_FAULT_ALLOC, query, f.profile);
    ql__profile_free(f.profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profile_query__agrees_with_a_recount),
        cmocka_unit_test(test_profile_query__tree_adds_up),
        cmocka_unit_test(test_profile_query__sorts_and_names),
        cmocka_unit_test(test_profile_query__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
