/*
 * Makes small pictures of large ones. Planted: the large one is taken anew, and given back, for each. Its malloc tells a capture of all allocations.
 * Usage: contact_sheet FOLDER
 */
#include "planted.h"

#include <stdio.h>
#include <stdlib.h>

enum { PICTURES = 60, SIDE = 3200, SMALL = 64 };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void __libc_free(void *ptr);

static const ql_prof_heap_hooks *hooks;

void *malloc(size_t size)
{
    void *ptr = __libc_malloc(size);
    if (hooks != NULL && *hooks->on != 0) hooks->alloc_fn(ptr, size);
    return ptr;
}

void *calloc(size_t count, size_t size)
{
    void *ptr = __libc_calloc(count, size);
    if (hooks != NULL && *hooks->on != 0) hooks->alloc_fn(ptr, count * size);
    return ptr;
}

void *realloc(void *old, size_t size)
{
    if (hooks != NULL && *hooks->on != 0 && old != NULL) hooks->free_fn(old);
    void *ptr = __libc_realloc(old, size);
    if (hooks != NULL && *hooks->on != 0) hooks->alloc_fn(ptr, size);
    return ptr;
}

void free(void *ptr)
{
    if (hooks != NULL && *hooks->on != 0 && ptr != NULL) hooks->free_fn(ptr);
    __libc_free(ptr);
}

static void draw_picture(unsigned *pixels, unsigned number)
{
    for (unsigned i = 0; i < SIDE * SIDE; i++) pixels[i] = (i ^ number) * 2654435761u;
}

static unsigned shrink_picture(unsigned number)
{
    unsigned sum = 0;
    unsigned *pixels = malloc(sizeof *pixels * SIDE * SIDE); /* planted */
    if (pixels == NULL) return 0;
    draw_picture(pixels, number);
    for (unsigned y = 0; y < SMALL; y++)
        for (unsigned x = 0; x < SMALL; x++) sum += pixels[y * (SIDE / SMALL) * SIDE + x * (SIDE / SMALL)] >> 24;
    free(pixels);
    return sum;
}

static ql_status make_sheet(const char *folder, void *user, ql_error *err)
{
    unsigned *sum = user;
    (void)folder, (void)err;
    for (unsigned i = 0; i < PICTURES; i++) *sum += shrink_picture(i);
    return QL_OK;
}

int main(int argc, char **argv)
{
    unsigned sum = 0;
    if (argc < 2) return 1;
    hooks = ql_prof_heap_hooks_use();
    int code = planted_run(argv[1], 0, make_sheet, &sum);
    printf("%u\n", sum);
    return code;
}
