/*
 * Bounded queue of pointers between threads, counted in bytes: push blocks while the queue holds limit_bytes or more
 * (one item always fits, however large), pop blocks while it is empty. Many producers, many consumers.
 */
#ifndef QL_QUEUE_H
#define QL_QUEUE_H

#include <qloader/base.h>

typedef struct ql__queue ql__queue;

ql_status ql__queue_new(size_t limit_bytes, ql__queue **out, ql_error *err);
void ql__queue_free(ql__queue *self); /* must be empty: its items are not known here */
bool ql__queue_push(ql__queue *self, void *item, size_t size_bytes); /* false: closed, the item stays with the caller */
bool ql__queue_pop(ql__queue *self, void **item);                    /* false: closed and empty */
bool ql__queue_pop_until(ql__queue *self, void **item, uint64_t timeout_ms, bool *timed_out); /* as pop, gives up after timeout_ms */
void ql__queue_close(ql__queue *self);  /* no more pushes; pops drain what is left */
size_t ql__queue_bytes(ql__queue *self);

#endif
