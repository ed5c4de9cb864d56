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

typedef struct ql__finding {
    const char *rule;        /* "n-plus-one" */
    ql__severity severity;
    bool memory;             /* a memory issue: shares are of the heap's peak, or the process's */
    double share;            /* of the run's time, 0 to 1 */
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
    uint64_t time_ns;        /* what shares are of: the run, or its processor time if that is more */
} ql__report;

/* Applies every rule. QL_E_NOMEM. */
ql_status ql__report_make(const ql__profile *profile, ql__report *out, ql_error *err);
void ql__report_dispose(ql__report *self);

ql_status ql__write_report_md(const ql__profile *profile, ql__sink *sink, ql_error *err);
ql_status ql__write_report_json(const ql__profile *profile, ql__sink *sink, ql_error *err);

#endif
