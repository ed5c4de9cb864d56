/*
 * From rings to records. A thread's samples are read up to where they were before its events are read, so that whatever the events announce is known
 * when the samples that use it are written.
 */
#include "prof/collector.h"

#include <string.h>
#include <strings.h>

#include "prof/prof_event.h"

/* --- samples ------------------------------------------------------------------------------------------------------------------- */

static uint32_t stack_flags(bool root, bool truncated, bool generated)
{
    return (root ? QL__QPROF_STACK_ROOT : 0u) | (truncated ? QL__QPROF_STACK_TRUNCATED : 0u) | (generated ? QL__QPROF_STACK_GENERATED : 0u);
}

static void take_sample(ql__collector *self, ql__prof_thread *thread, const ql__sample *sample)
{
    uint32_t flags = stack_flags(sample->root, sample->truncated, sample->generated);
    const ql__qprof_sample record = {.time_ns = sample->time_ns, .weight_ns = sample->weight_ns, .span = sample->span, .task = sample->task,
                                     .thread = thread->control.id, .stack = ql__collector_stack(self, sample->frames, sample->count, flags, sample->kernel),
                                     .labels = ql__collector_labels(self, sample->labels), .kind = sample->kind, .running = sample->running};
    if (self->sample_fn != NULL) self->sample_fn(self->watch_user, sample);
    QL__QPROF_PUT(&self->writer, QL__QPROF_SAMPLE, &record);
    atomic_fetch_add_explicit(&self->samples, 1, memory_order_relaxed);
    if (!sample->root) atomic_fetch_add_explicit(&self->rootless, 1, memory_order_relaxed);
}

/* Where a pc is in no known file the list of mappings is read again, before the sample is written, not after. */
static bool unknown_code(const ql__collector *self, const ql__sample *sample)
{
    for (uint32_t i = sample->generated ? 1 : 0; i < sample->count; i++)
        if (ql__mapping_at(&self->mappings, sample->frames[i] - (i != 0)) == 0) return true;
    return false;
}

static uint32_t path_string(void *user, ql_str text)
{
    return ql__collector_string(user, text);
}

static void drain_samples(ql__collector *self, ql__prof_thread *thread, uint64_t head)
{
    const ql__sample *sample;
    uint32_t size;
    bool refreshed = false; /* once a round: code of nowhere stays of nowhere */
    while ((sample = ql__ring_next(&thread->samples, head, &size)) != NULL) {
        if (sample->capture == self->capture) {
            if (!refreshed && unknown_code(self, sample)) {
                refreshed = true;
                ql__mapping_refresh(&self->mappings, &self->writer, path_string, self);
            }
            take_sample(self, thread, sample);
        }
        ql__ring_pop(&thread->samples, size);
    }
}

static void drain_events(ql__collector *self, ql__prof_thread *thread)
{
    const ql__event *event;
    uint32_t size;
    uint64_t head = ql__ring_written(&thread->events);
    while ((event = ql__ring_next(&thread->events, head, &size)) != NULL) {
        if (event->capture == self->capture) ql__collector_event(self, thread, event, size);
        ql__ring_pop(&thread->events, size);
    }
}

static void note_fill(ql__collector *self, const ql__ring *ring)
{
    uint64_t used = ql__ring_written(ring) - atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t percent = ring->size != 0 ? (uint32_t)(used * 100 / ring->size) : 0;
    if (percent > self->fullest) self->fullest = percent;
}

void ql__collector_drain(ql__collector *self)
{
    ql__prof_thread *thread;
    self->fullest = 0;
    for (uint32_t i = 0; (thread = ql__prof_thread_at(i)) != NULL; i++) {
        if (atomic_load_explicit(&thread->tid, memory_order_acquire) == 0) continue;
        uint64_t head = ql__ring_written(&thread->samples);
        note_fill(self, &thread->events);
        if (!thread->control.known && (head != atomic_load(&thread->samples.tail) || ql__ring_written(&thread->events) != atomic_load(&thread->events.tail)))
            ql__collector_thread_record(self, thread);
        drain_events(self, thread);
        drain_samples(self, thread, head);
        self->lost[QL__QPROF_SAMPLE] += atomic_exchange_explicit(&thread->samples.dropped, 0, memory_order_relaxed);
        self->lost[QL__QPROF_SPAN] += atomic_exchange_explicit(&thread->events.dropped, 0, memory_order_relaxed);
    }
}

/* --- spans --------------------------------------------------------------------------------------------------------------------- */

static ql__pending_span *pending_find(ql__collector *self, uint64_t id)
{
    for (uint32_t i = 0; i < QL__PENDING_SPANS; i++)
        if (self->pending[i].id == id) return &self->pending[i];
    return NULL;
}

