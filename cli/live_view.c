/* See live_view.h. */
#include "live_view.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "?";
}

/* A name from another process, on one line. */
static void put_name(ql_buf *out, const char *name)
{
    ql_str rest = ql_str_of(name);
    for (size_t at = 0, bytes = 1; at < rest.len; at += bytes) {
        bool control = text_is_control(rest, at, &bytes);
        (void)ql_buf_append(out, control ? QL_STR("?") : (ql_str){rest.ptr + at, bytes});
    }
}

static void put_bytes(ql_buf *out, const char *label, const json_t *value)
{
    if (json_is_integer(value)) (void)ql_buf_printf(out, "  %s %.1f MiB", label, json_number_value(value) / 1048576);
}

static void put_head(const live_view *self, const json_t *stats, const json_t *before, ql_buf *out)
{
    double seconds = (number(stats, "shown_ns") - number(before, "shown_ns")) / 1e9, cpu = (number(stats, "cpu_ns") - number(before, "cpu_ns")) / 1e9;
    (void)ql_buf_printf(out, "process %.0f, qloader %s, %s, %.0f threads", number(stats, "pid"), text(stats, "version"), text(stats, "mode"), number(stats, "threads_all"));
    if (number(stats, "rate_hz") > 0) (void)ql_buf_printf(out, " at %.0f Hz", number(stats, "rate_hz"));
    if (self->paused) (void)ql_buf_append(out, QL_STR(", paused"));
    if (strchr("Tt", text(stats, "state")[0]) != NULL) (void)ql_buf_append(out, QL_STR(", STOPPED by a signal: what is shown is of before"));
    else if (number(stats, "page_age_ns") > 3e9) (void)ql_buf_printf(out, ", SILENT for %.0f s", number(stats, "page_age_ns") / 1e9);
    (void)ql_buf_append(out, QL_STR("\n"));
    if (before != NULL && seconds > 0) (void)ql_buf_printf(out, "cpu %.0f %%", 100 * cpu / seconds);
    else (void)ql_buf_printf(out, "cpu %.1f s", number(stats, "cpu_ns") / 1e9);
    put_bytes(out, "resident", json_object_get(stats, "rss_bytes"));
    put_bytes(out, "disk read", json_object_get(stats, "read_bytes"));
    put_bytes(out, "written", json_object_get(stats, "write_bytes"));
    const json_t *tasks = json_object_get(stats, "tasks");
    (void)ql_buf_printf(out, "  tasks %.0f running, %.0f ready, %.0f waiting\n", number(tasks, "running"), number(tasks, "ready"), number(tasks, "waiting"));
}

static const json_t *row_named(const json_t *list, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row) if (strcmp(text(row, "name"), name) == 0) return row;
    return NULL;
}

/* Queues as they are; of what only grows, and only while somebody samples, the rate between the readings. */
static void put_counters(const json_t *stats, const json_t *before, ql_buf *out)
{
    size_t i;
    json_t *row;
    double seconds = (number(stats, "sampled_ns") - number(before, "sampled_ns")) / 1e9;
    json_array_foreach(json_object_get(stats, "counters"), i, row)
    {
        bool total = json_is_true(json_object_get(row, "total"));
        double grown = number(row, "value") - number(row_named(json_object_get(before, "counters"), text(row, "name")), "value");
        if (total && seconds <= 0) continue;
        put_name(out, text(row, "name"));
        (void)ql_buf_printf(out, total ? " %.1f/s  " : " %.0f  ", total ? grown / seconds : number(row, "value"));
    }
    (void)ql_buf_append(out, QL_STR("\n"));
}

/* Rates of the time between the readings; without an earlier one of all the time that was sampled. */
static void put_stages(const json_t *stats, const json_t *before, ql_buf *out)
{
    size_t i;
    json_t *row, *list = json_object_get(stats, "stages");
    double seconds = (number(stats, "sampled_ns") - number(before, "sampled_ns")) / 1e9;
    if (json_array_size(list) == 0) return;
    (void)ql_buf_printf(out, "\n%10s %10s %8s  %s\n", "PER S", "MS EACH", "BUSY", "STAGE");
    json_array_foreach(list, i, row)
    {
        const json_t *old = row_named(json_object_get(before, "stages"), text(row, "name"));
        double count = number(row, "count") - number(old, "count"), wall = (number(row, "wall_ns") - number(old, "wall_ns")) / 1e9;
        (void)ql_buf_printf(out, "%10.1f %10.2f %8.2f  ", seconds > 0 ? count / seconds : 0, count > 0 ? wall * 1e3 / count : 0, seconds > 0 ? wall / seconds : 0);
        put_name(out, text(row, "name"));
        (void)ql_buf_append(out, QL_STR("\n"));
    }
}

