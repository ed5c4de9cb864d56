/*
 * From an address to lines and inlined functions, by libdw: the unit of the address, the scopes around it (DWARF 5, 3.3.8: an inlined subroutine lies in the
 * function it was inlined into), and its row of the line table. gcc's libbacktrace is no help here: its state can never be freed, and it reads the files
 * of the process it runs in. Threads: one per object. Cost: a walk of the unit's tree for each address.
 */
#include "capture/debug_info.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/dynlib.h"

#define LIBDW_SONAME "libdw.so.1"
#define LIBDW_FUNCTIONS(X) \
    X(dwarf_begin) X(dwarf_end) X(dwarf_addrdie) X(dwarf_get_units) X(dwarf_haspc) X(dwarf_child) X(dwarf_siblingof) X(dwarf_getscopes_die) X(dwarf_tag) X(dwarf_diename) \
    X(dwarf_decl_line) X(dwarf_decl_file) X(dwarf_attr) X(dwarf_formudata) X(dwarf_getsrc_die) X(dwarf_linesrc) X(dwarf_lineno) X(dwarf_getsrcfiles) X(dwarf_filesrc)

typedef struct libdw_functions {
#define LIBDW_MEMBER(name) __typeof__(&name) name;
    LIBDW_FUNCTIONS(LIBDW_MEMBER)
#undef LIBDW_MEMBER
} libdw_functions;

struct ql__debug_info {
    libdw_functions fn;
    Dwarf *dwarf;
};

static ql_status load_functions(libdw_functions *out, ql_error *err)
{
#define LIBDW_NAME(name) #name,
    static const char *const names[] = {LIBDW_FUNCTIONS(LIBDW_NAME)};
#undef LIBDW_NAME
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof *out == sizeof found, "one pointer per name");
    QL_TRY(ql__dynlib_load(LIBDW_SONAME, names, sizeof names / sizeof *names, found, err));
    memcpy(out, found, sizeof found);
    return QL_OK;
}

/* Some unit that has code: a file may have the sections and nothing in them, or only what is shared with others. */
static bool has_units(const ql__debug_info *self)
{
    Dwarf_CU *unit = NULL;
    return self->fn.dwarf_get_units(self->dwarf, NULL, &unit, NULL, NULL, NULL, NULL) == 0;
}

ql_status ql__debug_info_open(int fd, ql__debug_info **out, ql_error *err)
{
    ql__debug_info *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    ql_status status = load_functions(&self->fn, err);
    if (status >= 0) {
        self->dwarf = self->fn.dwarf_begin(fd, DWARF_C_READ);
        if (self->dwarf == NULL || !has_units(self)) status = ql__fail(err, QL_E_NOTFOUND, "the file has no debug information");
    }
    if (status < 0) {
        ql__debug_info_close(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__debug_info_close(ql__debug_info *self)
{
    if (self == NULL) return;
    if (self->dwarf != NULL) (void)self->fn.dwarf_end(self->dwarf);
    ql__free(self);
}

/* Compilers other than gcc write no table of addresses: then every unit is asked. */
static bool unit_of(const ql__debug_info *self, uint64_t address, Dwarf_Die *out)
{
    if (self->fn.dwarf_addrdie(self->dwarf, address, out) != NULL) return true;
    Dwarf_CU *unit = NULL;
    while (self->fn.dwarf_get_units(self->dwarf, unit, &unit, NULL, NULL, out, NULL) == 0)
        if (self->fn.dwarf_haspc(out, address) > 0) return true;
    return false;
}

static uint32_t number_of(const ql__debug_info *self, Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (self->fn.dwarf_attr(die, name, &attribute) == NULL || self->fn.dwarf_formudata(&attribute, &value) != 0 || value > UINT32_MAX) return 0;
    return (uint32_t)value;
}

static ql_str file_of_number(const ql__debug_info *self, Dwarf_Die *unit, uint32_t number)
{
    Dwarf_Files *files = NULL;
    size_t count = 0;
    if (self->fn.dwarf_getsrcfiles(unit, &files, &count) != 0 || number >= count) return (ql_str){0};
    return ql_str_of(self->fn.dwarf_filesrc(files, number, NULL, NULL));
}

static void name_frame(const ql__debug_info *self, Dwarf_Die *die, ql__symbol_frame *frame)
{
    int line = 0;
    frame->function = ql_str_of(self->fn.dwarf_diename(die));
    if (self->fn.dwarf_decl_line(die, &line) == 0 && line > 0) frame->start_line = (uint32_t)line;
    if (frame->file.len == 0) frame->file = ql_str_of(self->fn.dwarf_decl_file(die));
}

/* Scopes from the innermost outwards; each inlined one says where it was called. */
static size_t frames_of_scopes(const ql__debug_info *self, Dwarf_Die *unit, Dwarf_Die *scopes, int count, ql__symbol_frame *frames, size_t capacity)
{
    size_t filled = 0;
    for (int i = 0; i < count; i++) {
        int tag = self->fn.dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) continue;
        name_frame(self, &scopes[i], &frames[filled++]);
        if (tag == DW_TAG_subprogram || filled == capacity) break;
        frames[filled] = (ql__symbol_frame){.file = file_of_number(self, unit, number_of(self, &scopes[i], DW_AT_call_file)),
                                            .line = number_of(self, &scopes[i], DW_AT_call_line)};
    }
    return filled;
}

#define SCOPES_MAX 128 /* nested blocks: a tree without end is no program's */

/*
 * The innermost scope that holds the address. Not dwarf_getscopes(): where link-time optimisation put an inlined function's definition into another
 * unit, it finds nothing.
 */
static bool innermost(const ql__debug_info *self, Dwarf_Die *around, uint64_t address, Dwarf_Die *out)
{
    bool found = false;
    Dwarf_Die parent = *around, child;
    for (int depth = 0; depth < SCOPES_MAX && self->fn.dwarf_child(&parent, &child) == 0; depth++) {
        bool inside = false;
        do {
            int tag = self->fn.dwarf_tag(&child);
            if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) continue;
            inside = self->fn.dwarf_haspc(&child, address) > 0;
        } while (!inside && self->fn.dwarf_siblingof(&child, &child) == 0);
        if (!inside) break;
        *out = parent = child;
        found = true;
    }
    return found;
}

size_t ql__debug_info_find(ql__debug_info *self, uint64_t address, ql__symbol_frame *frames, size_t capacity)
{
    Dwarf_Die unit, inner, *around = NULL;
    if (capacity == 0 || !unit_of(self, address, &unit)) return 0;
    frames[0] = (ql__symbol_frame){0};
    Dwarf_Line *line = self->fn.dwarf_getsrc_die(&unit, address);
    int number = 0;
    if (line != NULL && self->fn.dwarf_lineno(line, &number) == 0 && number > 0) {
        frames[0].line = (uint32_t)number;
        frames[0].file = ql_str_of(self->fn.dwarf_linesrc(line, NULL, NULL));
    }
    size_t filled = 0;
    if (innermost(self, &unit, address, &inner)) {
        int outer = self->fn.dwarf_getscopes_die(&inner, &around);
        if (outer > 0) filled = frames_of_scopes(self, &unit, around, outer, frames, capacity);
    }
    free(around);
    return filled > 0 ? filled : frames[0].line > 0 ? 1 : 0;
}
