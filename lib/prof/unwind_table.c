/*
 * An interpreter of call frame programs (DWARF 5, 6.4.2) and of the expressions that occur in them (2.5), over memory that is checked as it is read.
 * Invariant: a cursor never leaves its object; a read beyond sets `bad` and gives zeros, which is looked at once at the end. Threads: no state.
 */
#include "prof/unwind_table.h"

#include <link.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER_BYTES_MAX 24 /* four encodings, a pointer, the number of rows */
#define ROW_BYTES 8
#define REMEMBERED_MAX 4
#define VALUES_MAX 16
#define STEPS_MAX 4096 /* instructions of one program or expression: a bound for damaged ones */

#if defined(__x86_64__)
enum { STACK_REGISTER = 7, RETURN_COLUMN = 16 };
#elif defined(__aarch64__)
enum { STACK_REGISTER = 31 };
#endif

/* Encodings of pointers (LSB Core 5.0, 10.5.1). */
enum { PE_ABSPTR = 0x00, PE_UDATA2 = 0x02, PE_UDATA4 = 0x03, PE_UDATA8 = 0x04, PE_SDATA2 = 0x0a, PE_SDATA4 = 0x0b, PE_SDATA8 = 0x0c,
       PE_PCREL = 0x10, PE_DATAREL = 0x30, PE_INDIRECT = 0x80, PE_OMIT = 0xff };

typedef struct cursor {
    const unsigned char *at, *end;
    bool bad;
} cursor;

typedef enum rule_kind { RULE_NONE, RULE_UNDEFINED, RULE_OFFSET, RULE_VALUE_OFFSET, RULE_REGISTER, RULE_EXPRESSION, RULE_VALUE_EXPRESSION } rule_kind;

/* How registers of the caller are found. The frame's own address: a register and an offset, or an expression. */
typedef struct row {
    uint8_t kind[QL__UNWIND_REGISTERS];
    int64_t value[QL__UNWIND_REGISTERS]; /* offset or register; of an expression, its place as an offset in the object */
    int64_t cfa_offset;
    uint32_t cfa_register;
    bool cfa_expression;
} row;

typedef struct program {
    const ql__unwind_object *object;
    row now, first; /* first: after the common part, for DW_CFA_restore */
    row remembered[REMEMBERED_MAX];
    size_t remembered_count;
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding;
    bool signal_frame;
    uint32_t return_column;
} program;

bool ql__unwind_object_find(uintptr_t pc, ql__unwind_object *out)
{
#ifdef DLFO_STRUCT_HAS_EH_COUNT
    struct dl_find_object found;
    if (_dl_find_object((void *)pc, &found) != 0) return false;
    *out = (ql__unwind_object){found.dlfo_map_start, found.dlfo_map_end, found.dlfo_eh_frame};
    return true;
#else
    (void)pc;
    (void)out;
    return false;
#endif
}

static uint64_t take(cursor *c, size_t size)
{
    uint64_t value = 0;
    if ((size_t)(c->end - c->at) < size) {
        c->bad = true;
        c->at = c->end;
        return 0;
    }
    memcpy(&value, c->at, size);
    c->at += size;
    return value;
}

static uint64_t take_uleb(cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = take(c, 1);
        value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    c->bad = true;
    return 0;
}

static int64_t take_sleb(cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = take(c, 1);
        value |= (byte & 0x7f) << shift;
        if (byte & 0x80) continue;
        if (byte & 0x40 && shift + 7 < 64) value |= ~UINT64_C(0) << (shift + 7);
        return (int64_t)value;
    }
    c->bad = true;
    return 0;
}

static void skip(cursor *c, uint64_t size)
{
    if (size > (uint64_t)(c->end - c->at)) {
        c->bad = true;
        c->at = c->end;
    } else {
        c->at += size;
    }
}

