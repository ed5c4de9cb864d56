/*
 * Postings: which slots hold a term and how often. Three forms: lists in memory while a transaction runs (ql__terms), a small
 * sorted segment per commit (ql__terms_log, one row of posting_log), and blocks of up to QL__BLOCK_BYTES per term (rows of posting).
 */
#ifndef QL_STORE_POSTINGS_H
#define QL_STORE_POSTINGS_H

#include "base/arena.h"
#include "base/map.h"

#define QL__BLOCK_BYTES 1600 /* of encoded postings: a row stays on its B-tree page of 8 kB (limit 2028 with term and record header) */
#define QL__TERM_BYTES 128

/* One posting as bytes: varint(delta << 1 | 1) when tf is 1, else varint(delta << 1), varint(tf). Returns bytes written, at most 20. */
size_t ql__posting_put(uint8_t *out, uint64_t delta, uint32_t tf);

typedef struct ql__posting_list { /* ascending slots */
    uint32_t *slots, *tfs;
    size_t count, capacity;
} ql__posting_list;

void ql__posting_list_dispose(ql__posting_list *self);
/* Appends `count` decoded postings that begin at first_slot; false: not such a block (err untouched) or out of memory (*nomem). */
bool ql__posting_list_decode(ql__posting_list *self, ql_str data, uint64_t first_slot, uint64_t last_slot, uint64_t count, bool *nomem);

/* --- in memory */
typedef struct ql__term_entry {
    ql_str term;
    uint8_t *data;
    size_t len, capacity;
    uint32_t first_slot, last_slot;
    uint32_t count;
    uint32_t open_tf;    /* occurrences in last_slot counted so far */
    uint32_t open_begin; /* where its posting begins in data */
    uint32_t before_slot; /* the slot before last_slot */
} ql__term_entry;

typedef struct ql__terms {
    ql__arena arena; /* terms */
    ql__map map;     /* term -> index of entry + 1 */
    ql__term_entry *entries;
    size_t count, capacity;
    size_t bytes;    /* about what the whole takes */
} ql__terms;

void ql__terms_init(ql__terms *self, uint64_t seed);
void ql__terms_dispose(ql__terms *self);
void ql__terms_clear(ql__terms *self);
/* One more occurrence of term in slot, which must not be below the term's last one. false: out of memory. */
bool ql__terms_count(ql__terms *self, ql_str term, uint32_t slot);
void ql__terms_sort(ql__terms *self); /* entries by term bytes; count may not follow before a clear */

/* --- one segment of the log */
typedef struct ql__terms_log {
    ql_buf data;
    uint32_t count; /* terms */
} ql__terms_log;

ql_status ql__terms_log_write(const ql__terms *sorted, ql_buf *out, ql_error *err);
/* Takes over data's bytes by copy; every offset is checked here, so that look-ups need not. QL_E_CORRUPT. */
ql_status ql__terms_log_open(ql__terms_log *self, ql_str data, ql_error *err);
void ql__terms_log_dispose(ql__terms_log *self);
/* The i-th term and its postings. */
typedef struct ql__log_entry {
    ql_str term, data;
    uint64_t first_slot, last_slot, count;
} ql__log_entry;
void ql__terms_log_at(const ql__terms_log *self, uint32_t index, ql__log_entry *out);
bool ql__terms_log_find(const ql__terms_log *self, ql_str term, ql__log_entry *out);

#endif
