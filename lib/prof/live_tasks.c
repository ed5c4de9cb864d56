/*
 * See live_tasks.h. A row is found by its task's id within a short stretch of a table. Its writer is the thread that has the task in hand, one at a time;
 * readers copy it under a sequence number (a seqlock) of its own. All words are atomic, so that a reader in the middle of a write is no race.
 *
 * Process-wide state (docs/internals/prof.md): the table, which outlives a view, since a thread may be inside when the view ends. One that is
 * still inside when the next view begins may spoil one row of it: bounded as all rows are, and gone with its task.
 */
#include "prof/live_tasks.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "prof/qprof.h"

enum { STRETCH = 32, WORDS = sizeof(ql__live_task) / sizeof(uint64_t), TRIES = 100 };

typedef struct slot {
    atomic_uint_least32_t sequence; /* odd: is being written */
    atomic_uint_least64_t words[WORDS];
} slot;

static atomic_bool keeping;
static atomic_uint_least64_t ids[QL__LIVE_TASKS_MAX]; /* 0: free */
static slot slots[QL__LIVE_TASKS_MAX];
static atomic_uint_least64_t last_id, last_number, ended, roomless;

static void put_row(slot *to, const ql__live_task *row)
{
    uint64_t words[WORDS];
    memcpy(words, row, sizeof words);
    atomic_fetch_add_explicit(&to->sequence, 1, memory_order_relaxed);
    for (size_t i = 0; i < WORDS; i++) atomic_store_explicit(&to->words[i], words[i], memory_order_release); /* each after the odd number */
    atomic_fetch_add_explicit(&to->sequence, 1, memory_order_release);
}

/* False: it never stood still. */
static bool get_row(slot *from, ql__live_task *row)
{
    uint64_t words[WORDS];
    for (int i = 0; i < TRIES; i++) {
        uint32_t before = atomic_load_explicit(&from->sequence, memory_order_acquire);
        for (size_t k = 0; k < WORDS; k++) words[k] = atomic_load_explicit(&from->words[k], memory_order_acquire);
        if (before % 2 != 0 || atomic_load_explicit(&from->sequence, memory_order_relaxed) != before) continue;
        memcpy(row, words, sizeof words);
        return true;
    }
    return false;
}

static size_t begin_of(uint64_t id)
{
    return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (QL__LIVE_TASKS_MAX - 1);
}

/* QL__LIVE_TASKS_MAX: it is not kept. */
static size_t find(uint64_t id)
{
    for (size_t i = 0, at = begin_of(id); id != 0 && i < STRETCH; i++, at = (at + 1) & (QL__LIVE_TASKS_MAX - 1))
        if (atomic_load_explicit(&ids[at], memory_order_acquire) == id) return at;
    return QL__LIVE_TASKS_MAX;
}

static size_t claim(uint64_t id)
{
    for (size_t i = 0, at = begin_of(id); i < STRETCH; i++, at = (at + 1) & (QL__LIVE_TASKS_MAX - 1)) {
        uint_least64_t none = 0;
        if (atomic_compare_exchange_strong(&ids[at], &none, id)) return at;
    }
    return QL__LIVE_TASKS_MAX;
}

static void take_out(size_t at)
{
    const ql__live_task none = {0};
    put_row(&slots[at], &none);
    atomic_store_explicit(&ids[at], 0, memory_order_release);
}

void ql__live_tasks_after_fork(void)
{
    atomic_store(&keeping, false);
    for (size_t i = 0; i < QL__LIVE_TASKS_MAX; i++) {
        if (atomic_load_explicit(&ids[i], memory_order_relaxed) == 0 && atomic_load_explicit(&slots[i].sequence, memory_order_relaxed) == 0) continue;
        atomic_store(&ids[i], 0); /* another thread may have been in the middle of writing a row: here is no such thread */
        atomic_store(&slots[i].sequence, 0);
    }
}

void ql__live_tasks_switch(bool on)
{
    atomic_store(&keeping, false);
    if (!on) return;
    for (size_t i = 0; i < QL__LIVE_TASKS_MAX; i++)
        if (atomic_load(&ids[i]) != 0) take_out(i);
    atomic_store(&ended, 0);
    atomic_store(&roomless, 0);
    atomic_store(&keeping, true);
}

