/*
 * Purpose: the writer's transaction: begin, replace, touch, remove, commit, rollback.
 *
 * Invariants: a document's rows, vectors and postings change in one SQLite transaction. Vectors are written at the end of their
 * file as they come and synced before the COMMIT that makes them count; a rollback cuts them off again. meta, the last slot page
 * and pending postings are kept in memory while the transaction runs and written once, at its end. A step that fails half-way
 * leaves the transaction good for a rollback only. Arguments are checked before anything is changed, so a refused document
 * costs nothing.
 *
 * Threads: one. Cost: per chunk one row, one analysis, one row of floats; per commit one sync of the vectors and one of the log.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "prof/span.h"
#include "store/store_internal.h"

#define ROWS_AT_ONCE 256
#define UNIT_TOLERANCE 0.02 /* of the squared length: bf16 output normalised in fp32 is within 1e-3 */

static ql_status need_transaction(ql__store *self, ql_error *err)
{
    if (!self->in_transaction) return ql__fail(err, QL_E_INVALID, "store: no transaction is open");
    if (self->broken < 0) return ql__fail(err, self->broken, "store: an earlier step of this transaction failed, roll back");
    return QL_OK;
}

static ql_status keep_failure(ql__store *self, ql_status st)
{
    if (st < 0) self->broken = st;
    else self->changed = true;
    return st;
}

ql_status ql__store_begin(ql__store *self, ql_error *err)
{
    if (!self->write) return ql__fail(err, QL_E_INVALID, "store: opened for reading");
    if (self->in_transaction) return ql__fail(err, QL_E_INVALID, "store: a transaction is open already");
    if (self->snapshots) return ql__fail(err, QL_E_BUSY, "store: a snapshot of this connection is open");
    if (self->fence_needed) {
        uint64_t cut_bytes = 0;
        QL_TRY(ql__store_fence(self, err));
        if (self->meta.dims) QL_TRY(ql__vectors_truncate(&self->vectors, self->meta.next_slot, &cut_bytes, err));
        self->fence_needed = false;
    }
    if (self->tail_stale) QL_TRY(ql__store_tail_load(self, err));
    QL_TRY(ql__db_begin(self->db, true, err));
    self->in_transaction = true;
    self->changed = false;
    self->vectors_dirty = false;
    self->broken = QL_OK;
    self->work = self->meta;
    return QL_OK;
}

/* --- the last slot page */

static ql_status code_load(ql__store *self, ql_error *err)
{
    ql__stmt *stmt = NULL;
    size_t size = ql__code_block_bytes(self->meta.dims), room = size + ql__code_bytes(self->meta.dims) * 8 * sizeof(float);
    if (self->meta.dims == 0) return QL_OK;
    unsigned char *block = ql__realloc(self->code_block, room); /* a cleared store may come back with another width */
    if (!block) return ql__fail_nomem(err);
    self->code_block = block;
    memset(block, 0, size);
    if (self->meta.next_slot % QL__CODE_GROUP == 0) return QL_OK;
    QL_TRY(ql__store_stmt(self, STMT_CODE_READ, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)(self->meta.next_slot / QL__CODE_GROUP));
    ql_status st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    ql_str found = st == QL_OK ? ql__stmt_bytes(stmt, 0) : (ql_str){0};
    bool fits = found.len == size;
    if (fits) memcpy(block, found.ptr, size);
    if (st == QL_OK) ql__stmt_reset(stmt);
    return fits ? QL_OK : ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: the last row of table code does not fit the table meta", self->dir);
}

static ql_status code_write(ql__store *self, uint64_t group, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_CODE_WRITE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)group);
    ql__stmt_bind_bytes(stmt, 2, (ql_str){(const char *)self->code_block, ql__code_block_bytes(self->work.dims)});
    return ql__stmt_run(stmt, err);
}

/* The code of the next slot; a full block goes to its table. */
static ql_status code_push(ql__store *self, const float *vector, ql_error *err)
{
    size_t size = ql__code_block_bytes(self->work.dims), at = (size_t)(self->work.next_slot % QL__CODE_GROUP);
    ql__code_put(self->code_block, at, vector, self->work.dims, (float *)(void *)(self->code_block + size));
    if (at + 1 < QL__CODE_GROUP) return QL_OK;
    QL_TRY(code_write(self, self->work.next_slot / QL__CODE_GROUP, err));
    memset(self->code_block, 0, size);
    return QL_OK;
}

