/*
 * A profile in memory with names in place of addresses: what a capture file (read.h) holds, and what every output is written from.
 *
 * Tables of plain structs that refer to each other by index. Index 0 of strings, functions, labels and stacks is the empty one: "", no function, no
 * label, no frame. Texts are valid UTF-8 (what is not comes as U+FFFD). What is added twice is kept once (strings, functions, locations, stacks,
 * labels). Counts and bytes are bounded (QL_LIMIT_PROFILE_*). One thread at a time while it grows; after that any number may read.
 */
#ifndef QL_PROFILE_H
#define QL_PROFILE_H

#include "base/arena.h"
#include "base/map.h"

#define QL__SAMPLE_VALUES_MAX 12
#define QL__SAMPLE_SUM_MAX (INT64_MAX / 4)

/* kind, name, what one is, count of values */
#define QL__SAMPLE_KINDS(X) \
    X(CPU, "cpu", "processor time", 2) \
    X(WALL, "wall", "time that passed", 2) \
    X(LOCK, "contention", "waiting for a lock, a queue or a pool", 2) \
    X(HEAP, "heap", "memory of the heap", 12)

#define QL__SAMPLE_KIND_ENUM(id, name, help, values) QL__SAMPLE_##id,
typedef enum ql__sample_kind { QL__SAMPLE_KINDS(QL__SAMPLE_KIND_ENUM) QL__SAMPLE_KIND_COUNT } ql__sample_kind;
#undef QL__SAMPLE_KIND_ENUM

/* Which of a sample's values. The first is always a count, the second what the count weighs (nanoseconds, bytes). */
enum {
    QL__VALUE_COUNT = 0, /* samples, or contentions */
    QL__VALUE_NS = 1,
    QL__HEAP_ALLOC_OBJECTS = 0, QL__HEAP_ALLOC_BYTES = 1, /* all that was allocated */
    QL__HEAP_INUSE_OBJECTS = 2, QL__HEAP_INUSE_BYTES = 3, /* of it, not freed when the capture ended */
    QL__HEAP_PEAK_OBJECTS = 4, QL__HEAP_PEAK_BYTES = 5,   /* in use when most was */
    QL__HEAP_LEAK_OBJECTS = 6, QL__HEAP_LEAK_BYTES = 7,   /* not freed, and older than the last tenth of the capture */
    QL__HEAP_TEMPORARY = 8,                               /* freed by its thread before that allocated anything else */
    QL__HEAP_FREED = 9, QL__HEAP_LIFETIME_NS = 10,        /* freed ones, sum of their lives */
    QL__HEAP_SAMPLED = 11                                 /* allocations looked at: the error of an estimate is about 1/sqrt of it */
};

typedef struct ql__value_type {
    const char *name, *unit; /* "alloc_space", "bytes": pprof's names where it has one */
} ql__value_type;

typedef struct ql__profile_module {
    uint64_t start, end;   /* addresses it was mapped at */
    uint64_t file_offset;  /* of start */
    uint64_t load_bias;    /* what is added to the addresses of the file's symbol table */
    uint32_t path;         /* strings */
    uint32_t build_id;     /* strings, hex digits; 0: none */
    bool main;             /* the program itself */
    bool has_functions, has_lines; /* from its file */
} ql__profile_module;

typedef struct ql__profile_function {
    uint32_t name, file;   /* strings */
    uint32_t module;       /* strings: path of its module, 0: not known */
    uint32_t start_line;   /* 0: not known */
} ql__profile_function;

typedef struct ql__profile_line {
    uint32_t function;
    uint32_t line;         /* 0: not known */
} ql__profile_line;

/* An address of code: the innermost inlined function first, the function that has the code last. At least one line. */
typedef struct ql__profile_location {
    uint64_t address;      /* 0: a frame that is none (the name of a kernel) */
    uint32_t module;       /* index + 1 of modules, 0: in none */
    uint32_t line_first, line_count;
} ql__profile_location;

