/*
 * First and last changes held against what "git log" says, on random histories with branches, merges, deletions and files that come back;
 * walked in one go, and continued after every few commits from the kept result.
 */
#include <unistd.h>

#include "source/git_history.h"
#include "source/git_remote.h"
#include "unit/source/git_fixture.h"

typedef struct opened {
    git_repository *repo;
    ql__git_history *history;
    int warnings;
} opened;

static const ql__git_api *api;

static void count_warning(void *user, ql_log_level level, const char *subsystem, const char *message)
{
    (void)subsystem;
    (void)message;
    *(int *)user += level == QL_LOG_WARNING;
}

/* compared_max: 0 for the real one. */
static opened open_bounded(git_fixture *self, const char *cache_path, uint64_t compared_max)
{
    opened result = {0};
    ql__log log;
    ql__log_init(&log, count_warning, &result.warnings, QL_LOG_WARNING);
    ql__source_options source = {.config = &self->config, .sys = ql__sys_default(), .log = &log};
    char head[100];
    git_ask(self, head, sizeof head, "git rev-parse HEAD");
    ql__git_history_options options = {.api = api, .source = &source, .cache_path = cache_path, .compared_max = compared_max};
    for (size_t i = 0; i < 20; i++) {
        unsigned value;
        assert_int_equal(sscanf(head + 2 * i, "%2x", &value), 1);
        options.head.id[i] = (unsigned char)value;
    }
    ql_error err = {0};
    if (ql__git_open(api, self->work, &result.repo, &err) != QL_OK) fail_msg("%s", err.message);
    options.repo = result.repo;
    if (ql__git_history_new(&options, &result.history, &err) != QL_OK) fail_msg("%s", err.message);
    ql__log_dispose(&log);
    return result;
}

static opened open_history(git_fixture *self, const char *cache_path)
{
    return open_bounded(self, cache_path, 0);
}

static void close_history(opened *self)
{
    ql__git_history_free(self->history);
    api->git_repository_free(self->repo);
}

/* One "git log" for each file: slow and sure. Merges in which git's simplification looks at one side only are compared by commit id. */
static void assert_agrees_with_git(git_fixture *self, const ql__git_history *history)
{
    size_t count, seen = 0;
    const ql__git_file *files = ql__git_history_files(history, &count);
    for (size_t i = 0; i < count; i++) {
        if (!files[i].in_head) continue;
        seen++;
        char expected[200], actual[200], first[100];
        git_ask(self, expected, sizeof expected, "git log -1 --format='%%H %%ct' -- '%s'", files[i].path.ptr);
        size_t used = 0;
        for (size_t b = 0; b < 20; b++) used += (size_t)snprintf(actual + used, sizeof actual - used, "%02x", files[i].last[b]);
        snprintf(actual + used, sizeof actual - used, " %lld", (long long)files[i].last_s);
        if (strcmp(actual, expected) != 0) fail_msg("%s: last is %s, git says %s", files[i].path.ptr, actual, expected);
        git_ask(self, first, sizeof first, "git log --full-history --no-merges --format=%%ct -- '%s' | sort -n | head -1", files[i].path.ptr);
        if (atoll(first) != files[i].first_s) fail_msg("%s: first is %lld, git says %s", files[i].path.ptr, (long long)files[i].first_s, first);
    }
    char total[50];
    git_ask(self, total, sizeof total, "git ls-files | wc -l");
    assert_int_equal(seen, atoi(total));
}

static uint32_t random_below(uint32_t *seed, uint32_t limit)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 10) % limit;
}

static void random_commit(git_fixture *self, uint32_t *seed)
{
    static const char *const names[] = {"a.md", "b.md", "d/c.md", "d/e/f.md", "d.md", "g/h.md", "i.md", "d/e.md"};
    const char *name = names[random_below(seed, 8)], *other = names[random_below(seed, 8)];
    if (random_below(seed, 5) == 0) git_run(self, "rm -f '%s'", name);
    else git_run(self, "mkdir -p $(dirname '%s') && echo %u > '%s'", name, random_below(seed, 1000), name);
    if (random_below(seed, 3) == 0) git_run(self, "mkdir -p $(dirname '%s') && echo %u >> '%s'", other, random_below(seed, 3), other);
    git_commit_all(self, "c");
}

