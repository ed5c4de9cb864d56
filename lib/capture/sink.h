/*
 * Where an output goes: pieces are gathered and handed to a function of the caller. The first failure is kept and everything after it is nothing, so a
 * writer checks once, at ql__sink_finish. One thread at a time.
 */
#ifndef QL_SINK_H
#define QL_SINK_H

#include "dep/gzip.h"
#include "dep/json.h"
#include <qloader/base.h>

/* Takes `size` bytes; non-zero stops the output, which then answers QL_E_CALLBACK with that value in err. */
typedef int (*ql__sink_write_fn)(void *user, const void *data, size_t size);

typedef struct ql__sink {
    ql__sink_write_fn write_fn;
    void *user;
    ql__gzip *gzip;   /* NULL: as it is */
    ql_buf pending;   /* json writers write here */
    ql_error error;   /* of the first failure, status 0: none */
    uint64_t written; /* bytes so far, before compression */
} ql__sink;

void ql__sink_init(ql__sink *self, ql__sink_write_fn write_fn, void *user);
/* From here on the output is a gzip file. Call before anything is put. */
void ql__sink_gzip(ql__sink *self);
void ql__sink_put(ql__sink *self, ql_str text);
void ql__sink_cstring(ql__sink *self, const char *text);
void ql__sink_printf(ql__sink *self, const char *format, ...) QL_PRINTF(2, 3); /* integers and strings only, as ql_buf_printf */
/* A number with a point whatever the locale: 1234 with 2 digits is 12.34. */
void ql__sink_fixed(ql__sink *self, int64_t value, unsigned digits);
/* Text inside XML: & < > " ' as entities, what XML 1.0 cannot hold as U+FFFD. */
void ql__sink_xml(ql__sink *self, ql_str text);
/* Hands over what is pending if that is much. To be called between two pieces by who writes into `pending` through a json writer. */
void ql__sink_flow(ql__sink *self);
void ql__sink_fail(ql__sink *self, ql_status status, const ql_error *err); /* the output cannot go on */
static inline bool ql__sink_failed(const ql__sink *self)
{
    return self->error.status < 0;
}
/* Hands over the rest, frees, and says how it went. To be called always. */
ql_status ql__sink_finish(ql__sink *self, ql_error *err);

#endif
