/* The work behind ql_bench_http(): options are checked and whole, see qloader/bench.h. */
#ifndef QL_HTTP_LOAD_H
#define QL_HTTP_LOAD_H

#include <qloader/bench.h>

#define QL__LOAD_REQUESTS_MAX 1000
#define QL__LOAD_ROUNDS_MAX 1000000
#define QL__LOAD_CONCURRENCY_MAX 1000

ql_status ql__http_load(const ql_bench_request *requests, size_t count, const ql_bench_http_options *options, ql_bench_http_report *report, ql_error *err);

#endif
