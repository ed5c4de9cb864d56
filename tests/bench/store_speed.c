/*
 * bench_store [CHUNKS [CHUNKS_PER_COMMIT [DIR]]]: rate of writing, size, time to open, and searches of the store alone.
 *
 * Input is made up: chunks of about 100 words out of 50,000 (1/rank), 384 dimensions; vectors round 300 topics and 5,000 subtopics, with a
 * nearest neighbour at cosine 0.65 and unrelated ones at 0.1, like those of sentence models. Reported are wall and CPU time, so that a
 * loaded machine shows; medians of 200 queries, one thread. Recall is against the scores of all chunks, for every second query.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "support/store_docs.h"

#define DIMS 384
#define TOPICS 300
#define SUBTOPICS 5000
#define CHUNKS_EACH 5
#define QUERIES 200
#define K 10

static ql_error error;

static void need(ql_status st, const char *what)
{
    if (st >= 0) return;
    fprintf(stderr, "%s: %s\n", what, error.message);
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

typedef struct stopwatch {
    double wall, cpu;
} stopwatch;

static stopwatch start(void)
{
    return (stopwatch){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static stopwatch since(stopwatch begin)
{
    return (stopwatch){seconds(CLOCK_MONOTONIC) - begin.wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - begin.cpu};
}

static float (*directions)[DIMS]; /* topics, subtopics, one common */

static void make_vector(uint64_t seed, float *out)
{
    float own[DIMS];
    uint64_t state = seed;
    size_t subtopic = (size_t)(test_random(&state) % SUBTOPICS), topic = subtopic % TOPICS;
    double sum = 0;
    test_vector(QL_STR("own"), seed, DIMS, own);
    for (size_t i = 0; i < DIMS; i++) {
        out[i] = 0.3f * directions[TOPICS + SUBTOPICS][i] + 0.5f * directions[topic][i] + 0.5f * directions[TOPICS + subtopic][i] + 0.6f * own[i];
        sum += (double)out[i] * (double)out[i];
    }
    for (size_t i = 0; i < DIMS; i++) out[i] = (float)((double)out[i] / sqrt(sum));
}

static ql__store *open_store(const char *dir, bool write)
{
    ql__store *store = NULL;
    ql__store_options options = {.dir = dir, .collection = "bench", .write = write, .dims = DIMS, .model = "made-up"};
    need(ql__store_open(&options, &store, &error), "open");
    return store;
}

static stopwatch put(ql__store *store, uint64_t number)
{
    static const test_shape shape = {.dims = DIMS, .chunks_min = CHUNKS_EACH, .chunks_max = CHUNKS_EACH, .words = 100, .vocabulary = 50000, .sources = 3};
    static float vectors[CHUNKS_EACH][DIMS];
    test_document document;
    test_document_make(&document, number, 1, &shape);
    for (size_t i = 0; i < CHUNKS_EACH; i++) {
        make_vector(number * CHUNKS_EACH + i, vectors[i]);
        ((ql_store_chunk *)(uintptr_t)document.document.chunks)[i].vector = vectors[i];
    }
    stopwatch begin = start();
    need(ql__store_replace(store, &document.document, &error), "replace");
    begin = since(begin);
    test_document_dispose(&document);
    return begin;
}

