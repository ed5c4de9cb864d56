/*
 * Writing gzip (RFC 1952) piece by piece. zlib is opened on first use; its memory is the library's (base/alloc.h). One thread at a time.
 */
#ifndef QL_GZIP_H
#define QL_GZIP_H

#include <qloader/base.h>

typedef struct ql__gzip ql__gzip;

/* Takes what is compressed; non-zero stops, and the call that wrote answers QL_E_CALLBACK with that value. */
typedef int (*ql__gzip_write_fn)(void *user, const void *data, size_t size);

/* QL_E_NOMEM, QL_E_UNSUPPORTED without zlib. */
ql_status ql__gzip_new(ql__gzip_write_fn write_fn, void *user, ql__gzip **out, ql_error *err);
ql_status ql__gzip_put(ql__gzip *self, const void *data, size_t size, ql_error *err);
/* The end of the file; nothing may follow but the free. */
ql_status ql__gzip_finish(ql__gzip *self, ql_error *err);
void ql__gzip_free(ql__gzip *self); /* NULL is fine */

#endif
