/*
 * The file of vectors: a header page, then one fp32 row per slot, each at header + slot * stride. Written by one process at
 * the end only, mapped by readers up to the slots their snapshot knows.
 */
#ifndef QL_STORE_VECTORS_H
#define QL_STORE_VECTORS_H

#include "sys/file.h"

#define QL__VECTORS_HEADER_BYTES 4096

typedef struct ql__vectors {
    const ql__sys *sys;
    char *path;
    int fd; /* -1: not open */
    uint32_t dims;
    uint32_t stride; /* bytes of a row, a multiple of 64; what exceeds dims is zero */
    const unsigned char *map;
    size_t map_bytes;
} ql__vectors;

void ql__vectors_init(ql__vectors *self);
void ql__vectors_dispose(ql__vectors *self);
/* A new file (an old one of that name is replaced), synced with its folder. */
ql_status ql__vectors_create(ql__vectors *self, const ql__sys *sys, const char *path, uint32_t dims, uint64_t file_id, ql_error *err);
/* Checks the header against what the database says. */
ql_status ql__vectors_open(ql__vectors *self, const ql__sys *sys, const char *path, bool write, uint32_t dims, uint64_t file_id, ql_error *err);
/* The file must hold `slots` rows: QL_E_CORRUPT when it is shorter. */
ql_status ql__vectors_check_size(ql__vectors *self, uint64_t slots, ql_error *err);
/* Cuts the file after `slots` rows; *cut_bytes: how much went. */
ql_status ql__vectors_truncate(ql__vectors *self, uint64_t slots, uint64_t *cut_bytes, ql_error *err);
/* Rows of stride bytes. */
ql_status ql__vectors_write(ql__vectors *self, uint64_t slot, const void *rows, size_t count, ql_error *err);
ql_status ql__vectors_sync(ql__vectors *self, ql_error *err);
/* After this, ql__vectors_row works for slots below `slots`; earlier rows pointers may move. */
ql_status ql__vectors_map(ql__vectors *self, uint64_t slots, ql_error *err);
static inline const float *ql__vectors_row(const ql__vectors *self, uint64_t slot)
{
    return (const float *)(const void *)(self->map + QL__VECTORS_HEADER_BYTES + slot * self->stride);
}
uint32_t ql__vectors_stride(uint32_t dims);
/* Chain of checksums over rows: start with the number of the group's first slot. */
/* Whether the mapped rows first..first + count - 1, a group or the written part of one, hash to `expected`; QL_E_CORRUPT tells file and offset. */
ql_status ql__vectors_verify(const ql__vectors *self, uint64_t first, size_t count, uint64_t expected, ql_error *err);
uint64_t ql__vectors_hash(const ql__vectors *self, const void *row, uint64_t before);

#endif
