/* An ELF file in memory: its build id and its functions. Sizes and offsets in it are anybody's and checked. Immutable after it was opened. */
#ifndef QL_ELF_IMAGE_H
#define QL_ELF_IMAGE_H

#include "sys/file.h"

typedef struct ql__elf_function {
    uint64_t start, size; /* size 0: until the next one */
    uint32_t name;        /* offset in the table of names */
    uint32_t rank;        /* of two at one address: the better name first */
} ql__elf_function;

typedef struct ql__elf_image {
    const ql__sys *sys;
    int fd;
    const unsigned char *bytes;
    size_t size;
    ql_str build_id;      /* empty: it has none */
    ql__elf_function *functions; /* by address */
    size_t function_count, function_capacity;
    ql_str names;         /* where `name` points into; the table that won */
} ql__elf_image;

/* As ql__symbol_file_open, without the build id. */
ql_status ql__elf_open(const ql__sys *sys, const char *path, ql__elf_image *out, ql_error *err);
void ql__elf_close(ql__elf_image *self);
/* The function that has an address; NULL: none. */
const ql__elf_function *ql__elf_find(const ql__elf_image *self, uint64_t address);
ql_str ql__elf_name(const ql__elf_image *self, const ql__elf_function *function);

#endif
