/*
 * Goal: a configuration means what the compatibility notes say, and everything wrong in it is reported at once with its place. Method: files
 * are written into a temporary folder, the environment is a table of the test, results are compared with structs, problems or output.
 */
#include "support/testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dep/json.h"
#include "model/config.h"

/* ---- Running one configuration ---- */

typedef struct run {
    char *dir;
    const char *const *env; /* "NAME=value", NULL at the end */
    bool lenient;
    const ql__sys *sys;
    ql__config_set *set;
    ql_buf problems, log;
    ql_error err;
    ql_status status;
} run;

static const char *find_env(void *user, const char *name)
{
    const run *self = user;
    for (size_t i = 0; self->env != NULL && self->env[i] != NULL; i++) {
        size_t length = strlen(name);
        if (strncmp(self->env[i], name, length) == 0 && self->env[i][length] == '=') return self->env[i] + length + 1;
    }
    return NULL;
}

static void keep_log(void *user, ql_log_level level, const char *subsystem, const char *message)
{
    run *self = user;
    (void)level, (void)subsystem;
    ql_buf_printf(&self->log, "%s\n", message);
}

static void load(run *self)
{
    ql__log log;
    ql__log_init(&log, keep_log, self, QL_LOG_WARNING);
    ql__config_options options = {.config_path = ql_test_path(self->dir, "config.yaml"), .lenient = self->lenient, .sys = self->sys, .log = &log, .getenv_fn = find_env, .getenv_user = self};
    self->status = ql__config_load(&options, &self->set, &self->problems, &self->err);
    ql__log_dispose(&log);
}

static void start(run *self, const char *yaml, const char *const *env)
{
    *self = (run){.env = env, .problems = QL_BUF_INIT, .log = QL_BUF_INIT};
    self->dir = ql_test_dir_new();
    ql_test_file_write(ql_test_path(self->dir, "config.yaml"), ql_str_of(yaml));
}

static void finish(run *self)
{
    ql__config_free(self->set);
    ql_buf_dispose(&self->problems);
    ql_buf_dispose(&self->log);
    ql_test_dir_remove(self->dir);
}

static const ql__config *expect_loaded(run *self)
{
    if (self->status != QL_OK) fail_msg("%s\n%s", self->err.message, ql_buf_cstr(&self->problems));
    return ql__config_get(self->set);
}

static void assert_text(ql_str actual, const char *expected)
{
    assert_string_equal(actual.ptr != NULL ? actual.ptr : "", expected);
    assert_int_equal(actual.len, strlen(expected));
}

/* ---- The usual ---- */

static void test_config__reads_the_short_form(void **state)
{
    (void)state;
    run self;
    start(&self, "sources:\n  localfile:\n    docs:\n      base_url: file:///srv/A%20B/\n      file_types: ['*.md', txt]\n      max_file_size: 5\n"
                 "  git:\n    code:\n      base_url: https://GitHub.com/Org/Repo.git\n      branch: dev\n      depth: 3\n      token: t\n", NULL);
    load(&self);
    const ql__config *config = expect_loaded(&self);
    assert_int_equal(config->project_count, 1);
    assert_text(config->projects[0].id, "default");
    assert_text(config->projects[0].display_name, "Default Project");
    assert_int_equal(config->projects[0].source_count, 2);
    const ql__config_source *git = &config->projects[0].sources[0], *files = &config->projects[0].sources[1];
    assert_int_equal(git->type, QL__SOURCE_GIT);
    assert_text(git->base_url, "https://github.com/Org/Repo.git");
    assert_text(git->branch, "dev");
    assert_text(git->token, "t");
    assert_true(git->depth_set);
    assert_int_equal(git->depth, 3);
    assert_int_equal(git->max_file_size, 1048576);
    assert_text(git->local_path, "");
    assert_int_equal(files->type, QL__SOURCE_LOCALFILE);
    assert_text(files->type_name, "localfile");
    assert_text(files->name, "docs");
    assert_text(files->base_url, "file:///srv/A%20B");
    assert_text(files->local_path, "/srv/A B");
    assert_int_equal(files->file_types.count, 2);
    assert_text(files->file_types.items[1], "txt");
    assert_int_equal(files->max_file_size, 5);
    assert_int_equal(files->line, 3);
    assert_text(config->collection_name, "documents");
    assert_true(config->store_embedded && config->embedder_local);
    assert_false(config->chunk_size_set || config->chunk_overlap_set);
    assert_int_equal(config->max_chunks_per_document, 0);
    finish(&self);
}

/* ---- What is wrong ---- */

#define DOCS "sources: {localfile: {d: {base_url: d}}}\n"
#define GLOBAL(text) DOCS "global:\n" text
#define LOCALFILE(text) "sources:\n  localfile:\n    d:\n      base_url: d\n" text
#define GIT(text) "sources:\n  git:\n    r:\n      base_url: https://h/r\n" text
#define CONFLUENCE(text) "sources:\n  confluence:\n    w:\n      base_url: https://h\n      space_key: K\n" text
#define JIRA(text) "sources:\n  jira:\n    j:\n      base_url: https://h\n      project_key: K\n      token: t\n      email: e\n" text
#define PUBLICDOCS(text) "sources:\n  publicdocs:\n    p:\n      base_url: https://h\n      version: '1'\n" text

