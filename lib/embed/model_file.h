/* Models: where they are looked for, and bringing one here. */
#ifndef QL_MODEL_FILE_H
#define QL_MODEL_FILE_H

#include "sys/file.h"
#include <qloader/base.h>

#define QL__MODEL_DEFAULT "all-MiniLM-L6-v2"

/*
 * Looks at $QLOADER_MODEL_DIR (the model's folder itself or one that holds it), <workspace>/models, the user's data folder, the system's;
 * *out is the folder. QL_E_NOTFOUND names the places. workspace_dir may be NULL; an empty name is the default's.
 */
/* QL_E_CORRUPT: the folder has the name of a known model, but a file is missing or of another size than the pinned one. */
ql_status ql__model_check(const ql__sys *sys, const char *dir, ql_str name, ql_error *err);
ql_status ql__model_find(const ql__sys *sys, const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err);
/*
 * Copies a model from a folder, a file, a wheel/zip or a URL into the user's (or given) folder, hashes checked, atomic: an interrupted pull
 * leaves what was there before. from NULL: the address known for the name. progress may be NULL; non-zero stops, QL_E_CANCELLED.
 * A model that is there and whole is left alone unless `from` is given.
 */
typedef int (*ql__model_progress_fn)(void *user, ql_str file, uint64_t done_bytes, uint64_t total_bytes);
ql_status ql__model_pull(const ql__sys *sys, ql_str name, const char *from, const char *to_dir,
                         ql__model_progress_fn progress, void *user, ql_error *err);
/* The folder that receives models when nobody says otherwise: $XDG_DATA_HOME/qloader/models or ~/.local/share/qloader/models. */
ql_status ql__model_user_dir(ql_buf *out, ql_error *err);
/* Every known or found model as a JSON array (name, path or null, dims, size_bytes, sha256, pinned). */
ql_status ql__model_list_json(const ql__sys *sys, const char *workspace_dir, ql_buf *out, ql_error *err);
/* Facts of one model as a JSON object. */
ql_status ql__model_info_json(const ql__sys *sys, const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err);
/* Hashes every file in the model's folder against the pinned ones; QL_E_CORRUPT names the first file that differs, QL_E_UNSUPPORTED: none are known. */
ql_status ql__model_verify(const ql__sys *sys, const char *dir, ql_str name, ql_error *err);

#endif
