/*
 * A small BERT with random weights, made by the test: its folder on disk, and a plain forward pass in double over the same numbers.
 * Every shape is a parameter, so that other widths, heads and poolings than the real model's are tested.
 */
#ifndef QL_TEST_SMALL_MODEL_H
#define QL_TEST_SMALL_MODEL_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/testing.h"

#define SMALL_LAYERS_MAX 12
#define SMALL_EPSILON 1e-5
#define SMALL_LINEARS 6 /* query, key, value, mix, up, down */

typedef struct small_shape {
    size_t layers, width, heads, inner, vocab, positions, window;
    bool cls;
    const char *query_prompt; /* NULL: none */
    bool half;                /* weights stored as bfloat16 */
} small_shape;

typedef struct small_model {
    small_shape shape;
    float *words, *places, *types, *gamma, *beta;
    struct {
        float *weight[SMALL_LINEARS], *bias[SMALL_LINEARS];
        float *gamma[2], *beta[2];
    } layers[SMALL_LAYERS_MAX];
    uint32_t seed;
    ql_buf header, data;
} small_model;

static inline float small_random(small_model *self)
{
    self->seed = self->seed * 1664525u + 1013904223u;
    return (float)(self->seed >> 8) / 8388608.0f - 1.0f;
}

/* Random values of mean `center`, kept for the reference and appended to the file. bfloat16 values are rounded first, so both agree. */
static inline float *small_tensor(small_model *self, const char *name, size_t rows, size_t columns, float center, float range)
{
    size_t count = (rows ? rows : 1) * columns, begin = self->data.len;
    float *out = malloc(count * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        out[i] = center + small_random(self) * range;
        uint32_t bits;
        memcpy(&bits, &out[i], 4);
        if (self->shape.half) bits &= 0xffff0000u;
        memcpy(&out[i], &bits, 4);
        uint16_t half = (uint16_t)(bits >> 16);
        ql_buf_append(&self->data, self->shape.half ? (ql_str){(char *)&half, 2} : (ql_str){(char *)&bits, 4});
    }
    ql_buf_printf(&self->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", self->header.len > 1 ? "," : "", name, self->shape.half ? "BF16" : "F32");
    if (rows) ql_buf_printf(&self->header, "%zu,", rows);
    ql_buf_printf(&self->header, "%zu],\"data_offsets\":[%zu,%zu]}", columns, begin, self->data.len);
    return out;
}

static inline void small_layer(small_model *self, size_t index)
{
    static const char *const linears[SMALL_LINEARS] = {"attention.self.query", "attention.self.key", "attention.self.value",
                                                       "attention.output.dense", "intermediate.dense", "output.dense"};
    static const char *const norms[2] = {"attention.output", "output"};
    size_t width = self->shape.width, inner = self->shape.inner;
    char name[128];
    for (size_t i = 0; i < SMALL_LINEARS; i++) {
        size_t outputs = i == 4 ? inner : width, inputs = i == 5 ? inner : width;
        snprintf(name, sizeof name, "encoder.layer.%zu.%s.weight", index, linears[i]);
        self->layers[index].weight[i] = small_tensor(self, name, outputs, inputs, 0, 1.5f / sqrtf((float)inputs));
        snprintf(name, sizeof name, "encoder.layer.%zu.%s.bias", index, linears[i]);
        self->layers[index].bias[i] = small_tensor(self, name, 0, outputs, 0, 0.2f);
    }
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "encoder.layer.%zu.%s.LayerNorm.weight", index, norms[i]);
        self->layers[index].gamma[i] = small_tensor(self, name, 0, width, 1, 0.3f);
        snprintf(name, sizeof name, "encoder.layer.%zu.%s.LayerNorm.bias", index, norms[i]);
        self->layers[index].beta[i] = small_tensor(self, name, 0, width, 0, 0.3f);
    }
}

static inline void small_write(const char *dir, const char *name, const ql_buf *text)
{
    assert_int_equal(text->status, QL_OK);
    ql_test_file_write(ql_test_path(dir, name), ql_buf_str(text));
}

