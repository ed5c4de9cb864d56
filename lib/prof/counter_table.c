/* See counter_table.h. Relaxed atomics: what is shown is a moment's view. Process-wide state (docs/internals/prof.md): the numbers. */
#include "prof/counter_table.h"

#include <stdatomic.h>

#include "prof/span.h"

static atomic_uint_least64_t gauges[QL__GAUGE_COUNT];
static atomic_uint_least64_t totals[QL__COUNTER_COUNT];

void ql__gauge_add(ql__gauge_id id, uint64_t amount)
{
    atomic_fetch_add_explicit(&gauges[id], amount, memory_order_relaxed);
}

void ql__tally_add(size_t counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&totals[counter], amount, memory_order_relaxed);
}

size_t ql__tally_count(void)
{
    return QL__GAUGE_COUNT + QL__COUNTER_COUNT;
}

const char *ql__tally_name(size_t index)
{
    static const char *const names[QL__GAUGE_COUNT] = {"queue.embed.items", "queue.embed.bytes", "queue.write.items", "queue.write.bytes"};
    return index < QL__GAUGE_COUNT ? names[index] : ql__counter_name((ql__counter_id)(index - QL__GAUGE_COUNT));
}

uint64_t ql__tally_value(size_t index)
{
    return atomic_load_explicit(index < QL__GAUGE_COUNT ? &gauges[index] : &totals[index - QL__GAUGE_COUNT], memory_order_relaxed);
}

bool ql__tally_is_total(size_t index)
{
    return index >= QL__GAUGE_COUNT;
}
