/* Inside of the registry, shared by its sources only. */
#ifndef QL_METRIC_CELLS_H
#define QL_METRIC_CELLS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "prof/metrics.h"

#define QL__EXEMPLAR_BYTES 128 /* OpenMetrics 1.0: name and value of an exemplar's labels together, in characters */

/* What led to an observation. Guarded by its metric's exemplar_lock. */
typedef struct ql__exemplar {
    double value;
    int64_t wall_ms;                      /* 0: none yet */
    char labels[2 * QL__EXEMPLAR_BYTES + 8]; /* rendered: name="value", with escapes */
} ql__exemplar;

struct ql_series {
    ql_metric *metric;
    struct ql_series *next;
    char *labels;                 /* rendered: a="b",c="d"; also the key of the metric's map. Empty: none */
    void *memory;                 /* what cells lies in; NULL: a gauge, or a counter that is read at scrapes */
    atomic_uint_least64_t *cells; /* shard after shard, each of its own cache lines */
    atomic_uint_least64_t value;  /* of a gauge: the bits of a double */
    ql__exemplar *exemplars;      /* one a bucket, made with the first; guarded by the metric's exemplar_lock */
};

struct ql_metric {
    ql__metrics *registry;
    ql_metric *next;
    char *name, *unit, *help; /* unit: NULL for none */
    int type;
    char *label_names[QL__METRIC_LABELS_MAX];
    size_t label_count;
    double *bounds;
    size_t bound_count;
    size_t cells_per_shard;
    ql_metric_read_fn read_fn;
    void *user;
    bool external; /* a counter whose value is set at scrapes, as that of a gauge */

    pthread_mutex_t lock; /* guards what is below, but not the cells */
    size_t series_count, series_max;
    ql_series *first, *last, *overflow;
    ql__map by_labels;
    pthread_mutex_t exemplar_lock;
};

struct ql__metrics {
    const ql__sys *sys;
    const ql__prof *prof;
    size_t shard_mask;
    pthread_mutex_t lock;       /* guards the list */
    pthread_mutex_t write_lock; /* one writes at a time: guards the readings of the process */
    ql_metric *first, *last;
    size_t count;
    ql__map names;
    ql_series **builtin[QL__METRIC_COUNT];
    uint64_t cpu_busy, cpu_total; /* of the machine, at the last reading; guarded by write_lock */
};

double ql__series_value(const ql_series *self);
void ql__series_value_set(ql_series *self, double value);
/* Sums over shards: out[0..cells_per_shard). The last of a histogram is its sum, as a double's bits. */
void ql__series_sum(const ql_series *self, uint64_t *out);

static inline double ql__double_of_bits(uint64_t bits)
{
    union { uint64_t bits; double value; } both = {.bits = bits};
    return both.value;
}
static inline uint64_t ql__bits_of_double(double value)
{
    union { double value; uint64_t bits; } both = {.value = value};
    return both.bits;
}

/* What is read from the system before the metrics are written; metrics_process.c. */
void ql__metrics_read_process(ql__metrics *self);
/* Appends "name=\"value\"" with its escapes; what is no UTF-8 becomes '?'. */
void ql__metric_label_put(ql_buf *out, ql_str name, ql_str value);

#endif
