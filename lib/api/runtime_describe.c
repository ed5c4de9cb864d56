/* What this machine and this installation have, in one JSON object. Looking for a library means opening it. */
#include "api/handles.h"
#include "base/alloc.h"
#include "base/status.h"
#include "convert/convert.h"
#include "dep/archive.h"
#include "dep/http.h"
#include "dep/http_server.h"
#include "dep/json.h"
#include "embed/kernels.h"
#include "embed/linear_dnnl.h"
#include "source/source.h"
#include "sys/machine.h"

#define VERSION_BYTES 24

static void write_number(ql__json_writer *writer, const char *key, uint64_t value)
{
    ql__json_key(writer, key);
    ql__json_uint(writer, value);
}

static void write_machine(ql__json_writer *writer, const ql__sys *sys)
{
    ql__machine machine;
    bool has = false;
    ql__machine_read(sys, &machine);
    ql__json_key(writer, "machine");
    ql__json_object(writer);
    ql__json_member(writer, "architecture", ql_str_of(machine.architecture));
    ql__json_key(writer, "cpu");
    ql__json_cstring(writer, machine.cpu[0] != '\0' ? machine.cpu : NULL);
    write_number(writer, "cores", machine.cores);
    write_number(writer, "cores_usable", machine.cores_usable);
    write_number(writer, "memory_bytes", machine.memory_bytes);
    write_number(writer, "memory_available_bytes", machine.memory_available_bytes);
    ql__json_key(writer, "features");
    ql__json_array(writer);
    for (size_t i = 0; ql__machine_feature(i, &has) != NULL; i++)
        if (has) ql__json_cstring(writer, ql__machine_feature(i, &has));
    ql__json_array_end(writer);
    ql__json_object_end(writer);
}

/* One library or module: what came of opening it. */
static ql_status write_found(ql__json_writer *writer, const char *name, const char *use, bool needed, ql_status status, const char *version, const ql_error *why, ql_error *err)
{
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    ql__json_object(writer);
    ql__json_member(writer, "name", ql_str_of(name));
    ql__json_member(writer, "use", ql_str_of(use));
    ql__json_key(writer, "needed");
    ql__json_bool(writer, needed);
    ql__json_key(writer, "found");
    ql__json_bool(writer, status >= 0);
    ql__json_key(writer, "version");
    ql__json_cstring(writer, status >= 0 && version[0] != '\0' ? version : NULL);
    if (status < 0) ql__json_member(writer, "reason", ql_str_of(why->message));
    ql__json_object_end(writer);
    return QL_OK;
}

static ql_status check_onednn(char version[VERSION_BYTES], ql_error *err)
{
    return ql__linear_check(version, err);
}

static ql_status check_curl(char version[VERSION_BYTES], ql_error *err)
{
    (void)version;
    return ql__http_check(err);
}

static ql_status check_microhttpd(char version[VERSION_BYTES], ql_error *err)
{
    (void)version;
    return ql__http_server_check(err);
}

static ql_status check_archive(char version[VERSION_BYTES], ql_error *err)
{
    (void)version;
    return ql__archive_check(err);
}

static ql_status write_libraries(ql__json_writer *writer, ql_error *err)
{
    enum { LIBRARY_ONEDNN };
    static const struct {
        const char *name, *use;
        ql_status (*check_fn)(char version[VERSION_BYTES], ql_error *err);
    } libraries[] = {
        {"oneDNN", "embedding documents on processors with AMX", check_onednn},
        {"libcurl", "downloads: qloader model pull, the network of qloader doctor", check_curl},
        {"libmicrohttpd", "metrics over HTTP: qloader ingest --metrics-port", check_microhttpd},
        {"libarchive", "models in wheels and zip files", check_archive},
    };
    ql__json_key(writer, "libraries");
    ql__json_array(writer);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        char version[VERSION_BYTES] = "";
        ql_error why = {0};
        ql_status status = libraries[i].check_fn(version, &why);
        bool needed = i != LIBRARY_ONEDNN || ql__kernels_tiles();
        QL_TRY(write_found(writer, libraries[i].name, libraries[i].use, needed, status, version, &why, err));
    }
    ql__json_array_end(writer);
    return QL_OK;
}

static ql_status write_git(ql__json_writer *writer, ql_error *err)
{
    char version[VERSION_BYTES] = "";
    ql_error why = {0};
    ql_status status = ql__source_git_version(version, &why);
    return write_found(writer, "git", "git repositories (libgit2)", true, status, version, &why, err);
}

static ql_status write_modules(ql__json_writer *writer, ql_error *err)
{
    ql__json_key(writer, "modules");
    ql__json_array(writer);
    QL_TRY(write_git(writer, err));
    for (size_t i = 0; ql__grammar_name(i) != NULL; i++) {
        ql_error why = {0};
        ql_status status = ql__grammar_check(i, &why);
        QL_TRY(write_found(writer, ql__grammar_name(i), "grammar", true, status, "", &why, err));
    }
    ql__json_array_end(writer);
    return QL_OK;
}

static ql_status write_all(ql__json_writer *writer, const ql__sys *sys, ql_error *err)
{
    ql__json_object(writer);
    ql__json_member(writer, "version", ql_str_of(ql_version()));
    write_machine(writer, sys);
    QL_TRY(write_libraries(writer, err));
    QL_TRY(write_modules(writer, err));
    ql__json_key(writer, "arithmetic");
    ql__json_object(writer);
    ql__json_member(writer, "kernels", ql_str_of(ql__kernels_best()->name));
    ql__json_member(writer, "precision", ql__embed_auto_bf16() ? QL_STR("bf16") : QL_STR("fp32"));
    ql__json_object_end(writer);
    ql__json_object_end(writer);
    return QL_OK;
}

ql_status ql_runtime_describe_json(const ql_runtime *self, ql_buf *out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &text);
    QL_TRY(write_all(&writer, self->sys, err));
    if (text.status >= 0) (void)ql_buf_append(out, ql_buf_str(&text));
    ql_status status = text.status < 0 ? text.status : out->status;
    return status < 0 ? ql__fail(err, status, "cannot write the description") : QL_OK;
}
