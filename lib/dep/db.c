/*
 * Purpose: one SQLite connection with our VFS below it, and its errors in our words.
 *
 * Invariants: every connection runs in WAL mode with synchronous=FULL, foreign keys on, extensions and double-quoted strings off.
 * A page that fails its checksum is named in the error whatever statement ran into it. Statements keep a failed bind until the
 * step, so that callers bind without checks.
 *
 * Threads: one at a time per ql__db. Cost: a step costs what SQLite's costs; the wrapper adds a branch.
 */
#include "dep/db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/db_vfs.h"
#include "prof/batch_span.h"

struct ql__db {
    ql__db_vfs vfs;
    sqlite3 *handle;
    char *path;
};

struct ql__stmt {
    sqlite3_stmt *handle;
    ql__db *db;
    int bind_code; /* first failed bind since the last reset */
    ql__batch_span trace;
    uint64_t run_begin_ns, run_ns; /* while a capture takes spans: since the first step after a reset, and in SQLite of that */
};

static ql_status fail_space(ql__db *self, ql_error *err)
{
    ql_status st = ql__fail(err, QL_E_NOSPACE, "no space left for '%s': free some space and run again, what was committed is safe", self->path);
    if (err) err->os_code = ENOSPC;
    return st;
}

static ql_status fail_damaged(ql__db *self, const char *detail, ql_error *err)
{
    if (self->vfs.bad_page && self->vfs.bad_wal)
        return ql__fail(err, QL_E_CORRUPT, "'%s-wal' is damaged: frame %llu does not match its checksum", self->path, (unsigned long long)self->vfs.bad_page);
    if (self->vfs.bad_page)
        return ql__fail(err, QL_E_CORRUPT, "'%s' is damaged: page %llu does not match its checksum", self->path, (unsigned long long)self->vfs.bad_page);
    return ql__fail(err, QL_E_CORRUPT, "'%s' is damaged: %s", self->path, detail);
}

static ql_status fail_code(ql__db *self, int code, ql_error *err)
{
    const char *detail = self->handle ? sqlite3_errmsg(self->handle) : sqlite3_errstr(code);
    int os_code = self->vfs.fault_errno ? self->vfs.fault_errno : self->handle ? sqlite3_system_errno(self->handle) : 0;
    self->vfs.fault_errno = 0;
    if (code == SQLITE_IOERR_DATA) return fail_damaged(self, detail, err);
    /* Only the making of a file writes a journal beside it; all later changes go to the log. A reader may not play it back. */
    if (code == SQLITE_READONLY_ROLLBACK) return ql__fail(err, QL_E_NOTFOUND, "'%s' was never finished: nothing was ever stored in it", self->path);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ql__fail_nomem(err);
    case SQLITE_FULL:
        return fail_space(self, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ql__fail(err, QL_E_BUSY, "'%s' is locked by another process: %s", self->path, detail);
    case SQLITE_CORRUPT:
        return fail_damaged(self, detail, err);
    case SQLITE_NOTADB:
        return ql__fail(err, QL_E_CORRUPT, "'%s' is damaged or not a file of this program: its header is not ours", self->path);
    case SQLITE_READONLY:
        return ql__fail(err, QL_E_IO, "'%s': %s; its log '%s-wal' or the log's index '-shm' is not there and cannot be made by who may only read the folder: "
                        "let who may write to it ingest once", self->path, detail, self->path);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        if (os_code == ENOSPC || os_code == EDQUOT) return fail_space(self, err);
        if (code == SQLITE_IOERR_NOMEM || os_code == ENOMEM) return ql__fail_nomem(err);
        /* Whether the file is there was asked before. SQLite tries again to open what failed, for reading only, and is then told ENOENT of a new log. */
        if (os_code != 0 && os_code != ENOENT) return ql__fail_errno(err, os_code, "'%s': %s", self->path, detail);
        return ql__fail(err, QL_E_IO, "'%s': %s", self->path, detail);
    case SQLITE_CONSTRAINT:
        return ql__fail(err, QL_E_EXISTS, "'%s': %s", self->path, detail);
    case SQLITE_TOOBIG:
        return ql__fail(err, QL_E_LIMIT, "'%s': a value is larger than SQLite allows", self->path);
    default:
        return ql__fail(err, QL_E_INTERNAL, "'%s': %s (%d)", self->path, detail, code);
    }
}

