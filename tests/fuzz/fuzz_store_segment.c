/*
 * Hostile segments of the store. First byte even: a segment of the postings log; it is refused, or every term can be looked up, terms
 * ascend, and each list either decodes to ascending slots within its bounds or is refused. Odd: a vector file; its header is refused,
 * or it is byte for byte one that we write for these dimensions, and no row beyond the end is promised.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store_postings.h"
#include "store/store_vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const ql__log_entry *entry)
{
    bool nomem = false;
    ql__posting_list list = {0};
    if (ql__posting_list_decode(&list, entry->data, entry->first_slot, entry->last_slot, entry->count, &nomem)) {
        if (list.count != entry->count || list.slots[0] != entry->first_slot || list.slots[list.count - 1] != entry->last_slot) abort();
        for (size_t i = 0; i < list.count; i++)
            if (list.tfs[i] == 0 || (i > 0 && list.slots[i - 1] >= list.slots[i])) abort();
    } else if (list.count != 0) {
        abort();
    }
    ql__posting_list_dispose(&list);
}

static void fuzz_log(ql_str bytes)
{
    ql__terms_log log;
    ql_error err = {0};
    ql_status st = ql__terms_log_open(&log, bytes, &err);
    if (st != QL_OK && st != QL_E_CORRUPT && st != QL_E_NOMEM) abort();
    for (uint32_t i = 0; st == QL_OK && i < log.count; i++) {
        ql__log_entry entry, found;
        ql__terms_log_at(&log, i, &entry);
        if (!ql__terms_log_find(&log, entry.term, &found) || found.term.ptr != entry.term.ptr) abort();
        check_list(&entry);
    }
    ql__terms_log_dispose(&log);
}

static void fuzz_vectors(ql_str bytes)
{
    char path[] = "/tmp/qloader-fuzz-XXXXXX";
    ql_error err = {0};
    ql__vectors file;
    int fd = mkstemp(path);
    if (fd < 0) return;
    if (write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len && ql__vectors_open(&file, ql__sys_default(), path, false, 4, 7, &err) == QL_OK) {
        if (bytes.len < QL__VECTORS_HEADER_BYTES || memcmp(bytes.ptr, "QLVECT\r\n", 8) != 0) abort();
        uint64_t rows = (bytes.len - QL__VECTORS_HEADER_BYTES) / file.stride;
        if (ql__vectors_check_size(&file, rows, &err) != QL_OK || ql__vectors_check_size(&file, rows + 1, &err) != QL_E_CORRUPT) abort();
        ql__vectors_dispose(&file);
    }
    close(fd);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    ql_str bytes = {(const char *)data + 1, size - 1};
    if (data[0] % 2) fuzz_vectors(bytes);
    else fuzz_log(bytes);
    return 0;
}
