/* The structs behind the public handles. */
#ifndef QL_HANDLES_H
#define QL_HANDLES_H

#include <pthread.h>

#include "embed/embed.h"
#include "model/config.h"
#include "model/extension.h"
#include "prof/metrics.h"
#include "prof/span.h"
#include "store/backend.h"
#include "sys/log.h"
#include "sys/pool.h"
#include "text/analyze.h"
#include <qloader.h>

struct ql_runtime {
    const ql__sys *sys;
    ql__log log;
    ql__pool *pool;
    ql__prof *prof; /* NULL: off */
    ql__metrics *metrics; /* NULL: off; counts through prof */
    ql__extensions extensions;
};

/* A connection for searches, with what one search needs at a time. */
typedef struct ql__reader {
    struct ql__reader *next;
    ql__backend store;
    ql__analyzer *analyzer;
} ql__reader;

struct ql_workspace {
    ql_runtime *runtime;
    ql__config_set *config; /* NULL: opened with data_dir alone */
    char *dir, *data_dir, *model_dir;
    char *embedder_name; /* of a registered one; NULL: the local model */
    const ql__extension *store; /* registered; NULL: the built-in one */
    bool store_named; /* by the application, whatever the configuration says */
    ql__precision precision;

    pthread_mutex_t lock; /* guards idle */
    ql__reader *idle;

    pthread_mutex_t embed_lock; /* one query embedding at a time; an ingest has an embedder of its own */
    const ql_embedder_ops *embedder;
    void *embedder_self;
};

static inline const ql__config *ql__workspace_config(const ql_workspace *self)
{
    return self->config != NULL ? ql__config_get(self->config) : NULL;
}

/* QL_E_UNSUPPORTED, by name, when the configuration chose a store or an embedder that this build lacks. */
ql_status ql__workspace_supported(const ql_workspace *self, ql_error *err);
ql_status ql__workspace_embedder_open(const ql_workspace *self, const ql_embedder_ops **ops, void **out, ql_error *err);
const char *ql__workspace_collection(const ql_workspace *self);
/* Opens the index; for writing it is made when there is none. dims 0, model NULL: whatever is there. */
ql_status ql__workspace_store_open(const ql_workspace *self, bool write, uint32_t dims, const char *model, ql__backend *out, ql_error *err);
/* Passes a status on; where it tells damage of a file of the index, what to do is added. */
ql_status ql__workspace_store_failed(const ql_workspace *self, ql_status status, ql_error *err);
/* The same for reading; *there is false when nothing was ever ingested here. An index that cannot be looked at is there: opening it tells why. */
ql_status ql__workspace_store_read(const ql_workspace *self, uint32_t dims, const char *model, ql__backend *out, bool *there, ql_error *err);

/* What a caller's options mean: defaults filled in, what cannot be refused. given may be NULL. */
ql_status ql__ingest_options_read(const ql_ingest_options *given, ql_ingest_options *options, ql_error *err);
/* That the text of a query is there; what it holds is looked at by the search. */
ql_status ql__query_check(ql_str query, ql_error *err);
ql_status ql__search_options_read(const ql_search_options *given, ql_search_options *options, ql_error *err);

/* A configured source, opened for this workspace. */
typedef struct ql__open_source {
    const ql_source_ops *ops;
    void *self;
    ql_buf cache_dir, logs_dir; /* the source borrows them */
} ql__open_source;

/* Why this build cannot read a source type; NULL: it can. */
const char *ql__source_unsupported(ql__source_type type);
/* cancelled_fn is asked during long work of the source and may be NULL. Nothing is left to close after a failure. */
ql_status ql__workspace_source_open(const ql_workspace *self, ql_str project, const ql__config_source *config, int (*cancelled_fn)(void *user), void *user,
                                    ql__open_source *out, ql_error *err);
ql_status ql__workspace_source_check(const ql_workspace *self, ql_str project, const ql__config_source *config, ql_error *err);
/* QL_DONE: it is on this machine, and nothing was asked over the network. Also for types this build does not read. */
ql_status ql__workspace_source_reach(const ql_workspace *self, const ql__config_source *config, ql_error *err);
void ql__workspace_source_close(ql__open_source *self);

#endif
