/* Real repositories, made by the git program in temporary folders with fixed names and dates. */
#ifndef QL_TEST_GIT_FIXTURE_H
#define QL_TEST_GIT_FIXTURE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/source.h"
#include "support/testing.h"
#include "unit/source/listing.h"

typedef struct git_fixture {
    char *dir;        /* holds everything */
    char work[512];   /* the repository's work tree */
    char cache[512];
    char base_url[600];
    ql_str includes[4], excludes[4], types[4];
    ql__config_source config;
    const ql_source_ops *ops;
    void *source;
    listing list;
    long clock_s; /* date of the next commit */
} git_fixture;

static inline int git_set_up(void **state)
{
    git_fixture *self = calloc(1, sizeof *self);
    self->dir = ql_test_dir_new();
    snprintf(self->work, sizeof self->work, "%s/work", self->dir);
    snprintf(self->cache, sizeof self->cache, "%s/cache", self->dir);
    snprintf(self->base_url, sizeof self->base_url, "file://%s", self->work);
    self->config = (ql__config_source){.type = QL__SOURCE_GIT, .type_name = QL_STR("git"), .name = QL_STR("repo"),
                                       .base_url = ql_str_of(self->base_url), .max_file_size = 1 << 20};
    self->clock_s = 1600000000;
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv("GIT_CONFIG_SYSTEM", "/dev/null", 1);
    *state = self;
    return 0;
}

static inline int git_tear_down(void **state)
{
    git_fixture *self = *state;
    listing_clear(&self->list);
    if (self->source != NULL) self->ops->close_fn(self->source);
    ql_test_dir_remove(self->dir);
    free(self);
    return 0;
}

/* A shell command in the work tree; the clock advances by one minute. */
static inline void git_run(git_fixture *self, const char *format, ...) QL_PRINTF(2, 3);
static inline void git_run(git_fixture *self, const char *format, ...)
{
    char command[4096], whole[6000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    self->clock_s += 60;
    snprintf(whole, sizeof whole,
             "export GIT_AUTHOR_NAME='Ada L' GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org "
             "GIT_AUTHOR_DATE='%ld +0100' GIT_COMMITTER_DATE='%ld +0100' && mkdir -p '%s' && cd '%s' && { %s; } >/dev/null 2>&1",
             self->clock_s - 5, self->clock_s, self->work, self->work, command);
    if (system(whole) != 0) fail_msg("failed: %s", command);
}

/* First line that a shell command in the work tree prints. */
static inline void git_ask(git_fixture *self, char *out, size_t size, const char *format, ...) QL_PRINTF(4, 5);
static inline void git_ask(git_fixture *self, char *out, size_t size, const char *format, ...)
{
    char command[4096], whole[6000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(whole, sizeof whole, "cd '%s' && { %s; } 2>/dev/null", self->work, command);
    FILE *pipe = popen(whole, "r");
    assert_non_null(pipe);
    out[0] = '\0';
    if (fgets(out, (int)size, pipe) == NULL) out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    while (fgetc(pipe) != EOF) {}
    (void)pclose(pipe);
}

static inline void git_write(git_fixture *self, const char *name, const char *content)
{
    ql_test_file_write(ql_test_path(self->work, name), ql_str_of(content));
}

static inline void git_commit_all(git_fixture *self, const char *message)
{
    git_run(self, "git add -A && git commit -q --allow-empty -m '%s'", message);
}

static inline ql_status git_try_open(git_fixture *self, ql_error *err)
{
    if (self->source != NULL) self->ops->close_fn(self->source);
    self->source = NULL;
    ql__source_options options = {.config = &self->config, .sys = ql__sys_default(), .cache_dir = self->cache};
    return ql__source_open(&options, &self->ops, &self->source, err);
}

static inline ql_status git_try_list(git_fixture *self, ql_error *err)
{
    listing_clear(&self->list);
    ql_source_sink sink = listing_sink(&self->list);
    return self->ops->list_fn(self->source, &sink, err);
}

static inline void git_open_and_list(git_fixture *self)
{
    ql_error err = {0};
    if (git_try_open(self, &err) != QL_OK || git_try_list(self, &err) != QL_OK) fail_msg("%s", err.message);
}

static inline void git_fetch_one(git_fixture *self, const char *tail, ql_document *out, void **token)
{
    const listed *entry = listing_find(&self->list, tail);
    if (entry == NULL) fail_msg("'%s' was not listed", tail);
    ql_item item = item_of(entry);
    ql_error err = {0};
    if (self->ops->fetch_fn(self->source, &item, out, token, &err) != QL_OK) fail_msg("%s", err.message);
}

#endif
