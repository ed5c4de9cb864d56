/*
 * Goal: how well the product finds, on labelled sets, through its public interface and with its defaults.
 * Method: every passage of <set>/corpus.jsonl[.gz] is handed to ql_ingest_source() as a document of text, every question of
 * queries.jsonl[.gz] is asked by words, by meaning and by both, and the hits are compared with qrels.tsv. A set whose queries have
 * a "lang" is searched language by language, each in an index of its own, and all together. Where the set has docs.jsonl and
 * references.jsonl, the whole documents are ingested as well, and the table tells how much of the answering excerpts the first
 * passages show.
 *
 *     bench_retrieval SET [--model DIR] [--precision NAME] [--work DIR] [--every N] [--no-documents]
 *
 * --every N asks every N-th question only; --work keeps the indexes in that folder. nDCG has linear gain; several passages of one document count once. Needs a model.
 */
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <qloader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define TOP 10
#define ASKED 50 /* hits of a search, so that ten different documents are among them */
#define RELEVANT_MAX 64
#define GROUPS_MAX 64
#define MODES 3

typedef struct bench_entry {
    char *id, *text, *lang;
} bench_entry;

typedef struct bench_list {
    bench_entry *items;
    size_t count, capacity;
} bench_list;

typedef struct bench_query {
    size_t entry;                  /* in the list of queries */
    const char *relevant[RELEVANT_MAX]; /* document ids */
    double gains[RELEVANT_MAX];
    size_t relevant_count;
} bench_query;

typedef struct bench_excerpt {
    uint64_t begin, end; /* bytes of the document */
} bench_excerpt;

typedef struct bench_reference {
    char *query, *document;
    bench_excerpt *excerpts;
    size_t count;
} bench_reference;

typedef struct bench_set {
    char *dir;
    bench_list corpus, queries, documents;
    bench_query *asked; /* queries with a relevant document */
    size_t asked_count;
    bench_reference *references;
    size_t reference_count;
    const char *groups[GROUPS_MAX];
    size_t group_count;
} bench_set;

typedef struct bench_settings {
    const char *model, *precision, *work;
    size_t every;
    bool documents;
} bench_settings;

typedef struct bench_score {
    double ndcg, recall5, recall10;
    double seconds;
    size_t count;
} bench_score;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_retrieval: %s: %s\n", what, why);
    exit(1);
}

static void *must(void *memory)
{
    if (memory == NULL) die("memory", "out of it");
    return memory;
}

static void check(ql_status status, const ql_error *err, const char *what)
{
    if (status < 0) die(what, err->message);
}

/* --- reading */

/* Opens <dir>/<name> or <dir>/<name>.gz; NULL: neither is there. */
static gzFile open_part(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    gzFile file = gzopen(path, "rb");
    if (file != NULL) return file;
    snprintf(path, sizeof path, "%s/%s.gz", dir, name);
    return gzopen(path, "rb");
}

/* A line without its LF, or NULL at the end; the buffer grows. */
static char *read_line(gzFile file, char **line, size_t *capacity)
{
    size_t length = 0;
    for (;;) {
        if (*capacity - length < 2) *line = must(realloc(*line, *capacity = *capacity * 2 + 4096));
        if (gzgets(file, *line + length, (int)(*capacity - length < 1 << 30 ? *capacity - length : 1 << 30)) == NULL) return length > 0 ? *line : NULL;
        length += strlen(*line + length);
        if (length > 0 && (*line)[length - 1] == '\n') {
            (*line)[length - 1] = '\0';
            return *line;
        }
    }
}

static const char *member(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL ? value : "";
}

static char *join(const char *title, const char *text)
{
    size_t length = strlen(title) + strlen(text) + 3, skip;
    char *out = must(malloc(length));
    snprintf(out, length, "%s%s%s", title, title[0] != '\0' ? "\n\n" : "", text);
    skip = strspn(out, " \t\r\n");
    memmove(out, out + skip, strlen(out + skip) + 1);
    for (length = strlen(out); length > 0 && strchr(" \t\r\n", out[length - 1]) != NULL;) out[--length] = '\0';
    return out;
}

static void each_object(const char *dir, const char *name, bool required, void (*take)(void *user, json_t *object), void *user)
{
    gzFile file = open_part(dir, name);
    char *line = NULL;
    size_t capacity = 0;
    if (file == NULL && required) die(name, "not in the folder of the set");
    while (file != NULL && read_line(file, &line, &capacity) != NULL) {
        json_error_t error;
        json_t *object = json_loads(line, 0, &error);
        if (object == NULL) die(name, error.text);
        take(user, object);
        json_decref(object);
    }
    if (file != NULL) gzclose(file);
    free(line);
}

