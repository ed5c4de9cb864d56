/* Everything that is made of a capture, in a folder: for --profile=DIR and prof convert --to all. */
#ifndef CLI_PROF_SET_H
#define CLI_PROF_SET_H

#include "command.h"

/*
 * Writes into `folder`, which is there, what the capture has: pprof files by kind, profile.out, speedscope, collapsed stacks, flame graph, trace, memory as
 * pictures and for mprof, report. whole false: profile.out alone. pid names the file for mprof, 0: "capture" does.
 * What the capture has no samples of is left out, and a file of that name removed; so are the pictures where their library is missing, with QL_E_UNSUPPORTED at the end. *count: files written.
 */
ql_status prof_write_set(const ql_capture *capture, const char *folder, bool whole, long pid, unsigned *count, ql_error *err);
/* ql_capture_open(); a folder stands for the capture in it, as --profile=DIR leaves one. */
ql_status prof_set_open(const char *path, uint32_t flags, ql_capture **out, ql_error *err);
/* QL_E_IO: a folder stands where prof_write_set() will want a file. */
ql_status prof_check_set(const char *folder, bool whole, ql_error *err);
/* Removes from `folder` what an earlier call wrote there; whole as above. What is not there is fine. */
ql_status prof_clear_set(const char *folder, bool whole, ql_error *err);

#endif
