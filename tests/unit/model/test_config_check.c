/* Goal: rules that concern several keys, fallbacks to the environment, and the choice of store and embedder. Method: tables of files and environments. */
#include "config_run.h"

static const wrong_case wrong[] = {
    {"sources:\n", "1:1: there is nothing to ingest: the file needs 'sources' or 'projects'\n"},
    {"global: {}\n", "1:1: there is nothing to ingest: the file needs 'sources' or 'projects'\n"},
    {"projects:\n  p: {display_name: x, collection_name: c}\n  q: {display_name: y, collection_name: c}\n", "3:41: the collection_name 'c' is used by two projects\n"},
    {"soruces: {}\n", "1:1: unknown key 'soruces' (did you mean 'sources'?)\n1:1: there is nothing to ingest: the file needs 'sources' or 'projects'\n"},
    {GLOBAL("  chunking: {chunk_size: 100, chunk_overlap: 100}\n"), "3:46: global.chunking.chunk_overlap (100) must be less than chunk_size (100)\n"},
    {GLOBAL("  chunking: {chunk_overlap: 1500}\n"), "3:29: global.chunking.chunk_overlap (1500) must be less than chunk_size (1500 when it is not written)\n"},
    {GLOBAL("  chunking: {enable_semantic_analysis: no, enable_enhanced_semantic_analysis: yes}\n"), "3:79: global.chunking.enable_enhanced_semantic_analysis needs enable_semantic_analysis\n"},
    {GLOBAL("  state_management: {table_prefix: a-b}\n"), "3:36: global.state_management.table_prefix may hold letters, digits and '_' only\n"},
    {CONFLUENCE(""), "3:5: confluence source 'w' needs a token: write 'token', or set CONFLUENCE_TOKEN\n"
                     "3:5: confluence source 'w' needs an email in the cloud: write 'email', set CONFLUENCE_EMAIL, or 'deployment_type: datacenter'\n"},
    {CONFLUENCE("      token: t\n      email: ''\n"), "3:5: confluence source 'w' needs an email in the cloud: write 'email', set CONFLUENCE_EMAIL, or 'deployment_type: datacenter'\n"},
    {JIRA("      extra_fields: [{param_name: a, name: a, field_type: object}]\n"), "8:22: an extra field of type object needs 'attr_name'\n"},
    {JIRA("      extra_fields: [{param_name: a, name: a, attr_name: x}]\n"), "8:58: 'attr_name' has no meaning for an extra field of type simple\n"},
    {JIRA("      extra_fields: [{param_name: a, name: a}, {param_name: a, name: b}]\n"), "8:61: param_name 'a' is used twice in extra_fields\n"},
    {JIRA("      extra_fields: [{param_name: a, name: status}]\n"), "8:44: 'status' is the name of a standard field\n"},
};

static void test_config_check__rules_across_keys_are_held(void **state)
{
    (void)state;
    EXPECT_WRONG(wrong);
}

static const right_case right[] = {
    {DOCS, "global_config.qdrant.url", "null"},
    {DOCS, "global_config.qdrant.collection_name", "\"documents\""},
    {DOCS, "store", "\"embedded\""},
    {DOCS, "store_reason", "\"embedded store: neither global.qdrant.url nor QDRANT_URL is set\""},
    {DOCS, "embedder_reason", "\"local model: neither global.llm, nor global.embedding.model, api_key or endpoint, nor LLM_* is set\""},
    {GLOBAL("  chunking: {chunk_size: 100}\n"), "global_config.chunking.chunk_overlap", "25"},
    {GLOBAL("  chunking: {chunk_size: 5000}\n"), "global_config.chunking.chunk_overlap", "200"},
    {GLOBAL("  chunking: {chunk_overlap: 10}\n"), "global_config.chunking.chunk_size", "1500"},
    {GLOBAL("  llm: {provider: x}\n"), "embedder_reason", "\"remote embeddings: global.llm is set\""},
    {GLOBAL("  llm: {sparse: {enabled: true}}\n"), "embedder", "\"local\""},
    {GLOBAL("  llm: {}\n"), "embedder", "\"local\""},
    {GLOBAL("  llm:\n"), "embedder", "\"local\""},
    {GLOBAL("  embedding: {model: m}\n"), "embedder_reason", "\"remote embeddings: global.embedding.model is set\""},
    {GLOBAL("  embedding: {endpoint: 'http://e'}\n"), "embedder", "\"remote\""},
    {GLOBAL("  embedding: {batch_size: 5}\n"), "embedder", "\"local\""},
    {GLOBAL("  qdrant: {url: 'http://q:6333'}\n"), "store_reason", "\"Qdrant: global.qdrant.url is set\""},
    {GLOBAL("  qdrant: {url: 'http://q:6333', api_key: k}\n"), "global_config.qdrant.url", "\"https://q:6333\""},
    {GLOBAL("  qdrant: {url: 'http://localhost:6333', api_key: k}\n"), "global_config.qdrant.url", "\"http://localhost:6333\""},
    {GLOBAL("  qdrant: {url: 'http://q:6333', api_key: None}\n"), "global_config.qdrant.url", "\"http://q:6333\""},
    {GLOBAL("  qdrant: {api_key: 'null'}\n"), "global_config.qdrant.api_key", "null"},
    {GLOBAL("  qdrant: {url: ''}\n"), "store", "\"embedded\""},
    {GLOBAL("  qdrant:\n  chunking: ~\n"), "global_config.qdrant.collection_name", "\"documents\""},
    {DOCS "global:\n", "global_config.qdrant.collection_name", "\"documents\""},
    {CONFLUENCE("      token: t\n      deployment_type: Server\n"), "projects_config.projects.default.sources.confluence.w.deployment_type", "\"datacenter\""},
};

