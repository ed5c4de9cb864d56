/*
 * Foreign patterns on foreign paths. The first line is the pattern, the rest the path. Holds: what matches strictly matches loosely
 * unless a class or '?' decides; a folder pattern above a path never matches without a '/'; a filter built of it never crashes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "source/glob.h"
#include "source/path_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void filter(ql_str pattern, ql_str path)
{
    ql__config_source config = {.include_paths = {&pattern, 1}, .max_file_size = 10};
    ql__path_filter *self;
    ql_buf reason = QL_BUF_INIT;
    for (int round = 0; round < 3; round++) {
        if (ql__path_filter_new(&config, &self, NULL) != QL_OK) break;
        bool admitted = ql__path_filter_admits(self, path, 1, &reason);
        if (!admitted && reason.len == 0) abort();
        /* A folder that need not be entered holds nothing that is admitted. */
        const char *slash = path.len > 0 ? memrchr(path.ptr, '/', path.len) : NULL;
        if (slash != NULL && admitted && !ql__path_filter_enters(self, (ql_str){path.ptr, (size_t)(slash - path.ptr)}, &reason)) abort();
        ql__path_filter_free(self);
        if (round == 0) config = (ql__config_source){.exclude_paths = {&pattern, 1}, .max_file_size = 10};
        if (round == 1) config = (ql__config_source){.file_types = {&pattern, 1}, .max_file_size = 10, .enable_file_conversion = true};
    }
    ql_buf_dispose(&reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (end == NULL) return 0;
    ql_str pattern = {(const char *)data, (size_t)(end - data)}, path = {(const char *)end + 1, size - pattern.len - 1};
    ql__glob *loose, *strict;
    if (ql__glob_new(pattern, false, &loose, NULL) != QL_OK) return 0;
    if (ql__glob_new(pattern, true, &strict, NULL) != QL_OK) abort();
    bool wide = ql__glob_matches(loose, path), narrow = ql__glob_matches(strict, path);
    if (narrow && !wide) abort();
    bool folder = path.len > 0 && memchr(path.ptr, '/', path.len) != NULL;
    if (!folder && (ql__glob_matches_above(loose, path) || ql__glob_matches_above(strict, path))) abort();
    ql__glob_free(loose);
    ql__glob_free(strict);
    filter(pattern, path);
    return 0;
}
