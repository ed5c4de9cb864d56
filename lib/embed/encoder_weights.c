/* Finding, checking and where needed converting the tensors of a model. Threads: none while it is opened; immutable afterwards. Cost: the conversions. */
#include "embed/encoder_weights.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/status.h"

static const ql__tensor *find_tensor(const ql__encoder *self, const char *name)
{
    char prefixed[256];
    const ql__tensor *tensor = ql__safetensors_find(self->file, name);
    if (tensor) return tensor;
    (void)snprintf(prefixed, sizeof prefixed, "bert.%s", name); /* how checkpoints with a head name it */
    return ql__safetensors_find(self->file, prefixed);
}

static ql_status take_tensor(const ql__encoder *self, const char *name, size_t rows, size_t columns, const ql__tensor **out, ql_error *err)
{
    const ql__tensor *tensor = find_tensor(self, name);
    if (!tensor) return ql__fail(err, QL_E_FORMAT, "the model has no tensor '%s'", name);
    bool fits = rows == 0 ? tensor->dim_count == 1 && tensor->dims[0] == columns
                          : tensor->dim_count == 2 && tensor->dims[0] == rows && tensor->dims[1] == columns;
    if (!fits) return ql__fail(err, QL_E_FORMAT, "tensor '%s' has another shape than config.json says", name);
    if (tensor->dtype == QL__DTYPE_OTHER) return ql__fail(err, QL_E_UNSUPPORTED, "tensor '%s' is neither F32, F16 nor BF16", name);
    *out = tensor;
    return QL_OK;
}

/* rows 0: a vector of `columns`. */
static ql_status take_floats(ql__encoder *self, const char *name, size_t rows, size_t columns, const float **out, ql_error *err)
{
    const ql__tensor *tensor = NULL;
    QL_TRY(take_tensor(self, name, rows, columns, &tensor, err));
    if (tensor->dtype == QL__DTYPE_F32 && (uintptr_t)tensor->data % sizeof(float) == 0) {
        *out = (const float *)(const void *)tensor->data;
        return QL_OK;
    }
    if (self->converted_count == self->converted_capacity) return ql__fail(err, QL_E_INTERNAL, "more tensors than counted");
    float *copy = ql__alloc_zero(tensor->elements, sizeof *copy);
    if (!copy) return ql__fail_nomem(err);
    self->converted[self->converted_count++] = copy;
    *out = copy;
    return ql__tensor_to_f32(tensor, 0, tensor->elements, copy, err);
}

static ql_status take_linear(ql__encoder *self, size_t index, const char *part, size_t outputs, size_t inputs, ql__linear *out, ql_error *err)
{
    char name[128];
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.weight", index, part);
    QL_TRY(take_floats(self, name, outputs, inputs, &out->weight, err));
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.bias", index, part);
    return take_floats(self, name, 0, outputs, &out->bias, err);
}

static ql_status take_norm(ql__encoder *self, size_t index, const char *part, const float **gamma, const float **beta, ql_error *err)
{
    char name[128];
    size_t width = self->config->width;
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.LayerNorm.weight", index, part);
    QL_TRY(take_floats(self, name, 0, width, gamma, err));
    (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s.LayerNorm.bias", index, part);
    return take_floats(self, name, 0, width, beta, err);
}

static ql_status take_layer(ql__encoder *self, size_t index, ql__layer *out, ql_error *err)
{
    size_t width = self->config->width, inner = self->config->intermediate;
    QL_TRY(take_linear(self, index, "attention.self.query", width, width, &out->query, err));
    QL_TRY(take_linear(self, index, "attention.self.key", width, width, &out->key, err));
    QL_TRY(take_linear(self, index, "attention.self.value", width, width, &out->value, err));
    QL_TRY(take_linear(self, index, "attention.output.dense", width, width, &out->mix, err));
    QL_TRY(take_linear(self, index, "intermediate.dense", inner, width, &out->up, err));
    QL_TRY(take_linear(self, index, "output.dense", width, inner, &out->down, err));
    QL_TRY(take_norm(self, index, "attention.output", &out->mix_gamma, &out->mix_beta, err));
    return take_norm(self, index, "output", &out->down_gamma, &out->down_beta, err);
}

static ql_status take_all(ql__encoder *self, ql_error *err)
{
    const ql__bert_config *config = self->config;
    self->converted_capacity = 4 + 16 * (size_t)config->layers;
    self->converted = ql__alloc_zero(self->converted_capacity, sizeof *self->converted);
    self->layers = ql__alloc_zero(config->layers, sizeof *self->layers);
    if (!self->converted || !self->layers) return ql__fail_nomem(err);
    QL_TRY(take_tensor(self, "embeddings.word_embeddings.weight", config->vocab, config->width, &self->words, err));
    QL_TRY(take_floats(self, "embeddings.position_embeddings.weight", config->positions, config->width, &self->positions, err));
    QL_TRY(take_floats(self, "embeddings.token_type_embeddings.weight", config->types, config->width, &self->types, err));
    QL_TRY(take_floats(self, "embeddings.LayerNorm.weight", 0, config->width, &self->gamma, err));
    QL_TRY(take_floats(self, "embeddings.LayerNorm.bias", 0, config->width, &self->beta, err));
    for (size_t i = 0; i < config->layers; i++) QL_TRY(take_layer(self, i, &self->layers[i], err));
    return QL_OK;
}

ql_status ql__encoder_new(const ql__bert_config *config, const ql__safetensors *file, const ql__kernels *kernels, ql__encoder **out, ql_error *err)
{
    ql__encoder *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    self->config = config;
    self->kernels = kernels;
    self->file = file;
    ql_status status = take_all(self, err);
    if (status < 0) {
        ql__encoder_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__encoder_free(ql__encoder *self)
{
    if (!self) return;
    for (size_t i = 0; i < self->converted_count; i++) ql__free(self->converted[i]);
    ql__free(self->converted);
    ql__free(self->layers);
    ql__free(self);
}
