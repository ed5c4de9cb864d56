/* Numbers for tests of kernels: random, the same in every run; arrays have one element to spare and are freed by who asked. */
#ifndef RANDOM_FLOATS_H
#define RANDOM_FLOATS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/testing.h"

static uint32_t random_state = 12345;

static inline uint32_t random_next(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static inline size_t random_within(size_t low, size_t high)
{
    return low + random_next() % (high - low + 1);
}

static inline float *random_floats(size_t count, float range)
{
    float *out = malloc((count + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) out[i] = ((float)random_next() / 8388608.0f - 1.0f) * range;
    return out;
}

static inline float *copy_floats(const float *from, size_t count)
{
    float *out = malloc((count + 1) * sizeof *out);
    assert_non_null(out);
    memcpy(out, from, count * sizeof *out);
    return out;
}

static inline void expect_close(const float *got, const float *wanted, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)wanted[i]) <= tolerance)) fail_msg("element %zu of %zu: %.9g, wanted %.9g", i, count, (double)got[i], (double)wanted[i]);
}

#endif
