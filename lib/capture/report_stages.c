/*
 * Rules over stages and tasks: one text at a time through the model, the same content again, a task that blocks its thread.
 * Evidence: spans of category "stage" with "texts", "batches", "content" (a hash); spans of tasks that last long and use no processor.
 * Threads: any. Cost: passes over the spans.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/lanes.h"
#include "capture/report_internal.h"

#define SINGLES_MIN 20           /* spans of one text under one span */
#define BLOCKED_NS_MIN 100000000 /* what a loop must not wait for in one piece */

/* --- one at a time -------------------------------------------------------------------------------------------------------------------------- */

static ql_status add_singles(ql__evidence *self, ql_error *err)
{
    const ql__profile *p = self->profile;
    ql__tallies calls; /* by the span around and the site */
    ql_status status = QL_OK;
    if (self->key_texts == 0) return QL_OK;
    ql__tallies_init(&calls);
    for (size_t i = 0; i < p->spans_count && status >= 0; i++) {
        const ql__profile_span *span = &p->spans[i];
        uint64_t texts = ql__span_number(self, span, self->key_texts, UINT64_MAX);
        if (texts == UINT64_MAX) continue;
        ql__tally *tally = ql__tally_of(&calls, self->parent[i], span->site);
        if (tally == NULL) {
            status = ql__fail_nomem(err);
            break;
        }
        tally->count++;
        tally->other += texts < 1000000 ? texts : 1000000;
        tally->value_ns += ql__span_length(span);
        tally->span = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < calls.count && status >= 0; i++) {
        const ql__tally *call = &calls.items[i];
        char issue[300];
        if (call->count < SINGLES_MIN || call->other * 2 > call->count * 3) continue; /* more than one and a half on average */
        ql__finding finding = {.rule = "single-item", .share = (double)call->value_ns / (double)self->report->time_ns, .count = call->count, .value = call->value_ns};
        uint32_t outer = self->parent[call->span - 1];
        ql__finding_site(p, &finding, outer != 0 ? p->spans[outer - 1].site : (uint32_t)call->key[1]);
        ql_str name = ql__span_title(p, &p->spans[call->span - 1]);
        (void)snprintf(issue, sizeof issue, "'%.*s' is called %llu times with one text: a call costs nearly as much as one with a full batch.", (int)(name.len < 60 ? name.len : 60), name.ptr,
                       (unsigned long long)call->count);
        status = ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue, "Gather texts and hand over a batch of them (32 to 128) a call.", err);
    }
    ql__tallies_dispose(&calls);
    return status;
}

/* --- the same again ------------------------------------------------------------------------------------------------------------------------- */

static ql_status add_repeated_content(ql__evidence *self, ql_error *err)
{
    const ql__profile *p = self->profile;
    ql__tallies contents, sites;
    ql_status status = QL_OK;
    if (self->key_content == 0) return QL_OK;
    ql__tallies_init(&contents);
    ql__tallies_init(&sites);
    for (size_t i = 0; i < p->spans_count && status >= 0; i++) {
        const ql__profile_span *span = &p->spans[i];
        uint64_t content = ql__span_text(self, span, self->key_content);
        if (content == 0) continue;
        ql__tally *seen = ql__tally_of(&contents, span->site, content);
        ql__tally *site = seen != NULL && seen->count++ > 0 ? ql__tally_of(&sites, span->site, 0) : NULL;
        if (seen == NULL || (seen->count > 1 && site == NULL)) status = ql__fail_nomem(err);
        else if (site != NULL) {
            site->count++;
            site->value_ns += ql__span_length(span);
        }
    }
    for (size_t i = 0; i < sites.count && status >= 0; i++) {
        char issue[200];
        ql__finding finding = {.rule = "repeated-content", .share = (double)sites.items[i].value_ns / (double)self->report->time_ns, .count = sites.items[i].count, .value = sites.items[i].value_ns};
        if (finding.count < 3) continue;
        ql__finding_site(p, &finding, (uint32_t)sites.items[i].key[0]);
        (void)snprintf(issue, sizeof issue, "The same content is worked through again, %llu times more than once.", (unsigned long long)finding.count);
        status = ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue, "Keep the result by the content's hash, or leave out what has not changed.", err);
    }
    ql__tallies_dispose(&contents);
    ql__tallies_dispose(&sites);
    return status;
}

/* --- blocking ------------------------------------------------------------------------------------------------------------------------------- */

/* The innermost span that waited: it is long, its thread used little processor, and no span inside explains it. */
static bool is_blocked(const ql__evidence *self, size_t index)
{
    const ql__profile_span *span = &self->profile->spans[index];
    uint64_t length = ql__span_length(span);
    return span->task != 0 && !span->open && length >= BLOCKED_NS_MIN && span->cpu_ns != UINT64_MAX && span->cpu_ns < length / 4 && self->child_ns[index] < length / 2;
}

/* Between its begin and its end a task only runs, is ready or waits: one that says it waits does not block its thread. */
static uint64_t longest_poll(const ql__profile *p, uint64_t task)
{
    for (size_t i = 0; i < p->tasks_count; i++)
        if (p->tasks[i].id == task) return p->tasks[i].longest_poll_ns;
    return 0;
}

static ql_status add_blocking(ql__evidence *self, ql_error *err)
{
    const ql__profile *p = self->profile;
    ql__tallies sites;
    ql_status status = QL_OK;
    ql__tallies_init(&sites);
    for (size_t i = 0; i < p->spans_count && status >= 0; i++) {
        if (!is_blocked(self, i) || longest_poll(p, p->spans[i].task) < BLOCKED_NS_MIN) continue;
        ql__tally *site = ql__tally_of(&sites, p->spans[i].site, 0);
        if (site == NULL) status = ql__fail_nomem(err);
        else {
            site->count++;
            if (ql__span_length(&p->spans[i]) > site->other) site->other = ql__span_length(&p->spans[i]);
        }
    }
    for (size_t s = 0; s < sites.count && status >= 0; s++) {
        const ql__tally *site = &sites.items[s];
        ql__stretches stretches = {0};
        char issue[300];
        for (size_t i = 0; i < p->spans_count && status >= 0; i++)
            if (p->spans[i].site == site->key[0] && is_blocked(self, i)) status = ql__stretch_add(&stretches, p->spans[i].begin_ns, p->spans[i].end_ns, err);
        uint64_t time = ql__stretches_covered(&stretches);
        ql__free(stretches.items);
        ql__finding finding = {.rule = "blocking-call", .share = (double)time / (double)self->report->time_ns, .count = site->count, .value = time};
        ql__finding_site(p, &finding, (uint32_t)site->key[0]);
        (void)snprintf(issue, sizeof issue, "A task waits without letting its thread go: %llu times, up to %llu ms; everything else on that thread stands still.", (unsigned long long)site->count,
                       (unsigned long long)(site->other / 1000000));
        if (status >= 0) status = ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue, "Make the call in the background (a pool, a non-blocking call) and let the task wait for it.", err);
    }
    ql__tallies_dispose(&sites);
    return status;
}

ql_status ql__rules_stages(ql__evidence *evidence, ql_error *err)
{
    QL_TRY(add_singles(evidence, err));
    QL_TRY(add_repeated_content(evidence, err));
    return add_blocking(evidence, err);
}
