/*
 * First and last changes of all files by one pass over the commits: the walk, and what puts the parts of git_history_internal.h together.
 *
 * Method: every file of the head starts as "pending" at the head commit. Commits are visited children before parents. At a commit the
 * paths that differ from its parent were changed by it: those pending here are settled; all others move on to the parent. At a merge a
 * path moves to the first parent that has it unchanged and is settled only if it differs from all of them, which is what "git log -1 -- path"
 * answers. Whole sets of pending paths move by giving the commit a group number; groups that meet are united (union-find), a path that
 * goes another way gets a new number. The first change is the earliest commit that changed the path at all.
 * A commit at the edge of a shallow history says nothing: what is pending there stays unknown. The same holds where the budget ends
 * (QL_LIMIT_GIT_COMPARED): commits that each keep to their bound can take weeks together.
 * The kept result holds the ids of all commits seen, so a later run walks only new ones. Should a path then be pending at an old commit that is
 * not the former head (a merge that brought back an old version), the whole history is walked again: the answer never depends on what was kept.
 * For the same reason what was compared for the kept result counts, and a history that was cut is walked anew when there are new commits.
 * Threads: one builds, any read. Cost: each new commit is read once and compared with its parents (git_tree_diff.c).
 */
#include "source/git_history.h"

#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "source/git_commits.h"
#include "source/git_head_tree.h"
#include "source/git_history_cache.h"
#include "source/git_history_internal.h"
#include "source/git_tree_diff.h"

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
static void move_group(ql__git_history *self, uint32_t group, ql__git_walk_commit *commit)
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

static void touch(ql__git_history *self, uint32_t path, bool added, const ql__git_walk_commit *at, uint32_t group)
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

/* QL_DONE, here and in what follows: the budget is spent, and nothing of this commit is settled. */
static ql_status visit_plain(ql__git_history *self, ql__git_tree_diff *diff, uint32_t at, ql_error *err)
{
    ql__git_walk_commit *commit = &self->commits[at];
    ql__git_walk_commit *parent = commit->parent_count > 0 ? &self->commits[self->parents[commit->parents_at]] : NULL;
    ql_status status = ql__git_diff_commit(diff, parent, commit, err);
    if (status != QL_OK) return status;
    uint32_t group = find_group(self, commit->group);
    for (size_t i = 0; i < diff->count; i++) touch(self, diff->paths[i], diff->added[i], commit, group);
    if (parent != NULL) move_group(self, group, parent);
    return QL_OK;
}

/* The paths left in `left` differ from all parents before this one: those equal in this one go to it, the others stay in left. */
static ql_status split_at_parent(ql__git_history *self, ql__git_tree_diff *left, const ql__git_tree_diff *here, uint32_t group,
                                 ql__git_walk_commit *parent, ql_error *err)
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

static ql_status visit_merge(ql__git_history *self, ql__git_tree_diff *diff, ql__git_tree_diff *other, uint32_t at, ql_error *err)
{
    ql__git_walk_commit *commit = &self->commits[at];
    const uint32_t *parents = self->parents + commit->parents_at;
    ql_status status = ql__git_diff_commit(diff, &self->commits[parents[0]], commit, err);
    if (status != QL_OK) return status;
    uint32_t group = find_group(self, commit->group);
    for (uint32_t p = 1; p < commit->parent_count && diff->count > 0; p++) {
        status = ql__git_diff_commit(other, &self->commits[parents[p]], commit, err);
        if (status != QL_OK) return status;
        QL_TRY(split_at_parent(self, diff, other, group, &self->commits[parents[p]], err));
    }
    for (size_t i = 0; i < diff->count; i++) touch(self, diff->paths[i], diff->added[i], commit, group);
    move_group(self, group, &self->commits[parents[0]]);
    return QL_OK;
}

static ql_status visit(ql__git_history *self, ql__git_tree_diff *diff, ql__git_tree_diff *other, uint32_t at, ql_error *err)
{
    const ql__git_walk_commit *commit = &self->commits[at];
    if (ql__git_is_cancelled(self)) return ql__fail(err, QL_E_CANCELLED, "cancelled while reading the history");
    if (commit->kept || commit->edge) return QL_OK;
    self->walked++;
    return commit->parent_count < 2 ? visit_plain(self, diff, at, err) : visit_merge(self, diff, other, at, err);
}

