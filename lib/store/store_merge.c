/*
 * Purpose: the posting table: merging the log and pending postings into it, and compaction of the whole store.
 *
 * Invariants: blocks of a term do not overlap and ascend by slot; log segments hold larger slots than the table, pending ones
 * larger than the log. A merge appends to a term's last block while it has room, so a term has about (postings / 1,000) blocks
 * however small the commits were. Compaction gives live chunks new slots in the old order, in one transaction that also
 * points to a new vector file; readers of the old one keep their map.
 *
 * Threads: the writer's. Cost: a merge touches one block for each distinct term; compaction reads and writes everything but texts.
 */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"
#include "store/store_internal.h"

/* --- appending to a term's blocks */

typedef struct block {
    ql_str term;
    bool stored; /* a row with this first_slot exists */
    uint32_t first_slot, last_slot, count;
    uint8_t data[QL__BLOCK_BYTES + 20];
    size_t len;
} block;

static ql_status block_write(ql__store *self, const block *from, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, from->stored ? STMT_POSTING_UPDATE : STMT_POSTING_INSERT, &stmt, err));
    ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
    ql__stmt_bind_bytes(stmt, 2, from->term);
    ql__stmt_bind_int(stmt, 3, from->first_slot);
    ql__stmt_bind_int(stmt, 4, from->last_slot);
    ql__stmt_bind_int(stmt, 5, from->count);
    ql__stmt_bind_bytes(stmt, 6, (ql_str){(const char *)from->data, from->len});
    return ql__stmt_run(stmt, err);
}

static ql_status block_add(ql__store *self, block *to, uint32_t slot, uint32_t tf, ql_error *err)
{
    if (to->len >= QL__BLOCK_BYTES) {
        QL_TRY(block_write(self, to, err));
        to->len = 0;
        to->count = 0;
        to->stored = false;
    }
    if (to->count == 0) to->first_slot = to->last_slot = slot;
    to->len += ql__posting_put(to->data + to->len, slot - to->last_slot, tf);
    to->last_slot = slot;
    to->count++;
    return QL_OK;
}

/* The term's last block as it is in the table, or an empty one. */
static ql_status block_open(ql__store *self, ql_str term, block *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    out->term = term;
    out->stored = false;
    out->len = out->count = 0;
    QL_TRY(ql__store_stmt(self, STMT_POSTING_LAST, &stmt, err));
    ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
    ql__stmt_bind_bytes(stmt, 2, term);
    ql_status st = ql__stmt_step(stmt, err);
    if (st != QL_OK) return st < 0 ? st : QL_OK;
    ql_str data = ql__stmt_bytes(stmt, 3);
    if (data.len < QL__BLOCK_BYTES) {
        out->stored = true;
        out->first_slot = (uint32_t)ql__stmt_int(stmt, 0);
        out->last_slot = (uint32_t)ql__stmt_int(stmt, 1);
        out->count = (uint32_t)ql__stmt_int(stmt, 2);
        memcpy(out->data, data.ptr, data.len);
        out->len = data.len;
    }
    ql__stmt_reset(stmt);
    return QL_OK;
}

static ql_status append_list(ql__store *self, ql_str term, const ql__posting_list *list, ql_error *err)
{
    block last;
    QL_TRY(block_open(self, term, &last, err));
    for (size_t i = 0; i < list->count; i++) QL_TRY(block_add(self, &last, list->slots[i], list->tfs[i], err));
    return block_write(self, &last, err);
}

/* --- log and pending together, by term */

typedef struct merge {
    ql__terms_log *logs;
    uint32_t *at; /* next term of each log */
    size_t count, capacity;
    size_t pending_at;
} merge;

static void merge_dispose(merge *self)
{
    for (size_t i = 0; i < self->count; i++) ql__terms_log_dispose(&self->logs[i]);
    ql__free(self->logs);
    ql__free(self->at);
}

static ql_status merge_load(ql__store *self, merge *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_LOG_ALL, &stmt, err));
    ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
    ql_status st;
    while ((st = ql__stmt_step(stmt, err)) == QL_OK) {
        if (!ql__array_reserve(&out->logs, &out->capacity, out->count + 1, sizeof *out->logs)) st = ql__fail_nomem(err);
        else st = ql__terms_log_open(&out->logs[out->count++], ql__stmt_bytes(stmt, 0), err);
        if (st < 0) {
            ql__stmt_reset(stmt);
            return st;
        }
    }
    if (st < 0) return st;
    out->at = ql__alloc_zero(out->count + 1, sizeof *out->at);
    return out->at ? QL_OK : ql__fail_nomem(err);
}

