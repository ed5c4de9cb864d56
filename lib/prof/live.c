/*
 * The live view of this process: one thread that writes the page, answers on the socket and is the control thread of the captures it is asked for.
 *
 * Invariants: from ql_live_start on nothing is allocated from the application and no lock taken that its code holds: the struct is one mapping, captures run in
 * this thread. At most one capture runs, and a recording goes before sampling. What a peer sends is a message of at most QL__LIVE_REQUEST_BYTES or it is refused.
 * A peer that does not read is waited for a second, then dropped. Process-wide state: that there is a view.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/abi.h"
#include "base/status.h"
#include "prof/live.h"
#include "prof/live_place.h"
#include "prof/live_stats.h"
#include "prof/live_sweep.h"
#include "prof/live_tasks.h"
#include "sys/thread.h"
#include "sys/wake.h"
#include <qloader/live.h>

#define PEERS_MAX 8
#define OPEN_TRIES 20
#define PAGE_NS UINT64_C(500000000)
#define SILENT_NS UINT64_C(5000000000)   /* a peer that says nothing */
#define SAMPLE_AGE_NS UINT64_C(60000000000) /* sampling begins anew, so that its tables stay small */
#define SEND_BYTES 32768
#define SEND_WAIT_MS 1000
#define TASK_ROWS 128 /* a message */
#define HZ_MAX 1000
#define SAMPLE_MS_MAX 60000
#define RECORD_MS_MAX 86400000

typedef struct peer {
    int fd; /* -1: free */
    uint64_t since_ns;
} peer;

struct ql_live {
    const ql__sys *sys;
    ql_live_options options;
    pid_t pid;
    ql__live_place place;
    bool folder_used; /* it is good, and may have something of ours in it */
    int page_fd, listen_fd, wake_fd;
    pthread_t thread;
    atomic_bool stop;

    peer peers[PEERS_MAX];
    uint64_t page_due_ns, last_ns;
    uint32_t sample_hz;
    uint64_t sample_until_ns;
    int recorder; /* index of the peer, -1: none */
    uint64_t record_until_ns;
    bool capturing, for_recorder;
    uint64_t capture_begin_ns;
    ql__live_task rows[TASK_ROWS]; /* to be sent */
    ql__collector collector;
    ql__live_stats stats;
};

static atomic_bool shown;
static atomic_int yields; /* who captures instead of sampling */

void ql__live_after_fork(void)
{
    atomic_store(&shown, false); /* the thread is the parent's */
    atomic_store(&yields, 0);
    ql__live_tasks_after_fork();
}

bool ql__live_yield(void)
{
    atomic_fetch_add(&yields, 1);
    return atomic_load(&shown);
}

void ql__live_yield_end(void)
{
    atomic_fetch_sub(&yields, 1);
}

/* --- messages -------------------------------------------------------------------------------------------------------------------- */

