/*
 * What the commands `bench ...` measure: named lists of numbers with their unit, and what they were measured on. One format for all of them, on
 * stdout with --json and in a file with --output, which `bench compare` reads: docs/schema/bench-run.schema.json and its sisters.
 */
#ifndef CLI_BENCH_RESULT_H
#define CLI_BENCH_RESULT_H

#include <jansson.h>

#include "command.h"

#define BENCH_LOAD_CORES 0.25  /* processors that others use: more is told */
#define BENCH_LOAD_SECONDS 1.0 /* the kernel counts in ticks of 10 ms: a shorter time tells nothing */
#define BENCH_VALUES_MAX 1000000 /* of one measure */

typedef struct bench_measure {
    char *name;
    const char *unit;  /* of bench_units */
    double *values;    /* in the order they were measured */
    size_t count, capacity;
} bench_measure;

/* At one moment. */
typedef struct bench_clock {
    double at_s, busy_s, steal_s, own_s; /* now; processor time of the machine, of it what a hypervisor took, of this program and what it waited for */
    bool known;
} bench_clock;

/* While something was measured. */
typedef struct bench_load {
    double seconds, own_cores, other_cores; /* how long; processors that what was measured, and that everything else used meanwhile, on average */
    long cores;
    bool known;
} bench_load;

typedef struct bench_result {
    char *kind, *name;
    json_t *conditions; /* members of the result that say how it was measured */
    bench_measure *measures;
    size_t measure_count, measure_capacity;
    bench_clock begin; /* of measuring, by bench_start() */
    bench_load load;   /* of a result that was read */
    bool lost;         /* no memory: something was not kept */
} bench_result;

extern const char *const bench_units[]; /* "s", "bytes", "count", "1/s"; ended by NULL. More is worse, except of "1/s" */

void bench_init(bench_result *self, const char *kind, const char *name);
void bench_dispose(bench_result *self);
/* Measuring begins: from here on the load of the machine counts. Without it the result tells none. */
void bench_start(bench_result *self);
/* Appends to the measure of that name, which is made by its first value. Values that are not finite are left out. */
void bench_add(bench_result *self, const char *name, const char *unit, double value);
/* A member beside the measures; takes the value, which may be NULL for want of memory. */
void bench_condition(bench_result *self, const char *key, json_t *value);

/* NULL: no memory. */
json_t *bench_json(const bench_result *self);
/* Reads what bench_json() wrote. Any file: what it lacks or claims is told. Returns -1, or the exit code. */
int bench_read(const cli *program, const char *path, bench_result *out);
/* On stdout as the command line asks, and into --output. Returns the exit code. */
int bench_finish(const cli *program, const bench_result *self);

/* The stages of a runtime that was made with `profile`, since the start: {name: {count, wall_ms}}; NULL: none, or no memory. */
json_t *bench_stages(const ql_runtime *runtime);

/* "1.234 s", "12.3 MB", "7": a number with its unit, as tables show it. */
void bench_format(const char *unit, double value, char out[32]);

#endif
