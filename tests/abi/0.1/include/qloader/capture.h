/*
 * qloader/capture.h - reading a profile that was captured, and writing it as other tools want it.
 *
 * A capture is the file capture.qprof that a profiled run leaves behind: samples of time and memory, spans, tasks, counters. It is opened
 * here, on the machine it was made on or another, its addresses become functions and lines (from the program's own files, where those are
 * still the same build), and it is written in a format: for pprof, pstats and snakeviz, speedscope, flame graphs, Chrome's trace viewer, as a
 * page for a browser, a table or a report. The output goes to a function of the caller, piece by piece.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static int to_file(void *user, const void *data, size_t size) {
 *         return fwrite(data, 1, size, user) == size ? 0 : -1;
 *     }
 *     int main(int argc, char **argv) {
 *         ql_capture *capture = NULL;
 *         ql_error err = {0};
 *         ql_capture_view view = QL_CAPTURE_VIEW_INIT;
 *         view.kind = QL_CAPTURE_CPU;
 *         if (ql_capture_open(argc > 1 ? argv[1] : "capture.qprof", 0, &capture, &err) < 0 ||
 *             ql_capture_write(capture, QL_CAPTURE_COLLAPSED, &view, to_file, stdout, &err) < 0)
 *             fprintf(stderr, "%s\n", err.message);
 *         ql_capture_free(capture);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_CAPTURE_H
#define QLOADER_CAPTURE_H

#include <qloader/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_capture ql_capture;

/** What a capture can be written as. */
typedef enum ql_capture_format {
    QL_CAPTURE_PPROF = 1,       /**< profile.proto, gzip (*.pb.gz): go tool pprof */
    QL_CAPTURE_PSTATS = 2,      /**< Python's marshal (profile.out): pstats, snakeviz; times only */
    QL_CAPTURE_SPEEDSCOPE = 3,  /**< speedscope's JSON */
    QL_CAPTURE_COLLAPSED = 4,   /**< "root;caller;callee value" a line */
    QL_CAPTURE_FLAME_SVG = 5,   /**< a flame graph with zoom and search; of two captures their difference */
    QL_CAPTURE_TRACE = 6,       /**< Chrome's trace events, JSON */
    QL_CAPTURE_MPROF = 7,       /**< memory over time for mprof plot (mprofile_*.dat) */
    QL_CAPTURE_MEMORY_PNG = 8,  /**< memory over time with stages and peak */
    QL_CAPTURE_MEMORY_SVG = 9,  /**< the same as SVG */
    QL_CAPTURE_JSON = 10,       /**< everything, in columns, for viewers */
    QL_CAPTURE_TOP_JSON = 11,   /**< the table of functions; of two captures what changed */
    QL_CAPTURE_HEAP_JSON = 12,  /**< places that allocate */
    QL_CAPTURE_REPORT_MD = 13,  /**< what takes time and memory, and what to do about it: Markdown */
    QL_CAPTURE_REPORT_JSON = 14, /**< the same as JSON */
    QL_CAPTURE_HTML = 15        /**< all of it as one page for a browser, which loads nothing else; of two captures also what changed */
} ql_capture_format;

typedef enum ql_capture_kind {
    QL_CAPTURE_AUTO = 0,       /**< processor time, or what there is */
    QL_CAPTURE_CPU = 1,        /**< processor time */
    QL_CAPTURE_WALL = 2,       /**< time that passed, waiting included */
    QL_CAPTURE_CONTENTION = 3, /**< waiting for locks, queues, pools */
    QL_CAPTURE_HEAP = 4        /**< memory of the heap */
} ql_capture_kind;

typedef enum ql_capture_sort {
    QL_CAPTURE_BY_CUMULATIVE = 0, /**< time in the function and what it calls */
    QL_CAPTURE_BY_SELF = 1,
    QL_CAPTURE_BY_CALLS = 2       /**< samples that have the function: a sampler sees no calls */
} ql_capture_sort;

typedef enum ql_capture_group {
    QL_CAPTURE_GROUP_FUNCTION = 0, /**< of the heap: line */
    QL_CAPTURE_GROUP_LINE = 1,
    QL_CAPTURE_GROUP_FILE = 2,
    QL_CAPTURE_GROUP_MODULE = 3,   /**< not of the heap */
    QL_CAPTURE_GROUP_STACK = 4     /**< of the heap only */
} ql_capture_group;

typedef enum ql_capture_memory {
    QL_CAPTURE_INUSE = 0,
    QL_CAPTURE_ALLOC = 1, /**< all that was allocated */
    QL_CAPTURE_PEAK = 2,  /**< in use when most was */
    QL_CAPTURE_LEAK = 3   /**< not freed, and older than the last tenth of the run */
} ql_capture_memory;

