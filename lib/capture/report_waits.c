/*
 * Rules over waits for locks and queues. Evidence: waits over 1 ms with what was waited for. A lock's place is who waits; a full queue's is what the stage
 * behind it does, when a thread is known that takes from it. Threads: any. Cost: passes over waits, spans and samples of processor time.
 */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "capture/report_internal.h"

static bool begins(ql_str text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.ptr, with, strlen(with)) == 0;
}

/* --- queues ------------------------------------------------------------------------------------------------------------------------------ */

static bool ends(ql_str text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.ptr + text.len - strlen(with), with, strlen(with)) == 0;
}

/* The thread behind a queue: one that waits for it to be filled, or said that it would. Index + 1; 0: none did. */
static uint32_t consumer_of(const ql__profile *p, ql_str full)
{
    const ql__profile_set *set = &p->sets[QL__SAMPLE_LOCK];
    for (size_t i = 0; i < set->count && ends(full, "full"); i++) {
        ql_str name = ql__profile_text(p, ql__profile_label_of(p, set->samples[i].labels, QL_STR("waits_for")));
        if (ends(name, "empty") && name.len - strlen("empty") == full.len - strlen("full") && memcmp(name.ptr, full.ptr, full.len - strlen("full")) == 0) return set->samples[i].thread;
    }
    return 0;
}

typedef struct time_place {
    uint64_t value_ns, samples;
    uint64_t all_ns; /* of the thread */
    uint32_t index; /* + 1: of a site, or of lines; 0: none */
    bool stage;     /* a site of the library's pipeline */
} time_place;

/* Where a span's time belongs: a statement's or a request's to who makes it. */
static uint32_t place_of(const ql__evidence *self, size_t span)
{
    size_t at = span;
    for (size_t depth = 0; depth < 1000 && self->parent[at] != 0 && (ql__span_is_sql(self, &self->profile->spans[at]) || ql__span_is_http(self, &self->profile->spans[at])); depth++)
        at = self->parent[at] - 1;
    return (uint32_t)at;
}

/* The site in whose spans, what is inside them taken away, a thread spent most. */
static ql_status busiest_site(const ql__evidence *self, uint32_t thread, time_place *out, ql_error *err)
{
    ql__tallies sites;
    ql_status status = QL_OK;
    ql__tallies_init(&sites);
    *out = (time_place){0};
    for (size_t i = 0; i < self->profile->spans_count && status >= 0; i++) {
        const ql__profile_span *span = &self->profile->spans[i];
        const ql__profile_span *place = &self->profile->spans[place_of(self, i)];
        if (span->thread != thread || place->site == 0 || span->open) continue;
        ql__tally *site = ql__tally_of(&sites, place->site, 0);
        if (site == NULL) status = ql__fail_nomem(err);
        else {
            site->value_ns += ql__span_length(span) > self->child_ns[i] ? ql__span_length(span) - self->child_ns[i] : 0;
            if (site->value_ns > out->value_ns) *out = (time_place){.value_ns = site->value_ns, .index = place->site, .stage = ql__span_is(self, place, "stage")};
        }
    }
    ql__tallies_dispose(&sites);
    return status;
}

/* The line whose source is known, the innermost of its stack, at which a thread used most processor time. */
static ql_status busiest_line(const ql__profile *p, uint32_t thread, time_place *out, ql_error *err)
{
    const ql__profile_set *set = &p->sets[QL__SAMPLE_CPU];
    ql__tallies functions, lines;
    uint64_t most = 0;
    ql_status status = QL_OK;
    ql__tallies_init(&functions);
    ql__tallies_init(&lines);
    *out = (time_place){0};
    for (size_t i = 0; i < set->count && status >= 0; i++) {
        uint32_t at;
        if (set->samples[i].thread != thread) continue;
        out->all_ns += (uint64_t)ql__sample_value(p, QL__SAMPLE_CPU, i, QL__VALUE_NS);
        if (!ql__stack_source(p, set->samples[i].stack, &at)) continue;
        ql__tally *function = ql__tally_of(&functions, p->lines[at].function, 0), *line = ql__tally_of(&lines, p->lines[at].function, p->lines[at].line);
        if (function == NULL || line == NULL) status = ql__fail_nomem(err);
        else {
            uint64_t value = (uint64_t)ql__sample_value(p, QL__SAMPLE_CPU, i, QL__VALUE_NS);
            function->value_ns += value;
            function->count++;
            line->value_ns += value;
            line->span = at;
            if (function->value_ns <= out->value_ns && (out->index == 0 || p->lines[out->index - 1].function != p->lines[at].function)) continue;
            if (out->index == 0 || p->lines[out->index - 1].function != p->lines[at].function) most = 0;
            if (line->value_ns > most) most = line->value_ns, out->index = at + 1;
            out->value_ns = function->value_ns;
            out->samples = function->count;
        }
    }
    ql__tallies_dispose(&functions);
    ql__tallies_dispose(&lines);
    return status;
}

