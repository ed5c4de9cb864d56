/* Goal: problems are complete, in order, one a line, and safe to print. Method: files with several, with thousands, and with control characters. */
#include "config_run.h"

static void test_config_problem__reports_an_unknown_key_with_its_place(void **state)
{
    (void)state;
    run self;
    start(&self, "global:\n  chunking:\n    chunk_sise: 5\nsources: {localfile: {d: {base_url: d}}}\n", NULL);
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    assert_non_null(strstr(ql_buf_cstr(&self.problems), "config.yaml:3:5: unknown key 'chunk_sise' in global.chunking (did you mean 'chunk_size'?)\n"));
    finish(&self);
}

static void test_config_problem__problems_are_counted_and_sorted(void **state)
{
    (void)state;
    run self;
    start(&self, "sources: {localfile: {d: {base_url: d, nme: 1}}}\nglobal: {chunking: {chunk_size: 0}, xx: 1}\n", NULL);
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    ql_buf found = QL_BUF_INIT;
    strip_paths(&self, &found);
    assert_string_equal(ql_buf_cstr(&found), "1:40: unknown key 'nme' in sources.localfile.d\n2:33: global.chunking.chunk_size must be between 1 and 100000000, not '0'\n2:37: unknown key 'xx' in global\n");
    assert_non_null(strstr(self.err.message, "3 problems in the configuration; the first: "));
    ql_buf_dispose(&found);
    finish(&self);
}

static void test_config_problem__hostile_files_end_with_a_problem(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    for (int i = 0; i < 3000; i++) ql_buf_printf(&text, "key%d: 1\n", i);
    run self;
    start(&self, ql_buf_cstr(&text), NULL);
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    assert_non_null(strstr(self.err.message, "3001 problems"));
    finish(&self);
    static const char *const texts[] = {"a: \xFF\xFE", "\t", "{", "sources: {localfile: {d: {base_url: \"\\0\"}}}", "sources: {localfile: {\"a\\nb\\e[2J\": {base_url: 5}}}", "&a [*a]", "? x\n? y\n", "!!map []"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        start(&self, texts[i], NULL);
        load(&self);
        assert_int_equal(self.status, QL_E_CONFIG);
        assert_null(strchr(ql_buf_cstr(&self.problems), '\x1b'));
        finish(&self);
    }
    ql_buf_dispose(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_problem__reports_an_unknown_key_with_its_place),
        cmocka_unit_test(test_config_problem__problems_are_counted_and_sorted),
        cmocka_unit_test(test_config_problem__hostile_files_end_with_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