/* The smallest term not yet merged; false when there is none. */
static bool merge_next(ql__store *self, const merge *from, ql_str *out)
{
    bool found = false;
    for (size_t i = 0; i < from->count; i++) {
        ql__log_entry entry;
        if (from->at[i] >= from->logs[i].count) continue;
        ql__terms_log_at(&from->logs[i], from->at[i], &entry);
        if (!found || ql_str_compare(entry.term, *out) < 0) *out = entry.term;
        found = true;
    }
    if (from->pending_at < self->pending.count) {
        ql_str term = self->pending.entries[from->pending_at].term;
        if (!found || ql_str_compare(term, *out) < 0) *out = term;
        found = true;
    }
    return found;
}

static ql_status decode_into(ql__posting_list *list, ql_str data, uint64_t first, uint64_t last, uint64_t count, ql_error *err)
{
    bool nomem = false;
    if (ql__posting_list_decode(list, data, first, last, count, &nomem)) return QL_OK;
    if (nomem) return ql__fail_nomem(err);
    return ql__fail(err, QL_E_CORRUPT, "a segment of the postings log is not in the format of its version");
}

static ql_status merge_term(ql__store *self, merge *from, ql_str term, ql__posting_list *list, ql_error *err)
{
    list->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        ql__log_entry entry;
        if (from->at[i] >= from->logs[i].count) continue;
        ql__terms_log_at(&from->logs[i], from->at[i], &entry);
        if (!ql_str_equal(entry.term, term)) continue;
        from->at[i]++;
        QL_TRY(decode_into(list, entry.data, entry.first_slot, entry.last_slot, entry.count, err));
    }
    if (from->pending_at < self->pending.count && ql_str_equal(self->pending.entries[from->pending_at].term, term)) {
        const ql__term_entry *entry = &self->pending.entries[from->pending_at++];
        QL_TRY(decode_into(list, (ql_str){(const char *)entry->data, entry->len}, entry->first_slot, entry->last_slot, entry->count, err));
    }
    return append_list(self, term, list, err);
}

ql_status ql__store_postings_flush(ql__store *self, ql_error *err)
{
    merge from = {0};
    ql__posting_list list = {0};
    ql__stmt *stmt = NULL;
    ql_str term = {0};
    ql_status st = merge_load(self, &from, err);
    ql__terms_sort(&self->pending);
    while (st == QL_OK && merge_next(self, &from, &term)) st = merge_term(self, &from, term, &list, err);
    if (st == QL_OK && from.count) {
        st = ql__store_stmt(self, STMT_LOG_CLEAR, &stmt, err);
        if (st == QL_OK) {
            ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
            st = ql__stmt_run(stmt, err);
        }
    }
    ql__posting_list_dispose(&list);
    merge_dispose(&from);
    if (st == QL_OK) ql__terms_clear(&self->pending);
    return st;
}

/* --- compaction */

#define COMPACT_DEAD_MIN 1024  /* fewer dead chunks cost less than the rewrite */
#define COMPACT_DEAD_PARTS 4   /* rewrite when a quarter is dead */
#define DEAD UINT32_MAX

typedef struct compaction {
    ql__store_meta meta;
    uint32_t *moved; /* (slots) old slot -> new slot, or DEAD */
    ql__vectors vectors;
} compaction;

static ql_status number_live(ql__store *self, compaction *job, ql_error *err)
{
    const ql__view *view = &self->view;
    uint32_t next = 0;
    job->moved = ql__alloc(sizeof *job->moved * (view->slots + 1));
    if (!job->moved) return ql__fail_nomem(err);
    for (size_t i = 0; i < view->slots; i++) job->moved[i] = ql__bit(view->live, i) ? next++ : DEAD;
    return next == self->meta.live_chunks ? QL_OK : ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: %u live chunks, the table meta says %llu", self->dir, next,
                                                              (unsigned long long)self->meta.live_chunks);
}

