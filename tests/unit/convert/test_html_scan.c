/* Goal: events are balanced and end tags are implied where HTML says so. Method: pages traced as nested names. */
#include "support/testing.h"

#include <string.h>

#include "base/limits.h"
#include "convert/html_scan.h"

typedef struct trace {
    ql_buf text;
    size_t depth, depth_max;
} trace;

static bool on_open(void *user, ql__html_element *element, const lxb_html_token_t *token)
{
    (void)token;
    trace *self = user;
    size_t len = 0;
    const lxb_char_t *name = lxb_tag_name_by_id(element->tag, &len);
    ql_buf_printf(&self->text, "<%.*s>", (int)len, (const char *)name);
    if (++self->depth > self->depth_max) self->depth_max = self->depth;
    return true;
}

static bool on_close(void *user, ql__html_element *element, size_t end)
{
    (void)end;
    trace *self = user;
    size_t len = 0;
    const lxb_char_t *name = lxb_tag_name_by_id(element->tag, &len);
    ql_buf_printf(&self->text, "</%.*s>", (int)len, (const char *)name);
    assert_true(self->depth-- > 0);
    return true;
}

static bool on_text(void *user, const char *text, size_t len, size_t begin, size_t end)
{
    assert_true(begin <= end);
    return ql_buf_append(&((trace *)user)->text, (ql_str){text, len}) >= 0;
}

static void run(ql_str page, bool xml, trace *out)
{
    memset(out, 0, sizeof *out);
    ql__html_events events = {on_open, on_close, on_text, out};
    ql__html_options options = {.xml = xml};
    assert_int_equal(ql__html_scan_run(page, &options, &events, NULL), QL_OK);
    assert_int_equal(out->depth, 0);
}

static void expect(const char *page, bool xml, const char *events)
{
    trace t;
    run(ql_str_of(page), xml, &t);
    assert_string_equal(ql_buf_cstr(&t.text), events);
    ql_buf_dispose(&t.text);
}

static void test_html_scan__implies_end_tags(void **state)
{
    (void)state;
    expect("<p>a<p>b", false, "<p>a</p><p>b</p>");
    expect("<p>a<div>b</div>c", false, "<p>a</p><div>b</div>c");
    expect("<ul><li>a<li>b</ul>", false, "<ul><li>a</li><li>b</li></ul>");
    expect("<ul><li>a<ul><li>b</ul><li>c</ul>", false, "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>");
    expect("<dl><dt>a<dd>b<dt>c</dl>", false, "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>");
    expect("<table><tr><td>a<td>b<tr><td>c</table>", false, "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>");
    expect("<table><thead><tr><th>a<tbody><tr><td>b</table>", false,
           "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>");
    expect("<h1>a<h2>b</h1>", false, "<h1>a</h1><h2>b</h2>");
    expect("<a>x<a>y</a>", false, "<a>x</a><a>y</a>");
}

static void test_html_scan__ignores_what_closes_nothing(void **state)
{
    (void)state;
    expect("<div>a</p></span></li></td></body>b</div>", false, "<div>ab</div>");
    expect("<td>a</td>", false, "a");
    expect("<table><tr><td></table></td>", false, "<table><tr><td></td></tr></table>");
    expect("<div><table><tr><td></div>a</table></div>", false, "<div><table><tr><td>a</td></tr></table></div>");
    expect("<p><b>a</p>b</b>", false, "<p><b>a</b></p>b");
    expect("<b><i>a</b>b</i>", false, "<b><i>a</b>b</i>");
}

static void test_html_scan__reads_raw_text_and_foreign_content(void **state)
{
    (void)state;
    expect("<script>a<b></script><style>p{}</style>", false, "<script>a<b></script><style>p{}</style>");
    expect("<title>a<b>&amp;</title>", false, "<title>a<b>&</title>");
    expect("<svg><path/><title>t</title></svg>", false, "<svg><path></path><title>t</title></svg>");
    expect("<svg><p>out", false, "<svg></svg><p>out</p>");
    expect("<![CDATA[gone]]>", false, "");
    expect("<a/><![CDATA[a<b]]>", true, "<a></a>a<b");
    expect("<div/>x", false, "<div>x</div>");
    expect("a<br>b<img>c", false, "a<br></br>b<img></img>c");
}

static void test_html_scan__depth_is_capped(void **state)
{
    (void)state;
    ql_buf page = QL_BUF_INIT;
    for (int i = 0; i < 20000; i++) ql_buf_append(&page, i % 2 ? QL_STR("<div>") : QL_STR("<span>"));
    trace t;
    run(ql_buf_str(&page), false, &t);
    assert_int_equal(t.depth_max, QL_LIMIT_HTML_DEPTH);
    ql_buf_dispose(&t.text);
    ql_buf_dispose(&page);
}

static void test_html_scan__compares_words_of_lists(void **state)
{
    (void)state;
    assert_true(ql__html_has_word(QL_STR("a  Toc\tb"), "toc"));
    assert_false(ql__html_has_word(QL_STR("toctree"), "toc"));
    assert_false(ql__html_has_word(QL_STR(""), "toc"));
    assert_true(ql__html_equal(QL_STR(" TRUE "), "true"));
    assert_false(ql__html_equal(QL_STR("true x"), "true"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_html_scan__implies_end_tags),
        cmocka_unit_test(test_html_scan__ignores_what_closes_nothing),
        cmocka_unit_test(test_html_scan__reads_raw_text_and_foreign_content),
        cmocka_unit_test(test_html_scan__depth_is_capped),
        cmocka_unit_test(test_html_scan__compares_words_of_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