/** Which part of a capture is written, and how. A format takes what concerns it. */
typedef struct ql_capture_view {
    uint32_t struct_size;
    int32_t kind;    /**< ql_capture_kind */
    int32_t sort;    /**< ql_capture_sort */
    int32_t group;   /**< ql_capture_group */
    int32_t memory;  /**< ql_capture_memory */
    uint32_t limit;  /**< rows of a table, 0: all */
    uint64_t reserved[4];
} ql_capture_view;

#define QL_CAPTURE_VIEW_INIT {sizeof(ql_capture_view), 0, 0, 0, 0, 0, {0, 0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_capture_view_init(ql_capture_view *view)
{
    const ql_capture_view defaults = QL_CAPTURE_VIEW_INIT;
    *view = defaults;
}

/** Flag of ql_capture_open(): functions keep no names; no other file than the capture is opened. */
#define QL_CAPTURE_NO_SYMBOLS 1u

/** Takes `size` bytes of an output; other than 0 stops it. */
typedef int (*ql_capture_write_fn)(void *user, const void *data, size_t size);

/**
 * Reads a capture. Its file is not kept open.
 *
 * Whatever the file holds, it is read safely: what cannot be right is left out, a file that ends early or has a damaged piece gives what is whole,
 * and the tables and the report say what is missing. Names come from the files that the capture names, those of another build left aside; lines need elfutils' libdw,
 * which ends the process where memory runs out: a program that must not end opens with QL_CAPTURE_NO_SYMBOLS, or in a process of its own.
 *
 * @param path   the file, NUL-terminated.
 * @param flags  QL_CAPTURE_NO_SYMBOLS or 0.
 * @param out    out: free it with ql_capture_free().
 * Errors:  QL_E_NOTFOUND, QL_E_IO, QL_E_FORMAT (no capture), QL_E_CORRUPT (nothing of it is whole), QL_E_UNSUPPORTED (made by a later version), QL_E_LIMIT (larger than
 *          8 GiB, or more than 32 million samples), QL_E_INVALID, QL_E_NOMEM.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_capture_open(const char *path, uint32_t flags, ql_capture **out, ql_error *err);
/** NULL is fine. Since 0.1. */
QL_API void ql_capture_free(ql_capture *self);

/**
 * Writes a capture in a format.
 *
 * @param format    ql_capture_format.
 * @param view      NULL: the defaults.
 * @param write_fn  called in this thread, in order, with pieces of at most some 100 KiB.
 * Errors:  QL_E_NOTFOUND (the capture has no samples of that kind, no measurements of memory), QL_E_UNSUPPORTED (a library is missing: cairo for pictures of
 *          memory, zlib for pprof and the page), QL_E_INVALID (also heap as pstats), QL_E_CALLBACK (write_fn stopped it; its value is in err), QL_E_NOMEM. What was handed over
 *          before a failure is not the whole output.
 * Threads: safe, several at once of one capture.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_capture_write(const ql_capture *self, int32_t format, const ql_capture_view *view, ql_capture_write_fn write_fn, void *user,
                                              ql_error *err);

/**
 * Writes what changed from `before` to `after`, as QL_CAPTURE_FLAME_SVG (widths are of `after`; red: more of its own, blue: less), QL_CAPTURE_TOP_JSON or
 * QL_CAPTURE_HTML (`after`, and in a view of its own the change).
 * Functions are the same when their names and the base names of their modules are. Parameters, errors and threads as ql_capture_write();
 * QL_E_INVALID for another format. Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_capture_diff(const ql_capture *before, const ql_capture *after, int32_t format, const ql_capture_view *view,
                                             ql_capture_write_fn write_fn, void *user, ql_error *err);

/** A server on loopback that shows a capture. */
typedef struct ql_capture_server ql_capture_server;

/**
 * Serves a capture as the page of QL_CAPTURE_HTML on 127.0.0.1, for a browser on the same machine.
 *
 * The page is made before this returns; the captures are not needed afterwards. One thread, started here, answers GET and HEAD of one address, which holds
 * a random secret: whoever knows it sees the capture, other users of the machine do not. Else as ql_metrics_server_start() says.
 *
 * @param before  a capture that is compared with; NULL: none.
 * @param port    1..65535; 0: one that is free.
 * @param out     out: the server.
 * Errors:  QL_E_INVALID, QL_E_BUSY (the port is taken), QL_E_AUTH (a port for root), QL_E_UNSUPPORTED (libmicrohttpd or zlib is not installed), QL_E_LIMIT (a
 *          page of more than 2 GiB), QL_E_NOMEM, QL_E_IO.
 * Threads: safe.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_capture_server_start(const ql_capture *capture, const ql_capture *before, uint32_t port, ql_capture_server **out, ql_error *err);
/** Where the page is, "http://127.0.0.1:40123/<secret>/"; lives as long as the server. "" for NULL. Since 0.1. */
QL_API const char *ql_capture_server_url(const ql_capture_server *self);
/** Closes every connection, ends the thread and frees; NULL is fine. Since 0.1. */
QL_API void ql_capture_server_stop(ql_capture_server *self);

#ifdef __cplusplus
}
#endif

#endif
