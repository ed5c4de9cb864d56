/*
 * The effective configuration: what config.yaml, .env and the environment mean after validation. Immutable, shared,
 * freed as one piece. Views point into the configuration's own arena.
 */
#ifndef QL_CONFIG_MODEL_H
#define QL_CONFIG_MODEL_H

#include "sys/file.h"
#include "sys/log.h"
#include <qloader/base.h>

typedef struct ql__strs {
    const ql_str *items;
    size_t count;
} ql__strs;

typedef enum ql__source_type { /* the order in which an ingest visits them */
    QL__SOURCE_CONFLUENCE,
    QL__SOURCE_GIT,
    QL__SOURCE_JIRA,
    QL__SOURCE_PUBLICDOCS,
    QL__SOURCE_LOCALFILE,
    QL__SOURCE_SHAREPOINT,
    QL__SOURCE_TYPE_COUNT,
    QL__SOURCE_ADDED = QL__SOURCE_TYPE_COUNT /* of the application: known by its name alone, visited last */
} ql__source_type;

const char *ql__source_type_name(size_t type); /* "git"; type below QL__SOURCE_TYPE_COUNT */

typedef struct ql__config_source {
    ql__source_type type;
    ql_str type_name, name;      /* "git", key under it */
    ql_str base_url;             /* normalised: localfile always as file:///folder with escapes, git as URL, user@host:path or file:///folder */
    ql_str shown_url;            /* base_url with the user part masked: for messages and lists */
    ql_str local_path;           /* the folder that base_url names on this machine: absolute, decoded, NUL-terminated; empty: elsewhere */
    ql__strs include_paths, exclude_paths, file_types;
    uint64_t max_file_size;      /* bytes */
    bool enable_file_conversion;
    ql_str branch, token;        /* git; empty: default branch, no token */
    bool depth_set;              /* git: false means full history */
    uint32_t depth;              /* git: commits, 0 full */
    ql_str json;                 /* the whole source as JSON, secrets not masked: for types this library does not read itself */
    uint32_t line, column;       /* where it stands in the file */
} ql__config_source;

typedef struct ql__config_project {
    ql_str id, display_name, description;
    const ql__config_source *sources; /* in visiting order */
    size_t source_count;
} ql__config_project;

typedef struct ql__config {
    const ql__config_project *projects;
    size_t project_count;
    ql_str collection_name;
    /* which store and embedder, and why, in words for people */
    bool store_embedded, embedder_local;
    ql_str store_reason, embedder_reason;
    /* chunking; 0 where the file says nothing */
    bool chunk_size_set, chunk_overlap_set;
    uint32_t chunk_size, chunk_overlap; /* characters when set in the file */
    uint32_t max_chunks_per_document;   /* 0: no cap */
    ql__strs warnings;                  /* as logged, "file:line:column: sentence" */
    /* file names after workspace resolution, NUL-terminated */
    ql_str workspace_dir, data_dir, config_path;
} ql__config;

typedef struct ql__config_options {
    const char *workspace_dir; /* or NULL */
    const char *config_path;   /* or NULL; exclusive with workspace_dir */
    const char *env_path;      /* or NULL */
    bool lenient;              /* unknown keys and left-over ${...} warn instead of fail */
    const ql__sys *sys;        /* NULL: the real one */
    ql__log *log;              /* warnings go here */
    const char *(*getenv_fn)(void *user, const char *name); /* NULL: the process environment, which is never changed */
    void *getenv_user;
    const char *const *source_types; /* (source_type_count) names of types that the application reads; what stands under them is its own affair */
    size_t source_type_count;
} ql__config_options;

typedef struct ql__config_set ql__config_set; /* owns a ql__config */

/*
 * Reads, validates and resolves. On QL_E_CONFIG, problems (if not NULL) holds every problem found, one a line:
 * "config.yaml:12:5: unknown key 'chunk_sise' in global.chunking (did you mean 'chunk_size'?)".
 */
ql_status ql__config_load(const ql__config_options *options, ql__config_set **out, ql_buf *problems, ql_error *err);
const ql__config *ql__config_get(const ql__config_set *self);
void ql__config_free(ql__config_set *self);
/* The effective configuration with secrets masked. */
ql_status ql__config_write_json(const ql__config_set *self, ql_buf *out, ql_error *err);
ql_status ql__config_write_yaml(const ql__config_set *self, ql_buf *out, ql_error *err);

#endif
