/*
 * Rules over samples: processor time in one function, compression and encryption, waits for locks and queues, page faults. What samples say has an error: half
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

/* A share of a kind's sum as a share of the report's time, with its error. */
static void set_share(const ql__report *report, ql__finding *finding, int64_t value, int64_t sum, uint64_t samples)
{
    double part = sum > 0 ? (double)value / (double)sum : 0, scale = (double)sum / (double)report->time_ns;
    finding->share = part * scale;
    finding->error = error_of(part, samples) * scale;
    finding->value = (uint64_t)value;
}

static void set_function(const ql__profile *p, ql__finding *finding, uint32_t function, uint32_t line)
{
    const ql__profile_function *row = &p->functions[function];
    finding->function = ql__profile_text(p, row->name);
    finding->file = ql__profile_text(p, row->file != 0 ? row->file : row->module);
    finding->line = row->file != 0 ? (line != 0 ? line : row->start_line) : 0;
}

/* --- processor time -------------------------------------------------------------------------------------------------------------------------- */

#define HOT_SHARE 0.15

/* The line of a function that has most samples. */
static uint32_t hottest_line(const ql__profile *p, const ql__stack_sums *sums, uint32_t function)
{
    int64_t best = 0, here = 0;
    uint32_t best_line = 0;
    /* Few functions are asked for, and each has few lines: a vote in two passes is enough (Boyer and Moore), since what matters is a line that dominates. */
    for (size_t i = 0; i < p->stacks_count; i++) {
        uint32_t line;
        ql__frame_iter frames = ql__frames_of(p, (uint32_t)i);
        if (sums->items[i].value == 0 || !ql__frame_next(&frames, &line) || p->lines[line].function != function || p->lines[line].line == 0) continue;
        if (p->lines[line].line == best_line) best += sums->items[i].value;
        else if (best >= sums->items[i].value) best -= sums->items[i].value;
        else best = sums->items[i].value - best, best_line = p->lines[line].line;
        here += sums->items[i].value;
    }
    return here > 0 ? best_line : 0;
}

static ql_status add_hot_functions(ql__evidence *self, const ql__stack_sums *sums, ql_error *err)
{
    ql__grouping groups = {0};
    ql__totals totals = {0};
    ql_status status = ql__grouping_new(self->profile, QL__GROUP_FUNCTION, &groups, err);
    if (status >= 0) status = ql__totals_of(self->profile, sums, &groups, &totals, err);
    for (size_t g = 0; status >= 0 && g < groups.count; g++) {
        char issue[200];
        ql__finding finding = {.rule = "hot-function", .samples = totals.items[g].samples_self};
        set_share(self->report, &finding, totals.items[g].self, sums->value, sums->samples);
        if (finding.share - finding.error < HOT_SHARE) continue;
        set_function(self->profile, &finding, groups.keys[g].function, hottest_line(self->profile, sums, groups.keys[g].function));
        (void)snprintf(issue, sizeof issue, "%llu of %llu samples of processor time end in this function.", (unsigned long long)finding.samples, (unsigned long long)sums->samples);
        status = ql__finding_add(self->report, finding, QL__SEVERITY_MEDIUM, issue, "Look at its callers (prof convert --to flame): call it less often, or on less. Nothing shows that it does wrong.", err);
    }
    ql__totals_free(&totals);
    ql__grouping_free(&groups);
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
            set_function(self->profile, &finding, self->profile->lines[line].function, self->profile->lines[line].line);
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
    ql__finding finding = {.rule = "page-faults", .share = faults * FAULT_NS / (double)self->report->time_ns, .count = (uint64_t)faults, .value = (uint64_t)(faults * FAULT_NS),
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

/* --- waits --------------------------------------------------------------------------------------------------------------------------------------- */

/* The innermost frame whose source is known: who waits. */
static void set_waiter(const ql__profile *p, ql__finding *finding, uint32_t stack)
{
    ql__frame_iter frames = ql__frames_of(p, stack);
    uint32_t line;
    while (ql__frame_next(&frames, &line)) {
        if (p->functions[p->lines[line].function].file == 0) continue;
        set_function(p, finding, p->lines[line].function, p->lines[line].line);
        return;
    }
}

static bool begins(ql_str text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.ptr, with, strlen(with)) == 0;
}

static ql_status add_wait(ql__evidence *self, const ql__tally *subject, uint64_t threads, uint32_t stack, ql_error *err)
{
    ql_str name = ql__profile_text(self->profile, (uint32_t)subject->key[0]);
    bool queue = begins(name, "queue");
    char issue[400];
    if (queue && name.len >= 5 && memcmp(name.ptr + name.len - 5, "empty", 5) == 0) return QL_OK; /* who waits there has nothing to do: the limit is elsewhere */
    /* The mean part of the run that one of the threads stood still; a single thread that waits is not contended for. */
    ql__finding finding = {.rule = queue ? "queue-wait" : "lock-wait", .share = (double)subject->value_ns / (double)(threads > 2 ? threads : 2) / (double)self->report->time_ns,
                           .count = subject->count, .value = subject->value_ns};
    set_waiter(self->profile, &finding, stack);
    (void)snprintf(issue, sizeof issue, "%llu waits for '%.*s' of %llu threads, %llu ms together.", (unsigned long long)subject->count, (int)(name.len < 100 ? name.len : 100), name.ptr,
                   (unsigned long long)threads, (unsigned long long)(subject->value_ns / 1000000));
    return ql__finding_add(self->report, finding, queue ? QL__SEVERITY_MEDIUM : QL__SEVERITY_CRITICAL, issue,
                           queue ? "A full queue means that the stage behind it is the limit: speed that stage up, or give it the threads that wait."
                                 : "Hold the lock for less: compute outside of it, split it by key, or give each thread its own part.", err);
}

ql_status ql__rules_waits(ql__evidence *evidence, ql_error *err)
{
    const ql__profile *p = evidence->profile;
    const ql__profile_set *set = &p->sets[QL__SAMPLE_LOCK];
    ql__tallies subjects, waiters; /* by subject; by subject and thread */
    ql_status status = QL_OK;
    ql__tallies_init(&subjects);
    ql__tallies_init(&waiters);
    for (size_t i = 0; i < set->count && status >= 0; i++) {
        uint32_t name = ql__profile_label_of(p, set->samples[i].labels, QL_STR("waits_for"));
        ql__tally *subject = ql__tally_of(&subjects, name, 0), *waiter = ql__tally_of(&waiters, name, set->samples[i].thread);
        if (subject == NULL || waiter == NULL) status = ql__fail_nomem(err);
        else {
            subject->count++;
            subject->value_ns += (uint64_t)ql__sample_value(p, QL__SAMPLE_LOCK, i, QL__VALUE_NS);
            subject->span = set->samples[i].stack; /* of one of them */
            if (waiter->count++ == 0) subject->other++;
        }
    }
    for (size_t i = 0; i < subjects.count && status >= 0; i++) status = add_wait(evidence, &subjects.items[i], subjects.items[i].other, subjects.items[i].span, err);
    ql__tallies_dispose(&subjects);
    ql__tallies_dispose(&waiters);
    return status;
}
