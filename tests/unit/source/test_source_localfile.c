/* The localfile source on real folders: what is listed, what is refused, links, odd names, changes, failing calls. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "source/source.h"
#include "support/testing.h"
#include "unit/source/listing.h"

typedef struct fixture {
    char *dir;
    char base_url[512];
    ql_str includes[4], excludes[4], types[4];
    ql__config_source config;
    const ql__sys *sys;
    const ql_source_ops *ops;
    void *source;
    listing list;
} fixture;

static int set_up(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    self->dir = ql_test_dir_new();
    char real[400];
    assert_non_null(realpath(self->dir, real));
    snprintf(self->base_url, sizeof self->base_url, "file://%s", real);
    self->config = (ql__config_source){.type = QL__SOURCE_LOCALFILE, .type_name = QL_STR("localfile"), .name = QL_STR("docs"),
                                       .base_url = ql_str_of(self->base_url), .max_file_size = 1 << 20};
    self->sys = ql__sys_default();
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    listing_clear(&self->list);
    if (self->source != NULL) self->ops->close_fn(self->source);
    ql_test_dir_remove(self->dir);
    free(self);
    return 0;
}

static void write_file(fixture *self, const char *name, const char *content)
{
    ql_test_file_write(ql_test_path(self->dir, name), ql_str_of(content));
}

static void open_source(fixture *self)
{
    if (self->source != NULL) self->ops->close_fn(self->source);
    self->source = NULL;
    ql__source_options options = {.config = &self->config, .sys = self->sys};
    ql_error err = {0};
    ql_status status = ql__source_open(&options, &self->ops, &self->source, &err);
    if (status != QL_OK) fail_msg("%s", err.message);
}

static void list_again(fixture *self)
{
    listing_clear(&self->list);
    ql_source_sink sink = listing_sink(&self->list);
    ql_error err = {0};
    ql_status status = self->ops->list_fn(self->source, &sink, &err);
    if (status != QL_OK) fail_msg("%s", err.message);
}

static void open_and_list(fixture *self)
{
    open_source(self);
    list_again(self);
}

static void test_source_localfile__lists_files_with_the_references_addresses(void **state)
{
    fixture *self = *state;
    write_file(self, "README.md", "# Hello\n");
    write_file(self, "A B/Read#Me?.md", "x");
    write_file(self, ".github/ci.yml", "x");
    write_file(self, ".hidden", "x");
    open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 3);
    assert_listed(&self->list, "/README.md");
    assert_listed(&self->list, "/.github/ci.yml");
    assert_skipped(&self->list, "/.hidden", "hidden file");
    char expected[600];
    snprintf(expected, sizeof expected, "%s/A B/Read#Me?.md", self->base_url);
    assert_non_null(listing_find(&self->list, expected));
}

static void test_source_localfile__fetches_content_and_facts(void **state)
{
    fixture *self = *state;
    write_file(self, "guide/Install.MD", "one two\nthree\n");
    open_and_list(self);
    ql_item item = item_of(listing_find(&self->list, "/guide/Install.MD"));
    ql_document document;
    void *token;
    assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, NULL), QL_OK);
    assert_true(ql_str_equal(document.content, QL_STR("one two\nthree\n")));
    assert_true(ql_str_equal(document.title, QL_STR("Install.MD")));
    assert_true(ql_str_equal(document.content_type, QL_STR("md")));
    assert_true(ql_str_equal(document.url, item.url));
    assert_true(ql_str_equal(document.metadata_json,
                             QL_STR("{\"file_type\":\".MD\",\"file_name\":\"Install.MD\",\"file_directory\":\"/guide\",\"file_encoding\":"
                                    "\"utf-8\",\"file_size\":14,\"line_count\":2,\"word_count\":3}")));
    struct stat st;
    assert_int_equal(stat(ql_test_path(self->dir, "guide/Install.MD"), &st), 0);
    assert_int_equal(document.updated_at_ms / 1000, st.st_mtim.tv_sec);
    self->ops->release_fn(self->source, token);
}

static void test_source_localfile__lists_every_name_under_an_identity_of_its_own(void **state)
{
    fixture *self = *state;
    static const char *const names[] = {"new\nline.md", "new%0Aline.md", "latin\xe9.md", "latin\xef\xbf\xbd.md", "tab\t.md", " lead.md", "-.md",
                                        "\xe6\x97\xa5\xe6\x9c\xac.md", "localhost"};
    size_t count = sizeof names / sizeof *names;
    for (size_t i = 0; i < count; i++) write_file(self, names[i], names[i]);
    open_and_list(self);
    assert_int_equal(listing_documents(&self->list), count);
    for (size_t i = 0; i < self->list.count; i++) {
        ql_item item = item_of(&self->list.items[i]);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(self->list.items[i].url, self->list.items[j].url);
        for (const char *c = self->list.items[i].url; *c != '\0'; c++) assert_true((unsigned char)*c >= 0x20);
        ql_document document;
        void *token;
        assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, NULL), QL_OK);
        bool known = false;
        for (size_t j = 0; j < count; j++) known |= ql_str_equal(document.content, ql_str_of(names[j]));
        assert_true(known);
        self->ops->release_fn(self->source, token);
    }
    assert_non_null(listing_find(&self->list, "/latin%E9.md"));
    assert_true(strncmp(listing_find(&self->list, "/latin%E9.md")->url, "file://localhost/", 17) == 0);
}

static void test_source_localfile__never_leaves_the_root_by_links(void **state)
{
    fixture *self = *state;
    char *outside = ql_test_dir_new();
    ql_test_file_write(ql_test_path(outside, "secret.md"), QL_STR("secret"));
    write_file(self, "docs/real.md", "real");
    write_file(self, "raw/target.dat", "data");
    char target[600];
    snprintf(target, sizeof target, "%s/secret.md", outside);
    assert_int_equal(symlink(target, ql_test_path(self->dir, "docs/file.md")), 0);
    assert_int_equal(symlink(outside, ql_test_path(self->dir, "docs/folder")), 0);
    assert_int_equal(symlink("..", ql_test_path(self->dir, "docs/up")), 0);
    assert_int_equal(symlink("real.md", ql_test_path(self->dir, "docs/again.md")), 0);
    assert_int_equal(symlink("../raw/target.dat", ql_test_path(self->dir, "docs/data.md")), 0);
    assert_int_equal(symlink("../raw/target.dat", ql_test_path(self->dir, "docs/data2.md")), 0);
    assert_int_equal(symlink("nowhere", ql_test_path(self->dir, "docs/broken.md")), 0);
    assert_int_equal(symlink("loop.md", ql_test_path(self->dir, "docs/loop.md")), 0);
    assert_int_equal(symlink("/dev/null", ql_test_path(self->dir, "docs/null.md")), 0);
    assert_int_equal(mkfifo(ql_test_path(self->dir, "docs/pipe.md"), 0600), 0);
    self->types[0] = QL_STR("*.md");
    self->config.file_types = (ql__strs){self->types, 1};
    open_and_list(self);
    assert_skipped(&self->list, "/docs/file.md", "symbolic link out of the source's folder");
    assert_skipped(&self->list, "/docs/folder", "symbolic link out of the source's folder");
    assert_skipped(&self->list, "/docs/up", "symbolic link out of the source's folder");
    assert_skipped(&self->list, "/docs/again.md", "symbolic link to a file that is listed itself");
    assert_skipped(&self->list, "/docs/broken.md", "symbolic link that leads nowhere");
    assert_skipped(&self->list, "/docs/loop.md", "symbolic link that leads nowhere");
    assert_skipped(&self->list, "/docs/null.md", "symbolic link out of the source's folder");
    assert_skipped(&self->list, "/docs/pipe.md", "not a regular file");
    assert_int_equal(listing_documents(&self->list), 2); /* real.md and the one file behind data.md and data2.md */
    for (size_t i = 0; i < self->list.count; i++) assert_null(strstr(self->list.items[i].url, "secret"));
    ql_test_dir_remove(outside);
}

