/* A descriptor that an event loop can wait for: readable from a signal until it is cleared (eventfd). */
#ifndef QL_WAKE_H
#define QL_WAKE_H

#include <qloader/base.h>

ql_status ql__wake_open(int *out_fd, ql_error *err);
void ql__wake_close(int fd);
void ql__wake_signal(int fd); /* from any thread, never blocks */
void ql__wake_clear(int fd);
void ql__wake_wait(int fd, int timeout_ms); /* until it is readable, a signal handler ran, or the time is over (-1: never) */

#endif