/* False: the peer is gone, or does not read. */
static bool send_frame(int fd, char kind, const void *bytes, size_t size)
{
    struct iovec parts[2] = {{&kind, 1}, {(void *)(uintptr_t)bytes, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    for (int waited = 0;; waited = 1) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
        if ((errno != EAGAIN && errno != EINTR) || waited) return false;
        struct pollfd wait = {fd, POLLOUT, 0};
        if (poll(&wait, 1, SEND_WAIT_MS) <= 0 || (wait.revents & POLLOUT) == 0) return false;
    }
}

static void peer_close(ql_live *self, int index)
{
    if (self->peers[index].fd >= 0) (void)close(self->peers[index].fd);
    self->peers[index].fd = -1;
    if (self->recorder == index) self->recorder = -1;
}

static void send_failure(int fd, ql_status status, const char *text)
{
    char bytes[1 + sizeof(((ql_error *)0)->message)];
    bytes[0] = (char)-ql_status_kind(status);
    size_t size = strnlen(text, sizeof bytes - 1);
    memcpy(bytes + 1, text, size);
    (void)send_frame(fd, QL__LIVE_FAILED, bytes, size + 1);
}

static void refuse(ql_live *self, int index, ql_status status, const char *text)
{
    send_failure(self->peers[index].fd, status, text);
    peer_close(self, index);
}

static void accept_all(ql_live *self, uint64_t now)
{
    int fd;
    while ((fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct ucred who = {0};
        socklen_t size = sizeof who;
        int index = 0;
        while (index < PEERS_MAX && self->peers[index].fd >= 0) index++;
        if (index == PEERS_MAX) {
            send_failure(fd, QL_E_BUSY, "too many ask at once");
            (void)close(fd);
            continue;
        }
        self->peers[index] = (peer){fd, now};
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || (who.uid != geteuid() && who.uid != 0)) refuse(self, index, QL_E_AUTH, "the process is another user's");
    }
}

/* --- captures -------------------------------------------------------------------------------------------------------------------- */

static int to_recorder(void *user, const void *bytes, size_t size)
{
    ql_live *self = user;
    for (size_t at = 0; at < size; at += SEND_BYTES) {
        size_t part = size - at < SEND_BYTES ? size - at : SEND_BYTES;
        if (self->recorder < 0 || !send_frame(self->peers[self->recorder].fd, QL__LIVE_DATA, (const char *)bytes + at, part)) return 1;
    }
    return 0;
}

static int to_nobody(void *user, const void *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
    return 0;
}

static ql_status capture_begin(ql_live *self, bool for_recorder, uint32_t hz, bool wall, ql_error *err)
{
    if (!ql__capture_take()) return ql__fail(err, QL_E_BUSY, "the process runs a capture of its own");
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.rate_hz = hz;
    options.engine = wall ? QL_PROF_WALLCLOCK : QL_PROF_AUTO;
    options.write_fn = for_recorder ? to_recorder : to_nobody;
    options.write_user = self;
    options.limit_bytes = for_recorder ? UINT64_C(1) << 32 : UINT64_MAX;
    uint32_t sources = (uint32_t)(wall ? QL_PROF_WALL : QL_PROF_CPU) | QL_PROF_SPANS | (for_recorder ? (uint32_t)QL_PROF_MEMORY : 0);
    ql_status status = ql__collector_open(&self->collector, self->sys, &options, NULL, sources, err);
    if (status < 0) {
        ql__capture_give_back();
        return status;
    }
    self->collector.sample_fn = ql__live_sample;
    self->collector.span_fn = ql__live_span;
    self->collector.watch_user = &self->stats;
    ql__collector_begin(&self->collector);
    self->capturing = true;
    self->for_recorder = for_recorder;
    self->capture_begin_ns = ql__monotonic_ns(self->sys);
    return QL_OK;
}

/* The recorder gets the end of its capture, if it is still there. */
static void capture_end(ql_live *self)
{
    if (!self->capturing) return;
    ql_status status = ql__collector_end(&self->collector, NULL);
    ql__collector_dispose(&self->collector);
    ql__capture_give_back();
    self->capturing = false;
    if (!self->for_recorder || self->recorder < 0) return;
    if (status >= 0) (void)send_frame(self->peers[self->recorder].fd, QL__LIVE_END, "", 0);
    peer_close(self, self->recorder);
}

/* What runs becomes what is wanted. */
static void settle(ql_live *self, uint64_t now)
{
    bool record = self->recorder >= 0, sample = self->sample_hz != 0 && now < self->sample_until_ns && atomic_load(&yields) == 0;
    if (record && self->for_recorder && self->record_until_ns != 0 && now >= self->record_until_ns) {
        capture_end(self);
        record = false;
    }
    if (self->capturing && self->for_recorder && (!record || self->collector.writer.full)) capture_end(self);
    if (self->capturing && !self->for_recorder && (record || !sample || now - self->capture_begin_ns >= SAMPLE_AGE_NS)) capture_end(self);
    if (!self->capturing && !record && sample && capture_begin(self, false, self->sample_hz, false, NULL) < 0) self->sample_hz = 0;
}

/* Odd, the page, even. After a failure (the disk is full) the file stays odd, or as it was, until a round succeeds: readers say that it is never whole, or old. */
static ql_status write_page(ql_live *self, uint64_t now, ql_error *err)
{
    ql__live_page *page = &self->stats.page;
    if (self->capturing) page->sampled_ns += now - self->last_ns;
    self->last_ns = now;
    if (now < self->page_due_ns) return QL_OK;
    self->page_due_ns = now + PAGE_NS;
    page->mode = self->capturing ? (self->for_recorder ? QL__LIVE_RECORDING : QL__LIVE_SAMPLING) : ql_prof_running() ? QL__LIVE_ELSEWHERE : QL__LIVE_PASSIVE;
    page->rate_hz = self->capturing ? self->collector.options.rate_hz : 0;
    ql__live_stats_fill(&self->stats, self->capturing ? &self->collector : NULL, now);
    page->sequence |= 1; /* it may be odd from a round that failed */
    QL_TRY(ql__file_write_at(self->sys, self->page_fd, &page->sequence, sizeof page->sequence, offsetof(ql__live_page, sequence), err));
    QL_TRY(ql__file_write_at(self->sys, self->page_fd, page, sizeof *page, 0, err));
    page->sequence++;
    return ql__file_write_at(self->sys, self->page_fd, &page->sequence, sizeof page->sequence, offsetof(ql__live_page, sequence), err);
}

/* --- requests -------------------------------------------------------------------------------------------------------------------- */

/* A number of digits alone, up to max, at *at and behind it a blank or the end; false: it is none. */
static bool take_number(const char **at, uint64_t max, uint64_t *out)
{
    const char *digit = *at;
    for (*out = 0; *digit >= '0' && *digit <= '9' && digit - *at < 12; digit++) *out = *out * 10 + (uint64_t)(*digit - '0');
    if (digit == *at || *out > max || (*digit != ' ' && *digit != '\0')) return false;
    *at = *digit == ' ' ? digit + 1 : digit;
    return true;
}

static void ask_sample(ql_live *self, int index, const char *words, uint64_t now)
{
    uint64_t hz = 0, ms = 0;
    ql_error err = {0};
    if (!take_number(&words, HZ_MAX, &hz) || !take_number(&words, SAMPLE_MS_MAX, &ms) || *words != '\0') {
        refuse(self, index, QL_E_INVALID, "sample HZ MS: HZ is 0 to 1000, MS up to 60000");
        return;
    }
    if (self->capturing && !self->for_recorder && hz != self->sample_hz) capture_end(self);
    self->sample_hz = (uint32_t)hz;
    self->sample_until_ns = now + ms * 1000000u;
    if (hz != 0 && !self->capturing && capture_begin(self, false, (uint32_t)hz, false, &err) < 0) {
        self->sample_hz = 0;
        refuse(self, index, err.status, err.message);
        return;
    }
    self->page_due_ns = 0; /* who has the answer finds the page changed */
    (void)!write_page(self, ql__monotonic_ns(self->sys), NULL);
    (void)send_frame(self->peers[index].fd, QL__LIVE_END, "", 0);
    peer_close(self, index);
}

static void ask_record(ql_live *self, int index, const char *words)
{
    uint64_t hz = 0, ms = 0;
    ql_error err = {0};
    bool good = take_number(&words, HZ_MAX, &hz) && hz != 0, wall = strncmp(words, "wall ", 5) == 0;
    good = good && (wall || strncmp(words, "cpu ", 4) == 0);
    if (good) words += wall ? 5 : 4;
    if (!good || !take_number(&words, RECORD_MS_MAX, &ms) || *words != '\0') {
        refuse(self, index, QL_E_INVALID, "record HZ KIND MS: HZ is 1 to 1000, KIND cpu or wall, MS up to a day");
        return;
    }
    if (self->recorder >= 0) {
        refuse(self, index, QL_E_BUSY, "somebody records the process already");
        return;
    }
    capture_end(self);
    self->recorder = index;
    if (capture_begin(self, true, (uint32_t)hz, wall, &err) < 0) refuse(self, index, err.status, err.message);
    self->record_until_ns = ms != 0 ? self->capture_begin_ns + ms * 1000000u : 0; /* making it ready takes its time */
}

static void ask_tasks(ql_live *self, int index)
{
    uint32_t at = 0;
    size_t count;
    bool there = true;
    while (there && (count = ql__live_tasks_read(&at, self->rows, TASK_ROWS)) > 0)
        there = send_frame(self->peers[index].fd, QL__LIVE_DATA, self->rows, count * sizeof *self->rows);
    if (there) (void)send_frame(self->peers[index].fd, QL__LIVE_END, "", 0);
    peer_close(self, index);
}

static void ask_cancel(ql_live *self, int index)
{
    if (self->options.cancel_fn == NULL) {
        refuse(self, index, QL_E_UNSUPPORTED, "the program cannot be asked to stop");
        return;
    }
    self->options.cancel_fn(self->options.user);
    (void)send_frame(self->peers[index].fd, QL__LIVE_END, "", 0);
    peer_close(self, index);
}

static void answer(ql_live *self, int index, const char *request, uint64_t now)
{
    if (strncmp(request, "sample ", 7) == 0) ask_sample(self, index, request + 7, now);
    else if (strncmp(request, "record ", 7) == 0) ask_record(self, index, request + 7);
    else if (strcmp(request, "tasks") == 0) ask_tasks(self, index);
    else if (strcmp(request, "cancel") == 0) ask_cancel(self, index);
    else refuse(self, index, QL_E_INVALID, "no such request: sample, record, tasks, cancel");
}

static void read_peer(ql_live *self, int index, uint64_t now)
{
    char request[QL__LIVE_REQUEST_BYTES + 1];
    ssize_t size = recv(self->peers[index].fd, request, QL__LIVE_REQUEST_BYTES, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (self->recorder == index) { /* whatever it says means: enough. It may be gone, too */
        capture_end(self);
        return;
    }
    if (size <= 0) {
        peer_close(self, index);
        return;
    }
    if (size > QL__LIVE_REQUEST_BYTES || memchr(request, '\0', (size_t)size) != NULL) {
        refuse(self, index, QL_E_INVALID, "a request is up to 128 bytes of text");
        return;
    }
    request[size] = '\0';
    answer(self, index, request, now);
}

/* --- the thread ------------------------------------------------------------------------------------------------------------------ */

static void wait_and_serve(ql_live *self)
{
    struct pollfd waits[2 + PEERS_MAX] = {{self->wake_fd, POLLIN, 0}, {self->listen_fd, POLLIN, 0}};
    for (int i = 0; i < PEERS_MAX; i++) waits[2 + i] = (struct pollfd){self->peers[i].fd, POLLIN, 0};
    int ready = poll(waits, 2 + PEERS_MAX, self->capturing ? QL__LIVE_ROUND_MS : (int)(PAGE_NS / 1000000u));
    uint64_t now = ql__monotonic_ns(self->sys);
    for (int i = 0; i < PEERS_MAX; i++) {
        if (waits[2 + i].fd < 0) continue;
        if (ready > 0 && waits[2 + i].revents != 0) read_peer(self, i, now);
        else if (i != self->recorder && now - self->peers[i].since_ns >= SILENT_NS) peer_close(self, i);
    }
    if (ready > 0 && waits[1].revents != 0) accept_all(self, now);
}

static void *live_main(void *user)
{
    ql_live *self = user;
    ql__thread_name("qloader-live");
    while (!atomic_load(&self->stop)) {
        wait_and_serve(self);
        uint64_t now = ql__monotonic_ns(self->sys);
        settle(self, now);
        if (self->capturing) ql__collector_round(&self->collector);
        (void)!write_page(self, now, NULL);
    }
    capture_end(self);
    for (int i = 0; i < PEERS_MAX; i++) peer_close(self, i);
    return NULL;
}

/* --- start and end --------------------------------------------------------------------------------------------------------------- */

static ql_status open_place(ql_live *self, ql_error *err)
{
    QL_TRY(ql__live_place_of(self->options.folder, self->pid, geteuid(), &self->place, err));
    QL_TRY(ql__dir_make(self->sys, self->place.folder, 0700, err));
    QL_TRY(ql__live_folder_check(self->place.folder, geteuid(), err));
    self->folder_used = true;
    ql__live_sweep(self->sys, self->place.folder);
    (void)unlink(self->place.fresh); /* of an earlier process of this number */
    (void)unlink(self->place.stats);
    (void)unlink(self->place.socket);
    return QL_OK;
}

/* After the socket, and whole: whoever finds a page can read it and finds somebody who listens, also where the process stops or dies at once. */
static ql_status open_page(ql_live *self, ql_error *err)
{
    ql__live_process process;
    const ql__file_ops *file = self->sys->file;
    QL_TRY(ql__live_process_read(self->sys, self->pid, &process, err));
    QL_TRY(ql__file_open(self->sys, self->place.fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &self->page_fd, err));
    if (!ql__live_lock(self->page_fd)) return ql__fail_errno(err, errno, "cannot lock '%s'", self->place.fresh);
    ql__live_stats_init(&self->stats, self->sys, process.start_ticks);
    self->last_ns = ql__monotonic_ns(self->sys);
    QL_TRY(write_page(self, self->last_ns, err));
    if (file->renameat_fn(file->user, AT_FDCWD, self->place.fresh, AT_FDCWD, self->place.stats) != 0) return ql__fail_errno(err, errno, "cannot make '%s'", self->place.stats);
    return QL_OK;
}

static ql_status open_socket(ql_live *self, ql_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, self->place.socket, sizeof address.sun_path);
    self->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->listen_fd < 0 || bind(self->listen_fd, (const struct sockaddr *)&address, sizeof address) != 0 || chmod(self->place.socket, 0600) != 0 || listen(self->listen_fd, PEERS_MAX) != 0)
        return ql__fail_errno(err, errno, "cannot listen at '%s'", self->place.socket);
    return QL_OK;
}

