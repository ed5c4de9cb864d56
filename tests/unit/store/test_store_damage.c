/*
 * Goal: damage in any file is reported by name or does no harm; it is never served.
 * Method: flip single bytes at seeded places of each file of a good index (database, log, vectors, acknowledgement), cut files off, take
 * them away; then read everything. The answer must be an error that names the file, or exactly the content from before.
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_internal.h"
#include "support/store_use.h"

extern char **environ;

static const test_shape shape = {.dims = 24, .chunks_min = 1, .chunks_max = 5, .words = 30, .vocabulary = 300, .sources = 3};

static void copy_file(const char *from, const char *to)
{
    ql_buf content = QL_BUF_INIT;
    if (!ql_test_file_exists(from)) return;
    ql_test_file_read(from, &content);
    ql_test_file_write(to, ql_buf_str(&content));
    ql_buf_dispose(&content);
}

static const char *const names[] = {"qloader.db", "qloader.db-wal", "qloader.ack", "vectors-000001.qlv"};

static char *copy_index(const char *dir)
{
    char *copy = ql_test_dir_new();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) copy_file(ql_test_path(dir, names[i]), ql_test_path(copy, names[i]));
    return copy;
}

static uint64_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

static void flip(const char *path, uint64_t offset, uint8_t bits)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

/* Opens and reads everything there is. */
static ql_status read_all(const char *dir, bool write, ql_buf *out, ql_error *err)
{
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir, .write = write, .dims = shape.dims, .model = "test-model", .collection = "docs"};
    ql_buf_clear(out);
    ql_status st = ql__store_open(&options, &store, err);
    if (st == QL_OK) st = ql__store_dump(store, true, store_dump_line, out, err);
    ql__store_free(store);
    return st;
}

/* An index whose log is still there, as a killed writer leaves it: the child of this test makes it and dies. */
static char *killed_index(const char *self_path)
{
    char *dir = ql_test_dir_new();
    pid_t pid = 0;
    int status = 0;
    char *argv[] = {(char *)(uintptr_t)self_path, (char *)(uintptr_t)"child", dir, NULL};
    assert_int_equal(posix_spawn(&pid, self_path, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return dir;
}

static int child(const char *dir)
{
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 60, 20, 1, &shape);
    store_fill(store, 10, 10, 5, 2, &shape);
    kill(getpid(), SIGKILL);
    return 1;
}

static char *closed_index(void)
{
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 60, 20, 1, &shape);
    store_fill(store, 10, 10, 5, 2, &shape);
    ql__store_free(store);
    return dir;
}

typedef struct tally {
    size_t reported, harmless;
} tally;

static void flip_and_read(const char *dir, const char *name, uint64_t offset, ql_str good, tally *sum)
{
    ql_error err = {0};
    ql_buf found = QL_BUF_INIT;
    char *copy = copy_index(dir);
    flip(ql_test_path(copy, name), offset, (uint8_t)(1u << (offset % 8)));
    ql_status st = read_all(copy, false, &found, &err);
    if (st == QL_OK) {
        if (!ql_str_equal(ql_buf_str(&found), good)) fail_msg("byte %llu of %s changes what is served", (unsigned long long)offset, name);
        sum->harmless++;
    } else {
        if (st != QL_E_CORRUPT && st != QL_E_UNSUPPORTED) fail_msg("byte %llu of %s: %s (%s)", (unsigned long long)offset, name, err.message, ql_status_name(st));
        char stem[32];
        snprintf(stem, sizeof stem, "%.7s", name); /* "qloader" or "vectors": a damaged log shows as a database that lost commits */
        assert_non_null(strstr(err.message, stem));
        sum->reported++;
    }
    ql_buf_dispose(&found);
    ql_test_dir_remove(copy);
}

static tally flip_many(const char *dir, const char *name, uint64_t stride)
{
    ql_error err = {0};
    tally sum = {0, 0};
    ql_buf good = QL_BUF_INIT;
    char *copy = copy_index(dir);
    expect_ok(read_all(copy, false, &good, &err));
    ql_test_dir_remove(copy);
    uint64_t size = size_of(ql_test_path(dir, name)), state = 42;
    for (uint64_t at = 0; at < size; at += 1 + test_random(&state) % (2 * stride)) flip_and_read(dir, name, at, ql_buf_str(&good), &sum);
    ql_buf_dispose(&good);
    return sum;
}

