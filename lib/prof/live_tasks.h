/*
 * The tasks that are there now, for the live view: kept whether or not a capture runs, so that one that has waited for long can be seen.
 *
 * Threads: any; no lock, no allocation. Cost: off, a load; on, a copy of a row for each change of a task.
 */
#ifndef QL_LIVE_TASKS_H
#define QL_LIVE_TASKS_H

#include <stdbool.h>

#include "prof/live_page.h"
#include <qloader/base.h>

enum { QL__LIVE_TASKS_MAX = 16384 }; /* at one time; more are counted, not kept */

/* Begins with an empty table, or stops keeping. */
void ql__live_tasks_switch(bool on);
void ql__live_tasks_after_fork(void); /* in the child: off, and empty */
bool ql__live_tasks_on(void);

/* An id for a task that no capture knows. */
uint64_t ql__live_task_id(void);
/* Ready to run. Does nothing while off. */
void ql__live_task_add(uint64_t id, uint64_t parent, const char *kind, ql_str name, uint64_t now_ns);
/* state: ql__qprof_state; the end takes it out. A task that is not kept is none. */
void ql__live_task_change(uint64_t id, uint32_t state, uint32_t wait, const char *on, uint64_t now_ns);

/*
 * Work for several tasks at once, such as a batch, which the calling thread does from here on. The view shows it as a task; a capture does not know it,
 * so that nothing is counted there twice. 0 while off.
 */
uint64_t ql__live_work_begin(const char *kind, ql_str name, uint64_t now_ns);
void ql__live_work_end(uint64_t work, uint64_t now_ns); /* 0 is fine */

/* Up to max rows from *at on, which moves behind them; 0: these were all. */
size_t ql__live_tasks_read(uint32_t *at, ql__live_task *rows, size_t max);
/* By ql__qprof_state; 0: those that found no room. */
void ql__live_tasks_count(uint64_t counts[QL__LIVE_TASK_STATES]);

#endif
