/*
 * The report: what takes the time and the memory, why, and what to do about it. Rules see evidence only (spans and their attributes, waits, samples, tasks,
 * counters), never names of functions or files, so that renaming changes nothing. docs/internals/capture.md says what each rule asks for.
 */
#ifndef QL_REPORT_H
#define QL_REPORT_H

#include "capture/write_table.h"

typedef enum ql__severity { QL__SEVERITY_NONE, QL__SEVERITY_LOW, QL__SEVERITY_MEDIUM, QL__SEVERITY_HIGH, QL__SEVERITY_CRITICAL } ql__severity;
/* Of a share of the run: 30 %, 15 %, 5 %, 2 %; below that it is none. */
ql__severity ql__severity_of(double share);
const char *ql__severity_name(ql__severity severity);

/* What a finding's share is of. */
typedef enum ql__base {
    QL__BASE_WALL,           /* how long the run took */
    QL__BASE_CPU,            /* processor time of all threads, as sampled: where that is more than the run took */
    QL__BASE_HEAP,           /* the heap's peak */
    QL__BASE_PROCESS         /* the peak of the process's resident size */
} ql__base;
const char *ql__base_name(ql__base base); /* "wall_time" */

typedef struct ql__finding {
    const char *rule;        /* "n-plus-one" */
    ql__severity severity;
    bool memory;             /* a memory issue: the base is a peak */
    ql__base base;
    uint64_t base_value;     /* nanoseconds or bytes, set by ql__finding_add */
    double share;            /* of the base, 0 to 1 */
    double cpu_share;        /* of the sampled processor time; 0: not of samples of it */
    bool per_thread;         /* share is the mean over the threads concerned */
    double error;            /* half of its 95 % interval, 0: measured, not sampled */
    uint64_t count, samples; /* events (spans, waits) and samples that say so */
    uint64_t value;          /* nanoseconds, or bytes of a memory issue */
    ql_str function, file;   /* of the profile; empty: not known */
    uint32_t line;
    ql_str issue, recommendation; /* sentences */
} ql__finding;

#define QL__FINDINGS_MAX 64
/* A document, request or job, and where its time went. */
typedef struct ql__ledger_row {
    uint32_t task;           /* of tasks */
    uint64_t time_ns;        /* running, and its share of what was done for several at once (attribute "share_ns" of its spans) */
    uint32_t stage;          /* strings: the stage that took most of it, 0: none */
    uint64_t stage_ns;
} ql__ledger_row;
#define QL__LEDGER_MAX 20

/* What took the time by stage: the library's (spans of category "stage") and what a program tells, but for statements, requests and shares. */
typedef struct ql__stage_row {
    uint32_t name, category; /* strings */
    uint64_t count, sum_ns;  /* over threads */
    uint64_t covered_ns;     /* time in which at least one thread was in it */
    uint64_t longest_ns;
} ql__stage_row;
#define QL__STAGES_MAX 32

typedef struct ql__report {
    const ql__profile *profile;
    ql__arena texts;
    ql__finding findings[QL__FINDINGS_MAX];
    size_t finding_count;    /* worst first */
    ql__ledger_row ledger[QL__LEDGER_MAX];
    size_t ledger_count;
    ql__stage_row stages[QL__STAGES_MAX];
    size_t stage_count;
    uint64_t wall_ns;        /* how long the run took, at least 1 */
    uint64_t cpu_ns;         /* processor time of all samples */
    uint64_t heap_bytes, process_bytes; /* peaks, at least 1 */
} ql__report;

/* Applies every rule. QL_E_NOMEM. */
ql_status ql__report_make(const ql__profile *profile, ql__report *out, ql_error *err);
void ql__report_dispose(ql__report *self);

ql_status ql__write_report_md(const ql__profile *profile, ql__sink *sink, ql_error *err);
ql_status ql__write_report_json(const ql__profile *profile, ql__sink *sink, ql_error *err);

#endif
