/* See vm.h. Growth copies: twice the size each time, so a byte is moved twice on average. Interning: open addressing, half full at most. */
#include "prof/vm.h"

#include <string.h>
#include <sys/mman.h>

#define VM_FIRST ((size_t)64 << 10)
#define SLOTS_FIRST 1024

typedef struct intern_entry {
    uint32_t hash, size;
    size_t offset;
} intern_entry;

void ql__vm_init(ql__vm *self, const ql__sys *sys)
{
    *self = (ql__vm){.sys = sys};
}

void ql__vm_dispose(ql__vm *self)
{
    if (self->bytes != NULL) self->sys->file->munmap_fn(self->sys->file->user, self->bytes, self->capacity);
    *self = (ql__vm){.sys = self->sys};
}

bool ql__vm_reserve(ql__vm *self, size_t size)
{
    if (size <= self->capacity - self->used) return true;
    if (size > (SIZE_MAX >> 2) - self->used) return false;
    size_t capacity = self->capacity != 0 ? self->capacity : VM_FIRST;
    while (capacity - self->used < size) capacity *= 2;
    void *bytes = self->sys->file->mmap_fn(self->sys->file->user, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) return false;
    if (self->used != 0) memcpy(bytes, self->bytes, self->used);
    if (self->bytes != NULL) self->sys->file->munmap_fn(self->sys->file->user, self->bytes, self->capacity);
    self->bytes = bytes;
    self->capacity = capacity;
    return true;
}

void *ql__vm_append(ql__vm *self, size_t size)
{
    if (!ql__vm_reserve(self, size)) return NULL;
    void *at = self->bytes + self->used;
    self->used += size;
    return at;
}

void ql__intern_init(ql__intern *self, const ql__sys *sys, uint32_t limit)
{
    *self = (ql__intern){.limit = limit};
    ql__vm_init(&self->slots, sys);
    ql__vm_init(&self->entries, sys);
    ql__vm_init(&self->bytes, sys);
}

void ql__intern_dispose(ql__intern *self)
{
    ql__vm_dispose(&self->slots);
    ql__vm_dispose(&self->entries);
    ql__vm_dispose(&self->bytes);
    self->count = 0;
    self->slot_count = 0;
}

/* FNV-1a over words, mixed at the end (Fowler, Noll, Vo; draft-eastlake-fnv). */
static uint32_t hash_of(const unsigned char *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325), word;
    for (; size >= 8; bytes += 8, size -= 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    for (; size > 0; bytes++, size--) hash = (hash ^ *bytes) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32);
}

static bool grow_slots(ql__intern *self)
{
    size_t wanted = self->slot_count != 0 ? self->slot_count * 2 : SLOTS_FIRST;
    ql__vm slots;
    ql__vm_init(&slots, self->slots.sys);
    uint32_t *ids = ql__vm_append(&slots, wanted * sizeof *ids); /* zeroed: it was never used */
    if (ids == NULL) return false;
    const intern_entry *entries = (const intern_entry *)(const void *)self->entries.bytes;
    for (uint32_t id = 1; id <= self->count; id++) {
        size_t at = entries[id - 1].hash & (wanted - 1);
        while (ids[at] != 0) at = (at + 1) & (wanted - 1);
        ids[at] = id;
    }
    ql__vm_dispose(&self->slots);
    self->slots = slots;
    self->slot_count = wanted;
    return true;
}

uint32_t ql__intern_put(ql__intern *self, const void *bytes, size_t size, bool *fresh)
{
    *fresh = false;
    if (size > UINT32_MAX) return 0;
    /* Without room to grow what is there is still found, and a few more fit. */
    bool crowded = self->count >= self->slot_count / 2 && !grow_slots(self) && self->count >= self->slot_count / 8 * 7;
    if (self->slot_count == 0) return 0;
    uint32_t hash = hash_of(bytes, size), *ids = (uint32_t *)(void *)self->slots.bytes;
    size_t at = hash & (self->slot_count - 1);
    for (; ids[at] != 0; at = (at + 1) & (self->slot_count - 1)) {
        const intern_entry *known = (const intern_entry *)(const void *)self->entries.bytes + (ids[at] - 1);
        if (known->hash == hash && known->size == size && memcmp(self->bytes.bytes + known->offset, bytes, size) == 0) return ids[at];
    }
    if (crowded || self->count == self->limit || !ql__vm_reserve(&self->bytes, size + 1) || !ql__vm_reserve(&self->entries, sizeof(intern_entry))) return 0;
    size_t offset = self->bytes.used;
    memcpy(ql__vm_append(&self->bytes, size + 1), bytes, size);
    *(intern_entry *)ql__vm_append(&self->entries, sizeof(intern_entry)) = (intern_entry){hash, (uint32_t)size, offset};
    ids[at] = ++self->count;
    *fresh = true;
    return self->count;
}

size_t ql__intern_entry_read(const ql__vm *entries, const ql__vm *bytes, uint32_t id, void *out, size_t room)
{
    const intern_entry *entry = (const intern_entry *)(const void *)entries->bytes + (id - 1);
    size_t size = entry->size < room ? entry->size : room;
    memcpy(out, bytes->bytes + entry->offset, size);
    return size;
}
