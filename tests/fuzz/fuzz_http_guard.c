/*
 * Foreign headers and labels. The first line is a header's value, the rest a label's value. Holds: what a loopback server takes as host, every server takes; an
 * origin that is taken names a host that is taken; a token matches itself alone; a preferred format is one of two; whatever a label holds, what is
 * written of it is one line that ends where it should.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dep/http_server.h"
#include "prof/metric_cells.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header(ql_str value)
{
    const ql__http_hosts loopback = {.loopback = true, .own_name = "box", .port = 8001}, elsewhere = {.own_name = "box", .port = 8001}, any = {.any = true, .port = 8001};
    bool inside = ql__http_host_allowed(&loopback, value), outside = ql__http_host_allowed(&elsewhere, value);
    if ((inside && !outside) || (outside && !ql__http_host_allowed(&any, value))) abort();
    if (ql__http_origin_allowed(&loopback, value) && !ql__http_host_allowed(&loopback, (ql_str){value.ptr + 7, value.len - 7})) abort();
    ql_metrics_format format = ql__metrics_negotiate(value);
    if (format != QL_METRICS_TEXT && format != QL_METRICS_OPENMETRICS) abort();
    char sent[520] = "Bearer ";
    if (value.len > 500) return;
    if (value.len > 0) memcpy(sent + 7, value.ptr, value.len);
    bool blank = value.len > 0 && value.ptr[0] == ' '; /* blanks before a token are no part of it */
    if (!blank && !ql__http_token_matches((ql_str){sent, value.len + 7}, value)) abort();
    if (ql__http_token_matches((ql_str){sent, value.len + 7}, QL_STR("another token"))) return;
    if (value.len == 13 && memcmp(value.ptr, "another token", 13) == 0) abort();
}

static void label(ql_str value)
{
    ql_buf out = QL_BUF_INIT;
    ql__metric_label_put(&out, QL_STR("k"), value);
    if (out.status < 0 || out.len < 4 || memcmp(out.ptr, "k=\"", 3) != 0 || out.ptr[out.len - 1] != '"') abort();
    for (size_t i = 3; i < out.len - 1; i++) {
        if (out.ptr[i] == '\n' || out.ptr[i] == '\0' || out.ptr[i] == '"') abort();
        if (out.ptr[i] == '\\') i++; /* what is escaped stands for itself */
        if (i >= out.len - 1) abort();
    }
    ql_buf_dispose(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    ql_str first = {(const char *)data, end != NULL ? (size_t)(end - data) : size};
    header(first);
    label((ql_str){(const char *)data + first.len, size - first.len});
    return 0;
}
