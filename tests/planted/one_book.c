/*
 * Ingests notes. Planted: one of them is a whole book. Usage: one_book FOLDER
 */
#include "planted.h"

enum { DOCUMENTS = 200, BOOK = 137 };

static int length_of(int number)
{
    return number == BOOK ? 6000 : 4;
}

static ql_status work(const char *folder, void *user, ql_error *err)
{
    return planted_with_workspace(user, folder, planted_ingest_once, err);
}

int main(int argc, char **argv)
{
    static const planted_library library = {DOCUMENTS, length_of};
    planted_ingest ingest = {.library = &library, .embedder = &planted_words};
    return argc < 2 ? 1 : planted_run(argv[1], 0, work, &ingest);
}
