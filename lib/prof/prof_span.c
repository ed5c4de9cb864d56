/*
 * Spans, tasks, labels of qloader/prof.h: what a thread does is written into its ring and kept in its entry for its own signal handler.
 *
 * Ids: number of the thread's entry and a count of its own, so that none is given twice in a capture and no thread waits for another. A set of labels is
 * handed around with the number of its capture, so that one of an earlier capture means nothing.
 * Threads: any. Cost: off, a load and a branch; on, two clock reads and a copy of some 80 bytes for a span.
 */
#include <string.h>
#include <time.h>

#include "prof/batch_span.h"
#include "prof/live_tasks.h"
#include "prof/place_table.h"
#include "prof/prof_event.h"
#include "prof/prof_place.h"

#define THREAD_SHIFT 44  /* ids: capture (8 bits), thread's entry + 1 (12), count (44) */
#define CAPTURE_SHIFT 56
#define WAIT_MIN_NS UINT64_C(1000000)

uint32_t ql__prof_spans_on;

_Static_assert(sizeof(atomic_uint) == sizeof(uint32_t), "read as such by inline functions of the public header");

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool spans_on(void)
{
    return __atomic_load_n(&ql__prof_spans_on, __ATOMIC_RELAXED) != 0;
}

/* The calling thread's entry while spans are taken. */
static ql__prof_thread *thread_here(void)
{
    return spans_on() ? ql__prof_thread_here() : NULL;
}

static uint64_t get(const atomic_uint_least64_t *place)
{
    return atomic_load_explicit(place, memory_order_relaxed);
}

static void set(atomic_uint_least64_t *place, uint64_t value)
{
    atomic_store_explicit(place, value, memory_order_relaxed);
}

void *ql__event_begin(ql__prof_thread *thread, ql__event_kind kind, size_t size)
{
    ql__event *event = ql__ring_reserve(&thread->events, (uint32_t)size);
    if (event != NULL) *event = (ql__event){atomic_load_explicit(&ql__prof_on, memory_order_relaxed), kind};
    return event;
}

static uint64_t new_id(ql__prof_thread *thread)
{
    uint64_t capture = atomic_load_explicit(&ql__prof_on, memory_order_relaxed);
    return capture << CAPTURE_SHIFT | (uint64_t)(thread->index + 1) << THREAD_SHIFT | ++thread->spans_begun;
}

/* Of the running capture (but for one 256 captures ago), not the live view's own. */
static bool id_is_current(uint64_t id)
{
    return (id >> THREAD_SHIFT & 0xfff) != 0 && id >> CAPTURE_SHIFT == (atomic_load_explicit(&ql__prof_on, memory_order_relaxed) & 0xff);
}

/* A text of at most size - 1 bytes and its NUL, the rest zero: the ring's bytes are what was there before. */
static void copy_text(char *to, size_t size, const char *text)
{
    size_t length = text != NULL ? strnlen(text, size - 1) : 0;
    memset(to, 0, size);
    if (length != 0) memcpy(to, text, length);
}

/* --- spans --------------------------------------------------------------------------------------------------------------------- */

static ql_span start(ql_site *site, bool cpu)
{
    __atomic_store_n(&site->on, &ql__prof_spans_on, __ATOMIC_RELAXED);
    ql__prof_thread *thread = thread_here();
    ql_span span = {0};
    if (thread == NULL) return span;
    (void)ql__site_id(site, NULL);
    span.id = new_id(thread);
    span.parent = get(&thread->span);
    if (cpu) span.cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    span.begin_ns = now_ns(CLOCK_MONOTONIC);
    span.site = site;
    set(&thread->span, span.id);
    return span;
}

/* The thread's CPU clock is a call of the kernel, dearer than all the rest: for stages only. */
ql_span ql_span_start(ql_site *site)
{
    return start(site, false);
}

ql_span ql__span_start_stage(ql_site *site)
{
    return start(site, true);
}

void ql_span_finish(ql_span *span)
{
    ql__prof_thread *thread = thread_here();
    uint64_t id = span->id;
    span->id = 0;
    if (thread == NULL || !id_is_current(id) || (id >> THREAD_SHIFT & 0xfff) != thread->index + 1u) return; /* the capture is over, or it is another thread's */
    set(&thread->span, span->parent);
    uint64_t end_ns = now_ns(CLOCK_MONOTONIC), cpu_ns = span->cpu_ns != 0 ? now_ns(CLOCK_THREAD_CPUTIME_ID) - span->cpu_ns : UINT64_MAX;
    ql__event_span *event = ql__event_begin(thread, QL__EVENT_SPAN, sizeof *event);
    if (event == NULL) return;
    const ql__event head = event->head;
    *event = (ql__event_span){.head = head, .id = id, .parent = span->parent, .task = get(&thread->task), .begin_ns = span->begin_ns, .end_ns = end_ns,
                              .cpu_ns = cpu_ns, .site = __atomic_load_n(&((ql_site *)(uintptr_t)span->site)->id, __ATOMIC_RELAXED),
                              .labels = atomic_load_explicit(&thread->labels, memory_order_relaxed)};
    ql__ring_commit(&thread->events);
}

