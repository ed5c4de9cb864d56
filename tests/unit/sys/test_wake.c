/* Goal: the descriptor is readable from a signal to a clear, however many signals came. Method: poll without waiting. */
#include "sys/wake.h"

#include <poll.h>

#include "support/testing.h"

static bool readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}

static void test_wake__is_readable_between_signal_and_clear(void **state)
{
    (void)state;
    int fd = -1;
    ql_error err = {0};
    assert_int_equal(ql__wake_open(&fd, &err), QL_OK);
    assert_false(readable(fd));
    ql__wake_clear(fd); /* never blocks */
    for (int i = 0; i < 1000; i++) ql__wake_signal(fd);
    assert_true(readable(fd));
    ql__wake_clear(fd);
    assert_false(readable(fd));
    ql__wake_close(fd);
    ql__wake_close(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wake__is_readable_between_signal_and_clear)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