static inline void small_write_json(const small_model *self, const char *dir)
{
    const small_shape *s = &self->shape;
    ql_buf text = QL_BUF_INIT;
    ql_buf_printf(&text, "{\"model_type\":\"bert\",\"hidden_act\":\"gelu\",\"hidden_size\":%zu,\"num_hidden_layers\":%zu,\"num_attention_heads\":%zu,"
                         "\"intermediate_size\":%zu,\"vocab_size\":%zu,\"max_position_embeddings\":%zu,\"layer_norm_eps\":1e-05,\"type_vocab_size\":2}",
                  s->width, s->layers, s->heads, s->inner, s->vocab, s->positions);
    small_write(dir, "config.json", &text);
    ql_buf_clear(&text);
    ql_buf_printf(&text, "{\"max_seq_length\":%zu}", s->window);
    small_write(dir, "sentence_bert_config.json", &text);
    ql_buf_clear(&text);
    ql_buf_append(&text, QL_STR("[{\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"},{\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"}]"));
    small_write(dir, "modules.json", &text);
    ql_buf_clear(&text);
    ql_buf_printf(&text, "{\"pooling_mode_cls_token\":%s,\"pooling_mode_mean_tokens\":%s}", s->cls ? "true" : "false", s->cls ? "false" : "true");
    small_write(dir, "1_Pooling/config.json", &text);
    ql_buf_clear(&text);
    if (s->query_prompt) ql_buf_printf(&text, "{\"prompts\":{\"query\":\"%s\"}}", s->query_prompt);
    else ql_buf_append(&text, QL_STR("{}"));
    small_write(dir, "config_sentence_transformers.json", &text);
    ql_buf_dispose(&text);
}

/* Vocabulary: the special tokens, then words "w5", "w6", ...: the id is the number in the name. */
static inline void small_write_vocab(const small_model *self, const char *dir)
{
    ql_buf text = QL_BUF_INIT;
    ql_buf_append(&text, QL_STR("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"));
    for (size_t i = 5; i < self->shape.vocab; i++) ql_buf_printf(&text, "w%zu\n", i);
    small_write(dir, "vocab.txt", &text);
    ql_buf_dispose(&text);
}

static inline void small_model_make(small_model *self, const small_shape *shape, const char *dir)
{
    *self = (small_model){.shape = *shape, .seed = 42, .header = QL_BUF_INIT, .data = QL_BUF_INIT};
    ql_buf_append_char(&self->header, '{');
    self->words = small_tensor(self, "embeddings.word_embeddings.weight", shape->vocab, shape->width, 0, 1);
    self->places = small_tensor(self, "embeddings.position_embeddings.weight", shape->positions, shape->width, 0, 0.5f);
    self->types = small_tensor(self, "embeddings.token_type_embeddings.weight", 2, shape->width, 0, 0.2f);
    self->gamma = small_tensor(self, "embeddings.LayerNorm.weight", 0, shape->width, 1, 0.3f);
    self->beta = small_tensor(self, "embeddings.LayerNorm.bias", 0, shape->width, 0, 0.3f);
    for (size_t i = 0; i < shape->layers; i++) small_layer(self, i);
    ql_buf_append_char(&self->header, '}');
    ql_buf file = QL_BUF_INIT;
    for (int i = 0; i < 8; i++) ql_buf_append_char(&file, (char)((uint64_t)self->header.len >> (8 * i)));
    ql_buf_append(&file, ql_buf_str(&self->header));
    ql_buf_append(&file, ql_buf_str(&self->data));
    small_write(dir, "model.safetensors", &file);
    ql_buf_dispose(&file);
    small_write_json(self, dir);
    small_write_vocab(self, dir);
}

static inline void small_model_free(small_model *self)
{
    free(self->words), free(self->places), free(self->types), free(self->gamma), free(self->beta);
    for (size_t i = 0; i < self->shape.layers; i++) {
        for (size_t j = 0; j < SMALL_LINEARS; j++) free(self->layers[i].weight[j]), free(self->layers[i].bias[j]);
        for (size_t j = 0; j < 2; j++) free(self->layers[i].gamma[j]), free(self->layers[i].beta[j]);
    }
    ql_buf_dispose(&self->header);
    ql_buf_dispose(&self->data);
}

/* ---- the plain forward pass ---- */

