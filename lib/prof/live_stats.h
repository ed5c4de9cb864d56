/*
 * What the page of a process tells (live_page.h), gathered on the control thread: from the kernel always; functions, stages and tasks while a capture of the
 * live view runs. Memory is part of the struct, so that nothing is allocated when somebody looks.
 */
#ifndef QL_LIVE_STATS_H
#define QL_LIVE_STATS_H

#include "prof/collector.h"
#include "prof/live_page.h"

#define QL__LIVE_HOT_SLOTS 4096 /* a power of two; functions beyond it are left out until older ones fade */
#define QL__LIVE_PC_SLOTS 8192  /* a power of two */

typedef struct ql__live_hot {
    uintptr_t begin;    /* of the function; 0: free */
    const char *kernel; /* code made at run time: its name, static text; begin is its address then */
    uint64_t self_ns, total_ns, seen; /* seen: number of the sample that counted it last */
} ql__live_hot;

typedef struct ql__live_stats {
    const ql__sys *sys;
    ql__live_hot hot[QL__LIVE_HOT_SLOTS];
    uint32_t hot_count;
    struct {
        uintptr_t pc, begin;
    } pcs[QL__LIVE_PC_SLOTS]; /* functions of addresses met lately */
    uint64_t sample_number, window_ns, faded_ns;
    ql__live_stage stages[QL__LIVE_STAGES];
    uint32_t stage_count;
    ql__live_page page;
} ql__live_stats;

void ql__live_stats_init(ql__live_stats *self, const ql__sys *sys, uint64_t start_ticks);
/* For ql__collector's sample_fn and span_fn, with the stats as watch_user. */
void ql__live_sample(void *user, const ql__sample *sample);
void ql__live_span(void *user, const ql__event_span *event);
/* Fills the page; collector NULL: none runs. Its sequence is left to who writes it. */
void ql__live_stats_fill(ql__live_stats *self, ql__collector *collector, uint64_t now);

#endif
