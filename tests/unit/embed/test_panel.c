/*
 * Goal: every table of panels this CPU can run computes what the plain reference computes, and a row of a result does not depend on other rows.
 * Method: random shapes against panel_reference.c, with named tolerances.
 */
#include "embed/bf16.h"
#include "embed/kernels.h"
#include "embed/panel_reference.h"
#include "random_floats.h"

#define SUM_TOLERANCE 2e-5       /* float32 sums of up to 1,600 products of values in [-1, 1], relative to their size */
#define GELU_TOLERANCE 1e-6      /* absolute, on [-8, 8] */
#define GELU_HALF_TOLERANCE 4e-4 /* what panel_vector.h says of its polynomial; bfloat16 itself rounds 1 by 4e-3 */
#define NORM_TOLERANCE 1e-5      /* absolute, values about 1 */
#define ATTENTION_TOLERANCE 3e-6 /* absolute, values in [-1, 1] */
#define ATTENTION_HALF_TOLERANCE 1e-2
#define HALF_PLACE 0.0079 /* relative: a number and its neighbour as bfloat16 */

typedef struct side {
    const ql__panels *panels;
    uint32_t *w; /* packed */
    float *c;
} side;

static float number_at(const ql__panels *panels, const uint32_t *units, size_t index)
{
    if (panels->halves == 2) return ql__bf16_float(((const uint16_t *)(const void *)units)[index]);
    float value;
    memcpy(&value, units + index, sizeof value);
    return value;
}

static uint32_t *units_new(size_t count)
{
    uint32_t *units = calloc(count + 1, sizeof *units);
    assert_non_null(units);
    return units;
}

static uint32_t *rounded(const ql__panels *panels, const float *from, size_t rows, size_t width)
{
    uint32_t *to = units_new(rows * width);
    panels->round(&(ql__panel_rows){.from = from, .from_stride = width, .to = to, .to_stride = width / panels->halves, .rows = rows, .width = width});
    return to;
}

static void expect_numbers(const ql__panels *panels, const uint32_t *got, const uint32_t *wanted, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        double a = (double)number_at(panels, got, i), b = (double)number_at(panels, wanted, i), room = tolerance + (panels->halves == 2 ? HALF_PLACE * fabs(b) : 0);
        if (!(fabs(a - b) <= room)) fail_msg("%s: element %zu of %zu: %.9g, wanted %.9g", panels->name, i, count, a, b);
    }
}

/* The reference with the same units. */
static const ql__panels *reference_of(const ql__panels *panels)
{
    return panels->halves == 2 ? ql__kernels_reference()->half : ql__kernels_reference()->single;
}

typedef void (*check_fn)(const ql__panels *panels);

static void each_table(check_fn check, int rounds)
{
    const ql__kernels *table;
    for (size_t i = 0; (table = ql__kernels_at(i)) != NULL; i++) {
        for (int round = 0; round < rounds; round++) check(table->single);
        for (int round = 0; round < rounds && table->half; round++) check(table->half);
    }
}

static void check_pack(const ql__panels *panels)
{
    size_t outputs = random_within(1, 90), inputs = random_within(1, 90), stride = inputs + random_within(0, 7), units_out = ql__panel_round_up(panels, outputs),
           units_in = ql__panel_round_up(panels, inputs);
    float *w = random_floats(outputs * stride, 1);
    uint32_t *to = units_new(units_out * units_in);
    panels->pack(&(ql__panel_source){.w = w, .stride = stride, .outputs = outputs, .inputs = inputs}, units_out, units_in, to);
    for (size_t output = 0; output < units_out; output++) {
        for (size_t input = 0; input < units_in; input++) {
            const uint32_t *unit = to + (output / panels->columns * (units_in / panels->halves) + input / panels->halves) * panels->columns + output % panels->columns;
            float wanted = output < outputs && input < inputs ? w[output * stride + input] : 0;
            if (panels->halves == 2) wanted = ql__bf16_float(ql__bf16_of(wanted));
            assert_true(number_at(panels, unit, input % panels->halves) == wanted);
        }
    }
    free(w), free(to);
}

static void test_panel__pack_puts_every_weight_in_its_place(void **state)
{
    (void)state;
    each_table(check_pack, 30);
}

