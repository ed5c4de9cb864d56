/*
 * Totals of spans and counters.
 *
 * A profiler has SHARD_COUNT shards of their own cache lines. A thread that enters gets the next one and adds to it with
 * relaxed atomics: right even when two threads share a shard, uncontended while there are no more threads than shards.
 * The thread-local variable is the shard, which knows its profiler; NULL is off.
 *
 * Invariant: a profiler outlives every thread between enter and leave. Threads: all functions are safe concurrently, except
 * free. Cost of a hook: off, one thread-local load and a branch; on, two clock reads and three additions per span.
 */
#include "prof/span.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "prof/counter_table.h"
#include "prof/metrics.h"
#include "prof/place_table.h"
#include "prof/prof_place.h"
#include "sys/file.h"

#define SHARD_COUNT 32 /* power of two */
#define CACHE_LINE 64

typedef struct ql__prof_shard {
    ql__prof *prof;
    struct {
        atomic_uint_least64_t count, wall_ns, max_ns;
    } spans[QL__SPAN_COUNT];
    atomic_uint_least64_t counters[QL__COUNTER_COUNT];
} prof_shard;

/* Rounded up, so that neighbours share no line wherever the allocation starts. */
typedef union prof_slot {
    prof_shard shard;
    unsigned char line[(sizeof(prof_shard) + 2 * CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE];
} prof_slot;

struct ql__prof {
    atomic_uint next;
    ql__metrics *metrics; /* NULL: none */
    prof_slot slots[SHARD_COUNT];
};

_Thread_local struct ql__prof_shard *ql__prof_current;

static void add(atomic_uint_least64_t *place, uint64_t amount)
{
    atomic_fetch_add_explicit(place, amount, memory_order_relaxed);
}

ql__prof *ql__prof_new(void)
{
    ql__prof *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return NULL;
    for (size_t i = 0; i < SHARD_COUNT; i++) self->slots[i].shard.prof = self;
    return self;
}

void ql__prof_free(ql__prof *self)
{
    ql__free(self);
}

static void shard_read(const prof_shard *shard, ql__prof_totals *out)
{
    for (size_t i = 0; i < QL__SPAN_COUNT; i++) {
        out->spans[i].count += atomic_load_explicit(&shard->spans[i].count, memory_order_relaxed);
        out->spans[i].wall_ns += atomic_load_explicit(&shard->spans[i].wall_ns, memory_order_relaxed);
        uint64_t max_ns = atomic_load_explicit(&shard->spans[i].max_ns, memory_order_relaxed);
        if (max_ns > out->spans[i].max_ns) out->spans[i].max_ns = max_ns;
    }
    for (size_t i = 0; i < QL__COUNTER_COUNT; i++) out->counters[i] += atomic_load_explicit(&shard->counters[i], memory_order_relaxed);
}

void ql__prof_totals_read(const ql__prof *self, ql__prof_totals *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < SHARD_COUNT; i++) shard_read(&self->slots[i].shard, out);
}

void ql__prof_metrics_set(ql__prof *self, ql__metrics *metrics)
{
    self->metrics = metrics;
}

ql__metrics *ql__metrics_current(void)
{
    return ql__prof_current != NULL ? ql__prof_current->prof->metrics : NULL;
}

const char *ql__span_name(ql__span_id id)
{
#define SPAN_NAME(name, text, help) text,
    static const char *const names[] = {QL__SPANS(SPAN_NAME)};
#undef SPAN_NAME
    return (size_t)id < QL__SPAN_COUNT ? names[id] : "unknown";
}

const char *ql__counter_name(ql__counter_id id)
{
#define COUNTER_NAME(name, text, help) text,
    static const char *const names[] = {QL__COUNTERS(COUNTER_NAME)};
#undef COUNTER_NAME
    return (size_t)id < QL__COUNTER_COUNT ? names[id] : "unknown";
}

ql__prof *ql__prof_enter(ql__prof *self)
{
    ql__prof *previous = ql__prof_current ? ql__prof_current->prof : NULL;
    if (self == previous) return previous;
    ql__prof_current = self ? &self->slots[atomic_fetch_add_explicit(&self->next, 1, memory_order_relaxed) % SHARD_COUNT].shard : NULL;
    return previous;
}

void ql__prof_leave(ql__prof *previous)
{
    (void)ql__prof_enter(previous);
}

static void pool_capture(ql__pool_context *out)
{
    out->words[0] = (uintptr_t)(ql__prof_current ? ql__prof_current->prof : NULL);
    ql__place_take(out->words + 1);
}

static void pool_enter(const ql__pool_context *captured, ql__pool_context *previous)
{
    pool_capture(previous);
    (void)ql__prof_enter((ql__prof *)captured->words[0]);
    ql__place_put(captured->words + 1);
}

static void pool_leave(const ql__pool_context *previous)
{
    ql__prof_leave((ql__prof *)previous->words[0]);
    ql__place_put(previous->words + 1);
}

const ql__pool_hooks *ql__prof_pool_hooks(void)
{
    static const ql__pool_hooks hooks = {pool_capture, pool_enter, pool_leave};
    return &hooks;
}

uint64_t ql__span_now(void)
{
    return ql__monotonic_ns(ql__sys_default());
}

static void max_raise(atomic_uint_least64_t *place, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(place, memory_order_relaxed);
    while (seen < value && !atomic_compare_exchange_weak_explicit(place, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

void ql__span_open(ql__span *span, ql__span_id id, ql_site *site)
{
    span->id = id;
    span->captured = false;
    if (__atomic_load_n(&ql__prof_spans_on, __ATOMIC_RELAXED)) {
        (void)ql__site_id(site, ql__span_name(id));
        span->outer_labels = ql_label_set("stage", ql_str_of(ql__span_name(id)));
        span->traced = ql__span_start_stage(site);
        span->captured = span->traced.id != 0;
    }
    span->begin_ns = span->captured ? span->traced.begin_ns : ql__monotonic_ns(ql__sys_default());
}

void ql__span_close(ql__span *span)
{
    prof_shard *shard = ql__prof_current;
    if (shard) { /* else left before the span ended */
        uint64_t wall_ns = ql__span_now() - span->begin_ns;
        add(&shard->spans[span->id].count, 1);
        add(&shard->spans[span->id].wall_ns, wall_ns);
        max_raise(&shard->spans[span->id].max_ns, wall_ns);
        if (shard->prof->metrics != NULL) ql__metrics_span(shard->prof->metrics, span->id, wall_ns);
    }
    if (span->captured) {
        ql_span_finish(&span->traced);
        ql_label_restore(span->outer_labels);
    }
    span->begin_ns = 0;
}

void ql__counter_record(ql__counter_id id, uint64_t amount)
{
    if (ql__prof_current) add(&ql__prof_current->counters[id], amount);
    ql__tally_add((size_t)id, amount);
}