/* A side branch of a few commits, merged; conflicts are solved by one side or the other. */
static void random_merge(git_fixture *self, uint32_t *seed)
{
    git_run(self, "git checkout -q -b side%ld HEAD~%u 2>/dev/null || git checkout -q -b side%ld", self->clock_s, random_below(seed, 3), self->clock_s);
    for (uint32_t n = 1 + random_below(seed, 3); n > 0; n--) random_commit(self, seed);
    git_run(self, "git branch -f merged && git checkout -q main");
    if (random_below(seed, 2) == 0) random_commit(self, seed);
    git_run(self, "git merge -q --no-ff -X %s -m merge merged || { git add -A; git rm -q --cached --ignore-unmatch x; git commit -q -m merge; }",
            random_below(seed, 2) == 0 ? "ours" : "theirs");
}

static void test_git_history__agrees_with_git_log_on_random_histories(void **state)
{
    git_fixture *self = *state;
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t seed = round;
        char kept[600];
        snprintf(kept, sizeof kept, "%s/kept-%u", self->dir, round);
        git_run(self, "cd '%s' && rm -rf work && mkdir work && cd work && git init -q -b main . && echo x > a.md", self->dir);
        git_commit_all(self, "first");
        for (int step = 0; step < 14; step++) {
            if (random_below(&seed, 3) == 0) random_merge(self, &seed);
            else random_commit(self, &seed);
            if (step % 3 != 1) continue;
            opened continued = open_history(self, kept);
            assert_agrees_with_git(self, continued.history);
            close_history(&continued);
        }
        opened whole = open_history(self, NULL);
        assert_agrees_with_git(self, whole.history);
        opened continued = open_history(self, kept);
        size_t count, other_count;
        const ql__git_file *a = ql__git_history_files(whole.history, &count);
        (void)ql__git_history_files(continued.history, &other_count);
        for (size_t i = 0; i < count; i++) {
            const ql__git_file *b = ql__git_history_find(continued.history, a[i].path);
            assert_non_null(b);
            assert_int_equal(a[i].in_head, b->in_head);
            assert_int_equal(a[i].first_s, b->first_s);
            if (a[i].in_head) assert_memory_equal(a[i].last, b->last, 20);
        }
        close_history(&continued);
        close_history(&whole);
    }
}

static void make_three(git_fixture *self)
{
    git_run(self, "git init -q -b main .");
    git_write(self, "a.md", "1");
    git_commit_all(self, "1");
    git_write(self, "b.md", "1");
    git_commit_all(self, "2");
    git_write(self, "a.md", "2");
    git_commit_all(self, "3");
}

static void test_git_history__walks_only_new_commits(void **state)
{
    git_fixture *self = *state;
    char kept[600];
    snprintf(kept, sizeof kept, "%s/kept", self->dir);
    make_three(self);
    opened one = open_history(self, kept);
    assert_int_equal(ql__git_history_walked(one.history), 3);
    close_history(&one);
    one = open_history(self, kept);
    assert_int_equal(ql__git_history_walked(one.history), 0);
    close_history(&one);
    git_write(self, "c.md", "1");
    git_commit_all(self, "4");
    one = open_history(self, kept);
    assert_int_equal(ql__git_history_walked(one.history), 1);
    assert_agrees_with_git(self, one.history);
    close_history(&one);
    /* The branch is rewritten: what was kept is of no use. */
    git_run(self, "git reset -q --hard HEAD~2 && echo z > z.md");
    git_commit_all(self, "other");
    one = open_history(self, kept);
    assert_int_equal(ql__git_history_walked(one.history), 3);
    assert_agrees_with_git(self, one.history);
    close_history(&one);
}

