/*
 * First and last changes of all files by one pass over the commits.
 *
 * Method: every file of the head starts as "pending" at the head commit. Commits are visited children before parents. At a commit the
 * paths that differ from its parent were changed by it: those pending here are settled; all others move on to the parent. At a merge a
 * path moves to the first parent that has it unchanged and is settled only if it differs from all of them, which is what "git log -1 -- path"
 * answers. Whole sets of pending paths move by giving the commit a group number; groups that meet are united (union-find), a path that
 * goes another way gets a new number. The first change is the earliest commit that changed the path at all.
 * A commit at the edge of a shallow history says nothing: what is pending there stays unknown.
 * The kept result holds the ids of all commits seen, so a later run walks only new ones. Should a path then be pending at an old commit that is
 * not the former head (a merge that brought back an old version), the whole history is walked again: the answer never depends on what was kept.
 * Trees are compared by our own merge of sorted entries: equal subtrees are not opened. Threads: one builds, any read.
 */
#include "source/git_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/status.h"
#include "dep/digest.h"

enum { OID_BYTES = 20, LFS_POINTER_BYTES_MAX = 1024 };
#define NO_INDEX UINT32_MAX
#define KEPT_BYTES_MAX ((size_t)1 << 30)

typedef struct walk_commit {
    unsigned char id[OID_BYTES], tree[OID_BYTES];
    int64_t time_s;
    uint32_t parents_at, parent_count; /* into parents; NO_INDEX entries are not walked */
    uint32_t child_count;              /* not visited yet */
    uint32_t distance;                 /* from the head, in commits */
    uint32_t group;                    /* of paths pending here */
    bool edge;                         /* its parents are beyond the depth */
    bool kept;                         /* seen by an earlier run: not walked */
} walk_commit;

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
    walk_commit *commits;
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
    bool incomplete;
    size_t walked;
    uint32_t polls;
};

/* ---- Small things ---- */

static ql_status git_failure(const ql__git_history *self, int code, const char *what, ql_error *err)
{
    return ql__git_fail(self->options.api, code, (ql_str){NULL, 0}, what, err);
}

static bool is_cancelled(ql__git_history *self)
{
    const ql__source_options *source = self->options.source;
    return self->polls++ % 64 == 0 && source->cancelled_fn != NULL && source->cancelled_fn(source->user) != 0;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, OID_BYTES);
}

static bool has_id(const unsigned char *sorted, size_t count, const unsigned char *id)
{
    return count > 0 && bsearch(id, sorted, count, OID_BYTES, compare_ids) != NULL;
}

static ql_status intern(ql__git_history *self, ql_str path, uint32_t *out, ql_error *err)
{
    uint64_t *found = ql__map_find(&self->index, path);
    if (found != NULL) {
        *out = (uint32_t)*found - 1;
        return QL_OK;
    }
    ql__git_file file = {.last_s = QL_TIME_UNKNOWN, .first_s = QL_TIME_UNKNOWN, .group = NO_INDEX};
    if (self->file_count >= QL_LIMIT_GIT_ENTRIES)
        return ql__fail(err, QL_E_LIMIT, "the history holds more than %d files; set a smaller depth", QL_LIMIT_GIT_ENTRIES);
    if (!ql__arena_copy(&self->names, path, &file.path) ||
        !ql__array_push(self->files, self->file_count, self->file_capacity, file))
        return ql__fail_nomem(err);
    uint64_t *place = ql__map_insert(&self->index, file.path, NULL);
    if (place == NULL) return ql__fail_nomem(err);
    *place = self->file_count;
    *out = (uint32_t)self->file_count - 1;
    return QL_OK;
}

/* ---- The head's tree ---- */

static bool is_regular(git_filemode_t mode)
{
    return (mode & 0170000) == 0100000;
}

static ql_status note_other(ql__git_history *self, ql_str path, const char *reason, ql_error *err)
{
    ql__git_other other = {.reason = reason};
    if (!ql__arena_copy(&self->names, path, &other.path) || !ql__array_push(self->others, self->other_count, self->other_capacity, other))
        return ql__fail_nomem(err);
    return QL_OK;
}

static ql_status note_file(ql__git_history *self, ql_str path, const git_oid *blob, ql_error *err)
{
    uint32_t i;
    QL_TRY(intern(self, path, &i, err));
    ql__git_file *file = &self->files[i];
    file->in_head = true;
    if (memcmp(file->blob, blob->id, OID_BYTES) != 0) file->sized = false;
    memcpy(file->blob, blob->id, OID_BYTES);
    return QL_OK;
}

static ql_status append_name(ql_buf *path, const char *name, ql_error *err)
{
    if (path->len > 0) (void)ql_buf_append_char(path, '/');
    return ql_buf_append(path, ql_str_of(name)) < 0 ? ql__fail_nomem(err) : QL_OK;
}

static void cut_name(ql_buf *path, size_t length)
{
    path->len = length;
    if (path->ptr != NULL) path->ptr[length] = '\0';
}

