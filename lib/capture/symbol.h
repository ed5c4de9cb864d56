/*
 * Names of code: from an ELF file and an address in it to function, file, line and the functions inlined there. Lines and inlined functions come from DWARF
 * (elfutils' libdw, opened on first use, in the file itself or its detached debug file below /usr/lib/debug; nothing is fetched), names without it from the
 * symbol table. A file of another build id than the capture's is refused. One thread at a time per object.
 */
#ifndef QL_SYMBOL_H
#define QL_SYMBOL_H

#include "sys/file.h"

typedef struct ql__symbol_file ql__symbol_file;

typedef struct ql__symbol_frame {
    ql_str function;     /* empty: not known. Borrowed until the next look-up */
    ql_str file;
    uint32_t line, start_line; /* 0: not known */
} ql__symbol_frame;

/*
 * build_id: raw bytes; empty: not checked. lines: ask libdw, too, which ends the process where memory runs out; else there are names alone. QL_E_NOTFOUND, QL_E_IO, QL_E_FORMAT (no ELF file of 64 bits of this machine's order), QL_E_MISMATCH (another
 * build), QL_E_LIMIT (larger than QL_LIMIT_ELF_BYTES), QL_E_NOMEM.
 */
ql_status ql__symbol_file_open(const ql__sys *sys, const char *path, ql_str build_id, bool lines, ql__symbol_file **out, ql_error *err);
void ql__symbol_file_close(ql__symbol_file *self); /* NULL is fine */
bool ql__symbol_file_has_lines(const ql__symbol_file *self);
/*
 * The functions at an address (as in the symbol table), innermost inlined one first; returns how many of frames[capacity] are filled, 0: nothing is known.
 */
size_t ql__symbol_find(ql__symbol_file *self, uint64_t address, ql__symbol_frame *frames, size_t capacity);

#endif
