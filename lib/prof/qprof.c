/* The CRC of chunks. Threads: safe, no state. Cost: two look-ups a byte; a capture writes a few hundred kB a second at most. */
#include "prof/qprof.h"

/* One shift of IEEE 802.3's polynomial, reflected; four of them are the table's entry for a nibble. */
#define SHIFT(c) (((c) >> 1) ^ (0xedb88320u & (0u - ((c) & 1u))))
#define NIBBLE(n) SHIFT(SHIFT(SHIFT(SHIFT(UINT32_C(n)))))

static const uint32_t nibbles[16] = {
    NIBBLE(0), NIBBLE(1), NIBBLE(2), NIBBLE(3), NIBBLE(4), NIBBLE(5), NIBBLE(6), NIBBLE(7),
    NIBBLE(8), NIBBLE(9), NIBBLE(10), NIBBLE(11), NIBBLE(12), NIBBLE(13), NIBBLE(14), NIBBLE(15)};

uint32_t ql__qprof_crc32(uint32_t crc, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        crc = (crc >> 4) ^ nibbles[crc & 15];
        crc = (crc >> 4) ^ nibbles[crc & 15];
    }
    return ~crc;
}
