/*
 * Goal: after a power cut at any moment the index opens, holds every acknowledged commit and no half of another, answers as the model
 * says, and the next writer ends where an uninterrupted one does.
 * Method: support/disk.h records what a writer (and a reader beside it) does to the disk below SQLite and our files while it makes an index,
 * replaces, removes, compacts, checkpoints, closes, reopens and clears it. Points of that log and seeds give images of the disk; each
 * is opened and compared with a mirror that was never cut. Every fourth image is cut once more while the next writer goes on from it.
 * That the method can fail is shown by swallowing the fsyncs of one kind of file at a time: each has to be found out.
 * QL_POWER_POINTS sets the number of images (40), QL_POWER_SEED the seed. Point n of a seed is the same cut whatever the number of points.
 */
#include <time.h>
#include <unistd.h>

#include "store/store_internal.h"
#include "support/disk.h"
#include "support/store_use.h"

#define STATES 14
#define DOCUMENTS 24
#define CLEARED 9 /* the state that is empty again */

static const test_shape shape = {.dims = 24, .chunks_min = 0, .chunks_max = 4, .words = 12, .vocabulary = 60, .sources = 3};

typedef struct state {
    uint64_t versions[DOCUMENTS]; /* 0: not there */
    ql_buf dump, answers;
} state_content;

static state_content states[STATES + 1]; /* by commits done */

static uint64_t test_seed, test_points;

/* --- what a writer does */

typedef struct step {
    uint64_t document, version; /* version 0: remove */
} step;

/* The steps of commit `number`, the same whenever it is made. */
static size_t steps_of(uint64_t number, step out[12])
{
    uint64_t random = number * 7919 + 5;
    size_t count = number == 1 || number == CLEARED + 1 ? 12 : 2 + (size_t)(test_random(&random) % 6);
    for (size_t i = 0; i < count; i++) {
        out[i].document = number == 1 ? i : test_random(&random) % DOCUMENTS;
        out[i].version = number > 1 && test_random(&random) % 4 == 0 ? 0 : number * 100 + i;
    }
    return count;
}

static ql_status open_at(const char *root, bool write, ql__store **out, ql_error *err)
{
    ql__store_options options = {.dir = ql_test_path(root, "work/data"), .collection = "docs", .write = write, .dims = shape.dims, .model = "test-model", .sys = ql_test_sys()};
    return ql__store_open(&options, out, err);
}

static ql_status do_step(ql__store *store, const step *one, ql_error *err)
{
    char id[37];
    if (one->version == 0) {
        test_uuid(one->document, 0, id);
        ql_status st = ql__store_remove(store, ql_str_of(id), err);
        return st == QL_E_NOTFOUND ? QL_OK : st;
    }
    test_document document;
    test_document_make(&document, one->document, one->version, &shape);
    ql_status st = ql__store_replace(store, &document.document, err);
    test_document_dispose(&document);
    return st;
}

static ql_status do_commit(ql__store *store, uint64_t number, ql_error *err)
{
    step steps[12];
    size_t count = steps_of(number, steps);
    if (number == CLEARED) return ql__store_clear(store, err);
    ql_status st = ql__store_begin(store, err);
    for (size_t i = 0; st == QL_OK && i < count; i++) st = do_step(store, &steps[i], err);
    if (st == QL_OK) return ql__store_commit(store, err);
    ql__store_rollback(store);
    return st;
}

/* Marks: 2n - 1 when commit n begins, 2n when it is acknowledged. */
static uint64_t acknowledged(long mark)
{
    return (uint64_t)mark / 2;
}

static uint64_t begun(long mark)
{
    return ((uint64_t)mark + 1) / 2;
}

/* Between two commits, according to `variant`: nothing, a checkpoint, a compaction, an end and a new beginning. */
static ql_status do_upkeep(const char *root, ql__store **store, uint64_t number, uint64_t variant, bool shared, ql_error *err)
{
    uint64_t random = variant * 104729 + number;
    uint64_t kind = number == CLEARED ? 3 : test_random(&random) % 5;
    if (kind == 1 && shared) return QL_OK; /* a checkpoint waits for the reader */
    if (kind == 1) return ql__db_checkpoint((*store)->db, err);
    if (kind == 2) return ql__store_compact_now(*store, err);
    if (kind != 3) return QL_OK;
    ql__store_free(*store);
    *store = NULL;
    return open_at(root, true, store, err);
}

