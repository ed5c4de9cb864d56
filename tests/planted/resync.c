/*
 * Brings an index up to date again and again. Planted: everything is made anew each time, though nothing has changed.
 * Usage: resync FOLDER
 */
#include "planted.h"

enum { ROUNDS = 8, DOCUMENTS = 40, PARAGRAPHS = 120 };

static int length_of(int number)
{
    (void)number;
    return PARAGRAPHS;
}

static ql_status sync_index(planted_ingest *ingest, ql_error *err)
{
    QL_PROF_SPAN(span, "sync", "application"); /* planted */
    ingest->force = 1;
    ql_status status = planted_ingest_once(ingest, err);
    ql_span_end(&span);
    return status;
}

static ql_status sync_rounds(planted_ingest *ingest, ql_error *err)
{
    ql_status status = QL_OK;
    for (int i = 0; status >= 0 && i < ROUNDS; i++) status = sync_index(ingest, err);
    return status;
}

static ql_status work(const char *folder, void *user, ql_error *err)
{
    return planted_with_workspace(user, folder, sync_rounds, err);
}

int main(int argc, char **argv)
{
    static const planted_library library = {DOCUMENTS, length_of};
    planted_ingest ingest = {.library = &library, .embedder = &planted_words};
    return argc < 2 ? 1 : planted_run(argv[1], 0, work, &ingest);
}
