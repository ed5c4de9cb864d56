/*
 * See sampler.h.
 *
 * Engines: timer_create on the thread's CPU clock with SIGEV_THREAD_ID (the clock of any thread of the process may be used: clockid of man 2
 * timer_create, encoded as the kernel does in include/linux/posix-timers_types.h), or a perf event (task-clock) whose descriptor signals the thread.
 *
 * Handler: async-signal-safe calls only (clock_gettime by the vDSO or the kernel, no lock, no memory), errno put back; its thread's entry is found by
 * the timer's value or the event's descriptor, not by thread-local memory of others. SIGPROF is blocked while it runs, so a ring has one writer.
 * Process-wide state (docs/internals/prof.md): the handler of SIGPROF while a capture runs, and which descriptor of perf is whose.
 */
#include "prof/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "prof/qprof.h"

#define PERF_FDS_MAX 4096 /* descriptors beyond are not used for events: the handler finds the thread by a table */
#define TIMER_KIND_SHIFT 16

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static atomic_uint perf_owner[PERF_FDS_MAX]; /* index of the thread's entry + 1 */
static struct sigaction action_before;
static bool signal_ours;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    if (clock_gettime(clock, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static clockid_t cpu_clock_of(pid_t tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6); /* per thread (4), scheduler's time (2) */
}

uint64_t ql__sampler_cpu_ns(pid_t tid)
{
    return clock_ns(cpu_clock_of(tid));
}

/* --- handler ------------------------------------------------------------------------------------------------------------------- */

static uint64_t load(const atomic_uint_least64_t *place)
{
    return atomic_load_explicit(place, memory_order_relaxed);
}

static void store(atomic_uint_least64_t *place, uint64_t value)
{
    atomic_store_explicit(place, value, memory_order_relaxed);
}

/*
 * Whether a thread that used little time waits; else it could run, and others had its processor. Thread sanitizer holds signals back and delivers them with
 * the registers of before, whose code may be gone by now: there it is taken to wait.
 */
static bool waits(const void *context)
{
#if defined(__SANITIZE_THREAD__)
    (void)context;
    return true;
#else
    return ql__unwind_in_system_call(context);
#endif
}

/* Weight and state of a sample; moves the thread's marks. Returns the thread's CPU clock. */
static uint64_t weigh(ql__prof_thread *thread, ql__sample *sample, const void *context, bool wall)
{
    uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    atomic_uint_least64_t *mark = wall ? &thread->wall_cpu_ns : &thread->cpu_last_ns;
    uint64_t used = cpu - load(mark);
    store(mark, cpu);
    sample->kind = wall ? QL__QPROF_WALL : QL__QPROF_CPU;
    sample->running = QL__QPROF_RUNNING;
    sample->weight_ns = used;
    if (!wall) return cpu;
    sample->weight_ns = sample->time_ns - load(&thread->wall_last_ns);
    store(&thread->wall_last_ns, sample->time_ns);
    if (used < sample->weight_ns / 2 && waits(context)) sample->running = QL__QPROF_WAITING;
    return cpu;
}

static void take(ql__prof_thread *thread, unsigned capture, const void *context, bool wall)
{
    uintptr_t frames[QL__UNWIND_FRAMES_MAX];
    ql__sample head;
    memset(&head, 0, sizeof head);
    head.time_ns = clock_ns(CLOCK_MONOTONIC);
    uint64_t cpu_begin = weigh(thread, &head, context, wall);
    bool anchored = atomic_load_explicit(&thread->generated, memory_order_relaxed) != 0;
    ql__unwind_thread stack = {ql__unwind_stack_end_at(context, thread->stack_low, thread->stack_high), anchored ? &thread->anchor : NULL};
    ql__unwind_result walked = ql__unwind_signal(context, &stack, frames, QL__UNWIND_FRAMES_MAX);
    head.capture = capture;
    head.span = load(&thread->span);
    head.task = load(&thread->task);
    head.labels = atomic_load_explicit(&thread->labels, memory_order_relaxed);
    head.kernel = walked.generated ? thread->kernel : NULL;
    head.count = walked.count;
    head.root = walked.root;
    head.truncated = walked.truncated;
    head.generated = walked.generated;
    size_t stack_bytes = walked.count * sizeof *frames;
    ql__sample *at = ql__ring_reserve(&thread->samples, (uint32_t)(sizeof head + stack_bytes));
    if (at != NULL) {
        memcpy(at, &head, sizeof head);
        memcpy(at->frames, frames, stack_bytes);
        ql__ring_commit(&thread->samples);
    }
    atomic_fetch_add_explicit(&thread->handler_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_begin, memory_order_relaxed); /* not by the wall: it may be preempted */
}

/* The entry that a signal is for; NULL: it is none of ours. */
static ql__prof_thread *addressee(const siginfo_t *info, bool *wall)
{
    *wall = false;
    if (info->si_code == SI_TIMER) {
        unsigned value = (unsigned)info->si_value.sival_int;
        *wall = value >> TIMER_KIND_SHIFT == QL__PROF_WALL_TIMER;
        return ql__prof_thread_at(value & ((1u << TIMER_KIND_SHIFT) - 1));
    }
    if (info->si_code != POLL_IN && info->si_code != POLL_HUP) return NULL;
    if (info->si_fd < 0 || info->si_fd >= PERF_FDS_MAX) return NULL;
    unsigned owner = atomic_load_explicit(&perf_owner[info->si_fd], memory_order_acquire);
    return owner != 0 ? ql__prof_thread_at(owner - 1) : NULL;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int before = errno;
    bool wall;
    unsigned capture = atomic_load_explicit(&ql__prof_on, memory_order_acquire);
    ql__prof_thread *thread = capture != 0 ? addressee(info, &wall) : NULL;
    (void)number;
    if (thread != NULL && atomic_load_explicit(&thread->tid, memory_order_acquire) == (pid_t)syscall(SYS_gettid)) take(thread, capture, context, wall);
    errno = before;
}

/* --- engines ------------------------------------------------------------------------------------------------------------------- */

static void timer_arm(ql__sampler *self, ql__prof_thread *thread, pid_t tid, int kind)
{
    clockid_t clock = kind == QL__PROF_WALL_TIMER ? CLOCK_MONOTONIC : cpu_clock_of(tid);
    if (kind == QL__PROF_WALL_TIMER) {
        store(&thread->wall_last_ns, clock_ns(CLOCK_MONOTONIC));
        store(&thread->wall_cpu_ns, ql__sampler_cpu_ns(tid));
    }
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGPROF;
    event.sigev_value.sival_int = (int)(thread->index | (unsigned)kind << TIMER_KIND_SHIFT);
    event.sigev_notify_thread_id = tid;
    timer_t timer;
    if (timer_create(clock, &event, &timer) != 0) {
        thread->control.refused = true;
        return;
    }
    struct itimerspec every = {.it_interval = {(time_t)(self->period_ns / 1000000000u), (long)(self->period_ns % 1000000000u)}};
    every.it_value = every.it_interval;
    if (timer_settime(timer, 0, &every, NULL) != 0) {
        timer_delete(timer);
        thread->control.refused = true;
        return;
    }
    memcpy(&thread->control.timer[kind], &timer, sizeof timer);
    thread->control.armed[kind] = true;
}

static int perf_open(uint64_t period_ns, pid_t tid)
{
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type = PERF_TYPE_SOFTWARE;
    attr.size = sizeof attr;
    attr.config = PERF_COUNT_SW_TASK_CLOCK;
    attr.sample_period = period_ns;
    attr.disabled = 1;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    attr.wakeup_events = 1;
    return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool perf_signal_to(int fd, pid_t tid)
{
    struct f_owner_ex owner = {F_OWNER_TID, tid};
    return fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK) == 0 && fcntl(fd, F_SETSIG, SIGPROF) == 0 && fcntl(fd, F_SETOWN_EX, &owner) == 0;
}

static bool perf_arm(ql__sampler *self, ql__prof_thread *thread, pid_t tid)
{
    int fd = perf_open(self->period_ns, tid);
    if (fd < 0) return false;
    if (fd >= PERF_FDS_MAX || !perf_signal_to(fd, tid)) {
        close(fd);
        return false;
    }
    atomic_store_explicit(&perf_owner[fd], thread->index + 1, memory_order_release);
    thread->control.perf_fd = fd;
    if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) == 0) return true;
    ql__sampler_disarm(thread);
    return false;
}

