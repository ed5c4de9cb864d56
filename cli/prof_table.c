#include "prof_table.h"

#include <string.h>

#include "output.h"

static long long whole(const json_t *row, const char *key)
{
    return (long long)json_integer_value(json_object_get(row, key));
}

static const char *text(const json_t *row, const char *key)
{
    const char *value = json_string_value(json_object_get(row, key));
    return value != NULL ? value : "";
}

/* "1.25 s", "3.40 ms", "120 us", in the locale's own numbers for none: digits and a point. */
static const char *time_text(long long ns, char out[32])
{
    unsigned long long size = ns < 0 ? 0ULL - (unsigned long long)ns : (unsigned long long)ns, unit = size >= 1000000000 ? 10000000 : size >= 1000000 ? 10000 : 10;
    const char *name = size >= 1000000000 ? "s" : size >= 1000000 ? "ms" : "us";
    (void)snprintf(out, 32, "%s%llu.%02llu %s", ns < 0 ? "-" : "", size / unit / 100, size / unit % 100, name);
    return out;
}

static const char *bytes_text(long long bytes, char out[32])
{
    unsigned long long size = bytes < 0 ? 0ULL - (unsigned long long)bytes : (unsigned long long)bytes;
    const char *sign = bytes < 0 ? "-" : "";
    if (size >= 1ULL << 20) (void)snprintf(out, 32, "%s%llu.%01llu MiB", sign, size >> 20, (size & ((1ULL << 20) - 1)) * 10 >> 20);
    else if (size >= 1024) (void)snprintf(out, 32, "%s%llu.%01llu KiB", sign, size >> 10, (size & 1023) * 10 >> 10);
    else (void)snprintf(out, 32, "%s%llu B", sign, size);
    return out;
}

