/*
 * Goal: the wrapper round SQLite binds and reads bytes as they are, names its failures, and tells foreign files from ours.
 * Method: small databases in a temporary folder.
 */
#include <string.h>

#include "dep/db.h"
#include "support/testing.h"

static ql_status open_db(const char *path, bool write, ql__db **out, ql_error *err)
{
    ql__db_options options = {.path = path, .write = write, .create = write, .application_id = 0x11223344, .page_bytes = 4096, .busy_ms = 50};
    return ql__db_open(&options, out, err);
}

static void expect_at(ql_status st, ql_status want, const ql_error *err, int line)
{
    if (st != want) fail_msg("line %d: status %d, not %d: %s", line, st, want, err->message);
}
#define expect(call, want) expect_at((call), (want), &err, __LINE__)

static void test_db__keeps_bytes_as_they_are(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__db *db = NULL;
    ql__stmt *stmt = NULL;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "a.db");
    expect(open_db(path, true, &db, &err), QL_OK);
    expect(ql__db_exec(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", &err), QL_OK);
    expect(ql__db_prepare(db, "INSERT INTO t(b) VALUES(?1)", &stmt, &err), QL_OK);
    const ql_str values[] = {QL_STR("a\0b"), QL_STR(""), {NULL, 0}, QL_STR("\xff\xfe")};
    for (size_t i = 0; i < 4; i++) {
        ql__stmt_bind_bytes(stmt, 1, values[i]);
        expect(ql__stmt_run(stmt, &err), QL_OK);
        assert_int_equal(ql__db_last_rowid(db), (int64_t)i + 1);
    }
    ql__stmt_bind_null(stmt, 1);
    expect(ql__stmt_run(stmt, &err), QL_OK);
    ql__stmt_free(stmt);
    ql__db_close(db);
    expect(open_db(path, false, &db, &err), QL_OK);
    expect(ql__db_prepare(db, "SELECT a,b FROM t ORDER BY a", &stmt, &err), QL_OK);
    for (size_t i = 0; i < 4; i++) {
        expect(ql__stmt_step(stmt, &err), QL_OK);
        assert_int_equal(ql__stmt_int(stmt, 0), (int64_t)i + 1);
        assert_true(ql_str_equal(ql__stmt_bytes(stmt, 1), values[i]));
        assert_false(ql__stmt_is_null(stmt, 1));
    }
    expect(ql__stmt_step(stmt, &err), QL_OK);
    assert_true(ql__stmt_is_null(stmt, 1));
    expect(ql__stmt_step(stmt, &err), QL_DONE);
    ql__stmt_free(stmt);
    assert_true(ql__db_exec(db, "DELETE FROM t", &err) < 0); /* a reader cannot write */
    ql__db_close(db);
    ql_test_dir_remove(dir);
}

static void test_db__finishes_a_half_made_file(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__db *db = NULL;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "a.db");
    expect(open_db(path, false, &db, &err), QL_E_NOTFOUND);
    expect(open_db(path, true, &db, &err), QL_OK);
    expect(ql__db_exec(db, "PRAGMA application_id=0", &err), QL_OK); /* as a first writer leaves it that dies before the mark */
    ql__db_close(db);
    expect(open_db(path, false, &db, &err), QL_E_NOTFOUND);
    expect(open_db(path, true, &db, &err), QL_OK);
    ql__db_close(db);
    expect(open_db(path, false, &db, &err), QL_OK);
    ql__db_close(db);
    ql_test_dir_remove(dir);
}

static void test_db__refuses_another_application_and_plain_text(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__db *db = NULL;
    char text[5000];
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "a.db"), *other = ql_test_path(dir, "b.db");
    expect(open_db(path, true, &db, &err), QL_OK);
    expect(ql__db_exec(db, "CREATE TABLE t(a); PRAGMA application_id=5", &err), QL_OK);
    ql__db_close(db);
    expect(open_db(path, true, &db, &err), QL_E_FORMAT);
    memset(text, 'x', sizeof text);
    ql_test_file_write(other, (ql_str){text, sizeof text});
    expect(open_db(other, true, &db, &err), QL_E_CORRUPT);
    ql_test_file_write(other, QL_STR("short"));
    expect(open_db(other, true, &db, &err), QL_E_CORRUPT);
    assert_non_null(strstr(err.message, "b.db"));
    ql_test_dir_remove(dir);
}

static void test_db__names_constraint_lock_and_syntax(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__db *db = NULL, *other = NULL;
    ql__stmt *stmt = NULL;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "a.db");
    expect(open_db(path, true, &db, &err), QL_OK);
    expect(ql__db_exec(db, "CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)", &err), QL_OK);
    expect(ql__db_exec(db, "INSERT INTO t VALUES(1)", &err), QL_E_EXISTS);
    expect(ql__db_prepare(db, "SELEKT", &stmt, &err), QL_E_INTERNAL);
    expect(open_db(path, true, &other, &err), QL_OK);
    expect(ql__db_begin(db, true, &err), QL_OK);
    assert_true(ql__db_in_transaction(db));
    expect(ql__db_begin(other, true, &err), QL_E_BUSY);
    expect(ql__db_exec(db, "INSERT INTO t VALUES(2)", &err), QL_OK);
    expect(ql__db_begin(db, false, &err), QL_OK); /* whose end failed is over */
    expect(ql__db_exec(other, "INSERT INTO t VALUES(2)", &err), QL_OK);
    expect(ql__db_exec(db, "ROLLBACK", &err), QL_OK);
    assert_false(ql__db_in_transaction(db));
    expect(ql__db_checkpoint(db, &err), QL_OK);
    uint64_t bytes = 0;
    expect(ql__db_bytes(db, &bytes, &err), QL_OK);
    assert_true(bytes >= 8192);
    ql__db_close(other);
    ql__db_close(db);
    ql__db_close(NULL);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_db__keeps_bytes_as_they_are),
        cmocka_unit_test(test_db__finishes_a_half_made_file),
        cmocka_unit_test(test_db__refuses_another_application_and_plain_text),
        cmocka_unit_test(test_db__names_constraint_lock_and_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
