/*
 * A small HTTP/1.1 server on libmicrohttpd, which is opened on first use. One thread, started here and joined at the end, does everything: accepts,
 * reads, calls the handler, writes; an answer that takes its time is made on a second one, which lives as long as that. Nothing of a request reaches a handler before it was checked:
 *
 *   method    405 for other than GET and HEAD
 *   target    400 for a path of more than 2 KiB, or what is no path
 *   Host      400 missing (but of HTTP/1.0) or more than one, 421 where it names another place (against DNS rebinding)
 *   Origin    403 where it is not this server's own (against pages that a browser shows)
 *   token     401 where one is set and the request has another
 *
 * Bounds: connections at a time (when the last place is taken, the one that has been silent longest is cut, so that silent ones keep nobody out); 16 KiB of
 * header; idle_ms of silence and request_ms from a connection's first byte of a request to its answer (a late one's to its beginning),
 * after which it is cut. Responses say "Connection: close" where a client spoke HTTP/1.0, and never more of this program than its name.
 */
#ifndef QL_HTTP_SERVER_H
#define QL_HTTP_SERVER_H

#include <stdatomic.h>

#include "sys/file.h"

typedef struct ql__http_server ql__http_server;

typedef struct ql__http_request {
    ql_str method; /* "GET", "HEAD" */
    ql_str path;   /* as sent, without the query */
    ql_str query;  /* "key=value" joined by '&', decoded; those that hold one of the two characters themselves, or are without '=', are left out */
    bool query_cut; /* some were */
    ql_str accept; /* the Accept headers, joined by commas; empty: none */
} ql__http_request;

typedef struct ql__http_answer {
    uint32_t code;            /* 200 when the handler is called */
    const char *content_type; /* static */
    ql_buf body;              /* empty when the handler is called; also of a HEAD, which sends its length only */
    ql_str lasting;           /* instead of a body: what stays as it is until the server has stopped; not copied */
    bool late;                /* instead of all else: late_fn of the options makes the answer. 503 where it makes another one */
} ql__http_answer;

#define QL__HTTP_TEXT "text/plain; charset=utf-8" /* content_type when the handler is called */
#define QL__HTTP_BODY_BYTES_MAX ((size_t)64 << 20)

/* In the server's thread, one at a time. A body that could not be made (its status) becomes a 500. */
typedef void (*ql__http_handler_fn)(void *user, const ql__http_request *request, ql__http_answer *answer);
/* What a late answer looks at meanwhile. */
typedef struct ql__http_watch {
    int enough_fd;           /* readable: the client has gone, or the server stops: it had better end */
    const atomic_bool *gone; /* nobody is there to take the answer */
} ql__http_watch;

/* In a thread of its own, one at a time, while others are answered: may take as long as it wants. ql__http_server_stop() waits for it, and sends what it answers. */
typedef void (*ql__http_late_fn)(void *user, const ql__http_request *request, const ql__http_watch *watch, ql__http_answer *answer);

typedef struct ql__http_server_options {
    const char *address;      /* numeric IPv4 or IPv6 */
    uint16_t port;            /* 0: a free one */
    const char *token;        /* NULL: none; copied, wiped at the end */
    bool own_host_only;       /* the Host header is looked at though a token guards the server */
    uint32_t connections_max; /* 0: 32 */
    uint32_t idle_ms;         /* 0: 5,000; rounded up to seconds */
    uint32_t request_ms;      /* 0: 10,000 */
    ql__http_handler_fn handler_fn;
    ql__http_late_fn late_fn; /* NULL: the handler never asks for it */
    void *user;
} ql__http_server_options;

/* QL_E_INVALID no such address, QL_E_BUSY the port is taken, QL_E_AUTH a port that only root may use, QL_E_UNSUPPORTED no libmicrohttpd, QL_E_NOMEM, QL_E_IO. */
ql_status ql__http_server_start(const ql__http_server_options *options, ql__http_server **out, ql_error *err);
uint16_t ql__http_server_port(const ql__http_server *self);
void ql__http_server_stop(ql__http_server *self); /* NULL is fine */
/* Whether libmicrohttpd can be opened, which this does. */
ql_status ql__http_server_check(ql_error *err);

/* --- what is decided about a request, for tests ---------------------------------------------------------------------------------- */

/* Who may be named by a Host header: any numeric address or name of this list; a trailing port is looked at where it is not `port`. */
typedef struct ql__http_hosts {
    bool any;             /* a token guards the server */
    bool loopback;        /* only localhost and loopback addresses */
    char own_name[256];   /* of the machine, elsewhere than on loopback; empty: not known */
    uint16_t port;
} ql__http_hosts;

/* "127.0.0.1:8001", "[::1]", "localhost". Any bytes. */
bool ql__http_host_allowed(const ql__http_hosts *hosts, ql_str host);
/* Whether an address to listen on is one that only this machine reaches. */
bool ql__http_loopback(const char *address);
/* "http://127.0.0.1:8001"; "null" is foreign. */
bool ql__http_origin_allowed(const ql__http_hosts *hosts, ql_str origin);
/* In a time that does not depend on where they differ. */
bool ql__http_secret_equal(ql_str given, ql_str own);
/* "Bearer <token>", compared so. */
bool ql__http_token_matches(ql_str authorization, ql_str token);

#endif
