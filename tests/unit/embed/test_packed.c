/*
 * Goal: the forward pass on panels is BERT's for every table and any shape, the same bits in any batch and after packing with any number of threads.
 * Method: random small models, whose dimensions fill no panel, against a plain forward pass in double (small_model.h).
 */
#include <unistd.h>

#include "embed/packed.h"
#include "opened_model.h"

#define FP32_COSINE 0.9999999
#define BF16_COSINE 0.999 /* small random models, whose vectors are shorter and rougher than a real one's */
#define INT8_COSINE 0.99

static ql__pool *pools[2]; /* of one thread and of three */

static void expect_forward(const opened *m, const small_shape *shape, const ql__panels *panels)
{
    ql__packed *packed = NULL;
    ql__packed_scratch *scratch = NULL;
    uint32_t ids[128], lengths[4] = {1, 7, (uint32_t)shape->window, 2};
    size_t total = 10 + shape->window, at = 0;
    float out[4 * 256], alone[256];
    double wanted[256], least = panels->halves == 4 ? INT8_COSINE : panels->halves == 2 ? BF16_COSINE : FP32_COSINE;
    fill_ids(ids, total, shape->vocab, 7);
    assert_int_equal(ql__packed_new(m->encoder, panels, pools[1], NULL, &packed, NULL), QL_OK);
    assert_ptr_equal(ql__packed_panels(packed), panels);
    assert_int_equal(ql__packed_scratch_new(packed, total, &scratch, NULL), QL_OK);
    assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){ids, lengths, 4, out}, NULL), QL_OK);
    for (size_t i = 0; i < 4; at += lengths[i++]) {
        plain_forward(&m->model, ids + at, lengths[i], wanted);
        double cosine = cosine_of(out + i * shape->width, wanted, shape->width);
        if (!(cosine >= least)) fail_msg("%s, width %zu, sequence %zu: cosine %.9f", panels->name, shape->width, i, cosine);
        assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){ids + at, &lengths[i], 1, alone}, NULL), QL_OK);
        assert_memory_equal(alone, out + i * shape->width, shape->width * sizeof *alone);
    }
    ql__packed_scratch_free(scratch);
    ql__packed_free(packed);
}

static void test_packed__is_bert_for_every_table(void **state)
{
    (void)state;
    const ql__kernels *table;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        opened m;
        open_model(&m, &shapes[i], ql__kernels_best());
        expect_forward(&m, &shapes[i], ql__kernels_reference()->single);
        expect_forward(&m, &shapes[i], ql__kernels_reference()->half);
        expect_forward(&m, &shapes[i], ql__kernels_reference()->bytes);
        for (size_t k = 0; (table = ql__kernels_at(k)) != NULL; k++) {
            expect_forward(&m, &shapes[i], table->single);
            if (table->half) expect_forward(&m, &shapes[i], table->half);
            if (table->bytes) expect_forward(&m, &shapes[i], table->bytes);
        }
        close_model(&m);
    }
}

static void test_packed__threads_change_no_bit(void **state)
{
    (void)state;
    opened m;
    float out[2][48];
    uint32_t ids[20], length = 20;
    open_model(&m, &shapes[0], ql__kernels_best());
    fill_ids(ids, length, shapes[0].vocab, 3);
    for (size_t i = 0; i < 2; i++) {
        ql__packed *packed = NULL;
        ql__packed_scratch *scratch = NULL;
        assert_int_equal(ql__packed_new(m.encoder, ql__kernels_best()->single, pools[i], NULL, &packed, NULL), QL_OK);
        assert_int_equal(ql__packed_scratch_new(packed, length, &scratch, NULL), QL_OK);
        assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){ids, &length, 1, out[i]}, NULL), QL_OK);
        ql__packed_scratch_free(scratch);
        ql__packed_free(packed);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    close_model(&m);
}

static void test_packed__refuses_what_the_model_cannot_take(void **state)
{
    (void)state;
    opened m;
    uint32_t ids[64] = {0}, bad_id[2] = {1, 50}, two = 2, none = 0, long_one = 33, full = 32;
    float out[48];
    ql_error err = {0};
    ql__packed *packed = NULL;
    ql__packed_scratch *scratch = NULL;
    open_model(&m, &shapes[0], ql__kernels_best());
    assert_int_equal(ql__packed_new(m.encoder, ql__kernels_best()->single, pools[0], NULL, &packed, &err), QL_OK);
    assert_int_equal(ql__packed_scratch_new(packed, 0, &scratch, &err), QL_E_INVALID);
    assert_int_equal(ql__packed_scratch_new(packed, QL__ENCODER_ROWS_MAX + 1, &scratch, &err), QL_E_INVALID);
    assert_int_equal(ql__packed_scratch_new(packed, 16, &scratch, &err), QL_OK);
    assert_int_equal(ql__packed_scratch_rows(scratch), 16);
    assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){bad_id, &two, 1, out}, &err), QL_E_INVALID);
    assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){ids, &none, 1, out}, &err), QL_E_INVALID);
    assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){ids, &long_one, 1, out}, &err), QL_E_INVALID);
    assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){ids, &full, 1, out}, &err), QL_E_INVALID);
    ql__packed_scratch_free(scratch);
    ql__packed_free(packed);
    close_model(&m);
}

