/* What the rules of the report share: an index of the spans, sums of time that overlaps, and adding a finding. */
#ifndef QL_REPORT_INTERNAL_H
#define QL_REPORT_INTERNAL_H

#include "capture/report.h"

typedef struct ql__evidence {
    ql__report *report;
    const ql__profile *profile;
    uint32_t *parent;      /* (spans_count) index + 1 of each span's parent, 0: none */
    ql__map span_ids;      /* index of a span by its id, 8 bytes */
    uint64_t *child_ns;    /* (spans_count) time covered by its children in the same thread, added up */
    uint32_t key_text, key_count, key_busy, key_texts, key_batches, key_host, key_try, key_status, key_connection, key_content, key_share; /* strings, 0: nowhere in the capture */
    uint32_t key_url, key_connects, key_statements[3]; /* the same; other names of "text" */
} ql__evidence;

ql_status ql__evidence_open(ql__report *report, ql__evidence *out, ql_error *err);
void ql__evidence_close(ql__evidence *self);

/* An attribute of a span as a number; `none` where it is missing or a text. */
uint64_t ql__span_number(const ql__evidence *self, const ql__profile_span *span, uint32_t key, uint64_t none);
/* As a string's index; 0: missing or a number. */
uint32_t ql__span_text(const ql__evidence *self, const ql__profile_span *span, uint32_t key);
bool ql__span_is(const ql__evidence *self, const ql__profile_span *span, const char *category);
/* The site of the innermost span, itself or around it, that is no stage of the library's pipeline: who asked for the work. 0: all are. */
uint32_t ql__span_asker(const ql__evidence *self, size_t span);
/* The site of the span around a span; its own where nothing is around, or only a stage of the library's pipeline, which asks whoever is plugged into it. */
uint32_t ql__span_outer_site(const ql__evidence *self, size_t span);
/* Whether its category is a database's, whoever tells it: "sql", "sqlite", "PostgreSQL". */
bool ql__span_is_sql(const ql__evidence *self, const ql__profile_span *span);
/* "http", "https", "HTTP client". */
bool ql__span_is_http(const ql__evidence *self, const ql__profile_span *span);
/* --- what the run had of the machine's processors (report_load.c) --- */

uint64_t ql__cpu_of(const ql__profile *p);      /* processor time of all threads */
double ql__waited_share(const ql__profile *p);  /* of the time in which threads could run; 0 where it is not known */
bool ql__profile_starved(const ql__profile *p); /* so much that times are longer than the work */

/* What processor time is a share of: the run, or all processor time where that is more (several threads ran). */
static inline ql__base ql__base_of_cpu(const ql__report *report)
{
    return report->cpu_ns > report->wall_ns ? QL__BASE_CPU : QL__BASE_WALL;
}
static inline double ql__of_wall(const ql__report *report, uint64_t ns)
{
    return (double)ns / (double)report->wall_ns;
}
static inline uint64_t ql__span_length(const ql__profile_span *span)
{
    return span->end_ns - span->begin_ns;
}

/* Stretches of time whose union is wanted. */
typedef struct ql__stretch {
    uint64_t begin_ns, end_ns;
} ql__stretch;
typedef struct ql__stretches {
    ql__stretch *items;
    size_t count, capacity;
} ql__stretches;
ql_status ql__stretch_add(ql__stretches *self, uint64_t begin_ns, uint64_t end_ns, ql_error *err);
uint64_t ql__stretches_covered(ql__stretches *self); /* sorts them */
/* Time in which at least one of the spans ran that `wanted` says yes to, whatever the number of threads. */
ql_status ql__spans_covered(const ql__evidence *self, bool (*wanted)(const ql__evidence *self, size_t span, const void *user), const void *user, uint64_t *out, ql_error *err);

/* Groups of events: what is counted for each key. */
typedef struct ql__tally {
    uint64_t key[2];
    uint64_t count, value_ns, other; /* other: what a rule needs beside */
    uint32_t span;                   /* index + 1 of one of them */
} ql__tally;
typedef struct ql__tallies {
    ql__tally *items;
    size_t count, capacity;
    ql__map ids;
    ql__arena keys;
} ql__tallies;
void ql__tallies_init(ql__tallies *self);
void ql__tallies_dispose(ql__tallies *self);
/* The tally of a key, new or old; NULL: out of memory. Valid until the next one. */
ql__tally *ql__tally_of(ql__tallies *self, uint64_t first, uint64_t second);
/* The same of one that is there; NULL: it is not. */
const ql__tally *ql__tally_find(const ql__tallies *self, uint64_t first, uint64_t second);

/*
 * Adds a finding when its share reaches the lowest severity; `most` caps it. The texts are copied. file and line are of the site. Beyond
 * QL__FINDINGS_MAX the least goes.
 */
ql_status ql__finding_add(ql__report *report, ql__finding finding, ql__severity most, const char *issue, const char *recommendation, ql_error *err);
/* The place of a span: its site. */
void ql__finding_site(const ql__profile *profile, ql__finding *finding, uint32_t site);
/* A line of a function; line 0: where the function begins. */
void ql__finding_function(const ql__profile *profile, ql__finding *finding, uint32_t function, uint32_t line);
/* The innermost frame of a stack, outside of the C runtime, whose source is known, as an index of lines; false: there is none. */
bool ql__stack_source(const ql__profile *profile, uint32_t stack, uint32_t *line);
bool ql__is_intrinsic(const ql__profile *p, uint32_t line); /* one instruction, written as a function in the compiler's headers */

/* The rules. Each adds what it finds. */
ql_status ql__rules_sql(ql__evidence *evidence, ql_error *err);
ql_status ql__rules_http(ql__evidence *evidence, ql_error *err);
ql_status ql__rules_stages(ql__evidence *evidence, ql_error *err);
ql_status ql__rules_blocking(ql__evidence *evidence, ql_error *err);
ql_status ql__rules_waits(ql__evidence *evidence, ql_error *err);
ql_status ql__rules_cpu(ql__evidence *evidence, ql_error *err);
ql_status ql__rules_memory(ql__evidence *evidence, ql_error *err);

#endif
