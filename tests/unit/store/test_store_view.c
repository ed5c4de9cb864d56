/*
 * Goal: a snapshot is one commit, whatever is written, compacted or removed meanwhile; new ones show new commits.
 * Method: dumps of an open snapshot before and after changes; threads and processes that read while one writes, each of which must see
 * whole documents of one version only.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "support/store_use.h"

extern char **environ;

static const test_shape shape = {.dims = 24, .chunks_min = 2, .chunks_max = 5, .words = 20, .vocabulary = 200, .sources = 3};
#define DOCUMENTS 25

static void test_store_view__stays_while_others_write_and_compact(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *writer = store_open(dir, true, &shape);
    store_fill(writer, 0, DOCUMENTS, 10, 1, &shape);
    ql__store *reader = store_open(dir, false, &shape);
    ql__snapshot *snapshot = snapshot_open(reader);
    for (uint64_t i = 0; i < DOCUMENTS; i++) expect_document(snapshot, i, 1, &shape);
    store_fill(writer, 0, DOCUMENTS, 10, 2, &shape);
    expect_ok(ql__store_compact_now(writer, &err));
    store_fill(writer, 0, DOCUMENTS, 10, 3, &shape);
    for (uint64_t i = 0; i < DOCUMENTS; i++) expect_document(snapshot, i, 1, &shape);
    ql__snapshot_free(snapshot);
    snapshot = snapshot_open(reader);
    for (uint64_t i = 0; i < DOCUMENTS; i++) expect_document(snapshot, i, 3, &shape);
    ql__snapshot_free(snapshot);
    ql__store_free(reader);
    ql__store_free(writer);
    ql_test_dir_remove(dir);
}

static void test_store_view__snapshots_of_one_connection_are_the_same(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *writer = store_open(dir, true, &shape), *reader = store_open(dir, false, &shape);
    store_fill(writer, 0, 5, 5, 1, &shape);
    ql__snapshot *first = snapshot_open(reader);
    store_fill(writer, 0, 5, 5, 2, &shape);
    ql__snapshot *second = snapshot_open(reader);
    ql__snapshot_free(first);
    for (uint64_t i = 0; i < 5; i++) expect_document(second, i, 1, &shape);
    ql__snapshot_free(second);
    ql__snapshot *own = snapshot_open(writer);
    assert_int_equal(ql__store_begin(writer, &err), QL_E_BUSY);
    ql__snapshot_free(own);
    expect_ok(ql__store_begin(writer, &err));
    assert_int_equal(ql__snapshot_open(writer, &own, &err), QL_E_INVALID);
    ql__store_rollback(writer);
    ql__store_free(reader);
    ql__store_free(writer);
    ql_test_dir_remove(dir);
}

/* The version all documents of a snapshot have: commits change all at once. Asserts that texts and vectors fit it. */
static uint64_t version_of(ql__snapshot *snapshot)
{
    ql_error err = {0};
    uint64_t version = 0;
    struct ql_arena arena;
    ql__arena_init(&arena.arena, 0);
    for (uint64_t number = 0; number < DOCUMENTS; number++) {
        float query[24];
        char id[37];
        ql__score score;
        size_t count = 0;
        ql_stored_chunk chunk;
        test_uuid(number, 1, id);
        test_vector(ql_str_of(id), version ? version : 1, shape.dims, query);
        for (uint64_t try = version ? version : 1; try < 400; try++) { /* the first document tells the version */
            test_vector(ql_str_of(id), try, shape.dims, query);
            expect_ok(ql__snapshot_dense(snapshot, query, NULL, 1, &score, &count, &err));
            assert_int_equal(count, 1);
            if (score.score > 0.9999f || version) {
                version = try;
                break;
            }
        }
        assert_true(score.score > 0.9999f);
        expect_ok(ql__snapshot_chunk(snapshot, score.slot, &arena, &chunk, &err));
        assert_true(strncmp(chunk.id.ptr, id, 36) == 0);
        test_document document;
        test_document_make(&document, number, version, &shape);
        assert_true(ql_str_equal(chunk.text, document.document.chunks[0].chunk.text));
        test_document_dispose(&document);
    }
    ql__arena_dispose(&arena.arena);
    return version;
}

typedef struct reading {
    const char *dir;
    atomic_bool stop;
    uint64_t snapshots, last;
    bool backwards;
} reading;

static void *read_on(void *user)
{
    reading *self = user;
    ql__store *reader = store_open(self->dir, false, &shape);
    while (!atomic_load(&self->stop) || self->snapshots == 0) {
        ql__snapshot *snapshot = snapshot_open(reader);
        uint64_t version = version_of(snapshot);
        if (version < self->last) self->backwards = true;
        self->last = version;
        self->snapshots++;
        ql__snapshot_free(snapshot);
    }
    ql__store_free(reader);
    return NULL;
}

static void test_store_view__threads_see_whole_commits(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    reading readers[2] = {{.dir = dir}, {.dir = dir}};
    pthread_t threads[2];
    ql__store *writer = store_open(dir, true, &shape);
    store_fill(writer, 0, DOCUMENTS, DOCUMENTS, 1, &shape);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    for (uint64_t version = 2; version <= 60; version++) {
        store_fill(writer, 0, DOCUMENTS, DOCUMENTS, version, &shape);
        if (version % 9 == 0) expect_ok(ql__store_compact_now(writer, &err));
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&readers[i].stop, true);
        pthread_join(threads[i], NULL);
        assert_true(readers[i].snapshots > 0);
        assert_false(readers[i].backwards);
    }
    ql__store_free(writer);
    ql_test_dir_remove(dir);
}

static int child(const char *dir, const char *stop_path)
{
    uint64_t last = 0, snapshots = 0;
    ql__store *reader = store_open(dir, false, &shape);
    while (!ql_test_file_exists(stop_path) || snapshots == 0) {
        ql__snapshot *snapshot = snapshot_open(reader);
        uint64_t version = version_of(snapshot);
        if (version < last) return 7;
        last = version;
        snapshots++;
        ql__snapshot_free(snapshot);
    }
    ql__store_free(reader);
    return 0;
}

static void test_store_view__processes_see_whole_commits(void **state)
{
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    char *stop_path = strdup(ql_test_path(dir, "stop"));
    char *argv[] = {*state, (char *)(uintptr_t)"child", dir, stop_path, NULL};
    pid_t pids[2];
    ql__store *writer = store_open(dir, true, &shape);
    store_fill(writer, 0, DOCUMENTS, DOCUMENTS, 1, &shape);
    for (int i = 0; i < 2; i++) assert_int_equal(posix_spawn(&pids[i], argv[0], NULL, NULL, argv, environ), 0);
    for (uint64_t version = 2; version <= 60; version++) {
        store_fill(writer, 0, DOCUMENTS, DOCUMENTS, version, &shape);
        if (version % 9 == 0) expect_ok(ql__store_compact_now(writer, &err));
    }
    ql_test_file_write(stop_path, QL_STR("stop"));
    for (int i = 0; i < 2; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    ql__store_free(writer);
    free(stop_path);
    ql_test_dir_remove(dir);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "child") == 0) return child(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_view__stays_while_others_write_and_compact),
        cmocka_unit_test(test_store_view__snapshots_of_one_connection_are_the_same),
        cmocka_unit_test(test_store_view__threads_see_whole_commits),
        cmocka_unit_test_prestate(test_store_view__processes_see_whole_commits, argv[0]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
