/* A small random model as files, and opened as an encoder. */
#ifndef OPENED_MODEL_H
#define OPENED_MODEL_H

#include "embed/encoder.h"
#include "small_model.h"

typedef struct opened {
    small_model model;
    char *dir;
    ql__bert_config config;
    ql__safetensors *file;
    ql__encoder *encoder;
} opened;

static inline void open_model(opened *self, const small_shape *shape, const ql__kernels *kernels)
{
    ql_error err = {0};
    self->dir = ql_test_dir_new();
    small_model_make(&self->model, shape, self->dir);
    assert_int_equal(ql__bert_config_read(ql__sys_default(), self->dir, &self->config, &err), QL_OK);
    assert_int_equal(ql__safetensors_open(ql__sys_default(), ql_test_path(self->dir, "model.safetensors"), &self->file, &err), QL_OK);
    assert_int_equal(ql__encoder_new(&self->config, self->file, kernels, &self->encoder, &err), QL_OK);
}

static inline void close_model(opened *self)
{
    ql__encoder_free(self->encoder);
    ql__safetensors_close(self->file);
    ql__bert_config_dispose(&self->config);
    small_model_free(&self->model);
    ql_test_dir_remove(self->dir);
}

static inline void fill_ids(uint32_t *ids, size_t count, size_t vocab, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (seed >> 8) % (uint32_t)vocab;
    }
}

static const small_shape shapes[] = {
    {.layers = 2, .width = 48, .heads = 4, .inner = 96, .vocab = 50, .positions = 40, .window = 32},
    {.layers = 1, .width = 30, .heads = 3, .inner = 71, .vocab = 20, .positions = 60, .window = 60, .cls = true},
    {.layers = 4, .width = 128, .heads = 2, .inner = 256, .vocab = 33, .positions = 90, .window = 77},
    {.layers = 3, .width = 64, .heads = 8, .inner = 128, .vocab = 64, .positions = 32, .window = 20, .cls = true, .half = true},
    {.layers = 12, .width = 48, .heads = 6, .inner = 96, .vocab = 40, .positions = 32, .window = 20, .cls = true}, /* as deep as the base models */
    {.layers = 1, .width = 40, .heads = 2, .inner = 1300, .vocab = 30, .positions = 32, .window = 20}, /* more than the packed pass takes at once */
};

#endif
