/*
 * Profiles of this process over HTTP: /debug/pprof/profile, wall, heap and trace record for some seconds and answer with what was recorded, tasks answers at once.
 * Recording is a late answer (dep/http_server.h): one at a time. Threads: as the server calls. Cost: a capture in memory, and reading it afterwards.
 */
#ifndef QL_DEBUG_HTTP_H
#define QL_DEBUG_HTTP_H

#include "dep/http_server.h"

/* false: the path is none of these, and nothing was done. */
bool ql__debug_http_answer(const ql__http_request *request, ql__http_answer *answer);
/* What the former left for later: a ql__http_late_fn. */
void ql__debug_http_record(void *user, const ql__http_request *request, const ql__http_watch *watch, ql__http_answer *answer);

#endif
