/* The kernels for AVX2 and FMA: see kernels_vector.h. Threads: no state. */
#define VECTOR_BYTES 32
#define TILE_ROWS 3
#define TILE_COLUMNS 4
#define ATTENTION_ROWS 4
#define PANEL_ROWS 6
#define TABLE_NAME "avx2"
#define TABLE_FN ql__kernels_avx2
#include "embed/kernels_vector.h"
