/*
 * Gathering output. Invariant: after a failure `pending` is empty and nothing is handed over any more. Threads: one. Cost: a copy.
 */
#include "capture/sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "text/utf8.h"

#define PENDING_BYTES ((size_t)64 << 10)
#define LINE_BYTES_MAX ((size_t)64 << 20) /* one value between two ql__sink_flow: a text of the capture is at most 64 KiB */

void ql__sink_init(ql__sink *self, ql__sink_write_fn write_fn, void *user)
{
    *self = (ql__sink){.write_fn = write_fn, .user = user};
    ql_buf_init(&self->pending, LINE_BYTES_MAX);
}

void ql__sink_fail(ql__sink *self, ql_status status, const ql_error *err)
{
    if (ql__sink_failed(self)) return;
    if (err != NULL) self->error = *err;
    self->error.status = status;
    ql_buf_clear(&self->pending);
}

void ql__sink_gzip(ql__sink *self)
{
    ql_error err = {0};
    ql_status status = ql__gzip_new(self->write_fn, self->user, &self->gzip, &err);
    if (status < 0) ql__sink_fail(self, status, &err);
}

/* What is pending goes out. */
static void hand_over(ql__sink *self)
{
    ql_error err = {0};
    if (self->pending.status < 0) {
        ql_status status = ql__fail_status(&err, self->pending.status);
        ql__sink_fail(self, status, &err);
    }
    if (!ql__sink_failed(self) && self->pending.len > 0) {
        ql_status status = QL_OK;
        self->written += self->pending.len;
        if (self->gzip != NULL) status = ql__gzip_put(self->gzip, self->pending.ptr, self->pending.len, &err);
        else {
            int answer = self->write_fn(self->user, self->pending.ptr, self->pending.len);
            if (answer != 0) {
                status = ql__fail(&err, QL_E_CALLBACK, "what takes the output stopped it");
                err.callback_value = answer;
            }
        }
        if (status < 0) ql__sink_fail(self, status, &err);
    }
    ql_buf_clear(&self->pending);
}

void ql__sink_flow(ql__sink *self)
{
    if (self->pending.len >= PENDING_BYTES || self->pending.status < 0 || ql__sink_failed(self)) hand_over(self);
}

void ql__sink_put(ql__sink *self, ql_str text)
{
    if (ql__sink_failed(self)) return;
    (void)ql_buf_append(&self->pending, text);
    ql__sink_flow(self);
}

void ql__sink_cstring(ql__sink *self, const char *text)
{
    ql__sink_put(self, ql_str_of(text));
}

void ql__sink_printf(ql__sink *self, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) {
        ql_error err = {0};
        ql_status status = ql__fail(&err, QL_E_INTERNAL, "a piece of the output is longer than was thought");
        ql__sink_fail(self, status, &err);
        return;
    }
    ql__sink_put(self, (ql_str){text, (size_t)length});
}

void ql__sink_fixed(ql__sink *self, int64_t value, unsigned digits)
{
    uint64_t whole = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, unit = 1;
    for (unsigned i = 0; i < digits; i++) unit *= 10;
    ql__sink_printf(self, "%s%llu", value < 0 ? "-" : "", (unsigned long long)(whole / unit));
    if (digits > 0) ql__sink_printf(self, ".%0*llu", (int)digits, (unsigned long long)(whole % unit));
}

static const char *entity_of(uint32_t code)
{
    switch (code) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Char of XML 1.0; a line break in an attribute would become a blank, so it is none either. */
static bool xml_can_hold(uint32_t code)
{
    return code >= 0x20 && code != 0x7f && !(code >= 0x80 && code < 0xa0) && code != 0xfffe && code != 0xffff;
}

void ql__sink_xml(ql__sink *self, ql_str text)
{
    for (size_t at = 0; at < text.len && !ql__sink_failed(self);) {
        uint32_t code;
        char bytes[4];
        at += ql__utf8_next(text, at, &code);
        const char *entity = entity_of(code);
        if (entity != NULL) ql__sink_cstring(self, entity);
        else ql__sink_put(self, (ql_str){bytes, ql__utf8_put(xml_can_hold(code) ? code : 0xfffd, bytes)});
    }
}

ql_status ql__sink_finish(ql__sink *self, ql_error *err)
{
    hand_over(self);
    if (!ql__sink_failed(self) && self->gzip != NULL) {
        ql_error detail = {0};
        ql_status status = ql__gzip_finish(self->gzip, &detail);
        if (status < 0) ql__sink_fail(self, status, &detail);
    }
    ql__gzip_free(self->gzip);
    self->gzip = NULL;
    ql_buf_dispose(&self->pending);
    if (!ql__sink_failed(self)) return QL_OK;
    if (err != NULL) *err = self->error;
    return self->error.status;
}
