/* The lists of a source: order of the checks, spellings of folders, types, sizes, hidden names; against the rules in docs/compatibility.md. */
#include <string.h>

#include "source/path_filter.h"
#include "support/testing.h"

typedef struct filter_case {
    const char *includes[4], *excludes[4], *types[4];
    bool conversion;
    ql_str views[3][4];
    ql__config_source config;
    ql__path_filter *filter;
    ql_buf reason;
} filter_case;

static ql__strs list(const char *const texts[4], ql_str views[4])
{
    size_t count = 0;
    while (count < 4 && texts[count] != NULL) {
        views[count] = ql_str_of(texts[count]);
        count++;
    }
    return (ql__strs){views, count};
}

static void open_case(filter_case *self)
{
    self->config.include_paths = list(self->includes, self->views[0]);
    self->config.exclude_paths = list(self->excludes, self->views[1]);
    self->config.file_types = list(self->types, self->views[2]);
    self->config.enable_file_conversion = self->conversion;
    self->config.max_file_size = 1000;
    self->reason = QL_BUF_INIT;
    assert_int_equal(ql__path_filter_new(&self->config, &self->filter, NULL), QL_OK);
}

static void close_case(filter_case *self)
{
    ql__path_filter_free(self->filter);
    ql_buf_dispose(&self->reason);
}

static bool admits(filter_case *self, const char *path)
{
    return ql__path_filter_admits(self->filter, ql_str_of(path), 10, &self->reason);
}

static bool include(const char *pattern, const char *path)
{
    filter_case one = {.includes = {pattern}};
    open_case(&one);
    bool result = admits(&one, path);
    close_case(&one);
    return result;
}

static bool exclude(const char *pattern, const char *path)
{
    filter_case one = {.excludes = {pattern}};
    open_case(&one);
    bool result = !admits(&one, path);
    close_case(&one);
    return result;
}

static void test_path_filter__admits_all_without_lists(void **state)
{
    (void)state;
    filter_case all = {0};
    open_case(&all);
    assert_true(admits(&all, "README"));
    assert_true(admits(&all, ".github/workflows/ci.yml"));
    assert_true(admits(&all, "a b/\xff\n.md"));
    assert_false(admits(&all, "src/.hidden"));
    assert_string_equal(ql_buf_cstr(&all.reason), "hidden file");
    close_case(&all);
}

static void test_path_filter__includes_what_the_reference_includes(void **state)
{
    (void)state;
    assert_true(include("docs/*", "docs/a/b.md"));
    assert_true(include("/docs/*", "docs/a.md"));
    assert_true(include("docs/**", "docs/a/b.md"));
    assert_true(include("docs/**/*", "docs/a.md"));
    assert_true(include("docs/", "docs/a/b.md"));
    assert_false(include("docs/", "other/docs/a.md"));
    assert_true(include("", "README.md"));
    assert_true(include("/", "README.md"));
    assert_false(include("/", "docs/a.md"));
    assert_true(include("/**/*", "a/b.md"));
    assert_true(include("**", "a/b.md"));
    assert_true(include("*.md", "deep/down/a.md"));
    assert_false(include("docs/*", "src/a.md"));
    assert_true(include("[draft]/**", "[draft]/a.md"));
    assert_true(include("*/src/**", "a/b/src/c.c"));
}

static void test_path_filter__includes_more_where_the_reference_misses(void **state)
{
    (void)state;
    assert_true(include("**/*.md", "README.md"));
    assert_true(include("docs/**/*.md", "docs/a.md"));
    assert_true(include("**/.env.example", "x/.env.example"));
}

static void test_path_filter__excludes_folders_in_every_spelling(void **state)
{
    (void)state;
    static const char *const spellings[] = {"build/", "build/**", "/build/**", "build/**/*", "/build/"};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        assert_true(exclude(spellings[i], "build/a.o"));
        assert_true(exclude(spellings[i], "build/x/a.o"));
        assert_false(exclude(spellings[i], "src/build/a.o"));
        assert_false(exclude(spellings[i], "build"));
        assert_false(exclude(spellings[i], "builder/a.o"));
    }
    assert_true(exclude("**/node_modules/**", "node_modules/x.js"));
    assert_true(exclude("**/node_modules/**", "a/b/node_modules/c/x.js"));
    assert_false(exclude("**/node_modules/**", "a/my_node_modules.md"));
    assert_true(exclude("**/node_modules/", "a/node_modules/x.js"));
    assert_true(exclude("*.tmp", "a/b.tmp"));
    assert_false(exclude("", "README.md"));
    assert_false(exclude("/", "README.md"));
}