static void take_entry(void *user, json_t *object)
{
    bench_list *self = user;
    if (self->count == self->capacity) self->items = must(realloc(self->items, (self->capacity = self->capacity * 2 + 64) * sizeof *self->items));
    self->items[self->count++] = (bench_entry){must(strdup(member(object, "id"))), join(member(object, "title"), member(object, "text")), must(strdup(member(object, "lang")))};
}

/* Documents stay as they are: excerpts are places in them. */
static void take_document(void *user, json_t *object)
{
    bench_list *self = user;
    if (self->count == self->capacity) self->items = must(realloc(self->items, (self->capacity = self->capacity * 2 + 64) * sizeof *self->items));
    self->items[self->count++] = (bench_entry){must(strdup(member(object, "id"))), must(strdup(member(object, "text"))), must(strdup(""))};
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const bench_entry *)a)->id, ((const bench_entry *)b)->id);
}

static bench_entry *find(const bench_list *self, const char *id)
{
    bench_entry key = {.id = (char *)(uintptr_t)id};
    return self->count > 0 ? bsearch(&key, self->items, self->count, sizeof *self->items, by_id) : NULL;
}

static void read_qrels(bench_set *self)
{
    gzFile file = open_part(self->dir, "qrels.tsv");
    char *line = NULL;
    size_t capacity = 0;
    if (file == NULL) die("qrels.tsv", "not in the folder of the set");
    self->asked = must(calloc(self->queries.count, sizeof *self->asked));
    self->asked_count = self->queries.count;
    for (size_t i = 0; i < self->asked_count; i++) self->asked[i].entry = i;
    while (read_line(file, &line, &capacity) != NULL) {
        char *document = strchr(line, '\t'), *gain = document != NULL ? strchr(document + 1, '\t') : NULL;
        if (gain == NULL) die("qrels.tsv", "a line without three columns");
        *document++ = *gain++ = '\0';
        const bench_entry *asked = find(&self->queries, line), *relevant = find(&self->corpus, document);
        if (asked == NULL || relevant == NULL || strtod(gain, NULL) <= 0) continue;
        bench_query *query = &self->asked[asked - self->queries.items];
        if (query->relevant_count == RELEVANT_MAX) die(asked->id, "more relevant documents than this program counts");
        query->gains[query->relevant_count] = strtod(gain, NULL);
        query->relevant[query->relevant_count++] = relevant->id;
    }
    gzclose(file);
    free(line);
}

/* Byte offset of a place given in code points. */
static uint64_t bytes_of(const char *text, json_int_t code_points)
{
    const char *at = text;
    while (*at != '\0' && code_points > 0) {
        at++;
        while (((unsigned char)*at & 0xC0) == 0x80) at++;
        code_points--;
    }
    return (uint64_t)(at - text);
}

static void take_reference(void *user, json_t *object)
{
    bench_set *self = user;
    const bench_entry *document = find(&self->documents, member(object, "doc"));
    const json_t *refs = json_object_get(object, "refs");
    if (document == NULL) die("references.jsonl", "names a document that docs.jsonl has not");
    self->references = must(realloc(self->references, (self->reference_count + 1) * sizeof *self->references));
    bench_reference *reference = &self->references[self->reference_count++];
    *reference = (bench_reference){must(strdup(member(object, "id"))), document->id, must(calloc(json_array_size(refs) + 1, sizeof(bench_excerpt))), json_array_size(refs)};
    for (size_t i = 0; i < reference->count; i++) {
        const json_t *range = json_array_get(refs, i);
        reference->excerpts[i].begin = bytes_of(document->text, json_integer_value(json_object_get(range, "start")));
        reference->excerpts[i].end = bytes_of(document->text, json_integer_value(json_object_get(range, "end")));
    }
}

static void find_groups(bench_set *self)
{
    for (size_t i = 0; i < self->queries.count; i++) {
        size_t g = 0;
        while (g < self->group_count && strcmp(self->groups[g], self->queries.items[i].lang) != 0) g++;
        if (g < self->group_count) continue;
        if (g == GROUPS_MAX) die("queries", "too many languages");
        self->groups[self->group_count++] = self->queries.items[i].lang;
    }
}

