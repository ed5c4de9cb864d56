/*
 * Goal: the embedder gives the model's vectors, never cuts a text, and says the same with any number of threads.
 * Method: stored vectors of another implementation for the real model; random small models against a plain forward pass for
 * windows, prefixes and roles.
 */
#include "dep/json.h"
#include "embed/embed.h"
#include "embed/kernels.h"
#include "embed/wordpiece.h"
#include "model_dir.h"
#include "small_model.h"

#define FP32_COSINE 0.99999 /* required; 1 - cosine is about 1e-8 */
#define BF16_COSINE 0.9998   /* of the worst text; measured 0.99995 */
#define BF16_MEAN 0.9999     /* over the stored texts; required 0.9995 */
#define INT8_COSINE 0.98    /* of the worst text, a short one; measured 0.9857 */
#define INT8_MEAN 0.995     /* over the stored texts, most of them short; measured 0.9957 */
#define SMALL_COSINE 0.9999999

typedef struct embedder {
    ql__pool *pool;
    const ql_embedder_ops *ops;
    void *self;
} embedder;

static ql_status try_open(embedder *out, const char *dir, size_t threads, ql__precision precision, ql_error *err)
{
    assert_int_equal(ql__pool_new(threads, &out->pool, err), QL_OK);
    ql__embed_local_options options = {.model_dir = dir, .precision = precision, .pool = out->pool, .sys = ql__sys_default()};
    return ql__embedder_local_open(&options, &out->ops, &out->self, err);
}

static void open_embedder(embedder *out, const char *dir, size_t threads)
{
    ql_error err = {0};
    if (try_open(out, dir, threads, QL__PRECISION_FP32, &err) < 0) fail_msg("%s", err.message);
}

static void close_embedder(embedder *self)
{
    self->ops->close_fn(self->self);
    ql__pool_free(self->pool);
}

/* Cosine of a stored row's vector and ours, 1 for rows that their maker cut at the window (we do not cut). */
static double golden_cosine(const embedder *e, const ql__json *row, ql_embed_role role)
{
    const ql__json *vector = ql__json_get(row, "vec");
    ql_str text = ql__json_str(ql__json_get(row, "text"), QL_STR(""));
    float out[384];
    double wanted[384];
    ql_error err = {0};
    if (ql__json_count(ql__json_get(row, "ids")) >= 256) return 1;
    assert_int_equal(ql__json_count(vector), 384);
    for (size_t i = 0; i < 384; i++) wanted[i] = ql__json_double_of(ql__json_at(vector, i), 0);
    if (e->ops->embed_fn(e->self, role, &text, 1, out, &err) != QL_OK) fail_msg("%s", err.message);
    return cosine_of(out, wanted, 384);
}

/* Lowest and mean cosine over the stored rows. */
static void golden_run(const embedder *e, ql_embed_role role, double *lowest, double *mean)
{
    ql_buf rows = QL_BUF_INIT;
    size_t count = 0;
    *lowest = 1;
    *mean = 0;
    ql_test_file_read(QL_TEST_FIXTURES "/embed/minilm-golden.jsonl", &rows);
    for (const char *at = ql_buf_cstr(&rows); *at; count++) {
        const char *end = strchr(at, '\n');
        ql__json *row = NULL;
        assert_int_equal(ql__json_parse((ql_str){at, (size_t)(end - at)}, &row, NULL), QL_OK);
        double cosine = golden_cosine(e, row, role);
        if (cosine < *lowest) *lowest = cosine;
        *mean += cosine;
        ql__json_free(row);
        at = end + 1;
    }
    assert_int_equal(count, 28);
    *mean /= (double)count;
    ql_buf_dispose(&rows);
}

static void test_embed_local__gives_the_stored_vectors(void **state)
{
    (void)state;
    embedder e;
    double lowest, mean;
    open_embedder(&e, model_dir(), 2);
    assert_int_equal(e.ops->dims_fn(e.self), 384);
    assert_int_equal(e.ops->window_fn(e.self), 254);
    assert_true(strncmp(e.ops->model_fn(e.self), "all-MiniLM-L6-v2@", 17) == 0 && strlen(e.ops->model_fn(e.self)) == 33);
    golden_run(&e, QL_EMBED_PASSAGE, &lowest, &mean);
    if (!(lowest >= FP32_COSINE)) fail_msg("passages: lowest cosine %.8f", lowest);
    golden_run(&e, QL_EMBED_QUERY, &lowest, &mean);
    if (!(lowest >= FP32_COSINE)) fail_msg("queries: lowest cosine %.8f", lowest);
    close_embedder(&e);
}

