/* Goal: the struct that the library reads holds what the file says. Method: small files, every field. */
#include "config_run.h"

static void test_config_build__reads_the_short_form(void **state)
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
    assert_text(git->shown_url, "https://github.com/Org/Repo.git");
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

static void test_config_build__a_source_carries_itself_as_json(void **state)
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

static void test_config_build__sources_come_in_visiting_order(void **state)
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

static void test_config_build__shown_urls_hold_no_password(void **state)
{
    (void)state;
    run self;
    start(&self, "sources: {git: {a: {base_url: 'https://word@h/r'}, b: {base_url: 'https://u:word@h/r'}, c: {base_url: 'ssh://git@h/r'}, d: {base_url: 'ssh://u:word@h/r'}, e: {base_url: 'git@h:r'}}}\n", NULL);
    load(&self);
    const ql__config *config = expect_loaded(&self);
    static const char *const shown[] = {"https://****@h/r", "https://****@h/r", "ssh://git@h/r", "ssh://****@h/r", "git@h:r"};
    for (size_t i = 0; i < 5; i++) assert_text(config->projects[0].sources[i].shown_url, shown[i]);
    assert_text(config->projects[0].sources[1].base_url, "https://u:word@h/r");
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_build__reads_the_short_form),
        cmocka_unit_test(test_config_build__a_source_carries_itself_as_json),
        cmocka_unit_test(test_config_build__sources_come_in_visiting_order),
        cmocka_unit_test(test_config_build__shown_urls_hold_no_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