static void read_set(bench_set *self, const char *dir)
{
    *self = (bench_set){.dir = must(strdup(dir))};
    each_object(dir, "corpus.jsonl", true, take_entry, &self->corpus);
    each_object(dir, "queries.jsonl", true, take_entry, &self->queries);
    each_object(dir, "docs.jsonl", false, take_document, &self->documents);
    qsort(self->corpus.items, self->corpus.count, sizeof(bench_entry), by_id);
    qsort(self->queries.items, self->queries.count, sizeof(bench_entry), by_id);
    qsort(self->documents.items, self->documents.count, sizeof(bench_entry), by_id);
    read_qrels(self);
    each_object(dir, "references.jsonl", false, take_reference, self);
    find_groups(self);
}

static void free_list(bench_list *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->items[i].id);
        free(self->items[i].text);
        free(self->items[i].lang);
    }
    free(self->items);
}

static void free_set(bench_set *self)
{
    for (size_t i = 0; i < self->reference_count; i++) {
        free(self->references[i].query);
        free(self->references[i].excerpts);
    }
    free(self->references);
    free(self->asked);
    free_list(&self->corpus);
    free_list(&self->queries);
    free_list(&self->documents);
    free(self->dir);
}

/* --- the set as a source of documents */

typedef struct bench_source {
    const bench_list *list;
    const char *lang; /* NULL: all */
} bench_source;

static ql_status list_items(void *self, const ql_source_sink *sink, ql_error *err)
{
    const bench_source *source = self;
    (void)err;
    for (size_t i = 0; i < source->list->count; i++) {
        const bench_entry *entry = &source->list->items[i];
        if (source->lang != NULL && strcmp(source->lang, entry->lang) != 0) continue;
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(entry->id), .version = QL_STR("1"), .size_bytes = strlen(entry->text)};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

static ql_status fetch_item(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    const bench_source *source = self;
    char id[256];
    (void)err;
    snprintf(id, sizeof id, "%.*s", (int)item->url.len, item->url.ptr);
    const bench_entry *entry = find(source->list, id);
    if (entry == NULL) return QL_E_NOTFOUND;
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .content_type = QL_STR("txt"), .content = ql_str_of(entry->text), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    *token = NULL;
    return QL_OK;
}

static void release_item(void *self, void *token)
{
    (void)self;
    (void)token;
}

static void close_source(void *self)
{
    (void)self;
}

static const ql_source_ops source_ops = {.struct_size = sizeof source_ops, .type = "bench", .list_fn = list_items, .fetch_fn = fetch_item, .release_fn = release_item, .close_fn = close_source};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* An index of its own for these documents; prints what it took. */
static ql_workspace *make_index(ql_runtime *runtime, const bench_settings *settings, const char *name, bench_source *source)
{
    char dir[4096];
    ql_error err = {0};
    ql_ingest_report report = {.struct_size = sizeof report};
    ql_workspace *workspace = NULL;
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    snprintf(dir, sizeof dir, "%s/%s", settings->work, name);
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) die(dir, strerror(errno));
    options.data_dir = dir;
    options.model_dir = settings->model;
    options.precision = settings->precision;
    check(ql_workspace_open(runtime, &options, &workspace, NULL, &err), &err, dir);
    double begin = now();
    check(ql_ingest_source(workspace, QL_STR("bench"), QL_STR("bench"), &source_ops, source, NULL, &report, &err), &err, "ingest");
    fprintf(stderr, "%s: %llu documents, %llu chunks, %llu tokens, %.1f s\n", name, (unsigned long long)report.listed, (unsigned long long)report.chunks, (unsigned long long)report.tokens, now() - begin);
    return workspace;
}

static ql_results *ask(ql_workspace *workspace, const char *text, ql_search_mode mode, uint32_t limit)
{
    ql_error err = {0};
    ql_results *results = NULL;
    ql_search_options options;
    ql_search_options_init(&options);
    options.mode = mode;
    options.limit = limit;
    check(ql_search(workspace, ql_str_of(text), &options, &results, &err), &err, text);
    return results;
}

/* --- passages */

