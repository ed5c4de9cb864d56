/* See wake.h. */
#include "sys/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"

ql_status ql__wake_open(int *out_fd, ql_error *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return ql__fail_errno(err, errno, "cannot make an event descriptor");
    *out_fd = fd;
    return QL_OK;
}

void ql__wake_close(int fd)
{
    if (fd >= 0) (void)close(fd);
}

void ql__wake_signal(int fd)
{
    int saved = errno;
    (void)eventfd_write(fd, 1); /* fails only where it is readable already */
    errno = saved;
}

void ql__wake_clear(int fd)
{
    eventfd_t count;
    int saved = errno;
    (void)eventfd_read(fd, &count);
    errno = saved;
}

void ql__wake_wait(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    (void)poll(&wait, 1, timeout_ms);
}
