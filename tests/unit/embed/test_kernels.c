/*
 * Goal: every vector table this CPU can run computes what the plain reference computes. Method: random shapes, odd ones included,
 * with named tolerances.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embed/kernels.h"
#include "random_floats.h"

#define SUM_TOLERANCE 2e-5      /* float32 sums of up to 1,600 products of values in [-1, 1], relative to their size */
#define GELU_TOLERANCE 1e-6     /* absolute, on [-8, 8] */
#define NORM_TOLERANCE 1e-5     /* absolute, values about 1 */
#define ATTENTION_TOLERANCE 3e-6 /* absolute, values in [-1, 1] */

typedef void (*check_fn)(const ql__kernels *table);

static void each_table(check_fn check, int rounds)
{
    const ql__kernels *table;
    for (size_t i = 0; (table = ql__kernels_at(i)) != NULL; i++)
        for (int round = 0; round < rounds; round++) check(table);
}

static void check_matmul(const ql__kernels *table)
{
    size_t rows = random_within(1, 21), n = random_within(1, 70), k = random_within(1, 400), stride = n + random_within(0, 5);
    float *a = random_floats(rows * k, 1), *w = random_floats(n * k, 1), *bias = random_floats(n, 1), *c = random_floats(rows * stride, 1);
    float *wanted = copy_floats(c, rows * stride);
    ql__matmul args = {.a = a, .w = w, .bias = bias, .c = c, .c_stride = stride, .rows = rows, .n = n, .k = k, .accumulate = random_next() % 2};
    table->matmul(&args);
    args.c = wanted;
    ql__kernels_reference()->matmul(&args);
    expect_close(c, wanted, rows * stride, SUM_TOLERANCE * (1 + sqrt((double)k)));
    free(a), free(w), free(bias), free(c), free(wanted);
}

static void test_kernels__matmul_is_the_reference(void **state)
{
    (void)state;
    each_table(check_matmul, 60);
}

static void check_gelu(const ql__kernels *table)
{
    size_t count = random_within(1, 3000);
    float *x = random_floats(count, 8), *wanted = copy_floats(x, count);
    table->gelu(x, count);
    ql__kernels_reference()->gelu(wanted, count);
    expect_close(x, wanted, count, GELU_TOLERANCE);
    free(x), free(wanted);
}

static void test_kernels__gelu_is_the_reference(void **state)
{
    (void)state;
    each_table(check_gelu, 20);
}

static void check_norm(const ql__kernels *table)
{
    size_t rows = random_within(1, 9), width = random_within(1, 800);
    float *x = random_floats(rows * width, 3), *gamma = random_floats(width, 1), *beta = random_floats(width, 1), *wanted = copy_floats(x, rows * width);
    uint16_t *half = calloc(rows * width, 2), *half_wanted = calloc(rows * width, 2);
    ql__norm args = {.x = x, .gamma = gamma, .beta = beta, .out_bf16 = half, .rows = rows, .width = width, .epsilon = 1e-5f};
    table->norm(&args);
    args.x = wanted;
    args.out_bf16 = half_wanted;
    ql__kernels_reference()->norm(&args);
    expect_close(x, wanted, rows * width, NORM_TOLERANCE);
    ql__kernels_reference()->to_bf16(x, half_wanted, rows * width);
    assert_memory_equal(half, half_wanted, rows * width * 2);
    free(x), free(gamma), free(beta), free(wanted), free(half), free(half_wanted);
}

static void test_kernels__norm_is_the_reference(void **state)
{
    (void)state;
    each_table(check_norm, 40);
}

static void check_attention(const ql__kernels *table)
{
    size_t length = random_within(1, 140), heads = random_within(1, 4), dims = random_within(1, 70), width = heads * dims;
    float *qkv = random_floats(length * 3 * width, 1), *scratch = random_floats(ql__attention_scratch(length, dims), 1);
    float *out = random_floats(length * width, 1), *wanted = random_floats(length * width, 1);
    uint16_t *half = calloc(length * width, 2), *half_wanted = calloc(length * width, 2);
    ql__attention args = {.qkv = qkv, .out = out, .out_bf16 = half, .scratch = scratch, .length = length, .heads = heads, .head_dims = dims};
    table->attention(&args);
    ql__kernels_reference()->to_bf16(out, half_wanted, length * width);
    assert_memory_equal(half, half_wanted, length * width * 2);
    args.out = wanted;
    args.out_bf16 = NULL;
    ql__kernels_reference()->attention(&args);
    expect_close(out, wanted, length * width, ATTENTION_TOLERANCE);
    free(qkv), free(scratch), free(out), free(wanted), free(half), free(half_wanted);
}

