/*
 * Purpose: what is mended of libgit2 1.9, compiled into our module of it, not into the library. The linker leads the module's calls of a function
 * here (--wrap), and `__real_` is the function itself.
 *
 * - inflate: an object whose compressed bytes end early (a power cut leaves such files) is an error. libgit2 would ask zlib for the rest for ever.
 * - git_mwindow_open: an index of a pack may say any place in it; behind the end of the file is no memory.
 * - git_config_get_entry, git__prefixcmp: a setting may be a name alone. Their callers take the value for a text: of an object format, of the
 *   addresses that others stand for (insteadOf). The first is an error, as in git; no address begins with the second.
 * - git_signature__parse: a name or an address that found no memory is an error. libgit2 would go on without it, and an index keep that for ever.
 *
 * Threads: as the functions. Cost: a comparison.
 */
#include <git2/config.h>
#include <git2/sys/errors.h>
#include <mwindow.h> /* of libgit2, private */

#include "dep/zlib_header.h"

int __real_inflate(z_streamp stream, int flush);
int __wrap_inflate(z_streamp stream, int flush);
int __real_git_config_get_entry(git_config_entry **out, const git_config *config, const char *name);
int __wrap_git_config_get_entry(git_config_entry **out, const git_config *config, const char *name);
int __real_git__prefixcmp(const char *text, const char *prefix);
int __wrap_git__prefixcmp(const char *text, const char *prefix);
unsigned char *__real_git_mwindow_open(git_mwindow_file *file, git_mwindow **cursor, off64_t offset, size_t extra, unsigned *left);
unsigned char *__wrap_git_mwindow_open(git_mwindow_file *file, git_mwindow **cursor, off64_t offset, size_t extra, unsigned *left);

int __real_git_signature__parse(git_signature *out, const char **at, const char *end, const char *header, char ender);
int __wrap_git_signature__parse(git_signature *out, const char **at, const char *end, const char *header, char ender);

int __wrap_git_signature__parse(git_signature *out, const char **at, const char *end, const char *header, char ender)
{
    int code = __real_git_signature__parse(out, at, end, header, ender);
    if (code < 0 || (out->name != NULL && out->email != NULL)) return code;
    git__free(out->name);
    git__free(out->email);
    out->name = out->email = NULL;
    git_error_set_oom();
    return GIT_ERROR;
}

int __wrap_inflate(z_streamp stream, int flush)
{
    uInt in = stream->avail_in, out = stream->avail_out;
    int code = __real_inflate(stream, flush);
    bool stuck = code == Z_BUF_ERROR && in == 0 && out > 0 && stream->avail_out == out;
    return stuck ? Z_DATA_ERROR : code;
}

unsigned char *__wrap_git_mwindow_open(git_mwindow_file *file, git_mwindow **cursor, off64_t offset, size_t extra, unsigned *left)
{
    if (offset >= 0 && offset < file->size) return __real_git_mwindow_open(file, cursor, offset, extra, left);
    (void)git_error_set_str(GIT_ERROR_ODB, "a place outside of a pack");
    return NULL;
}

int __wrap_git_config_get_entry(git_config_entry **out, const git_config *config, const char *name)
{
    int code = __real_git_config_get_entry(out, config, name);
    if (code < 0 || (*out)->value != NULL) return code;
    git_config_entry_free(*out);
    *out = NULL;
    (void)git_error_set_str(GIT_ERROR_CONFIG, "a setting has no value");
    return GIT_EINVALID;
}

int __wrap_git__prefixcmp(const char *text, const char *prefix)
{
    return prefix == NULL ? 1 : __real_git__prefixcmp(text, prefix);
}
