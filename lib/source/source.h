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
    const char *own_dirs[2];         /* index and logs: never documents, whatever folder holds them. May be NULL */
    int (*cancelled_fn)(void *user); /* polled during long work; non-zero: stop with QL_E_CANCELLED. May be NULL */
    void *user;
} ql__source_options;

/* Of the configured type; QL_E_UNSUPPORTED with a sentence when this build has no such source. */
ql_status ql__source_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err);
/* Whether the source could be listed, as far as that shows without the network and without reading much. */
ql_status ql__source_check(const ql__source_options *options, ql_error *err);
/*
 * Whether a place elsewhere answers, over the network; QL_DONE: it is on this machine, nothing was asked. For git also whether it lets us in and
 * has the branch; for types this build does not read, any answer of the web server at base_url is one.
 */
ql_status ql__source_reach(const ql__source_options *options, ql_error *err);
/* Opens libgit2 and writes its version ("1.9.1"); QL_E_UNSUPPORTED: the module is not installed. */
ql_status ql__source_git_version(char version[24], ql_error *err);
ql_status ql__source_localfile_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err);
ql_status ql__source_git_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err);
ql_status ql__source_git_check(const ql__source_options *options, ql_error *err);
ql_status ql__source_git_reach(const ql__source_options *options, ql_error *err);

/* The end of every _open: hands out table and self, or closes self and passes the failure on. */
ql_status ql__source_opened(ql_status status, const ql_source_ops *table, void *self, const ql_source_ops **ops, void **out);
/* Reports to the receiver of a listing. QL_E_CALLBACK: it wants no more. */
ql_status ql__sink_item(const ql_source_sink *sink, const ql_item *item, ql_error *err);
ql_status ql__sink_skipped(const ql_source_sink *sink, ql_str url, ql_str reason, ql_error *err);

#endif
