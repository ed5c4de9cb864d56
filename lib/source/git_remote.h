/* Opening the repository behind a git source: a folder in place, or a bare copy in the cache brought up to date. */
#ifndef QL_GIT_REMOTE_H
#define QL_GIT_REMOTE_H

#include "source/git_api.h"
#include "source/git_url.h"
#include "source/source.h"

typedef struct ql__git_head {
    ql_buf path;   /* of the repository that was opened */
    ql_buf branch; /* as in documents' addresses; "HEAD" when detached */
    git_oid commit;
} ql__git_head;

/* Secrets that must not be shown: the configured token, else the address's password. */
ql_str ql__git_secret(const ql__source_options *options, const ql__git_url *url);

/*
 * Finds the head of the configured branch; for a remote repository fetches what is missing into folder (made on demand), by one writer at
 * a time over all processes. QL_E_NOTFOUND: no such branch or no commit; QL_E_AUTH; QL_E_NET after three tries; QL_E_CANCELLED.
 */
ql_status ql__git_sync(const ql__git_api *api, const ql__source_options *options, const ql__git_url *url, const char *folder,
                       ql__git_head *out, ql_error *err);
/*
 * Whether a remote repository answers, lets us in and has the configured branch; nothing is fetched or written. One try, of at most what libgit2
 * waits for a connection (30 s) and an answer (60 s). Errors as of ql__git_sync.
 */
ql_status ql__git_ask(const ql__git_api *api, const ql__source_options *options, const ql__git_url *url, ql_error *err);
void ql__git_head_dispose(ql__git_head *self);

/* Opens path, never looking in the folders above it. */
ql_status ql__git_open(const ql__git_api *api, const char *path, git_repository **out, ql_error *err);

#endif