/* For one more: a free place, else the oldest, which loses what was told of it. Short ones that came and went left theirs; where 256 run at once, a long one does give way. */
static ql__pending_span *pending_take(ql__collector *self)
{
    ql__pending_span *span = pending_find(self, 0);
    if (span == NULL) {
        span = &self->pending[0];
        for (uint32_t i = 1; i < QL__PENDING_SPANS; i++)
            if (self->pending[i].order < span->order) span = &self->pending[i];
        self->lost[QL__QPROF_STRING] += span->count;
    }
    span->order = ++self->pending_next;
    return span;
}

static void take_attribute(ql__collector *self, const ql__event_attribute *event)
{
    ql__pending_span *span = pending_find(self, event->span);
    if (span == NULL) {
        span = pending_take(self);
        span->id = event->span;
        span->count = 0;
    }
    if (span->count == QL__SPAN_ATTRIBUTES_MAX) {
        self->lost[QL__QPROF_STRING]++;
        return;
    }
    uint64_t value = event->type == QL__QPROF_TEXT ? ql__collector_string(self, (ql_str){event->text, event->text_size}) : event->value;
    span->attributes[span->count++] = (ql__qprof_attribute){value, ql__collector_string(self, ql_str_of(event->key)), event->type};
}

static void tell(const ql__collector *self, ql_prof_event *event, const ql__prof_thread *thread, uint32_t site)
{
    const ql__site_copy *copy = ql__site_get(site);
    if (self->options.listener_fn == NULL) return;
    event->struct_size = sizeof *event;
    event->thread = atomic_load_explicit(&thread->tid, memory_order_relaxed);
    if (event->name.len == 0 && copy != NULL) event->name = ql_str_of(copy->name);
    if (copy != NULL) event->category = ql_str_of(copy->category);
    self->options.listener_fn(self->options.listener_user, event);
}

/* As the reader of a capture tells them. */
static bool is_http(uint32_t site)
{
    const ql__site_copy *copy = ql__site_get(site);
    return copy != NULL && strncasecmp(copy->category, "http", 4) == 0;
}

static void take_span(ql__collector *self, ql__prof_thread *thread, const ql__event_span *event)
{
    const ql__qprof_span record = {.id = event->id, .parent = event->parent, .task = event->task, .begin_ns = event->begin_ns, .end_ns = event->end_ns,
                                   .cpu_ns = event->cpu_ns, .site = ql__collector_site(self, event->site), .thread = thread->control.id,
                                   .labels = ql__collector_labels(self, event->labels)};
    ql__pending_span *pending = pending_find(self, event->id);
    if (!self->connections.wanted) self->connections.wanted = is_http(event->site);
    if (self->span_fn != NULL) self->span_fn(self->watch_user, event);
    if (pending != NULL) {
        ql__qprof_put(&self->writer, QL__QPROF_SPAN, &record, sizeof record, pending->attributes, sizeof *pending->attributes, pending->count);
        *pending = (ql__pending_span){0};
    } else {
        QL__QPROF_PUT(&self->writer, QL__QPROF_SPAN, &record);
    }
    ql_prof_event told = {.kind = QL_PROF_SPAN_ENDED, .id = event->id, .parent = event->parent, .begin_ns = event->begin_ns, .end_ns = event->end_ns};
    tell(self, &told, thread, event->site);
}

/* --- tasks --------------------------------------------------------------------------------------------------------------------- */

static ql__task_state *task_at(ql__collector *self, uint32_t number)
{
    return (ql__task_state *)(void *)self->task_states.bytes + (number - 1);
}

static ql__task_state *task_of(ql__collector *self, uint64_t id)
{
    bool fresh;
    if (!ql__vm_reserve(&self->task_states, sizeof(ql__task_state))) return NULL;
    uint32_t number = ql__intern_put(&self->tasks, &id, sizeof id, &fresh);
    if (number == 0) return NULL;
    if (fresh) memset(ql__vm_append(&self->task_states, sizeof(ql__task_state)), 0, sizeof(ql__task_state));
    return task_at(self, number);
}

/* What is waited for: the library's own waits say it, a task's was told when it began to wait. */
static uint32_t wait_subject(ql__collector *self, const ql__event_wait *event)
{
    if (event->subject[0] != '\0') return ql__collector_string(self, ql_str_of(event->subject));
    const ql__task_state *task = event->task != 0 ? task_of(self, event->task) : NULL;
    bool told = task != NULL && task->record.state == QL__QPROF_TASK_WAITING && task->record.wait == QL__QPROF_WAIT_LOCK && task->record.wait_on != 0; /* of this wait, not of one before */
    return told ? task->record.wait_on : ql__collector_string(self, QL_STR("a lock"));
}

