/*
 * Sampling: an allocation is taken when a thread's countdown of bytes runs out; gaps are exponential with the interval as mean, so an allocation of s
 * bytes is taken with probability 1 - exp(-s/mean) wherever it falls, and stands for 1 / that many (as tcmalloc's and Go's heap profiles do). Each live sample
 * keeps the weight it was taken with. Exact mode is the same with probability 1.
 *
 * Frees: a small table of counters by hashed address tells whether a pointer may be one that was sampled; only then is the lock taken.
 * Peak: what every stack held at the highest total. When the total falls after it passed the last noted peak by 1 %, all are noted; so the peak is within 1 %.
 *
 * Invariants: `lock` guards everything of `heap` but the fast path's atomics; under it nothing allocates but by mmap, and no foreign code runs. A
 * thread inside a hook is marked, so that a hook never comes into itself. Process-wide state (docs/internals/prof.md): there is one heap.
 */
#include "prof/heap_profile.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/status.h"

#define MAYBE_SIZE (1u << 16)
#define LIVE_FIRST ((size_t)1 << 12)
#define SITES_MAX (1u << 18)
#define FRAMES_KEPT 64 /* of a stack: the table holds one of each kind of allocation */
#define EXACT 1

typedef struct live_entry {
    uintptr_t ptr; /* 0: free */
    uint64_t size, born_ns;
    double weight;
    uint32_t site, thread;
} live_entry;

typedef struct heap_site {
    double alloc_count, alloc_bytes, inuse_count, inuse_bytes, peak_count, peak_bytes, temporary_count, freed_count, lifetime_ns;
    uint64_t sampled;
} heap_site;

/* A stack as its key in `stacks`. */
typedef struct stack_key {
    uint32_t labels, flags;
    uintptr_t frames[FRAMES_KEPT];
} stack_key;

static struct {
    pthread_mutex_t lock;
    bool open;
    ql__intern stacks;
    ql__vm sites;         /* heap_site of each stack */
    ql__vm live;          /* live_entry, open addressing */
    size_t live_slots, live_count;
    uint64_t begin_ns, interval_first, sampled, lost, peak_ns, second_ns, second_count;
    double inuse_bytes, noted_peak;
    bool rising;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint32_t heap_on;               /* number of the capture, 0: off */
static atomic_uint_least64_t interval; /* now */
static atomic_uchar maybe[MAYBE_SIZE]; /* live samples by hash of the address; stays at 255 once there */
static bool whole_process;             /* ql_prof_heap_hooks_use() was called */

static _Thread_local int64_t countdown __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t drawn_for __attribute__((tls_model("initial-exec"))); /* capture whose gap `countdown` is */
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));
static _Thread_local uint64_t random_state __attribute__((tls_model("initial-exec")));
static _Thread_local uintptr_t last_ptr __attribute__((tls_model("initial-exec"))); /* this thread's last sample, for temporaries */