/* Commits from..STATES. A reader stays connected over some of them, so that the log cannot start anew. */
static ql_status write_on(const char *root, uint64_t from, uint64_t variant, ql_error *err)
{
    ql__store *store = NULL, *reader = NULL;
    ql__snapshot *snapshot = NULL;
    ql_status st = open_at(root, true, &store, err);
    for (uint64_t number = from; st == QL_OK && number <= STATES; number++) {
        if (variant % 2 && number % 5 == 2) st = open_at(root, false, &reader, err);
        if (st == QL_OK && reader && !snapshot) st = ql__snapshot_open(reader, &snapshot, err);
        disk_mark((long)(number * 2 - 1));
        if (st == QL_OK) st = do_commit(store, number, err);
        if (st == QL_OK) disk_mark((long)(number * 2));
        if (st == QL_OK) st = do_upkeep(root, &store, number, variant, reader != NULL, err);
        if (reader && number % 5 == 3) {
            ql__snapshot_free(snapshot);
            ql__store_free(reader);
            reader = NULL;
            snapshot = NULL;
        }
    }
    ql__snapshot_free(snapshot);
    ql__store_free(reader);
    ql__store_free(store);
    return st;
}

/* --- what it should look like */

static ql_status put_scores(ql__snapshot *snapshot, const ql__score *scores, size_t count, ql_buf *out, ql_error *err)
{
    struct ql_arena arena;
    ql__arena_init(&arena.arena, 0);
    ql_status st = QL_OK;
    for (size_t i = 0; st == QL_OK && i < count; i++) {
        ql_stored_chunk chunk;
        st = ql__snapshot_chunk(snapshot, scores[i].slot, &arena, &chunk, err);
        if (st == QL_OK) ql_buf_printf(out, " %.*s/%.6f", (int)chunk.id.len, chunk.id.ptr, (double)scores[i].score);
    }
    ql__arena_dispose(&arena.arena);
    ql_buf_append_char(out, '\n');
    return st;
}

/* The best of some vectors and of some words, a line a query. */
static ql_status answers_of(ql__store *store, ql_buf *out, ql_error *err)
{
    ql__snapshot *snapshot = NULL;
    ql__score scores[8];
    size_t count = 0;
    float vector[24];
    ql_buf_clear(out);
    ql_status st = ql__snapshot_open(store, &snapshot, err);
    bool wide = st == QL_OK && ql__snapshot_dims(snapshot) != 0; /* else there is nothing to find, and no width to ask in */
    for (uint32_t i = 0; st == QL_OK && i < 6; i++) {
        if (!wide) {
            ql_buf_append(out, QL_STR("\n\n"));
            continue;
        }
        char word[16];
        float weight = 1;
        test_word(i * 3, word);
        ql_str term = ql_str_of(word);
        test_vector(term, i, shape.dims, vector);
        st = ql__snapshot_dense(snapshot, vector, NULL, 8, scores, &count, err);
        if (st == QL_OK) st = put_scores(snapshot, scores, count, out, err);
        if (st == QL_OK) st = ql__snapshot_sparse(snapshot, &term, &weight, 1, NULL, 8, scores, &count, err);
        if (st == QL_OK) st = put_scores(snapshot, scores, count, out, err);
    }
    ql__snapshot_free(snapshot);
    return st;
}

/* The mirror, and the mirror against the documents themselves. */
static void make_states(void)
{
    char *root = ql_test_dir_new();
    ql_error err = {0};
    ql__store *store = NULL;
    expect_ok(open_at(root, true, &store, &err));
    for (uint64_t number = 0; number <= STATES; number++) {
        state_content *now = &states[number];
        *now = (state_content){.dump = QL_BUF_INIT, .answers = QL_BUF_INIT};
        if (number > 0) expect_ok(do_commit(store, number, &err));
        if (number == CLEARED) { /* an empty index has no width until the next writer opens it */
            ql__store_free(store);
            expect_ok(open_at(root, true, &store, &err));
        } else if (number > 0) {
            step steps[12];
            size_t count = steps_of(number, steps);
            memcpy(now->versions, states[number - 1].versions, sizeof now->versions);
            for (size_t i = 0; i < count; i++) now->versions[steps[i].document] = steps[i].version;
        }
        store_dump_of(store, true, &now->dump);
        expect_ok(answers_of(store, &now->answers, &err));
        ql__snapshot *snapshot = snapshot_open(store);
        uint64_t chunks = 0;
        for (uint64_t i = 0; i < DOCUMENTS; i++) {
            if (now->versions[i] == 0) continue;
            expect_document(snapshot, i, now->versions[i], &shape);
            chunks += chunks_of(i, now->versions[i], &shape);
        }
        assert_int_equal(ql__snapshot_chunk_count(snapshot), chunks);
        ql__snapshot_free(snapshot);
    }
    ql__store_free(store);
    ql_test_dir_remove(root);
}

/* --- an image */

typedef struct verdict {
    bool bad;
    uint64_t state; /* which it shows */
    char why[512];
} verdict;

