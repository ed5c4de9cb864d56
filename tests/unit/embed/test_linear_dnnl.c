/*
 * Goal: the engine's layers compute what the plain loops compute, for every row count of a block, and leave OpenMP's setting and
 * the thread's signals alone.
 * Method: random layers of each kind against the reference kernels, float32 and, where this CPU has it, bfloat16.
 */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dep/dynlib.h"
#include "embed/kernels.h"
#include "embed/linear_dnnl.h"
#include "support/testing.h"

#define F32_TOLERANCE 2e-5
#define BF16_TOLERANCE 0.03 /* inputs and weights rounded to 8 bits of mantissa, sums over 96 products of values in [-1, 1] */

enum { INPUTS = 96, OUTPUTS = 48, PARTS = 3 };

static uint32_t random_state = 99;

static float *random_floats(size_t count)
{
    float *out = malloc(count * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        random_state = random_state * 1664525u + 1013904223u;
        out[i] = (float)(random_state >> 8) / 8388608.0f - 1.0f;
    }
    return out;
}

static float float_of_bf16(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef struct layer {
    ql__linear_source source;
    float *weight, *bias; /* parts behind each other */
} layer;

static layer make_layer(ql__linear_kind kind, size_t parts)
{
    layer out = {.source = {.kind = kind, .inputs = INPUTS, .outputs = OUTPUTS, .parts = parts}};
    out.weight = random_floats(parts * OUTPUTS * INPUTS);
    out.bias = random_floats(parts * OUTPUTS);
    for (size_t i = 0; i < parts; i++) {
        out.source.weight[i] = out.weight + i * OUTPUTS * INPUTS;
        out.source.bias[i] = out.bias + i * OUTPUTS;
    }
    return out;
}

static void expect_layer(ql__linear_worker *worker, size_t index, const layer *l, size_t rows, bool bf16)
{
    size_t room = ql__linear_bucket(rows), outputs = OUTPUTS * l->source.parts;
    float *x = random_floats(room * INPUTS), *target = random_floats(room * outputs), *wanted = malloc(room * outputs * sizeof *wanted);
    uint16_t *half = calloc(room * INPUTS, 2), *half_target = calloc(room * outputs, 2);
    bool gelu = l->source.kind == QL__LINEAR_GELU, half_out = bf16 && gelu;
    memcpy(wanted, target, room * outputs * sizeof *wanted);
    ql__kernels_reference()->to_bf16(x, half, room * INPUTS);
    ql_error err = {0};
    if (ql__linear_run(worker, index, rows, bf16 ? (const void *)half : x, half_out ? (void *)half_target : target, &err) != QL_OK) fail_msg("%s", err.message);
    ql__kernels_reference()->matmul(&(ql__matmul){.a = x, .w = l->weight, .bias = l->bias, .c = wanted, .c_stride = outputs, .rows = rows,
                                                  .n = outputs, .k = INPUTS, .accumulate = l->source.kind == QL__LINEAR_ADD});
    if (gelu) ql__kernels_reference()->gelu(wanted, rows * outputs);
    for (size_t i = 0; i < rows * outputs; i++) {
        double got = (double)(half_out ? float_of_bf16(half_target[i]) : target[i]), tolerance = bf16 ? BF16_TOLERANCE * (1 + fabs((double)wanted[i])) : F32_TOLERANCE;
        if (!(fabs(got - (double)wanted[i]) <= tolerance)) fail_msg("kind %d, %zu rows, element %zu: %.8g, wanted %.8g", l->source.kind, rows, i, got, (double)wanted[i]);
    }
    free(x), free(target), free(wanted), free(half), free(half_target);
}

/* false: this CPU has no such arithmetic. */
static bool check_engine(bool bf16)
{
    layer layers[4] = {make_layer(QL__LINEAR_PROJECT, PARTS), make_layer(QL__LINEAR_ADD, 1), make_layer(QL__LINEAR_GELU, 1), make_layer(QL__LINEAR_ADD, 1)};
    ql__linear_source sources[4];
    ql__linear_engine *engine = NULL;
    ql__linear_worker *worker = NULL;
    ql_error err = {0};
    for (size_t i = 0; i < 4; i++) sources[i] = layers[i].source;
    ql_status status = ql__linear_engine_new(sources, 4, bf16, &engine, &err);
    if (status < 0 && !(bf16 && status == QL_E_UNSUPPORTED)) fail_msg("%s", err.message);
    if (status >= 0) {
        static const size_t row_counts[] = {1, 15, 16, 17, 47, 64, 100, 127, QL__LINEAR_ROWS};
        assert_int_equal(ql__linear_worker_new(engine, &worker, &err), QL_OK);
        ql__linear_guard guard = ql__linear_enter(engine);
        for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++)
            for (size_t i = 0; i < 4; i++) expect_layer(worker, i, &layers[i], row_counts[r], bf16);
        ql__linear_leave(engine, &guard);
    }
    ql__linear_worker_free(worker);
    ql__linear_engine_free(engine);
    for (size_t i = 0; i < 4; i++) free(layers[i].weight), free(layers[i].bias);
    return status >= 0;
}

static void test_linear_dnnl__is_the_reference_in_float32(void **state)
{
    (void)state;
    assert_true(check_engine(false));
}

static void test_linear_dnnl__is_the_reference_in_bfloat16(void **state)
{
    (void)state;
    if (!check_engine(true)) print_message("this CPU has no bfloat16 products; their refusal was checked\n");
}

