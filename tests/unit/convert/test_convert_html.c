/*
 * Goal: pages become the text a reader wants: titles, code and tables kept, menus left out, nothing lost when in doubt.
 * Method: golden files for whole pages (text and outline), small pages for single rules, prefixes of all pages and hostile pages
 * for what must hold for any input. The guarantees of a ql_canonical are checked on every run.
 */
#include "support/canonical_check.h"

static const char *const pages[] = {"article.html", "layout_table.html", "only_navigation.html", "title_outside.html", "broken.html", "strict.xhtml"};

static const char *type_of(const char *name)
{
    return strrchr(name, '.') + 1;
}

static void read_page(const char *name, ql_buf *out)
{
    ql_test_file_read(ql_test_path(QL_TEST_FIXTURES "/html", name), out);
}

static void test_convert_html__matches_the_golden_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        ql_buf page = QL_BUF_INIT, actual = QL_BUF_INIT;
        read_page(pages[i], &page);
        canonical_run run;
        canonical_convert(&run, ql__convert_html(), type_of(pages[i]), ql_buf_str(&page));
        const ql_canonical *c = &run.canonical;
        ql_buf_append(&actual, c->text);
        ql_buf_printf(&actual, "--------\ntitle: %.*s\n%.*s\n", (int)c->title.len, c->title.ptr, (int)c->metadata_json.len, c->metadata_json.ptr);
        canonical_outline(c, &actual);
        for (size_t r = 0; r < c->removed_count; r++) ql_buf_printf(&actual, "left out: %s\n", c->removed[r].reason);
        char name[64];
        assert_true(snprintf(name, sizeof name, "%s.expected", pages[i]) < (int)sizeof name);
        canonical_golden(ql_test_path(QL_TEST_FIXTURES "/html", name), &actual);
        canonical_dispose(&run);
        ql_buf_dispose(&page);
        ql_buf_dispose(&actual);
    }
}

static void expect(const char *type, ql_str page, const char *text)
{
    canonical_run run;
    canonical_convert(&run, ql__convert_html(), type, page);
    ql_buf actual = QL_BUF_INIT;
    ql_buf_append(&actual, run.canonical.text);
    assert_string_equal(ql_buf_cstr(&actual), text);
    ql_buf_dispose(&actual);
    canonical_dispose(&run);
}

static void test_convert_html__keeps_the_text_when_all_is_boilerplate(void **state)
{
    (void)state;
    expect("html", QL_STR("<body hidden><p>Shown by a script later.</p></body>"), "Shown by a script later.\n");
    expect("html", QL_STR("<div hidden><p>Everything is hidden.</p></div>"), "Everything is hidden.\n");
    expect("html", QL_STR("<nav>Only a menu</nav>"), "Only a menu\n");
    expect("html", QL_STR("<noscript>Needs scripts</noscript>"), "Needs scripts\n");
    expect("html", QL_STR("<title>Only  a\ntitle</title>"), "# Only a title\n");
    expect("html", QL_STR("just text"), "just text\n");
    expect("html", QL_STR(""), "");
    expect("htm", QL_STR("<script>x</script>"), "");
}

static void test_convert_html__accordion_buttons_in_headings_are_text(void **state)
{
    (void)state;
    expect("html", QL_STR("<h3><button>Question?</button></h3><p>Answer.</p><button>Copy</button>"), "### Question?\n\nAnswer.\n");
    expect("html", QL_STR("<h3>Struct<button>Copy path</button></h3><p>Text.</p>"), "### Struct\n\nText.\n");
}

static void test_convert_html__name_of_the_site_is_no_title_of_a_headed_page(void **state)
{
    (void)state;
    expect("html", QL_STR("<header><h1>Site</h1></header><main><h2>Article</h2><p>Words and words and words.</p></main>"), "## Article\n\nWords and words and words.\n");
    expect("html", QL_STR("<header><h1>Article</h1></header><main><p>Words and words and words.</p></main>"), "# Article\n\nWords and words and words.\n");
}

