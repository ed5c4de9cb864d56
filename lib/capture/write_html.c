/*
 * The profile as one page: markup, style and script of lib/capture/page, and the JSON of write_json.c, gzip and base64, which the script unpacks. The page's
 * policy lets nothing run or load but what it holds: style and script are named by their SHA-256 (CSP level 3, section 2.3.1 "hash-source"), so neither the
 * texts of a capture nor a hand-edited file can bring in another. base64 (RFC 4648, section 4) has no character that markup knows.
 * Threads: any. Cost: that of the JSON and of gzip; streams.
 */
#include <string.h>

#include "base/status.h"
#include "capture/page_parts.h"
#include "capture/write_table.h"
#include "dep/digest.h"

/* --- base64 ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct base64_out {
    ql__sink *sink;
    uint8_t rest[3];
    size_t rest_count;
} base64_out;

static void put_group(ql__sink *sink, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)bytes[0] << 16 | (count > 1 ? (uint32_t)bytes[1] << 8 : 0) | (count > 2 ? (uint32_t)bytes[2] : 0);
    char text[4] = {digits[bits >> 18], digits[bits >> 12 & 63], count > 1 ? digits[bits >> 6 & 63] : '=', count > 2 ? digits[bits & 63] : '='};
    ql__sink_put(sink, (ql_str){text, sizeof text});
}

static int put_base64(void *user, const void *data, size_t size)
{
    base64_out *self = user;
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size && !ql__sink_failed(self->sink); i++) {
        self->rest[self->rest_count++] = bytes[i];
        if (self->rest_count < sizeof self->rest) continue;
        put_group(self->sink, self->rest, self->rest_count);
        self->rest_count = 0;
    }
    return ql__sink_failed(self->sink) ? -1 : 0;
}

static void end_base64(base64_out *self)
{
    if (self->rest_count > 0) put_group(self->sink, self->rest, self->rest_count);
    self->rest_count = 0;
}

/* --- parts ------------------------------------------------------------------------------------------------------------------------------ */

static ql_status put_data(const ql__profile *profile, const char *id, ql__sink *sink, ql_error *err)
{
    base64_out out = {.sink = sink};
    ql__sink packed;
    ql__sink_cstring(sink, "<script type=\"application/octet-stream\" id=\"");
    ql__sink_cstring(sink, id);
    ql__sink_cstring(sink, "\">");
    ql__sink_init(&packed, put_base64, &out);
    ql__sink_gzip(&packed);
    ql_status status = ql__write_json(profile, &packed, err);
    ql_status end = ql__sink_finish(&packed, status < 0 ? NULL : err);
    if (ql__sink_failed(sink)) return QL_OK; /* the sink tells its own failure, of which the others are consequences */
    if (status < 0 || end < 0) return status < 0 ? status : end;
    end_base64(&out);
    ql__sink_cstring(sink, "</script>\n");
    return QL_OK;
}

static void put_hash(ql__sink *sink, ql_str text)
{
    uint8_t hash[32];
    base64_out out = {.sink = sink};
    ql__sha256_of(text, hash);
    ql__sink_cstring(sink, "'sha256-");
    (void)put_base64(&out, hash, sizeof hash);
    end_base64(&out);
    ql__sink_cstring(sink, "'");
}

static void put_policy(ql__sink *sink)
{
    ql__sink_cstring(sink, "default-src 'none'; script-src ");
    put_hash(sink, ql__page_script);
    ql__sink_cstring(sink, "; style-src ");
    put_hash(sink, ql__page_style);
    ql__sink_cstring(sink, "; base-uri 'none'; form-action 'none'");
}

/* The markup up to a mark, which is passed over. */
static void put_until(ql__sink *sink, ql_str *markup, const char *mark)
{
    size_t length = strlen(mark);
    for (size_t i = 0; i + length <= markup->len; i++) {
        if (memcmp(markup->ptr + i, mark, length) != 0) continue;
        ql__sink_put(sink, (ql_str){markup->ptr, i});
        *markup = (ql_str){markup->ptr + i + length, markup->len - i - length};
        return;
    }
}

ql_status ql__write_html(const ql__profile *before, const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    ql_str markup = ql__page_markup;
    put_until(sink, &markup, "@POLICY@");
    put_policy(sink);
    put_until(sink, &markup, "@STYLE@");
    ql__sink_put(sink, ql__page_style);
    put_until(sink, &markup, "@DATA@");
    QL_TRY(put_data(profile, "data", sink, err));
    if (before != NULL) QL_TRY(put_data(before, "before", sink, err));
    put_until(sink, &markup, "@SCRIPT@");
    ql__sink_put(sink, ql__page_script);
    ql__sink_put(sink, markup);
    return QL_OK;
}
