/*
 * Walking a stack by its call frame information (DWARF 5, 6.4; the .eh_frame form of it: LSB Core 5.0, 10.6).
 *
 * A step: the object at pc (_dl_find_object, which takes no lock), the function's entry by binary search in .eh_frame_hdr, its program run up to pc,
 * the caller's registers from the row that gives. All of that is read-only data of the object, checked against its bounds as it is read, since some
 * hand-written assembly describes itself wrongly. Registers that a signal or an anchor does not tell are unknown and end a walk that needs them.
 * Code without tables: frame pointers, else the anchor.
 *
 * Invariants: the stack pointer only grows from step to step, so a walk ends; nothing is read outside [sp - 128, stack_end) and the object.
 * Threads: the calling thread's stack only. Cost: 100 to 300 ns a frame.
 */
#include "prof/unwind.h"

#include <link.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "prof/unwind_table.h"

#define RED_ZONE 128
#define STACK_BYTES_MAX ((uintptr_t)8 << 20) /* a stack pointer farther from its control block may be no thread's own */

#if defined(__x86_64__)
enum { REG_FP = 6, REG_SP = 7 };
#elif defined(__aarch64__)
enum { REG_FP = 29, REG_SP = 31 };
#else
#error "the stack of this architecture is not known"
#endif

typedef struct walk {
    ql__unwind_registers registers;
    uintptr_t low, high; /* what may be read of the stack */
} walk;

extern void *__libc_stack_end __attribute__((weak));

static uintptr_t stack_end_above(uintptr_t sp)
{
    uintptr_t control_block = (uintptr_t)__builtin_thread_pointer();
    /* The first thread's control block is elsewhere: its stack ends with the auxiliary vector and the strings of the environment. */
    uintptr_t first = &__libc_stack_end != NULL ? (uintptr_t)__libc_stack_end : 0;
    if (sp < first && first - sp <= STACK_BYTES_MAX && (control_block < sp || control_block > first)) return first;
    return control_block > sp && control_block - sp <= STACK_BYTES_MAX ? control_block : sp;
}

uintptr_t ql__unwind_stack_end(void)
{
    return stack_end_above((uintptr_t)__builtin_frame_address(0));
}

static uintptr_t stack_pointer_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#else
    return (uintptr_t)context->uc_mcontext.sp;
#endif
}

uintptr_t ql__unwind_stack_end_at(const void *ucontext, uintptr_t low, uintptr_t high)
{
    uintptr_t sp = stack_pointer_of(ucontext);
    if (high == 0) return stack_end_above(sp);
    return sp >= low && sp < high ? high : sp;
}

static bool stack_word(const walk *self, uintptr_t address, uintptr_t *out)
{
    if (address < self->low || address > self->high - sizeof *out || address % sizeof(uintptr_t) != 0) return false;
    memcpy(out, (const void *)address, sizeof *out);
    return true;
}

static bool read_stack(void *user, uintptr_t address, uintptr_t *out)
{
    return stack_word(user, address, out);
}

static bool is_code(uintptr_t pc)
{
    ql__unwind_object object;
    return pc != 0 && ql__unwind_object_find(pc - 1, &object);
}

/* A frame with the saved frame pointer and the return address above it. */
static bool step_by_frame_pointer(walk *self)
{
    ql__unwind_registers *r = &self->registers;
    uintptr_t fp = r->value[REG_FP], next_fp, next_pc;
    if (!(r->known >> REG_FP & 1) || fp < r->value[REG_SP]) return false;
    if (!stack_word(self, fp, &next_fp) || !stack_word(self, fp + sizeof fp, &next_pc) || !is_code(next_pc)) return false;
    r->pc = next_pc;
    r->value[REG_SP] = fp + 2 * sizeof fp;
    r->value[REG_FP] = next_fp;
    r->known = (uint64_t)1 << REG_SP | (uint64_t)1 << REG_FP;
    r->exact = false;
    return true;
}

#if defined(__x86_64__)
/* A function that has not touched the stack yet, or a call of an address that is no code: the return address is on top. */
static bool step_by_top_word(walk *self)
{
    ql__unwind_registers *r = &self->registers;
    uintptr_t next_pc;
    if (!stack_word(self, r->value[REG_SP], &next_pc) || !is_code(next_pc)) return false;
    r->pc = next_pc;
    r->value[REG_SP] += sizeof next_pc;
    r->exact = false;
    return true;
}
#endif

static void registers_set(ql__unwind_registers *r, const ql__unwind_context *context, bool exact)
{
    r->pc = context->pc;
    r->value[REG_SP] = context->sp;
    r->value[REG_FP] = context->fp;
    r->known = (uint64_t)1 << REG_SP | (uint64_t)1 << REG_FP;
    r->exact = exact;
}

/* Code without tables calls nobody of the anchor's depth: what is above the anchor is its caller's. */
static bool jump_to_anchor(walk *self, const ql__unwind_context **anchor)
{
    const ql__unwind_context *at = *anchor;
    *anchor = NULL; /* once */
    if (at == NULL || at->pc == 0 || at->sp >= self->high) return false;
    self->low = at->sp;
    registers_set(&self->registers, at, true);
    return true;
}

