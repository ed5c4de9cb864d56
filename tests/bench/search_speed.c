/*
 * bench_search: the store's searches on given passages and questions, one round at a time, so that search.py can let others take turns.
 *
 * bench_search build DIR TEXTS VECTORS   makes an index: a chunk for each line of TEXTS with its row of VECTORS (float32, 384 a row)
 * bench_search run DIR TEXTS VECTORS     TEXTS and VECTORS of questions. Each word on stdin is answered by a JSON object on stdout:
 *   dense, filtered, newly_filtered, sparse, hybrid
 *                                        {"p50_ms", "p99_ms", "hits": [[line, ...] of each question]}; filtered: one chunk in a hundred passes, newly:
 *                                        by a filter that none of the last eight questions had;
 *                                        hybrid: a whole search besides the embedding of the question, texts of ten hits included
 *   size                                 {"documents", "vector_bytes", "database_bytes"}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/status.h"
#include "search/search.h"
#include "store/store.h"

#define DIMS 384
#define K 10
#define CHUNKS_EACH 5
#define INPUT_BYTES_MAX ((size_t)64 << 30)
#define SOURCES 100 /* a filter for one of them keeps one document in a hundred */

static ql_error error;

static void need(ql_status st, const char *what)
{
    if (st >= 0) return;
    fprintf(stderr, "bench_search: %s: %s\n", what, error.message);
    exit(1);
}

typedef struct input {
    ql_buf text, rows;
    ql_str *lines;
    size_t count;
    const float *vectors; /* (count, DIMS) */
} input;

static void input_read(input *self, const char *texts, const char *vectors)
{
    *self = (input){.text = QL_BUF_INIT, .rows = QL_BUF_INIT};
    self->text.limit_bytes = self->rows.limit_bytes = INPUT_BYTES_MAX;
    need(ql__file_read_all(ql__sys_default(), texts, &self->text, &error), texts);
    need(ql__file_read_all(ql__sys_default(), vectors, &self->rows, &error), vectors);
    self->lines = calloc(self->text.len + 1, sizeof *self->lines);
    for (char *at = self->text.ptr, *end = at + self->text.len, *line; at < end; at = line + 1) {
        line = memchr(at, '\n', (size_t)(end - at));
        if (line == NULL) line = end;
        self->lines[self->count++] = (ql_str){at, (size_t)(line - at)};
    }
    self->vectors = (const float *)(const void *)self->rows.ptr;
    if (self->rows.len != self->count * DIMS * sizeof(float)) need(ql__fail(&error, QL_E_INVALID, "not a row of %d for each line", DIMS), vectors);
}

static void input_dispose(input *self)
{
    ql_buf_dispose(&self->text);
    ql_buf_dispose(&self->rows);
    free(self->lines);
}

static void build(const char *dir, const input *from)
{
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir, .collection = "bench", .write = true, .dims = DIMS, .model = "bench"};
    need(ql__store_open(&options, &store, &error), "open");
    for (size_t i = 0; i < from->count;) {
        need(ql__store_begin(store, &error), "begin");
        for (size_t end = i + 20000; i < from->count && i < end; i += CHUNKS_EACH) {
            char id[24], source[24], ids[CHUNKS_EACH][24];
            ql_store_chunk chunks[CHUNKS_EACH];
            size_t count = from->count - i < CHUNKS_EACH ? from->count - i : CHUNKS_EACH;
            for (size_t c = 0; c < count; c++) {
                snprintf(ids[c], sizeof ids[c], "%zu", i + c);
                chunks[c] = (ql_store_chunk){.struct_size = sizeof *chunks, .id = ql_str_of(ids[c]), .vector = from->vectors + (i + c) * DIMS, .terms_text = from->lines[i + c],
                                             .chunk = {.struct_size = sizeof(ql_chunk), .index = (uint32_t)c, .text = from->lines[i + c]}};
            }
            snprintf(id, sizeof id, "d%zu", i);
            snprintf(source, sizeof source, "s%zu", i / CHUNKS_EACH % SOURCES);
            ql_store_document document = {.struct_size = sizeof document, .project = QL_STR("p"), .source_type = QL_STR("t"), .source = ql_str_of(source), .url = ql_str_of(id),
                                          .id = ql_str_of(id), .title = ql_str_of(id), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN, .chunks = chunks,
                                          .chunk_count = count};
            need(ql__store_replace(store, &document, &error), "replace");
        }
        need(ql__store_commit(store, &error), "commit");
    }
    need(ql__store_compact_now(store, &error), "compact");
    ql__store_free(store);
}

/* --- searches --- */

typedef struct bench {
    const input *questions;
    ql__store *store;
    ql__snapshot *snapshot;
    ql__backend backend;
    ql__backend_view view;
    ql__analyzer *analyzer;
    size_t question; /* whose vector the embedder gives */
} bench;

static const char *model(void *self)
{
    (void)self;
    return "bench";
}

static uint32_t dims(void *self)
{
    (void)self;
    return DIMS;
}

static ql_status give_vector(void *user, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    const bench *self = user;
    (void)role, (void)texts, (void)count, (void)err;
    memcpy(out, self->questions->vectors + self->question * DIMS, DIMS * sizeof *out);
    return QL_OK;
}

static const ql_embedder_ops ready = {.struct_size = sizeof ready, .name = "ready", .model_fn = model, .dims_fn = dims, .embed_fn = give_vector};

typedef struct term_list {
    ql_buf text;
    size_t starts[256], count;
} term_list;

