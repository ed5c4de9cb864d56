/*
 * SQLite behind a narrow door (the only folder that includes sqlite3.h). A ql__db is one connection to a file whose every
 * page carries a checksum: damage is answered with QL_E_CORRUPT naming file and page, never served. One thread at a time.
 */
#ifndef QL_DB_H
#define QL_DB_H

#include <qloader/base.h>

typedef struct ql__db ql__db;
typedef struct ql__stmt ql__stmt;

typedef enum ql__db_call { QL__DB_OPEN, QL__DB_READ, QL__DB_WRITE, QL__DB_SYNC, QL__DB_TRUNCATE, QL__DB_DELETE } ql__db_call;
/* Asked before each call to the kernel: 0 goes on, an errno makes the call fail with it. For tests. */
typedef int (*ql__db_fault_fn)(void *user, ql__db_call call);

typedef struct ql__db_options {
    const char *path;
    bool write;              /* false: read-only connection */
    bool create;             /* with write: make the file when there is none */
    uint32_t application_id; /* written into a new file, demanded of an old one */
    uint32_t page_bytes;     /* power of two, 1024..65536; fixed for a kind of file */
    uint32_t cache_kib;      /* 0: 8 MiB */
    uint32_t busy_ms;        /* how long to wait for another connection's lock */
    uint32_t checkpoint_pages; /* 0: 2000 */
    ql__db_fault_fn fault_fn;  /* NULL in programs */
    void *fault_user;
} ql__db_options;

/* QL_E_NOTFOUND: no such file (without create). QL_E_FORMAT: another program's file. QL_E_CORRUPT. */
ql_status ql__db_open(const ql__db_options *options, ql__db **out, ql_error *err);
void ql__db_close(ql__db *self); /* statements must be freed before; NULL is fine */
ql_status ql__db_exec(ql__db *self, const char *sql, ql_error *err);
int64_t ql__db_last_rowid(const ql__db *self);
/*
 * A transaction, of a writer at once. One that is still there is ended first: the caller knows of none, so its end failed for want of memory, and nothing of it
 * was meant to stay.
 */
ql_status ql__db_begin(ql__db *self, bool write, ql_error *err);
bool ql__db_in_transaction(const ql__db *self);
ql_status ql__db_bytes(ql__db *self, uint64_t *out, ql_error *err); /* pages in use times page size, as this connection sees it */
ql_status ql__db_checkpoint(ql__db *self, ql_error *err); /* copies the WAL into the file as far as readers allow, and empties it if it can */

ql_status ql__db_prepare(ql__db *self, const char *sql, ql__stmt **out, ql_error *err);
void ql__stmt_free(ql__stmt *self); /* NULL is fine */
/* Bind before the first step; index from 1. Bytes are borrowed until the statement is reset. A failed bind shows at the step. */
void ql__stmt_bind_int(ql__stmt *self, int index, int64_t value);
void ql__stmt_bind_bytes(ql__stmt *self, int index, ql_str bytes);
void ql__stmt_bind_null(ql__stmt *self, int index);
ql_status ql__stmt_step(ql__stmt *self, ql_error *err); /* QL_OK: a row; QL_DONE: no more, and reset */
ql_status ql__stmt_run(ql__stmt *self, ql_error *err);  /* step to the end and reset: statements without result */
void ql__stmt_reset(ql__stmt *self);
int64_t ql__stmt_int(const ql__stmt *self, int column); /* columns from 0 */
ql_str ql__stmt_bytes(const ql__stmt *self, int column); /* borrowed until the next step or reset */
bool ql__stmt_is_null(const ql__stmt *self, int column);

#endif
