/* See http_late.h. */
#include "dep/http_late.h"

#include <string.h>

#include "base/status.h"
#include "sys/thread.h"
#include "sys/wake.h"

ql_status ql__http_late_init(ql__http_late *self, ql__http_late_fn late_fn, void *user, int wake_fd, ql_error *err)
{
    *self = (ql__http_late){.late_fn = late_fn, .user = user, .enough_fd = -1, .wake_fd = wake_fd};
    return ql__wake_open(&self->enough_fd, err);
}

void ql__http_late_dispose(ql__http_late *self)
{
    ql__http_late_enough(self, true);
    ql__http_late_let_go(self);
    ql__wake_close(self->enough_fd);
    self->enough_fd = -1;
}

static void *late_main(void *user)
{
    ql__http_late *self = user;
    ql__thread_name("qloader-answer");
    const ql__http_watch watch = {self->enough_fd, &self->gone};
    self->late_fn(self->user, &self->request, &watch, &self->answer);
    atomic_store(&self->done, true);
    ql__wake_signal(self->wake_fd);
    return NULL;
}

/* The texts behind one another, found again by their lengths once the buffer no longer moves. */
static ql_status keep_request(ql__http_late *self, const ql__http_request *from)
{
    const ql_str parts[] = {from->method, from->path, from->query, from->accept};
    ql_str *const kept[] = {&self->request.method, &self->request.path, &self->request.query, &self->request.accept};
    size_t at = 0;
    ql_buf_init(&self->text, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) QL_TRY(ql_buf_append(&self->text, parts[i]));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; at += parts[i].len, i++) *kept[i] = (ql_str){ql_buf_cstr(&self->text) + at, parts[i].len};
    return QL_OK;
}

ql_status ql__http_late_begin(ql__http_late *self, const ql__http_request *request, ql_error *err)
{
    if (self->begun) return ql__fail(err, QL_E_BUSY, "another answer is being made");
    ql_status status = keep_request(self, request);
    if (status < 0) status = ql__fail_nomem(err);
    self->answer = (ql__http_answer){.code = 200, .content_type = QL__HTTP_TEXT};
    ql_buf_init(&self->answer.body, QL__HTTP_BODY_BYTES_MAX);
    atomic_store(&self->done, false);
    atomic_store(&self->gone, false);
    ql__wake_clear(self->enough_fd);
    if (status >= 0) status = ql__thread_start(&self->thread, late_main, self, err);
    self->begun = self->thread_there = status >= 0;
    if (status < 0) ql_buf_dispose(&self->text);
    return status;
}

bool ql__http_late_under_way(const ql__http_late *self)
{
    return self->begun;
}

bool ql__http_late_ready(const ql__http_late *self)
{
    return self->begun && atomic_load(&self->done);
}

void ql__http_late_enough(ql__http_late *self, bool gone)
{
    if (!self->begun) return;
    if (gone) atomic_store(&self->gone, true);
    ql__wake_signal(self->enough_fd);
}

ql__http_answer *ql__http_late_join(ql__http_late *self)
{
    if (self->begun && self->thread_there) {
        pthread_join(self->thread, NULL);
        self->thread_there = false;
    }
    return &self->answer;
}

void ql__http_late_let_go(ql__http_late *self)
{
    if (!self->begun) return;
    (void)ql__http_late_join(self);
    ql_buf_dispose(&self->answer.body);
    ql_buf_dispose(&self->text);
    self->begun = false;
}
