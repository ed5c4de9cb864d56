/*
 * Loading the commits of a walk.
 *
 * Invariants: a commit has one entry, the head is the first; they stand in the order of their distance from the head. A commit at the edge
 * (of the wanted depth, or of a repository that is shallow itself) has no parents here and makes the history incomplete. Kept commits are
 * entered where a new one names them as a parent, and go no further.
 * Threads: one. Cost: each new commit is read once, about 100 bytes of memory for each.
 */
#include "source/git_commits.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/status.h"
#include "dep/digest.h"
#include "source/git_history_internal.h"

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

ql_status ql__git_edges_read(ql__git_history *self, ql_error *err)
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
    if (self->edge_count == 0) return QL_OK; /* a file without an id */
    qsort(self->edges, self->edge_count, OID_BYTES, ql__git_compare_ids);
    self->edges_hash = ql__xxh3((ql_str){(const char *)self->edges, self->edge_count * OID_BYTES}, 1);
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
    ql__git_walk_commit commit = {.group = NO_INDEX, .distance = distance, .kept = ql__git_has_id(self->kept_commits, self->kept_count, id->id)};
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
    bool edge = ql__git_has_id(self->edges, self->edge_count, self->commits[at].id) &&
                strstr(api->git_commit_raw_header(commit), "\nparent ") != NULL;
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
    if (ql__git_is_cancelled(self)) return ql__fail(err, QL_E_CANCELLED, "cancelled while reading the history");
    git_oid id;
    memcpy(id.id, self->commits[at].id, OID_BYTES);
    git_commit *commit = NULL;
    int code = api->git_commit_lookup(&commit, self->options.repo, &id);
    if (code < 0) return ql__git_failure(self, code, "cannot read a commit", err);
    self->commits[at].time_s = api->git_commit_time(commit);
    memcpy(self->commits[at].tree, api->git_commit_tree_id(commit)->id, OID_BYTES);
    ql_status status = load_parents(self, at, commit, err);
    api->git_commit_free(commit);
    return status;
}

ql_status ql__git_commits_load(ql__git_history *self, ql_error *err)
{
    uint32_t head;
    QL_TRY(find_commit(self, &self->options.head, 0, &head, err));
    for (uint32_t at = 0; at < self->commit_count; at++)
        if (!self->commits[at].kept) QL_TRY(load_commit(self, at, err));
    return QL_OK;
}

ql_status ql__git_commits_load_kept(ql__git_history *self, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    for (size_t i = 0; i < self->commit_count; i++) {
        ql__git_walk_commit *commit = &self->commits[i];
        if (!commit->kept) continue;
        git_oid id;
        memcpy(id.id, commit->id, OID_BYTES);
        git_commit *object = NULL;
        int code = api->git_commit_lookup(&object, self->options.repo, &id);
        if (code < 0) return ql__git_failure(self, code, "cannot read a commit", err);
        memcpy(commit->tree, api->git_commit_tree_id(object)->id, OID_BYTES);
        api->git_commit_free(object);
    }
    return QL_OK;
}

void ql__git_commits_drop(ql__git_history *self)
{
    ql__map_dispose(&self->commit_index);
    ql__map_init(&self->commit_index, 2);
    ql__arena_reset(&self->commit_names);
    self->commit_count = self->parent_count = self->group_count = self->walked = 0;
    self->incomplete = false;
}
