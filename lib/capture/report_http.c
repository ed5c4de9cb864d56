/*
 * Rules over HTTP: tries again and again, and a new connection for each request. Evidence: spans of category "http" with "host" or "url", "try" (1 the
 * first), "status", "new_connection" (1: one was made) or "connects" (how many were made); where no span tells of connections, the capture's looks at
 * them. Where nobody says which try it is, a request for the same "url" as one that was answered 429 or 5xx before is one more. Threads: any. Cost:
 * passes over the spans.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/report_internal.h"

#define TRIES_MIN 5
#define REQUESTS_MIN 10
#define LOOKS_MIN 10
#define NOT_TOLD UINT64_MAX
#define KEEP_ONE "Keep one client (one handle, one session) for all requests to a host, with keep-alive."

typedef struct host_sums {
    uint64_t requests, retries, limited, connections;
    uint64_t told;           /* requests that tell whether they made a connection */
    ql__stretches waits;     /* from the end of the try before to the end of the retry */
    ql__stretches requests_time;
    uint64_t last_end;       /* of the try before */
    uint32_t span;           /* index + 1 */
} host_sums;

/* "example.com:8080" of "https://me@example.com:8080/page?x"; what is no address stays as it is. */
static ql_str host_of_url(ql_str url)
{
    const char *scheme = url.len > 3 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    if (scheme == NULL) return url;
    ql_str host = {scheme + 3, url.len - (size_t)(scheme + 3 - url.ptr)};
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] == '/' || host.ptr[i] == '?' || host.ptr[i] == '#') host.len = i;
    for (size_t i = host.len; i > 0; i--)
        if (host.ptr[i - 1] == '@') return (ql_str){host.ptr + i, host.len - i};
    return host;
}

static ql_str host_of(const ql__evidence *self, const ql__profile_span *span)
{
    uint32_t host = ql__span_text(self, span, self->key_host), url = ql__span_text(self, span, self->key_url);
    return host != 0 ? ql__profile_text(self->profile, host) : host_of_url(ql__profile_text(self->profile, url));
}

/* By the hash of its name, as a host in an address is no string of its own. */
static ql__tally *tally_of_host(const ql__evidence *self, ql__tallies *hosts, const ql__profile_span *span)
{
    return ql__tally_of(hosts, ql__hash_bytes(host_of(self, span), 0x5eed), 0);
}

static ql_status add_span(const ql__evidence *self, uint32_t index, ql__tallies *urls, host_sums *sums, ql_error *err)
{
    const ql__profile_span *span = &self->profile->spans[index];
    uint64_t number = ql__span_number(self, span, self->key_try, 0), code = ql__span_number(self, span, self->key_status, 0);
    uint32_t url = ql__span_text(self, span, self->key_url);
    ql__tally *tries = url != 0 ? ql__tally_of(urls, url, 0) : NULL; /* count: of the last try; value_ns: when it ended, if it was refused */
    if (url != 0 && tries == NULL) return ql__fail_nomem(err);
    if (tries != NULL && number == 0) {
        number = tries->value_ns != 0 ? tries->count + 1 : 1;
        if (number > 1) sums->last_end = tries->value_ns;
    }
    if (tries != NULL) {
        tries->count = number;
        tries->value_ns = code == 429 || code >= 500 ? span->end_ns : 0;
    }
    sums->requests++;
    sums->span = index + 1;
    if (code == 429 || code == 503) sums->limited++;
    if (ql__span_number(self, span, self->key_connection, 0) == 1 || ql__span_number(self, span, self->key_connects, 0) > 0) sums->connections++;
    if (ql__span_number(self, span, self->key_connection, NOT_TOLD) != NOT_TOLD || ql__span_number(self, span, self->key_connects, NOT_TOLD) != NOT_TOLD) sums->told++;
    QL_TRY(ql__stretch_add(&sums->requests_time, span->begin_ns, span->end_ns, err));
    if (number > 1) {
        sums->retries++;
        QL_TRY(ql__stretch_add(&sums->waits, sums->last_end != 0 && sums->last_end < span->begin_ns ? sums->last_end : span->begin_ns, span->end_ns, err));
    }
    sums->last_end = span->end_ns;
    return QL_OK;
}

static ql_status add_retries(ql__evidence *self, ql_str host, host_sums *sums, ql_error *err)
{
    char issue[400];
    if (sums->retries < TRIES_MIN || sums->retries * 5 < sums->requests) return QL_OK;
    uint64_t time = ql__stretches_covered(&sums->waits);
    ql__finding finding = {.rule = "retry-storm", .share = ql__of_wall(self->report, time), .count = sums->retries, .value = time};
    ql__finding_site(self->profile, &finding, ql__span_outer_site(self, sums->span - 1));
    (void)snprintf(issue, sizeof issue, "%llu of %llu requests to '%.*s' were tries again%s (%llu answers 429 or 503).", (unsigned long long)sums->retries, (unsigned long long)sums->requests,
                   (int)(host.len < 100 ? host.len : 100), host.ptr, sums->limited > 0 ? ": the server limits the rate" : "", (unsigned long long)sums->limited);
    return ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue,
                           "Send fewer requests at once, keep to the rate that the server names (Retry-After), and ask for several items a request where it can.", err);
}

