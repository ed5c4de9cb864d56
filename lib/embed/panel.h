/*
 * Matrix products on weights that lie in the order in which they are read, and what a transformer does between them.
 *
 * A *unit* is 32 bits: one float32, two bfloat16 or four bytes, numbers that are neighbours along the sum of a product (`halves` says how many). A
 * *panel* holds the weights of `columns` outputs: for unit 0 of the inputs the units of all its outputs, then for unit 1, and so on. A product takes a
 * few rows at a time, keeps their sums for one panel in registers and reads the panel once from front to back (Goto and van de Geijn 2008, "Anatomy of
 * high-performance matrix multiplication", without their packing of the left side: our rows are short).
 *
 * Bytes stand for numbers in proportion: those of a row of the left side for byte * scale, with a scale of that row alone (ql__panel_factor), so that
 * its largest number is 127 scales; those of an output's weights for (byte - 128) * scale, with scales in one unit more at the end of each panel.
 *
 * A row of a result depends on its own row of the left side only, not on how many others are multiplied with it: every bit is the same in any batch.
 * Shapes are multiples of `columns`, filled up with zeros by who packs them. No alignment is asked for. Thread-safe: no state.
 */
#ifndef QL_PANEL_H
#define QL_PANEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the bytes of a row mean. */
typedef struct ql__panel_factor {
    float scale; /* NaN: the row has a number that is not finite */
    int32_t sum; /* of its bytes */
} ql__panel_factor;

/* c = a w^T + bias, or c += */
typedef struct ql__panel_product {
    const uint32_t *a; /* (rows, units) in rows of a_stride units */
    size_t a_stride;
    const ql__panel_factor *factors; /* (rows) of bytes; else not read */
    const uint32_t *w;  /* (outputs / columns) panels */
    const float *bias;  /* (outputs); NULL: none */
    float *c;           /* (rows, outputs) in rows of c_stride */
    size_t c_stride;
    size_t rows, outputs, units; /* units a multiple of 8 */
    bool accumulate;
} ql__panel_product;

/* From float32 numbers to units, in rows: to (rows, width / halves) in rows of to_stride units. */
typedef struct ql__panel_rows {
    const float *from; /* (rows, width) in rows of from_stride */
    size_t from_stride;
    uint32_t *to;
    size_t to_stride;
    size_t rows, width;
} ql__panel_rows;

/* From units of the table `soft` to bytes, in rows. */
typedef struct ql__panel_narrowing {
    const uint32_t *from; /* (rows, width / soft->halves) in rows of from_stride */
    size_t from_stride;
    uint32_t *to; /* (rows, width / 4), one row behind the other */
    ql__panel_factor *factors; /* (rows) */
    size_t rows, width;
} ql__panel_narrowing;

typedef struct ql__panel_norm {
    float *x;           /* (rows, width) in rows of stride, in place; the rest of each row becomes 0 */
    const float *gamma; /* (stride) */
    const float *beta;  /* (stride) */
    uint32_t *out;      /* (rows, stride / halves): the same as units */
    ql__panel_factor *factors; /* (rows) of bytes; else not written */
    size_t rows, width, stride;
    float epsilon;
} ql__panel_norm;

/* One head of one sequence: out = softmax(queries keys^T scale) values. L length, D dims. */
typedef struct ql__panel_attention {
    const uint32_t *queries; /* (L, D / halves) in rows of query_stride units */
    size_t query_stride;
    const float *keys, *values; /* (L, D) in rows of stride */
    size_t stride;
    uint32_t *out; /* (L, D / halves) in rows of out_stride units */
    size_t out_stride;
    uint32_t *scratch; /* ql__panel_attention_scratch(L, D) units */
    size_t length, dims;
    float scale;
} ql__panel_attention;

/* Part of a weight matrix; rows and columns beyond it count as 0. */
typedef struct ql__panel_source {
    const float *w; /* (outputs, inputs) in rows of stride */
    size_t stride;
    size_t outputs, inputs;
} ql__panel_source;

#define QL__PANEL_COLUMNS_MAX 32
#define QL__PANEL_ROWS_MAX 14

typedef struct ql__panels {
    const char *name;
    size_t columns; /* at most QL__PANEL_COLUMNS_MAX, a multiple of 8 times halves */
    size_t halves;  /* numbers in a unit: 1, 2 or 4 */
    size_t spare;   /* units of each output that hold no weight: 1 for the scales of bytes, else 0 */
    /* outputs, inputs: what those of the source are filled up to, multiples of `columns`; writes ql__panel_units */
    void (*pack)(const ql__panel_source *source, size_t outputs, size_t inputs, uint32_t *to);
    void (*multiply)(const ql__panel_product *args);
    void (*round)(const ql__panel_rows *args);
    void (*gelu)(const ql__panel_rows *args); /* x * Phi(x), then as round */
    void (*norm)(const ql__panel_norm *args); /* LayerNorm (Ba et al. 2016) */
    void (*attend)(const ql__panel_attention *args);
    /* Of bytes alone, which have no round, gelu and attend: whose these are, in whose units, and how the results become bytes. */
    const struct ql__panels *soft;
    void (*narrow)(const ql__panel_narrowing *args);
} ql__panels;

/* Units of packed weights. */
static inline size_t ql__panel_units(const ql__panels *panels, size_t outputs, size_t inputs)
{
    return outputs * (inputs / panels->halves + panels->spare);
}

static inline size_t ql__panel_round_up(const ql__panels *panels, size_t count)
{
    return (count + panels->columns - 1) / panels->columns * panels->columns;
}

/* A bound for every table. */
static inline size_t ql__panel_attention_scratch(size_t length, size_t dims)
{
    size_t columns = (length + QL__PANEL_COLUMNS_MAX - 1) / QL__PANEL_COLUMNS_MAX * QL__PANEL_COLUMNS_MAX;
    return 2 * columns * dims + QL__PANEL_ROWS_MAX * (2 * columns + dims);
}

#endif
