/* Goal: URLs and folders get one spelling, the reference's where ids depend on it. Method: tables of files. */
#include "config_run.h"

static const wrong_case wrong[] = {
    {"sources: {localfile: {d: {base_url: https://h}}}\n", "1:37: sources.localfile.d.base_url must be a folder: file:///absolute/folder, or a path\n"},
    {"sources: {localfile: {d: {base_url: 'file://docs'}}}\n", "1:37: sources.localfile.d.base_url names a host between file:// and the next '/'; write file:///absolute/folder, or the path alone\n"},
    {"sources: {localfile: {d: {base_url: 'file:docs'}}}\n", "1:37: sources.localfile.d.base_url must hold an absolute path after file://; write file:///absolute/folder, or the path alone\n"},
    {"sources: {localfile: {d: {base_url: '~bob/x'}}}\n", "1:37: sources.localfile.d.base_url names the home of another user; write the path in full\n"},
    {"sources: {localfile: {d: {base_url: 'file:///a%00b'}}}\n", "1:37: sources.localfile.d.base_url holds an escaped NUL byte\n"},
    {"sources: {localfile: {d: {base_url: ''}}}\n", "1:37: sources.localfile.d.base_url must not be empty\n"},
    {"sources: {git: {r: {base_url: 'svn://h/r'}}}\n", "1:31: sources.git.r.base_url must be an https, http, ssh, git or file URL, user@host:path, or a folder\n"},
    {"sources: {git: {r: {base_url: 'https://'}}}\n", "1:31: sources.git.r.base_url names no host\n"},
    {"sources: {git: {r: {base_url: 'https://h:x/r'}}}\n", "1:31: sources.git.r.base_url has a port that is no number\n"},
};

static void test_config_url__what_is_no_place_is_refused(void **state)
{
    (void)state;
    EXPECT_WRONG(wrong);
}

static const right_case right[] = {
    {"sources: {localfile: {d: {base_url: 'file:///a/./b//c%20d/'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///a/b/c%20d\""},
    {"sources: {localfile: {d: {base_url: 'FILE://localhost/a'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///a\""},
    {"sources: {localfile: {d: {base_url: '~/x'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///home/me/x\""},
    {"sources: {localfile: {d: {base_url: '~'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///home/me\""},
    {"sources: {localfile: {d: {base_url: 'file://$HOME/x'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///home/me/x\""},
    {"sources: {localfile: {d: {base_url: '/a/C#/x?y%'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///a/C%23/x%3Fy%25\""},
    {"sources: {localfile: {d: {base_url: '/'}}}\n", "projects_config.projects.default.sources.localfile.d.base_url", "\"file:///\""},
    {"sources: {git: {r: {base_url: 'git@h:a/b.git'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"git@h:a/b.git\""},
    {"sources: {git: {r: {base_url: 'SSH://git@H:22/a'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"ssh://git@h/a\""},
    {"sources: {git: {r: {base_url: 'https://H:443'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"https://h/\""},
    {"sources: {git: {r: {base_url: 'http://h:8080/a b/\xC3\xA9?q=1'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"http://h:8080/a%20b/%C3%A9?q=1\""},
    {"sources: {git: {r: {base_url: '/srv/r.git'}}}\n", "projects_config.projects.default.sources.git.r.base_url", "\"file:///srv/r.git\""},
    {PUBLICDOCS(""), "projects_config.projects.default.sources.publicdocs.p.base_url", "\"https://h/\""},
    {"sources: {localfile: {d: &d {base_url: /a}, e: *d, f: {<<: *d, file_types: [md]}}}\n", "projects_config.projects.default.sources.localfile.f.base_url", "\"file:///a\""},
};

static void test_config_url__places_have_one_spelling(void **state)
{
    (void)state;
    EXPECT_RIGHT(right);
}

static void test_config_url__relative_folders_are_relative_to_the_configuration(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_url__what_is_no_place_is_refused),
        cmocka_unit_test(test_config_url__places_have_one_spelling),
        cmocka_unit_test(test_config_url__relative_folders_are_relative_to_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
