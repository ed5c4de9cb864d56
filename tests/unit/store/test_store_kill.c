/*
 * Goal: after kill -9 at any moment a store holds exactly what was acknowledged, plus possibly the one commit in flight, whole.
 * Method: a child program replaces and removes documents in commits that follow from a seed, and notes each acknowledged commit in
 * a shared page; it is killed after a random time and started again where it stopped. After each kill the index must equal a second
 * index, built without interruption in one transaction per check and compacted differently: same documents, texts, postings and
 * vectors (a function of chunk id and version). In every other run a reader stays connected over the kill, so that SQLite does
 * not recover the log in between. QL_KILL_RUNS sets the number of kills (20), QL_KILL_SEED the seed.
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/store_use.h"

extern char **environ;

#define DOCUMENTS 60
#define COMMITS_MAX 100000

static const test_shape shape = {.dims = 24, .chunks_min = 0, .chunks_max = 5, .words = 20, .vocabulary = 300, .sources = 3};

typedef struct progress {
    _Atomic uint64_t started, acknowledged; /* commits, counted from 1 */
} progress;

static uint64_t test_seed;

/* What commit `number` does, as steps of its transaction. */
static void apply(ql__store *store, uint64_t number, uint64_t seed)
{
    ql_error err = {0};
    uint64_t state = seed * 7919 + number;
    size_t steps = 1 + (size_t)(test_random(&state) % 8);
    for (size_t i = 0; i < steps; i++) {
        uint64_t document = test_random(&state) % DOCUMENTS;
        if (test_random(&state) % 5 != 0) {
            store_put(store, document, number * 100 + i, &shape);
            continue;
        }
        char id[37];
        test_uuid(document, 0, id);
        ql_status st = ql__store_remove(store, ql_str_of(id), &err);
        assert_true(st == QL_OK || st == QL_E_NOTFOUND);
    }
}

static int child(const char *dir, const char *progress_path, uint64_t seed)
{
    ql_error err = {0};
    int fd = open(progress_path, O_RDWR);
    progress *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) return 3;
    ql__store *store = store_open(dir, true, &shape);
    for (uint64_t number = atomic_load(&shared->acknowledged) + 1; number < COMMITS_MAX; number++) {
        if (ql__store_begin(store, &err) != QL_OK) return 4;
        apply(store, number, seed);
        atomic_store(&shared->started, number);
        if (ql__store_commit(store, &err) != QL_OK) return 5;
        atomic_store(&shared->acknowledged, number);
        uint64_t state = number; /* irregular: between two of them the log is merged sometimes */
        if (test_random(&state) % 25 == 0 && ql__store_compact_now(store, &err) != QL_OK) return 6;
    }
    return 0;
}

/* Returns once `number` commits have begun, or after ten seconds. */
static void wait_for_start(const progress *shared, uint64_t number)
{
    struct timespec pause = {.tv_nsec = 200000};
    for (int i = 0; i < 50000 && atomic_load(&shared->started) < number; i++) nanosleep(&pause, NULL);
}

static void run_and_kill(const char *self_path, const char *dir, const char *progress_path, progress *shared, uint64_t *random)
{
    char seed[24];
    pid_t pid = 0;
    int status = 0;
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)test_seed);
    char *argv[] = {(char *)(uintptr_t)self_path, (char *)(uintptr_t)"child", (char *)(uintptr_t)dir, (char *)(uintptr_t)progress_path, seed, NULL};
    uint64_t before = atomic_load(&shared->started);
    assert_int_equal(posix_spawn(&pid, self_path, NULL, NULL, argv, environ), 0);
    if (test_random(random) % 5 != 0) wait_for_start(shared, before + 1 + test_random(random) % 20); /* else it may die while opening */
    struct timespec pause = {.tv_nsec = (long)(test_random(random) % 4000000)};
    nanosleep(&pause, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself: nothing failed */
}

/* Brings the uninterrupted index from commit *done to `target`, in one transaction. */
static void catch_up(ql__store *mirror, uint64_t *done, uint64_t target)
{
    ql_error err = {0};
    if (*done == target) return;
    expect_ok(ql__store_begin(mirror, &err));
    while (*done < target) apply(mirror, ++*done, test_seed);
    expect_ok(ql__store_commit(mirror, &err));
    if (target % 2) expect_ok(ql__store_compact_now(mirror, &err));
}

static bool same_dump(ql__store *a, ql__store *b)
{
    ql_buf left = QL_BUF_INIT, right = QL_BUF_INIT;
    store_dump_of(a, true, &left);
    store_dump_of(b, true, &right);
    bool same = ql_str_equal(ql_buf_str(&left), ql_buf_str(&right));
    ql_buf_dispose(&left);
    ql_buf_dispose(&right);
    return same;
}

/* A reader first (as a search beside a crashed ingest would), then the next writer, must show commit A or the one in flight. */
static void check(const char *dir, ql__store *mirror, uint64_t *done, progress *shared)
{
    uint64_t acknowledged = atomic_load(&shared->acknowledged), started = atomic_load(&shared->started);
    ql__store *reader = store_open(dir, false, &shape), *writer = NULL;
    catch_up(mirror, done, acknowledged);
    bool same = same_dump(reader, mirror);
    if (!same && started > acknowledged) {
        catch_up(mirror, done, started);
        same = same_dump(reader, mirror);
    }
    if (!same) fail_msg("after commit %llu (started %llu) the index differs, seed %llu", (unsigned long long)acknowledged, (unsigned long long)started, (unsigned long long)test_seed);
    ql__store_free(reader);
    writer = store_open(dir, true, &shape);
    assert_true(same_dump(writer, mirror));
    ql__store_free(writer);
    atomic_store(&shared->acknowledged, *done);
    atomic_store(&shared->started, *done);
}

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && text[0] ? strtoull(text, NULL, 10) : fallback;
}

static void test_store_kill__shows_exactly_what_was_acknowledged(void **state)
{
    const char *self_path = *state;
    char *dir = ql_test_dir_new(), *mirror_dir = ql_test_dir_new();
    const char *progress_path = ql_test_path(dir, "progress");
    progress zero = {0, 0};
    uint64_t done = 0, runs = env_number("QL_KILL_RUNS", 20);
    test_seed = env_number("QL_KILL_SEED", (uint64_t)time(NULL));
    uint64_t random = test_seed;
    print_message("seed %llu, %llu kills\n", (unsigned long long)test_seed, (unsigned long long)runs);
    ql_test_file_write(progress_path, (ql_str){(const char *)&zero, sizeof zero});
    int fd = open(progress_path, O_RDWR);
    progress *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(shared != MAP_FAILED);
    ql__store *mirror = store_open(mirror_dir, true, &shape), *held = NULL;
    ql__store_free(store_open(dir, true, &shape));
    for (uint64_t run = 0; run < runs; run++) {
        if (run % 2) held = store_open(dir, false, &shape);
        run_and_kill(self_path, dir, progress_path, shared, &random);
        check(dir, mirror, &done, shared);
        ql__store_free(held);
        held = NULL;
    }
    print_message("%llu commits survived\n", (unsigned long long)done);
    assert_true(done > 0);
    ql__store_free(mirror);
    munmap(shared, sizeof *shared);
    close(fd);
    ql_test_dir_remove(dir);
    ql_test_dir_remove(mirror_dir);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "child") == 0) return child(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_store_kill__shows_exactly_what_was_acknowledged, argv[0]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
