/* The data of nightly_import, and what of its work is done in SQLite. */
#ifndef QLOADER_TESTS_PLANTED_NIGHT_H
#define QLOADER_TESTS_PLANTED_NIGHT_H

#include "workbench.h"

#include <pthread.h>
#include <sqlite3.h>

enum { READINGS = 300000, TICKETS = 600, PAGES = 200, COUNTERS = 4, WIDTH = 1024 };

typedef struct night {
    const char *url;
    char *tickets[TICKETS];
    ql_buf pages[PAGES];
    pthread_mutex_t lock;
    int next; /* page to be counted */
    float total[WIDTH];
} night;

/** Makes the table of readings. Returns a code of SQLite, as the next. */
int night_store_readings(sqlite3 *db);
/** Fills the tickets, texts that are to be freed. */
int night_read_tickets(sqlite3 *db, night *self);

#endif
