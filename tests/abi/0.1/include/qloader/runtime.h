/*
 * qloader/runtime.h - what every other object hangs on: threads, log, profile counters.
 *
 * Make one ql_runtime per program (two are independent of each other), open workspaces on it, free it last. The
 * runtime starts its worker threads in ql_runtime_new(). Besides them there are the thread of an operation (op.h), that of a server of metrics (metrics.h) and, while an ingest runs
 * with more than one thread, two of its stages. With threads = 1 an ingest runs in the calling thread, with the same results.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(void) {
 *         ql_error err;
 *         ql_runtime *runtime = NULL;
 *         ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
 *         options.threads = 1;
 *         if (ql_runtime_new(&options, &runtime, &err) < 0) { fprintf(stderr, "%s\n", err.message); return 1; }
 *         ql_runtime_free(runtime);
 *         return 0;
 *     }
 */
#ifndef QLOADER_RUNTIME_H
#define QLOADER_RUNTIME_H

#include <qloader/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Threads, log sink, counters, and what the application added: converters, chunkers, embedders, rerankers (ql_converter_register() and so
 * on, in the header of each). Safe to share between threads once made; everything is registered before the first workspace is opened on it.
 */
typedef struct ql_runtime ql_runtime;

typedef struct ql_runtime_options {
    uint32_t struct_size;
    uint32_t threads;        /**< worker threads, the caller's included; 0: one per core this process may use */
    ql_log_fn log_fn;        /**< NULL: messages are dropped */
    void *log_user;
    int32_t log_level;       /**< lowest ql_log_level that is passed on; 0: QL_LOG_INFO */
    uint32_t profile;        /**< non-zero: spans and counters are on, see ql_runtime_stats_json() */
    uint64_t reserved[4];
} ql_runtime_options;

#define QL_RUNTIME_OPTIONS_INIT {sizeof(ql_runtime_options), 0, NULL, NULL, 0, 0, {0, 0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_runtime_options_init(ql_runtime_options *options)
{
    const ql_runtime_options defaults = QL_RUNTIME_OPTIONS_INIT;
    *options = defaults;
}

/**
 * Makes a runtime.
 *
 * @param options  NULL for the defaults.
 * @param out      out: the runtime; free it with ql_runtime_free() after everything opened on it.
 * Errors:  QL_E_INVALID, QL_E_NOMEM, QL_E_LIMIT (too many threads).
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_runtime_new(const ql_runtime_options *options, ql_runtime **out, ql_error *err);
/** Frees a runtime; NULL is fine. Its workspaces must be freed before. */
QL_API void ql_runtime_free(ql_runtime *self);

/** Appends the totals of spans and counters since the start as a JSON object; QL_E_INVALID when the runtime was made without `profile`. Since 0.1. */
QL_API QL_MUST_USE ql_status ql_runtime_stats_json(const ql_runtime *self, ql_buf *out, ql_error *err);

/**
 * Tells what this machine and this installation have, as a JSON object appended to `out`: for reports such as that of `qloader doctor`.
 *
 * version; machine {architecture, cpu or null, cores, cores_usable, memory_bytes, memory_available_bytes (0: not known; within the limit of the
 * cgroup), features (of the CPU, those this library has code for)}; arithmetic {kernels, precision: what "auto" means here, fp32 or bf16};
 * libraries [{name, use, needed (on this machine), found, version or null, reason when it is not found}]: those that are opened on first use; modules, the
 * same for what is installed beside the library: git and a grammar per programming language (use: "grammar").
 *
 * Cost: opens every library and module it tells of (some 100 MB of address space), and they stay mapped; a process that searches does without.
 * @param self  not NULL.
 * @param out   not NULL; unchanged on failure other than of its own memory.
 * Errors:  QL_E_INVALID, QL_E_NOMEM, QL_E_LIMIT. What is missing is told in the object, not an error.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_runtime_describe_json(const ql_runtime *self, ql_buf *out, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