static const struct {
    const char *yaml, *problems; /* each problem as "line:column: sentence\n" */
} wrong[] = {
    /* structure */
    {"", "1:1: the file is empty; it needs 'sources' or 'projects'\n"},
    {"- a\n", "1:1: the file must be a map of keys, like 'sources:'\n"},
    {"global: {}\n", "1:1: there is nothing to ingest: the file needs 'sources' or 'projects'\n"},
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
    {"projects:\n  p: {display_name: x, collection_name: c}\n  q: {display_name: y, collection_name: c}\n", "3:41: the collection_name 'c' is used by two projects\n"},
    {"projects:\n  p: {display_name: x, overrides: 5}\n", "2:35: projects.p.overrides must be a map, not '5'\n"},
    {"projects:\n  p: {display_name: x, sources: {git: {}}}\n", "2:39: projects.p.sources.git must not be empty\n"},
    {"projects:\n  p: {display_name: x, sources: {git: }}\n", "2:39: projects.p.sources.git must be a map of names, not nothing\n"},
    {"projects:\n  p: {display_name: x, sources: {svn: {r: {}}}}\n", "2:34: unknown key 'svn' in projects.p.sources\n"},
    {"projects:\n  p: {display_name: x, sources: {git: {r: x}}}\n", "2:43: projects.p.sources.git.r must be a map of keys, not 'x'\n"},
    {"projects:\n  p: {display_nam: x}\n", "2:6: projects.p lacks the key 'display_name'\n2:7: unknown key 'display_nam' in projects.p (did you mean 'display_name'?)\n"},
    {"soruces: {}\n", "1:1: unknown key 'soruces' (did you mean 'sources'?)\n1:1: there is nothing to ingest: the file needs 'sources' or 'projects'\n"},
    {"sources: [1\n", "2:1: did not find expected ',' or ']' while parsing a flow sequence that begins on line 1\n"},
    {DOCS DOCS, "2:1: the key 'sources' is written twice; it is already on line 1\n"},
    {DOCS "global: 5\n", "2:9: global must be a map of keys, not '5'\n"},
    {GLOBAL("  qdrant: 5\n"), "3:11: global.qdrant must be a map of keys, not '5'\n"},
    {GLOBAL("  qdrant: {collection_name: 9x}\n"), "3:29: global.qdrant.collection_name must be a name of letters, digits, '_' and '-' that begins with a letter, not '9x'\n"},
    {GLOBAL("  embeding: {}\n"), "3:3: unknown key 'embeding' in global (did you mean 'embedding'?)\n"},
    /* numbers and words */
    {GLOBAL("  chunking: {chunk_size: 0}\n"), "3:26: global.chunking.chunk_size must be between 1 and 100000000, not '0'\n"},
    {GLOBAL("  chunking: {chunk_size: big}\n"), "3:26: global.chunking.chunk_size must be a whole number, not 'big'\n"},
    {GLOBAL("  chunking: {chunk_size: 1.5}\n"), "3:26: global.chunking.chunk_size must be a whole number, not '1.5'\n"},
    {GLOBAL("  chunking: {chunk_size: [1]}\n"), "3:26: global.chunking.chunk_size must be a whole number, not a list\n"},
    {GLOBAL("  chunking: {chunk_size: 100, chunk_overlap: 100}\n"), "3:46: global.chunking.chunk_overlap (100) must be less than chunk_size (100)\n"},
    {GLOBAL("  chunking: {chunk_overlap: 1500}\n"), "3:29: global.chunking.chunk_overlap (1500) must be less than chunk_size (1500 when it is not written)\n"},
    {GLOBAL("  chunking: {chunk_overlap: -1}\n"), "3:29: global.chunking.chunk_overlap must be between 0 and 100000000, not '-1'\n"},
    {GLOBAL("  chunking: {max_chunks_per_document: 0}\n"), "3:39: global.chunking.max_chunks_per_document must be at least 1, not '0'\n"},
    {GLOBAL("  chunking: {enable_semantic_analysis: no, enable_enhanced_semantic_analysis: yes}\n"), "3:79: global.chunking.enable_enhanced_semantic_analysis needs enable_semantic_analysis\n"},
    {GLOBAL("  chunking: {enable_semantic_analysis: maybe}\n"), "3:40: global.chunking.enable_semantic_analysis must be true or false, not 'maybe'\n"},
    {GLOBAL("  chunking: {strategies: {json_strategy: {}}}\n"), "3:27: unknown key 'json_strategy' in global.chunking.strategies (did you mean 'json'?)\n"},
    {GLOBAL("  chunking: {strategies: {markdown: {max_overlap_percentage: 2}}}\n"), "3:62: global.chunking.strategies.markdown.max_overlap_percentage must be between 0 and 1, not '2'\n"},
    {GLOBAL("  state_management: {table_prefix: a-b}\n"), "3:36: global.state_management.table_prefix may hold letters, digits and '_' only\n"},
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
    {GLOBAL("  llm: {headers: {A: 5}}\n"), "3:22: global.llm.headers must be a map of text to text\n"},
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
    /* sources */
    {"sources: {localfile: {d: {}}}\n", "1:26: sources.localfile.d lacks the key 'base_url'\n"},
    {"sources: {localfile: {d: {base_url: https://h}}}\n", "1:37: sources.localfile.d.base_url must be a folder: file:///absolute/folder, or a path\n"},
    {"sources: {localfile: {d: {base_url: 'file://docs'}}}\n", "1:37: sources.localfile.d.base_url names a host between file:// and the next '/'; write file:///absolute/folder, or the path alone\n"},
    {"sources: {localfile: {d: {base_url: 'file:docs'}}}\n", "1:37: sources.localfile.d.base_url must hold an absolute path after file://; write file:///absolute/folder, or the path alone\n"},
    {"sources: {localfile: {d: {base_url: '~bob/x'}}}\n", "1:37: sources.localfile.d.base_url names the home of another user; write the path in full\n"},
    {"sources: {localfile: {d: {base_url: 'file:///a%00b'}}}\n", "1:37: sources.localfile.d.base_url holds an escaped NUL byte\n"},
    {"sources: {localfile: {d: {base_url: ''}}}\n", "1:37: sources.localfile.d.base_url must not be empty\n"},
    {LOCALFILE("      file_types: '*.md'\n"), "5:19: sources.localfile.d.file_types must be a list, not '*.md'\n"},
    {LOCALFILE("      include_paths: [a, 5]\n"), "5:26: sources.localfile.d.include_paths[1] must be text; put it in quotes, not '5'\n"},
    {LOCALFILE("      file_type: []\n"), "5:7: unknown key 'file_type' in sources.localfile.d (did you mean 'file_types'?)\n"},
    {LOCALFILE("      max_file_size: lots\n"), "5:22: sources.localfile.d.max_file_size must be a whole number, not 'lots'\n"},
    {"sources: {git: {r: {base_url: 'svn://h/r'}}}\n", "1:31: sources.git.r.base_url must be an https, http, ssh, git or file URL, user@host:path, or a folder\n"},
    {"sources: {git: {r: {base_url: 'https://'}}}\n", "1:31: sources.git.r.base_url names no host\n"},
    {"sources: {git: {r: {base_url: 'https://h:x/r'}}}\n", "1:31: sources.git.r.base_url has a port that is no number\n"},
    {GIT("      depth: -1\n"), "5:14: sources.git.r.depth must be at least 0, not '-1'\n"},
    {GIT("      token: 5\n"), "5:14: sources.git.r.token must be text; put it in quotes\n"},
    {GIT("      brnch: x\n"), "5:7: unknown key 'brnch' in sources.git.r (did you mean 'branch'?)\n"},
    {CONFLUENCE(""), "3:5: confluence source 'w' needs a token: write 'token', or set CONFLUENCE_TOKEN\n"
                     "3:5: confluence source 'w' needs an email in the cloud: write 'email', set CONFLUENCE_EMAIL, or 'deployment_type: datacenter'\n"},
    {CONFLUENCE("      token: t\n      email: ''\n"), "3:5: confluence source 'w' needs an email in the cloud: write 'email', set CONFLUENCE_EMAIL, or 'deployment_type: datacenter'\n"},
    {CONFLUENCE("      token: t\n      deployment_type: server\n      content_types: [page, space]\n"), "8:29: sources.confluence.w.content_types[1] must be one of page, blogpost, comment, not 'space'\n"},
    {CONFLUENCE("      token: t\n      deployment_type: onprem\n      requests_per_minute: 1001\n"),
     "7:24: sources.confluence.w.deployment_type must be one of cloud, datacenter, server, not 'onprem'\n8:28: sources.confluence.w.requests_per_minute must be between 1 and 1000, not '1001'\n"},
    {"sources:\n  confluence:\n    w: {base_url: https://h, token: t, email: e, space_key: NO}\n", "3:61: sources.confluence.w.space_key must be text; put it in quotes, not 'NO'\n"},
    {JIRA("      page_size: 101\n"), "8:18: sources.jira.j.page_size must be between 1 and 100, not '101'\n"},
    {JIRA("      issue_types: [' ']\n"), "8:21: sources.jira.j.issue_types[0] must not be blank\n"},
    {JIRA("      download_attachments: null\n"), "8:29: sources.jira.j.download_attachments must be true or false, not nothing\n"},
    {JIRA("      updated_after: yesterday\n"), "8:22: sources.jira.j.updated_after must be a time like 2024-05-01, 2024-05-01T12:00:00Z or -30 days, not 'yesterday'\n"},
    {JIRA("      updated_after: 2024-13-01\n"), "8:22: sources.jira.j.updated_after must be a time like 2024-05-01, 2024-05-01T12:00:00Z or -30 days, not '2024-13-01'\n"},
    {JIRA("      extra_fields: [{param_name: a, name: a, field_type: object}]\n"), "8:22: an extra field of type object needs 'attr_name'\n"},
    {JIRA("      extra_fields: [{param_name: a, name: a, attr_name: x}]\n"), "8:58: 'attr_name' has no meaning for an extra field of type simple\n"},
    {JIRA("      extra_fields: [{param_name: a, name: a}, {param_name: a, name: b}]\n"), "8:61: param_name 'a' is used twice in extra_fields\n"},
    {JIRA("      extra_fields: [{param_name: a, name: status}]\n"), "8:44: 'status' is the name of a standard field\n"},
    {JIRA("      extra_fields: [{name: x}]\n"), "8:22: sources.jira.j.extra_fields[0] lacks the key 'param_name'\n"},
    {PUBLICDOCS("      content_type: pdf\n"), "6:21: sources.publicdocs.p.content_type must be one of html, markdown, rst, not 'pdf'\n"},
    {"sources: {publicdocs: {p: {base_url: https://h, version: 1.0}}}\n", "1:58: sources.publicdocs.p.version must be text; put it in quotes, not '1.0'\n"},
    {PUBLICDOCS("      selectors: {contents: x}\n"), "6:19: unknown key 'contents' in sources.publicdocs.p.selectors (did you mean 'content'?)\n"},
    /* variables */
    {LOCALFILE("      include_paths: ['${NONE}']\n"), "5:23: the environment variable 'NONE' is not set; export it or write it into .env\n"},
    {LOCALFILE("      include_paths: ['${NONE:-x}']\n"), "5:23: the environment variable 'NONE:-x' is not set; export it or write it into .env\n"},
    {"sources: {git: {r: {base_url: '${NONE}/x'}}}\n", "1:31: the environment variable 'NONE' is not set; export it or write it into .env\n1:31: sources.git.r.base_url holds a ${...} that was not replaced\n"},
    {GLOBAL("  chunking: {chunk_size: '${WORD}'}\n"), "3:26: global.chunking.chunk_size must be a whole number\n"}, /* values of the environment are not shown */
};

