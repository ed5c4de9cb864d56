/*
 * Opening libraries on first use. A module of ours is a file <name>.so in one of a few folders relative to the code that asks (so that
 * an installed tree can be moved and a build tree works unchanged); a soname of the distribution is left to the dynamic linker.
 * Invariants: nothing is ever closed, so addresses stay valid for the life of the process; names hold no '/', so the search cannot
 * leave its folders. Threads: any; dlopen serialises. Cost: the linker's; callers keep the addresses.
 */
#include "dep/dynlib.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

/* Which package brings a soname of the distribution or a module of ours, for the message of a failed load. */
static const struct {
    const char *prefix, *package;
} packages[] = {
    {"libdnnl.so.2", "libdnnl2"},       {"libdnnl.so.3", "libdnnl3"},
    {"libicuuc.so.72", "libicu72"},     {"libicuuc.so.74", "libicu74"},
    {"libicuuc.so.76", "libicu76"},     {"libicuuc", "the libicu runtime package"},
    {"libarchive.so.13", "libarchive13"}, {"libxml2.so.2", "libxml2"},
    {"libmicrohttpd.so.12", "libmicrohttpd12"}, {"libcurl.so.4", "libcurl4"},       {"libgomp.so.1", "libgomp1"},
    {"libcurl.so.4", "libcurl4"},       {"libgomp.so.1", "libgomp1"},
    {"libz.so.1", "zlib1g"},            {"libdw.so.1", "libdw1"},
    {"libcairo.so.2", "libcairo2"},
    {"libgit2.so", "the libgit2 runtime package"}, {"qloader-git2", "qloader-source-git"}, {"qloader-grammar-", "qloader-grammars"},
};

static const char *package_of(const char *name)
{
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++)
        if (strncmp(name, packages[i].prefix, strlen(packages[i].prefix)) == 0) return packages[i].package;
    return NULL;
}

/* Opens folder/name.so if it exists. The list of places that were looked at is kept for the message. */
static void *open_in(const char *folder, const char *name, ql_buf *looked, bool *found)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s.so", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) return NULL;
    (void)ql_buf_printf(looked, "%s%s", looked->len != 0 ? ", " : "", folder);
    if (access(path, F_OK) != 0) return NULL;
    *found = true;
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* The folder of the shared object or program that holds this code, without a trailing '/'. */
static bool own_folder(char out[PATH_MAX])
{
    Dl_info info;
    static const char anchor; /* an address inside this object */
    if (dladdr(&anchor, &info) == 0 || info.dli_fname == NULL) return false;
    /* argv[0] of a program found through PATH names no file; the kernel knows. */
    if (realpath(info.dli_fname, out) == NULL && realpath("/proc/self/exe", out) == NULL) return false;
    char *slash = strrchr(out, '/');
    if (slash == NULL) return false;
    *slash = '\0';
    return true;
}

/* The multi-architecture layout: <prefix>/bin/program with <prefix>/lib/<triplet>/qloader. */
static void *open_below_lib(const char *own, const char *name, ql_buf *looked, bool *found)
{
    char pattern[PATH_MAX];
    int length = snprintf(pattern, sizeof pattern, "%s/../lib/*/qloader", own);
    if (length < 0 || (size_t)length >= sizeof pattern) return NULL;
    glob_t matches;
    if (glob(pattern, GLOB_ONLYDIR, NULL, &matches) != 0) return NULL;
    void *handle = NULL;
    for (size_t i = 0; i < matches.gl_pathc && !*found; i++) handle = open_in(matches.gl_pathv[i], name, looked, found);
    globfree(&matches);
    return handle;
}

static void *open_module(const char *name, ql_buf *looked, bool *found)
{
    static const char *const places[] = {"qloader", "modules", "../modules", "../../modules", "../lib/qloader"};
    const char *chosen = secure_getenv("QLOADER_MODULE_DIR");
    if (chosen != NULL && *chosen != '\0') {
        void *handle = open_in(chosen, name, looked, found);
        if (*found) return handle;
    }
    char own[PATH_MAX], folder[PATH_MAX];
    if (!own_folder(own)) return NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int length = snprintf(folder, sizeof folder, "%s/%s", own, places[i]);
        if (length < 0 || (size_t)length >= sizeof folder) continue;
        void *handle = open_in(folder, name, looked, found);
        if (*found) return handle;
    }
    return open_below_lib(own, name, looked, found);
}

static ql_status fail_missing(const char *name, bool is_soname, bool found, const ql_buf *looked, ql_error *err)
{
    const char *reason = dlerror();
    if (reason == NULL) reason = "no reason given";
    const char *package = package_of(name);
    if (is_soname && package != NULL)
        return ql__fail(err, QL_E_UNSUPPORTED, "the library %s cannot be opened: install the package %s (%s)", name, package, reason);
    if (is_soname) return ql__fail(err, QL_E_UNSUPPORTED, "the library %s cannot be opened: %s", name, reason);
    if (found) return ql__fail(err, QL_E_UNSUPPORTED, "the module '%s' cannot be opened: %s", name, reason);
    return ql__fail(err, QL_E_UNSUPPORTED, "the module '%s' is not installed%s%s (looked in %s)", name, package != NULL ? ": install the package " : "",
                    package != NULL ? package : "", ql_buf_cstr(looked));
}

ql_status ql__dynlib_load(const char *name, const char *const *symbols, size_t count, void **out, ql_error *err)
{
    if (*name == '\0' || strchr(name, '/') != NULL) return ql__fail(err, QL_E_INVALID, "'%s' is not a library name", name);
    bool is_soname = strstr(name, ".so") != NULL, found = false;
    ql_buf looked;
    ql_buf_init(&looked, (size_t)16 * PATH_MAX);
    (void)dlerror(); /* an older failure is not ours */
    void *handle = is_soname ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : open_module(name, &looked, &found);
    ql_status status = handle != NULL ? QL_OK : fail_missing(name, is_soname, found, &looked, err);
    ql_buf_dispose(&looked);
    QL_TRY(status);
    for (size_t i = 0; i < count; i++)
        if (dlsym(handle, symbols[i]) == NULL)
            return ql__fail(err, QL_E_UNSUPPORTED, "'%s' has no function %s: it is another version than the one this was built for", name, symbols[i]);
    for (size_t i = 0; i < count; i++) out[i] = dlsym(handle, symbols[i]);
    return QL_OK;
}
