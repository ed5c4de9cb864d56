/* One table per file compiled from kernels_vector.h; see kernels.c for who may run which. */
#ifndef QL_KERNELS_TABLE_H
#define QL_KERNELS_TABLE_H

#include "embed/kernels.h"

const ql__kernels *ql__kernels_avx512bf16(void);
const ql__kernels *ql__kernels_avx512vnni(void);
const ql__kernels *ql__kernels_avx512(void);
const ql__kernels *ql__kernels_avx2(void);
const ql__kernels *ql__kernels_generic(void);

#endif
