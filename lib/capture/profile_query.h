/*
 * Sums over the samples of a profile: by function, line, file and so on, who calls whom, and the tree of calls. Inlined functions are frames like others.
 * A function that is on a stack several times counts once in its cumulative sum. Results are plain arrays, freed by their _free.
 */
#ifndef QL_PROFILE_QUERY_H
#define QL_PROFILE_QUERY_H

#include "capture/profile.h"

/* Which samples, and which of their values. */
typedef struct ql__profile_view {
    ql__sample_kind kind;
    size_t value;        /* of the kind's values */
    uint32_t thread;     /* index + 1; 0: all */
    ql_str label_key;    /* only samples whose label of this key has label_value; empty: all */
    ql_str label_value;
} ql__profile_view;

/* What frames are told apart by. */
typedef enum ql__profile_group { QL__GROUP_FUNCTION, QL__GROUP_LINE, QL__GROUP_FILE, QL__GROUP_MODULE, QL__GROUP_COUNT } ql__profile_group;

/* Groups of frames: a number for every line of the profile's locations. */
typedef struct ql__group_key {
    uint32_t function;   /* any one of the group's, 0: no function */
    uint32_t line;       /* of QL__GROUP_LINE, else the function's first line or 0 */
} ql__group_key;

typedef struct ql__grouping {
    ql__profile_group by;
    uint32_t *of_line;   /* (lines_count) index of keys */
    ql__group_key *keys; /* (count) */
    size_t count;
} ql__grouping;

ql_status ql__grouping_new(const ql__profile *profile, ql__profile_group by, ql__grouping *out, ql_error *err);
void ql__grouping_free(ql__grouping *self);
/* How the group is called: name of the function, of the file, or of the module; borrowed from the profile. */
ql_str ql__grouping_name(const ql__profile *profile, const ql__grouping *self, size_t group);

/*
 * Groups of two profiles that are the same: of one name (QL__GROUP_LINE: and line) in a module or file of one base name, as paths and addresses change from
 * build to build. left_out[g], right_out[g]: common number of each group, 0 to *count - 1; both are freed with ql__free, also after a failure.
 */
ql_status ql__groups_match(const ql__profile *left, const ql__grouping *left_groups, const ql__profile *right, const ql__grouping *right_groups,
                           uint32_t **left_out, uint32_t **right_out, size_t *count, ql_error *err);

/* Frames of a stack, one after the other, leaf first, inlined ones included. */
typedef struct ql__frame_iter {
    const ql__profile *profile;
    const ql__profile_stack *stack;
    uint32_t location, line; /* of stack and of location; next to be handed out */
} ql__frame_iter;
ql__frame_iter ql__frames_of(const ql__profile *profile, uint32_t stack);
/* Index of profile->lines; false: no more. */
bool ql__frame_next(ql__frame_iter *self, uint32_t *line);

/* What the chosen samples of each stack add up to. */
typedef struct ql__stack_sum {
    int64_t value;
    uint64_t samples;
} ql__stack_sum;
typedef struct ql__stack_sums {
    ql__stack_sum *items;  /* (stacks_count) */
    int64_t value;         /* of all */
    uint64_t samples;
} ql__stack_sums;
ql_status ql__stack_sums_of(const ql__profile *profile, const ql__profile_view *view, ql__stack_sums *out, ql_error *err);
void ql__stack_sums_free(ql__stack_sums *self);
/* A sample's value, whether the view has it or not. */
int64_t ql__sample_value(const ql__profile *profile, ql__sample_kind kind, size_t sample, size_t value);
bool ql__view_has(const ql__profile *profile, const ql__profile_view *view, const ql__profile_sample *sample);

typedef struct ql__total {
    int64_t self, cumulative;
    uint64_t samples_self, samples; /* samples whose stack ends in it; whose stack has it */
} ql__total;
typedef struct ql__totals {
    ql__total *items;      /* (grouping.count) */
    int64_t value;
    uint64_t samples;
} ql__totals;
ql_status ql__totals_of(const ql__profile *profile, const ql__stack_sums *sums, const ql__grouping *groups, ql__totals *out, ql_error *err);
void ql__totals_free(ql__totals *self);

typedef enum ql__totals_order { QL__ORDER_CUMULATIVE, QL__ORDER_SELF, QL__ORDER_SAMPLES } ql__totals_order;
/* Groups that have samples, largest first, ties by index; *out has *count of them and is freed with ql__free. */
ql_status ql__totals_sort(const ql__totals *self, size_t groups, ql__totals_order order, uint32_t **out, size_t *count, ql_error *err);

/* Who calls whom. Sorted by callee, then caller. */
typedef struct ql__edge {
    uint32_t caller, callee; /* groups */
    int64_t self, cumulative; /* of the callee when that caller called it; a pair that is on a stack several times counts once */
    uint64_t samples_self, samples;
} ql__edge;
typedef struct ql__edges {
    ql__edge *items;
    size_t count, capacity;
} ql__edges;
ql_status ql__edges_of(const ql__profile *profile, const ql__stack_sums *sums, const ql__grouping *groups, ql__edges *out, ql_error *err);
void ql__edges_free(ql__edges *self);

/* The tree of calls, root first: node 0 is all, its children are the roots of threads. A node's children come after it. */
typedef struct ql__tree_node {
    uint32_t group;        /* of node 0: none */
    uint32_t parent, first_child, next_sibling; /* 0: none */
    int64_t self, total;
} ql__tree_node;
typedef struct ql__tree {
    ql__tree_node *nodes;
    size_t count, capacity;
    ql__map children;      /* while it grows */
    ql__arena keys;
} ql__tree;
/* Adds the stacks of a profile; a zeroed tree is a new one. group_of: the tree's number of each group of this profile; NULL: the same. */
ql_status ql__tree_add(ql__tree *self, const ql__profile *profile, const ql__stack_sums *sums, const ql__grouping *groups, const uint32_t *group_of, ql_error *err);
void ql__tree_free(ql__tree *self);

#endif
