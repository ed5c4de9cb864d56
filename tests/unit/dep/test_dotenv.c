/* Goal: .env files mean what they mean to python-dotenv. Method: one table of files and the entries they give; caps and faults apart. */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dep/dotenv.h"

static bool find(void *user, ql_str name, ql_str *value)
{
    (void)user;
    if (ql_str_equal(name, QL_STR("OUTER"))) return *value = QL_STR("process"), true;
    return false;
}

static ql_buf problems;

static void note(void *user, uint32_t line, uint32_t column, const char *sentence)
{
    (void)user;
    ql_buf_printf(&problems, "%u:%u: %s|", line, column, sentence);
}

static int teardown(void **state)
{
    (void)state;
    ql_buf_dispose(&problems);
    return 0;
}

static const struct {
    const char *text, *entries, *problems;
} files[] = {
    {"", "", ""},
    {"A=1\nB=two words \n", "A=1;B=two words;", ""},
    {"  export A = 1 \n", "A=1;", ""},
    {"export=1\nexported=2\n", "export=1;exported=2;", ""},
    {"# comment\n\n \t# another\nA=1 # tail\nB=1#2\nC=#x\nD= # nothing\n", "A=1;B=1#2;C=#x;D=;", ""},
    {"A='single $X \\n \\' #'\nB=\"a\\tb\\\"\\\\ # \\x\"\n", "A=single $X \\n ' #;B=a\tb\"\\ # \\x;", ""},
    {"A=\"two\nlines\" # c\nB='x\ny'\n", "A=two\nlines;B=x\ny;", ""},
    {"'quoted key'=1\n", "quoted key=1;", ""},
    {"A=1\r\nB=2\rC=3", "A=1;B=2;C=3;", ""},
    {"\xEF\xBB\xBF" "A=1", "A=1;", ""},
    {"A=x\nB=${A}y${NONE}${NONE:-d}\nC='${B}'\nD=${A:x}$A\n", "A=x;B=xyd;C=xyd;D=${A:x}$A;", ""},
    {"A=${OUTER}\nOUTER=file\nB=${OUTER}\n", "A=process;OUTER=file;B=file;", ""},
    {"A=${A}${B}\n", "A=;", ""},
    {"A=${open\n", "A=${open;", ""},
    {"A=1\nA=2\n", "A=2;", ""},
    {"A=\nB=\"\"\n", "A=;B=;", ""},
    {"word\nA=1\n=x\n", "A=1;", "1:5: not of the form KEY=VALUE; the line is skipped|3:1: not of the form KEY=VALUE; the line is skipped|"},
    {"A=\"x\" y\nB=2\n", "B=2;", "1:7: something stands behind the closing quote; the line is skipped|"},
    {"A=\"open\nB=2\n", "", "3:1: a quote is opened but never closed|"},
    {"'open=1\nB=2\n", "B=2;", "1:8: not of the form KEY=VALUE; the line is skipped|"},
};

static void test_dotenv__files_give_entries(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ql__arena arena;
        ql__arena_init(&arena, 0);
        ql_buf_clear(&problems);
        const ql__dotenv_entry *entries = NULL;
        size_t count = 0;
        ql__dotenv_scope scope = {.find_fn = find, .file_wins = true, .problem_fn = note};
        assert_int_equal(ql__dotenv_parse(ql_str_of(files[i].text), &arena, &scope, &entries, &count, NULL), QL_OK);
        ql_buf found = QL_BUF_INIT;
        for (size_t j = 0; j < count; j++) ql_buf_printf(&found, "%s=%s;", entries[j].name.ptr, entries[j].value.ptr);
        assert_string_equal(ql_buf_cstr(&found), files[i].entries);
        assert_string_equal(ql_buf_cstr(&problems), files[i].problems);
        ql_buf_dispose(&found);
        ql__arena_dispose(&arena);
    }
}

static void test_dotenv__the_process_wins_when_told_so(void **state)
{
    (void)state;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    const ql__dotenv_entry *entries = NULL;
    size_t count = 0;
    ql__dotenv_scope scope = {.find_fn = find};
    assert_int_equal(ql__dotenv_parse(QL_STR("OUTER=file\nB=${OUTER}"), &arena, &scope, &entries, &count, NULL), QL_OK);
    assert_string_equal(entries[1].value.ptr, "process");
    assert_int_equal(entries[1].line, 2);
    ql__arena_dispose(&arena);
}

static ql_status parse_doubling(size_t lines)
{
    ql_buf text = QL_BUF_INIT;
    ql_buf_append(&text, QL_STR("V0=xxxxxxxxxxxxxxxx\n"));
    for (size_t i = 1; i < lines; i++) ql_buf_printf(&text, "V%zu=${V%zu}${V%zu}\n", i, i - 1, i - 1);
    ql__arena arena;
    ql__arena_init(&arena, 0);
    const ql__dotenv_entry *entries = NULL;
    size_t count = 0;
    ql__dotenv_scope scope = {0};
    ql_status status = ql__dotenv_parse(ql_buf_str(&text), &arena, &scope, &entries, &count, NULL);
    ql__arena_dispose(&arena);
    ql_buf_dispose(&text);
    return status;
}

static void test_dotenv__values_cannot_double_without_end(void **state)
{
    (void)state;
    assert_int_equal(parse_doubling(10), QL_OK);
    assert_int_equal(parse_doubling(60), QL_E_LIMIT);
}

static void test_dotenv__a_nul_byte_is_a_problem(void **state)
{
    (void)state;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    ql_buf_clear(&problems);
    const ql__dotenv_entry *entries = NULL;
    size_t count = 9;
    ql__dotenv_scope scope = {.problem_fn = note};
    assert_int_equal(ql__dotenv_parse(QL_STR("A=1\0"), &arena, &scope, &entries, &count, NULL), QL_OK);
    assert_int_equal(count, 0);
    assert_non_null(strstr(ql_buf_cstr(&problems), "NUL"));
    ql__arena_dispose(&arena);
}

static ql_status whole(void *user, ql_error *err)
{
    (void)user;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    const ql__dotenv_entry *entries = NULL;
    size_t count = 0;
    ql__dotenv_scope scope = {.find_fn = find, .file_wins = true};
    ql_status status = ql__dotenv_parse(QL_STR("A=1\nB=\"x${A}\"\nexport C='y'\nA=2\n"), &arena, &scope, &entries, &count, err);
    ql__arena_dispose(&arena);
    return status;
}

static void test_dotenv__every_allocation_may_fail(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, whole, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dotenv__every_allocation_may_fail), /* first: it installs an allocator */
        cmocka_unit_test(test_dotenv__files_give_entries),
        cmocka_unit_test(test_dotenv__the_process_wins_when_told_so),
        cmocka_unit_test(test_dotenv__values_cannot_double_without_end),
        cmocka_unit_test(test_dotenv__a_nul_byte_is_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
