/*
 * See live_stats.h. Functions are told apart by where they begin, which the unwind tables say without a lock; who reads the page gives them names.
 * Times fade by an eighth a second, so that the page is about the last seconds. Cost: a look-up a frame of a sample, some 40 small reads of /proc a second
 * in a process of ten threads.
 */
#include "prof/live_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "prof/counter_table.h"
#include "prof/live_tasks.h"
#include "prof/proc_text.h"
#include "prof/unwind_table.h"

#define FADE_NS UINT64_C(1000000000)
#define PERIODS_MAX 8
#define KERNEL_TICKS_NS UINT64_C(40000000) /* timers of the CPU clock are as coarse as the kernel's tick, 10 ms at most */

void ql__live_stats_init(ql__live_stats *self, const ql__sys *sys, uint64_t start_ticks)
{
    self->sys = sys;
    ql__live_page *page = &self->page;
    memcpy(page->magic, QL__LIVE_MAGIC, sizeof page->magic);
    page->version = QL__LIVE_VERSION;
    page->size = sizeof *page;
    page->pid = (uint64_t)getpid();
    page->start_ticks = start_ticks;
    page->begin_ns = ql__monotonic_ns(sys);
    (void)snprintf(page->library, sizeof page->library, "%s", ql_version());
}

/* --- functions ------------------------------------------------------------------------------------------------------------------ */

