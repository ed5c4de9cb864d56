/*
 * What an application added to a runtime: types of sources, converters, chunkers, embedders, rerankers, stores. A list a kind, in the order of registration; nothing is
 * added once the first workspace was opened, so that readers need no lock.
 */
#ifndef QL_EXTENSION_H
#define QL_EXTENSION_H

#include <pthread.h>
#include <stdatomic.h>

#include <qloader/base.h>

typedef enum ql__extension_kind {
    QL__EXTENSION_SOURCE, /* a type of sources */
    QL__EXTENSION_CONVERTER,
    QL__EXTENSION_CHUNKER,
    QL__EXTENSION_EMBEDDER,
    QL__EXTENSION_RERANKER,
    QL__EXTENSION_STORE,
    QL__EXTENSION_KIND_COUNT
} ql__extension_kind;

typedef struct ql__extension {
    const void *ops;   /* the table of its kind, as large as this library knows it; ours in the list, where add() copies it */
    size_t ops_bytes;
    const char *name;  /* borrowed from the application */
    uint32_t version;  /* of converters and chunkers, else 0 */
    void *self;
    uint32_t dims;     /* of an embedder, as it first answered */
    void (*close_fn)(void *self);
    pthread_mutex_t lock; /* for those that take one call at a time */
} ql__extension;

typedef struct ql__extensions {
    ql__extension *items[QL__EXTENSION_KIND_COUNT];
    size_t counts[QL__EXTENSION_KIND_COUNT];
    atomic_bool sealed; /* two threads may open workspaces at once */
} ql__extensions;

void ql__extensions_init(ql__extensions *self);
/* Closes what was registered, the last first. */
void ql__extensions_dispose(ql__extensions *self);
/* 1 to 64 of a-z, 0-9, '-', '_', '.'; NULL is none. */
bool ql__extension_name_valid(const char *name);
/* QL_E_INVALID (bad name), QL_E_EXISTS, QL_E_BUSY (sealed), QL_E_LIMIT, QL_E_NOMEM. The extension and its table are copied. */
ql_status ql__extensions_add(ql__extensions *self, ql__extension_kind kind, const ql__extension *extension, ql_error *err);
/* NULL: none of that name. */
ql__extension *ql__extensions_find(const ql__extensions *self, ql__extension_kind kind, const char *name);

#endif
