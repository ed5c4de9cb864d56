/*
 * Purpose: snapshots, and the view of a commit that searches work on.
 *
 * Invariants: a snapshot is an open read transaction of SQLite; the view holds what was read in it (live bits, lengths, keys,
 * small posting segments) and a map of the vector file it points to. The view is kept between snapshots and loaded anew only
 * when the generation has changed. Vectors are verified group by group on first touch; a group once found good stays good
 * for this connection, unless rows were added to it.
 *
 * Threads: one at a time per store. Cost: loading is 13 bytes per slot plus the posting log (at most 1 MiB); a snapshot of a
 * known generation is one row read.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/array.h"
#include "base/status.h"
#include "store/store_internal.h"

#define OPEN_TRIES 5 /* a compaction may take the file away between the read of meta and the open */

static void drop_logs(ql__view *self)
{
    for (size_t i = 0; i < self->log_count; i++) ql__terms_log_dispose(&self->logs[i]);
    self->log_count = 0;
}

void ql__view_dispose(ql__view *self)
{
    drop_logs(self);
    ql__free(self->logs);
    ql__free(self->live);
    ql__free(self->keys);
    ql__free(self->lengths);
    ql__free(self->norms);
    ql__free(self->hashes);
    ql__free(self->verified);
    ql__free(self->codes);
    ql__free(self->uppers);
    ql__free(self->scores);
    ql__free(self->dfs);
    ql_buf_dispose(&self->scored);
    ql__kept_masks_clear(self);
    ql__posting_list_dispose(&self->list);
    ql__vectors_dispose(&self->vectors);
    memset(self, 0, sizeof *self);
    ql__vectors_init(&self->vectors);
}

static bool grow(void *array, size_t count, size_t size)
{
    void *grown = ql__realloc_array(*(void **)array, count, size);
    if (grown) *(void **)array = grown;
    return grown != NULL;
}

static ql_status reserve(ql__view *self, uint64_t slots, ql_error *err)
{
    size_t need = ((size_t)slots / STORE_PAGE_SLOTS + 1) * STORE_PAGE_SLOTS;
    if (need <= self->capacity) return QL_OK;
    size_t bits = (need / STORE_GROUP_SLOTS + 63) / 64, bits_before = (self->capacity / STORE_GROUP_SLOTS + 63) / 64;
    bool ok = grow(&self->live, need / 64, 8) && grow(&self->keys, need, 8) && grow(&self->lengths, need, 4) && grow(&self->norms, need, 4) &&
              grow(&self->hashes, need / STORE_GROUP_SLOTS, 8) && grow(&self->verified, bits, 8) && grow(&self->scores, need, 4) && grow(&self->uppers, need, 4);
    if (!ok) return ql__fail_nomem(err);
    size_t groups_before = self->capacity / STORE_GROUP_SLOTS;
    memset(self->verified + bits_before, 0, (bits - bits_before) * 8);
    memset(self->hashes + groups_before, 0, (need / STORE_GROUP_SLOTS - groups_before) * 8);
    self->capacity = need;
    return QL_OK;
}

static ql_status fail_page(const ql__store *self, const char *table, int64_t page, ql_error *err)
{
    return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: row %lld of table %s does not fit the table meta", self->dir, (long long)page, table);
}

static ql_status load_slot_pages(ql__store *self, bool known, ql_error *err)
{
    ql__view *view = &self->view;
    ql__stmt *stmt = NULL;
    ql_status st;
    size_t at = 0;
    QL_TRY(ql__store_stmt(self, STMT_SLOT_PAGE_ALL, &stmt, err));
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        int64_t page = ql__stmt_int(stmt, 0), count = ql__stmt_int(stmt, 1);
        ql_str keys = ql__stmt_bytes(stmt, 2), lengths = ql__stmt_bytes(stmt, 3), hashes = ql__stmt_bytes(stmt, 4);
        size_t left = view->slots - at, want = left < STORE_PAGE_SLOTS ? left : STORE_PAGE_SLOTS, groups = (want + STORE_GROUP_SLOTS - 1) / STORE_GROUP_SLOTS;
        if (want == 0 || (uint64_t)page != at / STORE_PAGE_SLOTS || (uint64_t)count != want || keys.len != 8 * want || lengths.len != 4 * want || hashes.len != 8 * groups) {
            ql__stmt_reset(stmt);
            return fail_page(self, "slot_page", page, err);
        }
        memcpy(view->keys + at, keys.ptr, keys.len);
        memcpy(view->lengths + at, lengths.ptr, lengths.len);
        for (size_t i = 0; i < groups; i++) {
            uint64_t hash;
            size_t group = at / STORE_GROUP_SLOTS + i;
            memcpy(&hash, hashes.ptr + 8 * i, sizeof hash);
            /* A group that got more rows has another hash, and so has one in another file. */
            if (!known || hash != view->hashes[group]) view->verified[group / 64] &= ~(1ull << (group % 64));
            view->hashes[group] = hash;
        }
        at += want;
    }
    if (st < 0) return st;
    return at == view->slots ? QL_OK : fail_page(self, "slot_page", (int64_t)(at / STORE_PAGE_SLOTS), err);
}

