/*
 * Purpose: opening and closing a store: the writer's lock, the schema, recovery of what an interrupted writer left.
 *
 * Invariants: the database is the truth. What it does not point to (rows at the end of the vector file, vector files of other
 * numbers) is nobody's and is cleared away by the next writer, which says so. After each commit the writer notes its number in
 * qloader.ack: a database that is older than that has lost acknowledged commits (a damaged log, a file put back), and
 * opening it fails instead of showing an older index as if nothing had happened.
 *
 * Threads: one at a time per ql__store. Cost: opening reads the schema and one row.
 */
#include "store/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/digest.h"
#include "model/identity.h"
#include "store/store_internal.h"

#define DATABASE_NAME "qloader.db"
#define LOCK_NAME "qloader.lock"
#define ACK_NAME "qloader.ack"
#define ACK_MAGIC 0x6b63612d72646c71ull /* "qldr-ack" */

static const char *const statement_sql[STMT_COUNT] = {
#define STORE_STATEMENT_SQL(name, sql) [STMT_##name] = (sql),
    STORE_STATEMENTS(STORE_STATEMENT_SQL)
#undef STORE_STATEMENT_SQL
};

static const char schema_sql[] =
    "CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one=1), store_id INTEGER NOT NULL, generation INTEGER NOT NULL, dims INTEGER NOT NULL,"
    " analyzer INTEGER NOT NULL, file INTEGER NOT NULL, file_id INTEGER NOT NULL, next_slot INTEGER NOT NULL, live_chunks INTEGER NOT NULL,"
    " live_terms INTEGER NOT NULL, documents INTEGER NOT NULL, collection BLOB NOT NULL, model BLOB NOT NULL);"
    "CREATE TABLE document(num INTEGER PRIMARY KEY, project BLOB NOT NULL, source_type BLOB NOT NULL, source BLOB NOT NULL, url BLOB NOT NULL,"
    " id BLOB NOT NULL, path BLOB NOT NULL, title BLOB NOT NULL, content_type BLOB NOT NULL, version BLOB NOT NULL, content_hash BLOB NOT NULL,"
    " pipeline BLOB NOT NULL, metadata BLOB NOT NULL, created_at INTEGER, updated_at INTEGER, ingested_at INTEGER NOT NULL,"
    " chunk_count INTEGER NOT NULL, first_slot INTEGER);"
    "CREATE UNIQUE INDEX document_key ON document(project,source_type,source,url);"
    "CREATE UNIQUE INDEX document_id ON document(id);"
    "CREATE INDEX document_slot ON document(first_slot);"
    "CREATE INDEX document_filter ON document(project,source_type,source,updated_at,first_slot,chunk_count);" /* filters read it alone */
    "CREATE TABLE chunk(key INTEGER PRIMARY KEY, id BLOB NOT NULL, title BLOB NOT NULL, body BLOB NOT NULL, section_path BLOB NOT NULL,"
    " metadata BLOB NOT NULL, begin_at INTEGER NOT NULL, end_at INTEGER NOT NULL, overlap INTEGER NOT NULL, source_begin INTEGER NOT NULL,"
    " source_end INTEGER NOT NULL, tokens INTEGER NOT NULL);"
    "CREATE TABLE slot_page(page INTEGER PRIMARY KEY, count INTEGER NOT NULL, keys BLOB NOT NULL, lengths BLOB NOT NULL, hashes BLOB NOT NULL);"
    "CREATE TABLE code(grp INTEGER PRIMARY KEY, block BLOB NOT NULL);"
    "CREATE TABLE live(page INTEGER PRIMARY KEY, bits BLOB NOT NULL);"
    "CREATE TABLE posting(space INTEGER NOT NULL, term BLOB NOT NULL, first_slot INTEGER NOT NULL, last_slot INTEGER NOT NULL,"
    " count INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(space,term,first_slot)) WITHOUT ROWID;"
    "CREATE TABLE posting_log(seq INTEGER PRIMARY KEY, space INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE source(project BLOB NOT NULL, source_type BLOB NOT NULL, source BLOB NOT NULL, last_complete_at INTEGER NOT NULL,"
    " report BLOB NOT NULL, PRIMARY KEY(project,source_type,source)) WITHOUT ROWID;"
    "INSERT INTO meta VALUES(1,0,0,0,0,0,0,0,0,0,0,x'',x'');";

