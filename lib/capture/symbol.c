/*
 * Names of code from whatever knows them: DWARF of the file, of its detached debug file, else the symbol table. Invariant: `image` is open; a debug file is
 * used only when its build id is the image's. Threads: one per object. Cost: see debug_info.c.
 */
#include "capture/symbol.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/debug_info.h"
#include "capture/elf_image.h"
#include "dep/digest.h"

#define DEBUG_FOLDER "/usr/lib/debug/.build-id"

struct ql__symbol_file {
    const ql__sys *sys;
    ql__elf_image image;
    int debug_fd; /* of the detached file, -1: none */
    ql__debug_info *debug; /* NULL: names only */
};

/* The file that the distribution's debug package has for this build. */
static ql_status open_detached(ql__symbol_file *self, ql_error *err)
{
    char hex[2 * 64 + 1], path[sizeof DEBUG_FOLDER + sizeof hex + 16];
    ql_str id = self->image.build_id;
    if (id.len < 2 || id.len > 64) return ql__fail(err, QL_E_NOTFOUND, "no debug file");
    ql__hex((const uint8_t *)id.ptr, id.len, hex);
    (void)snprintf(path, sizeof path, "%s/%.2s/%s.debug", DEBUG_FOLDER, hex, hex + 2);
    ql__elf_image detached;
    QL_TRY(ql__elf_open(self->sys, path, &detached, err));
    bool same = ql_str_equal(detached.build_id, id);
    ql__elf_close(&detached);
    if (!same) return ql__fail(err, QL_E_MISMATCH, "'%s' is of another build", path);
    QL_TRY(ql__file_open(self->sys, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &self->debug_fd, err));
    return ql__debug_info_open(self->debug_fd, &self->debug, err);
}

/* Only the end of memory fails: without debug information there are names still. */
static ql_status open_debug(ql__symbol_file *self, ql_error *err)
{
    ql_error detail = {0};
    ql_status status = ql__debug_info_open(self->image.fd, &self->debug, &detail);
    if (ql_status_kind(status) == QL_E_NOTFOUND) status = open_detached(self, &detail);
    return ql_status_kind(status) == QL_E_NOMEM ? ql__fail_nomem(err) : QL_OK;
}

ql_status ql__symbol_file_open(const ql__sys *sys, const char *path, ql_str build_id, bool lines, ql__symbol_file **out, ql_error *err)
{
    ql__symbol_file *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->sys = sys;
    self->debug_fd = -1;
    self->image.fd = -1;
    ql_status status = ql__elf_open(sys, path, &self->image, err);
    if (status >= 0 && build_id.len > 0 && !ql_str_equal(self->image.build_id, build_id))
        status = ql__fail(err, QL_E_MISMATCH, "'%s' is of another build than the one that was captured", path);
    if (status >= 0 && lines) status = open_debug(self, err);
    if (status < 0) {
        ql__symbol_file_close(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__symbol_file_close(ql__symbol_file *self)
{
    if (self == NULL) return;
    ql__debug_info_close(self->debug);
    if (self->debug_fd >= 0) ql__file_close(self->sys, self->debug_fd);
    ql__elf_close(&self->image);
    ql__free(self);
}

bool ql__symbol_file_has_lines(const ql__symbol_file *self)
{
    return self->debug != NULL;
}

size_t ql__symbol_find(ql__symbol_file *self, uint64_t address, ql__symbol_frame *frames, size_t capacity)
{
    size_t count = self->debug != NULL ? ql__debug_info_find(self->debug, address, frames, capacity) : 0;
    if (capacity == 0 || (count > 0 && frames[count - 1].function.len > 0)) return count;
    const ql__elf_function *function = ql__elf_find(&self->image, address);
    if (function == NULL) return count;
    if (count == 0) frames[0] = (ql__symbol_frame){0};
    count = count > 0 ? count : 1;
    frames[count - 1].function = ql__elf_name(&self->image, function);
    return count;
}
