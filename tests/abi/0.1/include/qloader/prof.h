/*
 * qloader/prof.h - profiling from inside: captures, spans, tasks, labels.
 *
 * A capture watches the whole process, whoever's threads they are, from ql_prof_start() to ql_prof_stop(): where CPU time goes (a timer interrupts
 * each thread as it uses time), what is allocated, how memory grows, and what spans and tasks tell. It becomes one file, capture.qprof, in a folder or
 * handed over in pieces. There is one capture a process at a time; the signal is SIGPROF. A child of fork() has none.
 *
 * A span is a stretch of one thread's time with a name; a task is a piece of work that moves between threads and waits; labels say on what a
 * thread works, and are in every sample. While no capture runs each of them costs a load and a branch. Nothing here calls back in a signal handler.
 *
 * The report of a capture draws conclusions from what spans are called and tell: a statement as the text "sql" in a span of category "sqlite", a request's
 * "url" and "connects" in one of category "http", a task's wait for a lock. docs/profiling.md has the table, "What a program tells".
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(int argc, char **argv) {
 *         ql_prof *prof = NULL;
 *         ql_error err = {0};
 *         ql_prof_options options = QL_PROF_OPTIONS_INIT;
 *         options.folder = argc > 1 ? argv[1] : NULL;
 *         ql_status status = ql_prof_start(&options, &prof, &err);
 *         volatile double sum = 0;
 *         for (int round = 0; round < 10; round++) {
 *             QL_PROF_SPAN(work, "round", "example");
 *             for (int i = 1; i < 1000000; i++) sum = sum + 1.0 / i;
 *             ql_span_int(&work, "number", round);
 *             ql_span_end(&work);
 *         }
 *         if (status >= 0) status = ql_prof_stop(prof, &err);
 *         puts(status >= 0 ? "done" : err.message);
 *         ql_prof_free(prof);
 *         return status < 0;
 *     }
 */
#ifndef QLOADER_PROF_H
#define QLOADER_PROF_H

#include <qloader/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- captures ---------------------------------------------------------------------------------------------------------------- */

/** What a capture takes; 0 in the options means QL_PROF_CPU | QL_PROF_HEAP | QL_PROF_MEMORY | QL_PROF_SPANS. */
enum {
    QL_PROF_CPU = 1,    /**< stacks of threads that use CPU time */
    QL_PROF_WALL = 2,   /**< stacks of all threads, waiting ones too. Interrupts system calls that are not restarted (poll, sleep): EINTR becomes frequent */
    QL_PROF_HEAP = 4,   /**< allocations of the library, and of all the process where ql_prof_heap_hooks() is in use */
    QL_PROF_MEMORY = 8, /**< memory of the process every 100 ms */
    QL_PROF_SPANS = 16  /**< spans, tasks, counters, waits for locks and queues over 1 ms */
};

/** How CPU samples are taken. */
typedef enum ql_prof_engine {
    QL_PROF_AUTO = 0,   /**< ctimer as far as the kernel's tick is fine enough, perf beyond it where the kernel allows */
    QL_PROF_CTIMER = 1, /**< a timer on each thread's CPU clock; no finer than the kernel's tick, each sample weighs what was used since the last */
    QL_PROF_PERF = 2,   /**< the kernel's perf events, user code only; ctimer where it refuses, told in the capture */
    QL_PROF_WALLCLOCK = 3 /**< QL_PROF_WALL instead of QL_PROF_CPU */
} ql_prof_engine;

/** Receives the bytes of a capture in order. Non-zero stops. */
typedef int (*ql_prof_write_fn)(void *user, const void *bytes, size_t size);

/** What a listener is told. */
typedef enum ql_prof_event_kind { QL_PROF_SPAN_ENDED = 1, QL_PROF_TASK_BEGAN = 2, QL_PROF_TASK_CHANGED = 3, QL_PROF_TASK_ENDED = 4 } ql_prof_event_kind;