uint64_t ql__store_random(void)
{
    uint64_t value = 0;
    /* 63 bits: it is kept in a signed column, and never 0. */
    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) value = (uint64_t)(uintptr_t)&value ^ (uint64_t)getpid() << 32;
    value &= INT64_MAX;
    return value ? value : 1;
}

ql_status ql__store_file_path(const ql__store *self, const char *name, ql_buf *out, ql_error *err)
{
    ql_buf_clear(out);
    return ql_buf_printf(out, "%s/%s", self->dir, name) == QL_OK ? QL_OK : ql__fail_nomem(err);
}

ql_status ql__store_vectors_path(const ql__store *self, uint32_t file, ql_buf *out, ql_error *err)
{
    ql_buf_clear(out);
    return ql_buf_printf(out, "%s/vectors-%06u.qlv", self->dir, file) == QL_OK ? QL_OK : ql__fail_nomem(err);
}

/* Whether a name is what ql__store_vectors_path makes of a number. */
static bool is_vectors_name(const char *name, uint32_t *number)
{
    char same[32];
    if (strncmp(name, "vectors-", 8) != 0) return false;
    unsigned long value = strtoul(name + 8, NULL, 10);
    if (value > UINT32_MAX) return false;
    *number = (uint32_t)value;
    snprintf(same, sizeof same, "vectors-%06u.qlv", *number);
    return strcmp(name, same) == 0;
}

ql_status ql__store_stmt(ql__store *self, ql__store_stmt_id id, ql__stmt **out, ql_error *err)
{
    if (!self->statements[id]) QL_TRY(ql__db_prepare(self->db, statement_sql[id], &self->statements[id], err));
    *out = self->statements[id];
    return QL_OK;
}

static void copy_text(char *out, size_t size, ql_str text)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;
    memcpy(out, text.ptr, len);
    out[len] = '\0';
}

static ql_status meta_check(const ql__store *self, const ql__store_meta *meta, ql_error *err)
{
    bool sane = meta->dims <= STORE_DIMS_MAX && meta->next_slot <= STORE_SLOTS_MAX && meta->live_chunks <= meta->next_slot &&
                (meta->dims == 0 || meta->file != 0) && (meta->dims != 0 || meta->next_slot == 0);
    return sane ? QL_OK : ql__fail(err, QL_E_CORRUPT, "'%s/" DATABASE_NAME "' is damaged: its table meta contradicts itself", self->dir);
}

ql_status ql__store_meta_read(ql__store *self, ql__store_meta *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_META_READ, &stmt, err));
    ql_status st = ql__stmt_step(stmt, err);
    if (st == QL_DONE) return ql__fail(err, QL_E_CORRUPT, "'%s/" DATABASE_NAME "' is damaged: its table meta is empty", self->dir);
    if (st != QL_OK) return st;
    *out = (ql__store_meta){
        .store_id = (uint64_t)ql__stmt_int(stmt, 0),
        .generation = (uint64_t)ql__stmt_int(stmt, 1),
        .dims = (uint32_t)ql__stmt_int(stmt, 2),
        .analyzer = (uint32_t)ql__stmt_int(stmt, 3),
        .file = (uint32_t)ql__stmt_int(stmt, 4),
        .file_id = (uint64_t)ql__stmt_int(stmt, 5),
        .next_slot = (uint64_t)ql__stmt_int(stmt, 6),
        .live_chunks = (uint64_t)ql__stmt_int(stmt, 7),
        .live_terms = (uint64_t)ql__stmt_int(stmt, 8),
        .documents = (uint64_t)ql__stmt_int(stmt, 9),
    };
    copy_text(out->collection, sizeof out->collection, ql__stmt_bytes(stmt, 10));
    copy_text(out->model, sizeof out->model, ql__stmt_bytes(stmt, 11));
    ql__stmt_reset(stmt);
    return meta_check(self, out, err);
}

