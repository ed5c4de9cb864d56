/* Goal: no secret leaves through an output, and the YAML output is a configuration again. Method: a file with every kind of secret; a second reading. */
#include "config_run.h"
#include "model/config_loader.h"

static void test_config_write__secrets_are_masked_in_every_output(void **state)
{
    (void)state;
    run self;
    start(&self, SECRETS, usual_env);
    load(&self);
    (void)expect_loaded(&self);
    ql_buf json = QL_BUF_INIT, yaml = QL_BUF_INIT;
    assert_int_equal(ql__config_write_json(self.set, &json, NULL), QL_OK);
    assert_int_equal(ql__config_write_yaml(self.set, &yaml, NULL), QL_OK);
    const char *outputs[] = {ql_buf_cstr(&json), ql_buf_cstr(&yaml), ql_buf_cstr(&self.log)};
    for (size_t i = 0; i < 3; i++) {
        assert_null(strstr(outputs[i], "hidden"));
        assert_null(strstr(outputs[i], "hush"));
    }
    for (size_t i = 0; i < 2; i++)
        for (char n = '1'; n <= '5'; n++) {
            char shown[] = {'s', 'h', 'o', 'w', 'n', n, '\0'};
            assert_non_null(strstr(outputs[i], shown));
        }
    ql_buf_dispose(&json);
    ql_buf_dispose(&yaml);
    finish(&self);
}

static void test_config_write__masks_secrets_inside_addresses(void **state)
{
    (void)state;
    static const struct { const char *text, *expected; } cases[] = {
        {"http://h:6333?api_key=hush", "http://h:6333?api_key=****"},
        {"see https://h/a?page=1&Token=hush&x=2 there", "see https://h/a?page=1&Token=****&x=2 there"},
        {"https://u:hush@h/?sig=hush", "https://****@h/?sig=****"},
        {"https://h/a?page=1", "https://h/a?page=1"},
        {"https://h?", "https://h?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_buf out = QL_BUF_INIT;
        ql__mask_user(ql_str_of(cases[i].text), &out);
        assert_string_equal(ql_buf_cstr(&out), cases[i].expected);
        ql_buf_dispose(&out);
    }
}

static void test_config_write__yaml_output_reads_back_as_the_same(void **state)
{
    (void)state;
    run self, again;
    start(&self, "projects:\n  a-b: {display_name: 'yes', description: \"two\\nlines: x # y\", sources: {localfile: {'1 2': {base_url: /x, include_paths: ['- a', '', 'null', '1.5', 'a: b', \"q'\\\"\", \"\\x7f\\x85\\u2028\\ufeff \\t\"]}}}}\n"
                 "global: {chunking: {chunk_size: 300}, workers: {schedules: {incremental_pull: {interval: 90}}}}\nsearch: {conflict_llm_timeout_s: 1.5}\n", NULL);
    load(&self);
    (void)expect_loaded(&self);
    ql_buf yaml = QL_BUF_INIT, first = QL_BUF_INIT, second = QL_BUF_INIT;
    assert_int_equal(ql__config_write_yaml(self.set, &yaml, NULL), QL_OK);
    start(&again, ql_buf_cstr(&yaml), NULL);
    load(&again);
    (void)expect_loaded(&again);
    assert_int_equal(ql__config_write_yaml(again.set, &second, NULL), QL_OK);
    assert_string_equal(ql_buf_cstr(&yaml), ql_buf_cstr(&second));
    ql_buf_dispose(&yaml);
    ql_buf_dispose(&first);
    ql_buf_dispose(&second);
    finish(&again);
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_write__secrets_are_masked_in_every_output),
        cmocka_unit_test(test_config_write__masks_secrets_inside_addresses),
        cmocka_unit_test(test_config_write__yaml_output_reads_back_as_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