static ql_status copy_vectors(ql__store *self, compaction *job, ql_error *err)
{
    size_t stride = self->view.vectors.stride, filled = 0;
    uint64_t to = 0;
    ql_buf_clear(&self->scratch);
    if (ql_buf_reserve(&self->scratch, 256 * stride) != QL_OK) return ql__fail_nomem(err);
    for (size_t i = 0; i < self->view.slots; i++) {
        if (job->moved[i] == DEAD) continue;
        QL_TRY(ql__view_verify(self, i, 1, err));
        memcpy(self->scratch.ptr + filled++ * stride, ql__vectors_row(&self->view.vectors, i), stride);
        if (filled < 256) continue;
        QL_TRY(ql__vectors_write(&job->vectors, to, self->scratch.ptr, filled, err));
        to += filled;
        filled = 0;
    }
    if (filled) QL_TRY(ql__vectors_write(&job->vectors, to, self->scratch.ptr, filled, err));
    return ql__vectors_sync(&job->vectors, err);
}

static ql_status write_page(ql__store *self, const ql__slot_page *page, ql_error *err)
{
    ql__stmt *stmt = NULL;
    uint64_t bits[STORE_PAGE_SLOTS / 64] = {0};
    for (uint32_t i = 0; i < page->count; i++) bits[i / 64] |= 1ull << (i % 64);
    QL_TRY(ql__store_stmt(self, STMT_SLOT_PAGE_WRITE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)page->page);
    ql__stmt_bind_int(stmt, 2, page->count);
    ql__stmt_bind_bytes(stmt, 3, (ql_str){(const char *)page->keys, 8 * (size_t)page->count});
    ql__stmt_bind_bytes(stmt, 4, (ql_str){(const char *)page->lengths, 4 * (size_t)page->count});
    ql__stmt_bind_bytes(stmt, 5, (ql_str){(const char *)page->hashes, 8 * (((size_t)page->count + STORE_GROUP_SLOTS - 1) / STORE_GROUP_SLOTS)});
    QL_TRY(ql__stmt_run(stmt, err));
    QL_TRY(ql__store_stmt(self, STMT_LIVE_WRITE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)page->page);
    ql__stmt_bind_bytes(stmt, 2, (ql_str){(const char *)bits, sizeof bits});
    return ql__stmt_run(stmt, err);
}

static ql_status rewrite_pages(ql__store *self, const compaction *job, ql__slot_page *page, ql_error *err)
{
    const ql__view *view = &self->view;
    QL_TRY(ql__db_exec(self->db, "DELETE FROM slot_page; DELETE FROM live", err));
    memset(page, 0, sizeof *page);
    for (size_t i = 0; i < view->slots; i++) {
        if (job->moved[i] == DEAD) continue;
        uint32_t at = page->count++, group = at / STORE_GROUP_SLOTS;
        uint64_t first = page->page * STORE_PAGE_SLOTS + (uint64_t)group * STORE_GROUP_SLOTS;
        page->keys[at] = view->keys[i];
        page->lengths[at] = view->lengths[i];
        page->hashes[group] = ql__vectors_hash(&view->vectors, ql__vectors_row(&view->vectors, i), at % STORE_GROUP_SLOTS == 0 ? first : page->hashes[group]);
        if (page->count < STORE_PAGE_SLOTS) continue;
        QL_TRY(write_page(self, page, err));
        uint64_t next = page->page + 1;
        memset(page, 0, sizeof *page);
        page->page = next;
    }
    return page->count ? write_page(self, page, err) : QL_OK;
}

static ql_status write_code(ql__store *self, uint64_t group, const unsigned char *codes, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_CODE_WRITE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)group);
    ql__stmt_bind_bytes(stmt, 2, (ql_str){(const char *)codes, ql__code_block_bytes(self->meta.dims)});
    return ql__stmt_run(stmt, err);
}

static ql_status rewrite_codes(ql__store *self, const compaction *job, ql_error *err)
{
    const ql__view *view = &self->view;
    size_t size = ql__code_block_bytes(self->meta.dims);
    unsigned char *codes = self->code_block; /* with room for a rotated vector; loaded anew afterwards */
    uint64_t next = 0;
    QL_TRY(ql__db_exec(self->db, "DELETE FROM code", err));
    memset(codes, 0, size);
    for (size_t i = 0; i < view->slots; i++) {
        if (job->moved[i] == DEAD) continue;
        ql__code_put(codes, (size_t)(next % QL__CODE_GROUP), ql__vectors_row(&view->vectors, i), self->meta.dims, (float *)(void *)(codes + size));
        if (++next % QL__CODE_GROUP) continue;
        QL_TRY(write_code(self, next / QL__CODE_GROUP - 1, codes, err));
        memset(codes, 0, size);
    }
    return next % QL__CODE_GROUP ? write_code(self, next / QL__CODE_GROUP, codes, err) : QL_OK;
}