typedef struct ql_prof_event {
    uint32_t struct_size;
    int32_t kind;          /**< ql_prof_event_kind */
    uint64_t id, parent;   /**< of the span or task */
    uint64_t begin_ns, end_ns; /**< CLOCK_MONOTONIC; end 0: not ended */
    ql_str name, category; /**< borrowed for the call */
    int32_t thread;        /**< kernel's id of the thread */
    int32_t state;         /**< of a task: 1 ready, 2 running, 3 waiting, 4 ended */
} ql_prof_event;

typedef struct ql_prof_options {
    uint32_t struct_size;
    uint32_t sources;            /**< QL_PROF_CPU and so on; 0: all but QL_PROF_WALL */
    int32_t engine;              /**< ql_prof_engine */
    uint32_t rate_hz;            /**< samples a second of CPU time (QL_PROF_WALL: of time) of each thread, 1 to 10,000; 0: 99 */
    uint64_t heap_interval_bytes; /**< mean bytes between sampled allocations; 0: 512 KiB; 1: every allocation */
    const char *folder;          /**< capture.qprof (0600) is written there, the folder made if need be, an older file replaced; it is locked until ql_prof_free(). NULL: kept in memory */
    ql_prof_write_fn write_fn;   /**< instead of a folder: receives the capture while it runs, on a thread of the capture, until the stop */
    void *write_user;
    uint64_t limit_bytes;        /**< the capture ends itself, in order, when it is larger; 0: 1 GiB, in memory 64 MiB */
    void (*listener_fn)(void *user, const ql_prof_event *event); /**< called on a thread of the capture, some 50 ms late; must not block for long */
    void *listener_user;
    uint64_t reserved[4];
} ql_prof_options;

#ifdef __cplusplus
#define QL_PROF_OPTIONS_INIT (ql_prof_options{sizeof(ql_prof_options), 0, 0, 0, 0, NULL, NULL, NULL, 0, NULL, NULL, {0, 0, 0, 0}})
#else
#define QL_PROF_OPTIONS_INIT {sizeof(ql_prof_options), 0, 0, 0, 0, NULL, NULL, NULL, 0, NULL, NULL, {0, 0, 0, 0}}
#endif
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_prof_options_init(ql_prof_options *options)
{
    const ql_prof_options defaults = QL_PROF_OPTIONS_INIT;
    *options = defaults;
}

/** A capture. Its functions are for one thread at a time. */
typedef struct ql_prof ql_prof;

/**
 * Starts a capture of this process.
 *
 * It has a thread of its own, in which all signals are blocked. Threads of the library and those that use spans get an alternate signal stack where they
 * have none, and no longer block SIGPROF.
 *
 * @param options  NULL for the defaults: kept in memory.
 * @param out      out: the capture; ql_prof_stop() ends it, ql_prof_free() frees it.
 * Errors:  QL_E_BUSY (a capture runs; one of another process is written to this folder; or SIGPROF has a handler or a timer of somebody else, which is left in place), QL_E_INVALID, QL_E_UNSUPPORTED (a
 *          value of the options that this build does not know), QL_E_NOMEM, QL_E_IO (folder, thread, timers).
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_prof_start(const ql_prof_options *options, ql_prof **out, ql_error *err);

/**
 * Writes what the capture holds so far, or all of it once it was stopped, as one readable capture.
 *
 * @param write_fn  called in this thread, no lock held. Not with a capture that has a write_fn of its own: QL_E_INVALID.
 * Errors:  QL_E_INVALID, QL_E_CALLBACK (write_fn stopped), QL_E_IO, QL_E_NOSPACE.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_prof_snapshot(ql_prof *self, ql_prof_write_fn write_fn, void *user, ql_error *err);

/**
 * Ends the capture: takes what is under way, writes the rest, gives SIGPROF back. The second call answers as the first.
 *
 * QL_E_CALLBACK: the options' write_fn stopped it. QL_E_IO, QL_E_NOSPACE: the file could not be written; what is there is readable. QL_E_NOMEM: parts
 * were left out for want of memory, counted in the capture. In a child of fork(): QL_E_INVALID. Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_prof_stop(ql_prof *self, ql_error *err);
/** Stops if need be, and frees; NULL is fine. A file stays. Since 0.1. */
QL_API void ql_prof_free(ql_prof *self);

