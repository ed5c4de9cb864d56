/*
 * Addresses of repositories. Invariants: passwords never reach `remote`, `base` or a message. Threads: no state.
 */
#include "source/git_url.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "source/file_facts.h"

static bool starts_with(ql_str text, const char *head)
{
    size_t len = strlen(head);
    return text.len >= len && memcmp(text.ptr, head, len) == 0;
}

static ql_str after(ql_str text, size_t skip)
{
    return (ql_str){text.ptr + skip, text.len - skip};
}

static size_t find(ql_str text, char c)
{
    const char *at = text.len > 0 ? memchr(text.ptr, c, text.len) : NULL;
    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

static void cut_git_suffix(ql_buf *base)
{
    if (base->len > 4 && memcmp(base->ptr + base->len - 4, ".git", 4) == 0) base->ptr[base->len -= 4] = '\0';
}

/* The last two parts of base, or the parts around "_git". */
static void find_names(ql__git_url *self)
{
    ql_str rest = ql_buf_str(&self->base);
    while (rest.len > 0 && rest.ptr[rest.len - 1] == '/') rest.len--;
    self->name = ql__path_name(rest);
    ql_str above = ql__path_folder(rest);
    self->owner = ql__path_name(above);
    if (ql_str_equal(self->owner, QL_STR("_git"))) self->owner = ql__path_name(ql__path_folder(above));
    /* "https://host/repo" has no owner: the part above is the host's, after "//". */
    if (above.len >= 2 && self->owner.ptr >= above.ptr + 2 && memcmp(self->owner.ptr - 2, "//", 2) == 0) self->owner.len = 0;
}

static ql_status finish(ql__git_url *self, ql_error *err)
{
    ql_buf *all[] = {&self->path, &self->remote, &self->host, &self->user, &self->password, &self->base};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->status < 0) return ql__fail_nomem(err);
    if (memchr(ql_buf_cstr(&self->base), '\0', self->base.len) != NULL) return ql__fail(err, QL_E_CONFIG, "base_url holds a NUL byte");
    cut_git_suffix(&self->base);
    find_names(self);
    return QL_OK;
}

static ql_status parse_local(ql_str text, ql__git_url *self, ql_error *err)
{
    self->reach = QL__GIT_LOCAL;
    self->encrypted = true;
    if (starts_with(text, "file://")) {
        ql_str rest = after(text, 7);
        if (starts_with(rest, "localhost/")) rest = after(rest, 9);
        if (!starts_with(rest, "/"))
            return ql__fail(err, QL_E_CONFIG, "base_url '%.*s' does not name a folder of this machine", (int)text.len, text.ptr);
        (void)ql__percent_decode(&self->path, rest);
        (void)ql_buf_append(&self->base, text);
    } else {
        char given[PATH_MAX], real[PATH_MAX];
        if (text.len >= sizeof given) return ql__fail(err, QL_E_CONFIG, "base_url is too long for a path");
        if (text.len > 0) memcpy(given, text.ptr, text.len);
        given[text.len] = '\0';
        (void)ql_buf_append(&self->path, text);
        (void)ql_buf_append(&self->base, QL_STR("file://"));
        (void)ql_buf_append(&self->base, realpath(given, real) != NULL ? ql_str_of(real) : text);
    }
    if (strlen(ql_buf_cstr(&self->path)) != self->path.len) return ql__fail(err, QL_E_CONFIG, "base_url holds a NUL byte");
    return QL_OK;
}

/* user[:password]@host[:port]; returns the host and port. */
static ql_str parse_authority(ql_str authority, ql__git_url *self)
{
    size_t at = authority.len;
    while (at > 0 && authority.ptr[at - 1] != '@') at--;
    ql_str host = after(authority, at);
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        (void)ql_buf_append_char(&self->host, c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c);
    }
    if (at > 0) {
        ql_str login = {authority.ptr, at - 1};
        size_t colon = find(login, ':');
        (void)ql__percent_decode(&self->user, (ql_str){login.ptr, colon});
        if (colon < login.len) (void)ql__percent_decode(&self->password, after(login, colon + 1));
    }
    return host;
}

