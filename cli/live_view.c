/* See live_view.h. */
#include "live_view.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define ROWS_MAX 128
#define HEAD_ROWS 2 /* an empty line and the names of columns */

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

/* --- lines that wrap ------------------------------------------------------------------------------------------------------------- */

static size_t line_length(const ql_buf *out)
{
    size_t length = 0;
    while (length < out->len && out->ptr[out->len - 1 - length] != '\n') length++;
    return length;
}

/* On the line where it fits, else on the next. */
static void put_item(const live_view *self, ql_buf *out, const char *separator, const ql_buf *item)
{
    size_t used = line_length(out);
    bool fits = self->columns <= 0 || used + strlen(separator) + item->len <= (size_t)self->columns;
    if (used > 0 && fits) (void)ql_buf_append(out, ql_str_of(separator));
    else if (used > 0) (void)ql_buf_append_char(out, '\n');
    (void)ql_buf_append(out, ql_buf_str(item));
}

__attribute__((format(printf, 4, 5))) static void put_words(const live_view *self, ql_buf *out, const char *separator, const char *format, ...)
{
    char words[160];
    ql_buf item = QL_BUF_INIT;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args);
    va_end(args);
    (void)ql_buf_append(&item, ql_str_of(words));
    put_item(self, out, separator, &item);
    ql_buf_dispose(&item);
}

static void put_bytes(const live_view *self, ql_buf *out, const char *label, const json_t *value)
{
    if (json_is_integer(value)) put_words(self, out, "  ", "%s %.1f MiB", label, json_number_value(value) / 1048576);
}

static void put_head(const live_view *self, const json_t *stats, const json_t *before, ql_buf *out)
{
    double seconds = (number(stats, "shown_ns") - number(before, "shown_ns")) / 1e9, cpu = (number(stats, "cpu_ns") - number(before, "cpu_ns")) / 1e9;
    put_words(self, out, "", "process %.0f", number(stats, "pid"));
    put_words(self, out, ", ", "qloader %.40s", text(stats, "version"));
    const char *plural = number(stats, "threads_all") > 1 ? "s" : "";
    if (number(stats, "rate_hz") > 0) put_words(self, out, ", ", "%.20s, %.0f thread%s at %.0f Hz", text(stats, "mode"), number(stats, "threads_all"), plural, number(stats, "rate_hz"));
    else put_words(self, out, ", ", "%.20s, %.0f thread%s", text(stats, "mode"), number(stats, "threads_all"), plural);
    if (self->paused) put_words(self, out, ", ", "paused");
    if (strchr("Tt", text(stats, "state")[0]) != NULL) put_words(self, out, ", ", "STOPPED by a signal: what is shown is of before");
    else if (number(stats, "page_age_ns") > 3e9) put_words(self, out, ", ", "SILENT for %.0f s", number(stats, "page_age_ns") / 1e9);
    (void)ql_buf_append(out, QL_STR("\n"));
    if (before != NULL && seconds > 0) put_words(self, out, "", "cpu %.0f %%", 100 * cpu / seconds);
    else put_words(self, out, "", "cpu %.1f s", number(stats, "cpu_ns") / 1e9);
    put_bytes(self, out, "resident", json_object_get(stats, "rss_bytes"));
    put_bytes(self, out, "disk read", json_object_get(stats, "read_bytes"));
    put_bytes(self, out, "written", json_object_get(stats, "write_bytes"));
    const json_t *tasks = json_object_get(stats, "tasks");
    put_words(self, out, "  ", "tasks %.0f running, %.0f ready, %.0f waiting", number(tasks, "running"), number(tasks, "ready"), number(tasks, "waiting"));
    (void)ql_buf_append(out, QL_STR("\n"));
}

static const json_t *row_named(const json_t *list, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row) if (strcmp(text(row, "name"), name) == 0) return row;
    return NULL;
}

static void put_counter(const live_view *self, const char *name, double value, const char *per, ql_buf *out)
{
    bool bytes = strstr(name, "bytes") != NULL;
    ql_buf item = QL_BUF_INIT;
    put_name(&item, name);
    (void)ql_buf_printf(&item, bytes ? " %.1f MiB%s" : *per != '\0' ? " %.1f%s" : " %.0f%s", bytes ? value / 1048576 : value, per);
    put_item(self, out, "  ", &item);
    ql_buf_dispose(&item);
}