static void test_store_damage__in_the_database_is_reported(void **state)
{
    (void)state;
    char *dir = closed_index();
    tally sum = flip_many(dir, "qloader.db", 1500);
    print_message("database: %zu reported, %zu harmless (free pages, tables and indexes this reader does not use)\n", sum.reported, sum.harmless);
    assert_true(sum.reported > 3 * sum.harmless);
    for (uint64_t at = 0; at < 100; at++) { /* the header, byte by byte */
        tally one = {0, 0};
        ql_error err = {0};
        ql_buf good = QL_BUF_INIT;
        expect_ok(read_all(dir, false, &good, &err));
        flip_and_read(dir, "qloader.db", at, ql_buf_str(&good), &one);
        assert_int_equal(one.reported, 1);
        ql_buf_dispose(&good);
    }
    ql_test_dir_remove(dir);
}

static void test_store_damage__in_the_log_is_reported(void **state)
{
    char *dir = killed_index(*state);
    tally sum = flip_many(dir, "qloader.db-wal", 15000);
    print_message("log: %zu reported, %zu harmless\n", sum.reported, sum.harmless);
    assert_true(sum.reported > 0);
    ql_test_dir_remove(dir);
}

static void test_store_damage__in_the_vectors_is_reported(void **state)
{
    (void)state;
    char *dir = closed_index();
    tally sum = flip_many(dir, "vectors-000001.qlv", 200);
    print_message("vectors: %zu reported, %zu harmless (rows of replaced documents, padding)\n", sum.reported, sum.harmless);
    assert_true(sum.reported > 20);
    ql_test_dir_remove(dir);
}

static void test_store_damage__in_a_log_under_a_reader_is_reported(void **state)
{
    /* No recovery happens while somebody is connected, so the frames themselves must be checked. */
    (void)state;
    ql_error err = {0};
    ql_buf found = QL_BUF_INIT, good = QL_BUF_INIT;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 60, 20, 1, &shape);
    store_dump_of(store, true, &good);
    uint64_t size = size_of(ql_test_path(dir, "qloader.db-wal")), frame = 8192 + 24;
    size_t reported = 0;
    for (uint64_t at = 32 + 24 + 100; at < size; at += frame) {
        flip(ql_test_path(dir, "qloader.db-wal"), at, 1);
        ql_status st = read_all(dir, false, &found, &err);
        flip(ql_test_path(dir, "qloader.db-wal"), at, 1);
        if (st == QL_OK) {
            assert_true(ql_str_equal(ql_buf_str(&found), ql_buf_str(&good))); /* a frame that a later one replaced */
            continue;
        }
        assert_int_equal(st, QL_E_CORRUPT);
        assert_non_null(strstr(err.message, "qloader.db-wal"));
        reported++;
    }
    assert_true(reported > 3);
    ql__store_free(store);
    ql_buf_dispose(&found);
    ql_buf_dispose(&good);
    ql_test_dir_remove(dir);
}

static void test_store_damage__cut_or_missing_files_are_reported(void **state)
{
    (void)state;
    static const char *const cut[] = {"qloader.db", "vectors-000001.qlv"};
    ql_error err = {0};
    ql_buf found = QL_BUF_INIT;
    char *dir = closed_index();
    for (size_t i = 0; i < 2; i++) {
        uint64_t size = size_of(ql_test_path(dir, cut[i]));
        const uint64_t lengths[] = {1, 100, 4095, 4096, 8192, size / 2, size - 1};
        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
            for (int write = 0; write < 2; write++) {
                char *copy = copy_index(dir);
                assert_int_equal(truncate(ql_test_path(copy, cut[i]), (off_t)lengths[j]), 0);
                ql_status st = read_all(copy, write != 0, &found, &err);
                if (st != QL_E_CORRUPT) fail_msg("%s cut to %llu: %d %s", cut[i], (unsigned long long)lengths[j], st, err.message);
                assert_non_null(strstr(err.message, cut[i]));
                ql_test_dir_remove(copy);
            }
        }
    }
    for (int write = 0; write < 2; write++) {
        char *copy = copy_index(dir);
        assert_int_equal(unlink(ql_test_path(copy, "vectors-000001.qlv")), 0);
        assert_int_equal(read_all(copy, write != 0, &found, &err), QL_E_CORRUPT);
        assert_non_null(strstr(err.message, "vectors-000001.qlv"));
        ql_test_dir_remove(copy);
    }
    ql_buf_dispose(&found);
    ql_test_dir_remove(dir);
}