ql_status ql__store_meta_write(ql__store *self, const ql__store_meta *meta, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__store_stmt(self, STMT_META_WRITE, &stmt, err));
    ql__stmt_bind_int(stmt, 1, (int64_t)meta->store_id);
    ql__stmt_bind_int(stmt, 2, (int64_t)meta->generation);
    ql__stmt_bind_int(stmt, 3, meta->dims);
    ql__stmt_bind_int(stmt, 4, meta->analyzer);
    ql__stmt_bind_int(stmt, 5, meta->file);
    ql__stmt_bind_int(stmt, 6, (int64_t)meta->file_id);
    ql__stmt_bind_int(stmt, 7, (int64_t)meta->next_slot);
    ql__stmt_bind_int(stmt, 8, (int64_t)meta->live_chunks);
    ql__stmt_bind_int(stmt, 9, (int64_t)meta->live_terms);
    ql__stmt_bind_int(stmt, 10, (int64_t)meta->documents);
    ql__stmt_bind_bytes(stmt, 11, ql_str_of(meta->collection));
    ql__stmt_bind_bytes(stmt, 12, ql_str_of(meta->model));
    return ql__stmt_run(stmt, err);
}

/* --- the writer's lock: an open file description lock, gone with its process however that ends */

static ql_status fail_locked(ql__store *self, int fd, ql_error *err)
{
    char pid[24] = {0};
    ssize_t got = self->sys->file->pread_fn(self->sys->file->user, fd, pid, sizeof pid - 1, 0);
    if (got <= 0) return ql__fail(err, QL_E_BUSY, "another process is writing the index in '%s'", self->dir);
    pid[strcspn(pid, " \n")] = '\0';
    return ql__fail(err, QL_E_BUSY, "process %s is writing the index in '%s': wait for it or stop it", pid, self->dir);
}

static ql_status lock_take(ql__store *self, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    char pid[24];
    int fd = -1;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    QL_TRY(ql__store_file_path(self, LOCK_NAME, &path, err));
    QL_TRY(ql__file_open(self->sys, ql_buf_cstr(&path), O_RDWR | O_CREAT, 0644, &fd, err));
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        ql_status st = errno == EAGAIN || errno == EACCES ? fail_locked(self, fd, err) : ql__fail_errno(err, errno, "cannot lock '%s'", ql_buf_cstr(&path));
        ql__file_close(self->sys, fd);
        return st;
    }
    self->lock_fd = fd;
    int len = snprintf(pid, sizeof pid, "%-20ld\n", (long)getpid());
    /* Only for the other's message: a full disk may refuse it. */
    (void)ql__file_write_at(self->sys, fd, pid, (size_t)len, 0, NULL);
    return QL_OK;
}

/* --- what was acknowledged: two records written in turn, so that one is whole at any time */

typedef struct ack_record {
    uint64_t magic, store_id, generation, checksum;
} ack_record;

static uint64_t ack_checksum(const ack_record *record)
{
    return ql__xxh3((ql_str){(const char *)record, offsetof(ack_record, checksum)}, 0);
}

static uint64_t ack_read(const ql__store *self, uint64_t *store_id)
{
    ack_record records[2] = {0};
    uint64_t generation = 0;
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    int fd = -1;
    *store_id = 0;
    if (ql__store_file_path(self, ACK_NAME, &path, NULL) != QL_OK) return 0;
    if (ql__file_open(self->sys, ql_buf_cstr(&path), O_RDONLY, 0, &fd, NULL) != QL_OK) return 0;
    ssize_t got = self->sys->file->pread_fn(self->sys->file->user, fd, records, sizeof records, 0);
    ql__file_close(self->sys, fd);
    for (int i = 0; i < 2 && got >= (ssize_t)sizeof records[0] * (i + 1); i++) {
        const ack_record *record = &records[i];
        if (record->magic != ACK_MAGIC || record->checksum != ack_checksum(record) || record->generation < generation) continue;
        generation = record->generation;
        *store_id = record->store_id;
    }
    return generation;
}

/* A failure costs a later check, not the commit. */
void ql__store_ack_write(ql__store *self)
{
    ack_record record = {.magic = ACK_MAGIC, .store_id = self->meta.store_id, .generation = self->meta.generation};
    record.checksum = ack_checksum(&record);
    assert(self->ack_fd >= 0); /* a writer has it open */
    (void)ql__file_write_at(self->sys, self->ack_fd, &record, sizeof record, (self->meta.generation & 1) * sizeof record, NULL);
}

