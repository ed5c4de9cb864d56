/*
 * The public side of a capture: options, the one that runs, fork. Process-wide state (docs/internals/prof.md): which capture runs, as a flag that
 * ql_prof_start takes; handlers of fork, registered once.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "prof/collector.h"
#include "prof/heap_profile.h"
#include "prof/prof_event.h"

#define RATE_DEFAULT 99
#define RATE_MAX 10000
#define HEAP_INTERVAL_DEFAULT ((uint64_t)512 << 10)
#define FILE_LIMIT_DEFAULT ((uint64_t)1 << 30)
#define MEMORY_LIMIT_DEFAULT ((uint64_t)64 << 20)
#define SOURCES_ALL (QL_PROF_CPU | QL_PROF_WALL | QL_PROF_HEAP | QL_PROF_MEMORY | QL_PROF_SPANS)
#define CAPTURE_NAME "/capture.qprof"

struct ql_prof {
    ql__collector collector;
    ql_buf path; /* of the file; empty: none */
    bool stopped;
    ql_status outcome;
    ql_error error;
};

static atomic_bool taken;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void after_fork_in_child(void)
{
    __atomic_store_n(&ql__prof_spans_on, 0, __ATOMIC_RELAXED);
    ql__prof_threads_after_fork();
    ql__sampler_after_fork();
    ql__places_after_fork();
    ql__heap_after_fork();
    atomic_store(&taken, false);
    ql__live_after_fork();
}

static void register_fork(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

void ql__capture_fork_prepare(void)
{
    (void)pthread_once(&once, register_fork);
}

bool ql__capture_take(void)
{
    ql__capture_fork_prepare();
    return !atomic_exchange(&taken, true);
}

void ql__capture_give_back(void)
{
    atomic_store(&taken, false);
}

static ql_status read_options(const ql_prof_options *given, ql_prof_options *options, ql_error *err)
{
    ql_prof_options_init(options);
    if (given != NULL) QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_prof_options", err));
    QL_TRY(ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_prof_options", err));
    if (options->sources & ~(uint32_t)SOURCES_ALL) return ql__fail(err, QL_E_UNSUPPORTED, "sources: %#x is not known", options->sources & ~(uint32_t)SOURCES_ALL);
    if (options->engine < QL_PROF_AUTO || options->engine > QL_PROF_WALLCLOCK) return ql__fail(err, QL_E_UNSUPPORTED, "engine %d is not known", options->engine);
    if (options->rate_hz > RATE_MAX) return ql__fail(err, QL_E_INVALID, "rate_hz: %u is more than %d", options->rate_hz, RATE_MAX);
    if (options->folder != NULL && options->write_fn != NULL) return ql__fail(err, QL_E_INVALID, "a folder or a write_fn, not both");
    if (options->sources == 0) options->sources = SOURCES_ALL & ~(uint32_t)QL_PROF_WALL;
    if (options->engine == QL_PROF_WALLCLOCK) options->sources = (options->sources & ~(uint32_t)QL_PROF_CPU) | QL_PROF_WALL;
    if (options->rate_hz == 0) options->rate_hz = RATE_DEFAULT;
    if (options->heap_interval_bytes == 0) options->heap_interval_bytes = HEAP_INTERVAL_DEFAULT;
    if (options->limit_bytes == 0) options->limit_bytes = options->folder != NULL || options->write_fn != NULL ? FILE_LIMIT_DEFAULT : MEMORY_LIMIT_DEFAULT;
    return QL_OK;
}

static ql_status start(ql_prof *self, const ql_prof_options *options, ql_error *err)
{
    const ql__sys *sys = ql__sys_default();
    if (options->folder != NULL) {
        QL_TRY(ql__dir_make(sys, options->folder, 0700, err));
        (void)ql_buf_append(&self->path, ql_str_of(options->folder));
        (void)ql_buf_append(&self->path, QL_STR(CAPTURE_NAME));
        if (self->path.status < 0) return ql__fail_status(err, self->path.status);
    }
    return ql__collector_start(&self->collector, sys, options, options->folder != NULL ? ql_buf_cstr(&self->path) : NULL, options->sources, err);
}

static void dispose(ql_prof *self)
{
    ql_buf_dispose(&self->path);
    ql__free(self);
}

ql_status ql_prof_start(const ql_prof_options *given, ql_prof **out, ql_error *err)
{
    ql_prof_options options;
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    QL_TRY(read_options(given, &options, err));
    if (!ql__capture_take()) return ql__fail(err, QL_E_BUSY, "a capture of this process runs already");
    ql_prof *self = ql__alloc_zero(1, sizeof *self);
    if (self != NULL) ql_buf_init(&self->path, QL_LIMIT_BUF_BYTES);
    ql_status status = self != NULL ? start(self, &options, err) : ql__fail_nomem(err);
    if (status < 0) {
        if (self != NULL) dispose(self);
        ql__capture_give_back();
        return status;
    }
    *out = self;
    return QL_OK;
}

static ql_status check(const ql_prof *self, ql_error *err)
{
    if (self == NULL) return ql__fail(err, QL_E_INVALID, "self is NULL");
    if (self->collector.pid != getpid()) return ql__fail(err, QL_E_INVALID, "the capture is another process's: a child of fork() has none");
    return QL_OK;
}

ql_status ql_prof_snapshot(ql_prof *self, ql_prof_write_fn write_fn, void *user, ql_error *err)
{
    QL_TRY(check(self, err));
    if (write_fn == NULL) return ql__fail(err, QL_E_INVALID, "write_fn is NULL");
    if (self->collector.options.write_fn != NULL) return ql__fail(err, QL_E_INVALID, "the capture has a write_fn of its own and keeps nothing");
    if (!self->stopped) ql__collector_sync(&self->collector);
    return ql__qprof_copy(&self->collector.writer, write_fn, user, err);
}

ql_status ql_prof_stop(ql_prof *self, ql_error *err)
{
    QL_TRY(check(self, err));
    if (!self->stopped) {
        self->outcome = ql__collector_stop(&self->collector, &self->error);
        if (self->outcome < 0 && self->path.len > 0) ql__error_prefix(&self->error, "'%s'", ql_buf_cstr(&self->path)); /* what writes knows a descriptor */
        self->stopped = true;
        ql__capture_give_back();
    }
    if (self->outcome < 0 && err != NULL) *err = self->error;
    return self->outcome;
}

void ql_prof_free(ql_prof *self)
{
    if (self == NULL) return;
    if (self->collector.pid == getpid()) (void)!ql_prof_stop(self, NULL);
    ql__collector_dispose(&self->collector);
    dispose(self);
}

ql_status ql_prof_info_read(ql_prof *self, ql_prof_info *out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    const ql__collector *collector = &self->collector;
    ql_prof_info info = {.struct_size = sizeof info, .samples = atomic_load(&collector->samples), .rootless = atomic_load(&collector->rootless),
                         .dropped = atomic_load(&collector->dropped), .own_ns = atomic_load(&collector->own_ns), .threads = atomic_load(&collector->threads_seen),
                         .written_bytes = ql__qprof_written(&self->collector.writer)};
    if (collector->sources & QL_PROF_CPU) info.engine = collector->sampler.engine;
    else if (collector->sources & QL_PROF_WALL) info.engine = QL_PROF_WALLCLOCK;
    return ql__struct_write(out, &info, sizeof info, sizeof info, "ql_prof_info", err);
}
