/*
 * capture.qprof: what the collector (lib/prof) writes and lib/capture reads. Both sides use these structures; nothing else knows the bytes.
 *
 * A file is a ql__qprof_file, then chunks until it ends: ql__qprof_chunk, then `size` bytes of payload whose CRC-32 (IEEE 802.3, as zlib's crc32) is
 * `crc`. A payload is records of one kind back to back: ql__qprof_record, then `size` bytes: first `fixed` bytes of the kind's structure, then its
 * tail (bytes or an array, told at each structure). Everything is little endian and nothing is aligned: copy, never cast.
 *
 * - After a crash the file is good up to the last whole chunk with the right CRC; a reader says so (no END with `complete`). Behind a damaged chunk it looks for
 *   the next whole one: a kind that is given, a size that fits, records of which each has a fixed part and whose sizes add up to it, the right CRC.
 * - Growth: a structure grows at its end. A reader zeroes its own, copies min(fixed, sizeof) and finds the tail at `fixed`. Unknown kinds of chunk
 *   and unknown enumerators are skipped. `version` changes only when old readers would be wrong.
 * - Ids (string, mapping, stack, thread, site, labels: u32; span, task: u64) start at 1; 0 is "none" (of a string: the empty one). A record that
 *   defines an id comes earlier in the file than any that uses it, except span and task parents and links, which may come later or never (dropped).
 * - THREAD, TASK and END are written again when they change: the last record of an id holds. Every other id is defined once.
 * - Times are CLOCK_MONOTONIC nanoseconds of the process; META "start_unix_ms" and "start_monotonic_ns" are one moment. 0: not known, not yet.
 *   Records are in order of writing, which is only nearly the order of time: sort where it matters. A SPAN is written when it ended.
 * - Bytes from a file are hostile: bounds are the QL__QPROF_*_MAX below, and every id may be undefined.
 *
 * May still change (said here first): more META keys, more counters' names, more members at the ends. Kinds, numbers and members below stay.
 */
#ifndef QL_QPROF_H
#define QL_QPROF_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are the bytes of the file");

#define QL__QPROF_MAGIC "\x8fqprof\r\n" /* 8 bytes, the NUL is not written */
#define QL__QPROF_VERSION 1

#define QL__QPROF_CHUNK_BYTES_MAX (4u << 20) /* payload of a chunk; the collector writes at most 256 KiB */
#define QL__QPROF_STRING_BYTES_MAX 65535u
#define QL__QPROF_FRAMES_MAX 512u            /* of a stack; the collector writes at most 128 */
#define QL__QPROF_LABELS_MAX 64u             /* pairs of a set; the collector writes at most 16 */
#define QL__QPROF_ATTRIBUTES_MAX 64u         /* of a span; the collector writes at most 8 */
#define QL__QPROF_ID_MAX (1u << 26)          /* of 32-bit ids: given one after the other, so a larger one is damage */

typedef struct ql__qprof_file {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes; /* of this structure; chunks begin there */
} ql__qprof_file;

typedef struct ql__qprof_chunk {
    uint32_t kind; /* ql__qprof_kind */
    uint32_t size; /* bytes of the payload */
    uint32_t crc;  /* of the payload */
} ql__qprof_chunk;

typedef struct ql__qprof_record {
    uint32_t size;  /* bytes behind this header: fixed part and tail */
    uint16_t fixed; /* bytes of the fixed part, at most size */
    uint16_t count; /* entries of the tail where it is an array */
} ql__qprof_record;

typedef enum ql__qprof_kind {
    QL__QPROF_META = 1,
    QL__QPROF_STRING = 2,
    QL__QPROF_MAPPING = 3,
    QL__QPROF_STACK = 4,
    QL__QPROF_THREAD = 5,
    QL__QPROF_SITE = 6,
    QL__QPROF_LABELS = 7,
    QL__QPROF_SAMPLE = 8,
    QL__QPROF_HEAP = 9,   /* a snapshot of the heap: its ALLOC records name it */
    QL__QPROF_ALLOC = 10,
    QL__QPROF_SPAN = 11,
    QL__QPROF_LINK = 12,
    QL__QPROF_TASK = 13,
    QL__QPROF_COUNTER = 14,
    QL__QPROF_MEMORY = 15,
    QL__QPROF_NOTE = 16,  /* what the collector did by itself: engine fell back, interval doubled, limit reached */
    QL__QPROF_END = 17
} ql__qprof_kind;

