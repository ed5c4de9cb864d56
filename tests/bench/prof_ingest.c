/*
 * One ingest of a workspace, with the sources of a capture that are named, or without one: what prof_overhead.py runs by turns.
 * Usage: bench_prof_ingest WORKSPACE FOLDER [cpu=HZ] [wall=HZ] [heap] [memory] [spans]
 * Prints a JSON object: wall_ns and cpu_ns of the ingest, the capture's start and stop included; own_ns, samples and dropped of the capture.
 */
#include <qloader.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "heap_watch.h"

static uint64_t now_ns(clockid_t clock)
{
    struct timespec at = {0, 0};
    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

static bool parse(int argc, char **argv, ql_prof_options *options)
{
    for (int i = 3; i < argc; i++) {
        if (strncmp(argv[i], "cpu=", 4) == 0 || strncmp(argv[i], "wall=", 5) == 0) {
            options->sources |= argv[i][0] == 'c' ? QL_PROF_CPU : QL_PROF_WALL;
            options->rate_hz = (uint32_t)strtoul(strchr(argv[i], '=') + 1, NULL, 10);
        } else if (strcmp(argv[i], "heap") == 0) options->sources |= QL_PROF_HEAP;
        else if (strcmp(argv[i], "memory") == 0) options->sources |= QL_PROF_MEMORY;
        else if (strcmp(argv[i], "spans") == 0) options->sources |= QL_PROF_SPANS;
        else return false;
    }
    return argc >= 3;
}

static ql_status ingest(const char *dir, ql_ingest_report *report, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_workspace_options where = QL_WORKSPACE_OPTIONS_INIT;
    where.dir = dir;
    ql_status status = ql_runtime_new(NULL, &runtime, err);
    if (status >= 0) status = ql_workspace_open(runtime, &where, &workspace, NULL, err);
    if (status >= 0) status = ql_ingest(workspace, NULL, report, err);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return status;
}

int main(int argc, char **argv)
{
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    ql_prof_info info = {.struct_size = sizeof info};
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    heap_watch_begin();
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: bench_prof_ingest WORKSPACE FOLDER [cpu=HZ] [wall=HZ] [heap] [memory] [spans]\n");
        return 2;
    }
    options.folder = argv[2];
    uint64_t wall_ns = now_ns(CLOCK_MONOTONIC), cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    ql_status status = options.sources != 0 ? ql_prof_start(&options, &prof, &err) : QL_OK;
    if (status >= 0) status = ingest(argv[1], &report, &err);
    if (status >= 0 && prof != NULL) status = ql_prof_stop(prof, &err);
    wall_ns = now_ns(CLOCK_MONOTONIC) - wall_ns;
    cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
    if (status >= 0 && prof != NULL) status = ql_prof_info_read(prof, &info, &err);
    if (status < 0) fprintf(stderr, "%s: %s\n", ql_status_name(status), err.message);
    else
        printf("{\"wall_ns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64 ", \"own_ns\": %" PRIu64 ", \"samples\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"documents\": %" PRIu64 ", \"chunks\": %" PRIu64 "}\n",
               wall_ns, cpu_ns, info.own_ns, info.samples, info.dropped, report.added, report.chunks);
    ql_prof_free(prof);
    return status < 0;
}
