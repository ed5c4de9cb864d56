/*
 * An allocator of one's own: counts what the library holds and refuses more than a budget; a call that would need more fails with "out of
 * memory" and loses nothing. Usage: allocator FOLDER (with a config.yaml)
 * Build: cc allocator.c -o allocator $(pkg-config --cflags --libs qloader)
 */
#include <qloader.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct budget {
    atomic_size_t used, peak, limit;
} budget;

/* Each piece has its size in front, on 16 bytes so that what follows is aligned as malloc aligns. */
#define FRONT 16

static void *take(void *user, void *ptr, size_t size)
{
    budget *self = user;
    char *before = ptr != NULL ? (char *)ptr - FRONT : NULL;
    size_t old = before != NULL ? *(size_t *)(void *)before : 0;
    size_t used = atomic_fetch_add(&self->used, size) + size;
    char *now = used - old > self->limit ? NULL : realloc(before, size + FRONT);
    atomic_fetch_sub(&self->used, now != NULL ? old : size);
    if (now == NULL) return NULL;
    *(size_t *)(void *)now = size;
    for (size_t peak = self->peak; used > peak && !atomic_compare_exchange_weak(&self->peak, &peak, used);) {}
    return now + FRONT;
}

static void give(void *user, void *ptr)
{
    budget *self = user;
    char *before = (char *)ptr - FRONT;
    atomic_fetch_sub(&self->used, *(size_t *)(void *)before);
    free(before);
}

static ql_status ingest(const char *dir, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.dir = dir;
    ql_status status = ql_runtime_new(NULL, &runtime, err);
    if (status >= 0) status = ql_workspace_open(runtime, &options, &workspace, NULL, err);
    if (status >= 0) status = ql_ingest(workspace, NULL, NULL, err);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return status;
}

int main(int argc, char **argv)
{
    static budget memory = {.limit = 100 << 10};
    const ql_allocator allocator = {.struct_size = sizeof allocator, .realloc_fn = take, .free_fn = give, .user = &memory};
    const char *dir = argc > 1 ? argv[1] : ".";
    ql_error err = {0};
    if (ql_allocator_set(&allocator) < 0) return 1; /* before anything else of the library */
    ql_status status = ingest(dir, &err);
    printf("with %zu kB: %s\n", memory.limit / 1024, status < 0 ? err.message : "enough");
    memory.limit = 200 << 20;
    status = ingest(dir, &err);
    printf("with %zu kB: %s, %zu kB at most, %zu left\n", memory.limit / 1024, status < 0 ? err.message : "enough", memory.peak / 1024, (size_t)memory.used);
    return status < 0 || memory.used != 0;
}
