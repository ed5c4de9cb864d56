/* qloader prof: what is in a capture, as tables, pictures and files of other tools. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture_name.h"
#include "exit_code.h"
#include "output.h"
#include "prof_output.h"
#include "prof_set.h"
#include "prof_table.h"
#include "session.h"

#define CAPTURE_DEFAULT "capture.qprof"

/* A capture, or two to compare, and what of it is written. */
typedef struct prof_job {
    ql_capture *capture, *before; /* before NULL: no comparison */
    int32_t format;
    ql_capture_view view;
} prof_job;

static ql_status write_job(void *user, ql_capture_write_fn write_fn, void *target, ql_error *err)
{
    const prof_job *job = user;
    if (job->before != NULL) return ql_capture_diff(job->before, job->capture, job->format, &job->view, write_fn, target, err);
    return ql_capture_write(job->capture, job->format, &job->view, write_fn, target, err);
}

/* Whether the capture has samples of the kind; *out: which, where QL_CAPTURE_AUTO leaves it to the capture. */
static ql_status find_kind(ql_capture *capture, int32_t kind, int32_t *out, ql_error *err)
{
    json_t *table = NULL;
    prof_job job = {.capture = capture, .format = QL_CAPTURE_TOP_JSON, .view = QL_CAPTURE_VIEW_INIT};
    job.view.kind = kind;
    job.view.limit = 1;
    ql_status status = prof_read_json(write_job, &job, &table, err);
    if (status < 0) return status;
    const cli_choice *found = cli_option_of(OPT_KIND)->value->choices;
    while (found->name != NULL && strcmp(found->name, json_string_value(json_object_get(table, "kind"))) != 0) found++;
    *out = found->name != NULL ? found->value : kind;
    json_decref(table);
    return QL_OK;
}

/* What two captures are compared by: the kind that was asked for, else the first that both have. A failure names the file. */
static ql_status choose_kind(prof_job *job, char *const *paths, ql_error *err)
{
    static const int32_t kinds[] = {QL_CAPTURE_CPU, QL_CAPTURE_WALL, QL_CAPTURE_CONTENTION, QL_CAPTURE_HEAP};
    ql_error why = {0};
    int32_t kind = job->view.kind, found = 0;
    for (size_t i = 0; kind == QL_CAPTURE_AUTO && i < sizeof kinds / sizeof *kinds; i++)
        if (find_kind(job->before, kinds[i], &found, &why) >= 0 && find_kind(job->capture, kinds[i], &found, &why) >= 0) kind = kinds[i];
    int failed = 0;
    ql_status status = find_kind(job->before, kind, &kind, &why);
    if (status >= 0) failed = 1, status = find_kind(job->capture, kind, &kind, &why);
    job->view.kind = kind;
    if (status >= 0) return QL_OK;
    *err = why;
    (void)snprintf(err->message, sizeof err->message, "'%.100s': %.350s", paths[failed], why.message);
    return status;
}

/* Opens what the command names; -1, or the exit code after telling why. */
static int job_open(const cli *self, prof_job *job)
{
    ql_error err = {0};
    uint32_t flags = cli_has(self, OPT_NO_SYMBOLS) ? QL_CAPTURE_NO_SYMBOLS : 0;
    const char *last = self->positional_count > 0 ? self->positional[self->positional_count - 1] : CAPTURE_DEFAULT;
    stop_install_silent(NULL); /* nothing of it is kept or goes on later */
    *job = (prof_job){.view = QL_CAPTURE_VIEW_INIT};
    if (cli_takes(self->command, OPT_KIND)) job->view.kind = cli_chosen(self, OPT_KIND)->value;
    ql_status status = self->positional_count > 1 ? prof_set_open(self->positional[0], flags, &job->before, &err) : QL_OK;
    if (status >= 0) status = prof_set_open(last, flags, &job->capture, &err);
    if (status >= 0 && job->before != NULL) status = choose_kind(job, self->positional, &err);
    return status < 0 ? prof_fail(self, status, &err) : -1;
}

