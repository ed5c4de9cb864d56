/*
 * Goal: the same documents give the same index, whatever the number of threads and however they are scheduled.
 * Method: a folder of documents of all formats is ingested, then changed and ingested again, with 1, 2, 4 and 8 threads, and with every lock of the
 * process (the queues between the stages, the pool) giving way at random: the definition of pthread_mutex_lock below comes before the C
 * library's and yields or sleeps by a seed. Each index is dumped and compared with the first, vectors by their cosine (at least 1 - 1e-6).
 * QL_DETERMINISM_RUNS sets the number of indexes (8), QL_DETERMINISM_SEED the seed.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <qloader.h>

#include "small_model.h"
#include "store/store.h"
#include "support/index_compare.h"
#include "support/testing.h"

#define DOCUMENTS 90

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
        ql_str difference = {0};
        double now = index_compare(ql_buf_cstr(&first), ql_buf_cstr(&other), &difference);
        if (difference.len) fail_msg("the index differs from the first at '%.*s'", (int)difference.len, difference.ptr);
        if (now < lowest) lowest = now;
        ql_buf_dispose(&other);
    }
    print_message("seed %llu, %llu indexes, gave way %lu times, lowest cosine 1 - %.2g\n", (unsigned long long)seed, (unsigned long long)runs, atomic_load(&yields), 1 - lowest);
    assert_true(runs <= 3 || atomic_load(&yields) > 100);
    assert_true(lowest >= INDEX_COSINE_MIN);
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
