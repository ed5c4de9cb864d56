/*
 * Rules over what is worked on: one text at a time through the model, the same content again. Evidence: spans with "texts", spans with "content" (a hash).
 * Threads: any. Cost: a sort of the spans, passes over them, and one over the samples.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/lanes.h"
#include "capture/profile_query.h"
#include "capture/report_internal.h"

#define SINGLES_MIN 20 /* spans of one text under one span */
#define REPEATS_MIN 3

/* --- one at a time -------------------------------------------------------------------------------------------------------------------------- */

/* The line behind a frame of the span's own function: where that is called. */
static bool caller_of_site(const ql__profile *p, uint32_t stack, const ql__profile_site *site, uint32_t *out)
{
    ql__frame_iter frames = ql__frames_of(p, stack);
    bool inside = false;
    while (ql__frame_next(&frames, out)) {
        const ql__profile_function *function = &p->functions[p->lines[*out].function];
        if (inside && function->name != site->function) return function->file != 0;
        inside = function->name == site->function;
    }
    return false;
}

/* Where the spans of sites that no program's span is around are made, as most samples inside them see it: by site, count of samples, other the line. One pass over samples. */
static ql_status find_callers(const ql__evidence *self, ql__tallies *callers, ql_error *err)
{
    const ql__profile *p = self->profile;
    const ql__profile_set *set = &p->sets[QL__SAMPLE_CPU];
    ql__tallies lines; /* by site and line */
    ql_status status = QL_OK;
    ql__tallies_init(&lines);
    for (size_t i = 0; i < set->count && status >= 0; i++) {
        uint32_t line;
        const uint64_t *span = set->samples[i].span != 0 ? ql__map_find(&self->span_ids, (ql_str){(const char *)&set->samples[i].span, sizeof set->samples[i].span}) : NULL;
        uint32_t site = span != NULL ? p->spans[*span].site : 0;
        if (site == 0 || p->sites[site - 1].function == 0 || !caller_of_site(p, set->samples[i].stack, &p->sites[site - 1], &line)) continue;
        ql__tally *tally = ql__tally_of(&lines, site, line), *most = ql__tally_of(callers, site, 0);
        if (tally == NULL || most == NULL) status = ql__fail_nomem(err);
        else if (++tally->count > most->count) {
            most->count = tally->count;
            most->other = line;
        }
    }
    ql__tallies_dispose(&lines);
    return status;
}

/* False: no sample saw who makes spans of that site. */
static bool set_caller(const ql__profile *p, const ql__tallies *callers, uint32_t site, ql__finding *finding)
{
    const ql__tally *most = ql__tally_find(callers, site, 0);
    if (most == NULL) return false;
    const ql__profile_function *function = &p->functions[p->lines[most->other].function];
    finding->function = ql__profile_text(p, function->name);
    finding->file = ql__profile_text(p, function->file);
    finding->line = p->lines[most->other].line;
    return true;
}

/* A span that tells of its texts. */
typedef struct text_span {
    uint64_t parent, site; /* index + 1 of the span around, 0: none */
    uint64_t texts;
    size_t span;
} text_span;

static int compare_text_spans(const void *left, const void *right)
{
    const text_span *a = left, *b = right;
    if (a->parent != b->parent) return a->parent < b->parent ? -1 : 1;
    if (a->site != b->site) return a->site < b->site ? -1 : 1;
    return a->span < b->span ? -1 : a->span > b->span;
}

/* Those of one span around and one site lie side by side. Free *out. */
static ql_status sort_text_spans(const ql__evidence *self, text_span **out, size_t *count, ql_error *err)
{
    const ql__profile *p = self->profile;
    *count = 0;
    *out = ql__alloc_zero(p->spans_count > 0 ? p->spans_count : 1, sizeof **out);
    if (*out == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < p->spans_count; i++) {
        uint64_t texts = ql__span_number(self, &p->spans[i], self->key_texts, UINT64_MAX);
        if (texts != UINT64_MAX) (*out)[(*count)++] = (text_span){self->parent[i], p->spans[i].site, texts < 1000000 ? texts : 1000000, i};
    }
    qsort(*out, *count, sizeof **out, compare_text_spans);
    return QL_OK;
}

/* Time in which at least one of them ran. */
static ql_status covered_by(const ql__profile *p, const text_span *spans, size_t count, uint64_t *out, ql_error *err)
{
    ql__stretches stretches = {0};
    ql_status status = QL_OK;
    for (size_t i = 0; i < count && status >= 0; i++) status = ql__stretch_add(&stretches, p->spans[spans[i].span].begin_ns, p->spans[spans[i].span].end_ns, err);
    *out = ql__stretches_covered(&stretches);
    ql__free(stretches.items);
    return status;
}

