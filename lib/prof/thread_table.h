/*
 * Threads that a capture knows: each has two rings, one that its signal handler writes (samples) and one that its own code writes (events), and what
 * the handler needs to know of it. Entries are static and their rings are never unmapped, so that a late handler or hook writes to memory that is there.
 *
 * A thread claims its entry itself at its first event, or the control thread does when it finds it in /proc.
 */
#ifndef QL_THREAD_TABLE_H
#define QL_THREAD_TABLE_H

#include <sys/types.h>

#include "prof/ring.h"
#include "prof/unwind.h"
#include <qloader/prof.h>

#define QL__PROF_THREADS_MAX 1024

enum { QL__PROF_CPU_TIMER = 0, QL__PROF_WALL_TIMER = 1, QL__PROF_TIMERS = 2 };

typedef struct ql__prof_thread {
    atomic_int tid; /* 0: free. Changed under the table's lock only */
    uint32_t index;
    atomic_uint own; /* it claimed the entry itself: it is the library's or uses its hooks */

    ql__ring samples, events;
    atomic_uint_least64_t handler_ns; /* time spent in the handler */

    /* Written by the thread, read by its own handler: relaxed is enough, one thread sees its own writes in order. */
    atomic_uint_least64_t span, task;
    atomic_uint labels;
    atomic_uint generated; /* 1: `anchor` holds; set last, cleared first */
    ql__unwind_context anchor;
    const char *kernel;
    uint64_t spans_begun;
    uintptr_t stack_low, stack_high; /* its stack; high 0: not known, since it did not claim the entry itself */

    /* The handler's, after the control thread has set them before arming. */
    atomic_uint_least64_t cpu_last_ns;             /* CPU clock at the last sample */
    atomic_uint_least64_t wall_last_ns, wall_cpu_ns; /* both clocks at the last tick of the wall timer */

    /* The control thread's. */
    struct {
        void *timer[QL__PROF_TIMERS];
        int perf_fd;
        bool armed[QL__PROF_TIMERS], seen, known, refused;
        bool met, older;   /* a scan found it; when it may have been there before the capture */
        bool delay_based;  /* delay_first_ns is what it was first read as */
        uint32_t id, name; /* of the capture's records; name: a string */
        uint64_t begin_ns, end_ns, cpu_ns, cpu_first_ns;
        uint64_t delay_ns, delay_first_ns; /* how long it could run and had no processor; before the capture */
    } control;
} ql__prof_thread;

/* Which capture runs: its number, 0: none. Read by every hook. */
extern atomic_uint ql__prof_on __attribute__((visibility("hidden")));

/* The calling thread's entry for the running capture, claimed at the first call; NULL: no capture, or no room. */
ql__prof_thread *ql__prof_thread_here(void);
/* As above, but never claims: for handlers. */
ql__prof_thread *ql__prof_thread_known(void);
/* The control thread's: the entry of another thread. NULL: no room, or the table is in use this moment. */
ql__prof_thread *ql__prof_thread_of(pid_t tid);
ql__prof_thread *ql__prof_thread_at(uint32_t index); /* any entry, free ones too; NULL beyond the last ever used */
uint64_t ql__prof_thread_refused(void);              /* threads that found no entry, in this capture */
void ql__prof_thread_release(ql__prof_thread *self); /* the thread is gone and its rings are read */
/* Before a capture: what the last one left in the rings is dropped. */
void ql__prof_threads_reset(void);
void ql__prof_threads_after_fork(void);

/* Removes SIGPROF from a set of signals about to be blocked, where the calling thread can take it anywhere: it has an alternate stack. */
void ql__prof_keep_signal(void *sigset);
void ql__prof_let_signal(void); /* after a mask was put back that may be of before the capture */
/* While the live view is on, before a capture: the calling thread is made ready to be looked at, once. It may be stuck when somebody asks. */
void ql__prof_thread_ready(void);

#endif
