/* Which threads there are: the kernel's list of the process's tasks, read every 100 ms without allocating. */
#include "prof/collector.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "prof/proc_text.h"

#define TASK_FILE_BYTES 64

typedef struct kernel_entry { /* struct linux_dirent64 of man 2 getdents */
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
} kernel_entry;

/* What a file of a thread holds, a line and a NUL; file: "/comm". Empty: it could not be read. */
static ql_str read_of_thread(const ql__collector *self, pid_t tid, const char *file, char text[TASK_FILE_BYTES])
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%ld%s", (long)tid, file);
    size_t size = ql__proc_read(self->sys, path, text, TASK_FILE_BYTES);
    while (size > 0 && text[size - 1] == '\n') size--;
    text[size] = '\0';
    return (ql_str){text, size};
}

static uint32_t name_of(ql__collector *self, pid_t tid)
{
    char text[TASK_FILE_BYTES];
    return ql__collector_string(self, read_of_thread(self, tid, "/comm", text));
}

/* The second number of "task/TID/schedstat", which kernels with CONFIG_SCHED_INFO have (Documentation/scheduler/sched-stats.rst): ns on a queue of a processor. */
static bool read_delay(const ql__collector *self, pid_t tid, uint64_t *out)
{
    char text[TASK_FILE_BYTES];
    ql_str line = read_of_thread(self, tid, "/schedstat", text);
    const char *blank = strchr(line.ptr, ' ');
    char *end = NULL;
    if (blank == NULL) return false;
    *out = strtoull(blank + 1, &end, 10);
    return end > blank + 1;
}

uint64_t ql__collector_run_delay(const ql__collector *self)
{
    uint64_t sum = self->gone_delay_ns;
    const ql__prof_thread *thread;
    for (uint32_t i = 0; (thread = ql__prof_thread_at(i)) != NULL; i++) sum += thread->control.delay_ns;
    return sum;
}

void ql__collector_thread_record(ql__collector *self, ql__prof_thread *thread)
{
    pid_t tid = atomic_load_explicit(&thread->tid, memory_order_relaxed);
    if (!thread->control.known) {
        thread->control.known = true;
        thread->control.id = ++self->thread_ids;
        atomic_store(&self->threads_seen, self->thread_ids);
        thread->control.begin_ns = ql__monotonic_ns(self->sys);
        thread->control.name = name_of(self, tid);
    }
    uint32_t flags = atomic_load_explicit(&thread->own, memory_order_relaxed) ? QL__QPROF_THREAD_OWN : QL__QPROF_THREAD_FOREIGN;
    const ql__qprof_thread record = {.start_ns = thread->control.begin_ns, .end_ns = thread->control.end_ns, .cpu_ns = thread->control.cpu_ns, .id = thread->control.id,
                                     .tid = (uint32_t)tid, .name = thread->control.name, .flags = flags | (tid == self->pid ? QL__QPROF_THREAD_MAIN : 0u)};
    QL__QPROF_PUT(&self->writer, QL__QPROF_THREAD, &record);
}

/* What an older thread used and waited before the capture is its first reading, whenever that succeeds; a thread that came later has all its time in it. */
static void take_times(ql__collector *self, ql__prof_thread *thread, pid_t tid)
{
    uint64_t cpu = ql__sampler_cpu_ns(tid), delay;
    if (thread->control.older && thread->control.cpu_first_ns == 0) thread->control.cpu_first_ns = cpu; /* of a thread that lives it is never 0 */
    if (cpu != 0) thread->control.cpu_ns = cpu - thread->control.cpu_first_ns;
    if (!(self->delays_due || (thread->control.older && !thread->control.delay_based)) || !read_delay(self, tid, &delay)) return;
    self->delays_known = true;
    if (thread->control.older && !thread->control.delay_based) thread->control.delay_first_ns = delay;
    thread->control.delay_based = true;
    thread->control.delay_ns = delay > thread->control.delay_first_ns ? delay - thread->control.delay_first_ns : 0;
}

