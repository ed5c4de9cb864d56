/* The kernels for AVX-512F, BW, DQ, VL and VNNI: see kernels_vector.h. Threads: no state. */
#define VECTOR_BYTES 64
#define TILE_ROWS 4
#define TILE_COLUMNS 4
#define ATTENTION_ROWS 8
#define PANEL_ROWS 14
#define TABLE_NAME "avx512vnni"
#define TABLE_FN ql__kernels_avx512vnni
#include "embed/kernels_vector.h"