static void test_git_history__a_damaged_kept_result_changes_nothing(void **state)
{
    git_fixture *self = *state;
    char kept[600];
    snprintf(kept, sizeof kept, "%s/kept", self->dir);
    make_three(self);
    opened one = open_history(self, kept);
    close_history(&one);
    ql_buf whole = QL_BUF_INIT;
    ql_test_file_read(kept, &whole);
    for (size_t i = 0; i < whole.len; i += 7) {
        char saved = whole.ptr[i];
        whole.ptr[i] = (char)(saved ^ 0x55);
        ql_test_file_write(kept, ql_buf_str(&whole));
        whole.ptr[i] = saved;
        one = open_history(self, kept);
        assert_int_equal(ql__git_history_walked(one.history), 3);
        close_history(&one);
    }
    ql_test_file_write(kept, (ql_str){whole.ptr, whole.len / 2});
    one = open_history(self, kept);
    assert_int_equal(ql__git_history_walked(one.history), 3);
    assert_agrees_with_git(self, one.history);
    close_history(&one);
    ql_buf_dispose(&whole);
}

/* A repository that is shallow itself: nothing is known beyond its edge, whatever depth is asked. */
static void test_git_history__knows_the_edge_of_a_shallow_repository(void **state)
{
    git_fixture *self = *state;
    make_three(self);
    git_run(self, "cd .. && git clone -q --depth 1 'file://%s' shallow && rm -rf work && mv shallow work", self->work);
    opened one = open_history(self, NULL);
    const ql__git_file *a = ql__git_history_find(one.history, QL_STR("a.md"));
    assert_non_null(a);
    assert_true(a->in_head && a->first_s == QL_TIME_UNKNOWN && a->last_s == QL_TIME_UNKNOWN);
    close_history(&one);
}

/* A graft makes the first commit the child of one after it: the head, or one between. What the circle hides is unknown, and nothing else. */
static void test_git_history__parents_that_go_round_in_a_circle_end_it(void **state)
{
    git_fixture *self = *state;
    make_three(self);
    git_write(self, "late.md", "1");
    git_commit_all(self, "late");
    for (int behind = 0; behind < 2; behind++) {
        git_run(self, "mkdir -p .git/info && echo $(git rev-list --max-parents=0 HEAD) $(git rev-parse HEAD~%d) > .git/info/grafts", behind);
        opened one = open_history(self, NULL);
        const ql__git_file *a = ql__git_history_find(one.history, QL_STR("a.md")), *late = ql__git_history_find(one.history, QL_STR("late.md"));
        assert_true(a != NULL && late != NULL);
        assert_true(a->in_head && a->first_s == QL_TIME_UNKNOWN);
        assert_int_not_equal(late->last_s, QL_TIME_UNKNOWN);
        close_history(&one);
        git_run(self, "rm .git/info/grafts");
    }
}

/* git's own idea of depth, on a history with a merge: the same commits are beyond the edge. */
static void test_git_history__depth_means_what_git_means(void **state)
{
    git_fixture *self = *state;
    make_three(self);
    git_run(self, "git checkout -q -b side HEAD~1 && echo s > s.md && git add -A && git commit -q -m s && git checkout -q main && "
                  "git merge -q --no-ff -m m side");
    char original[600];
    snprintf(original, sizeof original, "%s/original", self->dir);
    git_run(self, "cp -r '%s' '%s'", self->work, original);
    for (unsigned depth = 1; depth < 5; depth++) {
        git_run(self, "rm -rf '%s' && cp -r '%s' '%s'", self->work, original, self->work);
        self->config.depth_set = true;
        self->config.depth = depth;
        opened limited = open_history(self, NULL);
        git_run(self, "cd .. && git clone -q --depth %u 'file://%s' shallow && rm -rf work && mv shallow work", depth, original);
        self->config.depth_set = false;
        opened shallow = open_history(self, NULL);
        size_t count;
        const ql__git_file *files = ql__git_history_files(limited.history, &count);
        for (size_t i = 0; i < count; i++) {
            const ql__git_file *other = ql__git_history_find(shallow.history, files[i].path);
            assert_non_null(other);
            assert_int_equal(files[i].first_s, other->first_s);
            assert_int_equal(files[i].last_s, other->last_s);
        }
        close_history(&limited);
        close_history(&shallow);
    }
}

