/*
 * qloader/metrics.h - numbers of a running program, for Prometheus and whatever reads its formats.
 *
 * A runtime counts what its ingests and searches do once ql_metrics_enable() was called; docs/metrics.md lists the names. An application
 * adds metrics of its own with ql_metric_register(). ql_metrics_write() gives all of them as text; ql_metrics_server_start() serves that text over HTTP.
 *
 * A metric has a name, a type and up to eight labels; a series is one set of label values and is what is counted in. Look a series up once and
 * keep it: an update is some nanoseconds and takes no lock, the lookup takes one. Nothing is written to disk and no text of documents or
 * queries enters a built-in metric.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(void) {
 *         ql_error err = {0};
 *         ql_runtime *runtime = NULL;
 *         ql_metric *metric = NULL;
 *         ql_series *series = NULL;
 *         ql_buf text = QL_BUF_INIT;
 *         const char *labels[] = {"kind"};
 *         ql_str values[] = {QL_STR("invoice")};
 *         ql_metric_options options = QL_METRIC_OPTIONS_INIT;
 *         options.type = QL_METRIC_COUNTER;
 *         options.name = "desk_letters";
 *         options.help = "letters read, by kind";
 *         options.label_names = labels;
 *         options.label_count = 1;
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_metrics_enable(runtime, &err) < 0 || ql_metric_register(runtime, &options, &metric, &err) < 0 ||
 *             ql_metric_series(metric, values, 1, &series, &err) < 0) { fprintf(stderr, "%s\n", err.message); return 1; }
 *         ql_series_add(series, 3);
 *         if (ql_metrics_write(runtime, QL_METRICS_TEXT, &text, &err) >= 0) fputs(ql_buf_cstr(&text), stdout);
 *         ql_buf_dispose(&text);
 *         ql_runtime_free(runtime);
 *         return 0;
 *     }
 */
#ifndef QLOADER_METRICS_H
#define QLOADER_METRICS_H

#include <qloader/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is counted. Belongs to its runtime, lives as long, and is safe to use from any thread. */
typedef struct ql_metric ql_metric;
/** One set of label values of a metric; the same lifetime and thread-safety. */
typedef struct ql_series ql_series;

typedef enum ql_metric_type {
    QL_METRIC_COUNTER = 1,   /**< whole numbers that only grow: ql_series_add() */
    QL_METRIC_GAUGE = 2,     /**< any number: ql_series_set(), ql_series_change(), or a callback */
    QL_METRIC_HISTOGRAM = 3  /**< a distribution: ql_series_observe() */
} ql_metric_type;

typedef enum ql_metrics_format {
    QL_METRICS_TEXT = 1,       /**< Prometheus text 0.0.4: text/plain; version=0.0.4 */
    QL_METRICS_OPENMETRICS = 2 /**< OpenMetrics 1.0.0, with units and exemplars: application/openmetrics-text; version=1.0.0 */
} ql_metrics_format;

/** Asked for a gauge's value whenever the metrics are written, in the thread that writes them. Must not write metrics itself. */
typedef double (*ql_metric_read_fn)(void *user);

typedef struct ql_metric_options {
    uint32_t struct_size;
    int32_t type;                   /**< ql_metric_type */
    const char *name;               /**< letters, digits and '_', at most 128 bytes, not beginning with a digit; ends with "_" and the unit, where there is one, and not with "_total", which the formats add to counters */
    const char *unit;               /**< "seconds", "bytes"; NULL: none */
    const char *help;               /**< a few words for people, UTF-8 */
    const char *const *label_names; /**< label_count names, copied; not "le", "overflow" nor with "__" in front */
    uint32_t label_count;           /**< at most 8 */
    uint32_t series_max;            /**< series beyond this many are one, with the label overflow="true"; 0: 1,000; at most 100,000 */
    const double *bounds;           /**< of a histogram: bound_count upper bounds, finite and ascending, copied; NULL: from 5 ms to 10 s, in seconds */
    uint32_t bound_count;           /**< at most 64 */
    uint32_t reserved32;
    ql_metric_read_fn read_fn;      /**< of a gauge without labels: asked instead of being set; NULL: none */
    void *user;                     /**< handed to read_fn; must stay valid until the runtime is freed */
    uint64_t reserved[4];
} ql_metric_options;

#define QL_METRIC_OPTIONS_INIT {sizeof(ql_metric_options), 0, NULL, NULL, NULL, NULL, 0, 0, NULL, 0, 0, NULL, NULL, {0, 0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_metric_options_init(ql_metric_options *options)
{
    const ql_metric_options defaults = QL_METRIC_OPTIONS_INIT;
    *options = defaults;
}