static const char *const usual_env[] = {"HOME=/home/me", "WORD=hush", "NUMBER=1024", "PLACE=https://h/x", "LIKE=${WORD}", "HOMED=$HOME/y", NULL};

/* Problems without the path of the temporary folder. */
static void strip_paths(const run *self, ql_buf *out)
{
    const char *path = ql_test_path(self->dir, "config.yaml"), *at = ql_buf_cstr(&self->problems);
    size_t length = strlen(path);
    while (*at != '\0') {
        if (strncmp(at, path, length) == 0) at += length + 1;
        const char *end = strchr(at, '\n');
        ql_buf_append(out, (ql_str){at, (size_t)(end - at) + 1});
        at = end + 1;
    }
}

static void test_config__reports_everything_that_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        run self;
        start(&self, wrong[i].yaml, usual_env);
        load(&self);
        ql_buf found = QL_BUF_INIT;
        strip_paths(&self, &found);
        if (self.status != QL_E_CONFIG || strcmp(ql_buf_cstr(&found), wrong[i].problems) != 0)
            fail_msg("case %zu, status %d %s\n%s\nfound:\n%sexpected:\n%s", i, (int)self.status, self.err.message, wrong[i].yaml, ql_buf_cstr(&found), wrong[i].problems);
        assert_null(self.set);
        assert_null(strstr(ql_buf_cstr(&found), "hush"));
        assert_null(strstr(ql_buf_cstr(&found), "secret"));
        ql_buf_dispose(&found);
        finish(&self);
    }
}

