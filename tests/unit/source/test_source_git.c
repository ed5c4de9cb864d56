/* The git source on real local repositories: what is listed, addresses, dates and authors, branches, odd names, changes between runs. */
#include "unit/source/git_fixture.h"

#include <pthread.h>
#include <unistd.h>

static void start(git_fixture *self)
{
    git_run(self, "git init -q -b main .");
}

static void test_source_git__lists_the_files_of_the_head(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "README.md", "# Hello\n");
    git_write(self, "docs/a b.md", "text\n");
    git_write(self, ".github/ci.yml", "x\n");
    git_write(self, ".hidden", "x\n");
    git_commit_all(self, "first");
    git_write(self, "README.md", "not committed\n");
    git_write(self, "untracked.md", "x\n");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 3);
    assert_skipped(&self->list, "/.hidden", "hidden file");
    char expected[700];
    snprintf(expected, sizeof expected, "%s/blob/main/docs/a b.md", self->base_url);
    assert_non_null(listing_find(&self->list, expected));
    ql_document document;
    void *token;
    git_fetch_one(self, "/README.md", &document, &token);
    assert_true(ql_str_equal(document.content, QL_STR("# Hello\n")));
    self->ops->release_fn(self->source, token);
}

static void test_source_git__tells_dates_and_author_of_the_path_itself(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "one two\n");
    git_commit_all(self, "add a");
    long created = self->clock_s;
    git_write(self, "b.md", "x\n");
    git_run(self, "git add -A && git -c user.name=x commit -q --author 'Bob B <b@example.org>' -m 'add b\n\nbody'");
    git_write(self, "a.md", "one two three\n");
    git_commit_all(self, "change a");
    long updated = self->clock_s;
    git_write(self, "c.md", "x\n");
    git_commit_all(self, "add c");
    git_open_and_list(self);
    ql_document document;
    void *token;
    git_fetch_one(self, "/a.md", &document, &token);
    assert_int_equal(document.created_at_ms, created * 1000);
    assert_int_equal(document.updated_at_ms, updated * 1000);
    assert_true(ql_str_equal(document.title, QL_STR("a.md")));
    assert_true(ql_str_equal(document.content_type, QL_STR("md")));
    const char *json = document.metadata_json.ptr;
    assert_non_null(strstr(json, "\"file_directory\":\"/\""));
    assert_non_null(strstr(json, "\"branch\":\"main\""));
    assert_non_null(strstr(json, "\"repository_name\":\"work\""));
    assert_non_null(strstr(json, "\"last_commit_author\":\"Ada L\""));
    assert_non_null(strstr(json, "\"last_commit_message\":\"change a\""));
    assert_non_null(strstr(json, "\"word_count\":3"));
    self->ops->release_fn(self->source, token);
    git_fetch_one(self, "/b.md", &document, &token);
    assert_non_null(strstr(document.metadata_json.ptr, "\"last_commit_author\":\"Bob B\""));
    assert_non_null(strstr(document.metadata_json.ptr, "\"last_commit_message\":\"add b\""));
    self->ops->release_fn(self->source, token);
}

static void test_source_git__version_changes_only_with_the_path(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "one\n");
    git_write(self, "b.md", "one\n");
    git_commit_all(self, "first");
    git_open_and_list(self);
    char *a = strdup(listing_find(&self->list, "/a.md")->version), *b = strdup(listing_find(&self->list, "/b.md")->version);
    git_write(self, "b.md", "two\n");
    git_commit_all(self, "second");
    git_open_and_list(self);
    assert_string_equal(a, listing_find(&self->list, "/a.md")->version);
    assert_string_not_equal(b, listing_find(&self->list, "/b.md")->version);
    /* Back to the old content: the blob is the old one, the date is not. */
    git_write(self, "b.md", "one\n");
    git_commit_all(self, "third");
    git_open_and_list(self);
    assert_string_not_equal(b, listing_find(&self->list, "/b.md")->version);
    assert_memory_equal(b, listing_find(&self->list, "/b.md")->version, 40);
    git_run(self, "git rm -q a.md && git commit -q -m gone");
    git_open_and_list(self);
    assert_null(listing_find(&self->list, "/a.md"));
    free(a);
    free(b);
}