typedef struct ql__profile_stack {
    uint32_t first, count; /* of stack_locations, leaf first */
    bool truncated;        /* the root is missing */
} ql__profile_stack;

typedef struct ql__profile_label {
    uint32_t key, value;   /* strings */
} ql__profile_label;

typedef struct ql__profile_labels {
    uint32_t first, count; /* of label_pairs */
} ql__profile_labels;

typedef struct ql__profile_sample {
    uint32_t stack, labels;
    uint32_t thread;       /* index + 1 of threads, 0: not known */
    uint64_t at_ns;        /* since the capture began, as all times here */
    uint64_t span, task;   /* ids, 0: in none */
    bool waiting;          /* of wall samples */
} ql__profile_sample;

typedef struct ql__profile_set {
    ql__profile_sample *samples;
    size_t count, capacity;
    int64_t *values;       /* (count, width), 0 or more */
    size_t values_capacity;
    int64_t sums[QL__SAMPLE_VALUES_MAX]; /* at most QL__SAMPLE_SUM_MAX, so that no sum of a part overflows */
    int64_t period;        /* nanoseconds or bytes between two samples, 0: not sampled at a period */
} ql__profile_set;

typedef struct ql__profile_thread {
    uint64_t id;           /* the system's */
    uint32_t name;         /* strings */
    bool main, own;        /* own: of the library */
    uint64_t begin_ns, end_ns; /* first and last seen; end 0: still there */
    uint64_t cpu_ns;       /* processor time over the capture, as far as known */
} ql__profile_thread;

/* A place in the code where spans begin. */
typedef struct ql__profile_site {
    uint32_t name, category, function, file, line; /* strings but line */
} ql__profile_site;

typedef enum ql__attribute_type { QL__ATTRIBUTE_INT = 1, QL__ATTRIBUTE_UINT, QL__ATTRIBUTE_DOUBLE, QL__ATTRIBUTE_TEXT } ql__attribute_type;

typedef struct ql__profile_attribute {
    uint32_t key;          /* strings */
    ql__attribute_type type;
    union {
        int64_t i;
        uint64_t u;
        double d;
        uint32_t text;     /* strings */
    };
} ql__profile_attribute;

typedef struct ql__profile_span {
    uint64_t id, parent, task; /* 0: none */
    uint64_t begin_ns, end_ns; /* one that had not ended ends with the capture */
    uint64_t cpu_ns;       /* processor time of its thread in it; UINT64_MAX: not measured */
    uint32_t site;         /* index + 1 of sites, 0: not known */
    uint32_t thread;       /* index + 1 */
    uint32_t labels;
    uint32_t attribute_first, attribute_count; /* of attributes */
    bool open;             /* had not ended */
} ql__profile_span;

/* Cause and effect that are not parent and child. */
typedef struct ql__profile_link {
    uint64_t at_ns, from_span, to_span;
} ql__profile_link;

typedef enum ql__task_state { QL__TASK_UNKNOWN, QL__TASK_READY, QL__TASK_RUNNING, QL__TASK_WAITING, QL__TASK_ENDED, QL__TASK_STATES } ql__task_state;

/* A document on its way, a request, a job. */
typedef struct ql__profile_task {
    uint64_t id, parent;
    uint64_t begin_ns, end_ns; /* end 0: not over */
    uint64_t busy_ns, ready_ns, idle_ns;
    uint64_t polls, longest_poll_ns; /* a poll is a stretch of running */
    uint32_t name, site;   /* string; index + 1 of sites */
    uint32_t labels, thread; /* thread: index + 1, where it ran last */
    uint32_t wait_on;      /* strings: what it waits for, or did last */
    ql__task_state state;
} ql__profile_task;

/* A value of a counter at a time. */
typedef struct ql__profile_point {
    uint64_t at_ns;
    double value;
    uint32_t name;         /* strings */
    bool total;            /* only grows; else it may fall */
} ql__profile_point;

