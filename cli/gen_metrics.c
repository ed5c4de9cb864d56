/* docs/metrics.md, from what the library says of its own metrics. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gen_docs.h"

static void put_head(FILE *out)
{
    fputs("# Metrics\n\n<!-- written by the test program.reference with QLOADER_UPDATE_DOCS=1 from the table in lib/prof/metric_table.h -->\n\n"
          "Numbers of a running process, for Prometheus and what reads its formats. `qloader ingest --metrics-port 8001` serves them at\n"
          "`http://127.0.0.1:8001/metrics` while it runs; a program asks for them by `ql_metrics_enable()` and `ql_metrics_write()`, or serves them by\n"
          "`ql_metrics_server_start()` ([metrics.h](../include/qloader/metrics.h)), and adds its own.\n\n"
          "- Formats: Prometheus text 0.0.4, or OpenMetrics 1.0.0 where the `Accept` header prefers it, with units and exemplars.\n"
          "- The server listens on 127.0.0.1 unless told otherwise, answers GET and HEAD only, and refuses requests whose `Host` or `Origin` names another place.\n"
          "  Elsewhere than on the loopback a token is advised: it is read from the variable `QLOADER_METRICS_TOKEN` and asked for as `Authorization: Bearer`.\n"
          "- With `--debug-http` (`QL_METRICS_SERVER_PROFILES`) it serves profiles of the process as well ([how](profiling.md#a-process-that-runs)): a token is needed then, and a loopback address.\n"
          "- Connections are at most 32 at a time, silent ones are closed after 5 s, a request may take 10 s and 16 KiB of headers.\n"
          "- A metric of an application has at most 1,000 series unless it says otherwise; what is beyond is counted in one series, `overflow=\"true\"`.\n"
          "- No text of documents or questions is in any of them; exemplars name documents by their id.\n\n"
          "A [dashboard for Grafana](monitoring/dashboard.json), [alert rules](monitoring/alerts.yml) and [how to set them up](monitoring/README.md) are in\n"
          "`docs/monitoring`.\n\n## What is counted\n\nNames as in the text format. A histogram `name` has the series `name_bucket`, `name_count` and `name_sum`.\n\n"
          "| metric | type | labels | |\n| --- | --- | --- | --- |\n",
          out);
}

static void put_labels(FILE *out, const json_t *metric)
{
    const char *label = json_string_value(json_object_get(metric, "label"));
    const json_t *values = json_object_get(metric, "values"), *value = NULL;
    size_t i = 0;
    if (label == NULL) return;
    fprintf(out, "`%s`: ", label);
    if (strcmp(label, "version") == 0) { /* the page is of every version */
        fputs("of the library", out);
        return;
    }
    json_array_foreach(values, i, value) fprintf(out, "%s%s", i > 0 ? ", " : "", json_string_value(value));
}

static void put_row(FILE *out, const json_t *metric)
{
    fprintf(out, "| `%s` | %s | ", json_string_value(json_object_get(metric, "name")), json_string_value(json_object_get(metric, "type")));
    put_labels(out, metric);
    fprintf(out, " | %s |\n", json_string_value(json_object_get(metric, "help")));
}

static void put_rows(FILE *out, const char *prefix, bool rest, const json_t *metrics)
{
    size_t i = 0;
    const json_t *metric = NULL;
    json_array_foreach(metrics, i, metric)
        if ((strncmp(json_string_value(json_object_get(metric, "name")), prefix, strlen(prefix)) == 0) != rest) put_row(out, metric);
}

void gen_metrics(FILE *out)
{
    ql_buf text = QL_BUF_INIT;
    json_t *metrics = ql_metrics_describe_json(&text, NULL) >= 0 ? json_loads(ql_buf_cstr(&text), 0, NULL) : NULL;
    ql_buf_dispose(&text);
    if (metrics == NULL) {
        fprintf(stderr, "gen_docs: the library does not describe its metrics\n");
        exit(1);
    }
    put_head(out);
    put_rows(out, "qdrant_", true, metrics);
    fputs("\n## Names of the Python project\n\nqdrant-loader defines these names and serves them nowhere (no command starts its exporter); dashboards made for them work. They count what it\n"
          "counts, except the sizes of queues, which it never sets.\n\n| metric | type | labels | |\n| --- | --- | --- | --- |\n",
          out);
    put_rows(out, "qdrant_", false, metrics);
    json_decref(metrics);
}