static int job_close(prof_job *job, int code)
{
    ql_capture_free(job->before);
    ql_capture_free(job->capture);
    return code;
}

/* The table as JSON, or for people. */
static int print_table(const cli *self, prof_job *job, void (*print)(const cli *self, const json_t *table))
{
    int code = EXIT_OK;
    json_t *table = prof_write_json(self, write_job, job, &code);
    if (table == NULL) return code;
    if (cli_has(self, OPT_JSON)) {
        (void)json_dumpf(table, stdout, JSON_INDENT(2));
        printf("\n");
    } else print(self, table);
    json_decref(table);
    return EXIT_OK;
}

/* What is missing in a capture of which files are made: the tables show it, files of other tools have no place for it. */
static void tell_notes(const cli *self, ql_capture *capture)
{
    static const int32_t tables[] = {QL_CAPTURE_TOP_JSON, QL_CAPTURE_HEAP_JSON};
    if (cli_has(self, OPT_QUIET)) return;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        ql_error err = {0};
        json_t *table = NULL;
        prof_job job = {.capture = capture, .format = tables[i], .view = QL_CAPTURE_VIEW_INIT};
        job.view.limit = 1;
        if (prof_read_json(write_job, &job, &table, &err) < 0) continue; /* no samples of that kind */
        prof_print_notes(stderr, table);
        json_decref(table);
        return;
    }
}

int cmd_prof_top(cli *self)
{
    prof_job job;
    int code = job_open(self, &job);
    if (code >= 0) return job_close(&job, code);
    job.format = QL_CAPTURE_TOP_JSON;
    job.view.sort = cli_chosen(self, OPT_SORT)->value;
    job.view.group = cli_chosen(self, OPT_GROUP)->value;
    job.view.limit = (uint32_t)cli_number(self, OPT_ROWS);
    return job_close(&job, print_table(self, &job, prof_print_top));
}

int cmd_prof_heap(cli *self)
{
    static const struct {
        cli_option_id id;
        int32_t memory;
    } views[] = {{OPT_INUSE, QL_CAPTURE_INUSE}, {OPT_ALLOC, QL_CAPTURE_ALLOC}, {OPT_PEAK, QL_CAPTURE_PEAK}, {OPT_LEAK, QL_CAPTURE_LEAK}};
    prof_job job;
    int given = 0;
    int code = job_open(self, &job);
    if (code >= 0) return job_close(&job, code);
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        if (!cli_has(self, views[i].id)) continue;
        job.view.memory = views[i].memory;
        given++;
    }
    if (given > 1) return job_close(&job, cli_usage_error(self, "--inuse, --alloc, --peak and --leak exclude each other"));
    job.format = QL_CAPTURE_HEAP_JSON;
    job.view.group = cli_chosen(self, OPT_HEAP_GROUP)->value;
    job.view.limit = (uint32_t)cli_number(self, OPT_ROWS);
    return job_close(&job, print_table(self, &job, prof_print_heap));
}

