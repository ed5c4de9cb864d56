/* See extension.h. Threads: adding is for one thread, everything else for any. */
#include "model/extension.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"

static const char *const kind_names[QL__EXTENSION_KIND_COUNT] = {"source", "converter", "chunker", "embedder", "reranker", "store"};
/* Names of what the library brings; ended by NULL. */
static const char *const taken[QL__EXTENSION_KIND_COUNT][8] = {{"confluence", "git", "jira", "publicdocs", "localfile", "sharepoint"}, {"markdown", "json", "html", "code", "text"}, {"structure"}, {"local", "remote"}, {"none"}, {"embedded", "qdrant"}};

void ql__extensions_init(ql__extensions *self)
{
    *self = (ql__extensions){.counts = {0}};
    atomic_init(&self->sealed, false);
}

void ql__extensions_dispose(ql__extensions *self)
{
    for (int kind = QL__EXTENSION_KIND_COUNT; kind-- > 0;) {
        for (size_t i = self->counts[kind]; i-- > 0;) {
            ql__extension *item = &self->items[kind][i];
            if (item->close_fn != NULL) item->close_fn(item->self);
            pthread_mutex_destroy(&item->lock);
            ql__free((void *)(uintptr_t)item->ops);
        }
        ql__free(self->items[kind]);
    }
    ql__extensions_init(self);
}

/* It stands in fingerprints and messages. */
bool ql__extension_name_valid(const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;
    return len >= 1 && len <= 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
}

static bool is_taken(ql__extension_kind kind, const char *name)
{
    for (size_t i = 0; taken[kind][i] != NULL; i++)
        if (strcmp(taken[kind][i], name) == 0) return true;
    return false;
}

ql__extension *ql__extensions_find(const ql__extensions *self, ql__extension_kind kind, const char *name)
{
    for (size_t i = 0; i < self->counts[kind]; i++)
        if (strcmp(self->items[kind][i].name, name) == 0) return &self->items[kind][i];
    return NULL;
}

ql_status ql__extensions_add(ql__extensions *self, ql__extension_kind kind, const ql__extension *extension, ql_error *err)
{
    const char *what = kind_names[kind];
    if (!ql__extension_name_valid(extension->name)) return ql__fail(err, QL_E_INVALID, "the name for the %s is not 1 to 64 of a-z, 0-9, '-', '_', '.'", what);
    if (atomic_load(&self->sealed)) return ql__fail(err, QL_E_BUSY, "the %s '%s' comes too late: register before the first workspace is opened", what, extension->name);
    if (is_taken(kind, extension->name) || ql__extensions_find(self, kind, extension->name) != NULL)
        return ql__fail(err, QL_E_EXISTS, "the %s '%s' is there already", what, extension->name);
    if (self->counts[kind] == QL_LIMIT_EXTENSIONS) return ql__fail(err, QL_E_LIMIT, "more than %d of a kind", QL_LIMIT_EXTENSIONS);
    if (self->items[kind] == NULL) { /* all at once: a mutex must not move */
        self->items[kind] = ql__alloc_zero(QL_LIMIT_EXTENSIONS, sizeof **self->items);
        if (self->items[kind] == NULL) return ql__fail_nomem(err);
    }
    void *ops = ql__alloc(extension->ops_bytes);
    if (ops == NULL) return ql__fail_nomem(err);
    memcpy(ops, extension->ops, extension->ops_bytes);
    ql__extension *item = &self->items[kind][self->counts[kind]];
    *item = *extension;
    item->ops = ops;
    pthread_mutex_init(&item->lock, NULL);
    self->counts[kind]++;
    return QL_OK;
}
