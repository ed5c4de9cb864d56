/* See bench_result.h. */
#include "bench_result.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "output_file.h"
#include "statistics.h"

#define FORMAT_NAME "qloader-bench"
#define FORMAT_VERSION 1
#define FILE_BYTES_MAX ((size_t)256 << 20)
#define MEASURES_MAX 10000

const char *const bench_units[] = {"s", "bytes", "count", "1/s", NULL};

/* --- load of the machine ------------------------------------------------------------------------------------------------------- */

static double used_s(int who)
{
    struct rusage usage = {0};
    if (getrusage(who, &usage) != 0) return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* man 5 proc_stat; guests are part of "user" and "nice". */
static bench_clock read_clock(void)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    char line[512], *at = line + 3;
    double ticks[FIELDS] = {0}, hz = (double)sysconf(_SC_CLK_TCK);
    bench_clock self = {.own_s = used_s(RUSAGE_SELF) + used_s(RUSAGE_CHILDREN)};
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    self.at_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    FILE *file = fopen("/proc/stat", "re");
    self.known = file != NULL && fgets(line, sizeof line, file) != NULL && strncmp(line, "cpu ", 4) == 0 && hz > 0;
    if (file != NULL) fclose(file);
    if (!self.known) return self;
    for (int i = 0; i < FIELDS; i++) {
        char *end = at;
        ticks[i] = (double)strtoull(at, &end, 10);
        if (end == at) break; /* an old kernel tells no steal */
        at = end;
    }
    self.busy_s = (ticks[USER] + ticks[NICE] + ticks[SYSTEM] + ticks[IRQ] + ticks[SOFTIRQ] + ticks[STEAL]) / hz;
    self.steal_s = ticks[STEAL] / hz;
    return self;
}

/* NULL: not known, or no memory. */
static json_t *load_json(const bench_result *self)
{
    bench_clock now = read_clock(), begin = self->begin;
    double seconds = now.at_s - begin.at_s;
    if (!begin.known || !now.known || seconds <= 0) return NULL;
    double own = (now.own_s - begin.own_s) / seconds, other = (now.busy_s - begin.busy_s) / seconds - own, steal = (now.steal_s - begin.steal_s) / seconds;
    return json_pack("{s:f, s:f, s:f, s:f}", "seconds", seconds, "own_cores", own, "other_cores", other > 0 ? other : 0, "steal_cores", steal > 0 ? steal : 0); /* ticks are coarse */
}

static void read_load(bench_result *self, const json_t *root)
{
    const json_t *load = json_object_get(root, "load"), *seconds = json_object_get(load, "seconds"), *own = json_object_get(load, "own_cores"), *other = json_object_get(load, "other_cores");
    self->load = (bench_load){.seconds = json_number_value(seconds), .own_cores = json_number_value(own), .other_cores = json_number_value(other),
                                     .cores = (long)json_integer_value(json_object_get(json_object_get(root, "machine"), "cores")),
                                     .known = json_is_number(seconds) && json_is_number(own) && json_is_number(other)};
}

/* --- making -------------------------------------------------------------------------------------------------------------------- */

void bench_init(bench_result *self, const char *kind, const char *name)
{
    *self = (bench_result){.kind = strdup(kind), .name = strdup(name), .conditions = json_object()};
    self->lost = self->kind == NULL || self->name == NULL || self->conditions == NULL;
}

void bench_start(bench_result *self)
{
    self->begin = read_clock();
}

void bench_dispose(bench_result *self)
{
    for (size_t i = 0; i < self->measure_count; i++) {
        free(self->measures[i].name);
        free(self->measures[i].values);
    }
    free(self->measures);
    free(self->kind);
    free(self->name);
    json_decref(self->conditions);
    *self = (bench_result){0};
}

static bench_measure *find(const bench_result *self, const char *name)
{
    for (size_t i = 0; i < self->measure_count; i++)
        if (strcmp(self->measures[i].name, name) == 0) return &self->measures[i];
    return NULL;
}

static bool grow(void *items, size_t *capacity, size_t size)
{
    void *old = NULL;
    size_t wanted = *capacity > 0 ? *capacity * 2 : 16;
    memcpy(&old, items, sizeof old);
    void *grown = reallocarray(old, wanted, size);
    if (grown == NULL) return false;
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

static bench_measure *find_or_make(bench_result *self, const char *name, const char *unit)
{
    bench_measure *found = find(self, name);
    if (found != NULL) return found;
    if (self->measure_count == self->measure_capacity && !grow(&self->measures, &self->measure_capacity, sizeof *self->measures)) return NULL;
    char *copy = strdup(name);
    if (copy == NULL) return NULL;
    self->measures[self->measure_count] = (bench_measure){.name = copy, .unit = unit};
    return &self->measures[self->measure_count++];
}

void bench_add(bench_result *self, const char *name, const char *unit, double value)
{
    if (!isfinite(value)) return;
    bench_measure *measure = find_or_make(self, name, unit);
    bool room = measure != NULL && measure->count < BENCH_VALUES_MAX && (measure->count < measure->capacity || grow(&measure->values, &measure->capacity, sizeof *measure->values));
    if (room) measure->values[measure->count++] = value;
    else self->lost = true;
}

void bench_condition(bench_result *self, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(self->conditions, key, value) != 0) self->lost = true;
}

