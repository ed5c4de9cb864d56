/*
 * bench_search_during_ingest WORKSPACE QUESTIONS [SECONDS [PAUSE_MS]]: eight threads ask questions (a line each) of a workspace's index, each with a
 * pause between two; first with nothing else to do, then while an ingest embeds everything again in the same process (which is then cancelled).
 * Prints one JSON object: {"idle": {"searches", "p50_ms", "p99_ms", "max_ms"}, "ingest": the same, "p99_ratio"}. Whole searches: the question is embedded.
 */
#include <pthread.h>
#include <qloader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS 8
#define QUESTIONS_MAX 4096
#define SAMPLES_MAX 200000

typedef struct bench {
    ql_runtime *runtime;
    ql_workspace *workspace;
    char *questions[QUESTIONS_MAX];
    size_t question_count;
    double until;
    int pause_ms;
    pthread_mutex_t lock; /* what follows */
    double *samples;
    size_t sample_count;
    int stop_ingest, ingest_runs;
} bench;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void need(ql_status status, const ql_error *error)
{
    if (status >= 0) return;
    fprintf(stderr, "bench_search_during_ingest: %s\n", error->message);
    exit(1);
}

static void add_sample(bench *self, double seconds)
{
    pthread_mutex_lock(&self->lock);
    if (self->sample_count < SAMPLES_MAX) self->samples[self->sample_count++] = seconds * 1e3;
    pthread_mutex_unlock(&self->lock);
}

typedef struct asker {
    bench *bench;
    size_t number;
} asker;

static void *ask(void *user)
{
    const asker *own = user;
    bench *self = own->bench;
    for (size_t i = own->number * 7; now() < self->until; i++) {
        ql_results *results = NULL;
        ql_error error = {0};
        const char *question = self->questions[i % self->question_count];
        double begin = now();
        need(ql_search(self->workspace, (ql_str){question, strlen(question)}, NULL, &results, &error), &error);
        add_sample(self, now() - begin);
        ql_results_free(results);
        nanosleep(&(struct timespec){0, self->pause_ms * 1000000L}, NULL);
    }
    return NULL;
}

static int go_on(void *user, const ql_ingest_progress *progress)
{
    bench *self = user;
    pthread_mutex_lock(&self->lock);
    if (progress->tokens_done > 0) self->ingest_runs = 1;
    int stop = self->stop_ingest;
    pthread_mutex_unlock(&self->lock);
    return stop;
}

static void *ingest(void *user)
{
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    ql_error error = {0};
    options.force = 1;
    options.progress_fn = go_on;
    options.user = user;
    ql_status status = ql_ingest(((bench *)user)->workspace, &options, NULL, &error);
    if (ql_status_kind(status) != QL_E_CANCELLED) {
        fprintf(stderr, "bench_search_during_ingest: the ingest was over before it was cancelled (%s): take more documents\n", error.message);
        exit(1);
    }
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Returns p99. */
static double measure(bench *self, const char *name, double seconds)
{
    pthread_t threads[THREADS];
    asker askers[THREADS];
    self->sample_count = 0;
    self->until = now() + seconds;
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (asker){self, i};
        if (pthread_create(&threads[i], NULL, ask, &askers[i]) != 0) abort();
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    qsort(self->samples, self->sample_count, sizeof *self->samples, ascending);
    double p99 = self->samples[self->sample_count * 99 / 100];
    printf("\"%s\": {\"searches\": %zu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}, ", name, self->sample_count, self->samples[self->sample_count / 2], p99,
           self->samples[self->sample_count - 1]);
    return p99;
}

static void read_questions(bench *self, const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "r");
    while (file != NULL && self->question_count < QUESTIONS_MAX && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0') self->questions[self->question_count++] = strdup(line);
    }
    if (file != NULL) fclose(file);
    if (self->question_count > 0) return;
    fprintf(stderr, "bench_search_during_ingest: no question in '%s'\n", path);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_search_during_ingest WORKSPACE QUESTIONS [SECONDS [PAUSE_MS]]\n");
        return 2;
    }
    bench self = {.pause_ms = argc > 4 ? atoi(argv[4]) : 20, .samples = calloc(SAMPLES_MAX, sizeof(double))};
    double seconds = argc > 3 ? atof(argv[3]) : 10, idle, busy;
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    ql_error error = {0};
    pthread_t thread;
    int runs = 0;
    options.dir = argv[1];
    pthread_mutex_init(&self.lock, NULL);
    read_questions(&self, argv[2]);
    need(ql_runtime_new(NULL, &self.runtime, &error), &error);
    need(ql_workspace_open(self.runtime, &options, &self.workspace, NULL, &error), &error);
    printf("{");
    idle = measure(&self, "idle", seconds);
    if (pthread_create(&thread, NULL, ingest, &self) != 0) abort();
    while (!runs) {
        nanosleep(&(struct timespec){0, 50000000}, NULL);
        pthread_mutex_lock(&self.lock);
        runs = self.ingest_runs;
        pthread_mutex_unlock(&self.lock);
    }
    busy = measure(&self, "ingest", seconds);
    printf("\"p99_ratio\": %.2f}\n", busy / idle);
    pthread_mutex_lock(&self.lock);
    self.stop_ingest = 1;
    pthread_mutex_unlock(&self.lock);
    pthread_join(thread, NULL);
    ql_workspace_free(self.workspace);
    ql_runtime_free(self.runtime);
    for (size_t i = 0; i < self.question_count; i++) free(self.questions[i]);
    free(self.samples);
    return 0;
}