/* Rows are about to join the last group, and their hash goes on from what is known of it: over damaged rows it would vouch for nothing. */
static ql_status tail_verify(ql__store *self, ql_error *err)
{
    size_t count = self->tail->count % STORE_GROUP_SLOTS;
    if (count == 0) return QL_OK;
    QL_TRY(ql__vectors_map(&self->vectors, self->meta.next_slot, err));
    return ql__vectors_verify(&self->vectors, self->meta.next_slot - count, count, self->tail->hashes[self->tail->count / STORE_GROUP_SLOTS], err);
}

ql_status ql__store_tail_load(ql__store *self, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(code_load(self, err));
    if (!self->tail) self->tail = ql__alloc(sizeof *self->tail);
    if (!self->tail) return ql__fail_nomem(err);
    memset(self->tail, 0, sizeof *self->tail);
    self->tail->page = self->meta.next_slot / STORE_PAGE_SLOTS;
    self->tail->count = (uint32_t)(self->meta.next_slot % STORE_PAGE_SLOTS);
    self->tail_stale = self->tail->count != 0;
    if (!self->tail_stale) return QL_OK;
    QL_TRY(ql__store_stmt(self, STMT_SLOT_PAGE_READ, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)self->tail->page);
    ql_status st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    ql_str keys = st == QL_OK ? ql__stmt_bytes(stmt, 1) : (ql_str){0};
    ql_str lengths = st == QL_OK ? ql__stmt_bytes(stmt, 2) : (ql_str){0};
    ql_str hashes = st == QL_OK ? ql__stmt_bytes(stmt, 3) : (ql_str){0};
    bool fits = st == QL_OK && ql__stmt_int(stmt, 0) == self->tail->count && keys.len == 8 * (size_t)self->tail->count &&
                lengths.len == 4 * (size_t)self->tail->count && hashes.len == 8 * (((size_t)self->tail->count + STORE_GROUP_SLOTS - 1) / STORE_GROUP_SLOTS);
    if (fits) {
        memcpy(self->tail->keys, keys.ptr, keys.len);
        memcpy(self->tail->lengths, lengths.ptr, lengths.len);
        memcpy(self->tail->hashes, hashes.ptr, hashes.len);
    }
    ql__stmt_reset(stmt);
    if (!fits) return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: slot page %llu does not fit the table meta", self->dir, (unsigned long long)self->tail->page);
    st = tail_verify(self, err);
    self->tail_stale = st != QL_OK;
    return st;
}

static ql_status tail_write(ql__store *self, ql_error *err)
{
    ql__stmt *stmt = NULL;
    const ql__slot_page *tail = self->tail;
    if (!tail->dirty) return QL_OK;
    QL_TRY(ql__store_stmt(self, STMT_SLOT_PAGE_WRITE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)tail->page);
    ql__stmt_bind_int(stmt, 2, tail->count);
    ql__stmt_bind_bytes(stmt, 3, (ql_str){(const char *)tail->keys, 8 * (size_t)tail->count});
    ql__stmt_bind_bytes(stmt, 4, (ql_str){(const char *)tail->lengths, 4 * (size_t)tail->count});
    ql__stmt_bind_bytes(stmt, 5, (ql_str){(const char *)tail->hashes, 8 * (((size_t)tail->count + STORE_GROUP_SLOTS - 1) / STORE_GROUP_SLOTS)});
    QL_TRY(ql__stmt_run(stmt, err));
    self->tail->dirty = false;
    return QL_OK;
}

static uint64_t id_key(ql_str id)
{
    uint64_t key = 0;
    for (size_t i = 0; i < 8; i++) key = key << 8 | (i < id.len ? (unsigned char)id.ptr[i] : 0);
    return key;
}

static ql_status tail_push(ql__store *self, ql_str id, uint32_t length, const void *row, ql_error *err)
{
    ql__slot_page *tail = self->tail;
    if (tail->count == STORE_PAGE_SLOTS) {
        QL_TRY(tail_write(self, err));
        uint64_t page = tail->page + 1;
        memset(tail, 0, sizeof *tail);
        tail->page = page;
    }
    uint32_t at = tail->count++, group = at / STORE_GROUP_SLOTS;
    uint64_t first = tail->page * STORE_PAGE_SLOTS + (uint64_t)group * STORE_GROUP_SLOTS;
    tail->keys[at] = id_key(id);
    tail->lengths[at] = length;
    tail->hashes[group] = ql__vectors_hash(&self->vectors, row, at % STORE_GROUP_SLOTS == 0 ? first : tail->hashes[group]);
    tail->dirty = true;
    return QL_OK;
}

