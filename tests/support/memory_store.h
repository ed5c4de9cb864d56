/* The store of docs/examples for tests that do not look inside it. */
#ifndef QL_TEST_MEMORY_STORE_H
#define QL_TEST_MEMORY_STORE_H

#include <qloader/store.h>

void *ql_test_memory_store_new(void); /* an empty one, `user` of the table below; NULL: no memory */
void ql_test_memory_store_free(void *user);
const ql_store_ops *ql_test_memory_store_ops(void);

#endif
