/* Asking another process: finding its page and socket, reading, sending. Threads: any. Cost: a few system calls. */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/live_answer.h"
#include "capture/live_read.h"
#include "prof/live_place.h"
#include "prof/live_sweep.h"
#include <qloader/live.h>

#define ANSWER_NS UINT64_C(5000000000)
#define POLL_MS 200

typedef struct target {
    const ql__sys *sys;
    ql__live_process process;
    ql__live_place place;
    ql__live_page *page;
} target;

static ql_status not_shown(const target *self, pid_t pid, ql_error *err)
{
    if (self->process.owner != geteuid() && geteuid() != 0) return ql__fail(err, QL_E_AUTH, "process %ld is another user's", (long)pid);
    return ql__fail(err, QL_E_NOTFOUND, "process %ld shows no live view: it is not of this library, or did not switch it on", (long)pid);
}

/* The page is of this process and not of an earlier one of its number. */
static ql_status target_open(target *self, int64_t number, const char *folder, ql_error *err)
{
    pid_t pid = number > 0 && number <= INT32_MAX ? (pid_t)number : -1;
    self->sys = ql__sys_default();
    if (pid < 0) return ql__fail(err, QL_E_INVALID, "%lld is no number of a process", (long long)number);
    QL_TRY(ql__live_process_read(self->sys, pid, &self->process, err));
    QL_TRY(ql__live_place_of(folder, pid, self->process.owner, &self->place, err));
    ql_error detail = {0};
    ql_status status = ql__live_folder_check(self->place.folder, self->process.owner, &detail);
    if (ql_status_kind(status) == QL_E_NOTFOUND || (status < 0 && self->process.owner != geteuid())) return not_shown(self, pid, err);
    if (status < 0) {
        if (err != NULL) *err = detail;
        return status;
    }
    self->page = ql__alloc_zero(1, sizeof *self->page);
    if (self->page == NULL) return ql__fail_nomem(err);
    status = ql__live_page_read(self->sys, self->place.stats, self->page, &detail);
    if (ql_status_kind(status) == QL_E_NOTFOUND || (status < 0 && self->process.owner != geteuid() && geteuid() != 0)) return not_shown(self, pid, err);
    if (status < 0 && err != NULL) *err = detail;
    /* One whose first thread has ended looks like a zombie, and its others work on. */
    if (status >= 0 && (self->process.state == 'Z' || self->process.state == 'X') && !ql__live_held(self->sys, self->place.stats))
        return ql__fail(err, QL_E_NOTFOUND, "process %ld has ended; the one that started it has not looked after it yet", (long)pid);
    if (status >= 0 && memcmp(self->page->magic, QL__LIVE_MAGIC, sizeof self->page->magic) == 0 && self->page->version == QL__LIVE_VERSION &&
        (self->page->start_ticks != self->process.start_ticks || self->page->pid != (uint64_t)pid))
        return ql__fail(err, QL_E_NOTFOUND, "'%s' is of a process that has ended; another one has its number now", self->place.stats);
    return status;
}

static void target_close(target *self)
{
    ql__free(self->page);
}

ql_status ql_live_stats_json(int64_t pid, const char *folder, ql_buf *out, ql_error *err)
{
    target self = {0};
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    ql_status status = target_open(&self, pid, folder, err);
    if (status >= 0) {
        const ql__live_reading reading = {.now_ns = ql__monotonic_ns(self.sys), .state = self.process.state, .symbols = true};
        status = ql__live_page_json(self.sys, (ql_str){(const char *)self.page, sizeof *self.page}, &reading, out, err);
    }
    target_close(&self);
    return status;
}

/* --- asking ---------------------------------------------------------------------------------------------------------------------- */

static ql_status connect_to(const target *self, int *out, ql_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, self->place.socket, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return ql__fail_errno(err, errno, "no socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        ql_status status = errno == EAGAIN ? ql__fail(err, QL_E_BUSY, "too many ask the process at once") :
                           errno == ECONNREFUSED || errno == ENOENT ? ql__fail(err, QL_E_NOTFOUND, "the process has ended, or ends") :
                           ql__fail_errno(err, errno, "'%s'", self->place.socket);
        (void)close(fd);
        return status;
    }
    *out = fd;
    return QL_OK;
}

typedef struct asking {
    const ql__sys *sys;
    int fd;
    ql_prof_write_fn write_fn;
    void *user;
    unsigned char *frame; /* (QL__LIVE_FRAME_BYTES) */
    uint64_t heard_ns;
    bool data, ended;     /* something has come; the end was asked for */
} asking;

