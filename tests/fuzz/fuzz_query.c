/* A question from anywhere: refused, or its terms are distinct and bounded, and its words are not more than its letters. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "search/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_words(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    size_t count = 0;
    (void)user, (void)starts, (void)capacity;
    if (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[text.len - 1] == ' ' || memmem(text.ptr, text.len, "  ", 2) != NULL)) abort();
    for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == ' ';
    return count + (text.len > 0);
}

static void check(const ql__query *query)
{
    ql__map seen;
    ql__map_init(&seen, 0);
    if (query->term_count > QL_LIMIT_QUERY_TERMS) abort();
    for (size_t i = 0; i < query->term_count; i++) {
        bool fresh = false;
        if (query->terms[i].len == 0 || ql__map_insert(&seen, query->terms[i], &fresh) == NULL || !fresh || !(query->weights[i] > 0)) abort();
    }
    ql__map_dispose(&seen);
    const ql__fuse_reading *reading = &query->reading;
    if (reading->words > reading->letters || reading->letters_latin > reading->letters || reading->units != reading->words) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ql_measure measure = {.struct_size = sizeof(ql_measure), .unit = "words", .units_fn = count_words};
    ql__analyzer *analyzer = NULL;
    ql__query query;
    ql_error err = {0};
    if (ql__analyzer_new(&analyzer, NULL) < 0) return 0;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    ql_status status = ql__query_understand((ql_str){(const char *)data, size}, analyzer, &measure, &arena, &query, &err);
    if (status != QL_OK && ql_status_kind(status) != QL_E_INVALID) abort();
    if (status == QL_OK) check(&query);
    ql__arena_dispose(&arena);
    ql__analyzer_free(analyzer);
    return 0;
}