ql_status ql__db_exec(ql__db *self, const char *sql, ql_error *err)
{
    QL_PROF_SPAN(span, "sql", "sql");
    ql_span_text(&span, "text", ql_str_of(sql));
    int code = sqlite3_exec(self->handle, sql, NULL, NULL, NULL);
    ql_span_end(&span);
    return code == SQLITE_OK ? QL_OK : fail_code(self, code, err);
}

static ql_status read_pragma(ql__db *self, const char *sql, int64_t *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__db_prepare(self, sql, &stmt, err));
    ql_status st = ql__stmt_step(stmt, err);
    if (st == QL_OK) *out = ql__stmt_int(stmt, 0);
    ql__stmt_free(stmt);
    return st < 0 ? st : QL_OK;
}

/* A file without pages gets its page size, the room for checksums and its mark; all before the first page is written. */
static ql_status prepare_new(ql__db *self, const ql__db_options *options, ql_error *err)
{
    char sql[160];
    int reserved = QL__DB_RESERVED;
    snprintf(sql, sizeof sql, "PRAGMA page_size=%u", options->page_bytes);
    QL_TRY(ql__db_exec(self, sql, err));
    int code = sqlite3_file_control(self->handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    if (code != SQLITE_OK) return fail_code(self, code, err);
    QL_TRY(ql__db_exec(self, "PRAGMA journal_mode=WAL", err));
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d", (int)options->application_id);
    return ql__db_exec(self, sql, err);
}

/*
 * No mark: a new file, or one whose making was cut short at any step. The journal may have taken all its pages back, or it may have pages but no
 * log yet; it has no tables in either case, and is made from the start.
 */
static ql_status create(ql__db *self, const ql__db_options *options, int64_t *id, ql_error *err)
{
    int64_t tables = 0;
    QL_TRY(read_pragma(self, "SELECT count(*) FROM sqlite_schema", &tables, err));
    if (tables != 0) return QL_OK;
    if (!options->write || !options->create) return ql__fail(err, QL_E_NOTFOUND, "'%s' is empty: nothing was ever committed", self->path);
    *id = options->application_id;
    return prepare_new(self, options, err);
}

static ql_status configure(ql__db *self, const ql__db_options *options, ql_error *err)
{
    char sql[320];
    int64_t found = 0;
    sqlite3_extended_result_codes(self->handle, 1);
    sqlite3_busy_timeout(self->handle, (int)options->busy_ms);
    sqlite3_db_config(self->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(self->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(self->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    QL_TRY(read_pragma(self, "PRAGMA application_id", &found, err));
    if (found == 0) QL_TRY(create(self, options, &found, err));
    if ((uint32_t)found != options->application_id)
        return ql__fail(err, QL_E_FORMAT, "'%s' belongs to another program (application id %lld)", self->path, (long long)found);
    snprintf(sql, sizeof sql,
             "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-%u; PRAGMA temp_store=MEMORY; "
             "PRAGMA wal_autocheckpoint=%u; PRAGMA journal_size_limit=16777216; PRAGMA trusted_schema=OFF",
             options->cache_kib ? options->cache_kib : 8192, options->checkpoint_pages ? options->checkpoint_pages : 2000);
    QL_TRY(ql__db_exec(self, sql, err));
    int keep = 1; /* log and its index stay when the last writer goes, emptied: who may read the folder but not write to it needs to find them */
    if (options->write) (void)sqlite3_file_control(self->handle, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    /* Files of older versions may have been left without a log by a power cut while they were made. */
    return ql__db_exec(self, options->write ? "PRAGMA journal_mode=WAL" : "PRAGMA query_only=ON", err);
}

/* Less than one page is no database, unless a journal is there that undoes an interrupted first write. */
static ql_status look_at(const ql__db_options *options, ql_error *err)
{
    struct stat info = {0}, journal;
    char name[4200];
    bool absent = stat(options->path, &info) != 0;
    if (absent && errno != ENOENT) return ql__fail_errno(err, errno, "'%s'", options->path);
    if (absent && !(options->write && options->create)) return ql__fail(err, QL_E_NOTFOUND, "there is no '%s'", options->path);
    if (absent || info.st_size == 0 || info.st_size >= (off_t)options->page_bytes) return QL_OK;
    snprintf(name, sizeof name, "%s-journal", options->path);
    if (stat(name, &journal) == 0 && journal.st_size > 0) return QL_OK;
    return ql__fail(err, QL_E_CORRUPT, "'%s' is cut off: it has %lld bytes, its first page alone has %u", options->path, (long long)info.st_size, options->page_bytes);
}

/*
 * On a file system mounted read-only SQLite cannot make the shared index of the log and takes the database for an empty one. Nobody can write
 * there, so without a log to replay the file is the whole truth and is read as it is.
 */
static bool is_frozen(const ql__db_options *options)
{
    struct statvfs system;
    struct stat log;
    char name[4200];
    if (options->write || statvfs(options->path, &system) != 0 || (system.f_flag & ST_RDONLY) == 0) return false;
    snprintf(name, sizeof name, "%s-wal", options->path);
    return stat(name, &log) != 0 || log.st_size == 0;
}

static int open_frozen(ql__db *self, const char *path, int flags)
{
    static const char hex[] = "0123456789ABCDEF";
    QL_AUTO(ql_buf, ql_buf_dispose) uri = QL_BUF_INIT;
    (void)ql_buf_append(&uri, QL_STR("file:"));
    if (path[0] == '/') (void)ql_buf_append(&uri, QL_STR("//"));
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        if (c != '%' && c != '?' && c != '#') (void)ql_buf_append_char(&uri, (char)c);
        else (void)ql_buf_printf(&uri, "%%%c%c", hex[c >> 4], hex[c & 15]);
    }
    if (ql_buf_append(&uri, QL_STR("?immutable=1")) < 0) return SQLITE_NOMEM;
    return sqlite3_open_v2(ql_buf_cstr(&uri), &self->handle, flags | SQLITE_OPEN_URI, self->vfs.name);
}

ql_status ql__db_open(const ql__db_options *options, ql__db **out, ql_error *err)
{
    QL_TRY(look_at(options, err));
    ql__db *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    self->path = ql__strdup(ql_str_of(options->path));
    if (!self->path) {
        ql__free(self);
        return ql__fail_nomem(err);
    }
    ql_status st = ql__db_vfs_init(&self->vfs, options->page_bytes, options->fault_fn, options->fault_user, err);
    if (st == QL_OK) {
        int flags = options->write ? SQLITE_OPEN_READWRITE | (options->create ? SQLITE_OPEN_CREATE : 0) : SQLITE_OPEN_READONLY;
        flags |= SQLITE_OPEN_NOMUTEX;
        int code = is_frozen(options) ? open_frozen(self, options->path, flags) : sqlite3_open_v2(options->path, &self->handle, flags, self->vfs.name);
        st = code == SQLITE_OK ? configure(self, options, err) : fail_code(self, code, err);
    }
    if (st != QL_OK) {
        ql__db_close(self);
        return st;
    }
    *out = self;
    return QL_OK;
}

void ql__db_close(ql__db *self)
{
    if (!self) return;
    if (self->handle) sqlite3_close(self->handle);
    ql__db_vfs_dispose(&self->vfs);
    ql__free(self->path);
    ql__free(self);
}

int64_t ql__db_last_rowid(const ql__db *self)
{
    return sqlite3_last_insert_rowid(self->handle);
}

ql_status ql__db_begin(ql__db *self, bool write, ql_error *err)
{
    if (ql__db_in_transaction(self)) QL_TRY(ql__db_exec(self, "ROLLBACK", err));
    return ql__db_exec(self, write ? "BEGIN IMMEDIATE" : "BEGIN", err);
}

bool ql__db_in_transaction(const ql__db *self)
{
    return sqlite3_get_autocommit(self->handle) == 0;
}

ql_status ql__db_bytes(ql__db *self, uint64_t *out, ql_error *err)
{
    int64_t pages = 0;
    QL_TRY(read_pragma(self, "PRAGMA page_count", &pages, err));
    *out = pages > 0 ? (uint64_t)pages * self->vfs.page_bytes : 0;
    return QL_OK;
}

ql_status ql__db_checkpoint(ql__db *self, ql_error *err)
{
    int code = sqlite3_wal_checkpoint_v2(self->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (code == SQLITE_OK || code == SQLITE_BUSY) return QL_OK; /* readers hold it back: a later one will do it */
    return fail_code(self, code, err);
}

ql_status ql__db_prepare(ql__db *self, const char *sql, ql__stmt **out, ql_error *err)
{
    ql__stmt *stmt = ql__alloc_zero(1, sizeof *stmt);
    if (!stmt) return ql__fail_nomem(err);
    stmt->db = self;
    int code = sqlite3_prepare_v3(self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
    if (code != SQLITE_OK) {
        ql__free(stmt);
        return fail_code(self, code, err);
    }
    *out = stmt;
    return QL_OK;
}

/* What a capture is told: the statement as it was written, never what is bound to it. */
static void note_run(ql__stmt *self, bool last)
{
    static ql_site site = QL_SITE_INIT("sql", "sql");
    const char *text = sqlite3_sql(self->handle);
    if (self->run_begin_ns != 0) ql__batch_add(&self->trace, self->run_begin_ns, self->run_ns, &site, text);
    self->run_begin_ns = self->run_ns = 0;
    if (last) ql__batch_flush(&self->trace, &site, text);
}

static void note_step(ql__stmt *self, uint64_t begin_ns)
{
    if (self->run_begin_ns == 0) self->run_begin_ns = begin_ns;
    self->run_ns += ql__batch_now() - begin_ns;
}

void ql__stmt_free(ql__stmt *self)
{
    if (!self) return;
    note_run(self, true);
    sqlite3_finalize(self->handle);
    ql__free(self);
}

static void note_bind(ql__stmt *self, int code)
{
    if (code != SQLITE_OK && self->bind_code == SQLITE_OK) self->bind_code = code;
}

void ql__stmt_bind_int(ql__stmt *self, int index, int64_t value)
{
    note_bind(self, sqlite3_bind_int64(self->handle, index, value));
}

void ql__stmt_bind_bytes(ql__stmt *self, int index, ql_str bytes)
{
    /* A NULL pointer would bind NULL, which is not the empty value. */
    note_bind(self, sqlite3_bind_blob64(self->handle, index, bytes.len ? bytes.ptr : "", bytes.len, SQLITE_STATIC));
}

void ql__stmt_bind_null(ql__stmt *self, int index)
{
    note_bind(self, sqlite3_bind_null(self->handle, index));
}

void ql__stmt_reset(ql__stmt *self)
{
    if (self->run_begin_ns != 0) note_run(self, false);
    sqlite3_reset(self->handle);
    self->bind_code = SQLITE_OK;
}

ql_status ql__stmt_step(ql__stmt *self, ql_error *err)
{
    uint64_t begin_ns = ql__batch_now();
    int code = self->bind_code != SQLITE_OK ? self->bind_code : sqlite3_step(self->handle);
    if (begin_ns != 0) note_step(self, begin_ns);
    if (code == SQLITE_ROW) return QL_OK;
    ql_status st = code == SQLITE_DONE ? QL_DONE : fail_code(self->db, code, err);
    ql__stmt_reset(self);
    return st;
}

ql_status ql__stmt_run(ql__stmt *self, ql_error *err)
{
    ql_status st;
    while ((st = ql__stmt_step(self, err)) == QL_OK) {}
    return st == QL_DONE ? QL_OK : st;
}

int64_t ql__stmt_int(const ql__stmt *self, int column)
{
    return sqlite3_column_int64(self->handle, column);
}

ql_str ql__stmt_bytes(const ql__stmt *self, int column)
{
    const char *ptr = sqlite3_column_blob(self->handle, column);
    int len = sqlite3_column_bytes(self->handle, column);
    return ptr ? (ql_str){ptr, (size_t)len} : (ql_str){"", 0};
}

bool ql__stmt_is_null(const ql__stmt *self, int column)
{
    return sqlite3_column_type(self->handle, column) == SQLITE_NULL;
}
