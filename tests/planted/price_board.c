/*
 * Several threads take changes of prices and publish them as a page that is always whole.
 * Usage: price_board FOLDER (capture.qprof and prices.html go there)
 */
#include "workbench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLERKS = 4, CHANGES = 300, ITEMS = 3000 };

typedef struct board {
    pthread_mutex_t lock;
    const char *folder;
    int prices[ITEMS];
} board;

/* The lock is held. */
static int write_page(const board *self)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/prices.html", self->folder);
    QL_PROF_SPAN(span, "write page", "board");
    FILE *page = fopen(path, "w");
    for (int i = 0; page != NULL && i < ITEMS; i++)
        fprintf(page, "<tr><td>item %d</td><td>%d.%02d</td><td>%.1f %%</td></tr>\n", i, self->prices[i] / 100, self->prices[i] % 100, self->prices[i] / 107.0);
    int failed = page == NULL || fclose(page) != 0;
    ql_span_end(&span);
    return failed;
}

static int change_price(board *self, ql_task *task, int item, int price)
{
    ql_task_wait(task, QL_TASK_WAIT_LOCK, "board");
    pthread_mutex_lock(&self->lock);
    ql_task_run(task);
    self->prices[item] = price;
    int failed = write_page(self);
    pthread_mutex_unlock(&self->lock);
    return failed;
}

static void *clerk(void *user)
{
    static ql_site site = QL_SITE_INIT("change", "board");
    board *self = user;
    unsigned seed = (unsigned)(uintptr_t)&self;
    int failed = 0;
    for (int i = 0; i < CHANGES && !failed; i++) {
        ql_task task = ql_task_begin(&site, QL_STR("change of a price"), 0);
        ql_task_run(&task);
        int item = (int)(rand_r(&seed) % ITEMS), price = (int)(rand_r(&seed) % 100000);
        failed = change_price(self, &task, item, price);
        ql_task_end(&task);
    }
    return failed ? self : NULL;
}

static ql_status open_shop(const char *folder, void *user, ql_error *err)
{
    board *self = user;
    pthread_t clerks[CLERKS];
    ql_status status = QL_OK;
    int started = 0;
    (void)err;
    self->folder = folder;
    while (started < CLERKS && pthread_create(&clerks[started], NULL, clerk, self) == 0) started++;
    for (int i = 0; i < started; i++) {
        void *failed = NULL;
        pthread_join(clerks[i], &failed);
        if (failed != NULL) status = QL_E_IO;
    }
    return started < CLERKS ? QL_E_LIMIT : status;
}

int main(int argc, char **argv)
{
    static board self = {.lock = PTHREAD_MUTEX_INITIALIZER};
    return workbench_capture(argc > 1 ? argv[1] : ".", NULL, open_shop, &self);
}
