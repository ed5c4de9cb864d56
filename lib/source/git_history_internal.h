/*
 * Inside the git history: what its parts share. Each part is a file that knows this header and nothing of the others; git_history.c puts
 * them together.
 *
 * path     a file's name from the root of the repository; a number is its place in `files`
 * commit   a number is its place in `commits`; the head is 0
 * group    number of a set of paths that are pending at the same commit
 * kept     known from an earlier run
 */
#ifndef QL_GIT_HISTORY_INTERNAL_H
#define QL_GIT_HISTORY_INTERNAL_H

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "source/git_history.h"

enum { OID_BYTES = 20 };
#define NO_INDEX UINT32_MAX

typedef struct ql__git_walk_commit {
    unsigned char id[OID_BYTES], tree[OID_BYTES];
    int64_t time_s;
    uint32_t parents_at, parent_count; /* into parents; NO_INDEX entries are not walked */
    uint32_t child_count;              /* not visited yet */
    uint32_t distance;                 /* from the head, in commits */
    uint32_t group;                    /* of paths pending here */
    bool edge;                         /* its parents are beyond the depth */
    bool kept;                         /* seen by an earlier run: not walked */
} ql__git_walk_commit;

struct ql__git_history {
    ql__git_history_options options;
    git_odb *odb;
    ql__arena names;
    ql__map index; /* path -> place in files + 1 */
    ql__git_file *files;
    size_t file_count, file_capacity;
    ql__git_other *others;
    size_t other_count, other_capacity;
    size_t entries_seen; /* of the head's tree */
    /* commits seen by earlier runs, sorted, and where they ended */
    unsigned char *kept_commits;
    size_t kept_count;
    git_oid kept_head;
    bool has_kept;
    /* the walk */
    ql__git_walk_commit *commits;
    size_t commit_count, commit_capacity;
    ql__map commit_index;
    ql__arena commit_names;
    uint32_t *parents;
    size_t parent_count, parent_capacity;
    uint32_t *groups; /* union-find */
    size_t group_count, group_capacity;
    unsigned char *edges; /* commits at the edge of a shallow repository, sorted */
    size_t edge_count, edge_capacity;
    uint64_t edges_hash;
    uint32_t depth; /* 0: all */
    uint64_t compared; /* entries of folders, of all commits that the result rests on */
    bool spent;        /* compared went over its bound: the rest of the history was left */
    bool incomplete;
    size_t walked;
    uint32_t polls;
};

static inline ql_status ql__git_failure(const ql__git_history *self, int code, const char *what, ql_error *err)
{
    return ql__git_fail(self->options.api, code, (ql_str){NULL, 0}, what, err);
}

static inline bool ql__git_is_cancelled(ql__git_history *self)
{
    const ql__source_options *source = self->options.source;
    return self->polls++ % 64 == 0 && source->cancelled_fn != NULL && source->cancelled_fn(source->user) != 0;
}

static inline int ql__git_compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, OID_BYTES);
}

static inline bool ql__git_has_id(const unsigned char *sorted, size_t count, const unsigned char *id)
{
    return count > 0 && bsearch(id, sorted, count, OID_BYTES, ql__git_compare_ids) != NULL;
}

static inline bool ql__git_is_regular(git_filemode_t mode)
{
    return (mode & 0170000) == 0100000;
}

/* --- the table of paths (git_history_paths.c) */
/* The number of a path, which is entered when it is new. QL_E_LIMIT: too many. */
ql_status ql__git_intern(ql__git_history *self, ql_str path, uint32_t *out, ql_error *err);
/* A path while folders are read: one name more, and back to the length before. */
ql_status ql__git_append_name(ql_buf *path, const char *name, ql_error *err);
void ql__git_cut_name(ql_buf *path, size_t length);

#endif
