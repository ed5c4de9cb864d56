/* What is kept of a history between runs: one file. */
#ifndef QL_GIT_HISTORY_CACHE_H
#define QL_GIT_HISTORY_CACHE_H

#include "source/git_history.h"

/* Nothing kept, another depth, damage: all mean to walk anew, none is an error. Sets has_kept. After the edges are known. QL_E_NOMEM, QL_E_LIMIT. */
ql_status ql__git_kept_read(ql__git_history *self, ql_error *err);
ql_status ql__git_kept_write(const ql__git_history *self, ql_error *err);
/* As if nothing had been read, but for the names and sizes of files, which stay true. */
void ql__git_kept_forget(ql__git_history *self);

#endif
