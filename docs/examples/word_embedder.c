/*
 * An embedder, a chunker and a reranker of one's own. The embedder hashes words into 512 places (feature hashing: Weinberger and others,
 * "Feature Hashing for Large Scale Multitask Learning", 2009), which needs no model; the chunker cuts at empty lines; the
 * reranker prefers short passages. Usage: word_embedder FOLDER (with a config.yaml; keeps FOLDER/words-index)
 * Build: cc word_embedder.c -o word_embedder $(pkg-config --cflags --libs qloader) -lm
 */
#include <ctype.h>
#include <math.h>
#include <qloader.h>
#include <stdio.h>
#include <string.h>

#define DIMS 512

static const char *model(void *self)
{
    (void)self;
    return "words-512";
}

static uint32_t dims(void *self)
{
    (void)self;
    return DIMS;
}

static void add_words(ql_str text, float *row)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && isalnum((unsigned char)text.ptr[i])) {
            hash = (hash ^ (uint32_t)tolower((unsigned char)text.ptr[i])) * 16777619u;
        } else if (hash != 2166136261u) {
            row[hash % DIMS] += hash & 0x10000 ? 1.0f : -1.0f;
            hash = 2166136261u;
        }
    }
}

/* The library refuses vectors that are not of unit length. */
static ql_status embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)self, (void)role, (void)err;
    memset(out, 0, count * DIMS * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        float *row = out + i * DIMS, squares = 0;
        add_words(texts[i], row);
        for (size_t d = 0; d < DIMS; d++) squares += row[d] * row[d];
        if (squares == 0) row[0] = squares = 1;
        for (size_t d = 0; d < DIMS; d++) row[d] /= sqrtf(squares);
    }
    return QL_OK;
}

static bool accepts(void *self, const ql_document *document, const ql_canonical *canonical)
{
    (void)self, (void)canonical;
    return ql_str_equal(document->content_type, ql_str_of("md"));
}

/* Ends a chunk behind an empty line, or where the next one would be too long (a real one would look for a better place). */
static ql_status chunk(void *self, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *user, ql_error *err)
{
    const ql_str text = canonical->text;
    (void)self, (void)document, (void)err;
    for (size_t begin = 0, end; begin < text.len; begin = end) {
        for (end = begin + 1; end < text.len && end - begin < options->size_max; end++)
            if (text.ptr[end - 1] == '\n' && end - begin > 1 && text.ptr[end - 2] == '\n') break;
        while (end < text.len && ((unsigned char)text.ptr[end] & 0xc0) == 0x80) end--; /* not inside a character */
        ql_chunk cut = {.struct_size = sizeof cut, .begin = begin, .end = end, .metadata_json = ql_str_of("{\"cut_by\": \"paragraphs\"}")};
        if (emit(user, &cut) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

static ql_status rerank(void *self, ql_str question, const ql_hit *hits, size_t count, double *scores, ql_error *err)
{
    (void)self, (void)question, (void)err;
    for (size_t i = 0; i < count; i++) scores[i] = hits[i].score / (1 + (double)hits[i].text.len / 1000);
    return QL_OK;
}

static ql_status register_all(ql_runtime *runtime, ql_error *err)
{
    static const ql_embedder_ops embedder = {.struct_size = sizeof embedder, .name = "words", .model_fn = model, .dims_fn = dims, .embed_fn = embed};
    static const ql_chunker_ops chunker = {.struct_size = sizeof chunker, .version = 1, .name = "paragraphs", .accepts_fn = accepts, .chunk_fn = chunk};
    static const ql_reranker_ops reranker = {.struct_size = sizeof reranker, .name = "short", .rerank_fn = rerank};
    ql_status status = ql_embedder_register(runtime, &embedder, NULL, err);
    if (status >= 0) status = ql_chunker_register(runtime, &chunker, NULL, err);
    return status < 0 ? status : ql_reranker_register(runtime, &reranker, NULL, err);
}

static ql_status ask(ql_workspace *workspace, ql_error *err)
{
    ql_search_options options;
    ql_results *results = NULL;
    ql_search_options_init(&options);
    options.reranker = "short";
    ql_status status = ql_ingest(workspace, NULL, NULL, err);
    if (status >= 0) status = ql_search(workspace, ql_str_of("start the server"), &options, &results, err);
    if (ql_results_count(results) > 0) printf("%s\n%s\n", ql_results_hit(results, 0)->url.ptr, ql_results_hit(results, 0)->metadata_json.ptr);
    ql_results_free(results);
    return status;
}

int main(int argc, char **argv)
{
    char index[4096];
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.dir = argc > 1 ? argv[1] : ".";
    snprintf(index, sizeof index, "%s/words-index", options.dir);
    options.data_dir = index;
    options.embedder = "words";
    ql_status status = ql_runtime_new(NULL, &runtime, &err);
    if (status >= 0) status = register_all(runtime, &err); /* before the first workspace */
    if (status >= 0) status = ql_workspace_open(runtime, &options, &workspace, NULL, &err);
    if (status >= 0) status = ask(workspace, &err);
    if (status < 0) fprintf(stderr, "%s\n", err.message);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return status < 0;
}
