/* Goal: every key is read by its row of the table, and what is wrong has a sentence and a place. Method: tables of files. */
#include "config_run.h"

static const wrong_case wrong[] = {
    {"", "1:1: the file is empty; it needs 'sources' or 'projects'\n"},
    {"- a\n", "1:1: the file must be a map of keys, like 'sources:'\n"},
    {"projects: {}\n", "1:11: projects must not be empty\n"},
    {"projects: [x]\n", "1:11: projects must be a map of names, not a list\n"},
    {"projects:\n  p:\n", "2:5: projects.p must be a map of keys, not nothing\n"},
    {"projects:\n  p: {}\n", "2:6: projects.p lacks the key 'display_name'\n"},
    {"projects:\n  p: {display_name: '  '}\n", "2:21: projects.p.display_name must not be blank\n"},
    {"projects:\n  p: {display_name: 5}\n", "2:21: projects.p.display_name must be text; put it in quotes, not '5'\n"},
    {"projects:\n  9p: {display_name: x}\n", "2:3: the project id '9p' must begin with a letter and hold letters, digits, '_' and '-' only\n"},
    {"projects:\n  p.q: {display_name: x}\n", "2:3: the project id 'p.q' must begin with a letter and hold letters, digits, '_' and '-' only\n"},
    {"projects:\n  p: {display_name: x, description: [1]}\n", "2:37: projects.p.description must be text, not a list\n"},
    {"projects:\n  p: {display_name: x, collection_name: a b}\n", "2:41: projects.p.collection_name must be a name of letters, digits, '_' and '-' that begins with a letter, not 'a b'\n"},
    {"projects:\n  p: {display_name: x, overrides: 5}\n", "2:35: projects.p.overrides must be a map, not a single value\n"},
    {"projects:\n  p: {display_name: x, sources: {git: {}}}\n", "2:39: projects.p.sources.git must not be empty\n"},
    {"projects:\n  p: {display_name: x, sources: {git: }}\n", "2:39: projects.p.sources.git must be a map of names, not nothing\n"},
    {"projects:\n  p: {display_name: x, sources: {svn: {r: {}}}}\n", "2:34: unknown key 'svn' in projects.p.sources\n"},
    {"projects:\n  p: {display_name: x, sources: {git: {r: x}}}\n", "2:43: projects.p.sources.git.r must be a map of keys, not a single value\n"},
    {"projects:\n  p: {display_nam: x}\n", "2:6: projects.p lacks the key 'display_name'\n2:7: unknown key 'display_nam' in projects.p (did you mean 'display_name'?)\n"},
    {"sources: [1\n", "2:1: did not find expected ',' or ']' while parsing a flow sequence that begins on line 1\n"},
    {DOCS DOCS, "2:1: the key 'sources' is written twice; it is already on line 1\n"},
    {DOCS "global: 5\n", "2:9: global must be a map of keys, not a single value\n"},
    {GLOBAL("  qdrant: 5\n"), "3:11: global.qdrant must be a map of keys, not a single value\n"},
    {GLOBAL("  qdrant: {collection_name: 9x}\n"), "3:29: global.qdrant.collection_name must be a name of letters, digits, '_' and '-' that begins with a letter, not '9x'\n"},
    {GLOBAL("  embeding: {}\n"), "3:3: unknown key 'embeding' in global (did you mean 'embedding'?)\n"},
    {GLOBAL("  chunking: {chunk_size: 0}\n"), "3:26: global.chunking.chunk_size must be between 1 and 100000000, not '0'\n"},
    {GLOBAL("  chunking: {chunk_size: big}\n"), "3:26: global.chunking.chunk_size must be a whole number, not 'big'\n"},
    {GLOBAL("  chunking: {chunk_size: 1.5}\n"), "3:26: global.chunking.chunk_size must be a whole number, not '1.5'\n"},
    {GLOBAL("  chunking: {chunk_size: [1]}\n"), "3:26: global.chunking.chunk_size must be a whole number, not a list\n"},
    {GLOBAL("  chunking: {chunk_overlap: -1}\n"), "3:29: global.chunking.chunk_overlap must be between 0 and 100000000, not '-1'\n"},
    {GLOBAL("  chunking: {max_chunks_per_document: 0}\n"), "3:39: global.chunking.max_chunks_per_document must be at least 1, not '0'\n"},
    {GLOBAL("  chunking: {enable_semantic_analysis: maybe}\n"), "3:40: global.chunking.enable_semantic_analysis must be true or false, not 'maybe'\n"},
    {GLOBAL("  chunking: {strategies: {json_strategy: {}}}\n"), "3:27: unknown key 'json_strategy' in global.chunking.strategies (did you mean 'json'?)\n"},
    {GLOBAL("  chunking: {strategies: {markdown: {max_overlap_percentage: 2}}}\n"), "3:62: global.chunking.strategies.markdown.max_overlap_percentage must be between 0 and 1, not '2'\n"},
    {GLOBAL("  state_management: {connection_pool: {size: 1}}\n"), "3:39: global.state_management.connection_pool lacks the key 'timeout'\n"},
    {GLOBAL("  state_management: {database_url: 'postgres://u:secret@h/d'}\n"),
     "3:36: global.state_management.database_url: a database server cannot hold the state: it lies with the index in the data folder; remove this key\n"},
    {GLOBAL("  file_conversion: {max_file_size: 104857601, conversion_timeout: 0}\n"),
     "3:36: global.file_conversion.max_file_size must be between 1 and 104857600, not '104857601'\n3:67: global.file_conversion.conversion_timeout must be between 1 and 3600, not '0'\n"},
    {GLOBAL("  file_conversion: {engine: Docling}\n"),
     "3:29: global.file_conversion.engine: this build has no docling engine: remove this key, or write markitdown for the library's own converters\n"},
    {GLOBAL("  file_conversion: {engine: pandoc}\n"), "3:29: global.file_conversion.engine must be one of markitdown, docling, not 'pandoc'\n"},
    {GLOBAL("  graph: {enabled: true}\n"), "3:20: global.graph.enabled: a graph database is not supported; write false or remove the section\n"},
    {GLOBAL("  llm: {sparse: {enabled: 1}}\n"), "3:27: global.llm.sparse.enabled must be true or false, not '1'\n"},
    {GLOBAL("  llm: {sparse: {enabled: yes}}\n"), "3:27: global.llm.sparse.enabled must be true or false, not 'yes'\n"},
    {GLOBAL("  llm: {sparse: {model: ' '}}\n"), "3:25: global.llm.sparse.model must not be blank\n"},
    {GLOBAL("  llm: {request: {timeout: 5}}\n"), "3:19: unknown key 'timeout' in global.llm.request (did you mean 'timeout_s'?)\n"},
    {GLOBAL("  llm: {headers: {A: 5}}\n"), "3:22: global.llm.headers must be a map of text to text, not a single value\n"},
    {GLOBAL("  llm: {embeddings: {vector_size: 0}}\n"), "3:35: global.llm.embeddings.vector_size must be between 1 and 65536, not '0'\n"},
    {GLOBAL("  qdrant: {url: 'q.example.com'}\n"), "3:17: global.qdrant.url is not a URL (scheme://host/...)\n"},
    {GLOBAL("  qdrant: {url: 'ftp://q'}\n"), "3:17: global.qdrant.url must begin with http:// or https://\n"},
    {GLOBAL("  reranking: {batch: 5}\n"), "3:15: unknown key 'batch' in global.reranking (did you mean 'batch_size'?)\n"},
    {GLOBAL("  workers: {runtime: {worker_count: 0}}\n"), "3:37: global.workers.runtime.worker_count must be between 1 and 1024, not '0'\n"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval_seconds: 5}}}\n"), "3:44: unknown key 'interval_seconds' in global.workers.schedules.incremental_pull (did you mean 'interval'?)\n"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: 1d}}}\n"), "3:54: global.workers.schedules.incremental_pull.interval must be a time in seconds, like 300, 1h30m or PT1H30M, not '1d'\n"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: true}}}\n"), "3:54: global.workers.schedules.incremental_pull.interval must be a time in seconds, like 300, 1h30m or PT1H30M, not 'true'\n"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: 0s}}}\n"), "3:54: global.workers.schedules.incremental_pull.interval must be at least 1, not '0s'\n"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {dedup_statuses: []}}}\n"), "3:60: global.workers.schedules.incremental_pull.dedup_statuses must not be empty\n"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {dedup_statuses: [gone]}}}\n"),
     "3:61: global.workers.schedules.incremental_pull.dedup_statuses[0] must be one of pending, running, done, failed, cancelled, not 'gone'\n"},
    {DOCS "search: {conflict_llm_timeout_s: 0}\n", "2:34: search.conflict_llm_timeout_s must be more than 0 and at most 60, not '0'\n"},
    {DOCS "search: {cache_ttl: 86401}\n", "2:21: search.cache_ttl must be between 0 and 86400, not '86401'\n"},
    {"sources: {localfile: {d: {}}}\n", "1:26: sources.localfile.d lacks the key 'base_url'\n"},
    {LOCALFILE("      file_types: '*.md'\n"), "5:19: sources.localfile.d.file_types must be a list, not '*.md'\n"},
    {LOCALFILE("      include_paths: [a, 5]\n"), "5:26: sources.localfile.d.include_paths[1] must be text; put it in quotes, not '5'\n"},
    {LOCALFILE("      file_type: []\n"), "5:7: unknown key 'file_type' in sources.localfile.d (did you mean 'file_types'?)\n"},
    {LOCALFILE("      max_file_size: lots\n"), "5:22: sources.localfile.d.max_file_size must be a whole number, not 'lots'\n"},
    {GIT("      depth: -1\n"), "5:14: sources.git.r.depth must be at least 0, not '-1'\n"},
    {GIT("      token: 5\n"), "5:14: sources.git.r.token must be text; put it in quotes\n"},
    {GIT("      brnch: x\n"), "5:7: unknown key 'brnch' in sources.git.r (did you mean 'branch'?)\n"},
    {CONFLUENCE("      token: t\n      deployment_type: server\n      content_types: [page, space]\n"), "8:29: sources.confluence.w.content_types[1] must be one of page, blogpost, comment, not 'space'\n"},
    {CONFLUENCE("      token: t\n      deployment_type: onprem\n      requests_per_minute: 1001\n"),
     "7:24: sources.confluence.w.deployment_type must be one of cloud, datacenter, server, not 'onprem'\n8:28: sources.confluence.w.requests_per_minute must be between 1 and 1000, not '1001'\n"},
    {"sources:\n  confluence:\n    w: {base_url: https://h, token: t, email: e, space_key: NO}\n", "3:61: sources.confluence.w.space_key must be text; put it in quotes, not 'NO'\n"},
    {JIRA("      page_size: 101\n"), "8:18: sources.jira.j.page_size must be between 1 and 100, not '101'\n"},
    {JIRA("      issue_types: [' ']\n"), "8:21: sources.jira.j.issue_types[0] must not be blank\n"},
    {JIRA("      download_attachments: null\n"), "8:29: sources.jira.j.download_attachments must be true or false, not nothing\n"},
    {JIRA("      updated_after: yesterday\n"), "8:22: sources.jira.j.updated_after must be a time like 2024-05-01, 2024-05-01T12:00:00Z or -30 days, not 'yesterday'\n"},
    {JIRA("      updated_after: 2024-13-01\n"), "8:22: sources.jira.j.updated_after must be a time like 2024-05-01, 2024-05-01T12:00:00Z or -30 days, not '2024-13-01'\n"},
    {JIRA("      extra_fields: [{name: x}]\n"), "8:22: sources.jira.j.extra_fields[0] lacks the key 'param_name'\n"},
    {PUBLICDOCS("      content_type: pdf\n"), "6:21: sources.publicdocs.p.content_type must be one of html, markdown, rst, not 'pdf'\n"},
    {"sources: {publicdocs: {p: {base_url: https://h, version: 1.0}}}\n", "1:58: sources.publicdocs.p.version must be text; put it in quotes, not '1.0'\n"},
    {PUBLICDOCS("      selectors: {contents: x}\n"), "6:19: unknown key 'contents' in sources.publicdocs.p.selectors (did you mean 'content'?)\n"},
};

