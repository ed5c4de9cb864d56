/*
 * Rows of an index from a stranger who knows how checksums are made: a small good index, of which the input changes values. Holds: whatever is read
 * or written then works or fails with a reason, and reading never hands out a chunk that is not live.
 *
 * The input: records of which column, which row, how (its low bits: the bytes are the value, are a number, go over the old value from an
 * offset, cut it to a length; the row is deleted), two bytes of length, bytes.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/store_internal.h"
#include "support/store_docs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES_MAX 8
#define CHANGES_MAX 16

static const test_shape shape = {.dims = 8, .chunks_min = 1, .chunks_max = 4, .words = 12, .vocabulary = 20, .sources = 2};

static const struct {
    const char *table, *key, *column;
} columns[] = {
    {"meta", "one", "generation"}, {"meta", "one", "dims"}, {"meta", "one", "file"}, {"meta", "one", "next_slot"}, {"meta", "one", "live_chunks"}, {"meta", "one", "live_terms"},
    {"meta", "one", "documents"}, {"meta", "one", "model"}, {"meta", "one", "collection"}, {"document", "num", "num"}, {"document", "num", "url"}, {"document", "num", "id"},
    {"document", "num", "metadata"}, {"document", "num", "title"}, {"document", "num", "created_at"}, {"document", "num", "chunk_count"}, {"document", "num", "first_slot"},
    {"document", "num", "path"}, {"document", "num", "project"}, {"document", "num", "source"}, {"chunk", "key", "key"}, {"chunk", "key", "id"}, {"chunk", "key", "body"},
    {"chunk", "key", "metadata"}, {"chunk", "key", "section_path"}, {"chunk", "key", "source_begin"}, {"slot_page", "page", "page"}, {"slot_page", "page", "count"},
    {"slot_page", "page", "keys"}, {"slot_page", "page", "lengths"}, {"slot_page", "page", "hashes"}, {"code", "grp", "grp"}, {"code", "grp", "block"}, {"live", "page", "page"},
    {"live", "page", "bits"}, {"posting", "space,term,first_slot", "term"}, {"posting", "space,term,first_slot", "first_slot"}, {"posting", "space,term,first_slot", "last_slot"},
    {"posting", "space,term,first_slot", "count"}, {"posting", "space,term,first_slot", "data"}, {"posting_log", "seq", "seq"}, {"posting_log", "seq", "space"},
    {"posting_log", "seq", "data"}, {"source", "project,source_type,source", "report"}, {"source", "project,source_type,source", "last_complete_at"},
};

enum { COLUMN_COUNT = sizeof columns / sizeof *columns };

static char folder[64];
static struct {
    char name[32];
    ql_buf bytes;
} files[FILES_MAX];
static size_t file_count;

static void expect(bool holds)
{
    if (!holds) abort();
}

/* A failure tells its reason, and never that something is wrong with the program. */
static bool works(ql_status status, const ql_error *err)
{
    expect(status >= 0 || err->message[0] != '\0');
    return status >= 0;
}