static ql_status load_live(ql__store *self, ql_error *err)
{
    ql__view *view = &self->view;
    ql__stmt *stmt = NULL;
    ql_status st;
    uint64_t count = 0;
    memset(view->live, 0, view->capacity / 8);
    QL_TRY(ql__store_stmt(self, STMT_LIVE_ALL, &stmt, err));
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        int64_t page = ql__stmt_int(stmt, 0);
        ql_str bits = ql__stmt_bytes(stmt, 1);
        if (page < 0 || (uint64_t)page > view->slots / STORE_PAGE_SLOTS || bits.len != STORE_PAGE_SLOTS / 8) {
            ql__stmt_reset(stmt);
            return fail_page(self, "live", page, err);
        }
        memcpy(view->live + (size_t)page * (STORE_PAGE_SLOTS / 64), bits.ptr, bits.len);
    }
    if (st < 0) return st;
    for (size_t i = 0; i < view->capacity / 64; i++) {
        if (view->live[i] && i * 64 + 64 > view->slots) { /* the last word may be partly filled, later ones must be empty */
            uint64_t beyond = i * 64 >= view->slots ? UINT64_MAX : ~0ull << (view->slots % 64);
            if (view->live[i] & beyond) return fail_page(self, "live", (int64_t)(i / (STORE_PAGE_SLOTS / 64)), err);
        }
        count += (uint64_t)__builtin_popcountll(view->live[i]);
    }
    if (count != view->meta.live_chunks) return fail_page(self, "live", 0, err);
    return QL_OK;
}

static ql_status load_logs(ql__store *self, ql_error *err)
{
    ql__view *view = &self->view;
    ql__stmt *stmt = NULL;
    ql_status st;
    drop_logs(view);
    QL_TRY(ql__store_stmt(self, STMT_LOG_ALL, &stmt, err));
    ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        if (!ql__array_reserve(&view->logs, &view->log_capacity, view->log_count + 1, sizeof *view->logs)) st = ql__fail_nomem(err);
        else st = ql__terms_log_open(&view->logs[view->log_count++], ql__stmt_bytes(stmt, 0), err);
        if (st == QL_OK) continue;
        ql__stmt_reset(stmt);
        return st;
    }
    return st < 0 ? st : QL_OK;
}

static ql_status load_vectors(ql__store *self, ql_error *err)
{
    ql__view *view = &self->view;
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    if (view->meta.dims == 0) return QL_OK;
    if (view->vectors_file != view->meta.file) {
        ql__vectors_dispose(&view->vectors);
        view->vectors_file = 0;
        view->code_groups = 0;
        view->code_slots = 0;
        if (view->verified != NULL) memset(view->verified, 0, (view->capacity / STORE_GROUP_SLOTS + 63) / 64 * 8);
        QL_TRY(ql__store_vectors_path(self, view->meta.file, &path, err));
        QL_TRY(ql__vectors_open(&view->vectors, self->sys, ql_buf_cstr(&path), false, view->meta.dims, view->meta.file_id, err));
        view->vectors_file = view->meta.file;
    }
    return ql__vectors_map(&view->vectors, view->slots, err);
}

ql_status ql__view_codes(ql__store *self, ql_error *err)
{
    ql__view *view = &self->view;
    ql__stmt *stmt = NULL;
    size_t size = ql__code_block_bytes(view->meta.dims), groups = (view->slots + QL__CODE_GROUP - 1) / QL__CODE_GROUP;
    size_t at = (size_t)(view->code_slots / QL__CODE_GROUP); /* full blocks never change; the last one may have grown */
    ql_status st;
    if (view->code_slots == view->slots) return QL_OK;
    if (!ql__array_reserve(&view->codes, &view->code_capacity, groups, size)) return ql__fail_nomem(err);
    QL_TRY(ql__store_stmt(self, STMT_CODE_FROM, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)at);
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        ql_str block = ql__stmt_bytes(stmt, 1);
        if (at >= groups || (uint64_t)ql__stmt_int(stmt, 0) != at || block.len != size) {
            ql__stmt_reset(stmt);
            return fail_page(self, "code", (int64_t)at, err);
        }
        memcpy(view->codes + at++ * size, block.ptr, size);
    }
    if (st < 0) return st;
    if (at != groups) return fail_page(self, "code", (int64_t)at, err);
    view->code_groups = groups;
    view->code_slots = view->slots;
    return QL_OK;
}

