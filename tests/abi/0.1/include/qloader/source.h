/*
 * qloader/source.h - where documents come from.
 *
 * A source lists what is there and fetches one item at a time. The library's own sources (localfile, git) and an
 * application's are tables of the same type. Listing must be complete to be trusted: only after list() returned
 * QL_OK are documents that were not listed deleted from the index.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static ql_status list(void *self, const ql_source_sink *sink, ql_error *err) {
 *         ql_item item = {.struct_size = sizeof item, .url = QL_STR("note:1"), .version = QL_STR("1")};
 *         (void)self, (void)err;
 *         return sink->item_fn(sink->user, &item) != 0 ? QL_E_CALLBACK : QL_OK;
 *     }
 *     static ql_status fetch(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err) {
 *         (void)self, (void)err, (void)token;
 *         *out = (ql_document){sizeof *out, 0, item->url, item->url, QL_STR("md"), QL_STR("# Hello\n"), QL_STR(""), QL_TIME_UNKNOWN, QL_TIME_UNKNOWN, {0}};
 *         return QL_OK;
 *     }
 *     static void release(void *self, void *token) { (void)self, (void)token; }
 *     int main(void) {
 *         static const ql_source_ops ops = {sizeof ops, 0, "notes", list, fetch, release, NULL, NULL};
 *         ql_runtime *runtime = NULL;
 *         ql_workspace *workspace = NULL;
 *         ql_error err = {0};
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_workspace_open(runtime, NULL, &workspace, NULL, &err) < 0 ||
 *             ql_ingest_source(workspace, QL_STR("me"), QL_STR("mine"), &ops, NULL, NULL, NULL, &err) < 0) fprintf(stderr, "%s\n", err.message);
 *         ql_workspace_free(workspace);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_SOURCE_H
#define QLOADER_SOURCE_H

#include <qloader/document.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What list() reports. Return non-zero to stop; list() then returns QL_E_CALLBACK. Views are borrowed for the call. */
typedef struct ql_source_sink {
    uint32_t struct_size;
    uint32_t reserved;
    int (*item_fn)(void *user, const ql_item *item);
    /** Something that is there but is left out, and why ("excluded by 'node_modules/'", "larger than 1048576 bytes"). NULL: not wanted. */
    int (*skipped_fn)(void *user, ql_str url, ql_str reason);
    void *user;
} ql_source_sink;

/** What the configuration says of one source. Views are borrowed for the call. */
typedef struct ql_source_settings {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str project, type, name;
    ql_str json; /**< a JSON object: all that stands under the name, variables inserted; may hold secrets */
} ql_source_settings;

/** A kind of source. `self` is what open_fn made, or what was given to ql_ingest_source(). */
typedef struct ql_source_ops {
    uint32_t struct_size;
    uint32_t reserved;
    const char *type; /**< name in the configuration: "localfile"; for ql_source_register() 1 to 64 of a-z, 0-9, '-', '_', '.' */
    /** Lists everything, in any order. QL_OK only if the listing is complete. */
    ql_status (*list_fn)(void *self, const ql_source_sink *sink, ql_error *err);
    /** Reads one item; may run on several threads at once. *out stays valid until release_fn. QL_E_NOTFOUND: it vanished since. */
    ql_status (*fetch_fn)(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err);
    void (*release_fn)(void *self, void *token);
    void (*close_fn)(void *self); /**< optional */
    /**
     * Opens a source that the configuration names; `user` is that of ql_source_register(). Needed there, not looked at by ql_ingest_source().
     * QL_E_CONFIG: the settings are wrong, err (never NULL) says how. Called when the source is visited, and by QL_PROJECTS_CHECK.
     */
    ql_status (*open_fn)(void *user, const ql_source_settings *settings, void **out_self, ql_error *err);
} ql_source_ops;

typedef struct ql_runtime ql_runtime;
/**
 * Makes a type of sources known to the configurations of every workspace that will be opened on the runtime:
 * `sources: {<type>: {<name>: {...}}}`. ql_ingest() then visits them after the built-in types. `user` is handed to open_fn; there is no call
 * at its end. Errors and threads as ql_converter_register() of convert.h. Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_source_register(ql_runtime *runtime, const ql_source_ops *ops, void *user, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