/* Seven folders deep, ten entries each, all the same: eighty objects that unfold to ten million files, in a commit that is long past. */
static void test_git_history__a_bomb_in_an_older_commit_is_bounded(void **state)
{
    git_fixture *self = *state;
    git_run(self, "git init -q -b main . && id=$(echo x | git hash-object -w --stdin) && t=blob m=100644 && for level in 1 2 3 4 5 6 7; do "
                  "id=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '%%s %%s %%s\\tn%%s\\n' $m $t $id $i; done | git mktree) t=tree m=040000 || exit 1; done && "
                  "git update-ref refs/heads/main $(git commit-tree -m bomb $id)");
    git_run(self, "small=$(git rev-parse HEAD:n0/n0/n0/n0/n0/n0) && git update-ref refs/heads/main $(git commit-tree -p HEAD -m small $small)");
    git_run(self, "git update-ref refs/heads/main $(git commit-tree -p HEAD -m more $(git rev-parse HEAD^{tree}))");
    ql_error err = {0};
    assert_int_equal(git_try_open(self, &err), QL_OK);
    assert_int_equal(ql_status_kind(git_try_list(self, &err)), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "set a depth"));
    self->config.depth_set = true;
    self->config.depth = 1;
    git_open_and_list(self);
    assert_int_equal(listing_documents(&self->list), 10);
}

/* Names of thousands of bytes, folder in folder, in a commit that is long past: nobody asks for their dates, so they take no room. */
static void test_git_history__paths_beyond_the_limit_are_not_kept(void **state)
{
    git_fixture *self = *state;
    git_run(self, "git init -q -b main . && blob=$(echo x | git hash-object -w --stdin) && long=$(printf '%%09000d' 0) && "
                  "inner=$(printf '100644 blob %%s\t%%s\n' $blob $long | git mktree) && "
                  "outer=$(printf '040000 tree %%s\t%%s\n100644 blob %%s\ta\n' $inner $long $blob | git mktree) && "
                  "git update-ref refs/heads/main $(git commit-tree -m long $outer)");
    git_run(self, "git update-ref refs/heads/main $(git commit-tree -p HEAD -m brief $(printf '100644 blob %%s\ta\n' $(git rev-parse HEAD:a) | git mktree))");
    opened shown = open_history(self, NULL);
    size_t count;
    const ql__git_file *files = ql__git_history_files(shown.history, &count);
    assert_int_equal(count, 1);
    assert_true(ql_str_equal(files[0].path, QL_STR("a")));
    close_history(&shown);
}

/* A file more in each commit: the n-th commit compares n - 1 entries with n. */
static void add_one(git_fixture *self, int n)
{
    char name[20];
    snprintf(name, sizeof name, "f%d.md", n);
    git_write(self, name, "x");
    git_commit_all(self, "c");
}

static void assert_same_dates(const opened *one, const opened *other)
{
    size_t count;
    const ql__git_file *a = ql__git_history_files(one->history, &count);
    for (size_t i = 0; i < count; i++) {
        if (!a[i].in_head) continue;
        const ql__git_file *b = ql__git_history_find(other->history, a[i].path);
        assert_non_null(b);
        assert_int_equal(a[i].first_s, b->first_s);
        assert_int_equal(a[i].last_s, b->last_s);
        assert_memory_equal(a[i].last, b->last, 20);
    }
}

