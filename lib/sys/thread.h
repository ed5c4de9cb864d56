/* Threads of the library: signals are for the host's own threads, so all of them are blocked in ours from the first instruction on. */
#ifndef QL_THREAD_H
#define QL_THREAD_H

#include <pthread.h>

#include <qloader/base.h>

/* QL_E_LIMIT or another failure of the kernel, told by its number; join it. */
ql_status ql__thread_start(pthread_t *out, void *(*main_fn)(void *user), void *user, ql_error *err);

#endif
