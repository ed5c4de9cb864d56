/* Which file the code at an address comes from: executable mappings of the process, as the kernel lists them. The control thread's. */
#ifndef QL_MAPPING_TABLE_H
#define QL_MAPPING_TABLE_H

#include "prof/qprof_write.h"

#define QL__MAPPINGS_MAX 4096

typedef struct ql__mapping {
    uint64_t start, end, file_offset, inode;
    uint32_t id, path; /* of MAPPING and STRING */
    uint64_t load_bias;
    unsigned char build_id[20]; /* its first bytes */
    uint32_t build_id_size;     /* 0: none */
} ql__mapping;

typedef struct ql__mapping_table {
    const ql__sys *sys;
    ql__mapping *now, *next; /* QL__MAPPINGS_MAX each, sorted by start */
    uint32_t count, next_count, ids;
    uint64_t lost;           /* executable mappings beyond the limit */
    uint64_t data_bytes;     /* mapped files that hold no code: models, index */
    ql__vm memory, text;
} ql__mapping_table;

/* Turns a text into a string's id of the capture. */
typedef uint32_t (*ql__mapping_string_fn)(void *user, ql_str text);

bool ql__mapping_open(ql__mapping_table *self, const ql__sys *sys); /* false: no memory */
void ql__mapping_close(ql__mapping_table *self);
/* Reads the list again; writes MAPPING for what is new. What is gone is forgotten, its id is not used again. */
void ql__mapping_refresh(ql__mapping_table *self, ql__qprof_writer *writer, ql__mapping_string_fn string_fn, void *user);
uint32_t ql__mapping_at(const ql__mapping_table *self, uint64_t pc); /* id, 0: in no file */
const ql__mapping *ql__mapping_find(const ql__mapping_table *self, uint64_t pc); /* NULL: in no file; until the next refresh */

#endif
