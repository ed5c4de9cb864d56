/* Goal: the terms of texts in many languages are those that the header promises. Method: terms joined by blanks, compared as one text. */
#include "support/testing.h"

#include "base/map.h"
#include "text/analyze.h"

#include <string.h>

static int join(void *user, ql_str term)
{
    ql_buf *out = user;
    assert_true(term.len > 0 && term.len <= 128);
    if (out->len > 0) ql_buf_append_char(out, ' ');
    ql_buf_append(out, term);
    return 0;
}

static void analyze(ql_str text, ql_buf *out)
{
    ql__analyzer *analyzer = NULL;
    assert_int_equal(ql__analyzer_new(&analyzer, NULL), QL_OK);
    assert_int_equal(ql__analyzer_run(analyzer, text, join, out, NULL), QL_OK);
    ql__analyzer_free(analyzer);
}

#define expect(text, terms) expect_at(QL_STR(text), terms, __LINE__)
static void expect_at(ql_str text, const char *terms, int line)
{
    ql_buf out = QL_BUF_INIT;
    analyze(text, &out);
    if (strcmp(ql_buf_cstr(&out), terms) != 0) fail_msg("line %d: '%s', expected '%s'", line, ql_buf_cstr(&out), terms);
    ql_buf_dispose(&out);
}

static void test_analyze__lowers_stems_and_drops_stop_words(void **state)
{
    (void)state;
    expect("The Runners are running", "runner run");
    expect("", "");
    expect(" \n\t.,;!", "");
    expect("who is the", "");
}

static void test_analyze__keeps_accents_and_folds_case_fully(void **state)
{
    (void)state;
    expect("STRASSE Straße", "strass strass");
    expect("İSTANBUL istanbul ISPARTA ısparta", "istanbul istanbul isparta isparta");
    expect("\xC3\xA9t\xC3\xA9 e\xCC\x81te\xCC\x81", "\xC3\xA9t\xC3\xA9 \xC3\xA9t\xC3\xA9");
    expect("ΆΝΘΡΩΠΟΣ άνθρωπος", "ανθρωπ ανθρωπ");
    expect("Ёлка елка Москва\xCC\x81 Москва", "елк елк москв москв");
    expect("ﬁne ｆｉｎｅ", "fine fine");
    expect("hồ ho", "hồ ho");
}

static void test_analyze__treats_contractions_possessives_and_elisions(void **state)
{
    (void)state;
    expect("the company's don't we’ll", "compani");
    expect("l'homme O’Brien", "l homm o brien");
    expect("Türkiye'nin", "türkiy nin");
    expect("'quoted' rock'", "quot rock");
}

static void test_analyze__reads_numbers(void **state)
{
    (void)state;
    expect("1,234,567 1,2,3 1,2345", "1234567 1 2 3 1 2345");
    expect("3.14 v1.2.3 end 5.", "3.14 v1.2.3 1.2.3 end 5");
    expect("7.2.2016", "7.2.2016 2016");
    expect("1990s 19th 100mg", "1990s 1990 19th 19 100mg 100 mg");
    expect("٢٠١٦ २०१६ ๒๐๑๖", "2016 2016 2016");
}

static void test_analyze__splits_identifiers_and_keeps_them_whole(void **state)
{
    (void)state;
    expect("getUserName snake_case_name", "getusername get user name snake_case_name snake case name");
    expect("HTTPServer parseURLs IDs", "httpserver http server parseurls pars url id");
    expect("__init__ x86_64 sha256", "init x86_64 86 64 sha256 sha 256");
    expect("COVID-19 covid19", "covid 19 covid19 covid 19");
    expect("e3b0c44298fc1c149afb", "e3b0c44298fc1c149afb");
    expect("os.path.join(foo->bar)", "os path join foo bar");
    expect("C++ c# F# #tag a+b", "c++ c# f# tag b");
}

static void test_analyze__cuts_scripts_without_blanks_into_pairs(void **state)
{
    (void)state;
    expect("共和国2016年", "共 共和 和 和国 国 2016 年");
    expect("水", "水");
    expect("カタカナ ﾊﾟｰ", "カタ タカ カナ パー");
    expect("한국어", "한국 국어");
    expect("ภาษา", "ภา าษ ษา");
}