static ql_status fail_emptied(const ql__store *self, uint64_t acknowledged, ql_error *err)
{
    return ql__fail(err, QL_E_CORRUPT,
                    "'%s/" DATABASE_NAME "' (with its -wal) is gone or empty but commit %llu was acknowledged; delete all qloader.* and vectors-* files there "
                    "(init --force) and ingest again",
                    self->dir, (unsigned long long)acknowledged);
}

static ql_status ack_check(const ql__store *self, uint64_t store_id, uint64_t acknowledged, ql_error *err)
{
    const ql__store_meta *meta = &self->meta;
    if (store_id != meta->store_id || acknowledged <= meta->generation) return QL_OK;
    return ql__fail(err, QL_E_CORRUPT,
                    "'%s/" DATABASE_NAME "' (with its -wal) is at commit %llu but commit %llu was acknowledged: the log is damaged or an old file was put back; "
                    "delete '" ACK_NAME "' to go on from there, or ingest again into a new index",
                    self->dir, (unsigned long long)meta->generation, (unsigned long long)acknowledged);
}

/* --- schema */

static ql_status schema_make(ql__store *self, ql_error *err)
{
    char sql[64];
    QL_TRY(ql__db_begin(self->db, true, err));
    snprintf(sql, sizeof sql, "PRAGMA user_version=%d", STORE_VERSION);
    ql_status st = ql__db_exec(self->db, schema_sql, err);
    if (st == QL_OK) st = ql__db_exec(self->db, sql, err);
    if (st == QL_OK) {
        ql__store_meta meta = {.store_id = ql__store_random()};
        st = ql__store_meta_write(self, &meta, err);
    }
    if (st == QL_OK) st = ql__db_exec(self->db, "COMMIT", err);
    if (st != QL_OK && ql__db_in_transaction(self->db)) (void)ql__db_exec(self->db, "ROLLBACK", NULL);
    return st;
}

static ql_status version_read(ql__store *self, int64_t *out, ql_error *err)
{
    ql__stmt *stmt = NULL;
    QL_TRY(ql__db_prepare(self->db, "PRAGMA user_version", &stmt, err));
    ql_status st = ql__stmt_step(stmt, err);
    if (st == QL_OK) *out = ql__stmt_int(stmt, 0);
    ql__stmt_free(stmt);
    return st < 0 ? st : QL_OK;
}

static ql_status schema_ensure(ql__store *self, uint64_t acknowledged, ql_error *err)
{
    int64_t version = 0;
    QL_TRY(version_read(self, &version, err));
    if (version == STORE_VERSION) return QL_OK;
    if (version == 0) {
        if (acknowledged) return fail_emptied(self, acknowledged, err);
        if (!self->write) return ql__fail(err, QL_E_NOTFOUND, "there is no index in '%s' yet: run 'qloader ingest' first", self->dir);
        return schema_make(self, err);
    }
    return ql__fail(err, QL_E_UNSUPPORTED, "the index in '%s' has format %lld, this program reads %d: use a newer program", self->dir, (long long)version, STORE_VERSION);
}

/* --- what the caller expects against what is there */

static ql_status match_text(const ql__store *self, const char *what, const char *want, const char *have, ql_error *err)
{
    if (!want || !want[0] || !have[0] || strcmp(want, have) == 0) return QL_OK;
    return ql__fail(err, QL_E_MISMATCH, "the index in '%s' was made for %s '%s', not '%s': make it anew (init --force) or use the same %s", self->dir, what, have, want, what);
}

static ql_status match_model(const ql__store *self, const char *want, const char *have, ql_error *err)
{
    return want && have[0] && ql__model_same(ql_str_of(have), ql_str_of(want)) ? QL_OK : match_text(self, "model", want, have, err);
}

