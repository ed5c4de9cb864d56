/*
 * PID.stats: what a process shows of itself to who may read the file. One page of fixed layout, written whole, twice a second.
 *
 * - `magic`, `version` and `size` never move. Another version is refused: program and viewer are one installation.
 * - `sequence` is odd while the page is written, and another afterwards: read it, the page, and it again (a seqlock). Writer and reader use pwrite and
 *   pread rather than a mapping, since who cuts a mapped file short ends whoever reads it next (SIGBUS).
 * - Bytes from a file are hostile: counts are bounded by the arrays, texts need not end.
 */
#ifndef QL_LIVE_PAGE_H
#define QL_LIVE_PAGE_H

#include <assert.h>
#include <stdint.h>

#define QL__LIVE_MAGIC "\x8fqlive\r\n" /* 8 bytes, the NUL is not written */
#define QL__LIVE_VERSION 1
#define QL__LIVE_FRAME_BYTES 65536 /* of a message on the socket */
#define QL__LIVE_REQUEST_BYTES 128
#define QL__LIVE_UNKNOWN UINT64_MAX

enum { QL__LIVE_MODULES = 24, QL__LIVE_FUNCTIONS = 48, QL__LIVE_STAGES = 32, QL__LIVE_COUNTERS = 16, QL__LIVE_THREADS = 64 };
enum { QL__LIVE_TASK_STATES = 5 }; /* by ql__qprof_state */
typedef enum ql__live_mode { QL__LIVE_PASSIVE, QL__LIVE_SAMPLING, QL__LIVE_RECORDING, QL__LIVE_ELSEWHERE /* a capture of the program's own */ } ql__live_mode;

/* First byte of an answer on the socket; 'X' is followed by the kind of a ql_status as a byte, and its text. */
enum { QL__LIVE_DATA = 'D', QL__LIVE_END = 'E', QL__LIVE_FAILED = 'X' };

typedef struct ql__live_module {
    char path[224];
    unsigned char build_id[20];
    uint32_t build_id_size; /* 0: none */
    uint64_t reserved;
} ql__live_module;

/* Times are of the last seconds, older ones weigh less: see window_ns. */
typedef struct ql__live_function {
    uint64_t address;           /* of its first instruction, as in its file's symbol table */
    uint64_t self_ns, total_ns; /* total: with what it calls */
    uint32_t module;            /* index + 1; 0: code made at run time, or of no file */
    char name[36];              /* of code made at run time */
} ql__live_function;

typedef struct ql__live_stage {
    char name[40];
    uint64_t count, wall_ns, cpu_ns; /* of spans that ended while somebody sampled */
} ql__live_stage;

typedef struct ql__live_counter {
    char name[32];
    uint64_t value;
    uint64_t total; /* 1: it only grows, and only while somebody samples; 0: a gauge */
} ql__live_counter;

typedef struct ql__live_thread {
    uint64_t cpu_ns;
    int32_t tid;
    char state;    /* the kernel's: R, S, D, T ...; 0: not known */
    char name[19];
} ql__live_thread;

/* A task that is there: on the socket, which is asked for "tasks"; the page holds their numbers. */
typedef struct ql__live_task {
    uint64_t number;     /* counts from 1 since the process shows itself */
    uint64_t parent;     /* number of another, 0: none, or gone */
    uint64_t begin_ns, changed_ns; /* CLOCK_MONOTONIC: of its beginning, and of its last change of state */
    uint64_t busy_ns;    /* it ran so long before that change */
    int32_t tid;         /* the thread that runs it; 0: none */
    uint16_t state, wait; /* ql__qprof_state; ql_task_wait_kind where it waits */
    char kind[24], on[56], name[128]; /* on: what it waits for */
} ql__live_task;

typedef struct ql__live_page {
    char magic[8];
    uint32_t version, size; /* size: of this structure */
    uint64_t sequence;
    uint64_t pid, start_ticks;       /* start: field 22 of /proc/PID/stat, which tells a process from another of the same number */
    uint64_t begin_ns, heartbeat_ns; /* CLOCK_MONOTONIC: of the first page and of this one */
    char library[24];                /* version of the library */
    uint32_t mode, rate_hz;
    uint64_t window_ns;   /* CPU time that the functions' times are shares of */
    uint64_t sampled_ns;  /* for how long somebody has sampled so far */
    uint64_t cpu_ns, rss_bytes, virtual_bytes, read_bytes, write_bytes; /* of the process; disks; QL__LIVE_UNKNOWN: not readable */
    uint64_t tasks[QL__LIVE_TASK_STATES]; /* by state, those that ended since begin_ns; 0: those that found no room and are not seen */
    uint32_t module_count, function_count, stage_count, counter_count, thread_count, threads_all;
    ql__live_module modules[QL__LIVE_MODULES];
    ql__live_function functions[QL__LIVE_FUNCTIONS];
    ql__live_stage stages[QL__LIVE_STAGES];
    ql__live_counter counters[QL__LIVE_COUNTERS];
    ql__live_thread threads[QL__LIVE_THREADS];
} ql__live_page;

_Static_assert(sizeof(ql__live_module) == 256 && sizeof(ql__live_function) == 64 && sizeof(ql__live_stage) == 64, "layout");
_Static_assert(sizeof(ql__live_task) == 256, "layout");
_Static_assert(sizeof(ql__live_counter) == 48 && sizeof(ql__live_thread) == 32, "layout");

#endif
