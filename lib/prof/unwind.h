/*
 * The stack of the calling thread as return addresses, in a signal handler or outside: reads unwind tables (.eh_frame) where they are mapped, takes no
 * lock and no memory, and reads nothing but those tables and the stack between the given bounds, so that a damaged stack ends the walk and nothing else.
 */
#ifndef QL_UNWIND_H
#define QL_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QL__UNWIND_FRAMES_MAX 128

/* Where a walk begins, or goes on beyond code without tables. */
typedef struct ql__unwind_context {
    uintptr_t pc, sp, fp;
} ql__unwind_context;

/* What is known of the thread: where its stack ends, and from where to go on when a pc lies in no mapped object (see prof/anchor.h); anchor may be NULL. */
typedef struct ql__unwind_thread {
    uintptr_t stack_end;
    const ql__unwind_context *anchor;
} ql__unwind_thread;

typedef struct ql__unwind_result {
    uint32_t count;
    bool root;      /* the walk ended at the first function of the thread */
    bool truncated; /* more frames than there was room for */
    bool generated; /* frames[0] lies in no mapped object, frames[1] is the anchor's caller */
} ql__unwind_result;

/* ucontext: what a handler got as its third argument. */
ql__unwind_result ql__unwind_signal(const void *ucontext, const ql__unwind_thread *thread, uintptr_t *frames, size_t frames_max);
/* The calling thread's stack without `skip` functions (0: frames[0] is in the function that calls this one); all frames are return addresses. */
ql__unwind_result ql__unwind_here(const ql__unwind_thread *thread, size_t skip, uintptr_t *frames, size_t frames_max);
/* End of the calling thread's stack as far as can be told without a lock: of a thread by pthread_create its control block, of the first its environment. */
uintptr_t ql__unwind_stack_end(void);
/* The same for the stack that was interrupted, since a handler may run on another. low, high: the thread's own stack; high 0: not known. */
uintptr_t ql__unwind_stack_end_at(const void *ucontext, uintptr_t low, uintptr_t high);

/*
 * Whether a thread that a signal interrupted was in a system call: the instruction before its pc, or at it where the call will be made again, is the one
 * that calls the kernel. One that could run and had no processor is not.
 */
bool ql__unwind_in_system_call(const void *ucontext);

#endif