/* Writes the job to a file or to standard output, and tells what was written. */
static int write_output(const cli *self, prof_job *job, const char *output, const char *format, bool binary)
{
    unsigned long long bytes = 0;
    bool to_stdout = output == NULL || strcmp(output, "-") == 0;
    if (to_stdout && cli_has(self, OPT_JSON)) return cli_usage_error(self, "--json prints what was written: name a file with --output");
    if (to_stdout && binary && isatty(STDOUT_FILENO)) return cli_usage_error(self, "this is not for a terminal: name a file with --output");
    int code = prof_write_file(self, output, write_job, job, &bytes);
    if (code >= 0) return code;
    if (job->before != NULL) tell_notes(self, job->before);
    tell_notes(self, job->capture);
    if (to_stdout) return EXIT_OK;
    if (cli_has(self, OPT_JSON)) {
        json_t *object = json_pack("{s:o, s:s, s:I}", "file", text_json(ql_str_of(output)), "format", format, "bytes", (json_int_t)bytes);
        if (object != NULL) json_dumpf(object, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(object);
    } else if (!cli_has(self, OPT_QUIET)) {
        text_put(stdout, ql_str_of(output));
        printf(": written, %llu bytes of %s\n", bytes, format);
    }
    return EXIT_OK;
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

int cmd_prof_plot(cli *self)
{
    prof_job job;
    const char *output = cli_has(self, OPT_WRITE) ? self->values[OPT_WRITE] : "memory.png";
    bool svg = ends_in(output, ".svg");
    if (!svg && !ends_in(output, ".png") && strcmp(output, "-") != 0) return cli_usage_error(self, "--output '%.200s' ends in neither .png nor .svg: that says what is drawn", output);
    int code = job_open(self, &job);
    if (code >= 0) return job_close(&job, code);
    job.format = svg ? QL_CAPTURE_MEMORY_SVG : QL_CAPTURE_MEMORY_PNG;
    return job_close(&job, write_output(self, &job, output, svg ? "svg" : "png", !svg));
}

int cmd_prof_diff(cli *self)
{
    prof_job job;
    int code = job_open(self, &job);
    if (code >= 0) return job_close(&job, code);
    if (cli_has(self, OPT_SVG)) {
        job.format = QL_CAPTURE_FLAME_SVG;
        return job_close(&job, write_output(self, &job, self->values[OPT_SVG], "svg", false));
    }
    job.format = QL_CAPTURE_TOP_JSON;
    job.view.group = cli_chosen(self, OPT_GROUP)->value;
    job.view.limit = (uint32_t)cli_number(self, OPT_ROWS);
    return job_close(&job, print_table(self, &job, prof_print_diff));
}

/* All files into a folder, which is made. */
static int convert_all(const cli *self, const prof_job *job)
{
    ql_error err = {0};
    unsigned count = 0;
    const char *folder = self->values[OPT_WRITE];
    if (folder == NULL || strcmp(folder, "-") == 0) return cli_usage_error(self, "--to all writes a folder: name it with --output");
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        err.status = QL_E_IO;
        (void)snprintf(err.message, sizeof err.message, "cannot make the folder '%s': %s", folder, strerror(errno));
        return cli_fail(self, QL_E_IO, &err);
    }
    ql_status status = prof_write_set(job->capture, folder, true, 0, &count, &err);
    if (status < 0) return stop_asked() ? session_fail(self, status, &err) : cli_fail(self, status, &err);
    tell_notes(self, job->capture);
    if (cli_has(self, OPT_JSON)) {
        json_t *object = json_pack("{s:o, s:s, s:I}", "folder", text_json(ql_str_of(folder)), "format", "all", "files", (json_int_t)count);
        if (object != NULL) json_dumpf(object, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(object);
    } else if (!cli_has(self, OPT_QUIET)) {
        text_put(stdout, ql_str_of(folder));
        printf(": %u file%s written\n", count, count == 1 ? "" : "s");
    }
    return EXIT_OK;
}

static const char *format_name(int32_t format)
{
    const cli_choice *choice = cli_option_of(OPT_CAPTURE_FORMAT)->value->choices;
    while (choice->name != NULL && choice->value != format) choice++;
    return choice->name;
}

static bool has_kinds(int32_t format)
{
    return format == QL_CAPTURE_PPROF || format == QL_CAPTURE_PSTATS || format == QL_CAPTURE_SPEEDSCOPE || format == QL_CAPTURE_COLLAPSED || format == QL_CAPTURE_FLAME_SVG;
}

static int refuse_kind(const cli *self, const char *name)
{
    return cli_usage_error(self, "--kind does not go with '%s', which has samples of every kind or none", name);
}

/* The end of the file's name may not say another format than --to; .json and names that say nothing go with all. */
static int check_chosen(const cli *self, const cli_choice *chosen)
{
    const char *output = self->values[OPT_WRITE];
    int32_t named = output != NULL && chosen->value != CAPTURE_ALL ? capture_format_of(output) : CAPTURE_UNKNOWN;
    bool json = chosen->value == QL_CAPTURE_JSON || chosen->value == QL_CAPTURE_TRACE || chosen->value == QL_CAPTURE_SPEEDSCOPE;
    bool named_json = named == QL_CAPTURE_JSON || named == QL_CAPTURE_TRACE || named == QL_CAPTURE_SPEEDSCOPE;
    if (named == CAPTURE_AS_IT_IS) return cli_usage_error(self, "--output '%.200s' is the name of a capture, and --to says '%s'", output, chosen->name);
    if (named == CAPTURE_UNKNOWN || named == chosen->value || (json && named_json)) return EXIT_OK;
    return cli_usage_error(self, "--output '%.200s' is the name of '%s', and --to says '%s'", output, format_name(named), chosen->name);
}

/* What --to says, else the name of the file; CAPTURE_UNKNOWN after telling why. */
static int32_t choose_format(const cli *self, const char **name, int *code)
{
    const char *output = self->values[OPT_WRITE];
    if (cli_has(self, OPT_CAPTURE_FORMAT)) {
        const cli_choice *chosen = cli_chosen(self, OPT_CAPTURE_FORMAT);
        *name = chosen->name;
        *code = check_chosen(self, chosen);
        return *code == EXIT_OK ? chosen->value : CAPTURE_UNKNOWN;
    }
    int32_t format = output != NULL ? capture_format_of(output) : CAPTURE_UNKNOWN;
    if (output == NULL || strcmp(output, "-") == 0) *code = cli_usage_error(self, "what shall the capture become? Name it with --to, or a file with --output");
    else if (format == CAPTURE_UNKNOWN || format == CAPTURE_AS_IT_IS) *code = capture_name_refuse(self, output, false, "; or name what it shall become with --to");
    else {
        *name = format_name(format);
        return format;
    }
    return CAPTURE_UNKNOWN;
}

int cmd_prof_convert(cli *self)
{
    prof_job job;
    const char *name = NULL;
    int code = EXIT_OK;
    int32_t format = choose_format(self, &name, &code);
    if (format == CAPTURE_UNKNOWN) return code;
    if (cli_has(self, OPT_KIND) && cli_chosen(self, OPT_KIND)->value != QL_CAPTURE_AUTO && !has_kinds(format)) return refuse_kind(self, name);
    code = job_open(self, &job);
    if (code >= 0) return job_close(&job, code);
    if (format == CAPTURE_ALL) return job_close(&job, convert_all(self, &job));
    job.format = format;
    bool binary = job.format == QL_CAPTURE_PPROF || job.format == QL_CAPTURE_PSTATS;
    return job_close(&job, write_output(self, &job, self->values[OPT_WRITE], name, binary));
}

int cmd_prof_report(cli *self)
{
    prof_job job;
    unsigned long long bytes = 0;
    bool as_json = strcmp(cli_format(self, OPT_REPORT_FORMAT), "json") == 0;
    const char *output = self->values[OPT_WRITE];
    int code = job_open(self, &job);
    if (code >= 0) return job_close(&job, code);
    job.format = as_json ? QL_CAPTURE_REPORT_JSON : QL_CAPTURE_REPORT_MD;
    if (output != NULL && strcmp(output, "-") != 0) code = prof_write_file(self, output, write_job, &job, &bytes);
    else if (as_json) {
        json_t *report = prof_write_json(self, write_job, &job, &code);
        if (report != NULL) {
            (void)json_dumpf(report, stdout, JSON_INDENT(2));
            printf("\n");
        }
        json_decref(report);
    } else code = prof_write_file(self, NULL, write_job, &job, &bytes);
    return job_close(&job, code < 0 ? EXIT_OK : code);
}
