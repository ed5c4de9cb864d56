/*
 * Rules over memory: what grows and is never freed, what is taken and given back again and again, and the batch that makes the peak. Shares are of the heap's peak, a batch's of the process's. A leak needs both: a place whose
 * allocations are many, old and mostly not freed, and a heap that grew steadily, so that what is loaded once and kept is none.
 * Threads: any. Cost: a pass over allocations, measurements and spans.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/lanes.h"
#include "capture/report_internal.h"

#define LEAK_SAMPLES_MIN 10
#define LEAK_OBJECTS_MIN 50
#define LEAK_BYTES_MIN (256 << 10)
#define GROWTH_POINTS_MIN 8
#define GROWTH_CORRELATION 0.8
#define LARGE_BYTES (1 << 20)
#define CHURN_COUNT_MIN 20
#define CHURN_TURNS 8        /* times that what a place has at the peak is allocated */
#define CHURN_NS_A_BYTE 0.1  /* what the kernel takes to clear fresh pages, a guess */
#define CHURN_SHARE 0.02     /* of the time */
#define BATCH_BYTES_MIN (16 << 20)

/* How much the heap grew along the straight line through its sizes after the first fifth of the run (which fills caches); 0: it does not grow steadily. */
static double steady_growth(const ql__profile *p)
{
    uint64_t from = p->numbers.duration_ns / 5;
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0, first = -1, last = 0;
    for (size_t i = 0; i < p->memory_count; i++) {
        const ql__profile_memory *row = &p->memory[i];
        if (row->heap == QL__MEMORY_UNKNOWN || row->at_ns < from) continue;
        double x = (double)row->at_ns / 1e9, y = (double)row->heap / 1048576;
        n++, sx += x, sy += y, sxx += x * x, sxy += x * y, syy += y * y;
        if (first < 0) first = x;
        last = x;
    }
    double vx = n * sxx - sx * sx, vy = n * syy - sy * sy, covariance = n * sxy - sx * sy;
    if (n < GROWTH_POINTS_MIN || vx <= 0 || vy <= 0 || covariance / sqrt(vx * vy) < GROWTH_CORRELATION) return 0;
    return covariance / vx * (last - first) * 1048576;
}

static void set_place(const ql__profile *p, ql__finding *finding, uint32_t stack)
{
    uint32_t line;
    if (!ql__heap_place(p, stack, &line)) return;
    const ql__profile_function *function = &p->functions[p->lines[line].function];
    finding->function = ql__profile_text(p, function->name);
    finding->file = ql__profile_text(p, function->file != 0 ? function->file : function->module);
    finding->line = function->file != 0 ? p->lines[line].line : 0;
}

static int64_t heap_value(const ql__profile *p, size_t sample, size_t value)
{
    return ql__sample_value(p, QL__SAMPLE_HEAP, sample, value);
}

static ql_status add_leak(ql__evidence *self, size_t sample, double growth, ql_error *err)
{
    const ql__profile *p = self->profile;
    char issue[300];
    int64_t bytes = heap_value(p, sample, QL__HEAP_LEAK_BYTES), objects = heap_value(p, sample, QL__HEAP_LEAK_OBJECTS), made = heap_value(p, sample, QL__HEAP_ALLOC_OBJECTS),
            sampled = heap_value(p, sample, QL__HEAP_SAMPLED);
    if (sampled < LEAK_SAMPLES_MIN || objects < LEAK_OBJECTS_MIN || bytes < LEAK_BYTES_MIN || objects * 2 < made || growth < (double)bytes / 4) return QL_OK;
    double share = (double)bytes / (double)self->report->heap_bytes;
    ql__finding finding = {.rule = "leak", .memory = true, .base = QL__BASE_HEAP, .share = share, .error = p->heap.exact ? 0 : share / sqrt((double)sampled), .count = (uint64_t)objects, .samples = (uint64_t)sampled, .value = (uint64_t)bytes};
    set_place(p, &finding, p->sets[QL__SAMPLE_HEAP].samples[sample].stack);
    (void)snprintf(issue, sizeof issue, "Suspected leak: about %lld of %lld allocations made here are old and not freed, %lld KiB; the heap grew steadily by %lld KiB.", (long long)objects,
                   (long long)made, (long long)(bytes / 1024), (long long)(growth / 1024));
    return ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue, "Free it where its use ends, or bound what keeps it (a cache with a limit). 'prof heap --leak --group stack' shows who calls.", err);
}

