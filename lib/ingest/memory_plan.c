/* See memory_plan.h. Threads: no state. Cost: one small file read a run. */
#include "ingest/memory_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "convert/convert.h"

#define MEGABYTE ((uint64_t)1 << 20)
#define QUEUE_BYTES ((size_t)16 << 20)
#define COMMIT_BYTES ((size_t)8 << 20)
#define RESERVE_BYTES (42 * MEGABYTE) /* weights while they are packed, in float32; then there is room for the store's cache */
#define THREAD_BYTES (3 * MEGABYTE)   /* of each that embeds */
#define SHARE_LEAST (16 * MEGABYTE)
#define STATUS_BYTES_MAX (64 << 10)
#define SIZE_UNKNOWN ((uint64_t)64 << 10)
#define TYPE_BYTES_MAX 32

/* Anonymous memory of this process that is in RAM: file pages are given back when others need them. 0: not told by this kernel. */
static ql_status memory_used(const ql__sys *sys, uint64_t *out, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    ql_buf_init(&text, STATUS_BYTES_MAX);
    QL_TRY(ql__file_read_all(sys, "/proc/self/status", &text, err));
    const char *line = strstr(ql_buf_cstr(&text), "\nRssAnon:");
    *out = line ? strtoull(line + strlen("\nRssAnon:"), NULL, 10) * 1024 : 0;
    return QL_OK;
}

static unsigned long long megabytes(uint64_t bytes)
{
    return bytes / MEGABYTE + (bytes % MEGABYTE != 0);
}

/* Parts only become smaller. */
static void divide(ql__memory_plan *self, uint64_t share)
{
    self->share = share;
    if (share / 4 < self->beside) self->beside = share / 4;
    if (share / 8 < self->queue_bytes) self->queue_bytes = (size_t)(share / 8);
    if (share / 16 < self->commit_bytes) self->commit_bytes = (size_t)(share / 16);
}

ql_status ql__memory_plan_make(const ql__sys *sys, uint64_t max, size_t threads, ql__memory_plan *out, ql_error *err)
{
    uint64_t used = 0;
    *out = (ql__memory_plan){.max = max, .share = UINT64_MAX, .beside = UINT64_MAX, .queue_bytes = QUEUE_BYTES, .commit_bytes = COMMIT_BYTES};
    if (max == 0) return QL_OK;
    QL_TRY(memory_used(sys, &used, err));
    uint64_t reserve = RESERVE_BYTES + threads * THREAD_BYTES, least = used + reserve + SHARE_LEAST;
    if (max < least)
        return ql__fail(err, QL_E_LIMIT, "a limit of %llu MB on memory is too low: at least %llu MB are needed here with %zu thread%s", megabytes(max), megabytes(least), threads, threads == 1 ? "" : "s");
    divide(out, max - used - reserve);
    return QL_OK;
}

ql_status ql__memory_plan_look(const ql__memory_plan *self, const ql__sys *sys, uint64_t *out, ql_error *err)
{
    *out = 0;
    if (self->max == 0) return QL_OK;
    ql__alloc_give_back(); /* else what comes next would fill what was freed, and seem to take nothing */
    return memory_used(sys, out, err);
}

ql_status ql__memory_plan_with_list(const ql__memory_plan *self, uint64_t bytes, ql__memory_plan *out, ql_error *err)
{
    *out = *self;
    if (self->max == 0) return QL_OK;
    if (self->share < bytes + SHARE_LEAST)
        return ql__fail(err, QL_E_LIMIT, "its list takes %llu MB, and the limit of %llu MB on memory leaves too little beside it: give at least %llu MB", megabytes(bytes),
                        megabytes(self->max), megabytes(self->max - self->share + bytes + SHARE_LEAST));
    divide(out, self->share - bytes);
    return QL_OK;
}

ql_status ql__memory_plan_explain(const ql__memory_plan *self, ql_status status, ql_error *err)
{
    if (self->max == 0 || ql_status_kind(status) != QL_E_NOMEM) return status;
    return ql__fail(err, QL_E_NOMEM, "out of memory within the limit of %llu MB: give more", megabytes(self->max));
}

/* In lower case, as the sources give it to the converters; empty: none, or longer than any that one knows. */
static ql_str type_of(ql_str url, char out[TYPE_BYTES_MAX])
{
    size_t begin = url.len;
    while (begin > 0 && url.ptr[begin - 1] != '.' && url.ptr[begin - 1] != '/') begin--;
    size_t len = url.len - begin;
    if (begin == 0 || url.ptr[begin - 1] != '.' || len > TYPE_BYTES_MAX) return (ql_str){0};
    for (size_t i = 0; i < len; i++) out[i] = url.ptr[begin + i] >= 'A' && url.ptr[begin + i] <= 'Z' ? (char)(url.ptr[begin + i] | 0x20) : url.ptr[begin + i];
    return (ql_str){out, len};
}

/*
 * Bytes for each byte of the content, by the converter that takes it: measured 42 (Python), 15 (an array of objects), 8.4 (a table of a million cells), 5 and
 * 2 in files of 1.5 to 54 MB. Vectors come on top, of which there are more the fewer bytes a token has: 1.2 bytes of them for one of prose, 3 and more of digits.
 */
static uint64_t factor_of(ql_str url)
{
    static const struct {
        const char *converter;
        uint64_t factor;
    } factors[] = {{"code", 48}, {"json", 20}, {"html", 12}, {"markdown", 12}};
    char type[TYPE_BYTES_MAX];
    ql_document document = {.struct_size = sizeof document, .content_type = type_of(url, type)};
    size_t count;
    const ql_converter_ops *const *converters = ql__convert_builtin(&count);
    for (size_t i = 0; i < count; i++) {
        if (!converters[i]->accepts_fn(NULL, &document)) continue;
        for (size_t k = 0; k < sizeof factors / sizeof *factors; k++)
            if (strcmp(converters[i]->name, factors[k].converter) == 0) return factors[k].factor;
        break;
    }
    return 10;
}

uint64_t ql__memory_of(const ql__memory_plan *self, const ql_item *item)
{
    if (self->max == 0) return 0;
    uint64_t bytes = item->size_bytes > 0 ? item->size_bytes : SIZE_UNKNOWN, factor = factor_of(item->url);
    return bytes > UINT64_MAX / factor ? UINT64_MAX : bytes * factor;
}

ql_status ql__memory_plan_check(const ql__memory_plan *self, const ql_item *item, ql_error *err)
{
    uint64_t needed = ql__memory_of(self, item), had = self->max - self->share;
    if (needed <= self->share) return QL_OK;
    return ql__fail(err, QL_E_LIMIT, "reading it takes up to %llu MB, and the limit on memory leaves %llu MB: give at least %llu MB", megabytes(needed), megabytes(self->share),
                    megabytes(needed < UINT64_MAX - had ? had + needed : UINT64_MAX));
}
