/*
 * See thread_table.h. The lock guards `tid` of all entries; it is held while a ring is mapped at most. The control thread only tries it.
 *
 * A thread that claims its entry also gets an alternate signal stack if it has none (oneDNN's kernels move the stack pointer into the heap, where a
 * handler must not write) and no longer blocks SIGPROF (threads of the library start with all signals blocked). Both last until the thread ends.
 * Process-wide state (docs/internals/prof.md): the table, a key whose destructor runs at the end of threads.
 */
#include "prof/thread_table.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAMPLE_RING_BYTES (128u << 10)
#define EVENT_RING_BYTES (256u << 10)
#define SIGNAL_STACK_BYTES ((size_t)64 << 10)

atomic_uint ql__prof_on;

static ql__prof_thread table[QL__PROF_THREADS_MAX];
static atomic_uint used_max; /* entries ever claimed */
static atomic_uint_least64_t refused;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_there;

static _Thread_local ql__prof_thread *here __attribute__((tls_model("initial-exec")));
static _Thread_local unsigned here_capture __attribute__((tls_model("initial-exec")));
static _Thread_local void *signal_stack __attribute__((tls_model("initial-exec")));
static _Thread_local bool signal_safe __attribute__((tls_model("initial-exec"))); /* there is an alternate stack, ours or another's */

static bool ring_map(ql__ring *ring, uint32_t size)
{
    if (ring->bytes != NULL) return true;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) return false;
    ring->size = size;
    ring->bytes = bytes;
    return true;
}

static void ring_skip_all(ql__ring *ring)
{
    atomic_store(&ring->tail, atomic_load(&ring->head));
    atomic_store(&ring->dropped, 0);
}

static void entry_clear(ql__prof_thread *self)
{
    ring_skip_all(&self->samples);
    ring_skip_all(&self->events);
    atomic_store(&self->handler_ns, 0);
    atomic_store(&self->span, 0);
    atomic_store(&self->task, 0);
    atomic_store(&self->labels, 0);
    atomic_store(&self->generated, 0);
    atomic_store(&self->cpu_last_ns, 0);
    self->spans_begun = 0;
    memset(&self->control, 0, sizeof self->control);
    self->control.perf_fd = -1;
}

/* Under the lock. */
static ql__prof_thread *entry_find(pid_t tid)
{
    unsigned count = atomic_load_explicit(&used_max, memory_order_relaxed);
    ql__prof_thread *free_entry = count < QL__PROF_THREADS_MAX ? &table[count] : NULL;
    for (unsigned i = count; i > 0; i--) {
        pid_t owner = atomic_load_explicit(&table[i - 1].tid, memory_order_acquire); /* after what the last owner's release left */
        if (owner == tid) return &table[i - 1];
        if (owner == 0) free_entry = &table[i - 1];
    }
    if (free_entry == NULL || !ring_map(&free_entry->samples, SAMPLE_RING_BYTES) || !ring_map(&free_entry->events, EVENT_RING_BYTES)) {
        atomic_fetch_add(&refused, 1);
        return NULL;
    }
    free_entry->index = (uint32_t)(free_entry - table);
    entry_clear(free_entry);
    atomic_store(&free_entry->own, 0);
    free_entry->stack_low = free_entry->stack_high = 0;
    atomic_store_explicit(&free_entry->tid, tid, memory_order_release);
    if (free_entry->index == count) atomic_store_explicit(&used_max, count + 1, memory_order_release);
    return free_entry;
}

static void thread_ends(void *stack)
{
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    munmap(stack, SIGNAL_STACK_BYTES);
    signal_stack = NULL;
    signal_safe = false;
    here = NULL;
}

static void key_make(void)
{
    key_there = pthread_key_create(&key, thread_ends) == 0;
}

