/*
 * qloader/ingest.h - bringing the index up to date with its sources.
 *
 * ql_ingest() lists every configured source, reads what is new or changed, and replaces, adds and removes whole
 * documents. Nothing is deleted unless the listing of its source was complete. It can be stopped at any moment (a callback that
 * returns non-zero, kill -9, power loss); the next run goes on from what was committed and ends with the same index.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static int on_event(void *user, const ql_ingest_event *event) {
 *         (void)user;
 *         printf("%d %.*s\n", event->action, (int)event->url.len, event->url.ptr);
 *         return 0; // anything else stops the ingest
 *     }
 *     int main(int argc, char **argv) {
 *         ql_runtime *runtime = NULL;
 *         ql_workspace *workspace = NULL;
 *         ql_error err = {0};
 *         ql_workspace_options where = QL_WORKSPACE_OPTIONS_INIT;
 *         ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
 *         ql_ingest_report report = QL_INGEST_REPORT_INIT;
 *         where.dir = argc > 1 ? argv[1] : ".";
 *         options.event_fn = on_event;
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_workspace_open(runtime, &where, &workspace, NULL, &err) < 0 ||
 *             ql_ingest(workspace, &options, &report, &err) < 0)
 *             fprintf(stderr, "%s\n", err.message);
 *         printf("%llu added\n", (unsigned long long)report.added);
 *         ql_workspace_free(workspace);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_INGEST_H
#define QLOADER_INGEST_H

#include <qloader/source.h>
#include <qloader/workspace.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_ingest_phase {
    QL_INGEST_LISTING = 1,
    QL_INGEST_WORKING = 2,
    QL_INGEST_SOURCE_DONE = 3
} ql_ingest_phase;

/** Where an ingest stands; totals are of the current source until SOURCE_DONE. */
typedef struct ql_ingest_progress {
    uint32_t struct_size;
    int32_t phase;            /**< ql_ingest_phase */
    ql_str project, source_type, source; /**< the current one */
    uint64_t listed;          /**< items seen so far */
    uint64_t documents_total; /**< to be worked on, known once listing ended */
    uint64_t documents_done;  /**< of these, committed, failed or found unchanged */
    uint64_t chunks_done, tokens_done; /**< embedded, also of documents that are not done */
    uint64_t bytes_done;
    uint64_t elapsed_ms;      /**< since this source began */
    uint64_t work_elapsed_ms; /**< since its listing ended */
} ql_ingest_progress;

typedef enum ql_ingest_action {
    QL_INGEST_ADD = 1,
    QL_INGEST_CHANGE = 2,     /**< in a dry run: may have changed, will be read and compared */
    QL_INGEST_DELETE = 3,
    QL_INGEST_SKIP = 4,       /**< left out on purpose; message says why */
    QL_INGEST_FAIL = 5,       /**< could not be read or stored; the index keeps what it had */
    QL_INGEST_WARN = 6,       /**< indexed, but the message names something the user should know */
    QL_INGEST_SOURCE_FAIL = 7 /**< a whole source failed; nothing of it is deleted */
} ql_ingest_action;

/** What happened, or in a dry run would happen, to one document. Views are borrowed for the call. */
typedef struct ql_ingest_event {
    uint32_t struct_size;
    int32_t action;           /**< ql_ingest_action */
    ql_status status;         /**< of a failure, else QL_OK */
    uint32_t reserved;
    ql_str project, source_type, source;
    ql_str url;               /**< empty: it is about the whole source */
    ql_str message;           /**< empty when there is nothing to say */
} ql_ingest_event;

