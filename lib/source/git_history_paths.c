/*
 * The table of paths, which all parts of the history write to.
 *
 * Invariants: a path has one entry, whose number never changes; nothing is removed. The names live in the arena of the history, so they are
 * valid as long as it is. The table is bounded: older commits of a hostile repository may name any number of files.
 * Threads: as the history, one builds. Cost: one look-up in the map.
 */
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "source/git_history_internal.h"

ql_status ql__git_intern(ql__git_history *self, ql_str path, uint32_t *out, ql_error *err)
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

ql_status ql__git_append_name(ql_buf *path, const char *name, ql_error *err)
{
    if (path->len > 0) (void)ql_buf_append_char(path, '/');
    return ql_buf_append(path, ql_str_of(name)) < 0 ? ql__fail_nomem(err) : QL_OK;
}

void ql__git_cut_name(ql_buf *path, size_t length)
{
    path->len = length;
    if (path->ptr != NULL) path->ptr[length] = '\0';
}