/* The link is put in place between listing and fetching. */
static void test_source_localfile__refuses_a_file_exchanged_for_a_link(void **state)
{
    fixture *self = *state;
    char *outside = ql_test_dir_new();
    ql_test_file_write(ql_test_path(outside, "a.md"), QL_STR("secret"));
    write_file(self, "docs/a.md", "mine");
    write_file(self, "b.md", "mine");
    open_and_list(self);
    char target[600];
    snprintf(target, sizeof target, "%s/a.md", outside);
    assert_int_equal(unlink(ql_test_path(self->dir, "b.md")), 0);
    assert_int_equal(symlink(target, ql_test_path(self->dir, "b.md")), 0);
    assert_int_equal(rename(ql_test_path(self->dir, "docs"), ql_test_path(self->dir, "kept")), 0);
    assert_int_equal(symlink(outside, ql_test_path(self->dir, "docs")), 0);
    for (size_t i = 0; i < self->list.count; i++) {
        ql_item item = item_of(&self->list.items[i]);
        ql_document document;
        void *token = NULL;
        ql_error err = {0};
        assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, &err), QL_E_NOTFOUND);
        assert_null(token);
    }
    ql_test_dir_remove(outside);
}

static void test_source_localfile__refuses_keys_that_climb(void **state)
{
    fixture *self = *state;
    write_file(self, "a/x.md", "x");
    open_source(self);
    static const char *const keys[] = {"../etc/passwd", "a/../a/x.md", "/etc/passwd", "a//x.md", "", ".", "..", "a/."};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[64];
        size_t len = strlen(keys[i]);
        memcpy(key, keys[i], len + 1);
        ql_item item = {.struct_size = sizeof item, .url = QL_STR("file:///x"), .key = {key, len + 1}};
        ql_document document;
        void *token = NULL;
        assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, NULL), QL_E_NOTFOUND);
    }
}

