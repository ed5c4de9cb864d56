/*
 * Which files of a source are documents: include_paths, exclude_paths, file_types and max_file_size of the configuration, applied to the
 * path relative to the source's root, parts separated by '/'. The rules are in docs/compatibility.md; in short:
 *   - patterns are read as the reference reads them (glob.h, loose); two stars as a part also stand for no folder at all;
 *   - "X/", "X" + slash + two stars, the same followed by slash and star: everything below folder X; X may hold wildcards;
 *   - a leading '/' is ignored; "" and "/" as an include pattern: files in the root only;
 *   - a leading "./" asks for the strict reading, which the reference's users cannot have in use, for it matches nothing there.
 */
#ifndef QL_PATH_FILTER_H
#define QL_PATH_FILTER_H

#include "model/config.h"

typedef struct ql__path_filter ql__path_filter;

/* config is borrowed for the filter's life. QL_E_LIMIT: a pattern is too long. */
ql_status ql__path_filter_new(const ql__config_source *config, ql__path_filter **out, ql_error *err);
void ql__path_filter_free(ql__path_filter *self);

/* True: the file is a document. False: reason (cleared first) says why not. Thread-safe; allocates only in reason. */
bool ql__path_filter_admits(const ql__path_filter *self, ql_str path, uint64_t size_bytes, ql_buf *reason);
/* False: nothing below this folder (no trailing '/') can be a document, so it need not be read. */
bool ql__path_filter_enters(const ql__path_filter *self, ql_str folder, ql_buf *reason);

#endif