static void check_multiply(const ql__panels *panels)
{
    size_t rows = random_within(1, 41), outputs = panels->columns * random_within(1, 4), inputs = panels->columns * random_within(1, 12), stride = outputs + random_within(0, 5);
    float *a = random_floats(rows * inputs, 1), *w = random_floats(outputs * inputs, 1), *bias = random_floats(outputs, 1), *c = random_floats(rows * stride, 1);
    bool accumulate = random_next() % 2, biased = random_next() % 2;
    uint32_t *a_units = rounded(panels, a, rows, inputs);
    side sides[2] = {{.panels = panels, .c = c}, {.panels = reference_of(panels), .c = copy_floats(c, rows * stride)}};
    for (int i = 0; i < 2; i++) {
        sides[i].w = units_new(outputs * inputs);
        sides[i].panels->pack(&(ql__panel_source){.w = w, .stride = inputs, .outputs = outputs, .inputs = inputs}, outputs, inputs, sides[i].w);
        sides[i].panels->multiply(&(ql__panel_product){.a = a_units, .a_stride = inputs / panels->halves, .w = sides[i].w, .bias = biased ? bias : NULL, .c = sides[i].c,
                                                       .c_stride = stride, .rows = rows, .outputs = outputs, .units = inputs / panels->halves, .accumulate = accumulate});
        free(sides[i].w);
    }
    expect_close(sides[0].c, sides[1].c, rows * stride, SUM_TOLERANCE * (1 + sqrt((double)inputs)));
    free(a), free(w), free(bias), free(c), free(a_units), free(sides[1].c);
}

static void test_panel__multiply_is_the_reference(void **state)
{
    (void)state;
    each_table(check_multiply, 60);
}

/* All rows together, and each alone: the same bits. */
static void check_rows(const ql__panels *panels)
{
    size_t rows = random_within(2, 31), outputs = 2 * panels->columns, inputs = 4 * panels->columns;
    float *a = random_floats(rows * inputs, 1), *w = random_floats(outputs * inputs, 1), *together = random_floats(rows * outputs, 1), *alone = random_floats(rows * outputs, 1);
    uint32_t *a_units = rounded(panels, a, rows, inputs), *packed = units_new(outputs * inputs);
    panels->pack(&(ql__panel_source){.w = w, .stride = inputs, .outputs = outputs, .inputs = inputs}, outputs, inputs, packed);
    ql__panel_product product = {.a = a_units, .a_stride = inputs / panels->halves, .w = packed, .c = together, .c_stride = outputs, .rows = rows, .outputs = outputs,
                                 .units = inputs / panels->halves};
    panels->multiply(&product);
    product.rows = 1;
    for (size_t row = 0; row < rows; row++) {
        product.a = a_units + row * product.a_stride;
        product.c = alone + row * outputs;
        panels->multiply(&product);
    }
    assert_memory_equal(together, alone, rows * outputs * sizeof *alone);
    free(a), free(w), free(together), free(alone), free(a_units), free(packed);
}

static void test_panel__a_row_does_not_depend_on_others(void **state)
{
    (void)state;
    each_table(check_rows, 20);
}

static void check_gelu(const ql__panels *panels)
{
    size_t rows = random_within(1, 9), width = panels->columns * random_within(1, 5);
    float *x = random_floats(rows * width, 8);
    uint32_t *got = units_new(rows * width), *wanted = units_new(rows * width);
    ql__panel_rows args = {.from = x, .from_stride = width, .to = got, .to_stride = width / panels->halves, .rows = rows, .width = width};
    panels->gelu(&args);
    args.to = wanted;
    reference_of(panels)->gelu(&args);
    expect_numbers(panels, got, wanted, rows * width, panels->halves == 2 ? GELU_HALF_TOLERANCE : GELU_TOLERANCE);
    free(x), free(got), free(wanted);
}

static void test_panel__gelu_is_the_reference(void **state)
{
    (void)state;
    each_table(check_gelu, 60);
}

static void check_norm(const ql__panels *panels)
{
    size_t rows = random_within(1, 9), width = random_within(1, 300), stride = ql__panel_round_up(panels, width);
    float *x = random_floats(rows * stride, 3), *same = copy_floats(x, rows * stride), *gamma = random_floats(stride, 1), *beta = random_floats(stride, 1);
    uint32_t *got = units_new(rows * stride), *wanted = units_new(rows * stride);
    ql__panel_norm args = {.x = x, .gamma = gamma, .beta = beta, .out = got, .rows = rows, .width = width, .stride = stride, .epsilon = 1e-5f};
    panels->norm(&args);
    args.x = same;
    args.out = wanted;
    reference_of(panels)->norm(&args);
    expect_close(x, same, rows * stride, NORM_TOLERANCE);
    expect_numbers(panels, got, wanted, rows * stride, NORM_TOLERANCE);
    free(x), free(same), free(gamma), free(beta), free(got), free(wanted);
}