static void test_config_read__reports_everything_that_is_wrong(void **state)
{
    (void)state;
    EXPECT_WRONG(wrong);
}

static const right_case right[] = {
    {DOCS, "global_config.chunking.chunk_size", "null"},
    {DOCS, "global_config.chunking.max_chunks_per_document", "null"},
    {DOCS, "global_config.embedding.min_request_interval", "0.5"},
    {DOCS, "global_config.llm", ""},
    {DOCS, "projects_config.projects.default.project_id", "\"default\""},
    {DOCS, "projects_config.projects.default.sources.localfile.d.max_file_size", "1048576"},
    {GLOBAL("  chunking: {chunk_size: '100', chunk_overlap: 5.0}\n"), "global_config.chunking.chunk_size", "100"},
    {GLOBAL("  chunking: {chunk_size: 100, chunk_overlap: 5.0}\n"), "global_config.chunking.chunk_overlap", "5"},
    {GLOBAL("  chunking: {chunk_size: ' 0100.00 '}\n"), "global_config.chunking.chunk_size", "100"},
    {GLOBAL("  embedding: {min_request_interval: '2.5'}\n"), "global_config.embedding.min_request_interval", "2.5"},
    {LOCALFILE("      enable_file_conversion: 'Yes'\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "true"},
    {LOCALFILE("      enable_file_conversion: on\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "true"},
    {LOCALFILE("      enable_file_conversion: 1\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "true"},
    {LOCALFILE("      enable_file_conversion: n\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "false"},
    {GLOBAL("  llm: {sparse: {enabled: 'FALSE'}}\n"), "global_config.llm.sparse.enabled", "false"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: 1h30M5s}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "5405"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: PT2H}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "7200"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: '45'}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "45"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: 60.0}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "60"},
    {GLOBAL("  workers: {}\n"), "global_config.workers.runtime.worker_count", "4"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {dedup_statuses: [Done, FAILED]}}}\n"), "global_config.workers.schedules.incremental_pull.dedup_statuses", "[\"done\",\"failed\"]"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {payload_defaults: {a: [1]}}}}\n"), "global_config.workers.schedules.incremental_pull.payload_defaults", "{\"a\":[1]}"},
    {"sources: {git: {r: {base_url: 'https://h/r'}}}\n", "projects_config.projects.default.sources.git.r.token", "null"},
    {GIT("      file_types: []\n"), "projects_config.projects.default.sources.git.r.file_types", "[]"},
    {CONFLUENCE("      token: t\n      email: e\n      content_types: [Page, COMMENT]\n"), "projects_config.projects.default.sources.confluence.w.content_types", "[\"page\",\"comment\"]"},
    {JIRA("      issue_types: [' Bug ', Task]\n"), "projects_config.projects.default.sources.jira.j.issue_types", "[\"Bug\",\"Task\"]"},
    {JIRA("      updated_after: 2024-05-01T10:00:00Z\n"), "projects_config.projects.default.sources.jira.j.updated_after", "\"2024-05-01T10:00:00Z\""},
    {JIRA("      updated_after: '-30 days'\n"), "projects_config.projects.default.sources.jira.j.updated_after", "\"-30 days\""},
    {JIRA("      extra_fields: [{param_name: p, name: n, field_type: Array_Object, attr_name: a}]\n"), "projects_config.projects.default.sources.jira.j.extra_fields",
     "[{\"param_name\":\"p\",\"name\":\"n\",\"field_type\":\"array_object\",\"attr_name\":\"a\"}]"},
    {PUBLICDOCS(""), "projects_config.projects.default.sources.publicdocs.p.selectors.remove", "[\"nav\",\"header\",\"footer\",\".sidebar\"]"},
    {PUBLICDOCS(""), "projects_config.projects.default.sources.publicdocs.p.attachment_selectors",
     "[\"a[href$='.pdf']\",\"a[href$='.docx']\",\"a[href$='.xls']\",\"a[href$='.xlsx']\",\"a[href$='.pptx']\"]"},
    {"sources: {sharepoint: {s: {base_url: https://h, tenant_id: t, client_id: c, client_secret: x}}}\n", "projects_config.projects.default.sources.sharepoint.s.client_secret", "\"****\""},
    {"projects: {p: {display_name: P}, q: {display_name: Q, sources: {}}}\n", "projects_config.projects.q.display_name", "\"Q\""},
    {DOCS "search: {cache_ttl: 5}\n", "search.cache_max_size", "500"},
};

static void test_config_read__values_mean_what_the_reference_means(void **state)
{
    (void)state;
    EXPECT_RIGHT(right);
}

static const struct {
    const char *yaml, *warning;
} warned[] = {
    {DOCS "projects: {p: {display_name: x, sources: {localfile: {d: {base_url: d}}}}}\n", "1:1: 'sources' at the top level is ignored because there are 'projects'"},
    {"projects: {p: {display_name: x}}\n", "1:12: the project 'p' has no sources: nothing will be ingested for it"},
    {"projects: {Admin: {display_name: x, sources: {localfile: {d: {base_url: d}}}}}\n", "1:12: the project id 'admin' is easily mistaken"},
    {"projects: {p: {display_name: x, collection_name: c}}\n", "projects.p.collection_name has no effect: `global.qdrant.collection_name` is used for all projects"},
    {"projects: {p: {display_name: x, overrides: {a: 1}}}\n", "projects.p.overrides has no effect, as in the reference"},
    {"projects: {p: {display_name: x, project_id: y}}\n", "1:45: the project_id 'y' has no effect: the key 'p' above it is the id"},
    {GLOBAL("  chunking: {max_chunks_per_document: 500}\n"), "3:39: global.chunking.max_chunks_per_document: the rest of a document with more chunks is not indexed"},
    {GLOBAL("  chunking: {strategies: {json: {max_array_items_per_chunk: 5}}}\n"), "json.max_array_items_per_chunk has no effect: documents of any size are parsed whole and nothing is left out"},
    {GLOBAL("  chunking: {strategies: {json: {max_array_items_per_chunk: 5, enable_schema_inference: yes, max_recursion_depth: 5}}}\n"),
     "3:34: global.chunking.strategies.json: max_recursion_depth, max_array_items_per_chunk: each has no effect: documents of any size are parsed whole"},
    {GLOBAL("  semantic_analysis: {num_topics: 5}\n"), "global.semantic_analysis.num_topics has no effect"},
    {GLOBAL("  state_management: {database_path: ./x.db}\n"), "global.state_management.database_path has no effect: state and index lie in the data folder"},
    {GLOBAL("  concurrency: {queue_size: 5}\n"), "global.concurrency.queue_size has no effect"},
    {GLOBAL("  embedding: {batch_size: 5}\n"), "3:15: global.embedding.batch_size has no effect with the local model"},
    {LOCALFILE("      source_type: localfile\n      source: d\n"), "5:7: sources.localfile.d: source_type, source: each has no effect: the two keys above are the type and the name of a source"},
    {JIRA("      track_last_sync: true\n"), "sources.jira.j.track_last_sync has no effect"},
    {GLOBAL("  sources: {git: {r: {base_url: https://h/r}}}\n"), "global.sources is never ingested"},
};

static void test_config_read__what_has_no_effect_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof warned / sizeof *warned; i++) {
        run self;
        start(&self, warned[i].yaml, usual_env);
        load(&self);
        const ql__config *config = expect_loaded(&self);
        if (strstr(ql_buf_cstr(&self.log), warned[i].warning) == NULL) fail_msg("case %zu: %s\nlog: %s", i, warned[i].yaml, ql_buf_cstr(&self.log));
        assert_true(config->warnings.count > 0);
        finish(&self);
    }
}