/* --- as JSON ------------------------------------------------------------------------------------------------------------------- */

static json_t *machine_json(void)
{
    struct utsname name;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (uname(&name) != 0) return json_object();
    return json_pack("{s:s, s:s, s:s, s:I}", "system", name.sysname, "release", name.release, "architecture", name.machine, "cores", (json_int_t)cores);
}

static json_t *now_json(void)
{
    char text[32];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
    return json_string(text);
}

/* NULL: no memory. */
static double *sorted_values(const bench_measure *measure)
{
    double *sorted = reallocarray(NULL, measure->count, sizeof *sorted);
    if (sorted == NULL) return NULL;
    memcpy(sorted, measure->values, measure->count * sizeof *sorted);
    stat_sort(sorted, measure->count);
    return sorted;
}

static json_t *measure_json(const bench_measure *measure)
{
    double *sorted = sorted_values(measure);
    json_t *values = json_array();
    for (size_t i = 0; values != NULL && i < measure->count; i++)
        if (json_array_append_new(values, json_real(measure->values[i])) != 0) sorted[0] = NAN;
    json_t *object = NULL;
    if (sorted != NULL && values != NULL && !isnan(sorted[0])) {
        stat_summary all = stat_summarize(sorted, measure->count);
        object = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:O}", "name", measure->name, "unit", measure->unit, "min", all.min, "median", all.median, "mean", all.mean, "max", all.max,
                           "stddev", all.stddev, "p50", stat_quantile(sorted, measure->count, 0.5), "p90", stat_quantile(sorted, measure->count, 0.9), "p99", stat_quantile(sorted, measure->count, 0.99),
                           "values", values);
    }
    json_decref(values);
    free(sorted);
    return object;
}

json_t *bench_json(const bench_result *self)
{
    json_t *object = json_pack("{s:s, s:i, s:s, s:s, s:o, s:s, s:o}", "format", FORMAT_NAME, "format_version", FORMAT_VERSION, "kind", self->kind, "name", self->name, "created_at", now_json(),
                               "version", ql_version(), "machine", machine_json());
    json_t *measures = json_array(), *load = load_json(self);
    if (object != NULL && load != NULL) json_object_set(object, "load", load);
    json_decref(load);
    bool whole = object != NULL && measures != NULL && !self->lost && json_object_update(object, self->conditions) == 0;
    for (size_t i = 0; i < self->measure_count && whole; i++) whole = json_array_append_new(measures, measure_json(&self->measures[i])) == 0;
    if (whole) whole = json_object_set(object, "measures", measures) == 0;
    json_decref(measures);
    if (whole) return object;
    json_decref(object);
    return NULL;
}

json_t *bench_stages(const ql_runtime *runtime)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    const char *name = NULL;
    json_t *span = NULL, *root = ql_runtime_stats_json(runtime, &text, &err) >= 0 ? json_loads(ql_buf_cstr(&text), 0, NULL) : NULL;
    json_t *stages = root != NULL ? json_object() : NULL;
    json_object_foreach(json_object_get(root, "spans"), name, span)
        json_object_set_new(stages, name, json_pack("{s:O, s:f}", "count", json_object_get(span, "count"), "wall_ms", (double)json_integer_value(json_object_get(span, "wall_ns")) / 1e6));
    json_decref(root);
    ql_buf_dispose(&text);
    return stages;
}

/* --- reading ------------------------------------------------------------------------------------------------------------------- */

static const char *known_unit(const json_t *unit)
{
    const char *text = json_string_value(unit);
    for (size_t i = 0; text != NULL && bench_units[i] != NULL; i++)
        if (strcmp(bench_units[i], text) == 0) return bench_units[i];
    return NULL;
}