/* ---- The good index ---- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type;
    if (walk->level > 0) (void)remove(path);
    return 0;
}

static void clean(void)
{
    (void)nftw(folder, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}

static void end(void)
{
    clean();
    (void)rmdir(folder);
    for (size_t i = 0; i < file_count; i++) ql_buf_dispose(&files[i].bytes);
}

static ql__store *store_new(bool write, ql_error *err)
{
    ql__store *store = NULL;
    ql__store_options options = {.dir = folder, .collection = "docs", .write = write, .dims = shape.dims, .model = "test-model"};
    return works(ql__store_open(&options, &store, err), err) ? store : NULL;
}

static bool put(ql__store *store, uint64_t number, uint64_t version, ql_error *err)
{
    test_document document;
    test_document_make(&document, number, version, &shape);
    bool ok = works(ql__store_replace(store, &document.document, err), err);
    test_document_dispose(&document);
    return ok;
}

static bool drop(ql__store *store, uint64_t number, ql_error *err)
{
    char id[37];
    test_uuid(number, 0, id);
    return works(ql__store_remove(store, ql_str_of(id), err), err);
}

static int keep_file(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    ql_error err = {0};
    (void)info;
    if (type != FTW_F || strstr(path, ".lock") != NULL || strstr(path, ".ack") != NULL) return 0;
    expect(file_count < FILES_MAX);
    snprintf(files[file_count].name, sizeof files[file_count].name, "%s", path + walk->base);
    expect(ql__file_read_all(ql__sys_default(), path, &files[file_count++].bytes, &err) == QL_OK);
    return 0;
}

/* Postings in their table and in the log, a document that was removed and one that was replaced. */
static void make_once(void)
{
    ql_error err = {0};
    if (folder[0] != '\0') return;
    snprintf(folder, sizeof folder, "%s/qloader-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    expect(mkdtemp(folder) != NULL && atexit(end) == 0);
    ql__store *store = store_new(true, &err);
    expect(store != NULL && ql__store_begin(store, &err) == QL_OK);
    for (uint64_t i = 0; i < 6; i++) expect(put(store, i, 1, &err));
    expect(ql__store_source_done(store, QL_STR("project0"), QL_STR("git"), QL_STR("source0"), 1700000000000, QL_STR("{\"listed\":3}"), &err) == QL_OK);
    expect(ql__store_commit(store, &err) == QL_OK && ql__store_compact_now(store, &err) == QL_OK && ql__store_begin(store, &err) == QL_OK);
    expect(put(store, 6, 1, &err) && put(store, 3, 2, &err) && drop(store, 1, &err) && ql__store_commit(store, &err) == QL_OK);
    ql__store_free(store);
    expect(nftw(folder, keep_file, 8, FTW_PHYS) == 0);
}

static void put_back(void)
{
    char path[1024];
    clean();
    for (size_t i = 0; i < file_count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        expect(fd >= 0 && write(fd, files[i].bytes.ptr, files[i].bytes.len) == (ssize_t)files[i].bytes.len);
        close(fd);
    }
}

/* ---- The change ---- */

static ql__db *open_database(void)
{
    char path[128];
    ql_error err = {0};
    ql__db *db = NULL;
    snprintf(path, sizeof path, "%s/qloader.db", folder);
    const ql__db_options options = {.path = path, .write = true, .application_id = STORE_APPLICATION_ID, .page_bytes = STORE_PAGE_BYTES, .busy_ms = 1};
    expect(ql__db_open(&options, &db, &err) == QL_OK);
    return db;
}

static void read_value(ql__db *db, size_t column, unsigned row, ql_buf *out)
{
    char sql[256];
    ql_error err = {0};
    ql__stmt *stmt = NULL;
    snprintf(sql, sizeof sql, "SELECT %s FROM %s LIMIT 1 OFFSET %u", columns[column].column, columns[column].table, row);
    expect(ql__db_prepare(db, sql, &stmt, &err) == QL_OK);
    if (ql__stmt_step(stmt, &err) == QL_OK) (void)ql_buf_append(out, ql__stmt_bytes(stmt, 0));
    ql__stmt_free(stmt);
}

static void bind_change(ql__stmt *stmt, unsigned how, ql_str bytes, ql_buf *value)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t offset = bytes.len > 0 ? at[0] : 0;
    if (bytes.len > 1) offset |= (size_t)at[1] << 8;
    if (how == 1) {
        int64_t number = 0;
        memcpy(&number, bytes.ptr, bytes.len < sizeof number ? bytes.len : sizeof number);
        ql__stmt_bind_int(stmt, 1, number);
        return;
    }
    if (how == 2 && bytes.len > 2) {
        for (size_t i = 2; i < bytes.len && offset + i - 2 < value->len; i++) value->ptr[offset + i - 2] = bytes.ptr[i];
    } else if (how == 3) {
        if (offset < value->len) value->len = offset;
    } else {
        ql_buf_clear(value);
        (void)ql_buf_append(value, bytes);
    }
    ql__stmt_bind_bytes(stmt, 1, value->len > 0 ? ql_buf_str(value) : QL_STR(""));
}

static void change(ql__db *db, size_t column, unsigned row, unsigned how, ql_str bytes)
{
    char sql[512];
    ql_error err = {0};
    ql__stmt *stmt = NULL;
    ql_buf value = QL_BUF_INIT;
    const char *table = columns[column].table, *key = columns[column].key;
    if (how == 4) snprintf(sql, sizeof sql, "DELETE FROM %s WHERE (%s)=(SELECT %s FROM %s LIMIT 1 OFFSET %u)", table, key, key, table, row);
    else snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s=?1 WHERE (%s)=(SELECT %s FROM %s LIMIT 1 OFFSET %u)", table, columns[column].column, key, key, table, row);
    read_value(db, column, row, &value);
    expect(ql__db_prepare(db, sql, &stmt, &err) == QL_OK);
    if (how != 4) bind_change(stmt, how, bytes, &value);
    (void)ql__stmt_run(stmt, &err); /* SQLite refuses some: a number that is none, a second row of a key */
    ql__stmt_free(stmt);
    ql_buf_dispose(&value);
}

static void change_all(const uint8_t *data, size_t size)
{
    ql_error err = {0};
    ql__db *db = open_database();
    expect(ql__db_exec(db, "BEGIN", &err) == QL_OK);
    for (int i = 0; i < CHANGES_MAX && size >= 5; i++) {
        size_t length = data[3] | (size_t)data[4] << 8;
        if (length > size - 5) length = size - 5;
        change(db, data[0] % COLUMN_COUNT, data[1] % 32u, data[2] % 5u, (ql_str){(const char *)data + 5, length});
        data += 5 + length;
        size -= 5 + length;
    }
    expect(ql__db_exec(db, "COMMIT", &err) == QL_OK);
    ql__db_close(db);
}