/* callers: of find_callers, which is asked for once. */
static ql_status add_single(const ql__evidence *self, const text_span *spans, size_t count, ql__tallies *callers, bool *looked, ql_error *err)
{
    const ql__profile *p = self->profile;
    char issue[300];
    uint64_t texts = 0, time;
    size_t last = spans[count - 1].span;
    for (size_t i = 0; i < count; i++) texts += spans[i].texts;
    if (count < SINGLES_MIN || texts * 2 > (uint64_t)count * 3) return QL_OK; /* more than one and a half on average */
    QL_TRY(covered_by(p, spans, count, &time, err));
    ql__finding finding = {.rule = "single-item", .share = ql__of_wall(self->report, time), .count = count, .value = time};
    uint32_t outer = ql__span_outer_site(self, last);
    bool own = outer == (uint32_t)spans->site; /* nothing of the program is around */
    if (own && !*looked) QL_TRY(find_callers(self, callers, err)); /* the samples are many, and this is rare */
    *looked = *looked || own;
    if (!own || !set_caller(p, callers, outer, &finding)) ql__finding_site(p, &finding, outer);
    ql_str name = ql__span_title(p, &p->spans[last]);
    (void)snprintf(issue, sizeof issue, "'%.*s' is called %llu times with one text: a call costs nearly as much as one with a full batch.", (int)(name.len < 60 ? name.len : 60), name.ptr,
                   (unsigned long long)count);
    return ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue, "Gather texts and hand over a batch of them (32 to 128) a call.", err);
}

static ql_status add_singles(const ql__evidence *self, ql_error *err)
{
    ql__tallies callers; /* by site */
    text_span *spans;
    size_t count, end;
    bool looked = false;
    if (self->key_texts == 0) return QL_OK;
    QL_TRY(sort_text_spans(self, &spans, &count, err));
    ql__tallies_init(&callers);
    ql_status status = QL_OK;
    for (size_t i = 0; i < count && status >= 0; i = end) {
        for (end = i + 1; end < count && spans[end].parent == spans[i].parent && spans[end].site == spans[i].site;) end++;
        status = add_single(self, spans + i, end - i, &callers, &looked, err);
    }
    ql__tallies_dispose(&callers);
    ql__free(spans);
    return status;
}

/* --- the same again ------------------------------------------------------------------------------------------------------------------------- */

/* By who asked for it, 0 where nobody did but the pipeline. value_ns: of spans with content that was seen before; other: of all with content. */
static ql_status sum_repeats(const ql__evidence *self, ql__tallies *askers, ql_error *err)
{
    ql__tallies contents; /* by the place where spans with it begin, and the hash */
    ql_status status = QL_OK;
    ql__tallies_init(&contents);
    for (size_t i = 0; i < self->profile->spans_count && status >= 0; i++) {
        const ql__profile_span *span = &self->profile->spans[i];
        uint64_t content = ql__span_text(self, span, self->key_content);
        if (content == 0) continue;
        ql__tally *seen = ql__tally_of(&contents, span->site, content), *asker = ql__tally_of(askers, ql__span_asker(self, i), 0);
        if (seen == NULL || asker == NULL) {
            status = ql__fail_nomem(err);
            break;
        }
        asker->span = (uint32_t)i + 1;
        asker->other += ql__span_length(span);
        if (seen->count++ == 0) continue;
        asker->count++;
        asker->value_ns += ql__span_length(span);
    }
    ql__tallies_dispose(&contents);
    return status;
}

/* A stage that worked for who asked. */
static bool is_stage_for(const ql__evidence *self, size_t span, const void *asker)
{
    return ql__span_is(self, &self->profile->spans[span], "stage") && ql__span_asker(self, span) == *(const uint64_t *)asker;
}

static ql_status add_repeats(const ql__evidence *self, const ql__tally *asker, ql_error *err)
{
    char issue[300];
    uint64_t stages_ns;
    if (asker->count < REPEATS_MIN) return QL_OK;
    QL_TRY(ql__spans_covered(self, is_stage_for, &asker->key[0], &stages_ns, err));
    /* What is embedded and stored is repeated like what is cut up: the same part of the time of all stages. */
    double part = (double)asker->value_ns / (double)(asker->other > 0 ? asker->other : 1), time = part * (double)stages_ns;
    if (time < (double)asker->value_ns) time = (double)asker->value_ns;
    ql__finding finding = {.rule = "repeated-content", .share = time / (double)self->report->wall_ns, .count = asker->count, .value = (uint64_t)time};
    ql__finding_site(self->profile, &finding, asker->key[0] != 0 ? (uint32_t)asker->key[0] : self->profile->spans[asker->span - 1].site);
    (void)snprintf(issue, sizeof issue, "The same content is worked through again, %llu times more than once: %.0f %% of all, and so of what the stages that followed took.",
                   (unsigned long long)asker->count, part * 100);
    return ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue, "Keep the result by the content's hash, or leave out what has not changed.", err);
}

static ql_status add_repeated_content(ql__evidence *self, ql_error *err)
{
    ql__tallies askers;
    if (self->key_content == 0) return QL_OK;
    ql__tallies_init(&askers);
    ql_status status = sum_repeats(self, &askers, err);
    for (size_t i = 0; i < askers.count && status >= 0; i++) status = add_repeats(self, &askers.items[i], err);
    ql__tallies_dispose(&askers);
    return status;
}

ql_status ql__rules_stages(ql__evidence *evidence, ql_error *err)
{
    QL_TRY(add_singles(evidence, err));
    return add_repeated_content(evidence, err);
}
