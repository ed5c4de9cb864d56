/* Growth of a plain array: doubling, overflow-checked. */
#ifndef QL_ARRAY_H
#define QL_ARRAY_H

#include "base/alloc.h"

/* Makes *items hold at least `need` elements; false leaves everything as it was. *items points to an array of `size`-byte elements. */
bool ql__array_reserve(void *items, size_t *capacity, size_t need, size_t size);

/* ql__array_push(vec.items, vec.count, vec.capacity, value) -> false when out of memory. */
#define ql__array_push(items, count, capacity, value) \
    (ql__array_reserve(&(items), &(capacity), (count) + 1, sizeof *(items)) ? ((items)[(count)++] = (value), true) : false)

#endif