/* --- live bits */

static ql_status live_set_page(ql__store *self, uint64_t page, uint32_t first, uint32_t count, bool value, ql_error *err)
{
    uint64_t bits[STORE_PAGE_SLOTS / 64] = {0};
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_LIVE_READ, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)page);
    ql_status st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    ql_str found = st == QL_OK ? ql__stmt_bytes(stmt, 0) : (ql_str){0};
    if (found.len == sizeof bits) memcpy(bits, found.ptr, sizeof bits);
    if (st == QL_OK) ql__stmt_reset(stmt);
    for (uint32_t i = first; i < first + count; i++) {
        if (value) bits[i / 64] |= 1ull << (i % 64);
        else bits[i / 64] &= ~(1ull << (i % 64));
    }
    QL_TRY(ql__store_stmt(self, STMT_LIVE_WRITE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)page);
    ql__stmt_bind_bytes(stmt, 2, (ql_str){(const char *)bits, sizeof bits});
    return ql__stmt_run(stmt, err);
}

static ql_status live_set(ql__store *self, uint64_t first, uint64_t count, bool value, ql_error *err)
{
    while (count) {
        uint32_t at = (uint32_t)(first % STORE_PAGE_SLOTS);
        uint32_t part = count < STORE_PAGE_SLOTS - at ? (uint32_t)count : STORE_PAGE_SLOTS - at;
        QL_TRY(live_set_page(self, first / STORE_PAGE_SLOTS, at, part, value, err));
        first += part;
        count -= part;
    }
    return QL_OK;
}

/* Sum of the lengths of slots, which may lie in the page in memory. */
static ql_status lengths_sum(ql__store *self, uint64_t first, uint64_t count, uint64_t *out, ql_error *err)
{
    uint64_t sum = 0;
    while (count) {
        uint64_t page = first / STORE_PAGE_SLOTS;
        uint32_t at = (uint32_t)(first % STORE_PAGE_SLOTS);
        uint32_t part = count < STORE_PAGE_SLOTS - at ? (uint32_t)count : STORE_PAGE_SLOTS - at;
        ql__stmt *stmt = NULL;
        uint32_t lengths[STORE_PAGE_SLOTS] = {0};
        if (page == self->tail->page) {
            memcpy(lengths, self->tail->lengths, sizeof lengths);
        } else {
            QL_TRY(ql__store_stmt(self, STMT_SLOT_PAGE_READ, &stmt, err));
            ql__stmt_bind_int(stmt, 1, (int64_t)page);
            ql_status st = ql__stmt_step(stmt, err);
            if (st < 0) return st;
            ql_str bytes = st == QL_OK ? ql__stmt_bytes(stmt, 2) : (ql_str){0};
            if (bytes.len == sizeof lengths) memcpy(lengths, bytes.ptr, sizeof lengths);
            else st = QL_E_CORRUPT;
            ql__stmt_reset(stmt);
            if (st < 0) return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: slot page %llu has a wrong size", self->dir, (unsigned long long)page);
        }
        for (uint32_t i = at; i < at + part; i++) sum += lengths[i];
        first += part;
        count -= part;
    }
    *out = sum;
    return QL_OK;
}

/* --- a document's old content */

typedef struct stored_document {
    bool found;
    int64_t num;
    uint64_t first_slot, chunk_count;
} stored_document;