/* The number of an encoded pointer; base for what is relative to the header. Indirect ones only name personality routines, which are not needed. */
static uint64_t take_pointer(cursor *c, uint8_t encoding, const unsigned char *base)
{
    uint64_t place = (uint64_t)(uintptr_t)c->at, value = 0;
    switch (encoding & 0x0f) {
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8: value = take(c, 8); break;
    case PE_UDATA4: value = take(c, 4); break;
    case PE_SDATA4: value = (uint64_t)(int64_t)(int32_t)(uint32_t)take(c, 4); break;
    case PE_UDATA2: value = take(c, 2); break;
    case PE_SDATA2: value = (uint64_t)(int64_t)(int16_t)(uint16_t)take(c, 2); break;
    default: c->bad = true; return 0;
    }
    if ((encoding & 0x70) == PE_PCREL) value += place;
    else if ((encoding & 0x70) == PE_DATAREL) value += (uint64_t)(uintptr_t)base;
    else if ((encoding & 0x70) != 0) c->bad = true;
    return value;
}

static bool inside(const ql__unwind_object *object, uint64_t address)
{
    return address >= (uint64_t)(uintptr_t)object->begin && address < (uint64_t)(uintptr_t)object->end;
}

/* Copies what is mapped at `from`; false: it is not. */
typedef bool (*copy_fn)(const unsigned char *from, void *to, size_t size);

static bool copy_plain(const unsigned char *from, void *to, size_t size)
{
    memcpy(to, from, size);
    return true;
}

/* By the kernel, which says so where nothing is mapped any more. */
static bool copy_checked(const unsigned char *from, void *to, size_t size)
{
    const struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* Where the sorted table of a header begins, and how many rows it has; NULL: of another form. */
static const unsigned char *table_of(const ql__unwind_object *object, copy_fn copy, size_t *count)
{
    unsigned char head[HEADER_BYTES_MAX];
    const unsigned char *header = object->header;
    if (header == NULL || !inside(object, (uint64_t)(uintptr_t)header)) return NULL;
    size_t room = (size_t)(object->end - header), size = room < sizeof head ? room : sizeof head;
    if (!copy(header, head, size)) return NULL;
    cursor c = {head, head + size, false};
    uint64_t version = take(&c, 1);
    uint8_t frame_encoding = (uint8_t)take(&c, 1), count_encoding = (uint8_t)take(&c, 1), table_encoding = (uint8_t)take(&c, 1);
    (void)take_pointer(&c, frame_encoding, header);
    if (c.bad || version != 1 || count_encoding != PE_UDATA4 || table_encoding != (PE_DATAREL | PE_SDATA4)) return NULL;
    *count = (size_t)take(&c, 4);
    size_t used = (size_t)(c.at - head);
    return c.bad || *count == 0 || *count > (room - used) / ROW_BYTES ? NULL : header + used;
}

/* The entry of the last function that begins at or before pc, by the sorted table, and where that is; NULL: none, or a table of another form. */
static inline const unsigned char *find_entry(const ql__unwind_object *object, uintptr_t pc, copy_fn copy, uintptr_t *begin)
{
    size_t count = 0;
    const unsigned char *table = table_of(object, copy, &count), *header = object->header;
    if (table == NULL) return NULL;
    int64_t wanted = (int64_t)(pc - (uintptr_t)header);
    size_t low = 0, high = count; /* the answer is in [low, high) or there is none */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        int32_t start;
        if (!copy(table + middle * ROW_BYTES, &start, sizeof start)) return NULL;
        if (start <= wanted) low = middle;
        else high = middle;
    }
    int32_t found[2]; /* start, entry */
    if (!copy(table + low * ROW_BYTES, found, sizeof found) || found[0] > wanted) return NULL;
    uint64_t address = (uint64_t)(uintptr_t)header + (uint64_t)(int64_t)found[1];
    *begin = (uintptr_t)header + (uintptr_t)(intptr_t)found[0];
    return inside(object, address) ? (const unsigned char *)(uintptr_t)address : NULL;
}