static void test_convert_html__fence_is_longer_than_any_in_the_code(void **state)
{
    (void)state;
    expect("html", QL_STR("<pre>a\n````\nb</pre>"), "`````\na\n````\nb\n`````\n");
}

static void test_convert_html__line_numbers_are_no_code(void **state)
{
    (void)state;
    expect("html", QL_STR("<table class=highlighttable><tr><td class=linenos><pre>1\n2</pre></td><td class=code><pre>a\nb</pre></td></tr></table>"), "```\na\nb\n```\n");
}

static void test_convert_html__map_points_to_the_text_of_the_page(void **state)
{
    (void)state;
    ql_str page = QL_STR("<h1>Caf\xC3\xA9</h1>\n<p>one &amp; two   three</p><pre>x  y</pre>");
    canonical_run run;
    canonical_convert(&run, ql__convert_html(), "html", page);
    const ql_canonical *c = &run.canonical;
    size_t exact = 0;
    for (size_t i = 0; i < c->map_count; i++) {
        const ql_range_map *m = &c->map[i];
        if (m->len != m->source_end - m->source_begin) continue;
        bool blank = memchr(page.ptr + m->source_begin, '\n', m->len) != NULL;
        if (!blank) assert_memory_equal(c->text.ptr + m->begin, page.ptr + m->source_begin, m->len);
        exact++;
    }
    assert_true(exact >= 2);
    canonical_dispose(&run);
}

static void expect_encoding(ql_str page, const char *text, const char *encoding)
{
    canonical_run run;
    canonical_convert(&run, ql__convert_html(), "html", page);
    assert_true(ql_str_equal(run.canonical.text, ql_str_of(text)));
    assert_true(ql_str_equal(run.canonical.encoding, ql_str_of(encoding)));
    canonical_dispose(&run);
}

static void test_convert_html__reads_the_declared_encoding(void **state)
{
    (void)state;
    expect_encoding(QL_STR("<meta charset=koi8-r><p>\xF0\xD2\xC9\xD7\xC5\xD4</p>"), "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82\n", "KOI8-R");
    expect_encoding(QL_STR("<meta http-equiv=\"Content-Type\" content=\"text/html; charset=Shift_JIS\"><p>\x93\xFA\x96\x7B</p>"), "\xE6\x97\xA5\xE6\x9C\xAC\n", "CP932");
    expect_encoding(QL_STR("<meta charset=iso-8859-1><p>na\xEFve \x93quoted\x94</p>"), "na\xC3\xAFve \xE2\x80\x9Cquoted\xE2\x80\x9D\n", "CP1252");
    /* Valid UTF-8 is UTF-8 whatever the page says, and an unknown name counts for nothing. */
    expect_encoding(QL_STR("<meta charset=koi8-r><p>Gr\xC3\xBC\xC3\x9F" "e</p>"), "Gr\xC3\xBC\xC3\x9F" "e\n", "utf-8");
    expect_encoding(QL_STR("<meta charset=\"UTF-7//IGNORE\"><p>caf\xE9</p>"), "caf\xC3\xA9\n", "windows-1252");
    expect_encoding(QL_STR("\xFF\xFE<\0p\0>\0o\0k\0"), "ok\n", "utf-16le");
}

static void test_convert_html__refuses_what_is_no_text(void **state)
{
    (void)state;
    struct ql_arena arena = {0};
    ql__arena_init(&arena.arena, 0);
    ql_document document = {.struct_size = sizeof document, .content_type = QL_STR("html"), .content = QL_STR("\x89PNG\r\n\x1a\n\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0")};
    ql_canonical canonical;
    assert_int_equal(ql__convert_html()->convert_fn(NULL, &document, &arena, &canonical, NULL), QL_E_FORMAT);
    ql__arena_dispose(&arena.arena);
}