static void test_source_git__reports_what_is_not_a_file(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "real.md", "x\n");
    git_write(self, "big.bin.md",
              "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize "
              "12345\n");
    git_run(self, "ln -s real.md link.md && ln -s /etc/passwd out.md && git init -q sub && cd sub && git commit -q --allow-empty -m x");
    git_commit_all(self, "first");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 1);
    assert_skipped(&self->list, "/link.md", "symbolic link");
    assert_skipped(&self->list, "/out.md", "symbolic link");
    assert_skipped(&self->list, "/sub", "submodule");
    assert_skipped(&self->list, "/big.bin.md", "content kept by git-lfs, only a pointer is in the repository");
}

static void test_source_git__lists_names_of_any_bytes(void **state)
{
    git_fixture *self = *state;
    start(self);
    static const char *const names[] = {"new\nline.md", "new%0Aline.md", "latin\xe9.md", "q\"uote.md", "\xe6\x97\xa5.md", " a.md", "-x.md"};
    size_t count = sizeof names / sizeof *names;
    for (size_t i = 0; i < count; i++) git_write(self, names[i], names[i]);
    git_commit_all(self, "odd");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), count);
    for (size_t i = 0; i < self->list.count; i++) {
        for (size_t j = 0; j < i; j++) assert_string_not_equal(self->list.items[i].url, self->list.items[j].url);
        for (const char *c = self->list.items[i].url; *c != '\0'; c++) assert_true((unsigned char)*c >= 0x20);
        ql_item item = item_of(&self->list.items[i]);
        ql_document document;
        void *token;
        assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, NULL), QL_OK);
        bool known = false;
        for (size_t j = 0; j < count; j++) known |= ql_str_equal(document.content, ql_str_of(names[j]));
        assert_true(known);
        assert_int_equal(document.created_at_ms, self->clock_s * 1000);
        self->ops->release_fn(self->source, token);
    }
    assert_non_null(listing_find(&self->list, "/blob/main//latin%E9.md"));
}

static void test_source_git__reads_the_branch_that_is_named(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "main\n");
    git_commit_all(self, "first");
    git_run(self, "git tag -a -m v1 v1 && git checkout -q -b feature/x");
    git_write(self, "a.md", "feature\n");
    git_commit_all(self, "second");
    git_run(self, "git checkout -q main");
    static const struct {
        const char *branch, *content;
    } cases[] = {{"", "main\n"}, {"feature/x", "feature\n"}, {"main", "main\n"}, {"v1", "main\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        self->config.branch = ql_str_of(cases[i].branch);
        git_open_and_list(self);
        ql_document document;
        void *token;
        git_fetch_one(self, "/a.md", &document, &token);
        assert_true(ql_str_equal(document.content, ql_str_of(cases[i].content)));
        self->ops->release_fn(self->source, token);
    }
    self->config.branch = QL_STR("nope");
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_int_equal(git_try_list(self, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "'nope'"));
    assert_int_equal(self->list.count, 0);
}

/* Objects can be missing on purpose (a partial clone) or by damage; either way the file is in the branch. */
static void test_source_git__a_file_without_content_is_listed_and_not_read(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "one\n");
    git_write(self, "gone.md", "two\n");
    git_commit_all(self, "first");
    git_run(self, "id=$(git rev-parse HEAD:gone.md) && rm -f .git/objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-)");
    git_open_and_list(self);
    assert_listed(&self->list, "/gone.md");
    ql_item item = item_of(listing_find(&self->list, "/gone.md"));
    ql_document document;
    void *token;
    ql_error err = {0};
    assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, &err), QL_E_IO);
    assert_non_null(strstr(err.message, "missing in this repository"));
    git_fetch_one(self, "/a.md", &document, &token);
    self->ops->release_fn(self->source, token);
}

/* Replaces the object behind a name by what a line of Python makes of its bytes b (compressed) and t (not). */
static void forge(git_fixture *self, const char *name, const char *made)
{
    git_run(self, "id=$(git rev-parse '%s') && file=.git/objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-) && chmod u+w $file && "
                  "python3 -c \"import sys,zlib; b=open(sys.argv[1],'rb').read(); t=zlib.decompress(b); open(sys.argv[1],'wb').write(%s)\" $file", name, made);
}