static ql_status parse_scheme(ql_str text, size_t scheme_len, ql__git_url *self, ql_error *err)
{
    ql_str scheme = {text.ptr, scheme_len}, rest = after(text, scheme_len + 3);
    bool http = ql_str_equal(scheme, QL_STR("http")), https = ql_str_equal(scheme, QL_STR("https"));
    bool ssh = ql_str_equal(scheme, QL_STR("ssh")) || ql_str_equal(scheme, QL_STR("git+ssh"));
    if (!http && !https && !ssh && !ql_str_equal(scheme, QL_STR("git")))
        return ql__fail(err, QL_E_CONFIG, "base_url begins with '%.*s://': use https, ssh, http, git or file", (int)scheme.len, scheme.ptr);
    self->reach = ssh ? QL__GIT_SSH : http || https ? QL__GIT_HTTP : QL__GIT_PLAIN;
    self->encrypted = ssh || https;
    size_t slash = find(rest, '/');
    ql_str host = parse_authority((ql_str){rest.ptr, slash}, self), path = after(rest, slash);
    if (host.len == 0 || path.len < 2) return ql__fail(err, QL_E_CONFIG, "base_url names no repository");
    ql_buf *both[] = {&self->remote, &self->base};
    for (size_t i = 0; i < 2; i++) {
        (void)ql_buf_append(both[i], (ql_str){text.ptr, scheme_len + 3});
        if (ssh && self->user.len > 0) { /* a login name such as "git", part of the address as the reference writes it */
            (void)ql__percent_encode(both[i], ql_buf_str(&self->user));
            (void)ql_buf_append_char(both[i], '@');
        }
        (void)ql_buf_append(both[i], host);
        (void)ql_buf_append(both[i], path);
    }
    return QL_OK;
}

/* git@host:group/repo.git is ssh://git@host/group/repo.git. */
static ql_status parse_scp(ql_str text, size_t colon, ql__git_url *self, ql_error *err)
{
    self->reach = QL__GIT_SSH;
    self->encrypted = true;
    ql_str path = after(text, colon + 1);
    ql_str host = parse_authority((ql_str){text.ptr, colon}, self);
    if (host.len == 0 || path.len == 0) return ql__fail(err, QL_E_CONFIG, "base_url names no repository");
    (void)ql_buf_append(&self->remote, text);
    (void)ql_buf_append(&self->base, QL_STR("ssh://"));
    (void)ql_buf_append(&self->base, (ql_str){text.ptr, colon});
    if (path.ptr[0] != '/') (void)ql_buf_append_char(&self->base, '/');
    (void)ql_buf_append(&self->base, path);
    return QL_OK;
}

ql_status ql__git_url_parse(ql_str text, ql__git_url *out, ql_error *err)
{
    *out = (ql__git_url){0};
    if (text.len == 0) return ql__fail(err, QL_E_CONFIG, "base_url is empty");
    size_t colon = find(text, ':');
    ql_status status;
    if (starts_with(text, "file://")) status = parse_local(text, out, err);
    else if (colon + 2 < text.len && memcmp(text.ptr + colon, "://", 3) == 0) status = parse_scheme(text, colon, out, err);
    else if (colon < find(text, '/')) status = parse_scp(text, colon, out, err);
    else status = parse_local(text, out, err);
    if (status < 0) return status;
    return finish(out, err);
}

void ql__git_url_dispose(ql__git_url *self)
{
    if (self->password.ptr != NULL) explicit_bzero(self->password.ptr, self->password.capacity);
    ql_buf_dispose(&self->path);
    ql_buf_dispose(&self->remote);
    ql_buf_dispose(&self->host);
    ql_buf_dispose(&self->user);
    ql_buf_dispose(&self->password);
    ql_buf_dispose(&self->base);
}

static bool host_has(ql_str host, const char *part)
{
    return memmem(host.ptr, host.len, part, strlen(part)) != NULL;
}

const char *ql__git_token_user(ql_str host, uint32_t attempt, bool *token_is_user)
{
    *token_is_user = attempt == 1;
    if (attempt > 1) return NULL;
    if (attempt == 1) return ""; /* as the reference does; also what hosts without special names take */
    if (host_has(host, "gitlab")) return "oauth2";
    if (host_has(host, "bitbucket")) return "x-token-auth";
    return "x-access-token"; /* GitHub's; Azure DevOps, Gitea and most others accept any name */
}

ql_status ql__git_document_url(const ql__git_url *self, ql_str branch, ql_str path, ql_buf *out)
{
    ql_buf_clear(out);
    (void)ql_buf_append(out, ql_buf_str(&self->base));
    (void)ql_buf_append(out, QL_STR("/blob/"));
    (void)(ql__path_is_plain(branch) ? ql_buf_append(out, branch) : ql__percent_encode(out, branch));
    (void)ql_buf_append_char(out, '/');
    if (ql__path_is_plain(path)) return ql_buf_append(out, path);
    (void)ql_buf_append_char(out, '/');
    return ql__percent_encode(out, path);
}