/**
 * Turns the metrics of a runtime on; again is fine. To be called before workspaces are used on it: what ran before is not counted.
 *
 * Cost: some nanoseconds for each stage of a document, and about 200 kB of memory.
 * Errors:  QL_E_INVALID, QL_E_NOMEM.
 * Threads: not while another thread uses the runtime.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_metrics_enable(ql_runtime *self, ql_error *err);

/**
 * Adds a metric of the application's own.
 *
 * @param out  out: the metric, freed with the runtime.
 * Errors:  QL_E_INVALID (metrics are off, a name that the formats do not allow, bounds out of order), QL_E_EXISTS (a metric of that name, or one whose lines would look the same),
 *          QL_E_LIMIT (more than 500 metrics, or a number beyond what ql_metric_options says), QL_E_NOMEM.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_metric_register(ql_runtime *runtime, const ql_metric_options *options, ql_metric **out, ql_error *err);

/**
 * Finds the series of some label values, or makes it. When the metric has its limit of series already, the one of overflow="true" is given.
 *
 * @param values  as many as the metric has labels, UTF-8 of at most 1,024 bytes each; what is no UTF-8 becomes '?'. NULL when there are none.
 * Errors:  QL_E_INVALID (another number of values, a metric with read_fn), QL_E_LIMIT, QL_E_NOMEM.
 * Threads: safe; takes a lock and looks up, so keep the series where speed matters.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_metric_series(ql_metric *self, const ql_str *values, size_t count, ql_series **out, ql_error *err);

/** Adds to a counter; NULL and series of other types are left alone. Safe from any thread, takes no lock. Since 0.1. */
QL_API void ql_series_add(ql_series *self, uint64_t amount);
/** Sets a gauge; the same. Since 0.1. */
QL_API void ql_series_set(ql_series *self, double value);
/** Adds to a gauge, a negative amount too; the same. Since 0.1. */
QL_API void ql_series_change(ql_series *self, double amount);
/** Puts a value into a histogram; NaN is left out; the same. Since 0.1. */
QL_API void ql_series_observe(ql_series *self, double value);
/**
 * The same with an exemplar: one label that leads to what was observed, such as a trace id. The last of each bucket is kept and shown in OpenMetrics.
 * Name and value together of at most 128 bytes; else, or where another thread is leaving one, the value counts without it. Since 0.1.
 */
QL_API void ql_series_observe_with(ql_series *self, double value, ql_str label_name, ql_str label_value);

/**
 * Appends every metric as text.
 *
 * @param format  ql_metrics_format.
 * Errors:  QL_E_INVALID (metrics are off, no such format), QL_E_NOMEM, QL_E_LIMIT (of `out`).
 * Threads: safe; one at a time, others wait.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_metrics_write(ql_runtime *self, int32_t format, ql_buf *out, ql_error *err);

/**
 * Appends what the built-in metrics mean, as JSON: an array of {name, type, unit or null, help, label or null, values}. `name` is that of the text
 * format, with _total for counters; `values` are those the label takes. Needs no runtime.
 *
 * Errors:  QL_E_INVALID, QL_E_NOMEM, QL_E_LIMIT (of `out`).
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_metrics_describe_json(ql_buf *out, ql_error *err);

/** A server that answers GET /metrics. */
typedef struct ql_metrics_server ql_metrics_server;

/** What else it serves: flags. */
enum {
    QL_METRICS_SERVER_PROFILES = 1 /**< profiles under /debug/pprof/: needs a token, and a loopback address */
};

typedef struct ql_metrics_server_options {
    uint32_t struct_size;
    uint32_t port;             /**< 1..65535; 0: one that is free, see ql_metrics_server_port() */
    const char *address;       /**< IPv4 or IPv6 address to listen on; NULL: 127.0.0.1 */
    const char *token;         /**< asked for as "Authorization: Bearer ..."; NULL: none. Copied, wiped at the end */
    uint32_t connections_max;  /**< open at a time; 0: 32; at most 1,024 */
    uint32_t flags;            /**< QL_METRICS_SERVER_PROFILES, or 0 */
    uint64_t reserved[4];
} ql_metrics_server_options;

#define QL_METRICS_SERVER_OPTIONS_INIT {sizeof(ql_metrics_server_options), 0, NULL, NULL, 0, 0, {0, 0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_metrics_server_options_init(ql_metrics_server_options *options)
{
    const ql_metrics_server_options defaults = QL_METRICS_SERVER_OPTIONS_INIT;
    *options = defaults;
}

/**
 * Serves the metrics of a runtime over HTTP: GET and HEAD of /metrics, in the format that the Accept header prefers, and of /health, which answers "ok".
 *
 * One thread, started here, does all of it. Only what it serves is answered: other methods get 405, a Host header that names another place 421 (on a
 * loopback address; elsewhere names are taken from the machine's own, addresses are always taken, and with a token anything, unless profiles are served), a foreign Origin 403, a wrong
 * token 401. Headers beyond 16 KiB, requests that take over 10 s and connections that are silent for 5 s are closed.
 *
 * With QL_METRICS_SERVER_PROFILES also GET of profiles of the whole process: /debug/pprof/profile (CPU time), wall (all threads, waiting ones too) and heap (what
 * is allocated meanwhile, as QL_PROF_HEAP sees it), for go tool pprof; trace (spans, tasks, memory: Chrome's trace events); they record for ?seconds=30 (1 to 300), at &hz=99 (1 to 1000) the first
 * two, on a thread that lives as long, one at a time: others get 503, as they do while a capture of ql_prof_start() runs. /debug/pprof/tasks answers
 * at once with what ql_live_tasks_json() gives (501 in a process without ql_live_start()). Stopping the server, or hanging up, ends a recording.
 * A program whose metrics are read from elsewhere starts a second server, on the loopback, for its profiles.
 *
 * @param options  NULL for the defaults.
 * @param out      out: the server; stop it before the runtime is freed.
 * Errors:  QL_E_INVALID (metrics are off, no such address; profiles without a token or elsewhere than on a loopback address), QL_E_BUSY (the port is taken), QL_E_UNSUPPORTED (libmicrohttpd is not installed, a flag of a later version), QL_E_NOMEM, QL_E_IO, QL_E_LIMIT.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_metrics_server_start(ql_runtime *runtime, const ql_metrics_server_options *options, ql_metrics_server **out, ql_error *err);
/** The port it listens on; 0 for NULL. Since 0.1. */
QL_API uint32_t ql_metrics_server_port(const ql_metrics_server *self);
/** Closes every connection, ends the thread and frees; NULL is fine. Since 0.1. */
QL_API void ql_metrics_server_stop(ql_metrics_server *self);

#ifdef __cplusplus
}
#endif

#endif