/* As a power cut leaves them: libgit2 by itself waits for the rest for ever. */
static void test_source_git__an_object_that_is_cut_off_is_damage(void **state)
{
    git_fixture *self = *state;
    static const struct {
        const char *name;
        ql_status expected;
    } cases[] = {{"HEAD", QL_E_IO /* libgit2 says only that there is no commit */}, {"HEAD^{tree}", QL_E_CORRUPT}, {"HEAD:docs", QL_E_CORRUPT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        git_run(self, "rm -rf .git");
        start(self);
        git_write(self, "docs/a.md", "one\n");
        git_commit_all(self, "first");
        forge(self, cases[i].name, "b[:-9]");
        ql_error err = {0};
        assert_int_equal(git_try_open(self, &err), QL_OK);
        assert_int_equal(git_try_list(self, &err), cases[i].expected);
    }
}

/* Whoever makes an index may name any place of the pack, or behind it. */
static void test_source_git__an_index_that_points_outside_its_pack_is_damage(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "one\n");
    git_commit_all(self, "first");
    git_run(self, "git repack -q -a -d && index=$(ls .git/objects/pack/*.idx) && chmod u+w $index && python3 -c \"import sys,hashlib\n"
                  "b=open(sys.argv[1],'rb').read(); n=int.from_bytes(b[1028:1032],'big'); at=1032+24*n\n"
                  "b=b[:at]+n*bytes.fromhex('1ffffff0')+b[at+4*n:-20]; open(sys.argv[1],'wb').write(b+hashlib.sha1(b).digest())\" $index");
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_int_equal(git_try_list(self, &err), QL_E_IO);
}

/* Its room is taken and cleared before it is read. */
static void test_source_git__an_object_that_claims_to_be_huge_is_refused(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "one\n");
    git_commit_all(self, "first");
    forge(self, "HEAD^{tree}", "zlib.compress(b'tree 99999999999\\0' + t.split(b'\\0', 1)[1])");
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_int_equal(git_try_list(self, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "more than 513 MiB"));
}

static void test_source_git__an_entry_may_have_any_mode(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "one\n");
    git_commit_all(self, "first");
    git_run(self, "tree=$(python3 -c \"import sys; sys.stdout.buffer.write(b''.join(m+b'\\0'+bytes.fromhex(sys.argv[1]) for m in (b'100644 a.md', b'0 x')))\" "
                  "$(git rev-parse HEAD:a.md) | git hash-object -t tree -w --literally --stdin) && git update-ref refs/heads/main $(git commit-tree -m first $tree)");
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 1);
    assert_listed(&self->list, "/a.md");
}

/* Bare, with borrowed objects, a second work tree, a head that is no branch. */
static void test_source_git__reads_repositories_of_every_form(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "one\n");
    git_commit_all(self, "first");
    git_run(self, "git clone -q --bare . ../bare.git && git clone -q --shared . ../shared && git worktree add -q -b other ../second && "
                  "git clone -q . ../detached && git -C ../detached checkout -q --detach");
    static const struct {
        const char *folder, *address;
    } cases[] = {{"bare.git", "/bare/blob/main/a.md"}, {"shared", "/shared/blob/main/a.md"}, {"second", "/second/blob/other/a.md"},
                 {"detached", "/detached/blob/HEAD/a.md"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(self->base_url, sizeof self->base_url, "file://%s/%s", self->dir, cases[i].folder);
        self->config.base_url = ql_str_of(self->base_url);
        git_open_and_list(self);
        assert_int_equal(listing_documents(&self->list), 1);
        assert_listed(&self->list, cases[i].address);
    }
    git_run(self, "git init -q --object-format=sha256 ../long");
    snprintf(self->base_url, sizeof self->base_url, "file://%s/long", self->dir);
    self->config.base_url = ql_str_of(self->base_url);
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_true(git_try_list(self, &err) < 0);
    assert_non_null(strstr(err.message, "sha256"));
}

static void test_source_git__dates_of_all_centuries(void **state)
{
    git_fixture *self = *state;
    start(self);
    static const struct {
        const char *written;
        int64_t ms;
    } cases[] = {{"-2208988800", -2208988800000}, {"4102444800", 4102444800000}, {"-1", -1000}, {"0", 0}, {"9223372036854775807", QL_TIME_UNKNOWN}};
    git_write(self, "a.md", "one\n");
    git_run(self, "git add a.md");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        git_run(self, "tree=$(git write-tree) && git update-ref refs/heads/main $(printf 'tree %%s\\nauthor A <a> %s +0000\\ncommitter C <c> %s +0000\\n\\nx\\n' "
                      "$tree | git hash-object -t commit -w --literally --stdin)", cases[i].written, cases[i].written);
        git_open_and_list(self);
        ql_document document;
        void *token;
        git_fetch_one(self, "/a.md", &document, &token);
        assert_int_equal(document.updated_at_ms, cases[i].ms);
        assert_int_equal(document.created_at_ms, cases[i].ms);
        self->ops->release_fn(self->source, token);
    }
}

