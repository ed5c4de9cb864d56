/* The VFS shim below a ql__db. Private to lib/dep. */
#ifndef QL_DB_VFS_H
#define QL_DB_VFS_H

#include "dep/db.h"
#include <sqlite3.h>

#define QL__DB_RESERVED 8 /* bytes at the end of each page that hold its checksum */

typedef struct ql__db_vfs {
    sqlite3_vfs vfs;       /* registered under `name`; first member */
    sqlite3_vfs *base;     /* the default VFS, which does the work */
    char name[48];
    uint32_t page_bytes;
    ql__db_fault_fn fault_fn;
    void *fault_user;
    uint64_t bad_page;     /* last page that failed its checksum, 0: none */
    bool bad_wal;          /* it was read from the write-ahead log */
    int fault_errno;       /* what the last failed call meant, for the error */
    bool registered;
} ql__db_vfs;

/* Registers a VFS of its own for one connection, so that nothing is shared between connections. */
ql_status ql__db_vfs_init(ql__db_vfs *self, uint32_t page_bytes, ql__db_fault_fn fault_fn, void *fault_user, ql_error *err);
void ql__db_vfs_dispose(ql__db_vfs *self);

#endif