static void test_config__problems_are_counted_and_sorted(void **state)
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

/* ---- What is right ---- */

static const struct {
    const char *yaml, *path, *json; /* a value of the effective configuration */
} right[] = {
    {DOCS, "global_config.chunking.chunk_size", "null"},
    {DOCS, "global_config.chunking.max_chunks_per_document", "null"},
    {DOCS, "global_config.qdrant.url", "null"},
    {DOCS, "global_config.qdrant.collection_name", "\"documents\""},
    {DOCS, "global_config.embedding.min_request_interval", "0.5"},
    {DOCS, "global_config.llm", ""},
    {DOCS, "projects_config.projects.default.project_id", "\"default\""},
    {DOCS, "projects_config.projects.default.sources.localfile.d.max_file_size", "1048576"},
    {DOCS, "store", "\"embedded\""},
    {DOCS, "store_reason", "\"embedded store: neither global.qdrant.url nor QDRANT_URL is set\""},
    {DOCS, "embedder_reason", "\"local model: neither global.llm, nor global.embedding.model, api_key or endpoint, nor LLM_* is set\""},
    /* coercions */
    {GLOBAL("  chunking: {chunk_size: '100', chunk_overlap: 5.0}\n"), "global_config.chunking.chunk_size", "100"},
    {GLOBAL("  chunking: {chunk_size: 100, chunk_overlap: 5.0}\n"), "global_config.chunking.chunk_overlap", "5"},
    {GLOBAL("  chunking: {chunk_size: ' 0100.00 '}\n"), "global_config.chunking.chunk_size", "100"},
    {GLOBAL("  chunking:\n    chunk_size: ${NUMBER}\n"), "global_config.chunking.chunk_size", "1024"},
    {GLOBAL("  chunking: {chunk_size: 100}\n"), "global_config.chunking.chunk_overlap", "25"},
    {GLOBAL("  chunking: {chunk_size: 5000}\n"), "global_config.chunking.chunk_overlap", "200"},
    {GLOBAL("  chunking: {chunk_overlap: 10}\n"), "global_config.chunking.chunk_size", "1500"},
    {GLOBAL("  embedding: {min_request_interval: '2.5'}\n"), "global_config.embedding.min_request_interval", "2.5"},
    {LOCALFILE("      enable_file_conversion: 'Yes'\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "true"},
    {LOCALFILE("      enable_file_conversion: on\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "true"},
    {LOCALFILE("      enable_file_conversion: 1\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "true"},
    {LOCALFILE("      enable_file_conversion: n\n"), "projects_config.projects.default.sources.localfile.d.enable_file_conversion", "false"},
    {GLOBAL("  llm: {sparse: {enabled: 'FALSE'}}\n"), "global_config.llm.sparse.enabled", "false"},
    /* a free-form map keeps what it is given, and reads numbers of the environment as numbers */
    {GLOBAL("  llm:\n    provider: x\n    thing:\n      a: ${NUMBER}\n      b: '${NUMBER}'\n      c: [1, no, 2.5, ~]\n"), "global_config.llm.thing", "{\"a\":1024,\"b\":\"1024\",\"c\":[1,false,2.5,null]}"},
    {GLOBAL("  llm:\n    embeddings:\n      vector_size: ${NUMBER}\n"), "global_config.llm.embeddings.vector_size", "1024"},
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
    {GLOBAL("  state_management: {database_path: '${STATE_DB_PATH}'}\n"), "store", "\"embedded\""},
    {GLOBAL("  qdrant:\n  chunking: ~\n"), "global_config.qdrant.collection_name", "\"documents\""},
    {DOCS "global:\n", "global_config.qdrant.collection_name", "\"documents\""},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: 1h30M5s}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "5405"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: PT2H}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "7200"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: '45'}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "45"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {interval: 60.0}}}\n"), "global_config.workers.schedules.incremental_pull.interval", "60"},
    {GLOBAL("  workers: {}\n"), "global_config.workers.runtime.worker_count", "4"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {dedup_statuses: [Done, FAILED]}}}\n"), "global_config.workers.schedules.incremental_pull.dedup_statuses", "[\"done\",\"failed\"]"},
    {GLOBAL("  workers: {schedules: {incremental_pull: {payload_defaults: {a: [1]}}}}\n"), "global_config.workers.schedules.incremental_pull.payload_defaults", "{\"a\":[1]}"},
    /* variables */
    {LOCALFILE("      include_paths: ['${WORD}-${WORD}', '$HOMEX', '${LIKE}', '${HOMED}', '$WORD', '${', 'a$']\n"), "projects_config.projects.default.sources.localfile.d.include_paths",
     "[\"hush-hush\",\"/home/meX\",\"${WORD}\",\"/home/me/y\",\"$WORD\",\"${\",\"a$\"]"},
    {"sources: {localfile: {'${WORD}': {base_url: /x}}}\n", "projects_config.projects.default.sources.localfile.${WORD}.base_url", "\"file:///x\""}, /* keys stay */
    {GIT("      token: ${NUMBER}\n"), "projects_config.projects.default.sources.git.r.token", "\"****\""},
    {GIT("      branch: ${NUMBER}\n"), "projects_config.projects.default.sources.git.r.branch", "\"1024\""},
    /* places */
    {"sources: {localfile: {d: {base_url: 'file:///a/./b//c%20d/'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///a/b/c%20d\""},
    {"sources: {localfile: {d: {base_url: 'FILE://localhost/a'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///a\""},
    {"sources: {localfile: {d: {base_url: '~/x'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///home/me/x\""},
    {"sources: {localfile: {d: {base_url: '~'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///home/me\""},
    {"sources: {localfile: {d: {base_url: 'file://$HOME/x'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///home/me/x\""},
    {"sources: {localfile: {d: {base_url: '/a/C#/x?y%'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///a/C%23/x%3Fy%25\""},
    {"sources: {localfile: {d: {base_url: '/'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///\""},
    {"sources: {git: {r: {base_url: 'git@h:a/b.git'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"git@h:a/b.git\""},
    {"sources: {git: {r: {base_url: 'SSH://git@H:22/a'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"ssh://****@h/a\""},
    {"sources: {git: {r: {base_url: 'https://H:443'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"https://h/\""},
    {"sources: {git: {r: {base_url: 'http://h:8080/a b/\xC3\xA9?q=1'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"http://h:8080/a%20b/%C3%A9?q=1\""},
    {"sources: {git: {r: {base_url: '/srv/r.git'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"file:///srv/r.git\""},
    {"sources: {git: {r: {base_url: 'https://h/r'}}}\n", "projects_config.projects.default.sources.git.r.token", "null"},
    {GIT("      file_types: []\n"), "projects_config.projects.default.sources.git.r.file_types", "[]"},
    /* sources that this build does not read */
    {CONFLUENCE("      token: t\n      deployment_type: Server\n"), "projects_config.projects.default.sources.confluence.w.deployment_type", "\"datacenter\""},
    {CONFLUENCE("      token: t\n      email: e\n      content_types: [Page, COMMENT]\n"), "projects_config.projects.default.sources.confluence.w.content_types", "[\"page\",\"comment\"]"},
    {JIRA("      issue_types: [' Bug ', Task]\n"), "projects_config.projects.default.sources.jira.j.issue_types", "[\"Bug\",\"Task\"]"},
    {JIRA("      updated_after: 2024-05-01T10:00:00Z\n"), "projects_config.projects.default.sources.jira.j.updated_after", "\"2024-05-01T10:00:00Z\""},
    {JIRA("      updated_after: '-30 days'\n"), "projects_config.projects.default.sources.jira.j.updated_after", "\"-30 days\""},
    {JIRA("      extra_fields: [{param_name: p, name: n, field_type: Array_Object, attr_name: a}]\n"), "projects_config.projects.default.sources.jira.j.extra_fields",
     "[{\"param_name\":\"p\",\"name\":\"n\",\"field_type\":\"array_object\",\"attr_name\":\"a\"}]"},
    {PUBLICDOCS(""), "projects_config.projects.default.sources.publicdocs.p.base_url", "\"https://h/\""},
    {PUBLICDOCS(""), "projects_config.projects.default.sources.publicdocs.p.selectors.remove", "[\"nav\",\"header\",\"footer\",\".sidebar\"]"},
    {PUBLICDOCS(""), "projects_config.projects.default.sources.publicdocs.p.attachment_selectors",
     "[\"a[href$='.pdf']\",\"a[href$='.docx']\",\"a[href$='.xls']\",\"a[href$='.xlsx']\",\"a[href$='.pptx']\"]"},
    {"sources: {sharepoint: {s: {base_url: https://h, tenant_id: t, client_id: c, client_secret: x}}}\n", "projects_config.projects.default.sources.sharepoint.s.client_secret", "\"****\""},
    /* YAML */
    {"x: &x {base_url: /a, file_types: [md]}\nsources: {localfile: {d: {<<: *x, base_url: /b}}}\n", NULL, NULL},
    {"sources: {localfile: {d: &d {base_url: /a}, e: *d, f: {<<: *d, file_types: [md]}}}\n", "projects_config.projects.default.sources.localfile.f.base_url", "\"file:///a\""},
    {"projects: {p: {display_name: P}, q: {display_name: Q, sources: {}}}\n", "projects_config.projects.q.display_name", "\"Q\""},
    {DOCS "search: {cache_ttl: 5}\n", "search.cache_max_size", "500"},
};

static const ql__json *find_path(const ql__json *at, const char *path)
{
    char part[64];
    while (*path != '\0') {
        size_t length = strcspn(path, ".");
        memcpy(part, path, length);
        part[length] = '\0';
        at = ql__json_get(at, part);
        path += length + (path[length] == '.');
    }
    return at;
}

static void print_json(const ql__json *value, ql__json_writer *out)
{
    if (ql__json_is_object(value)) {
        void *iter = NULL;
        ql_str key;
        const ql__json *member;
        ql__json_object(out);
        while (ql__json_next(value, &iter, &key, &member)) {
            ql__json_key_str(out, key);
            print_json(member, out);
        }
        ql__json_object_end(out);
    } else if (ql__json_is_array(value)) {
        ql__json_array(out);
        for (size_t i = 0; i < ql__json_count(value); i++) print_json(ql__json_at(value, i), out);
        ql__json_array_end(out);
    } else if (ql__json_is_string(value)) {
        ql__json_string(out, ql__json_str(value, QL_STR("")));
    } else if (ql__json_int_of(value, -77) != -77) {
        ql__json_int(out, ql__json_int_of(value, 0));
    } else if (ql__json_double_of(value, -77) != -77) {
        ql__json_double(out, ql__json_double_of(value, 0));
    } else if (ql__json_bool_of(value, true) == ql__json_bool_of(value, false)) {
        ql__json_bool(out, ql__json_bool_of(value, false));
    } else {
        ql__json_null(out);
    }
}

static void expect_effective(run *self, const char *path, const char *json)
{
    ql_buf text = QL_BUF_INIT, found = QL_BUF_INIT;
    ql__json *root = NULL;
    assert_int_equal(ql__config_write_json(self->set, &text, NULL), QL_OK);
    assert_int_equal(ql__json_parse(ql_buf_str(&text), &root, NULL), QL_OK);
    const ql__json *value = find_path(root, path);
    ql__json_writer writer;
    ql__json_begin(&writer, &found);
    if (value != NULL) print_json(value, &writer);
    if (strcmp(ql_buf_cstr(&found), json) != 0) fail_msg("%s is %s, expected %s", path, ql_buf_cstr(&found), json);
    ql__json_free(root);
    ql_buf_dispose(&text);
    ql_buf_dispose(&found);
}

static void test_config__values_mean_what_the_reference_means(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        run self;
        start(&self, right[i].yaml, usual_env);
        self.lenient = right[i].path == NULL; /* the top-level anchor holder is no key of ours */
        load(&self);
        if (self.status != QL_OK) fail_msg("case %zu: %s\n%s", i, right[i].yaml, ql_buf_cstr(&self.problems));
        if (right[i].path != NULL) expect_effective(&self, right[i].path, right[i].json);
        finish(&self);
    }
}

static void test_config__relative_folders_are_relative_to_the_configuration(void **state)
{
    (void)state;
    run self;
    start(&self, "sources: {localfile: {d: {base_url: ./docs/}, e: {base_url: ../x}}, git: {r: {base_url: repo}}}\n", NULL);
    load(&self);
    const ql__config *config = expect_loaded(&self);
    char expected[4096];
    (void)snprintf(expected, sizeof expected, "%s/repo", self.dir);
    assert_text(config->projects[0].sources[0].local_path, expected);
    (void)snprintf(expected, sizeof expected, "%s/docs", self.dir);
    assert_text(config->projects[0].sources[1].local_path, expected);
    (void)snprintf(expected, sizeof expected, "%s/../x", self.dir);
    assert_text(config->projects[0].sources[2].local_path, expected);
    (void)snprintf(expected, sizeof expected, "%s/data", self.dir);
    assert_text(config->data_dir, expected);
    finish(&self);
}

/* ---- Warnings ---- */

static const struct {
    const char *yaml, *warning;
} warned[] = {
    {DOCS "projects: {p: {display_name: x, sources: {localfile: {d: {base_url: d}}}}}\n", "1:1: 'sources' at the top level is ignored because there are 'projects'"},
    {"projects: {p: {display_name: x}}\n", "1:12: the project 'p' has no sources: nothing will be ingested for it"},
    {"projects: {Admin: {display_name: x, sources: {localfile: {d: {base_url: d}}}}}\n", "1:12: the project id 'admin' is easily mistaken"},
    {"projects: {p: {display_name: x, collection_name: c}}\n", "projects.p.collection_name has no effect: `global.qdrant.collection_name` is used for all projects"},
    {"projects: {p: {display_name: x, overrides: {a: 1}}}\n", "projects.p.overrides has no effect, as in the reference"},
    {"projects: {p: {display_name: x, project_id: y}}\n", "projects.p.project_id has no effect: the key above it is the id"},
    {GLOBAL("  chunking: {max_chunks_per_document: 500}\n"), "3:39: global.chunking.max_chunks_per_document: the rest of a document with more chunks is not indexed"},
    {GLOBAL("  chunking: {strategies: {json: {max_array_items_per_chunk: 5}}}\n"), "json.max_array_items_per_chunk has no effect: documents of any size are parsed whole and nothing is left out"},
    {GLOBAL("  semantic_analysis: {num_topics: 5}\n"), "global.semantic_analysis.num_topics has no effect"},
    {GLOBAL("  state_management: {database_path: ./x.db}\n"), "global.state_management.database_path has no effect: state and index lie in the data folder"},
    {GLOBAL("  concurrency: {queue_size: 5}\n"), "global.concurrency.queue_size has no effect"},
    {GLOBAL("  embedding: {batch_size: 5}\n"), "3:15: global.embedding.batch_size has no effect with the local model"},
    {GLOBAL("  sources: {git: {r: {base_url: https://h/r}}}\n"), "global.sources is never ingested"},
};

static void test_config__what_has_no_effect_is_said(void **state)
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

static void test_config__leniency_turns_unknown_keys_and_variables_into_warnings(void **state)
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

/* ---- Environment ---- */

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

static void test_config__the_environment_fills_in(void **state)
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

static void test_config__a_bad_name_from_the_environment_is_refused(void **state)
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

#define SHOWN "sources: {localfile: {d: {base_url: d, include_paths: ['${WHO}']}}}\n"
#define SHOWN_PATH "projects_config.projects.default.sources.localfile.d.include_paths"

static void test_config__env_file_beside_the_configuration_gives_way_to_the_process(void **state)
{
    (void)state;
    static const char *const env[] = {"WHO=process", NULL};
    run self;
    start(&self, SHOWN, NULL);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("WHO=file\n"));
    load(&self);
    (void)expect_loaded(&self);
    expect_effective(&self, SHOWN_PATH, "[\"file\"]");
    finish(&self);
    start(&self, SHOWN, env);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("WHO=file\n"));
    load(&self);
    (void)expect_loaded(&self);
    expect_effective(&self, SHOWN_PATH, "[\"process\"]");
    finish(&self);
}

static void test_config__a_named_env_file_wins_and_must_exist(void **state)
{
    (void)state;
    static const char *const env[] = {"WHO=process", NULL};
    run self;
    start(&self, SHOWN, env);
    ql_test_file_write(ql_test_path(self.dir, "my.env"), QL_STR("WHO=file\n"));
    ql__config_options options = {.config_path = ql_test_path(self.dir, "config.yaml"), .env_path = ql_test_path(self.dir, "my.env"), .getenv_fn = find_env, .getenv_user = &self};
    assert_int_equal(ql__config_load(&options, &self.set, NULL, NULL), QL_OK);
    expect_effective(&self, SHOWN_PATH, "[\"file\"]");
    ql__config_set *none = NULL;
    options.env_path = ql_test_path(self.dir, "missing.env");
    assert_int_equal(ql__config_load(&options, &none, NULL, &self.err), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "missing.env"));
    assert_null(none);
    finish(&self);
}