static ql_status drop_content(ql__store *self, const stored_document *old, ql_error *err)
{
    ql__stmt *stmt = NULL;
    uint64_t terms = 0;
    if (old->chunk_count == 0) return QL_OK;
    if (old->first_slot > self->work.next_slot || old->chunk_count > self->work.next_slot - old->first_slot)
        return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: a document points beyond the last chunk", self->dir);
    QL_TRY(lengths_sum(self, old->first_slot, old->chunk_count, &terms, err));
    QL_TRY(live_set(self, old->first_slot, old->chunk_count, false, err));
    QL_TRY(ql__store_stmt(self, STMT_CHUNK_DELETE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, ql__chunk_key(old->num, 0));
    ql__stmt_bind_int(stmt, 2, ql__chunk_key_end(old->num));
    QL_TRY(ql__stmt_run(stmt, err));
    self->work.live_chunks -= old->chunk_count;
    self->work.live_terms -= terms;
    return QL_OK;
}

static void read_document(ql__stmt *stmt, stored_document *out)
{
    out->found = true;
    out->num = ql__stmt_int(stmt, 0);
    out->first_slot = (uint64_t)ql__stmt_int(stmt, 1);
    out->chunk_count = (uint64_t)ql__stmt_int(stmt, 2);
}

static void bind_key(ql__stmt *stmt, const ql_store_document *document)
{
    ql__stmt_bind_bytes(stmt, 1, document->project);
    ql__stmt_bind_bytes(stmt, 2, document->source_type);
    ql__stmt_bind_bytes(stmt, 3, document->source);
    ql__stmt_bind_bytes(stmt, 4, document->url);
}

/* The row with this identity; refuses an id that another identity holds. */
static ql_status find_document(ql__store *self, const ql_store_document *document, stored_document *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    stored_document holder = {0};
    *out = (stored_document){0};
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_BY_KEY, &stmt, err));
    bind_key(stmt, document);
    ql_status st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    if (st == QL_OK) {
        read_document(stmt, out);
        ql__stmt_reset(stmt);
    }
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_BY_ID, &stmt, err));
    ql__stmt_bind_bytes(stmt, 1, document->id);
    st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    if (st == QL_DONE) return QL_OK;
    read_document(stmt, &holder);
    ql_str url = ql__stmt_bytes(stmt, 6);
    bool same = holder.num == out->num; /* which is 0 when none was found, and no row's number is */
    if (!same)
        st = ql__fail(err, QL_E_EXISTS, "document id %.*s of '%.*s' is held by '%.*s'", (int)document->id.len, document->id.ptr, (int)(document->url.len < 120 ? document->url.len : 120),
                      document->url.ptr, (int)(url.len < 120 ? url.len : 120), url.ptr);
    ql__stmt_reset(stmt);
    return same ? QL_OK : st;
}

/* --- checks before anything is changed */

static ql_status check_vector(const ql__store *self, const ql_store_chunk *chunk, ql_error *err)
{
    double sum = 0;
    if (!chunk->vector) return ql__fail(err, QL_E_INVALID, "store: chunk %.*s has no vector", (int)chunk->id.len, chunk->id.ptr);
    for (uint32_t i = 0; i < self->work.dims; i++) sum += (double)chunk->vector[i] * (double)chunk->vector[i];
    if (!(fabs(sum - 1.0) <= UNIT_TOLERANCE)) /* NaN fails too */
        return ql__fail(err, QL_E_INVALID, "store: the vector of chunk %.*s does not have unit length", (int)chunk->id.len, chunk->id.ptr);
    return QL_OK;
}

static ql_status check_document(const ql__store *self, const ql_store_document *document, ql_error *err)
{
    if (document->url.len == 0 || document->url.len > QL_LIMIT_URL_BYTES) return ql__fail(err, QL_E_INVALID, "store: a url has %zu bytes", document->url.len);
    if (document->id.len == 0 || document->id.len > 255) return ql__fail(err, QL_E_INVALID, "store: a document id has %zu bytes", document->id.len);
    if (document->chunk_count > STORE_DOCUMENT_CHUNKS_MAX) return ql__fail(err, QL_E_LIMIT, "store: a document has %zu chunks, at most %u", document->chunk_count, STORE_DOCUMENT_CHUNKS_MAX);
    if (document->chunk_count && self->work.dims == 0) return ql__fail(err, QL_E_INVALID, "store: it was opened without the width of the vectors");
    if (document->chunk_count > STORE_SLOTS_MAX - self->work.next_slot) return ql__fail(err, QL_E_LIMIT, "store: all %u chunk numbers are used, compact it", STORE_SLOTS_MAX);
    for (size_t i = 0; i < document->chunk_count; i++) {
        const ql_store_chunk *chunk = &document->chunks[i];
        if (chunk->id.len == 0 || chunk->id.len > 255) return ql__fail(err, QL_E_INVALID, "store: a chunk id has %zu bytes", chunk->id.len);
        QL_TRY(check_vector(self, chunk, err));
    }
    return QL_OK;
}

/* --- new content */

static void bind_time(ql__stmt *stmt, int index, int64_t time_ms)
{
    if (time_ms == QL_TIME_UNKNOWN) ql__stmt_bind_null(stmt, index);
    else ql__stmt_bind_int(stmt, index, time_ms);
}

