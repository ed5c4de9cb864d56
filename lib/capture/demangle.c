/*
 * The Itanium C++ ABI's own function for names, __cxa_demangle of libstdc++. What it cannot read, and what is longer than a name should be, stays as it is.
 * Threads: any, with one object each. Cost: libstdc++'s.
 */
#include "capture/demangle.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dep/dynlib.h"

#define CXX_SONAME "libstdc++.so.6"
#define NAME_BYTES_MAX 4096 /* names of others: those of templates reach some hundred */

static void look(ql__demangler *self)
{
    static const char *const names[] = {"__cxa_demangle"};
    void *found = NULL;
    self->looked = true;
    if (ql__dynlib_load(CXX_SONAME, names, 1, &found, NULL) >= 0) memcpy(&self->demangle_fn, &found, sizeof found);
}

void ql__demangle(ql__demangler *self, ql_str name, ql_buf *out)
{
    char text[NAME_BYTES_MAX + 1];
    bool is_mangled = name.len > 2 && name.len <= NAME_BYTES_MAX && memcmp(name.ptr, "_Z", 2) == 0 && memchr(name.ptr, '\0', name.len) == NULL;
    if (is_mangled && !self->looked) look(self);
    if (!is_mangled || self->demangle_fn == NULL) {
        (void)ql_buf_append(out, name);
        return;
    }
    int status = 0;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    char *made = self->demangle_fn(text, NULL, NULL, &status);
    (void)ql_buf_append(out, status == 0 && made != NULL ? ql_str_of(made) : name);
    free(made); /* of the C library's memory, by the ABI */
}