static size_t slot_of(uintptr_t value, size_t slots)
{
    return (size_t)(((uint64_t)value * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (slots - 1);
}

static uintptr_t begin_of(ql__live_stats *self, uintptr_t pc)
{
    size_t at = slot_of(pc, QL__LIVE_PC_SLOTS);
    if (self->pcs[at].pc != pc) {
        self->pcs[at].pc = pc;
        self->pcs[at].begin = ql__unwind_function_begin(pc);
    }
    return self->pcs[at].begin != 0 ? self->pcs[at].begin : pc;
}

/* NULL: no room. */
static ql__live_hot *hot_of(ql__live_stats *self, uintptr_t begin, const char *kernel)
{
    if (begin == 0) return NULL;
    for (size_t at = slot_of(begin, QL__LIVE_HOT_SLOTS);; at = (at + 1) & (QL__LIVE_HOT_SLOTS - 1)) {
        ql__live_hot *hot = &self->hot[at];
        if (hot->begin == begin) return hot;
        if (hot->begin != 0) continue;
        if (self->hot_count >= QL__LIVE_HOT_SLOTS / 4 * 3) return NULL;
        self->hot_count++;
        hot->begin = begin;
        hot->kernel = kernel;
        return hot;
    }
}

/*
 * A thread that let no signal in for so long that its sample stands for many: the time is real, the place is only where it let one in. A file of all samples
 * keeps it; among the last seconds it would be the first of all functions.
 */
static bool too_long(const ql__live_page *page, uint64_t weight_ns)
{
    return page->rate_hz != 0 && weight_ns > PERIODS_MAX * UINT64_C(1000000000) / page->rate_hz && weight_ns > KERNEL_TICKS_NS;
}

void ql__live_sample(void *user, const ql__sample *sample)
{
    ql__live_stats *self = user;
    if (sample->kind != QL__QPROF_CPU || too_long(&self->page, sample->weight_ns)) return;
    self->sample_number++;
    self->window_ns += sample->weight_ns;
    for (uint32_t i = 0; i < sample->count; i++) {
        bool made = i == 0 && sample->generated; /* all code of one name is one function */
        uintptr_t begin = made ? (sample->kernel != NULL ? (uintptr_t)sample->kernel : sample->frames[0]) : begin_of(self, sample->frames[i] - (i != 0));
        ql__live_hot *hot = hot_of(self, begin, made ? (sample->kernel != NULL ? sample->kernel : "[generated code]") : NULL);
        if (hot == NULL) continue;
        if (i == 0) hot->self_ns += sample->weight_ns;
        if (hot->seen != self->sample_number) hot->total_ns += sample->weight_ns; /* once, however often it calls itself */
        hot->seen = self->sample_number;
    }
}

/* An eighth less of everything. A table that has filled up begins anew: what matters is back within a second. */
static void fade(ql__live_stats *self)
{
    self->window_ns -= self->window_ns / 8;
    memset(self->pcs, 0, sizeof self->pcs); /* code may be unloaded, and other code come to its place */
    for (size_t i = 0; i < QL__LIVE_HOT_SLOTS; i++) {
        self->hot[i].self_ns -= self->hot[i].self_ns / 8;
        self->hot[i].total_ns -= self->hot[i].total_ns / 8;
    }
    if (self->hot_count < QL__LIVE_HOT_SLOTS / 4 * 3) return;
    memset(self->hot, 0, sizeof self->hot);
    self->hot_count = 0;
    self->window_ns = 0;
}

static uint32_t module_of(ql__live_page *page, const ql__collector *collector, const ql__mapping *mapping)
{
    ql__live_module wanted = {.build_id_size = mapping->build_id_size};
    memcpy(wanted.build_id, mapping->build_id, sizeof wanted.build_id);
    size_t size = ql__intern_entry_read(&collector->strings.entries, &collector->strings.bytes, mapping->path, wanted.path, sizeof wanted.path);
    if (mapping->path == 0 || size >= sizeof wanted.path) return 0;
    for (uint32_t i = 0; i < page->module_count; i++)
        if (memcmp(&page->modules[i], &wanted, sizeof wanted) == 0) return i + 1;
    if (page->module_count == QL__LIVE_MODULES) return 0;
    page->modules[page->module_count++] = wanted;
    return page->module_count;
}

static void put_function(ql__live_page *page, const ql__collector *collector, const ql__live_hot *hot)
{
    ql__live_function *function = &page->functions[page->function_count++];
    *function = (ql__live_function){.self_ns = hot->self_ns, .total_ns = hot->total_ns};
    const ql__mapping *mapping = hot->kernel == NULL ? ql__mapping_find(&collector->mappings, hot->begin) : NULL;
    if (hot->kernel != NULL) (void)snprintf(function->name, sizeof function->name, "%s", hot->kernel);
    if (mapping == NULL) return;
    function->module = module_of(page, collector, mapping);
    function->address = hot->begin - mapping->load_bias;
}

/* Half of them by their own time, then by the whole. Chosen ones are marked by `seen`, which only samples use. */
static void fill_functions(ql__live_stats *self, const ql__collector *collector)
{
    ql__live_page *page = &self->page;
    page->module_count = page->function_count = 0;
    for (uint32_t round = 0; round < QL__LIVE_FUNCTIONS; round++) {
        bool own = round < QL__LIVE_FUNCTIONS / 2;
        ql__live_hot *best = NULL;
        for (size_t i = 0; i < QL__LIVE_HOT_SLOTS; i++) {
            ql__live_hot *hot = &self->hot[i];
            uint64_t value = own ? hot->self_ns : hot->total_ns;
            if (value == 0 || hot->seen == UINT64_MAX) continue;
            if (best == NULL || value > (own ? best->self_ns : best->total_ns)) best = hot;
        }
        if (best == NULL) continue;
        best->seen = UINT64_MAX;
        put_function(page, collector, best);
    }
    for (size_t i = 0; i < QL__LIVE_HOT_SLOTS; i++)
        if (self->hot[i].seen == UINT64_MAX) self->hot[i].seen = 0;
    page->window_ns = self->window_ns;
}

/* --- stages and counters ------------------------------------------------------------------------------------------------------------ */

void ql__live_span(void *user, const ql__event_span *event)
{
    ql__live_stats *self = user;
    const ql__site_copy *site = ql__site_get(event->site);
    uint32_t at = 0;
    if (site == NULL || event->end_ns < event->begin_ns) return;
    while (at < self->stage_count && strncmp(self->stages[at].name, site->name, sizeof self->stages[at].name - 1) != 0) at++;
    if (at == QL__LIVE_STAGES) return;
    if (at == self->stage_count) (void)snprintf(self->stages[self->stage_count++].name, sizeof self->stages[at].name, "%s", site->name);
    self->stages[at].count++;
    self->stages[at].wall_ns += event->end_ns - event->begin_ns;
    if (event->cpu_ns != UINT64_MAX) self->stages[at].cpu_ns += event->cpu_ns;
}

static void fill_counters(ql__live_page *page)
{
    page->counter_count = 0;
    for (size_t i = 0; i < ql__tally_count() && i < QL__LIVE_COUNTERS; i++) {
        ql__live_counter *counter = &page->counters[page->counter_count++];
        (void)snprintf(counter->name, sizeof counter->name, "%s", ql__tally_name(i));
        counter->value = ql__tally_value(i);
        counter->total = ql__tally_is_total(i);
    }
}

/* --- the kernel's numbers -------------------------------------------------------------------------------------------------------- */

static void fill_process(ql__live_stats *self)
{
    ql__live_page *page = &self->page;
    char text[1024], *end = text;
    struct rusage usage;
    uint64_t bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    page->rss_bytes = page->virtual_bytes = page->read_bytes = page->write_bytes = page->cpu_ns = QL__LIVE_UNKNOWN;
    if (ql__proc_read(self->sys, "/proc/self/statm", text, sizeof text) > 0) {
        page->virtual_bytes = strtoull(text, &end, 10) * bytes;
        page->rss_bytes = strtoull(end, NULL, 10) * bytes;
    }
    if (ql__proc_read(self->sys, "/proc/self/io", text, sizeof text) > 0) { /* not where the process may not be dumped */
        page->read_bytes = ql__proc_after(text, "\nread_bytes:", QL__LIVE_UNKNOWN);
        page->write_bytes = ql__proc_after(text, "\nwrite_bytes:", QL__LIVE_UNKNOWN);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        page->cpu_ns = ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000u + ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000u;
}

static void put_thread(void *user, pid_t tid)
{
    ql__live_stats *self = user;
    ql__live_page *page = &self->page;
    char path[64], text[512];
    page->threads_all++;
    if (page->thread_count == QL__LIVE_THREADS) return;
    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/stat", (long)tid);
    if (ql__proc_read(self->sys, path, text, sizeof text) == 0) return;
    ql__live_thread *thread = &page->threads[page->thread_count];
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (open == NULL || close == NULL || close < open || close[1] != ' ') return;
    *close = '\0';
    *thread = (ql__live_thread){.cpu_ns = ql__sampler_cpu_ns(tid), .tid = tid, .state = close[2]};
    (void)snprintf(thread->name, sizeof thread->name, "%s", open + 1);
    page->thread_count++;
}

static void fill_threads(ql__live_stats *self)
{
    self->page.thread_count = self->page.threads_all = 0;
    ql__collector_tids(self->sys, put_thread, self);
}

void ql__live_stats_fill(ql__live_stats *self, ql__collector *collector, uint64_t now)
{
    ql__live_page *page = &self->page;
    if (now - self->faded_ns >= FADE_NS) {
        fade(self);
        self->faded_ns = now;
    }
    if (collector != NULL) fill_functions(self, collector);
    else page->function_count = page->module_count = 0;
    memcpy(page->stages, self->stages, sizeof page->stages);
    page->stage_count = self->stage_count;
    ql__live_tasks_count(page->tasks);
    fill_counters(page);
    fill_process(self);
    fill_threads(self);
    page->heartbeat_ns = now;
}