static void attribute(uint64_t span, const char *key, uint32_t type, uint64_t value, ql_str text)
{
    ql__prof_thread *thread = span != 0 && key != NULL ? thread_here() : NULL;
    if (thread == NULL) return;
    if (text.len > QL__ATTRIBUTE_TEXT_BYTES) text.len = QL__ATTRIBUTE_TEXT_BYTES;
    ql__event_attribute *event = ql__event_begin(thread, QL__EVENT_ATTRIBUTE, sizeof *event + text.len);
    if (event == NULL) return;
    event->span = span;
    event->value = value;
    event->type = type;
    event->text_size = (uint32_t)text.len;
    copy_text(event->key, sizeof event->key, key);
    if (text.len != 0) memcpy(event->text, text.ptr, text.len);
    ql__ring_commit(&thread->events);
}

void ql_span_int(const ql_span *span, const char *key, int64_t value)
{
    attribute(span->id, key, QL__QPROF_I64, (uint64_t)value, QL_STR(""));
}

void ql_span_double(const ql_span *span, const char *key, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    attribute(span->id, key, QL__QPROF_F64, bits, QL_STR(""));
}

void ql_span_text(const ql_span *span, const char *key, ql_str value)
{
    if (value.ptr == NULL) value = QL_STR("");
    attribute(span->id, key, QL__QPROF_TEXT, 0, value);
}

uint64_t ql_span_current(void)
{
    ql__prof_thread *thread = thread_here();
    return thread != NULL ? get(&thread->span) : 0;
}

void ql_span_link(uint64_t from, uint64_t to)
{
    ql__prof_thread *thread = from != 0 && to != 0 ? thread_here() : NULL;
    ql__event_link *event = thread != NULL ? ql__event_begin(thread, QL__EVENT_LINK, sizeof *event) : NULL;
    if (event == NULL) return;
    event->time_ns = now_ns(CLOCK_MONOTONIC);
    event->from = from;
    event->to = to;
    ql__ring_commit(&thread->events);
}

/* --- rows of short spans ------------------------------------------------------------------------------------------------------- */

