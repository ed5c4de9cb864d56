/*
 * Hash map from byte strings to 64-bit values: open addressing, linear probing, load <= 0.7. Nothing is ever removed.
 *
 * Invariants: capacity is 0 or a power of two; a slot is free exactly when its hash is 0; between a key's home slot and its
 * slot there is no free one. The hash is SipHash-1-3 under the map's seed: with a seed the outside cannot know, it cannot
 * choose keys that collide. Threads: concurrent finds are fine, else one at a time. Cost: O(1) expected.
 */
#include "base/map.h"

#include <endian.h>
#include <string.h>

#include "base/alloc.h"

#define MAP_CAPACITY_MIN 16

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1]; v[1] = rotate(v[1], 13); v[1] ^= v[0]; v[0] = rotate(v[0], 32);
    v[2] += v[3]; v[3] = rotate(v[3], 16); v[3] ^= v[2];
    v[0] += v[3]; v[3] = rotate(v[3], 21); v[3] ^= v[0];
    v[2] += v[1]; v[1] = rotate(v[1], 17); v[1] ^= v[2]; v[2] = rotate(v[2], 32);
}

/* Spreads a seed of few bits over 64 (the finaliser of splitmix64). */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30; x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27; x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t load_word(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* Fewer than 8 bytes, as the low end of a word. */
static uint64_t load_tail(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t ql__hash_bytes(ql_str bytes, uint64_t seed)
{
    uint64_t k0 = mix(seed + UINT64_C(0x9e3779b97f4a7c15));
    uint64_t k1 = mix(seed + UINT64_C(0x3c6ef372fe94f82a));
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d), k0 ^ UINT64_C(0x6c7967656e657261),
                     k1 ^ UINT64_C(0x7465646279746573)};
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = load_word(at);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)bytes.len << 56 | load_tail(at, left);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t slot_hash(const ql__map *self, ql_str key)
{
    uint64_t hash = ql__hash_bytes(key, self->seed);
    return hash ? hash : 1;
}

void ql__map_init(ql__map *self, uint64_t seed)
{
    *self = (ql__map){.seed = seed};
}

void ql__map_dispose(ql__map *self)
{
    ql__free(self->slots);
    ql__map_init(self, self->seed);
}

/* The slot that holds the key, or the free one where it belongs. capacity > 0 and a slot is free. */
static size_t slot_index(const ql__map *self, ql_str key, uint64_t hash)
{
    size_t mask = self->capacity - 1;
    size_t index = (size_t)hash & mask;
    while (self->slots[index].hash && !(self->slots[index].hash == hash && ql_str_equal(self->slots[index].key, key))) {
        index = (index + 1) & mask;
    }
    return index;
}

static bool map_grow(ql__map *self)
{
    if (self->capacity > SIZE_MAX / 2) return false;
    size_t capacity = self->capacity ? self->capacity * 2 : MAP_CAPACITY_MIN;
    ql__map_slot *slots = ql__alloc_zero(capacity, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < self->capacity; i++) {
        if (!self->slots[i].hash) continue;
        size_t index = (size_t)self->slots[i].hash & (capacity - 1);
        while (slots[index].hash) index = (index + 1) & (capacity - 1);
        slots[index] = self->slots[i];
    }
    ql__free(self->slots);
    self->slots = slots;
    self->capacity = capacity;
    return true;
}

uint64_t *ql__map_find(const ql__map *self, ql_str key)
{
    if (self->count == 0) return NULL;
    ql__map_slot *slot = &self->slots[slot_index(self, key, slot_hash(self, key))];
    return slot->hash ? &slot->value : NULL;
}

uint64_t *ql__map_insert(ql__map *self, ql_str key, bool *inserted)
{
    uint64_t hash = slot_hash(self, key);
    if (self->capacity) {
        ql__map_slot *old = &self->slots[slot_index(self, key, hash)];
        if (old->hash) {
            if (inserted) *inserted = false;
            return &old->value;
        }
    }
    if (self->count + 1 > self->capacity / 16 * 11 && !map_grow(self)) return NULL;
    ql__map_slot *slot = &self->slots[slot_index(self, key, hash)];
    *slot = (ql__map_slot){key, hash, 0};
    self->count++;
    if (inserted) *inserted = true;
    return &slot->value;
}
