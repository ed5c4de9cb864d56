/*
 * Memory of the control thread: growable bytes and an interning table straight from the kernel, since the application's allocator may take locks that
 * its own code holds. One thread at a time.
 */
#ifndef QL_VM_H
#define QL_VM_H

#include "sys/file.h"

typedef struct ql__vm {
    const ql__sys *sys;
    unsigned char *bytes;
    size_t used, capacity;
} ql__vm;

void ql__vm_init(ql__vm *self, const ql__sys *sys);
void ql__vm_dispose(ql__vm *self);
/* Room for `size` more bytes at the end, zeroed where never used; NULL: the kernel gives none. Addresses change with growth. */
void *ql__vm_append(ql__vm *self, size_t size);
bool ql__vm_reserve(ql__vm *self, size_t size); /* the next appends up to `size` cannot fail */

/* Distinct byte strings by number, 1 first. */
typedef struct ql__intern {
    ql__vm slots;   /* uint32_t ids, a power of two of them */
    ql__vm entries; /* ql__intern_entry of each id */
    ql__vm bytes;
    uint32_t count, limit;
    size_t slot_count;
} ql__intern;

void ql__intern_init(ql__intern *self, const ql__sys *sys, uint32_t limit);
void ql__intern_dispose(ql__intern *self);
/* 0: no memory, or the limit is reached. *fresh: it was not there. */
uint32_t ql__intern_put(ql__intern *self, const void *bytes, size_t size, bool *fresh);
/* Copies what id stands for, at most `room` bytes, from (copies of) a table's entries and bytes; returns its size. id: one that was given. */
size_t ql__intern_entry_read(const ql__vm *entries, const ql__vm *bytes, uint32_t id, void *out, size_t room);

#endif
