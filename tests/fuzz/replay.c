/*
 * Goal: run a fuzz harness without a fuzzer. Every file of the folder argument goes through LLVMFuzzerTestOneInput: whole, cut
 * at many lengths, and with seeded mutations. The seed is printed; QL_FUZZ_SEED repeats a run, QL_FUZZ_RUNS sets the number of
 * mutations per file, of which one in SHARE is done where an input takes long. An empty corpus fails: it would test nothing. On a crash the input is in the file QL_FUZZ_SAVE names.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX ((size_t)1 << 20)
#define CUTS_MAX 64
#define RUNS_DEFAULT 200
#define EDITS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t random_state;
static unsigned long runs_per_file = RUNS_DEFAULT;
static size_t files_done, inputs_done;

/* splitmix64 */
static uint64_t random_next(void)
{
    uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static size_t random_below(size_t limit)
{
    return limit ? (size_t)(random_next() % limit) : 0;
}

static void save(const uint8_t *data, size_t size)
{
    const char *path = getenv("QL_FUZZ_SAVE");
    FILE *file = path ? fopen(path, "wb") : NULL;
    if (!file) return;
    fwrite(data, 1, size, file);
    fclose(file);
}

/* In a block of exactly that size, so that the sanitizer sees a read behind the end. */
static void run_input(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    if (size) memcpy(copy, data, size);
    save(copy, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    inputs_done++;
}

/* One edit of the kinds that break parsers: flips, interesting bytes, insertions, removals, repeated and swapped pieces. */
static size_t mutate(uint8_t *data, size_t size, size_t capacity)
{
    static const uint8_t interesting[] = {0, 1, 0x7f, 0x80, 0xff, 0xc0, 0xed, 0xf4, '"', '\\', '<', '>', '&', '{', '[', '\n', '\r', ' ', '-', '`', '#', '0', '9'};
    size_t at = random_below(size);
    size_t span = size ? 1 + random_below(size - at < 64 ? size - at : 64) : 0;
    switch (random_below(6)) {
    case 0:
        if (size) data[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 1:
        if (size) data[at] = interesting[random_below(sizeof interesting)];
        return size;
    case 2:
        if (size) data[at] = (uint8_t)random_next();
        return size;
    case 3: /* insert */
        if (size == capacity) return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = interesting[random_below(sizeof interesting)];
        return size + 1;
    case 4: /* remove */
        memmove(data + at, data + at + span, size - at - span);
        return size - span;
    default: /* repeat a piece */
        if (span > capacity - size) return size;
        memmove(data + at + span, data + at, size - at);
        return size + span;
    }
}

static void run_cuts(const uint8_t *data, size_t size)
{
    size_t step = size / CUTS_MAX + 1;
    for (size_t cut = 0; cut < size; cut += step) run_input(data, cut);
}

static void run_mutations(const uint8_t *data, size_t size)
{
    size_t capacity = size + 1024;
    uint8_t *work = malloc(capacity);
    if (!work) abort();
    for (unsigned long run = 0; run < runs_per_file; run++) {
        memcpy(work, data, size);
        size_t length = size;
        for (size_t edits = 1 + random_below(EDITS_MAX); edits > 0; edits--) length = mutate(work, length, capacity);
        run_input(work, length);
    }
    free(work);
}

static int replay_file(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)walk;
    if (type == FTW_DNR || type == FTW_NS) return -1;
    if (type != FTW_F) return 0;
    size_t size = (size_t)info->st_size;
    if (size > INPUT_BYTES_MAX) {
        fprintf(stderr, "%s: larger than %zu bytes, too slow to mutate\n", path, INPUT_BYTES_MAX);
        return -1;
    }
    uint8_t *data = malloc(size ? size : 1);
    FILE *file = fopen(path, "rb");
    if (!data || !file || fread(data, 1, size, file) != size) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    run_input(data, size);
    run_cuts(data, size);
    run_mutations(data, size);
    free(data);
    files_done++;
    return 0;
}

static uint64_t number_of(const char *variable, uint64_t fallback)
{
    const char *text = getenv(variable);
    return text && *text ? strtoull(text, NULL, 0) : fallback;
}

int main(int argc, char **argv)
{
    unsigned long share = argc == 3 ? strtoul(argv[2], NULL, 10) : 1;
    if (argc < 2 || argc > 3 || share == 0) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER [SHARE]\n", argv[0]);
        return 2;
    }
    random_state = number_of("QL_FUZZ_SEED", 20260101);
    runs_per_file = (unsigned long)number_of("QL_FUZZ_RUNS", RUNS_DEFAULT) / share;
    printf("QL_FUZZ_SEED=%" PRIu64 " QL_FUZZ_RUNS=%lu\n", random_state, runs_per_file * share);
    fflush(stdout);
    if (nftw(argv[1], replay_file, 16, FTW_PHYS) != 0) {
        fprintf(stderr, "cannot replay %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    if (files_done == 0) {
        fprintf(stderr, "%s holds no input\n", argv[1]);
        return 1;
    }
    printf("%zu files, %zu inputs\n", files_done, inputs_done);
    return 0;
}
