/*
 * What the system knows of this process and machine, read from /proc before the metrics are written. What cannot be read keeps its last value:
 * a metric that is missing in one scrape would look like a restart.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "prof/metric_cells.h"

#define PROC_BYTES_MAX ((size_t)1 << 20) /* /proc/stat has a line a processor and one of every interrupt */

static bool read_file(const ql__metrics *self, const char *path, ql_buf *out)
{
    ql_buf_init(out, PROC_BYTES_MAX);
    return ql__file_read_all(self->sys, path, out, NULL) >= 0;
}

static void set(ql__metrics *self, ql__metric_id id, double value)
{
    ql__series_value_set(self->builtin[id][0], value);
}

/* The number behind "key:" of a line, as /proc/meminfo and /proc/self/io have them. */
static bool number_of(const char *text, const char *key, uint64_t *out)
{
    size_t len = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) != 0 || line[len] != ':') continue;
        *out = strtoull(line + len + 1, NULL, 10);
        return true;
    }
    return false;
}

static void read_counters(ql__metrics *self)
{
    ql__prof_totals totals;
    if (self->prof == NULL) return;
    ql__prof_totals_read(self->prof, &totals);
    set(self, QL__METRIC_REF_INGESTED, (double)totals.counters[QL__COUNTER_CHUNKS]);
    set(self, QL__METRIC_CHUNKS, (double)totals.counters[QL__COUNTER_CHUNKS]);
    set(self, QL__METRIC_TOKENS, (double)totals.counters[QL__COUNTER_TOKENS]);
    set(self, QL__METRIC_READ_BYTES, (double)totals.counters[QL__COUNTER_BYTES_READ]);
    set(self, QL__METRIC_COMMITS, (double)totals.counters[QL__COUNTER_COMMITS]);
}

/* Of proc(5): fields behind the command's closing bracket, the first of which is number 3. */
static uint64_t stat_field(const char *after, int number)
{
    for (int field = 3; field < number && after != NULL; field++) {
        after = strchr(after, ' ');
        after += after != NULL;
    }
    return after != NULL ? strtoull(after, NULL, 10) : 0;
}

static void read_start(ql__metrics *self, uint64_t ticks_since_boot)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    if (!read_file(self, "/proc/stat", &text)) return;
    const char *boot = strstr(ql_buf_cstr(&text), "\nbtime ");
    if (boot != NULL) set(self, QL__METRIC_START, (double)strtoull(boot + 7, NULL, 10) + (double)ticks_since_boot / (double)sysconf(_SC_CLK_TCK));
}

static void read_self(ql__metrics *self)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        set(self, QL__METRIC_CPU_SECONDS, (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    const char *after = read_file(self, "/proc/self/stat", &text) ? strrchr(ql_buf_cstr(&text), ')') : NULL;
    if (after == NULL || after[1] != ' ') return;
    after += 2;
    set(self, QL__METRIC_THREADS, (double)stat_field(after, 20));
    set(self, QL__METRIC_VIRTUAL, (double)stat_field(after, 23));
    set(self, QL__METRIC_RESIDENT, (double)stat_field(after, 24) * (double)sysconf(_SC_PAGESIZE));
    read_start(self, stat_field(after, 22));
}

static void read_disk(ql__metrics *self)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    uint64_t bytes = 0;
    if (!read_file(self, "/proc/self/io", &text)) return;
    if (number_of(ql_buf_cstr(&text), "read_bytes", &bytes)) set(self, QL__METRIC_DISK_READ, (double)bytes);
    if (number_of(ql_buf_cstr(&text), "write_bytes", &bytes)) set(self, QL__METRIC_DISK_WRITTEN, (double)bytes);
}

static void read_memory(ql__metrics *self)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    uint64_t total = 0, available = 0;
    if (!read_file(self, "/proc/meminfo", &text)) return;
    if (number_of(ql_buf_cstr(&text), "MemTotal", &total) && number_of(ql_buf_cstr(&text), "MemAvailable", &available) && total > 0)
        set(self, QL__METRIC_REF_MEMORY, 100.0 * (double)(total - available) / (double)total);
}

/* "cpu  user nice system idle iowait irq softirq steal ..."; guest time is part of user time. */
static void read_processors(ql__metrics *self)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    if (!read_file(self, "/proc/stat", &text) || strncmp(ql_buf_cstr(&text), "cpu ", 4) != 0) return;
    uint64_t total = 0, idle = 0;
    char *at = text.ptr + 4;
    for (int i = 0; i < 8; i++) {
        uint64_t ticks = strtoull(at, &at, 10);
        total += ticks;
        if (i == 3 || i == 4) idle += ticks;
    }
    if (total > self->cpu_total && total - idle >= self->cpu_busy)
        set(self, QL__METRIC_REF_CPU, 100.0 * (double)(total - idle - self->cpu_busy) / (double)(total - self->cpu_total));
    self->cpu_total = total;
    self->cpu_busy = total - idle;
}

void ql__metrics_read_process(ql__metrics *self)
{
    read_counters(self);
    read_self(self);
    read_disk(self);
    read_memory(self);
    read_processors(self);
}