/*
 * META: a key and a value, both strings of text; a later record replaces one of the same key. Keys: "program" (path of the executable), "command_line" (program, command,
 * names of options; values but that of --profile and other words are "***"), "version" (of the library), "pid", "start_unix_ms", "start_monotonic_ns", "engine" (ctimer, perf, wall, none), "wall_hz",
 * "cpu_hz" (0: off), "heap_interval" (bytes; 1: exact; 0: off), "cores", "cores_usable", "cpu", "memory_bytes", "tick_hz" (of the kernel, the
 * resolution of ctimer; 0: not known), "stop_monotonic_ns", "peak_resident_bytes" (the most that was resident, where that was while the capture ran). Where there were HTTP spans, of looks at the process's TCP connections, some 20 a second: "connection_looks"
 * (that saw one), "connection_looks_new" (that saw one which was not there before), "connections_seen" and "connections_seen_new" (the same as connections, added up
 * over the looks), and "machine_connections" (asked for by all of the machine or container since the capture began). Numbers are decimal. Unknown keys are shown as they are.
 */
typedef struct ql__qprof_meta {
    uint32_t key, value; /* strings */
} ql__qprof_meta;

/* STRING: tail: the bytes, no NUL, not always UTF-8 (paths, symbols). */
typedef struct ql__qprof_string {
    uint32_t id;
} ql__qprof_string;

enum { QL__QPROF_MAPPING_EXECUTABLE = 1, QL__QPROF_MAPPING_VDSO = 2, QL__QPROF_MAPPING_MAIN = 4 /* the program itself */ };

/*
 * MAPPING: a mapped piece of an ELF file. pc - start + file_offset is the offset in the file; ids are never reused, so that
 * code which was unloaded keeps its name though another file may lie at its addresses later. Tail: the build id (count bytes, 0: none).
 */
typedef struct ql__qprof_mapping {
    uint64_t start, end, file_offset;
    uint64_t load_bias; /* what was added to the ELF's addresses: pc - load_bias is the address in its symbol table */
    uint64_t noted_ns;
    uint32_t id, path, flags, reserved;
} ql__qprof_mapping;

enum {
    QL__QPROF_STACK_TRUNCATED = 1, /* more frames than the collector keeps: the root is missing */
    QL__QPROF_STACK_ROOT = 2,      /* the walk reached the first function of the thread */
    QL__QPROF_STACK_GENERATED = 4, /* frame 0 lies in code made at run time; `kernel` is its name, frame 1 who called into it */
    QL__QPROF_STACK_CALL = 8       /* frame 0, too, is a return address (allocations, lock waits): look up pc - 1 */
};

/* One of count in the tail of STACK, leaf first. Frame 0 is the exact pc unless CALL is set; all others are return addresses: look up pc - 1. */
typedef struct ql__qprof_frame {
    uint64_t pc;
    uint32_t mapping; /* 0: in no mapped file */
    uint32_t reserved;
} ql__qprof_frame;

typedef struct ql__qprof_stack {
    uint32_t id;
    uint32_t flags;
    uint32_t kernel; /* string; 0 where GENERATED: not named */
} ql__qprof_stack;

enum { QL__QPROF_THREAD_MAIN = 1, QL__QPROF_THREAD_OWN = 2 /* the library's, registered itself */, QL__QPROF_THREAD_FOREIGN = 4 /* found in /proc */ };

typedef struct ql__qprof_thread {
    uint64_t start_ns, end_ns; /* first and last seen; end 0: still there */
    uint64_t cpu_ns;           /* CPU time over the capture, as far as known */
    uint32_t id, tid, name, flags;
} ql__qprof_thread;

/* SITE: a place in the source where spans or tasks begin. */
typedef struct ql__qprof_site {
    uint32_t id, name, category, function, file, line; /* strings, but for id and line; 0: not known */
} ql__qprof_site;

typedef struct ql__qprof_label {
    uint32_t key, value; /* strings */
} ql__qprof_label;

/* LABELS: tail: count of ql__qprof_label, sorted by the bytes of the keys, each key once. The library's: "stage", "document", "source", "source_type", "project". */
typedef struct ql__qprof_labels {
    uint32_t id;
} ql__qprof_labels;

