/*
 * Goal: a writer that changes an index from before answers every failure below it with the right status, goes on when the next try works, and loses
 * nothing that was acknowledged.
 * Method: an index of a bit more than a page of slots, whose tables no connection has read yet; two transactions that replace, touch, remove and
 * add, merge the postings, fill a page and begin the next. The n-th allocation of the whole process (SQLite's too), the n-th call of SQLite to the
 * kernel and the n-th of ours fail, once (then the transaction is tried again on the same connection) and from then on. What the index then shows,
 * opened without faults, must be that of the acknowledged transactions, or of one more.
 */
#include <errno.h>
#include <unistd.h>

#include "store/store_internal.h"
#include "support/memory.h"
#include "support/store_use.h"

static const test_shape shape = {.dims = 8, .chunks_min = 3, .chunks_max = 3, .words = 12, .vocabulary = 8, .sources = 3};

#define BEFORE 335 /* documents: 1,005 slots */
#define STEPS 2

static char *original; /* the index from before */
static ql_buf expected[STEPS + 1];
static test_document newer[16]; /* made beforehand: the faults are for the store */
static char removed_id[37], touched_id[37];

static const char *const names[] = {"qloader.db", "qloader.db-wal", "qloader.ack", "vectors-000001.qlv"};

static char *copy_of_original(void)
{
    char *copy = ql_test_dir_new();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ql_buf content = QL_BUF_INIT;
        if (!ql_test_file_exists(ql_test_path(original, names[i]))) continue;
        ql_test_file_read(ql_test_path(original, names[i]), &content);
        ql_test_file_write(ql_test_path(copy, names[i]), ql_buf_str(&content));
        ql_buf_dispose(&content);
    }
    return copy;
}

static ql_status change(ql__store *store, int step, ql_error *err)
{
    ql_status st = ql__store_begin(store, err);
    if (step == 0) {
        if (st == QL_OK) st = ql__store_replace(store, &newer[0].document, err);
        if (st == QL_OK) st = ql__store_replace(store, &newer[1].document, err);
        if (st == QL_OK) st = ql__store_touch(store, ql_str_of(touched_id), &newer[2].document, err);
        if (st == QL_OK) st = ql__store_remove(store, ql_str_of(removed_id), err);
        store->pending.bytes += STORE_PENDING_BYTES_MAX; /* so that the next one merges the postings on the way */
        if (st == QL_OK) st = ql__store_replace(store, &newer[3].document, err);
    }
    for (int i = 4; step == 1 && st == QL_OK && i < 12; i++) st = ql__store_replace(store, &newer[i].document, err);
    if (st == QL_OK) return ql__store_commit(store, err);
    ql__store_rollback(store);
    return st;
}

/* --- what fails */

typedef enum fault_kind { MEMORY, DATABASE, FILES } fault_kind;
static const char *const fault_names[] = {"memory", "database", "files"};

static struct {
    long left; /* calls until the fault; negative: none */
    bool from, fired;
} db_fault;

static int db_fault_step(void *user, ql__db_call call)
{
    (void)user;
    (void)call;
    if (db_fault.left < 0 || db_fault.left-- > 0) return 0;
    db_fault.fired = true;
    if (db_fault.from) db_fault.left = 0;
    return EIO;
}

static void plant(fault_kind kind, long n, bool from)
{
    if (kind == MEMORY) memory_fail(n, from);
    if (kind == DATABASE) db_fault.left = n, db_fault.from = from, db_fault.fired = false;
    if (kind == FILES && from) ql_test_fault_from(QL_FAULT_FILE, n);
    if (kind == FILES && !from) ql_test_fault_at(QL_FAULT_FILE, n);
}

static bool unplant(fault_kind kind)
{
    bool fired = db_fault.fired;
    db_fault.left = -1;
    if (kind == MEMORY) (void)memory_fail_end(&fired);
    if (kind == FILES) fired = ql_test_fault_clear();
    return fired;
}

static ql_status open_index(const char *dir, ql__store **out, ql_error *err)
{
    const ql__store_options options = {.dir = dir, .collection = "docs", .write = true, .dims = shape.dims, .model = "test-model", .sys = ql_test_sys(), .db_fault_fn = db_fault_step};
    return ql__store_open(&options, out, err);
}

