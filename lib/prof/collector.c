/*
 * The control thread's life, and the ids it gives. See collector.h; parts: collector_drain.c (samples, spans, tasks), collector_threads.c (who is
 * there), collector_process.c (memory, counters, what the process is).
 *
 * Invariants: everything of ql__collector but `lock`'s members and the atomics belongs to the control thread between start and stop. An id is written
 * before it is used (qprof_write.h). Full tables lose records, which are counted by kind in END.
 */
#include "prof/collector.h"

#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "prof/heap_profile.h"
#include "sys/thread.h"
#include "sys/wake.h"

#define STRINGS_MAX (1u << 22)
#define STACKS_MAX (1u << 20)
#define TASKS_MAX (1u << 18)
#define SCAN_NS UINT64_C(100000000)
#define LOOK_NS UINT64_C(40000000) /* every round, but for hurried ones */
#define SLOW_NS UINT64_C(1000000000)

/* --- ids ----------------------------------------------------------------------------------------------------------------------- */

uint32_t ql__collector_string(ql__collector *self, ql_str text)
{
    bool fresh;
    if (text.len == 0) return 0;
    if (text.len > QL__QPROF_STRING_BYTES_MAX) text.len = QL__QPROF_STRING_BYTES_MAX;
    uint32_t id = ql__intern_put(&self->strings, text.ptr, text.len, &fresh);
    if (id == 0) self->lost[QL__QPROF_STRING]++;
    const ql__qprof_string record = {id};
    if (fresh) ql__qprof_put(&self->writer, QL__QPROF_STRING, &record, sizeof record, text.ptr, 1, text.len);
    return id;
}

static uint32_t string_of_path(void *user, ql_str text)
{
    return ql__collector_string(user, text);
}

uint32_t ql__collector_site(ql__collector *self, uint32_t site)
{
    while (self->sites_written < site) {
        const ql__site_copy *copy = ql__site_get(self->sites_written + 1);
        if (copy == NULL) return 0;
        const ql__qprof_site record = {.id = ++self->sites_written, .name = ql__collector_string(self, ql_str_of(copy->name)),
                                       .category = ql__collector_string(self, ql_str_of(copy->category)),
                                       .function = ql__collector_string(self, ql_str_of(copy->function)),
                                       .file = ql__collector_string(self, ql_str_of(copy->file)), .line = copy->line};
        QL__QPROF_PUT(&self->writer, QL__QPROF_SITE, &record);
    }
    return site;
}

static int label_compare(const ql__label *a, const ql__label *b)
{
    return ql_str_compare((ql_str){a->key, a->key_size}, (ql_str){b->key, b->key_size});
}

uint32_t ql__collector_labels(ql__collector *self, uint32_t set)
{
    const ql__label *sorted[QL__LABELS_THREAD_MAX];
    ql__qprof_label pairs[QL__LABELS_THREAD_MAX];
    size_t count = 0;
    if (set == 0 || set > QL__LABELS_MAX || ql__labels_get(set) == NULL) return 0;
    if (self->labels_written[set / 64] >> (set % 64) & 1) return set;
    for (uint32_t id = set; id != 0 && count < QL__LABELS_THREAD_MAX; count++) {
        const ql__label *label = ql__labels_get(id);
        size_t at = count;
        for (; at > 0 && label_compare(sorted[at - 1], label) > 0; at--) sorted[at] = sorted[at - 1];
        sorted[at] = label;
        id = label->base;
    }
    for (size_t i = 0; i < count; i++) {
        pairs[i].key = ql__collector_string(self, (ql_str){sorted[i]->key, sorted[i]->key_size});
        pairs[i].value = ql__collector_string(self, (ql_str){sorted[i]->value, sorted[i]->value_size});
    }
    const ql__qprof_labels record = {set};
    ql__qprof_put(&self->writer, QL__QPROF_LABELS, &record, sizeof record, pairs, sizeof *pairs, count);
    self->labels_written[set / 64] |= UINT64_C(1) << (set % 64);
    return set;
}