static ql_status make_and_free(void *user, ql_error *err)
{
    const opened *m = user;
    ql__packed *packed = NULL;
    ql__packed_scratch *scratch = NULL;
    ql_status status = ql__packed_new(m->encoder, ql__kernels_best()->single, pools[0], NULL, &packed, err);
    if (status >= 0) status = ql__packed_scratch_new(packed, 32, &scratch, err);
    ql__packed_scratch_free(scratch);
    ql__packed_free(packed);
    return status;
}

static void test_packed__survives_failing_memory(void **state)
{
    (void)state;
    opened m;
    open_model(&m, &shapes[3], ql__kernels_best());
    ql_test_fault_loop(QL_FAULT_ALLOC, make_and_free, &m);
    close_model(&m);
}

/* ---- the file ---- */

static void vector_of(const opened *m, const ql__packed_place *at, float *out)
{
    ql__packed *packed = NULL;
    ql__packed_scratch *scratch = NULL;
    uint32_t ids[20], length = 20;
    fill_ids(ids, length, shapes[0].vocab, 3);
    assert_int_equal(ql__packed_new(m->encoder, ql__kernels_best()->single, pools[1], at, &packed, NULL), QL_OK);
    assert_int_equal(ql__packed_scratch_new(packed, length, &scratch, NULL), QL_OK);
    assert_int_equal(ql__packed_run(packed, scratch, &(ql__encoder_batch){ids, &length, 1, out}, NULL), QL_OK);
    ql__packed_scratch_free(scratch);
    ql__packed_free(packed);
}

static void expect_same(const opened *m, const ql__packed_place *at, const float *wanted)
{
    float out[48];
    vector_of(m, at, out);
    assert_memory_equal(out, wanted, sizeof out);
}

/* Bytes of `path` from `from` on become `byte`; the checksum in the header stays. */
static void overwrite(const char *path, long from, int byte, size_t count)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, from, SEEK_SET), 0);
    while (count-- > 0) assert_int_equal(fputc(byte, file), byte);
    assert_int_equal(fclose(file), 0);
}

static void test_packed__maps_a_file_and_trusts_no_other(void **state)
{
    (void)state;
    opened m;
    float wanted[48];
    struct stat info, again;
    open_model(&m, &shapes[0], ql__kernels_best());
    const char *path = ql_test_path(m.dir, "cache/some.panels");
    ql__packed_place at = {.sys = ql__sys_default(), .path = path};
    vector_of(&m, NULL, wanted);
    expect_same(&m, &at, wanted);
    assert_int_not_equal(stat(path, &info), 0); /* nobody was asked to keep it */
    at.keep = true;
    expect_same(&m, &at, wanted);
    assert_int_equal(stat(path, &info), 0);
    expect_same(&m, &at, wanted);
    assert_int_equal(stat(path, &again), 0);
    assert_int_equal(info.st_ino, again.st_ino); /* used, not made again */
    const long model_at = 48, weight_at = 4096 + 400;
    for (int i = 0; i < 6; i++) { /* of another model, damaged, cut: not used, and made anew also by who only asks */
        if (i % 3 < 2) overwrite(path, i % 3 == 0 ? model_at : weight_at, 0x41, 8);
        else assert_int_equal(truncate(path, 5000), 0);
        assert_int_equal(stat(path, &info), 0);
        at.keep = i >= 3;
        expect_same(&m, &at, wanted);
        assert_int_equal(stat(path, &again), 0);
        assert_int_not_equal(info.st_ino, again.st_ino);
        expect_same(&m, &at, wanted);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_ino, again.st_ino); /* it is whole: used, not made again */
    }
    at.path = "/proc/none/some.panels"; /* where nothing can be made */
    at.keep = true;
    expect_same(&m, &at, wanted);
    close_model(&m);
}

static ql_status make_with_file(void *user, ql_error *err)
{
    const opened *m = user;
    ql__packed *packed = NULL;
    const char *path = ql_test_path(m->dir, "cache/some.panels");
    ql__packed_place at = {.sys = ql_test_sys(), .path = path, .keep = true};
    unlink(path);
    ql_status status = QL_OK;
    for (int i = 0; i < 2 && status >= 0; i++) {
        status = ql__packed_new(m->encoder, ql__kernels_best()->single, pools[0], &at, &packed, err);
        ql__packed_free(packed);
        packed = NULL;
    }
    return status;
}

/* What fails of the file is no failure, nor is memory that only the file needs. */
static ql_status make_whatever_the_file(void *user, ql_error *err)
{
    ql_status status = make_with_file(user, err);
    if (status >= 0) ql_test_fault_benign();
    return status;
}

static void test_packed__needs_no_file(void **state)
{
    (void)state;
    opened m;
    open_model(&m, &shapes[0], ql__kernels_best());
    ql_test_fault_loop(QL_FAULT_FILE, make_whatever_the_file, &m);
    ql_test_fault_loop(QL_FAULT_ALLOC, make_whatever_the_file, &m);
    close_model(&m);
}

static int make_pools(void **state)
{
    (void)state;
    return ql__pool_new(1, &pools[0], NULL) < 0 || ql__pool_new(3, &pools[1], NULL) < 0;
}

static int free_pools(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) ql__pool_free(pools[i]);
    return 0;
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed__is_bert_for_every_table),
        cmocka_unit_test(test_packed__threads_change_no_bit),
        cmocka_unit_test(test_packed__refuses_what_the_model_cannot_take),
        cmocka_unit_test(test_packed__survives_failing_memory),
        cmocka_unit_test(test_packed__maps_a_file_and_trusts_no_other),
        cmocka_unit_test(test_packed__needs_no_file),
    };
    return cmocka_run_group_tests(tests, make_pools, free_pools);
}