static void test_embed_local__stays_close_in_bfloat16(void **state)
{
    (void)state;
    embedder e;
    double lowest, mean;
    ql_error err = {0};
    float out[384];
    ql_str text = QL_STR("bfloat16");
    if (try_open(&e, model_dir(), 2, QL__PRECISION_BF16, &err) < 0) fail_msg("%s", err.message);
    ql_status status = e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, &text, 1, out, &err);
    if (status == QL_E_UNSUPPORTED) {
        print_message("this CPU: %s\n", err.message);
    } else {
        golden_run(&e, QL_EMBED_PASSAGE, &lowest, &mean);
        if (!(lowest >= BF16_COSINE && mean >= BF16_MEAN)) fail_msg("lowest cosine %.8f, mean %.8f", lowest, mean);
    }
    golden_run(&e, QL_EMBED_QUERY, &lowest, &mean); /* by the kernels, in float32 where they multiply no bfloat16 */
    if (!(lowest >= BF16_COSINE && mean >= BF16_MEAN)) fail_msg("queries: lowest cosine %.8f, mean %.8f", lowest, mean);
    close_embedder(&e);
}

static void test_embed_local__stays_near_in_bytes(void **state)
{
    (void)state;
    embedder e = {0};
    double lowest, mean;
    ql_error err = {0};
    ql_status status = try_open(&e, model_dir(), 2, QL__PRECISION_INT8, &err);
    if (status == QL_E_UNSUPPORTED) {
        assert_null(ql__kernels_best()->bytes);
        assert_non_null(strstr(err.message, "AVX-512 VNNI"));
        ql__pool_free(e.pool);
        return;
    }
    if (status < 0) fail_msg("%s", err.message);
    golden_run(&e, QL_EMBED_PASSAGE, &lowest, &mean);
    if (!(lowest >= INT8_COSINE && mean >= INT8_MEAN)) fail_msg("lowest cosine %.8f, mean %.8f", lowest, mean);
    golden_run(&e, QL_EMBED_QUERY, &lowest, &mean);
    if (!(lowest >= INT8_COSINE && mean >= INT8_MEAN)) fail_msg("queries: lowest cosine %.8f, mean %.8f", lowest, mean);
    close_embedder(&e);
}

static void test_embed_local__refuses_bytes_without_an_instruction(void **state)
{
    (void)state;
    embedder e = {0};
    ql_error err = {0};
    assert_int_equal(setenv("QLOADER_ISA", "generic", 1), 0);
    ql_status status = try_open(&e, model_dir(), 1, QL__PRECISION_INT8, &err);
    assert_int_equal(unsetenv("QLOADER_ISA"), 0);
    assert_int_equal(status, QL_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "AVX-512 VNNI"));
    ql__pool_free(e.pool);
}

/* A document's vector must not depend on what it is embedded with, or an index would depend on the order of work. */
static void test_embed_local__vector_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    enum { TEXTS = 40 };
    static char buffers[TEXTS][900];
    static float together[TEXTS * 384];
    ql_str texts[TEXTS];
    embedder e;
    ql_error err = {0};
    if (try_open(&e, model_dir(), 2, QL__PRECISION_AUTO, &err) < 0) fail_msg("%s", err.message);
    for (size_t i = 0; i < TEXTS; i++) {
        size_t len = 0;
        for (size_t w = 0; w < 1 + i * 11 % 37 && len < 800; w++) len += (size_t)snprintf(buffers[i] + len, 90, "word%zu of text %zu, ", w * 7 % 31, i);
        texts[i] = (ql_str){buffers[i], len};
    }
    if (e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, texts, TEXTS, together, &err) != QL_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < TEXTS; i++) {
        float alone[384];
        double other[384];
        assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, &texts[i], 1, alone, &err), QL_OK);
        for (size_t d = 0; d < 384; d++) other[d] = (double)together[i * 384 + d];
        double cosine = cosine_of(alone, other, 384);
        if (!(cosine >= 1 - 1e-6)) fail_msg("text %zu: cosine 1 - %.3g", i, 1 - cosine);
    }
    close_embedder(&e);
}

static const small_shape shape = {.layers = 2, .width = 48, .heads = 4, .inner = 96, .vocab = 60, .positions = 40, .window = 20, .query_prompt = "w7 w8 "};

static void words_of(ql_buf *out, const uint32_t *ids, size_t count)
{
    ql_buf_clear(out);
    for (size_t i = 0; i < count; i++) ql_buf_printf(out, "w%u ", ids[i]);
}

static void fill_ids(uint32_t *ids, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = 5 + (seed >> 8) % 55;
    }
}

