/*
 * Public ids. The document rule is the reference's, defects included where ids depend on them (everything is lower-cased, query and fragment
 * are dropped), because both sides must find each other's points; what it makes collide gets the exact id instead (the ingest decides).
 * The URL is taken apart by the rules of the generic syntax of RFC 3986 as the reference's library reads it. Any thread.
 */
#include "model/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "dep/digest.h"
#include "text/lower.h"
#include "text/utf8.h"

/* What the reference trims: the characters with the property White_Space, and the four information separators. */
static bool is_blank(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static ql_str trim(ql_str text)
{
    size_t first = text.len, end = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t code_point;
        size_t taken = ql__utf8_next(text, at, &code_point);
        if (!is_blank(code_point)) {
            if (first == text.len) first = at;
            end = at + taken;
        }
        at += taken;
    }
    return end == 0 ? (ql_str){text.ptr, 0} : (ql_str){text.ptr + first, end - first};
}

/* ---- URL ---- */

typedef struct url_parts {
    ql_str scheme, authority, path;
    bool broken; /* unbalanced brackets in the authority: the reference then takes the text as it is */
} url_parts;

static bool is_one_of(ql_str word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ql_str_equal(word, ql_str_of(words[i]))) return true;
    return false;
}

static bool has_params(ql_str scheme)
{
    static const char *const schemes[] = {"",      "ftp",  "hdl",   "prospero", "http", "imap", "https", "shttp",
                                          "rtsp", "rtsps", "rtspu", "sip",      "sips", "mms",  "sftp",  "tel"};
    return is_one_of(scheme, schemes, sizeof schemes / sizeof *schemes);
}

static bool has_authority(ql_str scheme)
{
    static const char *const schemes[] = {"ftp",  "http",  "gopher", "nntp",  "telnet", "imap", "wais",    "file", "mms", "https", "shttp",   "snews", "prospero",
                                          "rtsp", "rtsps", "rtspu",  "rsync", "svn",    "svn+ssh", "sftp", "nfs",  "git", "git+ssh", "ws", "wss",   "itms-services"};
    return is_one_of(scheme, schemes, sizeof schemes / sizeof *schemes);
}

static size_t find_any(ql_str text, const char *bytes)
{
    size_t at = 0;
    while (at < text.len && (text.ptr[at] == '\0' || strchr(bytes, text.ptr[at]) == NULL)) at++;
    return at;
}

static ql_str skip(ql_str text, size_t count)
{
    return (ql_str){text.ptr + count, text.len - count};
}

/* "https:" off the front; text is lower case already. */
static ql_str take_scheme(ql_str *text)
{
    size_t colon = find_any(*text, ":");
    if (colon == 0 || colon == text->len || *text->ptr < 'a' || *text->ptr > 'z') return (ql_str){text->ptr, 0};
    for (size_t i = 0; i < colon; i++) {
        char c = text->ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')) return (ql_str){text->ptr, 0};
    }
    ql_str scheme = {text->ptr, colon};
    *text = skip(*text, colon + 1);
    return scheme;
}

static url_parts split_url(ql_str text)
{
    url_parts out = {.scheme = take_scheme(&text)};
    if (text.len >= 2 && text.ptr[0] == '/' && text.ptr[1] == '/') {
        text = skip(text, 2);
        out.authority = (ql_str){text.ptr, find_any(text, "/?#")};
        text = skip(text, out.authority.len);
        bool opens = find_any(out.authority, "[") < out.authority.len, closes = find_any(out.authority, "]") < out.authority.len;
        out.broken = opens != closes;
    }
    text.len = find_any(text, "#");
    text.len = find_any(text, "?");
    if (has_params(out.scheme)) { /* of the last segment only */
        size_t last = text.len;
        while (last > 0 && text.ptr[last - 1] != '/') last--;
        text.len = last + find_any(skip(text, last), ";");
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '/') text.len--;
    out.path = text.len == 0 ? QL_STR("/") : text;
    return out;
}

static void write_url(const url_parts *url, ql_buf *out)
{
    bool rooted = url->path.ptr[0] == '/', double_root = rooted && url->path.len > 1 && url->path.ptr[1] == '/';
    if (url->scheme.len != 0) {
        (void)ql_buf_append(out, url->scheme);
        (void)ql_buf_append_char(out, ':');
    }
    if (url->authority.len != 0 || double_root || (rooted && has_authority(url->scheme))) (void)ql_buf_append(out, QL_STR("//"));
    (void)ql_buf_append(out, url->authority);
    if (url->authority.len != 0 && !rooted) (void)ql_buf_append_char(out, '/');
    (void)ql_buf_append(out, url->path);
}

/* Line breaks and tabs vanish, control characters and blanks before the URL too: URLs are often copied with them. */
static void clean_url(ql_str text, ql_buf *out)
{
    while (text.len != 0 && (unsigned char)*text.ptr <= 0x20) text = skip(text, 1);
    while (text.len != 0) {
        size_t run = find_any(text, "\t\r\n");
        (void)ql_buf_append(out, (ql_str){text.ptr, run});
        text = skip(text, run < text.len ? run + 1 : run);
    }
}

static void write_normal_url(ql_str lower, ql_buf *cleaned, ql_buf *out)
{
    lower = trim(lower);
    clean_url(lower, cleaned);
    url_parts url = split_url(ql_buf_str(cleaned));
    if (url.broken) (void)ql_buf_append(out, lower);
    else write_url(&url, out);
}

