/*
 * Which files the head of a branch holds, and when and by whom each was first and last changed: one walk over the history for all
 * files, kept between runs and continued from where it ended.
 */
#ifndef QL_GIT_HISTORY_H
#define QL_GIT_HISTORY_H

#include "source/git_api.h"
#include "source/source.h"

/* One path. Only those with in_head are files of the branch's head now; the others are known from the past. */
typedef struct ql__git_file {
    ql_str path;
    uint64_t size_bytes;
    int64_t last_s, first_s;  /* seconds since 1970 of the commits, or QL_TIME_UNKNOWN: beyond the depth or the budget */
    unsigned char blob[20];   /* content at the head */
    unsigned char last[20];   /* commit that changed it last; zero when not known */
    uint32_t group;           /* used by the walk */
    bool in_head, sized;      /* sized: size_bytes and is_lfs belong to blob */
    bool is_missing;          /* the content is not in this repository */
    bool is_lfs;              /* the content is a pointer of git-lfs */
    bool first_adds;          /* the first known change created the file */
} ql__git_file;

/* Something in the head's tree that is not a file. */
typedef struct ql__git_other {
    ql_str path;
    const char *reason; /* static */
} ql__git_other;

typedef struct ql__git_history ql__git_history;

typedef struct ql__git_history_options {
    const ql__git_api *api;
    const ql__source_options *source;
    git_repository *repo;
    git_oid head;
    const char *cache_path; /* file that keeps the result between runs; NULL: none */
    uint64_t compared_max;  /* 0: QL_LIMIT_GIT_COMPARED; tests lower it */
} ql__git_history_options;

/*
 * Reads the head's tree and walks what is new since the kept result. A damaged kept result is ignored; one that cannot be written is a
 * warning, and so is a history that takes more than compared_max to compare: it ends there as a shallow one does. QL_E_CORRUPT, QL_E_LIMIT,
 * QL_E_CANCELLED, QL_E_NOMEM.
 */
ql_status ql__git_history_new(const ql__git_history_options *options, ql__git_history **out, ql_error *err);
void ql__git_history_free(ql__git_history *self);

/* All paths, in no particular order. Immutable after _new, so any thread may look. */
const ql__git_file *ql__git_history_files(const ql__git_history *self, size_t *count);
const ql__git_other *ql__git_history_others(const ql__git_history *self, size_t *count);
const ql__git_file *ql__git_history_find(const ql__git_history *self, ql_str path); /* NULL: not known */
/* Commits that this call looked at; 0 when the kept result was current. For logs and tests. */
size_t ql__git_history_walked(const ql__git_history *self);

#endif
