/*
 * Addresses to names, once for each address: all that occur are sorted by file, each file is opened once, asked for all its addresses and closed, so
 * the debug information of one file at a time is in memory. What has no name is called by its file: "[libfoo.so.1]".
 * Threads: one. Cost: that of the symbols, see debug_info.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/allocators.h"
#include "capture/demangle.h"
#include "capture/read_internal.h"
#include "capture/symbol.h"

typedef struct address {
    uint64_t pc;
    uint32_t module;   /* index + 1 */
    uint32_t location; /* of the profile */
} address;

static int compare_addresses(const void *left, const void *right)
{
    const address *a = left, *b = right;
    if (a->module != b->module) return a->module < b->module ? -1 : 1;
    return a->pc < b->pc ? -1 : a->pc > b->pc;
}

static size_t unique_addresses(const ql__reader *self, address *out)
{
    for (size_t i = 0; i < self->raw_frames_count; i++) out[i] = (address){self->raw_frames[i].pc, self->raw_frames[i].module, 0};
    qsort(out, self->raw_frames_count, sizeof *out, compare_addresses);
    size_t kept = 0;
    for (size_t i = 0; i < self->raw_frames_count; i++)
        if (kept == 0 || compare_addresses(&out[kept - 1], &out[i]) != 0) out[kept++] = out[i];
    return kept;
}

/* --- names ------------------------------------------------------------------------------------------------------------------------------ */

/* "[libfoo.so.1]", or "[unknown]" where there is no file. */
static ql_status nameless_function(ql__reader *self, uint32_t module_path, uint32_t *function, ql_error *err)
{
    ql_str base = ql__path_base(ql__profile_text(self->profile, module_path));
    ql__profile_function row = {.module = module_path};
    ql_buf name;
    ql_buf_init(&name, QL_LIMIT_BUF_BYTES);
    bool bracketed = base.len > 0 && base.ptr[0] == '['; /* "[vdso]" */
    if (!bracketed) (void)ql_buf_append_char(&name, '[');
    (void)ql_buf_append(&name, base.len > 0 ? base : QL_STR("unknown"));
    if (!bracketed) (void)ql_buf_append_char(&name, ']');
    ql_status status = name.status < 0 ? ql__fail_status(err, name.status) : ql__profile_string(self->profile, ql_buf_str(&name), &row.name, err);
    ql_buf_dispose(&name);
    return status < 0 ? status : ql__profile_function_add(self->profile, &row, function, err);
}

static ql_status add_nameless(ql__reader *self, address *at, ql_error *err)
{
    ql__profile_line line = {0};
    QL_TRY(nameless_function(self, at->module != 0 ? self->profile->modules[at->module - 1].path : 0, &line.function, err));
    return ql__profile_location_add(self->profile, at->module, at->pc, &line, 1, &at->location, err);
}

/* A name that debug information or a symbol table has; those of C++ as they are written in the source. */
static ql_status name_of_symbol(ql__reader *self, ql_str symbol, uint32_t *name, ql_error *err)
{
    ql_buf text;
    ql_buf_init(&text, QL_LIMIT_BUF_BYTES);
    ql__demangle(&self->demangler, symbol, &text);
    ql_status status = text.status < 0 ? ql__fail_status(err, text.status) : ql__profile_string(self->profile, ql_buf_str(&text), name, err);
    ql_buf_dispose(&text);
    return status;
}

static ql_status add_named(ql__reader *self, ql__symbol_file *symbols, address *at, ql_error *err)
{
    ql__symbol_frame frames[QL_LIMIT_PROFILE_INLINED];
    ql__profile_line lines[QL_LIMIT_PROFILE_INLINED] = {0};
    ql__profile_module *module = &self->profile->modules[at->module - 1];
    size_t count = ql__symbol_find(symbols, at->pc - module->load_bias, frames, QL_LIMIT_PROFILE_INLINED);
    if (count == 0) return add_nameless(self, at, err);
    for (size_t i = 0; i < count; i++) {
        ql__profile_function function = {.module = module->path, .start_line = frames[i].start_line};
        if (frames[i].function.len == 0) QL_TRY(nameless_function(self, module->path, &lines[i].function, err));
        else {
            QL_TRY(name_of_symbol(self, frames[i].function, &function.name, err));
            QL_TRY(ql__profile_string(self->profile, frames[i].file, &function.file, err));
            QL_TRY(ql__profile_function_add(self->profile, &function, &lines[i].function, err));
        }
        lines[i].line = frames[i].line;
        module->has_functions = true;
        if (frames[i].line != 0) module->has_lines = true;
    }
    return ql__profile_location_add(self->profile, at->module, at->pc, lines, count, &at->location, err);
}

/* --- files ------------------------------------------------------------------------------------------------------------------------------ */

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

/* NULL in *out, and a note that says why, when the file cannot be used. */
static ql_status open_symbols(ql__reader *self, const ql__profile_module *module, ql__symbol_file **out, ql_error *err)
{
    char id[64];
    ql_str path = ql__profile_text(self->profile, module->path), hex = ql__profile_text(self->profile, module->build_id);
    size_t length = hex.len / 2 <= sizeof id ? hex.len / 2 : 0;
    for (size_t i = 0; i < length; i++) id[i] = (char)(digit_of(hex.ptr[2 * i]) << 4 | digit_of(hex.ptr[2 * i + 1]));
    *out = NULL;
    if (!self->options->symbols || path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, '\0', path.len) != NULL) return QL_OK;
    ql_error detail = {0};
    ql_status status = length == 0 ? ql__fail(&detail, QL_E_MISMATCH, "'%s' had no build id when it was captured: it cannot be told whether it is still the same", path.ptr)
                                   : ql__symbol_file_open(self->sys, path.ptr, (ql_str){id, length}, !self->options->names_alone, out, &detail);
    if (status >= 0) return QL_OK;
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    return ql__profile_note(self->profile, QL_STR("symbols"), ql_str_of(detail.message), err);
}

