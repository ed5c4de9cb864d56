/*
 * The two text formats: Prometheus 0.0.4 (prometheus.io, "Exposition formats") and OpenMetrics 1.0.0 (the specification of November 2020).
 *
 * They differ in: order of the comments, UNIT, the name of a counter's family (OpenMetrics leaves _total to the sample), exemplars, "# EOF".
 * Numbers do not depend on the locale and read back as the same double.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/status.h"
#include "prof/metric_cells.h"

#define WHOLE_MAX 9007199254740992.0 /* 2^53: every whole number up to here is a double */

/* snprintf writes the point of the program's locale, whose bytes are whatever is no part of a C number. */
static void put_decimal(ql_buf *out, const char *text)
{
    bool point = false;
    for (; *text != '\0'; text++) {
        bool part = isdigit((unsigned char)*text) || *text == '-' || *text == '+' || *text == 'e';
        if (part) ql_buf_append_char(out, *text);
        else if (!point) ql_buf_append_char(out, '.');
        point = !part;
    }
}

static void put_double(ql_buf *out, double value)
{
    char text[48];
    if (isnan(value)) ql_buf_append(out, QL_STR("NaN"));
    else if (isinf(value)) ql_buf_append(out, value > 0 ? QL_STR("+Inf") : QL_STR("-Inf"));
    else if (value == floor(value) && fabs(value) < WHOLE_MAX) ql_buf_printf(out, "%lld", (long long)value);
    else {
        for (int digits = 15; digits <= 17; digits += 2) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value) break;
        }
        put_decimal(out, text);
    }
}

/* OpenMetrics wants a bound that looks like a float: 1.0, not 1. */
static void put_bound(ql_buf *out, double bound)
{
    size_t begin = out->len;
    put_double(out, bound);
    if (out->status >= 0 && strpbrk(out->ptr + begin, ".eI") == NULL) ql_buf_append(out, QL_STR(".0"));
}

static void put_help(ql_buf *out, const char *help, bool open)
{
    ql_str text = ql_str_of(help);
    for (size_t at = 0; at < text.len; at++) {
        char c = text.ptr[at];
        bool escaped = c == '\\' || (open && c == '"');
        if (escaped) ql_buf_append_char(out, '\\');
        if (c == '\n') ql_buf_append(out, QL_STR("\\n"));
        else ql_buf_append_char(out, c);
    }
}

/* Begins a line: name, suffix, labels, blank. le: an upper bound, NULL for none. */
static void put_name(ql_buf *out, const ql_series *series, const char *suffix, const double *le)
{
    bool braces = series->labels[0] != '\0' || le != NULL;
    ql_buf_printf(out, "%s%s%s%s", series->metric->name, suffix, braces ? "{" : "", series->labels);
    if (le != NULL) {
        ql_buf_append(out, series->labels[0] != '\0' ? QL_STR(",le=\"") : QL_STR("le=\""));
        put_bound(out, *le);
        ql_buf_append_char(out, '"');
    }
    ql_buf_append(out, braces ? QL_STR("} ") : QL_STR(" "));
}

static void put_exemplar(ql_buf *out, const ql_series *series, size_t bucket)
{
    const ql__exemplar *exemplar = series->exemplars != NULL ? &series->exemplars[bucket] : NULL;
    if (exemplar == NULL || exemplar->wall_ms == 0) return;
    ql_buf_printf(out, " # {%s} ", exemplar->labels);
    put_double(out, exemplar->value);
    ql_buf_printf(out, " %lld.%03d", (long long)(exemplar->wall_ms / 1000), (int)(exemplar->wall_ms % 1000));
}

static void put_histogram(ql_buf *out, const ql_series *series, bool open)
{
    ql_metric *metric = series->metric;
    uint64_t cells[QL__METRIC_BOUNDS_MAX + 2], below = 0;
    const double infinite = INFINITY;
    ql__series_sum(series, cells);
    pthread_mutex_lock(&metric->exemplar_lock);
    for (size_t i = 0; i <= metric->bound_count; i++) {
        below += cells[i];
        put_name(out, series, "_bucket", i < metric->bound_count ? &metric->bounds[i] : &infinite);
        ql_buf_printf(out, "%llu", (unsigned long long)below);
        if (open) put_exemplar(out, series, i);
        ql_buf_append_char(out, '\n');
    }
    pthread_mutex_unlock(&metric->exemplar_lock);
    put_name(out, series, "_count", NULL);
    ql_buf_printf(out, "%llu\n", (unsigned long long)below);
    if (open && metric->bound_count > 0 && metric->bounds[0] < 0) return; /* OpenMetrics: no sum where values may be negative */
    put_name(out, series, "_sum", NULL);
    put_double(out, ql__double_of_bits(cells[metric->cells_per_shard - 1]));
    ql_buf_append_char(out, '\n');
}

static void put_series(ql_buf *out, const ql_series *series, bool open)
{
    const ql_metric *metric = series->metric;
    uint64_t sum = 0;
    if (metric->type == QL_METRIC_HISTOGRAM) {
        put_histogram(out, series, open);
        return;
    }
    put_name(out, series, metric->type == QL_METRIC_COUNTER ? "_total" : "", NULL);
    if (series->cells != NULL) {
        ql__series_sum(series, &sum);
        ql_buf_printf(out, "%llu", (unsigned long long)sum);
    } else {
        put_double(out, ql__series_value(series));
    }
    ql_buf_append_char(out, '\n');
}