static ql_status match(const ql__store *self, const ql__store_options *options, const ql__store_meta *meta, ql_error *err)
{
    QL_TRY(match_text(self, "collection", options->collection, meta->collection, err));
    QL_TRY(match_model(self, options->model, meta->model, err));
    if (options->dims && meta->dims && options->dims != meta->dims)
        return ql__fail(err, QL_E_MISMATCH, "the index in '%s' holds vectors of %u dimensions, the model makes %u: make it anew (init --force)", self->dir, meta->dims, options->dims);
    if (meta->analyzer && meta->analyzer != ql__analyzer_version() && !options->any_analyzer)
        return ql__fail(err, QL_E_MISMATCH, "the words of the index in '%s' were made by analyzer %u, this program has %u: make it anew (init --force)", self->dir, meta->analyzer,
                        ql__analyzer_version());
    return QL_OK;
}

ql_status ql__store_vectors_create(ql__store *self, ql__store_meta *meta, ql__vectors *out, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    meta->file++;
    meta->file_id = ql__store_random();
    QL_TRY(ql__store_vectors_path(self, meta->file, &path, err));
    QL_TRY(ql__vectors_create(out, self->sys, ql_buf_cstr(&path), meta->dims, meta->file_id, err));
    ql_status st = ql__dir_sync(self->sys, self->dir, err);
    if (st != QL_OK) ql__vectors_dispose(out);
    return st;
}

/* The first writer that knows collection, model and width writes them down. */
static ql_status adopt(ql__store *self, const ql__store_options *options, ql_error *err)
{
    ql__store_meta meta = self->meta;
    if (!meta.collection[0] && options->collection) copy_text(meta.collection, sizeof meta.collection, ql_str_of(options->collection));
    bool knows_more = options->model && !ql__model_has_fingerprint(ql_str_of(meta.model)) && ql__model_has_fingerprint(ql_str_of(options->model)); /* an index from before fingerprints */
    if (options->model && (!meta.model[0] || knows_more)) copy_text(meta.model, sizeof meta.model, ql_str_of(options->model));
    if (!meta.analyzer) meta.analyzer = ql__analyzer_version();
    bool fresh = meta.dims == 0 && options->dims != 0;
    if (fresh) {
        meta.dims = options->dims;
        QL_TRY(ql__store_vectors_create(self, &meta, &self->vectors, err));
    }
    if (memcmp(&meta, &self->meta, sizeof meta) == 0) return QL_OK;
    meta.generation++;
    QL_TRY(ql__store_meta_write(self, &meta, err));
    self->meta = meta;
    ql__store_ack_write(self);
    return QL_OK;
}

/* --- recovery */

/* Vector files no commit points to. */
static void remove_stale_files(ql__store *self)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    DIR *dir = opendir(self->dir);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        uint32_t number = 0;
        if (!is_vectors_name(entry->d_name, &number) || (self->meta.dims && number == self->meta.file)) continue;
        if (ql__store_file_path(self, entry->d_name, &path, NULL) != QL_OK) continue;
        if (self->sys->file->unlinkat_fn(self->sys->file->user, AT_FDCWD, ql_buf_cstr(&path), 0) == 0)
            ql__log_write(self->log, QL_LOG_INFO, "store", "removed '%s', which no commit points to", ql_buf_cstr(&path));
    }
    if (dir) closedir(dir);
}

static ql_status recover(ql__store *self, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    uint64_t cut_bytes = 0;
    if (self->log_found) QL_TRY(ql__store_fence(self, err)); /* before anything goes that its frames might point to */
    remove_stale_files(self);
    if (self->meta.dims == 0) return QL_OK;
    QL_TRY(ql__store_vectors_path(self, self->meta.file, &path, err));
    ql_status st = ql__vectors_open(&self->vectors, self->sys, ql_buf_cstr(&path), true, self->meta.dims, self->meta.file_id, err);
    if (st == QL_E_NOTFOUND) return ql__fail(err, QL_E_CORRUPT, "'%s' is missing: the database points to it", ql_buf_cstr(&path));
    if (st != QL_OK) return st;
    QL_TRY(ql__vectors_check_size(&self->vectors, self->meta.next_slot, err));
    QL_TRY(ql__vectors_truncate(&self->vectors, self->meta.next_slot, &cut_bytes, err));
    if (cut_bytes)
        ql__log_write(self->log, QL_LOG_WARNING, "store", "the last ingest was interrupted: dropped %llu bytes of vectors that were never committed", (unsigned long long)cut_bytes);
    return QL_OK;
}