static inline void plain_norm(double *x, size_t rows, size_t width, const float *gamma, const float *beta)
{
    for (size_t r = 0; r < rows; r++, x += width) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < width; i++) mean += x[i] / (double)width;
        for (size_t i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)width;
        for (size_t i = 0; i < width; i++) x[i] = (x[i] - mean) / sqrt(variance + SMALL_EPSILON) * (double)gamma[i] + (double)beta[i];
    }
}

/* out (rows, outputs), allocated */
static inline double *plain_linear(const double *x, size_t rows, size_t inputs, size_t outputs, const float *weight, const float *bias)
{
    double *out = malloc(rows * outputs * sizeof *out);
    assert_non_null(out);
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < outputs; o++) {
            double sum = (double)bias[o];
            for (size_t i = 0; i < inputs; i++) sum += x[r * inputs + i] * (double)weight[o * inputs + i];
            out[r * outputs + o] = sum;
        }
    }
    return out;
}

static inline double *plain_attention(const double *q, const double *k, const double *v, size_t rows, size_t width, size_t heads)
{
    size_t dims = width / heads;
    double *out = calloc(rows * width, sizeof *out), *p = malloc(rows * sizeof *p);
    for (size_t h = 0; h < heads; h++) {
        for (size_t r = 0; r < rows; r++) {
            double total = 0;
            for (size_t j = 0; j < rows; j++) {
                double dot = 0;
                for (size_t d = h * dims; d < (h + 1) * dims; d++) dot += q[r * width + d] * k[j * width + d];
                total += p[j] = exp(dot / sqrt((double)dims));
            }
            for (size_t j = 0; j < rows; j++)
                for (size_t d = h * dims; d < (h + 1) * dims; d++) out[r * width + d] += p[j] / total * v[j * width + d];
        }
    }
    free(p);
    return out;
}

static inline void plain_layer(const small_model *self, size_t index, double *x, size_t rows)
{
    size_t width = self->shape.width, inner = self->shape.inner;
    float *const *w = self->layers[index].weight, *const *b = self->layers[index].bias;
    double *q = plain_linear(x, rows, width, width, w[0], b[0]), *k = plain_linear(x, rows, width, width, w[1], b[1]);
    double *v = plain_linear(x, rows, width, width, w[2], b[2]), *context = plain_attention(q, k, v, rows, width, self->shape.heads);
    double *mixed = plain_linear(context, rows, width, width, w[3], b[3]);
    for (size_t i = 0; i < rows * width; i++) x[i] += mixed[i];
    plain_norm(x, rows, width, self->layers[index].gamma[0], self->layers[index].beta[0]);
    double *up = plain_linear(x, rows, width, inner, w[4], b[4]);
    for (size_t i = 0; i < rows * inner; i++) up[i] = 0.5 * up[i] * (1 + erf(up[i] / sqrt(2.0)));
    double *down = plain_linear(up, rows, inner, width, w[5], b[5]);
    for (size_t i = 0; i < rows * width; i++) x[i] += down[i];
    plain_norm(x, rows, width, self->layers[index].gamma[1], self->layers[index].beta[1]);
    free(q), free(k), free(v), free(context), free(mixed), free(up), free(down);
}

/* The unit vector of one sequence. */
static inline void plain_forward(const small_model *self, const uint32_t *ids, size_t rows, double *out)
{
    size_t width = self->shape.width;
    double *x = malloc(rows * width * sizeof *x), squares = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++) x[r * width + i] = (double)self->words[ids[r] * width + i] + (double)self->places[r * width + i] + (double)self->types[i];
    plain_norm(x, rows, width, self->gamma, self->beta);
    for (size_t i = 0; i < self->shape.layers; i++) plain_layer(self, i, x, rows);
    for (size_t i = 0; i < width; i++) {
        out[i] = x[i];
        for (size_t r = 1; r < rows && !self->shape.cls; r++) out[i] += x[r * width + i];
        squares += out[i] * out[i];
    }
    for (size_t i = 0; i < width; i++) out[i] /= sqrt(squares);
    free(x);
}

static inline double cosine_of(const float *a, const double *b, size_t count)
{
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < count; i++) {
        dot += (double)a[i] * b[i];
        aa += (double)a[i] * (double)a[i];
        bb += b[i] * b[i];
    }
    return dot / sqrt(aa * bb);
}

#endif
