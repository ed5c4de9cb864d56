/*
 * Writing capture.qprof (prof/qprof.h): records are gathered by kind and go out together in an order in which every id is defined before it is used.
 * A sink is a file, memory, or a function. The control thread's; ql__qprof_copy alone may be called by another thread meanwhile.
 */
#ifndef QL_QPROF_WRITE_H
#define QL_QPROF_WRITE_H

#include <pthread.h>

#include "prof/qprof.h"
#include "prof/vm.h"

typedef int (*ql__qprof_sink_fn)(void *user, const void *bytes, size_t size);

typedef struct ql__qprof_writer {
    const ql__sys *sys;
    int fd;                  /* -1: no file */
    ql__qprof_sink_fn fn;    /* NULL: none; with neither, memory */
    void *user;
    uint64_t limit_bytes;
    bool full;               /* the limit was reached, or the sink failed: only ql__qprof_finish writes on */
    ql_status status;        /* of the sink; sticky */
    ql_error error;
    uint64_t lost[QL__QPROF_END + 1]; /* records left out, by kind */
    ql__vm kinds[QL__QPROF_END + 1];
    ql__vm out;
    pthread_mutex_t lock;    /* guards memory and written, for ql__qprof_copy; never held while foreign code runs */
    ql__vm memory;
    uint64_t written;
} ql__qprof_writer;

/* The file is locked until ql__qprof_close; QL_E_BUSY: another writer has it. */
ql_status ql__qprof_open(ql__qprof_writer *self, const ql__sys *sys, const char *path /* NULL: no file */, ql__qprof_sink_fn fn, void *user, uint64_t limit_bytes,
                         ql_error *err);
void ql__qprof_close(ql__qprof_writer *self);
/* tail: count entries of `entry` bytes, or count 0 and one entry: plain bytes. Without room it is counted in lost. */
void ql__qprof_put(ql__qprof_writer *self, ql__qprof_kind kind, const void *fixed, size_t fixed_size, const void *tail, size_t entry, size_t count);
#define QL__QPROF_PUT(writer, kind, structure) ql__qprof_put(writer, kind, structure, sizeof *(structure), NULL, 0, 0)
/* Everything gathered goes to the sink. */
void ql__qprof_flush(ql__qprof_writer *self);
/* Flush, and from here on also beyond the limit: for the records that end a capture. */
void ql__qprof_finish(ql__qprof_writer *self);
uint64_t ql__qprof_written(ql__qprof_writer *self);
/* Hands what was written so far to fn, from any thread. QL_E_CALLBACK: fn stopped. */
ql_status ql__qprof_copy(ql__qprof_writer *self, ql__qprof_sink_fn fn, void *user, ql_error *err);

#endif
