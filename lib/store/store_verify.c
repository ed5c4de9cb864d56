/*
 * Purpose: reading a whole index to find out whether it is sound, for who wants to know before a search stumbles.
 *
 * Invariants: nothing is changed; every page of the database, every vector and every posting that a search could meet was read and
 * compared with its checksum and with what points to it. Threads: one at a time per store. Cost: reads everything.
 */
#include "base/status.h"
#include "store/store_internal.h"

/*
 * Not by SQLite's own integrity check, which tells a disk that cannot be read as damage. What has an index is read through it; rows of document and
 * chunk themselves, and that postings belong to live chunks, are the dump's.
 */
static const struct {
    const char *sql;
    int columns;
    bool documents; /* a row for each */
} reads[] = {
    {"SELECT project,url FROM document INDEXED BY document_key ORDER BY project,source_type,source,url", 2, true},
    {"SELECT id FROM document INDEXED BY document_id ORDER BY id", 1, true},
    {"SELECT first_slot FROM document INDEXED BY document_slot ORDER BY first_slot", 1, true},
    {"SELECT project FROM document INDEXED BY document_filter ORDER BY project,source_type,source,updated_at,first_slot,chunk_count", 1, true},
    {"SELECT keys,lengths,hashes FROM slot_page", 3, false},
    {"SELECT block FROM code", 1, false},
    {"SELECT bits FROM live", 1, false},
    {"SELECT term,data FROM posting", 2, false},
    {"SELECT data FROM posting_log", 1, false},
    {"SELECT project,report FROM source", 2, false},
};

static ql_status read_rows(ql__store *self, const char *sql, int columns, uint64_t *rows, ql_error *err)
{
    ql__stmt *stmt = NULL;
    ql_status st;
    *rows = 0;
    QL_TRY(ql__db_prepare(self->db, sql, &stmt, err));
    for (; (st = ql__stmt_step(stmt, err)) == QL_OK; ++*rows)
        for (int i = 0; i < columns; i++) (void)ql__stmt_bytes(stmt, i); /* reads the pages that a long value goes on in */
    ql__stmt_free(stmt);
    return st < 0 ? st : QL_OK;
}

/* Within the snapshot, so that all of it is of one commit. */
static ql_status check_database(ql__store *self, ql_error *err)
{
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        uint64_t rows = 0, documents = self->view.meta.documents;
        QL_TRY(read_rows(self, reads[i].sql, reads[i].columns, &rows, err));
        if (reads[i].documents && rows != documents)
            return ql__fail(err, QL_E_CORRUPT, "'%s/qloader.db' is damaged: an index of documents has %llu of %llu", self->dir, (unsigned long long)rows,
                            (unsigned long long)documents);
    }
    return QL_OK;
}

static ql_status check_parts(ql__store *self, ql_error *err)
{
    ql__snapshot *snapshot = NULL;
    QL_TRY(ql__snapshot_open(self, &snapshot, err));
    ql_status st = check_database(self, err);
    if (st == QL_OK && self->view.slots > 0) st = ql__view_verify(self, 0, self->view.slots, err);
    ql__snapshot_free(snapshot);
    return st;
}

static int drop_line(void *user, ql_str line)
{
    (void)user;
    (void)line;
    return 0;
}

ql_status ql__store_verify(ql__store *self, ql_error *err)
{
    QL_TRY(check_parts(self, err));
    return ql__store_dump(self, false, drop_line, NULL, err); /* documents, chunks and postings belong together */
}