static void test_kernels__attention_is_the_reference(void **state)
{
    (void)state;
    each_table(check_attention, 40);
}

/* Scores far apart: the weights of all but one key vanish, and nothing becomes NaN. */
static void check_extreme(const ql__kernels *table)
{
    size_t length = 33, dims = 8;
    float *qkv = random_floats(length * 3 * dims, 300), *scratch = random_floats(ql__attention_scratch(length, dims), 1);
    float *out = random_floats(length * dims, 1), *wanted = random_floats(length * dims, 1);
    ql__attention args = {.qkv = qkv, .out = out, .scratch = scratch, .length = length, .heads = 1, .head_dims = dims};
    table->attention(&args);
    args.out = wanted;
    ql__kernels_reference()->attention(&args);
    expect_close(out, wanted, length * dims, 0.5); /* scores of 1e5 carry rounding of 1e-2, values are up to 300 */
    free(qkv), free(scratch), free(out), free(wanted);
}

static void test_kernels__attention_bears_extreme_scores(void **state)
{
    (void)state;
    each_table(check_extreme, 5);
}

static void check_sum_rows(const ql__kernels *table)
{
    size_t rows = random_within(1, 300), width = random_within(1, 400), stride = width + random_within(0, 5);
    float *x = random_floats(rows * stride, 1), *out = random_floats(width, 1), *wanted = random_floats(width, 1);
    table->sum_rows(x, stride, rows, width, out);
    ql__kernels_reference()->sum_rows(x, stride, rows, width, wanted);
    expect_close(out, wanted, width, SUM_TOLERANCE * (1 + sqrt((double)rows)));
    free(x), free(out), free(wanted);
}

static void test_kernels__sum_rows_is_the_reference(void **state)
{
    (void)state;
    each_table(check_sum_rows, 20);
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_bf16(const ql__kernels *table)
{
    float x[40];
    uint16_t out[40], wanted[40];
    for (size_t i = 0; i < 33; i++) x[i] = float_of_bits(random_next() << 8 ^ random_next());
    const uint32_t special[] = {0, 0x80000000u, 0x7f800000u, 0xff800000u, 0x3f808000u, 0x3f818000u, 0x7f7fffffu};
    for (size_t i = 0; i < 7; i++) x[33 + i] = float_of_bits(special[i]);
    table->to_bf16(x, out, 40);
    ql__kernels_reference()->to_bf16(x, wanted, 40);
    assert_memory_equal(out, wanted, sizeof out);
    assert_int_equal(out[37], 0x3f80); /* a tie goes to the even neighbour */
    assert_int_equal(out[38], 0x3f82);
}

static void test_kernels__bf16_rounds_to_even(void **state)
{
    (void)state;
    each_table(check_bf16, 200);
}

static void test_kernels__unit_length_leaves_zero(void **state)
{
    (void)state;
    float x[2] = {3, 4}, zero[2] = {0, 0};
    ql__unit_length(x, 2);
    ql__unit_length(zero, 2);
    expect_close(x, (float[]){0.6f, 0.8f}, 2, 1e-7);
    expect_close(zero, (float[]){0, 0}, 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels__matmul_is_the_reference),
        cmocka_unit_test(test_kernels__gelu_is_the_reference),
        cmocka_unit_test(test_kernels__norm_is_the_reference),
        cmocka_unit_test(test_kernels__attention_is_the_reference),
        cmocka_unit_test(test_kernels__attention_bears_extreme_scores),
        cmocka_unit_test(test_kernels__sum_rows_is_the_reference),
        cmocka_unit_test(test_kernels__bf16_rounds_to_even),
        cmocka_unit_test(test_kernels__unit_length_leaves_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
