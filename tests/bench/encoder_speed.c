/*
 * bench_encoder: the local embedder on given texts, one round at a time, so that encoder.py can let others take turns.
 *
 * bench_encoder MODEL_DIR TEXTS [THREADS [fp32|bf16|int8]]   TEXTS: one text a line. Each word on stdin is answered by one JSON object on stdout:
 *   passages  embeds all texts as passages        {"tokens", "wall_s", "cpu_s"}
 *   query     embeds each text as a query, alone  {"tokens", "p50_ms", "p99_ms"}
 *   tokens    cuts all texts into tokens          {"bytes", "wall_s"}
 *   limits    what the machine gives              {"kernels", "matmul_gops", "int8_gops", "read_gbs", "mega_ops_per_token", "width", "layers"}:
 *             products of the arithmetic in use from the cache, of bytes (0: no VNNI), both on that many threads; reading 256 MB by one
 *   vectors   the vectors of all texts            raw float32 (count, dims), after {"count", "dims"}
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/status.h"
#include "embed/bert_config.h"
#include "embed/embed.h"
#include "embed/kernels.h"
#include "sys/file.h"

#define READ_BYTES ((size_t)256 << 20)
#define PANEL_ROUNDS 2000
#define BYTE_ROUNDS 5000000

typedef struct bench {
    const char *dir;
    ql__pool *pool;
    ql__precision precision;
    const ql_embedder_ops *ops;
    void *embedder;
    char *file;
    ql_str *texts;
    size_t count, bytes;
    uint32_t dims;
    float *vectors;
} bench;

static ql_error error;

static void need(ql_status st, const char *what)
{
    if (st >= 0) return;
    fprintf(stderr, "bench_encoder: %s: %s\n", what, error.message);
    exit(1);
}

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void read_texts(bench *self, const char *path)
{
    ql_buf text = QL_BUF_INIT;
    need(ql__file_read_all(ql__sys_default(), path, &text, &error), path);
    self->file = text.ptr;
    self->texts = calloc(text.len + 1, sizeof *self->texts);
    for (char *at = text.ptr, *end = text.ptr + text.len; at < end;) {
        char *line = memchr(at, '\n', (size_t)(end - at));
        if (line == NULL) line = end;
        if (line > at) self->texts[self->count++] = (ql_str){at, (size_t)(line - at)};
        self->bytes += (size_t)(line - at);
        at = line + 1;
    }
    self->vectors = calloc(self->count + 1, self->dims * sizeof *self->vectors);
    if (self->count == 0) need(ql__fail(&error, QL_E_INVALID, "no text"), path);
}

static size_t count_tokens(const bench *self)
{
    const ql_measure *measure = self->ops->measure_fn(self->embedder);
    size_t sum = 0;
    for (size_t i = 0; i < self->count; i++) sum += measure->units_fn(measure->user, self->texts[i], NULL, 0);
    return sum;
}

static void run_passages(bench *self)
{
    double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    need(self->ops->embed_fn(self->embedder, QL_EMBED_PASSAGE, self->texts, self->count, self->vectors, &error), "passages");
    wall = now(CLOCK_MONOTONIC) - wall;
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"tokens\": %zu, \"wall_s\": %.6f, \"cpu_s\": %.6f, \"peak_kb\": %ld}\n", count_tokens(self), wall, cpu, usage.ru_maxrss);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run_queries(bench *self)
{
    double *times = calloc(self->count, sizeof *times);
    for (size_t i = 0; i < self->count; i++) {
        double begin = now(CLOCK_MONOTONIC);
        need(self->ops->embed_fn(self->embedder, QL_EMBED_QUERY, &self->texts[i], 1, self->vectors, &error), "query");
        times[i] = (now(CLOCK_MONOTONIC) - begin) * 1e3;
    }
    qsort(times, self->count, sizeof *times, ascending);
    printf("{\"tokens\": %zu, \"p50_ms\": %.4f, \"p99_ms\": %.4f}\n", count_tokens(self), times[self->count / 2], times[self->count * 99 / 100]);
    free(times);
}

static void run_tokens(bench *self)
{
    double begin = now(CLOCK_MONOTONIC);
    size_t tokens = count_tokens(self);
    printf("{\"tokens\": %zu, \"bytes\": %zu, \"wall_s\": %.6f}\n", tokens, self->bytes, now(CLOCK_MONOTONIC) - begin);
}

/* --- what the machine gives --- */

/* One panel from the cache again and again: as many products as the CPU's multipliers do. */
static void run_panel(void *user, size_t index, size_t worker)
{
    enum { ROWS = 14 * 12, INPUTS = 384 };
    const ql__panels *panels = user;
    size_t units = INPUTS / panels->halves;
    uint32_t *a = calloc(ROWS * INPUTS, sizeof *a), *w = calloc(panels->columns * (INPUTS + 1), sizeof *w);
    float *c = calloc(ROWS * panels->columns, sizeof *c);
    static const ql__panel_factor factors[ROWS];
    (void)index, (void)worker;
    memset(a, 1, ROWS * INPUTS * sizeof *a); /* pages of their own: the kernel's one page of zeros under many addresses is slow to read */
    memset(w, 1, panels->columns * INPUTS * sizeof *w);
    for (int round = 0; round < PANEL_ROUNDS; round++)
        panels->multiply(&(ql__panel_product){.a = a, .a_stride = units, .factors = factors, .w = w, .c = c, .c_stride = panels->columns, .rows = ROWS, .outputs = panels->columns,
                                              .units = units});
    free(a), free(w), free(c);
}

