/*
 * Reads a model folder's JSON files, as sentence-transformers and transformers write them:
 *
 *   config.json                        shape of the encoder (required)
 *   sentence_bert_config.json          max_seq_length: this decides the window, never beyond max_position_embeddings
 *   modules.json, <path>/config.json   pooling: mean (also when absent) or the [CLS] token
 *   config_sentence_transformers.json  prompts: what is put before a query and a passage
 *   tokenizer_config.json              do_lower_case, strip_accents, tokenize_chinese_chars
 *
 * Every number is held against a cap, so that later sizes cannot overflow. Threads: no state. Cost: some kilobytes of JSON.
 */
#include "embed/bert_config.h"

#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "embed/wordpiece.h"

/* *out stays NULL when an optional file is absent. */
static ql_status read_json(const ql__sys *sys, const char *dir, const char *name, bool required, ql__json **out, ql_error *err)
{
    ql_buf path = QL_BUF_INIT, text = QL_BUF_INIT;
    ql_error inner = {0};
    *out = NULL;
    text.limit_bytes = QL_LIMIT_MODEL_JSON_BYTES;
    ql_status status = ql_buf_printf(&path, "%s/%s", dir, name);
    if (status < 0) status = ql__fail_nomem(&inner);
    else status = ql__file_read_all(sys, ql_buf_cstr(&path), &text, &inner);
    if (status >= 0) {
        status = ql__json_parse(ql_buf_str(&text), out, &inner);
        if (status < 0) ql__error_prefix(&inner, "'%s'", ql_buf_cstr(&path));
    } else if (ql_status_kind(status) == QL_E_NOTFOUND && !required) {
        status = QL_OK;
    }
    if (status < 0 && err) *err = inner;
    ql_buf_dispose(&path);
    ql_buf_dispose(&text);
    return status;
}

static ql_status read_number(const ql__json *object, const char *key, uint32_t fallback, uint32_t limit, uint32_t *out, ql_error *err)
{
    int64_t value = ql__json_int_of(ql__json_get(object, key), fallback);
    if (value < 1 || value > limit) return ql__fail(err, QL_E_FORMAT, "config.json: %s is %lld, not within 1..%u", key, (long long)value, limit);
    *out = (uint32_t)value;
    return QL_OK;
}

static ql_status expect_text(const ql__json *object, const char *key, const char *wanted, ql_error *err)
{
    ql_str value = ql__json_str(ql__json_get(object, key), ql_str_of(wanted));
    if (ql_str_equal(value, ql_str_of(wanted))) return QL_OK;
    return ql__fail(err, QL_E_UNSUPPORTED, "config.json: %s is '%.*s', this build knows '%s'", key, value.len > 60 ? 60 : (int)value.len, value.ptr, wanted);
}

static ql_status read_shape(const ql__json *json, ql__bert_config *out, ql_error *err)
{
    QL_TRY(expect_text(json, "model_type", "bert", err));
    QL_TRY(expect_text(json, "hidden_act", "gelu", err));
    QL_TRY(expect_text(json, "position_embedding_type", "absolute", err));
    QL_TRY(read_number(json, "num_hidden_layers", 0, 256, &out->layers, err));
    QL_TRY(read_number(json, "hidden_size", 0, 16384, &out->width, err));
    QL_TRY(read_number(json, "num_attention_heads", 0, 1024, &out->heads, err));
    QL_TRY(read_number(json, "intermediate_size", 0, 65536, &out->intermediate, err));
    QL_TRY(read_number(json, "vocab_size", 0, 1 << 24, &out->vocab, err));
    QL_TRY(read_number(json, "max_position_embeddings", 512, 65536, &out->positions, err));
    QL_TRY(read_number(json, "type_vocab_size", 2, 1024, &out->types, err));
    if (out->width % out->heads != 0) return ql__fail(err, QL_E_FORMAT, "config.json: %u heads do not divide a width of %u", out->heads, out->width);
    double epsilon = ql__json_double_of(ql__json_get(json, "layer_norm_eps"), 1e-12);
    if (!(epsilon >= 0 && epsilon < 1)) return ql__fail(err, QL_E_FORMAT, "config.json: layer_norm_eps is not within 0..1");
    out->norm_epsilon = (float)epsilon;
    return QL_OK;
}

static ql_status read_window(const ql__sys *sys, const char *dir, ql__bert_config *out, ql_error *err)
{
    ql__json *json;
    QL_TRY(read_json(sys, dir, "sentence_bert_config.json", false, &json, err));
    int64_t length = ql__json_int_of(ql__json_get(json, "max_seq_length"), out->positions);
    ql__json_free(json);
    if (length > out->positions) length = out->positions;
    if (length < 8) return ql__fail(err, QL_E_FORMAT, "a window of %lld tokens is too small", (long long)length);
    out->sequence_max = (uint32_t)length;
    return QL_OK;
}

