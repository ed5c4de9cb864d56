/*
 * Rules over samples: processor time in one function, compression and encryption, page faults. What samples say has an error: half
 * of the 95 % interval of a share p of n samples, 1.96 sqrt(p (1 - p) / n) (normal approximation of the binomial). A finding's severity is that of the
 * lower end. Threads: any. Cost: the sums of profile_query.h.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/report_internal.h"

#define FAULTS_MIN 1000.0     /* page faults that read a file */
#define FAULT_NS 100000.0     /* what one takes on a disk of flash memory */

static double error_of(double share, uint64_t samples)
{
    return samples > 0 ? 1.96 * sqrt(share * (1 - share) / (double)samples) : 1;
}

/* A part of all processor time as a share of the run, or of that time itself where it is more, with its error. */
static void set_share(const ql__report *report, ql__finding *finding, int64_t value, int64_t sum, uint64_t samples)
{
    finding->base = ql__base_of_cpu(report);
    double part = sum > 0 ? (double)value / (double)sum : 0, scale = (double)sum / (double)(finding->base == QL__BASE_CPU ? report->cpu_ns : report->wall_ns);
    finding->cpu_share = part;
    finding->share = part * scale;
    finding->error = error_of(part, samples) * scale;
    finding->value = (uint64_t)value;
}

/* --- processor time -------------------------------------------------------------------------------------------------------------------------- */

#define HOT_SHARE 0.15

/* Where a stack ends, in code that somebody wrote. False: an empty one. */
static bool leaf_of(const ql__profile *p, size_t stack, uint32_t *line)
{
    ql__frame_iter frames = ql__frames_of(p, (uint32_t)stack);
    if (!ql__frame_next(&frames, line)) return false;
    for (uint32_t next = *line; ql__is_intrinsic(p, *line) && ql__frame_next(&frames, &next);) *line = next;
    return true;
}

/* The line of a function that has most samples. */
static uint32_t hottest_line(const ql__profile *p, const ql__stack_sums *sums, uint32_t function)
{
    int64_t best = 0, here = 0;
    uint32_t best_line = 0;
    /* Few functions are asked for, and each has few lines: a vote in two passes is enough (Boyer and Moore), since what matters is a line that dominates. */
    for (size_t i = 0; i < p->stacks_count; i++) {
        uint32_t line;
        if (sums->items[i].value == 0 || !leaf_of(p, i, &line) || p->lines[line].function != function || p->lines[line].line == 0) continue;
        if (p->lines[line].line == best_line) best += sums->items[i].value;
        else if (best >= sums->items[i].value) best -= sums->items[i].value;
        else best = sums->items[i].value - best, best_line = p->lines[line].line;
        here += sums->items[i].value;
    }
    return here > 0 ? best_line : 0;
}

/* What ends in each function (functions_count), to be freed; NULL: no memory. */
static ql__stack_sum *sums_by_function(const ql__profile *p, const ql__stack_sums *sums)
{
    ql__stack_sum *made = ql__alloc_zero(p->functions_count > 0 ? p->functions_count : 1, sizeof *made);
    for (size_t i = 0; made != NULL && i < p->stacks_count; i++) {
        uint32_t line;
        if (sums->items[i].samples == 0 || !leaf_of(p, i, &line)) continue;
        made[p->lines[line].function].value += sums->items[i].value;
        made[p->lines[line].function].samples += sums->items[i].samples;
    }
    return made;
}

static ql_status add_hot_functions(ql__evidence *self, const ql__stack_sums *sums, ql_error *err)
{
    ql_status status = QL_OK;
    ql__stack_sum *functions = sums_by_function(self->profile, sums);
    if (functions == NULL) return ql__fail_nomem(err);
    for (size_t f = 0; status >= 0 && f < self->profile->functions_count; f++) {
        char issue[300];
        ql__finding finding = {.rule = "hot-function", .samples = functions[f].samples};
        set_share(self->report, &finding, functions[f].value, sums->value, sums->samples);
        if (finding.share - finding.error < HOT_SHARE) continue;
        ql__finding_function(self->profile, &finding, (uint32_t)f, hottest_line(self->profile, sums, (uint32_t)f));
        /* Debug information tells what the compiler put into a function from the function itself, but for single instructions (ql__is_intrinsic). */
        (void)snprintf(issue, sizeof issue, "%llu of %llu samples of processor time were taken in the code of this function itself with the intrinsics in it, not in what it calls%s.", (unsigned long long)finding.samples,
                       (unsigned long long)sums->samples, self->profile->functions[f].file != 0 ? "" : "; what the compiler put into it from other functions counts as its own, as it has no debug information");
        status = ql__finding_add(self->report, finding, QL__SEVERITY_MEDIUM, issue, "Look at its callers (prof convert --to flame): call it less often, or on less. Nothing shows that it does wrong.", err);
    }
    ql__free(functions);
    return status;
}

/* --- compression and encryption ---------------------------------------------------------------------------------------------------------------- */