static void test_source_localfile__version_follows_changes(void **state)
{
    fixture *self = *state;
    write_file(self, "a.md", "one");
    write_file(self, "b.md", "two");
    open_and_list(self);
    char *a = strdup(listing_find(&self->list, "/a.md")->version), *b = strdup(listing_find(&self->list, "/b.md")->version);
    list_again(self);
    assert_string_equal(a, listing_find(&self->list, "/a.md")->version);
    /* Same size, same modification time: the change of the inode still shows. */
    struct stat st;
    assert_int_equal(stat(ql_test_path(self->dir, "a.md"), &st), 0);
    write_file(self, "a.md", "ONE");
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, ql_test_path(self->dir, "a.md"), times, 0), 0);
    assert_int_equal(unlink(ql_test_path(self->dir, "b.md")), 0);
    list_again(self);
    assert_string_not_equal(a, listing_find(&self->list, "/a.md")->version);
    assert_null(listing_find(&self->list, "/b.md"));
    free(a);
    free(b);
}

static int64_t now_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A second change within the same tick of the kernel's clock leaves size and times as they are, so reading waits until it is over. */
static void test_source_localfile__lets_the_tick_of_the_last_change_pass(void **state)
{
    fixture *self = *state;
    write_file(self, "a.md", "one");
    struct stat st;
    assert_int_equal(stat(ql_test_path(self->dir, "a.md"), &st), 0);
    self->sys = ql_test_sys();
    ql_test_clock_set((int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 + 5);
    open_source(self);
    int64_t begin = now_ns();
    list_again(self);
    assert_true(now_ns() - begin >= 15000000); /* never less; how much more does not matter */
}

static void test_source_localfile__dates_beyond_what_milliseconds_hold_are_unknown(void **state)
{
    fixture *self = *state;
    static const int64_t seconds[] = {-2208988800, 4102444800, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        write_file(self, "a.md", "x");
        struct timespec times[2] = {{.tv_sec = seconds[i]}, {.tv_sec = seconds[i]}};
        struct stat st;
        assert_int_equal(utimensat(AT_FDCWD, ql_test_path(self->dir, "a.md"), times, 0), 0);
        assert_int_equal(stat(ql_test_path(self->dir, "a.md"), &st), 0); /* a file system keeps what it can */
        open_and_list(self);
        ql_item item = item_of(listing_find(&self->list, "/a.md"));
        ql_document document;
        void *token;
        assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, NULL), QL_OK);
        bool fits = st.st_mtim.tv_sec < INT64_MAX / 1000 && st.st_mtim.tv_sec > INT64_MIN / 1000;
        assert_int_equal(document.updated_at_ms, fits ? st.st_mtim.tv_sec * 1000 : QL_TIME_UNKNOWN);
        self->ops->release_fn(self->source, token);
    }
}