static ql_status write_document(ql__store *self, const ql_store_document *document, stored_document *row, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, row->found ? STMT_DOCUMENT_UPDATE : STMT_DOCUMENT_INSERT, &stmt, err));
    bind_key(stmt, document);
    ql__stmt_bind_bytes(stmt, 5, document->id);
    ql__stmt_bind_bytes(stmt, 6, document->path);
    ql__stmt_bind_bytes(stmt, 7, document->title);
    ql__stmt_bind_bytes(stmt, 8, document->content_type);
    ql__stmt_bind_bytes(stmt, 9, document->version);
    ql__stmt_bind_bytes(stmt, 10, document->content_hash);
    ql__stmt_bind_bytes(stmt, 11, document->pipeline);
    ql__stmt_bind_bytes(stmt, 12, document->metadata_json);
    bind_time(stmt, 13, document->created_at_ms);
    bind_time(stmt, 14, document->updated_at_ms);
    ql__stmt_bind_int(stmt, 15, ql__wall_ms(self->sys));
    ql__stmt_bind_int(stmt, 16, (int64_t)document->chunk_count);
    if (document->chunk_count) ql__stmt_bind_int(stmt, 17, (int64_t)self->work.next_slot);
    else ql__stmt_bind_null(stmt, 17);
    QL_TRY(ql__stmt_run(stmt, err));
    if (!row->found) row->num = ql__db_last_rowid(self->db);
    return QL_OK;
}

static ql_status write_chunk(ql__store *self, int64_t key, const ql_store_chunk *chunk, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_CHUNK_INSERT, &stmt, err));
    ql__stmt_bind_int(stmt, 1, key);
    ql__stmt_bind_bytes(stmt, 2, chunk->id);
    ql__stmt_bind_bytes(stmt, 3, chunk->title);
    ql__stmt_bind_bytes(stmt, 4, chunk->chunk.text);
    ql__stmt_bind_bytes(stmt, 5, chunk->chunk.section_path);
    ql__stmt_bind_bytes(stmt, 6, chunk->chunk.metadata_json);
    ql__stmt_bind_int(stmt, 7, (int64_t)chunk->chunk.begin);
    ql__stmt_bind_int(stmt, 8, (int64_t)chunk->chunk.end);
    ql__stmt_bind_int(stmt, 9, (int64_t)chunk->chunk.overlap_bytes);
    ql__stmt_bind_int(stmt, 10, (int64_t)chunk->chunk.source_begin);
    ql__stmt_bind_int(stmt, 11, (int64_t)chunk->chunk.source_end);
    ql__stmt_bind_int(stmt, 12, chunk->chunk.tokens);
    return ql__stmt_run(stmt, err);
}

/* Terms of one chunk with their counts, then into the pending postings. */
typedef struct chunk_terms {
    ql__terms *pending;
    uint32_t slot;
    uint32_t length;
    bool nomem;
} chunk_terms;

static int on_term(void *user, ql_str term)
{
    chunk_terms *self = user;
    assert(term.len > 0 && term.len <= QL__TERM_BYTES && self->length < UINT32_MAX); /* the analyzer cuts words, and a chunk has fewer bytes */
    self->length++;
    if (ql__terms_count(self->pending, term, self->slot)) return 0;
    self->nomem = true;
    return 1;
}

static ql_status index_terms(ql__store *self, const ql_store_chunk *chunk, uint64_t slot, uint32_t *length, ql_error *err)
{
    chunk_terms terms = {.pending = &self->pending, .slot = (uint32_t)slot};
    ql_status st = ql__analyzer_run(self->analyzer, chunk->terms_text, on_term, &terms, err);
    if (terms.nomem) return ql__fail_nomem(err);
    if (st != QL_OK) return st;
    *length = terms.length;
    return QL_OK;
}

static ql_status write_rows(ql__store *self, const ql_store_chunk *chunks, size_t count, ql_error *err)
{
    size_t stride = self->vectors.stride;
    ql_buf_clear(&self->scratch);
    if (ql_buf_reserve(&self->scratch, count * stride) != QL_OK) return ql__fail_nomem(err);
    memset(self->scratch.ptr, 0, count * stride);
    for (size_t i = 0; i < count; i++) memcpy(self->scratch.ptr + i * stride, chunks[i].vector, self->work.dims * sizeof(float));
    return ql__vectors_write(&self->vectors, self->work.next_slot, self->scratch.ptr, count, err);
}

