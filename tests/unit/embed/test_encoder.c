/*
 * Goal: the forward pass is BERT's, for any shape; a vector does not depend on its neighbours in the batch; bad input is refused.
 * Method: random small models against a plain forward pass in double (small_model.h).
 */
#include "embed/encoder.h"
#include "opened_model.h"

#define FP32_COSINE 0.9999999

static void expect_forward(const small_shape *shape, const ql__kernels *kernels)
{
    opened m;
    open_model(&m, shape, kernels);
    uint32_t ids[128], lengths[4] = {1, 7, (uint32_t)shape->window, 2};
    size_t total = 10 + shape->window;
    fill_ids(ids, total, shape->vocab, 7);
    float out[4 * 256];
    double wanted[256];
    ql__encoder_scratch *scratch = NULL;
    assert_int_equal(ql__encoder_scratch_new(m.encoder, total, &scratch, NULL), QL_OK);
    assert_int_equal(ql__encoder_run(m.encoder, scratch, NULL, &(ql__encoder_batch){ids, lengths, 4, out}, NULL), QL_OK);
    size_t at = 0;
    for (size_t i = 0; i < 4; at += lengths[i++]) {
        plain_forward(&m.model, ids + at, lengths[i], wanted);
        double cosine = cosine_of(out + i * shape->width, wanted, shape->width);
        if (!(cosine >= FP32_COSINE)) fail_msg("%s, width %zu, sequence %zu: cosine %.9f", kernels->name, shape->width, i, cosine);
    }
    ql__encoder_scratch_free(scratch);
    close_model(&m);
}

static void test_encoder__is_bert_for_every_kernel_table(void **state)
{
    (void)state;
    const ql__kernels *table;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        expect_forward(&shapes[i], ql__kernels_reference());
        for (size_t k = 0; (table = ql__kernels_at(k)) != NULL; k++) expect_forward(&shapes[i], table);
    }
}

static void test_encoder__vector_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    opened m;
    open_model(&m, &shapes[0], ql__kernels_best());
    uint32_t ids[64], lengths[3] = {11, 20, 9}, alone = 20;
    fill_ids(ids, 40, shapes[0].vocab, 3);
    float together[3 * 48], single[48];
    ql__encoder_scratch *scratch = NULL;
    assert_int_equal(ql__encoder_scratch_new(m.encoder, 64, &scratch, NULL), QL_OK);
    assert_int_equal(ql__encoder_run(m.encoder, scratch, NULL, &(ql__encoder_batch){ids, lengths, 3, together}, NULL), QL_OK);
    assert_int_equal(ql__encoder_run(m.encoder, scratch, NULL, &(ql__encoder_batch){ids + 11, &alone, 1, single}, NULL), QL_OK);
    assert_memory_equal(single, together + 48, sizeof single);
    ql__encoder_scratch_free(scratch);
    close_model(&m);
}

/* The same sequences through oneDNN, more rows than one block. */
static void test_encoder__is_bert_on_the_engine(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        opened m;
        ql__linear_engine *engine = NULL;
        ql__encoder_scratch *scratch = NULL;
        uint32_t ids[300], lengths[20];
        float out[20 * 128], alone[128];
        double wanted[128];
        size_t total = 0, width = shapes[s].width;
        open_model(&m, &shapes[s], ql__kernels_best());
        for (size_t i = 0; i < 20; i++) total += lengths[i] = 1 + (uint32_t)(i * 7 % 20);
        fill_ids(ids, total, shapes[s].vocab, 11);
        assert_true(total > QL__LINEAR_ROWS && total <= 300);
        ql_status status = ql__encoder_engine_new(m.encoder, false, &engine, NULL);
        if (status == QL_E_UNSUPPORTED) { /* under valgrind, see tests/valgrind; that it is there otherwise test_linear_dnnl.c knows */
            close_model(&m);
            skip();
        }
        assert_int_equal(status, QL_OK);
        assert_int_equal(ql__encoder_scratch_new(m.encoder, total, &scratch, NULL), QL_OK);
        assert_int_equal(ql__encoder_run(m.encoder, scratch, engine, &(ql__encoder_batch){ids, lengths, 20, out}, NULL), QL_OK);
        size_t at = 0;
        for (size_t i = 0; i < 20; at += lengths[i++]) {
            plain_forward(&m.model, ids + at, lengths[i], wanted);
            assert_true(cosine_of(out + i * width, wanted, width) >= FP32_COSINE);
            assert_int_equal(ql__encoder_run(m.encoder, scratch, engine, &(ql__encoder_batch){ids + at, &lengths[i], 1, alone}, NULL), QL_OK);
            for (size_t d = 0; d < width; d++) wanted[d] = (double)alone[d];
            assert_true(cosine_of(out + i * width, wanted, width) >= 1 - 1e-6); /* whatever the batch */
        }
        ql__encoder_scratch_free(scratch);
        ql__linear_engine_free(engine);
        close_model(&m);
    }
}