typedef enum ql__qprof_sample_kind { QL__QPROF_CPU = 1, QL__QPROF_WALL = 2, QL__QPROF_LOCK = 3 } ql__qprof_sample_kind;
typedef enum ql__qprof_running { QL__QPROF_RUNNING_UNKNOWN = 0, QL__QPROF_RUNNING = 1, QL__QPROF_WAITING = 2 } ql__qprof_running;

/*
 * SAMPLE. weight_ns is what it stands for: CPU: CPU time of the thread since its last sample (totals are right though timers tick coarsely);
 * WALL: time since the last tick; LOCK: how long was waited (one record a wait over 1 ms, not sampled), `subject` what for.
 */
typedef struct ql__qprof_sample {
    uint64_t time_ns, weight_ns;
    uint64_t span, task;
    uint32_t thread, stack, labels;
    uint32_t subject; /* LOCK: string, "queue embed full", "pool" ... */
    uint16_t kind, running;
    uint32_t reserved;
} ql__qprof_sample;

typedef enum ql__qprof_heap_kind { QL__QPROF_HEAP_FINAL = 1, QL__QPROF_HEAP_SNAPSHOT = 2 } ql__qprof_heap_kind;
enum { QL__QPROF_HEAP_EXACT = 1 /* every call was recorded */, QL__QPROF_HEAP_LIBRARY_ONLY = 2 /* malloc was not interposed: the library's own memory alone */ };

/* HEAP: the totals of a snapshot. Counts and bytes here and in ALLOC are estimates scaled to all allocations; `sampled` is how many were looked at. */
typedef struct ql__qprof_heap {
    uint64_t time_ns, peak_ns;           /* of the snapshot; of the peak of in-use bytes until then */
    uint64_t alloc_count, alloc_bytes, inuse_count, inuse_bytes, peak_count, peak_bytes;
    uint64_t interval_first, interval;   /* bytes between samples at the start and now (doubled when there were too many) */
    uint64_t sampled;
    uint32_t id, kind, flags, reserved;
} ql__qprof_heap;

/* ALLOC: one stack in one snapshot. peak_*: what it held at the moment of HEAP.peak_ns, not its own maximum. */
typedef struct ql__qprof_alloc {
    uint64_t alloc_count, alloc_bytes, inuse_count, inuse_bytes, peak_count, peak_bytes;
    uint64_t temporary_count;            /* freed by the thread that allocated it, with no other sampled allocation of that thread in between */
    uint64_t freed_count, lifetime_ns;   /* of those freed: how many, sum of their lives */
    uint64_t old_count, old_bytes;       /* in use and allocated before the last tenth of the run: suspected leaks. Only in a FINAL snapshot */
    uint64_t sampled;                    /* allocations looked at; the error of an estimate is about 1/sqrt of it */
    uint32_t heap, stack, labels, reserved;
} ql__qprof_alloc;

typedef enum ql__qprof_value { QL__QPROF_I64 = 1, QL__QPROF_U64 = 2, QL__QPROF_F64 = 3, QL__QPROF_TEXT = 4 } ql__qprof_value;

/* One of count in the tail of SPAN. */
typedef struct ql__qprof_attribute {
    uint64_t value; /* bits of the number, or the id of a string */
    uint32_t key, type;
} ql__qprof_attribute;

/* SPAN: end_ns 0: it had not ended when the capture did. cpu_ns: CPU time of its thread in it; UINT64_MAX: not measured. */
typedef struct ql__qprof_span {
    uint64_t id, parent, task;
    uint64_t begin_ns, end_ns, cpu_ns;
    uint32_t site, thread, labels, reserved;
} ql__qprof_span;

/* LINK: cause and effect that are not parent and child (a chunk's batch, a request's background job). */
typedef struct ql__qprof_link {
    uint64_t time_ns, from_span, to_span;
} ql__qprof_link;

