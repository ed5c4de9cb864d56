/* Goal: a model folder's JSON is understood as its makers' tools do, nonsense and unknown kinds are refused by name. Method: small folders. */
#include <string.h>

#include "embed/bert_config.h"
#include "embed/wordpiece.h"
#include "support/testing.h"

#define SHAPE "\"hidden_size\":12,\"num_hidden_layers\":2,\"num_attention_heads\":3,\"intermediate_size\":24,\"vocab_size\":30"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = ql_test_dir_new();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    ql_test_dir_remove(folder);
    return 0;
}

static void put(const char *name, const char *text)
{
    ql_test_file_write(ql_test_path(folder, name), ql_str_of(text));
}

static void expect_read(ql__bert_config *out)
{
    ql_error err = {0};
    if (ql__bert_config_read(ql__sys_default(), folder, out, &err) != QL_OK) fail_msg("%s", err.message);
}

static void expect_refused(ql_status kind, const char *reason)
{
    ql__bert_config config;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__bert_config_read(ql__sys_default(), folder, &config, &err)), kind);
    ql__bert_config_dispose(&config);
    if (!strstr(err.message, reason)) fail_msg("'%s' does not say '%s'", err.message, reason);
}

static void test_bert_config__has_defaults(void **state)
{
    (void)state;
    ql__bert_config config;
    put("config.json", "{" SHAPE "}");
    expect_read(&config);
    assert_int_equal(config.width, 12);
    assert_int_equal(config.positions, 512);
    assert_int_equal(config.sequence_max, 512);
    assert_int_equal(config.pooling, QL__POOLING_MEAN);
    assert_int_equal(config.tokenizer_flags, QL__WORDPIECE_LOWER | QL__WORDPIECE_STRIP | QL__WORDPIECE_IDEOGRAPHS);
    assert_int_equal(config.query_prefix.len, 0);
    ql__bert_config_dispose(&config);
}

static void test_bert_config__reads_window_pooling_prompts_and_tokenizer(void **state)
{
    (void)state;
    ql__bert_config config;
    put("config.json", "{\"model_type\":\"bert\",\"max_position_embeddings\":100," SHAPE "}");
    put("sentence_bert_config.json", "{\"max_seq_length\":64}");
    put("modules.json", "[{\"path\":\"\",\"type\":\"a.b.Transformer\"},{\"path\":\"1_Pooling\",\"type\":\"a.b.Pooling\"},{\"path\":\"2\",\"type\":\"a.b.Normalize\"}]");
    put("1_Pooling/config.json", "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":false}");
    put("config_sentence_transformers.json", "{\"prompts\":{\"query\":\"query: \",\"document\":\"passage: \"}}");
    put("tokenizer_config.json", "{\"do_lower_case\":false,\"strip_accents\":null,\"tokenize_chinese_chars\":true}");
    expect_read(&config);
    assert_int_equal(config.sequence_max, 64);
    assert_int_equal(config.pooling, QL__POOLING_CLS);
    assert_string_equal(ql_buf_cstr(&config.query_prefix), "query: ");
    assert_string_equal(ql_buf_cstr(&config.passage_prefix), "passage: ");
    assert_int_equal(config.tokenizer_flags, QL__WORDPIECE_IDEOGRAPHS);
    ql__bert_config_dispose(&config);
}

static void test_bert_config__window_stays_within_positions(void **state)
{
    (void)state;
    ql__bert_config config;
    put("config.json", "{\"max_position_embeddings\":100," SHAPE "}");
    put("sentence_bert_config.json", "{\"max_seq_length\":4096}");
    expect_read(&config);
    assert_int_equal(config.sequence_max, 100);
    ql__bert_config_dispose(&config);
}

static void test_bert_config__refuses_other_kinds_by_name(void **state)
{
    (void)state;
    expect_refused(QL_E_NOTFOUND, "config.json");
    put("config.json", "{\"model_type\":\"roberta\"," SHAPE "}");
    expect_refused(QL_E_UNSUPPORTED, "roberta");
    put("config.json", "{\"hidden_act\":\"swiglu\"," SHAPE "}");
    expect_refused(QL_E_UNSUPPORTED, "swiglu");
    put("config.json", "{" SHAPE "}");
    put("modules.json", "[{\"path\":\"2_Dense\",\"type\":\"sentence_transformers.models.Dense\"}]");
    expect_refused(QL_E_UNSUPPORTED, "Dense");
    put("modules.json", "[{\"path\":\"1_Pooling\",\"type\":\"x.Pooling\"}]");
    put("1_Pooling/config.json", "{\"pooling_mode_max_tokens\":true}");
    expect_refused(QL_E_UNSUPPORTED, "pools");
}

static void test_bert_config__refuses_nonsense(void **state)
{
    (void)state;
    put("config.json", "{\"hidden_size\":13,\"num_hidden_layers\":2,\"num_attention_heads\":3,\"intermediate_size\":24,\"vocab_size\":30}");
    expect_refused(QL_E_FORMAT, "3 heads");
    put("config.json", "{\"hidden_size\":-1}");
    expect_refused(QL_E_FORMAT, "num_hidden_layers");
    put("config.json", "[");
    expect_refused(QL_E_FORMAT, "config.json");
    put("config.json", "{" SHAPE ",\"layer_norm_eps\":7}");
    expect_refused(QL_E_FORMAT, "layer_norm_eps");
    put("config.json", "{" SHAPE "}");
    put("sentence_bert_config.json", "{\"max_seq_length\":3}");
    expect_refused(QL_E_FORMAT, "window");
    put("sentence_bert_config.json", "{}");
    put("modules.json", "[{\"path\":\"../x\",\"type\":\"x.Pooling\"}]");
    expect_refused(QL_E_FORMAT, "leaves");
}

int main(void)
{
#define ENTRY(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        ENTRY(test_bert_config__has_defaults),
        ENTRY(test_bert_config__reads_window_pooling_prompts_and_tokenizer),
        ENTRY(test_bert_config__window_stays_within_positions),
        ENTRY(test_bert_config__refuses_other_kinds_by_name),
        ENTRY(test_bert_config__refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