static int add_term(void *user, ql_str term)
{
    term_list *self = user;
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->text.ptr + self->starts[i], term.ptr) == 0) return 0;
    if (self->count == sizeof self->starts / sizeof *self->starts) return 0;
    self->starts[self->count++] = self->text.len;
    ql_buf_append(&self->text, term);
    return ql_buf_append_char(&self->text, '\0') < 0;
}

static size_t sparse(bench *self, ql__score *out)
{
    term_list list = {.text = QL_BUF_INIT};
    ql_str terms[256];
    float weights[256];
    size_t found = 0;
    need(ql__analyzer_run(self->analyzer, self->questions->lines[self->question], add_term, &list, &error), "words");
    for (size_t i = 0; i < list.count; i++) {
        terms[i] = ql_str_of(list.text.ptr + list.starts[i]);
        weights[i] = 1;
    }
    need(ql__snapshot_sparse(self->snapshot, terms, weights, list.count, NULL, K, out, &found, &error), "sparse");
    ql_buf_dispose(&list.text);
    return found;
}

static size_t dense(bench *self, const ql_filter *filter, ql__score *out)
{
    ql__mask *mask = NULL;
    size_t found = 0;
    need(ql__snapshot_mask(self->snapshot, filter, &mask, &error), "filter");
    need(ql__snapshot_dense(self->snapshot, self->questions->vectors + self->question * DIMS, mask, K, out, &found, &error), "dense");
    ql__mask_free(mask);
    return found;
}

static size_t hybrid(bench *self, ql__score *out)
{
    ql__search_engine engine = {&self->view, self->analyzer, &ready, self};
    ql__search_results found;
    need(ql__search_run(&engine, self->questions->lines[self->question], NULL, &found, &error), "search");
    size_t count = found.count;
    for (size_t i = 0; i < count; i++) out[i].slot = found.hits[i].slot;
    ql__search_results_dispose(&found);
    return count;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

/* Slots are in the order of writing, so that a slot is the number of a line. */
static void answer(bench *self, const char *word)
{
    size_t count = self->questions->count;
    double *times = calloc(count, sizeof *times);
    ql__score *hits = calloc(count * K, sizeof *hits);
    size_t *found = calloc(count, sizeof *found);
    for (self->question = 0; self->question < count; self->question++) {
        size_t q = self->question;
        char source[8];
        bool filtered = strcmp(word, "filtered") == 0, newly = strcmp(word, "newly_filtered") == 0;
        snprintf(source, sizeof source, "s%zu", newly ? q % SOURCES : q % 2 ? 3 : 7);
        ql_filter filter = {.struct_size = sizeof filter, .source = ql_str_of(source), .since_ms = QL_TIME_UNKNOWN, .until_ms = QL_TIME_UNKNOWN};
        double begin = now_ms();
        if (strcmp(word, "sparse") == 0) found[q] = sparse(self, hits + q * K);
        else if (strcmp(word, "hybrid") == 0) found[q] = hybrid(self, hits + q * K);
        else found[q] = dense(self, filtered || newly ? &filter : NULL, hits + q * K);
        times[q] = now_ms() - begin;
    }
    printf("{\"hits\": [");
    for (size_t q = 0; q < count; q++) {
        printf("%s[", q ? "," : "");
        for (size_t i = 0; i < found[q]; i++) printf("%s%llu", i ? "," : "", (unsigned long long)hits[q * K + i].slot);
        printf("]");
    }
    qsort(times, count, sizeof *times, ascending);
    printf("], \"p50_ms\": %.4f, \"p99_ms\": %.4f}\n", times[count / 2], times[count * 99 / 100]);
    free(times);
    free(hits);
    free(found);
}

static void tell_size(bench *self)
{
    ql__store_stats stats;
    need(ql__store_stats_read(self->store, &stats, &error), "size");
    printf("{\"chunks\": %llu, \"vector_bytes\": %llu, \"database_bytes\": %llu}\n", (unsigned long long)stats.chunks, (unsigned long long)stats.vector_bytes,
           (unsigned long long)stats.database_bytes);
}

static void run(const char *dir, const input *questions)
{
    bench self = {.questions = questions};
    ql__store_options options = {.dir = dir, .collection = "bench"};
    char word[32];
    need(ql__store_open(&options, &self.store, &error), "open");
    need(ql__snapshot_open(self.store, &self.snapshot, &error), "snapshot");
    self.backend = (ql__backend){.ops = ql__store_embedded(), .store = self.store};
    need(ql__backend_view_open(&self.backend, &self.view, &error), "view");
    need(ql__analyzer_new(&self.analyzer, &error), "analyzer");
    while (scanf("%31s", word) == 1) {
        if (strcmp(word, "size") == 0) tell_size(&self);
        else answer(&self, word);
        fflush(stdout);
    }
    ql__analyzer_free(self.analyzer);
    ql__backend_view_close(&self.view);
    ql__snapshot_free(self.snapshot);
    ql__store_free(self.store);
}

int main(int argc, char **argv)
{
    bool building = argc == 5 && strcmp(argv[1], "build") == 0;
    if (argc != 5 || (!building && strcmp(argv[1], "run") != 0)) {
        fprintf(stderr, "usage: bench_search build|run DIR TEXTS VECTORS\n");
        return 2;
    }
    input from;
    input_read(&from, argv[3], argv[4]);
    if (building) build(argv[2], &from);
    else run(argv[2], &from);
    input_dispose(&from);
    return 0;
}
