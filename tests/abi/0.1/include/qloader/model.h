/*
 * qloader/model.h - embedding models on this machine.
 *
 * A model is a folder with config.json, model.safetensors and vocab.txt, found by name in <workspace>/models, the user's and the
 * system's data folder, or named outright by $QLOADER_MODEL_DIR.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(void) {
 *         ql_buf json = QL_BUF_INIT;
 *         ql_error err = {0};
 *         if (ql_model_list_json(NULL, &json, &err) < 0) fprintf(stderr, "%s\n", err.message);
 *         else puts(ql_buf_cstr(&json));
 *         ql_buf_dispose(&json);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_MODEL_H
#define QLOADER_MODEL_H

#include <qloader/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Name of the model that is used when nothing else is said. */
QL_API const char *ql_model_default(void);
/** Appends the folder that receives models when no other is named: the user's. QL_E_NOTFOUND without a home. Since 0.1. */
QL_API QL_MUST_USE ql_status ql_model_user_dir(ql_buf *out, ql_error *err);
/**
 * Appends a JSON array of known and found models: name, path or null, dims, size_bytes, sha256 of the weights, address (where
 * ql_model_pull() gets it when no place is named) or null, pinned (this build knows its hashes), usable (here, readable, and of the
 * pinned sizes; ql_model_verify() reads every byte). `workspace_dir` may be NULL. Since 0.1.
 */
QL_API QL_MUST_USE ql_status ql_model_list_json(const char *workspace_dir, ql_buf *out, ql_error *err);
/** Appends a JSON object of one model's facts. QL_E_NOTFOUND when it is not here. Since 0.1. */
QL_API QL_MUST_USE ql_status ql_model_info_json(const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err);
/** Checks every file of a model against its pinned SHA-256. QL_E_CORRUPT names the file. Since 0.1. */
QL_API QL_MUST_USE ql_status ql_model_verify(const char *workspace_dir, ql_str name, ql_error *err);

/** done and total of the file under way, bytes; total 0 when not known. Non-zero stops: QL_E_CANCELLED. */
typedef int (*ql_model_progress_fn)(void *user, ql_str file, uint64_t done_bytes, uint64_t total_bytes);
/**
 * Brings a model to this machine; checked, then put in place in one step. Where the known address cannot be reached, the message tells
 * what else there is.
 * @param from    a folder, file, wheel or zip, or URL; NULL: the address known for this name.
 * @param to_dir  folder that receives <name>/; NULL: the user's.
 */
QL_API QL_MUST_USE ql_status ql_model_pull(ql_str name, const char *from, const char *to_dir,
                                           ql_model_progress_fn progress, void *user, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