static void make_norms(ql__view *self)
{
    float average = self->meta.live_chunks ? (float)((double)self->meta.live_terms / (double)self->meta.live_chunks) : 1.0f;
    if (average <= 0) average = 1.0f;
    for (size_t i = 0; i < self->slots; i++) self->norms[i] = BM25_K1 * (1.0f - BM25_B + BM25_B * (float)self->lengths[i] / average);
}

ql_status ql__view_load(ql__store *self, const ql__store_meta *meta, ql_error *err)
{
    ql__view *view = &self->view;
    if (view->loaded && view->meta.generation == meta->generation) return QL_OK;
    bool known = view->loaded; /* its hashes say what was verified */
    view->loaded = false;
    ql_buf_clear(&view->scored);
    ql__kept_masks_clear(view);
    view->meta = *meta;
    view->slots = (size_t)meta->next_slot;
    QL_TRY(load_vectors(self, err)); /* first: a file that is too short for the slots is found before memory is taken for them */
    QL_TRY(reserve(view, meta->next_slot, err));
    QL_TRY(load_slot_pages(self, known, err));
    QL_TRY(load_live(self, err));
    QL_TRY(load_logs(self, err));
    make_norms(view);
    view->loaded = true;
    return QL_OK;
}

static ql_status verify_group(ql__store *self, size_t group, ql_error *err)
{
    ql__view *view = &self->view;
    size_t first = group * STORE_GROUP_SLOTS, end = first + STORE_GROUP_SLOTS < view->slots ? first + STORE_GROUP_SLOTS : view->slots;
    QL_TRY(ql__vectors_verify(&view->vectors, first, end - first, view->hashes[group], err));
    view->verified[group / 64] |= 1ull << (group % 64);
    return QL_OK;
}

ql_status ql__view_verify(ql__store *self, size_t first, size_t count, ql_error *err)
{
    ql__view *view = &self->view;
    for (size_t group = first / STORE_GROUP_SLOTS; count && group <= (first + count - 1) / STORE_GROUP_SLOTS; group++)
        if (!ql__bit(view->verified, group)) QL_TRY(verify_group(self, group, err));
    return QL_OK;
}

/* --- snapshots */

static ql_status open_view(ql__store *self, ql_error *err)
{
    ql__store_meta meta;
    QL_TRY(ql__db_begin(self->db, false, err));
    ql_status st = ql__store_meta_read(self, &meta, err);
    if (st == QL_OK) st = ql__view_load(self, &meta, err);
    if (st == QL_OK && !self->write) self->meta = meta;
    if (st != QL_OK && ql__db_in_transaction(self->db)) (void)ql__db_exec(self->db, "ROLLBACK", NULL);
    return st;
}

ql_status ql__snapshot_open(ql__store *self, ql__snapshot **out, ql_error *err)
{
    ql_error last = {0};
    ql_status st = QL_OK;
    if (self->in_transaction) return ql__fail(err, QL_E_INVALID, "store: a transaction of this connection is open");
    ql__snapshot *snapshot = ql__alloc_zero(1, sizeof *snapshot);
    if (!snapshot) return ql__fail_nomem(err);
    if (self->snapshots == 0) {
        for (int i = 0; i < OPEN_TRIES; i++) {
            st = open_view(self, &last);
            if (st != QL_E_NOTFOUND) break;
        }
        if (st == QL_E_NOTFOUND) st = ql__fail(&last, QL_E_CORRUPT, "'%s/vectors-%06u.qlv' is missing: the database points to it", self->dir, self->view.meta.file);
    }
    if (st != QL_OK) {
        if (err) *err = last;
        ql__free(snapshot);
        return st;
    }
    self->snapshots++;
    snapshot->store = self;
    snapshot->view = &self->view;
    *out = snapshot;
    return QL_OK;
}

void ql__snapshot_free(ql__snapshot *self)
{
    if (!self) return;
    if (--self->store->snapshots == 0 && ql__db_in_transaction(self->store->db)) (void)ql__db_exec(self->store->db, "COMMIT", NULL);
    ql__free(self);
}

uint64_t ql__snapshot_chunk_count(const ql__snapshot *self)
{
    return self->view->meta.live_chunks;
}

uint32_t ql__snapshot_dims(const ql__snapshot *self)
{
    return self->view->meta.dims;
}

ql_str ql__snapshot_model(const ql__snapshot *self)
{
    return ql_str_of(self->view->meta.model);
}

const float *ql__snapshot_vector(ql__snapshot *self, uint64_t slot)
{
    if (slot >= self->view->slots || !ql__bit(self->view->live, slot)) return NULL;
    if (ql__view_verify(self->store, slot, 1, NULL) != QL_OK) return NULL;
    return ql__vectors_row(&self->view->vectors, slot);
}

