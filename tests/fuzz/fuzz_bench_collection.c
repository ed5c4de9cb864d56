/*
 * A foreign collection of requests. Holds: what is taken has a name, a method of capitals and an address; no header has a line break; no text keeps a
 * variable that has a value.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench_collection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const bench_request *request)
{
    if (request->name == NULL || request->url == NULL || request->method == NULL || request->method[0] == '\0') abort();
    for (const char *at = request->method; *at != '\0'; at++)
        if (*at < 'A' || *at > 'Z') abort();
    for (size_t i = 0; i < request->header_count; i++)
        if (strpbrk(request->headers[i], "\r\n") != NULL) abort();
    if (strstr(request->url, "{{base}}") != NULL || (request->body != NULL && strstr(request->body, "{{base}}") != NULL)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bench_variable variables[] = {{"base", "http://127.0.0.1"}};
    bench_collection collection;
    ql_error err = {0};
    ql_status status = collection_parse((ql_str){(const char *)data, size}, variables, 1, &collection, &err);
    if (status < 0 && (err.status != status || err.message[0] == '\0' || collection.count != 0)) abort();
    if (status < 0) return 0;
    if (collection.count == 0) abort();
    for (size_t i = 0; i < collection.count; i++) check(&collection.requests[i]);
    collection_keep(&collection, (const char *const[]){"a"}, 1);
    collection_dispose(&collection);
    return 0;
}
