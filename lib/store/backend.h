/*
 * A store behind its table, whoever wrote it: what ingest, search and the public functions see of one. What an application's store
 * answers is checked. A backend is one connection: one thread at a time.
 */
#ifndef QL_BACKEND_H
#define QL_BACKEND_H

#include "sys/file.h"
#include "sys/log.h"
#include "text/analyze.h"
#include <qloader/store.h>

typedef struct ql__backend {
    const ql_store_ops *ops; /* NULL: not open */
    void *store;
    bool checked;            /* nothing that it answers is taken on trust */
    ql__analyzer *analyzer;  /* behind `words` */
    ql_store_words words;
} ql__backend;

/* Which store. */
typedef struct ql__backend_choice {
    const ql_store_ops *ops;
    void *user;   /* for open_fn */
    bool checked; /* the application's */
} ql__backend_choice;

/* The built-in store; its open_fn gets a ql__store_host, and looks at no words. */
typedef struct ql__store_host {
    const ql__sys *sys;
    ql__log *log;
} ql__store_host;
const ql_store_ops *ql__store_embedded(void);

/* QL_E_MISMATCH, too, when it holds vectors of another model. self stays where it is while it is open; texts of settings end with a NUL. */
ql_status ql__backend_open(ql__backend *self, const ql__backend_choice *choice, const ql_store_settings *settings, ql_error *err);
void ql__backend_close(ql__backend *self); /* also one that is not open */

/* As the members of ql_store_ops; optional ones that are missing answer QL_OK. */
ql_status ql__backend_check(const ql__backend *self, ql_error *err);
ql_status ql__backend_begin(const ql__backend *self, ql_error *err);
ql_status ql__backend_replace(const ql__backend *self, const ql_store_document *document, ql_error *err);
ql_status ql__backend_touch(const ql__backend *self, ql_str id, const ql_store_document *facts, ql_error *err);
ql_status ql__backend_remove(const ql__backend *self, ql_str id, ql_error *err);
ql_status ql__backend_commit(const ql__backend *self, ql_error *err);
void ql__backend_rollback(const ql__backend *self);
ql_status ql__backend_clear(const ql__backend *self, ql_error *err);
ql_status ql__backend_compact(const ql__backend *self, ql_error *err);
ql_status ql__backend_facts(const ql__backend *self, ql_store_facts *out, ql_error *err);
ql_status ql__backend_known(const ql__backend *self, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err);
ql_status ql__backend_owners(const ql__backend *self, const ql_str *ids, size_t count, ql_store_owner_fn fn, void *user, ql_error *err);
ql_status ql__backend_source_done(const ql__backend *self, const ql_store_source *source, ql_error *err);
ql_status ql__backend_source_forget(const ql__backend *self, ql_str project, ql_str source_type, ql_str source, ql_error *err);
ql_status ql__backend_sources(const ql__backend *self, ql_store_source_fn fn, void *user, ql_error *err);
bool ql__backend_can_verify(const ql__backend *self);
ql_status ql__backend_verify(const ql__backend *self, ql_error *err);

typedef struct ql__backend_view {
    const ql__backend *backend; /* NULL: not open */
    ql_store_view view;
} ql__backend_view;

ql_status ql__backend_view_open(const ql__backend *self, ql__backend_view *out, ql_error *err);
void ql__backend_view_close(ql__backend_view *self); /* also one that is not open */
/* Matches come sorted by slot. */
ql_status ql__backend_find(const ql__backend_view *self, const ql_store_query *query, ql_store_found *out, ql_error *err);
/* UINT64_MAX where the store cannot tell. */
ql_status ql__backend_passing(const ql__backend_view *self, const ql_filter *filter, uint64_t *out, ql_error *err);
/* out (count); one that is gone has no id. */
ql_status ql__backend_chunks(const ql__backend_view *self, const uint64_t *slots, size_t count, ql_arena *arena, ql_stored_chunk *out, ql_error *err);

#endif
