/*
 * A fixed set of threads. ql__pool_run is a parallel for: it returns when fn ran for every index, and the caller works
 * too, so a pool of 1 runs everything in the calling thread. Several threads may call ql__pool_run at once (their
 * loops share the workers); fn may not call ql__pool_run on the same pool.
 */
#ifndef QL_POOL_H
#define QL_POOL_H

#include <qloader/base.h>

typedef struct ql__pool ql__pool;
/* index: 0..count-1, each exactly once. worker: 0..ql__pool_size()-1 within this loop, never two at a time: per-worker scratch. */
typedef void (*ql__pool_fn)(void *user, size_t index, size_t worker);

ql_status ql__pool_new(size_t threads /* 0: one per core */, ql__pool **out, ql_error *err);
void ql__pool_free(ql__pool *self);
size_t ql__pool_size(const ql__pool *self); /* threads that may run fn at once, caller included */
void ql__pool_run(ql__pool *self, size_t count, ql__pool_fn fn, void *user);
/*
 * What the threads of a loop inherit from its caller. capture runs in the caller, enter and leave around the work of each
 * other thread. Set right after ql__pool_new, before the first loop. ql__prof_pool_hooks() of prof/span.h is one.
 */
typedef struct ql__pool_context {
    uintptr_t words[4];
} ql__pool_context;
typedef struct ql__pool_hooks {
    void (*capture_fn)(ql__pool_context *out);
    void (*enter_fn)(const ql__pool_context *captured, ql__pool_context *previous); /* previous: what leave_fn gets */
    void (*leave_fn)(const ql__pool_context *previous);
} ql__pool_hooks;
void ql__pool_hooks_set(ql__pool *self, const ql__pool_hooks *hooks); /* NULL: none; static storage */
size_t ql__core_count(void); /* cores this process may use (affinity mask) */

#endif
