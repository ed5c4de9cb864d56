/* See workbench.h. */
#include "workbench.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 512 };

int workbench_capture(const char *folder, const ql_prof_options *chosen, ql_status (*work_fn)(const char *folder, void *user, ql_error *err), void *user)
{
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    if (chosen != NULL) options = *chosen;
    options.folder = folder;
    ql_status status = ql_prof_start(&options, &prof, &err);
    if (status >= 0) {
        status = work_fn(folder, user, &err);
        ql_status stopped = ql_prof_stop(prof, status < 0 ? NULL : &err);
        if (status >= 0) status = stopped;
    }
    if (status < 0) fprintf(stderr, "%s: %s\n", ql_status_name(status), err.message);
    ql_prof_free(prof);
    return status < 0;
}

void workbench_count_words(ql_str text, float *row, size_t width)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && isalnum((unsigned char)text.ptr[i])) {
            hash = (hash ^ (uint32_t)tolower((unsigned char)text.ptr[i])) * 16777619u;
        } else if (hash != 2166136261u) {
            row[hash % width] += 1;
            hash = 2166136261u;
        }
    }
}

void workbench_unit_rows(float *rows, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++) {
        float *row = rows + i * width, squares = 0;
        for (size_t d = 0; d < width; d++) squares += row[d] * row[d];
        if (!(squares > 0)) row[0] = squares = 1;
        for (size_t d = 0; d < width; d++) row[d] /= sqrtf(squares);
    }
}

static const char *words_model(void *self)
{
    (void)self;
    return "hashed-words-512";
}

static uint32_t words_dims(void *self)
{
    (void)self;
    return WIDTH;
}

static ql_status words_embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)self, (void)role, (void)err;
    memset(out, 0, count * WIDTH * sizeof *out);
    for (size_t i = 0; i < count; i++) workbench_count_words(texts[i], out + i * WIDTH, WIDTH);
    workbench_unit_rows(out, count, WIDTH);
    return QL_OK;
}

ql_status workbench_ingest(const char *folder, uint32_t threads, const ql_embedder_ops *embedder, void *embedder_self, const ql_source_ops *source, void *source_self, ql_error *err)
{
    static const ql_embedder_ops words = {.struct_size = sizeof words, .name = "words", .model_fn = words_model, .dims_fn = words_dims, .embed_fn = words_embed};
    char index[4096];
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_runtime_options settings = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    if (embedder == NULL) embedder = &words;
    snprintf(index, sizeof index, "%s/index", folder);
    settings.threads = threads;
    options.data_dir = index;
    options.embedder = embedder->name;
    ql_status status = ql_runtime_new(&settings, &runtime, err);
    if (status >= 0) status = ql_embedder_register(runtime, embedder, embedder_self, err);
    if (status >= 0) status = ql_workspace_open(runtime, &options, &workspace, NULL, err);
    if (status >= 0) status = ql_ingest_source(workspace, QL_STR("team"), ql_str_of(source->type), source, source_self, NULL, NULL, err);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return status;
}

ql_status workbench_list(const ql_source_sink *sink, const char *kind, int count)
{
    for (int i = 0; i < count; i++) {
        char url[64];
        snprintf(url, sizeof url, "%s:%d", kind, i);
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(url), .version = QL_STR("1")};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

ql_document workbench_document(const ql_item *item, const char *text)
{
    ql_document document = {.struct_size = sizeof document, .url = item->url, .title = item->url, .content_type = QL_STR("md"), .content = ql_str_of(text),
                            .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    return document;
}

void workbench_release(void *self, void *token)
{
    (void)self;
    free(token);
}