uint64_t ql__batch_clock(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

void ql__batch_flush(ql__batch_span *self, ql_site *site, const char *text)
{
    ql__prof_thread *thread = self->count != 0 ? thread_here() : NULL;
    if (thread != NULL && (self->parent == 0 || id_is_current(self->parent))) {
        uint64_t id = new_id(thread);
        attribute(id, "text", QL__QPROF_TEXT, 0, ql_str_of(text));
        attribute(id, "count", QL__QPROF_U64, self->count, QL_STR(""));
        attribute(id, "busy_ns", QL__QPROF_U64, self->busy_ns, QL_STR(""));
        ql__event_span *event = ql__event_begin(thread, QL__EVENT_SPAN, sizeof *event);
        if (event != NULL) {
            const ql__event head = event->head;
            *event = (ql__event_span){.head = head, .id = id, .parent = self->parent, .task = get(&thread->task), .begin_ns = self->begin_ns, .end_ns = self->end_ns,
                                      .cpu_ns = UINT64_MAX, .site = ql__site_id(site, NULL),
                                      .labels = atomic_load_explicit(&thread->labels, memory_order_relaxed)};
            ql__ring_commit(&thread->events);
        }
    }
    self->count = 0;
    self->busy_ns = 0;
}

void ql__batch_add(ql__batch_span *self, uint64_t begin_ns, uint64_t busy_ns, ql_site *site, const char *text)
{
    uint64_t end_ns = ql__batch_now(), parent = ql_span_current();
    if (end_ns == 0) return;
    if (self->count != 0 && (self->parent != parent || end_ns - self->begin_ns > QL__BATCH_NS)) ql__batch_flush(self, site, text);
    if (self->count == 0) {
        self->parent = parent;
        self->begin_ns = begin_ns;
    }
    self->count++;
    self->busy_ns += busy_ns;
    self->end_ns = end_ns;
}

/* --- labels -------------------------------------------------------------------------------------------------------------------- */

static uint64_t with_capture(uint32_t labels)
{
    return (uint64_t)atomic_load_explicit(&ql__prof_on, memory_order_relaxed) << 32 | labels;
}

static bool of_this_capture(uint64_t labels)
{
    return labels >> 32 == atomic_load_explicit(&ql__prof_on, memory_order_relaxed);
}

uint64_t ql_label_put(const char *key, ql_str value)
{
    /* Labels are of use to samples as well, so they do not ask for spans. */
    ql__prof_thread *thread = key != NULL && key[0] != '\0' ? ql__prof_thread_here() : NULL;
    if (thread == NULL) return 0;
    uint32_t before = atomic_load_explicit(&thread->labels, memory_order_relaxed);
    atomic_store_explicit(&thread->labels, ql__labels_with(before, key, value), memory_order_relaxed);
    return with_capture(before);
}

const uint32_t *ql_prof_switch(void)
{
    return (const uint32_t *)(const void *)&ql__prof_on;
}

void ql_label_put_back(uint64_t labels)
{
    ql__prof_thread *thread = labels != 0 && of_this_capture(labels) ? ql__prof_thread_here() : NULL;
    if (thread != NULL) atomic_store_explicit(&thread->labels, (uint32_t)labels, memory_order_relaxed);
}

/* --- tasks --------------------------------------------------------------------------------------------------------------------- */

static void task_event(ql__prof_thread *thread, const ql_task *task, ql_site *site, ql_str name, uint64_t parent, ql__qprof_state state, uint16_t wait, const char *on)
{
    if (name.len > QL__TASK_NAME_BYTES) name.len = QL__TASK_NAME_BYTES;
    ql__event_task *event = ql__event_begin(thread, QL__EVENT_TASK, sizeof *event + name.len);
    if (event == NULL) return;
    event->id = task->id;
    event->parent = parent;
    event->time_ns = now_ns(CLOCK_MONOTONIC);
    event->site = site != NULL ? ql__site_id(site, NULL) : 0;
    event->labels = of_this_capture(task->labels) ? (uint32_t)task->labels : 0;
    event->state = (uint16_t)state;
    event->wait = wait;
    event->name_size = (uint32_t)name.len;
    copy_text(event->on, sizeof event->on, on);
    if (name.len != 0) memcpy(event->name, name.ptr, name.len);
    ql__ring_commit(&thread->events);
}

ql_task ql_task_start(ql_site *site, ql_str name, uint64_t parent)
{
    ql__prof_thread *thread = thread_here();
    ql_task task = {0};
    if (name.ptr == NULL) name = QL_STR("");
    if (thread != NULL) {
        task.id = new_id(thread);
        task.labels = with_capture(atomic_load_explicit(&thread->labels, memory_order_relaxed));
        task_event(thread, &task, site, name, parent, QL__QPROF_TASK_READY, 0, NULL);
    }
    if (!ql__live_tasks_on()) return task;
    if (task.id == 0) task.id = ql__live_task_id();
    ql__live_task_add(task.id, parent, site->name, name, now_ns(CLOCK_MONOTONIC));
    return task;
}

static void live_change(const ql_task *task, ql__qprof_state state, uint16_t wait, const char *on)
{
    if (task->id != 0 && ql__live_tasks_on()) ql__live_task_change(task->id, state, wait, on, now_ns(CLOCK_MONOTONIC));
}

/* A wait that is over, with the stack of who called the function that calls this. */
__attribute__((noinline)) static void wait_event(ql__prof_thread *thread, uint64_t begin_ns, uint64_t end_ns, const char *subject)
{
    uintptr_t frames[QL__UNWIND_FRAMES_MAX];
    ql__unwind_thread stack = {.stack_end = ql__unwind_stack_end()};
    ql__unwind_result walked = ql__unwind_here(&stack, 2, frames, QL__UNWIND_FRAMES_MAX);
    ql__event_wait *event = ql__event_begin(thread, QL__EVENT_WAIT, sizeof *event + walked.count * sizeof *frames);
    if (event == NULL) return;
    event->end_ns = end_ns;
    event->weight_ns = end_ns - begin_ns;
    event->span = get(&thread->span);
    event->task = get(&thread->task);
    event->labels = atomic_load_explicit(&thread->labels, memory_order_relaxed);
    event->count = walked.count;
    event->root = walked.root;
    event->truncated = walked.truncated;
    copy_text(event->subject, sizeof event->subject, subject);
    memcpy(event->frames, frames, walked.count * sizeof *frames);
    ql__ring_commit(&thread->events);
}

/*
 * While a task waits for a lock, outer_task, which it does not need then, is when that began; outer_labels, which are never 0 while it runs, say which it
 * is, as a time may look like an id. What it waits for the control thread knows.
 */
static uint64_t lock_wait_begin(const ql_task *task, uint64_t now)
{
    return task->outer_labels == 0 && task->outer_task != 0 && task->outer_task <= now ? task->outer_task : now;
}

void ql_task_run(ql_task *task)
{
    live_change(task, QL__QPROF_TASK_RUNNING, 0, NULL);
    ql__prof_thread *thread = id_is_current(task->id) ? thread_here() : NULL;
    if (thread == NULL) return;
    uint64_t now = now_ns(CLOCK_MONOTONIC), begin_ns = lock_wait_begin(task, now);
    task->outer_task = get(&thread->task);
    task->outer_labels = with_capture(atomic_load_explicit(&thread->labels, memory_order_relaxed));
    set(&thread->task, task->id);
    ql_label_restore(task->labels);
    if (now - begin_ns >= WAIT_MIN_NS) wait_event(thread, begin_ns, now, NULL);
    task_event(thread, task, NULL, QL_STR(""), 0, QL__QPROF_TASK_RUNNING, 0, NULL);
}

/* Where the calling thread runs it, the thread goes back to what it did before. */
static void task_change(ql_task *task, ql__qprof_state state, uint16_t wait, const char *on)
{
    live_change(task, state, wait, on);
    ql__prof_thread *thread = id_is_current(task->id) ? thread_here() : NULL;
    if (thread == NULL) return;
    if (get(&thread->task) == task->id) {
        set(&thread->task, task->outer_task);
        ql_label_restore(task->outer_labels);
    }
    task->outer_labels = 0;
    task->outer_task = wait == QL__QPROF_WAIT_LOCK ? now_ns(CLOCK_MONOTONIC) : 0;
    task_event(thread, task, NULL, QL_STR(""), 0, state, wait, on);
}

void ql_task_ready(ql_task *task)
{
    task_change(task, QL__QPROF_TASK_READY, 0, NULL);
}

void ql_task_wait(ql_task *task, ql_task_wait_kind kind, const char *what)
{
    task_change(task, QL__QPROF_TASK_WAITING, (uint16_t)kind, what);
}

void ql_task_end(ql_task *task)
{
    task_change(task, QL__QPROF_TASK_ENDED, 0, NULL);
    task->id = 0;
}

/* --- places and waits ---------------------------------------------------------------------------------------------------------- */

/* A thread of the library that begins a piece of work, or will wait: it lets the signal of samples in from now on, not only when it next runs during a capture. */
static void be_ready(void)
{
    if (ql__live_tasks_on()) ql__prof_thread_ready();
}

void ql__place_take(uintptr_t out[QL__PLACE_WORDS])
{
    ql__prof_thread *thread = ql__prof_thread_here();
    memset(out, 0, QL__PLACE_WORDS * sizeof *out);
    if (thread == NULL) return;
    out[0] = (uintptr_t)with_capture(atomic_load_explicit(&thread->labels, memory_order_relaxed));
    out[1] = (uintptr_t)get(&thread->task);
    out[2] = (uintptr_t)get(&thread->span);
}

void ql__place_put(const uintptr_t place[QL__PLACE_WORDS])
{
    be_ready();
    ql__prof_thread *thread = place[0] != 0 && of_this_capture(place[0]) ? ql__prof_thread_here() : NULL;
    if (thread == NULL) return;
    atomic_store_explicit(&thread->labels, (uint32_t)place[0], memory_order_relaxed);
    set(&thread->task, place[1]);
    set(&thread->span, place[2]);
}

uint64_t ql__place_wait_begin(void)
{
    be_ready();
    return spans_on() ? now_ns(CLOCK_MONOTONIC) : 0;
}

void ql__place_wait_end(uint64_t begin_ns, const char *subject)
{
    uint64_t end_ns = begin_ns != 0 ? now_ns(CLOCK_MONOTONIC) : 0;
    ql__prof_thread *thread = end_ns - begin_ns >= WAIT_MIN_NS ? thread_here() : NULL;
    if (thread == NULL) return;
    wait_event(thread, begin_ns, end_ns, subject);
    __asm__ volatile(""); /* no tail call: the walk counts frames */
}

void ql__place_wait_mark(const char *subject)
{
    uint64_t now = ql__place_wait_begin();
    ql__prof_thread *thread = now != 0 ? thread_here() : NULL;
    if (thread == NULL) return;
    wait_event(thread, now, now, subject);
    __asm__ volatile("");
}
