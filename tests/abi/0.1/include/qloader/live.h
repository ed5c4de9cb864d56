/*
 * qloader/live.h - looking into a running process: a page of figures, and a socket to ask for more.
 *
 * A process that calls ql_live_start() shows itself to its own user (and to root): the file PID.stats, written twice a second, and the socket PID.sock, in a
 * folder that is the user's alone ($XDG_RUNTIME_DIR/qloader, else /run/user/UID/qloader, else /tmp/qloader-UID). No debugger's rights are needed, on
 * either side, and the process answers while its own threads are stuck: a thread of the view serves it, which takes no lock that other code holds. Nothing is
 * sampled until somebody asks, and then only for as long as was asked. 'qloader top', 'record', 'dump' and 'monitor' are made of the functions below.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     #include <unistd.h>
 *     int main(void) {
 *         ql_live *live = NULL;
 *         ql_buf json = QL_BUF_INIT;
 *         ql_error err = {0};
 *         ql_status status = ql_live_start(NULL, &live, &err);
 *         if (status >= 0) status = ql_live_ask(getpid(), NULL, ql_str_of("sample 99 1000"), NULL, NULL, &err);
 *         if (status >= 0) status = ql_live_stats_json(getpid(), NULL, &json, &err);
 *         puts(status >= 0 ? ql_buf_cstr(&json) : err.message);
 *         ql_buf_dispose(&json);
 *         ql_live_free(live);
 *         return status < 0;
 *     }
 */
#ifndef QLOADER_LIVE_H
#define QLOADER_LIVE_H

#include <qloader/prof.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A live view of this process. One a process. */
typedef struct ql_live ql_live;

typedef struct ql_live_options {
    uint32_t struct_size;
    uint32_t reserved0;
    const char *folder;             /**< instead of the user's; made with mode 0700 if need be; at most 80 bytes. NULL: the user's */
    void (*cancel_fn)(void *user);  /**< somebody asks the process to stop what it does; on a thread of the view, must not block. NULL: cannot be asked */
    void *user;
    uint64_t reserved[4];
} ql_live_options;

#ifdef __cplusplus
#define QL_LIVE_OPTIONS_INIT (ql_live_options{sizeof(ql_live_options), 0, NULL, NULL, NULL, {0, 0, 0, 0}})
#else
#define QL_LIVE_OPTIONS_INIT {sizeof(ql_live_options), 0, NULL, NULL, NULL, {0, 0, 0, 0}}
#endif
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_live_options_init(ql_live_options *options)
{
    const ql_live_options defaults = QL_LIVE_OPTIONS_INIT;
    *options = defaults;
}

/**
 * Makes this process show itself, until ql_live_free().
 *
 * Costs some 40 short reads of /proc, twice a second. Captures that others ask for are captures as ql_prof_start() makes them: while one runs the program's
 * own cannot start, and the other way round.
 *
 * @param options  NULL for the defaults.
 * @param out      out: free it with ql_live_free() before the process ends, which takes the files away; those of a process that was killed are taken away by
 *                 the next one that starts.
 * Errors:  QL_E_BUSY (this process has one), QL_E_AUTH (the folder is not the user's alone), QL_E_LIMIT (its name is too long), QL_E_IO, QL_E_INVALID, QL_E_NOMEM.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_live_start(const ql_live_options *options, ql_live **out, ql_error *err);
/** Ends the view and whatever it captures; NULL is fine. In a child of fork() only the memory is given back. Since 0.1. */
QL_API void ql_live_free(ql_live *self);

/**
 * Reads the page of a process and gives names to its functions.
 *
 * @param pid     which process.
 * @param folder  where it shows itself; NULL: the folder of its user.
 * @param out     replaced by a JSON object, described by docs/schema/top.schema.json.
 * Errors:  QL_E_NOTFOUND (no such process, it has ended, or it shows nothing), QL_E_UNSUPPORTED (of another version), QL_E_CORRUPT (the page is damaged),
 *          QL_E_AUTH (another user's), QL_E_IO, QL_E_INVALID, QL_E_NOMEM.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_live_stats_json(int64_t pid, const char *folder, ql_buf *out, ql_error *err);

/**
 * Asks a process for the tasks that are there now (qloader/prof.h): those that began since it shows itself, at most 16384; of an ingest, its documents.
 *
 * @param out     replaced by a JSON object, described by docs/schema/monitor.schema.json under "tasks".
 * Errors:  as ql_live_ask().
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_live_tasks_json(int64_t pid, const char *folder, ql_buf *out, ql_error *err);

/**
 * Asks a process for something and waits for the answer.
 *
 * - "sample HZ MS": samples HZ times a second (1 to 1000; 0: no more) for MS milliseconds (at most 60000) or until asked again; shown by its page.
 * - "record HZ KIND MS": a capture of KIND cpu or wall, for MS milliseconds (at most a day; 0: until it ends), handed to write_fn as it comes. Sampling pauses.
 * - "cancel": asks it to stop what it does, as SIGTERM asks a program. The answer does not wait for the end.
 *
 * @param write_fn  called in this thread, in order, and with size 0 while nothing comes, some five times a second; non-zero ends the recording in order, which
 *                  is no failure. NULL: what comes is dropped.
 * Errors:  as ql_live_stats_json(), and QL_E_TIMEOUT (it does not answer within 5 s: stopped by SIGSTOP, for one), QL_E_BUSY (a capture runs already, SIGPROF has
 *          another owner, or too many ask), QL_E_INVALID (the request), QL_E_UNSUPPORTED (it cannot be asked that), QL_E_PARTIAL (it ended while it was recorded;
 *          what was handed over is readable).
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_live_ask(int64_t pid, const char *folder, ql_str request, ql_prof_write_fn write_fn, void *user, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
