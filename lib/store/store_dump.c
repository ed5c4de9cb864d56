/*
 * Purpose: the whole content of an index in an order that does not depend on how it came about, one JSON object a line: equal
 * indexes give equal dumps (times of ingestion are left out). For tests and for finding out what differs.
 *
 * Invariants: documents ascend by identity, chunks by index; chunks are numbered in that order from 0, and a term's postings are
 * listed by those numbers. Vectors, when wanted, are fp32 as hex of their bytes: bitwise equality is not promised, the reader of
 * a dump compares them by cosine.
 *
 * Threads: one at a time per store. Cost: reads everything; holds the ids of all documents' slots and the list of terms.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"
#include "dep/digest.h"
#include "dep/json.h"
#include "store/store_internal.h"

#define NO_ORDINAL UINT32_MAX

typedef struct dump {
    ql__store *store;
    bool vectors;
    ql__store_dump_fn fn;
    void *user;
    ql_buf line;
    uint32_t *ordinals; /* (slots) number of a live chunk in the dump */
    uint32_t next;
    ql__arena arena;    /* terms */
    ql__map seen;
    ql_str *terms;
    size_t term_count, term_capacity;
} dump;

static ql_status emit(dump *self, ql_error *err)
{
    if (self->line.status != QL_OK) return ql__fail(err, self->line.status, "a line of the dump");
    int value = self->fn(self->user, ql_buf_str(&self->line));
    ql_buf_clear(&self->line);
    if (value == 0) return QL_OK;
    ql_status st = ql__fail(err, QL_E_CALLBACK, "the caller stopped the dump");
    if (err) err->callback_value = value;
    return st;
}

static void put_number(ql__json_writer *json, const char *key, const ql__stmt *stmt, int column)
{
    ql__json_key(json, key);
    if (ql__stmt_is_null(stmt, column)) ql__json_null(json);
    else ql__json_int(json, ql__stmt_int(stmt, column));
}

static ql_status dump_vector(dump *self, uint64_t slot, ql_error *err)
{
    ql__view *view = &self->store->view;
    ql__json_writer json;
    size_t size = view->meta.dims * sizeof(float);
    QL_TRY(ql__view_verify(self->store, slot, 1, err));
    char *hex = ql__alloc(2 * size + 1);
    if (!hex) return ql__fail_nomem(err);
    ql__hex((const uint8_t *)ql__vectors_row(&view->vectors, slot), size, hex);
    ql__json_begin(&json, &self->line);
    ql__json_object(&json);
    ql__json_key(&json, "vector_of");
    ql__json_uint(&json, self->ordinals[slot]);
    ql__json_member(&json, "fp32", ql_str_of(hex));
    ql__json_object_end(&json);
    ql__free(hex);
    return emit(self, err);
}

static ql_status dump_chunk(dump *self, const ql__stmt *chunk, uint64_t slot, ql_error *err)
{
    static const char *const texts[] = {"id", "title", "text", "section_path", "metadata"};
    static const char *const numbers[] = {"begin", "end", "overlap", "source_begin", "source_end", "tokens"};
    ql__view *view = &self->store->view;
    ql__json_writer json;
    if (slot >= view->slots || !ql__bit(view->live, slot)) return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: a document points to dead chunks", self->store->dir);
    self->ordinals[slot] = self->next++;
    ql__json_begin(&json, &self->line);
    ql__json_object(&json);
    ql__json_key(&json, "chunk");
    ql__json_uint(&json, self->ordinals[slot]);
    for (int i = 0; i < 5; i++) ql__json_member(&json, texts[i], ql__stmt_bytes(chunk, i));
    for (int i = 0; i < 6; i++) put_number(&json, numbers[i], chunk, 5 + i);
    ql__json_key(&json, "length");
    ql__json_uint(&json, view->lengths[slot]);
    ql__json_object_end(&json);
    QL_TRY(emit(self, err));
    return self->vectors ? dump_vector(self, slot, err) : QL_OK;
}

static ql_status dump_chunks(dump *self, ql__stmt *chunks, int64_t num, uint64_t first_slot, uint64_t count, ql_error *err)
{
    ql_status st;
    uint64_t found = 0;
    ql__stmt_bind_int(chunks, 1, ql__chunk_key(num, 0));
    ql__stmt_bind_int(chunks, 2, ql__chunk_key_end(num));
    while ((st = ql__stmt_step(chunks, err)) == QL_OK) {
        st = dump_chunk(self, chunks, first_slot + found++, err);
        if (st == QL_OK) continue;
        ql__stmt_reset(chunks);
        return st;
    }
    if (st < 0) return st;
    return found == count ? QL_OK : ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: a document has %llu chunks of %llu", self->store->dir, (unsigned long long)found,
                                             (unsigned long long)count);
}

static ql_status dump_document(dump *self, const ql__stmt *row, ql_error *err)
{
    static const char *const texts[] = {"project", "source_type", "source", "url", "id", "path", "title", "content_type", "version", "content_hash", "pipeline", "metadata"};
    ql__json_writer json;
    ql__json_begin(&json, &self->line);
    ql__json_object(&json);
    for (int i = 0; i < 12; i++) ql__json_member(&json, texts[i], ql__stmt_bytes(row, 3 + i));
    put_number(&json, "created_at", row, 15);
    put_number(&json, "updated_at", row, 16);
    put_number(&json, "chunks", row, 2);
    ql__json_object_end(&json);
    return emit(self, err);
}