/* NULL: all is well, else what is wrong. */
static const char *read_measure(bench_result *self, const json_t *measure)
{
    const char *name = json_string_value(json_object_get(measure, "name")), *unit = known_unit(json_object_get(measure, "unit"));
    const json_t *values = json_object_get(measure, "values"), *value = NULL;
    size_t i = 0;
    if (name == NULL || unit == NULL || !json_is_array(values)) return "a measure lacks name, unit or values";
    if (json_array_size(values) == 0 || json_array_size(values) > BENCH_VALUES_MAX) return "a measure has no values, or too many";
    if (find(self, name) != NULL) return "two measures have one name";
    json_array_foreach(values, i, value)
    {
        if (!json_is_number(value)) return "a value is no number";
        bench_add(self, name, unit, json_number_value(value));
    }
    return self->lost ? "out of memory" : NULL;
}

/* What a result of `bench run` ran. */
static const char *read_command(bench_result *self, const json_t *root)
{
    json_t *command = json_object_get(root, "command");
    size_t i = 0;
    const json_t *word = NULL;
    if (command == NULL) return NULL;
    if (!json_is_array(command)) return "its command is no list of words";
    json_array_foreach(command, i, word)
        if (!json_is_string(word)) return "a word of its command is no text";
    return json_object_set(self->conditions, "command", command) == 0 ? NULL : "out of memory";
}

static const char *read_result(bench_result *self, const json_t *root)
{
    const json_t *measures = json_object_get(root, "measures"), *measure = NULL;
    const char *format = json_string_value(json_object_get(root, "format")), *kind = json_string_value(json_object_get(root, "kind")), *name = json_string_value(json_object_get(root, "name"));
    size_t i = 0;
    if (format == NULL || strcmp(format, FORMAT_NAME) != 0) return "this is no result of 'qloader bench'";
    if (json_integer_value(json_object_get(root, "format_version")) != FORMAT_VERSION) return "it was written by another version";
    if (kind == NULL || name == NULL || !json_is_array(measures) || json_array_size(measures) > MEASURES_MAX) return "it lacks kind, name or measures";
    bench_init(self, kind, name);
    read_load(self, root);
    const char *command = read_command(self, root);
    if (command != NULL) return command;
    const char *wrong = NULL;
    json_array_foreach(measures, i, measure)
        if (wrong == NULL) wrong = read_measure(self, measure);
    return wrong;
}

static int fail_load(const cli *program, const char *path, ql_status status, const char *why)
{
    ql_error err = {.status = status};
    snprintf(err.message, sizeof err.message, "cannot read '%.200s': %.200s", path, why);
    return cli_fail(program, status, &err);
}

int bench_read(const cli *program, const char *path, bench_result *out)
{
    json_error_t error;
    *out = (bench_result){0};
    FILE *file = fopen(path, "re");
    if (file == NULL) return fail_load(program, path, errno == ENOENT ? QL_E_NOTFOUND : QL_E_IO, strerror(errno));
    bool fits = fseeko(file, 0, SEEK_END) != 0 || ftello(file) <= (off_t)FILE_BYTES_MAX; /* a pipe has no end to seek to */
    rewind(file);
    json_t *root = fits ? json_loadf(file, JSON_REJECT_DUPLICATES, &error) : NULL;
    fclose(file);
    if (!fits) return fail_load(program, path, QL_E_LIMIT, "it is larger than 256 MB");
    if (root == NULL) return fail_load(program, path, QL_E_FORMAT, error.text);
    const char *wrong = read_result(out, root);
    json_decref(root);
    if (wrong == NULL) return -1;
    bench_dispose(out);
    return fail_load(program, path, QL_E_FORMAT, wrong);
}

/* --- showing ------------------------------------------------------------------------------------------------------------------- */

