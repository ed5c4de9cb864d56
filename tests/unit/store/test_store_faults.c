/*
 * Goal: whatever call fails, the store says so with the right status, keeps what was acknowledged and opens again.
 * Method: a scenario of three commits is run with the n-th call failing, once and from then on, for every n: memory, our file calls,
 * and SQLite's calls (through the VFS); with EIO and with a full disk. After each run the index, opened without faults, must equal
 * one made of the acknowledged commits, or of one more. Where the machine allows it, also a real full disk (a small tmpfs).
 */
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/store_use.h"

static const test_shape shape = {.dims = 24, .chunks_min = 1, .chunks_max = 3, .words = 10, .vocabulary = 100, .sources = 3};

#define COMMITS 3

/* --- faults below SQLite */

typedef struct db_fault {
    long left; /* calls until the fault; negative: none */
    bool from, fired;
    int os_code;
} db_fault;

static int db_fault_step(void *user, ql__db_call call)
{
    db_fault *self = user;
    if (self->left < 0) return 0;
    if (self->os_code == ENOSPC && call != QL__DB_WRITE) return 0;
    if (self->left > 0) {
        self->left--;
        return 0;
    }
    self->fired = true;
    if (!self->from) self->left = -1;
    return self->os_code;
}

/* --- the scenario */

#define PER_COMMIT 4
static test_document documents[COMMITS][PER_COMMIT]; /* made beforehand: the faults are for the store */

static ql_status commit(ql__store *store, int number, ql_error *err)
{
    char id[37];
    ql_status st = ql__store_begin(store, err);
    for (int i = 0; st == QL_OK && i < PER_COMMIT; i++) st = ql__store_replace(store, &documents[number][i].document, err);
    if (st == QL_OK && number == 2) {
        test_uuid(2, 0, id);
        st = ql__store_remove(store, ql_str_of(id), err);
    }
    if (st == QL_OK) return ql__store_commit(store, err);
    ql__store_rollback(store);
    return st;
}

typedef struct run {
    const char *dir;
    db_fault *fault;
    int acknowledged;
} run;

static ql_status scenario(run *self, ql_error *err)
{
    ql__store *store = NULL;
    ql__store_options options = {.dir = self->dir, .collection = "docs", .write = true, .dims = shape.dims, .model = "test-model", .sys = ql_test_sys(),
                                 .db_fault_fn = self->fault ? db_fault_step : NULL, .db_fault_user = self->fault};
    ql_status st = ql__store_open(&options, &store, err);
    for (int i = 0; st == QL_OK && i < COMMITS; i++) {
        st = commit(store, i, err);
        if (st == QL_OK) self->acknowledged = i + 1;
    }
    if (st == QL_OK) st = ql__store_compact_now(store, err);
    ql__store_free(store);
    return st;
}

static ql_buf expected[COMMITS + 1];

static void make_expected(void)
{
    ql_error err = {0};
    for (int count = 0; count <= COMMITS; count++) {
        char *dir = ql_test_dir_new();
        ql__store *store = store_open(dir, true, &shape);
        for (int i = 0; i < count; i++) expect_ok(commit(store, i, &err));
        expected[count] = QL_BUF_INIT;
        store_dump_of(store, true, &expected[count]);
        ql__store_free(store);
        ql_test_dir_remove(dir);
    }
}

/* Opens without faults, as writer, and compares; then goes on writing. */
static void expect_acknowledged(const char *dir, int acknowledged, const char *what, long n)
{
    ql_error err = {0};
    ql_buf found = QL_BUF_INIT;
    ql__store *store = store_open(dir, true, &shape);
    store_dump_of(store, true, &found);
    bool same = ql_str_equal(ql_buf_str(&found), ql_buf_str(&expected[acknowledged])) ||
                (acknowledged < COMMITS && ql_str_equal(ql_buf_str(&found), ql_buf_str(&expected[acknowledged + 1])));
    if (!same) fail_msg("%s fault %ld: %d commits were acknowledged, the index shows something else", what, n, acknowledged);
    for (int i = 0; i < COMMITS; i++) expect_ok(commit(store, i, &err)); /* again: they overwrite */
    store_dump_of(store, true, &found);
    assert_true(ql_str_equal(ql_buf_str(&found), ql_buf_str(&expected[COMMITS])));
    ql__store_free(store);
    ql_buf_dispose(&found);
}

static bool allowed(ql_status st, ql_status want)
{
    return st == want || (want == QL_E_IO && (st == QL_E_NOTFOUND || st == QL_E_BUSY || st == QL_E_NOMEM || st == QL_E_NOSPACE)) || (want == QL_E_NOSPACE && st == QL_E_IO);
}

static void sys_faults(ql_test_fault kind, ql_status want, const char *what, bool from, long step)
{
    for (long n = 0;; n += step) {
        ql_error err = {0};
        char *dir = ql_test_dir_new();
        run job = {.dir = dir};
        if (from) ql_test_fault_from(kind, n);
        else ql_test_fault_at(kind, n);
        ql_status st = scenario(&job, &err);
        bool fired = ql_test_fault_clear();
        if (st != QL_OK && !allowed(st, want)) fail_msg("%s fault %ld: %s (%s)", what, n, err.message, ql_status_name(st));
        if (st != QL_OK && kind == QL_FAULT_FILE && want == QL_E_NOSPACE && err.status == QL_E_NOSPACE) assert_true(err.message[0] != '\0');
        expect_acknowledged(dir, job.acknowledged, what, n);
        ql_test_dir_remove(dir);
        if (!fired) {
            assert_int_equal(st, QL_OK);
            print_message("%s: %ld calls, each failed%s\n", what, n / step, from ? " with all after it" : " once");
            break;
        }
    }
}