/* git's own files may hold tokens; what git-annex keeps among them are documents. */
static void test_source_localfile__a_link_does_not_show_gits_own_files(void **state)
{
    fixture *self = *state;
    write_file(self, ".git/config", "token");
    write_file(self, "sub/.git/config", "token");
    write_file(self, ".git/annex/objects/x/KEY", "document");
    assert_int_equal(symlink(".git/config", ql_test_path(self->dir, "config.md")), 0);
    assert_int_equal(symlink("sub/.git/config", ql_test_path(self->dir, "sub.md")), 0);
    assert_int_equal(symlink(".git/annex/objects/x/KEY", ql_test_path(self->dir, "annexed.md")), 0);
    open_and_list(self);
    assert_skipped(&self->list, "/config.md", "symbolic link to git's own files");
    assert_skipped(&self->list, "/sub.md", "symbolic link to git's own files");
    assert_int_equal(listing_documents(&self->list), 1);
    assert_listed(&self->list, "/.git/annex/objects/x/KEY");
}

static void test_source_localfile__reports_vanished_and_grown_files(void **state)
{
    fixture *self = *state;
    write_file(self, "gone.md", "x");
    write_file(self, "grown.md", "x");
    self->config.max_file_size = 4;
    write_file(self, "large.md", "12345");
    open_and_list(self);
    assert_skipped(&self->list, "/large.md", "larger than max_file_size: 5 bytes, limit 4");
    assert_int_equal(unlink(ql_test_path(self->dir, "gone.md")), 0);
    write_file(self, "grown.md", "123456");
    ql_document document;
    void *token;
    ql_error err = {0};
    ql_item gone = item_of(listing_find(&self->list, "/gone.md")), grown = item_of(listing_find(&self->list, "/grown.md"));
    assert_int_equal(self->ops->fetch_fn(self->source, &gone, &document, &token, &err), QL_E_NOTFOUND);
    assert_int_equal(self->ops->fetch_fn(self->source, &grown, &document, &token, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "max_file_size"));
}

static void test_source_localfile__reads_files_just_below_and_at_max_file_size(void **state)
{
    fixture *self = *state;
    static char text[100000];
    memset(text, 'x', sizeof text);
    static const size_t sizes[] = {34463, 34464, 34465, 99999, 100000};
    self->config.max_file_size = sizeof text;
    char name[32];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(name, sizeof name, "f%zu.md", sizes[i]);
        ql_test_file_write(ql_test_path(self->dir, name), (ql_str){text, sizes[i]});
    }
    open_and_list(self);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(name, sizeof name, "/f%zu.md", sizes[i]);
        ql_item item = item_of(listing_find(&self->list, name));
        ql_document document;
        void *token;
        ql_error err = {0};
        if (self->ops->fetch_fn(self->source, &item, &document, &token, &err) != QL_OK) fail_msg("%s", err.message);
        assert_int_equal(document.content.len, sizes[i]);
        self->ops->release_fn(self->source, token);
    }
}