typedef enum ql__qprof_state { QL__QPROF_TASK_READY = 1, QL__QPROF_TASK_RUNNING = 2, QL__QPROF_TASK_WAITING = 3, QL__QPROF_TASK_ENDED = 4 } ql__qprof_state;
typedef enum ql__qprof_wait {
    QL__QPROF_WAIT_NONE = 0, QL__QPROF_WAIT_FD = 1, QL__QPROF_WAIT_TIMER = 2, QL__QPROF_WAIT_QUEUE = 3, QL__QPROF_WAIT_LOCK = 4, QL__QPROF_WAIT_POOL = 5
} ql__qprof_wait;

/* TASK: a document on its way, a request, a job. A poll is a stretch of RUNNING. */
typedef struct ql__qprof_task {
    uint64_t id, parent;
    uint64_t begin_ns, end_ns;                  /* end 0: not ended */
    uint64_t busy_ns, ready_ns, idle_ns;        /* running, ready to run, waiting */
    uint64_t polls, longest_poll_ns;
    uint32_t site, name, labels, thread;        /* thread: where it ran last */
    uint16_t state, wait;
    uint32_t wait_on;                           /* string: which queue, descriptor ... */
} ql__qprof_task;

enum { QL__QPROF_COUNTER_TOTAL = 1 /* only grows; else a gauge */ };

/*
 * COUNTER: a value at a time, written when it changed. Names of the library: those of ql__counter_name, "queue.<stage>.items", "queue.<stage>.bytes",
 * "process.cpu_ns", "process.read_bytes", "process.write_bytes", "process.faults_major", "process.faults_minor", "process.switches_voluntary", "process.switches_involuntary",
 * "process.run_delay_ns" (how long its threads could run and had no processor, since the capture began; not where the kernel does not tell).
 */
typedef struct ql__qprof_counter {
    uint64_t time_ns;
    double value;
    uint32_t name, flags;
} ql__qprof_counter;

/* MEMORY, bytes; UINT64_MAX: not known at this moment (pss is dear and read seldom). */
typedef struct ql__qprof_memory {
    uint64_t time_ns;
    uint64_t rss, pss, anon, file;
    uint64_t heap_inuse, heap_slack; /* of malloc: handed out; taken from the kernel beyond that */
    uint64_t mapped;                 /* the library's mapped files: models, index */
} ql__qprof_memory;

typedef struct ql__qprof_note {
    uint64_t time_ns;
    uint32_t text, reserved;
} ql__qprof_note;

/* One of count in the tail of END. */
typedef struct ql__qprof_drop {
    uint32_t kind, reserved; /* ql__qprof_kind whose records were lost; STACK: samples kept without a stack, STRING: texts cut or left out */
    uint64_t count;
} ql__qprof_drop;

/* END: written at every snapshot and as the last record of a capture, then with `complete`. own_ns: CPU time of the collector itself, handlers included. */
typedef struct ql__qprof_end {
    uint64_t time_ns, own_ns;
    uint64_t samples, rootless; /* CPU and wall samples, and those of them whose stack misses the root */
    uint32_t complete;          /* 1: nothing follows, the capture was stopped in order; 2: in order, but the byte limit cut it (see NOTE) */
    uint32_t reserved;
} ql__qprof_end;

/* Sizes are the file's: no padding may creep in. */
_Static_assert(sizeof(ql__qprof_file) == 16 && sizeof(ql__qprof_chunk) == 12 && sizeof(ql__qprof_record) == 8, "layout");
_Static_assert(sizeof(ql__qprof_mapping) == 56 && sizeof(ql__qprof_frame) == 16 && sizeof(ql__qprof_stack) == 12, "layout");
_Static_assert(sizeof(ql__qprof_thread) == 40 && sizeof(ql__qprof_site) == 24 && sizeof(ql__qprof_sample) == 56, "layout");
_Static_assert(sizeof(ql__qprof_heap) == 104 && sizeof(ql__qprof_alloc) == 112 && sizeof(ql__qprof_span) == 64, "layout");
_Static_assert(sizeof(ql__qprof_attribute) == 16 && sizeof(ql__qprof_link) == 24 && sizeof(ql__qprof_task) == 96, "layout");
_Static_assert(sizeof(ql__qprof_counter) == 24 && sizeof(ql__qprof_memory) == 64 && sizeof(ql__qprof_end) == 40, "layout");

/* CRC-32 as in chunks; crc: of what came before, 0 at the start. */
uint32_t ql__qprof_crc32(uint32_t crc, const void *bytes, size_t size);

#endif
