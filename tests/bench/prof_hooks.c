/*
 * What the hooks of qloader/prof.h cost, off and on, and what a sample costs: nanoseconds, the least of 11 rounds. Targets: docs/internals/prof.md.
 * Uses the shared library as a program would. Prints; never fails for being slow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <qloader.h>

#define ROUNDS 11

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void empty(int count)
{
    for (int i = 0; i < count; i++) __asm__ volatile("");
}

static void spans(int count)
{
    for (int i = 0; i < count; i++) {
        QL_PROF_SPAN(span, "bench", "bench");
        ql_span_end(&span);
        __asm__ volatile("");
    }
}

static void tasks(int count)
{
    static ql_site site = QL_SITE_INIT("task", "bench");
    for (int i = 0; i < count; i++) {
        ql_task task = ql_task_begin(&site, QL_STR("one"), 0);
        ql_task_run(&task);
        ql_task_end(&task);
    }
}

static void labels(int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t before = ql_label_set("key", QL_STR("value"));
        ql_label_restore(before);
    }
}

static const ql_prof_heap_hooks *hooks;

static void pairs(int count)
{
    for (int i = 0; i < count; i++) {
        void *ptr = malloc(200);
        __asm__ volatile("" : "+r"(ptr));
        free(ptr);
    }
}

static void watched_pairs(int count)
{
    for (int i = 0; i < count; i++) {
        void *ptr = malloc(200);
        __asm__ volatile("" : "+r"(ptr));
        if (*hooks->on) hooks->alloc_fn(ptr, 200);
        if (*hooks->on) hooks->free_fn(ptr);
        free(ptr);
    }
}

static double least(void (*work)(int count), int count)
{
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = cpu_ns();
        work(count);
        double spent = (cpu_ns() - begin) / count;
        if (spent < best) best = spent;
    }
    return best;
}

static ql_prof *start(uint32_t sources)
{
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = sources;
    if (ql_prof_start(&options, &prof, &err) >= 0) return prof;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

static volatile double sink;

static void burn(int count)
{
    for (int i = 1; i <= count; i++) sink = sink + 1.0 / i;
}

/* Own nanoseconds of a capture over a second of CPU time, by rate. */
static void sampling(uint32_t rate_hz)
{
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_CPU;
    options.rate_hz = rate_hz;
    if (ql_prof_start(&options, &prof, NULL) < 0) exit(1);
    double begin = cpu_ns();
    while (cpu_ns() - begin < 2e9) burn(100000);
    ql_prof_info info = {.struct_size = sizeof info};
    (void)!ql_prof_stop(prof, NULL);
    (void)!ql_prof_info_read(prof, &info, NULL);
    printf("%4u Hz: %llu samples in 2 s, own CPU time %.2f %%, %.1f us a sample with everything\n", rate_hz, (unsigned long long)info.samples, (double)info.own_ns / 2e7,
           info.samples ? (double)info.own_ns / 1e3 / (double)info.samples : 0);
    ql_prof_free(prof);
}

int main(void)
{
    hooks = ql_prof_heap_hooks_use();
    double nothing = least(empty, 10000000);
    printf("off: span %.2f ns, task begun, run and ended %.2f ns, label set and restore %.2f ns, malloc and free %.2f ns with hooks, %.2f without\n", least(spans, 10000000) - nothing, least(tasks, 10000000) - nothing, least(labels, 10000000) - nothing,
           least(watched_pairs, 5000000), least(pairs, 5000000));
    ql_prof *prof = start(QL_PROF_SPANS);
    printf("on:  span %.0f ns, label set and restore %.0f ns\n", least(spans, 200000), least(labels, 200000));
    ql_prof_free(prof);
    prof = start(QL_PROF_HEAP);
    printf("on:  malloc and free %.2f ns with sampling hooks\n", least(watched_pairs, 5000000));
    ql_prof_free(prof);
    sampling(99);
    sampling(250);
    sampling(1000);
    return 0;
}