typedef struct module_kind {
    const char *rule, *issue, *recommendation;
    const char *names[8]; /* beginnings of base names of libraries */
} module_kind;

static const module_kind module_kinds[] = {
    {"compression", "This part of the processor's time is spent in libraries that compress.", "Compress less (a lower level, a faster method such as zstd or lz4), or not at all what is small or does not shrink.",
     {"libz.so", "libzstd.so", "liblzma.so", "libbz2.so", "liblz4.so", "libbrotli", NULL}},
    {"encryption", "This part of the processor's time is spent in libraries that encrypt.", "Keep connections open (a handshake costs most), and let the processor's own instructions do it (AES-GCM).",
     {"libcrypto.so", "libssl.so", "libgnutls.so", "libmbedcrypto", "libsodium.so", "libgcrypt.so", NULL}}};

static bool is_of_kind(const ql__profile *p, const ql__profile_line *line, const module_kind *kind)
{
    ql_str base = ql__path_base(ql__profile_text(p, p->functions[line->function].module));
    for (size_t i = 0; kind->names[i] != NULL; i++)
        if (base.len >= strlen(kind->names[i]) && memcmp(base.ptr, kind->names[i], strlen(kind->names[i])) == 0) return true;
    return false;
}

/* The first line outside such libraries, of a stack that ends in one. */
static bool caller_of_kind(const ql__profile *p, uint32_t stack, const module_kind *kind, uint32_t *out)
{
    ql__frame_iter frames = ql__frames_of(p, stack);
    uint32_t line;
    bool inside = false;
    while (ql__frame_next(&frames, &line)) {
        bool is = is_of_kind(p, &p->lines[line], kind);
        if (!is && !inside) return false;
        if (!is) {
            *out = line;
            return true;
        }
        inside = true;
        *out = line; /* the outermost of them, where nobody called it */
    }
    return inside;
}

static ql_status add_module_kind(ql__evidence *self, const ql__stack_sums *sums, const module_kind *kind, ql_error *err)
{
    ql__tallies callers;
    ql__finding finding = {.rule = kind->rule};
    int64_t value = 0;
    uint64_t most = 0;
    ql_status status = QL_OK;
    ql__tallies_init(&callers);
    for (size_t i = 0; i < self->profile->stacks_count && status >= 0; i++) {
        uint32_t line;
        if (sums->items[i].value == 0 || !caller_of_kind(self->profile, (uint32_t)i, kind, &line)) continue;
        ql__tally *caller = ql__tally_of(&callers, self->profile->lines[line].function, 0);
        if (caller == NULL) status = ql__fail_nomem(err);
        else {
            caller->value_ns += (uint64_t)sums->items[i].value;
            value += sums->items[i].value;
            finding.samples += sums->items[i].samples;
            if (caller->value_ns <= most) continue;
            most = caller->value_ns;
            ql__finding_function(self->profile, &finding, self->profile->lines[line].function, self->profile->lines[line].line);
        }
    }
    ql__tallies_dispose(&callers);
    if (status < 0 || finding.samples == 0) return status;
    set_share(self->report, &finding, value, sums->value, sums->samples);
    return ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, kind->issue, kind->recommendation, err);
}

static ql_status add_faults(ql__evidence *self, ql_error *err)
{
    const ql__profile *p = self->profile;
    double first = -1, last = 0;
    char issue[200];
    for (size_t i = 0; i < p->points_count; i++) {
        if (!ql_str_equal(ql__profile_text(p, p->points[i].name), QL_STR("process.faults_major"))) continue;
        if (first < 0) first = p->points[i].value;
        last = p->points[i].value;
    }
    double faults = first >= 0 ? last - first : 0;
    if (faults < FAULTS_MIN || faults > 1e15) return QL_OK;
    ql__finding finding = {.rule = "page-faults", .share = faults * FAULT_NS / (double)self->report->wall_ns, .count = (uint64_t)faults, .value = (uint64_t)(faults * FAULT_NS),
                           .function = QL_STR("the process")};
    (void)snprintf(issue, sizeof issue, "%.0f page faults had to read a file; at 0.1 ms each, which is a guess, that is the share.", faults);
    return ql__finding_add(self->report, finding, QL__SEVERITY_HIGH, issue, "Give the process more memory, or read mapped files (model, index) once in order before they are needed at random.", err);
}

ql_status ql__rules_cpu(ql__evidence *evidence, ql_error *err)
{
    const ql__profile_view view = {.kind = QL__SAMPLE_CPU, .value = QL__VALUE_NS};
    ql__stack_sums sums = {0};
    QL_TRY(add_faults(evidence, err));
    QL_TRY(ql__stack_sums_of(evidence->profile, &view, &sums, err));
    ql_status status = sums.samples > 0 ? add_hot_functions(evidence, &sums, err) : QL_OK;
    for (size_t k = 0; k < sizeof module_kinds / sizeof *module_kinds && status >= 0 && sums.samples > 0; k++) status = add_module_kind(evidence, &sums, &module_kinds[k], err);
    ql__stack_sums_free(&sums);
    return status;
}