static double gain_of(const bench_query *query, ql_str url)
{
    for (size_t i = 0; i < query->relevant_count; i++) {
        if (ql_str_equal(ql_str_of(query->relevant[i]), url)) return query->gains[i];
    }
    return 0;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static double ideal_of(const bench_query *query)
{
    double gains[RELEVANT_MAX], sum = 0;
    memcpy(gains, query->gains, sizeof gains);
    qsort(gains, query->relevant_count, sizeof *gains, descending);
    for (size_t i = 0; i < query->relevant_count && i < TOP; i++) sum += gains[i] / log2((double)i + 2);
    return sum;
}

static void add_score(bench_score *self, const bench_query *query, const ql_results *results)
{
    ql_str seen[TOP];
    size_t rank = 0, found5 = 0, found10 = 0;
    double sum = 0;
    for (size_t i = 0; i < ql_results_count(results) && rank < TOP; i++) {
        ql_str url = ql_results_hit(results, i)->url;
        size_t s = 0;
        while (s < rank && !ql_str_equal(seen[s], url)) s++;
        if (s < rank) continue; /* another passage of a document that was counted */
        double gain = gain_of(query, url);
        sum += gain / log2((double)rank + 2);
        found10 += gain > 0;
        found5 += gain > 0 && rank < 5;
        seen[rank++] = url;
    }
    self->ndcg += sum / ideal_of(query);
    self->recall5 += (double)found5 / (double)query->relevant_count;
    self->recall10 += (double)found10 / (double)query->relevant_count;
    self->count++;
}

static const ql_search_mode modes[MODES] = {QL_SEARCH_SPARSE, QL_SEARCH_DENSE, QL_SEARCH_HYBRID};

static void print_row(const char *name, const bench_score scores[MODES])
{
    printf("%-8s %5zu ", name, scores[0].count);
    for (size_t m = 0; m < MODES; m++) {
        double n = scores[m].count > 0 ? (double)scores[m].count : 1;
        printf("  | %.3f %.3f %.3f", scores[m].ndcg / n, scores[m].recall5 / n, scores[m].recall10 / n);
    }
    printf("  | %.2f ms\n", scores[0].count > 0 ? scores[MODES - 1].seconds * 1000 / (double)scores[MODES - 1].count : 0.0);
    fflush(stdout);
}

/* lang NULL: every question. */
static void ask_all(const bench_set *set, const bench_settings *settings, ql_workspace *workspace, const char *lang, bench_score scores[MODES])
{
    memset(scores, 0, MODES * sizeof *scores);
    for (size_t i = 0, turn = 0; i < set->asked_count; i++) {
        const bench_query *query = &set->asked[i];
        const bench_entry *entry = &set->queries.items[query->entry];
        if (query->relevant_count == 0 || (lang != NULL && strcmp(lang, entry->lang) != 0)) continue;
        if (turn++ % settings->every != 0) continue;
        for (size_t m = 0; m < MODES; m++) {
            double begin = now();
            ql_results *results = ask(workspace, entry->text, modes[m], ASKED);
            scores[m].seconds += now() - begin;
            add_score(&scores[m], query, results);
            ql_results_free(results);
        }
    }
}

static void print_head(const char *title)
{
    printf("%s\n%-8s %5s   | words (BM25)      | meaning (cosine)  | hybrid            |\n%-8s %5s ", title, "", "", "", "asked");
    for (size_t m = 0; m < MODES; m++) printf("  | nDCG  R@5   R@10 ");
    printf("  | hybrid\n");
}

static void print_mean(bench_score (*rows)[MODES], size_t count)
{
    bench_score mean[MODES] = {{0}};
    for (size_t g = 0; g < count; g++) {
        for (size_t m = 0; m < MODES; m++) {
            double n = (double)rows[g][m].count;
            mean[m].ndcg += rows[g][m].ndcg / n;
            mean[m].recall5 += rows[g][m].recall5 / n;
            mean[m].recall10 += rows[g][m].recall10 / n;
            mean[m].seconds += rows[g][m].seconds / n;
            mean[m].count++;
        }
    }
    print_row("mean", mean);
}

static void run_passages(ql_runtime *runtime, const bench_set *set, const bench_settings *settings)
{
    static bench_score rows[GROUPS_MAX][MODES];
    bench_score all[MODES];
    print_head("passages as documents");
    for (size_t g = 0; g < set->group_count && set->group_count > 1; g++) {
        bench_source source = {&set->corpus, set->groups[g]};
        ql_workspace *workspace = make_index(runtime, settings, set->groups[g], &source);
        ask_all(set, settings, workspace, set->groups[g], rows[g]);
        print_row(set->groups[g], rows[g]);
        ql_workspace_free(workspace);
    }
    if (set->group_count > 1) print_mean(rows, set->group_count);
    bench_source source = {&set->corpus, NULL};
    ql_workspace *workspace = make_index(runtime, settings, "all", &source);
    ask_all(set, settings, workspace, NULL, all);
    print_row(set->group_count > 1 ? "together" : "all", all);
    ql_workspace_free(workspace);
}

/* --- whole documents */

/* Bytes of the excerpt that the first `top` hits show. */
static uint64_t shown_of(const bench_reference *reference, const bench_excerpt *excerpt, const ql_results *results, size_t top)
{
    uint64_t shown = 0;
    for (uint64_t at = excerpt->begin; at < excerpt->end; at++) {
        for (size_t i = 0; i < ql_results_count(results) && i < top; i++) {
            const ql_hit *hit = ql_results_hit(results, i);
            if (at < hit->source_begin || at >= hit->source_end || !ql_str_equal(hit->url, ql_str_of(reference->document))) continue;
            shown++;
            break;
        }
    }
    return shown;
}

typedef struct bench_coverage {
    double recall5, recall10, bytes5;
    size_t count;
} bench_coverage;

static void add_coverage(bench_coverage *self, const bench_reference *reference, const ql_results *results)
{
    uint64_t total = 0, shown5 = 0, shown10 = 0;
    for (size_t i = 0; i < reference->count; i++) {
        total += reference->excerpts[i].end - reference->excerpts[i].begin;
        shown5 += shown_of(reference, &reference->excerpts[i], results, 5);
        shown10 += shown_of(reference, &reference->excerpts[i], results, 10);
    }
    for (size_t i = 0; i < ql_results_count(results) && i < 5; i++) self->bytes5 += (double)ql_results_hit(results, i)->text.len;
    if (total == 0) return;
    self->recall5 += (double)shown5 / (double)total;
    self->recall10 += (double)shown10 / (double)total;
    self->count++;
}

static void run_documents(ql_runtime *runtime, const bench_set *set, const bench_settings *settings)
{
    static const char *const names[MODES] = {"words", "meaning", "hybrid"};
    bench_coverage rows[MODES] = {{0}};
    bench_source source = {&set->documents, NULL};
    ql_workspace *workspace = make_index(runtime, settings, "documents", &source);
    for (size_t i = 0; i < set->reference_count; i += settings->every) {
        const bench_entry *query = find(&set->queries, set->references[i].query);
        if (query == NULL) continue;
        for (size_t m = 0; m < MODES; m++) {
            ql_results *results = ask(workspace, query->text, modes[m], TOP);
            add_coverage(&rows[m], &set->references[i], results);
            ql_results_free(results);
        }
    }
    printf("\nwhole documents, chunked by default: share of the answering excerpts that is shown\n%-8s %5s  R@5   R@10  bytes in 5\n", "", "asked");
    for (size_t m = 0; m < MODES; m++) {
        double n = rows[m].count > 0 ? (double)rows[m].count : 1;
        printf("%-8s %5zu  %.3f %.3f %.0f\n", names[m], rows[m].count, rows[m].recall5 / n, rows[m].recall10 / n, rows[m].bytes5 / n);
    }
    ql_workspace_free(workspace);
}

/* --- the program */

static const char *parse(int argc, char **argv, bench_settings *out)
{
    const char *dir = NULL;
    *out = (bench_settings){.every = 1, .documents = true};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--model") == 0 && more) {
            out->model = argv[++i];
        } else if (strcmp(argv[i], "--precision") == 0 && more) {
            out->precision = argv[++i];
        } else if (strcmp(argv[i], "--work") == 0 && more) {
            out->work = argv[++i];
        } else if (strcmp(argv[i], "--every") == 0 && more) {
            out->every = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--no-documents") == 0) {
            out->documents = false;
        } else if (argv[i][0] != '-' && dir == NULL) {
            dir = argv[i];
        } else {
            return NULL;
        }
    }
    return out->every > 0 ? dir : NULL;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts;
    (void)kind;
    (void)at;
    return remove(path);
}

int main(int argc, char **argv)
{
    char work[4096];
    const char *tmp = getenv("TMPDIR");
    bench_settings settings;
    bench_set set;
    ql_error err = {0};
    ql_runtime *runtime = NULL;
    const char *dir = parse(argc, argv, &settings);
    if (dir == NULL) die("usage", "bench_retrieval SET [--model DIR] [--precision NAME] [--work DIR] [--every N] [--no-documents]");
    snprintf(work, sizeof work, "%s/bench_retrieval_XXXXXX", tmp != NULL ? tmp : P_tmpdir);
    bool own = settings.work == NULL;
    if (own && (settings.work = mkdtemp(work)) == NULL) die(work, strerror(errno));
    read_set(&set, dir);
    check(ql_runtime_new(NULL, &runtime, &err), &err, "runtime");
    printf("%s: %zu passages, %zu questions\n", dir, set.corpus.count, set.queries.count);
    run_passages(runtime, &set, &settings);
    if (settings.documents && set.reference_count > 0) run_documents(runtime, &set, &settings);
    ql_runtime_free(runtime);
    free_set(&set);
    if (own) nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
