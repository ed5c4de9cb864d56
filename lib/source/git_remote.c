/*
 * Getting at a repository. Invariants: the copy in the cache is only ever added to, so that it can be read while another process
 * fetches; one process fetches at a time (a lock on the file "lock" beside it). A token goes only to the host that was configured, and only
 * over TLS or to this machine. TLS certificates and ssh host keys are checked by libgit2 (known_hosts); nothing here overrides that.
 * Threads: one call at a time for each source; libgit2's last error is this thread's.
 */
#include "source/git_remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

enum { TRIES = 3, RETRY_PAUSE_MS = 2000, LOCK_WAIT_MS = 600000, POLL_MS = 50 };

typedef struct remote_call {
    const ql__git_api *api;
    const ql__source_options *options;
    const ql__git_url *url;
    uint32_t password_tries, key_tries;
    bool agent_tried;
    bool permanent; /* the last failure will not go away by itself */
} remote_call;

ql_str ql__git_secret(const ql__source_options *options, const ql__git_url *url)
{
    return options->config->token.len > 0 ? options->config->token : ql_buf_str(&url->password);
}

void ql__git_head_dispose(ql__git_head *self)
{
    ql_buf_dispose(&self->path);
    ql_buf_dispose(&self->branch);
}

static bool cancelled(const ql__source_options *options)
{
    return options->cancelled_fn != NULL && options->cancelled_fn(options->user) != 0;
}

static ql_status pause_ms(const ql__source_options *options, int ms, ql_error *err)
{
    return ql__sleep_ms(options->sys, (uint32_t)ms, options->cancelled_fn, options->user) ? QL_OK : ql__fail(err, QL_E_CANCELLED, "cancelled while waiting");
}

/* ---- Credentials ---- */

static int refuse(remote_call *call, const char *why)
{
    (void)call->api->git_error_set_str(GIT_ERROR_CALLBACK, why);
    return GIT_EAUTH;
}

/* True if url, as libgit2 asks for it, is at the configured host: a redirect elsewhere must not receive the token. */
static bool same_host(const remote_call *call, const char *url)
{
    ql_error ignored;
    ql__git_url asked;
    bool same = ql__git_url_parse(ql_str_of(url), &asked, &ignored) == QL_OK &&
                ql_str_equal(ql_buf_str(&asked.host), ql_buf_str(&call->url->host)) && (asked.encrypted || !call->url->encrypted);
    ql__git_url_dispose(&asked);
    return same;
}

static bool is_loopback(ql_str host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        if (host.len >= len && memcmp(host.ptr, names[i], len) == 0 && (host.len == len || host.ptr[len] == ':')) return true;
    }
    return false;
}

static int give_login(remote_call *call, git_credential **out, ql_str user, ql_str password)
{
    QL_AUTO(ql_buf, ql_buf_dispose) name = QL_BUF_INIT;
    QL_AUTO(ql_buf, ql_buf_dispose) secret = QL_BUF_INIT;
    if (ql_buf_append(&name, user) < 0 || ql_buf_append(&secret, password) < 0) return refuse(call, "out of memory");
    int code = call->api->git_credential_userpass_plaintext_new(out, ql_buf_cstr(&name), ql_buf_cstr(&secret));
    if (secret.ptr != NULL) explicit_bzero(secret.ptr, secret.len);
    if (name.ptr != NULL) explicit_bzero(name.ptr, name.len); /* may be the token */
    return code;
}

static int give_password(remote_call *call, git_credential **out, const char *url)
{
    const ql__git_url *known = call->url;
    ql_str token = call->options->config->token, host = ql_buf_str(&known->host);
    uint32_t attempt = call->password_tries++;
    if (!same_host(call, url)) return refuse(call, "another host asks for the token; it was not sent");
    if (!known->encrypted && !is_loopback(host)) return refuse(call, "the server asks for a token over http; use https");
    if (token.len == 0 && known->password.len == 0) return refuse(call, "the server asks for a token and none is configured");
    if (known->user.len > 0) {
        if (attempt > 0) return refuse(call, "the server does not accept the user name and token");
        return give_login(call, out, ql_buf_str(&known->user), known->password.len > 0 ? ql_buf_str(&known->password) : token);
    }
    const char *colon = memchr(token.ptr, ':', token.len);
    if (colon != NULL && attempt == 0) /* written as "user:token" */
        return give_login(call, out, (ql_str){token.ptr, (size_t)(colon - token.ptr)},
                          (ql_str){colon + 1, token.len - (size_t)(colon - token.ptr) - 1});
    bool token_is_user = false;
    const char *user = colon != NULL ? NULL : ql__git_token_user(host, attempt, &token_is_user);
    if (user == NULL) return refuse(call, "the server does not accept the token");
    return token_is_user ? give_login(call, out, token, QL_STR("")) : give_login(call, out, ql_str_of(user), token);
}