/* Without an alternate stack SIGPROF stays as it is, blocked or not: code that moves the stack pointer blocks it (ql__prof_keep_signal). */
static void signal_stack_give(void)
{
    stack_t there;
    if (sigaltstack(NULL, &there) != 0) return;
    (void)pthread_once(&key_once, key_make);
    signal_safe = !(there.ss_flags & SS_DISABLE);
    if (signal_safe || !key_there) return;
    void *stack = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) return;
    stack_t wanted = {.ss_sp = stack, .ss_size = SIGNAL_STACK_BYTES};
    if (pthread_setspecific(key, stack) != 0 || sigaltstack(&wanted, NULL) != 0) {
        (void)pthread_setspecific(key, NULL);
        munmap(stack, SIGNAL_STACK_BYTES);
        return;
    }
    signal_stack = stack;
    signal_safe = true;
}

static void signal_let_in(void)
{
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &prof, NULL);
}

static void stack_bounds(ql__prof_thread *self)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;
    if (self->stack_high != 0 || pthread_getattr_np(pthread_self(), &attr) != 0) return;
    if (pthread_attr_getstack(&attr, &low, &size) == 0 && low != NULL) {
        self->stack_low = (uintptr_t)low;
        atomic_signal_fence(memory_order_release); /* its handler may come at any time */
        self->stack_high = (uintptr_t)low + size;
    }
    pthread_attr_destroy(&attr);
}

static ql__prof_thread *claim(unsigned capture)
{
    pid_t tid = (pid_t)syscall(SYS_gettid);
    here = NULL;
    here_capture = capture; /* what follows may allocate, and come here again; one that finds no room is not asked again in this capture */
    pthread_mutex_lock(&lock);
    ql__prof_thread *self = entry_find(tid);
    pthread_mutex_unlock(&lock);
    if (self == NULL) return NULL;
    stack_bounds(self);
    here = self;
    atomic_store(&self->own, 1);
    signal_stack_give();
    if (signal_safe) signal_let_in();
    return self;
}

ql__prof_thread *ql__prof_thread_here(void)
{
    unsigned capture = atomic_load_explicit(&ql__prof_on, memory_order_acquire);
    if (capture == 0) return NULL;
    return here_capture == capture ? here : claim(capture);
}

ql__prof_thread *ql__prof_thread_known(void)
{
    unsigned capture = atomic_load_explicit(&ql__prof_on, memory_order_acquire);
    return capture != 0 && here_capture == capture ? here : NULL;
}

ql__prof_thread *ql__prof_thread_of(pid_t tid)
{
    if (pthread_mutex_trylock(&lock) != 0) return NULL;
    ql__prof_thread *self = entry_find(tid);
    pthread_mutex_unlock(&lock);
    return self;
}

ql__prof_thread *ql__prof_thread_at(uint32_t index)
{
    return index < atomic_load_explicit(&used_max, memory_order_acquire) ? &table[index] : NULL;
}

uint64_t ql__prof_thread_refused(void)
{
    return atomic_load(&refused);
}

void ql__prof_thread_release(ql__prof_thread *self)
{
    atomic_store_explicit(&self->tid, 0, memory_order_release);
}

void ql__prof_threads_reset(void)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < atomic_load(&used_max); i++) entry_clear(&table[i]);
    atomic_store(&refused, 0);
    pthread_mutex_unlock(&lock);
}

void ql__prof_threads_after_fork(void)
{
    atomic_store(&ql__prof_on, 0);
    pthread_mutex_init(&lock, NULL);
    for (unsigned i = 0; i < atomic_load(&used_max); i++) {
        entry_clear(&table[i]);
        atomic_store(&table[i].tid, 0); /* the only thread there is has another id now */
    }
    here = NULL;
    here_capture = 0;
}

void ql__prof_keep_signal(void *sigset)
{
    if (ql__prof_thread_here() != NULL && signal_safe) sigdelset(sigset, SIGPROF);
}

void ql__prof_thread_ready(void)
{
    static _Thread_local bool ready __attribute__((tls_model("initial-exec")));
    if (ready) return;
    ready = true;
    signal_stack_give();
    if (signal_safe) signal_let_in();
}

void ql__prof_let_signal(void)
{
    if (ql__prof_thread_known() != NULL && signal_safe) signal_let_in();
}
