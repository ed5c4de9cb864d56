/*
 * Structs that cross the border of the library. Their first member says how large the caller knows them; they grow at the end only, and what
 * an older caller does not know is zero, which means the default.
 */
#ifndef QL_ABI_H
#define QL_ABI_H

#include <qloader/base.h>

/*
 * Copies a caller's struct into ours of `size` bytes. `first`: its size in the release that brought it (offsetof of the first later member).
 * QL_E_INVALID: the caller's is smaller than that. QL_E_UNSUPPORTED: it is larger and what this library does not know is set.
 */
ql_status ql__struct_read(void *to, size_t size, size_t first, const void *from, const char *what, ql_error *err);
/* The other way round: fills a caller's struct from ours, as far as the caller knows it. Its first member is kept. */
ql_status ql__struct_write(void *to, const void *from, size_t size, size_t first, const char *what, ql_error *err);
/* Views that came from outside, by name. */
typedef struct ql__named_str {
    const char *name;
    ql_str text;
} ql__named_str;

/* QL_E_INVALID when one of them says that it has bytes and not where: "filter.project has 9 bytes, but its ptr is NULL". `what` goes before, "" for nothing. */
ql_status ql__strs_check(const ql__named_str *views, size_t count, const char *what, ql_error *err);
#define QL__STRS_CHECK(what, err, ...) \
    ql__strs_check((const ql__named_str[]){__VA_ARGS__}, sizeof((const ql__named_str[]){__VA_ARGS__}) / sizeof(ql__named_str), what, err)

/* QL_E_INVALID when a member that has no meaning yet is set. */
ql_status ql__reserved_check(const uint64_t *reserved, size_t count, const char *what, ql_error *err);

#endif