/* The vector of one window: [CLS] prefix tokens [SEP]. */
static void plain_window(const small_model *model, const uint32_t *prefix, size_t prefix_count, const uint32_t *ids, size_t count, double *out)
{
    uint32_t all[64] = {2};
    if (prefix_count > 0) memcpy(all + 1, prefix, prefix_count * sizeof *all);
    memcpy(all + 1 + prefix_count, ids, count * sizeof *all);
    all[1 + prefix_count + count] = 3;
    plain_forward(model, all, prefix_count + count + 2, out);
}

static void test_embed_local__puts_the_prefix_before_queries(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    small_model model;
    embedder e;
    small_model_make(&model, &shape, dir);
    open_embedder(&e, dir, 1);
    uint32_t ids[5], prefix[2] = {7, 8};
    float out[48];
    double wanted[48];
    ql_buf text = QL_BUF_INIT;
    fill_ids(ids, 5, 9);
    words_of(&text, ids, 5);
    ql_str view = ql_buf_str(&text);
    assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_QUERY, &view, 1, out, NULL), QL_OK);
    plain_window(&model, prefix, 2, ids, 5, wanted);
    assert_true(cosine_of(out, wanted, 48) >= SMALL_COSINE);
    assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, &view, 1, out, NULL), QL_OK);
    plain_window(&model, NULL, 0, ids, 5, wanted);
    assert_true(cosine_of(out, wanted, 48) >= SMALL_COSINE);
    assert_int_equal(e.ops->window_fn(e.self), 18);
    ql_buf_dispose(&text);
    close_embedder(&e);
    small_model_free(&model);
    ql_test_dir_remove(dir);
}

/* 40 tokens, room for 18, overlap of at least 2: 3 windows at 0, 11 and 22. */
static void test_embed_local__pools_overlapping_windows_of_long_texts(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    small_model model;
    embedder e;
    small_model_make(&model, &shape, dir);
    open_embedder(&e, dir, 1);
    uint32_t ids[40];
    float out[48];
    double wanted[48] = {0}, one[48];
    ql_buf text = QL_BUF_INIT;
    fill_ids(ids, 40, 5);
    words_of(&text, ids, 40);
    ql_str view = ql_buf_str(&text);
    assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, &view, 1, out, NULL), QL_OK);
    for (size_t w = 0; w < 3; w++) {
        plain_window(&model, NULL, 0, ids + 11 * w, 18, one);
        for (size_t i = 0; i < 48; i++) wanted[i] += one[i];
    }
    assert_true(cosine_of(out, wanted, 48) >= SMALL_COSINE);
    ql_buf_dispose(&text);
    close_embedder(&e);
    small_model_free(&model);
    ql_test_dir_remove(dir);
}

enum { MANY = 500 };

static void embed_many(const char *dir, size_t threads, const ql_str *texts, float *out)
{
    embedder e;
    open_embedder(&e, dir, threads);
    assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, texts, MANY, out, NULL), QL_OK);
    close_embedder(&e);
}

/* Fewer batches than threads: any of them may come first. */
static void embed_few(const char *dir, size_t threads, const ql_str *texts, const float *expected)
{
    enum { FEW = 6 };
    float out[FEW * 48];
    embedder e;
    open_embedder(&e, dir, threads);
    for (size_t count = FEW; count > 3; count--) {
        assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, texts, count, out, NULL), QL_OK);
        for (size_t i = 0; i < count * 48; i++) assert_true(fabsf(out[i] - expected[i]) < 1e-5f); /* other batches than among many */
    }
    close_embedder(&e);
}

static void test_embed_local__is_the_same_with_any_number_of_threads(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    small_model model;
    small_model_make(&model, &shape, dir);
    static ql_buf buffers[MANY];
    static ql_str texts[MANY];
    static float one[MANY * 48], three[MANY * 48];
    for (size_t i = 0; i < MANY; i++) {
        uint32_t ids[100];
        size_t count = i * 37 % 90;
        fill_ids(ids, count, (uint32_t)i);
        buffers[i] = QL_BUF_INIT;
        words_of(&buffers[i], ids, count);
        texts[i] = ql_buf_str(&buffers[i]);
    }
    embed_many(dir, 1, texts, one);
    embed_many(dir, 3, texts, three);
    assert_memory_equal(one, three, sizeof one);
    for (size_t threads = 2; threads <= 32; threads *= 2)
        for (int i = 0; i < 10; i++) embed_few(dir, threads, texts, three);
    for (size_t i = 0; i < MANY; i++) {
        double squares = 0;
        for (size_t d = 0; d < 48; d++) squares += (double)one[i * 48 + d] * (double)one[i * 48 + d];
        assert_true(fabs(squares - 1) < 1e-5);
        ql_buf_dispose(&buffers[i]);
    }
    small_model_free(&model);
    ql_test_dir_remove(dir);
}