/* The agent first, then the usual key files that carry no pass phrase. */
static int give_key(remote_call *call, git_credential **out, const char *user)
{
    static const char *const files[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
    const char *home = getenv("HOME");
    if (!call->agent_tried) {
        call->agent_tried = true;
        if (getenv("SSH_AUTH_SOCK") != NULL) return call->api->git_credential_ssh_key_from_agent(out, user);
    }
    while (home != NULL && call->key_tries < sizeof files / sizeof *files) {
        char path[4096];
        int length = snprintf(path, sizeof path, "%s/.ssh/%s", home, files[call->key_tries++]);
        if (length < 0 || (size_t)length >= sizeof path || access(path, R_OK) != 0) continue;
        return call->api->git_credential_ssh_key_new(out, user, NULL, path, "");
    }
    return refuse(call, "the server accepts none of the ssh keys (agent, ~/.ssh/id_ed25519, id_ecdsa, id_rsa)");
}

static int give_credential(git_credential **out, const char *url, const char *user_from_url, unsigned allowed, void *payload)
{
    remote_call *call = payload;
    const char *user = user_from_url != NULL && user_from_url[0] != '\0' ? user_from_url
                       : call->url->user.len > 0                          ? ql_buf_cstr(&call->url->user)
                                                                          : "git";
    if (allowed & GIT_CREDENTIAL_SSH_KEY) return give_key(call, out, user);
    if (allowed & GIT_CREDENTIAL_USERNAME) return call->api->git_credential_username_new(out, user);
    if (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) return give_password(call, out, url);
    return refuse(call, "the server asks for a kind of credential that is not supported");
}

static int on_progress(const git_indexer_progress *stats, void *payload)
{
    (void)stats;
    const remote_call *call = payload;
    return cancelled(call->options) ? GIT_EUSER : 0;
}

static int on_sideband(const char *text, int length, void *payload)
{
    (void)text;
    (void)length;
    const remote_call *call = payload;
    return cancelled(call->options) ? GIT_EUSER : 0;
}

/* ---- Which branch ---- */

static ql_status fail(const remote_call *call, int code, const char *what, ql_error *err)
{
    return ql__git_fail(call->api, code, ql__git_secret(call->options, call->url), what, err);
}

static ql_status no_branch(const remote_call *call, ql_error *err)
{
    ql_str branch = call->options->config->branch;
    if (branch.len == 0) return ql__fail(err, QL_E_NOTFOUND, "%s has no commits", ql_buf_cstr(&call->url->base));
    return ql__fail(err, QL_E_NOTFOUND, "no branch or tag '%.*s' in %s", (int)branch.len, branch.ptr, ql_buf_cstr(&call->url->base));
}

/*
 * The branch that HEAD stands for: what the server says, else (old servers, a HEAD on no branch) one at the same commit, of several the usual one.
 * libgit2's own answer looks into the repository's settings, and asking has no repository. NULL: none.
 */
static const char *default_branch(const git_remote_head **heads, size_t count)
{
    static const char *const usual[] = {"refs/heads/main", "refs/heads/master"};
    const char *first = NULL;
    if (count == 0 || strcmp(heads[0]->name, "HEAD") != 0) return NULL;
    if (heads[0]->symref_target != NULL) return heads[0]->symref_target;
    for (size_t u = 0; u < sizeof usual / sizeof *usual; u++) {
        for (size_t i = 1; i < count; i++) {
            if (memcmp(heads[i]->oid.id, heads[0]->oid.id, sizeof heads[0]->oid.id) != 0 || strncmp(heads[i]->name, "refs/heads/", 11) != 0) continue;
            if (strcmp(heads[i]->name, usual[u]) == 0) return heads[i]->name;
            if (first == NULL) first = heads[i]->name;
        }
    }
    return first;
}

/* The reference of the remote that the configuration means: refs/heads/B, refs/tags/B, or what HEAD points to. */
static ql_status choose_reference(remote_call *call, git_remote *remote, ql_buf *reference, git_oid *commit, ql_error *err)
{
    const git_remote_head **heads;
    size_t count;
    int code = call->api->git_remote_ls(&heads, &count, remote);
    if (code < 0) return fail(call, code, "cannot list branches", err);
    ql_buf wanted[2] = {QL_BUF_INIT, QL_BUF_INIT};
    ql_str branch = call->options->config->branch;
    if (branch.len > 0) {
        (void)ql_buf_printf(&wanted[0], "refs/heads/%.*s", (int)branch.len, branch.ptr);
        (void)ql_buf_printf(&wanted[1], "refs/tags/%.*s", (int)branch.len, branch.ptr);
    } else {
        const char *name = default_branch(heads, count);
        if (name != NULL) (void)ql_buf_append(&wanted[0], ql_str_of(name));
    }
    ql_status status = no_branch(call, err);
    for (size_t w = 0; w < 2 && status != QL_OK; w++) {
        for (size_t i = 0; i < count && wanted[w].len > 0; i++) {
            if (strcmp(heads[i]->name, ql_buf_cstr(&wanted[w])) != 0) continue;
            *commit = heads[i]->oid;
            status = ql_buf_append(reference, ql_buf_str(&wanted[w])) < 0 ? ql__fail_nomem(err) : QL_OK;
            break;
        }
    }
    ql_buf_dispose(&wanted[0]);
    ql_buf_dispose(&wanted[1]);
    return status;
}

static ql_str short_name(ql_str reference)
{
    static const char *const heads[] = {"refs/heads/", "refs/tags/", "refs/remotes/origin/"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t len = strlen(heads[i]);
        if (reference.len > len && memcmp(reference.ptr, heads[i], len) == 0) return (ql_str){reference.ptr + len, reference.len - len};
    }
    return reference;
}

/* ---- Reading a repository ---- */

ql_status ql__git_open(const ql__git_api *api, const char *path, git_repository **out, ql_error *err)
{
    int code = api->git_repository_open_ext(out, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
    return code < 0 ? ql__git_fail(api, code, (ql_str){NULL, 0}, "cannot open the repository", err) : QL_OK;
}

/* The commit behind reference; annotated tags are followed. */
static ql_status peel(const remote_call *call, git_reference *reference, git_oid *out, ql_error *err)
{
    git_object *object = NULL;
    int code = call->api->git_reference_peel(&object, reference, GIT_OBJECT_COMMIT);
    if (code < 0) return fail(call, code, "the branch does not lead to a commit", err);
    *out = *call->api->git_object_id(object);
    call->api->git_object_free(object);
    return QL_OK;
}

/* A branch, else a tag, else a branch that was only fetched; or HEAD when name is empty. A full "refs/..." name is taken as it is. */
static int look_up(const remote_call *call, git_repository *repo, ql_str name, git_reference **out)
{
    static const char *const places[] = {"refs/heads/", "refs/tags/", "refs/remotes/origin/"};
    if (name.len == 0) return call->api->git_repository_head(out, repo);
    QL_AUTO(ql_buf, ql_buf_dispose) full = QL_BUF_INIT;
    bool is_full = name.len > 5 && memcmp(name.ptr, "refs/", 5) == 0;
    int code = GIT_ENOTFOUND;
    for (size_t i = 0; i < (is_full ? 1 : sizeof places / sizeof *places) && code != 0; i++) {
        ql_buf_clear(&full);
        if (!is_full) (void)ql_buf_append(&full, ql_str_of(places[i]));
        if (ql_buf_append(&full, name) < 0) return GIT_ERROR;
        code = call->api->git_reference_dwim(out, repo, ql_buf_cstr(&full));
    }
    return code;
}

static ql_status find_head(const remote_call *call, git_repository *repo, ql_str branch, ql__git_head *out, ql_error *err)
{
    git_reference *reference = NULL;
    int code = look_up(call, repo, branch, &reference);
    if (code == GIT_ENOTFOUND || code == GIT_EUNBORNBRANCH || code == GIT_EINVALIDSPEC) return no_branch(call, err);
    if (code < 0) return fail(call, code, "cannot read the branch", err);
    ql_str shown = branch.len > 0 ? branch : ql_str_of(call->api->git_reference_shorthand(reference));
    ql_status status = ql_buf_append(&out->branch, short_name(shown)) < 0 ? ql__fail_nomem(err) : peel(call, reference, &out->commit, err);
    call->api->git_reference_free(reference);
    return status;
}

static ql_status open_local(const remote_call *call, ql__git_head *out, ql_error *err)
{
    git_repository *repo = NULL;
    const char *path = ql_buf_cstr(&call->url->path);
    ql_status status = ql__git_open(call->api, path, &repo, err);
    if (status == QL_OK && ql_buf_append(&out->path, ql_buf_str(&call->url->path)) < 0) status = ql__fail_nomem(err);
    if (status == QL_OK) status = find_head(call, repo, call->options->config->branch, out, err);
    else ql__error_prefix(err, "%s", path);
    call->api->git_repository_free(repo);
    return status;
}

/* ---- The copy in the cache ---- */

static ql_status lock_folder(const remote_call *call, const char *folder, int *out_fd, ql_error *err)
{
    const ql__sys *sys = call->options->sys;
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    QL_TRY(ql__dir_make(sys, folder, 0700, err));
    if (ql_buf_printf(&path, "%s/lock", folder) < 0) return ql__fail_nomem(err);
    int fd;
    QL_TRY(ql__file_open(sys, ql_buf_cstr(&path), O_RDWR | O_CREAT, 0600, &fd, err));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* held by the descriptor, so other threads wait too */
    for (int waited = 0; fcntl(fd, F_OFD_SETLK, &whole) != 0; waited += POLL_MS) {
        ql_status status = errno != EAGAIN && errno != EACCES && errno != EINTR ? ql__fail_errno(err, errno, "cannot lock %s", ql_buf_cstr(&path))
                           : waited >= LOCK_WAIT_MS ? ql__fail(err, QL_E_BUSY, "another process is fetching into %s", folder)
                                                    : pause_ms(call->options, POLL_MS, err);
        if (status < 0) {
            ql__file_close(sys, fd);
            return status;
        }
    }
    *out_fd = fd;
    return QL_OK;
}

static ql_status open_copy(const remote_call *call, const char *path, git_repository **out, ql_error *err)
{
    if (call->api->git_repository_open_ext(out, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) == 0) return QL_OK;
    git_repository_init_options init;
    int code = call->api->git_repository_init_options_init(&init, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    if (code == 0) {
        init.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_DOTGIT_DIR;
        code = call->api->git_repository_init_ext(out, path, &init);
    }
    if (code == 0) return QL_OK;
    ql_status status = fail(call, code, "cannot open the copy in the cache; remove its folder to fetch it anew", err);
    ql__error_prefix(err, "%s", path);
    return status;
}

static ql_status fetch_reference(remote_call *call, git_remote *remote, const git_remote_callbacks *callbacks, ql_str reference, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) spec = QL_BUF_INIT;
    if (ql_buf_printf(&spec, "+%.*s:%.*s", (int)reference.len, reference.ptr, (int)reference.len, reference.ptr) < 0)
        return ql__fail_nomem(err);
    git_fetch_options options;
    int code = call->api->git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    if (code == 0) {
        options.callbacks = *callbacks;
        options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
        options.proxy_opts.type = GIT_PROXY_AUTO;
        if (call->options->config->depth_set && call->options->config->depth > 0)
            options.depth = call->options->config->depth > INT32_MAX ? INT32_MAX : (int)call->options->config->depth;
        char *texts[1] = {spec.ptr};
        git_strarray specs = {texts, 1};
        code = call->api->git_remote_fetch(remote, &specs, &options, NULL);
    }
    return code < 0 ? fail(call, code, "cannot fetch", err) : QL_OK;
}

/* Reads the copy's reference; false when it is not at commit yet or the commit is not there. */
static bool is_current(const remote_call *call, git_repository *repo, const char *reference, const git_oid *commit)
{
    git_oid have;
    if (call->api->git_reference_name_to_id(&have, repo, reference) != 0) return false;
    git_odb *odb = NULL;
    bool there = memcmp(have.id, commit->id, sizeof have.id) == 0 && call->api->git_repository_odb(&odb, repo) == 0 &&
                 call->api->git_odb_exists(odb, commit) == 1;
    call->api->git_odb_free(odb);
    return there;
}

/* What the system says of a socket (connection refused, no route) is the network's failure, not a disk's. */
static ql_status connect_failed(const remote_call *call, int code, ql_error *err)
{
    ql_status status = fail(call, code, "cannot connect", err);
    if (ql_status_kind(status) != QL_E_IO) return status;
    if (err != NULL) err->status = QL_E_NET;
    return QL_E_NET;
}

/* Connects and finds the reference that is meant and where it stands. repo NULL: for asking only. *remote is freed by the caller, also after a failure. */
static ql_status connect_to(remote_call *call, git_repository *repo, git_remote **remote, git_remote_callbacks *callbacks, ql_buf *reference,
                            git_oid *commit, ql_error *err)
{
    const char *address = ql_buf_cstr(&call->url->remote);
    git_proxy_options proxy;
    int code = call->api->git_remote_init_callbacks(callbacks, GIT_REMOTE_CALLBACKS_VERSION);
    if (code == 0) code = call->api->git_proxy_options_init(&proxy, GIT_PROXY_OPTIONS_VERSION);
    if (code == 0) code = repo != NULL ? call->api->git_remote_create_anonymous(remote, repo, address) : call->api->git_remote_create_detached(remote, address);
    if (code < 0) return fail(call, code, "cannot reach the repository", err);
    callbacks->credentials = give_credential;
    callbacks->transfer_progress = on_progress;
    callbacks->sideband_progress = on_sideband;
    callbacks->payload = call;
    proxy.type = GIT_PROXY_AUTO;
    call->password_tries = call->key_tries = 0;
    call->agent_tried = false;
    code = call->api->git_remote_connect(*remote, GIT_DIRECTION_FETCH, callbacks, &proxy, NULL);
    call->permanent = code == GIT_ECERTIFICATE;
    if (code == GIT_ECERTIFICATE && call->url->reach == QL__GIT_SSH)
        return ql__fail(err, QL_E_NET, "the ssh key of %s is not in ~/.ssh/known_hosts, or not that one; connect once with ssh to check it",
                        ql_buf_cstr(&call->url->host));
    ql_buf_clear(reference);
    return code < 0 ? connect_failed(call, code, err) : choose_reference(call, *remote, reference, commit, err);
}

static ql_status update_copy(remote_call *call, git_repository *repo, ql_buf *reference, ql_error *err)
{
    git_remote_callbacks callbacks;
    git_remote *remote = NULL;
    git_oid commit;
    ql_status status = connect_to(call, repo, &remote, &callbacks, reference, &commit, err);
    if (status == QL_OK && !is_current(call, repo, ql_buf_cstr(reference), &commit))
        status = fetch_reference(call, remote, &callbacks, ql_buf_str(reference), err);
    call->api->git_remote_free(remote);
    if (status < 0 && cancelled(call->options)) return ql__fail(err, QL_E_CANCELLED, "cancelled while fetching");
    return status;
}

ql_status ql__git_ask(const ql__git_api *api, const ql__source_options *options, const ql__git_url *url, ql_error *err)
{
    remote_call call = {.api = api, .options = options, .url = url};
    QL_AUTO(ql_buf, ql_buf_dispose) reference = QL_BUF_INIT;
    git_remote_callbacks callbacks;
    git_remote *remote = NULL;
    git_oid commit;
    bool before = ql__git_fetching(true);
    ql_status status = connect_to(&call, NULL, &remote, &callbacks, &reference, &commit, err);
    api->git_remote_free(remote);
    (void)ql__git_fetching(before);
    return status;
}

static ql_status update_with_retries(remote_call *call, git_repository *repo, ql_buf *reference, ql_error *err)
{
    for (int attempt = 1;; attempt++) {
        ql_status status = update_copy(call, repo, reference, err);
        ql_status kind = ql_status_kind(status);
        if ((kind != QL_E_NET && kind != QL_E_TIMEOUT) || call->permanent || attempt == TRIES) return status;
        ql__log_write(call->options->log, QL_LOG_WARNING, "git", "%s: try %d of %d failed (%s)", ql_buf_cstr(&call->url->base), attempt,
                      (int)TRIES, err != NULL ? err->message : ql_status_name(kind));
        QL_TRY(pause_ms(call->options, RETRY_PAUSE_MS, err));
    }
}

static ql_status sync_copy(remote_call *call, const char *path, ql__git_head *out, ql_error *err)
{
    git_repository *repo = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) reference = QL_BUF_INIT;
    QL_TRY(open_copy(call, path, &repo, err));
    bool before = ql__git_fetching(true);
    ql_status status = update_with_retries(call, repo, &reference, err);
    (void)ql__git_fetching(before);
    if (status == QL_OK) status = find_head(call, repo, ql_buf_str(&reference), out, err);
    if (status == QL_OK && ql_buf_append(&out->path, ql_str_of(path)) < 0) status = ql__fail_nomem(err);
    call->api->git_repository_free(repo);
    return status;
}

ql_status ql__git_sync(const ql__git_api *api, const ql__source_options *options, const ql__git_url *url, const char *folder,
                       ql__git_head *out, ql_error *err)
{
    remote_call call = {.api = api, .options = options, .url = url};
    ql_error own; /* the retries log what failed even if the caller does not want to know */
    if (err == NULL) err = &own;
    if (url->reach == QL__GIT_LOCAL) return open_local(&call, out, err);
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    if (ql_buf_printf(&path, "%s/repository", folder) < 0) return ql__fail_nomem(err);
    int lock_fd = -1;
    QL_TRY(lock_folder(&call, folder, &lock_fd, err));
    ql_status status = sync_copy(&call, ql_buf_cstr(&path), out, err);
    ql__file_close(options->sys, lock_fd);
    return status;
}
