/* The parts of Markdown that are read without a parser. */
#include "support/testing.h"

#include <string.h>

#include "convert/markdown_parts.h"

static void test_markdown_lines__finds_line_ends_of_all_kinds(void **state)
{
    (void)state;
    const ql_str text = QL_STR("a\nb\r\nc\rd");
    assert_int_equal(ql__md_line_end(text, 0), 2);
    assert_int_equal(ql__md_line_end(text, 2), 5);
    assert_int_equal(ql__md_line_end(text, 5), 7);
    assert_int_equal(ql__md_line_end(text, 7), 8);
    assert_int_equal(ql__md_line_end(text, 8), 8);
}

static void expect_atx(const char *line, unsigned level, const char *text)
{
    ql_str raw = {0};
    assert_int_equal(ql__md_atx(ql_str_of(line), &raw), level);
    if (level > 0) assert_true(ql_str_equal(raw, ql_str_of(text)));
}

static void test_markdown_lines__reads_atx_headings(void **state)
{
    (void)state;
    expect_atx("# A #\n", 1, "A");
    expect_atx("   ###### A b#\r\n", 6, "A b#");
    expect_atx("## \n", 2, "");
    expect_atx("##\tA ## b ##", 2, "A ## b");
    expect_atx("# #\n", 1, "");
    expect_atx("####### A", 0, "");
    expect_atx("    # A", 0, "");
    expect_atx("#A", 0, "");
    expect_atx("", 0, "");
}

static void expect_fence(const char *line, size_t len, const char *expected_info)
{
    char mark = 0;
    ql_str info = {0};
    assert_int_equal(ql__md_fence(ql_str_of(line), &mark, &info), len);
    if (len > 0) assert_true(ql_str_equal(info, ql_str_of(expected_info)));
}

static void test_markdown_lines__reads_fences(void **state)
{
    (void)state;
    expect_fence("```c++ numbered\n", 3, "c++");
    expect_fence("  ~~~~ `x`\n", 4, "`x`");
    expect_fence("```{python, echo=FALSE}", 3, "python");
    expect_fence("``` a`b", 0, "");
    expect_fence("``", 0, "");
    expect_fence("    ```", 0, "");
}

static void expect_front_matter(const char *text, size_t end, const char *expected_title)
{
    ql_str title = {0};
    assert_int_equal(ql__md_front_matter(ql_str_of(text), &title), end);
    assert_true(ql_str_equal(title, ql_str_of(expected_title)));
}

static void test_markdown_lines__reads_front_matter(void **state)
{
    (void)state;
    expect_front_matter("---\ntitle: 'A b'\nx: [1]\n---\ntext", 28, "A b");
    expect_front_matter("---\r\n# comment\r\ntags: a\r\n...\r\n", 30, "");
    expect_front_matter("+++\ntitle = \"T\"\n+++\n", 20, "T");
    expect_front_matter("---\nnever: closed\n", 0, "");
    expect_front_matter("---\nprose, then a ruler\n---\n", 0, "");
    expect_front_matter(" ---\na: b\n---\n", 0, "");
    expect_front_matter("", 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markdown_lines__finds_line_ends_of_all_kinds),
        cmocka_unit_test(test_markdown_lines__reads_atx_headings),
        cmocka_unit_test(test_markdown_lines__reads_fences),
        cmocka_unit_test(test_markdown_lines__reads_front_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
