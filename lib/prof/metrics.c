/*
 * The registry: metrics, their series, and the cells that are counted in.
 *
 * A series has a row of cells for each shard, on cache lines of its own. The first threads of the process that count have a shard each, in the first half:
 * only they write there, so that an addition is a load and a store. Later threads share the second half, by their number, and add with
 * relaxed atomics. Numbers are never given out again, so a shard never changes its owner. Sums are made when the metrics are written.
 * A gauge has one cell, since setting cannot be spread.
 *
 * Invariants: a series, once given out, stays until the registry is freed; a metric never has more than series_max series and one for the rest.
 * Threads: everything is safe concurrently, except free. Locks: list, then one metric; an update takes none.
 * Not for signal handlers: one that interrupts an update of its own thread would lose it. Cost of an update: some nanoseconds, see tests/bench/metrics_speed.c.
 */
#include "prof/metrics.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/status.h"
#include "prof/metric_cells.h"
#include "text/utf8.h"

#define CACHE_LINE 64
#define LINE_CELLS (CACHE_LINE / sizeof(uint64_t))
#define SHARDS_MAX 32 /* power of two */
#define NAME_BYTES_MAX 128

/* --- shards -------------------------------------------------------------------------------------------------------------------- */

/* Threads are numbered as they first count, so that the first ones never share a shard. The number says nothing else. */
static atomic_uint thread_next = 1;
static _Thread_local unsigned thread_number __attribute__((tls_model("initial-exec")));

/* *own: no other thread writes there. */
static size_t shard_of_thread(const ql__metrics *self, bool *own)
{
    unsigned number = thread_number;
    size_t half = (self->shard_mask + 1) / 2;
    if (__builtin_expect(number == 0, 0)) thread_number = number = atomic_fetch_add_explicit(&thread_next, 1, memory_order_relaxed);
    *own = number != 0 && number <= half; /* 0: four billion threads later */
    return *own ? number - 1 : half + number % half;
}

static size_t shard_count_for(long cores)
{
    size_t count = 16; /* on small machines, too: threads come and go */
    while (count < SHARDS_MAX && count < (size_t)(cores > 0 ? cores : 1) * 4) count *= 2; /* half of them; the stages of an ingest have threads besides the pool's */
    return count;
}

static size_t shard_stride(const ql_metric *metric)
{
    return (metric->cells_per_shard + LINE_CELLS - 1) / LINE_CELLS * LINE_CELLS;
}

static atomic_uint_least64_t *shard_cells(const ql_series *self, bool *own)
{
    return self->cells + shard_of_thread(self->metric->registry, own) * shard_stride(self->metric);
}

static void cell_add(atomic_uint_least64_t *cell, uint64_t amount, bool own)
{
    if (own) atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + amount, memory_order_relaxed);
    else atomic_fetch_add_explicit(cell, amount, memory_order_relaxed);
}

void ql__series_sum(const ql_series *self, uint64_t *out)
{
    const ql_metric *metric = self->metric;
    size_t stride = shard_stride(metric), last = metric->cells_per_shard - 1;
    bool histogram = metric->type == QL_METRIC_HISTOGRAM;
    double sum = 0;
    memset(out, 0, metric->cells_per_shard * sizeof *out);
    for (size_t s = 0; s <= metric->registry->shard_mask; s++)
        for (size_t i = 0; i < metric->cells_per_shard; i++) {
            uint64_t cell = atomic_load_explicit(&self->cells[s * stride + i], memory_order_relaxed);
            if (histogram && i == last) sum += ql__double_of_bits(cell);
            else out[i] += cell;
        }
    if (histogram) out[last] = ql__bits_of_double(sum);
}

double ql__series_value(const ql_series *self)
{
    return ql__double_of_bits(atomic_load_explicit(&self->value, memory_order_relaxed));
}

void ql__series_value_set(ql_series *self, double value)
{
    atomic_store_explicit(&self->value, ql__bits_of_double(value), memory_order_relaxed);
}

