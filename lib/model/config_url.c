/*
 * Where sources are: URLs brought to one spelling (as the reference's URL type does, because document ids contain them), and folders given as
 * file:// URL or path. Everything is text work; whether a place exists is found out by whoever goes there. One loader, one thread.
 */
#include <string.h>

#include "base/limits.h"
#include "model/config_loader.h"

static ql_str after(ql_str text, size_t count)
{
    return (ql_str){text.ptr + count, text.len - count};
}

static bool starts_with(ql_str text, ql_str prefix)
{
    return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_plain_text(ql_str text, const char **why)
{
    *why = NULL;
    if (text.len == 0) *why = "must not be empty";
    else if (text.len > QL_LIMIT_URL_BYTES) *why = "is too long";
    else if (memchr(text.ptr, '\0', text.len) != NULL) *why = "holds a NUL byte";
    else if (memmem(text.ptr, text.len, "${", 2) != NULL) *why = "holds a ${...} that was not replaced";
    return *why == NULL;
}

static void append_escaped(ql_buf *out, ql_str text, const char *also)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c > 0x20 && c < 0x7F && strchr(also, c) == NULL) (void)ql_buf_append_char(out, (char)c);
        else (void)ql_buf_printf(out, "%%%c%c", hex[c >> 4], hex[c & 15]);
    }
}

static bool take(ql__config_loader *self, ql_buf *built, ql_str *out)
{
    if (built->status < 0) self->nomem = true;
    else *out = ql__loader_copy(self, ql_buf_str(built));
    ql_buf_dispose(built);
    return !self->nomem;
}

/* ---- http(s) and other URLs with a host ---- */

typedef struct url {
    ql_str scheme, user, host, port, rest; /* user without '@'; rest from the first '/', '?' or '#' */
} url;

static size_t find_any(ql_str text, const char *bytes)
{
    size_t at = 0;
    while (at < text.len && strchr(bytes, text.ptr[at]) == NULL) at++;
    return at;
}

static bool split(ql_str text, url *out, const char **why)
{
    const char *mark = memmem(text.ptr, text.len, "://", 3);
    if (mark == NULL || mark == text.ptr) return *why = "is not a URL (scheme://host/...)", false;
    out->scheme = (ql_str){text.ptr, (size_t)(mark - text.ptr)};
    text = after(text, out->scheme.len + 3);
    ql_str authority = {text.ptr, find_any(text, "/?#")};
    out->rest = after(text, authority.len);
    out->user = (ql_str){authority.ptr, 0};
    for (size_t i = authority.len; i > 0; i--) { /* the last '@' ends the user */
        if (authority.ptr[i - 1] != '@') continue;
        out->user.len = i - 1;
        authority = after(authority, i);
        break;
    }
    size_t bracket = authority.len != 0 && *authority.ptr == '[' ? find_any(authority, "]") : 0;
    size_t colon = bracket + find_any(after(authority, bracket), ":");
    out->host = (ql_str){authority.ptr, colon};
    out->port = colon < authority.len ? after(authority, colon + 1) : (ql_str){authority.ptr, 0};
    if (out->host.len == 0) return *why = "names no host", false;
    for (size_t i = 0; i < out->port.len; i++)
        if (out->port.ptr[i] < '0' || out->port.ptr[i] > '9' || i > 4) return *why = "has a port that is no number", false;
    for (size_t i = 0; i < out->host.len; i++)
        if (strchr(" \t\"<>\\^`{|}", out->host.ptr[i]) != NULL) return *why = "has a host name that cannot be one", false;
    return true;
}

static bool scheme_is(const url *self, const char *name)
{
    if (self->scheme.len != strlen(name)) return false;
    for (size_t i = 0; i < self->scheme.len; i++)
        if (lower(self->scheme.ptr[i]) != name[i]) return false;
    return true;
}

static bool is_standard_port(const url *self)
{
    const char *port = scheme_is(self, "https") ? "443" : scheme_is(self, "http") ? "80" : scheme_is(self, "ssh") ? "22" : "";
    return ql_str_equal(self->port, ql_str_of(port));
}

static bool rebuild(ql__config_loader *self, const url *parts, ql_str *out)
{
    ql_buf built = QL_BUF_INIT;
    for (size_t i = 0; i < parts->scheme.len; i++) (void)ql_buf_append_char(&built, lower(parts->scheme.ptr[i]));
    (void)ql_buf_append(&built, QL_STR("://"));
    if (parts->user.len != 0) {
        (void)ql_buf_append(&built, parts->user);
        (void)ql_buf_append_char(&built, '@');
    }
    for (size_t i = 0; i < parts->host.len; i++) (void)ql_buf_append_char(&built, lower(parts->host.ptr[i]));
    if (parts->port.len != 0 && !is_standard_port(parts)) {
        (void)ql_buf_append_char(&built, ':');
        (void)ql_buf_append(&built, parts->port);
    }
    if (parts->rest.len == 0 || *parts->rest.ptr != '/') (void)ql_buf_append_char(&built, '/');
    append_escaped(&built, parts->rest, "\"<>");
    return take(self, &built, out);
}

bool ql__config_url(ql__config_loader *self, ql_str text, bool normalise, ql_str *out, const char **why)
{
    url parts;
    if (!is_plain_text(text, why) || !split(text, &parts, why)) return false;
    if (!scheme_is(&parts, "http") && !scheme_is(&parts, "https")) return *why = "must begin with http:// or https://", false;
    if (normalise) return rebuild(self, &parts, out);
    *out = text;
    return true;
}