typedef struct ql_ingest_options {
    uint32_t struct_size;
    uint32_t force;           /**< non-zero: read and embed everything again */
    uint32_t dry_run;         /**< non-zero: list and compare only; events tell what would be done */
    uint32_t prune;           /**< non-zero: delete documents of sources that are not in the configuration any more; without it they are
                                   warned of. QL_E_INVALID with a project, source_type or source; documents of
                                   an application's own types (ql_ingest_source) are left alone */
    ql_str project;           /**< empty: all */
    ql_str source_type;       /**< empty: all; case does not matter */
    ql_str source;            /**< empty: all */
    int (*progress_fn)(void *user, const ql_ingest_progress *progress); /**< in the calling thread, about 10 times a second; non-zero stops: QL_E_CANCELLED */
    int (*event_fn)(void *user, const ql_ingest_event *event);          /**< one call at a time, on any thread of the ingest; non-zero stops */
    void *user;
    uint64_t memory_max;      /**< bytes that this process shall not exceed while it ingests, what is mapped from files not counted; 0: no limit. Documents
                                   are admitted by what reading them is known to take: one that would take more than is left fails with QL_E_LIMIT,
                                   one that embedding finds no room for with QL_E_NOMEM, a source whose list takes too much with QL_E_LIMIT, and the
                                   run goes on. Want of memory is handled everywhere, so a program may set RLIMIT_DATA as well, which
                                   binds for any file, also hostile ones */
    uint64_t reserved[3];
} ql_ingest_options;

#define QL_INGEST_OPTIONS_INIT {sizeof(ql_ingest_options), 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL, NULL, NULL, 0, {0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_ingest_options_init(ql_ingest_options *options)
{
    const ql_ingest_options defaults = QL_INGEST_OPTIONS_INIT;
    *options = defaults;
}

/** What an ingest did. Set struct_size (QL_INGEST_REPORT_INIT) before the call; the library fills as much as the caller knows. */
typedef struct ql_ingest_report {
    uint32_t struct_size;
    uint32_t sources;          /**< visited */
    uint32_t sources_failed;
    uint32_t reserved;
    uint64_t listed, unchanged, added, changed, deleted, skipped, failed, warnings;
    uint64_t chunks, tokens, bytes; /**< written, embedded, read in this run */
    uint64_t elapsed_ms;
} ql_ingest_report;

#define QL_INGEST_REPORT_INIT {sizeof(ql_ingest_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_ingest_report_init(ql_ingest_report *report)
{
    const ql_ingest_report defaults = QL_INGEST_REPORT_INIT;
    *report = defaults;
}

/**
 * Brings the index up to date with the configured sources that match the options.
 *
 * @param options  NULL: everything.
 * @param report   optional; written also when the call fails, with what was done so far.
 * Errors:  QL_E_PARTIAL (finished, but documents or sources failed: see events), QL_E_CANCELLED, QL_E_NOTFOUND (no such project or
 *          source), QL_E_UNSUPPORTED (store or embedder not in this build; a source type that is not is told as a failed source), QL_E_BUSY (another ingest), QL_E_NOSPACE.
 * Threads: one ingest at a time on an index, across processes; searches go on meanwhile.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_ingest(ql_workspace *workspace, const ql_ingest_options *options,
                                       ql_ingest_report *report, ql_error *err);

/**
 * The same for one source that the application brings: everything the source lists becomes the content of (project, type, name).
 * `ops` and `self` are borrowed for the call; close_fn and open_fn are not called. Filters in `options` are ignored.
 *
 * @param project  1 to 256 bytes of UTF-8 without control characters; so is `source`, its name.
 * @param ops      ops->type is 1 to 64 of a-z, 0-9, '-', '_', '.', and none of the library's own types.
 * Errors:  as ql_ingest(), and QL_E_INVALID (a name or type as above, an item of the listing that is not sound: nothing is deleted then). A document that is not
 *          sound is one that failed: QL_E_PARTIAL. What list_fn fails with is passed on.
 * Since: 0.1
 */
QL_API QL_MUST_USE ql_status ql_ingest_source(ql_workspace *workspace, ql_str project, ql_str source,
                                              const ql_source_ops *ops, void *self, const ql_ingest_options *options,
                                              ql_ingest_report *report, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
