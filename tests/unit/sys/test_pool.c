/*
 * Goal: every index runs exactly once, worker numbers never clash within a loop, loops share the threads, and a context
 * follows. No timing: waits end because of what other threads do, or the test's time limit ends them.
 */
#include "support/testing.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "sys/pool.h"

#define WORKERS_MAX 8

typedef struct tally {
    atomic_uint *hits;
    atomic_int busy[WORKERS_MAX];
    size_t pool_size;
    atomic_int clashes, out_of_range;
} tally;

static void tally_one(void *user, size_t index, size_t worker)
{
    tally *t = user;
    if (worker >= t->pool_size) atomic_fetch_add(&t->out_of_range, 1);
    else if (atomic_fetch_add(&t->busy[worker], 1) != 0) atomic_fetch_add(&t->clashes, 1);
    atomic_fetch_add(&t->hits[index], 1);
    if (index % 64 == 0) sched_yield();
    if (worker < t->pool_size) atomic_fetch_sub(&t->busy[worker], 1);
}

static void run_and_check(ql__pool *pool, size_t count)
{
    tally t = {.hits = calloc(count ? count : 1, sizeof(atomic_uint)), .pool_size = ql__pool_size(pool)};
    ql__pool_run(pool, count, tally_one, &t);
    for (size_t i = 0; i < count; i++) assert_int_equal(atomic_load(&t.hits[i]), 1);
    assert_int_equal(atomic_load(&t.clashes), 0);
    assert_int_equal(atomic_load(&t.out_of_range), 0);
    free(t.hits);
}

static void test_pool__runs_every_index_once(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 8};
    static const size_t counts[] = {0, 1, 2, 3, 7, 100, 5000};
    for (size_t s = 0; s < 4; s++) {
        ql__pool *pool = NULL;
        assert_int_equal(ql__pool_new(sizes[s], &pool, NULL), QL_OK);
        assert_int_equal(ql__pool_size(pool), sizes[s]);
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) run_and_check(pool, counts[c]);
        ql__pool_free(pool);
    }
}

static void *run_many(void *user)
{
    for (int i = 0; i < 50; i++) run_and_check(user, 1 + (size_t)i * 13 % 200);
    return NULL;
}

static void test_pool__loops_of_many_callers_share_it(void **state)
{
    (void)state;
    ql__pool *pool = NULL;
    pthread_t callers[4];
    assert_int_equal(ql__pool_new(4, &pool, NULL), QL_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&callers[i], NULL, run_many, pool), 0);
    for (int i = 0; i < 4; i++) pthread_join(callers[i], NULL);
    ql__pool_free(pool);
}

static void note_thread(void *user, size_t index, size_t worker)
{
    (void)index;
    assert_int_equal(worker, 0);
    assert_true(pthread_equal(*(pthread_t *)user, pthread_self()));
}

static void test_pool__of_one_runs_in_the_caller(void **state)
{
    (void)state;
    ql__pool *pool = NULL;
    pthread_t self = pthread_self();
    assert_int_equal(ql__pool_new(1, &pool, NULL), QL_OK);
    ql__pool_run(pool, 100, note_thread, &self);
    ql__pool_free(pool);
}

static void meet(void *user, size_t index, size_t worker)
{
    (void)index;
    (void)worker;
    pthread_barrier_wait(user);
}

static void test_pool__runs_as_many_at_once_as_it_says(void **state)
{
    (void)state;
    ql__pool *pool = NULL;
    pthread_barrier_t barrier;
    assert_int_equal(ql__pool_new(4, &pool, NULL), QL_OK);
    pthread_barrier_init(&barrier, NULL, 4); /* passes only with four threads inside */
    ql__pool_run(pool, 4, meet, &barrier);
    ql__pool_run(pool, 8, meet, &barrier);
    pthread_barrier_destroy(&barrier);
    ql__pool_free(pool);
}

/* ---- a long loop must not starve a new one ---- */

typedef struct long_loop {
    ql__pool *pool;
    atomic_bool stop;
} long_loop;

static void idle_until_stopped(void *user, size_t index, size_t worker)
{
    (void)index;
    (void)worker;
    if (!atomic_load(&((long_loop *)user)->stop)) nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void *run_long_loop(void *user)
{
    ql__pool_run(((long_loop *)user)->pool, 200000, idle_until_stopped, user);
    return NULL;
}

static void test_pool__threads_move_to_a_new_loop(void **state)
{
    (void)state;
    long_loop loop = {0};
    pthread_t other;
    pthread_barrier_t barrier;
    assert_int_equal(ql__pool_new(3, &loop.pool, NULL), QL_OK);
    assert_int_equal(pthread_create(&other, NULL, run_long_loop, &loop), 0);
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 20; i++) ql__pool_run(loop.pool, 2, meet, &barrier); /* each needs a thread of the long loop */
    atomic_store(&loop.stop, true);
    pthread_join(other, NULL);
    pthread_barrier_destroy(&barrier);
    ql__pool_free(loop.pool);
}