/* Commits 6 and 5 compare 11 + 9 entries; the budget ends in the next one, as if that were the edge. */
static void test_git_history__a_history_beyond_the_budget_ends_as_a_shallow_one(void **state)
{
    git_fixture *self = *state;
    git_run(self, "git init -q -b main .");
    for (int n = 1; n <= 6; n++) add_one(self, n);
    opened bounded = open_bounded(self, NULL, 20);
    assert_int_equal(bounded.warnings, 1);
    self->config.depth_set = true;
    self->config.depth = 3;
    opened shallow = open_history(self, NULL);
    assert_int_equal(shallow.warnings, 0);
    assert_same_dates(&bounded, &shallow);
    const ql__git_file *known = ql__git_history_find(bounded.history, QL_STR("f5.md"));
    const ql__git_file *unknown = ql__git_history_find(bounded.history, QL_STR("f4.md"));
    assert_true(known->first_s != QL_TIME_UNKNOWN && known->last_s != QL_TIME_UNKNOWN);
    assert_true(unknown->in_head && unknown->first_s == QL_TIME_UNKNOWN && unknown->last_s == QL_TIME_UNKNOWN);
    close_history(&bounded);
    close_history(&shallow);
    self->config.depth_set = false;
    bounded = open_bounded(self, NULL, 36); /* all of it */
    assert_int_equal(bounded.warnings, 0);
    assert_agrees_with_git(self, bounded.history);
    close_history(&bounded);
    bounded = open_bounded(self, NULL, 1); /* not even the head */
    assert_int_equal(ql__git_history_walked(bounded.history), 1);
    assert_true(ql__git_history_find(bounded.history, QL_STR("f6.md"))->last_s == QL_TIME_UNKNOWN);
    close_history(&bounded);
}

static void test_git_history__the_budget_does_not_depend_on_what_was_kept(void **state)
{
    git_fixture *self = *state;
    char kept[600];
    snprintf(kept, sizeof kept, "%s/kept", self->dir);
    git_run(self, "git init -q -b main .");
    for (int n = 1; n <= 8; n++) {
        add_one(self, n);
        opened continued = open_bounded(self, kept, 36), whole = open_bounded(self, NULL, 36);
        assert_int_equal(continued.warnings, n > 6);
        assert_int_equal(whole.warnings, n > 6);
        if (n <= 6) assert_int_equal(ql__git_history_walked(continued.history), 1);
        assert_same_dates(&continued, &whole);
        close_history(&continued);
        close_history(&whole);
    }
    opened again = open_bounded(self, kept, 36); /* nothing new: known to be cut without a walk */
    assert_int_equal(ql__git_history_walked(again.history), 0);
    assert_int_equal(again.warnings, 1);
    close_history(&again);
    add_one(self, 9);
    opened larger = open_history(self, kept); /* a cut result is no ground to continue on */
    assert_int_equal(larger.warnings, 0);
    assert_agrees_with_git(self, larger.history);
    close_history(&larger);
}

/* Merges cost one comparison for each side. */
static void test_git_history__the_budget_is_the_same_on_random_histories(void **state)
{
    git_fixture *self = *state;
    char kept[600];
    snprintf(kept, sizeof kept, "%s/kept", self->dir);
    git_run(self, "git init -q -b main . && echo x > a.md");
    git_commit_all(self, "first");
    uint32_t seed = 5;
    int cut = 0, whole_steps = 0;
    for (int step = 0; step < 14; step++) {
        if (random_below(&seed, 3) == 0) random_merge(self, &seed);
        else random_commit(self, &seed);
        opened continued = open_bounded(self, kept, 150), whole = open_bounded(self, NULL, 150);
        assert_int_equal(continued.warnings, whole.warnings);
        assert_same_dates(&continued, &whole);
        cut += whole.warnings;
        whole_steps += !whole.warnings;
        close_history(&continued);
        close_history(&whole);
    }
    assert_true(cut > 2 && whole_steps > 2);
}

static int load_api(void **state)
{
    (void)state;
    return ql__git_api_get(&api, NULL) == QL_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_git_history__##name, git_set_up, git_tear_down)
        TEST(agrees_with_git_log_on_random_histories),
        TEST(walks_only_new_commits),
        TEST(a_damaged_kept_result_changes_nothing),
        TEST(knows_the_edge_of_a_shallow_repository),
        TEST(parents_that_go_round_in_a_circle_end_it),
        TEST(depth_means_what_git_means),
        TEST(a_bomb_in_an_older_commit_is_bounded),
        TEST(paths_beyond_the_limit_are_not_kept),
        TEST(a_history_beyond_the_budget_ends_as_a_shallow_one),
        TEST(the_budget_does_not_depend_on_what_was_kept),
        TEST(the_budget_is_the_same_on_random_histories),
    };
    return cmocka_run_group_tests(tests, load_api, NULL);
}
