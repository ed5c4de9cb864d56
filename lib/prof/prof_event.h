/* What threads write into their ring `events`: spans, what is known of them, links, changes of tasks, waits. */
#ifndef QL_PROF_EVENT_H
#define QL_PROF_EVENT_H

#include "prof/qprof.h"
#include "prof/thread_table.h"

#define QL__ATTRIBUTE_KEY_BYTES 63
#define QL__ATTRIBUTE_TEXT_BYTES 255
#define QL__WAIT_NAME_BYTES 63
#define QL__TASK_NAME_BYTES 255

typedef enum ql__event_kind { QL__EVENT_SPAN = 1, QL__EVENT_ATTRIBUTE, QL__EVENT_LINK, QL__EVENT_TASK, QL__EVENT_WAIT } ql__event_kind;

typedef struct ql__event {
    uint32_t capture, kind;
} ql__event;

typedef struct ql__event_span {
    ql__event head;
    uint64_t id, parent, task, begin_ns, end_ns, cpu_ns;
    uint32_t site, labels;
} ql__event_span;

typedef struct ql__event_attribute {
    ql__event head;
    uint64_t span, value;
    uint32_t type, text_size;
    char key[QL__ATTRIBUTE_KEY_BYTES + 1];
    char text[]; /* QL__QPROF_TEXT */
} ql__event_attribute;

typedef struct ql__event_link {
    ql__event head;
    uint64_t time_ns, from, to;
} ql__event_link;

typedef struct ql__event_task {
    ql__event head;
    uint64_t id, parent, time_ns; /* parent and name: at the first event of a task */
    uint32_t site, labels;
    uint16_t state, wait;
    uint32_t name_size;
    char on[QL__WAIT_NAME_BYTES + 1];
    char name[];
} ql__event_task;

/* A wait that is over: a sample of kind LOCK. subject empty: what the task was told to wait for. */
typedef struct ql__event_wait {
    ql__event head;
    uint64_t end_ns, weight_ns, span, task;
    uint32_t labels, count;
    bool root, truncated;
    char subject[QL__WAIT_NAME_BYTES + 1];
    uintptr_t frames[];
} ql__event_wait;

/* Room for an event of the calling thread, its head filled in; NULL: no capture takes spans, or no room. Then ql__ring_commit(&thread->events). */
void *ql__event_begin(ql__prof_thread *thread, ql__event_kind kind, size_t size);

/* ql_span_start() for a stage of the library: with its CPU time. */
ql_span ql__span_start_stage(ql_site *site);

/* 1 while a capture takes spans. */
extern uint32_t ql__prof_spans_on __attribute__((visibility("hidden")));

#endif