static void put_threads(const json_t *stats, const json_t *before, ql_buf *out)
{
    size_t i, k;
    json_t *row, *old;
    double seconds = (number(stats, "shown_ns") - number(before, "shown_ns")) / 1e9;
    (void)ql_buf_printf(out, "\n%10s %10s %5s  %s\n", "THREAD", before != NULL ? "CPU %" : "CPU S", "STATE", "NAME");
    json_array_foreach(json_object_get(stats, "threads"), i, row)
    {
        double used = number(row, "cpu_ns") / 1e9, share = used;
        json_array_foreach(json_object_get(before, "threads"), k, old)
            if (number(old, "id") == number(row, "id")) share = seconds > 0 ? 100 * (used - number(old, "cpu_ns") / 1e9) / seconds : 0;
        (void)ql_buf_printf(out, "%10.0f %10.1f %5s  ", number(row, "id"), share, text(row, "state"));
        put_name(out, text(row, "name"));
        (void)ql_buf_append(out, QL_STR("\n"));
    }
}

typedef struct ranked {
    const json_t *row;
    double value;
} ranked;

static int larger_first(const void *a, const void *b)
{
    double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return (x < y) - (x > y);
}

static void put_functions(const live_view *self, const json_t *stats, ql_buf *out)
{
    ranked rows[128];
    size_t i, count = 0;
    json_t *row;
    double window = number(stats, "window_ns");
    json_array_foreach(json_object_get(stats, "functions"), i, row)
        if (count < sizeof rows / sizeof *rows) rows[count++] = (ranked){row, number(row, self->by_self ? "self_ns" : "total_ns")};
    qsort(rows, count, sizeof *rows, larger_first);
    (void)ql_buf_printf(out, "\n%8s %8s  %s\n", "SELF %", "TOTAL %", "FUNCTION (of the last seconds' processor time)");
    if (count == 0 || window <= 0) (void)ql_buf_append(out, self->rate_hz == 0 ? QL_STR("                   not sampled\n") : QL_STR("                   no samples yet\n"));
    for (i = 0; i < count && window > 0; i++) {
        (void)ql_buf_printf(out, "%8.1f %8.1f  ", 100 * number(rows[i].row, "self_ns") / window, 100 * number(rows[i].row, "total_ns") / window);
        put_name(out, text(rows[i].row, "name"));
        (void)ql_buf_append(out, QL_STR("\n"));
    }
}

/* Cut to the terminal: lines that do not fit are left out, long ones end early. */
static void cut(const live_view *self, ql_buf *all, ql_buf *out)
{
    const char *at = ql_buf_cstr(all);
    for (int row = 0; *at != '\0' && (self->rows == 0 || row < self->rows); row++) {
        size_t length = strcspn(at, "\n"), shown = length;
        if (self->columns > 0 && shown > (size_t)self->columns) shown = (size_t)self->columns;
        while (shown < length && ((unsigned char)at[shown] & 0xc0) == 0x80) shown--; /* not inside a character */
        (void)ql_buf_append(out, (ql_str){at, shown});
        (void)ql_buf_append(out, QL_STR("\n"));
        at += length + (at[length] == '\n');
    }
}

void live_view_print(const live_view *self, const json_t *stats, const json_t *before, ql_buf *out)
{
    ql_buf all = QL_BUF_INIT;
    put_head(self, stats, before, &all);
    put_counters(stats, before, &all);
    put_stages(stats, before, &all);
    if (self->rows > 0) { /* what one looks for comes first */
        put_functions(self, stats, &all);
        put_threads(stats, before, &all);
    } else {
        put_threads(stats, before, &all);
        put_functions(self, stats, &all);
    }
    cut(self, &all, out);
    ql_buf_dispose(&all);
}
