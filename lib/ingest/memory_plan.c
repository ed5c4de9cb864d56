/* See memory_plan.h. Threads: no state. Cost: one small file read a run. */
#include "ingest/memory_plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/status.h"
#include "convert/convert.h"

#define MEGABYTE ((uint64_t)1 << 20)
#define QUEUE_BYTES ((size_t)16 << 20)
#define COMMIT_BYTES ((size_t)8 << 20)
#define RESERVE_BYTES (48 * MEGABYTE) /* embedding (weights while they are packed: 42 MB in float32; then 3 MB a thread) and the store's cache */
#define SHARE_LEAST (16 * MEGABYTE)
#define STATUS_BYTES_MAX (64 << 10)
#define SIZE_UNKNOWN ((uint64_t)64 << 10)

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
    return (bytes + MEGABYTE - 1) / MEGABYTE;
}

ql_status ql__memory_plan_make(const ql__sys *sys, uint64_t max, ql__memory_plan *out, ql_error *err)
{
    uint64_t used = 0;
    *out = (ql__memory_plan){.max = max, .share = UINT64_MAX, .beside = UINT64_MAX, .queue_bytes = QUEUE_BYTES, .commit_bytes = COMMIT_BYTES};
    if (max == 0) return QL_OK;
    QL_TRY(memory_used(sys, &used, err));
    uint64_t least = used + RESERVE_BYTES + SHARE_LEAST;
    if (max < least)
        return ql__fail(err, QL_E_LIMIT, "a limit of %llu MB on memory is too low: at least %llu MB are needed here", megabytes(max), megabytes(least));
    out->share = max - used - RESERVE_BYTES;
    out->beside = out->share / 4;
    if (out->share / 8 < QUEUE_BYTES) out->queue_bytes = (size_t)(out->share / 8);
    if (out->share / 16 < COMMIT_BYTES) out->commit_bytes = (size_t)(out->share / 16);
    return QL_OK;
}

static ql_str extension_of(ql_str url)
{
    for (size_t i = url.len; i-- > 0 && url.ptr[i] != '/';)
        if (url.ptr[i] == '.') return (ql_str){url.ptr + i + 1, url.len - i - 1};
    return (ql_str){0};
}

static bool is_one_of(ql_str extension, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == extension.len && strncasecmp(*names, extension.ptr, extension.len) == 0) return true;
    return false;
}

/* Bytes for each byte of the content: measured 42 (Python), 15 (an array of objects), 8.4 (a table of a million cells), 5 and 2 in files of 1.5 to 54 MB. */
static uint64_t factor_of(ql_str extension)
{
    static const char *const json[] = {"json", "jsonl", "ndjson", "ipynb", NULL}, *const markdown[] = {"md", "markdown", "mdx", NULL},
                      *const html[] = {"html", "htm", "xhtml", NULL};
    if (is_one_of(extension, json)) return 18;
    if (is_one_of(extension, html)) return 10;
    if (is_one_of(extension, markdown)) return 8;
    return ql__convert_is_code(extension) ? 48 : 6;
}

uint64_t ql__memory_of(const ql_item *item)
{
    uint64_t bytes = item->size_bytes > 0 ? item->size_bytes : SIZE_UNKNOWN, factor = factor_of(extension_of(item->url));
    return bytes > UINT64_MAX / factor ? UINT64_MAX : bytes * factor;
}

ql_status ql__memory_plan_check(const ql__memory_plan *self, const ql_item *item, ql_error *err)
{
    uint64_t needed = ql__memory_of(item);
    if (needed <= self->share) return QL_OK;
    return ql__fail(err, QL_E_LIMIT, "reading it takes up to %llu MB, and the limit on memory leaves %llu: give at least %llu MB", megabytes(needed), megabytes(self->share),
                    megabytes(self->max - self->share + needed));
}