/* Of what only grows, and only while somebody samples, the rate between the readings; behind it queues as they are. */
static void put_counters(const live_view *self, const json_t *stats, const json_t *before, ql_buf *out)
{
    size_t i;
    json_t *row;
    double seconds = (number(stats, "sampled_ns") - number(before, "sampled_ns")) / 1e9;
    for (int totals = 1; totals >= 0; totals--) {
        json_array_foreach(json_object_get(stats, "counters"), i, row)
        {
            if (json_is_true(json_object_get(row, "total")) != (totals == 1) || (totals == 1 && seconds <= 0)) continue;
            double grown = number(row, "value") - number(row_named(json_object_get(before, "counters"), text(row, "name")), "value");
            put_counter(self, text(row, "name"), totals == 1 ? grown / seconds : number(row, "value"), totals == 1 ? "/s" : "", out);
        }
        if (self->rows == 0 && line_length(out) > 0) (void)ql_buf_append_char(out, '\n');
    }
    if (line_length(out) > 0) (void)ql_buf_append_char(out, '\n');
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

/* Rates of the time between the readings; without an earlier one of all the time that was sampled. On a screen the busiest come first, `most` of them. */
static void put_stages(const live_view *self, const json_t *stats, const json_t *before, size_t most, ql_buf *out)
{
    ranked rows[ROWS_MAX];
    size_t i, rows_count = 0;
    json_t *stage, *list = json_object_get(stats, "stages");
    double seconds = (number(stats, "sampled_ns") - number(before, "sampled_ns")) / 1e9;
    json_array_foreach(list, i, stage)
        if (rows_count < ROWS_MAX) rows[rows_count++] = (ranked){stage, number(stage, "wall_ns") - number(row_named(json_object_get(before, "stages"), text(stage, "name")), "wall_ns")};
    if (rows_count == 0) return;
    if (self->rows > 0) qsort(rows, rows_count, sizeof *rows, larger_first);
    (void)ql_buf_printf(out, "\n%10s %10s %8s  %s\n", "PER S", "MS EACH", "BUSY", "STAGE");
    for (i = 0; i < rows_count && i < most; i++) {
        const json_t *row = rows[i].row, *old = row_named(json_object_get(before, "stages"), text(row, "name"));
        double count = number(row, "count") - number(old, "count"), wall = rows[i].value / 1e9;
        (void)ql_buf_printf(out, "%10.1f %10.2f %8.2f  ", seconds > 0 ? count / seconds : 0, count > 0 ? wall * 1e3 / count : 0, seconds > 0 ? wall / seconds : 0);
        put_name(out, text(row, "name"));
        (void)ql_buf_append(out, QL_STR("\n"));
    }
}

/* Percent of one core between the readings; without an earlier one, seconds. */
static double thread_share(const json_t *row, const json_t *before, double seconds)
{
    size_t k;
    json_t *old;
    double used = number(row, "cpu_ns") / 1e9;
    if (before == NULL) return used;
    json_array_foreach(json_object_get(before, "threads"), k, old) if (number(old, "id") == number(row, "id")) used -= number(old, "cpu_ns") / 1e9;
    return seconds > 0 ? 100 * used / seconds : 0;
}

static void put_threads(const live_view *self, const json_t *stats, const json_t *before, size_t most, ql_buf *out)
{
    ranked rows[ROWS_MAX];
    size_t i, count = 0;
    json_t *thread;
    double seconds = (number(stats, "shown_ns") - number(before, "shown_ns")) / 1e9;
    json_array_foreach(json_object_get(stats, "threads"), i, thread)
        if (count < ROWS_MAX) rows[count++] = (ranked){thread, thread_share(thread, before, seconds)};
    if (self->rows > 0) qsort(rows, count, sizeof *rows, larger_first);
    (void)ql_buf_printf(out, "\n%10s %10s %5s  %s\n", "THREAD", before != NULL ? "CPU %" : "CPU S", "STATE", "NAME");
    for (i = 0; i < count && i < most; i++) {
        (void)ql_buf_printf(out, "%10.0f %10.1f %5s  ", number(rows[i].row, "id"), rows[i].value, text(rows[i].row, "state"));
        put_name(out, text(rows[i].row, "name"));
        (void)ql_buf_append(out, QL_STR("\n"));
    }
}

static void put_functions(const live_view *self, const json_t *stats, size_t most, ql_buf *out)
{
    ranked rows[ROWS_MAX];
    size_t i, count = 0;
    json_t *row;
    double window = number(stats, "window_ns");
    json_array_foreach(json_object_get(stats, "functions"), i, row)
        if (count < ROWS_MAX) rows[count++] = (ranked){row, number(row, self->by_self ? "self_ns" : "total_ns")};
    qsort(rows, count, sizeof *rows, larger_first);
    (void)ql_buf_printf(out, "\n%8s %8s  %s\n", "SELF %", "TOTAL %", "FUNCTION (of the last seconds' processor time)");
    if (count == 0 || window <= 0) (void)ql_buf_append(out, self->rate_hz == 0 ? QL_STR("                   not sampled\n") : QL_STR("                   no samples yet\n"));
    for (i = 0; i < count && i < most && window > 0; i++) {
        (void)ql_buf_printf(out, "%8.1f %8.1f  ", 100 * number(rows[i].row, "self_ns") / window, 100 * number(rows[i].row, "total_ns") / window);
        put_name(out, text(rows[i].row, "name"));
        (void)ql_buf_append(out, QL_STR("\n"));
    }
}

static size_t lines_of(const ql_buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < out->len; i++) count += out->ptr[i] == '\n';
    return count;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What the lines above leave of a screen goes to the busiest stages, then to functions and threads; too small a rest to functions alone. */
static void put_screen(const live_view *self, const json_t *stats, const json_t *before, ql_buf *out)
{
    size_t rows = (size_t)self->rows, quarter = rows / 4, threads = 0;
    if (quarter > HEAD_ROWS) put_stages(self, stats, before, quarter - 1, out);
    size_t used = lines_of(out), rest = rows > used + HEAD_ROWS ? rows - used - HEAD_ROWS : 0;
    if (rest >= HEAD_ROWS + 4) threads = smaller(smaller((rest - HEAD_ROWS) * 2 / 5, quarter), json_array_size(json_object_get(stats, "threads")));
    put_functions(self, stats, threads > 0 ? rest - HEAD_ROWS - threads : rest, out);
    used = lines_of(out) + HEAD_ROWS;
    if (threads > 0) put_threads(self, stats, before, rows > used ? rows - used : 0, out);
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
    put_counters(self, stats, before, &all);
    if (self->rows > 0) put_screen(self, stats, before, &all);
    else {
        put_stages(self, stats, before, ROWS_MAX, &all);
        put_threads(self, stats, before, ROWS_MAX, &all);
        put_functions(self, stats, ROWS_MAX, &all);
    }
    cut(self, &all, out);
    ql_buf_dispose(&all);
}
