/* Goal: queries are trimmed, checked, cut into distinct terms and read as words; hostile ones are refused or bounded. */
#include "support/testing.h"

#include "base/limits.h"
#include "search/query.h"

#include <string.h>

static size_t units_of_letters(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    (void)starts;
    (void)capacity;
    ++*(int *)user;
    return text.len;
}

typedef struct asked {
    ql__arena arena;
    ql__analyzer *analyzer;
    ql__query query;
    ql_error err;
} asked;

static ql_status ask(asked *self, ql_str text, const ql_measure *measure)
{
    *self = (asked){.analyzer = NULL};
    ql__arena_init(&self->arena, 0);
    assert_int_equal(ql__analyzer_new(&self->analyzer, NULL), QL_OK);
    return ql__query_understand(text, self->analyzer, measure, &self->arena, &self->query, &self->err);
}

static void drop(asked *self)
{
    ql__analyzer_free(self->analyzer);
    ql__arena_dispose(&self->arena);
}

static void test_query__trims_and_finds_distinct_terms(void **state)
{
    (void)state;
    asked self;
    assert_int_equal(ask(&self, QL_STR(" \n The runners run, running Home \t"), NULL), QL_OK);
    assert_true(ql_str_equal(self.query.text, QL_STR("The runners run, running Home")));
    assert_int_equal(self.query.term_count, 3);
    assert_true(ql_str_equal(self.query.terms[1], QL_STR("run")));
    assert_true(self.query.weights[2] == 1);
    assert_int_equal(self.query.reading.words, 5);
    assert_int_equal(self.query.reading.letters, 24);
    assert_int_equal(self.query.reading.letters_latin, 24);
    assert_int_equal(self.query.reading.units, 0);
    drop(&self);
}

static void test_query__measures_words_without_signs(void **state)
{
    (void)state;
    asked self;
    int calls = 0;
    ql_measure measure = {sizeof measure, 0, "tokens", units_of_letters, &calls};
    assert_int_equal(ask(&self, QL_STR("(foo_bar) -- 12?!"), &measure), QL_OK);
    assert_int_equal(calls, 1);
    assert_int_equal(self.query.reading.words, 3);
    assert_int_equal(self.query.reading.units, 10); /* "foo bar 12" */
    drop(&self);
    assert_int_equal(ask(&self, QL_STR("?!"), &measure), QL_OK);
    assert_int_equal(calls, 1);
    assert_int_equal(self.query.term_count, 0);
    drop(&self);
}

static void test_query__refuses_what_cannot_be_searched(void **state)
{
    (void)state;
    asked self;
    assert_int_equal(ask(&self, QL_STR(" \n\t "), NULL), QL_E_INVALID);
    drop(&self);
    assert_int_equal(ask(&self, (ql_str){NULL, 0}, NULL), QL_E_INVALID);
    drop(&self);
    assert_int_equal(ask(&self, QL_STR("abc\xFF"), NULL), QL_E_INVALID);
    drop(&self);
    ql_buf text = QL_BUF_INIT;
    while (text.len <= QL_LIMIT_QUERY_BYTES) ql_buf_append(&text, QL_STR("word "));
    ql_buf_append_char(&text, 'x');
    assert_int_equal(ask(&self, ql_buf_str(&text), NULL), QL_E_INVALID);
    assert_non_null(strstr(self.err.message, "bytes"));
    drop(&self);
    ql_buf_dispose(&text);
}

static void test_query__bounds_the_terms_of_a_pasted_page(void **state)
{
    (void)state;
    asked self;
    ql_buf text = QL_BUF_INIT;
    for (int i = 0; i < 3000; i++) ql_buf_printf(&text, "w%d ", i + 10000);
    assert_int_equal(ask(&self, ql_buf_str(&text), NULL), QL_OK);
    assert_int_equal(self.query.term_count, QL_LIMIT_QUERY_TERMS);
    assert_int_equal(self.query.reading.words, 3000);
    drop(&self);
    ql_buf_dispose(&text);
}

static ql_status understand_one(void *user, ql_error *err)
{
    ql__arena arena;
    ql__query query;
    ql__arena_init(&arena, 0);
    ql_status status = ql__query_understand(QL_STR("some words to understand"), user, NULL, &arena, &query, err);
    ql__arena_dispose(&arena);
    return status;
}

static void test_query__survives_lack_of_memory(void **state)
{
    (void)state;
    ql__analyzer *analyzer = NULL;
    ql_test_alloc_install();
    assert_int_equal(ql__analyzer_new(&analyzer, NULL), QL_OK);
    ql_test_fault_loop(QL_FAULT_ALLOC, understand_one, analyzer);
    ql__analyzer_free(analyzer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query__trims_and_finds_distinct_terms),
        cmocka_unit_test(test_query__measures_words_without_signs),
        cmocka_unit_test(test_query__refuses_what_cannot_be_searched),
        cmocka_unit_test(test_query__bounds_the_terms_of_a_pasted_page),
        cmocka_unit_test(test_query__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