static void add_double(atomic_uint_least64_t *place, double amount)
{
    uint64_t seen = atomic_load_explicit(place, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(place, &seen, ql__bits_of_double(ql__double_of_bits(seen) + amount), memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* --- updates ------------------------------------------------------------------------------------------------------------------- */

void ql_series_add(ql_series *self, uint64_t amount)
{
    bool own = false;
    if (self == NULL || self->metric->type != QL_METRIC_COUNTER || self->cells == NULL) return;
    atomic_uint_least64_t *cell = shard_cells(self, &own);
    cell_add(cell, amount, own);
}

void ql_series_set(ql_series *self, double value)
{
    if (self != NULL && self->metric->type == QL_METRIC_GAUGE) ql__series_value_set(self, value);
}

void ql_series_change(ql_series *self, double amount)
{
    if (self != NULL && self->metric->type == QL_METRIC_GAUGE) add_double(&self->value, amount);
}

/* Index of the first bound that is not below the value; bound_count: beyond all. */
static size_t bucket_of(const ql_metric *metric, double value)
{
    const double *bounds = metric->bounds;
    size_t first = 0, count = metric->bound_count;
    while (count > 0) { /* without a branch that depends on the value: those are mispredicted half the time */
        size_t half = count / 2;
        bool above = bounds[first + half] < value;
        first = above ? first + half + 1 : first;
        count = above ? count - half - 1 : half;
    }
    return first;
}

void ql_series_observe(ql_series *self, double value)
{
    bool own = false;
    if (self == NULL || self->metric->type != QL_METRIC_HISTOGRAM || isnan(value)) return;
    atomic_uint_least64_t *cells = shard_cells(self, &own), *sum = &cells[self->metric->cells_per_shard - 1];
    cell_add(&cells[bucket_of(self->metric, value)], 1, own);
    if (own) atomic_store_explicit(sum, ql__bits_of_double(ql__double_of_bits(atomic_load_explicit(sum, memory_order_relaxed)) + value), memory_order_relaxed);
    else add_double(sum, value);
}

static void keep_exemplar(ql_series *self, double value, ql_str name, ql_str text)
{
    ql_metric *metric = self->metric;
    QL_AUTO(ql_buf, ql_buf_dispose) labels = QL_BUF_INIT;
    ql__metric_label_put(&labels, name, text);
    if (labels.status < 0 || pthread_mutex_trylock(&metric->exemplar_lock) != 0) return;
    if (self->exemplars == NULL) self->exemplars = ql__alloc_zero(metric->bound_count + 1, sizeof *self->exemplars);
    if (self->exemplars != NULL && labels.len < sizeof self->exemplars->labels) {
        ql__exemplar *kept = &self->exemplars[bucket_of(metric, value)];
        memcpy(kept->labels, ql_buf_cstr(&labels), labels.len + 1);
        kept->value = value;
        kept->wall_ms = ql__wall_ms(metric->registry->sys);
    }
    pthread_mutex_unlock(&metric->exemplar_lock);
}

static bool is_label_name(ql_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return name.len > 0;
}

void ql_series_observe_with(ql_series *self, double value, ql_str label_name, ql_str label_value)
{
    ql_series_observe(self, value);
    if (label_name.ptr == NULL || label_value.ptr == NULL) return; /* an exemplar that says nothing */
    if (self == NULL || self->metric->type != QL_METRIC_HISTOGRAM || isnan(value)) return;
    if (is_label_name(label_name) && label_name.len <= QL__EXEMPLAR_BYTES && label_value.len <= QL__EXEMPLAR_BYTES - label_name.len)
        keep_exemplar(self, value, label_name, label_value);
}

/* --- series -------------------------------------------------------------------------------------------------------------------- */

void ql__metric_label_put(ql_buf *out, ql_str name, ql_str value)
{
    ql_buf_append(out, name);
    ql_buf_append(out, QL_STR("=\""));
    for (size_t at = 0; at < value.len;) {
        size_t valid = ql__utf8_valid_prefix((ql_str){value.ptr + at, value.len - at});
        for (size_t end = at + valid; at < end; at++) {
            char c = value.ptr[at];
            if (c == '\\' || c == '"') ql_buf_append_char(out, '\\');
            if (c == '\0') ql_buf_append_char(out, '?');
            else if (c == '\n') ql_buf_append(out, QL_STR("\\n"));
            else ql_buf_append_char(out, c);
        }
        if (at < value.len) {
            ql_buf_append_char(out, '?');
            at++;
        }
    }
    ql_buf_append_char(out, '"');
}

static void series_free(ql_series *self)
{
    if (self == NULL) return;
    ql__free(self->labels);
    ql__free(self->memory);
    ql__free(self->exemplars);
    ql__free(self);
}

static bool series_cells_make(ql_series *self)
{
    const ql_metric *metric = self->metric;
    if (metric->type == QL_METRIC_GAUGE || metric->external) return true;
    size_t cells = (metric->registry->shard_mask + 1) * shard_stride(metric);
    self->memory = ql__alloc_zero(cells * sizeof(uint64_t) + CACHE_LINE, 1);
    if (self->memory == NULL) return false;
    self->cells = (atomic_uint_least64_t *)(((uintptr_t)self->memory + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    return true;
}

/* Not in the metric yet. */
static ql_series *series_new(ql_metric *metric, const char *labels)
{
    ql_series *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return NULL;
    self->metric = metric;
    self->labels = ql__strdup(ql_str_of(labels));
    if (self->labels != NULL && series_cells_make(self)) return self;
    series_free(self);
    return NULL;
}

static void series_append(ql_metric *metric, ql_series *series)
{
    if (metric->last != NULL) metric->last->next = series;
    else metric->first = series;
    metric->last = series;
}

static ql_series *series_make(ql_metric *metric, const char *labels)
{
    ql_series *self = series_new(metric, labels);
    uint64_t *place = self != NULL ? ql__map_insert(&metric->by_labels, ql_str_of(self->labels), NULL) : NULL;
    if (place == NULL) {
        series_free(self);
        return NULL;
    }
    *place = (uint64_t)(uintptr_t)self;
    series_append(metric, self);
    metric->series_count++;
    return self;
}

static ql_series *series_overflow(ql_metric *metric)
{
    if (metric->overflow != NULL) return metric->overflow;
    metric->overflow = series_new(metric, "overflow=\"true\"");
    if (metric->overflow != NULL) series_append(metric, metric->overflow);
    return metric->overflow;
}

static ql_series *series_find(ql_metric *metric, const char *labels)
{
    pthread_mutex_lock(&metric->lock);
    const uint64_t *place = ql__map_find(&metric->by_labels, ql_str_of(labels));
    ql_series *series = place != NULL ? (ql_series *)(uintptr_t)*place : NULL;
    if (series == NULL) series = metric->series_count < metric->series_max ? series_make(metric, labels) : series_overflow(metric);
    pthread_mutex_unlock(&metric->lock);
    return series;
}

ql_status ql__metric_series(ql_metric *self, const ql_str *values, size_t count, ql_series **out, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) labels = QL_BUF_INIT;
    if (self->read_fn != NULL) return ql__fail(err, QL_E_INVALID, "metric '%s' is read by a callback", self->name);
    if (count != self->label_count) return ql__fail(err, QL_E_INVALID, "metric '%s' has %zu labels, not %zu", self->name, self->label_count, count);
    if (count > 0 && values == NULL) return ql__fail(err, QL_E_INVALID, "values is NULL");
    for (size_t i = 0; i < count; i++) {
        QL_TRY(QL__STRS_CHECK("", err, {self->label_names[i], values[i]}));
        if (values[i].len > QL__METRIC_VALUE_BYTES_MAX)
            return ql__fail(err, QL_E_LIMIT, "label '%s' of '%s': %zu bytes, more than %d", self->label_names[i], self->name, values[i].len, QL__METRIC_VALUE_BYTES_MAX);
        if (i > 0) ql_buf_append_char(&labels, ',');
        ql__metric_label_put(&labels, ql_str_of(self->label_names[i]), values[i]);
    }
    ql_series *series = labels.status < 0 ? NULL : series_find(self, ql_buf_cstr(&labels));
    if (series == NULL) return ql__fail_nomem(err);
    *out = series;
    return QL_OK;
}

/* --- metrics ------------------------------------------------------------------------------------------------------------------- */

static void metric_free(ql_metric *self)
{
    if (self == NULL) return;
    for (ql_series *series = self->first, *next = NULL; series != NULL; series = next) {
        next = series->next;
        series_free(series);
    }
    ql__map_dispose(&self->by_labels);
    for (size_t i = 0; i < self->label_count; i++) ql__free(self->label_names[i]);
    ql__free(self->bounds);
    ql__free(self->name);
    ql__free(self->unit);
    ql__free(self->help);
    pthread_mutex_destroy(&self->lock);
    pthread_mutex_destroy(&self->exemplar_lock);
    ql__free(self);
}

static bool ends_with(ql_str text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

/* The formats give these endings a meaning of their own. */
static bool has_reserved_end(ql_str name)
{
    static const char *const ends[] = {"_total", "_created", "_bucket", "_count", "_sum"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i])) return true;
    return false;
}

static ql_status check_name(const ql_metric_options *options, ql_error *err)
{
    ql_str name = ql_str_of(options->name), unit = ql_str_of(options->unit);
    if (!is_label_name(name) || name.len > NAME_BYTES_MAX) return ql__fail(err, QL_E_INVALID, "'%.140s' is no name of a metric: letters, digits and '_', at most %d", options->name != NULL ? options->name : "", NAME_BYTES_MAX);
    if (has_reserved_end(name)) return ql__fail(err, QL_E_INVALID, "metric '%s' ends with what the formats add themselves", options->name);
    if (unit.len == 0) return QL_OK;
    if (!is_label_name(unit) || name.len <= unit.len + 1 || !ends_with(name, options->unit) || name.ptr[name.len - unit.len - 1] != '_')
        return ql__fail(err, QL_E_INVALID, "metric '%s' does not end with '_%.40s', its unit", options->name, options->unit);
    return QL_OK;
}

static ql_status check_labels(const ql_metric_options *options, ql_error *err)
{
    if (options->label_count > QL__METRIC_LABELS_MAX) return ql__fail(err, QL_E_LIMIT, "metric '%s': %u labels, more than %d", options->name, options->label_count, QL__METRIC_LABELS_MAX);
    if (options->label_count > 0 && options->label_names == NULL) return ql__fail(err, QL_E_INVALID, "label_names is NULL");
    for (uint32_t i = 0; i < options->label_count; i++) {
        ql_str name = ql_str_of(options->label_names[i]);
        bool taken = ql_str_equal(name, QL_STR("le")) || ql_str_equal(name, QL_STR("overflow")) || (name.len >= 2 && memcmp(name.ptr, "__", 2) == 0);
        if (!is_label_name(name) || name.len > NAME_BYTES_MAX || taken) return ql__fail(err, QL_E_INVALID, "metric '%s': label %u has a name that cannot be used", options->name, i);
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(options->label_names[j], options->label_names[i]) == 0) return ql__fail(err, QL_E_INVALID, "metric '%s' has two labels '%.*s'", options->name, (int)name.len, name.ptr);
    }
    return QL_OK;
}

static ql_status check_bounds(const ql_metric_options *options, ql_error *err)
{
    bool histogram = options->type == QL_METRIC_HISTOGRAM;
    if (options->bound_count > QL__METRIC_BOUNDS_MAX) return ql__fail(err, QL_E_LIMIT, "metric '%s': %u bounds, more than %d", options->name, options->bound_count, QL__METRIC_BOUNDS_MAX);
    if ((options->bounds != NULL) != (options->bound_count > 0) || (!histogram && options->bounds != NULL))
        return ql__fail(err, QL_E_INVALID, "metric '%s': bounds go with bound_count, and with histograms only", options->name);
    for (uint32_t i = 0; i < options->bound_count; i++)
        if (!isfinite(options->bounds[i]) || (i > 0 && options->bounds[i] <= options->bounds[i - 1]))
            return ql__fail(err, QL_E_INVALID, "metric '%s': bound %u is not finite or not above the one before", options->name, i);
    return QL_OK;
}

static ql_status check_options(const ql_metric_options *options, ql_error *err)
{
    QL_TRY(check_name(options, err));
    if (options->type < QL_METRIC_COUNTER || options->type > QL_METRIC_HISTOGRAM) return ql__fail(err, QL_E_INVALID, "metric '%s': no such type: %d", options->name, options->type);
    QL_TRY(check_labels(options, err));
    QL_TRY(check_bounds(options, err));
    if (options->read_fn != NULL && (options->type != QL_METRIC_GAUGE || options->label_count > 0)) return ql__fail(err, QL_E_INVALID, "metric '%s': only a gauge without labels is read by a callback", options->name);
    if (options->series_max > QL__METRIC_SERIES_MAX) return ql__fail(err, QL_E_LIMIT, "metric '%s': %u series, more than %d", options->name, options->series_max, QL__METRIC_SERIES_MAX);
    return QL_OK;
}

static bool copy_texts(ql_metric *self, const ql_metric_options *options)
{
    self->name = ql__strdup(ql_str_of(options->name));
    self->help = ql__strdup(ql_str_of(options->help));
    if (self->name == NULL || self->help == NULL) return false;
    if (options->unit != NULL && options->unit[0] != '\0' && (self->unit = ql__strdup(ql_str_of(options->unit))) == NULL) return false;
    for (; self->label_count < options->label_count; self->label_count++)
        if ((self->label_names[self->label_count] = ql__strdup(ql_str_of(options->label_names[self->label_count]))) == NULL) return false;
    return true;
}

static bool copy_bounds(ql_metric *self, const ql_metric_options *options)
{
    static const double seconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
    self->cells_per_shard = 1;
    if (self->type != QL_METRIC_HISTOGRAM) return true;
    bool own = options->bounds != NULL;
    self->bound_count = own ? options->bound_count : sizeof seconds / sizeof *seconds;
    self->cells_per_shard = self->bound_count + 2; /* the bucket beyond, and the sum */
    self->bounds = ql__realloc_array(NULL, self->bound_count, sizeof *self->bounds);
    if (self->bounds != NULL) memcpy(self->bounds, own ? options->bounds : seconds, self->bound_count * sizeof *self->bounds);
    return self->bounds != NULL;
}

static ql_metric *metric_new(ql__metrics *registry, const ql_metric_options *options)
{
    ql_metric *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return NULL;
    self->registry = registry;
    self->type = options->type;
    self->read_fn = options->read_fn;
    self->user = options->user;
    self->series_max = options->series_max > 0 ? options->series_max : QL__METRIC_SERIES_DEFAULT;
    pthread_mutex_init(&self->lock, NULL);
    pthread_mutex_init(&self->exemplar_lock, NULL);
    ql__map_init(&self->by_labels, (uint64_t)(uintptr_t)self ^ (uint64_t)ql__wall_ms(registry->sys));
    if (copy_texts(self, options) && copy_bounds(self, options)) return self;
    metric_free(self);
    return NULL;
}

/* With the lock of the registry. */
static ql_status metric_link(ql__metrics *self, ql_metric *metric, ql_error *err)
{
    if (self->count >= QL__METRICS_MAX) return ql__fail(err, QL_E_LIMIT, "more than %d metrics", QL__METRICS_MAX);
    if (ql__map_find(&self->names, ql_str_of(metric->name)) != NULL) return ql__fail(err, QL_E_EXISTS, "there is a metric '%s' already", metric->name);
    if (ql__map_insert(&self->names, ql_str_of(metric->name), NULL) == NULL) return ql__fail_nomem(err);
    if (self->last != NULL) self->last->next = metric;
    else self->first = metric;
    self->last = metric;
    self->count++;
    return QL_OK;
}

static ql_status metric_add(ql__metrics *self, const ql_metric_options *options, bool external, ql_metric **out, ql_error *err)
{
    ql_metric *metric = metric_new(self, options);
    if (metric == NULL) return ql__fail_nomem(err);
    metric->external = external;
    pthread_mutex_lock(&self->lock);
    ql_status status = metric_link(self, metric, err);
    pthread_mutex_unlock(&self->lock);
    if (status < 0) metric_free(metric);
    else *out = metric;
    return status;
}

ql_status ql__metric_register(ql__metrics *self, const ql_metric_options *options, ql_metric **out, ql_error *err)
{
    QL_TRY(check_options(options, err));
    return metric_add(self, options, false, out, err);
}

/* --- what the library counts ----------------------------------------------------------------------------------------------------- */

/* Counters that are kept elsewhere: by the profiler, by the system. */
static bool is_external(ql__metric_id id)
{
    switch (id) {
    case QL__METRIC_REF_INGESTED: case QL__METRIC_CHUNKS: case QL__METRIC_TOKENS: case QL__METRIC_READ_BYTES: case QL__METRIC_COMMITS:
    case QL__METRIC_CPU_SECONDS: case QL__METRIC_DISK_READ: case QL__METRIC_DISK_WRITTEN: return true;
    default: return false;
    }
}

static ql_status builtin_make(ql__metrics *self, ql__metric_id id, ql_error *err)
{
    const ql__metric_fact *fact = ql__metric_fact_of(id);
    ql_metric *metric = NULL;
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    options.type = fact->type;
    options.name = fact->name;
    options.unit = fact->unit;
    options.help = fact->help;
    options.label_names = &fact->label;
    options.label_count = fact->label != NULL ? 1 : 0;
    options.bounds = fact->bounds;
    options.bound_count = (uint32_t)fact->bound_count;
    QL_TRY(check_options(&options, err));
    QL_TRY(metric_add(self, &options, is_external(id), &metric, err));
    size_t count = fact->value_count > 0 ? fact->value_count : 1;
    self->builtin[id] = ql__alloc_zero(count, sizeof *self->builtin[id]);
    if (self->builtin[id] == NULL) return ql__fail_nomem(err);
    for (size_t v = 0; v < count; v++) {
        ql_str value = ql_str_of(fact->label != NULL ? fact->values[v] : NULL);
        QL_TRY(ql__metric_series(metric, &value, options.label_count, &self->builtin[id][v], err));
    }
    return QL_OK;
}

ql_status ql__metrics_new(const ql__sys *sys, const ql__prof *prof, ql__metrics **out, ql_error *err)
{
    ql__metrics *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->sys = sys;
    self->prof = prof;
    self->shard_mask = shard_count_for(sysconf(_SC_NPROCESSORS_CONF)) - 1;
    pthread_mutex_init(&self->lock, NULL);
    pthread_mutex_init(&self->write_lock, NULL);
    ql__map_init(&self->names, (uint64_t)(uintptr_t)self);
    ql_status status = QL_OK;
    for (size_t id = 0; id < QL__METRIC_COUNT && status >= 0; id++) status = builtin_make(self, (ql__metric_id)id, err);
    if (status < 0) {
        ql__metrics_free(self);
        return status;
    }
    ql_series_set(self->builtin[QL__METRIC_BUILD][0], 1);
    *out = self;
    return QL_OK;
}

void ql__metrics_free(ql__metrics *self)
{
    if (self == NULL) return;
    for (ql_metric *metric = self->first, *next = NULL; metric != NULL; metric = next) {
        next = metric->next;
        metric_free(metric);
    }
    for (size_t id = 0; id < QL__METRIC_COUNT; id++) ql__free(self->builtin[id]);
    ql__map_dispose(&self->names);
    pthread_mutex_destroy(&self->lock);
    pthread_mutex_destroy(&self->write_lock);
    ql__free(self);
}