/*
 * What the stage behind a full queue does: an application's span that takes half of the wait or more, else code that takes half of its thread's processor time
 * (if that is a tenth of the wait: other work on the machine takes time away), else a stage of the library.
 */
static ql_status set_consumer(const ql__evidence *self, ql__finding *finding, ql_str name, uint64_t waited_ns, ql_error *err)
{
    time_place site, line;
    uint32_t thread = consumer_of(self->profile, name);
    if (thread == 0) return QL_OK;
    QL_TRY(busiest_site(self, thread, &site, err));
    QL_TRY(busiest_line(self->profile, thread, &line, err));
    bool spans = site.index != 0 && site.value_ns >= waited_ns / 2;
    if (spans && !site.stage) ql__finding_site(self->profile, finding, site.index);
    else if (line.index != 0 && line.value_ns >= line.all_ns / 2 && line.all_ns >= waited_ns / 10) {
        ql__finding_function(self->profile, finding, self->profile->lines[line.index - 1].function, self->profile->lines[line.index - 1].line);
        finding->samples = line.samples;
    } else if (spans) ql__finding_site(self->profile, finding, site.index);
    return QL_OK;
}

/* --- all waits --------------------------------------------------------------------------------------------------------------------------- */

static ql_status add_wait(ql__evidence *self, const ql__tally *subject, uint64_t threads, uint32_t stack, ql_error *err)
{
    ql_str name = ql__profile_text(self->profile, (uint32_t)subject->key[0]);
    bool queue = begins(name, "queue");
    char issue[400];
    uint32_t line;
    if (queue && ends(name, "empty")) return QL_OK; /* who waits there has nothing to do: the limit is elsewhere */
    /* The mean part of the run that one of the threads stood still. */
    ql__finding finding = {.rule = queue ? "queue-wait" : "lock-wait", .share = ql__of_wall(self->report, subject->value_ns) / (double)(threads > 0 ? threads : 1), .per_thread = true,
                           .count = subject->count, .value = subject->value_ns};
    if (ql__stack_source(self->profile, stack, &line)) ql__finding_function(self->profile, &finding, self->profile->lines[line].function, self->profile->lines[line].line); /* who waits */
    if (queue) QL_TRY(set_consumer(self, &finding, name, subject->value_ns, err));
    (void)snprintf(issue, sizeof issue, "%llu wait%s for '%.*s' of %llu thread%s, %llu ms together.", (unsigned long long)subject->count, subject->count == 1 ? "" : "s",
                   (int)(name.len < 100 ? name.len : 100), name.ptr, (unsigned long long)threads, threads == 1 ? "" : "s", (unsigned long long)(subject->value_ns / 1000000));
    /* A single thread that waits is hardly contended for: somebody holds the lock for long. */
    return ql__finding_add(self->report, finding, queue || threads < 2 ? QL__SEVERITY_MEDIUM : QL__SEVERITY_CRITICAL, issue,
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
            if (set->samples[i].stack != 0) subject->span = set->samples[i].stack; /* of one of them */
            if (waiter->count++ == 0) subject->other++;
        }
    }
    for (size_t i = 0; i < subjects.count && status >= 0; i++) status = add_wait(evidence, &subjects.items[i], subjects.items[i].other, subjects.items[i].span, err);
    ql__tallies_dispose(&subjects);
    ql__tallies_dispose(&waiters);
    return status;
}