static void put_comments(ql_buf *out, const ql_metric *metric, bool open)
{
    static const char *const types[] = {"", "counter", "gauge", "histogram"};
    const char *suffix = metric->type == QL_METRIC_COUNTER && !open ? "_total" : "";
    ql_buf_printf(out, "# HELP %s%s ", metric->name, suffix);
    put_help(out, metric->help, open);
    ql_buf_printf(out, "\n# TYPE %s%s %s\n", metric->name, suffix, types[metric->type]);
    if (open && metric->unit != NULL) ql_buf_printf(out, "# UNIT %s %s\n", metric->name, metric->unit);
}

static void put_metric(ql_buf *out, ql_metric *metric, bool open)
{
    put_comments(out, metric, open);
    if (metric->read_fn != NULL) {
        ql_buf_printf(out, "%s ", metric->name);
        put_double(out, metric->read_fn(metric->user));
        ql_buf_append_char(out, '\n');
        return;
    }
    pthread_mutex_lock(&metric->lock); /* series are only appended, but a list is read while it grows */
    const ql_series *series = metric->first;
    pthread_mutex_unlock(&metric->lock);
    while (series != NULL) {
        put_series(out, series, open);
        pthread_mutex_lock(&metric->lock);
        series = series->next;
        pthread_mutex_unlock(&metric->lock);
    }
}

static ql_metric *next_metric(ql__metrics *self, const ql_metric *metric)
{
    pthread_mutex_lock(&self->lock);
    ql_metric *next = metric != NULL ? metric->next : self->first;
    pthread_mutex_unlock(&self->lock);
    return next;
}

ql_status ql__metrics_write(ql__metrics *self, ql_metrics_format format, ql_buf *out, ql_error *err)
{
    bool open = format == QL_METRICS_OPENMETRICS;
    if (!open && format != QL_METRICS_TEXT) return ql__fail(err, QL_E_INVALID, "no such format: %d", (int)format);
    pthread_mutex_lock(&self->write_lock);
    ql__metrics_read_process(self);
    /* Callbacks are called without a lock that an update or a registration needs. */
    for (ql_metric *metric = next_metric(self, NULL); metric != NULL && out->status >= 0; metric = next_metric(self, metric)) put_metric(out, metric, open);
    pthread_mutex_unlock(&self->write_lock);
    if (open) ql_buf_append(out, QL_STR("# EOF\n"));
    if (out->status == QL_E_NOMEM) return ql__fail_nomem(err);
    return out->status < 0 ? ql__fail(err, out->status, "the metrics are larger than the buffer may grow") : QL_OK;
}

/* --- what a client prefers ------------------------------------------------------------------------------------------------------- */

const char *ql__metrics_content_type(ql_metrics_format format)
{
    return format == QL_METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8";
}

static ql_str trimmed(ql_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) text = (ql_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) text.len--;
    return text;
}

/* Takes what is before the next `separator` from text. */
static ql_str take_part(ql_str *text, char separator)
{
    const char *end = memchr(text->ptr, separator, text->len);
    ql_str part = {text->ptr, end != NULL ? (size_t)(end - text->ptr) : text->len};
    size_t used = end != NULL ? part.len + 1 : part.len;
    *text = (ql_str){text->ptr + used, text->len - used};
    return trimmed(part);
}

static bool same_word(ql_str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* "0.75" in thousandths; RFC 9110 allows three digits. What is none: 0, as if it was not asked for. */
static int quality_of(ql_str text)
{
    int value = 0, place = 1000;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1 && text.ptr[1] == '.') continue;
        if (!isdigit((unsigned char)text.ptr[i]) || i > 4 || (i == 0 && text.ptr[0] > '1')) return 0;
        value += (text.ptr[i] - '0') * place;
        place /= 10;
    }
    return value > 1000 ? 1000 : value;
}

/* One media range with its parameters; *version_fits stays as it is unless a version is named. */
static int range_quality(ql_str range, const char *version, bool *version_fits)
{
    int quality = 1000;
    while (range.len > 0) {
        ql_str value = take_part(&range, ';');
        if (value.len == 0) continue;
        ql_str key = take_part(&value, '=');
        value = trimmed(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') value = (ql_str){value.ptr + 1, value.len - 2};
        if (same_word(key, "q")) quality = quality_of(value);
        else if (same_word(key, "version")) *version_fits = same_word(value, version);
    }
    return quality;
}

ql_metrics_format ql__metrics_negotiate(ql_str accept)
{
    int open = 0, text = 0;
    if (accept.ptr == NULL) return QL_METRICS_TEXT;
    while (accept.len > 0) {
        ql_str range = take_part(&accept, ',');
        if (range.len == 0) continue;
        bool fits = true;
        ql_str type = take_part(&range, ';');
        bool is_open = same_word(type, "application/openmetrics-text");
        bool is_text = same_word(type, "text/plain") || same_word(type, "text/*") || same_word(type, "*/*");
        int quality = range_quality(range, is_open ? "1.0.0" : "0.0.4", &fits);
        if (is_open && fits && quality > open) open = quality;
        if (is_text && fits && quality > text) text = quality;
    }
    return open > 0 && open >= text ? QL_METRICS_OPENMETRICS : QL_METRICS_TEXT;
}
