/*
 * Ingests some hundred notes with an embedder of its own: words are hashed into 512 places and go through two layers of 8-bit weights.
 * Usage: note_embedder FOLDER (capture.qprof and the index go there)
 */
#include "workbench.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS = 512, HIDDEN = 4096, DIMS = 256, NOTES = 300 };

typedef struct encoder {
    int8_t *first, *second; /* (HIDDEN, WORDS) and (DIMS, HIDDEN), of 1/127 */
} encoder;

/* in (count, columns), out (count, rows). A row of weights is unpacked once for all of `count`. */
static void multiply(const int8_t *weights, size_t rows, size_t columns, const float *in, size_t count, float *out)
{
    float row[HIDDEN];
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) row[c] = (float)weights[r * columns + c] / 127.0f;
        for (size_t t = 0; t < count; t++) {
            float sum = 0;
            for (size_t c = 0; c < columns; c++) sum += row[c] * in[t * columns + c];
            out[t * rows + r] = sum;
        }
    }
}

/* texts to out (count, DIMS). */
static ql_status forward(const encoder *self, const ql_str *texts, size_t count, float *out)
{
    QL_PROF_SPAN(span, "forward", "encoder");
    ql_span_int(&span, "texts", (int64_t)count);
    float *words = calloc(count, WORDS * sizeof *words), *hidden = calloc(count, HIDDEN * sizeof *hidden);
    ql_status status = words != NULL && hidden != NULL ? QL_OK : QL_E_NOMEM;
    if (status >= 0) {
        for (size_t i = 0; i < count; i++) workbench_count_words(texts[i], words + i * WORDS, WORDS);
        multiply(self->first, HIDDEN, WORDS, words, count, hidden);
        for (size_t i = 0; i < count * HIDDEN; i++) hidden[i] = hidden[i] > 0 ? hidden[i] : 0;
        multiply(self->second, DIMS, HIDDEN, hidden, count, out);
        workbench_unit_rows(out, count, DIMS);
    }
    free(words);
    free(hidden);
    ql_span_end(&span);
    return status;
}

static const char *model(void *self)
{
    (void)self;
    return "two-layers-256";
}

static uint32_t dims(void *self)
{
    (void)self;
    return DIMS;
}

static ql_status embed_texts(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    ql_status status = QL_OK;
    (void)role, (void)err;
    for (size_t i = 0; status >= 0 && i < count; i++)
        status = forward(self, &texts[i], 1, out + i * DIMS);
    return status;
}

static ql_status list_notes(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self, (void)err;
    return workbench_list(sink, "note", NOTES);
}

static ql_status fetch_note(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    char *text = malloc(512);
    int number = atoi(item->url.ptr + 5);
    (void)self, (void)err;
    if (text == NULL) return QL_E_NOMEM;
    snprintf(text, 512, "# Note %d\n\nShelf %d holds box %d since week %d; ask team %d before it is moved.\n", number, number % 17, number * 3, number % 52, number % 9);
    *token = text;
    *out = workbench_document(item, text);
    return QL_OK;
}

static ql_status ingest_notes(const char *folder, void *user, ql_error *err)
{
    static const ql_embedder_ops embedder = {.struct_size = sizeof embedder, .name = "two-layers", .model_fn = model, .dims_fn = dims, .embed_fn = embed_texts};
    static const ql_source_ops notes = {.struct_size = sizeof notes, .type = "notes", .list_fn = list_notes, .fetch_fn = fetch_note, .release_fn = workbench_release};
    return workbench_ingest(folder, 0, &embedder, user, &notes, NULL, err);
}

int main(int argc, char **argv)
{
    const size_t weights = (size_t)HIDDEN * (WORDS + DIMS);
    encoder self = {.first = malloc(weights)};
    uint32_t seed = 1;
    if (self.first == NULL || argc < 2) return 1;
    self.second = self.first + (size_t)HIDDEN * WORDS;
    for (size_t i = 0; i < weights; i++) self.first[i] = (int8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    int code = workbench_capture(argv[1], NULL, ingest_notes, &self);
    free(self.first);
    return code;
}
