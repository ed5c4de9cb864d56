/* Remote repositories over smart HTTP from a server on loopback: first and later fetches, depth, tokens, redirects, certificates. */
#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/source/git_fixture.h"

typedef struct server {
    pid_t pid;
    int input; /* closing it ends the server */
    int port;
} server;

static char *shared_dir; /* of certificates */

static server start_server(git_fixture *self, const char *certificate)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0); /* the next server must not keep this one alive */
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    server result = {.input = in[1]};
    char log[600], pem[600], key[600];
    snprintf(log, sizeof log, "%s/requests", self->dir);
    snprintf(pem, sizeof pem, "%s/%s.pem", shared_dir, certificate != NULL ? certificate : "");
    snprintf(key, sizeof key, "%s/%s.key", shared_dir, certificate != NULL ? certificate : "");
    result.pid = fork();
    assert_true(result.pid >= 0);
    if (result.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execlp("python3", "python3", QL_TEST_SOURCE_DIR "/tests/support/git_http_server.py", self->dir, log, certificate != NULL ? pem : NULL, key, NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    FILE *answer = fdopen(out[0], "r");
    char line[32] = "";
    if (fgets(line, sizeof line, answer) == NULL || (result.port = atoi(line)) <= 0) fail_msg("the server did not start");
    fclose(answer);
    return result;
}

static void stop_server(server *self)
{
    close(self->input);
    (void)waitpid(self->pid, NULL, 0);
}

static void make_repository(git_fixture *self)
{
    git_run(self, "git init -q -b trunk .");
    for (int i = 0; i < 5; i++) {
        git_write(self, i % 2 ? "docs/b.md" : "a.md", (char[]){(char)('0' + i), '\n', '\0'});
        git_commit_all(self, "commit");
    }
}

static void use_url(git_fixture *self, const char *scheme, const server *from, const char *place)
{
    snprintf(self->base_url, sizeof self->base_url, "%s://127.0.0.1:%d/%s/work/.git", scheme, from->port, place);
    self->config.base_url = ql_str_of(self->base_url);
}

static void copy_answers(git_fixture *self, const char *question, char *out, size_t size)
{
    git_ask(self, out, size, "git --git-dir \"$(ls -d '%s'/git/*/repository)\" %s", self->cache, question);
}

static void test_git_remote__fetches_once_and_then_only_what_is_new(void **state)
{
    git_fixture *self = *state;
    make_repository(self);
    server http = start_server(self, NULL);
    use_url(self, "http", &http, "open");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 2);
    ql_document document;
    void *token;
    git_fetch_one(self, "/blob/trunk/docs/b.md", &document, &token);
    assert_true(ql_str_equal(document.content, QL_STR("3\n")));
    assert_int_equal(document.updated_at_ms, (self->clock_s - 60) * 1000);
    assert_true(document.created_at_ms < document.updated_at_ms && document.created_at_ms > 0);
    self->ops->release_fn(self->source, token);
    char log[600], posts[50];
    snprintf(log, sizeof log, "%s/requests", self->dir);
    git_open_and_list(self);
    git_ask(self, posts, sizeof posts, "grep -c upload-pack\\ - '%s'", log);
    assert_string_equal(posts, "3"); /* look, fetch, look */
    git_write(self, "c.md", "new\n");
    git_commit_all(self, "six");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 3);
    git_fetch_one(self, "/c.md", &document, &token);
    assert_int_equal(document.created_at_ms, self->clock_s * 1000);
    self->ops->release_fn(self->source, token);
    git_run(self, "git rm -q a.md && git commit -q --amend -m rewritten");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 2);
    stop_server(&http);
}

