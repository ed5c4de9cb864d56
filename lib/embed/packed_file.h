/*
 * Packed weights as a file, which processes map and share: made by whoever packs first and may write, a cache that can be thrown away at any time. A page
 * of header, then the weights as they lie in memory. A file of another model, of other panels, cut or damaged (it has a checksum) is not used.
 */
#ifndef QL_PACKED_FILE_H
#define QL_PACKED_FILE_H

#include "sys/file.h"

#define QL__PACKED_HEADER_BYTES 4096

/* What must be equal for a file to be the one wanted. */
typedef struct ql__packed_key {
    uint64_t model;     /* ql__safetensors_fingerprint */
    const char *panels; /* ql__panels.name */
    size_t units;       /* of 32 bits, all weights */
} ql__packed_key;

typedef struct ql__packed_file {
    const ql__sys *sys;
    void *mapping; /* NULL: none */
    size_t bytes;
} ql__packed_file;

/* The weights begin QL__PACKED_HEADER_BYTES behind out->mapping. QL_E_NOTFOUND: there is none; QL_E_FORMAT: it is not the one wanted. */
ql_status ql__packed_file_map(const ql__sys *sys, const char *path, const ql__packed_key *key, ql__packed_file *out, ql_error *err);
void ql__packed_file_unmap(ql__packed_file *self);
/* memory: room for the header, which is filled in, and the weights behind it. Replaces what is there; the folder is made. */
ql_status ql__packed_file_write(const ql__sys *sys, const char *path, const ql__packed_key *key, char *memory, ql_error *err);

#endif