void bench_format(const char *unit, double value, char out[32])
{
    static const char *const prefixes[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t prefix = 0;
    if (strcmp(unit, "s") == 0) {
        if (value < 0.001) snprintf(out, 32, "%.1f us", value * 1e6);
        else if (value < 1) snprintf(out, 32, "%.2f ms", value * 1e3);
        else snprintf(out, 32, "%.3f s", value);
    } else if (strcmp(unit, "bytes") == 0) {
        for (; value >= 1024 && prefix < 4; prefix++) value /= 1024; /* memory, as in profiles */
        snprintf(out, 32, prefix == 0 ? "%.0f %s" : "%.1f %s", value, prefixes[prefix]);
    } else if (strcmp(unit, "1/s") == 0) {
        snprintf(out, 32, "%.1f/s", value);
    } else {
        snprintf(out, 32, value == floor(value) ? "%.0f" : "%.1f", value);
    }
}

/* What lies in what in a search, in the order of its table. */
static const struct {
    const char *name;
    int depth;
} search_stages[] = {{"stage search", 0}, {"stage query_embed", 1}, {"stage tokenize", 2}, {"stage embed", 2}, {"stage dense", 1}, {"stage sparse", 1}, {"stage fuse", 1}, {"stage format", 1}};
enum { SEARCH_STAGES = sizeof search_stages / sizeof *search_stages };

static size_t search_stage_of(const char *name)
{
    size_t i = 0;
    while (i < SEARCH_STAGES && strcmp(search_stages[i].name, name) != 0) i++;
    return i;
}

/* depth: how many stages it lies in; its time is a part of theirs. */
static bool print_measure(const bench_measure *measure, int depth, int width)
{
    char text[6][32];
    double *sorted = sorted_values(measure);
    if (sorted == NULL) return false;
    stat_summary all = stat_summarize(sorted, measure->count);
    const double shown[6] = {all.min, all.median, all.mean, all.stddev, stat_quantile(sorted, measure->count, 0.99), all.max};
    for (size_t i = 0; i < 6; i++) bench_format(measure->unit, shown[i], text[i]);
    printf("%*s", 2 * depth, "");
    text_put(stdout, ql_str_of(measure->name));
    printf("%*s %10s %10s %10s %10s %10s %10s %7zu\n", width - 2 * depth - (int)strlen(measure->name), "", text[0], text[1], text[2], text[3], text[4], text[5], measure->count);
    free(sorted);
    return true;
}

static const bench_measure *measure_named(const bench_result *self, const char *name)
{
    for (size_t i = 0; i < self->measure_count; i++)
        if (strcmp(self->measures[i].name, name) == 0) return &self->measures[i];
    return NULL;
}

static bool print_table(const bench_result *self)
{
    int width = 7;
    bool whole = true, nests = measure_named(self, search_stages[0].name) != NULL; /* those of an ingest overlap and lie side by side */
    for (size_t i = 0; i < self->measure_count; i++) {
        size_t stage = nests ? search_stage_of(self->measures[i].name) : SEARCH_STAGES;
        int length = (int)strlen(self->measures[i].name) + (stage < SEARCH_STAGES ? 2 * search_stages[stage].depth : 0);
        if (length > width) width = length;
    }
    printf("%-*s %10s %10s %10s %10s %10s %10s %7s\n", width, "measure", "min", "median", "mean", "stddev", "p99", "max", "values");
    for (size_t i = 0; i < self->measure_count && whole; i++)
        if (!nests || search_stage_of(self->measures[i].name) == SEARCH_STAGES) whole = print_measure(&self->measures[i], 0, width);
    for (size_t i = 0; nests && i < SEARCH_STAGES && whole; i++) {
        const bench_measure *measure = measure_named(self, search_stages[i].name);
        if (measure != NULL) whole = print_measure(measure, search_stages[i].depth, width);
    }
    return whole;
}

/* Times that were taken while others used the processors are not those of a quiet machine. */
static void print_load(const json_t *object)
{
    const json_t *load = json_object_get(object, "load");
    double other = json_number_value(json_object_get(load, "other_cores"));
    long long cores = (long long)json_integer_value(json_object_get(json_object_get(object, "machine"), "cores"));
    if (other > BENCH_LOAD_CORES && json_number_value(json_object_get(load, "seconds")) >= BENCH_LOAD_SECONDS)
        printf("other work used %.1f of %lld processor%s meanwhile: measure again on a quiet machine\n", other, cores, cores == 1 ? "" : "s");
}

static int save(const cli *program, const json_t *object, const char *path)
{
    ql_error err = {.status = QL_E_IO};
    output_file file;
    int os_code = output_file_open(&file, path);
    if (os_code == 0) {
        errno = 0;
        bool written = json_dumpf(object, file.stream, JSON_INDENT(1)) == 0 && fputc('\n', file.stream) != EOF;
        int failed = written ? 0 : errno != 0 ? errno : EIO;
        os_code = output_file_close(&file, written);
        if (failed != 0) os_code = failed;
    }
    if (os_code == 0) return EXIT_OK;
    snprintf(err.message, sizeof err.message, "cannot write '%.200s': %s", path, strerror(os_code));
    return cli_fail(program, os_code == ENOSPC ? QL_E_NOSPACE : QL_E_IO, &err);
}

int bench_finish(const cli *program, const bench_result *self)
{
    json_t *object = bench_json(self);
    if (object == NULL) return cli_fail(program, QL_E_NOMEM, NULL);
    int code = EXIT_OK;
    if (program->values[OPT_OUTPUT] != NULL) code = save(program, object, program->values[OPT_OUTPUT]);
    if (code == EXIT_OK && program->json) {
        json_dumpf(object, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (code == EXIT_OK && !cli_has(program, OPT_QUIET)) {
        if (self->measure_count == 0) printf("nothing was measured\n");
        else if (!print_table(self)) code = cli_fail(program, QL_E_NOMEM, NULL);
        if (code == EXIT_OK) print_load(object);
    }
    json_decref(object);
    return code;
}
