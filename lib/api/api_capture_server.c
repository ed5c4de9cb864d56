/*
 * A capture as a page over HTTP on loopback. The page is made once, at the start; its place has 128 random bits in its path, since other users of the
 * machine reach loopback too, and a capture is its owner's alone. Threads: the server's reads what does not change any more.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/digest.h"
#include "dep/http_server.h"
#include <qloader/capture.h>

#define PAGE_BYTES_MAX ((size_t)2 << 30) /* a capture is at most 8 GiB and packs to a fraction; a browser takes no more */
#define SECRET_BYTES 16

struct ql_capture_server {
    ql__http_server *http;
    ql_buf page;
    char path[2 * SECRET_BYTES + 3]; /* "/<hex>/" */
    char url[sizeof "http://127.0.0.1:65535" + 2 * SECRET_BYTES + 3];
};

static int keep(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

static ql_status make_page(ql_capture_server *self, const ql_capture *capture, const ql_capture *before, ql_error *err)
{
    ql_buf_init(&self->page, PAGE_BYTES_MAX);
    ql_status status = before != NULL ? ql_capture_diff(before, capture, QL_CAPTURE_HTML, NULL, keep, &self->page, err)
                                      : ql_capture_write(capture, QL_CAPTURE_HTML, NULL, keep, &self->page, err);
    if (self->page.status == QL_E_NOMEM) return ql__fail_nomem(err);
    return self->page.status < 0 ? ql__fail(err, QL_E_LIMIT, "the page would have more than %zu MiB", PAGE_BYTES_MAX >> 20) : status;
}

static ql_status make_path(ql_capture_server *self, ql_error *err)
{
    uint8_t secret[SECRET_BYTES];
    ssize_t got;
    do got = getrandom(secret, sizeof secret, 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof secret) return ql__fail(err, QL_E_IO, "the system gives no random bytes");
    self->path[0] = '/';
    ql__hex(secret, sizeof secret, self->path + 1);
    memcpy(self->path + 1 + 2 * sizeof secret, "/", 2);
    return QL_OK;
}

static void on_request(void *user, const ql__http_request *request, ql__http_answer *answer)
{
    const ql_capture_server *self = user;
    if (ql__http_secret_equal(request->path, ql_str_of(self->path))) {
        answer->content_type = "text/html; charset=utf-8";
        answer->lasting = ql_buf_str(&self->page);
    } else answer->code = 404;
}

ql_status ql_capture_server_start(const ql_capture *capture, const ql_capture *before, uint32_t port, ql_capture_server **out, ql_error *err)
{
    if (capture == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", capture == NULL ? "capture" : "out");
    if (port > UINT16_MAX) return ql__fail(err, QL_E_INVALID, "port %u is above %u", port, UINT16_MAX);
    ql_capture_server *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    ql_status status = make_page(self, capture, before, err);
    if (status >= 0) status = make_path(self, err);
    const ql__http_server_options http = {.address = "127.0.0.1", .port = (uint16_t)port, .handler_fn = on_request, .user = self};
    if (status >= 0) status = ql__http_server_start(&http, &self->http, err);
    if (status < 0) {
        ql_capture_server_stop(self);
        return status;
    }
    (void)snprintf(self->url, sizeof self->url, "http://127.0.0.1:%u%s", ql__http_server_port(self->http), self->path);
    *out = self;
    return QL_OK;
}

const char *ql_capture_server_url(const ql_capture_server *self)
{
    return self != NULL ? self->url : "";
}

void ql_capture_server_stop(ql_capture_server *self)
{
    if (self == NULL) return;
    ql__http_server_stop(self->http);
    ql_buf_dispose(&self->page);
    ql__free(self);
}
