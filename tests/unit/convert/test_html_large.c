/*
 * Goal: large pages are read whole, in memory that grows with the page and not with its shape. Method: a flat page of 14 MB, a table of
 * 14 MB and 10^6 nested tags; every word of the page must be in the text, and the conversion's arena stays within a multiple of the page.
 */
#include "support/canonical_check.h"

#define PAGE_BYTES ((size_t)14 << 20)
#define ARENA_PER_BYTE 16

static size_t count_of(ql_str text, ql_str word)
{
    size_t count = 0;
    for (const char *at = text.ptr; (at = memmem(at, (size_t)(text.ptr + text.len - at), word.ptr, word.len)) != NULL; at += word.len) count++;
    return count;
}

static void expect_whole(ql_buf *page, size_t words)
{
    canonical_run run;
    assert_int_equal(page->status, QL_OK);
    canonical_convert(&run, ql__convert_html(), "html", ql_buf_str(page));
    assert_int_equal(count_of(run.canonical.text, QL_STR("okapi")), words);
    assert_true(run.arena.arena.used_bytes < page->len * ARENA_PER_BYTE);
    canonical_dispose(&run);
    ql_buf_dispose(page);
}

static void test_html_large__reads_a_flat_page_of_14_mb(void **state)
{
    (void)state;
    ql_buf page = QL_BUF_INIT;
    size_t words = 0;
    ql_buf_append(&page, QL_STR("<html><body><p>"));
    for (; page.len < PAGE_BYTES; words++) ql_buf_append(&page, QL_STR("the okapi walks on and on, "));
    ql_buf_append(&page, QL_STR("</p></body></html>"));
    expect_whole(&page, words);
}

static void test_html_large__reads_a_table_of_14_mb(void **state)
{
    (void)state;
    ql_buf page = QL_BUF_INIT;
    size_t words = 0;
    ql_buf_append(&page, QL_STR("<table>"));
    for (; page.len < PAGE_BYTES; words++) ql_buf_append(&page, QL_STR("<tr><td>1</td><td>okapi</td><td>forest and river</td></tr>\n"));
    ql_buf_append(&page, QL_STR("</table>"));
    expect_whole(&page, words);
}

static void test_html_large__reads_a_million_nested_tags(void **state)
{
    (void)state;
    ql_buf page = QL_BUF_INIT;
    for (size_t i = 0; i < 1000000; i++) ql_buf_append(&page, QL_STR("<div>"));
    ql_buf_append(&page, QL_STR("<p>okapi</p>"));
    expect_whole(&page, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_html_large__reads_a_flat_page_of_14_mb),
        cmocka_unit_test(test_html_large__reads_a_table_of_14_mb),
        cmocka_unit_test(test_html_large__reads_a_million_nested_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