/** What a capture has done so far. */
typedef struct ql_prof_info {
    uint32_t struct_size;
    int32_t engine;          /**< ql_prof_engine in use, 0: no samples */
    uint64_t samples;        /**< of CPU and wall time */
    uint64_t rootless;       /**< of them, those whose stack does not reach the first function of its thread */
    uint64_t dropped;        /**< records of any kind that found no room */
    uint64_t own_ns;         /**< CPU time of the capture itself, handlers included */
    uint64_t written_bytes;
    uint32_t threads;        /**< seen so far */
    uint32_t reserved0;
    uint64_t reserved[4];
} ql_prof_info;

/** Fills `out` as far as its struct_size says. QL_E_INVALID. Since 0.1. */
QL_API QL_MUST_USE ql_status ql_prof_info_read(ql_prof *self, ql_prof_info *out, ql_error *err);

/** Where the library keeps whether a capture runs: 0 means none. Static. Since 0.1. */
QL_API const uint32_t *ql_prof_switch(void);
/** Whether a capture runs in this process: a load, once it was asked for in this source file. Since 0.1. */
static inline bool ql_prof_running(void)
{
    static const uint32_t *on; /* one a source file; whoever sets it sets the same */
#if defined(__GNUC__)
    const uint32_t *there = __atomic_load_n(&on, __ATOMIC_RELAXED);
    if (there == NULL) __atomic_store_n(&on, there = ql_prof_switch(), __ATOMIC_RELAXED);
    return __atomic_load_n(there, __ATOMIC_RELAXED) != 0;
#else
    if (on == NULL) on = ql_prof_switch();
    return *(const volatile uint32_t *)on != 0;
#endif
}

/* --- spans ------------------------------------------------------------------------------------------------------------------- */

/** A place in the source where spans or tasks begin: static, one a place. `id` and `on` belong to the library and start as 0. */
typedef struct ql_site {
    const char *name;     /**< static text, as all of them */
    const char *category;
    const char *function;
    const char *file;
    uint32_t line;
    uint32_t id;
    const uint32_t *on;
} ql_site;

#define QL_SITE_INIT(name, category) {(name), (category), __func__, __FILE__, __LINE__, 0, NULL}

/** A span that runs; all zero: none (no capture). A value of frozen size, used in one thread, the last begun ended first. */
typedef struct ql_span {
    uint64_t id, parent;
    uint64_t begin_ns, cpu_ns;
    const ql_site *site;
} ql_span;

/** What the inline functions below call when a capture runs or the site is new. Not to be called directly. Since 0.1. */
QL_API ql_span ql_span_start(ql_site *site);
QL_API void ql_span_finish(ql_span *span);

/** Begins a span as a child of the thread's current one, and makes it current. Cannot fail: without room it is counted as dropped. Since 0.1. */
static inline ql_span ql_span_begin(ql_site *site)
{
#if defined(__GNUC__)
    const uint32_t *on = __atomic_load_n(&site->on, __ATOMIC_RELAXED);
    if (on != NULL && __atomic_load_n(on, __ATOMIC_RELAXED) == 0) {
        ql_span none = {0, 0, 0, 0, NULL};
        return none;
    }
#endif
    return ql_span_start(site);
}
/** Ends it; ending twice, or a span that is none, does nothing. Since 0.1. */
static inline void ql_span_end(ql_span *span)
{
    if (span->id != 0) ql_span_finish(span);
}