/* ---- Folders ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_decoded(ql_buf *out, ql_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool escape = text.ptr[i] == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 && hex_digit(text.ptr[i + 2]) >= 0;
        if (!escape) {
            (void)ql_buf_append_char(out, text.ptr[i]);
            continue;
        }
        (void)ql_buf_append_char(out, (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2])));
        i += 2;
    }
}

/* The path of a file: URL, decoded. '?' and '#' are letters of a name here: folders called C# exist, queries on files do not. */
static bool file_url_path(ql_str text, ql_buf *path, const char **why)
{
    text = after(text, 5); /* "file:" */
    if (starts_with(text, QL_STR("//"))) {
        text = after(text, 2);
        ql_str host = {text.ptr, find_any(text, "/")};
        if (host.len != 0 && !ql_str_equal(host, QL_STR("localhost")))
            return *why = "names a host between file:// and the next '/'; write file:///absolute/folder, or the path alone", false;
        text = after(text, host.len);
    }
    if (text.len == 0 || *text.ptr != '/') return *why = "must hold an absolute path after file://; write file:///absolute/folder, or the path alone", false;
    append_decoded(path, text);
    return true;
}

static bool plain_path(ql__config_loader *self, ql_str text, ql_buf *path, const char **why)
{
    ql_str home;
    if (*text.ptr == '~') {
        if (text.len > 1 && text.ptr[1] != '/') return *why = "names the home of another user; write the path in full", false;
        if (!ql__config_env_filled(self, "HOME", &home)) return *why = "begins with ~, but HOME is not set", false;
        (void)ql_buf_append(path, home);
        text = after(text, 1);
    } else if (*text.ptr != '/') {
        (void)ql_buf_append(path, self->config_dir);
        (void)ql_buf_append_char(path, '/');
    }
    (void)ql_buf_append(path, text);
    return true;
}

/* One '/' between parts, no "." parts, none at the end. ".." stays: only the file system knows what it means. */
static void tidy(const char *path, size_t length, ql_buf *out)
{
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && path[end] != '/') end++;
        bool keep = end > at && !(end == at + 1 && path[at] == '.');
        if (keep) {
            (void)ql_buf_append_char(out, '/');
            (void)ql_buf_append(out, (ql_str){path + at, end - at});
        }
        at = end + 1;
    }
    if (out->len == 0) (void)ql_buf_append_char(out, '/');
}

bool ql__config_folder(ql__config_loader *self, ql_str text, ql_str *out, const char **why)
{
    if (!is_plain_text(text, why)) return false;
    bool is_file_url = text.len >= 5 && lower(text.ptr[0]) == 'f' && lower(text.ptr[1]) == 'i' && lower(text.ptr[2]) == 'l' && lower(text.ptr[3]) == 'e' && text.ptr[4] == ':';
    if (!is_file_url && memmem(text.ptr, text.len, "://", 3) != NULL) return *why = "must be a folder: file:///absolute/folder, or a path", false;
    ql_buf path = QL_BUF_INIT, tidied = QL_BUF_INIT, built = QL_BUF_INIT;
    bool good = is_file_url ? file_url_path(text, &path, why) : plain_path(self, text, &path, why);
    if (good && path.len != 0 && memchr(path.ptr, '\0', path.len) != NULL) *why = "holds an escaped NUL byte", good = false;
    if (good) {
        tidy(ql_buf_cstr(&path), path.len, &tidied);
        (void)ql_buf_append(&built, QL_STR("file://"));
        append_escaped(&built, ql_buf_str(&tidied), "\"<>%#?");
        good = path.status == QL_OK && tidied.status == QL_OK && take(self, &built, out);
        if (!good) self->nomem = true, *why = "is too large";
    }
    ql_buf_dispose(&path);
    ql_buf_dispose(&tidied);
    ql_buf_dispose(&built);
    return good;
}

ql_str ql__config_local_path(ql__config_loader *self, ql_str base_url)
{
    ql_str out = QL_STR("");
    if (!starts_with(base_url, QL_STR("file://"))) return out;
    ql_buf path = QL_BUF_INIT;
    append_decoded(&path, after(base_url, 7));
    (void)take(self, &path, &out);
    return out;
}

/* ---- git ---- */

/* user@host:path, which ssh and git understand; no scheme, a colon before the first '/'. */
static bool is_scp_form(ql_str text)
{
    size_t at = find_any(text, "@:/");
    if (at == text.len || text.ptr[at] != '@' || at == 0) return false;
    ql_str host = after(text, at + 1);
    size_t colon = find_any(host, ":/");
    return colon > 0 && colon + 1 < host.len && host.ptr[colon] == ':';
}

bool ql__config_git_url(ql__config_loader *self, ql_str text, ql_str *out, const char **why)
{
    if (!is_plain_text(text, why)) return false;
    const char *mark = memmem(text.ptr, text.len, "://", 3);
    if (mark == NULL && is_scp_form(text)) {
        *out = text;
        return true;
    }
    url parts;
    parts.scheme = (ql_str){text.ptr, mark != NULL ? (size_t)(mark - text.ptr) : 0};
    if (mark == NULL || scheme_is(&parts, "file")) return ql__config_folder(self, text, out, why);
    if (!split(text, &parts, why)) return false;
    static const char *const schemes[] = {"https", "http", "ssh", "git"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (scheme_is(&parts, schemes[i])) return rebuild(self, &parts, out);
    *why = "must be an https, http, ssh, git or file URL, user@host:path, or a folder";
    return false;
}
