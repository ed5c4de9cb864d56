/*
 * Does what the others do, well: an index is brought up to date twice, the second time with nothing to do, a buffer is
 * used again, and a task says that it waits. Planted: nothing. Usage: tidy FOLDER
 */
#include "planted.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { DOCUMENTS = 300, PARAGRAPHS = 20, JOBS = 8, JOB_MS = 120, BUFFER = 20 << 20 };

static int length_of(int number)
{
    return PARAGRAPHS + number % 7;
}

/* A job whose answer comes later; meanwhile its thread is free for others. */
static void run_job(unsigned char *buffer, unsigned number)
{
    static ql_site site = QL_SITE_INIT("job", "task");
    struct timespec rest = {0, JOB_MS * 1000000L};
    ql_task task = ql_task_begin(&site, QL_STR("job"), 0);
    ql_task_run(&task);
    for (size_t i = 0; i < BUFFER; i += 64) buffer[i] = (unsigned char)(number + i);
    ql_task_wait(&task, QL_TASK_WAIT_TIMER, "the answer");
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
    ql_task_end(&task);
}

static ql_status twice(planted_ingest *ingest, ql_error *err)
{
    ql_status status = planted_ingest_once(ingest, err);
    return status < 0 ? status : planted_ingest_once(ingest, err);
}

static ql_status work(const char *folder, void *user, ql_error *err)
{
    unsigned char *buffer = malloc(BUFFER);
    if (buffer == NULL) return QL_E_NOMEM;
    for (unsigned i = 0; i < JOBS; i++) run_job(buffer, i);
    free(buffer);
    return planted_with_workspace(user, folder, twice, err);
}

int main(int argc, char **argv)
{
    static const planted_library library = {DOCUMENTS, length_of};
    planted_ingest ingest = {.library = &library, .embedder = &planted_words};
    return argc < 2 ? 1 : planted_run(argv[1], 0, work, &ingest);
}