static void test_config__a_broken_env_file_is_reported_before_what_it_causes(void **state)
{
    (void)state;
    run self;
    start(&self, SHOWN, NULL);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("# c\nWHO file\n"));
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    const char *first = strstr(ql_buf_cstr(&self.problems), ".env:2:5: not of the form KEY=VALUE"), *second = strstr(ql_buf_cstr(&self.problems), "'WHO' is not set");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    finish(&self);
}

/* ---- Workspace ---- */

static void test_config__a_workspace_has_everything_in_one_folder(void **state)
{
    (void)state;
    static const char *const env[] = {"WHO=process", NULL};
    run self;
    start(&self, SHOWN, env);
    ql_test_file_write(ql_test_path(self.dir, ".env"), QL_STR("WHO=file\n"));
    ql__config_options options = {.workspace_dir = self.dir, .getenv_fn = find_env, .getenv_user = &self};
    assert_int_equal(ql__config_load(&options, &self.set, NULL, &self.err), QL_OK);
    expect_effective(&self, SHOWN_PATH, "[\"file\"]");
    const ql__config *config = ql__config_get(self.set);
    char expected[4096];
    assert_text(config->workspace_dir, self.dir);
    (void)snprintf(expected, sizeof expected, "%s/data", self.dir);
    assert_text(config->data_dir, expected);
    (void)snprintf(expected, sizeof expected, "%s/config.yaml", self.dir);
    assert_text(config->config_path, expected);
    assert_int_equal(ql_test_dir_count(self.dir), 2); /* reading makes nothing */
    finish(&self);
}