uintptr_t ql__unwind_function_begin(uintptr_t pc)
{
    ql__unwind_object object;
    uintptr_t begin = 0;
    return ql__unwind_object_find(pc, &object) && find_entry(&object, pc, copy_checked, &begin) != NULL ? begin : 0;
}

/* The record at `at` without its length; 64-bit lengths do not occur in what is mapped. */
static cursor record_at(const ql__unwind_object *object, const unsigned char *at)
{
    cursor c = {at, object->end, false};
    uint64_t size = take(&c, 4);
    if (size == 0 || size >= 0xfffffff0u || size > (uint64_t)(c.end - c.at)) c.bad = true;
    else c.end = c.at + size;
    return c;
}

/* What the functions of one compilation have in common; leaves c at its first instruction. */
static bool read_common(program *self, cursor *c)
{
    uint64_t version;
    (void)take(c, 4); /* 0: it is a common record */
    version = take(c, 1);
    const unsigned char *augmentation = c->at;
    while (!c->bad && take(c, 1) != 0) {}
    if (c->bad || (version != 1 && version != 3)) return false;
    self->code_align = take_uleb(c);
    self->data_align = take_sleb(c);
    self->return_column = (uint32_t)(version == 1 ? take(c, 1) : take_uleb(c));
    if (augmentation[0] == '\0') return !c->bad;
    if (augmentation[0] != 'z') return false;
    uint64_t size = take_uleb(c);
    const unsigned char *begin = c->at;
    for (const unsigned char *letter = augmentation + 1; *letter != '\0' && !c->bad; letter++) {
        if (*letter == 'R') self->pointer_encoding = (uint8_t)take(c, 1);
        else if (*letter == 'L') (void)take(c, 1);
        else if (*letter == 'S') self->signal_frame = true;
        else if (*letter == 'P') {
            uint8_t encoding = (uint8_t)take(c, 1);
            (void)take_pointer(c, encoding & 0x7f, NULL);
        } else break; /* 'B' of aarch64 has no data; others are skipped by the size */
    }
    c->at = begin;
    skip(c, size);
    return !c->bad;
}

static void set_rule(program *self, uint64_t reg, rule_kind kind, int64_t value)
{
    if (reg >= QL__UNWIND_REGISTERS) return; /* vector registers and the like */
    self->now.kind[reg] = (uint8_t)kind;
    self->now.value[reg] = value;
}

static void set_expression(program *self, cursor *c, uint64_t reg, rule_kind kind)
{
    set_rule(self, reg, kind, c->at - self->object->begin);
    skip(c, take_uleb(c));
}

static void restore(program *self, uint64_t reg)
{
    if (reg < QL__UNWIND_REGISTERS) set_rule(self, reg, (rule_kind)self->first.kind[reg], self->first.value[reg]);
}

