/* See planted.h. */
#include "planted.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 256, WORDS = 60, WORD_BYTES = 12 };

int planted_run(const char *folder, uint32_t sources, planted_work_fn work_fn, void *user)
{
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = sources;
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

/* --- texts --- */

static ql_status list_texts(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)err;
    for (int i = 0; i < ((const planted_library *)self)->count; i++) {
        char url[32];
        snprintf(url, sizeof url, "text:%d", i);
        const ql_item item = {.struct_size = sizeof item, .url = ql_str_of(url), .version = QL_STR("1")};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

static ql_status fetch_text(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    int number = atoi(item->url.ptr + strlen("text:")), paragraphs = ((const planted_library *)self)->paragraphs_fn(number);
    size_t size = 64 + (size_t)paragraphs * (WORDS * WORD_BYTES + 2), at;
    char *text = malloc(size);
    uint32_t seed = (uint32_t)number * 7919 + 1;
    (void)err;
    if (text == NULL) return QL_E_NOMEM;
    at = (size_t)snprintf(text, size, "# Text %d\n\n", number);
    for (int i = 0; i < paragraphs * WORDS; i++) {
        seed = seed * 1664525u + 1013904223u;
        at += (size_t)snprintf(text + at, size - at, "word%u%s", seed >> 25, i % WORDS == WORDS - 1 ? ".\n\n" : " ");
    }
    *token = text;
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = item->url, .content_type = QL_STR("md"), .content = {text, at}, .created_at_ms = QL_TIME_UNKNOWN,
                         .updated_at_ms = QL_TIME_UNKNOWN};
    return QL_OK;
}

static void release_text(void *self, void *token)
{
    (void)self;
    free(token);
}

const ql_source_ops planted_texts = {.struct_size = sizeof planted_texts, .type = "texts", .list_fn = list_texts, .fetch_fn = fetch_text, .release_fn = release_text};

/* --- vectors --- */

static const char *words_model(void *self)
{
    (void)self;
    return "planted-words-256";
}

static uint32_t words_dims(void *self)
{
    (void)self;
    return WIDTH;
}

static ql_status embed_words(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)self, (void)role, (void)err;
    memset(out, 0, count * WIDTH * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        float *row = out + i * WIDTH, squares = 0;
        uint32_t hash = 2166136261u; /* FNV-1a */
        row[0] = 1;
        for (size_t c = 0; c < texts[i].len; c++) {
            hash = (hash ^ (unsigned char)texts[i].ptr[c]) * 16777619u;
            if (texts[i].ptr[c] == ' ') row[hash % WIDTH] += 1;
        }
        for (size_t d = 0; d < WIDTH; d++) squares += row[d] * row[d];
        for (size_t d = 0; d < WIDTH; d++) row[d] /= sqrtf(squares);
    }
    return QL_OK;
}

const ql_embedder_ops planted_words = {.struct_size = sizeof planted_words, .name = "words", .model_fn = words_model, .dims_fn = words_dims, .embed_fn = embed_words};

/* --- ingest --- */

ql_status planted_ingest_once(planted_ingest *self, ql_error *err)
{
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.force = self->force;
    return ql_ingest_source(self->workspace, QL_STR("team"), QL_STR("texts"), &planted_texts, (void *)(uintptr_t)self->library, &options, NULL, err);
}

ql_status planted_with_workspace(planted_ingest *self, const char *folder, ql_status (*work_fn)(planted_ingest *self, ql_error *err), ql_error *err)
{
    char index[4096];
    ql_runtime *runtime = NULL;
    ql_runtime_options settings = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    snprintf(index, sizeof index, "%s/index", folder);
    settings.threads = 2; /* stages on threads of their own, however small the machine */
    options.data_dir = index;
    options.embedder = self->embedder->name;
    ql_status status = ql_runtime_new(&settings, &runtime, err);
    if (status >= 0) status = ql_embedder_register(runtime, self->embedder, NULL, err);
    if (status >= 0) status = ql_workspace_open(runtime, &options, &self->workspace, NULL, err);
    if (status >= 0) status = work_fn(self, err);
    ql_workspace_free(self->workspace);
    ql_runtime_free(runtime);
    return status;
}