uint32_t ql__collector_stack(ql__collector *self, const uintptr_t *frames, uint32_t count, uint32_t flags, const char *kernel)
{
    struct {
        uint32_t flags, kernel;
        ql__qprof_frame frames[QL__UNWIND_FRAMES_MAX];
    } key;
    key.flags = flags;
    key.kernel = kernel != NULL ? ql__collector_string(self, ql_str_of(kernel)) : 0;
    for (uint32_t i = 0; i < count; i++) {
        bool exact = i == 0 && !(flags & QL__QPROF_STACK_CALL);
        uint32_t mapping = ql__mapping_at(&self->mappings, exact ? frames[i] : frames[i] - 1);
        if (mapping == 0 && !(i == 0 && flags & QL__QPROF_STACK_GENERATED)) self->mappings_stale = true;
        key.frames[i] = (ql__qprof_frame){frames[i], mapping, 0};
    }
    bool fresh;
    uint32_t id = ql__intern_put(&self->stacks, &key, offsetof(__typeof__(key), frames) + count * sizeof *key.frames, &fresh);
    if (id == 0) self->lost[QL__QPROF_STACK]++;
    const ql__qprof_stack record = {id, flags, key.kernel};
    if (fresh) ql__qprof_put(&self->writer, QL__QPROF_STACK, &record, sizeof record, key.frames, sizeof *key.frames, count);
    return id;
}

void ql__collector_note(ql__collector *self, const char *text)
{
    const ql__qprof_note record = {.time_ns = ql__monotonic_ns(self->sys), .text = ql__collector_string(self, ql_str_of(text))};
    QL__QPROF_PUT(&self->writer, QL__QPROF_NOTE, &record);
}

/* --- rounds -------------------------------------------------------------------------------------------------------------------- */

