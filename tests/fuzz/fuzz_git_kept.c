/*
 * What is kept of a git history, from a stranger who knows how the checksum is made: taken whole or not at all, and what was taken can be
 * looked up. The input is what stands behind magic and checksum.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "dep/digest.h"
#include "fuzz_files.h"
#include "source/git_history_cache.h"
#include "source/git_history_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const ql__git_history *self)
{
    for (size_t i = 0; i < self->file_count; i++) {
        const ql__git_file *file = &self->files[i];
        const uint64_t *found = ql__map_find((ql__map *)(uintptr_t)&self->index, file->path);
        if (found == NULL || *found != i + 1 || file->in_head) abort();
        if (!self->has_kept && (file->last_s != QL_TIME_UNKNOWN || file->first_s != QL_TIME_UNKNOWN)) abort();
    }
    for (size_t i = 0; i < self->kept_count; i++) (void)ql__git_has_id(self->kept_commits, self->kept_count, self->kept_commits + i * OID_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_files files;
    fuzz_files_init(&files);
    ql_str rest = {(const char *)data, size};
    uint64_t sum = ql__xxh3(rest, 0);
    ql_buf bytes = QL_BUF_INIT;
    (void)ql_buf_append(&bytes, QL_STR("QLGITH2\n"));
    for (int i = 0; i < 8; i++) (void)ql_buf_append_char(&bytes, (char)(sum >> (8 * i)));
    if (ql_buf_append(&bytes, rest) != QL_OK) abort();
    fuzz_files_add(&files, "kept", ql_buf_str(&bytes));

    ql__source_options source = {.sys = &files.sys};
    ql__git_history self = {.options = {.source = &source, .cache_path = "kept"}};
    ql__map_init(&self.index, 3);
    ql__arena_init(&self.names, 0);
    ql_error err = {0};
    ql_status status = ql__git_kept_read(&self, &err);
    if (status < 0 && err.message[0] == '\0') abort();
    check(&self);
    ql__map_dispose(&self.index);
    ql__arena_dispose(&self.names);
    ql__free(self.files);
    ql__free(self.kept_commits);
    ql_buf_dispose(&bytes);
    return 0;
}
