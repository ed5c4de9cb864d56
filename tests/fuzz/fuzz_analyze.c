/* Foreign text through the analyzer: terms have 1 to 128 bytes, none of them blank or out of place, not more of them than the text can hold, and the same twice. */
#include <stdint.h>
#include <stdlib.h>

#include "base/map.h"
#include "text/analyze.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct terms_seen {
    uint64_t hash;
    size_t count;
} terms_seen;

static int take(void *user, ql_str term)
{
    terms_seen *seen = user;
    if (term.len == 0 || term.len > 128) abort();
    for (size_t i = 0; i < term.len; i++) {
        unsigned char byte = (unsigned char)term.ptr[i];
        if (byte <= ' ' || byte >= 0xF8) abort();
        if (i == 0 && (byte & 0xC0) == 0x80) abort();
    }
    seen->hash = ql__hash_bytes(term, seen->hash + 1);
    seen->count++;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql_str text = {(const char *)data, size};
    ql__analyzer *analyzer = NULL;
    if (ql__analyzer_new(&analyzer, NULL) < 0) return 0;
    terms_seen first = {0, 0}, second = {0, 0};
    if (ql__analyzer_run(analyzer, text, take, &first, NULL) != QL_OK) abort();
    if (ql__analyzer_run(analyzer, text, take, &second, NULL) != QL_OK) abort();
    if (first.count > 20 * size || first.count != second.count || first.hash != second.hash) abort();
    ql__analyzer_free(analyzer);
    return 0;
}