typedef enum step { STEP_CALLER, STEP_JUMPED, STEP_ROOT, STEP_END } step;

static step step_out(walk *self, const ql__unwind_context **anchor, bool leaf)
{
    ql__unwind_registers *r = &self->registers;
    ql__unwind_object object;
    bool mapped = ql__unwind_object_find(r->exact ? r->pc : r->pc - 1, &object);
    if (!mapped && jump_to_anchor(self, anchor)) return STEP_JUMPED;
    uintptr_t sp = r->value[REG_SP];
    ql__unwind_outcome outcome = mapped ? ql__unwind_table_step(&object, r, read_stack, self) : QL__UNWIND_NO_TABLE;
    if (outcome == QL__UNWIND_ROOT) return STEP_ROOT;
    bool done = outcome == QL__UNWIND_STEPPED && r->value[REG_SP] > sp;
    if (outcome == QL__UNWIND_NO_TABLE) done = step_by_frame_pointer(self);
#if defined(__x86_64__)
    if (!done && outcome == QL__UNWIND_NO_TABLE && leaf) done = step_by_top_word(self);
#endif
    (void)leaf;
    if (!done) return STEP_END;
    return r->pc == 0 ? STEP_ROOT : STEP_CALLER;
}

/* frames[] gets the pc of each step, the first included. */
static ql__unwind_result walk_on(walk *self, const ql__unwind_context *anchor, uintptr_t *frames, size_t frames_max)
{
    ql__unwind_result result = {.count = 1};
    frames[0] = self->registers.pc;
    for (bool leaf = true;; leaf = false) {
        step taken = step_out(self, &anchor, leaf);
        if (taken == STEP_ROOT) result.root = true;
        if (taken == STEP_ROOT || taken == STEP_END) return result;
        if (taken == STEP_JUMPED && leaf) result.generated = true;
        if (result.count == frames_max) {
            result.truncated = true;
            return result;
        }
        frames[result.count++] = self->registers.pc;
    }
}

bool ql__unwind_in_system_call(const void *ucontext)
{
    const ucontext_t *context = ucontext;
#if defined(__x86_64__)
    static const unsigned char call[] = {0x0f, 0x05}; /* syscall */
    uintptr_t pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    static const unsigned char call[] = {0x01, 0x00, 0x00, 0xd4}; /* svc #0 */
    uintptr_t pc = (uintptr_t)context->uc_mcontext.pc;
#endif
    enum { PAGE = 4096 };
    if (pc % PAGE <= PAGE - sizeof call && memcmp((const void *)pc, call, sizeof call) == 0) return true;
    return pc % PAGE >= sizeof call && memcmp((const void *)(pc - sizeof call), call, sizeof call) == 0; /* of the page before nobody knows whether it is there */
}

ql__unwind_result ql__unwind_signal(const void *ucontext, const ql__unwind_thread *thread, uintptr_t *frames, size_t frames_max)
{
    const ucontext_t *context = ucontext;
    walk self;
    memset(&self, 0, sizeof self);
    ql__unwind_registers *r = &self.registers;
#if defined(__x86_64__)
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) r->value[i] = (uintptr_t)context->uc_mcontext.gregs[order[i]];
    r->known = 0xffff;
    r->pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    for (size_t i = 0; i < 31; i++) r->value[i] = (uintptr_t)context->uc_mcontext.regs[i];
    r->value[REG_SP] = (uintptr_t)context->uc_mcontext.sp;
    r->known = 0xffffffff;
    r->pc = (uintptr_t)context->uc_mcontext.pc;
#endif
    r->exact = true;
    self.low = r->value[REG_SP] - RED_ZONE;
    self.high = thread->stack_end;
    if (self.high < r->value[REG_SP]) self.high = r->value[REG_SP]; /* another stack: nothing of it is known to be readable */
    return walk_on(&self, thread->anchor, frames, frames_max);
}

__attribute__((noinline)) ql__unwind_result ql__unwind_here(const ql__unwind_thread *thread, size_t skip, uintptr_t *frames, size_t frames_max)
{
    walk self;
    memset(&self, 0, sizeof self);
    ql__unwind_context here = {.fp = (uintptr_t)__builtin_frame_address(0)};
#if defined(__x86_64__)
    __asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1" : "=&r"(here.pc), "=r"(here.sp));
#else
    __asm__ volatile("adr %0, .\n\tmov %1, sp" : "=&r"(here.pc), "=r"(here.sp));
#endif
    registers_set(&self.registers, &here, true);
    self.low = here.sp - RED_ZONE;
    self.high = thread->stack_end;
    if (self.high < here.sp) return (ql__unwind_result){0};
    const ql__unwind_context *anchor = thread->anchor;
    for (size_t i = 0; i <= skip; i++) {
        if (step_out(&self, &anchor, false) != STEP_CALLER) return (ql__unwind_result){0};
    }
    return walk_on(&self, anchor, frames, frames_max);
}
