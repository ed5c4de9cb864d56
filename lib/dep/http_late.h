/*
 * A request of the server of http_server.h whose answer takes its time: it is made on a thread of its own, while the server's goes on. One at a time.
 * Threads: late_fn runs on one of its own; the functions are for the server's, but for the first and the last, which are for whoever starts and stops it.
 */
#ifndef QL_HTTP_LATE_H
#define QL_HTTP_LATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "dep/http_server.h"

typedef struct ql__http_late {
    ql__http_late_fn late_fn;
    void *user;
    ql_buf text;             /* of the request, which points into it */
    ql__http_request request;
    ql__http_answer answer;
    int enough_fd, wake_fd;  /* enough: late_fn had better end; wake: of the server, signalled when the answer is there */
    pthread_t thread;
    bool begun, thread_there;
    atomic_bool done, gone;
} ql__http_late;

ql_status ql__http_late_init(ql__http_late *self, ql__http_late_fn late_fn, void *user, int wake_fd, ql_error *err);
/* Ends what is under way first. */
void ql__http_late_dispose(ql__http_late *self);
/* Copies the request and begins. QL_E_BUSY: another one is under way; QL_E_NOMEM, QL_E_IO. */
ql_status ql__http_late_begin(ql__http_late *self, const ql__http_request *request, ql_error *err);
bool ql__http_late_under_way(const ql__http_late *self); /* until its answer was let go */
bool ql__http_late_ready(const ql__http_late *self); /* there is an answer, which nobody has let go yet */
void ql__http_late_enough(ql__http_late *self, bool gone); /* the server stops; gone: nobody waits for it any more */
/* Waits for the thread; the answer stays until ql__http_late_let_go(). */
ql__http_answer *ql__http_late_join(ql__http_late *self);
void ql__http_late_let_go(ql__http_late *self);

#endif
