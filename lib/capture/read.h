/*
 * Reading capture.qprof (lib/prof/qprof.h) into a profile. What the file says is anybody's: chunks have a checksum, every size, count and id is checked,
 * what cannot be right is left out and noted. A file that ends early (a crash, a copy that was cut) or is damaged gives what is whole.
 */
#ifndef QL_READ_H
#define QL_READ_H

#include "capture/profile.h"
#include "sys/file.h"

/* Where the bytes come from: fills buf with exactly size bytes from offset. */
typedef ql_status (*ql__read_at_fn)(void *user, uint64_t offset, void *buf, size_t size, ql_error *err);

typedef struct ql__read_options {
    bool symbols;        /* look addresses up in the files of the capture, where those are still the same; else functions are called by their module */
    bool names_alone;    /* without lines and inlined functions, and so without libdw, which ends the process where memory runs out */
} ql__read_options;

/*
 * QL_E_NOTFOUND, QL_E_IO; QL_E_FORMAT: not such a file; QL_E_CORRUPT: not one whole chunk; QL_E_UNSUPPORTED: of a later version; QL_E_LIMIT: more than a
 * profile may hold; QL_E_NOMEM. What was left out is in the profile's notes.
 */
ql_status ql__capture_read(const ql__sys *sys, const char *path, const ql__read_options *options, ql__profile **out, ql_error *err);
/* The same from `size` bytes behind a function. */
ql_status ql__capture_read_from(const ql__sys *sys, ql__read_at_fn read_fn, void *user, uint64_t size, const ql__read_options *options, ql__profile **out,
                                ql_error *err);

#endif
