/* See night.h. */
#include "night.h"

#include <stdio.h>
#include <stdlib.h>

int night_store_readings(sqlite3 *db)
{
    sqlite3_stmt *row = NULL;
    QL_PROF_SPAN(span, "store readings", "sqlite");
    int code = sqlite3_exec(db, "CREATE TABLE readings (sensor INTEGER, value REAL); BEGIN", NULL, NULL, NULL);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(db, "INSERT INTO readings VALUES (?1, ?2)", -1, &row, NULL);
    for (int i = 0; code == SQLITE_OK && i < READINGS; i++) {
        sqlite3_bind_int(row, 1, i % TICKETS);
        sqlite3_bind_double(row, 2, 20.0 + i % 1000 / 100.0);
        code = sqlite3_step(row) == SQLITE_DONE ? sqlite3_reset(row) : SQLITE_ERROR;
    }
    sqlite3_finalize(row);
    if (code == SQLITE_OK) code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    ql_span_end(&span);
    return code;
}

int night_read_tickets(sqlite3 *db, night *self)
{
    static const char sql[] = "SELECT sensor, group_concat(value, ' ') FROM (SELECT * FROM readings ORDER BY sensor) GROUP BY sensor";
    sqlite3_stmt *rows = NULL;
    QL_PROF_SPAN(span, "read tickets", "sqlite");
    int code = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
    for (int i = 0; code == SQLITE_OK && sqlite3_step(rows) == SQLITE_ROW && i < TICKETS; i++) {
        self->tickets[i] = malloc(4096);
        if (self->tickets[i] == NULL) code = SQLITE_NOMEM;
        else snprintf(self->tickets[i], 4096, "# Ticket %d\n\n%s\n", i, (const char *)sqlite3_column_text(rows, 1));
    }
    sqlite3_finalize(rows);
    ql_span_end(&span);
    return code;
}
