/* See abi.h. No state; any thread. */
#include "base/abi.h"

#include <string.h>

#include "base/status.h"

#define STRUCT_BYTES_MAX 4096 /* more is what an uninitialised struct says */

/* Options, reports and views begin from a macro; tables of functions, items and the like have none. */
static bool has_macro(const char *what)
{
    static const char *const ends[] = {"_options", "_report", "view"};
    size_t len = strlen(what);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (len >= strlen(ends[i]) && strcmp(what + len - strlen(ends[i]), ends[i]) == 0) return true;
    return false;
}

static ql_status read_size(const void *from, size_t first, const char *what, size_t *out, ql_error *err)
{
    uint32_t size;
    memcpy(&size, from, sizeof size);
    if (size < first || size > STRUCT_BYTES_MAX)
        return ql__fail(err, QL_E_INVALID, "%s.struct_size is %u, not %zu: %s", what, size, first, has_macro(what) ? "start from its INIT macro or init function" : "set it to sizeof the struct");
    *out = size;
    return QL_OK;
}

ql_status ql__struct_read(void *to, size_t size, size_t first, const void *from, const char *what, ql_error *err)
{
    size_t given = 0;
    QL_TRY(read_size(from, first, what, &given, err));
    const unsigned char *bytes = from;
    for (size_t i = size; i < given; i++)
        if (bytes[i] != 0) return ql__fail(err, QL_E_UNSUPPORTED, "%s: a member is set that this library, %s, does not know", what, ql_version());
    memset(to, 0, size);
    memcpy(to, from, given < size ? given : size);
    uint32_t own = (uint32_t)size;
    memcpy(to, &own, sizeof own);
    return QL_OK;
}

ql_status ql__struct_write(void *to, const void *from, size_t size, size_t first, const char *what, ql_error *err)
{
    size_t given = 0;
    QL_TRY(read_size(to, first, what, &given, err));
    memcpy((char *)to + sizeof(uint32_t), (const char *)from + sizeof(uint32_t), (given < size ? given : size) - sizeof(uint32_t));
    return QL_OK;
}

ql_status ql__strs_check(const ql__named_str *views, size_t count, const char *what, ql_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (views[i].text.ptr == NULL && views[i].text.len > 0)
            return ql__fail(err, QL_E_INVALID, "%s%s%s has %zu bytes, but its ptr is NULL", what, what[0] != '\0' ? "." : "", views[i].name, views[i].text.len);
    return QL_OK;
}

ql_status ql__reserved_check(const uint64_t *reserved, size_t count, const char *what, ql_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (reserved[i] != 0) return ql__fail(err, QL_E_INVALID, "%s.reserved is not zero", what);
    return QL_OK;
}