static ql_status add_content(ql__store *self, const ql_store_document *document, int64_t num, ql_error *err)
{
    QL_TRY(live_set(self, self->work.next_slot, document->chunk_count, true, err));
    for (size_t first = 0; first < document->chunk_count; first += ROWS_AT_ONCE) {
        size_t count = document->chunk_count - first < ROWS_AT_ONCE ? document->chunk_count - first : ROWS_AT_ONCE;
        self->vectors_dirty = true;
        QL_TRY(write_rows(self, document->chunks + first, count, err));
        for (size_t i = 0; i < count; i++) {
            const ql_store_chunk *chunk = &document->chunks[first + i];
            uint32_t length = 0;
            QL_TRY(write_chunk(self, ql__chunk_key(num, first + i), chunk, err));
            QL_TRY(index_terms(self, chunk, self->work.next_slot, &length, err));
            QL_TRY(tail_push(self, chunk->id, length, self->scratch.ptr + i * self->vectors.stride, err));
            QL_TRY(code_push(self, chunk->vector, err));
            self->work.next_slot++;
            self->work.live_chunks++;
            self->work.live_terms += length;
        }
        if (self->pending.bytes > STORE_PENDING_BYTES_MAX) QL_TRY(ql__store_postings_flush(self, err));
    }
    return QL_OK;
}

static ql_status replace(ql__store *self, const ql_store_document *document, stored_document *row, ql_error *err)
{
    QL_TRY(drop_content(self, row, err));
    QL_TRY(write_document(self, document, row, err));
    if (!row->found) self->work.documents++;
    return add_content(self, document, row->num, err);
}

ql_status ql__store_replace(ql__store *self, const ql_store_document *document, ql_error *err)
{
    stored_document row;
    QL_TRY(need_transaction(self, err));
    QL_TRY(check_document(self, document, err));
    ql_status st = find_document(self, document, &row, err);
    if (st == QL_E_EXISTS) return st; /* nothing was changed */
    if (st == QL_OK) st = replace(self, document, &row, err);
    return keep_failure(self, st);
}

static ql_status find_by_id(ql__store *self, ql_str id, stored_document *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    *out = (stored_document){0};
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_BY_ID, &stmt, err));
    ql__stmt_bind_bytes(stmt, 1, id);
    ql_status st = ql__stmt_step(stmt, err);
    if (st == QL_DONE) return ql__fail(err, QL_E_NOTFOUND, "store: no document has the id %.*s", (int)(id.len < 64 ? id.len : 64), id.ptr);
    if (st != QL_OK) return st;
    read_document(stmt, out);
    ql__stmt_reset(stmt);
    return QL_OK;
}

static ql_status touch_row(ql__store *self, ql_str id, const ql_store_document *facts, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_TOUCH, &stmt, err));
    ql__stmt_bind_bytes(stmt, 1, id);
    ql__stmt_bind_bytes(stmt, 2, facts->version);
    ql__stmt_bind_bytes(stmt, 3, facts->path); /* it comes from the metadata and stays with it */
    if (facts->metadata_json.len > 0) ql__stmt_bind_bytes(stmt, 4, facts->metadata_json);
    else ql__stmt_bind_null(stmt, 4);
    bind_time(stmt, 5, facts->created_at_ms);
    bind_time(stmt, 6, facts->updated_at_ms);
    return ql__stmt_run(stmt, err);
}

ql_status ql__store_touch(ql__store *self, ql_str id, const ql_store_document *facts, ql_error *err)
{
    stored_document row;
    QL_TRY(need_transaction(self, err));
    ql_status st = find_by_id(self, id, &row, err);
    if (st == QL_E_NOTFOUND) return st;
    if (st == QL_OK) st = touch_row(self, id, facts, err);
    return keep_failure(self, st);
}

