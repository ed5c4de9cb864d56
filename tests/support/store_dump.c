/* store_dump [--vectors] DIR: prints the index in DIR in canonical form, for comparing two of them. Exit 0, or 1 with the reason on stderr. */
#include <stdio.h>
#include <string.h>

#include "store/store.h"

static int print_line(void *user, ql_str line)
{
    (void)user;
    return fwrite(line.ptr, 1, line.len, stdout) == line.len && putchar('\n') != EOF ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool vectors = argc == 3 && strcmp(argv[1], "--vectors") == 0;
    if (argc != 2 && !vectors) {
        fprintf(stderr, "usage: store_dump [--vectors] DIR\n");
        return 2;
    }
    ql_error err = {0};
    ql__store *store = NULL;
    ql__store_options options = {.dir = argv[argc - 1], .any_analyzer = true};
    ql_status st = ql__store_open(&options, &store, &err);
    if (st == QL_OK) st = ql__store_dump(store, vectors, print_line, NULL, &err);
    ql__store_free(store);
    if (st != QL_OK) fprintf(stderr, "store_dump: %s\n", err.message);
    return st == QL_OK && fflush(stdout) == 0 ? 0 : 1;
}