static void test_embed_local__allocates_nothing_once_warm(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    small_model model;
    embedder e;
    small_model_make(&model, &shape, dir);
    open_embedder(&e, dir, 1);
    ql_str texts[3] = {QL_STR("w5 w6 w7"), QL_STR("w9"), QL_STR("w5 w6 w7 w5 w6 w7 w5 w6 w7 w5 w6 w7 w5 w6 w7 w5 w6 w7 w5 w6 w7 w5 w6 w7 w5 w6 w7")};
    float out[3 * 48];
    assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, texts, 3, out, NULL), QL_OK);
    long before = ql_test_alloc_calls();
    for (int i = 0; i < 3; i++) assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, texts, 3, out, NULL), QL_OK);
    assert_int_equal(ql_test_alloc_calls(), before);
    close_embedder(&e);
    small_model_free(&model);
    ql_test_dir_remove(dir);
}

static void test_embed_local__refuses_vectors_that_are_no_numbers(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    small_model model;
    embedder e;
    ql_buf file = QL_BUF_INIT;
    ql_str text = QL_STR("w5");
    float out[48];
    ql_error err = {0};
    small_model_make(&model, &shape, dir);
    ql_test_file_read(ql_test_path(dir, "model.safetensors"), &file);
    memset(file.ptr + file.len - 4, 0xff, 4); /* the last bias of the last norm */
    ql_test_file_write(ql_test_path(dir, "model.safetensors"), ql_buf_str(&file));
    open_embedder(&e, dir, 1);
    assert_int_equal(e.ops->embed_fn(e.self, QL_EMBED_PASSAGE, &text, 1, out, &err), QL_E_CORRUPT);
    close_embedder(&e);
    ql_buf_dispose(&file);
    small_model_free(&model);
    ql_test_dir_remove(dir);
}

static void test_embed_local__says_how_to_get_a_missing_model(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__pool *pool = NULL;
    const ql_embedder_ops *ops;
    void *self;
    ql_error err = {0};
    assert_int_equal(ql__pool_new(1, &pool, &err), QL_OK);
    ql__embed_local_options options = {.model_dir = dir, .pool = pool, .sys = ql__sys_default()};
    assert_int_equal(ql_status_kind(ql__embedder_local_open(&options, &ops, &self, &err)), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "model pull"));
    ql__pool_free(pool);
    ql_test_dir_remove(dir);
}

static ql_status open_and_embed(void *user, ql_error *err)
{
    ql__pool *pool = NULL;
    const ql_embedder_ops *ops;
    void *self;
    float out[48];
    ql_str text = QL_STR("w5 w6");
    ql_status status = ql__pool_new(1, &pool, err);
    if (status < 0) return status;
    ql__embed_local_options options = {.model_dir = user, .precision = QL__PRECISION_FP32, .pool = pool, .sys = ql_test_sys()};
    status = ql__embedder_local_open(&options, &ops, &self, err);
    if (status >= 0) {
        status = ops->embed_fn(self, QL_EMBED_QUERY, &text, 1, out, err); /* test_linear_dnnl.c and test_encoder.c fail the passage's part */
        ops->close_fn(self);
    }
    ql__pool_free(pool);
    return status;
}

static void test_embed_local__survives_failing_memory_and_files(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    small_model model;
    small_shape plain = shape;
    plain.query_prompt = NULL;
    small_model_make(&model, &plain, dir);
    ql_test_fault_loop(QL_FAULT_ALLOC, open_and_embed, dir);
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~(unsigned)QL_TEST_CLOSE);
    ql_test_fault_loop(QL_FAULT_FILE, open_and_embed, dir);
    small_model_free(&model);
    ql_test_dir_remove(dir);
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embed_local__gives_the_stored_vectors),
        cmocka_unit_test(test_embed_local__stays_close_in_bfloat16),
        cmocka_unit_test(test_embed_local__stays_near_in_bytes),
        cmocka_unit_test(test_embed_local__refuses_bytes_without_an_instruction),
        cmocka_unit_test(test_embed_local__vector_does_not_depend_on_the_batch),
        cmocka_unit_test(test_embed_local__puts_the_prefix_before_queries),
        cmocka_unit_test(test_embed_local__pools_overlapping_windows_of_long_texts),
        cmocka_unit_test(test_embed_local__is_the_same_with_any_number_of_threads),
        cmocka_unit_test(test_embed_local__allocates_nothing_once_warm),
        cmocka_unit_test(test_embed_local__refuses_vectors_that_are_no_numbers),
        cmocka_unit_test(test_embed_local__says_how_to_get_a_missing_model),
        cmocka_unit_test(test_embed_local__survives_failing_memory_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