/* The folder as well, unless somebody named it or another process shows itself there. */
static void close_place(ql_live *self, bool mine)
{
    if (mine && self->listen_fd >= 0) (void)unlink(self->place.socket);
    if (mine && self->page_fd >= 0) {
        (void)unlink(self->place.fresh);
        (void)unlink(self->place.stats);
    }
    if (mine && self->folder_used && self->options.folder == NULL) (void)rmdir(self->place.folder);
    if (self->listen_fd >= 0) (void)close(self->listen_fd);
    ql__file_close(self->sys, self->page_fd);
    self->listen_fd = self->page_fd = -1;
    self->folder_used = false;
}

/* Another process that ends may take the folder away before there is something in it. */
static ql_status open_all(ql_live *self, ql_error *err)
{
    ql_status status = QL_E_NOTFOUND;
    for (int i = 0; i < OPEN_TRIES && ql_status_kind(status) == QL_E_NOTFOUND; i++) {
        status = open_place(self, err);
        if (status >= 0) status = open_socket(self, err);
        if (status >= 0) status = ql__live_folder_check(self->place.folder, geteuid(), err); /* with something in it nobody takes it away and puts another there */
        if (status >= 0) status = open_page(self, err);
        if (status < 0) close_place(self, true);
    }
    return status;
}

