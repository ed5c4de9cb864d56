/*
 * A task that waits without saying so: everything else on its thread stands still. Evidence: a poll of the task (a stretch in which it runs) of 100 ms or more,
 * and hardly any processor time in it. Where spans of the task say where it waits, they are the place; else the task is. A sample of time that was
 * taken while it waited names the call itself.
 *
 * The library's stages measure their processor time; of other spans and of tasks it is the sum of samples, which is known where processor time was sampled.
 * On a machine with much other work a thread that could run stands still as well: hence a tenth at most, and three times at least or a second in all, and nothing
 * at all where waits for a processor may be the whole of it.
 * Threads: any. Cost: sorts the samples of processor time, O(samples log samples + spans log samples).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/lanes.h"
#include "capture/report_internal.h"

#define BLOCKED_NS_MIN 100000000 /* what a loop must not wait for in one piece */
#define BLOCKED_TIMES_MIN 3
#define BLOCKED_SUM_MIN 1000000000 /* or so long in all */
#define BUSY_PART 10             /* one of that many parts may be processor time */

/* --- processor time of a stretch ------------------------------------------------------------------------------------------------------------ */

typedef struct cpu_point {
    uint64_t at_ns, before_ns; /* before_ns: the samples' time before it, of all threads before too */
    uint32_t thread;
    int64_t value_ns;
} cpu_point;

typedef struct blocking {
    ql__evidence *evidence;
    cpu_point *points; /* (count), by thread, then time */
    size_t count;
    bool sampled;      /* the capture has samples of processor time */
    ql__tallies tasks; /* by id: value_ns: processor time sampled in it; other: index + 1 of its row */
    ql__tallies explained; /* tasks by id, that a span of theirs explains */
    ql__tallies places; /* by site, and whether it is of tasks */
    ql__map ids;       /* of spans and tasks that are blocked, to the index of their place */
} blocking;

static int compare_points(const void *left, const void *right)
{
    const cpu_point *a = left, *b = right;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns;
}

static ql_status index_samples(blocking *self, ql_error *err)
{
    const ql__profile *p = self->evidence->profile;
    const ql__profile_set *set = &p->sets[QL__SAMPLE_CPU];
    self->sampled = set->period > 0 || set->count > 0;
    self->points = ql__alloc_zero(set->count > 0 ? set->count : 1, sizeof *self->points);
    if (self->points == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < set->count; i++)
        self->points[i] = (cpu_point){.at_ns = set->samples[i].at_ns, .thread = set->samples[i].thread, .value_ns = ql__sample_value(p, QL__SAMPLE_CPU, i, QL__VALUE_NS)};
    self->count = set->count;
    qsort(self->points, self->count, sizeof *self->points, compare_points);
    for (size_t i = 1; i < self->count; i++) self->points[i].before_ns = self->points[i - 1].before_ns + (uint64_t)self->points[i - 1].value_ns;
    return QL_OK;
}