/* ---- context and signals ---- */

static _Thread_local int context;
static atomic_int wrong_context;

static void context_capture(ql__pool_context *out)
{
    out->words[0] = (uintptr_t)context;
}

static void context_enter(const ql__pool_context *captured, ql__pool_context *previous)
{
    context_capture(previous);
    context = (int)captured->words[0];
}

static void context_leave(const ql__pool_context *previous)
{
    context = (int)previous->words[0];
}

static void check_context(void *user, size_t index, size_t worker)
{
    (void)index;
    (void)worker;
    if (context != *(int *)user) atomic_fetch_add(&wrong_context, 1);
    sched_yield();
}

static void *run_with_context(void *user)
{
    static atomic_int next = 1;
    context = atomic_fetch_add(&next, 1);
    for (int i = 0; i < 50; i++) ql__pool_run(user, 50, check_context, &context);
    return NULL;
}

static void test_pool__carries_the_callers_context(void **state)
{
    (void)state;
    static const ql__pool_hooks hooks = {context_capture, context_enter, context_leave};
    ql__pool *pool = NULL;
    pthread_t callers[3];
    assert_int_equal(ql__pool_new(4, &pool, NULL), QL_OK);
    ql__pool_hooks_set(pool, &hooks);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&callers[i], NULL, run_with_context, pool), 0);
    for (int i = 0; i < 3; i++) pthread_join(callers[i], NULL);
    assert_int_equal(atomic_load(&wrong_context), 0);
    ql__pool_free(pool);
}

typedef struct signals_seen {
    pthread_barrier_t barrier;
    sigset_t masks[3];
} signals_seen;

static void read_mask(void *user, size_t index, size_t worker)
{
    (void)index;
    signals_seen *seen = user;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->masks[worker]);
    pthread_barrier_wait(&seen->barrier);
}

static void test_pool__threads_leave_signals_to_the_program(void **state)
{
    (void)state;
    ql__pool *pool = NULL;
    signals_seen seen;
    assert_int_equal(ql__pool_new(3, &pool, NULL), QL_OK);
    pthread_barrier_init(&seen.barrier, NULL, 3);
    ql__pool_run(pool, 3, read_mask, &seen);
    assert_false(sigismember(&seen.masks[0], SIGTERM)); /* the caller's own is untouched */
    for (int i = 1; i < 3; i++) {
        assert_true(sigismember(&seen.masks[i], SIGTERM));
        assert_true(sigismember(&seen.masks[i], SIGINT));
        assert_true(sigismember(&seen.masks[i], SIGUSR1));
    }
    pthread_barrier_destroy(&seen.barrier);
    ql__pool_free(pool);
}

/* ---- limits ---- */

static void test_pool__counts_the_cores_of_the_process(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(ql__core_count(), CPU_COUNT(&before));
    ql__pool *pool = NULL;
    assert_int_equal(ql__pool_new(0, &pool, NULL), QL_OK);
    assert_int_equal(ql__pool_size(pool), CPU_COUNT(&before));
    ql__pool_free(pool);
    size_t core = 0;
    while (!CPU_ISSET(core, &before)) core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(ql__core_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void test_pool__refuses_too_many_threads(void **state)
{
    (void)state;
    ql_error err;
    ql__pool *pool = NULL;
    assert_int_equal(ql__pool_new(257, &pool, &err), QL_E_INVALID);
    assert_int_equal(ql__pool_new(SIZE_MAX, &pool, &err), QL_E_INVALID);
    assert_null(pool);
    ql__pool_free(NULL);
}

static ql_status make_pool(void *user, ql_error *err)
{
    (void)user;
    ql__pool *pool = NULL;
    ql_status status = ql__pool_new(3, &pool, err);
    if (status == QL_OK) run_and_check(pool, 10);
    ql__pool_free(pool);
    return status;
}

static void test_pool__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, make_pool, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__runs_every_index_once),
        cmocka_unit_test(test_pool__loops_of_many_callers_share_it),
        cmocka_unit_test(test_pool__of_one_runs_in_the_caller),
        cmocka_unit_test(test_pool__runs_as_many_at_once_as_it_says),
        cmocka_unit_test(test_pool__threads_move_to_a_new_loop),
        cmocka_unit_test(test_pool__carries_the_callers_context),
        cmocka_unit_test(test_pool__threads_leave_signals_to_the_program),
        cmocka_unit_test(test_pool__counts_the_cores_of_the_process),
        cmocka_unit_test(test_pool__refuses_too_many_threads),
        cmocka_unit_test(test_pool__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
