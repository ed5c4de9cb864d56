/* Models: where they are looked for, and bringing one here. */
#ifndef QL_MODEL_FILE_H
#define QL_MODEL_FILE_H

#include "sys/file.h"
#include <qloader/base.h>

#define QL__MODEL_DEFAULT "all-MiniLM-L6-v2"

/* Looks in $QLOADER_MODEL_DIR, <workspace>/models, the user's data folder, the system's; *out is the folder. QL_E_NOTFOUND names the places. */
ql_status ql__model_find(const ql__sys *sys, const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err);
/* Copies a model from a folder, a file, a wheel/zip or a URL into the user's (or given) folder, hashes checked, atomic. progress may be NULL; non-zero stops. */
typedef int (*ql__model_progress_fn)(void *user, ql_str file, uint64_t done_bytes, uint64_t total_bytes);
ql_status ql__model_pull(const ql__sys *sys, ql_str name, const char *from, const char *to_dir,
                         ql__model_progress_fn progress, void *user, ql_error *err);
/* Every known or found model as a JSON array (name, folder or null, dims, bytes, sha256). */
ql_status ql__model_list_json(const ql__sys *sys, const char *workspace_dir, ql_buf *out, ql_error *err);
/* Facts of one model as a JSON object. */
ql_status ql__model_info_json(const ql__sys *sys, const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err);
/* Hashes every file against the pinned ones; QL_E_CORRUPT names the first file that differs. */
ql_status ql__model_verify(const ql__sys *sys, const char *dir, ql_str name, ql_error *err);

#endif
