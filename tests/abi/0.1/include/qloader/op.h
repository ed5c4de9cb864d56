/*
 * qloader/op.h - long calls for programs with an event loop of their own.
 *
 * ql_ingest() and ql_search() return when they are done. Here they are started and go on in a thread of their own,
 * while the program waits for a descriptor beside its other ones: whenever it is readable, ql_op_poll() calls the waiting callbacks,
 * in the thread that polls, and says whether the operation is over.
 *
 *     #include <poll.h>
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(int argc, char **argv) {
 *         ql_runtime *runtime = NULL;
 *         ql_workspace *workspace = NULL;
 *         ql_op *op = NULL;
 *         ql_error err = {0};
 *         ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
 *         options.dir = argc > 1 ? argv[1] : ".";
 *         ql_status status = ql_runtime_new(NULL, &runtime, &err);
 *         if (status >= 0) status = ql_workspace_open(runtime, &options, &workspace, NULL, &err);
 *         if (status >= 0) status = ql_op_ingest(workspace, NULL, &op, &err);
 *         struct pollfd wait = {.fd = ql_op_fd(op), .events = POLLIN};
 *         while (status == QL_OK && poll(&wait, 1, -1) >= 0) status = ql_op_poll(op, &err);
 *         puts(status == QL_DONE ? "done" : err.message);
 *         ql_op_free(op);
 *         ql_workspace_free(workspace);
 *         ql_runtime_free(runtime);
 *         return status < 0;
 *     }
 */
#ifndef QLOADER_OP_H
#define QLOADER_OP_H

#include <qloader/ingest.h>
#include <qloader/search.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An operation under way or over. Its functions are for one thread at a time, ql_op_cancel() for any. */
typedef struct ql_op ql_op;

/**
 * Starts ql_ingest() in a thread that belongs to the operation.
 *
 * @param options  as for ql_ingest(), copied. Its callbacks are called by ql_op_poll() and ql_op_wait(), in their thread; the ingest waits
 *                 when 256 events were not taken. Of progress only the latest is told.
 * @param out      free it with ql_op_free(); the workspace outlives it.
 * Errors:  QL_E_INVALID (also what the options say wrongly), QL_E_NOMEM, QL_E_IO (no thread or descriptor). What goes wrong in the ingest is told
 *          by ql_op_poll().
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_op_ingest(ql_workspace *workspace, const ql_ingest_options *options, ql_op **out, ql_error *err);
/** Starts ql_search() in a thread that belongs to the operation; query and options are copied. Parameters and errors as ql_op_ingest(). Since 0.1. */
QL_API QL_MUST_USE ql_status ql_op_search(ql_workspace *workspace, ql_str query, const ql_search_options *options, ql_op **out, ql_error *err);

/** A descriptor that is readable while there is something for ql_op_poll(); -1 for NULL. Borrowed; do not read it. */
QL_API int ql_op_fd(const ql_op *self);
/**
 * Calls the callbacks that wait. QL_OK: still running; QL_DONE: over, it succeeded; negative: over, what the blocking call would have
 * returned. Calls at most 256 callbacks and does not wait. A callback that returns non-zero cancels: no other is called, and the end is
 * QL_E_CANCELLED even where the operation itself had ended. Once the end was told it is told again.
 */
QL_API QL_MUST_USE ql_status ql_op_poll(ql_op *self, ql_error *err);
/** As ql_op_poll(), waiting up to `timeout_ms` for the end (-1: for ever), calling callbacks meanwhile. */
QL_API QL_MUST_USE ql_status ql_op_wait(ql_op *self, int timeout_ms, ql_error *err);
/**
 * Asks the operation to stop and returns; no callback is called any more, what an ingest stored stays. Of an operation that has ended it changes
 * nothing. From any thread; NULL is fine.
 */
QL_API void ql_op_cancel(ql_op *self);
/** Cancels, waits for the end and frees; no callback is called any more. Not from a callback of the operation itself. NULL is fine. */
QL_API void ql_op_free(ql_op *self);

/** What an ingest did, once it is over; NULL before, and for a search. Borrowed from the operation. */
QL_API const ql_ingest_report *ql_op_report(const ql_op *self);
/** The results of a search that is over and succeeded, handed over once: free them with ql_results_free(). Else NULL. */
QL_API ql_results *ql_op_results_take(ql_op *self);

#ifdef __cplusplus
}
#endif

#endif
