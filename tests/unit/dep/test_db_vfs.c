/*
 * Goal: a page that is not what was written is never served, wherever it lies, and SQLite's own checks stay content.
 * Method: a database with many pages is damaged byte by byte and page by page (also by swapping two good pages, which a checksum
 * without the page's number would not notice); a transaction larger than the cache spills to the log and reads itself back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dep/db.h"
#include "support/testing.h"

#define PAGE 4096

static ql__db *open_db(const char *path, bool write, uint32_t cache_kib, ql__db_fault_fn fault_fn, void *user)
{
    ql_error err = {0};
    ql__db *db = NULL;
    ql__db_options options = {.path = path, .write = write, .create = write, .application_id = 7, .page_bytes = PAGE, .cache_kib = cache_kib, .fault_fn = fault_fn, .fault_user = user};
    ql_status st = ql__db_open(&options, &db, &err);
    if (st != QL_OK) fail_msg("%s", err.message);
    return db;
}

static void fill(ql__db *db, int rows)
{
    ql_error err = {0};
    char sql[400];
    snprintf(sql, sizeof sql,
             "CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b BLOB); BEGIN; WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%d) "
             "INSERT OR REPLACE INTO t SELECT i, zeroblob(900) FROM n; UPDATE t SET b=randomblob(901); COMMIT",
             rows);
    if (ql__db_exec(db, sql, &err) != QL_OK) fail_msg("%s", err.message);
}

/* Reads every row and asks SQLite for its own opinion. */
static ql_status read_all(const char *path, ql_error *err)
{
    ql__db *db = NULL;
    ql__stmt *stmt = NULL;
    ql__db_options options = {.path = path, .application_id = 7, .page_bytes = PAGE};
    ql_status st = ql__db_open(&options, &db, err);
    if (st == QL_OK) st = ql__db_prepare(db, "SELECT sum(length(b)) FROM t", &stmt, err);
    if (st == QL_OK) st = ql__stmt_step(stmt, err);
    ql__stmt_free(stmt);
    stmt = NULL;
    if (st == QL_OK) st = ql__db_prepare(db, "PRAGMA integrity_check", &stmt, err);
    if (st == QL_OK) st = ql__stmt_step(stmt, err);
    if (st == QL_OK) assert_true(ql_str_equal(ql__stmt_bytes(stmt, 0), QL_STR("ok")));
    ql__stmt_free(stmt);
    ql__db_close(db);
    return st;
}

static void change(const char *path, off_t offset, const void *bytes, size_t size)
{
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, bytes, size, offset), (ssize_t)size);
    close(fd);
}

static void test_db_vfs__every_page_is_checked(void **state)
{
    (void)state;
    ql_error err = {0};
    struct stat info;
    unsigned char page[PAGE], damaged[PAGE], other[PAGE];
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "a.db");
    ql__db *db = open_db(path, true, 0, NULL, NULL);
    fill(db, 200);
    ql__db_close(db);
    assert_int_equal(read_all(path, &err), QL_OK);
    assert_int_equal(stat(path, &info), 0);
    int fd = open(path, O_RDONLY);
    for (off_t at = 0; at < info.st_size; at += PAGE) {
        assert_int_equal(pread(fd, page, PAGE, at), PAGE);
        const size_t places[] = {0, 17, 99, 100, 2000, PAGE - 9, PAGE - 8, PAGE - 1};
        for (size_t i = 0; i < 8; i++) {
            memcpy(damaged, page, PAGE);
            damaged[places[i]] ^= 0x10;
            change(path, at, damaged, PAGE);
            assert_int_equal(read_all(path, &err), QL_E_CORRUPT);
            assert_non_null(strstr(err.message, "a.db"));
        }
        if (at > PAGE) { /* a good page in a wrong place */
            change(path, at, other, PAGE);
            assert_int_equal(read_all(path, &err), QL_E_CORRUPT);
        }
        memcpy(other, page, PAGE);
        change(path, at, page, PAGE);
    }
    close(fd);
    assert_int_equal(read_all(path, &err), QL_OK);
    ql_test_dir_remove(dir);
}

static void test_db_vfs__names_file_and_page(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "a.db");
    ql__db *db = open_db(path, true, 0, NULL, NULL);
    fill(db, 50);
    ql__db_close(db);
    change(path, 4 * PAGE + 300, "damage", 6);
    assert_int_equal(read_all(path, &err), QL_E_CORRUPT);
    assert_non_null(strstr(err.message, "a.db' is damaged: page 5 "));
    ql_test_dir_remove(dir);
}

static void test_db_vfs__transactions_may_exceed_the_cache(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "a.db");
    ql__db *db = open_db(path, true, 64, NULL, NULL); /* 16 pages: pages are spilled, changed and read again */
    for (int round = 0; round < 3; round++) fill(db, 2000);
    assert_int_equal(read_all(path, &err), QL_OK); /* from the log */
    ql__db_close(db);
    assert_int_equal(read_all(path, &err), QL_OK);
    ql_test_dir_remove(dir);
}

typedef struct planned {
    ql__db_call call;
    int code;
} planned;

static int plan(void *user, ql__db_call call)
{
    const planned *self = user;
    return call == self->call ? self->code : 0;
}

static void test_db_vfs__planted_faults_become_statuses(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    planned fault = {.call = QL__DB_WRITE, .code = 0};
    ql__db *db = open_db(ql_test_path(dir, "a.db"), true, 0, plan, &fault);
    fill(db, 10);
    fault.code = ENOSPC;
    assert_int_equal(ql__db_exec(db, "DELETE FROM t", &err), QL_E_NOSPACE);
    fault.code = EIO;
    assert_int_equal(ql__db_exec(db, "DELETE FROM t", &err), QL_E_IO);
    fault = (planned){.call = QL__DB_SYNC, .code = EIO};
    assert_int_equal(ql__db_exec(db, "DELETE FROM t", &err), QL_E_IO);
    fault.code = 0;
    assert_int_equal(ql__db_exec(db, "DELETE FROM t", &err), QL_OK);
    ql__db_close(db);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_db_vfs__every_page_is_checked),
        cmocka_unit_test(test_db_vfs__names_file_and_page),
        cmocka_unit_test(test_db_vfs__transactions_may_exceed_the_cache),
        cmocka_unit_test(test_db_vfs__planted_faults_become_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