static void test_source_localfile__prunes_excluded_folders_and_git(void **state)
{
    fixture *self = *state;
    write_file(self, "src/a.c", "x");
    write_file(self, "src/node_modules/deep/x.js", "x");
    write_file(self, ".git/config", "token");
    self->excludes[0] = QL_STR("**/node_modules/**");
    self->config.exclude_paths = (ql__strs){self->excludes, 1};
    open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 1);
    assert_skipped(&self->list, "/src/node_modules", "excluded by '**/node_modules/**'");
    assert_skipped(&self->list, "/.git", "git's own files");
    assert_int_equal(self->list.count, 3);
}

static void test_source_localfile__says_what_is_wrong_with_the_address(void **state)
{
    fixture *self = *state;
    static const struct {
        const char *url;
        ql_status status;
    } cases[] = {{"file:///no/such/folder", QL_E_NOTFOUND}, {"file://server/share", QL_E_CONFIG}, {"file://", QL_E_CONFIG},
                 {"file:///%00", QL_E_CONFIG}, {"", QL_E_NOTFOUND}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        self->config.base_url = ql_str_of(cases[i].url);
        ql__source_options options = {.config = &self->config, .sys = self->sys};
        ql_error err = {0};
        assert_int_equal(ql_status_kind(ql__source_open(&options, &self->ops, &self->source, &err)), cases[i].status);
        assert_true(err.message[0] != '\0');
        assert_null(self->source);
    }
}

static void test_source_localfile__decodes_the_folder_of_the_address(void **state)
{
    fixture *self = *state;
    write_file(self, "my docs/a.md", "x");
    char url[600];
    snprintf(url, sizeof url, "%s/my%%20docs", self->base_url);
    self->config.base_url = ql_str_of(url);
    open_and_list(self);
    assert_listed(&self->list, "/my docs/a.md");
}

static int stop_at_once(void *user, const ql_item *item)
{
    (void)user;
    (void)item;
    return 7;
}

static void test_source_localfile__stops_when_the_receiver_says_so(void **state)
{
    fixture *self = *state;
    write_file(self, "a.md", "x");
    open_source(self);
    ql_source_sink sink = {.struct_size = sizeof sink, .item_fn = stop_at_once};
    ql_error err = {0};
    assert_int_equal(self->ops->list_fn(self->source, &sink, &err), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 7);
}

/* A folder that cannot be opened must not look like an empty one. */
static void test_source_localfile__listing_is_incomplete_without_a_folder(void **state)
{
    fixture *self = *state;
    write_file(self, "a.md", "x");
    write_file(self, "sub/b.md", "x");
    self->sys = ql_test_sys();
    open_source(self);
    ql_source_sink sink = listing_sink(&self->list);
    ql_error err = {0};
    ql_test_fault_ops(QL_TEST_OPEN);
    ql_test_fault_errno(EACCES);
    ql_test_fault_at(QL_FAULT_FILE, 1); /* 0: the root; 1: sub */
    ql_status status = self->ops->list_fn(self->source, &sink, &err);
    assert_true(ql_test_fault_clear());
    ql_test_fault_errno(EIO);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    assert_int_equal(status, QL_E_PARTIAL);
    assert_non_null(strstr(err.message, "sub"));
    assert_listed(&self->list, "/a.md");
    assert_null(listing_find(&self->list, "/sub/b.md"));
}