/* ---- Ids ---- */

static void sha256_uuid(ql_str bytes, char out[37])
{
    uint8_t hash[32];
    ql__sha256_of(bytes, hash);
    ql__uuid_text(hash, out);
}

static ql_status check_lengths(ql_str source_type, ql_str source, ql_str url, ql_error *err)
{
    if (source_type.len > QL_LIMIT_URL_BYTES || source.len > QL_LIMIT_URL_BYTES || url.len > QL_LIMIT_URL_BYTES)
        return ql__fail(err, QL_E_LIMIT, "the identity of a document is longer than %zu bytes", QL_LIMIT_URL_BYTES);
    return QL_OK;
}

ql_status ql__document_id(ql_str source_type, ql_str source, ql_str url, char out[37], ql_error *err)
{
    QL_TRY(check_lengths(source_type, source, url, err));
    ql_buf key = QL_BUF_INIT, lower = QL_BUF_INIT, cleaned = QL_BUF_INIT;
    const ql_str names[] = {trim(source_type), trim(source)};
    ql_status status = QL_OK;
    for (size_t i = 0; i < 2 && status == QL_OK; i++) {
        status = ql__utf8_lower(names[i], &key, err);
        (void)ql_buf_append_char(&key, ':');
    }
    if (status == QL_OK) status = ql__utf8_lower(url, &lower, err);
    if (status == QL_OK) write_normal_url(ql_buf_str(&lower), &cleaned, &key);
    if (status == QL_OK && (key.status < 0 || cleaned.status < 0)) status = ql__fail_nomem(err);
    if (status == QL_OK) sha256_uuid(ql_buf_str(&key), out);
    ql_buf_dispose(&key);
    ql_buf_dispose(&lower);
    ql_buf_dispose(&cleaned);
    return status;
}

ql_status ql__document_id_exact(ql_str project, ql_str source_type, ql_str source, ql_str url, char out[37], ql_error *err)
{
    QL_TRY(check_lengths(source_type, source, url, err));
    const ql_str parts[] = {QL_STR("v2"), project, source_type, source, url};
    ql__sha256 state;
    uint8_t hash[32];
    ql__sha256_init(&state);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i != 0) ql__sha256_update(&state, QL_STR("\0"));
        ql__sha256_update(&state, parts[i]);
    }
    ql__sha256_final(&state, hash);
    ql__uuid_text(hash, out);
    return QL_OK;
}

void ql__chunk_id(ql_str document_id, uint32_t index, char out[37])
{
    char number[16];
    int length = snprintf(number, sizeof number, "_%u", index);
    ql__sha256 state;
    uint8_t hash[32];
    ql__sha256_init(&state);
    ql__sha256_update(&state, document_id);
    ql__sha256_update(&state, (ql_str){number, (size_t)length});
    ql__sha256_final(&state, hash);
    ql__uuid_text(hash, out);
}

ql_status ql__attachment_id(ql_str parent_id, ql_str attachment_id, char out[37], ql_error *err)
{
    /* RFC 4122, appendix C: the name space for URLs. */
    static const char space[16] = {0x6b, (char)0xa7, (char)0xb8, 0x11, (char)0x9d, (char)0xad, 0x11, (char)0xd1, (char)0x80, (char)0xb4, 0x00, (char)0xc0, 0x4f, (char)0xd4, 0x30, (char)0xc8};
    ql_buf name = QL_BUF_INIT;
    (void)ql_buf_append(&name, (ql_str){space, sizeof space});
    (void)ql_buf_append(&name, parent_id);
    (void)ql_buf_append(&name, QL_STR(":attachment:"));
    (void)ql_buf_append(&name, attachment_id);
    if (name.status < 0) return ql__fail_nomem(err);
    uint8_t hash[20];
    ql__sha1_of(ql_buf_str(&name), hash);
    ql_buf_dispose(&name);
    hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x50); /* version 5 */
    hash[8] = (uint8_t)((hash[8] & 0x3f) | 0x80); /* variant */
    ql__uuid_text(hash, out);
    return QL_OK;
}

/* Takes "@" and 16 hex digits off the end of a model's name; empty when it does not end so ("model@v2" is all name). */
static ql_str split_fingerprint(ql_str *model)
{
    static const size_t size = 17;
    if (model->len < size || model->ptr[model->len - size] != '@') return QL_STR("");
    ql_str fingerprint = {model->ptr + model->len - size, size};
    for (size_t i = 1; i < size; i++)
        if (strchr("0123456789abcdef", fingerprint.ptr[i]) == NULL || fingerprint.ptr[i] == '\0') return QL_STR("");
    model->len -= size;
    return fingerprint;
}

bool ql__model_same(ql_str a, ql_str b)
{
    ql_str a_print = split_fingerprint(&a), b_print = split_fingerprint(&b);
    return a_print.len > 0 && b_print.len > 0 ? ql_str_equal(a_print, b_print) : ql_str_equal(a, b);
}

ql_str ql__model_key(ql_str model)
{
    ql_str name = model, print = split_fingerprint(&name);
    return print.len > 0 ? print : model;
}

bool ql__model_has_fingerprint(ql_str model)
{
    return split_fingerprint(&model).len > 0;
}
