/* Who may ask: the decisions of http_server.h that need no connection. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dep/http_server.h"

#define HOST_BYTES_MAX 300 /* a name of 255, brackets, a port */

static bool same_name(const char *a, const char *b)
{
    return b[0] != '\0' && strcasecmp(a, b) == 0;
}

bool ql__http_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (same_name(address, "localhost")) return true;
    if (inet_pton(AF_INET, address, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool is_numeric(const char *name)
{
    struct in_addr v4;
    struct in6_addr v6;
    return inet_pton(AF_INET, name, &v4) == 1 || inet_pton(AF_INET6, name, &v6) == 1;
}

/* Cuts a port off; false where what follows the name is none. *port 0: none was given. */
static bool split_port(char *host, char **name, unsigned long *port)
{
    char *colon = NULL;
    *name = host;
    *port = 0;
    if (host[0] == '[') {
        char *end = strchr(host, ']');
        if (end == NULL) return false;
        *end = '\0';
        *name = host + 1;
        if (end[1] == '\0') return true;
        colon = end + 1;
    } else {
        colon = strchr(host, ':');
    }
    if (colon == NULL) return true;
    if (*colon != ':' || strspn(colon + 1, "0123456789") != strlen(colon + 1) || colon[1] == '\0' || strlen(colon + 1) > 5) return false;
    *port = strtoul(colon + 1, NULL, 10);
    *colon = '\0';
    return *port > 0 && *port <= 65535;
}

bool ql__http_host_allowed(const ql__http_hosts *hosts, ql_str host)
{
    char copy[HOST_BYTES_MAX + 1], *name = NULL;
    unsigned long port = 0;
    if (host.len == 0 || host.len > HOST_BYTES_MAX || memchr(host.ptr, '\0', host.len) != NULL) return false;
    memcpy(copy, host.ptr, host.len);
    copy[host.len] = '\0';
    if (!split_port(copy, &name, &port)) return false;
    if (hosts->any) return true;
    if (hosts->loopback) return ql__http_loopback(name); /* whatever port: it may be forwarded */
    return is_numeric(name) || same_name(name, "localhost") || same_name(name, hosts->own_name);
}

bool ql__http_origin_allowed(const ql__http_hosts *hosts, ql_str origin)
{
    char copy[HOST_BYTES_MAX + 1], *name = NULL;
    unsigned long port = 0;
    if (origin.len < 8 || origin.len > HOST_BYTES_MAX + 7 || strncasecmp(origin.ptr, "http://", 7) != 0) return false;
    ql_str host = {origin.ptr + 7, origin.len - 7};
    if (memchr(host.ptr, '\0', host.len) != NULL) return false;
    memcpy(copy, host.ptr, host.len);
    copy[host.len] = '\0';
    if (!split_port(copy, &name, &port) || (port == 0 ? 80 : port) != hosts->port) return false; /* another port is another program */
    return hosts->loopback ? ql__http_loopback(name) : is_numeric(name) || same_name(name, hosts->own_name);
}

bool ql__http_secret_equal(ql_str given, ql_str own)
{
    unsigned difference = 0;
    if (given.len != own.len) return false; /* its length is no secret worth keeping */
    for (size_t i = 0; i < own.len; i++) difference |= (unsigned char)given.ptr[i] ^ (unsigned char)own.ptr[i];
    return difference == 0;
}

bool ql__http_token_matches(ql_str authorization, ql_str token)
{
    if (authorization.len < 7 || strncasecmp(authorization.ptr, "Bearer ", 7) != 0) return false;
    ql_str given = {authorization.ptr + 7, authorization.len - 7};
    while (given.len > 0 && given.ptr[0] == ' ') given = (ql_str){given.ptr + 1, given.len - 1};
    return ql__http_secret_equal(given, token);
}
