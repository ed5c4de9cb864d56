/* The socket that a server of http_server.h listens on. Threads: any. */
#ifndef QL_HTTP_LISTEN_H
#define QL_HTTP_LISTEN_H

#include <qloader/base.h>

typedef struct ql__http_place {
    const char *address; /* numeric IPv4 or IPv6 */
    uint16_t port;       /* 0: a free one */
} ql__http_place;

typedef struct ql__http_listener {
    int fd;        /* does not block, closed by exec */
    uint16_t port;
    bool loopback; /* only this machine reaches it */
} ql__http_listener;

/* QL_E_INVALID no such address, QL_E_BUSY the port is taken, QL_E_AUTH a port that only root may use, QL_E_IO. On failure nothing is open. */
ql_status ql__http_listen(const ql__http_place *place, ql__http_listener *out, ql_error *err);

#endif