static bool blame(verdict *out, const char *what, const ql_error *err)
{
    out->bad = true;
    snprintf(out->why, sizeof out->why, "%s%s%s", what, err && err->message[0] ? ": " : "", err ? err->message : "");
    return false;
}

/* Which state, of low..high, the store shows; all of it has to agree. */
static bool recognise(ql__store *store, uint64_t low, uint64_t high, verdict *out)
{
    ql_error err = {0};
    ql_buf dump = QL_BUF_INIT, answers = QL_BUF_INIT;
    bool found = false;
    ql_status st = ql__store_dump(store, true, store_dump_line, &dump, &err);
    if (st == QL_OK) st = answers_of(store, &answers, &err);
    if (st != QL_OK) blame(out, "cannot be read", &err);
    for (uint64_t state = high + 1; st == QL_OK && !found && state-- > low;) {
        if (!ql_str_equal(ql_buf_str(&dump), ql_buf_str(&states[state].dump))) continue;
        found = true;
        out->state = state;
        if (!ql_str_equal(ql_buf_str(&answers), ql_buf_str(&states[state].answers))) found = blame(out, "answers differently", NULL);
    }
    if (st == QL_OK && !found && !out->bad) blame(out, "shows neither what was acknowledged nor what was begun", NULL);
    ql_buf_dispose(&dump);
    ql_buf_dispose(&answers);
    return found;
}

static bool look(const char *root, bool write, uint64_t low, uint64_t high, verdict *out)
{
    ql_error err = {0};
    ql__store *store = NULL;
    ql_status st = open_at(root, write, &store, &err);
    if (!write && st == QL_E_NOTFOUND && low == 0) return true; /* nothing was promised yet */
    if (st != QL_OK) return blame(out, write ? "a writer cannot open it" : "a reader cannot open it", &err);
    bool good = recognise(store, low, high, out);
    ql__store_free(store);
    return good;
}

static verdict check(const char *root, uint64_t low, uint64_t high, uint64_t seed)
{
    verdict out = {0};
    ql_error err = {0};
    if (seed % 2 && !look(root, false, low, high, &out)) return out;
    if (!look(root, true, low, high, &out)) return out;
    uint64_t state = out.state;
    if (write_on(root, state + 1, seed, &err) != QL_OK) {
        blame(&out, "the next writer fails", &err);
        return out;
    }
    look(root, false, STATES, STATES, &out);
    out.state = state;
    return out;
}

static char *image_of(const disk_log *log, size_t events, uint64_t seed)
{
    char *root = ql_test_dir_new();
    disk_image(log, events, seed, root);
    return root;
}

static uint64_t begun_or_all(long mark)
{
    return begun(mark) <= STATES ? begun(mark) : STATES;
}

/* Half of the cuts are anywhere, half close to an fsync. */
static size_t pick_point(const disk_log *log, uint64_t *random)
{
    size_t count = disk_log_count(log), syncs = disk_log_syncs(log);
    if (syncs == 0 || test_random(random) % 2) return (size_t)(test_random(random) % (count + 1));
    size_t at = disk_log_sync_at(log, (size_t)(test_random(random) % syncs)) + (size_t)(test_random(random) % 4);
    return at > count ? count : at;
}

/* The power goes once more while the next writer goes on. */
static verdict check_again(const disk_log *log, size_t events, uint64_t seed, uint64_t state, uint64_t *random)
{
    verdict out = {0};
    ql_error err = {0};
    char *root = image_of(log, events, seed);
    disk_record(root);
    ql_status st = write_on(root, state + 1, seed, &err);
    disk_log *second = disk_record_end();
    ql_test_dir_remove(root);
    if (st != QL_OK) {
        blame(&out, "the next writer fails", &err);
    } else {
        size_t at = pick_point(second, random);
        long mark = disk_log_mark(second, at);
        uint64_t low = mark ? acknowledged(mark) : state, high = mark ? begun_or_all(mark) : state;
        root = image_of(second, at, seed + 1);
        out = check(root, low, high, seed);
        ql_test_dir_remove(root);
    }
    disk_log_free(second);
    return out;
}

static verdict try_point(const disk_log *log, uint64_t *random)
{
    size_t events = pick_point(log, random);
    uint64_t seed = test_random(random);
    long mark = disk_log_mark(log, events);
    char *root = image_of(log, events, seed);
    verdict out = check(root, acknowledged(mark), begun_or_all(mark), seed);
    ql_test_dir_remove(root);
    const char *often = "";
    if (!out.bad && seed % 4 == 0) {
        out = check_again(log, events, seed, out.state, random);
        often = ", and again later";
    }
    if (out.bad) {
        char why[sizeof out.why];
        memcpy(why, out.why, sizeof why);
        snprintf(out.why, sizeof out.why, "power cut after event %zu of %zu%s (image %llx, commit %llu acknowledged): %.300s", events, disk_log_count(log), often,
                 (unsigned long long)seed, (unsigned long long)acknowledged(mark), why);
    }
    return out;
}

