/* Downloading one file over http or https, blocking, with retries; libcurl is opened on first use. */
#ifndef QL_HTTP_H
#define QL_HTTP_H

#include "sys/file.h"

/* The real network: one try by libcurl. */
extern const ql__net_ops ql__http_net;

/*
 * Downloads by the table of `sys`. Up to three tries with pauses of 0.5 and 1 s, or what the server asks for up to 30 s, while nothing of the body
 * was handed over and the failure may pass (no connection, silence, 408, 429, 5xx).
 * QL_OK: a 2xx answer whose body was handed over in full. QL_E_NOTFOUND 404 and 410, QL_E_AUTH 401 and 403, QL_E_TIMEOUT silence, QL_E_CANCELLED,
 * QL_E_LIMIT, QL_E_INVALID no http address, QL_E_NET otherwise; err->http_code says what the server answered, err->retry_after_ms what it asked for.
 */
ql_status ql__http_download(const ql__sys *sys, const ql__net_get *get, ql_error *err);
/* Whether libcurl can be opened, which this does; QL_E_UNSUPPORTED says what is missing. */
ql_status ql__http_check(ql_error *err);

#endif
