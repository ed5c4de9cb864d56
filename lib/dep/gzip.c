/*
 * gzip through zlib's deflate, opened on first use as every library that few runs need. The header has no time and no name, so that the same content
 * makes the same file. Threads: one at a time per writer. Cost: zlib's, level 6; some 256 KiB of memory.
 */
#include "dep/gzip.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/dynlib.h"
#include "dep/zlib_header.h"

#define ZLIB_SONAME "libz.so.1"
#define OUT_BYTES ((size_t)64 << 10)
#define WINDOW_GZIP (15 + 16) /* the largest window, with gzip's header instead of zlib's */
#define IN_BYTES_MAX ((size_t)1 << 30) /* zlib counts in 32 bits */

typedef struct zlib_functions {
    __typeof__(&deflateInit2_) init;
    __typeof__(&deflate) run;
    __typeof__(&deflateEnd) end;
} zlib_functions;

struct ql__gzip {
    zlib_functions zlib;
    z_stream stream;
    bool begun;
    ql__gzip_write_fn write_fn;
    void *user;
    unsigned char out[OUT_BYTES];
};

static voidpf memory_take(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return ql__alloc_zero(count, size);
}

static void memory_give(voidpf opaque, voidpf ptr)
{
    (void)opaque;
    ql__free(ptr);
}

static ql_status load_functions(zlib_functions *out, ql_error *err)
{
    static const char *const names[] = {"deflateInit2_", "deflate", "deflateEnd"};
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof *out == sizeof found, "one pointer per name");
    QL_TRY(ql__dynlib_load(ZLIB_SONAME, names, sizeof names / sizeof *names, found, err));
    memcpy(out, found, sizeof found);
    return QL_OK;
}

ql_status ql__gzip_new(ql__gzip_write_fn write_fn, void *user, ql__gzip **out, ql_error *err)
{
    ql__gzip *self = ql__alloc(sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    memset(&self->stream, 0, sizeof self->stream);
    self->write_fn = write_fn;
    self->user = user;
    self->begun = false;
    ql_status status = load_functions(&self->zlib, err);
    if (status >= 0) {
        self->stream.zalloc = memory_take;
        self->stream.zfree = memory_give;
        int code = self->zlib.init(&self->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, (int)sizeof(z_stream));
        self->begun = code == Z_OK;
        if (code == Z_MEM_ERROR) status = ql__fail_nomem(err);
        else if (code != Z_OK) status = ql__fail(err, QL_E_UNSUPPORTED, "zlib refuses to compress (%d): it is another version than the one this was built for", code);
    }
    if (status < 0) {
        ql__gzip_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

/* Runs deflate until it asks for no more room. */
static ql_status run(ql__gzip *self, int flush, ql_error *err)
{
    for (;;) {
        self->stream.next_out = self->out;
        self->stream.avail_out = OUT_BYTES;
        int code = self->zlib.run(&self->stream, flush);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return ql__fail(err, QL_E_INTERNAL, "zlib failed to compress (%d)", code);
        size_t size = OUT_BYTES - self->stream.avail_out;
        int answer = size > 0 ? self->write_fn(self->user, self->out, size) : 0;
        if (answer != 0) {
            ql_status stopped = ql__fail(err, QL_E_CALLBACK, "what takes the output stopped it");
            if (err != NULL) err->callback_value = answer;
            return stopped;
        }
        if (self->stream.avail_out > 0) return QL_OK;
    }
}

ql_status ql__gzip_put(ql__gzip *self, const void *data, size_t size, ql_error *err)
{
    const unsigned char *at = data;
    while (size > 0) {
        size_t now = size < IN_BYTES_MAX ? size : IN_BYTES_MAX;
        memcpy(&self->stream.next_in, &at, sizeof at); /* zlib's member is not const unless ZLIB_CONST, but it only reads */
        self->stream.avail_in = (uInt)now;
        QL_TRY(run(self, Z_NO_FLUSH, err));
        at += now;
        size -= now;
    }
    return QL_OK;
}

ql_status ql__gzip_finish(ql__gzip *self, ql_error *err)
{
    return run(self, Z_FINISH, err);
}

void ql__gzip_free(ql__gzip *self)
{
    if (self == NULL) return;
    if (self->begun) (void)self->zlib.end(&self->stream);
    ql__free(self);
}