static void test_panel__norm_is_the_reference(void **state)
{
    (void)state;
    each_table(check_norm, 60);
}

static void attend(const ql__panels *panels, size_t length, size_t dims, float range, double tolerance)
{
    float *q = random_floats(length * dims, range), *k = random_floats(length * dims, 1), *v = random_floats(length * dims, 1);
    uint32_t *queries = rounded(panels, q, length, dims), *got = units_new(length * dims), *wanted = units_new(length * dims),
             *scratch = units_new(ql__panel_attention_scratch(length, dims));
    ql__panel_attention args = {.queries = queries, .query_stride = dims / panels->halves, .keys = k, .values = v, .stride = dims, .out = got, .out_stride = dims / panels->halves,
                                .scratch = scratch, .length = length, .dims = dims, .scale = (float)(M_LOG2E / sqrt((double)dims))};
    panels->attend(&args);
    args.out = wanted;
    reference_of(panels)->attend(&args);
    expect_numbers(panels, got, wanted, length * dims, tolerance);
    free(q), free(k), free(v), free(queries), free(got), free(wanted), free(scratch);
}

static void check_attend(const ql__panels *panels)
{
    attend(panels, random_within(1, 150), panels->columns * random_within(1, 3), 1, panels->halves == 2 ? ATTENTION_HALF_TOLERANCE : ATTENTION_TOLERANCE);
}

static void test_panel__attend_is_the_reference(void **state)
{
    (void)state;
    each_table(check_attend, 40);
}

/* Scores in the thousands: one weight is 1, the rest vanish, and nothing overflows. */
static void check_extreme(const ql__panels *panels)
{
    enum { LENGTH = 33 };
    size_t dims = panels->columns;
    float *q = random_floats(LENGTH * dims, 1), *k = random_floats(LENGTH * dims, 1), *v = random_floats(LENGTH * dims, 1);
    for (size_t i = 0; i < LENGTH * dims; i++) q[i] = 1, k[i] = i / dims == 20 ? 500 : -500;
    uint32_t *queries = rounded(panels, q, LENGTH, dims), *out = units_new(LENGTH * dims), *scratch = units_new(ql__panel_attention_scratch(LENGTH, dims));
    panels->attend(&(ql__panel_attention){.queries = queries, .query_stride = dims / panels->halves, .keys = k, .values = v, .stride = dims, .out = out,
                                          .out_stride = dims / panels->halves, .scratch = scratch, .length = LENGTH, .dims = dims, .scale = 1});
    for (size_t i = 0; i < LENGTH * dims; i++) {
        double wanted = (double)v[20 * dims + i % dims];
        assert_true(fabs((double)number_at(panels, out, i) - wanted) <= 1e-6 + HALF_PLACE * fabs(wanted));
    }
    free(q), free(k), free(v), free(queries), free(out), free(scratch);
}

static void test_panel__attend_bears_extreme_scores(void **state)
{
    (void)state;
    each_table(check_extreme, 1);
}

static void check_round(const ql__panels *panels)
{
    size_t rows = random_within(1, 5), width = panels->columns * random_within(1, 3);
    float *x = random_floats(rows * width, 100);
    uint32_t *got = rounded(panels, x, rows, width), *wanted = rounded(reference_of(panels), x, rows, width);
    assert_memory_equal(got, wanted, rows * width / panels->halves * sizeof *got);
    free(x), free(got), free(wanted);
}

static void test_panel__round_is_the_reference(void **state)
{
    (void)state;
    each_table(check_round, 60);
}

/* ---- bytes ---- */

static void each_bytes_table(check_fn check, int rounds)
{
    const ql__kernels *table;
    check(&ql__panels_bytes_float32_reference);
    check(&ql__panels_bytes_bfloat16_reference);
    for (size_t i = 0; (table = ql__kernels_at(i)) != NULL; i++)
        for (int round = 0; round < rounds && table->bytes; round++) check(table->bytes);
}

static const ql__panels *bytes_reference_of(const ql__panels *panels)
{
    return panels->soft->halves == 2 ? &ql__panels_bytes_bfloat16_reference : &ql__panels_bytes_float32_reference;
}

