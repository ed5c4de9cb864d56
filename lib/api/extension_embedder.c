/* See extension_embedder.h. Threads: any; calls wait for each other. Cost: one pass over the vectors. */
#include "api/extension_embedder.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"

#define MODEL_BYTES_MAX 127
#define LENGTH_ERROR_MAX 1e-3 /* of a vector: float32 sums of wide vectors are off by less */

static const char *model_of(void *user)
{
    const ql__extension *self = user;
    return ((const ql_embedder_ops *)self->ops)->model_fn(self->self);
}

static uint32_t dims_of(void *user)
{
    return ((const ql__extension *)user)->dims; /* asked once: memory is sized by it */
}

static const ql_measure *measure_of(void *user)
{
    const ql__extension *self = user;
    const ql_embedder_ops *ops = self->ops;
    return ops->measure_fn != NULL ? ops->measure_fn(self->self) : NULL;
}

static uint32_t window_of(void *user)
{
    const ql__extension *self = user;
    const ql_embedder_ops *ops = self->ops;
    return ops->window_fn != NULL ? ops->window_fn(self->self) : 0;
}

static void close_nothing(void *user)
{
    (void)user;
}

static ql_status check_vectors(const ql__extension *self, const float *vectors, size_t count, uint32_t dims, ql_error *err)
{
    for (size_t i = 0; i < count; i++) {
        double squares = 0;
        for (size_t d = 0; d < dims; d++) squares += (double)vectors[i * dims + d] * (double)vectors[i * dims + d];
        double length = sqrt(squares); /* of a NaN a NaN, which is in no range */
        if (!(length >= 1 - LENGTH_ERROR_MAX && length <= 1 + LENGTH_ERROR_MAX))
            return ql__fail(err, QL_E_INVALID, "the embedder '%s' gave a vector that is not of unit length (vector %zu of %zu)", self->name, i, count);
    }
    return QL_OK;
}

static ql_status embed(void *user, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    ql__extension *self = user;
    const ql_embedder_ops *ops = self->ops;
    ql_error answer = {0};
    pthread_mutex_lock(&self->lock);
    ql_status status = ops->embed_fn(self->self, role, texts, count, out, &answer);
    pthread_mutex_unlock(&self->lock);
    QL_TRY(ql__callback_status(status, &answer, err));
    return check_vectors(self, out, count, dims_of(self), err);
}

static const ql_embedder_ops shared_ops = {.struct_size = sizeof(ql_embedder_ops), .name = "registered", .model_fn = model_of, .dims_fn = dims_of, .embed_fn = embed,
                                           .measure_fn = measure_of, .window_fn = window_of, .close_fn = close_nothing};

ql_status ql__extension_embedder_open(const ql__extensions *extensions, const char *name, const ql_embedder_ops **ops, void **self, ql_error *err)
{
    ql__extension *item = ql__extensions_find(extensions, QL__EXTENSION_EMBEDDER, name);
    if (item == NULL) return ql__fail(err, QL_E_NOTFOUND, "no embedder '%s' is registered on this runtime", name);
    const char *model = model_of(item);
    pthread_mutex_lock(&item->lock);
    if (item->dims == 0) item->dims = ((const ql_embedder_ops *)item->ops)->dims_fn(item->self);
    uint32_t dims = item->dims;
    pthread_mutex_unlock(&item->lock);
    size_t len = model != NULL ? strlen(model) : 0;
    if (len == 0 || len > MODEL_BYTES_MAX) return ql__fail(err, QL_E_INVALID, "the embedder '%s' names its model with %zu bytes, 1 to %d are wanted", name, len, MODEL_BYTES_MAX);
    if (dims == 0 || dims > QL_LIMIT_DIMS) return ql__fail(err, QL_E_INVALID, "the embedder '%s' makes vectors of %u dimensions, 1 to %d are possible", name, dims, QL_LIMIT_DIMS);
    const ql_measure *measure = measure_of(item);
    if (measure != NULL && (measure->struct_size < sizeof *measure || measure->unit == NULL || measure->units_fn == NULL))
        return ql__fail(err, QL_E_INVALID, "the measure of the embedder '%s' lacks struct_size, unit or units_fn", name);
    *ops = &shared_ops;
    *self = item;
    return QL_OK;
}