static void take_wait(ql__collector *self, ql__prof_thread *thread, const ql__event_wait *event)
{
    uint32_t flags = stack_flags(event->root, event->truncated, false) | QL__QPROF_STACK_CALL;
    uint64_t inside_ns = event->end_ns > self->begin_ns ? event->end_ns - self->begin_ns : 0; /* a wait may have begun before the capture */
    const ql__qprof_sample record = {.time_ns = event->end_ns, .weight_ns = event->weight_ns < inside_ns ? event->weight_ns : inside_ns, .span = event->span, .task = event->task, .thread = thread->control.id,
                                     .stack = ql__collector_stack(self, event->frames, event->count, flags, NULL), .labels = ql__collector_labels(self, event->labels),
                                     .subject = wait_subject(self, event), .kind = QL__QPROF_LOCK, .running = QL__QPROF_WAITING};
    QL__QPROF_PUT(&self->writer, QL__QPROF_SAMPLE, &record);
}

/* The time since the last change goes to the state that it was in. Events of one task come from several rings, so they may be a round out of order. */
static void task_advance(ql__task_state *task, uint64_t now)
{
    uint64_t spent = now > task->changed_ns ? now - task->changed_ns : 0;
    ql__qprof_task *record = &task->record;
    if (record->state == QL__QPROF_TASK_RUNNING) {
        record->busy_ns += spent;
        record->polls++;
        if (spent > record->longest_poll_ns) record->longest_poll_ns = spent;
    } else if (record->state == QL__QPROF_TASK_READY) {
        record->ready_ns += spent;
    } else if (record->state == QL__QPROF_TASK_WAITING) {
        record->idle_ns += spent;
    }
    if (now > task->changed_ns) task->changed_ns = now;
}

static void take_task(ql__collector *self, ql__prof_thread *thread, const ql__event_task *event)
{
    ql__task_state *task = task_of(self, event->id);
    if (task == NULL) {
        self->lost[QL__QPROF_TASK]++;
        return;
    }
    ql__qprof_task *record = &task->record;
    bool first = record->id == 0 || record->begin_ns == 0;
    record->id = event->id;
    if (event->site != 0) { /* its beginning */
        record->parent = event->parent;
        record->begin_ns = event->time_ns;
        record->site = ql__collector_site(self, event->site);
        record->name = ql__collector_string(self, (ql_str){event->name, event->name_size});
        record->labels = ql__collector_labels(self, event->labels);
    }
    bool late = event->time_ns < task->changed_ns; /* a later change was seen first */
    if (!late) {
        task_advance(task, event->time_ns);
        record->state = event->state;
        record->wait = event->wait;
        record->wait_on = ql__collector_string(self, ql_str_of(event->on));
        record->thread = thread->control.id;
        if (event->state == QL__QPROF_TASK_ENDED) record->end_ns = event->time_ns;
    }
    if (!task->dirty) {
        uint32_t *place = ql__vm_append(&self->dirty_tasks, sizeof *place);
        if (place != NULL) *place = (uint32_t)(task - task_at(self, 1)) + 1;
        task->dirty = place != NULL;
    }
    ql_prof_event told = {.kind = event->state == QL__QPROF_TASK_ENDED ? QL_PROF_TASK_ENDED : first ? QL_PROF_TASK_BEGAN : QL_PROF_TASK_CHANGED, .id = event->id,
                          .parent = record->parent, .begin_ns = record->begin_ns, .end_ns = record->end_ns, .state = event->state,
                          .name = {event->name, event->name_size}};
    tell(self, &told, thread, record->site);
}

void ql__collector_tasks_write(ql__collector *self)
{
    const uint32_t *numbers = (const uint32_t *)(const void *)self->dirty_tasks.bytes;
    for (size_t i = 0; i < self->dirty_tasks.used / sizeof *numbers; i++) {
        ql__task_state *task = task_at(self, numbers[i]);
        QL__QPROF_PUT(&self->writer, QL__QPROF_TASK, &task->record);
        task->dirty = false;
    }
    self->dirty_tasks.used = 0;
}

void ql__collector_event(ql__collector *self, ql__prof_thread *thread, const ql__event *event, uint32_t size)
{
    (void)size;
    switch ((ql__event_kind)event->kind) {
    case QL__EVENT_SPAN: take_span(self, thread, (const void *)event); break;
    case QL__EVENT_ATTRIBUTE: take_attribute(self, (const void *)event); break;
    case QL__EVENT_TASK: take_task(self, thread, (const void *)event); break;
    case QL__EVENT_WAIT: take_wait(self, thread, (const void *)event); break;
    case QL__EVENT_LINK: {
        const ql__event_link *link = (const void *)event;
        const ql__qprof_link record = {link->time_ns, link->from, link->to};
        QL__QPROF_PUT(&self->writer, QL__QPROF_LINK, &record);
        break;
    }
    }
}
