/* The page of a live view (prof/live_page.h) as JSON. What the bytes say is anybody's: every count and text is bounded. */
#ifndef QL_LIVE_READ_H
#define QL_LIVE_READ_H

#include "prof/live_page.h"
#include "sys/file.h"

typedef struct ql__live_reading {
    uint64_t now_ns;   /* the reader's clock */
    char state;        /* of the process, the kernel's letter; 0: not known */
    bool symbols;      /* open the files that the page names */
} ql__live_reading;

/*
 * bytes: of a whole page. Replaces out's content. QL_E_CORRUPT: not such a page; QL_E_UNSUPPORTED: of another version; QL_E_NOMEM.
 */
ql_status ql__live_page_json(const ql__sys *sys, ql_str bytes, const ql__live_reading *reading, ql_buf *out, ql_error *err);
/* rows: ql__live_task, one behind the other. Replaces out's content. QL_E_CORRUPT: no whole rows; QL_E_NOMEM. */
ql_status ql__live_tasks_json(ql_str rows, uint64_t now_ns, ql_buf *out, ql_error *err);
/* Reads a page from its file, whole: QL_E_TIMEOUT where its writer died in the middle. page: filled. */
ql_status ql__live_page_read(const ql__sys *sys, const char *path, ql__live_page *page, ql_error *err);

#endif