static ql_status read_head_tree(ql__git_history *self, const git_oid *id, ql_buf *path, uint32_t depth, ql_error *err);

static ql_status read_head_entry(ql__git_history *self, const git_tree_entry *entry, ql_buf *path, uint32_t depth, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    git_filemode_t mode = api->git_tree_entry_filemode_raw(entry);
    ql_str text = ql_buf_str(path);
    if (++self->entries_seen > QL_LIMIT_GIT_ENTRIES)
        return ql__fail(err, QL_E_LIMIT, "the commit has more than %d files and folders", QL_LIMIT_GIT_ENTRIES);
    if (text.len > QL_LIMIT_URL_BYTES / 4) return note_other(self, text, "path too long", err);
    if (is_regular(mode)) return note_file(self, text, api->git_tree_entry_id(entry), err);
    if ((mode & 0170000) == 0120000) return note_other(self, text, "symbolic link", err);
    if ((mode & 0170000) == 0160000) return note_other(self, text, "submodule", err);
    if ((mode & 0170000) != 0040000) return note_other(self, text, "not a regular file", err);
    if (depth >= QL_LIMIT_FOLDER_DEPTH) return note_other(self, text, "folders nested too deeply", err);
    return read_head_tree(self, api->git_tree_entry_id(entry), path, depth + 1, err);
}

static ql_status read_head_tree(ql__git_history *self, const git_oid *id, ql_buf *path, uint32_t depth, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    git_tree *tree = NULL;
    int code = api->git_tree_lookup(&tree, self->options.repo, id);
    if (code < 0) return git_failure(self, code, "cannot read a folder", err);
    ql_status status = is_cancelled(self) ? ql__fail(err, QL_E_CANCELLED, "cancelled while listing") : QL_OK;
    size_t count = api->git_tree_entrycount(tree), length = path->len;
    for (size_t i = 0; i < count && status == QL_OK; i++) {
        const git_tree_entry *entry = api->git_tree_entry_byindex(tree, i);
        status = append_name(path, api->git_tree_entry_name(entry), err);
        if (status == QL_OK) status = read_head_entry(self, entry, path, depth, err);
        if (path->status == QL_OK) cut_name(path, length);
    }
    api->git_tree_free(tree);
    return status;
}

static bool is_lfs_pointer(ql_str content)
{
    static const char head[] = "version https://git-lfs.github.com/spec/";
    return content.len >= sizeof head - 1 && memcmp(content.ptr, head, sizeof head - 1) == 0 &&
           memmem(content.ptr, content.len, "\noid sha256:", 12) != NULL;
}

/* Sizes from object headers; contents only where they are short enough to be a pointer of git-lfs. */
static ql_status measure(ql__git_history *self, ql__git_file *file, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    git_oid id;
    memcpy(id.id, file->blob, OID_BYTES);
    size_t size;
    git_object_t type;
    int code = api->git_odb_read_header(&size, &type, self->odb, &id);
    file->is_missing = code == GIT_ENOTFOUND; /* a partial clone; looked for again next time */
    if (file->is_missing) return QL_OK;
    if (code < 0) return git_failure(self, code, "cannot read a file's size", err);
    file->size_bytes = size;
    file->is_lfs = false;
    if (size >= 100 && size <= LFS_POINTER_BYTES_MAX) {
        git_odb_object *object = NULL;
        code = api->git_odb_read(&object, self->odb, &id);
        if (code < 0) return git_failure(self, code, "cannot read a file", err);
        file->is_lfs = is_lfs_pointer((ql_str){api->git_odb_object_data(object), api->git_odb_object_size(object)});
        api->git_odb_object_free(object);
    }
    file->sized = true;
    return QL_OK;
}

/* ---- Commits ---- */

static ql_status find_commit(ql__git_history *self, const git_oid *id, uint32_t distance, uint32_t *out, ql_error *err)
{
    ql_str key = {(const char *)id->id, OID_BYTES}, kept;
    uint64_t *found = ql__map_find(&self->commit_index, key);
    if (found != NULL) {
        *out = (uint32_t)*found - 1;
        return QL_OK;
    }
    walk_commit commit = {.group = NO_INDEX, .distance = distance, .kept = has_id(self->kept_commits, self->kept_count, id->id)};
    memcpy(commit.id, id->id, OID_BYTES);
    if (!ql__arena_copy(&self->commit_names, key, &kept) || self->commit_count >= NO_INDEX ||
        !ql__array_push(self->commits, self->commit_count, self->commit_capacity, commit))
        return ql__fail_nomem(err);
    uint64_t *place = ql__map_insert(&self->commit_index, kept, NULL);
    if (place == NULL) return ql__fail_nomem(err);
    *place = self->commit_count;
    *out = (uint32_t)self->commit_count - 1;
    return QL_OK;
}