static bool ends_with(ql_str text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

static ql_status read_pooling_file(const ql__sys *sys, const char *dir, ql_str folder, ql__bert_config *out, ql_error *err)
{
    ql__json *json;
    ql_buf name = QL_BUF_INIT;
    if (folder.len > 255 || memchr(folder.ptr, '/', folder.len) || (folder.len > 0 && folder.ptr[0] == '.'))
        return ql__fail(err, QL_E_FORMAT, "modules.json: a path that leaves the model's folder");
    if (ql_buf_printf(&name, "%.*s/config.json", (int)folder.len, folder.ptr) < 0) return ql__fail_nomem(err);
    ql_status status = read_json(sys, dir, ql_buf_cstr(&name), true, &json, err);
    ql_buf_dispose(&name);
    QL_TRY(status);
    bool cls = ql__json_bool_of(ql__json_get(json, "pooling_mode_cls_token"), false);
    bool mean = ql__json_bool_of(ql__json_get(json, "pooling_mode_mean_tokens"), false);
    bool other = ql__json_bool_of(ql__json_get(json, "pooling_mode_max_tokens"), false) ||
                 ql__json_bool_of(ql__json_get(json, "pooling_mode_mean_sqrt_len_tokens"), false) ||
                 ql__json_bool_of(ql__json_get(json, "pooling_mode_weightedmean_tokens"), false) ||
                 ql__json_bool_of(ql__json_get(json, "pooling_mode_lasttoken"), false) ||
                 !ql__json_bool_of(ql__json_get(json, "include_prompt"), true);
    ql__json_free(json);
    if (other || cls == mean) return ql__fail(err, QL_E_UNSUPPORTED, "the model pools neither by the mean of its tokens nor by [CLS] alone");
    out->pooling = cls ? QL__POOLING_CLS : QL__POOLING_MEAN;
    return QL_OK;
}

static ql_status read_module(const ql__sys *sys, const char *dir, const ql__json *module, ql__bert_config *out, ql_error *err)
{
    ql_str type = ql__json_str(ql__json_get(module, "type"), QL_STR(""));
    if (ends_with(type, ".Transformer") || ends_with(type, ".Normalize")) return QL_OK; /* vectors are unit vectors in any case */
    if (ends_with(type, ".Pooling")) return read_pooling_file(sys, dir, ql__json_str(ql__json_get(module, "path"), QL_STR("1_Pooling")), out, err);
    return ql__fail(err, QL_E_UNSUPPORTED, "modules.json: a module of type '%.*s'", type.len > 80 ? 80 : (int)type.len, type.ptr);
}

static ql_status read_modules(const ql__sys *sys, const char *dir, ql__bert_config *out, ql_error *err)
{
    ql__json *json;
    out->pooling = QL__POOLING_MEAN;
    QL_TRY(read_json(sys, dir, "modules.json", false, &json, err));
    ql_status status = QL_OK;
    for (size_t i = 0; i < ql__json_count(json) && status >= 0; i++) status = read_module(sys, dir, ql__json_at(json, i), out, err);
    ql__json_free(json);
    return status;
}

static ql_status copy_prompt(const ql__json *prompts, const char *key, const char *other_key, ql_str fallback_name, ql_buf *out, ql_error *err)
{
    const ql__json *value = ql__json_get(prompts, key);
    if (!ql__json_is_string(value) && other_key) value = ql__json_get(prompts, other_key);
    if (!ql__json_is_string(value) && fallback_name.len > 0 && fallback_name.len < 64) {
        char name[64];
        memcpy(name, fallback_name.ptr, fallback_name.len);
        name[fallback_name.len] = 0;
        value = ql__json_get(prompts, name);
    }
    out->limit_bytes = QL_LIMIT_PROMPT_BYTES;
    if (ql_buf_append(out, ql__json_str(value, QL_STR(""))) < 0)
        return ql__fail(err, out->status, "config_sentence_transformers.json: a prompt is longer than %zu bytes", (size_t)QL_LIMIT_PROMPT_BYTES);
    return QL_OK;
}

static ql_status read_prompts(const ql__sys *sys, const char *dir, ql__bert_config *out, ql_error *err)
{
    ql__json *json;
    QL_TRY(read_json(sys, dir, "config_sentence_transformers.json", false, &json, err));
    const ql__json *prompts = ql__json_get(json, "prompts");
    ql_str fallback = ql__json_str(ql__json_get(json, "default_prompt_name"), QL_STR(""));
    ql_status status = copy_prompt(prompts, "query", NULL, fallback, &out->query_prefix, err);
    if (status >= 0) status = copy_prompt(prompts, "passage", "document", fallback, &out->passage_prefix, err);
    ql__json_free(json);
    return status;
}

static ql_status read_tokenizer(const ql__sys *sys, const char *dir, ql__bert_config *out, ql_error *err)
{
    ql__json *json;
    QL_TRY(read_json(sys, dir, "tokenizer_config.json", false, &json, err));
    bool lower = ql__json_bool_of(ql__json_get(json, "do_lower_case"), true);
    bool strip = ql__json_bool_of(ql__json_get(json, "strip_accents"), lower); /* null: as lower-casing */
    bool ideographs = ql__json_bool_of(ql__json_get(json, "tokenize_chinese_chars"), true);
    ql__json_free(json);
    out->tokenizer_flags = (lower ? QL__WORDPIECE_LOWER : 0) | (strip ? QL__WORDPIECE_STRIP : 0) | (ideographs ? QL__WORDPIECE_IDEOGRAPHS : 0);
    return QL_OK;
}

ql_status ql__bert_config_read(const ql__sys *sys, const char *dir, ql__bert_config *out, ql_error *err)
{
    ql__json *json;
    *out = (ql__bert_config){0};
    QL_TRY(read_json(sys, dir, "config.json", true, &json, err));
    ql_status status = read_shape(json, out, err);
    ql__json_free(json);
    QL_TRY(status);
    QL_TRY(read_window(sys, dir, out, err));
    QL_TRY(read_modules(sys, dir, out, err));
    QL_TRY(read_prompts(sys, dir, out, err));
    return read_tokenizer(sys, dir, out, err);
}

void ql__bert_config_dispose(ql__bert_config *self)
{
    ql_buf_dispose(&self->query_prefix);
    ql_buf_dispose(&self->passage_prefix);
}
