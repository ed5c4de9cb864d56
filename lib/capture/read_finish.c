/*
 * The end of reading: times count from the start of the capture, tables are in order of time, and the numbers of the whole are added up.
 * Threads: one. Cost: a sort of what is not in order already.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/read_internal.h"

static bool parse_number(ql_str text, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 19) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = value;
    return true;
}

/* Times go into JSON, whose readers have 63 bits at most: 292 years. */
#define NUMBER_MAX ((uint64_t)INT64_MAX)

static uint64_t since(const ql__reader *self, uint64_t time_ns)
{
    uint64_t passed = time_ns > self->start_ns ? time_ns - self->start_ns : 0;
    return passed < NUMBER_MAX ? passed : NUMBER_MAX;
}

static uint64_t meta_number(const ql__profile *profile, const char *key)
{
    uint64_t value = 0;
    return parse_number(ql__profile_meta(profile, key), &value) ? value : 0;
}

static void shift_times(ql__reader *self)
{
    ql__profile *profile = self->profile;
    for (size_t k = 0; k < QL__SAMPLE_KIND_COUNT; k++)
        for (size_t i = 0; i < profile->sets[k].count; i++) profile->sets[k].samples[i].at_ns = since(self, profile->sets[k].samples[i].at_ns);
    for (size_t i = 0; i < profile->threads_count; i++) {
        ql__profile_thread *thread = &profile->threads[i];
        thread->begin_ns = since(self, thread->begin_ns);
        thread->end_ns = since(self, thread->end_ns);
    }
    for (size_t i = 0; i < profile->spans_count; i++) {
        ql__profile_span *span = &profile->spans[i];
        span->open = span->end_ns == 0;
        span->begin_ns = since(self, span->begin_ns);
        span->end_ns = span->open ? profile->numbers.duration_ns : since(self, span->end_ns);
        if (span->end_ns < span->begin_ns) span->end_ns = span->begin_ns;
    }
    for (size_t i = 0; i < profile->links_count; i++) profile->links[i].at_ns = since(self, profile->links[i].at_ns);
    for (size_t i = 0; i < profile->tasks_count; i++) {
        ql__profile_task *task = &profile->tasks[i];
        bool open = task->end_ns == 0;
        task->begin_ns = since(self, task->begin_ns);
        task->end_ns = open ? 0 : since(self, task->end_ns);
        if (!open && task->end_ns < task->begin_ns) task->end_ns = task->begin_ns;
    }
    for (size_t i = 0; i < profile->points_count; i++) profile->points[i].at_ns = since(self, profile->points[i].at_ns);
    for (size_t i = 0; i < profile->memory_count; i++) profile->memory[i].at_ns = since(self, profile->memory[i].at_ns);
    profile->heap.at_ns = since(self, profile->heap.at_ns);
    profile->heap.peak_ns = since(self, profile->heap.peak_ns);
}

/* Stable, as rows of one moment keep their order: every row type begins with, or has at `offset`, its time. */
typedef struct timed {
    uint64_t at_ns;
    size_t index;
} timed;

static int compare_timed(const void *left, const void *right)
{
    const timed *a = left, *b = right;
    if (a->at_ns != b->at_ns) return a->at_ns < b->at_ns ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static uint64_t time_at(const char *rows, size_t row, size_t size, size_t offset)
{
    uint64_t at_ns;
    memcpy(&at_ns, rows + row * size + offset, sizeof at_ns);
    return at_ns;
}

/* Puts `rows` in order of time, and `beside` (of beside_size bytes a row; NULL: nothing) in the same. */
static ql_status sort_by_time(void *rows, size_t count, size_t size, size_t offset, void *beside, size_t beside_size, ql_error *err)
{
    size_t sorted = 1;
    while (sorted < count && time_at(rows, sorted - 1, size, offset) <= time_at(rows, sorted, size, offset)) sorted++;
    if (sorted >= count) return QL_OK;
    timed *order = ql__alloc_zero(count, sizeof *order);
    char *old = ql__alloc_zero(count, size), *old_beside = beside != NULL ? ql__alloc_zero(count, beside_size) : NULL;
    ql_status status = order != NULL && old != NULL && (beside == NULL || old_beside != NULL) ? QL_OK : ql__fail_nomem(err);
    if (status >= 0) {
        memcpy(old, rows, count * size);
        if (beside != NULL) memcpy(old_beside, beside, count * beside_size);
        for (size_t i = 0; i < count; i++) order[i] = (timed){time_at(rows, i, size, offset), i};
        qsort(order, count, sizeof *order, compare_timed);
        for (size_t i = 0; i < count; i++) {
            memcpy((char *)rows + i * size, old + order[i].index * size, size);
            if (beside != NULL) memcpy((char *)beside + i * beside_size, old_beside + order[i].index * beside_size, beside_size);
        }
    }
    ql__free(order);
    ql__free(old);
    ql__free(old_beside);
    return status;
}

static ql_status sort_tables(ql__profile *profile, ql_error *err)
{
    for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++) {
        ql__profile_set *set = &profile->sets[k];
        QL_TRY(sort_by_time(set->samples, set->count, sizeof *set->samples, offsetof(ql__profile_sample, at_ns), set->values,
                            ql__sample_kind_width((ql__sample_kind)k) * sizeof *set->values, err));
    }
    QL_TRY(sort_by_time(profile->points, profile->points_count, sizeof *profile->points, offsetof(ql__profile_point, at_ns), NULL, 0, err));
    QL_TRY(sort_by_time(profile->spans, profile->spans_count, sizeof *profile->spans, offsetof(ql__profile_span, begin_ns), NULL, 0, err));
    return sort_by_time(profile->memory, profile->memory_count, sizeof *profile->memory, offsetof(ql__profile_memory, at_ns), NULL, 0, err);
}

