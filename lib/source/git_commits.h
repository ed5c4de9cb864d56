/* The commits that a walk visits: which there are, how they hang together, and where a shallow history ends. */
#ifndef QL_GIT_COMMITS_H
#define QL_GIT_COMMITS_H

#include "source/git_history.h"

/* Reads which commits are the edge of a shallow repository. Once, before anything is loaded. */
ql_status ql__git_edges_read(ql__git_history *self, ql_error *err);
/* Finds all commits to visit, nearest first, so that distances are shortest ways (what git calls depth). QL_E_CORRUPT, QL_E_CANCELLED, QL_E_NOMEM. */
ql_status ql__git_commits_load(ql__git_history *self, ql_error *err);
/* The trees of kept commits are needed when they are parents of new ones. */
ql_status ql__git_commits_load_kept(ql__git_history *self, ql_error *err);
/* As before the first load. */
void ql__git_commits_drop(ql__git_history *self);

#endif