static void test_source_git__an_empty_or_missing_repository_is_an_error(void **state)
{
    git_fixture *self = *state;
    start(self);
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_int_equal(git_try_list(self, &err), QL_E_NOTFOUND);
    git_run(self, "rm -rf .git");
    assert_int_equal(git_try_list(self, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, self->work));
}

/* The folder above is a repository, the one that is named is not. */
static void test_source_git__does_not_look_in_folders_above(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "sub/a.md", "x\n");
    git_commit_all(self, "first");
    strcat(self->base_url, "/sub");
    self->config.base_url = ql_str_of(self->base_url);
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_int_equal(git_try_list(self, &err), QL_E_NOTFOUND);
}

static void test_source_git__applies_filters_and_sizes(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "docs/a.md", "12345");
    git_write(self, "docs/large.md", "1234567890");
    git_write(self, "docs/a.txt", "x");
    git_write(self, "src/a.md", "x");
    git_commit_all(self, "first");
    self->includes[0] = QL_STR("docs/**");
    self->config.include_paths = (ql__strs){self->includes, 1};
    self->types[0] = QL_STR("*.md");
    self->config.file_types = (ql__strs){self->types, 1};
    self->config.max_file_size = 5;
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 1);
    assert_listed(&self->list, "/docs/a.md");
    assert_skipped(&self->list, "/docs/large.md", "larger than max_file_size: 10 bytes, limit 5");
    assert_skipped(&self->list, "/docs/a.txt", "not one of file_types");
    assert_skipped(&self->list, "/src/a.md", "matches nothing in include_paths");
}

static void test_source_git__dates_beyond_the_depth_are_unknown(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "old.md", "x\n");
    git_write(self, "changed.md", "x\n");
    git_commit_all(self, "1");
    git_write(self, "middle.md", "x\n");
    git_commit_all(self, "2");
    git_write(self, "new.md", "x\n");
    git_write(self, "changed.md", "y\n");
    git_commit_all(self, "3");
    self->config.depth_set = true;
    self->config.depth = 2;
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 4);
    ql_document document;
    void *token;
    git_fetch_one(self, "/old.md", &document, &token);
    assert_true(document.created_at_ms == QL_TIME_UNKNOWN && document.updated_at_ms == QL_TIME_UNKNOWN);
    assert_non_null(strstr(document.metadata_json.ptr, "\"last_commit_date\":null"));
    assert_null(strstr(document.metadata_json.ptr, "last_commit_author"));
    self->ops->release_fn(self->source, token);
    git_fetch_one(self, "/middle.md", &document, &token);
    assert_true(document.updated_at_ms == QL_TIME_UNKNOWN);
    self->ops->release_fn(self->source, token);
    git_fetch_one(self, "/new.md", &document, &token);
    assert_int_equal(document.created_at_ms, self->clock_s * 1000);
    assert_int_equal(document.updated_at_ms, self->clock_s * 1000);
    self->ops->release_fn(self->source, token);
    git_fetch_one(self, "/changed.md", &document, &token);
    assert_true(document.created_at_ms == QL_TIME_UNKNOWN);
    assert_int_equal(document.updated_at_ms, self->clock_s * 1000);
    self->ops->release_fn(self->source, token);
}

static void test_source_git__a_version_that_is_gone_is_not_found(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "x\n");
    git_commit_all(self, "1");
    git_open_and_list(self);
    listed copy = *listing_find(&self->list, "/a.md");
    ql_item item = item_of(&copy);
    char url[] = "u", key[60] = "0123456789012345678901234567890123456789a.md";
    ql_item wrong = {.struct_size = sizeof wrong, .url = {url, 1}, .key = {key, strlen(key)}};
    ql_document document;
    void *token = NULL;
    assert_int_equal(self->ops->fetch_fn(self->source, &wrong, &document, &token, NULL), QL_E_NOTFOUND);
    wrong.key.len = 3;
    assert_int_equal(self->ops->fetch_fn(self->source, &wrong, &document, &token, NULL), QL_E_NOTFOUND);
    assert_int_equal(self->ops->fetch_fn(self->source, &item, &document, &token, NULL), QL_OK);
    self->ops->release_fn(self->source, token);
}

typedef struct reader {
    git_fixture *fixture;
    size_t read;
} reader;

