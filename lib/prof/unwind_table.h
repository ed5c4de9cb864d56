/* Call frame information of one object: from the registers in a function to those of its caller. */
#ifndef QL_UNWIND_TABLE_H
#define QL_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By DWARF's numbers: those a walk needs. */
#if defined(__x86_64__)
#define QL__UNWIND_REGISTERS 17
#else
#define QL__UNWIND_REGISTERS 33
#endif

typedef struct ql__unwind_registers {
    uintptr_t value[QL__UNWIND_REGISTERS];
    uint64_t known; /* a bit a register */
    uintptr_t pc;
    bool exact; /* pc is the instruction itself, not a return address */
} ql__unwind_registers;

/* A mapped ELF object and its table of functions. */
typedef struct ql__unwind_object {
    const unsigned char *begin, *end; /* its addresses */
    const unsigned char *header;      /* .eh_frame_hdr; NULL: none */
} ql__unwind_object;

/* Async-signal-safe where the C library can tell objects without a lock (glibc 2.35 and later); else false always. */
bool ql__unwind_object_find(uintptr_t pc, ql__unwind_object *out);
/* Where the function that has pc begins, by the table; 0: it is in none. For any thread: an object may be unloaded meanwhile, as the kernel copies. */
uintptr_t ql__unwind_function_begin(uintptr_t pc);

typedef enum ql__unwind_outcome { QL__UNWIND_STEPPED, QL__UNWIND_ROOT, QL__UNWIND_NO_TABLE, QL__UNWIND_DAMAGED } ql__unwind_outcome;

/* read_fn: one aligned word of the stack; false where it may not be read. On QL__UNWIND_STEPPED alone `registers` are the caller's. */
typedef bool (*ql__unwind_read_fn)(void *user, uintptr_t address, uintptr_t *out);
ql__unwind_outcome ql__unwind_table_step(const ql__unwind_object *object, ql__unwind_registers *registers, ql__unwind_read_fn read_fn, void *user);

#endif