/* The first point of a thread at a time or later. */
static size_t point_from(const blocking *self, uint32_t thread, uint64_t at_ns)
{
    size_t low = 0, high = self->count;
    const cpu_point wanted = {.at_ns = at_ns, .thread = thread};
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_points(&self->points[middle], &wanted) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static uint64_t sampled_time(const blocking *self, const ql__profile_span *span)
{
    size_t first = point_from(self, span->thread, span->begin_ns), end = point_from(self, span->thread, span->end_ns + 1);
    if (first >= end) return 0;
    return self->points[end - 1].before_ns + (uint64_t)self->points[end - 1].value_ns - self->points[first].before_ns;
}

/* --- what is blocked ------------------------------------------------------------------------------------------------------------------------ */

static bool is_idle(const blocking *self, const ql__profile_span *span)
{
    uint64_t length = ql__span_length(span);
    if (span->cpu_ns != UINT64_MAX) return span->cpu_ns < length / BUSY_PART;
    return self->sampled && sampled_time(self, span) < length / BUSY_PART;
}

/* Between its begin and its end a task only runs, is ready or waits: one that says it waits does not block its thread. */
static uint64_t longest_poll(const blocking *self, uint64_t task)
{
    const ql__tally *row = ql__tally_find(&self->tasks, task, 0);
    return row != NULL && row->other != 0 ? self->evidence->profile->tasks[row->other - 1].longest_poll_ns : 0;
}

/* The innermost span that waited: no span inside explains it. */
static bool is_blocked(const blocking *self, size_t index)
{
    const ql__profile_span *span = &self->evidence->profile->spans[index];
    uint64_t length = ql__span_length(span);
    return span->task != 0 && !span->open && length >= BLOCKED_NS_MIN && self->evidence->child_ns[index] < length / 2 && longest_poll(self, span->task) >= BLOCKED_NS_MIN &&
           is_idle(self, span);
}

static ql_status index_tasks(blocking *self, ql_error *err)
{
    const ql__profile *p = self->evidence->profile;
    for (size_t i = 0; i < p->tasks_count; i++) {
        ql__tally *row = ql__tally_of(&self->tasks, p->tasks[i].id, 0);
        if (row == NULL) return ql__fail_nomem(err);
        row->other = i + 1;
    }
    for (size_t i = 0; i < p->sets[QL__SAMPLE_CPU].count; i++) {
        const ql__profile_sample *sample = &p->sets[QL__SAMPLE_CPU].samples[i];
        ql__tally *row = sample->task != 0 ? ql__tally_of(&self->tasks, sample->task, 0) : NULL;
        if (sample->task != 0 && row == NULL) return ql__fail_nomem(err);
        if (row != NULL) row->value_ns += (uint64_t)ql__sample_value(p, QL__SAMPLE_CPU, i, QL__VALUE_NS);
    }
    return QL_OK;
}

/* key[1] of a place: 1 one of tasks. id: its span or task, borrowed from the profile. */
static ql_status add_blocked(blocking *self, uint32_t site, bool of_task, uint64_t length, const uint64_t *id, ql_error *err)
{
    ql__tally *place = ql__tally_of(&self->places, site, of_task);
    uint64_t *index = place != NULL ? ql__map_insert(&self->ids, (ql_str){(const char *)id, sizeof *id}, NULL) : NULL;
    if (index == NULL) return ql__fail_nomem(err);
    place->count++;
    if (length > place->other) place->other = length;
    *index = (uint64_t)(place - self->places.items);
    return QL_OK;
}

static ql_status find_spans(blocking *self, ql_error *err)
{
    const ql__profile *p = self->evidence->profile;
    for (size_t i = 0; i < p->spans_count; i++) {
        if (!is_blocked(self, i)) continue;
        QL_TRY(add_blocked(self, p->spans[i].site, false, ql__span_length(&p->spans[i]), &p->spans[i].id, err));
        if (ql__tally_of(&self->explained, p->spans[i].task, 0) == NULL) return ql__fail_nomem(err);
    }
    return QL_OK;
}

/* Tasks that no span of theirs explains. */
static ql_status find_tasks(blocking *self, ql_error *err)
{
    const ql__profile *p = self->evidence->profile;
    for (size_t i = 0; i < p->tasks_count && self->sampled; i++) {
        const ql__profile_task *task = &p->tasks[i];
        const ql__tally *row = ql__tally_find(&self->tasks, task->id, 0);
        if (ql__tally_find(&self->explained, task->id, 0) != NULL || row->other != i + 1 || task->longest_poll_ns < BLOCKED_NS_MIN || row->value_ns >= task->busy_ns / BUSY_PART) continue;
        QL_TRY(add_blocked(self, task->site, true, task->longest_poll_ns, &task->id, err));
    }
    return QL_OK;
}

/* --- findings ------------------------------------------------------------------------------------------------------------------------------- */

static const uint64_t *place_of_id(const blocking *self, uint64_t id)
{
    return ql__map_find(&self->ids, (ql_str){(const char *)&id, sizeof id});
}

/* Time in which one of a place's spans waited, or one of its tasks ran: tasks of one thread run one after the other. */
static ql_status blocked_time(const blocking *self, size_t place, uint64_t *out, ql_error *err)
{
    const ql__profile *p = self->evidence->profile;
    ql__stretches stretches = {0};
    ql_status status = QL_OK;
    bool of_task = self->places.items[place].key[1] != 0;
    for (size_t i = 0; i < p->spans_count && status >= 0 && !of_task; i++) {
        const uint64_t *index = place_of_id(self, p->spans[i].id);
        if (index != NULL && *index == place) status = ql__stretch_add(&stretches, p->spans[i].begin_ns, p->spans[i].end_ns, err);
    }
    for (size_t i = 0; i < p->tasks_count && status >= 0 && of_task; i++) {
        const uint64_t *index = place_of_id(self, p->tasks[i].id);
        uint64_t end_ns = p->tasks[i].end_ns != 0 ? p->tasks[i].end_ns : p->numbers.duration_ns;
        uint64_t busy_ns = p->tasks[i].busy_ns < end_ns ? p->tasks[i].busy_ns : end_ns;
        if (index != NULL && *index == place) status = ql__stretch_add(&stretches, end_ns - busy_ns, end_ns, err); /* when exactly it ran is not kept */
    }
    *out = ql__stretches_covered(&stretches);
    ql__free(stretches.items);
    return status;
}

/* Where most samples of a place were taken while it waited: the call itself, or who makes it. */
static ql_status waiting_line(const blocking *self, size_t place, uint64_t *samples, uint32_t *out, ql_error *err)
{
    const ql__profile *p = self->evidence->profile;
    const ql__profile_set *set = &p->sets[QL__SAMPLE_WALL];
    ql__tallies lines;
    ql_status status = QL_OK;
    ql__tallies_init(&lines);
    *samples = 0;
    for (size_t i = 0; i < set->count && status >= 0; i++) {
        const ql__profile_sample *sample = &set->samples[i];
        const uint64_t *index = sample->waiting && sample->task != 0 ? place_of_id(self, self->places.items[place].key[1] != 0 ? sample->task : sample->span) : NULL;
        uint32_t line;
        if (index == NULL || *index != place || !ql__stack_source(p, sample->stack, &line)) continue;
        ql__tally *tally = ql__tally_of(&lines, p->lines[line].function, p->lines[line].line);
        if (tally == NULL) status = ql__fail_nomem(err);
        else {
            tally->span = line;
            if (++tally->count > *samples) *samples = tally->count, *out = tally->span;
        }
    }
    ql__tallies_dispose(&lines);
    return status;
}

static ql_status add_place(const blocking *self, size_t index, ql_error *err)
{
    ql__report *report = self->evidence->report;
    const ql__tally *place = &self->places.items[index];
    char issue[300];
    uint64_t time;
    uint32_t line = 0;
    ql__finding finding = {.rule = "blocking-call", .count = place->count};
    QL_TRY(blocked_time(self, index, &time, err));
    if (place->count < BLOCKED_TIMES_MIN && time < BLOCKED_SUM_MIN) return QL_OK;
    QL_TRY(waiting_line(self, index, &finding.samples, &line, err));
    /* A thread that could run and had no processor stands still as well: where all of it may have been that, only a sample in a call shows the difference. */
    const ql__profile *p = self->evidence->profile;
    if (finding.samples == 0 && ql__profile_starved(p) && time / 2 <= p->numbers.run_delay_ns) return QL_OK;
    finding.share = ql__of_wall(report, time);
    finding.value = time;
    if (finding.samples > 0) ql__finding_function(self->evidence->profile, &finding, self->evidence->profile->lines[line].function, self->evidence->profile->lines[line].line);
    else ql__finding_site(self->evidence->profile, &finding, (uint32_t)place->key[0]);
    (void)snprintf(issue, sizeof issue, "A task waits without letting its thread go: %llu times, up to %llu ms; everything else on that thread stands still.", (unsigned long long)place->count,
                   (unsigned long long)(place->other / 1000000));
    return ql__finding_add(report, finding, QL__SEVERITY_CRITICAL, issue, "Make the call in the background (a pool, a non-blocking call) and let the task wait for it.", err);
}

ql_status ql__rules_blocking(ql__evidence *evidence, ql_error *err)
{
    blocking self = {.evidence = evidence};
    ql__tallies_init(&self.tasks);
    ql__tallies_init(&self.explained);
    ql__tallies_init(&self.places);
    ql__map_init(&self.ids, 0x5eed);
    ql_status status = index_samples(&self, err);
    if (status >= 0) status = index_tasks(&self, err);
    if (status >= 0) status = find_spans(&self, err);
    if (status >= 0) status = find_tasks(&self, err);
    for (size_t i = 0; i < self.places.count && status >= 0; i++) status = add_place(&self, i, err);
    ql__tallies_dispose(&self.tasks);
    ql__tallies_dispose(&self.explained);
    ql__tallies_dispose(&self.places);
    ql__map_dispose(&self.ids);
    ql__free(self.points);
    return status;
}
