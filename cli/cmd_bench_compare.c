/* qloader bench compare: whether one result differs from another by more than their noise. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_result.h"
#include "exit_code.h"
#include "output.h"
#include "statistics.h"

static const char method[] = "ratio of means, interval by Fieller's theorem for as many values as would be independent";

#define LOAD_FULL 0.75    /* of all processors: below that what is measured is not kept from one */
#define SPREAD_LARGE 0.10 /* standard deviation by mean */

typedef struct comparison {
    const bench_measure *a, *b;
    stat_summary of_a, of_b;
    stat_ratio ratio;
    stat_drift drift_a, drift_b; /* how each changed meanwhile */
    stat_judgement judged;
    bool comparable;
    bool worse;      /* beyond --fail-above */
    bool unjudged;   /* the ratio is beyond it, and nothing can be said of what it comes from */
} comparison;

static bool summarize(const bench_measure *measure, stat_summary *out)
{
    double *sorted = reallocarray(NULL, measure->count, sizeof *sorted);
    if (sorted == NULL) return false;
    memcpy(sorted, measure->values, measure->count * sizeof *sorted);
    stat_sort(sorted, measure->count);
    *out = stat_summarize(sorted, measure->count);
    out->independent = stat_independent(measure->values, measure->count);
    free(sorted);
    return true;
}

static bool more_is_better(const bench_measure *measure)
{
    return strcmp(measure->unit, "1/s") == 0;
}

/* The ratio is for the worse, and by more than what is allowed; which shows nothing yet. */
static bool is_beyond(const comparison *self, double allowed)
{
    if (!self->ratio.defined) return self->ratio.verdict == STAT_MORE && !more_is_better(self->a); /* from 0: more than any percentage */
    return more_is_better(self->a) ? self->ratio.ratio < 1 / (1 + allowed) : self->ratio.ratio > 1 + allowed;
}

/* What --fail-above says of it. */
static void hold_against(comparison *self, double allowed)
{
    if (!is_beyond(self, allowed) || self->judged == STAT_IS_UNKNOWN) return;
    self->unjudged = !self->comparable || self->judged == STAT_IS_DRIFT;
    self->worse = !self->unjudged && (self->judged == STAT_IS_LESS || self->judged == STAT_IS_MORE);
}

/* What is too small to matter: never more than what --fail-above allows, or that would fail nothing below it. */
static unsigned long least_percent(const cli *self)
{
    unsigned long least = cli_number(self, OPT_LEAST), allowed = cli_number(self, OPT_FAIL_ABOVE);
    return cli_has(self, OPT_FAIL_ABOVE) && allowed < least ? allowed : least;
}

static const char *verdict_name(const comparison *self)
{
    stat_judgement better = more_is_better(self->a) ? STAT_IS_MORE : STAT_IS_LESS;
    if (!self->comparable && self->judged != STAT_IS_UNKNOWN) return "not comparable";
    switch (self->judged) {
    case STAT_IS_UNKNOWN: return "unknown";
    case STAT_IS_NOISE: return "within noise";
    case STAT_IS_SMALL: return "too small";
    case STAT_IS_DRIFT: return "drifts";
    case STAT_IS_LESS:
    case STAT_IS_MORE: break;
    }
    return self->judged == better ? "better" : "worse";
}

/* Others left what was measured as many processors for a as for b, as far as is known, or neither needed them. */
static bool same_load(const bench_result *a, const bench_result *b)
{
    const bench_load *of_a = &a->load, *of_b = &b->load;
    if (!of_a->known || !of_b->known || of_a->seconds < BENCH_LOAD_SECONDS || of_b->seconds < BENCH_LOAD_SECONDS) return true;
    bool full = of_a->own_cores + of_a->other_cores > LOAD_FULL * (double)of_a->cores || of_b->own_cores + of_b->other_cores > LOAD_FULL * (double)of_b->cores;
    double more = of_b->other_cores - of_a->other_cores;
    return !full || (more < BENCH_LOAD_CORES && more > -BENCH_LOAD_CORES);
}

