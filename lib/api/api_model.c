/* The public face of lib/embed/model_file.h. */
#include "base/status.h"
#include "embed/model_file.h"
#include <qloader/model.h>

const char *ql_model_default(void)
{
    return QL__MODEL_DEFAULT;
}

ql_status ql_model_user_dir(ql_buf *out, ql_error *err)
{
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    ql_buf dir = QL_BUF_INIT;
    ql_status status = ql__model_user_dir(&dir, err);
    if (status >= 0 && ql_buf_append(out, ql_buf_str(&dir)) < 0) status = ql__fail(err, out->status, "the folder's name does not fit");
    ql_buf_dispose(&dir);
    return status;
}

ql_status ql_model_list_json(const char *workspace_dir, ql_buf *out, ql_error *err)
{
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    return ql__model_list_json(ql__sys_default(), workspace_dir, out, err);
}

ql_status ql_model_info_json(const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err)
{
    if (out == NULL) return ql__fail(err, QL_E_INVALID, "out is NULL");
    return ql__model_info_json(ql__sys_default(), workspace_dir, name, out, err);
}

ql_status ql_model_verify(const char *workspace_dir, ql_str name, ql_error *err)
{
    ql_buf dir = QL_BUF_INIT;
    ql_status status = ql__model_find(ql__sys_default(), workspace_dir, name, &dir, err);
    if (status >= 0) status = ql__model_verify(ql__sys_default(), ql_buf_cstr(&dir), name, err);
    ql_buf_dispose(&dir);
    return status;
}

ql_status ql_model_pull(ql_str name, const char *from, const char *to_dir, ql_model_progress_fn progress, void *user, ql_error *err)
{
    if (name.len == 0) return ql__fail(err, QL_E_INVALID, "name is empty");
    return ql__model_pull(ql__sys_default(), name, from, to_dir, progress, user, err);
}
