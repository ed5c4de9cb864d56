/*
 * Comparing trees, by our own merge of sorted entries.
 *
 * Invariants: equal subtrees are not opened. A folder that became a file, or the other way round, is two entries, as git sorts them apart.
 * Links and submodules are no files: a file that becomes one was removed. What one commit may change is bounded, as is the nesting, and what is
 * looked at over the whole history (equal entries count too: a folder is read for one that differs). The path is whole again after every
 * entry, so that one buffer serves all.
 * Threads: one for each history. Cost: the entries of the folders on the way to what differs, on both sides.
 */
#include "source/git_tree_diff.h"

#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"

static ql_status diff_trees(ql__git_tree_diff *diff, const git_oid *old_id, const git_oid *new_id, uint32_t depth, ql_error *err);

static ql_status diff_file(ql__git_tree_diff *diff, bool added, ql_error *err)
{
    uint32_t path;
    QL_TRY(ql__git_intern(diff->history, ql_buf_str(&diff->path), &path, err));
    if (!ql__array_reserve(&diff->added, &diff->added_capacity, diff->count + 1, sizeof *diff->added)) return ql__fail_nomem(err);
    diff->added[diff->count] = added;
    return ql__array_push(diff->paths, diff->count, diff->capacity, path) ? QL_OK : ql__fail_nomem(err);
}

/* One name on either side or on both (then both are folders or neither is). */
static ql_status diff_entry(ql__git_tree_diff *diff, const git_tree_entry *old_entry, const git_tree_entry *new_entry, uint32_t depth, ql_error *err)
{
    const ql__git_api *api = diff->history->options.api;
    const git_tree_entry *any = new_entry != NULL ? new_entry : old_entry;
    git_filemode_t old_mode = old_entry != NULL ? api->git_tree_entry_filemode_raw(old_entry) : 0;
    git_filemode_t new_mode = new_entry != NULL ? api->git_tree_entry_filemode_raw(new_entry) : 0;
    const git_oid *old_id = old_entry != NULL ? api->git_tree_entry_id(old_entry) : NULL;
    const git_oid *new_id = new_entry != NULL ? api->git_tree_entry_id(new_entry) : NULL;
    /* A mode says nothing of whether there is an entry: a forged one may be 0. */
    if (old_entry != NULL && new_entry != NULL && old_mode == new_mode && memcmp(old_id->id, new_id->id, OID_BYTES) == 0) return QL_OK;
    if (++diff->entries > QL_LIMIT_GIT_CHANGES)
        return ql__fail(err, QL_E_LIMIT, "a commit of the history changes more than %d files and folders; set a depth that does not reach it",
                        QL_LIMIT_GIT_CHANGES);
    if (ql__git_is_cancelled(diff->history)) return ql__fail(err, QL_E_CANCELLED, "cancelled while reading the history");
    size_t length = diff->path.len;
    QL_TRY(ql__git_append_name(&diff->path, api->git_tree_entry_name(any), err));
    bool fits = diff->path.len <= QL_LIMIT_URL_BYTES / 4; /* a longer path is no document of the head, so nobody asks for its dates */
    ql_status status = QL_OK;
    if (fits && ((old_mode | new_mode) & 0170000) == 0040000) {
        if (depth < QL_LIMIT_FOLDER_DEPTH) status = diff_trees(diff, old_id, new_id, depth + 1, err);
    } else if (fits && (ql__git_is_regular(old_mode) || ql__git_is_regular(new_mode))) {
        status = diff_file(diff, !ql__git_is_regular(old_mode), err);
    }
    if (diff->path.status == QL_OK) ql__git_cut_name(&diff->path, length);
    return status;
}

/* Both sides are sorted alike, folders as if their names ended in '/'. */
static ql_status merge_entries(ql__git_tree_diff *diff, const git_tree *old_tree, const git_tree *new_tree, uint32_t depth, ql_error *err)
{
    const ql__git_api *api = diff->history->options.api;
    size_t old_count = old_tree != NULL ? api->git_tree_entrycount(old_tree) : 0;
    size_t new_count = new_tree != NULL ? api->git_tree_entrycount(new_tree) : 0;
    ql__git_history *self = diff->history;
    self->compared += old_count + new_count;
    self->spent = self->compared > self->options.compared_max;
    ql_status status = self->spent ? QL_DONE : QL_OK;
    for (size_t o = 0, n = 0; (o < old_count || n < new_count) && status == QL_OK;) {
        const git_tree_entry *old_entry = o < old_count ? api->git_tree_entry_byindex(old_tree, o) : NULL;
        const git_tree_entry *new_entry = n < new_count ? api->git_tree_entry_byindex(new_tree, n) : NULL;
        int order = old_entry == NULL ? 1 : new_entry == NULL ? -1 : api->git_tree_entry_cmp(old_entry, new_entry);
        o += order <= 0;
        n += order >= 0;
        status = diff_entry(diff, order <= 0 ? old_entry : NULL, order >= 0 ? new_entry : NULL, depth, err);
    }
    return status;
}

/* NULL stands for an empty tree. */
static ql_status diff_trees(ql__git_tree_diff *diff, const git_oid *old_id, const git_oid *new_id, uint32_t depth, ql_error *err)
{
    const ql__git_history *self = diff->history;
    const ql__git_api *api = self->options.api;
    git_tree *old_tree = NULL, *new_tree = NULL;
    int code = old_id != NULL ? api->git_tree_lookup(&old_tree, self->options.repo, old_id) : 0;
    if (code == 0 && new_id != NULL) code = api->git_tree_lookup(&new_tree, self->options.repo, new_id);
    ql_status status = code < 0 ? ql__git_failure(self, code, "cannot read a folder of the history", err)
                                : merge_entries(diff, old_tree, new_tree, depth, err);
    api->git_tree_free(old_tree);
    api->git_tree_free(new_tree);
    return status;
}

ql_status ql__git_diff_commit(ql__git_tree_diff *diff, const ql__git_walk_commit *parent, const ql__git_walk_commit *at, ql_error *err)
{
    git_oid old_id, new_id;
    memcpy(new_id.id, at->tree, OID_BYTES);
    if (parent != NULL) memcpy(old_id.id, parent->tree, OID_BYTES);
    diff->count = diff->entries = 0;
    ql_buf_clear(&diff->path);
    if (parent != NULL && memcmp(old_id.id, new_id.id, OID_BYTES) == 0) return QL_OK;
    return diff_trees(diff, parent != NULL ? &old_id : NULL, &new_id, 0, err);
}

void ql__git_diff_dispose(ql__git_tree_diff *diff)
{
    ql__free(diff->paths);
    ql__free(diff->added);
    ql_buf_dispose(&diff->path);
}
