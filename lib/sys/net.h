/*
 * The network behind a table, at the level of one request, so that tests can fail each in turn. A runtime without a table of its own
 * uses libcurl (lib/dep/http.h, which code calls instead of this). git goes through libgit2's transports, which have no such
 * seam; they are tested against servers that misbehave.
 */
#ifndef QL_NET_H
#define QL_NET_H

#include <qloader/base.h>

/* Receives the body in pieces; a negative status stops the transfer and is what the request answers. */
typedef ql_status (*ql__net_body_fn)(void *user, ql_str piece, uint64_t total_bytes /* 0: not known */, ql_error *err);

/* One GET over http or https. */
typedef struct ql__net_get {
    const char *url;          /* http:// or https://; anything else is QL_E_INVALID */
    uint64_t limit_bytes;     /* a larger body is QL_E_LIMIT */
    uint32_t connect_ms;      /* 0: 15,000 */
    uint32_t stall_ms;        /* no byte for this long ends it, QL_E_TIMEOUT; 0: 30,000 */
    uint32_t redirects_max;   /* 0: 5; from https only to https */
    ql__net_body_fn body_fn;
    int (*cancelled_fn)(void *user); /* asked about once a second, also while nothing arrives; non-zero: QL_E_CANCELLED. May be NULL */
    void *user;
} ql__net_get;

typedef struct ql__net_ops {
    /* One try. QL_OK: a 2xx answer whose body was handed over in full. Failures: see ql__http_download; err->http_code and retry_after_ms are set. */
    ql_status (*get_fn)(void *user, const ql__net_get *get, ql_error *err);
    void *user;
} ql__net_ops;

#endif
