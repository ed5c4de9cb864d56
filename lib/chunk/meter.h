/* Sizes of ranges of a text in the units of a measure, measured a window at a time. */
#ifndef QL_METER_H
#define QL_METER_H

#include <qloader/chunk.h>

typedef struct ql__meter {
    const ql_measure *measure;
    ql_str text;
    uint64_t window_begin, window_end; /* what `starts` is about */
    uint32_t *starts;                  /* relative to window_begin */
    size_t starts_count, starts_capacity;
    size_t window_bytes;               /* size of a window */
    uint64_t measured_bytes;           /* work done so far, for tests */
} ql__meter;

/* reach_bytes: no question spans more than this many bytes from the place given to ql__meter_move. */
ql_status ql__meter_init(ql__meter *self, const ql_measure *measure, ql_str text, size_t reach_bytes, ql_error *err);
void ql__meter_dispose(ql__meter *self);
/* Makes [begin, begin + reach) answerable: measures a new window from `begin` on when the current one does not hold it. begin never goes back. */
void ql__meter_move(ql__meter *self, uint64_t begin, uint64_t reach);
/* Units that start in [begin, end), both inside the window; exact where both ends touch white space. */
size_t ql__meter_count(const ql__meter *self, uint64_t begin, uint64_t end);
/* The byte where the unit number `units` (0-based) at or after begin starts, or the window's end when there are fewer. */
uint64_t ql__meter_forward(const ql__meter *self, uint64_t begin, size_t units);
/* The byte where the unit that is `units` before `end` starts (>= window begin). */
uint64_t ql__meter_backward(const ql__meter *self, uint64_t end, size_t units);
/* Units of the range by itself, by measuring it. */
size_t ql__meter_exact(ql__meter *self, uint64_t begin, uint64_t end);

#endif