static ql_status add_connections(ql__evidence *self, ql_str host, host_sums *sums, ql_error *err)
{
    char issue[400];
    if (sums->requests < REQUESTS_MIN || sums->connections * 10 < sums->requests * 8) return QL_OK;
    uint64_t time = ql__stretches_covered(&sums->requests_time);
    ql__finding finding = {.rule = "no-connection-reuse", .share = ql__of_wall(self->report, time), .count = sums->connections, .value = time};
    ql__finding_site(self->profile, &finding, ql__span_outer_site(self, sums->span - 1));
    (void)snprintf(issue, sizeof issue, "%llu of %llu requests to '%.*s' made a connection of their own: each pays for TCP and TLS again.", (unsigned long long)sums->connections,
                   (unsigned long long)sums->requests, (int)(host.len < 100 ? host.len : 100), host.ptr);
    return ql__finding_add(self->report, finding, QL__SEVERITY_HIGH, issue, KEEP_ONE, err);
}

/* The host with the most requests, where looks found other connections again and again; NULL: they did not, or the requests tell themselves. */
static const host_sums *of_new_connections(const ql__profile_connections *looks, const host_sums *sums, size_t count)
{
    const host_sums *most = NULL;
    uint64_t requests = 0, told = 0;
    for (size_t h = 0; h < count; h++) {
        requests += sums[h].requests;
        told += sums[h].told;
        if (most == NULL || sums[h].requests > most->requests) most = &sums[h];
    }
    if (most == NULL || told > 0 || most->requests < REQUESTS_MIN) return NULL;
    if (looks->looks_new < LOOKS_MIN || looks->looks_new > looks->looks || looks->seen_new > looks->seen) return NULL; /* few, or damage */
    if (looks->looks_new < looks->looks - looks->looks_new) return NULL;
    if (looks->seen_new < looks->seen - looks->seen_new) return NULL; /* a pool: most of it was there before */
    return looks->machine >= requests - requests / 5 ? most : NULL; /* that serve some requests each look the same, but cannot be as many as the requests */
}

static ql_status add_seen_connections(ql__evidence *self, ql_str host, host_sums *sums, ql_error *err)
{
    char issue[500];
    const ql__profile_connections *looks = &self->profile->numbers.connections;
    uint64_t time = ql__stretches_covered(&sums->requests_time);
    ql__finding finding = {.rule = "no-connection-reuse", .share = ql__of_wall(self->report, time), .count = looks->looks_new, .value = time};
    ql__finding_site(self->profile, &finding, ql__span_outer_site(self, sums->span - 1));
    (void)snprintf(issue, sizeof issue,
                   "At %llu of %llu looks a TCP connection was open that was not there before, and %llu were made on this machine meanwhile: "
                   "it seems that each of the %llu requests to '%.*s' made its own, and paid for TCP and TLS again.",
                   (unsigned long long)looks->looks_new, (unsigned long long)looks->looks, (unsigned long long)looks->machine, (unsigned long long)sums->requests,
                   (int)(host.len < 100 ? host.len : 100), host.ptr);
    return ql__finding_add(self->report, finding, QL__SEVERITY_HIGH, issue, KEEP_ONE, err);
}

ql_status ql__rules_http(ql__evidence *evidence, ql_error *err)
{
    const ql__profile *p = evidence->profile;
    ql__tallies hosts, urls;
    host_sums *sums = NULL;
    ql_status status = QL_OK;
    ql__tallies_init(&hosts);
    ql__tallies_init(&urls);
    for (size_t i = 0; i < p->spans_count && status >= 0; i++)
        if (ql__span_is_http(evidence, &p->spans[i]) && tally_of_host(evidence, &hosts, &p->spans[i]) == NULL) status = ql__fail_nomem(err);
    if (status >= 0 && (sums = ql__alloc_zero(hosts.count, sizeof *sums)) == NULL) status = ql__fail_nomem(err);
    for (size_t i = 0; i < p->spans_count && status >= 0; i++) {
        if (!ql__span_is_http(evidence, &p->spans[i])) continue;
        const ql__tally *host = tally_of_host(evidence, &hosts, &p->spans[i]); /* there: found, not made */
        status = add_span(evidence, (uint32_t)i, &urls, &sums[host - hosts.items], err);
    }
    const host_sums *seen = status >= 0 ? of_new_connections(&p->numbers.connections, sums, hosts.count) : NULL;
    for (size_t h = 0; sums != NULL && h < hosts.count; h++) {
        ql_str name = sums[h].span != 0 ? host_of(evidence, &p->spans[sums[h].span - 1]) : (ql_str){0};
        if (status >= 0) status = add_retries(evidence, name, &sums[h], err);
        if (status >= 0) status = &sums[h] == seen ? add_seen_connections(evidence, name, &sums[h], err) : add_connections(evidence, name, &sums[h], err);
        ql__free(sums[h].waits.items);
        ql__free(sums[h].requests_time.items);
    }
    ql__free(sums);
    ql__tallies_dispose(&hosts);
    ql__tallies_dispose(&urls);
    return status;
}