/* Rows of about the same size in different proportions, one of them zeros. */
static float *random_rows(size_t rows, size_t width)
{
    float *x = random_floats(rows * width, 1);
    for (size_t row = 0; row < rows; row++) {
        float size = row % 5 == 3 ? 0 : ldexpf(1, (int)random_within(0, 20) - 10);
        for (size_t i = 0; i < width; i++) x[row * width + i] *= size;
    }
    return x;
}

typedef struct bytes_rows {
    uint32_t *units;
    ql__panel_factor *factors;
} bytes_rows;

static bytes_rows bytes_new(size_t rows, size_t width)
{
    bytes_rows made = {units_new(rows * width / 4), calloc(rows, sizeof(ql__panel_factor))};
    assert_non_null(made.factors);
    return made;
}

static void bytes_free(bytes_rows *self)
{
    free(self->units), free(self->factors);
}

static bytes_rows narrowed(const ql__panels *panels, const float *x, size_t rows, size_t width)
{
    bytes_rows made = bytes_new(rows, width);
    uint32_t *soft = rounded(panels->soft, x, rows, width);
    panels->narrow(&(ql__panel_narrowing){.from = soft, .from_stride = width / panels->soft->halves, .to = made.units, .factors = made.factors, .rows = rows, .width = width});
    free(soft);
    return made;
}

static void expect_same_bytes(const bytes_rows *got, const bytes_rows *wanted, size_t rows, size_t width)
{
    assert_memory_equal(got->units, wanted->units, rows * width);
    assert_memory_equal(got->factors, wanted->factors, rows * sizeof *got->factors);
}

static void check_narrow(const ql__panels *panels)
{
    size_t rows = random_within(1, 9), width = panels->columns * random_within(1, 9);
    float *x = random_rows(rows, width);
    bytes_rows got = narrowed(panels, x, rows, width), wanted = narrowed(bytes_reference_of(panels), x, rows, width);
    expect_same_bytes(&got, &wanted, rows, width);
    for (size_t row = 0; row < rows; row++) {
        const int8_t *bytes = (const int8_t *)(const void *)(got.units + row * width / 4);
        for (size_t i = 0; i < width; i++) {
            double room = (double)got.factors[row].scale * 0.501 + HALF_PLACE * fabs((double)x[row * width + i]);
            assert_true(fabs((double)bytes[i] * (double)got.factors[row].scale - (double)x[row * width + i]) <= room);
        }
    }
    free(x), bytes_free(&got), bytes_free(&wanted);
}

static void test_panel__narrow_is_the_reference(void **state)
{
    (void)state;
    each_bytes_table(check_narrow, 60);
}

static void check_bytes_pack(const ql__panels *panels)
{
    size_t outputs = random_within(1, 90), inputs = random_within(1, 290), units_out = ql__panel_round_up(panels, outputs), units_in = ql__panel_round_up(panels, inputs);
    float *w = random_rows(outputs, inputs);
    size_t columns = panels->columns, panel_units = units_in / 4 + 1;
    uint32_t *to = units_new(ql__panel_units(panels, units_out, units_in));
    panels->pack(&(ql__panel_source){.w = w, .stride = inputs, .outputs = outputs, .inputs = inputs}, units_out, units_in, to);
    for (size_t output = 0; output < units_out; output++) {
        const uint32_t *panel = to + output / columns * columns * panel_units + output % columns;
        float scale;
        memcpy(&scale, panel + units_in / 4 * columns, sizeof scale);
        for (size_t input = 0; input < units_in; input++) {
            int byte = ((const uint8_t *)(const void *)(panel + input / 4 * columns))[input % 4];
            double value = output < outputs && input < inputs ? (double)w[output * inputs + input] : 0;
            assert_true(fabs((byte - 128) * (double)scale - value) <= (double)scale * 0.501);
        }
    }
    free(w), free(to);
}

static void test_panel__bytes_are_packed_in_proportion(void **state)
{
    (void)state;
    each_bytes_table(check_bytes_pack, 30);
}

