/* Downloading one file over http or https, blocking; libcurl is opened on first use. */
#ifndef QL_HTTP_H
#define QL_HTTP_H

#include <qloader/base.h>

/* Receives the body in pieces; a negative status stops the transfer and is what the download answers. */
typedef ql_status (*ql__http_body_fn)(void *user, ql_str piece, uint64_t total_bytes /* 0: not known */, ql_error *err);

typedef struct ql__http_get {
    const char *url;          /* http:// or https://; anything else is QL_E_INVALID */
    uint64_t limit_bytes;     /* a larger body is QL_E_LIMIT */
    uint32_t connect_ms;      /* 0: 15,000 */
    uint32_t stall_ms;        /* no byte for this long ends it, QL_E_TIMEOUT; 0: 30,000 */
    uint32_t redirects_max;   /* 0: 5; from https only to https */
    ql__http_body_fn body_fn;
    void *user;
} ql__http_get;

/* QL_OK: a 2xx answer whose body was handed over in full. QL_E_NOTFOUND 404, QL_E_AUTH 401 and 403, QL_E_NET otherwise; err->http_code says. */
ql_status ql__http_download(const ql__http_get *get, ql_error *err);

#endif