static void *read_all(void *user)
{
    reader *self = user;
    git_fixture *fixture = self->fixture;
    for (size_t i = 0; i < fixture->list.count; i++) {
        ql_item item = item_of(&fixture->list.items[i]);
        ql_document document;
        void *token;
        if (fixture->ops->fetch_fn(fixture->source, &item, &document, &token, NULL) != QL_OK) continue;
        char expected[40];
        snprintf(expected, sizeof expected, "content of %.*s\n", (int)document.title.len, document.title.ptr);
        self->read += ql_str_equal(document.content, ql_str_of(expected)) && document.updated_at_ms == fixture->clock_s * 1000;
        fixture->ops->release_fn(fixture->source, token);
    }
    return NULL;
}

static void test_source_git__fetches_on_several_threads(void **state)
{
    git_fixture *self = *state;
    start(self);
    for (int i = 0; i < 200; i++) {
        char name[20], content[40];
        snprintf(name, sizeof name, "f%d.md", i);
        snprintf(content, sizeof content, "content of %s\n", name);
        git_write(self, name, content);
    }
    git_commit_all(self, "many");
    git_open_and_list(self);
    pthread_t threads[4];
    reader readers[4];
    for (size_t i = 0; i < 4; i++) {
        readers[i] = (reader){.fixture = self};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readers[i].read, 200);
    }
}

static int always(void *user)
{
    (void)user;
    return 1;
}

static void test_source_git__stops_when_cancelled(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "x\n");
    git_commit_all(self, "1");
    ql__source_options options = {.config = &self->config, .sys = ql__sys_default(), .cache_dir = self->cache, .cancelled_fn = always};
    assert_int_equal(ql__source_open(&options, &self->ops, &self->source, NULL), QL_OK);
    assert_int_equal(git_try_list(self, NULL), QL_E_CANCELLED);
}

static ql_status whole_life(void *user, ql_error *err)
{
    git_fixture *self = user;
    const ql_source_ops *ops;
    void *source = NULL;
    ql__source_options options = {.config = &self->config, .sys = ql__sys_default()};
    ql_source_sink sink = {.struct_size = sizeof sink};
    listing found = {0};
    sink = listing_sink(&found);
    ql_status status = ql__source_git_open(&options, &ops, &source, err);
    if (status < 0) return status;
    status = ops->list_fn(source, &sink, err);
    if (status == QL_OK) {
        ql_item item = item_of(listing_find(&found, "/a.md"));
        ql_document document;
        void *token;
        status = ops->fetch_fn(source, &item, &document, &token, err);
        if (status == QL_OK) ops->release_fn(source, token);
    }
    listing_clear(&found);
    ops->close_fn(source);
    return status;
}

static void test_source_git__survives_lack_of_memory(void **state)
{
    git_fixture *self = *state;
    start(self);
    git_write(self, "a.md", "x\n");
    git_write(self, "d/b.md", "x\n");
    git_commit_all(self, "1");
    git_run(self, "git checkout -q -b side && echo y > d/b.md && git commit -qam side && git checkout -q main && echo z > a.md && "
                  "git commit -qam main && git merge -q --no-ff -m merge side");
    assert_int_equal(whole_life(self, NULL), QL_OK); /* loads libgit2, which stays */
    ql_test_fault_loop(QL_FAULT_ALLOC, whole_life, self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_source_git__##name, git_set_up, git_tear_down)
        TEST(lists_the_files_of_the_head),
        TEST(tells_dates_and_author_of_the_path_itself),
        TEST(version_changes_only_with_the_path),
        TEST(reports_what_is_not_a_file),
        TEST(lists_names_of_any_bytes),
        TEST(reads_the_branch_that_is_named),
        TEST(a_file_without_content_is_listed_and_not_read),
        TEST(an_object_that_is_cut_off_is_damage),
        TEST(an_index_that_points_outside_its_pack_is_damage),
        TEST(an_object_that_claims_to_be_huge_is_refused),
        TEST(an_entry_may_have_any_mode),
        TEST(reads_repositories_of_every_form),
        TEST(dates_of_all_centuries),
        TEST(an_empty_or_missing_repository_is_an_error),
        TEST(does_not_look_in_folders_above),
        TEST(applies_filters_and_sizes),
        TEST(dates_beyond_the_depth_are_unknown),
        TEST(a_version_that_is_gone_is_not_found),
        TEST(fetches_on_several_threads),
        TEST(stops_when_cancelled),
        TEST(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