static void test_analyze__keeps_marks_with_their_letter(void **state)
{
    (void)state;
    expect("शब्द", "शब्द");
    expect("كَتَبَ كتب كـتب", "كتب كتب كتب");
    expect("\xCC\x81 \xCC\x81""abc", "abc");
    expect("co\xC2\xADoperate", "cooper");
}

static void test_analyze__ends_words_at_invalid_bytes(void **state)
{
    (void)state;
    expect("abc\xFFxyz \xC3", "abc xyz");
    expect("abc\0xyz", "abc xyz");
    expect("\xED\xA0\x80wide", "wide");
}

static void test_analyze__bounds_long_tokens(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT, out = QL_BUF_INIT;
    for (int i = 0; i < 100000; i++) ql_buf_append(&text, QL_STR("aB9"));
    analyze(ql_buf_str(&text), &out);
    assert_true(out.len > 0 && out.len <= text.len + text.len / 100); /* pieces of data get no parts */
    ql_buf_dispose(&text);
    ql_buf_dispose(&out);
}

static void test_analyze__pairs_go_across_the_cut_of_a_long_run(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT, out = QL_BUF_INIT;
    size_t terms = 1;
    for (int i = 0; i < 1000; i++) ql_buf_append(&text, QL_STR("か"));
    analyze(ql_buf_str(&text), &out);
    for (size_t i = 0; i < out.len; i++) terms += out.ptr[i] == ' ';
    assert_int_equal(terms, 999);
    ql_buf_dispose(&text);
    ql_buf_dispose(&out);
}

static int stop_at_second(void *user, ql_str term)
{
    (void)term;
    return ++*(int *)user == 2 ? 7 : 0;
}

static void test_analyze__stops_when_the_receiver_says_so(void **state)
{
    (void)state;
    int calls = 0;
    ql_error err = {0};
    ql__analyzer *analyzer = NULL;
    assert_int_equal(ql__analyzer_new(&analyzer, NULL), QL_OK);
    assert_int_equal(ql__analyzer_run(analyzer, QL_STR("one two three four_five six"), stop_at_second, &calls, &err), QL_E_CALLBACK);
    assert_int_equal(calls, 2);
    assert_int_equal(err.callback_value, 7);
    ql__analyzer_free(analyzer);
}

/* When this fails, the terms of some text changed: raise ANALYZER_VERSION, so that old indexes are made anew, then update both numbers. */
static void test_analyze__version_names_these_terms(void **state)
{
    (void)state;
    ql_buf out = QL_BUF_INIT;
    analyze(QL_STR("The company's HTTPServer served 1,234.5 users_per_day in 2016; l'été à Москве, στην Αθήνα, في المدرسة, हिन्दी में, 中华人民共和国, ภาษาไทย, 한국어, Việt Nam."), &out);
    assert_int_equal(ql__analyzer_version(), 1);
    assert_string_equal(ql_buf_cstr(&out), "compani httpserver http server serv 1234.5 users_per_day user per day 2016 l été à москв στην αθην في مدرس हिन्द म 中 中华 华 华人 人 人民 民 民共 共 共和 和 和国 国 ภา าษ ษา าไ ไท ทย 한국 국어 việt nam");
    ql_buf_dispose(&out);
}

static ql_status make_one(void *user, ql_error *err)
{
    (void)user;
    ql__analyzer *analyzer = NULL;
    ql_status status = ql__analyzer_new(&analyzer, err);
    ql__analyzer_free(analyzer);
    return status;
}

static void test_analyze__survives_lack_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, make_one, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_analyze__lowers_stems_and_drops_stop_words),
        cmocka_unit_test(test_analyze__keeps_accents_and_folds_case_fully),
        cmocka_unit_test(test_analyze__treats_contractions_possessives_and_elisions),
        cmocka_unit_test(test_analyze__reads_numbers),
        cmocka_unit_test(test_analyze__splits_identifiers_and_keeps_them_whole),
        cmocka_unit_test(test_analyze__cuts_scripts_without_blanks_into_pairs),
        cmocka_unit_test(test_analyze__keeps_marks_with_their_letter),
        cmocka_unit_test(test_analyze__ends_words_at_invalid_bytes),
        cmocka_unit_test(test_analyze__bounds_long_tokens),
        cmocka_unit_test(test_analyze__pairs_go_across_the_cut_of_a_long_run),
        cmocka_unit_test(test_analyze__stops_when_the_receiver_says_so),
        cmocka_unit_test(test_analyze__version_names_these_terms),
        cmocka_unit_test(test_analyze__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
