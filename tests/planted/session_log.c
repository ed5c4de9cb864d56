/*
 * Handles requests and keeps what was asked for, so that the last ones can be shown. Its malloc tells a capture of all allocations.
 * Usage: session_log FOLDER (capture.qprof goes there)
 */
#include "workbench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS = 60000, SHOWN = 20, ROUNDS = 40 };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void __libc_free(void *ptr);

static const ql_prof_heap_hooks *hooks;

static void *told(void *ptr, size_t size)
{
    if (hooks != NULL && *hooks->on != 0) hooks->alloc_fn(ptr, size);
    return ptr;
}

void *malloc(size_t size)
{
    return told(__libc_malloc(size), size);
}

void *calloc(size_t count, size_t size)
{
    return told(__libc_calloc(count, size), count * size);
}

void *realloc(void *ptr, size_t size)
{
    if (hooks != NULL && *hooks->on != 0 && ptr != NULL) hooks->free_fn(ptr);
    return told(__libc_realloc(ptr, size), size);
}

void free(void *ptr)
{
    if (hooks != NULL && *hooks->on != 0 && ptr != NULL) hooks->free_fn(ptr);
    __libc_free(ptr);
}

typedef struct session {
    struct session *before;
    unsigned number, sum;
    char request[1000];
} session;

typedef struct service {
    session *last;
    size_t count;
} service;

static session *remember_session(service *self, unsigned number, const char *request)
{
    session *one = malloc(sizeof *one);
    if (one == NULL) return NULL;
    *one = (session){.before = self->last, .number = number};
    snprintf(one->request, sizeof one->request, "%s", request);
    self->last = one;
    self->count++;
    return one;
}

/* Takes the request apart and answers with a sum of its parameters. */
static unsigned answer_request(char *request)
{
    unsigned sum = 0;
    char *rest = NULL, *copy = strdup(request);
    for (char *word = copy != NULL ? strtok_r(copy, "&", &rest) : NULL; word != NULL; word = strtok_r(NULL, "&", &rest))
        for (int round = 0; round < ROUNDS; round++)
            for (const char *at = word; *at != '\0'; at++) sum = sum * 31 + (unsigned char)*at;
    free(copy);
    return sum;
}

static ql_status serve(const char *folder, void *user, ql_error *err)
{
    service *self = user;
    (void)folder, (void)err;
    for (unsigned number = 0; number < REQUESTS; number++) {
        char request[1000] = "GET /search?";
        size_t length = strlen(request);
        QL_PROF_SPAN(span, "request", "service");
        for (unsigned p = 0; length < sizeof request - 40; p++)
            length += (size_t)snprintf(request + length, sizeof request - length, "field%u=%08x&", p, (number + 1) * 2654435761u ^ p);
        session *one = remember_session(self, number, request);
        if (one == NULL) return QL_E_NOMEM;
        one->sum = answer_request(request);
        ql_span_end(&span);
    }
    return QL_OK;
}

int main(int argc, char **argv)
{
    service self = {NULL, 0};
    hooks = ql_prof_heap_hooks_use();
    int code = workbench_capture(argc > 1 ? argv[1] : ".", NULL, serve, &self);
    size_t shown = 0;
    for (const session *one = self.last; one != NULL && shown < SHOWN; one = one->before, shown++) printf("%u %08x\n", one->number, one->sum);
    return code;
}