/* Its document may be in the index; that its target cannot be looked at now does not mean that it is gone. */
static void test_source_localfile__listing_is_incomplete_without_a_links_target(void **state)
{
    fixture *self = *state;
    write_file(self, "raw/target.dat", "x");
    assert_int_equal(symlink("raw/target.dat", ql_test_path(self->dir, "link.md")), 0);
    self->types[0] = QL_STR("*.md");
    self->config.file_types = (ql__strs){self->types, 1};
    self->sys = ql_test_sys();
    for (long call = 0;; call++) { /* every opening and looking that the listing does */
        open_source(self);
        listing_clear(&self->list);
        ql_source_sink sink = listing_sink(&self->list);
        ql_error err = {0};
        ql_test_fault_ops(QL_TEST_OPEN | QL_TEST_STAT);
        ql_test_fault_errno(EACCES);
        ql_test_fault_at(QL_FAULT_FILE, call);
        ql_status status = self->ops->list_fn(self->source, &sink, &err);
        bool fired = ql_test_fault_clear();
        ql_test_fault_errno(EIO);
        ql_test_fault_ops(QL_TEST_ALL_OPS);
        if (!fired) {
            assert_int_equal(status, QL_OK);
            assert_int_equal(listing_documents(&self->list), 1);
            assert_true(call >= 5);
            break;
        }
        if (status >= 0) fail_msg("call %ld failed and the listing counts as complete", call);
    }
}

typedef struct remover {
    fixture *fixture;
    const char *command;
} remover;

static int remove_while_listing(void *user, const ql_item *item)
{
    (void)item;
    const remover *self = user;
    if (system(self->command) != 0) fail_msg("failed: %s", self->command);
    return 0;
}

static void test_source_localfile__a_root_that_goes_away_is_no_empty_folder(void **state)
{
    fixture *self = *state;
    write_file(self, "root/a.md", "x");
    write_file(self, "root/sub/b.md", "x");
    strcat(self->base_url, "/root");
    self->config.base_url = ql_str_of(self->base_url);
    open_source(self);
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s/root'", self->dir);
    remover remove = {self, command};
    ql_source_sink sink = {.struct_size = sizeof sink, .item_fn = remove_while_listing, .user = &remove};
    ql_error err = {0};
    assert_int_equal(self->ops->list_fn(self->source, &sink, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "removed while it was listed"));
    assert_int_equal(self->ops->list_fn(self->source, &sink, &err), QL_E_NOTFOUND);
}

/* A folder becomes a link to one outside at every moment of a listing; nothing of the outside is ever listed. */
static void test_source_localfile__never_follows_a_folder_swapped_for_a_link(void **state)
{
    fixture *self = *state;
    char *outside = ql_test_dir_new();
    ql_test_file_write(ql_test_path(outside, "secret.md"), QL_STR("secret"));
    for (int i = 0; i < 30; i++) {
        char name[40];
        snprintf(name, sizeof name, "d%02d/inner/a.md", i);
        write_file(self, name, "mine");
    }
    open_source(self);
    char command[1200];
    snprintf(command, sizeof command,
             "cd '%s' && for d in d??; do mv $d/inner $d/kept && ln -s '%s' $d/inner; mv $d kept-$d && ln -s '%s' $d && break; done", self->dir,
             outside, outside);
    remover swap = {self, command};
    for (int round = 0; round < 3; round++) {
        list_again(self);
        for (size_t i = 0; i < self->list.count; i++) {
            assert_null(strstr(self->list.items[i].url, "secret"));
            if (self->list.items[i].reason != NULL) continue;
            (void)remove_while_listing(&swap, NULL);
            ql_item item = item_of(&self->list.items[i]);
            ql_document document;
            void *token = NULL;
            if (self->ops->fetch_fn(self->source, &item, &document, &token, NULL) != QL_OK) continue;
            assert_true(ql_str_equal(document.content, QL_STR("mine")));
            self->ops->release_fn(self->source, token);
        }
    }
    ql_test_dir_remove(outside);
}