/* How much a counter grew over the capture; `none` where it was not counted. */
static uint64_t counted(const ql__profile *profile, ql_str name, uint64_t none)
{
    double first = -1, last = 0;
    for (size_t i = 0; i < profile->points_count; i++) {
        if (!ql_str_equal(ql__profile_text(profile, profile->points[i].name), name)) continue;
        if (first < 0) first = profile->points[i].value;
        last = profile->points[i].value;
    }
    if (first < 0) return none;
    return last > first && last - first < 1e18 ? (uint64_t)(last - first) : 0;
}

static int64_t period_of(uint64_t hz)
{
    return hz > 0 ? (int64_t)(UINT64_C(1000000000) / hz) : 0;
}

static void sum_up(ql__reader *self)
{
    ql__profile *profile = self->profile;
    ql__profile_numbers *numbers = &profile->numbers;
    numbers->cpu_ns = counted(profile, QL_STR("process.cpu_ns"), 0);
    numbers->run_delay_ns = counted(profile, QL_STR("process.run_delay_ns"), UINT64_MAX);
    numbers->cores_usable = meta_number(profile, "cores_usable");
    numbers->collector_ns = self->end.own_ns;
    numbers->samples = self->end.samples;
    numbers->rootless = self->end.rootless;
    numbers->complete = self->end.complete != 0;
    numbers->cut = self->end.complete == 2;
    numbers->pid = meta_number(profile, "pid");
    numbers->connections = (ql__profile_connections){.looks = meta_number(profile, "connection_looks"), .looks_new = meta_number(profile, "connection_looks_new"),
                                                     .seen = meta_number(profile, "connections_seen"), .seen_new = meta_number(profile, "connections_seen_new"),
                                                     .machine = meta_number(profile, "machine_connections")};
    uint64_t started = meta_number(profile, "start_unix_ms");
    numbers->started_unix_ms = started < UINT64_C(1) << 43 ? (int64_t)started : 0; /* the year 2248; nanoseconds of it still fit */
    for (size_t i = 0; i < profile->memory_count; i++)
        if (profile->memory[i].rss != QL__MEMORY_UNKNOWN && profile->memory[i].rss > numbers->memory_peak_bytes) numbers->memory_peak_bytes = profile->memory[i].rss;
    uint64_t mark = meta_number(profile, "peak_resident_bytes"); /* between two looks */
    if (mark > numbers->memory_peak_bytes && numbers->memory_peak_bytes != 0) numbers->memory_peak_bytes = mark;
    profile->sets[QL__SAMPLE_CPU].period = period_of(meta_number(profile, "cpu_hz"));
    profile->sets[QL__SAMPLE_WALL].period = period_of(meta_number(profile, "wall_hz"));
    uint64_t interval = self->has_heap ? self->heap.interval : meta_number(profile, "heap_interval");
    profile->sets[QL__SAMPLE_HEAP].period = (int64_t)(interval < NUMBER_MAX ? interval : NUMBER_MAX);
}

ql_status ql__read_finish(ql__reader *self, ql_error *err)
{
    uint64_t told = meta_number(self->profile, "start_monotonic_ns"), stopped = meta_number(self->profile, "stop_monotonic_ns");
    self->start_ns = told != 0 ? told : self->first_ns;
    uint64_t end = stopped != 0 ? stopped : self->last_ns;
    self->profile->numbers.duration_ns = since(self, end);
    shift_times(self);
    QL_TRY(sort_tables(self->profile, err));
    sum_up(self);
    return QL_OK;
}