static void test_git_remote__fetches_no_more_than_the_depth(void **state)
{
    git_fixture *self = *state;
    make_repository(self);
    server http = start_server(self, NULL);
    use_url(self, "http", &http, "open");
    self->config.depth_set = true;
    self->config.depth = 2;
    git_open_and_list(self);
    char answer[100];
    copy_answers(self, "rev-list --count trunk", answer, sizeof answer);
    assert_string_equal(answer, "2");
    ql_document document;
    void *token;
    git_fetch_one(self, "/a.md", &document, &token); /* changed by the newest commit, made by the first */
    assert_int_equal(document.updated_at_ms, self->clock_s * 1000);
    assert_true(document.created_at_ms == QL_TIME_UNKNOWN);
    self->ops->release_fn(self->source, token);
    git_fetch_one(self, "/docs/b.md", &document, &token);
    assert_true(document.updated_at_ms == QL_TIME_UNKNOWN);
    self->ops->release_fn(self->source, token);
    for (int i = 0; i < 3; i++) {
        git_write(self, "a.md", (char[]){(char)('x' + i), '\0'});
        git_commit_all(self, "more");
    }
    git_open_and_list(self);
    git_fetch_one(self, "/a.md", &document, &token);
    assert_true(ql_str_equal(document.content, QL_STR("z")));
    assert_int_equal(document.updated_at_ms, self->clock_s * 1000);
    self->ops->release_fn(self->source, token);
    stop_server(&http);
}

static void test_git_remote__sends_the_token_in_the_ways_hosts_accept(void **state)
{
    git_fixture *self = *state;
    make_repository(self);
    server http = start_server(self, NULL);
    self->config.token = QL_STR("right-token");
    use_url(self, "http", &http, "token");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 2);
    use_url(self, "http", &http, "asuser");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 2);
    self->config.token = QL_STR("someone:right-token");
    use_url(self, "http", &http, "token");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 2);
    stop_server(&http);
}

static void assert_refused(git_fixture *self, ql_status expected, const char *because)
{
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_int_equal(git_try_list(self, &err), expected);
    if (strstr(err.message, because) == NULL) fail_msg("'%s' does not say '%s'", err.message, because);
    assert_null(strstr(err.message, "wrong-token"));
    assert_null(strstr(err.message, "right-token"));
    assert_int_equal(self->list.count, 0);
}

static void test_git_remote__a_refused_token_is_an_error_without_the_token(void **state)
{
    git_fixture *self = *state;
    make_repository(self);
    server http = start_server(self, NULL);
    use_url(self, "http", &http, "token");
    assert_refused(self, QL_E_AUTH, "none is configured");
    self->config.token = QL_STR("wrong-token");
    assert_refused(self, QL_E_AUTH, "does not accept the token");
    snprintf(self->base_url, sizeof self->base_url, "http://bob:wrong-token@127.0.0.1:%d/token/work/.git", http.port);
    self->config.base_url = ql_str_of(self->base_url);
    self->config.token = (ql_str){NULL, 0};
    assert_refused(self, QL_E_AUTH, "does not accept the user name and token");
    use_url(self, "http", &http, "open");
    self->config.branch = QL_STR("nope");
    assert_refused(self, QL_E_NOTFOUND, "'nope'");
    snprintf(self->base_url, sizeof self->base_url, "http://127.0.0.1:%d/open/none/.git", http.port);
    self->config.base_url = ql_str_of(self->base_url);
    assert_refused(self, QL_E_NOTFOUND, "404");
    stop_server(&http);
}

static ql_status ask(git_fixture *self, ql_error *err)
{
    ql__source_options options = {.config = &self->config, .sys = ql__sys_default(), .cache_dir = self->cache};
    ql_status status = ql__source_reach(&options, err);
    assert_null(strstr(err->message, "wrong-token"));
    return status;
}

static void test_git_remote__is_asked_without_a_fetch(void **state)
{
    git_fixture *self = *state;
    ql_error err = {0};
    make_repository(self);
    server http = start_server(self, NULL);
    use_url(self, "http", &http, "token");
    assert_int_equal(ask(self, &err), QL_E_AUTH);
    self->config.token = QL_STR("wrong-token");
    assert_int_equal(ask(self, &err), QL_E_AUTH);
    self->config.token = QL_STR("right-token");
    assert_int_equal(ask(self, &err), QL_OK);
    self->config.branch = QL_STR("nope");
    assert_int_equal(ask(self, &err), QL_E_NOTFOUND);
    stop_server(&http);
    assert_int_equal(ask(self, &err), QL_E_NET);
    char entries[50];
    git_ask(self, entries, sizeof entries, "ls -A '%s' 2>/dev/null | wc -l", self->cache);
    assert_string_equal(entries, "0");
}