/* The sums are whole numbers: what differs is the rounding of the last operations. */
static void check_bytes_multiply(const ql__panels *panels)
{
    const ql__panels *tables[2] = {panels, bytes_reference_of(panels)};
    size_t rows = random_within(1, 41), outputs = 32 * random_within(1, 3), inputs = 32 * random_within(1, 12), stride = outputs + random_within(0, 5);
    float *a = random_rows(rows, inputs), *w = random_rows(outputs, inputs), *bias = random_floats(outputs, 1), *c[2] = {random_floats(rows * stride, 1)};
    bytes_rows rows_of = narrowed(panels, a, rows, inputs);
    bool accumulate = random_next() % 2, biased = random_next() % 2;
    c[1] = copy_floats(c[0], rows * stride);
    for (int i = 0; i < 2; i++) {
        uint32_t *packed = units_new(ql__panel_units(tables[i], outputs, inputs));
        tables[i]->pack(&(ql__panel_source){.w = w, .stride = inputs, .outputs = outputs, .inputs = inputs}, outputs, inputs, packed);
        tables[i]->multiply(&(ql__panel_product){.a = rows_of.units, .a_stride = inputs / 4, .factors = rows_of.factors, .w = packed, .bias = biased ? bias : NULL, .c = c[i],
                                                 .c_stride = stride, .rows = rows, .outputs = outputs, .units = inputs / 4, .accumulate = accumulate});
        free(packed);
    }
    for (size_t i = 0; i < rows * stride; i++)
        if (!(fabsf(c[0][i] - c[1][i]) <= 1e-6f * (1 + fabsf(c[1][i])))) fail_msg("%s: %zu: %.9g, wanted %.9g", panels->name, i, (double)c[0][i], (double)c[1][i]);
    free(a), free(w), free(bias), free(c[0]), free(c[1]), bytes_free(&rows_of);
}

static void test_panel__bytes_multiply_is_the_reference(void **state)
{
    (void)state;
    each_bytes_table(check_bytes_multiply, 60);
}

static void check_bytes_norm(const ql__panels *panels)
{
    size_t rows = random_within(1, 9), width = random_within(1, 300), stride = ql__panel_round_up(panels, width);
    float *x = random_floats(rows * stride, 3), *gamma = random_floats(stride, 1), *beta = random_floats(stride, 1);
    bytes_rows got = bytes_new(rows, stride), wanted = bytes_new(rows, stride);
    panels->norm(&(ql__panel_norm){.x = x, .gamma = gamma, .beta = beta, .out = got.units, .factors = got.factors, .rows = rows, .width = width, .stride = stride, .epsilon = 1e-5f});
    ql__panels_bytes_float32_reference.narrow(&(ql__panel_narrowing){.from = (const uint32_t *)(const void *)x, .from_stride = stride, .to = wanted.units,
                                                                     .factors = wanted.factors, .rows = rows, .width = stride});
    expect_same_bytes(&got, &wanted, rows, stride);
    free(x), free(gamma), free(beta), bytes_free(&got), bytes_free(&wanted);
}

static void test_panel__norm_gives_the_bytes_of_its_rows(void **state)
{
    (void)state;
    each_bytes_table(check_bytes_norm, 60);
}

/* A number that is not finite must not become a usual one. */
static void check_bytes_not_finite(const ql__panels *panels)
{
    size_t width = 3 * panels->columns;
    const float odd[3] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        float *x = random_floats(2 * width, 1);
        uint32_t *packed = units_new(ql__panel_units(panels, panels->columns, width));
        float scale;
        x[width + random_within(0, width - 1)] = odd[i];
        bytes_rows got = narrowed(panels, x, 2, width);
        assert_true(!isnan(got.factors[0].scale));
        assert_true(isnan(got.factors[1].scale));
        panels->pack(&(ql__panel_source){.w = x, .stride = width, .outputs = 2, .inputs = width}, panels->columns, width, packed);
        memcpy(&scale, packed + width / 4 * panels->columns + 1, sizeof scale);
        assert_true(isnan(scale));
        free(x), free(packed), bytes_free(&got);
    }
}

static void test_panel__bytes_hide_no_odd_number(void **state)
{
    (void)state;
    each_bytes_table(check_bytes_not_finite, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panel__pack_puts_every_weight_in_its_place), cmocka_unit_test(test_panel__multiply_is_the_reference),
        cmocka_unit_test(test_panel__a_row_does_not_depend_on_others),     cmocka_unit_test(test_panel__gelu_is_the_reference),
        cmocka_unit_test(test_panel__norm_is_the_reference),               cmocka_unit_test(test_panel__attend_is_the_reference),
        cmocka_unit_test(test_panel__attend_bears_extreme_scores),         cmocka_unit_test(test_panel__round_is_the_reference),
        cmocka_unit_test(test_panel__narrow_is_the_reference),             cmocka_unit_test(test_panel__bytes_are_packed_in_proportion),
        cmocka_unit_test(test_panel__bytes_multiply_is_the_reference),     cmocka_unit_test(test_panel__norm_gives_the_bytes_of_its_rows),
        cmocka_unit_test(test_panel__bytes_hide_no_odd_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