/* Bytes; QL__MEMORY_UNKNOWN: not measured then. */
#define QL__MEMORY_UNKNOWN UINT64_MAX
typedef struct ql__profile_memory {
    uint64_t at_ns;
    uint64_t rss, pss, anonymous, file; /* of the process, as the kernel counts pages */
    uint64_t heap, slack;  /* of malloc: handed out; taken from the kernel beyond that */
    uint64_t mapped;       /* the library's mapped files */
} ql__profile_memory;

/* The heap as a whole, of the snapshot that the heap's samples are of. */
typedef struct ql__profile_heap {
    uint64_t at_ns, peak_ns;
    uint64_t alloc_count, alloc_bytes, inuse_count, inuse_bytes, peak_count, peak_bytes;
    uint64_t interval_first, interval; /* bytes between two samples, at first and at last */
    uint64_t sampled;
    bool known, final, exact, library_only;
} ql__profile_heap;

typedef struct ql__profile_pair {
    uint32_t key, value;   /* strings */
} ql__profile_pair;

/* Events that a full ring lost. */
typedef struct ql__profile_drop {
    uint32_t what;         /* strings: "samples" */
    uint64_t count;
} ql__profile_drop;

/* Looks at the process's TCP connections, from the first HTTP span on. All 0: there were none. */
typedef struct ql__profile_connections {
    uint64_t looks, looks_new; /* that saw a connection; that saw one which was not there before */
    uint64_t seen, seen_new;   /* connections, added up over the looks, and those of them that were not there before */
    uint64_t machine;          /* made by everybody on the machine during the capture, 0: not known */
} ql__profile_connections;

typedef struct ql__profile_numbers { /* of the capture as a whole */
    int64_t started_unix_ms;
    uint64_t duration_ns;
    uint64_t cpu_ns;       /* of the process over the capture, 0: not known */
    uint64_t collector_ns; /* of it, what the profiler itself took */
    uint64_t run_delay_ns; /* how long its threads could run and had no processor, added up; UINT64_MAX: not known */
    uint64_t cores_usable; /* 0: not known */
    uint64_t samples, rootless; /* processor and wall samples, and those whose stack misses the root */
    uint64_t dropped;      /* events that were lost, of any kind; `drops` has them by kind */
    uint64_t pid;
    uint64_t memory_peak_bytes; /* the largest resident size that was measured */
    ql__profile_connections connections;
    bool complete;         /* its end was written; false: the process ended first, or the file is cut */
    bool cut;              /* the limit of bytes was reached */
} ql__profile_numbers;

/* Tables as NAME, NAME_count, NAME_capacity. */
#define QL__TABLE(type, name) \
    type *name; \
    size_t name##_count, name##_capacity

typedef struct ql__profile {
    ql__arena arena;       /* texts, and the keys of the maps */
    QL__TABLE(ql_str, strings);
    QL__TABLE(ql__profile_module, modules);
    QL__TABLE(ql__profile_function, functions);
    QL__TABLE(ql__profile_line, lines);
    QL__TABLE(ql__profile_location, locations);
    QL__TABLE(uint32_t, stack_locations);
    QL__TABLE(ql__profile_stack, stacks);
    QL__TABLE(ql__profile_label, label_pairs);
    QL__TABLE(ql__profile_labels, labels);
    QL__TABLE(ql__profile_thread, threads);
    QL__TABLE(ql__profile_site, sites);
    QL__TABLE(ql__profile_attribute, attributes);
    QL__TABLE(ql__profile_span, spans);
    QL__TABLE(ql__profile_link, links);
    QL__TABLE(ql__profile_task, tasks);
    QL__TABLE(ql__profile_point, points);
    QL__TABLE(ql__profile_memory, memory);
    QL__TABLE(ql__profile_pair, meta);  /* what the capture says of itself, in its order */
    QL__TABLE(ql__profile_pair, notes); /* what a reader should know: value; key is the subject */
    QL__TABLE(ql__profile_drop, drops);
    ql__profile_heap heap;
    ql__profile_set sets[QL__SAMPLE_KIND_COUNT];
    ql__profile_numbers numbers;
    ql__map string_ids, function_ids, location_ids, stack_ids, label_ids;
} ql__profile;

