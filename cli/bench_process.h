/* One run of a program, with what the kernel says it took. */
#ifndef CLI_BENCH_PROCESS_H
#define CLI_BENCH_PROCESS_H

#include <jansson.h>
#include <stdint.h>
#include <sys/resource.h>

#include <qloader.h>

typedef struct process_run {
    int wait_status;       /* of waitpid() */
    double wall_s;         /* from before the start to the end */
    struct rusage usage;   /* of the program and what it waited for */
    bool has_io;           /* the numbers below were there to read */
    uint64_t read_bytes, written_bytes;           /* through calls, from the page cache too */
    uint64_t disk_read_bytes, disk_written_bytes; /* from and to disks */
    json_t *output;        /* what it printed, where that was asked for and is JSON; else NULL. Owned by the caller */
    char last_words[400];  /* the end of what it wrote to stderr */
} process_run;

/*
 * Runs argv with stdin and stdout from and to /dev/null. Where this process is asked to stop, the child is told so, and waited for.
 * QL_E_NOTFOUND: no such program; QL_E_IO, QL_E_NOMEM; QL_E_CANCELLED: stopped.
 */
ql_status process_measure(char *const argv[], bool keep_json, process_run *out, ql_error *err);

#endif
