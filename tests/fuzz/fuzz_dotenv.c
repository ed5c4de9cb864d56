/* A .env file from a stranger: names are never empty nor doubled, values end where they say. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dep/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool find(void *user, ql_str name, ql_str *value)
{
    (void)user;
    *value = QL_STR("${A}x");
    return name.len == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql__arena arena;
    ql__arena_init(&arena, (size_t)64 << 20);
    ql__dotenv_scope scope = {.find_fn = find, .file_wins = size % 2 == 0};
    const ql__dotenv_entry *entries = NULL;
    size_t count = 0;
    ql_error err = {0};
    ql_status status = ql__dotenv_parse((ql_str){(const char *)data, size}, &arena, &scope, &entries, &count, &err);
    if (status != QL_OK && status != QL_E_LIMIT && status != QL_E_NOMEM) abort();
    for (size_t i = 0; status == QL_OK && i < count; i++) {
        if (entries[i].name.len == 0 || entries[i].value.ptr[entries[i].value.len] != '\0' || entries[i].line == 0) abort();
        for (size_t j = 0; j < i && j < 50; j++)
            if (ql_str_equal(entries[i].name, entries[j].name)) abort();
    }
    ql__arena_dispose(&arena);
    return 0;
}