static uint64_t own_cpu_ns(const ql__collector *self)
{
    struct timespec used = {0, 0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    uint64_t total = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec + self->gone_handler_ns;
    const ql__prof_thread *thread;
    for (uint32_t i = 0; (thread = ql__prof_thread_at(i)) != NULL; i++) total += atomic_load_explicit(&thread->handler_ns, memory_order_relaxed);
    return total;
}

static void write_end(ql__collector *self, uint32_t complete)
{
    ql__qprof_drop drops[QL__QPROF_END + 1];
    size_t count = 0;
    uint64_t total = 0;
    self->lost[QL__QPROF_LABELS] = ql__labels_dropped();
    self->lost[QL__QPROF_THREAD] = ql__prof_thread_refused();
    self->lost[QL__QPROF_MAPPING] = self->mappings.lost;
    for (uint32_t kind = 1; kind <= QL__QPROF_END; kind++) {
        uint64_t lost = self->lost[kind] + self->writer.lost[kind];
        total += lost;
        if (lost != 0) drops[count++] = (ql__qprof_drop){kind, 0, lost};
    }
    atomic_store(&self->dropped, total);
    const ql__qprof_end record = {.time_ns = ql__monotonic_ns(self->sys), .own_ns = own_cpu_ns(self), .samples = atomic_load(&self->samples),
                                  .rootless = atomic_load(&self->rootless), .complete = complete};
    ql__qprof_put(&self->writer, QL__QPROF_END, &record, sizeof record, drops, count != 0 ? sizeof *drops : 0, count);
}

void ql__collector_round(ql__collector *self)
{
    uint64_t now = ql__monotonic_ns(self->sys);
    if (now >= self->slow_due_ns) self->delays_due = true; /* a file a thread: dearer than the rest of a scan */
    if (now >= self->scan_due_ns) {
        ql__collector_scan(self);
        self->scan_due_ns = now + SCAN_NS;
    }
    if (self->mappings_stale || now >= self->slow_due_ns) {
        self->mappings_stale = false;
        ql__mapping_refresh(&self->mappings, &self->writer, string_of_path, self);
    }
    ql__collector_drain(self);
    if (self->connections.wanted && now >= self->look_due_ns) {
        ql__connection_look(&self->connections);
        self->look_due_ns = now + LOOK_NS;
    }
    if (self->sources & QL_PROF_MEMORY && now >= self->memory_due_ns) {
        ql__collector_memory(self, now);
        self->memory_due_ns = now + SCAN_NS;
    }
    if (now >= self->slow_due_ns) {
        if (self->sources & QL_PROF_SPANS) ql__collector_counters(self, now);
        self->slow_due_ns = now + SLOW_NS;
    }
    ql__collector_tasks_write(self);
    bool was_full = self->writer.full;
    ql__qprof_flush(&self->writer);
    if (self->writer.full && !was_full) ql__collector_disarm_all(self); /* what comes now is not kept */
    atomic_store(&self->own_ns, own_cpu_ns(self));
}

/* Answers who waits in ql__collector_sync, with END so that what is there so far can be read as a capture. */
static bool serve(ql__collector *self)
{
    pthread_mutex_lock(&self->lock);
    bool stop = self->stop;
    uint64_t asked = self->asked;
    bool waiting = asked != self->answers;
    pthread_mutex_unlock(&self->lock);
    if (!waiting) return stop;
    if (!stop) {
        ql__collector_round(self);
        if (self->sources & QL_PROF_HEAP) ql__heap_write(self, QL__QPROF_HEAP_SNAPSHOT);
        ql__collector_threads_write(self);
        ql__collector_connections(self);
        write_end(self, 0);
        ql__qprof_flush(&self->writer);
    }
    pthread_mutex_lock(&self->lock);
    self->answers = asked;
    pthread_cond_broadcast(&self->answered);
    pthread_mutex_unlock(&self->lock);
    return stop;
}

static void last_words(ql__collector *self)
{
    ql__collector_disarm_all(self);
    self->delays_due = true;
    ql__collector_scan(self); /* last figures of threads */
    self->slow_due_ns = 0; /* of counters */
    self->memory_due_ns = self->memory.malloc_due_ns = 0; /* and of memory */
    ql__collector_round(self);
    if (self->sources & QL_PROF_HEAP) ql__heap_write(self, QL__QPROF_HEAP_FINAL);
    bool cut = self->writer.full && self->writer.status >= 0;
    ql__qprof_finish(&self->writer);
    if (cut) ql__collector_note(self, "the capture reached its limit of bytes: what came later is not in it");
    ql__collector_threads_write(self);
    ql__collector_connections(self);
    ql__collector_peak(self);
    ql__collector_meta_number(self, "stop_monotonic_ns", ql__monotonic_ns(self->sys));
    write_end(self, cut ? 2 : 1);
    ql__qprof_flush(&self->writer);
    atomic_store(&self->own_ns, own_cpu_ns(self));
}

/* Aims at a ring a quarter full, so that a burst of four times as many events still finds room; grows slowly, as bursts come again. */
int ql__collector_pause(int pause_ms, uint32_t percent)
{
    int next = percent > 25 ? (int)((uint32_t)pause_ms * 25 / percent) : percent < 12 ? pause_ms * 2 : pause_ms;
    return next < 1 ? 1 : next > QL__COLLECTOR_PERIOD_MS ? QL__COLLECTOR_PERIOD_MS : next;
}

static void *control_main(void *user)
{
    ql__collector *self = user;
    int pause_ms = QL__COLLECTOR_PERIOD_MS / 10; /* many a program begins with a burst */
    self->tid = (pid_t)syscall(SYS_gettid);
    ql__thread_name("qloader-prof");
    ql__collector_meta(self);
    for (;;) {
        ql__collector_round(self);
        if (serve(self)) break;
        struct pollfd wait = {self->wake_fd, POLLIN, 0};
        pause_ms = ql__collector_pause(pause_ms, self->fullest);
        if (poll(&wait, 1, pause_ms) > 0) ql__wake_clear(self->wake_fd);
    }
    last_words(self);
    return NULL;
}

/* --- start and stop ------------------------------------------------------------------------------------------------------------ */

static ql_status tables_open(ql__collector *self, ql_error *err)
{
    ql__intern_init(&self->strings, self->sys, STRINGS_MAX);
    ql__intern_init(&self->stacks, self->sys, STACKS_MAX);
    ql__intern_init(&self->tasks, self->sys, TASKS_MAX);
    ql__vm_init(&self->task_states, self->sys);
    ql__vm_init(&self->dirty_tasks, self->sys);
    ql__vm_init(&self->counters, self->sys);
    return ql__mapping_open(&self->mappings, self->sys) ? QL_OK : ql__fail_nomem(err);
}

static ql_status thread_start(ql__collector *self, ql_error *err)
{
    QL_TRY(ql__wake_open(&self->wake_fd, err));
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->answered, NULL);
    return ql__thread_start(&self->thread, control_main, self, err);
}

