/* The parts of the reader of capture.qprof: read.c (file and chunks), chunk_find.c (the next whole chunk), read_records.c (what a record becomes), read_code.c (addresses to names),
 * read_finish.c (times and sums). */
#ifndef QL_READ_INTERNAL_H
#define QL_READ_INTERNAL_H

#include "capture/demangle.h"
#include "capture/profile.h"
#include "capture/read.h"
#include "prof/qprof.h"

/* From an id of the file to index + 1 of a table of the profile; 0: not defined. */
typedef struct ql__id_table {
    uint32_t *index;
    size_t count, capacity; /* ids below count have a place */
    size_t defined;
} ql__id_table;

typedef struct ql__raw_stack {
    uint32_t id, first, count, flags;
    uint32_t kernel; /* string of the profile */
    uint32_t stack;  /* of the profile, once its addresses have names */
} ql__raw_stack;

typedef struct ql__raw_frame {
    uint64_t pc;     /* to look up */
    uint32_t module; /* index + 1 of the profile's */
} ql__raw_frame;

typedef struct ql__reader {
    const ql__sys *sys;
    const ql__read_options *options;
    ql__profile *profile;
    ql__id_table strings, mappings, stacks, threads, sites, labels;
    ql__map tasks;       /* id -> index of profile->tasks */
    ql__arena task_keys;
    QL__TABLE(ql__raw_stack, raw_stacks);
    QL__TABLE(ql__raw_frame, raw_frames);
    ql__qprof_heap heap; /* the one that is taken */
    bool has_heap, has_end, second_pass;
    ql__qprof_end end;
    uint64_t start_ns, first_ns, last_ns; /* of the process's clock: META's, the earliest and the latest that was seen */
    ql__demangler demangler;
    uint64_t refused;    /* records that could not be right */
    size_t gaps;         /* stretches of the file that are damaged, or not whole */
    uint64_t gap_bytes;
} ql__reader;

/* One record: its fixed part and what is behind it. QL_E_FORMAT: it cannot be right, and is left out. */
typedef struct ql__raw_record {
    const unsigned char *fixed, *tail;
    size_t fixed_size, tail_size, count;
} ql__raw_record;

ql_status ql__read_record(ql__reader *self, uint32_t kind, const ql__raw_record *record, ql_error *err);
/* After the first pass: names for the addresses, the stacks of the profile. */
ql_status ql__read_code(ql__reader *self, ql_error *err);
/* After the second: times count from the start, tables are in order of time, numbers of the whole. */
ql_status ql__read_finish(ql__reader *self, ql_error *err);

#endif
