/*
 * What `qloader setup` is going to write: projects and sources, and the texts of config.yaml and .env made of them. Nothing here touches the
 * disk but to look where a path leads.
 */
#ifndef CLI_SETUP_PLAN_H
#define CLI_SETUP_PLAN_H

#include <jansson.h>

#include <qloader.h>

typedef enum setup_mode { SETUP_DEFAULT, SETUP_NORMAL, SETUP_ADVANCED } setup_mode; /* how much is asked, and how much config.yaml explains */

typedef struct setup_plan {
    setup_mode mode;
    ql_buf dir;        /* of the workspace, as it was named */
    ql_buf absolute;   /* the same from the root, links resolved as far as it exists */
    json_t *projects;  /* [{id, display_name, description, sources: [{source_type, source, base_url, branch, token_name, file_types}]}]; id null: no projects */
    bool makes_docs;   /* docs/ in the workspace is one of the sources, and is not there yet */
    unsigned long chunk_size, chunk_overlap; /* 0: as suits the model */
} setup_plan;

void plan_init(setup_plan *self);
void plan_dispose(setup_plan *self);
/* False, and why: it is a file, or its name cannot be used. */
bool plan_place(setup_plan *self, const char *dir, ql_buf *why);

/* A project with the id that its name gives; name empty: sources stand at the top level. Borrowed from the plan; NULL, and why. */
json_t *plan_add_project(setup_plan *self, const char *name, const char *description, ql_buf *why);
/*
 * A source; returns its object (borrowed) or NULL, and why. A folder must be there, but for the workspace's own docs/. Members that the caller
 * may add: branch, file_types (array of text).
 */
json_t *plan_add_folder(setup_plan *self, json_t *project, const char *path, ql_buf *why);
json_t *plan_add_docs(setup_plan *self, json_t *project);
json_t *plan_add_git(setup_plan *self, json_t *project, const char *address, ql_buf *why);
/* Whether text means a git repository elsewhere: scheme://, user@host:path, or something.git that is no folder here. */
bool plan_is_git(const char *text);
/* Gives a source another name, made fit and unique. */
void plan_rename(setup_plan *self, json_t *source, const char *name);
/* Whether a text can stand in the file and mean itself. */
bool plan_text_fits(const char *text, ql_buf *why);

void plan_config(const setup_plan *self, ql_buf *out);
/* What .env has to hold besides what it holds (existing, may be empty); *names (array) gets the variables it lacks. Empty: nothing to add. */
void plan_env(const setup_plan *self, ql_str existing, ql_buf *out, json_t *names);

#endif