/* Instructions without operands in their first byte. False: not known, the row would be wrong. */
static bool run_extended(program *self, cursor *c, uint8_t code, uint64_t *location)
{
    uint64_t reg;
    switch (code) {
    case 0x00: return true; /* nop */
    case 0x01: *location = take_pointer(c, self->pointer_encoding, NULL); return true;
    case 0x02: *location += take(c, 1) * self->code_align; return true;
    case 0x03: *location += take(c, 2) * self->code_align; return true;
    case 0x04: *location += take(c, 4) * self->code_align; return true;
    case 0x05: reg = take_uleb(c); set_rule(self, reg, RULE_OFFSET, (int64_t)take_uleb(c) * self->data_align); return true;
    case 0x06: restore(self, take_uleb(c)); return true;
    case 0x07: set_rule(self, take_uleb(c), RULE_UNDEFINED, 0); return true;
    case 0x08: set_rule(self, take_uleb(c), RULE_NONE, 0); return true; /* the same value: as nothing said */
    case 0x09: reg = take_uleb(c); set_rule(self, reg, RULE_REGISTER, (int64_t)take_uleb(c)); return true;
    case 0x0a:
        if (self->remembered_count == REMEMBERED_MAX) return false;
        self->remembered[self->remembered_count++] = self->now;
        return true;
    case 0x0b:
        if (self->remembered_count == 0) return false;
        self->now = self->remembered[--self->remembered_count];
        return true;
    case 0x0c:
        self->now.cfa_register = (uint32_t)take_uleb(c);
        self->now.cfa_offset = (int64_t)take_uleb(c);
        self->now.cfa_expression = false;
        return true;
    case 0x0d: self->now.cfa_register = (uint32_t)take_uleb(c); self->now.cfa_expression = false; return true;
    case 0x0e: self->now.cfa_offset = (int64_t)take_uleb(c); return true;
    case 0x0f:
        self->now.cfa_expression = true;
        self->now.cfa_offset = c->at - self->object->begin;
        skip(c, take_uleb(c));
        return true;
    case 0x10: set_expression(self, c, take_uleb(c), RULE_EXPRESSION); return true;
    case 0x11: reg = take_uleb(c); set_rule(self, reg, RULE_OFFSET, take_sleb(c) * self->data_align); return true;
    case 0x12:
        self->now.cfa_register = (uint32_t)take_uleb(c);
        self->now.cfa_offset = take_sleb(c) * self->data_align;
        self->now.cfa_expression = false;
        return true;
    case 0x13: self->now.cfa_offset = take_sleb(c) * self->data_align; return true;
    case 0x14: reg = take_uleb(c); set_rule(self, reg, RULE_VALUE_OFFSET, (int64_t)take_uleb(c) * self->data_align); return true;
    case 0x15: reg = take_uleb(c); set_rule(self, reg, RULE_VALUE_OFFSET, take_sleb(c) * self->data_align); return true;
    case 0x16: set_expression(self, c, take_uleb(c), RULE_VALUE_EXPRESSION); return true;
    case 0x2d: return true; /* aarch64: return addresses are signed from here on, or no more */
    case 0x2e: (void)take_uleb(c); return true; /* GNU: size of arguments on the stack */
    default: return false;
    }
}

/* Runs instructions as long as their location is at or before pc. */
static bool run(program *self, cursor *c, uint64_t location, uint64_t pc)
{
    for (size_t steps = 0; c->at < c->end && !c->bad; steps++) {
        uint8_t byte = (uint8_t)take(c, 1), low = byte & 0x3f;
        if (steps == STEPS_MAX) return false;
        if (byte >> 6 == 1) location += low * self->code_align;
        else if (byte >> 6 == 2) set_rule(self, low, RULE_OFFSET, (int64_t)take_uleb(c) * self->data_align);
        else if (byte >> 6 == 3) restore(self, low);
        else if (!run_extended(self, c, byte, &location)) return false;
        if (location > pc) return true;
    }
    return !c->bad;
}

typedef struct machine {
    const ql__unwind_registers *registers;
    ql__unwind_read_fn read_fn;
    void *user;
    uint64_t values[VALUES_MAX];
    size_t count;
    bool bad;
} machine;

static void put(machine *self, uint64_t value)
{
    if (self->count == VALUES_MAX) self->bad = true;
    else self->values[self->count++] = value;
}

static uint64_t pop(machine *self)
{
    if (self->count > 0) return self->values[--self->count];
    self->bad = true;
    return 0;
}

static uint64_t register_of(machine *self, uint64_t reg)
{
#if defined(__x86_64__)
    if (reg == RETURN_COLUMN) return self->registers->pc;
#endif
    if (reg < QL__UNWIND_REGISTERS && self->registers->known >> reg & 1) return self->registers->value[reg];
    self->bad = true;
    return 0;
}