static void test_config__a_workspace_excludes_files_and_must_be_one(void **state)
{
    (void)state;
    run self;
    start(&self, DOCS, NULL);
    ql__config_set *set = NULL;
    ql__config_options options = {.workspace_dir = self.dir, .config_path = "x"};
    assert_int_equal(ql__config_load(&options, &set, NULL, NULL), QL_E_INVALID);
    options = (ql__config_options){.workspace_dir = self.dir, .env_path = "x"};
    assert_int_equal(ql__config_load(&options, &set, NULL, NULL), QL_E_INVALID);
    options = (ql__config_options){.workspace_dir = ql_test_path(self.dir, "nowhere")};
    assert_int_equal(ql__config_load(&options, &set, NULL, &self.err), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "there is no workspace folder"));
    options = (ql__config_options){.workspace_dir = ql_test_path(self.dir, "config.yaml")};
    assert_int_equal(ql__config_load(&options, &set, NULL, NULL), QL_E_INVALID);
    assert_int_equal(unlink(ql_test_path(self.dir, "config.yaml")), 0);
    options = (ql__config_options){.workspace_dir = self.dir};
    assert_int_equal(ql__config_load(&options, &set, NULL, &self.err), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "there is no configuration"));
    assert_null(set);
    finish(&self);
}