static ql_status move_documents(ql__store *self, const compaction *job, ql_error *err)
{
    ql__stmt *ranges = NULL, *move = NULL;
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_RANGES, &ranges, err));
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_MOVE, &move, err));
    /* The list is read whole before rows move in the index it comes from. */
    int64_t *pairs = NULL;
    size_t count = 0, capacity = 0;
    ql_status st;
    while ((st = ql__stmt_step(ranges, err)) == QL_OK) {
        uint64_t first = (uint64_t)ql__stmt_int(ranges, 1);
        if (!ql__array_reserve(&pairs, &capacity, count + 2, sizeof *pairs)) st = ql__fail_nomem(err);
        else if (first >= self->view.slots || job->moved[first] == DEAD) st = ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: a document points to dead chunks", self->dir);
        if (st < 0) break;
        pairs[count++] = ql__stmt_int(ranges, 0);
        pairs[count++] = job->moved[first];
    }
    if (st < 0) ql__stmt_reset(ranges);
    else st = QL_OK;
    for (size_t i = 0; st == QL_OK && i < count; i += 2) {
        ql__stmt_bind_int(move, 1, pairs[i]);
        ql__stmt_bind_int(move, 2, pairs[i + 1]);
        st = ql__stmt_run(move, err);
    }
    ql__free(pairs);
    return st;
}

/* Keeps live postings with their new slots, in place. */
static size_t renumber(ql__posting_list *list, const uint32_t *moved, size_t slots)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->slots[i] >= slots || moved[list->slots[i]] == DEAD) continue;
        list->slots[kept] = moved[list->slots[i]];
        list->tfs[kept++] = list->tfs[i];
    }
    return list->count = kept;
}

static ql_status insert_blocks(ql__store *self, ql__stmt *insert, ql_str term, const ql__posting_list *list, ql_error *err)
{
    block part = {.term = term};
    (void)self;
    for (size_t i = 0; i <= list->count; i++) {
        if (part.count && (i == list->count || part.len >= QL__BLOCK_BYTES)) {
            ql__stmt_bind_int(insert, 1, STORE_SPACE_TEXT);
            ql__stmt_bind_bytes(insert, 2, term);
            ql__stmt_bind_int(insert, 3, part.first_slot);
            ql__stmt_bind_int(insert, 4, part.last_slot);
            ql__stmt_bind_int(insert, 5, part.count);
            ql__stmt_bind_bytes(insert, 6, (ql_str){(const char *)part.data, part.len});
            QL_TRY(ql__stmt_run(insert, err));
            part.len = part.count = 0;
        }
        if (i == list->count) break;
        if (part.count == 0) part.first_slot = part.last_slot = list->slots[i];
        part.len += ql__posting_put(part.data + part.len, list->slots[i] - part.last_slot, list->tfs[i]);
        part.last_slot = list->slots[i];
        part.count++;
    }
    return QL_OK;
}

typedef struct posting_copy {
    ql__stmt *insert;
    ql__posting_list list;
    ql_buf term;
} posting_copy;

static ql_status copy_term(ql__store *self, const compaction *job, posting_copy *copy, ql_error *err)
{
    if (renumber(&copy->list, job->moved, self->view.slots) == 0) return QL_OK;
    ql_status st = insert_blocks(self, copy->insert, ql_buf_str(&copy->term), &copy->list, err);
    copy->list.count = 0;
    return st;
}

static ql_status copy_postings(ql__store *self, const compaction *job, posting_copy *copy, ql_error *err)
{
    ql__stmt *all = NULL;
    ql_status st;
    QL_TRY(ql__store_stmt(self, STMT_POSTING_ALL, &all, err));
    ql__stmt_bind_int(all, 1, STORE_SPACE_TEXT);
    while ((st = ql__stmt_step(all, err)) == QL_OK) {
        ql_str term = ql__stmt_bytes(all, 0);
        if (!ql_str_equal(term, ql_buf_str(&copy->term))) {
            st = copy_term(self, job, copy, err);
            ql_buf_clear(&copy->term);
            if (st == QL_OK && ql_buf_append(&copy->term, term) != QL_OK) st = ql__fail_nomem(err);
        }
        if (st == QL_OK)
            st = decode_into(&copy->list, ql__stmt_bytes(all, 4), (uint64_t)ql__stmt_int(all, 1), (uint64_t)ql__stmt_int(all, 2), (uint64_t)ql__stmt_int(all, 3), err);
        if (st < 0) {
            ql__stmt_reset(all);
            return st;
        }
    }
    return st < 0 ? st : copy_term(self, job, copy, err);
}

