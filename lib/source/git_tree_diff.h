/* Which files differ between a commit and its parent. */
#ifndef QL_GIT_TREE_DIFF_H
#define QL_GIT_TREE_DIFF_H

#include "source/git_history_internal.h"

typedef struct ql__git_tree_diff {
    ql__git_history *history;
    uint32_t *paths; /* that differ */
    bool *added;     /* was not there before */
    size_t count, capacity, added_capacity;
    size_t entries; /* that differ, folders too */
    ql_buf path;
} ql__git_tree_diff;

/*
 * What `at` changed with respect to its parent (NULL: everything is new). Replaces diff's content. QL_DONE: the budget of the history is
 * spent, and the content of no use. QL_E_LIMIT: more than a commit may.
 */
ql_status ql__git_diff_commit(ql__git_tree_diff *diff, const ql__git_walk_commit *parent, const ql__git_walk_commit *at, ql_error *err);
void ql__git_diff_dispose(ql__git_tree_diff *diff);

#endif
