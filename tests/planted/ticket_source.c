/*
 * Ingests the tickets of a tracker, a SQLite file that it makes first: a document a ticket, with the work that was done.
 * Usage: ticket_source FOLDER (tracker.db, capture.qprof and the index go there)
 */
#include "workbench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICKETS = 800, ENTRIES = 150 };

/* Minutes that one entry tells of, or -1; a remarkable entry is appended to the text. */
static int read_entry(sqlite3 *db, int64_t id, ql_buf *text)
{
    static const char sql[] = "SELECT minutes, person, comment FROM worklog WHERE id = ?1";
    sqlite3_stmt *row = NULL;
    int minutes = -1;
    QL_PROF_SPAN(span, "query", "sqlite");
    ql_span_text(&span, "sql", QL_STR(sql));
    int code = sqlite3_prepare_v2(db, sql, -1, &row, NULL);
    if (code == SQLITE_OK) code = sqlite3_bind_int64(row, 1, id);
    if (code == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW) minutes = sqlite3_column_int(row, 0);
    if (minutes > 470) {
        char line[256];
        snprintf(line, sizeof line, "**%s**, %d minutes: %s\n\n", (const char *)sqlite3_column_text(row, 1), minutes, (const char *)sqlite3_column_text(row, 2));
        if (ql_buf_append(text, ql_str_of(line)) < 0) minutes = -1;
    }
    sqlite3_finalize(row);
    ql_span_end(&span);
    return minutes;
}

static int read_worklog(sqlite3 *db, int ticket, ql_buf *text)
{
    static const char sql[] = "SELECT id FROM worklog WHERE ticket = ?1 ORDER BY id";
    char line[64];
    sqlite3_stmt *rows = NULL;
    int sum = 0, minutes = 0;
    QL_PROF_SPAN(span, "worklog", "tracker");
    ql_span_int(&span, "ticket", ticket);
    int code = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
    if (code == SQLITE_OK) code = sqlite3_bind_int(rows, 1, ticket);
    while (code == SQLITE_OK && minutes >= 0 && sqlite3_step(rows) == SQLITE_ROW) {
        minutes = read_entry(db, sqlite3_column_int64(rows, 0), text);
        sum += minutes;
    }
    sqlite3_finalize(rows);
    ql_span_end(&span);
    snprintf(line, sizeof line, "Worked %d hours.\n", sum / 60);
    return code == SQLITE_OK && (minutes < 0 || ql_buf_append(text, ql_str_of(line)) < 0) ? SQLITE_ERROR : code;
}

static ql_status list_tickets(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self, (void)err;
    return workbench_list(sink, "ticket", TICKETS);
}

/* May run on several threads: the connection is opened for that (SQLITE_OPEN_FULLMUTEX). */
static ql_status fetch_ticket(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    int number = atoi(item->url.ptr + 7);
    char heading[64];
    ql_buf *text = calloc(1, sizeof *text);
    if (text == NULL) return QL_E_NOMEM;
    *text = (ql_buf)QL_BUF_INIT;
    snprintf(heading, sizeof heading, "# Ticket %d\n\n", number);
    ql_status status = ql_buf_append(text, ql_str_of(heading));
    int code = status < 0 ? SQLITE_NOMEM : read_worklog(self, number, text);
    *token = text;
    *out = workbench_document(item, ql_buf_cstr(text));
    if (code == SQLITE_OK) return QL_OK;
    snprintf(err->message, sizeof err->message, "ticket %d: %s", number, sqlite3_errmsg(self));
    ql_buf_dispose(text);
    free(text);
    return QL_E_IO;
}

static void release_ticket(void *self, void *token)
{
    (void)self;
    ql_buf_dispose(token);
    free(token);
}

static ql_status ingest_tickets(const char *folder, void *user, ql_error *err)
{
    static const ql_source_ops tickets = {.struct_size = sizeof tickets, .type = "tickets", .list_fn = list_tickets, .fetch_fn = fetch_ticket, .release_fn = release_ticket};
    return workbench_ingest(folder, 1, NULL, NULL, &tickets, user, err);
}

static int make_tracker(sqlite3 *db)
{
    sqlite3_stmt *row = NULL;
    int code = sqlite3_exec(db, "CREATE TABLE worklog (id INTEGER PRIMARY KEY, ticket INTEGER, minutes INTEGER, person TEXT, comment TEXT);"
                                "CREATE INDEX worklog_of_tickets ON worklog (ticket); BEGIN", NULL, NULL, NULL);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(db, "INSERT INTO worklog (ticket, minutes, person, comment) VALUES (?1, ?2 * 7919 % 480, "
                                                         "'user' || (?2 % 37), 'Worker ' || (?2 % 11) || ' again.')", -1, &row, NULL);
    for (int i = 0; code == SQLITE_OK && i < TICKETS * ENTRIES; i++) {
        sqlite3_bind_int(row, 1, i % TICKETS);
        sqlite3_bind_int(row, 2, i);
        code = sqlite3_step(row) == SQLITE_DONE ? sqlite3_reset(row) : SQLITE_ERROR;
    }
    sqlite3_finalize(row);
    return code == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : code;
}

int main(int argc, char **argv)
{
    char path[4096];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/tracker.db", argc > 1 ? argv[1] : ".");
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
    if (code == SQLITE_OK) code = make_tracker(db);
    if (code != SQLITE_OK) fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
    else code = workbench_capture(argc > 1 ? argv[1] : ".", NULL, ingest_tickets, db);
    sqlite3_close(db);
    return code != 0;
}