/* Large pieces that live shortly: the allocator gives them back to the kernel, which clears every page anew. True: it is one. */
static bool is_churn(const ql__profile *p, const ql__report *report, size_t sample)
{
    int64_t bytes = heap_value(p, sample, QL__HEAP_ALLOC_BYTES), objects = heap_value(p, sample, QL__HEAP_ALLOC_OBJECTS), left = heap_value(p, sample, QL__HEAP_INUSE_OBJECTS),
            peak = heap_value(p, sample, QL__HEAP_PEAK_BYTES);
    return objects >= CHURN_COUNT_MIN && heap_value(p, sample, QL__HEAP_SAMPLED) >= CHURN_COUNT_MIN && bytes / objects >= LARGE_BYTES && left <= objects / 10 && peak <= bytes / CHURN_TURNS &&
           (double)bytes * CHURN_NS_A_BYTE >= CHURN_SHARE * (double)report->wall_ns;
}

static ql_status add_churn(ql__evidence *self, size_t sample, ql_error *err)
{
    const ql__profile *p = self->profile;
    char issue[300];
    int64_t bytes = heap_value(p, sample, QL__HEAP_ALLOC_BYTES), objects = heap_value(p, sample, QL__HEAP_ALLOC_OBJECTS), peak = heap_value(p, sample, QL__HEAP_PEAK_BYTES);
    int64_t held = peak > bytes / objects ? peak : bytes / objects;
    ql__finding finding = {.rule = "allocation-churn", .memory = true, .base = QL__BASE_HEAP, .share = (double)held / (double)self->report->heap_bytes, .count = (uint64_t)objects,
                           .samples = (uint64_t)heap_value(p, sample, QL__HEAP_SAMPLED), .value = (uint64_t)bytes};
    set_place(p, &finding, p->sets[QL__SAMPLE_HEAP].samples[sample].stack);
    (void)snprintf(issue, sizeof issue, "Large buffers taken and given back: %lld times %lld KiB, %lld MiB in all, never more than some %lld KiB at once; each is cleared by the kernel anew.",
                   (long long)objects, (long long)(bytes / objects / 1024), (long long)(bytes >> 20), (long long)(held / 1024));
    return ql__finding_add(self->report, finding, QL__SEVERITY_MEDIUM, issue, "Keep one buffer and use it for every item, or work in pieces that need no such buffer.", err);
}

/* To what its place has: ways that lead there are no matter. */
static ql_status count_large(ql__evidence *self, ql__tallies *places, size_t sample, ql_error *err)
{
    const ql__profile *p = self->profile;
    uint32_t line;
    int64_t bytes = heap_value(p, sample, QL__HEAP_PEAK_BYTES), objects = heap_value(p, sample, QL__HEAP_PEAK_OBJECTS);
    if (objects <= 0 || bytes / objects < LARGE_BYTES || p->heap.peak_bytes == 0) return QL_OK;
    bool known = ql__heap_place(p, p->sets[QL__SAMPLE_HEAP].samples[sample].stack, &line);
    ql__tally *place = known ? ql__tally_of(places, p->lines[line].function, p->lines[line].line) : ql__tally_of(places, UINT64_MAX, sample);
    if (place == NULL) return ql__fail_nomem(err);
    place->count += (uint64_t)objects;
    place->value_ns += (uint64_t)bytes; /* a tally's value, whatever its unit */
    place->other += (uint64_t)heap_value(p, sample, QL__HEAP_SAMPLED);
    place->span = (uint32_t)sample + 1;
    return QL_OK;
}

