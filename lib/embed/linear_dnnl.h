/*
 * The linear layers of an encoder on oneDNN: weights packed once into the library's blocked format, one primitive per shape and
 * row bucket. oneDNN is opened on first use and runs single-threaded inside the caller's thread; parallelism is ours.
 *
 * Rows are processed in blocks of at most QL__LINEAR_ROWS; a block of r rows computes ql__linear_bucket(r) rows, so source and target must
 * have room for that many, and rows beyond r are computed from whatever is there and mean nothing.
 */
#ifndef QL_LINEAR_DNNL_H
#define QL_LINEAR_DNNL_H

#include <signal.h>

#include <stdbool.h>

#include <qloader/base.h>

#define QL__LINEAR_ROWS 128
#define QL__LINEAR_STEP 16 /* row counts are rounded up to a multiple of this */
#define QL__LINEAR_PARTS_MAX 3

typedef enum ql__linear_kind {
    QL__LINEAR_PROJECT = 0,    /* target float32 = x W^T + b */
    QL__LINEAR_ADD = 1,        /* target float32 += x W^T + b */
    QL__LINEAR_GELU = 2,       /* target in the engine's type = gelu(x W^T + b) */
    QL__LINEAR_KINDS = 3
} ql__linear_kind;

/* Matrices stacked on each other along their outputs (query, key, value). Borrowed while the engine is made. */
typedef struct ql__linear_source {
    ql__linear_kind kind;
    size_t inputs, outputs; /* outputs of each part */
    size_t parts;
    const float *weight[QL__LINEAR_PARTS_MAX]; /* (outputs, inputs) */
    const float *bias[QL__LINEAR_PARTS_MAX];   /* (outputs) */
} ql__linear_source;

typedef struct ql__linear_engine ql__linear_engine; /* thread-safe once made */
typedef struct ql__linear_worker ql__linear_worker; /* one thread at a time */

/* bf16: sources and the targets of GELU layers are bfloat16, else float32. QL_E_UNSUPPORTED: no oneDNN here, or no such arithmetic on this CPU. */
ql_status ql__linear_engine_new(const ql__linear_source *sources, size_t count, bool bf16, ql__linear_engine **out, ql_error *err);
void ql__linear_engine_free(ql__linear_engine *self);
bool ql__linear_engine_bf16(const ql__linear_engine *self);
ql_status ql__linear_worker_new(ql__linear_engine *engine, ql__linear_worker **out, ql_error *err);
void ql__linear_worker_free(ql__linear_worker *self);

/* Whether oneDNN and OpenMP can be opened, which this does; writes oneDNN's version ("2.6.3"). QL_E_UNSUPPORTED says what is missing. */
ql_status ql__linear_check(char version[24], ql_error *err);

/* What a thread had before a series of runs. */
typedef struct ql__linear_guard {
    int threads; /* OpenMP's */
    sigset_t signals;
} ql__linear_guard;

/*
 * Around every series of runs, in the same thread: its OpenMP thread count is 1 and its signals wait. Kernels for AVX2 move the stack
 * pointer into the heap while they run, where a handler would write over foreign memory. While a capture runs (qloader/prof.h) SIGPROF comes in all the same, on an alternate stack.
 */
ql__linear_guard ql__linear_enter(const ql__linear_engine *self);
void ql__linear_leave(const ql__linear_engine *self, const ql__linear_guard *guard);
/* Layer number `index`; rows 1..QL__LINEAR_ROWS. */
ql_status ql__linear_run(ql__linear_worker *self, size_t index, size_t rows, const void *source, void *target, ql_error *err);

static inline size_t ql__linear_bucket(size_t rows)
{
    return (rows + QL__LINEAR_STEP - 1) / QL__LINEAR_STEP * QL__LINEAR_STEP;
}

#endif
