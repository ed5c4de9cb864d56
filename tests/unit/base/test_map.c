/*
 * Goal: the map agrees with a plain table under random inserts, finds and removals; its hash is SipHash-1-3 spread by seed.
 * Method: a model of 500 keys, seeded; collisions are forced by small tables.
 */
#include "support/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/status.h"

#define KEYS 500

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

typedef struct model {
    char names[KEYS][16];
    bool present[KEYS];
    uint64_t values[KEYS];
    size_t count;
} model;

static void model_init(model *m)
{
    memset(m, 0, sizeof *m);
    for (int i = 0; i < KEYS; i++) snprintf(m->names[i], sizeof m->names[i], "key-%d", i);
}

static void check_all(const ql__map *map, const model *m)
{
    assert_int_equal(map->count, m->count);
    for (int i = 0; i < KEYS; i++) {
        uint64_t *value = ql__map_find(map, ql_str_of(m->names[i]));
        assert_int_equal(value != NULL, m->present[i]);
        if (value) assert_true(*value == m->values[i]);
    }
}

static void step(ql__map *map, model *m)
{
    size_t i = random_next() % KEYS;
    ql_str key = ql_str_of(m->names[i]);
    if (random_next() % 3 == 0) {
        assert_int_equal(ql__map_find(map, key) != NULL, m->present[i]);
        return;
    }
    bool inserted;
    uint64_t *value = ql__map_insert(map, key, &inserted);
    assert_non_null(value);
    assert_int_equal(inserted, !m->present[i]);
    if (inserted) assert_int_equal(*value, 0);
    *value = m->values[i] = random_next();
    m->count += inserted;
    m->present[i] = true;
}

static void test_map__agrees_with_a_plain_table(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        ql__map map;
        static model m;
        ql__map_init(&map, seed);
        model_init(&m);
        for (int i = 0; i < 5000; i++) {
            step(&map, &m);
            if (i % 250 == 0) check_all(&map, &m);
        }
        check_all(&map, &m);
        ql__map_dispose(&map);
        assert_int_equal(map.count, 0);
    }
}

static void test_map__finds_nothing_when_empty(void **state)
{
    (void)state;
    ql__map map;
    ql__map_init(&map, 1);
    assert_null(ql__map_find(&map, QL_STR("a")));
    ql__map_dispose(&map);
}

static void test_map__takes_the_empty_key_and_keys_with_nul(void **state)
{
    (void)state;
    ql__map map;
    ql__map_init(&map, 1);
    *ql__map_insert(&map, (ql_str){NULL, 0}, NULL) = 1;
    *ql__map_insert(&map, QL_STR("a\0b"), NULL) = 2;
    *ql__map_insert(&map, QL_STR("a\0c"), NULL) = 3;
    assert_int_equal(*ql__map_find(&map, QL_STR("")), 1);
    assert_int_equal(*ql__map_find(&map, QL_STR("a\0b")), 2);
    assert_int_equal(*ql__map_find(&map, QL_STR("a\0c")), 3);
    ql__map_dispose(&map);
}

static void test_map__hash_depends_on_seed_and_every_byte(void **state)
{
    (void)state;
    char text[40];
    for (size_t len = 0; len <= sizeof text; len++) {
        memset(text, 'a', sizeof text);
        uint64_t hash = ql__hash_bytes((ql_str){text, len}, 7);
        assert_true(hash == ql__hash_bytes((ql_str){text, len}, 7));
        assert_true(hash != ql__hash_bytes((ql_str){text, len}, 8));
        for (size_t i = 0; i < len; i++) {
            text[i] = 'b';
            assert_true(hash != ql__hash_bytes((ql_str){text, len}, 7));
            text[i] = 'a';
        }
    }
}

/* Buckets of a low mask are filled evenly: chi-square over 256 cells, 25600 keys; 400 is far beyond chance (255 +- 23). */
static void test_map__hash_spreads_over_low_bits(void **state)
{
    (void)state;
    unsigned cells[256] = {0};
    for (int i = 0; i < 25600; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "%d", i);
        cells[ql__hash_bytes((ql_str){key, (size_t)len}, 3) & 255]++;
    }
    double chi = 0;
    for (int i = 0; i < 256; i++) chi += ((double)cells[i] - 100) * ((double)cells[i] - 100) / 100;
    assert_true(chi > 150 && chi < 400);
}

static ql_status fill(void *user, ql_error *err)
{
    model *m = user;
    ql__map map;
    ql__map_init(&map, 5);
    ql_status status = QL_OK;
    for (size_t i = 0; i < KEYS && status == QL_OK; i++) {
        uint64_t *value = ql__map_insert(&map, ql_str_of(m->names[i]), NULL);
        if (value) {
            *value = i;
            continue;
        }
        for (size_t k = 0; k < i; k++) assert_int_equal(*ql__map_find(&map, ql_str_of(m->names[k])), k);
        status = ql__fail_nomem(err);
    }
    ql__map_dispose(&map);
    return status;
}

static void test_map__keeps_its_content_when_memory_runs_out(void **state)
{
    (void)state;
    static model m;
    model_init(&m);
    ql_test_fault_loop(QL_FAULT_ALLOC, fill, &m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__agrees_with_a_plain_table),
        cmocka_unit_test(test_map__finds_nothing_when_empty),
        cmocka_unit_test(test_map__takes_the_empty_key_and_keys_with_nul),
        cmocka_unit_test(test_map__hash_depends_on_seed_and_every_byte),
        cmocka_unit_test(test_map__hash_spreads_over_low_bits),
        cmocka_unit_test(test_map__keeps_its_content_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