static void expect_status(fault_kind kind, long n, bool from, ql_status st, const ql_error *err)
{
    bool right = kind == MEMORY ? st == QL_E_NOMEM : st == QL_E_IO || st == QL_E_NOMEM;
    if (!right || err->status != st || !err->message[0]) fail_msg("%s %s %ld: %s (%s)", fault_names[kind], from ? "from" : "at", n, err->message, ql_status_name(st));
}

/* False when the run was over before the n-th call. */
static bool run(fault_kind kind, long n, bool from)
{
    ql_error err = {0};
    ql__store *store = NULL;
    ql_buf found = QL_BUF_INIT;
    int acknowledged = 0;
    char *dir = copy_of_original();
    plant(kind, n, from);
    ql_status st = open_index(dir, &store, &err);
    if (st != QL_OK) expect_status(kind, n, from, st, &err);
    if (st != QL_OK && !from) expect_ok(open_index(dir, &store, &err)); /* it failed, and fails no more */
    while (store && acknowledged < STEPS) {
        st = change(store, acknowledged, &err);
        if (st == QL_OK) {
            acknowledged++;
            continue;
        }
        expect_status(kind, n, from, st, &err);
        if (from) break;
        expect_ok(change(store, acknowledged, &err)); /* the same connection goes on */
        acknowledged++;
    }
    bool fired = unplant(kind);
    if (!fired) assert_int_equal(acknowledged, STEPS);
    ql__store_free(store);
    store = store_open(dir, true, &shape);
    store_dump_of(store, true, &found);
    bool same = ql_str_equal(ql_buf_str(&found), ql_buf_str(&expected[acknowledged])) ||
                (acknowledged < STEPS && ql_str_equal(ql_buf_str(&found), ql_buf_str(&expected[acknowledged + 1])));
    if (!same) fail_msg("%s %s %ld: %d transactions were acknowledged, the index shows something else", fault_names[kind], from ? "from" : "at", n, acknowledged);
    ql__store_free(store);
    ql_buf_dispose(&found);
    ql_test_dir_remove(dir);
    return fired;
}

static void run_all(fault_kind kind, bool from, long stride)
{
    long n = 0;
    while (run(kind, n, from)) n += stride;
    print_message("%s: about %ld calls, failed%s\n", fault_names[kind], n, from ? " with all after it" : " once");
    assert_true(n > 10);
}

static int make_index(void **state)
{
    (void)state;
    db_fault.left = -1;
    original = ql_test_dir_new();
    ql__store *store = store_open(original, true, &shape);
    store_fill(store, 0, BEFORE, 20, 1, &shape);
    ql__store_free(store);
    const uint64_t numbers[16] = {5, BEFORE - 1, 7, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 6};
    for (size_t i = 0; i < 12; i++) test_document_make(&newer[i], numbers[i], 2, &shape);
    test_uuid(3, 0, removed_id);
    test_uuid(7, 0, touched_id);
    for (int count = 0; count <= STEPS; count++) {
        ql_error err = {0};
        char *dir = copy_of_original();
        store = store_open(dir, true, &shape);
        for (int step = 0; step < count; step++) expect_ok(change(store, step, &err));
        store_dump_of(store, true, &expected[count]);
        if (count > 0) assert_false(ql_str_equal(ql_buf_str(&expected[count]), ql_buf_str(&expected[count - 1])));
        ql__store_free(store);
        ql_test_dir_remove(dir);
    }
    return 0;
}

static int remove_index(void **state)
{
    (void)state;
    ql_test_dir_remove(original);
    for (int count = 0; count <= STEPS; count++) ql_buf_dispose(&expected[count]);
    for (size_t i = 0; i < 12; i++) test_document_dispose(&newer[i]);
    return 0;
}

static void test_store_change__memory(void **state)
{
    (void)state;
    run_all(MEMORY, false, 2); /* 2,300 calls; a statement alone is a dozen */
    run_all(MEMORY, true, 23);
}

static void test_store_change__database_calls(void **state)
{
    (void)state;
    run_all(DATABASE, false, 1);
    run_all(DATABASE, true, 1);
}

static void test_store_change__file_calls(void **state)
{
    (void)state;
    run_all(FILES, false, 1);
    run_all(FILES, true, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_change__file_calls),
        cmocka_unit_test(test_store_change__database_calls),
        cmocka_unit_test(test_store_change__memory),
    };
    return cmocka_run_group_tests(tests, make_index, remove_index);
}
