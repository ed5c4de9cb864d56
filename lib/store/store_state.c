/*
 * Purpose: what an ingest and the status commands ask: what is known of a source, who holds an id, counts, and clearing.
 *
 * Invariants: answers come from the same rows searches use. Clearing drops everything in one transaction, the way a compaction
 * swaps files: the old vector file goes after the commit.
 *
 * Threads: one at a time per store. Cost: one row per document listed.
 */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "store/store_internal.h"

static ql_status stopped(ql__stmt *stmt, int value, const char *what, ql_error *err)
{
    ql__stmt_reset(stmt);
    ql_status st = ql__fail(err, QL_E_CALLBACK, "the caller stopped the listing of %s", what);
    if (err) err->callback_value = value;
    return st;
}

ql_status ql__store_known_each(ql__store *self, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    ql__stmt *stmt = NULL;
    ql_status st;
    QL_TRY(ql__store_stmt(self, STMT_KNOWN, &stmt, err));
    ql__stmt_bind_bytes(stmt, 1, project);
    ql__stmt_bind_bytes(stmt, 2, source_type);
    ql__stmt_bind_bytes(stmt, 3, source);
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        ql_store_known known = {.struct_size = sizeof known,
                                .id = ql__stmt_bytes(stmt, 0),
                                 .url = ql__stmt_bytes(stmt, 1),
                                 .version = ql__stmt_bytes(stmt, 2),
                                 .content_hash = ql__stmt_bytes(stmt, 3),
                                 .pipeline = ql__stmt_bytes(stmt, 4)};
        int value = fn(user, &known);
        if (value != 0) return stopped(stmt, value, "known documents", err);
    }
    return st < 0 ? st : QL_OK;
}

ql_status ql__store_id_owner(ql__store *self, ql_str id, ql_buf *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    ql_buf_clear(out);
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_BY_ID, &stmt, err));
    ql__stmt_bind_bytes(stmt, 1, id);
    ql_status st = ql__stmt_step(stmt, err);
    if (st != QL_OK) return st < 0 ? st : QL_OK;
    for (int column = 3; column <= 6; column++) {
        if (column > 3) ql_buf_append_char(out, '\0');
        ql_buf_append(out, ql__stmt_bytes(stmt, column));
    }
    ql__stmt_reset(stmt);
    return out->status == QL_OK ? QL_OK : ql__fail_nomem(err);
}

/* A statement about a source, whose name is its first three values. */
static ql_status source_stmt(ql__store *self, ql__store_stmt_id which, ql_str project, ql_str source_type, ql_str source, ql__stmt **out, ql_error *err)
{
    if (!self->write) return ql__fail(err, QL_E_INVALID, "store: opened for reading");
    if (!self->in_transaction && self->snapshots) return ql__fail(err, QL_E_BUSY, "store: a snapshot of this connection is open");
    QL_TRY(ql__store_stmt(self, which, out, err));
    ql__stmt_bind_bytes(*out, 1, project);
    ql__stmt_bind_bytes(*out, 2, source_type);
    ql__stmt_bind_bytes(*out, 3, source);
    return QL_OK;
}

static ql_status source_run(ql__store *self, ql__stmt *stmt, ql_error *err)
{
    ql_status st = ql__stmt_run(stmt, err);
    if (self->in_transaction && st == QL_OK) self->changed = true;
    if (self->in_transaction && st < 0) self->broken = st;
    return st;
}

ql_status ql__store_source_done(ql__store *self, ql_str project, ql_str source_type, ql_str source, int64_t now_ms, ql_str report_json, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(source_stmt(self, STMT_SOURCE_DONE, project, source_type, source, &stmt, err));
    ql__stmt_bind_int(stmt, 4, now_ms);
    ql__stmt_bind_bytes(stmt, 5, report_json);
    return source_run(self, stmt, err);
}

ql_status ql__store_source_forget(ql__store *self, ql_str project, ql_str source_type, ql_str source, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(source_stmt(self, STMT_SOURCE_FORGET, project, source_type, source, &stmt, err));
    return source_run(self, stmt, err);
}

ql_status ql__store_stats_read(ql__store *self, ql__store_stats *out, ql_error *err)
{
    ql__store_meta meta = self->work;
    uint64_t database_bytes = 0;
    if (!self->in_transaction) QL_TRY(ql__store_meta_read(self, &meta, err));
    QL_TRY(ql__db_bytes(self->db, &database_bytes, err));
    *out = (ql__store_stats){.documents = meta.documents,
                             .chunks = meta.live_chunks,
                             .vector_bytes = meta.dims ? QL__VECTORS_HEADER_BYTES + meta.next_slot * ql__vectors_stride(meta.dims) : 0,
                             .database_bytes = database_bytes,
                             .dims = meta.dims};
    memcpy(out->model, meta.model, sizeof out->model);
    return QL_OK;
}

ql_status ql__store_sources_each(ql__store *self, ql_store_source_fn fn, void *user, ql_error *err)
{
    ql__stmt *stmt = NULL;
    ql_status st;
    QL_TRY(ql__store_stmt(self, STMT_SOURCES, &stmt, err));
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        ql_store_source source = {.struct_size = sizeof source,
                                  .project = ql__stmt_bytes(stmt, 0),
                                  .source_type = ql__stmt_bytes(stmt, 1),
                                  .source = ql__stmt_bytes(stmt, 2),
                                  .documents = (uint64_t)ql__stmt_int(stmt, 3),
                                  .chunks = (uint64_t)ql__stmt_int(stmt, 4),
                                  .last_complete_ms = ql__stmt_is_null(stmt, 5) ? QL_TIME_UNKNOWN : ql__stmt_int(stmt, 5),
                                  .report_json = ql__stmt_bytes(stmt, 6)};
        int value = fn(user, &source);
        if (value != 0) return stopped(stmt, value, "sources", err);
    }
    return st < 0 ? st : QL_OK;
}

static ql_status clear_steps(ql__store *self, ql__store_meta *meta, ql_error *err)
{
    QL_TRY(ql__db_exec(self->db,
                       "DELETE FROM chunk; DELETE FROM document; DELETE FROM slot_page; DELETE FROM code; DELETE FROM live; DELETE FROM posting; DELETE FROM posting_log; DELETE FROM source",
                       err));
    QL_TRY(ql__store_meta_write(self, meta, err));
    self->fence_needed = true;
    QL_TRY(ql__db_exec(self->db, "COMMIT", err));
    self->fence_needed = false;
    return QL_OK;
}

ql_status ql__store_clear(ql__store *self, ql_error *err)
{
    if (!self->write || self->in_transaction || self->snapshots) return ql__fail(err, QL_E_INVALID, "store: clear needs a writer without open transaction or snapshot");
    /* The number of the vector file is kept, so that the next one gets a name no reader has open. */
    ql__store_meta meta = {.store_id = self->meta.store_id, .generation = self->meta.generation + 1, .file = self->meta.file};
    QL_TRY(ql__db_begin(self->db, true, err));
    ql_status st = clear_steps(self, &meta, err);
    if (st != QL_OK) {
        if (ql__db_in_transaction(self->db)) (void)ql__db_exec(self->db, "ROLLBACK", NULL);
        return st;
    }
    ql__vectors_dispose(&self->vectors);
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    if (self->meta.file && ql__store_vectors_path(self, self->meta.file, &path, NULL) == QL_OK)
        (void)self->sys->file->unlinkat_fn(self->sys->file->user, AT_FDCWD, ql_buf_cstr(&path), 0);
    self->meta = meta;
    self->tail_stale = true;
    ql__store_ack_write(self);
    return ql__db_checkpoint(self->db, err);
}
