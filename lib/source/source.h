/* The built-in sources. Each opens as a table of functions (qloader/source.h) and an object. */
#ifndef QL_SOURCE_INTERNAL_H
#define QL_SOURCE_INTERNAL_H

#include "model/config.h"
#include <qloader/source.h>

typedef struct ql__source_options {
    const ql__config_source *config; /* outlives the source */
    const ql__sys *sys;
    ql__log *log;
    const char *cache_dir;           /* where clones live between runs; made on demand */
    int (*cancelled_fn)(void *user); /* polled during long work; non-zero: stop with QL_E_CANCELLED. May be NULL */
    void *user;
} ql__source_options;

ql_status ql__source_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err);
/* The source type as the store names it; an unsupported type answers QL_E_UNSUPPORTED with a sentence. */
ql_status ql__source_localfile_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err);
ql_status ql__source_git_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err);

#endif
