/* bfloat16: the upper half of a float32. */
#ifndef QL_BF16_H
#define QL_BF16_H

#include <stdint.h>
#include <string.h>

/* Round to nearest, ties to even; a NaN stays one, quiet. */
static inline uint16_t ql__bf16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float ql__bf16_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
