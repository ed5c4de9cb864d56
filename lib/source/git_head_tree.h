/* The files of the branch's head: the only part of the history that looks at contents. */
#ifndef QL_GIT_HEAD_TREE_H
#define QL_GIT_HEAD_TREE_H

#include "source/git_history.h"

/*
 * Enters every file of the head's tree (in_head, blob, size_bytes, is_lfs, is_missing) and everything else in it as "other". Files whose
 * blob is that of the kept result are not measured again. QL_E_LIMIT, QL_E_CORRUPT, QL_E_CANCELLED, QL_E_NOMEM.
 */
ql_status ql__git_head_tree_read(ql__git_history *self, ql_error *err);

#endif
