#include <qloader.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_results *results = NULL;
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.dir = argc > 1 ? argv[1] : ".";
    if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_workspace_open(runtime, &options, &workspace, NULL, &err) < 0 ||
        ql_ingest(workspace, NULL, NULL, &err) < 0 ||
        ql_search(workspace, ql_str_of(argc > 2 ? argv[2] : "how do I start?"), NULL, &results, &err) < 0)
        fprintf(stderr, "error: %s\n", err.message);
    for (size_t i = 0; i < ql_results_count(results); i++) {
        const ql_hit *hit = ql_results_hit(results, i);
        printf("%.3f %.*s\n", hit->score, (int)hit->url.len, hit->url.ptr);
    }
    ql_results_free(results);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return err.status < 0;
}
