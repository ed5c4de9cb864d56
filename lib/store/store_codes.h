/*
 * One bit per dimension of each vector, to find the candidates of a dense search without reading the vectors: the sign of each
 * coordinate after a random rotation, with an unbiased estimate of the dot product (Gao and Long, RaBitQ, SIGMOD 2024).
 */
#ifndef QL_STORE_CODES_H
#define QL_STORE_CODES_H

#include <qloader/base.h>

#define QL__CODE_GROUP 64 /* vectors of a block */

/* Bytes of a vector's code: dims rounded up to a multiple of 64, in bits. */
size_t ql__code_bytes(uint32_t dims);

/*
 * A block of 64 vectors, the unit in the database: 64 floats, then the codes so that byte j of vector i is at [j * 64 + i].
 * The float of a vector is 1 / |rotated vector|_1; 0 where there is none.
 */
size_t ql__code_block_bytes(uint32_t dims);
/* Writes the code of vector (dims) as the i-th of block. scratch: (code_bytes * 8) floats. */
void ql__code_put(unsigned char *block, size_t i, const float *vector, uint32_t dims, float *scratch);

/* A query made ready: sums of its rotated coordinates for every four bits of a code. */
typedef struct ql__code_query {
    size_t code_bytes;
    float scale, offset; /* sum of signed coordinates = table sum * scale + offset */
    uint8_t *tables;     /* (code_bytes * 2 * 16), entries at most 127 */
} ql__code_query;

ql_status ql__code_query_new(ql__code_query *self, const float *query, uint32_t dims, ql_error *err); /* query: unit length */
void ql__code_query_dispose(ql__code_query *self);

/*
 * upper (64): for each vector of a block, how high its dot product with the query may be: the estimate and 3 standard deviations.
 * Returns a bit for each that is at least `floor`.
 */
typedef uint64_t (*ql__code_scan_fn)(const ql__code_query *query, const unsigned char *block, float floor, float upper[QL__CODE_GROUP]);
/* What this processor can run, the fastest first, the plain one last; returns how many. */
size_t ql__code_scan_all(ql__code_scan_fn out[3]);
uint64_t ql__code_scan_ref(const ql__code_query *query, const unsigned char *block, float floor, float upper[QL__CODE_GROUP]);
/* Bits of those of 64 values that are at least floor. */
uint64_t ql__code_reaching(const float values[QL__CODE_GROUP], float floor);

#endif
