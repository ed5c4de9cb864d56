/*
 * What an ingest of one source has to do: the listing, sorted by url bytes, joined with what the store knows.
 */
#ifndef QL_PLAN_H
#define QL_PLAN_H

#include "base/arena.h"
#include "ingest/ingest.h"

typedef struct ql__plan_entry {
    ql_item item;          /* views into the plan's arena */
    ql_str id;             /* public id */
    ql_str known_version;  /* empty: new */
    ql_str known_hash;     /* empty: new, or made by another pipeline, or forced */
    bool is_new;
} ql__plan_entry;

typedef struct ql__plan {
    ql__arena arena;
    ql__plan_entry *work;  /* to be fetched, in url order */
    size_t work_count, work_capacity;
    ql__plan_entry *vanished; /* stored, but no longer listed; only id and item.url are set */
    size_t vanished_count, vanished_capacity;
    uint64_t listed, unchanged;
    uint64_t remade; /* of the work: stored, but made by another pipeline */
    ql_error incomplete; /* status QL_E_PARTIAL: parts of the source could not be listed, so nothing counts as vanished */
} ql__plan;

/* Called after each listed item; false stops the listing with QL_E_CANCELLED. */
typedef bool (*ql__plan_tick_fn)(void *user, uint64_t listed);

/* On failure nothing is left to dispose. QL_OK: the listing was complete, or plan->incomplete says why it was not. */
ql_status ql__plan_make(ql__ingest *ingest, const ql__ingest_source *source, ql__plan_tick_fn tick, void *user,
                        ql__plan *out, ql_error *err);
/* Everything that is stored of the source has vanished: for one that is to be removed. */
ql_status ql__plan_removal(ql__ingest *ingest, const ql__ingest_source *source, ql__plan *out, ql_error *err);
void ql__plan_dispose(ql__plan *self);

#endif