/* QL_E_NOMEM. Free with ql__profile_free. */
ql_status ql__profile_new(ql__profile **out, ql_error *err);
void ql__profile_free(ql__profile *self); /* NULL is fine */

/*
 * Adding. *id is the index (of what was there already, where the same is kept once). QL_E_LIMIT: more than a profile may hold, err says of what;
 * QL_E_NOMEM. Indexes that are handed in must be ones that were handed out. ql__profile_location and ql__profile_stack copy their arrays.
 */
ql_status ql__profile_string(ql__profile *self, ql_str text, uint32_t *id, ql_error *err);
ql_status ql__profile_function_add(ql__profile *self, const ql__profile_function *function, uint32_t *id, ql_error *err);
/* module: index + 1, or 0; lines: 1 to QL_LIMIT_PROFILE_INLINED of them, innermost first. */
ql_status ql__profile_location_add(ql__profile *self, uint32_t module, uint64_t address, const ql__profile_line *lines, size_t count, uint32_t *id,
                                   ql_error *err);
/* locations: leaf first, at most QL_LIMIT_PROFILE_DEPTH. */
ql_status ql__profile_stack_add(ql__profile *self, const uint32_t *locations, size_t count, bool truncated, uint32_t *id, ql_error *err);
ql_status ql__profile_labels_add(ql__profile *self, const ql__profile_label *labels, size_t count, uint32_t *id, ql_error *err);
/* values: as many as the kind has; what is negative or would take a sum beyond QL__SAMPLE_SUM_MAX is cut. */
ql_status ql__profile_sample_add(ql__profile *self, ql__sample_kind kind, const ql__profile_sample *sample, const int64_t *values, ql_error *err);

/* One more row of a table that has no other rule than a bound. */
ql_status ql__profile_module_add(ql__profile *self, const ql__profile_module *module, ql_error *err);
ql_status ql__profile_thread_add(ql__profile *self, const ql__profile_thread *thread, ql_error *err);
ql_status ql__profile_site_add(ql__profile *self, const ql__profile_site *site, ql_error *err);
ql_status ql__profile_attribute_add(ql__profile *self, const ql__profile_attribute *attribute, ql_error *err);
ql_status ql__profile_span_add(ql__profile *self, const ql__profile_span *span, ql_error *err);
ql_status ql__profile_link_add(ql__profile *self, const ql__profile_link *link, ql_error *err);
ql_status ql__profile_task_add(ql__profile *self, const ql__profile_task *task, ql_error *err);
ql_status ql__profile_point_add(ql__profile *self, const ql__profile_point *point, ql_error *err);
ql_status ql__profile_memory_add(ql__profile *self, const ql__profile_memory *memory, ql_error *err);
ql_status ql__profile_meta_add(ql__profile *self, ql_str key, ql_str value, ql_error *err);
ql_status ql__profile_drop_add(ql__profile *self, const ql__profile_drop *drop, ql_error *err);
ql_status ql__profile_note(ql__profile *self, ql_str subject, ql_str text, ql_error *err);

/* Reading. */
static inline ql_str ql__profile_text(const ql__profile *self, uint32_t string)
{
    return self->strings[string];
}
const char *ql__sample_kind_name(ql__sample_kind kind);
const char *ql__sample_kind_help(ql__sample_kind kind);
size_t ql__sample_kind_width(ql__sample_kind kind);
/* value < the kind's width. */
const ql__value_type *ql__sample_value_type(ql__sample_kind kind, size_t value);
/* The value of a key of `meta`, empty when it is not there. */
ql_str ql__profile_meta(const ql__profile *self, const char *key);
/* The value of a label of a set, 0 when it has none of that key. */
uint32_t ql__profile_label_of(const ql__profile *self, uint32_t labels, ql_str key);
/* "parse.c" of "/usr/src/lib/parse.c". */
ql_str ql__path_base(ql_str path);

#endif
