/*
 * Builds capture.qprof files for tests: records one by one, and one whole capture that has everything.
 *
 *     qprof_build b;
 *     qprof_build_init(&b);
 *     uint32_t name = qprof_build_string(&b, "main");
 *     qprof_build_record(&b, QL__QPROF_THREAD, &thread, sizeof thread, NULL, 0, 0);
 *     ql_str bytes = qprof_build_finish(&b);   // until qprof_build_dispose(&b)
 */
#ifndef QL_QPROF_BUILD_H
#define QL_QPROF_BUILD_H

#include "prof/qprof.h"
#include <qloader/base.h>

typedef struct qprof_build {
    ql_buf file, payload;
    uint32_t kind, strings;
} qprof_build;

void qprof_build_init(qprof_build *self);
void qprof_build_dispose(qprof_build *self);
uint32_t qprof_build_string(qprof_build *self, const char *text);
void qprof_build_meta(qprof_build *self, const char *key, const char *value);
void qprof_build_record(qprof_build *self, uint32_t kind, const void *fixed, size_t fixed_size, const void *tail, size_t tail_size, uint16_t count);
void qprof_build_chunk_end(qprof_build *self);
ql_str qprof_build_finish(qprof_build *self);

/*
 * The whole one. target: path of tests/fixtures/capture/target.c as a library (QL_CAPTURE_TARGET), whose functions the stacks are in.
 * One second of two threads: 60 samples of 10 ms in capture_inner inlined in capture_hot, 30 in capture_cold, 10 in capture_hot called by itself; the
 * root of all is capture_entry. scale: the samples of capture_cold weigh that many times as much (1: as said).
 */
void qprof_build_sample(qprof_build *self, const char *target, uint64_t scale);
/*
 * The large one: `count` stacks, no two alike, of 31 frames in 500 libraries that are not there (a function each, "[part_0.so]" the root of all), with a
 * sample of 1 ms each.
 */
void qprof_build_stacks(qprof_build *self, uint32_t count);
/* Behind qprof_build_sample: a stack of an allocation: ql__alloc, ql__array_reserve inlined in capture_keep, capture_entry. */
void qprof_build_allocator_stack(qprof_build *self, const char *target, uint32_t id);
/* The same of a program that has a malloc of its own: capture_told, malloc, capture_remember, capture_entry. */
void qprof_build_told_stack(qprof_build *self, const char *target, uint32_t id);
#define QPROF_SAMPLE_START UINT64_C(5000000000)

#endif