/* A server tells no name for such a HEAD. */
static void test_git_remote__a_head_on_no_branch_means_one_at_its_commit(void **state)
{
    git_fixture *self = *state;
    ql_error err = {0};
    make_repository(self);
    git_run(self, "git checkout -q --detach && git branch also");
    server http = start_server(self, NULL);
    use_url(self, "http", &http, "open");
    assert_int_equal(ask(self, &err), QL_OK);
    git_open_and_list(self);
    assert_listed(&self->list, "/blob/also/a.md");
    git_run(self, "git branch main");
    git_open_and_list(self);
    assert_listed(&self->list, "/blob/main/a.md");
    git_run(self, "git checkout -q --detach HEAD~2");
    assert_int_equal(ask(self, &err), QL_E_NOTFOUND);
    stop_server(&http);
}

static void test_git_remote__a_redirect_does_not_carry_the_token_away(void **state)
{
    git_fixture *self = *state;
    make_repository(self);
    server http = start_server(self, NULL);
    use_url(self, "http", &http, "elsewhere");
    self->config.token = QL_STR("right-token");
    assert_refused(self, QL_E_AUTH, "another host");
    char log[600], count[50];
    snprintf(log, sizeof log, "%s/requests", self->dir);
    git_ask(self, count, sizeof count, "grep -c '^127.0.0.2' '%s'", log);
    assert_int_not_equal(atoi(count), 0);
    git_ask(self, count, sizeof count, "grep -c login '%s'", log);
    assert_string_equal(count, "0");
    stop_server(&http);
}

static void test_git_remote__checks_certificates(void **state)
{
    git_fixture *self = *state;
    make_repository(self);
    server good = start_server(self, "known"), bad = start_server(self, "unknown");
    use_url(self, "https", &good, "token");
    self->config.token = QL_STR("right-token");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 2);
    use_url(self, "https", &bad, "token");
    assert_refused(self, QL_E_NET, "certificate");
    char log[600], count[50];
    snprintf(log, sizeof log, "%s/requests", self->dir);
    git_ask(self, count, sizeof count, "grep -c ':%d ' '%s'", bad.port, log);
    assert_string_equal(count, "0");
    stop_server(&good);
    stop_server(&bad);
}

/* Runs before libgit2 is loaded: its TLS library reads the environment once. */
static int make_certificates(void **state)
{
    (void)state;
    shared_dir = ql_test_dir_new();
    static const char *const names[] = {"known", "unknown"};
    for (size_t i = 0; i < 2; i++) {
        char command[2000];
        snprintf(command, sizeof command,
                 "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
                 "-keyout '%s/%s.key' -out '%s/%s.pem' >/dev/null 2>&1",
                 shared_dir, names[i], shared_dir, names[i]);
        if (system(command) != 0) return -1;
    }
    char file[600];
    snprintf(file, sizeof file, "%s/known.pem", shared_dir);
    setenv("SSL_CERT_FILE", file, 1);
    setenv("no_proxy", "*", 1);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    ql_test_dir_remove(shared_dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_git_remote__##name, git_set_up, git_tear_down)
        TEST(fetches_once_and_then_only_what_is_new),
        TEST(fetches_no_more_than_the_depth),
        TEST(sends_the_token_in_the_ways_hosts_accept),
        TEST(a_refused_token_is_an_error_without_the_token),
        TEST(is_asked_without_a_fetch),
        TEST(a_head_on_no_branch_means_one_at_its_commit),
        TEST(a_redirect_does_not_carry_the_token_away),
        TEST(checks_certificates),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