static bool wanted(const cli *self, const char *name)
{
    int at = 0;
    if (!cli_has(self, OPT_MEASURE)) return true;
    for (const char *asked = cli_next(self, OPT_MEASURE, &at); asked != NULL; asked = cli_next(self, OPT_MEASURE, &at))
        if (strcmp(asked, name) == 0) return true;
    return false;
}

static const bench_measure *same_measure(const bench_result *result, const bench_measure *as)
{
    for (size_t i = 0; i < result->measure_count; i++)
        if (strcmp(result->measures[i].name, as->name) == 0 && strcmp(result->measures[i].unit, as->unit) == 0) return &result->measures[i];
    return NULL;
}

/* Of every measure that both have and that was asked for. *out: count of them; NULL for want of memory. */
static comparison *compare_all(const cli *self, const bench_result *a, const bench_result *b, size_t *count)
{
    double level = (double)cli_number(self, OPT_CONFIDENCE) / 100, allowed = (double)cli_number(self, OPT_FAIL_ABOVE) / 100, least = (double)least_percent(self) / 100;
    bool loaded_alike = same_load(a, b);
    comparison *all = calloc(a->measure_count + 1, sizeof *all);
    *count = 0;
    for (size_t i = 0; all != NULL && i < a->measure_count; i++) {
        const bench_measure *of_a = &a->measures[i], *of_b = same_measure(b, of_a);
        if (of_b == NULL || !wanted(self, of_a->name)) continue;
        comparison *one = &all[(*count)++];
        *one = (comparison){.a = of_a, .b = of_b};
        if (!summarize(of_a, &one->of_a) || !summarize(of_b, &one->of_b)) {
            free(all);
            return NULL;
        }
        one->ratio = stat_ratio_of(one->of_a, one->of_b, level);
        one->drift_a = stat_drift_of(of_a->values, of_a->count, 1 - (1 - level) / 2); /* of two, either may drift by chance */
        one->drift_b = stat_drift_of(of_b->values, of_b->count, 1 - (1 - level) / 2);
        one->judged = stat_judge(one->ratio, one->drift_a, one->drift_b, least);
        one->comparable = loaded_alike || strcmp(of_a->unit, "bytes") == 0; /* of memory and of files: the same on a busy machine; counts may not be, such as of preemptions */
        if (cli_has(self, OPT_FAIL_ABOVE)) hold_against(one, allowed);
    }
    return all;
}

static json_t *side_json(const bench_result *result, const char *path)
{
    return json_pack("{s:o, s:o, s:s, s:o}", "file", text_json(ql_str_of(path)), "name", text_json(ql_str_of(result->name)), "kind", result->kind, "other_cores",
                     result->load.known ? json_real(result->load.other_cores) : json_null());
}

static json_t *drift_json(stat_drift drift, double least)
{
    return stat_drifts(drift, least) ? json_real(drift.ratio) : json_null();
}

static double spread(const stat_summary *of)
{
    return of->mean > 0 ? of->stddev / of->mean : 0;
}

static json_t *one_json(const comparison *one, double least)
{
    bool known = one->ratio.defined && one->ratio.verdict != STAT_UNKNOWN;
    return json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:b}", "name", one->a->name, "unit", one->a->unit, "a_values", (int)one->of_a.count, "b_values", (int)one->of_b.count, "a_mean",
                     one->of_a.mean, "b_mean", one->of_b.mean, "a_spread", spread(&one->of_a), "b_spread", spread(&one->of_b), "a_drift", drift_json(one->drift_a, least), "b_drift",
                     drift_json(one->drift_b, least), "ratio", one->ratio.defined ? json_real(one->ratio.ratio) : json_null(), "low", known ? json_real(one->ratio.low) : json_null(), "high", known ? json_real(one->ratio.high) : json_null(),
                     "verdict", verdict_name(one), "fails", one->worse, "unjudged", one->unjudged);
}