/* What a fault in a program could have written, with a checksum that is right: the tables contradict each other. */
typedef struct contradiction {
    const char *sql; /* done to a good index */
    bool opens;      /* the damage shows to a writer when it opens, else when it replaces document 3, which lies in the first page of slots */
    const char *message;
} contradiction;

static void test_store_damage__tables_that_contradict_each_other_are_reported(void **state)
{
    (void)state;
    static const contradiction list[] = {
        {"DELETE FROM code", true, "last row of table code"},
        {"UPDATE code SET block=x'00'", true, "last row of table code"},
        {"DELETE FROM slot_page WHERE page=1", true, "slot page 1 does not fit"},
        {"UPDATE slot_page SET count=count-1 WHERE page=1", true, "slot page 1 does not fit"},
        {"UPDATE slot_page SET keys=x'00' WHERE page=1", true, "slot page 1 does not fit"},
        {"UPDATE slot_page SET lengths=x'00' WHERE page=1", true, "slot page 1 does not fit"},
        {"UPDATE slot_page SET hashes=x'00' WHERE page=1", true, "slot page 1 does not fit"},
        {"UPDATE slot_page SET hashes=zeroblob(length(hashes)) WHERE page=1", true, "do not match their checksum"},
        {"DELETE FROM slot_page WHERE page=0", false, "slot page 0 has a wrong size"},
        {"UPDATE slot_page SET lengths=x'00' WHERE page=0", false, "slot page 0 has a wrong size"},
        {"UPDATE document SET first_slot=first_slot+1000000", false, "points beyond the last chunk"},
        {"UPDATE document SET chunk_count=1000000", false, "points beyond the last chunk"},
        {"UPDATE posting_log SET data=x'00'", false, "segment of the postings log"},
        {"UPDATE posting_log SET data=x'010000000c000000110000000161000001'", false, "segment of the postings log"}, /* a term without its posting */
    };
    static const test_shape wide = {.dims = 8, .chunks_min = 5, .chunks_max = 5, .words = 4, .vocabulary = 50, .sources = 3};
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &wide);
    store_fill(store, 0, 210, 70, 1, &wide);
    ql__store_free(store);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char *copy = copy_index(dir);
        ql__db *db = NULL;
        const ql__db_options how = {.path = ql_test_path(copy, "qloader.db"), .write = true, .application_id = STORE_APPLICATION_ID, .page_bytes = STORE_PAGE_BYTES};
        expect_ok(ql__db_open(&how, &db, &err));
        expect_ok(ql__db_exec(db, list[i].sql, &err));
        ql__db_close(db);
        store = NULL;
        const ql__store_options options = {.dir = copy, .write = true, .dims = wide.dims, .model = "test-model", .collection = "docs"};
        ql_status st = ql__store_open(&options, &store, &err);
        if (!list[i].opens) {
            test_document document;
            expect_ok(st);
            test_document_make(&document, 3, 2, &wide);
            expect_ok(ql__store_begin(store, &err));
            store->pending.bytes += STORE_PENDING_BYTES_MAX; /* so that its postings are merged with the log at once */
            st = ql__store_replace(store, &document.document, &err);
            test_document_dispose(&document);
        }
        if (st != QL_E_CORRUPT || strstr(err.message, list[i].message) == NULL) fail_msg("%s: %s (%s)", list[i].sql, err.message, ql_status_name(st));
        ql__store_free(store);
        ql_test_dir_remove(copy);
    }
    ql_test_dir_remove(dir);
}

static void test_store_damage__a_lost_log_is_noticed(void **state)
{
    ql_error err = {0};
    ql_buf found = QL_BUF_INIT;
    char *dir = killed_index(*state);
    assert_int_equal(unlink(ql_test_path(dir, "qloader.db-wal")), 0);
    assert_int_equal(read_all(dir, false, &found, &err), QL_E_CORRUPT);
    assert_int_equal(read_all(dir, true, &found, &err), QL_E_CORRUPT);
    ql_buf_dispose(&found);
    ql_test_dir_remove(dir);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "child") == 0) return child(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_damage__in_the_database_is_reported),
        cmocka_unit_test_prestate(test_store_damage__in_the_log_is_reported, argv[0]),
        cmocka_unit_test(test_store_damage__in_the_vectors_is_reported),
        cmocka_unit_test(test_store_damage__in_a_log_under_a_reader_is_reported),
        cmocka_unit_test(test_store_damage__cut_or_missing_files_are_reported),
        cmocka_unit_test(test_store_damage__tables_that_contradict_each_other_are_reported),
        cmocka_unit_test_prestate(test_store_damage__a_lost_log_is_noticed, argv[0]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
