/* See thread.h. A new thread inherits the mask of its maker, which is why it is changed there for a moment. */
#include "sys/thread.h"

#include <signal.h>

#include "base/status.h"

ql_status ql__thread_start(pthread_t *out, void *(*main_fn)(void *user), void *user, ql_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(out, NULL, main_fn, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? QL_OK : ql__fail_errno(err, code, "cannot start a thread");
}

void ql__thread_name(const char *name)
{
    (void)pthread_setname_np(pthread_self(), name);
}
