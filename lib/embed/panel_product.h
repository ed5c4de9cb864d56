/*
 * The product of panel.h, included once for each kind of unit by who defines
 *
 *   PANEL(name)  the kind's own names         PANEL_SUM    a vector of sums: vec or ivec
 *   PANEL_SPARE  the spare of panel.h         PANEL(load_units), PANEL(add), PANEL(begin), PANEL(end)
 *
 * PANEL_ROWS rows of a tile: its sums, PANEL_ROWS x 2 vectors, and three more vectors fit the registers. Every accumulator is a chain of its own, so
 * a core with two multipliers of latency 4 to 6 is kept busy.
 */
/* What a tile asks for while it works: `lines` of the cache from `at` on with every CHUNK of units. */
typedef struct PANEL(ahead) {
    const uint32_t *at;
    size_t lines;
} PANEL(ahead);

INLINE void PANEL(tile)(const ql__panel_product *args, size_t row, size_t column, PANEL(ahead) ahead, const size_t rows)
{
    PANEL_SUM sums[PANEL_ROWS][2];
    size_t stride = args->a_stride;
    const uint32_t *groups[(PANEL_ROWS + 2) / 3]; /* every third row: an address may add its stride once or twice */
    const uint32_t *w = args->w + column * (args->units + PANEL_SPARE);
    float *c = args->c + row * args->c_stride + column;
#pragma GCC unroll 8
    for (size_t g = 0; g < (PANEL_ROWS + 2) / 3; g++) groups[g] = args->a + (row + 3 * g) * stride;
    PANEL(begin)(args, column, c, sums, rows);
    for (size_t chunk = 0; chunk < args->units; chunk += CHUNK) {
        for (size_t line = 0; line < ahead.lines; line++, ahead.at += LINE_UNITS) __builtin_prefetch(ahead.at, 0, 3);
        for (size_t unit = 0; unit < CHUNK; unit += 2) {
#pragma GCC unroll 2
            for (size_t u = 0; u < 2; u++) {
                uvec w0 = PANEL(load_units)(w + u * PANEL_COLUMNS), w1 = PANEL(load_units)(w + u * PANEL_COLUMNS + LANES);
#pragma GCC unroll 16
                for (size_t i = 0; i < rows; i++) {
                    const uint32_t *a = groups[i / 3] + (i % 3) * stride + u;
                    sums[i][0] = PANEL(add)(sums[i][0], a, w0);
                    sums[i][1] = PANEL(add)(sums[i][1], a, w1);
                }
            }
#pragma GCC unroll 8
            for (size_t g = 0; g < (PANEL_ROWS + 2) / 3; g++) groups[g] += 2;
            w += 2 * PANEL_COLUMNS;
        }
    }
    PANEL(end)(args, row, column, w, c, sums, rows);
}

/* One function a number of rows, so that all sums of each stay in registers. */
#define PANEL_TILE(rows) \
    static __attribute__((noinline)) void PANEL(tile_##rows)(const ql__panel_product *args, size_t row, size_t column, PANEL(ahead) ahead) \
    { \
        PANEL(tile)(args, row, column, ahead, rows); \
    }
PANEL_TILE(1)
PANEL_TILE(2)
PANEL_TILE(3)
PANEL_TILE(4)
#if PANEL_ROWS >= 6
PANEL_TILE(5)
PANEL_TILE(6)
#endif
#if PANEL_ROWS >= 14
PANEL_TILE(7)
PANEL_TILE(8)
PANEL_TILE(9)
PANEL_TILE(10)
PANEL_TILE(11)
PANEL_TILE(12)
PANEL_TILE(13)
PANEL_TILE(14)
#endif
#undef PANEL_TILE

typedef void (*PANEL(tile_fn))(const ql__panel_product *args, size_t row, size_t column, PANEL(ahead) ahead);

static const PANEL(tile_fn) PANEL(tiles)[PANEL_ROWS + 1] = {
    NULL, PANEL(tile_1), PANEL(tile_2), PANEL(tile_3), PANEL(tile_4),
#if PANEL_ROWS >= 6
    PANEL(tile_5), PANEL(tile_6),
#endif
#if PANEL_ROWS >= 14
    PANEL(tile_7), PANEL(tile_8), PANEL(tile_9), PANEL(tile_10), PANEL(tile_11), PANEL(tile_12), PANEL(tile_13), PANEL(tile_14),
#endif
};

/*
 * Tiles of nearly equal height, rather than full ones and a low one that would leave the multipliers waiting. Each asks for its part of the next panel:
 * weights come from the third-level cache or from memory, and are used in the order in which they lie.
 */
static void PANEL(multiply)(const ql__panel_product *args)
{
    size_t parts = (args->rows + PANEL_ROWS - 1) / PANEL_ROWS, lines = (CHUNK_LINES + parts - 1) / parts;
    for (size_t column = 0; column < args->outputs; column += PANEL_COLUMNS) {
        const uint32_t *next = args->w + (column + PANEL_COLUMNS) * (args->units + PANEL_SPARE);
        for (size_t part = 0, row = 0; part < parts; part++) {
            size_t end = (part + 1) * args->rows / parts;
            PANEL(tiles)[end - row](args, row, column, (PANEL(ahead)){next + part * lines * LINE_UNITS * (args->units / CHUNK), lines});
            row = end;
        }
    }
}
