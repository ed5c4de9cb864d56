/* Hashes: SHA-256 and SHA-1 (nettle) for identities, XXH3 (xxhash) for checksums against accidents. */
#ifndef QL_DIGEST_H
#define QL_DIGEST_H

#include <qloader/base.h>

typedef struct ql__sha256 { uint64_t opaque[16]; } ql__sha256;
void ql__sha256_init(ql__sha256 *self);
void ql__sha256_update(ql__sha256 *self, ql_str bytes);
void ql__sha256_final(ql__sha256 *self, uint8_t out[32]);
void ql__sha256_of(ql_str bytes, uint8_t out[32]);
void ql__sha1_of(ql_str bytes, uint8_t out[20]);
uint64_t ql__xxh3(ql_str bytes, uint64_t seed);
void ql__hex(const uint8_t *bytes, size_t count, char *out /* 2 * count + 1 */);
/* First 16 bytes as 8-4-4-4-12 hex digits, 37 bytes with NUL. */
void ql__uuid_text(const uint8_t bytes[16], char out[37]);

#endif