static ql_status load_parents(ql__git_history *self, uint32_t at, git_commit *commit, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    unsigned count = api->git_commit_parentcount(commit);
    uint32_t first = (uint32_t)self->parent_count, distance = self->commits[at].distance + 1;
    bool beyond = self->depth > 0 && distance >= self->depth && count > 0;
    /* git lists a commit of the wanted depth as an edge even if it is the first of all. libgit2 hides an edge's parents, its text does not. */
    bool edge = has_id(self->edges, self->edge_count, self->commits[at].id) && strstr(api->git_commit_raw_header(commit), "\nparent ") != NULL;
    if (beyond || edge) {
        self->commits[at].edge = self->incomplete = true;
        return QL_OK;
    }
    for (unsigned i = 0; i < count; i++) {
        uint32_t parent;
        QL_TRY(find_commit(self, api->git_commit_parent_id(commit, i), distance, &parent, err));
        self->commits[parent].child_count++;
        if (!ql__array_push(self->parents, self->parent_count, self->parent_capacity, parent)) return ql__fail_nomem(err);
    }
    self->commits[at].parents_at = first;
    self->commits[at].parent_count = count;
    return QL_OK;
}

static ql_status load_commit(ql__git_history *self, uint32_t at, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    if (is_cancelled(self)) return ql__fail(err, QL_E_CANCELLED, "cancelled while reading the history");
    git_oid id;
    memcpy(id.id, self->commits[at].id, OID_BYTES);
    git_commit *commit = NULL;
    int code = api->git_commit_lookup(&commit, self->options.repo, &id);
    if (code < 0) return git_failure(self, code, "cannot read a commit", err);
    self->commits[at].time_s = api->git_commit_time(commit);
    memcpy(self->commits[at].tree, api->git_commit_tree_id(commit)->id, OID_BYTES);
    ql_status status = load_parents(self, at, commit, err);
    api->git_commit_free(commit);
    return status;
}

/* Finds all commits to visit, nearest first, so that distances are shortest ways (what git calls depth). */
static ql_status load_commits(ql__git_history *self, ql_error *err)
{
    uint32_t head;
    QL_TRY(find_commit(self, &self->options.head, 0, &head, err));
    for (uint32_t at = 0; at < self->commit_count; at++)
        if (!self->commits[at].kept) QL_TRY(load_commit(self, at, err));
    return QL_OK;
}

/* ---- Comparing trees ---- */

typedef struct tree_diff {
    ql__git_history *history;
    uint32_t *paths; /* that differ */
    bool *added;     /* was not there before */
    size_t count, capacity, added_capacity;
    size_t entries; /* that differ, folders too */
    ql_buf path;
} tree_diff;

static ql_status diff_trees(tree_diff *diff, const git_oid *old_id, const git_oid *new_id, uint32_t depth, ql_error *err);

static ql_status diff_file(tree_diff *diff, bool added, ql_error *err)
{
    uint32_t path;
    QL_TRY(intern(diff->history, ql_buf_str(&diff->path), &path, err));
    if (!ql__array_reserve(&diff->added, &diff->added_capacity, diff->count + 1, sizeof *diff->added)) return ql__fail_nomem(err);
    diff->added[diff->count] = added;
    return ql__array_push(diff->paths, diff->count, diff->capacity, path) ? QL_OK : ql__fail_nomem(err);
}

/* One name on either side or on both (then both are folders or neither is). */
static ql_status diff_entry(tree_diff *diff, const git_tree_entry *old_entry, const git_tree_entry *new_entry, uint32_t depth, ql_error *err)
{
    const ql__git_api *api = diff->history->options.api;
    const git_tree_entry *any = new_entry != NULL ? new_entry : old_entry;
    git_filemode_t old_mode = old_entry != NULL ? api->git_tree_entry_filemode_raw(old_entry) : 0;
    git_filemode_t new_mode = new_entry != NULL ? api->git_tree_entry_filemode_raw(new_entry) : 0;
    const git_oid *old_id = old_entry != NULL ? api->git_tree_entry_id(old_entry) : NULL;
    const git_oid *new_id = new_entry != NULL ? api->git_tree_entry_id(new_entry) : NULL;
    if (old_mode == new_mode && memcmp(old_id->id, new_id->id, OID_BYTES) == 0) return QL_OK;
    if (++diff->entries > QL_LIMIT_GIT_CHANGES)
        return ql__fail(err, QL_E_LIMIT, "a commit of the history changes more than %d files and folders; set a depth that does not reach it",
                        QL_LIMIT_GIT_CHANGES);
    if (is_cancelled(diff->history)) return ql__fail(err, QL_E_CANCELLED, "cancelled while reading the history");
    size_t length = diff->path.len;
    QL_TRY(append_name(&diff->path, api->git_tree_entry_name(any), err));
    ql_status status = QL_OK;
    if (((old_mode | new_mode) & 0170000) == 0040000) {
        if (depth < QL_LIMIT_FOLDER_DEPTH) status = diff_trees(diff, old_id, new_id, depth + 1, err);
    } else if (is_regular(old_mode) || is_regular(new_mode)) {
        status = diff_file(diff, !is_regular(old_mode), err);
    }
    if (diff->path.status == QL_OK) cut_name(&diff->path, length);
    return status;
}