static void compute(machine *self, uint8_t code)
{
    uint64_t b = pop(self), a = pop(self);
    switch (code) {
    case 0x1a: put(self, a & b); break;
    case 0x1c: put(self, a - b); break;
    case 0x1e: put(self, a * b); break;
    case 0x21: put(self, a | b); break;
    case 0x22: put(self, a + b); break;
    case 0x24: put(self, b < 64 ? a << b : 0); break;
    case 0x25: put(self, b < 64 ? a >> b : 0); break;
    case 0x27: put(self, a ^ b); break;
    case 0x29: put(self, a == b); break;
    case 0x2a: put(self, (int64_t)a >= (int64_t)b); break;
    case 0x2b: put(self, (int64_t)a > (int64_t)b); break;
    case 0x2c: put(self, (int64_t)a <= (int64_t)b); break;
    case 0x2d: put(self, (int64_t)a < (int64_t)b); break;
    case 0x2e: put(self, a != b); break;
    default: self->bad = true;
    }
}

static void load(machine *self)
{
    uintptr_t word = 0;
    if (!self->read_fn(self->user, (uintptr_t)pop(self), &word)) self->bad = true;
    put(self, word);
}

static void compute_one(machine *self, cursor *c, uint8_t code)
{
    uint64_t a, b;
    if (code >= 0x30 && code <= 0x4f) put(self, code - 0x30u);
    else if (code >= 0x50 && code <= 0x6f) put(self, register_of(self, code - 0x50u));
    else if (code >= 0x70 && code <= 0x8f) a = register_of(self, code - 0x70u), put(self, a + (uint64_t)take_sleb(c));
    else switch (code) {
        case 0x06: load(self); break;
        case 0x08: put(self, take(c, 1)); break;
        case 0x09: put(self, (uint64_t)(int64_t)(int8_t)take(c, 1)); break;
        case 0x0a: put(self, take(c, 2)); break;
        case 0x0b: put(self, (uint64_t)(int64_t)(int16_t)take(c, 2)); break;
        case 0x0c: put(self, take(c, 4)); break;
        case 0x0d: put(self, (uint64_t)(int64_t)(int32_t)take(c, 4)); break;
        case 0x0e:
        case 0x0f: put(self, take(c, 8)); break;
        case 0x10: put(self, take_uleb(c)); break;
        case 0x11: put(self, (uint64_t)take_sleb(c)); break;
        case 0x12: a = pop(self), put(self, a), put(self, a); break;
        case 0x13: (void)pop(self); break;
        case 0x16: a = pop(self), b = pop(self), put(self, a), put(self, b); break;
        case 0x23: a = pop(self), put(self, a + take_uleb(c)); break;
        case 0x92: b = register_of(self, take_uleb(c)), put(self, b + (uint64_t)take_sleb(c)); break;
        case 0x96: break;
        default: compute(self, code);
        }
}

/* begin: an offset in the object, where the expression's size and bytes are; pushed: what is on the stack of values before, if it is there. */
static bool evaluate(const program *self, machine *m, int64_t begin, const uint64_t *pushed, uint64_t *out)
{
    cursor c = {self->object->begin + begin, self->object->end, false};
    uint64_t size = take_uleb(&c);
    if (c.bad || size > (uint64_t)(c.end - c.at)) return false;
    c.end = c.at + size;
    m->count = 0;
    m->bad = false;
    if (pushed != NULL) put(m, *pushed);
    for (size_t steps = 0; c.at < c.end; steps++) {
        if (steps == STEPS_MAX) return false;
        compute_one(m, &c, (uint8_t)take(&c, 1));
        if (c.bad || m->bad) return false;
    }
    *out = pop(m);
    return !m->bad;
}

static bool frame_address(const program *self, machine *m, uint64_t *out)
{
    if (self->now.cfa_expression) return evaluate(self, m, self->now.cfa_offset, NULL, out);
    *out = register_of(m, self->now.cfa_register) + (uint64_t)self->now.cfa_offset;
    return !m->bad;
}