static ql_status rewrite_postings(ql__store *self, const compaction *job, ql_error *err)
{
    posting_copy copy = {.term = QL_BUF_INIT};
    QL_TRY(ql__store_postings_flush(self, err));
    QL_TRY(ql__db_exec(self->db,
                       "CREATE TABLE posting_new(space INTEGER NOT NULL, term BLOB NOT NULL, first_slot INTEGER NOT NULL, last_slot INTEGER NOT NULL,"
                       " count INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(space,term,first_slot)) WITHOUT ROWID",
                       err));
    ql_status st = ql__db_prepare(self->db, "INSERT INTO posting_new(space,term,first_slot,last_slot,count,data) VALUES(?1,?2,?3,?4,?5,?6)", &copy.insert, err);
    if (st == QL_OK) st = copy_postings(self, job, &copy, err);
    ql__stmt_free(copy.insert);
    ql__posting_list_dispose(&copy.list);
    ql_buf_dispose(&copy.term);
    if (st == QL_OK) st = ql__db_exec(self->db, "DROP TABLE posting; ALTER TABLE posting_new RENAME TO posting", err);
    return st;
}

static ql_status compact_steps(ql__store *self, compaction *job, ql__slot_page *page, ql_error *err)
{
    job->meta = self->meta;
    QL_TRY(number_live(self, job, err));
    QL_TRY(ql__store_vectors_create(self, &job->meta, &job->vectors, err));
    QL_TRY(copy_vectors(self, job, err));
    QL_TRY(rewrite_pages(self, job, page, err));
    QL_TRY(rewrite_codes(self, job, err));
    QL_TRY(move_documents(self, job, err));
    QL_TRY(rewrite_postings(self, job, err));
    job->meta.next_slot = self->meta.live_chunks;
    job->meta.generation++;
    QL_TRY(ql__store_meta_write(self, &job->meta, err));
    self->fence_needed = true;
    QL_TRY(ql__db_exec(self->db, "COMMIT", err));
    self->fence_needed = false;
    return QL_OK;
}

static void unlink_vectors(ql__store *self, uint32_t file)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    if (ql__store_vectors_path(self, file, &path, NULL) == QL_OK)
        (void)self->sys->file->unlinkat_fn(self->sys->file->user, AT_FDCWD, ql_buf_cstr(&path), 0);
}

static ql_status compact(ql__store *self, ql_error *err)
{
    compaction job = {0};
    ql__slot_page *page = ql__alloc(sizeof *page);
    ql__vectors_init(&job.vectors);
    ql_status st = page ? compact_steps(self, &job, page, err) : ql__fail_nomem(err);
    if (st == QL_OK) {
        unlink_vectors(self, self->meta.file);
        ql__vectors_dispose(&self->vectors);
        self->vectors = job.vectors;
        self->meta = job.meta;
        self->tail_stale = true;
        ql__store_ack_write(self);
    } else {
        if (ql__db_in_transaction(self->db)) (void)ql__db_exec(self->db, "ROLLBACK", NULL);
        ql__terms_clear(&self->pending);
        self->tail_stale = true;
        ql__vectors_dispose(&job.vectors); /* its file stays until the next open: the commit may have reached the log */
    }
    ql__free(job.moved);
    ql__free(page);
    return st;
}

ql_status ql__store_compact(ql__store *self, ql_error *err)
{
    uint64_t dead = self->meta.next_slot - self->meta.live_chunks;
    if (dead < COMPACT_DEAD_MIN || dead * COMPACT_DEAD_PARTS < self->meta.next_slot) return QL_OK;
    return ql__store_compact_now(self, err);
}

ql_status ql__store_compact_now(ql__store *self, ql_error *err)
{
    if (!self->write || self->in_transaction || self->snapshots) return ql__fail(err, QL_E_INVALID, "store: compact needs a writer without open transaction or snapshot");
    if (self->meta.dims == 0) return QL_OK;
    if (self->fence_needed) QL_TRY(ql__store_fence(self, err));
    self->fence_needed = false;
    QL_TRY(ql__db_begin(self->db, true, err));
    ql_status st = ql__view_load(self, &self->meta, err);
    if (st == QL_OK) return compact(self, err);
    (void)ql__db_exec(self->db, "ROLLBACK", NULL);
    return st;
}
