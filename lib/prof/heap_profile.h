/*
 * Who allocates: a sample of allocations (or all of them) with their stacks, and which of them are still in use. Fed by the library's memory table
 * (base/alloc.h) or, where the program uses ql_prof_heap_hooks_use(), by its malloc.
 */
#ifndef QL_HEAP_PROFILE_H
#define QL_HEAP_PROFILE_H

#include "prof/collector.h"

#define QL__HEAP_STACKS_A_SECOND 2000 /* beyond, the interval is doubled; not in exact mode */

/* interval_bytes: mean between samples; 1: every allocation. */
ql_status ql__heap_start(uint64_t interval_bytes, ql_error *err);
void ql__heap_stop(void);
/* HEAP and ALLOC records of this moment; the control thread's. */
void ql__heap_write(ql__collector *collector, ql__qprof_heap_kind kind);
void ql__heap_after_fork(void);

#endif