static void write_all(const char *dir, uint64_t documents, uint64_t per_commit)
{
    ql__store *store = open_store(dir, true);
    ql__store_stats stats;
    stopwatch total = {0, 0}, part;
    for (uint64_t number = 0; number < documents;) {
        part = start();
        need(ql__store_begin(store, &error), "begin");
        part = since(part);
        for (uint64_t i = 0; i < per_commit && number < documents; i++) {
            stopwatch one = put(store, number++);
            part.wall += one.wall;
            part.cpu += one.cpu;
        }
        stopwatch commit = start();
        need(ql__store_commit(store, &error), "commit");
        commit = since(commit);
        total.wall += part.wall + commit.wall;
        total.cpu += part.cpu + commit.cpu;
    }
    need(ql__store_stats_read(store, &stats, &error), "stats");
    double chunks = (double)stats.chunks;
    printf("write: %.0f chunks, %.0f chunks/s wall, %.0f chunks/s cpu; %.0f + %.0f bytes a chunk (vectors + database)\n", chunks, chunks / total.wall, chunks / total.cpu,
           (double)stats.vector_bytes / chunks, (double)stats.database_bytes / chunks);
    ql__store_free(store);
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void report(const char *what, double *wall, double *cpu)
{
    qsort(wall, QUERIES, sizeof *wall, ascending);
    qsort(cpu, QUERIES, sizeof *cpu, ascending);
    printf("%s: p50 %.3f ms, p99 %.3f ms wall; p50 %.3f ms cpu\n", what, wall[QUERIES / 2] * 1e3, wall[QUERIES * 99 / 100] * 1e3, cpu[QUERIES / 2] * 1e3);
}

static int by_score(const void *a, const void *b)
{
    const ql__score *left = a, *right = b;
    return left->score > right->score ? -1 : left->score < right->score;
}

static void search_dense(ql__snapshot *snapshot, const ql__mask *mask, const char *what)
{
    static double wall[QUERIES], cpu[QUERIES];
    size_t chunks = (size_t)ql__snapshot_chunk_count(snapshot), found = 0, wanted = 0;
    ql__score *all = malloc(chunks * sizeof *all), hits[K];
    for (uint64_t q = 0; q < QUERIES; q++) {
        float query[DIMS];
        size_t count = 0, passing = 0;
        make_vector(1000000000 + q, query);
        stopwatch time = start();
        need(ql__snapshot_dense(snapshot, query, mask, K, hits, &count, &error), "dense");
        time = since(time);
        if (q == 0) printf("%s, first: %.2f ms\n", what, time.wall * 1e3);
        wall[q] = time.wall;
        cpu[q] = time.cpu;
        if (q % 2) continue;
        for (uint64_t slot = 0; slot < chunks; slot++)
            if (ql__snapshot_passes(snapshot, mask, slot)) all[passing++].slot = slot;
        need(ql__snapshot_dense_of(snapshot, query, all, passing, &error), "dense of");
        qsort(all, passing, sizeof *all, by_score);
        for (size_t i = 0; i < K; i++)
            for (size_t j = 0; j < count; j++) found += all[i].slot == hits[j].slot;
        wanted += K;
    }
    report(what, wall, cpu);
    printf("%s, recall@%d: %.4f\n", what, K, (double)found / (double)wanted);
    free(all);
}

static void search_sparse(ql__snapshot *snapshot)
{
    static double wall[QUERIES], cpu[QUERIES];
    for (uint64_t q = 0; q < QUERIES; q++) {
        char words[5][16];
        ql_str terms[5];
        float weights[5] = {1, 1, 1, 1, 1};
        ql__score hits[K];
        size_t count = 0;
        uint64_t state = q;
        for (size_t i = 0; i < 5; i++) { /* between the commonest words and rare ones */
            test_word((uint32_t)exp((double)(test_random(&state) >> 11) / 9007199254740992.0 * 9) + 3, words[i]);
            terms[i] = ql_str_of(words[i]);
        }
        stopwatch time = start();
        need(ql__snapshot_sparse(snapshot, terms, weights, 5, NULL, K, hits, &count, &error), "sparse");
        time = since(time);
        wall[q] = time.wall;
        cpu[q] = time.cpu;
    }
    report("sparse, 5 words", wall, cpu);
}

static ql__mask *make_mask(ql__snapshot *snapshot)
{
    static double wall[QUERIES], cpu[QUERIES];
    ql__mask *mask = NULL;
    ql_filter filter = {.struct_size = sizeof filter, .project = QL_STR("project1"), .since_ms = QL_TIME_UNKNOWN, .until_ms = QL_TIME_UNKNOWN};
    for (int i = 0; i < QUERIES; i++) {
        ql__mask_free(mask);
        filter.until_ms = 2000000000000 + i; /* another filter each time: the last one is remembered */
        filter.since_ms = 0;
        stopwatch time = start();
        need(ql__snapshot_mask(snapshot, &filter, &mask, &error), "mask");
        time = since(time);
        wall[i] = time.wall;
        cpu[i] = time.cpu;
    }
    report("mask of half the documents", wall, cpu);
    return mask;
}

static void search_all(const char *dir)
{
    stopwatch time = start();
    ql__store *store = open_store(dir, false);
    ql__snapshot *snapshot = NULL;
    double open_ms = since(time).wall * 1e3;
    need(ql__snapshot_open(store, &snapshot, &error), "snapshot");
    printf("open: %.2f ms, with the first snapshot %.2f ms\n", open_ms, since(time).wall * 1e3);
    search_dense(snapshot, NULL, "dense");
    search_sparse(snapshot);
    ql__mask *mask = make_mask(snapshot);
    search_dense(snapshot, mask, "dense with filter");
    ql__mask_free(mask);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
}

int main(int argc, char **argv)
{
    uint64_t chunks = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, per_commit = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000;
    char made[] = "/tmp/qloader-store-speed-XXXXXX";
    const char *dir = argc > 3 ? argv[3] : mkdtemp(made);
    if (!dir || chunks < 100 || per_commit < CHUNKS_EACH) {
        fprintf(stderr, "usage: bench_store [CHUNKS [CHUNKS_PER_COMMIT [DIR]]]\n");
        return 2;
    }
    directions = malloc((TOPICS + SUBTOPICS + 1) * sizeof *directions);
    for (size_t i = 0; i <= TOPICS + SUBTOPICS; i++) test_vector(QL_STR("direction"), i, DIMS, directions[i]);
    write_all(dir, chunks / CHUNKS_EACH, per_commit / CHUNKS_EACH);
    search_all(dir);
    if (argc <= 3) {
        char lock[64];
        need(ql__store_destroy(dir, NULL, &error), "remove");
        snprintf(lock, sizeof lock, "%s/qloader.lock", dir);
        unlink(lock);
        rmdir(dir);
    }
    free(directions);
    return 0;
}
