/*
 * qloader/bench.h - how long an HTTP server takes to answer.
 *
 * ql_bench_http() sends requests by turns, some at a time, and tells each that has ended. It is a closed loop: the next request begins when one has
 * ended. So a server that stalls is asked less while it does, and times say what such clients wait, not what arrivals at a fixed rate would. For
 * percentiles, rates and comparisons see `qloader bench http`, which is made of it.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static void tell(void *user, const ql_bench_sample *sample) {
 *         (void)user;
 *         if (sample->code == 0) printf("no answer: %s\n", sample->reason);
 *         else printf("%d after %.3f ms\n", (int)sample->code, (double)sample->total_ns / 1e6);
 *     }
 *     int main(void) {
 *         ql_error err = {0};
 *         ql_bench_request request = {(uint32_t)sizeof request, 0, "GET", "http://127.0.0.1:9/", {NULL, 0}, NULL, 0, {0, 0}};
 *         ql_bench_http_options options = QL_BENCH_HTTP_OPTIONS_INIT;
 *         options.rounds = 3;
 *         options.sample_fn = tell;
 *         ql_status status = ql_bench_http(&request, 1, &options, NULL, &err);
 *         if (status < 0) fprintf(stderr, "%s\n", err.message);
 *         return status < 0;
 *     }
 */
#ifndef QLOADER_BENCH_H
#define QLOADER_BENCH_H

#include <qloader/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is sent. A value of frozen size. */
typedef struct ql_bench_request {
    uint32_t struct_size;
    uint32_t reserved32;
    const char *method;         /**< capital letters; NULL: GET */
    const char *url;            /**< http or https */
    ql_str body;                /**< empty: none */
    const char *const *headers; /**< header_count lines "Name: value", without line breaks */
    size_t header_count;
    uint64_t reserved[2];
} ql_bench_request;

/** A request that has ended. Grows at its end: read what you know. */
typedef struct ql_bench_sample {
    uint32_t struct_size;
    int32_t code;           /**< HTTP status; 0: there was no answer */
    size_t request_index;   /**< which of the requests */
    uint64_t total_ns;      /**< from its beginning to the last byte; a connection that had to be made included */
    uint64_t first_byte_ns; /**< to the first byte of the answer */
    uint64_t connect_ns;    /**< to the end of connecting; 0: the connection was there already */
    uint64_t body_bytes;
    const char *reason;     /**< why there was no answer, else NULL; valid during the call */
} ql_bench_sample;

/** Called in the thread that called ql_bench_http(), between requests: what it does for long is no part of a time, but holds the next ones up. */
typedef void (*ql_bench_sample_fn)(void *user, const ql_bench_sample *sample);

typedef struct ql_bench_http_options {
    uint32_t struct_size;
    uint32_t rounds;            /**< how often each request is sent, 1..1,000,000; 0: 100 */
    uint32_t warmup;            /**< rounds before that, which are not told */
    uint32_t concurrency;       /**< requests under way at a time, 1..1,000; 0: 1 */
    uint32_t timeout_ms;        /**< of one request; 0: 30,000 */
    uint32_t close_connections; /**< non-zero: each request has a connection of its own; 0: they are used again */
    ql_bench_sample_fn sample_fn;        /**< not NULL */
    int (*cancelled_fn)(void *user);     /**< asked some ten times a second; non-zero: QL_E_CANCELLED. May be NULL */
    void *user;
    uint64_t reserved[4];
} ql_bench_http_options;

#define QL_BENCH_HTTP_OPTIONS_INIT {sizeof(ql_bench_http_options), 0, 0, 0, 0, 0, NULL, NULL, NULL, {0, 0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_bench_http_options_init(ql_bench_http_options *options)
{
    const ql_bench_http_options defaults = QL_BENCH_HTTP_OPTIONS_INIT;
    *options = defaults;
}

typedef struct ql_bench_http_report {
    uint32_t struct_size;
    uint32_t reserved32;
    uint64_t elapsed_ns;  /**< of the rounds that were told, from the first beginning to the last end */
    uint64_t connections; /**< made for them */
    uint64_t reserved[4];
} ql_bench_http_report;

#define QL_BENCH_HTTP_REPORT_INIT {sizeof(ql_bench_http_report), 0, 0, 0, {0, 0, 0, 0}}

/**
 * Sends each request `rounds` times, by turns, and tells every one that has ended.
 *
 * Redirects are answers like others: they are not followed. Proxies and certificates are those of libcurl's environment variables. One thread, the caller's;
 * connections are kept open until the end.
 *
 * @param requests  count of them, 1..1,000; borrowed for the call.
 * @param report    optional, written on success.
 * Errors:  QL_E_INVALID (an address that is neither http nor https, a method or header that cannot be sent, no sample_fn), QL_E_LIMIT, QL_E_UNSUPPORTED (libcurl is not
 *          installed), QL_E_CANCELLED, QL_E_NOMEM. A request that fails is none: its sample says so.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_bench_http(const ql_bench_request *requests, size_t count, const ql_bench_http_options *options, ql_bench_http_report *report, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
