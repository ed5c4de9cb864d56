/* Process-wide counters and gauges of the library while a capture takes spans: totals of prof/span.h's counters, depth of queues. */
#ifndef QL_COUNTER_TABLE_H
#define QL_COUNTER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ql__gauge_id { QL__GAUGE_EMBED_ITEMS, QL__GAUGE_EMBED_BYTES, QL__GAUGE_WRITE_ITEMS, QL__GAUGE_WRITE_BYTES, QL__GAUGE_COUNT } ql__gauge_id;

/* Adds to a gauge (subtracting wraps around); always counts, so that a capture that starts later sees what is there. */
void ql__gauge_add(ql__gauge_id id, uint64_t amount);

void ql__tally_add(size_t counter, uint64_t amount); /* counter: a ql__counter_id */

/* All there are, for the control thread. */
size_t ql__tally_count(void);
const char *ql__tally_name(size_t index);
uint64_t ql__tally_value(size_t index);
bool ql__tally_is_total(size_t index); /* only grows */

#endif
