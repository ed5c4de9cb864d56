/*
 * Goal: the same documents give the same index, whatever the number of threads and however they are scheduled.
 * Method: a folder of documents of all formats is ingested, then changed and ingested again, with 1, 2, 4 and 8 threads, and with every lock of the
 * process (the queues between the stages, the pool) giving way at random: the definition of pthread_mutex_lock below comes before the C
 * library's and yields or sleeps by a seed. Each index is dumped and compared with the first, vectors by their cosine (at least 1 - 1e-6).
 * QL_DETERMINISM_RUNS sets the number of indexes (8), QL_DETERMINISM_SEED the seed.
 */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <qloader.h>

#include "small_model.h"
#include "store/store.h"
#include "support/testing.h"

#define DOCUMENTS 90
#define COSINE_MIN (1 - 1e-6)

/* --- scheduling at random */

static atomic_ullong schedule; /* 0: as it comes */
static atomic_ulong yields;

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void give_way(void)
{
    uint64_t now = atomic_load_explicit(&schedule, memory_order_relaxed);
    if (now == 0) return;
    uint64_t random = mix(atomic_fetch_add(&schedule, 0x9e3779b97f4a7c15ull));
    struct timespec pause = {.tv_nsec = (long)(random >> 8 & 0xfffff) % 200000};
    if (random % 16 == 0) (void)nanosleep(&pause, NULL);
    else if (random % 2) (void)sched_yield();
    else return;
    atomic_fetch_add(&yields, 1);
}

#pragma GCC visibility push(default)
int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);
    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "pthread_mutex_lock");
        memcpy(&real, &symbol, sizeof real);
    }
    give_way();
    return real(mutex);
}
#pragma GCC visibility pop

/* --- the documents */

static void write_document(const char *root, size_t number, unsigned version)
{
    static const char *const ends[] = {"md", "txt", "html", "json", "py", "c"};
    ql_buf text = QL_BUF_INIT;
    char name[64];
    size_t kind = number % 6;
    snprintf(name, sizeof name, "docs/d%zu/doc%03zu.%s", number % 7, number, ends[kind]);
    if (kind == 2) ql_buf_printf(&text, "<html><body><h1>Title w%zu</h1>", number % 60 + 5);
    if (kind == 3) ql_buf_printf(&text, "{\"title\": \"w%zu\", \"list\": [", number % 60 + 5);
    for (size_t i = 0; i < number * 7 % 40 + 1; i++) {
        size_t a = (number * 31 + i * 17 + version * 3) % 60 + 5, b = (number + i) % 60 + 5;
        if (kind == 0) ql_buf_printf(&text, "%sSome w%zu and w%zu words.\n\n", i % 5 == 0 ? "## Part\n\n" : "", a, b);
        else if (kind == 1) ql_buf_printf(&text, "A line with w%zu w%zu.\n", a, b);
        else if (kind == 2) ql_buf_printf(&text, "<p>Text w%zu <b>w%zu</b></p>", a, b);
        else if (kind == 3) ql_buf_printf(&text, "%s{\"k%zu\": \"w%zu\"}", i ? ", " : "", a, b);
        else if (kind == 4) ql_buf_printf(&text, "def f%zu():\n    return 'w%zu w%zu'\n\n", i, a, b);
        else ql_buf_printf(&text, "int f%zu(void)\n{\n    return %zu; /* w%zu */\n}\n\n", i, a, b);
    }
    if (kind == 2) ql_buf_append(&text, QL_STR("</body></html>"));
    if (kind == 3) ql_buf_append(&text, QL_STR("]}"));
    ql_test_file_write(ql_test_path(root, name), ql_buf_str(&text));
    ql_buf_dispose(&text);
}

static void write_folder(const char *root, unsigned version)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s/docs'", root);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < DOCUMENTS; i++)
        if (version == 0 || i % 9 != 4) write_document(root, i, version && i % 4 == 1 ? version : 0);
    snprintf(command, sizeof command, "find '%s/docs' -type f -exec touch -d @1700000000 {} +", root);
    assert_int_equal(system(command), 0);
}

/* --- an index */

static int keep_line(void *user, ql_str line)
{
    ql_buf_append(user, line);
    return ql_buf_append_char(user, '\n') < 0;
}

static void ingest_once(const char *root, const char *data, unsigned threads)
{
    ql_error err = {0};
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options place = QL_WORKSPACE_OPTIONS_INIT;
    options.threads = threads;
    place.dir = root;
    place.data_dir = data;
    place.model_dir = ql_test_path(root, "model");
    place.precision = "fp32";
    if (ql_runtime_new(&options, &runtime, &err) < 0 || ql_workspace_open(runtime, &place, &workspace, NULL, &err) < 0 || ql_ingest(workspace, NULL, NULL, &err) < 0)
        fail_msg("%s", err.message);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
}

static void make_index(const char *root, unsigned threads, uint64_t seed, ql_buf *out)
{
    ql_error err = {0};
    ql__store *store = NULL;
    char *data = ql_test_dir_new();
    for (unsigned version = 0; version < 2; version++) {
        write_folder(root, version);
        atomic_store(&schedule, seed);
        ingest_once(root, data, threads);
        atomic_store(&schedule, 0);
    }
    ql__store_options options = {.dir = data};
    if (ql__store_open(&options, &store, &err) < 0 || ql__store_dump(store, true, keep_line, out, &err) < 0) fail_msg("%s", err.message);
    ql__store_free(store);
    ql_test_dir_remove(data);
}