static int print_json(const cli *self, const bench_result *a, const bench_result *b, const comparison *all, size_t count)
{
    json_t *list = json_array(), *object = json_pack("{s:o, s:o, s:b, s:i, s:i, s:s}", "a", side_json(a, self->positional[0]), "b", side_json(b, self->positional[1]), "same_load", same_load(a, b), "least_percent", (int)least_percent(self), "confidence_percent",
                                                     (int)cli_number(self, OPT_CONFIDENCE), "method", method);
    bool whole = object != NULL && list != NULL;
    for (size_t i = 0; i < count && whole; i++) whole = json_array_append_new(list, one_json(&all[i], (double)least_percent(self) / 100)) == 0;
    whole = whole && json_object_set(object, "measures", list) == 0 && json_dumpf(object, stdout, JSON_INDENT(2)) == 0;
    printf("\n");
    json_decref(list);
    json_decref(object);
    return whole ? EXIT_OK : cli_fail(self, QL_E_NOMEM, NULL);
}

static void print_note(const comparison *one, const char *side, const stat_summary *of, stat_drift drift, double least)
{
    if (stat_drifts(drift, least))
        printf("%s changed while %s was measured, by %+.1f %% along the line through its values\n", one->a->name, side, (drift.ratio - 1) * 100);
    else if (spread(of) > SPREAD_LARGE)
        printf("%s scatters by %.0f %% in %s: more runs, or a quieter machine, would tell more\n", one->a->name, spread(of) * 100, side);
}

/* As a shell takes them; nothing for a result that does not tell its command. */
static void put_command(const bench_result *result, ql_buf *out)
{
    size_t i = 0;
    const json_t *word = NULL;
    json_array_foreach(json_object_get(result->conditions, "command"), i, word)
    {
        ql_buf_append(out, ql_str_of(i > 0 ? " " : ""));
        text_shell_quote(out, (ql_str){json_string_value(word), json_string_length(word)});
    }
}

/* Two programs, or one with other words: a difference may be theirs. */
static void print_commands(const bench_result *a, const bench_result *b)
{
    ql_buf of_a = QL_BUF_INIT, of_b = QL_BUF_INIT;
    put_command(a, &of_a);
    put_command(b, &of_b);
    if (of_a.len > 0 && of_b.len > 0 && !ql_str_equal(ql_buf_str(&of_a), ql_buf_str(&of_b))) printf("the commands differ: A is of %s\n                     B is of %s\n", ql_buf_cstr(&of_a), ql_buf_cstr(&of_b));
    ql_buf_dispose(&of_a);
    ql_buf_dispose(&of_b);
}

/* Why a verdict may be worth little. */
static void print_notes(const cli *self, const bench_result *a, const bench_result *b, const comparison *all, size_t count)
{
    double least = (double)least_percent(self) / 100;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].a->unit, "s") != 0 && strcmp(all[i].a->unit, "1/s") != 0) continue;
        print_note(&all[i], "A", &all[i].of_a, all[i].drift_a, least);
        print_note(&all[i], "B", &all[i].of_b, all[i].drift_b, least);
    }
    print_commands(a, b);
    if (!same_load(a, b))
        printf("other work used %.2f processors while A was measured and %.2f while B was: times are not comparable, measure both again on a quiet machine\n", a->load.other_cores, b->load.other_cores);
}

