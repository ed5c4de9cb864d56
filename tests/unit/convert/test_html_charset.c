/* Goal: the encoding a page declares is found where browsers look for it, and only known names count. Method: small pages. */
#include "support/testing.h"

#include <string.h>

#include "convert/html_charset.h"

static void expect(const char *page, const char *name)
{
    const char *found = ql__html_declared_encoding(ql_str_of(page));
    if (!name) assert_null(found);
    else assert_string_equal(found, name);
}

static void test_html_charset__reads_meta_and_xml(void **state)
{
    (void)state;
    expect("<meta charset=\"koi8-r\">", "KOI8-R");
    expect("<META CHARSET = 'Windows-1251' >", "CP1251");
    expect("<meta http-equiv=content-type content=\"text/html; charset=EUC-JP\">", "EUC-JP");
    expect("<?xml version=\"1.0\" encoding=\"ISO-8859-2\"?>", "ISO-8859-2");
    expect("<!-- <meta charset=koi8-r> --><meta charset=gb2312>", "GB18030");
}

static void test_html_charset__unknown_names_do_not_count(void **state)
{
    (void)state;
    expect("<meta charset=utf-8>", NULL);
    expect("<meta charset=UTF-16>", NULL);
    expect("<meta charset=../../evil>", NULL);
    expect("<meta charset=>", NULL);
    expect("<meta", NULL);
    expect("", NULL);
    expect("<!-- never closed <meta charset=koi8-r>", NULL);
}

static void test_html_charset__looks_at_the_first_kilobyte_only(void **state)
{
    (void)state;
    char page[2048];
    memset(page, ' ', sizeof page);
    memcpy(page + 1100, "<meta charset=koi8-r>", 22);
    expect(page, NULL);
    memcpy(page + 900, "<meta charset=koi8-r>", 21);
    expect(page, "KOI8-R");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_html_charset__reads_meta_and_xml),
        cmocka_unit_test(test_html_charset__unknown_names_do_not_count),
        cmocka_unit_test(test_html_charset__looks_at_the_first_kilobyte_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