static ql_status add_large(ql__evidence *self, const ql__tally *place, ql_error *err)
{
    const ql__profile *p = self->profile;
    char issue[200];
    unsigned long long pieces = place->count;
    ql__finding finding = {.rule = "large-allocation", .memory = true, .base = QL__BASE_HEAP, .share = (double)place->value_ns / (double)self->report->heap_bytes, .count = place->count, .samples = place->other, .value = place->value_ns};
    set_place(p, &finding, p->sets[QL__SAMPLE_HEAP].samples[place->span - 1].stack);
    (void)snprintf(issue, sizeof issue, "Large allocations: %llu KiB in %llu piece%s when most memory was in use.", (unsigned long long)(place->value_ns / 1024), pieces, pieces == 1 ? "" : "s");
    return ql__finding_add(self->report, finding, QL__SEVERITY_LOW, issue, "Ask whether all of it is needed at once; a buffer that is used again, or pieces, take less.", err);
}

/* The shortest span with a number of texts that runs when the heap is at its peak, if the heap grew much in it. */
static ql_status add_batch(ql__evidence *self, ql_error *err)
{
    const ql__profile *p = self->profile;
    uint32_t best = 0;
    if (!p->heap.known || p->heap.peak_ns == 0 || self->key_texts == 0) return QL_OK;
    for (size_t i = 0; i < p->spans_count; i++) {
        const ql__profile_span *span = &p->spans[i];
        if (span->begin_ns > p->heap.peak_ns || span->end_ns < p->heap.peak_ns || ql__span_number(self, span, self->key_texts, 0) < 2) continue;
        if (best == 0 || ql__span_length(span) < ql__span_length(&p->spans[best - 1])) best = (uint32_t)i + 1;
    }
    if (best == 0) return QL_OK;
    uint64_t before = QL__MEMORY_UNKNOWN, most = 0;
    for (size_t i = 0; i < p->memory_count; i++) {
        const ql__profile_memory *row = &p->memory[i];
        if (row->heap == QL__MEMORY_UNKNOWN || row->at_ns > p->spans[best - 1].end_ns) continue;
        if (row->at_ns <= p->spans[best - 1].begin_ns) before = row->heap;
        else if (row->heap > most) most = row->heap;
    }
    uint64_t peak = self->report->process_bytes;
    if (before == QL__MEMORY_UNKNOWN || most <= before || most - before < BATCH_BYTES_MIN || (most - before) / 4 < peak / 16) return QL_OK;
    char issue[300];
    ql_str name = ql__span_title(p, &p->spans[best - 1]);
    uint64_t texts = ql__span_number(self, &p->spans[best - 1], self->key_texts, 0);
    ql__finding finding = {.rule = "batch-memory", .memory = true, .base = QL__BASE_PROCESS, .share = (double)(most - before) / (double)peak, .count = texts, .value = most - before};
    ql__finding_site(p, &finding, p->spans[best - 1].site);
    (void)snprintf(issue, sizeof issue, "One batch makes the peak: '%.*s' with %llu texts took %llu KiB more than there was before it.", (int)(name.len < 60 ? name.len : 60), name.ptr,
                   (unsigned long long)texts, (unsigned long long)((most - before) / 1024));
    return ql__finding_add(self->report, finding, QL__SEVERITY_HIGH, issue, "Use smaller batches, or sort texts by length so that none is padded to the longest.", err);
}

ql_status ql__rules_memory(ql__evidence *evidence, ql_error *err)
{
    double growth = steady_growth(evidence->profile);
    ql__tallies large;
    ql__tallies_init(&large);
    ql_status status = add_batch(evidence, err);
    for (size_t i = 0; status >= 0 && i < evidence->profile->sets[QL__SAMPLE_HEAP].count; i++) {
        status = add_leak(evidence, i, growth, err);
        if (status >= 0) status = is_churn(evidence->profile, evidence->report, i) ? add_churn(evidence, i, err) : count_large(evidence, &large, i, err);
    }
    for (size_t i = 0; status >= 0 && i < large.count; i++) status = add_large(evidence, &large.items[i], err);
    ql__tallies_dispose(&large);
    return status;
}