static const char *value_text(long long value, bool bytes, char out[32])
{
    return bytes ? bytes_text(value, out) : time_text(value, out);
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* "function (file.c:12)", or "(libfoo.so)" where no file is known. */
static void print_place(const json_t *row)
{
    const char *file = text(row, "file"), *module = text(row, "module"), *name = text(row, "name");
    long long line = whole(row, "line");
    text_put(stdout, ql_str_of(name));
    if (*file != '\0' && strcmp(file, name) != 0) {
        printf(" (");
        text_put(stdout, ql_str_of(base_of(file)));
        if (line > 0) printf(":%lld", line);
        printf(")");
    } else if (*module != '\0' && strcmp(module, name) != 0) {
        printf(" (");
        text_put(stdout, ql_str_of(base_of(module)));
        printf(")");
    }
    printf("\n");
}

void prof_print_notes(FILE *out, const json_t *table)
{
    size_t i = 0;
    json_t *note = NULL;
    json_array_foreach(json_object_get(table, "notes"), i, note)
    {
        fprintf(out, "note: ");
        text_put(out, ql_str_of(json_string_value(note)));
        fprintf(out, "\n");
    }
}

static void print_rest(const cli *self, const json_t *table, size_t shown)
{
    long long all = whole(table, "rows_total");
    if (all > (long long)shown && !cli_has(self, OPT_QUIET)) printf("... %lld more; --limit 0 shows all\n", all - (long long)shown);
}

static const char *kind_text(const json_t *table)
{
    const char *kind = text(table, "kind");
    return strcmp(kind, "cpu") == 0 ? "processor time" : strcmp(kind, "wall") == 0 ? "time that passed" : strcmp(kind, "heap") == 0 ? "memory of the heap" : "waiting";
}

/* Why there are no rows: time always passes, so a sampler that saw none had too little of it. */
static const char *nothing_text(const char *kind, bool bytes)
{
    if (bytes) return "nothing of the heap was in use at the end; 'prof heap --alloc' shows what was allocated, --peak when most was in use";
    bool sampled = strcmp(kind, "cpu") == 0 || strcmp(kind, "wall") == 0;
    return sampled ? "no samples of that kind: the run was too short for any" : "nothing of that kind happened";
}

void prof_print_top(const cli *self, const json_t *table)
{
    char a[32], b[32];
    bool bytes = strcmp(text(table, "unit"), "bytes") == 0;
    size_t i = 0;
    json_t *row = NULL;
    const json_t *rows = json_object_get(table, "rows");
    if (!cli_has(self, OPT_QUIET)) {
        printf("%s: %s in %lld sample%s, over %s", kind_text(table), value_text(whole(table, "total"), bytes, a), whole(table, "samples"), whole(table, "samples") == 1 ? "" : "s", time_text(whole(table, "duration_ns"), b));
        if (*text(table, "engine") != '\0') printf(" (%s)", text(table, "engine"));
        printf("\n");
        prof_print_notes(stdout, table);
    }
    printf("%11s %6s %11s %6s %8s  %s\n", "SELF", "SELF%", "CUMULATIVE", "CUM%", "SAMPLES", "WHERE");
    json_array_foreach(rows, i, row)
    {
        printf("%11s %6.1f %11s %6.1f %8lld  ", value_text(whole(row, "self"), bytes, a), 100 * json_number_value(json_object_get(row, "self_share")),
               value_text(whole(row, "cumulative"), bytes, b), 100 * json_number_value(json_object_get(row, "cumulative_share")), whole(row, "samples"));
        print_place(row);
    }
    if (json_array_size(rows) == 0 && !cli_has(self, OPT_QUIET)) printf("%s\n", nothing_text(text(table, "kind"), bytes));
    print_rest(self, table, json_array_size(rows));
}

void prof_print_heap(const cli *self, const json_t *table)
{
    char a[32], b[32];
    size_t i = 0, k = 0;
    json_t *row = NULL, *frame = NULL;
    const json_t *rows = json_object_get(table, "rows");
    if (!cli_has(self, OPT_QUIET)) {
        printf("heap, %s: ", text(table, "view"));
        printf("%s allocated in all, ", bytes_text(whole(table, "alloc_bytes"), a));
        printf("%s in use at the end, peak ", bytes_text(whole(table, "inuse_bytes"), a));
        printf("%s", bytes_text(whole(table, "peak_bytes"), a));
        if (json_is_true(json_object_get(table, "exact"))) printf("; every call was recorded\n");
        else printf("; estimated from one sample every %s\n", bytes_text(whole(table, "interval_bytes"), a));
        if (json_is_true(json_object_get(table, "library_only"))) printf("note: the library's own memory only\n");
        prof_print_notes(stdout, table);
    }
    printf("%11s %10s %10s  %s\n", "SIZE", "COUNT", "AVERAGE", "WHERE");
    json_array_foreach(rows, i, row)
    {
        printf("%11s %10lld %10s  ", bytes_text(whole(row, "bytes"), a), whole(row, "count"), bytes_text(whole(row, "average_bytes"), b));
        print_place(row);
        json_array_foreach(json_object_get(row, "stack"), k, frame)
        {
            printf("%35s", "");
            print_place(frame);
        }
    }
    if (json_array_size(rows) == 0 && !cli_has(self, OPT_QUIET)) printf("nothing is in this view; --alloc, --peak and --leak are others\n");
    print_rest(self, table, json_array_size(rows));
}

/* Of runs that are not of one length the sums differ by that alone. */
static void print_lengths(long long before, long long after)
{
    char a[32], b[32];
    if (before > 0 && after > 0 && (before > 2 * after || after > 2 * before)) printf("note: the captures differ in length, %s before and %s after: compare the shares\n", time_text(before, a), time_text(after, b));
}

static double share(long long part, long long all)
{
    return all > 0 ? 100 * (double)part / (double)all : 0;
}

void prof_print_diff(const cli *self, const json_t *table)
{
    char a[32];
    bool bytes = strcmp(text(table, "unit"), "bytes") == 0;
    size_t i = 0;
    json_t *row = NULL;
    const json_t *before = json_object_get(table, "before"), *after = json_object_get(table, "after");
    if (!cli_has(self, OPT_QUIET)) {
        printf("%s: %s before, ", kind_text(table), value_text(whole(before, "total"), bytes, a));
        printf("%s after\n", value_text(whole(after, "total"), bytes, a));
        print_lengths(whole(before, "duration_ns"), whole(after, "duration_ns"));
        prof_print_notes(stdout, before);
        prof_print_notes(stdout, after);
    }
    printf("%12s %11s %6s %11s %6s %12s  %s\n", "SELF CHANGE", "SELF BEFORE", "SELF%", "SELF AFTER", "SELF%", "CUM CHANGE", "WHERE");
    json_array_foreach(json_object_get(table, "rows"), i, row)
    {
        long long change = whole(row, "self_change"), cumulative = whole(row, "cumulative_change");
        printf("%s%*s ", change > 0 ? "+" : " ", 11, value_text(change, bytes, a));
        long long self_before = whole(row, "self_before"), self_after = whole(row, "self_after");
        printf("%11s %6.1f ", value_text(self_before, bytes, a), share(self_before, whole(before, "total")));
        printf("%11s %6.1f ", value_text(self_after, bytes, a), share(self_after, whole(after, "total")));
        printf("%s%*s  ", cumulative > 0 ? "+" : " ", 11, value_text(cumulative, bytes, a));
        print_place(row);
    }
}
