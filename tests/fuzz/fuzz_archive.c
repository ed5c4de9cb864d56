/* An archive from a stranger, as a model comes in one: entries are regular files with names, and reading stops where we say. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dep/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES_MAX 100
#define READS_MAX 64 /* of an entry: a few kB unfold to gigabytes, whoever reads them has to stop */

static void read_all(ql__archive *archive)
{
    static char block[4096];
    ql_error err = {0};
    ql_str name = {0};
    uint64_t claimed = 0;
    for (int entries = 0; entries < ENTRIES_MAX && ql__archive_next(archive, &name, &claimed, &err) == QL_OK; entries++) {
        size_t got = 1;
        for (int reads = 0; reads < READS_MAX && got > 0; reads++) {
            got = 0;
            if (ql__archive_read(archive, block, sizeof block, &got, &err) != QL_OK) break;
            if (got > sizeof block) abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("qloader-fuzz", MFD_CLOEXEC);
    if (fd < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        ql__archive *archive = NULL;
        ql_error err = {0};
        ql_status status = ql__archive_open(path, &archive, &err);
        if (status == QL_E_UNSUPPORTED) abort();
        if (status < 0 && err.message[0] == '\0') abort();
        if (status == QL_OK) read_all(archive);
        ql__archive_close(archive);
    }
    close(fd);
    return 0;
}