/* Before anything is opened: SQLite would wait for a pipe, and says of a folder only that it cannot be opened. */
static ql_status expect_files(const ql__store *self, ql_error *err)
{
    static const char *const names[] = {LOCK_NAME, ACK_NAME, DATABASE_NAME, DATABASE_NAME "-wal", DATABASE_NAME "-shm", DATABASE_NAME "-journal"};
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        QL_TRY(ql__store_file_path(self, names[i], &path, err));
        QL_TRY(ql__file_expect_regular(self->sys, ql_buf_cstr(&path), err));
    }
    return QL_OK;
}

static ql_status find_place(const ql__store *self, struct stat *out, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    QL_TRY(ql__store_file_path(self, DATABASE_NAME, &path, err));
    if (self->sys->file->fstatat_fn(self->sys->file->user, AT_FDCWD, ql_buf_cstr(&path), out, 0) == 0) return QL_OK;
    return ql__fail_errno(err, errno, "'%s' cannot be found any more", ql_buf_cstr(&path));
}

/* Writes to a file that was deleted or moved away succeed and are gone with the process. */
ql_status ql__store_check_place(const ql__store *self, ql_error *err)
{
    struct stat now;
    ql_status st = find_place(self, &now, err);
    if (st == QL_OK && (now.st_dev != self->device || now.st_ino != self->inode)) st = ql__fail(err, QL_E_IO, "'%s/" DATABASE_NAME "' is another file now", self->dir);
    if (st != QL_OK) ql__error_prefix(err, "the index was deleted, moved or replaced while it was open");
    return st;
}

static ql_status note_place(ql__store *self, ql_error *err)
{
    struct stat place;
    QL_TRY(find_place(self, &place, err));
    self->device = place.st_dev;
    self->inode = place.st_ino;
    return QL_OK;
}

static ql_status open_writer(ql__store *self, const ql__store_options *options, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    QL_TRY(recover(self, err));
    QL_TRY(ql__store_file_path(self, ACK_NAME, &path, err));
    QL_TRY(ql__file_open(self->sys, ql_buf_cstr(&path), O_RDWR | O_CREAT, 0644, &self->ack_fd, err));
    QL_TRY(adopt(self, options, err));
    return ql__store_tail_load(self, err);
}

/* Whether a log is there that a crash may have left: then the writer must not trust that what it does not show stays gone. */
static bool find_log(const ql__store *self)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    struct stat info;
    if (ql__store_file_path(self, DATABASE_NAME "-wal", &path, NULL) != QL_OK) return true;
    return self->sys->file->fstatat_fn(self->sys->file->user, AT_FDCWD, ql_buf_cstr(&path), &info, 0) != 0 ? errno != ENOENT : info.st_size > 0;
}

static ql_status open_database(ql__store *self, const ql__store_options *options, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    uint64_t store_id = 0;
    uint64_t acknowledged = ack_read(self, &store_id); /* before the database: commits go on meanwhile */
    QL_TRY(ql__store_file_path(self, DATABASE_NAME, &path, err));
    self->log_found = find_log(self);
    ql__db_options db = {.path = ql_buf_cstr(&path),
                         .write = options->write,
                         .create = options->write,
                         .application_id = STORE_APPLICATION_ID,
                         .page_bytes = STORE_PAGE_BYTES,
                         .cache_kib = options->write ? 32768 : 8192,
                         .busy_ms = 10000,
                         .fault_fn = options->db_fault_fn,
                         .fault_user = options->db_fault_user};
    ql_status st = ql__db_open(&db, &self->db, err);
    if (st == QL_E_NOTFOUND && acknowledged) return fail_emptied(self, acknowledged, err);
    if (st == QL_E_NOTFOUND) return ql__fail(err, QL_E_NOTFOUND, "there is no index in '%s' yet: run 'qloader ingest' first", self->dir);
    if (st != QL_OK) return st;
    QL_TRY(schema_ensure(self, acknowledged, err));
    QL_TRY(ql__store_meta_read(self, &self->meta, err));
    QL_TRY(ack_check(self, store_id, acknowledged, err));
    QL_TRY(match(self, options, &self->meta, err));
    QL_TRY(note_place(self, err));
    return options->write ? open_writer(self, options, err) : QL_OK;
}