static void test_store_faults__memory(void **state)
{
    (void)state;
    ql_test_alloc_install();
    sys_faults(QL_FAULT_ALLOC, QL_E_NOMEM, "memory", false, 1);
    sys_faults(QL_FAULT_ALLOC, QL_E_NOMEM, "memory", true, 3);
}

static void test_store_faults__file_calls(void **state)
{
    (void)state;
    ql_test_fault_errno(EIO);
    sys_faults(QL_FAULT_FILE, QL_E_IO, "file", false, 1);
    sys_faults(QL_FAULT_FILE, QL_E_IO, "file", true, 1);
}

static void test_store_faults__vectors_on_a_full_disk(void **state)
{
    (void)state;
    ql_test_fault_errno(ENOSPC);
    ql_test_fault_ops(QL_TEST_WRITE);
    sys_faults(QL_FAULT_FILE, QL_E_NOSPACE, "full file", true, 1);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    ql_test_fault_errno(EIO);
}

static void db_faults(int os_code, ql_status want, const char *what, bool from)
{
    for (long n = 0;; n++) {
        ql_error err = {0};
        char *dir = ql_test_dir_new();
        db_fault fault = {.left = n, .from = from, .os_code = os_code};
        run job = {.dir = dir, .fault = &fault};
        ql_status st = scenario(&job, &err);
        if (st != QL_OK && !allowed(st, want)) fail_msg("%s fault %ld: %s (%s)", what, n, err.message, ql_status_name(st));
        if (st == QL_E_NOSPACE) assert_non_null(strstr(err.message, "space"));
        expect_acknowledged(dir, job.acknowledged, what, n);
        ql_test_dir_remove(dir);
        if (!fault.fired) {
            assert_int_equal(st, QL_OK);
            print_message("%s: %ld calls, each failed%s\n", what, n, from ? " with all after it" : " once");
            break;
        }
    }
}

static void test_store_faults__database_calls(void **state)
{
    (void)state;
    db_faults(EIO, QL_E_IO, "database", false);
    db_faults(EIO, QL_E_IO, "database", true);
}

static void test_store_faults__database_on_a_full_disk(void **state)
{
    (void)state;
    db_faults(ENOSPC, QL_E_NOSPACE, "full database", false);
    db_faults(ENOSPC, QL_E_NOSPACE, "full database", true);
}

static void test_store_faults__a_real_full_disk(void **state)
{
    (void)state;
    static const test_shape large = {.dims = 384, .chunks_min = 4, .chunks_max = 4, .words = 100, .vocabulary = 5000, .sources = 3};
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    if (mount("tmpfs", dir, "tmpfs", 0, "size=3m") != 0) {
        print_message("not permitted to mount a tmpfs: skipped\n");
        ql_test_dir_remove(dir);
        skip();
    }
    ql__store *store = store_open(dir, true, &large);
    uint64_t done = 0;
    ql_status st = QL_OK;
    while (st == QL_OK) {
        expect_ok(ql__store_begin(store, &err));
        test_document document;
        test_document_make(&document, done, 1, &large);
        st = ql__store_replace(store, &document.document, &err);
        test_document_dispose(&document);
        if (st == QL_OK) st = ql__store_commit(store, &err);
        else ql__store_rollback(store);
        if (st == QL_OK) done++;
    }
    assert_int_equal(st, QL_E_NOSPACE);
    assert_non_null(strstr(err.message, "space"));
    assert_true(done > 20);
    ql__store_free(store);
    expect_range(dir, 0, done, 1, &large); /* searched on the full disk */
    assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    store = store_open(dir, true, &large);
    store_fill(store, done, 40, 10, 1, &large);
    ql__store_free(store);
    expect_range(dir, 0, done + 40, 1, &large);
    assert_int_equal(umount(dir), 0);
    ql_test_dir_remove(dir);
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1); /* a thousand small indexes: no need to wait for a disk */
    for (int i = 0; i < COMMITS; i++)
        for (int j = 0; j < PER_COMMIT; j++) test_document_make(&documents[i][j], (uint64_t)(i * 2 + j), (uint64_t)i, &shape);
    make_expected();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_faults__memory),
        cmocka_unit_test(test_store_faults__file_calls),
        cmocka_unit_test(test_store_faults__vectors_on_a_full_disk),
        cmocka_unit_test(test_store_faults__database_calls),
        cmocka_unit_test(test_store_faults__database_on_a_full_disk),
        cmocka_unit_test(test_store_faults__a_real_full_disk),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i <= COMMITS; i++) ql_buf_dispose(&expected[i]);
    for (int i = 0; i < COMMITS; i++)
        for (int j = 0; j < PER_COMMIT; j++) test_document_dispose(&documents[i][j]);
    return failed;
}