static ql_status tell(asking *self, const void *bytes, size_t size, ql_error *err)
{
    if (self->write_fn == NULL || self->ended || self->write_fn(self->user, bytes, size) == 0) return QL_OK;
    self->ended = true; /* from here on only the end is waited for */
    if (send(self->fd, "stop", 4, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) return ql__fail_errno(err, errno, "cannot ask the process to end the recording");
    return QL_OK;
}

/* QL_DONE: that was the answer. */
static ql_status take_frame(asking *self, ssize_t size, ql_error *err)
{
    self->heard_ns = ql__monotonic_ns(self->sys);
    if (size == 0) return self->data ? ql__fail(err, QL_E_PARTIAL, "the process ended while it was recorded") : ql__fail(err, QL_E_NOTFOUND, "the process ended before it answered");
    if (size > QL__LIVE_FRAME_BYTES) return ql__fail(err, QL_E_FORMAT, "the process sends more than was agreed");
    ql_str data;
    ql_status status = ql__live_answer_read((ql_str){(const char *)self->frame, (size_t)size}, &data, err);
    if (status != QL_OK) return status;
    self->data = true;
    if (data.len == 0) return QL_OK;
    if (self->ended) { /* the end of the capture belongs to it: write_fn gets it, whatever it answers */
        (void)self->write_fn(self->user, data.ptr, data.len);
        return QL_OK;
    }
    return tell(self, data.ptr, data.len, err);
}

static ql_status take_answer(asking *self, ql_error *err)
{
    for (;;) {
        struct pollfd wait = {self->fd, POLLIN, 0};
        int ready = poll(&wait, 1, POLL_MS);
        if (ready <= 0 && self->write_fn != NULL) QL_TRY(tell(self, "", 0, err));
        if (ready <= 0) {
            /* A capture tells of itself every 50 ms where anything happens, and of its threads otherwise never: only before its first piece, and after the stop, silence means something. */
            bool owes = !self->data || self->ended;
            if (owes && ql__monotonic_ns(self->sys) - self->heard_ns > ANSWER_NS) return ql__fail(err, QL_E_TIMEOUT, "the process does not answer: it is stopped, or has no time");
            continue;
        }
        ssize_t size = recv(self->fd, self->frame, QL__LIVE_FRAME_BYTES, MSG_TRUNC);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (size < 0 && errno == ECONNRESET) size = recv(self->fd, self->frame, QL__LIVE_FRAME_BYTES, MSG_TRUNC | MSG_DONTWAIT); /* it closed without reading us; what it said first is there */
        if (size < 0) size = 0;
        ql_status status = take_frame(self, size, err);
        if (status != QL_OK) return status < 0 ? status : QL_OK;
    }
}

ql_status ql_live_ask(int64_t pid, const char *folder, ql_str request, ql_prof_write_fn write_fn, void *user, ql_error *err)
{
    target to = {0};
    asking self = {.fd = -1, .write_fn = write_fn, .user = user};
    if (request.ptr == NULL || request.len == 0 || request.len > QL__LIVE_REQUEST_BYTES) return ql__fail(err, QL_E_INVALID, "request: 1 to %d bytes", QL__LIVE_REQUEST_BYTES);
    ql_status status = target_open(&to, pid, folder, err);
    self.sys = to.sys;
    if (status >= 0) {
        ql_buf none = QL_BUF_INIT; /* another version speaks another language */
        const ql__live_reading reading = {.symbols = false};
        status = ql__live_page_json(to.sys, (ql_str){(const char *)to.page, sizeof *to.page}, &reading, &none, err);
        ql_buf_dispose(&none);
    }
    if (status >= 0) status = connect_to(&to, &self.fd, err);
    if (status >= 0 && (self.frame = ql__alloc(QL__LIVE_FRAME_BYTES)) == NULL) status = ql__fail_nomem(err);
    self.heard_ns = ql__monotonic_ns(to.sys != NULL ? to.sys : ql__sys_default());
    if (status >= 0 && send(self.fd, request.ptr, request.len, MSG_NOSIGNAL) < 0 && errno != EPIPE) status = ql__fail_errno(err, errno, "cannot ask the process");
    if (status >= 0) status = take_answer(&self, err);
    ql__free(self.frame);
    if (self.fd >= 0) (void)close(self.fd);
    target_close(&to);
    return status;
}

/* --- tasks ----------------------------------------------------------------------------------------------------------------------- */

#define TASKS_BYTES_MAX ((size_t)64 << 20) /* more than any process keeps */

static int keep_rows(void *user, const void *bytes, size_t size)
{
    ql_buf *rows = user;
    return rows->len + size > TASKS_BYTES_MAX || ql_buf_append(rows, (ql_str){bytes, size}) < 0;
}

ql_status ql_live_tasks_json(int64_t pid, const char *folder, ql_buf *out, ql_error *err)
{
    ql_buf rows = QL_BUF_INIT;
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    ql_status status = ql_live_ask(pid, folder, QL_STR("tasks"), keep_rows, &rows, err);
    if (status >= 0 && rows.status < 0) status = ql__fail_nomem(err);
    if (status >= 0) status = ql__live_tasks_json(ql_buf_str(&rows), ql__monotonic_ns(ql__sys_default()), out, err);
    ql_buf_dispose(&rows);
    return status;
}