static void close_sources(ql__collector *self)
{
    atomic_store(&ql__prof_on, 0);
    if (self->sampling) ql__sampler_close(&self->sampler);
    if (self->sources & QL_PROF_HEAP) ql__heap_stop();
}

ql_status ql__collector_open(ql__collector *self, const ql__sys *sys, const ql_prof_options *options, const char *path, uint32_t sources, ql_error *err)
{
    memset(self, 0, sizeof *self);
    self->sys = sys;
    self->options = *options;
    self->sources = sources;
    self->pid = getpid();
    self->wake_fd = -1;
    ql__machine_read(sys, &self->machine);
    bool cpu = sources & QL_PROF_CPU, wall = sources & QL_PROF_WALL;
    if (cpu || wall) {
        QL_TRY(ql__sampler_open(&self->sampler, (ql_prof_engine)options->engine, cpu, wall, options->rate_hz, err));
        self->sampling = true;
    }
    ql_status status = ql__qprof_open(&self->writer, sys, path, options->write_fn, options->write_user, options->limit_bytes, err);
    if (status < 0) {
        if (self->sampling) ql__sampler_close(&self->sampler);
        return status;
    }
    status = tables_open(self, err);
    if (status >= 0 && sources & QL_PROF_HEAP) status = ql__heap_start(options->heap_interval_bytes, err);
    static atomic_uint captures; /* numbers of captures, so that hooks tell one from the next */
    self->capture = atomic_fetch_add(&captures, 1) + 1;
    ql__labels_reset();
    ql__prof_threads_reset();
    self->begin_ns = ql__monotonic_ns(sys); /* here, not when the control thread first runs: on a busy machine the first spans are over by then */
    self->opens_before = ql__collector_machine_opens(self); /* here as well */
    atomic_store(&ql__prof_on, self->capture);
    if (status >= 0) return QL_OK;
    close_sources(self);
    ql__collector_dispose(self);
    return status;
}

static void spans_let_in(const ql__collector *self)
{
    if (self->sources & QL_PROF_SPANS) __atomic_store_n(&ql__prof_spans_on, 1, __ATOMIC_RELEASE);
}

ql_status ql__collector_start(ql__collector *self, const ql__sys *sys, const ql_prof_options *options, const char *path, uint32_t sources, ql_error *err)
{
    QL_TRY(ql__collector_open(self, sys, options, path, sources, err));
    ql_status status = thread_start(self, err);
    if (status >= 0) spans_let_in(self);
    else {
        close_sources(self);
        ql__collector_dispose(self);
    }
    return status;
}

void ql__collector_begin(ql__collector *self)
{
    self->tid = (pid_t)syscall(SYS_gettid);
    ql__collector_meta(self);
    spans_let_in(self);
}

ql_status ql__collector_end(ql__collector *self, ql_error *err)
{
    __atomic_store_n(&ql__prof_spans_on, 0, __ATOMIC_RELEASE);
    last_words(self);
    close_sources(self);
    if (self->writer.status < 0 && err != NULL) *err = self->writer.error;
    return self->writer.status;
}

void ql__collector_sync(ql__collector *self)
{
    pthread_mutex_lock(&self->lock);
    uint64_t wanted = ++self->asked;
    ql__wake_signal(self->wake_fd);
    while (self->answers < wanted) pthread_cond_wait(&self->answered, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

ql_status ql__collector_stop(ql__collector *self, ql_error *err)
{
    __atomic_store_n(&ql__prof_spans_on, 0, __ATOMIC_RELEASE);
    pthread_mutex_lock(&self->lock);
    self->stop = true;
    ql__wake_signal(self->wake_fd);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    close_sources(self);
    if (self->writer.status < 0 && err != NULL) *err = self->writer.error;
    return self->writer.status;
}

void ql__collector_dispose(ql__collector *self)
{
    ql__wake_close(self->wake_fd);
    ql__qprof_close(&self->writer);
    ql__intern_dispose(&self->strings);
    ql__intern_dispose(&self->stacks);
    ql__intern_dispose(&self->tasks);
    ql__vm_dispose(&self->task_states);
    ql__vm_dispose(&self->dirty_tasks);
    ql__vm_dispose(&self->counters);
    ql__mapping_close(&self->mappings);
}
