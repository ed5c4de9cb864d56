/*
 * qloader/workspace.h - a configuration and the index that belongs to it.
 *
 * A workspace is a folder with config.yaml, optionally .env, and data/ with the index. Open one on a runtime, then
 * ingest (ingest.h) and search (search.h). A program that brings its own documents needs no config.yaml: it opens a workspace with
 * `data_dir` alone and hands its sources to ql_ingest_source().
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(int argc, char **argv) {
 *         ql_runtime *runtime = NULL;
 *         ql_workspace *workspace = NULL;
 *         ql_error err = {0};
 *         ql_buf problems = QL_BUF_INIT, json = QL_BUF_INIT;
 *         ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
 *         options.dir = argc > 1 ? argv[1] : ".";
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_workspace_open(runtime, &options, &workspace, &problems, &err) < 0 ||
 *             ql_workspace_projects_json(workspace, QL_STR(""), QL_PROJECTS_CHECK, &json, &err) < 0)
 *             fprintf(stderr, "%s%s\n", ql_buf_cstr(&problems), err.message);
 *         puts(ql_buf_cstr(&json));
 *         ql_buf_dispose(&json);
 *         ql_buf_dispose(&problems);
 *         ql_workspace_free(workspace);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_WORKSPACE_H
#define QLOADER_WORKSPACE_H

#include <qloader/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open workspace. Searches may run on many threads at once, also while one thread ingests. */
typedef struct ql_workspace ql_workspace;

typedef struct ql_workspace_options {
    uint32_t struct_size;
    uint32_t lenient;         /**< non-zero: unknown keys in the configuration are warnings */
    const char *dir;          /**< workspace folder: <dir>/config.yaml, .env, data/; excludes config_path */
    const char *config_path;  /**< a configuration outside a workspace; data/ lies beside it */
    const char *env_path;     /**< a .env file; NULL: the workspace's, or beside the configuration */
    const char *data_dir;     /**< where the index lives; NULL: <dir>/data. Given alone: no configuration at all */
    const char *model_dir;    /**< folder of the embedding model; NULL: found by name */
    const char *precision;    /**< "auto" (NULL), "fp32", "bf16" or "int8" (the fastest; QL_E_UNSUPPORTED without AVX-512 VNNI): arithmetic of the local model */
    const char *embedder;     /**< name of one that was registered (embed.h); NULL: what the configuration says, else the local model */
    const char *store;        /**< name of one that was registered (store.h); NULL: what the configuration says, else the embedded store */
    uint64_t reserved[4];
} ql_workspace_options;

#define QL_WORKSPACE_OPTIONS_INIT {sizeof(ql_workspace_options), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {0, 0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_workspace_options_init(ql_workspace_options *options)
{
    const ql_workspace_options defaults = QL_WORKSPACE_OPTIONS_INIT;
    *options = defaults;
}

/**
 * Opens a workspace: reads and validates the configuration. Touches neither index nor model.
 *
 * @param runtime   outlives the workspace.
 * @param options   NULL: the current folder.
 * @param problems  optional; on QL_E_CONFIG every problem of the configuration, one a line, as file:line:column: sentence.
 * Errors:  QL_E_CONFIG, QL_E_NOTFOUND (no folder, no config.yaml, no such embedder or store), QL_E_INVALID.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_workspace_open(ql_runtime *runtime, const ql_workspace_options *options,
                                               ql_workspace **out, ql_buf *problems, ql_error *err);
/** Closes a workspace; NULL is fine. No call on it may be running. */
QL_API void ql_workspace_free(ql_workspace *self);

/**
 * Makes the index if there is none; with `force` drops every document first, also those of an index that is damaged or was made for
 * another model. Errors: QL_E_BUSY (another writer), QL_E_IO, QL_E_NOSPACE, QL_E_UNSUPPORTED; without force QL_E_MISMATCH, QL_E_CORRUPT.
 * Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_workspace_init(ql_workspace *self, int force, ql_error *err);

/** Appends the effective configuration, secrets masked; `format` is "json" or "yaml". Since 0.1. */
QL_API QL_MUST_USE ql_status ql_workspace_config(const ql_workspace *self, const char *format, ql_buf *out, ql_error *err);

/** What ql_workspace_projects_json() tells besides the configuration; bits. */
enum {
    QL_PROJECTS_STATUS = 1, /**< document_count, chunk_count, latest_ingestion of each project, read from the index */
    QL_PROJECTS_CHECK = 2,  /**< ready of each source: whether its folder, or its local repository and branch, can be opened. Nothing is asked over the
                                 network. QL_E_UNSUPPORTED: the store or embedder of the configuration is not in this build */
    QL_PROJECTS_REACH = 4   /**< reachable of each source that lies elsewhere, asked over the network, one after the other: whether a git
                                 repository answers, accepts the token and has the branch (30 s for a connection, 60 s of silence), or a web
                                 server answers at all (10 s each). reach_reason says why not. Sources of the application are not asked */
};
/**
 * Appends a JSON array, an object per project: project_id, display_name, description, collection_name, source_count, sources
 * [{source_type, source, base_url, supported, reason}] and what the bits in `parts` ask for. reason is there when supported or ready is false.
 * `project` empty: all; QL_E_NOTFOUND when there is no such project. Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_workspace_projects_json(ql_workspace *self, ql_str project, uint32_t parts, ql_buf *out, ql_error *err);

/** What ql_workspace_check_json() looks at; bits. */
enum {
    QL_CHECK_MODEL = 1,      /**< opens the embedding model */
    QL_CHECK_INDEX = 2,      /**< opens the index; with QL_CHECK_MODEL also whether it was made with that model */
    QL_CHECK_INDEX_WHOLE = 4 /**< reads all of the index and compares every page, vector and posting with its checksum */
};
/**
 * Finds out whether this workspace could search and ingest, and appends a JSON object that says so part by part.
 *
 * supported {ready, reason when not}: whether this build has the store and the embedder that the configuration chooses; and, each when asked for and
 * supported: model {ready, name, dims}, index {there, ready, whole (true or null: not read), documents, chunks, dims, model, collection}. Where
 * ready is false there are kind (the text of ql_status_name()) and reason; facts that are not known are null. An index that is not there yet is not ready.
 *
 * @param self   not NULL. Nothing in it is changed.
 * @param parts  bits of QL_CHECK_; QL_CHECK_INDEX_WHOLE includes QL_CHECK_INDEX.
 * Cost:    opening maps the model; QL_CHECK_INDEX_WHOLE reads the index once (some 10 s for 100,000 chunks).
 * Errors:  QL_E_INVALID, QL_E_NOMEM. What is wrong with the workspace is told in the object, not an error.
 * Threads: safe; beside searches and an ingest too.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_workspace_check_json(ql_workspace *self, uint32_t parts, ql_buf *out, ql_error *err);

/** Appends a JSON object: which store and embedder, why, where, documents, chunks, dims, model, bytes. Since 0.1. */
QL_API QL_MUST_USE ql_status ql_workspace_info_json(ql_workspace *self, ql_buf *out, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