bool ql__live_tasks_on(void)
{
    return atomic_load_explicit(&keeping, memory_order_relaxed);
}

uint64_t ql__live_task_id(void)
{
    return atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
}

static void copy_text(char *to, size_t size, ql_str text)
{
    if (text.len > size) text.len = size;
    if (text.len != 0) memcpy(to, text.ptr, text.len);
}

void ql__live_task_add(uint64_t id, uint64_t parent, const char *kind, ql_str name, uint64_t now_ns)
{
    if (!ql__live_tasks_on() || id == 0) return;
    size_t at = claim(id), above = find(parent);
    if (at == QL__LIVE_TASKS_MAX) {
        atomic_fetch_add_explicit(&roomless, 1, memory_order_relaxed);
        return;
    }
    ql__live_task row = {.number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1, .begin_ns = now_ns, .changed_ns = now_ns, .state = QL__QPROF_TASK_READY};
    ql__live_task other;
    if (above != QL__LIVE_TASKS_MAX && get_row(&slots[above], &other)) row.parent = other.number;
    copy_text(row.kind, sizeof row.kind, ql_str_of(kind));
    copy_text(row.name, sizeof row.name, name);
    put_row(&slots[at], &row);
}

void ql__live_task_change(uint64_t id, uint32_t state, uint32_t wait, const char *on, uint64_t now_ns)
{
    ql__live_task row;
    size_t at = ql__live_tasks_on() ? find(id) : QL__LIVE_TASKS_MAX;
    if (at == QL__LIVE_TASKS_MAX) return;
    if (state == QL__QPROF_TASK_ENDED) {
        take_out(at);
        atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed);
        return;
    }
    if (!get_row(&slots[at], &row)) return;
    if (row.state == QL__QPROF_TASK_RUNNING && now_ns > row.changed_ns) row.busy_ns += now_ns - row.changed_ns;
    row.state = (uint16_t)state;
    row.wait = (uint16_t)wait;
    row.changed_ns = now_ns;
    row.tid = state == QL__QPROF_TASK_RUNNING ? (int32_t)syscall(SYS_gettid) : 0;
    memset(row.on, 0, sizeof row.on);
    if (on != NULL) copy_text(row.on, sizeof row.on, ql_str_of(on));
    put_row(&slots[at], &row);
}

uint64_t ql__live_work_begin(const char *kind, ql_str name, uint64_t now_ns)
{
    if (!ql__live_tasks_on()) return 0;
    uint64_t work = ql__live_task_id();
    ql__live_task_add(work, 0, kind, name, now_ns);
    ql__live_task_change(work, QL__QPROF_TASK_RUNNING, 0, NULL, now_ns);
    return work;
}

void ql__live_work_end(uint64_t work, uint64_t now_ns)
{
    if (work != 0) ql__live_task_change(work, QL__QPROF_TASK_ENDED, 0, NULL, now_ns);
}

size_t ql__live_tasks_read(uint32_t *at, ql__live_task *rows, size_t max)
{
    size_t count = 0;
    for (; *at < QL__LIVE_TASKS_MAX && count < max; (*at)++)
        if (atomic_load_explicit(&ids[*at], memory_order_acquire) != 0 && get_row(&slots[*at], &rows[count]) && rows[count].number != 0) count++;
    return count;
}

void ql__live_tasks_count(uint64_t counts[QL__LIVE_TASK_STATES])
{
    memset(counts, 0, QL__LIVE_TASK_STATES * sizeof *counts);
    for (size_t i = 0; i < QL__LIVE_TASKS_MAX; i++) {
        ql__live_task row;
        if (atomic_load_explicit(&ids[i], memory_order_acquire) == 0 || !get_row(&slots[i], &row)) continue;
        if (row.state != 0 && row.state < QL__LIVE_TASK_STATES) counts[row.state]++;
    }
    counts[QL__QPROF_TASK_ENDED] = atomic_load_explicit(&ended, memory_order_relaxed);
    counts[0] = atomic_load_explicit(&roomless, memory_order_relaxed);
}