/* --- comparing */

static size_t value_of(ql_str line, const char *key, const char **out)
{
    const char *at = memmem(line.ptr, line.len, key, strlen(key));
    if (!at) return 0;
    *out = at + strlen(key);
    const char *end = memchr(*out, '"', (size_t)(line.ptr + line.len - *out));
    return end ? (size_t)(end - *out) : 0;
}

/* A file's version holds times of its own; the rest of a line has to agree, but for the last digits of a vector. */
static bool same_but(ql_str a, ql_str b, const char *key)
{
    const char *x = NULL, *y = NULL;
    size_t n = value_of(a, key, &x), m = value_of(b, key, &y);
    if (!n || !m) return n == m && ql_str_equal(a, b);
    size_t before = (size_t)(x - a.ptr), after = (size_t)(a.ptr + a.len - x) - n;
    return before == (size_t)(y - b.ptr) && after == (size_t)(b.ptr + b.len - y) - m && memcmp(a.ptr, b.ptr, before) == 0 && memcmp(x + n, y + m, after) == 0;
}

static double cosine(ql_str a, ql_str b)
{
    const char *x = NULL, *y = NULL;
    size_t n = value_of(a, "\"fp32\":\"", &x), m = value_of(b, "\"fp32\":\"", &y);
    double dot = 0, aa = 0, bb = 0;
    if (n == 0 && m == 0) return 1;
    if (n != m) return 0;
    for (size_t at = 0; at + 8 <= n; at += 8) {
        float values[2];
        for (int i = 0; i < 2; i++) {
            unsigned char bytes[4];
            for (int j = 0; j < 4; j++) {
                char pair[3] = {(i ? y : x)[at + (size_t)j * 2], (i ? y : x)[at + (size_t)j * 2 + 1], 0};
                bytes[j] = (unsigned char)strtoul(pair, NULL, 16);
            }
            memcpy(&values[i], bytes, 4);
        }
        dot += (double)values[0] * (double)values[1];
        aa += (double)values[0] * (double)values[0];
        bb += (double)values[1] * (double)values[1];
    }
    return dot / sqrt(aa * bb);
}

static ql_str next_line(const char **at)
{
    const char *end = strchr(*at, '\n');
    ql_str line = {*at, end ? (size_t)(end - *at) : strlen(*at)};
    *at += line.len + (end != NULL);
    return line;
}

static double compare(const ql_buf *first, const ql_buf *other)
{
    const char *a = ql_buf_cstr(first), *b = ql_buf_cstr(other);
    double lowest = 1;
    while (*a || *b) {
        ql_str x = next_line(&a), y = next_line(&b);
        bool vectors = memmem(x.ptr, x.len, "\"fp32\":\"", 8) != NULL;
        if (!same_but(x, y, vectors ? "\"fp32\":\"" : "\"version\":\"")) fail_msg("the index has '%.*s' where the first has '%.*s'", (int)y.len, y.ptr, (int)x.len, x.ptr);
        double now = cosine(x, y);
        if (now < lowest) lowest = now;
    }
    return lowest;
}

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && text[0] ? strtoull(text, NULL, 10) : fallback;
}

static void test_determinism__threads_and_schedules_give_one_index(void **state)
{
    (void)state;
    static const small_shape shape = {.layers = 2, .width = 32, .heads = 2, .inner = 64, .vocab = 70, .positions = 64, .window = 48};
    static const unsigned threads[] = {2, 4, 8, 1};
    uint64_t runs = env_number("QL_DETERMINISM_RUNS", 8), seed = env_number("QL_DETERMINISM_SEED", (uint64_t)time(NULL));
    char *root = ql_test_dir_new();
    small_model model;
    ql_buf first = QL_BUF_INIT, text = QL_BUF_INIT;
    double lowest = 1;
    small_model_make(&model, &shape, ql_test_path(root, "model"));
    small_model_free(&model);
    ql_buf_printf(&text, "sources:\n  localfile:\n    docs:\n      base_url: \"file://%s/docs\"\n", root);
    ql_test_file_write(ql_test_path(root, "config.yaml"), ql_buf_str(&text));
    make_index(root, 1, 0, &first);
    assert_true(first.len > 100000);
    for (uint64_t i = 0; i < runs; i++) {
        ql_buf other = QL_BUF_INIT;
        make_index(root, threads[i % 4], i < 3 ? 0 : mix(seed + i) | 1, &other);
        double now = compare(&first, &other);
        if (now < lowest) lowest = now;
        ql_buf_dispose(&other);
    }
    print_message("seed %llu, %llu indexes, gave way %lu times, lowest cosine 1 - %.2g\n", (unsigned long long)seed, (unsigned long long)runs, atomic_load(&yields), 1 - lowest);
    assert_true(runs <= 3 || atomic_load(&yields) > 100);
    assert_true(lowest >= COSINE_MIN);
    ql_buf_dispose(&first);
    ql_buf_dispose(&text);
    ql_test_dir_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_determinism__threads_and_schedules_give_one_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