static void test_linear_dnnl__restores_the_thread_count(void **state)
{
    (void)state;
    static const char *const names[] = {"omp_get_max_threads", "omp_set_num_threads"};
    void *found[2];
    layer l = make_layer(QL__LINEAR_PROJECT, 1);
    ql__linear_engine *engine = NULL;
    assert_int_equal(ql__linear_engine_new(&l.source, 1, false, &engine, NULL), QL_OK);
    assert_int_equal(ql__dynlib_load("libgomp.so.1", names, 2, found, NULL), QL_OK);
    int (*get)(void);
    void (*set)(int);
    memcpy(&get, &found[0], sizeof get);
    memcpy(&set, &found[1], sizeof set);
    set(3);
    ql__linear_guard guard = ql__linear_enter(engine);
    assert_int_equal(get(), 1);
    ql__linear_leave(engine, &guard);
    assert_int_equal(get(), 3);
    ql__linear_engine_free(engine);
    free(l.weight), free(l.bias);
}

/* ---- signals ---- */

enum { DEEP_INPUTS = 3072, DEEP_OUTPUTS = 64, DEEP_ROWS = 128, SIGNALS = 4000 };

static volatile sig_atomic_t signals_taken, signals_astray;
static uintptr_t stack_begin, stack_end;

static void on_signal(int number)
{
    uintptr_t here = (uintptr_t)&number;
    signals_taken++;
    if (here < stack_begin || here >= stack_end) signals_astray++;
}

static void find_stack(void)
{
    pthread_attr_t attributes;
    void *address = NULL;
    size_t size = 0;
    assert_int_equal(pthread_getattr_np(pthread_self(), &attributes), 0);
    assert_int_equal(pthread_attr_getstack(&attributes, &address, &size), 0);
    stack_begin = (uintptr_t)address;
    stack_end = stack_begin + size;
    (void)pthread_attr_destroy(&attributes);
}

typedef struct sender {
    pthread_t to;
    atomic_bool done;
} sender;

static void *send_signals(void *user)
{
    sender *self = user;
    for (int i = 0; i < SIGNALS; i++) {
        (void)pthread_kill(self->to, SIGUSR1);
        (void)usleep(50);
    }
    atomic_store(&self->done, true);
    return NULL;
}

/*
 * Kernels of oneDNN for deep products on AVX2 move the stack pointer into a buffer of the heap; a handler that is called there, on the stack as it
 * seems, writes over whatever lies before that buffer.
 */
static void test_linear_dnnl__is_not_disturbed_by_signals(void **state)
{
    (void)state;
    float *weight = random_floats((size_t)DEEP_OUTPUTS * DEEP_INPUTS), *bias = random_floats(DEEP_OUTPUTS), *x = random_floats((size_t)DEEP_ROWS * DEEP_INPUTS);
    float *first = calloc((size_t)DEEP_ROWS * DEEP_OUTPUTS, sizeof *first), *target = calloc((size_t)DEEP_ROWS * DEEP_OUTPUTS, sizeof *target);
    ql__linear_source source = {.kind = QL__LINEAR_PROJECT, .inputs = DEEP_INPUTS, .outputs = DEEP_OUTPUTS, .parts = 1, .weight = {weight}, .bias = {bias}};
    ql__linear_engine *engine = NULL;
    ql__linear_worker *worker = NULL;
    struct sigaction action = {.sa_handler = on_signal}, before;
    sender self = {.to = pthread_self()};
    pthread_t thread;
    find_stack();
    assert_int_equal(ql__linear_engine_new(&source, 1, false, &engine, NULL), QL_OK);
    assert_int_equal(ql__linear_worker_new(engine, &worker, NULL), QL_OK);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_signals, &self), 0);
    for (size_t run = 0; run == 0 || !atomic_load(&self.done); run++) {
        ql__linear_guard guard = ql__linear_enter(engine);
        assert_int_equal(ql__linear_run(worker, 0, DEEP_ROWS, x, run == 0 ? first : target, NULL), QL_OK);
        ql__linear_leave(engine, &guard);
        if (run > 0) assert_memory_equal(target, first, (size_t)DEEP_ROWS * DEEP_OUTPUTS * sizeof *first);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(signals_taken > 0); /* they arrive, between the products */
    assert_int_equal(signals_astray, 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    ql__linear_worker_free(worker);
    ql__linear_engine_free(engine);
    free(weight), free(bias), free(x), free(first), free(target);
}

static ql_status make_and_run(void *user, ql_error *err)
{
    const layer *l = user;
    ql__linear_engine *engine = NULL;
    ql__linear_worker *worker = NULL;
    static float x[16 * INPUTS], target[16 * OUTPUTS];
    ql_status status = ql__linear_engine_new(&l->source, 1, false, &engine, err);
    if (status >= 0) status = ql__linear_worker_new(engine, &worker, err);
    if (status >= 0) status = ql__linear_run(worker, 0, 5, x, target, err);
    ql__linear_worker_free(worker);
    ql__linear_engine_free(engine);
    return status;
}

static void test_linear_dnnl__survives_failing_memory(void **state)
{
    (void)state;
    layer l = make_layer(QL__LINEAR_PROJECT, 1);
    assert_int_equal(make_and_run(&l, NULL), QL_OK); /* libraries are loaded once and stay */
    ql_test_fault_loop(QL_FAULT_ALLOC, make_and_run, &l);
    free(l.weight), free(l.bias);
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_dnnl__is_the_reference_in_float32),
        cmocka_unit_test(test_linear_dnnl__is_the_reference_in_bfloat16),
        cmocka_unit_test(test_linear_dnnl__restores_the_thread_count),
        cmocka_unit_test(test_linear_dnnl__is_not_disturbed_by_signals),
        cmocka_unit_test(test_linear_dnnl__survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
