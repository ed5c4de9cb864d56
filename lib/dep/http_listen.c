/* See http_listen.h. */
#include "dep/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/status.h"

#define BACKLOG 64

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static ql_status read_address(const ql__http_place *place, address *out, socklen_t *size, bool *loopback, ql_error *err)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, place->address, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(place->port);
        *size = sizeof out->v4;
        *loopback = ntohl(out->v4.sin_addr.s_addr) >> 24 == 127;
        return QL_OK;
    }
    if (inet_pton(AF_INET6, place->address, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(place->port);
        *size = sizeof out->v6;
        *loopback = IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr);
        return QL_OK;
    }
    return ql__fail(err, QL_E_INVALID, "'%.100s' is no IPv4 or IPv6 address", place->address);
}

static ql_status fail_bind(const ql__http_place *place, int os_code, ql_error *err)
{
    ql_status status = QL_E_IO;
    char what[200];
    snprintf(what, sizeof what, "cannot listen on port %u of %.100s", place->port, place->address);
    if (os_code == EADDRINUSE) status = ql__fail(err, QL_E_BUSY, "%s: another program does", what);
    else if (os_code == EACCES) status = ql__fail(err, QL_E_AUTH, "%s: ports below 1024 are for privileged programs", what);
    else if (os_code == EADDRNOTAVAIL) status = ql__fail(err, QL_E_INVALID, "%s: no network interface has this address", what);
    else return ql__fail_errno(err, os_code, "%s", what);
    if (err != NULL) err->os_code = os_code;
    return status;
}

ql_status ql__http_listen(const ql__http_place *place, ql__http_listener *out, ql_error *err)
{
    address where, bound;
    socklen_t size = 0, bound_size = sizeof bound;
    const int on = 1;
    *out = (ql__http_listener){.fd = -1};
    QL_TRY(read_address(place, &where, &size, &out->loopback, err));
    out->fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out->fd < 0) return fail_bind(place, errno, err);
    (void)setsockopt(out->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (where.any.sa_family == AF_INET6) (void)setsockopt(out->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    bool good = bind(out->fd, &where.any, size) == 0 && listen(out->fd, BACKLOG) == 0 && getsockname(out->fd, &bound.any, &bound_size) == 0;
    if (good) {
        out->port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
        return QL_OK;
    }
    int os_code = errno;
    (void)close(out->fd);
    out->fd = -1;
    return fail_bind(place, os_code, err);
}