/* --- chunks by slot */

ql_status ql__store_chunk_key(ql__store *self, uint64_t slot, int64_t *document, int64_t *key, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_BY_SLOT, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)slot);
    ql_status st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    uint64_t first = st == QL_OK ? (uint64_t)ql__stmt_int(stmt, 1) : 0, count = st == QL_OK ? (uint64_t)ql__stmt_int(stmt, 2) : 0;
    int64_t num = st == QL_OK ? ql__stmt_int(stmt, 0) : 0;
    if (st == QL_OK) ql__stmt_reset(stmt);
    if (slot < first || slot - first >= count) return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: no document has chunk %llu", self->dir, (unsigned long long)slot);
    *document = num;
    *key = ql__chunk_key(num, slot - first);
    return QL_OK;
}

ql_status ql__store_chunk_id(ql__store *self, uint64_t slot, ql_buf *out, ql_error *err)
{
    int64_t document = 0, key = 0;
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_chunk_key(self, slot, &document, &key, err));
    QL_TRY(ql__store_stmt(self, STMT_CHUNK_ID, &stmt, err));
    ql__stmt_bind_int(stmt, 1, key);
    ql_status st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    ql_buf_clear(out);
    if (st == QL_OK) ql_buf_append(out, ql__stmt_bytes(stmt, 0));
    if (st == QL_OK) ql__stmt_reset(stmt);
    if (st == QL_DONE) return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: the text of chunk %llu is missing", self->dir, (unsigned long long)slot);
    return out->status == QL_OK ? QL_OK : ql__fail_nomem(err);
}

static int64_t time_of(const ql__stmt *stmt, int column)
{
    return ql__stmt_is_null(stmt, column) ? QL_TIME_UNKNOWN : ql__stmt_int(stmt, column);
}

static bool copy_columns(ql__stmt *stmt, struct ql_arena *arena, ql_str *const *out, size_t count, int first)
{
    for (size_t i = 0; i < count; i++)
        if (!ql__arena_copy(&arena->arena, ql__stmt_bytes(stmt, first + (int)i), out[i])) return false;
    return true;
}

static ql_status read_document(ql__store *self, int64_t num, struct ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    ql_str *const fields[] = {&out->document_id, &out->project, &out->source_type, &out->source, &out->url, &out->document_title, &out->content_type, &out->document_metadata_json};
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_READ, &stmt, err));
    ql__stmt_bind_int(stmt, 1, num);
    ql_status st = ql__stmt_step(stmt, err);
    if (st == QL_DONE) return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: document %lld is missing", self->dir, (long long)num);
    if (st != QL_OK) return st;
    bool ok = copy_columns(stmt, arena, fields, sizeof fields / sizeof fields[0], 0);
    out->chunk_count = (uint32_t)ql__stmt_int(stmt, 8);
    out->created_at_ms = time_of(stmt, 9);
    out->updated_at_ms = time_of(stmt, 10);
    out->ingested_at_ms = time_of(stmt, 11);
    ql__stmt_reset(stmt);
    return ok ? QL_OK : ql__fail_nomem(err);
}

static ql_status read_chunk(ql__store *self, int64_t key, struct ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    ql_str *const fields[] = {&out->id, &out->title, &out->text, &out->section_path, &out->metadata_json};
    QL_TRY(ql__store_stmt(self, STMT_CHUNK_READ, &stmt, err));
    ql__stmt_bind_int(stmt, 1, key);
    ql_status st = ql__stmt_step(stmt, err);
    if (st == QL_DONE) return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: the text of a chunk is missing", self->dir);
    if (st != QL_OK) return st;
    bool ok = copy_columns(stmt, arena, fields, sizeof fields / sizeof fields[0], 0);
    out->source_begin = (uint64_t)ql__stmt_int(stmt, 5);
    out->source_end = (uint64_t)ql__stmt_int(stmt, 6);
    ql__stmt_reset(stmt);
    return ok ? QL_OK : ql__fail_nomem(err);
}

ql_status ql__snapshot_chunk(ql__snapshot *self, uint64_t slot, struct ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    ql_stored_chunk chunk = {.struct_size = sizeof chunk};
    int64_t document = 0, key = 0;
    if (slot >= self->view->slots || !ql__bit(self->view->live, slot)) return ql__fail(err, QL_E_NOTFOUND, "store: no chunk %llu in this snapshot", (unsigned long long)slot);
    QL_TRY(ql__store_chunk_key(self->store, slot, &document, &key, err));
    QL_TRY(read_document(self->store, document, arena, &chunk, err));
    QL_TRY(read_chunk(self->store, key, arena, &chunk, err));
    chunk.chunk_index = (uint32_t)(key & (STORE_DOCUMENT_CHUNKS_MAX - 1));
    *out = chunk;
    return QL_OK;
}
