/*
 * Threads that share parallel loops.
 *
 * A loop lives on its caller's stack and is listed while it may still have free indexes. Indexes are taken from an atomic
 * counter, so fast and slow ones balance by themselves. A thread that finds no index left unlists the loop; the caller
 * returns once no thread is inside. Worker number 0 is the caller, the pool's threads keep theirs, so numbers never clash
 * within a loop.
 *
 * Invariants: `threads_inside` and the list change under the lock; a listed loop is alive. When a new loop arrives
 * (`generation`), threads leave theirs after the current index and choose again the one with the fewest threads.
 * Threads: ql__pool_run is safe concurrently. Cost: an atomic addition per index, two locks per thread and loop.
 */
#include "sys/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "sys/thread.h"

typedef struct pool_loop {
    struct pool_loop *next;
    ql__pool_fn fn;
    void *user;
    ql__pool_context inherited;
    size_t count;
    size_t threads_inside; /* the caller not included */
    bool listed;
    _Alignas(64) atomic_size_t taken; /* alone: every thread writes it, and reads what is above */
} pool_loop;

typedef struct pool_thread {
    ql__pool *pool;
    pthread_t handle;
    size_t worker;
} pool_thread;

struct ql__pool {
    pthread_mutex_t lock;
    pthread_cond_t work_added;
    pthread_cond_t thread_left;
    pool_loop *loops;
    atomic_size_t generation; /* loops ever listed */
    const ql__pool_hooks *hooks;
    bool stopping;
    size_t thread_count; /* started, the callers not included */
    pool_thread threads[];
};

size_t ql__core_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (size_t)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more cores than cpu_set_t knows */
    return online > 0 ? (size_t)online : 1;
}

/* Under the lock. */
static void loop_unlist(ql__pool *self, pool_loop *loop)
{
    if (!loop->listed) return;
    for (pool_loop **link = &self->loops; *link; link = &(*link)->next) {
        if (*link == loop) {
            *link = loop->next;
            break;
        }
    }
    loop->listed = false;
}

/* Under the lock: the listed loop with the fewest threads, or NULL. */
static pool_loop *loop_choose(const ql__pool *self)
{
    pool_loop *best = NULL;
    for (pool_loop *loop = self->loops; loop; loop = loop->next) {
        if (!best || loop->threads_inside < best->threads_inside) best = loop;
    }
    return best;
}

/* Runs indexes until none is left (true) or, for a pool thread, another loop was listed (false). */
static bool loop_work(const ql__pool *self, pool_loop *loop, size_t worker, size_t generation)
{
    for (;;) {
        size_t index = atomic_fetch_add_explicit(&loop->taken, 1, memory_order_relaxed);
        if (index >= loop->count) return true;
        loop->fn(loop->user, index, worker);
        if (worker != 0 && atomic_load_explicit(&self->generation, memory_order_relaxed) != generation) return false;
    }
}

/* Under the lock, which is released while the loop runs. */
static void thread_visit(ql__pool *self, pool_loop *loop, size_t worker)
{
    size_t generation = atomic_load_explicit(&self->generation, memory_order_relaxed);
    const ql__pool_hooks *hooks = self->hooks;
    loop->threads_inside++;
    pthread_mutex_unlock(&self->lock);
    ql__pool_context previous;
    if (hooks) hooks->enter_fn(&loop->inherited, &previous);
    bool finished = loop_work(self, loop, worker, generation);
    if (hooks) hooks->leave_fn(&previous);
    pthread_mutex_lock(&self->lock);
    if (finished) loop_unlist(self, loop);
    loop->threads_inside--;
    if (loop->threads_inside == 0) pthread_cond_broadcast(&self->thread_left);
}

static void *thread_main(void *user)
{
    pool_thread *thread = user;
    ql__pool *self = thread->pool;
    ql__thread_name("qloader-pool");
    pthread_mutex_lock(&self->lock);
    for (;;) {
        pool_loop *loop = loop_choose(self);
        if (loop) thread_visit(self, loop, thread->worker);
        else if (self->stopping) break;
        else pthread_cond_wait(&self->work_added, &self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static ql_status threads_start(ql__pool *self, size_t wanted, ql_error *err)
{
    while (self->thread_count < wanted) {
        pool_thread *thread = &self->threads[self->thread_count];
        thread->pool = self;
        thread->worker = self->thread_count + 1;
        QL_TRY(ql__thread_start(&thread->handle, thread_main, thread, err));
        self->thread_count++;
    }
    return QL_OK;
}

ql_status ql__pool_new(size_t threads, ql__pool **out, ql_error *err)
{
    if (threads == 0) {
        threads = ql__core_count();
        if (threads > QL_LIMIT_THREADS) threads = QL_LIMIT_THREADS;
    }
    if (threads > QL_LIMIT_THREADS) {
        return ql__fail(err, QL_E_INVALID, "threads: %zu is more than %d", threads, QL_LIMIT_THREADS);
    }
    ql__pool *self = ql__alloc_zero(1, sizeof *self + (threads - 1) * sizeof self->threads[0]);
    if (!self) return ql__fail_nomem(err);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->work_added, NULL);
    pthread_cond_init(&self->thread_left, NULL);
    atomic_init(&self->generation, 0);
    ql_status status = threads_start(self, threads - 1, err);
    if (status < 0) {
        ql__pool_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__pool_free(ql__pool *self)
{
    if (!self) return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->work_added);
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < self->thread_count; i++) pthread_join(self->threads[i].handle, NULL);
    pthread_cond_destroy(&self->thread_left);
    pthread_cond_destroy(&self->work_added);
    pthread_mutex_destroy(&self->lock);
    ql__free(self);
}

void ql__pool_hooks_set(ql__pool *self, const ql__pool_hooks *hooks)
{
    pthread_mutex_lock(&self->lock);
    self->hooks = hooks;
    pthread_mutex_unlock(&self->lock);
}

size_t ql__pool_size(const ql__pool *self)
{
    return self->thread_count + 1;
}

static void loop_list(ql__pool *self, pool_loop *loop)
{
    pthread_mutex_lock(&self->lock);
    if (self->hooks) self->hooks->capture_fn(&loop->inherited);
    loop->listed = true;
    loop->next = self->loops;
    self->loops = loop;
    atomic_fetch_add_explicit(&self->generation, 1, memory_order_relaxed);
    pthread_cond_broadcast(&self->work_added);
    pthread_mutex_unlock(&self->lock);
}

void ql__pool_run(ql__pool *self, size_t count, ql__pool_fn fn, void *user)
{
    if (count < 2 || self->thread_count == 0) {
        for (size_t i = 0; i < count; i++) fn(user, i, 0);
        return;
    }
    pool_loop loop = {.fn = fn, .user = user, .count = count};
    loop_list(self, &loop);
    (void)loop_work(self, &loop, 0, 0);
    pthread_mutex_lock(&self->lock);
    loop_unlist(self, &loop);
    while (loop.threads_inside > 0) pthread_cond_wait(&self->thread_left, &self->lock);
    pthread_mutex_unlock(&self->lock);
}
