/*
 * What an update of a metric costs: alone, and with all cores at it. Prints nanoseconds an update, the best of 9 rounds of a million; the loop itself
 * (a volatile index) is measured and not taken off.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "prof/metrics.h"

#define UPDATES 1000000
#define ROUNDS 9

typedef struct work {
    ql_series *series;
    void (*update)(ql_series *series, int i);
    double best_ns;
} work;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void nothing(ql_series *series, int i)
{
    (void)series, (void)i;
    __asm__ volatile("");
}

static void add(ql_series *series, int i)
{
    (void)i;
    ql_series_add(series, 1);
}

static void change(ql_series *series, int i)
{
    ql_series_change(series, i);
}

static void observe(ql_series *series, int i)
{
    ql_series_observe(series, (double)(i % 1024) / 100);
}

static void observe_with(ql_series *series, int i)
{
    ql_series_observe_with(series, (double)(i % 1024) / 100, QL_STR("document"), QL_STR("3f0c7a60"));
}

static void *run(void *user)
{
    work *self = user;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = now_ns();
        for (int i = 0; i < UPDATES; i++) self->update(self->series, i);
        double ns = (now_ns() - begin) / UPDATES;
        if (round == 0 || ns < self->best_ns) self->best_ns = ns;
    }
    return NULL;
}

static void measure(const char *name, ql_series *series, void (*update)(ql_series *series, int i))
{
    enum { THREADS_MAX = 64 };
    pthread_t threads[THREADS_MAX];
    work works[THREADS_MAX], alone = {series, update, 0};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int count = cores > THREADS_MAX ? THREADS_MAX : (int)cores, begun = 0;
    double worst = 0;
    run(&alone);
    for (; begun < count; begun++) {
        works[begun] = (work){series, update, 0};
        if (pthread_create(&threads[begun], NULL, run, &works[begun]) != 0) break;
    }
    for (int i = 0; i < begun; i++) {
        pthread_join(threads[i], NULL);
        if (works[i].best_ns > worst) worst = works[i].best_ns;
    }
    printf("%-24s %8.1f ns alone %8.1f ns with %d threads\n", name, alone.best_ns, worst, begun);
}

static ql_series *series_of(ql__metrics *registry, int type, const char *name)
{
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    ql_error err = {0};
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    options.type = type;
    options.name = name;
    if (ql__metric_register(registry, &options, &metric, &err) < 0 || ql__metric_series(metric, NULL, 0, &series, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return series;
}

int main(void)
{
    ql_error err = {0};
    ql__metrics *registry = NULL;
    ql_buf text = QL_BUF_INIT;
    if (ql__metrics_new(ql__sys_default(), NULL, &registry, &err) < 0) return 1;
    measure("empty loop", NULL, nothing);
    measure("counter", series_of(registry, QL_METRIC_COUNTER, "a"), add);
    measure("gauge", series_of(registry, QL_METRIC_GAUGE, "b"), change);
    ql_series *histogram = series_of(registry, QL_METRIC_HISTOGRAM, "c");
    measure("histogram, 11 bounds", histogram, observe);
    measure("with an exemplar", histogram, observe_with);
    double begin = now_ns();
    for (int i = 0; i < 100; i++) {
        ql_buf_clear(&text);
        if (ql__metrics_write(registry, QL_METRICS_TEXT, &text, &err) < 0) return 1;
    }
    printf("%-24s %8.0f us, %zu bytes\n", "scrape", (now_ns() - begin) / 100 / 1000, text.len);
    ql_buf_dispose(&text);
    ql__metrics_free(registry);
    return 0;
}
