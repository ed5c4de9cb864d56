/*
 * An application's embedder as the library calls it: one call at a time, however many threads ask, and vectors that are finite and of unit length.
 */
#ifndef QL_EXTENSION_EMBEDDER_H
#define QL_EXTENSION_EMBEDDER_H

#include "model/extension.h"
#include <qloader/embed.h>

/* *ops with *self; close_fn does nothing, since the embedder is the runtime's. QL_E_NOTFOUND; QL_E_INVALID (what model_fn or dims_fn says is unusable). */
ql_status ql__extension_embedder_open(const ql__extensions *extensions, const char *name, const ql_embedder_ops **ops, void **self, ql_error *err);

#endif
