/* Dot products of fp32 rows. */
#ifndef QL_STORE_DOT_H
#define QL_STORE_DOT_H

#include <qloader/base.h>

/* a and b: (floats), floats a multiple of 16, b 64-byte aligned. The same pair gives the same bits wherever it is computed in a process. */
typedef float (*ql__dot_fn)(const float *a, const float *b, size_t floats);
size_t ql__dot_all(ql__dot_fn out[3]); /* what this processor can run, the fastest first; returns how many */
ql__dot_fn ql__dot_best(void);
float ql__dot_ref(const float *a, const float *b, size_t floats);

#endif