static void see(void *user, pid_t tid)
{
    ql__collector *self = user;
    if (tid == self->tid) return;
    ql__prof_thread *thread = ql__prof_thread_of(tid);
    if (thread == NULL) {
        self->missed = true;
        return;
    }
    thread->control.seen = true;
    if (!thread->control.met) {
        thread->control.met = true;
        thread->control.older = !self->scanned;
    }
    if (!thread->control.known) ql__collector_thread_record(self, thread);
    take_times(self, thread, tid);
    if (self->sampling && !self->quiet) ql__sampler_arm(&self->sampler, thread, tid, thread->control.cpu_first_ns);
}

static pid_t number_of(const char *name)
{
    pid_t number = 0;
    for (; *name >= '0' && *name <= '9'; name++) number = number * 10 + (*name - '0');
    return *name == '\0' ? number : 0;
}

/* False: the list could not be read to its end, so nobody is known to be gone. */
static bool read_list(int fd, void (*tid_fn)(void *user, pid_t tid), void *user)
{
    _Alignas(8) char bytes[4096];
    for (;;) {
        long size = syscall(SYS_getdents64, fd, bytes, sizeof bytes);
        if (size <= 0) return size == 0;
        for (long at = 0; at < size;) {
            const kernel_entry *entry = (const kernel_entry *)(const void *)(bytes + at);
            pid_t tid = number_of(entry->name);
            if (tid > 0) tid_fn(user, tid);
            at += entry->size;
        }
    }
}

void ql__collector_tids(const ql__sys *sys, void (*tid_fn)(void *user, pid_t tid), void *user)
{
    int fd;
    if (ql__file_open(sys, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0, &fd, NULL) < 0) return;
    (void)read_list(fd, tid_fn, user);
    ql__file_close(sys, fd);
}

static void retire(ql__collector *self, ql__prof_thread *thread)
{
    ql__sampler_disarm(thread);
    if (thread->control.known) {
        thread->control.end_ns = ql__monotonic_ns(self->sys);
        ql__collector_thread_record(self, thread);
    }
    self->gone_delay_ns += thread->control.delay_ns;
    self->gone_handler_ns += atomic_exchange(&thread->handler_ns, 0);
    memset(&thread->control, 0, sizeof thread->control);
    thread->control.perf_fd = -1;
    ql__prof_thread_release(thread);
}

void ql__collector_scan(ql__collector *self)
{
    ql__prof_thread *thread;
    int fd;
    for (uint32_t i = 0; (thread = ql__prof_thread_at(i)) != NULL; i++)
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) != 0) thread->control.seen = false;
    if (ql__file_open(self->sys, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0, &fd, NULL) < 0) return;
    self->missed = false;
    bool whole = read_list(fd, see, self);
    ql__file_close(self->sys, fd);
    self->scanned = self->scanned || (whole && !self->missed); /* one that was missed may be older than the capture */
    self->delays_due = false;
    if (!whole) return;
    ql__collector_drain(self); /* what those that ended have left */
    for (uint32_t i = 0; (thread = ql__prof_thread_at(i)) != NULL; i++) {
        pid_t tid = atomic_load_explicit(&thread->tid, memory_order_acquire);
        if (tid == 0 || thread->control.seen) continue;
        if (syscall(SYS_tgkill, self->pid, tid, 0) != 0) retire(self, thread); /* a new thread may be missing in the list, not in the kernel */
    }
}

void ql__collector_threads_write(ql__collector *self)
{
    ql__prof_thread *thread;
    for (uint32_t i = 0; (thread = ql__prof_thread_at(i)) != NULL; i++) {
        pid_t tid = atomic_load_explicit(&thread->tid, memory_order_acquire);
        if (tid == 0 || !thread->control.known) continue;
        uint32_t name = name_of(self, tid); /* it may have been given one since */
        if (name != 0) thread->control.name = name;
        ql__collector_thread_record(self, thread);
    }
}

void ql__collector_disarm_all(ql__collector *self)
{
    ql__prof_thread *thread;
    self->quiet = true;
    for (uint32_t i = 0; (thread = ql__prof_thread_at(i)) != NULL; i++)
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) != 0) ql__sampler_disarm(thread);
}
