/*
 * DWARF through elfutils' libdw (LGPL-3+, opened on first use from where the system has it): lines and inlined functions of an ELF file. One thread at a time
 * per object; libdw keeps what it has read until the object is closed.
 */
#ifndef QL_DEBUG_INFO_H
#define QL_DEBUG_INFO_H

#include "capture/symbol.h"

typedef struct ql__debug_info ql__debug_info;

/* fd: of the file, stays the caller's and open for the life of the object. QL_E_NOTFOUND: no DWARF in it; QL_E_UNSUPPORTED: no libdw; QL_E_NOMEM. */
ql_status ql__debug_info_open(int fd, ql__debug_info **out, ql_error *err);
void ql__debug_info_close(ql__debug_info *self); /* NULL is fine */
/* As ql__symbol_find. */
size_t ql__debug_info_find(ql__debug_info *self, uint64_t address, ql__symbol_frame *frames, size_t capacity);

#endif