static ql_status open_all(ql__store *self, const ql__store_options *options, ql_error *err)
{
    self->dir = ql__strdup(ql_str_of(options->dir));
    if (!self->dir) return ql__fail_nomem(err);
    QL_TRY(expect_files(self, err));
    if (options->write) {
        QL_TRY(ql__dir_make(self->sys, self->dir, 0755, err));
        QL_TRY(lock_take(self, err));
        QL_TRY(ql__analyzer_new(&self->analyzer, err));
    }
    return open_database(self, options, err);
}

ql_status ql__store_open(const ql__store_options *options, ql__store **out, ql_error *err)
{
    if (!options || !options->dir || !options->dir[0] || !out) return ql__fail(err, QL_E_INVALID, "store: dir is missing");
    if (options->dims > STORE_DIMS_MAX) return ql__fail(err, QL_E_INVALID, "store: %u dimensions, at most %u", options->dims, STORE_DIMS_MAX);
    ql__store *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    self->sys = options->sys ? options->sys : ql__sys_default();
    self->log = options->log;
    self->write = options->write;
    self->lock_fd = self->ack_fd = -1;
    ql__vectors_init(&self->vectors);
    ql__vectors_init(&self->view.vectors);
    ql__terms_init(&self->pending, ql__store_random());
    ql_status st = open_all(self, options, err);
    if (st != QL_OK) {
        ql__store_free(self);
        return st;
    }
    *out = self;
    return QL_OK;
}

/* Names of our files: qloader.db and its -wal and -shm, qloader.ack, vectors-<n>.qlv. The lock stays: it is held. */
static bool is_our_file(const char *name)
{
    uint32_t number = 0;
    if (strncmp(name, DATABASE_NAME, sizeof DATABASE_NAME - 1) == 0 || strcmp(name, ACK_NAME) == 0) return true;
    return is_vectors_name(name, &number);
}

static ql_status remove_files(ql__store *self, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    ql_status st = QL_OK;
    DIR *dir = opendir(self->dir);
    for (struct dirent *entry; st == QL_OK && dir && (entry = readdir(dir)) != NULL;) {
        if (!is_our_file(entry->d_name)) continue;
        st = ql__store_file_path(self, entry->d_name, &path, err);
        if (st == QL_OK && self->sys->file->unlinkat_fn(self->sys->file->user, AT_FDCWD, ql_buf_cstr(&path), 0) != 0)
            st = ql__fail_errno(err, errno, "cannot remove '%s'", ql_buf_cstr(&path));
    }
    if (dir) closedir(dir);
    return st;
}

ql_status ql__store_destroy(const char *dir, const ql__sys *sys, ql_error *err)
{
    ql__store self = {.sys = sys ? sys : ql__sys_default(), .lock_fd = -1, .dir = (char *)(uintptr_t)dir};
    ql_status st = lock_take(&self, err);
    if (st == QL_E_NOTFOUND) return QL_OK; /* not even the folder */
    if (st == QL_OK) st = remove_files(&self, err);
    if (self.lock_fd >= 0) ql__file_close(self.sys, self.lock_fd);
    return st;
}

void ql__store_free(ql__store *self)
{
    if (!self) return;
    if (self->in_transaction) ql__store_rollback(self);
    ql__view_dispose(&self->view);
    for (size_t i = 0; i < STMT_COUNT; i++) ql__stmt_free(self->statements[i]);
    ql__db_close(self->db);
    ql__vectors_dispose(&self->vectors);
    ql__terms_dispose(&self->pending);
    ql_buf_dispose(&self->scratch);
    ql__analyzer_free(self->analyzer);
    ql__free(self->tail);
    ql__free(self->code_block);
    if (self->ack_fd >= 0) ql__file_close(self->sys, self->ack_fd);
    if (self->lock_fd >= 0) ql__file_close(self->sys, self->lock_fd);
    ql__free(self->dir);
    ql__free(self);
}