/* The caller's value of one register; false: not known. */
static bool caller_register(const program *self, machine *m, uint64_t cfa, uint32_t reg, uintptr_t *out)
{
    const ql__unwind_registers *before = m->registers;
    int64_t rule = self->now.value[reg];
    uint64_t address = 0;
    switch ((rule_kind)self->now.kind[reg]) {
    case RULE_NONE: *out = before->value[reg]; return before->known >> reg & 1;
    case RULE_OFFSET: return m->read_fn(m->user, (uintptr_t)(cfa + (uint64_t)rule), out);
    case RULE_VALUE_OFFSET: *out = (uintptr_t)(cfa + (uint64_t)rule); return true;
    case RULE_REGISTER: m->bad = false; *out = (uintptr_t)register_of(m, (uint64_t)rule); return !m->bad;
    case RULE_EXPRESSION: return evaluate(self, m, rule, &cfa, &address) && m->read_fn(m->user, (uintptr_t)address, out);
    case RULE_VALUE_EXPRESSION: return evaluate(self, m, rule, &cfa, &address) && (*out = (uintptr_t)address, true);
    case RULE_UNDEFINED: break;
    }
    return false;
}

static ql__unwind_outcome apply(const program *self, ql__unwind_registers *registers, ql__unwind_read_fn read_fn, void *user)
{
    if (self->return_column >= QL__UNWIND_REGISTERS) return QL__UNWIND_DAMAGED;
    if (self->now.kind[self->return_column] == RULE_UNDEFINED) return QL__UNWIND_ROOT;
    ql__unwind_registers before = *registers, after = {.exact = self->signal_frame};
    machine m = {.registers = &before, .read_fn = read_fn, .user = user};
    uint64_t cfa;
    if (!frame_address(self, &m, &cfa)) return QL__UNWIND_DAMAGED;
    for (uint32_t reg = 0; reg < QL__UNWIND_REGISTERS; reg++) {
        uintptr_t value;
        if (!caller_register(self, &m, cfa, reg, &value)) continue;
        after.value[reg] = value;
        after.known |= (uint64_t)1 << reg;
    }
    if (self->now.kind[STACK_REGISTER] == RULE_NONE) {
        after.value[STACK_REGISTER] = (uintptr_t)cfa;
        after.known |= (uint64_t)1 << STACK_REGISTER;
    }
    if (!(after.known >> self->return_column & 1) || !(after.known >> STACK_REGISTER & 1)) return QL__UNWIND_DAMAGED;
    after.pc = after.value[self->return_column];
    *registers = after;
    return QL__UNWIND_STEPPED;
}

ql__unwind_outcome ql__unwind_table_step(const ql__unwind_object *object, ql__unwind_registers *registers, ql__unwind_read_fn read_fn, void *user)
{
    uintptr_t pc = registers->exact ? registers->pc : registers->pc - 1;
    uintptr_t first = 0;
    const unsigned char *entry = find_entry(object, pc, copy_plain, &first);
    if (entry == NULL) return QL__UNWIND_NO_TABLE;
    cursor c = record_at(object, entry);
    uint64_t place = (uint64_t)(uintptr_t)c.at, back = take(&c, 4);
    if (c.bad || back == 0 || !inside(object, place - back)) return QL__UNWIND_NO_TABLE;
    program self;
    memset(&self, 0, offsetof(program, remembered));
    self.object = object;
    self.remembered_count = 0;
    self.pointer_encoding = PE_ABSPTR;
    self.signal_frame = false;
    cursor common = record_at(object, (const unsigned char *)(uintptr_t)(place - back));
    if (common.bad || !read_common(&self, &common)) return QL__UNWIND_NO_TABLE;
    uint64_t begin = take_pointer(&c, self.pointer_encoding, NULL), size = take_pointer(&c, self.pointer_encoding & 0x0f, NULL);
    if (c.bad || pc < begin || pc - begin >= size) return QL__UNWIND_NO_TABLE;
    skip(&c, take_uleb(&c)); /* where exceptions are handled; every common record that occurs has 'z' */
    if (!run(&self, &common, begin, UINT64_MAX)) return QL__UNWIND_DAMAGED;
    self.first = self.now;
    /* Of a signal's frame the instruction itself is meant, of a call the one before the return address. */
    if (!run(&self, &c, begin, pc)) return QL__UNWIND_DAMAGED;
    return apply(&self, registers, read_fn, user);
}