static void print_table(const cli *self, const comparison *all, size_t count)
{
    int width = 7;
    for (size_t i = 0; i < count; i++)
        if ((int)strlen(all[i].a->name) > width) width = (int)strlen(all[i].a->name);
    printf("%-*s %11s %11s %8s   %-17s\n", width, "measure", "mean of A", "mean of B", "B / A", "interval");
    for (size_t i = 0; i < count; i++) {
        const comparison *one = &all[i];
        char mean_a[32], mean_b[32], ratio[32] = "-", interval[64] = "-";
        bench_format(one->a->unit, one->of_a.mean, mean_a);
        bench_format(one->a->unit, one->of_b.mean, mean_b);
        if (one->ratio.defined) snprintf(ratio, sizeof ratio, "%.3f", one->ratio.ratio);
        if (one->ratio.defined && one->ratio.verdict != STAT_UNKNOWN) snprintf(interval, sizeof interval, "%.3f .. %.3f", one->ratio.low, one->ratio.high);
        text_put(stdout, ql_str_of(one->a->name));
        printf("%*s %11s %11s %8s   %-17s %s%s\n", width - (int)strlen(one->a->name), "", mean_a, mean_b, ratio, interval, verdict_name(one), one->worse || one->unjudged ? ", beyond what is allowed" : "");
    }
    printf("(%lu %%: %s)\n", cli_number(self, OPT_CONFIDENCE), method);
}

static int judge(const cli *self, const comparison *all, size_t count)
{
    size_t worse = 0, unjudged = 0;
    const comparison *first = NULL; /* of those that are worse, else of the others */
    for (size_t i = 0; i < count; i++) {
        if (all[i].worse ? worse++ == 0 : all[i].unjudged && unjudged++ == 0 && worse == 0) first = &all[i];
    }
    if (first == NULL) return EXIT_OK;
    char message[400];
    size_t told = worse > 0 ? worse : unjudged;
    if (worse > 0)
        snprintf(message, sizeof message, "%zu measure%s of '%.100s' %s worse by more than %lu %%; the first: %.60s", told, told == 1 ? "" : "s", self->positional[1],
                 told == 1 ? "is" : "are", cli_number(self, OPT_FAIL_ABOVE), first->a->name);
    else
        snprintf(message, sizeof message, "%zu measure%s of '%.100s' %s off by more than %lu %% for the worse, and it could not be judged whether that is the program's doing; the first: %.60s (%s). Measure both again on a quiet machine",
                 told, told == 1 ? "" : "s", self->positional[1], told == 1 ? "is" : "are", cli_number(self, OPT_FAIL_ABOVE), first->a->name, verdict_name(first));
    cli_tell_error(self, worse > 0 ? "worse" : "not judged", message, EXIT_FAILED); /* stdout has the report */
    return EXIT_FAILED;
}

static int compare(const cli *self, const bench_result *a, const bench_result *b)
{
    size_t count = 0;
    comparison *all = compare_all(self, a, b, &count);
    int code = all == NULL ? cli_fail(self, QL_E_NOMEM, NULL) : EXIT_OK;
    if (all != NULL && count == 0) code = cli_fail(self, QL_E_NOTFOUND, &(ql_error){.status = QL_E_NOTFOUND, .message = "the two results have no measure in common, or none of those that were asked for"});
    if (code == EXIT_OK && self->json) code = print_json(self, a, b, all, count);
    else if (code == EXIT_OK && !cli_has(self, OPT_QUIET)) print_table(self, all, count), print_notes(self, a, b, all, count);
    if (code == EXIT_OK) code = judge(self, all, count);
    free(all);
    return code;
}

int cmd_bench_compare(cli *self)
{
    bench_result a, b;
    int code = bench_read(self, self->positional[0], &a);
    if (code >= 0) return code;
    code = bench_read(self, self->positional[1], &b);
    if (code < 0 && strcmp(a.kind, b.kind) != 0)
        code = cli_usage_error(self, "'%.200s' is a result of 'bench %.30s', '%.200s' one of 'bench %.30s': only results of one kind are compared", self->positional[0], a.kind, self->positional[1], b.kind);
    if (code < 0) code = compare(self, &a, &b);
    bench_dispose(&a);
    bench_dispose(&b);
    return code;
}