static void release(ql_live *self, bool mine)
{
    close_place(self, mine);
    ql__wake_close(self->wake_fd);
    if (mine) ql__live_tasks_switch(false);
    if (mine) atomic_store(&shown, false);
    (void)self->sys->file->munmap_fn(self->sys->file->user, self, sizeof *self);
}

static ql_status read_options(const ql_live_options *given, ql_live_options *options, ql_error *err)
{
    ql_live_options_init(options);
    if (given == NULL) return QL_OK;
    QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_live_options", err));
    return ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_live_options", err);
}

ql_status ql_live_start(const ql_live_options *given, ql_live **out, ql_error *err)
{
    const ql__sys *sys = ql__sys_default();
    ql_live_options options;
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    QL_TRY(read_options(given, &options, err));
    ql__capture_fork_prepare();
    if (atomic_exchange(&shown, true)) return ql__fail(err, QL_E_BUSY, "this process has a live view already");
    ql_live *self = sys->file->mmap_fn(sys->file->user, sizeof *self, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self == MAP_FAILED) {
        atomic_store(&shown, false);
        return ql__fail_nomem(err);
    }
    self->sys = sys;
    self->options = options;
    self->pid = getpid();
    self->page_fd = self->listen_fd = self->wake_fd = self->recorder = -1;
    for (int i = 0; i < PEERS_MAX; i++) self->peers[i].fd = -1;
    ql_status status = ql__wake_open(&self->wake_fd, err);
    if (status >= 0) status = open_all(self, err);
    if (status >= 0) ql__live_tasks_switch(true);
    if (status >= 0) status = ql__thread_start(&self->thread, live_main, self, err);
    if (status < 0) release(self, true);
    else *out = self;
    return status;
}

void ql_live_free(ql_live *self)
{
    if (self == NULL) return;
    bool mine = self->pid == getpid();
    if (mine) {
        atomic_store(&self->stop, true);
        ql__wake_signal(self->wake_fd);
        (void)pthread_join(self->thread, NULL);
    }
    release(self, mine);
}
