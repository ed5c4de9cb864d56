/*
 * A source of one's own: every line of a text file is a document. Lines that go from the file go from the index, lines that
 * stay are not embedded again. Usage: notes_source FOLDER (keeps FOLDER/notes.txt and FOLDER/notes-index)
 * Build: cc notes_source.c -o notes_source $(pkg-config --cflags --libs qloader)
 */
#include <qloader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct notes {
    char *lines[100];
    size_t count;
} notes;

/* The line is its own version: another text is another version of the same document. */
static ql_status list(void *self, const ql_source_sink *sink, ql_error *err)
{
    const notes *all = self;
    (void)err;
    for (size_t i = 0; i < all->count; i++) {
        char url[32];
        snprintf(url, sizeof url, "note:%zu", i + 1);
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(url), .version = ql_str_of(all->lines[i])};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return QL_OK; /* complete: what was not listed is gone */
}

/* May run on several threads at once: it only reads. */
static ql_status fetch(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    const notes *all = self;
    size_t number = strtoul(item->url.ptr + 5, NULL, 10);
    (void)err, (void)token;
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = item->url, .content_type = ql_str_of("txt"),
                         .content = ql_str_of(all->lines[number - 1]), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    return QL_OK;
}

static void release(void *self, void *token)
{
    (void)self, (void)token;
}

static ql_status run(ql_workspace *workspace, notes *all, ql_error *err)
{
    static const ql_source_ops ops = {.struct_size = sizeof ops, .type = "notes", .list_fn = list, .fetch_fn = fetch, .release_fn = release};
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_results *results = NULL;
    ql_status status = ql_ingest_source(workspace, ql_str_of("me"), ql_str_of("notes"), &ops, all, NULL, &report, err);
    printf("%llu added, %llu deleted\n", (unsigned long long)report.added, (unsigned long long)report.deleted);
    if (status >= 0) status = ql_search(workspace, ql_str_of("when is the dentist?"), NULL, &results, err);
    if (ql_results_count(results) > 0) printf("%s\n", ql_results_hit(results, 0)->text.ptr);
    ql_results_free(results);
    return status;
}

int main(int argc, char **argv)
{
    char index[4096];
    notes all = {{"Buy milk and bread.", "Dentist on Monday at nine.", "The spare key is under the stone."}, 3};
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    snprintf(index, sizeof index, "%s/notes-index", argc > 1 ? argv[1] : ".");
    options.data_dir = index; /* without a config.yaml */
    ql_status status = ql_runtime_new(NULL, &runtime, &err);
    if (status >= 0) status = ql_workspace_open(runtime, &options, &workspace, NULL, &err);
    if (status >= 0) status = run(workspace, &all, &err);
    all.count = 2; /* the last note is thrown away */
    if (status >= 0) status = run(workspace, &all, &err);
    if (status < 0) fprintf(stderr, "%s\n", err.message);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return status < 0;
}
