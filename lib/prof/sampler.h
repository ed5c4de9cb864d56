/*
 * Stacks by signal: timers that interrupt each thread as it uses CPU time, or as time passes, and the handler that writes its stack into its ring. The
 * control thread arms and disarms. SIGPROF belongs to the sampler from ql__sampler_open to ql__sampler_close.
 */
#ifndef QL_SAMPLER_H
#define QL_SAMPLER_H

#include "prof/thread_table.h"

/* A record of the ring `samples`. */
typedef struct ql__sample {
    uint32_t capture;
    uint16_t kind, running; /* ql__qprof_sample_kind, ql__qprof_running */
    uint64_t time_ns, weight_ns, span, task;
    const char *kernel; /* static text; NULL: none */
    uint32_t labels, count;
    bool root, truncated, generated;
    uintptr_t frames[];
} ql__sample;

typedef struct ql__sampler {
    ql_prof_engine engine; /* as found out by ql__sampler_open: CTIMER or PERF; of CPU samples */
    bool cpu, wall;
    uint64_t period_ns;
    bool fell_back; /* perf was wanted and refused */
} ql__sampler;

/* QL_E_BUSY: SIGPROF has an owner. engine AUTO chooses. */
ql_status ql__sampler_open(ql__sampler *self, ql_prof_engine engine, bool cpu, bool wall, uint32_t rate_hz, ql_error *err);
/* Every thread must be disarmed before. SIGPROF goes back to what it was; one that is still on its way is dropped. */
void ql__sampler_close(ql__sampler *self);
/* Arms the timers of a thread where they are not; a thread that refuses is not asked again. cpu_first_ns: CPU time it used before the capture. */
void ql__sampler_arm(ql__sampler *self, ql__prof_thread *thread, pid_t tid, uint64_t cpu_first_ns);
void ql__sampler_disarm(ql__prof_thread *thread);
/* CPU time of any thread of this process; 0: it is gone. */
uint64_t ql__sampler_cpu_ns(pid_t tid);
/* Of the kernel, a second: the most that CTIMER takes. 0: not known. */
uint32_t ql__sampler_tick_hz(void);
void ql__sampler_after_fork(void);

#endif
