#include "support/memory_store.h"

int memory_store_main(int argc, char **argv);
#define main memory_store_main
#include "../../docs/examples/memory_store.c"
#undef main

void *ql_test_memory_store_new(void)
{
    memory *self = calloc(1, sizeof *self);
    if (self != NULL) self->lock = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER;
    return self;
}

void ql_test_memory_store_free(void *user)
{
    if (user != NULL) memory_dispose(user);
    free(user);
}

const ql_store_ops *ql_test_memory_store_ops(void)
{
    return &memory_ops;
}
