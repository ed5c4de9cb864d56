/* See live_answer.h. What a process tells of its failure is text of a stranger: what would steer a terminal is left out. */
#include "capture/live_answer.h"

#include "base/status.h"
#include "prof/live_page.h"

#define TEXT_BYTES 200

static ql_status failed_with(ql_str told, ql_error *err)
{
    static const ql_status kinds[] = {QL_E_INVALID, QL_E_NOMEM, QL_E_IO, QL_E_UNSUPPORTED, QL_E_BUSY, QL_E_LIMIT, QL_E_AUTH};
    char text[TEXT_BYTES + 1];
    size_t used = 0;
    for (size_t i = 1; i < told.len && used < TEXT_BYTES; i++) text[used++] = told.ptr[i] >= ' ' && told.ptr[i] != 0x7f ? told.ptr[i] : '?';
    text[used] = '\0';
    for (size_t i = 0; used > 0 && i < sizeof kinds / sizeof *kinds; i++)
        if (-(int)kinds[i] == (unsigned char)told.ptr[0]) return ql__fail(err, kinds[i], "%s", text);
    return ql__fail(err, QL_E_FORMAT, "the process answers in a way that is not known");
}

ql_status ql__live_answer_read(ql_str message, ql_str *data, ql_error *err)
{
    ql_str rest = {message.ptr + 1, message.len - 1};
    *data = (ql_str){NULL, 0};
    if (message.len != 0 && message.ptr[0] == QL__LIVE_END) return QL_DONE;
    if (message.len != 0 && message.ptr[0] == QL__LIVE_FAILED) return failed_with(rest, err);
    if (message.len == 0 || message.ptr[0] != QL__LIVE_DATA) return ql__fail(err, QL_E_FORMAT, "the process answers in a way that is not known");
    *data = rest;
    return QL_OK;
}
