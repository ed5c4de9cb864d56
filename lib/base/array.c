/*
 * Growth of plain arrays. Invariant: a failed growth changes nothing. Cost: amortised O(1) per element by doubling.
 */
#include "base/array.h"

#include <string.h>

bool ql__array_reserve(void *items, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity) return true;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < need) {
        if (wanted > SIZE_MAX / 2) {
            wanted = need;
            break;
        }
        wanted *= 2;
    }
    void *old;
    memcpy(&old, items, sizeof old); /* items points to a pointer of any type */
    void *grown = ql__realloc_array(old, wanted, size);
    if (!grown) return false;
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}