void ql__sampler_arm(ql__sampler *self, ql__prof_thread *thread, pid_t tid, uint64_t cpu_first_ns)
{
    if (thread->control.refused) return;
    if (self->wall && !thread->control.armed[QL__PROF_WALL_TIMER]) timer_arm(self, thread, tid, QL__PROF_WALL_TIMER);
    if (!self->cpu || thread->control.armed[QL__PROF_CPU_TIMER] || thread->control.perf_fd >= 0) return;
    store(&thread->cpu_last_ns, cpu_first_ns);
    if (self->engine == QL_PROF_PERF && perf_arm(self, thread, tid)) return;
    timer_arm(self, thread, tid, QL__PROF_CPU_TIMER);
}

void ql__sampler_disarm(ql__prof_thread *thread)
{
    for (int kind = 0; kind < QL__PROF_TIMERS; kind++) {
        timer_t timer;
        memcpy(&timer, &thread->control.timer[kind], sizeof timer);
        if (thread->control.armed[kind]) timer_delete(timer);
        thread->control.armed[kind] = false;
    }
    if (thread->control.perf_fd < 0) return;
    ioctl(thread->control.perf_fd, PERF_EVENT_IOC_DISABLE, 0);
    atomic_store(&perf_owner[thread->control.perf_fd], 0);
    close(thread->control.perf_fd);
    thread->control.perf_fd = -1;
}

