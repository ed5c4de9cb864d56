/*
 * Goal: nothing breaks at 4 kHz: no deadlock, no lost errno, no record that cannot be read, while threads come and go, the process forks, libraries are
 * opened and closed, memory churns and captures start and stop. Method: all of it at once for a while, QL_STORM_SECONDS (2).
 * A deadlock shows as the time limit of the test.
 */
#include "support/qprof_read.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "prof/span.h"
#include "sys/pool.h"
#include "sys/thread.h"

static int seconds = 2;
static atomic_bool stop;
static atomic_long errno_lost, rounds[8];
static _Thread_local volatile double sink;

static void spin(int count)
{
    for (int i = 1; i < count; i++) sink = sink + 1.0 / i;
}

/* An interrupt between setting and reading must not show. */
static void *keep_errno(void *user)
{
    (void)user;
    while (!atomic_load(&stop)) {
        for (int value = 1; value < 100; value++) {
            errno = value;
            spin(200);
            if (errno != value) atomic_fetch_add(&errno_lost, 1);
        }
        atomic_fetch_add(&rounds[0], 1);
    }
    return NULL;
}

static void *short_life(void *user)
{
    (void)user;
    QL_PROF_SPAN(span, "short life", "storm");
    ql_span_int(&span, "n", 1);
    spin(20000);
    ql_span_end(&span);
    return NULL;
}

static void *churn_threads(void *user)
{
    (void)user;
    while (!atomic_load(&stop)) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            assert_int_equal(i % 2 ? pthread_create(&threads[i], NULL, short_life, NULL) : ql__thread_start(&threads[i], short_life, NULL, NULL), 0);
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        atomic_fetch_add(&rounds[1], 1);
    }
    return NULL;
}

static void *fork_now_and_then(void *user)
{
    (void)user;
    while (!atomic_load(&stop)) {
        pid_t child = fork();
        if (child == 0) {
            QL_PROF_SPAN(span, "child", "storm");
            spin(1000);
            ql_span_end(&span);
            _exit(span.id == 0 ? 0 : 1);
        }
        int answer = -1;
        if (child > 0) {
            while (waitpid(child, &answer, 0) < 0 && errno == EINTR) {}
            assert_int_equal(answer, 0);
            atomic_fetch_add(&rounds[2], 1);
        }
        struct timespec pause = {0, 3000000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void *open_libraries(void *user)
{
    static const char *const names[] = {"libz.so.1", "libcrypt.so.1", "libexpat.so.1", "libbz2.so.1.0", "liblzma.so.5"};
    (void)user;
    for (size_t i = 0; !atomic_load(&stop); i++) {
        void *library = dlopen(names[i % 5], RTLD_NOW | RTLD_LOCAL);
        spin(2000);
        if (library != NULL) dlclose(library);
        atomic_fetch_add(&rounds[3], 1);
    }
    return NULL;
}

static void *churn_memory(void *user)
{
    void *kept[64] = {0};
    (void)user;
    for (size_t i = 0; !atomic_load(&stop); i++) {
        ql__free(kept[i % 64]);
        kept[i % 64] = ql__alloc(i * 37 % 9000 + 1);
        if (i % 16 == 0) kept[i % 64] = ql__realloc(kept[i % 64], i % 30000 + 1);
        if (i % 1000 == 0) atomic_fetch_add(&rounds[4], 1);
    }
    for (size_t i = 0; i < 64; i++) ql__free(kept[i]);
    return NULL;
}

static void one_stage(void *user, size_t index, size_t worker)
{
    (void)user;
    (void)worker;
    QL_SPAN(CHUNK);
    uint64_t before = ql_label_set("document", index % 2 ? QL_STR("odd") : QL_STR("even"));
    spin(3000);
    ql__counter_add(QL__COUNTER_CHUNKS, 1);
    ql_label_restore(before);
}

static void *run_pool(void *user)
{
    while (!atomic_load(&stop)) {
        ql__pool_run(user, 50, one_stage, NULL);
        atomic_fetch_add(&rounds[5], 1);
    }
    return NULL;
}

static ql_prof *begin(bool wall)
{
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_CPU | QL_PROF_HEAP | QL_PROF_MEMORY | QL_PROF_SPANS | (wall ? QL_PROF_WALL : 0u);
    options.rate_hz = 4000;
    options.heap_interval_bytes = 65536;
    if (ql_prof_start(&options, &prof, &err) < 0) fail_msg("%s", err.message);
    return prof;
}

/* Every record of the capture is walked: form and sums are asserted there. */
static uint64_t end(ql_prof *prof)
{
    ql_buf file = QL_BUF_INIT;
    assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
    assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &file, NULL), QL_OK);
    ql__qprof_end last = qprof_end(ql_buf_str(&file));
    assert_true(last.complete != 0);
#if !defined(__SANITIZE_THREAD__) /* it delivers signals later than they come, with the registers of before */
    assert_true(last.rootless * 100 <= last.samples + 100);
#endif
    uint64_t samples = last.samples;
    ql_prof_free(prof);
    ql_buf_dispose(&file);
    return samples;
}

static void test_prof_storm__nothing_breaks(void **state)
{
    (void)state;
    void *(*const mains[])(void *) = {keep_errno, churn_threads, fork_now_and_then, open_libraries, churn_memory, run_pool};
    pthread_t threads[6];
    ql__pool *pool = NULL;
    uint64_t samples = 0;
    assert_int_equal(ql__pool_new(3, &pool, NULL), QL_OK);
    ql__pool_hooks_set(pool, ql__prof_pool_hooks());
    for (int i = 0; i < 6; i++) assert_int_equal(pthread_create(&threads[i], NULL, mains[i], pool), 0);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t until = now.tv_sec + seconds;
    for (int round = 0; now.tv_sec < until; round++) {
        ql_prof *prof = begin(round % 2 == 1);
        for (int i = 0; i < 10; i++) usleep(40000);
        samples += end(prof);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    ql__pool_free(pool);
    assert_int_equal(atomic_load(&errno_lost), 0);
    for (int i = 0; i < 6; i++) assert_true(atomic_load(&rounds[i]) > 0); /* none of them stood still */
    print_message("%llu samples\n", (unsigned long long)samples);
#if !defined(__SANITIZE_THREAD__) /* it holds signals back */
    assert_true(samples > 0);
#endif
}

int main(void)
{
    const char *wanted = getenv("QL_STORM_SECONDS");
    if (wanted != NULL) seconds = atoi(wanted);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_prof_storm__nothing_breaks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
