/*
 * The control thread of a capture: empties the rings of all threads every 50 ms, gives ids to what they hold and writes it down. It takes no lock that
 * the application's code can hold and no memory from its allocator, so that it works while every other thread is stuck.
 */
#ifndef QL_COLLECTOR_H
#define QL_COLLECTOR_H

#include <pthread.h>

#include "prof/connection_count.h"
#include "prof/mapping_table.h"
#include "prof/place_table.h"
#include "prof/prof_event.h"
#include "prof/sampler.h"
#include "sys/machine.h"

#define QL__COLLECTOR_PERIOD_MS 50 /* between two rounds, and less while rings are full by then */
#define QL__PENDING_SPANS 256 /* spans with attributes that run at once; the oldest gives way */
#define QL__SPAN_ATTRIBUTES_MAX 8

typedef struct ql__pending_span {
    uint64_t id;     /* 0: free */
    uint64_t order; /* the less, the longer it is there */
    uint32_t count;
    ql__qprof_attribute attributes[QL__SPAN_ATTRIBUTES_MAX];
} ql__pending_span;

typedef struct ql__task_state {
    ql__qprof_task record;
    uint64_t changed_ns; /* when record.state began */
    bool dirty;
} ql__task_state;

typedef struct ql__memory_state {
    uint64_t smaps_due_ns, malloc_due_ns, pss, heap_inuse, heap_slack;
} ql__memory_state;

typedef struct ql__collector {
    const ql__sys *sys;
    ql_prof_options options;
    uint32_t capture; /* its number */
    pid_t pid, tid;   /* of the process; of the control thread, which is not watched */
    uint32_t sources;

    ql__machine machine;
    ql__sampler sampler;
    bool sampling, quiet; /* SIGPROF is ours; nobody is armed any more */
    bool scanned; /* the threads that were there before the capture are known */
    bool missed;  /* of the scan under way: a thread had no entry yet */
    ql__qprof_writer writer;

    /* Ids of the capture. */
    ql__intern strings, stacks, tasks;
    ql__vm task_states; /* ql__task_state of each id of `tasks` */
    ql__vm dirty_tasks; /* uint32_t: those that changed since they were written */
    ql__mapping_table mappings;
    bool mappings_stale; /* a pc lay in no mapping */
    uint32_t sites_written;
    uint64_t labels_written[(QL__LABELS_MAX + 64) / 64];
    uint32_t thread_ids;
    ql__pending_span pending[QL__PENDING_SPANS];
    uint64_t pending_next;

    uint64_t begin_ns, scan_due_ns, slow_due_ns, memory_due_ns, look_due_ns;
    ql__memory_state memory;
    ql__vm counters; /* last value of each counter, by its string's id */
    ql__connection_count connections; /* wanted: a span of HTTP was seen */
    uint64_t peak_before;  /* of the process's resident memory, when the capture began; 0: not known */
    uint64_t opens_before; /* of connections, on this machine, when the capture began; UINT64_MAX: not known */
    uint64_t gone_handler_ns; /* of threads that ended */
    uint64_t gone_delay_ns;   /* the same of their waits for a processor */
    bool delays_due, delays_known; /* to be read at the next scan; the kernel tells them */

    /* Told to ql_prof_info_read by any thread. */
    atomic_uint_least64_t samples, rootless, dropped, own_ns;
    atomic_uint threads_seen;
    uint64_t lost[QL__QPROF_END + 1]; /* besides the writer's */

    /* Who looks on, on the control thread, before a record is written; NULL: nobody. */
    void (*sample_fn)(void *user, const ql__sample *sample);
    void (*span_fn)(void *user, const ql__event_span *event);
    void *watch_user;

    uint32_t fullest; /* percent of a ring of events, at the last round */
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t lock; /* guards what follows; held by nobody while foreign code runs */
    pthread_cond_t answered;
    uint64_t asked, answers;
    bool stop;
} ql__collector;

/* The options are checked. path: of the file, NULL: none. Everything is under way on QL_OK. */
ql_status ql__collector_start(ql__collector *self, const ql__sys *sys, const ql_prof_options *options, const char *path, uint32_t sources, ql_error *err);
/*
 * The same for a thread that is the control thread itself: open and begin, then a round every QL__COLLECTOR_PERIOD_MS, then end; then dispose. A thread
 * that cannot be made where malloc is stuck need not be made.
 */
ql_status ql__collector_open(ql__collector *self, const ql__sys *sys, const ql_prof_options *options, const char *path, uint32_t sources, ql_error *err);
void ql__collector_begin(ql__collector *self);
void ql__collector_round(ql__collector *self);
ql_status ql__collector_end(ql__collector *self, ql_error *err);
/* Waits until all that threads wrote before the call is in the sink. */
void ql__collector_sync(ql__collector *self);
/* Ends and joins. What the sink answered. */
ql_status ql__collector_stop(ql__collector *self, ql_error *err);
void ql__collector_dispose(ql__collector *self); /* after stop */

/* The right to capture this process, of which there is one; false: somebody has it. */
bool ql__capture_take(void);
void ql__capture_give_back(void);
void ql__capture_fork_prepare(void); /* handlers of fork are in place */
void ql__live_after_fork(void);

/* --- parts of the control thread ---- */

/* How long to pause until the next round after one of `pause_ms` that found a ring of events `percent` full. */
int ql__collector_pause(int pause_ms, uint32_t percent);

uint32_t ql__collector_string(ql__collector *self, ql_str text); /* id; 0: empty or no room */
uint32_t ql__collector_labels(ql__collector *self, uint32_t set); /* writes the set if need be; its id */
uint32_t ql__collector_site(ql__collector *self, uint32_t site);
uint32_t ql__collector_stack(ql__collector *self, const uintptr_t *frames, uint32_t count, uint32_t flags, const char *kernel);
void ql__collector_note(ql__collector *self, const char *text);
void ql__collector_thread_record(ql__collector *self, ql__prof_thread *thread); /* gives it an id, writes THREAD */

void ql__collector_drain(ql__collector *self);          /* samples and events of all threads */
void ql__collector_event(ql__collector *self, ql__prof_thread *thread, const ql__event *event, uint32_t size);
void ql__collector_tasks_write(ql__collector *self);    /* those that changed */
void ql__collector_scan(ql__collector *self);           /* new threads, ended ones */
uint64_t ql__collector_run_delay(const ql__collector *self); /* how long threads could run and had no processor, as last read; a thread of less than a second may be missing */
void ql__collector_tids(const ql__sys *sys, void (*tid_fn)(void *user, pid_t tid), void *user); /* the process's threads, whether or not a capture runs */
void ql__collector_threads_write(ql__collector *self);  /* all that are there, with their CPU time so far */
void ql__collector_disarm_all(ql__collector *self);
void ql__collector_memory(ql__collector *self, uint64_t now);
void ql__collector_counters(ql__collector *self, uint64_t now);
void ql__collector_meta(ql__collector *self);           /* what the process and the machine are */
void ql__collector_connections(ql__collector *self);    /* written down: what the looks at them saw, if there were any */
void ql__collector_peak(ql__collector *self); /* what memory reached between two looks */
uint64_t ql__collector_machine_opens(const ql__collector *self); /* connections asked for on this machine or in this container since it began; UINT64_MAX: not known */
void ql__collector_meta_number(ql__collector *self, const char *key, uint64_t value);

#endif