static uint64_t now_ns(void)
{
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t hash_of(uintptr_t ptr)
{
    return (uint32_t)(((uint64_t)ptr >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* xorshift64* (Vigna, 2014): an exponential gap with the given mean. */
static int64_t draw_gap(uint64_t mean)
{
    if (random_state == 0) random_state = ((uint64_t)(uintptr_t)&random_state ^ now_ns()) | 1;
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    double uniform = (double)((random_state * UINT64_C(0x2545f4914f6cdd1d)) >> 11) * 0x1p-53;
    double gap = -log1p(-uniform) * (double)mean;
    return gap < 1 ? 1 : gap > 1e15 ? (int64_t)1e15 : (int64_t)gap;
}

static heap_site *site_at(uint32_t id)
{
    return (heap_site *)(void *)heap.sites.bytes + (id - 1);
}

static live_entry *live_table(void)
{
    return (live_entry *)(void *)heap.live.bytes;
}

/* --- live samples, under the lock ---------------------------------------------------------------------------------------------- */

static size_t live_slot(const live_entry *table, size_t slots, uintptr_t ptr)
{
    size_t at = hash_of(ptr) & (slots - 1);
    while (table[at].ptr != 0 && table[at].ptr != ptr) at = (at + 1) & (slots - 1);
    return at;
}

static bool live_grow(void)
{
    size_t slots = heap.live_slots != 0 ? heap.live_slots * 2 : LIVE_FIRST;
    ql__vm grown;
    ql__vm_init(&grown, heap.live.sys);
    live_entry *table = ql__vm_append(&grown, slots * sizeof *table);
    if (table == NULL) return false;
    for (size_t i = 0; i < heap.live_slots; i++) {
        const live_entry *entry = &live_table()[i];
        if (entry->ptr != 0) table[live_slot(table, slots, entry->ptr)] = *entry;
    }
    ql__vm_dispose(&heap.live);
    heap.live = grown;
    heap.live_slots = slots;
    return true;
}

/* Closes the gap that a removed entry leaves (Knuth, volume 3, algorithm 6.4 R). */
static void live_remove(size_t at)
{
    live_entry *table = live_table();
    size_t mask = heap.live_slots - 1;
    for (size_t next = (at + 1) & mask; table[next].ptr != 0; next = (next + 1) & mask) {
        size_t home = hash_of(table[next].ptr) & mask;
        if (((next - home) & mask) < ((next - at) & mask)) continue;
        table[at] = table[next];
        at = next;
    }
    table[at].ptr = 0;
    heap.live_count--;
}

static void maybe_add(uintptr_t ptr)
{
    atomic_uchar *count = &maybe[hash_of(ptr) % MAYBE_SIZE];
    if (atomic_load_explicit(count, memory_order_relaxed) != 255) atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static void maybe_remove(uintptr_t ptr)
{
    atomic_uchar *count = &maybe[hash_of(ptr) % MAYBE_SIZE];
    if (atomic_load_explicit(count, memory_order_relaxed) != 255) atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

static void note_peak(void)
{
    heap.rising = false;
    if (heap.inuse_bytes <= heap.noted_peak * 1.01) return;
    heap.noted_peak = heap.inuse_bytes;
    heap.peak_ns = now_ns();
    for (uint32_t id = 1; id <= heap.stacks.count; id++) {
        heap_site *site = site_at(id);
        site->peak_count = site->inuse_count;
        site->peak_bytes = site->inuse_bytes;
    }
}

static void take_free(uintptr_t ptr)
{
    if (heap.live_slots == 0) return;
    size_t at = live_slot(live_table(), heap.live_slots, ptr);
    const live_entry entry = live_table()[at];
    if (entry.ptr == 0) return;
    if (heap.rising) note_peak();
    heap_site *site = site_at(entry.site);
    double bytes = entry.weight * (double)entry.size;
    site->inuse_count -= entry.weight;
    site->inuse_bytes -= bytes;
    site->freed_count += entry.weight;
    site->lifetime_ns += entry.weight * (double)(now_ns() - entry.born_ns);
    if (ptr == last_ptr) site->temporary_count += entry.weight;
    heap.inuse_bytes -= bytes;
    live_remove(at);
    maybe_remove(ptr);
}

static void throttle(uint64_t now)
{
    if (now - heap.second_ns > 1000000000u) {
        heap.second_ns = now;
        heap.second_count = 0;
    }
    uint64_t mean = atomic_load_explicit(&interval, memory_order_relaxed);
    if (mean == EXACT || ++heap.second_count <= QL__HEAP_STACKS_A_SECOND) return;
    atomic_store_explicit(&interval, mean * 2, memory_order_relaxed);
    heap.second_count = 0;
}

static void take_alloc(uintptr_t ptr, size_t size, double weight, const stack_key *key, uint32_t frames)
{
    bool fresh;
    uint64_t now = now_ns();
    throttle(now);
    bool room = ql__vm_reserve(&heap.sites, sizeof(heap_site)) && (heap.live_count < heap.live_slots / 2 || live_grow());
    uint32_t id = room ? ql__intern_put(&heap.stacks, key, offsetof(stack_key, frames) + frames * sizeof *key->frames, &fresh) : 0;
    if (id == 0) {
        heap.lost++;
        return;
    }
    if (fresh) memset(ql__vm_append(&heap.sites, sizeof(heap_site)), 0, sizeof(heap_site));
    take_free(ptr); /* a free that was not seen */
    heap_site *site = site_at(id);
    double bytes = weight * (double)size;
    site->alloc_count += weight;
    site->alloc_bytes += bytes;
    site->inuse_count += weight;
    site->inuse_bytes += bytes;
    site->sampled++;
    heap.sampled++;
    heap.inuse_bytes += bytes;
    heap.rising = true;
    live_table()[live_slot(live_table(), heap.live_slots, ptr)] = (live_entry){ptr, size, now, weight, id, 0};
    heap.live_count++;
    maybe_add(ptr);
}

/* --- hooks --------------------------------------------------------------------------------------------------------------------- */

static uint32_t stack_here(stack_key *key)
{
    ql__unwind_thread thread = {.stack_end = ql__unwind_stack_end()};
    ql__unwind_result walked = ql__unwind_here(&thread, 2, key->frames, FRAMES_KEPT); /* without sample() and the hook */
    const ql__prof_thread *known = ql__prof_thread_known();
    key->labels = known != NULL ? atomic_load_explicit(&known->labels, memory_order_relaxed) : 0;
    key->flags = QL__QPROF_STACK_CALL | (walked.root ? QL__QPROF_STACK_ROOT : 0u) | (walked.truncated ? QL__QPROF_STACK_TRUNCATED : 0u);
    return walked.count;
}

__attribute__((noinline)) static void sample(void *ptr, size_t size, uint32_t capture)
{
    uint64_t mean = atomic_load_explicit(&interval, memory_order_relaxed);
    if (mean != EXACT && drawn_for != capture) {
        countdown = draw_gap(mean) - (int64_t)size;
        drawn_for = capture;
        if (countdown > 0) return;
    }
    if (inside) return;
    inside = true;
    stack_key key;
    uint32_t frames = stack_here(&key);
    double weight = mean == EXACT ? 1 : -1 / expm1(-(double)size / (double)mean);
    pthread_mutex_lock(&heap.lock);
    if (heap.open) take_alloc((uintptr_t)ptr, size, weight, &key, frames);
    pthread_mutex_unlock(&heap.lock);
    last_ptr = (uintptr_t)ptr;
    if (mean != EXACT) countdown = draw_gap(mean);
    inside = false;
}

static void on_alloc(void *ptr, size_t size)
{
    uint32_t capture = __atomic_load_n(&heap_on, __ATOMIC_RELAXED);
    if (capture == 0 || ptr == NULL) return;
    countdown -= (int64_t)size;
    if (countdown > 0 && drawn_for == capture) return;
    sample(ptr, size, capture);
    __asm__ volatile(""); /* no tail call: the walk counts frames */
}

__attribute__((noinline)) static void forget(void *ptr)
{
    if (inside) return;
    inside = true;
    pthread_mutex_lock(&heap.lock);
    if (heap.open) take_free((uintptr_t)ptr);
    pthread_mutex_unlock(&heap.lock);
    inside = false;
}

static void on_free(void *ptr)
{
    if (__atomic_load_n(&heap_on, __ATOMIC_RELAXED) == 0) return;
    if (atomic_load_explicit(&maybe[hash_of((uintptr_t)ptr) % MAYBE_SIZE], memory_order_relaxed) != 0) forget(ptr);
}

const ql_prof_heap_hooks *ql_prof_heap_hooks_use(void)
{
    static const ql_prof_heap_hooks hooks = {sizeof hooks, 0, &heap_on, on_alloc, on_free};
    __atomic_store_n(&whole_process, true, __ATOMIC_RELAXED);
    return &hooks;
}

/* --- life ---------------------------------------------------------------------------------------------------------------------- */

ql_status ql__heap_start(uint64_t interval_bytes, ql_error *err)
{
    static const ql__alloc_watch watch = {on_alloc, on_free};
    static uint32_t captures;
    pthread_mutex_lock(&heap.lock);
    ql__intern_init(&heap.stacks, ql__sys_default(), SITES_MAX);
    ql__vm_init(&heap.sites, ql__sys_default());
    ql__vm_init(&heap.live, ql__sys_default());
    heap.live_slots = heap.live_count = 0;
    heap.sampled = heap.lost = heap.second_count = 0;
    heap.inuse_bytes = heap.noted_peak = 0;
    heap.interval_first = interval_bytes;
    heap.begin_ns = heap.second_ns = heap.peak_ns = now_ns();
    for (size_t i = 0; i < MAYBE_SIZE; i++) atomic_store_explicit(&maybe[i], 0, memory_order_relaxed);
    heap.open = live_grow();
    bool open = heap.open;
    pthread_mutex_unlock(&heap.lock);
    if (!open) return ql__fail_nomem(err);
    atomic_store(&interval, interval_bytes);
    __atomic_store_n(&heap_on, ++captures != 0 ? captures : ++captures, __ATOMIC_RELEASE);
    if (!__atomic_load_n(&whole_process, __ATOMIC_RELAXED)) ql__alloc_watch_set(&watch);
    return QL_OK;
}

void ql__heap_stop(void)
{
    ql__alloc_watch_set(NULL);
    __atomic_store_n(&heap_on, 0, __ATOMIC_RELEASE);
    pthread_mutex_lock(&heap.lock);
    heap.open = false;
    ql__intern_dispose(&heap.stacks);
    ql__vm_dispose(&heap.sites);
    ql__vm_dispose(&heap.live);
    pthread_mutex_unlock(&heap.lock);
}

void ql__heap_after_fork(void)
{
    __atomic_store_n(&heap_on, 0, __ATOMIC_RELAXED);
    ql__alloc_watch_set(NULL);
    pthread_mutex_init(&heap.lock, NULL);
    heap.open = false;
    inside = false;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------- */

/* A copy of the tables, taken under the lock and written down without it. */
typedef struct heap_copy {
    ql__vm sites, entries, keys, live;
    uint32_t count;
    size_t live_slots;
    uint64_t begin_ns, peak_ns, interval_first, sampled, lost;
} heap_copy;

static bool copy_vm(ql__vm *to, const ql__vm *from)
{
    if (!ql__vm_reserve(to, from->used)) return false;
    if (from->used != 0) memcpy(ql__vm_append(to, from->used), from->bytes, from->used);
    return true;
}

static bool copy_heap(heap_copy *copy)
{
    pthread_mutex_lock(&heap.lock);
    if (heap.rising) note_peak();
    bool done = heap.open && copy_vm(&copy->sites, &heap.sites) && copy_vm(&copy->entries, &heap.stacks.entries) && copy_vm(&copy->keys, &heap.stacks.bytes) &&
                copy_vm(&copy->live, &heap.live);
    copy->count = heap.stacks.count;
    copy->live_slots = heap.live_slots;
    copy->begin_ns = heap.begin_ns;
    copy->peak_ns = heap.peak_ns;
    copy->interval_first = heap.interval_first;
    copy->sampled = heap.sampled;
    copy->lost = heap.lost;
    pthread_mutex_unlock(&heap.lock);
    return done;
}

static uint64_t rounded(double value)
{
    return value > 0 ? (uint64_t)(value + 0.5) : 0;
}

/* What was allocated before the last tenth of the run and is in use: added up by site. */
static void count_old(const heap_copy *copy, uint64_t now, heap_site *old)
{
    uint64_t limit = copy->begin_ns + (now - copy->begin_ns) / 10 * 9;
    const live_entry *live = (const live_entry *)(const void *)copy->live.bytes;
    for (size_t i = 0; i < copy->live_slots; i++) {
        if (live[i].ptr == 0 || live[i].born_ns >= limit) continue;
        old[live[i].site - 1].inuse_count += live[i].weight;
        old[live[i].site - 1].inuse_bytes += live[i].weight * (double)live[i].size;
    }
}

static void write_rows(ql__collector *collector, const heap_copy *copy, ql__qprof_heap_kind kind, const heap_site *old)
{
    static uint32_t snapshots;
    const heap_site *sites = (const heap_site *)(const void *)copy->sites.bytes;
    heap_site sum = {0};
    for (uint32_t i = 0; i < copy->count; i++) {
        sum.alloc_count += sites[i].alloc_count, sum.alloc_bytes += sites[i].alloc_bytes;
        sum.inuse_count += sites[i].inuse_count, sum.inuse_bytes += sites[i].inuse_bytes;
        sum.peak_count += sites[i].peak_count, sum.peak_bytes += sites[i].peak_bytes;
    }
    const ql__qprof_heap head = {.time_ns = now_ns(), .peak_ns = copy->peak_ns, .alloc_count = rounded(sum.alloc_count), .alloc_bytes = rounded(sum.alloc_bytes),
                                 .inuse_count = rounded(sum.inuse_count), .inuse_bytes = rounded(sum.inuse_bytes), .peak_count = rounded(sum.peak_count),
                                 .peak_bytes = rounded(sum.peak_bytes), .interval_first = copy->interval_first, .interval = atomic_load(&interval),
                                 .sampled = copy->sampled, .id = ++snapshots, .kind = kind,
                                 .flags = (copy->interval_first == EXACT ? QL__QPROF_HEAP_EXACT : 0u) |
                                          (__atomic_load_n(&whole_process, __ATOMIC_RELAXED) ? 0u : QL__QPROF_HEAP_LIBRARY_ONLY)};
    QL__QPROF_PUT(&collector->writer, QL__QPROF_HEAP, &head);
    for (uint32_t i = 0; i < copy->count; i++) {
        stack_key key = {0};
        size_t size = ql__intern_entry_read(&copy->entries, &copy->keys, i + 1, &key, sizeof key);
        uint32_t frames = size > offsetof(stack_key, frames) ? (uint32_t)((size - offsetof(stack_key, frames)) / sizeof *key.frames) : 0;
        const heap_site *site = &sites[i];
        const ql__qprof_alloc row = {.alloc_count = rounded(site->alloc_count), .alloc_bytes = rounded(site->alloc_bytes), .inuse_count = rounded(site->inuse_count),
                                     .inuse_bytes = rounded(site->inuse_bytes), .peak_count = rounded(site->peak_count), .peak_bytes = rounded(site->peak_bytes),
                                     .temporary_count = rounded(site->temporary_count), .freed_count = rounded(site->freed_count),
                                     .lifetime_ns = rounded(site->lifetime_ns), .old_count = old != NULL ? rounded(old[i].inuse_count) : 0,
                                     .old_bytes = old != NULL ? rounded(old[i].inuse_bytes) : 0, .sampled = site->sampled, .heap = head.id,
                                     .stack = ql__collector_stack(collector, key.frames, frames, key.flags, NULL),
                                     .labels = ql__collector_labels(collector, key.labels)};
        QL__QPROF_PUT(&collector->writer, QL__QPROF_ALLOC, &row);
    }
}

void ql__heap_write(ql__collector *collector, ql__qprof_heap_kind kind)
{
    heap_copy copy = {0};
    ql__vm old;
    ql__vm *parts[] = {&copy.sites, &copy.entries, &copy.keys, &copy.live, &old};
    for (size_t i = 0; i < 5; i++) ql__vm_init(parts[i], collector->sys);
    heap_site *sums = NULL;
    if (copy_heap(&copy)) {
        if (kind == QL__QPROF_HEAP_FINAL && copy.count != 0) sums = ql__vm_append(&old, copy.count * sizeof *sums);
        if (sums != NULL) count_old(&copy, now_ns(), sums);
        write_rows(collector, &copy, kind, sums);
    } else {
        collector->lost[QL__QPROF_HEAP]++;
    }
    collector->lost[QL__QPROF_ALLOC] = copy.lost;
    if (copy.interval_first != atomic_load(&interval)) ql__collector_note(collector, "more than 2,000 allocations a second were sampled: the interval was doubled");
    for (size_t i = 0; i < 5; i++) ql__vm_dispose(parts[i]);
}
