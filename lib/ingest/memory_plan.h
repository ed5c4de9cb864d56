/*
 * How an ingest divides the memory it may use (ql_ingest_options.memory_max): what reading a document takes is estimated from its size and kind, and
 * documents are admitted by that. An estimate is the most that was measured for sound files, with chunks and vectors; a program that needs a bound
 * for any file sets one with the kernel as well (RLIMIT_DATA): want of memory fails the document that is too large.
 */
#ifndef QL_MEMORY_PLAN_H
#define QL_MEMORY_PLAN_H

#include "sys/file.h"
#include <qloader/source.h>

typedef struct ql__memory_plan {
    uint64_t max;     /* the limit; 0: none, and the rest is what suits a machine with room */
    uint64_t share;   /* for documents under way */
    uint64_t beside;  /* estimated bytes of documents that may be prepared side by side; a larger one is alone in the whole pipeline */
    size_t queue_bytes, commit_bytes;
} ql__memory_plan;

/* max: bytes, 0: no limit. threads: that embed. QL_E_LIMIT: less than the process has and needs; the message says how much that is. */
ql_status ql__memory_plan_make(const ql__sys *sys, uint64_t max, size_t threads, ql__memory_plan *out, ql_error *err);
/* Bytes of the process that count against a limit, to see what something took; 0 without a limit. */
ql_status ql__memory_plan_look(const ql__memory_plan *self, const ql__sys *sys, uint64_t *out, ql_error *err);
/* The list of a source stays while its documents are under way: *out is the plan with `bytes` less. QL_E_LIMIT: too little is left; the message says how much would do. */
ql_status ql__memory_plan_with_list(const ql__memory_plan *self, uint64_t bytes, ql__memory_plan *out, ql_error *err);
/* Says of a want of memory under a limit that the limit is the reason. Any other error stays. */
ql_status ql__memory_plan_explain(const ql__memory_plan *self, ql_status status, ql_error *err);
/* What a document takes at its most; where its size is not known, what a usual one does. Without a limit 0: nobody asks. */
uint64_t ql__memory_of(const ql__memory_plan *self, const ql_item *item);
/* QL_E_LIMIT: it takes more than the share. */
ql_status ql__memory_plan_check(const ql__memory_plan *self, const ql_item *item, ql_error *err);

#endif