/* ---- Output ---- */

#define SECRETS \
    "global:\n  qdrant: {url: 'https://u:hidden1@q', api_key: hidden2}\n" \
    "  llm: {api_key: hidden3, headers: {Authorization: Bearer hidden4, X: hidden5}, extra: {Password: hidden6, token: [hidden7], list: ['http://u:hidden8@h/x http://hidden9@h'], tokens: shown1}}\n" \
    "  embedding: {api_key: hidden10, tokenizer: shown2}\n" \
    "sources:\n" \
    "  git: {r: {base_url: 'https://hidden11@h/r', token: hidden12}}\n" \
    "  confluence: {w: {base_url: https://h, space_key: shown3, token: hidden13, email: shown4}}\n" \
    "  jira: {j: {base_url: https://h, project_key: shown5, token: '${WORD}', email: e}}\n" \
    "  sharepoint: {s: {base_url: https://h, tenant_id: t, client_id: c, client_secret: hidden14}}\n"

static void test_config__secrets_are_masked_in_every_output(void **state)
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

static void test_config__yaml_output_reads_back_as_the_same(void **state)
{
    (void)state;
    run self, again;
    start(&self, "projects:\n  a-b: {display_name: 'yes', description: \"two\\nlines: x # y\", sources: {localfile: {'1 2': {base_url: /x, include_paths: ['- a', '', 'null', '1.5', 'a: b', \"q'\\\"\"]}}}}\n"
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

static void test_config__a_source_carries_itself_as_json(void **state)
{
    (void)state;
    run self;
    start(&self, JIRA("      page_size: 7\n"), NULL);
    load(&self);
    const ql__config *config = expect_loaded(&self);
    ql__json *json = NULL;
    assert_int_equal(ql__json_parse(config->projects[0].sources[0].json, &json, NULL), QL_OK);
    assert_text(ql__json_str(ql__json_get(json, "token"), QL_STR("")), "t"); /* for whoever connects: not masked */
    assert_int_equal(ql__json_int_of(ql__json_get(json, "page_size"), 0), 7);
    ql__json_free(json);
    finish(&self);
}

static void test_config__sources_come_in_visiting_order(void **state)
{
    (void)state;
    run self;
    start(&self, "sources:\n  localfile: {b: {base_url: /b}, a: {base_url: /a}}\n  git: {r: {base_url: https://h/r}}\n"
                 "  publicdocs: {p: {base_url: https://h, version: v}}\n", NULL);
    load(&self);
    const ql__config *config = expect_loaded(&self);
    static const char *const names[] = {"r", "p", "b", "a"};
    for (size_t i = 0; i < 4; i++) assert_text(config->projects[0].sources[i].name, names[i]);
    finish(&self);
}

/* ---- Hostile files and faults ---- */

static void test_config__hostile_files_end_with_a_problem(void **state)
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

typedef struct fault_case {
    const char *dir;
    bool lenient;
} fault_case;

static const char *no_env(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "WORD") == 0 ? "hush" : NULL;
}

static ql_status whole(void *user, ql_error *err)
{
    const fault_case *self = user;
    ql__config_set *set = NULL;
    ql_buf problems = QL_BUF_INIT, text = QL_BUF_INIT;
    ql__config_options options = {.workspace_dir = self->dir, .sys = ql_test_sys(), .lenient = self->lenient, .getenv_fn = no_env};
    ql_status status = ql__config_load(&options, &set, &problems, err);
    if (status == QL_OK) status = ql__config_write_json(set, &text, err);
    ql_buf_clear(&text);
    if (status == QL_OK) status = ql__config_write_yaml(set, &text, err);
    ql__config_free(set);
    ql_buf_dispose(&problems);
    ql_buf_dispose(&text);
    return status;
}

static void test_config__every_allocation_and_file_call_may_fail(void **state)
{
    (void)state;
    fault_case good = {.dir = ql_test_dir_new()};
    ql_test_file_write(ql_test_path(good.dir, "config.yaml"), QL_STR(SECRETS));
    ql_test_file_write(ql_test_path(good.dir, ".env"), QL_STR("A=1\nB=${A}\n"));
    ql_test_fault_loop(QL_FAULT_ALLOC, whole, &good);
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~(unsigned)QL_TEST_CLOSE); /* closing what was only read cannot lose anything */
    ql_test_fault_loop(QL_FAULT_FILE, whole, &good);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    ql_test_dir_remove((char *)(uintptr_t)good.dir);
}