static ql_status remove_row(ql__store *self, const stored_document *row, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(drop_content(self, row, err));
    QL_TRY(ql__store_stmt(self, STMT_DOCUMENT_DELETE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, row->num);
    QL_TRY(ql__stmt_run(stmt, err));
    self->work.documents--;
    return QL_OK;
}

ql_status ql__store_remove(ql__store *self, ql_str id, ql_error *err)
{
    stored_document row;
    QL_TRY(need_transaction(self, err));
    ql_status st = find_by_id(self, id, &row, err);
    if (st == QL_E_NOTFOUND) return st;
    if (st == QL_OK) st = remove_row(self, &row, err);
    return keep_failure(self, st);
}

/* --- the end */

/* Small segments stay in the log; when it has grown, log and pending go to the table. */
static ql_status write_postings(ql__store *self, ql_error *err)
{
    ql__stmt *stmt = NULL;
    if (self->pending.count == 0) return QL_OK;
    QL_TRY(ql__store_stmt(self, STMT_LOG_SIZE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
    ql_status st = ql__stmt_step(stmt, err);
    if (st < 0) return st;
    int64_t rows = ql__stmt_int(stmt, 0), bytes = ql__stmt_int(stmt, 1);
    ql__stmt_reset(stmt);
    if (rows + 1 > STORE_LOG_ROWS_MAX || (uint64_t)bytes + self->pending.bytes > STORE_LOG_BYTES_MAX) return ql__store_postings_flush(self, err);
    QL_AUTO(ql_buf, ql_buf_dispose) segment = QL_BUF_INIT;
    ql__terms_sort(&self->pending);
    QL_TRY(ql__terms_log_write(&self->pending, &segment, err));
    QL_TRY(ql__store_stmt(self, STMT_LOG_INSERT, &stmt, err));
    ql__stmt_bind_int(stmt, 1, STORE_SPACE_TEXT);
    ql__stmt_bind_bytes(stmt, 2, ql_buf_str(&segment));
    st = ql__stmt_run(stmt, err);
    if (st == QL_OK) ql__terms_clear(&self->pending);
    return st;
}

static ql_status commit_steps(ql__store *self, ql_error *err)
{
    QL_TRY(write_postings(self, err));
    QL_TRY(tail_write(self, err));
    if (self->vectors_dirty && self->work.next_slot % QL__CODE_GROUP) QL_TRY(code_write(self, self->work.next_slot / QL__CODE_GROUP, err));
    if (self->vectors_dirty) QL_TRY(ql__vectors_sync(&self->vectors, err));
    self->work.generation++;
    QL_TRY(ql__store_meta_write(self, &self->work, err));
    QL_TRY(ql__store_check_place(self, err)); /* last, so that nothing gone is acknowledged */
    self->fence_needed = true; /* from here on its frames may be in the log whatever is answered */
    QL_TRY(ql__db_exec(self->db, "COMMIT", err));
    self->fence_needed = false;
    return QL_OK;
}

ql_status ql__store_fence(ql__store *self, ql_error *err)
{
    ql__store_meta meta = self->meta;
    meta.generation++;
    QL_TRY(ql__db_begin(self->db, true, err));
    ql_status st = ql__store_meta_write(self, &meta, err);
    if (st == QL_OK) st = ql__db_exec(self->db, "COMMIT", err);
    if (st == QL_OK) self->meta = meta;
    else if (ql__db_in_transaction(self->db)) (void)ql__db_exec(self->db, "ROLLBACK", NULL);
    return st;
}

ql_status ql__store_commit(ql__store *self, ql_error *err)
{
    QL_SPAN(STORE);
    if (!self->in_transaction) return ql__fail(err, QL_E_INVALID, "store: no transaction is open");
    ql_status st = need_transaction(self, err);
    if (st == QL_OK && !self->changed) {
        ql__store_rollback(self);
        return QL_OK;
    }
    if (st == QL_OK) st = commit_steps(self, err);
    if (st != QL_OK) {
        ql__store_rollback(self);
        return st;
    }
    self->in_transaction = false;
    self->meta = self->work;
    ql__store_ack_write(self);
    ql__counter_add(QL__COUNTER_COMMITS, 1);
    return QL_OK;
}

void ql__store_rollback(ql__store *self)
{
    uint64_t cut_bytes = 0;
    if (!self->in_transaction) return;
    self->in_transaction = false;
    if (ql__db_in_transaction(self->db)) (void)ql__db_exec(self->db, "ROLLBACK", NULL);
    if (self->pending.count) ql__terms_clear(&self->pending);
    /* Gives the space back; what stays would be overwritten or cut off by the next writer. */
    if (self->vectors_dirty && !self->fence_needed) (void)ql__vectors_truncate(&self->vectors, self->meta.next_slot, &cut_bytes, NULL);
    self->tail_stale = true;
}
