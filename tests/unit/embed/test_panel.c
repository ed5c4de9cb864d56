/*
 * Goal: every table of panels this CPU can run computes what the plain reference computes, and a row of a result does not depend on other rows.
 * Method: random shapes against panel_reference.c, with named tolerances.
 */
#include "embed/bf16.h"
#include "embed/kernels.h"
#include "embed/panel.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panel__pack_puts_every_weight_in_its_place), cmocka_unit_test(test_panel__multiply_is_the_reference),
        cmocka_unit_test(test_panel__a_row_does_not_depend_on_others),     cmocka_unit_test(test_panel__gelu_is_the_reference),
        cmocka_unit_test(test_panel__norm_is_the_reference),               cmocka_unit_test(test_panel__attend_is_the_reference),
        cmocka_unit_test(test_panel__attend_bears_extreme_scores),         cmocka_unit_test(test_panel__round_is_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
