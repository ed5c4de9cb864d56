/*
 * Stores the readings of some hundred sensors in SQLite.
 * Usage: reading_writer FOLDER (readings.db and capture.qprof go there)
 */
#include "workbench.h"

#include <sqlite3.h>
#include <stdio.h>

enum { READINGS = 2000, SENSORS = 200 };

typedef struct reading {
    int sensor;
    int64_t time_s;
    double value;
} reading;

static int store_reading(sqlite3 *db, const reading *one)
{
    sqlite3_stmt *row = NULL;
    QL_PROF_SPAN(span, "insert reading", "sqlite");
    int code = sqlite3_prepare_v2(db, "INSERT INTO readings (sensor, time_s, value) VALUES (?1, ?2, ?3)", -1, &row, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_int(row, 1, one->sensor);
        sqlite3_bind_int64(row, 2, one->time_s);
        sqlite3_bind_double(row, 3, one->value);
        code = sqlite3_step(row) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
    }
    sqlite3_finalize(row);
    ql_span_end(&span);
    return code;
}

static int store_readings(sqlite3 *db)
{
    int code = SQLITE_OK;
    for (int i = 0; code == SQLITE_OK && i < READINGS; i++) {
        reading one = {.sensor = i % SENSORS, .time_s = 1700000000 + i / SENSORS * 60, .value = 20.0 + (i * 7919 % 1000) / 100.0};
        code = store_reading(db, &one);
    }
    return code;
}

static ql_status record(const char *folder, void *user, ql_error *err)
{
    char path[4096];
    sqlite3 *db = NULL;
    (void)user;
    snprintf(path, sizeof path, "%s/readings.db", folder);
    int code = sqlite3_open(path, &db);
    if (code == SQLITE_OK) code = sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE readings (sensor INTEGER, time_s INTEGER, value REAL)", NULL, NULL, NULL);
    if (code == SQLITE_OK) code = store_readings(db);
    if (code != SQLITE_OK) snprintf(err->message, sizeof err->message, "%.100s: %.100s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return code == SQLITE_OK ? QL_OK : QL_E_IO;
}

int main(int argc, char **argv)
{
    return workbench_capture(argc > 1 ? argv[1] : ".", NULL, record, NULL);
}
