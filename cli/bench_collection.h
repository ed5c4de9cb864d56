/*
 * Requests to be measured: of addresses on the command line, or of a collection file in the form that API clients share (Postman Collection 2.1). Of that
 * form are read: names, folders, methods, addresses, headers, raw bodies, bearer tokens, variables. Scripts are left out and told; other kinds of bodies
 * and of authorisation are errors, as requests without them would measure something else.
 */
#ifndef CLI_BENCH_COLLECTION_H
#define CLI_BENCH_COLLECTION_H

#include <jansson.h>

#include <qloader.h>

#define COLLECTION_REQUESTS_MAX 1000
#define COLLECTION_DEPTH_MAX 32

typedef struct bench_request {
    char *name, *method, *url;
    char *body;      /* NULL: none */
    char **headers;  /* "Name: value" */
    size_t header_count;
} bench_request;

typedef struct bench_collection {
    char *name;
    bench_request *requests;
    size_t count;
    size_t scripts; /* that were left out */
} bench_collection;

/* A value for {{name}}; the later of two wins over the earlier, and over the collection's own. */
typedef struct bench_variable {
    const char *name;
    const char *value;
} bench_variable;

/* text: the file's. QL_E_FORMAT: no such collection; QL_E_UNSUPPORTED: it asks for what cannot be done; QL_E_NOTFOUND: a variable without a value; QL_E_LIMIT, QL_E_NOMEM. */
ql_status collection_parse(ql_str text, const bench_variable *variables, size_t variable_count, bench_collection *out, ql_error *err);
/* Keeps the requests whose name is one of these or begins with one as a folder ("Qdrant" keeps "Qdrant / scroll"). */
void collection_keep(bench_collection *self, const char *const *names, size_t count);
/* GET of each address. QL_E_NOMEM. */
ql_status collection_of_urls(char *const *urls, size_t count, bench_collection *out);
void collection_dispose(bench_collection *self);

#endif