static void test_config_check__choices_follow_from_what_is_written(void **state)
{
    (void)state;
    EXPECT_RIGHT(right);
}

typedef struct env_case {
    const char *yaml;
    const char *env[4];
    const char *path, *json;
} env_case;

static const env_case fallbacks[] = {
    {DOCS, {"QDRANT_URL=http://q", NULL}, "store_reason", "\"Qdrant: QDRANT_URL is set\""},
    {DOCS, {"QDRANT_URL=", NULL}, "store", "\"embedded\""},
    {GLOBAL("  qdrant: {url: 'http://a'}\n"), {"QDRANT_URL=http://q", NULL}, "global_config.qdrant.url", "\"http://a\""},
    {GLOBAL("  qdrant: {url: 'http://localhost:6333'}\n"), {"QDRANT_URL=http://q", NULL}, "global_config.qdrant.url", "\"http://q\""},
    {DOCS, {"QDRANT_URL=http://q", "QDRANT_API_KEY=k", NULL}, "global_config.qdrant.url", "\"https://q\""},
    {DOCS, {"QDRANT_URL=http://q", "QDRANT_API_KEY=k", NULL}, "global_config.qdrant.api_key", "\"****\""},
    {DOCS, {"QDRANT_COLLECTION_NAME=c", NULL}, "global_config.qdrant.collection_name", "\"c\""},
    {GLOBAL("  qdrant: {collection_name: own}\n"), {"QDRANT_COLLECTION_NAME=c", NULL}, "global_config.qdrant.collection_name", "\"own\""},
    {DOCS, {"OPENAI_API_KEY=k", NULL}, "embedder", "\"local\""},
    {DOCS, {"OPENAI_API_KEY=k", NULL}, "global_config.embedding.api_key", "null"},
    {GLOBAL("  embedding: {model: m}\n"), {"OPENAI_API_KEY=k", NULL}, "global_config.embedding.api_key", "\"****\""},
    {GLOBAL("  llm: {provider: openai}\n"), {"OPENAI_API_KEY=k", NULL}, "global_config.llm.api_key", "\"****\""},
    {DOCS, {"LLM_PROVIDER=openai", NULL}, "embedder_reason", "\"remote embeddings: LLM_PROVIDER is set\""},
    {DOCS, {"LLM_PROVIDER=", NULL}, "embedder", "\"local\""},
    {CONFLUENCE(""), {"CONFLUENCE_TOKEN=t", "CONFLUENCE_EMAIL=e", NULL}, "projects_config.projects.default.sources.confluence.w.email", "\"e\""},
    {CONFLUENCE("      token:\n      email: ''\n"), {"CONFLUENCE_TOKEN=t", "CONFLUENCE_EMAIL=e", NULL}, "projects_config.projects.default.sources.confluence.w.token", "\"****\""},
    {"sources: {jira: {j: {base_url: https://h, project_key: K, deployment_type: server}}}\n", {"JIRA_TOKEN=t", NULL}, "projects_config.projects.default.sources.jira.j.token", "\"****\""},
    {JIRA(""), {"JIRA_EMAIL=other", NULL}, "projects_config.projects.default.sources.jira.j.email", "\"e\""},
};

static void test_config_check__the_environment_fills_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fallbacks / sizeof *fallbacks; i++) {
        run self;
        start(&self, fallbacks[i].yaml, fallbacks[i].env);
        load(&self);
        if (self.status != QL_OK) fail_msg("case %zu: %s", i, ql_buf_cstr(&self.problems));
        expect_effective(&self, fallbacks[i].path, fallbacks[i].json);
        finish(&self);
    }
}

static void test_config_check__a_bad_name_from_the_environment_is_refused(void **state)
{
    (void)state;
    static const char *const bad_url[] = {"QDRANT_URL=nowhere", NULL}, *const bad_name[] = {"QDRANT_COLLECTION_NAME=a b", NULL};
    run self;
    start(&self, DOCS, bad_url);
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    assert_non_null(strstr(ql_buf_cstr(&self.problems), "environment: QDRANT_URL is not a URL"));
    finish(&self);
    start(&self, DOCS, bad_name);
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    assert_non_null(strstr(ql_buf_cstr(&self.problems), "environment: QDRANT_COLLECTION_NAME must be a name"));
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_check__rules_across_keys_are_held),
        cmocka_unit_test(test_config_check__choices_follow_from_what_is_written),
        cmocka_unit_test(test_config_check__the_environment_fills_in),
        cmocka_unit_test(test_config_check__a_bad_name_from_the_environment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
