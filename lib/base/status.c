/*
 * Status names and the filling of ql_error.
 *
 * Invariants: a message is one line of at most sizeof message - 1 bytes, control characters replaced, never cut inside a
 * UTF-8 sequence. Nothing here allocates, so that running out of memory can be reported. Threads: pure functions.
 */
#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *ql_status_name(ql_status status)
{
    switch (ql_status_kind(status)) {
    case QL_OK: return "ok";
    case QL_DONE: return "done";
#define STATUS_CASE(name, number, text) \
    case -(number): return text;
        QL_STATUS_KINDS(STATUS_CASE)
#undef STATUS_CASE
    default: return "unknown status";
    }
}

/* Drops a sequence that the end of the buffer cut; bytes that were no UTF-8 to begin with stay. */
static void trim_cut_sequence(char *text, size_t len)
{
    size_t tail = 0;
    while (tail < 3 && tail < len && ((unsigned char)text[len - 1 - tail] & 0xc0) == 0x80) tail++;
    if (tail == len) return;
    unsigned char lead = (unsigned char)text[len - 1 - tail];
    size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (need > tail) text[len - 1 - tail] = '\0';
}

/* The caller's arguments may point into err->message, so the new text is made beside it. `tail` follows the formatted part. */
static QL_PRINTF(3, 0) void message_format(ql_error *err, const char *tail, const char *format, va_list args)
{
    char text[sizeof err->message];
    int head = vsnprintf(text, sizeof text, format, args);
    if (head < 0) head = 0;
    size_t len = (size_t)head < sizeof text ? (size_t)head : sizeof text - 1;
    text[len] = '\0';
    size_t wanted = (size_t)head;
    if (tail) {
        int added = snprintf(text + len, sizeof text - len, ": %s", tail);
        wanted += added < 0 ? 0 : (size_t)added;
        len = strlen(text);
    }
    if (wanted > len) trim_cut_sequence(text, len);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
    }
    memcpy(err->message, text, strlen(text) + 1);
}

static void error_clear(ql_error *err, ql_status status, int os_code)
{
    err->status = status;
    err->os_code = os_code;
    err->http_code = 0;
    err->callback_value = 0;
    err->retry_after_ms = 0;
    memset(err->reserved, 0, sizeof err->reserved);
}

ql_status ql__fail(ql_error *err, ql_status status, const char *format, ...)
{
    if (!err) return status;
    error_clear(err, status, 0);
    va_list args;
    va_start(args, format);
    message_format(err, NULL, format, args);
    va_end(args);
    return status;
}

static ql_status status_of_errno(int os_code)
{
    switch (os_code) {
    case ENOSPC:
    case EDQUOT: return QL_E_NOSPACE;
    case ENOENT: return QL_E_NOTFOUND;
    case EEXIST: return QL_E_EXISTS;
    case ENOMEM: return QL_E_NOMEM;
    default: return QL_E_IO;
    }
}

/* Untranslated where the C library can, since messages do not follow the locale. */
static const char *errno_text(int os_code, char *buf, size_t size)
{
#ifdef __GLIBC__
    (void)buf;
    (void)size;
    const char *text = strerrordesc_np(os_code);
    return text ? text : "unknown error";
#else
    return strerror_r(os_code, buf, size) == 0 ? buf : "unknown error";
#endif
}

ql_status ql__fail_errno(ql_error *err, int os_code, const char *format, ...)
{
    ql_status status = status_of_errno(os_code);
    if (!err) return status;
    error_clear(err, status, os_code);
    char scratch[128];
    va_list args;
    va_start(args, format);
    message_format(err, errno_text(os_code, scratch, sizeof scratch), format, args);
    va_end(args);
    return status;
}

ql_status ql__fail_nomem(ql_error *err)
{
    return ql__fail(err, QL_E_NOMEM, "out of memory");
}

ql_status ql__fail_status(ql_error *err, ql_status status)
{
    return status < 0 && err && err->status != status ? ql__fail(err, status, "%s", ql_status_name(status)) : status;
}

ql_status ql__callback_status(ql_status answer, ql_error *detail, ql_error *err)
{
    if (answer == QL_OK) return QL_OK;
    if (answer > 0) return ql__fail(err, QL_E_INVALID, "answered %d: QL_OK is 0, and a failure is a negative status of base.h", (int)answer);
    bool known = ql_status_kind(answer) <= QL_E_INVALID && ql_status_kind(answer) >= QL_E_INTERNAL;
    if (!known) return ql__fail(err, QL_E_INVALID, "answered with the unknown status %d", (int)answer);
    detail->status = answer;
    detail->message[sizeof detail->message - 1] = '\0';
    if (err == NULL) return answer;
    *err = *detail;
    /* Through the format again, which leaves one line. */
    return ql__fail(err, answer, "%s", detail->message[0] != '\0' ? detail->message : ql_status_name(answer));
}

void ql__error_prefix(ql_error *err, const char *format, ...)
{
    if (!err) return;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    old[sizeof old - 1] = '\0';
    va_list args;
    va_start(args, format);
    message_format(err, old, format, args);
    va_end(args);
}
