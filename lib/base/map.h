/*
 * Hash map from byte strings to a 64-bit value (an index or a pointer). Open addressing, linear probing, load <= 0.7;
 * keys are borrowed: the caller keeps them alive and unchanged. The hash is keyed per map, so foreign keys cannot
 * build collision chains on purpose. One thread at a time; concurrent finds are fine.
 */
#ifndef QL_MAP_H
#define QL_MAP_H

#include <qloader/base.h>

typedef struct ql__map_slot {
    ql_str key;
    uint64_t hash; /* 0: free */
    uint64_t value;
} ql__map_slot;

typedef struct ql__map {
    ql__map_slot *slots;
    size_t count;
    size_t capacity; /* power of two or 0 */
    uint64_t seed;
} ql__map;

void ql__map_init(ql__map *self, uint64_t seed);
void ql__map_dispose(ql__map *self);
/* The value's place, or NULL. Valid until the next insert. */
uint64_t *ql__map_find(const ql__map *self, ql_str key);
/* The value's place, new or old; NULL when out of memory. *inserted (optional) tells which; a new value is 0. */
uint64_t *ql__map_insert(ql__map *self, ql_str key, bool *inserted);
uint64_t ql__hash_bytes(ql_str bytes, uint64_t seed);

#endif