static disk_log *record(uint64_t variant)
{
    ql_error err = {0};
    char *root = ql_test_dir_new();
    disk_record(root);
    ql_status st = write_on(root, 1, variant, &err);
    disk_log *log = disk_record_end();
    expect_ok(st);
    ql_test_dir_remove(root);
    return log;
}

/* --- tests */

/* The recorder sees every byte that reaches the files: without a power cut its image is the folder. */
static void test_store_power__records_everything(void **state)
{
    (void)state;
    ql_error err = {0};
    char *root = ql_test_dir_new(), *copy = ql_test_dir_new();
    disk_record(root);
    ql_status st = write_on(root, 1, 1, &err);
    disk_log *log = disk_record_end();
    expect_ok(st);
    disk_image_whole(log, copy);
    assert_int_equal(ql_test_dir_count(ql_test_path(root, "work/data")), ql_test_dir_count(ql_test_path(copy, "work/data")));
    char command[600];
    /* The index of the log is written through a map, which the recorder does not see, and is made anew by whoever comes first: images hold garbage. */
    snprintf(command, sizeof command, "diff -r -x qloader.db-shm '%s' '%s'", root, copy);
    assert_int_equal(system(command), 0);
    print_message("%zu events, %zu syncs, %zu bytes written\n", disk_log_count(log), disk_log_syncs(log), disk_log_bytes(log));
    disk_log_free(log);
    ql_test_dir_remove(root);
    ql_test_dir_remove(copy);
}

static void test_store_power__keeps_what_was_acknowledged(void **state)
{
    (void)state;
    uint64_t random = test_seed;
    size_t bad = 0;
    print_message("seed %llu, %llu power cuts\n", (unsigned long long)test_seed, (unsigned long long)test_points);
    for (uint64_t point = 0; point < test_points;) {
        disk_log *log = record(test_random(&random));
        for (uint64_t i = 0; i < 20 && point < test_points; i++, point++) {
            verdict out = try_point(log, &random);
            if (!out.bad) continue;
            print_error("point %llu: %s\n", (unsigned long long)point, out.why);
            bad++;
        }
        disk_log_free(log);
    }
    assert_int_equal(bad, 0);
}

/* Every moment of the making of an index, up to the first acknowledged commit. */
static void test_store_power__may_go_while_the_index_is_made(void **state)
{
    (void)state;
    disk_log *log = record(0);
    size_t tried = 0;
    for (size_t events = 0; disk_log_mark(log, events) < 2; events++) {
        for (uint64_t seed = 0; seed < 4; seed++, tried++) {
            char *root = image_of(log, events, seed);
            verdict out = check(root, 0, 1, seed);
            ql_test_dir_remove(root);
            if (out.bad) fail_msg("power cut after event %zu (image %llu): %s", events, (unsigned long long)seed, out.why);
        }
    }
    print_message("%zu power cuts before the first commit\n", tried);
    disk_log_free(log);
}

/* Points until the lie is found out; 0: it never was. */
static size_t found_out(const char *part, bool folders)
{
    uint64_t random = 20;
    size_t tried = 0;
    disk_lie(part, folders);
    for (uint64_t variant = 0; variant < 20; variant++) {
        disk_log *log = record(variant);
        assert_true(disk_lies() > 0);
        for (size_t i = 0; i < 20; i++) {
            verdict out = try_point(log, &random);
            tried++;
            if (!out.bad) continue;
            print_message("swallowed syncs of '%s' show after %zu cuts: %s\n", part, tried, out.why);
            disk_log_free(log);
            disk_lie(NULL, false);
            return tried;
        }
        disk_log_free(log);
    }
    disk_lie(NULL, false);
    return 0;
}

static void test_store_power__finds_a_missing_fsync(void **state)
{
    (void)state;
    assert_true(found_out("qloader.db-wal", false) > 0);
    assert_true(found_out("vectors-", false) > 0);
    assert_true(found_out("work/data", true) > 0);
}

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && text[0] ? strtoull(text, NULL, 10) : fallback;
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1); /* thousands of small indexes: no need to wait for a disk */
    test_points = env_number("QL_POWER_POINTS", 40);
    test_seed = env_number("QL_POWER_SEED", (uint64_t)time(NULL));
    make_states();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_power__records_everything),
        cmocka_unit_test(test_store_power__keeps_what_was_acknowledged),
        cmocka_unit_test(test_store_power__may_go_while_the_index_is_made),
        cmocka_unit_test(test_store_power__finds_a_missing_fsync),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i <= STATES; i++) {
        ql_buf_dispose(&states[i].dump);
        ql_buf_dispose(&states[i].answers);
    }
    return failed;
}