/* Both sides are sorted alike, folders as if their names ended in '/'. */
static ql_status merge_entries(tree_diff *diff, const git_tree *old_tree, const git_tree *new_tree, uint32_t depth, ql_error *err)
{
    const ql__git_api *api = diff->history->options.api;
    size_t old_count = old_tree != NULL ? api->git_tree_entrycount(old_tree) : 0;
    size_t new_count = new_tree != NULL ? api->git_tree_entrycount(new_tree) : 0;
    ql_status status = QL_OK;
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
static ql_status diff_trees(tree_diff *diff, const git_oid *old_id, const git_oid *new_id, uint32_t depth, ql_error *err)
{
    const ql__git_history *self = diff->history;
    const ql__git_api *api = self->options.api;
    git_tree *old_tree = NULL, *new_tree = NULL;
    int code = old_id != NULL ? api->git_tree_lookup(&old_tree, self->options.repo, old_id) : 0;
    if (code == 0 && new_id != NULL) code = api->git_tree_lookup(&new_tree, self->options.repo, new_id);
    ql_status status = code < 0 ? git_failure(self, code, "cannot read a folder of the history", err)
                                : merge_entries(diff, old_tree, new_tree, depth, err);
    api->git_tree_free(old_tree);
    api->git_tree_free(new_tree);
    return status;
}

/* What `at` changed with respect to its parent (NULL: everything is new). Replaces diff's content. */
static ql_status diff_commit(tree_diff *diff, const walk_commit *parent, const walk_commit *at, ql_error *err)
{
    git_oid old_id, new_id;
    memcpy(new_id.id, at->tree, OID_BYTES);
    if (parent != NULL) memcpy(old_id.id, parent->tree, OID_BYTES);
    diff->count = diff->entries = 0;
    ql_buf_clear(&diff->path);
    if (parent != NULL && memcmp(old_id.id, new_id.id, OID_BYTES) == 0) return QL_OK;
    return diff_trees(diff, parent != NULL ? &old_id : NULL, &new_id, 0, err);
}

/* ---- Groups of pending paths ---- */

static uint32_t find_group(ql__git_history *self, uint32_t group)
{
    while (group != NO_INDEX && self->groups[group] != group) group = self->groups[group] = self->groups[self->groups[group]];
    return group;
}

static ql_status new_group(ql__git_history *self, uint32_t *out, ql_error *err)
{
    uint32_t group = (uint32_t)self->group_count;
    if (!ql__array_push(self->groups, self->group_count, self->group_capacity, group)) return ql__fail_nomem(err);
    *out = group;
    return QL_OK;
}

/* What is in group is pending at commit now, with what was there already. */
static void move_group(ql__git_history *self, uint32_t group, walk_commit *commit)
{
    uint32_t there = find_group(self, commit->group);
    if (there == NO_INDEX) commit->group = group;
    else if (group != NO_INDEX && there != group) self->groups[group] = there;
}

static bool is_pending(ql__git_history *self, const ql__git_file *file, uint32_t group)
{
    return group != NO_INDEX && file->group != NO_INDEX && find_group(self, file->group) == group;
}

/* ---- The walk ---- */

static void touch(ql__git_history *self, uint32_t path, bool added, const walk_commit *at, uint32_t group)
{
    ql__git_file *file = &self->files[path];
    if (file->first_s == QL_TIME_UNKNOWN || at->time_s < file->first_s) {
        file->first_s = at->time_s;
        file->first_adds = added;
    }
    if (!is_pending(self, file, group)) return;
    file->group = NO_INDEX;
    file->last_s = at->time_s;
    memcpy(file->last, at->id, OID_BYTES);
}

static ql_status visit_plain(ql__git_history *self, tree_diff *diff, uint32_t at, ql_error *err)
{
    walk_commit *commit = &self->commits[at];
    walk_commit *parent = commit->parent_count > 0 ? &self->commits[self->parents[commit->parents_at]] : NULL;
    QL_TRY(diff_commit(diff, parent, commit, err));
    uint32_t group = find_group(self, commit->group);
    for (size_t i = 0; i < diff->count; i++) touch(self, diff->paths[i], diff->added[i], commit, group);
    if (parent != NULL) move_group(self, group, parent);
    return QL_OK;
}

/* The paths left in `left` differ from all parents before this one: those equal in this one go to it, the others stay in left. */
static ql_status split_at_parent(ql__git_history *self, tree_diff *left, const tree_diff *here, uint32_t group, walk_commit *parent, ql_error *err)
{
    ql__map same;
    ql__map_init(&same, 1);
    ql_status status = QL_OK;
    for (size_t i = 0; i < here->count && status == QL_OK; i++) {
        uint64_t *place = ql__map_insert(&same, self->files[here->paths[i]].path, NULL);
        if (place == NULL) status = ql__fail_nomem(err);
        else *place = here->added[i] ? 2 : 1;
    }
    uint32_t target = NO_INDEX;
    size_t kept = 0;
    for (size_t i = 0; i < left->count && status == QL_OK; i++) {
        ql__git_file *file = &self->files[left->paths[i]];
        const uint64_t *differs = ql__map_find(&same, file->path);
        if (differs != NULL) {
            left->added[kept] = left->added[i] && *differs == 2;
            left->paths[kept++] = left->paths[i];
        } else if (is_pending(self, file, group)) {
            if (target == NO_INDEX) status = new_group(self, &target, err);
            if (status == QL_OK) file->group = target;
        }
    }
    ql__map_dispose(&same);
    left->count = kept;
    if (status == QL_OK && target != NO_INDEX) move_group(self, target, parent);
    return status;
}

static ql_status visit_merge(ql__git_history *self, tree_diff *diff, tree_diff *other, uint32_t at, ql_error *err)
{
    walk_commit *commit = &self->commits[at];
    const uint32_t *parents = self->parents + commit->parents_at;
    QL_TRY(diff_commit(diff, &self->commits[parents[0]], commit, err));
    uint32_t group = find_group(self, commit->group);
    for (uint32_t p = 1; p < commit->parent_count && diff->count > 0; p++) {
        QL_TRY(diff_commit(other, &self->commits[parents[p]], commit, err));
        QL_TRY(split_at_parent(self, diff, other, group, &self->commits[parents[p]], err));
    }
    for (size_t i = 0; i < diff->count; i++) touch(self, diff->paths[i], diff->added[i], commit, group);
    move_group(self, group, &self->commits[parents[0]]);
    return QL_OK;
}

/* The trees of kept commits are needed when they are parents of new ones. */
static ql_status load_kept_trees(ql__git_history *self, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    for (size_t i = 0; i < self->commit_count; i++) {
        walk_commit *commit = &self->commits[i];
        if (!commit->kept) continue;
        git_oid id;
        memcpy(id.id, commit->id, OID_BYTES);
        git_commit *object = NULL;
        int code = api->git_commit_lookup(&object, self->options.repo, &id);
        if (code < 0) return git_failure(self, code, "cannot read a commit", err);
        memcpy(commit->tree, api->git_commit_tree_id(object)->id, OID_BYTES);
        api->git_commit_free(object);
    }
    return QL_OK;
}

static ql_status visit(ql__git_history *self, tree_diff *diff, tree_diff *other, uint32_t at, ql_error *err)
{
    const walk_commit *commit = &self->commits[at];
    if (is_cancelled(self)) return ql__fail(err, QL_E_CANCELLED, "cancelled while reading the history");
    if (commit->kept || commit->edge) return QL_OK;
    self->walked++;
    return commit->parent_count < 2 ? visit_plain(self, diff, at, err) : visit_merge(self, diff, other, at, err);
}

/* Children before parents: a commit is ready when all its children were visited. */
static ql_status visit_all(ql__git_history *self, tree_diff *diff, tree_diff *other, ql_error *err)
{
    uint32_t *ready = ql__alloc_zero(self->commit_count, sizeof *ready);
    if (ready == NULL) return ql__fail_nomem(err);
    ready[0] = 0; /* the head */
    ql_status status = QL_OK;
    for (size_t first = 0, count = 1; first < count && status == QL_OK; first++) {
        uint32_t at = ready[first];
        status = visit(self, diff, other, at, err);
        const walk_commit *commit = &self->commits[at];
        for (uint32_t p = 0; p < commit->parent_count; p++) {
            uint32_t parent = self->parents[commit->parents_at + p];
            if (--self->commits[parent].child_count == 0) ready[count++] = parent;
        }
    }
    ql__free(ready);
    return status;
}

static void dispose_diff(tree_diff *diff)
{
    ql__free(diff->paths);
    ql__free(diff->added);
    ql_buf_dispose(&diff->path);
}

/* All files of the head become pending there. */
static ql_status start_pending(ql__git_history *self, ql_error *err)
{
    uint32_t group;
    self->group_count = 0;
    QL_TRY(new_group(self, &group, err));
    self->commits[0].group = group;
    for (size_t i = 0; i < self->file_count; i++) self->files[i].group = self->files[i].in_head ? group : NO_INDEX;
    return QL_OK;
}

static void drop_walk(ql__git_history *self)
{
    ql__map_dispose(&self->commit_index);
    ql__map_init(&self->commit_index, 2);
    ql__arena_reset(&self->commit_names);
    self->commit_count = self->parent_count = self->group_count = self->walked = 0;
    self->incomplete = false;
}

static ql_status walk(ql__git_history *self, ql_error *err)
{
    drop_walk(self);
    QL_TRY(load_commits(self, err));
    QL_TRY(load_kept_trees(self, err));
    QL_TRY(start_pending(self, err));
    tree_diff diff = {.history = self}, other = {.history = self};
    ql_status status = visit_all(self, &diff, &other, err);
    dispose_diff(&diff);
    dispose_diff(&other);
    return status;
}

static void forget_kept(ql__git_history *self)
{
    self->has_kept = false;
    self->kept_count = 0;
    for (size_t i = 0; i < self->file_count; i++) {
        ql__git_file *file = &self->files[i];
        file->first_s = file->last_s = QL_TIME_UNKNOWN;
        file->first_adds = false;
        memset(file->last, 0, OID_BYTES);
    }
}

/* After a walk on top of a kept result: is every file that was not settled pending at the former head, where its last change is known? */
static bool continues_kept(ql__git_history *self)
{
    const uint64_t *found = ql__map_find(&self->commit_index, (ql_str){(const char *)self->kept_head.id, OID_BYTES});
    if (found == NULL) return false; /* the branch was rewritten */
    uint32_t at_head = find_group(self, self->commits[*found - 1].group);
    for (size_t i = 0; i < self->file_count; i++) {
        const ql__git_file *file = &self->files[i];
        if (!file->in_head || file->group == NO_INDEX) continue;
        if (!is_pending(self, file, at_head) || file->last_s == QL_TIME_UNKNOWN) return false;
    }
    return true;
}

/* What stayed pending at the end of a complete walk cannot be; at the edge of a shallow history it is unknown. */
static void finish_unknown(ql__git_history *self)
{
    for (size_t i = 0; i < self->file_count; i++) {
        ql__git_file *file = &self->files[i];
        if (self->incomplete && !file->first_adds) file->first_s = QL_TIME_UNKNOWN;
        if (file->group == NO_INDEX) continue;
        if (!self->has_kept) file->last_s = QL_TIME_UNKNOWN;
        file->group = NO_INDEX;
    }
}

static ql_status find_changes(ql__git_history *self, ql_error *err)
{
    if (self->has_kept && memcmp(self->kept_head.id, self->options.head.id, OID_BYTES) == 0) return QL_OK;
    if (self->has_kept && (self->depth > 0 || self->edge_count > 0)) forget_kept(self); /* bounded: simply anew */
    QL_TRY(walk(self, err));
    if (self->has_kept && !continues_kept(self)) {
        forget_kept(self);
        QL_TRY(walk(self, err));
    }
    finish_unknown(self);
    return QL_OK;
}

/* ---- What is kept between runs ---- */

/* Layout, little-endian: magic, xxh3 of the rest, head, depth, hash of the edges, commit ids, paths. */
static const char magic[8] = "QLGITH1\n";

static void put(ql_buf *out, const void *bytes, size_t size)
{
    (void)ql_buf_append(out, (ql_str){bytes, size});
}

static void put_u64(ql_buf *out, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(value >> (8 * i));
    put(out, bytes, 8);
}

static void put_file(ql_buf *out, const ql__git_file *file)
{
    unsigned char flags = (unsigned char)(file->in_head | file->sized << 1 | file->is_lfs << 2 | file->first_adds << 3);
    put_u64(out, file->path.len);
    put(out, file->path.ptr, file->path.len);
    put(out, &flags, 1);
    put_u64(out, file->size_bytes);
    put_u64(out, (uint64_t)file->last_s);
    put_u64(out, (uint64_t)file->first_s);
    put(out, file->blob, OID_BYTES);
    put(out, file->last, OID_BYTES);
}

/* Merges what was walked now with what was kept before, sorted. */
static ql_status collect_ids(const ql__git_history *self, unsigned char **out, size_t *out_count, ql_error *err)
{
    size_t fresh = 0, bytes;
    for (size_t i = 0; i < self->commit_count; i++) fresh += !self->commits[i].kept;
    if (!ql__size_mul(fresh + self->kept_count, OID_BYTES, &bytes)) return ql__fail_nomem(err);
    unsigned char *ids = ql__alloc(bytes);
    if (ids == NULL) return ql__fail_nomem(err);
    if (self->kept_count > 0) memcpy(ids, self->kept_commits, self->kept_count * OID_BYTES);
    size_t count = self->kept_count;
    for (size_t i = 0; i < self->commit_count; i++)
        if (!self->commits[i].kept) memcpy(ids + count++ * OID_BYTES, self->commits[i].id, OID_BYTES);
    qsort(ids, count, OID_BYTES, compare_ids);
    *out = ids;
    *out_count = count;
    return QL_OK;
}

static ql_status write_kept(const ql__git_history *self, ql_error *err)
{
    unsigned char *ids = NULL;
    size_t count = 0;
    QL_TRY(collect_ids(self, &ids, &count, err));
    QL_AUTO(ql_buf, ql_buf_dispose) out = QL_BUF_INIT;
    put(&out, magic, sizeof magic);
    put_u64(&out, 0);
    put(&out, self->options.head.id, OID_BYTES);
    put_u64(&out, self->depth);
    put_u64(&out, self->edges_hash);
    put_u64(&out, count);
    put(&out, ids, count * OID_BYTES);
    ql__free(ids);
    put_u64(&out, self->file_count);
    for (size_t i = 0; i < self->file_count; i++) put_file(&out, &self->files[i]);
    if (out.status < 0) return ql__fail(err, out.status, "the history is too large to be kept");
    ql_buf sum = QL_BUF_INIT;
    put_u64(&sum, ql__xxh3((ql_str){out.ptr + 16, out.len - 16}, 0));
    if (sum.status == QL_OK) memcpy(out.ptr + 8, sum.ptr, 8);
    ql_status status = sum.status < 0 ? ql__fail_nomem(err)
                                      : ql__file_write_atomic(self->options.source->sys, self->options.cache_path, ql_buf_str(&out), 0600, err);
    ql_buf_dispose(&sum);
    return status;
}

/* A reader that turns to "failed" at the first missing byte. */
typedef struct kept_reader {
    ql_str rest;
    bool failed;
} kept_reader;

static const unsigned char *take(kept_reader *reader, size_t size)
{
    static const unsigned char nothing[64];
    if (reader->rest.len < size) {
        reader->failed = true;
        return nothing;
    }
    const unsigned char *at = (const unsigned char *)reader->rest.ptr;
    reader->rest = (ql_str){reader->rest.ptr + size, reader->rest.len - size};
    return at;
}

static uint64_t take_u64(kept_reader *reader)
{
    const unsigned char *bytes = take(reader, 8);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static ql_status take_file(ql__git_history *self, kept_reader *reader, ql_error *err)
{
    uint64_t length = take_u64(reader);
    if (length > QL_LIMIT_URL_BYTES || length > reader->rest.len) reader->failed = true;
    if (reader->failed) return QL_OK;
    ql_str path = {(const char *)take(reader, (size_t)length), (size_t)length};
    uint32_t i;
    QL_TRY(intern(self, path, &i, err));
    ql__git_file *file = &self->files[i];
    unsigned flags = *take(reader, 1);
    file->sized = (flags >> 1) & 1; /* in_head is decided by the tree of today */
    file->is_lfs = (flags >> 2) & 1;
    file->first_adds = (flags >> 3) & 1;
    file->size_bytes = take_u64(reader);
    file->last_s = (int64_t)take_u64(reader);
    file->first_s = (int64_t)take_u64(reader);
    memcpy(file->blob, take(reader, OID_BYTES), OID_BYTES);
    memcpy(file->last, take(reader, OID_BYTES), OID_BYTES);
    return QL_OK;
}

static ql_status take_commits(ql__git_history *self, kept_reader *reader, ql_error *err)
{
    uint64_t count = take_u64(reader);
    if (count > reader->rest.len / OID_BYTES) reader->failed = true;
    if (reader->failed) return QL_OK;
    self->kept_commits = ql__alloc((size_t)count * OID_BYTES);
    if (self->kept_commits == NULL) return ql__fail_nomem(err);
    memcpy(self->kept_commits, take(reader, (size_t)count * OID_BYTES), (size_t)count * OID_BYTES);
    self->kept_count = (size_t)count;
    return QL_OK;
}

/* Nothing kept, another depth, damage: all mean to walk anew, none is an error. */
static ql_status read_kept(ql__git_history *self, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    ql_buf_init(&text, KEPT_BYTES_MAX);
    ql_error ignored;
    ql_status status = ql__file_read_all(self->options.source->sys, self->options.cache_path, &text, &ignored);
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    kept_reader reader = {.rest = ql_buf_str(&text)};
    if (status < 0 || memcmp(take(&reader, 8), magic, 8) != 0) return QL_OK;
    uint64_t sum = take_u64(&reader);
    if (reader.failed || sum != ql__xxh3(reader.rest, 0)) return QL_OK;
    memcpy(self->kept_head.id, take(&reader, OID_BYTES), OID_BYTES);
    if (take_u64(&reader) != self->depth || take_u64(&reader) != self->edges_hash) return QL_OK;
    QL_TRY(take_commits(self, &reader, err));
    uint64_t files = take_u64(&reader);
    for (uint64_t i = 0; i < files && !reader.failed; i++) QL_TRY(take_file(self, &reader, err));
    self->has_kept = !reader.failed;
    if (reader.failed) forget_kept(self);
    return QL_OK;
}

/* ---- The edge of a shallow repository ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_id(ql_str line, unsigned char out[OID_BYTES])
{
    if (line.len < 2 * OID_BYTES) return false;
    for (size_t i = 0; i < OID_BYTES; i++) {
        int high = hex_value(line.ptr[2 * i]), low = hex_value(line.ptr[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

static ql_status add_edge(ql__git_history *self, ql_str line, ql_error *err)
{
    unsigned char id[OID_BYTES];
    if (!parse_id(line, id)) return QL_OK;
    size_t need = (self->edge_count + 1) * OID_BYTES;
    if (!ql__array_reserve(&self->edges, &self->edge_capacity, need, 1)) return ql__fail_nomem(err);
    memcpy(self->edges + self->edge_count++ * OID_BYTES, id, OID_BYTES);
    return QL_OK;
}

static ql_status read_edges(ql__git_history *self, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    if (ql_buf_printf(&path, "%s/shallow", self->options.api->git_repository_commondir(self->options.repo)) < 0) return ql__fail_nomem(err);
    ql_status status = ql__file_read_all(self->options.source->sys, ql_buf_cstr(&path), &text, err);
    if (ql_status_kind(status) == QL_E_NOTFOUND) return QL_OK;
    QL_TRY(status);
    for (size_t at = 0; at < text.len;) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);
        size_t length = (end != NULL ? (size_t)(end - text.ptr) : text.len) - at;
        QL_TRY(add_edge(self, (ql_str){text.ptr + at, length}, err));
        at += length + 1;
    }
    qsort(self->edges, self->edge_count, OID_BYTES, compare_ids);
    self->edges_hash = self->edge_count > 0 ? ql__xxh3((ql_str){(const char *)self->edges, self->edge_count * OID_BYTES}, 1) : 0;
    return QL_OK;
}

/* ---- All together ---- */

static ql_status head_tree_id(ql__git_history *self, git_oid *out, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    git_commit *commit = NULL;
    int code = api->git_commit_lookup(&commit, self->options.repo, &self->options.head);
    if (code < 0) return git_failure(self, code, "cannot read the branch's commit", err);
    *out = *api->git_commit_tree_id(commit);
    api->git_commit_free(commit);
    return QL_OK;
}

static ql_status build(ql__git_history *self, ql_error *err)
{
    int code = self->options.api->git_repository_odb(&self->odb, self->options.repo);
    if (code < 0) return git_failure(self, code, "cannot open the objects", err);
    QL_TRY(read_edges(self, err));
    if (self->options.cache_path != NULL) QL_TRY(read_kept(self, err));
    bool current = self->has_kept && memcmp(self->kept_head.id, self->options.head.id, OID_BYTES) == 0;
    git_oid tree;
    QL_TRY(head_tree_id(self, &tree, err));
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    QL_TRY(read_head_tree(self, &tree, &path, 0, err));
    for (size_t i = 0; i < self->file_count; i++)
        if (self->files[i].in_head && !self->files[i].sized) QL_TRY(measure(self, &self->files[i], err));
    QL_TRY(find_changes(self, err));
    if (self->options.cache_path == NULL || current) return QL_OK;
    ql_error trouble;
    if (write_kept(self, &trouble) < 0)
        ql__log_write(self->options.source->log, QL_LOG_WARNING, "git", "the history cannot be kept for the next run: %s", trouble.message);
    return QL_OK;
}

ql_status ql__git_history_new(const ql__git_history_options *options, ql__git_history **out, ql_error *err)
{
    ql__git_history *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->options = *options;
    const ql__config_source *config = options->source->config;
    self->depth = config->depth_set ? config->depth : 0;
    ql__map_init(&self->index, 3);
    ql__map_init(&self->commit_index, 2);
    ql__arena_init(&self->names, 0);
    ql__arena_init(&self->commit_names, 0);
    ql_status status = build(self, err);
    if (status < 0) {
        ql__git_history_free(self);
        return status;
    }
    self->options.api->git_odb_free(QL_STEAL(self->odb)); /* the repository handle is the caller's and may go */
    self->options.repo = NULL;
    *out = self;
    return QL_OK;
}

void ql__git_history_free(ql__git_history *self)
{
    if (self == NULL) return;
    self->options.api->git_odb_free(self->odb);
    ql__map_dispose(&self->index);
    ql__map_dispose(&self->commit_index);
    ql__arena_dispose(&self->names);
    ql__arena_dispose(&self->commit_names);
    ql__free(self->files);
    ql__free(self->others);
    ql__free(self->kept_commits);
    ql__free(self->commits);
    ql__free(self->parents);
    ql__free(self->groups);
    ql__free(self->edges);
    ql__free(self);
}

const ql__git_file *ql__git_history_files(const ql__git_history *self, size_t *count)
{
    *count = self->file_count;
    return self->files;
}

const ql__git_other *ql__git_history_others(const ql__git_history *self, size_t *count)
{
    *count = self->other_count;
    return self->others;
}

const ql__git_file *ql__git_history_find(const ql__git_history *self, ql_str path)
{
    const uint64_t *found = ql__map_find(&self->index, path);
    return found != NULL ? &self->files[*found - 1] : NULL;
}

size_t ql__git_history_walked(const ql__git_history *self)
{
    return self->walked;
}
