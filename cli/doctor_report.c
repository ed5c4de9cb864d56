/* See doctor_report.h. */
#include "doctor_report.h"

#include <stdarg.h>
#include <string.h>

#include "exit_code.h"
#include "output.h"

static const char *const names[VERDICT_COUNT] = {"ok", "warning", "fail", "skipped"};

void report_init(doctor_report *self)
{
    *self = (doctor_report){.checks = json_array()};
}

void report_dispose(doctor_report *self)
{
    json_decref(self->checks);
}

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL) json_object_set_new(object, key, text_json(ql_str_of(text)));
}

void report_add(doctor_report *self, const char *area, const char *check, verdict found, remedy mend, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *object = json_object();
    put_text(object, "area", area);
    put_text(object, "check", check);
    put_text(object, "status", names[found]);
    put_text(object, "message", text);
    if (found != VERDICT_OK) {
        put_text(object, "why", mend.why);
        put_text(object, "fix", mend.fix);
    }
    if (json_array_append_new(self->checks, object) != 0) self->lost = true;
    self->counts[found]++;
}

/* --- printing ------------------------------------------------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static verdict verdict_of(const json_t *check)
{
    for (size_t i = 0; i < VERDICT_COUNT; i++)
        if (strcmp(text_of(check, "status"), names[i]) == 0) return (verdict)i;
    return VERDICT_FAIL;
}

static void put_line(const char *label, const char *text)
{
    if (text[0] == '\0') return;
    printf("           %s: ", label);
    text_put(stdout, ql_str_of(text));
    printf("\n");
}

static void print_check(const json_t *check, bool color)
{
    static const char *const labels[VERDICT_COUNT] = {"ok", "warning", "FAIL", "-"};
    static const char *const colors[VERDICT_COUNT] = {"\033[32m", "\033[33m", "\033[1;31m", "\033[2m"};
    verdict found = verdict_of(check);
    printf("  %s%-7s%s  %s: ", color ? colors[found] : "", labels[found], color ? "\033[0m" : "", text_of(check, "area"));
    text_put(stdout, ql_str_of(text_of(check, "message")));
    printf("\n");
    if (found == VERDICT_SKIPPED) return;
    put_line("why", text_of(check, "why"));
    put_line("fix", text_of(check, "fix"));
}

static void print_text(const doctor_report *self, const cli *program)
{
    size_t i = 0;
    json_t *check = NULL;
    bool quiet = cli_has(program, OPT_QUIET);
    json_array_foreach(self->checks, i, check)
        if (!quiet || verdict_of(check) == VERDICT_WARNING || verdict_of(check) == VERDICT_FAIL) print_check(check, program->color_out);
    if (quiet) return;
    printf("\n%zu ok, %zu warning%s, %zu failure%s, %zu not checked\n", self->counts[VERDICT_OK], self->counts[VERDICT_WARNING],
           self->counts[VERDICT_WARNING] == 1 ? "" : "s", self->counts[VERDICT_FAIL], self->counts[VERDICT_FAIL] == 1 ? "" : "s", self->counts[VERDICT_SKIPPED]);
}

static void print_json(const doctor_report *self)
{
    const char *worst = self->counts[VERDICT_FAIL] > 0 ? "fail" : self->counts[VERDICT_WARNING] > 0 ? "warning" : "ok";
    json_t *counts = json_object();
    for (size_t i = 0; i < VERDICT_COUNT; i++) json_object_set_new(counts, names[i], json_integer((json_int_t)self->counts[i]));
    json_t *object = json_pack("{s:s, s:s, s:o, s:O}", "version", ql_version(), "status", worst, "counts", counts, "checks", self->checks);
    json_dumpf(object, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(object);
}

int report_print(const doctor_report *self, const cli *program)
{
    if (self->lost) return cli_fail(program, QL_E_NOMEM, NULL);
    if (program->json) print_json(self);
    else print_text(self, program);
    return self->counts[VERDICT_FAIL] > 0 ? EXIT_FAILED : EXIT_OK;
}