static void test_config_read__leniency_turns_unknown_keys_and_variables_into_warnings(void **state)
{
    (void)state;
    run self;
    start(&self, "extra: 1\nsources: {localfile: {d: {base_url: d, file_type: x, include_paths: ['${NONE}']}}}\n", NULL);
    self.lenient = true;
    load(&self);
    (void)expect_loaded(&self);
    assert_non_null(strstr(ql_buf_cstr(&self.log), "unknown key 'extra'"));
    assert_non_null(strstr(ql_buf_cstr(&self.log), "unknown key 'file_type'"));
    assert_non_null(strstr(ql_buf_cstr(&self.log), "'NONE' is not set"));
    finish(&self);
    start(&self, JIRA("      page_size: 5\n") "x: y\n", NULL);
    self.lenient = true;
    ql_test_file_write(ql_test_path(self.dir, "config.yaml"), QL_STR("sources: {jira: {j: {base_url: https://h, project_key: '${NONE}', token: t, email: e}}}\n"));
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG); /* a placeholder is not sent to a server */
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_read__reports_everything_that_is_wrong),
        cmocka_unit_test(test_config_read__values_mean_what_the_reference_means),
        cmocka_unit_test(test_config_read__what_has_no_effect_is_said),
        cmocka_unit_test(test_config_read__leniency_turns_unknown_keys_and_variables_into_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