/* A chain of folders whose path is longer than any path that one call takes, a file in each. */
static void make_chain(const char *dir, const char *part, int count)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < count; i++) {
        assert_true(fd >= 0);
        assert_int_equal(mkdirat(fd, part, 0700), 0);
        int next = openat(fd, part, O_RDONLY | O_DIRECTORY), file = openat(next, "x.md", O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(file, "deep", 4), 4);
        (void)close(file);
        (void)close(fd);
        fd = next;
    }
    (void)close(fd);
}

static void test_source_localfile__lists_deep_and_wide_trees(void **state)
{
    fixture *self = *state;
    char part[101], command[600];
    for (int i = 0; i < 300; i++) {
        snprintf(part, sizeof part, "wide/f%d.md", i);
        write_file(self, part, "x");
    }
    memset(part, 'd', 100);
    part[100] = '\0';
    make_chain(self->dir, part, 60);
    open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 360);
    for (size_t i = 0; i < self->list.count; i++) {
        ql_item item = item_of(&self->list.items[i]);
        ql_document document;
        void *token;
        assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, NULL), QL_OK);
        assert_int_equal(document.content.len, self->list.items[i].size_bytes);
        self->ops->release_fn(self->source, token);
    }
    snprintf(command, sizeof command, "rm -rf '%s/%s'", self->dir, part);
    assert_int_equal(system(command), 0);
}

static int count_item(void *user, const ql_item *item)
{
    (void)item;
    ++*(int *)user;
    return 0;
}

static ql_status whole_life(void *user, ql_error *err)
{
    fixture *self = user;
    const ql_source_ops *ops;
    void *source = NULL;
    ql__source_options options = {.config = &self->config, .sys = ql_test_sys()};
    int count = 0;
    ql_source_sink sink = {.struct_size = sizeof sink, .item_fn = count_item, .user = &count};
    ql_status status = ql__source_localfile_open(&options, &ops, &source, err);
    if (status < 0) return status;
    status = ops->list_fn(source, &sink, err);
    if (status == QL_OK) {
        ql_item item = {.struct_size = sizeof item, .url = QL_STR("u"), .key = {"sub/b.md\0sub/b.md", 17}};
        ql_document document;
        void *token;
        status = ops->fetch_fn(source, &item, &document, &token, err);
        if (status == QL_OK) ops->release_fn(source, token);
    }
    ops->close_fn(source);
    return status;
}

static void test_source_localfile__survives_lack_of_memory(void **state)
{
    fixture *self = *state;
    write_file(self, "a.md", "x");
    write_file(self, "sub/b.md", "x");
    assert_int_equal(symlink("a.md", ql_test_path(self->dir, "link.md")), 0);
    ql_test_fault_loop(QL_FAULT_ALLOC, whole_life, self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_source_localfile__##name, set_up, tear_down)
        TEST(lists_files_with_the_references_addresses),
        TEST(fetches_content_and_facts),
        TEST(lists_every_name_under_an_identity_of_its_own),
        TEST(never_leaves_the_root_by_links),
        TEST(refuses_a_file_exchanged_for_a_link),
        TEST(refuses_keys_that_climb),
        TEST(version_follows_changes),
        TEST(lets_the_tick_of_the_last_change_pass),
        TEST(dates_beyond_what_milliseconds_hold_are_unknown),
        TEST(a_link_does_not_show_gits_own_files),
        TEST(reports_vanished_and_grown_files),
        TEST(reads_files_just_below_and_at_max_file_size),
        TEST(prunes_excluded_folders_and_git),
        TEST(says_what_is_wrong_with_the_address),
        TEST(decodes_the_folder_of_the_address),
        TEST(stops_when_the_receiver_says_so),
        TEST(listing_is_incomplete_without_a_folder),
        TEST(listing_is_incomplete_without_a_links_target),
        TEST(a_root_that_goes_away_is_no_empty_folder),
        TEST(never_follows_a_folder_swapped_for_a_link),
        TEST(lists_deep_and_wide_trees),
        TEST(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
