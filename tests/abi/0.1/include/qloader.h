/*
 * qloader.h - everything, for programs that link libqloader.
 *
 * What the library does to the process: it initialises libcurl and libgit2 (counted, on first use), blocks all signals in the
 * threads it starts, lets the signals of a calling thread wait while oneDNN computes in it (on processors with AMX, some tenths of a
 * second at a time: its kernels may use the stack pointer for something else), and opens heavy libraries (oneDNN, libgit2, grammars) on first use and keeps them. It
 * never writes to stdout or stderr, installs no signal handler, sets no locale and never exits. After fork() the child must not use objects of the parent.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(int argc, char **argv) {
 *         ql_runtime *runtime = NULL;
 *         ql_workspace *workspace = NULL;
 *         ql_results *results = NULL;
 *         ql_error err = {0};
 *         ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
 *         options.dir = argc > 1 ? argv[1] : ".";
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 ||
 *             ql_workspace_open(runtime, &options, &workspace, NULL, &err) < 0 ||
 *             ql_ingest(workspace, NULL, NULL, &err) < 0 ||
 *             ql_search(workspace, ql_str_of(argc > 2 ? argv[2] : "how do I start?"), NULL, &results, &err) < 0)
 *             fprintf(stderr, "error: %s\n", err.message);
 *         for (size_t i = 0; i < ql_results_count(results); i++) {
 *             const ql_hit *hit = ql_results_hit(results, i);
 *             printf("%.3f %.*s\n", hit->score, (int)hit->url.len, hit->url.ptr);
 *         }
 *         ql_results_free(results);
 *         ql_workspace_free(workspace);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_H
#define QLOADER_H

#include <qloader/base.h>
#include <qloader/bench.h>
#include <qloader/capture.h>
#include <qloader/chunk.h>
#include <qloader/convert.h>
#include <qloader/document.h>
#include <qloader/embed.h>
#include <qloader/ingest.h>
#include <qloader/live.h>
#include <qloader/log.h>
#include <qloader/metrics.h>
#include <qloader/model.h>
#include <qloader/op.h>
#include <qloader/prof.h>
#include <qloader/rerank.h>
#include <qloader/runtime.h>
#include <qloader/search.h>
#include <qloader/source.h>
#include <qloader/store.h>
#include <qloader/workspace.h>

#endif