/* --- the signal ---------------------------------------------------------------------------------------------------------------- */

static ql_status signal_take(ql_error *err)
{
    struct itimerval timer = {{0, 0}, {0, 0}};
    if (getitimer(ITIMER_PROF, &timer) == 0 && (timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0))
        return ql__fail(err, QL_E_BUSY, "another profiler of this process runs: it has set the timer of SIGPROF");
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, &action_before) != 0) return ql__fail_errno(err, errno, "cannot take SIGPROF");
    bool owned = action_before.sa_flags & SA_SIGINFO || (action_before.sa_handler != SIG_DFL && action_before.sa_handler != SIG_IGN);
    signal_ours = !owned;
    if (!owned) return QL_OK;
    sigaction(SIGPROF, &action_before, NULL);
    return ql__fail(err, QL_E_BUSY, "another profiler of this process runs: SIGPROF has a handler");
}

uint32_t ql__sampler_tick_hz(void)
{
    struct timespec tick = {0, 0};
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_sec != 0 || tick.tv_nsec <= 0) return 0;
    return (uint32_t)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

ql_status ql__sampler_open(ql__sampler *self, ql_prof_engine engine, bool cpu, bool wall, uint32_t rate_hz, ql_error *err)
{
    *self = (ql__sampler){.engine = engine, .cpu = cpu, .wall = wall, .period_ns = 1000000000u / rate_hz};
    /* A timer on a CPU clock is looked at in the kernel's tick, which comes anyway and so costs next to nothing. A perf event has an interrupt of its own, some 30 us on
     * a virtual machine: it is taken where the tick is too coarse. */
    if (engine == QL_PROF_AUTO) self->engine = rate_hz > ql__sampler_tick_hz() ? QL_PROF_PERF : QL_PROF_CTIMER;
    if (self->engine == QL_PROF_PERF && cpu) {
        int fd = perf_open(self->period_ns, (pid_t)syscall(SYS_gettid));
        if (fd >= 0) close(fd);
        self->fell_back = fd < 0;
        if (fd < 0) self->engine = QL_PROF_CTIMER;
    }
    return signal_take(err);
}

void ql__sampler_close(ql__sampler *self)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN; /* drops what is pending: by default the signal would end the process */
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPROF, &ignore, NULL);
    sigaction(SIGPROF, &action_before, NULL);
    signal_ours = false;
    (void)self;
}

void ql__sampler_after_fork(void)
{
    if (signal_ours) sigaction(SIGPROF, &action_before, NULL); /* a child has no pending signals and no timers of its parent */
    signal_ours = false;
    for (int fd = 0; fd < PERF_FDS_MAX; fd++) {
        if (atomic_exchange(&perf_owner[fd], 0) != 0) close(fd);
    }
}
