/*
 * Reading the head's tree, and measuring its files.
 *
 * Invariants: every entry of the tree is either a file, an "other" with its reason, or a folder that was opened; a name is never lost
 * silently. The number of entries and the nesting are bounded: a few kB of trees that share subtrees unfold to any number.
 * A file whose content is missing is a file all the same (a partial clone).
 * Threads: one. Cost: each folder is read once; one object header for each new content, and the content itself up to 1 kB, where it
 * may be a pointer of git-lfs.
 */
#include "source/git_head_tree.h"

#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "source/git_history_internal.h"

enum { LFS_POINTER_BYTES_MAX = 1024 };

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
    QL_TRY(ql__git_intern(self, path, &i, err));
    ql__git_file *file = &self->files[i];
    file->in_head = true;
    if (memcmp(file->blob, blob->id, OID_BYTES) != 0) file->sized = false;
    memcpy(file->blob, blob->id, OID_BYTES);
    return QL_OK;
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
    if (ql__git_is_regular(mode)) return note_file(self, text, api->git_tree_entry_id(entry), err);
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
    if (code < 0) return ql__git_failure(self, code, "cannot read a folder", err);
    ql_status status = ql__git_is_cancelled(self) ? ql__fail(err, QL_E_CANCELLED, "cancelled while listing") : QL_OK;
    size_t count = api->git_tree_entrycount(tree), length = path->len;
    for (size_t i = 0; i < count && status == QL_OK; i++) {
        const git_tree_entry *entry = api->git_tree_entry_byindex(tree, i);
        status = ql__git_append_name(path, api->git_tree_entry_name(entry), err);
        if (status == QL_OK) status = read_head_entry(self, entry, path, depth, err);
        if (path->status == QL_OK) ql__git_cut_name(path, length);
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
    if (code < 0) return ql__git_failure(self, code, "cannot read a file's size", err);
    file->size_bytes = size;
    file->is_lfs = false;
    if (size >= 100 && size <= LFS_POINTER_BYTES_MAX) {
        git_odb_object *object = NULL;
        code = api->git_odb_read(&object, self->odb, &id);
        if (code < 0) return ql__git_failure(self, code, "cannot read a file", err);
        file->is_lfs = is_lfs_pointer((ql_str){api->git_odb_object_data(object), api->git_odb_object_size(object)});
        api->git_odb_object_free(object);
    }
    file->sized = true;
    return QL_OK;
}

static ql_status head_tree_id(ql__git_history *self, git_oid *out, ql_error *err)
{
    const ql__git_api *api = self->options.api;
    git_commit *commit = NULL;
    int code = api->git_commit_lookup(&commit, self->options.repo, &self->options.head);
    if (code < 0) return ql__git_failure(self, code, "cannot read the branch's commit", err);
    *out = *api->git_commit_tree_id(commit);
    api->git_commit_free(commit);
    return QL_OK;
}

ql_status ql__git_head_tree_read(ql__git_history *self, ql_error *err)
{
    git_oid tree;
    QL_TRY(head_tree_id(self, &tree, err));
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    QL_TRY(read_head_tree(self, &tree, &path, 0, err));
    for (size_t i = 0; i < self->file_count; i++)
        if (self->files[i].in_head && !self->files[i].sized) QL_TRY(measure(self, &self->files[i], err));
    return QL_OK;
}
