/*
 * The capture.qprof of a profiled run. What an earlier run left in its folder stays until the new run is certain to begin: until then the capture grows
 * beside it. The place is locked from the opening to the end, so that two runs do not share a folder.
 */
#ifndef CLI_CAPTURE_FILE_H
#define CLI_CAPTURE_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <qloader.h>

#define CAPTURE_FILE_NAME "capture.qprof"

typedef struct capture_file {
    const char *folder;  /* borrowed */
    ql_buf path, part;   /* where it shall be, and where it grows until then */
    int lock_fd, fd;     /* of `path` and of `part` */
    size_t made_from;    /* length of the first folder of `folder` that was made; 0: all were there */
    bool made;           /* `path` was not there */
    bool kept;           /* `part` became `path` */
    atomic_int os_code;  /* of the first write that failed */
} capture_file;

/* Makes the folder if need be. QL_E_BUSY: another run writes there; QL_E_IO, QL_E_NOSPACE, QL_E_NOMEM. On failure nothing is left to close. */
ql_status capture_file_open(capture_file *self, const char *folder, ql_error *err);
/* A ql_prof_write_fn; user is the capture_file. */
int capture_file_write(void *user, const void *bytes, size_t size);
/* What could not be written. QL_OK: nothing. */
ql_status capture_file_status(const capture_file *self, ql_error *err);
/* From here on it is what stands at the place. A capture that could not be written replaces nothing. */
ql_status capture_file_keep(capture_file *self, ql_error *err);
/* What was not kept is removed, with the folders that were made for it. */
void capture_file_close(capture_file *self);

#endif