static ql_status name_addresses(ql__reader *self, address *all, size_t count, ql_error *err)
{
    for (size_t first = 0, end; first < count; first = end) {
        ql__symbol_file *symbols = NULL;
        ql_status status = QL_OK;
        for (end = first; end < count && all[end].module == all[first].module; end++) continue;
        if (all[first].module != 0) {
            const ql__profile_module module = self->profile->modules[all[first].module - 1];
            status = open_symbols(self, &module, &symbols, err);
        }
        for (size_t i = first; i < end && status >= 0; i++) status = symbols != NULL ? add_named(self, symbols, &all[i], err) : add_nameless(self, &all[i], err);
        ql__symbol_file_close(symbols);
        QL_TRY(status);
    }
    return QL_OK;
}

/* --- stacks ----------------------------------------------------------------------------------------------------------------------------- */

/* A frame in code made at run time: its name is all there is. */
static ql_status generated_location(ql__reader *self, const ql__raw_stack *raw, uint32_t *location, ql_error *err)
{
    ql__profile_function function = {.name = raw->kernel};
    ql__profile_line line = {0};
    if (self->profile->strings[raw->kernel].len == 0) QL_TRY(ql__profile_string(self->profile, QL_STR("[generated code]"), &function.name, err));
    QL_TRY(ql__profile_function_add(self->profile, &function, &line.function, err));
    return ql__profile_location_add(self->profile, 0, 0, &line, 1, location, err);
}

static ql_str name_of_line(const ql__profile *profile, const ql__profile_location *location, uint32_t line)
{
    return ql__profile_text(profile, profile->functions[profile->lines[location->line_first + line].function].name);
}

/* How many lines from the leaf on lie before a malloc that is near it: what a program's own malloc tells the hooks with. */
static uint32_t lines_below_malloc(const ql__profile *profile, const uint32_t *locations, uint32_t count)
{
    uint32_t passed = 0;
    for (uint32_t i = 0; i < count; i++) {
        const ql__profile_location *location = &profile->locations[locations[i]];
        for (uint32_t line = 0; line < location->line_count; line++, passed++) {
            if (passed == QL__ALLOCATOR_DEPTH) return 0;
            if (ql__allocator_is_malloc(name_of_line(profile, location, line))) return passed;
        }
    }
    return 0;
}

/* How many lines at the beginning of a location are of the allocator; `below` of them are so whatever they are called. */
static uint32_t allocator_lines(const ql__profile *profile, const ql__profile_location *location, uint32_t *below, ql__allocator_walk *walk)
{
    uint32_t count = 0;
    for (; count < location->line_count; count++) {
        if (*below > 0) (*below)--;
        else if (!ql__allocator_has(walk, name_of_line(profile, location, count))) break;
    }
    return count;
}

/*
 * Drops the frames of the allocator from the leaf on, so that whoever called it is the place in every output. *count falls; the location that is first then may be
 * a part of one, where the allocator is inlined. A stack of nothing else stays as it is.
 */
static ql_status drop_allocator(ql__reader *self, uint32_t *locations, uint32_t *count, ql_error *err)
{
    ql__profile *profile = self->profile;
    ql__allocator_walk walk = {0};
    uint32_t below = lines_below_malloc(profile, locations, *count);
    for (uint32_t first = 0; first < *count; first++) {
        const ql__profile_location location = profile->locations[locations[first]];
        uint32_t lines = allocator_lines(profile, &location, &below, &walk);
        if (lines == location.line_count) continue;
        if (lines > 0) {
            ql__profile_line rest[QL_LIMIT_PROFILE_INLINED];
            memcpy(rest, profile->lines + location.line_first + lines, (location.line_count - lines) * sizeof *rest);
            QL_TRY(ql__profile_location_add(profile, location.module, location.address, rest, location.line_count - lines, &locations[first], err));
        }
        *count -= first;
        memmove(locations, locations + first, *count * sizeof *locations);
        return QL_OK;
    }
    return QL_OK;
}

static ql_status add_stack(ql__reader *self, const address *all, size_t addresses, ql__raw_stack *raw, ql_error *err)
{
    uint32_t locations[QL__QPROF_FRAMES_MAX], count = raw->count;
    for (uint32_t i = 0; i < raw->count; i++) {
        const ql__raw_frame *frame = &self->raw_frames[raw->first + i];
        const address key = {frame->pc, frame->module, 0};
        const address *found = bsearch(&key, all, addresses, sizeof *all, compare_addresses);
        locations[i] = found->location; /* every frame is among them */
        if (i == 0 && (raw->flags & QL__QPROF_STACK_GENERATED) != 0) QL_TRY(generated_location(self, raw, &locations[0], err));
    }
    if ((raw->flags & QL__QPROF_STACK_CALL) != 0) QL_TRY(drop_allocator(self, locations, &count, err));
    return ql__profile_stack_add(self->profile, locations, count, (raw->flags & QL__QPROF_STACK_TRUNCATED) != 0, &raw->stack, err);
}

ql_status ql__read_code(ql__reader *self, ql_error *err)
{
    address *all = ql__alloc_zero(self->raw_frames_count, sizeof *all);
    if (all == NULL) return ql__fail_nomem(err);
    size_t count = unique_addresses(self, all);
    ql_status status = name_addresses(self, all, count, err);
    for (size_t i = 0; i < self->raw_stacks_count && status >= 0; i++) status = add_stack(self, all, count, &self->raw_stacks[i], err);
    ql__free(all);
    return status;
}
