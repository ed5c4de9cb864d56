/*
 * Calls into code that is made at run time (oneDNN's kernels), which has no unwind tables: the caller leaves where it is, so that a sample inside gets
 * the kernel's name on top of the caller's stack.
 *
 *     ql__anchor anchor = ql__anchor_set("matmul 128x384x1536");   // static text
 *     call();
 *     ql__anchor_clear(&anchor);                                    // in the same function
 */
#ifndef QL_ANCHOR_H
#define QL_ANCHOR_H

#include "prof/thread_table.h"

typedef struct ql__anchor {
    ql__prof_thread *thread; /* NULL: off */
} ql__anchor;

/* Inline, since the place is that of the function it stands in. */
static inline __attribute__((always_inline)) ql__anchor ql__anchor_set(const char *kernel)
{
    ql__anchor self = {NULL};
    if (atomic_load_explicit(&ql__prof_on, memory_order_relaxed) == 0) return self;
    self.thread = ql__prof_thread_here();
    if (self.thread == NULL) return self;
    ql__unwind_context *at = &self.thread->anchor;
    at->fp = (uintptr_t)__builtin_frame_address(0);
#if defined(__x86_64__)
    __asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1" : "=&r"(at->pc), "=r"(at->sp));
#elif defined(__aarch64__)
    __asm__ volatile("adr %0, .\n\tmov %1, sp" : "=&r"(at->pc), "=r"(at->sp));
#endif
    self.thread->kernel = kernel;
    atomic_signal_fence(memory_order_release);
    atomic_store_explicit(&self.thread->generated, 1, memory_order_relaxed);
    return self;
}

static inline void ql__anchor_clear(const ql__anchor *self)
{
    if (self->thread != NULL) atomic_store_explicit(&self->thread->generated, 0, memory_order_relaxed);
}

#endif
