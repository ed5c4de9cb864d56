/* Names of C++ functions as people write them, by the C++ library where there is one (opened on first use). Thread-safe. */
#ifndef QL_DEMANGLE_H
#define QL_DEMANGLE_H

#include <qloader/base.h>

typedef struct ql__demangler {
    char *(*demangle_fn)(const char *name, char *buffer, size_t *length, int *status); /* NULL: there is none */
    bool looked;
} ql__demangler;

/* Appends the name of an "_Z..." symbol as written in the source, any other text as it is. out's status tells a failure. */
void ql__demangle(ql__demangler *self, ql_str name, ql_buf *out);

#endif