static double panel_gops(bench *self)
{
    const ql__kernels *kernels = ql__kernels_best();
    const ql__panels *panels = self->precision == QL__PRECISION_INT8 ? kernels->bytes : self->precision == QL__PRECISION_BF16 && kernels->half ? kernels->half : kernels->single;
    size_t threads = ql__pool_size(self->pool);
    double best = 0;
    for (int try = 0; try < 5; try++) {
        double begin = now(CLOCK_MONOTONIC);
        ql__pool_run(self->pool, threads, run_panel, (void *)(uintptr_t)panels);
        double gops = 2.0 * 14 * 12 * 384 * (double)panels->columns * PANEL_ROUNDS * (double)threads / (now(CLOCK_MONOTONIC) - begin) * 1e-9;
        if (gops > best) best = gops;
    }
    return best;
}

#if defined(__x86_64__)
/* Sums of products of bytes, four at a time, in 16 independent chains: what int8 could give at most. */
__attribute__((target("avx512f,avx512vnni"))) static void run_bytes(void *user, size_t index, size_t worker)
{
    volatile int *sink = user;
    __m512i sums[16], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
    (void)index, (void)worker;
    for (int i = 0; i < 16; i++) sums[i] = _mm512_setzero_si512();
    for (int round = 0; round < BYTE_ROUNDS; round++) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
        __asm__ volatile("" : "+v"(a), "+v"(b));
    }
    for (int i = 0; i < 16; i++) *sink = _mm512_reduce_add_epi32(sums[i]);
}
#endif

static double byte_gops(bench *self)
{
#if defined(__x86_64__)
    int sink = 0;
    double best = 0;
    size_t threads = ql__pool_size(self->pool);
    if (!__builtin_cpu_supports("avx512vnni")) return 0;
    for (int try = 0; try < 5; try++) {
        double begin = now(CLOCK_MONOTONIC);
        ql__pool_run(self->pool, threads, run_bytes, &sink);
        double gops = 2.0 * 16 * 64 * BYTE_ROUNDS * (double)threads / (now(CLOCK_MONOTONIC) - begin) * 1e-9;
        if (gops > best) best = gops;
    }
    return best;
#else
    (void)self;
    return 0;
#endif
}

static double read_gbs(void)
{
    uint64_t *bytes = malloc(READ_BYTES), sum = 0;
    double best = 0;
    memset(bytes, 1, READ_BYTES);
    for (int round = 0; round < 5; round++) {
        double begin = now(CLOCK_MONOTONIC);
        for (size_t i = 0; i < READ_BYTES / sizeof *bytes; i += 8)
            sum += bytes[i] ^ bytes[i + 1] ^ bytes[i + 2] ^ bytes[i + 3] ^ bytes[i + 4] ^ bytes[i + 5] ^ bytes[i + 6] ^ bytes[i + 7];
        double gbs = (double)READ_BYTES / (now(CLOCK_MONOTONIC) - begin) * 1e-9;
        if (gbs > best) best = gbs;
    }
    volatile uint64_t kept = sum; /* or the loop is left out */
    (void)kept;
    free(bytes);
    return best;
}

static void write_limits(bench *self)
{
    ql__bert_config config = {0};
    need(ql__bert_config_read(ql__sys_default(), self->dir, &config, &error), "config");
    double weights = (double)config.layers * ((double)config.width * config.width * 4 + 2.0 * config.width * config.intermediate);
    printf("{\"kernels\": \"%s\", \"matmul_gops\": %.1f, \"int8_gops\": %.1f, \"read_gbs\": %.2f, \"mega_ops_per_token\": %.3f, \"width\": %u, \"layers\": %u}\n",
           ql__kernels_best()->name, panel_gops(self), byte_gops(self), read_gbs(), 2e-6 * weights, config.width, config.layers);
    ql__bert_config_dispose(&config);
}

static void write_vectors(bench *self)
{
    need(self->ops->embed_fn(self->embedder, QL_EMBED_PASSAGE, self->texts, self->count, self->vectors, &error), "vectors");
    printf("{\"count\": %zu, \"dims\": %u}\n", self->count, self->dims);
    fwrite(self->vectors, self->dims * sizeof *self->vectors, self->count, stdout);
}

static void answer(bench *self, const char *word)
{
    if (strcmp(word, "passages") == 0) run_passages(self);
    else if (strcmp(word, "query") == 0) run_queries(self);
    else if (strcmp(word, "tokens") == 0) run_tokens(self);
    else if (strcmp(word, "limits") == 0) write_limits(self);
    else if (strcmp(word, "vectors") == 0) write_vectors(self);
    else need(ql__fail(&error, QL_E_INVALID, "passages, query, tokens, limits or vectors is wanted"), word);
    fflush(stdout);
}

static ql__precision precision_of(const char *name)
{
    return strcmp(name, "int8") == 0 ? QL__PRECISION_INT8 : strcmp(name, "bf16") == 0 ? QL__PRECISION_BF16 : QL__PRECISION_FP32;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_encoder MODEL_DIR TEXTS [THREADS [fp32|bf16|int8]]\n");
        return 2;
    }
    bench self = {.dir = argv[1], .precision = precision_of(argc > 4 ? argv[4] : ql__embed_auto_bf16() ? "bf16" : "fp32")};
    need(ql__pool_new(argc > 3 ? strtoul(argv[3], NULL, 10) : 0, &self.pool, &error), "threads");
    ql__embed_local_options options = {.model_dir = self.dir, .precision = self.precision, .pool = self.pool, .sys = ql__sys_default()};
    need(ql__embedder_local_open(&options, &self.ops, &self.embedder, &error), "model");
    self.dims = self.ops->dims_fn(self.embedder);
    read_texts(&self, argv[2]);
    char word[32];
    while (scanf("%31s", word) == 1) answer(&self, word);
    self.ops->close_fn(self.embedder);
    ql__pool_free(self.pool);
    free(self.file);
    free(self.texts);
    free(self.vectors);
    return 0;
}