static void test_encoder__refuses_what_the_model_cannot_take(void **state)
{
    (void)state;
    opened m;
    open_model(&m, &shapes[0], ql__kernels_best());
    uint32_t ids[64] = {0}, bad_id[2] = {1, 50}, two = 2, none = 0, long_one = 33, full = 32;
    float out[48];
    ql_error err = {0};
    ql__encoder_scratch *scratch = NULL;
    assert_int_equal(ql__encoder_scratch_new(m.encoder, 16, &scratch, NULL), QL_OK);
    assert_int_equal(ql__encoder_run(m.encoder, scratch, NULL, &(ql__encoder_batch){bad_id, &two, 1, out}, &err), QL_E_INVALID);
    assert_int_equal(ql__encoder_run(m.encoder, scratch, NULL, &(ql__encoder_batch){ids, &none, 1, out}, &err), QL_E_INVALID);
    assert_int_equal(ql__encoder_run(m.encoder, scratch, NULL, &(ql__encoder_batch){ids, &long_one, 1, out}, &err), QL_E_INVALID);
    assert_int_equal(ql__encoder_run(m.encoder, scratch, NULL, &(ql__encoder_batch){ids, &full, 1, out}, &err), QL_E_INVALID);
    ql__encoder_scratch_free(scratch);
    assert_int_equal(ql__encoder_scratch_new(m.encoder, 0, &scratch, &err), QL_E_INVALID);
    close_model(&m);
}

static void test_encoder__names_a_tensor_of_another_shape(void **state)
{
    (void)state;
    opened m;
    open_model(&m, &shapes[0], ql__kernels_best());
    ql__encoder *encoder = NULL;
    ql_error err = {0};
    m.config.intermediate = 95;
    assert_int_equal(ql_status_kind(ql__encoder_new(&m.config, m.file, ql__kernels_best(), &encoder, &err)), QL_E_FORMAT);
    assert_non_null(strstr(err.message, "encoder.layer.0.intermediate.dense.weight"));
    m.config.intermediate = 96;
    m.config.layers = 3;
    assert_int_equal(ql_status_kind(ql__encoder_new(&m.config, m.file, ql__kernels_best(), &encoder, &err)), QL_E_FORMAT);
    assert_non_null(strstr(err.message, "encoder.layer.2"));
    m.config.layers = 2;
    close_model(&m);
}

static ql_status make_and_free(void *user, ql_error *err)
{
    opened *m = user;
    ql__encoder *encoder = NULL;
    ql__encoder_scratch *scratch = NULL;
    ql_status status = ql__encoder_new(&m->config, m->file, ql__kernels_best(), &encoder, err);
    if (status >= 0) status = ql__encoder_scratch_new(encoder, 32, &scratch, err);
    ql__encoder_scratch_free(scratch);
    ql__encoder_free(encoder);
    return status;
}

static void test_encoder__survives_failing_memory(void **state)
{
    (void)state;
    opened m;
    open_model(&m, &shapes[3], ql__kernels_best()); /* bfloat16: every tensor is converted */
    ql_test_fault_loop(QL_FAULT_ALLOC, make_and_free, &m);
    close_model(&m);
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoder__is_bert_for_every_kernel_table),
        cmocka_unit_test(test_encoder__vector_does_not_depend_on_the_batch),
        cmocka_unit_test(test_encoder__is_bert_on_the_engine),
        cmocka_unit_test(test_encoder__refuses_what_the_model_cannot_take),
        cmocka_unit_test(test_encoder__names_a_tensor_of_another_shape),
        cmocka_unit_test(test_encoder__survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
