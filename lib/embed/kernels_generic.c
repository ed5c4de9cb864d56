/* The kernels for what the compiler's baseline gives: see kernels_vector.h. Threads: no state. */
#define VECTOR_BYTES 16
#define TILE_ROWS 2
#define TILE_COLUMNS 4
#define ATTENTION_ROWS 4
#define PANEL_ROWS 4
#define TABLE_NAME "generic"
#define TABLE_FN ql__kernels_generic
#include "embed/kernels_vector.h"
