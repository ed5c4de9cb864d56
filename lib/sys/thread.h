/* Threads of the library: signals are for the host's own threads, so all of them are blocked in ours from the first instruction on. */
#ifndef QL_THREAD_H
#define QL_THREAD_H

#include <pthread.h>

#include <qloader/base.h>

/* Names the calling thread for debuggers and profiles: at most 15 bytes. */
void ql__thread_name(const char *name);
/* Join it. QL_E_IO, QL_E_NOMEM: the kernel gives no thread. */
ql_status ql__thread_start(pthread_t *out, void *(*main_fn)(void *user), void *user, ql_error *err);

#endif
