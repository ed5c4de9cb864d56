/* Views of bytes: comparison and the way in from C strings. Threads: pure functions. */
#include <qloader/base.h>

#include <string.h>

ql_str ql_str_of(const char *text)
{
    return (ql_str){text, text ? strlen(text) : 0};
}

bool ql_str_equal(ql_str a, ql_str b)
{
    /* memcmp may not see NULL, which an empty view may hold. */
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

int ql_str_compare(ql_str a, ql_str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}
