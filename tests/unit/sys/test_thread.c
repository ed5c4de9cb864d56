/* Goal: a thread of the library never runs a signal handler of the host. Method: a thread that reads its own mask. */
#include "sys/thread.h"

#include <signal.h>

#include "support/testing.h"

static void *read_mask(void *user)
{
    pthread_sigmask(SIG_BLOCK, NULL, user);
    return user;
}

static void test_thread__is_born_with_every_signal_blocked(void **state)
{
    (void)state;
    sigset_t theirs, before, after;
    pthread_t thread;
    ql_error err = {0};
    sigemptyset(&theirs);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(ql__thread_start(&thread, read_mask, &theirs, &err), QL_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGCHLD, SIGPROF};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_int_equal(sigismember(&theirs, signals[i]), 1);
        assert_int_equal(sigismember(&before, signals[i]), sigismember(&after, signals[i])); /* the maker's stays */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_thread__is_born_with_every_signal_blocked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
