/* From a source type to its implementation. */
#include "source/source.h"

#include "base/status.h"

ql_status ql__source_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err)
{
    const ql__config_source *config = options->config;
    switch (config->type) {
    case QL__SOURCE_LOCALFILE:
        return ql__source_localfile_open(options, ops, self, err);
    case QL__SOURCE_GIT:
        return ql__source_git_open(options, ops, self, err);
    default:
        return ql__fail(err, QL_E_UNSUPPORTED, "sources of type %.*s are not in this build", (int)config->type_name.len,
                        config->type_name.ptr);
    }
}
