/*
 * Reading archives (zip, wheel, tar in any compression) entry by entry; libarchive is opened on first use. One thread at a time.
 * What comes out is bounded by the caller: a read hands over at most what was asked for, and *_size is what the archive claims.
 */
#ifndef QL_ARCHIVE_H
#define QL_ARCHIVE_H

#include <qloader/base.h>

typedef struct ql__archive ql__archive;

/* QL_E_FORMAT: not an archive. */
ql_status ql__archive_open(const char *path, ql__archive **out, ql_error *err);
void ql__archive_close(ql__archive *self);
/* Next regular file; *name is borrowed until the next call, *size 0 when not known. QL_DONE at the end. */
ql_status ql__archive_next(ql__archive *self, ql_str *name, uint64_t *size, ql_error *err);
/* Next bytes of the current entry; *got 0 at its end. */
ql_status ql__archive_read(ql__archive *self, void *buf, size_t capacity, size_t *got, ql_error *err);
/* Whether libarchive can be opened, which this does; QL_E_UNSUPPORTED says what is missing. */
ql_status ql__archive_check(ql_error *err);

#endif