static void test_config__reports_an_unknown_key_with_its_place(void **state)
{
    (void)state;
    run self;
    start(&self, "global:\n  chunking:\n    chunk_sise: 5\nsources: {localfile: {d: {base_url: d}}}\n", NULL);
    load(&self);
    assert_int_equal(self.status, QL_E_CONFIG);
    assert_non_null(strstr(ql_buf_cstr(&self.problems), "config.yaml:3:5: unknown key 'chunk_sise' in global.chunking (did you mean 'chunk_size'?)\n"));
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__every_allocation_and_file_call_may_fail),
        cmocka_unit_test(test_config__reads_the_short_form),
        cmocka_unit_test(test_config__reports_everything_that_is_wrong),
        cmocka_unit_test(test_config__problems_are_counted_and_sorted),
        cmocka_unit_test(test_config__values_mean_what_the_reference_means),
        cmocka_unit_test(test_config__relative_folders_are_relative_to_the_configuration),
        cmocka_unit_test(test_config__what_has_no_effect_is_said),
        cmocka_unit_test(test_config__leniency_turns_unknown_keys_and_variables_into_warnings),
        cmocka_unit_test(test_config__the_environment_fills_in),
        cmocka_unit_test(test_config__a_bad_name_from_the_environment_is_refused),
        cmocka_unit_test(test_config__env_file_beside_the_configuration_gives_way_to_the_process),
        cmocka_unit_test(test_config__a_named_env_file_wins_and_must_exist),
        cmocka_unit_test(test_config__a_broken_env_file_is_reported_before_what_it_causes),
        cmocka_unit_test(test_config__a_workspace_has_everything_in_one_folder),
        cmocka_unit_test(test_config__a_workspace_excludes_files_and_must_be_one),
        cmocka_unit_test(test_config__secrets_are_masked_in_every_output),
        cmocka_unit_test(test_config__yaml_output_reads_back_as_the_same),
        cmocka_unit_test(test_config__a_source_carries_itself_as_json),
        cmocka_unit_test(test_config__sources_come_in_visiting_order),
        cmocka_unit_test(test_config__hostile_files_end_with_a_problem),
        cmocka_unit_test(test_config__reports_an_unknown_key_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
