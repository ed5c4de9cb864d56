/*
 * Heavy libraries are opened on first use, so that a process that does not need them never maps them.
 * name: a soname ("libdnnl.so.2") or a module of ours ("qloader-git2", "qloader-grammar-python"), looked for in
 * $QLOADER_MODULE_DIR, beside the library (<libdir>/qloader) and in the build tree. A library once opened stays.
 */
#ifndef QL_DYNLIB_H
#define QL_DYNLIB_H

#include <qloader/base.h>

/* Fills out[i] with the address of symbols[i]. QL_E_UNSUPPORTED names what is missing and how to get it. Thread-safe. */
ql_status ql__dynlib_load(const char *name, const char *const *symbols, size_t count, void **out, ql_error *err);

#endif