/* Every prefix of a page is a page. */
static void test_convert_html__holds_for_every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        ql_buf page = QL_BUF_INIT;
        read_page(pages[i], &page);
        for (size_t len = 0; len < page.len; len += 7) {
            if (((unsigned char)page.ptr[len] & 0xC0) == 0x80) continue;
            canonical_run run;
            canonical_convert(&run, ql__convert_html(), type_of(pages[i]), (ql_str){page.ptr, len});
            canonical_dispose(&run);
        }
        ql_buf_dispose(&page);
    }
}

static void repeat(ql_buf *out, const char *piece, size_t count)
{
    for (size_t i = 0; i < count; i++) ql_buf_append(out, ql_str_of(piece));
}

/* Output and tables stay in proportion to the page. */
static void test_convert_html__hostile_pages_stay_small(void **state)
{
    (void)state;
    static const struct {
        const char *before, *piece, *after;
        size_t count;
        bool has_text;
    } cases[] = {
        {"", "<div>", "text", 100000, true}, {"", "<b>", "text", 100000, true}, {"", "<ul><li>a", "", 50000, true},
        {"", "<table><tr><td>x", "", 30000, true}, {"<div>", "</x>", "text", 100000, true}, {"<p ", "a=1 ", ">text", 50000, true},
        {"<font a=1><b><i>", "<p>x", "", 50000, true}, {"<dl>", "<dt>a<dd>b", "", 50000, true}, {"", "<script>a</script>", "text", 20000, true},
        {"", "<blockquote>q", "", 50000, true}, {"", "<a><h1>", "t", 50000, true}, {"<table>", "<tr><td>1", "", 50000, true},
        {"", "<nav>", "text", 50000, true}, {"<pre>", "&lt;", "", 50000, true}, {"", "<svg><text>t", "", 20000, true}, {"", "<select>", "x", 20000, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_buf page = QL_BUF_INIT;
        repeat(&page, cases[i].before, 1);
        repeat(&page, cases[i].piece, cases[i].count);
        repeat(&page, cases[i].after, 1);
        canonical_run run;
        canonical_convert(&run, ql__convert_html(), "html", ql_buf_str(&page));
        assert_true(run.canonical.text.len <= 8 * page.len + 1024);
        assert_true(run.canonical.block_count <= 4096 + 1 + run.canonical.text.len / 16);
        if (cases[i].has_text) assert_true(run.canonical.text.len > 0);
        canonical_dispose(&run);
        ql_buf_dispose(&page);
    }
}

static ql_status convert_article(void *user, ql_error *err)
{
    ql_document document = {.struct_size = sizeof document, .content_type = QL_STR("html"), .content = ql_buf_str(user)};
    struct ql_arena arena = {0};
    ql_canonical canonical;
    ql__arena_init(&arena.arena, 0);
    ql_status status = ql__convert_html()->convert_fn(NULL, &document, &arena, &canonical, err);
    ql__arena_dispose(&arena.arena);
    return status;
}

static void test_convert_html__survives_every_failing_allocation(void **state)
{
    (void)state;
    ql_buf page = QL_BUF_INIT;
    read_page("article.html", &page);
    ql_test_fault_loop(QL_FAULT_ALLOC, convert_article, &page);
    ql_buf_dispose(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_html__matches_the_golden_files),
        cmocka_unit_test(test_convert_html__keeps_the_text_when_all_is_boilerplate),
        cmocka_unit_test(test_convert_html__accordion_buttons_in_headings_are_text),
        cmocka_unit_test(test_convert_html__name_of_the_site_is_no_title_of_a_headed_page),
        cmocka_unit_test(test_convert_html__fence_is_longer_than_any_in_the_code),
        cmocka_unit_test(test_convert_html__line_numbers_are_no_code),
        cmocka_unit_test(test_convert_html__map_points_to_the_text_of_the_page),
        cmocka_unit_test(test_convert_html__reads_the_declared_encoding),
        cmocka_unit_test(test_convert_html__refuses_what_is_no_text),
        cmocka_unit_test(test_convert_html__holds_for_every_prefix),
        cmocka_unit_test(test_convert_html__hostile_pages_stay_small),
        cmocka_unit_test(test_convert_html__survives_every_failing_allocation),
    };
    ql_test_alloc_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