static ql_status dump_documents(dump *self, ql_error *err)
{
    ql__stmt *documents = NULL, *chunks = NULL;
    ql_status st = ql__db_prepare(self->store->db,
                                  "SELECT num,first_slot,chunk_count,project,source_type,source,url,id,path,title,content_type,version,content_hash,pipeline,metadata,"
                                  "created_at,updated_at FROM document ORDER BY project,source_type,source,url",
                                  &documents, err);
    if (st == QL_OK)
        st = ql__db_prepare(self->store->db,
                            "SELECT id,title,body,section_path,metadata,begin_at,end_at,overlap,source_begin,source_end,tokens FROM chunk WHERE key>=?1 AND key<?2 ORDER BY key",
                            &chunks, err);
    while (st == QL_OK && (st = ql__stmt_step(documents, err)) == QL_OK) {
        st = dump_document(self, documents, err);
        if (st == QL_OK) st = dump_chunks(self, chunks, ql__stmt_int(documents, 0), (uint64_t)ql__stmt_int(documents, 1), (uint64_t)ql__stmt_int(documents, 2), err);
    }
    ql__stmt_free(documents);
    ql__stmt_free(chunks);
    return st < 0 ? st : QL_OK;
}

/* --- terms */

static ql_status note_term(dump *self, ql_str term, ql_error *err)
{
    bool inserted = false;
    ql_str kept;
    if (ql__map_find(&self->seen, term)) return QL_OK;
    if (!ql__arena_copy(&self->arena, term, &kept) || !ql__map_insert(&self->seen, kept, &inserted) || !ql__array_push(self->terms, self->term_count, self->term_capacity, kept))
        return ql__fail_nomem(err);
    return QL_OK;
}

static ql_status collect_terms(dump *self, ql_error *err)
{
    ql__stmt *stmt = NULL;
    ql__view *view = &self->store->view;
    ql_status st;
    QL_TRY(ql__db_prepare(self->store->db, "SELECT DISTINCT term FROM posting WHERE space=0", &stmt, err));
    while ((st = ql__stmt_step(stmt, err)) == QL_OK && (st = note_term(self, ql__stmt_bytes(stmt, 0), err)) == QL_OK) {}
    ql__stmt_free(stmt);
    for (size_t i = 0; st >= 0 && i < view->log_count; i++) {
        for (uint32_t j = 0; st >= 0 && j < view->logs[i].count; j++) {
            ql__log_entry entry;
            ql__terms_log_at(&view->logs[i], j, &entry);
            st = note_term(self, entry.term, err);
        }
    }
    return st < 0 ? st : QL_OK;
}

static int term_compare(const void *a, const void *b)
{
    return ql_str_compare(*(const ql_str *)a, *(const ql_str *)b);
}

static int pair_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static ql_status dump_term(dump *self, ql_str term, ql_error *err)
{
    ql__posting_list *list = &self->store->view.list;
    ql__json_writer json;
    QL_TRY(ql__view_postings(self->store, term, err));
    if (list->count == 0) return QL_OK; /* only deleted chunks had it */
    uint64_t *pairs = ql__alloc(list->count * sizeof *pairs);
    if (!pairs) return ql__fail_nomem(err);
    for (size_t i = 0; i < list->count; i++) pairs[i] = (uint64_t)self->ordinals[list->slots[i]] << 32 | list->tfs[i];
    qsort(pairs, list->count, sizeof *pairs, pair_compare);
    ql__json_begin(&json, &self->line);
    ql__json_object(&json);
    ql__json_member(&json, "term", term);
    ql__json_key(&json, "postings");
    ql__json_array(&json);
    for (size_t i = 0; i < list->count; i++) {
        ql__json_uint(&json, pairs[i] >> 32);
        ql__json_uint(&json, pairs[i] & UINT32_MAX);
    }
    ql__json_array_end(&json);
    ql__json_object_end(&json);
    ql__free(pairs);
    return emit(self, err);
}

static ql_status dump_all(dump *self, ql_error *err)
{
    size_t slots = self->store->view.slots;
    self->ordinals = ql__alloc((slots + 1) * sizeof *self->ordinals);
    if (!self->ordinals) return ql__fail_nomem(err);
    for (size_t i = 0; i < slots; i++) self->ordinals[i] = NO_ORDINAL;
    QL_TRY(dump_documents(self, err));
    if (self->next != self->store->view.meta.live_chunks)
        return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: %u chunks have a document, %llu are live", self->store->dir, self->next,
                        (unsigned long long)self->store->view.meta.live_chunks);
    QL_TRY(collect_terms(self, err));
    if (self->term_count > 1) qsort(self->terms, self->term_count, sizeof *self->terms, term_compare);
    for (size_t i = 0; i < self->term_count; i++) QL_TRY(dump_term(self, self->terms[i], err));
    return QL_OK;
}

ql_status ql__store_dump(ql__store *self, bool vectors, ql__store_dump_fn fn, void *user, ql_error *err)
{
    ql__snapshot *snapshot = NULL;
    dump job = {.store = self, .vectors = vectors, .fn = fn, .user = user, .line = QL_BUF_INIT};
    QL_TRY(ql__snapshot_open(self, &snapshot, err));
    ql__arena_init(&job.arena, 0);
    ql__map_init(&job.seen, ql__store_random());
    ql_status st = dump_all(&job, err);
    ql__free(job.ordinals);
    ql__free(job.terms);
    ql__map_dispose(&job.seen);
    ql__arena_dispose(&job.arena);
    ql_buf_dispose(&job.line);
    ql__snapshot_free(snapshot);
    return st;
}
