/*
 * Growable bytes with a cap.
 *
 * Invariants: ptr is NULL, or capacity > len and ptr[len] == 0; len <= limit. A failed buffer holds no memory, so that a
 * forgotten check never sees half a text. Threads: one at a time. Cost: amortised O(1) per byte by doubling.
 */
#include <qloader/base.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

#define BUF_BYTES_MIN 64

static size_t limit_of(const ql_buf *self)
{
    return self->limit_bytes ? self->limit_bytes : QL_LIMIT_BUF_BYTES;
}

static ql_status buf_fail(ql_buf *self, ql_status status)
{
    ql_buf_dispose(self);
    self->status = status;
    return status;
}

void ql_buf_init(ql_buf *self, size_t limit_bytes)
{
    *self = QL_BUF_INIT;
    self->limit_bytes = limit_bytes;
}

void ql_buf_dispose(ql_buf *self)
{
    ql__free(self->ptr);
    ql_buf_init(self, self->limit_bytes);
}

void ql_buf_clear(ql_buf *self)
{
    self->len = 0;
    self->status = QL_OK;
    if (self->ptr) self->ptr[0] = '\0';
}

ql_status ql_buf_reserve(ql_buf *self, size_t extra)
{
    if (self->status < 0) return self->status;
    if (self->len > limit_of(self) || extra > limit_of(self) - self->len) return buf_fail(self, QL_E_LIMIT);
    size_t need;
    if (!ql__size_add(self->len + extra, 1, &need)) return buf_fail(self, QL_E_LIMIT);
    if (need <= self->capacity) return QL_OK;
    size_t wanted = self->capacity < BUF_BYTES_MIN ? BUF_BYTES_MIN : self->capacity;
    while (wanted < need) wanted = wanted > SIZE_MAX / 2 ? need : wanted * 2;
    char *grown = ql__realloc(self->ptr, wanted);
    if (!grown) return buf_fail(self, QL_E_NOMEM);
    self->ptr = grown;
    self->capacity = wanted;
    self->ptr[self->len] = '\0';
    return QL_OK;
}

ql_status ql_buf_append(ql_buf *self, ql_str bytes)
{
    if (bytes.ptr == NULL && bytes.len > 0 && self->status >= 0) return buf_fail(self, QL_E_INVALID);
    /* A view of the buffer itself would dangle when the memory moves. */
    uintptr_t base = (uintptr_t)self->ptr;
    bool own = self->ptr && bytes.len && (uintptr_t)bytes.ptr >= base && (uintptr_t)bytes.ptr < base + self->capacity;
    size_t own_offset = own ? (size_t)((uintptr_t)bytes.ptr - base) : 0;
    ql_status status = ql_buf_reserve(self, bytes.len);
    if (status < 0 || bytes.len == 0) return status;
    memmove(self->ptr + self->len, own ? self->ptr + own_offset : bytes.ptr, bytes.len);
    self->len += bytes.len;
    self->ptr[self->len] = '\0';
    return QL_OK;
}

ql_status ql_buf_append_char(ql_buf *self, char byte)
{
    if (self->status >= 0 && self->len + 1 < self->capacity && self->len < limit_of(self)) {
        self->ptr[self->len++] = byte;
        self->ptr[self->len] = '\0';
        return QL_OK;
    }
    return ql_buf_append(self, (ql_str){&byte, 1});
}

ql_status ql_buf_printf(ql_buf *self, const char *format, ...)
{
    if (self->status < 0) return self->status;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0) return buf_fail(self, QL_E_INVALID);
    ql_status status = ql_buf_reserve(self, (size_t)size);
    if (status < 0) return status;
    va_start(args, format);
    (void)vsnprintf(self->ptr + self->len, (size_t)size + 1, format, args);
    va_end(args);
    self->len += (size_t)size;
    return QL_OK;
}

const char *ql_buf_cstr(const ql_buf *self)
{
    return self->ptr ? self->ptr : "";
}

ql_str ql_buf_str(const ql_buf *self)
{
    return (ql_str){ql_buf_cstr(self), self->len};
}