/*
 * Children before parents: a commit is ready when all its children were visited. Parents that go round in a circle, which info/grafts can
 * bring about, never become ready, unless it goes through the head, which does not wait: what lies there is beyond an edge.
 */
static ql_status visit_all(ql__git_history *self, ql__git_tree_diff *diff, ql__git_tree_diff *other, ql_error *err)
{
    uint32_t *ready = ql__alloc_zero(self->commit_count, sizeof *ready);
    if (ready == NULL) return ql__fail_nomem(err);
    ready[0] = 0; /* the head */
    if (self->commits[0].child_count > 0) self->incomplete = true;
    ql_status status = QL_OK;
    size_t first = 0, count = 1;
    for (; first < count && status == QL_OK; first++) {
        uint32_t at = ready[first];
        status = visit(self, diff, other, at, err);
        const ql__git_walk_commit *commit = &self->commits[at];
        for (uint32_t p = 0; p < commit->parent_count; p++) {
            uint32_t parent = self->parents[commit->parents_at + p];
            if (--self->commits[parent].child_count == 0 && parent != 0) ready[count++] = parent;
        }
    }
    if (status == QL_OK && count < self->commit_count) self->incomplete = true;
    ql__free(ready);
    return status;
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

static ql_status walk(ql__git_history *self, ql_error *err)
{
    ql__git_commits_drop(self);
    QL_TRY(ql__git_commits_load(self, err));
    QL_TRY(ql__git_commits_load_kept(self, err));
    QL_TRY(start_pending(self, err));
    ql__git_tree_diff diff = {.history = self}, other = {.history = self};
    ql_status status = visit_all(self, &diff, &other, err);
    ql__git_diff_dispose(&diff);
    ql__git_diff_dispose(&other);
    if (status != QL_DONE) return status;
    self->incomplete = true;
    return QL_OK;
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

/* What stayed pending at the end of a complete walk cannot be; at the edge of a shallow history and of the budget it is unknown. */
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
    if (self->has_kept && (self->depth > 0 || self->edge_count > 0 || self->spent)) ql__git_kept_forget(self); /* bounded: simply anew */
    QL_TRY(walk(self, err));
    if (self->has_kept && (self->spent || !continues_kept(self))) {
        ql__git_kept_forget(self);
        QL_TRY(walk(self, err));
    }
    finish_unknown(self);
    return QL_OK;
}

/* ---- All together ---- */

static ql_status build(ql__git_history *self, ql_error *err)
{
    int code = self->options.api->git_repository_odb(&self->odb, self->options.repo);
    if (code < 0) return ql__git_failure(self, code, "cannot open the objects", err);
    QL_TRY(ql__git_edges_read(self, err));
    if (self->options.cache_path != NULL) QL_TRY(ql__git_kept_read(self, err));
    bool current = self->has_kept && memcmp(self->kept_head.id, self->options.head.id, OID_BYTES) == 0;
    QL_TRY(ql__git_head_tree_read(self, err));
    QL_TRY(find_changes(self, err));
    if (self->spent)
        ql__log_write(self->options.source->log, QL_LOG_WARNING, "git",
                      "the history is too large to be compared to its end; dates that only older commits know stay empty (a depth ends it sooner)");
    if (self->options.cache_path == NULL || current) return QL_OK;
    ql_error trouble;
    if (ql__git_kept_write(self, &trouble) < 0)
        ql__log_write(self->options.source->log, QL_LOG_WARNING, "git", "the history cannot be kept for the next run: %s", trouble.message);
    return QL_OK;
}

ql_status ql__git_history_new(const ql__git_history_options *options, ql__git_history **out, ql_error *err)
{
    ql__git_history *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->options = *options;
    if (self->options.compared_max == 0) self->options.compared_max = QL_LIMIT_GIT_COMPARED;
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