/* ---- What is done with it ---- */

static int take_line(void *user, ql_str line)
{
    (void)user;
    return line.len == 0;
}

static int take_known(void *user, const ql_store_known *known)
{
    (void)user;
    return known->url.ptr == NULL && known->url.len != 0;
}

static int take_source(void *user, const ql_store_source *source)
{
    (void)user;
    return source->project.ptr == NULL && source->project.len != 0;
}

static void look_at(ql__snapshot *snapshot, const ql__mask *mask, const ql__score *found, size_t count)
{
    struct ql_arena arena;
    ql_error err = {0};
    ql__arena_init(&arena.arena, 0);
    for (size_t i = 0; i < count; i++) {
        ql_stored_chunk chunk;
        expect(ql__snapshot_passes(snapshot, mask, found[i].slot));
        (void)works(ql__snapshot_chunk(snapshot, found[i].slot, &arena, &chunk, &err), &err);
        (void)ql__snapshot_vector(snapshot, found[i].slot);
    }
    ql__arena_dispose(&arena.arena);
}

static void search(ql__snapshot *snapshot, const ql__mask *mask)
{
    static const ql_str terms[] = {{"qbx", 3}, {"qcx", 3}, {"qbcx", 4}};
    static const float weights[] = {1, 1, 0.5f}, query[] = {1, 0, -1, 0.5f, 0, 0, 2, 1};
    ql__score found[4];
    uint64_t dfs[3];
    ql_error err = {0};
    size_t count = 0;
    if (ql__snapshot_dims(snapshot) == shape.dims && works(ql__snapshot_dense(snapshot, query, mask, 4, found, &count, &err), &err)) {
        look_at(snapshot, mask, found, count);
        (void)works(ql__snapshot_sparse_of(snapshot, terms, weights, 3, found, count, &err), &err);
    }
    if (!works(ql__snapshot_sparse(snapshot, terms, weights, 3, mask, 4, found, &count, &err), &err)) return;
    look_at(snapshot, mask, found, count);
    (void)works(ql__snapshot_dfs(snapshot, terms, weights, 3, dfs, &err), &err);
    if (ql__snapshot_dims(snapshot) == shape.dims) (void)works(ql__snapshot_dense_of(snapshot, query, found, count, &err), &err);
}

static void read_snapshot(ql__store *store)
{
    ql_error err = {0};
    ql__snapshot *snapshot = NULL;
    ql__mask *mask = NULL;
    ql_filter filters[] = {{.project = QL_STR("project0")}, {.path_prefix = QL_STR("file:///data/folder1")}, {.source = QL_STR("source1")}};
    if (!works(ql__snapshot_open(store, &snapshot, &err), &err)) return;
    search(snapshot, NULL);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        filters[i].since_ms = i == 2 ? 1700000001000 : QL_TIME_UNKNOWN;
        filters[i].until_ms = QL_TIME_UNKNOWN;
        if (!works(ql__snapshot_mask(snapshot, &filters[i], &mask, &err), &err)) continue;
        search(snapshot, mask);
        ql__mask_free(mask);
    }
    (void)works(ql__view_codes(store, &err), &err);
    for (uint64_t slot = 0; slot < 40; slot++) look_at(snapshot, NULL, &(ql__score){.slot = slot}, ql__snapshot_passes(snapshot, NULL, slot) ? 1 : 0);
    ql__snapshot_free(snapshot);
}

static void read_all(ql__store *store)
{
    ql_error err = {0};
    ql__store_stats stats;
    char id[37];
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    read_snapshot(store);
    (void)works(ql__store_verify(store, &err), &err);
    (void)works(ql__store_dump(store, true, take_line, NULL, &err), &err);
    (void)works(ql__store_stats_read(store, &stats, &err), &err);
    (void)works(ql__store_sources_each(store, take_source, NULL, &err), &err);
    test_uuid(2, 0, id);
    (void)works(ql__store_id_owner(store, ql_str_of(id), &text, &err), &err);
    (void)works(ql__store_known_each(store, QL_STR("project0"), QL_STR("git"), QL_STR("source0"), take_known, NULL, &err), &err);
}

static void write_on(ql__store *store)
{
    ql_error err = {0};
    if (!works(ql__store_begin(store, &err), &err)) return;
    bool ok = put(store, 2, 2, &err) && put(store, 9, 1, &err) && drop(store, 4, &err);
    if (ok) ok = works(ql__store_commit(store, &err), &err);
    else ql__store_rollback(store);
    if (ok) (void)works(ql__store_compact_now(store, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql_error err = {0};
    make_once();
    put_back();
    change_all(data, size);
    for (int round = 0; round < 3; round++) {
        ql__store *store = store_new(round == 1, &err);
        if (store == NULL) continue;
        if (round == 1) write_on(store);
        else read_all(store);
        ql__store_free(store);
    }
    return 0;
}
