/*
 * Goal: the test helpers themselves can fail. With an argument it runs one deliberately wrong scenario, and CTest expects the
 * message that names the mistake; without, the helpers' own promises.
 */
#include "support/testing.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

/* ---- wrong scenarios, each with one mistake ---- */

static ql_status ignores_the_failure(void *user, ql_error *err)
{
    (void)user;
    (void)err;
    ql__free(ql__alloc(10));
    return QL_OK;
}

static ql_status leaks_on_failure(void *user, ql_error *err)
{
    (void)user;
    void *first = ql__alloc(10);
    void *second = ql__alloc(10);
    if (first && !second) return ql__fail_nomem(err); /* first is lost */
    ql__free(first);
    ql__free(second);
    return first ? QL_OK : ql__fail_nomem(err);
}

static ql_status answers_the_wrong_status(void *user, ql_error *err)
{
    (void)user;
    void *ptr = ql__alloc(10);
    if (!ptr) return ql__fail(err, QL_E_IO, "wrong");
    ql__free(ptr);
    return QL_OK;
}

static ql_status forgets_the_detail(void *user, ql_error *err)
{
    (void)user;
    (void)err;
    void *ptr = ql__alloc(10);
    if (!ptr) return QL_E_NOMEM;
    ql__free(ptr);
    return QL_OK;
}

static ql_status fails_always(void *user, ql_error *err)
{
    (void)user;
    return ql__fail(err, QL_E_CORRUPT, "by nature");
}

static ql_status leaks_a_descriptor(void *user, ql_error *err)
{
    (void)user;
    int fd = -1;
    uint64_t size;
    QL_TRY(ql__file_open(ql_test_sys(), "/dev/null", O_RDONLY, 0, &fd, err));
    QL_TRY(ql__file_size(ql_test_sys(), fd, &size, err));
    ql__file_close(ql_test_sys(), fd);
    return QL_OK;
}

static const struct {
    const char *name;
    ql_test_fault kind;
    ql_test_scenario_fn run;
} wrong[] = {
    {"ignores", QL_FAULT_ALLOC, ignores_the_failure}, {"leaks", QL_FAULT_ALLOC, leaks_on_failure},
    {"status", QL_FAULT_ALLOC, answers_the_wrong_status}, {"detail", QL_FAULT_ALLOC, forgets_the_detail},
    {"always", QL_FAULT_ALLOC, fails_always}, {"descriptor", QL_FAULT_FILE, leaks_a_descriptor},
};

static void test_testing__wrong_scenario(void **state)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (strcmp(*state, wrong[i].name) == 0) ql_test_fault_loop(wrong[i].kind, wrong[i].run, NULL);
    }
}

/* ---- promises ---- */

static ql_status three_pieces(void *user, ql_error *err)
{
    int *runs = user;
    ++*runs;
    QL_AUTO(char *, ql__free_cleanup) a = ql__alloc(1);
    if (!a) return ql__fail_nomem(err);
    QL_AUTO(char *, ql__free_cleanup) hint = ql__alloc(2);
    if (!hint) ql_test_fault_benign();
    QL_AUTO(char *, ql__free_cleanup) c = ql__alloc(3);
    return c ? QL_OK : ql__fail_nomem(err);
}

static void test_testing__the_loop_lets_every_call_fail(void **state)
{
    (void)state;
    int runs = 0;
    ql_test_fault_loop(QL_FAULT_ALLOC, three_pieces, &runs);
    assert_int_equal(runs, 8); /* three calls and the undisturbed run, twice */
}

static void test_testing__memory_is_garbage_at_first_and_moves_on_growth(void **state)
{
    (void)state;
    ql_test_alloc_install();
    unsigned char *bytes = ql__alloc(64);
    for (int i = 0; i < 64; i++) assert_int_equal(bytes[i], 0xa5);
    memset(bytes, 7, 64);
    uintptr_t before = (uintptr_t)bytes;
    bytes = ql__realloc(bytes, 65);
    assert_true((uintptr_t)bytes != before);
    for (int i = 0; i < 64; i++) assert_int_equal(bytes[i], 7);
    ql__free(bytes);
}

static void test_testing__faults_hit_the_calls_that_were_named(void **state)
{
    (void)state;
    void *pieces[5];
    ql_test_fault_at(QL_FAULT_ALLOC, 2);
    for (int i = 0; i < 5; i++) assert_int_equal((pieces[i] = ql__alloc(1)) == NULL, i == 2);
    assert_true(ql_test_fault_clear());
    assert_false(ql_test_fault_clear());
    for (int i = 0; i < 5; i++) ql__free(pieces[i]);
    ql_test_fault_from(QL_FAULT_ALLOC, 2);
    for (int i = 0; i < 5; i++) assert_int_equal((pieces[i] = ql__alloc(1)) == NULL, i >= 2);
    assert_true(ql_test_fault_clear());
    for (int i = 0; i < 5; i++) ql__free(pieces[i]);
    ql_test_fault_at(QL_FAULT_ALLOC, 1);
    ql__free(ql__alloc(1));
    assert_false(ql_test_fault_clear());
}

static void test_testing__folders_are_made_and_removed(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    char kept[4096];
    strncpy(kept, dir, sizeof kept - 1);
    ql_test_file_write(ql_test_path(dir, "a/b/c"), QL_STR("x"));
    ql_test_file_write(ql_test_path(dir, "d"), QL_STR(""));
    assert_int_equal(ql_test_dir_count(dir), 2);
    assert_true(ql_test_file_exists(ql_test_path(dir, "a/b/c")));
    ql_buf content = QL_BUF_INIT;
    ql_test_file_read(ql_test_path(dir, "a/b/c"), &content);
    assert_string_equal(ql_buf_cstr(&content), "x");
    ql_buf_dispose(&content);
    ql_test_dir_remove(dir);
    assert_false(ql_test_file_exists(kept));
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        const struct CMUnitTest failing[] = {cmocka_unit_test_prestate(test_testing__wrong_scenario, argv[1])};
        return cmocka_run_group_tests(failing, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_testing__the_loop_lets_every_call_fail),
        cmocka_unit_test(test_testing__memory_is_garbage_at_first_and_moves_on_growth),
        cmocka_unit_test(test_testing__faults_hit_the_calls_that_were_named),
        cmocka_unit_test(test_testing__folders_are_made_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