/** Declares a static site and begins a span in the variable; end it with ql_span_end(&variable). Name and category are texts of the program's choice; the report knows "http" and the names of databases. */
#define QL_PROF_SPAN(variable, name, category) \
    static ql_site variable##_site = QL_SITE_INIT(name, category); \
    ql_span variable = ql_span_begin(&variable##_site)

/** Something to know of a running span; key: up to 63 bytes, text up to 255, both copied. At most 8 a span are kept. Since 0.1. */
QL_API void ql_span_int(const ql_span *span, const char *key, int64_t value);
QL_API void ql_span_double(const ql_span *span, const char *key, double value);
QL_API void ql_span_text(const ql_span *span, const char *key, ql_str value);
/** Id of the calling thread's current span; 0: none. Since 0.1. */
QL_API uint64_t ql_span_current(void);
/** Tells that `from` brought about `to`, where that is not its child: ids of spans. Since 0.1. */
QL_API void ql_span_link(uint64_t from, uint64_t to);

/* --- tasks ------------------------------------------------------------------------------------------------------------------- */

/** What a task waits for. */
typedef enum ql_task_wait_kind {
    QL_TASK_WAIT_OTHER = 0,
    QL_TASK_WAIT_FD = 1,
    QL_TASK_WAIT_TIMER = 2,
    QL_TASK_WAIT_QUEUE = 3,
    QL_TASK_WAIT_LOCK = 4,
    QL_TASK_WAIT_POOL = 5
} ql_task_wait_kind;

/** A piece of work: a document, a request, a job. All zero: none. Used by one thread at a time; a value of frozen size. */
typedef struct ql_task {
    uint64_t id;
    uint64_t labels, outer_labels, outer_task; /**< the library's */
} ql_task;

QL_API ql_task ql_task_start(ql_site *site, ql_str name, uint64_t parent); /* what ql_task_begin() calls */
/** Begins a task that is ready to run, with the labels of the calling thread. parent: id of another, 0: none. All zero when neither a capture runs nor
 * the process shows itself (qloader/live.h). Since 0.1. */
static inline ql_task ql_task_begin(ql_site *site, ql_str name, uint64_t parent)
{
    return ql_task_start(site, name, parent);
}
/** The calling thread runs it from here on: its samples and spans are the task's. Since 0.1. */
QL_API void ql_task_run(ql_task *task);
/** It runs no more and could at once. Since 0.1. */
QL_API void ql_task_ready(ql_task *task);
/** It runs no more, and waits: for what, in a few words that are copied (63 bytes). A wait for a lock that ql_task_run() ends after 1 ms or more is a sample of
 * contention as well, with the stack of that call. Since 0.1. */
QL_API void ql_task_wait(ql_task *task, ql_task_wait_kind kind, const char *what);
/** It is over, from any state. Since 0.1. */
QL_API void ql_task_end(ql_task *task);

/* --- labels ------------------------------------------------------------------------------------------------------------------ */

/** What the inline functions below call while a capture runs. Not to be called directly. Since 0.1. */
QL_API uint64_t ql_label_put(const char *key, ql_str value);
QL_API void ql_label_put_back(uint64_t labels);

/**
 * Sets a label of the calling thread; it is in every sample and span from here on, and inherited by tasks. Returns what ql_label_restore() takes to put
 * the thread's labels back. key: up to 63 bytes, value up to 1023, copied; an empty value takes the label away. At most 16 a thread; the number of
 * different sets of a capture is bounded (65,535), later ones are counted and left out. Since 0.1.
 */
static inline uint64_t ql_label_set(const char *key, ql_str value)
{
    return ql_prof_running() ? ql_label_put(key, value) : 0;
}
static inline void ql_label_restore(uint64_t labels)
{
    if (labels != 0) ql_label_put_back(labels);
}

/* --- memory ------------------------------------------------------------------------------------------------------------------ */

/** What a program calls from its own malloc and free, so that a capture sees all libraries of the process. */
typedef struct ql_prof_heap_hooks {
    uint32_t struct_size;
    uint32_t reserved;
    const uint32_t *on;                       /**< 0: nothing need be called */
    void (*alloc_fn)(void *ptr, size_t size); /**< after an allocation; ptr NULL is ignored */
    void (*free_fn)(void *ptr);               /**< before memory is given back */
} ql_prof_heap_hooks;

/**
 * The hooks, static. From this call on captures take for granted that every allocation of the process is reported through them, the library's own
 * included: call it once, first thing in main(), from the program that defines malloc. Neither hook allocates. Threads: safe. Since 0.1.
 */
QL_API const ql_prof_heap_hooks *ql_prof_heap_hooks_use(void);

#ifdef __cplusplus
}
#endif

#endif