static void test_path_filter__reads_strictly_after_dot_slash(void **state)
{
    (void)state;
    assert_true(include("./docs/*.md", "docs/a.md"));
    assert_false(include("./docs/*.md", "docs/b/a.md"));
    assert_true(exclude("./*.md", "a.md"));
    assert_false(exclude("./*.md", "docs/a.md"));
    assert_true(exclude("./*/gen/**", "a/gen/x/y"));
    assert_false(exclude("./*/gen/**", "a/b/gen/x"));
}

static void test_path_filter__exclude_beats_include_and_says_so(void **state)
{
    (void)state;
    filter_case both = {.includes = {"docs/**"}, .excludes = {"docs/old/**"}};
    open_case(&both);
    assert_true(admits(&both, "docs/a.md"));
    assert_false(admits(&both, "docs/old/a.md"));
    assert_string_equal(ql_buf_cstr(&both.reason), "excluded by 'docs/old/**'");
    assert_false(admits(&both, "src/a.md"));
    assert_string_equal(ql_buf_cstr(&both.reason), "matches nothing in include_paths");
    close_case(&both);
}

static void test_path_filter__compares_types_by_extension_or_name(void **state)
{
    (void)state;
    filter_case types = {.types = {"*.md", ".TXT", "conf.py", "Makefile"}};
    open_case(&types);
    assert_true(admits(&types, "a.MD"));
    assert_true(admits(&types, "a.txt"));
    assert_true(admits(&types, "x/other.py"));
    assert_true(admits(&types, "src/Makefile"));
    assert_false(admits(&types, "src/makefile"));
    assert_false(admits(&types, "Makefile.in"));
    assert_false(admits(&types, "a.pdf"));
    assert_false(admits(&types, "md"));
    assert_string_equal(ql_buf_cstr(&types.reason), "not one of file_types");
    close_case(&types);

    filter_case convert = {.types = {"*.md"}, .conversion = true};
    open_case(&convert);
    assert_true(admits(&convert, "a.PDF"));
    assert_false(admits(&convert, "a.c"));
    close_case(&convert);

    filter_case any = {.types = {"*"}};
    open_case(&any);
    assert_true(admits(&any, "LICENSE"));
    close_case(&any);
}

static void test_path_filter__rejects_only_above_the_size(void **state)
{
    (void)state;
    filter_case all = {0};
    open_case(&all);
    assert_true(ql__path_filter_admits(all.filter, QL_STR("a"), 1000, &all.reason));
    assert_false(ql__path_filter_admits(all.filter, QL_STR("a"), 1001, &all.reason));
    assert_string_equal(ql_buf_cstr(&all.reason), "larger than max_file_size: 1001 bytes, limit 1000");
    close_case(&all);
}

/* Whatever _enters refuses, _admits refuses for every file below. */
static void test_path_filter__prunes_only_what_it_would_refuse(void **state)
{
    (void)state;
    filter_case out = {.excludes = {"build/", "**/node_modules/**", "*.tmp", "x/*"}};
    open_case(&out);
    assert_false(ql__path_filter_enters(out.filter, QL_STR("build"), &out.reason));
    assert_false(ql__path_filter_enters(out.filter, QL_STR("a/node_modules"), &out.reason));
    assert_false(ql__path_filter_enters(out.filter, QL_STR("build/sub"), &out.reason));
    assert_true(ql__path_filter_enters(out.filter, QL_STR("a.tmp"), &out.reason));
    assert_true(ql__path_filter_enters(out.filter, QL_STR("x"), &out.reason));
    assert_true(admits(&out, "a.tmp/file.md"));
    assert_false(admits(&out, "x/file.md"));
    close_case(&out);
}

static ql_status build_and_ask(void *user, ql_error *err)
{
    (void)user;
    filter_case one = {.includes = {"docs/**", ""}, .excludes = {"**/x/**"}, .types = {"*.md", "Make*"}};
    one.config.include_paths = list(one.includes, one.views[0]);
    one.config.exclude_paths = list(one.excludes, one.views[1]);
    one.config.file_types = list(one.types, one.views[2]);
    one.config.max_file_size = 1;
    ql_status status = ql__path_filter_new(&one.config, &one.filter, err);
    ql__path_filter_free(one.filter);
    return status;
}

static void test_path_filter__survives_lack_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, build_and_ask, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_filter__admits_all_without_lists),
        cmocka_unit_test(test_path_filter__includes_what_the_reference_includes),
        cmocka_unit_test(test_path_filter__includes_more_where_the_reference_misses),
        cmocka_unit_test(test_path_filter__excludes_folders_in_every_spelling),
        cmocka_unit_test(test_path_filter__reads_strictly_after_dot_slash),
        cmocka_unit_test(test_path_filter__exclude_beats_include_and_says_so),
        cmocka_unit_test(test_path_filter__compares_types_by_extension_or_name),
        cmocka_unit_test(test_path_filter__rejects_only_above_the_size),
        cmocka_unit_test(test_path_filter__prunes_only_what_it_would_refuse),
        cmocka_unit_test(test_path_filter__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
